"""Bounds in `Annotated`: which are read, what breaks them, and in which words."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Annotated, Any, NewType

import pytest

from aiclient.errors import ConfigError
from aiclient.schema.bounds import Bounds, bare, description_of, limits_of, tidied
from aiclient.schema.misfits import Unfit
from aiclient.schema.structure import reader

Small = NewType("Small", int)
INTERVAL = SimpleNamespace(gt=0, ge=None, lt=10, le=None)  # annotated_types.Interval(gt=0, lt=10)
FIELD = SimpleNamespace(
    description="Said.", metadata=[SimpleNamespace(ge=1)]
)  # pydantic.Field(ge=1, description="Said.")


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (Annotated[int, Bounds(ge=1)], 0, "must be at least 1"),
        (Annotated[int, Bounds(gt=1)], 1, "must be greater than 1"),
        (Annotated[float, Bounds(le=1.5)], 1.6, "must be at most 1.5"),
        (Annotated[float, Bounds(lt=1)], 1, "must be less than 1"),
        (Annotated[int, Bounds(multiple_of=5)], 12, "must be a multiple of 5"),
        (Annotated[float, Bounds(multiple_of=0.1)], 0.25, "must be a multiple of 0.1"),
        (Annotated[str, Bounds(min_length=2)], "a", "must have at least 2 characters"),
        (Annotated[list[int], Bounds(max_length=1)], [1, 2], "must have at most 1 items"),
        (Annotated[dict[str, int], Bounds(min_length=1)], {}, "must have at least 1 keys"),
        (Annotated[str, Bounds(pattern="^a")], "ba", "must match the pattern ^a"),
        (Annotated[str, Bounds(pattern="^a")] | int, "b", "must be a text or a whole number"),
        (Annotated[int | None, Bounds(ge=1)], 0, "must be at least 1"),
        (Annotated[int, INTERVAL], 10, "must be less than 10"),
        (Annotated[int, FIELD], 0, "must be at least 1"),
        (list[Annotated[int, Bounds(ge=1)]], [1, 0], "must be at least 1"),
    ],
)
def test_a_value_beyond_its_bounds_does_not_fit(kind, value, words):
    with pytest.raises(Unfit) as found:
        reader(kind)(value)
    assert found.value.lines[0].endswith(words)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Annotated[int, Bounds(ge=1, le=1)], 1),
        (Annotated[float, Bounds(multiple_of=0.1)], 0.3),
        (Annotated[Decimal, Bounds(gt=0)], "0.1"),
        (Annotated[int | None, Bounds(ge=1)], None),
        (Annotated[str | int, Bounds(pattern="^a")], 3),
        (Annotated[str, Bounds(min_length=1, max_length=1)], "ä"),
        (Annotated[int, "anything", object(), INTERVAL], 9),
    ],
)
def test_a_value_on_its_bounds_fits(kind, value):
    reader(kind)(value)


@pytest.mark.parametrize(
    "bounds",
    [
        {"ge": "1"},
        {"gt": True},
        {"multiple_of": 0},
        {"min_length": -1},
        {"max_length": 1.5},
        {"pattern": "("},
        {"pattern": 1},
    ],
    ids=str,
)
def test_what_bounds_nothing_is_refused(bounds):
    with pytest.raises(ConfigError, match=next(iter(bounds))):
        Bounds(**bounds)


def test_the_last_description_and_the_last_bound_count():
    kind = Annotated[int, "One.", Bounds(ge=1), "Two.", Bounds(ge=2)]
    assert (description_of(kind), limits_of(kind)) == ("Two.", {"ge": 2})


@pytest.mark.parametrize(
    ("kind", "same"),
    [
        (int, int),
        (Annotated[int, FIELD], Annotated[int, "Said.", Bounds(ge=1)]),
        (list[Annotated[int, object()]], list[int]),
        (dict[str, Annotated[int, "Count."]], dict[str, Annotated[int, "Count."]]),
    ],
)
def test_markers_of_any_kind_are_tidied_into_ours(kind, same):
    assert tidied(kind) == same


def test_a_bare_type_is_what_stands_inside_of_names_and_annotations():
    assert (bare(Annotated[Small, "x"]), bare(list[int]), bare(Any)) == (int, list[int], Any)
