"""Files of environment variables (`.env`): read only when they are asked for, and never over a variable that is set."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ..errors import ConfigError

__all__ = ["with_env_file"]

LARGEST: Final = 1_048_576
"""Bytes."""

_LINE: Final = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


def with_env_file(environ: Mapping[str, str] | None, path: str | os.PathLike[str] | None) -> Mapping[str, str]:
    """Return the environment, with what a file adds to it; neither is changed.

    A line is `NAME=value`, with `export` before it if you like; a value may stand in quotes, and then after it and, unquoted,
    after white space a comment. Nothing is filled in or run. A variable that is set, though it is empty, stays as it is.

    Raises:
        ConfigError: The file cannot be read, or a line is none; the message names the line's number, never what it holds.
    """
    given = os.environ if environ is None else environ
    if path is None:
        return given
    problem: str
    try:
        with Path(path).open("rb") as file:  # it may be a pipe, or a device without end
            content = file.read(LARGEST + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        problem = error.strerror or type(error).__name__
    except UnicodeDecodeError:
        problem = "it is not UTF-8"
    except ValueError:
        problem = "no path holds a zero byte"
    else:
        if len(content) <= LARGEST:
            return {**_variables(text, str(path)), **given}
        problem = f"it is larger than {LARGEST} bytes"
    raise ConfigError(f"the env file {str(path)!r} cannot be read: {problem}")


def _variables(text: str, path: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(stripped)
        value = None if match is None else _value(match[2])
        if match is None or value is None:
            raise ConfigError(f"the env file {path!r}, line {number}: must be NAME=value")
        found[match[1]] = value
    return found


def _value(text: str) -> str | None:
    """Return a value without its quotes and the comment after it; None if the quotes do not close."""
    if text[:1] in ("'", '"'):
        quoted, closed, rest = text[1:].partition(text[0])
        return quoted if closed and (not rest.strip() or rest.strip().startswith("#")) else None
    return re.split(r"\s+#", text, maxsplit=1)[0].strip() if not text.startswith("#") else ""
