"""What does not fit, and where: words that are made of what was expected, never of the value, which may be a secret."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NoReturn, TypeAlias

__all__ = ["Path", "Unfit", "choices", "kind_of", "parsed", "shown"]

Path: TypeAlias = tuple["str | int | None", ...]
"""Where something stands: names of fields, positions, and None for a key of a free mapping."""


class Unfit(Exception):
    """A value does not fit: `problems` are pairs of where and why, `said` is what concerns it as a whole."""

    def __init__(self, problems: Iterable[tuple[Path, str]] = (), *, said: Iterable[str] = ()) -> None:
        super().__init__()
        self.problems = tuple(problems)
        self.said = tuple(said)

    @property
    def lines(self) -> tuple[str, ...]:
        """The problems, one text each, without repetitions."""
        return tuple(dict.fromkeys((*self.said, *(f"{shown(path)}: {why}" for path, why in self.problems))))


def shown(path: Path) -> str:
    """Return `path` as text.

    Example:
        >>> shown(("people", 3, "scores", None))
        '$.people[3].scores.*'
    """
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step or '*'}" for step in path)


# --- JSON ---


def parsed(text: str) -> Any:
    """Return the JSON value that `text` holds, alone or as the one fenced block that some models put around it.

    Raises:
        Unfit: It holds something else.
    """
    inside = text.strip()
    if inside.startswith("```") and inside.endswith("```") and "\n" in inside:
        inside = inside.partition("\n")[2].removesuffix("```").strip()
    if not inside:
        raise Unfit(said=["the answer is empty, and JSON was expected"])
    try:
        return json.loads(inside, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        problem = f"the answer is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
    except RecursionError:
        problem = "the answer is nested too deeply"
    except ValueError as error:  # of the two below, or a number of more digits than Python reads
        problem = f"the answer is not JSON: {error}"
    raise Unfit(said=[problem])


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("an object has the same key twice")
    return value


def _no_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no numbers in it")


def kind_of(value: object) -> str:
    """Return what a JSON value is, in words."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "an array"
    return "an object"


def choices(values: Iterable[Any]) -> str:
    """Return a closed set of values in words."""
    options = [json.dumps(value, default=str) for value in values]
    return options[0] if len(options) == 1 else f"one of {', '.join(options)}"
