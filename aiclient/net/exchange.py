"""One HTTP exchange, whatever sends it: time limits, size limits, decoding and typed errors in one place.

An `Exchange` reads the answer that a `Transport` got. Everything runs in the caller's task, and the unhappy path never
awaits: whatever ends a wait except a result, one ordinary function closes the socket and returns the permit, so that a
second cancellation finds nothing left to interrupt.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import weakref
from collections.abc import Awaitable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NoReturn, Self, TypeVar
from urllib.parse import urlsplit

from ..decoding import Inflation, inflation
from ..errors import AIClientError, ConnectError, ProtocolError, StreamClosedError
from ..gate import Alarm
from .errors import meaning
from .transport import Answer, Head, HTTPLimits, Limits, Transport

if TYPE_CHECKING:
    from ..clock import Clock
    from ..context import Timeouts
    from ..request import HTTPCall

__all__ = ["Exchange"]

T = TypeVar("T")

DRAIN_BYTES: Final = 64 * 1024
DRAIN_SECONDS: Final = 0.05
"""How far `aclose` reads on after the last event of interest, to keep the connection."""

_CLOSED: Final = "the exchange was closed before the end of its body"


class Exchange:
    """One HTTP exchange in progress: an iterator over the decoded body, to be closed.

    Reading to the end, and `aclose` after `done`, keep the connection for the next exchange; any other way out closes it
    at once, and so does a cancelled read.

    Attributes:
        head: Status and headers.
        redirects: Set it before `open` to be given an answer that redirects as any other.
        done: Set it when the last event of interest has come; `aclose` then reads the little that may follow.

    Raises (while it is read):
        ConnectError: The connection was lost (`kind="reset"`).
        ProtocolError: The body is cut off (`incomplete`), over the limit (`too_large`), or does not decode (`decode`).
        TimeoutError: The deadline is over (`phase="total"`), also if that was while nobody read.
        StreamClosedError: It was closed before its end.
    """

    __slots__ = (
        "__weakref__",
        "_answer",
        "_complete",
        "_encoding",
        "_inflation",
        "_left",
        "_limits",
        "_loop",
        "_pieces",
        "_sizes",
        "_url",
        "done",
        "head",
        "redirects",
    )
    head: Head
    _answer: Answer | None

    def __init__(
        self, url: str, sizes: HTTPLimits, *, clock: Clock, timeouts: Timeouts, deadline: float | None
    ) -> None:
        self._answer = None
        self._loop = asyncio.get_running_loop()
        self._url = url
        self._sizes = sizes
        self._left = sizes.max_body
        # The timer knows the exchange weakly: one that is dropped unread goes, and with it the connection.
        self._limits = Limits(clock, timeouts, deadline, functools.partial(_end, weakref.ref(self)))
        self._pieces: Iterator[bytes] = iter(())
        self._inflation: Inflation | None = None
        self._complete = self.done = self.redirects = False

    async def open(self, transport: Transport, call: HTTPCall) -> Self:
        """Send the call and wait for the head of the answer.

        Raises:
            ConnectError, ProtocolError, TimeoutError: As `HTTP.open` says.
        """
        self._limits.check()
        self._limits.wait()
        answer = self._answer = await self._guarded(transport.send(call, self._limits))
        self._limits.wait()
        headers = _joined(answer.headers)
        self.head = Head(answer.status, headers)
        self._encoding = headers.get("content-encoding")
        refusal = self._refusal()
        if refusal is not None and not (refusal.kind == "redirect" and self.redirects):
            self._end(clean=False)
            raise refusal
        return self

    @property
    def alarm(self) -> Alarm:
        """The one timer of the exchange, for a reader with limits of its own: it may wait under it, and move it."""
        return self._limits

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        answer = self._answer
        if answer is None:
            self._refuse()
        try:
            piece = b"" if self._encoding is None else next(self._pieces, b"")
            while not piece:
                piece = await self._guarded(answer.body.__anext__())
                if self._encoding is not None:
                    self._pieces = self._decoded(piece)
                    piece = next(self._pieces, b"")
        except StopAsyncIteration:
            piece = b""
        except ProtocolError:
            self._end(clean=False)
            raise
        if not piece:
            await self._finish(answer)
            raise StopAsyncIteration
        self._left -= len(piece)
        if self._left < 0:
            self._end(clean=False)
            raise ProtocolError(f"the answer is larger than max_body={self._sizes.max_body}", kind="too_large")
        return piece

    async def read(self) -> bytes:
        """Read the whole body and end the exchange.

        Of a failure (status from 400) it reads `max_error_body` bytes at most, and what else goes wrong with that body
        is no matter: the status says more.
        """
        failed = self.head.status >= 400
        left = self._sizes.max_error_body if failed else math.inf
        pieces = []
        try:
            while left > 0:
                pieces.append(await self.__anext__())
                left -= len(pieces[-1])
        except StopAsyncIteration:
            pass
        except (ConnectError, ProtocolError):
            if not failed:
                raise
        finally:
            self._end(clean=False)
        body = b"".join(pieces)
        return body[: self._sizes.max_error_body] if failed else body

    async def aclose(self) -> None:
        """End the exchange; harmless when it has ended.

        After `done` it reads on, at most 64 KiB and 50 ms, to keep the connection. Otherwise, and when it is cancelled
        meanwhile, the connection is closed at once.
        """
        if self.done and self._answer is not None and not self._limits.watching:
            left = DRAIN_BYTES
            with contextlib.suppress(AIClientError, StopAsyncIteration, asyncio.TimeoutError):  # the answer is there
                async with asyncio.timeout(DRAIN_SECONDS):  # real seconds: a courtesy, no limit of the caller's
                    while left > 0:
                        left -= len(await self.__anext__())
        self.abort()

    def abort(self) -> None:
        """Close the connection at once, from a callback or a `__del__`; a reader that waits gets a StreamClosedError.

        In any other thread than the loop's it is done a moment later.
        """
        if self._answer is None:
            return
        if asyncio._get_running_loop() is self._loop:  # noqa: SLF001  # get_running_loop raises where there is none
            self._limits.trip(StreamClosedError(_CLOSED))
            self._end(clean=False)
        else:
            with contextlib.suppress(RuntimeError):  # the loop was closed, and its sockets with it
                self._loop.call_soon_threadsafe(self.abort)

    def __del__(self) -> None:
        answer: Answer | None = getattr(self, "_answer", None)
        if answer is not None:
            with contextlib.suppress(RuntimeError):  # the loop was closed, and its sockets with it
                self._loop.call_soon_threadsafe(_let_go, self._limits, answer)  # the collector runs in any thread

    @property
    def _host(self) -> str:
        """The service as messages call it, with its port if that was said: a wrong one is often what is wrong."""
        return _host(self._url, port=True) or "the service"

    def _refusal(self) -> ProtocolError | None:
        """Return why the answer is not read at all."""
        status, headers = self.head.status, self.head.headers
        if not 200 <= status <= 599:
            text = f"{self._host} answered with the impossible status {status}"
            return ProtocolError(text, kind="http", status_code=status)
        if 300 <= status <= 399:
            where = _host(headers.get("location", "")) or self._host
            return ProtocolError(
                f"{self._host} redirects to {where} ({status}), which is never followed: the key would travel; check base_url",
                kind="redirect",
                status_code=status,
            )
        if "transfer-encoding" in headers and "content-length" in headers:
            # Two lengths: whoever stands between us and the service may read the other one.
            return ProtocolError(
                f"{self._host} answered with two contradicting lengths", kind="http", status_code=status
            )
        return None

    def _end(self, *, clean: bool) -> None:
        """Let go of the connection, once; an ordinary function, so nothing can cut it short."""
        answer, self._answer = self._answer, None
        self._limits.stop()
        if answer is not None:
            answer.end(clean)

    async def _guarded(self, work: Awaitable[T]) -> T:
        """Await `work` within the limits: the only place that waits. Whatever it raises but the body's end is the end."""
        failure: AIClientError | None
        limits = self._limits
        try:
            # A reader above may be waiting under this very alarm already (see `alarm`): one guard is enough.
            return await (work if limits.watching else limits.guard(work))
        except StopAsyncIteration:
            raise
        except Exception as error:  # what `meaning` does not know is a bug, and raised as it is
            failure = meaning(error, self._host, answering=self._answer is not None)
            self._end(clean=False)
            if failure is None:
                raise
        except BaseException:  # cancellation: nothing here may be kept; raised again
            self._end(clean=False)
            raise
        raise failure  # here, so that the library's error is not its context: its frames hold keys and prompts

    def _decoded(self, received: bytes) -> Iterator[bytes]:
        if self._inflation is None:
            self._inflation = inflation(self._encoding)
        return iter((received,)) if self._inflation is None else self._inflation.feed(received)

    async def _finish(self, answer: Answer) -> None:
        """Make the connection reusable after the last byte."""
        await self._guarded(answer.finish())
        self._end(clean=True)
        if self._inflation is not None:
            self._inflation.finish()
        self._complete = True

    def _refuse(self) -> NoReturn:
        """Answer a reader who asks on after the end."""
        if self._complete:
            raise StopAsyncIteration
        raise self._limits.error or StreamClosedError(_CLOSED)


def _end(exchange: weakref.ref[Exchange]) -> None:
    """End an exchange whose time is over while nobody waits for it."""
    if (alive := exchange()) is not None:
        alive._end(clean=False)  # noqa: SLF001  # its own


def _let_go(limits: Limits, answer: Answer) -> None:
    limits.stop()
    answer.end(False)


def _host(url: str, *, port: bool = False) -> str | None:
    try:
        parts = urlsplit(url)
        said = parts.port if port else None
    except ValueError:  # brackets that match nothing, a port that is none
        return None
    return f"{parts.hostname}:{said}" if said and parts.hostname else parts.hostname


def _joined(raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for key, value in raw:
        name, text = key.decode("latin-1").lower(), value.decode("latin-1")
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    return headers
