"""A whole answer of OpenAI's Responses protocol, decoded; what streams need of it too.

"The response object", OpenAI API reference (platform.openai.com/docs/api-reference/responses/object), checked against the
published schema (github openai/openai-openapi, f85dbe223d40, 2026-08-21).

An answer is a list of items. What the next turn needs of an item (its id, status, sealed reasoning) is kept in its part's
`provider_data["item"]`, without what the part itself holds; items of other kinds are kept whole, as OpaquePart.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve

from ..errors import ProtocolError
from ..messages import Citation, ImagePart, Message, OpaquePart, Part, ReasoningPart, RefusalPart, TextPart, ToolCall
from ..response import ChatResponse, FinishReason, Usage
from .counts import no_object
from .failures import told_failure
from .jsons import named
from .openai_answer import json_object
from .openai_usage import moment
from .openai_usage import usage as chat_usage
from .toolcalls import minted_id

__all__ = [
    "ARGUMENTS",
    "call_identity",
    "citation",
    "content_of",
    "decode_count",
    "decode_response",
    "finish_reason",
    "kept_of_call",
    "logprob_entries",
    "output_of",
    "parts_of",
    "text_of",
    "thought",
    "usage",
]

Json = Mapping[str, Any]

ARGUMENTS: Final = {"function_call": "arguments", "custom_tool_call": "input"}
"""The items that are calls of the caller's own tools, and where each has what the model wrote."""

_INCOMPLETE: Final[dict[str, FinishReason]] = {
    # "incomplete_details", the response object; 16056c095c49
    "max_output_tokens": "length",
    "max_tokens": "length",  # servers that use the word of chat completions
    "length": "length",
    "content_filter": "content_filter",
}

_PENDING: Final = frozenset({"queued", "in_progress"})  # e37043c15695, 199d8e299d10: background mode


def decode_response(body: bytes, origin: str) -> ChatResponse:
    """Return the answer that a body holds; one that is still being made has no finish reason.

    Raises:
        ProtocolError: The body is no response object.
        AIClientError: The response failed; the error's class is that of its code.
    """
    value = json_object(body)
    output = output_of(value)
    if value.get("status") == "failed":  # one that says why was raised above
        raise told_failure({"error": {"message": "the response failed, and the service did not say why"}})
    parts = [part for index, item in enumerate(output) for part in parts_of(item, origin, index)]
    status = value.get("status")
    return ChatResponse(
        message=Message("assistant", parts),
        finish_reason=finish_reason(value, called=any(isinstance(part, ToolCall) for part in parts)),
        raw_finish_reason=status if isinstance(status, str) else None,
        usage=usage(value.get("usage"), value.get("service_tier")),
        id=named(value.get("id")),
        model=named(value.get("model")),
        created_at=moment(value.get("created_at")),
        logprobs=[entry for item in output for content in content_of(item) for entry in logprob_entries(content)]
        or None,
        raw=value,
    )


def decode_count(body: bytes) -> int:
    """Return the number of input tokens that a body states ("Count input tokens", OpenAI API reference)."""
    count = json_object(body).get("input_tokens")
    if not isinstance(count, int) or isinstance(count, bool):
        raise ProtocolError("the answer holds no input_tokens", kind="schema")
    return count


def output_of(value: Json) -> list[Json]:
    """Return the items of a response object."""
    output = value.get("output")
    if output is None and "status" in value:
        return []
    if not isinstance(output, list) or not all(isinstance(item, Mapping) for item in output):
        raise ProtocolError("output of the answer is not a list of items", kind="schema")
    return output


def finish_reason(value: Json, *, called: bool) -> FinishReason | None:
    """Return why the model stopped; None when it has not, or the answer does not say."""
    status = value.get("status")
    if not isinstance(status, str) or status in _PENDING:
        return None
    if status == "completed":
        return "tool_calls" if called else "stop"
    if status == "incomplete":
        details = value.get("incomplete_details")
        return _INCOMPLETE.get(str(details.get("reason")) if isinstance(details, Mapping) else "", "other")
    return "other"  # `cancelled`, and words that are not of the protocol


def usage(raw: Any, tier: Any = None) -> Usage:
    """Convert a usage object; the counting is that of chat completions, under other names."""
    if not isinstance(raw, Mapping):
        return no_object(raw)
    renamed = {
        **raw,
        "prompt_tokens": raw.get("input_tokens"),
        "completion_tokens": raw.get("output_tokens"),
        "prompt_tokens_details": raw.get("input_tokens_details"),
        "completion_tokens_details": raw.get("output_tokens_details"),
    }
    return evolve(chat_usage(renamed, tier), raw_usage=raw)


# --- items ---


def parts_of(item: Json, origin: str, index: int = 0) -> list[Part]:
    """Return the parts that an item of the output stands for; `index` names calls that came without an id."""
    match item.get("type"):
        case "message" if item.get("role", "assistant") == "assistant" and content_of(item):
            return _message_parts(item, origin)
        case "reasoning":
            return [ReasoningPart(thought(item), origin=origin, provider_data={"item": item})]
        case "function_call" | "custom_tool_call" as kind:
            id_, name = call_identity(item)
            return [
                ToolCall(
                    id_ or minted_id(index),
                    name,
                    text_of(item, ARGUMENTS[kind]),
                    "function" if kind == "function_call" else "custom",
                    origin=origin,
                    provider_data={"item": kept_of_call(item)},
                )
            ]
        case "image_generation_call" if (data := _bytes(item.get("result"))) is not None:
            kept = {key: value for key, value in item.items() if key != "result"}
            kind = f"image/{item.get('output_format') or 'png'}"  # "Image generation" guide: PNG unless asked otherwise
            return [ImagePart(data=data, media_type=kind, origin=origin, provider_data={"item": kept})]
    return [OpaquePart(origin, item)]


def content_of(item: Json) -> list[Json]:
    """Return the content of a message; a server may write it as plain text."""
    content = item.get("content") if item.get("type") == "message" else None
    if isinstance(content, str):
        return [{"type": "output_text", "text": content}]
    return [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []


def _message_parts(item: Json, origin: str) -> list[Part]:
    data = {"item": {key: value for key, value in item.items() if key != "content"}}
    parts: list[Part] = []
    for content in content_of(item):
        match content.get("type"):
            case "output_text" | "text":
                sources = tuple(citation(raw) for raw in _list(content.get("annotations")))
                parts.append(TextPart(text_of(content, "text"), sources, origin=origin, provider_data=data))
            case "refusal":
                parts.append(RefusalPart(text_of(content, "refusal"), origin=origin, provider_data=data))
            case _:
                parts.append(OpaquePart(origin, {**data, "content": content}))
    return parts


def thought(item: Json) -> str:
    """Return what an item shows of the model's thinking: paragraphs of a summary, or the thinking itself."""
    summary = "\n\n".join(text for part in _list(item.get("summary")) if (text := text_of(part, "text")))
    content = "".join(text_of(part, "text") for part in _list(item.get("content")))
    return f"{summary}\n\n{content}" if summary and content else summary or content


def call_identity(item: Json) -> tuple[str, str]:
    """Return id and name of a call; an id that is missing is the item's own."""
    return str(item.get("call_id") or item.get("id") or ""), text_of(item, "name")


def kept_of_call(item: Json) -> dict[str, Any]:
    """Return what a call has beside id, name and arguments."""
    return {key: value for key, value in item.items() if key not in ("call_id", "name", "arguments", "input")}


def citation(raw: Any) -> Citation:
    """Return an annotation as a source; kinds other than web pages name a file."""
    raw = raw if isinstance(raw, Mapping) else {"type": raw}
    start, end = raw.get("start_index"), raw.get("end_index")
    placed = type(start) is int and type(end) is int and 0 <= start < end
    url, title = raw.get("url"), raw.get("title") or raw.get("filename")
    return Citation(
        url if isinstance(url, str) else None,
        title if isinstance(title, str) else None,
        start=start if placed else None,
        end=end if placed else None,
        provider_data=raw,
    )


def logprob_entries(value: Json) -> list[Any]:
    """Return the entries for the tokens of a content part, or of a delta."""
    return _list(value.get("logprobs"))


def text_of(value: Any, name: str) -> str:
    """Return a field that should hold text; anything else is none."""
    text = value.get(name) if isinstance(value, Mapping) else None
    return text if isinstance(text, str) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _bytes(text: Any) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) and text else None
    except (binascii.Error, ValueError):
        return None
