"""The counts that only a price needs, in usage objects as services wrote them; ids are those of the records."""

from __future__ import annotations

import json

import pytest

from aiclient.wire import anthropic_usage, converse_usage, gemini_usage, openai_usage, responses_decode
from aiclient.wire.openai_chat import OpenAIChat
from aiclient.wire.profiles import PROFILES

AUDIO_IN_OUT = {  # azure, gpt-4o-audio
    "prompt_tokens": 42,
    "completion_tokens": 10,
    "total_tokens": 52,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 25, "text_tokens": 17, "image_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 4, "text_tokens": 6},
}


def test_openai_tells_sound_apart():  # 29a56e8546f0
    usage = openai_usage.usage(AUDIO_IN_OUT)
    assert (usage.audio_prompt_tokens, usage.audio_completion_tokens, usage.image_prompt_tokens) == (25, 4, 0)


def test_openai_says_beside_the_usage_how_it_was_processed():
    usage = openai_usage.usage(AUDIO_IN_OUT, "priority")
    assert usage.service_tier == "priority"
    assert openai_usage.usage(AUDIO_IN_OUT).service_tier is None
    assert responses_decode.usage({"input_tokens": 1, "output_tokens": 1}, "flex").service_tier == "flex"


def test_sound_that_mistral_leaves_out_of_the_prompt_is_put_into_it():  # 40b2c8aa8bc4
    usage = openai_usage.usage(
        {
            "prompt_audio_seconds": 4,
            "prompt_tokens": 9,
            "total_tokens": 585,
            "completion_tokens": 201,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 375},
            "service_tier": "standard",
        }
    )
    assert (usage.prompt_tokens, usage.audio_prompt_tokens, usage.total_tokens) == (384, 375, 585)
    assert usage.service_tier == "standard"


def test_sound_that_is_in_the_prompt_is_not_added_to_it():  # 29a56e8546f0
    assert openai_usage.usage(AUDIO_IN_OUT).prompt_tokens == 42


def test_anthropic_tells_what_was_written_for_an_hour():  # 6cd3122c7880
    usage = anthropic_usage.usage(
        {
            "input_tokens": 3,
            "cache_creation_input_tokens": 2070,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 14, "ephemeral_1h_input_tokens": 2056},
            "output_tokens": 459,
            "service_tier": "standard",
            "inference_geo": "not_available",
        }
    )
    assert (usage.cache_write_tokens, usage.cache_write_1h_tokens, usage.prompt_tokens) == (2070, 2056, 2073)
    assert (usage.service_tier, usage.web_searches) == ("standard", None)


def test_anthropic_counts_searches():  # 1241d1bc99cf
    usage = anthropic_usage.usage(
        {
            "input_tokens": 11632,
            "output_tokens": 126,
            "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
        }
    )
    assert usage.web_searches == 1


def test_gemini_tells_sound_and_cached_sound():  # 0ba5bf9a716d
    usage = gemini_usage.usage(
        {
            "cacheTokensDetails": [
                {"modality": "AUDIO", "tokenCount": 1881},
                {"modality": "TEXT", "tokenCount": 15},
                {"modality": "VIDEO", "tokenCount": 15483},
            ],
            "cachedContentTokenCount": 17379,
            "candidatesTokenCount": 68,
            "promptTokenCount": 17713,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 16},
                {"modality": "VIDEO", "tokenCount": 15780},
                {"modality": "AUDIO", "tokenCount": 1917},
            ],
            "serviceTier": "standard",
            "thoughtsTokenCount": 821,
            "totalTokenCount": 18602,
        }
    )
    assert (usage.audio_prompt_tokens, usage.cached_audio_tokens, usage.image_prompt_tokens) == (1917, 1881, None)
    assert (usage.completion_tokens, usage.service_tier) == (889, "standard")


def test_gemini_leaves_out_a_count_that_is_zero():  # 1a997c6ad5bf
    details = [{"modality": "VIDEO", "tokenCount": 258}, {"modality": "TEXT", "tokenCount": 10}, {"modality": "AUDIO"}]
    usage = gemini_usage.usage({"promptTokenCount": 268, "promptTokensDetails": details, "candidatesTokenCount": 139})
    assert usage.audio_prompt_tokens == 0


def test_vertex_names_its_traffic():  # 039c6ce1417e
    usage = gemini_usage.usage(
        {"promptTokenCount": 5, "candidatesTokenCount": 1, "thoughtsTokenCount": 51, "trafficType": "ON_DEMAND_FLEX"}
    )
    assert usage.service_tier == "ON_DEMAND_FLEX"


def test_converse_tells_what_was_written_by_lifetime():  # d27d04f4ebe4
    raw = {
        "cacheDetails": [{"inputTokens": 7351, "ttl": "5m"}],
        "cacheReadInputTokens": 0,
        "cacheWriteInputTokens": 7351,
        "inputTokens": 10,
        "outputTokens": 4,
        "totalTokens": 7365,
    }
    for_an_hour = {**raw, "cacheDetails": [{"inputTokens": 351, "ttl": "5m"}, {"inputTokens": 7000, "ttl": "1h"}]}
    assert converse_usage.usage(raw).cache_write_1h_tokens == 0
    assert converse_usage.usage(for_an_hour, {"type": "priority"}).cache_write_1h_tokens == 7000
    assert converse_usage.usage(for_an_hour, {"type": "priority"}).service_tier == "priority"
    assert converse_usage.usage({**raw, "cacheDetails": None}).cache_write_1h_tokens is None


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"prompt_tokens": 5, "prompt_tokens_details": {"audio_tokens": 9}}, "audio_prompt_tokens"),
        (
            {"prompt_tokens": 5, "completion_tokens": 2, "completion_tokens_details": {"audio_tokens": 9}},
            "audio_completion_tokens",
        ),
        ({"prompt_tokens": 5, "prompt_tokens_details": {"image_tokens": -1}}, "image_prompt_tokens"),
    ],
    ids=["more than went in", "more than came out", "negative"],
)
def test_a_part_that_cannot_be_is_named(raw, field):
    usage = openai_usage.usage(raw)
    assert field in usage.untrusted
    assert getattr(usage, field) in (None, raw["prompt_tokens"], raw.get("completion_tokens"))


def test_a_stream_says_how_it_was_processed():
    decoder = OpenAIChat(PROFILES["openai"], origin="openai").decoder()
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
    events = [
        {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}], "service_tier": "priority"},
        {"choices": [], "usage": usage, "service_tier": "priority"},
    ]
    text = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    chunks = decoder.feed(text.encode())
    assert [chunk.usage.service_tier for chunk in chunks if chunk.usage] == ["priority"]
