"""Make every call a dry run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ..dryrun import DryRunReport
from ..errors import DryRunStop
from ..layer import Layer
from ..messages import Message
from ..opening import replay
from ..provider import Provider
from ..request import AnyRequest, ChatRequest, EmbeddingRequest
from ..response import ChatResponse, EmbeddingResponse
from ..stream import ChatStream

__all__ = ["DryRun"]


class DryRun(Layer):
    """Send nothing, and answer with what would have been sent.

    A call goes through the whole chain up to the provider, so that routing, defaults and refusals (an open circuit, a spent
    budget) show as they would be in earnest; there it stops. Its response has `dry_run=True`, an empty message, no finish
    reason and unknown usage; `response.raw` is the DryRunReport. A stream: the same as one chunk without output. Embeddings:
    a response without vectors. What a layer answers by itself (a cache) comes back as it is. Place: outermost; it must stand
    outside a cache, which would take the empty answer for one.

    Other errors are raised as they would be. Cancelling is not affected: nothing is kept.

    Example:
        >>> client = Client(MockProvider("Paris", name="mock")).use(DryRun())
        >>> response = client.chat("Capital of France?")
        >>> response.dry_run, response.raw.provider, response.raw.prompt_tokens
        (True, 'mock', 9)
    """

    slot = "dry_run"

    def __repr__(self) -> str:
        return "DryRun()"

    async def chat(self, request: ChatRequest, inner: Provider) -> ChatResponse:
        """Do the call up to the provider, and answer with the report."""
        result = await _stopped(request, inner.chat)
        return _answer(result) if isinstance(result, DryRunStop) else result

    async def chat_stream(self, request: ChatRequest, inner: Provider) -> ChatStream:
        """Open the stream up to the provider, and give a stream that holds the report."""
        result = await _stopped(request, inner.chat_stream)
        return replay(_answer(result)) if isinstance(result, DryRunStop) else result

    async def embeddings(self, request: EmbeddingRequest, inner: Provider) -> EmbeddingResponse:
        """Do the call up to the provider, and answer with the report."""
        result = await _stopped(request, inner.embeddings)
        return EmbeddingResponse((), **_identity(result)) if isinstance(result, DryRunStop) else result


async def _stopped(request: AnyRequest, call: Callable[[Any], Awaitable[Any]]) -> Any:
    """Make the call as a dry run, and return the stop, or the answer of a layer that did not need the provider."""
    context = request.context
    assert context is not None  # opened by Layered
    before, context.dry_run = context.dry_run, True
    try:
        return await call(request)
    except DryRunStop as stop:
        return stop
    finally:
        context.dry_run = before  # a layer outside may go on to a target that is meant in earnest


def _answer(stop: DryRunStop) -> ChatResponse:
    return ChatResponse(Message("assistant"), **_identity(stop))


def _identity(stop: DryRunStop) -> dict[str, Any]:
    assert isinstance(stop.report, DryRunReport)  # made by the innermost layer alone
    return {"provider": stop.provider, "model": stop.model, "raw": stop.report, "dry_run": True}
