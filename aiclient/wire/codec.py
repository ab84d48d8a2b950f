"""What a codec offers to a provider: values to bytes, bytes to values, and nothing that waits.

A codec is pure. It knows no clock, no environment and no HTTP library; the provider brings the base URL, the credentials and
the connection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from ..chunks import ChatStreamChunk
from ..errors import AIClientError
from ..request import ChatRequest, EmbeddingRequest, HTTPCall
from ..response import CallWarning, ChatResponse, EmbeddingResponse

__all__ = ["ChatWire", "EmbeddingWire", "Encoded", "StreamDecoder"]

Encoded: TypeAlias = tuple[HTTPCall, tuple[CallWarning, ...]]
"""The exchange (its URL is the path below the base URL, its headers lack the credentials), and what it could not carry."""


class StreamDecoder(Protocol):
    """Turns the bytes of one streamed answer into chunks.

    A failure never hides the chunks before it: `feed` and `end` return those and put the error into `failure`, for the
    reader to raise when it has handed them out.
    """

    @property
    def failure(self) -> AIClientError | None:
        """What went wrong; nothing comes after it."""
        ...

    @property
    def done(self) -> bool:
        """Whether the protocol's end was seen: the last chunk was returned, what follows is ignored."""
        ...

    def feed(self, data: bytes) -> Sequence[ChatStreamChunk]:
        """Take the bytes of one read, of any size, and return the chunks they complete."""
        ...

    def end(self) -> Sequence[ChatStreamChunk]:
        """Take the end of the body; without a chunk marked `last` by now the answer is cut off."""
        ...


class ChatWire(Protocol):
    """A chat protocol."""

    def encode(self, request: ChatRequest, /, *, model: str, stream: bool) -> Encoded:
        """Return the exchange that asks `request` of `model`."""
        ...

    def decode(self, status: int, headers: Mapping[str, str], body: bytes) -> ChatResponse:
        """Return the answer that a successful, whole body holds; headers have lower-case names."""
        ...

    def decoder(self, request: ChatRequest | None = None, /) -> StreamDecoder:
        """Return a decoder for the streamed answer to `request`."""
        ...


class EmbeddingWire(Protocol):
    """An embeddings protocol."""

    @property
    def batch_limit(self) -> int:
        """How many texts one exchange may carry."""
        ...

    def encode(self, request: EmbeddingRequest, /, *, model: str) -> Encoded:
        """Return the exchange that embeds the request's texts."""
        ...

    def decode(self, status: int, headers: Mapping[str, str], body: bytes, *, count: int) -> EmbeddingResponse:
        """Return the `count` vectors that a successful body holds."""
        ...
