"""Requests of any shape against the vendor's own schemas, where they are at hand: `../shared/specs` beside the checkout."""

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
from aiclient.request import (
    EFFORTS,
    ChatOptions,
    ChatRequest,
    EmbeddingRequest,
    PromptCache,
    Reasoning,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from aiclient.wire.gemini import GeminiWire
from aiclient.wire.gemini_embeddings import GeminiEmbeddings

BASES = {False: "https://service.test/v1beta", True: "https://service.test/v1/projects/p/locations/l/publishers/google"}
LAGGING = ("serviceTier", "thinkingLevel")
"""Fields of today's service that the published schemas do not have yet (`shared/specs/README.md`)."""


def violations(validate, call, *, vertex, lagging=()):
    headers = dict(call.headers) | {"authorization": "Bearer x"}
    url, body = BASES[vertex] + call.url, json.loads(call.body)
    for name in lagging:
        body.pop(name, None)
        body.get("generationConfig", {}).get("thinkingConfig", {}).pop(name, None)
    return validate(call.method, url, headers, body, protocol="vertex" if vertex else "gemini")


TEXT = st.text(max_size=8)
NAME = st.sampled_from(["f", "g", "get_weather"])
ORIGIN = st.sampled_from([None, "google", "vertex", "openai"])
SIGNED = st.sampled_from([None, {"thoughtSignature": "c2ln"}])
BYTES = st.binary(max_size=6)
SCHEMA = st.sampled_from(
    [
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"enum": [1, None]}}},
        {"type": "object", "additionalProperties": False, "properties": {"b": {"anyOf": [{"type": "null"}, {}]}}},
        {},
    ]
)


def media(kind, **more):
    whole = st.builds(kind, data=BYTES, media_type=st.none() | st.just("a/b"), **more)
    return whole | st.builds(kind, url=st.sampled_from(["gs://b/o", "https://a.test/x.png", "data:a/b;base64,QQ=="]))


MEDIA = (
    media(ImagePart, detail=st.sampled_from([None, "low", "high", "auto"]))
    | media(AudioPart)
    | media(VideoPart)
    | media(DocumentPart, name=st.none() | TEXT)
    | st.builds(DocumentPart, file_id=st.just("files/1"))
)
SAID = (
    st.builds(TextPart, TEXT, st.just((Citation("https://a.test"),)), origin=ORIGIN, provider_data=SIGNED)
    | st.builds(RefusalPart, TEXT)
    | st.builds(ReasoningPart, TEXT, st.none() | st.just("c2ln"), origin=ORIGIN)
    | st.builds(OpaquePart, st.sampled_from(["google", "vertex", "openai"]), st.just({"text": "opaque"}))
    | MEDIA
)


@st.composite
def exchanges(draw):
    """Draw a user's message, perhaps the model's turn with calls, and their results."""
    messages = [Message("user", draw(st.lists(TEXT.filter(bool) | MEDIA, min_size=1, max_size=2)))]
    said = draw(st.lists(SAID, max_size=3))
    arguments = st.sampled_from(["", "{}", '{"a": 1}', "{", "3"])
    calls = [
        ToolCall(f"id{number}", draw(NAME), draw(arguments), origin=draw(ORIGIN), provider_data=draw(SIGNED))
        for number in range(draw(st.integers(0, 3)))
    ]
    messages.append(Message("assistant", [*said, *calls]))
    for call in draw(st.permutations(calls)):
        content = draw(st.lists(st.sampled_from(["text", '{"a": 1}']) | MEDIA, max_size=2))
        messages.append(Message("tool", ToolResultPart(call.id, content, is_error=draw(st.booleans()))))
    return messages


@st.composite
def options(draw):
    tools = tuple(
        Tool(name, draw(TEXT), draw(SCHEMA), draw(st.none() | st.booleans()))
        for name in draw(st.lists(NAME, unique=True))
    )
    choices = ["auto", "none", *(["required", tools[0].name] if tools else [])]
    formats = st.sampled_from([None, "text", "json"]) | SCHEMA
    return ChatOptions(
        temperature=draw(st.none() | st.floats(0, 2)),
        max_tokens=draw(st.none() | st.integers(1, 99)),
        top_p=draw(st.none() | st.floats(0, 1)),
        top_k=draw(st.none() | st.integers(1, 99)),
        seed=draw(st.none() | st.integers(-(2**63), 2**63 - 1)),
        stop=tuple(draw(st.lists(TEXT.filter(bool), max_size=2))),
        frequency_penalty=draw(st.none() | st.floats(-2, 2)),
        presence_penalty=draw(st.none() | st.floats(-2, 2)),
        tools=tools,
        tool_choice=ToolChoice.of(draw(st.none() | st.sampled_from(choices))),
        parallel_tool_calls=draw(st.none() | st.booleans()),
        response_format=ResponseFormat.of(draw(formats)),
        reasoning=draw(
            st.none()
            | st.builds(Reasoning, st.sampled_from(EFFORTS))
            | st.builds(Reasoning, st.none(), st.integers(0, 99))
        ),
        prompt_cache=draw(st.none() | st.builds(PromptCache)),
        n=draw(st.none() | st.integers(1, 3)),
        logprobs=draw(st.none() | st.integers(0, 20)),
        service_tier=draw(st.sampled_from([None, "auto", "default", "flex"])),
        user_id=draw(st.none() | TEXT),
        metadata=draw(st.dictionaries(TEXT, TEXT, max_size=2)),
        extra={"gemini": draw(st.sampled_from([{}, EXTRA]))},
    )


EXTRA = {
    "generationConfig": {"responseModalities": ["TEXT", "IMAGE"], "mediaResolution": "MEDIA_RESOLUTION_LOW"},
    "tools": [{"googleSearch": {}}, {"codeExecution": {}}, {"urlContext": {}}],
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
}


few = settings(
    max_examples=settings.default.max_examples // 3
)  # the check of one body takes a tenth of a second and more


@few
@given(
    st.lists(exchanges(), min_size=1, max_size=2),
    options(),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["gemini-2.5-flash", "gemini-3-pro-preview"]),
)
def test_any_request_follows_the_vendors_schema(validate, turns, chosen, vertex, stream, model):
    messages = [Message("system", "s"), *(message for turn in turns for message in turn)]
    wire, request = GeminiWire(vertex=vertex), ChatRequest(messages, chosen)
    call, _ = wire.encode(request, model=model, stream=stream)
    lagging = LAGGING[:1] if vertex else LAGGING
    assert violations(validate, call, vertex=vertex, lagging=lagging) == []
    roles = [content["role"] for content in json.loads(call.body)["contents"]]
    assert all(one != other for one, other in itertools.pairwise(roles))


def test_counting_follows_the_vendors_schema(validate):
    request = ChatRequest(
        [Message("system", "s"), Message("user", "u")], ChatOptions(tools=(Tool("f"),), temperature=1)
    )
    for vertex in (False, True):
        call, _ = GeminiWire(vertex=vertex).encode_count(request, model="gemini-2.5-flash")
        assert violations(validate, call, vertex=vertex) == []


@few
@given(st.sampled_from([None, "query", "code_query"]), st.none() | st.integers(1, 9))
def test_embeddings_follow_the_vendors_schema(validate, task, dimensions):
    request = EmbeddingRequest(["a", "b"], dimensions=dimensions, task=task)
    for model in ("gemini-embedding-001", "gemini-embedding-2"):
        call, _ = GeminiEmbeddings().encode(request, model=model)
        assert violations(validate, call, vertex=False) == []
