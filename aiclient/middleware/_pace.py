"""Calls evenly spaced, by aiolimiter: one at a time, on each event loop by itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Hashable
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from aiolimiter import AsyncLimiter

__all__ = ["Pace", "Spacing"]

MOST_KEYS: Final = 1000
"""Keys remembered on one loop; one that is forgotten may send its next call too early."""


class Spacing:
    """The gaps between the calls of one key on one loop."""

    __slots__ = ("_free_at", "_gap", "_limiter", "_loop", "_waiting")

    def __init__(self, limiter: AsyncLimiter, gap: float) -> None:
        self._limiter = limiter
        self._gap = gap
        self._loop = asyncio.get_running_loop()
        self._free_at = self._loop.time()
        self._waiting = 0

    def outlook(self) -> float:
        """Return the seconds that the next caller has to wait."""
        return max(0.0, self._free_at - self._loop.time()) + self._waiting * self._gap

    async def wait(self) -> None:
        """Wait for the caller's turn."""
        self._waiting += 1
        try:
            await self._limiter.acquire()
        finally:
            self._waiting -= 1
        self._free_at = self._loop.time() + self._gap


class Pace:
    """Spaces calls by key: so many a second, never two at once.

    Its time is the event loop's own, for aiolimiter knows no other.
    """

    def __init__(self, per_second: float) -> None:
        from aiolimiter import AsyncLimiter  # noqa: PLC0415  # nobody else needs it

        self.per_second = per_second
        self._make = AsyncLimiter
        self._lock = threading.Lock()
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, Spacing]] = WeakKeyDictionary()

    def of(self, key: Hashable) -> Spacing:
        """Return what spaces the calls of `key` on the running loop."""
        gap = 1 / self.per_second
        with self._lock:
            here = self._loops.setdefault(asyncio.get_running_loop(), {})
            if key not in here:
                while len(here) >= MOST_KEYS:
                    del here[next(iter(here))]
                here[key] = Spacing(self._make(1, gap), gap)
            return here[key]
