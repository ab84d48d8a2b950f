"""What was let through lately: an exact log of requests and tokens. It knows no clock, no lock and no waiting.

A call is let through only if the last `length` seconds hold room for its request and for its tokens, both or none. So no
window of that length, wherever it begins, holds more than the limit: token buckets and fixed windows let up to twice as
much through. All amounts are whole numbers; what was taken is given back to the last token.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

__all__ = ["Entry", "Window"]

GUARD: Final = 0.005
"""Part of the window by which it is longer than asked: the network brings requests closer together than they were sent."""

LONGEST_GUARD: Final = 0.25
"""Seconds by which it is longer at most."""

ROUNDING: Final = 1e-6
"""Seconds, far below the guard: who wakes at the computed moment must find it come, though sums of floats are inexact."""


class Entry:
    """One call that was let through: what it counts for, and until when.

    Attributes:
        at: When, on the clock of the caller.
        requests: 1, or 0 when nothing was sent, or for tokens charged later.
        tokens: Reserved; once closed, used.
        closed: Whether that is the last word.
        logged: Whether it still counts in the window.
        number: How many requests had been let through, this one included.
        mark: How many tokens had been.
    """

    __slots__ = ("at", "closed", "logged", "mark", "number", "requests", "tokens")

    def __init__(self, at: float, tokens: int, requests: int = 1) -> None:
        self.at = at
        self.requests = requests
        self.tokens = tokens
        self.closed = self.logged = False
        self.number = self.mark = 0


class Window:
    """The log of one destination.

    Args:
        requests: Most requests in any `per` seconds; None for no limit.
        tokens: Most tokens; None for no limit.
        per: Seconds.
    """

    __slots__ = (
        "_limited",
        "_log",
        "_reach",
        "_requests",
        "_settled",
        "_tokens",
        "length",
        "per",
        "requests",
        "tokens",
    )

    def __init__(self, requests: int | None, tokens: int | None, per: float) -> None:
        self.requests = requests
        self.tokens = tokens
        self.per = per
        self.length = per + min(LONGEST_GUARD, GUARD * per)
        self._reach = self.length - ROUNDING
        self._limited = requests is not None or tokens is not None
        self._log: deque[Entry] = deque()
        self._requests = 0  # in the log
        self._tokens = 0
        self._settled = 0  # tokens in the log that will not be given back

    def fits(self, now: float, tokens: int) -> bool:
        """Whether one more request with so many tokens has room."""
        self._forget(now)
        if self.requests is not None and self._requests >= self.requests:
            return False
        return self.tokens is None or self._tokens + tokens <= self.tokens

    def take(self, now: float, tokens: int) -> Entry:
        """Let a call through that fits."""
        entry = Entry(now, tokens)
        if self._limited:
            self._append(entry)
        return entry

    def settle(self, entry: Entry, tokens: int, now: float) -> None:
        """Say what a call has used: less is given back where it was taken, more is charged now."""
        if entry.closed:
            return
        entry.closed = True
        over = tokens - entry.tokens
        if over > 0 and self.tokens is not None:
            charge = Entry(now, over, requests=0)
            charge.closed = True
            self._append(charge)
        if entry.logged:
            self._tokens += min(over, 0)
            self._settled += entry.tokens + min(over, 0)
        entry.tokens += min(over, 0)

    def release(self, entry: Entry) -> None:
        """Forget a call that was not sent."""
        if entry.closed:
            return
        if entry.logged:
            self._requests -= entry.requests
            self._tokens -= entry.tokens
        entry.closed, entry.requests, entry.tokens = True, 0, 0
        while self._log and not (self._log[-1].requests or self._log[-1].tokens):
            self._log.pop().logged = False  # or calls that fail at once, in a loop, would fill the memory

    def due(
        self, now: float, tokens: int, *, ahead: int = 0, tokens_ahead: int = 0, sure: bool = False
    ) -> tuple[float, str]:
        """Return the earliest moment at which a call may have room, and what it lacks until then.

        Args:
            now: It is that late.
            tokens: What it needs; at most the limit.
            ahead: Calls that go first.
            tokens_ahead: What they need.
            sure: Count on everything coming back that may: reserved tokens, and those of the calls ahead.
        """
        self._forget(now)
        places = self._place_due(now, ahead)
        room = self._room_due(now, tokens, sure=sure)
        if not sure and self.tokens is not None:
            room = max(room, now + (tokens_ahead + tokens - 1) // self.tokens * self.length)
        return (places, "requests") if places >= room else (room, "tokens")

    def used(self, now: float) -> tuple[int, int]:
        """Return the requests and tokens of the last `length` seconds; changes nothing."""
        alive = [entry for entry in self._log if entry.at > now - self._reach]
        return sum(entry.requests for entry in alive), sum(entry.tokens for entry in alive)

    def _place_due(self, now: float, ahead: int) -> float:
        """Every request needs that an older one leaves, and each further round of them a whole window more."""
        if self.requests is None:
            return now
        rounds, place = divmod(ahead, self.requests)
        lacking = self._requests + place + 1 - self.requests
        # The first `lacking` of the log hold at most one request each; a caller that wakes too early asks again.
        at = self._log[lacking - 1].at + self.length if lacking > 0 else now
        return at + rounds * self.length

    def _room_due(self, now: float, tokens: int, *, sure: bool) -> float:
        if self.tokens is None:
            return now
        lacking = (self._settled if sure else self._tokens) + tokens - self.tokens
        if lacking <= 0:
            return now
        for entry in self._log:
            if entry.closed or not sure:
                lacking -= entry.tokens
                if lacking <= 0:
                    return entry.at + self.length
        return math.inf  # more than the limit: it never fits

    def _append(self, entry: Entry) -> None:
        if self._log:
            entry.at = max(entry.at, self._log[-1].at)  # the log stays in order whatever clock a caller brings
        entry.logged = True
        self._log.append(entry)
        self._requests += entry.requests
        self._tokens += entry.tokens
        if entry.closed:
            self._settled += entry.tokens

    def _forget(self, now: float) -> None:
        """Drop what has left the window: each entry once, so that a call costs the same however long the log."""
        log, horizon = self._log, now - self._reach
        while log and (log[0].at <= horizon or not (log[0].requests or log[0].tokens)):
            entry = log.popleft()
            entry.logged = False
            self._requests -= entry.requests
            self._tokens -= entry.tokens
            if entry.closed:
                self._settled -= entry.tokens
