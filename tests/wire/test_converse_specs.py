"""Requests of every kind against the service's own schema, where that and its validator lie beside the repository."""

from __future__ import annotations

import itertools
import json

from hypothesis import given, settings
from hypothesis import strategies as st

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
from aiclient.wire.converse import ConverseWire

MODELS = (
    "us.amazon.nova-2-lite-v1:0",
    "amazon.nova-pro-v1:0",
    "anthropic.claude-3-haiku-20240307-v1:0",
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "us.anthropic.claude-sonnet-5",
    "openai.gpt-oss-120b-1:0",
    "us.openai.gpt-5.6-terra",
    "us.deepseek.r1-v1:0",
    "meta.llama3-8b-instruct-v1:0",
)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
DATA = st.binary(min_size=1, max_size=8)

MEDIA = st.one_of(
    st.builds(
        lambda data, kind: ImagePart(data=data, media_type=f"image/{kind}"),
        DATA,
        st.sampled_from(["png", "jpg", "webp"]),
    ),
    st.builds(lambda detail: ImagePart(url="s3://bucket/a.png", detail=detail), st.sampled_from([None, "high"])),
    st.builds(
        lambda data, kind: VideoPart(data=data, media_type=f"video/{kind}"),
        DATA,
        st.sampled_from(["mp4", "quicktime", "3gpp", "x-matroska"]),
    ),
    st.builds(
        lambda data, name, kind: DocumentPart(data=data, name=name, media_type=kind),
        DATA,
        st.none() | TEXT,
        st.sampled_from(["application/pdf", "text/csv", "text/x-rust", "application/json"]),
    ),
    st.builds(
        lambda name: DocumentPart(
            url="s3://bucket/a.pdf", name=name, origin="bedrock", provider_data={"citations": {"enabled": True}}
        ),
        TEXT,
    ),
)
SOUND = st.builds(
    lambda kind: AudioPart(data=b"x", media_type=f"audio/{kind}"), st.sampled_from(["wav", "mpeg", "ogg"])
)
OPAQUE = st.sampled_from(
    [
        OpaquePart("bedrock", {"guardContent": {"text": {"text": "x", "qualifiers": ["query"]}}}),
        OpaquePart("bedrock", {"searchResult": {"source": "s", "title": "t", "content": [{"text": "x"}]}}),
        OpaquePart("openai", {"type": "odd"}),
    ]
)
POINT = OpaquePart("bedrock", {"cachePoint": {"type": "default"}})
SOURCE = {"title": "t", "location": {"documentChar": {"documentIndex": 0, "start": 0, "end": 1}}}

SAID = st.one_of(
    TEXT.map(TextPart),
    TEXT.map(RefusalPart),
    TEXT.map(lambda text: TextPart(text, (Citation(title="t", provider_data=SOURCE),), origin="bedrock")),
    st.builds(ReasoningPart, TEXT, st.none() | TEXT, origin=st.sampled_from(["bedrock", "anthropic", None])),
    st.just(OpaquePart("bedrock", {"reasoningContent": {"redactedContent": "YWI="}})),
    st.just(ImagePart(data=b"x", media_type="image/png")),
)
ARGUMENTS = st.sampled_from(['{"a":1}', "", "[1", "[]", '{"a":{"b":[]}}'])


@st.composite
def conversations(draw):
    messages = draw(st.lists(st.builds(Message, st.sampled_from(["system", "developer"]), TEXT), max_size=2))
    for number in range(draw(st.integers(1, 3))):
        parts = draw(st.lists(st.one_of(TEXT, MEDIA, SOUND, OPAQUE), min_size=1, max_size=4))
        messages.append(Message("user", [*parts, *([POINT] if draw(st.booleans()) else [])]))
        if draw(st.booleans()):
            messages.append(Message("system", draw(TEXT)))
        said = draw(st.lists(SAID, max_size=3))
        calls = [
            ToolCall(
                f"{draw(TEXT)}.{number}.{index}",
                f"tool{index}",
                draw(ARGUMENTS),
                draw(st.sampled_from(["function", "custom"])),
            )
            for index in range(draw(st.integers(0, 2)))
        ]
        if said or calls:
            messages.append(Message("assistant", said, tool_calls=calls))
        for call in calls:
            content = draw(st.lists(st.one_of(TEXT, MEDIA), max_size=2))
            messages.append(Message("tool", ToolResultPart(call.id, content, is_error=draw(st.booleans()))))
    return messages


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1, "description": "A number."}}}
TOOLS = (Tool("tool0", "What it does.", SCHEMA), Tool("tool1", strict=True), Tool("later", parameters={}))

OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "top_k": st.integers(1, 100),
        "max_tokens": st.integers(1, 9999),
        "stop": st.lists(TEXT, max_size=3),
        "seed": st.integers(0, 9),
        "parallel_tool_calls": st.booleans(),
        "response_format": st.sampled_from([ResponseFormat("json"), ResponseFormat("schema", SCHEMA, strict=True)]),
        "reasoning": st.builds(Reasoning, st.sampled_from(EFFORTS))
        | st.builds(Reasoning, st.none(), st.sampled_from([0, 500, 4000, 90000])),
        "prompt_cache": st.builds(PromptCache, st.sampled_from(["5m", "30m", "1h"]), st.sampled_from([None, "k"])),
        "service_tier": st.sampled_from(["auto", "default", "flex", "priority", "reserved", "odd"]),
        "metadata": st.dictionaries(TEXT, TEXT, max_size=3),
        "extra": st.just(
            {
                "bedrock": {
                    "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1", "trace": "enabled"},
                    "performanceConfig": {"latency": "optimized"},
                    "toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]},
                    "additionalModelResponseFieldPaths": ["/stop_sequence"],
                }
            }
        ),
    },
)
CHOICES = st.sampled_from(
    [None, *(ToolChoice(mode) for mode in ("auto", "none", "required")), ToolChoice("named", "tool0")]
)
HEADERS = {"content-type": "application/json", "authorization": "Bearer x"}


REQUESTS = st.builds(
    lambda messages, options, tools, choice: ChatRequest(
        messages, ChatOptions(**options, tools=tools, tool_choice=choice if tools else None)
    ),
    conversations(),
    OPTIONS,
    st.sampled_from([(), TOOLS]),
    CHOICES,
)
OPERATIONS = st.sampled_from(["converse", "converse-stream", "count-tokens"])


def encoded(request, operation, model):
    wire = ConverseWire()
    if operation == "count-tokens":
        return wire.encode_count(request, model=model)[0]
    return wire.encode(request, model=model, stream=operation == "converse-stream")[0]


few = settings(
    max_examples=settings.default.max_examples // 3
)  # the check of one body takes a tenth of a second and more


@few
@given(request=REQUESTS, operation=OPERATIONS, model=st.sampled_from(MODELS))
def test_requests_follow_the_services_schema(validate, request, operation, model):
    call = encoded(request, operation, model)
    url = f"https://bedrock-runtime.us-east-1.amazonaws.com{call.url}"
    assert url.endswith(f"/{operation}")
    assert validate("POST", url, HEADERS, json.loads(call.body)) == []


@given(request=REQUESTS, operation=OPERATIONS, model=st.sampled_from(MODELS))
def test_requests_are_such_as_the_service_accepts_beyond_its_schema(request, operation, model):
    body = json.loads(encoded(request, operation, model).body)
    assert_accepted(body.get("input", {}).get("converse", body))


def assert_accepted(body):
    turns = body["messages"]
    assert turns[0]["role"] == "user"
    assert all(turn["content"] for turn in turns)
    assert all(one["role"] != other["role"] for one, other in itertools.pairwise(turns))
    blocks = [block for turn in turns for block in turn["content"]]
    assert all(block["text"].strip() for block in blocks if "text" in block)
    names = [block["document"]["name"] for block in documents(blocks)]
    assert len(set(names)) == len(names)
    called = [block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block]
    answered = [block["toolResult"]["toolUseId"] for block in blocks if "toolResult" in block]
    assert called == answered
    assert len(set(called)) == len(called)
    assert "toolConfig" in body or not called
    for turn in turns:
        kinds = [next(iter(block)) for block in turn["content"]]
        assert "document" not in kinds or "text" in kinds


def documents(blocks):
    inside = [inner for block in blocks for inner in block.get("toolResult", {}).get("content", ())]
    return [block for block in [*blocks, *inside] if "document" in block]
