"""One choice of a streamed answer in OpenAI's chat form: what its deltas must remember of each other."""

from __future__ import annotations

from typing import Any, Final

from ..chunks import ChatStreamChunk
from ..errors import ProtocolError
from ..messages import Part, ReasoningPart, RefusalPart, TextPart
from .openai_parts import Details, audio_part, citations, content_parts, images, other_annotations, thinking
from .openai_usage import finish_reason
from .toolcalls import ToolCallAssembly

__all__ = ["StreamedChoice"]

_USUAL: Final = frozenset(
    {"role", "content", "reasoning", "reasoning_content", "reasoning_details", "refusal", "tool_calls", "function_call"}
)


class StreamedChoice:
    """Fills chunks from deltas; knows which tool calls are open, and keeps what is only whole at the end."""

    __slots__ = ("_audio", "_calls", "_details", "_extra", "_origin", "finished", "spoken")

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._calls: ToolCallAssembly | None = None
        self._details: Details | None = None
        self._extra: Any = None
        self._audio: dict[str, list[str]] | None = None
        self.finished = False
        self.spoken = False
        """Whether there was output: a whole message at the end would only repeat it."""

    def take(self, delta: dict[str, Any], chunk: ChatStreamChunk) -> None:
        """Put into `chunk` what `delta` holds beside plain text."""
        get = delta.get
        content = get("content")
        if type(content) is list:
            self._take_parts(content, chunk)
        elif content is not None and type(content) is not str:
            raise ProtocolError("delta.content of an event is neither text nor a list", kind="schema")
        if thought := thinking(delta):
            chunk.reasoning += thought
        if details := get("reasoning_details"):
            self._details = self._details or Details()
            self._details.add(details)
        if refusal := get("refusal"):
            chunk.refusal += str(refusal)
        if get("tool_calls") or get("function_call"):
            self._take_calls(delta, chunk)
        if not delta.keys() <= _USUAL:
            self._take_rarities(delta, chunk)
        if chunk.reasoning:
            chunk.origin = self._origin
        self.spoken = self.spoken or chunk.is_output

    def _take_parts(self, content: list[Any], chunk: ChatStreamChunk) -> None:
        others: list[Part] = []
        for part in content_parts(content, self._origin):
            if isinstance(part, TextPart):
                chunk.content += part.text
            elif isinstance(part, ReasoningPart):
                chunk.reasoning += part.text
                if part.signature is not None:
                    chunk.signature, chunk.origin = part.signature, self._origin
            elif isinstance(part, RefusalPart):
                chunk.refusal += part.text
            else:
                others.append(part)
        chunk.parts = others

    def _take_calls(self, delta: dict[str, Any], chunk: ChatStreamChunk) -> None:
        calls, legacy = delta.get("tool_calls"), delta.get("function_call")
        if not calls and self._calls is None and not (isinstance(legacy, dict) and legacy.get("name")):
            return  # Snowflake fills the legacy field with empty texts
        self._calls = self._calls or ToolCallAssembly()
        chunk.tool_calls = self._calls.add(calls) if calls else self._calls.legacy(legacy)
        if any(call.provider_data for call in chunk.tool_calls):
            chunk.origin = self._origin

    def _take_rarities(self, delta: dict[str, Any], chunk: ChatStreamChunk) -> None:
        if annotations := delta.get("annotations"):
            if cited := citations(annotations):
                chunk.citations, chunk.origin = cited, self._origin
            chunk.parts = [*chunk.parts, *other_annotations(annotations, self._origin)]
        if pictures := delta.get("images"):
            chunk.parts = [*chunk.parts, *images(pictures, self._origin)]
        audio = delta.get("audio")
        if isinstance(audio, dict):
            self._audio = self._audio or {}
            for key, value in audio.items():
                if isinstance(value, str):
                    self._audio.setdefault(key, []).append(value)
        self._extra = delta.get("extra_content") or self._extra

    def finish(self, word: str, chunk: ChatStreamChunk) -> None:
        """Put the finish reason, and what is whole now, into `chunk`."""
        self.finished = True
        reason = finish_reason(word)
        chunk.finish_reason = "tool_calls" if reason == "stop" and self._calls is not None else reason
        chunk.raw_finish_reason = word
        self.hand_over(chunk)

    def hand_over(self, chunk: ChatStreamChunk) -> None:
        """Put what was kept, and not handed over yet, into `chunk`."""
        if self._calls is not None and (named := self._calls.anonymous()):
            chunk.tool_calls = [*chunk.tool_calls, *named]
        kept: dict[str, Any] = {}
        if self._details is not None and (entries := self._details.take()):
            kept["reasoning_details"] = entries
        if self._extra:
            kept["extra_content"], self._extra = self._extra, None
        if kept:
            chunk.parts = [*chunk.parts, ReasoningPart(origin=self._origin, provider_data=kept)]
        if self._audio is not None:
            pieces, self._audio = self._audio, None
            audio = {"id": pieces.get("id", [""])[0], "transcript": "".join(pieces.get("transcript", ()))}
            if (part := audio_part({**audio, "data": pieces.get("data")}, self._origin)) is not None:
                chunk.parts = [*chunk.parts, part]
