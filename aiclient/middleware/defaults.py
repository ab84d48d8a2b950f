"""Fill in what a request leaves unset."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypedDict

from attrs import evolve, fields

from ..errors import ConfigError, InvalidRequestError
from ..messages import Message
from ..provider import Layer, Provider
from ..request import ChatOptions, ChatRequest, PromptCache, Reasoning, ResponseFormat, Tool, ToolChoice
from ..response import ChatResponse
from ..stream import ChatStream

if TYPE_CHECKING:
    from typing import Unpack

__all__ = ["Defaults", "Settings"]

STEERING: Final = frozenset({"timeout", "tags", "tenant", "cache", "strict"})
"""Options that are not the request's but the call's: its context is opened before any layer sees it."""

INSTRUCTING: Final = ("system", "developer")
"""Roles of a system prompt; the second is OpenAI's newer word for it."""

OF_TOOLS: Final = ("tool_choice", "parallel_tool_calls")
"""Options that services refuse where no tool is offered."""


class Settings(TypedDict, total=False):
    """What `Defaults` can set: the options of a request, as the request builder takes them."""

    model: str | None
    temperature: float | None
    max_tokens: int | None
    top_p: float | None
    top_k: int | None
    seed: int | None
    stop: str | Iterable[str] | None
    frequency_penalty: float | None
    presence_penalty: float | None
    tools: Iterable[Tool] | None
    tool_choice: str | ToolChoice | None
    parallel_tool_calls: bool | None
    response_format: str | Mapping[str, Any] | ResponseFormat | None
    reasoning: str | Reasoning | None
    prompt_cache: str | PromptCache | None
    n: int | None
    logprobs: int | None
    service_tier: str | None
    user_id: str | None
    metadata: Mapping[str, str] | None
    extra: Mapping[str, Mapping[str, Any]] | None


class Defaults(Layer):
    """Give every chat request a system prompt and settings, where it has none of its own.

    A call and a stream alike: options that the request leaves unset are filled in, and `system` is put first if no message
    has that role. What the caller said is never changed: of `metadata` and `extra` the single keys that are missing are
    added, and a default of `tool_choice` or `parallel_tool_calls` is left out where the request offers no tool to which it
    could apply. Embeddings pass by. Place: anywhere; outside a cache, so that its key holds what is really asked. Of two,
    the outer one wins, so that the defaults of `client.derive(Defaults(...))` go before the client's own.

    Args:
        system: The system prompt; None for none. Default None.
        settings: Options of the request by their names in ChatOptions (`temperature`, `max_tokens`, `tools`, ...), with
            values as the request builder takes them; None is "not given". Options that steer the call (`timeout`, `tags`,
            `tenant`, `cache`, `strict`) are not among them: they are read before any layer is reached.

    Raises:
        ConfigError: A name is unknown or steers the call, or a value is one that no request could have.

    Cancelling is not affected: nothing is awaited here.

    Example:
        >>> client = Client(MockProvider("Paris")).use(Defaults("Be brief.", temperature=0, max_tokens=100))
    """

    slot = "defaults"

    def __init__(self, system: str | None = None, **settings: Unpack[Settings]) -> None:
        given: object = system
        if given is not None and (not isinstance(given, str) or not given.strip()):
            raise ConfigError(f"system={system!r} must be a text that is not empty, or None")
        self._system = system
        self._options = _checked(dict(settings))
        self._names = [name for name in _NAMES if getattr(self._options, name) not in (None, (), {})]

    def __repr__(self) -> str:
        plain = (type(None), bool, int, float)  # texts and mappings may hold what is nobody's business
        values = {name: getattr(self._options, name) for name in self._names}
        shown = [f"{name}={value}" if isinstance(value, plain) else name for name, value in values.items()]
        return f"Defaults({', '.join([*(['system'] if self._system else []), *shown])})"

    async def chat(self, request: ChatRequest, inner: Provider) -> ChatResponse:
        """Do the call with the request filled in."""
        return await inner.chat(self._filled(request))

    async def chat_stream(self, request: ChatRequest, inner: Provider) -> ChatStream:
        """Open the stream with the request filled in."""
        return await inner.chat_stream(self._filled(request))

    def _filled(self, request: ChatRequest) -> ChatRequest:
        asked, given = request.options, self._options
        missing = {name: getattr(given, name) for name in self._names if getattr(asked, name) in (None, (), {})}
        if given.metadata and asked.metadata:
            missing["metadata"] = {**given.metadata, **asked.metadata}
        if given.extra and asked.extra:
            spaces = [*given.extra, *asked.extra]
            missing["extra"] = {space: {**given.extra.get(space, {}), **asked.extra.get(space, {})} for space in spaces}
        if any(name in missing for name in OF_TOOLS):
            _leave_out_what_needs_tools(missing, missing.get("tools", asked.tools))
        if missing:
            request = evolve(request, options=evolve(asked, **missing))
        if self._system is not None and not any(message.role in INSTRUCTING for message in request.messages):
            request = evolve(request, messages=(Message("system", self._system), *request.messages))
        return request


def _leave_out_what_needs_tools(missing: dict[str, Any], tools: tuple[Tool, ...]) -> None:
    choice = missing.get("tool_choice")
    if choice is not None and choice.name is not None and choice.name not in [tool.name for tool in tools]:
        del missing["tool_choice"]
    if not tools:
        for name in OF_TOOLS:
            missing.pop(name, None)


# --- what it is made with ---

_NAMES: Final = tuple(field.name for field in fields(ChatOptions) if field.name not in STEERING)


def _tools(value: Iterable[Any]) -> tuple[Tool, ...]:
    tools = tuple(value)
    if not all(isinstance(tool, Tool) for tool in tools):
        raise TypeError("each must be a Tool")
    return tools


_CONVERTED: Final[dict[str, tuple[type, Callable[[Any], Any]]]] = {
    # What the options' own validators leave to the request builder: the type, and what makes it of a shorter form.
    "tool_choice": (ToolChoice, lambda value: ToolChoice.of(value) if isinstance(value, str) else value),
    "response_format": (ResponseFormat, ResponseFormat.of),
    "reasoning": (Reasoning, lambda value: Reasoning(value) if isinstance(value, str) else value),
    "prompt_cache": (PromptCache, lambda value: PromptCache(value) if isinstance(value, str) else value),
    "tools": (tuple, _tools),
}


def _checked(settings: dict[str, Any]) -> ChatOptions:
    """Return the settings as options, or say which of them no request could have."""
    for name in settings:
        if name in STEERING:
            raise ConfigError(
                f"{name}= steers the call, which has begun before it reaches a layer: set it on the request "
                f"(.{name}(...)){', or on the client' if name in ('timeout', 'strict') else ''}"
            )
        if name not in _NAMES:
            close = difflib.get_close_matches(name, [*_NAMES, "system"], 1)
            hint = f"did you mean {close[0]}=?" if close else f"there are system, {', '.join(_NAMES)}"
            raise ConfigError(f"Defaults has no {name!r}; {hint}")
    given = {name: value for name, value in settings.items() if value is not None}
    return ChatOptions(**{name: _one(name, value) for name, value in given.items()})


def _one(name: str, value: Any) -> Any:
    """Return one setting as ChatOptions holds it."""
    kind, convert = _CONVERTED.get(name, (object, lambda value: value))
    problem: object
    try:
        checked = getattr(ChatOptions(**{name: convert(value)}), name)
    except (InvalidRequestError, TypeError, ValueError) as error:
        problem = error
    else:
        if isinstance(checked, kind):
            return checked
        problem = f"a {kind.__name__} is needed"
    raise ConfigError(f"{name}= of {type(value).__name__} cannot be a default: {problem}")
