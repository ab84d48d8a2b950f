"""What becomes of a schema at each service, and what the report says of it."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.errors import ConfigError
from aiclient.schema.dialects import DIALECTS
from aiclient.schema.lowering import SchemaChange, lowered

WIRE = Path(__file__).parents[3] / "shared" / "wire"


def prop(schema):
    """An object with one key of this schema, which is required."""
    return {"type": "object", "properties": {"a": schema}, "required": ["a"], "additionalProperties": False}


INT = {"type": "integer"}
TEXT = {"type": "string"}
NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("dialect", "schema", "sent", "lost"),
    [
        # OpenAI
        ("openai", {**INT, "minimum": 1, "multipleOf": 2}, {**INT, "minimum": 1, "multipleOf": 2}, ()),
        ("openai", {**TEXT, "format": "uri"}, {**TEXT, "description": '{format: "uri"}'}, ("format",)),
        ("openai", {"oneOf": [INT, TEXT]}, {"anyOf": [INT, TEXT]}, ()),
        ("openai", {"allOf": [INT], "description": "x"}, {**INT, "description": "x"}, ()),
        (
            "openai",
            {"type": "array", "prefixItems": [INT, TEXT, INT], "items": False, "minItems": 3, "maxItems": 3},
            {
                "type": "array",
                "items": {"anyOf": [INT, TEXT]},
                "minItems": 3,
                "maxItems": 3,
                "description": '{prefixItems: [{"type":"integer"},{"type":"string"},{"type":"integer"}]}',
            },
            ("prefixItems",),
        ),
        (
            "openai",
            {"type": "array", "items": INT, "uniqueItems": True},
            {"type": "array", "items": INT, "description": "{uniqueItems: true}"},
            ("uniqueItems",),
        ),
        # Anthropic and Bedrock
        ("anthropic", {**INT, "minimum": 1}, {**INT, "description": "{minimum: 1}"}, ("minimum",)),
        (
            "anthropic",
            {"type": "array", "items": INT, "minItems": 1},
            {"type": "array", "items": INT, "minItems": 1},
            (),
        ),
        ("bedrock", {**TEXT, "pattern": "a"}, {**TEXT, "description": '{pattern: "a"}'}, ("pattern",)),
        # Gemini
        ("gemini", {**INT, "exclusiveMinimum": 0, "exclusiveMaximum": 9.5}, {**INT, "minimum": 1, "maximum": 9}, ()),
        (
            "gemini",
            {"type": "number", "exclusiveMinimum": 0},
            {"type": "number", "description": "{exclusiveMinimum: 0}"},
            ("exclusiveMinimum",),
        ),
        ("gemini", {"const": "a"}, {"enum": ["a"]}, ()),
        (
            "gemini",
            {"type": ["string", "null"], "enum": ["a", None]},
            {"anyOf": [{**TEXT, "enum": ["a"]}, {"type": "null"}]},
            (),
        ),
        ("gemini", {"enum": [True], "description": "x"}, {"type": "boolean", "description": "x"}, ("enum",)),
        ("gemini", {**INT, "default": 3}, {**INT, "description": "{default: 3}"}, ()),
        (
            "gemini",
            {"type": "array", "prefixItems": [INT], "items": False, "maxItems": 1},
            {"type": "array", "prefixItems": [INT], "maxItems": 1},
            (),
        ),
        # Cohere
        ("cohere", {**TEXT, "pattern": "^[a-z]+$"}, {**TEXT, "pattern": "[a-z]+"}, ()),
        ("cohere", {**TEXT, "pattern": "(?=a)b"}, {**TEXT, "description": '{pattern: "(?=a)b"}'}, ("pattern",)),
        ("cohere", {**TEXT, "format": "email"}, {**TEXT, "description": '{format: "email"}'}, ("format",)),
        # llama.cpp
        ("llamacpp", {**TEXT, "pattern": "a"}, {**TEXT, "description": '{pattern: "a"}'}, ("pattern",)),
        ("llamacpp", {**TEXT, "pattern": "^a$"}, {**TEXT, "pattern": "^a$"}, ()),
        ("llamacpp", {**INT, "minimum": 1}, {**INT, "minimum": 1}, ()),
        ("llamacpp", {"type": "number", "minimum": 1}, {"type": "number", "description": "{minimum: 1}"}, ("minimum",)),
        # Mistral, and who takes all
        ("mistral", {**TEXT, "pattern": "a"}, {**TEXT, "pattern": "a"}, ()),
        ("generic", {**TEXT, "pattern": "a", "$comment": "x"}, {**TEXT, "pattern": "a", "$comment": "x"}, ()),
    ],
)
def test_each_service_gets_what_it_takes_and_the_description_tells_the_rest(dialect, schema, sent, lost):
    found = lowered(prop(schema), dialect)
    assert found.schema == prop(sent)
    assert (found.lost, found.problems) == (lost, ())


def test_keys_that_may_be_missing_are_null_where_all_are_required():
    optional = {
        "plain": {**TEXT, "default": "x"},
        "choice": {**TEXT, "enum": ["a"], "description": "One."},
        "union": {"anyOf": [INT, TEXT]},
        "already": {"anyOf": [INT, {"type": "null"}]},
        "list": {"type": "array", "items": INT},
    }
    found = lowered({"type": "object", "properties": {**optional, "kept": INT}, "required": ["kept"]}, "openai")
    null = {"type": "null"}
    assert found.schema == {
        "type": "object",
        "properties": {
            "plain": {"type": ["string", "null"], "default": "x"},
            "choice": {"description": "One.", "anyOf": [{**TEXT, "enum": ["a"]}, null]},
            "union": {"anyOf": [INT, TEXT, null]},
            "already": {"anyOf": [INT, null]},
            "list": {"anyOf": [{"type": "array", "items": INT}, null]},
            "kept": INT,
        },
        "required": ["plain", "choice", "union", "already", "list", "kept"],
        "additionalProperties": False,
    }
    assert found.lost == ()
    assert found.changes[0] == SchemaChange(
        "#/properties/plain", "required", "may be null instead of missing", lossy=False
    )


@pytest.mark.parametrize("dialect", ["openai", "gemini"])
def test_nothing_stands_beside_a_reference_where_that_is_refused(dialect):
    schema = {**prop({"$ref": "#/$defs/N", "description": "x"}), "$defs": {"N": INT}}
    assert lowered(schema, dialect).schema["properties"]["a"] == {"description": "x", "anyOf": [{"$ref": "#/$defs/N"}]}
    assert lowered({**prop({"$ref": "#/$defs/N"}), "$defs": {"N": INT}}, dialect).schema["properties"]["a"] == {
        "$ref": "#/$defs/N"
    }


def test_definitions_of_draft_7_become_those_of_2020_and_the_root_refers_to_none():
    old = {"$ref": "#/definitions/N", "definitions": {"N": prop({"$ref": "#/definitions/M"}), "M": INT}}
    found = lowered(old, "openai")
    assert found.schema == {**prop({"$ref": "#/$defs/M"}), "$defs": {"N": prop({"$ref": "#/$defs/M"}), "M": INT}}
    assert found.problems == ()


def deep(levels):
    schema = prop(INT)
    for _ in range(levels - 1):
        schema = prop(schema)
    return schema


def wide(keys):
    return {"type": "object", "properties": {f"k{number}": INT for number in range(keys)}, "required": []}


@pytest.mark.parametrize(
    ("dialect", "schema", "problem"),
    [
        (
            "openai",
            prop({"type": "object", "additionalProperties": INT}),
            "#/properties/a is an object with keys of any name",
        ),
        ("openai", prop({}), "#/properties/a says no type"),
        ("openai", prop({"type": "array"}), "#/properties/a does not say what the list holds"),
        ("openai", {"anyOf": [prop(INT), prop(TEXT)]}, "the whole is not an object"),
        ("openai", deep(11), "there are 11 levels of objects, and at most 10 are taken"),
        ("openai", wide(5001), "there are 5001 keys, and at most 5000 are taken"),
        (
            "openai",
            prop({**INT, "enum": list(range(1001))}),
            "there are 1001 values of enums, and at most 1000 are taken",
        ),
        (
            "openai",
            prop({**TEXT, "const": "x" * 120_000}),
            "there are 120001 characters of names and values, and at most 120000 are taken",
        ),
        ("anthropic", {**NODE, "$defs": {"N": NODE}}, "N holds itself"),
        ("bedrock", {**NODE, "$defs": {"N": NODE}}, "N holds itself"),
        ("anthropic", prop({"type": "object"}), "#/properties/a is an object with keys of any name"),
        (
            "gemini",
            {**NODE, "$defs": {"N": {**NODE, "required": ["next"]}}},
            "N holds itself under a key that is required",
        ),
        ("cohere", {"type": "object", "properties": {"a": INT}}, "# requires none of its keys"),
        ("cohere", {"type": "array", "items": INT}, "the whole is not an object"),
    ],
)
def test_what_a_service_could_not_follow_is_said(dialect, schema, problem):
    assert lowered(schema, dialect).problems == (problem,)


@pytest.mark.parametrize(
    ("dialect", "schema"),
    [
        ("openai", deep(10)),
        ("openai", {**NODE, "$defs": {"N": NODE}}),
        ("gemini", {**NODE, "$defs": {"N": NODE}}),
        ("openai", {"type": "object", "properties": {}}),
        ("cohere", {"type": "object", "properties": {}}),
    ],
)
def test_what_is_just_within_the_limits_is_no_problem(dialect, schema):
    assert lowered(schema, dialect).problems == ()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_definitions_that_each_refer_to_the_next_twice_take_no_exponential_time(dialect):
    """Schemas may be other people's: those of tools of a server that somebody else runs."""
    chain = {
        f"D{number}": {"type": "object", "properties": {key: {"$ref": f"#/$defs/D{number + 1}"} for key in "ab"}}
        for number in range(60)
    }
    began = time.process_time()
    found = lowered(
        {"type": "object", "properties": {"x": {"$ref": "#/$defs/D0"}}, "$defs": {**chain, "D60": INT}}, dialect
    )
    assert time.process_time() - began < 10
    assert ("there are 61 levels of objects, and at most 10 are taken" in found.problems) == (dialect == "openai")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_schema_that_is_given_is_left_as_it_is(dialect):
    schema = {"type": "object", "properties": {"a": {**INT, "minimum": 1}}, "$defs": {"N": {"type": "object"}}}
    before = json.dumps(schema)
    lowered(schema, dialect)
    assert json.dumps(schema) == before


def test_a_dialect_that_is_none_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match="dialect='opnai' is none of openai, anthropic, bedrock, gemini"):
        lowered({}, "opnai")


def test_a_schema_nested_beyond_reading_is_refused():
    schema = {}
    for _ in range(100_000):
        schema = {"items": schema}
    with pytest.raises(ConfigError, match="nested too deeply"):
        lowered(schema, "openai")


# --- what services took, and refused ---


def strict_schemas(body):
    tools = [tool.get("function", tool) for tool in body.get("tools") or () if isinstance(tool, dict)]
    yield from (tool.get("parameters") or tool.get("input_schema") for tool in tools if tool.get("strict") is True)
    form = body.get("response_format")
    told = [form.get("json_schema") if isinstance(form, dict) else None]
    told += [
        (body.get(name) or {}).get("format") for name in ("text", "output_config") if isinstance(body.get(name), dict)
    ]
    for asked in told:
        if isinstance(asked, dict) and (asked.get("strict") or "output_config" in body) and asked.get("schema"):
            yield asked["schema"]


def recorded(api):
    if not WIRE.is_dir():
        pytest.skip("the recordings are not beside this checkout")
    with gzip.open(WIRE / f"{api}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            body = record["request"].get("json")
            for schema in strict_schemas(body if isinstance(body, dict) else {}):
                schema.pop("$schema", None)  # which binds nobody
                yield record["response"]["status"] == 200, schema


@pytest.mark.parametrize(
    ("api", "dialect", "count"),
    [
        ("openai.chat", "openai", 288),
        ("openai.responses", "openai", 263),
        ("azure.chat", "openai", 6),
        ("anthropic.messages", "anthropic", 33),
        ("mistral.chat", "mistral", 1),
    ],
)
def test_every_recorded_schema_that_a_service_took_is_left_as_it_is(api, dialect, count):
    taken = [schema for was_taken, schema in recorded(api) if was_taken]
    assert len(taken) == count
    found = [lowered(schema, dialect) for schema in taken]
    assert [one.schema for one in found] == taken
    assert [one.problems for one in found if one.problems] == []


def test_the_one_recorded_schema_that_openai_refused_is_mended():
    (refused,) = [schema for was_taken, schema in recorded("openai.chat") if not was_taken]
    found = lowered(refused, "openai")
    assert found.schema["additionalProperties"] is False
    assert found.schema["required"] == list(refused["properties"])


# --- schemas that make no sense ---

WORDS = ["type", "properties", "required", "items", "anyOf", "allOf", "prefixItems", "enum", "const", "$ref", "$defs"]
WORDS += [
    "definitions",
    "additionalProperties",
    "pattern",
    "minimum",
    "exclusiveMinimum",
    "maxItems",
    "description",
    "format",
]
VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["object", "array", "integer", "#/$defs/a", "^", "a"])
)
JUNK = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*WORDS, "a", "b"]), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(st.dictionaries(st.sampled_from(WORDS), JUNK, max_size=5))
def test_a_schema_that_makes_no_sense_is_lowered_or_refused_by_its_service_and_crashes_nothing(dialect, schema):
    found = lowered(schema, dialect)
    assert isinstance(found.schema, dict)
    json.dumps(found.schema)
