"""Metrics that stay in this process: for tests, a status page, and small services."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ..clock import SYSTEM, Clock
from ..composition import Destination
from ..forks import own_lock
from ._metric import MetricEvent, MetricLabels, MetricResult
from ._metric_snapshot import CallMetrics, MetricsSnapshot, ServiceMetrics
from ._metric_window import Sample, Window, percentiles
from ._options import seconds, whole

if TYPE_CHECKING:
    from ..response import Attempt

__all__ = ["MemoryMetrics"]

_TOKENS: Final = (
    ("prompt", "prompt_tokens"),
    ("completion", "completion_tokens"),
    ("cached", "cached_tokens"),
    ("cache_write", "cache_write_tokens"),
    ("reasoning", "reasoning_tokens"),
)


class MemoryMetrics:
    """A collector that keeps counts, and percentiles over a sliding window, in this process.

    Give it to `Metrics`. Memory is bounded: `most_samples` measurements for each provider and model, and for all calls; and
    `Metrics` tells only so many models apart. One may serve many layers, clients, loops and threads; a forked child counts on
    from what its parent had. It has no use for chunks, so they cost nothing.

    Args:
        window: Seconds that percentiles and success rates look back. Default 300.
        most_samples: Measurements kept for each of them; the oldest go first, so that at more calls than that in a window
            the percentiles are those of the newest. Default 2,000.
        clock: Where time comes from; give it the clients' clock where they have one of their own.

    Raises:
        ConfigError: An option is wrong.
    """

    wants_chunks: ClassVar[bool] = False

    def __init__(self, *, window: float = 300.0, most_samples: int = 2000, clock: Clock = SYSTEM) -> None:
        self.window = seconds("window", window, above=True)
        self._most = whole("most_samples", most_samples)
        self._clock = clock
        self._lock = own_lock(self)
        self._begin()

    def __repr__(self) -> str:
        return f"MemoryMetrics(window={self.window:g}, most_samples={self._most})"

    def _begin(self) -> None:
        self._since = self._clock.time()
        self._counts: Counter[str] = Counter()
        self._calls = Window(self.window, self._most)
        self._queue = Window(self.window, self._most)
        self._events: Counter[str] = Counter()
        self._services: dict[tuple[str, str | None], _Service] = {}

    # --- what Metrics tells ---

    def record_request(self, labels: MetricLabels, /) -> None:
        """Count a call that begins."""
        with self._lock:
            self._counts["started"] += 1

    def record_response(self, labels: MetricLabels, result: MetricResult, /) -> None:
        """Count a call that has ended."""
        now = self._clock.monotonic()
        with self._lock:
            self._counts[result.outcome] += 1
            self._counts["cached"] += result.cached
            self._counts["shared"] += result.shared
            if result.outcome in ("completed", "failed"):
                good = result.outcome == "completed"
                self._calls.add(Sample(now, result.duration, good, result.first_output))

    def record_stream_chunk(self, labels: MetricLabels, seconds: float, /) -> None:
        """Do nothing: chunks are not kept."""

    def record_event(self, labels: MetricLabels, event: MetricEvent, /) -> None:
        """Count what happened inside a call."""
        now, moment = self._clock.monotonic(), self._clock.time()
        with self._lock:
            service = self._service(labels)
            if event.attempt is not None:
                service.count(event.attempt, now, moment)
                return
            self._events[event.kind if event.detail is None else f"{event.kind}.{event.detail}"] += 1
            if event.kind == "queue":
                self._queue.add(Sample(now, event.seconds or 0.0))
            elif event.kind == "retry":
                service.retries += 1
            elif event.kind == "breaker":
                service.breaker = event.detail

    def _service(self, labels: MetricLabels) -> _Service:
        key = labels.provider, labels.model
        service = self._services.get(key)
        if service is None:
            service = self._services[key] = _Service(Window(self.window, self._most))
        return service

    # --- for its owner ---

    def snapshot(self) -> MetricsSnapshot:
        """Return how things stand; it stays as it is while counting goes on."""
        now, moment = self._clock.monotonic(), self._clock.time()
        with self._lock:
            return MetricsSnapshot(
                since=self._since,
                taken_at=moment,
                window=self.window,
                calls=self._of_calls(now),
                services=tuple(service.seen(*key, now) for key, service in self._services.items() if service.touched),
                events=dict(self._events),
                queue=percentiles(sample.duration for sample in self._queue.at(now)),
            )

    def _of_calls(self, now: float) -> CallMetrics:
        counts, samples = self._counts, self._calls.at(now)
        ended = sum(counts[word] for word in ("completed", "failed", "cancelled", "abandoned", "dry_run"))
        return CallMetrics(
            started=counts["started"],
            in_flight=max(0, counts["started"] - ended),
            completed=counts["completed"],
            failed=counts["failed"],
            cancelled=counts["cancelled"],
            abandoned=counts["abandoned"],
            dry_runs=counts["dry_run"],
            cached=counts["cached"],
            shared=counts["shared"],
            success_rate=_rate(samples),
            duration=percentiles(sample.duration for sample in samples),
            first_output=percentiles(s.first_output for s in samples if s.first_output is not None),
        )

    def report(self, service: Destination, /) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Return what was measured of the providers of that name, for `client.status()`."""
        services = self.snapshot().to_dict()["services"]
        return {"metrics": [dict(one) for one in services if one["provider"] == service.provider]}

    def to_json(self, *, indent: int | None = None) -> str:
        """Return a snapshot as JSON."""
        return self.snapshot().to_json(indent=indent)

    def reset(self) -> None:
        """Forget everything and begin anew; calls under way then end without having begun, and are not in flight."""
        with self._lock:
            self._begin()


class _Service:
    """What is known of one model of one provider."""

    __slots__ = ("_window", "breaker", "cost", "ends", "failures", "last", "retries", "tokens")

    def __init__(self, window: Window) -> None:
        self._window = window
        self.ends: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self.cost = Decimal(0)
        self.retries = 0
        self.breaker: str | None = None
        self.last: tuple[str | None, float | None] = (None, None)

    @property
    def touched(self) -> bool:
        """Whether there is something to say of it; a cache's lookup alone names a service that was never asked."""
        return bool(self.ends) or self.breaker is not None

    def count(self, attempt: Attempt, now: float, moment: float) -> None:
        self.ends[attempt.outcome] += 1
        for name, member in _TOKENS:
            self.tokens[name] += getattr(attempt.usage, member) or 0
        if attempt.cost is not None:
            self.cost += attempt.cost.usd
        if attempt.outcome == "failed":
            category = attempt.category or "other"
            self.failures[category] += 1
            self.last = (category, moment)
        if attempt.outcome in ("completed", "failed"):
            good = attempt.outcome == "completed"
            self._window.add(Sample(now, attempt.duration, good, attempt.first_output))

    def seen(self, provider: str, model: str | None, now: float) -> ServiceMetrics:
        samples = self._window.at(now)
        return ServiceMetrics(
            provider=provider,
            model=model,
            attempts=self.ends.total(),
            completed=self.ends["completed"],
            failed=self.ends["failed"],
            cancelled=self.ends["cancelled"],
            abandoned=self.ends["abandoned"],
            success_rate=_rate(samples),
            duration=percentiles(sample.duration for sample in samples),
            first_output=percentiles(s.first_output for s in samples if s.first_output is not None),
            failures=dict(self.failures),
            last_failure=self.last[0],
            last_failure_at=self.last[1],
            tokens={name: self.tokens[name] for name, _ in _TOKENS},
            cost_usd=self.cost,
            retries=self.retries,
            breaker=self.breaker,
        )


def _rate(samples: tuple[Sample, ...]) -> float | None:
    """Return the share of successes; every sample here is one or a failure."""
    return sum(bool(sample.success) for sample in samples) / len(samples) if samples else None
