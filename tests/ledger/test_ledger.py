"""The ledger in memory: accounts, alerts, reports, and many who use it at once."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import threading
from decimal import Decimal

import pytest

from aiclient import BudgetExceededError, ConfigError, Ledger, Limit, StoreError
from aiclient.context import CallContext
from aiclient.ledger.books import DAYS, KEEP, Booking, Line
from aiclient.ledger.limits import account_of
from aiclient.ledger.money import Amount
from aiclient.ledger.periods import day_of
from aiclient.ledger.rows import MOST, OTHER, Rows, Spent
from aiclient.response import Attempt

pytestmark = pytest.mark.anyio

DAY = 86_400.0


def booking(identity, micros, *limits, now=0.0, value=None, expires=1000.0):
    limits = limits or (Limit(usd="0.0001"),)
    lines = [Line(account_of(limit, value, now), limit.caps, Amount(micros)) for limit in limits]
    return Booking(identity, tuple(lines), expires)


def all_of(booked, micros):
    return {line.key: Amount(micros) for line in booked.lines}


def of(limit, value=None, now=0.0):
    return account_of(limit, value, now)


def spent(**changes):
    facts = {"day": "2026-11-28", "provider": "openai", "model": "small", "tenant": None, "tags": {}}
    return Spent(**{**facts, "amount": Amount(1_000_000, 15), "prompt_tokens": 10, "completion_tokens": 5, **changes})


# --- accounts ---


async def test_a_booking_is_settled_once():
    ledger, booked = Ledger(), booking("a", 60)
    await ledger.reserve(booked, 0.0)
    await ledger.settle(booked, all_of(booked, 50), 0.0)
    await ledger.settle(booked, all_of(booked, 50), 0.0)
    await ledger.release(booked, 0.0)
    assert ledger.funds(booked.lines[0].account).spent == Decimal("0.00005")


async def test_all_lines_are_reserved_or_none():
    ledger, small, large = Ledger(), Limit(usd="0.00005", name="small"), Limit(usd="0.0001", name="large")
    with pytest.raises(BudgetExceededError, match="'small'"):
        await ledger.reserve(booking("a", 60, large, small), 0.0)
    assert ledger.funds(of(large)).reserved == 0


async def test_more_is_reserved_on_all_lines_or_on_none():
    ledger, small, large = Ledger(), Limit(usd="0.00005", name="small"), Limit(usd="0.0001", name="large")
    booked = booking("a", 40, large, small)
    await ledger.reserve(booked, 0.0)
    assert not ledger.extend(booked, Amount(20), 0.0)
    assert ledger.funds(of(large)).reserved == Decimal("0.00004")
    assert ledger.extend(booked, Amount(10), 0.0)
    assert ledger.funds(of(large)).reserved == ledger.funds(of(small)).reserved == Decimal("0.00005")
    await ledger.release(booked, 0.0)
    assert ledger.funds(of(large)).reserved == 0


async def test_nothing_more_is_reserved_for_a_booking_that_is_closed():
    ledger, booked = Ledger(), booking("a", 40)
    await ledger.reserve(booked, 0.0)
    await ledger.release(booked, 0.0)
    assert not ledger.extend(booked, Amount(1), 0.0)


async def test_a_reset_is_of_one_name_and_one_value():
    ledger, limit, other = Ledger(), Limit(usd=1, per="user"), Limit(usd=1, name="other")
    for value in ("alice", "bob"):
        booked = booking(value, 10, limit, other, value=value)
        await ledger.settle(booked, all_of(booked, 10), 0.0)
    assert await ledger.reset("budget", value="alice") == 1
    assert ledger.funds(of(limit, "alice")).spent == 0
    assert ledger.funds(of(limit, "bob")).spent == Decimal("0.00001")
    assert await ledger.reset() == 3


async def test_alerts_are_listed_in_order_and_by_name():
    ledger, limit, other = Ledger(), Limit(usd="0.0001"), Limit(usd="0.0001", name="other", alerts=(0.8,))
    first, second = booking("a", 60, limit), booking("b", 90, other)
    await ledger.settle(first, all_of(first, 60), 5.0)
    await ledger.settle(second, all_of(second, 90), 9.0)
    assert [(alert.name, alert.threshold, alert.at) for alert in ledger.alerts()] == [
        ("budget", 0.5, 5.0),
        ("other", 0.8, 9.0),
    ]
    assert [alert.name for alert in ledger.alerts("other")] == ["other"]


async def test_an_alert_has_a_form_for_json_and_a_repr_that_does_not_say_whose_it_is():
    ledger, limit = Ledger(), Limit(usd="0.0001", per="user", period="day", alerts=(1,))
    booked = booking("a", 10, limit, value="alice")
    [alert] = await ledger.settle(booked, all_of(booked, 100), 0.0)
    assert json.loads(json.dumps(alert.to_dict())) == {
        "name": "budget",
        "per": "user",
        "value": "alice",
        "period": "day",
        "window": "1970-01-01",
        "unit": "usd",
        "limit": "0.0001",
        "threshold": 1.0,
        "spent": "0.0001",
        "at": 0.0,
    }
    assert "alice" not in repr(alert) + str(alert) + repr(booked) + booked.lines[0].key


async def test_balances_of_periods_long_over_are_forgotten():
    ledger, limit = Ledger(), Limit(usd=1, period="day")
    old = booking("a", 10, limit)
    await ledger.settle(old, all_of(old, 10), 0.0)
    for now, kept in ((DAY + KEEP - 1, Decimal("0.00001")), (DAY + KEEP, Decimal(0))):
        recent = booking(str(now), 10, Limit(usd=1, period="hour"), now=now)
        await ledger.settle(recent, all_of(recent, 10), now)
        assert ledger.funds(of(limit)).spent == kept


async def test_balances_without_a_period_are_never_forgotten():
    ledger, limit = Ledger(), Limit(usd=1)
    old = booking("a", 10, limit)
    await ledger.settle(old, all_of(old, 10), 0.0)
    recent = booking("b", 10, Limit(usd=1, period="hour"), now=1e9)
    await ledger.settle(recent, all_of(recent, 10), 1e9)
    assert ledger.funds(of(limit)).spent == Decimal("0.00001")


async def test_an_exchange_is_counted_once_on_each_account():
    ledger, context = Ledger(), CallContext()
    journal = [Attempt(number=1, provider="p"), Attempt(number=2, provider="p")]
    assert ledger.count(context, "a", journal[:1]) == journal[:1]
    assert ledger.count(context, "a", journal) == journal[1:]
    assert ledger.count(context, "b", journal) == journal
    assert ledger.count(CallContext(), "a", journal) == journal


def test_threads_and_tasks_never_reserve_more_than_there_is():
    ledger, limit, admitted, alerts = Ledger(), Limit(usd="0.0001"), [], []

    async def one(identity):
        booked = booking(identity, 1, limit)
        try:
            await ledger.reserve(booked, 0.0)
        except BudgetExceededError:
            return
        admitted.append(identity)
        await asyncio.sleep(0)
        alerts.extend(await ledger.settle(booked, all_of(booked, 1), 0.0))

    async def many(thread):
        await asyncio.gather(*(one(f"{thread}.{number}") for number in range(100)))

    threads = [threading.Thread(target=lambda name=name: asyncio.run(many(name))) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(admitted) == 100
    assert ledger.funds(of(limit)).spent == Decimal("0.0001")
    assert sorted(alert.threshold for alert in alerts) == [0.5, 0.8, 1.0]


# --- reports ---


@pytest.fixture
async def ledger():
    ledger = Ledger()
    await ledger.record(
        [
            spent(tags={"user": "alice", "team": "maps"}),
            spent(tags={"user": "bob"}, amount=Amount(3_000_000, 15), estimated=True),
            spent(
                provider="anthropic", model="large", day="2026-11-29", amount=Amount(0, 9), priced=False, failed=True
            ),
        ]
    )
    return ledger


async def test_a_report_sums_up_by_the_columns_asked_for_dearest_first(ledger):
    rows = [(row["provider"], row["model"], row["usd"], row["requests"], row["tokens"]) for row in ledger.report()]
    assert rows == [("openai", "small", 4, 2, 30), ("anthropic", "large", 0, 1, 9)]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (["user"], [("bob", 3), ("alice", 1), (None, 0)]),
        ("team", [(None, 3), ("maps", 1)]),
        (["day"], [("2026-11-28", 4), ("2026-11-29", 0)]),
    ],
)
async def test_a_report_is_by_user_day_or_any_tag(ledger, by, expected):
    assert [(next(iter(row.values())), row["usd"]) for row in ledger.report(by)] == expected


async def test_a_report_says_what_is_estimated_failed_and_without_a_price(ledger):
    [row] = ledger.report([])
    assert (row["estimated"], row["failed"], row["unpriced"]) == (1, 1, 1)
    assert (row["prompt_tokens"], row["completion_tokens"]) == (30, 15)


@pytest.mark.parametrize(
    ("since", "until", "providers"),
    [
        ("2026-11-29", "9999", ["anthropic"]),
        ("", "2026-11-28", ["openai"]),
        ("2027", "9999", []),
        ("2026-11-29", "2026-11", ["anthropic"]),
        ("", "2026-10", []),
    ],
)
async def test_a_report_is_of_the_days_asked_for(ledger, since, until, providers):
    assert [row["provider"] for row in ledger.report("provider", since=since, until=until)] == providers


@pytest.mark.parametrize("day", ["yesterday", "28.11.2026", 5, "2026-13", "2026-02-30", "20261128"])
async def test_a_day_that_is_none_is_refused(ledger, day):
    with pytest.raises(ConfigError, match=r"since=.* must be a day as a text"):
        ledger.report(since=day)


async def test_a_report_is_json_and_csv_too(ledger):
    report = ledger.report(["provider", "user"])
    assert json.loads(report.to_json())[0]["usd"] == "3"
    rows = list(csv.DictReader(io.StringIO(report.to_csv())))
    assert [(row["provider"], row["user"], row["usd"]) for row in rows] == [
        ("openai", "bob", "3"),
        ("openai", "alice", "1"),
        ("anthropic", "", "0"),
    ]
    assert len(report) == 3


async def test_a_text_that_a_spreadsheet_would_run_is_none_in_a_csv():
    ledger = Ledger()
    await ledger.record([spent(tags={"user": "=HYPERLINK()"})])
    assert "\n'=HYPERLINK()," in ledger.report("user").to_csv()


@pytest.mark.parametrize("days", [{"since": None}, {"until": 20261128}])
async def test_a_day_that_is_no_text_is_refused(days):
    with pytest.raises(ConfigError, match="must be a day as a text"):
        Ledger().report(**days)


@pytest.mark.parametrize("by", [[1], [""], [None], 5, None])
async def test_what_is_no_column_is_refused(by):
    with pytest.raises(ConfigError, match="by="):
        Ledger().report(by)


async def test_rows_of_days_long_ago_are_forgotten():
    ledger = Ledger()
    days = [day_of(DAY * number) for number in range(DAYS + 1)]
    await ledger.record([spent(day=day) for day in days])
    assert {row["day"] for row in ledger.report("day")} == set(days[1:])


def test_users_and_tags_beyond_what_is_kept_go_into_one_row():
    rows = Rows(most=2)
    for number in range(5):
        rows.add(spent(tags={"user": str(number)}))
    assert [(about["user"], row.requests) for about, row in rows.items()] == [("0", 1), ("1", 1), (OTHER, 3)]
    assert MOST == 10_000


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"rubbish", "corrupt"),
        (b"[" * 100_000, "corrupt"),
        (b'{"v": 1, "rows": [["2026-11-29", "p", "m", null, {}, 1e999]]}', "corrupt"),
        (b'{"v": 2, "rows": []}', "version"),
    ],
    ids=["rubbish", "deep", "infinite", "newer"],
)
def test_rows_that_cannot_be_read_are_refused(data, kind):
    with pytest.raises(StoreError) as caught:
        Rows.from_bytes(data)
    assert caught.value.kind == kind


def test_rows_read_as_they_were_written():
    rows = Rows()
    rows.add(spent(tags={"user": "alice", "team": "maps"}, tenant="t", failed=True))
    again = Rows.from_bytes(rows.to_bytes())
    assert list(again.items()) == list(rows.items())


# --- options ---


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"name": ""}, "name=''"),
        ({"patience": 0}, "patience=0"),
        ({"patience": "1"}, "patience='1'"),
        ({"store": 5}, "store=5"),
        ({"on_store_error": "open"}, "on_store_error='open'"),
        ({"on_store_error": -1}, "on_store_error=-1"),
    ],
)
def test_a_bad_option_is_refused(options, match):
    with pytest.raises(ConfigError, match=match):
        Ledger(**options)
