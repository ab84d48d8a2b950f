"""Spans and metrics of OpenTelemetry, on the console: one call with a retry, one stream that breaks off, and what they cost.

Needs `pip install opentelemetry-sdk`; a program that exports elsewhere changes the two exporters and nothing else.
"""

import json
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    ConsoleMetricExporter,
    MetricsData,
    NumberDataPoint,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from aiclient import AIClientError, Client
from aiclient.middleware import Metrics, OpenTelemetryMetrics, Retry, Tracing
from aiclient.testutil import FakeClock, MockProvider, fixtures

SHOWN = ("gen_ai.request.model", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "error.type")


def span_line(span: ReadableSpan) -> str:
    """Show a span in one line; without this the exporter prints all of it, as JSON."""
    place = "  " if span.parent else ""
    known = {name: span.attributes[name] for name in SHOWN if span.attributes and name in span.attributes}
    return f"span   {place}{span.name} {span.status.status_code.name} {known}\n"


def metric_lines(data: MetricsData) -> str:
    lines = []
    for metric in (m for of in data.resource_metrics for scope in of.scope_metrics for m in scope.metrics):
        for point in metric.data.data_points:
            value = point.value if isinstance(point, NumberDataPoint) else point.sum
            lines.append(f"metric {metric.name} {value} {labels(point)}")
    return "\n".join(sorted(lines)) + "\n"


def labels(point: Any) -> str:
    return json.dumps({name.rpartition(".")[2]: value for name, value in (point.attributes or {}).items()})


def main() -> None:
    resource = Resource.create({"service.name": "shop"})
    tracers = TracerProvider(resource=resource)
    tracers.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=span_line)))
    reader = PeriodicExportingMetricReader(ConsoleMetricExporter(formatter=metric_lines), export_interval_millis=60_000)
    meters = MeterProvider([reader], resource=resource)

    replies = [fixtures.overloaded(), "Rhine and Danube.", fixtures.broken_stream("Paris is")]
    client = Client(MockProvider(replies), clock=FakeClock(), prices={"mock-model": {"input": 1, "output": 4}})
    client.use(Tracing(tracer_provider=tracers), Metrics(OpenTelemetryMetrics(meter_provider=meters)), Retry())
    with client:
        client.chat("Name two rivers.")
        try:
            with client.chat_stream("Capital of France?") as stream:
                list(stream.text)
        except AIClientError as error:
            print("failed:", error.category)
    tracers.shutdown()  # before the program ends: what is still to be exported goes out here
    meters.shutdown()


if __name__ == "__main__":
    main()
