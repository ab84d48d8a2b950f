"""The core: what a provider is, and one logical call."""

from __future__ import annotations

import asyncio

import pytest
from attrs import evolve

from aiclient.composition import compose
from aiclient.context import CallContext, Timeouts
from aiclient.ends import End
from aiclient.errors import ServerError, StreamInterruptedError, UnsupportedFeatureError
from aiclient.layer import Layer
from aiclient.messages import Message
from aiclient.provider import BaseProvider, Identified, ProviderInfo, begin, observed, opened
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest
from aiclient.response import Attempt, CallWarning, ChatResponse, EmbeddingResponse
from aiclient.stream import ChatStream
from aiclient.testutil.mock import MockProvider

from .paths import EMBED, PATHS, REQUEST, chat, stream

pytestmark = pytest.mark.anyio

ATTEMPT, WARNING = Attempt(number=1, provider="mock"), CallWarning("dropped", "no seed", "seed", "mock")


# --- BaseProvider ---


class Parrot(BaseProvider):
    name = "parrot"

    async def chat(self, request, /):
        return ChatResponse(request.messages[-1], "stop")


async def test_a_provider_of_one_method_answers_and_streams():
    assert (await Parrot().chat(REQUEST)).message.content == "hi"
    assert (await stream(Parrot())).message.content == "hi"


async def test_what_a_provider_does_not_override_is_refused_with_its_name():
    with pytest.raises(UnsupportedFeatureError, match="parrot does not embed texts") as caught:
        await Parrot().embeddings(EMBED)
    assert caught.value.provider == "parrot"
    with pytest.raises(UnsupportedFeatureError, match="custom does not answer chat requests"):
        await BaseProvider().chat(REQUEST)


async def test_a_provider_has_nothing_to_validate_or_to_close():
    Parrot().validate_config()
    await Parrot().close()
    await Parrot().close()


# --- begin ---


async def test_begin_opens_a_context_and_leaves_the_caller_s_request_alone():
    request, context = begin(REQUEST)
    assert request.context is context and REQUEST.context is None and request == REQUEST


async def test_begin_keeps_the_context_there_is():
    first, context = begin(REQUEST)
    again, same = begin(first, CallContext())
    assert again is first and same is context


async def test_begin_takes_what_the_options_say():
    options = ChatOptions(
        timeout=Timeouts(total=7, idle=1), tags={"team": "a"}, tenant="t", cache="refresh", strict=True
    )
    _, context = begin(ChatRequest(REQUEST.messages, options))
    assert (context.timeouts, context.tags, context.tenant) == (Timeouts(total=7, idle=1), {"team": "a"}, "t")
    assert (context.cache, context.strict) == ("refresh", True)


async def test_begin_adds_the_options_to_a_prepared_context(clock):
    clock.advance(100)
    prepared = CallContext(
        clock=clock, tags={"app": "x", "team": "b"}, tenant="p", strict=True, timeouts=Timeouts(idle=3)
    )
    _, context = begin(ChatRequest(REQUEST.messages, ChatOptions(tags={"team": "a"}, timeout=7)), prepared)
    assert context is prepared and context.tags == {"app": "x", "team": "a"}
    assert (context.tenant, context.strict) == ("p", True)
    assert context.timeouts == Timeouts(total=7, idle=3) and context.deadline == 107


async def test_begin_takes_what_an_embedding_request_says(clock):
    request = EmbeddingRequest("x", timeout=Timeouts(total=3), tags={"a": "b"})
    _, context = begin(request, CallContext(clock=clock))
    assert (context.deadline, context.tags, context.cache) == (3, {"a": "b"}, "use")


@pytest.mark.parametrize(("given", "total", "deadline"), [(None, None, None), (None, 5, 5), (2.0, 5, 2.0)])
async def test_the_deadline_is_the_total_unless_one_is_set(clock, given, total, deadline):
    prepared = CallContext(clock=clock, deadline=given, timeouts=Timeouts(total=total))
    assert begin(REQUEST, prepared)[1].deadline == deadline


# --- opened ---


def journalled(mock_reply=None, error=None):
    """A provider that writes one attempt and one warning, as the innermost layer and a leaf would."""

    class Journalling(Layer):
        async def around(self, request, inner, call_next):
            request.context.journal.append(ATTEMPT)
            request.context.warnings.append(WARNING)
            if error is not None:
                raise error
            return await call_next(request)

    return Journalling()(MockProvider(mock_reply))


@PATHS
async def test_attempts_and_warnings_are_put_on_the_answer_once(call):
    answer = await call(compose([Layer(), Layer()], journalled()))
    assert (answer.attempts, answer.warnings) == ((ATTEMPT,), (WARNING,))


@PATHS
async def test_attempts_are_put_on_the_error(call):
    error = ServerError("down")
    with pytest.raises(ServerError) as caught:
        await call(compose([Layer(), Layer()], journalled(error=error)))
    assert caught.value is error and error.attempts == (ATTEMPT,)


async def test_attempts_are_put_on_the_error_of_a_stream_that_breaks_off():
    chunks = (*(await chunks_of("a b")), ServerError("down"))
    with pytest.raises(StreamInterruptedError, match="broke off") as caught:
        await stream(journalled(chunks))
    assert caught.value.attempts == (ATTEMPT,)


async def chunks_of(text):
    opened_stream = await MockProvider(text).chat_stream(REQUEST)
    return [chunk async for chunk in opened_stream][:-1]


async def test_warnings_of_a_leaf_and_of_the_context_are_both_kept():
    own = CallWarning("x", "y")
    provider = journalled(ChatResponse(Message("assistant", "a"), "stop", warnings=(own,)))
    assert (await chat(provider)).warnings == (own, WARNING)
    assert (await stream(provider)).warnings == (own, WARNING)


async def test_without_a_journal_the_answer_is_passed_as_it_is():
    answer = ChatResponse(Message("assistant", "a"), "stop", attempts=(ATTEMPT,))
    assert await chat(Layer()(MockProvider(answer))) is answer


async def test_an_error_raised_by_two_calls_carries_the_journal_of_the_latest():
    error = ServerError("down")
    provider = journalled(error=error)
    for _ in range(2):
        with pytest.raises(ServerError):
            await chat(provider)
    assert error.attempts == (ATTEMPT,)


async def test_a_prepared_context_is_used():
    context = CallContext(tenant="t")
    mock = MockProvider()
    await opened(REQUEST, mock.chat, context)
    assert mock.requests[0].context is context


# --- observed ---


async def observe(call):
    """Await `call` observed; returns what came out and what was told."""
    ends = []

    async def tell(end):
        ends.append(end)

    try:
        return await observed(call, tell), ends
    except BaseException as error:  # cancellation too: what came out is what is tested
        return error, ends


async def value(result):
    if isinstance(result, BaseException):
        raise result
    return result


async def test_an_answer_is_told_at_once():
    answer = ChatResponse(Message("assistant"))
    assert await observe(value(answer)) == (answer, [End("completed", answer)])


@pytest.mark.parametrize("error", [ServerError("x"), KeyError("a bug")], ids=["error", "bug"])
async def test_an_error_is_told_at_once_and_raised_as_it_is(error):
    assert await observe(value(error)) == (error, [End("failed", None, error)])


async def test_an_error_is_told_with_what_had_come():
    partial = ChatResponse(Message("assistant", "so far"))
    error = ServerError("x", partial=partial)
    assert (await observe(value(error)))[1] == [End("failed", partial, error)]


async def test_a_cancellation_is_told_at_once_and_goes_through():
    error = asyncio.CancelledError()
    assert await observe(value(error)) == (error, [End("cancelled", None, error)])


async def test_a_stream_is_told_when_it_closes():
    stream, ends = await observe(MockProvider("a").chat_stream(REQUEST))
    assert ends == []
    await stream.close()
    await stream.close()
    assert [end.outcome for end in ends] == ["abandoned"]


async def test_a_stream_that_an_inner_layer_has_read_to_its_end_is_told_at_once():
    stream = await MockProvider("a").chat_stream(REQUEST)
    async for _ in stream:
        pass
    assert await observe(value(stream)) == (stream, [stream.end])


async def test_the_answer_can_be_amended():
    async def amend(end):
        return evolve(end.response, provider="amended")

    assert (await observed(value(ChatResponse(Message("assistant"))), amend)).provider == "amended"
    assert (await observed(value(EmbeddingResponse([[1.0]])), amend)).provider == "amended"
    stream = await observed(MockProvider("a").chat_stream(REQUEST), amend)
    async for _ in stream:
        pass
    assert isinstance(stream, ChatStream) and stream.response.provider == "amended"


def test_identity_is_a_protocol_of_its_own():
    assert isinstance(MockProvider(), Identified) and not isinstance(Parrot(), Identified)
    assert ProviderInfo("a") == ProviderInfo("a", None, None, None, None)
