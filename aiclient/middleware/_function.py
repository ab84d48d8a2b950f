"""A middleware from one async function."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Literal, TypeAlias, cast, overload

from ..errors import ConfigError, UnsupportedFeatureError
from ..layer import Layer
from ..opening import collect, replay
from ..provider import Middleware, Provider, Q, R
from ..request import ChatRequest, EmbeddingRequest
from ..response import ChatResponse, EmbeddingResponse
from ..stream import ChatStream

__all__ = ["AroundAny", "AroundChat", "middleware"]

AroundAny: TypeAlias = Callable[
    [Any, Callable[[Any], Awaitable[ChatResponse | ChatStream | EmbeddingResponse]]],
    Awaitable[ChatResponse | ChatStream | EmbeddingResponse],
]
"""Given a request of either kind and the next call; on streams the result is the opened ChatStream."""

AroundChat: TypeAlias = Callable[
    [ChatRequest, Callable[[ChatRequest], Awaitable[ChatResponse]]], Awaitable[ChatResponse]
]
"""Given a chat request and the next call."""

StreamMode: TypeAlias = Literal["open", "buffer", "skip", "reject"]


@overload
def middleware(*, stream: Literal["open"]) -> Callable[[AroundAny], Middleware]: ...
@overload
def middleware(*, stream: Literal["buffer", "skip", "reject"]) -> Callable[[AroundChat], Middleware]: ...
def middleware(*, stream: StreamMode) -> Callable[[Any], Middleware]:
    """Make a middleware of `async def mine(request, call_next)`.

    Args:
        stream: What happens to streams; there is no default, because each choice is wrong for somebody. `open`: the
            function runs around the opening, gets the ChatStream, and serves embeddings too. `buffer`: the stream is
            collected, the function gets the answer, and what it returns is replayed. `skip`: streams pass by. `reject`:
            streams raise UnsupportedFeatureError. With the last three, embeddings pass by.

    Example:
        >>> @middleware(stream="buffer")
        ... async def shout(request, call_next):
        ...     response = await call_next(request)
        ...     return evolve(response, message=Message("assistant", response.message.content.upper()))
    """
    if stream not in ("open", "buffer", "skip", "reject"):
        raise ConfigError(f"stream={stream!r} must be 'open', 'buffer', 'skip' or 'reject'")

    def decorate(function: Callable[..., Awaitable[Any]]) -> Middleware:
        if not callable(function):
            raise ConfigError(f"@middleware(stream=...) takes an async function, not {type(function).__name__}")
        layer = _OpenFunction(function) if stream == "open" else _ChatFunction(function, stream)
        functools.update_wrapper(cast("Any", layer), function)
        return layer

    return decorate


class _Function(Layer):
    def __init__(self, function: Callable[..., Awaitable[Any]]) -> None:
        self._function = function

    async def _run(self, request: Any, call_next: Callable[[Any], Awaitable[Any]], kinds: tuple[type, ...]) -> Any:
        result = await self._function(request, call_next)
        if not isinstance(result, kinds):
            expected = " or ".join(kind.__name__ for kind in kinds)
            name = getattr(self._function, "__qualname__", "the function")
            raise ConfigError(
                f"the middleware {name} returned {type(result).__name__}, not {expected}: is a `return` missing?"
            )
        return result


class _OpenFunction(_Function):
    async def around(self, request: Q, inner: Provider, call_next: Callable[[Q], Awaitable[R]]) -> R:
        return cast("R", await self._run(request, call_next, (ChatResponse, ChatStream, EmbeddingResponse)))

    async def chat_stream(self, request: ChatRequest, inner: Provider) -> ChatStream:
        async with AsyncExitStack() as lost:  # a function that raises, or forgets to return, leaves its stream open

            async def call_next(request: ChatRequest) -> ChatStream:
                return await lost.enter_async_context(await inner.chat_stream(request))

            result = await self.around(request, inner, call_next)
            lost.pop_all()
            return result


class _ChatFunction(_Function):
    def __init__(self, function: Callable[..., Awaitable[Any]], stream: StreamMode) -> None:
        super().__init__(function)
        self._stream = stream

    async def chat(self, request: ChatRequest, inner: Provider) -> ChatResponse:
        return cast("ChatResponse", await self._run(request, inner.chat, (ChatResponse,)))

    async def chat_stream(self, request: ChatRequest, inner: Provider) -> ChatStream:
        if self._stream == "skip":
            return await inner.chat_stream(request)
        if self._stream == "reject":
            name = getattr(self._function, "__qualname__", "a middleware")
            raise UnsupportedFeatureError(f"the middleware {name} does not take streams; use .do(), or remove it")

        async def collected(request: ChatRequest) -> ChatResponse:
            return await collect(inner.chat_stream(request))

        return replay(await self._run(request, collected, (ChatResponse,)))

    async def embeddings(self, request: EmbeddingRequest, inner: Provider) -> EmbeddingResponse:
        return await inner.embeddings(request)
