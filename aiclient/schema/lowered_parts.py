"""Parts of a JSON schema, said in other words."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["as_list", "described", "keyword_words", "merged", "nullable", "scalar_choice", "without_exclusive"]

Json = dict[str, Any]

_NULL: Final = {"type": "null"}
_SCALARS: Final = ("string", "integer", "number", "boolean")


def described(schema: Json, told: Mapping[str, Any]) -> Json:
    """Tell in the description what cannot be said otherwise."""
    if not told:
        return schema
    words = ", ".join(f"{key}: {_text(value)}" for key, value in told.items())
    before = [schema["description"]] if schema.get("description") else []
    return {**schema, "description": "\n\n".join([*before, f"{{{words}}}"])}


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def keyword_words(old: Json, new: Json) -> str:
    """Name the keywords that a rewriting has added."""
    return ", ".join(key for key in new if key not in old or new[key] != old[key]) or "nothing"


def merged(schema: Json) -> Json:
    """Put the one member of an `allOf` in its place; of several, no service that lacks the keyword knows anything."""
    members = schema.get("allOf")
    if not isinstance(members, list) or len(members) != 1 or not isinstance(members[0], Mapping):
        return schema
    return {**members[0], **{key: value for key, value in schema.items() if key != "allOf"}}


def as_list(schema: Json) -> Json:
    """Make a tuple a list of what its places hold; its length stays, which place holds what is lost."""
    places = [place for place in schema["prefixItems"] if isinstance(place, Mapping)]
    kinds = [place for index, place in enumerate(places) if place not in places[:index]]
    rest = {key: value for key, value in schema.items() if key not in ("prefixItems", "items")}
    if isinstance(schema.get("items"), Mapping):
        kinds += [] if schema["items"] in kinds else [schema["items"]]
    return {**rest, "items": kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {}}


def scalar_choice(schema: Json) -> Json:
    """Keep texts and numbers in an `enum`; null becomes a member of a union, booleans their type."""
    values = schema["enum"]
    kept = [value for value in values if isinstance(value, (str, int, float)) and not isinstance(value, bool)]
    if len(kept) == len(values):
        return schema
    rest = {key: value for key, value in schema.items() if key not in ("enum", "type", "anyOf")}
    kinds = [{"type": _type_of(kept), "enum": kept}] if kept else []
    kinds += [{"type": "boolean"}] if any(isinstance(value, bool) for value in values) else []
    kinds += [dict(_NULL)] if None in values else []
    return {**kinds[0], **rest} if len(kinds) == 1 else {**rest, "anyOf": kinds} if kinds else rest


def _type_of(values: list[Any]) -> Any:
    words = {str: "string", int: "integer", float: "number"}
    found = list(dict.fromkeys(words[type(value)] for value in values if type(value) in words))
    return found[0] if len(found) == 1 else found


def without_exclusive(schema: Json) -> Json:
    """Write bounds that a whole number must not reach as those that it may."""
    if schema.get("type") != "integer":
        return schema
    out = dict(schema)
    for old, new, step in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
        bound = out.get(old)
        if isinstance(bound, (int, float)) and not isinstance(bound, bool) and new not in out:
            del out[old]
            out[new] = (math.floor(bound) if step > 0 else math.ceil(bound)) + step
    return out


def nullable(schema: Any) -> Any:
    """Allow null beside what a schema allows."""
    if not isinstance(schema, Mapping) or not schema:
        return schema
    kinds = schema.get("type")
    if isinstance(schema.get("anyOf"), list):
        members = schema["anyOf"]
        return schema if any(_admits(member) for member in members) else {**schema, "anyOf": [*members, dict(_NULL)]}
    if _admits(schema):
        return schema
    if kinds in _SCALARS and "enum" not in schema and "const" not in schema:
        return {**schema, "type": [kinds, "null"]}
    outside = {key: schema[key] for key in ("description", "title", "default") if key in schema}
    inside = {key: value for key, value in schema.items() if key not in outside}
    return {**outside, "anyOf": [inside, dict(_NULL)]}


def _admits(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return False
    kinds = schema.get("type")
    null = kinds == "null" or (isinstance(kinds, list) and "null" in kinds)
    return null and ("enum" not in schema or None in schema["enum"]) and "const" not in schema
