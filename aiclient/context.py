"""What all attempts of one logical call share: its limits in time, its deadline, attempts left, journal and observers.

`CallContext` is the one mutable thing that travels with a request.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from attrs import define, evolve, field, frozen

from .clock import SYSTEM, Clock
from .errors import InvalidRequestError
from .records import Record

if TYPE_CHECKING:
    from .prices.books import PriceBook
    from .provider import ProviderInfo
    from .request import AnyRequest
    from .response import Attempt, CallWarning, ChatResponse, EmbeddingResponse

__all__ = ["CacheMode", "CallContext", "CallEvent", "Timeouts"]

CacheMode: TypeAlias = Literal["use", "bypass", "refresh"]
"""What a response cache does with the call: answer from it, stay out, or ask again and overwrite."""

DEFAULT_EXTRA_ATTEMPTS: Final = 5
"""Inner calls a logical call may make beyond its first, over all layers together."""


def _seconds(_: Any, attribute: Any, value: Any) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0):
        raise InvalidRequestError(
            f"{attribute.name}={value!r} must be a number of seconds above 0, or None for no limit"
        )


@frozen(repr=False)
class Timeouts(Record):
    """How long to wait, in seconds, and for what; None means no limit of that kind.

    Args:
        total: The whole logical call: queueing, every attempt, the waits between, and reading the stream.
        attempt: One attempt.
        connect: TCP, DNS and TLS of one connection together.
        pool: A free connection, when `max_connections` are in use.
        first_output: From opening a stream to its first output. Reasoning models may think for minutes.
        idle: Between two payloads of a stream; pings and the reader's own time do not count.
    """

    total: float | None = field(default=600.0, validator=_seconds)
    attempt: float | None = field(default=None, validator=_seconds)
    connect: float | None = field(default=5.0, validator=_seconds)
    pool: float | None = field(default=None, validator=_seconds)
    first_output: float | None = field(default=300.0, validator=_seconds)
    idle: float | None = field(default=120.0, validator=_seconds)

    @classmethod
    def of(cls, value: float | Timeouts | None, base: Timeouts | None = None) -> Timeouts:
        """Return `value` as Timeouts: a number replaces the total of `base` (the defaults), None is `base` itself."""
        if isinstance(value, Timeouts):
            return value
        base = base or cls()
        return base if value is None else evolve(base, total=value)


@frozen
class CallEvent:
    """Something that happened inside a logical call, for those who observe it.

    Args:
        kind: `attempt_started`, `attempt_ended`, `retry`, `fallback`, `hedge`, `breaker`, `limit`, `cache`, `validation` or
            `budget`.
        provider: Who it is about.
        model: Which model.
        number: Number of the attempt, from 1.
        attempt: The exchange that ended.
        delay: Seconds until the next attempt.
        category: Why.
        detail: What exactly: the target that is next, the state of a breaker, `hit` or `miss` of a cache, what becomes of an
            answer that did not fit (`retried`, `refreshed`, `warned`, `rejected`).
        info: The service of an attempt that starts.
        request: What that attempt asks; it holds content.
        answer: What an attempt that ended was answered, as far as it came; it holds content.
    """

    kind: str
    provider: str | None = None
    model: str | None = None
    number: int | None = None
    attempt: Attempt | None = None
    delay: float | None = None
    category: str | None = None
    detail: str | None = None
    info: ProviderInfo | None = field(default=None, eq=False, repr=False)
    request: AnyRequest | None = field(default=None, eq=False, repr=False)
    answer: ChatResponse | EmbeddingResponse | None = field(default=None, eq=False, repr=False)


@define(eq=False)
class CallContext:
    """What all attempts of one logical call share: identity, deadline, attempts left, journal.

    It belongs to one call on one event loop and needs no lock. `begin` opens it.

    Args:
        id: Sent as `X-Client-Request-Id`; correlates log records.
        clock: Where time comes from.
        timeouts: The limits that hold for this call.
        deadline: Moment on the monotonic clock when the call's time is over; None for no limit.
        extra_attempts: Inner calls that layers may still add to the first of each.
        journal: Every exchange, in order of its end.
        warnings: What providers could not honour.
    """

    id: str = field(factory=lambda: os.urandom(16).hex())
    clock: Clock = SYSTEM
    timeouts: Timeouts = field(factory=Timeouts)
    deadline: float | None = None
    extra_attempts: int = DEFAULT_EXTRA_ATTEMPTS
    journal: list[Attempt] = field(factory=list)
    warnings: list[CallWarning] = field(factory=list)
    prices: PriceBook | None = None
    tags: Mapping[str, str] = field(factory=dict, repr=False)
    tenant: str | None = field(default=None, repr=False)
    cache: CacheMode = "use"
    strict: bool = False
    dry_run: bool = False
    started: int = 0
    """Exchanges begun so far; numbers the attempts."""
    observers: list[Callable[[CallEvent], None]] = field(factory=list)

    def take_extra(self) -> bool:
        """Take one of the attempts left; False when none is. A layer asks before every *further* inner call."""
        if self.extra_attempts < 1:
            return False
        self.extra_attempts -= 1
        return True

    def remaining(self) -> float:
        """Return the seconds until the deadline: infinite without one, never below 0."""
        if self.deadline is None:
            return math.inf
        return max(0.0, self.deadline - self.clock.monotonic())

    def observe(self, see: Callable[[CallEvent], None]) -> None:
        """Have `see` told of every event until `unobserve`; it must be quick: the call waits for it.

        What it raises is logged (`aiclient.context`), without its words, which may quote what was said; it hears no more of
        this call, which goes on.

        Of an attempt's start it is told in the task that makes the exchange, just before anything is sent.
        """
        self.observers.append(see)

    def unobserve(self, see: Callable[[CallEvent], None]) -> None:
        """Tell `see` no longer: a layer that is passed several times in one call would hear everything twice."""
        if see in self.observers:
            self.observers.remove(see)

    def emit(self, event: CallEvent) -> None:
        """Tell the observers."""
        for see in tuple(self.observers):
            try:
                see(event)
            except Exception as error:  # noqa: BLE001  # who listens never changes what becomes of a call
                self.unobserve(see)
                _complain(see, event, error)


def _complain(see: Callable[[CallEvent], None], event: CallEvent, error: Exception) -> None:
    import logging  # noqa: PLC0415  # it went wrong; else nobody here needs it

    from .logs import write  # noqa: PLC0415  # as above

    name, kind = getattr(see, "__qualname__", None) or type(see).__qualname__, type(error).__name__
    fields = {"event": "observer_failed", "observer": name, "error": kind}
    text = "the observer %s raised %s when told of %s; it hears no more, the call goes on"
    write(logging.getLogger("aiclient.context"), logging.ERROR, fields, text, name, kind, event.kind)
