"""JSON schemas as structured outputs and strict tools take them: a part of JSON Schema, every object closed.

platform.claude.com/docs/en/build-with-claude/structured-outputs, "JSON Schema limitations" (2026-11): no bounds on numbers,
strings and objects, `minItems` 0 or 1 only, `additionalProperties` must be false. A keyword outside of it is a 400; it goes
into the description instead, where the model still reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .jsons import dumps

__all__ = ["narrowed"]

_KEPT: Final = frozenset(
    {
        "$ref",
        "type",
        "enum",
        "const",
        "title",
        "description",
        "default",
        "required",
        "additionalProperties",
        "format",
        "minItems",
    }
)
_SCHEMA: Final = frozenset({"items"})
_LISTS: Final = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}
_MAPS: Final = frozenset({"properties", "$defs", "definitions"})
_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"},
)
_UNUSED: Final = frozenset({"$schema", "$id", "$comment"})


def narrowed(schema: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the schema in the form that is taken, and the keywords that only its descriptions still name."""
    moved: dict[str, None] = {}
    return _narrowed(schema, moved), tuple(moved)


def _narrowed(schema: Mapping[str, Any], moved: dict[str, None]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    told: list[str] = []
    for key, value in schema.items():
        if key in _SCHEMA and isinstance(value, Mapping):
            out[key] = _narrowed(value, moved)
        elif key in _LISTS and isinstance(value, list):
            out[_LISTS[key]] = [_inner(item, moved) for item in value]
        elif key in _MAPS and isinstance(value, Mapping):
            out[key] = {name: _inner(item, moved) for name, item in value.items()}
        elif key in _KEPT and _taken(key, value):
            out[key] = value
        elif key not in _UNUSED:
            told.append(f"{key}: {dumps(value).decode()}")
            moved[key] = None
    if "properties" in out or _is_object(out.get("type")):
        out["additionalProperties"] = False
    if told:
        described = [out["description"]] if out.get("description") else []
        out["description"] = "\n\n".join([*described, f"{{{', '.join(told)}}}"])
    return out


def _inner(value: Any, moved: dict[str, None]) -> Any:
    return _narrowed(value, moved) if isinstance(value, Mapping) else value


def _is_object(kind: Any) -> bool:
    return kind == "object" or (isinstance(kind, list) and "object" in kind)


def _taken(key: str, value: Any) -> bool:
    match key:
        case "format":
            return value in _FORMATS
        case "minItems":
            return value in (0, 1)
        case "additionalProperties":
            return value is False
    return True
