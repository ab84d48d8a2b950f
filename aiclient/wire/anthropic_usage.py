"""Usage and stop reasons as Anthropic's Messages API writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..messages import RefusalPart
from ..response import NO_USAGE, FinishReason, Usage

__all__ = ["finish_reason", "refusal", "updated", "usage"]

_MOST: Final = 1 << 53
"""Counts from here on are not believed: JSON numbers are not exact beyond."""

_REASONS: Final[dict[str, FinishReason]] = {
    # platform.claude.com/docs/en/build-with-claude/handling-stop-reasons, and StopReason of the SDK (2.11.0, 2026-11)
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "other",  # a server tool needs more time: send the answer back as it is, and the model goes on
}


def finish_reason(word: Any, *, calls: bool) -> FinishReason | None:
    """Return our word for the vendor's; unknown ones are `other`.

    Args:
        word: The vendor's word.
        calls: Whether the answer asks for tools: what the caller has to do is to run them, whatever the word.
    """
    if word is None:
        return None
    reason = _REASONS.get(str(word), "other")
    return "tool_calls" if reason == "stop" and calls else reason


def refusal(details: Any, origin: str) -> RefusalPart | None:
    """Return what `stop_details` says of a refusal, if it says it in words."""
    explanation = details.get("explanation") if isinstance(details, Mapping) else None
    if not explanation or not isinstance(explanation, str):
        return None
    return RefusalPart(explanation, origin=origin, provider_data={"stop_details": dict(details)})


def _count(value: Any) -> int | None:
    """Read a number of tokens; negative and absurd ones count as not reported."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < _MOST:
        return None
    return int(value)


def usage(raw: Any) -> Usage:
    """Convert a usage object to our counting.

    "Total input tokens in a request is the summation of input_tokens, cache_creation_input_tokens, and
    cache_read_input_tokens" (Messages API reference, `usage`, 2026-11): `prompt_tokens` is that sum. `output_tokens` includes
    the thinking. What a compaction or an advisor used besides stands in `raw_usage["iterations"]` only.
    """
    if not isinstance(raw, Mapping):
        return NO_USAGE
    fresh, written, read = (
        _count(raw.get(name)) for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    )
    details = raw.get("output_tokens_details")
    return Usage(
        prompt_tokens=None if fresh is None else fresh + (written or 0) + (read or 0),
        completion_tokens=_count(raw.get("output_tokens")),
        cached_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=_count(details.get("thinking_tokens")) if isinstance(details, Mapping) else None,
        raw_usage=raw,
    )


def updated(before: Mapping[str, Any], more: Any) -> dict[str, Any]:
    """Return the usage object after a `message_delta`: its counts are cumulative and replace, what it leaves out stays."""
    if not isinstance(more, Mapping):
        return dict(before)
    return {**before, **{name: value for name, value in more.items() if value is not None}}
