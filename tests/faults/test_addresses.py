"""A and B once more: names, proxies, idle connections and what is refused before anything is sent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket

import httpx
import pytest

from aiclient import AsyncClient, http
from aiclient.context import Timeouts
from aiclient.errors import ConfigError, ConnectError, TimeoutError, outcome
from aiclient.http import HTTPLimits
from aiclient.providers import OpenAIProvider
from aiclient.testutil.server import Fault

from .peers import Nobody, Played, deaf, saying
from .rows import BOTH, Bench, Row, Untouched, meet, row
from .wires import KEY, OPENAI

pytestmark = pytest.mark.anyio
PATHS = pytest.mark.parametrize("path", BOTH)


@pytest.fixture
async def resolver(monkeypatch):
    """What the system's resolver does; a test replaces `resolver.answer`."""

    class Resolver:
        answer = None

    real = asyncio.get_running_loop().getaddrinfo
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lambda *args, **more: Resolver.answer(*args, **more))
    Resolver.real = staticmethod(real)
    return Resolver


async def unknown(*_, **__):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


async def hanging(*_, **__):
    await asyncio.sleep(60)


NAMES = [
    (
        unknown,
        Row(
            number=1,
            name="name is not known",
            peer=lambda _: Nobody("https://nowhere.example"),
            error=ConnectError,
            kind="dns",
            tries=3,
            sent=0,
            breaker="failure",
        ),
    ),
    (
        hanging,
        Row(
            number=2,
            name="resolver hangs",
            peer=lambda _: Nobody("https://nowhere.example"),
            timeouts=Timeouts(connect=0.03),
            error=TimeoutError,
            phase="connect",
            tries=3,
            sent=0,
            breaker="failure",
        ),
    ),
]


@PATHS
@pytest.mark.parametrize(("answer", "case"), NAMES, ids=["1 name is not known", "2 resolver hangs"])
async def test_a_name_that_leads_nowhere_is_typed_judged_and_let_go_of(resolver, answer, case, path):
    resolver.answer = answer
    await meet(case, path, OPENAI)


@row(5)
@PATHS
async def test_where_the_first_address_is_deaf_the_next_is_tried_soon(resolver, path):
    # a broken IPv6 way beside a good IPv4 one, with two addresses of this machine: it may have no IPv6
    async def two(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.2", "127.0.0.1")]

    async with Untouched(), Played() as peer:
        resolver.answer = two
        port = int(peer.url.rpartition(":")[2])
        bench = Bench(OPENAI.make(f"http://model.localhost:{port}"), timeouts=Timeouts(connect=5.0))
        with deaf("127.0.0.2", port):
            began = asyncio.get_running_loop().time()
            answer = await bench.ask(path)
            assert asyncio.get_running_loop().time() - began < 3.0  # the second is tried after 0.25 s
        assert (len(answer.attempts), peer.sent) == (1, 1)
        await bench.close()
        await peer.left()


@row(6)
@PATHS
async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch, path):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://user:secret@127.0.0.1:9")
    await meet(Row(number=6, name="proxy", peer=lambda _: Played(), text=None, breaker="success"), path, OPENAI)


def through(proxy):
    """A client of the caller's own that goes through a proxy."""
    return httpx.AsyncClient(proxy=proxy.replace("//", "//user:secret@"), trust_env=False)


@row(6)
@PATHS
async def test_a_proxy_of_the_callers_that_nobody_answers_at_is_a_connect_error_without_its_password(path):
    async with Untouched(), Nobody() as proxy:
        async with through(proxy.url) as theirs:
            bench = Bench(OpenAIProvider(KEY, model="m", base_url="https://model.example/v1", http_client=theirs))
            with pytest.raises(ConnectError) as caught:
                await bench.ask(path)
            error = caught.value
            assert (error.kind, outcome(error).breaker, len(error.attempts)) == ("refused", "failure", 3)
            assert "secret" not in f"{error}{error!r}"
            await bench.close()


PROXIES = [
    (7, b"407 Proxy Authentication Required", ConfigError, None, "neutral", 1),
    (6, b"502 Bad Gateway", ConnectError, "proxy", "failure", 3),
]


@row(6, 7)
@PATHS
@pytest.mark.parametrize(("number", "status", "kind", "word", "breaker", "tries"), PROXIES)
async def test_a_proxy_of_the_callers_that_refuses_is_told_from_the_service(
    path, number, status, kind, word, breaker, tries
):
    async with Untouched(), saying(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n") as proxy:
        async with through(proxy.url) as theirs:
            bench = Bench(OpenAIProvider(KEY, model="m", base_url="https://model.example/v1", http_client=theirs))
            with pytest.raises(kind) as caught:
                await bench.ask(path)
            error = caught.value
            assert (error.kind, outcome(error).breaker) == (word, breaker)
            assert (len(error.attempts), proxy.sent) == (tries, tries)
            assert "secret" not in f"{error}{error!r}"
            await bench.close()
        await proxy.left()


@row(9)
@PATHS
async def test_a_permit_that_does_not_come_is_a_pool_timeout_that_nobody_is_blamed_for(path):
    async with Untouched(), Played(Fault(delay=5)) as peer:
        provider = OPENAI.make(peer.url, limits=HTTPLimits(max_connections=1))
        bench = Bench(provider, timeouts=Timeouts(pool=0.03))
        holder = asyncio.ensure_future(bench.ask("chat"))
        await peer.received()
        with pytest.raises(TimeoutError) as caught:
            await bench.ask(path)
        error = caught.value
        assert (error.phase, len(error.attempts), outcome(error).breaker) == ("pool", 1, "neutral")
        assert peer.sent == 1
        holder.cancel()
        await asyncio.wait([holder])
        await bench.close()
        await peer.left()


@row(10)
@PATHS
async def test_an_idle_connection_that_turns_out_dead_costs_no_attempt(path):
    async with Untouched(), Played(Fault(), Fault(close_before=True, reset=True), again=False) as peer:
        bench = Bench(OPENAI.make(peer.url))
        await bench.ask(path)
        answer = await bench.ask(path)
        assert (len(answer.attempts), peer.sent, bench.waits.slept) == (1, 3, [])
        assert [request.connection_id for request in peer.requests] == [1, 1, 2]
        await bench.close()
        await peer.left()


@row(11)
@pytest.mark.parametrize("url", ["http://192.0.2.1/v1", "http://model.example/v1"])
def test_a_key_does_not_travel_unencrypted_and_the_client_says_so_at_once(url):
    with pytest.raises(ConfigError, match="not encrypted") as caught:
        AsyncClient(OpenAIProvider(KEY, model="m", base_url=url))
    assert (outcome(caught.value).breaker, caught.value.retryable) == ("neutral", False)


@row(16)
def test_session_keys_that_are_written_to_a_file_are_warned_of(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    http._context.cache_clear()
    with caplog.at_level(logging.WARNING, "aiclient.http"), contextlib.ExitStack() as after:
        after.callback(http._context.cache_clear)
        http._context("https")
    (record,) = caplog.records
    assert "SSLKEYLOGFILE" in record.getMessage()
