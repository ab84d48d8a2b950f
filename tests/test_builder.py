"""The fluent builder: what each method adds, what it refuses, and that it never changes."""

from __future__ import annotations

import pytest

from aiclient import (
    AsyncClient,
    AudioPart,
    ChatOptions,
    Client,
    DocumentPart,
    EmptyMessagesError,
    ImagePart,
    InvalidMessageError,
    InvalidModelError,
    InvalidRequestError,
    Message,
    Reasoning,
    ResponseFormat,
    TextPart,
    Timeouts,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResultPart,
    VideoPart,
)
from aiclient.fluent import Fluent
from aiclient.testutil import MockProvider, fixtures

CALL = ToolCall("call_1", "get_weather", '{"city": "Bonn"}')
WEATHER = fixtures.weather_tool()


def roles(builder):
    return [(message.role, message.content) for message in builder.build().messages]


def options(builder):
    return builder.user("hi").build().options


# --- messages ---


def test_messages_stand_in_the_order_they_were_said():
    builder = Fluent().system("Be brief.").user("One?").assistant("Two.").user("Three?")
    assert roles(builder) == [("system", "Be brief."), ("user", "One?"), ("assistant", "Two."), ("user", "Three?")]


def test_a_user_message_takes_text_and_parts():
    image = ImagePart(url="https://a/b.png")
    assert Fluent().user("Look:", image, ["a", TextPart("b")]).build().messages[0].parts == (
        TextPart("Look:"),
        image,
        TextPart("a"),
        TextPart("b"),
    )


def test_a_tool_round_trip():
    message = (
        Fluent().user("hi").assistant(tool_calls=[CALL]).tool_result("call_1", "sunny", name="w").build().messages[2]
    )
    assert message.parts == (ToolResultPart("call_1", "sunny", "w"),)
    assert message.role == "tool"


def test_a_message_of_any_role_may_have_a_name():
    message = Fluent().message("developer", "Be brief.", name="ops").build().messages[0]
    assert (message.role, message.name) == ("developer", "ops")


def test_messages_made_elsewhere_are_added_as_they_are():
    made = Message("user", "hi", metadata={"id": 7})
    assert Fluent().system("Be brief.").messages(made, made).build().messages[1:] == (made, made)


@pytest.mark.parametrize(
    ("method", "kind", "media_type"),
    [
        ("image", ImagePart, "image/png"),
        ("audio", AudioPart, "audio/wav"),
        ("video", VideoPart, "video/mp4"),
        ("document", DocumentPart, "text/plain"),
    ],
)
def test_media_joins_the_last_user_message_or_begins_one(method, kind, media_type):
    joined = getattr(Fluent().user("Look:"), method)(b"...", media_type=media_type).build().messages
    begun = getattr(Fluent().assistant("Show me."), method)(url="https://a/b").build().messages
    assert [message.role for message in joined] == ["user"]
    assert (type(joined[0].parts[1]), joined[0].parts[1].data, joined[0].parts[1].media_type) == (
        kind,
        b"...",
        media_type,
    )
    assert [message.role for message in begun] == ["assistant", "user"]
    assert begun[1].parts[0].url == "https://a/b"


def test_a_document_is_a_pdf_unless_it_says_otherwise():
    part = Fluent().document(b"%PDF", name="a.pdf").build().messages[0].parts[0]
    assert (part.media_type, part.name) == ("application/pdf", "a.pdf")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda b: b.image(b"..."),
        lambda b: b.audio(b"..."),
        lambda b: b.video(b"..."),
        lambda b: b.image(),
        lambda b: b.image(b"...", url="https://a", media_type="image/png"),
        lambda b: b.user(7),
        lambda b: b.user("a", 7),
        lambda b: b.user({"text": "a"}),
        lambda b: b.assistant(b"..."),
        lambda b: b.message("robot", "hi"),
        lambda b: b.messages({"role": "user", "content": "hi"}),
        lambda b: b.messages("hi"),
        lambda b: b.system(""),
        lambda b: b.system("  "),
        lambda b: b.system(None),
        lambda b: b.user_id(""),
        lambda b: b.tenant(7),
        lambda b: b.model(""),
        lambda b: b.model(None),
        lambda b: b.model("a\nb"),
        lambda b: b.model(7),
        lambda b: b.temperature(2.1),
        lambda b: b.temperature(-0.1),
        lambda b: b.temperature("hot"),
        lambda b: b.temperature(True),
        lambda b: b.temperature(float("nan")),
        lambda b: b.max_tokens(0),
        lambda b: b.max_tokens(1.5),
        lambda b: b.top_p(1.1),
        lambda b: b.top_k(0),
        lambda b: b.seed(2**63),
        lambda b: b.stop(""),
        lambda b: b.stop("a", 7),
        lambda b: b.frequency_penalty(-2.1),
        lambda b: b.presence_penalty(2.1),
        lambda b: b.tools({"name": "a"}),
        lambda b: b.tools(WEATHER, WEATHER),
        lambda b: b.response_format("yaml"),
        lambda b: b.reasoning(budget_tokens=-1),
        lambda b: b.timeout(0),
        lambda b: b.timeout("soon"),
        lambda b: b.strict("no"),
        lambda b: b.strict(1),
        lambda b: b.strict(None),
        lambda b: b.parallel_tool_calls("no"),
        lambda b: b.metadata(a=1),
        lambda b: b.tags(a=None),
        lambda b: b.extra(7, a=1),
        lambda b: b.extra("", a=1),
        lambda b: b.reasoning(3),
        lambda b: b.reasoning("high", budget_tokens="many"),
        lambda b: b.prompt_cache("5m", key=7),
        lambda b: b.prompt_cache(5),
        lambda b: b.tool_choice(7),
        lambda b: b.response_format(7),
        lambda b: b.cache("sometimes"),
        lambda b: b.cache(None),
        lambda b: b.tool_result(7, "sunny"),
        lambda b: b.message("user", "hi", name=7),
        lambda b: b.image("a.png", media_type="image/png"),
        lambda b: b.image(url=7),
        lambda b: b.document(b"...", media_type=7),
        lambda b: b.document(b"...", name=7),
        lambda b: b.tools(Tool("a", description=7)),
        lambda b: b.tools(Tool("a", strict="no")),
        lambda b: b.tools(Tool("a", parameters=[])),
    ],
)
def test_a_wrong_argument_is_refused_by_the_method_that_got_it(wrong):
    with pytest.raises(InvalidRequestError) as caught:
        wrong(Fluent())
    assert caught.value.category == "bad_request"
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("builder", "error", "says"),
    [
        (Fluent(), EmptyMessagesError, r"add \.user"),
        (Fluent().temperature(1), EmptyMessagesError, "at least one message"),
        (Fluent().user(), InvalidMessageError, r"messages\[0\] \(user\) has neither content nor tool calls"),
        (
            Fluent().user("a").tool_result("call_9", "b"),
            InvalidMessageError,
            r"messages\[1\] answers the tool call 'call_9'",
        ),
        (Fluent().message("tool", "b"), InvalidMessageError, "has the role 'tool' and no tool_call_id"),
        (Fluent().user("a").tool_choice("required"), InvalidRequestError, "tools offered: none"),
        (Fluent().user("a").tools(WEATHER).tool_choice("other"), InvalidRequestError, "'other'; tools offered"),
    ],
)
def test_what_only_the_whole_request_shows_is_refused_when_it_is_built(builder, error, says):
    with pytest.raises(error, match=says):
        builder.build()


def test_a_model_that_is_no_name_is_an_invalid_model():
    with pytest.raises(InvalidModelError, match="must be the name of a model"):
        Fluent().model("")


# --- options ---


@pytest.mark.parametrize(
    ("builder", "name", "value"),
    [
        (Fluent().model("small"), "model", "small"),
        (Fluent().temperature(0), "temperature", 0),
        (Fluent().temperature(2), "temperature", 2),
        (Fluent().max_tokens(1), "max_tokens", 1),
        (Fluent().top_p(0.5), "top_p", 0.5),
        (Fluent().top_k(1), "top_k", 1),
        (Fluent().seed(-(2**63)), "seed", -(2**63)),
        (Fluent().stop("a").stop("b", "c"), "stop", ("b", "c")),
        (Fluent().frequency_penalty(-2), "frequency_penalty", -2),
        (Fluent().presence_penalty(2), "presence_penalty", 2),
        (Fluent().tools(WEATHER), "tools", (WEATHER,)),
        (Fluent().tools(WEATHER).tools(), "tools", ()),
        (Fluent().tool_choice("auto"), "tool_choice", ToolChoice("auto")),
        (Fluent().tools(WEATHER).tool_choice("get_weather"), "tool_choice", ToolChoice("named", "get_weather")),
        (Fluent().parallel_tool_calls(), "parallel_tool_calls", True),
        (Fluent().parallel_tool_calls(False), "parallel_tool_calls", False),
        (Fluent().response_format("json"), "response_format", ResponseFormat("json")),
        (Fluent().response_format({"type": "object"}), "response_format", ResponseFormat("schema", {"type": "object"})),
        (Fluent().reasoning("low"), "reasoning", Reasoning("low")),
        (Fluent().reasoning(budget_tokens=5), "reasoning", Reasoning(None, 5)),
        (Fluent().user_id("u1"), "user_id", "u1"),
        (Fluent().metadata(a="1").metadata(b="2"), "metadata", {"a": "1", "b": "2"}),
        (Fluent().tags(a="1").tags(a="2", b="3"), "tags", {"a": "2", "b": "3"}),
        (Fluent().tenant("t"), "tenant", "t"),
        (Fluent().strict(), "strict", True),
        (Fluent().strict().strict(False), "strict", False),
        (
            Fluent().extra("openai", a=1).extra("openai", b=2).extra("x", c=3),
            "extra",
            {"openai": {"a": 1, "b": 2}, "x": {"c": 3}},
        ),
    ],
)
def test_each_option_is_set_and_nothing_else(builder, name, value):
    got = options(builder)
    assert getattr(got, name) == value
    others = {"tools"} if name == "tool_choice" else set()
    plain = ChatOptions()
    assert {other for other in OPTION_NAMES - others if getattr(got, other) != getattr(plain, other)} <= {name}


OPTION_NAMES = {attribute.name for attribute in ChatOptions.__attrs_attrs__}


def test_a_timeout_limits_the_whole_call():
    assert options(Fluent().timeout(3)).timeout == 3
    assert options(Fluent().timeout(Timeouts(idle=4))).timeout == Timeouts(idle=4)


# --- a builder never changes ---


def test_a_half_built_request_can_be_used_twice():
    base = Fluent().system("Be brief.").tags(a="1").extra("openai", x=1)
    one = base.user("One?").model("small").tags(b="2").extra("openai", y=2)
    two = base.user("Two?")
    assert roles(one) == [("system", "Be brief."), ("user", "One?")]
    assert roles(two) == [("system", "Be brief."), ("user", "Two?")]
    assert two.build().options == ChatOptions(tags={"a": "1"}, extra={"openai": {"x": 1}})


def test_attaching_media_leaves_the_earlier_builder_alone():
    base = Fluent().user("Look:")
    base.image(url="https://a/b.png")
    assert len(base.build().messages[0].parts) == 1


def test_a_builder_cannot_be_assigned_to():
    with pytest.raises(AttributeError):
        Fluent()._messages = ()


def test_what_was_handed_in_may_change_afterwards():
    settings, parts = {"a": 1}, [TextPart("one")]
    builder = Fluent().user(parts).extra("openai", **settings)
    parts.append(TextPart("two"))
    settings["a"] = 2
    assert builder.build().messages[0].content == "one"
    assert builder.build().options.extra == {"openai": {"a": 1}}


# --- the ends ---


def test_do_and_stream_send_what_was_built():
    mock = MockProvider("Paris is it")
    with Client(mock) as client:
        builder = client.new_request().user("hi").model("small")
        assert builder.do().message.content == "Paris is it"
        with builder.stream() as stream:
            assert "".join(stream.text) == "Paris is it"
    assert [(request.messages, request.options) for request in mock.requests] == [
        (builder.build().messages, builder.build().options)
    ] * 2


@pytest.mark.anyio
async def test_the_async_builder_sends_what_was_built():
    mock = MockProvider("Paris is it")
    async with AsyncClient(mock) as client:
        builder = client.new_request().user("hi")
        assert (await builder.do()).message.content == "Paris is it"
        async with builder.stream() as stream:
            assert "".join([text async for text in stream.text]) == "Paris is it"
        stream = await builder.stream()
        await stream.close()
    assert mock.calls == 3


@pytest.mark.anyio
async def test_stream_checks_at_once_before_it_is_opened():
    mock = MockProvider()
    async with AsyncClient(mock) as client:
        with pytest.raises(EmptyMessagesError):
            client.new_request().stream()
    assert mock.calls == 0


def test_nothing_is_sent_when_the_request_is_refused():
    mock = MockProvider()
    with Client(mock) as client:
        with pytest.raises(EmptyMessagesError):
            client.new_request().do()
        with pytest.raises(InvalidMessageError):
            client.new_request().user("").user("").message("tool", "x").stream()
    assert mock.calls == 0


def test_a_builder_shows_its_messages_and_not_its_client():
    with Client(MockProvider()) as client:
        shown = repr(client.new_request().user("hi"))
    assert "Message(role='user', content=(TextPart(text=<2 characters>),))" in shown
    assert "Client" not in shown
