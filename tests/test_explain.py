"""The drawing of a chain."""

from __future__ import annotations

import logging

import pytest

from aiclient import AsyncClient, BaseProvider, Client, Layer, Wrapper
from aiclient.explain import explain
from aiclient.middleware import Logging, Retry, middleware
from aiclient.testutil import MockProvider


@middleware(stream="skip")
async def shout(request, call_next):
    return await call_next(request)


class Plain(Layer):
    """No repr of its own."""


class Mine(BaseProvider):
    name = "mine"


class Both(Wrapper):
    """Reaches two providers."""

    def __init__(self, *targets):
        super().__init__(targets[0])
        self.targets = targets


@pytest.fixture(autouse=True)
def quiet():
    logger = logging.getLogger("aiclient.calls")
    before = logger.level
    logger.setLevel(logging.WARNING)
    yield
    logger.setLevel(before)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_is_drawn_outermost_first(kind):
    client = kind(MockProvider(model="small")).use(Logging(), Retry(), shout, Plain())
    assert client.explain().splitlines() == [
        f"{kind.__name__} (mock)",
        "└─ Logging(aiclient.calls, level WARNING)",
        "   └─ Retry(attempts=3, base=0.5, cap=8)",
        "      └─ shout",
        "         └─ Plain",
        "            └─ journal",
        "               └─ MockProvider (mock, model small)",
    ]


def test_the_level_of_the_logger_is_the_one_that_holds():
    logging.getLogger("aiclient.calls").setLevel(logging.INFO)
    assert "level INFO" in Client(MockProvider()).use(Logging()).explain()


def test_a_derived_client_shows_its_own_layers_outside():
    client = Client(MockProvider()).use(Retry())
    lines = client.derive(shout).explain().splitlines()
    assert [line.strip(" └─") for line in lines[:4]] == ["Client (mock)", "shout", "AsyncClient (mock)", repr(Retry())]


def test_a_provider_that_says_nothing_of_itself_has_its_name():
    assert explain(Mine()) == "Mine (mine)"


def test_a_provider_without_a_default_model_says_so():
    assert explain(MockProvider(model=None)) == "MockProvider (mock, no default model)"


def test_every_branch_is_drawn():
    both = Both(Retry()(MockProvider(name="a")), MockProvider(name="b"))
    assert explain(shout(both)).splitlines() == [
        "shout",
        "└─ Both (a)",
        "   └─ Retry(attempts=3, base=0.5, cap=8)",
        "      └─ MockProvider (a, model mock-model)",
        "   └─ MockProvider (b, model mock-model)",
    ]


def test_removing_a_layer_changes_the_drawing():
    retry = Retry()
    client = Client(MockProvider()).use(retry, shout)
    assert "Retry" in client.explain()
    assert "Retry" not in client.remove(retry).explain()
