"""Orders of layers that are known to be bad, and why.

Any order may be built, and some strange ones are meant; a client that is given one of these warns, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from .composition import Branched, Branching
from .layer import Layered
from .provider import Provider

__all__ = ["order_problems"]

_Path: TypeAlias = tuple[tuple[int, Layered], ...]
"""The layers from the outside to one leaf, each with the number of its client: of a client inside a client it is higher. A
budget outside another client is meant to be there: that of a tenant or a session sees everything its calls cost."""

_BRANCHES: Final = ("fallback", "load_balance")

_PER_DESTINATION: Final = (
    "it keeps one state for each service, and here it would take every target for the first one; "
    "put it inside, with each=[...] for the further targets"
)

BAD: Final[dict[tuple[str, str], str]] = {
    # (slot outside, slot inside): why. DESIGN section 6 says where each belongs.
    ("retry", "retry"): "their attempts multiply; keep one of them",
    ("retry", "cache"): "every attempt asks the cache again; put the cache outside",
    (
        "retry",
        "fallback",
    ): "every attempt asks all targets again; put the fallback outside, and Retry around each target",
    ("retry", "fetch_media"): "every attempt fetches again; put FetchMedia outside",
    ("retry", "single_flight"): "everyone who shares a call repeats it apart; put SingleFlight outside",
    ("hedge", "retry"): "a retry that waits looks like a slow call; put Hedge inside",
    (
        "hedge",
        "fallback",
    ): "the further call asks all targets again; put the fallback outside, and Hedge around each target",
    ("breaker", "hedge"): "it takes both calls for one; put it inside",
    ("rate_limit", "hedge"): "the further call is not held to the limit; put the limit inside",
    ("breaker", "retry"): "it counts a call with all its attempts as one, and cannot end the retrying; put it inside",
    ("breaker", "cache"): "an open circuit refuses what the cache could answer; put the cache outside",
    ("rate_limit", "retry"): "further attempts are not held to the limit; put the limit inside",
    ("rate_limit", "cache"): "answers from the cache wait for the limit and use it up; put the cache outside",
    ("rate_limit", "breaker"): "calls that the open circuit refuses use up the limit; put the limit inside",
    ("concurrency", "cache"): "answers from the cache wait for a permit; put the cache outside",
    ("concurrency", "retry"): "a permit is held while Retry waits; put it inside",
    ("concurrency", "hedge"): "the further call needs no permit of its own; put it inside",
    ("retry", "budget"): "every attempt reserves anew, and a call may be refused halfway; put the budget outside",
    (
        "fallback",
        "budget",
    ): "what it refuses is not sent to the next target: a refusal ends the call; put the budget outside",
    ("load_balance", "budget"): "what it refuses is not sent to another arm: a refusal ends the call; put it outside",
    ("hedge", "budget"): "both calls reserve by themselves, and one may be refused; put the budget outside",
    ("breaker", "budget"): "calls that it refuses take a probe's place; put the budget outside",
    ("rate_limit", "budget"): "calls that it refuses wait for the limit and use it up; put the budget outside",
    ("concurrency", "budget"): "calls that it refuses wait for a permit; put the budget outside",
    ("budget", "logging"): "calls that it refuses are not logged; put Logging outside",
    ("budget", "tracing"): "calls that it refuses leave no span; put tracing outside",
    ("budget", "metrics"): "calls that it refuses are not counted; put metrics outside",
    ("budget", "defaults"): "it reserves before Defaults says how long the answer may be; put Defaults outside",
    ("cache", "defaults"): "the key does not hold what Defaults adds; put Defaults outside",
    ("cache", "dry_run"): "the empty answer of a dry run would be taken for one; put DryRun outside",
    (
        "cache",
        "validate",
    ): "its answers are not checked, and its key does not hold what they are checked for; put it inside",
    ("single_flight", "validate"): "calls that expect different things share an answer; put SingleFlight inside",
    ("retry", "validate"): "each attempt may ask several times more; put Retry inside",
    ("hedge", "validate"): "an answer that is asked for again looks like a slow call; put Hedge inside",
    ("breaker", "validate"): "it takes all that is asked for one call; put it inside",
    ("rate_limit", "validate"): "what is asked again is not held to the limit; put the limit inside",
    ("concurrency", "validate"): "one permit is held for all that is asked; put it inside",
    ("fallback", "validate"): "answers of the first target alone are checked; put Validate outside",
    ("load_balance", "validate"): "answers of the first target alone are checked; put Validate outside",
    ("validate", "metrics"): "what is asked again is counted as a call of its own; put metrics outside",
    ("cache", "metrics"): "answers from the cache are not counted; put metrics outside",
    ("validate", "tracing"): "what is asked again gets an operation span of its own; put tracing outside",
    ("cache", "tracing"): "answers from the cache leave no span; put tracing outside",
    ("retry", "metrics"): "every attempt is counted as a call of its own; put metrics outside",
    ("retry", "tracing"): "every attempt gets an operation span of its own; put tracing outside",
    ("hedge", "metrics"): "the further call is not counted apart from the first; put metrics outside",
    ("hedge", "tracing"): "the further call shares the span of the first; put tracing outside",
    ("fallback", "metrics"): "every target is counted as a call of its own; put metrics outside",
    ("fallback", "tracing"): "every target gets an operation span of its own; put tracing outside",
    ("single_flight", "metrics"): "calls that share another's answer are not counted; put metrics outside",
    ("single_flight", "tracing"): "calls that share another's answer leave no span; put tracing outside",
    ("tracing", "tracing"): "the inner one does nothing; keep one of them",
    **{(outer, inner): _PER_DESTINATION for outer in ("breaker", "rate_limit", "concurrency") for inner in _BRANCHES},
}


def order_problems(provider: Provider) -> tuple[str, ...]:
    """Return what is wrong with the order of the layers around `provider`, a sentence each, outermost first.

    Example:
        >>> order_problems(compose([Retry(), Logging(), Retry()], MockProvider()))
        ('Retry stands outside Retry: their attempts multiply; keep one of them',)
    """
    found: dict[str, None] = {}
    for path in _paths(provider, ()):
        for place, (client, outer) in enumerate(path):
            for inside, inner in path[place + 1 :]:
                why = BAD.get((outer.layer.slot or "", inner.layer.slot or ""))
                if why is not None and (inside == client or outer.layer.slot != "budget"):
                    found[f"{_name(outer)} stands outside {_name(inner)}: {why}"] = None
    found.update(dict.fromkeys(_unretried(provider)))
    return tuple(found)


def _paths(provider: Provider, above: _Path, client: int = 0) -> Iterator[_Path]:
    client += getattr(provider, "_closes_for_good", False)
    path = (*above, (client, provider)) if isinstance(provider, Layered) else above
    inside = _inside(provider)
    if not inside:
        yield path
    for target in inside:
        yield from _paths(target, path, client)


def _inside(provider: Provider) -> tuple[Provider, ...]:
    if isinstance(provider, Branching):
        return provider.targets
    inner: Provider | None = getattr(provider, "inner", None)
    return () if inner is None else (inner,)


def _unretried(provider: Provider) -> Iterator[str]:
    """Find fallbacks whose first target is retried and whose others are not."""
    if isinstance(provider, Branched) and provider.layer.slot == "fallback":
        first, *further = provider.targets
        bare = [target.name for target in further if not _has(target, "retry")]
        if _has(first, "retry") and bare:
            yield (
                f"{_name(provider)} retries its first target and not {', '.join(bare)}: what stands inside it in use() "
                "holds for the first alone; give the others each=[Retry()]"
            )
    for target in _inside(provider):
        yield from _unretried(target)


def _has(provider: Provider, slot: str) -> bool:
    return all(any(item.layer.slot == slot for _, item in path) for path in _paths(provider, ()))


def _name(layered: Layered) -> str:
    return type(layered.layer).__name__
