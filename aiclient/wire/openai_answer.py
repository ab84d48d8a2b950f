"""A whole answer in OpenAI's chat form, decoded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from ..errors import ProtocolError
from ..messages import Message, Part, ReasoningPart, RefusalPart, TextPart
from ..response import ChatResponse, Choice, FinishReason
from .failures import told_failure
from .jsons import loads, named
from .openai_parts import (
    KEPT,
    audio_part,
    citations,
    content_parts,
    images,
    logprob_entries,
    other_annotations,
    sources,
    thinking,
)
from .openai_usage import finish_reason, moment, usage
from .toolcalls import whole_calls

__all__ = ["decode_answer", "is_error", "json_object", "message_parts"]


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a body holds.

    Raises:
        ProtocolError: The body is empty (`empty`), a page of HTML (`content_type`), or not a JSON object.
        AIClientError: It is an error object, though the status said otherwise.
    """
    start = body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if not start and not body.strip():
        raise ProtocolError("the service answered without a body", kind="empty")
    if start == b"<":
        raise ProtocolError(
            "the service answered with a page of HTML; something between may ask for a login, or base_url is wrong",
            kind="content_type",
        )
    value = loads(body)
    if not isinstance(value, dict):
        raise ProtocolError(f"the answer is a JSON {type(value).__name__}, not an object", kind="schema")
    if is_error(value):
        raise told_failure(value)
    return value


def is_error(value: Mapping[str, Any]) -> bool:
    """Whether an object inside a 200 tells of a failure (vLLM's has no `error` but says so in `object`)."""
    return bool(value.get("error")) or value.get("object") == "error"


def decode_answer(body: bytes, origin: str) -> ChatResponse:
    """Return the answer that a body holds; further choices are in `alternatives`."""
    value = json_object(body)
    choices = value.get("choices")
    if not isinstance(choices, list) or not choices:
        raise ProtocolError("the answer holds no choices", kind="schema")
    first, *others = sorted((_choice(item, origin) for item in choices), key=lambda pair: pair[0])
    choice = first[1]
    return ChatResponse(
        message=_with_sources(choice.message, value, origin),
        finish_reason=choice.finish_reason,
        raw_finish_reason=choice.raw_finish_reason,
        logprobs=choice.logprobs,
        alternatives=tuple(other for _, other in others),
        usage=usage(value.get("usage"), value.get("service_tier")),
        id=named(value.get("id")),
        model=named(value.get("model")),
        created_at=moment(value.get("created")),
        raw=value,
    )


def _choice(item: Any, origin: str) -> tuple[int, Choice]:
    message = item.get("message") if isinstance(item, Mapping) else None
    if not isinstance(message, Mapping):
        raise ProtocolError("choices[].message of the answer is missing", kind="schema")
    parts = message_parts(message, origin)
    word = item.get("finish_reason")
    index = item.get("index")
    choice = Choice(
        Message("assistant", parts),
        _reason(word, message),
        word if isinstance(word, str) else None,
        logprob_entries(item.get("logprobs")),
    )
    return (index if isinstance(index, int) else 0), choice


def _reason(word: Any, message: Mapping[str, Any]) -> FinishReason | None:
    if word is None:
        return None
    # A forced tool call ends with `stop` (0c5184992e4e); what the caller has to do is to run the tool.
    reason = finish_reason(str(word))
    return "tool_calls" if reason == "stop" and message.get("tool_calls") else reason


def message_parts(message: Mapping[str, Any], origin: str) -> list[Part]:
    """Return the parts of a message: thinking first, tool calls last."""
    kept = {key: message[key] for key in KEPT if message.get(key)}
    thought = thinking(message)
    parts: list[Part] = [ReasoningPart(thought, origin=origin, provider_data=kept or None)] if thought or kept else []
    content = content_parts(message.get("content"), origin)
    if message.get("annotations"):
        content = _cited(content, message["annotations"], origin)
    parts += content
    if refusal := message.get("refusal"):
        parts.append(RefusalPart(str(refusal)))
    if message.get("images"):
        parts += images(message["images"], origin)
    if (audio := audio_part(message.get("audio"), origin)) is not None:
        parts.append(audio)
    return [*parts, *whole_calls(message, origin)]


def _cited(content: list[Part], annotations: Any, origin: str) -> list[Part]:
    """Put the sources onto the text they belong to, which is one part wherever annotations were seen."""
    found = tuple(citations(annotations))
    for number, part in enumerate(content):
        if found and isinstance(part, TextPart):
            content[number] = evolve(part, citations=found, origin=origin)
            break
    return content + other_annotations(annotations, origin)


def _with_sources(message: Message, answer: Mapping[str, Any], origin: str) -> Message:
    found = tuple(sources(answer)) if "citations" in answer or "search_results" in answer else ()
    for number, part in enumerate(message.parts):
        if found and isinstance(part, TextPart) and not part.citations:
            parts = [*message.parts]
            parts[number] = evolve(part, citations=found, origin=origin)
            return Message("assistant", parts)
    return message
