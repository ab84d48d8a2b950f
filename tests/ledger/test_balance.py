"""One balance: what is reserved, settled, released and lapsed adds up, whatever comes in which order."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aiclient import StoreError
from aiclient.ledger.balance import REMEMBERED, Balance
from aiclient.ledger.limits import Account, cap
from aiclient.ledger.money import NOTHING, Amount

USD = cap("usd", 100)
TOKENS = cap("tokens", 50)
ACCOUNT = Account("budget")


@pytest.fixture
def balance():
    return Balance(ACCOUNT)


def reserve(balance, identity, ceiling, *, expires=1000.0, now=0.0, caps=(USD,)):
    return balance.reserve(identity, ceiling, expires=expires, now=now, caps=caps)


def sums(balance):
    return balance.spent.micros, balance.reserved.micros


def test_what_is_spent_and_reserved_never_exceeds_the_limit(balance):
    assert reserve(balance, "a", Amount(60)) is None
    assert reserve(balance, "b", Amount(41)) is USD
    assert reserve(balance, "b", Amount(40)) is None
    assert sums(balance) == (0, 100)


def test_a_refused_call_has_nothing_reserved(balance):
    assert reserve(balance, "a", Amount(10, 51), caps=(USD, TOKENS)) is TOKENS
    assert balance.reserved == NOTHING
    assert balance.idle


def test_the_same_reservation_again_changes_nothing(balance):
    reserve(balance, "a", Amount(60))
    assert reserve(balance, "a", Amount(60)) is None
    assert sums(balance) == (0, 60)


def test_a_call_may_take_more_than_was_reserved(balance):
    reserve(balance, "a", Amount(60))
    assert balance.settle("a", Amount(150), now=0.0)
    assert sums(balance) == (150, 0)
    assert reserve(balance, "b", Amount(1)) is USD


def test_what_takes_nothing_fits_although_the_money_is_gone(balance):
    balance.settle("a", Amount(150), now=0.0)
    assert reserve(balance, "b", Amount(0, 7)) is None


def test_a_second_settling_changes_nothing(balance):
    reserve(balance, "a", Amount(60))
    balance.settle("a", Amount(50), now=0.0)
    assert not balance.settle("a", Amount(50), now=0.0)
    assert sums(balance) == (50, 0)


def test_what_was_never_reserved_is_counted_all_the_same(balance):
    assert balance.settle("a", Amount(50), now=0.0)
    assert sums(balance) == (50, 0)


def test_what_was_not_sent_is_given_back(balance):
    reserve(balance, "a", Amount(60))
    balance.release("a")
    assert sums(balance) == (0, 0)


def test_a_release_after_the_settling_changes_nothing(balance):
    reserve(balance, "a", Amount(60))
    balance.settle("a", Amount(50), now=0.0)
    balance.release("a")
    assert sums(balance) == (50, 0)


def test_a_reservation_whose_time_is_over_counts_as_spent_at_its_ceiling(balance):
    reserve(balance, "a", Amount(60), expires=10.0)
    balance.lapse(9.9)
    assert sums(balance) == (0, 60)
    balance.lapse(10.0)
    assert sums(balance) == (60, 0)


def test_what_settles_after_it_has_lapsed_is_corrected(balance):
    reserve(balance, "a", Amount(60), expires=10.0)
    assert balance.settle("a", Amount(25), now=11.0)
    assert sums(balance) == (25, 0)
    assert not balance.settle("a", Amount(25), now=11.0)


def test_what_was_not_sent_is_given_back_after_it_has_lapsed(balance):
    reserve(balance, "a", Amount(60), expires=10.0)
    balance.lapse(11.0)
    balance.release("a")
    assert sums(balance) == (0, 0)


def test_only_the_reservation_whose_time_is_over_lapses(balance):
    reserve(balance, "late", Amount(10), expires=30.0)
    reserve(balance, "soon", Amount(20), expires=10.0)
    balance.lapse(10.0)
    assert sums(balance) == (20, 10)
    balance.lapse(30.0)
    assert sums(balance) == (30, 0)


def test_it_lapses_when_the_next_call_reserves():
    balance = Balance(ACCOUNT)
    reserve(balance, "a", Amount(60), expires=10.0)
    reserve(balance, "b", Amount(5), now=10.0)
    assert sums(balance) == (60, 5)


def test_nothing_more_is_reserved_for_a_call_whose_time_is_over(balance):
    reserve(balance, "a", Amount(60), expires=10.0)
    assert not balance.extend("a", Amount(1), now=10.0, caps=(USD,))
    assert sums(balance) == (60, 0)


def test_more_is_reserved_for_a_call_under_way_if_it_fits(balance):
    reserve(balance, "a", Amount(60))
    assert balance.extend("a", Amount(40), now=0.0, caps=(USD,))
    assert not balance.extend("a", Amount(1), now=0.0, caps=(USD,))
    assert sums(balance) == (0, 100)
    balance.release("a")
    assert sums(balance) == (0, 0)


def test_nothing_is_reserved_for_a_call_that_is_not_under_way(balance):
    assert not balance.extend("a", Amount(1), now=0.0, caps=(USD,))


def test_a_soft_limit_refuses_nothing(balance):
    assert reserve(balance, "a", Amount(1000), caps=(USD._replace(hard=False),)) is None


def test_a_reset_leaves_what_is_reserved(balance):
    balance.settle("a", Amount(50), now=0.0)
    reserve(balance, "b", Amount(20))
    balance.reset()
    assert sums(balance) == (0, 20)


def test_what_lapsed_before_a_reset_is_counted_in_full_when_it_settles(balance):
    reserve(balance, "a", Amount(60), expires=10.0)
    balance.lapse(10.0)
    balance.reset()
    balance.settle("a", Amount(25), now=11.0)
    assert sums(balance) == (25, 0)


def test_of_what_has_lapsed_so_much_is_remembered(balance):
    for number in range(REMEMBERED + 1):
        reserve(balance, str(number), Amount(0, 10), expires=10.0)
        balance.lapse(10.0)
    balance.settle("1", Amount(0, 4), now=11.0)
    assert balance.spent.tokens == 10 * REMEMBERED + 4
    balance.settle("0", Amount(0, 4), now=11.0)
    assert balance.spent.tokens == 10 * REMEMBERED + 8


def test_of_what_is_over_so_much_is_remembered(balance):
    for number in range(REMEMBERED + 1):
        balance.settle(str(number), Amount(1), now=0.0)
    assert not balance.settle("1", Amount(1), now=0.0)
    assert balance.settle("0", Amount(1), now=0.0)


# --- alerts ---

WARNS = cap("usd", 100, (0.5, 0.8, 1.0))


def thresholds(alerts):
    return [alert.threshold for alert in alerts]


def test_an_alert_fires_once(balance):
    balance.settle("a", Amount(49), now=1.0)
    assert balance.alert((WARNS,), 1.0) == ()
    balance.settle("b", Amount(1), now=2.0)
    assert thresholds(balance.alert((WARNS,), 2.0)) == [0.5]
    assert balance.alert((WARNS,), 3.0) == ()


def test_a_call_that_passes_several_thresholds_fires_them_all(balance):
    balance.settle("a", Amount(130), now=1.0)
    assert thresholds(balance.alert((WARNS,), 1.0)) == [0.5, 0.8, 1.0]


def test_an_alert_says_what_was_spent_and_when(balance):
    balance.settle("a", Amount(60), now=5.0)
    [alert] = balance.alert((WARNS,), 5.0)
    assert str(alert) == "budget 'budget': 50% reached, 0.00006 of 0.0001 US dollars spent"
    assert alert.at == 5.0
    assert balance.alerts() == (alert,)


def test_a_reset_lets_alerts_fire_again(balance):
    balance.settle("a", Amount(60), now=1.0)
    balance.alert((WARNS,), 1.0)
    balance.reset()
    assert balance.alerts() == ()
    balance.settle("b", Amount(60), now=2.0)
    assert thresholds(balance.alert((WARNS,), 2.0)) == [0.5]


def test_a_limit_of_nothing_does_not_alert_before_something_is_spent(balance):
    assert balance.alert((cap("usd", 0, (0.5, 1.0)),), 0.0) == ()


def test_the_part_of_a_limit_is_exact(balance):
    balance.settle("a", Amount(0, 55), now=0.0)
    assert thresholds(balance.alert((cap("tokens", 100, (0.55,)),), 0.0)) == [0.55]


# --- the record ---


def test_a_record_reads_as_it_was_written(balance):
    reserve(balance, "a", Amount(60), expires=10.0)
    reserve(balance, "b", Amount(5, 6), expires=99.0, now=11.0)
    balance.settle("c", Amount(50, 1), now=12.0)
    balance.alert((WARNS,), 12.0)
    again = Balance.from_bytes(balance.to_bytes())
    assert again.to_bytes() == balance.to_bytes()
    assert (again.spent, again.reserved, again.alerts()) == (balance.spent, balance.reserved, balance.alerts())
    again.lapse(99.0)
    assert again.idle


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b'{"v":2}', b'{"v":1,"account":[]}', b"\xff"])
def test_what_is_no_record_is_refused(data):
    with pytest.raises(StoreError):
        Balance.from_bytes(data)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("spent", [-5, 0]),
        ("spent", ["5", 0]),
        ("spent", [0.5, 0]),
        ("spent", [1e999, 0]),
        ("leases", {"a": [-1, 0, 5.0]}),
        ("leases", {"a": [1, 0, float("nan")]}),
        ("leases", {"a": [1, 0, float("inf")]}),
        ("lapsed", {"a": [-1, 0]}),
    ],
)
def test_a_record_that_would_be_money_for_free_or_held_for_ever_is_refused(balance, place, value):
    record = json.loads(balance.to_bytes())
    with pytest.raises(StoreError):
        Balance.from_bytes(json.dumps({**record, place: value}).encode())


# --- against a model ---

amounts = st.builds(Amount, st.integers(0, 60), st.integers(0, 30))
identities = st.integers(0, 7).map(str)


class BalanceModel(RuleBasedStateMachine):
    """The balance against plain dicts: a call is reserved, lapsed, settled or gone; sums are sums of those."""

    def __init__(self):
        super().__init__()
        self.balance = Balance(ACCOUNT)
        self.now = 0.0
        self.leases = {}
        self.lapsed = {}
        self.settled = {}

    def spent(self):
        return total(self.settled.values()).plus(total(self.lapsed.values()))

    def reserved(self):
        return total(ceiling for ceiling, _ in self.leases.values())

    def over(self):
        for identity, (ceiling, expires) in list(self.leases.items()):
            if expires <= self.now:
                del self.leases[identity]
                self.lapsed[identity] = ceiling

    def fits(self, ceiling):
        after = self.spent().plus(self.reserved()).plus(ceiling)
        return (not ceiling.micros or after.micros <= USD.amount) and (
            not ceiling.tokens or after.tokens <= TOKENS.amount
        )

    @rule(identity=identities, ceiling=amounts, lasts=st.integers(1, 20))
    def reserves(self, identity, ceiling, lasts):
        self.over()
        if identity in self.settled or identity in self.lapsed:
            return  # ids are used once
        refused = reserve(self.balance, identity, ceiling, expires=self.now + lasts, now=self.now, caps=(USD, TOKENS))
        if identity in self.leases:
            assert refused is None
            return
        assert (refused is None) == self.fits(ceiling)
        if refused is None:
            self.leases[identity] = ceiling, self.now + lasts

    @rule(identity=identities, actual=amounts)
    def settles(self, identity, actual):
        self.over()
        first = self.balance.settle(identity, actual, now=self.now)
        assert first == (identity not in self.settled)
        if first:
            self.leases.pop(identity, None)
            self.lapsed.pop(identity, None)
            self.settled[identity] = actual

    @rule(identity=identities)
    def releases(self, identity):
        self.balance.release(identity)
        self.leases.pop(identity, None)
        self.lapsed.pop(identity, None)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), more=amounts)
    def extends(self, data, more):
        self.over()
        identity = data.draw(st.sampled_from([*self.leases, "nobody"]))
        expected = identity in self.leases and self.fits(more)
        assert self.balance.extend(identity, more, now=self.now, caps=(USD, TOKENS)) == expected
        if expected:
            ceiling, expires = self.leases[identity]
            self.leases[identity] = ceiling.plus(more), expires

    @rule(seconds=st.integers(1, 10))
    def time_passes(self, seconds):
        self.now += seconds

    @rule()
    def looks(self):
        self.over()
        self.balance.lapse(self.now)
        assert self.balance.spent == self.spent()
        assert self.balance.reserved == self.reserved()

    @rule()
    def crashes(self):
        self.balance = Balance.from_bytes(self.balance.to_bytes())

    @invariant()
    def the_sum_is_that_of_the_model(self):
        assert self.balance.spent.plus(self.balance.reserved) == self.spent().plus(self.reserved())


def total(parts):
    summed = NOTHING
    for part in parts:
        summed = summed.plus(part)
    return summed


TestModel = BalanceModel.TestCase
