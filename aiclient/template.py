"""Prompts with places to fill in: `{name}`, and nothing else that could run or be looked up.

What is filled in is text and stays text: a value that holds `{name}` itself is not expanded again.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import Factory, field, frozen

from .errors import ConfigError, InvalidRequestError
from .messages import Message, Role

__all__ = ["Template", "Variable"]

Variable: TypeAlias = type | Collection[str]
"""What a variable may hold: `str`, `int`, `float`, `bool` or Decimal, or one of several words."""

_KINDS: Final[dict[str, type]] = {"str": str, "int": int, "float": float, "bool": bool, "decimal": Decimal}
_PLAIN: Final = (str, int, float, Decimal)
"""What a variable takes that says nothing of its type."""

_TOKEN: Final = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}|[{}]")


@frozen(kw_only=True)
class Template:
    """A prompt with named places, checked when it is made and when it is filled in.

    `{name}` is a place; `{{` and `}}` are braces. There is no other syntax: no attributes, no indexes, no formats.

    Args:
        system: Text of the system message; None for none.
        user: Text of the user message; None for none. One of the two is needed.
        variables: Types of variables (`{"count": int}`), or the words one may be (`{"tone": ["formal", "warm"]}`). A name
            that is not here takes a text or a number.
        name: What the template is called; tags the requests made of it as `template`, for logs, metrics and budgets.
        version: Tags them as `template_version`.

    Raises:
        ConfigError: A brace that belongs to no place, a type for a name that does not occur, or no text at all.

    Example:
        >>> brief = Template(system="Answer in {count} words.", user="What is {thing}?", variables={"count": int})
        >>> [message.content for message in brief.render(count=5, thing="{count}")]
        ['Answer in 5 words.', 'What is {count}?']
    """

    system: str | None = None
    user: str | None = None
    variables: Mapping[str, Variable] = field(factory=dict, converter=dict)
    name: str | None = None
    version: str | None = None
    names: tuple[str, ...] = field(init=False, repr=False, default=Factory(lambda self: self._found(), takes_self=True))
    """The places of both texts, in order of their first occurrence."""

    def _found(self) -> tuple[str, ...]:
        for what in ("system", "user", "name", "version"):
            value = getattr(self, what)
            if value is not None and (not isinstance(value, str) or not value.strip()):
                raise ConfigError(f"template {what}={value!r:.80} must be a text that is not empty")
        texts = [(what, text) for what in ("system", "user") if (text := getattr(self, what)) is not None]
        if not texts:
            raise ConfigError("a template needs a text: give system= or user=")
        found = tuple(dict.fromkeys(name for what, text in texts for name in _places(what, text)))
        for name, kind in self.variables.items():
            if name not in found:
                raise ConfigError(f"the variable {name!r} does not occur in the template{_hint(name, found)}")
            _check_kind(name, kind)
        return found

    def render(self, /, **values: Any) -> tuple[Message, ...]:
        """Return the messages with every place filled in.

        Raises:
            InvalidRequestError: A value is missing, is of the wrong type, or belongs to no place; all of them are named.
        """
        problems = [f"{name} is missing" for name in self.names if name not in values]
        problems += [f"{name} is unknown{_hint(name, self.names)}" for name in values if name not in self.names]
        problems += [wrong for name in self.names if name in values and (wrong := self._wrong(name, values[name]))]
        if problems:
            raise InvalidRequestError(f"{self.name or 'the template'}: {'; '.join(problems)}")
        # The texts hold no other syntax of `str.format` than names: see `_places`.
        texts: tuple[tuple[Role, str | None], ...] = (("system", self.system), ("user", self.user))
        return tuple(Message(role, text.format_map(values)) for role, text in texts if text is not None)

    def _wrong(self, name: str, value: object) -> str | None:
        kind = self.variables.get(name)
        if isinstance(value, int) and not _writable(value):
            return f"{name} is a number with more digits than Python writes"
        if kind is None:
            fits, wanted = isinstance(value, _PLAIN) and not isinstance(value, bool), "a text or a number"
        elif isinstance(kind, type):
            allowed = (int, float) if kind is float else kind
            fits, wanted = isinstance(value, allowed) and isinstance(value, bool) == (kind is bool), kind.__name__
        else:
            fits, wanted = isinstance(value, str) and value in kind, f"one of {', '.join(kind)}"
        return None if fits else f"{name} must be {wanted}, not {type(value).__name__} {value!r:.40}"

    @property
    def tags(self) -> dict[str, str]:
        """What requests made of it are tagged with."""
        given = {"template": self.name, "template_version": self.version}
        return {key: value for key, value in given.items() if value is not None}

    @classmethod
    def load(cls, path: str | Path) -> Template:
        """Read a template from a JSON or TOML file with the fields of the class; types are named `str`, `int`, ...

        Raises:
            ConfigError: The file cannot be read, is of another kind, or holds something else; the message names the field.
        """
        data = _read(Path(path))
        unknown = [key for key in data if key not in _FIELDS]
        if unknown:
            raise ConfigError(f"{path}: unknown field {unknown[0]!r}{_hint(unknown[0], _FIELDS)}")
        variables = data.pop("variables", {})
        if not isinstance(variables, Mapping):
            raise ConfigError(f"{path}: variables must be a table of names and types, not {type(variables).__name__}")
        try:
            return cls(**data, variables={name: _kind_of(name, kind) for name, kind in variables.items()})
        except ConfigError as error:
            problem = str(error)
        raise ConfigError(f"{path}: {problem}")


_FIELDS: Final = ("system", "user", "variables", "name", "version")


def _places(what: str, text: str) -> list[str]:
    found = []
    for match in _TOKEN.finditer(text):
        if match[1]:
            found.append(match[1])
        elif match[0] in "{}":
            around = text[max(0, match.start() - 10) : match.start() + 20]
            raise ConfigError(
                f"the brace at character {match.start()} of {what} ({around!r}) belongs to no place: "
                "a place is {name} with letters, digits and _; a brace itself is written {{ or }}"
            )
    return found


def _check_kind(name: str, kind: object) -> None:
    if kind in _KINDS.values():
        return
    words = list(kind) if isinstance(kind, Collection) and not isinstance(kind, (str, bytes)) else []
    if not words or not all(isinstance(word, str) for word in words):
        raise ConfigError(
            f"the variable {name!r} can be {', '.join(_KINDS)}, or one of several words; got {kind!r:.60}"
        )


def _kind_of(name: str, kind: object) -> Any:
    """Return what a file means: the name of a type, or a list of words."""
    if isinstance(kind, str):
        if kind not in _KINDS:
            raise ConfigError(f"the variable {name!r} has the unknown type {kind!r:.60}; types are {', '.join(_KINDS)}")
        return _KINDS[kind]
    return kind


def _hint(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are {', '.join(known)}" if known else "; it has no places"


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
        data = _toml(text) if path.suffix == ".toml" else json.loads(text) if path.suffix == ".json" else None
    except (OSError, ValueError, RecursionError) as error:
        problem = str(error) if isinstance(error, OSError) else f"{path}: {error}"
    else:
        if isinstance(data, dict):
            return data
        problem = f"{path} must hold an object" if data is not None else f"{path} must end in .json or .toml"
    raise ConfigError(f"the template cannot be read: {problem}")


def _toml(text: str) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415  # few templates come from files

    return tomllib.loads(text)


def _writable(number: int) -> bool:
    try:
        str(number)
    except ValueError:
        return False
    return True
