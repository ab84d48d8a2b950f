"""Logging set-up and correlation: which records belong to one piece of the caller's work."""

from __future__ import annotations

import contextlib
import logging
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["configure", "correlation", "correlation_id"]

_correlation: ContextVar[str | None] = ContextVar("aiclient_correlation", default=None)

logging.getLogger("aiclient").addHandler(logging.NullHandler())


def correlation_id() -> str | None:
    """Return the identifier that the surrounding `correlation` set, or None."""
    return _correlation.get()


@contextlib.contextmanager
def correlation(identifier: str) -> Iterator[None]:
    """Mark every record that is logged inside, in this task and those it starts, with `identifier`.

    Example:
        >>> with correlation("order-17"):
        ...     correlation_id()
        'order-17'
    """
    token = _correlation.set(identifier)
    try:
        yield
    finally:
        _correlation.reset(token)


class _Fields(logging.Formatter):
    """One line a record: time, level, message, then the structured fields as `name=value`."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        fields = getattr(record, "aiclient", None) or {}
        tail = " ".join(f"{name}={value!r}" for name, value in fields.items() if value is not None)
        return f"{line} {tail}" if tail else line


def configure(level: int | str = "INFO") -> None:
    """Print this library's records to standard error, one line each; for scripts and notebooks.

    Replaces what an earlier call set up, and touches no other logger. Applications with a logging set-up of their own
    need nothing from here: records come from loggers under `aiclient` with their fields in `record.aiclient`.
    """
    logger = logging.getLogger("aiclient")
    for handler in list(logger.handlers):
        if isinstance(handler.formatter, _Fields):
            logger.removeHandler(handler)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Fields("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(level)
