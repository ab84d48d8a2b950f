"""The source of a ChatStream: bytes of an exchange in, chunks out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, Self

from ..chunks import ChatStreamChunk
from ..errors import AIClientError
from ..gate import Alarm
from ..wire.codec import StreamDecoder

__all__ = ["Body", "ChunkSource"]


class Body(Protocol):
    """What is needed of an exchange."""

    done: bool

    @property
    def alarm(self) -> Alarm:
        """The timer of the exchange."""
        ...

    async def __anext__(self) -> bytes:
        """Return the next bytes of the body."""
        ...

    async def aclose(self) -> None:
        """Release the connection, keeping it when the body was read to its end."""
        ...

    def abort(self) -> None:
        """Close the connection without waiting."""
        ...


class ChunkSource:
    """Gives the chunks of one streamed answer. A class, not a generator: a generator cannot be closed while it waits.

    Args:
        body: The exchange.
        decoder: Turns its bytes into chunks.
        sign: Puts onto an error whose it is.
    """

    __slots__ = ("_body", "_chunks", "_decoder", "_failure", "_over", "_sign")

    def __init__(self, body: Body, decoder: StreamDecoder, sign: Callable[[AIClientError], AIClientError]) -> None:
        self._body = body
        self._decoder = decoder
        self._sign = sign
        self._chunks: Iterator[ChatStreamChunk] = iter(())
        self._failure: AIClientError | None = None
        self._over = False

    @property
    def alarm(self) -> Alarm:
        """The exchange's timer, so that the stream above needs none of its own."""
        return self._body.alarm

    def __aiter__(self) -> Self:
        return self

    def take(self) -> ChatStreamChunk | None:
        """Return the next chunk that was read already; None if there is none."""
        return next(self._chunks, None)

    async def __anext__(self) -> ChatStreamChunk:
        while (chunk := next(self._chunks, None)) is None:
            if self._failure is not None:
                raise self._sign(self._failure).with_traceback(None)  # the decoder's frames hold what was read
            if self._over:
                raise StopAsyncIteration
            try:
                self._chunks = iter(self._decoder.feed(await self._body.__anext__()))
            except StopAsyncIteration:
                self._end(None)
            except AIClientError as error:
                self._end(error)
            else:
                self._failure = self._decoder.failure
                if self._decoder.done:
                    self._body.done = self._over = True
        return chunk

    def _end(self, failure: AIClientError | None) -> None:
        """Take the end of the body; what fails is kept until the chunks before it are handed out."""
        self._over = True
        self._chunks = iter(self._decoder.end())
        # A connection that breaks after the last finish reason has lost nothing but the goodbye.
        self._failure = (None if self._decoder.done else failure) or self._decoder.failure

    async def aclose(self) -> None:
        """Release the connection."""
        await self._body.aclose()

    def abort(self) -> None:
        """Close the connection without waiting."""
        self._body.abort()
