"""A provider for unit tests: scripted answers, recorded requests, no network."""

from __future__ import annotations

import copy
import inspect
import math
import zlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeAlias, TypeVar

from attrs import evolve

from ..chunks import ChatStreamChunk
from ..errors import AIClientError, ConfigError
from ..messages import Message, TextPart
from ..opening import collect, replay
from ..provider import ProviderInfo
from ..request import ChatRequest, EmbeddingRequest
from ..response import ChatResponse, EmbeddingResponse, Usage
from ..stream import ChatStream

__all__ = ["MockProvider", "Reply"]

T = TypeVar("T")

Scripted: TypeAlias = "str | ChatResponse | AIClientError | tuple[ChatStreamChunk | AIClientError, ...]"
Reply: TypeAlias = "Scripted | Callable[[ChatRequest], Scripted | Awaitable[Scripted]]"
"""What a mock answers: text, an answer, an error, the chunks of one stream as a tuple (an error among them breaks it off
there), or a function of the request, sync or async, that returns one of these."""

DEFAULT = "Mock response"
DIMENSIONS = 8


class MockProvider:
    """Answers what it is told to, and remembers what it was asked.

    Args:
        reply: One value, given every time; or a **list**, a script of replies used up in order, which raises when it is
            empty. Without one it answers `Mock response`.
        chat_func: Answers chat requests instead; sync or async.
        chat_stream_func: Opens streams instead; gives a ChatStream or anything that `reply` takes.
        embeddings_func: Answers embedding requests; the default gives deterministic vectors of 8 numbers.
        name: The provider's name.
        model: The model it says it has.

    Attributes:
        requests: Every ChatRequest and EmbeddingRequest received, in order.
        closed: How often `close` was called.

    Example:
        >>> import asyncio
        >>> mock = MockProvider("Paris")
        >>> request = ChatRequest([Message("user", "Capital of France?")])
        >>> asyncio.run(mock.chat(request)).message.content
        'Paris'
        >>> len(mock.requests)
        1
    """

    def __init__(
        self,
        reply: Reply | list[Any] | None = None,  # Any: checkers find `list[object]` for a script of mixed replies
        *,
        chat_func: Callable[[ChatRequest], Any] | None = None,
        chat_stream_func: Callable[[ChatRequest], Any] | None = None,
        embeddings_func: Callable[[EmbeddingRequest], Any] | None = None,
        name: str = "mock",
        model: str | None = "mock-model",
    ) -> None:
        self.name = name
        self.info = ProviderInfo(name, vendor="mock", model=model)
        self.requests: list[Any] = []
        self.closed = 0
        self._script = list(reply) if isinstance(reply, list) else None
        self._length = len(self._script or ())
        self._reply: Reply = DEFAULT if reply is None or isinstance(reply, list) else reply
        self._chat_func = chat_func
        self._stream_func = chat_stream_func
        self._embeddings_func = embeddings_func

    @property
    def calls(self) -> int:
        """How many requests were received."""
        return len(self.requests)

    async def chat(self, request: ChatRequest, /) -> ChatResponse:
        """Give the next reply as a whole."""
        reply = await self._next(request, self._chat_func)
        if isinstance(reply, tuple):
            return await collect(_opened(ChatStream(_Chunks(reply))))
        if isinstance(reply, str):
            return self._answer(reply, request)
        return _checked(reply, ChatResponse)

    async def chat_stream(self, request: ChatRequest, /) -> ChatStream:
        """Give the next reply as a stream: text word by word, with usage."""
        reply = await self._next(request, self._stream_func)
        if isinstance(reply, ChatStream):
            return reply
        if isinstance(reply, ChatResponse):
            return replay(reply)
        if isinstance(reply, str):
            reply = _words(self._answer(reply, request))
        return ChatStream(_Chunks(_checked(reply, tuple)))

    async def embeddings(self, request: EmbeddingRequest, /) -> EmbeddingResponse:
        """Give deterministic vectors of length 1: equal texts get equal ones."""
        self.requests.append(request)
        if self._embeddings_func is not None:
            return _checked(await _value(self._embeddings_func(request)), EmbeddingResponse)
        if isinstance(self._reply, AIClientError):
            raise _anew(self._reply)
        vectors = [_vector(text, request.dimensions or DIMENSIONS) for text in request.input]
        usage = Usage(prompt_tokens=sum(len(text.split()) for text in request.input), completion_tokens=0)
        return EmbeddingResponse(vectors, model=request.model or self.info.model, usage=usage)

    def validate_config(self) -> None:
        """Find nothing wrong."""

    async def close(self) -> None:
        """Count the call."""
        self.closed += 1

    async def _next(self, request: ChatRequest, func: Callable[[ChatRequest], Any] | None) -> Any:
        self.requests.append(request)
        reply: Any = self._reply
        if func is not None:
            reply = func
        elif self._script is not None:
            if not self._script:
                raise ConfigError(f"the script of {self.name!r} held {self._length} replies, and all have been given")
            reply = self._script.pop(0)
        if callable(reply):
            reply = await _value(reply(request))
        if isinstance(reply, AIClientError):
            raise _anew(reply)
        return reply

    def _answer(self, text: str, request: ChatRequest) -> ChatResponse:
        asked = sum(len(message.content.split()) for message in request.messages)
        return ChatResponse(
            Message("assistant", [TextPart(text)] if text else []),
            "stop",
            "stop",
            usage=Usage(prompt_tokens=asked, completion_tokens=len(text.split())),
            id=f"mock-{self.calls}",
            model=request.model or self.info.model,
        )


def _anew(error: AIClientError) -> AIClientError:
    """Copy an error, because layers write on it: two calls must not share attempts, a partial answer or a traceback."""
    fresh = copy.copy(error)
    fresh.__cause__ = error.__cause__
    return fresh


async def _value(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


async def _opened(stream: ChatStream) -> ChatStream:
    return stream


def _checked(reply: Any, kind: type[T]) -> T:
    if not isinstance(reply, kind):
        raise ConfigError(
            f"a mock cannot answer with {type(reply).__name__}: give text, a response, an error, or a tuple of chunks"
        )
    return reply


def _words(answer: ChatResponse) -> tuple[ChatStreamChunk, ...]:
    words = answer.message.content.split(" ")
    pieces = [f"{word} " for word in words[:-1]] + words[-1:]
    head = ChatStreamChunk(id=answer.id, model=answer.model)
    last = ChatStreamChunk(finish_reason="stop", raw_finish_reason="stop", usage=answer.usage, last=True)
    return (head, *(ChatStreamChunk(content=piece) for piece in pieces if piece), last)


class _Chunks(AsyncIterator[ChatStreamChunk]):
    """The chunks of one scripted stream; an error among them is raised where it stands."""

    def __init__(self, chunks: Iterable[ChatStreamChunk | AIClientError]) -> None:
        self._chunks = deque(chunks)

    def take(self) -> ChatStreamChunk | None:
        """Give the next chunk, as a provider does that received several at once; None before an error and at the end."""
        if not self._chunks or isinstance(self._chunks[0], AIClientError):
            return None
        chunk = self._chunks.popleft()
        assert not isinstance(chunk, AIClientError)
        return evolve(chunk)

    async def __anext__(self) -> ChatStreamChunk:
        if (chunk := self.take()) is not None:
            return chunk
        if not self._chunks:
            raise StopAsyncIteration
        error = self._chunks.popleft()
        assert isinstance(error, AIClientError)
        raise _anew(error)


def _vector(text: str, dimensions: int) -> Sequence[float]:
    raw = [zlib.crc32(f"{index}:{text}".encode()) / 2**31 - 1 for index in range(dimensions)]
    length = math.sqrt(sum(number * number for number in raw)) or 1.0
    return [number / length for number in raw]
