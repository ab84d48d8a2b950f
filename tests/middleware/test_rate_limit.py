"""Sending no more than a service allows: waiting in order, and being told what the service says."""

from __future__ import annotations

import asyncio
import gc
import os
import threading

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk
from aiclient.clock import SystemClock
from aiclient.composition import compose, destination
from aiclient.context import CallContext, Timeouts
from aiclient.errors import (
    BadRequestError,
    BudgetExceededError,
    CircuitOpenError,
    ClientClosedError,
    ConfigError,
    ConnectError,
    DryRunStop,
    InvalidRequestError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    StreamInterruptedError,
    TimeoutError,
    UnsupportedFeatureError,
)
from aiclient.layer import Layer
from aiclient.messages import Message
from aiclient.middleware import Logging, RateLimit, RateLimitState, Retry
from aiclient.middleware._keyed import MOST
from aiclient.opening import collect
from aiclient.provider import opened
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest
from aiclient.response import ChatResponse, EmbeddingResponse, RateLimitInfo, Usage
from aiclient.stream import ChatStream
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

A, LAST = ChatStreamChunk(content="a"), ChatStreamChunk(finish_reason="stop", last=True)


def asking(tokens=0, **options):
    """A request whose input has so many tokens, by `COUNT`."""
    return ChatRequest([Message("user", str(tokens))], ChatOptions(**{"max_tokens": 1, **options}))


def COUNT(request):
    text = request.input[0] if isinstance(request, EmbeddingRequest) else request.messages[0].content
    return int(text)


REQUEST = asking()


def answer(prompt=None, completion=None, **more):
    return ChatResponse(
        Message("assistant", "yes"), "stop", usage=Usage(prompt_tokens=prompt, completion_tokens=completion), **more
    )


def unlimited(clock, **more):
    return CallContext(clock=clock, timeouts=Timeouts(total=None), **more)


def within(clock, total):
    """The context of a call that may take so long."""
    return CallContext(clock=clock, timeouts=Timeouts(total=total))


async def chat(provider, context, request=REQUEST):
    return (await opened(request, provider.chat, context)).message.content


async def stream(provider, context, request=REQUEST):
    return (await collect(opened(request, provider.chat_stream, context))).message.content


async def embed(provider, context, request=None):
    return await opened(EmbeddingRequest("0"), provider.embeddings, context)


PATHS = pytest.mark.parametrize("call", [chat, stream, embed], ids=["chat", "stream", "embeddings"])


def state(limit):
    """The state of its only destination."""
    (only,) = limit.state().values()
    return only


async def quiet():
    """Run everything that can run without time passing."""
    await asyncio.sleep(0)
    while asyncio.get_running_loop()._ready:  # noqa: ASYNC110  # there is no event for "nothing is left to run"
        await asyncio.sleep(0)


async def play(clock, work):
    """Run `work`, moving the clock from one moment at which something happens to the next."""
    task = asyncio.ensure_future(work)
    await quiet()
    while not task.done():
        await leap(clock)
    return await task


async def leap(clock):
    """Move the clock to the next moment at which something happens."""
    clock.advance(min(due for due, _, timer in clock._timers if not timer.cancelled) - clock.monotonic())
    await quiet()


class Service(MockProvider):
    """Notes when it was asked, and for how much; takes `seconds` to answer."""

    def __init__(self, clock, reply=None, *, seconds=0, **more):
        super().__init__(reply if reply is not None else answer(), **more)
        self.clock, self.seconds, self.seen = clock, seconds, []

    async def _next(self, request, func):
        self.seen.append((self.clock.monotonic(), COUNT(request)))
        if self.seconds:
            await self.clock.sleep(self.seconds)
        return await super()._next(request, func)

    @property
    def moments(self):
        return [moment for moment, _ in self.seen]


def most_within(events, seconds):
    """The largest sum of amounts in any window of so many seconds, by two pointers over (moment, amount)."""
    most = inside = begin = 0
    for moment, amount in events:
        inside += amount
        while events[begin][0] <= moment - seconds:
            inside -= events[begin][1]
            begin += 1
        most = max(most, inside)
    return most


# --- the limit, in any window ---


@PATHS
async def test_a_call_that_has_room_goes_through_at_once(call, clock):
    limit = RateLimit(requests=2)
    provider = chain([limit], MockProvider())
    await call(provider, unlimited(clock))
    await call(provider, unlimited(clock))
    assert clock.slept == [] and state(limit).requests == 2


@PATHS
async def test_a_call_without_room_waits_until_an_older_one_has_left_the_window(call, clock):
    provider = chain([RateLimit(requests=2)], MockProvider())
    for _ in range(3):
        await call(provider, unlimited(clock))
    assert clock.slept == [pytest.approx(60.25)]


async def test_a_wait_may_be_as_short_as_the_window(still):
    service = Service(still)
    provider = chain([RateLimit(requests=1, per=0.1)], service)
    await play(still, asyncio.gather(*(chat(provider, unlimited(still)) for _ in range(3))))
    assert service.moments == [0, pytest.approx(0.1005), pytest.approx(0.201)]


@given(
    arrivals=st.lists(st.tuples(st.floats(0, 4), st.integers(0, 90)), min_size=1, max_size=40),
    requests=st.integers(1, 6),
)
def test_no_window_holds_more_than_the_limit_however_calls_arrive(arrivals, requests):
    clock = FakeClock(auto=False)
    service = Service(clock)
    limit = RateLimit(requests=requests, tokens=100, per=10, count_tokens=COUNT)

    async def visitor(at, tokens):
        await clock.sleep(at)
        await chat(chain([limit], service), unlimited(clock), asking(tokens))

    async def crowd():
        moments, now = [], 0.0
        for gap, tokens in arrivals:
            now += gap
            moments.append((now, tokens))
        await asyncio.gather(*(visitor(at, tokens) for at, tokens in moments))

    asyncio.run(play(clock, crowd()))
    reserved = [(moment, tokens + -(-tokens // 20) + 1) for moment, tokens in service.seen]
    assert most_within([(moment, 1) for moment in service.moments], 10) <= requests
    assert most_within(reserved, 10) <= 100
    assert [tokens for _, tokens in service.seen] == [tokens for _, tokens in arrivals]


@pytest.mark.parametrize(("requests", "per"), [(10, 1.0), (50, 5.0), (600, 60.0)], ids=str)
async def test_at_saturation_a_minute_sees_at_least_99_percent_of_the_limit(still, requests, per):
    service = Service(still)
    provider = chain([RateLimit(requests=requests, per=per)], service)
    calls = [chat(provider, unlimited(still)) for _ in range(700)]
    await play(still, asyncio.wait_for(asyncio.gather(*calls), None))
    assert sum(moment < 60 for moment in service.moments) >= 0.99 * 600
    assert most_within([(moment, 1) for moment in service.moments], per) == requests


async def test_a_large_call_among_small_ones_is_served_in_its_turn(still):
    service = Service(still)
    provider = chain([RateLimit(tokens=1000, count_tokens=COUNT)], service)
    sizes = [10] * 80 + [900] + [10] * 200
    await play(still, asyncio.gather(*(chat(provider, unlimited(still), asking(size)) for size in sizes)))
    assert [tokens for _, tokens in service.seen] == sizes
    large = service.moments[80]
    assert large == pytest.approx(60.25) and service.moments[79] == 0


async def test_who_comes_later_does_not_overtake_though_it_would_fit(still):
    service = Service(still)
    provider = chain([RateLimit(tokens=100, count_tokens=COUNT)], service)
    await chat(provider, unlimited(still), asking(50))
    calls = [asyncio.create_task(chat(provider, unlimited(still), asking(size))) for size in (90, 1)]
    await quiet()
    assert [tokens for _, tokens in service.seen] == [50]
    await play(still, asyncio.gather(*calls))
    assert [tokens for _, tokens in service.seen] == [50, 90, 1]


async def test_each_model_has_a_limit_of_its_own(clock):
    limit = RateLimit(requests=1)
    provider = chain([limit], MockProvider(name="p"))
    for model in ("a", "b", None):
        await chat(provider, unlimited(clock), asking(model=model))
    assert clock.slept == []
    assert {where.model for where in limit.state()} == {"a", "b", "mock-model"}


async def test_a_clock_of_its_own_is_the_one_that_counts(clock):
    own = FakeClock()
    provider = chain([RateLimit(requests=1, clock=own)], MockProvider())
    for _ in range(2):
        await chat(provider, unlimited(clock))
    assert own.slept == [pytest.approx(60.25)] and clock.slept == []


# --- how long a call may wait ---


@PATHS
async def test_a_call_that_is_certain_to_come_too_late_is_refused_at_once(call, clock):
    mock = MockProvider(model="m")
    limit = RateLimit(requests=1)
    provider = chain([limit], mock)
    clock.advance(1000)
    await call(provider, unlimited(clock))
    with pytest.raises(RateLimitError, match="1 requests per 60 s is used up") as caught:
        await call(provider, within(clock, 10))
    assert (caught.value.kind, caught.value.retry_after) == ("local", pytest.approx(60.25))
    assert (caught.value.provider, caught.value.model, caught.value.retryable) == ("mock", "m", False)
    assert (mock.calls, clock.slept) == (1, [])
    assert (state(limit).requests, state(limit).waiting) == (1, 0)


@pytest.mark.parametrize("max_wait", [60.25, 60.3], ids=["just", "more"])
async def test_a_call_that_may_wait_long_enough_waits(clock, max_wait):
    provider = chain([RateLimit(requests=1, max_wait=max_wait)], MockProvider())
    for _ in range(2):
        await chat(provider, within(clock, 61))
    assert clock.slept == [pytest.approx(60.25)]


@pytest.mark.parametrize("limits", [{"max_wait": 5}, {}], ids=["max_wait", "deadline"])
async def test_a_call_whose_turn_might_come_waits_as_long_as_it_may(still, limits):
    service = Service(still, seconds=30)
    limit = RateLimit(tokens=100, count_tokens=COUNT, **limits)
    provider = chain([limit], service)
    slow = asyncio.create_task(chat(provider, unlimited(still), asking(90)))
    await quiet()
    late = asyncio.create_task(chat(provider, within(still, None if limits else 5), asking(50)))
    await quiet()
    still.advance(4.99)
    await quiet()
    assert not late.done()
    still.advance(0.01)
    with pytest.raises(RateLimitError, match="100 tokens per 60 s is used up") as caught:
        await late
    assert caught.value.retry_after == pytest.approx(55.25)
    assert limit._line(destination(provider, REQUEST))._head is None
    await play(still, slow)
    assert len(service.seen) == 1


async def test_a_caller_in_the_queue_gives_up_in_time_too(still):
    limit = RateLimit(tokens=100, count_tokens=COUNT)
    provider = chain([limit], Service(still, seconds=1000))
    calls = [
        asyncio.create_task(chat(provider, context, asking(size)))
        for context, size in ((unlimited(still), 80), (unlimited(still), 50), (within(still, 60), 1))
    ]
    await quiet()
    assert state(limit).waiting == 2
    still.advance(60)
    with pytest.raises(RateLimitError, match="100 tokens per 60 s is used up") as caught:
        await calls[2]
    assert caught.value.retry_after == pytest.approx(0.25)
    assert state(limit).waiting == 1
    await play(still, asyncio.gather(*calls[:2]))


async def test_zero_patience_refuses_at_once(clock):
    provider = chain([RateLimit(requests=1, max_wait=0)], MockProvider())
    await chat(provider, unlimited(clock))
    with pytest.raises(RateLimitError, match=r"may wait 0 s; raise max_wait="):
        await chat(provider, unlimited(clock))
    assert clock.slept == []


async def test_those_ahead_count_when_it_is_clear_that_a_turn_comes_too_late(still):
    service = Service(still)
    provider = chain([RateLimit(requests=1, per=10, max_wait=25)], service)
    calls = [asyncio.create_task(chat(provider, unlimited(still))) for _ in range(5)]
    await quiet()
    assert [call.done() for call in calls] == [True, False, False, True, True]
    results = await play(still, asyncio.gather(*calls, return_exceptions=True))
    assert [type(result) for result in results] == [str, str, str, RateLimitError, RateLimitError]
    assert [result.retry_after for result in results[3:]] == [pytest.approx(30.15)] * 2


async def test_a_call_that_needs_the_whole_limit_waits_for_all_of_it_and_no_longer(still):
    service = Service(still)
    provider = chain([RateLimit(tokens=100, count_tokens=COUNT)], service)
    await chat(provider, unlimited(still), asking(50))
    still.advance(10)
    await play(still, chat(provider, unlimited(still), asking(90, max_tokens=None)))
    assert service.moments == [0, pytest.approx(60.25)]


async def test_a_local_refusal_is_not_retried(clock):
    mock = MockProvider()
    provider = chain([Retry(), RateLimit(requests=1, max_wait=1)], mock)
    await chat(provider, unlimited(clock))
    context = unlimited(clock)
    with pytest.raises(RateLimitError):
        await chat(provider, context)
    assert (mock.calls, context.extra_attempts, clock.slept) == (1, 5, [])


async def test_every_attempt_of_a_retry_counts(clock):
    limit = RateLimit(requests=10)
    await chat(chain([Retry(base=0), limit], MockProvider([ServerError(), ServerError(), "yes"])), unlimited(clock))
    assert state(limit).requests == 3


# --- what is too large ---


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (asking(90, max_tokens=20), "needs 110 tokens (90 of input by estimate, 20 as max_tokens)"),
        (asking(10, max_tokens=31, n=3), "needs 103 tokens (10 of input by estimate, 93 as max_tokens)"),
        (asking(101, max_tokens=None), "needs 101 tokens (by estimate, of input alone)"),
        (EmbeddingRequest("101"), "needs 101 tokens (by estimate, of input alone)"),
    ],
    ids=["with output", "several answers", "input", "embeddings"],
)
async def test_a_call_larger_than_the_limit_is_refused_with_both_numbers(clock, request_, said):
    mock = MockProvider(model="m")
    limit = RateLimit(tokens=100, count_tokens=COUNT)
    provider = chain([limit], mock)
    path = provider.embeddings if isinstance(request_, EmbeddingRequest) else provider.chat
    with pytest.raises(InvalidRequestError) as caught:
        await opened(request_, path, unlimited(clock))
    assert said in str(caught.value) and "the limit is 100 tokens per 60 s" in str(caught.value)
    assert (caught.value.provider, caught.value.model, mock.calls) == ("mock", "m", 0)
    assert state(limit).tokens == 0


async def test_what_is_only_guessed_does_not_make_a_call_too_large(clock):
    provider = chain([RateLimit(tokens=100, count_tokens=COUNT)], MockProvider())
    assert await chat(provider, unlimited(clock), asking(100, max_tokens=None)) == "Mock response"


# --- tokens: reserved, settled, released ---


def tokens(limit):
    return state(limit).requests, state(limit).tokens


class Watching(Layer):
    """Notes what is reserved while the call is under way."""

    def __init__(self, limit):
        self.limit, self.seen = limit, []

    async def around(self, request, inner, call_next):
        self.seen.append(tokens(self.limit)[1])
        return await call_next(request)


async def reserved(reply, *requests, most=10_000):
    limit = RateLimit(tokens=most, count_tokens=COUNT)
    watching = Watching(limit)
    provider = chain([limit, watching], MockProvider(reply))
    clock = FakeClock()
    for request in requests:
        path = provider.embeddings if isinstance(request, EmbeddingRequest) else provider.chat
        await opened(request, path, unlimited(clock))
        clock.advance(61)
    return watching.seen


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (asking(100, max_tokens=40), 145),
        (asking(101, max_tokens=40), 147),
        (asking(100, max_tokens=40, n=3), 225),
        (asking(100, max_tokens=None), 105 + 512),
        (asking(100, max_tokens=None, n=3), 105 + 3 * 512),
        (EmbeddingRequest("100"), 105),
    ],
    ids=["max_tokens", "rounded up", "several answers", "guessed", "several guessed", "embeddings"],
)
async def test_input_with_a_margin_and_the_output_are_reserved(request_, expected):
    assert await reserved(answer(1, 1), request_) == [expected]


async def test_the_largest_of_the_recent_answers_is_reserved_for_the_next():
    request = asking(0, max_tokens=None)
    assert await reserved([answer(0, size) for size in (30, 80, 20, 10)], *[request] * 4) == [512, 30, 80, 80]


async def test_old_answers_are_forgotten():
    request = asking(0, max_tokens=None)
    sizes = [900, *[7] * 20, 5, 5]
    seen = await reserved([answer(0, size) for size in sizes], *[request] * len(sizes))
    assert seen[1:] == [*[900] * 20, 7, 7]


async def test_a_guess_reserves_no_more_than_the_limit():
    assert await reserved(answer(1, 1), asking(90, max_tokens=None), most=100) == [100]


@PATHS
@pytest.mark.parametrize("real", [3, 300], ids=["less", "more"])
async def test_the_real_usage_replaces_what_was_reserved(call, clock, real):
    limit = RateLimit(tokens=1000, count_tokens=COUNT)
    usage = Usage(prompt_tokens=real, completion_tokens=None if call is embed else 4)
    mock = MockProvider(
        evolve(answer(), usage=usage), embeddings_func=lambda _: EmbeddingResponse([[1.0]], usage=usage)
    )
    await call(chain([limit], mock), unlimited(clock))
    assert tokens(limit) == (1, real + (0 if call is embed else 4))


@PATHS
@pytest.mark.parametrize(
    "usage",
    [
        Usage(),
        *(
            Usage(prompt_tokens=0, completion_tokens=0, total_tokens=0, untrusted=(count,))
            for count in ("prompt_tokens", "completion_tokens", "total_tokens")
        ),
        Usage(total_tokens=-1),
    ],
    ids=["unknown", "untrusted input", "untrusted output", "untrusted total", "negative"],
)
async def test_an_unknown_usage_leaves_the_reservation(call, clock, usage):
    limit = RateLimit(tokens=1000, count_tokens=lambda _: 100)
    mock = MockProvider(
        evolve(answer(), usage=usage), embeddings_func=lambda _: EmbeddingResponse([[1.0]], usage=usage)
    )
    await call(chain([limit], mock), unlimited(clock))
    assert tokens(limit) == (1, 105 if call is embed else 106)


@pytest.mark.parametrize(
    ("usage", "total"),
    [
        (Usage(total_tokens=42), 42),
        (Usage(total_tokens=0), 0),
        (Usage(prompt_tokens=0, completion_tokens=0), 0),
        (Usage(prompt_tokens=9, completion_tokens=4, untrusted=("cached_tokens",)), 13),
    ],
    ids=["a total alone", "nothing", "no tokens", "an untrusted part that is counted elsewhere"],
)
async def test_a_usage_that_says_enough_is_believed(clock, usage, total):
    limit = RateLimit(tokens=1000, count_tokens=lambda _: 100)
    await chat(chain([limit], MockProvider(evolve(answer(), usage=usage))), unlimited(clock))
    assert tokens(limit) == (1, total)


async def test_an_embedding_service_that_counts_output_is_believed(clock):
    limit = RateLimit(tokens=1000, count_tokens=COUNT)
    usage = Usage(prompt_tokens=9, completion_tokens=4)
    mock = MockProvider(embeddings_func=lambda _: EmbeddingResponse([[1.0]], usage=usage))
    await embed(chain([limit], mock), unlimited(clock))
    assert tokens(limit) == (1, 13)


async def test_what_a_call_takes_beyond_its_reservation_delays_the_next(clock):
    limit = RateLimit(tokens=100, count_tokens=COUNT)
    provider = chain([limit], MockProvider(answer(70, 80)))
    await chat(provider, unlimited(clock))
    assert tokens(limit) == (1, 150)
    await chat(provider, unlimited(clock), asking(90))
    assert clock.slept == [pytest.approx(60.25)]


async def test_room_that_a_settling_frees_wakes_the_next_at_once(still):
    service = Service(still, answer(10, 1), seconds=5)
    provider = chain([RateLimit(tokens=100, count_tokens=COUNT)], service)
    calls = [chat(provider, unlimited(still), asking(80)) for _ in range(3)]
    await play(still, asyncio.gather(*calls))
    assert service.moments == [0, 5, pytest.approx(60.25)]


async def test_room_that_is_not_enough_for_the_next_does_not_wake_it(still):
    service = Service(still, answer(50, 0), seconds=5)
    provider = chain([RateLimit(tokens=100, count_tokens=COUNT)], service)
    await play(still, asyncio.gather(*(chat(provider, unlimited(still), asking(90)) for _ in range(2))))
    assert service.moments == [0, pytest.approx(60.25)]


UNSENT = [
    BudgetExceededError(),
    CircuitOpenError(),
    ClientClosedError(),
    DryRunStop(),
    RateLimitError(kind="local"),
    UnsupportedFeatureError(),
    ConfigError(),
    *(ConnectError(kind=kind) for kind in ("refused", "dns", "tls", "tls_eof", "proxy", "fd")),
    *(TimeoutError(phase=phase) for phase in ("pool", "connect", "tls")),
]
SENT = [
    ServerError(),
    BadRequestError(),
    RateLimitError(),
    ConnectError(kind="reset"),
    TimeoutError(phase="first_output"),
]


@pytest.mark.parametrize("build", [chain, compose], ids=["journalled", "bare"])
@pytest.mark.parametrize("error", UNSENT, ids=lambda error: f"{type(error).__name__}-{error.kind or error.phase}")
@PATHS
async def test_a_call_that_was_not_sent_costs_nothing(call, error, build, clock):
    limit = RateLimit(requests=1, tokens=100, count_tokens=COUNT)
    provider = build([limit], MockProvider(error))
    for _ in range(3):
        with pytest.raises(type(error)):
            await call(provider, unlimited(clock))
    assert tokens(limit) == (0, 0) and clock.slept == []


@pytest.mark.parametrize("build", [chain, compose], ids=["journalled", "bare"])
@pytest.mark.parametrize("error", SENT, ids=lambda error: f"{type(error).__name__}-{error.kind or error.phase}")
@PATHS
async def test_a_call_that_failed_after_it_was_sent_keeps_its_reservation(call, error, build, clock):
    limit = RateLimit(tokens=1000, count_tokens=lambda _: 100)
    with pytest.raises(type(error)):
        await call(build([limit], MockProvider(error)), unlimited(clock))
    assert tokens(limit) == (1, 105 if call is embed else 106)


async def test_a_refused_connection_after_another_attempt_inside_still_counts(clock):
    limit = RateLimit(requests=5)
    mock = MockProvider([ServerError(), ConnectError(kind="refused")])
    with pytest.raises(ConnectError):
        await chat(chain([limit, Retry(2, base=0)], mock), unlimited(clock))
    assert tokens(limit)[0] == 1


async def test_a_refused_connection_after_an_attempt_that_was_counted_costs_nothing_more(clock):
    limit = RateLimit(requests=5)
    mock = MockProvider([ServerError(), ConnectError(kind="refused")])
    with pytest.raises(ConnectError):
        await chat(chain([Retry(2, base=0), limit], mock), unlimited(clock))
    assert tokens(limit)[0] == 1


async def test_a_call_that_was_not_sent_makes_room_for_the_next_at_once(still):
    async def refuse(_):
        await still.sleep(5)
        raise ConnectError(kind="refused")

    limit = RateLimit(requests=1)
    first = asyncio.create_task(chat(chain([limit], MockProvider(chat_func=refuse)), unlimited(still)))
    await quiet()
    service = Service(still)
    await play(still, chat(chain([limit], service), unlimited(still)))
    assert service.moments == [5]
    with pytest.raises(ConnectError):
        await first


async def test_an_answer_from_a_cache_inside_costs_nothing(clock):
    class Answering(Layer):
        async def around(self, request, inner, call_next):
            return answer(1, 1)

    limit = RateLimit(requests=1, tokens=100, count_tokens=COUNT)
    for _ in range(3):
        await chat(chain([limit, Answering()], MockProvider()), unlimited(clock))
    assert tokens(limit) == (0, 0)


@PATHS
async def test_a_dry_run_neither_waits_nor_counts(call, clock):
    limit = RateLimit(requests=1)
    provider = chain([limit], MockProvider())
    await call(provider, unlimited(clock))
    with pytest.raises(DryRunStop):
        await call(provider, unlimited(clock, dry_run=True))
    assert clock.slept == [] and tokens(limit) == (1, 0)


async def test_a_dry_run_that_begins_inside_costs_nothing(clock):
    class Dry(Layer):
        async def around(self, request, inner, call_next):
            request.context.dry_run = True
            return await call_next(request)

    limit = RateLimit(requests=1)
    with pytest.raises(DryRunStop):
        await chat(chain([limit, Dry()], MockProvider()), unlimited(clock))
    assert tokens(limit) == (0, 0)


@pytest.mark.parametrize("value", [-1, 1.5, None, "3", True], ids=repr)
async def test_a_counter_that_does_not_count_is_refused(clock, value):
    provider = chain([RateLimit(tokens=10, count_tokens=lambda _: value)], MockProvider())
    with pytest.raises(ConfigError, match="the token counter returned"):
        await chat(provider, unlimited(clock))


# --- streams ---

WORDS = ChatStreamChunk(content="x" * 40)  # ten tokens by estimate, and four for the message
USED = Usage(prompt_tokens=5, completion_tokens=7)


async def opened_stream(limit, chunks, clock):
    provider = chain([limit], MockProvider(chunks))
    return await opened(asking(100, max_tokens=50), provider.chat_stream, unlimited(clock))


def of_tokens():
    return RateLimit(tokens=1000, count_tokens=COUNT)


async def test_a_stream_keeps_its_reservation_until_it_closes(clock):
    limit = of_tokens()
    async with await opened_stream(limit, (WORDS, evolve(LAST, usage=USED)), clock) as reading:
        await anext(reading)
        assert tokens(limit) == (1, 155)
        async for _ in reading:
            pass
    assert tokens(limit) == (1, 12)


async def test_a_stream_that_is_kept_after_its_end_is_under_way_no_longer(clock):
    limit = of_tokens()
    reading = await opened_stream(limit, (WORDS, LAST), clock)
    (line,) = limit._lines
    assert len(line._flying) == 1
    await reading.close()
    assert not line._flying


async def test_a_stream_left_early_has_taken_what_was_seen(clock):
    limit = of_tokens()
    async with await opened_stream(limit, (WORDS, WORDS, LAST), clock) as reading:
        await anext(reading)
    assert tokens(limit) == (1, 100 + 14)


async def test_a_stream_that_is_dropped_keeps_what_it_reserved_and_is_under_way_no_longer(clock):
    limit = of_tokens()
    reading = await opened_stream(limit, (WORDS, LAST), clock)
    with pytest.warns(ResourceWarning, match="unclosed"):
        del reading
        gc.collect()
    (line,) = limit._lines
    assert tokens(limit) == (1, 155) and not line._flying


async def test_a_stream_left_unread_has_taken_its_input(clock):
    limit = of_tokens()
    async with await opened_stream(limit, (WORDS, LAST), clock):
        pass
    assert tokens(limit) == (1, 100)


async def test_what_the_service_has_said_of_its_usage_counts_before_any_estimate(clock):
    limit = of_tokens()
    head = ChatStreamChunk(usage=Usage(prompt_tokens=60, completion_tokens=1))
    async with await opened_stream(limit, (head, WORDS, WORDS, LAST), clock) as reading:
        await anext(reading)
        await anext(reading)
    assert tokens(limit) == (1, 60 + 14)


async def test_a_stream_left_after_its_usage_has_taken_just_that(clock):
    limit = of_tokens()
    end = ChatStreamChunk(finish_reason="stop", usage=USED)
    async with await opened_stream(limit, (WORDS, end, LAST), clock) as reading:
        await anext(reading)
        await anext(reading)
    assert tokens(limit) == (1, 12)


@pytest.mark.parametrize(
    ("usage", "total"), [(USED, 12), (Usage(prompt_tokens=5), 5 + 14)], ids=["whole", "of the input alone"]
)
async def test_a_stream_that_breaks_off_after_its_usage_has_taken_just_that(clock, usage, total):
    limit = of_tokens()
    end = ChatStreamChunk(finish_reason="stop", usage=usage)
    reading = await opened_stream(limit, (WORDS, end, ServerError()), clock)
    with pytest.raises(StreamInterruptedError):
        await collect_from(reading)
    assert tokens(limit) == (1, total)


async def test_a_stream_cancelled_while_it_is_read_has_taken_what_was_seen(still):
    limit = of_tokens()

    async def source():
        yield WORDS
        await still.sleep(100)

    provider = chain([limit], MockProvider(chat_stream_func=lambda _: ChatStream(source())))
    task = asyncio.create_task(stream(provider, unlimited(still), asking(100, max_tokens=50)))
    await quiet()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled() and tokens(limit) == (1, 100 + 14)


async def test_a_stream_that_breaks_off_has_taken_what_was_seen(clock):
    limit = of_tokens()
    reading = await opened_stream(limit, (WORDS, ServerError()), clock)
    with pytest.raises(StreamInterruptedError):
        await collect_from(reading)
    assert tokens(limit) == (1, 100 + 14)


async def collect_from(reading):
    async with reading:
        async for _ in reading:
            pass


async def test_a_stream_that_fails_before_its_first_output_keeps_its_reservation(clock):
    limit = of_tokens()
    reading = await opened_stream(limit, (ChatStreamChunk(id="1"), ServerError()), clock)
    with pytest.raises(ServerError):
        await collect_from(reading)
    assert tokens(limit) == (1, 155)


async def test_a_call_cancelled_under_way_has_taken_its_input(still):
    limit = of_tokens()
    task = asyncio.create_task(
        chat(chain([limit], Service(still, seconds=9)), unlimited(still), asking(100, max_tokens=50))
    )
    await quiet()
    task.cancel()
    await asyncio.wait({task})
    assert tokens(limit) == (1, 100)


@pytest.mark.parametrize(("build", "cost"), [(chain, (0, 0)), (compose, (1, 100))], ids=["journalled", "bare"])
async def test_a_call_cancelled_inside_before_it_was_sent_costs_nothing_where_that_can_be_known(still, build, cost):
    class Holding(Layer):
        async def around(self, request, inner, call_next):
            await still.sleep(9)
            return await call_next(request)

    limit = of_tokens()
    task = asyncio.create_task(chat(build([limit, Holding()], MockProvider()), unlimited(still), asking(100)))
    await quiet()
    task.cancel()
    await asyncio.wait({task})
    assert tokens(limit) == cost


# --- cancellation ---


@PATHS
async def test_after_a_cancellation_at_any_step_nothing_waits_and_nothing_is_lost(call, at_every_step):
    def scene():
        clock, limit = FakeClock(), RateLimit(requests=1, per=10, tokens=1000)
        provider = chain([limit], MockProvider("yes yes"))

        async def crowd():
            await call(provider, unlimited(clock))
            others = [asyncio.create_task(call(provider, unlimited(clock))) for _ in range(2)]
            try:
                await call(provider, unlimited(clock))
            finally:
                for other in others:
                    other.cancel()
                await asyncio.wait(others)

        def verify(_):
            line = limit._line(destination(provider, REQUEST))
            assert (line._waiting, line._queued, line._head, len(line._flying)) == (0, 0, None, 0)
            assert (line._turnstile.free, line._turnstile.waiting) == (1, 0)
            assert state(limit).requests <= 1 and clock.pending == 0

        return crowd(), verify

    assert await at_every_step(scene) > 20


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("place", [0, 1, 2], ids=["head", "middle", "last"])
async def test_a_waiter_that_is_cancelled_leaves_and_the_next_moves_up(still, place, times):
    service, limit = Service(still), RateLimit(requests=1, per=10)
    provider = chain([limit], service)
    await chat(provider, unlimited(still))
    calls = [asyncio.create_task(chat(provider, unlimited(still), asking(size))) for size in range(3)]
    await quiet()
    for _ in range(times):
        calls[place].cancel()
        await asyncio.sleep(0)
    await asyncio.wait({calls[place]})
    assert calls[place].cancelled() and state(limit).waiting == 2
    rest = [call for index, call in enumerate(calls) if index != place]
    await play(still, asyncio.gather(*rest))
    assert [tokens for _, tokens in service.seen[1:]] == [size for size in range(3) if size != place]
    assert service.moments == [0, pytest.approx(10.05), pytest.approx(20.1)]
    assert state(limit).waiting == 0


async def test_a_waiter_cancelled_as_its_turn_comes_takes_nothing(still):
    service, limit = Service(still), RateLimit(requests=1, per=10)
    provider = chain([limit], service)
    await chat(provider, unlimited(still))
    first, second = (asyncio.create_task(chat(provider, unlimited(still), asking(size))) for size in (1, 2))
    await quiet()
    still.advance(10.05)
    first.cancel()
    await play(still, second)
    assert first.cancelled() and service.seen[1:] == [(pytest.approx(10.05), 2)]


# --- what the service says ---

FULL = RateLimitInfo(limit_requests=100, remaining_requests=0, reset_requests=7.0)


@PATHS
async def test_what_the_service_has_left_holds_the_next_call_back(call, clock):
    mock = MockProvider(
        answer(1, 1, rate_limit=FULL),
        chat_stream_func=lambda _: ChatStream(chunks(), head=answer(rate_limit=FULL)),
        embeddings_func=lambda _: EmbeddingResponse([[1.0]], rate_limit=FULL),
    )

    async def chunks():
        yield A
        yield LAST

    provider = chain([RateLimit()], mock)
    for _ in range(2):
        await call(provider, unlimited(clock))
    assert clock.slept == [7]


async def test_without_learn_the_headers_of_a_stream_are_not_listened_to(clock):
    async def chunks():
        yield A
        yield LAST

    mock = MockProvider(chat_stream_func=lambda _: ChatStream(chunks(), head=answer(rate_limit=FULL)))
    provider = chain([RateLimit(requests=100, learn=False)], mock)
    for _ in range(2):
        await stream(provider, unlimited(clock))
    assert clock.slept == []


async def test_a_stream_is_learnt_from_as_it_opens(still):
    limit = RateLimit()

    async def chunks():
        yield A
        yield LAST

    mock = MockProvider(chat_stream_func=lambda _: ChatStream(chunks(), head=answer(rate_limit=FULL)))
    provider = chain([limit], mock)
    reading = await opened(REQUEST, provider.chat_stream, unlimited(still))
    waiting = asyncio.create_task(stream(provider, unlimited(still)))
    await quiet()
    assert state(limit).waiting == 1
    still.advance(7)
    await waiting
    await collect_from(reading)
    assert state(limit).waiting == 0


async def test_headers_of_an_old_stream_are_not_news_when_it_closes(still):
    async def chunks():
        yield A
        yield LAST

    mock = MockProvider("yes", chat_stream_func=lambda _: ChatStream(chunks(), head=answer(rate_limit=FULL)))
    provider = chain([RateLimit()], mock)
    reading = await opened(REQUEST, provider.chat_stream, unlimited(still))
    still.advance(8)
    await collect_from(reading)
    assert await chat(provider, unlimited(still)) == "yes"


async def test_an_error_is_learnt_from_too(clock):
    error = BadRequestError(rate_limit=FULL)
    provider = chain([RateLimit()], MockProvider([error, "yes"]))
    with pytest.raises(BadRequestError):
        await chat(provider, unlimited(clock))
    await chat(provider, unlimited(clock))
    assert clock.slept == [7]


async def test_tokens_left_at_the_service_are_kept_to_without_a_limit_of_ours(clock):
    info = RateLimitInfo(remaining_tokens=50, reset_tokens=7.0)
    provider = chain([RateLimit(count_tokens=COUNT)], MockProvider(answer(1, 1, rate_limit=info)))
    for size in (0, 40, 60):
        await chat(provider, unlimited(clock), asking(size))
    assert clock.slept == [7]


def told_tokens(remaining):
    return RateLimitInfo(remaining_tokens=remaining, reset_tokens=7.0)


async def test_tokens_of_our_limit_are_counted_when_what_the_service_said_is_over(clock):
    limit = RateLimit(tokens=100, count_tokens=COUNT)
    provider = chain([limit], MockProvider([answer(1, 1, rate_limit=told_tokens(50)), answer()]))
    await chat(provider, unlimited(clock))
    clock.advance(8)
    await chat(provider, unlimited(clock), asking(40))
    assert tokens(limit) == (2, 2 + 43)


async def test_what_a_call_does_not_use_it_gives_back_to_what_the_service_has_left(clock):
    replies = [answer(1, 1, rate_limit=told_tokens(100)), answer(10, 1), answer(10, 1)]
    provider = chain([RateLimit(count_tokens=COUNT)], MockProvider(replies))
    for size in (0, 80, 80):
        await chat(provider, unlimited(clock), asking(size))
    assert clock.slept == []


async def test_what_a_call_uses_beyond_its_reservation_is_not_left_at_the_service(clock):
    replies = [answer(1, 1, rate_limit=told_tokens(100)), answer(70, 1), answer(10, 1)]
    provider = chain([RateLimit(count_tokens=COUNT)], MockProvider(replies))
    for size in (0, 10, 40):
        await chat(provider, unlimited(clock), asking(size))
    assert clock.slept == [7]


@pytest.mark.parametrize(
    "info", [evolve(FULL, remaining_requests=1), told_tokens(100)], ids=["a request", "its tokens"]
)
async def test_a_call_that_was_not_sent_takes_nothing_of_what_the_service_has_left(clock, info):
    refused = ConnectError(kind="refused")
    provider = chain(
        [RateLimit(count_tokens=COUNT)], MockProvider([answer(1, 1, rate_limit=info), refused, refused, "yes"])
    )
    await chat(provider, unlimited(clock))
    for _ in range(2):
        with pytest.raises(ConnectError):
            await chat(provider, unlimited(clock), asking(80))
    assert await chat(provider, unlimited(clock), asking(80)) == "yes"
    assert clock.slept == []


async def test_a_call_from_before_tokens_mattered_is_not_taken_from_what_is_left(still):
    """The service had counted it when it answered a later one."""
    script = [
        (5, answer(900, 1)),
        (0, answer(1, 1, rate_limit=told_tokens(1000))),
        (6, answer(1, 1, rate_limit=told_tokens(100))),
        (0, answer(1, 1)),
    ]

    async def reply(_):
        seconds, reply = script.pop(0)
        await still.sleep(seconds)
        return reply

    provider = chain([RateLimit(count_tokens=COUNT)], MockProvider(chat_func=reply))
    early = asyncio.create_task(chat(provider, unlimited(still)))
    await quiet()
    await play(still, chat(provider, unlimited(still)))
    await play(still, asyncio.gather(early, chat(provider, unlimited(still))))
    await play(still, chat(provider, unlimited(still), asking(60)))
    assert still.monotonic() == 6


async def test_a_higher_limit_of_the_service_does_not_raise_ours(clock):
    info = RateLimitInfo(limit_requests=100, remaining_requests=99, reset_requests=7.0)
    provider = chain([RateLimit(requests=1)], MockProvider(answer(1, 1, rate_limit=info)))
    for _ in range(2):
        await chat(provider, unlimited(clock))
    assert clock.slept == [pytest.approx(60.25)]


async def test_news_that_allow_more_wake_who_waits(still):
    service = Service(still, [answer(rate_limit=FULL), answer(rate_limit=evolve(FULL, remaining_requests=5)), "yes"])
    service.seconds = 2
    provider = chain([RateLimit()], service)

    async def caller(moment):
        await still.sleep(moment)
        await chat(provider, unlimited(still))

    await play(still, asyncio.gather(*(caller(moment) for moment in (0, 1, 2.5))))
    assert service.moments == [0, 1, 3]


async def test_news_of_a_stream_that_opens_wake_who_waits(still):
    async def chunks():
        yield A
        yield LAST

    async def open_late(_):
        await still.sleep(3)
        return ChatStream(chunks(), head=answer(rate_limit=evolve(FULL, remaining_requests=5)))

    service = Service(still, answer(rate_limit=FULL), seconds=1, chat_stream_func=open_late)
    provider = chain([RateLimit()], service)
    first = asyncio.create_task(chat(provider, unlimited(still)))
    opening = asyncio.create_task(opened(REQUEST, provider.chat_stream, unlimited(still)))
    await play(still, first)
    await play(still, chat(provider, unlimited(still)))
    assert service.moments == [0, 0, 4]
    await collect_from(await opening)


@PATHS
async def test_after_a_429_nobody_asks_before_the_service_wants_it(call, clock):
    error = RateLimitError(retry_after=20)
    mock = MockProvider([error, "yes"], embeddings_func=None)
    limit = RateLimit()
    provider = chain([limit], mock)
    with pytest.raises(RateLimitError):
        await chat(provider, unlimited(clock))
    assert state(limit).not_before == 20
    await call(provider, unlimited(clock))
    assert clock.slept == [20]


async def test_a_429_inside_a_stream_counts_too(clock):
    mock = MockProvider([(A, RateLimitError(retry_after=20)), "yes"])
    provider = chain([RateLimit()], mock)
    with pytest.raises(StreamInterruptedError):
        await stream(provider, unlimited(clock))
    await chat(provider, unlimited(clock))
    assert clock.slept == [20]


@pytest.mark.parametrize(
    "error",
    [
        RateLimitError(retry_after=61),
        RateLimitError(),
        QuotaExceededError(retry_after=20),
        RateLimitError(kind="local", retry_after=20),
        ServerError(retry_after=20),
    ],
    ids=["too long", "without a wait", "quota", "local", "server"],
)
async def test_other_failures_hold_nobody_back(clock, error):
    provider = chain([RateLimit()], MockProvider([error, "yes"]))
    with pytest.raises(type(error)):
        await chat(provider, unlimited(clock))
    await chat(provider, unlimited(clock))
    assert clock.slept == []


async def test_a_deadline_before_the_service_wants_to_be_asked_is_refused_at_once(clock):
    provider = chain([RateLimit()], MockProvider([RateLimitError(retry_after=20), "yes"]))
    with pytest.raises(RateLimitError):
        await chat(provider, unlimited(clock))
    with pytest.raises(RateLimitError, match=r"^the service allows no more for now: the wait") as caught:
        await chat(provider, within(clock, 10))
    assert (caught.value.kind, caught.value.retry_after, clock.slept) == ("local", 20, [])


async def test_a_deadline_before_the_service_wants_to_be_asked_is_refused_while_others_are_under_way(still):
    service = Service(still, [RateLimitError(retry_after=20), "slow"], seconds=9)
    provider = chain([RateLimit()], service)
    slow = asyncio.create_task(chat(provider, unlimited(still)))
    await quiet()
    service.seconds = 0
    with pytest.raises(RateLimitError):
        await chat(provider, unlimited(still))
    with pytest.raises(RateLimitError, match="the service allows no more for now"):
        await chat(provider, within(still, 10))
    await play(still, slow)


async def test_a_used_up_service_is_waited_for_only_while_news_may_come(clock):
    provider = chain([RateLimit()], MockProvider(answer(rate_limit=FULL)))
    await chat(provider, unlimited(clock))
    with pytest.raises(RateLimitError, match="the service allows no more"):
        await chat(provider, within(clock, 5))
    assert clock.slept == []


async def test_a_used_up_service_is_waited_for_while_news_may_come(still):
    service = Service(still, [answer(rate_limit=FULL), answer()], seconds=9)
    provider = chain([RateLimit()], service)
    slow = asyncio.create_task(chat(provider, unlimited(still)))
    await quiet()
    service.seconds = 0
    await chat(provider, unlimited(still))
    waiting = asyncio.create_task(chat(provider, within(still, 5)))
    await quiet()
    assert not waiting.done()
    still.advance(5)
    with pytest.raises(RateLimitError, match="the service allows no more"):
        await waiting
    await play(still, slow)


async def test_the_wait_for_the_service_ends_a_wait_for_the_window_no_earlier(still):
    service = Service(still, [answer(), RateLimitError(retry_after=30), answer()])
    provider = chain([RateLimit(requests=2, per=10)], service)
    await chat(provider, unlimited(still))
    with pytest.raises(RateLimitError):
        await chat(provider, unlimited(still))
    await play(still, chat(provider, unlimited(still)))
    assert service.moments == [0, 0, 30]


@pytest.mark.parametrize("reply", [answer(rate_limit=FULL), RateLimitError(retry_after=20)], ids=["headers", "429"])
async def test_without_learn_the_service_is_not_listened_to(clock, reply):
    provider = chain([RateLimit(requests=100, learn=False)], MockProvider([reply, "yes"]))
    await asyncio.gather(chat(provider, unlimited(clock)), return_exceptions=True)
    await chat(provider, unlimited(clock))
    assert clock.slept == []


# --- who hears of it ---


async def told(clock, provider, *requests):
    """What the observers of several calls at once hear of waits: (reason, delay)."""
    events = []

    async def call(request):
        context = unlimited(clock)
        context.observe(lambda event: events.append(event) if event.kind == "limit" else None)
        await chat(provider, context, request)

    await play(clock, asyncio.gather(*map(call, requests), return_exceptions=True))
    assert {(event.provider, event.model, event.category) for event in events} <= {("mock", "m", "rate_limit")}
    return [(event.detail, pytest.approx(event.delay)) for event in events]


@pytest.mark.parametrize(("limits", "reason"), [({"requests": 1}, "requests"), ({"tokens": 100}, "tokens")])
async def test_observers_hear_how_long_and_for_what_a_call_waits(still, limits, reason):
    provider = chain([RateLimit(**limits, count_tokens=COUNT)], MockProvider(answer(), model="m"))
    assert await told(still, provider, asking(90), asking(90)) == [(reason, 60.25)]


async def test_observers_hear_at_once_how_long_a_place_in_the_queue_takes(still):
    provider = chain([RateLimit(requests=1, per=10)], MockProvider(answer(), model="m"))
    waits = [("requests", 10.05), ("requests", 20.1), ("requests", 30.15)]
    assert await told(still, provider, *[REQUEST] * 4) == waits


async def test_the_tokens_of_those_ahead_count_in_what_observers_hear(still):
    provider = chain([RateLimit(tokens=100, count_tokens=COUNT)], MockProvider(answer(), model="m"))
    waits = await told(still, provider, *[asking(90)] * 4)
    assert waits[:3] == [("tokens", 60.25), ("tokens", 60.25), ("tokens", 120.5)]


async def test_observers_hear_again_when_it_takes_longer(still):
    service = Service(still, [answer(), RateLimitError(retry_after=20), answer()], seconds=5, model="m")
    provider = chain([RateLimit(requests=2, per=10)], service)
    assert await told(still, provider, *[REQUEST] * 3) == [("requests", 10.05), ("service", 14.95)]


async def test_a_wait_is_logged(clock, caplog):
    caplog.set_level("INFO", "aiclient.calls")
    provider = chain([Logging(), RateLimit(requests=1)], MockProvider())
    for _ in range(2):
        await chat(provider, unlimited(clock))
    (record,) = (record.aiclient for record in caplog.records if record.aiclient["event"] == "limit")
    assert (record["delay"], record["detail"]) == (60.25, "requests")


async def test_a_wait_for_the_service_says_so(clock):
    provider, events = chain([RateLimit()], MockProvider([RateLimitError(retry_after=20), "yes"])), []
    context = unlimited(clock)
    context.observe(events.append)
    with pytest.raises(RateLimitError):
        await chat(provider, unlimited(clock))
    await chat(provider, context)
    assert [(event.kind, event.detail, event.delay) for event in events][:1] == [("limit", "service", 20)]


# --- pace ---


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next thing to do, for aiolimiter knows no other clock."""

    now = 0.0

    def time(self):
        return self.now

    def _run_once(self):
        if not self._ready and self._scheduled:
            self.now = max(self.now, self._scheduled[0]._when)
        super()._run_once()


class LoopClock(SystemClock):
    """The clock of such a loop."""

    def monotonic(self):
        return asyncio.get_running_loop().time()


def paced(work):
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


def test_calls_are_evenly_spaced():
    clock = LoopClock()
    service = Service(clock)

    async def crowd():
        provider = chain([RateLimit(pace=4)], service)
        await asyncio.gather(*(chat(provider, unlimited(clock)) for _ in range(9)))

    paced(crowd())
    assert service.moments == [pytest.approx(0.25 * number) for number in range(9)]


def test_a_pace_and_a_limit_hold_together():
    clock = LoopClock()
    service = Service(clock)

    async def crowd():
        provider = chain([RateLimit(requests=2, per=10, pace=1)], service)
        await asyncio.gather(*(chat(provider, unlimited(clock)) for _ in range(4)))

    paced(crowd())
    assert service.moments == [pytest.approx(moment) for moment in (0, 1, 10.05, 11.05)]


def test_each_loop_has_a_pace_of_its_own():
    clock, limit = LoopClock(), RateLimit(pace=1)
    services = [Service(clock), Service(clock)]
    for service in services:
        paced(chat(chain([limit], service), unlimited(clock)))
    assert [service.moments for service in services] == [[0], [0]]


def test_a_pace_that_takes_too_long_refuses_at_once():
    clock = LoopClock()
    service = Service(clock)

    async def crowd():
        provider = chain([RateLimit(pace=1, max_wait=2.5)], service)
        calls = (chat(provider, unlimited(clock)) for _ in range(5))
        return await asyncio.gather(*calls, return_exceptions=True), clock.monotonic()

    results, ended = paced(crowd())
    assert results[:3] == ["yes"] * 3 and ended == pytest.approx(2)
    assert [(error.kind, error.retry_after) for error in results[3:]] == [("local", pytest.approx(3))] * 2
    assert str(results[3]).startswith("calls leave at the pace= of this limit: the wait would be 3 s")


def test_each_model_has_a_pace_of_its_own():
    clock = LoopClock()
    service = Service(clock)

    async def crowd():
        provider = chain([RateLimit(pace=1)], service)
        await asyncio.gather(*(chat(provider, unlimited(clock), asking(model=model)) for model in "ab"))

    paced(crowd())
    assert service.moments == [0, 0]


def test_observers_hear_of_a_pace_and_then_of_the_limit():
    clock = LoopClock()
    events, context = [], unlimited(clock)
    context.observe(events.append)

    async def crowd():
        provider = chain([RateLimit(requests=1, per=10, pace=1)], MockProvider())
        await chat(provider, unlimited(clock))
        await chat(provider, context)

    paced(crowd())
    waits = [(event.detail, event.delay) for event in events if event.kind == "limit"]
    assert waits == [("pace", pytest.approx(1)), ("requests", pytest.approx(9.05))]


async def test_a_pace_is_waited_for_no_longer_than_the_call_may(still):
    provider = chain([RateLimit(pace=0.001, max_wait=2000)], MockProvider())
    await chat(provider, unlimited(still))
    waiting = asyncio.create_task(chat(provider, unlimited(still)))
    await quiet()
    still.advance(2000)
    with pytest.raises(RateLimitError, match="pace="):
        await waiting


def test_observers_hear_of_a_pace():
    clock = LoopClock()
    events, context = [], unlimited(clock)
    context.observe(events.append)

    async def crowd():
        provider = chain([RateLimit(pace=2)], MockProvider())
        await chat(provider, unlimited(clock))
        await chat(provider, context)

    paced(crowd())
    assert [(event.detail, event.delay) for event in events if event.kind == "limit"] == [("pace", pytest.approx(0.5))]


def test_who_is_cancelled_while_it_is_paced_leaves_no_gap():
    clock = LoopClock()
    service = Service(clock)

    async def crowd():
        provider = chain([RateLimit(pace=1)], service)
        first, second, third = (asyncio.create_task(chat(provider, unlimited(clock))) for _ in range(3))
        await first
        second.cancel()
        await third

    paced(crowd())
    assert service.moments == [0, pytest.approx(1)]


def test_a_pace_waits_for_those_alone_who_are_there():
    clock = LoopClock()
    provider = chain([RateLimit(pace=1, max_wait=1.5)], Service(clock))

    async def caller(moment):
        await asyncio.sleep(moment)
        return await chat(provider, unlimited(clock))

    async def crowd():
        return await asyncio.gather(*(caller(moment) for moment in (0, 0, 1.1, 2.2, 3.3)))

    assert paced(crowd()) == ["yes"] * 5


# --- one limit, several loops, threads, processes ---


def test_two_loops_on_two_threads_keep_to_one_limit():
    clock, limit, counted = FakeClock(), RateLimit(requests=10, per=1.0), []

    def note(_):
        counted.append(state(limit).requests)
        return "yes"

    async def crowd():
        provider = chain([limit], MockProvider(note))
        await asyncio.gather(*(chat(provider, unlimited(clock)) for _ in range(200)))

    threads = [threading.Thread(target=asyncio.run, args=(crowd(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(counted) == 400 and state(limit).waiting == 0
    assert max(counted) == 10
    assert clock.monotonic() == pytest.approx(39 * 1.005)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
async def test_a_forked_child_does_not_stand_behind_its_parents_queue(clock):
    limit = RateLimit(requests=1)
    provider = chain([limit], MockProvider())
    await chat(provider, unlimited(clock))
    limit._process = 0  # as a child finds it
    await chat(provider, unlimited(clock))
    assert clock.slept == []


async def test_destinations_at_rest_are_forgotten_when_there_are_too_many(clock):
    limit = RateLimit(requests=5)
    provider = chain([limit], MockProvider())
    for number in range(MOST - 1):
        await chat(provider, unlimited(clock), asking(model=f"m{number}"))
    with pytest.raises(CircuitOpenError):
        await chat(chain([limit], MockProvider(CircuitOpenError())), unlimited(clock), asking(model="at rest"))
    await chat(provider, unlimited(clock), asking(model="new"))
    models = {where.model for where in limit.state()}
    assert len(models) == MOST and "at rest" not in models


def line(limit):
    (only,) = limit._lines
    return only


async def test_a_destination_with_a_call_under_way_is_not_at_rest(still):
    limit = RateLimit()
    call = asyncio.create_task(chat(chain([limit], Service(still, seconds=5)), unlimited(still)))
    await quiet()
    assert not line(limit).idle()
    await play(still, call)
    assert line(limit).idle()


async def test_a_destination_whose_service_asked_for_silence_is_not_at_rest(clock):
    limit = RateLimit()
    with pytest.raises(RateLimitError):
        await chat(chain([limit], MockProvider(RateLimitError(retry_after=20))), unlimited(clock))
    clock.advance(15)
    assert (line(limit).idle(), state(limit).not_before) == (False, 5)
    clock.advance(5)
    assert (line(limit).idle(), state(limit).not_before) == (True, 0)


async def test_a_destination_that_somebody_waits_for_is_not_at_rest(still):
    limit = RateLimit()
    provider = chain([limit], MockProvider([answer(rate_limit=FULL), "yes"]))
    await chat(provider, unlimited(still))
    assert line(limit).idle()
    waiting = asyncio.create_task(chat(provider, unlimited(still)))
    await quiet()
    assert not line(limit).idle()
    await play(still, waiting)


async def test_a_destination_whose_window_is_not_empty_is_not_at_rest(clock):
    limit = RateLimit(requests=5)
    await chat(chain([limit], MockProvider()), unlimited(clock))
    assert (line(limit).idle(), state(limit).requests) == (False, 1)
    clock.advance(61)
    assert (line(limit).idle(), state(limit).requests) == (True, 0)


async def test_a_destination_that_is_charged_later_is_not_at_rest(still):
    limit = RateLimit(tokens=100, count_tokens=COUNT)
    service = Service(still, answer(150, 0), seconds=100)
    await play(still, chat(chain([limit], service), unlimited(still), asking(90)))
    assert (tokens(limit), line(limit).idle()) == ((0, 54), False)
    still.advance(61)
    assert line(limit).idle()


# --- clocks ---


async def test_a_limit_holds_for_clients_whose_clocks_differ():
    limit, clocks = RateLimit(requests=1), [FakeClock(), FakeClock()]
    clocks[0].advance(1000)
    for clock in clocks:
        await chat(chain([limit], MockProvider()), unlimited(clock))
    assert [clock.slept for clock in clocks] == [[], [pytest.approx(60.25)]]


async def test_a_sleeper_that_wakes_a_hair_too_early_gets_on():
    limit, young, old = RateLimit(), FakeClock(), FakeClock()
    young.advance(2.5)
    old.advance(134364.2)  # the sum of its moment and the difference falls short of what is waited for, for ever
    mock = MockProvider([answer(rate_limit=evolve(FULL, reset_requests=15.3)), "yes"])
    provider = chain([limit], mock)
    await chat(provider, unlimited(young))
    assert await asyncio.wait_for(chat(provider, unlimited(old)), 5) == "yes"


# --- options ---


async def test_the_state_cannot_be_changed(clock):
    limit = RateLimit(requests=3, tokens=50)
    await chat(chain([limit], MockProvider(answer(2, 1))), unlimited(clock))
    assert state(limit) == RateLimitState(1, 3, 3, 50, 0, 0.0)
    with pytest.raises(TypeError):
        limit.state()["x"] = 1
    with pytest.raises(AttributeError):
        state(limit).requests = 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"requests": 0}, "requests=0 must be a whole number of at least 1"),
        ({"requests": 1.5}, "requests=1.5 must be a whole number"),
        ({"requests": True}, "requests=True must be a whole number"),
        ({"tokens": -1}, "tokens=-1 must be a whole number of at least 1"),
        ({"requests": 1, "per": 0}, "per=0"),
        ({"requests": 1, "per": 0.0001}, "per=0.0001 must be at least 0.001 seconds"),
        ({"requests": 1, "per": float("inf")}, "per=inf must be a finite number of seconds"),
        ({"requests": 1, "max_wait": -1}, "max_wait=-1 must be a finite number of seconds"),
        ({"pace": 0}, "pace=0 must be more than 0"),
        ({"pace": "1"}, "pace='1' must be a finite number"),
        ({"learn": 1}, "learn=1 must be True or False"),
        ({"learn": False}, "RateLimit limits nothing"),
        ({"count_tokens": 3}, "count_tokens=3 must be a function"),
    ],
    ids=str,
)
def test_a_wrong_option_is_refused_where_it_is_written(options, said):
    with pytest.raises(ConfigError) as caught:
        RateLimit(**options)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("limit", "shown"),
    [
        (RateLimit(), "RateLimit()"),
        (RateLimit(10, per=1), "RateLimit(requests=10, per=1)"),
        (RateLimit(tokens=9, max_wait=2.5, learn=False), "RateLimit(tokens=9, per=60, max_wait=2.5, learn=False)"),
        (RateLimit(pace=4), "RateLimit(pace=4)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_repr_shows_its_options(limit, shown):
    assert repr(limit) == shown


async def test_a_provider_called_bare_gets_a_context(clock):
    assert (await RateLimit(requests=1)(MockProvider("yes")).chat(REQUEST)).message.content == "yes"
