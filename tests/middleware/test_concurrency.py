"""No more than so many calls to one service at a time."""

from __future__ import annotations

import asyncio
import gc
import os
import threading

import pytest

from aiclient import Client
from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk
from aiclient.composition import compose
from aiclient.context import CallContext, Timeouts
from aiclient.errors import ConfigError, RateLimitError, ServerError, StreamInterruptedError
from aiclient.gate import uninterrupted
from aiclient.messages import Message
from aiclient.middleware import Concurrency, Retry
from aiclient.middleware._keyed import MOST
from aiclient.opening import collect
from aiclient.provider import opened
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest
from aiclient.response import EmbeddingResponse
from aiclient.stream import ChatStream
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

REQUEST = ChatRequest([Message("user", "hi")])
A, LAST = ChatStreamChunk(content="a"), ChatStreamChunk(finish_reason="stop", last=True)


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


def of_model(model):
    return ChatRequest([Message("user", "hi")], ChatOptions(model=model))


def unlimited(clock, **more):
    return CallContext(clock=clock, timeouts=Timeouts(total=None), **more)


async def chat(provider, context, request=REQUEST):
    return (await opened(request, provider.chat, context)).message.content


async def stream(provider, context, request=REQUEST):
    return (await collect(opened(request, provider.chat_stream, context))).message.content


async def embed(provider, context, request=REQUEST):
    return (await opened(EmbeddingRequest("hi"), provider.embeddings, context)).model


PATHS = pytest.mark.parametrize("call", [chat, stream, embed], ids=["chat", "stream", "embeddings"])


class Held(MockProvider):
    """Answers one call for each permit that it is given; counts how many are with it."""

    def __init__(self, **more):
        super().__init__(chat_func=self.wait, chat_stream_func=self.wait, **more)
        self.go = asyncio.Semaphore(0)
        self.inside = self.peak = 0

    async def wait(self, _):
        self.inside += 1
        self.peak = max(self.peak, self.inside)
        try:
            await self.go.acquire()
        finally:
            self.inside -= 1
        return await MockProvider("yes").chat(REQUEST)

    async def embeddings(self, request, /):
        self.requests.append(request)
        await self.wait(request)
        return EmbeddingResponse([[1.0]], model="yes")

    def release(self, count):
        for _ in range(count):
            self.go.release()


def started(call, provider, clock, count, **more):
    return [asyncio.create_task(call(provider, unlimited(clock, **more))) for _ in range(count)]


# --- the limit ---


@PATHS
async def test_no_more_than_the_limit_are_under_way(call, still):
    layer, mock = Concurrency(3), Held()
    tasks = started(call, chain([layer], mock), still, 10)
    await turns(10)
    assert (mock.inside, layer.in_use, layer.waiting) == (3, 3, 7)
    mock.release(10)
    assert await asyncio.gather(*tasks) == ["yes"] * 10
    assert (mock.peak, layer.in_use, layer.waiting) == (3, 0, 0)


@PATHS
async def test_who_waits_is_served_in_order(call, still):
    mock, order = Held(), []
    provider = chain([Concurrency(1)], mock)

    async def user(number):
        await call(provider, unlimited(still))
        order.append(number)

    tasks = [asyncio.create_task(user(number)) for number in range(8)]
    await turns(5)
    mock.release(8)
    await asyncio.gather(*tasks)
    assert order == list(range(8))


@pytest.mark.parametrize("error", [ServerError("down"), ConfigError("x")], ids=["typed", "config"])
@PATHS
async def test_an_error_gives_the_permit_back(call, clock, error):
    def fail(_):
        raise error

    layer = Concurrency(1)
    provider = chain([layer], MockProvider(error, embeddings_func=fail))
    for _ in range(3):
        with pytest.raises(type(error)):
            await call(provider, unlimited(clock))
    assert layer.in_use == 0


async def test_a_bug_gives_the_permit_back(clock):
    def bug(_):
        raise KeyError("x")

    layer = Concurrency(1)
    with pytest.raises(KeyError):
        await chat(chain([layer], MockProvider(bug)), unlimited(clock))
    assert layer.in_use == 0


async def test_a_provider_that_raises_before_its_first_await_gives_the_permit_back(clock):
    class Eager(MockProvider):
        def chat(self, request, /):
            raise ServerError("at once")

    layer = Concurrency(1)
    with pytest.raises(ServerError):
        await chat(compose([layer], Eager()), unlimited(clock))
    assert layer.in_use == 0


async def test_no_permit_is_held_while_retry_waits(still):
    layer = Concurrency(1)
    provider = chain([Retry(base=5), layer], MockProvider([ServerError(), "yes"]))
    task = asyncio.create_task(chat(provider, unlimited(still)))
    await turns(10)
    assert (len(still.slept), layer.in_use) == (1, 0)
    still.advance(5)
    assert await task == "yes"


# --- streams ---


async def test_a_stream_keeps_its_permit_until_it_is_closed(clock):
    layer = Concurrency(1)
    reading = await opened(REQUEST, chain([layer], MockProvider((A, A, LAST))).chat_stream, unlimited(clock))
    await anext(reading)
    assert layer.in_use == 1
    await reading.close()
    assert layer.in_use == 0


async def test_a_stream_that_is_read_to_its_end_gives_it_back_without_being_closed(clock):
    layer = Concurrency(1)
    reading = await opened(REQUEST, chain([layer], MockProvider((A, LAST))).chat_stream, unlimited(clock))
    assert [chunk async for chunk in reading] == [A, LAST]
    assert layer.in_use == 0


async def test_a_cut_stream_gives_it_back(clock):
    layer = Concurrency(1)
    with pytest.raises(StreamInterruptedError):
        await stream(chain([layer], MockProvider((A, ServerError()))), unlimited(clock))
    assert layer.in_use == 0


async def test_closing_a_stream_twice_gives_back_one_permit(clock):
    layer = Concurrency(2)
    provider = chain([layer], MockProvider((A, LAST)))
    first = await opened(REQUEST, provider.chat_stream, unlimited(clock))
    second = await opened(REQUEST, provider.chat_stream, unlimited(clock))
    await first.close()
    await first.close()
    assert layer.in_use == 1
    await second.close()


async def test_a_stream_that_is_dropped_gives_it_back(clock):
    layer = Concurrency(1)
    reading = await opened(REQUEST, chain([layer], MockProvider((A, LAST))).chat_stream, unlimited(clock))
    with pytest.warns(ResourceWarning, match="unclosed"):
        del reading
        gc.collect()
    await turns(1)
    assert layer.in_use == 0


def test_a_stream_that_is_dropped_after_its_loop_gives_it_back():
    layer = Concurrency(1)
    reading = [asyncio.run(opened(REQUEST, compose([layer], MockProvider((A, LAST))).chat_stream))]
    with pytest.warns(ResourceWarning, match="unclosed"):
        reading.clear()
        gc.collect()
    assert layer.in_use == 0


# --- waiting ---


@PATHS
async def test_a_wait_that_is_too_long_is_refused(call, still):
    layer, mock = Concurrency(1, max_wait=5), Held(name="p", model="m")
    first, second = started(call, chain([layer], mock), still, 2)
    await turns(5)
    still.advance(5)
    with pytest.raises(
        RateLimitError, match=r"all 1 permits for p were in use, and none came free within 5 s"
    ) as caught:
        await second
    error = caught.value
    assert (error.kind, error.provider, error.model, error.retryable, mock.calls) == ("local", "p", "m", False, 1)
    assert (layer.in_use, layer.waiting) == (1, 0)
    mock.release(1)
    assert await first == "yes"


@PATHS
async def test_a_wait_ends_at_the_deadline(call, still):
    mock = Held()
    provider = chain([Concurrency(1, max_wait=60)], mock)
    (first,) = started(call, provider, still, 1)
    await turns(5)
    second = asyncio.create_task(call(provider, CallContext(clock=still, timeouts=Timeouts(total=3))))
    await turns(5)
    still.advance(3)
    with pytest.raises(RateLimitError, match="within 3 s"):
        await second
    mock.release(1)
    await first


@PATHS
async def test_a_wait_that_is_short_enough_is_no_error(call, still):
    mock = Held()
    tasks = started(call, chain([Concurrency(1, max_wait=5)], mock), still, 2)
    await turns(5)
    still.advance(4.9)
    mock.release(2)
    assert await asyncio.gather(*tasks) == ["yes", "yes"]
    assert still.pending == 0


@PATHS
async def test_without_a_wait_what_cannot_go_at_once_is_refused_at_once(call, still):
    layer, mock = Concurrency(1, max_wait=0), Held()
    first, second = started(call, chain([layer], mock), still, 2)
    with pytest.raises(RateLimitError):
        await second
    mock.release(1)
    assert await first == "yes"


async def test_a_permit_that_comes_with_the_end_of_the_wait_is_not_lost(still):
    """Both are there when the waiter runs: the refusal wins, and the permit goes back."""
    layer, mock = Concurrency(1, max_wait=5), Held()
    provider = chain([layer], mock)
    first, second = started(chat, provider, still, 2)
    await turns(5)
    first.cancel()
    await turns(1)
    still.advance(5)
    ends = await asyncio.gather(first, second, return_exceptions=True)
    mock.release(2)
    assert isinstance(ends[0], asyncio.CancelledError)
    await turns(3)
    assert (layer.in_use, layer.waiting) == (0, 0)
    assert await chat(provider, unlimited(still)) == "yes"


@PATHS
async def test_a_cancelled_waiter_leaves_the_queue(call, still):
    layer, mock = Concurrency(1), Held()
    first, second, third = started(call, chain([layer], mock), still, 3)
    await turns(5)
    second.cancel()
    await asyncio.wait({second})
    assert layer.waiting == 1
    mock.release(2)
    assert await asyncio.gather(first, third) == ["yes", "yes"]


@PATHS
async def test_observers_hear_of_a_wait_and_only_of_a_wait(call, still):
    mock, events = Held(name="p", model="m"), []
    provider = chain([Concurrency(1)], mock)
    contexts = [unlimited(still) for _ in range(3)]
    for number, context in enumerate(contexts):
        context.observe(lambda event, number=number: event.kind == "limit" and events.append((number, event)))
    tasks = [asyncio.create_task(call(provider, context)) for context in contexts]
    await turns(5)
    mock.release(3)
    await asyncio.gather(*tasks)
    assert [(number, event.provider, event.model, event.detail) for number, event in events] == [
        (1, "p", "m", "all 1 permits in use, 0 waiting"),
        (2, "p", "m", "all 1 permits in use, 1 waiting"),
    ]


# --- destinations, users ---


async def test_each_model_and_each_provider_has_permits_of_its_own(still):
    layer = Concurrency(1)
    mocks = [Held(name="a"), Held(name="b")]
    tasks = [
        asyncio.create_task(chat(chain([layer], mock), unlimited(still), of_model(model)))
        for mock in mocks
        for model in ("m1", "m2", "m2")
    ]
    await turns(5)
    assert [mock.inside for mock in mocks] == [2, 2]
    assert (layer.in_use, layer.waiting) == (4, 2)
    for mock in mocks:
        mock.release(3)
    await asyncio.gather(*tasks)


async def test_no_gate_in_use_is_forgotten_however_many_there_are(still):
    layer, mock = Concurrency(1), Held()
    provider = chain([layer], mock)
    models = [of_model(f"m{number}") for number in range(MOST + 1)]
    tasks = [asyncio.create_task(chat(provider, unlimited(still), request)) for request in models + models[:1]]
    await turns(3)
    assert (layer.in_use, layer.waiting) == (MOST + 1, 1)
    mock.release(MOST + 2)
    await asyncio.gather(*tasks)


async def test_the_gates_of_many_models_do_not_fill_the_memory_and_none_in_use_is_forgotten(still):
    layer, go = Concurrency(1), asyncio.Event()

    async def reply(request):
        if request.model == "slow":
            await go.wait()
        return "yes"

    provider = chain([layer], MockProvider(reply))
    slow = asyncio.create_task(chat(provider, unlimited(still), of_model("slow")))
    await turns(5)
    for number in range(MOST + 10):
        await chat(provider, unlimited(still), of_model(f"m{number}"))
    assert (len(layer._gates), layer.in_use) == (MOST, 1)
    waiting = asyncio.create_task(chat(provider, unlimited(still), of_model("slow")))
    await turns(5)
    assert layer.waiting == 1
    go.set()
    assert await asyncio.gather(slow, waiting) == ["yes", "yes"]


@pytest.mark.parametrize("path", ["chat", "chat_stream", "embeddings"])
async def test_all_permits_are_back_after_a_cancellation_at_any_step(at_every_step, path):
    def scene():
        clock, layer = FakeClock(), Concurrency(1, max_wait=50)
        provider = chain([layer], Stepping())
        request = EmbeddingRequest("hi") if path == "embeddings" else REQUEST

        async def visit():
            result = await opened(request, getattr(provider, path), unlimited(clock))
            if isinstance(result, ChatStream):
                async with result:
                    async for _ in result:
                        await turns(1)

        async def work():
            other = asyncio.create_task(visit())
            try:
                await turns(1)
                await visit()
            finally:
                other.cancel()
                await uninterrupted(asyncio.wait({other}))

        def verify(_):
            assert (layer.in_use, layer.waiting, clock.pending) == (0, 0, 0)

        return work(), verify

    assert await at_every_step(scene) > 10


class Stepping(MockProvider):
    """Takes a few turns of the loop for everything."""

    async def chat(self, request, /):
        await turns(3)
        return await super().chat(request)

    async def embeddings(self, request, /):
        await turns(3)
        return await super().embeddings(request)

    async def chat_stream(self, request, /):
        await turns(2)

        async def chunks():
            for chunk in (A, A, LAST):
                await turns(1)
                yield chunk

        return ChatStream(chunks())


def test_threads_share_the_limit():
    """Eight clients on a thread each; the service sees no more than three at a time."""
    lock, seen, layer = threading.Lock(), [0, 0], Concurrency(3)

    async def reply(_):
        with lock:
            seen[0] += 1
            seen[1] = max(seen)
        await turns(5)
        with lock:
            seen[0] -= 1
        return "yes"

    mock, answers = MockProvider(reply), []

    def user():
        with Client(mock).use(layer) as client:
            answers.extend(client.chat("hi").message.content for _ in range(10))

    threads = [threading.Thread(target=user) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == ["yes"] * 80
    assert (seen[1] <= 3, layer.in_use, layer.waiting) == (True, 0, 0)


# --- options ---


@pytest.mark.parametrize("limit", [0, -1, 2.5, "3", None, True], ids=repr)
def test_the_limit_must_be_a_whole_number_of_at_least_one(limit):
    with pytest.raises(ConfigError, match="limit="):
        Concurrency(limit)


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "5"], ids=repr)
def test_the_longest_wait_must_be_seconds(value):
    with pytest.raises(ConfigError, match="max_wait="):
        Concurrency(1, max_wait=value)


@pytest.mark.parametrize(
    ("options", "shown"), [({}, "Concurrency(4)"), ({"max_wait": 0.5}, "Concurrency(4, max_wait=0.5)")]
)
def test_the_repr_shows_its_options(options, shown):
    assert repr(Concurrency(4, **options)) == shown


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
async def test_a_forked_child_does_not_wait_for_permits_of_its_parent(clock):
    limit = Concurrency(1, max_wait=0)
    provider = chain([limit], MockProvider("hi"))
    held = await opened(REQUEST, provider.chat_stream, unlimited(clock))
    with pytest.raises(RateLimitError):
        await chat(provider, unlimited(clock))
    limit._process = 0  # as a child finds it
    assert await chat(provider, unlimited(clock)) == "hi"
    await held.close()
    assert limit.in_use == 0
