"""What a call may take at most, before it is made: of money and of tokens, over every service that it may reach."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen

from ..composition import destinations, providers_in
from ..errors import ConfigError
from ..layer import Layered
from ..ledger.money import Amount, micros
from ..models import find
from ..prices.books import price_by
from ..pricing import ceiling
from ..provider import Provider, ProviderInfo
from ..request import AnyRequest, ChatRequest
from ..response import Usage
from ..tokens import TokenCounter, count

if TYPE_CHECKING:
    from ..prices.books import PriceBook

__all__ = ["Quote", "Quotes", "unknown_price"]

GUESS: Final = 4096
"""Tokens of an answer, where neither the request nor the model says how long it can be."""

MARGIN: Final = 5
"""Percent that is added to the estimate of the input."""


@frozen
class Quote:
    """What a call may take at one service.

    Args:
        info: The service, with the model that is asked there.
        amount: Money and tokens.
        prompt: Tokens of the input, without a margin.
        output: Tokens of the answer among them.
        firm: Whether the request, or the model, says that the answer cannot be longer.
        priced: Whether the price is known; if not, no money is in `amount`.
    """

    info: ProviderInfo
    amount: Amount
    prompt: int
    output: int
    firm: bool = True
    priced: bool = True


class Quotes:
    """Quotes for one request.

    Args:
        request: What is asked.
        inner: Whom.
        prices: Who knows what it costs; None where money does not matter.
        counter: Counts the input tokens.

    Attributes:
        all: One for each service that may be reached.
        most: The dearest of them.
        prompt: The input tokens, estimated: of several models that may be asked the most.
    """

    def __init__(
        self, request: AnyRequest, inner: Provider, prices: PriceBook | None, counter: TokenCounter | None = None
    ) -> None:
        self._request = request
        self._prices = prices
        self._counter = counter
        self._calls = calls_at_once(inner)
        first, *further = destinations(inner)
        self.all = (self._of(first, (request,)), *(self._of(info, self._asked(info)) for info in further))
        self.most = dearest(self.all)
        self.prompt = self.most.prompt

    def at(self, provider: str) -> Quote:
        """Return the dearest quote of one provider."""
        return dearest([quote for quote in self.all if quote.info.name == provider])

    @property
    def providers(self) -> tuple[str, ...]:
        """The names of those that may be asked."""
        return tuple(dict.fromkeys(quote.info.name for quote in self.all))

    def unknown(self) -> ProviderInfo | None:
        """Return the first service whose price is not known."""
        return next((quote.info for quote in self.all if not quote.priced), None)

    def answer(self, tokens: int) -> Amount:
        """Return what so many more tokens of an answer may take."""
        usage = Usage(prompt_tokens=0, completion_tokens=tokens)
        prices = self._prices
        costs = [] if prices is None else [price_by(prices, usage, quote.info) for quote in self.all]
        return Amount(max((micros(cost.usd) for cost in costs if cost is not None), default=0), tokens)

    def _asked(self, info: ProviderInfo) -> tuple[AnyRequest, ...]:
        """Return what a further target may be asked: a model that the request names is for the first, unless it is kept."""
        request = self._request
        if request.model is None:
            return (request,)
        if isinstance(request, ChatRequest):
            own: AnyRequest = evolve(request, options=evolve(request.options, model=None))
        else:
            own = evolve(request, model=None)
        return (own, request) if info.model is not None else (request,)

    def _of(self, info: ProviderInfo, asked: Iterable[AnyRequest]) -> Quote:
        quotes = [self._quote(info if each.model is None else evolve(info, model=each.model), each) for each in asked]
        known = [quote for quote in quotes if quote.priced]
        return dearest(known or quotes)

    def _quote(self, info: ProviderInfo, request: AnyRequest) -> Quote:
        output = longest(request, info)
        firm = output is not None
        tokens = GUESS * answers(request) if output is None else output
        counted = count(request, model=info.model, counter=self._counter)
        prompt = counted + (counted * MARGIN + 99) // 100
        cost = ceiling(request, info, self._prices, counter=lambda _: counted)
        if cost is None and self._prices is not None:
            cost = price_by(self._prices, Usage(prompt_tokens=prompt, completion_tokens=tokens), info)
        money = 0 if cost is None else micros(cost.usd)
        amount = Amount(money * self._calls, (prompt + tokens) * self._calls)
        return Quote(info, amount, counted, tokens, firm=firm, priced=cost is not None)


def dearest(every: Sequence[Quote]) -> Quote:
    """Return one quote that is enough for all: the dearest, with the most tokens of any, firm if all are."""
    if len(every) == 1:
        return every[0]
    most = max(every, key=lambda quote: quote.amount)
    tokens = max(quote.amount.tokens for quote in every)
    prompt, output = max(quote.prompt for quote in every), max(quote.output for quote in every)
    firm = all(quote.firm for quote in every)
    return evolve(most, amount=Amount(most.amount.micros, tokens), prompt=prompt, output=output, firm=firm)


def longest(request: AnyRequest, info: ProviderInfo) -> int | None:
    """Return how many tokens the answers can have together; None where nobody says."""
    if not isinstance(request, ChatRequest):
        return 0
    limit = request.options.max_tokens
    if limit is None and (model := find(info)) is not None:
        limit = model.max_output or model.context_window
    return None if limit is None else limit * answers(request)


def answers(request: AnyRequest) -> int:
    """Return how many answers are asked for."""
    return (request.options.n or 1) if isinstance(request, ChatRequest) else 1


def calls_at_once(provider: Provider) -> int:
    """Return how many calls one call may become at the same time: a hedged one is paid for twice."""
    layers = (item.layer for item in providers_in(provider) if isinstance(item, Layered))
    return 1 + sum(getattr(layer, "most", 1) for layer in layers if layer.slot == "hedge")


def unknown_price(info: ProviderInfo) -> ConfigError:
    """Return the error of a model that a hard budget cannot be held to."""
    model = info.model or "the default model"
    return ConfigError(
        f"the price of {info.name}:{model} is not known, so that no budget in US dollars can hold: give it with "
        f'Client(prices={{"{info.name}:{model}": {{"input": ..., "output": ...}}}}) (US dollars per million tokens), limit '
        "tokens= instead, or let it through with hard=False",
        provider=info.name,
        model=info.model,
        kind="unknown_price",
    )
