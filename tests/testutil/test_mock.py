"""The provider of unit tests."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.chunks import ChatStreamChunk
from aiclient.errors import ConfigError, ServerError, StreamInterruptedError
from aiclient.messages import Message
from aiclient.opening import collect, replay
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest
from aiclient.response import ChatResponse, EmbeddingResponse, Usage
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

REQUEST = ChatRequest([Message("user", "Capital of France?")])
CHUNKS = (ChatStreamChunk(content="a"), ChatStreamChunk(content="b", finish_reason="stop", last=True))


async def chat(mock, request=REQUEST):
    return await mock.chat(request)


async def stream(mock, request=REQUEST):
    return await collect(mock.chat_stream(request))


PATHS = pytest.mark.parametrize("call", [chat, stream], ids=["chat", "stream"])


@PATHS
async def test_without_a_reply_it_answers_something(call):
    assert (await call(MockProvider())).message.content == "Mock response"


@PATHS
async def test_one_value_repeats_for_ever(call):
    mock = MockProvider("Paris")
    assert [(await call(mock)).message.content for _ in range(3)] == ["Paris"] * 3
    assert mock.calls == 3 and mock.requests == [REQUEST] * 3


async def plain(request):
    return f"you said {request.messages[-1].content}"


@PATHS
@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ("Paris", "Paris"),
        ("", ""),
        (ChatResponse(Message("assistant", "Lyon"), "stop"), "Lyon"),
        (CHUNKS, "ab"),
        (lambda request: request.messages[-1].content, "Capital of France?"),
        (plain, "you said Capital of France?"),
        (lambda _: CHUNKS, "ab"),
        (["one", "two"], "one"),
    ],
    ids=["text", "empty", "response", "chunks", "function", "async-function", "function-of-chunks", "script"],
)
async def test_every_kind_of_reply_is_given_whole_and_as_a_stream(call, reply, text):
    assert (await call(MockProvider(reply))).message.content == text


@PATHS
async def test_an_error_is_raised_anew_for_every_call(call):
    error = ServerError("down", status_code=500, retry_after=2.0)
    error.__cause__ = KeyError("why")
    mock = MockProvider(error)
    raised = []
    for _ in range(2):
        with pytest.raises(ServerError, match="down") as caught:
            await call(mock)
        caught.value.attempts = ("of this call",)
        raised.append(caught.value)
    assert raised[0] is not raised[1] and error.attempts == ()
    assert (raised[0].retry_after, raised[0].status_code, raised[0].__cause__) == (2.0, 500, error.__cause__)


@PATHS
async def test_a_script_is_used_up_in_order_and_says_when_it_is_empty(call):
    mock = MockProvider(["one", ServerError(), "two"])
    assert (await call(mock)).message.content == "one"
    with pytest.raises(ServerError):
        await call(mock)
    assert (await call(mock)).message.content == "two"
    with pytest.raises(ConfigError, match="the script of 'mock' held 3 replies, and all have been given"):
        await call(mock)


async def test_an_empty_script_is_empty_from_the_start():
    with pytest.raises(ConfigError, match="held 0 replies"):
        await chat(MockProvider([]))


async def test_an_error_among_the_chunks_breaks_the_stream_off():
    with pytest.raises(StreamInterruptedError) as caught:
        await stream(MockProvider((ChatStreamChunk(content="a"), ServerError("down"))))
    assert caught.value.partial.message.content == "a"


async def test_an_error_among_the_chunks_is_raised_anew_for_every_stream():
    mock = MockProvider((ServerError("down"),))
    for _ in range(2):
        with pytest.raises(ServerError) as caught:
            await stream(mock)
        assert caught.value.attempts == ()
        caught.value.attempts = ("of this call",)


async def test_chunks_without_an_end_mark_are_a_truncated_stream():
    with pytest.raises(StreamInterruptedError):
        await stream(MockProvider((ChatStreamChunk(content="a"),)))


@PATHS
@pytest.mark.parametrize(
    "reply", [5, ValueError("x"), EmbeddingResponse([[1.0]]), [["nested"]]], ids=["number", "bug", "vectors", "list"]
)
async def test_another_kind_of_reply_is_refused(call, reply):
    with pytest.raises(ConfigError, match="a mock cannot answer with"):
        await call(MockProvider(reply))


async def test_text_streams_word_by_word_with_usage():
    chunks = [chunk async for chunk in await MockProvider("a bc  d").chat_stream(REQUEST)]
    assert [chunk.content for chunk in chunks] == ["", "a ", "bc ", " ", "d", ""]
    assert chunks[-1].last and chunks[-1].usage == Usage(prompt_tokens=3, completion_tokens=3)


@given(st.text(max_size=30))
async def test_a_streamed_text_is_the_text(text):
    assert await stream(MockProvider(text)) == await chat(MockProvider(text))


@PATHS
async def test_an_answer_has_usage_an_id_and_the_model_asked_for(call):
    answer = await call(MockProvider("one two"), ChatRequest(REQUEST.messages, ChatOptions(model="big")))
    assert (answer.usage, answer.model, answer.finish_reason) == (
        Usage(prompt_tokens=3, completion_tokens=2),
        "big",
        "stop",
    )
    assert answer.id == "mock-1" and (await call(MockProvider(model="small"))).model == "small"


async def test_functions_of_their_own_for_each_path():
    mock = MockProvider(
        chat_func=lambda _: "whole",
        chat_stream_func=lambda _: "streamed",
        embeddings_func=lambda _: EmbeddingResponse([[1.0]]),
    )
    assert (await chat(mock)).message.content == "whole"
    assert (await stream(mock)).message.content == "streamed"
    assert (await mock.embeddings(EmbeddingRequest("x"))).vectors == EmbeddingResponse([[1.0]]).vectors
    assert mock.calls == 3


async def test_a_stream_function_may_give_a_stream():
    given_stream = replay(ChatResponse(Message("assistant", "mine"), "stop"))
    assert await MockProvider(chat_stream_func=lambda _: given_stream).chat_stream(REQUEST) is given_stream
    await given_stream.close()


async def test_functions_may_be_async_and_may_raise():
    async def failing(_):
        raise ServerError

    mock = MockProvider(chat_func=failing, embeddings_func=failing)
    with pytest.raises(ServerError):
        await chat(mock)
    with pytest.raises(ServerError):
        await mock.embeddings(EmbeddingRequest("x"))


async def test_vectors_are_deterministic_and_of_length_one():
    mock = MockProvider()
    one, two, again = (await mock.embeddings(EmbeddingRequest(["a", "b c", "a"]))).vectors
    assert one == again != two and len(one) == 8
    assert math.isclose(math.hypot(*two), 1, rel_tol=1e-6)
    answer = await mock.embeddings(EmbeddingRequest("a b", dimensions=3, model="e"))
    assert len(answer.vector) == 3 and (answer.model, answer.usage.prompt_tokens) == ("e", 2)


async def test_an_error_is_the_answer_to_embeddings_too():
    error = ServerError("down")
    with pytest.raises(ServerError) as caught:
        await MockProvider(error).embeddings(EmbeddingRequest("x"))
    assert caught.value is not error


async def test_an_embeddings_function_of_another_kind_is_refused():
    with pytest.raises(ConfigError):
        await MockProvider(embeddings_func=lambda _: [[1.0]]).embeddings(EmbeddingRequest("x"))


async def test_it_says_who_it_is_and_counts_its_closings():
    mock = MockProvider(name="first", model="m")
    mock.validate_config()
    await mock.close()
    await mock.close()
    assert (mock.name, mock.info.name, mock.info.vendor, mock.info.model, mock.closed) == (
        "first",
        "first",
        "mock",
        "m",
        2,
    )


async def test_many_tasks_may_share_one_mock():
    mock = MockProvider([str(number) for number in range(100)])
    answers = await asyncio.gather(*(chat(mock) for _ in range(100)))
    assert [answer.message.content for answer in answers] == [str(number) for number in range(100)]
