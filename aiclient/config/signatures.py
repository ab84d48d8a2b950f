"""The options of layers, providers and stores, read from their constructors: there is no second list of them.

What JSON can hold may come from a configuration; functions, clocks and other objects only from code. A parameter that takes
both, such as categories of errors or a function, keeps the part that JSON can hold.
"""

from __future__ import annotations

import builtins
import collections.abc
import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, Literal, Union, get_args, get_origin

from ..context import Timeouts
from ..ledger.limits import Limit
from ..net.transport import HTTPLimits
from ..request import PromptCache, Reasoning, ResponseFormat, Tool, ToolChoice
from ..schema.docstrings import parameters_of
from ..schema.jsonvalues import to_json
from ..secrets import SecretStr
from .forms import Form, Headers, Option, Plain, Secret
from .timing import Duration

__all__ = ["Special", "options_of"]

Special: typing.TypeAlias = Mapping[Any, Form]
"""Forms of what is not plain: layers, targets, stores, ledgers, collectors, by the type that a parameter names."""

_CLASSES: Final = (HTTPLimits, Limit, PromptCache, Reasoning, ResponseFormat, Tool, ToolChoice)
_SCALARS: Final = (str, int, float, bool)
_SAID: Final[Mapping[tuple[str, str], Any]] = {
    # What is annotated as Any because much besides is taken there.
    ("Validate", "expects"): dict[str, Any],
    ("MockProvider", "reply"): str | list[str],
    ("Ledger", "on_store_error"): str | float,
}


class _Unknown:
    """A type that is there for type checkers alone: whatever it is, JSON does not hold it."""

    def __class_getitem__(cls, _: Any) -> type[_Unknown]:
        return cls


class _Names(dict[str, Any]):
    """Names as annotations see them; those that are imported for the type checker alone are `_Unknown`."""

    def __init__(self, module: Mapping[str, Any]) -> None:
        super().__init__()
        self._module = module

    def __missing__(self, name: str) -> Any:
        if name in self._module:
            return self._module[name]
        return getattr(builtins, name, None) or getattr(typing, name, _Unknown)


def options_of(factory: Callable[..., Any], special: Special) -> dict[str, Option]:
    """Return what `factory` takes by name, in its order.

    Args:
        factory: A class or function.
        special: Forms of what is not plain.
    """
    plain = factory.func if isinstance(factory, functools.partial) else factory
    called: Any = getattr(plain, "__init__") if isinstance(plain, type) else plain  # noqa: B009  # of whatever class it is
    module = getattr(called, "__globals__", {})
    names = _Names(module)
    said = getattr(called, "__annotations__", {})
    hints = {name: _evaluated(annotation, module, names) for name, annotation in said.items()}
    notes = parameters_of(inspect.getdoc(plain))
    owner = getattr(plain, "__name__", "")
    found: dict[str, Option] = {}
    for parameter in inspect.signature(factory).parameters.values():
        hint = _SAID.get((owner, parameter.name), hints.get(parameter.name, Any))
        if parameter.kind is parameter.VAR_KEYWORD:
            found.update(_spread(hint, hints.get("return"), special))
        else:
            found[parameter.name] = _option(parameter, hint, notes.get(parameter.name, ""), special)
    return found


def _evaluated(annotation: Any, module: Mapping[str, Any], names: _Names) -> Any:
    """Return the type that an annotation names; `_Unknown` if it cannot be made here, as of names for the type checker."""
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(holder, globalns=dict(module), localns=names)["it"]
    except (TypeError, NameError, AttributeError, SyntaxError):
        return _Unknown


def _spread(hint: Any, returned: Any, special: Special) -> Iterator[tuple[str, Option]]:
    """Yield what `**options` stands for: the keys of a TypedDict, or what the class takes that is returned."""
    if get_origin(hint) is typing.Unpack:
        keys = get_args(hint)[0]
        for name, kind in typing.get_type_hints(keys).items():
            yield name, Option(name, _form(name, kind, special))
    elif hint is Any and isinstance(returned, type):
        yield from options_of(returned, special).items()


def _option(parameter: inspect.Parameter, hint: Any, note: str, special: Special) -> Option:
    spread = parameter.kind is parameter.VAR_POSITIONAL
    required = parameter.default is parameter.empty and not spread
    form = _form(parameter.name, tuple[hint, ...] if spread else hint, special)
    default = Option.MISSING
    if not required and not spread and form is not None:
        default = _default(parameter.default)
    return Option(parameter.name, form, required, default, note, spread)


def _default(value: Any) -> Any:
    plain = (str, int, float, bool, tuple, list, type(None))
    return to_json(value) if isinstance(value, plain) else Option.MISSING


def _form(name: str, hint: Any, special: Special) -> Form | None:
    """Return what a configuration may give for a parameter of this type; None if nothing."""
    parts = list(_parts(hint))
    if SecretStr in parts:
        return Secret()
    if Timeouts in parts:
        return Duration()
    if name == "headers":
        return Headers()
    for part in parts:
        for kind in (part, *get_args(part)):
            if isinstance(kind, collections.abc.Hashable) and (form := special.get(kind)) is not None:
                return form
            if any(inside in special for inside in _parts(kind) if isinstance(inside, collections.abc.Hashable)):
                return next(special[inside] for inside in _parts(kind) if inside in special)
    plain = [kind for part in parts if (kind := _plain(part)) is not None]
    if str in plain or float in plain:
        plain = [kind for kind in plain if kind is not Decimal]
    return Plain(Union[tuple(plain)]) if plain else None  # noqa: UP007  # made of a tuple


def _parts(hint: Any) -> Iterator[Any]:
    """Yield the members of a union, or the one type."""
    if get_origin(hint) in (Union, types.UnionType):
        for part in get_args(hint):
            yield from _parts(part)
    elif hint is not type(None):
        yield hint


def _plain(kind: Any) -> Any:
    """Return a type as JSON can be read into it, without the parts that it cannot; None if nothing is left."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in _SCALARS or kind is Decimal or kind in _CLASSES or origin is Literal:
        return kind
    if not isinstance(origin, type):
        return None
    if issubclass(origin, Mapping):
        values = _union(arguments[1]) if arguments[1] is not Any else Any
        return None if values is None else dict[str, values]  # type: ignore[valid-type]  # made here
    if issubclass(origin, collections.abc.Iterable) and arguments:
        inside = _union(arguments[0])
        if origin is list and inside is not None:
            return list[inside]  # type: ignore[valid-type]  # made here
        return None if inside is None else tuple[inside, ...]  # type: ignore[valid-type]  # as above
    return None


def _union(hint: Any) -> Any:
    kinds = [kind for part in _parts(hint) if (kind := _plain(part)) is not None]
    return Union[tuple(kinds)] if kinds else None  # noqa: UP007  # made of a tuple
