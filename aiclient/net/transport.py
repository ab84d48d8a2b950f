"""What a way to send HTTP calls is, and within what limits it sends."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from attrs import field, frozen

from ..attempt import SHORT
from ..errors import ConfigError, Phase, TimeoutError
from ..gate import Alarm

if TYPE_CHECKING:
    from ..clock import Clock
    from ..context import Timeouts
    from ..request import HTTPCall

__all__ = ["Answer", "HTTPLimits", "Head", "Limits", "Transport"]


def _at_least(low: int, *, whole: bool = True) -> Callable[[Any, Any, Any], None]:
    def check(_: Any, attribute: Any, value: Any) -> None:
        kinds = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not value >= low:
            raise ConfigError(f"{attribute.name}={value!r} must be a {'whole ' * whole}number of at least {low}")

    return check


@frozen
class HTTPLimits:
    """How much HTTP may take; a value out of range is a ConfigError.

    Args:
        max_connections: Exchanges at once per origin and event loop, default 100; others wait in order of arrival.
        max_idle: Connections kept open without an exchange per origin and event loop, default 100: where fewer are kept than
            are in use, they are opened anew all the time.
        idle_seconds: Seconds that one is kept, default 30.
        max_body: Bytes of an answer's body after decoding, default 64 MiB; more is a ProtocolError(kind="too_large").
        max_error_body: Bytes that are read of the body of a status from 400, default 64 KiB; the rest is left unread.
    """

    max_connections: int = field(default=100, validator=_at_least(1))
    max_idle: int = field(default=100, validator=_at_least(0))
    idle_seconds: float = field(default=30.0, validator=_at_least(0, whole=False))
    max_body: int = field(default=64 * 1024 * 1024, validator=_at_least(1))
    max_error_body: int = field(default=64 * 1024, validator=_at_least(1))


@frozen
class Head:
    """The head of an answer; header names are in lower case, repeated ones joined with a comma."""

    status: int
    headers: Mapping[str, str] = field(repr=False)  # services repeat in them what they were sent


async def _nothing() -> None:
    pass


@frozen
class Answer:
    """What a transport got: the head, and the body as it comes over the wire.

    Args:
        status: As sent.
        headers: As sent, in order.
        body: The bytes, still encoded.
        finish: Awaited after the last byte.
        end: Called once, and must not wait: with True when the body was read to its end and `finish` is done.
    """

    status: int
    headers: Sequence[tuple[bytes, bytes]] = field(repr=False)
    body: AsyncIterator[bytes]
    finish: Callable[[], Awaitable[None]] = _nothing
    end: Callable[[bool], None] = lambda _: None


class Transport(Protocol):
    """A way to send calls."""

    async def send(self, call: HTTPCall, limits: Limits) -> Answer:
        """Send, and return when the head of the answer is there.

        It tells `limits` what it is waiting for. When it raises or is cancelled it has let go of everything.
        """
        ...

    async def close(self) -> None:
        """Let go of what is idle."""
        ...


class Limits(Alarm):
    """The one timer of an exchange: for what is waited for at the moment, and for the deadline."""

    __slots__ = ("_deadline", "_granted", "now", "timeouts")

    def __init__(self, clock: Clock, timeouts: Timeouts, deadline: float | None, unwatched: Callable[[], None]) -> None:
        super().__init__(clock, unwatched)
        self.now = clock.monotonic
        self.timeouts = timeouts
        self._deadline = math.inf if deadline is None else deadline
        self._granted = self._deadline - self.now()

    def wait(self, phase: Phase = "total", seconds: float | None = None) -> None:
        """Grant what is waited for next so many seconds, but never more than the deadline does; None is the deadline."""
        at = math.inf if seconds is None else self.now() + seconds
        if at < self._deadline:
            self.set(at, phase)
        else:
            self.set(self._deadline, "total")

    def connected(self) -> None:
        """Note that what is left of the time to connect is spent on TLS."""
        if self._phase == "connect":
            self._phase = "tls"

    def check(self) -> None:
        """Refuse to begin when the time is over already."""
        if self._granted <= 0:
            raise self._expiry()

    def _expiry(self) -> TimeoutError:
        error = super()._expiry()
        if error.phase == "total" and self._granted < SHORT:
            error.kind = "short_deadline"
        return error
