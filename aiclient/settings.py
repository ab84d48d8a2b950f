"""The options of a request as keyword arguments: their names, the shorter forms that they may be given in, and their checks."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypedDict

from attrs import fields

from .context import CacheMode, Timeouts
from .errors import ConfigError, InvalidRequestError
from .request import ChatOptions, OffersTool, PromptCache, Reasoning, ResponseFormat, Tool, ToolChoice, tool_of

__all__ = ["STEERING", "CallSettings", "SessionSettings", "Settings", "merged", "options_of", "setting"]

STEERING: Final = frozenset({"timeout", "tags", "tenant", "cache", "strict"})
"""Options that are not the request's but the call's: its context is opened before any layer sees it."""


class _Common(TypedDict, total=False):
    model: str | None
    temperature: float | None
    max_tokens: int | None
    top_p: float | None
    top_k: int | None
    seed: int | None
    stop: str | Iterable[str] | None
    frequency_penalty: float | None
    presence_penalty: float | None
    tools: Iterable[Tool | OffersTool] | None
    tool_choice: str | ToolChoice | None
    parallel_tool_calls: bool | None
    response_format: str | Mapping[str, Any] | ResponseFormat | None
    reasoning: str | Reasoning | None
    prompt_cache: str | PromptCache | None
    n: int | None
    logprobs: int | None
    service_tier: str | None
    user_id: str | None
    extra: Mapping[str, Mapping[str, Any]] | None


class Settings(_Common, total=False):
    """The options of a request, as the request builder takes them."""

    metadata: Mapping[str, str] | None


class _Steering(TypedDict, total=False):
    timeout: float | Timeouts | None
    tags: Mapping[str, str] | None
    tenant: str | None
    cache: CacheMode | None
    strict: bool | None


class CallSettings(Settings, _Steering, total=False):
    """The same with what steers the call."""


class SessionSettings(_Common, _Steering, total=False):
    """The same for all calls of a session, whose `metadata` are notes of its own."""


def _tools(value: Iterable[Any]) -> tuple[Tool, ...]:
    return tuple(tool_of(item) for item in value)


_CONVERTED: Final[dict[str, tuple[type, Callable[[Any], Any]]]] = {
    # What the options' own validators leave to the request builder: the type, and what makes it of a shorter form.
    "tool_choice": (ToolChoice, lambda value: ToolChoice.of(value) if isinstance(value, str) else value),
    "response_format": (ResponseFormat, ResponseFormat.of),
    "reasoning": (Reasoning, lambda value: Reasoning(value) if isinstance(value, str) else value),
    "prompt_cache": (PromptCache, lambda value: PromptCache(value) if isinstance(value, str) else value),
    "tools": (tuple, _tools),
}


def setting(name: str, value: Any) -> Any:
    """Return one setting as ChatOptions holds it.

    Raises:
        ConfigError: No request could have this value.
    """
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
    raise ConfigError(f"{name}= of {type(value).__name__} cannot be a setting: {problem}")


def options_of(settings: Mapping[str, Any]) -> ChatOptions:
    """Return settings as options; None is "not given".

    Raises:
        ConfigError: A name is unknown, or a value is one that no request could have.
    """
    for name in settings:
        if name not in _NAMES:
            close = difflib.get_close_matches(name, _NAMES, 1)
            hint = f"did you mean {close[0]}=?" if close else f"there are {', '.join(_NAMES)}"
            raise ConfigError(f"a request has no option {name!r}; {hint}")
    return ChatOptions(**{name: setting(name, value) for name, value in settings.items() if value is not None})


def merged(base: ChatOptions, asked: ChatOptions) -> ChatOptions:
    """Return `asked`, with what it leaves unset taken from `base`; of mappings the single keys."""
    both: dict[str, Any] = {}
    for name in _NAMES:
        general, own = getattr(base, name), getattr(asked, name)
        if isinstance(own, Mapping):
            both[name] = {**general, **own}
        else:
            both[name] = general if own == getattr(_UNSET, name) else own
    spaces = {*base.extra, *asked.extra}
    both["extra"] = {space: {**base.extra.get(space, {}), **asked.extra.get(space, {})} for space in spaces}
    return ChatOptions(**both)


_NAMES: Final = tuple(field.name for field in fields(ChatOptions))

_UNSET: Final = ChatOptions()
