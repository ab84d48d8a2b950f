"""The two ways to hold a stream that is being opened, and the ways between a stream and an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any, TypeVar

from .chunks import ChatStreamChunk, Fold, ToolCallDelta
from .messages import Part, ReasoningPart, RefusalPart, TextPart, ToolCall
from .response import ChatResponse
from .stream import ChatStream

__all__ = ["OpenStream", "collect", "committed", "replay"]

R = TypeVar("R")


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


async def committed(call: Awaitable[R]) -> R:
    """Await an answer, of a stream its first output; what fails before leaves nothing open."""
    result = await call
    if isinstance(result, ChatStream):
        try:
            await result.commit()
        except BaseException:  # a bug in what looks on would leave the stream open; raised again
            await result.close()
            raise
    return result


def replay(response: ChatResponse) -> ChatStream:
    """Return a stream that gives `response` part by part, at once."""
    return ChatStream(_replayed(response), head=response)


async def _replayed(response: ChatResponse) -> AsyncIterator[ChatStreamChunk]:
    for index, part in enumerate(response.message.parts):
        pieces = _pieces(part, index)
        yield pieces if _says(pieces, part, response) else ChatStreamChunk(parts=(part,))
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


def _pieces(part: Part, index: int) -> ChatStreamChunk:
    """Return the chunk that a service would stream for `part`: readers of `chunk.tool_calls` look nowhere else."""
    match part:
        case TextPart():
            chunk = ChatStreamChunk(content=part.text, citations=part.citations)
        case ReasoningPart():
            chunk = ChatStreamChunk(reasoning=part.text, signature=part.signature)
        case RefusalPart():
            chunk = ChatStreamChunk(refusal=part.text)
        case ToolCall():
            call = ToolCallDelta(index, part.id, part.name, part.arguments, part.kind, part.provider_data)
            return ChatStreamChunk(tool_calls=(call,), origin=part.origin)
        case _:
            return ChatStreamChunk(parts=(part,))
    chunk.block, chunk.origin, chunk.provider_data = index, part.origin, part.provider_data
    return chunk


def _says(pieces: ChatStreamChunk, part: Part, response: ChatResponse) -> bool:
    """Whether the fold makes that very part of them, and nothing else of the answer."""
    fold = Fold()
    fold.add(pieces)
    fold.add(ChatStreamChunk(finish_reason=response.finish_reason))
    made = fold.response()
    return made.message.parts == (part,) and made.finish_reason == response.finish_reason
