"""The state machine of the breaker, against a plain model of it, and where its numbers turn."""

from __future__ import annotations

import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from aiclient.middleware._circuit import LONGEST_LEASE, Circuit, Rules, Ticket

RULES = Rules(failures=3, ratio=None, window=10.0, least=4, open_for=5.0, max_open=8.0, jitter=0.0)
SHARE = Rules(failures=1, ratio=0.5, window=10.0, least=4, open_for=5.0, max_open=8.0, jitter=0.0)


def circuit(rules=RULES, chance=0.5):
    return Circuit(rules, lambda: chance)


def opened(rules=RULES, *, now=0.0, chance=0.5):
    """A circuit that has just opened for the first time."""
    made = circuit(rules, chance)
    for _ in range(4):
        made.fail(Ticket(0), now, "server")
    assert made.state == "open"
    return made


def results(made, marks, now=0.0):
    """Report successes (`.`) and failures (`x`)."""
    for mark in marks:
        if mark == "x":
            made.fail(made.admit(now, 60), now, "server")
        else:
            made.succeed(made.admit(now, 60), now)
    return made.state


# --- when it opens ---


@pytest.mark.parametrize(
    ("marks", "state"), [("xx", "closed"), ("xxx", "open"), ("xx.xx", "closed"), ("xx.xxx", "open"), ("...", "closed")]
)
def test_so_many_failures_in_a_row_open_it(marks, state):
    assert results(circuit(), marks) == state


@pytest.mark.parametrize(
    ("marks", "state"),
    [("xxx", "closed"), ("xxxx", "open"), ("..xx", "open"), ("...xx", "closed"), ("xx..x", "open"), ("....", "closed")],
)
def test_a_share_of_failures_opens_it_when_there_are_enough_results(marks, state):
    assert results(circuit(SHARE), marks) == state


@pytest.mark.parametrize(("share", "failures"), [(0.07, 7), (0.29, 29), (0.57, 57), (1.0, 100)])
def test_a_share_that_is_just_reached_opens_it(share, failures):
    rules = Rules(1, share, window=10.0, least=100, open_for=5.0, max_open=8.0, jitter=0.0)
    assert results(circuit(rules), "." * (100 - failures) + "x" * failures) == "open"


@pytest.mark.parametrize(("age", "state"), [(8.9, "open"), (10.0, "closed")])
def test_results_older_than_the_window_do_not_count(age, state):
    made = circuit(SHARE)
    results(made, "xxx", now=0.0)
    assert results(made, "x", now=age) == state


def test_a_result_counts_for_nine_tenths_of_the_window_at_least():
    made = circuit(SHARE)
    results(made, "x", now=0.0)
    results(made, "x", now=0.99)  # kept together with the first
    assert made.counts(9.98) == (2, 2)
    assert made.counts(10.0) == (0, 0)


def test_results_a_tenth_of_the_window_apart_are_kept_apart():
    made = circuit(SHARE)
    results(made, "x.", now=0.0)
    results(made, "x", now=1.0)
    results(made, ".", now=5.0)
    assert made.counts(9.9) == (4, 2)
    assert made.counts(10.0) == (2, 1)
    assert made.counts(11.0) == (1, 0)


def test_many_results_are_kept_in_few_pieces():
    made = circuit(SHARE)
    for step in range(10_000):
        made.succeed(Ticket(0), step / 100)
    assert len(made._window._buckets) <= 11


# --- how long it stays open ---


def test_openings_double_up_to_the_longest_and_begin_again_after_a_success():
    made, now, lengths = opened(), 0.0, []
    for _ in range(4):
        lengths.append(made.opens_until - now)
        now = made.opens_until
        made.fail(made.admit(now, 60), now, "server")
    assert lengths == [5, 8, 8, 8]
    now = made.opens_until
    made.succeed(made.admit(now, 60), now)
    assert results(made, "xxx", now) == "open"
    assert made.opens_until - now == 5


def test_each_opening_is_twice_as_long_as_the_one_before():
    rules = Rules(1, None, window=10.0, least=4, open_for=5.0, max_open=1000.0, jitter=0.0)
    made, lengths = circuit(rules), []
    for _ in range(5):
        made.open(0.0)
        lengths.append(made.opens_until)
    assert lengths == [5, 10, 20, 40, 80]


def test_a_thousand_openings_in_a_row_are_no_longer_than_the_longest():
    made = circuit(Rules(1, None, window=10.0, least=4, open_for=1e-9, max_open=8.0, jitter=0.0))
    for _ in range(2000):
        made.open(0.0)
    assert made.opens_until == 8.0


@pytest.mark.parametrize(("chance", "length"), [(0.0, 4.0), (0.5, 5.0), (1.0, 6.0)])
def test_jitter_makes_an_opening_shorter_or_longer_by_its_share(chance, length):
    rules = Rules(3, None, window=10.0, least=4, open_for=5.0, max_open=8.0, jitter=0.2)
    assert opened(rules, chance=chance).opens_until == pytest.approx(length)


def test_an_opening_by_hand_lasts_as_long_as_was_said():
    made = circuit(Rules(3, None, window=10.0, least=4, open_for=5.0, max_open=8.0, jitter=0.2), chance=1.0)
    made.open(10.0, 600.0)
    assert (made.retry_after(10.0), made.retry_after(609.5)) == (600.0, 0.5)


@pytest.mark.parametrize("now", [0.0, 2.0, 4.999])
def test_an_open_circuit_lets_nothing_through(now):
    assert opened().admit(now, 60) is None


# --- the probe ---


def test_one_call_is_let_through_when_the_opening_is_over():
    made = opened()
    probe = made.admit(5.0, 60)
    assert probe is not None and probe.lease and made.state == "half_open"
    assert [made.admit(5.0, 60) for _ in range(1000)] == [None] * 1000


def test_all_are_let_through_after_the_probe_has_succeeded():
    made = opened()
    made.succeed(made.admit(5.0, 60), 5.0)
    assert all(made.admit(5.0, 60) == Ticket(made.generation) for _ in range(1000))


def test_the_probes_failure_opens_it_again():
    made = opened()
    made.fail(made.admit(5.0, 60), 5.0, "timeout")
    assert (made.state, made.last_failure, made.admit(5.0, 60)) == ("open", "timeout", None)


def test_a_probe_that_says_nothing_gives_its_place_to_the_next():
    made = opened()
    made.give_back(made.admit(5.0, 60))
    assert made.state == "half_open" and made.admit(5.0, 60) is not None
    assert made.admit(5.0, 60) is None


@pytest.mark.parametrize(("longest", "lease"), [(3.0, 3.0), (600.0, LONGEST_LEASE), (math.inf, LONGEST_LEASE)])
def test_a_probe_that_hangs_makes_way_when_its_lease_is_over(longest, lease):
    made = opened()
    made.admit(5.0, longest)
    assert made.admit(5.0 + lease - 0.001, 60) is None
    assert made.admit(5.0 + lease, 60) is not None
    assert made.admit(5.0 + lease, 60) is None


def test_a_probe_that_gives_back_an_expired_lease_does_not_end_the_next_ones():
    made = opened()
    slow = made.admit(5.0, 3)
    made.admit(8.0, 60)
    made.give_back(slow)
    assert made.admit(8.0, 60) is None


def test_a_probe_slower_than_its_lease_still_closes_it():
    """Or calls that take longer than a minute would keep it open for ever."""
    made = opened()
    slow = made.admit(5.0, 60)
    made.admit(65.0, 60)
    made.succeed(slow, 70.0)
    assert made.state == "closed"


def test_a_refusal_says_when_the_next_call_may_get_through():
    made = opened()
    assert (made.retry_after(1.0), made.retry_after(5.0)) == (4.0, 0.0)
    made.admit(5.0, 3)
    assert made.retry_after(6.0) == 2.0
    made.admit(8.0, 60)
    assert made.retry_after(8.0) == 5.0  # the lease is longer, but the probe will be over sooner
    made.succeed(Ticket(made.generation, 2), 9.0)
    assert made.retry_after(9.0) == 0.0


def test_it_says_since_when_it_is_half_open():
    made = opened()
    made.admit(7.0, 60)
    assert (made.state, made.since) == ("half_open", 7.0)


@pytest.mark.parametrize("how", ["probe", "reset"])
def test_it_says_since_when_it_is_closed_again(how):
    made = opened(now=1.0)
    assert made.since == 1.0
    {"probe": lambda: made.succeed(made.admit(7.0, 60), 7.5), "reset": lambda: made.reset(7.5)}[how]()
    assert (made.state, made.since) == ("closed", 7.5)


# --- generations ---


@pytest.mark.parametrize("report", ["succeed", "fail", "give_back"])
@pytest.mark.parametrize("state", ["open", "half_open", "closed"])
def test_a_late_result_of_an_older_generation_is_ignored(report, state):
    made = circuit()
    late = made.admit(0.0, 60)
    results(made, "xxx")
    if state != "open":
        probe = made.admit(5.0, 60)
    if state == "closed":
        made.succeed(probe, 5.0)
        made.fail(made.admit(5.0, 60), 5.0, "server")
    before = (made.state, made.generation, made.in_a_row, made.last_failure, made.counts(5.0), made._leased_until)
    arguments = {"succeed": (late, 5.0), "fail": (late, 5.0, "timeout"), "give_back": (late,)}[report]
    getattr(made, report)(*arguments)
    assert before == (
        made.state,
        made.generation,
        made.in_a_row,
        made.last_failure,
        made.counts(5.0),
        made._leased_until,
    )


def test_after_its_first_output_the_probe_is_a_call_of_the_new_generation():
    made = opened()
    after = made.succeed(made.admit(5.0, 60), 5.0)
    assert after == Ticket(made.generation)
    made.fail(after, 6.0, "server")
    assert (made.state, made.in_a_row) == ("closed", 1)


def test_a_reset_forgets_everything():
    made = circuit()
    late = made.admit(0.0, 60)
    results(made, "xx")
    made.reset(1.0)
    made.fail(late, 1.0, "server")
    assert (made.state, made.in_a_row, made.counts(1.0), made.last_failure) == ("closed", 0, (0, 0), None)


# --- against a plain model ---


class Model:
    """What a circuit should do, written for reading: calls are kept, and what they mean is looked up in them."""

    def __init__(self, rules):
        self.rules, self.period, self.state = rules, 0, "closed"
        self.opened = 0  # times in a row
        self.until = self.lease_until = 0.0
        self.lease = None
        self.history = []  # (when, failed) of this closed period and the open ones that follow it

    def enter(self, state):
        self.state, self.period, self.lease = state, self.period + 1, None

    def call(self, now, longest):
        if self.state == "open" and now >= self.until:
            self.enter("half_open")
        if self.state == "half_open" and (self.lease is None or now >= self.lease_until):
            self.lease, self.lease_until = object(), now + min(longest, 60.0)
            return (self.period, self.lease)
        return (self.period, None) if self.state == "closed" else None

    def succeed(self, call, now):
        if call[0] != self.period:
            return call
        if self.state == "half_open":
            self.close()
            return (self.period, None)
        self.history.append((now, False))
        return call

    def fail(self, call, now):
        if call[0] == self.period:
            self.history.append((now, True))
            if self.state == "half_open" or self.too_many(now):
                self.open(now)

    def neutral(self, call):
        if call[1] is self.lease:
            self.lease = None

    def open(self, now, span=None):
        self.opened += 1
        self.until = now + (span or min(5.0 * 2 ** (self.opened - 1), 8.0))
        self.enter("open")

    def close(self):
        self.opened, self.history = 0, []
        self.enter("closed")

    def too_many(self, now):
        lately = [failed for when, failed in self.history if now - when < self.rules.window]
        if self.rules.ratio is None:
            return self.in_a_row >= self.rules.failures
        return len(lately) >= self.rules.least and sum(lately) >= self.rules.ratio * len(lately)

    @property
    def in_a_row(self):
        fails = [failed for _, failed in self.history]
        return len(fails) - 1 - max((index for index, failed in enumerate(fails) if not failed), default=-1)


class AnyHistory(RuleBasedStateMachine):
    """Calls that end well, badly, without a verdict, late, or never; time that passes; people who trip and reset."""

    under = RULES
    calls = Bundle("calls")

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.circuit, self.model = circuit(self.under), Model(self.under)

    @rule(target=calls, longest=st.sampled_from([2, 7, 60, 600, math.inf]))
    def call(self, longest):
        ticket, expected = self.circuit.admit(self.now, longest), self.model.call(self.now, longest)
        assert (ticket is None) == (expected is None)
        if ticket is None:
            return multiple()
        assert bool(ticket.lease) == (expected[1] is not None)
        return (ticket, expected)

    @rule(call=consumes(calls))
    def succeed(self, call):
        self.circuit.succeed(call[0], self.now)
        self.model.succeed(call[1], self.now)

    @rule(target=calls, call=consumes(calls))
    def first_output(self, call):
        return self.circuit.succeed(call[0], self.now), self.model.succeed(call[1], self.now)

    @rule(call=consumes(calls))
    def fail(self, call):
        self.circuit.fail(call[0], self.now, "server")
        self.model.fail(call[1], self.now)

    @rule()
    def fail_at_once(self):
        ticket, expected = self.circuit.admit(self.now, 60), self.model.call(self.now, 60)
        assert (ticket is None) == (expected is None)
        if ticket is not None:
            self.circuit.fail(ticket, self.now, "server")
            self.model.fail(expected, self.now)

    @rule()
    def succeed_at_once(self):
        ticket, expected = self.circuit.admit(self.now, 60), self.model.call(self.now, 60)
        assert (ticket is None) == (expected is None)
        if ticket is not None:
            self.circuit.succeed(ticket, self.now)
            self.model.succeed(expected, self.now)

    @rule(call=consumes(calls))
    def cancel(self, call):
        self.circuit.give_back(call[0])
        self.model.neutral(call[1])

    @rule(seconds=st.integers(1, 12) | st.just(61))  # whole tenths of the window: the pieces are then exact
    def advance(self, seconds):
        self.now += seconds

    @rule(span=st.sampled_from([None, 2.0, 30.0]))
    def trip(self, span):
        self.circuit.open(self.now, span)
        self.model.open(self.now, span)

    @rule()
    def reset(self):
        self.circuit.reset(self.now)
        self.model.close()

    @rule()
    def nobody_is_locked_out_for_ever(self):
        self.now += 61
        ticket, expected = self.circuit.admit(self.now, 1), self.model.call(self.now, 1)
        assert ticket is not None and expected is not None
        self.circuit.give_back(ticket)
        self.model.neutral(expected)

    @invariant()
    def it_stands_as_the_model_does(self):
        made, model = self.circuit, self.model
        assert (made.state, made.generation, made.in_a_row) == (model.state, model.period, model.in_a_row)
        assert made.state != "open" or made.opens_until == model.until
        lately = [failed for when, failed in model.history if self.now - when < self.under.window]
        assert made.counts(self.now) == (len(lately), sum(lately))

    @invariant()
    def it_refuses_exactly_while_it_says_when_to_ask_again(self):
        refused = self.model.state == "open" and self.now < self.model.until
        refused |= self.model.lease is not None and self.now < self.model.lease_until
        assert (self.circuit.retry_after(self.now) > 0) == refused


class AnyHistoryOfShares(AnyHistory):
    under = SHARE


TestAnyHistory = AnyHistory.TestCase
TestAnyHistoryOfShares = AnyHistoryOfShares.TestCase
TestAnyHistory.settings = TestAnyHistoryOfShares.settings = settings(
    settings.get_profile("suite"), stateful_step_count=40
)
