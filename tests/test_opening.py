"""Streams that are about to be opened, and the ways between a stream and an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.chunks import ChatStreamChunk
from aiclient.errors import ServerError, StreamInterruptedError
from aiclient.messages import Citation, ImagePart, Message, OpaquePart, ReasoningPart, RefusalPart, TextPart, ToolCall
from aiclient.opening import OpenStream, collect, replay
from aiclient.response import Attempt, ChatResponse, Choice, Usage
from aiclient.stream import ChatStream

pytestmark = pytest.mark.anyio

ANSWER = ChatResponse(
    Message("assistant", [ReasoningPart("think", "s"), "Paris", ToolCall("c1", "f", "{}"), ImagePart(url="u")]),
    "tool_calls",
    "tool_use",
    Usage(prompt_tokens=3, completion_tokens=4),
    "r1",
    "m",
    "p",
    logprobs=[1, 2],
    attempts=(Attempt(number=1, provider="p"),),
    cached=True,
    request_id="q",
    alternatives=(Choice(Message("assistant", "Lyon"), "length", "max"),),
    metadata={"k": 1},
)


class Opener:
    """Opens a stream when it is asked to, and counts."""

    def __init__(self, error=None):
        self.opened = 0
        self.error = error
        self.stream = None

    async def __call__(self):
        self.opened += 1
        if self.error is not None:
            raise self.error
        self.stream = replay(ANSWER)
        return self.stream


async def test_nothing_is_opened_before_it_is_awaited_or_entered():
    opener = Opener()
    OpenStream(opener)
    assert opener.opened == 0


async def test_awaiting_gives_the_stream_to_hold():
    opener = Opener()
    stream = await OpenStream(opener)
    assert stream is opener.stream and opener.opened == 1
    await stream.close()


async def test_entering_gives_the_stream_and_leaving_closes_it():
    opener = Opener()
    async with OpenStream(opener) as stream:
        assert stream is opener.stream and stream.end is None
    assert stream.end.outcome == "abandoned" and opener.opened == 1


async def test_an_error_while_opening_comes_out_of_either_way():
    with pytest.raises(ServerError):
        await OpenStream(Opener(ServerError()))
    with pytest.raises(ServerError):
        async with OpenStream(Opener(ServerError())):
            raise AssertionError


async def test_an_error_of_the_reader_comes_out_and_the_stream_is_closed():
    opener = Opener()
    with pytest.raises(KeyError):
        async with OpenStream(opener):
            raise KeyError
    assert opener.stream.end.outcome == "abandoned"


async def test_collect_reads_to_the_end_and_gives_the_answer():
    opener = Opener()
    assert await collect(opener()) == ANSWER
    assert opener.stream.end.outcome == "completed"


async def test_collect_closes_a_stream_that_fails():
    async def broken():
        yield ChatStreamChunk(content="a")
        raise ServerError

    stream = ChatStream(broken())

    async def opening():
        return stream

    with pytest.raises(StreamInterruptedError, match="broke off"):
        await collect(opening())
    assert stream.end.outcome == "failed"


async def test_a_replayed_answer_is_the_answer():
    stream = replay(ANSWER)
    chunks = [chunk async for chunk in stream]
    assert stream.response == ANSWER
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert "".join(chunk.content for chunk in chunks if chunk.choice == 0) == "Paris"


async def test_a_replayed_answer_without_content_has_an_end():
    answer = ChatResponse(Message("assistant"), "stop")
    assert await collect(opened(replay(answer))) == answer


async def test_a_replay_gives_the_pieces_that_a_service_would_stream():
    parts = [
        ReasoningPart("think", "seal", origin="v"),
        TextPart("a"),
        TextPart("b", (Citation(url="u"),), origin="v", provider_data={"x": 1}),
        RefusalPart("no"),
        ToolCall("1", "look", "{}", origin="v", provider_data={"y": 2}),
        ToolCall("2", "look", "{}"),
        ImagePart(url="u"),
    ]
    answer = ChatResponse(Message("assistant", parts), "tool_calls")
    stream = replay(answer)
    chunks = [chunk async for chunk in stream]
    assert [chunk.reasoning for chunk in chunks[:1]] == ["think"]
    assert [chunk.content for chunk in chunks[1:3]] == ["a", "b"] and chunks[2].citations == (Citation(url="u"),)
    assert chunks[3].refusal == "no"
    assert [chunk.tool_calls[0].id for chunk in chunks[4:6]] == ["1", "2"]
    assert chunks[6].parts == (ImagePart(url="u"),)
    assert stream.response == answer


@pytest.mark.parametrize(
    "part",
    [
        TextPart("a", origin="v"),  # an origin alone has no place beside a piece of text
        ReasoningPart("a", "seal"),  # nor has a seal without one
        ToolCall("1", "look", "{}", origin="v"),
        TextPart(""),
    ],
    ids=["text", "reasoning", "call", "empty"],
)
async def test_what_pieces_cannot_say_is_replayed_as_a_whole(part):
    answer = ChatResponse(Message("assistant", [part]), "tool_calls")
    stream = replay(answer)
    chunks = [chunk async for chunk in stream]
    assert chunks[0].parts == (part,) and stream.response == answer


async def test_a_reason_that_pieces_of_a_call_would_change_is_kept():
    answer = ChatResponse(Message("assistant", [ToolCall("1", "look", "{}")]), "stop")
    assert await collect(opened(replay(answer))) == answer


async def opened(stream):
    return stream


sourced = {"origin": st.none() | st.just("v"), "provider_data": st.none() | st.just({"x": 1})}
part = st.one_of(
    st.builds(TextPart, st.text(), st.sampled_from([(), (Citation(url="u"),)]), **sourced),
    st.builds(RefusalPart, st.text(), **sourced),
    st.builds(ReasoningPart, st.text(), st.none() | st.text(), **sourced),
    st.builds(ToolCall, st.text(), st.text(), st.text(), st.sampled_from(["function", "custom"]), **sourced),
    st.builds(OpaquePart, st.text(), st.integers()),
    st.just(ImagePart(url="u")),
)


@given(st.lists(part, max_size=5), st.sampled_from([None, "stop", "length", "tool_calls"]))
async def test_any_answer_survives_being_replayed(parts, reason):
    answer = ChatResponse(Message("assistant", parts), reason, usage=Usage(prompt_tokens=1))
    assert await collect(opened(replay(answer))) == answer
