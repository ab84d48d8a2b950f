"""Permits in order, a movable alarm, and cleanup that cannot be cut short."""

from __future__ import annotations

import asyncio
import inspect
import math
import random
import threading

import pytest

from aiclient.errors import StreamClosedError, TimeoutError
from aiclient.gate import Alarm, Bell, Gate, uninterrupted
from aiclient.testutil.clock import FakeClock

pytestmark = pytest.mark.anyio


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


# --- permits ---


async def test_a_free_permit_is_taken_at_once():
    gate = Gate(2)
    await gate.enter()
    await gate.enter()
    assert (gate.free, gate.waiting) == (0, 0)
    gate.leave()
    assert gate.free == 1


async def test_a_permit_is_taken_without_waiting_only_if_it_is_free_and_nobody_waits():
    gate = Gate(1)
    assert gate.enter_now() and not gate.enter_now()
    waiter = asyncio.create_task(gate.enter())
    await turns(1)
    gate.leave()  # granted to the waiter, which has not run yet
    assert not gate.enter_now()
    await waiter
    gate.leave()
    assert gate.enter_now() and gate.free == 0


async def test_permits_are_granted_in_the_order_of_asking():
    gate, order = Gate(1), []

    async def visitor(number):
        await gate.enter()
        order.append(number)
        await asyncio.sleep(0)
        gate.leave()

    await asyncio.gather(*(visitor(number) for number in range(20)))
    assert order == list(range(20)) and gate.free == 1


async def test_who_comes_while_others_wait_does_not_overtake():
    gate = Gate(1)
    await gate.enter()
    first = asyncio.create_task(gate.enter())
    await turns(1)
    gate.leave()  # granted to the first, which has not run yet
    second = asyncio.create_task(gate.enter())
    await turns(3)
    assert first.done() and not second.done()
    gate.leave()
    await second


async def test_a_cancelled_waiter_leaves_the_queue():
    gate = Gate(1)
    await gate.enter()
    waiter = asyncio.create_task(gate.enter())
    await turns(1)
    assert gate.waiting == 1
    waiter.cancel()
    await turns(2)
    assert (gate.waiting, waiter.cancelled()) == (0, True)
    gate.leave()
    assert gate.free == 1


async def test_a_waiter_cancelled_just_after_it_was_granted_hands_the_permit_on():
    gate = Gate(1)
    await gate.enter()
    granted, behind = (asyncio.create_task(gate.enter()) for _ in range(2))
    await turns(1)
    gate.leave()
    granted.cancel()
    await asyncio.wait_for(behind, 5)
    assert granted.cancelled() and gate.free == 0
    gate.leave()
    assert gate.free == 1


async def test_a_waiter_cancelled_just_before_it_would_be_granted_is_passed_over():
    gate = Gate(1)
    await gate.enter()
    leaving, behind = (asyncio.create_task(gate.enter()) for _ in range(2))
    await turns(1)
    leaving.cancel()
    gate.leave()
    await asyncio.wait_for(behind, 5)
    assert leaving.cancelled()
    gate.leave()
    assert gate.free == 1


async def test_all_permits_are_back_after_a_cancellation_at_any_step(at_every_step):
    def scene():
        gate = Gate(1)

        async def visitor():
            await gate.enter()
            try:
                await turns(2)
            finally:
                gate.leave()

        async def crowd():
            others = [asyncio.create_task(visitor()) for _ in range(2)]
            try:
                await visitor()
            finally:
                await uninterrupted(asyncio.wait(others))

        def verify(_):
            assert (gate.free, gate.waiting) == (1, 0)

        return crowd(), verify

    assert await at_every_step(scene) > 20


def test_four_threads_with_a_loop_each_never_exceed_the_limit_and_give_all_permits_back():
    permits, tasks = 5, 2000
    gate, lock = Gate(permits), threading.Lock()
    inside, peak, served = 0, 0, 0

    async def visitor():
        nonlocal inside, peak, served
        await gate.enter()
        try:
            with lock:
                inside += 1
                peak = max(peak, inside)
                served += 1
            await asyncio.sleep(0)
        finally:
            with lock:
                inside -= 1
            gate.leave()

    async def crowd(chance):
        visitors = []
        for start in range(0, tasks, 50):
            batch = [asyncio.create_task(visitor()) for _ in range(50)]
            visitors += batch
            await turns(chance.randrange(3))
            for task in chance.sample(batch, 25):
                task.cancel()
            assert start < tasks
        await asyncio.gather(*visitors, return_exceptions=True)

    threads = [threading.Thread(target=lambda seed=seed: asyncio.run(crowd(random.Random(seed)))) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert 1 <= peak <= permits and served >= 2 * tasks
    assert (gate.free, gate.waiting) == (permits, 0)


def test_a_waiter_whose_loop_is_closed_is_skipped_and_costs_no_permit():
    gate = Gate(1)
    loop = asyncio.new_event_loop()

    async def wait():
        await gate.enter()

    loop.run_until_complete(wait())
    abandoned = loop.create_task(wait())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert gate.waiting == 1
    gate.leave()
    assert (gate.free, gate.waiting) == (1, 0)
    abandoned.get_coro().close()  # what the collector does in the end
    assert gate.free == 1
    abandoned._log_destroy_pending = False


def test_a_permit_can_be_given_back_from_a_thread_without_a_loop():
    gate = Gate(1)

    async def scene():
        await gate.enter()
        waiter = asyncio.create_task(gate.enter())
        await turns(1)
        threading.Thread(target=gate.leave).start()
        await asyncio.wait_for(waiter, 10)

    asyncio.run(scene())
    assert gate.free == 0


# --- uninterrupted ---


@pytest.mark.parametrize("cancels", [0, 1, 2, 3])
async def test_cleanup_runs_to_its_end_and_the_cancellation_goes_through_after_it(cancels):
    done = []

    async def cleanup():
        await turns(10)
        done.append(True)
        return "result"

    task = asyncio.create_task(uninterrupted(cleanup()))
    for _ in range(cancels):
        await turns(2)
        task.cancel()
    await asyncio.wait({task})
    assert done == [True]
    assert task.cancelled() if cancels else task.result() == "result"


async def test_what_cleanup_raises_comes_out():
    async def cleanup():
        raise KeyError("x")

    with pytest.raises(KeyError):
        await uninterrupted(cleanup())


async def test_what_cleanup_raises_under_a_cancellation_is_its_cause():
    async def cleanup():
        await turns(3)
        raise KeyError("x")

    async def caller():
        try:
            await uninterrupted(cleanup())
        except asyncio.CancelledError as error:
            return error.__cause__

    task = asyncio.create_task(caller())
    await turns(1)
    task.cancel()
    assert isinstance(await task, KeyError)


async def test_cleanup_that_is_itself_cancelled_says_so():
    async def cleanup():
        raise asyncio.CancelledError

    task = asyncio.create_task(uninterrupted(cleanup()))
    await turns(1)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


# --- the alarm ---


async def never():
    await asyncio.get_running_loop().create_future()


async def test_an_alarm_ends_a_wait_with_a_typed_error(still):
    alarm = Alarm(still)
    alarm.set(5, "idle")
    task = asyncio.create_task(alarm.guard(never()))
    await turns(1)
    still.advance(4.999)
    await turns(2)
    assert not task.done()
    still.advance(0.001)
    with pytest.raises(TimeoutError, match=r"limit 'idle'.*timeout=Timeouts") as caught:
        await task
    assert caught.value.phase == "idle" and still.pending == 0


async def test_work_that_ends_in_time_gives_its_value_and_its_error(still):
    alarm = Alarm(still)
    alarm.set(5, "total")
    assert await alarm.guard(asyncio.sleep(0, "value")) == "value"

    async def failing():
        raise KeyError("x")

    with pytest.raises(KeyError):
        await alarm.guard(failing())
    alarm.stop()
    assert still.pending == 0


@pytest.mark.parametrize(("moves", "rings"), [([9], 9), ([2], 2), ([9, 3], 3), ([2, 8], 8), ([9, 7, 8], 8)], ids=str)
async def test_an_alarm_can_be_moved_later_and_earlier(still, moves, rings):
    alarm = Alarm(still)
    alarm.set(5, "total")
    for at in moves:
        alarm.set(at, "attempt")
    task = asyncio.create_task(alarm.guard(never()))
    await turns(1)
    for _ in range(rings - 1):
        still.advance(1)
    await turns(2)
    assert not task.done()
    still.advance(1)
    with pytest.raises(TimeoutError) as caught:
        await task
    assert caught.value.phase == "attempt"


async def test_moving_an_alarm_later_sets_no_new_timer(still):
    alarm = Alarm(still)
    for at in range(5, 500):
        alarm.set(at, "idle")
    assert still.pending == 1


async def test_an_alarm_moved_to_never_does_not_go_off(still):
    alarm = Alarm(still)
    alarm.set(5, "idle")
    alarm.set(math.inf, "total")
    still.advance(100)
    assert alarm.error is None and still.pending == 0


async def test_an_alarm_set_in_the_past_goes_off_at_the_next_turn_of_the_clock(still):
    still.advance(10)
    alarm = Alarm(still)
    alarm.set(3, "total")
    still.advance(0)
    assert alarm.error is not None


async def test_an_alarm_that_nobody_waits_for_calls_unwatched_and_the_next_wait_raises_at_once(still):
    rung = []
    alarm = Alarm(still, lambda: rung.append(1))
    alarm.set(1, "total")
    still.advance(2)
    assert rung == [1]
    work = never()
    with pytest.raises(TimeoutError):
        await alarm.guard(work)
    assert inspect.getcoroutinestate(work) == inspect.CORO_CLOSED  # or it would warn that it was never awaited
    with pytest.raises(TimeoutError):
        await alarm.guard(asyncio.get_running_loop().create_future())


async def test_an_alarm_knows_whether_somebody_waits(still):
    alarm = Alarm(still)
    assert not alarm.watching
    task = asyncio.create_task(alarm.guard(turns(2)))
    await turns(1)
    assert alarm.watching
    await task
    assert not alarm.watching


@pytest.mark.parametrize(("phase", "named"), [("tls", "connect"), ("idle", "idle")])
async def test_the_hint_names_the_limit_that_the_caller_can_set(still, phase, named):
    alarm = Alarm(still)
    alarm.set(0, phase)
    still.advance(0)
    assert f"timeout=Timeouts({named}=seconds)" in str(alarm.error) and alarm.error.phase == phase


async def test_an_alarm_goes_off_once(still):
    rung = []
    alarm = Alarm(still, lambda: rung.append(1))
    first = StreamClosedError("first")
    alarm.trip(first)
    alarm.trip(StreamClosedError("second"))
    assert alarm.error is first and rung == [1]


async def test_a_trip_without_anybody_to_tell_is_kept():
    alarm = Alarm()
    alarm.trip(StreamClosedError("closed"))
    with pytest.raises(StreamClosedError):
        await alarm.guard(never())


def scene_of_cancels(still, *, rings, cancels):
    """One task in a guard: the alarm goes off if `rings`, and somebody cancels it `cancels` times in the same turn."""
    counts = {}

    async def guarded():
        task = asyncio.current_task()
        counts["before"] = task.cancelling()
        alarm = Alarm(still)
        alarm.set(1, "total")
        try:
            await alarm.guard(never())
        finally:
            counts["after"] = task.cancelling()

    async def run():
        task = asyncio.create_task(guarded())
        await turns(1)
        if rings:
            still.advance(1)
        for _ in range(cancels):
            task.cancel()
        await asyncio.wait({task})
        return task, counts["after"] - counts["before"]

    return run()


async def test_an_alarm_takes_its_own_cancellation_back(still):
    task, left = await scene_of_cancels(still, rings=True, cancels=0)
    assert isinstance(task.exception(), TimeoutError) and left == 0


async def test_a_cancellation_from_outside_goes_through(still):
    task, left = await scene_of_cancels(still, rings=False, cancels=1)
    assert task.cancelled() and left == 1


async def test_a_cancellation_from_outside_together_with_the_alarm_goes_through(still):
    task, left = await scene_of_cancels(still, rings=True, cancels=1)
    assert task.cancelled() and left == 1


@pytest.mark.parametrize("reaction", ["returns", "raises"])
async def test_work_that_answers_the_alarm_s_cancellation_in_its_own_way_leaves_no_count_behind(still, reaction):
    async def stubborn():
        try:
            await never()
        except asyncio.CancelledError:
            if reaction == "raises":
                raise KeyError("x") from None
            return "late"

    async def guarded():
        alarm = Alarm(still)
        alarm.set(1, "total")
        try:
            return await alarm.guard(stubborn())
        except KeyError:
            return "error"
        finally:
            assert asyncio.current_task().cancelling() == 0

    task = asyncio.create_task(guarded())
    await turns(1)
    still.advance(1)
    assert await task == ("late" if reaction == "returns" else "error")


@pytest.mark.parametrize(
    ("inner", "outer", "phase"), [(1, 5, "attempt"), (5, 1, "total"), (2, 2, "total")], ids=["inner", "outer", "both"]
)
async def test_nested_alarms_each_answer_for_themselves(still, inner, outer, phase):
    async def nested():
        low, high = Alarm(still), Alarm(still)
        high.set(outer, "total")
        low.set(inner, "attempt")
        try:
            await high.guard(low.guard(never()))
        finally:
            assert asyncio.current_task().cancelling() == 0
            low.stop()
            high.stop()

    task = asyncio.create_task(nested())
    await turns(1)
    still.advance(min(inner, outer))
    with pytest.raises(TimeoutError) as caught:
        await task
    assert caught.value.phase == phase and still.pending == 0


async def test_an_alarm_inside_asyncio_timeout_keeps_both_apart(still):
    async def both():
        alarm = Alarm(still)
        alarm.set(1, "idle")
        async with asyncio.timeout(3600) as limit:
            try:
                await alarm.guard(never())
            except TimeoutError as error:
                assert not limit.expired()
                return error.phase

    task = asyncio.create_task(both())
    await turns(1)
    still.advance(1)
    assert await task == "idle"


async def test_a_cancellation_at_any_step_of_a_guarded_wait_goes_through(at_every_step, clock):
    def scene():
        alarm = Alarm(clock)
        alarm.set(1e9, "total")

        async def guarded():
            await alarm.guard(turns(3))
            alarm.stop()

        return guarded(), lambda task: task.cancelled() or task.result()

    assert await at_every_step(scene) > 10


# --- a sleep cut short ---


async def test_a_bell_ends_the_sleep_at_once(still):
    bell = Bell(still)
    sleeper = asyncio.create_task(bell.sleep(60))
    await turns(2)
    bell.ring()
    await asyncio.wait_for(sleeper, 5)
    assert still.monotonic() == 0 and still.pending == 0


async def test_a_sleep_that_nobody_ends_takes_its_time(still):
    sleeper = asyncio.create_task(Bell(still).sleep(60))
    await turns(2)
    still.advance(59)
    await turns(2)
    assert not sleeper.done()
    still.advance(1)
    await asyncio.wait_for(sleeper, 5)


async def test_a_bell_that_rang_before_the_sleep_ends_it(still):
    bell = Bell(still)
    bell.ring()
    await turns(2)
    await asyncio.wait_for(bell.sleep(60), 5)
    assert still.slept == []


async def test_a_bell_that_rings_after_the_sleep_does_nothing(clock):
    bell = Bell(clock)
    await bell.sleep(1)
    bell.ring()
    bell.ring()
    await turns(3)
    assert asyncio.current_task().cancelling() == 0


async def test_a_cancelled_sleep_is_cancelled_though_the_bell_rings_too(still):
    bell = Bell(still)
    sleeper = asyncio.create_task(bell.sleep(60))
    await turns(2)
    bell.ring()
    await turns(1)
    sleeper.cancel()
    await asyncio.wait({sleeper})
    assert sleeper.cancelled() and still.pending == 0


async def test_what_a_sleep_fails_with_comes_out():
    class Broken(FakeClock):
        async def sleep(self, seconds):
            raise StreamClosedError("no time")

    with pytest.raises(StreamClosedError, match="no time"):
        await Bell(Broken()).sleep(1)


async def test_a_bell_that_another_thread_rings_touches_the_sleeper_on_its_own_loop_only(still):
    bell = Bell(still)
    sleeper = asyncio.create_task(bell.sleep(60))
    await turns(2)
    thread = threading.Thread(target=bell.ring)
    thread.start()
    thread.join()
    assert sleeper.cancelling() == 0
    await asyncio.wait_for(sleeper, 5)
    assert still.monotonic() == 0


def test_a_bell_on_a_loop_that_is_gone_rings_for_nobody(still):
    async def make():
        return Bell(still)

    assert asyncio.run(make()).ring() is None
