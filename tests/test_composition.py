"""Putting middleware around a provider, and looking into what was put together."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import pytest

from aiclient.client import AsyncClient
from aiclient.composition import (
    Branched,
    Branching,
    Destination,
    compose,
    destination,
    destinations,
    find,
    is_provider,
    providers_in,
)
from aiclient.errors import ConfigError
from aiclient.layer import Layer, Layered, Wrapper
from aiclient.messages import Message
from aiclient.provider import BaseProvider, ProviderInfo
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest
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
        ([Layer()], r"layer 1 is a list of layers; give them one by one, use\(\*layers\)"),
        (None, r"layer 1 \(NoneType\) is not a middleware"),
        (forgetful, r"layer 1 \(forgetful\) returned NoneType, which is not a provider"),
        (lambda _: "x", r"layer 1 \(<lambda>\) returned str"),
        (lambda _: MockProvider, r"layer 1 \(<lambda>\) returned type"),
    ],
    ids=["class", "number", "list", "none", "forgotten-return", "text", "provider-class"],
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


def test_a_destination_has_the_model_that_a_branch_asks_it_for():
    within = Branched(Layer(), MockProvider(name="b"), (MockProvider(name="c"),), ("mc",))
    chain = Branched(Layer(), MockProvider(name="a"), (within, MockProvider(name="d")), ("mb",))
    models = [(info.name, info.model) for info in destinations(chain)]
    assert models == [("a", "mock-model"), ("b", "mb"), ("c", "mc"), ("d", "mock-model")]


def test_a_branch_is_told_by_its_targets():
    assert isinstance(Branch(), Branching) and not isinstance(Plain(), Branching)


# --- branches, and what state is keyed by ---


def branched(*providers):
    return Branched(Layer(), providers[0], providers[1:])


async def test_closing_a_branch_closes_every_target_though_one_of_them_fails():
    class Failing(MockProvider):
        async def close(self):
            await super().close()
            raise OSError("no")

    targets = [Failing(), MockProvider(), MockProvider()]
    with pytest.raises(OSError, match="no"):
        await branched(*targets).close()
    assert [target.closed for target in targets] == [1, 1, 1]


async def test_a_client_closes_the_targets_of_its_branches_but_no_client_among_them():
    mocks = [MockProvider(), MockProvider(), MockProvider()]
    handed_in = AsyncClient(mocks[2])

    def branch(inner):
        return branched(inner, mocks[1], handed_in)

    await AsyncClient(mocks[0]).use(branch).close()
    assert [mock.closed for mock in mocks] == [1, 1, 0]
    assert (await handed_in.chat("hi")).message.content == "Mock response"


def test_a_branch_is_valid_when_all_its_targets_are():
    class Wrong(Plain):
        def validate_config(self):
            raise ConfigError("no key")

    with pytest.raises(ConfigError, match="no key"):
        branched(Plain(), Wrong()).validate_config()


class Known(Plain):
    info = ProviderInfo("p", origin="https://a.test", model="own", scope="s")


@pytest.mark.parametrize(
    ("request_", "model"),
    [
        (None, None),
        (REQUEST, "own"),
        (ChatRequest(REQUEST.messages, ChatOptions(model="asked")), "asked"),
        (EmbeddingRequest("x", model="asked"), "asked"),
    ],
)
def test_a_destination_is_the_first_service_and_the_model_that_is_asked_there(request_, model):
    provider = compose([Layer(), lambda inner: branched(inner, Plain())], Wrapper(Known()))
    assert destination(provider, request_) == Destination("p", "https://a.test", "s", model)


def test_a_destination_of_a_provider_that_says_nothing_of_itself_is_its_name():
    assert destination(Plain(), REQUEST) == Destination("plain")
