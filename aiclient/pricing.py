"""Prices: what tokens cost, for whoever knows."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Protocol

from .errors import ConfigError
from .provider import ProviderInfo
from .response import Cost, Usage

__all__ = ["DictPrices", "PriceBook"]

_MILLION: Final = Decimal(1_000_000)

_RATES: Final = ("input", "output", "cache_read", "cache_write")


class PriceBook(Protocol):
    """Knows what tokens cost."""

    def price(self, usage: Usage, info: ProviderInfo) -> Cost | None:
        """Return what `usage` cost at the destination, or None when its price or the usage is not known."""
        ...


class DictPrices:
    """Prices from a dict: US dollars per million tokens, by model or by `provider:model` (which wins).

    Args:
        prices: For each model `input` and `output`, and optionally `cache_read` and `cache_write` (`input` when absent).
        source: What `Cost.source` says.

    Raises:
        ConfigError: A price is missing, negative or not a number; the message names it.

    Example:
        >>> prices = DictPrices({"small": {"input": 0.25, "output": 2}})
        >>> usage = Usage(prompt_tokens=1000, completion_tokens=100)
        >>> print(prices.price(usage, ProviderInfo("any", model="small")))
        $0.00045
    """

    def __init__(self, prices: Mapping[str, Mapping[str, Any]], *, source: str = "given prices") -> None:
        self._prices = {model: _rates(model, row) for model, row in prices.items()}
        self._source = source

    def price(self, usage: Usage, info: ProviderInfo) -> Cost | None:
        """Return the cost of `usage`, cached and cache-writing tokens at their own rates."""
        rates = self._prices.get(f"{info.name}:{info.model}") or self._prices.get(info.model or "")
        if rates is None or usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        # Some services report more cached tokens than input tokens: never count a negative remainder.
        read = min(usage.cached_tokens or 0, usage.prompt_tokens)
        write = min(usage.cache_write_tokens or 0, usage.prompt_tokens - read)
        counts = (usage.prompt_tokens - read - write, usage.completion_tokens, read, write)
        parts = {name: rates[name] * count / _MILLION for name, count in zip(_RATES, counts, strict=True) if count}
        return Cost(sum(parts.values(), Decimal()).normalize(), parts, self._source)


def _rates(model: str, row: Mapping[str, Any]) -> dict[str, Decimal]:
    given: object = row
    if not isinstance(given, Mapping):
        raise ConfigError(f"prices of {model!r} must be a dict with 'input' and 'output', not {type(given).__name__}")
    unknown = set(row) - set(_RATES)
    if unknown or not {"input", "output"} <= set(row):
        raise ConfigError(
            f"prices of {model!r}: give 'input' and 'output' (and {', '.join(_RATES[2:])}); got {sorted(row)}"
        )
    rates: dict[str, Decimal] = {}
    for name in _RATES:
        value = row.get(name, row["input"])
        try:
            rates[name] = Decimal(str(value))
        except InvalidOperation:
            rates[name] = Decimal("nan")
        if not rates[name].is_finite() or rates[name] < 0:
            raise ConfigError(f"price {name!r} of {model!r} must be US dollars per million tokens, got {value!r}")
    return rates
