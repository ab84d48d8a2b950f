"""What collectors of metrics are told, and the protocol by which they are told it.

Nothing in here grows with the number of users, and nothing in here is content: labels are few, whatever is asked.
"""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from attrs import frozen

from ..errors import Category
from ..response import Attempt

__all__ = ["MetricEvent", "MetricLabels", "MetricOutcome", "MetricResult", "MetricsCollector"]

MetricOutcome: TypeAlias = Literal["completed", "failed", "cancelled", "abandoned", "dry_run"]
"""How a logical call ended: `cancelled` by the caller, `abandoned` by a reader who left early; neither is a failure."""


@frozen(cache_hash=True)
class MetricLabels:
    """What measurements are told apart by. Equal labels are one object, so that they may key what a collector keeps.

    Args:
        provider: The provider's name.
        model: The model that was asked for; `(other)` beyond the number of models that are told apart.
        operation: `chat` or `embeddings`.
        stream: Whether the answer was asked for as a stream.
        vendor: Whose protocol it is; None when that is not known.
    """

    provider: str
    model: str | None = None
    operation: Literal["chat", "embeddings"] = "chat"
    stream: bool = False
    vendor: str | None = None


@frozen(kw_only=True)
class MetricResult:
    """How a logical call ended. It has no tokens and no cost: those are its attempts', and would be counted twice.

    Args:
        outcome: How.
        category: Why it failed; None when it did not.
        duration: Seconds, with all waits, attempts, and the reading of a stream.
        first_output: Seconds to the first output of a stream; None without one.
        attempts: How many exchanges it took; 0 where a cache answered.
        cached: The answer came from a cache.
        shared: The answer was obtained by another, identical call.
    """

    outcome: MetricOutcome
    category: Category | None = None
    duration: float = 0.0
    first_output: float | None = None
    attempts: int = 0
    cached: bool = False
    shared: bool = False


@frozen(kw_only=True)
class MetricEvent:
    """Something that happened inside a logical call.

    Args:
        kind: `attempt` (an exchange has ended), `retry`, `fallback`, `hedge`, `breaker`, `cache`, `queue` (a wait for a limit
            is over), `validation`, `budget`; others may come.
        category: Why.
        detail: Of a breaker its new state, of a cache `hit`, `miss`, `shared`, `stored` or `store_failed`, of a validation
            `retried`, `refreshed`, `warned` or `rejected`; else None.
        seconds: Of a queue how long the call waited, of a retry how long it will wait.
        attempt: The exchange that has ended, with its duration, first output, usage and cost: the one place where tokens
            and money are counted.
    """

    kind: str
    category: str | None = None
    detail: str | None = None
    seconds: float | None = None
    attempt: Attempt | None = None


class MetricsCollector(Protocol):
    """Takes measurements, from any thread, and must be quick: calls wait for it. What it raises never fails a call.

    A collector that has no use for chunks sets `wants_chunks = False`; then streams are not looked at.
    """

    def record_request(self, labels: MetricLabels, /) -> None:
        """Take note that a logical call begins; the labels are those of the first service that it may reach."""
        ...

    def record_response(self, labels: MetricLabels, result: MetricResult, /) -> None:
        """Take note that a logical call has ended; the labels are those of the service that was asked last."""
        ...

    def record_stream_chunk(self, labels: MetricLabels, seconds: float, /) -> None:
        """Take note of a chunk with output, handed out `seconds` after the one before; not told of the first."""
        ...

    def record_event(self, labels: MetricLabels, event: MetricEvent, /) -> None:
        """Take note of what happened inside a call."""
        ...
