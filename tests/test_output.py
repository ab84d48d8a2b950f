"""Answers of a type: how a service is told, what is made of the answer, and what happens when it does not fit."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Literal

import pytest
from attrs import evolve

from aiclient import (
    AsyncClient,
    CallContext,
    ChatOptions,
    ChatRequest,
    ChatResponse,
    ChatStreamChunk,
    Client,
    ConfigError,
    Message,
    ReasoningPart,
    ResponseFormat,
    ResponseValidationError,
    ServerError,
    StreamInterruptedError,
    TextPart,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    TypedResponse,
    provider_for,
)
from aiclient.attempt import chain
from aiclient.middleware import Fallback, Retry
from aiclient.output import Output
from aiclient.provider import opened
from aiclient.testutil import LoopbackServer, MockProvider, fixtures

pytestmark = pytest.mark.anyio


@dataclasses.dataclass
class Item:
    name: str
    price: float


@dataclasses.dataclass
class Invoice:
    number: int
    items: list[Item]


GOOD = '{"number": 5, "items": [{"name": "tea", "price": 2.5}]}'
INVOICE = Invoice(5, [Item("tea", 2.5)])
WEATHER = Tool("weather")


def called(*arguments, name="answer"):
    """An answer that calls the answering tool."""
    calls = [ToolCall(f"c{number}", name, text) for number, text in enumerate(arguments)]
    return ChatResponse(Message("assistant", tool_calls=calls), finish_reason="tool_calls")


def asked(client, kind, **options):
    return client.new_request().user("?").output(kind, **options)


# --- what comes back ---


async def test_the_answer_is_of_the_type_that_was_asked_for():
    async with AsyncClient(MockProvider(GOOD)) as client:
        response = await asked(client, Invoice).do()
    assert response.output == INVOICE
    assert isinstance(response, TypedResponse)
    assert response.message.content == GOOD
    assert (response.provider, len(response.attempts)) == ("mock", 1)


def test_the_sync_client_does_the_same():
    with Client(MockProvider(GOOD)) as client:
        assert asked(client, Invoice).do().output == INVOICE


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (list[int], '{"value": [1, 2]}', [1, 2]),
        (int, '{"value": 3}', 3),
        (Literal["a", "b"], '{"value": "b"}', "b"),
        (Item | list[Item], '{"value": [{"name": "tea", "price": 1}]}', [Item("tea", 1.0)]),
        (Invoice | None, '{"value": null}', None),
        (dict[str, int], '{"a": 1}', {"a": 1}),
    ],
)
async def test_what_is_no_object_stands_in_one(kind, text, value):
    async with AsyncClient(MockProvider(text)) as client:
        assert (await asked(client, kind).do()).output == value


async def test_a_typed_response_is_saved_and_read_as_any_other():
    async with AsyncClient(MockProvider(GOOD)) as client:
        response = await asked(client, Invoice).do()
    assert ChatResponse.from_dict(response.to_dict()).message == response.message


# --- how the service is told ---


def seen_by(kind, mode, *, request=None):
    """Return the request that reaches the provider."""
    seen = []

    def answer(request):
        seen.append(request)
        return called('{"value": 1}') if mode == "tool" else '{"value": 1}'

    with Client(MockProvider(chat_func=answer)) as client:
        builder = request(client.new_request()) if request else client.new_request().user("?")
        builder.output(kind, mode=mode).do()
    return seen[0]


def test_by_a_schema():
    form = seen_by(int, "schema").options.response_format
    assert form == ResponseFormat("schema", Output(int).schema, "int", strict=True)
    assert form.schema["properties"] == {"value": {"type": "integer"}}


def test_by_a_tool_that_must_be_used():
    options = seen_by(int, "tool").options
    assert [tool.name for tool in options.tools] == ["answer"]
    assert (options.tool_choice, options.response_format) == (ToolChoice("named", "answer"), None)


def test_by_a_tool_beside_others():
    options = seen_by(int, "tool", request=lambda new: new.user("?").tools(WEATHER)).options
    assert [tool.name for tool in options.tools] == ["weather", "answer"]
    assert options.tool_choice == ToolChoice("required")


def test_in_words_after_the_system_prompt():
    request = seen_by(int, "json", request=lambda new: new.system("Be brief.").user("?"))
    assert [message.role for message in request.messages] == ["system", "system", "user"]
    assert json.loads(request.messages[1].content.partition("\n")[2]) == Output(int).schema
    assert request.options.response_format == ResponseFormat("json")


def test_a_tool_of_the_same_name_is_refused():
    with pytest.raises(ConfigError, match="a tool of the request is called 'answer'"):
        seen_by(int, "tool", request=lambda new: new.user("?").tools(Tool("answer")))


@pytest.mark.parametrize(
    ("model", "mode"),
    [
        ("openai:gpt-5-mini", "schema"),
        ("openai:gpt-3.5-turbo", "tool"),
        ("openai:a-model-of-tomorrow", "schema"),
        ("openai-responses:gpt-5", "schema"),
        ("anthropic:claude-sonnet-4-5", "schema"),
        ("anthropic:claude-3-haiku", "tool"),
        ("gemini:gemini-2.5-flash", "schema"),
        ("mistral:mistral-large-latest", "schema"),
        ("ollama:llama3.2", "schema"),
        ("deepseek:deepseek-chat", "tool"),
        ("perplexity:sonar", "json"),
    ],
)
def test_the_way_that_the_model_takes_is_found_without_asking_it(monkeypatch, model, mode):
    monkeypatch.setenv(f"{model.partition(':')[0].partition('-')[0].upper()}_API_KEY", "sk-not-a-real-key")
    request = ChatRequest([Message("user", "?")])
    assert Output(Invoice)._mode_for(request, provider_for(model)) == mode


def test_it_is_found_once_for_each_model():
    output, provider = Output(Invoice), provider_for("openai:gpt-3.5-turbo", api_key="sk-not-a-real-key")
    modes = [
        output._mode_for(ChatRequest([Message("user", "?")], ChatOptions(model=model)), provider)
        for model in (None, "gpt-5-mini", None)
    ]
    assert (modes, len(output._modes)) == (["tool", "schema", "tool"], 2)


def test_over_the_wire_the_schema_is_in_the_body():
    with LoopbackServer(reply='{"value": "b"}') as server:
        provider = provider_for("openai:gpt-5-mini", api_key="sk-x", base_url=server.base_url)
        with Client(provider) as client:
            assert asked(client, Literal["a", "b"]).do().output == "b"
        sent = json.loads(server.requests[-1].body)["response_format"]
    assert sent["json_schema"]["schema"]["properties"]["value"] == {"type": "string", "enum": ["a", "b"]}


@pytest.mark.parametrize("options", [{"mode": "xml"}, {"attempts": 0}, {"attempts": True}])
def test_an_option_that_is_none_is_refused(options):
    with pytest.raises(ConfigError, match="must be"):
        Output(int, **options)


def test_a_type_without_a_schema_is_refused_before_anything_is_sent():
    mock = MockProvider("1")
    with Client(mock) as client, pytest.raises(ConfigError, match="Event has no JSON schema"):
        asked(client, asyncio.Event)
    assert mock.calls == 0


@dataclasses.dataclass
class Note:
    text: str
    author: str = "nobody"
    tags: list[str] = dataclasses.field(default_factory=list)


def test_null_for_what_may_be_left_out_means_left_out():
    """Strict services have their models write every key."""
    with LoopbackServer(reply='{"text": "x", "author": null, "tags": null}') as server:
        provider = provider_for("openai:gpt-5-mini", api_key="sk-x", base_url=server.base_url)
        with Client(provider) as client:
            assert asked(client, Note).do().output == Note("x")
        sent = json.loads(server.requests[-1].body)["response_format"]["json_schema"]
    assert (sent["strict"], sent["schema"]["required"]) == (True, ["text", "author", "tags"])


# --- the answering tool ---


async def test_the_arguments_of_the_tool_are_the_answer():
    thought = ReasoningPart("hm", origin="mock")
    answer = ChatResponse(Message("assistant", [thought, "Well:", ToolCall("c", "answer", GOOD)]))
    async with AsyncClient(MockProvider(answer)) as client:
        response = await asked(client, Invoice, mode="tool").do()
    assert response.output == INVOICE
    assert response.message.parts == (thought, TextPart(GOOD))
    assert (response.message.tool_calls, response.finish_reason) == ((), "stop")


async def test_a_text_instead_of_the_tool_is_read_too():
    async with AsyncClient(MockProvider(GOOD)) as client:
        assert (await asked(client, Invoice, mode="tool").do()).output == INVOICE


async def test_two_answers_are_asked_for_again_as_one():
    async with AsyncClient(MockProvider([called(GOOD, GOOD), called(GOOD)])) as client:
        response = await asked(client, Invoice, mode="tool").do()
    assert (response.output, len(response.attempts)) == (INVOICE, 2)


@pytest.mark.parametrize(("reason", "said"), [("length", "raise max_tokens"), ("content_filter", "content filter")])
async def test_a_tool_answer_that_was_cut_is_not_asked_for_again(reason, said):
    cut = evolve(called('{"number": 5, "it'), finish_reason=reason)
    async with AsyncClient(MockProvider([cut, called(GOOD)])) as client:
        with pytest.raises(ResponseValidationError, match=said) as caught:
            await asked(client, Invoice, mode="tool").do()
    assert (len(caught.value.attempts), caught.value.partial.finish_reason) == (1, reason)


async def test_an_answer_that_calls_tools_of_the_request_is_handed_on():
    async with AsyncClient(MockProvider(called("{}", name="weather"))) as client:
        response = await asked(client, Invoice, mode="tool").do()
    assert (response.output, [call.name for call in response.message.tool_calls]) == (None, ["weather"])


# --- what does not fit ---


@pytest.mark.parametrize("mode", ["schema", "tool", "json"])
async def test_what_does_not_fit_is_asked_for_again_with_what_is_wrong(mode):
    seen = []

    def answer(request):
        seen.append(request)
        text = '{"number": "five", "items": []}' if len(seen) == 1 else GOOD
        return called(text) if mode == "tool" else text

    async with AsyncClient(MockProvider(chat_func=answer)) as client:
        response = await asked(client, Invoice, mode=mode).do()
    assert (response.output, len(response.attempts)) == (INVOICE, 2)
    said, wrong = seen[1].messages[-2:]
    assert (said.role, said.content) == ("assistant", '{"number": "five", "items": []}')
    assert "$.number: must be a whole number, not a text" in wrong.content
    assert seen[1].options == seen[0].options


async def test_at_last_it_is_an_error_that_says_where():
    async with AsyncClient(MockProvider('{"number": 1}')) as client:
        with pytest.raises(ResponseValidationError) as caught:
            await asked(client, Invoice, attempts=2).do()
    error = caught.value
    assert (error.errors, len(error.attempts)) == (("$.items: is missing",), 2)
    assert error.partial.message.content == '{"number": 1}'


async def test_one_attempt_asks_once():
    mock = MockProvider("no")
    async with AsyncClient(mock) as client:
        with pytest.raises(ResponseValidationError):
            await asked(client, Invoice, attempts=1).do()
    assert mock.calls == 1


async def test_asking_again_takes_of_the_attempts_left():
    mock = MockProvider("no")
    context = CallContext(extra_attempts=1)
    provider = chain([Output(Invoice, attempts=5), Retry(attempts=5)], mock)
    with pytest.raises(ResponseValidationError):
        await opened(ChatRequest([Message("user", "?")]), provider.chat, context)
    assert (mock.calls, context.extra_attempts) == (2, 0)


async def test_a_failure_of_the_service_is_what_it_is():
    async with AsyncClient(MockProvider(ServerError("down"))) as client:
        with pytest.raises(ServerError):
            await asked(client, Invoice).do()


async def test_the_layers_of_the_client_stand_inside():
    async with AsyncClient(MockProvider(ServerError("down"))) as client:
        client.use(Fallback(MockProvider(GOOD, name="second")))
        response = await asked(client, Invoice).do()
    assert (response.output, response.provider) == (INVOICE, "second")


async def test_two_requests_of_one_builder_do_not_meet():
    async with AsyncClient(MockProvider(chat_func=lambda request: request.messages[-1].content)) as client:
        builder = client.new_request().output(Item)
        texts = [f'{{"name": "n{number}", "price": {number}}}' for number in range(20)]
        answers = await asyncio.gather(*(builder.user(text).do() for text in texts))
    assert [answer.output for answer in answers] == [Item(f"n{number}", number) for number in range(20)]


async def test_a_cancellation_at_any_step_goes_through(at_every_step):
    def scene():
        async def slow(_):
            await asyncio.sleep(0)
            return "no" if mock.calls == 1 else GOOD

        mock = MockProvider(chat_func=slow)
        client = AsyncClient(mock)

        def verify(task):
            assert task.cancelled() or task.result().output == INVOICE
            assert not client._calls

        return asked(client, Invoice).do(), verify

    assert await at_every_step(scene) > 5


# --- streams ---


async def grown(client, kind, **options):
    """Return what partial_output was after each chunk, and the stream."""
    values = []
    async with asked(client, kind, **options).stream() as stream:
        before = stream.partial_output
        async for _ in stream:
            values.append(stream.partial_output)
    assert before is None
    return values, stream


async def test_the_value_grows_and_is_whole_at_the_end():
    chunks = ['{"number": 5, "it', 'ems": [{"name": "te', 'a", "price": 2.5}]}']
    parts = tuple(ChatStreamChunk(content=text) for text in chunks)
    async with AsyncClient(MockProvider((*parts, ChatStreamChunk(finish_reason="stop", last=True)))) as client:
        values, stream = await grown(client, Invoice)
    assert values == [
        {"number": 5},
        {"number": 5, "items": [{"name": "te"}]},
        {"number": 5, "items": [{"name": "tea", "price": 2.5}]},
        {"number": 5, "items": [{"name": "tea", "price": 2.5}]},
    ]
    assert stream.response.output == INVOICE


async def test_the_arguments_of_the_tool_grow_too():
    def piece(arguments, index=1, name="", call=""):
        return ChatStreamChunk(tool_calls=[ToolCallDelta(index, call, name, arguments)])

    chunks = (
        piece('{"city": "Bonn"', 0, "weather", "c0"),
        piece("", 1, "answer", "c1"),
        piece('{"value": ['),
        piece("1, 2, "),
        piece("}", 0),
        piece("3]}"),
        ChatStreamChunk(finish_reason="tool_calls", last=True),
    )
    async with AsyncClient(MockProvider(chunks)) as client:
        values, stream = await grown(client, list[int], mode="tool")
    assert values == [None, None, [], [1, 2], [1, 2], [1, 2, 3], [1, 2, 3]]
    assert [call.name for call in stream.response.message.tool_calls] == ["weather", "answer"]


async def test_further_choices_do_not_grow_into_the_value():
    chunks = (
        ChatStreamChunk(content='{"value": [1'),
        ChatStreamChunk(content='{"value": [7', choice=1),
        ChatStreamChunk(content=", 2]}"),
        ChatStreamChunk(content="]}", choice=1),
        ChatStreamChunk(finish_reason="stop", last=True),
    )
    async with AsyncClient(MockProvider(chunks)) as client:
        values, _ = await grown(client, list[int])
    assert values[-1] == [1, 2]


async def test_a_streamed_tool_answer_is_the_text_of_the_whole():
    chunks = (
        ChatStreamChunk(tool_calls=[ToolCallDelta(0, "c", "answer", GOOD)]),
        ChatStreamChunk(finish_reason="tool_calls", last=True),
    )
    async with AsyncClient(MockProvider(chunks)) as client:
        _, stream = await grown(client, Invoice, mode="tool")
    assert (stream.response.output, stream.response.message.content) == (INVOICE, GOOD)


def test_a_sync_reader_sees_the_value_of_the_chunks_it_has_read():
    text = json.dumps({"value": list(range(200))})
    parts = tuple(ChatStreamChunk(content=char) for char in text)
    with Client(MockProvider((*parts, ChatStreamChunk(finish_reason="stop", last=True)))) as client:
        with asked(client, list[int]).stream() as stream:
            assert stream.partial_output is None
            read = ""
            for chunk in stream:
                read += chunk.content
                assert len(stream.partial_output or []) in (read.count(","), read.count(",") + read.count("]"))
        assert stream.response.output == list(range(200))


async def test_a_stream_that_does_not_fit_fails_in_place_of_its_last_chunk():
    async with AsyncClient(MockProvider('{"number": 1}')) as client:
        with pytest.raises(ResponseValidationError) as caught:
            await grown(client, Invoice)
    assert caught.value.errors == ("$.items: is missing",)


async def test_a_stream_that_breaks_off_fails_as_it_did():
    async with AsyncClient(MockProvider(fixtures.broken_stream('{"number": 1'))) as client:
        with pytest.raises(StreamInterruptedError):
            await grown(client, Invoice)


async def test_a_stream_that_is_left_early_is_not_checked():
    async with AsyncClient(MockProvider("no json at all")) as client:
        async with asked(client, Invoice).stream() as stream:
            async for _ in stream:
                break
    assert stream.partial.output is None


async def test_without_a_type_there_is_no_partial_output():
    async with AsyncClient(MockProvider(GOOD)) as client, client.new_request().user("?").stream() as stream:
        async for _ in stream:
            assert stream.partial_output is None
