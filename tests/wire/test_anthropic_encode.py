"""What a request becomes on Anthropic's wire, and what it cannot carry."""

from __future__ import annotations

import base64
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
from aiclient.request import ChatOptions, ChatRequest, PromptCache, Reasoning, ResponseFormat, Tool, ToolChoice
from aiclient.wire.anthropic import BEDROCK, VERTEX, AnthropicWire
from aiclient.wire.anthropic_facts import claude
from aiclient.wire.anthropic_models import decode_model, decode_models, encode_model, encode_models

HELLO = (Message("user", "Hello"),)
OLD, MIDDLE, NEW = "claude-sonnet-4-5", "claude-opus-4-6", "claude-opus-5"


def call(messages=HELLO, model=OLD, stream=False, wire=None, **options):
    return (wire or AnthropicWire()).encode(ChatRequest(messages, ChatOptions(**options)), model=model, stream=stream)


def sent(messages=HELLO, model=OLD, **options):
    return json.loads(call(messages, model, **options)[0].body)


def codes(messages=HELLO, model=OLD, **options):
    return [(warning.code, warning.setting) for warning in call(messages, model, **options)[1]]


def turns(*messages, model=OLD):
    return sent(messages, model)["messages"]


def content(*parts, role="user"):
    return turns(Message("user", "Hello"), Message(role, parts))[-1]["content"][role == "user" :]


def text(value):
    return {"type": "text", "text": value}


# --- the exchange ---


def test_a_request_is_a_post_with_the_version_in_a_header():
    http, warnings = call()
    assert (http.method, http.url) == ("POST", "/v1/messages")
    assert http.headers == [("Content-Type", "application/json"), ("anthropic-version", "2023-06-01")]
    assert json.loads(http.body) == {
        "model": OLD,
        "max_tokens": 16384,
        "messages": [{"role": "user", "content": [text("Hello")]}],
    }
    assert warnings == ()


def test_a_stream_is_asked_for_in_the_body():
    assert json.loads(call(stream=True)[0].body)["stream"] is True


def test_vertex_takes_the_model_in_the_path_and_the_version_in_the_body():
    http, _ = call(model="claude-opus-4-1@20250805", stream=True, wire=AnthropicWire(VERTEX))
    assert http.url == "/publishers/anthropic/models/claude-opus-4-1@20250805:streamRawPredict"
    assert http.headers == [("Content-Type", "application/json")]
    body = json.loads(http.body)
    assert body["anthropic_version"] == "vertex-2023-10-16"
    assert body["stream"] is True
    assert "model" not in body
    count, _ = AnthropicWire(VERTEX).encode_count(ChatRequest(HELLO), model=OLD)
    assert count.url == "/publishers/anthropic/models/count-tokens:rawPredict"
    assert json.loads(count.body)["model"] == OLD


def test_bedrock_takes_everything_but_the_model_in_the_body():
    arn = "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude"
    extra = {"anthropic": {"betas": "b1,b2"}}
    http, _ = call(model=arn, stream=True, wire=AnthropicWire(BEDROCK), extra=extra)
    assert (
        http.url
        == "/model/arn:aws:bedrock:eu-west-1:1:inference-profile%2Feu.anthropic.claude/invoke-with-response-stream"
    )
    body = json.loads(http.body)
    assert body["anthropic_version"] == "bedrock-2023-05-31"
    assert body["anthropic_beta"] == ["b1", "b2"]
    assert not {"stream", "model"} & body.keys()
    assert http.headers == [("Content-Type", "application/json")]
    with pytest.raises(InvalidRequestError, match="counts no tokens"):
        AnthropicWire(BEDROCK).encode_count(ChatRequest(HELLO), model=OLD)


@pytest.mark.parametrize(
    ("model", "limit"), [("claude-3-haiku-20240307", 4096), (OLD, 16384), (NEW, 16384), ("other", 4096)]
)
def test_the_limit_that_the_protocol_demands_follows_the_model(model, limit):
    assert sent(model=model)["max_tokens"] == limit
    assert sent(model=model, max_tokens=7)["max_tokens"] == 7
    assert json.loads(call(model=model, wire=AnthropicWire(max_tokens=99))[0].body)["max_tokens"] == 99


def test_extra_comes_last_joins_settings_and_adds_tools_and_names_betas_in_a_header():
    extra = {
        "anthropic": {
            "betas": ["b1", "b2"],
            "tools": [{"type": "web_search_20250305", "name": "web_search"}],
            "output_config": {"effort": "low"},
            "metadata": {"x": "y"},
            "temperature": 0.3,
            "container": "c1",
        },
        "openai": {"n": 2},
    }
    wanted = ResponseFormat("schema", {"type": "object", "properties": {}})
    http, warnings = call(extra=extra, temperature=1, tools=[Tool("now")], user_id="u", response_format=wanted)
    body = json.loads(http.body)
    assert ("anthropic-beta", "b1,b2") in http.headers
    assert [tool["name"] for tool in body["tools"]] == ["now", "web_search"]
    assert body["output_config"].keys() == {"effort", "format"}
    assert body["metadata"] == {"user_id": "u", "x": "y"}
    assert (body["temperature"], body["container"]) == (0.3, "c1")
    assert not {"betas", "n"} & body.keys()
    assert warnings == ()


def test_a_namespace_of_its_own_comes_after_the_protocols():
    extra = {"anthropic": {"speed": "standard"}, "local": {"speed": "fast"}}
    assert json.loads(call(wire=AnthropicWire(origin="local"), extra=extra)[0].body)["speed"] == "fast"


def test_streaming_is_not_switched_behind_the_readers_back():
    with pytest.raises(InvalidRequestError, match="'stream'"):
        call(extra={"anthropic": {"stream": True}})


# --- turns ---


def test_system_messages_at_the_beginning_are_the_system_prompt_as_blocks():
    body = sent([Message("system", "Be brief."), Message("developer", ["Be", "kind."]), *HELLO])
    assert body["system"] == [text("Be brief."), text("Be"), text("kind.")]
    assert [turn["role"] for turn in body["messages"]] == ["user"]


MIDDLE_TALK = (
    Message("user", "a"),
    Message("assistant", "b"),
    Message("system", "Now be kind."),
    Message("user", "c"),
)


def test_a_system_message_in_the_middle_goes_to_the_system_prompt_of_a_model_without_such():
    body = sent(MIDDLE_TALK)
    assert body["system"] == [text("Now be kind.")]
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert codes(MIDDLE_TALK) == [("moved_content", None)]


def test_a_system_message_in_the_middle_stands_after_the_users_turn_where_the_model_takes_it():
    body = sent(MIDDLE_TALK, "claude-opus-4-8")
    assert "system" not in body
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user", "system"]
    assert codes(MIDDLE_TALK, "claude-opus-4-8") == [("moved_content", None)]
    before = (Message("user", "a"), Message("system", "s"), Message("assistant", "b"), Message("user", "c"))
    assert [turn["role"] for turn in sent(before, NEW)["messages"]] == ["user", "system", "assistant", "user"]
    assert codes(before, NEW) == []


def test_a_system_message_after_the_last_answer_goes_to_the_system_prompt():
    talk = (Message("user", "a"), Message("assistant", "b"), Message("system", "s"))
    body = sent(talk, NEW)
    assert body["system"] == [text("s")]
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant"]
    assert codes(talk, NEW) == [("moved_content", None)]


def test_adjacent_turns_of_one_role_are_one():
    found = turns(Message("user", "a"), Message("user", "b"), Message("assistant", "c"), Message("assistant", "d"))
    assert [(turn["role"], [block["text"] for block in turn["content"]]) for turn in found] == [
        ("user", ["a", "b"]),
        ("assistant", ["c", "d"]),
    ]


@pytest.mark.parametrize(
    "talk", [[Message("assistant", "Hi")], [Message("system", "Say something.")]], ids=["answer", "system"]
)
def test_the_first_turn_is_a_users_even_if_nobody_said_anything(talk):
    assert sent(talk)["messages"][0] == {"role": "user", "content": [text(".")]}
    assert codes(talk) == [("added_content", None)]


def test_empty_texts_are_left_out_and_blank_ones_with_a_warning():
    talk = [Message("user", ["", "a", " \n"]), Message("assistant", ""), Message("user", "b")]
    assert turns(*talk) == [{"role": "user", "content": [text("a"), text("b")]}]
    assert codes(talk) == [("dropped_content", None)]


def test_blanks_at_the_end_of_a_prefilled_answer_are_taken_off():
    talk = [*HELLO, Message("assistant", "The answer is ")]
    assert turns(*talk)[-1]["content"] == [text("The answer is")]
    assert codes(talk) == [("changed_content", None)]


def test_a_speakers_name_has_no_place_and_a_tools_needs_none():
    assert codes([Message("user", "Hello", name="Ann")]) == [("unsupported_setting", "message.name")]
    results = [Message("tool", "1", name="x", tool_call_id="a")]
    assert codes(loop(ToolCall("a", "x"), results=results)) == []


# --- tools in the conversation ---


def loop(*calls, results=None):
    results = results or [Message("tool", "sunny", tool_call_id=made.id) for made in calls]
    return [*HELLO, Message("assistant", calls), *results]


def test_a_call_and_its_result():
    found = turns(*loop(ToolCall("toolu_1", "weather", '{"city":"Paris"}')))
    assert found[1]["content"] == [{"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}}]
    assert found[2]["content"] == [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [text("sunny")]}]


def test_results_of_one_turn_stand_together_before_anything_else():
    made = [ToolCall("a", "x"), ToolCall("b", "x")]
    results = [
        Message("user", ["Well:", ToolResultPart("b", "2", is_error=True)]),
        Message("tool", [ImagePart(url="https://a.test/x.png")], tool_call_id="a"),
    ]
    found = turns(*loop(*made, results=results))[-1]["content"]
    assert [block.get("tool_use_id", "text") for block in found] == ["b", "a", "text"]
    assert found[0]["is_error"] is True
    assert found[1]["content"] == [{"type": "image", "source": {"type": "url", "url": "https://a.test/x.png"}}]


def test_a_result_without_content_has_none():
    results = [Message("tool", [ToolResultPart("a", ())])]
    assert turns(*loop(ToolCall("a", "x"), results=results))[-1]["content"] == [
        {"type": "tool_result", "tool_use_id": "a"}
    ]


def test_foreign_ids_are_rewritten_and_their_results_follow():
    found = turns(*loop(ToolCall("functions.weather:0", "x"), ToolCall("functions_weather_0", "x")))
    assert [block["id"] for block in found[1]["content"]] == ["functions_weather_0", "functions_weather_0_2"]
    assert [block["tool_use_id"] for block in found[2]["content"]] == ["functions_weather_0", "functions_weather_0_2"]


def test_two_calls_of_one_id_have_each_their_result():
    found = turns(*loop(ToolCall("c", "x"), ToolCall("c", "x")))
    assert [block["id"] for block in found[1]["content"]] == ["c", "c_2"]
    assert [block["tool_use_id"] for block in found[2]["content"]] == ["c", "c_2"]


def test_ids_that_come_again_in_a_later_turn_are_told_apart():
    found = turns(*loop(ToolCall("call_0", "x")), *loop(ToolCall("call_0", "x"))[1:])
    assert [found[index]["content"][0].get("id") for index in (1, 3)] == ["call_0", "call_0_2"]
    assert [found[index]["content"][0].get("tool_use_id") for index in (2, 4)] == ["call_0", "call_0_2"]


def test_arguments_that_are_no_object_are_wrapped_with_a_warning():
    talk = loop(ToolCall("a", "x", '{"zo'))
    assert turns(*talk)[1]["content"][0]["input"] == {"INVALID_JSON": '{"zo'}
    assert codes(talk) == [("changed_content", None)]
    free = loop(ToolCall("a", "x", "free text", "custom"))
    assert turns(*free)[1]["content"][0]["input"] == {"input": "free text"}
    assert codes(free) == []


def test_a_call_is_the_assistants():
    with pytest.raises(InvalidMessageError, match="tool_call"):
        content(ToolCall("a", "x"))


# --- what other answers leave behind ---


def test_thinking_goes_back_sealed_and_only_to_its_vendor():
    own = ReasoningPart("hm", "sealed", origin="anthropic")
    assert content(own, TextPart("a"), role="assistant") == [
        {"type": "thinking", "thinking": "hm", "signature": "sealed"},
        text("a"),
    ]
    for foreign in (
        ReasoningPart("hm", "sealed", origin="openai"),
        ReasoningPart("hm"),
        ReasoningPart("hm", origin="anthropic"),
    ):
        talk = [*HELLO, Message("assistant", [foreign, "a"])]
        assert turns(*talk)[-1]["content"] == [text("a")]
        assert codes(talk) == [("dropped_content", None)]


def test_blocks_of_unknown_kinds_go_back_to_their_vendor_only():
    block = {"type": "new_kind", "x": [1]}
    assert content(OpaquePart("anthropic", block), role="assistant") == [block]
    assert codes([*HELLO, Message("assistant", [OpaquePart("openai", block), "a"])]) == [("dropped_content", None)]


def test_sources_go_back_as_they_came_and_foreign_ones_do_not():
    place = {"type": "char_location", "cited_text": "q", "file_id": None}
    own = TextPart("a", (Citation(provider_data=place),), origin="anthropic")
    assert content(own, role="assistant") == [
        {**text("a"), "citations": [{"type": "char_location", "cited_text": "q"}]}
    ]
    assert content(TextPart("a", (Citation("https://a.test"),)), role="assistant") == [text("a")]
    assert content(TextPart("a", (Citation(provider_data=place),), origin="openai"), role="assistant") == [text("a")]


def test_refusals_are_words_unless_the_service_wrote_them():
    assert content(RefusalPart("No."), role="assistant") == [text("No.")]
    talk = [*HELLO, Message("assistant", ["So", RefusalPart("why", origin="anthropic")])]
    assert turns(*talk)[-1]["content"] == [text("So")]


def test_an_assistants_media_are_dropped_and_its_speech_is_text():
    talk = [*HELLO, Message("assistant", [ImagePart(data=b"x"), AudioPart(data=b"x", transcript="Hi")])]
    assert turns(*talk)[-1]["content"] == [text("Hi")]
    assert codes(talk) == [("dropped_content", None)] * 2


# --- media ---


def coded(data):
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("data", "given", "expected"),
    [
        (b"\x89PNG..", None, "image/png"),
        (b"\xff\xd8\xff..", None, "image/jpeg"),
        (b"GIF89a", None, "image/gif"),
        (b"RIFF....WEBP", None, "image/webp"),
        (b"x", "image/jpg", "image/jpeg"),
        (b"x", "Image/PNG; q=1", "image/png"),
    ],
)
def test_images_as_bytes(data, given, expected):
    source = {"type": "base64", "media_type": expected, "data": coded(data)}
    assert content(ImagePart(data=data, media_type=given)) == [{"type": "image", "source": source}]


def test_images_by_reference():
    assert content(ImagePart(url="https://a.test/x")) == [
        {"type": "image", "source": {"type": "url", "url": "https://a.test/x"}}
    ]
    assert content(ImagePart(file_id="f")) == [{"type": "image", "source": {"type": "file", "file_id": "f"}}]
    inline = content(ImagePart(url=f"data:image/gif;base64,{coded(b'GIF8')}"))
    assert inline[0]["source"] == {"type": "base64", "media_type": "image/gif", "data": coded(b"GIF8")}
    assert codes([Message("user", [ImagePart(file_id="f", detail="high")])]) == [
        ("unsupported_setting", "image detail")
    ]


def test_documents():
    pdf = {"type": "base64", "media_type": "application/pdf", "data": coded(b"%PDF")}
    assert content(DocumentPart(data=b"%PDF", name="a.pdf")) == [{"type": "document", "source": pdf, "title": "a.pdf"}]
    plain = {"type": "text", "media_type": "text/plain", "data": "# Ü"}
    for kind in (None, "text/markdown", "application/json"):
        assert content(DocumentPart(data=b"\xef\xbb\xbf# \xc3\x9c", media_type=kind)) == [
            {"type": "document", "source": plain}
        ]
    url = {"type": "url", "url": "https://a.test/x.pdf"}
    assert content(DocumentPart(url=url["url"])) == [{"type": "document", "source": url}]


def test_marks_of_the_callers_own_go_with_the_part():
    mark = {"cache_control": {"type": "ephemeral"}}
    assert content(TextPart("a", origin="anthropic", provider_data=mark)) == [{**text("a"), **mark}]
    assert content(TextPart("a", origin="openai", provider_data=mark)) == [text("a")]


@pytest.mark.parametrize(
    "part",
    [
        AudioPart(data=b"x"),
        VideoPart(url="https://a.test"),
        ImagePart(data=b"BM"),
        ImagePart(data=b"x", media_type="image/tiff"),
        DocumentPart(data=b"\xff\xfe", media_type="text/plain"),
        DocumentPart(data=b"PK", media_type="application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ],
    ids=repr,
)
def test_content_without_a_place_is_an_error_so_that_a_fallback_may_find_one(part):
    with pytest.raises(UnsupportedFeatureError):
        content(part)


def test_a_system_prompt_is_text():
    with pytest.raises(UnsupportedFeatureError, match="system prompt"):
        sent([Message("system", [ImagePart(data=b"GIF8")]), *HELLO])


# --- options ---


def test_sampling():
    body = sent(model="claude-3-haiku-20240307", temperature=0.5, top_p=0.9, top_k=4, stop=["END"], user_id="u")
    assert (body["temperature"], body["top_p"], body["top_k"]) == (0.5, 0.9, 4)
    assert (body["stop_sequences"], body["metadata"]) == (["END"], {"user_id": "u"})


def test_a_temperature_above_one_is_taken_as_one():
    assert sent(temperature=1.7)["temperature"] == 1
    assert codes(temperature=1.7) == [("rounded_setting", "temperature")]


def test_temperature_and_top_p_exclude_each_other_from_opus_4_1_on():
    body = sent(temperature=0.5, top_p=0.9)
    assert body["temperature"] == 0.5
    assert "top_p" not in body
    assert codes(temperature=0.5, top_p=0.9) == [("unsupported_setting", "top_p")]


def test_models_that_take_no_sampling_get_none():
    given = {"temperature": 0.5, "top_p": 0.9, "top_k": 4}
    assert not sent(model=NEW, **given).keys() & given.keys()
    assert codes(model=NEW, **given) == [("unsupported_setting", name) for name in ("temperature", "top_k", "top_p")]
    assert codes(model=NEW, temperature=1, top_p=1) == []


def test_blank_stop_sequences_are_left_out():
    assert sent(stop=["\n", "END"])["stop_sequences"] == ["END"]
    assert codes(stop=["\n"]) == [("unsupported_setting", "stop")]
    assert "stop_sequences" not in sent(stop=["\n"])


@pytest.mark.parametrize(
    ("given", "setting"),
    [
        ({"seed": 1}, "seed"),
        ({"frequency_penalty": 1}, "frequency_penalty"),
        ({"presence_penalty": 1}, "presence_penalty"),
        ({"logprobs": 0}, "logprobs"),
        ({"n": 2}, "n"),
        ({"metadata": {"a": "b"}}, "metadata"),
        ({"service_tier": "flex"}, "service_tier 'flex'"),
        ({"response_format": ResponseFormat("json")}, "response_format 'json'"),
        ({"prompt_cache": PromptCache(key="k")}, "prompt_cache.key"),
    ],
    ids=str,
)
def test_what_the_protocol_has_no_field_for_is_a_warning_or_an_error(given, setting):
    assert codes(**given) == [("unsupported_setting", setting)]
    with pytest.raises(UnsupportedFeatureError):
        call(**given, strict=True)


def test_service_tiers():
    assert sent(service_tier="auto")["service_tier"] == "auto"
    assert (
        sent(service_tier="default")["service_tier"]
        == sent(service_tier="standard_only")["service_tier"]
        == "standard_only"
    )


def test_tools_and_choices():
    tools = [Tool("now"), Tool("weather", "Tells it.", {"properties": {"city": {"type": "string"}}})]
    body = sent(tools=tools)
    assert body["tools"] == [
        {"name": "now", "input_schema": {"type": "object", "properties": {}}},
        {
            "name": "weather",
            "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
            "description": "Tells it.",
        },
    ]
    assert "tool_choice" not in body

    def choice(value, parallel=None):
        return sent(tools=tools, tool_choice=ToolChoice.of(value), parallel_tool_calls=parallel).get("tool_choice")

    assert choice("auto") == {"type": "auto"}
    assert choice("none") == choice("none", parallel=False) == {"type": "none"}
    assert choice("required") == {"type": "any"}
    assert choice("now") == {"type": "tool", "name": "now"}
    assert choice("now", parallel=False) == {"type": "tool", "name": "now", "disable_parallel_tool_use": True}
    assert choice(None, parallel=False) == {"type": "auto", "disable_parallel_tool_use": True}
    assert choice(None, parallel=True) is None


SCHEMA = {
    "type": "object",
    "properties": {
        "n": {"type": "integer", "minimum": 1, "description": "Count."},
        "when": {"type": "string", "format": "date"},
        "odd": {"type": "string", "format": "color"},
        "any": {"oneOf": [{"type": "object", "properties": {}}, {"$ref": "#/$defs/x"}]},
    },
    "$defs": {"x": {"type": "array", "items": {"type": "number"}, "minItems": 3}},
    "additionalProperties": True,
}
TAKEN = {
    "type": "object",
    "properties": {
        "n": {"type": "integer", "description": "Count.\n\n{minimum: 1}"},
        "when": {"type": "string", "format": "date"},
        "odd": {"type": "string", "description": '{format: "color"}'},
        "any": {"anyOf": [{"type": "object", "properties": {}, "additionalProperties": False}, {"$ref": "#/$defs/x"}]},
    },
    "$defs": {"x": {"type": "array", "items": {"type": "number"}, "description": "{minItems: 3}"}},
    "additionalProperties": False,
    "description": "{additionalProperties: true}",
}


def test_structured_output_takes_a_part_of_json_schema_and_descriptions_tell_the_rest():
    wanted = ResponseFormat("schema", SCHEMA)
    assert sent(response_format=wanted)["output_config"] == {"format": {"type": "json_schema", "schema": TAKEN}}
    assert codes(response_format=wanted) == [("changed_schema", None)]
    tools = [Tool("x", parameters=SCHEMA, strict=True)]
    (tool,) = sent(tools=tools)["tools"]
    assert (tool["strict"], tool["input_schema"]) == (True, TAKEN)
    assert sent(tools=[Tool("x", parameters=SCHEMA, strict=False)])["tools"][0]["input_schema"] == SCHEMA


def test_models_before_4_5_have_neither_structured_outputs_nor_strict_tools():
    older = "claude-sonnet-4-20250514"
    assert codes(model=older, response_format=ResponseFormat("schema", SCHEMA)) == [
        ("unsupported_setting", "response_format.schema")
    ]
    assert codes(model=older, tools=[Tool("x", strict=True)]) == [("unsupported_setting", "tools.strict")]
    assert "strict" not in sent(model=older, tools=[Tool("x", strict=True)])["tools"][0]


# --- thinking ---


def thinking(model, effort=None, budget=None, **options):
    body = sent(model=model, reasoning=Reasoning(effort, budget), **options)
    return body.get("thinking"), body.get("output_config"), body["max_tokens"]


def enabled(budget):
    return {"type": "enabled", "budget_tokens": budget}


@pytest.mark.parametrize(
    ("effort", "budget", "limit"),
    [
        ("minimal", 1024, 16384),
        ("low", 2048, 16384),
        ("medium", 8192, 16384),
        ("high", 16384, 20480),
        ("max", 24576, 28672),
    ],
)
def test_an_effort_is_a_budget_for_models_up_to_4_5_and_the_limit_makes_room(effort, budget, limit):
    assert thinking(OLD, effort) == (enabled(budget), None, limit)


def test_a_budget_is_kept_within_its_bounds():
    assert thinking(OLD, budget=5000) == (enabled(5000), None, 16384)
    assert thinking(OLD, budget=5000, max_tokens=3000) == (enabled(2999), None, 3000)
    assert thinking(OLD, budget=1) == (enabled(1024), None, 16384)
    assert thinking(OLD, "low", max_tokens=1024) == (None, None, 1024)
    reasoning = Reasoning(budget_tokens=5000)
    assert codes(reasoning=reasoning) == []
    assert codes(reasoning=reasoning, max_tokens=3000) == [("rounded_setting", "reasoning.budget_tokens")]
    assert codes(reasoning=reasoning, max_tokens=100) == [("unsupported_setting", "reasoning")]


def test_models_from_4_6_on_think_adaptively_and_take_the_effort():
    assert thinking(MIDDLE, "low") == ({"type": "adaptive"}, {"effort": "low"}, 16384)
    assert thinking(MIDDLE, budget=5000) == (enabled(5000), None, 16384)
    shown = {"type": "adaptive", "display": "summarized"}
    assert thinking(NEW, "xhigh") == (shown, {"effort": "xhigh"}, 16384)
    assert codes(model=NEW, reasoning=Reasoning("high")) == []


def test_efforts_and_budgets_that_a_model_lacks_become_the_nearest_with_a_warning():
    assert thinking(MIDDLE, "xhigh")[1] == {"effort": "high"}
    assert thinking(NEW, "minimal")[1] == {"effort": "low"}
    assert [thinking(NEW, budget=budget)[1]["effort"] for budget in (1000, 5000, 50000)] == ["low", "medium", "high"]
    assert codes(model=MIDDLE, reasoning=Reasoning("xhigh")) == [("rounded_setting", "reasoning.effort")]
    assert codes(model=NEW, reasoning=Reasoning(budget_tokens=9)) == [("rounded_setting", "reasoning.budget_tokens")]


def test_thinking_is_switched_off_where_that_can_be():
    assert thinking(OLD, "none") == ({"type": "disabled"}, None, 16384)
    assert thinking(NEW, budget=0) == ({"type": "disabled"}, None, 16384)
    assert thinking("claude-fable-5-1", "none") == (None, {"effort": "low"}, 16384)
    assert codes(model="claude-mythos-preview", reasoning=Reasoning("none")) == [
        ("rounded_setting", "reasoning.effort")
    ]


def test_sampling_is_left_alone_while_the_model_thinks():
    given = {"reasoning": Reasoning("low"), "temperature": 0.5, "top_k": 3, "top_p": 0.5}
    assert not sent(**given).keys() & {"temperature", "top_k", "top_p"}
    assert codes(**given) == [("unsupported_setting", name) for name in ("temperature", "top_k", "top_p")]
    assert sent(reasoning=Reasoning("low"), top_p=0.97)["top_p"] == 0.97


def test_a_forced_tool_and_thinking_exclude_each_other_up_to_4_7():
    given = {"reasoning": Reasoning("low"), "tools": [Tool("x")], "tool_choice": ToolChoice("required")}
    assert "thinking" not in sent(model=MIDDLE, **given)
    assert codes(model=MIDDLE, **given) == [("unsupported_setting", "reasoning")]
    assert sent(model=NEW, **given)["thinking"]["type"] == "adaptive"


def test_thinking_with_a_budget_does_not_begin_among_tool_results():
    talk = loop(ToolCall("a", "x"))
    assert "thinking" not in sent(talk, reasoning=Reasoning("low"))
    assert codes(talk, reasoning=Reasoning("low")) == [("unsupported_setting", "reasoning")]
    thought = ReasoningPart("hm", "sealed", origin="anthropic")
    assert "thinking" in sent(
        [*HELLO, Message("assistant", [thought, ToolCall("a", "x")]), *talk[2:]], reasoning=Reasoning("low")
    )
    assert "thinking" in sent(talk, NEW, reasoning=Reasoning("low"))


# --- prompt caching ---


def marks(body):
    """Return the marks at the ends of messages, system prompt and tools."""
    groups = (body["messages"][-1]["content"], body.get("system", [{}]), body.get("tools", [{}]))
    return [group[-1].get("cache_control") for group in groups]


def test_the_ends_of_tools_system_prompt_and_messages_are_marked():
    talk = [Message("system", ["a", "b"]), *HELLO]
    body = sent(talk, tools=[Tool("x"), Tool("y")], prompt_cache=PromptCache())
    assert marks(body) == [{"type": "ephemeral"}] * 3
    assert json.dumps(body).count("cache_control") == 3
    assert marks(sent(talk, prompt_cache=PromptCache("1h")))[0] == {"type": "ephemeral", "ttl": "1h"}


@pytest.mark.parametrize(("ttl", "nearest"), [("1m", "5m"), ("30m", "5m"), ("40m", "1h"), ("24h", "1h")])
def test_other_times_become_the_nearest_with_a_warning(ttl, nearest):
    assert marks(sent(prompt_cache=PromptCache(ttl)))[0].get("ttl", "5m") == nearest
    assert codes(prompt_cache=PromptCache(ttl)) == [("rounded_setting", "prompt_cache.ttl")]


def test_thinking_takes_no_mark_and_marks_of_the_callers_own_count():
    thought = ReasoningPart("hm", "sealed", origin="anthropic")
    body = sent([*HELLO, Message("assistant", ["a", thought])], prompt_cache=PromptCache())
    assert [block.get("cache_control") is not None for block in body["messages"][-1]["content"]] == [True, False]
    own = TextPart("x", origin="anthropic", provider_data={"cache_control": {"type": "ephemeral", "ttl": "1h"}})
    talk = [Message("system", own), Message("user", [own, own, "last"])]
    body = sent(talk, tools=[Tool("x")], prompt_cache=PromptCache())
    assert marks(body) == [{"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}, None]


# --- models ---


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("claude-3-opus-20240229", (3, 0)),
        ("claude-3-7-sonnet-latest", (3, 7)),
        ("claude-2.1", (2, 1)),
        ("claude-instant-1.2", (1, 2)),
        ("claude-sonnet-4-20250514", (4, 0)),
        ("claude-opus-4-1-20250805", (4, 1)),
        ("claude-haiku-4-5@20251001", (4, 5)),
        ("us.anthropic.claude-3-5-sonnet-20241022-v2:0", (3, 5)),
        ("anthropic.claude-opus-4-6-v1", (4, 6)),
        ("anthropic/claude-sonnet-4.5", (4, 5)),
        ("claude-fable-5-1", (5, 1)),
        ("claude-sonnet-5", (5, 0)),
        ("claude-mythos-preview", (5, 0)),
        ("claude-opus-12", (12, 0)),
        ("gpt-5", None),
        ("claude", None),
    ],
)
def test_versions_are_read_from_names_of_every_kind(name, version):
    assert claude(name).version == version


def test_models_are_listed_page_by_page():
    assert encode_models().url == "/v1/models?limit=1000"
    assert encode_models(after="a b").url == "/v1/models?limit=1000&after_id=a%20b"
    assert encode_model("a/b").url == "/v1/models/a%2Fb"
    item = {"id": "claude-x", "display_name": "X", "created_at": "2026-01-02T03:04:05Z", "type": "model"}
    page = {
        "data": [item, {"id": "claude-y", "created_at": "1970-01-01T00:00:00Z"}],
        "has_more": True,
        "last_id": "claude-y",
    }
    models, more = decode_models(json.dumps(page).encode())
    assert more == "claude-y"
    assert [(model.id, model.created_at and model.created_at.isoformat()) for model in models] == [
        ("claude-x", "2026-01-02T03:04:05+00:00"),
        ("claude-y", None),
    ]
    assert decode_models(json.dumps({**page, "has_more": False}).encode())[1] is None
    assert decode_model(json.dumps(item).encode()).raw["display_name"] == "X"
