"""The two ways to hold a stream that is being opened, and the ways between a stream and an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any

from .chunks import ChatStreamChunk
from .messages import TextPart
from .response import ChatResponse
from .stream import ChatStream

__all__ = ["OpenStream", "collect", "replay"]


class OpenStream:
    """A stream that is about to be opened: `async with` it, or `await` it to hold the ChatStream. Nothing is sent before."""

    def __init__(self, start: Callable[[], Awaitable[ChatStream]]) -> None:
        self._start = start
        self._stream: ChatStream | None = None

    def __await__(self) -> Generator[Any, Any, ChatStream]:
        return self._start().__await__()

    async def __aenter__(self) -> ChatStream:
        self._stream = await self._start()
        return self._stream

    async def __aexit__(self, *_: object) -> None:
        assert self._stream is not None
        await self._stream.close()


async def collect(opening: Awaitable[ChatStream]) -> ChatResponse:
    """Open a stream, read it to its end, and return the answer."""
    async with await opening as stream:
        async for _ in stream:
            pass
        return stream.response


def replay(response: ChatResponse) -> ChatStream:
    """Return a stream that gives `response` part by part, at once."""
    return ChatStream(_replayed(response), head=response)


async def _replayed(response: ChatResponse) -> AsyncIterator[ChatStreamChunk]:
    for part in response.message.parts:
        if isinstance(part, TextPart) and not part.citations and part.provider_data is None:
            yield ChatStreamChunk(content=part.text)
        else:
            yield ChatStreamChunk(parts=(part,))
    for index, choice in enumerate(response.alternatives, 1):
        yield ChatStreamChunk(
            parts=choice.message.parts,
            choice=index,
            finish_reason=choice.finish_reason,
            raw_finish_reason=choice.raw_finish_reason,
            logprobs=choice.logprobs,
        )
    yield ChatStreamChunk(
        finish_reason=response.finish_reason,
        raw_finish_reason=response.raw_finish_reason,
        usage=response.usage,
        id=response.id,
        model=response.model,
        last=True,
    )
