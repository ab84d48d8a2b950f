"""Every option at every protocol: it is sent, or its absence is told. Never silence."""

from __future__ import annotations

import contextlib
import json

import pytest

from aiclient.errors import InvalidRequestError, UnsupportedFeatureError
from aiclient.messages import Message
from aiclient.request import ChatOptions, ChatRequest, PromptCache, Reasoning, ResponseFormat, Tool, ToolChoice
from aiclient.wire.anthropic import AnthropicWire
from aiclient.wire.cohere import CohereChat
from aiclient.wire.converse import ConverseWire
from aiclient.wire.gemini import GeminiWire
from aiclient.wire.ollama import OllamaChat
from aiclient.wire.openai_chat import OpenAIChat
from aiclient.wire.profiles import PROFILES
from aiclient.wire.responses import ResponsesWire

WIRES = {
    **{name: (OpenAIChat(profile), "m", name) for name, profile in PROFILES.items()},
    "responses": (ResponsesWire(), "gpt-5", "openai"),
    "anthropic": (AnthropicWire(), "claude-sonnet-4-5", "anthropic"),
    "gemini": (GeminiWire(), "gemini-3-pro", "gemini"),
    "vertex": (GeminiWire(vertex=True), "gemini-3-pro", "gemini"),
    "bedrock": (ConverseWire(), "anthropic.claude-sonnet-4-5", "bedrock"),
    "nova": (ConverseWire(), "amazon.nova-lite-v1:0", "bedrock"),
    "ollama's own": (OllamaChat(), "m", "ollama"),
    "cohere": (CohereChat(), "command-a", "cohere"),
}
TOOLS = (Tool("f"),)
SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}
OPTIONS = {
    # Two requests each, which differ in the option alone.
    "temperature": ({}, {"temperature": 0.5}),
    "max_tokens": ({}, {"max_tokens": 77}),
    "top_p": ({}, {"top_p": 0.5}),
    "top_k": ({}, {"top_k": 5}),
    "seed": ({}, {"seed": 7}),
    "stop": ({}, {"stop": ("x",)}),
    "frequency_penalty": ({}, {"frequency_penalty": 0.5}),
    "presence_penalty": ({}, {"presence_penalty": 0.5}),
    "tools": ({}, {"tools": TOOLS}),
    "tool_choice none": ({"tools": TOOLS}, {"tools": TOOLS, "tool_choice": ToolChoice("none")}),
    "tool_choice required": ({"tools": TOOLS}, {"tools": TOOLS, "tool_choice": ToolChoice("required")}),
    "tool_choice named": ({"tools": TOOLS}, {"tools": TOOLS, "tool_choice": ToolChoice("named", "f")}),
    "tools strict": ({"tools": TOOLS}, {"tools": (Tool("f", strict=True),)}),
    "parallel_tool_calls": ({"tools": TOOLS}, {"tools": TOOLS, "parallel_tool_calls": False}),
    "response_format json": ({}, {"response_format": ResponseFormat("json")}),
    "response_format schema": ({}, {"response_format": ResponseFormat("schema", SCHEMA)}),
    "reasoning effort": ({}, {"reasoning": Reasoning("high")}),
    "reasoning budget": ({}, {"reasoning": Reasoning(budget_tokens=2000)}),
    "prompt_cache": ({}, {"prompt_cache": PromptCache("24h", "group")}),
    "n": ({}, {"n": 2}),
    "logprobs": ({}, {"logprobs": 3}),
    "service_tier": ({}, {"service_tier": "flex"}),
    "user_id": ({}, {"user_id": "u1"}),
    "metadata": ({}, {"metadata": {"a": "b"}}),
}


def sent(wire, **options):
    """Return the body, and the settings that were warned of."""
    codec, model, _ = WIRES[wire]
    messages = [Message("system", "Be brief."), Message("user", "Hello")]
    call, warnings = codec.encode(ChatRequest(messages, ChatOptions(**options)), model=model, stream=False)
    return json.loads(call.body), [warning.setting for warning in warnings]


@pytest.mark.sampled(5)
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("wire", WIRES)
def test_an_option_is_sent_or_told(wire, option):
    without, with_it = OPTIONS[option]
    body, told = sent(wire, **with_it)
    assert body != sent(wire, **without)[0] or told
    assert len(told) == len(set(told))
    assert None not in told


@pytest.mark.sampled(5)
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("wire", WIRES)
def test_a_strict_request_is_refused_exactly_where_something_is_told(wire, option):
    _, told = sent(wire, **OPTIONS[option][1])
    with pytest.raises(UnsupportedFeatureError) if told else contextlib.nullcontext():
        sent(wire, strict=True, **OPTIONS[option][1])


@pytest.mark.parametrize("wire", WIRES)
def test_what_no_option_stands_for_goes_through_the_services_namespace_and_through_no_other(wire):
    own = WIRES[wire][2]
    settings = {"safetySettings": [{"category": "x", "threshold": "y"}]}
    body, told = sent(wire, extra={own: settings})
    assert body["safetySettings"] == settings["safetySettings"]
    assert told == []
    assert "safetySettings" not in sent(wire, extra={"somebody": settings})[0]


@pytest.mark.parametrize(
    "wire", sorted(WIRES.keys() - {"gemini", "vertex", "bedrock", "nova"})
)  # there the URL says it
def test_streaming_is_not_switched_by_extra(wire):
    with pytest.raises(InvalidRequestError, match="stream"):
        sent(wire, extra={WIRES[wire][2]: {"stream": True}})
