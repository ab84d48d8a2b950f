"""Types as JSON schemas: what each becomes, what is refused, and that values, schemas and readers mean the same."""

from __future__ import annotations

import dataclasses
import enum
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, TypedDict, TypeVar
from uuid import UUID

import attrs
import pytest
from jsonschema import Draft202012Validator

from aiclient.errors import ConfigError
from aiclient.schema.bounds import Bounds
from aiclient.schema.misfits import Unfit
from aiclient.schema.schema import json_schema
from aiclient.schema.structure import reader

T = TypeVar("T")


class Color(enum.Enum):
    """A colour."""

    RED = "red"
    BLUE = "blue"


class Empty(enum.Enum):
    THING = object()


@dataclasses.dataclass
class Person:
    """Somebody.

    Args:
        name: How they are called.
    """

    name: str
    age: Annotated[int, "In years.", Bounds(ge=0)] = 0
    tags: list[str] = dataclasses.field(default_factory=list, metadata={"description": "Labels."})
    kept: int = dataclasses.field(default=0, init=False)


@attrs.frozen
class Node:
    value: int
    next: Node | None = None


@attrs.frozen
class Pair(Generic[T]):
    first: T
    rest: list[T] = attrs.field(factory=list)


@attrs.frozen
class Open:
    limit: int | None = 3


@attrs.frozen
class Private:
    _key: str
    limit: object = object()


class Point(TypedDict):
    x: int
    y: NotRequired[float]


class Spot(NamedTuple):
    x: int
    name: str = "here"


@dataclasses.dataclass
class Two:
    a: Person
    b: Person


@dataclasses.dataclass
class Once:
    a: Annotated[Person, "The first."]


@dataclasses.dataclass
class Lost:
    where: Nowhere  # noqa: F821  # it is what is tested


@dataclasses.dataclass
class Bad:
    inside: list[complex]


Id = NewType("Id", int)

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "How they are called."},
        "age": {"type": "integer", "minimum": 0, "description": "In years.", "default": 0},
        "tags": {"type": "array", "items": {"type": "string"}, "description": "Labels."},
    },
    "required": ["name"],
    "additionalProperties": False,
    "description": "Somebody.",
}
NODE = {
    "type": "object",
    "properties": {
        "value": {"type": "integer"},
        "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}], "default": None},
    },
    "required": ["value"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (Any, {}),
        (object, {}),
        (None, {"type": "null"}),
        (bool, {"type": "boolean"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (str, {"type": "string"}),
        (bytes, {"type": "string", "contentEncoding": "base64"}),
        (UUID, {"type": "string", "format": "uuid"}),
        (datetime, {"type": "string", "format": "date-time"}),
        (date, {"type": "string", "format": "date"}),
        (time, {"type": "string", "format": "time"}),
        (Decimal, {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal[1, "a", None], {"type": ["integer", "string", "null"], "enum": [1, "a", None]}),  # noqa: PYI061  # people write it
        (Color, {"type": "string", "enum": ["red", "blue"], "description": "A colour."}),
        (Literal[Color.RED], {"type": "string", "enum": ["red"]}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (int | Any, {}),
        (str | Id | int, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        (list, {"type": "array", "items": {}}),
        (Sequence[int], {"type": "array", "items": {"type": "integer"}}),
        (set[int], {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (
            tuple[int, str],
            {
                "type": "array",
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
                "minItems": 2,
                "maxItems": 2,
            },
        ),
        (tuple[()], {"type": "array", "items": {}, "minItems": 0, "maxItems": 0}),
        (dict, {"type": "object", "additionalProperties": True}),
        (Mapping[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (
            dict[Literal["a"], int],
            {
                "type": "object",
                "additionalProperties": {"type": "integer"},
                "propertyNames": {"type": "string", "enum": ["a"]},
            },
        ),
        (Person, PERSON),
        (Node, {**NODE, "$defs": {"Node": NODE}}),
        (list[Node], {"type": "array", "items": {"$ref": "#/$defs/Node"}, "$defs": {"Node": NODE}}),
        (
            Point,
            {
                "type": "object",
                "properties": {"x": {"type": "integer"}, "y": {"type": "number"}},
                "required": ["x"],
                "additionalProperties": False,
            },
        ),
        (
            Spot,
            {
                "type": "object",
                "properties": {"x": {"type": "integer"}, "name": {"type": "string", "default": "here"}},
                "required": ["x"],
                "additionalProperties": False,
            },
        ),
        (
            Pair[int],
            {
                "type": "object",
                "properties": {
                    "first": {"type": "integer"},
                    "rest": {"type": "array", "items": {"type": "integer"}},
                },
                "required": ["first"],
                "additionalProperties": False,
            },
        ),
        (
            Private,
            {
                "type": "object",
                "properties": {"_key": {"type": "string"}, "limit": {}},
                "required": ["_key"],
                "additionalProperties": False,
            },
        ),
        (
            Two,
            {
                "type": "object",
                "properties": {"a": {"$ref": "#/$defs/Person"}, "b": {"$ref": "#/$defs/Person"}},
                "required": ["a", "b"],
                "additionalProperties": False,
                "$defs": {"Person": PERSON},
            },
        ),
        (
            Annotated[str, Bounds(min_length=1, pattern="^[a-z]+$")],
            {"type": "string", "minLength": 1, "pattern": "^[a-z]+$"},
        ),
        (
            Annotated[list[int] | None, Bounds(max_length=3), "Few."],
            {
                "anyOf": [{"type": "array", "items": {"type": "integer"}, "maxItems": 3}, {"type": "null"}],
                "description": "Few.",
            },
        ),
        (
            Annotated[Decimal, Bounds(gt=0), "Price."],
            {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$", "description": "Price.\n\n> 0"},
        ),
    ],
)
def test_each_type_has_its_schema(kind, schema):
    made = json_schema(kind)
    Draft202012Validator.check_schema(made)
    assert made == schema


def test_a_class_that_occurs_once_stands_where_it_occurs_with_the_description_of_that_place():
    assert json_schema(Once)["properties"]["a"] == {**PERSON, "description": "The first."}


def test_two_classes_of_one_name_have_two_definitions():
    other = attrs.make_class("Person", {"x": attrs.field(type=int)})
    both = attrs.make_class(
        "Both", {name: attrs.field(type=kind) for name, kind in zip("abcd", [Person, other] * 2, strict=True)}
    )
    assert set(json_schema(both)["$defs"]) == {"Person", "Person_2"}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (complex, "complex has no JSON schema; take a builtin"),
        ({"type": "object"}, r"has no JSON schema: it is no type; a schema itself is sent with response_format\(\)"),
        (Bad, "inside: complex has no JSON schema"),
        (dict[int, str], r"keys of dict\[int, str\] must be texts"),
        (Empty, "Empty holds values that JSON cannot"),
        (Literal[b"a"], "holds values that JSON cannot"),
        (Pair, "first: ~T has no JSON schema; give the generic class its arguments"),
        (Lost, "the annotations of Lost cannot be read: name 'Nowhere' is not defined"),
        (Annotated[int, Bounds(min_length=1)], "the bound min_length=1 means nothing to int"),
        (Annotated[int | float, Bounds(ge=1)], "the bound ge=1 means nothing to"),
    ],
)
def test_what_has_no_schema_is_refused_by_name(kind, said):
    with pytest.raises(ConfigError, match=said):
        json_schema(kind)


@pytest.mark.parametrize(
    ("kind", "value", "problems"),
    [
        (Person, {"name": "A", "age": -1}, ["$.age: must be at least 0"]),
        (Person, {"name": "A", "secret": 1}, ["$: has keys that are not known; there are name, age, tags"]),
        (Person | None, {"name": 1}, ["$.name: must be a text, not a number"]),
        (Person | None, {"name": "A", "x": 1}, ["$: has keys that are not known; there are name, age, tags"]),
        (Spot, {"x": "1"}, ["$.x: must be a whole number, not a text"]),
        (Spot, [1], ["$: must be an object (Spot), not an array"]),
        (tuple[()], [1], ["$: must have exactly 0 items, not 1"]),
        (Decimal, "NaN", ["$: must be a text with a decimal number"]),
        (Decimal, "1e999999", ["$: must be a text with a decimal number"]),
        (
            Node,
            {"value": 1, "next": {"value": 2, "next": {"value": None}}},
            ["$.next.next.value: must be a whole number, not null"],
        ),
    ],
)
def test_a_reader_that_is_closed_refuses_what_the_schema_does_not_allow(kind, value, problems):
    with pytest.raises(Unfit) as found:
        reader(kind, closed=True)(value)
    assert list(found.value.lines) == problems
    assert not Draft202012Validator(json_schema(kind)).is_valid(value)


@pytest.mark.parametrize("closed", [True, False])
def test_null_stands_for_not_given_where_a_key_has_a_default_and_the_type_has_no_null(closed):
    assert reader(Person, closed=closed)({"name": "A", "age": None, "tags": None}) == Person("A")
    assert reader(Point, closed=closed)({"x": 1, "y": None}) == {"x": 1}
    assert reader(Open, closed=closed)({"limit": None}) == Open(None)
    with pytest.raises(Unfit):
        reader(Person, closed=closed)({"name": None})


def test_a_class_is_called_by_the_names_of_its_parameters():
    assert reader(Private)({"_key": "a"})._key == "a"
    assert reader(Spot)({"x": 1}) == Spot(1, "here")


class Refusal(ValueError):
    def errors(self, **_):
        return [{"loc": ("a", 0), "msg": "is odd"}]


class Model:
    """What a pydantic model looks like from outside; real ones are in tests/oracles."""

    @classmethod
    def model_json_schema(cls, *, ref_template):
        inner = ref_template.format(model="Inner")
        return {
            "type": "object",
            "properties": {"a": {"$ref": inner}, "b": {"$ref": inner}},
            "$defs": {"Inner": {"type": "integer"}},
        }

    @classmethod
    def model_validate_json(cls, text, *, strict):
        if "1" in text:
            raise Refusal
        return (text, strict)


def test_a_model_makes_its_own_schema_and_reads_its_own_values():
    inner = {"$ref": "#/$defs/Inner"}
    made = json_schema(list[Model])
    assert made["items"] == {"type": "object", "properties": {"a": inner, "b": inner}}
    assert made["$defs"] == {"Inner": {"type": "integer"}}
    assert reader(Model | None)({"a": 2}) == ('{"a": 2}', True)
    with pytest.raises(Unfit) as found:
        reader(list[Model])([{"a": 1}])
    assert found.value.lines == ("$[0].a[0]: is odd",)


def test_a_class_of_the_library_can_be_described_after_its_public_name_was_used():
    """Its label then leads to another module than that of its annotations, and its base was written in a third."""
    code = "import aiclient as a; a.Tool; from aiclient.schema import schema; print(schema.json_schema(a.Tool)['type'])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == ("object\n", "")
