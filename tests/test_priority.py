"""A list of providers by priority, each behind a circuit of its own."""

from __future__ import annotations

import asyncio
import threading

import pytest

import aiclient
from aiclient.chunks import ChatStreamChunk
from aiclient.client import AsyncClient
from aiclient.composition import destinations
from aiclient.context import CallContext, Timeouts
from aiclient.errors import (
    AllProvidersFailedError,
    AuthenticationError,
    CircuitOpenError,
    ConfigError,
    ContextLengthError,
    InvalidProviderError,
    ServerError,
    StreamInterruptedError,
)
from aiclient.explain import explain
from aiclient.messages import Message
from aiclient.middleware import CircuitBreaker, Fallback, Retry, Target
from aiclient.opening import collect
from aiclient.priority import Failover, FailoverState, failover
from aiclient.provider import opened
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest
from aiclient.response import EmbeddingResponse
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

MESSAGES = [Message("user", "hi")]
HEAD, A, LAST = ChatStreamChunk(id="r1"), ChatStreamChunk(content="a"), ChatStreamChunk(finish_reason="stop", last=True)


class Service(MockProvider):
    """Answers with its name while it is up, to embeddings too, as the model's name."""

    def __init__(self, name, *, model="m"):
        super().__init__(self._say, name=name, model=model)
        self.up = True

    def _say(self, _):
        if not self.up:
            raise ServerError(f"{self.name} is down", status_code=503)
        return self.name

    async def embeddings(self, request, /):
        answer = await self.chat(ChatRequest([Message("user", request.input[0])], ChatOptions(model=request.model)))
        return EmbeddingResponse([[1.0]], model=answer.message.content)


def call_context(clock, **more):
    return CallContext(clock=clock, timeouts=Timeouts(total=None), **more)


async def chat(provider, context, **options):
    return (await opened(ChatRequest(MESSAGES, ChatOptions(**options)), provider.chat, context)).message.content


async def stream(provider, context, **options):
    request = ChatRequest(MESSAGES, ChatOptions(**options))
    return (await collect(opened(request, provider.chat_stream, context))).message.content


async def embed(provider, context, **options):
    return (await opened(EmbeddingRequest("hi", **options), provider.embeddings, context)).model


PATHS = pytest.mark.parametrize("call", [chat, stream, embed], ids=["chat", "stream", "embeddings"])


def services(names="abc"):
    return [Service(name) for name in names]


def listed(providers, *, failures=3, clock=None, **options):
    """A failover whose circuits open for exactly five seconds; targets name a model, so that embeddings may go there."""
    breaker = CircuitBreaker(failures=failures, jitter=0, clock=clock)
    return failover([Target(provider, model="m") for provider in providers], breaker=breaker, **options)


async def answers(call, provider, clock, count):
    return "".join([await call(provider, call_context(clock)) for _ in range(count)])


def states(provider):
    return " ".join(f"{row.name}:{row.state}" for row in provider.status())


# --- down and up again ---


@PATHS
async def test_calls_go_to_the_second_while_the_first_is_down_and_come_back_when_it_recovers(call, clock):
    a, b, _ = mocks = services()
    provider = listed(mocks)
    assert await answers(call, provider, clock, 2) == "aa"
    a.up = False
    assert await answers(call, provider, clock, 3) == "bbb"
    assert states(provider) == "a:open b:closed c:closed" and a.calls == 2 + 3
    assert await answers(call, provider, clock, 20) == "b" * 20
    assert a.calls == 2 + 3  # an open circuit costs nothing
    clock.advance(5)
    assert await answers(call, provider, clock, 3) == "bbb"
    assert a.calls == 2 + 3 + 1  # one probe
    a.up = True
    clock.advance(8)
    assert await answers(call, provider, clock, 3) == "aaa"
    assert states(provider) == "a:closed b:closed c:closed"
    assert b.calls == 3 + 20 + 3


@PATHS
async def test_an_open_circuit_takes_no_attempt(call, clock):
    provider = listed(services(), clock=clock)
    provider.breaker.trip("a")
    context = call_context(clock, extra_attempts=0)
    assert await call(provider, context) == "b"


@PATHS
async def test_one_providers_circuit_says_nothing_of_the_others(call, clock):
    a, b, _ = mocks = services()
    provider = listed(mocks, failures=1)
    a.up = False
    assert await answers(call, provider, clock, 1) == "b"
    b.up = False
    assert await answers(call, provider, clock, 1) == "c"
    assert states(provider) == "a:open b:open c:closed"
    b.up = True
    clock.advance(5)
    a.up = False
    assert await answers(call, provider, clock, 1) == "b"
    assert states(provider) == "a:open b:closed c:closed"


@PATHS
async def test_while_one_call_tries_the_first_the_others_go_to_the_second(call, clock):
    gate = asyncio.Event()

    async def slow(_):
        await gate.wait()
        return "a"

    a, b = MockProvider(slow, name="a", model="m"), Service("b")
    a.embeddings = lambda request: Service.embeddings(a, request)
    provider = listed([a, b], clock=clock)
    provider.breaker.trip("a", open_for=1)
    clock.advance(1)
    probe = asyncio.create_task(call(provider, call_context(clock)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await answers(call, provider, clock, 2) == "bb"
    assert states(provider) == "a:half_open b:closed"
    gate.set()
    assert await probe == "a"


@PATHS
async def test_when_all_fail_the_error_holds_every_attempt(call, clock):
    mocks = services()
    for mock in mocks:
        mock.up = False
    with pytest.raises(AllProvidersFailedError) as caught:
        await call(listed(mocks), call_context(clock))
    error = caught.value
    assert [attempt.provider for attempt in error.attempts] == ["a", "b", "c"]
    assert [str(one) for one in error.errors] == ["a is down", "b is down", "c is down"]
    assert (error.category, error.status_code, error.provider) == ("server", 503, "a")
    assert str(error) == "every target failed: a (ServerError 503), b (ServerError 503), c (ServerError 503)"


@PATHS
async def test_with_all_circuits_open_it_is_worth_coming_back_when_the_first_of_them_half_opens(call, clock):
    provider = listed(services(), clock=clock)
    for name, seconds in (("a", 30), ("b", 7), ("c", 20)):
        provider.breaker.trip(name, open_for=seconds)
    with pytest.raises(AllProvidersFailedError) as caught:
        await call(provider, call_context(clock, extra_attempts=0))
    assert caught.value.retry_after == pytest.approx(7)
    assert all(isinstance(error, CircuitOpenError) for error in caught.value.errors)
    assert caught.value.attempts == ()


@PATHS
async def test_an_error_that_everyone_would_have_is_raised_and_opens_nothing(call, clock):
    def refuse(_):
        raise AuthenticationError("key")

    a, b = MockProvider(refuse, name="a"), Service("b")
    a.embeddings = lambda request: Service.embeddings(a, request)
    provider = listed([a, b], failures=1)
    with pytest.raises(AuthenticationError, match="key"):
        await call(provider, call_context(clock))
    assert b.calls == 0 and states(provider) == "a:closed b:closed"


async def test_which_errors_lead_on_is_the_users_to_say(clock):
    def long(_):
        raise ContextLengthError("too long")

    provider = failover([MockProvider(long, name="a"), Service("b")], on={"context_length"})
    assert await chat(provider, call_context(clock)) == "b"


async def test_a_stream_goes_on_at_the_second_before_its_first_output_and_is_interrupted_after_it(clock):
    a = MockProvider([(HEAD, ServerError()), (A, ServerError())], name="a")
    provider = failover([a, Service("b")])
    assert await stream(provider, call_context(clock)) == "b"
    with pytest.raises(StreamInterruptedError):
        await stream(provider, call_context(clock))


# --- what is asked ---


@PATHS
async def test_the_model_that_a_request_names_goes_to_the_one_that_stands_first(call, clock):
    a, b, _ = mocks = services()
    provider = listed(mocks)
    await call(provider, call_context(clock), model="theirs")
    a.up = False
    await call(provider, call_context(clock), model="theirs")
    assert (a.requests[0].model, a.requests[1].model, b.requests[0].model) == ("theirs", "theirs", "m")
    provider.set_primary("b")
    await call(provider, call_context(clock), model="theirs")
    assert b.requests[1].model == "theirs"


@PATHS
async def test_without_one_each_is_asked_for_the_model_of_its_target(call, clock):
    (a, *_) = mocks = services()
    await call(listed(mocks), call_context(clock))
    assert a.requests[0].model == "m"


async def test_vectors_of_another_model_are_not_given_unless_it_is_named(clock):
    a, b, c = services()
    a.up = False
    provider = failover([a, b, Target(c, keep_model=True)])
    with pytest.raises(ServerError, match="a is down"):
        await embed(provider, call_context(clock))
    assert await embed(provider, call_context(clock), model="same") == "c"


# --- changes ---


def order(provider):
    return "".join(row.name for row in provider.status())


async def test_status_says_how_each_stands(clock):
    a, *_ = mocks = services("ab")
    provider = listed(mocks, failures=1)
    a.up = False
    await chat(provider, call_context(clock))
    clock.advance(1)
    assert provider.status() == (
        FailoverState("a", 1, primary=True, state="open", last_failure="server", retry_after=4.0),
        FailoverState("b", 2, primary=False, state="closed", last_failure=None, retry_after=None),
    )


def test_of_several_models_status_shows_the_worst_circuit():
    provider = failover([Service("a")])
    provider.breaker.trip("a:other")  # nothing is known of it
    assert states(provider) == "a:closed"
    asyncio.run(chat(provider, CallContext(), model="other"))
    provider.breaker.trip("a:other")
    assert states(provider) == "a:open"


@PATHS
async def test_the_primary_can_be_chosen(call, clock):
    provider = listed(services())
    provider.set_primary("c")
    assert order(provider) == "cab" and provider.status()[0].primary
    assert await call(provider, call_context(clock)) == "c"
    provider.set_primary(None)
    assert await call(provider, call_context(clock)) == "a"


@pytest.mark.parametrize(
    ("priority", "expected"), [(None, "abcd"), (1, "adbc"), (2, "abdc"), (3, "abcd"), (99, "abcd")], ids=str
)
def test_one_that_is_added_stands_behind_those_of_its_priority(priority, expected):
    provider = listed(services())
    provider.add("d", Service("d"), priority=priority)
    assert order(provider) == expected


def test_equal_priorities_keep_the_order_in_which_they_were_given():
    provider = listed(services("a"))
    for name in "zyx":
        provider.add(name, Service(name), priority=5)
    assert order(provider) == "azyx"


@PATHS
async def test_one_that_is_added_is_asked_from_then_on_under_the_name_it_was_given(call, clock):
    a, *_ = mocks = services("a")
    provider = listed(mocks)
    provider.add("spare", Target(Service("d"), model="m"))
    a.up = False
    context, events = call_context(clock), []
    context.observe(lambda event: events.append(event.detail) if event.kind == "fallback" else None)
    assert await call(provider, context) == "d"
    assert events == ["spare"] and order(provider) == "aspare"


@PATHS
async def test_one_that_is_removed_is_asked_no_more_and_left_open(call, clock):
    a, *_ = mocks = services()
    provider = listed(mocks)
    assert provider.remove("a") is a
    assert await call(provider, call_context(clock)) == "b"
    assert (a.calls, a.closed, order(provider)) == (0, 0, "bc")


def test_when_the_chosen_primary_is_removed_priorities_hold_again():
    provider = listed(services())
    provider.set_primary("b")
    provider.remove("b")
    provider.add("b", Service("b"))
    assert order(provider) == "acb"


@PATHS
async def test_a_reset_closes_all_circuits_and_goes_by_priority_again(call, clock):
    provider = listed(services())
    provider.set_primary("c")
    provider.breaker.trip()
    provider.reset()
    assert states(provider) == "a:closed b:closed c:closed"
    assert await call(provider, call_context(clock)) == "a"


def test_a_reset_of_one_closes_its_circuit_alone():
    provider = listed(services())
    provider.set_primary("c")
    provider.breaker.trip()
    provider.reset("b")
    assert states(provider) == "c:open a:open b:closed"


@PATHS
async def test_a_call_under_way_finishes_on_the_list_it_began_with(call, clock):
    begun, gate = asyncio.Event(), asyncio.Event()

    async def slow(_):
        begun.set()
        await gate.wait()
        raise ServerError("late")

    a, b = MockProvider(slow, name="a", model="m"), Service("b")
    a.embeddings = lambda request: Service.embeddings(a, request)
    provider = listed([a, b])
    task = asyncio.create_task(call(provider, call_context(clock)))
    await begun.wait()
    provider.add("c", Service("c"), priority=1)
    provider.set_primary("c")
    provider.remove("b")
    gate.set()
    assert await task == "b"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda it: it.set_primary("x"), "'failover' has no provider called 'x'; there are a, b"),
        (lambda it: it.remove("x"), "has no provider called 'x'"),
        (lambda it: it.reset("x"), "has no provider called 'x'"),
        (lambda it: it.add("a", Service("x")), "two providers are called 'a'"),
        (lambda it: it.add("x", Service("a")), "two providers are called 'a': .* name="),
        (lambda it: it.add("x", Fallback(Service("a"))(Service("x"))), "two targets are called 'a'"),
        (lambda it: it.add("", Service("x")), "name='' must not be empty"),
        (lambda it: it.add("x", Service("x"), priority=0), "priority=0 must be a whole number of at least 1"),
        (lambda it: it.add("x", 42), "a target must be a provider"),
        (lambda it: it.add("x", "nobody:m"), "'nobody:m' names no provider"),
        (lambda it: it.add("x", Service("x", model=None)), "the target 'x' has no model"),
        (lambda it: (it.remove("a"), it.remove("b")), "'b' is the last provider of 'failover'"),
    ],
    ids=range(12),
)
def test_a_change_that_cannot_be_is_refused_and_changes_nothing(change, words):
    provider = listed(services("ab"))
    with pytest.raises(ConfigError, match=words):
        change(provider)
    assert order(provider) in ("ab", "b")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: failover([]), r"failover\(\) needs at least one provider"),
        (lambda: failover("openai"), r"failover\('openai'\) needs a list"),
        (lambda: failover(Service("a")), "needs a list of providers"),
        (lambda: failover([Service("a"), Service("a")]), "two providers are called 'a'"),
        (lambda: failover([Service("a")], breaker=CircuitBreaker), "breaker=.* must be a CircuitBreaker"),
        (lambda: failover([Service("a")], each=Retry()), "each=Retry.* must be a list of layers"),
        (lambda: failover([Service("a")], on="server"), "on='server' must be a set of categories"),
    ],
    ids=range(7),
)
def test_what_cannot_work_is_refused_when_it_is_put_together(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


def test_one_provider_cannot_stand_there_twice_because_its_circuit_would_be_shared():
    provider = failover([Service("a"), (b := Service("b"))])
    with pytest.raises(ConfigError, match="two providers are called 'b'"):
        provider.add("b-small", Target(b, model="small"))
    assert order(provider) == "ab"


def test_threads_may_change_the_list_while_others_call():
    provider, faults = listed(services("ab")), []

    def change(name):
        try:
            for _ in range(50):
                provider.add(name, Service(name), priority=1)
                provider.set_primary(name)
                provider.remove(name)
        except Exception as error:  # of a thread: asserted to be none below
            faults.append(error)

    async def ask():
        for _ in range(200):
            await chat(provider, CallContext())
            provider.status()

    threads = [threading.Thread(target=change, args=(name,)) for name in ("x", "y")]
    threads.append(threading.Thread(target=asyncio.run, args=(ask(),)))
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert faults == [] and order(provider) == "ab"


# --- as the provider of a client ---


async def test_a_client_takes_it_for_a_provider(clock):
    a, b = services("ab")
    a.up = False
    async with AsyncClient(aiclient.failover([a, b]), clock=clock) as client:
        response = await client.chat("hi")
        assert (response.provider, [attempt.provider for attempt in response.attempts]) == ("b", ["a", "b"])
    assert (a.closed, b.closed) == (1, 1)


async def test_it_is_drawn_with_its_circuits_and_reaches_them_all():
    provider = failover(services("ab"), each=[Retry()])
    branch = [
        "   └─ Retry(attempts=3, base=0.5, cap=8)",
        "      └─ CircuitBreaker(failures=5, open_for=5, max_open=8)",
        "         └─ journal",
    ]
    assert explain(AsyncClient(provider)).splitlines() == [
        "AsyncClient (failover)",
        "└─ Failover (failover)",
        *branch,
        "            └─ Service (a, model m)",
        *branch,
        "            └─ Service (b, model m)",
    ]
    assert [info.name for info in destinations(provider)] == ["a", "b"]
    assert repr(provider) == "Failover(a, b)"


def test_strings_name_providers():
    provider = failover(["mock:one", Service("b")])
    assert provider.status()[0].name == "mock" and isinstance(provider, Failover)
    with pytest.raises(InvalidProviderError, match="names no provider"):
        failover(["nobody:one"])


def test_every_provider_is_validated():
    class Wrong(Service):
        def validate_config(self):
            raise ConfigError("no key")

    with pytest.raises(ConfigError, match="no key"):
        AsyncClient(failover([Service("a"), Wrong("b")]))


@PATHS
@pytest.mark.parametrize("extras", range(8))
async def test_retries_inside_never_send_more_than_the_attempts_left(call, clock, extras):
    mocks = services()
    for mock in mocks:
        mock.up = False
    provider = listed(mocks, failures=1000, each=[Retry(3, base=0)])
    with pytest.raises((ServerError, AllProvidersFailedError)):
        await call(provider, call_context(clock, extra_attempts=extras))
    assert sum(mock.calls for mock in mocks) == 1 + extras


@pytest.mark.parametrize("call", [chat, stream])
async def test_a_cancellation_at_any_step_wedges_no_circuit(call, at_every_step, clock):
    class Slow(Service):
        async def chat(self, request, /):
            await asyncio.sleep(0)
            return await super().chat(request)

        async def chat_stream(self, request, /):
            await asyncio.sleep(0)
            return await super().chat_stream(request)

    left = []

    def scene():
        mocks = [Slow("a"), Slow("b")]
        mocks[0].up = False
        provider = listed(mocks, failures=1, clock=clock)
        provider.breaker.trip("a", open_for=1)
        clock.advance(1)

        def verify(task):
            assert task.cancelled() or task.result() == "b"
            mocks[0].up = True
            left.append(provider)

        return call(provider, call_context(clock)), verify

    assert await at_every_step(scene) > 10
    clock.advance(10)  # over any opening, and less than the lease of a probe
    assert {await call(provider, call_context(clock)) for provider in left} == {"a"}


@PATHS
async def test_two_users_of_one_failover_do_not_see_each_other(call, clock):
    a, b = services("ab")
    provider = listed([a, b])
    a.up = False
    contexts = [call_context(clock) for _ in range(2)]
    assert await asyncio.gather(*(call(provider, context) for context in contexts)) == ["b", "b"]
    assert [len(context.journal) for context in contexts] == [2, 2]
