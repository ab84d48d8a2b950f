"""Time, behind one protocol: the library never asks the system for it in any other way."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SYSTEM", "Clock", "SystemClock", "Timer"]


class Timer(Protocol):
    """A pending callback."""

    def cancel(self) -> None:
        """Call it off; harmless when it has run or was called off before."""
        ...


class Clock(Protocol):
    """What the library needs to know of time. All durations are seconds."""

    def time(self) -> float:
        """Seconds since the epoch: for records and HTTP dates, never for deadlines."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment, never running backwards: for deadlines and limits."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; cancellable at any moment."""
        ...

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Run `callback` on the running event loop after `seconds`."""
        ...


class SystemClock:
    """The machine's own time and the running event loop's timers."""

    def time(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return the system's monotonic seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the running event loop."""
        import asyncio  # noqa: PLC0415  # `import aiclient` and values must not bring an event loop

        await asyncio.sleep(seconds)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Run `callback` on the running event loop after `seconds`."""
        import asyncio  # noqa: PLC0415  # as above

        return asyncio.get_running_loop().call_later(seconds, callback)


SYSTEM = SystemClock()
"""The clock that everything uses unless told otherwise."""
