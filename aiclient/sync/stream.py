"""A stream for synchronous code: one task pumps it on the loop thread, the reader takes the chunks from a queue."""

from __future__ import annotations

import asyncio
import os
import threading
import warnings
from collections import deque
from collections.abc import Iterator
from typing import Any, Final, Self

from ..chunks import ChatStreamChunk
from ..errors import StreamClosedError
from ..opening import OpenStream
from ..response import ChatResponse
from ..stream import READ_ON_SECONDS, ChatStream
from .loopthread import Job, LoopThread

__all__ = ["Stream"]

AHEAD: Final = 64
"""Chunks that the pump reads ahead of the reader at most."""


class _Pump:
    """Reads one stream on the loop thread, ahead of its reader; it must not know the reader, who may be dropped."""

    def __init__(self) -> None:
        self.queue: deque[ChatStreamChunk] = deque()
        self.ready = threading.Event()  # set when there is something to look at
        self.room: asyncio.Future[None] | None = None
        self.stream: ChatStream | None = None
        self.ended = self.leaving = False

    async def run(self, opening: OpenStream) -> None:
        try:
            async with opening as stream:
                self.stream = stream
                self.ready.set()
                async for chunk in stream:
                    if self.leaving:
                        if stream.finished:
                            continue
                        break
                    self.queue.append(chunk)
                    if not self.ready.is_set():
                        self.ready.set()
                    if len(self.queue) >= AHEAD:
                        await self._wait_for_room()
        finally:
            self.ended = True
            self.ready.set()

    async def _wait_for_room(self) -> None:
        self.room = asyncio.get_running_loop().create_future()
        if len(self.queue) > AHEAD // 2 and not self.leaving:  # the reader may have caught up unseen
            await self.room
        self.room = None

    def make_room(self, room: asyncio.Future[None] | None) -> None:
        if room is not None and not room.done():
            room.set_result(None)

    def leave(self, job: Job[None]) -> None:
        """End the stream as its reader leaves: abandoned, as in async."""
        if self.stream is None or self.ended:
            return
        self.leaving = True
        self.queue.clear()
        self.stream.leave()
        self.make_room(self.room)
        if self.stream.finished:  # after a finish reason, a moment for the usage
            asyncio.get_running_loop().call_later(READ_ON_SECONDS, job.cancel)
        else:
            job.cancel()

    def wait_for_end(self) -> None:
        while not self.ended:
            self.ready.clear()
            if not self.ended:
                self.ready.wait()


class Stream:
    """The chunks of one answer, for synchronous code.

    Open when it is made. Use `with`: leaving the block early closes the connection at once. One task pumps the stream on
    the loop thread, at most 64 chunks ahead of the reader.
    """

    _pump: _Pump | None = None  # of the class, so that __del__ can read it after a failed __init__

    def __init__(self, thread: LoopThread, opening: OpenStream, *, keeps: object = None) -> None:
        self._keeps = keeps  # whose thread it is: it would end with its client
        pump = _Pump()
        self._pid = os.getpid()
        self._thread = thread
        self._job = thread.job(pump.run(opening))
        self._pump = pump
        self._told: asyncio.Future[None] | None = None
        """The wait of the pump that it was last told to end."""
        try:
            self._job.launch()
            self._wait(pump)
        except BaseException:  # Ctrl-C while it opens: cancelled before the interruption goes on
            self._job.settle()
            raise
        if pump.stream is None:
            self._job.result()
        growing = self._opened.growing
        self._growing = None if growing is None else growing.fresh()  # the pump's own is ahead of this reader

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and not issubclass(kind, (Exception, GeneratorExit)):
            self._cancel()  # Ctrl-C outside a wait: cancelled all the same
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ChatStreamChunk:
        pump = self._pump
        assert pump is not None
        while not pump.queue:
            if pump.ended:
                if not pump.leaving:
                    self._job.result()
                raise StopIteration
            if self._foreign:
                raise StreamClosedError(
                    "this stream belongs to the process that opened it; a forked child opens its own"
                )
            pump.ready.clear()
            if not pump.queue and not pump.ended:
                self._wait(pump)
        chunk = pump.queue.popleft()
        room = pump.room
        if room is not None and room is not self._told and len(pump.queue) <= AHEAD // 2:
            self._told = room  # once for each wait: the loop may not hear of it before many more chunks are taken
            self._thread.loop().call_soon_threadsafe(pump.make_room, room)
        if self._growing is not None:
            self._growing.see(chunk)
        return chunk

    def _wait(self, pump: _Pump) -> None:
        try:
            pump.ready.wait()
        except BaseException:  # Ctrl-C: the stream ends as cancelled, before the interruption goes on
            self._cancel()
            raise

    def _cancel(self) -> None:
        if not self._foreign:
            self._job.settle()

    @property
    def _foreign(self) -> bool:
        """Whether this is a forked child's copy: what pumps the stream is in the parent, and nothing here may wait for it."""
        return self._pid != os.getpid()

    @property
    def text(self) -> Iterator[str]:
        """The text pieces alone, as they come."""
        return (chunk.content for chunk in self if chunk.content and chunk.choice == 0)

    @property
    def _opened(self) -> ChatStream:
        assert self._pump is not None
        assert self._pump.stream is not None
        return self._pump.stream

    @property
    def partial(self) -> ChatResponse:
        """The answer as far as it was received, which may be ahead of what was read; never raises."""
        assert self._pump is not None
        return self._opened.partial if self._pump.ended or self._foreign else self._thread.run(_partial(self._opened))

    @property
    def partial_output(self) -> Any:
        """What the chunks read so far make of the value that `.output(Type)` asks for; see ChatStream.partial_output."""
        return None if self._growing is None else self._growing.value

    @property
    def response(self) -> ChatResponse:
        """The whole answer; see ChatStream.response for what it raises."""
        return self._opened.response

    def close(self) -> None:
        """End the stream and release its connection, and return when that is done; harmless when it has ended."""
        pump = self._pump
        if pump is not None and not pump.ended and not self._foreign:
            self._thread.loop().call_soon_threadsafe(pump.leave, self._job)
            pump.wait_for_end()

    def __del__(self) -> None:
        pump = self._pump
        if pump is not None and pump.stream is not None and not pump.ended and not self._foreign:
            warnings.warn("an unclosed Stream was dropped; use `with`", ResourceWarning, stacklevel=2, source=self)
            self._thread.loop().call_soon_threadsafe(pump.leave, self._job)


async def _partial(stream: ChatStream) -> ChatResponse:
    return stream.partial
