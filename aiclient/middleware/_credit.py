"""What the service itself has said of its limits. It knows no clock, no lock and no waiting.

It can only forbid: what the service says is left lowers what may be sent, until its window begins anew; that there is much
left allows nothing that the own limit forbids.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from ..response import RateLimitInfo

if TYPE_CHECKING:
    from ._window import Entry

__all__ = ["LONGEST_HOLD", "LONGEST_RESET", "Credit"]

LONGEST_HOLD: Final = 60.0
"""Seconds; a service that asks for more silence is not waited for: retry raises its error at once, a fallback acts."""

LONGEST_RESET: Final = 3600.0
"""Seconds; a reset further off is taken for a mistake."""


class _Left:
    """What the service had left when it answered one request, less what was let through after that one."""

    __slots__ = ("amount", "number", "until")

    def __init__(self, amount: int, until: float, number: int) -> None:
        self.amount = amount
        self.until = until
        self.number = number

    def forbids(self, amount: int, now: float) -> bool:
        return self.amount < amount and now < self.until


class Credit:
    """What the service of one destination has said."""

    __slots__ = ("_requests", "_taken", "_tokens", "_tokens_taken", "not_before")

    def __init__(self) -> None:
        self.not_before = -math.inf
        self._requests: _Left | None = None
        self._tokens: _Left | None = None
        self._taken = 0  # requests let through so far
        self._tokens_taken = 0  # tokens, as reserved and settled

    def hold(self, seconds: float, now: float) -> None:
        """Let nothing through for so long, because the service asked for it."""
        if 0 < seconds <= LONGEST_HOLD:
            self.not_before = max(self.not_before, now + seconds)

    def hear(self, info: RateLimitInfo, entry: Entry, now: float) -> None:
        """Believe the headers of the answer to `entry`: the newest request's answer knows best."""
        left = _sensible(info.limit_requests, info.remaining_requests, info.reset_requests)
        if left is not None and _newer(self._requests, entry, now):
            self._requests = _Left(left[0] - (self._taken - entry.number), now + left[1], entry.number)
        left = _sensible(info.limit_tokens, info.remaining_tokens, info.reset_tokens)
        if left is not None and _newer(self._tokens, entry, now):
            since = max(0, self._tokens_taken - entry.mark)
            self._tokens = _Left(left[0] - since, now + left[1], entry.number)

    @property
    def knows_tokens(self) -> bool:
        """Whether the service has ever said how many tokens are left."""
        return self._tokens is not None

    def counts_tokens(self, now: float) -> bool:
        """Whether it matters how many tokens a request has."""
        return self._tokens is not None and now < self._tokens.until

    def fits(self, now: float, tokens: int) -> bool:
        """Whether the service lets one more request with so many tokens through."""
        if now < self.not_before or (self._requests is not None and self._requests.forbids(1, now)):
            return False
        return self._tokens is None or not self._tokens.forbids(tokens, now)

    def take(self, entry: Entry) -> None:
        """Count a call that is let through."""
        self._taken += 1
        self._tokens_taken += entry.tokens
        entry.number, entry.mark = self._taken, self._tokens_taken
        if self._requests is not None:
            self._requests.amount -= 1
        if self._tokens is not None:
            self._tokens.amount -= entry.tokens

    def give_back(self, entry: Entry, tokens: int, requests: int = 0) -> None:
        """Take back so much of what `entry` was counted for; tokens below 0 are charged."""
        self._tokens_taken -= tokens
        if self._requests is not None and entry.number > self._requests.number:
            self._requests.amount += requests
        if self._tokens is not None and entry.number > self._tokens.number:
            self._tokens.amount += tokens

    def due(self, now: float, tokens: int) -> float:
        """Return the moment at which the service lets such a call through, if it says nothing new."""
        at = max(now, self.not_before)
        for left, amount in ((self._requests, 1), (self._tokens, tokens)):
            if left is not None and left.forbids(amount, now):
                at = max(at, left.until)
        return at


def _newer(known: _Left | None, entry: Entry, now: float) -> bool:
    return known is None or now >= known.until or entry.number >= known.number


def _sensible(limit: int | None, remaining: int | None, reset: float | None) -> tuple[int, float] | None:
    """Return what remains and for how many seconds that holds; None for what no sane service would say."""
    if remaining is None or reset is None or remaining < 0 or (limit is not None and remaining > limit):
        return None
    return (remaining, reset) if 0 < reset <= LONGEST_RESET else None
