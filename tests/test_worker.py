"""Blocking functions in threads of their own: what they get, what they give, and what a cancellation does."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading

import pytest

from aiclient.worker import in_thread

pytestmark = pytest.mark.anyio

PLACE = contextvars.ContextVar("PLACE", default="nowhere")


async def test_a_function_runs_in_a_daemon_thread_with_the_callers_context():
    PLACE.set("here")
    thread, place = await in_thread(lambda: (threading.current_thread(), PLACE.get()), name="f")
    assert (thread.daemon, thread is threading.main_thread(), thread.name, place) == (True, False, "aiclient-f", "here")


async def test_what_a_function_sets_is_its_own():
    await in_thread(lambda: PLACE.set("there"), name="f")
    assert PLACE.get() == "nowhere"


@pytest.mark.parametrize("error", [KeyError("x"), SystemExit(3), asyncio.CancelledError()], ids=repr)
async def test_what_a_function_raises_is_raised_here(error):
    def fail():
        raise error

    with pytest.raises(type(error)):
        await in_thread(fail, name="f")


async def test_a_stop_iteration_is_no_end_of_ours():
    with pytest.raises(RuntimeError, match="f raised StopIteration"):
        await in_thread(lambda: next(iter(())), name="f")


async def test_many_functions_that_hang_keep_nobody_else_waiting():
    release = threading.Event()
    hanging = [asyncio.ensure_future(in_thread(release.wait, name="hang")) for _ in range(50)]
    assert await in_thread(lambda: "done", name="f") == "done"
    release.set()
    assert await asyncio.gather(*hanging) == [True] * 50


async def left(work):
    """Cancel a caller whose function is under way; returns what ends the function, and the thread it is in."""
    started, release, threads = threading.Event(), threading.Event(), []

    def main():
        threads.append(threading.current_thread())
        started.set()
        release.wait()
        return work()

    task = asyncio.ensure_future(in_thread(main, name="f"))
    await in_thread(started.wait, name="watch")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return release, threads[0]


async def ended(release, thread):
    release.set()
    await in_thread(thread.join, name="join")
    await asyncio.sleep(0)


async def test_a_cancelled_caller_leaves_at_once_and_what_comes_later_is_dropped(caplog):
    await ended(*await left(lambda: 3))
    assert caplog.records == []


async def test_a_failure_after_the_caller_has_left_is_logged_without_its_words(caplog):
    def fail():
        raise ValueError("canary")

    with caplog.at_level(logging.WARNING, "aiclient"):
        await ended(*await left(fail))
    (record,) = caplog.records
    assert record.aiclient == {"event": "tool_failed", "tool": "f", "error": "ValueError"}
    assert "canary" not in record.getMessage()


def test_a_function_that_outlives_its_loop_hurts_nobody(caplog):
    def fail():
        raise ValueError

    with caplog.at_level(logging.WARNING, "aiclient"):
        release, thread = asyncio.run(left(fail))
        release.set()
        thread.join()
    assert [record.aiclient["error"] for record in caplog.records] == ["ValueError"]
