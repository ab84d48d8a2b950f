"""A client's calls that are under way, and the way to end them from outside."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import weakref
from collections.abc import Awaitable, Callable
from typing import Final

from .context import CallContext
from .ends import End
from .errors import ClientClosedError
from .gate import Alarm
from .provider import Q, R, opened
from .stream import ChatStream

__all__ = ["CallsInFlight"]

CLOSED: Final = "this client was closed; make a new one"


class CallInFlight:
    """One call of a client that is under way, and the way to end it from outside."""

    def __init__(self) -> None:
        self.alarm = Alarm()
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self.loop.create_future()
        self._stream: weakref.ref[ChatStream] | None = None
        self._pid = os.getpid()

    def watch(self, stream: ChatStream, dropped: Callable[[], object]) -> None:
        """Know the call's stream, and not keep it: one that its reader has dropped would hold its connection for ever.

        Args:
            stream: What the call has opened.
            dropped: Called on the call's loop when the stream was collected before its end.
        """

        def gone(_: object) -> None:  # the collector runs in any thread
            with contextlib.suppress(RuntimeError):  # the loop was closed, and its calls with it
                self.loop.call_soon_threadsafe(dropped)

        self._stream = weakref.ref(stream, gone)

    def finish(self) -> None:
        """Note that the call has ended."""
        self._stream = None
        if not self.done.done():
            self.done.set_result(None)

    @property
    def ours(self) -> bool:
        """Whether it is a call of this process: a forked child has a copy of its parent's, which nothing there can end."""
        return self._pid == os.getpid()

    def waiter(self) -> asyncio.Future[None]:
        """Return a future of the running loop that is done when the call is."""
        if asyncio.get_running_loop() is self.loop or not self.loop.is_running():
            return self.done if self.loop.is_running() else _nobody_runs()
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_finished(self.done), self.loop))

    async def end(self, error: ClientClosedError) -> None:
        """Make the call raise `error`, and return when it has ended."""
        if asyncio.get_running_loop() is not self.loop:
            with contextlib.suppress(RuntimeError):  # its loop is gone, and the call with it
                if self.loop.is_running():
                    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.end(error), self.loop))
                else:  # nobody may ever run it again: have it end the call if somebody does
                    self.loop.call_soon_threadsafe(lambda: self.loop.create_task(self.end(error)))
        elif (stream := self._stream() if self._stream is not None else None) is not None:
            await stream.interrupt(error)
        else:
            self.alarm.trip(error)
            await asyncio.wait([self.done])


class CallsInFlight:
    """The calls of a client that are under way: each is ended when the client is closed, and none begins after that."""

    def __init__(self) -> None:
        self.closed = False
        self._calls: set[CallInFlight] = set()

    def __len__(self) -> int:
        return len(self._calls)

    async def run(self, request: Q, send: Callable[[Q], Awaitable[R]], context: CallContext) -> R:
        """Make one logical call; one that opens a stream is under way until the stream ends."""
        call = CallInFlight()
        self.refuse_closed()
        self._calls.add(call)
        try:
            result = await call.alarm.guard(opened(request, send, context))
        except BaseException:  # cancellation too: the call is no longer under way; raised again
            self._leave(call)
            raise
        if not isinstance(result, ChatStream):
            self._leave(call)
            return result

        async def left(_: End) -> None:
            self._leave(call)

        call.watch(result, functools.partial(self._leave, call))
        result.on_close(left)
        return result

    async def close(self, grace: float) -> None:
        """Let no call begin, give those under way `grace` seconds, and end the rest with ClientClosedError."""
        self.closed = True
        calls = {call for call in self._calls if call.ours}
        if calls and grace > 0:
            await asyncio.wait([call.waiter() for call in calls], timeout=grace)
        for call in calls & self._calls:
            await call.end(ClientClosedError(CLOSED))

    def refuse_closed(self) -> None:
        """Raise ClientClosedError if the client was closed."""
        if self.closed:
            raise ClientClosedError(CLOSED)

    def _leave(self, call: CallInFlight) -> None:
        self._calls.discard(call)
        call.finish()


def _nobody_runs() -> asyncio.Future[None]:
    """Return what to wait for where a call's loop stands still: nothing."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    over.set_result(None)
    return over


async def _finished(done: asyncio.Future[None]) -> None:
    await asyncio.wait([done])
