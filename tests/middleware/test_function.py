"""A middleware from one async function."""

from __future__ import annotations

import pytest
from attrs import evolve

from aiclient.composition import compose
from aiclient.errors import ConfigError, ServerError, UnsupportedFeatureError
from aiclient.layer import Layer
from aiclient.messages import Message
from aiclient.middleware import middleware
from aiclient.opening import collect
from aiclient.provider import observed
from aiclient.request import ChatRequest, EmbeddingRequest
from aiclient.response import ChatResponse, EmbeddingResponse
from aiclient.stream import ChatStream
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

REQUEST = ChatRequest([Message("user", "hi")])
EMBED = EmbeddingRequest("hi")


class Ends(Layer):
    def __init__(self):
        self.outcomes = []

    async def around(self, request, inner, call_next):
        async def tell(end):
            self.outcomes.append(end.outcome)

        return await observed(call_next(request), tell)


async def shout(request, call_next):
    response = await call_next(request)
    return evolve(response, message=Message("assistant", response.message.content.upper()))


async def forgets(request, call_next):
    await call_next(request)


@pytest.mark.parametrize("mode", ["", "all", None, True])
def test_another_way_with_streams_is_refused(mode):
    with pytest.raises(ConfigError, match="must be 'open', 'buffer', 'skip' or 'reject'"):
        middleware(stream=mode)


def test_the_way_with_streams_has_no_default():
    with pytest.raises(TypeError):
        middleware()


@pytest.mark.parametrize("mode", ["open", "buffer", "skip", "reject"])
def test_what_is_not_a_function_is_refused(mode):
    with pytest.raises(ConfigError, match="takes an async function, not int"):
        middleware(stream=mode)(5)


def test_the_middleware_keeps_the_function_s_name_and_docstring():
    async def mine(request, call_next):
        """What mine does."""

    made = middleware(stream="open")(mine)
    assert (made.__name__, made.__doc__, made.__wrapped__) == ("mine", "What mine does.", mine)


@pytest.mark.parametrize("mode", ["buffer", "skip", "reject"])
async def test_the_function_runs_around_a_chat_call(mode):
    provider = middleware(stream=mode)(shout)(MockProvider("yes"))
    assert (await provider.chat(REQUEST)).message.content == "YES"


@pytest.mark.parametrize("mode", ["buffer", "skip", "reject"])
async def test_embeddings_pass_by_a_function_of_chat(mode):
    provider = middleware(stream=mode)(forgets)(MockProvider())
    assert isinstance(await provider.embeddings(EMBED), EmbeddingResponse)


async def test_open_gives_the_stream_and_serves_every_path():
    seen = []

    @middleware(stream="open")
    async def watch(request, call_next):
        result = await call_next(request)
        seen.append(type(result))
        return result

    provider = watch(MockProvider("yes"))
    await provider.chat(REQUEST)
    await collect(provider.chat_stream(REQUEST))
    await provider.embeddings(EMBED)
    assert seen == [ChatResponse, ChatStream, EmbeddingResponse]


async def test_open_hands_on_the_same_stream():
    given = await MockProvider("yes").chat_stream(REQUEST)

    @middleware(stream="open")
    async def watch(request, call_next):
        return await call_next(request)

    assert await watch(MockProvider(chat_stream_func=lambda _: given)).chat_stream(REQUEST) is given
    await given.close()


async def test_buffer_runs_around_the_whole_answer_and_replays_it():
    ends = Ends()
    provider = compose([middleware(stream="buffer")(shout), ends], MockProvider("yes sir"))
    assert (await collect(provider.chat_stream(REQUEST))).message.content == "YES SIR"
    assert ends.outcomes == ["completed"]


async def test_buffer_may_ask_again():
    @middleware(stream="buffer")
    async def twice(request, call_next):
        await call_next(request)
        return await call_next(request)

    mock = MockProvider(["one", "two"])
    assert (await collect(twice(mock).chat_stream(REQUEST))).message.content == "two"


async def test_skip_lets_streams_pass():
    provider = middleware(stream="skip")(shout)(MockProvider("yes"))
    assert (await collect(provider.chat_stream(REQUEST))).message.content == "yes"


async def test_reject_refuses_streams_by_the_function_s_name():
    provider = middleware(stream="reject")(shout)(MockProvider("yes"))
    with pytest.raises(UnsupportedFeatureError, match="the middleware shout does not take streams"):
        await provider.chat_stream(REQUEST)


@pytest.mark.parametrize(
    ("mode", "call", "expected"),
    [
        ("buffer", lambda p: p.chat(REQUEST), "ChatResponse"),
        ("buffer", lambda p: p.chat_stream(REQUEST), "ChatResponse"),
        ("skip", lambda p: p.chat(REQUEST), "ChatResponse"),
        ("open", lambda p: p.chat(REQUEST), "ChatResponse or ChatStream or EmbeddingResponse"),
        ("open", lambda p: p.embeddings(EMBED), "ChatResponse or ChatStream or EmbeddingResponse"),
    ],
    ids=["buffer", "buffer-stream", "skip", "open", "open-embeddings"],
)
async def test_a_forgotten_return_is_said_by_name(mode, call, expected):
    provider = middleware(stream=mode)(forgets)(MockProvider())
    with pytest.raises(ConfigError, match=f"the middleware forgets returned NoneType, not {expected}: is a"):
        await call(provider)


async def test_a_function_that_returns_a_stream_for_an_answer_is_refused():
    stream = await MockProvider().chat_stream(REQUEST)

    @middleware(stream="buffer")
    async def wrong(request, call_next):
        return stream

    with pytest.raises(ConfigError, match="returned ChatStream, not ChatResponse"):
        await wrong(MockProvider()).chat(REQUEST)
    await stream.close()


async def test_a_stream_that_an_open_function_loses_is_closed():
    ends = Ends()
    provider = compose([middleware(stream="open")(forgets), ends], MockProvider("yes"))
    with pytest.raises(ConfigError, match="is a `return` missing"):
        await provider.chat_stream(REQUEST)
    assert ends.outcomes == ["abandoned"]


async def test_an_open_function_that_raises_after_the_opening_closes_the_stream():
    @middleware(stream="open")
    async def fails(request, call_next):
        await call_next(request)
        raise KeyError("a bug")

    ends = Ends()
    provider = compose([fails, ends], MockProvider("yes"))
    with pytest.raises(KeyError):
        await provider.chat_stream(REQUEST)
    assert ends.outcomes == ["abandoned"]


@pytest.mark.parametrize("mode", ["open", "buffer"])
async def test_an_error_before_the_first_output_comes_through(mode):
    async def through(request, call_next):
        return await call_next(request)

    provider = middleware(stream=mode)(through)(MockProvider(ServerError("down")))
    for call in (provider.chat(REQUEST), collect(provider.chat_stream(REQUEST))):
        with pytest.raises(ServerError):
            await call


async def test_a_callable_object_is_a_function_too():
    class Shouter:
        async def __call__(self, request, call_next):
            return None

    with pytest.raises(ConfigError, match=r"the middleware .* returned NoneType"):
        await middleware(stream="skip")(Shouter())(MockProvider()).chat(REQUEST)
