"""Price books: who knows what tokens cost. The first that knows wins, and is named on the Cost."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

from attrs import evolve

from .clock import SYSTEM, Clock
from .errors import ConfigError
from .modelnames import is_local
from .models import find, version
from .provider import ProviderInfo
from .rates import RATES, Rates
from .response import Cost, Usage

__all__ = ["TABLE", "DictPrices", "FirstKnown", "PriceBook", "TablePrices", "priced"]


class PriceBook(Protocol):
    """Knows what tokens cost."""

    def price(self, usage: Usage, info: ProviderInfo) -> Cost | None:
        """Return what `usage` cost at the destination, or None when its price or the usage is not known."""
        ...


class TablePrices:
    """The table of list prices that comes with the library; see `aiclient.models` and docs/costs.md.

    Mocks cost 0, and so do servers of one's own on this machine (Ollama, llama.cpp, LM Studio, SGLang, vLLM at a loopback
    address); `Cost.source` says so. What is not in the table has no price. The file is read when the first price is asked for.

    Args:
        clock: Says when a request was made: a few prices change at a date, some by the hour.
    """

    by_answered_name: ClassVar[bool] = True
    """The name in the answer is looked up before the one that was asked for: it says which model an alias or a router chose."""

    def __init__(self, *, clock: Clock = SYSTEM) -> None:
        self._clock = clock

    def __repr__(self) -> str:
        return "TablePrices()"

    def price(self, usage: Usage, info: ProviderInfo) -> Cost | None:
        """Return the cost of `usage` at the rates of its length, its service tier and this moment."""
        if info.vendor == "mock":
            return Cost(Decimal(), source="mock")
        if is_local(info):
            return Cost(Decimal(), source="local server")
        model = find(info)
        if model is None:
            return None
        rates = model.rates(tier=usage.service_tier, prompt_tokens=usage.prompt_tokens or 0, at=self._clock.time())
        return None if rates is None else rates.cost(usage, version())


class DictPrices:
    """Prices from a dict or a file: US dollars per million tokens, by model or by `provider:model` (which wins).

    `provider:*` is every model of that provider which has no prices of its own.

    Args:
        prices: For each model `input` and `output`, and optionally the other rates of `aiclient.rates.Rates` (the cache's are
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


class FirstKnown:
    """Several price books as one: the first that knows a price wins, and `Cost.source` names it.

    Args:
        books: Asked in this order.

    Example:
        >>> prices = FirstKnown(DictPrices({"openai:my-tuned-model": {"input": 3, "output": 12}}), TABLE)
    """

    def __init__(self, *books: PriceBook) -> None:
        self.books = books

    def __repr__(self) -> str:
        return f"FirstKnown({', '.join(map(repr, self.books))})"

    def price(self, usage: Usage, info: ProviderInfo) -> Cost | None:
        """Return what the first book says that knows the price."""
        return next((cost for book in self.books if (cost := book.price(usage, info)) is not None), None)


TABLE: Final = TablePrices()
"""The table that clients use when they are given no other prices."""


def priced(
    book: PriceBook, usage: Usage, where: ProviderInfo, *, asked: str | None, answered: str | None
) -> Cost | None:
    """Return what an exchange cost by the first book that knows the model, by either of its names.

    Args:
        book: The prices; of several in one, each is asked for both names before the next is.
        usage: What was used.
        where: The service.
        asked: The model that was asked for: the name that the caller knows.
        answered: The model that the answer names: a dated version, or what an alias stood for.
    """
    for each in getattr(book, "books", None) or (book,):
        names = (answered, asked) if getattr(each, "by_answered_name", False) else (asked, answered)
        for name in dict.fromkeys(names):
            if (cost := each.price(usage, evolve(where, model=name))) is not None:
                found: Cost = cost
                return found
    return None


def _file(path: Path) -> Any:
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
        price = Decimal(str(value))
    except InvalidOperation:
        price = Decimal("nan")
    if not price.is_finite() or price < 0:
        raise ConfigError(f"price {name!r} of {model!r} must be US dollars per million tokens, got {value!r}")
    return price
