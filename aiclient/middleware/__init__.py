"""Middleware: each takes a provider and returns one that behaves a little differently.

The order matters, and the first one listed is the outermost. Two examples of what an order means:

* `use(Logging(), Retry())` logs one record for the logical call, however many attempts it took;
  `use(Retry(), Logging())` logs one for every attempt.
* A layer outside `Retry` sees one answer or one error; a layer inside it sees every attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._lazy import lazy

if TYPE_CHECKING:
    from ._circuits import CircuitState
    from ._function import AroundAny, AroundChat, middleware
    from ._hook import HookContext
    from ._metric import MetricEvent, MetricLabels, MetricResult, MetricsCollector
    from ._metric_snapshot import CallMetrics, MetricsSnapshot, ServiceMetrics
    from ._metric_window import Percentiles
    from ._targets import Target
    from .breaker import CircuitBreaker
    from .budget import Budget
    from .cache import Cache, CacheStats
    from .concurrency import Concurrency
    from .defaults import Defaults
    from .dry_run import DryRun
    from .fallback import Fallback
    from .fetch_media import Fetches, FetchMedia
    from .hedge import Hedge
    from .hooks import Hooks
    from .load_balance import ArmState, LoadBalance
    from .logging import Logging
    from .memory_metrics import MemoryMetrics
    from .metrics import Metrics
    from .opentelemetry_metrics import OpenTelemetryMetrics
    from .prometheus_metrics import PrometheusMetrics
    from .rate_limit import RateLimit, RateLimitState
    from .retry import Retry
    from .single_flight import SingleFlight
    from .timeout import Timeout
    from .tracing import Tracing
    from .validate import Validate

__all__ = [
    "ArmState",
    "AroundAny",
    "AroundChat",
    "Budget",
    "Cache",
    "CacheStats",
    "CallMetrics",
    "CircuitBreaker",
    "CircuitState",
    "Concurrency",
    "Defaults",
    "DryRun",
    "Fallback",
    "FetchMedia",
    "Fetches",
    "Hedge",
    "HookContext",
    "Hooks",
    "LoadBalance",
    "Logging",
    "MemoryMetrics",
    "MetricEvent",
    "MetricLabels",
    "MetricResult",
    "Metrics",
    "MetricsCollector",
    "MetricsSnapshot",
    "OpenTelemetryMetrics",
    "Percentiles",
    "PrometheusMetrics",
    "RateLimit",
    "RateLimitState",
    "Retry",
    "ServiceMetrics",
    "SingleFlight",
    "Target",
    "Timeout",
    "Tracing",
    "Validate",
    "middleware",
]

_WHERE = {
    "ArmState": ".load_balance",
    "AroundAny": "._function",
    "AroundChat": "._function",
    "Budget": ".budget",
    "Cache": ".cache",
    "CacheStats": ".cache",
    "CallMetrics": "._metric_snapshot",
    "CircuitBreaker": ".breaker",
    "CircuitState": "._circuits",
    "Concurrency": ".concurrency",
    "Defaults": ".defaults",
    "DryRun": ".dry_run",
    "Fallback": ".fallback",
    "FetchMedia": ".fetch_media",
    "Fetches": ".fetch_media",
    "Hedge": ".hedge",
    "HookContext": "._hook",
    "Hooks": ".hooks",
    "LoadBalance": ".load_balance",
    "Logging": ".logging",
    "MemoryMetrics": ".memory_metrics",
    "MetricEvent": "._metric",
    "MetricLabels": "._metric",
    "MetricResult": "._metric",
    "Metrics": ".metrics",
    "MetricsCollector": "._metric",
    "MetricsSnapshot": "._metric_snapshot",
    "OpenTelemetryMetrics": ".opentelemetry_metrics",
    "Percentiles": "._metric_window",
    "PrometheusMetrics": ".prometheus_metrics",
    "RateLimit": ".rate_limit",
    "RateLimitState": ".rate_limit",
    "Retry": ".retry",
    "ServiceMetrics": "._metric_snapshot",
    "SingleFlight": ".single_flight",
    "Target": "._targets",
    "Timeout": ".timeout",
    "Tracing": ".tracing",
    "Validate": ".validate",
    "middleware": "._function",
}


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _WHERE)


def __dir__() -> list[str]:
    return __all__
