"""Where a configuration comes from: a path, an open file, a dict, or a Config; what a file may be, and how it is read."""

from __future__ import annotations

import json
import os
import stat
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, cast

from attrs import frozen

from .. import jsontext
from ..errors import AIClientWarning, ConfigError
from .model import Config
from .yamlfile import read_yaml

__all__ = ["Read", "Readable", "Source", "read", "read_config"]

LARGEST: Final = 1_048_576
"""Bytes."""

_FORMATS: Final = {".json": "json", ".toml": "toml", ".yaml": "yaml", ".yml": "yaml"}


class Readable(Protocol):
    """An open file, of text or bytes."""

    def read(self, size: int = ..., /) -> str | bytes:
        """Return at most `size` characters or bytes."""
        ...


Source: TypeAlias = "str | os.PathLike[str] | Readable | Mapping[str, Any] | Config"
"""A path, an open file, a dict as a file would hold it, or a Config."""


@frozen
class Read:
    """A configuration that was read.

    Args:
        config: What it holds.
        path: The file's path, if it has one.
        from_file: Whether it is from a file, which yields to the environment; code does not.
    """

    config: Config
    path: Path | None = None
    from_file: bool = False


def read_config(source: Source) -> Config:
    """Return the configuration that a path, an open file or a dict holds.

    Files are JSON (`.json`), TOML (`.toml`) or YAML (`.yaml`, `.yml`; needs `pip install 'aiclient[yaml]'`), UTF-8, of at most
    1 MiB. A file without such a name is YAML's if it has one of none, so give open files of JSON or TOML a name or pass a dict.
    One that holds secrets itself and can be read by others than its owner warns (AIClientWarning).

    Raises:
        ConfigError: It cannot be read, or holds what it cannot; the message names paths, never values.
    """
    return read(source).config


def read(source: Source) -> Read:
    """Return what `read_config` returns, and where it is from."""
    if isinstance(source, Config):
        return Read(source)
    if isinstance(source, Mapping):
        return Read(Config.of(source))
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        return Read(_config(_content(path), path.suffix.lower(), str(path), path), path, from_file=True)
    given: Any = source
    if not callable(getattr(given, "read", None)):
        raise ConfigError(f"a configuration is a path, an open file, a dict or a Config, not {type(given).__name__}")
    name = getattr(given, "name", None)
    label = name if isinstance(name, str) else ""
    text = _rest(given, f"the configuration {label!r}" if label else "the configuration")
    where = Path(label) if label and Path(label).is_file() else None
    return Read(_config(text, Path(label).suffix.lower(), label, where), where, from_file=True)


def _rest(file: Readable, title: str) -> bytes:
    """Return what an open file holds from where it stands."""
    problem: str
    try:
        content = file.read(LARGEST + 1)
        return content.encode() if isinstance(content, str) else content
    except UnicodeError:
        problem = "it is not UTF-8"
    except (OSError, ValueError) as error:  # not open for reading, or not open at all
        problem = getattr(error, "strerror", None) or str(error)
    raise ConfigError(f"{title} cannot be read: {problem}")


def _content(path: Path) -> bytes:
    problem: str
    try:
        if path.exists() and not path.is_file():  # a pipe or a device would block or never end
            problem = "it is no regular file"
        else:
            with path.open("rb") as file:
                return file.read(LARGEST + 1)
    except OSError as error:
        problem = error.strerror or type(error).__name__
    except ValueError:
        problem = "no path holds a zero byte"
    raise ConfigError(f"the configuration {str(path)!r} cannot be read: {problem}")


def _config(content: bytes, suffix: str, label: str, path: Path | None) -> Config:
    title = f"the configuration {label!r}" if label else "the configuration"
    if len(content) > LARGEST:
        raise ConfigError(f"{title} is larger than {LARGEST} bytes")
    kind = _FORMATS.get(suffix)
    if kind is None and suffix:
        raise ConfigError(f"{title} must end in .json, .toml, .yaml or .yml")
    value = _parsed(content, kind, title)
    if not isinstance(value, Mapping):
        raise ConfigError(f"{title} must hold an object, not {'nothing' if value is None else 'a single value'}")
    config = Config.of(cast("Mapping[str, Any]", value), source=repr(label) if label else "")
    _warn_of_readers(config, path)  # now: what is too large or holds itself was refused
    return config


def _parsed(content: bytes, kind: str | None, title: str) -> Any:
    problem: str
    try:
        text = content.decode("utf-8-sig")
        if kind == "toml":
            return _toml(text)
        if kind == "json" or (kind is None and text.lstrip().startswith("{")):
            return _json(text)
        return read_yaml(text)
    except UnicodeDecodeError:
        problem = "it is not UTF-8"
    except ValueError as error:
        problem = str(error)
    raise ConfigError(f"{title} cannot be read: {problem}")


def _json(text: str) -> Any:
    problem: str
    try:
        return jsontext.read(text)
    except json.JSONDecodeError as error:  # its own words may not quote the text
        problem = f"it is not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
    raise ValueError(problem)


def _toml(text: str) -> Any:
    import tomllib  # noqa: PLC0415  # for files of this kind only

    place = ""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        words = str(error)
        place = words[words.rfind("(at ") :].strip("()") if "(at " in words else ""
        twice = "overwrite" in words or "twice" in words
    except ValueError:
        raise ValueError("an integer has too many digits") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    raise ValueError(f"{'a key is given twice' if twice else 'it is not TOML'}{f' ({place})' if place else ''}")


def _warn_of_readers(config: Config, path: Path | None) -> None:
    """Say so when a file holds secrets that others on this machine may read."""
    if path is None or sys.platform == "win32":
        return
    try:
        mode = path.stat().st_mode
    except OSError:  # taken away since it was read
        return
    places = config.secrets_inside
    if places and mode & (stat.S_IRGRP | stat.S_IROTH):
        warnings.warn(
            f"the configuration {str(path)!r} holds secrets ({', '.join(places[:3])}) and others than its owner may read it: "
            "chmod 600, or write env:NAME or file:path in their place",
            AIClientWarning,
            stacklevel=6,
        )
