"""Messages in the form that Cohere's chat takes, which is near to OpenAI's: the differences stand here.

"Chat", API v2 (docs.cohere.com/reference/chat, read 2026-11): content is text, images and thinking; the plan before tool calls
and the citations of an answer are fields of their own; a tool's arguments are always JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..messages import (
    AudioPart,
    DocumentPart,
    MediaPart,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCall,
)
from .cohere_parts import ORIGIN
from .jsons import dumps
from .notes import Notes
from .openai_media import unsupported
from .openai_messages import MessageEncoder
from .profiles import Profile

__all__ = ["CohereMessages"]

Json = dict[str, Any]

_COHERE: Final = Profile(name=ORIGIN)


class CohereMessages(MessageEncoder):
    """Encodes the messages of one request."""

    def __init__(self, notes: Notes) -> None:
        super().__init__(_COHERE, ORIGIN, notes)

    def _message(self, message: Message, parts: Sequence[Part]) -> Json:
        encoded = super()._message(message, parts)
        if encoded.pop("name", None) is not None:
            self._notes.unsupported("messages[].name")
        return encoded

    def _own(self, part: Part) -> Mapping[str, Any]:
        return {}  # what Cohere's parts carry has places of its own

    def _media(self, part: MediaPart) -> Json:
        if isinstance(part, DocumentPart):
            raise unsupported('documents in messages; give their texts in extra["cohere"]["documents"]', _COHERE)
        if isinstance(part, AudioPart):
            raise unsupported("audio content", _COHERE)
        return super()._media(part)

    def _assistant(self, parts: Sequence[Part]) -> Json:
        fields: Json = {}
        content: list[Json] = []
        calls: list[Json] = []
        for part in parts:
            match part:
                case TextPart() | RefusalPart():
                    content.append({"type": "text", "text": part.text})
                    self._cite(part, fields)
                case ReasoningPart(origin="cohere"):
                    self._think(part, fields, content)
                case OpaquePart(origin="cohere", data=dict(data)):
                    content.append(data)
                case ToolCall():
                    calls.append(self._call(part))
                case MediaPart():
                    self._notes.add("dropped_content", f"an assistant's {part.tag} part cannot be sent back to cohere")
                    if isinstance(part, AudioPart) and part.transcript:
                        content.append({"type": "text", "text": part.transcript})
                case _:
                    self._drop(part)
        if len(content) == 1 and content[0].keys() == {"type", "text"}:
            fields["content"] = content[0]["text"]
        elif content or not (calls or fields):
            fields["content"] = content or ""
        return {"role": "assistant", **fields, **({"tool_calls": calls} if calls else {})}

    def _think(self, part: ReasoningPart, fields: Json, content: list[Json]) -> None:
        data = part.provider_data or {}
        if data.get("tool_plan"):
            fields["tool_plan"] = fields.get("tool_plan", "") + part.text
        elif part.text:
            content.append({"type": "thinking", "thinking": part.text})
        if data.get("citations"):
            fields.setdefault("citations", []).extend(data["citations"])

    def _cite(self, part: TextPart | RefusalPart, fields: Json) -> None:
        if isinstance(part, TextPart) and part.origin == ORIGIN:
            own = [citation.provider_data for citation in part.citations if citation.provider_data]
            if own:
                fields.setdefault("citations", []).extend(own)

    def _call(self, call: ToolCall) -> Json:
        arguments = call.arguments if call.arguments.strip() else "{}"
        if call.kind == "custom":
            arguments = dumps({"input": call.arguments}).decode()
            self._notes.add("converted_content", "a call of a custom tool became one of a function with one argument")
        return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}
