"""What a collector of metrics is told of calls, attempts, chunks and what happens between."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

import pytest
from attrs import evolve

from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk
from aiclient.client import AsyncClient
from aiclient.context import CallContext
from aiclient.errors import (
    AIClientError,
    ConfigError,
    DryRunStop,
    OverloadedError,
    RateLimitError,
    ServerError,
    StreamInterruptedError,
)
from aiclient.messages import Message
from aiclient.middleware import (
    Cache,
    CircuitBreaker,
    Concurrency,
    DryRun,
    Fallback,
    Hedge,
    MemoryMetrics,
    Metrics,
    RateLimit,
    Retry,
)
from aiclient.opening import collect
from aiclient.pricing import DictPrices
from aiclient.provider import opened
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest
from aiclient.response import ChatResponse, Usage
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

REQUEST = ChatRequest([Message("user", "two words")], ChatOptions(temperature=0, tags={"user": "u-17"}))
ASKED = Usage(prompt_tokens=2, completion_tokens=1)


class Told:
    """A collector that writes everything down."""

    def __init__(self):
        self.requests, self.responses, self.chunks, self.events = [], [], [], []

    def record_request(self, labels):
        self.requests.append(labels)

    def record_response(self, labels, result):
        self.responses.append((labels, result))

    def record_stream_chunk(self, labels, seconds):
        self.chunks.append(seconds)

    def record_event(self, labels, event):
        self.events.append((labels, event))

    @property
    def kinds(self):
        return [event.kind if event.detail is None else f"{event.kind}.{event.detail}" for _, event in self.events]

    @property
    def attempts(self):
        return [event.attempt for _, event in self.events if event.kind == "attempt"]

    @property
    def tokens(self):
        return [(attempt.usage.prompt_tokens, attempt.usage.completion_tokens) for attempt in self.attempts]

    @property
    def result(self):
        ((_, result),) = self.responses
        return result


class Deaf(Told):
    wants_chunks = False


@pytest.fixture
def told():
    return Told()


async def chat(provider, context=None, request=REQUEST):
    return await opened(request, provider.chat, context)


async def stream(provider, context=None, request=REQUEST):
    return await collect(opened(request, provider.chat_stream, context))


async def embed(provider, context=None):
    return await opened(EmbeddingRequest("two words"), provider.embeddings, context)


def chunks(*words):
    pieces = [ChatStreamChunk(content=word) for word in words]
    return (*pieces, ChatStreamChunk(finish_reason="stop", usage=ASKED, last=True))


# --- a call ---


@pytest.mark.parametrize(
    ("call", "operation", "streamed"),
    [(chat, "chat", False), (stream, "chat", True), (embed, "embeddings", False)],
    ids=["chat", "stream", "embeddings"],
)
async def test_a_call_is_told_at_its_beginning_at_its_attempt_and_at_its_end(told, clock, call, operation, streamed):
    mock = MockProvider("Paris", name="p", model="m")
    await call(
        chain([Metrics(told)], mock), CallContext(clock=clock, prices=DictPrices({"m": {"input": 1, "output": 1}}))
    )
    (labels,) = told.requests
    assert (labels.provider, labels.model, labels.operation, labels.stream) == ("p", "m", operation, streamed)
    assert labels.vendor == "mock"
    assert told.responses[0][0] is labels and told.events[0][0] is labels
    assert (told.result.outcome, told.result.category, told.result.attempts) == ("completed", None, 1)
    (attempt,) = told.attempts
    assert (attempt.outcome, attempt.usage.prompt_tokens) == ("completed", 2)
    assert attempt.cost is not None
    assert told.kinds == ["attempt"]


async def test_no_label_holds_what_a_caller_wrote(told):
    await chat(chain([Metrics(told)], MockProvider("Paris")))
    shown = repr([told.requests, [labels for labels, _ in told.events], [labels for labels, _ in told.responses]])
    assert "u-17" not in shown and "two words" not in shown


async def test_times_are_those_of_the_calls_clock(told, clock):
    async def slow(_):
        await clock.sleep(2.0)
        return "Paris"

    await chat(chain([Metrics(told)], MockProvider(slow)), CallContext(clock=clock))
    assert told.result.duration == 2.0


async def test_a_failure_is_told_with_its_category_and_its_attempts(told, clock):
    provider = chain([Metrics(told), Retry(2)], MockProvider(OverloadedError("busy")))
    with pytest.raises(OverloadedError):
        await chat(provider, CallContext(clock=clock))
    assert (told.result.outcome, told.result.category, told.result.attempts) == ("failed", "overloaded", 2)
    assert told.kinds == ["attempt", "retry", "attempt"]
    assert [attempt.category for attempt in told.attempts] == ["overloaded", "overloaded"]


async def test_a_bug_in_a_provider_is_told_as_a_failure_of_the_category_other(told):
    def broken(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await chat(chain([Metrics(told)], MockProvider(broken)))
    assert (told.result.outcome, told.result.category) == ("failed", "other")


async def test_a_retry_is_told_with_its_wait_and_tokens_count_once_for_each_attempt(told, clock):
    async def partly(_):
        raise ServerError("gone", partial=ChatResponse(Message("assistant"), usage=Usage(prompt_tokens=7)))

    await chat(chain([Metrics(told), Retry()], MockProvider([partly, "Paris"])), CallContext(clock=clock))
    assert told.tokens == [(7, None), (2, 1)]
    (event,) = [event for _, event in told.events if event.kind == "retry"]
    assert event.category == "server" and event.seconds is not None
    assert told.result.attempts == 2


async def test_each_target_has_its_own_labels_and_the_call_those_of_the_last(told, clock):
    first, second = MockProvider(ServerError("down"), name="a"), MockProvider("Paris", name="b")
    await chat(chain([Metrics(told), Fallback(second)], first), CallContext(clock=clock))
    assert [(labels.provider, event.kind) for labels, event in told.events] == [
        ("a", "attempt"),
        ("a", "fallback"),
        ("b", "attempt"),
    ]
    assert (told.requests[0].provider, told.responses[0][0].provider) == ("a", "b")


async def test_an_answer_from_a_cache_is_a_call_without_attempts_and_tokens(told):
    provider = chain([Metrics(told), Cache()], MockProvider("Paris"))
    await chat(provider)
    await chat(provider)
    assert told.kinds == ["cache.miss", "attempt", "cache.stored", "cache.hit"]
    assert [(result.cached, result.attempts) for _, result in told.responses] == [(False, 1), (True, 0)]
    assert told.tokens == [(2, 1)]


async def test_who_shares_a_call_counts_no_tokens(told, shared):
    leader, follower, go = await shared(Metrics(told))
    go.set()
    await asyncio.gather(leader, follower)
    assert told.tokens == [(2, 1)]
    assert Counter(result.shared for _, result in told.responses) == {False: 1, True: 1}
    assert "cache.shared" in told.kinds


async def test_an_attempt_that_outlives_its_call_is_counted_when_it_ends(told, shared):
    """A leader leaves, and the others are still waiting for what it began."""
    leader, follower, go = await shared(Metrics(told))
    leader.cancel()
    await asyncio.wait({leader})
    assert told.tokens == []
    go.set()
    await follower
    assert told.tokens == [(2, 1)]


async def test_an_attempt_that_begins_after_its_call_is_over_is_counted_too(told, clock, shared):
    """A leader leaves; what it began fails and is tried again, for those who still wait."""
    leader, follower, go = await shared(Metrics(told), inside=[Retry()], error=ServerError("down"), clock=clock)
    leader.cancel()
    await asyncio.wait({leader})
    go.set()
    await follower
    assert [attempt.outcome for attempt in told.attempts] == ["failed", "completed"]
    assert Counter(result.outcome for _, result in told.responses) == {"cancelled": 1, "completed": 1}


async def test_both_calls_of_a_race_are_counted(told, clock):
    async def slow(_):
        await asyncio.Event().wait()

    provider = chain([Metrics(told), Hedge(1.0)], MockProvider([slow, "Paris"]))
    task = asyncio.create_task(chat(provider, CallContext(clock=clock)))
    while "hedge" not in told.kinds:
        await asyncio.sleep(0)
        clock.advance(0.5)
    await task
    assert Counter(attempt.outcome for attempt in told.attempts) == {"completed": 1, "cancelled": 1}
    assert told.result.attempts == 2


async def test_a_breakers_change_is_told_with_its_state_for_the_service_it_is_about(told, clock):
    provider = chain([Metrics(told), CircuitBreaker(1)], MockProvider(ServerError("down"), name="p", model="m"))
    with pytest.raises(ServerError):
        await chat(provider, CallContext(clock=clock))
    ((labels, event),) = [pair for pair in told.events if pair[1].kind == "breaker"]
    assert (labels.provider, labels.model, event.detail) == ("p", "m", "open")


async def test_a_wait_for_a_limit_is_told_when_it_is_over(told, clock):
    provider = chain([Metrics(told), RateLimit(1, per=10.0, learn=False)], MockProvider("Paris"))
    await chat(provider, CallContext(clock=clock))
    await chat(provider, CallContext(clock=clock))
    assert [event.seconds for _, event in told.events if event.kind == "queue"] == [clock.monotonic()]
    assert clock.monotonic() >= 10.0


async def test_a_call_that_gives_up_waiting_has_waited_too(told, clock):
    provider = chain([Metrics(told), Concurrency(1, max_wait=3.0)], MockProvider(lambda _: asyncio.Event().wait()))
    holder = asyncio.create_task(chat(provider, CallContext(clock=clock)))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(chat(provider, CallContext(clock=clock)))
    for _ in range(5):
        await asyncio.sleep(0)
    clock.advance(3.0)
    with pytest.raises(RateLimitError):
        await waiting
    assert [event.seconds for _, event in told.events if event.kind == "queue"] == [3.0]
    holder.cancel()
    await asyncio.wait({holder})


async def test_a_dry_run_is_told_as_one_and_not_as_a_failure(told):
    with pytest.raises(DryRunStop):
        await chat(chain([Metrics(told)], MockProvider()), CallContext(dry_run=True))
    assert (told.result.outcome, told.result.category) == ("dry_run", None)
    await chat(chain([Metrics(told), DryRun()], MockProvider()))
    assert [result.outcome for _, result in told.responses] == ["dry_run", "dry_run"]


# --- streams ---


async def test_a_stream_is_told_at_its_end_and_each_output_after_the_first_with_its_time(told, clock):
    provider = chain([Metrics(told)], MockProvider(chunks("a", "b", "c")))
    opening = await opened(REQUEST, provider.chat_stream, CallContext(clock=clock))
    async for _ in opening:
        clock.advance(0.5)
    assert told.chunks == [0.5, 0.5]
    assert (told.result.outcome, told.result.duration, told.result.first_output) == ("completed", 1.5, 0.0)
    assert told.tokens == [(2, 1)]


async def test_nothing_is_attached_to_the_chunks_of_a_stream_for_a_collector_that_has_no_use_for_them():
    stream = await opened(REQUEST, chain([Metrics(Deaf())], MockProvider("a b")).chat_stream)
    assert stream._see == ()
    await stream.close()


async def test_a_stream_that_is_left_early_is_abandoned(told):
    opening = await opened(REQUEST, chain([Metrics(told)], MockProvider(chunks("a", "b"))).chat_stream)
    async with opening:
        await anext(opening)
    assert (told.result.outcome, told.result.category) == ("abandoned", None)
    assert [attempt.outcome for attempt in told.attempts] == ["abandoned"]


async def test_a_stream_that_breaks_off_has_failed(told):
    with pytest.raises(StreamInterruptedError):
        await stream(chain([Metrics(told)], MockProvider((ChatStreamChunk(content="a"), ServerError("gone")))))
    assert (told.result.outcome, told.result.category) == ("failed", "server")


async def test_a_stream_that_fails_before_its_first_output_has_failed(told):
    with pytest.raises(ServerError):
        await stream(chain([Metrics(told)], MockProvider((ServerError("gone"),))))
    assert (told.result.outcome, told.result.first_output) == ("failed", None)


async def test_a_stream_replayed_from_a_cache_is_a_call_without_attempts(told):
    provider = chain([Metrics(told), Cache()], MockProvider("a b"))
    await stream(provider)
    await stream(provider)
    assert [(result.cached, result.attempts) for _, result in told.responses] == [(False, 1), (True, 0)]
    assert told.tokens == [(2, 2)]


@pytest.mark.parametrize("call", [chat, stream, embed], ids=["chat", "stream", "embeddings"])
async def test_a_cancellation_anywhere_is_told_once_and_as_one(at_every_step, call):
    def scene():
        told = Told()

        def verify(task):
            outcomes = [result.outcome for _, result in told.responses]
            assert len(outcomes) == len(told.requests) == len(told.attempts)
            assert outcomes in ([], ["cancelled"], ["completed"])

        return call(chain([Metrics(told)], MockProvider("a b"))), verify

    assert await at_every_step(scene) > 2


# --- several times, several collectors ---


async def test_a_collector_in_two_layers_is_told_of_a_call_once(told):
    metrics = Metrics(told)
    await stream(chain([metrics, Metrics(told), metrics], MockProvider("a b")))
    assert (len(told.requests), len(told.responses), len(told.attempts)) == (1, 1, 1)
    assert len(told.chunks) == 1


async def test_a_client_around_a_client_counts_a_call_once(told):
    inner = AsyncClient(MockProvider("Paris")).use(Metrics(told))
    async with AsyncClient(inner).use(Metrics(told)) as client:
        await client.chat("hi")
    await inner.close()
    assert (len(told.requests), len(told.attempts)) == (1, 1)


async def test_two_collectors_are_both_told(told):
    other = Told()
    await chat(chain([Metrics(told), Metrics(other)], MockProvider("Paris")))
    assert told.tokens == other.tokens == [(2, 1)]


async def test_inside_a_retry_each_pass_is_a_call_and_each_attempt_counts_once(told, clock):
    provider = chain([Retry(), Metrics(told)], MockProvider([ServerError("down"), "Paris"]))
    await chat(provider, CallContext(clock=clock))
    assert [result.outcome for _, result in told.responses] == ["failed", "completed"]
    assert [result.attempts for _, result in told.responses] == [1, 1]
    assert len(told.attempts) == 2


async def test_one_layer_serves_calls_that_run_at_once(told):
    provider = chain([Metrics(told)], MockProvider("Paris"))
    await asyncio.gather(*(chat(provider) for _ in range(20)))
    assert (len(told.requests), len(told.responses), len(told.attempts)) == (20, 20, 20)


async def test_models_beyond_the_number_that_is_told_apart_share_a_label(told):
    provider = chain([Metrics(told, most_models=2)], MockProvider("Paris"))
    for model in ("a", "b", "c", "d", "a"):
        await chat(provider, request=evolve(REQUEST, options=evolve(REQUEST.options, model=model)))
    assert [labels.model for labels in told.requests] == ["a", "b", "(other)", "(other)", "a"]
    assert len({id(labels) for labels in told.requests}) == 3


# --- what goes wrong ---


class Broken(Told):
    def record_request(self, labels):
        raise ValueError("no")

    record_response = record_event = record_stream_chunk = lambda self, *what: 1 / 0


async def test_a_collector_that_raises_fails_no_call_and_is_logged_once_for_each_method(caplog):
    provider = chain([Metrics(Broken())], MockProvider("a b c"))
    with caplog.at_level(logging.ERROR, "aiclient.metrics"):
        assert (await chat(provider)).message.content == "a b c"
        assert (await stream(provider)).message.content == "a b c"
    assert [record.getMessage().split(" of ")[0] for record in caplog.records] == [
        "record_request",
        "record_event",
        "record_response",
        "record_stream_chunk",
    ]


async def test_a_collector_that_raises_does_not_hide_the_error_of_a_call(caplog):
    with pytest.raises(AIClientError, match="down"):
        await chat(chain([Metrics(Broken())], MockProvider(ServerError("down"))))


@pytest.mark.parametrize(
    ("collector", "words"),
    [(object(), "record_request, record_response"), (MemoryMetrics, "the class MemoryMetrics"), (None, "None")],
    ids=["object", "class", "none"],
)
def test_what_is_no_collector_is_refused(collector, words):
    with pytest.raises(ConfigError, match=words):
        Metrics(collector)


def test_a_wrong_option_is_refused_by_name():
    with pytest.raises(ConfigError, match="most_models=0"):
        Metrics(MemoryMetrics(), most_models=0)


def test_it_says_what_it_is():
    assert repr(Metrics(MemoryMetrics())) == "Metrics(MemoryMetrics)"


async def test_an_attempt_that_began_before_the_layer_was_passed_is_not_counted(told):
    """Nobody here knows whom it asked; whoever stands outside counts it."""
    context = CallContext(clock=FakeClock())
    watch = Metrics(told)._watch(context, REQUEST, stream=False)
    stream = await opened(REQUEST, chain([], MockProvider("a")).chat_stream, context)
    watch._where.clear()
    await stream.close()
    assert told.attempts == []
