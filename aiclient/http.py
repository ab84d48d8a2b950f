"""HTTP on connections of our own, or through a caller's client. The only importer of httpx.

`HTTP` is what a provider holds; an `Exchange` is what it reads. Between them stands a `Transport`: the `FreeList`, which
calls httpx's own transport directly, one connection each, so that a cancelled call can break nothing that is shared; the
`CallersClient`; or a test double.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import ssl
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .clock import SYSTEM, Clock
from .context import Timeouts
from .errors import ConfigError, InvalidRequestError
from .logs import write
from .net.connections import Connection, Pool, Pools
from .net.errors import unanswered
from .net.exchange import Exchange
from .net.logs import guard, ours
from .net.transport import Answer, Head, HTTPLimits, Limits, Transport

if TYPE_CHECKING:
    import httpx

    from .request import HTTPCall

__all__ = ["HTTP", "Exchange", "HTTPLimits", "Head", "Transport"]

RESEND_SECONDS: Final = 1.0
"""How soon a reused connection must fail for the request to be sent again: later, the answer may have been paid for."""

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\u0100-\U0010ffff]*")
_MADE: Final = frozenset({"connection.connect_tcp.complete", "connection.start_tls.complete"})
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_LIMITS: Final = HTTPLimits()
_TIMEOUTS: Final = Timeouts()


class HTTP:
    """What a provider sends its calls through. Safe to share between tasks, threads and event loops.

    It reads nothing from the environment: no proxies, no certificates, no netrc. Cookies are not kept.

    Args:
        http_client: An async client to send through instead, such as `httpx.AsyncClient` or one of httpx2, with its own
            limits and proxies. It is never closed here. The pool of httpx (not of httpx2) loses connections when calls
            through it are cancelled, and with `max_connections` comes to a standstill: set none, or leave this out.
        limits: Connections and sizes.
        verify: The TLS context; default certifi's authorities, TLS 1.2 and up, one context for the process.
        transport: Another way to send, for tests.

    Raises:
        ConfigError: `http_client` is not an async client, `verify` is not a context, or two of them exclude each other.
    """

    def __init__(
        self,
        *,
        http_client: object | None = None,
        limits: HTTPLimits = _LIMITS,
        verify: ssl.SSLContext | None = None,
        transport: Transport | None = None,
    ) -> None:
        if verify is not None and not hasattr(verify, "wrap_bio"):  # `verify=False` is what other clients take
            raise ConfigError("verify must be an ssl.SSLContext; ssl.create_default_context(cafile=...) makes one")
        if sum(given is not None for given in (http_client, verify, transport)) > 1:
            raise ConfigError("http_client, verify and transport exclude each other: give one of them")
        guard()
        self._limits = limits
        self._transport: Transport
        if transport is not None:
            self._transport = transport
        elif http_client is not None:
            self._transport = CallersClient(http_client)
        else:
            self._transport = FreeList(limits, verify)

    async def open(
        self,
        call: HTTPCall,
        *,
        clock: Clock = SYSTEM,
        timeouts: Timeouts = _TIMEOUTS,
        deadline: float | None = None,
        redirects: bool = False,
    ) -> Exchange:
        """Send `call` and return the exchange when the head of its answer is there; whoever gets it closes it.

        Args:
            call: What to send; `Accept-Encoding: gzip` is added unless it says otherwise.
            clock: Where time comes from.
            timeouts: `pool` and `connect` count here.
            deadline: Moment on the monotonic clock when the exchange is over, reading included; default none.
            redirects: Whether an answer that redirects is returned as any other, for a caller that looks where it leads.

        Raises:
            InvalidRequestError: A header cannot be sent (control characters, or beyond latin-1); nothing was sent.
            ConfigError: The URL is none.
            ConnectError: No connection, or it broke; `kind` says where.
            TimeoutError: `phase` says what took too long: pool, connect, tls or total.
            ProtocolError: Not HTTP (`http`), or a redirect (`redirect`); they are never followed.

        Cancelling it closes the connection at once. The request may have reached the service.
        """
        name = _unsendable(call.headers)
        if name is not None:
            raise InvalidRequestError(f"header {name!r} cannot be sent: it holds control or non-latin-1 characters")
        exchange = Exchange(call.url, self._limits, clock=clock, timeouts=timeouts, deadline=deadline)
        exchange.redirects = redirects
        return await exchange.open(self._transport, call)

    async def read(
        self,
        call: HTTPCall,
        *,
        clock: Clock = SYSTEM,
        timeouts: Timeouts = _TIMEOUTS,
        deadline: float | None = None,
    ) -> tuple[Head, bytes]:
        """Send `call` and return the head and the whole body, of a status from 400 its first `max_error_body` bytes.

        Takes and raises what `open` and reading an `Exchange` do.
        """
        exchange = await self.open(call, clock=clock, timeouts=timeouts, deadline=deadline)
        return exchange.head, await exchange.read()

    async def close(self) -> None:
        """Close idle connections on every event loop. Exchanges in flight finish; it can be used again."""
        await self._transport.close()


def _unsendable(headers: Sequence[tuple[str, object]]) -> str | None:
    """Return the name of the first header that would break the request, or smuggle another into it."""
    for name, value in headers:
        if not _NAME.fullmatch(name) or not isinstance(value, str) or not _VALUE.fullmatch(value):
            return name
    return None


# --- connections of our own ---


class _Target(NamedTuple):
    url: httpx.URL
    origin: str
    host: bytes


@functools.lru_cache(maxsize=512)
def _target(url: str) -> _Target:
    """Parse a URL, once for each: there are a few per service, and it would cost as much as encoding the request."""
    import httpx  # noqa: PLC0415  # loaded with the first exchange

    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = None
    if parsed is None or parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigError("the URL of the service must begin with https:// and a host name; check base_url")
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    return _Target(parsed, f"{parsed.scheme}://{parsed.host}:{port}", parsed.netloc)


@functools.cache
def _context(scheme: str) -> ssl.SSLContext:
    """Return the TLS context that the process shares: each costs 20 ms of CPU."""
    if scheme == "http":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used, but httpx would make one for each connection
    import httpx  # noqa: PLC0415  # loaded with the first exchange

    context = httpx.create_ssl_context(trust_env=False)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if context.keylog_filename:
        text = "SSLKEYLOGFILE is set: whoever reads that file can read all that is sent, keys included"
        write(logging.getLogger(__name__), logging.WARNING, {"event": "key_log"}, text)
    return context


class FreeList:
    """Sends on one-connection transports of httpx, kept per event loop and origin."""

    def __init__(self, limits: HTTPLimits, verify: ssl.SSLContext | None) -> None:
        self.pools = Pools(functools.partial(_pool, limits, verify))

    async def send(self, call: HTTPCall, limits: Limits) -> Answer:
        """Take a permit, then a connection, and send; once more if an idle connection turns out to be dead."""
        target = _target(call.url)
        # A connection that was made under one name is none for another, even at the same address.
        pool = self.pools.of(target.origin if call.server_name is None else f"{target.origin} as {call.server_name}")
        lease = _Lease(pool, limits)
        try:
            limits.wait("pool", limits.timeouts.pool)
            await pool.gate.enter()
            lease.held = True
            limits.wait()
            response = await lease.request(_request(call, target, lease))
        except BaseException:  # cancellation too: permit and socket go back; raised again
            lease.end(clean=False)
            raise
        stream: Any = response.stream
        return Answer(response.status_code, response.headers.raw, stream.__aiter__(), stream.aclose, lease.end)

    async def close(self) -> None:
        """Close idle connections on every loop."""
        self.pools.close()
        await asyncio.sleep(0)  # sockets are closed one turn after they are aborted


def _pool(limits: HTTPLimits, verify: ssl.SSLContext | None, origin: str) -> Pool:
    make = functools.partial(_transport, verify, origin.partition(":")[0])
    return Pool(limits.max_connections, limits.max_idle, limits.idle_seconds, make)


def _transport(verify: ssl.SSLContext | None, scheme: str) -> httpx.AsyncHTTPTransport:
    import httpx  # noqa: PLC0415  # loaded with the first exchange

    context = verify if verify is not None and scheme == "https" else _context(scheme)
    one = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=None)
    return httpx.AsyncHTTPTransport(verify=context, trust_env=False, limits=one)


class _Lease:
    """A permit of a pool and the connection that goes with it, given back together and once."""

    __slots__ = ("_connection", "_keep", "_limits", "_pool", "_reused", "held")

    def __init__(self, pool: Pool, limits: Limits) -> None:
        self._pool = pool
        self._limits = limits
        self._connection: Connection | None = None
        self._reused = self.held = False
        self._keep = True

    async def request(self, request: httpx.Request) -> httpx.Response:
        """Send on an idle connection or a new one, and return when the head has come."""
        connection = self._connection = self._pool.take(self._limits.now())
        self._reused = connection.stream is not None
        sent = self._limits.now()
        response: httpx.Response | None
        try:
            response = await connection.transport.handle_async_request(request)
        except Exception as error:  # judged on the next line; raised again unless a dead connection explains it
            if not self._reused or not unanswered(error) or self._limits.now() - sent > RESEND_SECONDS:
                raise
            response = None
        if response is None:  # the service had closed it, which says nothing about the service: again on a fresh one
            connection.close()
            connection = self._connection = self._pool.new()
            response = await connection.transport.handle_async_request(request)
            assert response is not None
        self._keep = not any(
            key.lower() == b"connection" and b"close" in value.lower() for key, value in response.headers.raw
        )
        return response

    async def trace(self, event: str, info: dict[str, Any]) -> None:
        """Learn of the socket while it is made: httpcore leaks it when a TLS handshake is cancelled.

        On an idle connection as well: when the service has closed it, which httpcore looks for first, httpcore puts a new
        socket in its place.
        """
        if event in _MADE and self._connection is not None:
            self._connection.stream = info["return_value"]
            self._limits.connected()
        elif event == "connection.connect_tcp.started":
            self._reused = False
            self._limits.wait("connect", self._limits.timeouts.connect)
        elif event == "http11.send_request_headers.started":
            self._limits.wait()

    def end(self, clean: bool) -> None:  # noqa: FBT001  # handed on as a callback of one argument
        """Give both back: the socket first, so that there are never more of them than permits."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if clean and self._keep:
                self._pool.give(connection, self._limits.now())
            else:
                connection.close()
        if self.held:
            self.held = False
            self._pool.gate.leave()


def _request(call: HTTPCall, target: _Target, lease: _Lease) -> httpx.Request:
    """Encode the call; httpx is given everything ready, because adding headers is what costs it most."""
    import httpx  # noqa: PLC0415  # loaded with the first exchange

    headers = list(_encoded(call))
    names = {name.lower() for name, _ in headers}
    if b"host" not in names:
        headers.insert(0, (b"Host", target.host))
    if b"content-length" not in names and (call.body or call.method in _WITH_BODY):
        headers.append((b"Content-Length", b"%d" % len(call.body)))
    return httpx.Request(
        call.method,
        target.url,
        headers=headers,
        stream=httpx.ByteStream(call.body),
        extensions={"trace": lease.trace, **_named(call)},
    )


def _named(call: HTTPCall) -> dict[str, str]:
    return {} if call.server_name is None else {"sni_hostname": call.server_name}


def _encoded(call: HTTPCall) -> Iterator[tuple[bytes, bytes]]:
    asked = False
    for name, value in call.headers:
        asked = asked or name.lower() == "accept-encoding"
        yield name.encode("ascii"), value.strip(" \t").encode("latin-1")
    if not asked:
        yield b"Accept-Encoding", b"gzip"


# --- a caller's client ---


class CallersClient:
    """Sends through a client that was handed in: httpx's or httpx2's, or anything with their `build_request` and `send`."""

    def __init__(self, client: Any) -> None:
        if not hasattr(client, "build_request") or not hasattr(client, "send") or not hasattr(client, "__aenter__"):
            raise ConfigError(f"http_client={type(client).__name__} must be an async client such as httpx.AsyncClient")
        self._client = client
        self._closing: set[asyncio.Task[None]] = set()

    async def send(self, call: HTTPCall, limits: Limits) -> Answer:
        """Send without following redirects and without the cookies that the client has collected."""
        timeouts = limits.timeouts
        seconds = {"pool": timeouts.pool, "connect": timeouts.connect, "read": None, "write": None}
        headers = list(_encoded(call))
        request = self._client.build_request(
            call.method, call.url, headers=headers, content=call.body, extensions={"timeout": seconds, **_named(call)}
        )
        if not any(name.lower() == b"cookie" for name, _ in headers):
            request.headers.pop("cookie", None)
        with ours():
            response = await self._client.send(request, stream=True, follow_redirects=False)
        return Answer(
            response.status_code,
            response.headers.raw,
            response.stream.__aiter__(),
            response.aclose,
            functools.partial(self._end, response),
        )

    async def close(self) -> None:
        """Wait for answers that are being closed on this loop; the client itself is its owner's to close."""
        loop = asyncio.get_running_loop()
        closing = [task for task in self._closing if task.get_loop() is loop]
        if closing:
            await asyncio.wait(closing)

    def _end(self, response: Any, clean: bool) -> None:  # noqa: FBT001  # the last argument of a callback
        """Close an answer that was not read to its end: its pool would count the connection as busy for ever."""
        if not clean:
            task = asyncio.get_running_loop().create_task(response.aclose())
            self._closing.add(task)
            task.add_done_callback(self._closed)

    def _closed(self, task: asyncio.Task[None]) -> None:
        self._closing.discard(task)
        if not task.cancelled():
            task.exception()  # seen: the answer is of no interest any more
