"""One call for several that ask the same: who shares, who pays, who leaves, and what each is told of a failure."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest
from attrs import evolve

from aiclient.attempt import chain
from aiclient.client import AsyncClient
from aiclient.context import CallContext, Timeouts
from aiclient.errors import (
    AllProvidersFailedError,
    ClientClosedError,
    ConfigError,
    DryRunStop,
    ServerError,
    TimeoutError,
)
from aiclient.gate import uninterrupted
from aiclient.layer import Layer
from aiclient.messages import Message
from aiclient.middleware import Cache, SingleFlight
from aiclient.middleware._flight import own_error
from aiclient.opening import collect
from aiclient.pricing import DictPrices
from aiclient.provider import opened
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest
from aiclient.response import CallWarning, ChatResponse, EmbeddingResponse
from aiclient.sync.client import Client
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

ASKED = ChatRequest([Message("user", "hi")], ChatOptions(temperature=0))
TEXTS = EmbeddingRequest(["hi", "ho"])


class Held(MockProvider):
    """Answers chat and embeddings when told to, each call apart."""

    def __init__(self):
        super().__init__(chat_func=self._chat, embeddings_func=self._embed)
        self.held = []
        self.cancelled = 0

    async def _wait(self):
        future = asyncio.get_running_loop().create_future()
        self.held.append(future)
        try:
            return await future
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def _chat(self, request):
        return await self._wait()

    async def _embed(self, request):
        return EmbeddingResponse([[1.0, 2.0], [3.0, 4.0]], model=await self._wait())


async def together(calls):
    """Make calls at once; a cancellation cancels them all, and goes on when they have ended."""
    tasks = [asyncio.create_task(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        await uninterrupted(asyncio.wait(tasks))


async def turns(count=10):
    for _ in range(count):
        await asyncio.sleep(0)


async def chat(provider, context, request=ASKED):
    return await opened(request, provider.chat, context)


async def embed(provider, context, request=TEXTS):
    return await opened(request, provider.embeddings, context)


async def stream(provider, context, request=ASKED):
    return await collect(opened(request, provider.chat_stream, context))


PATHS = pytest.mark.parametrize("call", [chat, embed], ids=["chat", "embeddings"])
EVERY = pytest.mark.parametrize("call", [chat, stream, embed], ids=["chat", "stream", "embeddings"])


def text(answer):
    return answer.message.content if isinstance(answer, ChatResponse) else answer.model


class Scene:
    """A layer, its provider, and callers that ask the same."""

    def __init__(self, clock, *, sampled=False):
        self.clock = clock
        self.mock = Held()
        self.layer = SingleFlight(sampled=sampled)
        self.provider = chain([self.layer], self.mock)
        self._tasks = set()

    def context(self, total=None, **more):
        context = CallContext(
            clock=self.clock, timeouts=Timeouts(total=total, attempt=more.pop("attempt", None)), **more
        )
        context.deadline = None if total is None else self.clock.monotonic() + total
        return context

    def begin(self):
        """Take note of the tasks that are not its own."""
        self._tasks = self._tasks or asyncio.all_tasks()

    async def ask(self, call=chat, total=None, **more):
        """Begin a call, and return when it waits."""
        self.begin()
        task = asyncio.create_task(call(self.provider, self.context(total, **more)))
        await turns()
        return task

    def check(self):
        """Nothing is left of it."""
        assert self.layer.in_flight == 0
        assert asyncio.all_tasks() == self._tasks
        assert self.clock.pending == 0

    def flight(self, *callers):
        """The task that makes the call."""
        (flight,) = asyncio.all_tasks() - self._tasks - {*callers}
        return flight


@pytest.fixture
def scene(still):
    return Scene(still)


# --- who shares ---


@EVERY
async def test_a_thousand_concurrent_identical_calls_are_one(call, clock):
    mock, layer = MockProvider("Paris"), SingleFlight()
    provider = chain([layer], mock)
    before = asyncio.all_tasks()
    answers = await asyncio.gather(*(call(provider, CallContext(clock=clock)) for _ in range(1000)))
    assert mock.calls == 1
    assert sum(answer.shared for answer in answers) == 999
    assert len({text(answer) for answer in answers}) == 1
    assert layer.in_flight == 0
    assert asyncio.all_tasks() == before


@PATHS
async def test_a_call_that_begins_after_the_other_has_ended_is_made_anew(call, scene):
    for number in range(2):
        task = await scene.ask(call)
        scene.mock.held[number].set_result(f"answer {number}")
        assert text(await task) == f"answer {number}"
        assert not (await task).shared
    assert scene.mock.calls == 2
    scene.check()


@pytest.mark.parametrize(
    "other",
    [
        ChatRequest([Message("user", "ho")], ChatOptions(temperature=0)),
        ChatRequest([Message("user", "hi")], ChatOptions(temperature=0, max_tokens=5)),
        ChatRequest([Message("user", "hi")], ChatOptions(temperature=0, model="another")),
        ChatRequest([Message("user", "hi")], ChatOptions(temperature=0, tenant="acme")),
        ChatRequest([Message("user", "hi")], ChatOptions(temperature=0, strict=True)),
    ],
    ids=["messages", "options", "model", "tenant", "strict"],
)
async def test_what_differs_in_what_it_asks_is_not_shared(other, clock):
    mock = MockProvider()
    provider = chain([SingleFlight()], mock)
    answers = await asyncio.gather(provider.chat(ASKED), provider.chat(other))
    assert mock.calls == 2 and not any(answer.shared for answer in answers)


async def test_what_differs_in_how_it_is_called_alone_is_shared(clock):
    mock = MockProvider()
    provider = chain([SingleFlight()], mock)
    other = evolve(ASKED, options=evolve(ASKED.options, timeout=5, tags={"page": "home"}))
    answers = await asyncio.gather(provider.chat(ASKED), provider.chat(other))
    assert mock.calls == 1 and [answer.shared for answer in answers] == [False, True]


async def test_a_chat_and_a_stream_are_two_calls(clock):
    mock = MockProvider()
    provider = chain([SingleFlight()], mock)
    await asyncio.gather(chat(provider, CallContext(clock=clock)), stream(provider, CallContext(clock=clock)))
    assert mock.calls == 2


async def test_two_chains_with_one_layer_do_not_share(clock):
    layer, mocks = SingleFlight(), [MockProvider("a"), MockProvider("b")]
    providers = [chain([layer], mock) for mock in mocks]
    answers = await asyncio.gather(*(chat(provider, CallContext(clock=clock)) for provider in providers))
    assert [answer.message.content for answer in answers] == ["a", "b"]


def cached(call, clock, mode):
    """The context of a call in that cache mode, and its request: chat requests say it themselves."""
    chosen = evolve(ASKED, options=evolve(ASKED.options, cache=mode))
    return CallContext(clock=clock, cache=mode), TEXTS if call is embed else chosen


@EVERY
@pytest.mark.parametrize("mode", ["bypass", "refresh"])
async def test_a_call_that_wants_a_fresh_answer_goes_alone(call, mode, clock):
    mock = MockProvider()
    provider = chain([SingleFlight()], mock)
    modes = ["use", mode, mode]
    answers = await asyncio.gather(*(call(provider, *cached(call, clock, each)) for each in modes))
    assert mock.calls == 3 and not any(answer.shared for answer in answers)


async def test_a_dry_run_goes_alone(clock):
    layer, mock = SingleFlight(), MockProvider()
    provider = chain([layer], mock)
    ends = await asyncio.gather(
        *(chat(provider, CallContext(clock=clock, dry_run=dry)) for dry in (False, True)), return_exceptions=True
    )
    assert [type(end) for end in ends] == [ChatResponse, DryRunStop]
    assert mock.calls == 1


async def test_calls_with_different_clocks_go_apart(clock, still):
    mock = MockProvider()
    provider = chain([SingleFlight()], mock)
    await asyncio.gather(*(chat(provider, CallContext(clock=each)) for each in (clock, still)))
    assert mock.calls == 2


# --- sampled requests ---

SAMPLED = ChatRequest([Message("user", "hi")])


@pytest.mark.parametrize("temperature", [None, 0.7])
async def test_requests_whose_answers_differ_are_not_shared(temperature, clock):
    mock = MockProvider()
    provider = chain([SingleFlight()], mock)
    request = ChatRequest(SAMPLED.messages, ChatOptions(temperature=temperature))
    await asyncio.gather(*(chat(provider, CallContext(clock=clock), request) for _ in range(3)))
    assert mock.calls == 3


async def test_the_first_that_is_not_shared_says_so_once(clock):
    provider = chain([SingleFlight()], MockProvider())
    answers = await asyncio.gather(*(chat(provider, CallContext(clock=clock), SAMPLED) for _ in range(3)))
    (told,), *others = (answer.warnings for answer in answers)
    assert (told.code, told.setting, others) == ("single_flight_skipped_sampled", "temperature", [(), ()])
    assert "SingleFlight(sampled=True)" in told.message


@pytest.mark.parametrize("call", [chat, stream])
async def test_a_cache_outside_gives_the_answer_that_bears_the_warning_to_strict_callers_too(call, clock):
    mock = MockProvider("yes")
    provider = chain([Cache(ttl=60, sampled=True), SingleFlight()], mock)
    answers = [await call(provider, CallContext(clock=clock, strict=strict), SAMPLED) for strict in (False, True)]
    assert ([answer.cached for answer in answers], mock.calls) == ([False, True], 1)


@EVERY
async def test_a_cache_outside_asks_once_for_a_thousand_misses_and_keeps_one_answer(call, clock):
    mock, cache = MockProvider("yes"), Cache(ttl=60)
    provider = chain([cache, SingleFlight()], mock)
    await asyncio.gather(*(call(provider, CallContext(clock=clock)) for _ in range(1000)))
    again = await call(provider, CallContext(clock=clock))
    assert (mock.calls, cache.stats().stores, again.cached, again.shared) == (1, 1, True, False)


async def test_they_are_shared_on_request(clock):
    mock = MockProvider()
    provider = chain([SingleFlight(sampled=True)], mock)
    await asyncio.gather(*(chat(provider, CallContext(clock=clock), SAMPLED) for _ in range(3)))
    assert mock.calls == 1


# --- what each is given ---


@EVERY
async def test_the_leader_pays_and_the_followers_have_it_for_nothing(call, clock):
    prices = DictPrices({"mock-model": {"input": 1000, "output": 1000}})
    mock = MockProvider("Paris", embeddings_func=lambda _: EmbeddingResponse([[1.0]], model="mock-model"))
    provider = chain([SingleFlight()], mock)
    contexts = [CallContext(clock=clock, prices=prices) for _ in range(3)]
    leader, *followers = await asyncio.gather(*(call(provider, context) for context in contexts))
    assert (len(leader.attempts), leader.shared) == (1, False)
    assert [(answer.attempts, answer.shared, answer.cost.usd) for answer in followers] == [((), True, 0)] * 2
    assert [answer.cost.saved for answer in followers] == [leader.cost.usd] * 2
    assert [len(context.journal) for context in contexts] == [1, 0, 0]
    assert {answer.provider for answer in (leader, *followers)} == {"mock"}
    assert {answer.usage for answer in (leader, *followers)} == {leader.usage}


async def test_the_vectors_of_one_caller_are_not_those_of_another(scene):
    tasks = [await scene.ask(embed) for _ in range(2)]
    scene.mock.held[0].set_result("m")
    leader, follower = await asyncio.gather(*tasks)
    follower.vectors[0][0] = 9.0
    assert list(leader.vectors[0]) == [1.0, 2.0]


class Grumbling(Layer):
    """Warns as a provider does that cannot honour something."""

    async def around(self, request, inner, call_next):
        request.context.warnings.append(CallWarning("mock", "top_k", "not honoured"))
        return await call_next(request)


@EVERY
async def test_followers_are_told_what_could_not_be_honoured(call, clock):
    provider = chain([SingleFlight(), Grumbling()], MockProvider())
    answers = await asyncio.gather(*(call(provider, CallContext(clock=clock)) for _ in range(3)))
    assert [len(answer.warnings) for answer in answers] == [1, 1, 1]


async def test_followers_tell_their_observers_that_they_share(clock):
    events, contexts = [], [CallContext(clock=clock) for _ in range(2)]
    for number, context in enumerate(contexts):
        context.observe(lambda event, number=number: events.append((number, event.kind, event.detail)))
    provider = chain([SingleFlight()], MockProvider())
    await asyncio.gather(*(chat(provider, context) for context in contexts))
    assert [event for event in events if event[1] == "cache"] == [(1, "cache", "shared")]
    assert [event for event in events if event[0] == 1] == [(1, "cache", "shared")]


# --- failures ---


@EVERY
async def test_an_error_reaches_each_as_its_own(call, clock):
    mock = MockProvider(ServerError("no", status_code=500))
    provider = chain([SingleFlight()], mock)
    calls = [call(provider, CallContext(clock=clock)) for _ in range(3)]
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert mock.calls == 1
    assert [(type(error), str(error), error.status_code) for error in errors] == [(ServerError, "no", 500)] * 3
    assert len({id(error) for error in errors}) == 3
    assert [len(error.attempts) for error in errors] == [1, 0, 0]


@EVERY
async def test_an_error_is_not_kept_for_those_who_come_later(call, clock):
    mock = MockProvider([ServerError(), "yes"], embeddings_func=None)
    provider = chain([SingleFlight()], mock)
    with pytest.raises(ServerError):
        await chat(provider, CallContext(clock=clock))
    assert text(await chat(provider, CallContext(clock=clock))) == "yes"


async def test_a_bug_inside_reaches_everyone_too(scene):
    tasks = [await scene.ask() for _ in range(2)]
    scene.mock.held[0].set_exception(ValueError("bug"))
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert [repr(error) for error in errors] == ["ValueError('bug')"] * 2
    assert errors[0] is not errors[1]
    scene.check()


def test_a_copy_of_an_error_shares_nothing_that_is_written_on():
    cause = ServerError("first")
    error = AllProvidersFailedError("all", errors=[cause], provider="p", attempts=[1])
    error.__cause__ = cause
    error.add_note("a note")
    try:
        raise error
    except AllProvidersFailedError:
        fresh = own_error(error)
    fresh.add_note("another")
    assert (str(fresh), fresh.provider, fresh.attempts, fresh.__traceback__) == ("all", "p", (), None)
    assert error.__notes__ == ["a note"]
    assert str(fresh.__cause__) == str(fresh.errors[0]) == "first"
    assert fresh.__cause__ is not cause and fresh.errors[0] is not cause


class Stubborn(Exception):
    def __init__(self, one, two):
        super().__init__(one)


def test_an_exception_that_cannot_be_copied_is_passed_on_as_it_is():
    error = Stubborn(1, 2)
    assert own_error(error) is error


class Remembered(ServerError):
    """Can be referred to weakly."""


@pytest.mark.parametrize("path", ["chat", "chat_stream"])
async def test_an_error_is_gone_when_its_callers_have_forgotten_it(path, clock):
    provider = SingleFlight()(MockProvider(Remembered("no")))
    request = evolve(ASKED, context=CallContext(clock=clock))
    gc.collect()
    gc.disable()
    try:
        calls = [asyncio.create_task(getattr(provider, path)(request)) for _ in range(2)]
        await asyncio.wait(calls)
        seen = [weakref.ref(call.exception()) for call in calls]
        del calls
        await turns()
        assert [error() for error in seen] == [None, None]
    finally:
        gc.enable()


# --- leaving ---


@PATHS
async def test_a_leader_that_leaves_ends_nothing_for_the_others(call, scene):
    leader, follower = await scene.ask(call), await scene.ask(call)
    leader.cancel()
    await asyncio.wait({leader})
    assert leader.cancelled() and scene.mock.cancelled == 0
    third = await scene.ask(call)
    scene.mock.held[0].set_result("yes")
    assert [text(await task) for task in (follower, third)] == ["yes", "yes"]
    assert scene.mock.calls == 1
    scene.check()


@PATHS
async def test_a_follower_that_leaves_ends_nothing_for_the_leader(call, scene):
    leader, follower = await scene.ask(call), await scene.ask(call)
    follower.cancel()
    await asyncio.wait({follower})
    scene.mock.held[0].set_result("yes")
    assert text(await leader) == "yes"
    scene.check()


@PATHS
async def test_the_last_one_that_leaves_ends_the_call_at_once(call, scene):
    tasks = [await scene.ask(call) for _ in range(3)]
    for task in tasks:
        assert scene.mock.cancelled == 0
        task.cancel()
        await asyncio.wait({task})
    assert scene.mock.cancelled == 1
    assert all(task.cancelled() for task in tasks)
    scene.check()


async def test_a_call_that_is_being_called_off_is_not_joined(scene):
    leaving = await scene.ask()
    leaving.cancel()
    await asyncio.sleep(0)  # it has asked the call to end, which has not
    joining = await scene.ask()
    scene.mock.held[-1].set_result("yes")
    assert text(await joining) == "yes"
    assert (scene.mock.calls, scene.mock.cancelled) == (2, 1)
    scene.check()


async def test_a_caller_that_has_left_is_forgotten(scene):
    staying = await scene.ask()
    (flight,) = scene.layer._flights.values()
    for _ in range(5):
        leaving = await scene.ask()
        leaving.cancel()
        await asyncio.wait({leaving})
    assert len(flight._waiting) == 1
    scene.mock.held[0].set_result("yes")
    await staying


async def test_the_end_of_a_call_does_not_hide_the_next_one_with_its_key(scene):
    leaving = await scene.ask()
    leaving.cancel()
    await asyncio.sleep(0)  # the call is being called off
    staying = await scene.ask()
    await asyncio.wait({leaving})
    joining = await scene.ask()
    scene.mock.held[1].set_result("yes")
    assert [(await task).shared for task in (staying, joining)] == [False, True]
    assert scene.mock.calls == 2
    scene.check()


async def test_the_journal_stays_with_a_leader_that_has_left(scene):
    context = scene.context()
    leader = asyncio.create_task(chat(scene.provider, context))
    await turns()
    follower = await scene.ask()
    leader.cancel()
    await turns()
    scene.mock.held[0].set_result("yes")
    answer = await follower
    assert (answer.attempts, [attempt.outcome for attempt in context.journal]) == ((), ["completed"])


class Failing(Layer):
    """Has a bug in what it does at the end of a call."""

    async def around(self, request, inner, call_next):
        try:
            return await call_next(request)
        finally:
            raise ValueError("bug in the cleanup")


async def test_a_bug_in_the_end_of_a_call_that_was_called_off_is_noted_on_the_cancellation(still):
    scene = Scene(still)
    scene.provider = chain([scene.layer, Failing()], scene.mock)
    notes = []
    scene.begin()

    async def asked():
        try:
            await chat(scene.provider, scene.context())
        except asyncio.CancelledError as error:
            notes.extend(error.__notes__)
            raise

    task = asyncio.create_task(asked())
    await turns()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert notes == ["the shared call's end ran into ValueError: bug in the cleanup"]
    scene.check()


@PATHS
async def test_a_cancellation_of_the_only_caller_at_any_step_leaves_nothing(call, at_every_step, still):
    def scene():
        layer, mock = SingleFlight(), Slow("yes")
        provider = chain([layer], mock)

        def verify(task):
            assert (layer.in_flight, mock.running, still.pending) == (0, 0, 0)

        return call(provider, CallContext(clock=still)), verify

    assert await at_every_step(scene) > 20


@PATHS
async def test_a_cancellation_at_any_step_leaves_nothing(call, at_every_step, still):
    def scene():
        layer, mock = SingleFlight(), Slow("yes")
        provider = chain([layer], mock)

        async def work():
            return await together(call(provider, CallContext(clock=still)) for _ in range(3))

        def verify(task):
            assert (layer.in_flight, mock.running, still.pending) == (0, 0, 0)
            assert mock.calls <= 1

        return work(), verify

    assert await at_every_step(scene) > 20


@PATHS
@pytest.mark.parametrize("which", [0, 1, 2])
async def test_a_cancellation_of_one_at_any_step_does_not_touch_the_others(call, which, at_every_step, still):
    def scene():
        layer, mock = SingleFlight(), Slow("yes")
        provider = chain([layer], mock)
        others = []

        async def work():
            calls = [asyncio.create_task(call(provider, CallContext(clock=still))) for _ in range(3)]
            mine = calls.pop(which)
            others.extend(calls)
            try:
                return await mine
            finally:
                await uninterrupted(asyncio.wait({*others, mine}))

        def verify(task):
            assert {text(other.result()) for other in others} <= {"yes", "mock-model"}
            assert (layer.in_flight, mock.running, still.pending) == (0, 0, 0)
            assert mock.calls <= 2

        return work(), verify

    assert await at_every_step(scene) > 20


class Slow(MockProvider):
    """Takes a few turns of the loop for an answer, and counts what is under way."""

    running = 0

    async def _turns(self):
        self.running += 1
        try:
            await turns(5)
        finally:
            try:
                await uninterrupted(turns(5))
            finally:
                self.running -= 1

    async def chat(self, request, /):
        await self._turns()
        return await super().chat(request)

    async def embeddings(self, request, /):
        await self._turns()
        return await super().embeddings(request)


# --- time ---


@PATHS
async def test_a_follower_waits_no_longer_than_its_own_deadline(call, scene):
    leader, follower = await scene.ask(call, 60), await scene.ask(call, 5)
    scene.clock.advance(5)
    with pytest.raises(TimeoutError) as caught:
        await follower
    assert (caught.value.phase, caught.value.attempts) == ("total", ())
    scene.mock.held[0].set_result("yes")
    assert text(await leader) == "yes"
    scene.check()


async def test_a_follower_that_was_answered_leaves_no_timer(scene):
    leader, follower = await scene.ask(), await scene.ask(total=5)
    scene.mock.held[0].set_result("yes")
    await asyncio.gather(leader, follower)
    assert scene.clock.pending == 0


@PATHS
async def test_a_leader_whose_time_is_over_ends_the_exchange_as_it_would_alone(call, scene):
    leader = await scene.ask(call, 60)
    scene.clock.advance(60)
    with pytest.raises(TimeoutError) as caught:
        await leader
    (attempt,) = caught.value.attempts
    assert (caught.value.phase, attempt.outcome, attempt.category) == ("total", "failed", "timeout")
    scene.check()


@PATHS
async def test_followers_with_time_left_begin_anew_when_the_leaders_is_over_with_one_of_them_as_the_leader(call, scene):
    leader = await scene.ask(call, 5)
    followers = [await scene.ask(call, 60) for _ in range(3)]
    scene.clock.advance(5)
    with pytest.raises(TimeoutError):
        await leader
    await turns()
    assert scene.mock.calls == 2
    scene.mock.held[1].set_result("yes")
    answers = await asyncio.gather(*followers)
    assert [answer.shared for answer in answers] == [False, True, True]
    assert [len(answer.attempts) for answer in answers] == [1, 0, 0]
    scene.check()


async def test_the_one_with_the_most_time_left_makes_the_next_call(scene):
    leader, *followers = [await scene.ask(total=total) for total in (1, 2, 4, 3)]
    scene.clock.advance(1)
    await turns()
    assert leader.exception().phase == "total"
    scene.clock.advance(1)
    await turns()
    assert followers[0].exception().phase == "total"
    scene.mock.held[1].set_result("yes")
    assert [(await task).shared for task in followers[1:]] == [False, True]
    assert scene.mock.calls == 2
    scene.check()


async def test_followers_without_time_left_fail_with_the_leader(scene):
    tasks = [await scene.ask(total=5) for _ in range(3)]
    scene.clock.advance(5)
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert [error.phase for error in errors] == ["total"] * 3
    assert scene.mock.calls == 1
    scene.check()


async def test_a_follower_whose_time_is_over_does_not_begin_anew(scene):
    leader = await scene.ask()
    context = scene.context()
    context.deadline = scene.clock.monotonic()  # over, and the timer that says so comes with the next turn of the clock
    follower = asyncio.create_task(chat(scene.provider, context))
    await turns()
    scene.mock.held[0].set_exception(TimeoutError(phase="total"))
    errors = await asyncio.gather(leader, follower, return_exceptions=True)
    assert [error.phase for error in errors] == ["total"] * 2
    assert scene.mock.calls == 1
    scene.check()


@pytest.mark.parametrize(
    ("granted", "own", "calls"), [(5, 30, 2), (5, None, 2), (5, 5, 1), (5, 3, 1)], ids=["more", "any", "equal", "less"]
)
async def test_a_follower_that_grants_an_attempt_more_time_than_the_leader_begins_anew(granted, own, calls, scene):
    leader, follower = await scene.ask(attempt=granted), await scene.ask(attempt=own)
    scene.clock.advance(5)
    await asyncio.wait({leader})
    await turns()
    assert leader.exception().phase == "attempt"
    assert scene.mock.calls == calls
    follower.cancel()
    await asyncio.wait({follower})
    scene.check()


async def test_a_fallback_that_ran_out_of_the_leaders_time_is_made_anew(scene):
    leader, follower = await scene.ask(), await scene.ask()
    out_of_time = AllProvidersFailedError(errors=[ServerError(), TimeoutError(phase="total")])
    scene.mock.held[0].set_exception(out_of_time)
    with pytest.raises(AllProvidersFailedError):
        await leader
    await turns()
    scene.mock.held[1].set_result("yes")
    assert text(await follower) == "yes"


async def test_a_call_that_somebody_ended_is_made_anew_once(scene):
    tasks = [await scene.ask() for _ in range(3)]
    for number in range(2):
        scene.mock.held[number].set_exception(ClientClosedError("closed"))
        await turns()
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert [(type(error), len(error.attempts)) for error in errors] == [
        (ClientClosedError, 1),
        (ClientClosedError, 1),
        (ClientClosedError, 0),
    ]
    assert scene.mock.calls == 2
    scene.check()


async def test_a_flight_that_was_cancelled_from_outside_cancels_its_leader_and_is_made_anew_by_a_follower(scene):
    leader, follower = await scene.ask(), await scene.ask()
    scene.flight(leader, follower).cancel()
    await turns()
    assert leader.cancelled()
    scene.mock.held[1].set_result("yes")
    assert text(await follower) == "yes"
    scene.check()


async def test_a_closing_client_ends_a_leader_and_not_the_followers_of_another_client(still):
    mock = Held()
    layer = SingleFlight()
    shared = chain([layer], mock)
    clients = [AsyncClient(Around(shared), clock=still) for _ in range(2)]
    calls = [asyncio.create_task(client.chat(ASKED)) for client in clients]
    await turns()
    await clients[0].close()
    mock.held[0].set_result("yes")
    with pytest.raises(ClientClosedError):
        await calls[0]
    assert text(await calls[1]) == "yes"
    assert (mock.calls, layer.in_flight) == (1, 0)


class Around:
    """A provider over another, of which a client takes no part for its own."""

    name = "around"

    def __init__(self, provider):
        self._provider = provider

    async def chat(self, request, /):
        return await self._provider.chat(request)

    async def chat_stream(self, request, /):
        return await self._provider.chat_stream(request)

    async def embeddings(self, request, /):
        return await self._provider.embeddings(request)

    def validate_config(self):
        pass

    async def close(self):
        pass


# --- loops and threads ---


def test_two_threads_with_a_loop_each_do_not_share_and_do_not_disturb_each_other():
    mock, layer, answers = MockProvider("yes"), SingleFlight(), []
    provider = chain([layer], mock)

    async def many():
        return await asyncio.gather(*(chat(provider, CallContext()) for _ in range(50)))

    def run():
        answers.extend(asyncio.run(many()))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [text(answer) for answer in answers] == ["yes"] * 100
    assert mock.calls == 2
    assert sum(answer.shared for answer in answers) == 98
    assert layer.in_flight == 0


class Gathering(Layer):
    """Stands outside and counts who has come; `Waiting` stands inside and lets nobody through before all have."""

    def __init__(self, expected):
        self._left = expected
        self.all_here = asyncio.Event()

    async def around(self, request, inner, call_next):
        self._left -= 1
        if self._left == 0:
            self.all_here.set()
        return await call_next(request)


class Waiting(Layer):
    def __init__(self, gathering):
        self._gathering = gathering

    async def around(self, request, inner, call_next):
        await self._gathering.all_here.wait()
        return await call_next(request)


def test_two_loops_that_run_at_once_do_not_share():
    layer, calls = SingleFlight(), []

    async def outer_call(_):
        calls.append("outer")
        await asyncio.to_thread(asyncio.run, provider.chat(ASKED))
        return "outer"

    mock = MockProvider([outer_call, "inner"])
    provider = chain([layer], mock)
    answer = asyncio.run(asyncio.wait_for(provider.chat(ASKED), 5))
    assert (calls, answer.message.content, mock.calls) == (["outer"], "outer", 2)


def test_threads_that_use_one_synchronous_client_share():
    mock, gathering, answers = MockProvider("yes"), Gathering(4), []
    with Client(mock).use(gathering, SingleFlight(), Waiting(gathering)) as client:
        threads = [threading.Thread(target=lambda: answers.append(client.chat(ASKED))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert mock.calls == 1
    assert sorted(answer.shared for answer in answers) == [False, True, True, True]


# --- options ---


@pytest.mark.parametrize("value", [1, None, "yes"], ids=repr)
def test_sampled_must_be_a_bool(value):
    with pytest.raises(ConfigError, match=r"sampled=.* must be True or False"):
        SingleFlight(sampled=value)


def test_the_repr_shows_its_options():
    assert (repr(SingleFlight()), repr(SingleFlight(sampled=True))) == ("SingleFlight()", "SingleFlight(sampled=True)")


async def test_a_request_that_has_no_key_goes_alone(clock):
    mock = MockProvider()
    provider = chain([SingleFlight()], mock)
    request = ChatRequest(ASKED.messages, ChatOptions(temperature=0, extra={"mock": {"odd": object()}}))
    await asyncio.gather(*(chat(provider, CallContext(clock=clock), request) for _ in range(2)))
    assert mock.calls == 2
