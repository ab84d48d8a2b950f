"""What a value in a configuration may be: each form checks it, says it as a JSON schema, and makes of it what is needed.

Values stay as they were written until a client is made of them, so that a configuration can be written again, compared, and
read before its secrets are there. What is wrong is said by path and in words that hold nothing of the value.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias, Union, get_args, get_origin

from attrs import frozen

from ..plugins import suggestion
from ..schema.misfits import Path, Unfit
from ..secrets import MASK, SecretStr
from .references import discreet, looks_secret, revealed, with_masks

if TYPE_CHECKING:
    from .making import Made, Maker

__all__ = [
    "REFUSED",
    "UNNAMED",
    "Form",
    "Headers",
    "Json",
    "Object",
    "Option",
    "Plain",
    "Problem",
    "Secret",
    "Switch",
    "or_null",
    "word",
]

Json: TypeAlias = dict[str, Any]
Problem: TypeAlias = tuple[Path, str]

REFUSED: Final = "is a function or an object, which only code can give: use the layer or provider in code for it"
_NULL: Final = {"type": "null"}
UNNAMED: Final = "must have a text as its name: write it in quotes"


class Form:
    """What a value may be."""

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Yield what is wrong with `value`, as it is written."""
        raise NotImplementedError

    def schema(self) -> Json:
        """Return the JSON schema."""
        raise NotImplementedError

    def make(self, value: Any, maker: Maker, path: Path) -> Made:
        """Return what `value` stands for, and what it is known by."""
        raise NotImplementedError


@functools.lru_cache(maxsize=512)
def _reader(kind: Any) -> Any:
    from ..schema.structure import reader  # noqa: PLC0415  # most values are plain, and need none

    return reader(kind, closed=True)


def _fits(kind: Any, value: Any) -> bool:
    """Whether a value is surely of a plain type as it stands: most are, and what reads the others takes long to load."""
    if kind in (str, int, bool, float):
        return type(value) is kind
    if get_origin(kind) is Literal:
        return type(value) is str and value in get_args(kind)
    return get_origin(kind) is Union and any(_fits(part, value) for part in get_args(kind))


@frozen
class Plain(Form):
    """A value of a type, as JSON has it."""

    kind: Any

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Read it and forget it."""
        if _fits(self.kind, value):
            return
        try:
            _reader(self.kind)(revealed(value))
        except Unfit as unfit:
            found = [((*path, *inside), discreet(why, value)) for inside, why in unfit.problems]
            yield from found or [(path, line) for line in unfit.said]

    def schema(self) -> Json:
        """Return the type's own; null is "not given" for what a class has a default for, too."""
        from ..schema.schema import json_schema  # noqa: PLC0415  # for editors and documents only

        return _with_nulls(json_schema(self.kind))

    def make(self, value: Any, maker: Maker, path: Path) -> Made:
        """Read it, with the variables in its texts filled in."""
        filled = maker.filled(revealed(value), path)
        for problem in self.check(filled, path):
            raise Unfit([problem])
        return maker.plain(filled if _fits(self.kind, filled) else _reader(self.kind)(filled), filled)


@frozen
class Secret(Form):
    """A key: `env:NAME`, `file:path`, a text with `${NAME}`, or, worst, the key itself."""

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Take texts alone."""
        if not isinstance(value, (str, SecretStr)) or not value:
            yield path, "must be a text: env:NAME, file:path, ${NAME}, or the secret itself"
        elif isinstance(value, str) and value.startswith("cmd:"):
            yield path, "cannot be a command: in code, pass a function that runs it as api_key="

    def schema(self) -> Json:
        """Describe it."""
        return {"type": "string", "description": "env:NAME, file:path, a text with ${NAME}, or the secret itself"}

    def make(self, value: Any, maker: Maker, path: Path) -> Made:
        """Look the secret up."""
        secret = maker.secret(value, path)
        return maker.plain(secret, secret)


@frozen
class Headers(Form):
    """Headers that are sent with every call."""

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Take a mapping of texts."""
        if not isinstance(value, Mapping):
            yield path, "must be an object of header names and texts"
            return
        for name, text in value.items():
            if not isinstance(name, str):
                yield (*path, str(name)), UNNAMED
            elif not isinstance(text, (str, SecretStr)):
                yield (*path, name), "must be a text"

    def schema(self) -> Json:
        """Describe it."""
        return {"type": "object", "additionalProperties": {"type": "string"}}

    def make(self, value: Any, maker: Maker, path: Path) -> Made:
        """Fill variables in; what has the name of a secret is one."""
        found = {
            name: maker.secret(text, (*path, name))
            if isinstance(text, SecretStr) or looks_secret(name)
            else maker.filled(text, (*path, name))
            for name, text in value.items()
        }
        return maker.plain(found, found)


@frozen
class Option:
    """One key of an object.

    Args:
        name: The key.
        form: What it may be; None for what only code can give.
        required: Whether it must be there.
        default: What holds when it is not; `...` where that is not known.
        note: What is said of it.
        spread: Passed to the constructor as its positional arguments.
    """

    MISSING: ClassVar[Any] = ...

    name: str
    form: Form | None
    required: bool = False
    default: Any = ...
    note: str = ""
    spread: bool = False


@frozen(eq=False)
class Object(Form):
    """An object with these keys and no others."""

    options: Mapping[str, Option]

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Check the keys, and each value."""
        if not isinstance(value, Mapping):
            yield path, f"must be an object with {word(self.options)}"
            return
        for name, option in self.options.items():
            if option.required and name not in value:
                yield (*path, name), "is missing"
        for name, item in value.items():
            known = self.options.get(name) if isinstance(name, str) else None
            if known is None:
                usable = [key for key, option in self.options.items() if option.form is not None]
                yield (*path, str(name)), f"is not known here{suggestion(str(name), usable)}"
            elif known.form is None:
                yield (*path, name), REFUSED
            elif item is not None or known.required:
                yield from known.form.check(item, (*path, name))

    def schema(self) -> Json:
        """Return the schema of an object with these keys."""
        properties = {name: _described(option) for name, option in self.options.items() if option.form is not None}
        required = [name for name, option in self.options.items() if option.required]
        needed = {"required": required} if required else {}
        return {"type": "object", "properties": properties, **needed, "additionalProperties": False}

    def make(self, value: Any, maker: Maker, path: Path) -> Made:
        """Make each value; null is "not given"."""
        made = {}
        for name, item in value.items():
            form = self.options[name].form
            if item is not None and form is not None:
                made[name] = form.make(item, maker, (*path, name))
        return maker.plain(
            {name: each.value for name, each in made.items()}, {name: each.key for name, each in made.items()}
        )


@frozen(eq=False)
class Switch(Form):
    """An object, or `true` for one with the defaults, or `false` for none."""

    inside: Object

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Take true and false too."""
        if not isinstance(value, bool):
            yield from self.inside.check(value, path)

    def schema(self) -> Json:
        """Describe both."""
        return {"anyOf": [{"type": "boolean"}, self.inside.schema()]}

    def make(self, value: Any, maker: Maker, path: Path) -> Made:
        """Take `true` for an object without keys."""
        return self.inside.make({} if value is True else value, maker, path)


def _described(option: Option) -> Json:
    """Return the schema of what stands under a key; null is "not given" there."""
    assert option.form is not None
    schema = dict(option.form.schema())
    if not option.required:
        schema = or_null(schema)
    if option.note:
        schema["description"] = option.note
    if option.default is not Option.MISSING and option.default is not None:
        schema["default"] = option.default
    return schema


def or_null(schema: Json) -> Json:
    """Return a schema that takes null too."""
    kinds = schema["anyOf"] if schema.keys() == {"anyOf"} else [schema]
    return {"anyOf": [*kinds, *([] if _NULL in kinds else [_NULL])]}


def _with_nulls(schema: Json) -> Json:
    """Return a type's schema with null for every key of a class that may be left out: reading takes it for that."""
    found = dict(schema)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            found[key] = _with_nulls(schema[key])
    for key in ("properties", "$defs"):
        if key in schema:
            found[key] = {name: _with_nulls(part) for name, part in schema[key].items()}
    if "anyOf" in schema:
        found["anyOf"] = [_with_nulls(part) for part in schema["anyOf"]]
    for name in found.get("properties", {}):
        if name not in schema.get("required", ()):
            found["properties"][name] = or_null(found["properties"][name])
    return found


def word(names: Mapping[str, Any]) -> str:
    """Return names as words of a sentence."""
    return ", ".join(names) if names else "no keys"


def masked(value: Any) -> Any:
    """Return `value` as it may be written: what is secret in it as `***`, references as they are."""
    return with_masks(value, MASK)
