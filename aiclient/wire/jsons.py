"""JSON, decoded from bytes by the fastest decoder at hand, with the same result whichever that is.

orjson decodes three times faster than the standard library and is used when it can be imported. What it refuses is tried
again with the standard library, which therefore decides alone what is an error (orjson refuses lone surrogates, which
models do write).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from ..errors import InvalidRequestError, ProtocolError

__all__ = ["dumps", "loads", "named"]

_BLANK: Final = " \t\n\r"
_LONGEST_EXACT: Final = 18
"""Digits of an integer that surely fits 64 bits."""


def _integer(digits: str) -> int | float:
    """Read an integer; beyond 64 bits it becomes a float, as orjson has it, so that a counter cannot fill the memory."""
    if len(digits) <= _LONGEST_EXACT:
        return int(digits)
    approximate = float(digits)
    if not -1e300 < approximate < 1e300:
        raise ValueError("an integer is too large")
    value = int(digits)
    return value if -(1 << 63) <= value < 1 << 64 else approximate


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_scan: Final[Callable[[str, int], tuple[Any, int]]] = json.JSONDecoder(
    parse_int=_integer,
    parse_constant=_refuse_constant,
).scan_once  # type: ignore[attr-defined]  # set in the constructor, unknown to typeshed


def _loads_standard(data: bytes) -> Any:
    """Decode with the standard library; calling the scanner itself saves a third of the time of `json.loads`."""
    text = data.decode()
    if text[:1] in " \t\n\r\ufeff":  # OpenRouter pads its bodies with blank lines to keep the connection open
        text = text.removeprefix("\ufeff").lstrip(_BLANK)
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        raise ValueError("no JSON value") from None
    if end != len(text) and text[end:].strip(_BLANK):
        raise ValueError("something follows the JSON value")
    return value


def _fastest() -> Callable[[bytes], Any]:
    try:
        import orjson  # noqa: PLC0415  # optional
    except ImportError:
        return _loads_standard
    decode = orjson.loads

    def loads_orjson(data: bytes) -> Any:
        try:
            return decode(data)
        except ValueError:
            return _loads_standard(data)

    return loads_orjson


_decode = _fastest()


def loads(data: bytes) -> Any:
    """Return the value that `data` is the JSON text of.

    A byte order mark is skipped; of a key given twice the last value counts.

    Raises:
        ProtocolError: It is not JSON or not UTF-8 (`kind="decode"`), or nested too deeply (`kind="depth"`). The message
            never quotes the text.
    """
    try:
        return _decode(data)
    except RecursionError:
        kind, problem = "depth", "is nested too deeply"
    except UnicodeDecodeError as error:
        kind, problem = "decode", f"is not UTF-8 (at byte {error.start} of {len(data)})"
    except json.JSONDecodeError as error:
        kind, problem = "decode", f"is not JSON (at character {error.pos} of {len(data)} bytes)"
    except ValueError:
        kind, problem = "decode", f"is not JSON ({len(data)} bytes)"
    # Raised here: inside `except` the decoder's error, which carries the whole text, would stay attached.
    raise ProtocolError(f"what the service sent {problem}", kind=kind)


def named(value: Any) -> str | None:
    """Return a name or an id of a decoded value; a number counts as its digits, anything else as not told."""
    if type(value) is str:
        return value or None
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


_write: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain
).encode  # made once: `json.dumps` with options makes one each time


def dumps(value: Any) -> bytes:
    """Return the JSON text of `value`, as short as it gets.

    Always by the standard library: orjson writes NaN as null and refuses lone surrogates, and one request is written for
    every hundred chunks read.

    Raises:
        InvalidRequestError: The value holds something that JSON has no form for.
    """
    try:
        text = _write(value)
    except RecursionError:
        problem = "it is nested too deeply"
    except (TypeError, ValueError) as error:
        problem = str(error)
    else:
        try:
            return text.encode()
        except UnicodeEncodeError:  # a lone surrogate: only the escaped form can carry it
            return json.dumps(value, separators=(",", ":"), default=_plain).encode()
    raise InvalidRequestError(f"the request cannot be written as JSON: {problem}")
