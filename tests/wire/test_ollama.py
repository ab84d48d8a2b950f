"""Ollama's own protocol."""

from __future__ import annotations

import gzip
import json
import pathlib

import pytest

from aiclient.chunks import Fold
from aiclient.errors import ModelNotFoundError, ProtocolError, UnsupportedFeatureError
from aiclient.messages import AudioPart, ImagePart, Message, ReasoningPart, ToolCall, ToolResultPart
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
from aiclient.wire.ollama import OllamaChat, OllamaEmbeddings, decode_models, encode_models

WIRE = pathlib.Path(__file__).parents[3] / "shared" / "wire"

LINES = (
    b'{"model":"m","message":{"role":"assistant","content":"","thinking":"hm"},"done":false}\n'
    b'{"model":"m","message":{"role":"assistant","content":"Hel"},"done":false}\n'
    b'{"model":"m","message":{"content":"lo","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},"done":false}\n'
    b'{"model":"m","created_at":"2026-08-07T06:08:35.745444Z","message":{"content":""},"done":true,"done_reason":"stop",'
    b'"prompt_eval_count":3,"eval_count":2}\n'
)


def body(*messages, stream=False, **options):
    call, warnings = OllamaChat().encode(ChatRequest(messages, ChatOptions(**options)), model="m", stream=stream)
    assert (call.method, call.url) == ("POST", "/api/chat")
    return json.loads(call.body), [warning.setting for warning in warnings]


def streamed(data, size):
    decoder, fold, last = OllamaChat().decoder(), Fold(), False
    for at in range(0, len(data), size):
        for chunk in decoder.feed(data[at : at + size]):
            fold.add(chunk)
            last = last or chunk.last
    for chunk in decoder.end():
        fold.add(chunk)
        last = last or chunk.last
    return fold.response(), last, decoder.failure


def test_a_plain_request_names_only_what_was_asked_for():
    sent, warnings = body(Message("system", "Be brief."), Message("user", "hi"))
    assert sent == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
        "stream": False,
        "options": {},
    }
    assert warnings == []


def test_every_option_has_its_place():
    schema = {"type": "object"}
    sent, warnings = body(
        Message("user", "hi"),
        stream=True,
        temperature=0.5,
        max_tokens=5,
        top_k=3,
        top_p=0.9,
        seed=7,
        stop=["x"],
        frequency_penalty=1,
        presence_penalty=-1,
        tools=[Tool("f", "does f")],
        response_format=ResponseFormat("schema", schema),
        reasoning=Reasoning("low"),
        extra={"ollama": {"keep_alive": "5m", "options": {"num_ctx": 4096}}, "openai": {"n": 2}},
    )
    assert sent["options"] == {
        "temperature": 0.5,
        "num_predict": 5,
        "top_k": 3,
        "top_p": 0.9,
        "seed": 7,
        "stop": ["x"],
        "frequency_penalty": 1,
        "presence_penalty": -1,
        "num_ctx": 4096,
    }
    assert (sent["format"], sent["think"], sent["keep_alive"], sent["stream"]) == (schema, True, "5m", True)
    assert sent["tools"][0]["function"]["name"] == "f"
    assert warnings == ["reasoning.effort"]


def test_what_it_cannot_honour_is_a_warning_and_under_strict_an_error():
    asked = {
        "n": 2,
        "logprobs": 1,
        "service_tier": "flex",
        "user_id": "u",
        "prompt_cache": PromptCache(),
        "metadata": {"a": "b"},
        "reasoning": Reasoning(budget_tokens=5),
        "tools": [Tool("f")],
        "tool_choice": ToolChoice("required"),
    }
    sent, warnings = body(Message("user", "hi"), **asked)
    assert set(warnings) == {*asked} - {"tools", "reasoning"} | {"reasoning.budget_tokens"}
    assert sent["think"] is True
    with pytest.raises(UnsupportedFeatureError, match="service_tier"):
        body(Message("user", "hi"), service_tier="flex", strict=True)


def test_a_conversation_with_tools_images_and_thinking_is_sent_back():
    sent, warnings = body(
        Message("user", ["look", ImagePart(data=b"img", media_type="image/png")]),
        Message("assistant", [ReasoningPart("hm", origin="ollama")], tool_calls=[ToolCall("1", "f", '{"a":1}')]),
        Message("tool", [ToolResultPart("1", "done", is_error=True)]),
    )
    assert sent["messages"] == [
        {"role": "user", "content": "look", "images": ["aW1n"]},
        {
            "role": "assistant",
            "content": "",
            "thinking": "hm",
            "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {"a": 1}}}],
        },
        {"role": "tool", "content": "Error: done", "tool_call_id": "1", "tool_name": "f"},
    ]
    assert warnings == []


@pytest.mark.parametrize(
    "part",
    [
        ReasoningPart("hm", origin="anthropic"),
        ImagePart(url="https://example.com/a.png"),
        AudioPart(data=b"x", media_type="audio/wav"),
        ToolCall("1", "f", "{broken"),
    ],
    ids=["foreign thinking", "image by url", "audio", "broken call"],
)
def test_a_part_it_cannot_take_is_named_in_a_warning(part):
    assert body(Message("assistant", ["a", part]))[1] == ["messages"]


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_a_stream_gives_the_same_answer_however_it_is_cut_into_reads(size):
    answer, last, failure = streamed(LINES, size)
    assert (answer.message.content, answer.message.reasoning) == ("Hello", "hm")
    assert answer.message.tool_calls == (ToolCall("call_0", "f", '{"a":1}'),)
    assert (answer.finish_reason, answer.raw_finish_reason) == ("tool_calls", "stop")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (3, 2, 5)
    assert last
    assert failure is None


@pytest.mark.parametrize("lines", [0, 1, 2, 3])
def test_a_stream_cut_at_a_line_has_no_last_chunk(lines):
    cut = b"".join(LINES.splitlines(keepends=True)[:lines])
    assert streamed(cut, 7)[1:] == (False, None)


def test_a_stream_cut_within_a_line_is_a_cut_and_not_nonsense():
    assert streamed(LINES[:-20], 64)[1:] == (False, None)


def test_an_error_in_a_stream_comes_after_the_chunks_before_it():
    answer, last, failure = streamed(LINES.splitlines(keepends=True)[1] + b'{"error":"model \'m\' not found"}\n', 7)
    assert answer.message.content == "Hel"
    assert not last
    assert "not found" in str(failure)


def test_a_model_that_is_not_there_is_told_as_such():
    from aiclient.wire.failures import failure

    assert isinstance(failure(404, b'{"error":"model \'x\' not found"}'), ModelNotFoundError)


@pytest.mark.parametrize("data", [b"[]", b"{}", b'{"message":3}', b"<html>"])
def test_an_answer_of_another_shape_is_a_typed_error(data):
    with pytest.raises(ProtocolError):
        OllamaChat().decode(200, {}, data)


def test_embeddings_keep_their_order_and_number():
    call, _ = OllamaEmbeddings().encode(EmbeddingRequest(["a", "b"], dimensions=2), model="m")
    assert json.loads(call.body) == {"model": "m", "input": ["a", "b"], "dimensions": 2}
    answer = OllamaEmbeddings().decode(200, {}, b'{"embeddings":[[1,0],[0,1]],"prompt_eval_count":4}', count=2)
    assert [list(vector) for vector in answer.vectors] == [[1, 0], [0, 1]]
    assert answer.usage.prompt_tokens == 4
    for wrong in (b'{"embeddings":[[1]]}', b'{"embeddings":[["x"],[1]]}', b"{}"):
        with pytest.raises(ProtocolError):
            OllamaEmbeddings().decode(200, {}, wrong, count=2)


def test_models_are_listed_with_their_dates():
    assert encode_models().url == "/api/tags"
    (model,) = decode_models(b'{"models":[{"name":"llama3:8b","modified_at":"2026-01-02T03:04:05.123456Z","size":5}]}')
    assert (model.id, model.created_at.year, model.raw["size"]) == ("llama3:8b", 2026, 5)
    with pytest.raises(ProtocolError):
        decode_models(b'{"models":[{}]}')


@pytest.mark.skipif(not WIRE.exists(), reason="the recorded exchanges are not here")
def test_the_recorded_exchanges_are_read_as_ollamas_own_client_reads_them():
    with gzip.open(WIRE / "ollama.chat.jsonl.gz", "rt") as records:
        for record in map(json.loads, records):
            data, expected = record["response"]["body"].encode(), record["expected"]
            answer = streamed(data, 7)[0] if record["stream"] else OllamaChat().decode(200, {}, data)
            calls = [{"name": call.name, "arguments": call.parsed} for call in answer.message.tool_calls]
            assert (
                answer.message.content,
                answer.message.reasoning,
                calls,
                answer.raw_finish_reason,
                answer.model,
            ) == (
                expected.get("text", ""),
                expected.get("reasoning_text", ""),
                expected.get("tool_calls", []),
                expected["finish_reason"],
                expected["model"],
            ), record["id"]
            assert answer.usage.prompt_tokens == expected["usage"]["input"], record["id"]
            assert answer.usage.completion_tokens == expected["usage"]["output"], record["id"]
