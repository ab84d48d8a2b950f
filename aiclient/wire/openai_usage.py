"""Usage, finish reasons and time stamps as the OpenAI-style protocols write them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ..response import FinishReason, Usage
from .counts import Counts, no_object

__all__ = ["finish_reason", "moment", "usage"]

_REASONS: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",  # OpenRouter and Mistral
    "eos": "stop",  # Together, record 3ac76df0336f
    "model_length": "length",  # Mistral: the context window is full
    # In no recording; as other clients of these services have them (2026-11): text-generation-inference, DeepSeek, Z.ai
    "eos_token": "stop",
    "stop_sequence": "stop",
    "insufficient_system_resource": "error",
    "sensitive": "content_filter",
    "model_context_window_exceeded": "length",
    "network_error": "error",
}


def finish_reason(word: str) -> FinishReason:
    """Return our word for the vendor's; unknown ones are `other`."""
    return _REASONS.get(word, "other")


def moment(seconds: Any) -> datetime | None:
    """Read seconds since the epoch; None when they make no sense."""
    if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and 0 < seconds < 1e11:
        return datetime.fromtimestamp(seconds, UTC)
    return None


def usage(raw: Any, tier: Any = None) -> Usage:
    """Convert a vendor's usage object to our counting, where `completion_tokens` includes reasoning.

    `tier` is the `service_tier` that most services write beside the usage; Mistral writes it into it.

    xAI's chat and Gemini behind the Vercel gateway leave reasoning out of `completion_tokens`. It shows: the total exceeds
    prompt + completion by exactly the reasoning tokens (04a94962c700), or there are more of them than tokens of completion
    (0127f180c405: 19 and 280, and 299 were paid for). They are then added.
    """
    if not isinstance(raw, Mapping):
        return no_object(raw)
    counts = Counts(raw)
    prompt, completion, total = (counts.get(key, key) for key in ("prompt_tokens", "completion_tokens", "total_tokens"))
    of_prompt = counts.within("prompt_tokens_details", "cached_tokens")
    of_completion = counts.within("completion_tokens_details", "reasoning_tokens")
    reasoning = counts.first("reasoning_tokens", of_completion, "reasoning_tokens", "reasoning_tokens")
    if reasoning and total is not None and prompt is not None and completion is not None:
        if (apart := total - prompt - completion) == reasoning:
            completion += reasoning
        elif apart == 0 and reasoning > completion:  # the total leaves them out too
            completion, total = completion + reasoning, None
    sound = counts.get("audio_tokens", "audio_prompt_tokens", inner=of_prompt)
    if sound and None not in (prompt, completion, total) and total == (prompt or 0) + (completion or 0) + sound:
        prompt = (prompt or 0) + sound  # Mistral's prompt_tokens leave out sound (40b2c8aa8bc4: 9 + 375 + 201 = 585)
    return counts.usage(
        prompt=prompt,
        completion=completion,
        total=total,
        cached=counts.first("cached_tokens", of_prompt, "cached_tokens", *_CACHED),
        written=counts.first("cache_write_tokens", of_prompt, "cache_write_tokens", "cache_creation_input_tokens"),
        reasoning=reasoning,
        parts={
            "audio_prompt_tokens": sound,
            "image_prompt_tokens": counts.get("image_tokens", "image_prompt_tokens", inner=of_prompt),
            "audio_completion_tokens": counts.get("audio_tokens", "audio_completion_tokens", inner=of_completion),
            "image_completion_tokens": counts.get("image_tokens", "image_completion_tokens", inner=of_completion),
        },
        tier=tier or raw.get("service_tier"),
    )


_CACHED: Final = ("prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens")  # DeepSeek, Together, Mistral
