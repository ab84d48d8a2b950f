"""The keys that a class declares for a JSON object: of dataclasses, attrs classes, TypedDicts and NamedTuples, in one form."""

from __future__ import annotations

import dataclasses
import functools
import sys
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, get_args, get_origin

import attrs

from .._lazy import HOMES
from .bounds import bare, tidied
from .docstrings import parameters_of

__all__ = ["MISSING", "Member", "admits_null", "is_class", "is_namedtuple", "members_of"]

MISSING: Final = object()
"""The default of what has none, or none that is known before it is needed."""


@attrs.frozen
class Member:
    """One key.

    Args:
        name: The key.
        kind: Type of its value.
        required: Whether it must be there.
        default: What is taken when it is not; MISSING where that cannot be told.
        note: What it means, as far as the class says beside the type.
        alias: Its name where the class is called, if that is another.
    """

    name: str
    kind: Any
    required: bool = True
    default: Any = MISSING
    note: str | None = None
    alias: str | None = None


def is_namedtuple(kind: Any) -> bool:
    """Whether it is a NamedTuple, whose fields are the keys of an object."""
    plain = get_origin(kind) or kind
    return isinstance(plain, type) and issubclass(plain, tuple) and hasattr(plain, "_fields")


def is_class(kind: Any) -> bool:
    """Whether it declares the keys of an object."""
    plain = get_origin(kind) or kind
    return isinstance(plain, type) and (
        attrs.has(plain) or dataclasses.is_dataclass(plain) or typing.is_typeddict(plain) or is_namedtuple(plain)
    )


def admits_null(kind: Any) -> bool:
    """Whether None is a value of the type."""
    kind = bare(kind)
    if kind in (Any, object, None, type(None)) or isinstance(kind, typing.TypeVar):
        return True
    if get_origin(kind) is Literal:
        return None in get_args(kind)
    return type(None) in map(bare, get_args(kind)) if _is_union(kind) else False


def _is_union(kind: Any) -> bool:
    return get_origin(kind) is typing.Union or type(kind).__name__ == "UnionType"


@functools.lru_cache(maxsize=512)
def members_of(kind: Any) -> tuple[Member, ...]:
    """Return the keys that a class declares, in their order.

    Raises:
        NameError: An annotation names what is nowhere to be found.
        TypeError: An annotation is none.
    """
    plain = get_origin(kind) or kind
    found_in = _names_around(plain) if plain in HOMES else None  # a class of ours is labelled with another module
    hints = {name: tidied(hint) for name, hint in typing.get_type_hints(plain, found_in, include_extras=True).items()}
    given = dict(zip(getattr(plain, "__parameters__", ()), get_args(kind), strict=False))
    notes = parameters_of(vars(plain).get("__doc__"))
    found = _typeddict(plain, hints) if typing.is_typeddict(plain) else _fields(plain, hints)
    return tuple(
        attrs.evolve(member, kind=_filled(member.kind, given), note=member.note or notes.get(member.name))
        for member in found
    )


def _names_around(plain: Any) -> dict[str, Any]:
    """Return the names of the modules where a class of ours and its bases were written, the nearest last."""
    names: dict[str, Any] = {}
    for base in reversed(plain.__mro__):
        home = sys.modules.get(HOMES.get(base, str(base.__module__)))
        names |= {} if home is None else vars(home)
    return names


def _filled(kind: Any, given: Mapping[Any, Any]) -> Any:
    """Put the arguments of a generic class in the place of its type variables."""
    if isinstance(kind, typing.TypeVar):
        return given.get(kind, kind)
    parameters = getattr(kind, "__parameters__", ()) if get_origin(kind) is not None else ()
    return kind[tuple(given.get(parameter, parameter) for parameter in parameters)] if parameters and given else kind


def _typeddict(plain: Any, hints: Mapping[str, Any]) -> Iterator[Member]:
    """Read a TypedDict; by itself it knows wrongly what is required, where annotations are texts."""
    for name, hint in hints.items():
        marker = get_origin(hint)
        marked = marker in (typing.Required, typing.NotRequired)
        required = marker is typing.Required if marked else name in plain.__required_keys__
        yield Member(name, get_args(hint)[0] if marked else hint, required)


def _fields(plain: Any, hints: Mapping[str, Any]) -> Iterator[Member]:
    if attrs.has(plain):
        for field in attrs.fields(plain):
            if field.init:
                default = MISSING if isinstance(field.default, attrs.Factory) else field.default  # type: ignore[arg-type]  # attrs types Factory as a function
                required = field.default is attrs.NOTHING
                kind = hints.get(field.name, Any)
                default = MISSING if required else default
                yield Member(field.name, kind, required, default, _note(field.metadata), field.alias)
    elif dataclasses.is_dataclass(plain):
        for entry in dataclasses.fields(plain):
            if entry.init:
                required = entry.default is entry.default_factory is dataclasses.MISSING
                default = MISSING if entry.default is dataclasses.MISSING else entry.default
                yield Member(entry.name, hints[entry.name], required, default, _note(entry.metadata))
    else:
        for name in plain._fields:
            default = plain._field_defaults.get(name, MISSING)
            yield Member(name, hints.get(name, Any), name not in plain._field_defaults, default)


def _note(metadata: Mapping[Any, Any]) -> str | None:
    note = metadata.get("description")
    return note if isinstance(note, str) else None
