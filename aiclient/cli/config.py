"""`aiclient config`: whether a configuration will do, what holds, and the schema for editors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..config import Config, schema
from ..config.dotenv import with_env_file
from ..config.environment import Variables
from ..config.loading import effective
from ..config.sources import Read, read
from ..sync.client import Client
from .terminal import put

if TYPE_CHECKING:
    import argparse

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Do one of the three."""
    if arguments.config_command == "schema":
        put(json.dumps(schema(), indent=2) + "\n")
        return 0
    if arguments.config_command == "show":
        put(json.dumps(_holding(arguments).to_dict(), indent=2, ensure_ascii=False) + "\n")
        return 0
    with Client.from_config(arguments.path, profile=arguments.profile, env_file=arguments.env_file) as client:
        chain = client.explain()
    put(json.dumps({"ok": True, "chain": chain}) + "\n" if arguments.json else f"it will do:\n\n{chain}\n")
    return 0


def _holding(arguments: argparse.Namespace) -> Config:
    """Return the configuration as it holds; nothing is made of it, so that no key is needed."""
    env = Variables.read(with_env_file(None, arguments.env_file))
    path = arguments.path or env.config
    found = Read(Config(), from_file=True) if path is None else read(path)
    return effective(found, env, profile=arguments.profile)
