"""The core: what a provider is, the ways to write a middleware, and one logical call."""

from __future__ import annotations

import asyncio

import pytest
from attrs import evolve

from aiclient.composition import compose
from aiclient.context import CallContext, Timeouts
from aiclient.ends import End
from aiclient.errors import ServerError, StreamInterruptedError, UnsupportedFeatureError
from aiclient.messages import Message
from aiclient.opening import collect
from aiclient.provider import BaseProvider, Identified, Layer, ProviderInfo, Wrapper, begin, observed, opened
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest
from aiclient.response import Attempt, CallWarning, ChatResponse, EmbeddingResponse
from aiclient.stream import ChatStream
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

REQUEST = ChatRequest([Message("user", "hi")])
EMBED = EmbeddingRequest("hi")
ATTEMPT, WARNING = Attempt(number=1, provider="mock"), CallWarning("dropped", "no seed", "seed", "mock")


async def chat(provider, request=REQUEST):
    return await provider.chat(request)


async def stream(provider, request=REQUEST):
    return await collect(provider.chat_stream(request))


async def embed(provider, request=EMBED):
    return await provider.embeddings(request)


PATHS = pytest.mark.parametrize("call", [chat, stream, embed], ids=["chat", "stream", "embeddings"])


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


# --- Wrapper ---


class Broken(MockProvider):
    def validate_config(self):
        raise ServerError("not today")


@PATHS
async def test_a_wrapper_forwards_every_call(call):
    mock = MockProvider("yes")
    assert await call(Wrapper(mock)) == await call(MockProvider("yes"))
    assert mock.calls == 1


async def test_a_wrapper_forwards_name_check_and_close():
    mock = Broken(name="inner")
    wrapper = Wrapper(mock)
    assert wrapper.name == "inner"
    with pytest.raises(ServerError):
        wrapper.validate_config()
    await wrapper.close()
    assert mock.closed == 1


async def passed(self, request, /):
    raise AssertionError


@pytest.mark.parametrize(
    ("written", "forgotten"),
    [
        (["chat"], ["chat_stream", "embeddings"]),
        (["chat", "chat_stream"], ["embeddings"]),
        (["embeddings"], ["chat", "chat_stream"]),
        (["chat_stream"], ["chat", "embeddings"]),
    ],
    ids=["chat", "chat-and-stream", "embeddings", "stream"],
)
def test_a_wrapper_that_forgets_a_path_is_refused_by_name(written, forgotten):
    with pytest.raises(TypeError, match=f"Mine overrides some of.*bypassed by {', '.join(forgotten)}"):
        type("Mine", (Wrapper,), dict.fromkeys(written, passed))
    type("Mine", (Wrapper,), dict.fromkeys(written, passed) | {"passes": frozenset(forgotten)})


def test_a_wrapper_of_a_complete_wrapper_may_override_one_path():
    complete = type("Complete", (Wrapper,), dict.fromkeys(("chat", "chat_stream", "embeddings"), passed))
    type("Special", (complete,), {"chat": passed})


def test_a_wrapper_that_overrides_nothing_is_fine():
    type("Named", (Wrapper,), {"name": "other"})


# --- Layer ---


class Recorder(Layer):
    """Writes down what passes through it."""

    def __init__(self):
        self.requests, self.inner, self.ends = [], [], []

    async def around(self, request, inner, call_next):
        self.requests.append(request)
        self.inner.append(inner)
        return await observed(call_next(request), self.end)

    async def end(self, end):
        self.ends.append(end)


@PATHS
async def test_around_serves_every_path(call):
    layer, mock = Recorder(), MockProvider()
    await call(layer(mock))
    assert len(layer.requests) == mock.calls == 1 and layer.inner == [mock]
    assert [end.outcome for end in layer.ends] == ["completed"]


@PATHS
async def test_a_layer_that_overrides_nothing_changes_nothing(call):
    assert await call(Layer()(MockProvider("x"))) == await call(MockProvider("x"))


@PATHS
async def test_a_request_always_has_its_context_inside_a_layer(call):
    layer = Recorder()
    await call(layer(MockProvider()))
    assert layer.requests[0].context is not None
    assert REQUEST.context is None and EMBED.context is None


@PATHS
async def test_nested_layers_share_one_context(call):
    outer, inner, mock = Recorder(), Recorder(), MockProvider()
    await call(compose([outer, inner], mock))
    assert outer.requests[0].context is inner.requests[0].context is mock.requests[0].context


@PATHS
async def test_two_sends_of_one_request_get_two_contexts(call):
    layer, mock = Recorder(), MockProvider()
    for _ in range(2):
        await call(layer(mock))
    assert layer.requests[0].context is not layer.requests[1].context


async def test_a_layer_may_override_one_path_alone():
    class Shout(Layer):
        async def chat(self, request, inner):
            response = await inner.chat(request)
            return evolve(response, message=Message("assistant", response.message.content.upper()))

    provider = Shout()(MockProvider("x"))
    assert ((await chat(provider)).message.content, (await stream(provider)).message.content) == ("X", "x")


async def test_one_layer_serves_several_providers():
    layer, mocks = Recorder(), [MockProvider("a"), MockProvider("b")]
    for mock in mocks:
        await chat(layer(mock))
    assert layer.inner == mocks


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
    answer = await call(compose([Recorder(), Recorder()], journalled()))
    assert (answer.attempts, answer.warnings) == ((ATTEMPT,), (WARNING,))


@PATHS
async def test_attempts_are_put_on_the_error(call):
    error = ServerError("down")
    with pytest.raises(ServerError) as caught:
        await call(compose([Recorder(), Recorder()], journalled(error=error)))
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
    assert await chat(Recorder()(MockProvider(answer))) is answer


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


async def test_a_cancellation_at_any_step_is_told_once_to_every_layer(at_every_step):
    def scene():
        layers = [Recorder(), Recorder()]

        async def slow(_):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return "x"

        def verify(task):
            for layer in layers:
                assert len(layer.ends) == len(layer.requests)
                assert task.cancelled() or layer.ends[0].outcome == "completed"

        return chat(compose(layers, MockProvider(slow))), verify

    assert await at_every_step(scene) > 8


def test_identity_is_a_protocol_of_its_own():
    assert isinstance(MockProvider(), Identified) and not isinstance(Parrot(), Identified)
    assert ProviderInfo("a") == ProviderInfo("a", None, None, None, None)


def test_a_layered_provider_is_shown_with_what_is_inside_it():
    class Named(Layer):
        def __repr__(self):
            return "Named()"

    class Known(BaseProvider):
        def __repr__(self):
            return "known"

    assert repr(compose([Named(), Named()], Known())) == "<Named() around <Named() around known>>"
