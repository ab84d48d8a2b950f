"""Streams: the end told exactly once, the commit point, truncation, time limits, and one reader."""

from __future__ import annotations

import asyncio
import gc
import itertools
import warnings
from collections import deque

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from aiclient.chunks import ChatStreamChunk
from aiclient.errors import (
    BudgetExceededError,
    ClientClosedError,
    ConnectError,
    OverloadedError,
    ProtocolError,
    ResponseValidationError,
    StoreError,
    StreamClosedError,
    StreamInterruptedError,
    TimeoutError,
)
from aiclient.gate import Alarm
from aiclient.messages import Message
from aiclient.response import ChatResponse, Usage
from aiclient.stream import ChatStream

pytestmark = pytest.mark.anyio

HEAD = ChatStreamChunk(id="r1", model="m")
A, B = ChatStreamChunk(content="a"), ChatStreamChunk(content="b")
STOP = ChatStreamChunk(finish_reason="stop")
USAGE = Usage(prompt_tokens=1, completion_tokens=2)
LAST = ChatStreamChunk(finish_reason="stop", usage=USAGE, last=True)
HANG = "hang"


class Source:
    """Gives what it is told to, one turn of the loop each, and counts how it is ended."""

    def __init__(self, *items, closing=None):
        self.items = list(items)
        self.closing = closing
        self.given = self.closed = self.aborted = 0
        self.events = []

    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.sleep(0)
        if not self.items:
            raise StopAsyncIteration
        item = self.items.pop(0)
        if item is HANG:
            await asyncio.get_running_loop().create_future()
        if isinstance(item, BaseException):
            raise item
        self.given += 1
        return item

    async def aclose(self):
        self.closed += 1
        self.events.append("source closed")
        await asyncio.sleep(0)
        if self.closing is not None:
            raise self.closing

    def abort(self):
        self.aborted += 1


class Told:
    """A stream over a source, and what its two layers were told of its end, in order."""

    def __init__(self, *items, closing=None, source=None):
        self.source = source or Source(*items, closing=closing)
        self.stream = ChatStream(self.source)
        self.ends = []
        for name in ("inner", "outer"):
            self.stream.on_close(self.layer(name))

    def layer(self, name):
        async def tell(end):
            self.source.events.append(f"{name} told")
            self.ends.append(end)
            await asyncio.sleep(0)

        return tell

    def check(self, outcome):
        """Both layers were told this outcome once, inner first, after the source was closed; nobody else may be told."""
        assert self.source.events == ["source closed", "inner told", "outer told"]
        assert [end.outcome for end in self.ends] == [outcome] * 2
        assert self.source.closed == 1


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


async def read(stream):
    return [chunk async for chunk in stream]


async def started(coroutine, after=4):
    task = asyncio.create_task(coroutine)
    await turns(after)
    return task


# --- reading ---


async def test_a_stream_gives_its_chunks_and_then_its_answer():
    told = Told(HEAD, A, B, LAST)
    async with told.stream as stream:
        assert await read(stream) == [HEAD, A, B, LAST]
    assert stream.response == ChatResponse(Message("assistant", "ab"), "stop", usage=USAGE, id="r1", model="m")
    told.check("completed")


async def test_reading_on_after_the_end_gives_nothing_more():
    told = Told(A, LAST)
    await read(told.stream)
    assert await read(told.stream) == []


async def test_text_gives_the_pieces_of_the_first_answer():
    stream = ChatStream(
        Source(HEAD, A, ChatStreamChunk(content="x", choice=1), ChatStreamChunk(reasoning="r"), B, LAST)
    )
    assert [piece async for piece in stream.text] == ["a", "b"]
    assert stream.response.message.content == "ab"


async def test_partial_is_what_was_received_and_never_raises():
    async with Told(A, B, LAST).stream as stream:
        assert stream.partial.message.content == ""
        await anext(stream)
        assert stream.partial.message.content == "a"


async def test_the_answer_of_a_stream_that_was_not_read_is_refused():
    async with Told(A, B, LAST).stream as stream:
        await anext(stream)
        with pytest.raises(StreamClosedError, match="not read to its end") as caught:
            _ = stream.response
    assert caught.value.partial.message.content == "a"


async def test_what_is_known_beforehand_is_on_the_answer():
    stream = ChatStream(Source(A, LAST), head=ChatResponse(Message("assistant"), request_id="q"))
    await read(stream)
    assert stream.response.request_id == "q"


async def bare():
    yield A
    yield LAST


class Bare:
    def __init__(self):
        self._items = iter([A, LAST])

    async def __anext__(self):
        return next(self._items)


@pytest.mark.parametrize("source", [bare, Bare])
async def test_a_source_needs_neither_aclose_nor_abort(source):
    stream = ChatStream(source())
    await read(stream)
    assert stream.response.message.content == "a"


@pytest.mark.parametrize("source", [bare, Bare])
async def test_a_source_without_abort_is_dropped_with_the_warning_alone(source):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ChatStream(source())
        gc.collect()
    assert [w.category for w in caught] == [ResourceWarning]  # an error in there would be a failure of this test


# --- the end is told exactly once, inner first, after the source is closed ---


async def test_a_failure_before_the_first_output_is_told_and_raised_as_it_is():
    error = OverloadedError("busy", retry_after=3.0)
    told = Told(HEAD, error)
    async with told.stream as stream:
        with pytest.raises(OverloadedError) as caught:
            await read(stream)
        with pytest.raises(OverloadedError):
            _ = stream.response
        with pytest.raises(OverloadedError):
            await anext(stream)
    assert caught.value is error and error.partial.id == "r1"
    told.check("failed")
    assert told.ends[0].error is error


async def test_a_failure_after_the_first_output_is_an_interruption_with_the_partial_and_the_cause():
    cause = OverloadedError(
        "busy", provider="p", model="m", status_code=529, code="busy_now", request_id="q", retry_after=3.0
    )
    told = Told(HEAD, A, cause, LAST)
    async with told.stream as stream:
        with pytest.raises(StreamInterruptedError, match="broke off after its first output: busy") as caught:
            await read(stream)
    error = caught.value
    assert error.partial.message.content == "a" and error.__cause__ is cause
    assert (error.category, error.retryable, error.retry_after) == ("overloaded", False, 3.0)
    assert (error.provider, error.model, error.request_id) == ("p", "m", "q")
    assert (error.status_code, error.code) == (529, "busy_now")
    told.check("failed")
    assert told.ends[0].error is error and told.ends[0].response.message.content == "a"


@pytest.mark.parametrize("before", [[HEAD], [HEAD, A]], ids=["before-output", "after-output"])
async def test_a_bug_in_a_source_releases_the_connection_and_is_raised_as_it_is(before):
    told = Told(*before, KeyError("bug"))
    with pytest.raises(KeyError):
        await read(told.stream)
    told.check("failed")


@pytest.mark.parametrize("read_first", [0, 1, 2])
async def test_leaving_early_is_an_abandonment(read_first):
    told = Told(HEAD, A, B, LAST)
    async with told.stream as stream:
        for _ in range(read_first):
            await anext(stream)
    told.check("abandoned")
    assert told.source.given == read_first


async def test_closing_three_times_tells_once():
    told = Told(A, B, LAST)
    for _ in range(3):
        await told.stream.close()
    await told.stream.aclose()
    told.check("abandoned")


async def test_a_closed_stream_cannot_be_read():
    told = Told(A, B, LAST)
    await anext(told.stream)
    await told.stream.close()
    with pytest.raises(StreamClosedError, match=r"^this stream was closed before its end$"):
        await anext(told.stream)


async def fail(stream):
    with pytest.raises(ConnectError):
        await read(stream)


async def cancel(stream):
    task = await started(anext(stream), after=1)
    task.cancel()
    await asyncio.wait({task})


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        (ChatStream.close, StreamClosedError, "this stream was closed before its first output"),
        (lambda stream: stream.interrupt(ClientClosedError("gone")), ClientClosedError, "gone"),
        (cancel, StreamClosedError, "this stream was closed before its first output"),
        (fail, ConnectError, "reset"),
    ],
    ids=["closed", "interrupted", "cancelled", "failed"],
)
async def test_a_commit_after_the_end_says_how_it_ended_and_asks_the_source_no_more(how, error, said):
    told = Told(HEAD, HEAD, ConnectError("reset"), A, LAST)
    await anext(told.stream)
    await how(told.stream)
    given = told.source.given
    with pytest.raises(error) as caught:
        await told.stream.commit()
    assert str(caught.value) == said
    assert told.source.given == given and len(told.ends) == 2


async def test_a_committed_and_closed_stream_does_not_hand_out_what_it_kept():
    told = Told(HEAD, A, B, LAST)
    await told.stream.commit()
    await told.stream.close()
    with pytest.raises(StreamClosedError):
        await anext(told.stream)
    told.check("abandoned")


async def test_closing_after_the_last_chunk_was_received_is_a_completion():
    told = Told(LAST)
    await told.stream.commit()
    await told.stream.close()
    told.check("completed")
    assert told.stream.response.usage == USAGE
    assert await read(told.stream) == [LAST]  # it was received


async def test_cancelling_the_reader_ends_the_stream_as_cancelled():
    told = Told(A, HANG)
    task = await started(read(told.stream))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    told.check("cancelled")
    with pytest.raises(StreamClosedError):
        _ = told.stream.response


async def test_cancelling_the_reader_between_two_chunks_is_a_cancellation_too():
    told = Told(A, B, LAST)

    async def reader():
        async with told.stream as stream:
            await anext(stream)
            await asyncio.get_running_loop().create_future()

    task = await started(reader())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    told.check("cancelled")
    assert isinstance(told.ends[0].error, asyncio.CancelledError)


async def test_an_error_of_the_reader_is_an_abandonment():
    told = Told(A, B, LAST)
    with pytest.raises(KeyError):
        async with told.stream as stream:
            await anext(stream)
            raise KeyError("the reader's own")
    told.check("abandoned")


async def test_a_reader_who_said_that_it_leaves_abandons_though_it_is_cancelled():
    told = Told(A, HANG)
    task = await started(read(told.stream))
    told.stream.leave()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    told.check("abandoned")


async def test_closing_while_another_task_reads_ends_that_read():
    told = Told(A, HANG)
    task = await started(read(told.stream))
    await told.stream.close()
    told.check("abandoned")  # close returns when the end has been told
    with pytest.raises(StreamClosedError, match=r"^the stream was closed while it was being read$") as caught:
        await task
    assert caught.value.partial.message.content == "a"


async def test_three_tasks_may_close_while_another_reads():
    told = Told(A, HANG)
    task = await started(read(told.stream))
    await asyncio.gather(*(told.stream.close() for _ in range(3)))
    told.check("abandoned")
    with pytest.raises(StreamClosedError):
        await task


async def test_a_source_that_will_not_be_cancelled_gives_its_chunk_and_the_next_read_says_closed():
    class Stubborn(Source):
        async def __anext__(self):
            try:
                return await super().__anext__()
            except asyncio.CancelledError:
                return B

    told = Told()
    told.stream._source = told.source = Stubborn(A, HANG)
    task = await started(read(told.stream))
    await told.stream.close()
    told.check("abandoned")
    with pytest.raises(StreamClosedError):
        await task


@pytest.mark.parametrize("reading", [False, True], ids=["unread", "being-read"])
async def test_an_interruption_is_what_the_reader_gets(reading):
    error = ClientClosedError("the client was closed")
    told = Told(A, HANG)
    task = await started(read(told.stream)) if reading else None
    await told.stream.interrupt(error)
    told.check("abandoned")
    with pytest.raises(ClientClosedError):
        await (task or anext(told.stream))
    await told.stream.interrupt(ClientClosedError("again"))
    assert told.ends[0].error is error


async def test_a_layer_that_raises_on_a_chunk_ends_the_stream():
    told = Told(HEAD, A, B, LAST)
    refusal = BudgetExceededError("too dear")

    def see(chunk):
        if chunk.content == "b":
            raise refusal

    told.stream.on_chunk(see)
    got = []
    async with told.stream as stream:
        with pytest.raises(BudgetExceededError) as caught:
            async for chunk in stream:
                got.append(chunk)
    assert caught.value is refusal and refusal.partial.message.content == "ab" and got == [HEAD, A]
    told.check("failed")


async def test_a_layer_that_refuses_the_last_chunk_fails_the_stream():
    told = Told(A, LAST)

    def see(chunk):
        if chunk.last:
            raise BudgetExceededError

    told.stream.on_chunk(see)
    with pytest.raises(BudgetExceededError):
        await read(told.stream)
    assert [end.outcome for end in told.ends] == ["failed", "failed"]
    with pytest.raises(BudgetExceededError):
        _ = told.stream.response


async def test_a_bug_in_a_layer_s_eye_reaches_the_reader_and_the_block_ends_the_stream():
    told = Told(A, LAST)
    told.stream.on_chunk(lambda chunk: {}[chunk.content])
    with pytest.raises(KeyError):
        async with told.stream as stream:
            await read(stream)
    told.check("abandoned")


async def test_a_layer_that_raises_when_told_does_not_keep_the_others_from_being_told():
    told = Told()
    told.source.items = [A, LAST]

    async def broken(_):
        raise StoreError("the ledger is gone")

    told.stream.on_close(broken)
    told.stream.on_close(told.layer("outermost"))
    with pytest.raises(StoreError):
        await read(told.stream)
    assert told.source.events == ["source closed", "inner told", "outer told", "outermost told"]
    assert told.stream.response.message.content == "a"


async def test_a_layer_that_rejects_the_answer_makes_it_a_failure_for_the_reader_and_the_layers_outside():
    told, rejection = Told(A, LAST), ResponseValidationError("not what was asked for")

    async def reject(_):
        raise rejection

    told.stream._tell = (told.layer("inner"), reject, told.layer("outer"))
    with pytest.raises(ResponseValidationError):
        await read(told.stream)
    assert [(end.outcome, end.error) for end in told.ends] == [("completed", None), ("failed", rejection)]
    with pytest.raises(ResponseValidationError):
        _ = told.stream.response
    assert told.stream.partial.message.content == "a"


async def test_what_has_failed_by_itself_stays_what_it_is_though_a_layer_rejects_it_too():
    told = Told(A, OverloadedError("busy"))

    async def reject(_):
        raise ResponseValidationError("not what was asked for")

    told.stream._tell = (reject, told.layer("outer"))
    with pytest.raises(StreamInterruptedError) as failed:
        await read(told.stream)
    assert [end.error for end in told.ends] == [failed.value]


async def test_a_layer_that_amends_the_answer_is_seen_by_the_next_layer_and_the_reader():
    told = Told(A, LAST)

    async def amend(end):
        return evolve(end.response, provider="amended")

    told.stream._tell = (told.layer("inner"), amend, told.layer("outer"))
    await read(told.stream)
    assert [end.response.provider for end in told.ends] == [None, "amended"]
    assert told.stream.response.provider == told.stream.partial.provider == "amended"


def unclosable(*pieces):
    return Told(*pieces, closing=OSError("broken pipe"))


TOLD = ["source closed", "inner told", "outer told"]


async def test_a_source_that_cannot_be_closed_fails_the_close_and_has_its_end_told():
    told = unclosable(A, HANG)
    with pytest.raises(OSError, match="broken pipe"):
        await told.stream.close()
    assert told.source.events == TOLD


async def test_a_source_that_cannot_be_closed_does_not_hold_up_a_cancellation():
    told = unclosable(A, HANG)
    task = await started(read(told.stream))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told.source.events == TOLD


async def test_a_source_that_cannot_be_closed_after_a_failure_is_told_in_a_note():
    told = unclosable(A, OverloadedError("busy"))
    with pytest.raises(StreamInterruptedError) as failed:
        await read(told.stream)
    assert failed.value.__notes__ == ["telling its end ran into OSError: broken pipe"]
    assert told.source.events == TOLD


async def test_a_source_that_cannot_be_closed_after_the_last_chunk_still_has_its_end_told():
    told = Told(LAST, closing=OSError("broken pipe"))
    with pytest.raises(OSError, match="broken pipe"):
        await told.stream.commit()
    told.check("completed")


async def test_a_cancellation_met_while_telling_wins_over_what_other_layers_raise():
    told = Told(A)

    async def slow(_):
        await asyncio.get_running_loop().create_future()

    async def broken(_):
        raise StoreError

    told.stream.on_close(slow)
    told.stream.on_close(broken)
    task = await started(told.stream.close(), after=6)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    told.check("abandoned")


# --- the commit point ---


async def test_commit_reads_to_the_first_output_and_keeps_what_it_read():
    told = Told(HEAD, HEAD, A, B, LAST)
    await told.stream.commit()
    assert told.source.given == 3
    assert await read(told.stream) == [HEAD, HEAD, A, B, LAST]
    told.check("completed")


async def test_commit_is_idempotent():
    told = Told(HEAD, A, B, LAST)
    for _ in range(3):
        await told.stream.commit()
    assert told.source.given == 2
    assert await read(told.stream) == [HEAD, A, B, LAST]


async def test_commit_after_reading_reads_nothing():
    told = Told(A, B, LAST)
    await anext(told.stream)
    await told.stream.commit()
    assert told.source.given == 1
    await told.stream.close()


async def test_a_layer_attached_after_the_commit_misses_no_chunk():
    told, seen = Told(HEAD, A, B, LAST), []
    await told.stream.commit()
    told.stream.on_chunk(seen.append)
    await read(told.stream)
    assert seen == [HEAD, A, B, LAST]


async def test_eyes_are_called_in_order_when_a_chunk_is_handed_out():
    told, seen = Told(HEAD, A, LAST), []
    told.stream.on_chunk(lambda chunk: seen.append(("inner", chunk)))
    told.stream.on_chunk(lambda chunk: seen.append(("outer", chunk)))
    await told.stream.commit()
    assert seen == []
    await anext(told.stream)
    assert seen == [("inner", HEAD), ("outer", HEAD)]
    await told.stream.close()


async def test_commit_of_an_answer_without_output_reads_to_the_end():
    told = Told(HEAD, LAST)
    await told.stream.commit()
    assert told.source.events == ["source closed"]  # received, and not yet handed out
    assert await read(told.stream) == [HEAD, LAST]
    told.check("completed")


async def test_commit_raises_what_the_stream_fails_with_before_its_first_output():
    told = Told(HEAD, ConnectError("reset", kind="reset"))
    with pytest.raises(ConnectError):
        await told.stream.commit()
    told.check("failed")


async def test_the_first_output_is_told_once_when_it_is_received():
    told, heard = Told(HEAD, A, B, LAST), []
    told.stream.on_first_output(lambda: heard.append(told.source.given))
    await read(told.stream)
    assert heard == [2]


async def test_the_first_output_is_told_to_everyone_who_asked_in_that_order():
    told, heard = Told(HEAD, A, LAST), []
    told.stream.on_first_output(lambda: heard.append("first"))
    told.stream.on_first_output(lambda: heard.append("second"))
    await read(told.stream)
    assert heard == ["first", "second"]


async def test_the_first_output_is_told_at_once_when_it_has_come():
    told, heard = Told(A, LAST), []
    await told.stream.commit()
    told.stream.on_first_output(lambda: heard.append(1))
    assert heard == [1]
    await told.stream.close()


# --- chunks that came together ---


class Bursts(Source):
    """Receives several chunks with one wait; the others are at hand."""

    def __init__(self, *bursts):
        super().__init__(*(burst[0] for burst in bursts))
        self.hand = deque()
        self.rest = deque(burst[1:] for burst in bursts)
        self.waits = self.asked = 0

    def take(self):
        return self.hand.popleft() if self.hand else None

    async def __anext__(self):
        self.asked += 1
        if self.hand:
            return self.hand.popleft()
        self.waits += 1
        chunk = await super().__anext__()
        self.hand.extend(self.rest.popleft())
        return chunk


def told_in(*bursts):
    return Told(source=Bursts(*bursts))


@given(st.lists(st.sampled_from([HEAD, A, B]), max_size=8), st.data())
def test_how_many_chunks_come_with_one_wait_changes_nothing(chunks, data):
    chunks = [*chunks, LAST]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(chunks)), max_size=len(chunks))) | {len(chunks)})
    bursts = [chunks[begin:end] for begin, end in itertools.pairwise([0, *cuts])]

    commit = data.draw(st.booleans())

    async def scene(told):
        async with told.stream as stream:
            if commit:
                await stream.commit()
            got = await read(stream)
        told.check("completed")
        return got, stream.response

    together = told_in(*bursts)
    assert asyncio.run(scene(together)) == asyncio.run(scene(Told(*chunks)))
    assert together.source.waits == len(bursts)


async def test_what_is_at_hand_is_taken_without_asking_the_source_to_wait():
    told = told_in([HEAD, A, B], [A, LAST])
    await read(told.stream)
    assert told.source.asked == 2
    told.check("completed")


async def test_a_second_reader_is_refused_though_something_is_at_hand():
    told = told_in([HANG])
    first = await started(anext(told.stream), after=1)
    told.source.hand.append(A)
    with pytest.raises(RuntimeError, match="one reader"):
        await anext(told.stream)
    first.cancel()
    await asyncio.wait({first})


async def test_time_that_ran_out_is_told_before_what_is_at_hand(still):
    told = told_in([A, B], [LAST])
    told.stream.limit(still, ends=5)
    assert (await anext(told.stream)).content == A.content
    still.advance(6)
    with pytest.raises(StreamInterruptedError) as caught:
        await anext(told.stream)
    assert isinstance(caught.value.__cause__, TimeoutError)
    told.check("failed")


async def test_an_error_of_a_layer_at_the_last_chunk_at_hand_ends_the_stream_once():
    told = told_in([A, LAST])

    def refuse(chunk):
        if chunk.last:
            raise BudgetExceededError("enough")

    told.stream.on_chunk(refuse)
    with pytest.raises(BudgetExceededError):
        await read(told.stream)
    told.check("failed")


# --- truncation ---


async def test_a_stream_without_its_end_mark_before_the_first_output_is_a_protocol_error():
    told = Told(HEAD)
    with pytest.raises(ProtocolError, match=r"^the stream ended without its end mark") as caught:
        await read(told.stream)
    assert (caught.value.kind, caught.value.retryable) == ("incomplete", True)
    told.check("failed")


@pytest.mark.parametrize("items", [[A], [HEAD, A, B], [A, STOP]], ids=["one", "several", "after-a-finish-reason"])
async def test_a_stream_without_its_end_mark_after_the_first_output_is_interrupted(items):
    told = Told(*items)
    with pytest.raises(StreamInterruptedError, match="the answer is cut off") as caught:
        await read(told.stream)
    assert isinstance(caught.value.__cause__, ProtocolError) and caught.value.category == "protocol"
    assert not caught.value.retryable and caught.value.partial.message.content
    told.check("failed")


async def test_an_empty_source_is_a_protocol_error():
    told = Told()
    with pytest.raises(ProtocolError):
        await read(told.stream)
    told.check("failed")


# --- reading on after a finish reason ---


async def test_leaving_after_a_finish_reason_reads_on_for_the_usage():
    told = Told(A, STOP, HEAD, evolve(LAST, finish_reason=None))
    async with told.stream as stream:
        while not stream.finished:
            await anext(stream)
    told.check("completed")
    assert stream.response.usage == USAGE


async def test_reading_on_ends_after_a_quarter_of_a_second(still):
    told = Told(A, STOP, HANG)
    told.stream.limit(still)
    for _ in range(2):
        await anext(told.stream)
    task = await started(told.stream.close())
    still.advance(0.249)
    await turns(3)
    assert not task.done()
    still.advance(0.001)
    await turns(5)
    assert task.done()
    told.check("abandoned")
    assert still.pending == 0


async def test_reading_on_ends_after_so_many_chunks():
    told = Told(A, STOP, *[HEAD] * 1000)
    for _ in range(2):
        await anext(told.stream)
    await told.stream.close()
    assert told.source.given == 2 + 64
    told.check("abandoned")


async def test_what_fails_while_reading_on_does_not_reach_the_reader():
    told = Told(A, STOP, ConnectError("reset"))
    async with told.stream as stream:
        for _ in range(2):
            await anext(stream)
    assert len(told.ends) == 2 and told.source.closed == 1


# --- time limits ---


@pytest.mark.parametrize("kept", [[], [HEAD]], ids=["nothing", "preamble"])
async def test_the_first_output_must_come_in_its_time(still, kept):
    told = Told(*kept, HANG)
    told.stream.limit(still, ends=600, first=30)
    task = await started(told.stream.commit())
    still.advance(29.999)
    await turns(3)
    assert not task.done()
    still.advance(0.001)
    with pytest.raises(TimeoutError) as caught:
        await task
    assert caught.value.phase == "first_output"
    told.check("failed")
    assert still.pending == 0


async def test_the_first_output_in_time_lifts_its_limit(still):
    told = Told(A, HANG)
    told.stream.limit(still, ends=600, first=30)
    task = await started(read(told.stream))
    still.advance(599)
    await turns(3)
    assert not task.done()
    still.advance(1)
    with pytest.raises(StreamInterruptedError) as caught:
        await task
    assert (caught.value.phase, caught.value.category, caught.value.__cause__.phase) == ("total", "timeout", "total")


async def test_silence_after_the_first_output_is_limited(still):
    told = Told(A, HANG)
    told.stream.limit(still, ends=600, idle=10)
    task = await started(read(told.stream))
    still.advance(9.999)
    await turns(3)
    assert not task.done()
    still.advance(0.001)
    with pytest.raises(StreamInterruptedError) as caught:
        await task
    assert caught.value.phase == "idle" and caught.value.partial.message.content == "a"
    told.check("failed")


async def test_the_reader_s_own_time_is_no_silence(still):
    told = Told(A, B, LAST)
    told.stream.limit(still, ends=600, idle=10)
    got = []
    async for chunk in told.stream:
        got.append(chunk)
        still.advance(100)
    assert got == [A, B, LAST]
    told.check("completed")
    assert still.pending == 0


async def test_the_reader_s_own_time_counts_towards_the_total(still):
    told = Told(A, B, LAST)
    told.stream.limit(still, ends=50, idle=10)
    await anext(told.stream)
    still.advance(50)
    assert told.source.aborted == 1  # the connection does not wait for a reader who is away
    with pytest.raises(StreamInterruptedError) as caught:
        await anext(told.stream)
    assert caught.value.phase == "total"
    told.check("failed")


async def test_the_limit_of_an_attempt_says_so(still):
    told = Told(HANG)
    told.stream.limit(still, ends=5, phase="attempt", first=30)
    task = await started(read(told.stream))
    still.advance(5)
    with pytest.raises(TimeoutError) as caught:
        await task
    assert caught.value.phase == "attempt"


@pytest.mark.parametrize("phase", ["attempt", "total"])
async def test_time_that_runs_out_before_anyone_reads_has_its_name(still, phase):
    told = Told(A, LAST)
    told.stream.limit(still, ends=5, phase=phase, first=30)
    still.advance(5)
    assert told.source.aborted == 1
    with pytest.raises(TimeoutError) as caught:
        await anext(told.stream)
    assert caught.value.phase == phase
    told.check("failed")


async def test_of_two_limits_that_end_together_the_whole_is_named(still):
    told = Told(HANG)
    told.stream.limit(still, ends=30, first=30)
    task = await started(read(told.stream))
    still.advance(30)
    with pytest.raises(TimeoutError) as caught:
        await task
    assert caught.value.phase == "total"


async def test_a_source_that_has_an_alarm_lends_it(still):
    source = Source(HANG)
    source.alarm = Alarm(still, source.abort)
    stream = ChatStream(source)
    stream.limit(still, ends=5)
    task = await started(read(stream))
    assert still.pending == 1
    still.advance(5)
    with pytest.raises(TimeoutError) as caught:
        await task
    assert source.alarm.error is caught.value and still.pending == 0


async def test_the_limits_use_one_timer_that_is_not_set_anew_for_every_chunk(still):
    told = Told(*[A] * 50, LAST)
    told.stream.limit(still, ends=600, first=30, idle=10)
    for _ in range(50):
        await anext(told.stream)
        assert still.pending == 1
    assert len(still._timers) <= 3  # the total, the first output, the first silence: all later ones moved, not made
    await read(told.stream)
    assert still.pending == 0


async def test_a_closed_stream_leaves_no_timer(still):
    told = Told(A, B)
    told.stream.limit(still, ends=600, first=30, idle=10)
    await anext(told.stream)
    await told.stream.close()
    assert still.pending == 0


async def test_without_limits_there_is_no_timer(still):
    told = Told(A, LAST)
    told.stream.limit(still)
    await read(told.stream)
    assert still._timers == []


# --- more time, for a stream that several read ---


async def test_the_end_of_the_whole_can_be_put_off(still):
    told = Told(A, HANG)
    told.stream.limit(still, ends=50)
    task = await started(read(told.stream))
    told.stream.postpone(80)
    still.advance(79.999)
    await turns(12)
    assert not task.done()
    still.advance(0.001)
    with pytest.raises(StreamInterruptedError) as caught:
        await task
    assert caught.value.phase == "total"
    told.check("failed")
    assert still.pending == 0


async def test_it_can_be_put_off_for_good_and_while_nobody_reads(still):
    told = Told(A, LAST)
    told.stream.limit(still, ends=50)
    await anext(told.stream)
    told.stream.postpone(float("inf"))
    still.advance(1000)
    assert told.source.aborted == 0
    assert await read(told.stream) == [LAST]
    assert still.pending == 0


async def test_what_is_put_off_while_nobody_reads_ends_then_however_long_the_silence(still):
    told = Told(A, LAST)
    told.stream.limit(still, ends=50, idle=10)
    await anext(told.stream)
    told.stream.postpone(80)
    still.advance(79.999)
    assert told.source.aborted == 0
    still.advance(0.001)
    assert told.source.aborted == 1
    with pytest.raises(StreamInterruptedError) as caught:
        await anext(told.stream)
    assert caught.value.phase == "total"


async def test_it_is_never_put_forward(still):
    told = Told(A, HANG)
    told.stream.limit(still, ends=50)
    task = await started(read(told.stream))
    told.stream.postpone(20)
    still.advance(49.999)
    await turns(12)
    assert not task.done()
    task.cancel()
    await asyncio.wait({task})


@pytest.mark.parametrize(
    ("limits", "at", "phase"),
    [
        ({"ends": 50, "phase": "attempt"}, 50, "attempt"),
        ({"ends": 50, "first": 30}, 30, "first_output"),
    ],
    ids=["attempt", "first-output"],
)
async def test_other_limits_stay_when_the_whole_is_put_off(limits, at, phase, still):
    told = Told(HEAD, HANG)
    told.stream.limit(still, **limits)
    task = await started(read(told.stream))
    told.stream.postpone(600)
    still.advance(at)
    with pytest.raises(TimeoutError) as caught:
        await task
    assert caught.value.phase == phase


async def test_silence_is_limited_still_when_the_whole_is_put_off(still):
    told = Told(A, HANG)
    told.stream.limit(still, ends=50, idle=10)
    task = await started(read(told.stream))
    told.stream.postpone(600)
    still.advance(10)
    with pytest.raises(StreamInterruptedError) as caught:
        await task
    assert caught.value.phase == "idle"


@pytest.mark.parametrize("over", ["ended", "out of time"])
async def test_what_is_over_is_not_put_off(over, still):
    told = Told(A, B, LAST)
    told.stream.limit(still, ends=50)
    await anext(told.stream)
    still.advance({"ended": 0, "out of time": 50}[over])
    await told.stream.close()
    told.stream.postpone(600)
    assert still.pending == 0


async def test_a_stream_without_limits_has_nothing_to_put_off(still):
    told = Told(A, LAST)
    told.stream.postpone(600)
    assert await read(told.stream) == [A, LAST]


class Relaying(Source):
    """Gives what another stream gave."""

    relays = True


async def test_the_failure_of_a_stream_that_is_relayed_is_passed_on_in_its_words():
    failure = StreamInterruptedError("it broke off", kind="server")
    stream = ChatStream(Relaying(A, failure))
    with pytest.raises(StreamInterruptedError) as caught:
        await read(stream)
    assert caught.value is failure
    assert stream.end.outcome == "failed"


async def test_running_out_of_time_is_the_relaying_streams_own_failure(still):
    stream = ChatStream(Relaying(A, HANG))
    stream.limit(still, ends=5)
    task = await started(read(stream))
    still.advance(5)
    with pytest.raises(StreamInterruptedError) as caught:
        await task
    assert (caught.value.phase, type(caught.value.__cause__)) == ("total", TimeoutError)


# --- one reader, and what is dropped ---


async def test_two_readers_are_refused_and_the_first_goes_on():
    told = Told(A, B, LAST)
    first = await started(anext(told.stream), after=1)
    with pytest.raises(RuntimeError, match=r"^a stream has one reader, and another task is reading this one$"):
        await anext(told.stream)
    assert await first == A
    assert await read(told.stream) == [B, LAST]
    told.check("completed")


@pytest.mark.parametrize("limited", [False, True], ids=["bare", "under-limits"])
async def test_a_dropped_stream_warns_and_releases_its_connection(still, limited):
    source = Source(A, B, LAST)
    stream = ChatStream(source)
    if limited:
        stream.limit(still, ends=600)
    await anext(stream)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del stream
        gc.collect()
    (warning,) = caught
    assert warning.category is ResourceWarning and str(warning.message).endswith("; use `async with`")
    assert isinstance(warning.source, ChatStream)  # tracemalloc knows where it was made
    assert source.aborted == 1 and still.pending == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_dropped_stream_releases_its_connection_where_warnings_are_errors():
    source = Source(A, LAST)
    ChatStream(source)
    gc.collect()
    assert source.aborted == 1


async def test_a_stream_that_ended_is_dropped_in_silence():
    told = Told(A, LAST)
    await read(told.stream)
    del told.stream
    gc.collect()
    assert told.source.aborted == 0


# --- cancellation at every step ---


@pytest.mark.parametrize("commits", [False, True], ids=["read", "committed-first"])
async def test_a_cancellation_at_any_step_of_reading_ends_the_stream_once(at_every_step, commits):
    def scene():
        told = Told(HEAD, A, B, LAST)

        async def reader():
            if commits:
                await told.stream.commit()
            async with told.stream as stream:
                await read(stream)

        def verify(task):
            if not told.ends:  # cancelled before it began to run
                assert task.cancelled() and told.source.given == 0
                told.stream._end = ...  # nobody has it: let it go in silence
                return
            assert told.source.events == ["source closed", "inner told", "outer told"]
            assert {end.outcome for end in told.ends} == {
                "completed" if told.ends[0].response.finish_reason else "cancelled"
            }

        return reader(), verify

    assert await at_every_step(scene) > 30


async def test_a_cancellation_at_any_step_of_an_answer_in_one_chunk_ends_the_stream_once(at_every_step):
    """A layer commits, and is cancelled while the source closes after its only chunk."""

    def scene():
        told = Told(evolve(LAST, content="a"))

        def verify(task):
            if task.cancelled() and not told.source.events:
                told.stream._end = ...
                return
            if task.cancelled():
                assert told.source.events == ["source closed", "inner told", "outer told"]
            else:
                assert told.source.events == ["source closed"]
                told.stream._end = ...

        return told.stream.commit(), verify

    assert await at_every_step(scene) > 8
