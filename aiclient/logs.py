"""Logging set-up and correlation: which records belong to one piece of the caller's work."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from .errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["configure", "correlation", "correlation_id", "reset", "write"]

_correlation: ContextVar[str | None] = ContextVar("aiclient_correlation", default=None)

_LOGGER: Final = logging.getLogger("aiclient")
_LOGGER.addHandler(logging.NullHandler())

_failed: Final[set[str]] = set()
"""What has been said of handlers that fail: once is enough."""


# --- correlation ---


def correlation_id() -> str | None:
    """Return the identifier that the surrounding `correlation` set, or None."""
    return _correlation.get()


@contextlib.contextmanager
def correlation(identifier: str | None = None) -> Iterator[str]:
    """Mark every record that is logged inside, in this task and those it starts, with `identifier`.

    It goes along into the thread of a sync client, and into the layers of every call made inside. Blocks nest: the inner one
    counts.

    Args:
        identifier: What the caller's own logs call this piece of work; None makes one of 32 hex digits. The block is given it.

    Raises:
        ConfigError: It is not a text, or empty.

    Example:
        >>> with correlation("order-17"):
        ...     correlation_id()
        'order-17'
    """
    if identifier is None:
        identifier = os.urandom(16).hex()
    given: object = identifier
    if not isinstance(given, str) or not given:
        raise ConfigError(f"correlation({identifier!r}): give a text that is not empty, or nothing to have one made")
    token = _correlation.set(identifier)
    try:
        yield identifier
    finally:
        _correlation.reset(token)


# --- records ---


def write(logger: Any, level: int, fields: Mapping[str, Any], message: str, *args: object, trace: bool = False) -> None:
    """Log one record with its structured fields; a handler that raises is told of once, and fails nothing.

    Args:
        logger: Of the standard library, or one of structlog, which is given the fields as they are.
        level: The level.
        fields: What goes into `record.aiclient`; those that are None are left out. `event` is the record's name.
        message: What a person reads, with `%s` for the arguments.
        args: The arguments.
        trace: Whether the exception being handled belongs to it.
    """
    shown = {name: value for name, value in fields.items() if value is not None and value != {}}
    try:
        if hasattr(logger, "bind"):
            event = shown.pop("event", None) or message % args
            logger.log(level, event, **shown, **({"exc_info": True} if trace else {}))
        else:
            logger.log(level, message, *args, exc_info=trace, stacklevel=2, extra={"aiclient": shown})
    except Exception as error:  # noqa: BLE001  # a sink that fails is no matter of the call that is logged; said once
        complain(f"a handler of the logger {getattr(logger, 'name', logger)} raised {type(error).__name__}")


def complain(problem: str) -> None:
    """Say on standard error, once for each, that records are lost."""
    if problem not in _failed:
        _failed.add(problem)
        with contextlib.suppress(
            OSError, ValueError, AttributeError
        ):  # closed, or none at all: nobody is there to tell
            sys.stderr.write(f"aiclient: {problem}; records are lost, calls go on\n")


# --- set-up ---


def configure(
    level: int | str = "INFO",
    *,
    console: bool = True,
    file: str | os.PathLike[str] | None = None,
    rotate: int | None = 10_000_000,
    keep: int = 5,
    json: bool | None = None,
) -> None:
    """Print this library's records, or keep them in a file; for scripts, notebooks, and applications without a set-up.

    It replaces what an earlier call set up, and touches the logger `aiclient` alone: nothing is put on the root logger, and
    records still go to its handlers, if there are any. Every record is one line; secrets are masked and control characters
    escaped in all of it. A sink that fails (a full disk, a closed pipe) says so once on standard error and fails no call.
    Writing happens in the caller's thread.

    Args:
        level: The least that is recorded: a name such as "INFO", or a number.
        console: Whether to print to standard error.
        file: A file to append to; the first record makes it, readable for its owner alone. Its folder must exist.
        rotate: Bytes from which on the file is moved aside to `file.1` and begun anew; None lets it grow.
        keep: How many files moved aside are kept, at least 1.
        json: JSON lines (True) or text (False); by default JSON in the file and text on the console.

    Raises:
        ConfigError: An option is wrong, nothing would be written anywhere, or the file cannot be opened; what was set up
            before stays.
    """
    from ._sinks import sinks  # noqa: PLC0415  # nobody else needs the handlers of the standard library

    made = sinks(console=console, file=file, rotate=rotate, keep=keep, json=json)
    try:
        number = _level(level)
    except ConfigError:
        for sink in made:
            sink.close()
        raise
    reset()
    for sink in made:
        _LOGGER.addHandler(sink)
    _LOGGER.setLevel(number)


def reset() -> None:
    """Take away what `configure` set up, and close its file."""
    for handler in list(_LOGGER.handlers):
        if getattr(handler, "ours", False):
            _LOGGER.removeHandler(handler)
            handler.close()
            _LOGGER.setLevel(logging.NOTSET)
    _failed.clear()


def _level(value: object) -> int:
    number = logging.getLevelNamesMapping().get(value.upper()) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        names = ", ".join(name for name in logging.getLevelNamesMapping() if name not in ("NOTSET", "WARN", "FATAL"))
        raise ConfigError(f"level={value!r} must be a number of at least 0, or one of {names}")
    return number
