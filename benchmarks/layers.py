"""What each middleware adds to a call and to a chunk of a stream, in CPU microseconds, over a mock that costs next to nothing.

python benchmarks/layers.py [--rounds N] [--only WORD]

The rows are measured in turn, and the table shows medians over the rounds of the difference to the bare chain of the same
round. Nothing fails on it: it is for reading.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import statistics

from core import CALLS, CHUNKS, REQUEST, Free, calls, cpu, stream

from aiclient import AsyncClient, Middleware, resilient
from aiclient.middleware import (
    Cache,
    CircuitBreaker,
    Concurrency,
    Defaults,
    Fallback,
    Hedge,
    Hooks,
    LoadBalance,
    Logging,
    MemoryMetrics,
    Metrics,
    OpenTelemetryMetrics,
    RateLimit,
    Retry,
    SingleFlight,
    Timeout,
    Tracing,
)


class Other(Free):
    """A further target."""

    name = "other"


def quiet() -> Logging:
    """Return the layer with a logger that takes every record and shows none."""
    logger = logging.getLogger("benchmark")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [logging.NullHandler()]
    return Logging(logger=logger)


def telemetry() -> dict[str, list[Middleware]]:
    """Return the rows of what looks on: without OpenTelemetry's SDK, and with it where it is installed."""
    rows: dict[str, list[Middleware]] = {
        "Logging, to nowhere": [quiet()],
        "Metrics, in memory": [Metrics(MemoryMetrics())],
        "Tracing, no SDK": [Tracing()],
        "Metrics, no SDK": [Metrics(OpenTelemetryMetrics())],
        "Metrics, no SDK, no chunks": [Metrics(OpenTelemetryMetrics(chunks=False))],
        "Logging + Tracing + Metrics, no SDK": [quiet(), Tracing(), Metrics(OpenTelemetryMetrics())],
    }
    try:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
    except ImportError:
        return rows
    spans, meters = TracerProvider(), MeterProvider([InMemoryMetricReader()])

    def metrics(*, chunks: bool = True) -> Metrics:
        return Metrics(OpenTelemetryMetrics(meter_provider=meters, chunks=chunks))

    return rows | {
        "Tracing, SDK": [Tracing(tracer_provider=spans)],
        "Metrics, SDK": [metrics()],
        "Metrics, SDK, no chunks": [metrics(chunks=False)],
        "Logging + Tracing + Metrics, SDK": [quiet(), Tracing(tracer_provider=spans), metrics()],
    }


def clients() -> dict[str, AsyncClient]:
    rows: dict[str, Middleware] = {
        "Cache, sampled, miss": Cache(sampled=False),
        "CircuitBreaker": CircuitBreaker(),
        "Concurrency": Concurrency(100),
        "Defaults": Defaults(temperature=0.0),
        "Fallback": Fallback(Other()),
        "Hedge": Hedge(30.0),
        "Hooks, none": Hooks(),
        "LoadBalance": LoadBalance(Other()),
        "Logging, disabled": Logging(),
        "RateLimit, learning": RateLimit(),
        "RateLimit, requests, tokens": RateLimit(10**6, tokens=10**12),
        "Retry": Retry(),
        "SingleFlight": SingleFlight(),
        "Timeout": Timeout(60),
    }
    made = {"(bare chain)": AsyncClient(Free())}
    made |= {name: AsyncClient(Free()).use(layer) for name, layer in rows.items()}
    made |= {name: AsyncClient(Free()).use(*layers) for name, layers in telemetry().items()}
    made["resilient(a)"] = AsyncClient(resilient(Free()))
    made["resilient(a, b)"] = AsyncClient(resilient(Free(), Other()))
    return made


async def measure(rounds: int, only: str) -> None:
    made = {name: client for name, client in clients().items() if only in name or name == "(bare chain)"}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in made}
    for _ in range(rounds):
        for name, client in made.items():
            a_call = await cpu(calls(client.chat), CALLS)
            found[name].append((a_call, await cpu(stream(client.chat_stream(REQUEST)), CHUNKS)))
    bare = found["(bare chain)"]
    print(f"{'call':>8} {'chunk':>8}   CPU microseconds added to the bare chain (in brackets: in all)")
    for name, pairs in found.items():
        added = [statistics.median(pair[i] - base[i] for pair, base in zip(pairs, bare, strict=True)) for i in (0, 1)]
        whole = [statistics.median(pair[i] for pair in pairs) for i in (0, 1)]
        print(f"{added[0]:8.2f} {added[1]:8.2f}   {name}  ({whole[0]:.1f}, {whole[1]:.2f})")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=9)
    options.add_argument("--only", default="", metavar="WORD", help="rows whose name holds it")
    given = options.parse_args()
    asyncio.run(measure(given.rounds, given.only))


if __name__ == "__main__":
    main()
