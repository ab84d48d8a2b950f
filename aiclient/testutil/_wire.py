"""What the loopback server's wires share: words for tokens, checked bodies, paced stub models, example values."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

import attrs

from ._exchange import Answer, RecordedRequest, error_answer

__all__ = ["BadBodyError", "JsonObject", "Reply", "Stub", "checked", "example", "positive", "words"]

JsonObject = dict[str, Any]
"""A decoded JSON object, of which nothing more is known."""

Reply = str | Callable[[list[JsonObject]], str]
"""The text of every answer, or a function from a request's messages to it."""

STUB_MODEL = re.compile(r"stub-s(\d{1,6})(?:-b(\d{1,6}))?(?:-p(\d{1,6}))?")
"""Content chunks, chunks per socket write, milliseconds between writes."""

STUB_PER_WRITE = 16
"""Chunks per socket write where the model's name says nothing, so that a storm measures clients, not this server."""

WORD = re.compile(r"\s*\S+|\s+\Z")


class BadBodyError(Exception):
    """A request body that OpenAI would answer with 400."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.answer = error_answer(400, message, param=param, code=code)


@attrs.frozen
class Stub:
    """A model whose name says how it streams: `stub-s<chunks>[-b<chunks per socket write>][-p<milliseconds>]`."""

    chunks: int
    per_write: int
    pause: float

    @classmethod
    def named(cls, model: str) -> Stub | None:
        """Read a model's name; None when it is an ordinary one."""
        match = STUB_MODEL.fullmatch(model)
        if match is None:
            return None
        chunks, per_write, pause = match.groups()
        return cls(int(chunks), max(int(per_write or STUB_PER_WRITE), 1), int(pause or 0) / 1000)


def words(text: str) -> list[str]:
    """Split a text so that joining gives it back; a word carries the space before it."""
    return WORD.findall(text)


def checked(handler: Callable[[JsonObject, str], Answer]) -> Callable[[RecordedRequest], Answer]:
    """Give the handler a decoded body and a digest of it, and answer 400 for what it cannot take."""

    def handle(request: RecordedRequest) -> Answer:
        try:
            body = request.json
        except (ValueError, RecursionError):
            return error_answer(400, "We could not parse the JSON body of your request.")
        if not isinstance(body, dict):
            return error_answer(400, "The body must be a JSON object.")
        try:
            return handler(body, hashlib.sha256(request.body).hexdigest()[:24])
        except BadBodyError as error:
            return error.answer

    return handle


def example(schema: JsonObject) -> Any:
    """Return the plainest value that fits a tool's JSON schema: what it requires, nothing more."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "object":
        properties = schema.get("properties") or {}
        return {name: example(properties.get(name) or {}) for name in schema.get("required") or ()}
    return {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "array": []}.get(kind)


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
