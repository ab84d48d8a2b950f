"""Metrics for Prometheus, by its own client library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import ConfigError
from ._conventions import SECONDS
from ._metric import MetricEvent, MetricLabels, MetricResult

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from ..response import Attempt

__all__ = ["PrometheusMetrics"]

_WHERE: Final = ("provider", "model", "operation")

_BREAKER: Final = {"closed": 0, "half_open": 1, "open": 2}

_TOKENS: Final = (
    ("input", "prompt_tokens"),
    ("output", "completion_tokens"),
    ("cache_read", "cached_tokens"),
    ("cache_write", "cache_write_tokens"),
    ("reasoning", "reasoning_tokens"),
)


class PrometheusMetrics:
    """A collector that counts into a registry of `prometheus-client`, which the extra `aiclient[prometheus]` installs.

    Give it to `Metrics`. Logical calls: `aiclient_calls_total`, `aiclient_call_duration_seconds`, `aiclient_active_calls`.
    Attempts: `aiclient_attempts_total`, `aiclient_attempt_duration_seconds`, `aiclient_time_to_first_output_seconds`,
    `aiclient_tokens_total`, `aiclient_cost_usd_total`. What else happens: `aiclient_time_per_output_chunk_seconds`,
    `aiclient_queue_seconds`, `aiclient_breaker_state` (0 closed, 1 half-open, 2 open), `aiclient_events_total` with `event` as
    `retry`, `cache.hit` and so on. Tokens of the types `cache_read`, `cache_write` and `reasoning` are parts of `input` and
    `output`: do not add them up.

    Args:
        registry: Where metrics are registered; the library's global one by default. One collector for each registry: it may
            be given to many layers.
        chunks: Whether to observe the time of every chunk. Default True.

    Raises:
        ConfigError: `prometheus-client` is not installed, the registry has these metrics already, or an option is wrong.
    """

    def __init__(self, *, registry: CollectorRegistry | None = None, chunks: bool = True) -> None:
        if not isinstance(chunks, bool):
            raise ConfigError(f"chunks={chunks!r} must be True or False")
        self.wants_chunks = chunks
        try:
            import prometheus_client  # noqa: PLC0415  # an extra
        except ImportError:
            raise ConfigError(
                "PrometheusMetrics needs the package prometheus-client: pip install 'aiclient[prometheus]'"
            ) from None
        try:
            self._make(registry or prometheus_client.REGISTRY)
        except ValueError:
            raise ConfigError(
                "this registry has the metrics of another PrometheusMetrics: make one and give it to every layer, "
                "or give each a CollectorRegistry of its own"
            ) from None

    def __repr__(self) -> str:
        return f"PrometheusMetrics(chunks={self.wants_chunks})"

    def _make(self, registry: CollectorRegistry) -> None:
        from prometheus_client import Counter, Gauge, Histogram  # noqa: PLC0415  # an extra

        def seconds(name: str, words: str, *labels: str) -> Histogram:
            return Histogram(f"aiclient_{name}_seconds", words, labels, registry=registry, buckets=SECONDS)

        def count(name: str, words: str, *labels: str) -> Counter:
            return Counter(f"aiclient_{name}", words, labels, registry=registry)

        self._calls = count("calls", "Logical calls that ended", *_WHERE, "outcome", "category", "cached")
        self._duration = seconds("call_duration", "Duration of logical calls", *_WHERE)
        self._active = Gauge("aiclient_active_calls", "Logical calls under way", ("operation",), registry=registry)
        self._attempts = count("attempts", "Exchanges that ended", *_WHERE, "outcome", "category")
        self._attempt = seconds("attempt_duration", "Duration of exchanges", *_WHERE)
        self._first = seconds("time_to_first_output", "Time to the first output of a stream", *_WHERE)
        self._chunk = seconds("time_per_output_chunk", "Time of each output after the first", *_WHERE)
        self._queue = seconds("queue", "Waits for limits", *_WHERE)
        self._tokens = count("tokens", "Tokens of exchanges", *_WHERE, "type")
        self._cost = count("cost_usd", "What exchanges cost, where prices are known", *_WHERE)
        self._events = count("events", "What happened inside calls", *_WHERE, "event")
        self._breaker = Gauge("aiclient_breaker_state", "0 closed, 1 half-open, 2 open", _WHERE[:2], registry=registry)

    # --- what Metrics tells ---

    def record_request(self, labels: MetricLabels, /) -> None:
        """Count a call that is under way."""
        self._active.labels(labels.operation).inc()

    def record_response(self, labels: MetricLabels, result: MetricResult, /) -> None:
        """Count a call that has ended."""
        where = _where(labels)
        self._active.labels(labels.operation).dec()
        self._calls.labels(*where, result.outcome, result.category or "", str(result.cached).lower()).inc()
        self._duration.labels(*where).observe(result.duration)

    def record_stream_chunk(self, labels: MetricLabels, seconds: float, /) -> None:
        """Observe how long a chunk took."""
        self._chunk.labels(*_where(labels)).observe(seconds)

    def record_event(self, labels: MetricLabels, event: MetricEvent, /) -> None:
        """Count what happened inside a call."""
        where = _where(labels)
        if event.attempt is not None:
            self._count_attempt(event.attempt, where)
            return
        if event.kind == "queue":
            self._queue.labels(*where).observe(event.seconds or 0.0)
        elif event.kind == "breaker" and event.detail in _BREAKER:
            self._breaker.labels(*where[:2]).set(_BREAKER[event.detail])
        words = event.kind if event.detail is None else f"{event.kind}.{event.detail}"
        self._events.labels(*where, words).inc()

    def _count_attempt(self, attempt: Attempt, where: tuple[str, str, str]) -> None:
        self._attempts.labels(*where, attempt.outcome, attempt.category or "").inc()
        self._attempt.labels(*where).observe(attempt.duration)
        if attempt.first_output is not None:
            self._first.labels(*where).observe(attempt.first_output)
        for kind, member in _TOKENS:
            tokens = getattr(attempt.usage, member)
            if tokens:
                self._tokens.labels(*where, kind).inc(tokens)
        if attempt.cost is not None:
            self._cost.labels(*where).inc(float(attempt.cost))


def _where(labels: MetricLabels) -> tuple[str, str, str]:
    return labels.provider, labels.model or "", labels.operation
