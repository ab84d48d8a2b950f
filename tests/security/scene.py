"""One call with everything that looks on, and what each of those who look on was given."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import traceback
import warnings
from pathlib import Path

import attrs
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest

import aiclient
from aiclient import logs
from aiclient.ledger.ledger import Ledger
from aiclient.middleware import (
    Budget,
    Logging,
    MemoryMetrics,
    Metrics,
    OpenTelemetryMetrics,
    PrometheusMetrics,
    Tracing,
)
from aiclient.testutil.clock import FakeClock

from ..faults.peers import REPLY
from ..faults.rows import Bench, let_time_pass
from . import planted

TESTS = str(Path(__file__).parents[1])
OURS = str(Path(aiclient.__file__).parent)


class Heard(logging.Handler):
    """Every record at DEBUG, with all its attributes."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.texts = []

    def emit(self, record):
        known = {name: value for name, value in vars(record).items() if name not in ("exc_info", "pathname", "args")}
        trace = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
        self.texts.append(f"{record.getMessage()} {record.args!r} {known!r} {trace}")


class Watch:
    """Those who look on.

    Args:
        content: Whether they are told what is said.
        folder: For the log file.
    """

    def __init__(self, folder, *, content=False):
        self.folder = folder
        self.heard = Heard()
        self.spans, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers, self.meters = TracerProvider(), MeterProvider([self.reader])
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.registry = CollectorRegistry()
        self.memory = MemoryMetrics()
        self.ledger = Ledger()
        self.alerts = []
        self.warned = []
        self.layers = [
            Tracing(content=content, tracer_provider=self.tracers),
            Metrics(self.memory),
            Metrics(OpenTelemetryMetrics(meter_provider=self.meters)),
            Metrics(PrometheusMetrics(registry=self.registry)),
            Logging(content=content),
            Budget(tokens=10**9, per="session", ledger=self.ledger, alerts=(1e-9,), on_alert=self.alerts.append),
        ]

    def __enter__(self):
        self._level = logging.root.level
        logging.root.addHandler(self.heard)
        logging.root.setLevel(logging.DEBUG)
        logs.configure("DEBUG", console=False, file=self.folder / "calls.log")
        self._warnings = warnings.catch_warnings(record=True)
        self.warned = self._warnings.__enter__()
        warnings.simplefilter("always")
        return self

    def __exit__(self, *trouble):
        self._warnings.__exit__(*trouble)
        logs.reset()
        logging.root.removeHandler(self.heard)
        logging.root.setLevel(self._level)
        self.tracers.shutdown()


async def play(row, path, wire, folder, *, content=False):
    """Play a row of the fault matrix with canaries in it; return what everybody was given, by who it is."""
    wire = planted.answering(wire)
    REPLY.set(planted.ANSWER)
    with Watch(folder, content=content) as watch:
        async with row.peer(wire) as peer:
            clock = FakeClock(auto=False) if row.advance is not None else None
            verify = row.verify() if row.verify else None
            provider = wire.make(peer.url, verify=verify, **row.options)
            bench = Bench(provider, timeouts=row.timeouts, clock=clock)
            inner, bench.client = bench.client, bench.client.derive(*watch.layers)
            task = asyncio.ensure_future(bench.ask(path, planted.request()))
            async with asyncio.timeout(20):  # of real seconds: it hangs
                if clock is not None:
                    await let_time_pass(row, peer, bench, clock)
                await asyncio.wait([task])
            result = task.exception() or task.result()
            given = gathered(watch, bench, result)
            await bench.close()
            await inner.close()
    return given


def gathered(watch, bench, result):
    """Return what everybody was given."""
    objects = [bench.client, provider := bench.provider, provider.info, provider.describe(), *watch.layers]
    objects += [bench.breaker, bench.rate, bench.concurrency, bench.breaker.state(), bench.client.explain()]
    error = result if isinstance(result, BaseException) else None
    attempts = result.attempts
    return {
        "logs": "\n".join(watch.heard.texts),
        "log file": (watch.folder / "calls.log").read_text("utf-8"),
        "spans": "".join(span.to_json() for span in watch.spans.get_finished_spans()),
        "metrics in memory": f"{watch.memory.to_json()}{watch.memory.snapshot()!r}",
        "metrics of OpenTelemetry": watch.reader.get_metrics_data().to_json(),
        "metrics of Prometheus": generate_latest(watch.registry).decode(),
        "ledger": f"{watch.ledger.report().to_json()}{watch.ledger.report().to_csv()}{watch.ledger!r}",
        "repr and str": "".join(f"{thing!r}{thing}" for thing in (*objects, result, planted.request())),
        "attempts": f"{attempts!r}{[attrs.asdict(each) for each in attempts]}{pickle.dumps(attempts, 0)!r}",
        "warnings": "".join(f"{each.message!r}{each.filename}" for each in watch.warned),
        "error": "".join(errors_of(error)),
        "frames": "".join(frames_of(error)),
    }


def linked(error):
    """Give the error, and whatever stands behind it."""
    todo, seen = [error], set()
    while todo:
        each = todo.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            todo += [
                each.__cause__,
                each.__context__,
                *(e for e in getattr(each, "errors", ()) if isinstance(e, BaseException)),
            ]


def errors_of(error):
    """Give all that errors say, but for the part of the answer that they carry."""
    for each in linked(error):
        held = {name: value for name, value in vars(each).items() if name != "partial"}
        yield f"{each}{each!r}{each.args!r}{held!r}{traceback.format_exception_only(each)}{json.dumps(held, default=repr)}"


def frames_of(error):
    """Give the local variables of every frame that is not of these tests."""
    for each in linked(error):
        for frame, line in traceback.walk_tb(each.__traceback__):
            if not frame.f_code.co_filename.startswith(TESTS) and "_pytest" not in frame.f_code.co_filename:
                names = {name: repr(value) for name, value in frame.f_locals.items()}
                yield f"{frame.f_code.co_qualname}:{line} {names}\n"
