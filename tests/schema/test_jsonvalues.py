"""Typed values as JSON."""

from __future__ import annotations

import dataclasses
import enum
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import NamedTuple
from uuid import UUID

import attrs
import pytest

from aiclient.errors import ConfigError
from aiclient.schema.jsonvalues import to_json


class Color(enum.Enum):
    RED = "red"


class Spot(NamedTuple):
    x: int


@attrs.frozen
class Box:
    inside: object
    kept: int = attrs.field(default=1, init=False)


@dataclasses.dataclass
class Bag:
    items: list[object]


class Model:
    """What a pydantic model looks like from outside."""

    model_json_schema = None

    def model_dump(self, *, mode):
        return {"mode": mode}


@pytest.mark.parametrize(
    ("value", "json"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        (b"hi", "aGk="),
        (Decimal("1E+3"), "1000"),
        (UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        (datetime(2026, 11, 28, tzinfo=UTC), "2026-11-28T00:00:00+00:00"),
        (date(2026, 11, 28), "2026-11-28"),
        (Color.RED, "red"),
        ((1, {"a": Spot(2)}), [1, {"a": {"x": 2}}]),
        ({3, 1, 2}, [1, 2, 3]),
        ({Color.RED: 1}, {"red": 1}),
        (Bag([Box(Color.RED)]), {"items": [{"inside": "red"}]}),
        (Model(), {"mode": "json"}),
    ],
)
def test_each_value_has_its_json(value, json):
    assert to_json(value) == json


def loop():
    bag = Bag([])
    bag.items.append(bag)
    return bag


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (object(), "JSON has no form for object"),
        (math.nan, "JSON has no form for float"),
        (Decimal("NaN"), "JSON has no form for Decimal"),
        ({1: 2}, "its keys must be texts, not int"),
        ([Bag], "JSON has no form for type"),
        (SimpleNamespace(), "JSON has no form for SimpleNamespace"),
        (loop(), "nested too deeply, or holds itself"),
    ],
)
def test_what_json_cannot_hold_is_refused(value, said):
    with pytest.raises(ConfigError, match=said):
        to_json(value)
