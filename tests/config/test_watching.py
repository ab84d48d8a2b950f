"""A file that is looked at: changes are taken over, bad ones are told of once, and ending the watch ends it."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import threading
from types import SimpleNamespace

import pytest

from aiclient import AsyncClient, Client, ConfigError, registry
from aiclient.config import watch
from aiclient.config.watching import _signature

pytestmark = pytest.mark.anyio


class File:
    """A configuration on disk, each version with a time of its own."""

    def __init__(self, path):
        self.path, self._version = path, 0

    def write(self, value):
        self._version += 1
        self.path.write_text(value if isinstance(value, str) else json.dumps(value))
        os.utime(self.path, ns=(self._version, self._version))


@pytest.fixture
def file(tmp_path):
    made = File(tmp_path / "a.json")
    made.write({"model": "mock:first"})
    return made


@pytest.fixture
async def client(file):
    async with AsyncClient.from_config(file.path, environ={}) as made:
        yield made


def model(client):
    return client._stack.leaf.info.model


async def test_a_change_is_taken_over_and_told(client, file):
    told = []
    watcher = watch(client, file.path, on_reload=told.append)
    looks = [await watcher.look()]
    file.write({"model": "mock:second"})
    looks += [await watcher.look(), await watcher.look()]
    assert (looks, model(client), len(told)) == ([False, True, False], "second", 1)


async def test_what_says_the_same_in_other_words_is_not_told(client, file):
    told = []
    watcher = watch(client, file.path, on_reload=told.append)
    await watcher.look()
    file.write('{"model":   "mock:first"}')
    assert (await watcher.look(), told) == (False, [])


def test_a_change_that_keeps_size_and_time_is_seen_by_the_time_of_the_change_itself():
    facts = {"st_mtime_ns": 1, "st_size": 2, "st_ino": 3}
    before, after = (SimpleNamespace(stat=lambda at=at: SimpleNamespace(st_ctime_ns=at, **facts)) for at in (4, 5))
    assert _signature(before) != _signature(after)


class Odd:
    """A layer of others, which cannot be put in."""

    def __call__(self, provider):
        raise RuntimeError("not here")


@pytest.fixture
def odd():
    registry.middleware.register("odd", Odd)
    yield
    registry.middleware.unregister("odd")


@pytest.mark.usefixtures("odd")
async def test_a_layer_of_others_that_raises_ends_no_watch(client, file):
    told = []
    watcher = watch(client, file.path, on_error=told.append)
    await watcher.look()
    file.write({"model": "mock:x", "use": ["odd"]})
    looks = [await watcher.look()]
    file.write({"model": "mock:second"})
    looks += [await watcher.look()]
    assert (looks, model(client)) == ([False, True], "second")
    assert [str(error) for error in told] == ["the layers cannot be put together: RuntimeError: not here"]


@pytest.mark.parametrize("bad", ['{"model": ', '{"mdel": "x"}', ""])
async def test_a_bad_file_leaves_the_client_as_it_is_and_is_told_once(client, file, caplog, bad):
    told = []
    watcher = watch(client, file.path, on_error=told.append)
    await watcher.look()
    file.write(bad)
    with caplog.at_level(logging.ERROR, "aiclient.config"):
        looks = [await watcher.look(), await watcher.look()]
    assert (looks, model(client), len(told), isinstance(told[0], ConfigError)) == ([False, False], "first", 1, True)
    assert [record.aiclient["event"] for record in caplog.records] == ["config_refused"]
    file.write({"model": "mock:third"})
    assert (await watcher.look(), model(client)) == (True, "third")


async def test_a_file_that_is_gone_is_told_once_and_may_come_back(client, file):
    told = []
    watcher = watch(client, file.path, on_error=told.append)
    await watcher.look()
    file.path.unlink()
    await watcher.look()
    await watcher.look()
    file.write({"model": "mock:again"})
    assert (await watcher.look(), model(client), len(told)) == (True, "again", 1)


async def test_a_listener_that_fails_does_not_end_the_watch(client, file, caplog):
    def fail(_):
        raise OSError("mine")

    watcher = watch(client, file.path, on_reload=fail)
    await watcher.look()
    file.write({"model": "mock:second"})
    with caplog.at_level(logging.ERROR, "aiclient.config"):
        assert await watcher.look()
    assert "a listener failed" in caplog.text


async def test_it_looks_every_few_seconds_by_its_clock(client, file, still):
    async with watch(client, file.path, every=3, clock=still):
        await asyncio.sleep(0)
        file.write({"model": "mock:second"})
        still.advance(2.9)
        await asyncio.sleep(0)
        before = model(client)
        still.advance(0.2)
        for _ in range(5):
            await asyncio.sleep(0)
        assert (before, model(client), still.slept) == ("first", "second", [3.0, 3.0])


async def test_leaving_the_block_ends_the_watch(client, file, still):
    tasks = asyncio.all_tasks()
    async with watch(client, file.path, clock=still):
        assert asyncio.all_tasks() != tasks
    assert asyncio.all_tasks() == tasks


async def test_a_caller_that_is_cancelled_while_it_leaves_the_block_is_told_so(client, file, still, at_every_step):
    async def leave():
        async with watch(client, file.path, clock=still):
            pass

    def verify(task):
        assert task.cancelled() == bool(task.cancelling())

    assert await at_every_step(lambda: (leave(), verify)) > 8


def test_a_sync_client_is_watched_on_its_own_thread(file):
    changed = threading.Event()
    with Client.from_config(file.path, environ={}) as client:
        with watch(client, file.path, every=0.01, on_reload=lambda _: changed.set()):
            file.write({"model": "mock:second"})
            assert changed.wait(10)
        assert "model second" in client.explain()


async def test_an_async_client_is_not_watched_by_a_sync_block(client, file):
    with pytest.raises(ConfigError, match="async with"), watch(client, file.path):
        pass


@pytest.mark.parametrize(
    "options", [{"every": 0}, {"every": -1}, {"every": True}, {"every": float("inf")}, {"on_reload": 3}]
)
async def test_an_option_out_of_range_is_refused(client, file, options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        watch(client, file.path, **options)


async def test_a_watch_that_is_cancelled_leaves_the_client_whole(client, file, at_every_step):
    models = itertools.cycle(["second", "first"])

    def scene():
        before, after = model(client), next(models)
        file.write({"model": f"mock:{after}"})

        def verify(task):
            assert model(client) in ({before, after} if task.cancelled() else {after})
            assert client.config.to_dict()["providers"]["mock"]["model"] == model(client)

        return watch(client, file.path).look(), verify

    assert await at_every_step(scene) > 4
