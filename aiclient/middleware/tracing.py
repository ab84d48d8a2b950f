"""Spans for calls and attempts, by OpenTelemetry."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from opentelemetry import context as ambient
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from .. import __version__
from ..composition import reached
from ..context import CallContext, CallEvent
from ..errors import AIClientError, ConfigError, DryRunStop, outcome
from ..layer import Layer
from ..logs import correlation_id
from ..provider import Provider, ProviderInfo, Q, R, observed
from ..request import AnyRequest
from ..response import ChatResponse
from ..stream import ChatStream
from ._conventions import CONTENT_VARIABLE, Name
from ._options import whole
from ._trace_attributes import Attributes, asked, asked_further, ended, happened, operation_of, told
from ._trace_content import input_attributes, masked, output_attributes

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer, TracerProvider

    from ..clock import Clock
    from ..ends import End

__all__ = ["Tracing"]

T = TypeVar("T")

_LOGGER: Final = logging.getLogger("aiclient.tracing")

_UNKNOWN: Final = ProviderInfo("unknown")


class Tracing(Layer):
    """Make a span for every logical call, and one inside it for every attempt.

    A call: the operation span (`aiclient chat MODEL`, INTERNAL) says how the call ended and has events for retries, fallbacks,
    hedges, breaker changes, cache lookups and waits for limits. The attempt spans (`chat MODEL`, CLIENT) are its children and
    say what was asked of whom and what it used: tokens and cost are there and nowhere else, so that nothing counts twice. An
    attempt's span is the current one while its exchange goes on: spans of instrumented HTTP libraries become its children. A
    stream: both spans last until it ends, and tell the time to its first output. Place: outermost, outside `Cache`,
    `Fallback` and `Retry`; behind a sync client spans are children of the span of the caller's thread all the same.

    Names are those of OpenTelemetry's conventions for generative AI. Only `opentelemetry-api` is needed; without an SDK
    there are no spans, and calls cost next to nothing more. Two of these layers in one chain make the spans of one.

    **Content** (messages, answers, tool definitions, the words of errors) is on no span unless asked for; keys in it are
    masked. Media are named by their kind, never sent along. Tags and user ids are never on spans.

    Args:
        content: Whether to put content on attempt spans. By default what the variable
            `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` says when the layer is made (`SPAN_ONLY` or `SPAN_AND_EVENT`
            for yes), and no if it is not set.
        content_limit: Most characters of one text on a span; the rest is cut. Default 10,000.
        tracer_provider: Where the tracer comes from; the global one by default, also when it is set later.

    Raises:
        ConfigError: An option is wrong.

    A cancelled call and a stream that is left early are told as such (`aiclient.outcome`), and are no errors. A stream that is
    dropped without being closed leaves its spans open: they are never exported.
    """

    slot: ClassVar[str | None] = "tracing"

    def __init__(
        self,
        *,
        content: bool | None = None,
        content_limit: int = 10_000,
        tracer_provider: TracerProvider | None = None,
    ) -> None:
        if content is not None and not isinstance(content, bool):
            raise ConfigError(f"content={content!r} must be True, False, or None for what {CONTENT_VARIABLE} says")
        if tracer_provider is not None and not callable(getattr(tracer_provider, "get_tracer", None)):
            raise ConfigError(f"tracer_provider={tracer_provider!r} must be an OpenTelemetry TracerProvider")
        self.content = _content_asked_for() if content is None else content
        self.content_limit = whole("content_limit", content_limit)
        self._complained = False
        self.tracer: Tracer = trace.get_tracer("aiclient", __version__, tracer_provider)

    def __repr__(self) -> str:
        return f"Tracing({'content=True' if self.content else ''})"

    async def around(self, request: Q, inner: Provider, call_next: Callable[[Q], Awaitable[R]]) -> R:
        """Make the call inside a span that is the current one until the answer is there, or the stream open."""
        context = request.context
        assert context is not None  # opened by Layered
        watch = _watch(context)
        if watch is not None and watch.operation is not None:
            return await call_next(request)  # a layer outside traces this call
        stream = getattr(call_next, "__name__", "") == "chat_stream"
        operation = self.safely(lambda: _Operation(self, context, next(reached(inner))[1], request, stream=stream))
        if operation is None or operation.pointless:
            return await call_next(request)
        if watch is None:
            watch = _Watch(self, operation.times, operation_of(request), stream=stream)
            context.observe(watch.see)
        operation.watch, watch.operation = watch, operation
        token = ambient.attach(trace.set_span_in_context(operation.span))
        try:
            result = await observed(call_next(request), operation.end)
        finally:
            ambient.detach(token)
        if isinstance(result, ChatStream) and result.end is None:
            result.on_first_output(operation.note_first)
        return result

    def safely(self, step: Callable[[], T]) -> T | None:
        """Take a step of telemetry; what an SDK or one of its processors raises is logged once, and fails no call."""
        try:
            return step()
        except Exception:  # of code that was plugged in; logged
            if not self._complained:
                self._complained = True
                fields = {"event": "tracing_failed", "correlation_id": correlation_id()}
                _LOGGER.exception("tracing failed; calls go on, and it is not logged again", extra={"aiclient": fields})
            return None


def _content_asked_for() -> bool:
    return os.environ.get(CONTENT_VARIABLE, "").strip().upper() in ("SPAN_ONLY", "SPAN_AND_EVENT", "TRUE")


def _watch(context: CallContext) -> _Watch | None:
    """Return who traces this call already: there is one for each call, however often it passes such a layer."""
    for see in context.observers:
        known = getattr(see, "__self__", None)
        if isinstance(known, _Watch):
            return known
    return None


class _Times:
    """Moments as OpenTelemetry wants them: nanoseconds since the epoch, from a clock that never runs backwards."""

    __slots__ = ("_began", "_clock", "_epoch")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._epoch = clock.time()
        self._began = clock.monotonic()

    @property
    def elapsed(self) -> float:
        return self._clock.monotonic() - self._began

    @property
    def now(self) -> int:
        return _nanoseconds(self._epoch + self.elapsed)


class _Watch:
    """Hears what happens inside one logical call, for as long as its context lives: attempts may end after the call."""

    __slots__ = ("_attempts", "_layer", "_name", "_stream", "_times", "operation")

    def __init__(self, layer: Tracing, times: _Times, name: str, *, stream: bool) -> None:
        self._layer = layer
        self._times = times
        self._name = name
        self._stream = stream
        self._attempts: dict[int | None, tuple[Span, Context]] = {}
        self.operation: _Operation | None = None

    def see(self, event: CallEvent) -> None:
        """Take one event."""
        self._layer.safely(lambda: self._take(event))

    def _take(self, event: CallEvent) -> None:
        if event.kind == "attempt_started":
            self._start(event)
        elif event.kind == "attempt_ended":
            self._end(event)
        elif self.operation is not None and self.operation.span.is_recording():
            self.operation.span.add_event(f"aiclient.{event.kind}", happened(event), self._times.now)

    def _start(self, event: CallEvent) -> None:
        """Start the attempt's span under whatever is the current one here, which it then is itself.

        This runs in the task that makes the exchange; tasks that race have each a current span of their own.
        """
        info, before = event.info or _UNKNOWN, ambient.get_current()
        span = self._layer.tracer.start_span(
            f"{self._name} {event.model}" if event.model else self._name,
            before,
            SpanKind.CLIENT,
            asked(info, event.model, self._name),
            start_time=self._times.now,
        )
        if span.is_recording() and event.request is not None:
            span.set_attributes(asked_further(event.request, info, stream=self._stream))
            span.set_attribute(Name.NUMBER, event.number or 0)
            if self._layer.content:
                span.set_attributes(input_attributes(event.request, self._layer.content_limit))
        self._attempts[event.number] = span, before
        ambient.attach(trace.set_span_in_context(span, before))

    def _end(self, event: CallEvent) -> None:
        known, attempt = self._attempts.pop(event.number, None), event.attempt
        if known is None or attempt is None:
            return
        span, before = known
        if span.is_recording():
            span.set_attributes(ended(attempt, event.answer))
            if attempt.outcome == "failed":
                span.set_status(Status(StatusCode.ERROR, attempt.category))
            if self._layer.content and isinstance(event.answer, ChatResponse):
                span.set_attributes(output_attributes(event.answer, self._layer.content_limit))
        span.end(self._times.now)
        if (
            trace.get_current_span() is span
        ):  # not so where a stream is closed by another task than the one that opened it
            ambient.attach(before)


class _Operation:
    """One logical call under way."""

    __slots__ = ("_context", "_first", "_layer", "_started", "span", "times", "watch")

    def __init__(
        self, layer: Tracing, context: CallContext, info: ProviderInfo, request: AnyRequest, *, stream: bool
    ) -> None:
        self._layer = layer
        self._context = context
        self.times = _Times(context.clock)
        self._started = context.started
        self._first: float | None = None
        self.watch: _Watch | None = None
        name, model = operation_of(request), request.model or info.model
        self.span = layer.tracer.start_span(
            f"aiclient {name} {model}" if model else f"aiclient {name}",
            kind=SpanKind.INTERNAL,
            attributes=asked(info, model, name) | {Name.CALL_ID: context.id, Name.STREAM: stream},
            start_time=self.times.now,
        )

    @property
    def pointless(self) -> bool:
        """Whether there is no SDK: nothing is recorded, nor is there a trace that goes on."""
        return not self.span.is_recording() and not self.span.get_span_context().is_valid

    def note_first(self) -> None:
        self._first = self.times.elapsed

    async def end(self, end: End) -> None:
        """End the span."""
        if self.watch is not None:
            self.watch.operation = None
        self._layer.safely(lambda: self._end(end))

    def _end(self, end: End) -> None:
        if self.span.is_recording():
            self.span.set_attributes(self._ended(end))
            if end.outcome == "failed" and not isinstance(end.error, DryRunStop):
                self.span.set_status(Status(StatusCode.ERROR, self._words(end.error)))
        self.span.end(self.times.now)

    def _ended(self, end: End) -> Attributes:
        attributes: Attributes = {
            Name.OUTCOME: end.outcome,
            Name.ATTEMPTS: self._context.started - self._started,
        }
        if self._first is not None:
            attributes[Name.CALL_FIRST_OUTPUT] = self._first
        answer, error = end.response, end.error
        if isinstance(error, DryRunStop) or (answer is not None and answer.dry_run):
            attributes[Name.OUTCOME] = "dry_run"
        elif end.outcome == "failed" and error is not None:
            attributes[Name.ERROR] = (
                outcome(error).category if isinstance(error, AIClientError) else type(error).__name__
            )
        if answer is not None:
            attributes |= {Name.CACHED: answer.cached, Name.SHARED: answer.shared}
        if answer is not None and (model := told(answer.model)) is not None:
            attributes[Name.RESPONSE_MODEL] = model
        return attributes

    def _words(self, error: BaseException | None) -> str:
        """Return what a span may say of an error: its class, and its words where content may be shown."""
        return masked(str(error), self._layer.content_limit) if self._layer.content else type(error).__name__


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
