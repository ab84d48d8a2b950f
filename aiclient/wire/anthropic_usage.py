"""Usage and stop reasons as Anthropic's Messages API writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..messages import RefusalPart
from ..response import FinishReason, Usage
from .counts import Counts, no_object

__all__ = ["finish_reason", "refusal", "updated", "usage"]

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


def usage(raw: Any) -> Usage:
    """Convert a usage object to our counting.

    "Total input tokens in a request is the summation of input_tokens, cache_creation_input_tokens, and
    cache_read_input_tokens" (Messages API reference, `usage`, 2026-11): `prompt_tokens` is that sum. `output_tokens` includes
    the thinking. What a compaction or an advisor used besides stands in `raw_usage["iterations"]` only.
    """
    if not isinstance(raw, Mapping):
        return no_object(raw)
    counts = Counts(raw)
    fresh = counts.get("input_tokens", "prompt_tokens")
    written = counts.get("cache_creation_input_tokens", "prompt_tokens", "cache_write_tokens")
    read = counts.get("cache_read_input_tokens", "prompt_tokens", "cached_tokens")
    details = counts.within("output_tokens_details", "reasoning_tokens")
    by_lifetime = counts.within("cache_creation", "cache_write_1h_tokens")
    tools = counts.within("server_tool_use", "web_searches")
    return counts.usage(
        prompt=counts.total("prompt_tokens", fresh, written, read),
        completion=counts.get("output_tokens", "completion_tokens"),
        cached=read,
        written=written,
        reasoning=counts.get("thinking_tokens", "reasoning_tokens", inner=details),
        parts={
            "cache_write_1h_tokens": counts.get(
                "ephemeral_1h_input_tokens", "cache_write_1h_tokens", inner=by_lifetime
            ),
            "web_searches": counts.get("web_search_requests", "web_searches", inner=tools),
        },
        tier="fast" if raw.get("speed") == "fast" else raw.get("service_tier"),
    )


def updated(before: Mapping[str, Any], more: Any) -> dict[str, Any]:
    """Return the usage object after a `message_delta`: its counts are cumulative and replace, what it leaves out stays."""
    if not isinstance(more, Mapping):
        return dict(before)
    return {**before, **{name: value for name, value in more.items() if value is not None}}
