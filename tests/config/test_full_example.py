"""examples/config/full.yaml against the schema: nothing is left out, and what is commented out can be taken up as it stands."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import jsonschema
import pytest

from aiclient import registry
from aiclient.config import schema, setup
from aiclient.config.yamlfile import read_yaml

FULL = (Path(__file__).parents[2] / "examples" / "config" / "full.yaml").read_text("utf-8")
OPTION = re.compile(r"^( *)# ( *(?:- )?\w+:(?: |$))", re.MULTILINE)
"""A line that is commented out, not a sentence."""

KEYS = {"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "AZURE_OPENAI_API_KEY", "AWS_BEARER_TOKEN_BEDROCK", "DATABRICKS_TOKEN"}
KEYS |= {"SNOWFLAKE_TOKEN", "OUR_KEY"}


def names(node):
    """Return every name that a schema has a key for, at any depth."""
    if isinstance(node, Mapping):
        own = set(node["properties"]) if isinstance(node.get("properties"), Mapping) else set()
        return own.union(*map(names, node.values()))
    return set().union(*map(names, node)) if isinstance(node, list) else set()


@pytest.fixture(scope="module")
def taken_up():
    return read_yaml(OPTION.sub(r"\1\2", FULL))


def test_it_names_every_key_that_the_schema_has():
    keys = names(json.loads(json.dumps(schema()))) - set(registry.names())  # which are names under `providers`
    assert keys - set(re.findall(r"\w+", FULL)) == set()


def test_what_is_commented_out_fits_the_schema(taken_up):
    validator = jsonschema.Draft202012Validator(json.loads(json.dumps(schema())))
    assert len(OPTION.findall(FULL)) > 140
    assert [error.message for error in validator.iter_errors(taken_up)] == []


def test_what_is_commented_out_makes_a_client_all_at_once(taken_up):
    also_in_use = {"budgets", "cache", "logging"}  # what stands for layers, all of which `use` has now
    value = {key: taken_up[key] for key in taken_up if key not in also_in_use | {"profile", "profiles"}}
    made = setup(value, environ=dict.fromkeys(KEYS, "a-key-of-nobody"))
    assert len({type(layer) for layer in made.layers}) == len(taken_up["use"])


@pytest.mark.parametrize("key", ["on", "no", "Yes", "off", "true"])
def test_a_word_that_yaml_takes_for_true_or_false_is_a_text_where_it_is_a_key(key):
    assert read_yaml(f"{key}: yes\n") == {key: True}
