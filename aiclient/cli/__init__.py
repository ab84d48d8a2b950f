"""The command line; each command is a file here, and what they take stands in `arguments`."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import TextIO, cast

from .arguments import make_parser
from .terminal import complain, note

__all__ = ["main"]

FAILED = 1
WRONG_USAGE = 2
INTERRUPTED = 130
"""What shells take for "ended by Ctrl-C": 128 and the signal's number."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 the service failed, 2 wrong usage or set-up, 130 interrupted."""
    try:
        return _ran(argv)
    except KeyboardInterrupt:  # in a command, or while it was imported
        return INTERRUPTED


def _ran(argv: Sequence[str] | None) -> int:
    _open_streams()
    parser = make_parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has printed why
        return stop.code if isinstance(stop.code, int) else WRONG_USAGE
    if arguments.command is None:
        parser.print_help()
        return WRONG_USAGE
    return _guarded(arguments)


def _guarded(arguments: argparse.Namespace) -> int:
    """Run the command; whatever this library raises on purpose becomes one line and an exit code, never a traceback."""
    from ..errors import (  # noqa: PLC0415  # `--help` needs none of it
        AIClientError,
        ConfigError,
        InvalidModelError,
        InvalidRequestError,
    )
    from .whom import advice  # noqa: PLC0415  # as above

    try:
        run: Callable[[argparse.Namespace], int] = importlib.import_module(arguments.command, __name__).run
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: note(str(message))
            return run(arguments)
    except (ConfigError, InvalidRequestError) as error:
        for line in str(error).splitlines():  # of a configuration it may be several
            note(line)
        if isinstance(error, InvalidModelError) and "base_url" in arguments:  # those that the variables speak to
            for line in advice(os.environ):
                note(line)
        return WRONG_USAGE
    except AIClientError as error:
        complain(error)
        return FAILED
    except BrokenPipeError:  # the reader of our output has left, as `| head` does: nobody is there to be told
        _detach_output()
        return FAILED
    except OSError as error:  # the disk is full, the device refuses: only what we print ourselves can fail like this
        _detach_output()
        note(f"the output could not be written: {error.strerror or error}")
        return FAILED


def _open_streams() -> None:
    """Give a process that was begun without one of the three streams (`<&-`) one that is empty, or refuses to be written."""
    if sys.stdin is None:
        sys.stdin = _nothing("r")
    if sys.stdout is None:
        sys.stdout = _nothing("w", os.O_RDONLY)
    if sys.stderr is None:
        sys.stderr = _nothing("w")


def _nothing(mode: str, flags: int = os.O_RDWR) -> TextIO:
    return cast("TextIO", os.fdopen(os.open(os.devnull, flags), mode, encoding="utf-8"))


def _detach_output() -> None:
    """Point standard output at nothing, so that the interpreter's last flush does not fail on the broken pipe."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
