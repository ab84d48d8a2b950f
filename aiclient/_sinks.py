"""Where `logs.configure` writes: lines on the console and in files that rotate, whose failures fail nobody else."""

from __future__ import annotations

import contextlib
import errno
import json as json_
import logging
import logging.handlers
import os
import sys
from datetime import UTC, datetime
from io import TextIOWrapper
from typing import Any, Final, cast

from .errors import ConfigError
from .logs import complain
from .redaction import clean, redact

__all__ = ["JSONLine", "Line", "sinks"]

_TEXT: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"


def sinks(
    *,
    console: bool,
    file: str | os.PathLike[str] | None,
    rotate: int | None,
    keep: int,
    json: bool | None,
) -> list[logging.Handler]:
    """Return the handlers that these options of `logs.configure` stand for.

    Raises:
        ConfigError: An option is wrong, or the file cannot be opened.
    """
    _check("console", console, ok=isinstance(console, bool), what="True or False")
    _check("json", json, ok=json is None or isinstance(json, bool), what="True, False or None")
    _check("rotate", rotate, ok=rotate is None or _whole(rotate), what="a number of bytes of at least 1, or None")
    _check("keep", keep, ok=_whole(keep), what="a whole number of at least 1")
    _check("file", file, ok=file is None or _path(file), what="a path, or None")
    if not console and file is None:
        raise ConfigError("console=False and file=None: nothing would be written; logs.reset() ends the logging")
    made: list[logging.Handler] = []
    if file is not None:
        kept = _opened(os.fspath(file), rotate, keep)
        kept.setFormatter(Line(_TEXT) if json is False else JSONLine())
        made.append(kept)
    if console:
        printed = Console()
        printed.setFormatter(JSONLine() if json else Line(_TEXT))
        made.append(printed)
    return made


def _check(name: str, value: object, *, ok: bool, what: str) -> None:
    if not ok:
        raise ConfigError(f"{name}={value!r} must be {what}")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _path(value: object) -> bool:
    return isinstance(value, (str, os.PathLike)) and bool(os.fspath(value))


def _opened(path: str, rotate: int | None, keep: int) -> File:
    options: dict[str, Any] = {"maxBytes": rotate or 0, "backupCount": keep, "errors": "backslashreplace"}
    problem: str
    try:
        return File(path, encoding="utf-8", delay=not _is_there(path), **options)
    except OSError as error:
        problem = error.strerror or type(error).__name__
    except ValueError as error:  # a null byte
        problem = str(error)
    raise ConfigError(f"file={path!r} cannot be opened for logging: {problem}")


def _is_there(path: str) -> bool:
    """Whether the file exists; one that does not is made by the first record, so that looking at a set-up leaves nothing.

    Raises:
        OSError: It cannot be made there.
    """
    try:
        os.stat(path)  # noqa: PTH116  # a text, as the handler has it
    except FileNotFoundError:
        folder = os.path.dirname(path) or os.curdir  # noqa: PTH120  # as above
        os.stat(folder)  # noqa: PTH116  # as above
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from None
        return False
    return True


# --- sinks ---


class Console(logging.StreamHandler[Any]):
    """Standard error, whatever it is at the moment."""

    ours = True

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        self.stream = sys.stderr  # notebooks, tests and daemons replace it
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the standard library's name
        """Say once that it fails."""
        complain(f"the console cannot be logged to: {type(sys.exception()).__name__}")


class File(logging.handlers.RotatingFileHandler):
    """A file that is moved aside when it is full, readable for its owner alone."""

    ours = True

    def close(self) -> None:
        """Close the file; what could not be written by then is lost, and that has been said."""
        with contextlib.suppress(OSError):  # as the line above says
            super().close()

    def _open(self) -> TextIOWrapper:
        opened: Any = open(  # noqa: SIM115  # closed with the handler
            self.baseFilename, self.mode, encoding=self.encoding, errors=self.errors, opener=_private
        )
        return cast("TextIOWrapper", opened)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the standard library's name
        """Say once that it fails; the next record tries again."""
        error = sys.exception()
        why = getattr(error, "strerror", None) or type(error).__name__
        complain(f"the log file {self.baseFilename} cannot be written: {why}")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


# --- lines ---


class Line(logging.Formatter):
    """One line a record: time, level, message, then the structured fields as `name=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = super().format(record)
        fields = getattr(record, "aiclient", None) or {}
        tail = " ".join(f"{name}={value!r}" for name, value in fields.items() if value is not None)
        return clean(f"{line} {tail}" if tail else line)


class JSONLine(logging.Formatter):
    """One JSON object a record: `time` (UTC), `level`, `logger`, `message`, and the structured fields beside them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object; it holds ASCII alone."""
        own: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            own["exception"] = self.formatException(record.exc_info)
        fields = getattr(record, "aiclient", None) or {}
        shown = {**fields, **own}
        line = json_.dumps(shown, default=str)
        return line if redact(line) == line else json_.dumps(_shown(shown), default=lambda value: redact(str(value)))


def _shown(value: Any) -> Any:
    """Mask the secrets in every text of a JSON value."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(str(name)): _shown(item) for name, item in value.items()}
    return [_shown(item) for item in value] if isinstance(value, (list, tuple)) else value
