"""Asking targets in turn: the one engine of fallback, load balancing and failover.

Who is next is the layer's to choose; what follows from that stands here, once: the original request each time, the commit
at a stream's first output, attempts left and deadline, and which error comes out when nobody could answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from ..context import CallContext, CallEvent
from ..errors import (
    AIClientError,
    AllProvidersFailedError,
    ConfigError,
    DryRunStop,
    StreamInterruptedError,
    outcome,
)
from ..opening import committed
from ..provider import Q, R
from ..request import AnyRequest, ChatRequest, EmbeddingRequest
from ..response import ChatResponse, EmbeddingResponse
from ..stream import ChatStream
from ._targets import Branch, LeadsOn, refused_locally

__all__ = [
    "Choose",
    "Failed",
    "all_failed",
    "ask_in_turn",
    "chat",
    "chat_stream",
    "embeddings",
    "falls_over",
    "in_order",
]

Choose: TypeAlias = Callable[[AIClientError | None], Branch | None]
"""Names the next target: given the error of the last one, or None at the beginning; None when there is no other."""


class Failed(NamedTuple):
    """A target that was asked in vain; `free` if it was refused here, so that nothing was sent to it."""

    branch: Branch
    error: AIClientError
    free: bool


async def ask_in_turn(
    request: Q,
    choose: Choose,
    ask: Callable[[Branch, Q], Awaitable[R]],
    failure: Callable[[Sequence[Failed]], AIClientError] | None = None,
) -> R:
    """Ask one target after the other until one answers, or its stream gives its first output.

    Every further one takes an attempt from those left, unless nothing was sent to the one before; none is asked when the
    time is over. A dry run's end and an interrupted stream are raised as they are. Cancelling ends the call in hand, and
    nobody else is asked.
    """
    context = request.context
    assert context is not None  # opened by whoever stands outside
    failed: list[Failed] = []
    branch = choose(None)
    while branch is not None:
        started = context.started
        try:
            return await committed(ask(branch, branch.asked(request)))
        except (DryRunStop, StreamInterruptedError):
            raise
        except AIClientError as error:
            failed.append(Failed(branch, error, refused_locally(error) and context.started == started))
        branch = _next(context, failed[-1], choose)
    try:
        raise (failure or all_failed)(failed)
    finally:
        failed.clear()  # this frame is in the errors' tracebacks: a cycle would keep prompts alive


def _next(context: CallContext, last: Failed, choose: Choose) -> Branch | None:
    """Return the target to ask after `last` failed, if there is one, and time and an attempt for it."""
    if context.remaining() <= 0:
        return None
    branch = choose(last.error)
    if branch is None or not (last.free or context.take_extra()):
        return None
    if context.observers:
        error = last.error
        event = CallEvent("fallback", last.branch.label, error.model, category=error.category, detail=branch.label)
        context.emit(event)
    return branch


def in_order(branches: Iterable[Branch], request: AnyRequest, leads_on: LeadsOn) -> Choose:
    """Choose in the order that is given: each is next whom the last error leads to, and who may take the request."""
    left = iter(branches)

    def choose(error: AIClientError | None) -> Branch | None:
        for branch in left:
            if error is None or (branch.takes(request) and (branch.leads_here or leads_on)(error)):
                return branch
        return None

    return choose


def falls_over(error: AIClientError) -> bool:
    """Tell what the one table says: whether another provider may do better."""
    return outcome(error).falls_over


# --- what comes out when nobody could answer ---


def all_failed(failed: Sequence[Failed]) -> AIClientError:
    """Return the error to raise: of one target its own, of several one that stands for all and means what the first means."""
    if not failed:
        return ConfigError("no target may be asked for embeddings: name their models with Target(provider, model=...)")
    errors = [one.error for one in failed]
    first = errors[0]
    if len(failed) == 1:
        return first
    whole = AllProvidersFailedError(
        "every target failed: " + ", ".join(f"{one.branch.label} ({_words(one.error)})" for one in failed),
        errors=errors,
        provider=first.provider,
        model=first.model,
        status_code=first.status_code,
        code=first.code,
        phase=first.phase,
        request_id=first.request_id,
        retry_after=_retry_after(errors),
        partial=first.partial,
        rate_limit=first.rate_limit,
    )
    whole.__cause__ = first
    return whole


def _words(error: AIClientError) -> str:
    """Say what happened without the service's words, which may quote the prompt: this message is logged."""
    status = "" if error.status_code is None else f" {error.status_code}"
    return f"{type(error).__name__}{status}"


def _retry_after(errors: Sequence[AIClientError]) -> float | None:
    """Return when to come back: as soon as the first of them lets a call through, if it was we who refused."""
    if not all(map(refused_locally, errors)):
        return errors[0].retry_after
    return min((error.retry_after for error in errors if error.retry_after is not None), default=None)


# --- the three ways to ask ---


async def chat(branch: Branch, request: ChatRequest) -> ChatResponse:
    """Ask for a whole answer."""
    return await branch.provider.chat(request)


async def chat_stream(branch: Branch, request: ChatRequest) -> ChatStream:
    """Ask for a stream."""
    return await branch.provider.chat_stream(request)


async def embeddings(branch: Branch, request: EmbeddingRequest) -> EmbeddingResponse:
    """Ask for vectors."""
    return await branch.provider.embeddings(request)
