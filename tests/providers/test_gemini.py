"""Gemini with a key of AI Studio's: address, credentials, headers; and what goes through the provider around the protocol."""

from __future__ import annotations

import json

import pytest

from aiclient import AsyncClient, CountsTokens, ListsModels, Previews, find
from aiclient.context import CallContext
from aiclient.errors import (
    AuthenticationError,
    ConfigError,
    MissingAPIKeyError,
    ModelNotFoundError,
    OverloadedError,
    RateLimitError,
    StreamInterruptedError,
)
from aiclient.messages import Message
from aiclient.middleware import Retry
from aiclient.provider import Provider
from aiclient.providers import GeminiProvider
from aiclient.request import ChatRequest, EmbeddingRequest

pytestmark = pytest.mark.anyio

KEY = "AIza-test-0123"
HI = ChatRequest([Message("user", "Hello")])
ROOT = "https://generativelanguage.googleapis.com/v1beta"
HEADERS = {"x-request-id": "req_1", "x-ratelimit-remaining-requests": "9"}


def piece(text, reason=None):
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    return {
        "candidates": [{**candidate, **({"finishReason": reason} if reason else {})}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4},
        "modelVersion": "gemini-x-001",
        "responseId": "r1",
    }


ANSWER = piece("Paris", "STOP")


def stream_of(*values):
    return b"".join(b"data: " + json.dumps(value).encode() + b"\r\n\r\n" for value in values)


STREAM = stream_of(piece("Pa"), piece("ris", "STOP"))


def failed(code, word, message="no", **details):
    return {"error": {"code": code, "message": message, "status": word, **details}}


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def provider(played, key=KEY, **options):
    return GeminiProvider(key, http_client=played.client, **{"model": "gemini-x", **options})


async def test_a_call_goes_to_the_model_with_the_key_in_its_own_header(service):
    played = service((200, ANSWER, HEADERS))
    gemini: Provider = provider(played)
    response = await gemini.chat(HI)
    assert played.urls == [f"{ROOT}/models/gemini-x:generateContent"]
    assert played.sent.headers["x-goog-api-key"] == KEY
    assert "authorization" not in played.sent.headers
    assert played.body["contents"] == [{"role": "user", "parts": [{"text": "Hello"}]}]
    assert (response.message.content, response.model, response.provider) == ("Paris", "gemini-x-001", "gemini")
    assert (response.request_id, response.rate_limit.remaining_requests) == ("req_1", 9)


async def test_a_stream_is_opened_and_read(service, read):
    played = service((200, STREAM, HEADERS))
    stream = await provider(played).chat_stream(HI)
    assert await read(stream) == "Paris"
    assert played.urls == [f"{ROOT}/models/gemini-x:streamGenerateContent?alt=sse"]
    assert (stream.response.id, stream.response.request_id, stream.response.finish_reason) == ("r1", "req_1", "stop")


async def test_the_key_is_in_no_address_whatever_is_asked(service, read):
    played = service(ANSWER, STREAM, {"embeddings": [{"values": [1.0]}]}, {"totalTokens": 3}, {"models": []})
    gemini = provider(played)
    await gemini.chat(HI)
    await read(await gemini.chat_stream(HI))
    await gemini.embeddings(EmbeddingRequest("hi"))
    await gemini.count_tokens(HI)
    await gemini.list_models()
    assert len(played.requests) == 5
    assert all(request.headers["x-goog-api-key"] == KEY for request in played.requests)
    assert not [url for url in played.urls if KEY in url]


async def test_a_query_of_the_base_url_goes_with_every_call(service, read):
    played = service(ANSWER, STREAM)
    gemini = provider(played, base_url="https://gateway.example/v1beta/?tenant=a")
    await gemini.chat(HI)
    await read(await gemini.chat_stream(HI))
    assert [dict(request.url.params) for request in played.requests] == [
        {"tenant": "a"},
        {"alt": "sse", "tenant": "a"},
    ]


@pytest.mark.parametrize(
    ("variables", "key"),
    [
        ({"GOOGLE_API_KEY": "AIza-one", "GEMINI_API_KEY": "AIza-two"}, "AIza-one"),
        ({"GEMINI_API_KEY": "AIza-two"}, "AIza-two"),
    ],
    ids=["both", "gemini"],
)
async def test_everything_can_be_set_from_the_environment(service, monkeypatch, variables, key):
    for name, value in {**variables, "GOOGLE_GEMINI_BASE_URL": "https://gateway.example/v1/"}.items():
        monkeypatch.setenv(name, value)
    played = service(ANSWER)
    await provider(played, None).chat(HI)
    assert played.urls == ["https://gateway.example/v1/models/gemini-x:generateContent"]
    assert played.sent.headers["x-goog-api-key"] == key


def test_a_missing_key_names_its_variable():
    with pytest.raises(MissingAPIKeyError, match="GEMINI_API_KEY"):
        GeminiProvider().validate_config()


async def test_another_vendors_key_is_not_shown_to_google(service):
    played = service(ANSWER)
    with pytest.raises(ConfigError, match="Anthropic") as caught:
        await provider(played, "sk-ant-1234").chat(HI)
    assert "sk-ant-1234" not in str(caught.value)
    assert played.requests == []
    await provider(played, "sk-ant-1234", base_url="https://gateway.example").chat(HI)
    await provider(played, "a-key-of-another-look").chat(HI)


INVALID = {"details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]}
WAIT = {"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}]}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, failed(400, "INVALID_ARGUMENT", **INVALID), AuthenticationError),
        (404, failed(404, "NOT_FOUND"), ModelNotFoundError),
        (429, failed(429, "RESOURCE_EXHAUSTED", **WAIT), RateLimitError),
        (503, failed(503, "UNAVAILABLE"), OverloadedError),
    ],
)
@pytest.mark.parametrize("way", ["chat", "chat_stream", "count_tokens", "list_models", "embeddings"])
async def test_a_failure_is_typed_and_signed(service, status, body, expected, way):
    played = service((status, body, HEADERS))
    gemini = provider(played)
    given = {"list_models": (), "embeddings": (EmbeddingRequest("hi"),)}.get(way, (HI,))
    with pytest.raises(expected, match="no") as caught:
        await getattr(gemini, way)(*given)
    error = caught.value
    assert (error.status_code, error.provider, error.request_id) == (status, "gemini", "req_1")
    assert error.rate_limit.remaining_requests == 9
    assert error.retry_after == (7.0 if expected is RateLimitError else None)


async def test_a_failure_after_output_says_what_had_come(service, read):
    played = service((200, stream_of(piece("Pa"), failed(503, "UNAVAILABLE")), HEADERS))
    stream = await provider(played).chat_stream(HI)
    with pytest.raises(StreamInterruptedError) as caught:
        await read(stream)
    error = caught.value
    assert (type(error.__cause__), error.partial.message.content) == (OverloadedError, "Pa")


async def test_a_stream_that_ends_without_a_reason_is_cut(service, read):
    stream = await provider(service(stream_of(piece("Pa")))).chat_stream(HI)
    with pytest.raises(StreamInterruptedError):
        await read(stream)


@pytest.mark.parametrize(("status", "word"), [(429, "RESOURCE_EXHAUSTED"), (529, "UNAVAILABLE")])
async def test_a_client_tries_again_when_the_service_is_busy(service, clock, status, word):
    played = service((status, failed(status, word, **WAIT), {}), ANSWER)
    client = AsyncClient(provider(played)).use(Retry())
    response = await client.chat(ChatRequest(HI.messages, context=CallContext(clock=clock)))
    assert (response.message.content, len(response.attempts), len(played.requests)) == ("Paris", 2, 2)
    assert sum(clock.slept) > 0
    await client.close()


async def test_tokens_are_counted_without_answering(service):
    played = service({"totalTokens": 12})
    assert await provider(played).count_tokens(HI) == 12
    assert played.urls == [f"{ROOT}/models/gemini-x:countTokens"]
    assert played.body["generateContentRequest"]["model"] == "models/gemini-x"


async def test_many_texts_are_embedded_in_batches_of_a_hundred(service):
    def embed(request):
        asked = json.loads(request.content)["requests"]
        return {"embeddings": [{"values": [float(item["content"]["parts"][0]["text"])]} for item in asked]}

    played = service(embed)
    response = await provider(played).embeddings(EmbeddingRequest([str(number) for number in range(250)]))
    assert [vector[0] for vector in response.vectors] == [float(number) for number in range(250)]
    assert played.urls == [f"{ROOT}/models/gemini-x:batchEmbedContents"] * 3


async def test_models_are_listed_page_by_page(service):
    played = service(
        {"models": [{"name": "models/a"}, {"name": "models/b"}], "nextPageToken": "p/2"},
        {"models": [{"name": "models/c"}]},
    )
    assert [model.id for model in await provider(played).list_models()] == ["a", "b", "c"]
    assert [request.url.params.get("pageToken") for request in played.requests] == [None, "p/2"]


async def test_a_service_that_repeats_its_pages_is_asked_a_hundred_times_at_most(service):
    played = service({"models": [{"name": "models/a"}], "nextPageToken": "again"})
    await provider(played).list_models()
    assert len(played.requests) == 100


def test_a_preview_shows_everything_but_the_key():
    gemini = GeminiProvider(KEY, model="gemini-x")
    call = gemini.preview(HI)
    assert call.url == f"{ROOT}/models/gemini-x:generateContent"
    assert ("x-goog-api-key", "***") in call.headers
    assert KEY not in repr((call, call.headers, call.body, gemini, gemini.info))


def test_what_it_can_do_is_found_through_layers():
    client = AsyncClient(GeminiProvider(KEY)).use(Retry())
    for kind in (CountsTokens, ListsModels, Previews):
        assert isinstance(find(client, kind), GeminiProvider)
