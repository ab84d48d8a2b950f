"""What does not fit, and where: words that are made of what was expected, never of the value, which may be a secret."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TypeAlias

from ..jsontext import answer

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


def parsed(text: str) -> Any:
    """Return the JSON value that an answer holds: the whole of it, or the one fenced block that some models put around it.

    Raises:
        Unfit: It holds something else.
    """
    if not text.strip():
        raise Unfit(said=["the answer is empty, and JSON was expected"])
    try:
        return answer(text)
    except ValueError as error:
        problem = str(error)
    if problem.startswith("the key "):  # which one, the answer says
        problem = "an object holds a key twice"
    raise Unfit(said=[f"the answer is not JSON: {problem}"])


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
