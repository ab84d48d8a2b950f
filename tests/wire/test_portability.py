"""A conversation that one service began goes on at any other: every ordered pair of protocols.

The history is what the source's own decoder makes of an answer with everything the vendor has (sealed thinking, sources, two
parallel calls, a refusal or a block of a kind unknown here). The seals hold a word that must not reach another vendor.
"""

from __future__ import annotations

import base64
import itertools
import json
import re

import httpx
import pytest
from attrs import frozen

from aiclient import Client
from aiclient.errors import UnsupportedFeatureError
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
    ToolResultPart,
    VideoPart,
)
from aiclient.providers import AnthropicProvider, OpenAIProvider
from aiclient.request import ChatOptions, ChatRequest, Tool, check
from aiclient.wire.anthropic import BEDROCK, VERTEX, AnthropicWire
from aiclient.wire.cohere import CohereChat
from aiclient.wire.converse import ConverseWire
from aiclient.wire.gemini import GeminiWire
from aiclient.wire.ollama import OllamaChat
from aiclient.wire.openai_chat import OpenAIChat
from aiclient.wire.profiles import PROFILES
from aiclient.wire.responses import ResponsesWire

PNG = b"\x89PNG\r\n\x1a\n"

TOOLS = [
    Tool("weather", "The weather.", {"type": "object", "properties": {"city": {"type": "string"}}}),
    Tool("map", "A map.", {"type": "object", "properties": {"city": {"type": "string"}}}),
]
OSLO, ROME = {"city": "Oslo"}, {"city": "Rome"}
ASKED, BEGUN, ANSWERED, REFUSED = (
    "What is the weather?",
    "I shall look.",
    "It is sunny in Oslo.",
    "I must not say more.",
)
THOUGHT, LATER = "They want the weather.", "Now I know the weather."
SUNNY, FAILED, SHOWN = "sunny, 21 degrees", "no such city", "the map of Rome"
AND_THIS, GOODBYE = "And where is this?", "Thank you, and tomorrow?"


def seal(number):
    """Opaque data of a vendor; of base64, which schemas ask for."""
    return base64.b64encode(f"sealed for its own vendor, {number}".encode()).decode()


SEALS = tuple(seal(number) for number in range(6))


# --- the answers, as each vendor writes them ---


def chat(message):
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}],
    }


def chat_calls(first, second):
    named = ((first, "weather", OSLO), (second, "map", ROME))
    return [
        {"id": id_, "type": "function", "function": {"name": name, "arguments": json.dumps(args)}}
        for id_, name, args in named
    ]


CITED = [
    {
        "type": "url_citation",
        "url_citation": {"url": "https://met.test", "title": "Met", "start_index": 0, "end_index": 5},
    }
]

OPENAI_CHAT = (
    chat({"content": BEGUN, "refusal": None, "tool_calls": chat_calls("call_a1", "call_a2")}),
    chat({"content": ANSWERED, "refusal": REFUSED, "annotations": CITED}),
)


def detail(thought, number):
    return {
        "reasoning": thought,
        "reasoning_details": [
            {"type": "reasoning.text", "text": thought, "signature": seal(number), "index": 0, "format": "x"},
            {"type": "reasoning.encrypted", "data": seal(number + 1), "index": 1, "format": "x"},
        ],
    }


OPENROUTER = (
    chat({"content": BEGUN, **detail(THOUGHT, 0), "tool_calls": chat_calls("functions.weather:0", "functions.map:1")}),
    chat(
        {
            "content": ANSWERED,
            **detail(LATER, 2),
            "annotations": [*CITED, {"type": "file", "file": {"hash": seal(4), "content": []}}],
        }
    ),
)

VLLM_ID = "chatcmpl-tool-0123456789abcdef0123456789abcde"
"""46 characters with the last digit; two such ids differ at their end only."""

MOONSHOT = (
    chat({"content": BEGUN, "reasoning_content": THOUGHT, "tool_calls": chat_calls(VLLM_ID + "1", VLLM_ID + "2")}),
    chat({"content": ANSWERED, "reasoning_content": LATER, "refusal": REFUSED}),
)


def mistral_thought(text, number):
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}], "signature": seal(number)}


MISTRAL = (
    chat(
        {
            "content": [mistral_thought(THOUGHT, 0), {"type": "text", "text": BEGUN}],
            "tool_calls": chat_calls("D681PevKs", "9PevKsD68"),
        }
    ),
    chat(
        {
            "content": [
                mistral_thought(LATER, 1),
                {"type": "text", "text": ANSWERED},
                {"type": "reference", "reference_ids": [734511]},
            ]
        }
    ),
)


def responses(*output):
    return {"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-5", "output": [*output]}


def responses_thought(text, number):
    return {
        "type": "reasoning",
        "id": f"rs_{number}",
        "summary": [{"type": "summary_text", "text": text}],
        "encrypted_content": seal(number),
    }


def responses_said(id_, *content):
    return {"type": "message", "id": id_, "role": "assistant", "status": "completed", "content": [*content]}


def responses_call(number, name, args):
    return {
        "type": "function_call",
        "id": f"fc_{number}",
        "call_id": f"call_r{number}",
        "name": name,
        "arguments": json.dumps(args),
        "status": "completed",
    }


def responses_text(text, *annotations):
    return {"type": "output_text", "text": text, "annotations": [*annotations], "logprobs": []}


RESPONSES = (
    responses(
        responses_thought(THOUGHT, 0),
        responses_said("msg_1", responses_text(BEGUN)),
        responses_call(1, "weather", OSLO),
        responses_call(2, "map", ROME),
    ),
    responses(
        responses_thought(LATER, 1),
        {
            "type": "web_search_call",
            "id": f"ws_{seal(2)}",
            "status": "completed",
            "action": {"type": "search", "query": "weather"},
        },
        responses_said(
            "msg_2",
            responses_text(ANSWERED, {"type": "url_citation", **CITED[0]["url_citation"]}),
            {"type": "refusal", "refusal": REFUSED},
        ),
    ),
)


def anthropic(*content):
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [*content],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 3, "output_tokens": 1},
    }


ANTHROPIC = (
    anthropic(
        {"type": "thinking", "thinking": THOUGHT, "signature": seal(0)},
        {"type": "redacted_thinking", "data": seal(1)},
        {"type": "text", "text": BEGUN},
        {"type": "tool_use", "id": "toolu_01A", "name": "weather", "input": OSLO},
        {"type": "tool_use", "id": "toolu_01B", "name": "map", "input": ROME},
    ),
    anthropic(
        {"type": "thinking", "thinking": LATER, "signature": seal(2)},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "weather"}},
        {
            "type": "web_search_tool_result",
            "tool_use_id": "srvtoolu_1",
            "content": [
                {
                    "type": "web_search_result",
                    "url": "https://met.test",
                    "title": "Met",
                    "page_age": None,
                    "encrypted_content": seal(3),
                }
            ],
        },
        {
            "type": "text",
            "text": ANSWERED,
            "citations": [
                {
                    "type": "web_search_result_location",
                    "cited_text": "sunny",
                    "encrypted_index": seal(4),
                    "title": "Met",
                    "url": "https://met.test",
                }
            ],
        },
    ),
)


def gemini(*parts, **candidate):
    return {
        "candidates": [{"content": {"role": "model", "parts": [*parts]}, "finishReason": "STOP", **candidate}],
        "responseId": "r1",
        "modelVersion": "gemini-3-pro",
    }


GROUNDED = {
    "groundingChunks": [{"web": {"uri": "https://met.test", "title": "Met"}}],
    "groundingSupports": [{"segment": {"endIndex": 5, "text": ANSWERED[:5]}, "groundingChunkIndices": [0]}],
}

GEMINI = (
    gemini(
        {"text": THOUGHT, "thought": True},
        {"text": BEGUN},
        {"functionCall": {"name": "weather", "args": OSLO}, "thoughtSignature": seal(0)},
        {"functionCall": {"name": "map", "args": ROME}},
    ),
    gemini(
        {"text": LATER, "thought": True, "thoughtSignature": seal(1)},
        {"text": ANSWERED, "thoughtSignature": seal(2)},
        {"executableCode": {"language": "PYTHON", "code": f"# {seal(3)}"}},
        groundingMetadata=GROUNDED,
    ),
)


def converse(*content):
    return {"output": {"message": {"role": "assistant", "content": [*content]}}, "stopReason": "end_turn"}


def converse_thought(text, number):
    return {"reasoningContent": {"reasoningText": {"text": text, "signature": seal(number)}}}


CONVERSE = (
    converse(
        converse_thought(THOUGHT, 0),
        {"reasoningContent": {"redactedContent": seal(1)}},
        {"text": BEGUN},
        {"toolUse": {"toolUseId": "tooluse_A-1", "name": "weather", "input": OSLO}},
        {"toolUse": {"toolUseId": "tooluse_A-2", "name": "map", "input": ROME}},
    ),
    converse(
        converse_thought(LATER, 2),
        {
            "citationsContent": {
                "content": [{"text": ANSWERED}],
                "citations": [
                    {"title": seal(3), "location": {"documentChar": {"documentIndex": 0, "start": 0, "end": 1}}}
                ],
            }
        },
    ),
)


def ollama(message):
    return {"model": "m", "message": {"role": "assistant", **message}, "done": True, "done_reason": "stop"}


OLLAMA = (
    ollama(
        {
            "thinking": THOUGHT,
            "content": BEGUN,
            "tool_calls": [
                {"function": {"name": "weather", "arguments": OSLO}},
                {"function": {"name": "map", "arguments": ROME}},
            ],
        }
    ),
    ollama({"thinking": LATER, "content": ANSWERED}),
)


def cohere(message):
    return {"id": "c1", "message": {"role": "assistant", **message}, "finish_reason": "COMPLETE"}


COHERE = (
    cohere({"tool_plan": THOUGHT, "tool_calls": chat_calls("weather_4w5e6", "map_4w5e7")}),
    cohere(
        {
            "content": [{"type": "thinking", "thinking": LATER}, {"type": "text", "text": ANSWERED}],
            "citations": [
                {
                    "start": 0,
                    "end": 5,
                    "text": ANSWERED[:5],
                    "type": "TEXT_CONTENT",
                    "sources": [{"type": "tool", "id": seal(0), "tool_output": {"x": "y"}}],
                }
            ],
        }
    ),
)


# --- the matrix ---


@frozen
class Wire:
    """A protocol, what its service says in it, and what it demands of a request."""

    codec: object
    model: str
    answers: tuple = ()
    schema: str | None = None
    base: str = ""
    ids: str = r".+"
    alternates: bool = False

    @property
    def origin(self):
        return self.codec.origin


CLAUDE, GEMINI_3 = "claude-sonnet-4-5", "gemini-3-pro-preview"
CLAUDE_IDS, CONVERSE_IDS = r"[a-zA-Z0-9_-]+", r"[a-zA-Z0-9_.:-]{1,64}"
V1, BETA = "https://service.test/v1", "https://service.test/v1beta"
PROJECT = f"{V1}/projects/p/locations/l"

WIRES = {
    "openai": Wire(OpenAIChat(), "gpt-5", OPENAI_CHAT, "openai", V1, r".{1,40}"),
    "responses": Wire(ResponsesWire(), "gpt-5", RESPONSES, "openai", V1, r".{1,64}"),
    "openrouter": Wire(OpenAIChat(PROFILES["openrouter"]), "m", OPENROUTER),
    "moonshot": Wire(OpenAIChat(PROFILES["moonshot"]), "m", MOONSHOT),
    "mistral": Wire(OpenAIChat(PROFILES["mistral"]), "m", MISTRAL, "mistral", V1, r"[a-zA-Z0-9]{9}"),
    "anthropic": Wire(AnthropicWire(), CLAUDE, ANTHROPIC, "anthropic", "https://service.test", CLAUDE_IDS, True),
    "gemini": Wire(GeminiWire(), GEMINI_3, GEMINI, "gemini", BETA, alternates=True),
    "vertex": Wire(
        GeminiWire(vertex=True), GEMINI_3, GEMINI, "vertex", f"{PROJECT}/publishers/google", alternates=True
    ),
    "converse": Wire(
        ConverseWire(),
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        CONVERSE,
        "bedrock",
        "https://service.test",
        CLAUDE_IDS,
        True,
    ),
    "ollama": Wire(OllamaChat(), "qwen3", OLLAMA),
    "cohere": Wire(CohereChat(), "command-a", COHERE),
}

TARGETS = {
    **WIRES,
    "older gemini": Wire(GeminiWire(), "gemini-2.5-flash", (), "gemini", BETA, alternates=True),
    "nova": Wire(
        ConverseWire(), "us.amazon.nova-2-lite-v1:0", (), "bedrock", "https://service.test", CONVERSE_IDS, True
    ),
    "claude on vertex": Wire(AnthropicWire(VERTEX), CLAUDE, ids=CLAUDE_IDS, alternates=True),
    "claude on bedrock": Wire(AnthropicWire(BEDROCK), CLAUDE, ids=CLAUDE_IDS, alternates=True),
}

HEADERS = {
    "content-type": "application/json",
    "authorization": "Bearer x",
    "anthropic-version": "2023-06-01",
    "x-api-key": "x",
    "x-goog-api-key": "x",
}

PAIRS = [(source, target) for source in WIRES for target in TARGETS]
SEALED_WITHIN = {"responses": ("text", "tool_call"), "gemini": ("text", "tool_call"), "vertex": ("text", "tool_call")}
"""Kinds of parts on which a source puts data of its own."""
FOREIGN = [(source, target) for source, target in PAIRS if WIRES[source].origin != TARGETS[target].origin]
OWN = [(source, target) for source, target in PAIRS if WIRES[source].origin == TARGETS[target].origin]


def answers(source):
    wire = WIRES[source]
    return [wire.codec.decode(200, {}, json.dumps(answer).encode()).message for answer in wire.answers]


def history(source):
    first, second = answers(source)
    weather, map_ = first.tool_calls
    return [
        Message("system", "Be brief."),
        Message("user", ASKED),
        first,
        Message("tool", ToolResultPart(weather.id, SUNNY)),
        Message("tool", ToolResultPart(map_.id, [TextPart(SHOWN), ImagePart(data=PNG, media_type="image/png")])),
        Message("user", [TextPart(AND_THIS), ImagePart(data=PNG, media_type="image/png")]),
        second,
        Message("user", GOODBYE),
    ]


def failed(messages):
    """The same, where the first tool failed."""
    call = messages[2].tool_calls[0].id
    return [*messages[:3], Message("tool", ToolResultPart(call, FAILED, is_error=True)), *messages[4:]]


def nothing_to_send():
    """A conversation in which one turn holds only what no other service can read."""
    sealed = [ReasoningPart(THOUGHT, seal(0), origin="gone"), OpaquePart("gone", {"x": seal(1)})]
    return [Message("user", ASKED), Message("assistant", sealed), Message("user", GOODBYE)]


def encoded(messages, target, *, strict=False):
    wire = TARGETS[target]
    request = ChatRequest(messages, ChatOptions(tools=TOOLS, strict=strict))
    check(request)
    return wire.codec.encode(request, model=wire.model, stream=False)


def texts_in(value):
    """Every text of a JSON value, in order."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in inner for text in texts_in(item)]


def walk(value):
    """Every object of a JSON value, in order."""
    if isinstance(value, dict):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        yield from walk(item)


def conversation(body):
    return body.get("messages") or body.get("contents") or body["input"]


def calls_and_results(body):
    """Ids with names and arguments of the calls, and ids with texts of the results, of any protocol, in order.

    Google answers by name and order where no id was sent; the name stands for the id there.
    """
    calls, results = [], []
    for item in walk(conversation(body)):
        kind = item.get("type")
        if kind == "tool_use":
            calls.append((item["id"], item["name"], item["input"]))
        elif kind == "tool_result":
            results.append((item["tool_use_id"], texts_in(item.get("content", []))))
        elif kind == "function_call":
            calls.append((item["call_id"], item["name"], json.loads(item["arguments"])))
        elif kind == "function_call_output":
            results.append((item["call_id"], texts_in(item["output"])))
        elif "toolUse" in item:
            calls.append((item["toolUse"]["toolUseId"], item["toolUse"]["name"], item["toolUse"]["input"]))
        elif "toolResult" in item:
            results.append((item["toolResult"]["toolUseId"], texts_in(item["toolResult"]["content"])))
        elif "functionCall" in item:
            call = item["functionCall"]
            calls.append((call.get("id", call["name"]), call["name"], call["args"]))
        elif "functionResponse" in item:
            result = item["functionResponse"]
            results.append((result.get("id", result["name"]), texts_in(result["response"])))
        elif item.get("role") == "tool":
            results.append((item["tool_call_id"], texts_in(item["content"])))
        elif "tool_calls" in item:
            for call in item["tool_calls"]:
                args = call["function"]["arguments"]
                args = json.loads(args) if isinstance(args, str) else args
                calls.append((call["id"], call["function"]["name"], args))
    return calls, results


def test_the_answers_hold_what_the_matrix_is_about():
    for name in WIRES:
        first, second = answers(name)
        assert len(first.tool_calls) == 2
        assert [call.parsed for call in first.tool_calls] == [OSLO, ROME]
        assert second.content == ANSWERED
        assert name == "openai" or (first.reasoning, second.reasoning) == (THOUGHT, LATER)
    cited = {name for name in WIRES if answers(name)[1].citations}
    assert cited == set(WIRES) - {"moonshot", "mistral", "ollama"}
    assert {name for name in WIRES if answers(name)[1].refusal} == {"openai", "responses", "moonshot"}
    opaque = {name for name in WIRES if any(message.of(OpaquePart) for message in answers(name))}
    assert opaque == {"openrouter", "mistral", "responses", "anthropic", "gemini", "vertex", "converse"}


@pytest.mark.sampled(7)
@pytest.mark.parametrize(("source", "target"), [pair for pair in PAIRS if TARGETS[pair[1]].schema])
def test_a_history_of_any_source_follows_the_targets_schema(validate, source, target):
    wire = TARGETS[target]
    for messages in (history(source), failed(history(source)), nothing_to_send()):
        call, _ = encoded(messages, target)
        body = json.loads(call.body)
        if wire.schema == "mistral":  # the SDK's thinking has a signature, the published schema not yet
            for item in walk(body):
                if item.get("type") == "thinking":
                    item.pop("signature", None)
        assert validate("POST", wire.base + call.url, HEADERS, body, protocol=wire.schema) == []


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_what_was_said_arrives_word_for_word_and_in_order(source, target):
    messages = history(source)
    said = [ASKED, *([BEGUN] if BEGUN in messages[2].content else []), SUNNY, SHOWN, AND_THIS, ANSWERED, GOODBYE]
    if messages[6].refusal:
        said.insert(-1, REFUSED)
    call, _ = encoded(messages, target)
    body = json.loads(call.body)
    texts = texts_in(conversation(body))
    places = [next((place for place, text in enumerate(texts) if words in text), None) for words in said]
    assert None not in places, [words for words, place in zip(said, places, strict=True) if place is None]
    ordered = [place for words, place in zip(said, places, strict=True) if words != REFUSED]
    assert ordered == sorted(ordered)
    assert "Be brief." in call.body.decode()
    assert call.body.decode().count(base64.b64encode(PNG).decode()) == 2


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_every_result_names_its_call_by_an_id_that_the_target_takes(source, target):
    call, _ = encoded(history(source), target)
    calls, results = calls_and_results(json.loads(call.body))
    assert [(name, args) for _, name, args in calls] == [("weather", OSLO), ("map", ROME)]
    assert [id_ for id_, *_ in calls] == [id_ for id_, _ in results]
    assert len({id_ for id_, *_ in calls}) == 2
    assert all(re.fullmatch(TARGETS[target].ids, id_) for id_, *_ in calls), calls
    assert SUNNY in "".join(results[0][1])
    assert SHOWN in "".join(results[1][1])
    for original in [call.id for call in answers(source)[0].tool_calls]:  # a text may name a call too: as it is sent
        assert original in {id_ for id_, *_ in calls} or original not in "\n".join(texts_in(json.loads(call.body)))


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_failed_tool_is_told_as_such(source, target):
    call, _ = encoded(failed(history(source)), target)
    _, results = calls_and_results(json.loads(call.body))
    assert FAILED in "".join(results[0][1])
    assert re.search(r'"is_error": ?true|"status": ?"error"|"error": ?"no such|Error:', call.body.decode())


@pytest.mark.parametrize(("source", "target"), [pair for pair in PAIRS if TARGETS[pair[1]].alternates])
def test_user_and_assistant_take_turns_where_they_must(source, target):
    call, _ = encoded(history(source), target)
    turns = conversation(json.loads(call.body))
    assert turns[0]["role"] == turns[-1]["role"] == "user"
    assert all(one["role"] != other["role"] for one, other in itertools.pairwise(turns))
    assert all(turn.get("content") or turn.get("parts") for turn in turns)


@pytest.mark.parametrize("source", WIRES)
def test_mistral_hears_no_user_straight_after_a_tool(source):
    call, _ = encoded(history(source), "mistral")
    roles = [message["role"] for message in json.loads(call.body)["messages"]]
    assert ("tool", "user") not in itertools.pairwise(roles)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("source", "target"), FOREIGN)
def test_nothing_sealed_by_one_vendor_reaches_another_and_each_loss_is_told(source, target):
    messages = history(source)
    call, warnings = encoded(messages, target)
    sent = call.body.decode()
    assert [word for word in (*SEALS, THOUGHT, LATER, "734511") if word in sent] == []
    lost = {part.tag for message in messages for part in message.parts if isinstance(part, (ReasoningPart, OpaquePart))}
    told = [warning.message for warning in warnings if warning.code == "dropped_content"]
    origin = WIRES[source].origin
    assert (f"citations from {origin} were left out" in "\n".join(told)) is bool(messages[6].citations)
    for tag in SEALED_WITHIN.get(source, ()):
        assert f"opaque data from {origin} on {tag} parts was left out" in "\n".join(told)
    assert len(told) == len(set(told))
    for tag in lost:
        assert any(tag in text or (tag == "reasoning" and "thinking" in text) for text in told), (tag, warnings)
    assert {warning.provider for warning in warnings} <= {TARGETS[target].origin}


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("source", "target"), FOREIGN)
def test_a_strict_request_refuses_what_would_be_lost(source, target):
    with pytest.raises(UnsupportedFeatureError, match=r"\(strict\)"):
        encoded(history(source), target, strict=True)


@pytest.mark.parametrize("target", TARGETS)
def test_a_caller_who_made_up_sources_is_told_too(target):
    cited = TextPart(ANSWERED, (Citation("https://met.test"),))
    _, warnings = encoded([Message("user", ASKED), Message("assistant", cited), Message("user", GOODBYE)], target)
    (warning,) = warnings
    assert "citations from elsewhere were left out" in warning.message


@pytest.mark.parametrize("target", TARGETS)
def test_what_many_parts_carry_is_told_once(target):
    signed = [TextPart(str(number), origin="gone", provider_data={"signature": str(number)}) for number in range(9)]
    messages = [Message("user", ASKED), Message("assistant", signed), Message("user", [*signed, TextPart(GOODBYE)])]
    _, warnings = encoded(messages, target)
    assert [warning.message.partition(" was")[0] for warning in warnings] == ["opaque data from gone on text parts"]


SEALS_WITHIN = {name: [word for word in SEALS if word in json.dumps(wire.answers)] for name, wire in WIRES.items()}


@pytest.mark.parametrize(("source", "target"), [pair for pair in OWN if pair != ("responses", "openai")])
def test_the_vendor_gets_its_own_seals_back_as_they_came(source, target):
    call, warnings = encoded(history(source), target)
    sent = call.body.decode()
    assert [word for word in SEALS_WITHIN[source] if word not in sent] == []
    if source not in ("openai", "responses"):
        assert (THOUGHT in sent, LATER in sent) == (True, True)
    assert [warning for warning in warnings if warning.code == "dropped_content"] == []


def test_openais_chat_cannot_take_what_its_responses_sealed_and_says_so():
    call, warnings = encoded(history("responses"), "openai")
    assert [word for word in SEALS if word in call.body.decode()] == []
    told = " ".join(warning.message for warning in warnings if warning.code == "dropped_content")
    assert "reasoning" in told
    assert "item" in told


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_saved_history_is_sent_as_the_same_bytes(source, target):
    messages = history(source)
    restored = [Message.from_dict(json.loads(json.dumps(message.to_dict()))) for message in messages]
    assert restored == messages
    assert encoded(restored, target)[0].body == encoded(messages, target)[0].body


@pytest.mark.parametrize("target", TARGETS)
def test_a_turn_of_which_nothing_can_be_sent_breaks_no_conversation(target):
    call, warnings = encoded(nothing_to_send(), target)
    assert len(warnings) == 2
    turns = conversation(json.loads(call.body))
    roles = ["user"] if TARGETS[target].alternates else ["user", "assistant", "user"]
    assert [turn["role"] for turn in turns if turn.get("content") != ""] in (roles, ["user", "user"])
    assert [text for text in texts_in(turns) if text in (ASKED, GOODBYE)] == [ASKED, GOODBYE]


@pytest.mark.parametrize("target", TARGETS)
def test_a_turn_that_is_only_a_refusal_keeps_its_words(target):
    refused = Message("assistant", RefusalPart(REFUSED))
    call, _ = encoded([Message("user", ASKED), refused, Message("user", GOODBYE)], target)
    assert REFUSED in call.body.decode()


# --- sound, films and documents ---

WAV, MP4, PDF = b"RIFF\x24\x00\x00\x00WAVEfmt ", b"\x00\x00\x00\x18ftypmp42", b"%PDF-1.7 tiny"
MEDIA = {
    "sound": AudioPart(data=WAV, media_type="audio/wav"),
    "film": VideoPart(data=MP4, media_type="video/mp4"),
    "paper": DocumentPart(data=PDF, media_type="application/pdf", name="paper.pdf"),
    "sound by URL": AudioPart(url="https://media.test/a.wav", media_type="audio/wav"),
    "film by URL": VideoPart(url="https://media.test/a.mp4", media_type="video/mp4"),
    "paper by URL": DocumentPart(url="https://media.test/a.pdf", media_type="application/pdf"),
    "picture by URL": ImagePart(url="https://media.test/a.png", media_type="image/png"),
}
TAKES = {
    # What arrives; the rest is told.
    "openai": {"sound", "paper", "picture by URL"},
    "responses": {"paper", "paper by URL", "picture by URL"},
    "openrouter": {"sound", "film", "paper", "film by URL", "picture by URL"},
    "moonshot": {"sound", "paper", "picture by URL"},
    "mistral": {"sound", "sound by URL", "paper", "paper by URL", "picture by URL"},
    "anthropic": {"paper", "paper by URL", "picture by URL"},
    "gemini": set(MEDIA),
    "vertex": set(MEDIA),
    "converse": {"sound", "film", "paper"},
    "ollama": set(),
    "cohere": {"picture by URL"},
    "older gemini": set(MEDIA),
    "nova": {"sound", "film", "paper"},
    "claude on vertex": {"paper", "paper by URL", "picture by URL"},
    "claude on bedrock": {"paper", "paper by URL", "picture by URL"},
}
TAKEN = [(target, kind) for target in TARGETS for kind in MEDIA if kind in TAKES[target]]
REFUSED_MEDIA = [(target, kind) for target in TARGETS for kind in MEDIA if kind not in TAKES[target]]


def mark(part):
    """What shows that a part arrived: its address, or its bytes."""
    return part.url or base64.b64encode(part.data).decode()


def shown(source, *media):
    """The history of a source, with media that the user showed and that a tool gave back, before the last answer."""
    messages = history(source)
    result = Message("tool", ToolResultPart(messages[2].tool_calls[0].id, [TextPart(SUNNY), *media]))
    picture = Message("user", [TextPart(AND_THIS), *media])
    return [*messages[:3], result, messages[4], picture, *messages[6:]]


def missing(warnings):
    """What is told of media that were left out."""
    return [warning.message for warning in warnings if "left out of an earlier turn" in warning.message]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_media_of_an_earlier_turn_arrive_or_are_told(source, target):
    call, warnings = encoded(shown(source, *MEDIA.values()), target)
    sent = call.body.decode()
    assert {kind for kind, part in MEDIA.items() if mark(part) in sent} == TAKES[target]
    assert AND_THIS in sent
    told = " ".join(missing(warnings))
    lost = {MEDIA[kind].tag for kind in MEDIA.keys() - TAKES[target]}
    assert {tag for tag in lost if tag in told} == lost


@pytest.mark.slow
@pytest.mark.sampled(4)
@pytest.mark.parametrize(("source", "target"), [pair for pair in PAIRS if TARGETS[pair[1]].schema])
def test_media_of_an_earlier_turn_follow_the_targets_schema(validate, source, target):
    wire = TARGETS[target]
    call, _ = encoded(shown(source, *MEDIA.values()), target)
    body = json.loads(call.body)
    for item in walk(body):
        if wire.schema == "mistral" and item.get("type") == "thinking":
            item.pop("signature", None)  # as above
    assert validate("POST", wire.base + call.url, HEADERS, body, protocol=wire.schema) == []


@pytest.mark.parametrize(("target", "kind"), TAKEN)
def test_media_that_are_asked_about_arrive(target, kind):
    call, warnings = encoded([Message("user", [TextPart(AND_THIS), MEDIA[kind]])], target, strict=True)
    assert mark(MEDIA[kind]) in call.body.decode()
    assert warnings == ()


@pytest.mark.parametrize(("target", "kind"), REFUSED_MEDIA)
def test_what_is_asked_about_is_never_left_out(target, kind):
    with pytest.raises(UnsupportedFeatureError):
        encoded([Message("user", [TextPart(AND_THIS), MEDIA[kind]])], target)


@pytest.mark.parametrize(("target", "kind"), REFUSED_MEDIA)
def test_a_strict_request_is_refused_for_media_of_an_earlier_turn(target, kind):
    messages = [Message("user", [TextPart(AND_THIS), MEDIA[kind]]), Message("assistant", ANSWERED)]
    messages = [*messages, Message("user", GOODBYE)]
    assert len(missing(encoded(messages, target)[1])) == 1
    with pytest.raises(UnsupportedFeatureError, match=r"\(strict\)"):
        encoded(messages, target, strict=True)


@pytest.mark.parametrize(("target", "kind"), REFUSED_MEDIA)
def test_an_earlier_turn_of_nothing_but_such_media_leaves_a_conversation_that_can_be_sent(target, kind):
    messages = [Message("user", ASKED), Message("assistant", BEGUN), Message("user", [MEDIA[kind]])]
    call, _ = encoded([*messages, Message("assistant", ANSWERED), Message("user", GOODBYE)], target)
    turns = conversation(json.loads(call.body))
    sent = "".join(texts_in(turns))
    assert all(text in sent for text in (ASKED, BEGUN, ANSWERED, GOODBYE))
    assert all(turn.get("content", turn.get("parts")) not in ([], None) for turn in turns)


# --- through the client ---


class Service:
    """Answers every request alike, and keeps what it was sent."""

    def __init__(self, answer):
        self.bodies = []
        self._answer = answer
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self._reply))

    def _reply(self, request):
        self.bodies.append(request.content.decode())
        return httpx.Response(200, json=self._answer)


def test_a_client_of_another_provider_goes_on_and_warns_of_what_it_could_not_take():
    first, second = Service(ANTHROPIC[0]), Service(OPENAI_CHAT[1])
    with Client(AnthropicProvider("sk-ant-test", model=CLAUDE, http_client=first.client)) as client:
        asked = ChatRequest([Message("user", ASKED)], ChatOptions(tools=TOOLS))
        answer = client.chat(asked)
        assert answer.warnings == ()
    results = [Message("tool", ToolResultPart(call.id, SUNNY)) for call in answer.message.tool_calls]
    again = ChatRequest([*asked.messages, answer.message, *results], ChatOptions(tools=TOOLS))
    with Client(OpenAIProvider("sk-test", model="gpt-5", http_client=second.client)) as client:
        final = client.chat(again)
    assert final.message.content == ANSWERED
    told = [(warning.code, warning.provider) for warning in final.warnings]
    assert told == [("dropped_content", "openai"), ("dropped_content", "openai")]
    assert ["reasoning" in final.warnings[0].message, "opaque" in final.warnings[1].message] == [True, True]
    assert [word for word in SEALS if word in second.bodies[0]] == []
    assert second.bodies[0].count(SUNNY) == 2
