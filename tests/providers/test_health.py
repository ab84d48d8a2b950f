"""What a provider says of itself, and whether its service answers."""

from __future__ import annotations

import asyncio

import httpx
import pytest

import aiclient
from aiclient import AsyncClient, Checks, Describes, Description, find
from aiclient.context import Timeouts
from aiclient.credentials import ApiKey
from aiclient.errors import ConfigError, UnsupportedFeatureError
from aiclient.middleware import Retry
from aiclient.providers import (
    AnthropicProvider,
    AzureOpenAIProvider,
    GeminiProvider,
    OllamaProvider,
    OpenAIProvider,
    VertexProvider,
)
from aiclient.providers._endpoint import Endpoint
from aiclient.providers._http import HTTPProvider
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

MODELS = {"data": [{"id": "a"}]}


def ollama(played, **options):
    return OllamaProvider("http://127.0.0.1:11434", http_client=played.client, **options)


# --- describe ---


@pytest.mark.parametrize(
    ("provider", "wire", "base_url", "words"),
    [
        (
            OpenAIProvider("k", model="m"),
            "openai_chat",
            "https://api.openai.com/v1",
            "chat stream preview embeddings list_models",
        ),
        (
            OpenAIProvider("k", model="m", api="responses"),
            "responses",
            "https://api.openai.com/v1",
            "chat stream preview embeddings list_models count_tokens",
        ),
        (
            AzureOpenAIProvider("https://x.example", api_key="azure-key", model="m", api_version="1"),
            "openai_chat",
            "https://x.example/openai",
            "chat stream preview embeddings",
        ),
        (
            AnthropicProvider("k", model="m"),
            "anthropic",
            "https://api.anthropic.com",
            "chat stream preview list_models count_tokens",
        ),
        (
            GeminiProvider("k", model="m"),
            "gemini",
            "https://generativelanguage.googleapis.com/v1beta",
            "chat stream preview embeddings list_models count_tokens",
        ),
        (
            VertexProvider("p", credentials=lambda: "t", model="m"),
            "gemini",
            "https://aiplatform.googleapis.com/v1/projects/p/locations/global",
            "chat stream preview embeddings count_tokens",
        ),
        (
            OllamaProvider("http://127.0.0.1:11434", model="m"),
            "ollama",
            "http://127.0.0.1:11434",
            "chat stream preview embeddings list_models",
        ),
    ],
    ids=["openai", "responses", "azure", "anthropic", "gemini", "vertex", "ollama"],
)
def test_a_provider_describes_itself(provider, wire, base_url, words):
    assert provider.describe() == Description(provider.name, wire, base_url, "m", frozenset(words.split()))


def test_both_are_found_through_layers_and_not_in_a_mock():
    client = AsyncClient(AnthropicProvider("sk-ant-x")).use(Retry())
    assert find(client, Describes) is find(client, Checks) is not None
    assert find(MockProvider(), Checks) is None
    assert aiclient.Health(True, 0.1, None).category is None


def test_what_has_nothing_describes_nothing():
    bare = HTTPProvider(name="bare", endpoint=Endpoint("https://x"), key=ApiKey("k", provider="bare"), vendor="bare")
    assert bare.describe() == Description("bare", None, "https://x", None, frozenset())


# --- health ---


async def test_a_service_that_answers_is_well(service, still):
    played = service(lambda _: still.advance(0.25) or {"models": [{"name": "llama3"}]})
    health = await ollama(played).health(clock=still)
    assert (health.ok, health.category, health.latency) == (True, None, 0.25)
    assert health.checked_at.timestamp() == still.time() - 0.25
    assert played.urls == ["http://127.0.0.1:11434/api/tags"]


@pytest.mark.parametrize(
    ("answer", "category"),
    [
        ((500, {"error": "no"}, {}), "server"),
        ((401, {"error": "no"}, {}), "authentication"),
        ((503, {"error": "no"}, {}), "overloaded"),
        ([1], "protocol"),
    ],
)
async def test_a_service_that_fails_is_not_and_why(service, still, answer, category):
    health = await ollama(service(answer)).health(clock=still)
    assert (health.ok, health.category) == (False, category)


async def test_a_service_that_cannot_be_reached_is_not(service, still):
    def refuse(_):
        raise httpx.ConnectError("refused")

    health = await ollama(service(refuse)).health(clock=still)
    assert (health.ok, health.category) == (False, "connection")


async def test_the_result_is_kept_for_a_minute_good_or_bad(service, still):
    played = service({"models": []}, (500, {}, {}), {"models": []})
    provider = ollama(played)
    first = await provider.health(clock=still)
    still.advance(59.9)
    assert await provider.health(clock=still) is first
    still.advance(0.1)
    second = await provider.health(clock=still)
    assert (first.ok, second.ok, len(played.requests)) == (True, False, 2)
    still.advance(30)
    assert await provider.health(clock=still) is second
    still.advance(30)
    assert (await provider.health(clock=still)).ok


class Slow:
    """A provider whose check waits until it is let go on."""

    def __init__(self, **options):
        self.asked = 0
        self.go_on = asyncio.Event()
        outer = self

        class Provider(OllamaProvider):
            async def list_models(self):
                outer.asked += 1
                await outer.go_on.wait()
                return ()

        self.provider = Provider("http://127.0.0.1:11434", **options)


async def test_who_comes_meanwhile_is_told_the_same(still):
    slow = Slow()
    tasks = [asyncio.ensure_future(slow.provider.health(clock=still)) for _ in range(5)]
    for _ in range(3):
        await asyncio.sleep(0)
    slow.go_on.set()
    first, *others = await asyncio.gather(*tasks)
    assert all(other is first for other in others)
    assert slow.asked == 1


async def test_a_check_that_is_cancelled_leaves_the_next_one_to_ask_for_itself(still):
    slow = Slow()
    first, second = (asyncio.ensure_future(slow.provider.health(clock=still)) for _ in range(2))
    for _ in range(3):
        await asyncio.sleep(0)
    first.cancel()
    slow.go_on.set()
    assert (await second).ok
    assert (first.cancelled(), slow.asked) == (True, 2)


@pytest.mark.parametrize(
    ("own", "limit"), [(None, 10.0), (3.0, 3.0), (Timeouts(total=None), 10.0)], ids=["none", "lower", "unlimited"]
)
async def test_a_check_does_not_wait_as_long_as_a_call(service, still, own, limit):
    seen = []

    class Provider(OllamaProvider):
        async def list_models(self):
            seen.append(self._fresh().timeouts.total)
            return await super().list_models()

    provider = Provider(
        "http://127.0.0.1:11434", http_client=service({"models": []}).client, **({"timeout": own} if own else {})
    )
    await provider.health(clock=still)
    await provider.list_models()
    assert seen[0] == limit
    assert seen[1] != limit or own == limit  # only the check is hurried


async def test_each_service_is_asked_for_what_costs_nothing(service, still):
    played = service(MODELS)
    for provider in (
        OpenAIProvider("k", http_client=played.client),
        AnthropicProvider("k", http_client=played.client),
        AzureOpenAIProvider("https://x.example", api_key="azure-key", http_client=played.client),
    ):
        assert (await provider.health(clock=still)).ok
    assert [request.url.path for request in played.requests] == ["/v1/models", "/v1/models", "/openai/v1/models"]
    assert {request.method for request in played.requests} == {"GET"}
    counted = service({"totalTokens": 1})
    vertex = VertexProvider("p", credentials=lambda: "t", model="gemini-x", http_client=counted.client)
    assert (await vertex.health(clock=still)).ok
    assert counted.sent.url.path.endswith("/models/gemini-x:countTokens")


async def test_what_cannot_be_checked_says_so(still):
    bare = HTTPProvider(name="bare", endpoint=Endpoint("https://x"), key=ApiKey("k", provider="bare"), vendor="bare")
    with pytest.raises(UnsupportedFeatureError, match="bare offers nothing cheap"):
        await bare.health(clock=still)


async def test_a_wrong_set_up_is_found_out_by_a_check(service, still):
    openai = OpenAIProvider("sk-ant-not-ours", http_client=service(MODELS).client)
    with pytest.raises(ConfigError):
        openai.validate_config()
    assert (await openai.health(clock=still)).category == "config"
