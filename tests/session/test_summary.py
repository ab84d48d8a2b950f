"""The figures of a session: what they are made of, what is not known, and the table for people."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from aiclient import ConfigError
from aiclient.prices.expenses import Expense
from aiclient.response import Attempt, Cost, Usage
from aiclient.session.rows import ModelShare, SessionRow, shares_of
from aiclient.session.summary import Spread, summary_of


def row(usd="0", unpriced=0, **more):
    share = ModelShare(
        provider="a",
        model=more.pop("model", "m"),
        exchanges=1,
        expense=Expense(Decimal(usd), unpriced),
        prompt_tokens=5,
    )
    return SessionRow(number=1, attempts=1, expense=share.expense, shares=(share,), **more)


def figures(*rows, budget=None, left=None):
    return summary_of("s", rows, budget, left)


def test_a_session_without_requests_has_no_figures_and_no_zeros_for_unknown():
    summary = figures()
    assert (summary.requests, summary.expense.usd, summary.success_rate) == (0, 0, None)
    assert (summary.cost, summary.duration, summary.project(5).usd, summary.project(5).fits) == (None, None, None, None)


def test_the_cost_of_a_request_has_its_least_mean_and_most():
    summary = figures(row("1", duration=1.0), row("2", duration=2.0), row("6", duration=6.0))
    assert summary.cost == Spread(Decimal(1), Decimal(3), Decimal(6))
    assert summary.duration == Spread(1.0, 3.0, 6.0)


def test_failed_requests_count_for_the_expense_and_not_for_the_spread():
    summary = figures(row("1"), row("5", outcome="failed", category="timeout"))
    assert (summary.expense.usd, summary.cost.maximum, summary.success_rate) == (6, 1, 0.5)
    assert summary.errors == {"timeout": 1}


def test_cancelled_and_abandoned_requests_are_neither_success_nor_failure():
    summary = figures(row(), row(outcome="cancelled"), row(outcome="abandoned"))
    assert (summary.success_rate, summary.cancelled, summary.abandoned) == (1.0, 1, 1)


def test_what_nobody_could_price_is_counted_and_in_no_mean():
    summary = figures(row("2"), row(unpriced=1))
    assert (summary.expense.usd, summary.expense.unpriced, summary.cost.mean) == (2, 1, 2)
    assert "1 exchanges without a price" in str(summary)
    assert summary.project(10).based_on == 1


def test_when_nothing_could_be_priced_the_cost_is_unknown_and_not_zero():
    summary = figures(row(unpriced=1))
    assert (summary.expense.known, summary.cost, summary.project(10).usd) == (None, None, None)


def test_more_of_the_same_is_projected_with_its_bounds_and_whether_it_fits():
    summary = figures(row("1", duration=1.0), row("3", duration=3.0), budget=Decimal(100), left=Decimal(30))
    more = summary.project(20)
    assert (more.usd, more.low, more.high, more.seconds, more.fits) == (40, 20, 60, 40.0, False)
    assert summary.project(10).fits is True


@pytest.mark.parametrize("requests", [-1, 1.5, True, "3"])
def test_a_number_of_requests_that_is_none_is_refused(requests):
    with pytest.raises(ConfigError, match="whole number of requests"):
        figures().project(requests)


def test_each_model_has_its_share_the_dearest_first():
    summary = figures(row("1", model="small"), row("5", model="big"), row("1", model="small"))
    assert [(share.model, share.exchanges, share.expense.usd) for share in summary.models] == [
        ("big", 1, 5),
        ("small", 2, 2),
    ]


def test_of_a_call_that_asked_two_models_each_has_its_own_exchanges():
    shares = shares_of(
        [
            Attempt(number=1, provider="a", model="m", outcome="failed", category="server", status_code=500),
            Attempt(number=2, provider="a", model="m", outcome="cancelled"),
            Attempt(
                number=3,
                provider="b",
                model="n",
                usage=Usage(prompt_tokens=5, completion_tokens=2),
                cost=Cost(Decimal("0.5"), saved=Decimal(1)),
            ),
        ]
    )
    assert [(share.provider, share.exchanges, share.failed, share.uncounted) for share in shares] == [
        ("a", 2, 1, 1),
        ("b", 1, 0, 0),
    ]
    assert (shares[0].expense.unpriced, shares[1].expense.usd, shares[1].completion_tokens) == (1, Decimal("0.5"), 2)


def test_the_table_shows_everything_that_there_is():
    rows = [
        row("0.25", duration=1.0),
        row("0.75", duration=2.0, outcome="failed", category="server"),
        row("0", outcome="cancelled"),
        row("0", dry_run=True, planned=Decimal("0.5")),
    ]
    assert str(figures(*rows, budget=Decimal(2), left=Decimal(1))).splitlines() == [
        "session s: 4 requests, 2 completed, 1 failed (server 1), 1 cancelled, 1 dry",
        "  cost      $1 of $2, $1 left",
        "  each      $0.25 to $0.5, mean $0.375",
        "  time      0 s to 1 s, mean 0.5 s",
        "  tokens    20 in, 0 out",
        "  a:m: 4 exchanges, $1",
    ]


def test_the_figures_are_plain_data_for_json_with_money_as_text():
    data = json.loads(json.dumps(figures(row("0.5"), budget=Decimal(2), left=Decimal("1.5")).to_dict()))
    assert (data["expense"]["usd"], data["budget_remaining"], data["success_rate"]) == ("0.5", "1.5", 1.0)
    assert data["models"][0]["expense"]["usd"] == "0.5"
