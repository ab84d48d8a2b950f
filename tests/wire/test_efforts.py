"""How much to think, at every service, as docs/reasoning.md has it; and how long a prompt is kept."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from aiclient.errors import InvalidRequestError, UnsupportedFeatureError
from aiclient.messages import Message
from aiclient.request import EFFORTS, ChatOptions, ChatRequest, PromptCache, Reasoning
from aiclient.wire.anthropic import AnthropicWire
from aiclient.wire.cohere import CohereChat
from aiclient.wire.converse import ConverseWire
from aiclient.wire.efforts import BUDGETS, effort_for, taking
from aiclient.wire.gemini import GeminiWire
from aiclient.wire.ollama import OllamaChat
from aiclient.wire.openai_chat import OpenAIChat
from aiclient.wire.profiles import PROFILES
from aiclient.wire.responses import ResponsesWire

PAGE = (Path(__file__).parents[2] / "docs" / "reasoning.md").read_text("utf-8")

WIRES = {
    "OpenAI": (OpenAIChat(), "gpt-5.2"),
    "OpenAI responses": (ResponsesWire(), "gpt-5.2"),
    "Azure": (OpenAIChat(PROFILES["azure"]), "m"),
    "Claude from 4.7": (AnthropicWire(), "claude-opus-4-8"),
    "Claude 4.6": (AnthropicWire(), "claude-opus-4-6"),
    "Claude up to 4.5": (AnthropicWire(), "claude-sonnet-4-5"),
    "Gemini 3 Flash": (GeminiWire(), "gemini-3-flash-preview"),
    "Gemini 3.1 Pro": (GeminiWire(), "gemini-3.1-pro-preview"),
    "Gemini 3 Pro": (GeminiWire(), "gemini-3-pro-preview"),
    "Gemini 2.5 Flash": (GeminiWire(), "gemini-2.5-flash"),
    "Gemini 2.5 Pro": (GeminiWire(vertex=True), "gemini-2.5-pro"),
    "Bedrock, Claude up to 4.5": (ConverseWire(), "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    "Bedrock, Claude from 4.7": (ConverseWire(), "us.anthropic.claude-opus-4-8-v1:0"),
    "Bedrock, Nova 2": (ConverseWire(), "us.amazon.nova-2-lite-v1:0"),
    "Bedrock, gpt-oss": (ConverseWire(), "openai.gpt-oss-120b-1:0"),
    "Bedrock, others": (ConverseWire(), "meta.llama4-scout-17b-instruct-v1:0"),
    "Mistral": (OpenAIChat(PROFILES["mistral"]), "m"),
    "Cohere": (CohereChat(), "command-a-reasoning"),
    "Ollama, gpt-oss": (OllamaChat(), "gpt-oss:20b"),
    "Ollama, others": (OllamaChat(), "qwen3"),
    "DeepSeek": (OpenAIChat(PROFILES["deepseek"]), "m"),
    "Groq": (OpenAIChat(PROFILES["groq"]), "m"),
    "xAI": (OpenAIChat(PROFILES["xai"]), "m"),
    "Z.AI": (OpenAIChat(PROFILES["zai"]), "m"),
    "OpenRouter": (OpenAIChat(PROFILES["openrouter"]), "m"),
    "other compatible servers": (OpenAIChat(PROFILES["compatible"]), "m"),
}

BUDGETED = (0, 500, 5000, 40000)


def sent(wire, **options):
    codec, model = WIRES[wire]
    request = ChatRequest([Message("user", "Hi")], ChatOptions(**options))
    call, warnings = codec.encode(request, model=model, stream=False)
    return json.loads(call.body), warnings


def asked(wire, wanted):
    """What the service is asked for, in one word, and the codes of the warnings."""
    body, warnings = sent(wire, reasoning=wanted)
    own = body.get("additionalModelRequestFields", {})
    gemini = body.get("generationConfig", {}).get("thinkingConfig", {})
    thinking = own.get("thinking") or body.get("thinking") or {}
    places = (
        body.get("reasoning_effort"),
        own.get("reasoning_effort"),
        own.get("reasoningConfig", {}).get("maxReasoningEffort"),
        (body.get("reasoning") or own.get("reasoning") or {}).get("effort"),
        (body.get("reasoning") or {}).get("max_tokens"),
        body.get("outputConfig", {}).get("effort"),
        body.get("output_config", {}).get("effort"),
        gemini.get("thinkingLevel"),
        gemini.get("thinkingBudget"),
        thinking.get("budget_tokens"),
        thinking.get("token_budget"),
        "off"
        if thinking.get("type") == "disabled" or own.get("reasoningConfig", {}).get("type") == "disabled"
        else None,
        {True: "on", False: "off"}.get(body.get("think"), body.get("think")) if "think" in body else None,
    )
    found = [place for place in places if place is not None]
    assert len(found) <= 1, found
    return str(found[0]) if found else "–", [warning.code for warning in warnings]


def cell(wire, wanted):
    """What the page says: what is asked for; in italics where that is not what was wanted."""
    word, codes = asked(wire, wanted)
    return f"_{word}_" if codes else word


def row(wire, wanted):
    return f"| {wire} | " + " | ".join(cell(wire, one) for one in wanted) + " |"


EFFORT = [Reasoning(word) for word in EFFORTS]
BUDGET = [Reasoning(budget_tokens=tokens) for tokens in BUDGETED]


@pytest.mark.parametrize("wire", WIRES)
def test_the_page_says_what_a_service_is_asked_for(wire):
    rows = re.findall(rf"^\| {re.escape(wire)} \|.*$", PAGE, re.MULTILINE)
    assert rows[:2] == [row(wire, EFFORT), row(wire, BUDGET)]


@pytest.mark.parametrize("wanted", [*EFFORT, *BUDGET], ids=lambda one: str(one.effort or one.budget_tokens))
@pytest.mark.parametrize("wire", WIRES)
def test_what_is_asked_for_is_what_was_wanted_or_is_told_once(wire, wanted):
    _, warnings = sent(wire, reasoning=wanted)
    assert {warning.code for warning in warnings} <= {"rounded_setting", "unsupported_setting"}
    assert len(warnings) <= 1
    place = "reasoning.effort" if wanted.effort is not None else "reasoning.budget_tokens"
    assert {warning.setting for warning in warnings} <= {place, "reasoning"}


@pytest.mark.parametrize("wire", WIRES)
def test_more_is_never_asked_for_with_less(wire):
    """The order of the efforts is kept wherever the service has an order."""
    order = [
        "off",
        "none",
        "minimal",
        "MINIMAL",
        "low",
        "LOW",
        "medium",
        "MEDIUM",
        "high",
        "HIGH",
        "on",
        "xhigh",
        "max",
    ]
    words = [asked(wire, one)[0] for one in EFFORT]
    places = [int(word) if word.isdigit() else order.index(word) for word in words if word not in ("–", "off")]
    assert places == sorted(places)


@pytest.mark.parametrize("wire", WIRES)
def test_a_strict_request_is_refused_where_something_would_be_rounded(wire):
    rounded = [one for one in EFFORT + BUDGET if asked(wire, one)[1]]
    refused = []
    for one in EFFORT + BUDGET:
        try:
            sent(wire, reasoning=one, strict=True)
        except UnsupportedFeatureError:
            refused.append(one)
    assert refused == rounded


@pytest.mark.parametrize(
    ("words", "others", "expected"),
    [
        (EFFORTS, {}, EFFORTS),
        (("low", "medium", "high"), {}, ("low", "low", "low", "medium", "high", "high", "high")),
        (("none", "high"), {}, ("none", "high", "high", "high", "high", "high", "high")),
        (("low", "high", "max"), {}, ("low", "low", "low", "low", "high", "high", "max")),
        (("low", "high", "max"), {"medium": "high"}, ("low", "low", "low", "high", "high", "high", "max")),
    ],
)
def test_the_nearest_word_stands_for_those_that_are_not_taken(words, others, expected):
    assert tuple(taking(*words, **others)[word] for word in EFFORTS) == expected


@pytest.mark.parametrize(
    ("budget", "effort"),
    [(0, "none"), (1, "low"), (2048, "low"), (2049, "medium"), (8192, "medium"), (8193, "high"), (10**9, "high")],
)
def test_a_budget_stands_for_an_effort_that_every_service_has(budget, effort):
    assert effort_for(budget) == effort


def test_every_effort_has_its_budget():
    assert tuple(BUDGETS) == EFFORTS
    assert list(BUDGETS.values()) == sorted(BUDGETS.values())


# --- what is refused ---


@pytest.mark.parametrize("given", [{}, {"effort": "low", "budget_tokens": 5}, {"effort": "none", "budget_tokens": 0}])
def test_both_and_neither_are_refused(given):
    with pytest.raises(InvalidRequestError, match="give an effort or budget_tokens, one of them"):
        Reasoning(**given)


@pytest.mark.parametrize("word", ["hihg", "LOW", "", "default"])
def test_a_word_that_is_none_of_ours_is_refused_with_the_way_for_a_vendors_own(word):
    with pytest.raises(InvalidRequestError, match=r"none of none, minimal, .*extra\('openai', reasoning_effort="):
        Reasoning(word)


def test_a_vendors_own_word_goes_through_extra():
    body, warnings = sent("Groq", extra={"groq": {"reasoning_effort": "default"}})
    assert (body["reasoning_effort"], warnings) == ("default", ())


# --- budgets and the limit of the answer ---


@pytest.mark.parametrize("wire", ["Claude up to 4.5", "Bedrock, Claude up to 4.5"])
@pytest.mark.parametrize(
    ("budget", "limit", "asked_for", "code"),
    [
        (5000, None, 5000, None),
        (5000, 5001, 5000, None),
        (5000, 5000, 4999, "rounded_setting"),
        (5000, 1025, 1024, "rounded_setting"),
        (5000, 1024, None, "unsupported_setting"),
        (1, 4000, 1024, "rounded_setting"),
        (100_000, None, 100_000, None),
    ],
)
def test_claudes_budget_stays_below_the_limit_and_above_the_least(wire, budget, limit, asked_for, code):
    body, warnings = sent(wire, reasoning=Reasoning(budget_tokens=budget), max_tokens=limit)
    thinking = (body.get("additionalModelRequestFields") or body).get("thinking", {})
    assert thinking.get("budget_tokens") == asked_for
    assert [warning.code for warning in warnings] == [code] * (code is not None)


@pytest.mark.parametrize(
    ("model", "budget", "asked_for"),
    [
        ("gemini-2.5-pro", 0, 128),
        ("gemini-2.5-pro", 50, 128),
        ("gemini-2.5-pro", 32768, 32768),
        ("gemini-2.5-pro", 32769, 32768),
        ("gemini-2.5-computer-use-preview", 24577, 24576),
        ("gemini-2.5-flash", 0, 0),
        ("gemini-2.5-flash", 1, 1),
        ("gemini-2.5-flash", 24577, 24576),
        ("gemini-2.5-flash-lite", 0, 0),
        ("gemini-2.5-flash-lite", 1, 512),
    ],
)
def test_geminis_budgets_stay_within_the_models_range(model, budget, asked_for):
    request = ChatRequest([Message("user", "Hi")], ChatOptions(reasoning=Reasoning(budget_tokens=budget)))
    call, warnings = GeminiWire().encode(request, model=model, stream=False)
    assert json.loads(call.body)["generationConfig"]["thinkingConfig"]["thinkingBudget"] == asked_for
    assert [warning.code for warning in warnings] == ["rounded_setting"] * (budget != asked_for)


@pytest.mark.parametrize("effort", ["none", "low"])
def test_a_gemini_that_does_not_think_is_not_asked_to(effort):
    request = ChatRequest([Message("user", "Hi")], ChatOptions(reasoning=Reasoning(effort)))
    call, warnings = GeminiWire().encode(request, model="gemini-2.0-flash", stream=False)
    assert "generationConfig" not in json.loads(call.body)
    assert [warning.code for warning in warnings] == ["unsupported_setting"]


# --- prompt caching ---

KEPT = (PromptCache("5m"), PromptCache("30m"), PromptCache("1h"), PromptCache("24h"), PromptCache("1h", "users"))


def kept(wire, wanted):
    """What the service is asked for, and whether something is told."""
    body, warnings = sent(wire, prompt_cache=wanted)
    text = json.dumps(body)
    found = [
        *re.findall(r'"prompt_cache_retention": "(\w+)"', text),
        *("1h" if "1h" in point else "5m" for point in re.findall(r'"(?:cache_control|cachePoint)": (\{.*?\})', text)),
        *(["key"] if "prompt_cache_key" in body else []),
    ]
    word = ", ".join(dict.fromkeys(found)) or "–"
    return f"_{word}_" if warnings else word


def kept_row(wire):
    return f"| {wire} | " + " | ".join(kept(wire, one) for one in KEPT) + " |"


ASKED = [wire for wire in WIRES if any(kept(wire, wanted) != "_–_" for wanted in KEPT)]
"""Services that can be asked; the others have no row."""


@pytest.mark.parametrize("wire", WIRES)
def test_the_page_says_how_long_a_prompt_is_kept(wire):
    rows = re.findall(rf"^\| {re.escape(wire)} \|.*$", PAGE, re.MULTILINE)
    assert rows[2:] == ([kept_row(wire)] if wire in ASKED else [])


@pytest.mark.parametrize("wire", WIRES)
def test_what_is_told_of_prompt_caching_has_its_code_and_setting(wire):
    _, warnings = sent(wire, prompt_cache=PromptCache("30m", "users"))
    assert {warning.code for warning in warnings} <= {"rounded_setting", "unsupported_setting"}
    assert all((warning.setting or "").startswith("prompt_cache") for warning in warnings)


if __name__ == "__main__":
    print("| service | " + " | ".join(f"`{word}`" for word in EFFORTS) + " |\n" + "|---" * 8 + "|")
    print("\n".join(row(wire, EFFORT) for wire in WIRES))
    print("\n| service | " + " | ".join(map(str, BUDGETED)) + " |\n" + "|---" * 5 + "|")
    print("\n".join(row(wire, BUDGET) for wire in WIRES))
    print("\n| service | `5m` | `30m` | `1h` | `24h` | `1h`, key |\n" + "|---" * 6 + "|")
    print("\n".join(map(kept_row, ASKED)))
