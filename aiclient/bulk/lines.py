"""The lines of a bulk input: what each asks for, read one at a time, and what is wrong with those that cannot be asked."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from ..errors import AIClientError, ConfigError, InvalidRequestError
from ..jsontext import read
from ..prompts import messages_of
from ..request import ChatOptions, ChatRequest, check
from ..settings import merged, options_of
from .journal import key_of

__all__ = ["LONGEST", "Defaults", "Line", "lines_of"]

LONGEST: Final = 64 * 1024 * 1024
"""Bytes of one line: a file that is one endless line must not fill the memory."""

_OWN: Final = frozenset({"id", "prompt", "system", "messages", "request"})
"""The keys of a line that are no options of the request."""


@frozen
class Defaults:
    """What holds for every line that does not say otherwise."""

    system: str | None = field(default=None, repr=False)
    options: ChatOptions = field(factory=ChatOptions)


@frozen
class Line:
    """One line of the input.

    Args:
        number: Its place in the file, from 1.
        key: Of what it asks for, its id included; equal lines have equal keys.
        id: What its author calls it.
        request: What it asks for.
        error: Why it cannot be asked, where there is no request.
    """

    number: int
    key: str
    id: Any = None
    request: ChatRequest | None = field(default=None, repr=False)
    error: AIClientError | None = None


def lines_of(path: str | os.PathLike[str], defaults: Defaults | None = None, *, build: bool = True) -> Iterator[Line]:
    """Read a file of JSON lines; empty lines are passed over.

    Args:
        path: The file, in UTF-8.
        defaults: What lines leave out.
        build: Make the requests; without, there are only the keys.

    Raises:
        ConfigError: The file cannot be read, or a line is longer than 64 MiB.
    """
    base = defaults or Defaults()
    common = {} if base == Defaults() else {"system": base.system, "options": base.options.to_dict()}
    try:
        with Path(path).open("rb") as file:
            for number, raw in enumerate(iter(lambda: file.readline(LONGEST + 1), b""), 1):
                if len(raw) > LONGEST:
                    raise ConfigError(f"line {number} of {os.fspath(path)!r} is longer than {LONGEST >> 20} MiB")
                if raw.strip():
                    yield _line(number, raw, base, common, build=build)
    except OSError as error:
        problem = error.strerror or type(error).__name__
    else:
        return
    raise ConfigError(f"{os.fspath(path)!r} cannot be read: {problem}")


def _line(number: int, raw: bytes, base: Defaults, common: Mapping[str, Any], *, build: bool) -> Line:
    problem: AIClientError
    try:
        value = read(raw.decode("utf-8-sig" if number == 1 else "utf-8"))
    except ValueError as error:  # bytes that are no UTF-8 too
        key = key_of([common, raw.strip().hex()])
        problem = InvalidRequestError(f"line {number} is not valid JSON: {error}")
        return Line(number, key, error=problem)
    key, name = key_of([common, value] if common else value), value.get("id") if isinstance(value, dict) else None
    if not build:
        return Line(number, key, name)
    try:
        request = _request(value, base)
        check(request)
    except AIClientError as error:
        problem = error
    except (TypeError, ValueError) as error:
        problem = InvalidRequestError(str(error))
    else:
        return Line(number, key, name, request)
    return Line(number, key, name, error=_at(number, problem))


def _at(number: int, error: AIClientError) -> AIClientError:
    return InvalidRequestError(f"line {number}: {error}")


def _request(value: Any, base: Defaults) -> ChatRequest:
    """Return what one line asks for."""
    if not isinstance(value, dict):
        raise InvalidRequestError(
            f"a line is an object with a prompt, messages or a saved request, not {type(value).__name__}"
        )
    fields = {name: part for name, part in value.items() if name != "id"}
    saved = fields.pop("request", None) if set(fields) == {"request"} else fields if "aiclient" in fields else None
    if saved is not None:
        return _with(ChatRequest.from_dict(saved), base)
    given = [name for name in ("prompt", "messages") if name in fields]
    if len(given) != 1:
        raise InvalidRequestError(_lacking(fields, given))
    if "prompt" in fields and not isinstance(fields["prompt"], str):
        raise InvalidRequestError(f"its prompt is {type(fields['prompt']).__name__}, not a text")
    system = fields.get("system", base.system)
    messages = messages_of(fields[given[0]])
    before = messages_of([{"role": "system", "content": system}]) if system is not None else []
    own = options_of({name: part for name, part in fields.items() if name not in _OWN})
    return ChatRequest((*before, *messages), merged(base.options, own))


def _with(request: ChatRequest, base: Defaults) -> ChatRequest:
    before: tuple[Any, ...] = ()
    if base.system is not None and not any(message.role == "system" for message in request.messages):
        before = tuple(messages_of([{"role": "system", "content": base.system}]))
    return ChatRequest((*before, *request.messages), merged(base.options, request.options))


def _lacking(fields: Mapping[str, Any], given: list[str]) -> str:
    if given:
        return "it has both a prompt and messages: give one of them"
    for name in fields:
        close = difflib.get_close_matches(name, ("prompt", "messages"), 1)
        if close:
            return f"it has no {close[0]!r} and a key {name!r}: write {close[0]!r}"
    return "it has neither a prompt nor messages"
