"""Putting middleware around a provider, and looking into what was put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, cast, runtime_checkable

from attrs import evolve

from .errors import ConfigError
from .layer import Layer, Layered, release
from .provider import Middleware, Provider, ProviderInfo
from .request import AnyRequest

__all__ = [
    "Branched",
    "Branching",
    "Destination",
    "Reports",
    "compose",
    "destination",
    "destinations",
    "find",
    "is_provider",
    "leaves",
    "providers_in",
    "reached",
    "release_all",
]

P = TypeVar("P")


@runtime_checkable
class Branching(Protocol):
    """Reaches several providers."""

    @property
    def targets(self) -> tuple[Provider, ...]:
        """All of them, preferred first."""
        ...


class Branched(Layered):
    """A provider with a Layer around it that also reaches other providers: `further` ones, after the inner one.

    `models` names for each further one the model that the layer asks it for; None, or nothing at all, where it does not say.
    """

    def __init__(
        self, layer: Layer, inner: Provider, further: tuple[Provider, ...], models: tuple[str | None, ...] = ()
    ) -> None:
        super().__init__(layer, inner)
        self._further = further
        self.target_models = (None, *models)

    @property
    def targets(self) -> tuple[Provider, ...]:
        """All of them, the inner one first."""
        return (self.inner, *self._further)

    def validate_config(self) -> None:
        """Raise what any of them would raise."""
        for target in self.targets:
            target.validate_config()

    async def close(self) -> None:
        """Close them all, though one of them fails; clients that were handed in stay open."""
        await release_all(self.targets)


async def release_all(providers: tuple[Provider, ...]) -> None:
    """Close them all, though one of them fails; clients that were handed in stay open."""
    if providers:
        try:
            await release(providers[0])
        finally:
            await release_all(providers[1:])


class Destination(NamedTuple):
    """What state is keyed by: one model of one service, reached with one credential."""

    provider: str
    origin: str | None = None
    scope: str | None = None
    model: str | None = None

    def is_of(self, service: Destination) -> bool:
        """Whether it is a model, whichever, of the same service, reached with the same credential."""
        return self[:3] == service[:3]


@runtime_checkable
class Reports(Protocol):
    """A layer that can say how a service stands; `client.status()` asks every one that it finds on the way to it."""

    def report(self, service: Destination, /) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Return what is known of `service` (all its models), at once and without asking anybody.

        By section, an entry for each model, with its name as `model` and plain values for JSON besides. Known sections are
        `breaker` (state, retry_after, last_failure, ...), `rate_limit` (requests, requests_limit, tokens, tokens_limit,
        not_before, waiting), `concurrency` (limit, in_use, waiting), `metrics` (attempts, success_rate, duration, first_output,
        last_failure, last_failure_at, cost_usd, ...) and `spend` (usd, tokens, requests); any other is shown as it is.
        """
        ...


def compose(layers: Iterable[Middleware], provider: Provider) -> Provider:
    """Put `layers` around `provider`, the first one outermost: `compose([a, b], p)` is `a(b(p))`.

    Raises:
        ConfigError: A layer is not callable, or what it returned is not a provider; the message says which.
    """
    for index, layer in reversed(list(enumerate(layers))):
        provider = _applied(layer, index, provider)
    return provider


def _applied(layer: Any, index: int, provider: Provider) -> Provider:
    if isinstance(layer, type) and issubclass(layer, Layer):
        raise ConfigError(f"layer {index} is the class {layer.__name__}; make an instance of it: {layer.__name__}()")
    name = getattr(layer, "__name__", type(layer).__name__)
    if isinstance(layer, list | tuple):
        raise ConfigError(f"layer {index} is a {name} of layers; give them one by one, use(*layers)")
    if not callable(layer):
        raise ConfigError(f"layer {index} ({name}) is not a middleware: it cannot be called with a provider")
    wrapped = layer(provider)
    if not is_provider(wrapped):
        raise ConfigError(f"layer {index} ({name}) returned {type(wrapped).__name__}, which is not a provider")
    return cast("Provider", wrapped)


def is_provider(value: object) -> bool:
    """Whether `value` has what a provider has; a class has not, its instances may."""
    if isinstance(value, type):
        return False
    return all(callable(getattr(value, path, None)) for path in ("chat", "chat_stream", "embeddings", "close"))


def providers_in(provider: Provider) -> Iterator[Provider]:
    """Yield `provider` and everything inside it, outside first; through a branch into every target."""
    yield provider
    for inside in _directly_in(provider):
        yield from providers_in(inside)


def leaves(provider: Provider) -> Iterator[Provider]:
    """Yield the providers that wrap no other, preferred first: those that a request may reach."""
    return (leaf for leaf, _ in reached(provider))


def reached(provider: Provider, model: str | None = None) -> Iterator[tuple[Provider, ProviderInfo]]:
    """Yield each of the leaves with its service, as it is asked there: a branch may name the model for its targets."""
    inside = _directly_in(provider)
    if not inside:
        info: ProviderInfo = getattr(provider, "info", None) or ProviderInfo(provider.name)
        yield provider, (info if model is None else evolve(info, model=model))
    models: tuple[str | None, ...] = getattr(provider, "target_models", ())
    for index, target in enumerate(inside):
        named = models[index] if index < len(models) else None
        yield from reached(target, named or (model if index == 0 else None))


def destinations(provider: Provider) -> tuple[ProviderInfo, ...]:
    """Return every service that a request to `provider` may reach, preferred first, with the model asked for there."""
    return tuple(dict.fromkeys(info for _, info in reached(provider)))


def destination(provider: Provider, request: AnyRequest | None = None) -> Destination:
    """Return the service that a request to `provider` reaches first; with `request`, and the model that it asks there."""
    leaf = provider
    while inside := _directly_in(leaf):
        leaf = inside[0]
    info: ProviderInfo | None = getattr(leaf, "info", None)
    asked = None if request is None else request.model
    if info is None:
        return Destination(leaf.name, model=asked)
    return Destination(info.name, info.origin, info.scope, asked or info.model if request is not None else None)


def _directly_in(provider: Provider) -> tuple[Provider, ...]:
    """Return what `provider` wraps: nothing for a leaf. Asked on every call, where a runtime protocol would cost 8 us."""
    targets: tuple[Provider, ...] | None = getattr(provider, "targets", None)
    if targets is not None:
        return targets
    inner: Provider | None = getattr(provider, "inner", None)
    return () if inner is None else (inner,)


def find(provider: Provider, kind: Callable[..., P]) -> P | None:
    """Return the outermost object in the chain that is a `kind` (a class or a runtime protocol), or None.

    Through a branch it looks into the first target only. What it returns is *below* the layers outside it: its calls are
    not retried, limited or logged.
    """
    found: Any = provider
    while found is not None:
        if isinstance(found, cast("type[Any]", kind)):
            return cast("P", found)
        found = next(iter(_directly_in(found)), None)
    return None
