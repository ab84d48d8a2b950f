import base64
import json

import pytest
from attrs import evolve

from aiclient.context import CallContext
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
from aiclient.request import (
    ChatOptions,
    ChatRequest,
    EmbeddingRequest,
    PromptCache,
    Reasoning,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from aiclient.wire.openai_chat import OpenAIChat
from aiclient.wire.openai_embeddings import OpenAIEmbeddings
from aiclient.wire.openai_models import encode_model, encode_models
from aiclient.wire.profiles import COMPATIBLE, OPENAI, PROFILES

PNG = b"\x89PNG\r\n\x1a\n"
WEATHER = Tool(
    "weather",
    "Tells the weather.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
    strict=True,
)
CALL = ToolCall("c1", "weather", '{"city":"Paris"}')


def encoded(messages, profile=OPENAI, *, stream=False, context=None, **options):
    """Return body and warnings."""
    messages = [Message("user", messages)] if isinstance(messages, str) else messages
    request = ChatRequest(messages, ChatOptions(**options), context)
    call, warnings = OpenAIChat(profile).encode(request, model="m", stream=stream)
    assert (call.method, call.url) == ("POST", "/chat/completions")
    assert "authorization" not in {name.lower() for name, _ in call.headers}
    return json.loads(call.body), warnings


def first(*parts, role="user", profile=OPENAI):
    body, warnings = encoded([Message(role, parts)], profile)
    return body["messages"][0], warnings


def test_a_plain_question_is_a_plain_request():
    assert encoded("Hi") == ({"model": "m", "messages": [{"role": "user", "content": "Hi"}]}, ())


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({"temperature": 0.5}, {"temperature": 0.5}),
        ({"max_tokens": 9}, {"max_completion_tokens": 9}),
        ({"top_p": 0.1}, {"top_p": 0.1}),
        ({"seed": 3}, {"seed": 3}),
        ({"stop": "END"}, {"stop": ["END"]}),
        ({"frequency_penalty": 1, "presence_penalty": -1}, {"frequency_penalty": 1, "presence_penalty": -1}),
        ({"user_id": "u"}, {"user": "u"}),
        ({"n": 2}, {"n": 2}),
        ({"logprobs": 0}, {"logprobs": True}),
        ({"logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
        ({"service_tier": "flex"}, {"service_tier": "flex"}),
        (
            {"metadata": {"a": "b"}, "extra": {"openai": {"store": True}}},
            {"metadata": {"a": "b"}, "store": True},
        ),
        ({"reasoning": Reasoning("low")}, {"reasoning_effort": "low"}),
        ({"response_format": ResponseFormat()}, {"response_format": {"type": "text"}}),
        ({"response_format": ResponseFormat("json")}, {"response_format": {"type": "json_object"}}),
        (
            {"response_format": ResponseFormat("schema", WEATHER.parameters, "point", strict=True)},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "point", "schema": WEATHER.parameters, "strict": True},
                }
            },
        ),
        ({"extra": {"openai": {"n": 2, "temperature": 1}}, "temperature": 0}, {"n": 2, "temperature": 1}),
        ({"extra": {"anthropic": {"x": 1}}}, {}),
        ({"parallel_tool_calls": True}, {}),
    ],
)
def test_every_option_has_its_field(options, fields):
    body, warnings = encoded("Hi", **options)
    assert {key: value for key, value in body.items() if key not in ("model", "messages")} == fields
    assert warnings == ()


def test_tools_are_offered():
    body, _ = encoded("Hi", tools=[WEATHER, Tool("now")], tool_choice=ToolChoice("required"), parallel_tool_calls=False)
    assert body["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "Tells the weather.",
                "parameters": WEATHER.parameters,
                "strict": True,
            },
        },
        {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}},
    ]
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("required", False)


@pytest.mark.parametrize(
    ("choice", "field"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("none"), "none"),
        (ToolChoice("named", "weather"), {"type": "function", "function": {"name": "weather"}}),
    ],
)
def test_tool_choices_have_their_words(choice, field):
    assert encoded("Hi", tools=[WEATHER], tool_choice=choice)[0]["tool_choice"] == field


def test_a_stream_asks_for_usage():
    body, _ = encoded("Hi", stream=True)
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})
    assert "stream_options" not in encoded("Hi", PROFILES["mistral"], stream=True)[0]


@pytest.mark.parametrize(
    ("profile", "options", "settings"),
    [
        (OPENAI, {"top_k": 5}, ["top_k"]),
        (OPENAI, {"metadata": {"a": "b"}}, ["metadata"]),
        (COMPATIBLE, {"metadata": {"a": "b"}, "top_k": 5}, ["top_k", "metadata"]),
        (PROFILES["deepseek"], {"response_format": ResponseFormat("schema", {})}, ["response_format.schema"]),
    ],
)
def test_what_cannot_be_honoured_is_a_warning_and_under_strict_an_error(profile, options, settings):
    _, warnings = encoded("Hi", profile, **options)
    assert [warning.setting for warning in warnings] == settings
    assert {warning.code for warning in warnings} == {"unsupported_setting"}
    with pytest.raises(UnsupportedFeatureError, match="strict"):
        encoded("Hi", profile, strict=True, **options)
    with pytest.raises(UnsupportedFeatureError, match="strict"):
        encoded("Hi", profile, context=CallContext(strict=True), **options)


@pytest.mark.parametrize(
    ("profile", "options", "fields"),
    [
        ("groq", {"max_tokens": 9}, {"max_tokens": 9}),
        ("mistral", {"seed": 3}, {"random_seed": 3}),
        ("openrouter", {"top_k": 5}, {"top_k": 5}),
        ("openrouter", {"reasoning": Reasoning(budget_tokens=9)}, {"reasoning": {"max_tokens": 9}}),
        ("deepseek", {"response_format": ResponseFormat("schema", {})}, {"response_format": {"type": "json_object"}}),
        ("groq", {"extra": {"groq": {"x": 1}, "openai": {"x": 0, "y": 0}}}, {"x": 1, "y": 0}),
    ],
)
def test_profiles_differ_where_their_services_do(profile, options, fields):
    body, _ = encoded("Hi", PROFILES[profile], **options)
    assert {key: value for key, value in body.items() if key not in ("model", "messages")} == fields


def test_a_profile_may_lack_nearly_everything():
    bare = evolve(COMPATIBLE, parallel_tool_calls=False)
    _, warnings = encoded("Hi", bare, tools=[WEATHER], parallel_tool_calls=False, prompt_cache=PromptCache())
    assert [warning.setting for warning in warnings] == ["parallel_tool_calls", "prompt_cache"]


@pytest.mark.parametrize(
    ("cache", "fields", "codes"),
    [
        (PromptCache("5m"), {}, []),
        (PromptCache("5m", "k"), {"prompt_cache_key": "k"}, []),
        (PromptCache("24h"), {"prompt_cache_retention": "24h"}, []),
        (PromptCache("3h"), {"prompt_cache_retention": "24h"}, ["rounded_setting"]),
    ],
)
def test_prompt_caching_is_asked_for_as_openai_has_it(cache, fields, codes):
    body, warnings = encoded("Hi", prompt_cache=cache)
    assert {key: value for key, value in body.items() if key not in ("model", "messages")} == fields
    assert [warning.code for warning in warnings] == codes


def test_the_same_warning_is_given_once():
    _, warnings = first(TextPart("a"), *[ReasoningPart("hm")] * 3, role="assistant")
    assert len(warnings) == 1


def test_mistral_has_its_own_word_for_required():
    body, _ = encoded("Hi", PROFILES["mistral"], tools=[WEATHER], tool_choice=ToolChoice("required"))
    assert body["tool_choice"] == "any"


def test_extra_cannot_turn_streaming_on():
    with pytest.raises(InvalidRequestError, match="stream"):
        encoded("Hi", extra={"openai": {"stream": True}})


def test_roles_go_where_they_are_known():
    messages = [Message("system", "a"), Message("developer", "b"), Message("user", "c", name="Ann")]
    assert encoded(messages)[0]["messages"] == [
        {"role": "system", "content": "a"},
        {"role": "developer", "content": "b"},
        {"role": "user", "content": "c", "name": "Ann"},
    ]
    assert [message["role"] for message in encoded(messages, COMPATIBLE)[0]["messages"]] == ["system", "system", "user"]


@pytest.mark.parametrize(
    ("part", "item"),
    [
        (TextPart("t"), {"type": "text", "text": "t"}),
        (RefusalPart("no"), {"type": "text", "text": "no"}),
        (ImagePart(url="https://x/y.png"), {"type": "image_url", "image_url": {"url": "https://x/y.png"}}),
        (
            ImagePart(data=PNG, detail="low"),
            {
                "type": "image_url",
                "image_url": {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}", "detail": "low"},
            },
        ),
        (
            ImagePart(data=b"x", media_type="image/jpeg"),
            {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,eA=="}},
        ),
        (ImagePart(data=b"RIFF"), {"type": "image_url", "image_url": {"url": "data:image/webp;base64,UklGRg=="}}),
        (
            AudioPart(data=b"x", media_type="audio/mpeg"),
            {"type": "input_audio", "input_audio": {"data": "eA==", "format": "mp3"}},
        ),
        (AudioPart(data=b"x"), {"type": "input_audio", "input_audio": {"data": "eA==", "format": "wav"}}),
        (DocumentPart(file_id="f"), {"type": "file", "file": {"file_id": "f"}}),
        (
            DocumentPart(data=b"x", name="a.pdf"),
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,eA=="}},
        ),
        (OpaquePart("openai", {"type": "new", "x": 1}), {"type": "new", "x": 1}),
        (
            TextPart("t", origin="openai", provider_data={"prompt_cache_breakpoint": {"mode": "explicit"}}),
            {"type": "text", "text": "t", "prompt_cache_breakpoint": {"mode": "explicit"}},
        ),
    ],
)
def test_content_parts_have_their_items(part, item):
    message, warnings = first(TextPart("look:"), part)
    assert message["content"] == [{"type": "text", "text": "look:"}, item]
    assert warnings == ()


@pytest.mark.parametrize(
    "part",
    [
        ImagePart(file_id="f"),
        AudioPart(url="https://x/y.wav"),
        AudioPart(data=b"x", media_type="audio/flac"),
        DocumentPart(url="https://x/y.pdf"),
        VideoPart(url="https://x/y.mp4"),
    ],
    ids=lambda part: f"{part.tag}-{part.media_type}",
)
def test_content_without_a_place_is_an_error_that_a_fallback_may_solve(part):
    with pytest.raises(UnsupportedFeatureError) as caught:
        first(part)
    assert caught.value.provider == "openai"


def test_a_users_tool_call_is_refused():
    with pytest.raises(InvalidMessageError, match="tool_call"):
        first(TextPart("x"), CALL)


def test_foreign_opaque_parts_are_dropped_with_a_warning():
    message, warnings = first(TextPart("x"), OpaquePart("anthropic", {"type": "y"}))
    assert message["content"] == [{"type": "text", "text": "x"}]
    assert [warning.code for warning in warnings] == ["dropped_content"]


@pytest.mark.parametrize(
    ("parts", "fields"),
    [
        ([TextPart("a"), TextPart("b")], {"content": "ab"}),
        ([], None),
        (
            [CALL],
            {
                "content": None,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
                ],
            },
        ),
        (
            [TextPart("a"), ToolCall("c", "f")],
            {
                "content": "a",
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
        ),
        (
            [ToolCall("c", "f", "free text", "custom")],
            {
                "content": None,
                "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "f", "input": "free text"}}],
            },
        ),
        ([RefusalPart("no")], {"content": None, "refusal": "no"}),
        (
            [AudioPart(data=b"x", transcript="t", origin="openai", provider_data={"id": "a1"})],
            {"content": None, "audio": {"id": "a1"}},
        ),
        ([ReasoningPart("hm", origin="openai"), TextPart("a")], {"content": "a"}),
        (
            [
                ReasoningPart("hm", origin="openai", provider_data={"reasoning_details": [{"index": 0}]}),
                TextPart("a"),
                ReasoningPart(origin="openai", provider_data={"reasoning_details": [{"index": 1}]}),
            ],
            {"content": "a", "reasoning_details": [{"index": 0}, {"index": 1}]},
        ),
        (
            [TextPart("a"), OpaquePart("openai", {"annotations": [{"type": "file"}]})],
            {"content": "a", "annotations": [{"type": "file"}]},
        ),
        (
            [ToolCall("c", "f", "{}", origin="openai", provider_data={"extra_content": {"g": 1}})],
            {
                "content": None,
                "tool_calls": [
                    {
                        "id": "c",
                        "type": "function",
                        "function": {"name": "f", "arguments": "{}"},
                        "extra_content": {"g": 1},
                    }
                ],
            },
        ),
    ],
)
def test_the_assistants_turn_is_replayed(parts, fields):
    messages = [Message("user", "x"), Message("assistant", parts)]
    body, warnings = encoded(messages)
    assert body["messages"][1:] == ([{"role": "assistant", **fields}] if fields else [])
    assert warnings == ()


def test_thinking_goes_back_where_the_service_takes_it():
    thought = ReasoningPart("hm", origin="deepseek")
    message, warnings = first(thought, TextPart("a"), role="assistant", profile=PROFILES["deepseek"])
    assert (message["reasoning_content"], warnings) == ("hm", ())


@pytest.mark.parametrize(
    ("part", "content"),
    [
        (ReasoningPart("hm", origin="anthropic", signature="s"), "a"),
        (ReasoningPart("hm"), "a"),
        (ImagePart(data=PNG), "a"),
        (AudioPart(data=b"x", transcript="said", origin="x", provider_data={"id": "a1"}), "asaid"),
        (AudioPart(data=b"x"), "a"),
        (OpaquePart("x", {}), "a"),
    ],
    ids=["reasoning", "reasoning-of-nobody", "image", "spoken", "sound", "opaque"],
)
def test_what_another_vendor_left_is_converted_or_dropped_with_a_warning(part, content):
    message, warnings = first(TextPart("a"), part, role="assistant")
    assert message == {"role": "assistant", "content": content}
    assert [warning.code for warning in warnings] == ["dropped_content"]


def test_tool_results_are_messages_of_their_own():
    results = [ToolResultPart("c1", "sunny"), ToolResultPart("c2", "broken", is_error=True)]
    messages = [Message("user", "x"), Message("assistant", [CALL]), Message("user", [*results, "and now?"])]
    assert encoded(messages)[0]["messages"][2:] == [
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "c2", "content": "Error: broken"},
        {"role": "user", "content": "and now?"},
    ]


def test_an_image_from_a_tool_moves_behind_all_results():
    messages = [
        Message("tool", [TextPart("see:"), ImagePart(url="https://x")], tool_call_id="c1"),
        Message("tool", "two", tool_call_id="c2"),
        Message("assistant", "fine"),
    ]
    body, warnings = encoded(messages)
    assert [message["role"] for message in body["messages"]] == ["tool", "tool", "user", "assistant"]
    assert body["messages"][0]["content"] == "see:"
    assert body["messages"][2]["content"][1]["image_url"] == {"url": "https://x"}
    assert [warning.code for warning in warnings] == ["moved_content"]


def embedding(profile=OPENAI, **fields):
    call, warnings = OpenAIEmbeddings(profile).encode(EmbeddingRequest(**fields), model="m")
    assert (call.method, call.url) == ("POST", "/embeddings")
    return json.loads(call.body), warnings


def test_embeddings_are_asked_for_as_base64_where_there_is_such_a_thing():
    assert embedding(input="a") == ({"model": "m", "input": ["a"], "encoding_format": "base64"}, ())
    assert embedding(COMPATIBLE, input=["a", "b"]) == ({"model": "m", "input": ["a", "b"]}, ())


def test_embedding_options_have_their_fields():
    body, warnings = embedding(input="a", dimensions=3, user_id="u", task="query", extra={"openai": {"x": 1}})
    assert (body["dimensions"], body["user"], body["x"]) == (3, "u", 1)
    assert [warning.setting for warning in warnings] == ["task"]


def test_models_are_asked_for_by_path():
    assert (encode_models().method, encode_models().url) == ("GET", "/models")
    assert encode_model("org/a?b").url == "/models/org%2Fa%3Fb"


FULL = {
    "temperature": 0.5,
    "max_tokens": 100,
    "top_p": 0.9,
    "seed": 1,
    "stop": ["a", "b"],
    "frequency_penalty": 0.1,
    "presence_penalty": 0.1,
    "tools": [WEATHER],
    "tool_choice": ToolChoice("named", "weather"),
    "parallel_tool_calls": False,
    "reasoning": Reasoning("low"),
    "user_id": "u",
    "metadata": {"a": "b"},
    "extra": {"openai": {"n": 2, "store": True}},
}

CONVERSATION = [
    Message("system", "Be brief."),
    Message("developer", "And kind.", name="dev"),
    Message("user", [TextPart("look"), ImagePart(data=PNG, detail="high"), ImagePart(url="https://x/y.png")]),
    Message(
        "user", [AudioPart(data=b"x", media_type="audio/mpeg"), DocumentPart(data=b"x"), DocumentPart(file_id="f")]
    ),
    Message("assistant", [TextPart("calling"), CALL, ToolCall("c2", "free", "text", "custom")]),
    Message("tool", [TextPart("sunny"), ImagePart(url="https://x")], tool_call_id="c1"),
    Message("tool", "done", tool_call_id="c2"),
    Message("assistant", [RefusalPart("no")]),
    Message("assistant", [AudioPart(data=b"x", origin="openai", provider_data={"id": "a1"})]),
    Message("user", "go on"),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    "wanted",
    [ResponseFormat(), ResponseFormat("json"), ResponseFormat("schema", {"type": "object"}, strict=True)],
    ids=lambda wanted: wanted.kind,
)
def test_requests_follow_openais_schema(validate, wanted, stream):
    body, _ = encoded(CONVERSATION, stream=stream, response_format=wanted, **FULL)
    headers = {"content-type": "application/json", "authorization": "Bearer x"}
    assert validate("POST", "https://api.openai.com/v1/chat/completions", headers, body) == []


def test_embedding_requests_follow_openais_schema(validate):
    body, _ = embedding(input=["a", "b"], dimensions=3, user_id="u")
    headers = {"content-type": "application/json", "authorization": "Bearer x"}
    assert validate("POST", "https://api.openai.com/v1/embeddings", headers, body) == []


@pytest.mark.parametrize(
    ("part", "url"),
    [
        (VideoPart(url="https://x/y.mp4"), "https://x/y.mp4"),
        (VideoPart(data=b"x"), "data:video/mp4;base64,eA=="),
        (VideoPart(data=b"x", media_type="video/webm"), "data:video/webm;base64,eA=="),
    ],
)
def test_films_go_to_services_that_take_them(part, url):
    message, warnings = first(TextPart("look:"), part, profile=COMPATIBLE)
    assert message["content"][1] == {"type": "video_url", "video_url": {"url": url}}
    assert warnings == ()


def test_a_film_by_file_id_has_no_form():
    with pytest.raises(UnsupportedFeatureError, match="video content by file id"):
        first(VideoPart(file_id="f"), profile=COMPATIBLE)


def test_mistral_takes_no_sound_by_file_id():
    with pytest.raises(UnsupportedFeatureError, match="audio by file id"):
        first(AudioPart(file_id="f"), profile=PROFILES["mistral"])
