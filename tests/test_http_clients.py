"""The other ways to send: pytest-httpx under the free list, a caller's client, and a test double of the transport."""

import asyncio
import gzip

import httpx
import pytest
from pytest_httpx import IteratorStream

from aiclient import errors
from aiclient.context import Timeouts
from aiclient.http import HTTP, HTTPLimits
from aiclient.net.transport import Answer as Got
from aiclient.request import HTTPCall
from aiclient.testutil.server import Answer, Fault, LoopbackServer, Route, stall

pytestmark = pytest.mark.anyio

URL = "https://api.example.org/v1/chat"


def call(url=URL, headers=(), body=b"{}"):
    return HTTPCall("POST", url, [("Authorization", "Bearer k"), *headers], body)


async def failure(kind, work):
    with pytest.raises(kind) as caught:
        await work
    return caught.value


def free(http):
    return {pool.gate.free for pool in http._transport.pools.here.values()}


# --- pytest-httpx ---


async def test_a_mocked_body_is_read(httpx_mock):
    httpx_mock.add_response(json={"id": 1}, headers={"x-request-id": "r"})
    http = HTTP()
    head, body = await http.read(call())
    assert (head.status, head.headers["x-request-id"], body) == (200, "r", b'{"id":1}')
    (request,) = httpx_mock.get_requests()
    assert (request.method, str(request.url), request.content) == ("POST", URL, b"{}")
    assert request.headers["authorization"] == "Bearer k"
    assert request.headers["host"] == "api.example.org"


async def test_a_mocked_stream_is_read_piece_by_piece(httpx_mock):
    httpx_mock.add_response(stream=IteratorStream([b"data: 1\n\n", b"data: 2\n\n"]))
    http = HTTP()
    exchange = await http.open(call())
    assert [piece async for piece in exchange] == [b"data: 1\n\n", b"data: 2\n\n"]
    assert free(http) == {100}


async def test_a_mocked_stream_can_be_left(httpx_mock):
    httpx_mock.add_response(stream=IteratorStream([b"data: 1\n\n", b"data: 2\n\n"]))
    http = HTTP()
    exchange = await http.open(call())
    assert await exchange.__anext__() == b"data: 1\n\n"
    await exchange.aclose()
    assert free(http) == {100}


@pytest.mark.parametrize(
    ("raised", "kind", "word"),
    [
        (httpx.ConnectError("x"), errors.ConnectError, "refused"),
        (httpx.ReadError("x"), errors.ConnectError, "reset"),
        (httpx.WriteError("x"), errors.ConnectError, "reset"),
        (httpx.ProxyError("x"), errors.ConnectError, "proxy"),
        (httpx.RemoteProtocolError("Server disconnected without sending a response."), errors.ConnectError, "reset"),
        (httpx.RemoteProtocolError("illegal status line"), errors.ProtocolError, "http"),
        (httpx.ConnectTimeout("x"), errors.TimeoutError, "connect"),
        (httpx.PoolTimeout("x"), errors.TimeoutError, "pool"),
        (httpx.ReadTimeout("x"), errors.TimeoutError, "first_output"),
    ],
)
async def test_a_mocked_exception_becomes_a_typed_error(httpx_mock, raised, kind, word):
    httpx_mock.add_exception(raised)
    http = HTTP()
    error = await failure(kind, http.read(call()))
    assert word in (error.kind, error.phase)
    assert error.__context__ is None
    assert free(http) == {100}


async def test_a_mocked_failure_is_an_answer(httpx_mock):
    httpx_mock.add_response(status_code=429, headers={"retry-after": "7"}, text="slow down")
    head, body = await HTTP().read(call())
    assert (head.status, head.headers["retry-after"], body) == (429, "7", b"slow down")


@pytest.mark.httpx_mock(assert_all_requests_were_expected=False)
async def test_a_request_that_no_mock_expects_is_explained(httpx_mock):
    error = await failure(errors.TimeoutError, HTTP().read(call()))
    assert "No response can be found for POST request" in str(error)


async def test_a_mock_that_answers_late_is_not_called_a_slow_connection(httpx_mock, still):
    async def late(_):
        await asyncio.sleep(0.01)
        still.advance(30)
        return httpx.Response(200, text="at last")

    httpx_mock.add_callback(late)
    work = HTTP().read(call(), clock=still, timeouts=Timeouts(connect=5), deadline=600)
    assert (await work)[1] == b"at last"


async def test_a_mock_that_hangs_is_given_up_at_the_deadline(httpx_mock, still):
    async def hang(_):
        await asyncio.sleep(60)

    httpx_mock.add_callback(hang)
    http = HTTP()
    reading = asyncio.ensure_future(http.read(call(), clock=still, deadline=600))
    await asyncio.sleep(0.01)
    still.advance(600)
    assert (await failure(errors.TimeoutError, reading)).phase == "total"
    assert free(http) == {100}


async def test_a_bug_in_a_mock_is_raised_as_it_is(httpx_mock):
    httpx_mock.add_exception(ZeroDivisionError("in the test"))
    http = HTTP()
    await failure(ZeroDivisionError, http.read(call()))
    assert free(http) == {100}


@pytest.mark.httpx_mock(can_send_already_matched_responses=True)
async def test_a_cancellation_at_any_step_gives_the_permit_back(httpx_mock, at_every_step):
    async def answer(_):
        await asyncio.sleep(0)
        return httpx.Response(200, stream=Pieces())

    httpx_mock.add_callback(answer, is_reusable=True)
    http = HTTP(limits=HTTPLimits(max_connections=1))

    def scene():
        async def two():
            await asyncio.gather(http.read(call()), http.read(call()))

        def verify(_):
            assert free(http) in ({1}, set())

        return two(), verify

    assert await at_every_step(scene) > 20


class Pieces(httpx.AsyncByteStream):
    async def __aiter__(self):
        for piece in (b"one", b"two"):
            await asyncio.sleep(0)
            yield piece

    async def aclose(self):
        await asyncio.sleep(0)


# --- a caller's client ---


def mocked(handler, **settings):
    return httpx.AsyncClient(transport=httpx.MockTransport(handler), **settings)


async def test_a_callers_client_sends_and_is_not_closed():
    async with mocked(lambda request: httpx.Response(200, text=request.headers["authorization"])) as client:
        http = HTTP(http_client=client)
        assert (await http.read(call()))[1] == b"Bearer k"
        await http.close()
        assert not client.is_closed
        assert (await http.read(call()))[0].status == 200


async def test_headers_of_a_callers_client_come_along_and_ours_win():
    async with mocked(
        lambda request: httpx.Response(200, json=dict(request.headers)), headers={"X-Team": "a", "Authorization": "no"}
    ) as client:
        _, body = await HTTP(http_client=client).read(call())
    assert b'"x-team":"a"' in body
    assert b"Bearer k" in body
    assert b'"accept-encoding":"gzip"' in body


async def test_redirects_are_not_followed_though_the_client_would():
    def redirect(request):
        assert request.url.host == "api.example.org"
        return httpx.Response(307, headers={"location": "https://elsewhere.example/x"})

    async with mocked(redirect, follow_redirects=True) as client:
        error = await failure(errors.ProtocolError, HTTP(http_client=client).read(call()))
    assert error.kind == "redirect"
    assert "elsewhere.example" in str(error)


async def test_cookies_that_the_client_collects_are_not_sent():
    seen = []

    def answer(request):
        seen.append(request.headers.get("cookie"))
        return httpx.Response(200, headers={"set-cookie": "session=1; Path=/"})

    async with mocked(answer) as client:
        http = HTTP(http_client=client)
        await http.read(call())
        await http.read(call())
        await http.read(call(headers=[("Cookie", "mine=2")]))
    assert seen[:2] == [None, None]
    assert "mine=2" in seen[2]


async def test_sizes_and_encodings_count_for_a_callers_client_too():
    def answer(request):
        return httpx.Response(
            200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(gzip.compress(bytes(5000)))
        )

    async with mocked(answer) as client:
        assert (await HTTP(http_client=client).read(call()))[1] == bytes(5000)
        small = HTTP(http_client=client, limits=HTTPLimits(max_body=1000))
        assert (await failure(errors.ProtocolError, small.read(call()))).kind == "too_large"


async def test_the_deadline_counts_for_a_callers_client_too(still):
    async def hang(_):
        await asyncio.sleep(60)

    async with mocked(hang) as client:
        reading = asyncio.ensure_future(HTTP(http_client=client).read(call(), clock=still, deadline=600))
        await asyncio.sleep(0.01)
        still.advance(600)
        assert (await failure(errors.TimeoutError, reading)).phase == "total"


async def test_exceptions_of_a_callers_client_become_typed_errors():
    def refuse(_):
        raise httpx.ConnectError("no")

    async with mocked(refuse) as client:
        assert (await failure(errors.ConnectError, HTTP(http_client=client).read(call()))).kind == "refused"


@pytest.fixture
def server():
    with LoopbackServer(routes=[Route("POST", "/thing", lambda _: Answer(200, {}, b"a thing"))]) as running:
        yield running


async def test_an_answer_left_unread_does_not_block_the_callers_pool(server):
    limits = httpx.Limits(max_connections=1)
    async with httpx.AsyncClient(limits=limits, trust_env=False, timeout=1) as client:
        http = HTTP(http_client=client)
        for _ in range(3):
            server.script(stall(after=2))
            exchange = await http.open(call(f"{server.url}/thing"))
            await exchange.__anext__()
            await exchange.aclose()
        assert (await http.read(call(f"{server.url}/thing")))[1] == b"a thing"
        await http.close()
        assert http._transport._closing == set()


async def test_an_answer_whose_time_is_over_does_not_block_the_callers_pool(server, still):
    limits = httpx.Limits(max_connections=1)
    async with httpx.AsyncClient(limits=limits, trust_env=False, timeout=1) as client:
        http = HTTP(http_client=client)
        server.script(stall(after=2))
        exchange = await http.open(call(f"{server.url}/thing"), clock=still, deadline=30)
        still.advance(30)  # while nobody reads
        assert (await http.read(call(f"{server.url}/thing")))[1] == b"a thing"
        await failure(errors.TimeoutError, exchange.read())


async def test_a_callers_connections_are_kept_after_whole_answers(server):
    async with httpx.AsyncClient(trust_env=False) as client:
        http = HTTP(http_client=client)
        for _ in range(3):
            await http.read(call(f"{server.url}/thing"))
    assert server.connections == 1


async def test_the_clients_own_timeouts_do_not_count(server):
    server.script(Fault(delay=0.1))
    async with httpx.AsyncClient(trust_env=False, timeout=0.02) as client:
        assert (await HTTP(http_client=client).read(call(f"{server.url}/thing")))[1] == b"a thing"


async def test_the_limit_to_wait_for_the_callers_pool_counts(server):
    server.script(stall(after=2))
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=1), trust_env=False) as client:
        http = HTTP(http_client=client)
        exchange = await http.open(call(f"{server.url}/thing"))
        work = http.read(call(f"{server.url}/thing"), timeouts=Timeouts(pool=0.02))
        assert (await failure(errors.TimeoutError, work)).phase == "pool"
        await exchange.aclose()
        await http.close()


async def test_a_callers_client_that_was_closed_is_named_as_the_reason():
    client = mocked(lambda _: httpx.Response(200))
    await client.aclose()
    assert "http_client" in str(await failure(errors.ClientClosedError, HTTP(http_client=client).read(call())))


@pytest.mark.parametrize("made", [httpx.Client, dict, lambda: "client"], ids=["sync", "dict", "text"])
def test_what_is_no_async_client_is_refused(made):
    client = made()
    with pytest.raises(errors.ConfigError, match="async client"):
        HTTP(http_client=client)
    getattr(client, "close", bool)()


def test_a_callers_client_excludes_what_it_brings_itself():
    client = mocked(lambda _: httpx.Response(200))
    with pytest.raises(errors.ConfigError):
        HTTP(http_client=client, transport=Double())


# --- a double ---


class Double:
    """Answers with the same pieces, and notes how each exchange ended."""

    def __init__(self, *pieces, status=200, headers=()):
        self.answer = (status, headers, pieces)
        self.ends = []
        self.calls = []

    async def send(self, call, limits):
        self.calls.append(call)
        status, headers, pieces = self.answer

        async def body():
            for piece in pieces:
                yield piece

        return Got(status, headers, body(), end=self.ends.append)

    async def close(self):
        pass


async def test_a_double_answers_in_place_of_the_network():
    double = Double(b"one ", b"", b"two", headers=[(b"X-A", b"1"), (b"x-a", b"2")])
    head, body = await HTTP(transport=double).read(call())
    assert (head.headers, body) == ({"x-a": "1, 2"}, b"one two")
    assert double.calls[0].url == URL
    assert double.ends == [True]


async def test_an_end_is_told_once_and_truly():
    double = Double(b"one", b"two")
    exchange = await HTTP(transport=double).open(call())
    await exchange.__anext__()
    await exchange.aclose()
    await exchange.aclose()
    exchange.abort()
    assert double.ends == [False]


async def test_an_exchange_read_to_its_end_is_clean_even_when_closed_late():
    double = Double(b"one", b"two")
    exchange = await HTTP(transport=double).open(call())
    assert [piece async for piece in exchange] == [b"one", b"two"]
    await exchange.aclose()
    assert double.ends == [True]


async def test_closing_after_done_reads_the_rest_of_a_double():
    double = Double(b"data: [DONE]\n\n", b"\n")
    exchange = await HTTP(transport=double).open(call())
    await exchange.__anext__()
    exchange.done = True
    await exchange.aclose()
    assert double.ends == [True]


@pytest.mark.parametrize("status", [199, 301, 600])
async def test_a_refused_head_ends_the_exchange(status):
    double = Double(b"body", status=status)
    await failure(errors.ProtocolError, HTTP(transport=double).open(call()))
    assert double.ends == [False]
