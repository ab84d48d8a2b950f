"""The HTTP seam over real sockets: faults become typed errors, limits hold, and nothing is left behind."""

import asyncio
import errno
import gc
import gzip
import math
import os
import socket
import ssl
import stat
import time
import traceback
import tracemalloc
import zlib
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from aiclient import errors
from aiclient.context import Timeouts
from aiclient.http import HTTP, HTTPLimits, _context
from aiclient.request import HTTPCall
from aiclient.testutil.server import Answer, Fault, LoopbackServer, Route, cut, server_error, stall

pytestmark = pytest.mark.anyio

KEY = "sk-planted-4f9c1e"
MIB = 1024 * 1024


def answering(answer):
    return Route("POST", "/thing", lambda _: answer)


@pytest.fixture
def server():
    with LoopbackServer(routes=[answering(Answer(200, {"X-Request-Id": "r1"}, b"a thing"))]) as running:
        yield running


@pytest.fixture
async def http():
    held = HTTP()
    yield held
    assert free(held) in ({100}, set())
    await held.close()


def call(server, path="/thing", body=b'{"prompt": "a secret plan"}', headers=()):
    url = server if isinstance(server, str) else server.url
    return HTTPCall("POST", f"{url}{path}", [("Authorization", f"Bearer {KEY}"), *headers], body)


def free(http):
    """The free permits of every pool of this loop."""
    return {pool.gate.free for pool in http._transport.pools.here.values()}


def idle(http):
    return sum(pool.idle for pool in http._transport.pools.here.values())


def in_seconds(seconds):
    return time.monotonic() + seconds


async def failure(kind, work):
    with pytest.raises(kind) as caught:
        await work
    return caught.value


# --- a call, a stream ---


async def test_a_call_gives_the_head_and_the_whole_body(server, http):
    head, body = await http.read(call(server))
    assert (head.status, body) == (200, b"a thing")
    assert head.headers["x-request-id"] == "r1"
    assert head.headers["content-length"] == "7"


async def test_the_request_arrives_as_it_was_given(server, http):
    await http.read(call(server, "/thing?a=1", b"\x00body", [("X-Name", " spaced\t"), ("X-Name", "caf\xe9")]))
    (request,) = server.requests
    assert (request.method, request.path, request.query, request.body) == ("POST", "/thing", "a=1", b"\x00body")
    pairs = [(name.lower(), value) for name, value in request.header_pairs]
    assert [value for name, value in pairs if name == "x-name"] == ["spaced", "caf\xe9"]
    assert dict(pairs)["accept-encoding"] == "gzip"
    assert dict(pairs)["host"] == server.url.removeprefix("http://")
    assert sum(name == "content-length" for name, _ in pairs) == 1


async def test_a_header_of_the_call_takes_the_place_of_ours(server, http):
    await http.read(call(server, headers=[("accept-encoding", "identity"), ("host", "example.org")]))
    pairs = [(name.lower(), value) for name, value in server.requests[0].header_pairs]
    assert sorted(value for name, value in pairs if name in ("accept-encoding", "host")) == ["example.org", "identity"]


async def test_a_get_has_no_body_and_no_length(server, http):
    await http.read(HTTPCall("GET", f"{server.url}/health"))
    assert "content-length" not in server.requests[0].headers


async def test_repeated_headers_are_joined_and_names_are_in_lower_case(http):
    async with scripted(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 0\r\n\r\n") as url:
        head, body = await http.read(call(url))
    assert head.headers["x-a"] == "1, 2"
    assert body == b""


async def test_a_stream_gives_its_bytes_as_they_come():
    answer = Answer(200, {"content-type": "text/event-stream"}, (b"data: 1\n\n", b"data: 2\n\n"), pause=0.02)
    http = HTTP()
    with LoopbackServer(routes=[answering(answer)]) as server:
        exchange = await http.open(call(server))
        assert exchange.head.status == 200
        assert [piece async for piece in exchange] == [b"data: 1\n\n", b"data: 2\n\n"]
        assert idle(http) == 1
        await http.close()


async def test_a_finished_exchange_says_so_again_and_closing_it_is_harmless(server, http):
    exchange = await http.open(call(server))
    assert await exchange.read() == b"a thing"
    assert [piece async for piece in exchange] == []
    await exchange.aclose()
    exchange.abort()
    assert idle(http) == 1


async def test_a_closed_exchange_is_not_taken_for_an_ended_one(server, http):
    exchange = await http.open(call(server))
    await exchange.aclose()
    await failure(errors.StreamClosedError, exchange.read())


async def test_closing_while_another_task_reads_ends_the_reader(server, http):
    server.script(stall(after=2))
    exchange = await http.open(call(server))
    assert await exchange.__anext__() == b"a "
    reader = asyncio.ensure_future(exchange.__anext__())
    await asyncio.sleep(0.01)
    await exchange.aclose()
    await failure(errors.StreamClosedError, reader)
    await asyncio.to_thread(server.wait_closed)
    assert free(http) == {100}


async def test_aborting_in_another_thread_closes_the_connection_on_its_loop(server, http):
    server.script(stall(after=2))
    exchange = await http.open(call(server))
    await asyncio.to_thread(exchange.abort)
    await asyncio.sleep(0.01)
    assert free(http) == {100}
    await asyncio.to_thread(server.wait_closed)
    await failure(errors.StreamClosedError, exchange.read())


async def test_cancelling_a_read_closes_the_connection_at_once(server, http):
    server.script(stall(after=2))
    exchange = await http.open(call(server))
    reader = asyncio.ensure_future(exchange.read())
    await asyncio.sleep(0.01)
    reader.cancel()
    await failure(asyncio.CancelledError, reader)
    assert free(http) == {100}
    await asyncio.to_thread(server.wait_closed)


async def test_cancelling_while_the_head_is_awaited_closes_the_connection_at_once(server, http):
    server.script(Fault(delay=5))
    opening = asyncio.ensure_future(http.open(call(server)))
    await asyncio.to_thread(server.wait_for, lambda: server.requests)
    opening.cancel()
    await failure(asyncio.CancelledError, opening)
    await asyncio.to_thread(server.wait_closed)
    assert free(http) == {100}


# --- done, and what follows ---

EVENTS = b"data: [DONE]\n\n"


def stream_of(*pieces, pause=0.0):
    return answering(Answer(200, {"content-type": "text/event-stream"}, pieces, pause=pause))


async def closed_when_done(route):
    """Read the first piece, say done, close; return (seconds it took, whether the connection was kept)."""
    http = HTTP()
    with LoopbackServer(routes=[route]) as server:
        exchange = await http.open(call(server))
        await exchange.__anext__()
        exchange.done = True
        began = time.monotonic()
        await exchange.aclose()
        kept, took = idle(http) == 1, time.monotonic() - began
        assert free(http) == {100}
        await http.close()
    return took, kept


async def test_closing_after_the_last_event_keeps_the_connection():
    _, kept = await closed_when_done(stream_of(EVENTS, b": a comment\n\n"))
    assert kept


async def test_closing_after_the_last_event_waits_briefly_for_the_end():
    _, kept = await closed_when_done(stream_of(EVENTS, b": late\n\n", pause=0.01))
    assert kept


async def test_closing_after_the_last_event_gives_up_on_a_long_rest():
    _, kept = await closed_when_done(stream_of(EVENTS, *[bytes(50_000)] * 8))
    assert not kept


async def test_closing_after_the_last_event_gives_up_on_a_silent_server():
    took, kept = await closed_when_done(stream_of(EVENTS, b": much later\n\n", pause=1.0))
    assert not kept
    assert took > 0.04


async def test_closing_before_the_last_event_does_not_wait(server, http):
    server.script(stall(after=2))
    exchange = await http.open(call(server))
    with pytest.raises(StopIteration):  # it ends in its first step
        exchange.aclose().send(None)
    assert idle(http) == 0


async def test_a_cancellation_while_closing_waits_closes_the_connection(server, http):
    server.script(stall(after=2))
    exchange = await http.open(call(server))
    exchange.done = True
    closing = asyncio.ensure_future(exchange.aclose())
    await asyncio.sleep(0.01)
    closing.cancel()
    await failure(asyncio.CancelledError, closing)
    assert free(http) == {100}
    assert idle(http) == 0


# --- connecting ---


async def test_a_name_that_is_not_known_is_a_connect_error(http, monkeypatch):
    async def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    error = await failure(errors.ConnectError, http.read(call("http://nowhere.example")))
    assert error.kind == "dns"
    assert "nowhere.example" in str(error)


async def test_a_resolver_that_hangs_is_a_connect_timeout(http, monkeypatch):
    async def hang(*_, **__):
        await asyncio.sleep(60)

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hang)
    error = await failure(
        errors.TimeoutError, http.read(call("http://nowhere.example"), timeouts=Timeouts(connect=0.05))
    )
    assert error.phase == "connect"


async def test_a_refused_connection_is_a_connect_error(http):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        error = await failure(errors.ConnectError, http.read(call(url)))
    assert error.kind == "refused"


async def test_a_service_that_swallows_connections_is_a_connect_timeout(http):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        crowd = [socket.socket() for _ in range(4)]  # they fill its queue: further ones get no answer at all
        for one in crowd:
            one.setblocking(False)
            assert one.connect_ex(deaf.getsockname()) == errno.EINPROGRESS
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        began = time.monotonic()
        error = await failure(errors.TimeoutError, http.read(call(url), timeouts=Timeouts(connect=0.06)))
        for one in crowd:
            one.close()
    assert error.phase == "connect"
    assert 0.05 < time.monotonic() - began < 10


async def test_too_many_open_files_is_an_error_of_its_own(server, http):
    resource = pytest.importorskip("resource", reason="Windows has no such limits")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        while True:
            try:
                held.append(os.dup(0))
            except OSError:
                break
        error = await failure(errors.ConnectError, http.read(call(server)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for number in held:
            os.close(number)
    assert error.kind == "fd"
    assert (await http.read(call(server)))[1] == b"a thing"


async def test_a_permit_that_does_not_come_in_time_is_a_pool_timeout(server):
    http = HTTP(limits=HTTPLimits(max_connections=1))
    server.script(stall(after=2))
    exchange = await http.open(call(server))
    error = await failure(errors.TimeoutError, http.read(call(server), timeouts=Timeouts(pool=0.03)))
    assert (error.phase, error.retryable) == ("pool", False)
    await exchange.aclose()
    assert free(http) == {1}
    assert (await http.read(call(server), timeouts=Timeouts(pool=0.5)))[0].status == 200
    await http.close()


async def test_waiting_calls_are_served_in_the_order_they_came(server):
    http = HTTP(limits=HTTPLimits(max_connections=1))
    await asyncio.gather(*(http.read(call(server, body=b"%d" % number)) for number in range(8)))
    assert [request.body for request in server.requests] == [b"%d" % number for number in range(8)]
    assert server.connections == 1
    await http.close()


# --- TLS ---


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def trusting(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def secured(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return LoopbackServer(ssl=context, routes=[answering(Answer(200, {}, b"a thing"))])


async def test_a_call_over_tls_keeps_its_connection(authority, trusting):
    http = HTTP(verify=trusting)
    with secured(authority.issue_cert("127.0.0.1")) as server:
        for _ in range(3):
            assert (await http.read(call(server)))[1] == b"a thing"
        assert server.connections == 1
        await http.close()
        await asyncio.to_thread(server.wait_closed)


def named(server, name):
    return HTTPCall("POST", f"{server.url}/thing", [("Host", name)], b"", server_name=name)


async def test_the_name_that_tls_checks_may_be_another_than_the_address(authority, trusting):
    http = HTTP(verify=trusting)
    with secured(authority.issue_cert("a.test")) as server:
        assert (await http.read(named(server, "a.test")))[1] == b"a thing"
        assert (await failure(errors.ConnectError, http.read(named(server, "b.test")))).kind == "tls"
        assert (await failure(errors.ConnectError, http.read(call(server)))).kind == "tls"
        await http.close()
        await asyncio.to_thread(server.wait_closed)


async def test_a_connection_made_under_one_name_is_not_used_for_another(authority, trusting):
    http = HTTP(verify=trusting)
    with secured(authority.issue_cert("a.test", "b.test")) as server:
        for name in ("a.test", "b.test", "a.test"):
            await http.read(named(server, name))
        assert server.connections == 2
        await http.close()
        await asyncio.to_thread(server.wait_closed)


async def test_a_redirect_is_an_answer_as_any_other_for_those_who_ask_for_it():
    where = Answer(302, {"location": "/other"}, b"there")
    http = HTTP()
    with LoopbackServer(routes=[answering(where)]) as server:
        exchange = await http.open(call(server), redirects=True)
        assert (exchange.head.status, exchange.head.headers["location"]) == (302, "/other")
        assert await exchange.read() == b"there"
        assert (await failure(errors.ProtocolError, http.open(call(server)))).kind == "redirect"
        await http.close()
        await asyncio.to_thread(server.wait_closed)


def expired(authority):
    past = datetime(2020, 1, 1, tzinfo=UTC)
    return authority.issue_cert("127.0.0.1", not_before=past, not_after=past + timedelta(days=1))


@pytest.mark.parametrize(
    "issue",
    [
        pytest.param(lambda _: trustme.CA().issue_cert("127.0.0.1"), id="unknown authority"),
        pytest.param(lambda authority: authority.issue_cert("example.org"), id="wrong host"),
        pytest.param(expired, id="expired"),
    ],
)
async def test_a_certificate_that_does_not_hold_is_a_connect_error(authority, trusting, issue):
    http = HTTP(verify=trusting)
    with secured(issue(authority)) as server:
        error = await failure(errors.ConnectError, http.read(call(server)))
        assert (error.kind, error.retryable) == ("tls", False)
        assert "certificate" in str(error)
        await asyncio.to_thread(server.wait_closed)
    assert free(http) == {100}


async def test_a_handshake_that_stalls_is_a_tls_timeout(http):
    async with scripted(None) as url:
        began = time.monotonic()
        work = http.read(call(url.replace("http:", "https:")), timeouts=Timeouts(connect=0.06))
        error = await failure(errors.TimeoutError, work)
    assert error.phase == "tls"
    assert time.monotonic() - began < 10  # TCP and TLS together


async def test_a_cancelled_handshake_leaves_no_socket(http):
    async with scripted(None) as url:
        before = open_sockets()
        opening = [asyncio.ensure_future(http.open(call(url.replace("http:", "https:")))) for _ in range(10)]
        async with asyncio.timeout(5):
            while open_sockets() < before + 20:  # noqa: ASYNC110  # the kernel sets no event; it is both ends of each
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.03)
        gc.disable()
        try:
            for task in opening:
                task.cancel()
            await asyncio.wait(opening)
            await asyncio.sleep(0.01)
            assert open_sockets() <= before + 10  # the server's ends, closed when it sees that ours are
            await asyncio.sleep(0.03)
            assert open_sockets() == before
        finally:
            gc.enable()
    assert free(http) == {100}


async def test_a_server_that_closes_in_the_handshake_is_a_connect_error(http):
    async with scripted(b"") as url:
        error = await failure(errors.ConnectError, http.read(call(url.replace("http:", "https:"))))
    assert error.kind == "tls_eof"


async def test_a_server_that_speaks_no_tls_is_a_connect_error(http):
    async with scripted(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        error = await failure(errors.ConnectError, http.read(call(url.replace("http:", "https:"))))
    assert error.kind == "tls"


async def test_a_body_cut_off_under_tls_is_incomplete(authority, trusting):
    http = HTTP(verify=trusting)
    with secured(authority.issue_cert("127.0.0.1")) as server:
        server.script(cut(after=3))
        error = await failure(errors.ProtocolError, http.read(call(server)))
    assert error.kind == "incomplete"


def test_the_tls_context_is_made_once_and_refuses_old_versions():
    assert _context("https") is _context("https")
    assert _context("https").minimum_version == ssl.TLSVersion.TLSv1_2
    assert _context("https").verify_mode == ssl.CERT_REQUIRED
    assert _context("https").check_hostname
    assert _context("http").verify_mode == ssl.CERT_REQUIRED  # unused, and would refuse everything


@pytest.mark.parametrize("verify", [False, True, "ca.pem"])
def test_verification_cannot_be_turned_off(verify):
    with pytest.raises(errors.ConfigError):
        HTTP(verify=verify)


# --- status and headers ---


async def test_a_redirect_is_never_followed_and_names_the_host_only(http):
    with LoopbackServer(routes=[answering(Answer(200))]) as other, LoopbackServer() as server:
        target = f"{other.url.replace('127.0.0.1', 'localhost')}/thing?key={KEY}"
        for status in (301, 302, 303, 307, 308, 304):
            server.script(Fault(status=status, headers={"location": target}))
            error = await failure(errors.ProtocolError, http.read(call(server)))
            assert (error.kind, error.status_code, error.retryable) == ("redirect", status, False)
            assert "localhost" in str(error)
            assert KEY not in str(error)
        assert other.requests == []


@pytest.mark.parametrize("location", ["/elsewhere", "", "http://[broken"])
async def test_a_redirect_to_nowhere_in_particular_is_one_too(server, http, location):
    server.script(Fault(status=302, headers={"location": location}))
    assert (await failure(errors.ProtocolError, http.read(call(server)))).kind == "redirect"


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1 600 Odd",
        b"HTTP/1.1 999 Odd",
        b"HTTP/1.1 099 Odd",
        b"HTTP/1.1 101 Switching Protocols",
        b"200 OK",
        b"SSH-2.0-OpenSSH",
    ],
)
async def test_an_impossible_status_is_not_http(http, line):
    async with scripted(line + b"\r\nContent-Length: 0\r\n\r\n") as url:
        error = await failure(errors.ProtocolError, http.read(call(url)))
    assert error.kind == "http"


async def test_an_answer_that_is_not_http_is_an_error_that_quotes_nothing(server, http):
    server.script(Fault(garbage=True))
    error = await failure(errors.ProtocolError, http.read(call(server)))
    assert (error.kind, error.retryable) == ("http", False)
    assert "not HTTP" in str(error)
    assert "\\x" not in str(error)


async def test_an_empty_answer_is_no_error_here(server, http):
    server.script(Fault(status=204, body=b""))
    head, body = await http.read(call(server))
    assert (head.status, body) == (204, b"")
    assert idle(http) == 1


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503, 599])
async def test_a_failure_is_an_answer_here(server, http, status):
    server.script(Fault(status=status, body="why"))
    head, body = await http.read(call(server))
    assert (head.status, body) == (status, b"why")
    assert idle(http) == 1


async def test_interim_answers_are_skipped(http):
    async with scripted(
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3 + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    ) as url:
        assert (await http.read(call(url)))[1] == b"ok"


async def test_a_head_without_end_is_too_large(http):
    async with scripted(b"HTTP/1.1 200 OK\r\n" + b"X-Padding: %s\r\n" % (b"x" * 1000) * 1000 + b"\r\n") as url:
        error = await failure(errors.ProtocolError, http.read(call(url)))
    assert error.kind == "too_large"


@pytest.mark.parametrize(
    "lengths",
    [
        b"Content-Length: 2\r\nContent-Length: 3\r\n",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: -1\r\n",
    ],
)
async def test_contradicting_lengths_are_refused(http, lengths):
    async with scripted(b"HTTP/1.1 200 OK\r\n" + lengths + b"\r\n2\r\nok\r\n0\r\n\r\n") as url:
        error = await failure(errors.ProtocolError, http.read(call(url)))
    assert error.kind == "http"


@pytest.mark.parametrize(
    "value", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "a\x7f", "\x1b[31m", "caf\u0113", "\U0001f511", b"bytes", None]
)
async def test_a_header_that_cannot_be_sent_is_named_and_not_shown(server, http, value):
    error = await failure(errors.InvalidRequestError, http.read(call(server, headers=[("X-Tenant", value)])))
    assert "X-Tenant" in str(error)
    assert "Evil" not in str(error)
    assert server.connections == 0


@pytest.mark.parametrize("name", ["", "X Y", "X:Y", "X\r\nY", "\u00c9"])
async def test_a_header_with_an_impossible_name_is_refused(server, http, name):
    await failure(errors.InvalidRequestError, http.read(call(server, headers=[(name, "1")])))
    assert server.connections == 0


@pytest.mark.parametrize("url", ["", "example.org/v1", "ftp://example.org", "http://", "https:///v1", "http://[::1"])
async def test_a_url_that_is_none_is_an_error_of_configuration(http, url):
    error = await failure(errors.ConfigError, http.read(HTTPCall("GET", url)))
    assert "base_url" in str(error)


async def test_a_method_that_is_none_is_refused(server, http):
    await failure(errors.InvalidRequestError, http.read(HTTPCall("GE T", f"{server.url}/thing")))
    assert free(http) == {100}


# --- bodies ---


@pytest.mark.parametrize("reset", [False, True])
async def test_a_body_shorter_than_promised_is_no_answer(server, http, reset):
    server.script(cut(after=3, reset=reset))
    error = await failure((errors.ProtocolError, errors.ConnectError), http.read(call(server)))
    assert error.kind == ("reset" if reset else "incomplete")
    assert error.retryable


async def test_a_chunked_body_without_its_end_is_incomplete(http):
    http_answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    async with scripted(http_answer) as url:
        error = await failure(errors.ProtocolError, http.read(call(url)))
    assert error.kind == "incomplete"


@pytest.mark.parametrize(("encoding", "encode"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_compressed_body_is_decoded(server, http, encoding, encode):
    server.script(Fault(status=200, headers={"content-encoding": encoding}, body=encode(b"plain text" * 100)))
    assert (await http.read(call(server)))[1] == b"plain text" * 100
    assert idle(http) == 1


@pytest.mark.parametrize("drip", [1, 7, 100])
async def test_a_compressed_body_is_decoded_however_it_is_cut(server, http, drip):
    text = bytes(range(256)) * 2
    server.script(Fault(headers={"content-encoding": "gzip"}, body=gzip.compress(text), drip=(drip, 0)))
    assert (await http.read(call(server)))[1] == text


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param({"content-encoding": "gzip"}, b"not gzip at all", id="broken"),
        pytest.param({"content-encoding": "gzip"}, gzip.compress(b"text" * 100)[:-9], id="cut"),
        pytest.param({"content-encoding": "br"}, b"text", id="unknown"),
        pytest.param({"content-encoding": "gzip, gzip"}, gzip.compress(gzip.compress(b"text")), id="nested"),
    ],
)
async def test_an_encoding_that_does_not_decode_is_an_error(server, http, headers, body):
    server.script(Fault(status=200, headers=headers, body=body))
    exchange = await http.open(call(server))
    error = await failure(errors.ProtocolError, exchange.read())
    assert error.kind == "decode"
    assert error.__context__ is None
    await failure(errors.StreamClosedError, exchange.__anext__())


async def test_a_body_over_the_limit_is_an_error_and_one_at_the_limit_is_not(server):
    http = HTTP(limits=HTTPLimits(max_body=1000))
    server.script(Fault(status=200, body=bytes(1000)), Fault(status=200, body=bytes(1001)))
    assert len((await http.read(call(server)))[1]) == 1000
    error = await failure(errors.ProtocolError, http.read(call(server)))
    assert (error.kind, error.retryable) == ("too_large", False)
    assert free(http) == {100}
    await http.close()


async def test_a_stream_over_the_limit_is_an_error():
    http = HTTP(limits=HTTPLimits(max_body=1000))
    with LoopbackServer(routes=[stream_of(*[bytes(100)] * 20)]) as server:
        exchange = await http.open(call(server))
        total = 0
        with pytest.raises(errors.ProtocolError, match="max_body=1000"):
            async for piece in exchange:
                total += len(piece)
    assert total <= 1000
    assert free(http) == {100}


async def test_a_bomb_costs_no_more_than_the_limit_and_a_little(server):
    http = HTTP(limits=HTTPLimits(max_body=8 * MIB))
    server.script(Fault(status=200, headers={"content-encoding": "gzip"}, body=gzip.compress(bytes(64 * MIB))))
    tracemalloc.start()
    error = await failure(errors.ProtocolError, http.read(call(server)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.kind == "too_large"
    assert peak < 12 * MIB


async def test_only_the_beginning_of_a_failure_is_read(server):
    http = HTTP(limits=HTTPLimits(max_error_body=1000))
    server.script(Fault(status=500, body=b"e" * 100_000))
    head, body = await http.read(call(server))
    assert (head.status, body) == (500, b"e" * 1000)
    assert idle(http) == 0
    assert free(http) == {100}


async def test_a_bomb_in_a_failure_is_no_error(server, http):
    server.script(Fault(status=500, headers={"content-encoding": "gzip"}, body=gzip.compress(bytes(64 * MIB))))
    head, body = await http.read(call(server))
    assert (head.status, len(body)) == (500, 64 * 1024)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(status=503, body=b"half", cut_after=2), id="cut"),
        pytest.param(Fault(status=503, body=b"half", cut_after=2, reset=True), id="reset"),
        pytest.param(Fault(status=503, body=b"ha", headers={"content-encoding": "gzip"}), id="broken"),
        pytest.param(Fault(status=503, body=b"ha", headers={"content-encoding": "br"}), id="unknown"),
    ],
)
async def test_a_failure_whose_body_is_spoilt_is_still_that_failure(server, http, fault):
    server.script(fault)
    head, body = await http.read(call(server))
    assert head.status == 503
    assert body in (b"ha", b"")


# --- time ---


async def test_a_silent_server_is_given_up_at_the_deadline(server, http):
    server.script(Fault(delay=30))
    began = time.monotonic()
    error = await failure(errors.TimeoutError, http.read(call(server), deadline=in_seconds(0.05)))
    assert (error.phase, error.kind) == ("total", "short_deadline")
    assert time.monotonic() - began < 10
    await asyncio.to_thread(server.wait_closed)


async def test_a_dripping_body_is_given_up_at_the_deadline(server, http):
    server.script(Fault(status=200, body=bytes(3000), drip=(1, 0.01)))
    began = time.monotonic()
    error = await failure(errors.TimeoutError, http.read(call(server), deadline=in_seconds(0.07)))
    assert error.phase == "total"
    assert 0.06 < time.monotonic() - began < 10


async def test_a_deadline_that_is_over_sends_nothing(server, http):
    error = await failure(errors.TimeoutError, http.read(call(server), deadline=time.monotonic() - 1))
    assert (error.phase, error.kind) == ("total", "short_deadline")
    assert server.connections == 0


@pytest.mark.parametrize(("granted", "kind"), [(9.9, "short_deadline"), (10.0, None), (600.0, None)])
async def test_only_a_short_deadline_is_marked_as_the_callers_own(server, http, still, granted, kind):
    server.script(stall(after=2))
    exchange = await http.open(call(server), clock=still, deadline=still.monotonic() + granted)
    reader = asyncio.ensure_future(exchange.read())
    await asyncio.sleep(0.01)
    still.advance(granted)
    error = await failure(errors.TimeoutError, reader)
    assert (error.phase, error.kind) == ("total", kind)
    assert reader.cancelling() == 0


async def test_the_readers_own_time_counts_for_the_deadline_and_frees_the_connection(server, http, still):
    server.script(stall(after=2))
    exchange = await http.open(call(server), clock=still, deadline=30)
    assert await exchange.__anext__() == b"a "
    still.advance(29)
    assert free(http) == {99}
    still.advance(1)
    assert free(http) == {100}
    await asyncio.to_thread(server.wait_closed)
    assert (await failure(errors.TimeoutError, exchange.__anext__())).phase == "total"
    assert (await failure(errors.TimeoutError, exchange.__anext__())).phase == "total"


async def test_the_connect_limit_ends_where_the_connection_begins(server, http, still):
    server.script(Fault(delay=0.05))
    opening = asyncio.ensure_future(http.read(call(server), clock=still, timeouts=Timeouts(connect=5), deadline=600))
    await asyncio.to_thread(server.wait_for, lambda: server.requests)
    still.advance(6)
    assert (await opening)[1] == b"a thing"


async def test_the_deadline_counts_while_connecting(http):
    async with scripted(None) as url:
        work = http.read(call(url.replace("http:", "https:")), deadline=in_seconds(0.05))
        assert (await failure(errors.TimeoutError, work)).phase == "total"


async def test_no_timer_is_left_behind(server, http, still):
    await http.read(call(server), clock=still, deadline=600)
    server.script(server_error(), cut(after=1), Fault(close_before=True))
    await http.read(call(server), clock=still, deadline=600)
    await failure(errors.ProtocolError, http.read(call(server), clock=still, deadline=600))
    await failure(errors.ConnectError, http.read(call(server), clock=still, deadline=600))
    assert still.pending == 0


async def test_an_outer_timeout_stays_the_outer_ones(server, http):
    server.script(Fault(delay=5))
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0.03):
            await http.read(call(server), deadline=in_seconds(10))
    assert not isinstance(caught.value, errors.AIClientError)
    assert asyncio.current_task().cancelling() == 0
    assert free(http) == {100}


async def test_a_cancellation_at_the_deadline_wins(server, http, still):
    server.script(stall(after=2))
    exchange = await http.open(call(server), clock=still, deadline=30)
    reader = asyncio.ensure_future(exchange.read())
    await asyncio.sleep(0.01)
    still.advance(30)
    reader.cancel()
    await failure(asyncio.CancelledError, reader)
    assert free(http) == {100}


# --- secrets ---


def frames_of(error):
    for link in (error, error.__cause__, error.__context__):
        if link is not None:
            yield from traceback.walk_tb(link.__traceback__)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(close_before=True), id="closed"),
        pytest.param(Fault(close_before=True, reset=True), id="reset"),
        pytest.param(Fault(garbage=True), id="garbage"),
        pytest.param(Fault(status=302), id="redirect"),
        pytest.param(Fault(cut_after=3), id="cut"),
        pytest.param(Fault(status=200, body=b"x", headers={"content-encoding": "gzip"}), id="decode"),
        pytest.param(Fault(delay=5), id="timeout"),
    ],
)
async def test_no_error_holds_the_key_the_prompt_or_a_frame_of_the_library(server, http, fault):
    server.script(fault)
    error = await failure(errors.AIClientError, http.read(call(server), deadline=in_seconds(0.1)))
    assert error.__cause__ is None
    assert error.__context__ is None
    for frame, _ in frames_of(error):
        if frame.f_code is test_no_error_holds_the_key_the_prompt_or_a_frame_of_the_library.__code__:
            continue
        assert "site-packages" not in frame.f_code.co_filename or "pytest" in frame.f_code.co_filename
        if "aiclient" in frame.f_code.co_filename and "tests" not in frame.f_code.co_filename:
            shown = repr(frame.f_locals)
            assert KEY not in shown
            assert "secret plan" not in shown
    assert KEY not in f"{error!s}{error!r}"


async def test_a_refused_header_leaves_its_value_nowhere(server, http):
    error = await failure(errors.InvalidRequestError, http.read(call(server, headers=[("X-Key", f"{KEY}\n")])))
    for frame, _ in frames_of(error):
        if "tests" not in frame.f_code.co_filename:
            assert f"{KEY}\\n" not in repr(frame.f_locals)


# --- settings ---


@pytest.mark.parametrize(
    "setting",
    [
        {"max_connections": 0},
        {"max_connections": 1.5},
        {"max_idle": -1},
        {"idle_seconds": -1.0},
        {"idle_seconds": math.nan},
        {"max_body": 0},
        {"max_error_body": 0},
        {"max_body": "64 MiB"},
        {"max_idle": True},
    ],
    ids=str,
)
def test_limits_out_of_range_are_refused(setting):
    with pytest.raises(errors.ConfigError) as caught:
        HTTPLimits(**setting)
    assert next(iter(setting)) in str(caught.value)


def test_making_one_touches_no_loop_and_no_network():
    HTTP()
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


# --- help ---


def open_sockets():
    count = 0
    for name in os.listdir("/dev/fd"):
        try:
            count += stat.S_ISSOCK(os.fstat(int(name)).st_mode)
        except OSError:
            continue
    return count


class scripted:
    """A server on this loop that answers every request with the same bytes and hangs up; with None it never says a word."""

    def __init__(self, answer):
        self._answer = answer
        self._open = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader, writer):
        self._open.add(writer)
        try:
            await reader.read(65536)
            if self._answer is None:
                await reader.read()
            else:
                writer.write(self._answer)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()
            self._open.discard(writer)

    async def __aexit__(self, *_):
        self._server.close()
        for writer in list(self._open):
            writer.close()
        await asyncio.sleep(0.01)
