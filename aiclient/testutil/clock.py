"""A clock that moves only when told to."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable

__all__ = ["FakeClock"]


class _Timer:
    __slots__ = ("callback", "cancelled")

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeClock:
    """Time for tests: it stands still until `advance` moves it, or until nothing else can happen.

    Args:
        start: Seconds since the epoch at the beginning; the monotonic clock begins at 0.
        auto: Let `sleep` move the clock by itself, so that code which waits runs at once. With `auto=False` a sleeper waits
            until a test calls `advance`.

    Attributes:
        slept: Every duration that was slept, in order.
    """

    def __init__(self, start: float = 1_700_000_000.0, *, auto: bool = True) -> None:
        self._start = start
        self._now = 0.0
        self._auto = auto
        self._order = itertools.count()
        self._timers: list[tuple[float, int, _Timer]] = []
        self.slept: list[float] = []

    def time(self) -> float:
        """Return seconds since the epoch."""
        return self._start + self._now

    def monotonic(self) -> float:
        """Return seconds since this clock was made."""
        return self._now

    def call_later(self, seconds: float, callback: Callable[[], None]) -> _Timer:
        """Run `callback` when the clock has moved by `seconds`."""
        timer = _Timer(callback)
        heapq.heappush(self._timers, (self._now + seconds, next(self._order), timer))
        return timer

    async def sleep(self, seconds: float) -> None:
        """Wait for the clock to move by `seconds`; with `auto` move it, after giving other tasks one turn."""
        self.slept.append(seconds)
        if self._auto:
            await asyncio.sleep(0)
            self.advance(seconds)
            await asyncio.sleep(0)  # a deadline that this has rung cancels the sleeper here, as it would a real one
            return
        woken = asyncio.get_running_loop().create_future()
        timer = self.call_later(seconds, lambda: None if woken.done() else woken.set_result(None))
        try:
            await woken
        finally:
            timer.cancel()

    def advance(self, seconds: float) -> None:
        """Move the clock, running what falls due on the way, in order of time.

        Example:
            >>> clock, rung = FakeClock(), []
            >>> _ = clock.call_later(2, lambda: rung.append(clock.monotonic()))
            >>> clock.advance(5); rung
            [2.0]
        """
        until = self._now + max(0.0, seconds)
        while self._timers and self._timers[0][0] <= until:
            due, _, timer = heapq.heappop(self._timers)
            self._now = max(self._now, due)
            if not timer.cancelled:
                timer.callback()
        self._now = until

    @property
    def pending(self) -> int:
        """Timers that are set and not called off."""
        return sum(not timer.cancelled for _, _, timer in self._timers)
