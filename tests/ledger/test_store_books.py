"""The ledger in a store: several processes, crashes, and a store that fails."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from decimal import Decimal

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from aiclient import BudgetExceededError, ConfigError, Ledger, Limit, SQLiteStore, StoreError
from aiclient.attempt import chain
from aiclient.context import CallContext, Timeouts
from aiclient.ledger.balance import Balance
from aiclient.ledger.books import Booking, Line
from aiclient.ledger.limits import account_of
from aiclient.ledger.money import Amount
from aiclient.ledger.rows import Spent
from aiclient.messages import Message
from aiclient.middleware import Budget
from aiclient.pricing import DictPrices
from aiclient.provider import opened
from aiclient.request import ChatOptions, ChatRequest
from aiclient.store import MemoryStore
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

LIMIT = Limit(usd="0.0001", name="all")
USER = Limit(usd="0.00006", per="user")


def booking(identity, micros, *limits, now=0.0, value=None, expires=1e12):
    lines = [Line(account_of(limit, value, now), limit.caps, Amount(micros)) for limit in limits or (LIMIT,)]
    return Booking(identity, tuple(lines), expires)


def all_of(booked, micros):
    return {line.key: Amount(micros) for line in booked.lines}


def sums(ledger, limit=LIMIT, value=None):
    funds = ledger.funds(account_of(limit, value, 0.0))
    return int(funds.spent * 1_000_000), int(funds.reserved * 1_000_000)


async def seen(ledger, limit=LIMIT, value=None):
    """What the store holds, as a ledger that has seen nothing yet reads it."""
    await ledger.refresh(account_of(limit, value, 0.0), days=1)
    return sums(ledger, limit, value)


class Yielding(MemoryStore):
    """Takes turns of the loop for everything, as a store over a network does."""

    async def get(self, key, /):
        await asyncio.sleep(0)
        value = await super().get(key)
        await asyncio.sleep(0)
        return value

    async def swap(self, key, expected, value, /, *, ttl=None):
        await asyncio.sleep(0)
        done = await super().swap(key, expected, value, ttl=ttl)
        await asyncio.sleep(0)
        return done


class Failing(Yielding):
    """Fails while `down` says so: `before` an exchange, or `after` it, when it has been done."""

    down = None
    asked = 0

    async def get(self, key, /):
        self.asked += 1
        if self.down is not None:
            raise OSError("postgres://user:secret@host is down")
        return await super().get(key)

    async def swap(self, key, expected, value, /, *, ttl=None):
        self.asked += 1
        if self.down == "before":
            raise OSError("down")
        done = await super().swap(key, expected, value, ttl=ttl)
        if self.down == "after":
            raise OSError("down")
        return done


# --- shared ---


async def test_two_ledgers_share_a_balance():
    store = Yielding()
    one, other = Ledger(store=store), Ledger(store=store)
    booked = booking("a", 60)
    await one.reserve(booked, 0.0)
    with pytest.raises(BudgetExceededError):
        await other.reserve(booking("b", 60), 0.0)
    assert sums(other) == (0, 60)
    await one.settle(booked, all_of(booked, 30), 0.0)
    await other.reserve(booking("c", 60), 0.0)
    assert await seen(Ledger(store=store)) == (30, 60)


async def test_what_one_ledger_remembers_decides_nothing_when_another_has_changed_it():
    store = Yielding()
    one, other = Ledger(store=store), Ledger(store=store)
    held = booking("a", 100)
    await one.reserve(held, 0.0)
    with pytest.raises(BudgetExceededError):
        await other.reserve(booking("b", 60), 0.0)
    await one.release(held, 0.0)
    await other.reserve(booking("b", 60), 0.0)
    with pytest.raises(BudgetExceededError):
        await one.reserve(booking("c", 60), 0.0)


async def test_many_at_once_over_several_ledgers_reserve_no_more_than_there_is():
    store = Yielding()
    ledgers = [Ledger(store=store) for _ in range(4)]
    reserving = (ledgers[number % 4].reserve(booking(str(number), 10), 0.0) for number in range(40))
    results = await asyncio.gather(*reserving, return_exceptions=True)
    assert [result for result in results if not isinstance(result, BudgetExceededError)] == [None] * 10
    assert await seen(Ledger(store=store)) == (0, 100)


async def test_ledgers_of_other_names_know_nothing_of_each_other():
    store = MemoryStore()
    booked = booking("a", 60)
    await Ledger(store=store, name="one").settle(booked, all_of(booked, 60), 0.0)
    assert await seen(Ledger(store=store, name="other")) == (0, 0)


async def test_all_lines_are_reserved_or_none():
    ledger = Ledger(store=Yielding())
    with pytest.raises(BudgetExceededError, match="'budget' per user"):
        await ledger.reserve(booking("a", 70, LIMIT, USER), 0.0)
    assert await seen(ledger) == (0, 0)


async def test_alerts_are_told_once_by_whoever_comes_first():
    store, told = Yielding(), []
    ledgers = [Ledger(store=store) for _ in range(2)]

    async def one(number):
        booked = booking(str(number), 1)
        told.extend(await ledgers[number % 2].settle(booked, all_of(booked, 1), 7.0))

    await asyncio.gather(*(one(number) for number in range(100)))
    assert sorted(alert.threshold for alert in told) == [0.5, 0.8, 1.0]
    await ledgers[0].refresh(days=1)
    assert [alert.threshold for alert in ledgers[0].alerts()] == [0.5, 0.8, 1.0]


async def test_a_reset_is_seen_by_all():
    store, booked = Yielding(), booking("a", 60)
    one, other = Ledger(store=store), Ledger(store=store)
    await one.settle(booked, all_of(booked, 60), 0.0)
    assert await one.reset() == 1
    assert await seen(other) == (0, 0)


async def test_rows_of_all_processes_are_in_the_report():
    store, clock = Yielding(), FakeClock()
    one, other = Ledger(store=store, clock=clock), Ledger(store=store, clock=clock)
    facts = {"day": "2023-11-14", "model": "m", "tenant": None, "tags": {}, "amount": Amount(5)}
    await one.record([Spent(provider="a", **facts), Spent(provider="b", **facts)])
    await other.record([Spent(provider="a", **facts)])
    await one.refresh(days=2)
    assert [(row["provider"], row["requests"]) for row in one.report("provider")] == [("a", 2), ("b", 1)]


async def test_a_budget_shows_what_other_processes_have_spent_when_it_looks_again():
    store, clock = Yielding(), FakeClock(0.0)
    booked = booking("a", 30, LIMIT, USER, value="alice")
    await Ledger(store=store).settle(booked, all_of(booked, 30), 0.0)
    budget = Budget(USER, LIMIT, ledger=Ledger(store=store, clock=clock), clock=clock)
    assert (budget.spent, (await budget.refresh("alice")).spent) == (0, Decimal("0.00003"))
    assert budget.left("alice") == Decimal("0.00003")
    assert budget.ledger.funds(account_of(LIMIT, None, 0.0)).spent == Decimal("0.00003")


@pytest.mark.parametrize("days", [-1, 1.5, True, 10**9])
async def test_a_number_of_days_that_cannot_be_is_refused(days):
    with pytest.raises(ConfigError, match=r"days=.* must be a whole number from 0 to 400"):
        await Ledger(store=MemoryStore()).refresh(days=days)


async def test_looking_writes_nothing():
    store = MemoryStore()
    await seen(Ledger(store=store))
    assert store.size.entries == 0


async def test_a_balance_of_a_period_is_kept_for_a_day_after_it():
    clock = FakeClock(0.0)
    store, limit = MemoryStore(clock=clock), Limit(usd=1, period="hour")
    booked = booking("a", 10, limit)
    await Ledger(store=store, clock=clock).settle(booked, all_of(booked, 10), 0.0)
    clock.advance(3600 + 86_399)
    assert await seen(Ledger(store=store, clock=clock), limit) == (10, 0)
    clock.advance(1)
    assert await seen(Ledger(store=store, clock=clock), limit) == (0, 0)


async def test_a_process_that_died_leaves_a_reservation_that_counts_as_spent_in_the_end():
    store = Yielding()
    await Ledger(store=store).reserve(booking("a", 60, expires=100.0), 0.0)
    ledger = Ledger(store=store)
    with pytest.raises(BudgetExceededError):
        await ledger.reserve(booking("b", 50), 99.0)
    with pytest.raises(BudgetExceededError):
        await ledger.reserve(booking("b", 50), 100.0)
    assert await seen(Ledger(store=store)) == (60, 0)


class Stepping(MockProvider):
    """Takes a few turns of the loop for everything."""

    async def chat(self, request, /):
        await asyncio.sleep(0)
        return await super().chat(request)


def held(store):
    """What is reserved on all accounts, read without a turn of the loop."""
    records = [entry.value for key, entry in store._entries.items() if ":balance:" in key]
    return sum(Balance.from_bytes(record).reserved.micros for record in records)


async def test_a_cancellation_of_a_call_at_any_step_leaves_nothing_reserved(at_every_step):
    def scene():
        store = Yielding()
        budget = Budget(LIMIT, USER, ledger=Ledger(store=store))
        provider = chain([budget], Stepping("yes"))
        request = ChatRequest([Message("user", "hi")], ChatOptions(max_tokens=10))
        context = CallContext(
            timeouts=Timeouts(total=None), prices=DictPrices({"mock-model": {"input": 0, "output": 1}})
        )

        def verify(_):
            assert held(store) == 0

        return opened(request, provider.chat, context), verify

    assert await at_every_step(scene) > 100


# --- two real processes ---

SPENDER = """
import asyncio, sys
from aiclient import BudgetExceededError, Ledger, Limit, SQLiteStore
from aiclient.ledger.books import Booking, Line
from aiclient.ledger.limits import account_of
from aiclient.ledger.money import Amount

async def main(path, name):
    limit = Limit(usd="0.0001", name="all")
    ledger = Ledger(store=SQLiteStore(path), patience=30.0)
    admitted = 0
    async def one(number):
        nonlocal admitted
        booked = Booking(f"{name}.{number}", (Line(account_of(limit, None, 0.0), limit.caps, Amount(1)),), 1e12)
        try:
            await ledger.reserve(booked, 0.0)
        except BudgetExceededError:
            return
        admitted += 1
        await ledger.settle(booked, {line.key: Amount(1) for line in booked.lines}, 0.0)
    await asyncio.gather(*(one(number) for number in range(80)))
    print(admitted)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_two_processes_never_spend_more_than_there_is(tmp_path):
    path = str(tmp_path / "ledger.db")
    command = [sys.executable, "-c", SPENDER, path]
    processes = [
        subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220  # they run meanwhile
        for name in "ab"
    ]
    admitted = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(admitted) == 100
    async with SQLiteStore(path) as store:
        assert await seen(Ledger(store=store)) == (100, 0)


KILLED = """
import asyncio, os, sys
from aiclient import Ledger, Limit, SQLiteStore
from aiclient.ledger.books import Booking, Line
from aiclient.ledger.limits import account_of
from aiclient.ledger.money import Amount

async def main(path):
    limit = Limit(usd="0.0001", name="all")
    line = Line(account_of(limit, None, 0.0), limit.caps, Amount(60))
    await Ledger(store=SQLiteStore(path), patience=30.0).reserve(Booking("a", (line,), 100.0), 0.0)
    os._exit(9)

asyncio.run(main(sys.argv[1]))
"""


async def test_a_process_that_is_killed_during_a_call_has_spent_what_it_had_reserved(tmp_path):
    path = str(tmp_path / "ledger.db")
    done = subprocess.run([sys.executable, "-c", KILLED, path], timeout=60)  # noqa: ASYNC221  # nothing else runs
    assert done.returncode == 9
    async with SQLiteStore(path) as store:
        ledger = Ledger(store=store, clock=FakeClock(99.0))
        assert await seen(ledger) == (0, 60)
        await ledger.reserve(booking("b", 40), 99.0)
        assert await seen(Ledger(store=store, clock=FakeClock(100.0))) == (60, 40)


# --- a store that fails ---


@pytest.mark.parametrize("down", ["before", "after"])
async def test_hard_limits_refuse_while_the_store_fails(down, caplog):
    store = Failing()
    ledger = Ledger(store=store)
    store.down = down
    with pytest.raises(StoreError, match=r"no call is let through.*on_store_error") as caught:
        await ledger.reserve(booking("a", 10), 0.0)
    assert "secret" not in f"{caught.value}{caplog.text}"
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_what_the_store_may_have_reserved_before_it_failed_is_given_back():
    store = Failing()
    ledger, booked = Ledger(store=store, clock=FakeClock()), booking("a", 10)
    await ledger.reserve(booking("first", 10), 0.0)
    store.down = "after"
    with pytest.raises(StoreError):
        await ledger.reserve(booked, 0.0)
    store.down = None
    assert await seen(ledger) == (0, 10)


async def test_soft_limits_let_calls_through_while_the_store_fails_and_count_them_later():
    store, clock = Failing(), FakeClock()
    soft = Limit(usd="0.0001", name="all", hard=False)
    ledger, booked = Ledger(store=store, clock=clock), booking("a", 10, soft)
    store.down = "before"
    await ledger.reserve(booked, 0.0)
    assert await ledger.settle(booked, all_of(booked, 70), 0.0) == ()
    store.down = None
    clock.advance(10)
    assert await seen(ledger, soft) == (70, 0)


@pytest.mark.parametrize("down", ["before", "after"])
async def test_what_cannot_be_written_at_the_end_of_a_call_is_written_once_when_the_store_is_back(down):
    store, clock = Failing(), FakeClock()
    ledger, booked = Ledger(store=store, clock=clock), booking("a", 60)
    await ledger.reserve(booked, 0.0)
    store.down = down
    assert await ledger.settle(booked, all_of(booked, 30), 0.0) == ()
    store.down = None
    assert await seen(ledger) == (30, 0)
    assert await seen(Ledger(store=store)) == (30, 0)


async def test_looking_again_writes_what_the_store_does_not_have_yet():
    store, clock = Failing(), FakeClock()
    ledger, booked = Ledger(store=store, clock=clock), booking("a", 60)
    store.down = "before"
    await ledger.settle(booked, all_of(booked, 30), 0.0)
    store.down = None
    await ledger.refresh(days=0)
    assert sums(ledger) == await seen(Ledger(store=store)) == (30, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_what_the_store_does_not_have_yet_is_written_by_the_process_that_owes_it():
    store, clock = Failing(), FakeClock()
    ledger, booked = Ledger(store=store, clock=clock), booking("a", 60)
    store.down = "before"
    asyncio.run(ledger.settle(booked, all_of(booked, 30), 0.0))
    store.down = None
    child = os.fork()
    if not child:
        os._exit(asyncio.run(seen(ledger))[0])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert asyncio.run(seen(ledger)) == (30, 0)


@pytest.mark.parametrize("down", ["before", "after"])
async def test_rows_that_cannot_be_written_are_written_once_when_the_store_is_back(down):
    store, clock = Failing(), FakeClock()
    ledger = Ledger(store=store, clock=clock)
    await ledger.refresh(days=1)
    store.down = down
    await ledger.record([Spent("2023-11-14", "p", "m", None, {}, Amount(5))])
    store.down = None
    await ledger.refresh(days=1)
    assert [row["requests"] for row in ledger.report()] == [1]


async def test_an_allowance_lets_so_much_through_while_the_store_fails():
    store, clock = Failing(), FakeClock()
    ledger = Ledger(store=store, clock=clock, on_store_error="0.00002")
    store.down = "before"
    booked = booking("a", 15)
    await ledger.reserve(booked, 0.0)
    with pytest.raises(BudgetExceededError) as caught:
        await ledger.reserve(booking("b", 15), 0.0)
    assert caught.value.limit == Decimal("0.00002")
    await ledger.settle(booked, all_of(booked, 5), 0.0)
    await ledger.reserve(booking("c", 15), 0.0)
    store.down = None
    clock.advance(10)
    assert await seen(Ledger(store=store)) == (0, 0)
    assert await seen(ledger) == (5, 0)


async def test_an_allowance_begins_anew_with_the_next_failure():
    store, clock = Failing(), FakeClock()
    ledger = Ledger(store=store, clock=clock, on_store_error="0.00002")

    async def spends(identity):
        booked = booking(identity, 15)
        await ledger.reserve(booked, 0.0)
        await ledger.settle(booked, all_of(booked, 15), 0.0)

    for identity in ("a", "b"):
        store.down = "before"
        await spends(identity)
        store.down = None
        clock.advance(10)
        await ledger.refresh(account_of(LIMIT, None, 0.0), days=1)
    assert sums(ledger) == (30, 0)


async def test_limits_of_tokens_refuse_whatever_the_allowance():
    store = Failing()
    ledger = Ledger(store=store, on_store_error=1)
    store.down = "before"
    with pytest.raises(StoreError):
        await ledger.reserve(booking("a", 15, Limit(tokens=5)), 0.0)


async def test_a_store_that_keeps_failing_is_left_alone_for_a_while():
    store, clock = Failing(), FakeClock()
    ledger = Ledger(store=store, clock=clock)
    store.down = "before"
    for number in range(10):
        with pytest.raises(StoreError):
            await ledger.reserve(booking(str(number), 1), 0.0)
    assert store.asked == 3
    clock.advance(4.9)
    with pytest.raises(StoreError):
        await ledger.reserve(booking("x", 1), 0.0)
    assert store.asked == 3
    store.down = None
    clock.advance(0.2)
    await ledger.reserve(booking("y", 1), 0.0)
    await ledger.reserve(booking("z", 1), 0.0)


async def test_a_store_that_hangs_is_waited_for_no_longer_than_patience():
    clock = FakeClock(auto=False)

    class Hanging(MemoryStore):
        async def get(self, key, /):
            await asyncio.Event().wait()

    ledger = Ledger(store=Hanging(), clock=clock, patience=0.5)
    reserving = asyncio.ensure_future(ledger.reserve(booking("a", 1), 0.0))
    for _ in range(5):
        await asyncio.sleep(0)
    clock.advance(0.49)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not reserving.done()
    for _ in range(20):
        clock.advance(0.5)
        await asyncio.sleep(0)
    with pytest.raises(StoreError, match="took too long"):
        await reserving


async def test_a_record_that_cannot_be_read_refuses(caplog):
    store = MemoryStore()
    ledger = Ledger(store=store)
    await store.set(f"ledger:default:balance:{account_of(LIMIT, None, 0.0).key}", b"rubbish")
    with caplog.at_level(logging.ERROR), pytest.raises(StoreError, match="cannot be read") as caught:
        await ledger.reserve(booking("a", 1), 0.0)
    assert caught.value.kind == "corrupt"


async def test_a_record_that_cannot_be_read_stops_no_other():
    store = MemoryStore()
    ledger = Ledger(store=store)
    await store.set(f"ledger:default:balance:{account_of(USER, 'a', 0.0).key}", b'{"v": 7}')
    for name in "stuv":
        with pytest.raises(StoreError, match="has version 7"):
            await ledger.reserve(booking(name, 1, USER, value="a"), 0.0)
    await ledger.reserve(booking("w", 1, USER, value="b"), 0.0)
    assert await seen(ledger, USER, "b") == (0, 1)


# --- against a model ---


class LedgerModel(RuleBasedStateMachine):
    """Several ledgers over one store: reserved, settled, released, cancelled, crashed, in any order."""

    bookings = Bundle("bookings")

    def __init__(self):
        super().__init__()
        self.runner = asyncio.Runner()
        self.store = Yielding()
        self.ledgers = [Ledger(store=self.store) for _ in range(2)]
        self.now = 0.0
        self.count = 0
        self.leases = {}
        self.settled = 0
        self.lapsed = {}
        self.over = 0

    def teardown(self):
        self.runner.close()

    def run(self, work):
        return self.runner.run(work)

    def lapse(self):
        for identity, (ceiling, expires) in list(self.leases.items()):
            if expires <= self.now:
                del self.leases[identity]
                self.lapsed[identity] = ceiling

    def taken(self):
        return self.settled + sum(self.lapsed.values()) + sum(ceiling for ceiling, _ in self.leases.values())

    @rule(target=bookings, which=st.integers(0, 1), ceiling=st.integers(0, 60), lasts=st.integers(1, 30))
    def reserves(self, which, ceiling, lasts):
        self.lapse()
        self.count += 1
        booked = booking(str(self.count), ceiling, expires=self.now + lasts)
        fits = not ceiling or self.taken() + ceiling <= 100
        try:
            self.run(self.ledgers[which].reserve(booked, self.now))
        except BudgetExceededError:
            assert not fits
            return multiple()
        assert fits
        self.leases[booked.id] = ceiling, booked.expires
        return which, booked

    @rule(which=st.integers(0, 1), ceiling=st.integers(1, 60), turns=st.integers(0, 12))
    def is_cancelled(self, which, ceiling, turns):
        self.lapse()
        self.count += 1
        booked = booking(str(self.count), ceiling, expires=self.now + 1e6)

        async def cancelled():
            task = asyncio.ensure_future(self.ledgers[which].reserve(booked, self.now))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            [result] = await asyncio.gather(task, return_exceptions=True)
            if result is None:  # it was through before
                await self.ledgers[which].release(booked, self.now)

        self.run(cancelled())

    @rule(held=consumes(bookings), part=st.floats(0, 2))
    def settles(self, held, part):
        self.lapse()
        which, booked = held
        actual = int(booked.lines[0].ceiling.micros * part)
        if booked.open:
            self.run(self.ledgers[which].settle(booked, all_of(booked, actual), self.now))
            self.leases.pop(booked.id, None)
            self.lapsed.pop(booked.id, None)
            self.settled += actual
            self.over += max(0, actual - booked.lines[0].ceiling.micros)

    @rule(held=consumes(bookings))
    def releases(self, held):
        which, booked = held
        self.lapse()
        self.run(self.ledgers[which].release(booked, self.now))
        self.leases.pop(booked.id, None)
        self.lapsed.pop(booked.id, None)

    @rule(held=consumes(bookings))
    def crashes(self, held):
        which, _ = held
        self.ledgers[which] = Ledger(store=self.store)

    @rule(seconds=st.integers(1, 20))
    def time_passes(self, seconds):
        self.now += seconds

    @invariant()
    def the_store_holds_what_the_model_does(self):
        self.lapse()
        ledger = Ledger(store=self.store, clock=FakeClock(self.now))
        spent, reserved = self.run(seen(ledger))
        assert spent == self.settled + sum(self.lapsed.values())
        assert reserved == sum(ceiling for ceiling, _ in self.leases.values())
        assert spent + reserved <= 100 + self.over


LedgerModel.TestCase.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
TestModel = LedgerModel.TestCase
