"""Spreading calls over several arms."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk
from aiclient.client import AsyncClient
from aiclient.composition import destinations
from aiclient.context import CallContext, Timeouts
from aiclient.errors import (
    AllProvidersFailedError,
    CircuitOpenError,
    ConfigError,
    OverloadedError,
    RateLimitError,
    ServerError,
    StreamInterruptedError,
)
from aiclient.explain import explain
from aiclient.layer import Layer
from aiclient.messages import Message
from aiclient.middleware import ArmState, LoadBalance, Logging, Retry, Target
from aiclient.middleware._arms import Arms, ranked
from aiclient.opening import collect
from aiclient.provider import BaseProvider, opened
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest
from aiclient.response import EmbeddingResponse
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

MESSAGES = [Message("user", "hi")]
A, LAST = ChatStreamChunk(content="a"), ChatStreamChunk(finish_reason="stop", last=True)


class Script(MockProvider):
    """Answers with its name, unless told otherwise; embeddings too, as the model's name."""

    def __init__(self, name, reply=None, **more):
        super().__init__(reply or name, name=name, **more)

    async def embeddings(self, request, /):
        answer = await super().chat(ChatRequest([Message("user", request.input[0])]))
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


def arms_of(*mocks, **options):
    """A balance over the mocks, the first one inside; the others name a model, so that embeddings may go there."""
    first, *others = mocks
    balance = LoadBalance(*[Target(mock, model="m") for mock in others], **options)
    return balance, chain([balance], first)


def balanced(*names, **options):
    return arms_of(*map(Script, names), **options)


async def answers(call, provider, clock, count, **options):
    return "".join([await call(provider, call_context(clock), **options) for _ in range(count)])


# --- by weight ---


@PATHS
@pytest.mark.parametrize(
    ("weights", "sequence"),
    [(None, "abcabcabc"), ((5, 1, 1), "aabacaaaabacaa"), ((1, 0, 2), "cacca"), ((0, 0.5, 0), "bbb")],
    ids=str,
)
async def test_calls_are_spread_evenly_by_weight(call, clock, weights, sequence):
    _, provider = balanced("a", "b", "c", weights=weights)
    assert await answers(call, provider, clock, len(sequence)) == sequence


@given(weights=st.lists(st.integers(0, 20), min_size=1, max_size=6).filter(any), rounds=st.integers(1, 3))
def test_after_every_round_each_arm_has_had_exactly_its_share(weights, rounds):
    arms, switched_on = Arms(weights), [index for index, weight in enumerate(weights) if weight]
    picks = Counter(arms.by_weight(switched_on) for _ in range(rounds * sum(weights)))
    assert [picks[index] for index in range(len(weights))] == [rounds * weight for weight in weights]


@given(weights=st.lists(st.floats(0.01, 100), min_size=2, max_size=6))
def test_no_arm_is_ever_owed_more_than_one_whole_round(weights):
    arms, everyone, picks = Arms(weights), range(len(weights)), Counter()
    for number in range(1, 200):
        picks[arms.by_weight(everyone)] += 1
        assert all(abs(picks[index] - number * weights[index] / sum(weights)) < len(weights) for index in everyone)


def test_turns_are_remembered_for_a_bounded_number_of_groups():
    arms = Arms([1] * 12)
    for number in range(1, 2**12):
        arms.by_weight([index for index in range(12) if number >> index & 1])
    assert len(arms._owed) <= 128


# --- by calls in flight ---


class Held(Script):
    """Answers when it is let go."""

    def __init__(self, name):
        super().__init__(name)
        self.gate = asyncio.Event()

    async def chat(self, request, /):
        self.requests.append(request)
        await self.gate.wait()
        return await super().chat(request)


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_call_goes_to_the_arm_with_the_fewest_in_flight(clock):
    a, b, c = map(Held, "abc")
    balance, provider = arms_of(a, b, c, by="in_flight")
    tasks = [asyncio.create_task(chat(provider, call_context(clock))) for _ in range(5)]
    await settle()
    assert sorted(state.in_flight for state in balance.state()) == [1, 2, 2]
    b.gate.set()
    await settle()
    assert [await chat(provider, call_context(clock)) for _ in range(3)] == ["b", "b", "b"]
    a.gate.set(), c.gate.set()
    await asyncio.gather(*tasks)
    assert [state.in_flight for state in balance.state()] == [0, 0, 0]


async def test_an_arm_with_twice_the_weight_carries_twice_the_calls(clock):
    a, b = map(Held, "ab")
    balance, provider = arms_of(a, b, by="in_flight", weights=(1, 2))
    tasks = [asyncio.create_task(chat(provider, call_context(clock))) for _ in range(9)]
    await settle()
    assert [state.in_flight for state in balance.state()] == [3, 6]
    a.gate.set(), b.gate.set()
    await asyncio.gather(*tasks)


@PATHS
async def test_idle_arms_take_turns_by_weight(call, clock):
    _, provider = balanced("a", "b", by="in_flight", weights=(2, 1))
    assert await answers(call, provider, clock, 6) == "abaaba"


async def test_a_stream_is_in_flight_until_it_is_closed(clock):
    balance, provider = balanced("a", "b")
    open_stream = await opened(ChatRequest(MESSAGES), provider.chat_stream, call_context(clock))
    assert balance.state() == (ArmState("a", 1.0, 1), ArmState("b:m", 1.0, 0))
    await open_stream.close()
    await open_stream.close()
    assert balance.state()[0].in_flight == 0


class Sync(BaseProvider):
    """Raises before anything could be awaited."""

    name = "sync"

    def chat(self, request, /):
        raise ServerError("at once")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Script("a", ServerError()),
        lambda: Script("a", CircuitOpenError()),
        lambda: Script("a", (A, ServerError())),
        lambda: Script("a", (ServerError(),)),
        Sync,
    ],
    ids=["error", "refusal", "interrupted", "before-output", "at-once"],
)
@pytest.mark.parametrize("call", [chat, stream])
async def test_an_arm_is_free_again_however_its_call_ends(call, clock, make):
    balance = LoadBalance(Script("b"), weights=(1, 0))
    await asyncio.gather(call(balance(make()), call_context(clock)), return_exceptions=True)
    assert [state.in_flight for state in balance.state()] == [0, 0]


# --- sticky ---


@PATHS
async def test_the_same_key_gets_the_same_arm(call, clock):
    _, provider = balanced("a", "b", "c", sticky="user")
    seen = {user: await answers(call, provider, clock, 3, tags={"user": user}) for user in map(str, range(30))}
    assert set(seen.values()) == {"aaa", "bbb", "ccc"}


async def test_the_same_key_gets_the_same_arm_on_another_day():
    """Values that may never change: sessions and experiments would move."""
    assert [ranked(str(key), "abc", (1, 2, 0.5)) for key in range(4)] == GOLDEN


GOLDEN = [[0, 1, 2], [1, 0, 2], [2, 0, 1], [1, 0, 2]]


async def test_a_key_may_be_a_function_of_the_request(clock):
    _, provider = balanced("a", "b", sticky=lambda request: request.options.user_id)
    assert len(set(await answers(chat, provider, clock, 6, user_id="u1"))) == 1


@pytest.mark.parametrize("sticky", ["user", lambda request: None])
async def test_a_call_without_a_key_goes_by_weight(clock, sticky):
    _, provider = balanced("a", "b", sticky=sticky)
    assert await answers(chat, provider, clock, 4) == "abab"


async def test_a_key_that_is_no_text_is_refused(clock):
    _, provider = balanced("a", "b", sticky=lambda request: 7)
    with pytest.raises(ConfigError, match="sticky gave int; it must give a string"):
        await chat(provider, call_context(clock))


@pytest.mark.parametrize("keys", ["äöüß", "日本語版", "\ud800\ud801\udfff\udffe"], ids=["latin", "kanji", "surrogates"])
def test_a_key_may_be_any_text(keys):
    arms = [f"arm{index}" for index in range(50)]
    assert len({tuple(ranked(key, arms, [1] * 50)) for key in keys}) == len(keys)


KEYS = st.lists(st.text(), min_size=1, max_size=8)


@given(keys=KEYS, weights=st.lists(st.floats(0.1, 10), min_size=2, max_size=5))
def test_taking_an_arm_away_moves_its_own_keys_alone(keys, weights):
    names = [f"arm{index}" for index in range(len(weights))]
    before = [ranked(key, names, weights) for key in keys]
    after = [ranked(key, names, [*weights[:-1], 0.0]) for key in keys]
    gone = len(weights) - 1
    assert after == [[index for index in order if index != gone] for order in before]


@given(keys=KEYS, more=st.floats(1, 50))
def test_an_arm_that_gains_weight_loses_no_key(keys, more):
    before = {key for key in keys if ranked(key, "abc", (1, 1, 1))[0] == 1}
    after = {key for key in keys if ranked(key, "abc", (1, more, 1))[0] == 1}
    assert before <= after


def test_over_many_keys_each_arm_gets_its_share():
    firsts = Counter(ranked(str(key), "abc", (1, 2, 7))[0] for key in range(10_000))
    assert [abs(firsts[index] / 10_000 - share) < 0.015 for index, share in enumerate((0.1, 0.2, 0.7))] == [True] * 3


@PATHS
async def test_a_refused_arm_sends_its_keys_to_their_second_choice(call, clock):
    a, b, c = Script("a", CircuitOpenError()), Script("b"), Script("c")
    _, provider = arms_of(a, b, c, sticky="user")
    users = map(str, range(12))
    seen = {user: await answers(call, provider, clock, 2, tags={"user": user}) for user in users}
    assert set(seen.values()) == {"bb", "cc"}


# --- what fails ---


@PATHS
@pytest.mark.parametrize(
    "refusal", [CircuitOpenError("open"), RateLimitError("full", kind="local")], ids=["open", "full"]
)
async def test_a_refusal_of_ours_means_the_next_arm_and_costs_nothing(call, clock, refusal):
    class Refusing(Layer):
        async def around(self, request, inner, call_next):
            raise refusal

    balance = LoadBalance(Target(Script("b"), model="m"))
    context = call_context(clock, extra_attempts=0)
    assert await call(chain([balance, Refusing()], Script("a")), context) == "b"


@PATHS
async def test_the_calls_of_a_refused_arm_are_spread_over_the_others(call, clock):
    _, provider = arms_of(Script("a", CircuitOpenError()), Script("b"), Script("c"), weights=(4, 3, 1))
    assert Counter(await answers(call, provider, clock, 80)) == {"b": 60, "c": 20}


@PATHS
@pytest.mark.parametrize("error", [ServerError("down"), RateLimitError("slow"), OverloadedError("busy")], ids=str)
async def test_any_other_error_comes_out_as_it_is(call, clock, error):
    a, b = Script("a", error), Script("b")
    _, provider = arms_of(a, b)
    with pytest.raises(type(error), match=str(error)):
        await call(provider, call_context(clock))
    assert b.calls == 0


@PATHS
async def test_an_error_after_a_refusal_is_the_arms_own_so_that_a_retry_outside_may_choose_again(call, clock):
    a, b, c = Script("a", CircuitOpenError()), Script("b", ServerError("down")), Script("c")
    balance, _ = arms_of(a, b, c)
    context = call_context(clock)
    assert await call(chain([Retry(base=0), balance], a), context) == "c"
    assert a.calls == c.calls == 1 and b.calls > 0


@PATHS
async def test_when_all_arms_are_refused_it_is_worth_coming_back_when_the_first_opens(call, clock):
    _, provider = arms_of(*(Script(name, CircuitOpenError(retry_after=wait)) for name, wait in [("a", 8), ("b", 3)]))
    with pytest.raises(AllProvidersFailedError) as caught:
        await call(provider, call_context(clock))
    assert caught.value.retry_after == 3 and caught.value.category == "policy"
    assert str(caught.value) == "every target failed: a (CircuitOpenError), b:m (CircuitOpenError)"


async def test_an_interrupted_stream_is_not_given_to_another_arm(clock):
    a, b = Script("a", (A, ServerError())), Script("b")
    _, provider = arms_of(a, b)
    with pytest.raises(StreamInterruptedError):
        await stream(provider, call_context(clock))
    assert b.calls == 0


async def test_vectors_of_another_model_are_not_given_unless_it_is_named(clock):
    a, b, c, d = map(Script, "abcd")
    provider = chain([LoadBalance(b, Target(c, keep_model=True), Target(d, model="m"))], a)
    assert await answers(embed, provider, clock, 4) == "adad"
    assert await answers(embed, provider, clock, 6, model="same") == "acdacd"


async def test_when_no_arm_may_embed_it_says_what_to_do(clock):
    provider = chain([LoadBalance(Script("b"), weights=(0, 1))], Script("a"))
    with pytest.raises(ConfigError, match=r"no target may be asked for embeddings: .* Target\(provider, model="):
        await embed(provider, call_context(clock))


async def test_the_first_arm_gets_the_model_that_the_request_names_and_the_others_their_own(clock):
    a, b, c = map(Script, "abc")
    provider = chain([LoadBalance(b, Target(c, model="mine"))], a)
    await answers(chat, provider, clock, 3, model="theirs")
    assert [mock.requests[0].model for mock in (a, b, c)] == ["theirs", None, "mine"]


# --- tags ---


@PATHS
async def test_the_arm_is_in_the_tags_of_the_call(call, clock):
    _, provider = balanced("a", "b")
    contexts = [call_context(clock, tags={"team": "x"}) for _ in range(2)]
    for context in contexts:
        await call(provider, context)
    assert [context.tags for context in contexts] == [{"team": "x", "arm": "a"}, {"team": "x", "arm": "b:m"}]


async def test_the_arm_that_answered_is_in_the_tags_and_not_the_one_that_refused(clock):
    _, provider = arms_of(Script("a", CircuitOpenError()), Script("b"), tag="variant")
    context = call_context(clock)
    await chat(provider, context)
    assert context.tags == {"variant": "b:m"}


async def test_the_arm_is_in_the_log(caplog):
    caplog.set_level("INFO", "aiclient.calls")
    async with AsyncClient(Script("a")).use(Logging(), LoadBalance(Script("b"))) as client:
        await client.chat("hi")
        await client.chat("hi")
    assert [record.aiclient["tags"] for record in caplog.records] == [{"arm": "a"}, {"arm": "b"}]


# --- cancellation, threads, several clients ---


@pytest.mark.parametrize("by", ["weight", "in_flight"])
@pytest.mark.parametrize("call", [chat, stream])
async def test_a_cancellation_at_any_step_leaves_no_arm_busy(call, at_every_step, clock, by):
    class Slow(Script):
        async def chat(self, request, /):
            await asyncio.sleep(0)
            return await super().chat(request)

        async def chat_stream(self, request, /):
            await asyncio.sleep(0)
            return await super().chat_stream(request)

    def scene():
        balance, provider = arms_of(Slow("a", CircuitOpenError()), Slow("b"), by=by)

        def verify(task):
            assert {state.in_flight for state in balance.state()} <= {0}
            assert task.cancelled() or task.result() == "b"

        return call(provider, call_context(clock)), verify

    assert await at_every_step(scene) > 10


def test_threads_with_loops_of_their_own_share_one_balance(clock):
    balance, mocks = LoadBalance(Script("b"), Script("c"), weights=(1, 2, 1)), []

    def work():
        mocks.append(Script("a"))
        provider = chain([balance], mocks[-1])
        answered.append(asyncio.run(answers(chat, provider, clock, 100)))

    answered = []
    threads = [threading.Thread(target=work) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert Counter("".join(answered)) == {"a": 100, "b": 200, "c": 100}
    assert [state.in_flight for state in balance.state()] == [0, 0, 0]


async def test_two_clients_with_other_first_arms_have_counts_of_their_own(clock):
    balance = LoadBalance(Script("b"))
    one, two = chain([balance], Script("x")), chain([balance], Script("y"))
    assert await answers(chat, one, clock, 3) + await answers(chat, two, clock, 3) == "xbxyby"
    assert [state.name for state in balance.state()] == ["x", "b", "y", "b"]


async def test_a_chain_that_is_built_anew_goes_on_where_the_old_one_was(clock):
    balance, mock = LoadBalance(Script("b")), Script("a")
    client = AsyncClient(mock).use(balance)
    await client.chat("hi")
    client.use(Retry())
    assert (await client.chat("hi")).provider == "b"


# --- options ---


def test_it_is_drawn_with_its_arms_and_reaches_them_all():
    provider = chain([LoadBalance(Script("b"), weights=(9, 1), sticky="user")], Script("a"))
    assert explain(provider).splitlines() == [
        "LoadBalance(b, 9:1 by weight, sticky='user')",
        "└─ journal",
        "   └─ Script (a, model mock-model)",
        "└─ journal",
        "   └─ Script (b, model mock-model)",
    ]
    assert [info.name for info in destinations(provider)] == ["a", "b"]


async def key(request):
    return "k"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: LoadBalance(), r"LoadBalance\(\) needs at least one further arm"),
        (lambda: LoadBalance("openai"), r"aiclient\.provider_for\('openai'\)"),
        (lambda: LoadBalance(Script("b"), weights=(1,)), "weights=.* must be a list of 2 numbers"),
        (lambda: LoadBalance(Script("b"), weights="12"), "weights='12' must be a list of 2 numbers"),
        (lambda: LoadBalance(Script("b"), weights=(1, -1)), "weights=-1 must be a finite number of at least 0"),
        (lambda: LoadBalance(Script("b"), weights=(1, float("inf"))), "weights=inf must be a finite number"),
        (lambda: LoadBalance(Script("b"), weights=(0, 0)), "switch every arm off"),
        (lambda: LoadBalance(Script("b"), by="random"), "by='random' must be one of weight, in_flight"),
        (lambda: LoadBalance(Script("b"), sticky=7), "sticky=7 must be the name of a tag, or a plain function"),
        (lambda: LoadBalance(Script("b"), sticky=""), "sticky='' must be the name of a tag"),
        (lambda: LoadBalance(Script("b"), sticky=key), "sticky=.* must be the name of a tag, or a plain function"),
        (lambda: LoadBalance(Script("b"), sticky="arm"), "sticky='arm' is the tag that tells the arm"),
        (lambda: LoadBalance(Script("b"), tag=""), "tag='' must be the name of a tag"),
        (lambda: LoadBalance(Target(Script("b"), when={"server"})), "when= says which errors lead to a target"),
        (lambda: LoadBalance(Script("b"), Script("b")), "two targets are called 'b'"),
        (lambda: LoadBalance(Script("b"))(Script("b")), "two targets are called 'b'"),
        (lambda: LoadBalance(Script("b", model=None)), "the target 'b' has no model"),
    ],
    ids=range(17),
)
def test_what_cannot_work_is_refused_when_it_is_put_together(make, words):
    with pytest.raises(ConfigError, match=words):
        make()
