"""The whole chain in bad weather: two services that misbehave at random, callers that leave at random, and what is left after.

Bursts of calls and streams go through logging, a fallback to a second service, and around each service retries, a breaker, a
limit and the journal. Most callers are cancelled at a random turn of the loop, some a second time; some streams are left early.
Then the services behave, and three requests of three must succeed, with nothing held anywhere.
"""

from __future__ import annotations

import asyncio
import collections
import gc
import logging
import random
import sys
import warnings

import pytest

from aiclient import AsyncClient, errors
from aiclient.context import Timeouts
from aiclient.gate import Gate
from aiclient.http import HTTPLimits
from aiclient.messages import Message
from aiclient.middleware import CircuitBreaker, Concurrency, Fallback, Logging, RateLimit, Retry
from aiclient.middleware._circuit import Circuit
from aiclient.providers import OpenAIProvider
from aiclient.request import ChatOptions, ChatRequest
from aiclient.testutil.server import Fault, LoopbackServer, cut, overloaded, rate_limited, server_error, stall

from .rows import Untouched
from .wires import KEY, MODEL

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

BURST = 40
TURNS = 60
POOL = 20

WEATHER = [
    *[Fault()] * 20,
    rate_limited(retry_after=0.002),
    rate_limited(retry_after=None),
    rate_limited(retry_after=90),
    server_error(),
    overloaded(),
    Fault(status=400),
    Fault(status=200, body=""),
    Fault(status=200, body="<html>"),
    Fault(close_before=True),
    Fault(close_before=True, reset=True),
    Fault(close_after=True),
    Fault(garbage=True),
    Fault(delay=0.01),
    Fault(drip=(16, 0.0005)),
    cut(after=0),
    cut(after=200, reset=True),
    cut(after=700),
    stall(after=0),
    stall(after=600),
]


class Chain:
    """A client over two services, with every layer that holds something.

    Args:
        urls: Of the services.
        failures: In a row, that open a circuit.
    """

    def __init__(self, *urls, failures=6):
        limits = HTTPLimits(max_connections=POOL, max_idle=POOL)
        self.providers = [
            OpenAIProvider(KEY, model=MODEL, base_url=f"{url}/v1", limits=limits, name=name)
            for name, url in zip(("one", "two"), urls, strict=True)
        ]
        self.breaker = CircuitBreaker(failures, open_for=0.002, max_open=0.004)
        self.concurrency = Concurrency(15)
        self.rate = RateLimit(20, tokens=15_000, per=0.1)
        self.each = [Retry(3, base=0.001, cap=0.004), self.breaker, self.rate, self.concurrency]
        logger = logging.getLogger("aiclient.storm")
        self.client = AsyncClient(self.providers[0]).use(
            Logging(logger=logger), Fallback(self.providers[1], each=self.each), *self.each
        )

    def request(self, rng):
        """A request with little time, now and then."""
        limit = rng.uniform(0.002, 0.05) if rng.random() < 0.1 else 30.0
        timeouts = Timeouts(total=limit, first_output=0.15, idle=0.1, attempt=1.0)
        return ChatRequest([Message("user", f"Hello {rng.random()}")], ChatOptions(timeout=timeouts))

    async def call(self, rng):
        """Make a call."""
        answer = await self.client.chat(self.request(rng))
        assert answer.message.content == "Hello from the loopback server."

    async def stream(self, rng):
        """Read a stream, or the beginning of one."""
        leave = rng.randrange(8) if rng.random() < 0.2 else 1000
        async with self.client.chat_stream(self.request(rng)) as stream:
            read = 0
            async for _ in stream:
                read += 1
                if read > leave:
                    return
        assert stream.response.message.content == "Hello from the loopback server."

    def nothing_is_held(self):
        """Permits, places in queues and probes are back."""
        for provider in self.providers:
            pools = provider._http._transport.pools.here.values()
            assert {pool.gate.free for pool in pools} <= {POOL}
            assert sum(pool.gate.waiting for pool in pools) == 0
        assert all(circuit.state == "closed" for circuit in self.breaker.state()), self.breaker.state()
        assert (self.concurrency.in_use, self.concurrency.waiting) == (0, 0)
        assert all(len(line._flying) == line._waiting == line._queued == 0 for line in self.rate._lines)
        assert not self.client._calls


async def burst(act, rng, patience):
    """Begin many at once and cancel most of them; return how they ended."""
    tasks = [asyncio.ensure_future(act(random.Random(rng.random()))) for _ in range(BURST)]
    plan = collections.defaultdict(list)
    for task in tasks:
        if rng.random() < 0.6:
            turn = rng.randrange(TURNS)
            plan[turn].append(task)
            if rng.random() < 0.5:
                plan[turn + rng.randint(0, 5)].append(task)
    hit = set()
    for turn in range(max(plan, default=0) + 1):
        hit.update(victim for victim in plan.get(turn, ()) if victim.cancel())
        await asyncio.sleep(0)
    _, stuck = await asyncio.wait(tasks, timeout=patience)
    for task in stuck:
        task.cancel()
    assert not stuck
    assert all(task.cancelled() for task in hit), [_end(task) for task in hit]
    return [_end(task) for task in tasks]


def _end(task):
    if task.cancelled():
        return "cancelled"
    error = task.exception()
    assert error is None or isinstance(error, errors.AIClientError), repr(error)
    return "completed" if error is None else type(error).__name__


def weather(seed):
    rng = random.Random(seed)
    return [rng.choice(WEATHER) for _ in range(20_000)]


async def storm(seed, *, bursts, patience=20.0, **options):
    """Play one; return how the calls ended and what Python warned of."""
    rng = random.Random(seed)
    ends = collections.Counter()
    with LoopbackServer(faults=weather(seed)) as one, LoopbackServer(faults=weather(-seed)) as two:
        async with Untouched():
            chain = Chain(one.url, two.url, **options)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                for number in range(bursts):
                    ends.update(await burst(chain.call if number % 2 else chain.stream, rng, patience))
                gc.collect()
            one.reset()
            two.reset()
            await asyncio.sleep(0.1)  # of real seconds: the circuits that are open let a probe through
            for _ in range(3):
                await chain.call(random.Random(0))
            # Nobody had to ask the second one any more. A kept connection may be one that a stalled answer came whole on:
            # the attempt's limit ends what is sent there.
            await AsyncClient(chain.providers[1]).use(*chain.each).chat(chain.request(random.Random(0)))
            chain.nothing_is_held()
            for provider in chain.providers:
                await provider.close()
            await chain.client.close()
            for server in (one, two):
                await asyncio.to_thread(server.wait_closed)
    return ends, [str(warning.message) for warning in caught]


@pytest.fixture
async def unhandled(monkeypatch):
    """What was raised where nobody could catch it."""
    found = []
    asyncio.get_running_loop().set_exception_handler(lambda _, event: found.append(event))
    monkeypatch.setattr(sys, "unraisablehook", found.append)
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_whole_chain_gives_everything_back_after_a_storm(seed, unhandled):
    ends, warned = await storm(seed, bursts=30)
    assert not warned
    assert not unhandled
    assert ends["completed"] and ends["cancelled"] and len(ends) > 3, ends  # how many of each, the machine decides


def forgotten(*_):
    """Give back nothing."""


@pytest.mark.parametrize(
    ("kind", "guard"),
    [(Circuit, "give_back"), (Gate, "leave")],  # of the limiter's reservations the sabotage of rate_limit tells
    ids=["probe", "permit"],
)
async def test_a_chain_that_forgets_to_give_something_back_is_caught(kind, guard, monkeypatch, unhandled):
    monkeypatch.setattr(kind, guard, forgotten)
    with pytest.raises((AssertionError, errors.AIClientError)):
        await storm(1, bursts=10, patience=1.0, failures=2)
