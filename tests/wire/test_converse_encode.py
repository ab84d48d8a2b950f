"""Requests of Bedrock's Converse: what goes where, and what is said about what goes nowhere."""

from __future__ import annotations

import base64
import json

import pytest

from aiclient.errors import InvalidMessageError, UnsupportedFeatureError
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
from aiclient.wire.converse import ConverseWire
from aiclient.wire.converse_facts import served

WIRE = ConverseWire()
NOVA = "us.amazon.nova-2-lite-v1:0"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NEWEST = "us.anthropic.claude-sonnet-5"
LLAMA = "meta.llama3-8b-instruct-v1:0"
PNG = b"\x89PNG...."
CALL = ToolCall("t1", "weather", '{"city":"Paris"}')
WEATHER = Tool("weather", "The weather.", {"type": "object", "properties": {"city": {"type": "string"}}})


def user(*parts):
    return Message("user", parts)


def encoded(*messages, model=NOVA, stream=False, **options):
    """Return the body and the codes of the warnings."""
    request = ChatRequest(messages or [user("hi")], ChatOptions(**options))
    call, warnings = WIRE.encode(request, model=model, stream=stream)
    return json.loads(call.body), [warning.code for warning in warnings]


def content(*parts, model=NOVA):
    """Return the blocks of a user's parts."""
    body, warnings = encoded(user(*parts), model=model)
    return body["messages"][0]["content"], warnings


def b64(data):
    return base64.b64encode(data).decode()


# --- the call ---


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("amazon.nova-lite-v1:0", "/model/amazon.nova-lite-v1%3A0/converse"),
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.x",
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.x/converse",
        ),
    ],
)
def test_the_model_stands_in_the_path_whatever_it_holds(model, path):
    request = ChatRequest([user("hi")])
    assert WIRE.encode(request, model=model, stream=False)[0].url == path
    call, warnings = WIRE.encode(request, model=model, stream=True)
    assert (call.method, call.url, warnings) == ("POST", f"{path}-stream", ())
    assert json.loads(call.body) == {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}
    assert dict(call.headers) == {"Content-Type": "application/json"}


def test_tokens_are_counted_of_what_the_operation_takes():
    options = ChatOptions(max_tokens=5, tools=[WEATHER], top_k=3, service_tier="flex")
    request = ChatRequest([Message("system", "Be brief."), user("hi")], options)
    call, _ = WIRE.encode_count(request, model=CLAUDE)
    assert call.url == "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens"
    assert set(json.loads(call.body)["input"]["converse"]) == {
        "messages",
        "system",
        "toolConfig",
        "additionalModelRequestFields",
    }


@pytest.mark.parametrize(
    ("name", "vendor", "base"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0", "anthropic", "anthropic.claude-3-haiku-20240307-v1:0"),
        ("us-gov.amazon.nova-lite-v1:0", "amazon", "amazon.nova-lite-v1:0"),
        ("global.openai.gpt-5.6-terra", "openai", "openai.gpt-5.6-terra"),
        ("arn:aws:bedrock:us-east-1::foundation-model/deepseek.r1-v1:0", "deepseek", "deepseek.r1-v1:0"),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/eu.amazon.nova-pro-v1:0", "amazon", "amazon.nova-pro-v1:0"),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/1arbu5hu2sjr", None, None),
        ("does-not-exist", None, None),
    ],
)
def test_a_models_vendor_is_read_off_its_name(name, vendor, base):
    assert (served(name).vendor, served(name).base) == (vendor, base or name)


# --- messages ---


def test_system_messages_become_the_system_prompt_and_roles_alternate():
    body, warnings = encoded(
        Message("system", "One."),
        Message("developer", "Two."),
        user("a"),
        user("b"),
        Message("assistant", "c"),
        user("d"),
    )
    assert body["system"] == [{"text": "One."}, {"text": "Two."}]
    assert [(turn["role"], len(turn["content"])) for turn in body["messages"]] == [
        ("user", 2),
        ("assistant", 1),
        ("user", 1),
    ]
    assert warnings == []


def test_a_system_message_in_the_middle_goes_to_the_front_unless_the_model_takes_it():
    messages = [user("a"), Message("system", "Now."), Message("assistant", "b"), user("c")]
    body, warnings = encoded(*messages)
    assert (body["system"], warnings) == ([{"text": "Now."}], ["moved_content"])
    body, warnings = encoded(*messages, model=NEWEST)
    assert [turn["role"] for turn in body["messages"]] == ["user", "system", "assistant", "user"]
    assert warnings == []


def test_a_conversation_begins_with_the_user():
    body, warnings = encoded(Message("assistant", "Hello  "), model=CLAUDE)
    assert [turn["content"] for turn in body["messages"]] == [[{"text": "."}], [{"text": "Hello"}]]
    assert warnings == ["added_content", "changed_content"]


def test_blank_text_is_left_out():
    assert content("a", " \n") == ([{"text": "a"}], ["dropped_content"])
    assert encoded(user("a"), Message("assistant", ["b", "\n"]), user("c"))[1] == []


def test_a_refusal_is_text_and_names_are_not_sent():
    body, warnings = encoded(user("a"), Message("assistant", [RefusalPart("No.")]), Message("user", "b", name="Ann"))
    assert body["messages"][1]["content"] == [{"text": "No."}]
    assert warnings == ["unsupported_setting"]


# --- media ---


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (ImagePart(data=PNG), {"image": {"format": "png", "source": {"bytes": b64(PNG)}}}),
        (ImagePart(data=b"x", media_type="image/jpg"), {"image": {"format": "jpeg", "source": {"bytes": b64(b"x")}}}),
        (
            ImagePart(url=f"data:image/gif;base64,{b64(b'x')}"),
            {"image": {"format": "gif", "source": {"bytes": b64(b"x")}}},
        ),
        (
            ImagePart(url="s3://bucket/a.webp"),
            {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://bucket/a.webp"}}}},
        ),
        (
            VideoPart(data=b"x", media_type="video/quicktime"),
            {"video": {"format": "mov", "source": {"bytes": b64(b"x")}}},
        ),
        (
            VideoPart(url="s3://bucket/film.3gp"),
            {"video": {"format": "three_gp", "source": {"s3Location": {"uri": "s3://bucket/film.3gp"}}}},
        ),
        (AudioPart(data=b"x", media_type="audio/mpeg"), {"audio": {"format": "mp3", "source": {"bytes": b64(b"x")}}}),
        (
            DocumentPart(data=b"%PDF-1", name="Report 2026.pdf"),
            {"document": {"format": "pdf", "name": "Report 2026", "source": {"bytes": b64(b"%PDF-1")}}},
        ),
        (
            DocumentPart(data=b"a,b", media_type="text/csv"),
            {"document": {"format": "csv", "name": "document", "source": {"bytes": b64(b"a,b")}}},
        ),
        (
            DocumentPart(data=b"{}", media_type="application/json; charset=utf-8", name="x"),
            {"document": {"format": "txt", "name": "x", "source": {"bytes": b64(b"{}")}}},
        ),
        (
            DocumentPart(data=b"# Hi", name="notes.md"),
            {"document": {"format": "md", "name": "notes", "source": {"bytes": b64(b"# Hi")}}},
        ),
        (
            DocumentPart(data=b"plain"),
            {"document": {"format": "txt", "name": "document", "source": {"bytes": b64(b"plain")}}},
        ),
        (
            DocumentPart(url="s3://bucket/a.docx", name="a"),
            {"document": {"format": "docx", "name": "a", "source": {"s3Location": {"uri": "s3://bucket/a.docx"}}}},
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_media_are_bytes_or_objects_in_s3(part, block):
    assert content("look", part) == ([{"text": "look"}, block], [])


@pytest.mark.parametrize(
    "part",
    [
        ImagePart(url="https://x.example/a.png"),
        ImagePart(file_id="f1"),
        ImagePart(data=b"BM...", media_type="image/bmp"),
        VideoPart(data=b"x", media_type="video/x-odd"),
        AudioPart(data=b"x", media_type="audio/x-odd"),
        DocumentPart(data=b"\xff\x00"),
        DocumentPart(data=b"x", media_type="application/zip"),
        DocumentPart(url="https://x.example/a.pdf"),
    ],
    ids=["url", "file", "bmp", "video", "audio", "binary", "zip", "document"],
)
def test_other_media_are_refused_before_anything_is_sent(part):
    with pytest.raises(UnsupportedFeatureError):
        content("look", part)


def test_documents_have_names_that_bedrock_takes_and_no_two_the_same():
    names = ["report.pdf", "report.docx", "Ünïcode_&_more  (v1.2)[x].md", "???", None, "y" * 300, "y" * 300]
    blocks, warnings = content("look", *(DocumentPart(data=b"x", media_type="text/plain", name=name) for name in names))
    assert [block["document"]["name"] for block in blocks[1:]] == [
        "report",
        "report 2",
        "-n-code---more (v1-2)[x]",
        "document",
        "document 2",
        "y" * 200,
        "y" * 198 + " 2",
    ]
    assert warnings == ["changed_content"]


def test_a_document_needs_a_text_beside_it():
    blocks, warnings = content(DocumentPart(data=b"x", media_type="text/plain", name="a"))
    assert [list(block) for block in blocks] == [["document"], ["text"]]
    assert warnings == ["added_content"]


def test_a_caller_may_ask_for_citations_of_a_document():
    part = DocumentPart(data=b"x", name="a.txt", origin="bedrock", provider_data={"citations": {"enabled": True}})
    assert content("look", part)[0][1]["document"]["citations"] == {"enabled": True}


def test_an_image_has_no_detail_and_the_assistant_none_at_all():
    assert content("look", ImagePart(data=PNG, detail="high"))[1] == ["unsupported_setting"]
    body, warnings = encoded(
        user("a"), Message("assistant", ["b", ImagePart(data=PNG), AudioPart(data=b"x", transcript="c")])
    )
    assert body["messages"][1]["content"] == [{"text": "b"}, {"text": "c"}]
    assert warnings == ["dropped_content", "dropped_content"]
    with pytest.raises(UnsupportedFeatureError, match="system prompt"):
        encoded(Message("system", [ImagePart(data=PNG)]), user("a"))


# --- tools ---


def test_tools_are_specified_and_a_choice_is_made():
    body, warnings = encoded(tools=[WEATHER, Tool("now")], tool_choice=ToolChoice("required"))
    spec = {
        "name": "weather",
        "description": "The weather.",
        "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
    bare = {"name": "now", "inputSchema": {"json": {"type": "object", "properties": {}}}}
    assert body["toolConfig"] == {"tools": [{"toolSpec": spec}, {"toolSpec": bare}], "toolChoice": {"any": {}}}
    assert warnings == []


@pytest.mark.parametrize(
    ("choice", "encoded_choice"),
    [(ToolChoice("auto"), {"auto": {}}), (ToolChoice("named", "weather"), {"tool": {"name": "weather"}}), (None, None)],
)
def test_a_choice_of_tool_has_its_word(choice, encoded_choice):
    body, _ = encoded(tools=[WEATHER], tool_choice=choice)
    assert body["toolConfig"].get("toolChoice") == encoded_choice


def test_no_tools_may_be_called_by_offering_none_until_one_was_used():
    assert "toolConfig" not in encoded(tools=[WEATHER], tool_choice=ToolChoice("none"))[0]
    history = [user("a"), Message("assistant", [CALL]), user(ToolResultPart("t1", "Sunny"))]
    body, warnings = encoded(*history, tools=[WEATHER], tool_choice=ToolChoice("none"))
    assert "toolChoice" not in body["toolConfig"]
    assert warnings == ["unsupported_setting"]


def test_tools_that_the_history_calls_are_named_again():
    history = [user("a"), Message("assistant", [CALL]), user(ToolResultPart("t1", "Sunny"))]
    body, warnings = encoded(*history)
    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == ["weather"]
    assert warnings == ["added_content"]


def test_a_strict_tool_is_one_where_the_model_knows_it():
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}
    body, warnings = encoded(tools=[Tool("f", "", schema, strict=True)], model=CLAUDE)
    spec = body["toolConfig"]["tools"][0]["toolSpec"]
    assert (spec["strict"], spec["inputSchema"]["json"]["additionalProperties"]) == (True, False)
    assert warnings == ["changed_schema"]
    old = "anthropic.claude-3-haiku-20240307-v1:0"
    body, warnings = encoded(tools=[Tool("f", strict=True)], model=old)
    assert "strict" not in body["toolConfig"]["tools"][0]["toolSpec"]
    assert warnings == ["unsupported_setting"]


def test_calls_and_results_stand_in_turns_of_their_own_results_first():
    body, _ = encoded(
        user("a"),
        Message("assistant", ["Let me see.", CALL]),
        Message("user", ["by the way", ToolResultPart("t1", ["Sunny", ImagePart(data=PNG)])]),
        tools=[WEATHER],
    )
    use = {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Paris"}}}
    assert body["messages"][1]["content"] == [{"text": "Let me see."}, use]
    result = {
        "toolUseId": "t1",
        "content": [{"text": "Sunny"}, {"image": {"format": "png", "source": {"bytes": b64(PNG)}}}],
    }
    assert body["messages"][2]["content"] == [{"toolResult": result}, {"text": "by the way"}]


@pytest.mark.parametrize(
    ("model", "result", "expected"),
    [
        (CLAUDE, ToolResultPart("t1", "x", is_error=True), {"status": "error", "content": [{"text": "x"}]}),
        (CLAUDE, ToolResultPart("t1", (), is_error=True), {"status": "error", "content": [{"text": "error"}]}),
        (CLAUDE, ToolResultPart("t1", ()), {"content": [{"text": ""}]}),
        (CLAUDE, ToolResultPart("t1", " "), {"content": [{"text": " "}]}),
        (LLAMA, ToolResultPart("t1", "x", is_error=True), {"content": [{"text": "Error:"}, {"text": "x"}]}),
        (
            NOVA,
            ToolResultPart("t1", OpaquePart("bedrock", {"json": {"a": 1}})),
            {"content": [{"json": {"a": 1}}]},
        ),
    ],
)
def test_a_result_says_whether_it_failed(model, result, expected):
    body, warnings = encoded(user("a"), Message("assistant", [CALL]), user(result), tools=[WEATHER], model=model)
    assert body["messages"][2]["content"] == [{"toolResult": {"toolUseId": "t1", **expected}}]
    assert warnings == []


def test_what_a_result_cannot_hold_is_dropped_or_refused():
    parts = [ReasoningPart("hm"), OpaquePart("bedrock", {"cachePoint": {}}), OpaquePart("openai", {})]
    result = ToolResultPart("t1", parts)
    assert encoded(user("a"), Message("assistant", [CALL]), user(result), tools=[WEATHER])[1] == ["dropped_content"] * 3
    with pytest.raises(UnsupportedFeatureError, match="no audio in tool results"):
        encoded(user("a"), Message("assistant", [CALL]), user(ToolResultPart("t1", AudioPart(data=b"x"))))


def test_ids_of_others_are_fitted_and_stay_the_same_in_calls_and_results():
    ids = ["functions.weather:0", "call|1", "x" * 80, "x" * 81, ""]
    calls = [ToolCall(id_, "weather", "{}") for id_ in ids]
    results = [ToolResultPart(id_, "x") for id_ in ids]
    body, _ = encoded(user("a"), Message("assistant", calls), user(*results), tools=[WEATHER], model=CLAUDE)
    made = [block["toolUse"]["toolUseId"] for block in body["messages"][1]["content"]]
    answered = [block["toolResult"]["toolUseId"] for block in body["messages"][2]["content"]]
    assert made == answered
    assert made == ["functions_weather_0", "call_1", "x" * 64, "x" * 62 + "_2", "call"]
    body, _ = encoded(user("a"), Message("assistant", calls), user(*results), tools=[WEATHER], model=LLAMA)
    assert body["messages"][1]["content"][0]["toolUse"]["toolUseId"] == "functions.weather:0"


def test_arguments_that_are_no_object_are_wrapped():
    calls = [ToolCall("a", "f", "[1"), ToolCall("b", "g", "free text", "custom"), ToolCall("c", "h", "")]
    body, warnings = encoded(user("a"), Message("assistant", calls), tools=[Tool(name) for name in "fgh"])
    inputs = [block["toolUse"]["input"] for block in body["messages"][1]["content"]]
    assert inputs == [{"INVALID_JSON": "[1"}, {"input": "free text"}, {}]
    assert warnings == ["changed_content"]


def test_a_call_is_the_assistants():
    with pytest.raises(InvalidMessageError, match="cannot stand in a message of the role 'user'"):
        encoded(user(CALL))


# --- what comes back ---


def test_thinking_goes_back_to_bedrock_alone_and_sealed_to_those_who_seal():
    own, foreign = ReasoningPart("hm", "seal", origin="bedrock"), ReasoningPart("hm", "seal", origin="anthropic")
    unsealed = ReasoningPart("hm", origin="bedrock")

    def sent(part, model):
        body, warnings = encoded(user("a"), Message("assistant", [part, "b"]), user("c"), model=model)
        return body["messages"][1]["content"][:-1], warnings

    block = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "seal"}}}
    assert sent(own, CLAUDE) == ([block], [])
    assert sent(foreign, CLAUDE) == ([], ["dropped_content"])
    assert sent(unsealed, CLAUDE) == ([], ["dropped_content"])
    assert sent(unsealed, "us.deepseek.r1-v1:0") == ([], ["dropped_content"])
    assert sent(unsealed, NOVA) == ([{"reasoningContent": {"reasoningText": {"text": "hm"}}}], [])
    assert sent(ReasoningPart("", origin="bedrock"), NOVA) == ([], [])


def test_blocks_that_only_bedrock_knows_go_back_to_it():
    block = {"guardContent": {"text": {"text": "x"}}}
    assert content("a", OpaquePart("bedrock", block)) == ([{"text": "a"}, block], [])
    assert content("a", OpaquePart("openai", block)) == ([{"text": "a"}], ["dropped_content"])
    body, _ = encoded(
        Message("system", ["Be brief.", OpaquePart("bedrock", {"cachePoint": {"type": "default"}})]), user("a")
    )
    assert body["system"][1] == {"cachePoint": {"type": "default"}}


def test_sources_go_back_as_they_came_and_those_of_others_stay_behind():
    source = {"title": "t", "location": {"documentChar": {"documentIndex": 0, "start": 0, "end": 1}}}
    cited = Citation(title="t", provider_data=source)
    own, foreign = TextPart("x", (cited,), origin="bedrock"), TextPart("y", (cited,), origin="anthropic")
    body, _ = encoded(user("a"), Message("assistant", [own, foreign]), user("b"))
    assert body["messages"][1]["content"] == [
        {"citationsContent": {"content": [{"text": "x"}], "citations": [source]}},
        {"text": "y"},
    ]


# --- options ---


def test_inference_settings_have_their_place():
    body, warnings = encoded(max_tokens=5, temperature=0, top_p=0.5, stop=["a", "\n"])
    assert body["inferenceConfig"] == {"maxTokens": 5, "temperature": 0, "topP": 0.5, "stopSequences": ["a", "\n"]}
    assert warnings == []


def test_what_a_model_refuses_of_them_is_left_out_or_lowered():
    body, warnings = encoded(temperature=1.5)
    assert (body["inferenceConfig"], warnings) == ({"temperature": 1.0}, ["rounded_setting"])
    body, warnings = encoded(temperature=0.5, top_p=0.5, stop=["\n"], model=CLAUDE)
    assert (body["inferenceConfig"], warnings) == ({"temperature": 0.5}, ["unsupported_setting"] * 2)
    body, warnings = encoded(temperature=0.5, model=NEWEST)
    assert "inferenceConfig" not in body
    assert warnings == ["unsupported_setting"]


@pytest.mark.parametrize(
    ("model", "fields", "codes"),
    [
        (CLAUDE, {"top_k": 5}, []),
        (NOVA, {"inferenceConfig": {"topK": 5}}, []),
        ("mistral.mistral-large-2407-v1:0", {"top_k": 5}, []),
        ("cohere.command-r-v1:0", {"k": 5}, []),
        (LLAMA, None, ["unsupported_setting"]),
    ],
)
def test_top_k_is_the_vendors_own(model, fields, codes):
    body, warnings = encoded(top_k=5, model=model)
    assert (body.get("additionalModelRequestFields"), warnings) == (fields, codes)


@pytest.mark.parametrize(
    ("model", "wanted", "fields", "effort", "codes"),
    [
        (CLAUDE, Reasoning(budget_tokens=2000), {"thinking": {"type": "enabled", "budget_tokens": 2000}}, None, []),
        (CLAUDE, Reasoning("low"), {"thinking": {"type": "enabled", "budget_tokens": 2048}}, None, []),
        (CLAUDE, Reasoning("none"), {"thinking": {"type": "disabled"}}, None, []),
        (NEWEST, Reasoning("high"), {"thinking": {"type": "adaptive", "display": "summarized"}}, "high", []),
        (NOVA, Reasoning("low"), {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}, None, []),
        (
            NOVA,
            Reasoning("minimal"),
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}},
            None,
            ["rounded_setting"],
        ),
        (
            NOVA,
            Reasoning(budget_tokens=3000),
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}},
            None,
            ["rounded_setting"],
        ),
        (NOVA, Reasoning("none"), {"reasoningConfig": {"type": "disabled"}}, None, []),
        ("openai.gpt-oss-120b-1:0", Reasoning("low"), {"reasoning_effort": "low"}, None, []),
        ("openai.gpt-oss-120b-1:0", Reasoning("none"), {"reasoning_effort": "low"}, None, ["rounded_setting"]),
        ("us.openai.gpt-5.6-terra", Reasoning("xhigh"), {"reasoning": {"effort": "xhigh"}}, None, []),
        ("us.openai.gpt-5.6-terra", Reasoning("none"), {"reasoning": {"effort": "none"}}, None, []),
        (LLAMA, Reasoning("low"), None, None, ["unsupported_setting"]),
        (LLAMA, Reasoning("none"), None, None, []),
    ],
)
def test_how_much_to_think_is_said_in_the_vendors_words(model, wanted, fields, effort, codes):
    body, warnings = encoded(reasoning=wanted, model=model)
    assert body.get("additionalModelRequestFields") == fields
    assert body.get("outputConfig", {}).get("effort") == effort
    assert warnings == codes


def test_novas_hardest_thinking_rules_out_limits_and_sampling():
    body, warnings = encoded(reasoning=Reasoning("high"), max_tokens=5, temperature=0.5, stop=["a"])
    assert body["inferenceConfig"] == {"stopSequences": ["a"]}
    assert warnings == ["unsupported_setting"] * 2


def test_thinking_among_tool_results_needs_thinking_before():
    history = [user("a"), Message("assistant", [CALL]), user(ToolResultPart("t1", "x"))]
    body, warnings = encoded(*history, tools=[WEATHER], reasoning=Reasoning("low"), model=CLAUDE)
    assert "additionalModelRequestFields" not in body
    assert warnings == ["unsupported_setting"]
    thought = [ReasoningPart("hm", "seal", origin="bedrock"), CALL]
    body, warnings = encoded(
        user("a"), Message("assistant", thought), history[2], tools=[WEATHER], reasoning=Reasoning("low"), model=CLAUDE
    )
    assert body["additionalModelRequestFields"]["thinking"]["type"] == "enabled"
    assert warnings == []


def test_a_schema_of_the_answer_is_text_with_what_the_service_takes_of_it():
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}
    body, warnings = encoded(response_format=ResponseFormat("schema", schema, name="num"), model=CLAUDE)
    form = body["outputConfig"]["textFormat"]
    assert (form["type"], form["structure"]["jsonSchema"]["name"]) == ("json_schema", "num")
    assert json.loads(form["structure"]["jsonSchema"]["schema"])["additionalProperties"] is False
    assert warnings == ["changed_schema"]
    assert encoded(response_format=ResponseFormat("json"))[1] == ["unsupported_setting"]
    assert encoded(response_format=ResponseFormat()) == encoded()
    old = "anthropic.claude-3-haiku-20240307-v1:0"
    assert encoded(response_format=ResponseFormat("schema", schema), model=old)[1] == ["unsupported_setting"]


@pytest.mark.parametrize(
    ("tier", "field", "codes"),
    [
        ("flex", {"type": "flex"}, []),
        ("standard", {"type": "default"}, []),
        ("auto", None, []),
        ("later", None, ["unsupported_setting"]),
    ],
)
def test_a_tier_has_its_word(tier, field, codes):
    body, warnings = encoded(service_tier=tier)
    assert (body.get("serviceTier"), warnings) == (field, codes)


def test_metadata_filters_the_logs():
    body, warnings = encoded(metadata={"team": "search", "": "x", "odd": "ü"})
    assert (body["requestMetadata"], warnings) == ({"team": "search"}, ["unsupported_setting"])
    assert len(encoded(metadata={f"k{number}": "v" for number in range(20)})[0]["requestMetadata"]) == 16


def test_what_the_protocol_has_no_field_for_is_said():
    options = {"seed": 1, "frequency_penalty": 0.5, "presence_penalty": 0.5, "logprobs": 1, "user_id": "u", "n": 2}
    body, warnings = encoded(**options, parallel_tool_calls=False)
    assert list(body) == ["messages"]
    assert warnings == ["unsupported_setting"] * 7
    with pytest.raises(UnsupportedFeatureError, match=r"bedrock has no seed; it was left out \(strict\)"):
        encoded(seed=1, strict=True)


def test_what_only_bedrock_has_goes_through_its_namespace():
    own = {
        "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"},
        "performanceConfig": {"latency": "optimized"},
        "inferenceConfig": {"topP": 0.1},
        "additionalModelRequestFields": {"x": 1},
        "toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]},
    }
    body, _ = encoded(tools=[WEATHER], max_tokens=5, top_k=2, extra={"bedrock": own, "openai": {"y": 2}})
    assert body["guardrailConfig"] == own["guardrailConfig"]
    assert body["inferenceConfig"] == {"maxTokens": 5, "topP": 0.1}
    assert body["additionalModelRequestFields"] == {"inferenceConfig": {"topK": 2}, "x": 1}
    assert [next(iter(tool)) for tool in body["toolConfig"]["tools"]] == ["toolSpec", "systemTool"]
    assert "y" not in body


# --- prompt caching ---

POINT = {"cachePoint": {"type": "default"}}


def test_the_ends_of_system_tools_and_messages_are_kept():
    messages = [Message("system", "s"), user("a")]
    body, warnings = encoded(*messages, tools=[WEATHER], prompt_cache=PromptCache(), model=CLAUDE)
    ends = [body["system"][-1], body["toolConfig"]["tools"][-1], body["messages"][-1]["content"][-1]]
    assert (ends, warnings) == ([POINT] * 3, [])
    body, _ = encoded(*messages, tools=[WEATHER], prompt_cache=PromptCache("1h"), model=NOVA)
    assert body["system"][-1]["cachePoint"]["ttl"] == "1h"
    assert "cachePoint" not in body["toolConfig"]["tools"][-1]


def test_other_times_and_keys_are_said():
    _, warnings = encoded(prompt_cache=PromptCache("30m", key="k"))
    assert warnings == ["unsupported_setting", "rounded_setting"]


@pytest.mark.parametrize(
    ("parts", "kinds"),
    [
        (["a"], ["text", "cachePoint"]),
        (["a", DocumentPart(data=b"x", name="a.csv")], ["text", "cachePoint", "document"]),
        (["a", DocumentPart(data=b"%PDF", name="a.pdf")], ["text", "document", "cachePoint"]),
        ([DocumentPart(data=b"x", name="a.csv"), "a"], ["document", "text", "cachePoint"]),
        (["a", OpaquePart("bedrock", POINT)], ["text", "cachePoint"]),
    ],
    ids=["text", "extracted", "pdf", "before", "own"],
)
def test_a_point_stands_where_bedrock_takes_it(parts, kinds):
    body, _ = encoded(user(*parts), prompt_cache=PromptCache())
    assert [next(iter(block)) for block in body["messages"][0]["content"]] == kinds


def test_there_are_at_most_four_points():
    marked = [text for number in range(4) for text in (f"t{number}", OpaquePart("bedrock", POINT))]
    body, _ = encoded(Message("system", "s"), user(*marked, "end"), prompt_cache=PromptCache())
    everything = [block for turn in body["messages"] for block in turn["content"]] + body["system"]
    assert sum("cachePoint" in block for block in everything) == 4
