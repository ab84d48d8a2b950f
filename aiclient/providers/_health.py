"""Whether a service answers: asked by one at a time, and remembered for a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

from ..abilities import Health
from ..clock import Clock
from ..errors import AIClientError, UnsupportedFeatureError, outcome
from ..gate import Gate

__all__ = ["LONGEST", "HealthCheck", "limit"]

KEPT: Final = 60.0
"""Seconds for which a result is good."""

LONGEST: Final = 10.0
"""Seconds that a check may take: one that takes longer has found out what it was to find out."""

_CHECKING: Final[ContextVar[bool]] = ContextVar("aiclient_checking", default=False)


def limit() -> float | None:
    """Return the seconds that an exchange of this task may take because it belongs to a check; None if it does not."""
    return LONGEST if _CHECKING.get() else None


class HealthCheck:
    """Asks and remembers. Who comes while it asks waits, and is told the same."""

    def __init__(self) -> None:
        self._gate = Gate(1)
        self._found: tuple[float, Health] | None = None

    @property
    def last(self) -> Health | None:
        """What was found last; None if nobody has asked."""
        return None if self._found is None else self._found[1]

    async def get(self, probe: Callable[[], Awaitable[object]], clock: Clock) -> Health:
        """Return what is known, or else what `probe` comes to."""
        await self._gate.enter()
        try:
            if self._found is None or clock.monotonic() - self._found[0] >= KEPT:
                health = await _asked(probe, clock)
                self._found = (clock.monotonic(), health)
            return self._found[1]
        finally:
            self._gate.leave()


async def _asked(probe: Callable[[], Awaitable[object]], clock: Clock) -> Health:
    began, moment, category = clock.monotonic(), datetime.fromtimestamp(clock.time(), UTC), None
    before = _CHECKING.set(True)
    try:
        await probe()
    except UnsupportedFeatureError:  # nothing was found out
        raise
    except AIClientError as error:
        category = outcome(error).category
    finally:
        _CHECKING.reset(before)
    return Health(category is None, clock.monotonic() - began, moment, category)
