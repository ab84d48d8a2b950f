"""How many retries a destination is worth: when it fails as a whole, trying again only adds to its load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..forks import own_lock
from ._keyed import Keyed, Timeline

if TYPE_CHECKING:
    from ..clock import Clock
    from ..composition import Destination

__all__ = ["Bucket", "Quotas"]

REFUND: Final = 0.1
"""Tokens that a success puts back: in the long run one retry for ten successes."""

REFILL: Final = 30.0
"""Seconds in which one token comes back by itself, so that a script which calls now and then gets its retries again."""


class Bucket:
    """The tokens of one destination: it begins full, a failure takes one, and retries need more than half of them."""

    __slots__ = ("_most", "_seen", "tokens")

    def __init__(self, most: float) -> None:
        self._most = most
        self._seen = 0.0
        self.tokens = most

    @property
    def full(self) -> bool:
        """Whether it has all its tokens, as a new one."""
        return self.tokens == self._most

    def succeeded(self, now: float) -> None:
        """Put back what a success is worth."""
        self._put(now, REFUND)

    def failed(self, now: float) -> bool:
        """Take a token; returns whether the failed call may be made again."""
        self._put(now, 0.0)
        self.tokens = max(0.0, self.tokens - 1.0)
        return self.tokens > self._most / 2

    def _put(self, now: float, more: float) -> None:
        self.tokens = min(self._most, self.tokens + more + max(0.0, now - self._seen) / REFILL)
        self._seen = now


class Quotas:
    """The buckets of all destinations, behind one lock.

    Args:
        most: Tokens of a full bucket.
    """

    def __init__(self, most: float) -> None:
        self._most = most
        self._lock = own_lock(self)
        self._kept = Keyed(self._made, lambda kept: kept[0].full)

    def succeeded(self, key: Destination, clock: Clock) -> None:
        """Take note of a success."""
        with self._lock:
            bucket, timeline = self._kept.of(key)
            bucket.succeeded(timeline.now(clock))

    def failed(self, key: Destination, clock: Clock) -> bool:
        """Take note of a failure that might be worth another try; returns whether the quota allows one."""
        with self._lock:
            bucket, timeline = self._kept.of(key)
            return bucket.failed(timeline.now(clock))

    def _made(self, _: Destination) -> tuple[Bucket, Timeline]:
        return Bucket(self._most), Timeline()
