"""J: many at once, counted by the service that they reach."""

from __future__ import annotations

import asyncio
import collections

import pytest

from aiclient import AsyncClient
from aiclient.errors import BadRequestError, BudgetExceededError, CircuitOpenError, ServerError
from aiclient.middleware import Budget, Cache, CircuitBreaker, Defaults, RateLimit, SingleFlight
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.server import Fault, server_error

from .peers import Played
from .rows import BOTH, Untouched, row
from .wires import OPENAI

pytestmark = pytest.mark.anyio
PATHS = pytest.mark.parametrize("path", BOTH)
CROWD = 200


async def ask(client, path):
    """Ask once; return what came out."""
    try:
        if path == "chat":
            return (await client.chat("Say hello.")).message.content
        async with client.chat_stream("Say hello.") as stream:
            return "".join([text async for text in stream.text])
    except (BadRequestError, BudgetExceededError, CircuitOpenError) as error:
        return type(error).__name__


async def crowd(client, path):
    """Ask with many at once; return how often each thing came out."""
    return collections.Counter(await asyncio.gather(*(ask(client, path) for _ in range(CROWD))))


@row(97)
@PATHS
async def test_of_many_callers_at_half_open_one_reaches_the_service(path):
    clock = FakeClock()
    async with Untouched(), Played(server_error(), Fault(delay=0.02), again=False) as peer:
        client = AsyncClient(OPENAI.make(peer.url)).use(CircuitBreaker(1, open_for=5.0, jitter=0, clock=clock))
        with pytest.raises(ServerError, match="server had an error"):
            await client.chat("Say hello.")
        assert await crowd(client, path) == {"CircuitOpenError": CROWD}
        clock.advance(5.0)
        assert await crowd(client, path) == {"CircuitOpenError": CROWD - 1, "Hello from the loopback server.": 1}
        assert peer.sent == 2
        await client.close()
        await peer.left()


@row(104)
@PATHS
async def test_many_who_ask_the_same_at_once_cost_one_exchange_and_later_ones_none(path):
    async with Untouched(), Played() as peer:
        flight = SingleFlight(sampled=True)
        client = AsyncClient(OPENAI.make(peer.url)).use(Cache(sampled=True), flight)
        assert await crowd(client, path) == {"Hello from the loopback server.": CROWD}
        assert await crowd(client, path) == {"Hello from the loopback server.": CROWD}
        assert peer.sent == 1
        await client.close()
        await peer.left()


@row(104)
@PATHS
async def test_an_error_reaches_all_who_wait_for_it_and_is_not_kept(path):
    async with Untouched(), Played(Fault(status=400, delay=0.02), again=False) as peer:
        client = AsyncClient(OPENAI.make(peer.url)).use(Cache(sampled=True), SingleFlight(sampled=True))
        assert await crowd(client, path) == {"BadRequestError": CROWD}
        assert await crowd(client, path) == {"Hello from the loopback server.": CROWD}
        assert peer.sent == 2
        await client.close()
        await peer.left()


@row(100)
@PATHS
async def test_a_crowd_above_the_limit_arrives_in_portions_of_the_limit(path):
    clock = FakeClock(auto=False)
    async with Untouched(), Played() as peer:
        client = AsyncClient(OPENAI.make(peer.url)).use(RateLimit(50, per=60.0, clock=clock))
        asking = asyncio.ensure_future(crowd(client, path))
        portions = []
        for _ in range(CROWD // 50):
            await peer.received(50 * (len(portions) + 1))
            await asyncio.sleep(0.01)  # nobody else arrives
            portions.append(peer.sent)
            clock.advance(61.0)
        assert await asking == {"Hello from the loopback server.": CROWD}
        assert portions == [50, 100, 150, 200]
        await client.close()
        await peer.left()


@row(103)
@PATHS
async def test_of_a_crowd_against_a_budget_for_ten_exactly_ten_reach_the_service(path):
    prices = {"openai:*": {"input": 0, "output": 100_000}}  # a dollar for ten tokens
    async with Untouched(), Played() as peer:
        budget = Budget(usd=10)
        client = AsyncClient(OPENAI.make(peer.url), prices=prices).use(Defaults(max_tokens=10), budget)
        assert await crowd(client, path) == {"BudgetExceededError": CROWD - 10, "Hello from the loopback server.": 10}
        assert peer.sent == 10
        assert budget.reserved == 0
        await client.close()
        await peer.left()
