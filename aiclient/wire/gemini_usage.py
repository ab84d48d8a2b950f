"""Usage, finish reasons and time stamps as Google's generateContent writes them.

"UsageMetadata" and "FinishReason", ai.google.dev/api/generate-content; the same of Vertex AI,
cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse (both read 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from ..response import FinishReason, Usage
from .counts import Counts, no_object

__all__ = ["FILTERED", "finish", "moment", "usage"]

FILTERED: Final = "content_filter"

_REASONS: Final[dict[str, FinishReason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",  # the limit of one exchange, on Vertex
    "SAFETY": FILTERED,
    "RECITATION": FILTERED,
    "BLOCKLIST": FILTERED,
    "PROHIBITED_CONTENT": FILTERED,
    "SPII": FILTERED,
    "MODEL_ARMOR": FILTERED,  # record b6ff804553e7
    "ESCALATION": FILTERED,
    "IMAGE_SAFETY": FILTERED,
    "IMAGE_PROHIBITED_CONTENT": FILTERED,
    "IMAGE_RECITATION": FILTERED,
    "MALFORMED_FUNCTION_CALL": "error",
    "MALFORMED_RESPONSE": "error",
    "UNEXPECTED_TOOL_CALL": "error",  # a function that was not declared, record 0d1c655ba69a
    "TOO_MANY_TOOL_CALLS": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
}

_UNSPECIFIED: Final = ("", "FINISH_REASON_UNSPECIFIED")
"""Not finished: some servers say so in every event but the last."""

_NUMBERS: Final = ("FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER")
_AI_STUDIO: Final = (
    *_NUMBERS,  # google.ai.generativelanguage.v1beta.Candidate.FinishReason, google-ai-generativelanguage 0.12.1
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "IMAGE_SAFETY",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_OTHER",
    "NO_IMAGE",
    "IMAGE_RECITATION",
)
_VERTEX: Final = (
    *_NUMBERS,  # google.cloud.aiplatform.v1.Candidate.FinishReason, googleapis/googleapis 07b069bfb0f4
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
)


def finish(word: Any, *, vertex: bool = False) -> tuple[FinishReason | None, str | None]:
    """Return our word for the vendor's, and the vendor's; both None when the candidate is not finished.

    Clients that ask for `enum-encoding=int` get numbers (record 110e9c3a8df7), which the two services count differently.
    """
    if isinstance(word, int) and not isinstance(word, bool):
        names = _VERTEX if vertex else _AI_STUDIO
        word = names[word] if 0 <= word < len(names) else str(word)
    if not isinstance(word, str) or word in _UNSPECIFIED:
        return None, None
    return _REASONS.get(word, "other"), word


def moment(text: Any) -> datetime | None:
    """Read an RFC 3339 moment (`createTime`, on Vertex); None when it makes no sense."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def usage(raw: Any) -> Usage:
    """Convert `usageMetadata` to our counting.

    Google's `promptTokenCount` includes cached tokens and leaves out those that built-in tools put into the prompt
    (`toolUsePromptTokenCount`, 07f19bb65dd8); `candidatesTokenCount` leaves out the thoughts. Zeros are not written, as
    proto3 has it, so where only one of a pair stands the other is none. In all 1,113 recorded objects with thoughts
    the total is the sum of the four. Documents count as images, as Google charges them.
    """
    if not isinstance(raw, Mapping):
        return no_object(raw)
    counts = Counts(raw)
    prompt, of_tools = (counts.get(name, "prompt_tokens") for name in ("promptTokenCount", "toolUsePromptTokenCount"))
    said = counts.get("candidatesTokenCount", "completion_tokens")
    thoughts = counts.get("thoughtsTokenCount", "completion_tokens", "reasoning_tokens")
    total = counts.get("totalTokenCount", "total_tokens")
    if of_tools is not None:
        prompt = counts.total("prompt_tokens", prompt or 0, of_tools)
    completion = None
    if said is not None or thoughts is not None:
        completion = counts.total("completion_tokens", said or 0, thoughts)
    elif total is not None and prompt is not None:
        completion = counts.total("completion_tokens", max(0, total - prompt))
    return counts.usage(
        prompt=prompt,
        completion=completion,
        total=total,
        cached=counts.get("cachedContentTokenCount", "cached_tokens"),
        reasoning=thoughts,
        parts={
            "audio_prompt_tokens": _of_kind(counts, raw, "promptTokensDetails", "AUDIO"),
            "image_prompt_tokens": _of_kind(counts, raw, "promptTokensDetails", "IMAGE", "DOCUMENT"),
            "cached_audio_tokens": _of_kind(counts, raw, "cacheTokensDetails", "AUDIO"),
            "audio_completion_tokens": _of_kind(counts, raw, "candidatesTokensDetails", "AUDIO"),
            "image_completion_tokens": _of_kind(counts, raw, "candidatesTokensDetails", "IMAGE"),
        },
        tier=raw.get("serviceTier") or raw.get("trafficType"),  # Gemini's API, Vertex
    )


def _of_kind(counts: Counts, raw: Mapping[str, Any], name: str, *kinds: str) -> int | None:
    """Return how many tokens a list of details tells for these modalities; None if it tells none: zero is not written."""
    details = raw.get(name)
    if type(details) is not list:
        return None
    told = [
        counts.get("tokenCount", inner=item) for item in details if type(item) is dict and item.get("modality") in kinds
    ]
    return sum(count or 0 for count in told) if told else None
