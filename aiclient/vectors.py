"""What one does with embeddings: compare two, find the nearest."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from operator import mul

from .errors import InvalidRequestError

__all__ = ["nearest", "similarity"]


def similarity(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the cosine of the angle between two vectors: 1 for the same direction, 0 for none in common, -1 for opposite.

    Raises:
        InvalidRequestError: The vectors are empty or of different lengths, or one of them is zero or not finite and so has
            no direction.
    """
    return _cosine(a, _norm(a), b)


def nearest(query: Sequence[float], vectors: Iterable[Sequence[float]], k: int = 1) -> list[tuple[int, float]]:
    """Return the `k` vectors most similar to `query`, best first, as pairs of index and similarity.

    Of equally similar ones the earlier comes first; the list is shorter when there are fewer than `k` vectors.

    Raises:
        InvalidRequestError: As for `similarity`, or `k` is below 1.
    """
    if k < 1:
        raise InvalidRequestError(f"k={k} must be at least 1")
    norm = _norm(query)
    scored = ((index, _cosine(query, norm, vector)) for index, vector in enumerate(vectors))
    return heapq.nsmallest(k, scored, key=lambda pair: (-pair[1], pair[0]))


def _norm(vector: Sequence[float]) -> float:
    if not len(vector):
        raise InvalidRequestError("an empty vector has no direction")
    norm = math.hypot(*vector)  # scales as it sums: neither huge nor tiny numbers get lost
    if not 0 < norm < math.inf:
        raise InvalidRequestError("a vector of zeros, or with numbers that are not finite, has no direction")
    return norm


def _cosine(a: Sequence[float], norm: float, b: Sequence[float]) -> float:
    if len(a) != len(b):
        raise InvalidRequestError(
            f"vectors of {len(a)} and {len(b)} numbers cannot be compared: were they made by one model?"
        )
    other = _norm(b)
    if 1e-150 < norm * other < 1e150:
        cosine: float = sum(map(mul, a, b)) / (norm * other)
    else:  # the products themselves would overflow, or vanish
        cosine = sum((x / norm) * (y / other) for x, y in zip(a, b, strict=True))
    return max(-1.0, min(1.0, cosine))
