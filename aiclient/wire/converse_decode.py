"""A whole answer of Bedrock's Converse, decoded.

"Converse", Amazon Bedrock Runtime API reference, 2023-09-30, as in the service model of botocore 1.44.5 (2026-11). Blocks
of kinds that are not known here, tools that the service runs itself and sealed thinking become opaque parts and go back as
they came.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from ..errors import ProtocolError
from ..messages import Citation, ImagePart, Message, OpaquePart, Part, ReasoningPart, TextPart, ToolCall
from ..response import ChatResponse
from .anthropic_answer import arguments_text
from .converse_media import image_type
from .converse_usage import finish_reason, said_besides, usage
from .jsons import named
from .openai_answer import json_object
from .toolcalls import minted_id

__all__ = ["citation", "decode_answer", "image_part", "is_served"]

Json = Mapping[str, Any]


def decode_answer(body: bytes, origin: str) -> ChatResponse:
    """Return the answer that a body holds."""
    value = json_object(body)
    output = value.get("output")
    message = output.get("message") if isinstance(output, Mapping) else None
    content = message.get("content", []) if isinstance(message, Mapping) else None
    if not isinstance(content, list):
        raise ProtocolError("the answer holds no list of content blocks", kind="schema")
    parts = [_part(block, number, origin) for number, block in enumerate(content)]
    word = value.get("stopReason")
    return ChatResponse(
        Message("assistant", parts),
        finish_reason(word, calls=any(isinstance(part, ToolCall) for part in parts)),
        None if word is None else str(word),
        usage(value.get("usage"), value.get("serviceTier")),
        raw=value,
        metadata=said_besides(value),
    )


def _part(block: Any, number: int, origin: str) -> Part:
    if not isinstance(block, Mapping):
        raise ProtocolError("content[] of the answer is not an object", kind="schema")
    match block:
        case {"text": str(text)}:
            return TextPart(text)
        case {"toolUse": {"name": str(name)} as call} if not is_served(call):
            rest = {key: value for key, value in call.items() if key not in ("toolUseId", "name", "input", "type")}
            return ToolCall(
                str(call.get("toolUseId") or minted_id(number)),
                name,
                arguments_text(call.get("input")),
                origin=origin if rest else None,
                provider_data=rest or None,
            )
        case {"reasoningContent": {"reasoningText": {"text": str(thought)} as inner}}:
            return ReasoningPart(thought, named(inner.get("signature")), origin=origin)
        case {"citationsContent": Mapping() as cited} if isinstance(cited.get("citations", []), list):
            return _cited(cited, origin)
        case {"image": Mapping() as image} if (part := image_part(image, origin)) is not None:
            return part
    return OpaquePart(origin, block)


def is_served(call: Json) -> bool:
    """Whether the service runs the tool itself: the caller must not (some models say `type: tool_use` of others)."""
    return call.get("type") not in (None, "tool_use")


def _cited(block: Json, origin: str) -> Part:
    """Return the text of a block with its sources; what the text alone cannot give back is kept."""
    content = block.get("content")
    given = content if isinstance(content, list) else []
    pieces = [piece.get("text") for piece in given if isinstance(piece, Mapping)]
    text = "".join(piece for piece in pieces if isinstance(piece, str))
    rest = {key: value for key, value in block.items() if key not in ("content", "citations")}
    if content is not None and content != [{"text": text}]:
        rest["content"] = content
    cited = tuple(citation(item) for item in block.get("citations", ()))
    return TextPart(text, cited, origin=origin, provider_data=rest or None)


def citation(item: Any) -> Citation:
    """Return a source; it speaks of its whole block, and its own offsets are those of the cited document."""
    if not isinstance(item, Mapping):
        return Citation()
    location = item.get("location")
    web = location.get("web") if isinstance(location, Mapping) else None
    url = named(web.get("url")) if isinstance(web, Mapping) else None
    quoted = item.get("sourceContent")
    quotes = [piece.get("text") for piece in quoted if isinstance(piece, Mapping)] if isinstance(quoted, list) else []
    return Citation(
        url or named(item.get("source")),
        named(item.get("title")),
        "".join(quote for quote in quotes if isinstance(quote, str)) or None,
        provider_data=item,
    )


def image_part(image: Json, origin: str) -> ImagePart | None:
    """Return an image of the answer; None if its bytes are not there."""
    source = image.get("source")
    text = source.get("bytes") if isinstance(source, Mapping) else None
    if not isinstance(text, str) or image.get("error"):
        return None
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return ImagePart(data=data, media_type=image_type(image.get("format")), origin=origin)
