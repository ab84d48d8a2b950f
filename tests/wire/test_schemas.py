"""Schemas in requests, at every service: lowered where it promises to keep to them, and otherwise as they were given."""

from __future__ import annotations

import dataclasses
import enum
import json
from datetime import date
from typing import Annotated, Any, Literal

import pytest

from aiclient.errors import UnsupportedFeatureError
from aiclient.messages import Message
from aiclient.request import ChatOptions, ChatRequest, ResponseFormat, Tool
from aiclient.schema.bounds import Bounds
from aiclient.schema.lowering import lowered
from aiclient.schema.schema import json_schema
from aiclient.wire.anthropic import AnthropicWire
from aiclient.wire.cohere import CohereChat
from aiclient.wire.converse import ConverseWire
from aiclient.wire.gemini import GeminiWire
from aiclient.wire.ollama import OllamaChat
from aiclient.wire.openai_chat import OpenAIChat
from aiclient.wire.profiles import PROFILES
from aiclient.wire.responses import ResponsesWire


class Mood(enum.Enum):
    GOOD = "good"
    BAD = 2


@dataclasses.dataclass
class Order:
    """An order.

    Args:
        sku: What is ordered.
    """

    sku: Annotated[str, Bounds(pattern="^[A-Z]{3}$")]
    count: Annotated[int, Bounds(gt=0, le=99)] = 1
    place: tuple[float, float] | None = None
    mood: Mood | Literal["none"] = Mood.GOOD
    on: date | None = None


@dataclasses.dataclass
class Tree:
    value: str
    children: list[Tree]


ORDER = json_schema(Order)
MAP = json_schema(dict[str, int])
WHOLE = {"type": "object", "properties": {"map": MAP}, "required": ["map"], "additionalProperties": False}

WIRES: dict[str, tuple[Any, str, str]] = {
    "openai": (OpenAIChat(PROFILES["openai"]), "gpt-5-mini", "openai"),
    "azure": (OpenAIChat(PROFILES["azure"]), "gpt-5-mini", "openai"),
    "responses": (ResponsesWire(), "gpt-5-mini", "openai"),
    "mistral": (OpenAIChat(PROFILES["mistral"]), "mistral-large-latest", "mistral"),
    "llamacpp": (OpenAIChat(PROFILES["llamacpp"]), "qwen", "llamacpp"),
    "compatible": (OpenAIChat(PROFILES["compatible"]), "x", "generic"),
    "anthropic": (AnthropicWire(), "claude-haiku-4-5", "anthropic"),
    "bedrock": (ConverseWire(), "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock"),
    "gemini": (GeminiWire(), "gemini-2.5-flash", "gemini"),
    "cohere": (CohereChat(), "command-a-03-2025", "cohere"),
    "ollama": (OllamaChat(), "qwen3", "llamacpp"),
}


def encoded(name, **options):
    wire, model, _ = WIRES[name]
    call, warnings = wire.encode(ChatRequest([Message("user", "x")], ChatOptions(**options)), model=model, stream=False)
    return call, json.loads(call.body), [warning.code for warning in warnings]


def tool_of(body):
    """Return the schema of the one tool, wherever the service has it."""
    tool = (body.get("tools") or body["toolConfig"]["tools"])[0]
    tool = tool.get("function") or tool.get("toolSpec") or (tool.get("functionDeclarations") or [tool])[0]
    found = tool.get("parameters") or tool.get("input_schema") or tool.get("parametersJsonSchema")
    return found or tool["inputSchema"]["json"]


def format_of(body):
    """Return the schema of the answer, wherever the service has it."""
    if "outputConfig" in body:
        return json.loads(body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"])
    if "generationConfig" in body:
        return body["generationConfig"]["responseJsonSchema"]
    form = (
        body.get("response_format") or body.get("format") or body.get("text", body.get("output_config", {}))["format"]
    )
    form = form.get("json_schema", form)
    return form.get("schema", form) if "properties" not in form else form


@pytest.mark.parametrize("name", [name for name in WIRES if name != "ollama"])
def test_a_strict_tool_has_its_schema_as_the_service_takes_it(name):
    _, body, _ = encoded(name, tools=[Tool("order", "", ORDER, strict=True)])
    assert tool_of(body) == lowered(ORDER, WIRES[name][2]).schema


@pytest.mark.parametrize("name", WIRES)
def test_the_schema_of_an_answer_is_as_the_service_takes_it(name):
    _, body, _ = encoded(name, response_format=ResponseFormat("schema", ORDER, "order", strict=True))
    assert format_of(body) == lowered(ORDER, WIRES[name][2]).schema


@pytest.mark.parametrize(
    ("name", "lost"), [("openai", "prefixItems"), ("anthropic", "pattern, exclusiveMinimum, maximum, prefixItems")]
)
def test_what_binds_nobody_is_named_in_a_warning(name, lost):
    wire, model, _ = WIRES[name]
    options = ChatOptions(tools=[Tool("order", "", ORDER, strict=True)])
    _, (warning,) = wire.encode(ChatRequest([Message("user", "x")], options), model=model, stream=False)
    assert warning.code == "changed_schema" and warning.message.startswith(lost)


@pytest.mark.parametrize(
    "name", ["openai", "responses", "mistral", "compatible", "anthropic", "bedrock", "cohere", "ollama"]
)
def test_a_tool_that_is_not_strict_has_its_schema_as_it_was_given(name):
    _, body, warnings = encoded(name, tools=[Tool("order", "", ORDER)])
    assert (tool_of(body), warnings) == (ORDER, [])


@pytest.mark.parametrize("name", ["gemini", "llamacpp"])
def test_a_service_that_knows_one_form_alone_gets_it_without_a_warning(name):
    _, body, warnings = encoded(name, tools=[Tool("order", "", ORDER)])
    assert (tool_of(body), warnings) == (lowered(ORDER, WIRES[name][2]).schema, [])


@pytest.mark.parametrize("name", ["openai", "azure", "responses", "anthropic", "bedrock"])
def test_a_tool_that_the_service_cannot_be_strict_about_is_not_strict_and_that_is_said(name):
    _, body, warnings = encoded(name, tools=[Tool("f", "", WHOLE, strict=True)])
    assert (tool_of(body), '"strict":true' in json.dumps(body), warnings) == (WHOLE, False, ["unsupported_setting"])
    with pytest.raises(UnsupportedFeatureError, match="keys of any name"):
        encoded(name, tools=[Tool("f", "", WHOLE, strict=True)], strict=True)


def test_all_tools_of_cohere_are_strict_or_none_is():
    optional = Tool("f", "", {"type": "object", "properties": {"a": {"type": "integer"}}}, strict=True)
    _, body, warnings = encoded("cohere", tools=[Tool("order", "", ORDER, strict=True), optional])
    assert "strict_tools" not in body and tool_of(body) == ORDER
    assert warnings == ["changed_schema", "unsupported_setting"]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        (
            "openai",
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "map", "schema": WHOLE, "strict": False},
                }
            },
        ),
        ("responses", {"text": {"format": {"type": "json_schema", "name": "map", "schema": WHOLE, "strict": False}}}),
        ("anthropic", {}),
        ("bedrock", {}),
    ],
)
def test_a_schema_that_the_service_cannot_follow_is_not_promised(name, form):
    _, body, warnings = encoded(name, response_format=ResponseFormat("schema", WHOLE, "map", strict=True))
    fields = ("response_format", "text", "output_config", "outputConfig")
    assert {field: body[field] for field in fields if field in body} == form
    assert warnings == ["unsupported_setting"]


def test_cohere_is_asked_for_any_json_where_it_cannot_follow_the_schema():
    _, body, warnings = encoded("cohere", response_format=ResponseFormat("schema", json_schema(list[int])))
    assert (body["response_format"], warnings) == ({"type": "json_object"}, ["unsupported_setting"])


def test_gemini_is_sent_a_schema_that_it_may_not_follow_all_the_same():
    tree = json_schema(Tree)
    _, body, warnings = encoded("gemini", response_format=ResponseFormat("schema", tree))
    assert (format_of(body), warnings) == (tree, ["unsupported_setting"])


# --- what the vendors publish ---

URLS = {
    "openai": "https://api.openai.com/v1",
    "responses": "https://api.openai.com/v1",
    "mistral": "https://api.mistral.ai/v1",
    "anthropic": "https://api.anthropic.com",
    "bedrock": "https://bedrock-runtime.us-east-1.amazonaws.com",
    "gemini": "https://generativelanguage.googleapis.com/v1beta",
}
PROTOCOLS = {"responses": "openai"}


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize(
    "kind", [Order, Tree, Mood, dict[str, Order], list[Order | None], int | str, tuple[int, str]], ids=str
)
def test_schemas_of_types_are_taken_by_the_published_specifications(name, kind, validate):
    schema = {
        "type": "object",
        "properties": {"a": json_schema(kind)},
        "required": ["a"],
        "additionalProperties": False,
    }
    definitions = schema["properties"]["a"].pop("$defs", None)
    schema |= {"$defs": definitions} if definitions else {}
    form = ResponseFormat("schema", schema, "thing", strict=True)
    call, body, _ = encoded(name, tools=[Tool("f", "Does.", schema, strict=True)], response_format=form, max_tokens=100)
    headers = dict(call.headers) | {"authorization": "Bearer x", "anthropic-version": "2023-06-01", "x-api-key": "x"}
    url = URLS[name] + call.url.removeprefix("/v1" if name == "openai" else "\0")
    assert validate(call.method, url, headers, body, protocol=PROTOCOLS.get(name, name)) == []
