"""The layers of a client: another chain stands in the place of the old one, or nothing has changed."""

from __future__ import annotations

import pytest

from aiclient import ConfigError
from aiclient.middleware import Retry, Timeout
from aiclient.stack import Stack
from aiclient.testutil import MockProvider


@pytest.fixture
def stack():
    made = Stack(MockProvider("old"))
    made.change((Retry(),))
    return made


def seen(stack):
    return stack.leaf, stack.layers, stack.chain


def test_a_change_without_a_provider_keeps_the_one_there_is(stack):
    leaf, timeout = stack.leaf, Timeout(5)
    stack.change((timeout,))
    assert (stack.leaf, stack.layers) == (leaf, (timeout,))


def test_provider_layers_and_chain_change_together(stack):
    other, layers, before = MockProvider("new"), (Timeout(5),), stack.chain
    stack.change(layers, other)
    assert (stack.leaf, stack.layers) == (other, layers)
    assert stack.chain is not before


def test_nothing_changes_when_the_last_step_fails(stack):
    before = seen(stack)

    def fails():
        raise OSError("the log file cannot be opened")

    with pytest.raises(OSError, match="log file"):
        stack.change((), MockProvider("new"), fails)
    assert seen(stack) == before


def test_layers_go_by_identity_and_not_by_equality(stack):
    (kept,) = stack.layers
    with pytest.raises(ConfigError, match="is not in this client's chain"):
        stack.without([Retry()])
    assert stack.without([kept]) == ()
