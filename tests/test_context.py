"""What the attempts of one logical call share."""

from __future__ import annotations

import math

import pytest

from aiclient.context import DEFAULT_EXTRA_ATTEMPTS, CallContext, CallEvent, Timeouts
from aiclient.errors import InvalidRequestError

LIMITS = ["total", "attempt", "connect", "pool", "first_output", "idle"]


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("value", [None, 0.001, 1, math.inf])
def test_a_limit_is_a_positive_number_of_seconds_or_none(limit, value):
    assert getattr(Timeouts(**{limit: value}), limit) == value


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("value", [0, -1, math.nan, True, "5"])
def test_another_limit_is_refused_by_name(limit, value):
    with pytest.raises(InvalidRequestError, match=f"{limit}=.* must be a number of seconds above 0"):
        Timeouts(**{limit: value})


def test_a_number_is_the_total_and_none_the_defaults():
    given = Timeouts(idle=3)
    assert Timeouts.of(7, given) == Timeouts(total=7, idle=3) and Timeouts.of(None, given) is given
    assert Timeouts.of(7) == Timeouts(total=7)
    assert Timeouts.of(None) == Timeouts()
    assert Timeouts.of(given) is given


def test_attempts_left_are_counted_down_to_none():
    context = CallContext()
    assert [context.take_extra() for _ in range(DEFAULT_EXTRA_ATTEMPTS + 2)] == [True] * DEFAULT_EXTRA_ATTEMPTS + [
        False
    ] * 2
    assert context.extra_attempts == 0


@pytest.mark.parametrize(("deadline", "left"), [(None, math.inf), (5.0, 3.0), (2.0, 0.0), (1.0, 0.0)])
def test_the_time_that_remains_is_never_negative(clock, deadline, left):
    clock.advance(2)
    assert CallContext(clock=clock, deadline=deadline).remaining() == left


def test_events_reach_every_observer_in_order():
    seen = []
    context = CallContext()
    context.observe(lambda event: seen.append(("first", event.kind)))
    context.observe(lambda event: seen.append(("second", event.kind)))
    context.emit(CallEvent("retry"))
    assert seen == [("first", "retry"), ("second", "retry")]


def test_who_no_longer_observes_is_told_nothing_even_if_it_leaves_while_an_event_is_told():
    seen = []
    context = CallContext()

    def once(event):
        seen.append(("once", event.kind))
        context.unobserve(once)

    context.observe(once)
    context.observe(lambda event: seen.append(("always", event.kind)))
    context.emit(CallEvent("retry"))
    context.emit(CallEvent("breaker"))
    context.unobserve(once)  # harmless when it has left
    assert seen == [("once", "retry"), ("always", "retry"), ("always", "breaker")]


def test_what_an_observer_raises_is_logged_without_its_words_and_others_are_told(caplog):
    seen = []
    context = CallContext()

    def broken(event):
        raise ValueError(f"secret words at {event.kind}")

    context.observe(broken)
    context.observe(lambda event: seen.append(event.kind))
    context.emit(CallEvent("attempt_started"))
    context.emit(CallEvent("attempt_ended"))
    assert seen == ["attempt_started", "attempt_ended"]
    (record,) = caplog.records
    assert "broken raised ValueError when told of attempt_started" in record.getMessage()
    assert "secret" not in record.getMessage() and not record.exc_info


def test_contexts_have_their_own_id_and_journal_and_compare_by_identity():
    one, two = CallContext(), CallContext()
    assert one != two and one.id != two.id and one.journal is not two.journal
