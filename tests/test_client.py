"""The client: chain, calls, derivation and closing, on mocks."""

from __future__ import annotations

import asyncio
import gc
from decimal import Decimal

import pytest

import aiclient
from aiclient import (
    AIClientWarning,
    AsyncClient,
    BaseProvider,
    CallWarning,
    ChatRequest,
    ChatStreamChunk,
    ClientClosedError,
    ConfigError,
    EmbeddingRequest,
    EmptyMessagesError,
    InvalidMessageError,
    InvalidProviderError,
    Layer,
    Message,
    ServerError,
    StreamClosedError,
    Timeouts,
)
from aiclient.middleware import Logging, Retry
from aiclient.pricing import DictPrices
from aiclient.testutil import FakeClock, MockProvider, fixtures

pytestmark = pytest.mark.anyio


class Named(Layer):
    """Writes its name down around every call."""

    def __init__(self, name, seen):
        self.name, self.seen = name, seen

    async def around(self, request, inner, call_next):
        self.seen.append(f"{self.name} in")
        result = await call_next(request)
        self.seen.append(f"{self.name} out")
        return result


class Hanging(BaseProvider):
    """Never answers, and says when it was asked and when it was released."""

    name = "hanging"

    def __init__(self):
        self.asked = asyncio.Event()
        self.released = 0

    async def chat(self, request, /):
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.released += 1
        raise AssertionError


class Dripping:
    """A source that gives one chunk and then waits for ever."""

    def __init__(self):
        self.given = False
        self.closed = 0

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.given:
            self.given = True
            return ChatStreamChunk(content="first")
        await asyncio.Event().wait()
        raise AssertionError

    async def aclose(self):
        self.closed += 1


async def test_the_first_layer_used_is_the_outermost_and_a_later_use_goes_inside():
    seen = []
    client = AsyncClient(MockProvider()).use(Named("a", seen), Named("b", seen))
    client.use(Named("c", seen))
    await client.chat("hi")
    assert seen == ["a in", "b in", "c in", "c out", "b out", "a out"]


async def test_use_returns_the_client_and_lists_its_layers():
    client = AsyncClient(MockProvider())
    layer = Retry()
    assert client.use(layer) is client
    assert client.middleware == (layer,)


async def test_a_refused_layer_changes_nothing():
    client = AsyncClient(MockProvider()).use(Retry())
    before = client.inner
    with pytest.raises(ConfigError, match=r"layer 1 .*returned NoneType"):
        client.use(lambda provider: None)
    assert client.inner is before
    assert len(client.middleware) == 1


async def test_remove_takes_a_layer_out_by_identity():
    first, second = Logging(), Logging()
    client = AsyncClient(MockProvider()).use(first, second)
    assert client.remove(second).middleware == (first,)
    with pytest.raises(ConfigError, match="not in this client's chain"):
        client.remove(second)


async def test_a_call_in_flight_finishes_on_the_chain_it_began_with():
    seen, release = [], asyncio.Event()

    async def answer(request):
        await release.wait()
        return "done"

    client = AsyncClient(MockProvider(answer))
    call = asyncio.create_task(client.chat("hi"))
    await asyncio.sleep(0)
    client.use(Named("late", seen))
    release.set()
    assert (await call).message.content == "done"
    assert seen == []


async def test_a_derived_client_puts_its_layers_outside_the_parents():
    seen = []
    parent = AsyncClient(MockProvider()).use(Named("parent", seen))
    child = parent.derive(Named("child", seen))
    await child.chat("hi")
    assert seen == ["child in", "parent in", "parent out", "child out"]
    assert parent.middleware != child.middleware


async def test_a_derived_client_says_each_warning_once():
    def answer(request):
        request.context.warnings.append(CallWarning("unsupported_setting", "no seed here", "seed"))
        return fixtures.chat_response("hi")

    response = await AsyncClient(MockProvider(answer)).derive().derive().chat("hi")
    assert [warning.setting for warning in response.warnings] == ["seed"]


async def test_closing_a_derived_client_leaves_the_parent_open():
    mock = MockProvider()
    parent = AsyncClient(mock)
    child = parent.derive()
    await child.close()
    assert (await parent.chat("hi")).message.content == "Mock response"
    assert mock.closed == 0
    with pytest.raises(ClientClosedError):
        await child.chat("hi")


async def test_clients_nest_and_write_each_exchange_down_once():
    inner = AsyncClient(MockProvider([ServerError("no"), "yes"])).use(Retry(clock=FakeClock()))
    outer = AsyncClient(inner)
    response = await outer.chat("hi")
    assert [attempt.number for attempt in response.attempts] == [1, 2]


async def test_one_limit_of_attempts_holds_over_nested_retries():
    mock = MockProvider(ServerError("no"))
    clock = FakeClock()
    with pytest.warns(AIClientWarning, match="their attempts multiply"):
        client = AsyncClient(mock, max_attempts=4, clock=clock).use(Retry(10), Retry(10))
    with pytest.raises(ServerError) as caught:
        await client.chat("hi")
    assert mock.calls == 4
    assert len(caught.value.attempts) == 4


@pytest.mark.parametrize(
    "prompt",
    ["hi", [Message("user", "hi")], [{"role": "user", "content": "hi"}], ChatRequest([Message("user", "hi")])],
    ids=["text", "messages", "dicts", "request"],
)
async def test_chat_takes_a_request_a_text_and_lists(prompt):
    mock = MockProvider()
    await AsyncClient(mock).chat(prompt)
    assert mock.requests[0].messages == (Message("user", "hi"),)


@pytest.mark.parametrize(
    ("prompt", "error"),
    [
        ([], EmptyMessagesError),
        ([{"content": "hi"}], InvalidMessageError),
        ([{"role": "user", "content": "hi", "colour": "red"}], InvalidMessageError),
        ([{"role": "robot", "content": "hi"}], InvalidMessageError),
        ([Message("user")], InvalidMessageError),
        (None, InvalidMessageError),
        (Message("user", "hi"), InvalidMessageError),
        ({"role": "user", "content": "hi"}, InvalidMessageError),
        (b"hi", InvalidMessageError),
    ],
    ids=["empty", "no role", "unknown key", "unknown role", "no content", "None", "a message", "a dict", "bytes"],
)
async def test_a_malformed_prompt_is_refused_before_anything_is_sent(prompt, error):
    mock = MockProvider()
    with pytest.raises(error):
        await AsyncClient(mock).chat(prompt)
    assert mock.calls == 0


async def test_a_stream_is_sent_when_it_is_entered_and_not_before():
    mock = MockProvider("one two")
    opening = AsyncClient(mock).new_request().user("hi").stream()
    assert mock.calls == 0
    async with opening as stream:
        assert [text async for text in stream.text] == ["one ", "two"]
    assert stream.response.message.content == "one two"


async def test_a_stream_can_be_awaited_and_held():
    stream = await AsyncClient(MockProvider("one")).chat_stream("hi")
    assert [chunk.content async for chunk in stream if chunk.content] == ["one"]
    await stream.close()


async def test_embed_gives_one_vector_for_one_text():
    client = AsyncClient(MockProvider())
    assert len((await client.embed("hi")).vector) == 8
    assert len((await client.embed(["a", "b"], dimensions=3)).vectors) == 2
    assert (await client.embeddings(EmbeddingRequest("hi"))).provider == "mock"


async def test_prices_put_a_cost_on_the_response():
    client = AsyncClient(MockProvider("four words of text"), prices={"mock-model": {"input": 1, "output": 2}})
    response = await client.chat("two words")
    assert str(response.cost) == "$0.00001"


async def test_without_prices_of_its_own_a_client_takes_the_library_s_table():
    response = await AsyncClient(MockProvider("hi")).chat("two words")
    assert (response.cost.usd, response.cost.source) == (0, "mock")


async def test_prices_none_switches_costs_off():
    assert (await AsyncClient(MockProvider("hi"), prices=None).chat("two words")).cost is None


async def test_prices_of_one_s_own_stand_before_the_table(tmp_path):
    path = tmp_path / "prices.json"
    path.write_text('{"mine": {"input": 1000, "output": 1000}}')
    client = AsyncClient(MockProvider("hi"), prices=path)
    assert (await client.new_request().model("mine").user("two words").do()).cost.source == "prices.json"
    assert (await client.new_request().model("other").user("two words").do()).cost.source == "mock"


async def test_a_price_book_stands_alone():
    client = AsyncClient(MockProvider("hi"), prices=DictPrices({}))
    assert (await client.chat("two words")).cost is None


async def test_a_derived_client_has_the_same_prices():
    client = AsyncClient(MockProvider("hi"), prices=None).derive()
    assert (await client.chat("two words")).cost is None


async def test_a_request_can_be_estimated_before_it_is_sent():
    mock = MockProvider("hi")
    client = AsyncClient(mock, prices={"mock-model": {"input": 1000, "output": 2000}})
    request = client.new_request().user("two words").max_tokens(100)
    found = request.estimate()
    assert (found.provider, found.model, found.output_tokens, mock.calls) == ("mock", "mock-model", 100, 0)
    assert found.low.usd == Decimal(found.prompt_tokens) / 1000
    assert request.estimate(output_tokens=1).low.usd == found.low.usd + Decimal("0.002")
    assert client.estimate("two words").prompt_tokens == found.prompt_tokens


async def test_an_estimate_asks_for_the_model_of_the_service_that_is_asked_first():
    outer = AsyncClient(AsyncClient(MockProvider("hi", model="inner")))
    assert outer.estimate("hello").model == "inner"
    assert outer.new_request().model("other").user("hello").estimate().model == "other"


async def test_a_request_may_shorten_the_clients_timeout():
    provider = Hanging()
    clock = FakeClock(auto=False)
    client = AsyncClient(provider, clock=clock, timeout=60)
    call = asyncio.create_task(client.new_request().user("hi").timeout(Timeouts(total=2)).do())
    await provider.asked.wait()
    clock.advance(2)
    with pytest.raises(aiclient.TimeoutError) as caught:
        await call
    assert caught.value.phase == "total"
    assert caught.value.provider == "hanging"
    assert provider.released == 1


async def test_close_ends_calls_in_flight_with_a_typed_error():
    provider = Hanging()
    client = AsyncClient(provider)
    call = asyncio.create_task(client.chat("hi"))
    await provider.asked.wait()
    await client.close()
    with pytest.raises(ClientClosedError):
        await call
    assert provider.released == 1
    assert call.cancelling() == 0


async def test_close_waits_for_its_grace():
    release = asyncio.Event()

    async def answer(request):
        await release.wait()
        return "done"

    client = AsyncClient(MockProvider(answer))
    call = asyncio.create_task(client.chat("hi"))
    await asyncio.sleep(0)
    closing = asyncio.create_task(client.close(grace=60))
    await asyncio.sleep(0)
    release.set()
    await closing
    assert (await call).message.content == "done"


async def test_close_ends_an_open_stream_as_abandoned():
    source = Dripping()
    client = AsyncClient(MockProvider(chat_stream_func=lambda request: aiclient.ChatStream(source)))
    ends = []
    async with client.chat_stream("hi") as stream:

        async def tell(end):
            ends.append(end.outcome)

        stream.on_close(tell)
        assert (await anext(stream)).content == "first"
        reading = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        await client.close()
        with pytest.raises(ClientClosedError):
            await reading
        with pytest.raises(ClientClosedError):
            await anext(stream)
    assert ends == ["abandoned"]
    assert source.closed == 1


async def test_close_ends_a_stream_that_nobody_reads_at_the_moment():
    source = Dripping()
    client = AsyncClient(MockProvider(chat_stream_func=lambda request: aiclient.ChatStream(source)))
    stream = await client.chat_stream("hi")
    await client.close()
    with pytest.raises(ClientClosedError):
        await anext(stream)
    assert source.closed == 1


async def test_a_stream_that_its_reader_dropped_is_collected_and_its_call_is_over():
    source = Dripping()
    client = AsyncClient(MockProvider(chat_stream_func=lambda request: aiclient.ChatStream(source)))
    stream = await client.chat_stream("hi")
    assert (await anext(stream)).content == "first"
    with pytest.warns(ResourceWarning, match="async with"):
        del stream
        gc.collect()
    await asyncio.sleep(0)
    assert not client._calls
    await client.close()


async def test_a_client_can_be_closed_just_after_a_stream_was_dropped():
    client = AsyncClient(MockProvider(chat_stream_func=lambda request: aiclient.ChatStream(Dripping())))
    stream = await client.chat_stream("hi")
    with pytest.warns(ResourceWarning, match="async with"):
        del stream
        gc.collect()
    async with asyncio.timeout(5):
        await client.close()


async def test_a_closed_client_refuses_calls_and_closes_its_provider_once_more_harmlessly():
    mock = MockProvider()
    async with AsyncClient(mock) as client:
        await client.chat("hi")
    assert mock.closed == 1
    await client.close()
    with pytest.raises(ClientClosedError):
        await client.chat("hi")
    with pytest.raises(ClientClosedError):
        await client.embed("hi")
    with pytest.raises(ClientClosedError):
        async with client.chat_stream("hi"):
            pass


async def test_a_cancelled_call_is_cancelled_and_leaves_nothing_behind():
    provider = Hanging()
    client = AsyncClient(provider)
    call = asyncio.create_task(client.chat("hi"))
    await provider.asked.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert provider.released == 1
    await client.close()


async def test_leaving_early_through_three_layers_closes_the_source_at_once_and_tells_the_end_once():
    source, told = Dripping(), []

    class Watching(Layer):
        async def around(self, request, inner, call_next):
            return await aiclient.observed(call_next(request), self.tell)

        async def tell(self, end):
            told.append((end.outcome, source.closed))

    client = AsyncClient(MockProvider(chat_stream_func=lambda request: aiclient.ChatStream(source)))
    client.use(Watching(), Retry(), Watching(), Watching())
    async with client.chat_stream("hi") as stream:
        async for _ in stream:
            break
    assert told == [("abandoned", 1)] * 3
    with pytest.raises(StreamClosedError):
        _ = stream.response


async def test_what_is_not_a_provider_is_refused_by_name():
    with pytest.raises(InvalidProviderError, match="the class MockProvider"):
        AsyncClient(MockProvider)
    with pytest.raises(InvalidProviderError, match="int"):
        AsyncClient(3)
    with pytest.raises(ConfigError, match="max_attempts"):
        AsyncClient(MockProvider(), max_attempts=0)


async def test_a_model_string_makes_the_provider():
    client = AsyncClient("mock:small")
    assert (await client.chat("hi")).model == "small"


async def test_explain_draws_the_chain_outermost_first():
    client = AsyncClient(MockProvider(name="primary")).use(Retry(2))
    lines = client.explain().splitlines()
    assert lines[0] == "AsyncClient (primary)"
    assert "Retry(attempts=2" in lines[1]
    assert "MockProvider (primary, model mock-model)" in lines[-1]


async def test_two_users_at_once_keep_their_journals_apart():
    client = AsyncClient(MockProvider(lambda request: request.messages[0].content)).use(Retry())
    first, second = await asyncio.gather(client.chat("one"), client.chat("two"))
    assert (first.message.content, second.message.content) == ("one", "two")
    assert len(first.attempts) == len(second.attempts) == 1


async def test_a_provider_that_answers_with_something_else_is_named():
    class Texts(BaseProvider):
        name = "texts"

        async def chat(self, request, /):
            return "hi"

        async def chat_stream(self, request, /):
            return ["hi"]

    client = AsyncClient(Texts())
    with pytest.raises(ConfigError, match="the provider 'texts' returned str, not ChatResponse"):
        await client.chat("hi")
    with pytest.raises(ConfigError, match="the provider 'texts' returned list, not ChatStream"):
        await client.chat_stream("hi")


@pytest.mark.parametrize("prices", [{"m": 3}, [3], "free"], ids=["no rates", "list", "text"])
async def test_prices_of_another_shape_are_refused_at_once(prices):
    with pytest.raises(ConfigError, match="prices"):
        AsyncClient(MockProvider(), prices=prices)


def test_a_client_can_be_closed_while_a_streams_loop_stands_still():
    source = Dripping()
    client = AsyncClient(MockProvider(chat_stream_func=lambda request: aiclient.ChatStream(source)))
    loop = asyncio.new_event_loop()
    stream = loop.run_until_complete(client.chat_stream("hi").__aenter__())
    loop.run_until_complete(anext(stream))
    asyncio.run(asyncio.wait_for(client.close(grace=0.01), 5))
    with pytest.raises(ClientClosedError):
        loop.run_until_complete(anext(stream))
    loop.close()
    assert source.closed == 1


async def test_a_prefix_names_the_responses_api():
    provider = aiclient.provider_for("openai-responses:gpt-5-mini", api_key="sk-0123456789")
    assert provider.preview(ChatRequest([Message("user", "hi")])).url.endswith("/responses")


async def test_prompt_caching_is_asked_for_in_the_builder():
    mock = MockProvider()
    await AsyncClient(mock).new_request().user("hi").prompt_cache("1h", key="k").do()
    assert mock.requests[0].options.prompt_cache == aiclient.PromptCache("1h", "k")
