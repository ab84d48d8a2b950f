"""Lowered schemas before other people's code: Anthropic's SDK finds nothing to take away."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

import pytest

from aiclient.schema.bounds import Bounds
from aiclient.schema.lowering import lowered
from aiclient.schema.schema import json_schema


@dataclasses.dataclass
class Order:
    sku: Annotated[str, Bounds(pattern="^[A-Z]{3}$")]
    count: Annotated[int, Bounds(gt=0, le=99)] = 1
    place: tuple[float, str] | None = None
    on: date | None = None


@dataclasses.dataclass
class Twice:
    first: Annotated[Order, "The first."]
    second: Order


KINDS = [
    Order,
    Twice,
    list[Order],
    tuple[int, str],
    int | str | None,
    Literal["a", 1, True],
    set[int],
    Annotated[str, Bounds(pattern="a+")],
    Annotated[float, Bounds(ge=0)],
    Annotated[list[int], Bounds(min_length=2, max_length=3)],
    list[datetime],
    Decimal,
    UUID,
    bytes,
]


def told(schema):
    """Return the keywords that only descriptions name."""
    return set(
        re.findall(r"[{ ](\w+): ", json.dumps(re.findall(r'"description": "((?:[^"\\]|\\.)*)"', json.dumps(schema))))
    )


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_anthropics_sdk_takes_no_bound_away_from_a_lowered_schema(kind):
    """Defaults apart, which bind nobody: the SDK tells them, the service takes them."""
    sdk = pytest.importorskip("anthropic.lib._parse._transform", reason="anthropic comes with the `oracles` extra")
    schema = lowered(json_schema(kind), "anthropic").schema
    assert told(sdk.transform_schema(schema)) - told(schema) <= {"default"}
