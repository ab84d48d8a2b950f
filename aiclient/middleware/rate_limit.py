"""Send no more than a service allows: so many requests, so many tokens in any minute."""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from attrs import asdict

from ..composition import Destination, destination
from ..errors import ConfigError
from ..layer import Layer
from ..provider import Provider, Q, R, observed
from ..stream import ChatStream
from ..tokens import TokenCounter, estimate
from ._charge import Call
from ._keyed import Keyed
from ._line import Line, RateLimitState
from ._options import number, seconds, whole
from ._pace import Pace

if TYPE_CHECKING:
    from ..clock import Clock

__all__ = ["RateLimit", "RateLimitState"]

SHORTEST: Final = 0.001
"""Seconds; a window below this is a mistake."""


class RateLimit(Layer):
    """Hold calls back so that no more than `requests` and `tokens` go to a service in any `per` seconds.

    A call: waits for its turn, first come, first served, until its deadline or for `max_wait` seconds; then, or at once if
    its turn is certain to come too late, it is refused with a RateLimitError of kind `local`, which a fallback acts on and
    a retry does not. A stream: the same before it opens; afterwards it holds nothing but its tokens. Place: inside retry
    and circuit breaker, so that every attempt counts; inside cache and fallback.

    Every model of every service, and every credential, has a limit of its own. One instance keeps to it over all clients,
    event loops and threads that share it; processes know nothing of each other. Tokens are reserved before the call (the
    estimated input and `max_tokens`, else the largest of the recent answers) and settled when the real count is known: what
    was reserved too much is given back, what was used beyond it is charged at that moment. A call that is known not to have
    been sent costs nothing.

    With `learn` it also keeps to what the service says: what is left of its own limits lowers ours until they are reset
    (never raises them), and after a 429 with `Retry-After` of at most 60 s nothing is sent before that time is over. So
    `RateLimit()` has no limit of its own and keeps to the service's.

    Args:
        requests: Most requests in any `per` seconds, at least 1; None for no limit of ours.
        tokens: Most tokens, input and output together, at least 1; a call that needs more is refused.
        per: Seconds; default 60. The window kept is longer by 0.5 %, at most 0.25 s.
        max_wait: Seconds a call may wait; 0 refuses at once, None waits until the deadline.
        learn: Keep to the limits that the service's headers and 429s name.
        pace: Calls a second, evenly spaced by aiolimiter: no bursts. Counts on each event loop by itself and runs on that
            loop's time.
        count_tokens: Says how many input tokens a request has; the default is an estimate by length.
        clock: Where time comes from; the call's own clock by default.

    Raises:
        ConfigError: An option is out of its range, or there is nothing to limit.

    A wait is told to the observers, and so logged, as it begins: a `limit` event with `delay`, the seconds it takes at
    least, and what is waited for in `detail` (`requests`, `tokens`, `service`, `pace`). Cancelling a call that waits ends
    the wait at once; it has taken nothing, and the next in the queue moves up.

    Example:
        >>> limit = RateLimit(requests=10, per=1.0)
        >>> client = Client(MockProvider("hi"), clock=FakeClock()).use(limit)
        >>> _ = client.chat("Hello")
        >>> [state] = limit.state().values()
        >>> state.requests, state.requests_limit
        (1, 10)
    """

    slot = "rate_limit"

    def __init__(
        self,
        requests: int | None = None,
        *,
        tokens: int | None = None,
        per: float = 60.0,
        max_wait: float | None = None,
        learn: bool = True,
        pace: float | None = None,
        count_tokens: TokenCounter = estimate,
        clock: Clock | None = None,
    ) -> None:
        self.requests = None if requests is None else whole("requests", requests)
        self.tokens = None if tokens is None else whole("tokens", tokens)
        self.per = seconds("per", per)
        self.max_wait = None if max_wait is None else seconds("max_wait", max_wait)
        self.learn = learn
        self._pace = None if pace is None else Pace(number("pace", pace, above=True))
        self._count = count_tokens
        self._clock = clock
        _check(self.per, learn=learn, count=count_tokens)
        if requests is tokens is pace is None and not learn:
            raise ConfigError("RateLimit limits nothing: give requests=, tokens= or pace=, or leave learn=True")
        self._begin()

    def __repr__(self) -> str:
        pace = self._pace and f"{self._pace.per_second:g}"
        wait = None if self.max_wait is None else f"{self.max_wait:g}"
        given = {
            "requests": self.requests,
            "tokens": self.tokens,
            "per": f"{self.per:g}",
            "max_wait": wait,
            "pace": pace,
        }
        if self.requests is self.tokens is None:
            del given["per"]
        if not self.learn:
            given["learn"] = False
        return f"RateLimit({', '.join(f'{name}={value}' for name, value in given.items() if value is not None)})"

    async def around(self, request: Q, inner: Provider, call_next: Callable[[Q], Awaitable[R]]) -> R:
        """Wait for room, make the call, and settle what it took."""
        context = request.context
        assert context is not None  # opened by Layered
        if context.dry_run:  # sends nothing
            return await call_next(request)
        clock = self._clock or context.clock
        line = self._line(destination(inner, request))
        call = Call(line, context, inner, clock=clock, max_wait=self.max_wait, learns=self.learn)
        call.reserve(request, self._count)
        if self._pace is not None:
            await call.space(self._pace)
        if not call.enter():
            await call.wait()
        result = await observed(call_next(request), call.end)
        if isinstance(result, ChatStream):
            call.opened(result)
        return result

    def state(self) -> Mapping[Destination, RateLimitState]:
        """Return how much of its limit each destination has used by now."""
        with self._lock:
            lines = tuple(self._lines)
        return MappingProxyType({line.where: line.state() for line in lines})

    def report(self, service: Destination, /) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Return how much of their limits the models of `service` have used, for `client.status()`."""
        found = [(where.model, state) for where, state in self.state().items() if where.is_of(service)]
        return {"rate_limit": [{"model": model, "per": self.per, **asdict(state)} for model, state in found]}

    def _line(self, where: Destination) -> Line:
        if self._process != os.getpid():  # forked: who queued in the parent is not here, and would block the line
            self._begin()
        with self._lock:
            return self._lines.of(where)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._lines = Keyed(self._new_line, Line.idle)
        self._process = os.getpid()

    def _new_line(self, where: Destination) -> Line:
        return Line(where, self.requests, self.tokens, self.per)


def _check(per: float, *, learn: object, count: object) -> None:
    if per < SHORTEST:
        raise ConfigError(f"per={per!r} must be at least {SHORTEST:g} seconds")
    if not isinstance(learn, bool):
        raise ConfigError(f"learn={learn!r} must be True or False")
    if not callable(count):
        raise ConfigError(f"count_tokens={count!r} must be a function of a request that returns its input tokens")
