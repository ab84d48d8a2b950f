"""What tokens cost."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.errors import ConfigError
from aiclient.pricing import DictPrices
from aiclient.provider import ProviderInfo
from aiclient.response import Usage

PRICES = DictPrices(
    {
        "small": {"input": 0.25, "output": 2},
        "cached": {"input": 1, "output": 2, "cache_read": 0.1, "cache_write": 1.25},
        "azure:small": {"input": 5, "output": 5},
    },
    source="table of 2026-01",
)


def price(model, provider="openai", **usage):
    return PRICES.price(Usage(**usage), ProviderInfo(provider, model=model))


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        ({"prompt_tokens": 1000, "completion_tokens": 100}, "0.00045"),
        ({"prompt_tokens": 0, "completion_tokens": 0}, "0"),
        ({"prompt_tokens": 1_000_000, "completion_tokens": 0}, "0.25"),
        ({"prompt_tokens": 1000, "completion_tokens": 100, "cached_tokens": 400}, "0.00045"),
    ],
    ids=["plain", "nothing", "input-only", "cached-at-the-input-rate"],
)
def test_tokens_are_priced_by_the_million(usage, usd):
    cost = price("small", **usage)
    assert cost.usd == Decimal(usd) and cost.source == "table of 2026-01" and not cost.estimated


def test_cached_and_cache_writing_tokens_have_their_own_rates():
    cost = price("cached", prompt_tokens=1000, completion_tokens=10, cached_tokens=600, cache_write_tokens=300)
    assert cost.breakdown == {
        "input": Decimal("0.0001"),
        "output": Decimal("0.00002"),
        "cache_read": Decimal("0.00006"),
        "cache_write": Decimal("0.000375"),
    }
    assert cost.usd == Decimal("0.000555")


def test_more_cached_than_prompt_tokens_never_count_below_zero():
    cost = price("cached", prompt_tokens=100, completion_tokens=0, cached_tokens=150, cache_write_tokens=50)
    assert cost.breakdown == {"cache_read": Decimal("0.00001")}


@pytest.mark.parametrize(
    ("model", "usage"),
    [
        ("unknown", {"prompt_tokens": 1, "completion_tokens": 1}),
        (None, {"prompt_tokens": 1, "completion_tokens": 1}),
        ("small", {"prompt_tokens": 1}),
        ("small", {"completion_tokens": 1}),
        ("small", {}),
        ("small-2026-01-01", {"prompt_tokens": 1, "completion_tokens": 1}),
    ],
    ids=["model", "no-model", "no-completion", "no-prompt", "no-usage", "never-the-family-s-price"],
)
def test_an_unknown_price_is_none_and_never_zero(model, usage):
    assert price(model, **usage) is None


def test_the_price_of_one_provider_wins_over_that_of_the_model():
    assert price("small", "azure", prompt_tokens=1_000_000, completion_tokens=0).usd == 5
    assert price("small", "openai", prompt_tokens=1_000_000, completion_tokens=0).usd == Decimal("0.25")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"input": 1}, r"give 'input' and 'output'.*got \['input'\]"),
        ({}, "give 'input' and 'output'"),
        ({"input": 1, "output": 1, "cach_read": 1}, "got .*cach_read"),
        ({"input": -1, "output": 1}, "price 'input' of 'm' must be US dollars per million tokens, got -1"),
        ({"input": 1, "output": "dear"}, "price 'output' of 'm'.*'dear'"),
        ({"input": 1, "output": math.nan}, "price 'output'"),
        ({"input": 1, "output": 1, "cache_read": math.inf}, "price 'cache_read'"),
        ({"input": True, "output": 1}, "price 'input'"),
    ],
    ids=["no-output", "empty", "misspelt", "negative", "word", "nan", "infinite", "bool"],
)
def test_a_wrong_price_is_refused_by_name(row, words):
    with pytest.raises(ConfigError, match=words):
        DictPrices({"m": row})


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**7))
def test_the_cost_is_the_sum_of_its_parts_and_never_above_all_tokens_at_the_dearest_rate(
    prompt, completion, read, write
):
    cost = price(
        "cached", prompt_tokens=prompt, completion_tokens=completion, cached_tokens=read, cache_write_tokens=write
    )
    assert cost.usd == sum(cost.breakdown.values(), Decimal())
    assert 0 <= cost.usd <= Decimal(2) * (prompt + completion) / 1_000_000
