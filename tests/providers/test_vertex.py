"""Vertex AI: addresses of projects and locations, Google's credentials, and two publishers behind one provider."""

from __future__ import annotations

import io
import json
import sys
import threading
import types
import urllib.error

import pytest

import aiclient.providers._google as google_module
from aiclient.errors import (
    AuthenticationError,
    ConfigError,
    ConnectError,
    InvalidModelError,
    ModelNotFoundError,
    RateLimitError,
)
from aiclient.messages import Message
from aiclient.provider import Provider
from aiclient.providers import VertexProvider
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest

pytestmark = pytest.mark.anyio

HI = ChatRequest([Message("user", "Hello")])
ROOT = "https://us-central1-aiplatform.googleapis.com/v1/projects/my-project/locations/us-central1"
GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Paris"}]}, "finishReason": "STOP"}],
    "modelVersion": "gemini-x-001",
}
CLAUDE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x-2026",
    "content": [{"type": "text", "text": "Paris"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 1},
}
REFUSED = (401, {"error": {"code": 401, "message": "expired", "status": "UNAUTHENTICATED"}}, {})
NOT_FOUND = (404, {"error": {"code": 404, "message": "no", "status": "NOT_FOUND"}}, {"x-request-id": "req_1"})


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION"):
        monkeypatch.delenv(name, raising=False)


def provider(played, **options):
    options = {"credentials": lambda: "token-1", "model": "gemini-x", **options}
    return VertexProvider("my-project", "us-central1", http_client=played.client, **options)


# --- addresses ---


async def test_a_gemini_model_is_one_of_googles(service):
    played = service((200, GEMINI, {"x-request-id": "req_1", "x-ratelimit-remaining-requests": "9"}))
    vertex: Provider = provider(played)
    response = await vertex.chat(HI)
    assert played.urls == [f"{ROOT}/publishers/google/models/gemini-x:generateContent"]
    assert played.sent.headers["authorization"] == "Bearer token-1"
    assert "x-goog-api-key" not in played.sent.headers
    assert (response.message.content, response.provider, response.request_id) == ("Paris", "vertex", "req_1")
    assert response.rate_limit.remaining_requests == 9


async def test_a_claude_model_is_one_of_anthropics(service):
    played = service(CLAUDE)
    request = ChatRequest(HI.messages, ChatOptions(model="claude-x@20260101"))
    response = await provider(played).chat(request)
    assert played.urls == [f"{ROOT}/publishers/anthropic/models/claude-x@20260101:rawPredict"]
    assert played.sent.headers["authorization"] == "Bearer token-1"
    assert "x-api-key" not in played.sent.headers
    assert played.body["anthropic_version"] == "vertex-2023-10-16"
    assert "model" not in played.body
    assert (response.message.content, response.model) == ("Paris", "claude-x-2026")


async def test_streams_have_addresses_of_their_own(service, read):
    answers = [
        b"data: " + json.dumps(GEMINI).encode() + b"\n\n",
        b"".join(
            f"event: {value['type']}\ndata: {json.dumps(value)}\n\n".encode()
            for value in (
                {"type": "message_start", "message": {**CLAUDE, "content": [], "stop_reason": None}},
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Paris"}},
                {"type": "content_block_stop", "index": 0},
                {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
                {"type": "message_stop"},
            )
        ),
    ]
    played = service(*answers)
    vertex = provider(played)
    assert await read(await vertex.chat_stream(HI)) == "Paris"
    assert await read(await vertex.chat_stream(ChatRequest(HI.messages, ChatOptions(model="claude-x")))) == "Paris"
    assert played.urls == [
        f"{ROOT}/publishers/google/models/gemini-x:streamGenerateContent?alt=sse",
        f"{ROOT}/publishers/anthropic/models/claude-x:streamRawPredict",
    ]


async def test_tokens_are_counted_by_the_models_publisher(service):
    played = service({"totalTokens": 12}, {"input_tokens": 13})
    vertex = provider(played)
    assert await vertex.count_tokens(HI) == 12
    assert await vertex.count_tokens(ChatRequest(HI.messages, ChatOptions(model="claude-x"))) == 13
    assert played.urls == [
        f"{ROOT}/publishers/google/models/gemini-x:countTokens",
        f"{ROOT}/publishers/anthropic/models/count-tokens:rawPredict",
    ]
    assert json.loads(played.requests[1].content)["model"] == "claude-x"


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("europe-west4", "https://europe-west4-aiplatform.googleapis.com"),
        ("global", "https://aiplatform.googleapis.com"),
        (None, "https://aiplatform.googleapis.com"),
    ],
)
def test_a_location_has_a_host_of_its_own_and_the_world_one(location, host):
    vertex = VertexProvider("my-project", location, credentials=lambda: "t", model="m")
    assert vertex.info.origin == host
    assert vertex.preview(HI).url.startswith(f"{host}/v1/projects/my-project/locations/{location or 'global'}/")


def test_the_environment_fills_what_is_not_given(monkeypatch):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "of-env")
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "us-east5")
    url = VertexProvider(credentials=lambda: "t", model="m").preview(HI).url
    assert url.startswith("https://us-east5-aiplatform.googleapis.com/v1/projects/of-env/locations/us-east5/")


def test_another_address_keeps_project_and_location():
    vertex = VertexProvider(
        "p", "l", credentials=lambda: "t", model="m", base_url="https://private.example/v1beta1/", name="mine"
    )
    assert (
        vertex.preview(HI).url
        == "https://private.example/v1beta1/projects/p/locations/l/publishers/google/models/m:generateContent"
    )
    assert vertex.name == "mine"


def test_a_missing_project_names_its_variable():
    with pytest.raises(ConfigError, match="GOOGLE_CLOUD_PROJECT"):
        VertexProvider()


async def test_a_failure_is_typed_and_signed(service):
    with pytest.raises(ModelNotFoundError) as caught:
        await provider(service(NOT_FOUND)).chat(HI)
    error = caught.value
    assert (error.provider, error.model, error.request_id) == ("vertex", "gemini-x", "req_1")
    busy = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}}
    with pytest.raises(RateLimitError, match="slow"):
        await provider(service((429, busy, {})), model="claude-x").chat(HI)
    with pytest.raises(InvalidModelError):
        await provider(service(NOT_FOUND), model=None).count_tokens(HI)


def test_a_preview_shows_everything_but_the_token(service):
    vertex = provider(service(GEMINI))
    call = vertex.preview(HI)
    assert ("Authorization", "Bearer ***") in call.headers
    assert "token-1" not in repr((call, call.headers, vertex))


# --- embeddings ---


def vectors(request):
    texts = [item["content"] for item in json.loads(request.content)["instances"]]
    return {"predictions": [{"embeddings": {"values": [float(len(text))]}} for text in texts]}


@pytest.mark.parametrize(
    ("model", "texts", "exchanges"),
    [
        ("gemini-embedding-001", ["a"] * 3, [1, 1, 1]),
        ("text-embedding-005", ["a"] * 3, [3]),
        ("text-multilingual-embedding-002", ["a"] * 501, [250, 250, 1]),
        ("publishers/google/models/text-embedding-004", ["a" * 9_000] * 5, [2, 2, 1]),
        ("text-embedding-005", ["a" * 30_000, "b"], [1, 1]),
    ],
)
async def test_as_many_texts_go_at_once_as_the_model_takes(service, model, texts, exchanges):
    played = service(vectors)
    response = await provider(played).embeddings(EmbeddingRequest(texts, model))
    assert [vector[0] for vector in response.vectors] == [float(len(text)) for text in texts]
    assert [len(json.loads(request.content)["instances"]) for request in played.requests] == exchanges
    assert played.urls[0] == f"{ROOT}/publishers/google/models/{model.rpartition('/')[2]}:predict"


async def test_a_later_embedding_model_takes_one_content(service):
    played = service({"embedding": {"values": [1.0]}})
    await provider(played).embeddings(EmbeddingRequest(["a", "b"], "gemini-embedding-2"))
    assert played.urls == [f"{ROOT}/publishers/google/models/gemini-embedding-2:embedContent"] * 2


# --- credentials ---


class Credentials:
    """As google-auth's; every refresh gives another token."""

    def __init__(self, *failures):
        self.token = None
        self.threads = []
        self.failures = list(failures)

    def refresh(self, request):
        assert callable(request)
        self.threads.append(threading.current_thread())
        if self.failures:
            raise self.failures.pop(0)
        self.token = f"token-{len(self.threads)}"


async def test_credentials_are_refreshed_on_a_thread_once_and_again_after_a_refusal(service):
    played = service(GEMINI, GEMINI, REFUSED, GEMINI)
    credentials = Credentials()
    vertex = provider(played, credentials=credentials)
    for _ in range(3):
        assert (await vertex.chat(HI)).message.content == "Paris"
    tokens = [request.headers["authorization"] for request in played.requests]
    assert tokens == ["Bearer token-1", "Bearer token-1", "Bearer token-1", "Bearer token-2"]
    assert len(credentials.threads) == 2
    assert threading.main_thread() not in credentials.threads


async def test_a_second_refusal_is_final(service):
    played = service(REFUSED)
    with pytest.raises(AuthenticationError, match="expired"):
        await provider(played, credentials=Credentials()).chat(HI)
    assert len(played.requests) == 2


async def test_a_callable_gives_tokens_sync_or_async(service):
    async def token():
        return "token-a"

    for given, expected in ((lambda: "token-s", "Bearer token-s"), (token, "Bearer token-a")):
        played = service(GEMINI)
        await provider(played, credentials=given).chat(HI)
        assert played.sent.headers["authorization"] == expected


def google_error(name, **fields):
    return type(name, (Exception,), {"__module__": "google.auth.exceptions", **fields})("the reason")


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (google_error("DefaultCredentialsError"), ConfigError),
        (google_error("RefreshError"), AuthenticationError),
        (google_error("RefreshError", retryable=True), ConnectError),
        (urllib.error.URLError("the reason"), ConnectError),
        (ConnectError("the reason"), ConnectError),
        (ZeroDivisionError("the reason"), ZeroDivisionError),
    ],
    ids=["none", "refused", "busy", "unreachable", "ours", "bug"],
)
async def test_a_refresh_that_fails_is_one_of_our_errors(service, problem, expected):
    played = service(GEMINI)
    with pytest.raises(expected, match="the reason") as caught:
        await provider(played, credentials=Credentials(problem)).chat(HI)
    assert type(caught.value) is expected
    assert played.requests == []


def test_credentials_of_another_kind_are_refused():
    with pytest.raises(ConfigError, match="credentials=dict"):
        VertexProvider("p", credentials={"type": "service_account"})


@pytest.mark.parametrize("credentials", [None, "key.json"], ids=["default", "file"])
async def test_without_google_auth_the_extra_is_named(service, credentials, monkeypatch):
    for name in ("google.auth", "google.oauth2.service_account"):
        monkeypatch.setitem(sys.modules, name, None)
    played = service(GEMINI)
    with pytest.raises(ConfigError, match=r"pip install 'aiclient\[vertex\]'"):
        await provider(played, credentials=credentials).chat(HI)
    assert played.requests == []


@pytest.fixture
def google(monkeypatch):
    """A google-auth of our own; the paths it was asked for."""
    asked = []

    def from_file(path, scopes):
        asked.append((path, scopes))
        if path == "missing.json":
            raise FileNotFoundError(2, "No such file", path)
        if path == "broken.json":
            raise ValueError("not a key, but it says: PRIVATE")
        return Credentials()

    def default(scopes):
        asked.append((None, scopes))
        return Credentials(), "a-project"

    auth, oauth2 = types.ModuleType("google.auth"), types.ModuleType("google.oauth2.service_account")
    auth.default = default
    oauth2.Credentials = types.SimpleNamespace(from_service_account_file=from_file)
    for module in (types.ModuleType("google"), auth, types.ModuleType("google.oauth2"), oauth2):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return asked


@pytest.mark.parametrize("credentials", [None, "key.json"], ids=["default", "file"])
async def test_credentials_are_found_by_google_auth_once(service, credentials, google):
    played = service(GEMINI)
    vertex = provider(played, credentials=credentials)
    await vertex.chat(HI)
    await vertex.chat(HI)
    assert google == [(credentials, ["https://www.googleapis.com/auth/cloud-platform"])]
    assert played.requests[0].headers["authorization"] == "Bearer token-1"


@pytest.mark.parametrize("path", ["missing.json", "broken.json"])
async def test_a_file_that_cannot_be_read_is_named_and_not_quoted(service, google, path):
    with pytest.raises(ConfigError, match=path) as caught:
        await provider(service(GEMINI), credentials=path).chat(HI)
    assert "PRIVATE" not in repr(caught.value)
    assert caught.value.__context__ is None


# --- what google-auth sends through ---


class Opened(io.BytesIO):
    status = 200
    headers = {"content-type": "application/json"}


def test_google_auths_exchanges_go_through_the_standard_library(monkeypatch):
    asked = []

    def urlopen(request, timeout):
        asked.append((request.full_url, request.get_method(), request.data, dict(request.headers), timeout))
        return Opened(b'{"access_token": "t"}')

    monkeypatch.setattr(google_module, "urlopen", urlopen)
    send = google_module._transport
    answer = send("https://oauth.example/token", "POST", "a=b", {"X-One": "1"}, 7, unknown=True)
    assert (answer.status, answer.data, answer.headers["content-type"]) == (
        200,
        b'{"access_token": "t"}',
        "application/json",
    )
    send("https://oauth.example/token")
    assert asked == [
        ("https://oauth.example/token", "POST", b"a=b", {"X-one": "1"}, 7),
        ("https://oauth.example/token", "GET", None, {}, 30.0),
    ]


def test_a_refusal_of_googles_is_an_answer_too(monkeypatch):
    def urlopen(request, timeout):
        raise urllib.error.HTTPError(request.full_url, 400, "Bad", {"x": "1"}, io.BytesIO(b"no"))

    monkeypatch.setattr(google_module, "urlopen", urlopen)
    answer = google_module._transport("https://oauth.example/token")
    assert (answer.status, answer.headers, answer.data) == (400, {"x": "1"}, b"no")
