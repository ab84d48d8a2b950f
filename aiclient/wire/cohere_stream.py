"""Cohere's streams: server-sent events that open, fill and close numbered blocks; `message-end` is their end.

"Chat with streaming", API v2 (docs.cohere.com/reference/chat-stream, read 2026-11). Text and thinking share one numbering,
tool calls and citations have their own. A `[DONE]` follows in all recordings and no page speaks of it: it decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..chunks import ChatStreamChunk, ToolCallDelta
from ..errors import AIClientError, ProtocolError
from ..messages import OpaquePart
from .cohere_parts import ORIGIN, PLAN, citation, cites_text, finish_reason, usage
from .failures import told_failure
from .jsons import loads
from .sse import Event, SSEDecoder
from .toolcalls import minted_id

__all__ = ["CohereDecoder"]

Json = Mapping[str, Any]

_PLAN_BLOCK: Final = -1
"""The plan has no number of its own."""


class CohereDecoder:
    """Turns the bytes of one streamed answer into chunks; see `StreamDecoder` for what a failure does."""

    __slots__ = ("_calls", "_cited", "_current", "_numbers", "_sse", "_texts", "_unknown", "done", "failure", "ignored")

    def __init__(self) -> None:
        self.failure: AIClientError | None = None
        self.done = False
        self.ignored = 0
        """Events of kinds that this decoder does not know."""
        self._sse = SSEDecoder()
        self._texts: list[int] = []  # numbers of the blocks that hold text
        self._unknown: dict[int, dict[str, Any]] = {}  # blocks of unknown kinds, until they are whole
        self._cited: dict[int, list[Json]] = {}  # citations of thinking, by its block
        self._numbers: dict[int, int] = {}  # of the tool calls, by the index that their pieces carry
        self._calls = 0
        self._current = 0  # the tool call that began last

    def feed(self, data: bytes) -> Sequence[ChatStreamChunk]:
        """Take the bytes of one read and return the chunks they complete."""
        chunks: list[ChatStreamChunk] = []
        if self.done or self.failure is not None:
            return chunks
        try:
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
        """Take the end of the body; a last event without its blank line counts if it is whole."""
        chunks: list[ChatStreamChunk] = []
        if self.done or self.failure is not None:
            return chunks
        try:
            if (event := self._sse.end()) is not None:
                self._take(event, chunks)
        except AIClientError as error:
            if not isinstance(error, ProtocolError) or error.kind != "decode":  # half an event is a cut, not nonsense
                self.failure = error
        return chunks

    def _take(self, event: Event, chunks: list[ChatStreamChunk]) -> None:
        if event.data.strip() in (b"[DONE]", b""):
            return
        value = loads(event.data)
        if type(value) is not dict:
            raise ProtocolError("an event of the stream is not a JSON object", kind="schema")
        kind = value.get("type")
        match kind if type(kind) is str else event.name:
            case "content-delta":
                self._content_delta(value, chunks)
            case "tool-call-delta":
                self._tool_call_delta(value, chunks)
            case "tool-plan-delta":
                self._tool_plan_delta(value, chunks)
            case "content-start":
                self._content_start(value, chunks)
            case "content-end":
                self._content_end(value, chunks)
            case "citation-start":
                self._citation_start(value, chunks)
            case "tool-call-start":
                self._tool_call_start(value, chunks)
            case "message-start":
                if value.get("id"):
                    chunks.append(ChatStreamChunk(id=str(value["id"])))
            case "message-end":
                self._message_end(value, chunks)
            case "tool-call-end" | "citation-end":
                pass
            case name if _is_error(value, name):
                raise told_failure(value)
            case _:
                self.ignored += 1

    # --- content ---

    def _content_start(self, value: Json, chunks: list[ChatStreamChunk]) -> None:
        index, content = _index(value), _told(value, "content")
        kind = content.get("type")
        if kind == "text" or (kind is None and "thinking" not in content):
            self._texts.append(index)
        elif kind not in ("thinking", None):
            self._unknown[index] = dict(content)
            return
        self._content(index, content, value, chunks)

    def _content_delta(self, value: Json, chunks: list[ChatStreamChunk]) -> None:
        index, content = _index(value), _told(value, "content")
        if self._unknown and (block := self._unknown.get(index)) is not None:
            for key, piece in content.items():
                both = isinstance(piece, str) and isinstance(block.get(key), str)
                block[key] = block[key] + piece if both and key != "type" else piece
            return
        self._content(index, content, value, chunks)

    def _content(self, index: int, content: Json, value: Json, chunks: list[ChatStreamChunk]) -> None:
        text, thought, logprobs = content.get("text"), content.get("thinking"), value.get("logprobs")
        if not (text or thought or logprobs):
            return
        chunk = ChatStreamChunk(content=_piece(text), reasoning=_piece(thought), block=index)
        if thought:
            chunk.origin = ORIGIN
        if logprobs:
            chunk.logprobs = [logprobs]
        chunks.append(chunk)

    def _content_end(self, value: Json, chunks: list[ChatStreamChunk]) -> None:
        block = self._unknown.pop(_index(value), None)
        if block is not None:
            chunks.append(ChatStreamChunk(parts=(OpaquePart(ORIGIN, block),)))

    def _tool_plan_delta(self, value: Json, chunks: list[ChatStreamChunk]) -> None:
        plan = _told(value).get("tool_plan")
        if plan:
            chunks.append(ChatStreamChunk(reasoning=_piece(plan), block=_PLAN_BLOCK, origin=ORIGIN, provider_data=PLAN))

    def _citation_start(self, value: Json, chunks: list[ChatStreamChunk]) -> None:
        found = _told(value).get("citations")
        for raw in found if isinstance(found, list) else [found]:
            if not isinstance(raw, Mapping):
                continue
            if cites_text(raw):
                chunks.append(ChatStreamChunk(citations=[citation(raw)], block=self._text_of(raw), origin=ORIGIN))
                continue
            block = _PLAN_BLOCK if raw.get("type") == "PLAN" else _index(raw, "content_index")
            self._cited.setdefault(block, []).append(dict(raw))
            data = {"citations": list(self._cited[block])}
            chunks.append(ChatStreamChunk(block=block, origin=ORIGIN, provider_data=data))

    def _text_of(self, raw: Json) -> int:
        """Return the number of the text that a citation names, else of the last one."""
        named = raw.get("content_index")
        return named if named in self._texts else self._texts[-1] if self._texts else 0

    # --- tool calls ---

    def _tool_call_start(self, value: Json, chunks: list[ChatStreamChunk]) -> None:
        self._current = self._numbers[_index(value)] = self._calls
        self._calls += 1
        call = _told(value, "tool_calls")
        function = call.get("function")
        function = function if isinstance(function, Mapping) else {}
        id_ = str(call.get("id") or minted_id(self._current))
        delta = ToolCallDelta(self._current, id_, _piece(function.get("name")), _piece(function.get("arguments")))
        chunks.append(ChatStreamChunk(tool_calls=(delta,)))

    def _tool_call_delta(self, value: Json, chunks: list[ChatStreamChunk]) -> None:
        if not self._calls:
            raise ProtocolError("a piece of a tool call came before its beginning", kind="state")
        function = _told(value, "tool_calls").get("function")
        arguments = function.get("arguments") if isinstance(function, Mapping) else None
        if arguments:
            number = self._numbers.get(_index(value), self._current)
            chunks.append(ChatStreamChunk(tool_calls=(ToolCallDelta(number, arguments=_piece(arguments)),)))

    # --- the end ---

    def _message_end(self, value: Json, chunks: list[ChatStreamChunk]) -> None:
        delta = value.get("delta")
        delta = delta if isinstance(delta, Mapping) else {}
        if delta.get("error"):
            raise told_failure({"error": delta["error"]})
        word = delta.get("finish_reason")
        chunks.append(
            ChatStreamChunk(
                parts=[OpaquePart(ORIGIN, block) for block in self._unknown.values()],
                finish_reason=finish_reason(str(word)) if word else "stop",
                raw_finish_reason=str(word) if word else None,
                usage=usage(delta.get("usage")),
                last=True,
            )
        )
        self.done = True


def _is_error(value: Json, name: str) -> bool:
    """Whether an event tells of a failure: it says so, or it has the form of a failed answer's body, which has no type."""
    if name == "error" or value.get("type") == "error" or value.get("error"):
        return True
    return not value.get("type") and isinstance(value.get("message"), str)


def _told(value: Json, *name: str) -> Json:
    """Return the object that an event is about: `delta.message`, or one of its fields."""
    found: Json = value
    for key in ("delta", "message", *name):
        inner = found.get(key)
        if inner is None:
            return {}
        if not isinstance(inner, Mapping):
            raise ProtocolError(f"{key} of an event is not an object", kind="schema")
        found = inner
    return found


def _index(value: Json, name: str = "index") -> int:
    number = value.get(name)
    return number if type(number) is int else 0


def _piece(value: Any) -> str:
    """Return a piece of text; only text can be one."""
    if value is not None and not isinstance(value, str):
        raise ProtocolError("a piece of the answer is not text", kind="schema")
    return value or ""
