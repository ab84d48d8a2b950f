"""Metrics as OpenTelemetry's SDK reads them: names, units, buckets, attributes, and nothing counted twice."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from aiclient.attempt import chain
from aiclient.context import CallContext
from aiclient.errors import ConfigError, ServerError
from aiclient.messages import Message
from aiclient.middleware import Cache, CircuitBreaker, Fallback, Metrics, OpenTelemetryMetrics, RateLimit, Retry
from aiclient.middleware._conventions import SECONDS, TOKENS
from aiclient.opening import collect
from aiclient.pricing import DictPrices
from aiclient.provider import opened
from aiclient.request import ChatOptions, ChatRequest
from aiclient.sync.client import Client
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

REQUEST = ChatRequest([Message("user", "two words")], ChatOptions(temperature=0, tags={"user": "u-17"}))
WHERE = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "mock",
    "gen_ai.request.model": "m",
    "aiclient.provider.name": "p",
    "gen_ai.request.stream": False,
}


class Read:
    """What a reader finds: name -> [(attributes, value or (count, sum))]."""

    def __init__(self):
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader])

    @property
    def metrics(self):
        data = self.reader.get_metrics_data()
        return {
            metric.name: metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def points(self, name):
        found = self.metrics.get(name)
        return [] if found is None else [(dict(point.attributes), _value(point)) for point in found.data.data_points]


def _value(point):
    return point.value if hasattr(point, "value") else (point.count, point.sum)


@pytest.fixture
def read():
    made = Read()
    yield made
    made.provider.shutdown()


@pytest.fixture
def metrics(read):
    return Metrics(OpenTelemetryMetrics(meter_provider=read.provider))


async def chat(provider, clock):
    return await opened(
        REQUEST, provider.chat, CallContext(clock=clock, prices=DictPrices({"m": {"input": 1, "output": 1}}))
    )


async def stream(provider, clock):
    opening = await opened(REQUEST, provider.chat_stream, CallContext(clock=clock))
    async for _ in opening:
        clock.advance(0.5)


def mock(reply):
    return MockProvider(reply, name="p", model="m")


async def test_a_call_is_timed_once_as_an_exchange_and_once_as_a_call_and_its_tokens_count_once(read, metrics, clock):
    await chat(chain([metrics], mock("Paris")), clock)
    assert read.points("gen_ai.client.operation.duration") == [(WHERE | {"aiclient.outcome": "completed"}, (1, 0.0))]
    assert read.points("aiclient.client.call.duration") == [
        (WHERE | {"aiclient.outcome": "completed", "aiclient.cached": False}, (1, 0.0))
    ]
    assert read.points("gen_ai.client.token.usage") == [
        (WHERE | {"gen_ai.token.type": "input"}, (1, 2)),
        (WHERE | {"gen_ai.token.type": "output"}, (1, 1)),
    ]
    assert read.points("aiclient.client.cost") == [(WHERE, pytest.approx(0.000003))]
    assert read.points("aiclient.client.active_calls") == [
        ({"gen_ai.operation.name": "chat", "gen_ai.request.stream": False}, 0)
    ]
    assert "u-17" not in read.reader.get_metrics_data().to_json()


async def test_names_units_and_buckets_are_those_of_the_conventions(read, metrics, clock):
    await stream(chain([metrics], mock("a b")), clock)
    found = read.metrics
    units = {name: metric.unit for name, metric in found.items() if name.startswith("gen_ai.")}
    assert units == {
        "gen_ai.client.operation.duration": "s",
        "gen_ai.client.token.usage": "{token}",
        "gen_ai.client.operation.time_to_first_chunk": "s",
        "gen_ai.client.operation.time_per_output_chunk": "s",
    }
    assert found["gen_ai.client.operation.duration"].data.data_points[0].explicit_bounds == SECONDS
    assert found["gen_ai.client.token.usage"].data.data_points[0].explicit_bounds == TOKENS


async def test_a_stream_is_timed_by_its_first_output_and_by_each_chunk_after_it(read, metrics, clock):
    await stream(chain([metrics], mock("a b c")), clock)
    where = WHERE | {"gen_ai.request.stream": True}
    assert read.points("gen_ai.client.operation.time_to_first_chunk") == [(where, (1, 0.5))]
    assert read.points("gen_ai.client.operation.time_per_output_chunk") == [(where, (2, 1.0))]


async def test_chunks_are_not_timed_where_that_is_not_wanted(read, clock):
    collector = OpenTelemetryMetrics(meter_provider=read.provider, chunks=False)
    opening = await opened(REQUEST, chain([Metrics(collector)], mock("a b c")).chat_stream)
    assert opening._see == ()
    await opening.close()


async def test_a_retry_is_counted_and_each_attempt_timed_with_its_error(read, metrics, clock):
    await chat(chain([metrics, Retry()], mock([ServerError("down"), "Paris"])), clock)
    assert read.points("aiclient.client.retries") == [(WHERE | {"error.type": "server"}, 1)]
    assert [attributes.get("error.type") for attributes, _ in read.points("gen_ai.client.operation.duration")] == [
        "server",
        None,
    ]
    assert len(read.points("aiclient.client.call.duration")) == 1
    assert [count for _, (count, _) in read.points("gen_ai.client.token.usage")] == [1, 1]


async def test_an_error_is_on_the_call_and_on_the_exchange_by_its_category(read, metrics, clock):
    with pytest.raises(ServerError):
        await chat(chain([metrics], mock(ServerError("down"))), clock)
    failed = WHERE | {"aiclient.outcome": "failed", "error.type": "server"}
    assert read.points("gen_ai.client.operation.duration") == [(failed, (1, 0.0))]
    assert read.points("aiclient.client.call.duration") == [(failed | {"aiclient.cached": False}, (1, 0.0))]
    assert read.points("gen_ai.client.token.usage") == []


async def test_a_hit_of_a_cache_is_a_call_without_an_exchange(read, metrics, clock):
    provider = chain([metrics, Cache()], mock("Paris"))
    await chat(provider, clock)
    await chat(provider, clock)
    assert {
        attributes["aiclient.cache.result"]: count for attributes, count in read.points("aiclient.client.cache")
    } == {
        "miss": 1,
        "stored": 1,
        "hit": 1,
    }
    cached = {
        attributes["aiclient.cached"]: count for attributes, (count, _) in read.points("aiclient.client.call.duration")
    }
    assert cached == {False: 1, True: 1}
    assert [count for _, (count, _) in read.points("gen_ai.client.token.usage")] == [1, 1]


async def test_a_breakers_state_is_a_gauge_and_its_changes_are_counted(read, metrics, clock):
    with pytest.raises(ServerError):
        await chat(chain([metrics, CircuitBreaker(1)], mock(ServerError("down"))), clock)
    place = {"gen_ai.provider.name": "mock", "aiclient.provider.name": "p", "gen_ai.request.model": "m"}
    assert read.points("aiclient.client.breaker.state") == [(place, 2)]
    assert read.points("aiclient.client.events") == [(WHERE | {"aiclient.event": "breaker.open"}, 1)]


async def test_a_fallback_is_counted_and_each_target_has_its_own_points(read, metrics, clock):
    second = MockProvider("Paris", name="q", model="n")
    await chat(chain([metrics, Fallback(second)], mock(ServerError("down"))), clock)
    assert read.points("aiclient.client.events") == [(WHERE | {"aiclient.event": "fallback"}, 1)]
    asked = [attributes["aiclient.provider.name"] for attributes, _ in read.points("gen_ai.client.operation.duration")]
    assert asked == ["p", "q"]


async def test_a_wait_for_a_limit_is_timed(read, metrics, clock):
    provider = chain([metrics, RateLimit(1, per=10.0, learn=False)], mock("Paris"))
    await chat(provider, clock)
    await chat(provider, clock)
    assert read.points("aiclient.client.queue.duration") == [(WHERE, (1, clock.monotonic()))]


async def test_a_stream_that_is_left_is_abandoned_and_no_error(read, metrics):
    opening = await opened(REQUEST, chain([metrics], mock("a b")).chat_stream)
    await anext(opening)
    await opening.close()
    ((attributes, _),) = read.points("gen_ai.client.operation.duration")
    assert (attributes["aiclient.outcome"], attributes.get("error.type")) == ("abandoned", None)


def test_the_sync_client_is_counted_alike(read, metrics):
    with Client(mock("Paris")).use(metrics) as client:
        client.chat("two words")
    assert [count for _, (count, _) in read.points("gen_ai.client.token.usage")] == [1, 1]


async def test_two_layers_count_once(read, metrics, clock):
    await chat(chain([metrics, metrics], mock("Paris")), clock)
    assert [count for _, (count, _) in read.points("gen_ai.client.token.usage")] == [1, 1]


async def test_without_an_sdk_it_records_into_nothing(clock):
    assert (await chat(chain([Metrics(OpenTelemetryMetrics())], mock("Paris")), clock)).message.content == "Paris"
    answer = await collect(opened(REQUEST, chain([Metrics(OpenTelemetryMetrics())], mock("a b")).chat_stream))
    assert answer.message.content == "a b"


@pytest.mark.parametrize("option", [{"meter_provider": 1}, {"chunks": "yes"}])
def test_a_wrong_option_is_refused_by_name(option):
    with pytest.raises(ConfigError, match=next(iter(option))):
        OpenTelemetryMetrics(**option)


def test_it_says_what_it_is():
    assert repr(OpenTelemetryMetrics()) == "OpenTelemetryMetrics(chunks=True)"
