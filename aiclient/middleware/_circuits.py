"""The circuits of one breaker: kept by destination, changed behind one lock, every change told."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from attrs import frozen

from ..clock import SYSTEM, Clock
from ..composition import Destination
from ..context import CallContext, CallEvent
from ..errors import Category
from ..forks import own_lock
from ..logs import correlation_id, write
from ._circuit import Circuit, Rules, State
from ._keyed import Keyed, Timeline
from ._selection import tell

__all__ = ["CircuitState", "Circuits", "Held"]

T = TypeVar("T")

_LOGGER: Final = logging.getLogger("aiclient.breaker")


@frozen
class CircuitState:
    """How one circuit stood at one moment.

    Args:
        destination: Which service, reached with which credential, and which model.
        state: `closed` lets calls through, `open` refuses them, `half_open` waits for the result of one.
        since: When it came into this state, in seconds since the epoch; None if it never was in another.
        failures_in_a_row: Failures since the last success.
        calls: Results in the window.
        failures: How many of those were failures.
        last_failure: Category of the last failure.
        retry_after: Seconds until it is worth asking again, 0 if the next call gets through; None when it is closed.
    """

    destination: Destination
    state: State
    since: float | None
    failures_in_a_row: int
    calls: int
    failures: int
    last_failure: Category | None
    retry_after: float | None

    @property
    def name(self) -> str:
        """Provider and model, as in `openai:gpt-5.2`."""
        return _name(self.destination)


class Held:
    """A circuit, and the time it lives in."""

    __slots__ = ("circuit", "key", "timeline")

    def __init__(self, key: Destination, circuit: Circuit) -> None:
        self.key = key
        self.circuit = circuit
        self.timeline = Timeline()

    def idle(self) -> bool:
        """Whether a new one would do as well."""
        return self.circuit.state == "closed" and self.circuit.in_a_row == 0

    def seen(self, now: float, clock: Clock) -> CircuitState:
        """Return how it stands."""
        circuit = self.circuit
        calls, failures = circuit.counts(now)
        return CircuitState(
            destination=self.key,
            state=circuit.state,
            since=None if circuit.since is None else clock.time() - (now - circuit.since),
            failures_in_a_row=circuit.in_a_row,
            calls=calls,
            failures=failures,
            last_failure=circuit.last_failure,
            retry_after=None if circuit.state == "closed" else circuit.retry_after(now),
        )


class Circuits:
    """All circuits of one breaker.

    Args:
        rules: When they open, and for how long.
        clock: The breaker's own clock, if it has one.
        hear: Called with the new state at every change.
    """

    def __init__(self, rules: Rules, clock: Clock | None, hear: Callable[[CircuitState], None] | None) -> None:
        self._rules = rules
        self._clock = clock
        self._hear = hear
        self._lock = own_lock(self)
        self._kept = Keyed(self._made, Held.idle)
        self.random: Callable[[], float] = random.random  # where jitter comes from; a test puts its own in

    def of(self, key: Destination) -> Held:
        """Return the circuit of `key`."""
        with self._lock:
            return self._kept.of(key)

    def seen(self, name: str | Destination | None) -> tuple[CircuitState, ...]:
        """Return how those of `name` stand."""
        with self._lock:
            return tuple(
                held.seen(held.timeline.now(clock), clock)
                for held in self._of_name(name)
                for clock in [self._outside(held)]
            )

    def change(self, name: str | Destination | None, step: Callable[[Circuit, float], None]) -> None:
        """Take a step of those of `name`, outside any call."""
        with self._lock:
            chosen = tuple(self._of_name(name))
        for held in chosen:
            self.take(held, self._outside(held), step)

    def take(
        self, held: Held, clock: Clock, step: Callable[[Circuit, float], T], context: CallContext | None = None
    ) -> T:
        """Take one step of a circuit behind the lock; tell of the change it made, if any, outside of it."""
        circuit = held.circuit
        with self._lock:
            now = held.timeline.now(clock)
            generation, closed = circuit.generation, circuit.state == "closed"
            result = step(circuit, now)
            changed = circuit.generation != generation and not (closed and circuit.state == "closed")
            seen = held.seen(now, clock) if changed else None
        if seen is not None:
            self._tell(seen, context)
        return result

    def _made(self, key: Destination) -> Held:
        return Held(key, Circuit(self._rules, self._chance))

    def _chance(self) -> float:
        return self.random()

    def _of_name(self, name: str | Destination | None) -> Iterator[Held]:
        return (held for held in self._kept if name is None or name in (held.key, held.key.provider, _name(held.key)))

    def _outside(self, held: Held) -> Clock:
        """Return the clock for a moment outside any call: the one of the last call, whose time the circuit lives in."""
        return self._clock or held.timeline.clock or SYSTEM

    def _tell(self, seen: CircuitState, context: CallContext | None) -> None:
        where, why, wait = seen.destination, seen.last_failure, seen.retry_after
        fields: dict[str, object] = {
            "event": "breaker",
            "provider": where.provider,
            "model": where.model,
            "detail": seen.state,
        }
        fields |= {"category": why, "delay": wait, "correlation_id": correlation_id()}
        level = logging.WARNING if seen.state == "open" else logging.INFO
        write(_LOGGER, level, fields, "the circuit of %s is %s", seen.name, seen.state)
        if context is not None and context.observers:
            context.emit(CallEvent("breaker", where.provider, where.model, delay=wait, category=why, detail=seen.state))
        tell(self._hear, seen, _LOGGER)


def _name(key: Destination) -> str:
    return key.provider if key.model is None else f"{key.provider}:{key.model}"
