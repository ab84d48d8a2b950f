"""A budget around whatever mix of layers, calls, streams, failures and cancellations: what docs/budgets.md says of it holds."""

from __future__ import annotations

import asyncio
import contextlib
import random
from decimal import Decimal

import pytest

from aiclient import AIClientError, Ledger, Limit
from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk
from aiclient.context import CallContext, Timeouts
from aiclient.errors import ConnectError, RateLimitError, ServerError, TimeoutError
from aiclient.ledger.limits import account_of
from aiclient.messages import Message
from aiclient.middleware import Budget, Cache, Fallback, Hedge, LoadBalance, Retry, SingleFlight, Validate
from aiclient.pricing import DictPrices
from aiclient.provider import opened
from aiclient.request import ChatOptions, ChatRequest
from aiclient.response import ChatResponse, Usage
from aiclient.store import MemoryStore
from aiclient.stream import ChatStream
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

PRICES = DictPrices({"mock-model": {"input": 0, "output": 1_000_000}})
"""A dollar for each token of output."""

FAILURES = (
    ServerError("no", status_code=500),
    TimeoutError("late", phase="attempt"),
    RateLimitError("slowly"),
    ConnectError("reset", kind="reset"),
    ValueError("a bug"),
)


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


class Whatever(MockProvider):
    """Answers, streams, fails or hangs for a while; never more than it was asked for."""

    def __init__(self, rng, clock, name):
        super().__init__(name=name)
        self.rng, self.clock = rng, clock

    async def chat(self, request, /):
        await turns(self.rng.randrange(5))
        await self.clock.sleep(self.rng.choice([0, 0, 0, 3]))
        self.fails()
        usage = Usage(prompt_tokens=5, completion_tokens=self.rng.randrange(1, request.options.max_tokens + 1))
        return ChatResponse(Message("assistant", self.rng.choice(["yes", "no"])), "stop", usage=usage)

    async def chat_stream(self, request, /):
        await turns(self.rng.randrange(3))
        self.fails()
        count = request.options.max_tokens - 1

        async def chunks():
            for _ in range(count):
                await turns(self.rng.randrange(3))
                yield ChatStreamChunk(content="abcd")
                self.fails()
            usage = Usage(prompt_tokens=5, completion_tokens=count)
            yield ChatStreamChunk(finish_reason="stop", usage=usage, last=True)

        return ChatStream(chunks())

    def fails(self):
        if self.rng.random() < 0.15:
            raise self.rng.choice(FAILURES)


class Flaky(MemoryStore):
    """Fails now and then, before an exchange or after it, as long as `rng` is there."""

    rng = None

    async def get(self, key, /):
        self.fails()
        return await super().get(key)

    async def swap(self, key, expected, value, /, *, ttl=None):
        self.fails()
        done = await super().swap(key, expected, value, ttl=ttl)
        self.fails()
        return done

    def fails(self):
        if self.rng is not None and self.rng.random() < 0.08:
            raise OSError("down")


class Scene:
    """One mix, with sixty calls at once through it."""

    def __init__(self, seed, store):
        self.rng, self.clock, self.store = random.Random(seed), FakeClock(), store
        limit = self.rng.randrange(8, 40)
        self.limits = (Limit(usd=limit), Limit(usd=limit, per="user", name="each"))
        self.ledger = Ledger(store=store, clock=self.clock)
        self.provider = chain([Budget(*self.limits, ledger=self.ledger), *self.layers()], self.service("first"))
        self.contexts = {}

    def service(self, name):
        return Whatever(self.rng, self.clock, name)

    def layers(self):
        """Of those that may stand inside a budget about half, in the usual order."""
        fallback = Fallback(self.service("second"), each=[Retry(attempts=2)])
        usual = (
            Validate(lambda answer: "no" if answer.message.content == "no" else None, mode="retry", attempts=2),
            Cache(MemoryStore()),
            SingleFlight(),
            self.rng.choice([fallback, LoadBalance(self.service("third"))]),
            Retry(attempts=3),
            Hedge(after=2.0),
        )
        return [layer for layer in usual if self.rng.random() < 0.5]

    async def call(self):
        rng = self.rng
        options = ChatOptions(max_tokens=rng.randrange(2, 6), temperature=0)
        request = ChatRequest([Message("user", f"q{rng.randrange(4)}")], options)
        context = CallContext(
            clock=self.clock, timeouts=Timeouts(total=None), prices=PRICES, tags={"user": rng.choice("ab")}
        )
        self.contexts[context] = options.max_tokens
        with contextlib.suppress(AIClientError, ValueError):
            if rng.random() < 0.5:
                await opened(request, self.provider.chat, context)
            else:
                async with await opened(request, self.provider.chat_stream, context) as stream:
                    for _ in range(rng.choice([0, 1, 99])):
                        await anext(stream, None)

    async def run(self):
        calls = []
        for _ in range(60):
            calls.append(asyncio.create_task(self.call()))
            await turns(self.rng.randrange(3))
            if self.rng.random() < 0.15:
                self.rng.choice(calls).cancel()
        await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 60)
        await turns(300)  # exchanges that others shared, and whoever lost a race

    async def seen(self):
        """What was spent, and what is reserved, of everything and of each user."""
        accounts = [account_of(self.limits[0], None, 0.0), *(account_of(self.limits[1], user, 0.0) for user in "ab")]
        await self.ledger.refresh(*accounts, days=1)
        return [self.ledger.funds(account) for account in accounts]

    def paid(self, context):
        return sum((attempt.cost.usd for attempt in context.journal if attempt.cost is not None), Decimal())

    def most(self):
        """The limit, and what calls took beyond what one exchange of theirs may take."""
        beyond = (max(0, self.paid(context) - tokens) for context, tokens in self.contexts.items())
        return self.limits[0].usd + sum(beyond)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kept", [lambda: None, Flaky], ids=["memory", "flaky store"])
async def test_whatever_the_mix_what_is_spent_is_what_was_paid_and_within_the_bound(kept, seed):
    scene = Scene(seed, kept())
    if scene.store is not None:
        scene.store.rng = scene.rng
    await scene.run()
    if scene.store is not None:
        scene.store.rng = None
        scene.clock.advance(10)
    everything, *each = await scene.seen()
    paid = sum(map(scene.paid, scene.contexts))
    assert (everything.spent, sum(one.spent for one in each)) == (paid, paid)
    assert [one.reserved for one in (everything, *each)] == [0, 0, 0]
    assert sum(row["usd"] for row in scene.ledger.report("user")) == paid
    assert 0 < paid <= scene.most()
