"""Services that fail for real: the loopback server with its faults, and sockets for what no HTTP server would do."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import socket

from aiclient.testutil.server import Answer, LoopbackServer, Route

REPLY = contextvars.ContextVar("REPLY", default="Hello from the loopback server.")
"""What the loopback server answers."""

EVENTS = {"content-type": "text/event-stream"}


class Played:
    """The loopback server, with faults for the first requests.

    Args:
        faults: One for each request; the last is played for ever if `again`.
        options: The server's.
    """

    def __init__(self, *faults, again=True, **options):
        options.setdefault("reply", REPLY.get())
        self._server = LoopbackServer(faults=faults * 12 if again and len(faults) == 1 else faults, **options)

    async def __aenter__(self):
        self._server.__enter__()
        return self

    async def __aexit__(self, *_):
        self._server.__exit__(None, None, None)

    @property
    def url(self):
        return self._server.url

    @property
    def requests(self):
        return self._server.requests

    @property
    def sent(self):
        """Requests that arrived."""
        return len(self._server.requests)

    async def received(self, count=1):
        """Wait until so many requests have arrived."""
        await asyncio.to_thread(self._server.wait_for, lambda: len(self._server.requests) >= count, timeout=20)

    async def left(self):
        """Wait until no connection is open."""
        await asyncio.to_thread(self._server.wait_closed, timeout=20)


def endless(status, head, piece, **options):
    """A service whose answer never ends: it is written as fast as it is read."""

    def body():
        yield head
        while True:
            yield piece

    return Played(routes=[Route("POST", "*", lambda _: Answer(status, options.get("headers", EVENTS), body()))])


def answering(answer, **options):
    """A service that gives one answer, whatever it is asked."""
    return Played(routes=[Route("POST", "*", lambda _: answer)], **options)


class Raw:
    """Sockets on this loop: each connection is `play`ed by a coroutine function of (reader, writer) that ends it.

    Args:
        play: What is done on each connection.
        ssl: Its TLS context.
        scheme: What the client is told to speak.
        limit: Bytes that are read ahead.
    """

    def __init__(self, play, *, ssl=None, scheme="http", limit=65536):
        self._play = play
        self._ssl = ssl
        self._scheme = "https" if ssl else scheme
        self._limit = limit
        self._open = set()
        self._changed = asyncio.Event()
        self.sent = 0

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._ssl, limit=self._limit)
        self.url = f"{self._scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def _serve(self, reader, writer):
        self._open.add(asyncio.current_task())
        try:
            await self._play(self, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self._open.discard(asyncio.current_task())

    async def request(self, reader):
        """Read one request, and count it."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        await reader.readexactly(length)
        self.count()

    def count(self):
        """Note that a request has arrived."""
        self.sent += 1
        self._changed.set()

    async def received(self, count=1):
        while self.sent < count:
            self._changed.clear()
            await self._changed.wait()

    async def left(self):
        if self._open:  # its clients have left: each ends when it sees that
            await asyncio.wait(self._open, timeout=2)
        assert not self._open

    async def __aexit__(self, *_):
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        self._server.close()
        await asyncio.sleep(0.002)


def saying(answer, **options):
    """A peer that answers every request with the same bytes, and hangs up."""

    async def play(peer, reader, writer):
        await peer.request(reader)
        writer.write(answer)
        await writer.drain()

    return Raw(play, **options)


def flooding(head, piece, seconds=0.0):
    """A peer that says `piece` again and again until the client leaves."""

    async def play(peer, reader, writer):
        await peer.request(reader)
        writer.write(head)
        while not reader.at_eof():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(seconds)

    return Raw(play)


def mute(**options):
    """A peer that takes what it is sent and never says a word; it counts who begins."""

    async def play(peer, reader, writer):
        if await reader.read(1):
            peer.count()
        await reader.read()

    return Raw(play, **options)


def hanging_up(answer=b"", **options):
    """A peer that reads something, says something, and closes: in a handshake, whatever it is, it is not TLS."""

    async def play(peer, reader, writer):
        await reader.read(65536)
        writer.write(answer)

    return Raw(play, **options)


class Nobody:
    """An address where nobody listens."""

    sent = 0

    def __init__(self, url=None):
        self._url = url

    async def __aenter__(self):
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))  # taken, so that nobody else listens there meanwhile
        self.url = self._url or f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._socket.close()

    async def left(self):
        pass


@contextlib.contextmanager
def deaf(host, port=0):
    """A listener whose queue is full: it answers no further connection at all."""
    with socket.socket() as listener, contextlib.ExitStack() as crowd:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(4):
            one = crowd.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


class Deaf(Nobody):
    """A service that swallows connections."""

    async def __aenter__(self):
        self._held = contextlib.ExitStack()
        self.url = f"http://127.0.0.1:{self._held.enter_context(deaf('127.0.0.1'))}"
        return self

    async def __aexit__(self, *_):
        self._held.close()
