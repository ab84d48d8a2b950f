"""Messages and their parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.errors import InvalidMessageError
from aiclient.messages import (
    AudioPart,
    Citation,
    DocumentPart,
    ImagePart,
    Message,
    OpaquePart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolResultPart,
    VideoPart,
)

CALL = ToolCall("c1", "weather", "{}")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (None, ()),
        ("hi", (TextPart("hi"),)),
        ("", (TextPart(""),)),
        (CALL, (CALL,)),
        (["a", ImagePart(url="u")], (TextPart("a"), ImagePart(url="u"))),
        (iter(["a"]), (TextPart("a"),)),
        ([], ()),
    ],
    ids=["none", "text", "empty-text", "part", "mixed", "iterator", "empty-list"],
)
def test_content_becomes_parts(content, parts):
    assert Message("user", content).parts == parts


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"png", "not bytes; media goes into an ImagePart"),
        ({"type": "text"}, "not dict"),
        (5, "not int"),
        (["ok", {"type": "text"}], r"content\[1\] is dict"),
        ([["nested"]], r"content\[0\] is list"),
    ],
    ids=["bytes", "dict", "number", "dict-in-list", "nested-list"],
)
def test_content_of_another_kind_is_refused_with_its_place(content, words):
    with pytest.raises(InvalidMessageError, match=words):
        Message("user", content)


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant", "tool"])
def test_every_role_is_taken(role):
    assert Message(role, "x").role == role


@pytest.mark.parametrize("role", ["bot", "", None, "User"])
def test_another_role_is_refused_with_the_roles_there_are(role):
    with pytest.raises(InvalidMessageError, match="is none of system, developer, user, assistant, tool"):
        Message(role, "x")


def test_tool_calls_are_parts_after_the_content():
    message = Message("assistant", "let me look", tool_calls=[CALL])
    assert message.parts == (TextPart("let me look"), CALL)
    assert message.tool_calls == (CALL,) and message.content == "let me look"


def test_a_tool_call_id_makes_the_content_a_result():
    message = Message("tool", ["sunny", ImagePart(url="u")], name="weather", tool_call_id="c1")
    assert message.parts == (ToolResultPart("c1", ("sunny", ImagePart(url="u")), "weather"),)
    assert (message.tool_call_id, message.content, message.name) == ("c1", "sunny", "weather")


def test_text_is_joined_and_absent_text_is_empty():
    message = Message("assistant", ["a", CALL, "b"])
    assert message.content == "ab"
    assert Message("assistant", [CALL]).content == ""


def test_reasoning_refusal_and_citations_are_read_from_the_parts():
    cited = TextPart("Paris", (Citation(url="https://a.test"),))
    message = Message("assistant", [ReasoningPart("think "), ReasoningPart("more"), cited, RefusalPart("no")])
    assert (message.reasoning, message.refusal, message.citations) == (
        "think more",
        "no",
        (Citation(url="https://a.test"),),
    )


def test_what_is_absent_is_empty_text_or_none():
    message = Message("assistant", "hi")
    assert (message.reasoning, message.refusal, message.citations, message.tool_calls) == ("", None, (), ())
    assert message.tool_call_id is None


def test_of_gives_the_parts_of_one_kind_in_order():
    message = Message("user", ["a", ImagePart(url="u"), "b"])
    assert message.of(TextPart) == (TextPart("a"), TextPart("b"))


def test_metadata_is_copied():
    notes = {"order": 17}
    message = Message("user", "x", metadata=notes)
    notes["order"] = 18
    assert message.metadata == {"order": 17}


@pytest.mark.parametrize("cls", [ImagePart, AudioPart, VideoPart, DocumentPart])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "got none"),
        ({"data": b"x", "url": "u"}, "got data, url"),
        ({"url": "u", "file_id": "f"}, "got url, file_id"),
    ],
    ids=["nothing", "data-and-url", "url-and-file"],
)
def test_media_holds_exactly_one_thing(cls, given, said):
    with pytest.raises(InvalidMessageError, match=f"{cls.__name__} takes exactly one of data, url and file_id; {said}"):
        cls(**given)


@pytest.mark.parametrize("given", [{"data": b""}, {"data": b"x"}, {"url": "u"}, {"file_id": "f"}], ids=str)
def test_media_takes_each_of_its_three_forms(given):
    assert ImagePart(**given)


def test_the_repr_of_media_shows_a_size_and_no_bytes():
    shown = repr(ImagePart(data=b"canary" * 100, media_type="image/png"))
    assert shown == "ImagePart(data=<600 bytes>, media_type='image/png')"


def test_the_repr_shows_what_differs_from_the_defaults_and_of_content_how_much_there_is():
    assert repr(TextPart("hi")) == "TextPart(text=<2 characters>)"
    assert repr(Message("user", "hi")) == "Message(role='user', content=(TextPart(text=<2 characters>),))"
    call = ToolCall("c1", "weather", '{"city":"Bonn"}', provider_data={"a": 1})
    assert repr(call) == "ToolCall(provider_data=<1 entries>, id='c1', name='weather', arguments=<15 characters>)"


@pytest.mark.parametrize(
    ("arguments", "parsed", "defect"),
    [
        ('{"city": "Paris"}', {"city": "Paris"}, None),
        ("", {}, None),
        (" \n", {}, None),
        ('{"city": ', None, "not valid JSON"),
        ('["Paris"]', None, "must be a JSON object, not list"),
        ("null", None, "must be a JSON object, not NoneType"),
        ('{"a": 1, "b": 2, "a": 3}', None, "the key 'a' is given twice"),
        ('{"a": {"b": 1, "b": 1}}', None, "the key 'b' is given twice"),
        ('{"a":' * 100_000, None, "nested too deeply"),
    ],
    ids=["object", "none", "blank", "cut-off", "list", "null", "twice", "twice-inside", "deep"],
)
def test_arguments_are_parsed_or_have_a_defect(arguments, parsed, defect):
    call = ToolCall("c1", "weather", arguments)
    assert call.parsed == parsed
    assert call.defect is defect is None or defect in call.defect


def test_a_custom_tool_takes_free_text():
    call = ToolCall("c1", "shell", "rm {", kind="custom")
    assert (call.parsed, call.defect) == (None, None)


@given(st.text())
def test_reading_arguments_never_raises_and_either_parses_or_explains(arguments):
    call = ToolCall("c1", "f", arguments)
    assert (call.parsed is None) == (call.defect is not None)


def test_values_are_immutable_and_compare_by_value():
    part = TextPart("a")
    with pytest.raises(AttributeError):
        part.text = "b"
    assert part == TextPart("a") != RefusalPart("a")


def test_a_part_carries_its_vendor_s_own_data():
    part = ReasoningPart("t", "sig", origin="anthropic", provider_data={"k": 1})
    assert (part.origin, part.provider_data) == ("anthropic", {"k": 1})
    assert OpaquePart("anthropic", {"type": "new"}).data == {"type": "new"}


@pytest.mark.parametrize(
    ("kind", "given", "problem"),
    [
        (ToolCall, ("c", "weather", {"city": "Bonn"}), "ToolCall: arguments must be a text, not dict"),
        (ToolCall, (None, "weather"), "ToolCall: id must be a text, not NoneType"),
        (ToolCall, ("c", 3), "ToolCall: name must be a text, not int"),
        (TextPart, (None,), "TextPart: text must be a text, not NoneType"),
    ],
)
def test_a_part_of_what_is_no_text_is_refused(kind, given, problem):
    with pytest.raises(InvalidMessageError, match=problem):
        kind(*given)


def test_a_message_can_be_made_of_a_dict():
    assert Message.of_dict({"role": "user", "content": "hi", "name": "Ada"}) == Message("user", "hi", "Ada")
    assert Message.of_dict({"role": "tool", "content": "x", "tool_call_id": "c1"}).tool_call_id == "c1"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("hi", "a message needs a role.*got str"),
        ({"content": "hi"}, "a message needs a role"),
        ({"role": "bot"}, "role 'bot' is none of"),
        ({"role": "user", "parts": [], "mood": 1}, r"got also \['mood', 'parts'\]"),
        ({"role": "user", 1: 2, "mood": 1}, r"got also \['1', 'mood'\]"),
        ({"role": "assistant", "tool_calls": []}, r"read by aiclient\.interchange\.from_openai"),
        (
            {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            r"not a part; .* read by aiclient\.interchange",
        ),
    ],
    ids=["text", "no-role", "other-role", "unknown-keys", "mixed-keys", "sdk-calls", "sdk-parts"],
)
def test_another_dict_is_refused_as_a_message(data, words):
    with pytest.raises(InvalidMessageError, match=words):
        Message.of_dict(data)


@pytest.mark.parametrize("given", [bytearray(b"abc"), memoryview(b"abc")], ids=["bytearray", "memoryview"])
def test_bytes_that_may_change_are_copied(given):
    assert type(ImagePart(data=given).data) is bytes
