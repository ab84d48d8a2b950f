"""JSON into values of a type: strict about JSON's types, complete about what is wrong, silent about the values."""

from __future__ import annotations

import dataclasses
import enum
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from datetime import time as clock_time
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NewType, NotRequired, TypedDict, TypeVar
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.errors import ConfigError
from aiclient.schema.jsontypes import described
from aiclient.schema.misfits import Unfit
from aiclient.schema.structure import reader

T = TypeVar("T")


class Size(enum.StrEnum):
    SMALL = "small"


class Grade(enum.IntEnum):
    BEST = 1


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Person:
    name: str
    age: int
    color: Color = Color.RED
    friends: list[Person] = dataclasses.field(default_factory=list)


@attrs.frozen
class Circle:
    kind: Literal["circle"]
    radius: float = attrs.field(validator=attrs.validators.gt(0))


@attrs.frozen
class Square:
    kind: Literal["square"]
    side: float


@attrs.frozen
class Box(Generic[T]):
    inside: T


class Point(TypedDict):
    x: int
    y: NotRequired[int]


@dataclasses.dataclass
class Named:
    name: str


@dataclasses.dataclass
class NamedAndAged:
    name: str
    age: int


@dataclasses.dataclass
class Left:
    child: Left | Right | None = None


@dataclasses.dataclass
class Right:
    child: Left | Right | None = None


@dataclasses.dataclass
class Lost:
    where: Nowhere  # noqa: F821  # it is what is tested


@dataclasses.dataclass
class Ordered:
    first: int
    last: int

    def __post_init__(self):
        if self.first > self.last:
            raise ValueError("first must not be after last")


Id = NewType("Id", int)
Shape = Circle | Square


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        (int, 3, 3),
        (int, 3.0, 3),
        (float, 3, 3.0),
        (bool, True, True),
        (str, "3", "3"),
        (bytes, "aGk=", b"hi"),
        (type(None), None, None),
        (Decimal, "0.1", Decimal("0.1")),
        (Decimal, 0.1, Decimal("0.1")),
        (UUID, "12345678123456781234567812345678", UUID(int=0x12345678123456781234567812345678)),
        (datetime, "2026-11-28T10:00:00+00:00", datetime(2026, 11, 28, 10, tzinfo=UTC)),
        (date, "2026-11-28", date(2026, 11, 28)),
        (clock_time, "10:30", clock_time(10, 30)),
        (Any, {"a": [1]}, {"a": [1]}),
        (object, [1], [1]),
        (list, [1, "a"], [1, "a"]),
        (list[int], [1, 2], [1, 2]),
        (Sequence[int], [1], [1]),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[int, str], [1, "a"], (1, "a")),
        (set[int], [1, 1], {1}),
        (frozenset[str], ["a"], frozenset("a")),
        (dict, {"a": 1}, {"a": 1}),
        (Mapping[str, int], {"a": 1}, {"a": 1}),
        (dict[Color, int], {"red": 1}, {Color.RED: 1}),
        (Color, "blue", Color.BLUE),
        (Size, "small", Size.SMALL),
        (Grade, 1, Grade.BEST),
        (Grade, 1.0, Grade.BEST),
        (Literal["a", 1], 1, 1),
        (int | None, None, None),
        (int | str, "1", "1"),
        (float | int, 3, 3),
        (str | list[str], ["a"], ["a"]),
        (Annotated[int, "metres"], 3, 3),
        (Id, 3, 3),
        (Point, {"x": 1}, {"x": 1}),
        (Person, {"name": "Ann", "age": 3, "color": "blue", "more": 1}, Person("Ann", 3, Color.BLUE)),
        (
            Person,
            {"name": "A", "age": 3, "friends": [{"name": "B", "age": 4}]},
            Person("A", 3, friends=[Person("B", 4)]),
        ),
        (Shape, {"kind": "square", "side": 2}, Square("square", 2.0)),
        (Box[int], {"inside": 1}, Box(1)),
        (Named | NamedAndAged, {"name": "a", "age": 1}, NamedAndAged("a", 1)),
        (NamedAndAged | Named, {"name": "a", "more": 1}, Named("a")),
    ],
)
def test_what_fits_becomes_a_value_of_the_type(kind, given, value):
    read = reader(kind)(given)
    assert read == value and type(read) is type(value)


@pytest.mark.parametrize(
    ("kind", "given", "problems"),
    [
        (int, "12", ["$: must be a whole number, not a text"]),
        (int, True, ["$: must be a whole number, not a boolean"]),
        (int, 1.5, ["$: must be a whole number"]),
        (float, "1", ["$: must be a number, not a text"]),
        (float, float("inf"), ["$: must be a number"]),
        (bool, 1, ["$: must be a boolean, not a number"]),
        (str, 1, ["$: must be a text, not a number"]),
        (bytes, "ä", ["$: must be a text in base64"]),
        (datetime, "soon", ["$: must be a text with a date and time as in ISO 8601"]),
        (Decimal, "much", ["$: must be a text with a decimal number"]),
        (list[int], "123", ["$: must be an array, not a text"]),
        (
            list[int],
            [1, "a", None],
            ["$[1]: must be a whole number, not a text", "$[2]: must be a whole number, not null"],
        ),
        (tuple[int, str], [1], ["$: must have exactly 2 items, not 1"]),
        (set[Any], [[1]], ["$: must hold what a set can hold"]),
        (dict[str, int], [], ["$: must be an object, not an array"]),
        (dict[str, int], {"secret": "a"}, ["$.*: must be a whole number, not a text"]),
        (dict[Color, int], {"secret": 1}, ['$.*: must be one of "red", "blue"']),
        (Color, "green", ['$: must be one of "red", "blue"']),
        (Size, "huge", ['$: must be "small"']),
        (Grade, 7, ["$: must be 1"]),
        (dict[Size, int], {"secret": 1}, ['$.*: must be "small"']),
        (Literal[1], True, ["$: must be 1"]),
        (int | None, "a", ["$: must be a whole number or null, not a text"]),
        (Point, {"y": 1}, ["$.x: is missing"]),
        (Point, [], ["$: must be an object (Point), not an array"]),
        (
            Person,
            {"age": "old", "friends": [{"name": "Bob", "age": 1}, {"name": 2, "age": 1}]},
            [
                "$.name: is missing",
                "$.age: must be a whole number, not a text",
                "$.friends[1].name: must be a text, not a number",
            ],
        ),
        (Shape, {"kind": "circle", "radius": "x"}, ["$.radius: must be a number, not a text"]),
        (Shape, {}, ["$: must be an object (Circle) or an object (Square)"]),
        (Shape, 1, ["$: must be an object (Circle) or an object (Square), not a number"]),
        (Box[int], {"inside": "a"}, ["$.inside: must be a whole number, not a text"]),
        (Ordered, {"first": 2, "last": 1}, ["$: first must not be after last"]),
        (Circle, {"kind": "circle", "radius": 0}, ["$: 'radius' must be > 0: 0.0"]),
    ],
)
def test_everything_that_does_not_fit_is_told_with_its_path(kind, given, problems):
    with pytest.raises(Unfit) as found:
        reader(kind)(given)
    assert sorted(found.value.lines) == sorted(problems)


@pytest.mark.parametrize(
    "kind", [complex, 3, type, list[complex], int | complex, dict[str, complex], Lost, Box[complex]]
)
def test_a_type_that_json_cannot_be_read_into_is_refused_before_any_answer(kind):
    with pytest.raises(ConfigError, match="JSON cannot be read into"):
        reader(kind)


def test_nesting_deeper_than_python_can_follow_is_a_misfit():
    deep = {}
    for _ in range(10_000):
        deep = {"child": deep}
    with pytest.raises(Unfit) as found:
        reader(Left)(deep)
    assert found.value.lines == ("$: is nested too deeply",)


def test_nested_unions_take_no_exponential_time():
    """Each level could be either class: without a memory, 2**40 readings."""
    deep = {"child": "wrong"}
    for _ in range(40):
        deep = {"child": deep}
    began = time.process_time()
    with pytest.raises(Unfit):
        reader(Left | Right)(deep)
    assert time.process_time() - began < 10


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.just("canary"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "age", "kind", "canary"]), inner)
    ),
    max_leaves=6,
)


def wrong(kind, value):
    try:
        reader(kind)(value)
    except Unfit as unfit:
        return unfit.lines
    return ()


@pytest.mark.parametrize(
    "kind", [Person, Shape, Point, list[int | str], dict[str, Person | None], tuple[int, str], Color | bool], ids=str
)
@given(value=JSON)
def test_no_value_crashes_a_reader_and_none_is_quoted(kind, value):
    assert [line for line in wrong(kind, value) if "canary" in line] == []


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Any, "anything"),
        (dict[str, int], "an object"),
        (Person, "an object (Person)"),
        (Literal["a"], '"a"'),
        (int | list[str] | None, "a whole number or an array or null"),
    ],
)
def test_what_a_type_asks_for_in_words(kind, words):
    assert described(kind) == words
