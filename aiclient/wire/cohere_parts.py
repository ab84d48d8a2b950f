"""What Cohere's whole and streamed answers share: usage, finish reasons, sources, and the plan before tool calls.

"Chat" and "Chat with streaming", API v2 (docs.cohere.com/reference/chat, read 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..messages import Citation
from ..response import FinishReason, Usage
from .counts import Counts, no_object

__all__ = ["ORIGIN", "PLAN", "citation", "cites_text", "finish_reason", "usage"]

ORIGIN: Final = "cohere"
"""The vendor, for its own data."""

PLAN: Final[Mapping[str, Any]] = {"tool_plan": True}
"""Marks the thinking that precedes tool calls: it goes back as `tool_plan`, not as a content block."""

_REASONS: Final[dict[str, FinishReason]] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR": "error",
    "TIMEOUT": "error",
    "ERROR_LIMIT": "length",  # these two are of API v1, whose gateways still send them: the context window is full,
    "ERROR_TOXIC": "content_filter",  # and the answer was held back
}


def finish_reason(word: str) -> FinishReason:
    """Return our word for the vendor's; unknown ones are `other`."""
    return _REASONS.get(word, "other")


def usage(raw: Any) -> Usage:
    """Convert a usage object to our counting.

    What the model read and wrote stands in `tokens`; `billed_units` leaves out what Cohere puts around the messages.
    `input_tokens` leaves out images (92ac35b2ccd0: 34 of text, 259 of image, 267 billed), our prompt tokens do not;
    `output_tokens` includes the thinking (c94b6212d658: 152, of them 145). What is charged for are the billed units.
    """
    if not isinstance(raw, Mapping):
        return no_object(raw)
    tokens = raw.get("tokens")
    if not isinstance(tokens, Mapping):
        tokens = raw.get("billed_units")
        if not isinstance(tokens, Mapping):
            return no_object(tokens)
    counts = Counts(raw)
    billed = counts.within("billed_units", "billed_prompt_tokens")
    prompt = counts.get("input_tokens", "prompt_tokens", inner=tokens)
    images = counts.get("image_tokens", "prompt_tokens", inner=tokens)
    return counts.usage(
        prompt=counts.total("prompt_tokens", prompt, images),
        completion=counts.get("output_tokens", "completion_tokens", inner=tokens),
        cached=counts.get("cached_tokens", "cached_tokens"),
        reasoning=counts.get("reasoning_tokens", "reasoning_tokens", inner=tokens),
        parts={
            "image_prompt_tokens": images,
            "billed_prompt_tokens": counts.total(
                "billed_prompt_tokens",
                counts.get("input_tokens", "billed_prompt_tokens", inner=billed),
                counts.get("image_tokens", "billed_prompt_tokens", inner=billed),
            ),
            "billed_completion_tokens": counts.get("output_tokens", "billed_completion_tokens", inner=billed),
        },
    )


def cites_text(raw: Mapping[str, Any]) -> bool:
    """Whether a citation belongs to the text of the answer, not to the thinking or the plan."""
    return raw.get("type") not in ("THINKING_CONTENT", "PLAN")


def citation(raw: Mapping[str, Any]) -> Citation:
    """Return a citation; of several sources the first one is described, all are in `provider_data`."""
    sources = raw.get("sources")
    source = next((item for item in sources if isinstance(item, Mapping)), {}) if isinstance(sources, list) else {}
    about = source.get("document") or source.get("tool_output")
    if not isinstance(about, Mapping):
        about = {}
    start, end = raw.get("start"), raw.get("end")
    return Citation(
        _text(about.get("url")),
        _text(about.get("title")) or _text(source.get("id")),
        _text(about.get("snippet")) or _text(about.get("text")),
        start if type(start) is int else None,
        end if type(end) is int else None,
        provider_data=dict(raw),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
