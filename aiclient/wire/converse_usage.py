"""Usage and stop reasons as Bedrock's Converse writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..response import FinishReason, Usage
from .counts import Counts, no_object

__all__ = ["finish_reason", "said_besides", "usage"]

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


def usage(raw: Any, tier: Any = None) -> Usage:
    """Convert a usage object to our counting.

    `inputTokens` leaves out what was read from the cache and written to it: in all recordings with either, `totalTokens` is
    the sum of all four (36523f1fd3e3: 11 + 1,028 written + 236 = 1,275; 24a5ac99512c: 12 + 1,028 read + 250 = 1,290).
    `prompt_tokens` is the sum of the three that went in. Thinking is a part of `outputTokens` and not counted apart.
    What was written for how long is in `cacheDetails` (d27d04f4ebe4). `tier` is the `serviceTier` beside the usage.
    """
    if not isinstance(raw, Mapping) or not raw:
        return no_object(raw)
    counts = Counts(raw)
    fresh = counts.get("inputTokens", "prompt_tokens")
    read = counts.get("cacheReadInputTokens", "prompt_tokens", "cached_tokens")
    written = counts.get("cacheWriteInputTokens", "prompt_tokens", "cache_write_tokens")
    return counts.usage(
        prompt=counts.total("prompt_tokens", fresh, read, written),
        completion=counts.get("outputTokens", "completion_tokens"),
        total=counts.get("totalTokens", "total_tokens"),
        cached=read,
        written=written,
        parts={"cache_write_1h_tokens": _for_an_hour(counts, raw.get("cacheDetails"))},
        tier=tier.get("type") if isinstance(tier, Mapping) else None,
    )


def _for_an_hour(counts: Counts, details: Any) -> int | None:
    """Return how much of what was written to the cache stays for an hour; None if nothing is told by lifetime."""
    told = [item for item in details if isinstance(item, Mapping)] if isinstance(details, list) else []
    long = [counts.get("inputTokens", "cache_write_1h_tokens", inner=item) for item in told if item.get("ttl") == "1h"]
    return counts.total("cache_write_1h_tokens", 0, *long) if told else None


def said_besides(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the service says about the whole answer: a guardrail's trace, the tier that served it, latency."""
    return {name: value[name] for name in _BESIDES if value.get(name)}
