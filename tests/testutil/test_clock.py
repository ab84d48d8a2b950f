"""The clock of tests."""

from __future__ import annotations

import asyncio

import pytest

from aiclient.testutil.clock import FakeClock

pytestmark = pytest.mark.anyio


def test_it_stands_still_until_it_is_advanced():
    clock = FakeClock(start=100.0)
    assert (clock.time(), clock.monotonic()) == (100.0, 0.0)
    clock.advance(2.5)
    assert (clock.time(), clock.monotonic()) == (102.5, 2.5)


@pytest.mark.parametrize("seconds", [0, -1])
def test_it_never_runs_backwards(seconds):
    clock = FakeClock()
    clock.advance(seconds)
    assert clock.monotonic() == 0


def test_timers_ring_in_order_of_time_and_equal_ones_in_order_of_setting():
    clock, rung = FakeClock(), []
    for name, seconds in [("late", 3), ("early", 1), ("also early", 1), ("beyond", 6)]:
        clock.call_later(seconds, lambda name=name: rung.append((name, clock.monotonic())))
    clock.advance(5)
    assert rung == [("early", 1), ("also early", 1), ("late", 3)]
    assert clock.pending == 1


@pytest.mark.parametrize(("seconds", "rings"), [(0.999, 0), (1.0, 1)])
def test_a_timer_rings_at_its_moment_and_not_before(seconds, rings):
    clock, rung = FakeClock(), []
    clock.call_later(1, lambda: rung.append(1))
    clock.advance(seconds)
    assert len(rung) == rings


def test_a_timer_may_set_another_that_falls_due_on_the_way():
    clock, rung = FakeClock(), []
    clock.call_later(1, lambda: clock.call_later(1, lambda: rung.append(clock.monotonic())))
    clock.advance(3)
    assert rung == [2] and clock.monotonic() == 3


def test_a_cancelled_timer_does_not_ring():
    clock, rung = FakeClock(), []
    clock.call_later(1, lambda: rung.append(1)).cancel()
    assert clock.pending == 0
    clock.advance(2)
    assert rung == []


async def test_sleeping_moves_the_clock_by_itself():
    clock = FakeClock()
    await clock.sleep(3600)
    assert clock.monotonic() == 3600 and clock.slept == [3600]


async def test_without_auto_a_sleeper_waits_for_the_test(still):
    task = asyncio.create_task(still.sleep(2))
    await asyncio.sleep(0)
    still.advance(1.5)
    await asyncio.sleep(0)
    assert not task.done()
    still.advance(0.5)
    await task


async def test_a_cancelled_sleeper_leaves_no_timer(still):
    task = asyncio.create_task(still.sleep(2))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert still.pending == 0


async def test_a_sleeper_cancelled_by_a_timer_that_its_own_sleep_rings_does_not_go_on(clock):
    task = asyncio.current_task()
    clock.call_later(1, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await clock.sleep(2)
    task.uncancel()


async def test_two_sleepers_wake_at_their_own_moments(still):
    woken = []

    async def sleeper(seconds):
        await still.sleep(seconds)
        woken.append(still.monotonic())

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (3, 1)]
    await asyncio.sleep(0)
    still.advance(1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    still.advance(2)
    await asyncio.gather(*tasks)
    assert woken == [1, 3]
