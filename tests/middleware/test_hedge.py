"""A second call when the first is slow: when it starts, who wins, and what becomes of the other."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest
from attrs import evolve

from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk
from aiclient.client import AsyncClient
from aiclient.context import CallContext, Timeouts
from aiclient.errors import (
    BadRequestError,
    CircuitOpenError,
    ConfigError,
    DryRunStop,
    OverloadedError,
    RateLimitError,
    ServerError,
    StreamInterruptedError,
    TimeoutError,
)
from aiclient.layer import Layer
from aiclient.messages import Message
from aiclient.middleware import Hedge, Retry
from aiclient.opening import collect
from aiclient.provider import opened
from aiclient.providers.openai_compatible import CompatibleProvider
from aiclient.request import ChatRequest, EmbeddingRequest
from aiclient.response import ChatResponse, EmbeddingResponse
from aiclient.stream import ChatStream
from aiclient.testutil import faults
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.mock import MockProvider
from aiclient.testutil.server import LoopbackServer

pytestmark = pytest.mark.anyio

ASKED = ChatRequest([Message("user", "hi")])
LAST = ChatStreamChunk(finish_reason="stop", last=True)


async def turns(count=12):
    for _ in range(count):
        await asyncio.sleep(0)


async def chat(provider, context):
    return await opened(ASKED, provider.chat, context)


async def stream(provider, context):
    return await collect(opened(ASKED, provider.chat_stream, context))


async def embed(provider, context):
    return await opened(EmbeddingRequest("hi"), provider.embeddings, context)


PATHS = pytest.mark.parametrize("call", [chat, stream, embed], ids=["chat", "stream", "embeddings"])


def text(answer):
    return answer.message.content if isinstance(answer, ChatResponse) else answer.model


class Pending:
    """One exchange of the service: what a stream gives, or the answer; it ends when it is told what."""

    def __init__(self):
        self.future = asyncio.get_running_loop().create_future()
        self.ended = None
        self._given = 0

    def give(self, text):
        self.future.set_result(text)

    def fail(self, error):
        self.future.set_exception(error)

    async def answer(self):
        try:
            text = await self.future
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise
        self.ended = "answered"
        return text

    def __aiter__(self):
        return self

    async def __anext__(self):
        self._given += 1
        if self._given == 1:
            return ChatStreamChunk(id="r1")
        return LAST if self._given == 3 else ChatStreamChunk(content=await self.answer())

    async def aclose(self):
        self.ended = self.ended or "closed"


class Held(MockProvider):
    """Leaves every exchange pending until the test says what comes."""

    def __init__(self):
        super().__init__(chat_func=self._chat, chat_stream_func=self._stream, embeddings_func=self._embed)
        self.pending = []

    def _begin(self):
        self.pending.append(Pending())
        return self.pending[-1]

    async def _chat(self, _):
        return await self._begin().answer()

    async def _stream(self, _):
        return ChatStream(self._begin())

    async def _embed(self, _):
        return EmbeddingResponse([[1.0]], model=await self._begin().answer())


class Scene:
    """One call through a hedge, on a clock that stands still."""

    def __init__(self, clock, *layers, extras=5, total=None):
        self.clock = clock
        self.mock = Held()
        self.provider = chain(layers, self.mock)
        self.context = CallContext(clock=clock, timeouts=Timeouts(total=total), extra_attempts=extras)
        self.events = []
        self.context.observe(self.events.append)
        self.before = asyncio.all_tasks()
        self.task = None

    async def begin(self, call=chat):
        self.task = asyncio.create_task(call(self.provider, self.context))
        await turns()

    async def pass_time(self, seconds):
        self.clock.advance(seconds)
        await turns()

    @property
    def calls(self):
        return self.mock.calls

    @property
    def pending(self):
        return self.mock.pending

    def hedges(self):
        return [(event.number, event.detail) for event in self.events if event.kind == "hedge"]

    def outcomes(self):
        return [(attempt.number, attempt.outcome) for attempt in self.context.journal]

    def check(self):
        """Nothing is left of it."""
        assert asyncio.all_tasks() == self.before
        assert self.clock.pending == 0
        assert all(pending.ended for pending in self.pending if not pending.future.done())


@pytest.fixture
def scene(still):
    return lambda *layers, **more: Scene(still, *(layers or (Hedge(2),)), **more)


# --- when it starts ---


@PATHS
async def test_an_answer_in_time_is_not_hedged(call, scene):
    one = scene()
    await one.begin(call)
    await one.pass_time(1.99)
    one.pending[0].give("yes")
    assert text(await one.task) == "yes"
    assert (one.calls, one.hedges(), one.context.extra_attempts) == (1, [], 5)
    one.check()


@PATHS
async def test_a_slow_call_gets_a_second_one_after_the_delay(call, scene):
    one = scene()
    await one.begin(call)
    await one.pass_time(1.99)
    assert one.calls == 1
    await one.pass_time(0.01)
    assert (one.calls, one.context.extra_attempts) == (2, 4)
    assert one.hedges() == [(2, "nothing came for 2 s")]
    await one.pass_time(100)
    assert one.calls == 2
    one.pending[0].give("yes")
    await one.task
    one.check()


async def test_a_stream_that_has_begun_without_output_is_slow(scene):
    one = scene()
    await one.begin(stream)  # the first chunk has come, and holds none
    await one.pass_time(2)
    assert one.calls == 2
    one.pending[1].give("yes")
    assert text(await one.task) == "yes"
    one.check()


async def test_more_than_one_start_one_delay_apart(scene):
    one = scene(Hedge(2, most=2))
    await one.begin()
    calls = []
    for _ in range(4):
        await one.pass_time(1)
        calls.append(one.calls)
    await one.pass_time(100)
    assert (calls, one.calls) == ([1, 2, 2, 3], 3)
    assert one.hedges() == [(2, "nothing came for 2 s"), (3, "nothing came for 4 s")]
    one.pending[1].give("yes")
    assert text(await one.task) == "yes"
    assert [pending.ended for pending in one.pending] == ["cancelled", "answered", "cancelled"]
    one.check()


@PATHS
async def test_without_an_attempt_left_there_is_no_hedge(call, scene):
    one = scene(extras=0)
    await one.begin(call)
    await one.pass_time(10)
    assert (one.calls, one.hedges()) == (1, [])
    one.pending[0].give("yes")
    assert text(await one.task) == "yes"
    one.check()


@PATHS
async def test_a_failure_before_the_delay_is_raised_at_once(call, scene):
    one = scene()
    await one.begin(call)
    one.pending[0].fail(ServerError("no"))
    with pytest.raises(ServerError):
        await one.task
    assert one.calls == 1
    one.check()


async def test_a_dry_run_ends_before_any_delay(scene):
    one = scene()
    one.context.dry_run = True
    with pytest.raises(DryRunStop):
        await chat(one.provider, one.context)
    assert one.calls == 0
    one.check()


async def test_time_that_is_over_is_not_hedged(scene):
    one = scene(Hedge(2), total=2)
    one.context.deadline = 2.0
    await one.begin()
    await one.pass_time(2)
    with pytest.raises(TimeoutError):
        await one.task
    assert one.calls == 1
    one.check()


async def test_a_clock_of_its_own_is_used_for_the_delay(scene):
    own = FakeClock(auto=False)
    one = scene(Hedge(2, clock=own))
    await one.begin()
    await one.pass_time(100)
    assert one.calls == 1
    own.advance(2)
    await turns()
    assert one.calls == 2
    one.pending[0].give("yes")
    await one.task
    assert own.pending == 0
    one.check()


# --- the quota ---


async def slow_calls(hedge, count, clock, mock=None):
    """Make calls one after the other, each slow; returns how many exchanges each took."""
    mock, taken = mock or Held(), []
    provider = chain([hedge], mock)
    for _ in range(count):
        before = mock.calls
        task = asyncio.create_task(chat(provider, CallContext(clock=clock, timeouts=Timeouts(total=None))))
        await turns()
        clock.advance(2)
        await turns()
        taken.append(mock.calls - before)
        mock.pending[-1].give("yes")
        await task
    return taken


async def test_a_service_that_is_slow_as_a_whole_is_soon_not_asked_twice(still):
    assert await slow_calls(Hedge(2), 10, still) == [2, 2, 2, 2, 2, 1, 1, 1, 1, 1]


async def test_without_the_quota_every_slow_call_is_doubled(still):
    assert await slow_calls(Hedge(2, quota=False), 10, still) == [2] * 10


async def test_answers_in_time_fill_the_quota_again(still):
    hedge, mock = Hedge(2), MockProvider("yes")
    held = Held()
    await slow_calls(hedge, 10, still, held)
    provider = chain([hedge], mock)  # the same destination, by its name
    for _ in range(100):
        await chat(provider, CallContext(clock=still, timeouts=Timeouts(total=None)))
    assert await slow_calls(hedge, 1, still, held) == [2]


async def test_destinations_have_quotas_of_their_own(still):
    hedge, other = Hedge(2), Held()
    other.info = evolve(other.info, name="other")
    await slow_calls(hedge, 10, still)
    assert await slow_calls(hedge, 1, still, other) == [2]


async def test_one_call_may_take_all_its_further_ones(scene):
    one = scene(Hedge(2, most=8), extras=8)
    await one.begin()
    for _ in range(10):
        await one.pass_time(2)
    assert one.calls == 9
    one.pending[0].give("yes")
    await one.task
    one.check()


# --- who wins ---


@PATHS
@pytest.mark.parametrize("winner", [0, 1], ids=["first", "second"])
async def test_the_first_to_give_something_wins_and_the_other_is_cancelled_and_journalled(call, winner, scene):
    one = scene()
    await one.begin(call)
    await one.pass_time(2)
    one.pending[winner].give("yes")
    answer = await one.task
    assert text(answer) == "yes"
    assert one.pending[1 - winner].ended == "cancelled"
    assert dict(one.outcomes()) == {winner + 1: "completed", 2 - winner: "cancelled"}
    assert {(attempt.number, attempt.outcome) for attempt in answer.attempts} == set(one.outcomes())
    one.check()


async def test_a_stream_is_handed_out_when_the_other_has_ended(scene):
    one = scene()
    task = asyncio.create_task(opened(ASKED, one.provider.chat_stream, one.context))
    await turns()
    await one.pass_time(2)
    one.pending[1].give("yes")
    won = await task
    assert one.outcomes() == [(1, "cancelled")]
    async with won:
        assert [chunk.content async for chunk in won] == ["", "yes", ""]
    assert one.outcomes() == [(1, "cancelled"), (2, "completed")]
    one.check()


async def test_of_two_that_come_at_once_the_first_wins_and_the_second_is_closed(scene):
    one = scene()
    await one.begin(stream)
    await one.pass_time(2)
    one.pending[1].give("second")
    one.pending[0].give("first")
    assert text(await one.task) == "first"
    assert one.outcomes() == [(2, "abandoned"), (1, "completed")]
    one.check()


class Loud(Layer):
    """Fails when the second stream is closed."""

    async def around(self, request, inner, call_next):
        number = request.context.started + 1
        opened_stream = await call_next(request)

        async def end(_):
            if number == 2:
                raise ValueError("bug in the end")

        opened_stream.on_close(end)
        return opened_stream


async def test_what_the_end_of_the_loser_runs_into_is_logged_and_not_the_callers(scene, caplog):
    one = scene(Hedge(2), Loud())
    await one.begin(stream)
    await one.pass_time(2)
    for pending, words in zip(one.pending, ["first", "second"], strict=True):
        pending.give(words)
    assert text(await one.task) == "first"
    assert [record.message for record in caplog.records] == ["closing a stream that came second failed"]
    one.check()


# --- failures ---


@PATHS
@pytest.mark.parametrize("fails", [0, 1], ids=["first", "second"])
async def test_a_failure_of_one_waits_for_the_other(call, fails, scene):
    one = scene()
    await one.begin(call)
    await one.pass_time(2)
    one.pending[fails].fail(ServerError("no"))
    await turns()
    assert not one.task.done()
    one.pending[1 - fails].give("yes")
    assert text(await one.task) == "yes"
    assert one.calls == 2
    one.check()


@PATHS
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_when_both_fail_the_first_calls_error_is_raised(call, order, scene):
    one = scene()
    await one.begin(call)
    await one.pass_time(2)
    for number in order:
        one.pending[number].fail([BadRequestError("first"), ServerError("second")][number])
        await turns()
    with pytest.raises(BadRequestError, match="first") as caught:
        await one.task
    assert len(caught.value.attempts) == 2
    one.check()


async def test_a_failure_after_the_first_output_is_the_streams_own(clock):
    mock = MockProvider((ChatStreamChunk(content="yes"), ServerError("cut")))
    with pytest.raises(StreamInterruptedError):
        await stream(chain([Hedge(2)], mock), CallContext(clock=clock))
    assert mock.calls == 1


async def test_a_bug_in_one_ends_both_at_once(scene):
    one = scene()
    await one.begin()
    await one.pass_time(2)
    one.pending[1].fail(ValueError("bug"))
    with pytest.raises(ValueError, match="bug"):
        await one.task
    assert one.pending[0].ended == "cancelled"
    one.check()


class Bugged(Layer):
    """Has a bug in what it does at the first output."""

    async def around(self, request, inner, call_next):
        opened_stream = await call_next(request)
        opened_stream.on_first_output(self._see)
        return opened_stream

    def _see(self):
        raise ValueError("bug in the observer")


async def test_a_bug_in_what_looks_on_leaves_no_stream_open(scene):
    one = scene(Hedge(2), Bugged())
    await one.begin(stream)
    one.pending[0].give("yes")
    with pytest.raises(ValueError, match="bug in the observer"):
        await one.task
    assert one.outcomes() == [(1, "abandoned")]
    one.check()


@pytest.mark.parametrize(
    "error",
    [RateLimitError("slow down"), OverloadedError("busy", retry_after=5)],
    ids=["429", "retry-after"],
)
async def test_after_a_push_back_nobody_else_is_started(error, scene):
    one = scene(Hedge(2, most=3))
    await one.begin()
    await one.pass_time(2)
    one.pending[1].fail(error)
    await one.pass_time(100)
    assert one.calls == 2
    one.pending[0].give("yes")
    assert text(await one.task) == "yes"
    one.check()


async def test_after_another_failure_a_further_one_is(scene):
    one = scene(Hedge(2, most=2))
    await one.begin()
    await one.pass_time(2)
    one.pending[1].fail(ServerError("no"))
    await one.pass_time(2)
    assert one.calls == 3
    one.pending[2].give("yes")
    assert text(await one.task) == "yes"
    one.check()


@pytest.mark.parametrize(
    ("error", "calls"),
    [(RateLimitError("slow down", retry_after=30), 1), (ServerError("no", retry_after=30), 1), (ServerError("no"), 3)],
    ids=["429", "retry-after", "failure"],
)
async def test_a_retry_inside_that_waits_as_it_was_asked_to_is_not_hedged(error, calls, scene):
    one = scene(Hedge(10), Retry(2))
    await one.begin()
    one.pending[0].fail(error)
    await turns()
    await one.pass_time(10)
    assert one.calls == calls
    one.task.cancel()
    await asyncio.wait({one.task})
    one.check()


class Busy(Layer):
    """Refuses every call but the first without an exchange, as a limit of our own does."""

    async def around(self, request, inner, call_next):
        self.calls = getattr(self, "calls", 0) + 1
        if self.calls > 1:
            raise RateLimitError("full", kind="local")
        return await call_next(request)


async def test_a_push_back_that_is_in_no_journal_counts_too(scene):
    busy = Busy()
    one = scene(Hedge(2, most=5), busy)
    await one.begin()
    for _ in range(5):
        await one.pass_time(2)
    assert busy.calls == 2
    one.pending[0].give("yes")
    assert text(await one.task) == "yes"
    one.check()


async def test_a_push_back_of_an_earlier_attempt_does_not_count(scene):
    one = scene(Retry(2), Hedge(2))
    await one.begin()
    one.pending[0].fail(RateLimitError("slow down", retry_after=5))
    await turns()
    await one.pass_time(6)
    assert one.calls == 2
    await one.pass_time(2)
    assert one.calls == 3
    one.pending[1].give("yes")
    assert text(await one.task) == "yes"
    one.check()


class Refusing(Layer):
    """An open circuit for every call but the first."""

    async def around(self, request, inner, call_next):
        if request.context.started > 0:
            raise CircuitOpenError("open", retry_after=5)
        return await call_next(request)


async def test_a_hedge_that_is_refused_here_leaves_the_first_call_alone(scene):
    one = scene(Hedge(2), Refusing())
    await one.begin()
    await one.pass_time(2)
    assert one.calls == 1
    one.pending[0].give("yes")
    assert text(await one.task) == "yes"
    one.check()


async def test_inside_a_retry_both_attempts_are_hedged_within_the_attempts_left(scene):
    one = scene(Retry(3, base=0), Hedge(2), extras=2)
    await one.begin()
    await one.pass_time(2)  # takes one
    for pending in one.pending:
        pending.fail(ServerError("no"))
    await turns()
    await one.pass_time(0)  # takes the other
    assert one.calls == 3
    await one.pass_time(10)
    assert one.calls == 3
    one.pending[2].give("yes")
    assert text(await one.task) == "yes"
    one.check()


# --- cancellation ---


@PATHS
async def test_a_cancelled_caller_cancels_both_and_goes_when_they_have_ended(call, scene):
    one = scene()
    await one.begin(call)
    await one.pass_time(2)
    one.task.cancel()
    await asyncio.wait({one.task})
    assert one.task.cancelled()
    assert [pending.ended for pending in one.pending] == ["cancelled", "cancelled"]
    assert one.outcomes() == [(1, "cancelled"), (2, "cancelled")]
    one.check()


class Slow(MockProvider):
    """Takes some turns of the loop for everything, the end of a stream too; the clock passes the delay meanwhile."""

    def __init__(self, clock):
        super().__init__("yes")
        self._clock = clock
        self.open = 0

    async def _turns(self):
        self.open += 1
        try:
            await turns(2)
            self._clock.advance(2)
            await turns(4)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            raise
        finally:
            self.open -= 1

    async def chat(self, request, /):
        await self._turns()
        return await super().chat(request)

    async def embeddings(self, request, /):
        await self._turns()
        return await super().embeddings(request)

    async def chat_stream(self, request, /):
        await self._turns()
        return ChatStream(SlowSource(self))


class SlowSource:
    def __init__(self, mock):
        self._mock = mock
        self._chunks = [ChatStreamChunk(content="yes"), LAST]
        mock.open += 1

    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.sleep(0)
        return self._chunks.pop(0)

    async def aclose(self):
        self._mock.open -= 1
        await asyncio.sleep(0)


@PATHS
async def test_a_cancellation_at_any_step_leaves_nothing(call, at_every_step):
    clock, hedged = FakeClock(auto=False), []

    def scene():
        mock = Slow(clock)
        provider = chain([Hedge(2)], mock)
        context = CallContext(clock=clock, timeouts=Timeouts(total=None))

        async def work():
            return await call(provider, context)

        def verify(task):
            assert (mock.open, clock.pending) == (0, 0)
            assert len(context.journal) == context.started
            hedged.append(context.started)

        return work(), verify

    assert await at_every_step(scene) > 40
    assert {1, 2} <= set(hedged)


async def test_two_users_of_one_hedge_do_not_see_each_other(still):
    hedge, mocks = Hedge(2), [Held(), Held()]
    contexts = [CallContext(clock=still, timeouts=Timeouts(total=None)) for _ in mocks]
    pairs = zip(mocks, contexts, strict=True)
    tasks = [asyncio.create_task(chat(chain([hedge], mock), context)) for mock, context in pairs]
    await turns()
    mocks[0].pending[0].give("a")
    await turns()
    still.advance(2)
    await turns()
    mocks[1].pending[1].give("b")
    assert [text(answer) for answer in await asyncio.gather(*tasks)] == ["a", "b"]
    assert [mock.calls for mock in mocks] == [1, 2]


def test_two_loops_may_use_one_hedge_one_after_the_other():
    hedge, mock = Hedge(60), MockProvider("yes")
    provider = chain([hedge], mock)
    assert [text(asyncio.run(chat(provider, CallContext()))) for _ in range(2)] == ["yes", "yes"]


class Remembered(ServerError):
    """Can be referred to weakly."""


@pytest.mark.parametrize("path", ["chat", "chat_stream"])
async def test_an_error_is_gone_when_its_caller_has_forgotten_it(path, clock):
    provider = Hedge(2)(MockProvider(Remembered("no")))
    request = evolve(ASKED, context=CallContext(clock=clock))
    gc.collect()
    gc.disable()
    try:
        call = asyncio.create_task(getattr(provider, path)(request))
        await asyncio.wait({call})
        seen = weakref.ref(call.exception())
        del call
        await turns()
        assert seen() is None
    finally:
        gc.enable()


# --- over the network ---


async def test_over_connections_the_slower_stream_is_closed_and_the_other_read_to_its_end():
    async with (
        LoopbackServer(reply="Rhine and Loire.") as server,
        AsyncClient(CompatibleProvider(server.base_url, model="any")).use(Hedge(0.05)) as client,
    ):
        server.script(faults.stall())
        async with client.chat_stream(ASKED) as stream:
            assert "".join([text async for text in stream.text]) == "Rhine and Loire."
        assert [attempt.outcome for attempt in stream.response.attempts] == ["cancelled", "completed"]
        await asyncio.to_thread(
            server.wait_for, lambda: server.open_connections == 1
        )  # the winner's, kept for the next
        assert len(server.requests) == 2


# --- options ---


@pytest.mark.parametrize(
    "after", [0, -1, pytest.param(10**400, id="huge"), float("inf"), float("nan"), "1", True, None], ids=repr
)
def test_the_delay_must_be_more_than_zero_seconds(after):
    with pytest.raises(ConfigError, match=r"after=.* must be a finite number of seconds, more than 0"):
        Hedge(after)


@pytest.mark.parametrize("most", [0, -1, 1.5, "2", True], ids=repr)
def test_most_must_be_a_whole_number_of_at_least_one(most):
    with pytest.raises(ConfigError, match=r"most=.* must be a whole number of at least 1"):
        Hedge(1, most=most)


def test_the_repr_shows_its_options():
    shown = [repr(Hedge(1.5)), repr(Hedge(2, most=3)), repr(Hedge(2, quota=False))]
    assert shown == ["Hedge(after=1.5)", "Hedge(after=2, most=3)", "Hedge(after=2, quota=False)"]


@pytest.mark.parametrize("quota", [1, 0.1, None, "no"], ids=repr)
def test_the_quota_is_kept_or_not(quota):
    with pytest.raises(ConfigError, match=r"quota=.* must be True or False"):
        Hedge(1, quota=quota)
