"""Text that other people wrote, on its way to the terminal."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from ..errors import AIClientError

__all__ = ["complain", "escaped", "note", "put", "put_drawn"]

_UNSAFE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters other than tab and newline, and those that change the direction of text: they move the cursor, set
the title, or make a line read as it is not."""


def escaped(text: str) -> str:
    r"""Return `text` with its control characters written out.

    Example:
        >>> print(escaped("\x1b[31mred\x1b[0m"))
        \x1b[31mred\x1b[0m
    """
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def put(text: str, stream: TextIO | None = None) -> None:
    """Write `text` at once: escaped on a terminal, as it is into a pipe or a file."""
    target: TextIO = stream or sys.stdout
    _write(escaped(text) if target.isatty() else text, target)


def put_drawn(text: str) -> None:
    """Write to the terminal what was drawn for it here, of text that is escaped."""
    _write(text, sys.stdout)


def _write(text: str, target: TextIO) -> None:
    encoding = target.encoding or "utf-8"
    target.write(text.encode(encoding, "backslashreplace").decode(encoding))
    target.flush()


def note(text: str) -> None:
    """Write one line to standard error, escaped wherever it goes."""
    line = escaped(text).replace("\n", "\\n")
    put(f"aiclient: {line}\n", sys.stderr)


def complain(error: AIClientError) -> None:
    """Say in one line what failed, and what a report to the service's support needs."""
    facts = [
        error.category,
        " ".join(name for name in (error.provider, error.model) if name),
        f"HTTP {error.status_code}" if error.status_code else "",
        f"{len(error.attempts)} attempts" if len(error.attempts) > 1 else "",
        f"request {error.request_id}" if error.request_id else "",
    ]
    note(f"{error} [{', '.join(fact for fact in facts if fact)}]")
