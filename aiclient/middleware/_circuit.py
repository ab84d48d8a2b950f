"""The state machine of a circuit breaker: no clock, no lock, no event loop. Whoever calls it says what time it is.

    closed --(too many failures)--> open --(its time is over)--> half_open --(the probe succeeds)--> closed
                                     ^                                |
                                     +-------(the probe fails)--------+

Every change begins a new **generation**. A ticket carries the generation in which its call was let through, and a result
with the ticket of an older one is ignored: a call that began before the circuit opened says nothing about the service now.

A half-open circuit lets one call through, the **probe**, and lends it a lease. When the lease is over without a result, the
next caller becomes a probe too, so that one that hangs wedges nothing. It has not been given up: if it does succeed within
this generation, that closes the circuit, or calls that take longer than a lease would keep it open for ever.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable
from typing import Final, Literal, NamedTuple, TypeAlias

from attrs import frozen

from ..errors import Category

__all__ = ["LONGEST_LEASE", "Circuit", "Rules", "State", "Ticket"]

State: TypeAlias = Literal["closed", "open", "half_open"]

LONGEST_LEASE: Final = 60.0
"""Seconds that a half-open circuit waits for its probe at most."""

BUCKETS: Final = 10
"""Pieces of the window: a result counts for at least nine tenths of it, and never longer than it."""


@frozen
class Rules:
    """When a circuit opens, and for how long; `ratio=None` counts failures in a row, a number the share in the window."""

    failures: int
    ratio: float | None
    window: float
    least: int
    open_for: float
    max_open: float
    jitter: float


class Ticket(NamedTuple):
    """What a call that was let through brings back with its result; a probe's has a lease, an ordinary call's is 0."""

    generation: int
    lease: int = 0


class Circuit:
    """One destination's circuit."""

    __slots__ = (
        "_leased_until",
        "_leases",
        "_openings",
        "_random",
        "_rules",
        "_window",
        "generation",
        "in_a_row",
        "last_failure",
        "opens_until",
        "since",
        "state",
    )

    def __init__(self, rules: Rules, chance: Callable[[], float] = random.random) -> None:
        self._rules = rules
        self._random = chance  # 0 to 1; a test puts its own in
        self._window = _Window(rules.window)
        self._openings = 0  # since it was last closed
        self._leases = 0
        self._leased_until = -math.inf
        self.state: State = "closed"
        self.since: float | None = None
        self.generation = 0
        self.in_a_row = 0
        self.opens_until = 0.0
        self.last_failure: Category | None = None

    def admit(self, now: float, longest: float) -> Ticket | None:
        """Let a call through, or not; `longest` is how many seconds it may take at most."""
        if self.state == "closed":
            return Ticket(self.generation)
        if self.retry_after(now):
            return None
        if self.state == "open":
            self._become("half_open", now)
        self._leases += 1
        self._leased_until = now + min(longest, LONGEST_LEASE)
        return Ticket(self.generation, self._leases)

    def succeed(self, ticket: Ticket, now: float) -> Ticket:
        """Take note of a success; returns the ticket that the call has from now on."""
        if ticket.generation != self.generation:
            return ticket
        if self.state == "half_open":
            self._close(now)
            return Ticket(self.generation)
        self.in_a_row = 0
        self._window.add(now, failed=False)
        return ticket

    def fail(self, ticket: Ticket, now: float, category: Category) -> None:
        """Take note of a failure."""
        if ticket.generation != self.generation:
            return
        self.last_failure = category
        self.in_a_row += 1
        self._window.add(now, failed=True)
        if self.state == "half_open" or self._too_many(now):
            self.open(now)

    def give_back(self, ticket: Ticket) -> None:
        """Take a ticket back whose call says nothing about the service: the next caller may be the probe."""
        if ticket == (self.generation, self._leases):
            self._leased_until = -math.inf

    def open(self, now: float, seconds: float | None = None) -> None:
        """Open, for `seconds` or as long as the rules say."""
        if seconds is None:
            seconds = min(self._rules.open_for * 2.0 ** min(self._openings, 64), self._rules.max_open)
            seconds *= 1 + self._rules.jitter * (2 * self._random() - 1)
        self._openings += 1
        self.opens_until = now + seconds
        self._become("open", now)

    def reset(self, now: float) -> None:
        """Close, and forget what has been; calls under way no longer count."""
        self._close(now)
        self.last_failure = None

    def retry_after(self, now: float) -> float:
        """Return in how many seconds it is worth asking again; 0 if the next call gets through.

        While a probe is under way nobody knows; its lease says when it is over at the latest, which may be far off.
        """
        if self.state == "open":
            return max(0.0, self.opens_until - now)
        if self.state == "half_open":
            return max(0.0, min(self._leased_until - now, self._rules.open_for))
        return 0.0

    def counts(self, now: float) -> tuple[int, int]:
        """Return the results in the window, and how many of them were failures."""
        return self._window.counts(now)

    def _too_many(self, now: float) -> bool:
        if self._rules.ratio is None:
            return self.in_a_row >= self._rules.failures
        calls, failed = self._window.counts(now)
        return calls >= self._rules.least and failed / calls >= self._rules.ratio

    def _close(self, now: float) -> None:
        self._openings = 0
        self.in_a_row = 0
        self._window = _Window(self._rules.window)
        self._become("closed", now)

    def _become(self, state: State, now: float) -> None:
        self.state = state
        self.since = now
        self.generation += 1


class _Window:
    """How many results there were lately, and how many failures, in pieces of a tenth of the window."""

    __slots__ = ("_buckets", "_span")

    def __init__(self, span: float) -> None:
        self._span = span
        self._buckets: deque[tuple[float, int, int]] = deque()  # (when it began, results, failures)

    def add(self, now: float, *, failed: bool) -> None:
        self._forget(now)
        if self._buckets and now - self._buckets[-1][0] < self._span / BUCKETS:
            began, calls, failures = self._buckets.pop()
        else:
            began, calls, failures = now, 0, 0
        self._buckets.append((began, calls + 1, failures + failed))

    def counts(self, now: float) -> tuple[int, int]:
        self._forget(now)
        return sum(calls for _, calls, _ in self._buckets), sum(failures for _, _, failures in self._buckets)

    def _forget(self, now: float) -> None:
        while self._buckets and now - self._buckets[0][0] >= self._span:
            self._buckets.popleft()
