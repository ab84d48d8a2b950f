"""Fill in what a request leaves unset."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, fields

from ..errors import ConfigError
from ..layer import Layer
from ..messages import Message
from ..provider import Provider
from ..request import ChatOptions, ChatRequest, Tool
from ..response import ChatResponse
from ..settings import STEERING, Settings, setting
from ..stream import ChatStream

if TYPE_CHECKING:
    from typing import Unpack

__all__ = ["Defaults"]

INSTRUCTING: Final = ("system", "developer")
"""Roles of a system prompt; the second is OpenAI's newer word for it."""

OF_TOOLS: Final = ("tool_choice", "parallel_tool_calls")
"""Options that services refuse where no tool is offered."""


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
    return ChatOptions(**{name: setting(name, value) for name, value in given.items()})
