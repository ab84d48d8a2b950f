"""The quota of retries: what keeps them from adding to the load of a service that is down."""

from __future__ import annotations

import asyncio
import random
import threading
from fractions import Fraction

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk
from aiclient.composition import compose
from aiclient.context import CallContext, Timeouts
from aiclient.errors import AIClientError, AuthenticationError, ConfigError, RateLimitError, ServerError
from aiclient.messages import Message
from aiclient.middleware import CircuitBreaker, Retry
from aiclient.middleware._keyed import MOST
from aiclient.middleware._quota import REFILL, Bucket
from aiclient.opening import collect
from aiclient.provider import BaseProvider, opened
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest
from aiclient.response import ChatResponse, EmbeddingResponse
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

REQUEST = ChatRequest([Message("user", "hi")])
A, LAST = ChatStreamChunk(content="a"), ChatStreamChunk(finish_reason="stop", last=True)


class Script(MockProvider):
    """Gives its replies to embeddings too, as the model's name."""

    async def embeddings(self, request, /):
        answer = await self.chat(ChatRequest([Message("user", request.input[0])]))
        return EmbeddingResponse([[1.0]], model=answer.message.content)


class Service(BaseProvider):
    """Answers and fails at little cost; counts."""

    name = "service"

    def __init__(self, works):
        self.works = works
        self.calls = 0

    async def chat(self, request, /):
        self.calls += 1
        if not self.works():
            raise ServerError("down")
        return ChatResponse(Message("assistant", "yes"), "stop", "stop")


def unlimited(clock, **more):
    return CallContext(clock=clock, timeouts=Timeouts(total=None), **more)


async def chat(provider, context, request=REQUEST):
    return (await opened(request, provider.chat, context)).message.content


async def stream(provider, context):
    return (await collect(opened(REQUEST, provider.chat_stream, context))).message.content


async def embed(provider, context):
    return (await opened(EmbeddingRequest("hi"), provider.embeddings, context)).model


PATHS = pytest.mark.parametrize("call", [chat, stream, embed], ids=["chat", "stream", "embeddings"])


async def outcomes(provider, clock, count, call=chat):
    ends = []
    for _ in range(count):
        try:
            ends.append(await call(provider, unlimited(clock)))
        except AIClientError as error:
            ends.append(error)
    return ends


# --- through the layer ---


@PATHS
async def test_calls_to_a_service_that_is_down_are_soon_not_tried_again(call, clock):
    mock = Script(ServerError("down"))
    provider = chain([Retry(3, base=0)], mock)
    sent = []
    for _ in range(5):
        await outcomes(provider, clock, 1, call)
        sent.append(mock.calls)
    assert sent == [3, 5, 6, 7, 8]  # of 10 tokens six are left after four failures, five after the fifth


@PATHS
async def test_what_the_quota_refuses_is_raised_unchanged_with_a_note(call, clock):
    provider = chain([Retry(base=0)], Script(ServerError("down", request_id="r1"), name="p"))
    *_, error = await outcomes(provider, clock, 3, call)
    assert (type(error), str(error), error.request_id) == (ServerError, "down", "r1")
    assert error.__notes__ == ["not tried again: too many calls to p failed lately (Retry's quota)"]


async def test_an_error_that_had_all_its_attempts_has_no_note(clock):
    (error,) = await outcomes(chain([Retry(base=0)], MockProvider(ServerError())), clock, 1)
    assert not hasattr(error, "__notes__")


async def test_a_refusal_takes_none_of_the_attempts_left(clock):
    provider = chain([Retry(base=0)], MockProvider(ServerError()))
    await outcomes(provider, clock, 3)
    context = unlimited(clock)
    with pytest.raises(ServerError):
        await chat(provider, context)
    assert (context.extra_attempts, clock.slept) == (5, [0, 0, 0])


@pytest.mark.parametrize("attempts", [2, 3, 6, 30])
async def test_one_call_has_all_its_attempts_of_a_full_quota(clock, attempts):
    mock = MockProvider(ServerError())
    with pytest.raises(ServerError):
        await chat(chain([Retry(attempts, base=0)], mock), unlimited(clock, extra_attempts=99))
    assert mock.calls == attempts


@PATHS
async def test_successes_bring_retries_back(call, clock):
    mock = Script([ServerError()] * 8 + ["yes"] * 50 + [ServerError(), "yes"])
    provider = chain([Retry(base=0)], mock)
    await outcomes(provider, clock, 5, call)  # 2 tokens are left
    assert await outcomes(provider, clock, 50, call) == ["yes"] * 50
    assert await outcomes(provider, clock, 1, call) == ["yes"]


async def test_a_script_that_calls_now_and_then_has_its_retries_again_after_minutes(clock):
    service = Service(lambda: False)
    provider = chain([Retry(base=0)], service)
    await outcomes(provider, clock, 20)
    before = service.calls
    clock.advance(6 * REFILL)
    await outcomes(provider, clock, 1)
    assert service.calls == before + 1  # six tokens came back, five are left
    clock.advance(300)
    await outcomes(provider, clock, 1)
    assert service.calls == before + 1 + 3


@PATHS
@pytest.mark.parametrize("error", [AuthenticationError(), RateLimitError(kind="local")], ids=["401", "local"])
async def test_what_would_not_be_tried_again_takes_no_token(call, clock, error):
    mock = Script([error] * 20 + [ServerError(), ServerError(), "yes"])
    provider = chain([Retry(base=0)], mock)
    await outcomes(provider, clock, 20, call)
    assert await outcomes(provider, clock, 1, call) == ["yes"]


@PATHS
async def test_a_rate_limit_that_says_when_to_come_back_takes_nothing_from_the_quota(call, clock):
    mock = Script(RateLimitError("slow down", retry_after=1))
    await outcomes(chain([Retry()], mock), clock, 40, call)
    assert mock.calls == 40 * 3


@pytest.mark.parametrize("error", [RateLimitError("slow down"), ServerError("busy", retry_after=0)], ids=["429", "503"])
async def test_other_failures_take_from_the_quota(clock, error):
    mock = MockProvider(error)
    await outcomes(chain([Retry(base=0)], mock), clock, 40)
    assert mock.calls < 40 + 10


async def test_a_stream_that_breaks_off_after_its_first_output_was_a_success(clock):
    mock = MockProvider([(A, ServerError())] * 20 + [ServerError(), ServerError(), (A, LAST)])
    provider = chain([Retry(base=0)], mock)
    await outcomes(provider, clock, 20, stream)
    assert await outcomes(provider, clock, 1, stream) == ["a"]


async def test_all_models_of_a_service_have_one_quota_and_each_service_its_own(clock):
    retry, down, other = Retry(base=0), MockProvider(ServerError()), MockProvider(ServerError(), name="other")
    provider = chain([retry], down)
    await outcomes(provider, clock, 10)
    before = down.calls
    with pytest.raises(ServerError):
        await chat(provider, unlimited(clock), ChatRequest([Message("user", "hi")], ChatOptions(model="m2")))
    await outcomes(chain([retry], other), clock, 1)
    assert (down.calls - before, other.calls) == (1, 3)


async def test_the_quotas_of_many_services_do_not_fill_the_memory(clock):
    retry = Retry(base=0)
    for number in range(MOST + 10):
        await outcomes(chain([retry], MockProvider("yes", name=f"p{number}")), clock, 1)
    assert len(retry._quotas._kept) == MOST


async def test_a_quota_that_is_used_up_is_not_forgotten_for_those_of_services_that_work(clock):
    retry, down = Retry(base=0), MockProvider(ServerError(), name="down")
    await outcomes(chain([retry], down), clock, 10)
    for number in range(MOST):
        await outcomes(chain([retry], MockProvider("yes", name=f"p{number}")), clock, 1)
    before = down.calls
    await outcomes(chain([retry], down), clock, 1)
    assert down.calls == before + 1


async def test_without_a_quota_every_call_has_its_attempts(clock):
    mock = MockProvider(ServerError())
    await outcomes(chain([Retry(base=0, quota=False)], mock), clock, 20)
    assert mock.calls == 60


@pytest.mark.parametrize("quota", [None, 1, "no"], ids=repr)
def test_quota_is_on_or_off(quota):
    with pytest.raises(ConfigError, match="quota="):
        Retry(quota=quota)


# --- threads ---


class Watched(FakeClock):
    """Notes whether a lock is held whenever it is asked for the time."""

    lock = None

    def __init__(self):
        super().__init__()
        self.held = []

    def monotonic(self):
        self.held.append(self.lock.locked())
        return super().monotonic()


async def test_the_tokens_are_counted_behind_the_lock_only():
    clock = Watched()
    retry = Retry(base=0, clock=clock)
    clock.lock = retry._quotas._lock
    await outcomes(compose([retry], MockProvider([ServerError(), "yes"])), FakeClock(), 1)
    assert clock.held == [True, True]


def test_sixteen_threads_have_no_more_retries_together_than_one():
    service = MockProvider(ServerError())
    provider = chain([Retry(base=0)], service)
    threads = [threading.Thread(target=asyncio.run, args=[outcomes(provider, FakeClock(), 10)]) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert service.calls <= 16 * 10 + 4


# --- the load on a service that is down ---


def failing(layers, clock):
    service = Service(lambda: False)
    return chain(layers, service), service


async def steadily(provider, clock, requests, every):
    for _ in range(requests):
        await outcomes(provider, clock, 1)
        clock.advance(every)


RATES = pytest.mark.parametrize("every", [1.0, 0.01, 0.0], ids=["1 a second", "100 a second", "all at once"])
CHAINS = pytest.mark.parametrize(
    "layers",
    [lambda: [Retry(base=0)], lambda: [Retry(base=0), CircuitBreaker()]],
    ids=["retry", "retry and breaker"],
)


@RATES
@CHAINS
async def test_a_thousand_requests_to_a_service_that_is_down_are_a_thousand_attempts(clock, layers, every):
    provider, service = failing(layers(), clock)
    await steadily(provider, clock, 1000, every)
    assert service.calls <= 1004


@pytest.mark.slow
@RATES
@CHAINS
async def test_at_a_hundred_percent_failures_there_is_no_more_than_a_tenth_of_retries(clock, layers, every):
    provider, service = failing(layers(), clock)
    await steadily(provider, clock, 100_000, every)
    assert service.calls / 100_000 <= 1.1


@pytest.mark.parametrize("share", [0.02, 0.2, 0.6])
async def test_retries_stay_within_a_tenth_of_the_successes_whatever_the_share_of_failures(clock, share):
    chance = random.Random(1)
    service = Service(lambda: chance.random() > share)
    await outcomes(chain([Retry(base=0)], service), clock, 3000)  # time stands still: nothing comes back by itself
    assert service.calls / 3000 <= 1.1 + 10 / 3000


@pytest.mark.parametrize("seed", range(3))
async def test_ten_seconds_after_a_minutes_outage_nearly_all_calls_succeed(clock, seed):
    """Ten calls a second with retries and a breaker; the service is down for a minute."""
    random.seed(seed)
    provider = chain([Retry(), CircuitBreaker()], Service(lambda: not 30 <= clock.monotonic() < 90))
    began, good = [], []
    while clock.monotonic() < 150:
        began.append(clock.monotonic())
        good += [end == "yes" for end in await outcomes(provider, clock, 1)]
        clock.advance(0.1)
    after = [ok for when, ok in zip(began, good, strict=True) if 100 <= when < 110]
    assert len(after) >= 90 and sum(after) / len(after) >= 0.95


async def test_a_thousand_clients_that_were_told_to_wait_ten_seconds_come_back_spread_over_one():
    """Jitter is a tenth of the wait, and a second at most: 10 % of them in 100 ms is what that gives, with luck 15 %."""
    random.seed(1)
    arrivals = []
    for _ in range(1000):
        clock = FakeClock()
        await chat(Retry()(MockProvider([RateLimitError(retry_after=10), "yes"])), unlimited(clock))
        arrivals.append(clock.slept[0])
    assert 10 <= min(arrivals) and max(arrivals) <= 11
    assert max(sum(start <= other < start + 0.1 for other in arrivals) for start in arrivals) <= 150


# --- against a plain model ---


class AnyHistory(RuleBasedStateMachine):
    """Successes, failures and time in any order."""

    def __init__(self):
        super().__init__()
        self.now = Fraction(0)
        self.bucket = Bucket(10.0)
        self.tokens, self.seen = Fraction(10), Fraction(0)

    def refill(self):
        self.tokens = min(Fraction(10), self.tokens + (self.now - self.seen) / 30)
        self.seen = self.now

    @rule()
    def fail(self):
        self.refill()
        self.tokens = max(Fraction(0), self.tokens - 1)
        allowed = self.bucket.failed(float(self.now))
        assert allowed == (self.tokens > 5) or abs(self.tokens - 5) < Fraction(1, 10**9)

    @rule(count=st.integers(1, 30))
    def succeed(self, count):
        for _ in range(count):
            self.refill()
            self.tokens = min(Fraction(10), self.tokens + Fraction(1, 10))
            self.bucket.succeeded(float(self.now))

    @rule(quarters=st.integers(1, 2000))
    def advance(self, quarters):
        self.now += Fraction(quarters, 4)

    @invariant()
    def it_holds_as_many_tokens_as_the_model(self):
        assert abs(self.bucket.tokens - self.tokens) < Fraction(1, 10**9)
        assert 0 <= self.bucket.tokens <= 10


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(settings.get_profile("suite"), stateful_step_count=40)


def test_time_that_runs_backwards_takes_nothing():
    bucket = Bucket(10.0)
    bucket.failed(100.0)
    bucket.failed(50.0)
    assert bucket.tokens == 8.0
