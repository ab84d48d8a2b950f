"""What a number of tokens can be: one answer for all protocols."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.response import NO_USAGE, Usage
from aiclient.wire import (
    anthropic_usage,
    cohere_parts,
    converse_usage,
    gemini_usage,
    ollama_stream,
    openai_usage,
    responses_decode,
)
from aiclient.wire.counts import MOST, Counts

IMPOSSIBLE = [-1, 10**9, 10**30, 1.5, -0.5, float("inf"), True, False, "12", [3], {"n": 3}]
FIELDS = (
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)

OPENAI = {
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "total_tokens": 15,
    "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
RESPONSES = {
    "input_tokens": 10,
    "output_tokens": 5,
    "total_tokens": 15,
    "input_tokens_details": {"cached_tokens": 2},
    "output_tokens_details": {"reasoning_tokens": 3},
}
ANTHROPIC = {
    "input_tokens": 7,
    "cache_read_input_tokens": 2,
    "cache_creation_input_tokens": 1,
    "output_tokens": 5,
    "output_tokens_details": {"thinking_tokens": 3},
}
CONVERSE = {
    "inputTokens": 7,
    "cacheReadInputTokens": 2,
    "cacheWriteInputTokens": 1,
    "outputTokens": 5,
    "totalTokens": 15,
}
GEMINI = {
    "promptTokenCount": 8,
    "toolUsePromptTokenCount": 2,
    "candidatesTokenCount": 2,
    "thoughtsTokenCount": 3,
    "cachedContentTokenCount": 2,
    "totalTokenCount": 15,
}
COHERE = {"tokens": {"input_tokens": 10.0, "output_tokens": 5.0, "image_tokens": 0}, "cached_tokens": 2}
OLLAMA = {"prompt_eval_count": 10, "eval_count": 5}

WIRES = {
    "openai": (openai_usage.usage, OPENAI),
    "responses": (responses_decode.usage, RESPONSES),
    "anthropic": (anthropic_usage.usage, ANTHROPIC),
    "converse": (converse_usage.usage, CONVERSE),
    "gemini": (gemini_usage.usage, GEMINI),
    "cohere": (cohere_parts.usage, COHERE),
    "ollama": (ollama_stream.usage, OLLAMA),
}


def places(value, *path):
    """Yield the path of each number in a usage object."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from places(inner, *path, key)
        else:
            yield (*path, key)


def changed(value, path, new):
    """Return the usage object with another value at `path`."""
    key, *rest = path
    return {**value, key: changed(value[key], rest, new) if rest else new}


EVERY_PLACE = [(wire, path) for wire, (_, raw) in WIRES.items() for path in places(raw)]


@pytest.mark.parametrize("wire", WIRES)
def test_what_can_be_is_believed(wire):
    convert, raw = WIRES[wire]
    usage = convert(raw)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (10, 5, 15)
    assert (usage.untrusted, usage.doubts()) == ((), ())


@pytest.mark.parametrize("value", IMPOSSIBLE, ids=repr)
@pytest.mark.parametrize(
    ("wire", "path"), EVERY_PLACE, ids=lambda value: value if isinstance(value, str) else value[-1]
)
def test_an_impossible_value_is_never_believed_and_never_passed_over_in_silence(wire, path, value):
    convert, raw = WIRES[wire]
    usage = convert(changed(raw, path, value))
    assert usage.untrusted
    assert all(getattr(usage, name) in (None, *range(20)) for name in FIELDS)
    assert usage.doubts("svc")[0].code == "usage_invalid"
    assert usage.raw_usage is not None


@pytest.mark.parametrize("raw", [["x"], "12", 7, True], ids=repr)
@pytest.mark.parametrize("wire", sorted(WIRES.keys() - {"ollama"}))
def test_what_is_no_usage_object_is_named(wire, raw):
    assert WIRES[wire][0](raw) == Usage(untrusted=("raw_usage",))


@pytest.mark.parametrize("raw", [None, [], "", 0], ids=repr)
@pytest.mark.parametrize("wire", sorted(WIRES.keys() - {"ollama"}))
def test_nothing_told_is_nothing_wrong(wire, raw):
    assert WIRES[wire][0](raw) == NO_USAGE


def test_a_sum_with_an_impossible_part_is_not_known():
    usage = anthropic_usage.usage({**ANTHROPIC, "cache_read_input_tokens": -5})
    assert (usage.prompt_tokens, usage.cached_tokens, usage.cache_write_tokens) == (None, None, 1)
    assert usage.untrusted == ("prompt_tokens", "cached_tokens")


def test_more_cached_tokens_than_tokens_are_cut_as_grok_on_azure_tells_them():  # 08f01a721425
    usage = openai_usage.usage(
        {
            "prompt_tokens": 78,
            "completion_tokens": 9,
            "total_tokens": 87,
            "prompt_tokens_details": {"cached_tokens": 158},
        }
    )
    assert (usage.prompt_tokens, usage.cached_tokens) == (78, 78)
    (doubt,) = usage.doubts("azure")
    assert (doubt.setting, doubt.provider) == ("usage.cached_tokens", "azure")
    assert doubt.message == "azure reported an impossible cached_tokens: 78 is assumed"


def test_reasoning_beyond_the_completion_was_counted_apart_as_vercels_gateway_does():  # 0127f180c405
    usage = openai_usage.usage(
        {
            "prompt_tokens": 219,
            "completion_tokens": 19,
            "total_tokens": 238,
            "completion_tokens_details": {"reasoning_tokens": 280},
        }
    )
    assert (usage.completion_tokens, usage.reasoning_tokens, usage.total_tokens) == (299, 280, 518)
    assert usage.untrusted == ()


@pytest.mark.parametrize("total", [None, 250], ids=["no total", "a total that fits neither"])
def test_reasoning_beyond_the_completion_is_cut_where_nothing_explains_it(total):
    usage = openai_usage.usage(
        {"prompt_tokens": 219, "completion_tokens": 19, "total_tokens": total, "reasoning_tokens": 280}
    )
    assert (usage.completion_tokens, usage.reasoning_tokens) == (19, 19)
    assert usage.untrusted == ("reasoning_tokens",)


def test_a_total_below_one_of_its_parts_gives_way_to_the_sum():
    usage = openai_usage.usage({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 7})
    assert (usage.total_tokens, usage.untrusted) == (15, ("total_tokens",))


def test_a_count_left_out_says_so():
    (doubt,) = openai_usage.usage({"prompt_tokens": -1, "completion_tokens": 5}).doubts()
    assert doubt.message == "the service reported an impossible prompt_tokens: it was left out"


def test_doubts_survive_being_saved():
    usage = openai_usage.usage({"prompt_tokens": -1, "completion_tokens": 5})
    assert Usage.from_dict(usage.to_dict()).doubts() == usage.doubts()


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3), st.lists, max_leaves=3)
)
def test_a_count_is_none_or_in_range(value):
    found = Counts({"n": value}).get("n", "prompt_tokens")
    assert found is None or (type(found) is int and 0 <= found < MOST)
