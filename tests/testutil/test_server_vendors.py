"""What each wire of the loopback server has of its own: thinking, sequences of events, counts, vectors, models, errors."""

from __future__ import annotations

import base64
import json
import struct

import httpx
import pytest

from aiclient.testutil.server import Fault, LoopbackServer
from aiclient.wire.eventstream import EventStreamDecoder

HELLO = [{"role": "user", "content": "Say hello please"}]
CONTENTS = [{"role": "user", "parts": [{"text": "Say hello please"}]}]
THOUGHT = "The user wants an answer."


PLAIN = {"trust_env": False, "verify": False}
"""For httpx: nothing is encrypted here, and loading authorities for each client would take most of the time."""


@pytest.fixture
def server():
    with LoopbackServer(reply="Hi there") as server:
        yield server


@pytest.fixture
def http(server):
    with httpx.Client(base_url=server.url, timeout=5, **PLAIN) as client:
        yield client


def answered(http, path, **body):
    answer = http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def sse(http, path, **body):
    """Events as (name, data); without `[DONE]`."""
    found = []
    for block in http.post(path, json=body).text.replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line)
        found += [(fields.get("event"), json.loads(fields["data"]))] if fields.get("data", "[DONE]") != "[DONE]" else []
    return found


# ------------------------------------------------------------------------------------------------ Anthropic

MESSAGE = {"model": "m", "messages": HELLO, "max_tokens": 100}


def test_anthropics_events_come_in_the_documented_order(http):
    names = [name for name, _ in sse(http, "/v1/messages", **MESSAGE, stream=True)]
    assert names == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_anthropics_thinking_is_a_sealed_block_before_the_text(http):
    asked = {**MESSAGE, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    thinking, text = answered(http, "/v1/messages", **asked)["content"]
    assert (thinking["thinking"], text["text"]) == (THOUGHT, "Hi there")
    events = sse(http, "/v1/messages", **asked, stream=True)
    deltas = [event["delta"] for name, event in events if name == "content_block_delta"]
    assert [delta["type"] for delta in deltas[:7]] == [*["thinking_delta"] * 5, "signature_delta", "text_delta"]
    assert thinking["signature"]
    assert deltas[5]["signature"]


def test_anthropics_tokens_are_counted_with_the_system_prompt(http):
    counted = answered(http, "/v1/messages/count_tokens", model="m", messages=HELLO, system="Be brief.")
    assert counted == {"input_tokens": 5}


def test_vertex_counts_anthropics_tokens_too(http):
    path = "/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict"
    assert answered(http, path, model="m", messages=HELLO) == {"input_tokens": 3}


def test_a_model_of_vertex_is_named_by_the_path(http):
    path = "/v1/projects/p/locations/l/publishers/anthropic/models/claude-x%4020250101:rawPredict"
    assert answered(http, path, messages=HELLO, max_tokens=9)["model"] == "claude-x@20250101"


def test_messages_without_max_tokens_are_refused(http):
    answer = http.post("/v1/messages", json={"model": "m", "messages": HELLO})
    assert answer.status_code == 400
    assert answer.json() == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "max_tokens: Field required"},
    }


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({}, "object"),
        ({"anthropic-version": "2023-06-01"}, "has_more"),
        ({"x-fern-sdk-name": "cohere"}, "models"),
    ],
    ids=["OpenAI", "Anthropic", "Cohere"],
)
def test_models_are_listed_as_the_one_who_asks_knows_them(http, headers, key):
    assert key in http.get("/v1/models", headers=headers).json()


def test_anthropic_names_the_request_in_its_own_header(server, http):
    server.script(Fault(status=529))
    for _ in range(2):
        assert http.post("/v1/messages", json=MESSAGE).headers["request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "authentication_error"),
        (402, "billing_error"),
        (422, "invalid_request_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ],
)
def test_anthropics_errors_have_the_type_of_their_status(server, http, status, kind):
    server.script(Fault(status=status))
    assert http.post("/v1/messages", json=MESSAGE).json()["error"]["type"] == kind


# ------------------------------------------------------------------------------------------------ Responses

ASKED = {"model": "m", "input": "Say hello please"}


def test_events_of_responses_are_numbered_and_come_in_the_documented_order(http):
    events = sse(http, "/v1/responses", **ASKED, stream=True)
    assert [event["sequence_number"] for _, event in events] == list(range(len(events)))
    assert [name for name, _ in events] == [event["type"] for _, event in events]
    assert [name.removeprefix("response.") for name, _ in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]


def test_a_response_that_was_cut_ends_incomplete(http):
    name, event = sse(http, "/v1/responses", **ASKED, stream=True, max_output_tokens=1)[-1]
    assert name == "response.incomplete"
    assert event["response"]["incomplete_details"] == {"reason": "max_output_tokens"}


@pytest.mark.parametrize(
    ("wanted", "summary", "sealed"),
    [
        ({"reasoning": {"effort": "low"}}, [], False),
        ({"reasoning": {"effort": "low", "summary": "auto"}}, [{"type": "summary_text", "text": THOUGHT}], False),
        ({"reasoning": {"effort": "low"}, "include": ["reasoning.encrypted_content"]}, [], True),
    ],
    ids=["neither", "summary", "sealed"],
)
def test_a_reasoning_item_has_what_was_asked_for(http, wanted, summary, sealed):
    reasoning, message = answered(http, "/v1/responses", **ASKED, **wanted)["output"]
    assert (reasoning["type"], message["type"]) == ("reasoning", "message")
    assert (reasoning["summary"], "encrypted_content" in reasoning) == (summary, sealed)


def test_a_summary_is_streamed_in_a_part_of_its_own(http):
    events = sse(http, "/v1/responses", **ASKED, stream=True, reasoning={"summary": "auto"})
    kinds = [name.removeprefix("response.") for name, event in events if event.get("item_id", "").startswith("rs_")]
    deltas = ["reasoning_summary_text.delta"] * 5
    ends = ["reasoning_summary_text.done", "reasoning_summary_part.done"]
    assert kinds == ["reasoning_summary_part.added", *deltas, *ends]


def test_no_reasoning_is_thought_without_effort(http):
    assert len(answered(http, "/v1/responses", **ASKED, reasoning={"effort": "none"})["output"]) == 1


def test_the_tool_that_responses_name_is_called(http):
    tools = [{"type": "function", "name": name, "parameters": {}} for name in ("one", "two")]
    choice = {"type": "function", "name": "two"}
    (item,) = answered(http, "/v1/responses", **ASKED, tools=tools, tool_choice=choice)["output"]
    assert (item["type"], item["name"], item["arguments"]) == ("function_call", "two", "{}")


def test_input_tokens_of_responses_are_counted(http):
    counted = answered(http, "/v1/responses/input_tokens", **ASKED, instructions="Be brief.")
    assert counted == {"object": "response.input_tokens", "input_tokens": 5}


@pytest.mark.parametrize(
    "path", ["/openai/v1/responses", "/openai/v1/chat/completions", "/openai/deployments/d/embeddings"]
)
def test_azures_key_has_a_header_of_its_own(path):
    body = {"model": "m", "input": "Say hello", "messages": HELLO}
    with LoopbackServer(api_key="right") as server, httpx.Client(base_url=server.url, **PLAIN) as http:
        assert http.post(path, json=body, headers={"api-key": "wrong"}).status_code == 401
        assert http.post(path, json=body, headers={"api-key": "right"}).status_code == 200


# ------------------------------------------------------------------------------------------------ Google

GENERATE = "/v1beta/models/gemini-x:generateContent"
STREAM = "/v1beta/models/gemini-x:streamGenerateContent"


@pytest.mark.parametrize(
    "config",
    [{"thinkingConfig": {"includeThoughts": True}}, {"thinking_config": {"include_thoughts": True}}],
    ids=["as documented", "as google-genai sends it"],
)
def test_googles_thoughts_are_a_part_and_the_text_is_signed(http, config):
    answer = answered(http, GENERATE, contents=CONTENTS, generationConfig=config)
    thought, text = answer["candidates"][0]["content"]["parts"]
    assert (thought["text"], thought["thought"], text["text"]) == (THOUGHT, True, "Hi there")
    assert base64.b64decode(text["thoughtSignature"], validate=True)
    assert answer["usageMetadata"]["thoughtsTokenCount"] == 5
    assert answer["usageMetadata"]["totalTokenCount"] == 3 + 2 + 5


def test_googles_stream_is_an_array_unless_events_are_asked_for(http):
    array = http.post(STREAM, json={"contents": CONTENTS})
    assert array.headers["content-type"].startswith("application/json")
    assert array.json() == [event for _, event in sse(http, f"{STREAM}?alt=sse", contents=CONTENTS)]


def test_only_the_last_chunk_of_google_has_a_reason_and_the_whole_usage(http):
    *most, last = http.post(STREAM, json={"contents": CONTENTS}).json()
    assert ["finishReason" in chunk["candidates"][0] for chunk in (*most, last)] == [False, False, True]
    assert ["candidatesTokenCount" in chunk["usageMetadata"] for chunk in (*most, last)] == [False, False, True]


def test_of_the_functions_that_google_allows_the_first_is_called(http):
    tools = [{"functionDeclarations": [{"name": name} for name in ("one", "two")]}]
    config = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["two"]}}
    answer = answered(http, GENERATE, contents=CONTENTS, tools=tools, toolConfig=config)
    assert answer["candidates"][0]["content"]["parts"] == [{"functionCall": {"name": "two", "args": {}}}]


def test_googles_schemas_may_be_in_capitals(http):
    schema = {"type": "OBJECT", "properties": {"days": {"type": "INTEGER"}}, "required": ["days"]}
    tools = [{"functionDeclarations": [{"name": "one", "parameters": schema}]}]
    config = {"functionCallingConfig": {"mode": "ANY"}}
    answer = answered(http, GENERATE, contents=CONTENTS, tools=tools, toolConfig=config)
    assert answer["candidates"][0]["content"]["parts"][0]["functionCall"]["args"] == {"days": 1}


@pytest.mark.parametrize("body", [{"contents": CONTENTS}, {"generateContentRequest": {"contents": CONTENTS}}])
def test_google_counts_tokens(http, body):
    assert answered(http, "/v1beta/models/m:countTokens", **body)["totalTokens"] == 3


def test_googles_vectors_are_the_same_at_each_of_its_methods(http):
    content = {"parts": [{"text": "red apple"}]}
    one = answered(http, "/v1beta/models/m:embedContent", content=content, outputDimensionality=3)["embedding"]
    batch = {"requests": [{"model": "models/m", "content": content, "outputDimensionality": 3}]}
    assert answered(http, "/v1beta/models/m:batchEmbedContents", **batch)["embeddings"] == [one]
    vertex = "/v1/projects/p/locations/l/publishers/google/models/m"
    asked = {"instances": [{"content": "red apple"}], "parameters": {"outputDimensionality": 3}}
    (row,) = answered(http, f"{vertex}:predict", **asked)["predictions"]
    assert row["embeddings"]["values"] == one["values"]
    wrapped = answered(http, f"{vertex}:embedContent", content=content, embedContentConfig={"outputDimensionality": 3})
    assert wrapped["embedding"] == one
    assert len(one["values"]) == 3


def test_google_refuses_to_embed_nothing(http):
    assert http.post("/v1beta/models/m:embedContent", json={}).json()["error"]["status"] == "INVALID_ARGUMENT"


def test_google_lists_models_and_describes_one(http):
    assert http.get("/v1beta/models").json()["models"][0]["name"] == "models/loopback"
    assert http.get("/v1beta/models/any").json()["name"] == "models/any"


def test_googles_key_may_stand_in_the_query_and_a_wrong_one_is_told_as_google_does():
    with LoopbackServer(api_key="right") as server, httpx.Client(base_url=server.url, **PLAIN) as http:
        assert http.post(f"{GENERATE}?key=right", json={"contents": CONTENTS}).status_code == 200
        refused = http.post(f"{GENERATE}?key=wrong", json={"contents": CONTENTS})
        assert refused.status_code == 400
        assert refused.json()["error"]["details"][0]["reason"] == "API_KEY_INVALID"


# ------------------------------------------------------------------------------------------------ Bedrock

CONVERSATION = {"messages": [{"role": "user", "content": [{"text": "Say hello please"}]}]}
THINKING = {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}}


def test_bedrocks_stream_is_aws_events_in_the_documented_order(http):
    answer = http.post("/model/m/converse-stream", json={**CONVERSATION, **THINKING})
    assert answer.headers["content-type"] == "application/vnd.amazon.eventstream"
    found = EventStreamDecoder().feed(answer.content)
    assert [message.kind for message in found] == [
        "messageStart",
        *["contentBlockDelta"] * 6,  # five words and what seals them
        "contentBlockStop",
        *["contentBlockDelta"] * 2,
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]
    assert json.loads(found[-1].payload)["usage"] == {"inputTokens": 3, "outputTokens": 7, "totalTokens": 10}


def test_bedrocks_thinking_is_a_sealed_block_before_the_text(http):
    thinking, text = answered(http, "/model/m/converse", **CONVERSATION, **THINKING)["output"]["message"]["content"]
    assert thinking["reasoningContent"]["reasoningText"]["text"] == THOUGHT
    assert text == {"text": "Hi there"}


def test_bedrocks_tokens_are_counted(http):
    assert answered(http, "/model/m/count-tokens", input={"converse": CONVERSATION}) == {"inputTokens": 3}


@pytest.mark.parametrize(
    ("status", "name"),
    [(400, "ValidationException"), (429, "ThrottlingException"), (502, "InternalServerException")],
)
def test_bedrocks_errors_are_named_in_a_header(server, http, status, name):
    server.script(Fault(status=status))
    answer = http.post("/model/m/converse", json=CONVERSATION)
    assert answer.headers["x-amzn-errortype"].startswith(f"{name}:")
    assert list(answer.json()) == ["message"]
    assert answer.headers["x-amzn-requestid"]


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("AWS4-HMAC-SHA256 Credential=AKID/20250101/us-east-1/bedrock/aws4_request, Signature=0", 200),
        ("AWS4-HMAC-SHA256 Credential=OTHER/20250101/us-east-1/bedrock/aws4_request, Signature=0", 403),
        ("Bearer AKID", 200),
    ],
    ids=["signed", "signed by another", "bearer"],
)
def test_bedrock_lets_in_who_names_the_key(authorization, status):
    with LoopbackServer(api_key="AKID") as server:
        url = f"{server.url}/model/m/converse"
        answer = httpx.post(url, json=CONVERSATION, headers={"authorization": authorization}, **PLAIN)
    assert answer.status_code == status


# ------------------------------------------------------------------------------------------------ Cohere, Mistral, Ollama


def test_coheres_events_come_in_the_documented_order(http):
    names = [name for name, _ in sse(http, "/v2/chat", model="m", messages=HELLO, stream=True)]
    assert names == ["message-start", "content-start", "content-delta", "content-delta", "content-end", "message-end"]


def test_cohere_says_what_it_plans_before_it_calls(http):
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
    asked = {"model": "m", "messages": HELLO, "tools": tools, "tool_choice": "REQUIRED"}
    assert answered(http, "/v2/chat", **asked)["message"]["tool_plan"] == "I will call weather."
    names = [name for name, _ in sse(http, "/v2/chat", **asked, stream=True)]
    assert names[1:-1] == [*["tool-plan-delta"] * 4, "tool-call-start", "tool-call-delta", "tool-call-end"]


def test_coheres_thinking_is_a_part_of_the_content(http):
    asked = {"model": "m", "messages": HELLO, "thinking": {"type": "enabled"}}
    thinking, text = answered(http, "/v2/chat", **asked)["message"]["content"]
    assert (thinking["thinking"], text["text"]) == (THOUGHT, "Hi there")


def test_coheres_thinking_is_streamed_before_the_text(http):
    events = sse(http, "/v2/chat", model="m", messages=HELLO, thinking={"type": "enabled"}, stream=True)
    pieces = [event["delta"]["message"]["content"] for name, event in events if name == "content-delta"]
    assert "".join(piece.get("thinking", "") for piece in pieces) == THOUGHT
    assert pieces[-1] == {"text": " there"}


def test_coheres_vectors_come_in_the_types_that_were_asked_for(http):
    asked = {"model": "m", "texts": ["red apple"], "embedding_types": ["float", "base64"], "output_dimension": 3}
    found = answered(http, "/v2/embed", **asked)["embeddings"]
    assert list(struct.unpack("<3f", base64.b64decode(found["base64"][0]))) == found["float"][0]


@pytest.mark.parametrize("body", [{"texts": []}, {"texts": ["a"], "embedding_types": ["int8"]}], ids=["none", "int8"])
def test_cohere_refuses_what_it_cannot_embed(http, body):
    assert http.post("/v2/embed", json=body).status_code == 400


def test_cohere_shows_a_texts_tokens(http):
    assert answered(http, "/v1/tokenize", model="m", text="red apple")["token_strings"] == ["red", " apple"]


def test_mistrals_stream_ends_with_the_usage_unasked_and_brings_a_call_whole(http):
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = [{"type": "function", "function": {"name": "weather", "parameters": schema}}]
    asked = {"model": "m", "messages": HELLO, "tools": tools, "tool_choice": "any", "stream": True}
    (_, first), (_, last) = sse(http, "/mistral/v1/chat/completions", **asked)
    assert "usage" not in first
    assert last["usage"]["prompt_tokens"] == 3
    (call,) = last["choices"][0]["delta"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"city": "text"}
    assert len(call["id"]) == 9


def test_mistral_embeds_and_lists(http):
    found = answered(http, "/mistral/v1/embeddings", model="m", input=["a", "b"], output_dimension=3)
    assert [len(row["embedding"]) for row in found["data"]] == [3, 3]
    assert http.get("/mistral/v1/models").json()["data"][0]["capabilities"]["completion_chat"] is True


@pytest.mark.parametrize("wanted", [{"reasoning_effort": "high"}, {"prompt_mode": "reasoning"}], ids=str)
def test_mistrals_thinking_is_a_part_of_the_content(http, wanted):
    asked = {"model": "m", "messages": HELLO, **wanted}
    message = answered(http, "/mistral/v1/chat/completions", **asked)["choices"][0]["message"]
    assert [part["type"] for part in message["content"]] == ["thinking", "text"]


def test_mistrals_gateway_words_errors_of_keys_in_its_own_way(server, http):
    server.script(Fault(status=401), Fault(status=422))
    asked = {"model": "m", "messages": HELLO}
    assert list(http.post("/mistral/v1/chat/completions", json=asked).json()) == ["detail"]
    assert http.post("/mistral/v1/chat/completions", json=asked).json()["object"] == "error"


def lines(http, **body):
    return [json.loads(line) for line in http.post("/api/chat", json={"model": "m", **body}).text.splitlines()]


def test_ollama_streams_lines_unless_told_otherwise(http):
    found = lines(http, messages=HELLO)
    assert [line["message"]["content"] for line in found] == ["Hi", " there", ""]
    assert [line["done"] for line in found] == [False, False, True]


def test_ollama_calls_a_tool_that_is_offered_until_it_has_a_result(http):
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
    call, end = lines(http, messages=HELLO, tools=tools)
    assert call["message"]["tool_calls"][0]["function"]["name"] == "weather"
    assert end["done_reason"] == "stop"
    after = [*HELLO, {"role": "tool", "tool_name": "weather", "content": "Sunny"}]
    assert "tool_calls" not in lines(http, messages=after, tools=tools)[0]["message"]


def test_ollamas_thinking_comes_before_the_text(http):
    found = lines(http, messages=HELLO, think=True)
    assert "".join(line["message"].get("thinking", "") for line in found) == THOUGHT


def test_ollama_embeds_and_lists(http):
    found = answered(http, "/api/embed", model="m", input=["a", "b"], dimensions=3)
    assert [len(vector) for vector in found["embeddings"]] == [3, 3]
    assert http.get("/api/tags").json()["models"][0]["name"] == "loopback"
    assert http.post("/api/embed", json={"input": 3}).json() == {"error": "invalid input type"}
