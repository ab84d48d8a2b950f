"""Requests to Anthropic's API, over the whole of what can be asked: they follow the vendor's types and the protocol's rules."""

from __future__ import annotations

import itertools
import json
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from aiclient.messages import (
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
)
from aiclient.request import ChatOptions, ChatRequest, PromptCache, Reasoning, ResponseFormat, Tool, ToolChoice, check
from aiclient.wire.anthropic import ANTHROPIC, BEDROCK, VERTEX, AnthropicWire

NOT_IN_THE_TYPES = {"temperature", "top_p", "top_k"}
"""The SDK of 2026-11 no longer types them, since no current model takes them; earlier models do."""

MODELS = [
    "claude-3-haiku-20240307",
    "claude-3-7-sonnet-20250219",
    "claude-sonnet-4-20250514",
    "claude-haiku-4-5",
    "claude-opus-4-6",
    "claude-opus-4-7",
    "claude-opus-4-8",
    "claude-fable-5-1",
    "claude-mythos-preview",
    "anthropic.claude-sonnet-5-v1:0",
    "some-other-model",
]

PNG = b"\x89PNG\r\n\x1a\n"
LOCATED = {
    "type": "web_search_result_location",
    "cited_text": "so",
    "encrypted_index": "e",
    "title": None,
    "url": "https://a.test",
}
SERVER = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "n": {"type": "integer", "minimum": 1},
        "tags": {"type": "array", "items": {"type": "string", "pattern": "^a"}, "minItems": 2},
    },
    "required": ["n"],
}

texts = st.sampled_from(["", " ", "hello", "Grüße \u2028 🎈", "ends in blanks  \n"])
ids = st.sampled_from(["toolu_01A", "call_0", "call_1", "functions.weather:0", "ü", "a b"])
origins = st.sampled_from([None, "anthropic", "openai"])

text_parts = st.builds(
    TextPart,
    texts,
    st.sampled_from([(), (Citation(provider_data=LOCATED),), (Citation("https://b.test"),)]),
    origin=origins,
)
media = st.sampled_from(
    [
        ImagePart(data=PNG),
        ImagePart(data=b"x", media_type="image/webp", detail="high"),
        ImagePart(url="https://a.test/x.png"),
        ImagePart(url="data:image/gif;base64,R0lGODlh"),
        ImagePart(file_id="file_1"),
        DocumentPart(data=b"%PDF-1.7", name="paper.pdf"),
        DocumentPart(data=b"a,b\n1,2", media_type="text/csv"),
        DocumentPart(url="https://a.test/x.pdf"),
        DocumentPart(file_id="file_2", origin="anthropic", provider_data={"citations": {"enabled": True}}),
    ]
)
thoughts = st.builds(ReasoningPart, texts, st.sampled_from([None, "", "sealed"]), origin=origins)
refusals = st.builds(RefusalPart, texts, origin=origins)
opaque = st.sampled_from(
    [OpaquePart("openai", {"type": "x"}), OpaquePart("anthropic", {"type": "redacted_thinking", "data": "d"})]
)
calls = st.builds(
    ToolCall,
    ids,
    st.just("weather"),
    st.sampled_from(["", "{}", '{"city":"Paris"}', "[1]", '{"city":', "free text"]),
    st.sampled_from(["function", "custom"]),
    origin=origins,
    provider_data=st.sampled_from([None, {"caller": {"type": "direct"}}]),
)
own_calls = st.just(OpaquePart("anthropic", SERVER))

user_messages = st.lists(text_parts | media | refusals | thoughts, min_size=1, max_size=3).map(
    lambda p: [Message("user", p)]
)
system_messages = st.builds(
    lambda role, text: [Message(role, text)], st.sampled_from(["system", "developer"]), text_parts | refusals
)
answers = st.lists(text_parts | thoughts | refusals | opaque | own_calls | media, min_size=1, max_size=4).map(
    lambda p: [Message("assistant", p)]
)


@st.composite
def loops(draw):
    """The assistant calls tools, and gets its results: in one message or several, with something before or behind."""
    made = draw(st.lists(calls, min_size=1, max_size=3, unique_by=lambda call: call.id))
    before = draw(st.lists(thoughts | text_parts, max_size=2))
    content = st.lists(text_parts | media | opaque.filter(lambda part: part.origin == "openai"), max_size=2)
    results = [ToolResultPart(call.id, draw(content), is_error=draw(st.booleans())) for call in made]
    if draw(st.booleans()):
        answered = [Message("user", [*draw(st.lists(text_parts, max_size=1)), *results])]
    else:
        answered = [Message("tool", result) for result in results]
    return [
        Message("assistant", [*before, *made]),
        *draw(st.sampled_from([[], [Message("system", "Now be kind.")]])),
        *answered,
    ]


conversations = st.lists(user_messages | system_messages | answers | loops(), min_size=1, max_size=6).map(
    lambda groups: [message for group in groups for message in group]
)

tools = st.sampled_from(
    [
        (),
        (Tool("weather"),),
        (Tool("weather", "Tells it.", SCHEMA, strict=True), Tool("time", parameters={"properties": {}})),
    ]
)
efforts = st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"])


@st.composite
def options(draw):
    offered = draw(tools)
    choices = [None, ToolChoice("auto"), ToolChoice("none")]
    if offered:
        choices += [ToolChoice("required"), ToolChoice("named", "weather")]
    return ChatOptions(
        tools=offered,
        tool_choice=draw(st.sampled_from(choices)),
        parallel_tool_calls=draw(st.sampled_from([None, True, False])),
        temperature=draw(st.sampled_from([None, 0, 1, 1.5])),
        top_p=draw(st.sampled_from([None, 0.1, 0.99, 1])),
        top_k=draw(st.sampled_from([None, 3])),
        max_tokens=draw(st.sampled_from([None, 1, 1024, 1025, 5000])),
        stop=draw(st.sampled_from([(), ("END",), ("\n", "END")])),
        seed=draw(st.sampled_from([None, 1])),
        n=draw(st.sampled_from([None, 1, 2])),
        logprobs=draw(st.sampled_from([None, 0])),
        service_tier=draw(st.sampled_from([None, "auto", "default", "flex"])),
        user_id=draw(st.sampled_from([None, "u1"])),
        metadata=draw(st.sampled_from([{}, {"a": "b"}])),
        reasoning=draw(
            st.none()
            | st.builds(Reasoning, efforts)
            | st.builds(Reasoning, st.none(), st.sampled_from([0, 1, 1024, 4000, 50000]))
        ),
        response_format=draw(
            st.sampled_from([None, ResponseFormat(), ResponseFormat("json"), ResponseFormat("schema", SCHEMA)])
        ),
        prompt_cache=draw(st.none() | st.builds(PromptCache, st.sampled_from(["5m", "1h", "40m", "2h"]))),
        extra=draw(
            st.sampled_from(
                [{}, {"anthropic": {"betas": ["b1"], "tools": [{"type": "bash_20250124", "name": "bash"}]}}]
            )
        ),
    )


requests = st.builds(ChatRequest, conversations, options())


def encoded(request, model="claude-sonnet-4-5", stream=False, platform=ANTHROPIC):
    call, warnings = AnthropicWire(platform).encode(request, model=model, stream=stream)
    return call, json.loads(call.body), warnings


def typed(body):
    return {name: value for name, value in body.items() if name not in NOT_IN_THE_TYPES}


def problems(validate, call, body, path=None):
    headers = {**dict(call.headers), "x-api-key": "k"}
    return validate(call.method, f"https://api.anthropic.com{path or call.url}", headers, typed(body))


few = settings(
    max_examples=settings.default.max_examples // 3
)  # the check of one body takes a tenth of a second and more


@few
@given(requests, st.sampled_from(MODELS), st.booleans())
def test_requests_follow_the_vendors_types(validate, request_, model, stream):
    check(request_)
    call, body, _ = encoded(request_, model, stream)
    assert problems(validate, call, body) == []
    assert body.get("stream", False) == stream


@few
@given(requests, st.sampled_from(MODELS))
def test_counts_of_tokens_follow_the_vendors_types(validate, request_, model):
    call, _ = AnthropicWire().encode_count(request_, model=model)
    assert problems(validate, call, json.loads(call.body)) == []


@given(requests, st.sampled_from([VERTEX, BEDROCK]), st.booleans())
def test_other_platforms_get_the_same_request_with_version_and_model_elsewhere(request_, platform, stream):
    _, body, warnings = encoded(request_, "claude-haiku-4-5", stream)
    call, there, same = encoded(request_, "claude-haiku-4-5", stream, platform)
    assert there.pop("anthropic_version") == platform.version
    betas = there.pop("anthropic_beta", None) or [value for name, value in call.headers if name == "anthropic-beta"]
    assert bool(betas) == bool(request_.options.extra)
    assert body.pop("model") == "claude-haiku-4-5"
    assert "claude-haiku-4-5" in call.url
    if platform is BEDROCK:
        body.pop("stream", None)
    assert there == body
    assert same == warnings


@given(requests, st.sampled_from(MODELS))
def test_turns_follow_the_protocols_rules(request_, model):
    _, body, _ = encoded(request_, model)
    turns = body["messages"]
    roles = [turn["role"] for turn in turns]
    assert roles[0] == "user"
    for before, after in itertools.pairwise(roles):
        assert before != after
        assert after != "system" or before == "user"
        assert before != "system" or after == "assistant"
    for turn in turns:
        assert turn["content"]
        kinds = [block["type"] for block in turn["content"]]
        if turn["role"] == "user":
            results = kinds.count("tool_result")
            assert kinds[:results] == ["tool_result"] * results
        for block in turn["content"]:
            assert block["type"] != "text" or block["text"].strip()
    last = turns[-1]["content"][-1]
    assert turns[-1]["role"] != "assistant" or last["type"] != "text" or last["text"] == last["text"].rstrip()


@given(requests, st.sampled_from(MODELS))
def test_each_tool_call_has_an_id_of_its_own_and_its_result_names_it(request_, model):
    _, body, _ = encoded(request_, model)
    open_, seen = [], set()
    for turn in body["messages"]:
        for block in turn["content"]:
            if block["type"] == "tool_use":
                assert re.fullmatch(r"[a-zA-Z0-9_-]+", block["id"])
                assert block["id"] not in seen
                seen.add(block["id"])
                open_.append(block["id"])
            elif block["type"] == "tool_result":
                open_.remove(block["tool_use_id"])
    assert open_ == []


@given(requests, st.sampled_from(MODELS))
def test_no_more_than_four_places_are_marked_for_the_cache(request_, model):
    _, body, _ = encoded(request_, model)
    assert json.dumps(body).count('"cache_control"') <= 4


@given(requests, st.sampled_from(MODELS))
def test_thinking_leaves_room_for_the_answer_and_stands_alone(request_, model):
    _, body, _ = encoded(request_, model)
    thinking = body.get("thinking", {"type": "disabled"})
    if thinking["type"] == "enabled":
        assert 1024 <= thinking["budget_tokens"] < body["max_tokens"]
        assert body.get("tool_choice", {}).get("type") not in ("any", "tool")
    if thinking["type"] in ("enabled", "adaptive"):
        assert not {"temperature", "top_k"} & body.keys()
        assert body.get("top_p", 1) >= 0.95
    if request_.options.max_tokens is not None:
        assert body["max_tokens"] == request_.options.max_tokens


@given(requests, st.sampled_from(MODELS))
def test_encoding_changes_nothing_in_the_request(request_, model):
    before = json.dumps(request_.to_dict(), sort_keys=True)
    encoded(request_, model)
    assert json.dumps(request_.to_dict(), sort_keys=True) == before
