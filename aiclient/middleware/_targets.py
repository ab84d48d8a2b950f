"""What a layer with several branches is given: targets, and which errors lead to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, cast

from attrs import evolve, field, frozen

from ..attempt import chain
from ..composition import Branched, destinations, is_provider, leaves, providers_in
from ..errors import (
    FAILURES,
    AIClientError,
    AllProvidersFailedError,
    CircuitOpenError,
    ConfigError,
    InvalidModelError,
    InvalidProviderError,
    RateLimitError,
)
from ..layer import Layer, Layered
from ..provider import Middleware, Provider, ProviderInfo, Q
from ..request import AnyRequest, ChatOptions, EmbeddingRequest
from ._selection import Errors, selection

__all__ = [
    "Branch",
    "LeadsOn",
    "Target",
    "branched",
    "branches_of",
    "distinct",
    "layers_of",
    "leading",
    "refused_locally",
]

LeadsOn: TypeAlias = Callable[[AIClientError], bool]
"""Whether an error leads on to another target."""


def _provider(value: Any) -> Provider:
    if isinstance(value, str):
        raise InvalidProviderError(
            f"the target {value!r} is a string: a layer takes providers, and aiclient.provider_for({value!r}) makes one"
        )
    if isinstance(value, type) or not is_provider(value):
        what = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
        raise InvalidProviderError(f"a target must be a provider, or Target(provider, ...), not {what}")
    return cast("Provider", value)


def _model(value: Any) -> str | None:
    try:
        return ChatOptions(model=value).model
    except InvalidModelError as error:
        problem = str(error)
    raise ConfigError(f"of a target, {problem}")


@frozen
class Target:
    """A provider that a layer may ask instead of another, and how.

    Args:
        provider: Who is asked.
        model: What it is asked for; its own default model when None. The model that a request names is the first target's
            alone, because no other vendor knows it.
        when: Which errors lead to this target: a set of categories, or a function of the error; None for those that the
            layer goes by.
        keep_model: Ask here too for the model that the request names, if it names one: for the same models at another
            address, region or account.

    Raises:
        ConfigError: The provider is a string (`aiclient.provider_for` makes a provider of it) or none at all, or an option
            is not of the form it should have.
    """

    provider: Provider = field(converter=_provider)
    model: str | None = field(default=None, kw_only=True, converter=_model)
    when: Errors | None = field(default=None, kw_only=True)
    keep_model: bool = field(default=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        """Refuse what `when` and `keep_model` cannot be."""
        selection("when", self.when)
        if type(self.keep_model) is not bool:
            raise ConfigError(f"keep_model={self.keep_model!r} must be True or False")


@frozen(eq=False)
class Branch:
    """One target, as a layer asks it.

    Args:
        provider: The target's chain.
        target: What was said of it; None for the provider that the layer stands around, which gets the request as it came.
        leads_here: Which errors lead to it.
        name: What it is called; by default as its provider is.
    """

    provider: Provider
    target: Target | None = None
    leads_here: LeadsOn | None = None
    name: str | None = None

    @property
    def label(self) -> str:
        """What it is called in events, errors and tags: `provider`, or `provider:model` where the target names one."""
        if self.name is not None:
            return self.name
        name = self.provider.name
        return name if self.target is None or self.target.model is None else f"{name}:{self.target.model}"

    def takes(self, request: AnyRequest) -> bool:
        """Whether it may be asked: vectors of another model cannot be compared, so for them it must have been named."""
        return self.target is None or not isinstance(request, EmbeddingRequest) or self._model_for(request) is not None

    def _model_for(self, request: AnyRequest) -> str | None:
        assert self.target is not None
        return request.model if self.target.keep_model and request.model is not None else self.target.model

    def asked(self, request: Q) -> Q:
        """Return the request as this target gets it: the original one, with the model that is asked for here."""
        if self.target is None or request.model == (model := self._model_for(request)):
            return request
        if isinstance(request, EmbeddingRequest):
            return evolve(request, model=model)
        return evolve(request, options=evolve(request.options, model=model))


def branched(layer: Layer, inner: Provider, further: tuple[Branch, ...]) -> Branched:
    """Return `inner` with `layer` around it, which reaches `further` ones, and asks them for the models that they name."""
    models = tuple(None if branch.target is None else branch.target.model for branch in further)
    return Branched(layer, inner, tuple(branch.provider for branch in further), models)


def branches_of(targets: Iterable[Provider | Target], each: Iterable[Middleware]) -> tuple[Branch, ...]:
    """Return the targets as branches, with the layers of `each` and a journal around every one.

    Raises:
        ConfigError: One of them is no provider, or has no model; `each` is not a list of layers.
    """
    layers = layers_of(each)
    return tuple(_branch(item if isinstance(item, Target) else Target(item), layers) for item in targets)


def layers_of(each: Any) -> tuple[Middleware, ...]:
    """Return the layers that are to stand around each target.

    Raises:
        ConfigError: It is no list; the layers themselves are checked when they are applied.
    """
    if callable(each) or not isinstance(each, Iterable):
        raise ConfigError(f"each={each!r} must be a list of layers, such as [Retry(), CircuitBreaker()]")
    return tuple(each)


def _branch(target: Target, layers: tuple[Middleware, ...]) -> Branch:
    provider = chain(layers, target.provider)
    if target.model is None and not target.keep_model and _lacks_model(provider):
        name = target.provider.name
        raise ConfigError(
            f"the target {name!r} has no model: give the provider a default one (model=...), or say Target({name}, "
            "model=...), or Target(..., keep_model=True); the model that a request names is for the first target only"
        )
    return Branch(provider, target, None if target.when is None else leading("when", target.when))


def _lacks_model(provider: Provider) -> bool:
    """Whether it is known that a request without a model could not be sent."""
    inside = tuple(providers_in(provider))
    if any(isinstance(item, Layered) and item.layer.slot == "defaults" for item in inside):
        return False  # such a layer may name one
    info: ProviderInfo | None = getattr(next(leaves(provider)), "info", None)
    return info is not None and info.model is None


def distinct(branches: Iterable[Branch]) -> None:
    """Refuse providers that nobody could tell apart in logs, errors and journals.

    One provider may stand there several times, for several models; two need two names.
    """
    known: dict[str, list[tuple[Provider, str | None]]] = {}
    for branch in branches:
        model = None if branch.target is None else branch.target.model
        found = [(leaf.name, leaf, model or destinations(leaf)[0].model) for leaf in leaves(branch.provider)]
        for name, leaf, asked in found:
            for other, before in known.get(name, ()):
                _tell_apart(name, same=other is leaf, models=(before, asked))
        for name, leaf, asked in found:
            known.setdefault(name, []).append((leaf, asked))


def _tell_apart(name: str, *, same: bool, models: tuple[str | None, str | None]) -> None:
    if not same:
        raise ConfigError(f"two targets are called {name!r}: give one of the providers another name with name=...")
    if models[0] == models[1]:
        raise ConfigError(
            f"the target {name!r} stands there twice, with the same model: it would fail the same way again"
        )


def leading(option: str, value: Errors) -> LeadsOn:
    """Return what tells whether an error leads on.

    An open circuit is an echo of the failures that opened it, so it is in a set that names one of their categories.
    """
    holds = selection(option, value)
    assert holds is not None
    if callable(value) or not FAILURES.intersection(value):
        return holds
    return lambda error: holds(error) or _is_open(error)


def _is_open(error: AIClientError) -> bool:
    first = error.errors[0] if isinstance(error, AllProvidersFailedError) and error.errors else error
    return isinstance(first, CircuitOpenError)


def refused_locally(error: AIClientError) -> bool:
    """Whether it was our own layers that refused: an open circuit, or a limiter that is full."""
    if isinstance(error, AllProvidersFailedError):
        return bool(error.errors) and all(map(refused_locally, error.errors))
    return isinstance(error, CircuitOpenError) or (isinstance(error, RateLimitError) and error.kind == "local")
