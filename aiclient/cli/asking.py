"""What `ask` puts into its request: texts, files, pictures, a schema, tools."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .. import jsontext
from ..errors import AIClientError, ConfigError, InvalidMessageError
from ..media import audio, document, image, kind_of, video
from ..tools.functions import tool
from .terminal import note

if TYPE_CHECKING:
    import argparse

    from ..messages import Part
    from ..tools.use import AnyTool

__all__ = ["MOST", "asked", "files", "instructed", "schema", "spoken", "tools"]

MOST_TEXT: Final = 4 * 1024 * 1024
"""Bytes of one text file; more fits into no prompt."""

MOST: Final = 256 * 1024 * 1024
"""Bytes of any file, characters of standard input: a device without end must not fill the memory."""

_MEDIA: Final[Mapping[str, Callable[[bytes], Part]]] = {"image": image, "audio": audio, "video": video}


def asked(prompt: str) -> str:
    """Return the prompt: what stands on the command line, or, of `-`, what standard input holds.

    Raises:
        InvalidMessageError: It is not text.
        ConfigError: Standard input cannot be read.
    """
    if prompt != "-":
        return spoken(prompt, "the prompt")
    if sys.stdin.isatty():
        note("reading the prompt from the keyboard; Ctrl-D ends it")
    problem: str
    try:
        text = sys.stdin.read(MOST + 1)
        if len(text) <= MOST:
            return spoken(text, "standard input")
        problem = f"it is larger than {MOST >> 20} MiB"
    except UnicodeDecodeError as error:
        raise InvalidMessageError(f"standard input is not text in {sys.stdin.encoding}: {error.reason}") from None
    except OSError as error:
        problem = error.strerror or type(error).__name__
    raise ConfigError(f"standard input cannot be read: {problem}")


def spoken(text: str, what: str) -> str:
    """Return a text as it was meant in UTF-8, whatever the locale: one that has no such letters hands bytes through.

    Raises:
        InvalidMessageError: It is none.
    """
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError as error:
        problem = error.reason if isinstance(error, UnicodeDecodeError) else "it holds half a character"
    raise InvalidMessageError(f"{what} is not text in UTF-8: {problem}")


def instructed(arguments: argparse.Namespace) -> str | None:
    """Return what `--system` says, if anything.

    Raises:
        InvalidMessageError: It is not text.
    """
    return None if arguments.system is None else spoken(arguments.system, "--system")


def files(paths: Iterable[str]) -> tuple[list[str], list[Part]]:
    """Read files: the texts, each under its name, and the pictures and documents.

    Raises:
        ConfigError: One cannot be read, or is neither text nor of a known kind.
    """
    texts: list[str] = []
    parts: list[Part] = []
    for path in paths:
        data = _read(path)
        kind = kind_of(data)
        if kind is None:
            texts.append(f"{Path(path).name}:\n\n{_text(path, data)}")
        elif kind == "document":
            parts.append(document(data, name=Path(path).name))
        else:
            parts.append(_MEDIA[kind](data))
    return texts, parts


def schema(path: str) -> Mapping[str, Any]:
    """Read a JSON schema.

    Raises:
        ConfigError: The file cannot be read, or holds none.
    """
    data = _read(path)
    try:
        value = jsontext.read(data.decode("utf-8-sig"))
    except ValueError as error:  # bytes that are no UTF-8 too
        problem = f"is not JSON: {error}"
    else:
        if isinstance(value, dict):
            return value
        problem = f"must hold a JSON schema, an object, not {type(value).__name__}"
    raise ConfigError(f"--schema {path!r} {problem}")


def tools(names: Iterable[str]) -> list[AnyTool]:
    """Import the functions that `module:function` stand for; the current folder's modules are found too.

    Raises:
        ConfigError: There is no such module or function, or it can be no tool.
    """
    wanted = list(names)
    if wanted:
        with contextlib.suppress(FileNotFoundError):  # the folder was removed: there is nothing in it to be found
            here = os.getcwd()  # noqa: PTH109  # sys.path holds texts
            if here not in sys.path:
                sys.path.insert(0, here)
    return [_tool(name) for name in wanted]


def _tool(name: str) -> AnyTool:
    module_name, colon, function_name = name.partition(":")
    if not (module_name and colon and function_name):
        raise ConfigError(f"--tool {name!r}: write module:function, such as weather:forecast")
    problem: str
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the user's own module may raise anything while it is imported
        problem = f"{module_name} could not be imported: {type(error).__name__}: {error}"
    else:
        found = getattr(module, function_name, None)
        if found is not None:
            return _made(name, found)
        close = difflib.get_close_matches(function_name, vars(module), 1)
        problem = f"{module_name} has no {function_name!r}{f'; did you mean {close[0]}?' if close else ''}"
    raise ConfigError(f"--tool {name!r}: {problem}")


def _made(name: str, found: Any) -> AnyTool:
    problem: str
    try:
        made: AnyTool = found if hasattr(found, "tool") else tool(found)
    except (AIClientError, TypeError, ValueError) as error:
        problem = str(error)
    else:
        return made
    raise ConfigError(f"--tool {name!r} can be no tool: {problem}")


def _read(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            data = file.read(MOST + 1)
        if len(data) <= MOST:
            return data
        problem = f"it is larger than {MOST >> 20} MiB"
    except OSError as error:
        problem = error.strerror or type(error).__name__
    raise ConfigError(f"{path!r} cannot be read: {problem}")


def _text(path: str, data: bytes) -> str:
    if len(data) > MOST_TEXT:
        raise ConfigError(f"{path!r} has {len(data)} bytes; a text may have {MOST_TEXT}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    raise ConfigError(f"{path!r} is neither text in UTF-8 nor a picture or a document of a known kind")
