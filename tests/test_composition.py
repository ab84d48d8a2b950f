"""Putting middleware around a provider, and looking into what was put together."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import pytest

from aiclient.composition import Branching, compose, destinations, find, is_provider, providers_in
from aiclient.errors import ConfigError
from aiclient.messages import Message
from aiclient.provider import BaseProvider, Layer, Layered, ProviderInfo, Wrapper
from aiclient.request import ChatRequest
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

REQUEST = ChatRequest([Message("user", "hi")])


class Named(Layer):
    def __init__(self, name, seen):
        self.name, self.seen = name, seen

    async def around(self, request, inner, call_next):
        self.seen.append(f"{self.name} in")
        result = await call_next(request)
        self.seen.append(f"{self.name} out")
        return result


class Branch(BaseProvider):
    """Reaches several providers."""

    name = "branch"

    def __init__(self, *targets):
        self.targets = targets


class Plain(BaseProvider):
    name = "plain"


@runtime_checkable
class Counts(Protocol):
    def count(self) -> int: ...


class Counting(Plain):
    def __init__(self, number=1):
        self.number = number

    def count(self):
        return self.number


async def test_the_first_layer_is_the_outermost():
    seen = []
    await compose([Named("a", seen), Named("b", seen)], MockProvider()).chat(REQUEST)
    assert seen == ["a in", "b in", "b out", "a out"]


def test_compose_applies_from_the_inside():
    def marked(name):
        return lambda provider: type("Marked", (Wrapper,), {"mark": name})(provider)

    provider = compose([marked("a"), marked("b")], MockProvider())
    assert (provider.mark, provider.inner.mark) == ("a", "b")


def test_no_layers_give_the_provider_itself():
    mock = MockProvider()
    assert compose([], mock) is mock


def test_layers_may_be_any_iterable():
    assert isinstance(compose(iter([Layer()]), MockProvider()), Layered)


def test_a_wrapper_class_is_a_middleware():
    class Mine(Wrapper):
        pass

    assert isinstance(compose([Mine], MockProvider()), Mine)


def forgetful(provider):
    Wrapper(provider)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (Named, r"layer 1 is the class Named; make an instance of it: Named\(\)"),
        (5, r"layer 1 \(int\) is not a middleware: it cannot be called"),
        (None, r"layer 1 \(NoneType\) is not a middleware"),
        (forgetful, r"layer 1 \(forgetful\) returned NoneType, which is not a provider"),
        (lambda _: "x", r"layer 1 \(<lambda>\) returned str"),
        (lambda _: MockProvider, r"layer 1 \(<lambda>\) returned type"),
    ],
    ids=["class", "number", "none", "forgotten-return", "text", "provider-class"],
)
def test_what_is_no_middleware_is_refused_with_its_place_and_name(layer, words):
    with pytest.raises(ConfigError, match=words):
        compose([Layer(), layer, Layer()], MockProvider())


@pytest.mark.parametrize(
    ("value", "good"),
    [
        (MockProvider(), True),
        (Plain(), True),
        (Layer()(Plain()), True),
        (Layer(), False),
        ("openai", False),
        (None, False),
        (MockProvider, False),
    ],
    ids=["mock", "custom", "layered", "layer", "text", "none", "class"],
)
def test_a_provider_is_told_by_what_it_has(value, good):
    assert is_provider(value) is good


def test_providers_are_given_outside_first_and_through_every_branch():
    first, second = MockProvider(name="first"), MockProvider(name="second")
    wrapped = Wrapper(first)
    branch = Branch(wrapped, second)
    outer = Wrapper(branch)
    assert list(providers_in(outer)) == [outer, branch, wrapped, first, second]


def test_destinations_are_the_leaves_preferred_first():
    first, second = MockProvider(name="first", model="m"), Plain()
    chain = compose([Layer()], Branch(Layer()(first), Wrapper(Wrapper(second)), Branch(first)))
    assert destinations(chain) == (ProviderInfo("first", "mock", None, "m"), ProviderInfo("plain"))


def test_a_bare_provider_is_its_own_destination():
    assert destinations(Plain()) == (ProviderInfo("plain"),)


@pytest.mark.parametrize(
    ("chain", "number"),
    [
        (Counting(), 1),
        (Wrapper(Layer()(Counting())), 1),
        (Branch(Counting(1), Counting(2)), 1),
        (Wrapper(Branch(Wrapper(Counting(1)), Counting(2))), 1),
        (Branch(Plain(), Counting(2)), None),
        (Plain(), None),
        (Layer()(Plain()), None),
    ],
    ids=["leaf", "layers", "branch", "layers-and-branch", "second-target", "none", "none-inside"],
)
def test_find_gives_the_outermost_of_a_kind_through_the_first_targets(chain, number):
    found = find(chain, Counts)
    assert (found and found.count()) == number


def test_find_takes_a_class_and_gives_the_outermost():
    inner = Wrapper(Plain())
    outer = Wrapper(inner)
    assert find(outer, Wrapper) is outer
    assert find(outer, Plain) is inner.inner


def test_a_branch_is_told_by_its_targets():
    assert isinstance(Branch(), Branching) and not isinstance(Plain(), Branching)
