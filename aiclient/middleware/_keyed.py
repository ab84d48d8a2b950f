"""State for each destination, as much of it as is worth keeping."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

from ..clock import Clock
from ..composition import Destination

__all__ = ["MOST", "Keyed", "Timeline"]

S = TypeVar("S")

MOST: Final = 1000
"""Destinations whose state is kept. Model names may come from an application's own users: they must not fill the memory."""


class Keyed(Generic[S]):
    """The state of each destination, made when it is first asked for; call it behind the layer's lock.

    Above `MOST` destinations, the idle one that was used longest ago is forgotten; if none is idle, and `bounded`, the one
    that was used longest ago.
    """

    def __init__(self, make: Callable[[Destination], S], idle: Callable[[S], bool], *, bounded: bool = True) -> None:
        self._make = make
        self._idle = idle
        self._bounded = bounded
        self._states: OrderedDict[Destination, S] = OrderedDict()

    def __len__(self) -> int:
        return len(self._states)

    def __iter__(self) -> Iterator[S]:
        return iter(tuple(self._states.values()))

    def items(self) -> tuple[tuple[Destination, S], ...]:
        """Return each destination with its state."""
        return tuple(self._states.items())

    def of(self, key: Destination) -> S:
        """Return the state of `key`."""
        state = self._states.get(key)
        if state is None:
            if len(self._states) >= MOST:
                self._forget()
            state = self._states[key] = self._make(key)
        else:
            self._states.move_to_end(key)
        return state

    def _forget(self) -> None:
        oldest = next(iter(self._states)) if self._bounded else None
        key = next((key for key, state in self._states.items() if self._idle(state)), oldest)
        if key is not None:
            del self._states[key]


class Timeline:
    """The time that one piece of state lives in, though its users' clocks may differ: it only ever goes on from where it was.

    Clients that share a layer share its state; in tests, or outside any call, their clocks need not agree on what the
    time is.
    """

    __slots__ = ("_offset", "clock")

    def __init__(self) -> None:
        self.clock: Clock | None = None
        self._offset = 0.0

    def now(self, clock: Clock) -> float:
        """Return the moment that `clock` shows, as a moment of this timeline."""
        moment = clock.monotonic()
        if clock is not self.clock:
            if self.clock is not None:
                self._offset += self.clock.monotonic() - moment
            self.clock = clock
        return moment + self._offset
