"""Azure OpenAI: addresses and credentials; the protocol itself is OpenAI's."""

from __future__ import annotations

import json
import threading

import httpx
import pytest

from aiclient.errors import AuthenticationError, ConfigError, MissingAPIKeyError
from aiclient.messages import Message
from aiclient.provider import Provider
from aiclient.providers import AzureOpenAIProvider
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest

pytestmark = pytest.mark.anyio

ANSWER = {
    "id": "1",
    "model": "gpt",
    "choices": [{"message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
}
HI = ChatRequest([Message("user", "hi")])


class Service:
    """Plays the service: keeps the requests, refuses the tokens it is told to refuse."""

    def __init__(self, *refused):
        self.requests = []
        self.refused = refused
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self.answer))

    def answer(self, request):
        self.requests.append(request)
        if request.headers.get("authorization") in self.refused:
            return httpx.Response(401, json={"error": {"code": "401", "message": "expired"}})
        if "embeddings" in request.url.path:
            return httpx.Response(200, json={"data": [{"index": 0, "embedding": [1.0]}]})
        return httpx.Response(200, json=ANSWER)


def provider(service, **options):
    options = {"api_key": "azure-key-0123", "model": "my-gpt", **options}
    return AzureOpenAIProvider("https://res.openai.azure.com/", http_client=service.client, **options)


async def test_without_a_version_the_deployment_is_the_model_of_the_v1_api():
    service = Service()
    await provider(service).chat(HI)
    (sent,) = service.requests
    assert str(sent.url) == "https://res.openai.azure.com/openai/v1/chat/completions"
    assert json.loads(sent.content)["model"] == "my-gpt"
    assert sent.headers["api-key"] == "azure-key-0123"
    assert "authorization" not in sent.headers


async def test_with_a_version_the_deployment_stands_in_the_path_also_that_of_the_request():
    service = Service()
    azure = provider(service, api_version="2024-10-21")
    await azure.chat(ChatRequest(HI.messages, ChatOptions(model="other/one")))
    await azure.embeddings(EmbeddingRequest("hi"))
    chat, embed = (str(sent.url) for sent in service.requests)
    root = "https://res.openai.azure.com/openai/deployments"
    assert chat == f"{root}/other%2Fone/chat/completions?api-version=2024-10-21"
    assert embed == f"{root}/my-gpt/embeddings?api-version=2024-10-21"


@pytest.mark.parametrize("tail", ["", "/", "/openai", "/openai/v1/"])
async def test_the_endpoint_may_be_given_with_or_without_its_path(tail):
    service = Service()
    azure = AzureOpenAIProvider(
        f"https://res.example{tail}", api_key="azure-key-0123", model="m", http_client=service.client
    )
    await azure.chat(HI)
    assert str(service.requests[0].url) == "https://res.example/openai/v1/chat/completions"


class Credential:
    """A credential as azure-identity's are; each answer is another token."""

    def __init__(self):
        self.asked = []

    def get_token(self, scope):
        self.asked.append((scope, threading.current_thread()))
        return type("AccessToken", (), {"token": f"token-{len(self.asked)}"})()


async def test_a_sync_credential_is_asked_on_a_thread_once_and_again_after_a_refusal():
    service, credential = Service("Bearer token-1"), Credential()
    azure = provider(service, api_key=None, credential=credential)
    await azure.chat(HI)
    await azure.chat(HI)
    assert [sent.headers["authorization"] for sent in service.requests] == [
        "Bearer token-1",
        "Bearer token-2",
        "Bearer token-2",
    ]
    scopes, threads = zip(*credential.asked, strict=True)
    assert set(scopes) == {"https://cognitiveservices.azure.com/.default"}
    assert threading.main_thread() not in threads


async def test_an_async_credential_is_awaited():
    class Async(Credential):
        async def get_token(self, scope):
            return super().get_token(scope)

    service = Service("Bearer token-1", "Bearer token-2")
    with pytest.raises(AuthenticationError):
        await provider(service, api_key=None, credential=Async()).chat(HI)
    assert len(service.requests) == 2


def test_the_environment_fills_what_is_not_given(monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://env.example")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-key-0123")
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    azure: Provider = AzureOpenAIProvider(model="m")
    azure.validate_config()
    assert azure.info.origin == "https://env.example"
    assert azure.preview(HI).url == "https://env.example/openai/deployments/m/chat/completions?api-version=2024-10-21"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "AZURE_OPENAI_ENDPOINT"),
        ({"endpoint": "https://x.example", "api_key": "azure-key-0123", "credential": Credential()}, "not both"),
        ({"endpoint": "https://x.example", "credential": object()}, "get_token"),
    ],
    ids=["no endpoint", "two credentials", "no credential"],
)
def test_a_wrong_set_up_is_told_at_once(options, words, monkeypatch):
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT", raising=False)
    with pytest.raises(ConfigError, match=words):
        AzureOpenAIProvider(**options)


def test_a_missing_key_names_its_variable(monkeypatch):
    monkeypatch.delenv("AZURE_OPENAI_API_KEY", raising=False)
    with pytest.raises(MissingAPIKeyError, match="AZURE_OPENAI_API_KEY"):
        AzureOpenAIProvider("https://x.example").validate_config()
