"""Rates: what a million tokens cost, and what a usage costs at them."""

from __future__ import annotations

import decimal
from decimal import Decimal
from typing import Final

from attrs import fields, frozen

from ..ledger.money import EXACT
from ..response import Cost, Usage

__all__ = ["RATES", "Rates"]

MILLION: Final = Decimal(1_000_000)
THOUSAND: Final = Decimal(1000)

DIGITS: Final = 28
"""Of Python's own precision, which is enough for every cost."""


@frozen(kw_only=True)
class Rates:
    """US dollars per million tokens, by what the tokens were; None is "not known", or "not priced apart".

    Args:
        input: Tokens that went in and are none of the following.
        output: Tokens that came out and are none of the following.
        cache_read: Input tokens that came from the service's prompt cache; at `input` where they are not priced apart.
        cache_write: Input tokens that were written to it; at `input` where they are not priced apart.
        cache_write_1h: Those written for an hour; at `cache_write` where they are not priced apart.
        audio_input: Input tokens of sound; at `input` where they are not priced apart, as are images.
        audio_cache_read: Input tokens of sound that came from the prompt cache.
        audio_output: Output tokens of sound; at `output` where they are not priced apart, as are images and reasoning.
        image_input: Input tokens of images.
        image_output: Output tokens of images.
        reasoning: Output tokens of thinking.
        search: A thousand web searches of the model.
        request: A thousand requests, besides their tokens.
    """

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    audio_input: Decimal | None = None
    audio_cache_read: Decimal | None = None
    audio_output: Decimal | None = None
    image_input: Decimal | None = None
    image_output: Decimal | None = None
    reasoning: Decimal | None = None
    search: Decimal | None = None
    request: Decimal | None = None

    def cost(self, usage: Usage, source: str) -> Cost | None:
        """Return what `usage` costs at these rates; None where a count or a rate that it takes is not known."""
        if decimal.getcontext().prec >= DIGITS:
            return self._cost(usage, source)
        with decimal.localcontext(EXACT):  # the program's own would round to a few digits
            return self._cost(usage, source)

    def _cost(self, usage: Usage, source: str) -> Cost | None:
        prompt = usage.prompt_tokens if usage.billed_prompt_tokens is None else usage.billed_prompt_tokens
        completion = (
            usage.completion_tokens if usage.billed_completion_tokens is None else usage.billed_completion_tokens
        )
        if prompt is None or completion is None:
            return None
        parts: dict[str, Decimal] = {}
        counts = _going_in(usage, prompt, self) | _coming_out(usage, completion, self)
        for name, count in counts.items():
            if count:
                rate = self._of(name)
                if rate is None:
                    return None
                parts[name] = rate * count / MILLION
        if self.search is not None and usage.web_searches:
            parts["search"] = self.search * usage.web_searches / THOUSAND
        if self.request is not None:
            parts["request"] = self.request / THOUSAND
        return Cost(sum(parts.values(), Decimal()).normalize(), parts, source)

    def _of(self, name: str) -> Decimal | None:
        """Return the rate, or the one of which it is a special case."""
        rate: Decimal | None = getattr(self, name)
        return self._of(WIDER[name]) if rate is None and name in WIDER else rate


RATES: Final[tuple[str, ...]] = tuple(field.name for field in fields(Rates))
"""The names of the rates."""

WIDER: Final = {
    "cache_read": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "audio_input": "input",
    "audio_cache_read": "cache_read",
    "audio_output": "output",
    "image_input": "input",
    "image_output": "output",
    "reasoning": "output",
}
"""What tokens are that are not priced apart."""


def _going_in(usage: Usage, total: int, rates: Rates) -> dict[str, int]:
    """Split the input tokens so that each is counted once; more of a part than of the whole is never counted."""
    read = min(usage.cached_tokens or 0, total)
    write = min(usage.cache_write_tokens or 0, total - read)
    for_an_hour = min(usage.cache_write_1h_tokens or 0, write)
    sound = 0 if rates.audio_input is None else min(usage.audio_prompt_tokens or 0, total - write)
    sound_read = min(usage.cached_audio_tokens or 0, read, sound)
    sound = min(sound, total - write - read + sound_read)
    left = total - read - write - (sound - sound_read)
    images = 0 if rates.image_input is None else min(usage.image_prompt_tokens or 0, left)
    return {
        "input": left - images,
        "cache_read": read - sound_read,
        "cache_write": write - for_an_hour,
        "cache_write_1h": for_an_hour,
        "audio_input": sound - sound_read,
        "audio_cache_read": sound_read,
        "image_input": images,
    }


def _coming_out(usage: Usage, total: int, rates: Rates) -> dict[str, int]:
    """Split the output tokens so that each is counted once."""
    sound = 0 if rates.audio_output is None else min(usage.audio_completion_tokens or 0, total)
    images = 0 if rates.image_output is None else min(usage.image_completion_tokens or 0, total - sound)
    thinking = 0 if rates.reasoning is None else min(usage.reasoning_tokens or 0, total - sound - images)
    return {
        "output": total - sound - images - thinking,
        "audio_output": sound,
        "image_output": images,
        "reasoning": thinking,
    }
