"""`aiclient serve`: the loopback server in the foreground."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..errors import ConfigError
from ..testutil.faults import Fault, cut, overloaded, rate_limited, server_error, stall
from ..testutil.server import LoopbackServer
from .terminal import put

if TYPE_CHECKING:
    import argparse

__all__ = ["fault", "run"]

KEPT_REQUESTS: Final = 100
"""A server that runs for days must not remember every request."""


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is no whole number of at least 0")
    return int(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    raise ValueError(f"{text!r} is no number")


_FAULTS: Final[dict[str, Callable[[str | None], Fault]]] = {
    "rate_limited": lambda value: rate_limited(retry_after=1 if value is None else value),
    "overloaded": lambda value: overloaded(retry_after=value),
    "server_error": lambda value: server_error(_whole(value or "500")),
    "cut": lambda value: cut(after=_whole(value or "0")),
    "stall": lambda value: stall(after=_whole(value or "0")),
    "delay": lambda value: Fault(delay=_number(value or "1")),
}


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    server = LoopbackServer(
        host=arguments.host,
        port=arguments.port,
        reply=arguments.reply,
        api_key=arguments.api_key,
        faults=[fault(text) for text in arguments.fault],
        keep_requests=KEPT_REQUESTS,
    )
    with contextlib.ExitStack() as stack:
        _start(server, stack, f"{arguments.host} port {arguments.port}")
        if arguments.json:
            put(json.dumps({"base_url": server.base_url}) + "\n")
        else:
            put(_welcome(server.base_url, arguments.api_key))
        with contextlib.suppress(KeyboardInterrupt):  # which is how one stops it
            _wait_for_ctrl_c()
        if not arguments.json:
            put("\nstopped\n")
    return 0


def _start(server: LoopbackServer, stack: contextlib.ExitStack, where: str) -> None:
    try:
        stack.enter_context(server)
    except (OSError, OverflowError) as error:
        problem = str(error)
    else:
        return
    raise ConfigError(f"cannot listen on {where}: {problem}")


def fault(text: str) -> Fault:
    """Return the fault that `name` or `name:number` stands for.

    Raises:
        ConfigError: There is no such fault, or it does not take that number.
    """
    name, colon, value = text.partition(":")
    if name not in _FAULTS:
        raise ConfigError(f"--fault {text!r}: {name!r} is none of {', '.join(_FAULTS)}")
    try:
        return _FAULTS[name](value if colon else None)
    except ValueError as error:
        problem = str(error)
    raise ConfigError(f"--fault {text!r}: {problem}")


def _welcome(base_url: str, api_key: str | None) -> str:
    key = "AI_API_KEY=... " if api_key else ""
    return (
        f"serving the protocols of all providers, OpenAI's at {base_url}\n"
        f'try:  {key}aiclient ask "Hello" -m any --base-url {base_url}\n'
        "stop: Ctrl-C\n"
    )


def _wait_for_ctrl_c() -> None:
    forever = threading.Event()
    while not forever.wait(0.5):  # an endless wait could not be interrupted on Windows
        pass
