"""A whole answer of Google's generateContent, decoded.

"GenerateContentResponse", ai.google.dev/api/generate-content (v1beta, read 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve

from ..errors import ProtocolError
from ..messages import Message, Part, TextPart, ToolCall
from ..response import ChatResponse, Choice
from .gemini_citations import citations
from .gemini_parts import CallIds, part_of
from .gemini_usage import FILTERED, finish, moment, usage
from .jsons import named
from .openai_answer import json_object

__all__ = ["blocked", "content_parts", "decode_answer", "index_of", "logprob_entries", "notices"]

_NOTICES: Final = (
    "finishMessage",
    "safetyRatings",
    "groundingMetadata",
    "citationMetadata",
    "urlContextMetadata",
    "avgLogprobs",
)
"""What a candidate says about itself; an answer keeps it under `metadata["google"]`."""

_BLOCKS: Final = (None, "SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT")
"""PromptFeedback.BlockReason by number, as far as both services count alike."""


def decode_answer(body: bytes, origin: str, *, vertex: bool = False) -> ChatResponse:
    """Return the answer that a body holds; further candidates are in `alternatives`.

    A prompt that was blocked (db44202e38cc) gives an answer without content whose finish reason is `content_filter`.
    """
    value = json_object(body)
    items = value.get("candidates") or []
    if not isinstance(items, list):
        raise ProtocolError("candidates of the answer is not a list", kind="schema")
    choices = [_choice(item, value, origin, vertex=vertex) for item in sorted(items, key=index_of)]
    if not choices:
        word = blocked(value)
        if word is None:
            raise ProtocolError("the answer holds no candidates and does not say why", kind="empty")
        choices = [Choice(Message("assistant"), FILTERED, word)]
    first, *others = choices
    told = {**(notices(min(items, key=index_of)) if items else {}), **_feedback(value)}
    return ChatResponse(
        message=first.message,
        finish_reason=first.finish_reason,
        raw_finish_reason=first.raw_finish_reason,
        logprobs=first.logprobs,
        alternatives=tuple(others),
        usage=usage(value.get("usageMetadata")),
        id=named(value.get("responseId")),
        model=named(value.get("modelVersion")),
        created_at=moment(value.get("createTime")),
        raw=value,
        metadata={"google": told} if told else {},
    )


def index_of(candidate: Any) -> int:
    """Return the number of a candidate; the first one's, 0, is often not written."""
    if not isinstance(candidate, dict):
        raise ProtocolError("candidates[] of the answer is not an object", kind="schema")
    index = candidate.get("index")
    return index if type(index) is int else 0


def blocked(value: Mapping[str, Any]) -> str | None:
    """Return the word for why the prompt was refused; None when it was not."""
    feedback = value.get("promptFeedback")
    reason = feedback.get("blockReason") if isinstance(feedback, Mapping) else None
    if isinstance(reason, int) and not isinstance(reason, bool):
        return _BLOCKS[reason] if 0 <= reason < len(_BLOCKS) else str(reason)
    return reason if isinstance(reason, str) and reason and not reason.endswith("_UNSPECIFIED") else None


def _feedback(value: Mapping[str, Any]) -> dict[str, Any]:
    return {"promptFeedback": value["promptFeedback"]} if value.get("promptFeedback") else {}


def notices(candidate: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a candidate says about itself."""
    return {name: candidate[name] for name in _NOTICES if candidate.get(name)}


def content_parts(candidate: Mapping[str, Any]) -> list[Any]:
    """Return the parts of a candidate: without content (b6ff804553e7) or without parts (333218830996) there are none."""
    content = candidate.get("content")
    if content is None:
        return []
    parts = content.get("parts") if isinstance(content, dict) else ()
    if parts is None:
        return []
    if not isinstance(parts, list):
        raise ProtocolError("candidates[].content.parts of the answer is not a list", kind="schema")
    return parts


def _choice(candidate: Mapping[str, Any], value: Mapping[str, Any], origin: str, *, vertex: bool) -> Choice:
    ids = CallIds(value.get("responseId"), index_of(candidate))
    parts = [part_of(raw, ids, origin) for raw in content_parts(candidate)]
    reason, word = finish(candidate.get("finishReason"), vertex=vertex)
    if reason == "stop" and any(isinstance(part, ToolCall) for part in parts):
        reason = "tool_calls"  # Google always says STOP; what the caller has to do is to run the tools
    return Choice(Message("assistant", _cited(parts, candidate, origin)), reason, word, logprob_entries(candidate))


def _cited(parts: list[Part], candidate: Mapping[str, Any], origin: str) -> list[Part]:
    if "groundingMetadata" not in candidate and "citationMetadata" not in candidate:
        return parts
    texts = [(number, part.text) for number, part in enumerate(parts) if isinstance(part, TextPart)]
    for number, citation in citations(candidate, texts):
        part = parts[number]
        assert isinstance(part, TextPart)
        parts[number] = evolve(part, citations=(*part.citations, citation), origin=origin)
    return parts


def logprob_entries(candidate: Mapping[str, Any]) -> list[Any] | None:
    """Return an entry for each token: Google's own, with its alternatives as `topCandidates` (248f0e07d91b)."""
    result = candidate.get("logprobsResult")
    chosen = result.get("chosenCandidates") if isinstance(result, Mapping) else None
    if not isinstance(chosen, list) or not isinstance(result, Mapping):
        return None
    steps = result.get("topCandidates")
    tops: list[Any] = steps if isinstance(steps, list) else []
    entries = []
    for number, entry in enumerate(chosen):
        top = tops[number] if number < len(tops) else None
        others = top.get("candidates") if isinstance(top, Mapping) else None
        entries.append({**entry, "topCandidates": others} if isinstance(entry, Mapping) and others else entry)
    return entries
