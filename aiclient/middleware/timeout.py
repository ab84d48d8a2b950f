"""Shorter time limits for a part of a chain."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import ClassVar

from attrs import evolve

from ..context import Timeouts
from ..errors import ConfigError
from ..layer import Layer
from ..provider import Provider, Q, R
from ._options import seconds

__all__ = ["Timeout"]


class Timeout(Layer):
    """Lower the time limits of a call, for the layers and the provider inside.

    A call: its limits and its deadline are lowered before it is passed on, never raised, and put back afterwards; whoever
    keeps to them (the innermost layer for every provider, a limiter's queue, a retry's wait) does the rest. A stream: the
    limits that hold when it is opened hold while it is read. Place: outermost for a limit on everything; inside a
    fallback's `each`, or around one provider, for a limit of that target's own.

    `total` begins anew each time the call passes here: outside `Retry` it covers all attempts together, inside each one (as
    `attempt` does in either place). A call whose total is over is not tried again and does not fall over, for it has no time
    left; to leave a slow target for the next one, limit its `attempt` or its `first_output`.

    Args:
        total: Seconds for everything inside: queues, attempts, the waits between them, and reading the stream.
        attempt: Seconds for one attempt.
        first_output: Seconds from opening a stream to its first output.
        idle: Seconds between two payloads of a stream; the reader's own time does not count.

    Raises:
        TimeoutError: Time ran out; `phase` says which.

    Example:
        >>> client = Client(MockProvider("hi")).use(Timeout(30, first_output=5))
        >>> print(client.explain().splitlines()[1])
        └─ Timeout(total=30, first_output=5)
        >>> client.close()
    """

    slot: ClassVar[str | None] = "timeout"

    def __init__(
        self,
        total: float | None = None,
        *,
        attempt: float | None = None,
        first_output: float | None = None,
        idle: float | None = None,
    ) -> None:
        given = {"total": total, "attempt": attempt, "first_output": first_output, "idle": idle}
        self._limits = {name: seconds(name, value, above=True) for name, value in given.items() if value is not None}
        if not self._limits:
            raise ConfigError("Timeout() limits nothing: give it total=, attempt=, first_output= or idle= in seconds")

    def __repr__(self) -> str:
        return f"Timeout({', '.join(f'{name}={value:g}' for name, value in self._limits.items())})"

    async def around(self, request: Q, inner: Provider, call_next: Callable[[Q], Awaitable[R]]) -> R:
        """Make the call under the lower limits."""
        context = request.context
        assert context is not None  # opened by Layered
        before = context.timeouts, context.deadline
        context.timeouts = lowered = self._lowered(context.timeouts)
        if "total" in self._limits:
            own = context.clock.monotonic() + self._limits["total"]
            context.deadline = own if context.deadline is None else min(context.deadline, own)
        try:
            return await call_next(request)
        finally:
            # If they are others now, another attempt of the same call runs beside this one, under its own.
            if context.timeouts is lowered:
                context.timeouts, context.deadline = before

    def _lowered(self, limits: Timeouts) -> Timeouts:
        def least(name: str) -> float:
            current: float | None = getattr(limits, name)
            return min(self._limits[name], math.inf if current is None else current)

        return evolve(limits, **{name: least(name) for name in self._limits})
