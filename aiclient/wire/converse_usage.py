"""Usage and stop reasons as Bedrock's Converse writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..response import NO_USAGE, FinishReason, Usage

__all__ = ["finish_reason", "said_besides", "usage"]

_MOST: Final = 1 << 53
"""Counts from here on are not believed: JSON numbers are not exact beyond."""

_REASONS: Final[dict[str, FinishReason]] = {
    # StopReason, service model of botocore 1.44.5 (2026-11)
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}

_BESIDES: Final = ("additionalModelResponseFields", "metrics", "performanceConfig", "serviceTier", "trace")


def finish_reason(word: Any, *, calls: bool) -> FinishReason | None:
    """Return our word for the service's; unknown ones are `other`.

    Args:
        word: The service's word.
        calls: Whether the answer asks for tools: what the caller has to do is to run them, whatever the word.
    """
    if word is None:
        return None
    reason = _REASONS.get(str(word), "other")
    return "tool_calls" if reason == "stop" and calls else reason


def _count(value: Any) -> int | None:
    """Read a number of tokens; negative and absurd ones count as not reported."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < _MOST:
        return None
    return int(value)


def usage(raw: Any) -> Usage:
    """Convert a usage object to our counting.

    `inputTokens` leaves out what was read from the cache and written to it: in all recordings with either, `totalTokens` is
    the sum of all four (36523f1fd3e3: 11 + 1,028 written + 236 = 1,275; 24a5ac99512c: 12 + 1,028 read + 250 = 1,290).
    `prompt_tokens` is the sum of the three that went in. Thinking is a part of `outputTokens` and not counted apart.
    """
    if not isinstance(raw, Mapping) or not raw:
        return NO_USAGE
    fresh, read, written = (
        _count(raw.get(name)) for name in ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
    )
    return Usage(
        prompt_tokens=None if fresh is None else fresh + (read or 0) + (written or 0),
        completion_tokens=_count(raw.get("outputTokens")),
        total_tokens=_count(raw.get("totalTokens")),
        cached_tokens=read,
        cache_write_tokens=written,
        raw_usage=raw,
    )


def said_besides(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the service says about the whole answer: a guardrail's trace, the tier that served it, latency."""
    return {name: value[name] for name in _BESIDES if value.get(name)}
