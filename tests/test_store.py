"""Stores: what every one must do, and what is particular to the one in memory."""

from __future__ import annotations

import asyncio
import threading

import pytest

from aiclient.errors import ConfigError, StoreError
from aiclient.redis_store import RedisStore
from aiclient.sqlite_store import SQLiteStore
from aiclient.store import MemoryStore, StoreSize
from aiclient.testutil.clock import FakeClock

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "sqlite", "redis"])
def kind(request):
    return request.param


limited = pytest.mark.parametrize("kind", ["memory", "sqlite"], indirect=True)
"""Of stores that are held to a size; a server is held to one by its own settings."""


@pytest.fixture
async def make(kind, request, tmp_path):
    """Makes stores of one kind; they are closed at the end."""
    made = []

    def memory(**options):
        return MemoryStore(**options)

    def sqlite(**options):
        return SQLiteStore(tmp_path / f"{len(made)}.db", **options)

    def redis(clock=None):
        room = request.getfixturevalue("redis_room")
        return RedisStore(room.url, prefix=room.prefix, timeout=30)

    def build(**options):
        made.append({"memory": memory, "sqlite": sqlite, "redis": redis}[kind](**options))
        return made[-1]

    yield build
    for store in made:
        await store.close()


@pytest.fixture
def passes(kind, clock, request):
    """Lets time pass for a store: `passes(seconds)`."""
    return request.getfixturevalue("redis_room").passes if kind == "redis" else clock.advance


@pytest.fixture
def store(make, clock):
    return make(clock=clock)


async def kept(store, *keys):
    return [key for key in keys if await store.get(key) is not None]


# --- every store ---


async def test_what_is_kept_is_given_back(store):
    await store.set("a", b"\x00\xff")
    assert await store.get("a") == b"\x00\xff"
    assert await store.get("b") is None


async def test_an_empty_value_is_a_value(store):
    await store.set("a", b"")
    assert await store.get("a") == b""


async def test_a_new_value_replaces_the_old_one_with_its_time_and_tags(store, passes):
    await store.set("a", b"1", ttl=5, tags=["t"])
    await store.set("a", b"2")
    passes(6)
    assert await store.clear(tag="t") == 0
    assert await store.get("a") == b"2"


@pytest.mark.parametrize(("passed", "found"), [(30, b"1"), (50, None)])
async def test_an_entry_lives_for_its_time(store, passes, passed, found):
    await store.set("a", b"1", ttl=50)
    passes(passed)
    assert await store.get("a") == found


async def test_without_a_time_an_entry_stays(store, passes):
    await store.set("a", b"1")
    passes(10**9)
    assert await store.get("a") == b"1"


async def test_delete_says_whether_there_was_something(store, passes):
    await store.set("a", b"1", ttl=5)
    await store.set("b", b"1", ttl=5)
    assert await store.delete("a") is True
    assert await store.delete("a") is False
    assert await store.get("a") is None
    passes(5)
    assert await store.delete("b") is False


async def test_clear_removes_by_the_beginning_of_the_key(store):
    for key in ("a:1", "a:2", "b:1", "a"):
        await store.set(key, b"1")
    assert await store.clear(prefix="a:") == 2
    assert await kept(store, "a:1", "a:2", "b:1", "a") == ["b:1", "a"]
    assert await store.clear() == 2


async def test_clear_removes_by_tag_and_by_both(store):
    await store.set("a:1", b"1", tags=["x", "y"])
    await store.set("a:2", b"1", tags=["y"])
    await store.set("b:1", b"1", tags=["x"])
    assert await store.clear(prefix="a:", tag="x") == 1
    assert await kept(store, "a:1", "a:2", "b:1") == ["a:2", "b:1"]
    assert await store.clear(tag="x") == 1
    assert await store.clear(tag="%") == 0


@pytest.mark.parametrize(
    ("expected", "value", "done", "then"),
    [
        (b"1", b"2", True, b"2"),
        (b"0", b"2", False, b"1"),
        (None, b"2", False, b"1"),
        (b"1", None, True, None),
        (b"0", None, False, b"1"),
    ],
)
async def test_swap_changes_only_what_is_as_expected(store, expected, value, done, then):
    await store.set("a", b"1")
    assert await store.swap("a", expected, value) is done
    assert await store.get("a") == then


async def test_swap_takes_what_is_over_for_nothing(store, passes):
    await store.set("a", b"1", ttl=5)
    passes(5)
    assert await store.swap("a", b"1", b"2") is False
    assert await store.swap("a", None, b"2", ttl=5) is True
    passes(5)
    assert await store.get("a") is None


@limited
async def test_swap_says_so_when_a_value_has_no_room(make):
    store = make(max_bytes=10)
    with pytest.raises(StoreError, match="does not fit") as caught:
        await store.swap("a", None, b"x" * 10)
    assert caught.value.kind == "full"


@limited
async def test_a_value_larger_than_the_store_is_not_kept(make):
    store = make(max_bytes=10)
    await store.set("a", b"small")
    await store.set("b", b"x" * 10)
    assert await kept(store, "a", "b") == ["a"]


@limited
async def test_the_least_recently_used_entries_make_room(make, clock):
    store = make(max_entries=2, clock=clock)
    await store.set("a", b"1")
    clock.advance(100)
    await store.set("b", b"1")
    clock.advance(100)
    await store.get("a")
    clock.advance(100)
    await store.set("c", b"1")
    assert await kept(store, "a", "b", "c") == ["a", "c"]


@limited
async def test_bytes_are_limited_like_entries(make, clock):
    store = make(max_bytes=30, clock=clock)
    for key in "abc":
        await store.set(key, b"123456789")
        clock.advance(100)
    assert await kept(store, "a", "b", "c") == ["a", "b", "c"]
    await store.set("d", b"123456789" * 2)
    assert await kept(store, "a", "b", "c", "d") == ["c", "d"]


async def test_a_closed_store_works_again_on_the_next_call(store):
    await store.set("a", b"1")
    await store.close()
    await store.close()
    assert await store.get("a") == b"1"


async def raised(store):
    """Raise a number kept in `store` by one, as a ledger does."""
    old = await store.get("sum")
    while not await store.swap("sum", old, str(int(old or b"0") + 1).encode()):
        old = await store.get("sum")


def test_several_loops_and_threads_lose_nothing(make, anyio_backend):
    store = make()

    async def ten():
        await asyncio.gather(*(raised(store) for _ in range(10)))

    threads = [threading.Thread(target=asyncio.run, args=(ten(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asyncio.run(store.get("sum")) == b"40"
    asyncio.run(store.close())


@limited
@pytest.mark.parametrize("options", [{"max_entries": 0}, {"max_bytes": -1}, {"max_entries": 1.5}, {"max_bytes": True}])
async def test_a_limit_that_is_none_is_refused(make, options):
    with pytest.raises(ConfigError, match=f"{next(iter(options))}="):
        make(**options)


# --- the one in memory ---


async def test_a_correction_of_the_clock_changes_nothing_in_memory(clock):
    store = MemoryStore(clock=clock)
    await store.set("a", b"1", ttl=5)
    clock._start -= 10**6
    assert await store.get("a") == b"1"
    clock._start += 10**7
    assert await store.get("a") == b"1"


async def test_memory_tells_its_size(clock):
    store = MemoryStore(clock=clock)
    await store.set("a", b"123", ttl=5)
    await store.set("b", b"1")
    await store.set("b", b"12")
    assert store.size == StoreSize(2, 7)
    clock.advance(5)
    await store.get("a")
    assert store.size == StoreSize(1, 3)


async def test_dead_entries_do_not_pile_up():
    clock = FakeClock()
    store = MemoryStore(clock=clock)
    for number in range(100):
        await store.set(str(number), b"1", ttl=5)
        clock.advance(1)
    assert store.size.entries < 10
