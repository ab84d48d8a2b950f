"""Faults that a `LoopbackServer` can be told to play, one per request.

server.script(rate_limited(retry_after=2), cut(after=40), Fault(delay=0.05))
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs

from ._exchange import OPENAI, Answer, Dialect, json_bytes, lower_names

__all__ = ["Fault", "cut", "overloaded", "rate_limited", "server_error", "stall"]


def _not_negative(_: object, attribute: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None and value < 0:
        raise ValueError(f"{attribute.name}={value!r} is negative; give 0 or more")
    if value is not None and not math.isfinite(value):
        raise ValueError(f"{attribute.name}={value!r} is no end of a wait; give a number")


def _a_status(_: object, __: attrs.Attribute[Any], value: int | None) -> None:
    if value is not None and not 100 <= value <= 999:
        raise ValueError(f"status={value!r} has not three digits; give 100 to 999")


@attrs.frozen(kw_only=True)
class Fault:
    """What goes wrong with one request; the fields combine, and none set is a healthy answer.

    `status` and `body` replace the answer, and then no route is asked; all other fields act on whatever the answer is.
    Counts of bytes are bytes of the body as a client reads it, without HTTP framing.

    Args:
        status: default 200 when only a body is given.
        headers: added to the answer's, replacing those of the same name; a false `content-length` is sent as given.
        body: bytes and text as they are, a dict as JSON; default for a status from 400 an error as the vendor whose path
            was asked would word it.
        content_type: default for a replaced answer `application/json`.
        delay: seconds of silence before anything else happens.
        cut_after: body bytes after which the connection is cut, without end mark and, under TLS, without goodbye.
        stall_after: body bytes after which nothing more is sent; the connection stays open until the client leaves.
        garbage: bytes that are not HTTP, then the end of the connection.
        drip: (bytes, seconds): the body in writes of so many bytes (framing counted), so many seconds apart.
        close_before: close the connection without an answer.
        close_after: answer as usual, then close the connection unannounced.
        reset: whichever way the connection is closed, with a TCP reset.
    """

    status: int | None = attrs.field(default=None, validator=_a_status)
    headers: Mapping[str, str] = attrs.field(factory=dict, converter=lower_names)
    body: bytes | str | dict[str, Any] | None = None
    content_type: str | None = None
    delay: float = attrs.field(default=0.0, validator=_not_negative)
    cut_after: int | None = attrs.field(default=None, validator=_not_negative)
    stall_after: int | None = attrs.field(default=None, validator=_not_negative)
    garbage: bool = False
    drip: tuple[int, float] | None = None
    close_before: bool = False
    close_after: bool = False
    reset: bool = False

    def __attrs_post_init__(self) -> None:
        if self.cut_after is not None and self.stall_after is not None:
            raise ValueError("cut_after and stall_after exclude each other; give one")
        if self.drip is not None and self.drip[0] < 1:
            raise ValueError(f"drip={self.drip!r} writes no bytes; give at least 1 per write")
        if self.reset and not self.closes:
            raise ValueError("reset says how a connection is closed; give cut_after, close_before or close_after too")

    @property
    def closes(self) -> bool:
        """Whether the connection ends with this request."""
        return self.cut_after is not None or self.garbage or self.close_before or self.close_after

    @property
    def limit(self) -> int | None:
        """Body bytes that are sent at most, or None for all."""
        return self.cut_after if self.stall_after is None else self.stall_after

    def replacement(self, dialect: Dialect = OPENAI) -> Answer | None:
        """Return the answer that stands for the route's own, or None when the route is to be asked."""
        if self.close_before or self.garbage:
            return Answer()  # never sent
        if self.status is None and self.body is None:
            return None
        status = self.status or 200
        if self.body is None and status >= 400:
            return dialect.refuse(status)
        return Answer(status, {"content-type": "application/json"}, self._encoded_body())

    def reshape(self, answer: Answer) -> Answer:
        """Return the answer with this fault's headers."""
        changes = dict(self.headers)
        if self.content_type is not None:
            changes["content-type"] = self.content_type
        return attrs.evolve(answer, headers={**answer.headers, **changes}) if changes else answer

    def _encoded_body(self) -> bytes:
        if isinstance(self.body, dict):
            return json_bytes(self.body)
        return self.body.encode() if isinstance(self.body, str) else self.body or b""


def rate_limited(*, retry_after: float | str | None = 1) -> Fault:
    """Answer 429; `retry_after` is seconds, or the header's text, or None for no header."""
    return Fault(status=429, headers=_retry_after(retry_after))


def server_error(status: int = 500) -> Fault:
    """Answer an error of the server's own, 500 to 599, without advice when to come again."""
    if not 500 <= status <= 599:
        raise ValueError(f"status={status!r} is no error of a server; give 500 to 599")
    return Fault(status=status)


def overloaded(*, retry_after: float | str | None = None) -> Fault:
    """Answer 503; `retry_after` is seconds, or the header's text, or None for no header."""
    return Fault(status=503, headers=_retry_after(retry_after))


def cut(*, after: int = 0, reset: bool = False) -> Fault:
    """Cut the connection `after` so many bytes of the body; 0 cuts after the head."""
    return Fault(cut_after=after, reset=reset)


def stall(*, after: int = 0) -> Fault:
    """Fall silent `after` so many bytes of the body; 0 is silence after the head."""
    return Fault(stall_after=after)


def _retry_after(value: float | str | None) -> dict[str, str]:
    return {} if value is None else {"retry-after": str(value)}
