import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiclient.context import CallContext
from aiclient.errors import InvalidRequestError, UnsupportedFeatureError
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
from aiclient.request import EFFORTS, ChatOptions, ChatRequest, PromptCache, Reasoning, ResponseFormat, Tool, ToolChoice
from aiclient.wire.openai_chat import OpenAIChat
from aiclient.wire.profiles import COMPATIBLE, OPENAI, PROFILES
from aiclient.wire.responses import ResponsesWire

PNG = b"\x89PNG\r\n\x1a\n"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = Tool("weather", "Tells the weather.", SCHEMA, strict=True)
CALL = ToolCall("c1", "weather", '{"city":"Paris"}')
SEALED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
HEAD = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "phase": "final_answer"}


def encoded(messages="Hi", profile=OPENAI, *, model="gpt-4o", stream=False, context=None, **options):
    """Return body and warnings."""
    messages = [Message("user", messages)] if isinstance(messages, str) else messages
    request = ChatRequest(messages, ChatOptions(**options), context)
    call, warnings = ResponsesWire(profile).encode(request, model=model, stream=stream)
    assert (call.method, call.url, call.headers) == ("POST", "/responses", [("Content-Type", "application/json")])
    return json.loads(call.body), warnings


def body(*args, **options):
    made, warnings = encoded(*args, **options)
    assert warnings == ()
    return made


def items(*messages, **options):
    return body(messages, **options)["input"]


def said(*parts, **options):
    """Return the items that an assistant's parts become, and the codes of the warnings."""
    made, warnings = encoded([Message("assistant", parts)], **options)
    return made["input"], [warning.code for warning in warnings]


def own(part, **more):
    """Return what the service keeps for a part."""
    return {"origin": "openai", "provider_data": {"item": part}, **more}


# --- the conversation ---


def test_a_text_is_an_item_and_nothing_is_stored():
    assert body("Hi") == {"model": "gpt-4o", "input": [{"role": "user", "content": "Hi"}], "store": False}
    assert body("Hi", stream=True)["stream"] is True


def test_system_and_developer_messages_keep_their_place():
    talk = [Message("system", "a"), Message("user", "b"), Message("developer", "c")]
    assert [item["role"] for item in items(*talk)] == ["system", "user", "developer"]
    assert [item["role"] for item in items(*talk, profile=COMPATIBLE)] == ["system", "user", "system"]


def test_a_name_has_no_place():
    _, warnings = encoded([Message("user", "Hi", name="ann")])
    assert [warning.setting for warning in warnings] == ["message.name"]


@pytest.mark.parametrize(
    ("part", "content"),
    [
        (
            ImagePart(data=PNG),
            {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "auto"},
        ),
        (
            ImagePart(url="https://x/y", detail="low"),
            {"type": "input_image", "image_url": "https://x/y", "detail": "low"},
        ),
        (ImagePart(file_id="f1"), {"type": "input_image", "file_id": "f1", "detail": "auto"}),
        (
            DocumentPart(data=b"x", name="a.pdf"),
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,eA=="},
        ),
        (DocumentPart(url="https://x/y"), {"type": "input_file", "file_url": "https://x/y"}),
        (DocumentPart(file_id="f1"), {"type": "input_file", "file_id": "f1"}),
        (RefusalPart("no"), {"type": "input_text", "text": "no"}),
        (OpaquePart("openai", {"type": "input_new", "x": 1}), {"type": "input_new", "x": 1}),
        (
            TextPart("a", origin="openai", provider_data={"prompt_cache_breakpoint": {"mode": "explicit"}}),
            {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
        ),
    ],
    ids=["bytes", "url", "file", "document", "document-url", "document-file", "refusal", "opaque", "cache-mark"],
)
def test_content_has_its_form(part, content):
    assert items(Message("user", ["Look:", part])) == [
        {"role": "user", "content": [{"type": "input_text", "text": "Look:"}, content]}
    ]


@pytest.mark.parametrize("part", [AudioPart(data=b"x"), VideoPart(url="https://x")], ids=["audio", "video"])
def test_content_without_a_place_is_refused_so_that_a_fallback_can_take_it(part):
    with pytest.raises(UnsupportedFeatureError, match=part.tag):
        encoded([Message("user", [part])])


# --- the assistant's turn ---


def test_an_answer_goes_back_item_by_item_with_its_ids():
    source = {"type": "url_citation", "url": "https://x", "title": "X", "start_index": 0, "end_index": 1}
    made, codes = said(
        ReasoningPart("", **own(SEALED)),
        TextPart("a", (Citation("https://x", "X", start=0, end=1, provider_data=source),), **own(HEAD)),
        TextPart("b", **own(HEAD)),
        RefusalPart("c", **own(HEAD)),
        OpaquePart("openai", {"item": HEAD, "content": {"type": "output_new", "x": 1}}),
        OpaquePart("openai", {"type": "web_search_call", "id": "ws_1", "status": "completed"}),
        ToolCall("c1", "weather", "{}", **own({"type": "function_call", "id": "fc_1", "status": "completed"})),
        ImagePart(data=PNG, **own({"type": "image_generation_call", "id": "ig_1", "status": "completed"})),
    )
    assert codes == []
    assert made == [
        SEALED,
        {
            **HEAD,
            "content": [
                {"type": "output_text", "text": "a", "annotations": [source], "logprobs": []},
                {"type": "output_text", "text": "b", "annotations": [], "logprobs": []},
                {"type": "refusal", "refusal": "c"},
                {"type": "output_new", "x": 1},
            ],
        },
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {
            "id": "fc_1",
            "status": "completed",
            "type": "function_call",
            "call_id": "c1",
            "name": "weather",
            "arguments": "{}",
        },
        {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "iVBORw0KGgo="},
    ]


def test_texts_of_two_messages_stay_two_messages():
    made, _ = said(TextPart("a", **own(HEAD)), TextPart("b", **own({**HEAD, "id": "msg_2"})))
    assert [(item["id"], len(item["content"])) for item in made] == [("msg_1", 1), ("msg_2", 1)]


def test_texts_of_one_message_that_do_not_stand_together_are_one_message_all_the_same():
    made, _ = said(TextPart("a", **own(HEAD)), CALL, TextPart("b", **own(HEAD)))
    assert [item["type"] for item in made] == ["message", "function_call"]
    assert [content["text"] for content in made[0]["content"]] == ["a", "b"]


def test_texts_without_ids_are_one_plain_message():
    assert said("a", TextPart("b", origin="anthropic"), RefusalPart("c")) == (
        [{"role": "assistant", "content": "abc"}],
        [],
    )


def test_a_source_of_another_vendor_keeps_its_place_in_the_text():
    source = Citation("https://x", start=0, end=1)
    made, _ = said(TextPart("a", (source, Citation(title="book")), **own(HEAD)))
    assert made[0]["content"][0]["annotations"] == [
        {"type": "url_citation", "url": "https://x", "title": "", "start_index": 0, "end_index": 1}
    ]


def test_thinking_that_a_service_did_not_keep_is_left_out_and_so_are_the_ids_that_hang_on_it():
    bare = {"type": "reasoning", "id": "rs_1", "summary": []}
    call = ToolCall("c1", "weather", "{}", **own({"type": "function_call", "id": "fc_1", "status": "completed"}))
    parts = [ReasoningPart("", **own(bare)), TextPart("a", **own(HEAD)), call]
    made, codes = said(*parts)
    assert codes == ["dropped_content"]
    assert made[0] == {"role": "assistant", "content": "a", "phase": "final_answer"}
    assert "id" not in made[1]
    made, codes = said(*parts, extra={"openai": {"store": True}})  # then the service knows it by its id
    assert codes == []
    assert [item["id"] for item in made] == ["rs_1", "msg_1", "fc_1"]


def test_thinking_in_clear_goes_back_to_its_service():
    clear = {"type": "reasoning", "id": "r", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
    parts = [ReasoningPart("hm", origin="deepseek", provider_data={"item": clear}), CALL]
    made, codes = said(*parts, profile=PROFILES["deepseek"])
    assert (made[0], codes) == (clear, [])


def test_thinking_that_led_to_nothing_is_left_out():
    two = [ReasoningPart("", **own(SEALED)), ReasoningPart("", **own({**SEALED, "id": "rs_2"}))]
    assert said(*two) == ([], ["dropped_content"])
    assert [item["type"] for item in said(*two, CALL)[0]] == ["reasoning", "reasoning", "function_call"]


@pytest.mark.parametrize(
    ("part", "code"),
    [
        (ReasoningPart("hm", "sig", origin="anthropic"), "dropped_content"),
        (ReasoningPart("hm", origin="openai", provider_data={"reasoning_details": []}), "dropped_content"),
        (OpaquePart("anthropic", {"type": "x"}), "dropped_content"),
        (ImagePart(data=PNG), "dropped_content"),
        (AudioPart(data=b"x"), "dropped_content"),
    ],
    ids=["thinking", "thinking-of-chat", "opaque", "image", "sound"],
)
def test_what_another_vendor_left_is_dropped_with_a_warning(part, code):
    assert said("a", part) == ([{"role": "assistant", "content": "a"}], [code])


def test_a_voice_goes_back_as_its_transcript():
    assert said(AudioPart(data=b"x", transcript="said")) == (
        [{"role": "assistant", "content": "said"}],
        ["converted_content"],
    )


def test_own_data_of_another_origin_is_not_sent():
    made, _ = said(TextPart("a", origin="azure", provider_data={"item": HEAD}))
    assert made == [{"role": "assistant", "content": "a"}]


def test_an_answer_of_this_protocol_goes_to_chat_as_chat_can_say_it():
    parts = [
        ReasoningPart("hm", **own(SEALED)),
        TextPart("a", **own(HEAD)),
        OpaquePart("openai", {"type": "web_search_call", "id": "ws_1"}),
        ToolCall("c1", "weather", "{}", **own({"type": "function_call", "id": "fc_1"})),
    ]
    call, warnings = OpenAIChat().encode(ChatRequest([Message("assistant", parts)]), model="m", stream=False)
    function = {"name": "weather", "arguments": "{}"}
    assert json.loads(call.body)["messages"] == [
        {"role": "assistant", "content": "a", "tool_calls": [{"id": "c1", "type": "function", "function": function}]}
    ]
    assert [(warning.code, "reasoning" in warning.message) for warning in warnings] == [
        ("dropped_content", True),
        ("dropped_content", False),
    ]


# --- calls and their results ---


def test_calls_and_results_have_their_items():
    free = ToolCall("c2", "free", "text", "custom")
    results = [ToolResultPart("c1", "sunny"), ToolResultPart("c2", "done", is_error=True)]
    assert items(Message("assistant", [CALL, free]), Message("user", [*results, "and now?"])) == [
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Paris"}'},
        {"type": "custom_tool_call", "call_id": "c2", "name": "free", "input": "text"},
        {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "Error: done"},
        {"role": "user", "content": "and now?"},
    ]


def test_a_result_may_hold_a_picture():
    image = {"type": "input_image", "image_url": "https://x", "detail": "auto"}
    result = Message("tool", ["see:", ImagePart(url="https://x")], tool_call_id="c1")
    wrong = Message("tool", [ToolResultPart("c1", ImagePart(url="https://x"), is_error=True)])
    made = items(Message("assistant", [CALL]), result, wrong)
    assert made[1]["output"] == [{"type": "input_text", "text": "see:"}, image]
    assert made[2]["output"] == [{"type": "input_text", "text": "Error:"}, image]


def test_no_arguments_are_an_empty_object():
    assert said(ToolCall("c1", "now", ""))[0][0]["arguments"] == "{}"
    assert said(ToolCall("c1", "free", "", "custom"))[0][0]["input"] == ""


def test_an_id_that_is_too_long_is_rewritten_in_call_and_result_alike():
    call = ToolCall("x" * 65, "weather", "{}")
    made = items(Message("assistant", [call]), Message("tool", "sunny", tool_call_id=call.id))
    assert made[0]["call_id"] == made[1]["call_id"]
    assert made[0]["call_id"].startswith("call_") and len(made[0]["call_id"]) <= 64


def test_an_id_that_comes_again_is_another_one():
    turn = [Message("assistant", [ToolCall("call_0", "weather", "{}")]), Message("tool", "x", tool_call_id="call_0")]
    ids = [item["call_id"] for item in items(*turn, *turn, *turn)]
    assert ids == ["call_0", "call_0", "call_0_2", "call_0_2", "call_0_3", "call_0_3"]


def test_two_calls_of_one_id_have_each_their_result():
    calls = Message("assistant", [ToolCall("c", "weather", "{}"), ToolCall("c", "weather", "{}")])
    results = Message("tool", [call.result("x") for call in calls.tool_calls])
    assert [item["call_id"] for item in items(calls, results)] == ["c", "c_2", "c", "c_2"]


def test_results_of_the_services_own_tools_are_items():
    shot = {"type": "computer_call_output", "call_id": "c9", "output": {"type": "computer_screenshot"}}
    assert items(Message("user", [OpaquePart("openai", shot), "go on"])) == [shot, {"role": "user", "content": "go on"}]


# --- options ---


def test_options_have_their_fields():
    made = body(
        temperature=0.5,
        top_p=0.9,
        max_tokens=100,
        user_id="u",
        metadata={"a": "b"},
        service_tier="flex",
        logprobs=3,
        prompt_cache=PromptCache(key="k"),
        response_format=ResponseFormat("schema", SCHEMA, strict=True),
    )
    del made["input"]
    assert made == {
        "model": "gpt-4o",
        "store": False,
        "temperature": 0.5,
        "top_p": 0.9,
        "max_output_tokens": 100,
        "safety_identifier": "u",
        "metadata": {"a": "b"},
        "service_tier": "flex",
        "top_logprobs": 3,
        "include": ["message.output_text.logprobs"],
        "prompt_cache_key": "k",
        "text": {"format": {"type": "json_schema", "name": "response", "schema": SCHEMA, "strict": True}},
    }


def test_a_user_id_that_is_too_long_or_elsewhere_has_the_old_field():
    assert body(user_id="u" * 65)["user"] == "u" * 65
    assert body(profile=COMPATIBLE, user_id="u")["user"] == "u"


def test_functions_are_flat_and_only_as_strict_as_asked():
    tools = [WEATHER, Tool("now")]
    made = body(tools=tools, tool_choice=ToolChoice("named", "now"), parallel_tool_calls=False)
    flat = {"type": "function", "name": "weather", "description": "Tells the weather.", "parameters": SCHEMA}
    assert made["tools"][0] == {**flat, "strict": True}
    assert made["tools"][1]["strict"] is False
    assert (made["tool_choice"], made["parallel_tool_calls"]) == ({"type": "function", "name": "now"}, False)
    assert body(tools=tools, tool_choice=ToolChoice("required"))["tool_choice"] == "required"


def test_what_extra_says_is_added_to_tools_include_text_and_reasoning_and_replaces_the_rest():
    made = body(
        model="gpt-5",
        tools=[Tool("now")],
        max_tokens=100,
        reasoning=Reasoning("low"),
        response_format=ResponseFormat("json"),
        extra={
            "openai": {
                "tools": [{"type": "web_search"}],
                "include": ["web_search_call.action.sources"],
                "text": {"verbosity": "low"},
                "reasoning": {"summary": "auto"},
                "truncation": "auto",
                "max_output_tokens": 200,
                "instructions": "Be brief.",
            }
        },
    )
    assert [tool["type"] for tool in made["tools"]] == ["function", "web_search"]
    assert made["include"] == ["reasoning.encrypted_content", "web_search_call.action.sources"]
    assert made["text"] == {"format": {"type": "json_object"}, "verbosity": "low"}
    assert made["reasoning"] == {"effort": "low", "summary": "auto"}
    assert (made["truncation"], made["max_output_tokens"], made["instructions"]) == ("auto", 200, "Be brief.")


def test_extra_does_not_turn_streaming_on():
    with pytest.raises(InvalidRequestError, match="stream"):
        encoded(extra={"openai": {"stream": True}})


@pytest.mark.parametrize(
    ("model", "options", "asked"),
    [
        ("gpt-5-mini", {}, True),
        ("openai/gpt-5.6-sol", {}, True),
        ("o3", {}, True),
        ("codex-mini-latest", {}, True),
        ("grok-4.3", {}, True),
        ("gpt-4o", {}, False),
        ("gpt-4.1-mini", {}, False),
        ("gpt-5-chat-latest", {}, False),
        ("grok-4-fast-non-reasoning", {}, False),
        ("foo3", {}, False),
        ("my-deployment", {}, False),
        ("my-deployment", {"reasoning": Reasoning("low")}, True),
        ("gpt-5", {"extra": {"openai": {"store": True}}}, False),
        ("gpt-5", {"extra": {"openai": {"previous_response_id": "r"}}}, False),
        ("gpt-5", {"extra": {"openai": {"previous_response_id": "r", "store": False}}}, True),
    ],
)
def test_thinking_is_asked_for_sealed_of_models_that_think_where_nothing_is_stored(model, options, asked):
    assert ("reasoning.encrypted_content" in body(model=model, **options).get("include", [])) is asked


@pytest.mark.parametrize("field", ["previous_response_id", "conversation", "background"])
def test_what_builds_on_stored_answers_leaves_storing_to_the_service(field):
    assert "store" not in body(extra={"openai": {field: "x"}})


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ({"stop": "x"}, "stop"),
        ({"seed": 1}, "seed"),
        ({"top_k": 1}, "top_k"),
        ({"n": 2}, "n"),
        ({"frequency_penalty": 0.0}, "frequency_penalty"),
        ({"presence_penalty": 0.0}, "presence_penalty"),
        ({"reasoning": Reasoning(budget_tokens=100)}, "reasoning.budget_tokens"),
        ({"max_tokens": 5}, "max_tokens"),
        ({"prompt_cache": PromptCache(ttl="2h")}, "prompt_cache.ttl"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_honoured_is_a_warning_and_under_strict_an_error(options, setting):
    made, warnings = encoded(**options)
    assert [warning.setting for warning in warnings] == [setting]
    assert setting not in made
    with pytest.raises(UnsupportedFeatureError):
        encoded(strict=True, **options)
    with pytest.raises(UnsupportedFeatureError):
        encoded(context=CallContext(strict=True), **options)


def test_what_has_a_nearest_value_gets_it():
    made, _ = encoded(max_tokens=5, prompt_cache=PromptCache(ttl="2h"))
    assert (made["max_output_tokens"], made["prompt_cache_retention"]) == (16, "24h")
    assert body(max_tokens=5, profile=COMPATIBLE)["max_output_tokens"] == 5
    assert body(prompt_cache=PromptCache(ttl="24h"))["prompt_cache_retention"] == "24h"
    assert body(n=1) == body()


@pytest.mark.parametrize(
    ("profile", "options", "setting"),
    [
        ("deepseek", {"response_format": ResponseFormat("schema", SCHEMA)}, "response_format.schema"),
        ("compatible", {"metadata": {"a": "b"}}, "metadata"),
        ("compatible", {"prompt_cache": PromptCache()}, "prompt_cache"),
    ],
)
def test_a_service_that_knows_less_is_asked_for_less(profile, options, setting):
    _, warnings = encoded(profile=PROFILES[profile], **options)
    assert [warning.setting for warning in warnings] == [setting]


def test_a_service_that_knows_more_is_asked_for_more():
    made = body(profile=PROFILES["openrouter"], top_k=3, reasoning=Reasoning(budget_tokens=100))
    assert (made["top_k"], made["reasoning"]) == (3, {"max_tokens": 100})


def test_counting_sends_what_counts():
    request = ChatRequest([Message("user", "Hi")], ChatOptions(tools=[Tool("now")], max_tokens=100, temperature=0.0))
    call, _ = ResponsesWire().encode_count(request, model="gpt-5")
    assert (call.method, call.url) == ("POST", "/responses/input_tokens")
    assert json.loads(call.body).keys() == {"model", "input", "tools"}


# --- against the published schema ---


TEXT = st.text(max_size=20)
WORD = st.text("abcdefghij", min_size=1, max_size=12)
URL = WORD.map("https://a.test/{}".format)
IMAGES = st.builds(ImagePart, data=st.just(PNG), detail=st.sampled_from([None, "low", "high", "auto"])) | st.builds(
    ImagePart, url=URL
)
DOCUMENTS = st.builds(DocumentPart, data=st.binary(max_size=9), name=WORD) | st.builds(DocumentPart, url=URL)
GIVEN = st.builds(TextPart, TEXT) | IMAGES | DOCUMENTS | st.builds(DocumentPart, file_id=WORD)
HEADS = WORD.map(lambda id_: own({**HEAD, "id": f"msg_{id_}"}))
ANNOTATED = st.builds(Citation, URL, WORD, start=st.just(0), end=st.integers(1, 9))
OWN = st.one_of(
    st.builds(lambda text, cited, head: TextPart(text, cited, **head), TEXT, st.tuples(ANNOTATED), HEADS),
    st.builds(lambda text, head: RefusalPart(text, **head), TEXT, HEADS),
    WORD.map(lambda id_: ReasoningPart("", **own({**SEALED, "id": f"rs_{id_}"}))),
    WORD.map(
        lambda id_: OpaquePart(
            "openai",
            {"type": "web_search_call", "id": id_, "status": "completed", "action": {"type": "search", "query": "q"}},
        )
    ),
    WORD.map(
        lambda id_: ImagePart(data=PNG, **own({"type": "image_generation_call", "id": id_, "status": "completed"}))
    ),
)
FOREIGN = st.one_of(
    st.builds(TextPart, TEXT),
    st.builds(RefusalPart, TEXT),
    st.builds(ReasoningPart, TEXT, WORD, origin=st.just("anthropic")),
    st.builds(OpaquePart, st.just("gemini"), st.just({"x": 1})),
    st.builds(AudioPart, data=st.just(b"x"), transcript=TEXT),
)
IDS = st.text(min_size=1, max_size=80)


@st.composite
def turns(draw):
    """A question, an answer that may call tools, and their results."""
    calls = draw(
        st.lists(
            st.builds(
                ToolCall, IDS, WORD, st.sampled_from(["", "{}", "not json"]), st.sampled_from(["function", "custom"])
            ),
            max_size=2,
        )
    )
    results = [
        Message("tool", [ToolResultPart(call.id, draw(st.lists(GIVEN, max_size=2)), is_error=draw(st.booleans()))])
        for call in calls
    ]
    return [
        Message("user", draw(st.lists(GIVEN, min_size=1, max_size=3))),
        Message("assistant", [*draw(st.lists(OWN | FOREIGN, max_size=4)), *calls]),
        *results,
    ]


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "top_k": st.integers(1, 9),
        "max_tokens": st.integers(1, 10**6),
        "seed": st.integers(0, 9),
        "stop": st.just(("a",)),
        "frequency_penalty": st.floats(-2, 2),
        "tools": st.just((WEATHER, Tool("now"))),
        "tool_choice": st.sampled_from(
            [ToolChoice(), ToolChoice("none"), ToolChoice("required"), ToolChoice("named", "now")]
        ),
        "parallel_tool_calls": st.booleans(),
        "response_format": st.sampled_from(
            [ResponseFormat(), ResponseFormat("json"), ResponseFormat("schema", SCHEMA)]
        ),
        "reasoning": st.builds(Reasoning, st.sampled_from(EFFORTS))
        | st.builds(Reasoning, st.none(), st.integers(0, 9)),
        "prompt_cache": st.builds(PromptCache, st.sampled_from(["5m", "1h", "24h"]), st.none() | WORD),
        "n": st.integers(1, 3),
        "logprobs": st.integers(0, 20),
        "service_tier": st.sampled_from(["auto", "flex"]),
        "user_id": st.text(min_size=1, max_size=80),
        "metadata": st.dictionaries(WORD, TEXT, max_size=2),
        "extra": st.sampled_from(
            [
                {"openai": {"truncation": "auto", "reasoning": {"summary": "auto"}, "text": {"verbosity": "low"}}},
                {"openai": {"tools": [{"type": "web_search"}], "include": ["web_search_call.action.sources"]}},
                {"openai": {"store": True, "previous_response_id": "resp_1"}},
            ]
        ),
    },
)


few = settings(
    max_examples=settings.default.max_examples // 3
)  # the check of one body takes a tenth of a second and more


@few
@given(
    head=st.sampled_from([[], [Message("system", "a")], [Message("developer", "b")]]),
    talk=st.lists(turns(), min_size=1, max_size=3),
    options=OPTIONS,
    stream=st.booleans(),
)
def test_every_request_follows_openais_schema(validate, head, talk, options, stream):
    made, _ = encoded([*head, *(message for turn in talk for message in turn)], model="gpt-5", stream=stream, **options)
    headers = {"content-type": "application/json", "authorization": "Bearer x"}
    assert validate("POST", "https://api.openai.com/v1/responses", headers, made) == []
