"""The exact log behind a rate limit, held to a plain list of everything that ever happened."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aiclient.middleware._window import GUARD, LONGEST_GUARD, Window


def moments(window, count, tokens=1):
    """The moments at which `count` calls are let through that all wait from the beginning."""
    now, taken = 0.0, []
    while len(taken) < count:
        if window.fits(now, tokens):
            window.take(now, tokens)
            taken.append(now)
        else:
            now = window.due(now, tokens)[0]
    return taken


def most_within(events, seconds):
    """The largest sum of amounts in any window of so many seconds, by two pointers over (moment, amount)."""
    most = inside = begin = 0
    for moment, amount in events:
        inside += amount
        while events[begin][0] <= moment - seconds:
            inside -= events[begin][1]
            begin += 1
        most = max(most, inside)
    return most


# --- the limit ---


@pytest.mark.parametrize(("limit", "per"), [(10, 1.0), (60, 60.0), (3, 0.1), (1, 3600.0)])
def test_no_window_holds_more_than_the_limit_and_hardly_less_passes_in_the_long_run(limit, per):
    taken = moments(Window(limit, None, per), 40 * limit)
    assert most_within([(moment, 1) for moment in taken], per) == limit
    rounds = taken[-1] / per  # forty rounds began in the time of thirty-nine
    assert 39 <= rounds <= 39 * 1.0051


@pytest.mark.parametrize(("per", "length"), [(1.0, 1.005), (60.0, 60.25), (3600.0, 3600.25), (10.0, 10.05)])
def test_the_window_is_a_little_longer_than_asked(per, length):
    assert Window(1, None, per).length == pytest.approx(length)
    assert (GUARD, LONGEST_GUARD) == (0.005, 0.25)


def test_requests_and_tokens_are_taken_together_or_not_at_all():
    window = Window(10, 100, 60)
    window.take(0, 90)
    assert not window.fits(1, 11)
    assert window.used(1) == (1, 90)
    assert window.fits(1, 10)


def test_without_limits_everything_fits_and_nothing_is_kept():
    window = Window(None, None, 60)
    entries = [window.take(0, 10**9) for _ in range(100)]
    assert window.fits(0, 10**9) and window.used(0) == (0, 0)
    assert not any(entry.logged for entry in entries)


# --- when there will be room ---


@pytest.mark.parametrize(
    ("ahead", "due"), [(0, 10.05), (1, 11.05), (2, 20.1), (3, 21.1), (10, 60.3)], ids=lambda value: str(value)
)
def test_who_stands_behind_others_waits_for_as_many_to_leave(ahead, due):
    window = Window(2, None, 10)
    window.take(0, 1)
    window.take(1, 1)
    assert window.due(2, 1, ahead=ahead) == (pytest.approx(due), "requests")


def test_a_large_call_waits_until_enough_has_left():
    window = Window(None, 100, 10)
    for moment in range(10):
        window.take(moment, 10)
    assert window.due(9.5, 5) == (pytest.approx(10.05), "tokens")
    assert window.due(9.5, 35) == (pytest.approx(13.05), "tokens")
    assert window.due(9.5, 100) == (pytest.approx(19.05), "tokens")


def test_a_call_waits_for_no_more_and_no_less_than_it_lacks():
    window = Window(None, 100, 10)
    window.take(0, 10)
    window.take(1, 70)
    assert window.due(2, 20)[0] == 2
    assert window.due(2, 21)[0] == pytest.approx(10.05)
    assert window.due(2, 30)[0] == pytest.approx(10.05)
    assert window.due(2, 31)[0] == pytest.approx(11.05)


def test_what_those_ahead_need_counts_in_whole_windows():
    window = Window(None, 100, 10)
    assert window.due(0, 50, tokens_ahead=50)[0] == 0
    assert window.due(0, 50, tokens_ahead=51)[0] == pytest.approx(10.05)
    assert window.due(0, 50, tokens_ahead=251)[0] == pytest.approx(30.15)


def test_only_what_is_settled_is_sure_to_stay():
    window = Window(None, 100, 10)
    window.settle(window.take(0, 40), 40, 0)
    window.take(0, 60)
    assert window.due(1, 50, sure=True)[0] == 1
    assert window.due(1, 61, sure=True)[0] == pytest.approx(10.05)
    assert window.due(1, 1)[0] == pytest.approx(10.05)


def test_what_was_charged_later_is_sure_to_stay():
    window = Window(None, 100, 10)
    window.settle(window.take(0, 10), 100, 1)
    assert window.due(2, 50, sure=True)[0] == pytest.approx(11.05)


def test_what_may_be_given_back_does_not_make_room_for_sure():
    window = Window(None, 100, 10)
    window.take(0, 40)
    window.settle(window.take(1, 60), 60, 1)
    assert window.due(2, 50, sure=True)[0] == pytest.approx(11.05)


def test_more_than_the_limit_never_fits():
    window = Window(None, 100, 10)
    assert window.due(0, 101, sure=True)[0] == math.inf


def test_the_later_of_both_is_named():
    window = Window(1, 100, 10)
    window.take(0, 100)
    assert window.due(0, 1)[1] == "requests"
    window = Window(2, 100, 10)
    window.take(0, 100)
    assert window.due(0, 1)[1] == "tokens"


# --- settling ---


def test_what_was_reserved_too_much_is_given_back_where_it_was_taken():
    window = Window(None, 100, 10)
    entry = window.take(0, 80)
    window.take(5, 20)
    window.settle(entry, 30, 6)
    assert window.used(6) == (2, 50)
    assert window.used(10.1) == (1, 20)


def test_what_was_used_beyond_the_reservation_is_charged_when_it_is_known():
    window = Window(None, 100, 10)
    entry = window.take(0, 80)
    window.settle(entry, 130, 6)
    assert window.used(6) == (1, 130)
    assert window.used(10.1) == (0, 50)
    assert window.due(6, 60) == (pytest.approx(16.05), "tokens")


def test_a_call_that_outlives_the_window_is_charged_for_what_it_used_beyond():
    window = Window(1, 100, 10)
    entry = window.take(0, 80)
    assert window.fits(60, 100)
    window.settle(entry, 110, 60)
    assert window.used(60) == (0, 30)


def test_a_call_that_outlives_the_window_gives_nothing_back():
    window = Window(1, 100, 10)
    entry = window.take(0, 80)
    assert window.fits(60, 100)
    window.take(60, 70)
    window.settle(entry, 10, 61)
    assert window.used(61) == (1, 70)


def test_a_second_settling_changes_nothing():
    window = Window(None, 100, 10)
    entry = window.take(0, 80)
    window.settle(entry, 30, 1)
    window.settle(entry, 90, 1)
    window.release(entry)
    assert window.used(1) == (1, 30)


def test_a_settling_or_a_release_after_a_release_changes_nothing():
    window = Window(None, 100, 10)
    window.take(0, 10)
    entry = window.take(0, 80)
    window.take(0, 5)
    window.release(entry)
    window.settle(entry, 90, 1)
    window.release(entry)
    assert window.used(1) == (2, 15)


def test_a_call_that_takes_just_what_was_reserved_is_charged_nothing_more():
    window = Window(None, 100, 10)
    window.settle(window.take(0, 80), 80, 1)
    assert (window.used(1), len(window._log)) == ((1, 80), 1)


def test_a_call_that_was_not_sent_leaves_no_trace():
    window = Window(2, 100, 10)
    window.take(0, 10)
    window.release(window.take(0, 80))
    assert window.used(0) == (1, 10)


def test_calls_that_fail_at_once_do_not_fill_the_memory():
    window = Window(2, 100, 10)
    for _ in range(1000):
        window.release(window.take(0, 80))
    assert len(window._log) == 0


def test_the_log_stays_in_order_when_a_clock_runs_behind():
    window = Window(2, None, 10)
    window.take(5, 0)
    window.take(1, 0)
    assert window.used(14) == (2, 0)


# --- against a list ---


class Oracle:
    """Everything that was ever taken, added up anew each time."""

    def __init__(self, length):
        self.length = length
        self.rows = []  # [moment, requests, tokens]

    def used(self, now):
        alive = [row for row in self.rows if row[0] + self.length - now > 1e-6]
        return sum(row[1] for row in alive), sum(row[2] for row in alive)

    def fits(self, now, limits, tokens):
        requests, taken = self.used(now)
        return requests + 1 <= limits[0] and taken + tokens <= limits[1]

    def settle(self, row, tokens, now):
        if tokens > row[2]:
            self.rows.append([now, 0, tokens - row[2]])
        row[2] = min(row[2], tokens)


class Model(RuleBasedStateMachine):
    """Any order of taking, settling, keeping, releasing and waiting gives the sums that a list gives."""

    LIMITS = 5, 100

    def __init__(self):
        super().__init__()
        self.window = Window(*self.LIMITS, 10)
        self.oracle = Oracle(self.window.length)
        self.now = 0.0
        self.open = []  # (entry, row, moment)
        self.actual = self.wasted = 0

    @rule(tokens=st.integers(0, 100))
    def take(self, tokens):
        fits = self.window.fits(self.now, tokens)
        assert fits == self.oracle.fits(self.now, self.LIMITS, tokens)
        if not fits:
            due = self.window.due(self.now, tokens)[0]
            assert due > self.now and not self.oracle.fits(due - 0.001, self.LIMITS, tokens)
            return
        row = [self.now, 1, tokens]
        self.oracle.rows.append(row)
        self.open.append((self.window.take(self.now, tokens), row))

    @precondition(lambda self: self.open)
    @rule(data=st.data(), tokens=st.integers(0, 150))
    def settle(self, data, tokens):
        entry, row = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        self.oracle.settle(row, tokens, self.now)
        self.window.settle(entry, tokens, self.now)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def release(self, data):
        entry, row = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        row[1:] = 0, 0
        self.window.release(entry)

    @rule(seconds=st.sampled_from([0.0, 0.5, 3.0, 9.0, 10.05, 11.0]))
    def wait(self, seconds):
        self.now += seconds

    @invariant()
    def sums_agree(self):
        assert self.window.used(self.now) == self.oracle.used(self.now)
        self.window.fits(self.now, 0)  # drops what is over
        assert (self.window._requests, self.window._tokens) == self.oracle.used(self.now)


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=60, stateful_step_count=40)


def test_after_twenty_thousand_calls_the_sum_is_what_was_used():
    draw, window, now, open_calls = random.Random(7), Window(50, 10_000, 10), 0.0, []
    used = settled = 0
    for _ in range(20_000):
        now += draw.random() * 0.3
        tokens = draw.randrange(400)
        if window.fits(now, tokens):
            open_calls.append(window.take(now, tokens))
        if open_calls and draw.random() < 0.9:
            entry = open_calls.pop(draw.randrange(len(open_calls)))
            before = window.used(now)[1]
            logged, reserved, actual = entry.logged, entry.tokens, draw.randrange(600)
            if draw.random() < 0.2:
                actual = 0
                window.release(entry)
            else:
                window.settle(entry, actual, now)
            change = window.used(now)[1] - before
            assert change == (actual - reserved if logged else max(0, actual - reserved))
            used, settled = used + actual, settled + (reserved if logged else min(actual, reserved)) + change
    for entry in open_calls:
        window.settle(entry, entry.tokens, now)
    assert used == settled
    assert window.fits(now + 11, 10_000)
    assert (window._requests, window._tokens, window._settled, len(window._log)) == (0, 0, 0, 0)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 100)), max_size=60))
def test_no_window_holds_more_tokens_than_the_limit_however_calls_arrive(arrivals):
    window, now, taken = Window(None, 100, 10), 0.0, []
    for gap, tokens in arrivals:
        now += gap
        while not window.fits(now, tokens):
            now = window.due(now, tokens)[0]
        window.take(now, tokens)
        taken.append((now, tokens))
    assert most_within(taken, 10) <= 100
