"""What an exchange cost: by the service's count where there is one, else by an estimate that says so.

An exchange that was refused has no cost: the service did no work (an HTTP error), or never saw the request (no connection, a
request that could not be sent). One that broke off, was cancelled, timed out or was left by its reader may have to be paid for
all the same: then the input is estimated, as is the output that had come.
"""

from __future__ import annotations

import logging
from typing import Final

from attrs import evolve

from ..ends import CLOSING, End
from ..errors import (
    AIClientError,
    ConfigError,
    ConnectError,
    ProtocolError,
    StreamInterruptedError,
    TimeoutError,
)
from ..provider import ProviderInfo
from ..request import AnyRequest
from ..response import NO_USAGE, CallWarning, ChatResponse, Cost, EmbeddingResponse, Usage
from ..tokens import estimate, estimate_message
from .books import PriceBook, priced

__all__ = ["charge"]

_LOGGER: Final = logging.getLogger("aiclient.prices")

UNSENT: Final = ("pool", "connect", "tls")
"""Phases of a TimeoutError before the request went out."""

BAD: Final = 400
"""HTTP statuses from here on are refusals."""


def charge(book: PriceBook | None, request: AnyRequest, where: ProviderInfo, end: End) -> Cost | None:
    """Return what an exchange cost; None where no price is known, or where it cannot have cost anything.

    Args:
        book: The prices.
        request: What was asked.
        where: Whom.
        end: How it ended.
    """
    answer = end.response
    if book is None or (answer is not None and answer.dry_run):
        return None
    asked, answered = request.model or where.model, answer.model if answer is not None else None
    usage, estimated = _used(answer, whole=end.outcome == "completed"), False
    if usage is None:
        if end.outcome == "failed" and not may_have_been_paid(end.error):
            return None
        usage, estimated = _assumed(request, answer, asked), True
    try:
        cost = priced(book, usage, where, asked=asked, answered=answered)
    except ConfigError as error:  # the answer is there and must not be lost
        cost = None
        _LOGGER.exception("what an exchange cost is not known")
        if request.context is not None:
            request.context.warnings.append(CallWarning("price_book_failed", str(error), provider=where.name))
    return evolve(cost, estimated=True) if estimated and cost is not None else cost


def may_have_been_paid(error: BaseException | None) -> bool:
    """Whether a service may have worked on a request that failed with `error`, and ask for its price."""
    if isinstance(error, (StreamInterruptedError, *CLOSING)):
        return True
    if isinstance(error, TimeoutError):
        return error.phase not in UNSENT
    if isinstance(error, ConnectError):
        return error.kind == "reset"  # it may have broken while the service was answering
    if isinstance(error, ProtocolError):
        return (error.status_code or 0) < BAD  # an answer that nobody could read
    return not isinstance(error, AIClientError)  # somebody's own provider: before or after the answer, who knows


def _used(answer: ChatResponse | EmbeddingResponse | None, *, whole: bool) -> Usage | None:
    """Return what the service reported, if the exchange was a whole one: what a stream says on its way is not all."""
    if answer is None or not whole:
        return None
    usage = answer.usage
    if isinstance(answer, EmbeddingResponse) and usage.completion_tokens is None:
        usage = evolve(usage, completion_tokens=0)  # there is no output to count
    return None if usage.prompt_tokens is None or usage.completion_tokens is None else usage


def _assumed(request: AnyRequest, answer: ChatResponse | EmbeddingResponse | None, model: str | None) -> Usage:
    """Return what was reported so far, and an estimate of the rest: never less than was reported."""
    reported = NO_USAGE if answer is None else answer.usage
    received = estimate_message(answer.message, model=model) if isinstance(answer, ChatResponse) else 0
    prompt = reported.prompt_tokens
    return evolve(
        reported,
        prompt_tokens=estimate(request, model=model) if prompt is None else prompt,
        completion_tokens=max(reported.completion_tokens or 0, received),
    )
