"""Orders that are known to be bad: each warns with its reason, and the default order does not."""

from __future__ import annotations

import warnings

import pytest

from aiclient.client import AsyncClient
from aiclient.composition import Branched, compose
from aiclient.errors import AIClientWarning
from aiclient.layer import Layer
from aiclient.middleware import Logging, Retry
from aiclient.order import BAD, order_problems
from aiclient.sync.client import Client
from aiclient.testutil.mock import MockProvider

GOOD = [
    "tracing",
    "logging",
    "defaults",
    "budget",
    "validate",
    "cache",
    "single_flight",
    "fallback",
    "retry",
    "hedge",
    "breaker",
    "rate_limit",
    "concurrency",
]


class Slotted(Layer):
    def __init__(self, slot, *further):
        self.slot = slot
        self._further = further

    def __call__(self, inner):
        return Branched(self, inner, self._further) if self._further else super().__call__(inner)


def layers(*slots):
    return [Slotted(slot) for slot in slots]


@pytest.mark.parametrize(("outer", "inner"), BAD)
def test_a_bad_order_is_named_with_its_reason(outer, inner):
    (problem,) = order_problems(compose(layers(outer, "timeout", inner), MockProvider()))
    assert problem == f"Slotted stands outside Slotted: {BAD[outer, inner]}"


@pytest.mark.parametrize(("outer", "inner"), [pair for pair in BAD if pair[0] != pair[1]])
def test_the_other_way_round_is_right(outer, inner):
    assert order_problems(compose(layers(inner, outer), MockProvider())) == ()


def test_the_default_order_has_no_problem():
    assert order_problems(compose(layers(*GOOD), MockProvider())) == ()


def test_layers_without_a_slot_may_stand_anywhere():
    assert order_problems(compose([Retry(), Layer(), Layer(), Logging()], MockProvider())) == ()


def test_every_branch_is_looked_into():
    further = compose([Retry(), Slotted("cache")], MockProvider(name="further"))
    chain = compose([Slotted("fallback", further)], MockProvider())
    assert order_problems(chain) == (f"Retry stands outside Slotted: {BAD['retry', 'cache']}",)


def test_a_problem_is_told_once_though_it_shows_on_every_branch():
    chain = compose([Retry(), Slotted("fallback", MockProvider(name="b"), MockProvider(name="c"))], MockProvider())
    assert len(order_problems(chain)) == 1


def test_a_target_without_the_retry_that_the_first_one_has_is_named():
    further = [MockProvider(name="b"), Retry()(MockProvider(name="c")), MockProvider(name="d")]
    (problem,) = order_problems(compose([Slotted("fallback", *further), Retry()], MockProvider()))
    assert "not b, d:" in problem and "each=[Retry()]" in problem


@pytest.mark.parametrize("slot", ["load_balance", "fallback"])
def test_targets_that_are_all_retried_or_none_are_right(slot):
    further = Retry()(MockProvider(name="b"))
    assert order_problems(compose([Slotted(slot, further), Retry()], MockProvider())) == ()
    assert order_problems(compose([Slotted(slot, MockProvider(name="b"))], MockProvider())) == ()


@pytest.mark.parametrize("kind", [AsyncClient, Client])
def test_a_client_warns_when_the_order_is_made_and_points_at_whoever_made_it(kind):
    with pytest.warns(AIClientWarning, match="Retry stands outside Retry: their attempts multiply") as caught:
        kind(MockProvider()).use(Retry(), Retry())
    assert [warning.filename for warning in caught] == [__file__]


def test_a_client_warns_of_each_problem_once():
    client = AsyncClient(MockProvider()).use(Retry())
    with pytest.warns(AIClientWarning) as caught:
        client.use(Retry())
        client.use(Logging())
    assert len(caught) == 1


def test_a_client_around_a_client_is_one_chain():
    inner = AsyncClient(MockProvider()).use(Retry())
    with pytest.warns(AIClientWarning, match="multiply"):
        AsyncClient(inner).use(Retry())


def test_where_warnings_are_errors_a_bad_order_is_refused_and_nothing_changes():
    client = AsyncClient(MockProvider()).use(Retry())
    for _ in range(2):
        with pytest.raises(AIClientWarning):
            client.use(Retry())
    assert len(client.middleware) == 1


def test_a_good_order_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AsyncClient(MockProvider()).use(Logging(), Retry())


def test_a_budget_outside_another_client_is_meant_to_be_there():
    client = AsyncClient(MockProvider()).use(Slotted("metrics"), Slotted("logging"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client.derive(Slotted("budget"))
    with pytest.warns(AIClientWarning, match="calls that it refuses are not counted"):
        AsyncClient(MockProvider()).use(Slotted("budget"), Slotted("metrics"))
