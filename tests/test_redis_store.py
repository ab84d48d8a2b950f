"""The store on a Redis server: what goes wrong on the way, cancellations, other loops and processes, and the server's time."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import ssl
import subprocess
import sys
import threading
import traceback
import warnings

import hypothesis.strategies as st
import pytest
import trustme
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from aiclient.errors import ConfigError, StoreError
from aiclient.redis_store import STEP, RedisStore
from aiclient.secrets import SecretStr
from aiclient.store import MemoryStore
from aiclient.testutil.clock import FakeClock

pytestmark = pytest.mark.anyio

PASSWORD = "s3cret-of-the-store"


@pytest.fixture
async def store(redis_room):
    async with RedisStore(redis_room.url, prefix=redis_room.prefix, timeout=30) as opened:
        yield opened


# --- a server that says what it is told to ---


class Scripted:
    """Answers each question with the next of `answers`; what a client says about itself at the beginning is all right."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.was_asked = asyncio.Event()
        self.connections = 0
        self.gone = asyncio.Event()

    async def __call__(self, reader, writer):
        self.connections += 1
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while command := await self.command(reader):
                if command[0] in (b"CLIENT", b"AUTH", b"SELECT"):
                    writer.write(b"+OK\r\n")
                    continue
                self.asked.append(command)
                self.was_asked.set()
                answer = self.answers.pop(0) if self.answers else None
                if answer is None:
                    break
                writer.write(answer)
        self.gone.set()

    async def command(self, reader):
        count = int((await reader.readuntil(b"\r\n"))[1:])
        parts = []
        for _ in range(count):
            size = int((await reader.readuntil(b"\r\n"))[1:])
            parts.append((await reader.readexactly(size + 2))[:-2])
        return parts


@pytest.fixture
async def scripted():
    """`await scripted(*answers)`: a server on a port of this machine, and its URL."""
    async with contextlib.AsyncExitStack() as stack:

        async def serve(*answers, **tls):
            peer = Scripted(*answers)
            server = await asyncio.start_server(peer, "127.0.0.1", 0, **tls)
            await stack.enter_async_context(server)
            stack.callback(server.close)
            return peer, f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"

        yield serve


@pytest.fixture
def nobody():
    """The URL of a port that refuses."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"redis://somebody:{PASSWORD}@127.0.0.1:{bound.getsockname()[1]}/0"


async def failure(store, key="a"):
    with pytest.raises(StoreError) as caught:
        await store.get(key)
    return caught.value


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


STEPS = 60
"""More turns of the loop than a call takes, connecting included."""


# --- options ---


@pytest.mark.parametrize(
    "url",
    [
        f"http://:{PASSWORD}@h",
        f"//:{PASSWORD}@h",
        "",
        None,
        7,
        b"redis://h",
        f"redis://:{PASSWORD}@h:x",
        f"redis://:{PASSWORD}@h:99999",
        f"redis://:{PASSWORD}@h/one",
        f"redis://:{PASSWORD}@h/-1",
        f"redis://:{PASSWORD}@h?socket_timeout=9",
        f"rediss://:{PASSWORD}@h?ssl_cert_reqs=none",
        f"redis://:{PASSWORD}@h#x",
        f"redis://:{PASSWORD}@/0",
        f"redis://[:{PASSWORD}@h",
        f"redis://:{PASSWORD}@ho\u2100st",
        "redis://h/" + "9" * 5000,
        "unix://",
        "unix://run/redis.sock",
        "unix:///a?db=x",
    ],
)
def test_what_is_no_url_of_a_server_is_refused_and_not_shown(url):
    with pytest.raises(ConfigError, match="url=") as caught:
        RedisStore(url)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("prefix", ["", "a{b", "a}b", "a b", "a*", "é", "x" * 65, None, b"x", "a\n"])
def test_a_prefix_that_could_be_taken_for_something_else_is_refused(prefix):
    with pytest.raises(ConfigError, match="prefix="):
        RedisStore("redis://h", prefix=prefix)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), True, "1", None])
def test_a_time_that_is_no_number_of_seconds_is_refused(timeout):
    with pytest.raises(ConfigError, match="timeout="):
        RedisStore("redis://h", timeout=timeout)


def test_a_file_of_authorities_is_for_tls_alone():
    with pytest.raises(ConfigError, match="nothing is encrypted"):
        RedisStore("redis://h", ca_file="ca.pem")


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigError, match=r"aiclient\[redis\]"):
        RedisStore("redis://h")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"redis://:{PASSWORD}@Cache.example", "redis://cache.example:6379/0"),
        (SecretStr(f"rediss://u:{PASSWORD}@[::1]:7000/3"), "rediss://[::1]:7000/3"),
        (f"unix://u:{PASSWORD}@/run/redis.sock?db=2", "unix:///run/redis.sock"),
    ],
)
def test_a_store_shows_its_address_and_no_password(url, shown):
    store = RedisStore(url)
    assert repr(store) == f"RedisStore({shown!r}, prefix='aiclient:')"


async def test_a_failure_shows_no_password_anywhere(nobody, caplog):
    error = await failure(RedisStore(nobody, timeout=30))
    assert error.kind == "io" and error.__cause__ is None and error.__context__ is None
    assert PASSWORD not in "".join(traceback.format_exception(error)) + caplog.text


async def test_a_name_that_is_no_text_is_a_store_error(store):
    with pytest.raises(StoreError):
        await store.set("\ud800", b"1")


# --- what the server answers ---


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", "full"),
        (b"-READONLY You can't write against a read only replica.\r\n", "readonly"),
        (b"-MASTERDOWN Link with MASTER is down\r\n", "readonly"),
        (b"-MOVED 3999 127.0.0.1:6381\r\n", "cluster"),
        (b"-CLUSTERDOWN The cluster is down\r\n", "cluster"),
        (b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", "corrupt"),
        (b"-ERR user_script:1: WRONGTYPE Operation against a key\r\n", "corrupt"),
        (b"-NOAUTH Authentication required.\r\n", "auth"),
        (b"-WRONGPASS invalid username-password pair or user is disabled.\r\n", "auth"),
        (b"-NOPERM this user has no permissions to run the 'hget' command\r\n", "auth"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "busy"),
        (b"-BUSY Redis is busy running a script.\r\n", "busy"),
        (b"-ERR max number of clients reached\r\n", "busy"),
        (b"-ERR unknown command 'HGET'\r\n", "server"),
        (b":1\r\n", "server"),
        (b"*1\r\n$1\r\nx\r\n", "server"),
        (b"?what\r\n", "server"),
        (b"$x\r\n", "server"),
        (b"*1\r\n" * 3000, "server"),
        (None, "io"),
    ],
    ids=lambda value: value[:12].decode().strip() if isinstance(value, bytes) else str(value),
)
async def test_what_a_server_answers_instead_is_told_by_its_kind(scripted, answer, kind):
    _, url = await scripted(answer)
    async with RedisStore(url, timeout=30) as store:
        error = await failure(store)
    assert error.kind == kind and str(error).startswith(url)
    assert error.__cause__ is None and error.__context__ is None


@pytest.mark.parametrize("answer", [b":1\r\n", b"?what\r\n", b"$-1\r\n$-1\r\n"])
async def test_a_connection_on_which_something_else_came_is_not_used_again(scripted, answer):
    peer, url = await scripted(answer, b"$3\r\nthe\r\n")
    async with RedisStore(url, timeout=30) as store:
        with contextlib.suppress(StoreError):
            await store.get("a")
        assert await store.get("b") == b"the"
    assert peer.connections == 2


async def test_the_words_of_a_server_are_not_repeated(scripted):
    _, url = await scripted(f"-ERR {PASSWORD}\r\n".encode())
    async with RedisStore(url, timeout=30) as store:
        assert PASSWORD not in str(await failure(store))


async def test_an_error_of_the_server_is_a_whole_answer_and_its_connection_is_used_again(scripted):
    peer, url = await scripted(b"-ERR no\r\n", b"$3\r\nyes\r\n")
    async with RedisStore(url, timeout=30) as store:
        await failure(store)
        assert await store.get("a") == b"yes"
    assert peer.connections == 1


async def test_nothing_is_sent_twice(scripted):
    peer, url = await scripted(b":1\r\n", None, b":1\r\n")
    async with RedisStore(url, timeout=30) as store:
        await store.set("a", b"1")
        with pytest.raises(StoreError):
            await store.swap("a", b"1", b"2")
    assert len(peer.asked) == 2


async def test_a_server_that_was_restarted_is_sent_the_script_once(own_room, redis_process):
    async with RedisStore(own_room.url, prefix=own_room.prefix, timeout=30) as store:
        await store.set("a", b"1")
        redis_process.restart()
        assert await store.swap("a", b"1", b"2") is False  # what was kept is gone, and the connection too
        own_room.call("SCRIPT", "FLUSH")
        assert await store.swap("a", None, b"3") is True
        assert await store.get("a") == b"3"
    assert own_room.call("INFO", "commandstats")["cmdstat_eval"]["calls"] == 2


async def test_a_server_without_room_keeps_what_it_has_and_says_so(own_room):
    async with RedisStore(own_room.url, prefix=own_room.prefix, timeout=30) as store:
        await store.set("a", b"1")
        own_room.call("CONFIG", "SET", "maxmemory", "1")
        try:
            with pytest.raises(StoreError, match="maxmemory") as caught:
                await store.set("a", b"2")
        finally:
            own_room.call("CONFIG", "SET", "maxmemory", "0")
        assert caught.value.kind == "full" and await store.get("a") == b"1"


async def test_a_replica_refuses_what_would_be_lost(own_room):
    async with RedisStore(own_room.url, prefix=own_room.prefix, timeout=30) as store:
        await store.set("a", b"1")
        own_room.call("REPLICAOF", "127.0.0.1", "1")
        try:
            with pytest.raises(StoreError, match="primary") as caught:
                await store.swap("a", b"1", b"2")
        finally:
            own_room.call("REPLICAOF", "NO", "ONE")
        assert caught.value.kind == "readonly" and await store.get("a") == b"1"


async def test_a_key_of_another_kind_is_an_error_until_it_is_written_over(store, redis_room):
    await store.set("a", b"1")
    (key,) = redis_room.keys("v:")
    redis_room.call("DEL", key)
    redis_room.call("RPUSH", key, "what is not ours")
    assert (await failure(store)).kind == "corrupt"
    with pytest.raises(StoreError):
        await store.swap("a", None, b"2")
    await store.set("a", b"3")
    assert await store.get("a") == b"3"


RIGHTS = ["+@all", "-@admin", "-@dangerous"]
"""What docs/redis.md says is enough."""


async def test_a_user_of_the_server_sees_what_the_server_lets_him(own_room):
    own_room.call("ACL", "SETUSER", "somebody", "on", f">{PASSWORD}", f"~{{{own_room.prefix}}}*", *RIGHTS)
    address = own_room.url.removeprefix("redis://")
    async with RedisStore(f"redis://somebody:{PASSWORD}@{address}", prefix=own_room.prefix, timeout=30) as store:
        await store.set("a", b"1", tags=["t"])
        assert await store.get("a") == b"1"
        assert await store.swap("a", b"1", b"2") and await store.clear(tag="t") == 0 and await store.clear() == 1
    async with RedisStore(f"redis://somebody:{PASSWORD}@{address}", prefix="of-others", timeout=30) as store:
        assert (await failure(store)).kind == "auth"
    async with RedisStore(f"redis://somebody:wrong-word@{address}", timeout=30) as store:
        assert (await failure(store)).kind == "auth"
    own_room.call("ACL", "DELUSER", "somebody")


async def test_a_unix_socket_and_a_number_of_a_database_lead_to_the_same_server(own_room, redis_process):
    own_room.call("SELECT", "0")
    async with RedisStore(own_room.url, prefix=own_room.prefix, timeout=30) as store:
        await store.set("a", b"1")
    for database, found in (("", b"1"), ("?db=0", b"1"), ("?db=1", None)):
        async with RedisStore(f"unix://{redis_process.path}{database}", prefix=own_room.prefix, timeout=30) as other:
            assert await other.get("a") == found


async def test_tls_is_used_and_the_certificate_is_checked(scripted, tmp_path):
    authority, other = trustme.CA(), trustme.CA()
    for name, made in (("ca", authority), ("other", other)):
        made.cert_pem.write_to_path(tmp_path / f"{name}.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    peer, url = await scripted(b"$1\r\n1\r\n", b"$1\r\n1\r\n", ssl=context)
    secure = url.replace("redis://127.0.0.1", "rediss://localhost")
    async with RedisStore(secure, ca_file=str(tmp_path / "ca.pem"), timeout=30) as store:
        assert await store.get("a") == b"1"
    async with RedisStore(secure, ca_file=str(tmp_path / "other.pem"), timeout=30) as store:
        assert (await failure(store)).kind == "io"
    named = url.replace("redis:", "rediss:")  # a certificate for another name
    async with RedisStore(named, ca_file=str(tmp_path / "ca.pem"), timeout=30) as store:
        assert (await failure(store)).kind == "io"
    assert len(peer.asked) == 1


# --- the time of it ---


async def test_a_late_answer_of_a_server_that_hung_is_nobodys(own_room, redis_process, still):
    async with RedisStore(own_room.url, prefix=own_room.prefix, clock=still) as store:
        await store.set("a", b"1")
        await store.set("b", b"2")
        with redis_process.paused():
            asking = asyncio.ensure_future(store.get("a"))
            await turns(STEPS)
            assert not asking.done()
            still.advance(0.5)
            with pytest.raises(StoreError) as caught:
                await asking
        assert caught.value.kind == "timeout"
        assert [await store.get(key) for key in "baab"] == [b"2", b"1", b"1", b"2"]


async def test_the_time_is_that_of_the_whole_exchange(scripted, still):
    peer, url = await scripted(b"$5\r\n")
    async with RedisStore(url, clock=still, timeout=0.5) as store:
        asking = asyncio.ensure_future(store.get("a"))
        await peer.was_asked.wait()
        still.advance(0.4)
        await asyncio.sleep(0)
        assert not asking.done()
        still.advance(0.1)
        with pytest.raises(StoreError, match="timeout=") as caught:
            await asking
        assert caught.value.kind == "timeout"
        await peer.gone.wait()  # the connection was closed


async def test_a_server_that_keeps_failing_is_left_alone_and_then_tried_by_one(scripted, still):
    peer, url = await scripted(*[b"-ERR no\r\n"] * 4, b"$1\r\n1\r\n")
    async with RedisStore(url, clock=still) as store:
        assert [(await failure(store)).kind for _ in range(5)] == ["server"] * 3 + ["off"] * 2
        still.advance(4.9)
        assert (await failure(store)).kind == "off"
        still.advance(0.1)
        kinds = await asyncio.gather(failure(store), failure(store))
        assert [error.kind for error in kinds] == ["server", "off"]
        still.advance(5)
        assert await store.get("a") == b"1"
        assert len(peer.asked) == 5
        assert (await failure(store)).kind == "io"  # and asked again at once


async def test_what_is_wrong_with_a_key_says_nothing_about_the_server(scripted, still):
    _, url = await scripted(*[b"-WRONGTYPE Operation against a key\r\n"] * 5)
    async with RedisStore(url, clock=still) as store:
        assert [(await failure(store)).kind for _ in range(5)] == ["corrupt"] * 5


async def test_an_idle_connection_is_used_for_half_a_minute(scripted, still):
    peer, url = await scripted(*[b"$-1\r\n"] * 3)
    async with RedisStore(url, clock=still) as store:
        await store.get("a")
        still.advance(30)
        await store.get("a")
        assert peer.connections == 1
        still.advance(30.1)
        await store.get("a")
        assert peer.connections == 2


@pytest.mark.parametrize("ahead", [-30.0, 30.0])
async def test_entries_live_by_the_servers_clock_whatever_a_clients_says(redis_room, ahead):
    clock = FakeClock(1_700_000_000.0 + ahead, auto=False)
    async with RedisStore(redis_room.url, prefix=redis_room.prefix, clock=clock) as store:
        await store.set("a", b"1", ttl=20, tags=["t"])
        assert all(15_000 < redis_room.call("PTTL", key) <= 20_000 for key in redis_room.keys())
        redis_room.passes(20)
        assert await store.get("a") is None


# --- keys and tags ---


async def test_all_keys_begin_with_the_prefix_as_the_tag_that_says_their_slot(store, redis_room):
    await store.set("a", b"1", tags=["t"])
    await store.swap("b", None, b"1")
    assert redis_room.keys() == [f"{{{redis_room.prefix}}}{name}".encode() for name in ("t:t", "v:a", "v:b")]


async def test_clear_takes_what_is_ours_alone(store, redis_room):
    async with RedisStore(redis_room.url, prefix=f"{redis_room.prefix}x", timeout=30) as other:
        redis_room.call("SET", f"{redis_room.prefix}of-others", "1")
        await other.set("a", b"1")
        await store.set("a", b"1")
        assert await store.clear() == 1
        assert await other.get("a") == b"1"
        assert redis_room.call("GETDEL", f"{redis_room.prefix}of-others") == b"1"
        assert await other.clear() == 1


@pytest.mark.parametrize("name", ["*", "?", "[ab]", "a\\", "\\*", "^", "é", "a b", "{x}"])
async def test_signs_of_patterns_are_names_like_others(store, name):
    await store.set(name + "1", b"1", tags=[name])
    await store.set("abc1", b"1", tags=["abc"])
    assert await store.clear(prefix=name, tag=name) == 1
    await store.set(name + "1", b"1")
    assert await store.clear(prefix=name) == 1
    assert await store.get("abc1") == b"1"


@pytest.mark.parametrize("tag", [None, "t"])
async def test_more_than_one_step_removes_is_cleared_all_the_same(store, tag):
    count = 2 * STEP + 7
    await asyncio.gather(*(store.set(f"k{number}", b"1", tags=["t"]) for number in range(count)))
    await store.set("other", b"1")
    assert await store.clear(prefix="k", tag=tag) == count
    assert await store.get("other") == b"1"


async def test_names_of_what_is_over_do_not_pile_up_under_a_tag(store, redis_room):
    for _ in range(3):
        for number in range(20):
            await store.set(f"{number}", b"1", ttl=5, tags=["t"])
        redis_room.passes(5.5)
    assert redis_room.keys() == []  # the list of a tag is over with the last that stands in it
    await store.set("stays", b"1", tags=["t"])
    await asyncio.gather(*(store.set(f"{number}", b"1", ttl=5, tags=["t"]) for number in range(20)))
    redis_room.passes(5.5)
    await store.set("one", b"1", ttl=5, tags=["t"])
    await store.set("two", b"1", ttl=5, tags=["t"])
    assert redis_room.call("ZCARD", redis_room.keys("t:")[0]) == 3


async def test_a_list_of_a_tag_that_names_what_bears_it_no_more_removes_nothing(store):
    await store.set("a", b"1", ttl=60, tags=["t"])
    await store.swap("a", b"1", b"2")
    await store.set("b", b"1", ttl=60, tags=["t"])
    await store.delete("b")
    assert await store.clear(tag="t") == 0
    assert await store.get("a") == b"2"


# --- cancellation ---


@pytest.mark.parametrize("again", [(), (0,), (1,), (2,)], ids=str)
@pytest.mark.parametrize("connected", [True, False])
async def test_a_cancelled_call_leaves_no_answer_behind_for_another(redis_room, connected, again):
    async with RedisStore(redis_room.url, prefix=redis_room.prefix, timeout=30) as store:
        for number in range(STEPS):
            await store.set(f"k{number}", f"v{number}".encode())
        ended = []
        for number in range(STEPS):
            if not connected:
                await store.close()
            asking = asyncio.ensure_future(store.get(f"k{number}"))
            await turns(number)
            for gap in (0, *again):
                await turns(gap)
                asking.cancel()
            await asyncio.wait([asking])
            ended.append(asking.cancelled())
            assert await store.get(f"k{(number + 7) % STEPS}") == f"v{(number + 7) % STEPS}".encode()
    assert ended[0] and ended[1]


async def test_a_swap_that_is_cancelled_is_done_whole_or_not_at_all(redis_room):
    async with RedisStore(redis_room.url, prefix=redis_room.prefix, timeout=30) as store:
        for number in range(STEPS):
            await store.set("a", b"old")
            swapping = asyncio.ensure_future(store.swap("a", b"old", b"new", ttl=60))
            await turns(number)
            swapping.cancel()
            await asyncio.wait([swapping])
            assert await store.get("a") in (b"old", b"new")


async def test_after_cancellations_a_thousand_calls_get_their_own_answers(redis_room):
    async with RedisStore(redis_room.url, prefix=redis_room.prefix, timeout=30) as store:
        for number in range(50):
            await store.set(f"k{number}", f"v{number}".encode())
        asking = [asyncio.ensure_future(store.get(f"k{number % 50}")) for number in range(200)]
        for number, task in enumerate(asking):
            await turns(number % 3)
            task.cancel()
        await asyncio.wait(asking)
        found = await asyncio.gather(*(store.get(f"k{number % 50}") for number in range(1000)))
    assert found == [f"v{number % 50}".encode() for number in range(1000)]


async def test_a_cancelled_call_closes_its_connection(scripted):
    peer, url = await scripted(b"", b"$1\r\nb\r\n")  # nothing yet for the first
    async with RedisStore(url, timeout=30) as store:
        asking = asyncio.ensure_future(store.get("a"))
        await peer.was_asked.wait()
        asking.cancel()
        await asyncio.wait([asking])
        assert await store.get("b") == b"b"
        assert peer.connections == 2
        await peer.gone.wait()


# --- other loops, threads and processes ---


async def test_a_closed_store_has_no_connection(scripted):
    peer, url = await scripted(b"$-1\r\n")
    store = RedisStore(url, timeout=30)
    await store.get("a")
    await store.close()
    await peer.gone.wait()


def test_a_loop_that_ends_takes_its_connections_with_it(redis_room):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store = RedisStore(redis_room.url, prefix=redis_room.prefix, timeout=30)
        asyncio.run(store.set("a", b"1"))
        assert asyncio.run(store.get("a")) == b"1"
        del store
        gc.collect()


def test_a_store_may_be_closed_from_another_loop(redis_room):
    store = RedisStore(redis_room.url, prefix=redis_room.prefix, timeout=30)
    used, closed = threading.Event(), threading.Event()
    found = []

    async def elsewhere():
        await store.set("a", b"1")
        used.set()
        await asyncio.to_thread(closed.wait, 30)
        found.append(await store.get("a"))

    thread = threading.Thread(target=asyncio.run, args=(elsewhere(),))
    thread.start()
    used.wait(30)
    asyncio.run(store.close())
    closed.set()
    thread.join()
    assert found == [b"1"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_has_a_connection_of_its_own(redis_room):
    store = RedisStore(redis_room.url, prefix=redis_room.prefix, timeout=30)

    async def main():
        await store.set("a", b"parent")
        child = os.fork()
        if child == 0:  # a new loop, as a worker's; the parent's goes on in the parent
            asyncio._set_running_loop(None)
            code = 1
            try:
                code = 0 if asyncio.run(in_child()) else 1
            except BaseException:  # of the child, which must not go on with the tests: its exit code tells
                traceback.print_exc()
            os._exit(code)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        return os.waitstatus_to_exitcode(status), await store.get("a"), await store.get("b")

    async def in_child():
        await store.set("b", b"child")
        return await store.get("a") == b"parent"

    assert asyncio.run(main()) == (0, b"parent", b"child")


ADD = """
import asyncio, sys
from aiclient import RedisStore

async def main(url, prefix, times):
    async with RedisStore(url, prefix=prefix, timeout=30) as store:
        for _ in range(int(times)):
            old = await store.get("sum")
            while not await store.swap("sum", old, str(int(old or b"0") + 1).encode()):
                old = await store.get("sum")

asyncio.run(main(*sys.argv[1:]))
"""


def test_two_processes_lose_nothing(redis_room):
    command = [sys.executable, "-c", ADD, redis_room.url, redis_room.prefix, "50"]
    adding = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(60) for process in adding] == [0, 0]
    store = RedisStore(redis_room.url, prefix=redis_room.prefix, timeout=30)
    assert asyncio.run(store.get("sum")) == b"100"


# --- the same as in memory, whatever is done ---

KEYS = st.sampled_from(["a", "a:1", "b", "*"])
VALUES = st.sampled_from([b"", b"1", b"\x00\xff\r\n"])
TTLS = st.sampled_from([None, 100.0, 1000.0])
TAGS = st.sets(st.sampled_from(["x", "y", "v"]))


class AsInMemory(RuleBasedStateMachine):
    """Does the same to both, and compares what they say. Times are so long that the test's own do not matter."""

    room = None

    def __init__(self):
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.model = MemoryStore(clock=self.clock)
        self.store = RedisStore(self.room.url, prefix=self.room.prefix, timeout=30)

    def both(self, do):
        assert self.runner.run(do(self.store)) == self.runner.run(do(self.model))

    @rule(key=KEYS, value=VALUES, ttl=TTLS, tags=TAGS)
    def set(self, key, value, ttl, tags):
        self.both(lambda store: store.set(key, value, ttl=ttl, tags=tags))

    @rule(key=KEYS, expected=st.none() | VALUES, value=st.none() | VALUES, ttl=TTLS)
    def swap(self, key, expected, value, ttl):
        self.both(lambda store: store.swap(key, expected, value, ttl=ttl))

    @rule(key=KEYS)
    def delete(self, key):
        self.both(lambda store: store.delete(key))

    @rule(prefix=st.sampled_from(["", "a", "a:", "*"]), tag=st.none() | st.sampled_from(["x", "y", "v"]))
    def clear(self, prefix, tag):
        self.both(lambda store: store.clear(prefix=prefix, tag=tag))

    @rule(seconds=st.sampled_from([50.0, 150.0, 1500.0]))
    def passes(self, seconds):
        self.clock.advance(seconds)
        self.room.passes(seconds)

    @invariant()
    def holds_the_same(self):
        for key in ("a", "a:1", "b", "*"):
            self.both(lambda store, key=key: store.get(key))

    def teardown(self):
        self.runner.run(self.store.clear())
        self.runner.run(self.store.close())
        self.runner.close()


def test_whatever_is_done_it_holds_what_a_store_in_memory_would(redis_room):
    AsInMemory.room = redis_room
    case = AsInMemory.TestCase
    case.settings = settings(max_examples=10, stateful_step_count=20, deadline=None)
    case().runTest()
