"""A whole answer of Anthropic's Messages API, decoded.

"Messages", Anthropic API reference, version 2023-06-01 (platform.claude.com/docs/en/api/messages/create, 2026-11). Blocks of
kinds that are not known here, server tools among them, become opaque parts and go back as they came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ProtocolError
from ..messages import Citation, Message, OpaquePart, Part, ReasoningPart, TextPart, ToolCall
from ..response import ChatResponse
from .anthropic_usage import finish_reason, refusal, usage
from .jsons import dumps, named
from .openai_answer import json_object
from .toolcalls import minted_id

__all__ = ["arguments_text", "block_part", "citation", "decode_answer", "decode_message", "rest_of"]

Json = Mapping[str, Any]


def decode_answer(body: bytes, origin: str) -> ChatResponse:
    """Return the answer that a body holds."""
    return decode_message(json_object(body), origin)


def decode_message(value: dict[str, Any], origin: str) -> ChatResponse:
    """Return the answer that a message object stands for."""
    content = value.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise ProtocolError("the answer holds no list of content blocks", kind="schema")
    parts = [block_part(block, number, origin) for number, block in enumerate(content)]
    if (said := refusal(value.get("stop_details"), origin)) is not None:
        parts.append(said)
    word = value.get("stop_reason")
    return ChatResponse(
        Message("assistant", parts),
        finish_reason(word, calls=any(isinstance(part, ToolCall) for part in parts)),
        None if word is None else str(word),
        usage(value.get("usage")),
        named(value.get("id")),
        named(value.get("model")),
        raw=value,
    )


def block_part(block: Any, number: int, origin: str) -> Part:
    """Return what a content block holds; `number` is its place, of which a call that came without an id makes one."""
    if not isinstance(block, Mapping):
        raise ProtocolError("content[] of the answer is not an object", kind="schema")
    match block:
        case {"type": "text", "text": str(text)}:
            given = block.get("citations")
            cited = tuple(citation(item) for item in given) if isinstance(given, list) else ()
            rest = rest_of(block, "text", "citations")
            return TextPart(text, cited, origin=origin if cited or rest else None, provider_data=rest)
        case {"type": "thinking", "thinking": str(thought)}:
            rest = rest_of(block, "thinking", "signature")
            return ReasoningPart(thought, named(block.get("signature")), origin=origin, provider_data=rest)
        case {"type": "tool_use", "name": str(name)}:
            rest = rest_of(block, "id", "name", "input")
            return ToolCall(
                str(block.get("id") or minted_id(number)),
                name,
                arguments_text(block.get("input")),
                origin=origin if rest else None,
                provider_data=rest,
            )
    return OpaquePart(origin, block)


def rest_of(block: Json, *known: str) -> dict[str, Any] | None:
    """Return what a block holds beside the fields that are known here (`caller` of a tool call): it goes back with it."""
    return {
        key: value for key, value in block.items() if key != "type" and key not in known and value is not None
    } or None


def arguments_text(value: Any) -> str:
    """Return the input of a tool call as text; some servers leave it out (llama.cpp) or send the text itself."""
    if isinstance(value, str):
        return value
    return "{}" if value is None else dumps(value).decode()


def citation(item: Any) -> Citation:
    """Return a source; it speaks of its whole text block, and its own offsets are those of the cited document.

    build-with-claude/citations: char_location, page_location, content_block_location; search_result_location has a `source`,
    web_search_result_location a `url`.
    """
    if not isinstance(item, Mapping):
        return Citation()
    url, title, quote = (
        next((item[name] for name in names if isinstance(item.get(name), str) and item[name]), None)
        for names in (("url", "source"), ("title", "document_title"), ("cited_text",))
    )
    return Citation(url, title, quote, provider_data=item)
