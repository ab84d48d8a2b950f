"""Requests in the form of Google's generateContent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aiclient.chunks import Fold
from aiclient.errors import InvalidMessageError, InvalidRequestError, UnsupportedFeatureError
from aiclient.messages import (
    AudioPart,
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
from aiclient.wire.gemini import GeminiWire

GOLDEN = Path(__file__).parents[1] / "golden" / "gemini"
USER = Message("user", "Hello")
SKIP = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
SCHEMA = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": ["string", "null"]}}}


def encode(*messages, model="gemini-2.5-flash", stream=False, vertex=False, **options):
    """Return the call, its body, and the settings that were warned of."""
    request = ChatRequest(messages or [USER], ChatOptions(**options))
    call, warnings = GeminiWire(vertex=vertex).encode(request, model=model, stream=stream)
    return call, json.loads(call.body), [warning.setting or warning.code for warning in warnings]


def body(*messages, **options):
    _, found, warnings = encode(*messages, **options)
    assert warnings == []
    return found


def config(**options):
    return body(**options).get("generationConfig")


def parts(*content, role="user", **options):
    """Return the parts that the content becomes, in a conversation that the user begins."""
    messages = [Message(role, content)] if role == "user" else [USER, Message(role, content)]
    return body(*messages, **options)["contents"][-1]["parts"]


@pytest.mark.parametrize(
    ("model", "url"),
    [
        ("gemini-2.5-flash", "/models/gemini-2.5-flash:generateContent"),
        ("models/gemini-2.5-flash", "/models/gemini-2.5-flash:generateContent"),
        ("publishers/google/models/gemini-2.5-flash", "/models/gemini-2.5-flash:generateContent"),
        ("tunedModels/my-model", "/tunedModels/my-model:generateContent"),
        ("../x?key=1#", "/models/..%2Fx%3Fkey%3D1%23:generateContent"),
    ],
)
def test_the_model_stands_in_the_address_percent_encoded(model, url):
    call, _, _ = encode(model=model)
    assert (call.method, call.url) == ("POST", url)
    assert list(call.headers) == [("Content-Type", "application/json")]


def test_a_stream_is_asked_for_as_events():
    assert encode(stream=True)[0].url == "/models/gemini-2.5-flash:streamGenerateContent?alt=sse"


def test_a_plain_request_holds_its_content_and_nothing_else():
    assert body() == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def test_instructions_from_anywhere_become_one():
    found = body(Message("system", "a"), USER, Message("developer", ["b", "c"]), Message("user", "Bye"))
    assert found["systemInstruction"] == {"parts": [{"text": "a"}, {"text": "b"}, {"text": "c"}]}
    assert found["contents"] == [{"role": "user", "parts": [{"text": "Hello"}, {"text": "Bye"}]}]


def test_neighbours_of_one_role_are_merged():
    found = body(USER, Message("user", "x"), Message("assistant", "a"), Message("assistant", "b"), USER)
    assert [(content["role"], len(content["parts"])) for content in found["contents"]] == [
        ("user", 2),
        ("model", 2),
        ("user", 1),
    ]


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ([Message("system", "a")], UnsupportedFeatureError),
        ([Message("system", ImagePart(url="https://a.test/a.png")), USER], UnsupportedFeatureError),
        ([Message("user", ToolCall("1", "f"))], InvalidMessageError),
        ([USER, Message("assistant", ToolResultPart("1", "x"))], InvalidMessageError),
        ([Message("tool", "x", tool_call_id="1")], InvalidMessageError),
    ],
)
def test_what_google_has_no_place_for_is_refused(messages, error):
    with pytest.raises(error):
        encode(*messages)


# --- settings ---


def test_sampling_goes_into_the_generation_config():
    assert config(
        temperature=0.5,
        top_p=0.9,
        top_k=5,
        max_tokens=7,
        stop=("x",),
        seed=3,
        frequency_penalty=0.1,
        presence_penalty=-0.1,
        n=2,
        logprobs=4,
    ) == {
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 5,
        "maxOutputTokens": 7,
        "stopSequences": ["x"],
        "seed": 3,
        "frequencyPenalty": 0.1,
        "presencePenalty": -0.1,
        "candidateCount": 2,
        "responseLogprobs": True,
        "logprobs": 4,
    }
    assert config(logprobs=0) == {"responseLogprobs": True}


def test_the_form_of_the_answer():
    assert config(response_format=ResponseFormat("text")) is None
    assert config(response_format=ResponseFormat("json")) == {"responseMimeType": "application/json"}
    assert config(response_format=ResponseFormat("schema", SCHEMA)) == {
        "responseMimeType": "application/json",
        "responseJsonSchema": SCHEMA,
    }


@pytest.mark.parametrize(
    ("reasoning", "model", "thinking", "warned"),
    [
        (Reasoning("low"), "gemini-3-pro-preview", {"thinkingLevel": "LOW", "includeThoughts": True}, False),
        (Reasoning("medium"), "gemini-2.5-pro", {"thinkingBudget": 8192, "includeThoughts": True}, False),
        (Reasoning("high"), "gemini-flash-latest", {"thinkingLevel": "HIGH", "includeThoughts": True}, False),
        (Reasoning("xhigh"), "gemini-3-pro-preview", {"thinkingLevel": "HIGH", "includeThoughts": True}, True),
        (Reasoning("none"), "gemini-2.5-flash", {"thinkingBudget": 0}, False),
        (Reasoning("none"), "gemini-3-flash", {"thinkingLevel": "MINIMAL"}, True),
        (Reasoning(budget_tokens=5), "gemini-3-flash", {"thinkingBudget": 5, "includeThoughts": True}, False),
        (Reasoning(budget_tokens=0), "gemini-2.5-flash", {"thinkingBudget": 0}, False),
    ],
)
def test_thinking_is_a_level_from_gemini_3_on_and_a_budget_before(reasoning, model, thinking, warned):
    _, found, warnings = encode(model=model, reasoning=reasoning)
    assert found["generationConfig"] == {"thinkingConfig": thinking}
    assert bool(warnings) == warned


def test_tools_are_declared_with_their_json_schema():
    tools = (Tool("f", "does f", SCHEMA), Tool("g"))
    assert body(tools=tools)["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "does f", "parametersJsonSchema": SCHEMA},
                {"name": "g", "parametersJsonSchema": {"type": "object", "properties": {}}},
            ]
        }
    ]


@pytest.mark.parametrize(
    ("choice", "strict", "config"),
    [
        (None, None, None),
        (None, True, {"mode": "VALIDATED"}),
        ("auto", None, {"mode": "AUTO"}),
        ("auto", True, {"mode": "VALIDATED"}),
        ("none", True, {"mode": "NONE"}),
        ("required", None, {"mode": "ANY"}),
        ("f", None, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
def test_tool_choice(choice, strict, config):
    found = body(tools=(Tool("f", strict=strict),), tool_choice=ToolChoice.of(choice))
    assert found.get("toolConfig") == (config and {"functionCallingConfig": config})


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ({"user_id": "u"}, "user_id"),
        ({"metadata": {"a": "b"}}, "metadata"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls=False"),
        ({"prompt_cache": PromptCache()}, "prompt_cache"),
        ({"seed": 2**40}, "seed beyond 32 bits"),
    ],
)
def test_what_cannot_be_carried_is_warned_of_and_refused_under_strict(options, setting):
    _, found, warnings = encode(**options)
    assert warnings == [setting]
    assert found == body()
    with pytest.raises(UnsupportedFeatureError):
        encode(**options, strict=True)


def test_a_speakers_name_cannot_be_carried():
    assert encode(Message("user", "a", name="Ann"))[2] == ["messages[].name"]


def test_service_tier_and_labels():
    assert body(service_tier="flex")["serviceTier"] == "flex"
    assert body(service_tier="default")["serviceTier"] == "standard"
    assert "serviceTier" not in body(service_tier="auto")
    assert body(metadata={"team": "a"}, vertex=True)["labels"] == {"team": "a"}


def test_extra_adds_to_settings_and_tools_and_replaces_the_rest():
    extra = {
        "gemini": {
            "generationConfig": {"responseModalities": ["TEXT", "IMAGE"], "thinkingConfig": {"includeThoughts": False}},
            "tools": [{"googleSearch": {}}],
            "toolConfig": {"includeServerSideToolInvocations": True},
            "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        },
        "google": {"cachedContent": "cachedContents/1"},
        "vertex": {"labels": {"not": "ours"}},
        "openai": {"x": 1},
    }
    found = body(
        extra=extra, tools=(Tool("f"),), tool_choice=ToolChoice("auto"), reasoning=Reasoning("low"), temperature=1
    )
    assert found["generationConfig"] == {
        "temperature": 1,
        "responseModalities": ["TEXT", "IMAGE"],
        "thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": False},
    }
    assert [list(tool) for tool in found["tools"]] == [["functionDeclarations"], ["googleSearch"]]
    assert found["toolConfig"] == {
        "functionCallingConfig": {"mode": "AUTO"},
        "includeServerSideToolInvocations": True,
    }
    assert found["safetySettings"][0]["threshold"] == "BLOCK_NONE"
    assert (found["cachedContent"], found.get("labels"), found.get("x")) == ("cachedContents/1", None, None)
    assert body(extra=extra, vertex=True)["labels"] == {"not": "ours"}


def test_a_schema_in_extra_replaces_the_requests_own():
    extra = {"gemini": {"generationConfig": {"responseJsonSchema": {"type": "array"}}}}
    found = config(extra=extra, response_format=ResponseFormat("schema", SCHEMA))
    assert found["responseJsonSchema"] == {"type": "array"}


def test_extra_cannot_ask_for_what_is_not_read():
    calling = {"functionCallingConfig": {"streamFunctionCallArguments": True}}
    with pytest.raises(UnsupportedFeatureError):
        encode(extra={"gemini": {"toolConfig": calling}})
    with pytest.raises(InvalidRequestError):
        encode(extra={"gemini": {"tools": {"googleSearch": {}}}}, tools=(Tool("f"),))


# --- media ---


@pytest.mark.parametrize(
    ("part", "item"),
    [
        (ImagePart(data=b"\x89PNG"), {"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}}),
        (ImagePart(data=b"abc"), {"inlineData": {"mimeType": "image/jpeg", "data": "YWJj"}}),
        (AudioPart(data=b"abc", media_type="audio/aac"), {"inlineData": {"mimeType": "audio/aac", "data": "YWJj"}}),
        (DocumentPart(data=b"%PDF", name="a.pdf"), {"inlineData": {"mimeType": "application/pdf", "data": "JVBERg=="}}),
        (ImagePart(url="data:image/gif;base64,YWJj"), {"inlineData": {"mimeType": "image/gif", "data": "YWJj"}}),
        (ImagePart(url="https://a.test/b.JPG?x=.png"), {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://a.test/b.JPG?x=.png"}}),
        (VideoPart(url="https://youtu.be/1"), {"fileData": {"fileUri": "https://youtu.be/1"}}),
        (
            DocumentPart(file_id="files/1", media_type="text/plain"),
            {
                "fileData": {
                    "mimeType": "text/plain",
                    "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/1",
                }
            },
        ),
    ],
)  # fmt: skip
def test_media_go_inline_or_by_address(part, item):
    assert parts("Look:", part) == [{"text": "Look:"}, item]


def test_vertex_is_told_every_media_type_and_a_documents_name():
    (video,) = parts(VideoPart(url="https://youtu.be/1"), vertex=True)
    assert video["fileData"]["mimeType"] == "video/mp4"
    (document,) = parts(DocumentPart(data=b"%PDF", name="a.pdf"), vertex=True)
    assert document["inlineData"]["displayName"] == "a.pdf"


def test_the_detail_of_one_image_is_carried_where_vertex_takes_it():
    image = ImagePart(data=b"x", detail="high")
    (item,) = parts(image, vertex=True, model="gemini-3-pro-preview")
    assert item["mediaResolution"] == {"level": "MEDIA_RESOLUTION_HIGH"}
    _, found, warnings = encode(Message("user", image))
    assert "mediaResolution" not in found["contents"][0]["parts"][0]
    assert warnings == ["image detail"]


def test_a_parts_own_data_goes_to_its_vendor_only():
    clip = {"videoMetadata": {"startOffset": "2s"}}
    video = VideoPart(url="gs://b/o.mp4", origin="google", provider_data=clip)
    assert parts(video)[0]["videoMetadata"] == {"startOffset": "2s"}
    assert "videoMetadata" not in parts(video, vertex=True)[0]


# --- what other vendors left in the history ---


@pytest.mark.parametrize(
    "part",
    [
        ReasoningPart("hm", "s", origin="anthropic"),
        ReasoningPart("hm"),
        OpaquePart("openai", {"a": 1}),
        OpaquePart("google", "text"),
    ],
)
def test_foreign_thinking_and_opaque_content_are_dropped_with_a_warning(part):
    _, found, warnings = encode(USER, Message("assistant", [part, "answer"]), USER)
    assert found["contents"][1]["parts"] == [{"text": "answer"}]
    assert warnings == ["dropped_content"]
    with pytest.raises(UnsupportedFeatureError):
        encode(USER, Message("assistant", [part, "answer"]), USER, strict=True)


def test_a_turn_that_holds_nothing_is_left_out():
    found = body(USER, Message("assistant", [TextPart("")]), USER)
    assert found["contents"] == [{"role": "user", "parts": [{"text": "Hello"}, {"text": "Hello"}]}]


def test_a_refusal_is_text():
    assert parts(RefusalPart("no"), role="assistant") == [{"text": "no"}]


def test_arguments_that_are_no_object_are_wrapped_with_a_warning():
    calls = [ToolCall("1", "f", "{"), ToolCall("2", "g", "text", "custom"), ToolCall("3", "h")]
    _, found, warnings = encode(USER, Message("assistant", calls))
    args = [part["functionCall"]["args"] for part in found["contents"][1]["parts"]]
    assert args == [{"input": "{"}, {"input": "text"}, {}]
    assert warnings == ["converted_content", "converted_content"]


# --- tool calls and their results ---


def results(*answers, calls, **options):
    found = body(USER, Message("assistant", calls), *answers, **options)["contents"][2]["parts"]
    return [part["functionResponse"] for part in found]


def test_results_name_their_call_by_id_and_function():
    calls = [ToolCall("c1", "f", "{}")]
    (found,) = results(Message("tool", "sunny", tool_call_id="c1"), calls=calls)
    assert found == {"id": "c1", "name": "f", "response": {"output": "sunny"}}


@pytest.mark.parametrize(
    ("result", "response"),
    [
        (ToolResultPart("c", '{"a": 1}'), {"a": 1}),
        (ToolResultPart("c", "[1]"), {"output": "[1]"}),
        (ToolResultPart("c", "{no"), {"output": "{no"}),
        (ToolResultPart("c", "{\ud800"), {"output": "{\ud800"}),
        (ToolResultPart("c", None), {"output": ""}),
        (ToolResultPart("c", '{"a": 1}', is_error=True), {"error": '{"a": 1}'}),
    ],
)
def test_a_result_is_an_object(result, response):
    (found,) = results(Message("tool", result), calls=[ToolCall("c", "f")])
    assert found["response"] == response


def test_minted_ids_are_not_sent_and_results_stand_in_the_order_of_their_calls():
    wire = GeminiWire()
    calls = [{"functionCall": {"name": "f", "args": {"n": n}}} for n in range(3)]
    whole = {"candidates": [{"content": {"parts": calls}, "finishReason": "STOP"}], "responseId": "r"}
    answer = wire.decode(200, {}, json.dumps(whole).encode()).message
    ids = [call.id for call in answer.tool_calls]
    late = [Message("tool", f"result {ids.index(id_)}", tool_call_id=id_) for id_ in reversed(ids)]
    found = body(USER, answer, *late, USER)["contents"]
    assert found[1]["parts"] == calls
    assert found[2]["parts"] == [
        *({"functionResponse": {"name": "f", "response": {"output": f"result {n}"}}} for n in range(3)),
        {"text": "Hello"},
    ]


def test_an_id_used_again_means_the_latest_call():
    turns = [Message("assistant", ToolCall("c", "f")), Message("tool", "1", tool_call_id="c")]
    again = [Message("assistant", ToolCall("c", "g")), Message("tool", "2", tool_call_id="c")]
    found = body(USER, *turns, *again)["contents"]
    assert [found[place]["parts"][0]["functionResponse"]["name"] for place in (2, 4)] == ["f", "g"]


def test_a_result_whose_call_is_not_in_the_history_goes_by_its_own_name():
    found = body(Message("user", ToolResultPart("c", "x", "f")))
    assert found["contents"][0]["parts"][0]["functionResponse"]["name"] == "f"


def test_pictures_in_results_stand_inside_from_gemini_3_on_and_beside_before():
    answer = Message("tool", ["see", ImagePart(data=b"x"), ImagePart(url="https://a.test/a.png")], tool_call_id="c")
    history = (USER, Message("assistant", ToolCall("c", "f")), answer)
    inline = {"inlineData": {"mimeType": "image/jpeg", "data": "eA=="}}
    linked = {"fileData": {"mimeType": "image/png", "fileUri": "https://a.test/a.png"}}
    before = body(*history)["contents"][2]["parts"]
    assert "parts" not in before[0]["functionResponse"]
    assert before[1:] == [inline, linked]
    since = body(*history, model="gemini-3-pro-preview")["contents"][2]["parts"]
    assert since[0]["functionResponse"]["parts"] == [inline]
    assert since[1:] == [linked]
    vertex = body(*history, model="gemini-3-pro-preview", vertex=True)["contents"][2]["parts"]
    assert vertex[0]["functionResponse"]["parts"] == [inline, linked]


def test_a_picture_with_a_resolution_of_its_own_stands_beside_the_result():
    answer = Message("tool", ImagePart(data=b"x", detail="low"), tool_call_id="c")
    history = (USER, Message("assistant", ToolCall("c", "f")), answer)
    result, picture = body(*history, model="gemini-3-pro-preview", vertex=True)["contents"][2]["parts"]
    assert "parts" not in result["functionResponse"]
    assert picture["mediaResolution"] == {"level": "MEDIA_RESOLUTION_LOW"}


def test_the_first_call_of_a_step_is_signed_from_gemini_3_on():
    history = (USER, Message("assistant", [ToolCall("1", "f"), ToolCall("2", "g")]))
    first, second = body(*history, model="gemini-3-pro-preview")["contents"][1]["parts"]
    assert (first["thoughtSignature"], second.get("thoughtSignature")) == (SKIP, None)
    assert all("thoughtSignature" not in part for part in body(*history)["contents"][1]["parts"])


# --- round trips ---


def told(name):
    """Return a recorded answer, and its first candidate's parts as they came."""
    record = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    text = record["response"]["body"]
    wire = GeminiWire(vertex=name.startswith("vertex"))
    if not record["stream"]:
        events = [json.loads(text)]
        answer = wire.decode(200, {}, text.encode())
    else:
        events = json.loads(text) if text[0] == "[" else [json.loads(line[6:]) for line in text.split("\r\n") if line]
        decoder, fold = wire.decoder(), Fold()
        for chunk in [*decoder.feed(text.encode()), *decoder.end()]:
            fold.add(chunk)
        answer = fold.response()
    return wire, answer, [part for event in events for part in event["candidates"][0].get("content", {})["parts"]]


def joined(items):
    """Join plain texts that follow each other, and leave empty ones out; anything signed stays as it is."""
    found = []
    for item in items:
        if found and item.keys() == found[-1].keys() and item.keys() in ({"text"}, {"text", "thought"}):
            found[-1] = {**item, "text": found[-1]["text"] + item["text"]}
        elif item != {"text": ""}:
            found.append(item)
    return found


@pytest.mark.parametrize(
    "name",
    [
        "code_execution",
        "url_context",
        "stream_array",
        "stream_call",
        "stream_empty_signed_text",
        "stream_server_tools",
        "vertex_stream_parallel_calls",
        "vertex_unexpected_call",
    ],
)
def test_an_answer_goes_back_exactly_as_it_came(name):
    wire, answer, items = told(name)
    outcomes = [Message("tool", "done", tool_call_id=call.id) for call in answer.message.tool_calls]
    request = ChatRequest([USER, answer.message, *outcomes], ChatOptions(strict=True))
    call, warnings = wire.encode(request, model="gemini-3-pro-preview", stream=False)
    contents = json.loads(call.body)["contents"]
    assert warnings == ()
    assert contents[1] == {"role": "model", "parts": joined(items)}
    given = [item["functionCall"].get("id") for item in items if "functionCall" in item]
    assert (
        [part["functionResponse"].get("id") for part in contents[2]["parts"]] == given if given else len(contents) == 2
    )


def test_a_saved_answer_goes_back_as_well():
    _, answer, items = told("stream_empty_signed_text")
    message = Message.from_dict(answer.message.to_dict())
    assert body(USER, message)["contents"][1]["parts"] == joined(items)


def test_the_other_of_googles_services_gets_no_signatures():
    _, answer, _ = told("stream_empty_signed_text")
    _, sent, warnings = encode(USER, answer.message, vertex=True)
    (text,) = sent["contents"][1]["parts"]
    assert text.keys() == {"text"}
    assert warnings == ["messages"]
    shared = GeminiWire(vertex=True, origin="google")
    call, _ = shared.encode(ChatRequest([USER, answer.message]), model="gemini-2.5-flash", stream=False)
    assert b"thoughtSignature" in call.body


def test_tokens_are_counted_for_the_whole_request():
    request = ChatRequest([Message("system", "s"), USER], ChatOptions(tools=(Tool("f"),), temperature=1))
    call, _ = GeminiWire().encode_count(request, model="gemini-2.5-flash")
    assert call.url == "/models/gemini-2.5-flash:countTokens"
    whole = json.loads(call.body)["generateContentRequest"]
    assert whole["model"] == "models/gemini-2.5-flash"
    assert whole.keys() == {"model", "contents", "systemInstruction", "tools", "generationConfig"}
    call, _ = GeminiWire(vertex=True).encode_count(request, model="gemini-2.5-flash")
    assert json.loads(call.body).keys() == {"contents", "systemInstruction", "tools", "generationConfig"}
