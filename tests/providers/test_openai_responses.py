"""OpenAI's Responses through the providers that speak it: OpenAI's own and Azure's."""

from __future__ import annotations

import json

import pytest

from aiclient import AsyncClient
from aiclient.context import CallContext
from aiclient.errors import (
    AuthenticationError,
    ConfigError,
    MissingAPIKeyError,
    OverloadedError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    StreamInterruptedError,
    UnsupportedFeatureError,
)
from aiclient.messages import Message
from aiclient.middleware import Retry
from aiclient.provider import Provider
from aiclient.providers import AzureOpenAIProvider, OpenAIProvider
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest

pytestmark = pytest.mark.anyio

KEY = "sk-proj-0123"
HI = ChatRequest([Message("user", "Hello")])
ROOT = "https://api.openai.com/v1"
ANSWER = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1700000000,
    "status": "completed",
    "model": "gpt-x-2026",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Paris", "annotations": []}],
        }
    ],
    "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
}
HEADERS = {"x-request-id": "req_1", "x-ratelimit-remaining-requests": "9", "x-ratelimit-limit-requests": "10"}


def events(*values):
    return b"".join(f"event: {value['type']}\ndata: {json.dumps(value)}\n\n".encode() for value in values)


def delta(text):
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    return {"type": "response.output_text.delta", "delta": text, **place}


CREATED = {"type": "response.created", "response": {**ANSWER, "status": "in_progress", "output": []}}
STREAM = events(CREATED, delta("Pa"), delta("ris"), {"type": "response.completed", "response": ANSWER})


def failed(message="no", **fields):
    return {"error": {"message": message, "type": None, "code": None, **fields}}


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_API_VERSION"):
        monkeypatch.delenv(name, raising=False)


def provider(played, key=KEY, **options):
    return OpenAIProvider(key, api="responses", http_client=played.client, **{"model": "gpt-x", **options})


async def test_a_call_goes_to_responses_with_the_key_as_bearer(service):
    played = service((200, ANSWER, HEADERS))
    openai: Provider = provider(played, organization="org-1", project="proj-1")
    response = await openai.chat(HI)
    assert played.urls == [f"{ROOT}/responses"]
    assert played.sent.headers["authorization"] == f"Bearer {KEY}"
    assert played.sent.headers["openai-organization"] == "org-1"
    assert (played.body["model"], played.body["store"]) == ("gpt-x", False)
    assert (response.message.content, response.id, response.model) == ("Paris", "resp_1", "gpt-x-2026")
    assert (response.provider, response.request_id, response.rate_limit.limit_requests) == ("openai", "req_1", 10)
    assert response.usage.total_tokens == 5


async def test_a_stream_is_opened_and_read(service, read):
    played = service((200, STREAM, HEADERS))
    stream = await provider(played).chat_stream(HI)
    assert await read(stream) == "Paris"
    assert played.urls == [f"{ROOT}/responses"]
    assert played.body["stream"] is True
    response = stream.response
    assert (response.id, response.finish_reason, response.request_id) == ("resp_1", "stop", "req_1")
    assert response.rate_limit.remaining_requests == 9


async def test_everything_can_be_set_from_the_environment(service, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-proj-env")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gateway.example/openai/v1/")
    played = service(ANSWER)
    await provider(played, None).chat(HI)
    assert played.urls == ["https://gateway.example/openai/v1/responses"]
    assert played.sent.headers["authorization"] == "Bearer sk-proj-env"


def test_a_missing_key_names_its_variable():
    with pytest.raises(MissingAPIKeyError, match="OPENAI_API_KEY"):
        OpenAIProvider(api="responses").validate_config()


async def test_another_vendors_key_is_not_shown_to_openai(service):
    played = service(ANSWER)
    with pytest.raises(ConfigError, match="Anthropic") as caught:
        await provider(played, "sk-ant-1234").chat(HI)
    assert "sk-ant-1234" not in str(caught.value)
    assert played.requests == []


@pytest.mark.parametrize(
    ("status", "fields", "expected"),
    [
        (401, {"code": "invalid_api_key"}, AuthenticationError),
        (429, {"code": "rate_limit_exceeded"}, RateLimitError),
        (429, {"code": "insufficient_quota"}, QuotaExceededError),
        (503, {}, OverloadedError),
    ],
)
@pytest.mark.parametrize("way", ["chat", "chat_stream", "count_tokens"])
async def test_a_failure_is_typed_and_signed(service, status, fields, expected, way):
    played = service((status, failed(**fields), {**HEADERS, "retry-after": "7"}))
    with pytest.raises(expected, match="no") as caught:
        await getattr(provider(played), way)(HI)
    error = caught.value
    assert type(error) is expected
    assert (error.status_code, error.provider, error.request_id) == (status, "openai", "req_1")
    assert (error.retry_after, error.rate_limit.remaining_requests) == (7.0, 9)


async def test_a_response_that_failed_is_an_error_though_its_status_was_200(service):
    body = {**ANSWER, "status": "failed", "output": [], "error": {"code": "server_error", "message": "oops"}}
    with pytest.raises(ServerError, match="oops") as caught:
        await provider(service((200, body, HEADERS))).chat(HI)
    assert (caught.value.provider, caught.value.request_id) == ("openai", "req_1")


async def test_a_failure_after_output_says_what_had_come(service, read):
    broken = {**ANSWER, "status": "failed", "error": {"code": "rate_limit_exceeded", "message": "slow"}}
    played = service((200, events(CREATED, delta("Pa"), {"type": "response.failed", "response": broken}), HEADERS))
    stream = await provider(played).chat_stream(HI)
    with pytest.raises(StreamInterruptedError) as caught:
        await read(stream)
    error = caught.value
    assert (type(error.__cause__), error.partial.message.content) == (RateLimitError, "Pa")
    assert (error.provider, error.request_id) == ("openai", "req_1")


async def test_a_stream_without_its_closing_event_is_cut(service, read):
    stream = await provider(service(events(CREATED, delta("Pa")))).chat_stream(HI)
    with pytest.raises(StreamInterruptedError):
        await read(stream)


@pytest.mark.parametrize("status", [429, 529])
async def test_a_client_tries_again_when_the_service_is_busy(service, clock, status, read):
    busy = (status, failed(), {"retry-after": "3"})
    played = service(busy, ANSWER, busy, STREAM)
    client = AsyncClient(provider(played)).use(Retry())
    response = await client.chat(ChatRequest(HI.messages, context=CallContext(clock=clock)))
    assert (response.message.content, len(response.attempts)) == ("Paris", 2)
    stream = await client.chat_stream(ChatRequest(HI.messages, context=CallContext(clock=clock)))
    assert await read(stream) == "Paris"
    assert len(played.requests) == 4
    assert min(clock.slept) >= 3
    await client.close()


async def test_tokens_are_counted_without_answering(service):
    played = service({"object": "response.input_tokens", "input_tokens": 12})
    assert await provider(played).count_tokens(ChatRequest(HI.messages, ChatOptions(model="gpt-y"))) == 12
    assert played.urls == [f"{ROOT}/responses/input_tokens"]
    assert (played.body["model"], "store" in played.body) == ("gpt-y", False)


async def test_the_chat_protocol_counts_no_tokens(service):
    played = service(ANSWER)
    openai = OpenAIProvider(KEY, model="m", http_client=played.client)
    with pytest.raises(UnsupportedFeatureError, match="api='responses'"):
        await openai.count_tokens(HI)
    assert played.requests == []


async def test_embeddings_and_models_are_the_same_whatever_the_chat_protocol(service):
    played = service({"data": [{"index": 0, "embedding": [1.0]}]}, {"data": [{"id": "a"}, {"id": "b"}]}, {"id": "a"})
    openai = provider(played)
    await openai.embeddings(EmbeddingRequest("hi", "embed"))
    assert [model.id for model in await openai.list_models()] == ["a", "b"]
    assert (await openai.get_model("a")).id == "a"
    assert played.urls == [f"{ROOT}/embeddings", f"{ROOT}/models", f"{ROOT}/models/a"]


def test_a_preview_shows_everything_but_the_key():
    openai = OpenAIProvider(KEY, model="gpt-x", api="responses")
    call = openai.preview(HI)
    assert call.url == f"{ROOT}/responses"
    assert ("Authorization", "Bearer ***") in call.headers
    assert KEY not in repr((call, call.headers, call.body, openai, openai.info))


# --- Azure's ---


@pytest.mark.parametrize(
    ("version", "url"),
    [
        (None, "https://res.openai.azure.com/openai/v1/responses"),
        ("2025-04-01-preview", "https://res.openai.azure.com/openai/responses?api-version=2025-04-01-preview"),
    ],
)
async def test_azures_responses_never_name_the_deployment_in_the_path(service, version, url):
    played = service((200, ANSWER, {"apim-request-id": "req_1"}))
    azure = AzureOpenAIProvider(
        "https://res.openai.azure.com",
        api_key="azure-key",
        model="my-gpt",
        api="responses",
        api_version=version,
        http_client=played.client,
    )
    response = await azure.chat(HI)
    assert played.urls == [url]
    assert (played.body["model"], played.sent.headers["api-key"]) == ("my-gpt", "azure-key")
    assert (response.message.content, response.provider, response.request_id) == ("Paris", "azure", "req_1")


@pytest.mark.parametrize(
    "make",
    [lambda: OpenAIProvider(KEY, api="files"), lambda: AzureOpenAIProvider("https://x.example", api="files")],
    ids=["openai", "azure"],
)
def test_an_unknown_protocol_is_refused(make):
    with pytest.raises(ConfigError, match="'chat' or 'responses'"):
        make()
