"""Conversations that are made to fit, saved and loaded."""

from __future__ import annotations

import json
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient import (
    ChatRequest,
    ImagePart,
    InvalidMessageError,
    InvalidRequestError,
    Message,
    StoreError,
    ToolCall,
    history,
)
from aiclient.request import check
from aiclient.tokens import estimate
from aiclient.turns import inseparable

SYSTEM = Message("system", "Be brief.")


def user(text="?"):
    return Message("user", text)


def assistant(text="!"):
    return Message("assistant", text)


def used(number, text="."):
    """An answer that uses a tool, and the result."""
    call = ToolCall(f"c{number}", "tool", "{}")
    return [Message("assistant", text, tool_calls=[call]), Message("tool", [call.result("done")])]


def said(messages):
    return [message.content for message in messages]


# --- made to fit ---


def test_what_fits_is_returned_as_it_is():
    talk = (SYSTEM, assistant("Hello."), user("a"))
    assert history.trimmed(talk, max_messages=3, max_tokens=1000) == talk
    assert history.trimmed(talk) == talk
    assert history.trimmed([], max_tokens=1) == ()


def test_the_oldest_turns_go_as_a_whole():
    talk = [SYSTEM, user("1"), assistant("one"), *used(1), user("2"), assistant("two"), user("3")]
    assert said(history.trimmed(talk, max_messages=6)) == ["Be brief.", "2", "two", "3"]
    assert said(history.trimmed(talk, max_messages=3)) == ["Be brief.", "3"]


def test_of_one_long_turn_the_oldest_tool_uses_go_and_the_question_stays():
    talk = [SYSTEM, user("count"), *used(1), *used(2), *used(3, "third")]
    trimmed = history.trimmed(talk, max_messages=5)
    assert [message.role for message in trimmed] == ["system", "user", "assistant", "tool"]
    assert said(trimmed)[2] == "third"


@pytest.mark.parametrize("most", [2, 3, 4, 5, 6])
def test_a_late_result_goes_with_its_call(most):
    call, late = used(1)
    talk = [SYSTEM, user(), call, user("Wait."), late, assistant(), user("Now?")]
    kept = history.trimmed(talk, max_messages=most)
    check(ChatRequest(kept))
    assert (late in kept) == (call in kept)


def test_system_messages_in_the_middle_stay():
    talk = [user("1"), assistant(), SYSTEM, user("2"), assistant("two")]
    assert said(history.trimmed(talk, max_messages=3)) == ["Be brief.", "2", "two"]


def test_tokens_are_counted_by_whoever_is_asked_to():
    talk = [user("a"), assistant("b"), user("c")]
    asked = []

    def counter(request):
        asked.append(request)
        return 10 * len(request.messages)

    assert said(history.trimmed(talk, max_tokens=25, counter=counter)) == ["c"]
    assert len(asked) == 3


def test_a_conversation_of_answers_alone_loses_its_oldest():
    assert said(history.trimmed([assistant("a"), assistant("b"), assistant("c")], max_messages=2)) == ["b", "c"]


@pytest.mark.parametrize("limits", [{"max_messages": 1}, {"max_tokens": 5}])
def test_what_must_stay_and_does_not_fit_is_an_error_that_gives_the_sizes(limits):
    with pytest.raises(InvalidRequestError, match=r"what must stay .* is 2 messages"):
        history.trimmed([SYSTEM, user("1"), assistant(), user("2 " * 20)], **limits)


@pytest.mark.parametrize(
    "limits", [{"max_messages": 0}, {"max_tokens": True}, {"max_tokens": "9"}, {"max_messages": 1.5}]
)
def test_a_limit_that_is_none_is_refused(limits):
    with pytest.raises(InvalidRequestError, match="must be a whole number of at least 1"):
        history.trimmed([user()], **limits)


TURNS = st.lists(
    st.one_of(
        st.just([SYSTEM]),
        st.text(max_size=30).map(lambda text: [user(f"q{text}")]),
        st.text(max_size=30).map(lambda text: [assistant(f"a{text}")]),
        st.integers(0, 10**9).map(used),
    ),
    max_size=15,
).map(lambda groups: [message for group in groups for message in group])


@given(TURNS, st.integers(1, 20), st.integers(1, 200))
def test_whatever_is_trimmed_fits_keeps_its_order_and_splits_nothing(talk, most, tokens):
    try:
        kept = history.trimmed(talk, max_messages=most, max_tokens=tokens)
    except InvalidRequestError:
        return
    assert len(kept) <= most
    remaining = iter(talk)
    assert all(any(message is other for other in remaining) for message in kept)
    groups = [tuple(map(id, group)) for group in inseparable(talk)]
    assert all(tuple(map(id, group)) in groups for group in inseparable(kept))
    assert sum(estimate(ChatRequest(group)) for group in inseparable(kept)) <= tokens or not kept
    if kept:
        check(ChatRequest(kept))
        assert [message for message in kept if message.role == "system"] == [m for m in talk if m.role == "system"]
        assert kept[-1] is talk[-1]
        assert history.trimmed(kept, max_messages=most, max_tokens=tokens) == kept


@given(TURNS, st.integers(1, 20))
def test_what_was_trimmed_begins_with_a_question_where_there_is_one(talk, most):
    try:
        kept = history.trimmed(talk, max_messages=most)
    except InvalidRequestError:
        return
    spoken = [message for message in kept if message.role != "system"]
    asked = any(message.role == "user" for message in talk)
    assert not asked or len(kept) == len(talk) or spoken[0].role == "user"


# --- saved and loaded ---


def test_a_conversation_is_loaded_as_it_was_saved(tmp_path):
    talk = (
        SYSTEM,
        user("Grüße \ud83d"),
        *used(1),
        Message("user", ["x", ImagePart(data=b"\0\1", media_type="image/png")]),
    )
    history.save(talk, tmp_path / "talk.json")
    assert history.load(tmp_path / "talk.json") == talk


@pytest.mark.parametrize(
    ("given", "problem"),
    [([{"role": "user", "content": "Hi"}], "0. is dict, not a Message"), (Message("user", "Hi"), "list of messages")],
    ids=["dicts", "one message"],
)
def test_what_is_no_conversation_is_neither_saved_nor_trimmed(tmp_path, given, problem):
    with pytest.raises(InvalidMessageError, match=problem):
        history.save(given, tmp_path / "talk.json")
    with pytest.raises(InvalidMessageError, match=problem):
        history.trimmed(given)
    assert list(tmp_path.iterdir()) == []


def test_only_the_owner_may_read_what_was_said_and_no_draft_is_left(tmp_path):
    history.save([user("old")], tmp_path / "talk.json")
    history.save([user("secret")], tmp_path / "talk.json")
    assert os.listdir(tmp_path) == ["talk.json"]
    assert stat.S_IMODE((tmp_path / "talk.json").stat().st_mode) == 0o600


def test_a_conversation_that_cannot_be_saved_leaves_the_old_file_and_no_draft(tmp_path):
    history.save([user("old")], tmp_path / "talk.json")
    with pytest.raises(InvalidMessageError, match=r"messages\[1\] is str"):
        history.save([user("new"), "no message"], tmp_path / "talk.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        history.save([user("new")], tmp_path / "folder")
    assert sorted(os.listdir(tmp_path)) == ["folder", "talk.json"]
    assert said(history.load(tmp_path / "talk.json")) == ["old"]


GOOD = {"aiclient": 1, "type": "Conversation", "messages": [user("swordfish").to_dict()]}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "holds no saved conversation: JSONDecodeError"),
        ("[" * 100_000, "holds no saved conversation: RecursionError"),
        ("[]", "holds no saved conversation"),
        ({**GOOD, "type": "Message"}, "holds no saved conversation"),
        ({**GOOD, "messages": {}}, "holds no saved conversation"),
        ({**GOOD, "aiclient": 99}, "is of version 99; this aiclient reads 1 to 1"),
        ({**GOOD, "aiclient": True}, "is of version True"),
        ({**GOOD, "messages": [*GOOD["messages"], {"role": "swordfish"}]}, "messages\\[1\\]: not a saved Message"),
        (
            {**GOOD, "messages": [{**GOOD["messages"][0], "role": 5}]},
            "messages\\[0\\]: a saved Message could not be read",
        ),
    ],
)
def test_a_file_that_holds_something_else_is_refused_without_repeating_it(tmp_path, content, problem):
    (tmp_path / "talk.json").write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(StoreError, match=problem) as caught:
        history.load(tmp_path / "talk.json")
    assert "swordfish" not in str(caught.value)
