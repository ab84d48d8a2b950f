"""What `Annotated` says of a type besides its name: a description for the model, and bounds that values must keep to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sized
from decimal import Decimal
from fractions import Fraction
from types import UnionType
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

from attrs import asdict, frozen

from ..errors import ConfigError

__all__ = ["Bounds", "bare", "description_of", "limits_of", "problems_of", "tidied"]

Number: TypeAlias = int | float | Decimal


@frozen(kw_only=True)
class Bounds:
    """Bounds of a value, written as `Annotated[int, Bounds(ge=1, le=5)]`; the markers of annotated-types do as well.

    They go into the JSON schema, and are checked here too: not every service holds its model to them.

    Args:
        ge: The least number.
        gt: A number that the value must be above.
        le: The greatest number.
        lt: A number that the value must be below.
        multiple_of: A number that divides the value.
        min_length: The fewest characters, items or keys.
        max_length: The most characters, items or keys.
        pattern: A regular expression that occurs in the text; anchor it with `^` and `$` to match the whole.

    Raises:
        ConfigError: A bound is no number, a length no whole number of at least 0, or the pattern no regular expression.
    """

    ge: Number | None = None
    gt: Number | None = None
    le: Number | None = None
    lt: Number | None = None
    multiple_of: Number | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse what bounds nothing."""
        for name, value in asdict(self).items():
            if value is not None:
                _check(name, value)


NUMBERS: Final = ("ge", "gt", "le", "lt", "multiple_of")
LENGTHS: Final = ("min_length", "max_length")


def _check(name: str, value: object) -> None:
    wanted = "a number" if name in NUMBERS else "a whole number of at least 0"
    number = isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
    if name == "pattern":
        try:
            re.compile(value)  # type: ignore[call-overload]  # what it is not, it says
        except (TypeError, re.error) as error:
            wanted = f"a regular expression ({error})"
        else:
            return
    elif number and (name in NUMBERS or (isinstance(value, int) and value >= 0)):
        if name != "multiple_of" or value > 0:  # type: ignore[operator]  # a number, as the line above says
            return
        wanted = "a number above 0"
    raise ConfigError(f"bound {name}={value!r:.80} must be {wanted}")


# --- reading the annotations ---


def bare(kind: Any) -> Any:
    """Return a type without what `Annotated`, NewType and type aliases put around it."""
    while True:
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        elif hasattr(kind, "__supertype__"):
            kind = kind.__supertype__
        elif type(kind).__name__ == "TypeAliasType":
            kind = kind.__value__
        else:
            return kind


def _markers(metadata: Iterable[Any]) -> Iterator[Any]:
    for marker in metadata:
        yield marker
        if isinstance(getattr(marker, "metadata", None), list):  # pydantic's Field holds its bounds as markers
            yield from marker.metadata


def description_of(kind: Any) -> str | None:
    """Return the text that describes a type to the model: a text, `Doc`, or pydantic's `Field`, in `Annotated`."""
    if get_origin(kind) is not Annotated:
        return None
    found = None
    for marker in get_args(kind)[1:]:
        text = marker if isinstance(marker, str) else getattr(marker, "documentation", None)
        text = text if isinstance(text, str) else getattr(marker, "description", None)
        found = text if isinstance(text, str) else found
    return found


def limits_of(kind: Any) -> dict[str, Any]:
    """Return the bounds that `Annotated` gives a type, by name; of a bound given twice the later counts."""
    if get_origin(kind) is not Annotated:
        return {}
    limits: dict[str, Any] = {}
    for marker in _markers(get_args(kind)[1:]):
        if isinstance(marker, (str, type)):
            continue
        for name in (*NUMBERS, *LENGTHS, "pattern"):
            value = getattr(marker, name, None)
            value = value.pattern if isinstance(value, re.Pattern) else value
            if value is not None and not (name == "min_length" and value == 0):
                _check(name, value)
                limits[name] = value
    return limits


def tidied(kind: Any) -> Any:
    """Return the same type with nothing in its `Annotated` but a description and Bounds, which can be compared and kept."""
    arguments, origin = get_args(kind), get_origin(kind)
    if origin in (None, Literal) or not arguments:
        return kind
    if origin is Annotated:
        text, limits = description_of(kind), limits_of(kind)
        base = tidied(arguments[0])
        for marker in (*([text] if text else []), *([Bounds(**limits)] if limits else [])):
            base = Annotated[base, marker]
        return base
    inside = tuple(tidied(part) for part in arguments)
    if all(new is old for new, old in zip(inside, arguments, strict=True)):
        return kind
    return Union[inside] if origin in (Union, UnionType) else origin[inside]  # noqa: UP007  # made of a tuple


# --- checking values ---


def problems_of(value: Any, limits: dict[str, Any]) -> list[str]:
    """Say which bounds a value does not keep to, in words that hold nothing of the value; None keeps to all."""
    if value is None:
        return []
    return [words for name, bound in limits.items() if (words := _broken(name, bound, value))]


_WORDS: Final = {
    "ge": "must be at least {}",
    "gt": "must be greater than {}",
    "le": "must be at most {}",
    "lt": "must be less than {}",
    "multiple_of": "must be a multiple of {}",
    "min_length": "must have at least {} {}",
    "max_length": "must have at most {} {}",
    "pattern": "must match the pattern {}",
}

_KEPT: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "ge": lambda value, bound: value >= bound,
    "gt": lambda value, bound: value > bound,
    "le": lambda value, bound: value <= bound,
    "lt": lambda value, bound: value < bound,
    "multiple_of": lambda value, bound: (_exact(value) / _exact(bound)).denominator == 1,
    "min_length": lambda value, bound: len(value) >= bound,
    "max_length": lambda value, bound: len(value) <= bound,
    "pattern": lambda value, bound: re.search(bound, value) is not None,
}


def _exact(value: Number) -> Fraction:
    return Fraction(str(value)) if isinstance(value, float) else Fraction(value)  # 0.3 is meant, not its nearest float


def _broken(name: str, bound: Any, value: Any) -> str | None:
    fits = (
        isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)
        if name in NUMBERS
        else isinstance(value, str if name == "pattern" else Sized)
    )
    if not fits or _KEPT[name](value, bound):  # another member of a union
        return None
    units = "characters" if isinstance(value, (str, bytes)) else "keys" if isinstance(value, dict) else "items"
    return _WORDS[name].format(bound, units)
