"""Generated types: a value of the type, written as JSON, fits the schema, and is read as the same value."""

from __future__ import annotations

import dataclasses
import enum
import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from aiclient.schema.bounds import Bounds
from aiclient.schema.dialects import DIALECTS
from aiclient.schema.jsonvalues import to_json
from aiclient.schema.lowering import lowered
from aiclient.schema.misfits import Unfit
from aiclient.schema.schema import json_schema
from aiclient.schema.structure import reader


class Color(enum.Enum):
    RED = "red"
    BLUE = 2


@dataclasses.dataclass
class Tree:
    value: int
    children: list[Tree] = dataclasses.field(default_factory=list)
    label: str | None = None


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = [
    (bool, st.booleans()),
    (int, st.integers(-(2**70), 2**70)),
    (float, FLOATS),
    (str, st.text(max_size=5)),
    (bytes, st.binary(max_size=5)),
    (type(None), st.none()),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20)),
    (UUID, st.uuids()),
    (date, st.dates()),
    (datetime, st.datetimes(timezones=st.just(UTC))),
    (time, st.times()),
    (Color, st.sampled_from(Color)),
    (Literal["x", 3, True] | None, st.sampled_from(["x", 3, None, True])),
    (Annotated[int, Bounds(ge=0, lt=10)], st.integers(0, 9)),
    (Annotated[str, Bounds(min_length=1, max_length=3), "Short."], st.text(min_size=1, max_size=3)),
    (
        Tree,
        st.recursive(
            st.builds(Tree, st.integers(), st.just([])),
            lambda t: st.builds(Tree, st.integers(), st.lists(t, max_size=2)),
            max_leaves=3,
        ),
    ),
]
KEYS = st.sampled_from(["a", "b", "cc", "d_d", "type"])


@st.composite
def classes(draw, inside):
    names = draw(st.lists(KEYS, min_size=1, max_size=3, unique=True))
    parts = {name: draw(inside) for name in names}
    hints = {name: kind for name, (kind, _) in parts.items()}
    kind = draw(
        st.sampled_from(
            [
                lambda: dataclasses.make_dataclass("D", list(hints.items())),
                lambda: attrs.make_class("A", {name: attrs.field(type=hint) for name, hint in hints.items()}),
                lambda: TypedDict("T", hints),
                lambda: NamedTuple("N", list(hints.items())),
            ]
        )
    )()
    return kind, st.builds(lambda **values: kind(**values), **{name: values for name, (_, values) in parts.items()})


def grown(inside):
    """Types made of types; unions of what JSON tells apart alone, since a text is a date's as well as its own."""
    return st.one_of(
        inside.map(lambda pair: (list[pair[0]], st.lists(pair[1], max_size=3))),
        inside.map(lambda pair: (tuple[pair[0], ...], st.lists(pair[1], max_size=3).map(tuple))),
        st.tuples(inside, inside).map(lambda two: (tuple[two[0][0], two[1][0]], st.tuples(two[0][1], two[1][1]))),
        inside.map(lambda pair: (dict[str, pair[0]], st.dictionaries(st.text(max_size=3), pair[1], max_size=3))),
        inside.map(lambda pair: (pair[0] | None, pair[1] | st.none())),
        st.just((set[int], st.sets(st.integers(), max_size=3))),
        st.just(
            (
                int | str | None | list[bool],
                st.integers() | st.text(max_size=3) | st.none() | st.lists(st.booleans(), max_size=3),
            )
        ),
        classes(inside),
    )


TYPES = st.recursive(st.sampled_from(PLAIN), grown, max_leaves=5)
LESS = settings(
    max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None
)


@LESS
@given(st.data())
def test_a_value_fits_its_schema_and_is_read_as_itself(data):
    kind, values = data.draw(TYPES)
    value = data.draw(values)
    schema = json_schema(kind)
    Draft202012Validator.check_schema(schema)
    written = json.loads(json.dumps(to_json(value)))
    Draft202012Validator(schema).validate(written)
    again = reader(kind, closed=True)(written)
    assert again == value and type(again) is type(value)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.sampled_from(["value", "children"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@LESS
@given(st.data())
def test_what_is_read_of_any_json_fits_the_schema_when_it_is_written_again(data):
    """The reader is not laxer than the schema, but for what stands for the same: 3.0 for 3, a number for a Decimal."""
    kind, _ = data.draw(TYPES)
    given_json = data.draw(JSON)
    try:
        value = reader(kind, closed=True)(given_json)
    except Unfit:
        return
    Draft202012Validator(json_schema(kind)).validate(json.loads(json.dumps(to_json(value))))


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(LESS, max_examples=25)
@given(st.data())
def test_every_dialect_keeps_a_valid_schema_that_allows_at_least_the_same(dialect, data):
    """But for keys that may be missing: where all are required they are null, which the schema then allows."""
    kind, values = data.draw(TYPES)
    found = lowered(json_schema(kind), dialect)
    Draft202012Validator.check_schema(found.schema)
    assert lowered(found.schema, dialect).schema == found.schema
    value = to_json(data.draw(values))
    if not found.problems and dialect != "openai":
        Draft202012Validator(found.schema).validate(json.loads(json.dumps(value)))


@dataclasses.dataclass
class Settings:
    name: str
    retries: Annotated[int, Bounds(ge=0)] = 3
    color: Color = Color.RED
    tags: list[str] = dataclasses.field(default_factory=lambda: ["a"])
    inner: Settings | None = None
    size: Literal["s", "l"] = "s"


KEPT = st.fixed_dictionaries(
    {"name": st.just("x")},
    optional={
        "retries": st.just(5),
        "color": st.just("red"),
        "tags": st.just([]),
        "inner": st.none(),
        "size": st.just("l"),
    },
)


@LESS
@given(KEPT, KEPT)
def test_what_may_be_missing_comes_as_null_where_every_key_is_required_and_means_the_same(inner, given_json):
    value = {**given_json, **({"inner": inner} if "inner" in given_json else {})}
    keys = [field.name for field in dataclasses.fields(Settings)]
    full = {key: value.get(key) for key in keys}
    full["inner"] = full["inner"] and {key: full["inner"].get(key) for key in keys}
    found = lowered(json_schema(Settings), "openai")
    assert found.problems == ()
    Draft202012Validator(found.schema).validate(full)
    assert reader(Settings)(full) == reader(Settings, closed=True)(full) == reader(Settings)(value)
