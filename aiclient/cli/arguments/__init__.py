"""What the commands take, a file for each kind: argparse alone, so that help and mistakes cost nothing."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Final

from ... import __version__
from .asking import add_ask, add_chat
from .bulk import add_bulk
from .facts import add_config, add_cost, add_models
from .local import add_bench, add_completion, add_demo, add_serve
from .parser import Parser
from .shared import Commands
from .standing import add_check, add_explain, add_status

__all__ = ["make_parser"]

COMMANDS: Final[tuple[Callable[[Commands], None], ...]] = (
    add_demo,
    add_ask,
    add_chat,
    add_bulk,
    add_models,
    add_cost,
    add_check,
    add_status,
    add_explain,
    add_config,
    add_serve,
    add_bench,
    add_completion,
)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; `command` is then the module that does it."""
    parser: argparse.ArgumentParser = Parser(
        prog="aiclient",
        description="One small client for every language-model service.",
        epilog="exit codes: 0 done, 1 the service failed or part of the work did, 2 wrong usage or set-up, "
        "3 the budget is used up, 130 interrupted",
    )
    parser.add_argument("--version", action="version", version=f"aiclient {__version__}")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for add in COMMANDS:
        add(commands)
    return parser
