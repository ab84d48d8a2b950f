"""Ollama's own protocol through its provider: a server on this machine, or behind a gateway with a key."""

from __future__ import annotations

import json

import pytest

from aiclient import AsyncClient, CountsTokens, ListsModels, find
from aiclient.context import CallContext
from aiclient.errors import (
    BadRequestError,
    ConfigError,
    InvalidModelError,
    ModelNotFoundError,
    OverloadedError,
    RateLimitError,
    StreamInterruptedError,
)
from aiclient.messages import Message
from aiclient.middleware import Retry
from aiclient.provider import Provider
from aiclient.providers import OllamaProvider
from aiclient.request import ChatRequest, EmbeddingRequest

pytestmark = pytest.mark.anyio

HI = ChatRequest([Message("user", "Hello")])
HOME = "http://127.0.0.1:11434"
LINES = [
    {"model": "llama3", "message": {"role": "assistant", "content": "Pa"}, "done": False},
    {"model": "llama3", "message": {"role": "assistant", "content": "ris"}, "done": False},
    {
        "model": "llama3",
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 3,
        "eval_count": 2,
    },
]
ANSWER = {**LINES[-1], "message": {"role": "assistant", "content": "Paris"}}


def lines(*values):
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    monkeypatch.delenv("OLLAMA_BASE_URL", raising=False)


def provider(played, base_url=None, **options):
    return OllamaProvider(base_url, http_client=played.client, **{"model": "llama3", **options})


async def test_a_call_goes_to_this_machine_without_any_key(service):
    played = service((200, ANSWER, {"x-request-id": "req_1"}))
    ollama: Provider = provider(played)
    ollama.validate_config()
    response = await ollama.chat(HI)
    assert played.urls == [f"{HOME}/api/chat"]
    assert "authorization" not in played.sent.headers
    assert (played.body["model"], played.body["stream"]) == ("llama3", False)
    assert (response.message.content, response.provider, response.request_id) == ("Paris", "ollama", "req_1")
    assert (response.usage.prompt_tokens, response.usage.completion_tokens) == (3, 2)


async def test_a_stream_is_opened_and_read(service, read):
    played = service((200, lines(*LINES), {"content-type": "application/x-ndjson"}))
    stream = await provider(played).chat_stream(HI)
    assert await read(stream) == "Paris"
    assert played.body["stream"] is True
    assert (stream.response.finish_reason, stream.response.usage.total_tokens) == ("stop", 5)


async def test_the_address_comes_from_the_environment(service, monkeypatch):
    monkeypatch.setenv("OLLAMA_BASE_URL", "http://localhost:9999/")
    played = service(ANSWER)
    await provider(played).chat(HI)
    assert played.urls == ["http://localhost:9999/api/chat"]


async def test_a_key_for_a_gateway_travels_as_bearer_and_only_encrypted(service):
    played = service(ANSWER)
    await provider(played, "https://ollama.example", api_key="gateway-key").chat(HI)
    assert played.sent.headers["authorization"] == "Bearer gateway-key"
    with pytest.raises(ConfigError, match="allow_insecure"):
        await provider(played, "http://ollama.example", api_key="gateway-key").chat(HI)
    assert len(played.requests) == 1
    await provider(played, "http://ollama.example").chat(HI)  # nothing to overhear


def test_a_preview_shows_everything_but_the_key():
    ollama = OllamaProvider("https://ollama.example", api_key="gateway-key", model="llama3")
    call = ollama.preview(HI)
    assert call.url == "https://ollama.example/api/chat"
    assert ("Authorization", "Bearer ***") in call.headers
    assert "gateway-key" not in repr((call, call.headers, call.body, ollama, ollama.info))


@pytest.mark.parametrize(
    ("status", "expected"),
    [(400, BadRequestError), (404, ModelNotFoundError), (429, RateLimitError), (503, OverloadedError)],
)
@pytest.mark.parametrize("way", ["chat", "chat_stream", "list_models", "embeddings"])
async def test_a_failure_is_typed_and_signed(service, status, expected, way):
    headers = {"x-request-id": "req_1", "retry-after": "7", "x-ratelimit-remaining-requests": "9"}
    ollama = provider(service((status, {"error": "no"}, headers)))
    given = {"list_models": (), "embeddings": (EmbeddingRequest("hi"),)}.get(way, (HI,))
    with pytest.raises(expected, match="no") as caught:
        await getattr(ollama, way)(*given)
    error = caught.value
    assert (error.status_code, error.provider, error.request_id) == (status, "ollama", "req_1")
    assert (error.retry_after, error.rate_limit.remaining_requests) == (7.0, 9)


async def test_a_failure_after_output_says_what_had_come(service, read):
    stream = await provider(service(lines(LINES[0], {"error": "the runner has died"}))).chat_stream(HI)
    with pytest.raises(StreamInterruptedError, match="the runner has died") as caught:
        await read(stream)
    assert (caught.value.partial.message.content, caught.value.provider) == ("Pa", "ollama")


async def test_a_stream_that_is_never_done_is_cut(service, read):
    stream = await provider(service(lines(*LINES[:2]))).chat_stream(HI)
    with pytest.raises(StreamInterruptedError):
        await read(stream)


@pytest.mark.parametrize("status", [429, 529])
async def test_a_client_tries_again_when_the_service_is_busy(service, clock, status):
    played = service((status, {"error": "busy"}, {}), ANSWER)
    client = AsyncClient(provider(played)).use(Retry())
    response = await client.chat(ChatRequest(HI.messages, context=CallContext(clock=clock)))
    assert (response.message.content, len(response.attempts), len(played.requests)) == ("Paris", 2, 2)
    await client.close()


async def test_texts_are_embedded_at_once(service):
    played = service({"model": "nomic", "embeddings": [[1.0], [2.0]], "prompt_eval_count": 4})
    response = await provider(played).embeddings(EmbeddingRequest(["a", "b"], "nomic"))
    assert played.urls == [f"{HOME}/api/embed"]
    assert [vector[0] for vector in response.vectors] == [1.0, 2.0]
    assert (response.usage.prompt_tokens, response.provider) == (4, "ollama")


async def test_the_models_of_the_machine_are_listed(service):
    played = service({"models": [{"name": "llama3:8b", "modified_at": "2026-01-02T03:04:05Z"}, {"name": "nomic"}]})
    models = await provider(played).list_models()
    assert played.urls == [f"{HOME}/api/tags"]
    assert [model.id for model in models] == ["llama3:8b", "nomic"]
    assert (models[0].created_at.year, models[1].created_at) == (2026, None)


async def test_without_a_model_nothing_is_sent(service):
    played = service(ANSWER)
    with pytest.raises(InvalidModelError):
        await provider(played, model=None).chat(HI)
    assert played.requests == []


def test_what_it_can_do_is_found_through_layers():
    client = AsyncClient(OllamaProvider(HOME)).use(Retry())
    assert isinstance(find(client, ListsModels), OllamaProvider)
    assert find(client, CountsTokens) is None
