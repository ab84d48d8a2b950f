"""The standard chain: its order, its parts, and what it makes of a service that fails."""

from __future__ import annotations

import pytest

from aiclient.chains import resilient
from aiclient.client import AsyncClient
from aiclient.composition import destinations, find
from aiclient.errors import AllProvidersFailedError, ConfigError, ServerError
from aiclient.explain import explain
from aiclient.layer import Layered
from aiclient.middleware import Budget, Cache, CircuitBreaker, Logging, RateLimit, Retry, SingleFlight, Target
from aiclient.order import order_problems
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio


def drawn(provider):
    """The names of the layers and leaves, outermost first."""
    return [line.strip().removeprefix("└─ ").partition("(")[0].strip() for line in explain(provider).splitlines()]


PER_TARGET = ["Retry", "CircuitBreaker", "RateLimit", "journal", "MockProvider"]


def test_the_layers_stand_in_the_order_in_which_they_belong():
    chain = resilient(MockProvider(), MockProvider(name="b"), budget=Budget(usd=1), cache=True, single_flight=True)
    assert drawn(chain) == ["Logging", "Budget", "Cache", "SingleFlight", "Fallback", *PER_TARGET, *PER_TARGET]
    assert order_problems(chain) == ()


def test_without_fallbacks_there_is_no_branch_and_what_is_not_asked_for_is_off():
    assert drawn(resilient(MockProvider())) == ["Logging", *PER_TARGET]


def test_each_layer_can_be_left_out():
    bare = resilient(MockProvider(), logging=False, retry=False, breaker=False, rate_limit=False)
    assert drawn(bare) == ["journal", "MockProvider"]


@pytest.mark.parametrize(
    ("option", "layer"),
    [
        ("logging", Logging()),
        ("budget", Budget(usd=1)),
        ("cache", Cache()),
        ("single_flight", SingleFlight()),
        ("retry", Retry(7)),
        ("breaker", CircuitBreaker(7)),
        ("rate_limit", RateLimit(7)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_layer_can_be_ones_own(option, layer):
    provider = resilient(MockProvider(), **{option: layer})
    found = find(provider, Layered)
    while found.layer is not layer:
        found = find(found.inner, Layered)  # ends in None, and an error, if it is not there
    assert type(found.layer) is type(layer)


def test_every_target_shares_the_layers_so_that_one_breaker_knows_them_all():
    breaker = CircuitBreaker()
    resilient(MockProvider(name="a"), MockProvider(name="b"), breaker=breaker)
    assert [state.destination.provider for state in breaker.state()] == ["b", "a"]


def test_model_strings_make_providers_and_a_second_one_of_a_vendor_has_its_whole_string_for_a_name():
    chain = resilient("mock:small", "mock:large", Target(MockProvider(name="x"), model="y"))
    assert [(info.name, info.model) for info in destinations(chain)] == [
        ("mock", "small"),
        ("mock:large", "large"),
        ("x", "y"),
    ]


def test_two_providers_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="name="):
        resilient(MockProvider(), MockProvider())


async def test_a_call_is_retried_then_the_next_target_is_asked_within_the_attempts_of_one_call(clock):
    first, second = MockProvider(ServerError("down"), name="a"), MockProvider("Paris", name="b")
    async with AsyncClient(resilient(first, second), clock=clock) as client:
        response = await client.chat("Capital of France?")
    assert (response.message.content, response.provider) == ("Paris", "b")
    assert (first.calls, second.calls, len(response.attempts)) == (3, 1, 4)


async def test_when_the_circuit_is_open_the_next_target_is_asked_at_once(clock):
    first, second = MockProvider(ServerError("down"), name="a"), MockProvider("Paris", name="b")
    async with AsyncClient(resilient(first, second), clock=clock) as client:
        for _ in range(3):
            await client.chat("Capital of France?")
        before, slept = first.calls, len(clock.slept)
        response = await client.chat("Capital of France?")
    assert before == 5, "the breaker opens at the fifth failure in a row"
    assert (first.calls, len(clock.slept)) == (before, slept)
    assert [attempt.provider for attempt in response.attempts] == ["b"]


async def test_no_call_makes_more_exchanges_than_a_client_allows(clock):
    mocks = [MockProvider(ServerError("down"), name=name) for name in "abc"]
    chain = resilient(*mocks, retry=Retry(9), breaker=False)
    async with AsyncClient(chain, clock=clock, max_attempts=4) as client:
        with pytest.raises(ServerError):
            await client.chat("hi")
    assert sum(mock.calls for mock in mocks) == 4


async def test_all_failing_is_one_error_that_means_what_the_first_one_means(clock):
    chain = resilient(
        MockProvider(ServerError("a is down"), name="a"), MockProvider(ServerError("b is down"), name="b")
    )
    async with AsyncClient(chain, clock=clock) as client:
        with pytest.raises(AllProvidersFailedError, match=r"a \(ServerError") as caught:
            await client.chat("hi")
    assert caught.value.category == "server" and len(caught.value.errors) == 2
