"""The same program on every wire, over real connections: three tools, two at once, one that fails, a typed result."""

from __future__ import annotations

import json
from typing import TypedDict

import pytest

from aiclient import Client, ToolCall, ToolError, providers, tool
from aiclient.testutil import LoopbackServer

KEY = "sk-loopback-0123456789"
MODEL = "loopback"

WIRES = {
    "openai": lambda url: providers.OpenAIProvider(KEY, model=MODEL, base_url=f"{url}/v1"),
    "responses": lambda url: providers.OpenAIProvider(KEY, model=MODEL, base_url=f"{url}/v1", api="responses"),
    "compatible": lambda url: providers.CompatibleProvider(f"{url}/v1", api_key=KEY, model=MODEL),
    "anthropic": lambda url: providers.AnthropicProvider(KEY, model=MODEL, base_url=url),
    "gemini": lambda url: providers.GeminiProvider(KEY, model=MODEL, base_url=f"{url}/v1beta"),
    "vertex": lambda url: providers.VertexProvider(
        "p", "us-central1", credentials=lambda: "t", model=MODEL, base_url=url
    ),
    "bedrock": lambda url: providers.BedrockProvider("us-east-1", bearer_token=KEY, model=MODEL, base_url=url),
    "ollama": lambda url: providers.OllamaProvider(url, model=MODEL),
    "mistral": lambda url: providers.MistralProvider(KEY, model=MODEL, base_url=f"{url}/mistral/v1"),
    "cohere": lambda url: providers.CohereProvider(KEY, model=MODEL, base_url=url),
    "groq": lambda url: providers.compatible("groq", api_key=KEY, model=MODEL, base_url=f"{url}/v1"),
    "azure": lambda url: providers.AzureOpenAIProvider(url, api_key=KEY, model=MODEL),
}
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


class Report(TypedDict):
    city: str
    advice: list[str]


@tool
def weather(city: str) -> str:
    """Say what the weather is like."""
    return f"rain in {city}"


@tool
async def hour(city: str, *, summer: bool = False) -> dict[str, object]:
    """Say how late it is."""
    return {"city": city, "hour": 12 + summer}


@tool
def stock(item: str) -> int:
    """Say how many there are."""
    raise ToolError(f"no {item} here")


REPORT = {"city": "Bonn", "advice": ["take an umbrella", 'say "hello"']}
SCRIPT = [
    [
        ToolCall("", "weather", '{"city": "Bonn"}'),
        ToolCall("", "hour", '{"city": "Köln \\"am Rhein\\"", "summer": true}'),
    ],
    [ToolCall("", "stock", '{"item": "umbrella"}')],
    json.dumps(REPORT),
]


def program(wire, stream):
    """Run it; return the result and what the server got."""
    answers = iter(SCRIPT)
    with LoopbackServer(reply=lambda _: next(answers)) as server, Client(WIRES[wire](server.url)) as client:
        builder = client.new_request().system("Be brief.").user("What do I need in Bonn?").output(Report)
        if stream:
            with builder.run_stream([weather, hour, stock]) as run:
                kinds = [event.kind for event in run if event.kind != "chunk"]
            result = run.result
            assert sorted(kinds[:5]) == ["answer", "tool_ended", "tool_ended", "tool_started", "tool_started"]
            assert kinds[5:] == ["answer", "tool_started", "tool_ended", "answer", "end"]
        else:
            result = builder.run([weather, hour, stock])
        return result, server.requests


@BOTH
@pytest.mark.parametrize("wire", WIRES)
def test_the_transcript_has_the_same_shape_on_every_wire(wire, stream):
    result, requests = program(wire, stream)
    assert (result.stopped, result.output) == ("answer", REPORT)
    assert [message.role for message in result.messages] == [
        *("system", "user"),
        *("assistant", "tool"),
        *("assistant", "tool"),
        "assistant",
    ]
    assert [(use.call.name, use.outcome, use.value) for use in result.uses] == [
        ("weather", "ok", "rain in Bonn"),
        ("hour", "ok", {"city": 'Köln "am Rhein"', "hour": 13}),
        ("stock", "failed", None),
    ]
    assert len({use.call.id for use in result.uses}) == 3
    assert len(requests) == 3


@pytest.mark.parametrize("wire", WIRES)
def test_what_the_tools_gave_is_in_the_next_request(wire):
    _, requests = program(wire, stream=False)
    second, third = (json.dumps(request.json, ensure_ascii=False) for request in requests[1:])
    assert "rain in Bonn" in second
    assert "no umbrella here" not in second
    assert "no umbrella here" in third
