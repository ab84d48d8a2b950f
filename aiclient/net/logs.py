"""What HTTP libraries log of our exchanges: no URL at INFO, and no key of ours at DEBUG.

httpx prints the URL of every request at INFO, httpcore the headers of every answer at DEBUG, and services repeat in headers
what they were sent. A filter on their loggers leaves out the first, for exchanges of ours alone, and masks known secrets in
all the rest; levels, handlers and the records of other people's exchanges stay as they are.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from ..redaction import known

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["guard", "ours"]

_ours: ContextVar[bool] = ContextVar("aiclient_exchange", default=False)

_NAMES: Final = (
    "httpx",
    "httpx2",
    *(
        f"{library}.{part}"
        for library in ("httpcore", "httpcore2")
        for part in ("connection", "http11", "http2", "proxy", "socks")
    ),
)


@functools.cache
def guard() -> None:
    """Put the filter on the loggers of the HTTP libraries, once."""
    for name in _NAMES:
        logging.getLogger(name).addFilter(_shown)


@contextlib.contextmanager
def ours() -> Iterator[None]:
    """Mark what is sent inside as an exchange of ours."""
    token = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(token)


def _shown(record: logging.LogRecord) -> bool:
    """Leave out the URLs of our exchanges, and mask our secrets in what stays."""
    if record.levelno >= logging.INFO and _ours.get() and record.name.startswith("httpx"):
        return record.levelno > logging.INFO
    said = record.getMessage()
    masked = known(said)
    if masked != said:
        record.msg, record.args = masked, ()
    return True
