"""Single flight against a model: whoever stays is given exactly what the one call gave, whoever else comes and goes."""

from __future__ import annotations

import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk
from aiclient.context import CallContext, Timeouts
from aiclient.errors import ServerError, StreamInterruptedError
from aiclient.messages import Message
from aiclient.middleware import SingleFlight
from aiclient.provider import opened
from aiclient.request import ChatOptions, ChatRequest
from aiclient.stream import ChatStream
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.mock import MockProvider

LAST = ChatStreamChunk(finish_reason="stop", last=True)
QUESTIONS = st.sampled_from(["one", "another"])


class Exchange:
    """What the service does in one call, and, by the model, who waits for it."""

    def __init__(self):
        self.wanted = 0
        self.given = []  # chunks, the last one too
        self.error = None
        self.released = False
        self.queue = asyncio.Queue()

    @property
    def over(self):
        return self.error is not None or LAST in self.given

    def __aiter__(self):
        return self

    async def __anext__(self):
        item = await self.queue.get()
        if isinstance(item, Exception):
            raise item
        return item

    async def aclose(self):
        await asyncio.sleep(0)
        self.released = True

    async def answer(self):
        try:
            return await self.__anext__()
        finally:
            self.released = True


class Member:
    """One caller of an exchange, and what it was given."""

    def __init__(self, exchange, *, leads):
        self.exchange = exchange
        self.leads = leads
        self.chunks = []
        self.task = None
        self.stream = None
        exchange.wanted += 1


class SharedCalls(RuleBasedStateMachine):
    """Callers of chat and readers of streams, who come, read, leave and are cancelled at any moment."""

    callers = Bundle("callers")
    readers = Bundle("readers")

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock(auto=False)
        self.layer = SingleFlight()
        self.mock = MockProvider(chat_func=self.answer, chat_stream_func=self.open)
        self.provider = chain([self.layer], self.mock)
        self.current = {}  # by path and question: the exchange that whoever comes now joins
        self.begun = []
        self.members = []
        self.arriving = None

    def answer(self, _):
        return self.arriving.answer()

    def open(self, _):
        return ChatStream(self.arriving)

    def run(self, work):
        return self.loop.run_until_complete(work)

    def settle(self):
        self.run(turns())

    def enter(self, path, question):
        """Return the call that the caller makes, and the member that it is by the model."""
        exchange = self.current.get((path, question))
        leads = exchange is None
        if leads:
            exchange = self.current[path, question] = self.arriving = Exchange()
            self.begun.append(exchange)
        request = ChatRequest([Message("user", question)], ChatOptions(temperature=0))
        context = CallContext(clock=self.clock, timeouts=Timeouts(total=None))
        self.members.append(Member(exchange, leads=leads))
        return opened(request, getattr(self.provider, path), context), self.members[-1]

    def left(self, member):
        self.members.remove(member)
        member.exchange.wanted -= 1
        if member.exchange.wanted == 0:
            self.forget(member.exchange)
            assert member.exchange.released

    def forget(self, exchange):
        self.current = {key: each for key, each in self.current.items() if each is not exchange}

    def under_way(self, path):
        return [exchange for (kind, _), exchange in self.current.items() if kind == path]

    # --- coming ---

    @rule(target=callers, question=QUESTIONS)
    def ask(self, question):
        call, member = self.enter("chat", question)
        member.task = self.loop.create_task(call)
        self.settle()
        return member

    @rule(target=readers, question=QUESTIONS)
    def join(self, question):
        call, member = self.enter("chat_stream", question)
        member.stream = self.run(call)
        return member

    # --- what the service does ---

    @precondition(lambda self: self.under_way("chat"))
    @rule(data=st.data(), fails=st.booleans())
    def end_of_a_call(self, data, fails):
        exchange = data.draw(st.sampled_from(self.under_way("chat")))
        exchange.error = ServerError("no") if fails else None
        exchange.given = [] if fails else ["yes", LAST]
        exchange.queue.put_nowait(exchange.error or "yes")
        self.forget(exchange)
        self.settle()

    @precondition(lambda self: self.under_way("chat_stream"))
    @rule(data=st.data(), count=st.integers(1, 3))
    def chunks(self, data, count):
        exchange = data.draw(st.sampled_from(self.under_way("chat_stream")))
        for _ in range(count):
            chunk = ChatStreamChunk(content=str(len(exchange.given)))
            exchange.given.append(chunk)
            exchange.queue.put_nowait(chunk)
        self.settle()

    @precondition(lambda self: self.under_way("chat_stream"))
    @rule(data=st.data(), fails=st.booleans())
    def end_of_a_stream(self, data, fails):
        exchange = data.draw(st.sampled_from(self.under_way("chat_stream")))
        if fails:
            exchange.error = ServerError("no")
        else:
            exchange.given.append(LAST)
        exchange.queue.put_nowait(exchange.error or LAST)
        self.forget(exchange)
        self.settle()

    # --- what callers do ---

    @rule(member=readers, count=st.integers(1, 4))
    def read(self, member, count):
        """Read what is there, or wait for more in a task of its own."""
        if member.task is None and member.stream.end is None:
            at_hand = member.exchange.given[len(member.chunks) :][:count]
            for expected in at_hand:
                member.chunks.append(self.run(member.stream.__anext__()))
                assert member.chunks[-1] == expected

    @rule(member=readers)
    def read_on(self, member):
        if member.task is None and member.stream.end is None:
            member.task = self.loop.create_task(read_to_the_end(member))
            self.settle()

    @rule(member=consumes(readers))
    def leave(self, member):
        self.leaves(member)

    def leaves(self, member):
        if member.task is not None:
            member.task.cancel()
            self.run(asyncio.wait({member.task}))
        self.run(member.stream.close())
        self.check_reader(member)
        self.left(member)

    @rule(member=consumes(callers))
    def cancel(self, member):
        self.is_cancelled(member)

    def is_cancelled(self, member):
        ended = member.task.done()
        member.task.cancel()
        self.run(asyncio.wait({member.task}))
        if ended:
            self.check_caller(member)
        else:
            assert member.task.cancelled()
        self.left(member)

    # --- what must hold ---

    def check_caller(self, member):
        exchange = member.exchange
        if exchange.error is None:
            answer = member.task.result()
            assert (answer.message.content, answer.shared) == ("yes", not member.leads)
        else:
            check_error(member.task.exception(), ServerError, member)

    def check_reader(self, member):
        exchange, end = member.exchange, member.stream.end
        assert member.chunks == exchange.given[: len(member.chunks)]
        assert end.response.shared == (not member.leads)
        if LAST in member.chunks:
            assert member.stream.response.message.content == "".join(chunk.content for chunk in exchange.given)
        if end.outcome == "failed":
            assert member.chunks == exchange.given
            check_error(end.error, StreamInterruptedError if exchange.given else ServerError, member)

    @invariant()
    def there_was_one_call_for_each_exchange(self):
        assert self.mock.calls == len(self.begun)

    @invariant()
    def a_call_that_nobody_wants_is_over(self):
        assert all(exchange.released == (exchange.over or exchange.wanted == 0) for exchange in self.begun)
        assert self.layer.in_flight == len(self.current)

    def teardown(self):
        for member in tuple(self.members):
            (self.is_cancelled if member.stream is None else self.leaves)(member)
        self.settle()
        assert (self.layer.in_flight, self.clock.pending, asyncio.all_tasks(self.loop)) == (0, 0, set())
        self.loop.close()


async def turns():
    for _ in range(12):
        await asyncio.sleep(0)


async def read_to_the_end(member):
    try:
        async for chunk in member.stream:
            member.chunks.append(chunk)
    except (ServerError, StreamInterruptedError):
        assert member.stream.end.outcome == "failed"


def check_error(error, kind, member):
    assert type(error) is kind
    assert len(error.attempts) == int(member.leads)


SharedCalls.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestSharedCalls = SharedCalls.TestCase
