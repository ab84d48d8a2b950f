"""The core: what a provider is, what a middleware is, and how they are put together.

A **provider** answers chat requests, as a whole or as a stream, and embeddings. A **middleware** takes a provider and returns
a provider. That is the whole idea; everything else in the library is one or the other:

    provider = compose([Logging(), Retry()], OpenAIProvider())      # Logging(Retry(OpenAIProvider()))
    response = await provider.chat(request)

There are four ways to write a middleware:

1. a function `Provider -> Provider`;
2. a subclass of `Wrapper`, which *is* the wrapped provider: for what belongs to one inner provider;
3. a subclass of `Layer` (both are in `layer.py`), for anything with options or state; every built-in is one;
4. `@middleware(stream=...)` over one async function (in `aiclient.middleware`).

A middleware may be applied many times, to many providers, from many event loops and threads. So **state lives in the Layer
instance, keyed by destination, behind a `threading.Lock` that is never held across an await**, and never in a wrapper or
a closure.

`Provider` never grows. What only some providers can do (list models, show a preview) is a small protocol of its own, which
`composition.find` looks for in a chain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias, TypeVar, cast, runtime_checkable

from attrs import evolve, frozen

from .context import CallContext, Timeouts
from .ends import End, OnEnd
from .errors import AIClientError, UnsupportedFeatureError
from .opening import replay
from .request import ChatRequest, EmbeddingRequest
from .response import ChatResponse, EmbeddingResponse
from .stream import ChatStream

__all__ = [
    "BaseProvider",
    "Identified",
    "Middleware",
    "Provider",
    "ProviderInfo",
    "begin",
    "observed",
    "opened",
]

Q = TypeVar("Q", bound=ChatRequest | EmbeddingRequest)
R = TypeVar("R", bound=ChatResponse | ChatStream | EmbeddingResponse)


# --- what a provider is ---


class Provider(Protocol):
    """Answers requests. Implementers write `async def`; parameter names are theirs to choose."""

    @property
    def name(self) -> str:
        """What this provider is called in logs, errors and journals."""
        ...

    def chat(self, request: ChatRequest, /) -> Awaitable[ChatResponse]:
        """Answer as a whole."""
        ...

    def chat_stream(self, request: ChatRequest, /) -> Awaitable[ChatStream]:
        """Open a stream; returns when the service has begun to answer."""
        ...

    def embeddings(self, request: EmbeddingRequest, /) -> Awaitable[EmbeddingResponse]:
        """Turn texts into vectors."""
        ...

    def validate_config(self) -> None:
        """Raise ConfigError if this provider could not work; sends nothing."""
        ...

    def close(self) -> Awaitable[None]:
        """Drop idle connections; calls in flight finish, and the next call works again."""
        ...


Middleware: TypeAlias = Callable[[Provider], Provider]
"""Takes a provider, returns one that behaves a little differently."""


@frozen
class ProviderInfo:
    """A service that a request may reach.

    Args:
        name: The provider's name; two providers of one vendor are told apart by it.
        vendor: Who made the protocol: opaque data goes back to the same vendor only.
        origin: Scheme, host and port.
        model: The default model.
        scope: A keyed hash of the credential, never the credential: keeps tenants apart.
    """

    name: str
    vendor: str | None = None
    origin: str | None = None
    model: str | None = None
    scope: str | None = None


@runtime_checkable
class Identified(Protocol):
    """Knows which service it reaches."""

    @property
    def info(self) -> ProviderInfo:
        """The service."""
        ...


class BaseProvider:
    """Defaults for people who write a provider: override `chat`, and what else the service can do."""

    name: str = "custom"

    async def chat(self, request: ChatRequest, /) -> ChatResponse:
        """Refuse; override it."""
        raise UnsupportedFeatureError(f"{self.name} does not answer chat requests", provider=self.name)

    async def chat_stream(self, request: ChatRequest, /) -> ChatStream:
        """Stream what `chat` answers, part by part."""
        return replay(await self.chat(request))

    async def embeddings(self, request: EmbeddingRequest, /) -> EmbeddingResponse:
        """Refuse; override it."""
        raise UnsupportedFeatureError(f"{self.name} does not embed texts", provider=self.name)

    def validate_config(self) -> None:
        """Find nothing wrong."""

    async def close(self) -> None:
        """Hold nothing open."""


# --- one logical call ---


def begin(request: Q, context: CallContext | None = None) -> tuple[Q, CallContext]:
    """Return the request with its context, opening one if it has none, and that context.

    A context is one logical call: the same request sent again gets a new one. `context` prepares the new one (clock,
    prices); what the request's own options say is added to it.
    """
    if request.context is not None:
        return request, request.context
    context = context or CallContext()
    options = request.options if isinstance(request, ChatRequest) else request
    if options.timeout is not None:
        context.timeouts = Timeouts.of(options.timeout, context.timeouts)
    if options.tags:
        context.tags = {**context.tags, **options.tags}
    if isinstance(request, ChatRequest):
        context.tenant, context.cache = request.options.tenant or context.tenant, request.options.cache
        context.strict = context.strict or request.options.strict
    if context.deadline is None and context.timeouts.total is not None:
        context.deadline = context.clock.monotonic() + context.timeouts.total
    return evolve(request, context=context), context


async def opened(request: Q, call: Callable[[Q], Awaitable[R]], context: CallContext | None = None) -> R:
    """Open a context for `request`, make the call in it, and put the journal on what comes out.

    Answers and errors leave with `attempts`, answers with `warnings` too.
    """
    request, context = begin(request, context)

    async def sign(end: End) -> ChatResponse | EmbeddingResponse | None:
        attempts, warned = tuple(context.journal), tuple(context.warnings)
        if isinstance(end.error, AIClientError):
            end.error.attempts = end.error.attempts or attempts
        if end.response is None or not (attempts or warned):
            return None
        told = dict.fromkeys((*end.response.warnings, *warned))  # a client around this one says them too
        return evolve(end.response, attempts=attempts, warnings=tuple(told))

    return await observed(call(request), sign)


async def observed(call: Awaitable[R], tell: OnEnd) -> R:
    """Await `call` and have `tell` told of its End exactly once; it may amend the answer.

    At once for an answer, an error or a cancellation; for a stream, when it closes.
    """
    try:
        result = await call
    except asyncio.CancelledError as error:
        await tell(End("cancelled", None, error))
        raise
    except BaseException as error:  # bugs end a call too, and its end must be told; raised again
        await tell(End("failed", getattr(error, "partial", None), error))
        raise
    if isinstance(result, ChatStream):
        if result.end is not None:  # an inner layer has read it to its end
            await tell(result.end)
        else:
            result.on_close(tell)
        return result
    amended = await tell(End("completed", result))
    return cast("R", amended) if amended is not None else result
