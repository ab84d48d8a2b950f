"""What was said, as spans hold it where that is asked for: JSON in the shape of OpenTelemetry's conventions."""

from __future__ import annotations

import json
from typing import Any, Final, TypeAlias

from ..messages import (
    MediaPart,
    Message,
    OpaquePart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolResultPart,
)
from ..redaction import redact
from ..request import AnyRequest, ChatRequest
from ..response import ChatResponse
from ._conventions import Name
from ._trace_attributes import Attributes

__all__ = ["input_attributes", "masked", "output_attributes"]

Json: TypeAlias = "dict[str, Any]"

_BEYOND: Final = 65_536
"""Characters that are looked at beyond the limit: what is cut off must not be the better half of a secret."""


def masked(text: str, limit: int) -> str:
    """Return `text` without known secrets and what looks like one, and no longer than that."""
    shown = redact(text[: limit + _BEYOND])
    more = len(shown) - limit + max(0, len(text) - limit - _BEYOND)
    return shown if more <= 0 else f"{shown[:limit]}... ({more} more characters)"


def input_attributes(request: AnyRequest, limit: int) -> Attributes:
    """Return what was asked: messages, system instructions and tools; of embeddings nothing."""
    if not isinstance(request, ChatRequest):
        return {}
    spoken = [message for message in request.messages if message.role != "system"]
    attributes: Attributes = {Name.INPUT_MESSAGES: _json([_message(message, limit) for message in spoken])}
    system = [_part(part, limit) for message in request.messages if message.role == "system" for part in message.parts]
    if system:
        attributes[Name.SYSTEM] = _json(system)
    if request.options.tools:
        attributes[Name.TOOLS] = _json(
            [
                {"type": "function", "name": tool.name, "description": masked(tool.description, limit)}
                for tool in request.options.tools
            ]
        )
    return attributes


def output_attributes(answer: ChatResponse, limit: int) -> Attributes:
    """Return what was answered, as far as it came."""
    choices = [(answer.message, answer.finish_reason)]
    choices += [(choice.message, choice.finish_reason) for choice in answer.alternatives]
    said = [{**_message(message, limit), "finish_reason": reason} for message, reason in choices]
    return {Name.OUTPUT_MESSAGES: _json(said)}


def _message(message: Message, limit: int) -> Json:
    return {"role": message.role, "parts": [_part(part, limit) for part in message.parts]}


def _part(part: Any, limit: int) -> Json:
    match part:
        case TextPart():
            return {"type": "text", "content": masked(part.text, limit)}
        case RefusalPart():
            return {"type": "refusal", "content": masked(part.text, limit)}
        case ReasoningPart():
            return {"type": "reasoning", "content": masked(part.text, limit)}
        case ToolCall():
            return {"type": "tool_call", "id": part.id, "name": part.name, "arguments": masked(part.arguments, limit)}
        case ToolResultPart():
            said = [_part(inner, limit) for inner in part.content]
            return {"type": "tool_call_response", "id": part.tool_call_id, "response": said}
        case MediaPart():
            return {"type": "media", "modality": part.tag, "mime_type": part.media_type, "size": len(part.data or b"")}
        case OpaquePart():
            return {"type": "opaque", "origin": part.origin}
        case _:
            return {"type": type(part).__name__}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
