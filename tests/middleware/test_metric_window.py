"""The sliding window and its percentiles, held to a model that keeps everything."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aiclient.middleware._metric_window import Percentiles, Sample, Window, percentiles

SPAN, MOST = 5.0, 8

moments = st.integers(0, 40).map(lambda tenths: tenths / 10)
durations = st.floats(0, 1e6, allow_nan=False)


def naive(values, share):
    """The least value that is no smaller than `share` per cent of all."""
    return min(value for value in values if sum(other <= value for other in values) * 100 >= share * len(values))


@example([(0.0, 1.0), (4.0, 2.0)], 1.0)
@given(st.lists(st.tuples(moments, durations), max_size=40), moments)
def test_the_window_holds_what_a_list_of_everything_would(steps, later):
    window, everything, now = Window(SPAN, MOST), [], 0.0
    for step, duration in steps:
        now += step
        window.add(Sample(now, duration))
        everything.append(Sample(now, duration))
    now += later
    assert window.at(now) == tuple(sample for sample in everything[-MOST:] if now - SPAN < sample.at)


@given(st.lists(durations, min_size=1, max_size=300))
def test_percentiles_are_those_of_the_definition(values):
    found = percentiles(values)
    assert (found.p50, found.p95, found.p99) == tuple(naive(values, share) for share in (50, 95, 99))
    assert (found.count, found.maximum) == (len(values), max(values))
    assert found.mean == pytest.approx(sum(values) / len(values))


@pytest.mark.parametrize("count", [1, 2, 19, 20, 21, 99, 100, 101, 200])
def test_the_rank_is_exact_where_rounding_could_go_wrong(count):
    found = percentiles(range(1, count + 1))
    assert (found.p50, found.p95, found.p99) == tuple(ceil(share * count / 100) for share in (50, 95, 99))


def test_of_nothing_nothing_is_known():
    assert percentiles([]) == Percentiles(0, None, None, None, None, None)
