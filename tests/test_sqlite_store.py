"""The store in a file: other processes, forks, damage, and the loop that must not wait."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import traceback

import pytest

from aiclient._sqlite_file import CLEARED
from aiclient.errors import ConfigError, StoreError
from aiclient.sqlite_store import SQLiteStore
from aiclient.store import StoreSize

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path):
    return tmp_path / "answers.db"


@pytest.fixture
async def store(path, clock):
    async with SQLiteStore(path, clock=clock) as opened:
        yield opened


@contextlib.contextmanager
def by_hand(path):
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        yield db


# --- the file ---


async def test_what_is_kept_is_there_for_the_next_one(path):
    async with SQLiteStore(path) as store:
        await store.set("a", b"1", ttl=100)
    async with SQLiteStore(str(path)) as store:
        assert await store.get("a") == b"1"


async def test_the_file_is_made_when_it_is_needed_and_is_its_owners_alone(path):
    store = SQLiteStore(path)
    assert not path.exists()
    async with store:
        await store.set("a", b"1")
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {"answers.db": 0o600, "answers.db-wal": 0o600, "answers.db-shm": 0o600}


async def test_the_file_is_in_wal_mode_and_says_what_it_is(path, store):
    await store.set("a", b"1")
    with by_hand(path) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA user_version").fetchone() == (1,)


async def test_removed_values_are_not_left_in_the_file(path):
    async with SQLiteStore(path) as store:
        await store.set("a", b"very secret answer")
        await store.delete("a")
    assert b"very secret answer" not in path.read_bytes()


async def test_a_change_of_directory_does_not_change_the_file(path, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(path.parent)
    async with SQLiteStore("answers.db") as store:
        await store.set("a", b"1")
        await store.close()
        monkeypatch.chdir(tmp_path_factory.mktemp("other"))
        assert await store.get("a") == b"1"


async def test_it_measures_itself(store):
    await store.set("a", b"123")
    await store.set("b", b"1")
    await store.set("b", b"12")
    assert await store.measure() == StoreSize(2, 7)
    await store.clear()
    assert await store.measure() == StoreSize(0, 0)


async def test_a_write_removes_some_of_what_is_over(store, clock):
    for number in range(40):
        await store.set(str(number), b"1", ttl=5)
    clock.advance(5)
    sizes = []
    for number in range(3):
        await store.set(f"new {number}", b"1")
        sizes.append((await store.measure()).entries)
    assert sizes == [40 - 16 + 1, 40 - 32 + 2, 3]


async def test_more_than_one_transaction_removes_is_cleared_all_the_same(path, store):
    await store.set("a", b"1")
    with by_hand(path) as db:
        db.executemany(
            "INSERT INTO entries (key, value, size, stored, used) VALUES (?, x'31', 2, 0, 0)",
            [(f"k{number}",) for number in range(2 * CLEARED)],
        )
    assert await store.clear(prefix="k") == 2 * CLEARED
    assert (await store.measure()).entries == 1


async def test_an_entry_from_the_future_is_gone(store, clock):
    await store.set("a", b"1")
    clock._start -= 299
    assert await store.get("a") == b"1"
    clock._start -= 2
    assert await store.get("a") is None


async def test_a_sum_that_was_swapped_in_holds_though_the_clock_is_set_back(store, clock):
    assert await store.swap("a", None, b"1", ttl=60)
    clock._start -= 86_400
    assert await store.swap("a", b"1", b"2")
    assert await store.get("a") == b"2"


# --- what is wrong with it ---


async def test_damage_is_a_store_error_that_says_what_to_do(path):
    path.write_bytes(b"no database at all" * 100)
    async with SQLiteStore(path) as store:
        with pytest.raises(StoreError, match=r"damaged.*delete it") as caught:
            await store.get("a")
    assert caught.value.kind == "corrupt" and caught.value.__cause__ is None
    assert path.read_bytes().startswith(b"no database")


async def test_a_damaged_page_is_a_store_error_too(path):
    async with SQLiteStore(path) as store:
        await store.set("a", b"1" * 100)
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    async with SQLiteStore(path) as store:
        with pytest.raises(StoreError) as caught:
            await store.get("a")
    assert caught.value.kind == "corrupt"


async def test_it_works_again_when_the_damaged_file_is_gone(path):
    path.write_bytes(b"no database at all" * 100)
    async with SQLiteStore(path) as store:
        with pytest.raises(StoreError):
            await store.set("a", b"1")
        path.unlink()
        await store.set("a", b"1")
        assert await store.get("a") == b"1"


async def test_a_connection_that_failed_is_not_used_again(path):
    async with SQLiteStore(path) as store:
        await store.set("a", b"1")
        with by_hand(path) as db:
            db.execute("DROP TABLE entries")
        with pytest.raises(StoreError):
            await store.get("a")
        [file.unlink() for file in path.parent.iterdir()]
        await store.set("a", b"2")
        assert await store.get("a") == b"2"


async def test_another_version_is_refused_and_left_alone(path):
    async with SQLiteStore(path) as store:
        await store.set("a", b"1")
    with by_hand(path) as db:
        db.execute("PRAGMA user_version = 7")
    before = path.read_bytes()
    async with SQLiteStore(path) as store:
        with pytest.raises(StoreError, match=r"layout 7.*another path, or upgrade") as caught:
            await store.get("a")
    assert caught.value.kind == "version" and path.read_bytes() == before


async def test_another_programs_database_is_refused_and_left_alone(path):
    with by_hand(path) as db:
        db.execute("CREATE TABLE theirs (a)")
    before = path.read_bytes()
    async with SQLiteStore(path) as store:
        with pytest.raises(StoreError, match=r"another program.*another path") as caught:
            await store.set("a", b"1")
    assert caught.value.kind == "version" and path.read_bytes() == before


async def test_a_directory_that_is_not_there_is_named(tmp_path):
    async with SQLiteStore(tmp_path / "missing" / "a.db") as store:
        with pytest.raises(StoreError, match=r"missing.*directory exists") as caught:
            await store.get("a")
    assert caught.value.kind == "io"


async def test_a_key_that_is_no_text_is_a_store_error(store):
    with pytest.raises(StoreError):
        await store.set("\ud800", b"1")


async def test_who_writes_for_too_long_is_waited_for_only_so_long(path):
    async with SQLiteStore(path, busy=0.0) as store:
        await store.set("a", b"1")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="busy=") as caught:
                await store.set("b", b"1")
            assert await store.get("a") == b"1"  # readers do not wait
        assert caught.value.kind == "busy"
        await store.set("b", b"1")


async def test_swap_does_not_look_while_another_process_writes(path):
    async with SQLiteStore(path, busy=0.0) as store:
        await store.set("a", b"1")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="busy="):
                await store.swap("a", b"what it may be about to be", b"2")


async def test_a_read_does_not_fail_for_the_note_that_it_was_one(path, clock):
    async with SQLiteStore(path, busy=0.0, clock=clock) as store:
        await store.set("a", b"1")
        clock.advance(100)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert await store.get("a") == b"1"


@pytest.mark.parametrize("path", [":memory:", "", "file:x", b"x"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ConfigError, match="path="):
        SQLiteStore(path)


@pytest.mark.parametrize("busy", [-1, float("nan"), float("inf"), True, "5"])
def test_a_wait_that_is_no_number_of_seconds_is_refused(path, busy):
    with pytest.raises(ConfigError, match="busy="):
        SQLiteStore(path, busy=busy)


# --- other threads, other processes ---


async def test_the_loop_does_not_wait_for_the_file(path):
    async with SQLiteStore(path) as store:
        await store.set("a", b"1")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            writing = asyncio.ensure_future(store.set("b", b"1"))
            await asyncio.sleep(0)  # the loop turns while the store's thread waits for the other writer
            assert not writing.done()
            other.execute("COMMIT")
        await writing
        assert await store.get("b") == b"1"


async def test_a_write_whose_caller_is_cancelled_is_whole_or_not_there(path):
    async with SQLiteStore(path) as store:
        await store.set("a", b"old")
        writing = asyncio.ensure_future(store.set("a", b"new"))
        await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert await store.get("a") in (b"old", b"new")
        await store.set("a", b"next")
        assert await store.get("a") == b"next"


ADD = """
import asyncio, sys
from aiclient import SQLiteStore

async def main(path, times):
    async with SQLiteStore(path) as store:
        for _ in range(times):
            old = await store.get("sum")
            while not await store.swap("sum", old, str(int(old or b"0") + 1).encode()):
                old = await store.get("sum")

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def test_two_processes_lose_nothing(path):
    adding = [subprocess.Popen([sys.executable, "-c", ADD, path, "50"]) for _ in range(2)]
    assert [process.wait(60) for process in adding] == [0, 0]
    assert asyncio.run(SQLiteStore(path).get("sum")) == b"100"


def forked(work):
    """Run `work` in a forked process; returns its exit code: 0 if it returned True."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if work() else 1
        except BaseException:  # of the child, which must not go on with the tests: its exit code tells
            traceback.print_exc()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
forks_with_threads = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@forks
@forks_with_threads
def test_a_store_works_on_both_sides_of_a_fork(path):
    store = SQLiteStore(path)
    asyncio.run(store.set("a", b"parent"))

    def in_child():
        seen = asyncio.run(store.get("a"))
        asyncio.run(store.set("b", b"child"))
        return seen == b"parent"

    assert forked(in_child) == 0
    assert asyncio.run(store.get("b")) == b"child"
    asyncio.run(store.close())


@forks
@forks_with_threads
def test_no_connection_goes_through_a_fork(path):
    store = SQLiteStore(path)
    asyncio.run(store.set("a", b"1"))
    assert forked(lambda: store._file._connection is None) == 0
    asyncio.run(store.close())


@forks
@forks_with_threads
def test_a_fork_waits_for_a_write_under_way(path):
    store = SQLiteStore(path)
    asyncio.run(store.set("a", b"1"))
    order = []
    holding = threading.Event()

    def write():
        with store._file._opened():
            holding.set()
            order.append("written")

    thread = threading.Thread(target=write)
    thread.start()
    holding.wait(10)
    assert forked(lambda: order == ["written"] and store._file._connection is None) == 0
    thread.join()
    asyncio.run(store.close())


def test_a_store_that_is_dropped_lets_go_of_its_file(path):
    store = SQLiteStore(path)
    asyncio.run(store.set("a", b"1"))
    file = store._file
    del store
    assert file._connection is None
