"""Types as JSON schemas (draft 2020-12), and typed values as JSON.

What a schema allows, `structure.reader(kind, closed=True)` reads; what has no schema that JSON could keep is refused when the
schema is made, by the name of the type. What services take of a schema is `lowering`'s to say.
"""

from __future__ import annotations

import enum
import math
import typing
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final, Literal, get_args, get_origin
from uuid import UUID

from ..errors import ConfigError
from .bounds import bare, description_of, limits_of, tidied
from .docstrings import summary_of
from .jsontypes import is_annotated, is_array, is_enum, is_fixed, is_literal, is_mapping, is_model, is_union
from .jsonvalues import to_json
from .members import MISSING, Member, is_class, members_of
from .refs import DEFS, inlined, renamed

__all__ = ["Json", "json_schema", "object_schema"]

Json: typing.TypeAlias = dict[str, Any]

_PLAIN: Final[dict[Any, Json]] = {
    Any: {},
    object: {},
    None: {"type": "null"},
    type(None): {"type": "null"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bytes: {"type": "string", "contentEncoding": "base64"},
    Decimal: {
        "type": "string",
        "pattern": r"^-?[0-9]+(\.[0-9]+)?$",
    },  # as a number it would have passed through a float
    UUID: {"type": "string", "format": "uuid"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    time: {"type": "string", "format": "time"},
}

_NUMERIC: Final = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}
_KEYWORDS: Final[dict[str, dict[str, str]]] = {
    "integer": _NUMERIC,
    "number": _NUMERIC,
    "string": {"min_length": "minLength", "max_length": "maxLength", "pattern": "pattern"},
    "array": {"min_length": "minItems", "max_length": "maxItems"},
    "object": {"min_length": "minProperties", "max_length": "maxProperties"},
}
_CHOICES: Final = (str, int, float, bool, type(None))
_SIGNS: Final = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "multiple_of": "a multiple of"}


def json_schema(kind: Any) -> Json:
    """Return the JSON schema of a type; classes that occur more than once stand in `$defs`.

    Args:
        kind: A builtin, `list[...]` and the like, a union, `Literal`, an Enum, a TypedDict, NamedTuple, dataclass or attrs
            class, a pydantic model, dates, UUID, Decimal, bytes, or anything that these are made of, itself included. In
            `Annotated`, a text is the description and `Bounds` bound the value.

    Raises:
        ConfigError: It has no schema; the message names the part.

    Example:
        >>> json_schema(list[int] | None)
        {'anyOf': [{'type': 'array', 'items': {'type': 'integer'}}, {'type': 'null'}]}
    """
    writer = _Writer()
    return writer.finished(writer.schema(tidied(kind)))


def object_schema(members: Iterable[Member]) -> Json:
    """Return the JSON schema of an object with these keys and no others.

    Raises:
        ConfigError: The type of a key has no schema; the message names both.
    """
    writer = _Writer()
    return writer.finished(writer.object(members))


class _Writer:
    """Writes one schema, with the classes that occur in it on the side."""

    def __init__(self) -> None:
        self._definitions: dict[str, Json] = {}
        self._names: dict[Any, str] = {}

    def finished(self, schema: Json) -> Json:
        return inlined(schema, self._definitions)

    def schema(self, kind: Any) -> Json:
        if is_annotated(kind):
            return self._annotated(kind)
        kind = bare(kind)
        if is_annotated(kind):  # an alias of one
            return self._annotated(kind)
        if (plain := _plain(kind)) is not None:
            return plain
        if is_literal(kind):
            return _choice([given.value if isinstance(given, enum.Enum) else given for given in get_args(kind)], kind)
        if is_enum(kind):
            return _choice([member.value for member in kind], kind, summary_of(vars(kind).get("__doc__")))
        if is_union(kind):
            return self._union(kind)
        if is_model(kind) or is_class(kind):
            return self._class(kind)
        if is_array(kind):
            return self._array(kind)
        if is_mapping(kind):
            return self._mapping(kind)
        raise ConfigError(f"{_name(kind):.120} has no JSON schema{_hint(kind)}")

    # --- what types are made of ---

    def _annotated(self, kind: Any) -> Json:
        schema = self.schema(get_args(kind)[0])
        if limits := limits_of(kind):
            _bound(schema, bare(kind), limits)
        text = description_of(kind)
        return {**schema, "description": _both(text, schema.get("description"))} if text else schema

    def _union(self, kind: Any) -> Json:
        members: list[Json] = []
        for part in get_args(kind):
            schema = self.schema(part)
            members += [schema] if schema not in members else []
        return {} if {} in members else members[0] if len(members) == 1 else {"anyOf": members}

    def _array(self, kind: Any) -> Json:
        plain, arguments = get_origin(kind) or kind, get_args(kind)
        if is_fixed(kind):
            items = [self.schema(part) for part in arguments]
            # The length excludes what follows. `items: false` would too, but llama.cpp refuses schemas that are no objects.
            places: Json = {"prefixItems": items} if items else {"items": {}}
            return {"type": "array", **places, "minItems": len(items), "maxItems": len(items)}
        schema = {"type": "array", "items": self.schema(arguments[0]) if arguments else {}}
        return {**schema, "uniqueItems": True} if "set" in plain.__name__.lower() else schema

    def _mapping(self, kind: Any) -> Json:
        of_keys, of_values = get_args(kind) or (str, Any)
        keys, values = self.schema(of_keys), self.schema(of_values)
        if keys.get("type") != "string":
            raise ConfigError(f"keys of {_name(kind)} must be texts, as those of JSON's objects are")
        names = {} if keys == {"type": "string"} else {"propertyNames": keys}
        return {"type": "object", "additionalProperties": values or True, **names}

    def _class(self, kind: Any) -> Json:
        if kind not in self._names:
            name = self._names[kind] = self._free(_name(kind))
            self._definitions[name] = {}  # taken, in case it holds itself
            self._definitions[name] = self._model(kind, name) if is_model(kind) else self._declared(kind)
        return {"$ref": f"#/$defs/{self._names[kind]}"}

    def _declared(self, kind: Any) -> Json:
        plain = get_origin(kind) or kind
        try:
            members = members_of(kind)
        except (NameError, TypeError) as error:
            problem = str(error)
        else:
            return _described(self.object(members, of=_name(kind)), _summary(plain))
        raise ConfigError(f"the annotations of {_name(kind)} cannot be read: {problem}")

    def _model(self, kind: Any, name: str) -> Json:
        """Return what pydantic makes of its model, with its definitions among ours."""
        schema: Json = kind.model_json_schema(ref_template="#/$defs/{model}")
        definitions = schema.pop("$defs", {})
        names: dict[str, str] = {}
        if itself := str(schema.get("$ref", "")).removeprefix(DEFS):  # it holds itself, and is a definition of its own
            names[itself] = name
            schema = definitions.pop(itself)
        for inside in definitions:
            self._definitions[self._free(inside)] = {}
            names[inside] = list(self._definitions)[-1]
        self._definitions |= {names[inside]: renamed(definition, names) for inside, definition in definitions.items()}
        return renamed(schema, names)  # type: ignore[no-any-return]  # a dict, as it was

    def _free(self, name: str) -> str:
        name = "".join(char if char.isascii() and (char.isalnum() or char in "_-") else "_" for char in name).strip("_")
        number, wanted = 1, name
        while wanted in self._definitions:
            number += 1
            wanted = f"{name}_{number}"
        return wanted

    def _member(self, member: Member, of: str | None) -> Json:
        try:
            return _described(self.schema(member.kind), member.note)
        except ConfigError as error:
            problem = error.message
        raise ConfigError(f"{of + '.' if of else ''}{member.name}: {problem}")

    def object(self, members: Iterable[Member], *, of: str | None = None) -> Json:
        properties: Json = {}
        required: list[str] = []
        for member in members:
            properties[member.name] = {**self._member(member, of), **_default(member)}
            required += [member.name] if member.required else []
        needed = {"required": required} if required else {}
        return {"type": "object", "properties": properties, **needed, "additionalProperties": False}


# --- parts ---


def _plain(kind: Any) -> Json | None:
    try:
        return dict(_PLAIN[kind])
    except (KeyError, TypeError):  # another type, or no type at all
        return None


def _choice(values: list[Any], kind: Any, text: str = "") -> Json:
    """Return the schema of a closed set of values."""
    if not all(type(value) in _CHOICES and (type(value) is not float or math.isfinite(value)) for value in values):
        raise ConfigError(f"{_name(kind)} holds values that JSON cannot")
    words = list(dict.fromkeys(_PLAIN[type(value)]["type"] for value in values))
    schema: Json = {"type": words[0] if len(words) == 1 else words, "enum": values}
    return _described(schema, text)


def _bound(schema: Json, kind: Any, limits: Mapping[str, Any]) -> None:
    """Write bounds into a schema, or into the one member of a union that they can be meant for."""
    inside = [part for part in schema.get("anyOf", ()) if part.get("type") != "null"]
    target = inside[0] if len(inside) == 1 else schema
    if kind is Decimal or Decimal in get_args(kind):
        signs = [f"{_SIGNS[name]} {bound}" for name, bound in limits.items() if name in _SIGNS]
        target["description"] = _both(", ".join(signs), target.get("description"))
        return
    keywords = _KEYWORDS.get(str(target.get("type")), {})
    for name, bound in limits.items():
        if name not in keywords:
            raise ConfigError(
                f"the bound {name}={bound!r} means nothing to {_name(kind)}; give it to the part it is for"
            )
        target[keywords[name]] = bound if isinstance(bound, (int, str)) else float(bound)


def _default(member: Member) -> Json:
    if member.required or member.default is MISSING:
        return {}
    try:
        return {"default": to_json(member.default)}
    except ConfigError:  # a sentinel of the caller's own, which the model need not know
        return {}


def _described(schema: Json, text: str | None) -> Json:
    return {**schema, "description": text} if text and not schema.get("description") else schema


def _both(first: str | None, second: str | None) -> str:
    return "\n\n".join(text for text in (first, second) if text)


def _summary(plain: Any) -> str:
    text = vars(plain).get("__doc__")
    written = (
        text if isinstance(text, str) and not text.startswith(f"{plain.__name__}(") else ""
    )  # dataclasses write one
    return summary_of(written)


def _name(kind: Any) -> str:
    plain = isinstance(kind, type) and not get_args(kind)
    return str(kind.__name__) if plain else str(kind).replace("typing.", "").replace(f"{_module(kind)}.", "")


def _module(kind: Any) -> str:
    return str(getattr(get_origin(kind) or kind, "__module__", ""))


def _hint(kind: Any) -> str:
    if isinstance(kind, typing.TypeVar):
        return "; give the generic class its arguments, as in Box[int]"
    if isinstance(kind, Mapping):
        return ": it is no type; a schema itself is sent with response_format() and held to by Validate(schema)"
    return "; take a builtin, a dataclass, an attrs class, a TypedDict or an Enum" if kind is not Literal else ""
