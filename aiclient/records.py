"""Saved records: every value as a plain dict and back, with a version number.

A record is `{"aiclient": 1, "type": ..., <fields that differ from their defaults>}`, ready for JSON. Readers accept every
older number and refuse a newer one by name.
"""

from __future__ import annotations

import base64
import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar, cast, get_args

import attrs

from .errors import AIClientError, StoreError

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["VERSION", "Record", "brief", "tagged"]

VERSION: Final = 1
"""The number that new records carry."""

_MOST_PROBLEMS: Final = 5
"""How many things that are wrong in one record an error names."""

R = TypeVar("R", bound="Record")

_UNIONS: list[tuple[Any, tuple[type[Record], ...]]] = []


def tagged(union: Any, members: tuple[type[Record], ...]) -> None:
    """Declare that values of `union` are told apart in records by the `tag` of their class."""
    _UNIONS.append((union, members))
    _converter.cache_clear()


CONTENT: Final = frozenset(
    {
        *("arguments", "content", "quote", "reasoning", "refusal", "text", "title", "transcript", "whole"),
        *("data", "input", "logprobs", "metadata", "output", "provider_data", "signature", "stop", "url"),
        *("description", "extra", "parameters", "schema", "tags", "tenant", "user_id"),
    }
)
"""Names of fields that hold what people and models say, and who they are: `repr` tells how much it is. Tracebacks with local
variables, error trackers and notebooks print the `repr` of whatever is at hand."""


def brief(value: Any) -> str:
    """Return the `repr` of an attrs value: the fields that differ from their defaults, of content only how much there is."""
    shown = []
    for attribute in attrs.fields(type(value)):
        held = getattr(value, attribute.name)
        default = attribute.default.factory() if isinstance(attribute.default, attrs.Factory) else attribute.default  # type: ignore[arg-type]  # attrs types Factory as a function
        if attribute.repr and held != default:
            show = attribute.repr if callable(attribute.repr) else _amount if attribute.name in CONTENT else repr
            shown.append(f"{attribute.alias}={show(held)}")
    return f"{type(value).__name__}({', '.join(shown)})"


def _amount(value: Any) -> str:
    """Say how much there is of a value."""
    if isinstance(value, str):
        return f"<{len(value)} characters>"
    if isinstance(value, tuple) and value and isinstance(value[0], Record):
        return repr(value)  # each of them hides its own
    return f"<{len(value)} entries>" if isinstance(value, (Mapping, Sequence)) else f"<{type(value).__name__}>"


class Record:
    """A value that can be saved: `to_dict` and `from_dict` for attrs classes."""

    __slots__ = ()
    tag: ClassVar[str] = ""
    """The word for this class in records; the class's name when empty."""

    def __repr__(self) -> str:
        """Show the fields that differ from their defaults, and of content how much there is."""
        return brief(self)

    def to_dict(self) -> dict[str, Any]:
        """Return this value as a dict that `json.dumps` accepts; fields at their defaults are left out."""
        fields = _converter_for(type(self)).unstructure(self, type(self))
        return {"aiclient": VERSION, "type": self.tag or type(self).__name__, **fields}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Build a value from what `to_dict` gave.

        Raises:
            StoreError: The record is of another type, of a newer version, or does not have this shape; the message gives
                the path of what is wrong, never its value.
        """
        expected = cls.tag or cls.__name__
        if not isinstance(data, Mapping):
            raise StoreError(f"a saved {expected} must be an object, not {type(data).__name__}", kind="record")
        version, kind = data.get("aiclient"), data.get("type")
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise StoreError(
                f"not a saved {expected}: the key 'aiclient' must hold the record's version", kind="record"
            )
        if version > VERSION:
            raise StoreError(
                f"this {expected} was saved as version {version}; this aiclient reads up to {VERSION}: upgrade it",
                kind="record",
            )
        if kind != expected:
            known = kind if isinstance(kind, str) and kind in _kinds(Record) else "something else"
            raise StoreError(f"a saved {expected} was expected, and the record holds {known}", kind="record")
        return _structure({key: value for key, value in data.items() if key not in ("aiclient", "type")}, cls)


def _kinds(cls: type[Record]) -> set[str]:
    return {cls.tag or cls.__name__}.union(*(_kinds(sub) for sub in cls.__subclasses__()))


def _structure(fields: Mapping[str, Any], cls: type[R]) -> R:
    from cattrs import BaseValidationError, transform_error  # noqa: PLC0415  # 80 ms of CPU that few callers need

    try:
        return _converter_for(cls).structure(fields, cls)
    except BaseValidationError as group:
        problem = "; ".join(transform_error(group, path="$", format_exception=_reason)[:_MOST_PROBLEMS])
    except (AIClientError, TypeError, ValueError, KeyError) as error:
        problem = _reason(error, None)
    raise StoreError(f"a saved {cls.tag or cls.__name__} could not be read: {problem}", kind="record")


def _reason(error: BaseException, _: type | None) -> str:
    """Say what is wrong without the value, which may be a prompt."""
    if isinstance(error, AIClientError):
        return type(error).__name__
    if isinstance(error, KeyError):
        return f"missing {error}"
    return str(error) if isinstance(error, _ShapeError) else f"wrong value ({type(error).__name__})"


class _ShapeError(TypeError):
    """A value in a record has the wrong JSON type."""


def _strict(kind: type, *also: type) -> Any:
    accepted = (kind, *also)

    def check(value: Any, _: Any) -> Any:
        if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
            raise _ShapeError(f"{kind.__name__} expected, not {type(value).__name__}")
        return kind(value)

    return check


def _decimal(value: Any, _: Any) -> Decimal:
    try:
        return Decimal(value if isinstance(value, str) else "not a string")
    except InvalidOperation:
        raise _ShapeError("a decimal number as a string expected") from None


_ready: Final[set[str]] = set()
"""Classes whose annotations, and those of all that they may hold, are evaluated."""


def _converter_for(cls: type[Record]) -> Converter:
    """Return the converter, with the annotations of `cls` evaluated though the class is younger than the converter."""
    converter = _converter()
    if cls.__qualname__ not in _ready:
        _resolve_types(Record)
        _ready.add(cls.__qualname__)
    return converter


@functools.cache
def _converter() -> Converter:
    """Build the converter: strict about JSON types, defaults left out, bytes as base64."""
    from datetime import datetime  # noqa: PLC0415  # values are imported by everyone, saved by few

    from cattrs import Converter  # noqa: PLC0415  # 80 ms of CPU that few callers need
    from cattrs.strategies import configure_tagged_union  # noqa: PLC0415  # as above

    _resolve_types(Record)  # before the first hook is made of them
    converter = Converter(omit_if_default=True, use_alias=True)
    for kind in (str, int, bool):
        converter.register_structure_hook(kind, _strict(kind))
    converter.register_structure_hook(float, _strict(float, int))
    converter.register_unstructure_hook(Decimal, str)
    converter.register_structure_hook(Decimal, _decimal)
    converter.register_unstructure_hook(bytes, lambda value: base64.b64encode(value).decode())
    converter.register_structure_hook(bytes, lambda value, _: base64.b64decode(value, validate=True))
    converter.register_unstructure_hook(datetime, lambda value: value.isoformat())
    converter.register_structure_hook(datetime, lambda value, _: datetime.fromisoformat(value))
    converter.register_structure_hook_func(_is_number_or_record, functools.partial(_number_or_record, converter))
    _omit_unsaved(converter)
    for union, members in _UNIONS:
        for member in members:
            converter.get_structure_hook(member)
        configure_tagged_union(union, converter, tag_generator=_tag, tag_name="type")
        known = _known(converter.get_structure_hook(union), tuple(member.tag for member in members))
        converter.register_structure_hook(union, known)
    return converter


def _known(structure: Callable[[Any, Any], Any], tags: tuple[str, ...]) -> Callable[[Any, Any], Any]:
    """Check the tag first: what the converter says of an unknown one repeats the value."""

    def structure_known(value: Any, union: Any) -> Any:
        if not isinstance(value, Mapping) or value.get("type") not in tags:
            raise _ShapeError(f"an object whose 'type' is one of {', '.join(tags)} expected")
        return structure(value, union)

    return structure_known


def _resolve_types(cls: type[Record]) -> None:
    """Evaluate the annotations in the module where a class was written: its label is that of the public package."""
    for sub in cls.__subclasses__():
        if "__attrs_attrs__" in vars(sub):  # attrs leaves the class it made this one of behind
            home = vars(sys.modules[sub.__init__.__module__])
            attrs.resolve_types(cast("Any", sub), globalns={**globals(), **home})
        _resolve_types(sub)


def _is_number_or_record(union: Any) -> bool:
    return float in get_args(union) and any(attrs.has(member) for member in get_args(union))


def _number_or_record(converter: Converter, value: Any, union: Any) -> Any:
    """Read what may be a plain number in place of a record, such as a timeout; None where that is allowed."""
    if value is None and type(None) in get_args(union):
        return None
    kind = next(member for member in get_args(union) if attrs.has(member)) if isinstance(value, Mapping) else float
    return converter.structure(value, kind)


def _tag(cls: type[Record]) -> str:
    return cls.tag


def _omit_unsaved(converter: Converter) -> None:
    """Leave out fields whose metadata says `saved: False` (contexts, raw bodies)."""
    from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override  # noqa: PLC0415  # cattrs, as in _converter

    def unsaved(cls: Any) -> dict[str, Any]:
        return {a.name: override(omit=True) for a in attrs.fields(cls) if a.metadata.get("saved") is False}

    def has_unsaved(cls: Any) -> bool:
        return attrs.has(cls) and bool(unsaved(cls))

    def unstructure(cls: Any) -> Any:
        return make_dict_unstructure_fn(
            cls, converter, _cattrs_omit_if_default=True, _cattrs_use_alias=True, **unsaved(cls)
        )

    def structure(cls: Any) -> Any:
        return make_dict_structure_fn(cls, converter, _cattrs_use_alias=True, **unsaved(cls))

    converter.register_unstructure_hook_factory(has_unsaved, unstructure)
    converter.register_structure_hook_factory(has_unsaved, structure)
