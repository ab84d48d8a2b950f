"""Streams: the object that carries the chunks of an answer to its reader.

There is one `ChatStream` per stream. The provider makes it, layers attach to it (`commit`, `on_chunk`, `on_close`) and hand
on the same object; nothing wraps it. Three rules hold by construction, whatever the source does:

* the end is told exactly once, after the source is closed, to the inner layers first;
* the first output is the commit point: a failure of the source after it is a StreamInterruptedError with the partial
  answer, so that no layer can mistake it for something to try again;
* a source that ends without a chunk marked `last` has failed.
"""

from __future__ import annotations

import asyncio
import math
import warnings
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, NoReturn, Self

from attrs import evolve, frozen

from .chunks import ChatStreamChunk, Fold, Growing
from .clock import SYSTEM, Clock
from .ends import CLOSING, End, OnEnd, graver, interrupted, survived
from .errors import AIClientError, Phase, ProtocolError, ResponseValidationError, StreamClosedError
from .gate import Alarm
from .response import ChatResponse, Outcome

__all__ = ["ChatStream"]

READ_ON_SECONDS: Final = 0.25
"""How long `close` reads on after a finish reason, for the usage and to keep the connection."""

READ_ON_CHUNKS: Final = 64
"""How many chunks it reads at most meanwhile."""


class ChatStream:
    """The chunks of one answer.

    Readers use `async with` and `async for`, or `.text`; then `.response`. Leaving the block early closes the connection at
    once. One reader at a time. Cancelling the reader ends the stream as `cancelled`.

    Args:
        source: Gives the chunks. At the end its `aclose` is called, and its `abort` (not a coroutine) when the stream is
            dropped or runs out of time unread; both are optional. A source that has an `alarm` lends it: one timer, and one
            guard, for both. A source that receives several chunks at once may have a `take`, which gives the next of those
            at hand, or None: what is there needs no waiting. One that `relays` another ChatStream says so: its failures are
            that stream's, and are passed on in its words.
        head: What is already known of the answer (request id, limits, provider).
    """

    _end: End | None = None  # of the class, so that __del__ can read it after a failed __init__
    growing: Growing | None = None
    """What makes `partial_output`, where something does."""

    def __init__(self, source: AsyncIterator[ChatStreamChunk], *, head: ChatResponse | None = None) -> None:
        self._source = source
        self._take: Callable[[], ChatStreamChunk | None] = getattr(source, "take", _nothing)
        self._fold = Fold(head)
        self._kept: deque[ChatStreamChunk] = deque()
        self._see: tuple[Callable[[ChatStreamChunk], None], ...] = ()
        self._tell: tuple[OnEnd, ...] = ()
        self._limits: _Limits | None = None
        self._alarm: Alarm = getattr(source, "alarm", None) or Alarm(unwatched=self._unread())
        self._committed = self._received = self._busy = self._left = self._closed = False
        self._on_first: tuple[Callable[[], None], ...] = ()
        self._quiet: asyncio.Future[None] | None = None

    # --- for readers ---

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, asyncio.CancelledError) and not self._left and not self._received:
            await self._finish("cancelled", error)
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChatStreamChunk:
        if self._kept:
            chunk = self._kept.popleft()
        elif self._end is not None:
            self._refuse_reading_on()
        else:
            chunk = self._at_hand() or await self._pull()
        refused: AIClientError | None
        if self._see:
            try:
                for see in self._see:
                    see(chunk)
            except AIClientError as error:
                refused = error
            else:
                refused = None
            if refused is not None:
                await self._fail(refused)
        if chunk.last:
            await self._finish("completed")
        return chunk

    def _refuse_reading_on(self) -> NoReturn:
        """Answer a reader who asks on after the end: quietly if it was complete, with the error if it was not."""
        assert self._end is not None
        if self._end.outcome == "completed":
            raise StopAsyncIteration
        raise self._own_error("this stream was closed before its end")

    def _own_error(self, otherwise: str) -> AIClientError:
        error = self._end and self._end.error
        return error if isinstance(error, AIClientError) else StreamClosedError(otherwise, partial=self.partial)

    @property
    def text(self) -> AsyncIterator[str]:
        """The text pieces alone, as they come."""
        return _Texts(self)

    @property
    def partial(self) -> ChatResponse:
        """The answer as far as it was received, which may be ahead of what was read; never raises."""
        ended = self._end and self._end.response
        return ended if isinstance(ended, ChatResponse) else self._fold.response()

    @property
    def partial_output(self) -> Any:
        """What the chunks read so far make of the value that `.output(Type)` asks for, as JSON values; None without any."""
        return None if self.growing is None else self.growing.value

    @property
    def finished(self) -> bool:
        """Whether the model has said why it stopped; usage may still come."""
        return self._fold.finished

    @property
    def response(self) -> ChatResponse:
        """The whole answer.

        Raises:
            AIClientError: The stream's own error, if it failed.
            StreamClosedError: It was not read to its end.
        """
        if self._end is None or self._end.outcome != "completed":
            raise self._own_error("the stream was not read to its end; .partial holds what came")
        assert isinstance(self._end.response, ChatResponse)
        return self._end.response

    async def close(self) -> None:
        """End the stream and release its connection; harmless when it has ended.

        After a finish reason it reads on for at most 0.25 s, to get the usage and keep the connection. A reader waiting in
        another task gets a StreamClosedError.
        """
        if self._end is None and self._busy:
            await self.interrupt(StreamClosedError("the stream was closed while it was being read"))
        if self._end is None and self._fold.finished and not self._received:
            await self._read_on()
        if self._end is None:
            await self._finish("completed" if self._received else "abandoned")

    aclose = close

    async def _read_on(self) -> None:
        """Read what may still come after the finish reason; what fails here no longer matters to the reader."""
        self._left = True
        clock = self._limits.clock if self._limits is not None else SYSTEM
        patience = Alarm(clock)
        patience.set(clock.monotonic() + READ_ON_SECONDS, "idle")
        try:
            for _ in range(READ_ON_CHUNKS):
                if not self._received:
                    await patience.guard(self._pull())
        except AIClientError:
            return
        finally:
            patience.stop()

    # --- for layers ---

    @property
    def end(self) -> End | None:
        """How the stream ended; None while it has not."""
        return self._end

    async def commit(self) -> None:
        """Read to the first output, or the end, and keep what was read; at once when that was done before.

        Raises what the stream fails with before its first output.
        """
        while not self._committed and not self._received:
            if self._end is not None:
                raise self._own_error("this stream was closed before its first output")
            self._kept.append(await self._pull())

    def on_chunk(self, see: Callable[[ChatStreamChunk], None]) -> None:
        """Have `see` given every chunk when it is handed out; an AIClientError it raises ends the stream."""
        self._see += (see,)

    def show_output(self, growing: Growing) -> None:
        """Have `growing` see every chunk that is handed out, and show its value as `partial_output`."""
        self.growing = growing
        self.on_chunk(growing.see)

    def on_close(self, tell: OnEnd) -> None:
        """Have `tell` told of the end, once, after those attached earlier.

        A ResponseValidationError that it raises of a complete answer rejects it: the reader gets it in place of the last
        chunk, and those attached later are told that the stream failed.
        """
        self._tell += (tell,)

    def on_first_output(self, tell: Callable[[], None]) -> None:
        """Have `tell` called when the first output is received (at once, if it was), after those attached earlier."""
        if self._committed:
            tell()
        else:
            self._on_first += (tell,)

    def leave(self) -> None:
        """Say that the reader leaves of its own will: the cancellation that follows is an abandonment."""
        self._left = True

    def limit(
        self,
        clock: Clock,
        *,
        ends: float = math.inf,
        phase: Phase = "total",
        first: float = math.inf,
        idle: float = math.inf,
    ) -> None:
        """Hold the stream to time limits, from now on.

        Args:
            clock: Where time comes from.
            ends: Moment on the monotonic clock when everything is over, naming `phase`.
            phase: `attempt` or `total`.
            first: Moment by which the first output must have come.
            idle: Seconds between payloads after that; the reader's own time does not count.
        """
        if getattr(self._source, "alarm", None) is None:
            self._alarm.stop()
            self._alarm = Alarm(clock, self._unread())
        self._limits = _Limits(clock, ends, phase, first, idle)
        self._alarm.set(ends, phase)

    def postpone(self, ends: float) -> None:
        """Let the stream last until `ends`, if that is later than its whole call allowed; an attempt's own limit stays."""
        limits = self._limits
        if limits is None or limits.phase != "total" or ends <= limits.ends or self._alarm.error is not None:
            return
        self._limits = limits = evolve(limits, ends=ends)
        if self._end is None and not self._received:
            self._alarm.set(*(limits.of_next(self._committed) if self._busy else (ends, "total")))

    async def interrupt(self, error: AIClientError) -> None:
        """End the stream with `error` for whoever reads it now or later; returns when it has ended."""
        if self._end is not None:
            return
        if not self._busy:
            await self._finish("abandoned", error)
            return
        self._quiet = self._quiet or asyncio.get_running_loop().create_future()
        self._alarm.trip(error)
        await asyncio.shield(self._quiet)

    # --- inside ---

    def _at_hand(self) -> ChatStreamChunk | None:
        """Receive a chunk that the source holds already: without a wait there is nothing to limit, or to interrupt."""
        if self._busy or self._received or self._alarm.error is not None:
            return None
        chunk = self._take()
        if chunk is not None:
            self._account(chunk)
        return chunk

    async def _pull(self) -> ChatStreamChunk:
        """Receive one chunk from the source."""
        if self._busy:
            raise RuntimeError("a stream has one reader, and another task is reading this one")
        self._busy = True
        failure: Exception
        try:
            if self._limits is not None:
                self._alarm.set(*self._limits.of_next(self._committed))
            chunk = await self._alarm.guard(self._source.__anext__())
        except StopAsyncIteration:
            failure = ProtocolError("the stream ended without its end mark: the answer is cut off", kind="incomplete")
        except asyncio.CancelledError as cancellation:
            await self._finish("abandoned" if self._left else "cancelled", cancellation)
            raise
        except Exception as error:  # noqa: BLE001  # a bug in a source must release its connection too; raised below
            failure = error
        else:
            self._busy = False
            if self._limits is not None:
                self._alarm.set(self._limits.ends, self._limits.phase)
            self._account(chunk)
            if chunk.last:
                await self._end_source()
            return chunk
        if self._committed and isinstance(failure, AIClientError) and not self._worded(failure):
            failure = interrupted(failure)
        return await self._fail(failure)

    def _account(self, chunk: ChatStreamChunk) -> None:
        self._fold.add(chunk)
        if not self._committed and chunk.is_output:
            self._committed = True
            for tell in self._on_first:
                tell()

    async def _end_source(self) -> None:
        """Release the connection: the last chunk has come."""
        self._received = True
        self._alarm.stop()
        trouble = await survived(self._close_source())
        if trouble is not None:  # whoever waited may be a layer that has not handed the stream on yet
            await self._finish("completed")
            raise trouble

    async def _fail(self, failure: Exception) -> NoReturn:
        if isinstance(failure, AIClientError):
            failure.partial = failure.partial or self.partial
        await self._finish("abandoned" if isinstance(failure, CLOSING) else "failed", failure)
        raise failure

    def _worded(self, failure: AIClientError) -> bool:
        """Whether it says all that there is to say: we closed the stream ourselves, or the one that is relayed has spoken."""
        if isinstance(failure, CLOSING):
            return True
        return failure is not self._alarm.error and getattr(self._source, "relays", False)

    async def _finish(self, outcome: Outcome, error: BaseException | None = None) -> None:
        """Close the source, then tell the end to everyone who asked, inner layers first; once."""
        if self._end is not None:
            return
        self._end = End(outcome, self._fold.response(), error)
        self._alarm.stop()
        if outcome != "completed":
            self._kept.clear()
        trouble = await survived(self._close_source())
        for tell in self._tell:
            trouble = graver(trouble, await survived(self._tell_one(tell)))
        if self._quiet is not None and not self._quiet.done():
            self._quiet.set_result(None)
        if trouble is None:
            return
        if error is not None and isinstance(trouble, Exception):
            error.add_note(f"telling its end ran into {type(trouble).__name__}: {trouble}")
            return  # what ended the stream goes on, whatever its cleanup ran into
        raise trouble

    async def _tell_one(self, tell: OnEnd) -> None:
        assert self._end is not None
        try:
            amended = await tell(self._end)
        except ResponseValidationError as rejection:
            if (
                self._end.outcome == "completed"
            ):  # the exchange did, and the call has failed: so the layers outside hear
                self._end = evolve(self._end, outcome="failed", error=rejection)
            raise
        if amended is not None:
            self._end = evolve(self._end, response=amended)

    async def _close_source(self) -> None:
        if not self._closed:
            self._closed = True
            close = getattr(self._source, "aclose", None)
            if close is not None:
                await close()

    def _unread(self) -> Callable[[], None]:
        """Return what an alarm calls when nobody reads; the pending timer must not keep a dropped stream alive."""
        abort = weakref.WeakMethod(self._abort)

        def release() -> None:
            if (alive := abort()) is not None:
                alive()

        return release

    def _abort(self) -> None:
        """Release the connection without awaiting: nobody is reading."""
        abort = getattr(self._source, "abort", None)
        if abort is not None:
            abort()

    def __del__(self) -> None:
        if self._end is None and hasattr(self, "_alarm"):
            self._alarm.stop()
            self._abort()  # first: where warnings are errors, the next line raises
            warnings.warn(f"unclosed {self!r}; use `async with`", ResourceWarning, stacklevel=2, source=self)


def _nothing() -> None:
    """Stand in for the `take` of a source that has none."""


@frozen
class _Limits:
    clock: Clock
    ends: float
    phase: Phase
    first: float
    idle: float

    def of_next(self, committed: bool) -> tuple[float, Phase]:  # noqa: FBT001  # its only argument, on every wait
        """Return when the next chunk must have come, and what to call it if it has not."""
        at = self.clock.monotonic() + self.idle if committed else self.first
        if at < self.ends:
            return at, ("idle" if committed else "first_output")
        return self.ends, self.phase


class _Texts:
    """The text of a stream; a class, because a generator would keep the stream open when it is left early."""

    def __init__(self, stream: ChatStream) -> None:
        self._stream = stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        while True:
            chunk = await self._stream.__anext__()
            if chunk.content and chunk.choice == 0:
                return chunk.content
