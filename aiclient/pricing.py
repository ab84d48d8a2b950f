"""What calls cost: after they were made, and before.

    pricing.cost(response.usage, "openai:gpt-5.4-mini")          # what these tokens cost
    pricing.estimate(request, model="openai:gpt-5.4-mini")       # what this request may cost
    Client("openai:gpt-5.4-mini", prices={"my-model": {...}})    # response.cost: the dict, then the library's own table

A price that is not known is None, never 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import evolve, frozen

from .errors import ConfigError
from .models import ModelInfo, find
from .parts import AudioPart, ImagePart, VideoPart
from .prices.books import STANDARD, TABLE, FirstKnown, PriceBook, ReportedPrices, TablePrices, price_book, price_by
from .prices.genai import GenAIPrices
from .prices.given import DictPrices
from .prices.names import table_of
from .provider import ProviderInfo
from .request import AnyRequest, ChatRequest
from .response import Cost, Usage
from .tokens import TokenCounter, count
from .tokens import estimate as counted

__all__ = [
    "STANDARD",
    "TABLE",
    "DictPrices",
    "Estimate",
    "FirstKnown",
    "GenAIPrices",
    "PriceBook",
    "ReportedPrices",
    "TablePrices",
    "ceiling",
    "cost",
    "estimate",
    "price_book",
]

MARGIN: Final = 1.05
"""What an estimate of input tokens is multiplied with, where the answer must not come out too low."""

FIVE_MINUTES: Final = 5
"""What a prompt cache keeps for longer may have the price of an hour."""


@frozen(kw_only=True)
class Estimate:
    """What a request may cost, before it is sent.

    Args:
        provider: Who would be asked.
        model: Which model.
        prompt_tokens: Its input tokens, estimated or counted.
        output_tokens: The most that the answer can have: as it was told, else the request's own limit, else the model's.
            None where neither is known.
        low: What it costs with an answer of nothing, or of as many tokens as were told; None where the price is not known.
        high: The most it can cost: 5 % more input, all of it as what is dearest (written to the prompt cache; sound or images,
            if it has some), and the longest answer, as sound or images where the model makes some. None where that is not
            known.
    """

    provider: str
    model: str | None
    prompt_tokens: int
    output_tokens: int | None
    low: Cost | None
    high: Cost | None

    def __str__(self) -> str:
        if self.low is None:
            return "price not known"
        return f"${self.low.usd:f} to {'an unknown sum' if self.high is None else f'${self.high.usd:f}'}"


def cost(usage: Usage, model: str | ProviderInfo | ModelInfo, /, *, prices: PriceBook = STANDARD) -> Cost | None:
    """Return what `usage` costs; None where a price or a count is not known.

    Args:
        usage: The tokens.
        model: `provider:model`, a destination, or what `models.info` gave.
        prices: Who knows. Default what the usage itself says, else the library's own table.

    Raises:
        ConfigError: The price book failed.

    Example:
        >>> print(cost(Usage(prompt_tokens=1000, completion_tokens=100, cached_tokens=600), "openai:gpt-5.4-mini"))
        $0.000795
    """
    return price_by(prices, usage, _where(model))


def estimate(
    request: AnyRequest,
    /,
    *,
    model: str | ProviderInfo | ModelInfo | None = None,
    output_tokens: int | None = None,
    prices: PriceBook | None = STANDARD,
    counter: TokenCounter = counted,
) -> Estimate:
    """Return what `request` may cost, as a range; nothing is sent.

    Args:
        request: What would be asked.
        model: Where: `provider:model`, a destination, or what `models.info` gave. Default the request's own model, which must
            be named like this then.
        output_tokens: How long the answer is expected to be. Default anything from nothing to the longest.
        prices: Who knows.
        counter: Counts the input tokens. Default `tokens.estimate`.

    Raises:
        ConfigError: No model is named, `output_tokens` is no number of tokens, or the price book failed.
    """
    if output_tokens is not None and (type(output_tokens) is not int or output_tokens < 0):
        raise ConfigError(f"output_tokens={output_tokens!r} must be a whole number, 0 or more")
    named = model or request.model
    if named is None:
        raise ConfigError("estimate() needs a model: pass model='provider:model'")
    where = _where(named)
    if request.model is not None and model is not None:
        where = evolve(where, model=request.model)
    tokens = count(request, model=where.model, counter=counter)
    longest = _longest(request, where) if output_tokens is None else output_tokens
    low = None
    if prices is not None:
        low = price_by(prices, _assumed(request, tokens, output_tokens or 0), where)
    return Estimate(
        provider=where.name,
        model=where.model,
        prompt_tokens=tokens,
        output_tokens=longest,
        low=low and evolve(low, estimated=True),
        high=_most(request, where, prices, tokens, longest),
    )


def ceiling(
    request: AnyRequest, info: ProviderInfo, prices: PriceBook | None, *, counter: TokenCounter = counted
) -> Cost | None:
    """Return the most that `request` can cost at a destination; None where a price or the longest answer is not known.

    The input is estimated, times 1.05, and taken as written to the prompt cache where that is dearer and may happen, or as
    sound or images where it has some. The answer is as long as the request or the model allows (its context window, where only
    that is known), times the number of answers, and taken as sound or images where the model makes some.

    Args:
        request: What would be asked.
        info: Where; its model is asked unless the request names one.
        prices: Who knows.
        counter: Counts the input tokens.
    """
    where = info if request.model is None else evolve(info, model=request.model)
    tokens = count(request, model=where.model, counter=counter)
    return _most(request, where, prices, tokens, _longest(request, where))


def _most(
    request: AnyRequest, where: ProviderInfo, prices: PriceBook | None, tokens: int, longest: int | None
) -> Cost | None:
    if prices is None:
        return None
    if longest is None:  # a price that does not depend on it is known all the same: that of a mock
        free = price_by(prices, _assumed(request, tokens, 1), where)
        return evolve(free, estimated=True) if free is not None and not free.usd else None
    usage = _assumed(request, int(tokens * MARGIN) + 1, longest)
    ways = (each for went_in in _going_in(request, usage, where) for each in _coming_out(request, went_in, where))
    costs = [price_by(prices, each, where) for each in ways]
    known = [each for each in costs if each is not None]
    return evolve(max(known, key=lambda each: each.usd), estimated=True) if known else None


def _going_in(request: AnyRequest, usage: Usage, where: ProviderInfo) -> Iterator[Usage]:
    """Yield what the input may be charged as: as text, as written to the cache, as sound or images where it has some."""
    yield usage
    if _writes_cache(request, where):
        yield _written(request, usage)
    if isinstance(request, ChatRequest):
        kinds = {type(part) for message in request.messages for part in message.parts}
        if not kinds.isdisjoint((AudioPart, VideoPart)):
            yield evolve(usage, audio_prompt_tokens=usage.prompt_tokens)
        if ImagePart in kinds:
            yield evolve(usage, image_prompt_tokens=usage.prompt_tokens)


def _coming_out(request: AnyRequest, usage: Usage, where: ProviderInfo) -> Iterator[Usage]:
    """Yield what the answer may be charged as: as text, and as sound or images where the model makes some."""
    yield usage
    model = find(where) if isinstance(request, ChatRequest) else None
    if model is not None and model.prices.audio_output is not None:
        yield evolve(usage, audio_completion_tokens=usage.completion_tokens)
    if model is not None and model.prices.image_output is not None:
        yield evolve(usage, image_completion_tokens=usage.completion_tokens)


def _writes_cache(request: AnyRequest, where: ProviderInfo) -> bool:
    """Whether the service may take its price for writing to the prompt cache: some take it unasked."""
    if not isinstance(request, ChatRequest):
        return False
    return request.options.prompt_cache is not None or table_of(where) not in ("anthropic", "bedrock")


def _written(request: AnyRequest, usage: Usage) -> Usage:
    asked = request.options.prompt_cache if isinstance(request, ChatRequest) else None
    hour = usage.prompt_tokens if asked is not None and asked.minutes > FIVE_MINUTES else None
    return evolve(usage, cache_write_tokens=usage.prompt_tokens, cache_write_1h_tokens=hour)


def _longest(request: AnyRequest, where: ProviderInfo) -> int | None:
    """Return how many tokens the answers can have."""
    if not isinstance(request, ChatRequest):
        return 0
    limit = request.options.max_tokens
    if limit is None and (model := find(where)) is not None:
        limit = model.max_output or model.context_window
    return None if limit is None else limit * (request.options.n or 1)


def _assumed(request: AnyRequest, prompt: int, completion: int) -> Usage:
    tier = request.options.service_tier if isinstance(request, ChatRequest) else None
    return Usage(prompt_tokens=prompt, completion_tokens=completion, service_tier=tier)


def _where(model: str | ProviderInfo | ModelInfo) -> ProviderInfo:
    if isinstance(model, ProviderInfo):
        return model
    if isinstance(model, ModelInfo):
        return ProviderInfo(model.provider, model=model.name)
    given: object = model
    provider, colon, name = (given if isinstance(given, str) else "").partition(":")
    if not colon:
        raise ConfigError(f"{model!r}: write provider:model, such as 'openai:gpt-5.4-mini'")
    return ProviderInfo(provider, model=name)
