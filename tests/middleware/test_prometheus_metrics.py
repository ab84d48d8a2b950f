"""Metrics in a registry of prometheus-client."""

from __future__ import annotations

import sys

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from aiclient.attempt import chain
from aiclient.context import CallContext
from aiclient.errors import ConfigError, ServerError
from aiclient.messages import Message
from aiclient.middleware import Cache, CircuitBreaker, Metrics, PrometheusMetrics, RateLimit, Retry
from aiclient.pricing import DictPrices
from aiclient.provider import opened
from aiclient.request import ChatOptions, ChatRequest
from aiclient.response import ChatResponse, Usage
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

REQUEST = ChatRequest([Message("user", "two words")], ChatOptions(temperature=0, tags={"user": "u-17"}))
WHERE = {"provider": "p", "model": "m", "operation": "chat"}


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def metrics(registry):
    return Metrics(PrometheusMetrics(registry=registry))


async def chat(provider, clock):
    return await opened(
        REQUEST, provider.chat, CallContext(clock=clock, prices=DictPrices({"m": {"input": 1, "output": 1}}))
    )


def mock(reply):
    return MockProvider(reply, name="p", model="m")


def value(registry, name, **labels):
    return registry.get_sample_value(f"aiclient_{name}", WHERE | labels)


async def test_a_call_and_its_exchange_are_counted_and_tokens_once(registry, metrics, clock):
    usage = Usage(prompt_tokens=10, completion_tokens=5, cached_tokens=4, cache_write_tokens=3, reasoning_tokens=2)
    await chat(chain([metrics, metrics], mock(ChatResponse(Message("assistant", "Paris"), "stop", usage=usage))), clock)
    assert value(registry, "calls_total", outcome="completed", category="", cached="false") == 1
    assert value(registry, "attempts_total", outcome="completed", category="") == 1
    assert [
        value(registry, "tokens_total", type=kind)
        for kind in ("input", "output", "cache_read", "cache_write", "reasoning")
    ] == [10, 5, 4, 3, 2]
    assert value(registry, "cost_usd_total") == pytest.approx(0.000015)
    assert value(registry, "call_duration_seconds_count") == value(registry, "attempt_duration_seconds_count") == 1
    assert registry.get_sample_value("aiclient_active_calls", {"operation": "chat"}) == 0
    assert b"u-17" not in generate_latest(registry)


async def test_a_retry_a_failure_and_a_hit_are_counted(registry, metrics, clock):
    provider = chain([metrics, Cache(), Retry()], mock([ServerError("down"), "Paris"]))
    await chat(provider, clock)
    await chat(provider, clock)
    assert value(registry, "attempts_total", outcome="failed", category="server") == 1
    assert [value(registry, "events_total", event=event) for event in ("retry", "cache.miss", "cache.hit")] == [1, 1, 1]
    assert value(registry, "calls_total", outcome="completed", category="", cached="true") == 1
    assert value(registry, "tokens_total", type="input") == 2


async def test_a_breakers_state_is_a_gauge(registry, metrics, clock):
    with pytest.raises(ServerError):
        await chat(chain([metrics, CircuitBreaker(1)], mock(ServerError("down"))), clock)
    assert registry.get_sample_value("aiclient_breaker_state", {"provider": "p", "model": "m"}) == 2
    assert value(registry, "events_total", event="breaker.open") == 1


async def test_a_wait_for_a_limit_is_observed(registry, metrics, clock):
    provider = chain([metrics, RateLimit(1, per=10.0, learn=False)], mock("Paris"))
    await chat(provider, clock)
    await chat(provider, clock)
    assert value(registry, "queue_seconds_sum") == clock.monotonic()


async def test_the_times_of_a_stream_are_observed(registry, metrics, clock):
    opening = await opened(REQUEST, chain([metrics], mock("a b c")).chat_stream, CallContext(clock=clock))
    async for _ in opening:
        clock.advance(0.5)
    assert value(registry, "time_to_first_output_seconds_sum") == 0.5
    assert value(registry, "time_per_output_chunk_seconds_count") == 2
    assert value(registry, "time_per_output_chunk_seconds_sum") == 1.0


def test_a_second_one_in_the_same_registry_is_refused_with_what_to_do(registry):
    PrometheusMetrics(registry=registry)
    with pytest.raises(ConfigError, match="give it to every layer"):
        PrometheusMetrics(registry=registry)


def test_without_the_library_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ConfigError, match=r"pip install 'aiclient\[prometheus\]'"):
        PrometheusMetrics()


def test_a_wrong_option_is_refused_by_name(registry):
    with pytest.raises(ConfigError, match="chunks='yes'"):
        PrometheusMetrics(registry=registry, chunks="yes")


def test_it_says_what_it_is(registry):
    assert repr(PrometheusMetrics(registry=registry, chunks=False)) == "PrometheusMetrics(chunks=False)"
