"""Trying again what may succeed the next time."""

from __future__ import annotations

import asyncio
import random

import pytest

from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk
from aiclient.composition import compose
from aiclient.context import CallContext, Timeouts
from aiclient.errors import (
    AuthenticationError,
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
    StreamClosedError,
    StreamInterruptedError,
    TimeoutError,
)
from aiclient.layer import Layer
from aiclient.messages import Message
from aiclient.middleware import Retry
from aiclient.middleware.retry import LONGEST_RETRY_AFTER
from aiclient.opening import collect
from aiclient.provider import opened
from aiclient.request import ChatRequest, EmbeddingRequest
from aiclient.response import ChatResponse, EmbeddingResponse
from aiclient.stream import ChatStream
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

REQUEST = ChatRequest([Message("user", "hi")])
A, LAST = ChatStreamChunk(content="a"), ChatStreamChunk(finish_reason="stop", last=True)


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


def unlimited(clock, **more):
    return CallContext(clock=clock, timeouts=Timeouts(total=None), **more)


async def chat(provider, context):
    return (await opened(REQUEST, provider.chat, context)).message.content


async def stream(provider, context):
    return (await collect(opened(REQUEST, provider.chat_stream, context))).message.content


async def embed(provider, context):
    return (await opened(EmbeddingRequest("hi"), provider.embeddings, context)).model


PATHS = pytest.mark.parametrize("call", [chat, stream, embed], ids=["chat", "stream", "embeddings"])


class Script(MockProvider):
    """Gives its replies to embeddings too, as the model's name."""

    async def embeddings(self, request, /):
        answer = await self.chat(ChatRequest([Message("user", request.input[0])]))
        return EmbeddingResponse([[1.0]], model=answer.message.content)


# --- what is retried ---


@PATHS
async def test_a_success_is_returned_at_once(call, clock):
    mock = Script("yes")
    assert await call(Retry()(mock), unlimited(clock)) == "yes"
    assert (mock.calls, clock.slept) == (1, [])


@PATHS
@pytest.mark.parametrize(
    "error",
    [
        ServerError(),
        OverloadedError(),
        RateLimitError(),
        ConnectError(),
        TimeoutError(phase="idle"),
        ProtocolError(kind="empty"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_retryable_error_is_tried_again(call, clock, error):
    mock = Script([error, "yes"])
    assert await call(Retry()(mock), unlimited(clock)) == "yes"
    assert mock.calls == 2 and len(clock.slept) == 1


@PATHS
@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError(),
        ContextLengthError(),
        QuotaExceededError(),
        RateLimitError(kind="local"),
        TimeoutError(phase="total"),
        ServerError(should_retry=False),
        ConfigError(),
        StreamInterruptedError(kind="server"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_error_that_will_come_again_is_raised_at_once(call, clock, error):
    mock = Script([error, "yes"])
    with pytest.raises(type(error)):
        await call(Retry()(mock), unlimited(clock))
    assert (mock.calls, clock.slept) == (1, [])


async def test_a_bug_is_not_retried(clock):
    def bug(_):
        raise KeyError("x")

    mock = MockProvider(bug)
    with pytest.raises(KeyError):
        await chat(Retry()(mock), unlimited(clock))
    assert mock.calls == 1


async def test_a_bug_in_a_later_attempt_comes_out_as_it_is(clock):
    def bug(_):
        raise KeyError("x")

    mock = MockProvider([ServerError(), bug])
    with pytest.raises(KeyError):
        await chat(Retry()(mock), unlimited(clock))
    assert mock.calls == 2


@PATHS
@pytest.mark.parametrize("attempts", [1, 2, 4])
async def test_the_last_error_is_raised_unchanged_after_so_many_attempts(call, clock, attempts):
    raised = []

    class Failing(Layer):
        async def around(self, request, inner, call_next):
            raised.append(ServerError(f"number {len(raised) + 1}"))
            raise raised[-1]

    with pytest.raises(ServerError) as caught:
        await call(chain([Retry(attempts)], Failing()(MockProvider())), unlimited(clock))
    assert caught.value is raised[-1] and str(caught.value) == f"number {attempts}"
    assert len(raised) == attempts and len(clock.slept) == attempts - 1
    assert [attempt.number for attempt in caught.value.attempts] == list(range(1, attempts + 1))


@PATHS
async def test_an_error_of_another_kind_in_between_ends_it(call, clock):
    mock = Script([ServerError(), AuthenticationError("key"), "yes"])
    with pytest.raises(AuthenticationError, match="key"):
        await call(Retry()(mock), unlimited(clock))
    assert mock.calls == 2


# --- what else may be retried ---


@PATHS
@pytest.mark.parametrize(
    "retry_on", [{"authentication", "server"}, lambda error: error.status_code == 401], ids=["set", "function"]
)
async def test_retry_on_says_what_is_tried_again_instead_of_the_table(call, clock, retry_on):
    mock = Script([AuthenticationError(status_code=401), "yes"])
    assert await call(Retry(retry_on=retry_on)(mock), unlimited(clock)) == "yes"
    assert mock.calls == 2


@PATHS
@pytest.mark.parametrize("retry_on", [set(), {"timeout"}, lambda _: False], ids=["none", "another", "function"])
async def test_what_retry_on_does_not_name_is_raised_at_once(call, clock, retry_on):
    mock = Script([ServerError(), "yes"])
    with pytest.raises(ServerError):
        await call(Retry(retry_on=retry_on)(mock), unlimited(clock))
    assert mock.calls == 1


@PATHS
@pytest.mark.parametrize(
    "error",
    [
        CircuitOpenError(),
        RateLimitError(kind="local"),
        DryRunStop(),
        ConfigError("x"),
        StreamInterruptedError(kind="server"),
        StreamClosedError(),
        ServerError(should_retry=False),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_never_helps_or_would_repeat_output_is_not_retried_whatever_retry_on_says(call, clock, error):
    mock = Script([error, "yes"])
    with pytest.raises(type(error)):
        await call(Retry(retry_on=lambda _: True)(mock), unlimited(clock))
    assert (mock.calls, clock.slept) == (1, [])


async def test_a_cut_stream_is_not_retried_whatever_retry_on_says(clock):
    mock = MockProvider([(A, ServerError()), (A, LAST)])
    with pytest.raises(StreamInterruptedError):
        await stream(Retry(retry_on=lambda _: True)(mock), unlimited(clock))
    assert mock.calls == 1


@PATHS
async def test_a_dry_run_is_not_retried(call, clock):
    provider = chain([Retry(retry_on=lambda _: True)], Script("yes"))
    with pytest.raises(DryRunStop):
        await call(provider, unlimited(clock, dry_run=True))
    assert clock.slept == []


async def test_retry_on_is_asked_once_for_each_error(clock):
    asked = []

    def retry_on(error):
        asked.append(str(error))
        return True

    await chat(Retry(retry_on=retry_on)(MockProvider([ServerError("a"), ServerError("b"), "yes"])), unlimited(clock))
    assert asked == ["a", "b"]


# --- streams ---


@pytest.mark.parametrize(
    "first",
    [(ServerError(),), (ChatStreamChunk(id="r1"), ServerError()), (), (ChatStreamChunk(id="r1"),)],
    ids=["at-once", "after-a-preamble", "empty", "truncated-preamble"],
)
async def test_a_stream_is_tried_again_before_its_first_output(clock, first):
    mock = MockProvider([first, (A, LAST)])
    assert await stream(Retry()(mock), unlimited(clock)) == "a"
    assert mock.calls == 2


@pytest.mark.parametrize(
    "broken",
    [(A, ServerError()), (A,), (ChatStreamChunk(reasoning="hm"), ServerError())],
    ids=["error", "truncated", "reasoning"],
)
async def test_a_stream_is_never_tried_again_after_its_first_output(clock, broken):
    mock = MockProvider([broken, (A, LAST)])
    with pytest.raises(StreamInterruptedError) as caught:
        await stream(Retry()(mock), unlimited(clock))
    assert mock.calls == 1 and clock.slept == []
    assert caught.value.partial is not None


async def test_the_reader_of_a_retried_stream_gets_every_chunk_of_the_good_one(clock):
    head = ChatStreamChunk(id="r1")
    provider = compose([Retry()], MockProvider([(ServerError(),), (head, A, A, LAST)]))
    async with await opened(REQUEST, provider.chat_stream, unlimited(clock)) as open_stream:
        assert [chunk async for chunk in open_stream] == [head, A, A, LAST]


# --- how long it waits ---


async def waits(clock, errors, **options):
    """Fail with each of the errors in turn; returns what was waited between."""
    mock = MockProvider([*errors, "yes"])
    await chat(Retry(len(errors) + 1, **options)(mock), unlimited(clock, extra_attempts=99))
    return clock.slept


@pytest.mark.parametrize("seed", range(5))
async def test_the_wait_is_random_between_nothing_and_an_exponential_with_a_cap(seed):
    random.seed(seed)
    slept = [await waits(FakeClock(), [ServerError()] * 7, base=0.5, cap=8) for _ in range(40)]
    for number, longest in enumerate([0.5, 1, 2, 4, 8, 8, 8]):
        column = [row[number] for row in slept]
        assert 0 <= min(column) < 0.3 * longest and 0.7 * longest < max(column) <= longest


async def test_without_a_base_there_is_no_wait(clock):
    assert await waits(clock, [ServerError()] * 3, base=0) == [0, 0, 0]


@pytest.mark.parametrize(("asked", "most"), [(0.0, 0.0), (2.0, 2.2), (10.0, 11.0), (60.0, 61.0)])
async def test_a_wait_that_the_service_names_is_the_least_with_a_little_jitter(asked, most):
    slept = [(await waits(FakeClock(), [RateLimitError(retry_after=asked)], base=100, cap=100))[0] for _ in range(50)]
    assert all(asked <= seconds <= most for seconds in slept)
    assert asked == 0 or len(set(slept)) > 1


@PATHS
@pytest.mark.parametrize("asked", [LONGEST_RETRY_AFTER + 0.001, 3600])
async def test_a_wait_above_a_minute_is_raised_at_once(call, clock, asked):
    mock = Script([RateLimitError("slow down", retry_after=asked), "yes"])
    with pytest.raises(RateLimitError, match="slow down"):
        await call(Retry()(mock), unlimited(clock))
    assert (clock.slept, mock.calls) == ([], 1)


@PATHS
async def test_a_wait_of_a_minute_is_waited(call, clock):
    mock = Script([RateLimitError("slow down", retry_after=LONGEST_RETRY_AFTER), "yes"])
    assert await call(Retry()(mock), unlimited(clock)) == "yes"
    assert mock.calls == 2


@PATHS
async def test_a_wait_beyond_the_deadline_is_raised_at_once(call, clock):
    mock = Script([RateLimitError(retry_after=10), "yes"])
    with pytest.raises(RateLimitError):
        await call(Retry()(mock), CallContext(clock=clock, timeouts=Timeouts(total=10)))
    assert (mock.calls, clock.slept) == (1, [])


async def test_a_wait_within_the_deadline_is_waited(clock):
    mock = MockProvider([RateLimitError(retry_after=10), "yes"])
    assert await chat(Retry()(mock), CallContext(clock=clock, timeouts=Timeouts(total=11.01))) == "yes"


async def test_a_clock_of_its_own_is_used_for_the_wait(clock):
    own = FakeClock()
    await chat(Retry(clock=own)(MockProvider([ServerError(), "yes"])), unlimited(clock))
    assert len(own.slept) == 1 and clock.slept == []


# --- attempts left ---


@PATHS
@pytest.mark.parametrize("extras", [0, 1, 3, 8])
async def test_nested_retries_share_the_attempts_left(call, clock, extras):
    mock, context = Script(ServerError()), unlimited(clock, extra_attempts=extras)
    with pytest.raises(ServerError) as caught:
        await call(chain([Retry(4), Retry(4), Retry(4)], mock), context)
    assert mock.calls == len(caught.value.attempts) == 1 + extras
    assert context.extra_attempts == 0


async def test_one_retry_takes_one_of_the_attempts_left_for_each_repetition(clock):
    context = unlimited(clock)
    await chat(Retry(3)(MockProvider([ServerError(), ServerError(), "yes"])), context)
    assert context.extra_attempts == 3


async def test_an_error_that_is_raised_at_once_takes_no_attempt(clock):
    context = unlimited(clock)
    for error in (AuthenticationError(), RateLimitError(retry_after=3600)):
        with pytest.raises(type(error)):
            await chat(Retry()(MockProvider(error)), context)
    assert context.extra_attempts == 5


# --- cancellation, observers, users ---


@PATHS
async def test_a_cancellation_in_the_wait_ends_it_and_sends_nothing_more(call, still):
    mock = Script([RateLimitError(retry_after=5), "yes"])
    task = asyncio.create_task(call(Retry()(mock), unlimited(still)))
    await turns(20)
    assert len(still.slept) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    still.advance(100)
    assert mock.calls == 1 and still.pending == 0


@PATHS
async def test_observers_hear_of_every_repetition(call, clock):
    context, events = unlimited(clock), []
    context.observe(lambda event: events.append(event) if event.kind == "retry" else None)
    await call(
        chain([Retry()], Script([ServerError(), RateLimitError(retry_after=2), "yes"], name="p", model="m")), context
    )
    assert [(event.number, event.category, event.provider, event.model) for event in events] == [
        (1, "server", "p", "m"),
        (2, "rate_limit", "p", "m"),
    ]
    assert [event.delay for event in events] == clock.slept


@PATHS
async def test_on_retry_is_called_before_each_wait(call, clock):
    heard = []
    retry = Retry(on_retry=lambda event: heard.append((event.kind, event.number, event.category, len(clock.slept))))
    await call(chain([retry], Script([ServerError(), OverloadedError(), "yes"])), unlimited(clock))
    assert heard == [("retry", 1, "server", 0), ("retry", 2, "overloaded", 1)]


@PATHS
@pytest.mark.parametrize("kind", [KeyError, asyncio.CancelledError])
async def test_what_on_retry_raises_is_logged_and_changes_nothing(call, clock, caplog, kind):
    def hear(event):
        raise kind("mine")

    assert await call(Retry(on_retry=hear)(Script([ServerError(), "yes"])), unlimited(clock)) == "yes"
    assert [(record.name, record.exc_info[0]) for record in caplog.records] == [("aiclient.retry", kind)]


@pytest.mark.parametrize("path", ["chat", "chat_stream", "embeddings"])
async def test_nothing_further_is_sent_after_a_cancellation_at_any_step(at_every_step, path):
    def scene():
        clock, mock = FakeClock(), Slow()
        cancelled_at = []

        async def work():
            request = EmbeddingRequest("hi") if path == "embeddings" else REQUEST
            try:
                result = await opened(request, getattr(chain([Retry()], mock), path), unlimited(clock))
                if isinstance(result, ChatStream):
                    await result.close()
            finally:
                cancelled_at.append(mock.calls)

        def verify(_):
            assert cancelled_at in ([], [mock.calls])
            assert mock.under_way == clock.pending == 0

        return work(), verify

    assert await at_every_step(scene) > 10


class Slow(Script):
    """Fails twice, and takes its time for everything."""

    under_way = 0

    def __init__(self):
        super().__init__(self.reply)

    async def reply(self, _):
        self.under_way += 1
        try:
            await turns(2)
            if self.calls < 3:
                raise ServerError
        finally:
            self.under_way -= 1
        return "yes"


@PATHS
async def test_two_users_of_one_retry_do_not_see_each_other(call, still):
    retry, mocks = Retry(2), [Script([RateLimitError(retry_after=5), name]) for name in ("a", "b")]
    tasks = [asyncio.create_task(call(retry(mock), unlimited(still))) for mock in mocks]
    await turns(20)
    assert len(still.slept) == 2
    still.advance(10)
    assert await asyncio.gather(*tasks) == ["a", "b"]
    assert [mock.calls for mock in mocks] == [2, 2]


# --- options ---


@pytest.mark.parametrize("attempts", [0, -1, 1.5, "3", None, True], ids=repr)
def test_attempts_must_be_a_whole_number_of_at_least_one(attempts):
    with pytest.raises(ConfigError, match=r"attempts=.* must be a whole number of at least 1"):
        Retry(attempts)


@pytest.mark.parametrize("name", ["base", "cap"])
@pytest.mark.parametrize("value", [-0.1, float("inf"), float("nan"), "1", True], ids=repr)
def test_waits_must_be_finite_seconds(name, value):
    with pytest.raises(ConfigError, match=f"{name}=.* must be a finite number of seconds"):
        Retry(**{name: value})


@pytest.mark.parametrize(
    "value", ["server", {"servers"}, 3, turns], ids=lambda value: repr(value).partition(" at 0x")[0]
)
def test_retry_on_must_be_categories_or_an_ordinary_function(value):
    with pytest.raises(ConfigError, match="retry_on="):
        Retry(retry_on=value)


@pytest.mark.parametrize("value", ["print", turns], ids=lambda value: repr(value).partition(" at 0x")[0])
def test_on_retry_must_be_an_ordinary_function(value):
    with pytest.raises(ConfigError, match="on_retry="):
        Retry(on_retry=value)


def test_the_repr_shows_its_options():
    assert repr(Retry()) == "Retry(attempts=3, base=0.5, cap=8)"


async def test_a_provider_called_bare_gets_a_context_for_its_retries():
    mock = MockProvider([ServerError(), "yes"])
    answer = await Retry(base=0)(mock).chat(REQUEST)
    assert isinstance(answer, ChatResponse) and mock.calls == 2
