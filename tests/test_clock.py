"""The machine's clock behind the protocol."""

from __future__ import annotations

import asyncio
import time

import pytest

from aiclient.clock import SYSTEM, SystemClock

pytestmark = pytest.mark.anyio


def test_time_is_the_epoch_and_monotonic_never_runs_backwards():
    assert abs(SYSTEM.time() - time.time()) < 60
    readings = [SYSTEM.monotonic() for _ in range(1000)]
    assert readings == sorted(readings)


async def test_sleeping_for_no_time_gives_others_a_turn():
    turns = []
    other = asyncio.ensure_future(asyncio.sleep(0, turns.append("other")))
    await SystemClock().sleep(0)
    await other
    assert turns == ["other"]


async def test_a_sleep_can_be_cancelled_at_once():
    task = asyncio.create_task(SYSTEM.sleep(3600))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_call_later_runs_on_the_loop():
    rung = asyncio.Event()
    SYSTEM.call_later(0, rung.set)
    await rung.wait()


async def test_a_timer_called_off_does_not_ring_and_may_be_called_off_again():
    rung = []
    timer = SYSTEM.call_later(0, lambda: rung.append(1))
    timer.cancel()
    timer.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert rung == []


def test_call_later_outside_a_loop_says_so():
    with pytest.raises(RuntimeError):
        SYSTEM.call_later(1, print)
