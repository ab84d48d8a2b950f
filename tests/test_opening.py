"""Streams that are about to be opened, and the ways between a stream and an answer."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from aiclient.chunks import ChatStreamChunk
from aiclient.errors import ServerError
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

    with pytest.raises(Exception, match="broke off"):
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


async def test_text_is_replayed_as_text_unless_that_would_lose_something():
    plain, cited = TextPart("a"), TextPart("b", (Citation(url="u"),))
    marked = TextPart("c", origin="v", provider_data={"x": 1})
    answer = ChatResponse(Message("assistant", [plain, cited, marked]), "stop")
    stream = replay(answer)
    chunks = [chunk async for chunk in stream]
    assert [chunk.content for chunk in chunks] == ["a", "", "", ""]
    assert stream.response == answer


async def opened(stream):
    return stream


part = st.one_of(
    st.builds(TextPart, st.text(min_size=1), origin=st.none() | st.just("v")),
    st.builds(RefusalPart, st.text()),
    st.builds(ReasoningPart, st.text(), st.none() | st.text()),
    st.builds(OpaquePart, st.text(), st.integers()),
    st.just(ImagePart(url="u")),
)


@given(st.lists(part, max_size=5), st.sampled_from([None, "stop", "length"]))
async def test_any_answer_survives_being_replayed(parts, reason):
    answer = ChatResponse(Message("assistant", parts), reason, usage=Usage(prompt_tokens=1))
    replayed = await collect(opened(replay(answer)))
    assert replayed.message.content == answer.message.content
    assert evolve(replayed, message=answer.message) == answer
    others = [part for part in parts if not isinstance(part, TextPart)]
    assert [part for part in replayed.message.parts if not isinstance(part, TextPart)] == others
