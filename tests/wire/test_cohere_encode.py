"""Requests to Cohere."""

from __future__ import annotations

import json

import pytest

from aiclient.errors import InvalidMessageError, InvalidRequestError, UnsupportedFeatureError
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
from aiclient.request import (
    ChatOptions,
    ChatRequest,
    PromptCache,
    Reasoning,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from aiclient.wire.cohere import CohereChat

HI = Message("user", "hi")


def body(*messages, stream=False, **options):
    request = ChatRequest(messages or (HI,), ChatOptions(**options))
    call, warnings = CohereChat().encode(request, model="m", stream=stream)
    assert (call.method, call.url, call.headers) == ("POST", "/v2/chat", [("Content-Type", "application/json")])
    return json.loads(call.body), [warning.setting or warning.code for warning in warnings]


def sent(*messages):
    encoded, warnings = body(*messages)
    return encoded["messages"], warnings


def test_a_plain_request_names_only_what_was_asked_for():
    assert body(Message("developer", "Be brief."), HI, stream=True) == (
        {
            "model": "m",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
            "stream": True,
        },
        [],
    )


def test_every_option_has_its_place():
    encoded, warnings = body(
        temperature=0.5,
        max_tokens=5,
        top_k=3,
        top_p=0.9,
        seed=7,
        stop=["x"],
        frequency_penalty=0.25,
        presence_penalty=1,
        logprobs=0,
        n=1,
        extra={"cohere": {"documents": ["Paris is in France."], "safety_mode": "OFF"}, "openai": {"n": 2}},
    )
    del encoded["messages"]
    assert encoded == {
        "model": "m",
        "stream": False,
        "temperature": 0.5,
        "max_tokens": 5,
        "k": 3,
        "p": 0.9,
        "seed": 7,
        "stop_sequences": ["x"],
        "frequency_penalty": 0.25,
        "presence_penalty": 1,
        "logprobs": True,
        "documents": ["Paris is in France."],
        "safety_mode": "OFF",
    }
    assert warnings == []


@pytest.mark.parametrize(
    ("option", "wanted", "field", "given"),
    [
        ("top_p", 1.0, "p", 0.99),
        ("top_p", 0.0, "p", 0.01),
        ("top_p", 0.99, "p", 0.99),
        ("top_k", 501, "k", 500),
        ("frequency_penalty", -1, "frequency_penalty", 0.0),
        ("presence_penalty", 1.5, "presence_penalty", 1.0),
    ],
)
def test_a_number_beyond_the_limits_becomes_the_nearest_with_a_warning(option, wanted, field, given):
    encoded, warnings = body(**{option: wanted})
    assert encoded[field] == given
    assert warnings == [option] * (wanted != given)


def test_what_it_cannot_honour_is_a_warning_and_under_strict_an_error():
    asked = {
        "service_tier": "flex",
        "user_id": "u",
        "prompt_cache": PromptCache(),
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "n": 2,
    }
    assert set(body(**asked)[1]) == set(asked)
    assert body(logprobs=3)[1] == ["logprobs of alternatives"]
    with pytest.raises(UnsupportedFeatureError, match="service_tier"):
        body(service_tier="flex", strict=True)


def test_streaming_is_not_switched_behind_the_readers_back():
    with pytest.raises(InvalidRequestError, match="stream"):
        body(extra={"cohere": {"stream": True}})


@pytest.mark.parametrize(
    ("mode", "word"),
    [(None, None), ("auto", None), ("required", "REQUIRED"), ("none", "NONE")],
)
def test_tool_choice_has_two_words(mode, word):
    encoded, warnings = body(tools=[Tool("f", "does f")], tool_choice=ToolChoice(mode) if mode else None)
    assert encoded.get("tool_choice") == word
    parameters = {"type": "object", "properties": {}}
    assert encoded["tools"] == [
        {"type": "function", "function": {"name": "f", "description": "does f", "parameters": parameters}}
    ]
    assert warnings == []


def test_of_a_named_choice_only_that_tool_is_offered_and_required():
    encoded, warnings = body(tools=[Tool("f"), Tool("g")], tool_choice=ToolChoice("named", "g"))
    assert [tool["function"]["name"] for tool in encoded["tools"]] == ["g"]
    assert encoded["tool_choice"] == "REQUIRED"
    assert warnings == []


def test_a_choice_without_tools_says_nothing():
    assert "tool_choice" not in body(tool_choice=ToolChoice("none"))[0]


@pytest.mark.parametrize(
    ("strict", "word", "warned"),
    [((True, True), True, []), ((True, None), True, ["tools[].strict"]), ((None, False), None, [])],
)
def test_strictness_is_of_all_tools_or_of_none(strict, word, warned):
    encoded, warnings = body(tools=[Tool("f", strict=strict[0]), Tool("g", strict=strict[1])])
    assert (encoded.get("strict_tools"), warnings) == (word, warned)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (ResponseFormat(), {"type": "text"}),
        (ResponseFormat("json"), {"type": "json_object"}),
        (ResponseFormat("schema", {"type": "object"}), {"type": "json_object", "json_schema": {"type": "object"}}),
    ],
    ids=["text", "json", "schema"],
)
def test_the_form_of_the_answer(form, expected):
    assert body(response_format=form) == ({**body()[0], "response_format": expected}, [])


@pytest.mark.parametrize(
    ("wanted", "expected", "warned"),
    [
        (Reasoning(budget_tokens=500), {"type": "enabled", "token_budget": 500}, []),
        (Reasoning("none"), {"type": "disabled"}, []),
        (Reasoning(budget_tokens=0), {"type": "disabled"}, []),
        (Reasoning("low"), {"type": "enabled", "token_budget": 2048}, ["reasoning.effort"]),
    ],
)
def test_thinking_is_on_or_off_and_has_a_budget(wanted, expected, warned):
    encoded, warnings = body(reasoning=wanted)
    assert (encoded["thinking"], warnings) == (expected, warned)


def test_images_stand_in_the_content_and_the_speakers_name_is_left_out():
    picture = ImagePart(data=b"\x89PNG", detail="low")
    assert sent(Message("user", ["look", picture, ImagePart(url="https://e.x/a.png")], name="bob")) == (
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "look"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw==", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://e.x/a.png"}},
                ],
            }
        ],
        ["messages[].name"],
    )


def test_the_assistants_turn_goes_back_as_it_came():
    cited = {"start": 0, "end": 2, "text": "hi", "sources": [], "type": "TEXT_CONTENT"}
    planned = {"start": 0, "end": 1, "text": "I", "type": "PLAN"}
    turn = Message(
        "assistant",
        [
            ReasoningPart("hm", origin="cohere"),
            TextPart("hi", (Citation(provider_data=cited),), origin="cohere"),
            OpaquePart("cohere", {"type": "diagram"}),
            ReasoningPart("I will", origin="cohere", provider_data={"tool_plan": True, "citations": [planned]}),
        ],
        tool_calls=[ToolCall("c1", "f", "")],
    )
    results = Message("tool", [ToolResultPart("c1", "no", is_error=True)])
    assert sent(turn, results) == (
        [
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm"},
                    {"type": "text", "text": "hi"},
                    {"type": "diagram"},
                ],
                "citations": [cited, planned],
                "tool_plan": "I will",
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "Error: no"},
        ],
        [],
    )


def test_one_text_is_sent_as_text_and_nothing_as_an_empty_one():
    assert sent(Message("assistant", [RefusalPart("no")]))[0] == [{"role": "assistant", "content": "no"}]
    foreign = Message("assistant", [ReasoningPart("hm", origin="anthropic")])
    assert sent(foreign) == ([{"role": "assistant", "content": ""}], ["dropped_content"])
    empty = ReasoningPart("", origin="cohere")
    assert sent(Message("assistant", [empty]))[0] == [{"role": "assistant", "content": ""}]


def test_citations_of_others_stay_behind():
    foreign = TextPart("hi", (Citation("https://e.x", provider_data={"x": 1}),), origin="anthropic")
    assert sent(Message("assistant", [foreign]))[0] == [{"role": "assistant", "content": "hi"}]


def test_what_only_other_assistants_give_is_converted_or_dropped_with_a_warning():
    turn = Message(
        "assistant",
        [AudioPart(data=b"x", transcript="spoken"), ImagePart(data=b"y"), OpaquePart("openai", {"id": 1})],
        tool_calls=[ToolCall("c", "f", "free text", "custom")],
    )
    (encoded,), warnings = sent(turn)
    assert encoded["content"] == "spoken"
    assert encoded["tool_calls"][0]["function"]["arguments"] == '{"input":"free text"}'
    assert warnings == ["dropped_content"] * 3 + ["converted_content"]


def test_a_picture_in_a_tools_result_moves_into_the_next_users_message():
    messages, warnings = sent(
        Message("assistant", tool_calls=[ToolCall("c", "f")]),
        Message("tool", [ToolResultPart("c", ["seen", ImagePart(url="https://e.x/a.png")])]),
    )
    assert messages[1] == {"role": "tool", "tool_call_id": "c", "content": "seen"}
    assert messages[2]["content"][1] == {"type": "image_url", "image_url": {"url": "https://e.x/a.png"}}
    assert warnings == ["moved_content"]


@pytest.mark.parametrize(
    "part",
    [AudioPart(data=b"x"), DocumentPart(data=b"x"), VideoPart(data=b"x"), ImagePart(file_id="f")],
    ids=["audio", "document", "video", "image by id"],
)
def test_content_that_it_has_no_place_for_is_an_error(part):
    with pytest.raises(UnsupportedFeatureError, match="cohere"):
        sent(Message("user", ["look", part]))


def test_a_call_in_a_users_message_is_refused():
    with pytest.raises(InvalidMessageError):
        sent(Message("user", [ToolCall("c", "f")]))
