"""What follows an answer: its tool results and the user's words, and what belongs together."""

from __future__ import annotations

import pytest

from aiclient import ChatRequest, ChatResponse, Client, InvalidMessageError, Message, ToolCall, ToolResultPart
from aiclient.context import CallContext
from aiclient.fluent import Fluent
from aiclient.request import check
from aiclient.testutil import MockProvider
from aiclient.turns import inseparable

ONE, TWO = ToolCall("c1", "weather", "{}"), ToolCall("c2", "time", "{}")
ASKED = ChatRequest([Message("user", "Weather and time?")], context=CallContext())
WANTS = ChatResponse(Message("assistant", "Let me see.", tool_calls=[ONE, TWO]))


def roles(request):
    return [message.role for message in request.messages]


def test_a_reply_is_the_conversation_so_far_the_answer_and_what_the_user_says():
    request = ASKED.reply(ChatResponse(Message("assistant", "Sunny.")), "And", "tomorrow?")
    assert [(message.role, message.content) for message in request.messages] == [
        ("user", "Weather and time?"),
        ("assistant", "Sunny."),
        ("user", "Andtomorrow?"),
    ]


def test_a_reply_is_a_new_call():
    assert ASKED.reply(WANTS).context is None


def test_without_content_the_answer_is_the_last_message():
    assert roles(ASKED.reply(WANTS)) == ["user", "assistant"]


def test_results_stand_before_what_the_user_says_whatever_their_order():
    request = ASKED.reply(WANTS, "Thanks.", TWO.result("noon"), ONE.result("rain", is_error=True))
    check(request)
    assert roles(request) == ["user", "assistant", "tool", "user"]
    assert request.messages[2].parts == (
        ToolResultPart("c2", "noon", "time"),
        ToolResultPart("c1", "rain", "weather", is_error=True),
    )


def test_results_alone_are_a_reply():
    assert roles(ASKED.reply(WANTS, ONE.result("rain"), TWO.result("noon"))) == ["user", "assistant", "tool"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ((ONE.result("rain"),), "the answer asks for time: give the result of every call"),
        (("Thanks.",), "the answer asks for time, weather"),
        ((ToolResultPart("c9", "x"),), "for the tool call 'c9'; the answer makes \\['c1', 'c2'\\]"),
    ],
)
def test_a_call_without_result_and_a_result_without_call_are_refused(content, problem):
    with pytest.raises(InvalidMessageError, match=problem):
        ASKED.reply(WANTS, *content)


def test_an_empty_answer_has_no_reply():
    with pytest.raises(InvalidMessageError, match="the answer is empty"):
        ASKED.reply(ChatResponse(Message("assistant")), "Hello?")


@pytest.mark.parametrize("given", ["Sunny.", Message("assistant", "Sunny."), None])
def test_only_an_answer_is_replied_to(given):
    with pytest.raises(InvalidMessageError, match=f"is a ChatResponse, not {type(given).__name__}"):
        ASKED.reply(given, "And tomorrow?")


def test_the_builder_replies_too():
    with Client(MockProvider("Sunny.")) as client:
        first = client.new_request().user("Weather?")
        second = first.reply(first.do(), "And tomorrow?").build()
    assert [message.content for message in second.messages] == ["Weather?", "Sunny.", "And tomorrow?"]


def test_an_answer_and_the_results_of_its_calls_are_one_group():
    results = [Message("tool", "a", tool_call_id="c1"), Message("tool", "b", tool_call_id="c2")]
    messages = Fluent().system("s").user("u").messages(WANTS.message, *results).user("v").build().messages
    assert [[message.role for message in group] for group in inseparable(messages)] == [
        ["system"],
        ["user"],
        ["assistant", "tool", "tool"],
        ["user"],
    ]


def test_results_in_a_users_message_belong_to_the_answer_too():
    reply = Message("user", [ONE.result("a"), TWO.result("b"), "Thanks."])
    assert [len(group) for group in inseparable([WANTS.message, reply])] == [2]


def test_what_was_said_before_a_late_result_belongs_to_the_answer():
    talk = [Message("assistant", tool_calls=[ONE]), Message("user", "Wait."), Message("tool", "a", tool_call_id="c1")]
    after = Message("user", "And now?")
    assert list(inseparable([*talk, after])) == [tuple(talk), (after,)]


def test_a_result_belongs_to_the_latest_call_of_its_id():
    unused = Message("assistant", tool_calls=[ONE])
    used = [Message("assistant", tool_calls=[ONE]), Message("tool", "a", tool_call_id="c1")]
    assert list(inseparable([unused, *used])) == [(unused,), tuple(used)]
