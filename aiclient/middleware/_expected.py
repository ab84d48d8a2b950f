"""What an answer is held to: a type, a JSON schema, or a function of one's own."""

from __future__ import annotations

import importlib
import inspect
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Protocol, cast, get_args, get_origin

from ..errors import AIClientError, ConfigError, ResponseValidationError
from ..response import ChatResponse
from ..schema.misfits import Path, Unfit, choices, parsed, shown
from ..schema.structure import reader

__all__ = ["Expected", "expected"]


class Expected(Protocol):
    """Holds answers to something."""

    label: str
    """What it is, in a word."""

    as_json: bool
    """Whether the answer must be JSON."""

    async def read(self, response: ChatResponse) -> Any:
        """Return what the answer stands for; None where that is nothing but the answer itself.

        Raises:
            Unfit: It is not what was expected.
        """
        ...


def expected(value: Any) -> Expected:
    """Return what holds answers to `value`.

    Raises:
        ConfigError: It is none of the three.
    """
    if isinstance(value, Mapping):
        return _Schema(value)
    if (
        isinstance(value, type)
        or get_origin(value) is not None
        or isinstance(value, types.UnionType)
        or _is_alias(value)
    ):
        return _Type(value)
    if callable(value):
        return _Function(value)
    raise ConfigError(
        f"answers cannot be held to a {type(value).__name__}: give a type, a JSON schema as a dict, or a function of a response"
    )


def _is_alias(value: Any) -> bool:
    """Whether it is a type by another name: a NewType, or a `type` statement's."""
    return hasattr(value, "__supertype__") or type(value).__name__ == "TypeAliasType"


class _Type:
    as_json = True

    def __init__(self, kind: Any) -> None:
        self.label = kind.__name__ if isinstance(kind, type) and not get_args(kind) else repr(kind)
        self._read = reader(kind)

    async def read(self, response: ChatResponse) -> Any:
        return self._read(parsed(response.message.content))


class _Function:
    as_json = False

    def __init__(self, function: Any) -> None:
        self.label = getattr(function, "__qualname__", type(function).__name__)
        self._function = function

    async def read(self, response: ChatResponse) -> None:
        problem = await self._problem(response)
        if problem:
            raise Unfit(said=[problem] if isinstance(problem, str) else problem)

    async def _problem(self, response: ChatResponse) -> str | list[str]:
        """Return what the function finds wrong; a bug in it is no misfit, and is raised."""
        try:
            result = self._function(response)
            if inspect.isawaitable(result):
                result = await result
        except ResponseValidationError as refusal:
            return list(refusal.errors) or refusal.message or _REFUSED.format(self.label)
        except AIClientError:  # it made a call of its own, which failed
            raise
        except (ValueError, AssertionError) as refusal:
            return str(refusal) or _REFUSED.format(self.label)
        if result is False:
            return _REFUSED.format(self.label)
        if result is None or result is True:
            return ""
        if not isinstance(result, str) and isinstance(result, Iterable):
            result = list(result)
        if isinstance(result, str) or (isinstance(result, list) and all(isinstance(text, str) for text in result)):
            return cast("str | list[str]", result)
        raise ConfigError(
            f"the function {self.label} returned {type(result).__name__}: it must return None or True, or say what is wrong"
        )


_REFUSED: Final = "the answer was refused by {}"


# --- JSON schemas ---

_KINDS: Final = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "a boolean",
    "string": "a text",
    "array": "an array",
    "object": "an object",
    "null": "null",
}

_LONGEST: Final = 200
"""Characters of a schema's own value that are quoted."""


class _Schema:
    as_json = True
    label = "a JSON schema"

    def __init__(self, schema: Mapping[str, Any]) -> None:
        try:
            jsonschema: Any = importlib.import_module("jsonschema")
        except ImportError:
            jsonschema = None
        if jsonschema is None:
            raise ConfigError(
                "JSON schemas are checked by jsonschema: pip install 'aiclient[validation]'; types need nothing"
            )
        self._validator, self._unresolvable = _built(jsonschema, dict(schema))

    async def read(self, response: ChatResponse) -> Any:
        value = parsed(response.message.content)
        problems: list[tuple[Path, str]]
        broken: object = None
        try:
            problems = [problem for error in self._validator.iter_errors(value) for problem in _said(error)]
        except self._unresolvable as error:
            broken, problems = error, []
        except RecursionError:
            problems = [((), "is nested too deeply")]
        if broken is not None:
            raise ConfigError(f"the JSON schema refers to what it does not hold, and nothing is fetched: {broken}")
        if problems:
            raise Unfit(problems)
        return value


def _built(jsonschema: Any, schema: dict[str, Any]) -> tuple[Any, type[Exception]]:
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.exceptions.SchemaError as error:
        problem = f"the JSON schema is none: {error.json_path}: {error.message}"
    else:
        # Its own registry would fetch what a reference names from the network.
        registry = importlib.import_module("jsonschema_specifications").REGISTRY
        unresolvable = importlib.import_module("referencing.exceptions").Unresolvable
        return kind(schema, registry=registry), unresolvable
    raise ConfigError(problem)


def _said(error: Any) -> Iterator[tuple[Path, str]]:
    """Say what is wrong in words of the schema alone: jsonschema's own quote the value."""
    steps = list(error.absolute_schema_path)
    declared = {steps[at + 1] for at, step in enumerate(steps[:-1]) if step == "properties"}
    path = tuple(step if isinstance(step, int) or step in declared else None for step in error.absolute_path)
    keyword, wanted = error.validator, error.validator_value
    if keyword == "required":
        yield from (((*path, name), "is missing") for name in wanted if name not in error.instance)
        return
    yield path, _why(keyword, wanted, error)


def _why(keyword: str, wanted: Any, error: Any) -> str:
    match keyword:
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else wanted
            return f"must be {' or '.join(_KINDS.get(kind, kind) for kind in kinds)}"
        case "enum":
            return f"must be {choices(wanted)}"
        case "const":
            return f"must be {choices([wanted])}"
        case "additionalProperties" | "unevaluatedProperties":
            allowed = ", ".join((error.schema or {}).get("properties", {}))
            return f"has keys that are not allowed{f'; there are {allowed}' if allowed else ''}"
        case "anyOf":
            return f"fits none of the {len(wanted)} alternatives{_nearest(error)}"
        case "oneOf":
            if not error.context:
                return f"must fit exactly one of the {len(wanted)} alternatives, and fits several"
            return f"fits none of the {len(wanted)} alternatives{_nearest(error)}"
    quoted = choices([wanted])
    return f"does not keep to {keyword}{f' {quoted}' if len(quoted) <= _LONGEST else ''}"


def _nearest(error: Any) -> str:
    """Name the alternative that fits best, by what is wrong with it."""
    by_alternative: dict[Any, list[str]] = {}
    for inner in error.context:
        lines = by_alternative.setdefault(inner.schema_path[0], [])
        lines += [f"{shown(path)}: {why}" for path, why in _said(inner)]
    if not by_alternative:
        return ""
    nearest = min(by_alternative.values(), key=len)
    return f"; the nearest is wrong in: {', '.join(nearest[:3])}"
