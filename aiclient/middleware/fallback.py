"""Ask another provider, or another model, when one cannot answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from ..errors import ConfigError
from ..layer import Layer
from ..provider import Middleware, Provider
from ..request import AnyRequest, ChatRequest, EmbeddingRequest
from ..response import ChatResponse, EmbeddingResponse
from ..stream import ChatStream
from ._branches import Choose, ask_in_turn, chat, chat_stream, embeddings, falls_over, in_order
from ._selection import Errors
from ._targets import Branch, Target, branched, branches_of, distinct, leading

__all__ = ["Fallback"]


class Fallback(Layer):
    """Ask the next target when one fails in a way that another may not.

    A call: the provider that this layer stands around is asked first, with the request as it came; each target after it
    with the original request and a model of its own, as long as the last error falls over (`errors.outcome`). A stream:
    the same until its first output; after it what fails is a StreamInterruptedError, and nobody else is asked. Place:
    outside Retry and CircuitBreaker, which belong around each target; inside a cache.

    What stands inside this layer in `use` wraps the client's own provider only: `each` is for the others. An open circuit
    leads to the next target at once and takes no attempt; every other step takes one of the attempts left. When the time is
    over, or no attempt is left, no further target is asked.

    For embeddings a target is asked only if it names a model (`Target(provider, model=...)`) or keeps the request's:
    vectors of different models cannot be compared.

    Args:
        targets: Whom to ask, in this order: providers, or `Target(provider, model=..., when=...)`. At least one.
        each: Layers to put around every one of them, the first outermost; the instances are shared.
        on: Which errors lead on, instead of those of the table: a set of categories, or a function of the error. An open
            circuit is among them if a category that may have opened it is (`server`, `overloaded`, `timeout`,
            `connection`, `protocol`). A target's own `when` goes before.

    Raises:
        ConfigError: A target is no provider or has no model, or two providers have one name.
        AllProvidersFailedError: Several were asked and all failed; it means what the first one's error means, and `errors`
            holds them all. If only one was asked, its error comes out unchanged.

    Cancelling ends the call in hand; nobody else is asked.

    Example:
        >>> down, up = MockProvider(ServerError("down"), name="a"), MockProvider("Paris", name="b")
        >>> client = Client(down).use(Fallback(up))
        >>> client.chat("Capital of France?").provider
        'b'
    """

    slot: ClassVar[str | None] = "fallback"

    def __init__(self, *targets: Provider | Target, each: Iterable[Middleware] = (), on: Errors | None = None) -> None:
        if not targets:
            raise ConfigError("Fallback() needs at least one target: Fallback(provider, ...)")
        self._further = branches_of(targets, each)
        self._leads_on = falls_over if on is None else leading("on", on)
        distinct(self._further)

    def __repr__(self) -> str:
        return f"Fallback({', '.join(branch.label for branch in self._further)})"

    def __call__(self, inner: Provider) -> Provider:
        """Wrap `inner`, which is asked first."""
        distinct(self._branches(inner))
        return branched(self, inner, self._further)

    def _branches(self, inner: Provider) -> tuple[Branch, ...]:
        return (Branch(inner), *self._further)

    def _chooser(self, inner: Provider, request: AnyRequest) -> Choose:
        return in_order(self._branches(inner), request, self._leads_on)

    async def chat(self, request: ChatRequest, inner: Provider) -> ChatResponse:
        """Ask one after the other for an answer."""
        return await ask_in_turn(request, self._chooser(inner, request), chat)

    async def chat_stream(self, request: ChatRequest, inner: Provider) -> ChatStream:
        """Ask one after the other for a stream, until one gives its first output."""
        return await ask_in_turn(request, self._chooser(inner, request), chat_stream)

    async def embeddings(self, request: EmbeddingRequest, inner: Provider) -> EmbeddingResponse:
        """Ask one after the other for vectors."""
        return await ask_in_turn(request, self._chooser(inner, request), embeddings)
