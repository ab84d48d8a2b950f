"""`aiclient check`, `aiclient status`, `aiclient explain`: whom a call would reach, and whether it could be answered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..sync.client import Client
from .terminal import put
from .whom import made

if TYPE_CHECKING:
    import argparse

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Make the client that `ask` would use, and let it say of itself what is asked."""
    with made(Client, arguments) as client:
        if arguments.asked == "explain":
            text = client.explain()
            put((json.dumps({"chain": text}) if arguments.json else text) + "\n")
            return 0
        found: Any = (
            client.check(timeout=arguments.timeout) if arguments.asked == "check" else _status(client, arguments)
        )
    put((json.dumps(found.to_dict()) if arguments.json else str(found)) + "\n")
    return 0 if found.ok else 1


def _status(client: Client, arguments: argparse.Namespace) -> Any:
    return client.status(ask=not arguments.quiet, timeout=arguments.timeout)
