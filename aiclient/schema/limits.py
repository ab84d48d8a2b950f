"""How large a schema is, and where it holds itself: what services set limits to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .dialects import Dialect
from .refs import DEFS, recursive

__all__ = ["problems_of"]


def problems_of(schema: Mapping[str, Any], rules: Dialect) -> Iterator[str]:
    """Say what of a lowered schema is more than the service takes."""
    definitions = schema.get("$defs", {})
    if rules.rooted and (schema.get("type") != "object" or "anyOf" in schema):
        yield "the whole is not an object"
    if rules.recursion != "always" and isinstance(definitions, Mapping):
        never = rules.recursion == "never"
        cyclic = recursive(definitions if never else {name: _needed(inside) for name, inside in definitions.items()})
        if cyclic:
            where = "" if never else " under a key that is required"
            yield f"{', '.join(sorted(cyclic))} holds itself{where}"
    parts = list(_parts(schema))
    for what, most, found in (
        ("levels of objects", rules.depth, _depth(schema, definitions, {}) if rules.depth else 0),
        ("keys", rules.keys, sum(len(part.get("properties", ())) for part in parts)),
        ("values of enums", rules.choices, sum(len(part.get("enum", ())) for part in parts)),
        ("characters of names and values", rules.characters, sum(map(_characters, parts))),
    ):
        if most is not None and found > most:
            yield f"there are {found} {what}, and at most {most} are taken"


def _parts(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Yield a schema and all that are in it, definitions included."""
    if isinstance(schema, Mapping):
        yield schema
        for key in ("properties", "$defs"):
            inside = schema.get(key)
            for part in inside.values() if isinstance(inside, Mapping) else ():
                yield from _parts(part)
        for key in ("items", "additionalProperties"):
            yield from _parts(schema.get(key))
        for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
            for part in schema.get(key, ()):
                yield from _parts(part)


def _characters(part: Mapping[str, Any]) -> int:
    values = [*part.get("enum", ()), part.get("const")]
    return sum(map(len, (*part.get("properties", ()), *part.get("$defs", ()), *filter(_is_text, values))))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _depth(schema: Any, definitions: Mapping[str, Any], known: dict[str, int]) -> int:
    """Count the levels of objects in each other; a definition is looked into once, and counts once inside itself."""
    if not isinstance(schema, Mapping):
        return 0
    reference = schema.get("$ref")
    if isinstance(reference, str):
        name = reference.removeprefix(DEFS)
        if name not in known:
            known[name] = 0  # for where it holds itself
            known[name] = _depth(definitions.get(name), definitions, known)
        return known[name]
    inside = [*(schema.get("properties") or {}).values(), schema.get("items"), *schema.get("anyOf", ())]
    own = 1 if "properties" in schema else 0
    return own + max((_depth(part, definitions, known) for part in inside), default=0)


def _needed(schema: Any) -> Any:
    """Return a schema without the keys that may be missing."""
    if isinstance(schema, list):
        return [_needed(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    required = schema.get("required", ())
    return {
        key: {name: _needed(inside) for name, inside in value.items() if name in required}
        if key == "properties" and isinstance(value, Mapping)
        else _needed(value)
        for key, value in schema.items()
    }
