"""Asking a service that keeps failing no more for a while."""

from __future__ import annotations

import asyncio
import logging
import random
import threading

import pytest

from aiclient import Client, logs
from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk
from aiclient.clock import SYSTEM
from aiclient.composition import Destination, compose
from aiclient.context import CallContext, Timeouts
from aiclient.errors import (
    AIClientError,
    AuthenticationError,
    BadRequestError,
    CircuitOpenError,
    ConfigError,
    ConnectError,
    ContextLengthError,
    DryRunStop,
    OverloadedError,
    ProtocolError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    StreamInterruptedError,
    TimeoutError,
)
from aiclient.messages import Message
from aiclient.middleware import CircuitBreaker, Retry
from aiclient.middleware._keyed import MOST
from aiclient.opening import collect, replay
from aiclient.provider import opened
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest
from aiclient.response import ChatResponse, EmbeddingResponse
from aiclient.stream import ChatStream
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

REQUEST = ChatRequest([Message("user", "hi")])
HEAD, A = ChatStreamChunk(id="r1"), ChatStreamChunk(content="a")
LAST = ChatStreamChunk(finish_reason="stop", last=True)
SHUT, OPEN, HALF = "closed", "open", "half_open"


class Script(MockProvider):
    """Gives its replies to embeddings too, as the model's name."""

    async def embeddings(self, request, /):
        answer = await self.chat(ChatRequest([Message("user", request.input[0])]))
        return EmbeddingResponse([[1.0]], model=answer.message.content)


def of_model(model):
    return ChatRequest([Message("user", "hi")], ChatOptions(model=model))


def unlimited(clock, **more):
    return CallContext(clock=clock, timeouts=Timeouts(total=None), **more)


async def chat(provider, context, request=REQUEST):
    return (await opened(request, provider.chat, context)).message.content


async def stream(provider, context, request=REQUEST):
    return (await collect(opened(request, provider.chat_stream, context))).message.content


async def embed(provider, context, request=REQUEST):
    return (await opened(EmbeddingRequest("hi", model=request.model), provider.embeddings, context)).model


PATHS = pytest.mark.parametrize("call", [chat, stream, embed], ids=["chat", "stream", "embeddings"])


async def outcomes(provider, clock, count, call=chat):
    """Call so many times; returns the answers, and the names of the errors' classes."""
    ends = []
    for _ in range(count):
        try:
            ends.append(await call(provider, unlimited(clock)))
        except AIClientError as error:
            ends.append(type(error).__name__)
    return ends


def state(breaker, name=None):
    (one,) = breaker.state(name)
    return one.state


async def half_open(clock, reply, **options):
    """A breaker whose next call is the probe, around a mock that gives `reply` to it."""
    breaker = CircuitBreaker(failures=1, jitter=0, **options)
    mock = Script([ServerError(), *reply] if isinstance(reply, list) else [ServerError(), reply])
    provider = chain([breaker], mock)
    await outcomes(provider, clock, 1)
    assert state(breaker) == OPEN
    clock.advance(5)
    return breaker, provider, mock


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


# --- open and closed ---


@PATHS
async def test_after_so_many_failures_nothing_is_sent_any_more(call, clock):
    mock = Script(ServerError("down"))
    provider = chain([CircuitBreaker(failures=3)], mock)
    assert await outcomes(provider, clock, 10, call) == ["ServerError"] * 3 + ["CircuitOpenError"] * 7
    assert mock.calls == 3


@PATHS
async def test_it_recovers_through_one_probe(call, clock):
    mock = Script([ServerError()] * 2 + ["yes"] * 3)
    breaker = CircuitBreaker(failures=2, jitter=0)
    provider = chain([breaker], mock)
    assert await outcomes(provider, clock, 3, call) == ["ServerError", "ServerError", "CircuitOpenError"]
    clock.advance(4.9)
    assert await outcomes(provider, clock, 1, call) == ["CircuitOpenError"]
    clock.advance(0.1)
    assert await outcomes(provider, clock, 3, call) == ["yes", "yes", "yes"]
    assert state(breaker) == SHUT


@PATHS
async def test_a_success_in_between_begins_the_count_anew(call, clock):
    mock = Script([ServerError(), "yes", ServerError(), "yes"])
    breaker = CircuitBreaker(failures=2)
    assert await outcomes(chain([breaker], mock), clock, 4, call) == ["ServerError", "yes"] * 2
    assert state(breaker) == SHUT


async def test_a_share_of_failures_opens_it_though_no_two_come_in_a_row(clock):
    mock = Script(["yes", ServerError()] * 5)
    breaker = CircuitBreaker(failures=1, ratio=0.5, least=10)
    await outcomes(chain([breaker], mock), clock, 10)
    (seen,) = breaker.state()
    assert (seen.state, seen.calls, seen.failures) == (OPEN, 10, 5)


@PATHS
async def test_a_refusal_says_whom_it_is_about_and_when_to_ask_again(call, clock):
    provider = chain([CircuitBreaker(failures=1, open_for=20, jitter=0)], Script(ServerError(), name="p", model="m"))
    await outcomes(provider, clock, 1)
    clock.advance(5)
    with pytest.raises(
        CircuitOpenError, match=r"circuit of p:m is open, after a failure \(server\); ask again in 15.0 s"
    ) as caught:
        await call(provider, unlimited(clock))
    error = caught.value
    assert (error.provider, error.model, error.retry_after, error.category) == ("p", "m", 15.0, "policy")


@PATHS
async def test_a_refusal_takes_no_attempt_and_leaves_none_in_the_journal(call, clock):
    breaker = CircuitBreaker()
    provider = chain([breaker], Script("yes"))
    breaker.trip()
    context = unlimited(clock)
    with pytest.raises(CircuitOpenError) as caught:
        await call(provider, context)
    assert (context.started, context.extra_attempts, caught.value.attempts) == (0, 5, ())


@PATHS
async def test_an_open_circuit_ends_the_retries_at_once(call, clock):
    mock = Script(ServerError())
    provider = chain([Retry(10), CircuitBreaker(failures=2)], mock)
    with pytest.raises(CircuitOpenError):
        await call(provider, unlimited(clock))
    assert mock.calls == 2


# --- what counts ---

FAILURES = [
    ServerError(),
    OverloadedError(),
    ConnectError(kind="refused"),
    TimeoutError(phase="first_output"),
    ProtocolError(kind="decode"),
]
NEUTRAL = [
    AuthenticationError(),
    BadRequestError(),
    ContextLengthError(),
    QuotaExceededError(),
    RateLimitError(),
    RateLimitError(kind="local"),
    CircuitOpenError(),
    DryRunStop(),
    TimeoutError(phase="total", kind="short_deadline"),
]


def name(error):
    return f"{type(error).__name__}-{error.kind or error.phase or ''}"


@PATHS
@pytest.mark.parametrize("error", FAILURES, ids=name)
async def test_what_the_service_is_to_blame_for_counts(call, clock, error):
    breaker = CircuitBreaker(failures=2)
    await outcomes(chain([breaker], Script(error)), clock, 2, call)
    assert state(breaker) == OPEN


@PATHS
@pytest.mark.parametrize("error", NEUTRAL, ids=name)
async def test_what_says_nothing_about_the_service_does_not_count(call, clock, error):
    breaker = CircuitBreaker(failures=2)
    mock = Script([ServerError(), error, error, ServerError()])
    await outcomes(chain([breaker], mock), clock, 3, call)
    assert (state(breaker), breaker.state()[0].failures_in_a_row) == (SHUT, 1)
    await outcomes(chain([breaker], mock), clock, 1, call)
    assert state(breaker) == OPEN  # neutral: the two failures are still in a row


async def test_a_bug_does_not_count(clock):
    def bug(_):
        raise KeyError("x")

    breaker = CircuitBreaker(failures=1)
    with pytest.raises(KeyError):
        await chat(chain([breaker], MockProvider(bug)), unlimited(clock))
    assert state(breaker) == SHUT


@pytest.mark.parametrize(
    "count", [{"rate_limit"}, lambda error: error.category == "rate_limit"], ids=["set", "function"]
)
async def test_count_says_which_errors_are_failures_instead_of_the_table(clock, count):
    breaker = CircuitBreaker(failures=1, count=count)
    mock = MockProvider([ServerError(), RateLimitError()])
    provider = chain([breaker], mock)
    await outcomes(provider, clock, 1)
    assert state(breaker) == SHUT
    await outcomes(provider, clock, 1)
    assert state(breaker) == OPEN


@pytest.mark.parametrize(
    "error", [RateLimitError(kind="local"), CircuitOpenError(), DryRunStop(), ConfigError("x")], ids=name
)
async def test_what_was_refused_in_this_process_never_counts(clock, error):
    breaker = CircuitBreaker(failures=1, count=lambda _: True)
    await outcomes(chain([breaker], MockProvider(error)), clock, 1)
    assert state(breaker) == SHUT


async def test_a_dry_run_neither_counts_nor_keeps_the_probe(clock):
    breaker, provider, mock = await half_open(clock, "yes")
    with pytest.raises(DryRunStop):
        await chat(provider, unlimited(clock, dry_run=True))
    assert (state(breaker), mock.calls) == (HALF, 1)
    assert await outcomes(provider, clock, 1) == ["yes"]
    assert state(breaker) == SHUT


# --- the probe ---


@PATHS
@pytest.mark.parametrize("error", NEUTRAL, ids=name)
async def test_a_neutral_end_gives_the_probe_back(call, clock, error):
    breaker, provider, _ = await half_open(clock, [error, "yes"])
    await outcomes(provider, clock, 1, call)
    assert state(breaker) == HALF
    assert await outcomes(provider, clock, 1, call) == ["yes"]
    assert state(breaker) == SHUT


@PATHS
async def test_the_probes_failure_opens_it_for_longer(call, clock):
    breaker, provider, _ = await half_open(clock, ConnectError(kind="reset"))
    assert await outcomes(provider, clock, 2, call) == ["ConnectError", "CircuitOpenError"]
    (seen,) = breaker.state()
    assert (seen.state, seen.last_failure, seen.retry_after) == (OPEN, "connection", 8)


class Held(MockProvider):
    """Answers when it is let."""

    def __init__(self):
        super().__init__(chat_func=self.wait, chat_stream_func=self.wait)
        self.go = asyncio.Event()
        self.reply = "yes"

    async def wait(self, _):
        await self.go.wait()
        if isinstance(self.reply, AIClientError):
            raise self.reply
        if isinstance(self.reply, tuple):
            return self.reply
        return await MockProvider(self.reply).chat(REQUEST)


def tripped(clock, **options):
    """A breaker that is about to let a probe through, around a provider that answers when it is let."""
    breaker = CircuitBreaker(failures=1, jitter=0, clock=clock, **options)
    mock = Held()
    provider = chain([breaker], mock)
    breaker.trip()
    clock.advance(5)
    return breaker, provider, mock


@pytest.mark.parametrize("call", [chat, stream], ids=["chat", "stream"])
async def test_of_a_thousand_callers_at_half_open_one_is_let_through_and_then_all(call, still):
    breaker, provider, mock = tripped(still)
    callers = [asyncio.create_task(outcomes(provider, still, 1, call)) for _ in range(1000)]
    await turns(10)
    assert (mock.calls, sum(task.done() for task in callers)) == (1, 999)
    mock.go.set()
    ends = [end for (end,) in await asyncio.gather(*callers)]
    assert sorted(ends) == ["CircuitOpenError"] * 999 + ["yes"]
    assert state(breaker) == SHUT
    after = await asyncio.gather(*(outcomes(provider, still, 1, call) for _ in range(1000)))
    assert after == [["yes"]] * 1000


@pytest.mark.parametrize("call", [chat, stream], ids=["chat", "stream"])
async def test_the_probe_is_given_back_when_the_caller_cancels(call, still):
    breaker, provider, mock = tripped(still)
    probe = asyncio.create_task(call(provider, unlimited(still)))
    await turns(5)
    assert (await outcomes(provider, still, 1, call), mock.calls) == (["CircuitOpenError"], 1)
    probe.cancel()
    await asyncio.wait({probe})
    mock.go.set()
    assert state(breaker) == HALF
    assert await outcomes(provider, still, 1, call) == ["yes"]


@pytest.mark.parametrize(("total", "lease"), [(None, 60), (30, 30), (600, 60)])
async def test_a_probe_that_hangs_makes_way_at_its_deadline_or_after_a_minute(still, total, lease):
    _, provider, mock = tripped(still)
    context = CallContext(clock=still, timeouts=Timeouts(total=total))
    hung = asyncio.create_task(opened(REQUEST, provider.chat, context))
    await turns(5)
    still._now = 5 + lease - 0.01  # no timer fires: not even the deadline frees it
    assert await outcomes(provider, still, 1) == ["CircuitOpenError"]
    still._now = 5.0 + lease
    second = asyncio.create_task(outcomes(provider, still, 1))
    await turns(5)
    assert mock.calls == 2
    mock.go.set()
    assert await second == ["yes"]
    hung.cancel()
    await asyncio.wait({hung})


async def test_a_late_failure_of_a_call_from_before_does_not_open_it_again(still):
    breaker = CircuitBreaker(failures=1, jitter=0)
    mock = Held()
    provider = chain([breaker], mock)
    late = asyncio.create_task(outcomes(provider, still, 1))
    await turns(5)
    breaker.trip()
    breaker.reset()
    mock.reply = ServerError()
    mock.go.set()
    assert await late == ["ServerError"]
    assert state(breaker) == SHUT


async def test_a_late_success_of_a_call_from_before_does_not_close_it(still):
    breaker = CircuitBreaker(failures=1, jitter=0)
    mock = Held()
    provider = chain([breaker], mock)
    late = asyncio.create_task(outcomes(provider, still, 1))
    await turns(5)
    breaker.trip()
    mock.go.set()
    assert await late == ["yes"]
    assert state(breaker) == OPEN


@pytest.mark.parametrize("path", ["chat", "chat_stream", "embeddings"])
async def test_nothing_is_left_half_open_after_a_cancellation_at_any_step(at_every_step, path):
    def scene():
        clock = FakeClock()
        breaker = CircuitBreaker(failures=1, jitter=0, clock=clock)
        provider = chain([breaker], Stepping())
        breaker.trip()
        clock.advance(5)

        async def work():
            request = EmbeddingRequest("hi") if path == "embeddings" else REQUEST
            result = await opened(request, getattr(provider, path), unlimited(clock))
            if isinstance(result, ChatStream):
                async with result:
                    async for _ in result:
                        await turns(1)

        def verify(_):
            assert breaker.state()[0].retry_after in (0.0, None)  # the next call gets through

        return work(), verify

    assert await at_every_step(scene) > 10


class Stepping(MockProvider):
    """Takes a few turns of the loop for everything."""

    async def chat(self, request, /):
        await turns(3)
        return await super().chat(request)

    async def embeddings(self, request, /):
        await turns(3)
        return await super().embeddings(request)

    async def chat_stream(self, request, /):
        await turns(2)

        async def chunks():
            for chunk in (HEAD, A, A, LAST):
                await turns(1)
                yield chunk

        return ChatStream(chunks())


# --- streams ---


async def test_the_probe_succeeds_at_the_first_output_of_a_stream(clock):
    breaker, provider, _ = await half_open(clock, [(HEAD, A, A, LAST), "yes"])
    async with await opened(REQUEST, provider.chat_stream, unlimited(clock)) as reading:
        await anext(reading)
        assert state(breaker) == HALF  # the head says nothing
        await anext(reading)
        assert state(breaker) == SHUT
        assert await outcomes(provider, clock, 1) == ["yes"]
        assert [chunk async for chunk in reading] == [A, LAST]


async def test_a_cut_after_the_probes_first_output_counts_against_the_closed_circuit(clock):
    breaker, provider, _ = await half_open(clock, [(A, ServerError())])
    async with await opened(REQUEST, provider.chat_stream, unlimited(clock)) as reading:
        await anext(reading)
        assert state(breaker) == SHUT
        with pytest.raises(StreamInterruptedError):
            await anext(reading)
    assert state(breaker) == OPEN
    assert breaker.state()[0].retry_after == 5  # the first opening again: there was a success


async def test_a_cut_of_the_probe_is_ignored_when_the_circuit_has_opened_since(clock):
    breaker, provider, _ = await half_open(clock, [(A, ServerError())])
    async with await opened(REQUEST, provider.chat_stream, unlimited(clock)) as reading:
        await anext(reading)
        breaker.trip()
        before = breaker.state()
        with pytest.raises(StreamInterruptedError):
            await anext(reading)
    assert breaker.state() == before


@pytest.mark.parametrize(
    "chunks", [(ServerError(),), (HEAD, ServerError()), (HEAD,)], ids=["at once", "head", "truncated"]
)
async def test_a_stream_that_fails_before_its_first_output_fails_the_probe(clock, chunks):
    breaker, provider, _ = await half_open(clock, [chunks])
    await outcomes(provider, clock, 1, stream)
    assert state(breaker) == OPEN


async def test_a_stream_that_is_left_before_its_first_output_gives_the_probe_back(clock):
    breaker, provider, _ = await half_open(clock, [(HEAD, A, LAST), "yes"])
    async with await opened(REQUEST, provider.chat_stream, unlimited(clock)) as reading:
        await anext(reading)
    assert state(breaker) == HALF
    assert await outcomes(provider, clock, 1) == ["yes"]


async def test_streams_cut_after_their_first_output_open_it_like_other_failures(clock):
    """A first output is no success of a stream, or a service that cuts every one would never be found out."""
    breaker = CircuitBreaker(failures=3)
    provider = chain([breaker], MockProvider([(A, ServerError())] * 3))
    assert await outcomes(provider, clock, 4, stream) == ["StreamInterruptedError"] * 3 + ["CircuitOpenError"]


@pytest.mark.parametrize("read", [0, 1], ids=["unread", "left early"])
async def test_a_stream_that_its_reader_leaves_counts_for_nothing(clock, read):
    breaker = CircuitBreaker(failures=2)
    provider = chain([breaker], MockProvider([(ServerError(),), (A, A, LAST)]))
    await outcomes(provider, clock, 1, stream)
    async with await opened(REQUEST, provider.chat_stream, unlimited(clock)) as reading:
        assert [await anext(reading) for _ in range(read)] == [A] * read
    assert breaker.state()[0].failures_in_a_row == 1


async def test_a_stream_that_retry_has_read_ahead_succeeds_all_the_same(clock):
    breaker = CircuitBreaker(failures=1, jitter=0)
    provider = chain([breaker, Retry()], MockProvider([ServerError("x", should_retry=False), (A, LAST)]))
    await outcomes(provider, clock, 1, stream)
    clock.advance(5)
    assert await outcomes(provider, clock, 1, stream) == ["a"]
    assert state(breaker) == SHUT


@pytest.mark.parametrize("call", [chat, stream], ids=["chat", "stream"])
async def test_an_answer_from_a_cache_is_no_sign_of_life(call, clock):
    kept = ChatResponse(Message("assistant", "kept"), "stop", "stop", cached=True)
    mock = MockProvider(chat_func=lambda _: kept, chat_stream_func=lambda _: replay(kept))
    breaker = CircuitBreaker(jitter=0, clock=clock)
    provider = compose([breaker], mock)
    breaker.trip()
    clock.advance(5)
    assert await outcomes(provider, clock, 1, call) == ["kept"]
    assert state(breaker) == HALF


async def test_a_provider_that_raises_before_its_first_await_gives_the_probe_back(clock):
    class Eager(MockProvider):
        def chat(self, request, /):
            raise BadRequestError("at once")

    breaker = CircuitBreaker(jitter=0, clock=clock)
    provider = compose([breaker], Eager())
    breaker.trip()
    clock.advance(5)
    assert await outcomes(provider, clock, 2) == ["BadRequestError"] * 2


# --- destinations ---


async def test_each_model_of_a_provider_has_a_circuit_of_its_own(clock):
    def reply(request):
        return ServerError() if request.model == "bad" else "yes"

    breaker = CircuitBreaker(failures=1)
    provider = chain([breaker], MockProvider(reply))
    for model, ends in [("bad", ["ServerError"]), ("bad", ["CircuitOpenError"]), ("good", ["yes"])]:
        assert [await one(provider, clock, of_model(model))] == ends
    assert {seen.name: seen.state for seen in breaker.state()} == {
        "mock:mock-model": SHUT,
        "mock:bad": OPEN,
        "mock:good": SHUT,
    }


async def one(provider, clock, request):
    try:
        return await chat(provider, unlimited(clock), request)
    except AIClientError as error:
        return type(error).__name__


async def test_two_providers_behind_one_breaker_do_not_touch_each_other(clock):
    breaker = CircuitBreaker(failures=1)
    bad, good = (
        chain([breaker], MockProvider(reply, name=reply and str(reply))) for reply in (ServerError("bad"), "good")
    )
    await outcomes(bad, clock, 1)
    assert await outcomes(bad, clock, 1) == ["CircuitOpenError"]
    assert await outcomes(good, clock, 1) == ["good"]


async def test_the_circuits_of_many_models_do_not_fill_the_memory(clock):
    breaker = CircuitBreaker(failures=1)
    provider = chain([breaker], MockProvider(lambda request: ServerError() if request.model == "bad" else "yes"))
    await one(provider, clock, of_model("bad"))
    for number in range(MOST + 50):
        await one(provider, clock, of_model(f"m{number}"))
    assert len(breaker.state()) == MOST
    assert state(breaker, "mock:bad") == OPEN  # the idle ones went


async def test_a_circuit_with_failures_or_opened_by_hand_is_not_forgotten_for_others(clock):
    breaker = CircuitBreaker(failures=5)
    provider = chain([breaker], MockProvider(lambda request: ServerError() if request.model == "bad" else "yes"))
    await one(provider, clock, of_model("bad"))
    await one(provider, clock, of_model("tripped"))
    breaker.trip("mock:tripped")
    for number in range(MOST + 50):
        await one(provider, clock, of_model(f"m{number}"))
    assert breaker.state("mock:bad")[0].failures_in_a_row == 1
    assert state(breaker, "mock:tripped") == OPEN


# --- people ---


def test_the_default_model_has_a_circuit_before_the_first_call():
    breaker = CircuitBreaker()
    chain([breaker], MockProvider(name="p", model="m"))
    (seen,) = breaker.state()
    assert (seen.name, seen.state, seen.since, seen.retry_after, seen.last_failure) == ("p:m", SHUT, None, None, None)
    assert (seen.failures_in_a_row, seen.calls, seen.failures) == (0, 0, 0)


async def test_the_state_says_since_when_in_seconds_since_the_epoch(clock):
    breaker = CircuitBreaker(failures=1, open_for=20, jitter=0)
    provider = chain([breaker], MockProvider(ServerError()))
    clock.advance(100)
    await outcomes(provider, clock, 1)
    opened_at = clock.time()
    clock.advance(8)
    (seen,) = breaker.state()
    assert (seen.since, seen.retry_after, seen.failures_in_a_row) == (opened_at, 12.0, 1)


@pytest.mark.parametrize("key", [None, "a", "a:m", Destination("a", model="m")], ids=str)
async def test_people_open_and_close_circuits_by_name(clock, key):
    breaker = CircuitBreaker(clock=clock)
    first, second = (chain([breaker], MockProvider("yes", name=name, model="m")) for name in "ab")
    breaker.trip(key)
    assert await outcomes(first, clock, 1) == ["CircuitOpenError"]
    assert await outcomes(second, clock, 1) == (["CircuitOpenError"] if key is None else ["yes"])
    assert [seen.state for seen in breaker.state(key or "a")] == [OPEN]
    breaker.reset(key)
    assert await outcomes(first, clock, 1) + await outcomes(second, clock, 1) == ["yes", "yes"]


async def test_an_opening_by_hand_ends_with_a_probe_after_the_time_that_was_said(clock):
    breaker = CircuitBreaker(clock=clock)
    provider = chain([breaker], MockProvider("yes"))
    breaker.trip(open_for=600)
    clock.advance(599.9)
    assert await outcomes(provider, clock, 1) == ["CircuitOpenError"]
    clock.advance(0.1)
    assert await outcomes(provider, clock, 1) == ["yes"]


async def test_an_opening_by_hand_before_the_first_call_holds_whatever_clock_the_calls_have(clock):
    assert SYSTEM.monotonic() != clock.monotonic()
    breaker = CircuitBreaker(jitter=0)
    provider = chain([breaker], MockProvider("yes"))
    breaker.trip()
    assert await outcomes(provider, clock, 1) == ["CircuitOpenError"]
    clock.advance(5)
    assert await outcomes(provider, clock, 1) == ["yes"]


def test_a_circuit_without_a_model_has_the_provider_s_name():
    breaker = CircuitBreaker()
    chain([breaker], MockProvider(name="p", model=None))
    assert [seen.name for seen in breaker.state("p")] == ["p"]


def test_jitter_comes_from_the_breakers_own_chance():
    breaker = CircuitBreaker(open_for=5, jitter=0.2, clock=FakeClock())
    breaker._circuits.random = lambda: 1.0
    chain([breaker], MockProvider())
    breaker.trip()
    assert breaker.state()[0].retry_after == pytest.approx(6.0)


def test_the_state_of_what_is_not_known_is_empty():
    assert CircuitBreaker().state("openai") == ()


async def test_a_listener_hears_of_every_change_with_the_lock_free(clock):
    heard = []

    def hear(seen):
        heard.append((seen.name, seen.state, seen.last_failure, breaker._circuits._lock.locked()))

    breaker = CircuitBreaker(failures=1, jitter=0, on_change=hear)
    provider = chain([breaker], MockProvider([ServerError(), "yes"]))
    await outcomes(provider, clock, 1)
    clock.advance(5)
    await outcomes(provider, clock, 1)
    breaker.trip()
    breaker.reset()
    breaker.reset()  # it was closed: no change
    assert heard == [
        ("mock:mock-model", "open", "server", False),
        ("mock:mock-model", "half_open", "server", False),
        ("mock:mock-model", "closed", "server", False),
        ("mock:mock-model", "open", "server", False),
        ("mock:mock-model", "closed", None, False),
    ]


async def test_a_listener_that_raises_is_logged_and_changes_nothing(clock, caplog):
    def hear(seen):
        raise KeyError("mine")

    breaker, provider, _ = await half_open(clock, "yes", on_change=hear)
    assert await outcomes(provider, clock, 1) == ["yes"]
    assert state(breaker) == SHUT
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [KeyError] * 3


async def test_the_probe_is_given_back_when_a_listener_stops_the_program(clock):
    stops = [KeyboardInterrupt()]

    def hear(seen):
        if seen.state == "half_open" and stops:
            raise stops.pop()

    breaker, provider, mock = await half_open(clock, "yes", on_change=hear)
    with pytest.raises(KeyboardInterrupt):
        await outcomes(provider, clock, 1)
    assert (state(breaker), len(mock.requests)) == ("half_open", 1)
    assert await outcomes(provider, clock, 1) == ["yes"]


async def test_observers_hear_of_every_change_that_their_call_caused(clock):
    _, provider, _ = await half_open(clock, [ServerError()])
    context, events = unlimited(clock), []
    context.observe(lambda event: events.append(event) if event.kind == "breaker" else None)
    with pytest.raises(ServerError):
        await chat(provider, context)
    assert [(event.provider, event.model, event.category, event.detail, event.delay) for event in events] == [
        ("mock", "mock-model", "server", "half_open", 5.0),
        ("mock", "mock-model", "server", "open", 8.0),
    ]


async def test_every_change_is_logged_an_opening_as_a_warning(clock, caplog):
    caplog.set_level(logging.INFO, "aiclient.breaker")
    with logs.correlation("order-17"):
        _, provider, _ = await half_open(clock, "yes")
        await outcomes(provider, clock, 1)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "the circuit of mock:mock-model is open"),
        ("INFO", "the circuit of mock:mock-model is half_open"),
        ("INFO", "the circuit of mock:mock-model is closed"),
    ]
    assert caplog.records[0].aiclient == {
        "event": "breaker",
        "provider": "mock",
        "model": "mock-model",
        "detail": "open",
        "category": "server",
        "delay": 5.0,
        "correlation_id": "order-17",
    }


# --- threads ---


class Watched(FakeClock):
    """Notes whether a lock is held whenever it is asked for the time."""

    lock = None

    def __init__(self):
        super().__init__()
        self.held = []

    def monotonic(self):
        self.held.append(self.lock is None or self.lock.locked())
        return super().monotonic()


async def test_a_circuit_is_looked_at_and_changed_behind_the_lock_only():
    clock = Watched()
    breaker = CircuitBreaker(failures=1, clock=clock)
    clock.lock = breaker._circuits._lock
    provider = compose([breaker], MockProvider(ServerError()))
    breaker.trip()
    breaker.reset()
    assert await outcomes(provider, FakeClock(), 2) == ["ServerError", "CircuitOpenError"]
    breaker.state()
    assert clock.held and all(clock.held)


def test_of_sixteen_threads_at_half_open_one_is_let_through():
    clock = FakeClock()
    refused, done = threading.Semaphore(0), []
    breaker = CircuitBreaker(jitter=0, clock=clock)

    def probe(_):
        for _ in range(15):
            assert refused.acquire(timeout=10)
        return "yes"

    mock = MockProvider(probe)
    provider, start = chain([breaker], mock), threading.Barrier(16)
    breaker.trip()
    clock.advance(5)

    def user():
        start.wait(10)
        (end,) = asyncio.run(outcomes(provider, clock, 1))
        done.append(end)
        refused.release()

    threads = [threading.Thread(target=user) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(done) == ["CircuitOpenError"] * 15 + ["yes"]
    assert (mock.calls, state(breaker)) == (1, SHUT)


def test_the_counts_of_sixteen_threads_add_up():
    breaker = CircuitBreaker(failures=10_000)
    provider = chain([breaker], MockProvider(ServerError()))
    threads = [threading.Thread(target=asyncio.run, args=[outcomes(provider, FakeClock(), 25)]) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert breaker.state()[0].failures_in_a_row == 16 * 25


def test_one_breaker_serves_two_clients_in_both_colours():
    breaker = CircuitBreaker(failures=2)
    mock = MockProvider(ServerError())
    with Client(mock).use(breaker) as one, Client(mock).use(breaker) as two:
        for client, error in ((one, ServerError), (two, ServerError), (one, CircuitOpenError)):
            with pytest.raises(error):
                client.chat("hi")
    assert mock.calls == 2


# --- recovery ---


@pytest.mark.parametrize("seed", range(5))
async def test_ten_seconds_after_a_minutes_outage_nearly_all_calls_succeed(seed):
    """Ten calls a second; the service is down for a minute."""
    clock, breaker = FakeClock(), CircuitBreaker()
    breaker._circuits.random = random.Random(seed).random
    provider = chain([breaker], MockProvider(lambda _: ServerError() if 30 <= clock.monotonic() < 90 else "yes"))
    good = []
    for _ in range(1500):
        good.append(await outcomes(provider, clock, 1) == ["yes"])
        clock.advance(0.1)
    assert sum(good[1000:1100]) >= 95  # from 10 s to 20 s after the service's return
    assert all(good[1100:])


# --- options ---


@pytest.mark.parametrize(
    "options",
    [
        {"failures": 0},
        {"failures": 2.5},
        {"ratio": 0},
        {"ratio": 1.1},
        {"window": 0},
        {"least": 0},
        {"open_for": 0},
        {"open_for": float("inf")},
        {"max_open": -1},
        {"jitter": 1.5},
        {"jitter": -0.1},
        {"count": "server"},
        {"count": {"no such"}},
        {"count": 3},
        {"on_change": "print"},
        {"on_change": turns},
        {"count": turns},
    ],
    ids=lambda options: str(options).partition(" at 0x")[0],
)
def test_an_option_that_makes_no_sense_is_refused_by_name(options):
    with pytest.raises(ConfigError, match=f"{next(iter(options))}="):
        CircuitBreaker(**options)


def test_a_span_that_makes_no_sense_is_refused_by_name():
    with pytest.raises(ConfigError, match="open_for=0 "):
        CircuitBreaker().trip(open_for=0)


async def test_a_fixed_opening_is_one_option_and_no_jitter(clock):
    breaker = CircuitBreaker(failures=1, open_for=30, jitter=0)
    provider = chain([breaker], MockProvider(ServerError()))
    for _ in range(3):
        await outcomes(provider, clock, 1)
        assert breaker.state()[0].retry_after == 30
        clock.advance(30)


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({}, "CircuitBreaker(failures=5, open_for=5, max_open=8)"),
        ({"ratio": 0.5}, "CircuitBreaker(ratio=0.5, window=30, least=10, open_for=5, max_open=8)"),
    ],
)
def test_the_repr_shows_when_it_opens_and_for_how_long(options, shown):
    assert repr(CircuitBreaker(**options)) == shown
