"""What the loopback server's wires share: checked bodies, words for tokens, vectors, framed events."""

from __future__ import annotations

import hashlib
import math
import re
import struct
from collections.abc import Callable, Sequence
from typing import Any

from ._exchange import OPENAI, Answer, Dialect, RecordedRequest, json_bytes

__all__ = [
    "DIMENSIONS",
    "MOST_DIMENSIONS",
    "BadBodyError",
    "JsonObject",
    "checked",
    "objects",
    "packed_vector",
    "positive",
    "sse",
    "texts",
    "tokens",
    "vector",
    "words",
]

JsonObject = dict[str, Any]
"""A decoded JSON object, of which nothing more is known."""

DIMENSIONS = 8
MOST_DIMENSIONS = 4096

WORD = re.compile(r"\s*\S+|\s+\Z")


class BadBodyError(Exception):
    """A request body that the service would answer with 400."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.code = code


def sse(value: JsonObject, *, name: str | None = None, end: bytes = b"\n") -> bytes:
    """Frame a server-sent event."""
    named = b"event: %b%b" % (name.encode(), end) if name else b""
    return b"%bdata: %b%b%b" % (named, json_bytes(value), end, end)


def words(text: str) -> list[str]:
    """Split a text so that joining gives it back; a word carries the space before it."""
    return WORD.findall(text)


def tokens(*content: Any) -> int:
    """Count the words of all texts in messages, contents and parts, however a wire nests them."""
    return sum(len(words(text)) for item in content for text in texts(item))


def texts(content: Any) -> list[str]:
    """Return the texts in messages, contents and parts, in order."""
    if isinstance(content, str):
        return [content]
    if isinstance(content, list):
        return [text for item in content for text in texts(item)]
    if isinstance(content, dict):
        return [text for key in ("text", "content", "parts") for text in texts(content.get(key))]
    return []


def checked(
    handler: Callable[[JsonObject, RecordedRequest], Answer], dialect: Dialect = OPENAI
) -> Callable[[RecordedRequest], Answer]:
    """Give the handler the decoded body, and answer 400 for what it cannot take."""

    def handle(request: RecordedRequest) -> Answer:
        try:
            body = request.json
        except (ValueError, RecursionError):
            return dialect.refuse(400, "We could not parse the JSON body of your request.")
        if not isinstance(body, dict):
            return dialect.refuse(400, "The body must be a JSON object.")
        try:
            return handler(body, request)
        except BadBodyError as error:
            return dialect.refuse(400, str(error), param=error.param, code=error.code)

    return handle


def objects(body: JsonObject, name: str) -> list[JsonObject]:
    """Return a list of objects, such as the messages, out of a body.

    Raises:
        BadBodyError: it is something else, or empty.
    """
    found = body.get(name)
    if found is None:
        raise BadBodyError(f"Missing required parameter: {name!r}.", param=name, code="missing_required_parameter")
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise BadBodyError(f"{name!r} must be a list of objects.", param=name, code="invalid_type")
    if not found:
        raise BadBodyError(f"{name!r} must not be empty.", param=name, code="empty_array")
    return found


def positive(body: JsonObject, name: str, *, default: int, most: int = 1_000_000) -> int:
    """Return a whole number from 1 to `most` out of a body; null is as good as nothing.

    Raises:
        BadBodyError: it is something else.
    """
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or not 1 <= value <= most:
        raise BadBodyError(f"{name!r} must be a whole number from 1 to {most}.", param=name, code="invalid_value")
    return value


def packed_vector(text: str, size: int = DIMENSIONS) -> bytes:
    """Pack `size` little-endian float32 drawn from the text's hash, the whole of length 1."""
    drawn = struct.unpack(f"<{size}i", hashlib.shake_256(text.encode("utf-8", "surrogatepass")).digest(4 * size))
    length = math.hypot(*drawn) or 1.0
    return struct.pack(f"<{size}f", *(number / length for number in drawn))


def vector(text: str, size: int = DIMENSIONS) -> Sequence[float]:
    """Return the vector of a text, the same on every wire."""
    return struct.unpack(f"<{size}f", packed_vector(text, size))
