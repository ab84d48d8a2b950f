"""A run of the tool loop while it goes on, for synchronous code: each step is taken on the loop thread."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from typing import Self

from ..tools.runs import RunEvent, RunResult
from ..tools.stream import result_of, text_of
from .loopthread import LoopThread

__all__ = ["Run"]


class Run:
    """What happens in a run, as it happens: `with` it and `for` its events; then `.result`.

    Nothing is sent before the first event is asked for, and between two events only tools go on. Leaving the block early ends
    the call, and the tools, under way.
    """

    def __init__(self, thread: LoopThread, events: AsyncGenerator[RunEvent, None], *, keeps: object) -> None:
        self._keeps = keeps  # whose thread it is: it would end with its client
        self._thread = thread
        self._events = events
        self._result: RunResult | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.run(self._events.aclose())

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> RunEvent:
        event = self._thread.run(_next(self._events))
        if event is None:
            raise StopIteration
        self._result = event.result
        return event

    @property
    def text(self) -> Iterator[str]:
        """The text pieces alone, of all rounds, as they come."""
        return (piece for event in self if (piece := text_of(event)))

    @property
    def result(self) -> RunResult:
        """The whole run; see AsyncRun.result for what it raises."""
        return result_of(self._result)


async def _next(events: AsyncGenerator[RunEvent, None]) -> RunEvent | None:
    return await anext(events, None)
