"""Checks of what layers are constructed with: a wrong option is refused where it is written, not at the first call."""

from __future__ import annotations

import math
from typing import Any

from ..errors import ConfigError

__all__ = ["number", "seconds", "whole"]


def whole(name: str, value: Any, *, least: int = 1) -> int:
    """Return `value`, a whole number of at least `least`.

    Raises:
        ConfigError: It is something else; the message names the option and the value.
    """
    if type(value) is not int or value < least:
        raise ConfigError(f"{name}={value!r} must be a whole number of at least {least}")
    return value


def number(name: str, value: Any, *, least: float = 0.0, most: float = math.inf, above: bool = False) -> float:
    """Return `value` as a float: finite, between `least` and `most`; with `above`, more than `least`."""
    if type(value) not in (int, float) or not _finite(value) or not least <= value <= most:
        raise ConfigError(f"{name}={value!r} must be a finite number {_range(least, most)}")
    if above and value == least:
        raise ConfigError(f"{name}={value!r} must be more than {least:g}")
    return float(value)


def seconds(name: str, value: Any, *, above: bool = False) -> float:
    """Return `value` as a finite number of seconds, 0 or more; with `above`, more than 0."""
    if type(value) not in (int, float) or not _finite(value) or value < 0 or (above and value == 0):
        raise ConfigError(
            f"{name}={value!r} must be a finite number of seconds, {'more than 0' if above else '0 or more'}"
        )
    return float(value)


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def _range(least: float, most: float) -> str:
    return f"of at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"
