"""JSON into values of a type, with everything that does not fit and where it stands.

What is said of a misfit comes from the type alone, never from the value, which may be a secret: paths name the fields that
the type declares, and show `*` for the keys of a free mapping. Only what the caller's own classes say when they refuse a
value is passed on as it is.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections import abc
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, get_args, get_origin

import attrs

from .errors import ConfigError
from .jsontypes import (
    SCALARS,
    is_array,
    is_class,
    is_enum,
    is_literal,
    is_mapping,
    is_union,
    misfit,
    read_enum,
    read_literal,
    read_scalar,
)
from .misfits import Path, Unfit

if TYPE_CHECKING:
    from cattrs import ClassValidationError, Converter

__all__ = ["reader"]

Hook: TypeAlias = Callable[[Any, Any], Any]

_SEEN: Final[ContextVar[dict[tuple[int, Any], Any] | None]] = ContextVar("aiclient_seen", default=None)
"""What members of unions came to in the reading under way: without it, nested unions take exponential time."""


def reader(kind: Any) -> Callable[[Any], Any]:
    """Return what makes a value of `kind` of decoded JSON, or raises Unfit.

    Strict about JSON's own types: `"12"` is no number, `1` is no boolean; `3.0` is a whole number. Keys that a class does not
    declare are ignored. Of a union, the member that fits best is taken.

    Args:
        kind: A builtin, `list[...]` and the like, a union, `Literal`, an Enum, a TypedDict, a dataclass or attrs class, or
            anything that these are made of. Dates, UUID, Decimal and bytes are read from text.

    Raises:
        ConfigError: JSON cannot be read into it.
    """
    problem: object
    try:
        for part in _parts(kind, set()):
            _converter().get_structure_hook(part)
        hook = _converter().get_structure_hook(kind)
    except Exception as error:  # noqa: BLE001  # typing, attrs and cattrs each have their own for a type they do not know
        problem = f"{type(error).__name__}: {error}"
    else:
        return lambda value: _read(hook, kind, value)
    raise ConfigError(f"JSON cannot be read into {kind!r}: {problem}")


def _parts(kind: Any, seen: set[Any]) -> Iterator[Any]:
    """Yield the types that `kind` is made of, itself included: what cannot be read is refused at once."""
    if kind in seen or kind == ...:
        return
    seen.add(kind)
    yield kind
    if is_literal(kind):
        return
    inside = list(get_args(kind)) if get_origin(kind) is not Annotated else [get_args(kind)[0]]
    if is_class(kind):
        inside += typing.get_type_hints(get_origin(kind) or kind).values()  # without Required and the like
    for part in inside:
        if not isinstance(part, typing.TypeVar):
            yield from _parts(part, seen)


def _read(hook: Hook, kind: Any, value: Any) -> Any:
    token = _SEEN.set({})
    try:
        return hook(value, kind)
    except RecursionError:
        deep = Unfit([((), "is nested too deeply")])
    finally:
        _SEEN.reset(token)
    raise deep


@functools.cache
def _converter() -> Converter:
    """Build the converter: cattrs knows classes, what JSON can hold is read by the hooks below."""
    from cattrs import Converter  # noqa: PLC0415  # 80 ms of CPU that few callers need

    converter = Converter(detailed_validation=True)
    for kind, convert in SCALARS.items():
        converter.register_structure_hook(kind, functools.partial(read_scalar, convert))
    # Later ones are asked first.
    converter.register_structure_hook_func(lambda kind: kind is object, lambda value, _: value)
    converter.register_structure_hook_factory(is_class, functools.partial(_class_hook, converter))
    converter.register_structure_hook_factory(is_mapping, functools.partial(_mapping_hook, converter))
    converter.register_structure_hook_factory(is_array, functools.partial(_array_hook, converter))
    converter.register_structure_hook_func(is_enum, read_enum)
    converter.register_structure_hook_func(is_literal, read_literal)
    converter.register_structure_hook_factory(is_union, functools.partial(_union_hook, converter))
    return converter


# --- arrays and objects ---


def _array_hook(converter: Converter, kind: Any) -> Hook:
    make: Callable[[Any], Any] = {tuple: tuple, set: set, frozenset: frozenset, abc.Set: frozenset}.get(
        get_origin(kind) or kind, list
    )
    arguments = get_args(kind) or (Any,)
    fixed = make is tuple and not (len(arguments) == 2 and arguments[1] is Ellipsis) and bool(get_args(kind))
    members = arguments if fixed else arguments[:1]

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
    if problems:
        raise Unfit(problems)
    return found


def _class_hook(converter: Converter, kind: Any) -> Hook:
    if typing.is_typeddict(get_origin(kind) or kind):
        return _typeddict_hook(converter, kind)
    from cattrs import ClassValidationError  # noqa: PLC0415  # as in _converter
    from cattrs.gen import make_dict_structure_fn  # noqa: PLC0415  # as in _converter

    built: Hook = make_dict_structure_fn(kind, converter)

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise misfit(kind, value)
        try:
            return built(value, kind)
        except ClassValidationError as group:
            unfit = Unfit(_of_class(group, value))
        raise unfit

    return read


def _typeddict_hook(converter: Converter, kind: Any) -> Hook:
    """Read a TypedDict; by itself it knows wrongly what is required, where annotations are texts."""
    plain = get_origin(kind) or kind
    given = dict(zip(getattr(plain, "__parameters__", ()), get_args(kind), strict=False))
    members: dict[str, Any] = {}
    required: set[str] = set()
    for name, hint in typing.get_type_hints(plain, include_extras=True).items():
        marker = get_origin(hint)
        marked = marker in (typing.Required, typing.NotRequired)
        members[name] = given.get(bare := get_args(hint)[0] if marked else hint, bare)
        if marker is typing.Required if marked else name in plain.__required_keys__:
            required.add(name)

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise misfit(kind, value)
        missing = [((name,), "is missing") for name in members if name in required and name not in value]
        present = [name for name in members if name in value]
        items = _each(converter, ((name, value[name], members[name]) for name in present), missing)
        return dict(zip(present, items, strict=True))

    return read


def _of_class(group: ClassValidationError, value: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Tell apart what cattrs found wrong with the fields of a class, and what the class itself refuses."""
    fields, others = group.group_exceptions()
    if any(isinstance(problem, RecursionError) for problem in group.exceptions):
        raise RecursionError
    for problem, note in fields:
        if isinstance(problem, Unfit):
            yield from (((note.name, *path), why) for path, why in problem.problems)
        elif isinstance(problem, KeyError) and note.name not in value:
            yield (note.name,), "is missing"
        else:
            yield (note.name,), _words(problem)
    for problem in others:
        if isinstance(problem, KeyError) and problem.args and problem.args[0] not in value:
            yield (str(problem.args[0]),), "is missing"
        else:
            yield (), _words(problem)


def _words(problem: BaseException) -> str:
    return str(problem) or type(problem).__name__


# --- unions ---


def _union_hook(converter: Converter, kind: Any) -> Hook:
    members = get_args(kind)
    hooks: list[Hook] = []

    def read(value: Any, _: Any) -> Any:
        if not hooks:  # not before: a type may hold itself
            hooks.extend(converter.get_structure_hook(member) for member in members)
        fitting: list[tuple[tuple[int, bool], Any]] = []
        near: list[Unfit] = []
        for member, hook in zip(members, hooks, strict=True):
            found = _tried(hook, member, value)
            if not isinstance(found, Unfit):
                fitting.append(((_surplus(member, value), type(found) is not type(value)), found))
            elif any(path for path, _ in found.problems):
                near.append(found)  # of the right kind, and wrong inside
        if fitting:
            return min(fitting, key=lambda entry: entry[0])[1]
        near.sort(key=lambda unfit: len(unfit.problems))
        if near and (len(near) == 1 or len(near[0].problems) < len(near[1].problems)):
            raise near[0]
        raise misfit(kind, value)

    return read


def _tried(hook: Hook, member: Any, value: Any) -> Any:
    """Return what a member of a union makes of `value`, or why it does not fit; asked once for each value."""
    seen = _SEEN.get()
    assert seen is not None  # set where reading begins
    key = (id(value), member)
    if key not in seen:
        try:
            seen[key] = hook(value, member)
        except Unfit as unfit:
            seen[key] = unfit
    return seen[key]


def _surplus(member: Any, value: Any) -> int:
    """Count the keys of `value` that a class does not declare."""
    if not is_class(member):
        return 0
    plain = get_origin(member) or member
    if attrs.has(plain):
        declared = {field.name for field in attrs.fields(plain)}
    elif dataclasses.is_dataclass(plain):
        declared = {field.name for field in dataclasses.fields(plain)}
    else:
        declared = set(plain.__annotations__)
    return len(set(value) - declared)
