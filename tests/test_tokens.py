"""Estimating input tokens: near what services count, and never nothing."""

from __future__ import annotations

import gzip
import json
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest, ResponseFormat, Tool
from aiclient.tokens import OF_A_MESSAGE, OF_MEDIA, estimate

RECORDINGS = Path(__file__).parents[2] / "shared" / "wire" / "openai.chat.jsonl.gz"


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


def plain_chats():
    """Recorded chats of nothing but texts: (the request, input tokens that the service counted)."""
    with gzip.open(RECORDINGS, "rt") as lines:
        records = [json.loads(line) for line in lines]
    for record in records:
        sent, counted = record["request"].get("json") or {}, record["expected"].get("usage") or {}
        messages = sent.get("messages") or [{}]
        plain = all(isinstance(item.get("content"), str) and "tool_calls" not in item for item in messages)
        if plain and "tools" not in sent and "response_format" not in sent and counted.get("input", 0) > 20:
            said = [Message("user", item["content"]) for item in messages if item["content"]]
            yield ChatRequest(said), counted["input"]


@pytest.mark.skipif(not RECORDINGS.exists(), reason="the recordings lie beside the checkout, and are not there")
def test_the_estimate_of_recorded_texts_is_near_what_the_service_counted():
    ratios = sorted(estimate(request) / counted for request, counted in plain_chats())
    assert len(ratios) > 50
    assert 0.8 < statistics.median(ratios) < 1.25
    assert ratios[len(ratios) // 10] > 0.6 and ratios[-len(ratios) // 10] < 1.6
