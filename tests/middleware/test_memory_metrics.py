"""Metrics in memory: counts, success rates and percentiles over a window, from any thread, in bounded memory."""

from __future__ import annotations

import json
import os
import threading
from decimal import Decimal

import pytest

from aiclient.errors import AIClientError, ConfigError, OverloadedError, ServerError
from aiclient.middleware import (
    Cache,
    CircuitBreaker,
    MemoryMetrics,
    MetricEvent,
    MetricLabels,
    MetricResult,
    Metrics,
    Retry,
)
from aiclient.pricing import DictPrices
from aiclient.response import Attempt, Usage
from aiclient.sync.client import Client
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.mock import MockProvider

LABELS = MetricLabels("p", "m")
PRICES = {"m": {"input": 1, "output": 1}}


def attempt(**fields):
    return MetricEvent(kind="attempt", attempt=Attempt(number=1, provider="p", **fields))


@pytest.fixture
def memory(clock):
    return MemoryMetrics(window=60, clock=clock)


def used(memory, clock, *layers, replies):
    client = Client(MockProvider(replies, name="p", model="m"), clock=clock, prices=DictPrices(PRICES))
    return client.use(Metrics(memory), *layers)


def test_calls_and_attempts_are_counted_apart(memory, clock):
    with used(memory, clock, Retry(), replies=[ServerError("down"), "Paris"]) as client:
        client.chat("two words")
    seen = memory.snapshot()
    assert (seen.calls.started, seen.calls.completed, seen.calls.failed, seen.calls.in_flight) == (1, 1, 0, 0)
    (service,) = seen.services
    assert (service.provider, service.model, service.attempts, service.completed, service.failed) == ("p", "m", 2, 1, 1)
    assert (seen.calls.success_rate, service.success_rate) == (1.0, 0.5)
    assert (service.retries, service.failures, service.last_failure) == (1, {"server": 1}, "server")
    assert seen.events == {"retry": 1}


def test_tokens_and_money_are_those_of_the_attempts(memory, clock):
    with used(memory, clock, Cache(sampled=True), replies=["Paris"]) as client:
        client.chat("two words")
        client.chat("two words")
    seen = memory.snapshot()
    (service,) = seen.services
    assert service.tokens == {"prompt": 2, "completion": 1, "cached": 0, "cache_write": 0, "reasoning": 0}
    assert seen.cost_usd == service.cost_usd == Decimal("0.000003")
    assert (seen.calls.completed, seen.calls.cached, seen.events["cache.hit"]) == (2, 1, 1)


def test_a_last_failure_is_told_with_its_moment(memory, clock):
    clock.advance(5)
    with used(memory, clock, replies=OverloadedError("busy")) as client, pytest.raises(AIClientError):
        client.chat("hi")
    (service,) = memory.snapshot().services
    assert (service.last_failure, service.last_failure_at) == ("overloaded", clock.time())


def test_the_state_of_a_breaker_is_the_last_that_it_changed_to(memory, clock):
    with used(memory, clock, CircuitBreaker(1, open_for=5, jitter=0), replies=[ServerError("down"), "Paris"]) as client:
        with pytest.raises(AIClientError):
            client.chat("hi")
        assert memory.snapshot().services[0].breaker == "open"
        clock.advance(6)
        client.chat("hi")
    assert memory.snapshot().services[0].breaker == "closed"


def test_a_call_under_way_is_in_flight(memory, clock):
    with used(memory, clock, replies=lambda _: str(memory.snapshot().calls.in_flight)) as client:
        assert client.chat("hi").message.content == "1"
    assert memory.snapshot().calls.in_flight == 0


def test_rates_and_percentiles_look_back_as_far_as_the_window_and_counts_to_the_beginning(memory, clock):
    memory.record_response(LABELS, MetricResult(outcome="failed", duration=9.0))
    memory.record_event(LABELS, attempt(outcome="failed", duration=9.0))
    clock.advance(60)
    memory.record_response(LABELS, MetricResult(outcome="completed", duration=2.0, first_output=1.0))
    memory.record_event(LABELS, attempt(duration=2.0, first_output=1.0))
    seen = memory.snapshot()
    (service,) = seen.services
    assert (seen.calls.success_rate, seen.calls.duration.maximum, seen.calls.first_output.p50) == (1.0, 2.0, 1.0)
    assert (service.success_rate, service.duration.maximum, service.first_output.p50) == (1.0, 2.0, 1.0)
    assert (seen.calls.failed, service.failed) == (1, 1)
    clock.advance(60)
    assert memory.snapshot().calls.success_rate is None


@pytest.mark.parametrize("outcome", ["cancelled", "abandoned", "dry_run"])
def test_what_is_neither_success_nor_failure_is_in_no_rate(memory, outcome):
    memory.record_response(LABELS, MetricResult(outcome=outcome, duration=9.0))
    calls = memory.snapshot().calls
    assert (calls.success_rate, calls.duration.count) == (None, 0)
    assert calls.cancelled + calls.abandoned + calls.dry_runs == 1


def test_waits_for_limits_have_percentiles_of_their_own(memory):
    memory.record_event(LABELS, MetricEvent(kind="queue", seconds=3.0))
    seen = memory.snapshot()
    assert (seen.queue.p50, seen.events, seen.services) == (3.0, {"queue": 1}, ())


def test_no_more_samples_are_kept_than_was_said(clock):
    memory = MemoryMetrics(most_samples=3, clock=clock)
    for duration in range(10):
        memory.record_response(LABELS, MetricResult(outcome="completed", duration=float(duration)))
    assert memory.snapshot().calls.duration.count == 3
    assert memory.snapshot().calls.completed == 10


def test_a_reset_forgets_everything_and_a_call_that_ends_after_it_is_not_in_flight(memory, clock):
    with used(memory, clock, replies=lambda _: str(memory.reset())) as client:
        client.chat("hi")
    seen = memory.snapshot()
    assert (seen.calls.started, seen.calls.in_flight, seen.since) == (0, 0, clock.time())


def test_a_snapshot_stays_as_it_is(memory):
    memory.record_event(LABELS, attempt(usage=Usage(prompt_tokens=1)))
    seen = memory.snapshot()
    memory.record_event(LABELS, attempt(usage=Usage(prompt_tokens=1)))
    assert (seen.services[0].tokens["prompt"], memory.snapshot().services[0].tokens["prompt"]) == (1, 2)


def test_it_is_exported_as_json(memory, clock):
    with used(memory, clock, replies="Paris") as client:
        client.chat("two words")
    saved = json.loads(memory.to_json())
    assert saved == memory.snapshot().to_dict()
    assert saved["services"][0]["cost_usd"] == "0.000003"
    assert saved["calls"]["duration"]["p95"] == 0.0
    assert "two words" not in memory.to_json()


def test_threads_lose_no_count(memory):
    def work():
        for _ in range(500):
            memory.record_request(LABELS)
            memory.record_event(LABELS, attempt(usage=Usage(prompt_tokens=1)))
            memory.record_response(LABELS, MetricResult(outcome="completed"))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = memory.snapshot()
    assert (seen.calls.started, seen.calls.completed, seen.calls.in_flight) == (2000, 2000, 0)
    assert seen.services[0].tokens["prompt"] == 2000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_finds_the_lock_free(memory):
    with memory._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if memory.snapshot().calls.started == 0 else 1)
        assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("option", [{"window": 0}, {"most_samples": 0}, {"window": "x"}])
def test_a_wrong_option_is_refused_by_name(option):
    with pytest.raises(ConfigError, match=next(iter(option))):
        MemoryMetrics(**option)


def test_it_says_what_it_is():
    assert repr(MemoryMetrics(clock=FakeClock())) == "MemoryMetrics(window=300, most_samples=2000)"
