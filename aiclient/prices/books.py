"""Price books: who knows what tokens cost. The first that knows wins, and is named on the Cost."""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Final, Protocol, cast

from attrs import evolve

from ..clock import SYSTEM, Clock
from ..errors import AIClientError, ConfigError
from ..provider import ProviderInfo
from ..response import Cost, Usage

__all__ = [
    "STANDARD",
    "TABLE",
    "FirstKnown",
    "PriceBook",
    "ReportedPrices",
    "TablePrices",
    "price_book",
    "price_by",
    "priced",
]


class PriceBook(Protocol):
    """Knows what tokens cost.

    One that fails is a ConfigError where a price is asked for before a call; after one the price is not known, with a warning
    on the answer.
    """

    def price(self, usage: Usage, info: ProviderInfo) -> Cost | None:
        """Return what `usage` cost at the destination, or None when its price or the usage is not known."""
        ...


def price_by(book: PriceBook, usage: Usage, info: ProviderInfo) -> Cost | None:
    """Return what `book` says; any program may be one.

    Raises:
        ConfigError: It failed, or gave something else than a Cost.
    """
    try:
        cost: object = book.price(usage, info)
        if cost is None or isinstance(cost, Cost):
            return cost
        what, cause = f"gave {type(cost).__name__}, not a Cost or None", None
    except Exception as error:  # noqa: BLE001  # somebody else's book may raise anything; raised below, as a ConfigError
        words = f" ({error})" if isinstance(error, AIClientError) else ""  # others' words may hold an address
        what, cause = f"raised {type(error).__name__}{words}", error
    raise ConfigError(f"the price book {book!r} {what}, for {info.name}:{info.model}") from cause


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
        from ..models import find, version  # noqa: PLC0415  # as above
        from .names import is_local  # noqa: PLC0415  # nothing of the table is loaded before it is needed

        if is_local(info):
            return Cost(Decimal(), source="local server")
        model = find(info)
        if model is None or (usage.audio_prompt_tokens and model.hears_by_the_hour):
            return None
        rates = model.rates(tier=usage.service_tier, prompt_tokens=usage.prompt_tokens or 0, at=self._clock.time())
        return None if rates is None else rates.cost(usage, version())


class FirstKnown:
    """Several price books as one: the first that knows a price wins, and `Cost.source` names it.

    Args:
        books: Asked in this order.

    Example:
        >>> from aiclient import DictPrices
        >>> prices = FirstKnown(DictPrices({"openai:my-tuned-model": {"input": 3, "output": 12}}), TABLE)
    """

    def __init__(self, *books: PriceBook) -> None:
        self.books = books

    def __repr__(self) -> str:
        return f"FirstKnown({', '.join(map(repr, self.books))})"

    def price(self, usage: Usage, info: ProviderInfo) -> Cost | None:
        """Return what the first book says that knows the price."""
        return next((cost for book in self.books if (cost := book.price(usage, info)) is not None), None)


class ReportedPrices:
    """What the service itself says that an answer cost: OpenRouter, Perplexity, xAI and Vercel's gateway do.

    An answer knows best: which of several hosts it was made at, what searching cost, what the account's discount is. Before a
    call nothing is known.
    """

    def __repr__(self) -> str:
        return "ReportedPrices()"

    def price(self, usage: Usage, info: ProviderInfo) -> Cost | None:
        """Return what the usage object of the answer says."""
        raw = usage.raw_usage
        if raw is None or ("cost" not in raw and "cost_in_usd_ticks" not in raw):
            return None
        from .reported import reported  # noqa: PLC0415  # few services report

        usd = reported(raw, info)
        return None if usd is None else Cost(usd, source=f"reported by {info.name}")


TABLE: Final = TablePrices()
"""The library's own table of list prices."""

STANDARD: Final = FirstKnown(ReportedPrices(), TABLE)
"""What clients use when they are given no other prices: what the service says, else the table."""


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

    Raises:
        ConfigError: A book failed.
    """
    known, alias = (where if name == where.model else evolve(where, model=name) for name in (asked, answered or asked))
    for each in getattr(book, "books", None) or (book,):
        either = (alias, known) if getattr(each, "by_answered_name", False) else (known, alias)
        for info in either if known.model != alias.model else (known,):
            cost = price_by(each, usage, info)
            if cost is not None:
                return cost
    return None


def price_book(value: Any) -> PriceBook | None:
    """Return the book for what an option `prices=` was given: a dict or a file stands before the library's own table.

    Raises:
        ConfigError: It is neither of these, nor a PriceBook.
    """
    if value is None or callable(getattr(value, "price", None)):
        return cast("PriceBook | None", value)
    if isinstance(value, (Mapping, str, os.PathLike)):
        from .given import DictPrices  # noqa: PLC0415  # most clients are given none

        return FirstKnown(DictPrices(value), *STANDARD.books)
    raise ConfigError(
        f"prices={type(value).__name__}: give a dict of models or a file, as DictPrices takes them, or a PriceBook"
    )
