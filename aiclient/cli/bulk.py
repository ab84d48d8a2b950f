"""`aiclient bulk run` and `aiclient bulk status`: from a file into a file, begun again where it ended."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Final

from ..bulk.lines import Defaults
from ..bulk.runs import BulkRun, status
from ..bulk.runs import run as run_file
from ..client import AsyncClient
from ..errors import AIClientError, BudgetExceededError, ConfigError
from ..prices.expenses import shown
from ..request import ChatOptions
from .asking import instructed
from .terminal import complain, note, put
from .whom import made

if TYPE_CHECKING:
    import argparse

__all__ = ["run"]

DONE: Final = 0
FAILED: Final = 1
OVER_BUDGET: Final = 3

REDRAWN: Final = 0.1
"""Seconds between two states of the bar."""

WIDTH: Final = 30


def run(arguments: argparse.Namespace) -> int:
    """Do one of the two."""
    if arguments.bulk_command == "status":
        return _status(arguments)
    bar = _Bar(shown=sys.stderr.isatty())
    try:
        state = asyncio.run(_run(arguments, bar))
    finally:
        bar.end()
    _tell(state, arguments)
    if state.failed:
        note(f'why lines failed stands in {str(arguments.output)!r}, under "error"; --retry-failed asks them again')
    if isinstance(state.stopped, BudgetExceededError):
        note(f"{state.stopped}; begin it again with a larger --budget")
        return OVER_BUDGET
    if isinstance(state.stopped, ConfigError):
        raise state.stopped
    if state.stopped is not None:
        _complain(state.stopped)
        return FAILED
    return FAILED if state.failed else DONE


async def _run(arguments: argparse.Namespace, bar: _Bar) -> BulkRun:
    async with made(AsyncClient, arguments) as client:
        return await run_file(
            client,
            arguments.input,
            arguments.output,
            concurrency=arguments.concurrency,
            budget=arguments.budget,
            ordered=arguments.ordered,
            retry_failed=arguments.retry_failed,
            defaults=_defaults(arguments),
            on_progress=bar.draw,
        )


def _status(arguments: argparse.Namespace) -> int:
    state = status(arguments.input, arguments.output)
    _tell(state, arguments)
    return FAILED if state.failed or state.left else DONE


def _defaults(arguments: argparse.Namespace) -> Defaults:
    return Defaults(instructed(arguments), ChatOptions(max_tokens=arguments.max_tokens))


def _complain(error: Exception) -> None:
    if isinstance(error, AIClientError):
        complain(error)
    else:
        note(f"{type(error).__name__}: {error}")


def _tell(state: BulkRun, arguments: argparse.Namespace) -> None:
    if arguments.json:
        facts = {
            "total": state.total,
            "done": state.done,
            "failed": state.failed,
            "earlier": state.earlier,
            "left": state.left,
            "usd": str(state.usd),
            "unpriced": state.unpriced,
            "stopped": None if state.stopped is None else type(state.stopped).__name__,
        }
        put(json.dumps(facts) + "\n")
    else:
        put(f"{_line(state)}\n")


def _line(state: BulkRun) -> str:
    parts = [f"{state.done} of {state.total} done", f"{state.failed} failed", shown(state.usd)]
    if state.unpriced:
        parts.append(f"{state.unpriced} calls of unknown price")
    return ", ".join(parts)


class _Bar:
    """One line on standard error, drawn over itself; nothing where nobody looks."""

    def __init__(self, *, shown: bool) -> None:
        self._shown, self._drawn, self._next, self._began = shown, False, 0.0, time.monotonic()

    def draw(self, state: BulkRun) -> None:
        """Show how far it is."""
        now = time.monotonic()
        if not self._shown or (now < self._next and state.left):
            return
        self._next, self._drawn = now + REDRAWN, True
        share = state.done / state.total if state.total else 1.0
        full = round(share * WIDTH)
        speed = (state.done - state.earlier) / max(now - self._began, 0.001)
        sys.stderr.write(f"\r[{'#' * full}{'.' * (WIDTH - full)}] {share:4.0%}  {_line(state)}, {speed:.0f}/s\x1b[K")
        sys.stderr.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._drawn:
            sys.stderr.write("\n")
            sys.stderr.flush()
            self._drawn = False
