"""What the fields of requests may hold: each check refuses a wrong value before anything is sent, and names field and value."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, cast

from .errors import InvalidModelError, InvalidRequestError

__all__ = [
    "flag",
    "json_object",
    "model",
    "namespaces",
    "non_negative",
    "number",
    "strings",
    "text",
    "texts",
    "time_to_live",
    "tool_name",
]


LARGEST: Final = 10**15

SMALLEST: Final = -100
"""The power of ten that an amount must be above: to write 1e-400000000000 out takes more memory than there is."""

_CONTROL: Final = re.compile(r"[\x00-\x1f]")


def number(low: float, high: float, *, whole: bool = False) -> Callable[[Any, Any, Any], None]:
    """Refuse what is not a finite number in [low, high], before anything is sent."""

    def check_number(_: Any, attribute: Any, value: Any) -> None:
        if value is None:
            return
        kinds = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
            what = "a whole number" if whole else "a number"
            bounds = f"of at least {low:g}" if math.isinf(high) else f"from {low:g} to {high:g}"
            raise InvalidRequestError(f"{attribute.name}={value!r} must be {what} {bounds}")

    return check_number


def non_negative(_: Any, attribute: Any, value: Any) -> None:
    """Refuse what is no amount: no finite Decimal, below 0, absurdly large or small."""
    if value is not None and not (
        isinstance(value, Decimal) and value.is_finite() and 0 <= value <= LARGEST and value.adjusted() > SMALLEST
    ):
        raise InvalidRequestError(f"{attribute.name}={value!r} must be a Decimal from 0 to {LARGEST:g}")


def model(value: Any) -> str | None:
    """Refuse what cannot be a model's name."""
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or _CONTROL.search(value):
        raise InvalidModelError(f"model={value!r} must be the name of a model, as the provider spells it")
    return value


def texts(value: str | Iterable[str]) -> tuple[str, ...]:
    """Return one text or several as a tuple, and refuse empty ones."""
    given: object = value
    found: tuple[object, ...] = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    for index, item in enumerate(found):
        if not isinstance(item, str) or not item:
            raise InvalidRequestError(f"text {index} must be a string that is not empty, got {item!r}")
    return cast("tuple[str, ...]", found)


def json_object(_: Any, attribute: Any, value: Any) -> None:
    """Refuse what is no JSON schema."""
    if not isinstance(value, Mapping):
        raise InvalidRequestError(f"{attribute.name} must be a JSON schema as a dict, not {type(value).__name__}")


def tool_name(_: Any, __: Any, value: Any) -> None:
    """Refuse a tool without a name."""
    if not isinstance(value, str) or not value:
        raise InvalidRequestError(f"a tool needs a name, got {value!r}")


def time_to_live(_: Any, __: Any, value: Any) -> None:
    """Refuse what is no number of minutes or hours."""
    if not isinstance(value, str) or not re.fullmatch(r"[1-9]\d{0,3}[mh]", value):
        raise InvalidRequestError(f"ttl={value!r} must be a number of minutes or hours, such as '5m' or '1h'")


def flag(_: Any, attribute: Any, value: Any) -> None:
    """Refuse what is neither True nor False; None where the field may be left open."""
    if not isinstance(value, bool) and not (value is None and attribute.default is None):
        raise InvalidRequestError(f"{attribute.name}={value!r} must be True or False")


def text(_: Any, attribute: Any, value: Any) -> None:
    """Refuse what is no text; None is "not given"."""
    if value is not None and not isinstance(value, str):
        raise InvalidRequestError(f"{attribute.name}={value!r} must be a text")


def strings(value: Mapping[str, str]) -> dict[str, str]:
    """Copy a dict of texts, and refuse anything else."""
    given: object = value
    if not isinstance(given, Mapping):
        raise InvalidRequestError(f"metadata and tags are dicts of texts, not {type(given).__name__}")
    for key, item in given.items():
        if not isinstance(key, str) or not isinstance(item, str):
            raise InvalidRequestError(f"metadata and tags hold texts only: {key!r} is {item!r}; use str()")
    return dict(value)


def namespaces(value: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Copy settings by namespace."""
    given: object = value
    if not isinstance(given, Mapping):
        raise InvalidRequestError(f"extra must be a dict of namespaces, not {type(given).__name__}")
    for name, settings in given.items():
        if not isinstance(name, str) or not isinstance(settings, Mapping):
            raise InvalidRequestError(
                f"extra: {name!r} must be a namespace such as 'openai', with a dict of settings, got {settings!r}"
            )
    return {name: dict(settings) for name, settings in value.items()}
