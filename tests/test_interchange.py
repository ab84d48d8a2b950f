"""Conversations in the forms of vendors' SDKs: what comes in goes out again, and nothing is lost in silence."""

from __future__ import annotations

import base64
import gzip
import json
import re
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient import (
    AIClientWarning,
    AudioPart,
    DocumentPart,
    ImagePart,
    InvalidMessageError,
    Message,
    OpaquePart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolResultPart,
    UnsupportedFeatureError,
    VideoPart,
)
from aiclient.interchange import from_anthropic, from_openai, to_anthropic, to_openai

WIRE = Path(__file__).parents[2] / "shared" / "wire"
PNG = b"\x89PNG\r\n\x1a\n"
URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
BASE64 = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()}


def parts(message):
    return message.parts


# --- OpenAI ---

OPENAI = [
    {"role": "developer", "content": "Be brief.", "name": "boss"},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "Look:"},
            {"type": "image_url", "image_url": {"url": URL, "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
            {"type": "file", "file": {"file_id": "file-1"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
            {"type": "sculpture", "sculpture": 1},
        ],
    },
    {
        "role": "assistant",
        "content": "Let me see.",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}},
            {"id": "c2", "type": "custom", "custom": {"name": "note", "input": "free text"}},
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "A cat."},
    {"role": "tool", "tool_call_id": "c2", "content": "Noted."},
    {"role": "assistant", "content": None, "refusal": "I cannot."},
]


def test_a_conversation_of_openai_is_read_part_by_part():
    developer, user, assistant, tool, _, refused = from_openai(OPENAI)
    assert developer == Message("developer", "Be brief.", "boss")
    assert parts(user) == (
        TextPart("Look:"),
        ImagePart(data=PNG, media_type="image/png", detail="low"),
        ImagePart(url="https://a/b.png"),
        AudioPart(data=b"\0\0\0", media_type="audio/mpeg"),
        DocumentPart(file_id="file-1"),
        DocumentPart(data=b"%PDF", media_type="application/pdf", name="a.pdf"),
        OpaquePart("openai", {"type": "sculpture", "sculpture": 1}),
    )
    assert assistant.tool_calls == (
        ToolCall("c1", "look", '{"at": 1}'),
        ToolCall("c2", "note", "free text", "custom"),
    )
    assert parts(tool) == (ToolResultPart("c1", "A cat."),)
    assert parts(refused) == (RefusalPart("I cannot."),)


def test_a_conversation_of_openai_comes_out_as_it_went_in():
    assert to_openai(from_openai(OPENAI)) == OPENAI


def test_marks_of_a_service_stay_on_their_text_in_every_role():
    marked = [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "y"}]
    given = [{"role": role, "content": marked} for role in ("system", "user", "assistant")]
    assert to_openai(from_openai(given)) == given


def test_the_functions_of_2023_are_tool_calls():
    called = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
    messages = from_openai([called, {"role": "function", "name": "f", "content": "1"}])
    assert parts(messages[1]) == (ToolResultPart("call_0", "1", "f"),)


def test_what_another_service_wrote_is_read_as_thinking():
    (message,) = from_openai([{"role": "assistant", "content": "4", "reasoning_content": "2 + 2"}])
    assert parts(message) == (ReasoningPart("2 + 2", origin="openai"), TextPart("4"))


def test_an_unknown_field_of_a_message_is_said_to_be_left_out():
    with pytest.warns(AIClientWarning, match=r"messages\[0\].cache_control is not of OpenAI") as caught:
        from_openai([{"role": "user", "content": "x", "cache_control": {}, "name": None, "weight": None}])
    assert [warning.filename for warning in caught] == [__file__]


def test_what_openai_has_no_place_for_is_said_or_refused():
    messages = [
        Message("user", "a"),
        Message("assistant", ReasoningPart("hm", "seal", origin="anthropic")),
        Message("user", "b"),
    ]
    with pytest.warns(AIClientWarning, match="a reasoning part from anthropic") as caught:
        assert [message["content"] for message in to_openai(messages)] == ["a", "", "b"]
    assert [warning.filename for warning in caught] == [__file__]
    with pytest.raises(UnsupportedFeatureError, match="strict"):
        to_openai(messages, strict=True)
    with pytest.raises(UnsupportedFeatureError, match="video"):
        to_openai([Message("user", VideoPart(url="https://a/b.mp4"))])


# --- Anthropic ---

SYSTEM = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
TURNS = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "Look:"},
            {"type": "image", "source": BASE64},
            {
                "type": "image",
                "source": {"type": "url", "url": "https://a/b.png"},
                "cache_control": {"type": "ephemeral"},
            },
            {"type": "image", "source": {"type": "file", "file_id": "f1"}},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "é"}, "title": "T"},
            {"type": "document", "source": {"type": "content", "content": "x"}},
        ],
    },
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "seal"},
            {"type": "redacted_thinking", "data": "x"},
            {"type": "text", "text": "Let me see."},
            {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": 1}},
            {"type": "tool_use", "id": "toolu_2", "name": "note", "input": {}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "image", "source": BASE64}]},
            {"type": "tool_result", "tool_use_id": "toolu_2", "is_error": True},
            {"type": "text", "text": "Well?"},
        ],
    },
]


def test_a_conversation_of_anthropic_is_read_part_by_part():
    system, user, assistant, results = from_anthropic(TURNS, system=SYSTEM)
    assert (system.role, system.content) == ("system", "Be brief.")
    assert parts(user)[1:3] == (
        ImagePart(data=PNG, media_type="image/png"),
        ImagePart(url="https://a/b.png", origin="anthropic", provider_data={"cache_control": {"type": "ephemeral"}}),
    )
    assert parts(user)[4] == DocumentPart(data="é".encode(), media_type="text/plain", name="T")
    assert parts(user)[5] == OpaquePart("anthropic", TURNS[0]["content"][5])
    assert parts(assistant)[0] == ReasoningPart("hm", "seal", origin="anthropic")
    assert assistant.tool_calls == (ToolCall("toolu_1", "look", '{"at":1}'), ToolCall("toolu_2", "note", "{}"))
    assert parts(results)[:2] == (
        ToolResultPart("toolu_1", ImagePart(data=PNG, media_type="image/png")),
        ToolResultPart("toolu_2", None, None, is_error=True),
    )


def test_a_conversation_of_anthropic_comes_out_as_it_went_in():
    assert to_anthropic(from_anthropic(TURNS, system=SYSTEM)) == (SYSTEM, TURNS)


def test_a_system_prompt_may_be_a_text_or_nothing():
    turns = [{"role": "user", "content": "Hi"}]
    assert [message.content for message in from_anthropic(turns, system="Be brief.")] == ["Be brief.", "Hi"]
    assert [message.role for message in from_anthropic(turns)] == ["user"]


def test_a_conversation_goes_from_one_vendors_form_to_the_others():
    with pytest.warns(AIClientWarning):
        system, turns = to_anthropic(from_openai(OPENAI[:1] + OPENAI[2:5]))
    assert system == [{"type": "text", "text": "Be brief."}]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert [block["tool_use_id"] for block in turns[2]["content"]] == ["c1", "c2"]
    with pytest.warns(AIClientWarning, match="thinking|reasoning|opaque"):
        messages = to_openai([*from_anthropic(TURNS[1:2]), Message("tool", "ok", tool_call_id="toolu_1")])
    assert [message["role"] for message in messages] == ["assistant", "tool"]


def test_a_model_that_takes_system_messages_inside_gets_them_there():
    messages = [Message("user", "a"), Message("system", "b"), Message("assistant", "c"), Message("user", "d")]
    assert [turn["role"] for turn in to_anthropic(messages, model="claude-opus-5")[1]] == [
        "user",
        "system",
        "assistant",
        "user",
    ]
    with pytest.warns(AIClientWarning, match="went to the end of the system prompt"):
        assert [turn["role"] for turn in to_anthropic(messages)[1]] == ["user", "assistant", "user"]


# --- what is no conversation ---


@pytest.mark.parametrize("value", ["text", b"bytes", {"role": "user"}, 5, None])
@pytest.mark.parametrize("read", [from_openai, from_anthropic])
def test_what_is_no_list_is_refused(read, value):
    with pytest.raises(InvalidMessageError, match="a list of dicts is needed"):
        read(value)


def user(**part):
    return {"role": "user", "content": [part]}


def shown(url):
    return user(type="image_url", image_url={"url": url})


def spoken(data):
    return user(type="input_audio", input_audio={"data": data, "format": "wav"})


def written(data):
    return user(type="file", file={"file_data": data})


def pictured(data):
    return user(type="image", source={"type": "base64", "media_type": "image/png", "data": data})


@pytest.mark.parametrize(
    ("read", "message", "problem"),
    [
        (from_openai, "x", r"messages\[1\]: an object is needed, not str"),
        (from_openai, {"content": "x"}, r"messages\[1\]: role None is none of system"),
        (from_openai, {"role": "user", "content": 5}, r"messages\[1\]: content must be a text or a list"),
        (from_openai, {"role": "tool", "content": "x"}, r"messages\[1\]: .* needs the tool_call_id"),
        (from_openai, {"role": "function", "name": "f"}, r"messages\[1\]: no earlier message calls the function 'f'"),
        (from_openai, {"role": "assistant", "tool_calls": 5}, r"messages\[1\]: tool_calls of the answer is not a list"),
        (from_openai, shown("data:image/png;base64,!!"), r"messages\[1\]: a data: URL is not valid base64"),
        (from_openai, spoken("AAA"), r"messages\[1\]: the data of an input_audio is not valid base64"),
        (from_openai, written("DATA:application/pdf;BASE64,AAA"), r"messages\[1\]: a data: URL is not valid base64"),
        (from_anthropic, pictured("AAA"), r"messages\[1\]: the data of a source is not valid base64"),
        (from_anthropic, "x", r"messages\[1\]: an object is needed, not str"),
        (from_anthropic, {"role": "tool"}, r"messages\[1\]: role 'tool' is none of user"),
        (from_anthropic, {"role": "user"}, r"messages\[1\]: content must be a text or a list of blocks, not NoneType"),
        (from_anthropic, {"role": "user", "content": [5]}, r"messages\[1\]: content\[\] .* is not an object"),
    ],
)
def test_a_message_that_is_none_is_refused_with_its_place(read, message, problem):
    with pytest.raises(InvalidMessageError, match=problem):
        read([{"role": "user", "content": "Hi"}, message])


@pytest.mark.parametrize("url", [URL, URL.replace("data:", "DATA:").replace("base64", "Base64")])
def test_a_data_url_is_read_in_any_case(url):
    assert from_openai([shown(url)])[0].parts == (ImagePart(data=PNG, media_type="image/png"),)


@pytest.mark.parametrize("url", ["data:image/svg+xml,%3Csvg%3E", "https://a/b.png"])
def test_another_url_stays_one(url):
    assert from_openai([shown(url)])[0].parts == (ImagePart(url=url),)


@pytest.mark.parametrize("write", [to_openai, to_anthropic])
def test_only_messages_are_written(write):
    with pytest.raises(InvalidMessageError, match=r"messages\[0\] is dict, not a Message"):
        write([{"role": "user", "content": "Hi"}])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "type", "text", "image_url", "url", "source", "tool_calls", "id", "function"]
            ),
            inner
            | st.sampled_from(["user", "assistant", "tool", "text", "image", "image_url", "tool_result", "thinking"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("read", [from_openai, from_anthropic])
@given(messages=st.lists(JSON, max_size=3))
def test_anything_at_all_is_read_or_refused(read, messages):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AIClientWarning)
        try:
            read(messages)
        except InvalidMessageError:
            return


# --- recorded requests ---


ELIDED = re.compile(r"<elided base64 [^>]*>")
"""What stands in the recordings in place of long media."""


def in_base64(found):
    return base64.b64encode(found[0].encode()).decode()


def recorded(api):
    path = WIRE / f"{api}.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"no recordings of {api} beside the project")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        bodies = [json.loads(ELIDED.sub(in_base64, line))["request"].get("json") for line in lines]
    found = [body for body in bodies if isinstance(body, dict) and isinstance(body.get("messages"), list)]
    return [body for body in found if all(isinstance(message, dict) for message in body["messages"])]


def as_openai_writes(message):
    """Leave out what says nothing, and a tool message's `name`, which the protocol does not have."""
    message = {
        key: value for key, value in message.items() if value is not None and key not in ("annotations", "index")
    }
    if message["role"] == "tool":
        message.pop("name", None)
    content = message.pop("content", None)
    calls = [{"type": "function", **call, "index": None} for call in message.pop("tool_calls", [])]
    if isinstance(content, list) and all(item.keys() == {"type", "text"} for item in content):
        content = "".join(item["text"] for item in content)
    if isinstance(content, list):
        content = [as_url(item) for item in content]
    return message | {"content": content or "", "tool_calls": calls}


def as_url(item):
    url = item.get("image_url")
    return {**item, "image_url": {"url": url}} if isinstance(url, str) else item


def test_recorded_conversations_with_openai_come_out_as_they_went_in():
    bodies = recorded("openai.chat")
    for body in bodies:
        back = to_openai(from_openai(body["messages"]), strict=True)
        assert [*map(as_openai_writes, back)] == [*map(as_openai_writes, body["messages"])]
    assert len(bodies) > 900


def as_anthropic_writes(content):
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    kept = [{key: value for key, value in block.items() if value not in (None, False, [])} for block in blocks]
    for block in kept:
        if block["type"] == "tool_result" and "content" in block:
            block["content"] = as_anthropic_writes(block["content"])
    return [block for block in kept if block["type"] != "text" or block["text"].strip()]


def test_recorded_conversations_with_anthropic_come_out_as_they_went_in():
    bodies = recorded("anthropic.messages")
    seen = 0
    for body in bodies:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AIClientWarning)  # blanks, and results that stood behind the user's words
            system, turns = to_anthropic(
                from_anthropic(body["messages"], system=body.get("system")), model="claude-opus-5"
            )
        ids = [block["id"] for turn in turns for block in turn["content"] if block["type"] == "tool_use"]
        given = [as_anthropic_writes(message["content"]) for message in body["messages"]]
        asked = [block["id"] for blocks in given for block in blocks if block["type"] == "tool_use"]
        if len(set(asked)) < len(asked):  # two calls of one id: the second gets another, and its result too
            assert len(set(ids)) == len(ids)
            continue
        key = lambda block: block["type"] != "tool_result"  # the protocol wants results first in a turn
        assert system == as_anthropic_writes(body.get("system") or [])
        turns = turns[1:] if body["messages"][0]["role"] == "assistant" else turns  # the user is made to begin
        written = [block for turn in turns for block in as_anthropic_writes(turn["content"])]
        assert written == [block for blocks in given for block in sorted(blocks, key=key)]
        seen += 1
    assert seen > 600
