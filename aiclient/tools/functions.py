"""Functions as tools: a signature becomes a schema, and what a model writes becomes a typed call."""

from __future__ import annotations

import functools
import inspect
import json
import re
import typing
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, Generic, ParamSpec, TypeVar, overload

from .. import jsontext
from ..errors import ConfigError, InvalidRequestError, ToolArgumentsError
from ..messages import ToolCall
from ..request import Tool
from ..schema.docstrings import parameters_of, summary_of
from ..schema.jsonvalues import to_json
from ..schema.lowering import Lowered, lowered
from ..schema.members import Member
from ..schema.misfits import Unfit, kind_of
from ..schema.schema import object_schema
from ..schema.signatures import parameters
from ..schema.structure import MOST, object_reader
from ..worker import in_thread

__all__ = ["FunctionTool", "tool"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What every service takes as a name (OpenAI's and Anthropic's pattern)."""

_LONGEST: Final = 4 * 2**20
"""Characters of the arguments of one call; a model writes a tenth of that."""

_MOST: Final = 20
"""Problems that one error names."""


class FunctionTool(Generic[P, R_co]):
    """A function that a model may call, made by `@tool`; called as before, it is the function.

    `request.tools(function)` offers it: the request then holds `function.tool`, a plain Tool. `await function.call(arguments)`
    checks what a model wrote and calls the function with it.

    Args:
        function: The function, sync or async.
        name: Name for the model; None takes the function's.
        description: What it does, for the model; None takes the docstring up to its first section.
        strict: Whether services are asked to keep to the schema to the letter; None leaves it to each.

    Raises:
        ConfigError: A parameter cannot be described; the message names the function, the parameter and the type.
    """

    def __init__(
        self,
        function: Callable[P, R_co],
        *,
        name: str | None = None,
        description: str | None = None,
        strict: bool | None = None,
    ) -> None:
        label = _named(function, name)
        docstring = getattr(function, "__doc__", None) if not isinstance(function, functools.partial) else None
        self._function = function
        self._members = parameters(function, label, parameters_of(docstring))
        self._tool = Tool(
            label,
            summary_of(docstring) if description is None else description,
            _schema(self._members, label),
            strict,
        )
        functools.update_wrapper(typing.cast("Any", self), typing.cast("Any", function), updated=())

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function."""
        return self._function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"FunctionTool({self.name}({', '.join(member.name for member in self._members)}))"

    @property
    def tool(self) -> Tool:
        """The tool as requests hold it."""
        return self._tool

    @property
    def name(self) -> str:
        """Name for the model."""
        return self._tool.name

    def schema_for(self, dialect: str) -> Lowered:
        """Return the schema of the parameters as a service takes it when it is to be strict, with what that changed.

        Args:
            dialect: As in `lowered`: `openai`, `anthropic`, `gemini`, ...
        """
        return lowered(self._tool.parameters, dialect)

    def read(self, arguments: str | Mapping[str, Any] | ToolCall) -> dict[str, Any]:
        """Return the typed arguments of a call, by name; parameters that are not given are left to their defaults.

        Strict as `structure.reader` is: no text for a number, no keys beyond the parameters, bounds are kept to. null for a
        parameter with a default means that it is not given.

        Args:
            arguments: JSON text as the model wrote it, a decoded object, or the call itself.

        Raises:
            ToolArgumentsError: They are not what the function takes; `errors` holds a line for each thing that is wrong.
            InvalidRequestError: The call is of another tool.
        """
        if isinstance(arguments, ToolCall):
            if arguments.name != self.name:
                raise InvalidRequestError(f"the call is of the tool {arguments.name!r:.80}, not of {self.name!r}")
            arguments = arguments.arguments
        value = _decoded(arguments, self.name) if isinstance(arguments, str) else dict(arguments)
        try:
            return self._reader(value)
        except Unfit as unfit:
            lines = unfit.lines
        raise _refused(self.name, lines)

    @functools.cached_property
    def _reader(self) -> Callable[[Any], dict[str, Any]]:
        return object_reader(self._members)  # not before it is needed: cattrs takes 80 ms to import

    @overload
    async def call(
        self: FunctionTool[P, Coroutine[Any, Any, T]], arguments: str | Mapping[str, Any] | ToolCall = ""
    ) -> T: ...
    @overload
    async def call(self, arguments: str | Mapping[str, Any] | ToolCall = "") -> R_co: ...
    async def call(self, arguments: str | Mapping[str, Any] | ToolCall = "") -> Any:
        """Check the arguments and call the function with them; returns what it returns.

        A sync function runs in a thread of its own with the caller's context variables, so that it may block. An async one
        runs in the caller's task.

        Args:
            arguments: As for `read`; an empty text stands for none.

        Raises:
            ToolArgumentsError: As `read`; the function is not called.
            Exception: Whatever the function raises, unchanged.

        Cancelling goes through at once. An async function is cancelled with it; a sync one cannot be stopped: it goes on to
        its end in its thread, its result is dropped, and what it raises is logged.
        """
        given = self.read(arguments)
        function: Callable[..., Any] = self._function
        work = functools.partial(function, **given)
        if _is_async(self._function):
            return await work()
        result: Any = await in_thread(work, name=self.name)
        return await result if inspect.isawaitable(result) else result

    def text_of(self, result: Any) -> str:
        """Return a result of the function as a model reads it: a text as it is, anything else as JSON.

        Raises:
            ConfigError: JSON has no form for it.
        """
        if isinstance(result, str):
            return result
        try:
            return json.dumps(to_json(result), ensure_ascii=False)
        except ValueError as error:  # a ConfigError, or Python's own of an integer with too many digits
            problem = str(error)
        raise ConfigError(
            f"the tool {self.name} returned what no model can read: {problem}; return texts or typed values"
        )


@overload
def tool(
    function: Callable[P, R],
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool | None = None,
) -> FunctionTool[P, R]: ...
@overload
def tool(
    *, name: str | None = None, description: str | None = None, strict: bool | None = None
) -> Callable[[Callable[P, R]], FunctionTool[P, R]]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: bool | None = None,
) -> Any:
    """Make a function a tool: `@tool`, or `@tool(name=..., description=..., strict=...)`.

    The signature becomes the schema: parameters without a default are required. What they mean is read from the docstring
    (Google's, Sphinx's or NumPy's form), or from a text in `Annotated`, which counts more. Methods are decorated bound:
    `tool(thing.method)`.

    Args:
        function: The function, sync or async.
        name: Name for the model: letters, digits, `_` and `-`, at most 64. None takes the function's.
        description: What it does, for the model; None takes the docstring up to its first section.
        strict: Whether services are asked to keep to the schema to the letter; None leaves it to each.

    Raises:
        ConfigError: A parameter has no annotation, or a type without a schema; or the function takes `*args`, `**kwargs` or
            parameters without names.

    Example:
        >>> @tool
        ... def add(first: int, second: int = 0) -> int:
        ...     '''Add two numbers.'''
        ...     return first + second
        >>> add(1, 2), add.read('{"first": 3}')
        (3, {'first': 3})
    """
    made = functools.partial(FunctionTool, name=name, description=description, strict=strict)
    return made if function is None else made(function)


def _named(function: Any, name: str | None) -> str:
    if isinstance(function, FunctionTool):
        raise ConfigError(f"{function.name} is a tool already")
    if isinstance(function, type) or not callable(function):
        raise ConfigError(f"@tool takes a function, not {function!r:.80}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(f"{function.__name__} yields values; a tool returns one: return them all as a list")
    found = getattr(function, "__name__", None) if name is None else name
    if found == "<lambda>":
        raise ConfigError("a lambda has neither a name nor annotations: write a function")
    if not isinstance(found, str) or not _NAME.fullmatch(found):
        raise ConfigError(f"name={found!r:.80} of a tool must be 1 to 64 letters, digits, _ or -: give name=")
    return found


def _schema(members: tuple[Member, ...], label: str) -> dict[str, Any]:
    try:
        return object_schema(members)
    except ConfigError as error:
        problem = error.message
    raise ConfigError(f"{label}: the parameter {problem}")


def _is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004  # what it is made of


# --- arguments ---


def _decoded(text: str, label: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    if len(text) > _LONGEST:
        raise _refused(label, (f"the arguments are longer than {_LONGEST} characters",))
    try:
        value = jsontext.read(text)
    except ValueError as error:
        problem = f"the arguments are not valid JSON: {error}"
    else:
        if isinstance(value, dict):
            return value
        problem = f"the arguments must be a JSON object, not {kind_of(value)}"
    raise _refused(label, (problem,))


def _refused(label: str, lines: tuple[str, ...]) -> ToolArgumentsError:
    more = [f"and {len(lines) - _MOST if len(lines) < MOST else 'many'} more"] if len(lines) > _MOST else []
    told = (*lines[:_MOST], *more)
    return ToolArgumentsError(f"{label} cannot be called like that: {'; '.join(told)}", tool=label, errors=told)
