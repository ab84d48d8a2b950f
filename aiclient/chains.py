"""The standard chain, in one call."""

from __future__ import annotations

from typing import TypeVar

from .attempt import chain
from .composition import compose, destination
from .layer import Layer
from .middleware._targets import Target
from .middleware.breaker import CircuitBreaker
from .middleware.budget import Budget
from .middleware.cache import Cache
from .middleware.fallback import Fallback
from .middleware.logging import Logging
from .middleware.rate_limit import RateLimit
from .middleware.retry import Retry
from .middleware.single_flight import SingleFlight
from .provider import Provider
from .registry import provider_for

__all__ = ["resilient"]

L = TypeVar("L", bound=Layer)


def resilient(
    provider: str | Provider,
    *fallbacks: str | Provider | Target,
    logging: Logging | bool = True,
    budget: Budget | None = None,
    cache: Cache | bool = False,
    single_flight: SingleFlight | bool = False,
    retry: Retry | bool = True,
    breaker: CircuitBreaker | bool = True,
    rate_limit: RateLimit | bool = True,
) -> Provider:
    """Put the standard layers around a provider, in the order in which they belong.

        Logging -> Budget -> Cache -> SingleFlight -> Fallback -> for each target:
            Retry -> CircuitBreaker -> RateLimit -> provider

    One record for a call; what the cache answers costs nothing below it; each target is retried before the next is asked;
    every attempt counts for the breaker, and what an open circuit refuses takes nothing from the limit. The layers of the
    targets are the same instances: they keep their state by destination.

    Args:
        provider: A Provider, or a model string such as `openai:gpt-5.4-mini`.
        fallbacks: What is asked when it fails, in this order: Providers, model strings, or Targets.
        logging: One record for a call (`Logging()`); False for none, or a Logging of your own. So for the others:
        budget: What may be spent: `Budget(usd=...)`; none unless it is given.
        cache: Off unless asked for: answers are kept, and whose they are must be thought of (`Cache`).
        single_flight: Off unless asked for: identical calls at the same time become one.
        retry: `Retry()`.
        breaker: `CircuitBreaker()`.
        rate_limit: `RateLimit()`, which knows no limit of its own and learns from what the service says.

    Raises:
        ConfigError: A provider cannot be made, or two have the same name.

    Example:
        >>> client = Client(resilient(MockProvider("Paris"), MockProvider(name="second"), logging=False))
        >>> client.chat("Capital of France?").message.content
        'Paris'
        >>> client.close()
    """
    per_target = [
        *_layer(retry, Retry),
        *_layer(breaker, CircuitBreaker),
        *_layer(rate_limit, RateLimit),
    ]
    first = provider_for(provider) if isinstance(provider, str) else provider
    further = _targets(first, fallbacks)
    outside: list[Layer] = [*_layer(logging, Logging), *([] if budget is None else [budget])]
    outside += [*_layer(cache, Cache), *_layer(single_flight, SingleFlight)]
    if further:
        outside.append(Fallback(*further, each=per_target))
    return compose(outside, chain(per_target, first))


def _layer(wanted: L | bool, kind: type[L]) -> tuple[L, ...]:  # noqa: FBT001  # a bool is one of its meanings
    if isinstance(wanted, bool):
        return (kind(),) if wanted else ()
    return (wanted,)


def _targets(first: Provider, fallbacks: tuple[str | Provider | Target, ...]) -> tuple[Provider | Target, ...]:
    """Make the targets that are only named; a second one of the same provider is called by its whole string."""
    names = {destination(first).provider}
    made: list[Provider | Target] = []
    for fallback in fallbacks:
        target: Provider | Target = _named(fallback, names) if isinstance(fallback, str) else fallback
        provider = target.provider if isinstance(target, Target) else target
        names.add(provider.name)
        made.append(target)
    return tuple(made)


def _named(string: str, names: set[str]) -> Provider:
    made = provider_for(string)
    return provider_for(string, name=string) if made.name in names else made
