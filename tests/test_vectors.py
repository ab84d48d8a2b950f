import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.errors import InvalidRequestError
from aiclient.vectors import nearest, similarity

numbers = st.floats(-1e3, 1e3).filter(lambda x: x == 0 or abs(x) > 1e-3)
vectors = st.lists(numbers, min_size=3, max_size=3).filter(any)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1, 0], [1, 0], 1.0),
        ([1, 0], [0, 1], 0.0),
        ([1, 0], [-2, 0], -1.0),
        ([1, 1], [1, 0], math.sqrt(0.5)),
        (array("f", [3, 4]), array("f", [4, 3]), 0.96),
        ([1e200, 0], [1e200, 1e200], math.sqrt(0.5)),
        ([1e-200, 0], [1e-200, 1e-200], math.sqrt(0.5)),
    ],
    ids=["same", "orthogonal", "opposite", "half-right", "arrays", "huge", "tiny"],
)
def test_similarity_is_the_cosine(a, b, expected):
    assert similarity(a, b) == pytest.approx(expected)


@given(vectors, vectors)
def test_similarity_is_symmetric_and_bounded(a, b):
    assert -1.0 <= similarity(a, b) <= 1.0
    assert similarity(a, b) == pytest.approx(similarity(b, a))


@given(vectors, st.floats(0.001, 1000))
def test_similarity_does_not_depend_on_length(a, factor):
    assert similarity(a, [factor * x for x in a]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("a", "b"),
    [([], []), ([1], [1, 2]), ([0, 0], [1, 0]), ([1, 0], [0, 0]), ([math.nan], [1]), ([math.inf], [1])],
    ids=["empty", "lengths", "zero-left", "zero-right", "nan", "inf"],
)
def test_similarity_refuses_what_has_no_direction(a, b):
    with pytest.raises(InvalidRequestError):
        similarity(a, b)


def test_nearest_gives_the_best_first():
    found = nearest([1, 0], [[0, 1], [1, 0], [1, 1]], k=2)
    assert [index for index, _ in found] == [1, 2]
    assert found[0][1] == pytest.approx(1.0)


def test_nearest_prefers_the_earlier_of_equals():
    assert [index for index, _ in nearest([1, 0], [[2, 0], [1, 0], [3, 0]], k=3)] == [0, 1, 2]


def test_nearest_gives_fewer_when_there_are_fewer():
    assert len(nearest([1.0], [[1.0]], k=5)) == 1
    assert nearest([1.0], []) == []


def test_nearest_refuses_to_find_none():
    with pytest.raises(InvalidRequestError, match="k=0"):
        nearest([1.0], [[1.0]], k=0)
