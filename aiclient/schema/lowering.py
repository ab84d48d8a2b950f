"""One JSON schema, in the form that a service takes, with a report of what that changed.

Nothing is lost in silence: a keyword that a service does not take goes into the description, where the model still reads it,
and into the report. What the service then does not hold its model to is still checked here, when the value is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from ..errors import ConfigError
from .dialects import DIALECTS, Dialect
from .limits import problems_of
from .lowered_parts import as_list, described, keyword_words, merged, nullable, scalar_choice, without_exclusive
from .refs import DEFS, modern

__all__ = ["Lowered", "SchemaChange", "lowered"]

Json = dict[str, Any]

_LISTS: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_MAPS: Final = frozenset({"properties", "$defs"})
_UNUSED: Final = frozenset(
    {"$schema", "$id", "$comment", "contentEncoding", "contentMediaType", "readOnly", "writeOnly"}
)
"""Keywords that bind nobody, and tell a model nothing."""


_ANNOTATIONS: Final = frozenset({"default", "examples", "deprecated", "title"})
"""Keywords that bind nobody, and tell a model something."""


@frozen
class SchemaChange:
    """One difference between a schema and its lowered form.

    Args:
        path: Where, as a JSON pointer into the schema: `#/properties/age`.
        keyword: Which keyword: `minimum`.
        words: What became of it.
        lossy: Whether the service no longer holds its model to something.
    """

    path: str
    keyword: str
    words: str
    lossy: bool


@frozen
class Lowered:
    """A schema as one service takes it.

    Args:
        dialect: Name of the dialect.
        schema: The schema to send.
        changes: What differs from the schema that was given, in order.
        problems: Why the service could not follow the schema to the letter: free keys, too many levels, ... Empty if it can.
    """

    dialect: str
    schema: Json
    changes: tuple[SchemaChange, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def lost(self) -> tuple[str, ...]:
        """The keywords that the service does not hold its model to; each once."""
        return tuple(dict.fromkeys(change.keyword for change in self.changes if change.lossy))


def lowered(schema: Mapping[str, Any], dialect: str) -> Lowered:
    """Return a JSON schema as a service takes it where it promises to follow it (strict tools, structured output).

    Args:
        schema: A JSON schema, draft 2020-12 or 7.
        dialect: `openai`, `anthropic`, `gemini`, `bedrock`, `mistral`, `cohere`, `llamacpp`, or `generic`, which takes all.

    Raises:
        ConfigError: There is no such dialect, or the schema is nested too deeply to be read.

    Example:
        >>> found = lowered({"type": "integer", "minimum": 1}, "anthropic")
        >>> found.schema, found.lost
        ({'type': 'integer', 'description': '{minimum: 1}'}, ('minimum',))
    """
    if dialect not in DIALECTS:
        raise ConfigError(f"dialect={dialect!r} is none of {', '.join(DIALECTS)}")
    rules = DIALECTS[dialect]
    try:
        if rules.keywords is None and not rules.closed:
            return Lowered(dialect, dict(schema))
        work = _Lowering(rules)
        result = work.root(schema)
        problems = (*work.problems, *problems_of(result, rules))
        return Lowered(dialect, result, tuple(work.changes), tuple(dict.fromkeys(problems)))
    except RecursionError:
        pass
    raise ConfigError("the JSON schema is nested too deeply")


class _Lowering:
    def __init__(self, rules: Dialect) -> None:
        self._rules = rules
        self.changes: list[SchemaChange] = []
        self.problems: list[str] = []

    def root(self, schema: Mapping[str, Any]) -> Json:
        """Lower the whole; draft 7's definitions become those of 2020-12, and the root refers to none."""
        whole = dict(schema)
        if isinstance(whole.get("definitions"), Mapping) and isinstance(whole.get("$defs", {}), Mapping):
            whole = modern({**whole, "$defs": {**whole["definitions"], **whole.get("$defs", {})}})
            del whole["definitions"]
            self._note("#", "definitions", "became $defs")
        reference = whole.get("$ref")
        definitions = whole.get("$defs")
        if isinstance(reference, str) and isinstance(definitions, Mapping) and reference.startswith(DEFS):
            target = definitions.get(reference.removeprefix(DEFS))
            if isinstance(target, Mapping):
                del whole["$ref"]
                whole = {**target, **whole}
                self._note("#", "$ref", "was put in its place")
        return self._part(whole, "#")

    def _note(self, path: str, keyword: str, words: str, *, lossy: bool = False) -> None:
        self.changes.append(SchemaChange(path, keyword, words, lossy))

    def _inner(self, value: Any, path: str) -> Any:
        if value is True:
            value = {}
        return self._part(value, path) if isinstance(value, Mapping) else value

    def _part(self, schema: Mapping[str, Any], path: str) -> Json:
        out: Json = {}
        told: dict[str, Any] = {}
        if not self._rules.tuples and isinstance(schema.get("prefixItems"), list):
            told["prefixItems"] = schema["prefixItems"]  # a list says what the places hold, not which holds what
        schema = _sane(schema, told)
        if not self._rules.all_of and (whole := merged(schema)) != schema:
            self._note(path, "allOf", f"became {keyword_words(schema, whole)}")
            schema = _sane(whole, told)
        schema = self._rewritten(schema, path)
        for key, value in schema.items():
            here = f"{path}/{key}"
            if not self._taken(key, value, schema):
                if key not in _UNUSED:
                    told[key] = value
            elif key in _MAPS and isinstance(value, Mapping):
                out[key] = {name: self._inner(inside, f"{here}/{name}") for name, inside in value.items()}
            elif key in _LISTS and isinstance(value, list):
                out[key] = [self._inner(inside, f"{here}/{index}") for index, inside in enumerate(value)]
            elif key in ("items", "additionalProperties") and isinstance(value, Mapping):
                out[key] = self._part(value, here)
            else:
                out[key] = value
        return self._finished(self._closed(out, path), told, path)

    # --- before: what can be said in other words ---

    def _rewritten(self, schema: Json, path: str) -> Json:
        rules = self._rules
        inclusive = self._knows("minimum") and not self._knows("exclusiveMinimum")
        if schema.get("items") is False and "maxItems" in schema:
            schema = _without(schema, "items")  # the length says it
        if not rules.tuples and isinstance(schema.get("prefixItems"), list):
            schema = as_list(schema)
        if rules.scalars and "const" in schema:
            schema = {**_without(schema, "const"), "enum": [schema["const"]]}
        for keyword, wanted, step in (
            ("oneOf", not self._knows("oneOf") and "anyOf" not in schema, _any_of),
            ("enum", rules.scalars, scalar_choice),
            ("exclusiveMinimum", inclusive, without_exclusive),
            ("exclusiveMaximum", inclusive, without_exclusive),
        ):
            if wanted and keyword in schema and (new := step(schema)) != schema:
                lossy = keyword == "enum" and any(isinstance(value, bool) for value in schema["enum"])
                self._note(path, keyword, f"became {keyword_words(schema, new)}", lossy=lossy)
                schema = new
        return schema

    def _knows(self, keyword: str) -> bool:
        return self._rules.keywords is None or keyword in self._rules.keywords

    def _taken(self, key: str, value: Any, schema: Json) -> bool:
        rules = self._rules
        if not self._knows(key):
            return False
        match key:
            case "format":
                return rules.formats is None or value in rules.formats
            case "minItems" if rules.one_or_none:
                return value in (0, 1)
            case "additionalProperties" if rules.closed:
                return value is False
            case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" if rules.integers:
                return schema.get("type") == "integer"
            case "pattern" if isinstance(value, str):
                anchored = value.startswith("^") and value.endswith("$")
                return rules.patterns == "all" or (anchored if rules.patterns == "anchored" else _is_plain(value))
        return True

    # --- after: what a service demands of every part ---

    def _closed(self, out: Json, path: str) -> Json:
        """Exclude keys that are not declared, and require those that are, where that is demanded."""
        if not (out.get("type") == "object" or "properties" in out or "object" in _kinds(out)):
            return out
        if self._rules.closed:
            if "properties" not in out and out.get("additionalProperties") is not False:
                self.problems.append(f"{path} is an object with keys of any name")
            out["additionalProperties"] = False
        properties = out.get("properties") or {}
        if self._rules.complete and properties:
            required = out.get("required", [])
            for name in [name for name in properties if name not in required]:
                properties[name] = nullable(properties[name])
                self._note(f"{path}/properties/{name}", "required", "may be null instead of missing")
            if not set(properties) <= set(required):
                out["required"] = list(properties)
        if self._rules.some_required and properties and not out.get("required"):
            self.problems.append(f"{path} requires none of its keys")
        return out

    def _finished(self, out: Json, told: Json, path: str) -> Json:
        if self._rules.patterns == "unanchored" and "pattern" in out:
            anchored, out["pattern"] = out["pattern"], out["pattern"].removeprefix("^").removesuffix("$")
            if anchored != out["pattern"]:
                self._note(path, "pattern", "lost its anchors: the whole text is matched")
        if self._rules.lone_ref and "$ref" in out and len(out) > 1 and "anyOf" not in out and path != "#":
            out = {**{key: value for key, value in out.items() if key != "$ref"}, "anyOf": [{"$ref": out["$ref"]}]}
        if self._rules.typed and not {"type", "anyOf", "$ref", "enum", "const"} & set(out):
            self.problems.append(f"{path} says no type")
        if self._rules.typed and out.get("type") == "array" and "items" not in out:
            self.problems.append(f"{path} does not say what the list holds")
        for keyword in told:
            self._note(path, keyword, "is in the description alone", lossy=keyword not in _ANNOTATIONS)
        return described(out, told)


_SHAPES: Final[dict[str, type]] = {
    **dict.fromkeys(_MAPS, Mapping),
    **dict.fromkeys((*_LISTS, "enum", "required"), list),
    **dict.fromkeys(("description", "format", "pattern", "$ref"), str),
}


def _makes_sense(key: str, value: Any) -> bool:
    """Whether a keyword has a value of its kind: schemas may be other people's."""
    right = isinstance(value, _SHAPES.get(key, object))
    return right and (key != "required" or all(isinstance(name, str) for name in value))


def _sane(schema: Mapping[str, Any], told: Json) -> Json:
    """Return a schema without what makes no sense, which is told."""
    told |= {key: value for key, value in schema.items() if key != "description" and not _makes_sense(key, value)}
    return {key: value for key, value in schema.items() if _makes_sense(key, value)}


def _any_of(schema: Json) -> Json:
    return {"anyOf" if key == "oneOf" else key: value for key, value in schema.items()}


def _without(schema: Json, keyword: str) -> Json:
    return {key: value for key, value in schema.items() if key != keyword}


def _is_plain(pattern: str) -> bool:
    """Whether a pattern has no anchors but those around the whole of it, and looks neither ahead nor behind."""
    inside = pattern.removeprefix("^").removesuffix("$")
    return not any(sign in inside for sign in ("^", "$", "(?=", "(?!", "(?<"))


def _kinds(schema: Json) -> tuple[str, ...]:
    kinds = schema.get("type")
    return tuple(kinds) if isinstance(kinds, list) else ()
