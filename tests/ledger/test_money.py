"""Amounts are whole, periods are those of the calendar in UTC."""

from __future__ import annotations

import decimal
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient import ConfigError, DictPrices, Limit
from aiclient.ledger.limits import account_of
from aiclient.ledger.money import Amount, amount_of, dollars, micros
from aiclient.ledger.periods import day_of, window_of


@given(st.decimals(min_value=0, max_value=10**9, places=12))
def test_no_part_of_an_amount_is_lost(usd):
    assert 0 <= dollars(micros(usd)) - usd < Decimal("0.000001")


@given(st.integers(0, 10**18))
def test_millionths_come_back_as_they_went(number):
    assert micros(dollars(number)) == number


def test_the_programs_own_precision_does_not_matter():
    with decimal.localcontext(decimal.Context(prec=3)):
        assert micros(Decimal("1234.567891")) == 1_234_567_891
        assert dollars(1_234_567_891) == Decimal("1234.567891")


@pytest.mark.parametrize(
    ("given_amount", "expected"),
    [("0.1", 100_000), (0.1, 100_000), (" $2.50 ", 2_500_000), (3, 3_000_000), (Decimal("1e-9"), 1), (0, 0)],
)
def test_an_amount_may_be_given_in_several_ways(given_amount, expected):
    assert amount_of("usd", given_amount) == expected


@pytest.mark.parametrize(
    "value", [None, "", "a lot", -1, "-1", float("nan"), "inf", True, [1], 10**13, "1e-400000000000"]
)
def test_what_is_no_amount_is_refused_by_name(value):
    with pytest.raises(ConfigError, match=r"usd=.* must be an amount of US dollars"):
        amount_of("usd", value)


def test_amounts_are_added_part_by_part():
    assert Amount(1, 2).plus(Amount(10, 20)).minus(Amount(1, 1)) == Amount(10, 21)
    assert Amount(1_500_000).usd == Decimal("1.5")


def moment(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("period", "at", "label", "ends"),
    [
        ("hour", "2026-11-28T23:59:59.9", "2026-11-28T23", "2026-11-29T00:00:00"),
        ("day", "2026-12-31T12:00:00", "2026-12-31", "2027-01-01T00:00:00"),
        ("day", "2028-02-29T00:00:00", "2028-02-29", "2028-03-01T00:00:00"),
        ("month", "2026-01-31T00:00:00", "2026-01", "2026-02-01T00:00:00"),
        ("month", "2026-12-01T00:00:00", "2026-12", "2027-01-01T00:00:00"),
        ("month", "2028-02-29T23:00:00", "2028-02", "2028-03-01T00:00:00"),
    ],
)
def test_a_window_is_that_of_the_calendar(period, at, label, ends):
    assert window_of(period, moment(at)) == (label, moment(ends))


def test_the_total_has_no_end():
    assert window_of("total", 5.0) == ("", None)


@given(st.floats(0, 4e9), st.sampled_from(["hour", "day", "month"]))
def test_every_moment_lies_in_its_window(now, period):
    window = window_of(period, now)
    assert now < window.ends
    assert window_of(period, window.ends).label != window.label


def test_a_day_is_one_of_utc():
    assert day_of(moment("2026-11-28T23:59:59")) == "2026-11-28"


def test_an_account_is_kept_under_a_name_that_does_not_say_whose_it_is():
    limit = Limit(usd=1, per="user", period="day")
    one, other = (account_of(limit, value, 0.0) for value in ("alice", "bob"))
    assert "alice" not in one.key + repr(one) + one.title
    assert one.key != other.key
    assert one.key == account_of(limit, "alice", 86_399.0).key
    assert one.key != account_of(limit, "alice", 86_400.0).key
    assert one.title == "'budget' per user of the day 1970-01-01 (UTC)"


def test_alerts_stand_in_order_and_once():
    assert Limit(usd=1, alerts=[1, 0.5, 0.5]).alerts == (0.5, 1.0)


def test_an_integer_that_python_does_not_write_is_refused_like_any_other_mistake():
    with pytest.raises(ConfigError, match=r"usd=.* must be an amount of US dollars"):
        amount_of("usd", 10**5000)
    with pytest.raises(ConfigError, match="a number of thousands of digits"):
        DictPrices({"m": {"input": 10**5000, "output": 1}})
