"""How an exchange ends: what is told of it, in which words a stream says that it broke off, and steps that must all run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from attrs import frozen

from .errors import AIClientError, ClientClosedError, StreamClosedError, StreamInterruptedError
from .response import ChatResponse, EmbeddingResponse, Outcome

__all__ = ["CLOSING", "End", "OnEnd", "graver", "interrupted", "survived"]


@frozen
class End:
    """How an exchange ended.

    Args:
        outcome: `completed` if the last chunk was received; it speaks of the exchange, not of how far the reader read.
        response: The answer as far as it was received; None when there is none.
        error: What it failed with.
    """

    outcome: Outcome
    response: ChatResponse | EmbeddingResponse | None = None
    error: BaseException | None = None


CLOSING: Final = (StreamClosedError, ClientClosedError)
"""Errors of a stream that was closed from our side: they say nothing about its source."""

OnEnd: TypeAlias = Callable[[End], Awaitable[ChatResponse | EmbeddingResponse | None]]
"""Told of an end; may return an amended answer. It is awaited in the reader's task: what must survive a cancellation there
runs under `uninterrupted`."""


def interrupted(cause: AIClientError) -> StreamInterruptedError:
    """Return the error of a stream whose source failed after the first output, with what it failed of as the cause."""
    error = StreamInterruptedError(
        f"the stream broke off after its first output: {cause}",
        provider=cause.provider,
        model=cause.model,
        status_code=cause.status_code,
        code=cause.code,
        kind=cause.category,
        phase=cause.phase,
        request_id=cause.request_id,
        retry_after=cause.retry_after,
    )
    error.__cause__ = cause
    return error


async def survived(work: Awaitable[None]) -> BaseException | None:
    """Run one step of the end and return what it raised: the steps after it must run all the same."""
    try:
        await work
    except BaseException as error:  # noqa: BLE001  # raised again when the stream has ended
        return error
    return None


def graver(one: BaseException | None, other: BaseException | None) -> BaseException | None:
    """Return the one to raise of two: a cancellation, else the later."""
    return one if other is None or isinstance(one, asyncio.CancelledError) else other
