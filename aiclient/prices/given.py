"""Prices that the caller gives, as a dict or in a file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from ..errors import ConfigError
from ..fields import SMALLEST
from ..provider import ProviderInfo
from ..response import Cost, Usage
from .rates import RATES, Rates

__all__ = ["DictPrices"]

MOST: Final = 10**9
"""US dollars per million tokens; a price above this is a mistake."""


class DictPrices:
    """Prices from a dict or a file: US dollars per million tokens, by model or by `provider:model` (which wins).

    `provider:*` is every model of that provider which has no prices of its own.

    Args:
        prices: For each model `input` and `output`, and optionally the other rates of `Rates` (the cache's are
            `input` when absent; `search` and `request` are per thousand). Or the path of a JSON or TOML file that holds this.
        source: What `Cost.source` says. Default `given prices`, or the name of the file.

    Raises:
        ConfigError: A price is missing, negative or not a number, or the file cannot be read; the message names it.

    Example:
        >>> prices = DictPrices({"small": {"input": 0.25, "output": 2}})
        >>> usage = Usage(prompt_tokens=1000, completion_tokens=100)
        >>> print(prices.price(usage, ProviderInfo("any", model="small")))
        $0.00045
    """

    def __init__(
        self, prices: Mapping[str, Mapping[str, Any]] | str | os.PathLike[str], *, source: str | None = None
    ) -> None:
        given: object = prices
        if isinstance(given, (str, os.PathLike)):
            source, given = source or Path(given).name, _file(Path(given))
        if not isinstance(given, Mapping):
            raise ConfigError(f"prices must be a dict of models or a file that holds one, not {type(given).__name__}")
        self._prices = {model: _rates(model, row) for model, row in given.items()}
        self._source = source or "given prices"

    def __repr__(self) -> str:
        return f"DictPrices({len(self._prices)} models, source={self._source!r})"

    def price(self, usage: Usage, info: ProviderInfo) -> Cost | None:
        """Return the cost of `usage`, cached and cache-writing tokens at their own rates."""
        for name in (f"{info.name}:{info.model}", info.model or "", f"{info.name}:*"):
            if (rates := self._prices.get(name)) is not None:
                return rates.cost(usage, self._source)
        return None


def _file(path: Path) -> Any:
    import tomllib  # noqa: PLC0415  # for prices in a file only

    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text, parse_float=str) if path.suffix == ".toml" else json.loads(text, parse_float=str)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    raise ConfigError(f"the prices file {str(path)!r} could not be read: {reason}")


def _rates(model: str, row: Mapping[str, Any]) -> Rates:
    given: object = row
    if not isinstance(given, Mapping):
        raise ConfigError(f"prices of {model!r} must be a dict with 'input' and 'output', not {type(given).__name__}")
    unknown = set(row) - set(RATES)
    if unknown or not {"input", "output"} <= set(row):
        raise ConfigError(
            f"prices of {model!r}: give 'input' and 'output' (and {', '.join(RATES[2:])}); got {sorted(row)}"
        )
    return Rates(**{name: _price(model, name, value) for name, value in row.items()})


def _price(model: str, name: str, value: Any) -> Decimal:
    try:
        price, given = Decimal(str(value)), repr(value)
    except InvalidOperation:
        price, given = Decimal("nan"), repr(value)
    except ValueError:  # Python writes no integer of over 4,300 digits
        price, given = Decimal("inf"), "a number of thousands of digits"
    if not price.is_finite() or not 0 <= price <= MOST or price.adjusted() <= SMALLEST:
        raise ConfigError(f"price {name!r} of {model!r} must be US dollars per million tokens, got {given}")
    return price
