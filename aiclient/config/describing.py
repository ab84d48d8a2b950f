"""The shape of a configuration for others: as a JSON Schema for editors, and as Markdown for the documentation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from .. import registry
from .forms import Json, Object, Option, or_null
from .parts import LAYER, layer_options
from .shape import entry_form, root

__all__ = ["reference", "schema"]

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_DEFS: Final = "#/$defs/"
_SAYS_PROVIDER: Final[Json] = {"properties": {"provider": {"type": "string"}}, "required": ["provider"]}


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a configuration, for editors that complete and check.

    It knows the library's providers and layers, and those that are registered or come with installed packages. One that
    cannot be imported is left out, with a warning.

    Example:
        >>> from aiclient.config import schema
        >>> sorted(schema()["properties"])[:3]
        ['aliases', 'budgets', 'cache']
    """
    forms = _forms()
    whole = root().schema()
    of_entries = next(part for part in whole["properties"]["providers"]["anyOf"] if "additionalProperties" in part)
    of_entries["properties"] = {name: _named(key) for key, (names, _) in forms.items() for name in names}
    definitions = {
        "layer": LAYER.schema(),
        "provider": {"anyOf": [{"type": "string"}, _entry(forms)]},
        "profile": _profile(),
        **{key: form for key, (_, form) in forms.items()},
    }
    return _hoisted({"$schema": _DRAFT, "title": "aiclient configuration", **whole, "$defs": definitions})


def _profile() -> Json:
    """Return the schema of what a profile may change: any key but those of profiles; null takes away what has a name."""
    options = {name: option for name, option in root().options.items() if name not in ("profile", "profiles")}
    whole = Object(options).schema()
    for name in ("providers", "aliases"):
        for part in whole["properties"][name]["anyOf"]:
            if "additionalProperties" in part:
                part["additionalProperties"] = or_null(part["additionalProperties"])
    return whole


def _forms() -> dict[str, tuple[list[str], Json]]:
    """Return what an entry may hold, by the name of its definition, with the providers of which it may: many are alike."""
    cases: dict[str, tuple[str, list[str], Json]] = {}
    for name in registry.providers.usable():
        form = entry_form(name).schema()
        cases.setdefault(json.dumps(form, sort_keys=True), (f"{name}-entry", [], form))[1].append(name)
    return {key: (names, form) for key, names, form in cases.values()}


def _entry(forms: Mapping[str, tuple[list[str], Json]]) -> Json:
    """Return the schema of an entry of `providers`: what it may hold depends on which it is of."""
    rules = [
        {"if": {"properties": {key: _of(names)}, "required": [key], **unless}, "then": {"$ref": f"{_DEFS}{form}"}}
        for form, (names, _) in forms.items()
        for key, unless in (("provider", {}), ("model", {"not": _SAYS_PROVIDER}))
    ]
    return {"type": "object", "allOf": rules}


def _of(names: Iterable[str]) -> Json:
    return {"type": "string", "pattern": f"^({'|'.join(names)})([:/].*)?$"}


def _named(form: str) -> Json:
    """Return the schema of an entry that has the name of a provider: it is of that, unless it says another."""
    rules = {"if": _SAYS_PROVIDER, "then": {"$ref": f"{_DEFS}provider"}, "else": {"$ref": f"{_DEFS}{form}"}}
    return {"anyOf": [{"type": "string"}, {"type": "object", **rules}]}


def _hoisted(whole: Json) -> Json:
    """Return the schema with all definitions at its top, where references look for them."""
    definitions: Json = {}

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(item) for item in value]
        if not isinstance(value, dict):
            return value
        inside = {key: walk(item) for key, item in value.items() if key != "$defs"}
        definitions.update({key: walk(item) for key, item in value.get("$defs", {}).items()})
        return inside

    return {**walk(whole), "$defs": definitions}


# --- Markdown ---


def reference() -> str:
    """Return the tables of docs/configuration-reference.md: every key, every option of every layer and provider."""
    lines = ["## The keys of a configuration", "", *_table(root())]
    lines += ["", "## Layers: `use`, `each`", ""]
    lines += ["A layer is its name, or an object with its name and its options."]
    for name in registry.MIDDLEWARE:
        options = layer_options(name)
        lines += ["", f"### `{name}`", "", *(_table(options) if options.options else ["It has no options."])]
    lines += ["", "## Providers", "", "Every entry of `providers` may have these:", ""]
    common = {name: option for name, option in entry_form("mock").options.items() if name != "reply" and option.form}
    lines += _table(Object(common))
    for names, form in _kinds():
        own = {name: option for name, option in form.options.items() if name not in common}
        lines += ["", f"### {', '.join(f'`{name}`' for name in names)}", "", *_table(Object(own))]
    return "\n".join(lines) + "\n"


def _kinds() -> Iterator[tuple[list[str], Object]]:
    """Yield the library's providers, those of equal options together."""
    found: dict[str, tuple[list[str], Object]] = {}
    for name in registry.PROVIDERS:
        form = entry_form(name)
        found.setdefault("\n".join(_table(form)), ([], form))[0].append(name)
    yield from found.values()


def _table(form: Object) -> list[str]:
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for option in form.options.values():
        if option.form is not None:
            cells = (f"`{option.name}`", _words(option.form.schema()), _default(option), option.note)
            rows.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |".replace("|  |", "| |"))
    return rows


def _default(option: Option) -> str:
    if option.required:
        return "must be given"
    return "" if option.default in (None, Option.MISSING, []) else f"`{json.dumps(option.default)}`"


def _words(form: Json) -> str:
    """Return what a schema takes, in words."""
    if "$ref" in form:
        return f"a {form['$ref'].rpartition('/')[2]}"
    if "anyOf" in form:
        return " or ".join(dict.fromkeys(_words(part) for part in form["anyOf"]))
    if "enum" in form or "const" in form:
        return ", ".join(f"`{value}`" for value in form.get("enum", [form.get("const")]))
    kind = form.get("type")
    if kind == "array":
        return f"list of {_words(form.get('items') or {})}"
    words = {
        "string": "text",
        "integer": "whole number",
        "boolean": "true or false",
        "null": "null",
        "number": "number",
    }
    return words.get(str(kind), "object")
