"""Which errors a layer acts on, when its user says so; and telling the user's functions without letting them do harm."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Collection
from typing import Any, Final, TypeAlias, TypeVar, cast, get_args

from ..errors import (
    AIClientError,
    BudgetExceededError,
    Category,
    CircuitOpenError,
    ClientClosedError,
    ConfigError,
    DryRunStop,
    InvalidRequestError,
)
from ..logs import correlation_id, write

__all__ = ["Errors", "listener", "refused_here", "selection", "tell"]

V = TypeVar("V")

Errors: TypeAlias = Collection[Category] | Callable[[AIClientError], bool]
"""Categories of errors, or a function that says of an error whether it is one of them."""

_REFUSALS: Final = (
    BudgetExceededError,
    CircuitOpenError,
    ClientClosedError,
    ConfigError,
    DryRunStop,
    InvalidRequestError,
)


def refused_here(error: AIClientError) -> bool:
    """Whether the request was refused in this process: nothing was sent, and the service has no part in it."""
    return isinstance(error, _REFUSALS) or error.kind == "local"


def selection(name: str, value: Any) -> Callable[[AIClientError], bool] | None:
    """Return a function that says whether an error is among those that the option `name` stands for; None stays None.

    Raises:
        ConfigError: `value` is neither categories nor a function.
    """
    if value is None:
        return None
    if callable(value):
        if inspect.iscoroutinefunction(value):
            raise ConfigError(f"{name}={value!r} must be an ordinary function: it decides while the call waits")
        return cast("Callable[[AIClientError], bool]", value)
    known = get_args(Category)
    if isinstance(value, str) or not isinstance(value, Collection) or any(word not in known for word in value):
        raise ConfigError(
            f"{name}={value!r} must be a set of categories ({', '.join(known)}), or a function of an error that returns a bool"
        )
    chosen = frozenset(value)
    return lambda error: error.category in chosen


def listener(name: str, value: Any) -> Any:
    """Return `value`, an ordinary function or None.

    Raises:
        ConfigError: It is something else.
    """
    if value is not None and (not callable(value) or inspect.iscoroutinefunction(value)):
        raise ConfigError(f"{name}={value!r} must be an ordinary function, not a coroutine function")
    return value


def tell(hear: Callable[[V], None] | None, value: V, logger: logging.Logger) -> None:
    """Call `hear` with `value`; what it raises is logged and changes nothing."""
    if hear is None:
        return
    try:
        hear(value)
    except (Exception, asyncio.CancelledError):  # noqa: BLE001  # the user's code, which nobody can cancel; logged
        fields = {"event": "listener_failed", "correlation_id": correlation_id()}
        write(logger, logging.ERROR, fields, "a listener failed: %r", hear, trace=True)
