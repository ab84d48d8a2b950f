"""One call that stands before a limit."""

from __future__ import annotations

import math
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final

from ..context import CallContext, CallEvent
from ..errors import TimeoutError
from ..gate import Alarm

if TYPE_CHECKING:
    from ..clock import Clock
    from ..composition import Destination

__all__ = ["NO_NEWS", "Caller"]

NO_NEWS: Final = 0.001
"""Seconds by which a wait may change without anyone being told."""


class Caller:
    """One call at the limit: what it needs, and how long it may wait."""

    tokens: int = 0
    until: float | None = None
    announced: float = -math.inf
    outlook: tuple[float, float, str] = (0.0, 0.0, "")
    """It is that late, the call's turn comes then at the earliest, and it waits for that."""

    def __init__(self, context: CallContext, clock: Clock, max_wait: float | None) -> None:
        self.context = context
        self.clock = clock
        self.max_wait = max_wait

    def left(self) -> float:
        """Return the seconds that the call may still wait, for whatever it waits."""
        now = self.clock.monotonic()
        if self.until is None:
            self.until = now + min(self.context.remaining(), math.inf if self.max_wait is None else self.max_wait)
        return max(0.0, self.until - now)

    async def guard(self, wait: Awaitable[object]) -> bool:
        """Wait, but no longer than the call may; False when it took too long."""
        alarm = Alarm(self.clock)
        alarm.set(self.clock.monotonic() + self.left(), "total")
        try:
            await alarm.guard(wait)
        except TimeoutError as error:
            if error is not alarm.error:
                raise
            return False
        finally:
            alarm.stop()
        return True

    def announce(self, where: Destination) -> None:
        """Tell the observers that the call waits: at once, and again when it takes longer than they were told."""
        now, due, reason = self.outlook
        if due <= self.announced + NO_NEWS:
            return
        self.announced = due
        if self.context.observers:
            self.context.emit(
                CallEvent("limit", where.provider, where.model, delay=due - now, category="rate_limit", detail=reason)
            )
