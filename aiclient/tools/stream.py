"""A run of the tool loop while it goes on, for asynchronous code."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Self

from ..errors import StreamClosedError
from .runs import RunEvent, RunResult

__all__ = ["AsyncRun", "result_of", "text_of"]


class AsyncRun:
    """What happens in a run, as it happens: `async with` it and `async for` its events; then `.result`.

    Nothing is sent before the first event is asked for. Leaving the block early ends the call, and the tools, under way.
    """

    def __init__(self, events: AsyncGenerator[RunEvent, None]) -> None:
        self._events = events
        self._entered = False
        self._result: RunResult | None = None

    async def __aenter__(self) -> Self:
        self._entered = True
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._events.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RunEvent:
        if not self._entered:
            raise StreamClosedError("use `async with` on a run, so that its end is certain")
        event = await anext(self._events)
        self._result = event.result
        return event

    @property
    async def text(self) -> AsyncIterator[str]:
        """The text pieces alone, of all rounds, as they come."""
        async for event in self:
            if piece := text_of(event):
                yield piece

    @property
    def result(self) -> RunResult:
        """The whole run.

        Raises:
            StreamClosedError: It has not come to its end.
        """
        return result_of(self._result)


def result_of(result: RunResult | None) -> RunResult:
    """Return the result of a run, or refuse one that has none yet."""
    if result is None:
        raise StreamClosedError("the run has not come to its end: read all of its events first")
    return result


def text_of(event: RunEvent) -> str:
    """Return the text that an event brings; `""` for none."""
    return event.chunk.content if event.chunk is not None and event.chunk.choice == 0 else ""
