"""What a usage costs at given rates: each token once, at the rate of what it was."""

from __future__ import annotations

import decimal
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.prices.expenses import Expense, shown
from aiclient.prices.rates import RATES, WIDER, Rates
from aiclient.response import Usage

FULL = Rates(
    input=Decimal(1),
    output=Decimal(100),
    cache_read=Decimal("0.1"),
    cache_write=Decimal("1.25"),
    cache_write_1h=Decimal(2),
    audio_input=Decimal(10),
    audio_cache_read=Decimal(5),
    audio_output=Decimal(200),
    image_input=Decimal(20),
    image_output=Decimal(300),
    reasoning=Decimal(50),
    search=Decimal(10),
    request=Decimal(5),
)
PLAIN = Rates(input=Decimal(1), output=Decimal(100))


def parts(rates, **usage):
    """The parts of a cost, in millionths."""
    usage = {"prompt_tokens": 0, "completion_tokens": 0} | usage
    return {name: part * 1_000_000 for name, part in rates.cost(Usage(**usage), "t").breakdown.items()}


def test_each_token_is_paid_once_at_the_rate_of_what_it_was():
    found = parts(
        FULL,
        prompt_tokens=1000,
        cached_tokens=300,
        cache_write_tokens=200,
        cache_write_1h_tokens=50,
        audio_prompt_tokens=150,
        cached_audio_tokens=100,
        image_prompt_tokens=30,
        completion_tokens=500,
        audio_completion_tokens=40,
        image_completion_tokens=60,
        reasoning_tokens=100,
        web_searches=2,
    )
    assert found == {
        "input": 420,
        "cache_read": 20,
        "cache_write": Decimal("187.5"),
        "cache_write_1h": 100,
        "audio_input": 500,
        "audio_cache_read": 500,
        "image_input": 600,
        "output": 30_000,
        "audio_output": 8000,
        "image_output": 18_000,
        "reasoning": 5000,
        "search": 20_000,
        "request": 5000,
    }


def test_what_is_not_priced_apart_is_paid_as_what_it_is_a_part_of():
    usage = dict.fromkeys(
        ("cached_tokens", "cache_write_tokens", "audio_prompt_tokens", "image_prompt_tokens"), 10
    ) | dict.fromkeys(("audio_completion_tokens", "image_completion_tokens", "reasoning_tokens"), 10)
    found = parts(PLAIN, prompt_tokens=100, completion_tokens=100, **usage)
    assert sum(found.values()) == 100 + 100 * 100


def test_an_hour_in_the_cache_costs_as_much_as_five_minutes_where_it_is_not_priced_apart():
    rates = Rates(input=Decimal(1), output=Decimal(1), cache_write=Decimal(3))
    assert parts(rates, prompt_tokens=10, cache_write_tokens=10, cache_write_1h_tokens=4) == {
        "cache_write": 18,
        "cache_write_1h": 12,
    }


@pytest.mark.parametrize(
    ("rates", "usage"),
    [
        (PLAIN, {"prompt_tokens": 1}),
        (PLAIN, {"completion_tokens": 1}),
        (Rates(input=Decimal(1)), {"prompt_tokens": 1, "completion_tokens": 1}),
        (Rates(output=Decimal(1)), {"prompt_tokens": 1, "completion_tokens": 0}),
    ],
    ids=["no output count", "no input count", "no output rate", "no input rate"],
)
def test_without_a_count_or_a_rate_the_cost_is_unknown(rates, usage):
    assert rates.cost(Usage(**usage), "t") is None


def test_a_rate_that_is_not_needed_may_be_unknown():
    assert Rates(input=Decimal(1)).cost(Usage(prompt_tokens=2, completion_tokens=0), "t").usd == Decimal("0.000002")


COUNTS = st.integers(0, 1000)


@given(st.fixed_dictionaries(dict.fromkeys(("prompt_tokens", "completion_tokens"), COUNTS)), st.data())
def test_no_report_however_odd_is_paid_below_zero_or_above_all_tokens_at_the_dearest_rate(whole, data):
    names = [field for field in Usage.__annotations__ if field.endswith("_tokens") and field[0] not in "_b"]
    usage = {name: data.draw(COUNTS) for name in names} | whole
    cost = FULL.cost(Usage(**usage), "t")
    tokens = {name: part for name, part in cost.breakdown.items() if name not in ("search", "request")}
    assert all(part >= 0 for part in tokens.values())
    assert sum(tokens.values()) <= Decimal(300 * (usage["prompt_tokens"] + usage["completion_tokens"])) / 1_000_000
    same = Rates(**{name: Decimal(7) for name in RATES if name not in ("search", "request")})
    assert same.cost(Usage(**usage), "t").usd == Decimal(7) * sum(whole.values()) / 1_000_000


def test_every_special_rate_has_a_wider_one():
    assert set(WIDER) | {"input", "output", "search", "request"} == set(RATES)


def test_the_precision_of_the_program_rounds_no_cost_and_no_sum():
    usage = Usage(prompt_tokens=123_457, completion_tokens=98_765)
    with decimal.localcontext(decimal.Context(prec=3)):
        cost = Rates(input=Decimal("0.25"), output=Decimal(2)).cost(usage, "t")
        twice = Expense(cost.usd) + Expense(cost.usd)
        assert (cost.usd, twice.usd) == (Decimal("0.22839425"), Decimal("0.4567885"))
        assert shown(twice.usd) == "$0.4567885"
