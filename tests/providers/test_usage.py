"""Impossible usage, seen from where a caller stands: a warning on the answer, on the stream's, and on embeddings."""

from __future__ import annotations

import json

import pytest

from aiclient import AsyncClient
from aiclient.messages import Message
from aiclient.providers import OpenAIProvider
from aiclient.request import ChatRequest, EmbeddingRequest

pytestmark = pytest.mark.anyio

HI = ChatRequest([Message("user", "Hello")])
USAGE = {"prompt_tokens": 10**9, "completion_tokens": 1, "total_tokens": 10**9 + 1}
ANSWER = {"choices": [{"message": {"content": "Paris"}, "finish_reason": "stop"}], "usage": USAGE}
VECTORS = {"data": [{"index": 0, "embedding": [1.0]}], "usage": {"prompt_tokens": -1, "total_tokens": 1}}
WRONG = ["usage.prompt_tokens", "usage.total_tokens"]


def openai(played):
    return OpenAIProvider("sk-test", model="gpt-x", http_client=played.client)


def stream_of(*usages):
    """Return a streamed answer with these usage objects in its events."""
    first = {"choices": [{"index": 0, "delta": {"content": "Paris"}, "finish_reason": "stop"}]}
    events = [first, *({"choices": [], "usage": usage} for usage in usages)]
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"


def settings(answer):
    assert {warning.code for warning in answer.warnings} <= {"usage_invalid"}
    return [warning.setting for warning in answer.warnings]


async def test_a_bare_providers_answer_carries_the_warnings(service):
    answer = await openai(service(ANSWER)).chat(HI)
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (None, 1, None)
    assert answer.raw_usage == USAGE
    assert settings(answer) == WRONG
    assert answer.warnings[0].provider == "openai"


async def test_a_clients_answer_carries_them_once(service):
    async with AsyncClient(openai(service(ANSWER))) as client:
        answer = await client.chat("Hello")
    assert settings(answer) == WRONG
    assert answer.attempts[0].usage.untrusted == ("prompt_tokens", "total_tokens")


async def test_a_stream_carries_them(service):
    stream = await openai(service(stream_of(USAGE))).chat_stream(HI)
    async with stream:
        assert "".join([text async for text in stream.text]) == "Paris"
    assert settings(stream.response) == WRONG


async def test_a_clients_stream_carries_them_once_and_only_those_of_the_usage_that_counts(service):
    wrong_first = stream_of({"prompt_tokens": 5, "completion_tokens": -1}, USAGE, USAGE)
    async with AsyncClient(openai(service(wrong_first))) as client, client.chat_stream(HI) as stream:
        async for _ in stream:
            pass
    assert settings(stream.response) == WRONG


async def test_embeddings_carry_them(service):
    answer = await openai(service(VECTORS)).embeddings(EmbeddingRequest(["text"]))
    assert settings(answer) == ["usage.prompt_tokens"]


async def test_embeddings_of_several_exchanges_carry_those_of_any(service):
    many = [{"index": index, "embedding": [1.0]} for index in range(2048)]
    good = {"data": many, "usage": {"prompt_tokens": 9, "total_tokens": 9}}
    answer = await openai(service(good, VECTORS)).embeddings(EmbeddingRequest(["text"] * 2049))
    assert len(answer.vectors) == 2049
    assert (answer.usage.prompt_tokens, answer.usage.untrusted) == (None, ("prompt_tokens",))
    assert settings(answer) == ["usage.prompt_tokens"]
