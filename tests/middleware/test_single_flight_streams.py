"""Streams that several read: the prefix and then what comes, read-ahead, deadlines, leaving, and how each ends."""

from __future__ import annotations

import asyncio
import gc
import weakref
from decimal import Decimal

import pytest

from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk
from aiclient.client import AsyncClient
from aiclient.context import CallContext, Timeouts
from aiclient.errors import (
    BudgetExceededError,
    ClientClosedError,
    ContentFilterError,
    OverloadedError,
    StoreError,
    StreamClosedError,
    StreamInterruptedError,
    TimeoutError,
)
from aiclient.gate import uninterrupted
from aiclient.layer import Layer
from aiclient.messages import Message
from aiclient.middleware import Retry, SingleFlight
from aiclient.middleware._relay import AHEAD
from aiclient.pricing import DictPrices
from aiclient.provider import opened
from aiclient.providers.openai_compatible import CompatibleProvider
from aiclient.request import ChatOptions, ChatRequest
from aiclient.response import Usage
from aiclient.stream import ChatStream
from aiclient.testutil.mock import MockProvider
from aiclient.testutil.server import LoopbackServer

pytestmark = pytest.mark.anyio

ASKED = ChatRequest([Message("user", "hi")], ChatOptions(temperature=0))
HEAD = ChatStreamChunk(id="r1", model="mock-model")
USAGE = Usage(prompt_tokens=1, completion_tokens=2)
STOP = ChatStreamChunk(finish_reason="stop")
LAST = ChatStreamChunk(finish_reason="stop", usage=USAGE, last=True)


def piece(number):
    return ChatStreamChunk(content=f"{number} ")


class Feed:
    """A source that gives what it is given; `given` counts what was taken from it."""

    def __init__(self, closing=None):
        self.items = []
        self.given = self.closed = self.aborted = 0
        self.cancelled = False
        self._closing = closing
        self._bell = asyncio.Event()

    def put(self, *items):
        self.items.extend(items)
        self._bell.set()

    def __aiter__(self):
        return self

    async def __anext__(self):
        try:
            while not self.items:
                self._bell.clear()
                await self._bell.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        item = self.items.pop(0)
        if isinstance(item, BaseException):
            raise item
        self.given += 1
        return item

    async def aclose(self):
        self.closed += 1
        if self._closing is not None:
            raise self._closing

    def abort(self):
        self.aborted += 1


async def together(calls):
    """Make calls at once; a cancellation cancels them all, and goes on when they have ended."""
    tasks = [asyncio.create_task(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        await uninterrupted(asyncio.wait(tasks))


async def turns(count=10):
    for _ in range(count):
        await asyncio.sleep(0)


class Reader:
    """One reader in a task of its own, which reads as far as it is told to."""

    def __init__(self, opening):
        self.chunks = []
        self._opening = opening
        self._wanted = asyncio.Queue()
        self.stream = None
        self.task = asyncio.create_task(self._read())

    async def _read(self):
        async with await self._opening as self.stream:
            while (count := await self._wanted.get()) > 0:
                async for chunk in self.stream:
                    self.chunks.append(chunk)
                    count -= 1
                    if count == 0:
                        break
                else:
                    return

    async def read(self, count=10**6):
        self._wanted.put_nowait(count)
        await turns()

    async def leave(self):
        self._wanted.put_nowait(0)
        await self.task

    @property
    def text(self):
        return "".join(chunk.content for chunk in self.chunks)


class Scene:
    """A layer around a provider of streams, and its readers."""

    def __init__(self, clock, *layers, closing=None):
        self.clock = clock
        self.feeds = []
        self.closing = closing
        self.mock = MockProvider(chat_stream_func=self._open)
        self.layer = SingleFlight()
        self.provider = chain([self.layer, *layers], self.mock)
        self.before = asyncio.all_tasks()
        self.gate = None

    async def _open(self, _):
        self.feeds.append(Feed(self.closing))
        if self.gate is not None:
            await asyncio.shield(self.gate)
        return ChatStream(self.feeds[-1])

    @property
    def feed(self):
        return self.feeds[-1]

    async def join(self, total=None, **more):
        context = CallContext(clock=self.clock, timeouts=Timeouts(total=total, **more))
        context.deadline = None if total is None else self.clock.monotonic() + total
        reader = Reader(opened(ASKED, self.provider.chat_stream, context))
        reader.context = context
        await turns()
        return reader

    def check(self):
        """Nothing is left of it."""
        assert self.layer.in_flight == 0
        assert asyncio.all_tasks() == self.before
        assert self.clock.pending == 0
        assert [feed.closed for feed in self.feeds] == [1] * len(self.feeds)


@pytest.fixture
def begin(still):
    """Makes a scene, in the test's own task."""
    return lambda *layers, **options: Scene(still, *layers, **options)


# --- what each reads ---


async def test_a_late_reader_is_given_what_has_come_and_then_what_comes(begin):
    scene = begin()
    first = await scene.join()
    scene.feed.put(HEAD, piece(1), piece(2))
    await first.read(3)
    second = await scene.join()
    await second.read(4)
    assert second.chunks == first.chunks == [HEAD, piece(1), piece(2)]
    scene.feed.put(piece(3), LAST)
    await first.read()
    await second.read()
    await asyncio.gather(first.task, second.task)
    assert second.chunks == first.chunks == [HEAD, piece(1), piece(2), piece(3), LAST]
    assert scene.mock.calls == 1
    scene.check()


async def test_the_leaders_answer_is_its_own_and_a_followers_is_shared(begin):
    scene = begin()
    prices = DictPrices({"mock-model": {"input": 1, "output": 1}})
    readers = [await scene.join() for _ in range(2)]
    readers[0].context.prices = prices
    scene.feed.put(HEAD, piece(1), LAST)
    for reader in readers:
        await reader.read()
        await reader.task
    leader, follower = (reader.stream.response for reader in readers)
    assert (len(leader.attempts), leader.shared, leader.cost.usd) == (1, False, Decimal("0.000003"))
    assert (follower.attempts, follower.shared, follower.cost.usd) == ((), True, 0)
    assert leader.message == follower.message
    assert (leader.provider, follower.provider, follower.usage, follower.id) == ("mock", "mock", USAGE, "r1")
    scene.check()


async def test_a_reader_that_begins_when_the_source_has_ended_opens_another(begin):
    scene = begin()
    first = await scene.join()
    scene.feed.put(piece(1), LAST)
    await turns()  # read ahead to its end, though nobody has read
    second = await scene.join()
    scene.feed.put(piece(2), LAST)
    for reader in (first, second):
        await reader.read()
    assert (first.text, second.text, scene.mock.calls) == ("1 ", "2 ", 2)
    scene.check()


async def test_a_reader_that_begins_in_the_moment_of_the_end_opens_another(clock):
    mock, layer = MockProvider("one two"), SingleFlight()
    provider = chain([layer], mock)
    async with await opened(ASKED, provider.chat_stream, CallContext(clock=clock)) as first:
        await anext(first)  # the whole was read ahead, in this turn of the loop
        async with await opened(ASKED, provider.chat_stream, CallContext(clock=clock)) as second:
            assert [chunk.content async for chunk in second] == ["", "one ", "two", ""]
    assert (mock.calls, second.response.shared) == (2, False)
    await turns()
    assert layer.in_flight == 0


async def test_two_readers_may_be_far_apart(begin):
    scene = begin()
    fast, slow = await scene.join(), await scene.join()
    pieces = [piece(number) for number in range(500)]
    scene.feed.put(*pieces, LAST)
    await fast.read()
    await fast.task
    assert slow.chunks == []
    await slow.read()
    await slow.task
    assert slow.chunks == fast.chunks == [*pieces, LAST]
    scene.check()


# --- read-ahead ---


async def test_the_source_is_read_64_chunks_ahead_of_the_fastest_reader_at_most(begin):
    scene = begin()
    fast, slow = await scene.join(), await scene.join()
    scene.feed.put(*(piece(number) for number in range(1000)))
    await turns()
    assert scene.feed.given == AHEAD
    await slow.read(10)
    await fast.read(AHEAD // 2 - 1)
    assert scene.feed.given == AHEAD
    await fast.read(1)
    assert scene.feed.given == AHEAD + AHEAD // 2
    await fast.leave()
    await slow.read(AHEAD)
    assert scene.feed.given == 10 + 2 * AHEAD
    await slow.leave()
    scene.check()


async def test_a_slow_reader_does_not_hold_back_what_is_read_ahead_of_the_fastest(begin):
    scene = begin()
    fast, slow = await scene.join(), await scene.join()
    scene.feed.put(*(piece(number) for number in range(10)))
    await fast.read(10)
    await slow.read(1)
    scene.feed.put(*(piece(number) for number in range(1000)))
    await turns()
    assert scene.feed.given == 10 + AHEAD
    await fast.leave()
    await slow.leave()
    scene.check()


async def test_a_reader_that_only_waits_holds_nobody(begin):
    scene = begin()
    waiting, reading = await scene.join(), await scene.join()
    scene.feed.put(*(piece(number) for number in range(200)), LAST)
    await reading.read()
    await reading.task
    assert len(reading.chunks) == 201
    await waiting.leave()
    scene.check()


# --- leaving ---


async def test_a_leader_that_leaves_ends_nothing_for_the_others(begin):
    scene = begin()
    leader, follower = await scene.join(), await scene.join()
    scene.feed.put(piece(1))
    await leader.read(1)
    await leader.leave()
    assert scene.feed.closed == 0
    late = await scene.join()
    scene.feed.put(piece(2), LAST)
    for reader in (follower, late):
        await reader.read()
        await reader.task
    assert [reader.text for reader in (leader, follower, late)] == ["1 ", "1 2 ", "1 2 "]
    assert scene.mock.calls == 1
    scene.check()


async def test_a_leader_that_is_cancelled_ends_nothing_for_the_others(begin):
    scene = begin()
    leader, follower = await scene.join(), await scene.join()
    await leader.read(1)
    leader.task.cancel()
    await asyncio.wait({leader.task})
    assert leader.stream.end.outcome == "cancelled"
    scene.feed.put(piece(1), LAST)
    await follower.read()
    await follower.task
    assert follower.text == "1 "
    scene.check()


async def test_a_leader_that_leaves_while_it_opens_ends_nothing_for_the_others(begin):
    scene = begin()
    scene.gate = asyncio.get_running_loop().create_future()
    leader, follower = await scene.join(), await scene.join()
    leader.task.cancel()
    await asyncio.wait({leader.task})
    scene.gate.set_result(None)
    await turns()
    scene.feed.put(piece(1), LAST)
    await follower.read()
    await follower.task
    assert (follower.text, scene.mock.calls) == ("1 ", 1)
    scene.check()


async def test_the_last_one_that_leaves_closes_the_source_at_once(begin):
    scene = begin()
    readers = [await scene.join() for _ in range(3)]
    scene.feed.put(piece(1))
    for reader in readers:
        await reader.read(1)
        assert scene.feed.closed == 0
        await reader.leave()
    assert (scene.feed.closed, scene.feed.cancelled) == (1, True)
    (attempt,) = readers[0].context.journal
    assert attempt.outcome == "abandoned"
    scene.check()


async def test_the_last_one_that_is_cancelled_ends_the_exchange_as_cancelled(begin):
    scene = begin()
    reader = await scene.join()
    await reader.read(1)
    reader.task.cancel()
    await asyncio.wait({reader.task})
    (attempt,) = reader.context.journal
    assert (attempt.outcome, reader.stream.end.outcome) == ("cancelled", "cancelled")
    scene.check()


async def test_the_last_one_that_is_cancelled_between_two_chunks_ends_the_exchange_as_cancelled(begin):
    scene = begin()
    reader = await scene.join()
    scene.feed.put(*(piece(number) for number in range(100)))
    await reader.read(1)  # the source waits for room, and the reader in its own block
    reader.task.cancel()
    await asyncio.wait({reader.task})
    (attempt,) = reader.context.journal
    assert (attempt.outcome, reader.stream.end.outcome) == ("cancelled", "cancelled")
    scene.check()


async def test_a_leader_that_leaves_last_has_what_was_received_and_its_cost(begin):
    scene = begin()
    reader = await scene.join()
    reader.context.prices = DictPrices({"mock-model": {"input": 1, "output": 1}})
    scene.feed.put(piece(1), ChatStreamChunk(usage=USAGE))
    await reader.read(1)
    await reader.leave()
    answer = reader.stream.partial
    assert (answer.usage, answer.cost.usd, len(answer.attempts)) == (USAGE, Decimal("0.000003"), 1)
    scene.check()


async def test_whoever_leaves_after_the_finish_reason_still_gets_the_usage(begin):
    scene = begin()
    readers = [await scene.join() for _ in range(2)]
    scene.feed.put(piece(1), STOP)
    for reader in readers:
        await reader.read(2)
    leaving = [asyncio.create_task(reader.leave()) for reader in readers]
    await turns()
    scene.feed.put(ChatStreamChunk(usage=USAGE, last=True))
    await asyncio.gather(*leaving)
    assert [reader.stream.response.usage for reader in readers] == [USAGE, USAGE]
    scene.check()


async def test_a_reader_that_is_dropped_unread_leaves(begin):
    scene = begin()
    dropped = await opened(ASKED, scene.provider.chat_stream, CallContext(clock=scene.clock))
    with pytest.warns(ResourceWarning, match="unclosed"):
        del dropped
        gc.collect()
    await turns()
    scene.check()


async def test_a_dropped_reader_ends_nothing_for_the_others(begin):
    scene = begin()
    dropped = await opened(ASKED, scene.provider.chat_stream, CallContext(clock=scene.clock))
    follower = await scene.join()
    with pytest.warns(ResourceWarning, match="unclosed"):
        del dropped
        gc.collect()
    await turns()
    scene.feed.put(piece(1), LAST)
    await follower.read()
    await follower.task
    assert (follower.text, scene.mock.calls) == ("1 ", 1)
    scene.check()


async def test_what_the_end_of_the_source_runs_into_reaches_the_one_that_closed_it(begin):
    scene = begin(closing=StoreError("disk full"))
    first, last = await scene.join(), await scene.join()
    scene.feed.put(*(piece(number) for number in range(100)))
    await first.leave()
    with pytest.raises(StoreError, match="disk full"):
        await last.leave()
    scene.check()


async def test_what_was_read_is_gone_when_the_last_reader_has_gone(begin):
    scene = begin()
    readers = [await scene.join() for _ in range(2)]
    (flight,) = scene.layer._flights.values()
    seen = weakref.ref(flight)
    del flight
    scene.feed.put(HEAD, piece(1), LAST)
    gc.collect()
    gc.disable()
    try:
        for reader in readers:
            await reader.read()
            await reader.task
        assert seen() is not None  # the streams hold it
        readers.clear()
        del reader
        await turns()
        assert seen() is None
    finally:
        gc.enable()


# --- failures ---


async def test_an_error_while_opening_reaches_each_as_its_own(begin):
    scene = begin()
    scene.gate = asyncio.get_running_loop().create_future()
    readers = [await scene.join() for _ in range(3)]
    scene.gate.set_exception(OverloadedError("busy", status_code=503))
    errors = await asyncio.gather(*(reader.task for reader in readers), return_exceptions=True)
    assert [(type(error), str(error), len(error.attempts)) for error in errors] == [
        (OverloadedError, "busy", 1),
        (OverloadedError, "busy", 0),
        (OverloadedError, "busy", 0),
    ]
    assert len({id(error) for error in errors}) == 3
    scene.feeds.clear()  # none became a stream
    scene.check()


async def test_an_error_before_the_first_output_is_the_same_for_all(begin):
    scene = begin()
    readers = [await scene.join() for _ in range(2)]
    scene.feed.put(HEAD, OverloadedError("busy"))
    for reader in readers:
        await reader.read()
    errors = await asyncio.gather(*(reader.task for reader in readers), return_exceptions=True)
    assert [type(error) for error in errors] == [OverloadedError] * 2
    assert [reader.chunks for reader in readers] == [[HEAD]] * 2
    scene.check()


async def test_an_error_after_the_first_output_interrupts_each_once_and_after_what_came(begin):
    scene = begin()
    readers = [await scene.join() for _ in range(2)]
    scene.feed.put(piece(1), piece(2), OverloadedError("busy", request_id="r7"))
    for reader in readers:
        await reader.read()
    errors = await asyncio.gather(*(reader.task for reader in readers), return_exceptions=True)
    assert [type(error) for error in errors] == [StreamInterruptedError] * 2
    assert [(error.category, error.request_id) for error in errors] == [("overloaded", "r7")] * 2
    assert [type(error.__cause__) for error in errors] == [OverloadedError] * 2
    assert [error.partial.message.content for error in errors] == ["1 2 "] * 2
    assert [len(error.attempts) for error in errors] == [1, 0]
    assert errors[0] is not errors[1] and errors[0].__cause__ is not errors[1].__cause__
    assert [reader.text for reader in readers] == ["1 2 "] * 2
    scene.check()


async def test_a_source_that_ends_without_its_end_mark_is_cut_off_for_all(begin):
    scene = begin()
    readers = [await scene.join() for _ in range(2)]
    scene.feed.put(piece(1), StopAsyncIteration())
    for reader in readers:
        await reader.read()
    errors = await asyncio.gather(*(reader.task for reader in readers), return_exceptions=True)
    assert [(type(error), error.category) for error in errors] == [(StreamInterruptedError, "protocol")] * 2
    scene.check()


class Guarded(Layer):
    """Refuses a chunk, as a filter or a hard budget does."""

    async def around(self, request, inner, call_next):
        stream = await call_next(request)
        stream.on_chunk(self._see)
        return stream

    def _see(self, chunk):
        if "bad" in chunk.content:
            raise ContentFilterError("refused")


async def test_what_a_layer_inside_refuses_is_refused_in_the_same_words(begin):
    scene = begin(Guarded())
    readers = [await scene.join() for _ in range(2)]
    scene.feed.put(piece(1), ChatStreamChunk(content="bad"))
    for reader in readers:
        await reader.read()
    errors = await asyncio.gather(*(reader.task for reader in readers), return_exceptions=True)
    assert [(type(error), str(error)) for error in errors] == [(ContentFilterError, "refused")] * 2
    scene.check()


async def test_what_a_layer_outside_refuses_ends_its_own_stream_alone(begin):
    scene = begin()
    readers = [await scene.join() for _ in range(2)]

    def refuse(chunk):
        raise BudgetExceededError("no money left")

    readers[0].stream.on_chunk(refuse)
    scene.feed.put(piece(1), LAST)
    for reader in readers:
        await reader.read()
    with pytest.raises(BudgetExceededError):
        await readers[0].task
    await readers[1].task
    assert readers[1].text == "1 "
    scene.check()


async def test_a_stream_inside_that_is_tried_again_is_shared_all_the_same(clock):
    mock, layer = MockProvider([OverloadedError("busy"), "one two"]), SingleFlight()
    provider = chain([layer, Retry()], mock)
    readers = [Reader(opened(ASKED, provider.chat_stream, CallContext(clock=clock))) for _ in range(3)]
    for reader in readers:
        await reader.read()
    await asyncio.gather(*(reader.task for reader in readers))
    assert [reader.text for reader in readers] == ["one two"] * 3
    assert [len(reader.stream.response.attempts) for reader in readers] == [2, 0, 0]
    assert mock.calls == 2


# --- time ---


async def test_a_follower_reads_no_longer_than_its_own_deadline(begin):
    scene = begin()
    leader, follower = await scene.join(60), await scene.join(5)
    scene.feed.put(piece(1))
    for reader in (leader, follower):
        await reader.read(2)
    scene.clock.advance(5)
    with pytest.raises(StreamInterruptedError) as caught:
        await follower.task
    assert (caught.value.category, caught.value.phase) == ("timeout", "total")
    scene.feed.put(LAST)
    await leader.read()
    await leader.task
    assert leader.text == "1 "
    scene.check()


async def test_a_follower_whose_time_is_over_while_it_does_not_read_leaves(begin):
    scene = begin()
    leader, follower = await scene.join(60), await scene.join(5)
    await leader.leave()
    scene.clock.advance(5)
    await turns()
    assert scene.feed.closed == 1
    await follower.read()
    with pytest.raises(TimeoutError) as caught:
        await follower.task
    assert caught.value.phase == "total"
    scene.check()


async def test_a_leader_alone_runs_out_of_time_inside_as_it_would_without_the_layer(begin):
    scene = begin()
    leader = await scene.join(60)
    scene.feed.put(piece(1))
    await leader.read(2)
    scene.clock.advance(60)
    with pytest.raises(StreamInterruptedError) as caught:
        await leader.task
    (attempt,) = caught.value.attempts
    assert (caught.value.phase, attempt.outcome, attempt.category) == ("total", "failed", "timeout")
    scene.check()


async def test_a_stream_under_way_goes_on_for_whoever_has_more_time_than_its_leader(begin):
    scene = begin()
    leader, follower = await scene.join(5), await scene.join(60)
    scene.feed.put(piece(1))
    for reader in (leader, follower):
        await reader.read(2)
    scene.clock.advance(5)
    with pytest.raises(StreamInterruptedError) as caught:
        await leader.task
    assert (caught.value.phase, scene.feed.closed) == ("total", 0)
    scene.feed.put(LAST)
    await follower.read()
    await follower.task
    assert (follower.text, scene.mock.calls) == ("1 ", 1)
    scene.check()


async def test_one_that_joined_while_it_opened_has_its_time_too(begin):
    scene = begin()
    scene.gate = asyncio.get_running_loop().create_future()
    leader, follower = await scene.join(5), await scene.join(None)
    scene.gate.set_result(None)
    await turns()
    scene.clock.advance(5)
    await leader.read()
    with pytest.raises(TimeoutError):
        await leader.task
    scene.feed.put(piece(1), LAST)
    await follower.read()
    await follower.task
    assert (follower.text, scene.mock.calls) == ("1 ", 1)
    scene.check()


async def test_followers_begin_anew_when_the_leaders_time_is_over_before_it_has_opened(begin):
    scene = begin()
    scene.gate = asyncio.get_running_loop().create_future()
    leader = await scene.join(5)
    followers = [await scene.join(60) for _ in range(2)]
    scene.clock.advance(5)
    with pytest.raises(TimeoutError):
        await leader.task
    await turns()
    assert scene.mock.calls == 2
    scene.feeds.pop(0)
    scene.gate.set_result(None)
    await turns()
    scene.feed.put(piece(1), LAST)
    for reader in followers:
        await reader.read()
        await reader.task
    assert [reader.text for reader in followers] == ["1 "] * 2
    assert [reader.stream.response.shared for reader in followers] == [False, True]
    scene.check()


async def test_a_silent_source_ends_the_stream_for_all(begin):
    scene = begin()
    readers = [await scene.join(None, idle=3) for _ in range(2)]
    scene.feed.put(piece(1))
    for reader in readers:
        await reader.read()
    scene.clock.advance(3)
    errors = await asyncio.gather(*(reader.task for reader in readers), return_exceptions=True)
    assert [(type(error), error.phase) for error in errors] == [(StreamInterruptedError, "idle")] * 2
    scene.check()


async def test_readers_that_do_not_read_do_not_make_the_source_silent(begin):
    scene = begin()
    readers = [await scene.join(None, idle=3) for _ in range(2)]
    scene.feed.put(*(piece(number) for number in range(AHEAD)))
    await turns()
    scene.clock.advance(100)
    scene.feed.put(LAST)
    for reader in readers:
        await reader.read()
        await reader.task
    assert [len(reader.chunks) for reader in readers] == [AHEAD + 1] * 2
    scene.check()


# --- ends from outside ---


async def test_a_closing_client_ends_its_own_reader_alone(still):
    feed, opened_streams = Feed(), []

    def open_stream(_):
        opened_streams.append(ChatStream(feed))
        return opened_streams[-1]

    inner = AsyncClient(MockProvider(chat_stream_func=open_stream), clock=still).use(SingleFlight())
    clients = [inner.derive() for _ in range(2)]
    readers = [Reader(client.chat_stream(ASKED)) for client in clients]
    await turns()
    feed.put(piece(1))
    for reader in readers:
        await reader.read(2)
    await clients[0].close()
    with pytest.raises(ClientClosedError):
        await readers[0].task
    feed.put(LAST)
    await readers[1].read()
    await readers[1].task
    assert (readers[1].text, len(opened_streams)) == ("1 ", 1)
    await clients[1].close()
    await inner.close()


async def test_a_stream_that_is_closed_while_it_is_read_leaves(begin):
    scene = begin()
    reader = await scene.join()
    await reader.read(1)
    await reader.stream.close()
    with pytest.raises(StreamClosedError):
        await reader.task
    scene.check()


class SlowFeed(Feed):
    """Takes a turn of the loop for everything, its end too."""

    async def __anext__(self):
        await asyncio.sleep(0)
        return await super().__anext__()

    async def aclose(self):
        await asyncio.sleep(0)
        await super().aclose()


@pytest.mark.parametrize("readers", [1, 2])
async def test_a_cancellation_at_any_step_leaves_nothing(readers, at_every_step, still):
    def scene():
        layer, feeds = SingleFlight(), []

        async def open_stream(_):
            await asyncio.sleep(0)
            feeds.append(SlowFeed())
            feeds[-1].put(HEAD, piece(1), LAST)
            return ChatStream(feeds[-1])

        provider = chain([layer], MockProvider(chat_stream_func=open_stream))

        async def read():
            async with await opened(ASKED, provider.chat_stream, CallContext(clock=still)) as stream:
                return [chunk async for chunk in stream]

        async def work():
            return await together(read() for _ in range(readers))

        def verify(task):
            assert (layer.in_flight, still.pending) == (0, 0)
            assert [feed.closed for feed in feeds] == [1] * len(feeds)
            assert len(feeds) <= 1

        return work(), verify

    assert await at_every_step(scene) > 40


@pytest.mark.parametrize("which", [0, 1], ids=["leader", "follower"])
async def test_a_cancellation_of_one_at_any_step_does_not_touch_the_other(which, at_every_step, still):
    def scene():
        layer, others = SingleFlight(), []

        async def open_stream(_):
            await asyncio.sleep(0)
            feed = SlowFeed()
            feed.put(HEAD, piece(1), LAST)
            return ChatStream(feed)

        provider = chain([layer], MockProvider(chat_stream_func=open_stream))

        async def read():
            async with await opened(ASKED, provider.chat_stream, CallContext(clock=still)) as stream:
                return [chunk async for chunk in stream]

        async def work():
            readers = [asyncio.create_task(read()) for _ in range(2)]
            mine = readers.pop(which)
            others.extend(readers)
            try:
                return await mine
            finally:
                await uninterrupted(asyncio.wait({*others, mine}))

        def verify(task):
            assert [other.result() for other in others] in ([], [[HEAD, piece(1), LAST]])
            assert (layer.in_flight, still.pending) == (0, 0)

        return work(), verify

    assert await at_every_step(scene) > 40


# --- over the network ---


async def test_over_a_connection_one_exchange_serves_all_and_the_last_that_leaves_closes_it():
    async with (
        LoopbackServer(reply="Rhine, Loire and Danube.") as server,
        AsyncClient(CompatibleProvider(server.base_url, model="any")).use(SingleFlight()) as client,
    ):

        async def read():
            async with client.chat_stream(ASKED) as stream:
                return "".join([text async for text in stream.text])

        assert await asyncio.gather(*(read() for _ in range(20))) == ["Rhine, Loire and Danube."] * 20
        assert len(server.requests) == 1
        async with client.chat_stream(ASKED) as first, client.chat_stream(ASKED) as second:
            async for _ in first:
                break
            async for _ in second:
                break
        assert len(server.requests) == 2
