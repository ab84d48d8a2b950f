"""Estimating input tokens: near what services count, and never nothing."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from aiclient import Client, pricing
from aiclient.errors import ConfigError
from aiclient.messages import (
    DocumentPart,
    ImagePart,
    Message,
    OpaquePart,
    ReasoningPart,
    TextPart,
    ToolCall,
    ToolResultPart,
)
from aiclient.middleware import RateLimit
from aiclient.pricing import DictPrices
from aiclient.provider import ProviderInfo
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest, ResponseFormat, Tool
from aiclient.testutil import MockProvider
from aiclient.tokenizers import FAMILIES, family
from aiclient.tokens import OF_A_MESSAGE, OF_MEDIA, count, estimate

from .recorded_prompts import RECORDINGS, counted

ROOT = Path(__file__).parents[1]


def asked(*parts, **options):
    return ChatRequest([Message("user", list(parts))], ChatOptions(**options))


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (asked("abcd"), 1),
        (asked("abcde"), 2),
        (asked("€"), 1),  # three bytes
        (asked(ReasoningPart("12345678")), 2),
        (asked(ToolCall("c1", "four", '{"a":1} ')), 3),
        (asked(ToolResultPart("c1", [TextPart("12345678")])), 2),
        (asked(OpaquePart("x", {"a": 1})), 2),
        (asked(ImagePart(url="https://x.test/i.png")), OF_MEDIA[ImagePart]),
        (asked("abcd", tools=[Tool("name", "text", {})]), 1 + 3),
        (asked("abcd", response_format=ResponseFormat.of({"type": "object"})), 1 + 5),
    ],
)
def test_each_kind_of_content_counts(request_, expected):
    assert estimate(request_) == OF_A_MESSAGE + expected


def test_texts_to_embed_count_without_a_messages_overhead():
    assert estimate(EmbeddingRequest(["abcd", "abcde"])) == 3


def test_a_text_document_counts_by_its_length_and_a_pdf_by_rule_of_thumb():
    assert estimate(asked(DocumentPart(data=b"x" * 40, media_type="text/plain"))) == OF_A_MESSAGE + 10
    assert estimate(asked(DocumentPart(data=b"x" * 40, media_type="application/pdf"))) == OF_A_MESSAGE + 5000


@given(st.text(max_size=200), st.text(max_size=200))
def test_more_text_is_never_fewer_tokens(one, other):
    assert 1 <= estimate(EmbeddingRequest([one or "x"])) <= estimate(EmbeddingRequest([(one or "x") + other]))


def test_a_lone_surrogate_is_counted_and_not_refused():
    assert estimate(asked("\ud800")) == OF_A_MESSAGE + 1


# --- families ---


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-5-mini", "gpt"),
        ("openai/gpt-4o-2024-11-20", "gpt"),
        ("gpt-4.1", "gpt"),
        ("o4-mini", "gpt"),
        ("gpt-4-turbo", "gpt-4"),
        ("gpt-4", "gpt-4"),
        ("gpt-3.5-turbo", "gpt-4"),
        ("openai/gpt-oss-120b", "gpt-oss"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude"),
        ("models/gemini-2.5-flash", "gemini"),
        ("codestral-latest", "mistral"),
        ("deepseek-r1-distill-llama-70b", "deepseek"),
        ("qwen/qwen3-32b", "qwen"),
        ("x-ai/grok-4.1-fast", "grok"),
        ("amazon.nova-micro-v1:0", "nova"),
        ("command-a-03-2025", "command"),
        ("meta-llama/Llama-3.3-70B", "other"),
        ("my-model", "other"),
        ("", "other"),
        (None, "other"),
    ],
)
def test_a_models_name_tells_its_family(model, name):
    assert family(model).name == name


def test_the_model_that_the_request_names_goes_before_the_one_that_would_be_asked():
    request = ChatRequest([Message("user", "x" * 480)], ChatOptions(model="gpt-5", tools=[Tool("t", "", {})]))
    assert estimate(request, model="claude-opus-4-6") == estimate(request)
    assert (
        estimate(request) < 200 < estimate(evolve(request, options=evolve(request.options, model=None)), model="claude")
    )


def test_a_schema_counts_where_the_service_counts_it():
    request = asked("abcd", response_format=ResponseFormat.of({"type": "object"}))
    assert estimate(request, model="gemini-2.5-flash") == estimate(asked("abcd"), model="gemini-2.5-flash")
    assert estimate(request, model="claude") > estimate(asked("abcd"), model="claude") + 100


# --- counters ---


def test_a_counter_is_asked_of_the_model_that_would_be_asked():
    seen = []
    counter = lambda request: seen.append(request.model) or 7  # a note and a number
    assert count(asked("x"), model="m-1", counter=counter) == 7
    assert count(asked("x", model="named"), model="m-1", counter=counter) == 7
    assert count(EmbeddingRequest(["x"]), model="m-2", counter=counter) == 7
    assert count(asked("x"), counter=counter) == 7
    assert seen == ["m-1", "named", "m-2", None]


def test_without_a_counter_the_tokens_are_estimated_for_the_model():
    for counter in (None, estimate):
        assert count(asked("x" * 100), model="gpt-5", counter=counter) == estimate(asked("x" * 100), model="gpt-5")


@pytest.mark.parametrize("value", [-1, 1.5, None, "3", True], ids=repr)
def test_a_counter_that_does_not_count_is_refused(value):
    with pytest.raises(ConfigError, match="the token counter returned"):
        count(asked("x"), counter=lambda _: value)


@pytest.mark.parametrize("path", ["rate_limit", "estimate", "ceiling"])
def test_wherever_tokens_are_counted_a_counter_sees_the_destinations_model(path, clock):
    seen = []

    def counter(request):
        seen.append(request.model)
        return 1_000_000

    where, prices = ProviderInfo("p", model="m-1"), DictPrices({"m-1": {"input": 1, "output": 1}})

    def limited():
        with Client(MockProvider(model="m-1"), clock=clock) as client:
            client.use(RateLimit(tokens=2_000_000, count_tokens=counter)).chat("x")

    {
        "rate_limit": limited,
        "estimate": lambda: pricing.estimate(asked("x"), model=where, prices=prices, counter=counter),
        "ceiling": lambda: pricing.ceiling(asked("x", max_tokens=1), where, prices, counter=counter),
    }[path]()
    assert seen == ["m-1"]


# --- how good it is ---

STATED = [line for line in (ROOT / "docs" / "tokens.md").read_text("utf-8").splitlines() if line.startswith("| `")]


def quantiles(recordings):
    """How many there are, and the median and the ninth decile of the relative error."""
    wrong = sorted(abs(estimate(each.request, model=each.model) / each.tokens - 1) for each in recordings)
    return len(wrong), round(100 * statistics.median(wrong)), round(100 * wrong[len(wrong) * 9 // 10])


@pytest.fixture(scope="module")
def recordings():
    if not RECORDINGS.exists():
        pytest.skip("the recordings lie beside the checkout, and are not there")
    return counted()


@pytest.mark.parametrize("line", STATED, ids=lambda line: line.split("`")[1])
def test_the_error_is_the_one_that_the_documents_state(recordings, line):
    name, *stated = (cell.strip(" `%") for cell in line.strip("|").split("|"))
    held_out = [each for each in recordings if each.held_out and family(each.model).name == name]
    assert tuple(map(int, stated[:3])) == quantiles(held_out)
    long = [each for each in held_out if each.tokens >= 200]
    assert tuple(map(int, stated[3:])) == quantiles(long)


def test_every_family_states_its_error():
    assert {line.split("`")[1] for line in STATED} == {each.name for each in FAMILIES} | {"other"}


def test_knowing_the_family_is_better_than_not(recordings):
    known = [each for each in recordings if each.held_out and family(each.model).name != "other"]
    assert len(known) > 500
    plain = sorted(abs(estimate(each.request) / each.tokens - 1) for each in known)
    assert quantiles(known)[1] < 100 * statistics.median(plain) / 2
