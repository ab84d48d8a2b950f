"""Spread calls over several targets."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from attrs import frozen

from ..composition import Destination, destination
from ..ends import End
from ..errors import AIClientError, ConfigError
from ..forks import own_lock
from ..layer import Layer
from ..provider import Middleware, Provider, Q, R, observed
from ..request import AnyRequest, ChatRequest, EmbeddingRequest
from ..response import ChatResponse, EmbeddingResponse
from ..stream import ChatStream
from ._arms import Arms, ranked
from ._branches import Choose, Failed, all_failed, ask_in_turn, chat, chat_stream, embeddings
from ._options import number
from ._targets import Branch, Target, branched, branches_of, distinct, refused_locally

__all__ = ["ArmState", "LoadBalance"]

By: TypeAlias = Literal["weight", "in_flight"]
Sticky: TypeAlias = str | Callable[[AnyRequest], str | None]


@frozen
class ArmState:
    """One arm of a LoadBalance, as it is now.

    Args:
        name: What it is called in tags: `provider`, or `provider:model` where its target names a model.
        weight: Its share.
        in_flight: Calls that it has not ended yet; a stream counts until it is closed.
    """

    name: str
    weight: float
    in_flight: int


class LoadBalance(Layer):
    """Give every call to one of several arms: by weight, to the least busy, or by a key that always gets the same one.

    The provider that this layer stands around is the first arm. A call: goes to the arm that is chosen, whose name is put
    into the call's tags, and so into logs and metrics. A stream: the same; it counts as in flight until it is closed. Place:
    where Fallback stands, outside Retry and CircuitBreaker, which belong around each arm; a Retry outside of this layer
    chooses anew at each attempt, which is also good.

    When our own layers refuse (an open circuit, a full limiter), the call goes to the next arm, which costs nothing. Any
    other error comes out unchanged.

    The first arm gets the request as it came, the others the original request with a model of their own; embeddings go only
    to arms that name a model for them, or keep the request's, since vectors of different models cannot be compared.

    Args:
        targets: The other arms: providers, or `Target(provider, model=...)`.
        weights: The share of each arm, the first one's first; 0 switches an arm off. Default: equal shares.
        by: `weight` spreads calls by their number; `in_flight` goes to the arm with the fewest calls in flight for its
            weight, by weight among equals.
        sticky: The name of a tag, or a function of the request, that gives the key of an experiment or a session: the same
            key gets the same arm, in every process, while the weights are unchanged. Calls without a key go by `by`.
        tag: Name of the tag that tells the arm. Default `arm`.
        each: Layers to put around every target, the first outermost; the instances are shared.

    Raises:
        ConfigError: A target is no provider or has no model, two providers have one name, or an option is out of range.
        AllProvidersFailedError: Every arm was refused; `retry_after` is the smallest of theirs.

    Cancelling ends the call in hand; nobody else is asked, and the arm is free again.
    """

    slot: ClassVar[str | None] = "load_balance"

    def __init__(
        self,
        *targets: Provider | Target,
        weights: Sequence[float] | None = None,
        by: By = "weight",
        sticky: Sticky | None = None,
        tag: str = "arm",
        each: Iterable[Middleware] = (),
    ) -> None:
        if not targets:
            raise ConfigError("LoadBalance() needs at least one further arm: LoadBalance(provider, ...)")
        self._further = branches_of(targets, each)
        if any(branch.leads_here is not None for branch in self._further):
            raise ConfigError(
                "when= says which errors lead to a target of Fallback; LoadBalance chooses before any error"
            )
        distinct(self._further)
        self.weights = _weights(weights, 1 + len(targets))
        self.by, self.tag = by, tag
        self._sticky = sticky
        _check(by, sticky, tag)
        self._arms: dict[Destination, tuple[str, Arms]] = {}
        self._lock = own_lock(self)

    def __repr__(self) -> str:
        shares = ":".join(f"{weight:g}" for weight in self.weights)
        sticky = f", sticky={self._sticky!r}" if isinstance(self._sticky, str) else ", sticky" if self._sticky else ""
        return f"LoadBalance({', '.join(branch.label for branch in self._further)}, {shares} by {self.by}{sticky})"

    def __call__(self, inner: Provider) -> Provider:
        """Wrap `inner`, the first arm."""
        distinct((Branch(inner), *self._further))
        return branched(self, inner, self._further)

    def state(self) -> tuple[ArmState, ...]:
        """Return every arm as it is now; a first arm that was not called yet is not known."""
        with self._lock:
            known = tuple(self._arms.values())
        others = tuple(branch.label for branch in self._further)
        return tuple(
            ArmState(name, weight, in_flight)
            for first, arms in known
            for name, weight, in_flight in zip((first, *others), self.weights, arms.in_flight, strict=True)
        )

    async def chat(self, request: ChatRequest, inner: Provider) -> ChatResponse:
        """Ask the chosen arm for an answer."""
        return await self._ask(request, inner, chat)

    async def chat_stream(self, request: ChatRequest, inner: Provider) -> ChatStream:
        """Ask the chosen arm for a stream."""
        return await self._ask(request, inner, chat_stream)

    async def embeddings(self, request: EmbeddingRequest, inner: Provider) -> EmbeddingResponse:
        """Ask the chosen arm for vectors."""
        return await self._ask(request, inner, embeddings)

    async def _ask(self, request: Q, inner: Provider, ask: Callable[[Branch, Q], Awaitable[R]]) -> R:
        branches = (Branch(inner), *self._further)
        arms = self._arms_of(inner)
        context = request.context
        assert context is not None  # opened by Layered

        async def counted(branch: Branch, request: Q) -> R:
            index = branches.index(branch)
            context.tags = {**context.tags, self.tag: branch.label}
            arms.enter(index)

            async def leave(_: End) -> None:
                arms.leave(index)

            return await observed(ask(branch, request), leave)

        return await ask_in_turn(request, self._chooser(request, branches, arms), counted, _failure)

    def _arms_of(self, inner: Provider) -> Arms:
        where = destination(inner)
        with self._lock:
            if where not in self._arms:
                self._arms[where] = (inner.name, Arms(self.weights))
            return self._arms[where][1]

    def _chooser(self, request: AnyRequest, branches: Sequence[Branch], arms: Arms) -> Choose:
        order = self._order(request, branches, arms)

        def choose(error: AIClientError | None) -> Branch | None:
            return next(order, None) if error is None or refused_locally(error) else None

        return choose

    def _order(self, request: AnyRequest, branches: Sequence[Branch], arms: Arms) -> Iterator[Branch]:
        """Yield the arms in the order in which this request should try them; each is picked when it is asked for."""
        left = [index for index, weight in enumerate(self.weights) if weight > 0 and branches[index].takes(request)]
        key = None if self._sticky is None else _key(self._sticky, request)
        if key is not None:
            names = [branch.label for branch in branches]
            yield from (branches[index] for index in ranked(key, names, self.weights) if index in left)
            return
        pick = arms.by_weight if self.by == "weight" else arms.by_in_flight
        while left:
            index = pick(left)
            left.remove(index)
            yield branches[index]


def _key(sticky: Sticky, request: AnyRequest) -> str | None:
    context = request.context
    assert context is not None  # opened by Layered
    key: object = context.tags.get(sticky) if isinstance(sticky, str) else sticky(request)
    if key is not None and not isinstance(key, str):
        raise ConfigError(f"sticky gave {type(key).__name__}; it must give a string, or None for a call without a key")
    return key


def _check(by: Any, sticky: Any, tag: Any) -> None:
    if by not in get_args(By):
        raise ConfigError(f"by={by!r} must be one of {', '.join(get_args(By))}")
    if not isinstance(tag, str) or not tag:
        raise ConfigError(f"tag={tag!r} must be the name of a tag")
    if sticky == tag:
        raise ConfigError(f"sticky={sticky!r} is the tag that tells the arm; name another one with tag=...")
    if sticky is None or (isinstance(sticky, str) and sticky):
        return
    if not callable(sticky) or inspect.iscoroutinefunction(sticky):
        raise ConfigError(f"sticky={sticky!r} must be the name of a tag, or a plain function of the request")


def _weights(given: Any, arms: int) -> tuple[float, ...]:
    if given is None:
        return (1.0,) * arms
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) != arms:
        raise ConfigError(
            f"weights={given!r} must be a list of {arms} numbers: one for each arm, the inner provider first"
        )
    weights = tuple(number("weights", weight) for weight in given)
    if not any(weights):
        raise ConfigError(f"weights={given!r} switch every arm off: one must be above 0")
    return weights


def _failure(failed: Sequence[Failed]) -> AIClientError:
    """Raise what an arm said when it was asked in earnest; that others had refused before is no news about the call."""
    if failed and not refused_locally(failed[-1].error):
        return failed[-1].error
    return all_failed(failed)
