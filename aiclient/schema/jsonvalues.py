"""Typed values as JSON: what `structure.reader` reads of a type, written."""

from __future__ import annotations

import base64
import dataclasses
import enum
import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import attrs

from ..errors import ConfigError

__all__ = ["to_json"]

_TEXTS: Final = (datetime, date, time)


def to_json(value: Any) -> Any:
    """Return a value as JSON has it: dicts with texts as keys, lists, texts, numbers, booleans and None.

    Classes become dicts of their fields, members of an Enum their values, sets sorted lists, bytes base64, dates ISO 8601,
    Decimal and UUID texts.

    Raises:
        ConfigError: JSON has no form for it, or it holds itself.
    """
    problem: str
    try:
        return _json(value)
    except RecursionError:
        problem = "it is nested too deeply, or holds itself"
    except TypeError as error:
        problem = str(error)
    raise ConfigError(f"{type(value).__name__} cannot be written as JSON: {problem}")


def _json(value: Any) -> Any:
    match value:
        case enum.Enum():
            return _json(value.value)
        case None | bool() | int() | str():
            return value
        case float() if math.isfinite(value):
            return value
        case bytes():
            return base64.b64encode(value).decode()
        case Decimal() if value.is_finite():
            return format(value, "f")
        case UUID():
            return str(value)
        case Mapping():
            return {_key(key): _json(item) for key, item in value.items()}
    if isinstance(value, _TEXTS):
        return value.isoformat()
    return _compound(value)


def _key(key: Any) -> str:
    text = _json(key)
    if not isinstance(text, str):
        raise TypeError(f"its keys must be texts, not {type(key).__name__}")
    return text


def _compound(value: Any) -> Any:
    names = getattr(value, "_fields", None)
    if isinstance(value, tuple) and names is not None:
        return {name: _json(item) for name, item in zip(names, value, strict=True)}
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    if isinstance(value, AbstractSet):
        items = [_json(item) for item in value]
        return sorted(items, key=repr)  # the same each time
    if attrs.has(type(value)):
        return {field.name: _json(getattr(value, field.name)) for field in attrs.fields(type(value)) if field.init}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _json(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init}
    dump = getattr(value, "model_dump", None)
    if dump is not None and hasattr(value, "model_json_schema"):  # a pydantic model
        return dump(mode="json")
    raise TypeError(f"JSON has no form for {type(value).__name__}")
