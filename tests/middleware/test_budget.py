"""Budgets that hold: money is set aside before a call, counted after it, and never spent twice."""

from __future__ import annotations

import asyncio
import decimal
import logging
import pickle
import random
import threading
from decimal import Decimal

import pytest
from attrs import evolve

from aiclient import Client, Ledger, Limit
from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk
from aiclient.composition import compose
from aiclient.context import CallContext, Timeouts
from aiclient.errors import (
    BudgetExceededError,
    CircuitOpenError,
    ConfigError,
    ConnectError,
    ServerError,
    TimeoutError,
)
from aiclient.layer import Wrapper
from aiclient.ledger.limits import account_of
from aiclient.messages import Message
from aiclient.middleware import (
    Budget,
    Cache,
    CircuitBreaker,
    DryRun,
    Fallback,
    Hedge,
    Retry,
    SingleFlight,
    Target,
)
from aiclient.opening import collect
from aiclient.pricing import DictPrices
from aiclient.provider import opened
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest
from aiclient.response import ChatResponse, Cost, Usage
from aiclient.store import MemoryStore
from aiclient.stream import ChatStream
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

A, LAST = ChatStreamChunk(content="a"), ChatStreamChunk(finish_reason="stop", last=True)
USED = ChatStreamChunk(finish_reason="stop", usage=Usage(prompt_tokens=5, completion_tokens=2), last=True)

DOLLAR = {"input": 0, "output": 1_000_000}
"""A dollar for each token of output, so that a call reserves `max_tokens` dollars."""

PRICES = DictPrices({"mock-model": DOLLAR, "dear": {"input": 0, "output": 3_000_000}})


def asking(tokens=1, text="hi", **options):
    return ChatRequest([Message("user", text)], ChatOptions(max_tokens=tokens, **options))


def answer(completion=1, prompt=5):
    usage = Usage(prompt_tokens=prompt, completion_tokens=completion)
    return ChatResponse(Message("assistant", "yes"), "stop", usage=usage)


def context(clock=None, **more):
    return CallContext(clock=clock or FakeClock(), timeouts=Timeouts(total=None), prices=PRICES, **more)


async def chat(provider, request=None, **more):
    return await opened(request or asking(), provider.chat, context(**more))


async def stream(provider, request=None, **more):
    return await opened(request or asking(2), provider.chat_stream, context(**more))


async def embeddings(provider, **more):
    return await opened(EmbeddingRequest("some text"), provider.embeddings, context(**more))


def sums(budget, value=None):
    funds = budget.funds(value)
    return int(funds.spent), int(funds.reserved)


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


class Held(MockProvider):
    """Answers when `gate` is opened."""

    def __init__(self, reply=None, **options):
        super().__init__(reply or answer(), **options)
        self.gate = asyncio.Event()

    async def chat(self, request, /):
        await self.gate.wait()
        return await super().chat(request)


# --- a call ---


async def test_what_a_call_takes_is_counted():
    budget = Budget(usd=10)
    await chat(chain([budget], MockProvider(answer(2))), asking(3))
    assert sums(budget) == (2, 0)
    assert budget.remaining == 8


async def test_what_a_call_may_take_is_reserved_while_it_is_under_way():
    budget, provider = Budget(usd=10), Held()
    call = asyncio.create_task(chat(chain([budget], provider), asking(3)))
    await turns(3)
    assert sums(budget) == (0, 3)
    provider.gate.set()
    await call
    assert sums(budget) == (1, 0)


@pytest.mark.parametrize("path", [chat, stream], ids=["chat", "stream"])
async def test_what_does_not_fit_is_refused_before_anything_is_sent(path):
    budget, mock = Budget(usd=10), MockProvider(answer())
    with pytest.raises(BudgetExceededError):
        await path(chain([budget], mock), asking(11))
    assert (mock.calls, sums(budget)) == (0, (0, 0))


async def test_a_refusal_says_what_lacks_and_when_it_begins_anew():
    clock = FakeClock(1_700_000_000.0)
    budget = Budget(usd=10, period="day", per="user")
    provider = chain([budget], MockProvider(answer(7)))
    await chat(provider, asking(7), clock=clock, tags={"user": "alice"})
    with pytest.raises(BudgetExceededError, match="begins anew at 2023-11-15 00:00 UTC") as caught:
        await chat(provider, asking(4), clock=clock, tags={"user": "alice"})
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.kind, error.unit, error.limit) == ("budget", "usd", 10)
    assert (error.spent, error.reserved, error.asked) == (7, 0, 4)
    assert error.resets_at == 1_700_006_400.0
    assert "alice" not in str(error)
    assert "per user" in str(error)


async def test_a_hundred_calls_at_once_against_a_budget_for_ten_admit_exactly_ten():
    budget, provider = Budget(usd=10), Held()
    layered = chain([budget], provider)
    calls = [asyncio.create_task(chat(layered)) for _ in range(100)]
    await turns(5)
    assert sums(budget) == (0, 10)
    provider.gate.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(result, ChatResponse) for result in results) == 10
    assert sum(isinstance(result, BudgetExceededError) for result in results) == 90
    assert (provider.calls, sums(budget)) == (10, (10, 0))


async def test_a_budget_of_tokens_counts_input_and_output():
    budget = Budget(tokens=100)
    provider = chain([budget], MockProvider(answer(completion=2, prompt=5)))
    await chat(provider, asking(10))
    assert budget.funds().spent_tokens == 7
    with pytest.raises(BudgetExceededError, match="tokens may be needed"):
        await chat(provider, asking(100))


async def test_who_counts_exactly_is_asked_for_the_input():
    budget, provider = Budget(tokens=1000, count_tokens=lambda request: len(request.messages[0].content)), Held()
    call = asyncio.create_task(chat(chain([budget], provider), asking(10, text="x" * 100)))
    await turns(3)
    assert budget.funds().reserved_tokens == 105 + 10
    provider.gate.set()
    await call


async def test_embeddings_are_counted():
    budget = Budget(tokens=100)
    await embeddings(chain([budget], MockProvider()))
    assert budget.funds().spent_tokens == 2


async def test_a_call_may_cost_more_than_was_reserved_and_is_counted_in_full():
    budget = Budget(usd=10)
    await chat(chain([budget], MockProvider(answer(15))), asking(3))
    assert sums(budget) == (15, 0)


async def test_millionths_are_rounded_up():
    budget = Budget(usd=1)
    prices = DictPrices({"mock-model": {"input": 0, "output": "0.000001"}})
    await opened(asking(), chain([budget], MockProvider(answer(1))).chat, CallContext(clock=FakeClock(), prices=prices))
    assert budget.spent == Decimal("0.000001")


@pytest.mark.parametrize("usage", [{"prompt_tokens": -500}, {"completion_tokens": -500}, {"completion_tokens": 2.5}])
async def test_a_count_that_cannot_be_is_no_money_for_free(usage):
    budget, used = Budget(usd=10), Usage(**({"prompt_tokens": 5, "completion_tokens": 1} | usage))
    provider = chain([budget], MockProvider(ChatResponse(Message("assistant", "yes"), "stop", usage=used)))
    response = await chat(provider)
    assert (response.cost.estimated, [warning.code for warning in response.warnings]) == (True, ["usage_invalid"])
    assert sums(budget) == (1, 0)


async def test_a_price_that_fails_after_the_call_takes_what_was_set_aside():
    class Failing:
        answers = iter([Cost(Decimal(4)), Cost(Decimal(4))])

        def price(self, usage, info):
            return next(self.answers)

    budget = Budget(usd=10)
    await opened(asking(4), chain([budget], MockProvider(answer())).chat, CallContext(prices=Failing()))
    assert sums(budget) == (4, 0)


async def test_a_provider_without_a_journal_is_counted_too():
    budget = Budget(usd=10)
    await chat(compose([budget], MockProvider(answer(2))), asking(3))
    assert sums(budget) == (2, 0)


async def test_a_provider_without_a_journal_that_refuses_takes_nothing():
    budget = Budget(usd=10)
    with pytest.raises(ServerError):
        await chat(compose([budget], MockProvider(ServerError("no", status_code=500))))
    assert sums(budget) == (0, 0)


# --- prices ---


async def test_an_unknown_price_is_an_error_under_a_hard_budget():
    budget, mock = Budget(usd=10), MockProvider(model="new")
    with pytest.raises(ConfigError, match=r"the price of mock:new is not known.*prices=") as caught:
        await chat(chain([budget], mock))
    assert (caught.value.kind, caught.value.model, mock.calls) == ("unknown_price", "new", 0)


async def test_an_unknown_price_is_a_warning_under_a_soft_budget():
    budget = Budget(usd=10, hard=False)
    response = await chat(chain([budget], MockProvider(answer(), model="new")))
    assert [warning.code for warning in response.warnings] == ["budget_price_unknown"]
    assert budget.ledger.report().rows[0]["unpriced"] == 1


async def test_a_budget_of_tokens_needs_no_price():
    budget = Budget(tokens=100)
    assert (await chat(chain([budget], MockProvider(answer(), model="new")))).warnings == ()


async def test_mocks_cost_nothing_where_no_price_is_given():
    budget = Budget(usd=0)
    with Client(MockProvider(answer())).use(budget) as client:
        assert client.new_request().user("hi").max_tokens(5).do().message.content == "yes"
    assert budget.spent == 0


async def test_the_dearest_service_that_may_be_reached_is_what_is_reserved():
    budget, provider = Budget(usd=10), Held()
    layered = chain([budget, Fallback(MockProvider(name="second", model="dear"))], provider)
    call = asyncio.create_task(chat(layered, asking(2)))
    await turns(3)
    assert sums(budget) == (0, 6)
    provider.gate.set()
    await call


async def test_a_model_that_the_request_names_is_not_what_a_further_target_is_priced_for():
    budget, provider = Budget(usd=10), Held(model="dear")
    layered = chain([budget, Fallback(Target(MockProvider(name="second"), model="mock-model"))], provider)
    call = asyncio.create_task(chat(layered, asking(2, model="mock-model")))
    await turns(3)
    assert sums(budget) == (0, 2)
    provider.gate.set()
    await call


async def test_a_hedged_call_reserves_for_both():
    budget, provider = Budget(usd=10), Held()
    call = asyncio.create_task(chat(chain([budget, Hedge(after=1.0)], provider), asking(2)))
    await turns(3)
    assert sums(budget) == (0, 4)
    provider.gate.set()
    await call


# --- failures ---


@pytest.mark.parametrize(
    "error",
    [ServerError("no", status_code=500), ConnectError("no", kind="refused"), CircuitOpenError("open")],
    ids=["server", "connection", "circuit"],
)
async def test_a_call_that_was_refused_gives_everything_back(error):
    budget = Budget(usd=10)
    with pytest.raises(type(error)):
        await chat(chain([budget], MockProvider(error)))
    assert sums(budget) == (0, 0)


async def test_a_layer_that_raises_before_its_first_await_gives_everything_back():
    class Picky(Wrapper):
        passes = frozenset({"chat_stream", "embeddings"})

        def chat(self, request, /):
            raise ValueError("not this one")

    budget = Budget(usd=10)
    with pytest.raises(ValueError, match="not this one"):
        await chat(chain([budget, Picky], MockProvider(answer())))
    assert sums(budget) == (0, 0)


async def test_an_open_circuit_gives_everything_back():
    budget, breaker, mock = Budget(usd=10), CircuitBreaker(failures=1), MockProvider(ServerError("no", status_code=500))
    provider = chain([budget, breaker], mock)
    with pytest.raises(ServerError):
        await chat(provider)
    with pytest.raises(CircuitOpenError):
        await chat(provider)
    assert (mock.calls, sums(budget)) == (1, (0, 0))


async def test_a_call_that_may_have_been_billed_counts_as_an_estimate():
    budget = Budget(usd=10, ledger=Ledger())
    prices = DictPrices({"mock-model": {"input": 1_000_000, "output": 1_000_000}})
    provider = chain([budget], MockProvider(TimeoutError("late", phase="attempt")))
    with pytest.raises(TimeoutError):
        await opened(asking(text="x"), provider.chat, CallContext(clock=FakeClock(), prices=prices))
    assert sums(budget) == (5, 0)  # the input alone
    [row] = budget.ledger.report()
    assert (row["estimated"], row["failed"], row["requests"]) == (1, 1, 1)


async def test_failed_attempts_that_were_billed_are_counted():
    budget = Budget(usd=100)
    prices = DictPrices({"mock-model": {"input": 1_000_000, "output": 1_000_000}})
    provider = chain([budget, Retry()], MockProvider([TimeoutError("late", phase="attempt"), answer(1, prompt=5)]))
    await opened(asking(text="x"), provider.chat, CallContext(clock=FakeClock(), prices=prices))
    assert sums(budget) == (5 + 6, 0)
    assert budget.ledger.report().rows[0]["requests"] == 2


async def test_a_dry_run_takes_nothing_and_shows_a_refusal():
    budget = Budget(usd=10)
    provider = chain([budget, DryRun()], MockProvider(answer()))
    assert (await chat(provider, asking(3))).dry_run
    assert sums(budget) == (0, 0)
    with pytest.raises(BudgetExceededError):
        await chat(provider, asking(11))


async def test_an_answer_of_the_cache_takes_nothing():
    budget, mock = Budget(usd=10), MockProvider(answer(2))
    provider = chain([budget, Cache()], mock)
    for _ in range(3):
        await chat(provider, asking(3, temperature=0))
    assert (mock.calls, sums(budget)) == (1, (2, 0))


async def test_a_cache_outside_answers_when_the_money_is_gone():
    budget, mock = Budget(usd=2), MockProvider(answer(2))
    provider = chain([Cache(), budget], mock)
    await chat(provider, asking(2, temperature=0))
    assert (await chat(provider, asking(2, temperature=0))).cached


# --- limits ---


async def test_several_limits_are_reserved_all_or_none():
    day = Limit(usd=5, per="user", period="day")
    total = Limit(usd=8, name="all")
    budget, provider = Budget(day, total), Held(answer(4))
    layered = chain([budget], provider)
    tags = [{"user": "a"}, {"user": "b"}]
    first = asyncio.create_task(chat(layered, asking(4), tags=tags[0]))
    await turns(3)
    with pytest.raises(BudgetExceededError, match="'all'"):
        await chat(layered, asking(5), tags=tags[1])
    assert sums(budget, "b") == (0, 0)
    provider.gate.set()
    await first
    assert sums(budget, "a") == (4, 0)


async def test_every_user_has_a_budget():
    budget = Budget(usd=2, per="user")
    provider = chain([budget], MockProvider(answer()))
    await chat(provider, asking(2), tags={"user": "alice"})
    await chat(provider, asking(2), tags={"user": "bob"})
    with pytest.raises(BudgetExceededError):
        await chat(provider, asking(2), tags={"user": "alice"})
    assert (sums(budget, "alice"), sums(budget, "bob"), budget.left("bob")) == ((1, 0), (1, 0), 1)


async def test_calls_without_the_tag_share_a_budget():
    budget = Budget(usd=2, per="user")
    provider = chain([budget], MockProvider(answer()))
    await chat(provider)
    await chat(provider, tags={"team": "x"})
    with pytest.raises(BudgetExceededError):
        await chat(provider)


async def test_every_tenant_has_a_budget():
    budget = Budget(usd=1, per="tenant")
    provider = chain([budget], MockProvider(answer()))
    await chat(provider, tenant="one")
    await chat(provider, tenant="two")
    with pytest.raises(BudgetExceededError):
        await chat(provider, tenant="one")


async def test_every_provider_has_a_budget_of_what_it_did():
    budget = Budget(usd=10, per="provider")
    second = MockProvider(answer(2), name="second")
    layered = chain([budget, Fallback(second)], MockProvider(ServerError("down", status_code=500)))
    await chat(layered, asking(3))
    assert (sums(budget, "mock"), sums(budget, "second")) == ((0, 0), (2, 0))


async def test_a_period_that_is_over_begins_anew():
    clock, budget = FakeClock(1_700_000_000.0), Budget(usd=1, period="hour")
    provider = chain([budget], MockProvider(answer()))
    await chat(provider, clock=clock)
    with pytest.raises(BudgetExceededError):
        await chat(provider, clock=clock)
    clock.advance(3600)
    await chat(provider, clock=clock)
    assert sums(budget) == (1, 0)


async def test_a_call_counts_for_the_period_it_began_in():
    clock, budget = FakeClock(1_700_002_799.0), Budget(usd=1, period="hour")
    provider = Held()
    call = asyncio.create_task(chat(chain([budget], provider), clock=clock))
    await turns(3)
    clock.advance(10)
    provider.gate.set()
    await call
    assert sums(budget) == (0, 0)
    assert [alert.window for alert in budget.ledger.alerts()] == ["2023-11-14T22"] * 3


async def test_budgets_that_share_a_ledger_share_balances_of_one_name():
    ledger = Ledger()
    one, other = Budget(usd=3, ledger=ledger), Budget(usd=5, ledger=ledger)
    await chat(chain([one], MockProvider(answer(2))), asking(2))
    await chat(chain([other], MockProvider(answer(2))), asking(2))
    assert one.spent == other.spent == 4
    with pytest.raises(BudgetExceededError):
        await chat(chain([one], MockProvider(answer())))


async def test_two_budgets_around_one_call_count_it_once():
    ledger = Ledger()
    outer, inner = Budget(usd=50, ledger=ledger), Budget(usd=50, ledger=ledger)
    other = Budget(usd=50, ledger=ledger, name="other")
    await chat(chain([outer, other, inner], MockProvider(answer(2))), asking(3))
    assert (sums(outer), sums(other)) == ((2, 0), (2, 0))
    assert ledger.report().rows[0]["requests"] == 1


async def test_a_soft_limit_lets_everything_through_and_alerts():
    budget = Budget(usd=1, hard=False)
    await chat(chain([budget], MockProvider(answer(5))), asking(5))
    assert sums(budget) == (5, 0)
    assert [alert.threshold for alert in budget.alerts] == [0.5, 0.8, 1.0]


# --- alerts ---


@pytest.mark.parametrize("colour", ["sync", "async"])
async def test_an_alert_is_told_once(colour):
    told = []

    async def later(alert):
        await turns(2)
        told.append(alert)

    budget = Budget(usd=10, on_alert=told.append if colour == "sync" else later)
    provider = chain([budget], MockProvider(answer(5)))
    await chat(provider, asking(5))
    assert [alert.threshold for alert in told] == [0.5]
    await chat(provider, asking(5))
    assert [alert.threshold for alert in told] == [0.5, 0.8, 1.0]


@pytest.mark.parametrize("kept", [lambda: None, MemoryStore], ids=["memory", "store"])
async def test_a_limit_that_was_lowered_below_what_is_spent_alerts_once_when_it_refuses(kept):
    ledger, told = Ledger(store=kept()), []
    await chat(chain([Budget(usd=10, ledger=ledger)], MockProvider(answer(4))), asking(5))
    provider = chain([Budget(usd=4, alerts=(1,), on_alert=told.append, ledger=ledger)], MockProvider(answer()))
    for _ in range(2):
        with pytest.raises(BudgetExceededError):
            await chat(provider)
    assert [(alert.threshold, alert.spent, alert.limit) for alert in told] == [(1, 4, 4)]


async def test_alerts_are_told_once_under_concurrency():
    told = []
    budget, provider = Budget(usd=100, on_alert=told.append), Held()
    calls = [asyncio.create_task(chat(chain([budget], provider))) for _ in range(100)]
    await turns(5)
    provider.gate.set()
    await asyncio.gather(*calls)
    assert [(alert.threshold, int(alert.spent)) for alert in told] == [(0.5, 50), (0.8, 80), (1.0, 100)]


async def test_a_callback_that_fails_is_logged_and_changes_nothing(caplog):
    def fails(_):
        raise RuntimeError("pager is down")

    budget = Budget(usd=1, on_alert=fails)
    with caplog.at_level(logging.WARNING, logger="aiclient.budget"):
        assert (await chat(chain([budget], MockProvider(answer())))).message.content == "yes"
    assert [record.levelname for record in caplog.records].count("ERROR") == 3
    assert "pager is down" in caplog.text


async def test_a_callback_that_hangs_is_given_up(caplog):
    clock = FakeClock()

    async def hangs(_):
        clock.advance(11)
        await asyncio.Event().wait()

    budget = Budget(usd=2, alerts=(0.5,), on_alert=hangs)
    assert (await chat(chain([budget], MockProvider(answer())), clock=clock)).message.content == "yes"
    assert "callback failed" in caplog.text


async def test_an_alert_is_an_event_of_the_call():
    seen = []
    budget = Budget(usd=2, alerts=(0.5,))
    opened_context = context()
    opened_context.observe(seen.append)
    await opened(asking(), chain([budget], MockProvider(answer())).chat, opened_context)
    assert [event.detail for event in seen if event.kind == "budget"] == [
        "budget 'budget': 50% reached, 1 of 2 US dollars spent"
    ]


# --- who goes on when the caller has left ---


async def test_the_cost_of_a_shared_call_whose_leader_left_is_not_lost():
    clock, budget, provider = FakeClock(), Budget(usd=10), Held(answer(2))
    layered = chain([budget, SingleFlight(sampled=True)], provider)
    leader = asyncio.create_task(chat(layered, asking(3), clock=clock))
    await turns(5)
    follower = asyncio.create_task(chat(layered, asking(3), clock=clock))
    await turns(5)
    leader.cancel()
    await turns(5)
    assert sums(budget) == (0, 6)
    provider.gate.set()
    assert (await follower).shared
    await turns(5)
    assert sums(budget) == (2, 0)
    assert budget.ledger.report().rows[0]["requests"] == 1


async def test_the_cost_of_a_shared_call_that_begins_when_its_leader_has_left_is_not_lost():
    clock, budget = FakeClock(auto=False), Budget(usd=10)
    mock = MockProvider([ServerError("busy", status_code=500), answer(2)])
    layered = chain([budget, SingleFlight(sampled=True), Retry()], mock)
    leader = asyncio.create_task(chat(layered, asking(3), clock=clock))
    await turns(5)
    follower = asyncio.create_task(chat(layered, asking(3), clock=clock))
    await turns(5)
    leader.cancel()
    await turns(5)
    assert (mock.calls, sums(budget)) == (1, (0, 3))
    clock.advance(60)
    assert (await follower).shared
    await turns(5)
    assert sums(budget) == (2, 0)


async def test_followers_of_a_shared_call_take_nothing():
    clock, budget, provider = FakeClock(), Budget(usd=100), Held(answer(2))
    layered = chain([budget, SingleFlight(sampled=True)], provider)
    calls = [asyncio.create_task(chat(layered, asking(3), clock=clock)) for _ in range(10)]
    await turns(5)
    provider.gate.set()
    await asyncio.gather(*calls)
    assert (provider.calls, sums(budget)) == (1, (2, 0))


async def test_both_calls_of_a_hedge_are_counted():
    clock, budget = FakeClock(auto=False), Budget(usd=100)
    prices = DictPrices({"mock-model": {"input": 1_000_000, "output": 1_000_000}})

    async def slow(request):
        await (asyncio.Event().wait() if mock.calls == 1 else turns(1))
        return answer(1, prompt=5)

    mock = MockProvider(chat_func=slow)
    provider = chain([budget, Hedge(after=1.0)], mock)
    call = asyncio.create_task(
        opened(asking(text="x"), provider.chat, CallContext(clock=clock, timeouts=Timeouts(total=None), prices=prices))
    )
    await turns(3)
    clock.advance(1)
    await call
    assert sums(budget) == (5 + 6, 0)


@pytest.mark.parametrize("path", ["chat", "chat_stream"])
async def test_nothing_stays_reserved_after_a_cancellation_at_any_step(at_every_step, path):
    def scene():
        clock, budget = FakeClock(), Budget(Limit(usd=100, per="user"), Limit(usd=100, name="all"))
        provider = chain([budget, Retry()], Stepping())

        async def work():
            result = await opened(asking(2), getattr(provider, path), context(clock))
            if isinstance(result, ChatStream):
                await collect(_async(result))

        def verify(task):
            assert budget.reserved == 0
            assert budget.spent <= 2

        return work(), verify

    assert await at_every_step(scene) > 10


async def _async(value):
    return value


class Stepping(MockProvider):
    """Takes a few turns of the loop for everything."""

    async def chat(self, request, /):
        await turns(2)
        return answer(2)

    async def chat_stream(self, request, /):
        await turns(2)

        async def chunks():
            for chunk in (A, A, USED):
                await turns(1)
                yield chunk

        return ChatStream(chunks())


class Whatever(MockProvider):
    """Answers, streams, fails or hangs for a while; never more than it was asked for."""

    def __init__(self, rng):
        super().__init__()
        self.rng = rng

    async def chat(self, request, /):
        await turns(self.rng.randrange(6))
        self.fails()
        return answer(self.rng.randrange(request.options.max_tokens + 1))

    async def chat_stream(self, request, /):
        await turns(self.rng.randrange(3))
        self.fails()

        async def chunks():
            for _ in range(request.options.max_tokens - 1):
                await turns(self.rng.randrange(3))
                yield A
            self.fails()
            yield evolve(USED, usage=Usage(prompt_tokens=5, completion_tokens=request.options.max_tokens - 1))

        return ChatStream(chunks())

    def fails(self):
        if self.rng.random() < 0.2:
            raise self.rng.choice([ServerError("no", status_code=500), TimeoutError("late", phase="attempt")])


@pytest.mark.parametrize("kept", ["memory", "store"])
@pytest.mark.parametrize("seed", range(5))
async def test_whatever_becomes_of_calls_no_more_is_spent_and_reserved_than_there_is(seed, kept):
    rng = random.Random(seed)
    ledger = Ledger() if kept == "memory" else Ledger(store=MemoryStore())
    budget = Budget(Limit(usd=40), Limit(usd=25, per="user", name="each"), ledger=ledger)
    provider = chain([budget], Whatever(rng))

    async def one():
        request, tags = asking(rng.randrange(2, 6)), {"user": rng.choice("ab")}
        if rng.random() < 0.5:
            return await chat(provider, request, tags=tags)
        return await collect(stream(provider, request, tags=tags))

    calls = [asyncio.create_task(one()) for _ in range(60)]
    for _ in range(200):
        rng.choice(calls).cancel() if rng.random() < 0.1 else None
        await turns(1)
        held = [budget.funds(), *(ledger.funds(account_of(budget.limits[1], user, 0.0)) for user in "ab")]
        assert all(funds.spent + funds.reserved <= most for funds, most in zip(held, (40, 25, 25), strict=True))
    await asyncio.gather(*calls, return_exceptions=True)
    assert all(call.done() for call in calls)
    assert budget.reserved == 0
    assert budget.spent > 5


def test_threads_and_tasks_share_a_budget():
    budget = Budget(usd=40)
    provider = chain([budget], Stepping())
    admitted = []

    async def several():
        results = await asyncio.gather(*(chat(provider, asking(2)) for _ in range(25)), return_exceptions=True)
        admitted.append(sum(isinstance(result, ChatResponse) for result in results))

    threads = [threading.Thread(target=lambda: asyncio.run(several())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sum(admitted), sums(budget)) == (20, (40, 0))


# --- options ---


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "limits nothing"),
        ({"usd": -1}, "usd=-1"),
        ({"usd": "much"}, "usd='much'"),
        ({"usd": True}, "usd=True"),
        ({"usd": float("nan")}, "usd=nan"),
        ({"usd": float("inf")}, "usd=inf"),
        ({"tokens": 1.5}, "tokens=1.5"),
        ({"tokens": -1}, "tokens=-1"),
        ({"usd": 1, "period": "week"}, "period='week'"),
        ({"usd": 1, "per": "day"}, "how long is period='day'"),
        ({"usd": 1, "per": ""}, "per=''"),
        ({"usd": 1, "name": " "}, "name=' '"),
        ({"usd": 1, "hard": 1}, "hard=1"),
        ({"usd": 1, "alerts": (1.5,)}, "alerts="),
        ({"usd": 1, "alerts": "half"}, "alerts="),
        ({"usd": 1, "on_alert": 5}, "on_alert=5"),
        ({"usd": 1, "ledger": "l"}, "ledger='l'"),
        ({"usd": 1, "count_tokens": 5}, "count_tokens=5"),
    ],
)
async def test_a_bad_option_is_refused(options, match):
    with pytest.raises(ConfigError, match=match):
        Budget(**options)


async def test_what_is_no_limit_is_refused():
    with pytest.raises(ConfigError, match="must be Limit values"):
        Budget(5)


async def test_whose_funds_are_asked_for_is_a_text():
    with pytest.raises(ConfigError, match="value=7 must be a text"):
        Budget(usd=1, per="user").funds(7)
    with pytest.raises(ConfigError, match="value=7 must be a text"):
        await Budget(usd=1, per="user").refresh(7)


async def test_its_repr_says_what_it_holds():
    budget = Budget(Limit(usd="2.50", per="user", period="day"), Limit(tokens=1000, hard=False))
    assert repr(budget) == "Budget($2.5 per user per day, 1000 tokens (soft))"


async def test_the_precision_of_the_program_rounds_nothing_that_is_left():
    with decimal.localcontext(decimal.Context(prec=3)):
        assert str(Budget(usd="1234.567891").remaining) == "1234.567891"


@pytest.mark.parametrize("usd", [Decimal("0.3"), "0.3", "$0.3", 0.3])
async def test_an_amount_is_what_it_prints(usd):
    assert Budget(usd=usd).remaining == Decimal("0.3")
