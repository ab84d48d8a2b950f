"""A stream that several readers share: one task reads the source, each reader has a stream of its own over what came."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Awaitable, Callable
from typing import Final, Self

from ..chunks import ChatStreamChunk
from ..context import CallContext
from ..ends import End
from ..gate import Alarm
from ..response import ChatResponse, EmbeddingResponse
from ..stream import ChatStream
from ._flight import Flight, Seat, ends

__all__ = ["AHEAD", "Relay", "StreamFlight"]

AHEAD: Final = 64
"""Chunks that are read ahead of the fastest reader at most."""


class StreamFlight(Flight[ChatStream]):
    """A stream being opened and read, for as long as somebody wants it; what came is kept for those who join late."""

    def __init__(
        self,
        context: CallContext,
        call: Callable[[], Awaitable[ChatStream]],
        over: Callable[[Flight[ChatStream]], None],
    ) -> None:
        super().__init__(context, call, over)
        self.head: ChatResponse | None = None
        self.source: ChatStream | None = None
        self.prefix: list[ChatStreamChunk] = []
        self.leader: Relay | None = None
        self._furthest = 0  # how far the fastest reader came, even if it left since: that much was allowed
        self._room: asyncio.Future[None] | None = None
        self._ends = ends(context)

    async def _fly(self) -> ChatStream:
        async with await self._call() as source:
            self.head = source.partial
            self.source = source
            self._postpone()
            self.wake()
            async for chunk in source:
                self.prefix.append(chunk)
                self.wake()
                if len(self.prefix) - self._furthest >= AHEAD:
                    await self._wait_for_room()
        return source

    async def _wait_for_room(self) -> None:
        self._room = asyncio.get_running_loop().create_future()
        try:
            await self._room
        finally:
            self._room = None

    def reached(self, position: int) -> None:
        """Take note of how far a reader has come."""
        if position > self._furthest:
            self._furthest = position
            if self._room is not None and not self._room.done() and len(self.prefix) - position <= AHEAD // 2:
                self._room.set_result(None)

    def last_until(self, moment: float) -> None:
        """Go on until then if that is later than what the leader has time for; from then on it watches its own."""
        if moment > self._ends:
            self._ends = moment
            self._postpone()

    def _postpone(self) -> None:
        if self.source is not None and self._ends > ends(self.context):
            self.source.postpone(self._ends)
            if self.leader is not None:
                self.leader.watch()

    async def leave(self) -> BaseException | None:
        """Count one out; how the source itself ended is not something that its end ran into."""
        trouble = await super().leave()
        ended = self.source and self.source.end
        return None if ended and ended.error is trouble else trouble

    def _call_off(self, task: asyncio.Task[ChatStream]) -> None:
        reader = asyncio.current_task()
        if self.source is not None and not (reader and reader.cancelling()):
            self.source.leave()  # the readers left of their own will
        task.cancel()


class Relay(Seat[StreamFlight]):
    """One reader's place in a shared stream, and the source of its own: what the flight has read, and then what it reads."""

    relays = True

    def __init__(self, flight: StreamFlight, context: CallContext, *, leads: bool) -> None:
        super().__init__(flight, context, leads=leads)
        self._loop = asyncio.get_running_loop()
        self._at = 0
        if leads:
            flight.leader = self  # its time is the source's, until somebody has more
        else:
            flight.last_until(ends(context))

    def _alarm(self) -> Alarm:
        return Alarm(self.context.clock, _aborting(self))

    async def ready(self) -> bool:
        """Wait until the source is open; False if that failed."""
        flight = self.flight
        while flight.source is None and not flight.landed:
            await self.alarm.guard(flight.news(ends(self.context)))
        return flight.source is not None

    def stream(self) -> ChatStream:
        """Return the reader's stream."""
        stream = ChatStream(self, head=self.flight.head)
        stream.on_close(self._end)
        return stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChatStreamChunk:
        while (chunk := self.take()) is None:
            if self.flight.landed:
                raise self.failure()
            await self.flight.news(ends(self.context))
        return chunk

    def take(self) -> ChatStreamChunk | None:
        """Return the next chunk that has come; None if there is none."""
        flight = self.flight
        if self._at >= len(flight.prefix):
            return None
        chunk = flight.prefix[self._at]
        self._at += 1
        flight.reached(self._at)
        return chunk

    async def _end(self, end: End) -> ChatResponse | EmbeddingResponse | None:
        """Give the leader what the layers inside made of the answer, and the others the same for nothing."""
        whole = self.flight.source and self.flight.source.end
        answer = whole.response if whole is not None and (self.leads or end.outcome == "completed") else end.response
        return None if answer is None else self.own(answer)

    def _leaves(self) -> bool:
        if self.leads:
            self.flight.leader = None  # nobody whose time would count any more, and no cycle that keeps what was read
        return super()._leaves()

    def abort(self) -> None:
        """Leave without waiting: from wherever a stream is dropped, be it another thread, or a collection inside a lock."""
        if self._leaves():
            with contextlib.suppress(RuntimeError):  # the loop is closed, and the flight with it
                self._loop.call_soon_threadsafe(self.flight.drop)


def _aborting(relay: Relay) -> Callable[[], None]:
    """Return what a relay's alarm calls when nobody reads; the pending timer must not keep a dropped stream alive."""
    abort = weakref.WeakMethod(relay.abort)

    def release() -> None:
        if (alive := abort()) is not None:
            alive()

    return release
