"""What the whole suite shares: one async backend, clocks, the vendors' schemas, and a cancellation at every loop step."""

from __future__ import annotations

import asyncio
import collections
import importlib.util
import itertools
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from aiclient.testutil.clock import FakeClock

SCHEMAS = Path(__file__).parents[2] / "shared" / "specs" / "validate_request.py"

settings.register_profile("suite", deadline=None, max_examples=30, database=None, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=100, database=None)  # --hypothesis-profile=thorough
settings.load_profile("suite")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Of a test marked `sampled(n)`, let every n-th case run each time, and the others with the slow tests."""
    seen = collections.Counter()
    for item in items:
        mark = item.get_closest_marker("sampled")
        if mark is not None:
            function = item.nodeid.partition("[")[0]
            if seen[function] % mark.args[0]:
                item.add_marker(pytest.mark.slow)
            seen[function] += 1


def pytest_runtest_setup(item):
    """Skip what is marked `linux` on other systems."""
    if sys.platform != "linux" and item.get_closest_marker("linux"):
        pytest.skip("only Linux has what this test needs")


@pytest.fixture(scope="session")
def validate():
    """`validate(method, url, headers, body)`: what the vendor's published schema says against a request, as texts."""
    if not SCHEMAS.is_file():
        pytest.skip("the vendors' schemas are not beside this repository (../shared/specs)")
    spec = importlib.util.spec_from_file_location("validate_request", SCHEMAS)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.validate


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.fixture
def clock():
    """A clock that a sleeper moves by itself."""
    return FakeClock()


@pytest.fixture
def still():
    """A clock that only `advance` moves."""
    return FakeClock(auto=False)


@pytest.fixture
def ctrl_c_works():
    """Let processes of this test be interrupted, also where ours was told to ignore it, as a shell does to what it puts
    into the background."""
    if sys.platform == "win32":
        pytest.skip("Windows sends no SIGINT to one process alone")
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, old)


async def _turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


async def _inject(scene, step, gaps):
    """Run one scene, cancelled after `step` turns of the loop and again after each gap; no task may be left."""
    before = asyncio.all_tasks()
    work, verify = scene()
    task = asyncio.ensure_future(work)
    await _turns(step)
    task.cancel()
    for gap in gaps:
        await _turns(gap)
        task.cancel()
    await asyncio.wait({task})
    await _turns(2)
    assert asyncio.all_tasks() == before, f"a task is left after a cancellation at step {step}, gaps {gaps}"
    assert task.cancelled() or not task.cancelling(), f"a cancellation is lost at step {step}, gaps {gaps}"
    verify(task)


@pytest.fixture
def at_every_step():
    """`await at_every_step(scene)`: cancel a scene at each of its loop steps, once and twice.

    A scene is a function giving (coroutine, verify); it must only ever wait for turns of the loop. Returns the number of
    injections, so that a test can see that there were some.
    """

    async def run(scene):
        work, verify = scene()
        task = asyncio.ensure_future(work)
        for total in itertools.count():
            if task.done():
                break
            await asyncio.sleep(0)
            assert total < 500, "the scene does not end"
        verify(task)
        injected = 0
        for step, gaps in itertools.product(range(total + 1), [(), (0,), (1,), (2,)]):
            await _inject(scene, step, gaps)
            injected += 1
        return injected

    return run
