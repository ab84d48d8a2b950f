"""Who is next among several that could all answer: by weight, by calls in flight, or by a key that keeps its arm."""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Sequence
from typing import Final

from ..forks import after_fork

__all__ = ["Arms", "ranked"]

_BITS: Final = 52
"""Of a hash that are used: every number of half a step more is then exact, and neither 0 nor 1."""

_MOST_ROUNDS: Final = 128
"""Groups of arms whose turn is remembered; there are more only when very many arms refuse in very many combinations."""


class Arms:
    """What is known of the arms of one destination: how much each is owed, and how many calls it has in flight.

    Safe to use from many threads.

    Args:
        weights: Of each arm; one of weight 0 is never picked.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        self._weights = tuple(weights)
        self._owed: dict[tuple[int, ...], dict[int, float]] = {}
        self._begin()
        after_fork(self, Arms._begin)

    def _begin(self) -> None:  # in a forked child too: its parent's calls are not its own
        self._in_flight = [0] * len(self._weights)
        self._lock = threading.Lock()

    @property
    def in_flight(self) -> tuple[int, ...]:
        """Calls that each arm has not ended yet."""
        with self._lock:
            return tuple(self._in_flight)

    def by_weight(self, among: Sequence[int]) -> int:
        """Pick by smooth weighted round robin: over any run of picks each arm gets its share, evenly spread."""
        with self._lock:
            return self._turn(tuple(among))

    def by_in_flight(self, among: Sequence[int]) -> int:
        """Pick the arm with the fewest calls in flight for its weight; among equals, by weight."""
        with self._lock:
            load = {index: self._in_flight[index] / self._weights[index] for index in among}
            least = min(load.values())
            return self._turn(tuple(index for index in among if load[index] == least))

    def _turn(self, among: tuple[int, ...]) -> int:
        """Pick one of a group. Each group has turns of its own: the calls of an arm that refuses are shared out exactly."""
        if among not in self._owed:
            if len(self._owed) >= _MOST_ROUNDS:
                self._owed.clear()
            self._owed[among] = dict.fromkeys(among, 0.0)
        owed = self._owed[among]
        for index in among:
            owed[index] += self._weights[index]
        picked = max(owed, key=owed.__getitem__)  # the first of equals
        owed[picked] -= sum(self._weights[index] for index in among)
        return picked

    def enter(self, index: int) -> None:
        """Count a call that begins."""
        with self._lock:
            self._in_flight[index] += 1

    def leave(self, index: int) -> None:
        """Count a call that has ended."""
        with self._lock:
            self._in_flight[index] -= 1


def ranked(key: str, names: Sequence[str], weights: Sequence[float]) -> list[int]:
    """Return the arms in the order in which `key` prefers them (weighted rendezvous hashing).

    A pure function: the same in every process and on every day. Over many keys each arm is first for its share; taking one
    away moves its own keys alone, and a heavier weight takes keys but gives none away.
    """
    scores = {index: _score(key, names[index], weight) for index, weight in enumerate(weights) if weight > 0}
    return sorted(scores, key=lambda index: -scores[index])


def _score(key: str, name: str, weight: float) -> float:
    text = f"{name}\0{key}".encode("utf-8", "surrogatepass")
    number = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) >> (64 - _BITS)
    return -weight / math.log((number + 0.5) / 2.0**_BITS)
