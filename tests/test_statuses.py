"""What is summed up of a service, from what its layers said."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from aiclient.abilities import Health
from aiclient.statuses import FRESH, ServiceStatus, Status, standing_of

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def standing(*, models=("m",), health=None, **details):
    return standing_of(
        "p", models=models, origin="https://p.example", health=health, details=details, now=NOW.timestamp()
    )


def unwell(category="server", age=0.0):
    return Health(False, 0.1, NOW - timedelta(seconds=age), category)


def measured(model="m", *, rate=1.0, count=10, **more):
    return {"model": model, "success_rate": rate, "duration": {"count": count, "p95": float(count)}, **more}


def test_of_a_service_of_which_nothing_is_known_nothing_is_said():
    found = standing()
    assert (found.ok, found.reasons, found.breaker, found.success_rate, found.headroom) == (True, (), None, None, None)
    assert (found.last_error, found.duration, found.spend_usd, found.model) == (None, None, None, "m")


@pytest.mark.parametrize(
    ("circuits", "state", "ok"),
    [
        ([("m", "closed")], "closed", True),
        ([("m", "open")], "open", False),
        ([("m", "half_open")], "half_open", True),
        ([("m", "closed"), ("other", "open")], "closed", True),
        ([("other", "closed"), ("another", "open")], "open", False),
        ([("m", "closed"), ("m", "open")], "open", False),
    ],
)
def test_the_circuit_of_its_own_model_decides_else_the_worst(circuits, state, ok):
    found = standing(breaker=[{"model": model, "state": word, "retry_after": 3.0} for model, word in circuits])
    assert (found.breaker, found.ok, found.retry_after) == (state, ok, 3.0)
    assert found.reasons == (() if ok else ("its circuit is open",))


def test_a_circuit_that_may_be_tried_again_speaks_no_longer_against_it():
    found = standing(breaker=[{"model": "m", "state": "open", "retry_after": 0.0}])
    assert (found.breaker, found.ok, found.reasons) == ("open", True, ())


@pytest.mark.parametrize(
    ("health", "reasons"),
    [
        (None, ()),
        (Health(True, 0.1, NOW), ()),
        (unwell(), ("it is not well (server)",)),
        (unwell(age=FRESH), ("it is not well (server)",)),
        (unwell(age=FRESH + 1), ()),
        (unwell("rate_limit"), ()),
        (unwell("not_found"), ()),
    ],
)
def test_a_health_that_was_bad_lately_speaks_against_it(health, reasons):
    found = standing(health=health)
    assert (found.reasons, found.health) == (reasons, health)


@pytest.mark.parametrize(
    ("entries", "rate", "ok"),
    [
        ([measured(rate=0.4, count=10)], 0.4, False),
        ([measured(rate=0.5, count=10)], 0.5, True),
        ([measured(rate=0.0, count=4)], 0.0, True),
        ([measured(rate=0.0, count=5)], 0.0, False),
        ([measured(rate=0.0, count=3), measured("n", rate=1.0, count=9)], 0.75, True),
        ([measured(rate=None, count=0)], None, True),
    ],
)
def test_failing_more_often_than_not_speaks_against_it_when_there_were_enough(entries, rate, ok):
    found = standing(metrics=entries)
    assert (found.success_rate, found.ok) == (rate, ok)


def test_percentiles_are_those_of_the_model_that_is_asked_most():
    found = standing(metrics=[measured(count=3), measured("n", count=9), measured("o", count=1)])
    assert found.duration == {"count": 9, "p95": 9.0}


def test_the_last_error_is_the_latest_of_all_models():
    early, late = ({"last_failure": word, "last_failure_at": at} for word, at in (("server", 1.0), ("timeout", 2.0)))
    found = standing(metrics=[measured(**late), measured("n", **early)])
    assert (found.last_error, found.last_error_at) == ("timeout", 2.0)


def test_without_metrics_the_circuit_knows_the_last_error():
    found = standing(breaker=[{"model": "m", "state": "closed", "last_failure": "server"}])
    assert (found.last_error, found.last_error_at) == ("server", None)


def limit(requests=None, tokens=None, **more):
    used = {"requests": 1, "tokens": 10, "not_before": 0.0, "waiting": 0}
    return {**used, "requests_limit": requests, "tokens_limit": tokens, **more}


@pytest.mark.parametrize(
    ("details", "headroom"),
    [
        ({"rate_limit": [limit(10, 100)]}, (9, 90, None, 0.0, 0)),
        ({"rate_limit": [limit(10), limit(5, tokens=5, waiting=2, not_before=3.0)]}, (4, 0, None, 3.0, 2)),
        ({"concurrency": [{"limit": 4, "in_use": 1, "waiting": 3}]}, (None, None, 3, 0.0, 3)),
        ({"rate_limit": [limit()], "concurrency": [{"limit": 4, "in_use": 4, "waiting": 1}]}, (None, None, 0, 0.0, 1)),
    ],
)
def test_what_is_left_is_the_least_of_all_limits(details, headroom):
    assert tuple(standing(**details).headroom.values()) == headroom


def test_a_ledger_knows_better_what_was_spent_than_metrics():
    metrics = [measured(cost_usd="0.5"), measured("n", cost_usd="0.25")]
    assert standing(metrics=metrics).spend_usd == Decimal("0.75")
    spend = [{"model": "m", "usd": "2"}, {"model": "n", "usd": Decimal(1)}]
    assert standing(metrics=metrics, spend=spend).spend_usd == 3
    assert standing(metrics=[measured()]).spend_usd is None


def test_what_several_layers_have_counted_counts_once():
    metrics = [measured(count=4, rate=0.0, cost_usd="1"), measured(count=3, rate=0.0, cost_usd="0.5"), measured("n")]
    found = standing(metrics=metrics, spend=[{"model": "m", "usd": "2"}, {"model": "m", "usd": "3"}])
    assert found.spend_usd == 3 and found.success_rate == pytest.approx(10 / 14)
    assert standing(metrics=metrics).spend_usd == 1


def test_a_status_is_plain_json_and_money_stays_exact():
    notes = [{"seen": {1}, 3: (NOW, [Decimal("2E+2")])}]
    service = standing(health=unwell(), spend=[{"usd": Decimal("0.1")}], rate_limit=[limit(10)], notes=notes)
    saved = json.loads(json.dumps(Status(state="down", taken_at=NOW, services=(service,)).to_dict()))
    (told,) = saved["services"]
    assert (saved["ok"], saved["state"], saved["taken_at"]) == (False, "down", "2026-11-28T00:00:00+00:00")
    assert (told["spend_usd"], told["health"]["category"], told["headroom"]["requests"]) == ("0.1", "server", 9)
    assert told["health"]["checked_at"] == "2026-11-28T00:00:00+00:00"
    assert told["details"]["notes"] == [{"seen": "{1}", "3": ["2026-11-28 00:00:00+00:00", ["200"]]}]


@pytest.mark.parametrize(("state", "ok"), [("ok", True), ("degraded", True), ("down", False), ("closed", False)])
def test_it_is_ok_as_long_as_one_service_is(state, ok):
    assert Status(state=state, taken_at=NOW).ok is ok


def test_a_status_prints_as_lines():
    well = ServiceStatus(provider="a", model="m", success_rate=0.975, spend_usd=Decimal("0.10"))
    ill = ServiceStatus(provider="b", ok=False, reasons=("its circuit is open", "it is not well (server)"))
    status = Status(state="degraded", taken_at=NOW, in_flight=3, services=(well, ill))
    assert str(status).splitlines() == [
        "degraded, 3 in flight",
        "ok   a:m, 98% of attempts well, $0.10 spent",
        "DOWN b; its circuit is open; it is not well (server)",
    ]
