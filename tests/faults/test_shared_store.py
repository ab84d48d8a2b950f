"""A store that machines share, on a real server: what a cache and a budget make of its faults (section K of the matrix)."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import pickle
import signal
import subprocess
import sys
import time

import pytest

from aiclient import AsyncClient, BudgetExceededError, Client, Ledger, RedisStore, StoreError
from aiclient.ledger.books import Booking, Line
from aiclient.ledger.limits import Limit, account_of
from aiclient.ledger.money import Amount
from aiclient.middleware import Budget, Cache
from aiclient.testutil import MockProvider
from aiclient.testutil.clock import FakeClock

from .rows import row

pytestmark = pytest.mark.anyio

PRICES = {"mock-model": {"input": 0, "output": 1_000_000}}
"""US dollars for a million tokens: an answer of one token costs one."""


class Shared:
    """A client with a cache, one with a budget of ten dollars, and a mock behind each that counts what reaches it."""

    def __init__(self, url, prefix, **options):
        self.store = RedisStore(url, prefix=prefix, **{"timeout": 30, **options})
        self.patience = options.get("timeout", 30)
        self.cached, self.paid = MockProvider("Paris"), MockProvider("Paris")
        self.cache = Cache(self.store, patience=self.patience)
        self.budget = Budget(usd=10, name="ten", ledger=Ledger(store=self.store, patience=self.patience))
        self.clients = AsyncClient(self.cached).use(self.cache), AsyncClient(self.paid, prices=PRICES).use(self.budget)

    async def ask(self):
        """Ask through the cache; return whether it knew the answer, and the codes of its warnings."""
        answer = await self.clients[0].new_request().user("Capital of France?").temperature(0).do()
        return answer.cached, [warning.code for warning in answer.warnings]

    async def pay(self):
        """Ask for a dollar."""
        return await self.clients[1].new_request().user("Capital of France?").max_tokens(1).do()

    async def refused(self):
        """Ask for a dollar, and be refused because of the store; return the error's kind."""
        before = self.paid.calls
        with pytest.raises(StoreError, match="no call is let through") as caught:
            await self.pay()
        assert self.paid.calls == before
        return caught.value.kind

    async def close(self):
        for client in self.clients:
            await client.close()
        await self.store.close()


@pytest.fixture
async def shared(own_room):
    async with contextlib.AsyncExitStack() as stack:

        def make(url=own_room.url, **options):
            made = Shared(url, own_room.prefix, **options)
            stack.push_async_callback(made.close)
            return made

        yield make


MISSED = (False, ["cache_store_failed"])


@row(107)
async def test_a_server_that_is_down_is_a_miss_and_closes_budgets(shared, tmp_path):
    here = shared(f"unix://{tmp_path}/nobody.sock")
    assert await here.refused() == "io"
    assert await here.ask() == MISSED
    assert await here.ask() == (False, [])  # one warning is enough


@row(108)
async def test_a_server_that_hangs_costs_bounded_time(shared, redis_process):
    here = shared(timeout=0.05)
    with redis_process.paused():
        begun = time.monotonic()
        assert await here.ask() == MISSED
        await here.refused()
        assert time.monotonic() - begun < 20  # of a machine that has other things to do; it hangs for ever


@row(109)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda room, key: (room.call("DEL", key), room.call("RPUSH", key, "x")),
        lambda room, key: room.call("HSET", key, "v", "no record"),
        lambda room, key: room.call("HSET", key, "v", '{"v": 99, "cache": 99}'),
    ],
    ids=["wrong type", "corrupt", "other version"],
)
async def test_what_cannot_be_read_is_a_miss_and_written_over_and_closes_budgets(shared, own_room, spoil):
    here = shared()
    await here.ask()
    await here.pay()
    for key in own_room.keys("v:"):
        spoil(own_room, key)
    assert (await here.ask())[0] is False
    assert await here.ask() == (True, [])
    other = shared()  # which remembers nothing of the balance
    assert await other.refused() in ("corrupt", "version")


@row(110)
async def test_writes_that_a_failover_lost_are_a_miss_and_calls_under_way_are_counted_when_they_end(shared, own_room):
    here = shared()
    await here.ask()
    await here.pay()
    asked, answered = asyncio.Event(), asyncio.Event()

    async def slowly(request):
        asked.set()
        await answered.wait()
        return "Paris"

    slow = AsyncClient(MockProvider(chat_func=slowly), prices=PRICES).use(here.budget)
    paying = asyncio.ensure_future(slow.new_request().user("?").max_tokens(1).do())
    await asked.wait()
    for key in own_room.keys():
        own_room.call("DEL", key)
    assert await here.ask() == (False, [])
    answered.set()
    await paying
    assert (await here.budget.refresh()).spent == 1  # of two: the first was lost with the writes
    await slow.close()


@row(111)
async def test_a_server_that_was_restarted_is_told_its_scripts_again(shared, redis_process):
    here = shared()
    await here.ask()
    await here.pay()
    redis_process.restart()
    assert await here.ask() == (False, [])
    assert await here.ask() == (True, [])
    await here.pay()
    assert here.paid.calls == 2


@row(112)
@pytest.mark.parametrize(
    ("spoil", "mend", "kind"),
    [
        (["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"], "full"),
        (["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"], "readonly"),
    ],
    ids=["OOM", "READONLY"],
)
async def test_a_server_that_takes_nothing_is_as_one_that_is_down(shared, own_room, spoil, mend, kind):
    here = shared()
    own_room.call(*spoil)
    try:
        assert await here.ask() == MISSED
        assert await here.refused() == kind
    finally:
        own_room.call(*mend)


@row(112)
async def test_a_node_of_a_cluster_that_holds_other_keys_is_as_one_that_is_down(shared):
    async def moved(reader, writer):
        while line := await reader.readline():
            if line.strip().upper() in (b"SETINFO", b"HGET", b"EVALSHA"):
                writer.write(b"+OK\r\n" if b"SETINFO" in line else b"-MOVED 3999 10.0.0.1:6379\r\n")
        writer.close()

    async with await asyncio.start_server(moved, "127.0.0.1", 0) as server:
        here = shared(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        assert await here.ask() == MISSED
        assert await here.refused() == "cluster"
        await here.close()


class Trap:
    """What an attacker would have a reader execute."""

    def __reduce__(self):
        return (os.kill, (os.getpid(), signal.SIGTERM))


POISON = {
    "a pickle": pickle.dumps(Trap()),
    "nothing": b"",
    "no text": b"\xff\xfe",
    "deep": b"[" * 100_000,
    "NaN": b'{"cache": 1, "at": NaN, "ttl": 1e9, "answer": {}, "v": 1}',
    "a number too long": b'{"cache": 1, "v": 1, "spent": [' + b"9" * 5000 + b", 0]}",
    "free money": json.dumps(
        {"v": 1, "account": ["ten", None, None, "total", "", None], "spent": [-(10**9), 0], "leases": {}, "lapsed": {}}
        | {"settled": [], "fired": []}
    ).encode(),
    "another answer": b'{"cache": 1, "at": 1e12, "ttl": 1e12, "answer": {"type": "exec"}}',
}


@row(113)
@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
async def test_what_somebody_else_wrote_is_never_executed_or_believed(shared, own_room, poison):
    here = shared()
    await here.ask()
    await here.pay()
    for key in own_room.keys("v:"):
        own_room.call("HSET", key, "v", poison)
    assert (await here.ask())[0] is False
    assert await shared().refused() in ("corrupt", "version")


KILLED = """
import asyncio, os, signal, sys
from aiclient import AsyncClient, Ledger, RedisStore
from aiclient.middleware import Budget
from aiclient.testutil import MockProvider

async def killed(request):
    os.kill(os.getpid(), signal.SIGKILL)

async def main(url, prefix):
    ledger = Ledger(store=RedisStore(url, prefix=prefix, timeout=30), patience=30)
    client = AsyncClient(MockProvider(chat_func=killed), prices={"mock-model": {"input": 0, "output": 1_000_000}})
    await client.use(Budget(usd=10, name="ten", ledger=ledger)).new_request().user("?").max_tokens(6).timeout(100).do()

asyncio.run(main(*sys.argv[1:]))
"""


@row(114)
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
async def test_what_a_killed_process_had_reserved_counts_as_spent_when_its_time_is_over(own_room):
    command = [sys.executable, "-c", KILLED, own_room.url, own_room.prefix]
    begun = time.time()
    done = subprocess.run(command, timeout=60)  # noqa: ASYNC221  # nothing else runs
    assert done.returncode == -signal.SIGKILL
    async with RedisStore(own_room.url, prefix=own_room.prefix, timeout=30) as store:
        soon = Budget(usd=10, name="ten", ledger=Ledger(store=store, patience=30, clock=FakeClock(begun)))
        funds = await soon.refresh()
        assert (funds.spent, funds.reserved) == (0, 6)
        late = Budget(usd=10, name="ten", ledger=Ledger(store=store, patience=30, clock=FakeClock(time.time() + 161)))
        funds = await late.refresh()
        assert (funds.spent, funds.reserved) == (6, 0)  # a minute after the call's own deadline, at its ceiling


SPENDER = """
import asyncio, sys
from aiclient import AsyncClient, BudgetExceededError, Ledger, RedisStore
from aiclient.middleware import Budget
from aiclient.testutil import MockProvider

async def main(url, prefix):
    async with RedisStore(url, prefix=prefix, timeout=30) as store:
        mock = MockProvider("Paris")
        budget = Budget(usd=10, name="ten", ledger=Ledger(store=store, patience=30))
        async with AsyncClient(mock, prices={"mock-model": {"input": 0, "output": 1_000_000}}).use(budget) as client:
            async def one():
                try:
                    await client.new_request().user("?").max_tokens(1).do()
                except BudgetExceededError:
                    pass
            await asyncio.gather(*(one() for _ in range(25)))
    print(mock.calls)

asyncio.run(main(*sys.argv[1:]))
"""


@row(103)
@pytest.mark.slow
async def test_of_a_hundred_calls_of_four_processes_ten_fit_into_a_budget_for_ten(redis_room):
    command = [sys.executable, "-c", SPENDER, redis_room.url, redis_room.prefix]
    start = functools.partial(subprocess.Popen, command, stdout=subprocess.PIPE, text=True)
    spending = [start() for _ in range(4)]
    sent = [int(process.communicate(timeout=60)[0]) for process in spending]
    assert sum(sent) == 10


@row(96)
@pytest.mark.parametrize("ahead", [-30.0, 30.0])
async def test_a_clock_that_is_half_a_minute_off_ends_no_reservation_of_a_call_under_way(own_room, ahead):
    limit = Limit(usd=10, name="ten")
    async with RedisStore(own_room.url, prefix=own_room.prefix, timeout=30) as store:
        line = Line(account_of(limit, None, 0.0), limit.caps, Amount(10_000_000))
        now = 1_700_000_000.0
        # As a call with a deadline in a second has it: its reservation is for a minute longer.
        await Ledger(store=store, patience=30).reserve(Booking("a", (line,), now + 1 + 60), now)
        other = Ledger(store=store, patience=30, clock=FakeClock(now + 1 + ahead))
        with pytest.raises(BudgetExceededError):
            await other.reserve(Booking("b", (line,), now + 1 + ahead + 60), now + 1 + ahead)
        await other.refresh()
        funds = other.funds(line.account)
        assert (funds.spent, funds.reserved) == (0, 10)


@row(105)
def test_a_client_of_each_colour_share_what_is_kept(redis_room):
    with contextlib.closing(_Closing(RedisStore(redis_room.url, prefix=redis_room.prefix, timeout=30))) as closing:
        services = MockProvider("Paris"), MockProvider("Rome")
        layer = Cache(closing.store, tenant="us", patience=30)
        with Client(services[0]).use(layer) as client:
            first = client.new_request().user("?").temperature(0).do()

            async def again():
                async with AsyncClient(services[0]).use(layer) as other:
                    return await other.new_request().user("?").temperature(0).do()

            second, third = asyncio.run(again()), client.new_request().user("?").temperature(0).do()
    assert [first.cached, second.cached, third.cached] == [False, True, True]


class _Closing:
    def __init__(self, store):
        self.store = store

    def close(self):
        asyncio.run(self.store.close())
