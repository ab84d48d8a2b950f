"""Calls to the real services: off by default, and each skipped without its vendor's key.

    python -m pytest -m live tests/live

Every answer is capped in tokens and the calls are spaced, so that a run costs cents and meets no limit.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import pytest
from attrs import frozen

from aiclient import AsyncClient, AuthenticationError, BadRequestError, PermissionDeniedError, Tool
from aiclient.provider import Provider
from aiclient.providers import (
    AnthropicProvider,
    AzureOpenAIProvider,
    BedrockProvider,
    CohereProvider,
    GeminiProvider,
    MistralProvider,
    OpenAIProvider,
    VertexProvider,
    compatible,
)

pytestmark = [pytest.mark.live, pytest.mark.anyio]

MOST_TOKENS = 400
"""Enough for a model that thinks before it answers."""

SPACING = 1.0
"""Seconds between calls, for the smallest tiers."""


@frozen
class Service:
    """One service: how to make its provider, the variables that must be set, its models, and a key it refuses."""

    make: Callable[..., Provider]
    needs: tuple[str, ...]
    model: str
    embeds: str | None = None
    wrong: Callable[[], Provider] | None = None


def variable(name, default):
    return os.environ.get(f"AICLIENT_LIVE_{name}", default)


SERVICES = {
    "openai": Service(
        OpenAIProvider,
        ("OPENAI_API_KEY",),
        variable("OPENAI_MODEL", "gpt-5.4-mini"),
        "text-embedding-3-small",
        lambda: OpenAIProvider("sk-wrong-0123456789"),
    ),
    "openai-responses": Service(
        lambda **options: OpenAIProvider(api="responses", **options),
        ("OPENAI_API_KEY",),
        variable("OPENAI_MODEL", "gpt-5.4-mini"),
    ),
    "anthropic": Service(
        AnthropicProvider,
        ("ANTHROPIC_API_KEY",),
        variable("ANTHROPIC_MODEL", "claude-haiku-4-5"),
        wrong=lambda: AnthropicProvider("sk-ant-wrong-0123456789"),
    ),
    "gemini": Service(
        GeminiProvider,
        ("GEMINI_API_KEY",),
        variable("GEMINI_MODEL", "gemini-3.6-flash"),
        "gemini-embedding-001",
        lambda: GeminiProvider("wrong-0123456789"),
    ),
    "vertex": Service(VertexProvider, ("GOOGLE_CLOUD_PROJECT",), variable("VERTEX_MODEL", "gemini-3.6-flash")),
    "azure": Service(
        AzureOpenAIProvider,
        ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY", "AICLIENT_LIVE_AZURE_MODEL"),
        variable("AZURE_MODEL", ""),
        wrong=lambda: AzureOpenAIProvider(api_key="wrong-0123456789"),
    ),
    "bedrock": Service(
        BedrockProvider,
        ("AWS_REGION", "AICLIENT_LIVE_BEDROCK_MODEL"),
        variable("BEDROCK_MODEL", ""),
        wrong=lambda: BedrockProvider(bearer_token="wrong-0123456789"),
    ),
    "mistral": Service(
        MistralProvider,
        ("MISTRAL_API_KEY",),
        variable("MISTRAL_MODEL", "mistral-small-latest"),
        "mistral-embed",
        lambda: MistralProvider("wrong-0123456789"),
    ),
    "cohere": Service(
        CohereProvider,
        ("CO_API_KEY",),
        variable("COHERE_MODEL", "command-a-03-2025"),
        "embed-v4.0",
        lambda: CohereProvider("wrong-0123456789"),
    ),
    "groq": Service(
        lambda **options: compatible("groq", **options),
        ("GROQ_API_KEY",),
        variable("GROQ_MODEL", "llama-3.3-70b-versatile"),
        wrong=lambda: compatible("groq", api_key="gsk_wrong0123456789"),
    ),
    "openrouter": Service(
        lambda **options: compatible("openrouter", **options),
        ("OPENROUTER_API_KEY",),
        variable("OPENROUTER_MODEL", "openai/gpt-5.4-mini"),
        wrong=lambda: compatible("openrouter", api_key="sk-or-wrong-0123456789"),
    ),
}


@pytest.fixture(params=SERVICES)
async def service(request):
    found = SERVICES[request.param]
    missing = [name for name in found.needs if not os.environ.get(name)]
    if missing:
        pytest.skip(f"{', '.join(missing)} not set")
    yield found
    await asyncio.sleep(SPACING)


@pytest.fixture
async def client(service):
    async with AsyncClient(service.make(model=service.model), timeout=60) as client:
        yield client


async def test_a_chat_is_answered_with_its_usage(client):
    response = await client.new_request().user("Reply with the word ok.").max_tokens(MOST_TOKENS).do()
    assert "ok" in response.message.content.lower()
    assert response.finish_reason == "stop"
    assert response.usage.total_tokens
    assert response.model


async def test_a_conversation_goes_on_from_its_messages(client):
    first = client.new_request().user("Remember the number 4711. Reply with ok.").max_tokens(MOST_TOKENS)
    answer = (await first.do()).message
    second = await first.messages(answer).user("Which number? Reply with the number alone.").do()
    assert "4711" in second.message.content


async def test_a_stream_gives_its_text_in_pieces_and_its_usage(client):
    async with client.new_request().user("Count from 1 to 20.").max_tokens(MOST_TOKENS).stream() as stream:
        pieces = [text async for text in stream.text]
    assert len(pieces) > 1
    assert "".join(pieces) == stream.response.message.content
    assert stream.response.usage.completion_tokens


async def test_a_tool_is_asked_for_and_its_result_used(client):
    city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    asked = client.new_request().user("What is the weather in Paris?").max_tokens(MOST_TOKENS)
    asked = asked.tools(Tool("weather", "The weather in a city.", city))
    answer = await asked.do()
    (call, *_) = answer.message.tool_calls
    assert answer.finish_reason == "tool_calls"
    assert "Paris" in call.parsed["city"]
    final = asked.messages(answer.message)
    for each in answer.message.tool_calls:
        final = final.tool_result(each.id, "21 degrees, sunny")
    assert "21" in (await final.do()).message.content


async def test_texts_are_embedded(service, client):
    if service.embeds is None:
        pytest.skip("no embedding model is named for this service")
    response = await client.embed(["one", "two"], model=service.embeds)
    assert len(response.vectors) == 2
    assert len(response.vectors[0]) == len(response.vectors[1]) > 100


async def test_a_wrong_key_is_told_as_such(service):
    if service.wrong is None:
        pytest.skip("this service takes no key of its own")
    async with AsyncClient(service.wrong()) as client:
        with pytest.raises((AuthenticationError, PermissionDeniedError, BadRequestError)) as caught:
            await client.new_request().model(service.model).user("hi").max_tokens(MOST_TOKENS).do()
    assert caught.value.category in ("authentication", "permission")
