"""Connections are kept, reused, replaced and dropped: per origin, per loop, per process."""

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import threading
import weakref

import pytest

from aiclient import errors
from aiclient.http import HTTP, HTTPLimits
from aiclient.net.connections import Connection, Pool
from aiclient.request import HTTPCall
from aiclient.testutil.server import Answer, Fault, LoopbackServer, Route, cut, stall

pytestmark = pytest.mark.anyio


@pytest.fixture
def server():
    with LoopbackServer(routes=[Route("POST", "/thing", lambda _: Answer(200, {}, b"a thing"))]) as running:
        yield running


@pytest.fixture
async def http():
    held = HTTP()
    yield held
    assert all(pool.gate.free == 100 for pool in held._transport.pools.here.values())
    await held.close()


def call(server, body=b"{}"):
    return HTTPCall("POST", f"{server.url}/thing", [("Authorization", "Bearer k")], body)


def pool_of(http):
    (pool,) = http._transport.pools.here.values()
    return pool


def used(server):
    """Which connection each request came on."""
    return [request.connection_id for request in server.requests]


# --- reuse ---


async def test_one_connection_serves_calls_that_follow_each_other(server, http):
    for _ in range(5):
        await http.read(call(server))
    assert server.connections == 1


async def test_calls_at_once_have_a_connection_each(server, http):
    first, second = await http.open(call(server)), await http.open(call(server))
    assert server.connections == 2
    await first.read()
    await second.read()
    assert pool_of(http).idle == 2


async def test_the_connection_used_last_is_taken_first(server, http):
    first, second = await http.open(call(server)), await http.open(call(server))
    await first.read()
    await second.read()
    await http.read(call(server))
    await http.read(call(server))
    assert used(server) == [1, 2, 2, 2]


async def test_each_origin_has_connections_of_its_own(server, http):
    with LoopbackServer(routes=[Route("POST", "/thing", lambda _: Answer())]) as other:
        await http.read(call(server))
        await http.read(call(other))
        assert (server.connections, other.connections) == (1, 1)
        assert len(http._transport.pools.here) == 2
        await http.close()


async def test_an_exchange_left_unread_does_not_give_its_connection_back(server, http):
    exchange = await http.open(call(server))
    await exchange.aclose()
    assert pool_of(http).idle == 0
    assert (await http.read(call(server)))[1] == b"a thing"
    assert used(server) == [1, 2]


async def test_an_exchange_read_in_part_does_not_give_its_connection_back(server, http):
    server.script(Fault(status=200, body=bytes(300_000)))
    exchange = await http.open(call(server))
    await exchange.__anext__()
    await exchange.aclose()
    assert (await http.read(call(server)))[1] == b"a thing"
    assert used(server) == [1, 2]


async def test_an_exchange_dropped_unread_gives_its_permit_back(server, http):
    server.script(stall(after=2))
    exchange = await http.open(call(server), deadline=None)
    del exchange
    gc.collect()
    await asyncio.sleep(0.01)
    assert pool_of(http).gate.free == 100
    await asyncio.to_thread(server.wait_closed)


async def test_a_server_that_says_close_is_taken_at_its_word(server, http):
    server.script(Fault(status=200, body=b"bye", headers={"Connection": "Close"}))
    assert (await http.read(call(server)))[1] == b"bye"
    assert pool_of(http).idle == 0


async def test_a_connection_that_was_idle_too_long_is_not_used_again(server, http, still):
    await http.read(call(server), clock=still)
    still.advance(30)
    await http.read(call(server), clock=still)
    assert server.connections == 1
    still.advance(30.1)
    await http.read(call(server), clock=still)
    assert server.connections == 2


async def test_idle_connections_beyond_the_limit_are_closed_the_oldest_first(server):
    http = HTTP(limits=HTTPLimits(max_idle=2))
    exchanges = [await http.open(call(server)) for _ in range(4)]
    for exchange in exchanges:
        await exchange.read()
    assert pool_of(http).idle == 2
    await asyncio.to_thread(server.wait_for, lambda: server.open_connections == 2)
    await http.read(call(server))
    assert used(server)[-1] == 4
    await http.close()


def test_old_connections_are_closed_when_another_comes_back():
    closed = []

    class Fake(Connection):
        def close(self):
            closed.append(self)

    pool = Pool(connections=5, keep=5, seconds=30, make=object)
    old, young = Fake(object()), Fake(object())
    pool.give(old, now=0)
    pool.give(young, now=31)
    assert closed == [old]
    assert pool.take(now=40) is young


# --- a server that hangs up ---


async def test_an_idle_connection_that_the_server_closed_is_replaced_unnoticed(server, http):
    server.script(Fault(close_after=True))
    await http.read(call(server))
    await asyncio.to_thread(server.wait_closed)
    assert (await http.read(call(server)))[1] == b"a thing"
    assert used(server) == [1, 2]


@pytest.mark.parametrize("reset", [False, True])
async def test_a_server_that_hangs_up_at_a_request_on_an_old_connection_gets_it_again(server, http, reset):
    await http.read(call(server))
    server.script(Fault(close_before=True, reset=reset))
    assert (await http.read(call(server, b"again")))[1] == b"a thing"
    assert used(server) == [1, 1, 2]
    assert [request.body for request in server.requests] == [b"{}", b"again", b"again"]


async def test_the_second_hanging_up_is_an_error(server, http):
    await http.read(call(server))
    server.script(Fault(close_before=True), Fault(close_before=True))
    with pytest.raises(errors.ConnectError) as caught:
        await http.read(call(server))
    assert caught.value.kind == "reset"
    assert caught.value.__context__ is None
    assert len(server.requests) == 3


async def test_the_second_try_does_not_take_another_old_connection(server, http):
    first, second = await http.open(call(server)), await http.open(call(server))
    await first.read()
    await second.read()
    server.script(Fault(close_before=True))
    await http.read(call(server))
    assert used(server) == [1, 2, 2, 3]


async def test_hanging_up_on_a_new_connection_is_an_error_at_once(server, http):
    server.script(Fault(close_before=True))
    with pytest.raises(errors.ConnectError):
        await http.read(call(server))
    assert len(server.requests) == 1


async def test_hanging_up_after_thinking_is_an_error_because_it_may_have_been_paid_for(server, http, still):
    await http.read(call(server), clock=still)
    server.script(Fault(delay=0.05, close_before=True))
    reading = asyncio.ensure_future(http.read(call(server), clock=still))
    await asyncio.to_thread(server.wait_for, lambda: len(server.requests) == 2)
    still.advance(1.1)
    with pytest.raises(errors.ConnectError):
        await reading
    assert len(server.requests) == 2


async def test_an_answer_that_is_not_http_is_not_asked_for_again(server, http):
    await http.read(call(server))
    server.script(Fault(garbage=True))
    with pytest.raises(errors.ProtocolError):
        await http.read(call(server))
    assert len(server.requests) == 2


async def test_a_body_cut_off_on_an_old_connection_is_not_asked_for_again(server, http):
    await http.read(call(server))
    server.script(cut(after=3))
    with pytest.raises(errors.ProtocolError):
        await http.read(call(server))
    assert len(server.requests) == 2


async def test_sending_again_keeps_the_permit(server):
    http = HTTP(limits=HTTPLimits(max_connections=1))
    await http.read(call(server))
    server.script(Fault(close_before=True))
    heads = await asyncio.gather(*(http.read(call(server, b"%d" % number)) for number in range(3)))
    assert [head.status for head, _ in heads] == [200] * 3
    assert [request.body for request in server.requests] == [b"{}", b"0", b"0", b"1", b"2"]
    assert pool_of(http).gate.free == 1
    await http.close()


FAULTS = {
    "close_before": Fault(close_before=True),
    "reset": Fault(close_before=True, reset=True),
    "cut": cut(after=3),
    "cut with reset": cut(after=3, reset=True),
    "garbage": Fault(garbage=True),
    "redirect": Fault(status=302),
    "impossible status": Fault(status=700),
    "too large": Fault(status=200, body=bytes(2000)),
    "broken gzip": Fault(status=200, body=b"x", headers={"content-encoding": "gzip"}),
    "silence": Fault(delay=5),
    "stall": stall(after=3),
    "failure": Fault(status=500, body=bytes(2000)),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("old", [False, True], ids=["new connection", "old connection"])
async def test_after_every_fault_the_permit_is_back_and_the_next_call_succeeds(server, fault, old):
    http = HTTP(limits=HTTPLimits(max_connections=1, max_body=1000, max_error_body=1000))
    if old:
        await http.read(call(server))
    server.script(fault, fault)  # the second, if the first is met by sending again
    loop = asyncio.get_running_loop()
    try:
        await http.read(call(server), deadline=loop.time() + 0.05)
    except errors.AIClientError:
        pass
    server._service.script.clear()
    assert pool_of(http).gate.free == 1
    assert (await http.read(call(server), deadline=loop.time() + 2))[1] == b"a thing"
    assert pool_of(http).gate.free == 1
    await http.close()
    await asyncio.to_thread(server.wait_closed)


# --- closing ---


async def test_closing_drops_idle_connections_and_leaves_those_in_use(server, http):
    server.script(Fault(status=200, body=b"slow thing", drip=(5, 0.01)))
    exchange = await http.open(call(server))
    await http.read(call(server))
    assert server.open_connections == 2
    await http.close()
    await asyncio.to_thread(server.wait_for, lambda: server.open_connections == 1)
    assert await exchange.read() == b"slow thing"
    await asyncio.to_thread(server.wait_closed)


async def test_it_can_be_used_after_closing(server, http):
    await http.read(call(server))
    await http.close()
    assert (await http.read(call(server)))[1] == b"a thing"
    assert server.connections == 2


async def test_closing_before_use_is_harmless():
    await HTTP().close()


def test_closing_reaches_connections_of_another_loop(server):
    http, ready, stop = HTTP(), threading.Event(), asyncio.Event()

    async def elsewhere():
        await http.read(call(server))
        loops.append(asyncio.get_running_loop())
        ready.set()
        await stop.wait()

    loops = []
    thread = threading.Thread(target=asyncio.run, args=(elsewhere(),))
    thread.start()
    ready.wait(2)
    assert server.open_connections == 1
    asyncio.run(http.close())
    server.wait_closed()
    loops[0].call_soon_threadsafe(stop.set)
    thread.join()


async def test_dropping_it_closes_its_connections(server):
    http = HTTP()
    await http.read(call(server))
    gone = weakref.ref(http._transport.pools)
    del http
    assert gone() is None
    await asyncio.to_thread(server.wait_closed)


# --- loops, threads, processes ---


def test_it_serves_one_loop_after_the_other(server):
    http = HTTP()
    for _ in range(3):
        assert asyncio.run(http.read(call(server)))[1] == b"a thing"
        server.wait_closed()  # without `close`: the end of the loop sees to it
    assert server.connections == 3
    assert http._transport.pools._loops == {}


def test_loops_closed_by_hand_are_forgotten(server):
    http = HTTP()
    for _ in range(3):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(http.read(call(server)))
        loop.run_until_complete(http.close())
        loop.close()
    assert len(http._transport.pools._loops) == 1
    asyncio.run(http.read(call(server)))
    assert http._transport.pools._loops == {}


def test_two_loops_in_two_threads_have_connections_of_their_own(server):
    http = HTTP(limits=HTTPLimits(max_connections=5))
    failures = []

    async def many():
        try:
            await asyncio.gather(*(http.read(call(server)) for _ in range(60)))
        except Exception as error:  # of a thread: asserted to be none below
            failures.append(error)

    threads = [threading.Thread(target=asyncio.run, args=(many(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(server.requests) == 120
    assert server.connections <= 10


def script(text, *arguments):
    """Run a Python program that turns warnings into errors; return what it printed on both channels."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(text), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, env={**os.environ, "PYTHONPATH": ""})
    return done.stdout.split(), done.stderr


def test_nobody_has_to_close_it(server):
    out, err = script(
        """
        import asyncio, gc, sys
        from aiclient.http import HTTP
        from aiclient.request import HTTPCall

        http = HTTP()

        async def main():
            print((await http.read(HTTPCall("GET", sys.argv[1] + "/health")))[0].status)
            left = await http.open(HTTPCall("POST", sys.argv[1] + "/thing"))
            await left.aclose()

        asyncio.run(main())
        asyncio.run(main())
        gc.collect()
        """,
        server.url,
    )
    assert (out, err) == (["200", "200"], "")


@pytest.mark.linux
def test_a_forked_child_opens_connections_of_its_own_and_leaves_the_parents_alone(server):
    out, err = script(
        """
        import asyncio, os, sys
        from aiclient.http import HTTP
        from aiclient.request import HTTPCall

        http = HTTP()
        loop = asyncio.new_event_loop()

        def ask(name):
            call = HTTPCall("POST", sys.argv[1] + "/thing", (), name.encode())
            print(loop.run_until_complete(http.read(call))[0].status, flush=True)

        def inherited():
            return [fd for fd in os.listdir("/proc/self/fd") if "socket:" in os.path.realpath(f"/proc/self/fd/{fd}")]

        ask("parent")
        before = inherited()
        child = os.fork()
        if child == 0:
            ask("child")
            ask("child")
            loop.run_until_complete(loop.shutdown_asyncgens())
            os._exit(0 if inherited() == before else 1)
        assert os.waitpid(child, 0)[1] == 0
        ask("parent")
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        """,
        server.url,
    )
    assert (out, err) == (["200"] * 4, "")
    assert [(request.body, request.connection_id) for request in server.requests] == [
        (b"parent", 1),
        (b"child", 2),
        (b"child", 2),
        (b"parent", 1),
    ]


def test_importing_and_making_one_imports_no_http_library():
    out, err = script(
        """
        import sys
        from aiclient.http import HTTP
        HTTP()
        print(*[name for name in ("httpx", "httpcore", "anyio", "h11") if name in sys.modules], "end")
        """
    )
    assert (out, err) == (["end"], "")
