"""The types that JSON can be read into: which is which, what each asks for in words, and how the plain ones are read."""

from __future__ import annotations

import base64
import enum
import math
import types
import typing
from collections import abc
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin
from uuid import UUID

from .bounds import bare
from .misfits import Unfit, choices, kind_of

__all__ = [
    "SCALARS",
    "described",
    "is_annotated",
    "is_array",
    "is_enum",
    "is_fixed",
    "is_literal",
    "is_mapping",
    "is_model",
    "is_union",
    "misfit",
    "read_enum",
    "read_literal",
    "read_scalar",
]

# --- types ---

_PLAIN: Final[dict[Any, str]] = {
    int: "a whole number",
    float: "a number",
    bool: "a boolean",
    str: "a text",
    bytes: "a text in base64",
    Decimal: "a text with a decimal number",
    UUID: "a text with a UUID",
    datetime: "a text with a date and time as in ISO 8601",
    date: "a text with a date as in ISO 8601",
    time: "a text with a time as in ISO 8601",
    type(None): "null",
}

ARRAYS: Final = (list, tuple, set, frozenset, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection, abc.Set)
MAPPINGS: Final = (dict, abc.Mapping, abc.MutableMapping)


def described(kind: Any) -> str:
    """Return what a type asks for, in words.

    Example:
        >>> described(list[int] | None)
        'an array or null'
    """
    kind = bare(kind)
    if kind in (Any, object):
        return "anything"
    if is_union(kind):
        return " or ".join(dict.fromkeys(described(member) for member in get_args(kind)))
    if is_literal(kind):
        return choices(get_args(kind))
    if is_enum(kind):
        return choices(member.value for member in kind)
    plain = get_origin(kind) or kind
    if plain in _PLAIN:
        return _PLAIN[plain]
    if plain in ARRAYS:
        return "an array"
    name = getattr(plain, "__name__", None)
    return "an object" if plain in MAPPINGS or name is None else f"an object ({name})"


def is_annotated(kind: Any) -> bool:
    """Whether it says more of a type than its name."""
    return get_origin(kind) is Annotated


def is_model(kind: Any) -> bool:
    """Whether it is a pydantic model, told by its methods: pydantic is never imported here."""
    return isinstance(kind, type) and hasattr(kind, "model_json_schema") and hasattr(kind, "model_validate_json")


def is_array(kind: Any) -> bool:
    """Whether JSON's arrays are read into it."""
    return (get_origin(kind) or kind) in ARRAYS


def is_fixed(kind: Any) -> bool:
    """Whether it is a tuple with a type for each place; `tuple[()]` has none."""
    arguments = get_args(kind)
    return get_origin(kind) is tuple and kind is not typing.Tuple and arguments[1:] != (Ellipsis,)  # noqa: UP006  # the alias


def is_mapping(kind: Any) -> bool:
    """Whether JSON's objects are read into it, whatever their keys."""
    return (get_origin(kind) or kind) in MAPPINGS


def is_union(kind: Any) -> bool:
    """Whether it is one of several types."""
    return get_origin(kind) in (Union, types.UnionType)


def is_literal(kind: Any) -> bool:
    """Whether it is a closed set of values."""
    return get_origin(kind) is Literal


def misfit(kind: Any, value: object) -> Unfit:
    """Return the error of a value that is not a `kind`."""
    kind = bare(kind)
    wanted, found = described(kind), kind_of(value)
    right_kind = found in wanted or (kind is int and found == "a number") or is_enum(kind) or is_literal(kind)
    return Unfit([((), f"must be {wanted}" if right_kind else f"must be {wanted}, not {found}")])


# --- scalars ---


def read_scalar(convert: Callable[[Any], Any], value: Any, kind: Any) -> Any:
    """Read a plain value; of an Enum whose members are texts or numbers, a member."""
    if is_enum(kind):  # a `StrEnum` is a `str` to cattrs, which asks for it here
        return read_enum(value, kind)
    try:
        return convert(value)
    except (ValueError, TypeError, InvalidOperation, OverflowError):
        pass
    raise misfit(kind, value)


def _of(*kinds: type) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        if type(value) not in kinds:
            raise TypeError
        return value

    return convert


def _whole(value: Any) -> int:
    if type(value) is float and value.is_integer():
        return int(value)
    return int(_of(int)(value))


def _number(value: Any) -> float:
    number = float(_of(int, float)(value))
    if not math.isfinite(number):  # 1e999 is JSON
        raise ValueError
    return number


_LARGEST: Final = 400
"""The greatest power of ten of a Decimal, more than any float's: one of a million digits is written in ten characters."""


def _decimal(text: str) -> Decimal:
    number = Decimal(text)
    if not number.is_finite() or abs(number.adjusted()) > _LARGEST:  # it reads "NaN" too
        raise ValueError
    return number


def _text(convert: Callable[[str], Any]) -> Callable[[Any], Any]:
    return lambda value: convert(_of(str)(value))


SCALARS: Final[dict[Any, Callable[[Any], Any]]] = {
    int: _whole,
    float: _number,
    bool: _of(bool),
    str: _of(str),
    type(None): _of(type(None)),
    bytes: _text(lambda text: base64.b64decode(text, validate=True)),  # its error is a ValueError
    Decimal: lambda value: _decimal(str(_of(str, int, float)(value))),
    UUID: _text(UUID),
    datetime: _text(datetime.fromisoformat),
    date: _text(date.fromisoformat),
    time: _text(time.fromisoformat),
}


def is_enum(kind: Any) -> bool:
    """Whether it is an Enum."""
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def read_enum(value: Any, kind: Any) -> Any:
    """Read a member of an Enum by its value."""
    for member in kind:
        if _same(member.value, value):
            return member
    raise misfit(kind, value)


def read_literal(value: Any, kind: Any) -> Any:
    """Read one of a closed set of values."""
    for option in get_args(kind):
        given = option.value if isinstance(option, enum.Enum) else option
        if _same(given, value):
            return option
    raise misfit(kind, value)


def _same(given: object, value: object) -> bool:
    """Whether two values are the same in JSON: 1.0 is 1, true is not."""
    return given == value and isinstance(given, bool) == isinstance(value, bool)
