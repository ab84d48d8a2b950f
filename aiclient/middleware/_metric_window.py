"""A sliding window of measurements, and its percentiles."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from attrs import frozen

__all__ = ["Percentiles", "Sample", "Window", "percentiles"]


@frozen
class Percentiles:
    """What measurements of the window look like, in seconds; all None when there are none.

    `p95` is a value that was measured: 95 of 100 were no larger (nearest rank).
    """

    count: int = 0
    mean: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    maximum: float | None = None


def percentiles(values: Iterable[float]) -> Percentiles:
    """Return the percentiles of `values`."""
    ordered = sorted(values)
    if not ordered:
        return Percentiles()
    p50, p95, p99 = (ordered[math.ceil(share * len(ordered) / 100) - 1] for share in (50, 95, 99))
    return Percentiles(len(ordered), math.fsum(ordered) / len(ordered), p50, p95, p99, ordered[-1])


class Sample(NamedTuple):
    """One end: when it was, how long it took, whether it was a success (None: neither that nor a failure)."""

    at: float
    duration: float
    success: bool | None = None
    first_output: float | None = None


class Window:
    """The measurements of the last `span` seconds, and no more than `most` of them. Not locked: its owner does that."""

    __slots__ = ("_samples", "_span")

    def __init__(self, span: float, most: int) -> None:
        self._span = span
        self._samples: deque[Sample] = deque(maxlen=most)

    def add(self, sample: Sample) -> None:
        """Take one; the oldest makes way when there are too many."""
        self._samples.append(sample)

    def at(self, now: float) -> tuple[Sample, ...]:
        """Return those of the last `span` seconds, and forget the older ones."""
        samples = self._samples
        while samples and samples[0].at <= now - self._span:
            samples.popleft()
        return tuple(samples)
