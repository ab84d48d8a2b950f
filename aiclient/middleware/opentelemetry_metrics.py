"""Metrics by OpenTelemetry, under the names of its conventions for generative AI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry import metrics

from .. import __version__
from ..errors import ConfigError
from ._conventions import SECONDS, TOKENS, Name, provider_name
from ._metric import MetricEvent, MetricLabels, MetricResult

if TYPE_CHECKING:
    from opentelemetry.metrics import Histogram, Meter, MeterProvider

    from ..response import Attempt

__all__ = ["OpenTelemetryMetrics"]

_BREAKER: Final = {"closed": 0, "half_open": 1, "open": 2}

_OF_OTHERS: Final = frozenset({"attempt", "retry", "cache", "queue"})
"""Kinds of events that have a metric of their own."""


class OpenTelemetryMetrics:
    """A collector that records into OpenTelemetry's instruments. Without an SDK they do nothing, at 0.1 us each.

    Give it to `Metrics`. By the conventions, for each attempt: `gen_ai.client.operation.duration`, `gen_ai.client.token.usage`,
    and of streams `...time_to_first_chunk` and `...time_per_output_chunk`. Of our own: `aiclient.client.call.duration` for the
    logical call with all its attempts, `aiclient.client.active_calls`, `.cost`, `.retries`, `.cache`, `.events`,
    `.breaker.state` (0 closed, 1 half-open, 2 open) and `.queue.duration`. Tokens and cost are those of attempts; calls have
    none.

    Args:
        meter_provider: Where the meter comes from; the global one by default, also when it is set later.
        chunks: Whether to record the time of every chunk: with an SDK that costs some microseconds for each. Default True.

    Raises:
        ConfigError: An option is wrong.
    """

    def __init__(self, *, meter_provider: MeterProvider | None = None, chunks: bool = True) -> None:
        if meter_provider is not None and not callable(getattr(meter_provider, "get_meter", None)):
            raise ConfigError(f"meter_provider={meter_provider!r} must be an OpenTelemetry MeterProvider")
        if not isinstance(chunks, bool):
            raise ConfigError(f"chunks={chunks!r} must be True or False")
        self.wants_chunks = chunks
        self._attributes: dict[MetricLabels, dict[str, str | bool]] = {}
        self._make(metrics.get_meter("aiclient", __version__, meter_provider))

    def __repr__(self) -> str:
        return f"OpenTelemetryMetrics(chunks={self.wants_chunks})"

    def _make(self, meter: Meter) -> None:
        self._duration = _seconds(meter, Name.DURATION, "Duration of one exchange with a service")
        self._tokens = meter.create_histogram(
            Name.TOKEN_USAGE, "{token}", "Tokens of one exchange", explicit_bucket_boundaries_advisory=TOKENS
        )
        self._first = _seconds(meter, Name.TIME_TO_FIRST_CHUNK, "Time to the first output of a stream")
        self._chunk = _seconds(meter, Name.TIME_PER_CHUNK, "Time of each output of a stream after the first")
        self._call = _seconds(meter, Name.CALL_DURATION, "Duration of a logical call with all its attempts and waits")
        self._queue = _seconds(meter, Name.QUEUE, "Wait of a call for a limit")
        self._active = meter.create_up_down_counter(Name.ACTIVE_CALLS, "{call}", "Logical calls under way")
        self._cost = meter.create_counter(Name.TOTAL_COST, "{USD}", "What exchanges cost, where prices are known")
        self._retries = meter.create_counter(Name.RETRIES, "{retry}", "Attempts that failed and were made again")
        self._cache = meter.create_counter(Name.CACHE_LOOKUPS, "{event}", "Hits, misses and what else caches did")
        self._events = meter.create_counter(Name.EVENTS, "{event}", "What else happened inside calls")
        self._breaker = meter.create_gauge(Name.BREAKER, "", "0 closed, 1 half-open, 2 open")

    def _of(self, labels: MetricLabels) -> dict[str, str | bool]:
        known = self._attributes.get(labels)
        if known is None:
            known = {
                Name.OPERATION: labels.operation,
                Name.PROVIDER: provider_name(labels.provider, labels.vendor),
                Name.CONFIGURED: labels.provider,
                Name.STREAM: labels.stream,
            }
            if labels.model is not None:
                known[Name.MODEL] = labels.model
            self._attributes[labels] = known
        return known

    # --- what Metrics tells ---

    def record_request(self, labels: MetricLabels, /) -> None:
        """Count a call that is under way."""
        self._active.add(1, _alone(labels))

    def record_response(self, labels: MetricLabels, result: MetricResult, /) -> None:
        """Record how long a call took."""
        self._active.add(-1, _alone(labels))
        attributes = self._of(labels) | {Name.OUTCOME: result.outcome, Name.CACHED: result.cached}
        if result.category is not None:
            attributes[Name.ERROR] = result.category
        self._call.record(result.duration, attributes)

    def record_stream_chunk(self, labels: MetricLabels, seconds: float, /) -> None:
        """Record how long a chunk took."""
        self._chunk.record(seconds, self._of(labels))

    def record_event(self, labels: MetricLabels, event: MetricEvent, /) -> None:
        """Record what happened inside a call."""
        attributes = self._of(labels)
        if event.attempt is not None:
            self._record_attempt(event.attempt, attributes)
        elif event.kind == "retry":
            self._retries.add(1, _with(attributes, Name.ERROR, event.category))
        elif event.kind == "cache":
            self._cache.add(1, _with(attributes, Name.CACHE_RESULT, event.detail))
        elif event.kind == "queue":
            self._queue.record(event.seconds or 0.0, attributes)
        if event.kind == "breaker" and event.detail in _BREAKER:
            self._breaker.set(_BREAKER[event.detail], _where(attributes))
        if event.kind not in _OF_OTHERS:
            words = event.kind if event.detail is None else f"{event.kind}.{event.detail}"
            self._events.add(1, attributes | {Name.EVENT: words})

    def _record_attempt(self, attempt: Attempt, attributes: dict[str, str | bool]) -> None:
        ended = _with(attributes | {Name.OUTCOME: attempt.outcome}, Name.ERROR, attempt.category)
        self._duration.record(attempt.duration, ended)
        if attempt.first_output is not None:
            self._first.record(attempt.first_output, attributes)
        usage = attempt.usage
        for kind, tokens in (("input", usage.prompt_tokens), ("output", usage.completion_tokens)):
            if tokens is not None:
                self._tokens.record(tokens, attributes | {Name.TOKEN_TYPE: kind})
        if attempt.cost is not None:
            self._cost.add(float(attempt.cost), attributes)


def _seconds(meter: Meter, name: str, description: str) -> Histogram:
    return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=SECONDS)


def _alone(labels: MetricLabels) -> dict[str, str | bool]:
    """Return attributes that are the same at a call's beginning and at its end, whoever answers it."""
    return {Name.OPERATION: labels.operation, Name.STREAM: labels.stream}


def _where(attributes: dict[str, str | bool]) -> dict[str, str | bool]:
    """Return the attributes of a circuit: it is one for all operations."""
    return {name: attributes[name] for name in (Name.PROVIDER, Name.CONFIGURED, Name.MODEL) if name in attributes}


def _with(attributes: dict[str, str | bool], name: str, value: str | None) -> dict[str, str | bool]:
    return attributes if value is None else attributes | {name: value}
