"""Middleware as classes: a Layer for anything with options or state, a Wrapper for what belongs to one inner provider.

Every built-in middleware is a Layer. `provider.py` says what a middleware is, and where its state lives.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, TypeVar

from .provider import Provider, opened
from .request import ChatRequest, EmbeddingRequest
from .response import ChatResponse, EmbeddingResponse
from .stream import ChatStream

__all__ = ["Layer", "Layered", "Wrapper", "release"]

Q = TypeVar("Q", bound=ChatRequest | EmbeddingRequest)
R = TypeVar("R", bound=ChatResponse | ChatStream | EmbeddingResponse)


class Wrapper:
    """A provider around another, forwarding everything; override what should differ.

    A subclass that overrides `chat` and forgets `chat_stream` or `embeddings` would be bypassed silently, so it is refused
    when the class is made. One that means it says `passes = frozenset({"embeddings"})`.
    """

    passes: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        paths = ("chat", "chat_stream", "embeddings")
        if any(getattr(cls, path) is not getattr(Wrapper, path) for path in paths):
            forgotten = [
                path for path in paths if getattr(cls, path) is getattr(Wrapper, path) and path not in cls.passes
            ]
            if forgotten:
                raise TypeError(
                    f"{cls.__name__} overrides some of {', '.join(paths)} and would be bypassed by {', '.join(forgotten)}: "
                    f"override them too, subclass Layer, or set passes = frozenset({set(forgotten)!r})"
                )

    def __init__(self, inner: Provider) -> None:
        self.inner = inner

    @property
    def name(self) -> str:
        """The inner provider's name."""
        return self.inner.name

    async def chat(self, request: ChatRequest, /) -> ChatResponse:
        """Forward."""
        return await self.inner.chat(request)

    async def chat_stream(self, request: ChatRequest, /) -> ChatStream:
        """Forward."""
        return await self.inner.chat_stream(request)

    async def embeddings(self, request: EmbeddingRequest, /) -> EmbeddingResponse:
        """Forward."""
        return await self.inner.embeddings(request)

    def validate_config(self) -> None:
        """Forward."""
        self.inner.validate_config()

    async def close(self) -> None:
        """Forward, unless the inner one is a client: who handed it in closes it."""
        await release(self.inner)


async def release(provider: Provider) -> None:
    """Close `provider`, unless that would be for good: a client's end is its owner's to decide."""
    if not getattr(provider, "_closes_for_good", False):
        await provider.close()


class Layer:
    """A middleware with options or state: one instance, many providers.

    Override `around`, the one path that serves chat, stream and embeddings alike:

        class Concurrency(Layer):
            async def around(self, request, inner, call_next):
                await self._gate.enter()
                return await observed(call_next(request), self._leave)

            async def _leave(self, end):
                self._gate.leave()

    or, where they must differ, `chat`, `chat_stream` and `embeddings` themselves. A request always carries its context
    here (`request.context`): the outermost layer opens it if nobody has.

    `slot` says what kind of layer it is (`retry`, `breaker`, `cache`, ...), for the warning about orders that are known to
    be bad; a layer of one's own may take the slot of the built-in that it replaces.
    """

    slot: ClassVar[str | None] = None

    def __call__(self, inner: Provider) -> Provider:
        """Wrap `inner`."""
        return Layered(self, inner)

    async def around(self, request: Q, inner: Provider, call_next: Callable[[Q], Awaitable[R]]) -> R:
        """Do the call. On streams the result is the opened ChatStream: attach to it and return the same object."""
        return await call_next(request)

    async def chat(self, request: ChatRequest, inner: Provider) -> ChatResponse:
        """Do a chat call."""
        return await self.around(request, inner, inner.chat)

    async def chat_stream(self, request: ChatRequest, inner: Provider) -> ChatStream:
        """Open a stream."""
        return await self.around(request, inner, inner.chat_stream)

    async def embeddings(self, request: EmbeddingRequest, inner: Provider) -> EmbeddingResponse:
        """Do an embeddings call."""
        return await self.around(request, inner, inner.embeddings)


class Layered(Wrapper):
    """A provider with a Layer around it."""

    def __init__(self, layer: Layer, inner: Provider) -> None:
        super().__init__(inner)
        self.layer = layer

    def __repr__(self) -> str:
        return f"<{self.layer!r} around {self.inner!r}>"

    async def chat(self, request: ChatRequest, /) -> ChatResponse:
        """Let the layer do the call, inside a context."""
        if request.context is None:
            return await opened(request, self.chat)
        return await self.layer.chat(request, self.inner)

    async def chat_stream(self, request: ChatRequest, /) -> ChatStream:
        """Let the layer open the stream, inside a context."""
        if request.context is None:
            return await opened(request, self.chat_stream)
        return await self.layer.chat_stream(request, self.inner)

    async def embeddings(self, request: EmbeddingRequest, /) -> EmbeddingResponse:
        """Let the layer do the call, inside a context."""
        if request.context is None:
            return await opened(request, self.embeddings)
        return await self.layer.embeddings(request, self.inner)
