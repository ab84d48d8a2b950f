"""Ollama's streams, one JSON object a line, and what streams and whole answers share.

The end is the object with `done: true`; an object with `error` may come instead (Ollama API reference, "Streaming", read
2026-11). Old servers end with `done: true` and no reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from ..chunks import ChatStreamChunk, ToolCallDelta
from ..errors import AIClientError, ProtocolError
from ..messages import Part, ReasoningPart, TextPart, ToolCall
from ..response import NO_USAGE, FinishReason, Usage
from .counts import Counts
from .failures import told_failure
from .jsonlines import JSONLinesDecoder
from .jsons import dumps, loads, named

__all__ = ["OllamaDecoder", "finish", "moment", "parts_of", "usage"]

_REASONS: Final[dict[str, FinishReason]] = {"stop": "stop", "length": "length"}


class OllamaDecoder:
    """Turns the bytes of one streamed answer into chunks; see `StreamDecoder` for what a failure does."""

    __slots__ = ("_calls", "_lines", "_origin", "done", "failure")

    def __init__(self, origin: str) -> None:
        self.failure: AIClientError | None = None
        self.done = False
        self._origin = origin
        self._lines = JSONLinesDecoder()
        self._calls = 0

    def feed(self, data: bytes) -> Sequence[ChatStreamChunk]:
        """Take the bytes of one read and return the chunks they complete."""
        chunks: list[ChatStreamChunk] = []
        if not self.done and self.failure is None:
            try:
                self._take(self._lines.feed(data), chunks)
            except AIClientError as error:
                self.failure = error
        return chunks

    def end(self) -> Sequence[ChatStreamChunk]:
        """Take the end of the body; a last line without its end counts if it is whole."""
        chunks: list[ChatStreamChunk] = []
        if not self.done and self.failure is None:
            try:
                self._take(self._lines.end(), chunks)
            except AIClientError as error:
                if not isinstance(error, ProtocolError) or error.kind != "decode":  # half a line is a cut, not nonsense
                    self.failure = error
        return chunks

    def _take(self, lines: Sequence[bytes], chunks: list[ChatStreamChunk]) -> None:
        for line in lines:
            if self.done:
                return
            value = loads(line)
            if not isinstance(value, Mapping):
                raise ProtocolError("a line of the stream is not a JSON object", kind="schema")
            if value.get("error"):
                raise told_failure(value)
            chunks.append(self._chunk(value))

    def _chunk(self, value: Mapping[str, Any]) -> ChatStreamChunk:
        message = value.get("message") or {}
        if not isinstance(message, Mapping):
            raise ProtocolError("message of a line is not an object", kind="schema")
        chunk = ChatStreamChunk(
            content=_piece(message.get("content")),
            reasoning=_piece(message.get("thinking")),
            model=named(value.get("model")),
        )
        if chunk.reasoning:
            chunk.origin = self._origin
        if message.get("tool_calls"):
            chunk.tool_calls = self._deltas(message["tool_calls"])
        if value.get("done"):
            chunk.finish_reason = finish(value, called=bool(self._calls)) or "stop"
            chunk.raw_finish_reason = named(value.get("done_reason"))
            chunk.usage = usage(value)
            chunk.created_at = moment(value.get("created_at"))
            chunk.last = self.done = True
        return chunk

    def _deltas(self, raw: Any) -> list[ToolCallDelta]:
        """Number the calls: each comes whole, and servers may give all of them the index 0."""
        deltas = []
        for call in _calls(raw, self._calls):
            deltas.append(ToolCallDelta(self._calls, call.id, call.name, call.arguments))
            self._calls += 1
        return deltas


def parts_of(message: Mapping[str, Any], origin: str) -> list[Part]:
    """Return the parts of a whole message."""
    parts: list[Part] = []
    if message.get("thinking"):
        parts.append(ReasoningPart(str(message["thinking"]), origin=origin))
    if isinstance(message.get("content"), str):
        parts.append(TextPart(message["content"]))
    return [*parts, *_calls(message.get("tool_calls") or [], 0)]


def _piece(value: Any) -> str:
    """Return a piece of text; only text can be one."""
    if value is not None and not isinstance(value, str):
        raise ProtocolError("a piece of the answer is not text", kind="schema")
    return value or ""


def _calls(raw: Any, first: int) -> list[ToolCall]:
    if not isinstance(raw, list) or not all(isinstance(item, Mapping) for item in raw):
        raise ProtocolError("tool_calls is not a list of objects", kind="schema")
    calls = []
    for number, item in enumerate(raw, first):
        function = item.get("function")
        function = function if isinstance(function, Mapping) else {}
        arguments = function.get("arguments")
        text = arguments if isinstance(arguments, str) else dumps(arguments or {}).decode()
        calls.append(ToolCall(str(item.get("id") or f"call_{number}"), str(function.get("name") or ""), text))
    return calls


def finish(value: Mapping[str, Any], *, called: bool) -> FinishReason | None:
    """Return why the model stopped; None when the answer is not done."""
    if not value.get("done"):
        return None
    said = named(value.get("done_reason")) or "stop"
    return "tool_calls" if called and said == "stop" else _REASONS.get(said, "other")


def usage(value: Mapping[str, Any]) -> Usage:
    """Return the counts of the last object; a prompt that was cached whole is not counted (`prompt_eval_count` absent)."""
    told = {name: value[name] for name in ("prompt_eval_count", "eval_count") if value.get(name) is not None}
    if not told:
        return NO_USAGE
    counts = Counts(told)
    return counts.usage(
        prompt=counts.get("prompt_eval_count", "prompt_tokens"),
        completion=counts.get("eval_count", "completion_tokens"),
    )


def moment(text: Any) -> datetime | None:
    """Read a time stamp; None when it makes no sense."""
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
