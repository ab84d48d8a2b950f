"""Requests, their options, and what is refused before anything is sent."""

from __future__ import annotations

import math

import pytest

from aiclient.context import CallContext, Timeouts
from aiclient.errors import EmptyMessagesError, InvalidMessageError, InvalidModelError, InvalidRequestError
from aiclient.messages import Message, ToolCall
from aiclient.request import (
    ChatOptions,
    ChatRequest,
    EmbeddingRequest,
    HTTPCall,
    PromptCache,
    Reasoning,
    ResponseFormat,
    Tool,
    ToolChoice,
    check,
)

HELLO = Message("user", "hi")
CALLED = Message("assistant", tool_calls=[ToolCall("c1", "f")])
WEATHER = Tool("weather")

INSIDE = [
    ("temperature", [0, 0.0, 2, 1.5]),
    ("max_tokens", [1, 10**400]),
    ("top_p", [0, 1, 0.5]),
    ("top_k", [1]),
    ("seed", [-(2**63), 2**63 - 1, 0]),
    ("frequency_penalty", [-2, 2]),
    ("presence_penalty", [-2, 2]),
    ("n", [1]),
    ("logprobs", [0, 20]),
]
OUTSIDE = [
    ("temperature", [-0.001, 2.001, math.nan, math.inf, "1", True]),
    ("max_tokens", [0, -1, 1.0, math.inf, True, "1"]),
    ("top_p", [-0.001, 1.001, False]),
    ("top_k", [0, 1.5]),
    ("seed", [-(2**63) - 1, 2**63, 0.5]),
    ("frequency_penalty", [-2.001, 2.001]),
    ("presence_penalty", [-2.001, 2.001]),
    ("n", [0, 1.0]),
    ("logprobs", [-1, 21]),
]


def pairs(rows):
    return [pytest.param(name, value, id=f"{name}={str(value)[:12]}") for name, values in rows for value in values]


@pytest.mark.parametrize(("name", "value"), pairs(INSIDE))
def test_a_number_at_its_limit_is_taken(name, value):
    assert getattr(ChatOptions(**{name: value}), name) == value


@pytest.mark.parametrize(("name", "value"), pairs(OUTSIDE))
def test_a_number_beyond_its_limit_is_refused_by_name(name, value):
    with pytest.raises(InvalidRequestError, match=f"^{name}=.*must be a"):
        ChatOptions(**{name: value})


@pytest.mark.parametrize("name", [name for name, _ in INSIDE])
def test_an_option_that_is_not_given_is_none(name):
    assert getattr(ChatOptions(), name) is None


def test_a_reasoning_budget_may_be_zero():
    assert Reasoning(budget_tokens=0).budget_tokens == 0


@pytest.mark.parametrize("tokens", [-1, 1.5])
def test_a_reasoning_budget_is_a_whole_number_from_zero_on(tokens):
    with pytest.raises(InvalidRequestError, match="budget_tokens"):
        Reasoning(budget_tokens=tokens)


@pytest.mark.parametrize("ttl", ["1m", "5m", "1h", "9999m"])
def test_a_prompt_cache_lives_for_minutes_or_hours(ttl):
    assert PromptCache(ttl).ttl == ttl


@pytest.mark.parametrize(("ttl", "minutes"), [("5m", 5), ("90m", 90), ("1h", 60), ("24h", 1440)])
def test_a_prompt_cache_s_life_is_known_in_minutes(ttl, minutes):
    assert PromptCache(ttl).minutes == minutes


@pytest.mark.parametrize("ttl", ["", "0m", "5", "5s", "-5m", "5 m", "10000m", "5m\n", 300, None], ids=repr)
def test_another_life_of_a_prompt_cache_is_refused(ttl):
    with pytest.raises(InvalidRequestError, match="must be a number of minutes or hours"):
        PromptCache(ttl)


@pytest.mark.parametrize(
    "make", [lambda t: ChatOptions(timeout=t), lambda t: EmbeddingRequest("x", timeout=t)], ids=["chat", "embed"]
)
def test_a_timeout_is_a_number_of_seconds_or_limits(make):
    assert make(5).timeout == 5 and make(Timeouts(idle=1)).timeout == Timeouts(idle=1)
    for wrong in (0, -1, "5", True):
        with pytest.raises(InvalidRequestError, match="must be a number of seconds"):
            make(wrong)


@pytest.mark.parametrize("model", ["", "  ", "a\nb", "a\x00", 5], ids=repr)
@pytest.mark.parametrize(
    "make", [lambda m: ChatOptions(model=m), lambda m: EmbeddingRequest("x", m)], ids=["chat", "embed"]
)
def test_a_model_that_is_no_name_is_refused(make, model):
    with pytest.raises(InvalidModelError, match="must be the name of a model"):
        make(model)


@pytest.mark.parametrize(("stop", "kept"), [("END", ("END",)), (["a", "b"], ("a", "b")), ((), ())])
def test_stop_is_one_text_or_several(stop, kept):
    assert ChatOptions(stop=stop).stop == kept


@pytest.mark.parametrize(("stop", "index"), [("", 0), (["a", ""], 1), (["a", 5], 1), (5, 0), (None, 0)], ids=repr)
def test_a_text_that_is_empty_or_no_text_is_refused_with_its_index(stop, index):
    with pytest.raises(InvalidRequestError, match=f"text {index} must be a string"):
        ChatOptions(stop=stop)


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(InvalidRequestError, match="two tools have the same name: weather, weather"):
        ChatOptions(tools=[WEATHER, Tool("weather", "again")])


@pytest.mark.parametrize("cache", ["use", "bypass", "refresh"])
def test_cache_takes_its_three_words(cache):
    assert ChatOptions(cache=cache).cache == cache


def test_another_cache_mode_is_refused():
    with pytest.raises(InvalidRequestError, match="cache='no' is none of use, bypass, refresh"):
        ChatOptions(cache="no")


def test_what_the_caller_gave_is_copied():
    extra, tags, tools = {"openai": {"store": True}}, {"team": "a"}, [WEATHER]
    options = ChatOptions(extra=extra, tags=tags, tools=tools)
    extra["openai"]["store"], tags["team"] = False, "b"
    tools.clear()
    assert (
        options.extra == {"openai": {"store": True}} and options.tags == {"team": "a"} and options.tools == (WEATHER,)
    )


@pytest.mark.parametrize("name", ["", None, 5])
def test_a_tool_needs_a_name(name):
    with pytest.raises(InvalidRequestError, match="a tool needs a name"):
        Tool(name)


def test_the_parameters_of_a_tool_are_a_schema():
    assert Tool("f").parameters == {"type": "object", "properties": {}}
    with pytest.raises(InvalidRequestError, match="parameters must be a JSON schema as a dict, not list"):
        Tool("f", parameters=[])


@pytest.mark.parametrize(
    ("value", "choice"),
    [
        (None, None),
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ("weather", ToolChoice("named", "weather")),
        (ToolChoice("named", "auto"), ToolChoice("named", "auto")),
    ],
)
def test_a_tool_choice_is_a_mode_or_a_name(value, choice):
    assert ToolChoice.of(value) == choice


@pytest.mark.parametrize(("mode", "name"), [("named", None), ("named", ""), ("auto", "weather"), ("any", None)])
def test_a_tool_choice_that_contradicts_itself_is_refused(mode, name):
    with pytest.raises(InvalidRequestError, match="give a mode, or a tool's name"):
        ToolChoice(mode, name)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (None, None),
        ("json", ResponseFormat("json")),
        ({"type": "object"}, ResponseFormat("schema", {"type": "object"})),
        (ResponseFormat("text"), ResponseFormat()),
    ],
)
def test_a_response_format_is_a_word_or_a_schema(value, kept):
    assert ResponseFormat.of(value) == kept


@pytest.mark.parametrize("value", [("schema", None), ("json", {}), ("xml", None)])
def test_a_response_format_that_contradicts_itself_is_refused(value):
    with pytest.raises(InvalidRequestError, match="give 'text', 'json', or a JSON schema"):
        ResponseFormat(*value)


@pytest.mark.parametrize(
    "messages",
    [
        [HELLO],
        [Message("assistant", tool_calls=[ToolCall("c1", "f")]), Message("tool", "x", tool_call_id="c1")],
        [CALLED, HELLO, Message("tool", "", tool_call_id="c1")],
        [CALLED, Message("tool", tool_call_id="c1")],
    ],
    ids=["one", "answered-call", "answered-later", "empty-result"],
)
def test_check_lets_good_requests_through(messages):
    check(ChatRequest(messages))


@pytest.mark.parametrize(
    ("messages", "error", "words"),
    [
        ([], EmptyMessagesError, "at least one message"),
        (
            [HELLO, Message("assistant")],
            InvalidMessageError,
            r"messages\[1\] \(assistant\) has neither content nor tool calls",
        ),
        ([HELLO, "hi"], InvalidMessageError, r"messages\[1\] is str, not a Message"),
        ("hi", InvalidMessageError, r"messages\[0\] is str"),
        (
            [HELLO, Message("tool", "x", tool_call_id="c1")],
            InvalidMessageError,
            r"messages\[1\] answers the tool call 'c1'",
        ),
        (
            [Message("tool", "x", tool_call_id="c1"), CALLED],
            InvalidMessageError,
            r"messages\[0\] answers the tool call",
        ),
        ([CALLED, HELLO, Message("tool", "x", tool_call_id="c2")], InvalidMessageError, r"messages\[2\].*'c2'"),
        ([CALLED, Message("tool", "x")], InvalidMessageError, r"messages\[1\] has the role 'tool' and no tool_call_id"),
    ],
    ids=["none", "empty", "text", "a-string", "no-call", "before-its-call", "another-call", "tool-without-id"],
)
def test_check_says_which_message_is_wrong(messages, error, words):
    with pytest.raises(error, match=words):
        check(ChatRequest(messages))


@pytest.mark.parametrize(("choice", "tools"), [("required", []), ("weather", []), ("clock", [WEATHER])])
def test_check_wants_the_chosen_tool_to_be_offered(choice, tools):
    request = ChatRequest([HELLO], ChatOptions(tools=tools, tool_choice=ToolChoice.of(choice)))
    with pytest.raises(InvalidRequestError, match="tool_choice asks for"):
        check(request)


@pytest.mark.parametrize(
    ("choice", "tools"), [("auto", []), ("none", []), ("required", [WEATHER]), ("weather", [WEATHER])]
)
def test_check_takes_a_choice_that_can_be_met(choice, tools):
    check(ChatRequest([HELLO], ChatOptions(tools=tools, tool_choice=ToolChoice.of(choice))))


def test_a_request_is_equal_to_itself_in_another_context():
    request = ChatRequest([HELLO], ChatOptions(model="m"))
    assert request == ChatRequest([HELLO], ChatOptions(model="m"), CallContext())
    assert request.model == "m" and ChatRequest([HELLO]).model is None
    assert "context" not in repr(ChatRequest([HELLO], context=CallContext()))


def test_an_embedding_request_takes_one_text_or_several():
    assert EmbeddingRequest("a").input == ("a",)
    assert EmbeddingRequest(["a", "b"], timeout=Timeouts()).input == ("a", "b")


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"input": []}, EmptyMessagesError),
        ({"input": ["a", ""]}, InvalidRequestError),
        ({"input": "a", "dimensions": 0}, InvalidRequestError),
    ],
    ids=["nothing", "empty-text", "no-dimensions"],
)
def test_an_embedding_request_without_text_is_refused(given, error):
    with pytest.raises(error):
        EmbeddingRequest(**given)


def test_the_repr_of_an_http_call_shows_neither_headers_nor_body():
    call = HTTPCall("POST", "https://api.test/v1", [("authorization", "Bearer canary")], b"canary")
    assert repr(call) == "HTTPCall(method='POST', url='https://api.test/v1')"
