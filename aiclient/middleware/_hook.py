"""What a hook is: the events, the functions that fit them, and the context they are given."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias, cast

from attrs import frozen

from ..chunks import ChatStreamChunk
from ..context import CallEvent
from ..errors import ConfigError
from ..response import Attempt

__all__ = [
    "EVENTS",
    "WAITS",
    "AfterResponse",
    "BeforeRequest",
    "HookContext",
    "Kind",
    "OnChunk",
    "OnError",
    "OnEvent",
    "checked",
    "name_of",
    "several",
]

Kind: TypeAlias = Literal["chat", "chat_stream", "embeddings"]
"""Of call."""

AWAITED: Final = ("before_request", "after_response", "on_error")
"""Events at which a call can wait."""

EVENTS: Final = (*AWAITED, "on_retry", "on_fallback", "on_chunk")
"""In the order of the constructor."""


@frozen(kw_only=True)
class HookContext:
    """Where in which call a hook is told something; immutable.

    Args:
        call_id: Identifies the logical call, also in logs and towards the service.
        kind: `chat`, `chat_stream` or `embeddings`.
        attempt: How many exchanges have begun, which is the number of the current one; 0 before the first.
        provider: Who is asked, or answered, as far as is known.
        model: Which model.
        time: Seconds since the epoch.
        elapsed: Seconds since the call reached the hooks.
        tags: What the caller labelled the call with.
        journal: The exchanges that have ended, in that order.
    """

    call_id: str
    kind: Kind
    attempt: int
    provider: str | None
    model: str | None
    time: float
    elapsed: float
    tags: Mapping[str, str]
    journal: tuple[Attempt, ...] = ()


BeforeRequest: TypeAlias = Callable[[HookContext, Any], object]
"""Given a ChatRequest or an EmbeddingRequest; Any, so that one may say which. What it returns is awaited, if it can be."""

AfterResponse: TypeAlias = Callable[[HookContext, Any], object]
"""Given a ChatResponse or an EmbeddingResponse."""

OnError: TypeAlias = Callable[[HookContext, Any], object]
"""Given an AIClientError, or another exception where something is broken."""

OnEvent: TypeAlias = Callable[[HookContext, CallEvent], None]
"""None: a type checker refuses an async function."""

OnChunk: TypeAlias = Callable[[HookContext, ChatStreamChunk], None]

WAITS: Final = "{event} is told where the call cannot wait, so an async function would never run: give a plain one"


def several(event: str, given: Any) -> Iterable[Any]:
    """Return what was given for an event, one function or more, as several."""
    if given is None:
        return ()
    if callable(given):
        return (given,)
    if isinstance(given, Iterable) and not isinstance(given, (str, bytes)):
        return given
    raise ConfigError(f"{event}={given!r} must be a function or several")


def checked(event: str, function: Any) -> Callable[..., Any]:
    """Return `function` if it fits the event.

    Raises:
        ConfigError: It is none, or an async one for an event that waits for none.
    """
    if not callable(function):
        raise ConfigError(f"{event} takes a function, not {type(function).__name__}")
    if event not in AWAITED and _is_async(function):
        raise ConfigError(f"{WAITS.format(event=event)} instead of {name_of(function)}")
    return cast("Callable[..., Any]", function)


def _is_async(function: Any) -> bool:
    return any(
        test(call)
        for test in (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
        for call in (function, getattr(function, "__call__", None))  # noqa: B004  # of an object that can be called
    )


def name_of(function: Any) -> str:
    """Return what a hook is called in logs."""
    named = getattr(function, "func", function)  # of a functools.partial
    return getattr(named, "__qualname__", None) or type(named).__qualname__
