"""A streamed answer of Anthropic's Messages API: server-sent events, complete at `message_stop` and nowhere else.

"Streaming messages" (platform.claude.com/docs/en/build-with-claude/streaming, 2026-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..chunks import ChatStreamChunk, ToolCallDelta
from ..errors import AIClientError, ProtocolError
from ..messages import Part, ReasoningPart, RefusalPart, TextPart, ToolCall
from ..response import ChatResponse
from .anthropic_answer import decode_answer
from .anthropic_events import AnthropicEvents
from .failures import told_failure
from .jsons import loads
from .sse import Event, SSEDecoder

__all__ = ["AnthropicDecoder"]

MAX_BODY_BYTES: Final = 64 << 20
"""Longest whole answer to a request that asked for a stream."""

MAX_FETCHED_BYTES: Final = 16 << 20
"""Longest event: what a server's tool fetched comes in one `content_block_start`."""


class AnthropicDecoder:
    """Turns the bytes of one streamed answer into chunks; see `StreamDecoder` for what a failure does."""

    __slots__ = ("_events", "_origin", "_sniffed", "_sse", "_whole", "_whole_size", "failure")

    def __init__(self, origin: str) -> None:
        self.failure: AIClientError | None = None
        self._origin = origin
        self._events = AnthropicEvents(origin)
        self._sse = SSEDecoder(limit=MAX_FETCHED_BYTES)
        self._sniffed = False
        self._whole: list[bytes] | None = None
        self._whole_size = 0

    @property
    def done(self) -> bool:
        """Whether the end was seen."""
        return self._events.done

    @property
    def ignored(self) -> int:
        """Events of kinds that this decoder does not know."""
        return self._events.ignored

    def feed(self, data: bytes) -> Sequence[ChatStreamChunk]:
        """Take the bytes of one read and return the chunks they complete."""
        chunks: list[ChatStreamChunk] = []
        if self.done or self.failure is not None:
            return chunks
        try:
            if not self._sniffed:
                self._sniff(data)
            if self._whole is not None:
                self._keep(data)
                return chunks
            for event in self._sse.feed(data):
                self._take(event, chunks)
                if self.done:
                    break
            else:
                self.failure = self._sse.failure
        except AIClientError as error:
            self.failure = error
        return chunks

    def end(self) -> Sequence[ChatStreamChunk]:
        """Take the end of the body; the last chunk is among the returned ones if the answer is complete only now."""
        chunks: list[ChatStreamChunk] = []
        if self.done or self.failure is not None:
            return chunks
        try:
            if self._whole is not None:
                _replay(decode_answer(b"".join(self._whole), self._origin), chunks)
                self._events.done = True
            elif (event := self._sse.end()) is not None:
                self._take_unterminated(event, chunks)
        except AIClientError as error:
            self.failure = error
        return chunks

    def _sniff(self, data: bytes) -> None:
        """Look at the first byte: an event stream never begins with a brace, an answer that is no stream does."""
        start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        self._sniffed = bool(start)
        if start in (b"{", b"<", b"["):
            self._whole = []

    def _keep(self, data: bytes) -> None:
        assert self._whole is not None
        self._whole.append(data)
        self._whole_size += len(data)
        if self._whole_size > MAX_BODY_BYTES:
            raise ProtocolError(f"the answer is over {MAX_BODY_BYTES} bytes", kind="too_large")

    def _take_unterminated(self, event: Event, chunks: list[ChatStreamChunk]) -> None:
        """Take a last event without its blank line; half of one shows by not being JSON."""
        try:
            self._take(event, chunks)
        except ProtocolError as error:
            if error.kind != "decode":
                raise

    def _take(self, event: Event, chunks: list[ChatStreamChunk]) -> None:
        data = event.data
        if data[:1] != b"{" and data.strip() in (b"", b"[DONE]"):  # gateways that speak OpenAI's protocol as well
            return
        value = loads(data)
        if event.name == "error" and type(value) is dict:
            raise told_failure(value)
        self._events.take(value, chunks)


def _replay(response: ChatResponse, chunks: list[ChatStreamChunk]) -> None:
    """Give a whole answer as one sequence of chunks."""
    chunks.append(ChatStreamChunk(id=response.id, model=response.model))
    calls = 0
    for number, part in enumerate(response.message.parts):
        chunks.append(_chunk_of(part, number, calls))
        calls += isinstance(part, ToolCall)
    end = ChatStreamChunk(finish_reason=response.finish_reason, usage=response.usage)
    end.raw_finish_reason = response.raw_finish_reason
    chunks += [end, ChatStreamChunk(last=True)]


def _chunk_of(part: Part, number: int, calls: int) -> ChatStreamChunk:
    match part:
        case TextPart():
            chunk = ChatStreamChunk(content=part.text, citations=part.citations, block=number)
        case ReasoningPart():
            chunk = ChatStreamChunk(reasoning=part.text, signature=part.signature, block=number)
        case RefusalPart():
            chunk = ChatStreamChunk(refusal=part.text, block=number)
        case ToolCall():
            delta = ToolCallDelta(calls, part.id, part.name, part.arguments, part.kind, part.provider_data)
            return ChatStreamChunk(tool_calls=(delta,), origin=part.origin)
        case _:
            return ChatStreamChunk(parts=(part,))
    chunk.origin, chunk.provider_data = part.origin, part.provider_data
    return chunk
