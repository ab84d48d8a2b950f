"""Prices by the package genai-prices (the extra `prices`): more providers and models than the library's own table."""

from __future__ import annotations

import importlib
from decimal import Decimal
from typing import Any, ClassVar, Final

from attrs import evolve

from ..errors import ConfigError
from ..models import TIERS
from ..provider import ProviderInfo
from ..response import Cost, Usage
from .names import table_of

__all__ = ["GenAIPrices"]

_PROVIDERS: Final = {
    "bedrock": "aws",
    "gemini": "google",
    "moonshot": "moonshotai",
    "xai": "x-ai",
}
"""Our names: theirs, where they differ."""

_COUNTS: Final = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "cached_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_write_1h_tokens": "cache_write_1h_tokens",
    "audio_prompt_tokens": "input_audio_tokens",
    "cached_audio_tokens": "cache_audio_read_tokens",
    "audio_completion_tokens": "output_audio_tokens",
    "image_prompt_tokens": "input_image_tokens",
    "image_completion_tokens": "output_image_tokens",
    "reasoning_tokens": "output_reasoning_tokens",
    "web_searches": "web_searches",
}
"""Our counts: theirs. They too count the parts in the whole."""


_UNTOLD: Final = {"cache_audio_read_tokens": 0, "cache_image_read_tokens": 0}
"""What is taken to be none where nothing was told of it."""


class GenAIPrices:
    """Asks the package genai-prices, in the version that is installed; nothing is fetched.

    It knows more models than the library's own table, and takes names more freely: `gpt-5.6` is one of the family. So it
    belongs after the others: `prices=FirstKnown(TABLE, GenAIPrices())`.

    Raises:
        ConfigError: The package is not installed: `pip install 'aiclient[prices]'`.
    """

    by_answered_name: ClassVar[bool] = True

    def __init__(self) -> None:
        from importlib.metadata import version  # noqa: PLC0415  # with the extra only

        self._package = _package()
        self._source = f"genai-prices {version('genai-prices')}"

    def __repr__(self) -> str:
        return f"GenAIPrices({self._source})"

    def price(self, usage: Usage, info: ProviderInfo) -> Cost | None:
        """Return the cost of `usage`, as the package counts it; None where it does not know the model."""
        if usage.prompt_tokens is None or usage.completion_tokens is None or info.model is None:
            return None
        vendor = table_of(info)
        usage = _billed(usage)
        counts = {theirs: getattr(usage, ours) for ours, theirs in _COUNTS.items() if getattr(usage, ours) is not None}
        counts = _UNTOLD | counts  # of sound and images in the cache it must be told, where there is some besides
        try:
            found = self._package.calc_price(
                self._package.Usage(**counts),
                info.model,
                provider_id=_PROVIDERS.get(vendor, vendor),
                price_context=_processing(usage.service_tier),
            )
        except (LookupError, ValueError):  # a model that it does not know; counts that it cannot put together
            return None
        total: Decimal = found.total_price
        parts = {"input": found.input_price, "output": found.output_price}
        return Cost(total.normalize(), {name: price for name, price in parts.items() if price}, self._source)


def _billed(usage: Usage) -> Usage:
    """Put what is charged for in the place of what was counted: the package knows one count only."""
    if usage.billed_prompt_tokens is not None:
        usage = evolve(usage, prompt_tokens=usage.billed_prompt_tokens)
    if usage.billed_completion_tokens is not None:
        usage = evolve(usage, completion_tokens=usage.billed_completion_tokens)
    return usage


def _package() -> Any:
    try:
        return importlib.import_module("genai_prices")  # an extra, and 0.25 s of CPU
    except ImportError:
        pass
    raise ConfigError("GenAIPrices needs the package genai-prices: pip install 'aiclient[prices]'")


def _processing(tier: str | None) -> dict[str, str] | None:
    word = TIERS.get((tier or "").lower())
    if word is None:
        return None
    return {"processing": "batch"} if word == "batch" else {"service_tier": word, "speed": word}
