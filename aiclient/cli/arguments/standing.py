"""What `check`, `status` and `explain` take."""

from __future__ import annotations

import argparse

from .shared import Commands, add_json, add_whom

__all__ = ["add_check", "add_explain", "add_status"]


def add_check(commands: Commands) -> None:
    """Add `check`."""
    check = commands.add_parser(
        "check",
        help="look whether a call could be answered",
        description="Look whether there is a key, whether the service answers, and whether it has the model.",
        epilog="exit codes: 0 nothing stands against a call, 1 something does, 2 wrong usage or set-up",
    )
    check.add_argument("--all", action="store_true", help="every provider that there are credentials for")
    _add(check, seconds=10.0)


def add_status(commands: Commands) -> None:
    """Add `status`."""
    status = commands.add_parser(
        "status",
        help="say how the services stand",
        description="Ask every service that a call may reach whether it is well.",
        epilog="exit codes: 0 one is well at least, 1 none is, 2 wrong usage or set-up",
    )
    status.add_argument("--quiet", action="store_true", help="ask nobody: say what is known without")
    _add(status, seconds=5.0)


def add_explain(commands: Commands) -> None:
    """Add `explain`."""
    _add(commands.add_parser("explain", help="draw the chain", description="Draw the chain, outermost first."))


def _add(parser: argparse.ArgumentParser, *, seconds: float | None = None) -> None:
    add_whom(parser)
    add_json(parser)
    if seconds is not None:
        parser.add_argument(
            "--timeout", type=float, default=seconds, metavar="SECONDS", help="for each (default: %(default)s)"
        )
    parser.set_defaults(command=".standing", asked=parser.prog.rpartition(" ")[2])
