"""Durations as people write them, and the time limits of a configuration."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import fields, frozen

from ..context import Timeouts
from ..plugins import suggestion
from ..schema.misfits import Path
from .forms import Form, Json, Problem

if TYPE_CHECKING:
    from .making import Made, Maker

__all__ = ["Duration", "duration"]

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_WORDS: Final = "must be a duration such as 30s, 500ms, 2m, or a number of seconds, more than 0"


def duration(text: str) -> float:
    """Return the seconds that `30s`, `500ms`, `2m`, `1h` or a plain number of seconds stands for.

    Raises:
        ValueError: It is none of these, negative or not finite.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)", text.strip())
    seconds = math.inf if match is None else float(match[1]) * _UNITS[match[2]]
    if seconds == math.inf:
        raise ValueError("must be a duration such as 30s, 500ms, 2m, or a number of seconds")
    return seconds


def _seconds(value: Any) -> float | None:
    """Return a duration in seconds; None if it is none."""
    if isinstance(value, str):
        try:
            value = duration(value)
        except ValueError:
            return None
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf")
    return float(value) if usable else None


@frozen
class Duration(Form):
    """A time limit for the whole call, or each of the limits by its name; null there is "no limit"."""

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Take a duration, or an object of durations."""
        if not isinstance(value, Mapping):
            if _seconds(value) is None:
                yield path, f"{_WORDS}, or an object of limits"
            return
        known = [limit.name for limit in fields(Timeouts)]
        for name, limit in value.items():
            if name not in known:
                yield (*path, str(name)), f"is not known here{suggestion(str(name), known)}"
            elif limit is not None and _seconds(limit) is None:
                yield (*path, name), _WORDS

    def schema(self) -> Json:
        """Describe both."""
        one: Json = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": _PATTERN}]}
        limits = {limit.name: {"anyOf": [*one["anyOf"], {"type": "null"}]} for limit in fields(Timeouts)}
        return {"anyOf": [*one["anyOf"], {"type": "object", "properties": limits, "additionalProperties": False}]}

    def make(self, value: Any, maker: Maker, path: Path) -> Made:
        """Return Timeouts; what is not said is as usual."""
        if isinstance(value, Mapping):
            made = Timeouts(**{name: None if limit is None else _seconds(limit) for name, limit in value.items()})
        else:
            made = Timeouts.of(_seconds(value))
        return maker.plain(made, made)


_PATTERN: Final = r"^\s*\d+(\.\d+)?\s*(ms|s|m|h)?\s*$"
