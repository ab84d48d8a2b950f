"""What passes through the loopback server: requests as they came, answers as they go out, and the routes between."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Protocol

import attrs

__all__ = [
    "OPENAI",
    "Answer",
    "Dialect",
    "RecordedRequest",
    "Route",
    "bearer",
    "error_answer",
    "json_answer",
    "json_bytes",
    "usual_message",
]

ERROR_WORDS = {
    400: ("invalid_request_error", None, "Bad request."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("invalid_request_error", "permission_denied", "You are not allowed to do this."),
    404: ("invalid_request_error", "not_found", "Not found."),
    408: ("server_error", "request_timeout", "The request took too long to arrive."),
    413: ("invalid_request_error", "request_too_large", "The request is too large."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached. Please try again later."),
    500: ("server_error", None, "The server had an error while processing your request."),
    503: ("server_error", "overloaded", "The engine is currently overloaded, please try again later."),
    529: ("server_error", "overloaded", "Overloaded"),
}
"""Type, code and message that OpenAI's error bodies carry for a status (api.openai.com, recorded answers)."""

PHRASES = {status.value: status.phrase for status in HTTPStatus}

BODILESS = {204, 304}
"""Statuses whose answer ends with its head (RFC 9110, 6.4.1); a `content-length` there confuses clients."""


def lower_names(headers: Mapping[str, str]) -> dict[str, str]:
    """Give every header its lower-case name, so that one replaces another whatever their spelling."""
    return {name.lower(): value for name, value in headers.items()}


def _by_lower_name(request: RecordedRequest) -> dict[str, str]:
    return lower_names(dict(request.header_pairs))


@attrs.frozen
class RecordedRequest:
    """One request as it arrived; `connection_id` counts from 1 in the order the connections were opened."""

    method: str
    path: str
    query: str
    header_pairs: tuple[tuple[str, str], ...]
    body: bytes
    connection_id: int
    headers: dict[str, str] = attrs.field(
        init=False, repr=False, default=attrs.Factory(_by_lower_name, takes_self=True)
    )
    """Lower-case names; of a repeated header the last value (`header_pairs` has them all, as they were sent)."""

    @property
    def json(self) -> Any:
        """The body, decoded.

        Raises:
            ValueError: the body is not JSON.
        """
        return json.loads(self.body)


@attrs.frozen(slots=False)  # an instance dictionary holds the rendered bytes
class Answer:
    """What a route answers.

    Args:
        status: default 200.
        headers: names in any case; `content-length` or `transfer-encoding` and the request's id are added.
        body: bytes go out with their `content-length`; an iterable goes out chunked, one HTTP chunk per item, empty
            items left out. A tuple is framed once, so an Answer that is returned again costs nothing to render; a
            generator is read as the client reads, so it may be endless.
        pause: seconds between two socket writes, default none.
        per_write: items joined in one socket write, default 1.
        id_header: lower-case name of the header with the request's id, default `x-request-id`.
    """

    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict, converter=lower_names)
    body: bytes | Iterable[bytes] = b""
    pause: float = attrs.field(default=0.0, kw_only=True)
    per_write: int = attrs.field(default=1, kw_only=True, validator=attrs.validators.ge(1))
    id_header: str = attrs.field(default="x-request-id", kw_only=True)

    @functools.cached_property
    def head(self) -> bytes:
        """Status line and headers as sent, without what differs per request and without the empty line."""
        headers = dict(self.headers)
        if not isinstance(self.body, bytes):
            headers["transfer-encoding"] = "chunked"
        elif self.status not in BODILESS:
            headers.setdefault("content-length", str(len(self.body)))
        status_line = f"HTTP/1.1 {self.status:03d} {PHRASES.get(self.status, 'Unknown')}"
        lines = [status_line, *(f"{name}: {value}" for name, value in headers.items()), ""]
        return "\r\n".join(lines).encode()

    @functools.cached_property
    def ready(self) -> tuple[bytes, ...] | None:
        """All socket writes of the body, or None when it must be played over time or read from a generator."""
        if self.pause or not isinstance(self.body, bytes | tuple):
            return None
        return tuple(self.writes())

    def writes(self, limit: int | None = None) -> Iterator[bytes]:
        """Yield the body as socket writes; with a `limit` only so many bytes of it, and no mark of its end.

        Where the limit falls inside an item, its chunk announces the full size and stays short of it.
        """
        frames = self._frames(limit)
        while batch := b"".join(itertools.islice(frames, self.per_write)):
            yield batch

    def _frames(self, limit: int | None) -> Iterator[bytes]:
        if isinstance(self.body, bytes):
            yield self.body[:limit]
            return
        left = limit
        for item in filter(None, self.body):
            size = b"%x\r\n" % len(item)
            if left is not None and len(item) > left:
                yield size + item[:left] if left else b""
                return
            yield size + item + b"\r\n"
            left = left if left is None else left - len(item)
        if limit is None:
            yield b"0\r\n\r\n"


def json_bytes(value: object) -> bytes:
    """Encode compactly, as services do; half of a surrogate pair, which UTF-8 cannot carry, becomes `?`."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")


def json_answer(
    value: object, *, status: int = 200, headers: Mapping[str, str] | None = None, id_header: str = "x-request-id"
) -> Answer:
    """Answer with JSON, written compactly."""
    content = {"content-type": "application/json", **(headers or {})}
    return Answer(status, content, json_bytes(value), id_header=id_header)


def error_answer(
    status: int, message: str | None = None, *, param: str | None = None, code: str | None = None
) -> Answer:
    """Answer with an error body of OpenAI's shape; what is not given follows from the status."""
    kind, usual_code, _ = _words_for(status)
    error = {"message": message or usual_message(status), "type": kind, "param": param, "code": code or usual_code}
    return json_answer({"error": error}, status=status)


def usual_message(status: int) -> str:
    """Return what a service says with a status when there is nothing more to say."""
    return _words_for(status)[2]


def _words_for(status: int) -> tuple[str, str | None, str]:
    return ERROR_WORDS.get(status) or ERROR_WORDS[500 if status >= 500 else 400]


def bearer(request: RecordedRequest, key: str) -> bool:
    """Say whether the request carries the key as OpenAI asks for it."""
    return request.headers.get("authorization") == f"Bearer {key}"


class Refuse(Protocol):
    """Makes the answer that says no, in a vendor's own shape; what is not given follows from the status."""

    def __call__(
        self, status: int, message: str | None = None, *, param: str | None = None, code: str | None = None
    ) -> Answer:
        """Return the answer."""
        ...


def _unauthorized(dialect: Dialect) -> Answer:
    return dialect.refuse(401)


@attrs.frozen
class Dialect:
    """How a vendor says no, and where it looks for the key.

    Args:
        refuse: makes its error bodies.
        carries: whether a request carries the key.
        wrong_key: the answer to a missing or wrong key, default `refuse(401)`.
    """

    refuse: Refuse
    carries: Callable[[RecordedRequest, str], bool] = bearer
    wrong_key: Answer = attrs.field(default=attrs.Factory(_unauthorized, takes_self=True))


OPENAI = Dialect(error_answer)
"""OpenAI's, and everybody's on a path that is nobody's."""


@attrs.frozen
class Route:
    """What answers one kind of request.

    Args:
        method: upper case.
        path: without the query. Exact, or with `*` for any text, as in `/v1beta/models/*:generateContent`.
        handler: called on the server's thread, so it must not block; an exception in it is answered with a 500.
        dialect: how it is said that something is wrong, default OpenAI's way.
        when: what else the request must fulfil, for a path that several vendors share; default nothing.
    """

    method: str
    path: str
    handler: Callable[[RecordedRequest], Answer]
    dialect: Dialect = attrs.field(default=OPENAI, kw_only=True)
    when: Callable[[RecordedRequest], bool] | None = attrs.field(default=None, kw_only=True)
