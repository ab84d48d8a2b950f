"""Usage, finish reasons and time stamps as the OpenAI-style protocols write them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ..response import NO_USAGE, FinishReason, Usage

__all__ = ["finish_reason", "moment", "usage"]

_MOST: Final = 1 << 53
"""Counts from here on are not believed: JSON numbers are not exact beyond."""

_REASONS: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",  # OpenRouter and Mistral
    "eos": "stop",  # Together, record 3ac76df0336f
    "model_length": "length",  # Mistral: the context window is full
}


def finish_reason(word: str) -> FinishReason:
    """Return our word for the vendor's; unknown ones are `other`."""
    return _REASONS.get(word, "other")


def moment(seconds: Any) -> datetime | None:
    """Read seconds since the epoch; None when they make no sense."""
    if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and 0 < seconds < 1e11:
        return datetime.fromtimestamp(seconds, UTC)
    return None


def _count(value: Any) -> int | None:
    """Read a number of tokens, some services write it as a float; negative and absurd ones count as not reported."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < _MOST:
        return None
    return int(value)


def usage(raw: Any) -> Usage:
    """Convert a vendor's usage object to our counting, where `completion_tokens` includes reasoning.

    xAI's chat and Gemini behind the Vercel gateway leave reasoning out of `completion_tokens` (records 0127f180c405,
    04a94962c700). It shows: their total exceeds prompt + completion by exactly the reasoning tokens, which are then added.
    """
    if not isinstance(raw, Mapping):
        return NO_USAGE
    prompt, completion, total = (_count(raw.get(key)) for key in ("prompt_tokens", "completion_tokens", "total_tokens"))
    of_prompt = raw.get("prompt_tokens_details") or {}
    of_completion = raw.get("completion_tokens_details") or {}
    reasoning = _first(of_completion, "reasoning_tokens", raw, "reasoning_tokens")
    if reasoning and total is not None and prompt is not None and completion is not None:
        completion += reasoning if total - prompt - completion == reasoning else 0
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=total,
        cached_tokens=_first(of_prompt, "cached_tokens", raw, *_CACHED),
        cache_write_tokens=_first(of_prompt, "cache_write_tokens", raw, "cache_creation_input_tokens"),
        reasoning_tokens=reasoning,
        raw_usage=raw,
    )


_CACHED: Final = ("prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens")  # DeepSeek, Together, Mistral


def _first(details: Any, name: str, raw: Mapping[str, Any], *others: str) -> int | None:
    """Return the count that the details give, else one that stands in the usage object itself."""
    found = _count(details.get(name)) if isinstance(details, Mapping) else None
    for other in others:
        if found is not None:
            break
        found = _count(raw.get(other))
    return found
