"""JSON into values of a type, with everything that does not fit and where it stands.

What is said of a misfit comes from the type alone, never from the value, which may be a secret: paths name the fields that
the type declares, and show `*` for the keys of a free mapping. Only what the caller's own classes say when they refuse a
value is passed on as it is.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import json
import typing
from collections import abc
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_args, get_origin

from ..errors import ConfigError
from .bounds import limits_of, problems_of, tidied
from .jsontypes import (
    SCALARS,
    is_annotated,
    is_array,
    is_fixed,
    is_literal,
    is_mapping,
    is_model,
    is_union,
    misfit,
    read_enum,
    read_literal,
    read_scalar,
)
from .members import Member, admits_null, is_class, members_of
from .misfits import Path, Unfit
from .unions import SEEN, union_hook

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["MOST", "object_reader", "reader"]

Hook: TypeAlias = Callable[[Any, Any], Any]

MOST: Final = 1000
"""Problems after which a value is read no further: what is wrong a million times costs no more than that."""


def reader(kind: Any, *, closed: bool = False) -> Callable[[Any], Any]:
    """Return what makes a value of `kind` of decoded JSON, or raises Unfit.

    Strict about JSON's own types: `"12"` is no number, `1` is no boolean; `3.0` is a whole number. Of a union, the member that
    fits best is taken. Bounds in `Annotated` are checked. null in place of a value with a default stands for "not given":
    services that demand every key have their models write it (`lowering`).

    Args:
        kind: A builtin, `list[...]` and the like, a union, `Literal`, an Enum, a TypedDict, NamedTuple, dataclass or attrs
            class, a pydantic model, or anything that these are made of. Dates, UUID, Decimal and bytes are read from text.
        closed: Whether keys that a class does not declare are refused, as the type's schema has it, instead of ignored.
            Default False.

    Raises:
        ConfigError: JSON cannot be read into it.
    """
    problem: object
    try:
        kind = tidied(kind)
        for part in _parts(kind, set()):
            _converter(closed=closed).get_structure_hook(part)
        hook = _converter(closed=closed).get_structure_hook(kind)
    except Exception as error:  # noqa: BLE001  # typing, attrs and cattrs each have their own for a type they do not know
        problem = f"{type(error).__name__}: {error}"
    else:
        return lambda value: _read(functools.partial(hook, value, kind))
    raise ConfigError(f"JSON cannot be read into {kind!r}: {problem}")


def object_reader(members: Iterable[Member]) -> Callable[[Any], dict[str, Any]]:
    """Return what makes a dict of typed values of a JSON object with these keys and no others, or raises Unfit.

    Raises:
        ConfigError: JSON cannot be read into the type of one of them.
    """
    members = tuple(members)
    for member in members:
        reader(member.kind, closed=True)

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise misfit(dict, value)
        return _read(lambda: _members(_converter(closed=True), members, value, closed=True))  # type: ignore[no-any-return]  # of a dict

    return read


def _parts(kind: Any, seen: set[Any]) -> Iterator[Any]:
    """Yield the types that `kind` is made of, itself included: what cannot be read is refused at once."""
    if kind in seen or kind == ...:
        return
    seen.add(kind)
    yield kind
    if is_literal(kind):
        return
    inside = list(get_args(kind)) if not is_annotated(kind) else [get_args(kind)[0]]
    if is_class(kind):
        inside += [member.kind for member in members_of(kind)]
    for part in inside:
        if not isinstance(part, typing.TypeVar):
            yield from _parts(part, seen)


def _read(hook: Callable[[], Any]) -> Any:
    token = SEEN.set({})
    try:
        return hook()
    except RecursionError:
        deep = Unfit([((), "is nested too deeply")])
    finally:
        SEEN.reset(token)
    raise deep


@functools.cache
def _converter(*, closed: bool) -> Converter:
    """Build the converter: cattrs knows classes, what JSON can hold is read by the hooks below."""
    from cattrs import Converter  # noqa: PLC0415  # 80 ms of CPU that few callers need

    converter = Converter(detailed_validation=True)
    for kind, convert in SCALARS.items():
        converter.register_structure_hook(kind, functools.partial(read_scalar, convert))
    # Later ones are asked first.
    converter.register_structure_hook_func(lambda kind: kind is object, lambda value, _: value)
    converter.register_structure_hook_factory(is_class, functools.partial(_class_hook, converter, closed=closed))
    converter.register_structure_hook_factory(is_model, _model_hook)
    converter.register_structure_hook_factory(is_annotated, functools.partial(_annotated_hook, converter))
    converter.register_structure_hook_factory(is_mapping, functools.partial(_mapping_hook, converter))
    converter.register_structure_hook_factory(is_array, functools.partial(_array_hook, converter))
    converter.register_structure_hook(enum.Enum, read_enum)
    converter.register_structure_hook_func(is_literal, read_literal)
    converter.register_structure_hook_factory(is_union, functools.partial(union_hook, converter))
    return converter


# --- arrays and objects ---


def _array_hook(converter: Converter, kind: Any) -> Hook:
    make: Callable[[Any], Any] = {tuple: tuple, set: set, frozenset: frozenset, abc.Set: frozenset}.get(
        get_origin(kind) or kind, list
    )
    fixed = is_fixed(kind)
    members = get_args(kind) if fixed else (get_args(kind) or (Any,))[:1]

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, list):
            raise misfit(kind, value)
        if fixed and len(value) != len(members):
            raise Unfit([((), f"must have exactly {len(members)} items, not {len(value)}")])
        kinds = members if fixed else members * len(value)
        items = _each(converter, ((index, item, kinds[index]) for index, item in enumerate(value)))
        try:
            return make(items)
        except TypeError:  # of a set of what cannot be hashed
            pass
        raise Unfit([((), f"must hold what a {make.__name__} can hold")])

    return read


def _mapping_hook(converter: Converter, kind: Any) -> Hook:
    of_keys, of_values = get_args(kind) or (str, Any)

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise misfit(kind, value)
        keys = _each(converter, ((None, key, of_keys) for key in value))
        return dict(zip(keys, _each(converter, ((None, item, of_values) for item in value.values())), strict=True))

    return read


def _each(
    converter: Converter, items: Iterable[tuple[str | int | None, Any, Any]], problems: Iterable[tuple[Path, str]] = ()
) -> list[Any]:
    """Read items, each of its own type, and collect what is wrong with any of them, beside the problems there are."""
    found: list[Any] = []
    problems = list(problems)
    for step, item, kind in items:
        try:
            found.append(converter.structure(item, kind))
        except Unfit as unfit:
            problems += [((step, *path), why) for path, why in unfit.problems]
            if len(problems) >= MOST:
                break
    if problems:
        raise Unfit(problems)
    return found


def _class_hook(converter: Converter, kind: Any, *, closed: bool) -> Hook:
    plain = get_origin(kind) or kind
    members = members_of(kind)
    aliases = {member.name: member.alias or member.name for member in members}

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise misfit(kind, value)
        found = _members(converter, members, value, closed=closed)
        if typing.is_typeddict(plain):
            return found
        try:
            return plain(**{aliases[name]: item for name, item in found.items()})
        except RecursionError:
            raise
        except Exception as refusal:  # noqa: BLE001  # a class refuses values by whatever it likes to raise
            unfit = Unfit([((), str(refusal) or type(refusal).__name__)])
        raise unfit

    return read


def _members(
    converter: Converter, members: Iterable[Member], value: Mapping[str, Any], *, closed: bool
) -> dict[str, Any]:
    """Read the keys of an object, each of its own type."""
    present = {member.name: member for member in members if member.name in value}
    problems: list[tuple[Path, str]] = [
        ((member.name,), "is missing") for member in members if member.required and member.name not in value
    ]
    if closed and any(name not in present for name in value):
        declared = ", ".join(member.name for member in members)
        problems.append(((), f"has keys that are not known; there {f'are {declared}' if declared else 'are none'}"))
    for name, member in list(present.items()):
        if value[name] is None and not member.required and not admits_null(member.kind):
            del present[name]
    items = _each(converter, ((name, value[name], member.kind) for name, member in present.items()), problems)
    return dict(zip(present, items, strict=True))


def _without_nulls(value: Any, refusal: Unfit) -> Any:
    """Return a copy of `value` without the nulls that were refused; None where none was."""
    copy, removed = json.loads(json.dumps(value)), False
    for path, _ in refusal.problems:
        holder = copy
        for step in path[:-1]:
            holder = _at(holder, step)
        if isinstance(holder, dict) and path and holder.get(path[-1], copy) is None:
            del holder[path[-1]]
            removed = True
    return copy if removed else None


def _at(holder: Any, step: Any) -> Any:
    """Return what stands in an array or object; None where a step leads nowhere, as the name of a union's member."""
    if isinstance(holder, dict):
        return holder.get(step)
    return holder[step] if isinstance(holder, list) and isinstance(step, int) and step < len(holder) else None


def _annotated_hook(converter: Converter, kind: Any) -> Hook:
    base, limits = get_args(kind)[0], limits_of(kind)

    def read(value: Any, _: Any) -> Any:
        found = converter.structure(value, base)
        if problems := problems_of(found, limits):
            raise Unfit(((), problem) for problem in problems)
        return found

    return read


def _model_hook(kind: Any) -> Hook:
    """Read a pydantic model with its own validator, which is as strict about JSON's types as the rest here."""

    def read(value: Any, _: Any) -> Any:
        try:
            return validated(value)
        except Unfit as unfit:
            refusal = unfit
        shorter = _without_nulls(value, refusal)
        if shorter is not None:  # null for what may be left out: strict services have their models write every key
            with contextlib.suppress(Unfit):  # what was wrong with the whole is raised below
                return validated(shorter)
        raise refusal

    def validated(value: Any) -> Any:
        try:
            return kind.model_validate_json(json.dumps(value), strict=True)
        except ValueError as error:
            details = getattr(error, "errors", None)
            if details is None:
                raise
            found = details(include_url=False, include_context=False, include_input=False)
            problems = [(tuple(detail["loc"]), str(detail["msg"])) for detail in found]
        raise Unfit(problems)

    return read
