"""References inside a JSON schema: `$ref` to what stands in `$defs`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

__all__ = ["DEFS", "inlined", "modern", "recursive", "references", "renamed"]

DEFS: Final = "#/$defs/"

_OLD: Final = "#/definitions/"

Json = dict[str, Any]

_DATA: Final = frozenset({"enum", "const", "default", "examples"})
"""Keywords whose values are values, in which a key of any name is none of ours."""


def references(schema: Any) -> Iterator[str]:
    """Yield the names of the definitions that a schema refers to, each as often as it does."""
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str) and value.startswith(DEFS):
                yield value.removeprefix(DEFS)
            elif key not in _DATA:
                yield from references(value)
    elif isinstance(schema, (list, tuple)):
        for item in schema:
            yield from references(item)


def recursive(definitions: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the definitions that hold themselves, directly or through others."""
    edges = {name: set(references(inside)) for name, inside in definitions.items()}

    def reached(name: str) -> set[str]:
        found: set[str] = set()
        ahead = list(edges.get(name, ()))
        while ahead:
            if (there := ahead.pop()) not in found:
                found.add(there)
                ahead.extend(edges.get(there, ()))
        return found

    return frozenset(name for name in edges if name in reached(name))


def renamed(schema: Any, names: Mapping[str, str]) -> Any:
    """Return a schema whose references lead to definitions of other names."""

    def rename(reference: str) -> str:
        name = reference.removeprefix(DEFS)
        return DEFS + names.get(name, name) if reference.startswith(DEFS) else reference

    return _mapped(schema, rename)


def modern(schema: Any) -> Any:
    """Return a schema whose references lead into `$defs` where those of draft 7 led into `definitions`."""
    return _mapped(
        schema, lambda reference: DEFS + reference.removeprefix(_OLD) if reference.startswith(_OLD) else reference
    )


def _mapped(schema: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(schema, list):
        return [_mapped(item, rename) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    out: Json = {}
    for key, value in schema.items():
        if key == "$ref" and isinstance(value, str):
            out[key] = rename(value)
        else:
            out[key] = value if key in _DATA else _mapped(value, rename)
    return out


def inlined(schema: Json, definitions: Mapping[str, Json]) -> Json:
    """Return a schema with the definitions it needs: those that occur once stand where they occur, the root always.

    Models read a schema better that refers to little, and services differ most in references.
    """
    uses = Counter([*references(schema), *(name for inside in definitions.values() for name in references(inside))])
    cyclic = recursive(definitions)
    once = {name for name in definitions if uses[name] == 1 and name not in cyclic}

    def put(part: Any) -> Any:
        if isinstance(part, list):
            return [put(item) for item in part]
        if not isinstance(part, Mapping):
            return part
        name = str(part.get("$ref", "")).removeprefix(DEFS)
        if name in once:
            return {**put(definitions[name]), **{key: value for key, value in part.items() if key != "$ref"}}
        return {key: value if key in _DATA else put(value) for key, value in part.items()}

    root = put(schema)
    if "$ref" in root:  # a class that occurs again inside itself, or is the whole
        name = root["$ref"].removeprefix(DEFS)
        root = {**put(definitions[name]), **{key: value for key, value in root.items() if key != "$ref"}}
    kept: dict[str, Json] = {}
    ahead = list(references(root))
    while ahead:
        if (name := ahead.pop(0)) not in kept:
            kept[name] = put(definitions[name])
            ahead.extend(references(kept[name]))
    return {**root, "$defs": kept} if kept else root
