"""Count and time calls, attempts and chunks, for any system of metrics."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from ..chunks import ChatStreamChunk
from ..composition import Destination, Reports, reached
from ..context import CallContext, CallEvent
from ..errors import Category, ConfigError, DryRunStop, outcome
from ..layer import Layer
from ..logs import correlation_id
from ..provider import Provider, ProviderInfo, Q, R, observed
from ..request import AnyRequest, ChatRequest
from ..response import ChatResponse, EmbeddingResponse
from ..stream import ChatStream
from ._metric import MetricEvent, MetricLabels, MetricOutcome, MetricResult, MetricsCollector
from ._options import whole

if TYPE_CHECKING:
    from ..clock import Clock
    from ..ends import End

__all__ = ["Metrics"]

OTHER: Final = "(other)"
"""The model of those that are no longer told apart."""

_LOGGER: Final = logging.getLogger("aiclient.metrics")

_METHODS: Final = ("record_request", "record_response", "record_stream_chunk", "record_event")

_UNKNOWN: Final = ProviderInfo("unknown")

_STATED: Final = frozenset({"breaker", "cache", "validation"})
"""Events whose detail is one of a few words; that of others may hold names and numbers, which make no label."""


class Metrics(Layer):
    """Tell a collector of every call: how many, how long, how they ended, what they took.

    A call: `record_request` at its beginning and `record_response` at its end; in between `record_event` for each attempt that
    ended, with its tokens and cost, and for retries, fallbacks, hedges, breaker changes, cache lookups and waits for limits.
    Tokens are counted once, with the attempt that used them, also of attempts that failed or lost a race; what a cache
    answered, or another identical call obtained, counts none. A stream: the same, its end being the end of the call, and
    `record_stream_chunk` for each output after the first, if the collector wants chunks. Place: outermost, beside `Logging`
    and `Tracing`, outside `Cache` and `Retry`.

    One collector in several layers of a chain is told of a call once, by the outermost. Two collectors take two layers:
    `use(Metrics(a), Metrics(b))`. Labels are the provider's name, the model and the operation; what callers write (tags,
    `user_id`, prompts) is in none. Model names may come from an application's own users, so only the first `most_models` are
    told apart.

    Args:
        collector: Where measurements go: a MemoryMetrics, OpenTelemetryMetrics, PrometheusMetrics, or one of your own.
        most_models: Models that are told apart, over all providers; the others are `(other)`. Default 200.

    What the collector raises is logged to `aiclient.metrics`, once for each layer and method, and the call goes on. A call that
    is cancelled is told as such, and is no failure; a dry run is told as one.

    Raises:
        ConfigError: The collector lacks a method, or an option is wrong.

    Example:
        >>> memory = MemoryMetrics()
        >>> with Client(MockProvider("Paris")).use(Metrics(memory)) as client:
        ...     _ = client.chat("Capital of France?")
        >>> memory.snapshot().calls.completed, memory.snapshot().services[0].tokens["prompt"]
        (1, 3)
    """

    slot: ClassVar[str | None] = "metrics"

    def __init__(self, collector: MetricsCollector, *, most_models: int = 200) -> None:
        lacking = [name for name in _METHODS if not callable(getattr(collector, name, None))]
        if isinstance(collector, type) or lacking:
            what = f"the class {collector.__name__}" if isinstance(collector, type) else repr(collector)
            raise ConfigError(
                f"collector={what} is not a collector of metrics: give an instance that has {', '.join(lacking or _METHODS)}"
            )
        self.collector = collector
        self._chunks = getattr(collector, "wants_chunks", True) is not False
        self._most = whole("most_models", most_models)
        self._labels: dict[tuple[Any, ...], MetricLabels] = {}
        self._models: set[tuple[str, str | None]] = set()
        self._complained: set[str] = set()

    def __repr__(self) -> str:
        return f"Metrics({type(self.collector).__name__})"

    async def around(self, request: Q, inner: Provider, call_next: Callable[[Q], Awaitable[R]]) -> R:
        """Make the call, and tell of it."""
        context = request.context
        assert context is not None  # opened by Layered
        watch = self._watch(context, request, stream=getattr(call_next, "__name__", "") == "chat_stream")
        if watch.call is not None:
            return await call_next(request)  # a layer outside tells of this call
        call = watch.call = _Call(watch, next(reached(inner))[1], request)
        result = await observed(call_next(request), call.end)
        if isinstance(result, ChatStream):
            call.opened(result, chunks=self._chunks)
        return result

    def report(self, service: Destination, /) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Return what the collector knows of `service`, if it keeps anything, for `client.status()`."""
        return self.collector.report(service) if isinstance(self.collector, Reports) else {}

    def _watch(self, context: CallContext, request: AnyRequest, *, stream: bool) -> _Watch:
        """Return who hears this call's events for the collector: one for each call, however often it passes here."""
        for see in context.observers:
            known = getattr(see, "__self__", None)
            if isinstance(known, _Watch) and known.layer.collector is self.collector:
                return known
        watch = _Watch(self, context.clock, stream=stream, chat=isinstance(request, ChatRequest))
        context.observe(watch.see)
        return watch

    def labels(self, info: ProviderInfo, model: str | None, *, stream: bool, chat: bool) -> MetricLabels:
        """Return the labels of one exchange: the same object for the same ones."""
        key = (info.name, model, info.vendor, stream, chat)
        known = self._labels.get(key)
        if known is None:
            if (info.name, model) not in self._models:
                if len(self._models) >= self._most and model != OTHER:
                    return self.labels(info, OTHER, stream=stream, chat=chat)
                self._models.add((info.name, model))
            made = MetricLabels(info.name, model, "chat" if chat else "embeddings", stream, info.vendor)
            known = self._labels.setdefault(key, made)
        return known

    def tell(self, method: str, *what: Any) -> None:
        """Call one of the collector's methods; what it raises is logged the first time, and changes nothing."""
        try:
            getattr(self.collector, method)(*what)
        except (Exception, asyncio.CancelledError):  # of the user's code, which nobody can cancel; logged
            if method not in self._complained:
                self._complained.add(method)
                _LOGGER.exception(
                    "%s of %s failed; calls go on, and further failures of it are not logged",
                    *(method, type(self.collector).__name__),
                    extra={"aiclient": {"event": "collector_failed", "correlation_id": correlation_id()}},
                )


class _Watch:
    """Hears what happens inside one logical call, for as long as its context lives: attempts may end after the call."""

    __slots__ = ("_chat", "_stream", "_waiting", "_where", "call", "clock", "labels", "layer", "started")

    def __init__(self, layer: Metrics, clock: Clock, *, stream: bool, chat: bool) -> None:
        self.layer = layer
        self.clock = clock  # not the context, which holds this one: a cycle
        self._stream = stream
        self._chat = chat
        self._where: dict[int | None, MetricLabels] = {}
        self._waiting: float | None = None
        self.call: _Call | None = None
        self.labels: MetricLabels | None = None
        self.started = 0

    def of(self, info: ProviderInfo, model: str | None) -> MetricLabels:
        """Return the labels of one service in this call."""
        return self.layer.labels(info, model, stream=self._stream, chat=self._chat)

    @property
    def asked(self) -> MetricLabels:
        """The labels of the service that was asked last, or is to be asked first."""
        first = self.call and self.call.labels
        return self.labels or first or self.of(_UNKNOWN, None)

    def see(self, event: CallEvent) -> None:
        """Take one event."""
        if event.kind == "attempt_started":
            self.labels = self._where[event.number] = self.of(event.info or _UNKNOWN, event.model)
            self.started += 1
            self.waited()
        elif event.kind == "attempt_ended":
            labels = self._where.pop(event.number, None)
            if labels is not None:  # else it began before anybody here was asked
                self._tell(labels, MetricEvent(kind="attempt", category=event.category, attempt=event.attempt))
        elif event.kind == "limit":
            self._waiting = self.clock.monotonic() if self._waiting is None else self._waiting
        else:
            self._happened(event)

    def _happened(self, event: CallEvent) -> None:
        labels = self.asked
        if event.kind == "breaker" and (event.provider, event.model) != (labels.provider, labels.model):
            labels = self.of(ProviderInfo(event.provider or _UNKNOWN.name), event.model)
        detail = event.detail if event.kind in _STATED else None
        seconds = event.delay if event.kind == "retry" else None
        self._tell(labels, MetricEvent(kind=event.kind, category=event.category, detail=detail, seconds=seconds))

    def waited(self) -> None:
        """Tell of the wait for a limit that is over now, if there was one."""
        if self._waiting is not None:
            seconds, self._waiting = self.clock.monotonic() - self._waiting, None
            self._tell(self.asked, MetricEvent(kind="queue", seconds=seconds))

    def _tell(self, labels: MetricLabels, event: MetricEvent) -> None:
        self.layer.tell("record_event", labels, event)


class _Call:
    """One logical call under way."""

    __slots__ = ("_began", "_first", "_started", "_watch", "labels")

    def __init__(self, watch: _Watch, info: ProviderInfo, request: AnyRequest) -> None:
        self._watch = watch
        self._began = watch.clock.monotonic()
        self._first: float | None = None
        self._started = watch.started
        watch.labels = None
        self.labels = watch.of(info, request.model or info.model)
        watch.layer.tell("record_request", self.labels)

    def opened(self, stream: ChatStream, *, chunks: bool) -> None:
        """Attach to a stream as little as is needed."""
        if stream.end is None:
            stream.on_first_output(self._note_first)
            if chunks:
                stream.on_chunk(self._timer())

    def _note_first(self) -> None:
        self._first = self._watch.clock.monotonic() - self._began

    def _timer(self) -> Callable[[ChatStreamChunk], None]:
        monotonic, tell = self._watch.clock.monotonic, self._watch.layer.tell
        labels = self._watch.asked
        before: float | None = None

        def see(chunk: ChatStreamChunk) -> None:
            nonlocal before
            if chunk.is_output:
                now = monotonic()
                if before is not None:
                    tell("record_stream_chunk", labels, now - before)
                before = now

        return see

    async def end(self, end: End) -> None:
        """Tell of the end."""
        watch, answer = self._watch, end.response
        watch.waited()
        result = MetricResult(
            outcome=_outcome(end, answer),
            category=_category(end),
            duration=self._watch.clock.monotonic() - self._began,
            first_output=self._first,
            attempts=watch.started - self._started,
            cached=answer is not None and answer.cached,
            shared=answer is not None and answer.shared,
        )
        watch.layer.tell("record_response", watch.asked, result)
        watch.call = None


def _category(end: End) -> Category | None:
    if end.outcome != "failed" or end.error is None or isinstance(end.error, DryRunStop):
        return None
    return outcome(end.error).category


def _outcome(end: End, answer: ChatResponse | EmbeddingResponse | None) -> MetricOutcome:
    if isinstance(end.error, DryRunStop) or (answer is not None and answer.dry_run):
        return "dry_run"
    return cast("MetricOutcome", end.outcome)
