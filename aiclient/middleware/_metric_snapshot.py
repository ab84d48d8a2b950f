"""How things stand, by the measurements in memory: plain values, ready for JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from attrs import asdict, frozen

from ._metric_window import Percentiles

__all__ = ["CallMetrics", "MetricsSnapshot", "ServiceMetrics"]

_NONE = Percentiles()


@frozen(kw_only=True)
class CallMetrics:
    """Logical calls, of all providers together.

    Args:
        started: Calls that began.
        in_flight: Calls that have not ended. A stream that was dropped unclosed stays one.
        completed, failed, cancelled, abandoned, dry_runs: How the others ended.
        cached: Answered from a cache; they are in `completed` too.
        shared: Answered by another, identical call; they are in `completed` too.
        success_rate: Completed among completed and failed, in the window; None when there were none.
        duration: Of those that completed or failed in the window.
        first_output: Of the streams among them.
    """

    started: int = 0
    in_flight: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    abandoned: int = 0
    dry_runs: int = 0
    cached: int = 0
    shared: int = 0
    success_rate: float | None = None
    duration: Percentiles = _NONE
    first_output: Percentiles = _NONE


@frozen(kw_only=True)
class ServiceMetrics:
    """Attempts at one model of one provider.

    Args:
        provider, model: Which.
        attempts: Exchanges that have ended.
        completed, failed, cancelled, abandoned: How. A call that lost a race is cancelled.
        success_rate: Completed among completed and failed, in the window; None when there were none.
        duration: Of those that completed or failed in the window.
        first_output: Of the streams among them.
        failures: Category of error -> how many.
        last_failure: Category of the last failure.
        last_failure_at: When that was, in seconds since the epoch.
        tokens: `prompt`, `completion`, `cached`, `cache_write`, `reasoning` -> how many; the last three are
            parts of the first two.
        cost_usd: What the attempts cost, as far as prices are known.
        retries: How many were followed by another attempt.
        breaker: The last state that its circuit was seen to change to; None when it never changed.
    """

    provider: str
    model: str | None = None
    attempts: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    abandoned: int = 0
    success_rate: float | None = None
    duration: Percentiles = _NONE
    first_output: Percentiles = _NONE
    failures: Mapping[str, int] = {}
    last_failure: str | None = None
    last_failure_at: float | None = None
    tokens: Mapping[str, int] = {}
    cost_usd: Decimal = Decimal(0)
    retries: int = 0
    breaker: str | None = None


@frozen(kw_only=True)
class MetricsSnapshot:
    """How things stood at one moment.

    Args:
        since: When counting began, in seconds since the epoch.
        taken_at: When this was taken.
        window: Seconds that percentiles and success rates look back; the counts look back to `since`.
        calls: Logical calls.
        services: Attempts, by provider and model, in order of their first.
        events: `retry`, `fallback`, `hedge`, `breaker.open`, `cache.hit` and so on -> how many.
        queue: Waits for limits, in the window.
    """

    since: float
    taken_at: float
    window: float
    calls: CallMetrics
    services: tuple[ServiceMetrics, ...] = ()
    events: Mapping[str, int] = {}
    queue: Percentiles = _NONE

    @property
    def cost_usd(self) -> Decimal:
        """What all attempts cost, as far as prices are known."""
        return sum((service.cost_usd for service in self.services), Decimal(0))

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict that `json.dumps` accepts; amounts of money are strings, as they are exact."""
        saved = asdict(self, value_serializer=lambda _, __, value: str(value) if isinstance(value, Decimal) else value)
        return {**saved, "services": list(saved["services"])}

    def to_json(self, *, indent: int | None = None) -> str:
        """Return it as JSON."""
        return json.dumps(self.to_dict(), indent=indent)
