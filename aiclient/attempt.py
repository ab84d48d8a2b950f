"""The innermost layer: one exchange with one service, written into the journal.

`chain` puts it around every leaf. It is the only place that numbers attempts, stamps provider and model, prices the usage,
arms the time limits and answers dry runs; a bare provider does the wire and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Final, TypeVar

from attrs import evolve

from .composition import compose, find, reached
from .context import CallContext, CallEvent
from .ends import End
from .errors import AIClientError, ConfigError, DryRunStop, Phase, StreamInterruptedError, TimeoutError, outcome
from .gate import Alarm
from .layer import Layer, Layered
from .prices.charges import charge
from .provider import Middleware, Provider, ProviderInfo, observed
from .request import AnyRequest, ChatRequest
from .response import NO_USAGE, Attempt, CallWarning, ChatResponse, EmbeddingResponse
from .stream import ChatStream

if TYPE_CHECKING:
    from .provider import Q, R

__all__ = ["chain", "journalled"]

T = TypeVar("T")

SHORT: Final = 10.0
"""Seconds; a time limit below this says more about the caller than about the service (see `errors.outcome`)."""


class Attempts(Layer):
    """Makes each exchange an Attempt; stands directly around the provider."""

    def __repr__(self) -> str:
        return "journal"

    async def around(self, request: Q, inner: Provider, call_next: Callable[[Q], Awaitable[R]]) -> R:
        """Do one exchange within its time limits, and journal it."""
        exchange = _Exchange.begin(request, inner)
        return await observed(exchange.limited(call_next, request), exchange.end)

    async def chat_stream(self, request: ChatRequest, inner: Provider) -> ChatStream:
        """Open a stream; the limit for the first output counts from here."""
        exchange = _Exchange.begin(request, inner, stream=True)
        return await observed(exchange.opened(inner.chat_stream, request), exchange.end)


class _Exchange:
    """One attempt under way."""

    __slots__ = (
        "_began",
        "_context",
        "_ends",
        "_first",
        "_model",
        "_number",
        "_phase",
        "_request",
        "_started",
        "_where",
    )

    def __init__(self, context: CallContext, request: AnyRequest, where: ProviderInfo) -> None:
        self._context = context
        self._request = request
        self._where = where
        self._model = request.model or where.model
        self._first: float | None = None

    @classmethod
    def begin(cls, request: AnyRequest, inner: Provider, *, stream: bool = False) -> _Exchange:
        """Start an exchange; a dry run ends here."""
        context = request.context
        assert context is not None  # opened by Layered
        _, where = next(reached(inner))
        exchange = cls(context, request, where)
        if context.dry_run:
            raise exchange._stop(inner, request, stream=stream)
        exchange._start(request)
        return exchange

    def _stop(self, inner: Provider, request: AnyRequest, *, stream: bool) -> DryRunStop:
        from .dryrun import rehearsed  # noqa: PLC0415  # most calls are in earnest

        return DryRunStop(
            f"dry run: nothing was sent to {self._where.name}",
            provider=self._where.name,
            model=self._model,
            report=rehearsed(request, inner, self._where, stream=stream),
        )

    def _start(self, request: AnyRequest) -> None:
        """Take a number, look at the clock, and tell the observers."""
        context = self._context
        context.started += 1
        self._number = context.started
        self._started = context.clock.time()
        self._began = context.clock.monotonic()
        deadline = math.inf if context.deadline is None else context.deadline
        attempt = math.inf if context.timeouts.attempt is None else self._began + context.timeouts.attempt
        self._ends = min(deadline, attempt)
        self._phase: Phase = "attempt" if attempt < deadline else "total"
        if context.observers:
            where = self._where
            context.emit(
                CallEvent("attempt_started", where.name, self._model, self._number, info=where, request=request)
            )

    async def limited(self, send: Callable[[Q], Awaitable[R]], request: Q) -> R:
        """Await the call within the attempt's and the total limit."""
        answer = await self._guarded(self._begun(send, request), self._ends, self._phase)
        return self._checked(answer, (ChatResponse, EmbeddingResponse))

    async def opened(self, send: Callable[[ChatRequest], Awaitable[ChatStream]], request: ChatRequest) -> ChatStream:
        """Open a stream within the limit for its first output; it stays under its limits while it is read."""
        limits = self._context.timeouts
        first = math.inf if limits.first_output is None else self._began + limits.first_output
        opening = self._guarded(self._begun(send, request), *min((first, "first_output"), (self._ends, self._phase)))
        stream = self._checked(await opening, (ChatStream,))
        idle = math.inf if limits.idle is None else limits.idle
        stream.limit(self._context.clock, ends=self._ends, phase=self._phase, first=first, idle=idle)
        stream.on_first_output(self._note_first)
        return stream

    def _begun(self, send: Callable[[Q], Awaitable[T]], request: Q) -> Awaitable[T]:
        call = send(request)
        if not hasattr(call, "__await__"):
            method = getattr(send, "__name__", "a method")
            raise ConfigError(
                f"{method} of the provider {self._where.name!r} returned {type(call).__name__}: it must be `async def`"
            )
        return call

    async def _guarded(self, call: Awaitable[T], ends: float, phase: Phase) -> T:
        alarm = Alarm(self._context.clock)
        alarm.set(ends, phase)
        try:
            return await alarm.guard(call)
        finally:
            alarm.stop()

    def _checked(self, result: T, kinds: tuple[type, ...]) -> T:
        if not isinstance(result, kinds):
            expected = " or ".join(kind.__name__ for kind in kinds)
            raise ConfigError(f"the provider {self._where.name!r} returned {type(result).__name__}, not {expected}")
        return result

    def _note_first(self) -> None:
        self._first = self._context.clock.monotonic() - self._began

    async def end(self, end: End) -> ChatResponse | EmbeddingResponse | None:
        """Write the attempt down; stamp and price the answer, stamp the error."""
        context, where, answer, error = self._context, self._where, end.response, end.error
        if self._ends - self._began < SHORT:
            _mark_short(error)
        model = (answer and answer.model) or self._model
        cost = charge(context.prices, self._request, where, end)
        attempt = Attempt(
            number=self._number,
            provider=where.name,
            model=model,
            outcome=end.outcome,
            category=outcome(error).category if end.outcome == "failed" and error is not None else None,
            status_code=getattr(error, "status_code", None),
            request_id=getattr(error, "request_id", None) or getattr(answer, "request_id", None),
            retry_after=getattr(error, "retry_after", None),
            started_at=self._started,
            duration=context.clock.monotonic() - self._began,
            first_output=self._first,
            usage=answer.usage if answer is not None else NO_USAGE,
            cost=cost,
        )
        context.journal.append(attempt)
        if context.observers:
            context.emit(
                CallEvent(
                    "attempt_ended",
                    where.name,
                    model,
                    self._number,
                    attempt,
                    category=attempt.category,
                    answer=answer,
                )
            )
        if isinstance(error, AIClientError):
            error.provider, error.model = error.provider or where.name, error.model or model
        if answer is None:
            return None
        return evolve(
            answer,
            provider=answer.provider or where.name,
            model=model,
            cost=answer.cost or cost,
            warnings=_warnings(answer, where.name),
        )


def _warnings(answer: ChatResponse | EmbeddingResponse, provider: str) -> tuple[CallWarning, ...]:
    """Return the warnings of an answer, and of counts that cannot be: a provider of somebody's own may not have said so."""
    usage = answer.usage
    return tuple(dict.fromkeys((*answer.warnings, *usage.doubts(provider)))) if usage.untrusted else answer.warnings


def _mark_short(error: BaseException | None) -> None:
    """Note on a timeout, also one inside an interrupted stream, that the caller had granted little."""
    cause = error.__cause__ if isinstance(error, StreamInterruptedError) else error
    if isinstance(cause, TimeoutError) and cause.phase in ("attempt", "total"):
        cause.kind = "short_deadline"


def chain(layers: Iterable[Middleware], provider: Provider) -> Provider:
    """Put `layers` around `provider`, the first one outermost, and the journal innermost; never the journal twice."""
    return compose(layers, provider if journalled(provider) else Attempts()(provider))


def journalled(provider: Provider) -> bool:
    """Whether exchanges of `provider` are journalled, so that `context.started` counts them."""
    layered = find(provider, Layered)
    while layered is not None and not isinstance(layered.layer, Attempts):
        layered = find(layered.inner, Layered)
    return layered is not None
