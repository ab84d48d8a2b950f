"""The wires of the loopback server, by what all of them do alike; what an official SDK makes of them is in tests/oracles."""

from __future__ import annotations

import json

import attrs
import httpx
import pytest

from aiclient.testutil.server import Fault, LoopbackServer
from aiclient.wire.eventstream import EventStreamDecoder

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "kelvin"]}},
    "required": ["city", "unit"],
}
FUNCTION = {"name": "weather", "parameters": SCHEMA}
CALLED = {"city": "text", "unit": "celsius"}
KEY = "sk-right"


def sse(body: bytes) -> list:
    lines = [line.removeprefix(b"data: ") for line in body.splitlines() if line.startswith(b"data: ")]
    return [json.loads(line) for line in lines if line != b"[DONE]"]


def ndjson(body: bytes) -> list:
    return [json.loads(line) for line in body.splitlines()]


def messages(body: bytes) -> list:
    return [{"type": message.kind, **json.loads(message.payload)} for message in EventStreamDecoder().feed(body)]


@attrs.frozen(kw_only=True)
class Wire:
    """How one vendor asks for what all of them offer, and where the answer has it."""

    name: str
    path: str
    body: dict
    limit: dict
    tool: dict
    read: object
    stream: dict = attrs.field(factory=lambda: {"stream": True})
    stream_path: str | None = None
    events: object = staticmethod(sse)
    error: object
    key: dict = attrs.field(factory=lambda: {"authorization": f"Bearer {KEY}"})
    wrong_key: int = 401


def of_anthropic(answer):
    block, usage = answer["content"][-1], answer["usage"]
    counted = usage["input_tokens"], usage["output_tokens"]
    return block.get("text"), block.get("input"), answer["stop_reason"], *counted


def of_responses(answer):
    item, usage = answer["output"][-1], answer["usage"]
    text = item["content"][0]["text"] if item["type"] == "message" else None
    called = json.loads(item["arguments"]) if item["type"] == "function_call" else None
    return text, called, answer["status"], usage["input_tokens"], usage["output_tokens"]


def of_gemini(answer):
    (candidate,), usage = answer["candidates"], answer["usageMetadata"]
    part = candidate["content"]["parts"][-1]
    called = part.get("functionCall", {}).get("args")
    return part.get("text"), called, candidate["finishReason"], usage["promptTokenCount"], usage["candidatesTokenCount"]


def of_bedrock(answer):
    block, usage = answer["output"]["message"]["content"][-1], answer["usage"]
    called = block.get("toolUse", {}).get("input")
    return block.get("text"), called, answer["stopReason"], usage["inputTokens"], usage["outputTokens"]


def of_cohere(answer):
    message, counted = answer["message"], answer["usage"]["tokens"]
    calls = message.get("tool_calls")
    called = json.loads(calls[0]["function"]["arguments"]) if calls else None
    text = message["content"][-1]["text"] if "content" in message else None
    return text, called, answer["finish_reason"], counted["input_tokens"], counted["output_tokens"]


def of_ollama(answer):
    message = answer["message"]
    called = message["tool_calls"][0]["function"]["arguments"] if "tool_calls" in message else None
    return message["content"] or None, called, answer["done_reason"], answer["prompt_eval_count"], answer["eval_count"]


def of_mistral(answer):
    (choice,), usage = answer["choices"], answer["usage"]
    calls = choice["message"]["tool_calls"]
    called = json.loads(calls[0]["function"]["arguments"]) if calls else None
    counted = usage["prompt_tokens"], usage["completion_tokens"]
    return choice["message"]["content"] or None, called, choice["finish_reason"], *counted


HELLO = [{"role": "user", "content": "Say hello please"}]
OPENAI_TOOL = {"tools": [{"type": "function", "function": FUNCTION}]}
GOOGLE = {
    "body": {"contents": [{"role": "user", "parts": [{"text": "Say hello please"}]}]},
    "limit": {"generationConfig": {"maxOutputTokens": 2}},
    "tool": {
        "tools": [{"functionDeclarations": [{"name": "weather", "parametersJsonSchema": SCHEMA}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
    },
    "read": of_gemini,
    "stream": {},
    "error": lambda status: {"error": {"code": status, "status": "RESOURCE_EXHAUSTED"}},
}
VERTEX = "/v1/projects/p/locations/l/publishers"
CLAUDE = {
    "limit": {"max_tokens": 2},
    "tool": {"tools": [{"name": "weather", "input_schema": SCHEMA}], "tool_choice": {"type": "any"}},
    "read": of_anthropic,
    "error": lambda status: {"type": "error", "error": {"type": "rate_limit_error"}},
}

WIRES = [
    Wire(
        name="anthropic",
        path="/v1/messages",
        body={"model": "m", "messages": HELLO, "max_tokens": 100},
        key={"x-api-key": KEY},
        **CLAUDE,
    ),
    Wire(
        name="vertex-anthropic",
        path=f"{VERTEX}/anthropic/models/m:rawPredict",
        body={"anthropic_version": "vertex-2023-10-16", "messages": HELLO, "max_tokens": 100},
        **CLAUDE,
    ),
    Wire(
        name="responses",
        path="/v1/responses",
        body={"model": "m", "input": "Say hello please"},
        limit={"max_output_tokens": 2},
        tool={"tools": [{"type": "function", **FUNCTION}], "tool_choice": "required"},
        read=of_responses,
        error=lambda status: {"error": {"code": "rate_limit_exceeded"}},
    ),
    Wire(
        name="gemini",
        path="/v1beta/models/m:generateContent",
        stream_path="/v1beta/models/m:streamGenerateContent?alt=sse",
        key={"x-goog-api-key": KEY},
        wrong_key=400,
        **GOOGLE,
    ),
    Wire(
        name="gemini-array",
        path="/v1beta/models/m:generateContent",
        stream_path="/v1beta/models/m:streamGenerateContent",
        events=json.loads,
        key={"x-goog-api-key": KEY},
        wrong_key=400,
        **GOOGLE,
    ),
    Wire(
        name="vertex-gemini",
        path=f"{VERTEX}/google/models/m:generateContent",
        stream_path=f"{VERTEX}/google/models/m:streamGenerateContent?alt=sse",
        **GOOGLE,
    ),
    Wire(
        name="bedrock",
        path="/model/anthropic.claude-v1%3A0/converse",
        stream_path="/model/anthropic.claude-v1%3A0/converse-stream",
        body={"messages": [{"role": "user", "content": [{"text": "Say hello please"}]}]},
        limit={"inferenceConfig": {"maxTokens": 2}},
        tool={
            "toolConfig": {
                "tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}],
                "toolChoice": {"any": {}},
            }
        },
        read=of_bedrock,
        stream={},
        events=messages,
        error=lambda status: {},
        wrong_key=403,
    ),
    Wire(
        name="cohere",
        path="/v2/chat",
        body={"model": "m", "messages": HELLO},
        limit={"max_tokens": 2},
        tool={**OPENAI_TOOL, "tool_choice": "REQUIRED"},
        read=of_cohere,
        error=lambda status: {"id": f"error-{status}"},
    ),
    Wire(
        name="mistral",
        path="/mistral/v1/chat/completions",
        body={"model": "m", "messages": HELLO},
        limit={"max_tokens": 2},
        tool={**OPENAI_TOOL, "tool_choice": "any"},
        read=of_mistral,
        error=lambda status: {"object": "error"},
    ),
    Wire(
        name="ollama",
        path="/api/chat",
        body={"model": "m", "messages": HELLO, "stream": False},
        limit={"options": {"num_predict": 2}},
        tool=OPENAI_TOOL,
        read=of_ollama,
        events=ndjson,
        error=lambda status: {},
    ),
]

ALL = pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)


PLAIN = {"trust_env": False, "verify": False}
"""For httpx: nothing is encrypted here, and loading authorities for each client would take most of the time."""


@pytest.fixture
def server():
    with LoopbackServer() as server:
        yield server


@pytest.fixture
def http(server):
    with httpx.Client(base_url=server.url, timeout=5, **PLAIN) as client:
        yield client


def asked(http, wire, **fields):
    answer = http.post(wire.path, json={**wire.body, **fields})
    assert answer.status_code == 200, answer.text
    return wire.read(answer.json())


def streamed(http, wire, **fields):
    answer = http.post(wire.stream_path or wire.path, json={**wire.body, **wire.stream, **fields})
    assert answer.status_code == 200, answer.text
    return wire.events(answer.content)


def strings(value) -> str:
    """Every text below a value, joined: a stream's words wherever its vendor puts them."""
    if isinstance(value, dict):
        return "".join(strings(inner) for inner in value.values())
    return "".join(strings(inner) for inner in value) if isinstance(value, list) else str(value)


@ALL
def test_an_answer_has_the_reply_and_counts_words_as_tokens(http, wire):
    text, called, _, prompt, completion = asked(http, wire)
    assert (text, called, prompt, completion) == ("Hello from the loopback server.", None, 3, 5)


@ALL
def test_the_limit_cuts_words_and_is_named_as_the_reason(http, wire):
    text, _, reason, _, completion = asked(http, wire, **wire.limit)
    assert (text, completion) == ("Hello from", 2)
    assert reason != asked(http, wire)[2]


@ALL
def test_a_tool_that_must_be_called_gets_what_its_schema_requires(http, wire):
    text, called, *_ = asked(http, wire, **wire.tool)
    assert (text, called) == (None, CALLED)


@ALL
def test_a_stream_brings_one_word_an_event(http, wire):
    events = [strings(event) for event in streamed(http, wire)]
    words = [" from", " the", " loopback"]
    assert [word for event in events for word in words if word in event and "Hello" not in event] == words


@ALL
def test_a_streamed_tool_call_names_the_tool_and_brings_its_arguments(http, wire):
    told = strings(streamed(http, wire, **wire.tool))
    assert "weather" in told
    assert "celsiu" in told  # most tear it apart there


@ALL
def test_a_stub_model_streams_as_many_words_as_its_name_says(http, wire):
    path = (
        (wire.stream_path or wire.path).replace("/m:", "/stub-s40-b7:").replace("anthropic.claude-v1%3A0", "stub-s40")
    )
    body = {**wire.body, **wire.stream, **({"model": "stub-s40-b7"} if "model" in wire.body else {})}
    events = wire.events(http.post(path, json=body).content)
    assert 40 <= len([event for event in events if " word" in strings(event)]) <= 40 + 4  # some end with the whole text


@ALL
def test_a_reply_may_be_a_function_of_the_messages_as_the_wire_has_them(wire):
    with LoopbackServer(reply=lambda messages: f"{len(messages)} {messages[0]['role']}") as server:
        answer = httpx.post(server.url + wire.path, json=wire.body, **PLAIN)
    assert wire.read(answer.json())[0] == "1 user"


@ALL
def test_the_same_request_has_the_same_answer(http, wire):
    first, second = (http.post(wire.path, json=wire.body) for _ in range(2))
    assert first.content == second.content


@ALL
def test_a_scripted_status_is_answered_in_the_vendors_shape(server, http, wire):
    server.script(Fault(status=429))
    answer = http.post(wire.path, json=wire.body)
    told = answer.json()
    assert answer.status_code == 429
    assert "Rate limit reached" in strings(told)
    assert covers(told, wire.error(429))


def covers(value, part):
    """Whether a value has all that another names."""
    if isinstance(part, dict):
        return all(name in value and covers(value[name], inner) for name, inner in part.items())
    return value == part


@ALL
def test_a_scripted_body_goes_out_as_it_is(server, http, wire):
    server.script(Fault(status=429, body={"mine": 1}))
    assert http.post(wire.path, json=wire.body).json() == {"mine": 1}


@pytest.mark.parametrize("body", [b"{", b"[]"], ids=["cut", "a list"])
@ALL
def test_a_body_that_cannot_be_taken_is_refused(http, wire, body):
    answer = http.post(wire.path, content=body)
    assert answer.status_code == 400
    assert "JSON" in strings(answer.json())


@ALL
def test_a_request_without_messages_is_refused(http, wire):
    body = {key: value for key, value in wire.body.items() if key not in ("messages", "contents", "input")}
    answer = http.post(wire.path, json=body)
    assert answer.status_code == 400
    assert "Missing required parameter" in strings(answer.json())


@ALL
def test_the_key_is_looked_for_where_the_vendor_has_it(wire):
    with LoopbackServer(api_key=KEY) as server, httpx.Client(base_url=server.url, **PLAIN) as http:
        assert http.post(wire.path, json=wire.body).status_code == wire.wrong_key
        wrong = {name: value.replace(KEY, "sk-wrong") for name, value in wire.key.items()}
        assert http.post(wire.path, json=wire.body, headers=wrong).status_code == wire.wrong_key
        assert http.post(wire.path, json=wire.body, headers=wire.key).status_code == 200
