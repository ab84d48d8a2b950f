"""The schema that editors are given says of every file what reading it says."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aiclient import ConfigError, registry
from aiclient.config import Config, schema
from aiclient.config.parts import layer_options
from aiclient.config.problems import problems_in
from aiclient.config.shape import root
from aiclient.layer import Layer
from aiclient.testutil import MockProvider

EXAMPLES = Path(__file__).parents[2] / "examples" / "config"
GOOD = [
    {},
    {"model": "mock:x"},
    {
        "timeout": None or "30s",
        "providers": {"a": "mock:x", "openai": {"api_key": "env:A"}, "b": {"provider": "groq:x"}},
    },
    {
        "use": [
            "retry",
            {"cache": {"store": {"sqlite": "x.db"}}},
            {"cache": {"store": {"redis": "env:REDIS_URL"}}},
            {"cache": {"store": {"redis": {"url": "env:REDIS_URL", "prefix": "ours:"}}}},
            {"retry": None},
            {"retry": True},
            {"metrics": {"collector": "memory"}},
        ]
    },
    {"use": [{"fallback": {"targets": ["a", {"provider": "b", "use": [{"hedge": {"after": 1}}]}]}}]},
    {"budgets": [{"usd": 5, "per": "user"}, {"tokens": 3, "alerts": [0.5]}], "cache": False, "logging": True},
    {"budgets": None, "use": None, "providers": {"a": {"provider": "openai:x", "headers": None, "timeout": None}}},
    {"profiles": {"dev": {"preset": "fast"}}, "prices": {"m": {"input": 1, "output": "2"}}},
    {"budgets": [{"usd": 1, "period": None, "hard": None}]},
    {"providers": {"a": {"provider": "openai", "limits": {"max_body": None}}, "mock": {"provider": None}}},
    {"cache": {"store": {"memory": True}}},
    {
        "providers": {
            "mock": {"reply": "x"},
            "openai": {"provider": "mock", "reply": "x"},
            "a": {"model": "mock", "reply": "x"},
        }
    },
    {
        "providers": {"compatible": {"base_url": "http://x/v1"}},
        "profiles": {"p": {"providers": {"compatible": {"model": "x"}}}},
    },
    {
        "providers": {"a": "mock", "b": "mock"},
        "cache": {},
        "profiles": {"p": {"providers": {"b": None}, "cache": None}},
    },
]
BAD = [
    {"mdel": "x"},
    {"preset": "quick"},
    {"timeout": "soon"},
    {"providers": {"a": {"provider": "openai", "api_kye": "x"}}},
    {"providers": {"openai": {"api_kye": "x"}}},
    {"providers": {"mock": {"provider": "openai", "reply": "x"}}},
    {"providers": {"a": {"model": "openai:x", "reply": "x"}}},
    {"providers": {"a": 3}},
    {"use": ["rety"]},
    {"use": [{"retry": {"atempts": 1}}]},
    {"use": [{"retry": {"attempts": "3"}}]},
    {"use": ["hedge"]},
    {"use": [{"hedge": None}]},
    {"use": [{"metrics": True}]},
    {"cache": {"store": {"sqlite": None}}},
    {"cache": {"store": {"memory": "x"}}},
    {"use": [{"fallback": {"targets": [{"model": "x"}]}}]},
    {"budgets": [{"usd": 1, "period": "week"}]},
    {"profiles": {"dev": {"mdel": "x"}}},
    {"profiles": {"dev": {"mdel": None}}},
    {"profiles": {"dev": {"profiles": {}}}},
    {"use": True},
]


@pytest.fixture(scope="module")
def validator():
    made = schema()
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(json.loads(json.dumps(made)))


@pytest.mark.parametrize("value", GOOD)
def test_what_is_read_fits_the_schema(validator, value):
    Config.of(value)
    assert [error.message for error in validator.iter_errors(value)] == []


@pytest.mark.parametrize("value", BAD)
def test_what_is_refused_does_not_fit_the_schema(validator, value):
    with pytest.raises(ConfigError):
        Config.of(value)
    assert not validator.is_valid(value)


OPTIONS = [(layer, option) for layer in registry.MIDDLEWARE for option in layer_options(layer).options]


@pytest.mark.parametrize(("layer", "option"), OPTIONS)
def test_nothing_after_the_key_of_an_option_means_the_same_to_both(validator, layer, option):
    value = {"use": [{layer: {option: None}}]}
    problems = list(root().check(value, ()))
    assert validator.is_valid(value) == (problems == [])


def places(value, path=()):
    """Every place in a configuration, as the steps that lead there."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for step, inside in steps for place in places(inside, (*path, step)))]


def changed(value, path, new):
    """A copy of `value` with something else at a place."""
    if not path:
        return new
    step, *rest = path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = {key: changed(item, rest, new) if key == step else item for key, item in items}
    return found if isinstance(value, dict) else list(found.values())


FULL = yaml.safe_load((EXAMPLES / "full.yaml").read_text("utf-8"))
BY_RULES = ("budgets", "model", "profile", "profiles", "providers")
"""What a schema cannot say: a limit that limits nothing, names that are there, what stands beside what."""

ELSEWHERE = st.none() | st.booleans() | st.integers(0, 3) | st.text(max_size=3) | st.just([]) | st.just({})
PLACES = st.sampled_from([place for place in places(FULL) if place and place[0] not in BY_RULES])


@given(place=PLACES, new=ELSEWHERE)
def test_a_value_in_the_wrong_place_is_refused_by_both_or_by_neither(validator, place, new):
    value = changed(FULL, place, new)
    assert validator.is_valid(value) == (problems_in(value) == [])


@pytest.mark.parametrize("name", ["simple.yaml", "full.yaml"])
def test_the_examples_fit_the_schema(validator, name):
    value = yaml.safe_load((EXAMPLES / name).read_text("utf-8"))
    assert [error.message for error in validator.iter_errors(value)] == []


class Shout(Layer):
    """Is loud.

    Args:
        words: How often. Default 1.
    """

    def __init__(self, words: int = 1) -> None:
        self.words = words


@pytest.fixture
def registered():
    registry.middleware.register("shout", Shout)
    registry.register("acme", MockProvider)
    yield
    registry.middleware.unregister("shout")
    registry.unregister("acme")


@pytest.mark.usefixtures("registered")
def test_what_is_registered_is_in_the_schema_and_is_read():
    value = {"providers": {"a": {"provider": "acme", "reply": "hi"}}, "use": [{"shout": {"words": 3}}]}
    assert Config.of(value).use[0].options == {"words": 3}
    validator = jsonschema.Draft202012Validator(schema())
    assert validator.is_valid(value)
    assert not validator.is_valid({"use": [{"shout": {"words": "3"}}]})
