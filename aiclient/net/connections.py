"""Idle connections, kept per event loop and origin, and thrown away without ever waiting.

A connection is one transport that holds one socket. Whoever takes it owns it alone, so nothing has to be repaired after a
failure or a cancellation: it is closed and forgotten. Closing is a plain function, because an `await` in a cleanup is where
a second cancellation would cut in.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Final

from ..gate import Gate

__all__ = ["Connection", "Pool", "Pools"]

_INHERITED: Final[list[object]] = []
"""Connections of the process that this one was forked from: neither used nor closed, the parent still talks on them."""


class Connection:
    """One transport of the HTTP library, and the socket in it once it has one.

    Args:
        transport: Sends one request at a time.
    """

    __slots__ = ("idle_since", "stream", "transport")

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.stream: Any = None  # the library's network stream
        self.idle_since = 0.0

    def close(self) -> None:
        """Close the socket at once, from any callback or coroutine of its loop."""
        stream, self.stream = self.stream, None
        if stream is None:
            return
        closing = stream.aclose()
        # Its first step aborts the socket; what it would wait for afterwards is a courtesy to other tasks.
        with contextlib.suppress(StopIteration, RuntimeError):  # RuntimeError: the loop was closed before
            closing.send(None)
        closing.close()


class Pool:
    """The idle connections to one origin on one event loop, behind a gate that counts those in use.

    The connection used last is taken first, so that the others can grow old and go.

    Args:
        connections: How many may be in use at once.
        keep: How many may be idle.
        seconds: How long one may be idle.
        make: Gives a new transport.
    """

    __slots__ = ("_idle", "_keep", "_make", "_seconds", "gate")

    def __init__(self, connections: int, keep: int, seconds: float, make: Callable[[], object]) -> None:
        self.gate = Gate(connections)
        self._idle: deque[Connection] = deque()
        self._keep = keep
        self._seconds = seconds
        self._make = make

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        return len(self._idle)

    def take(self, now: float) -> Connection:
        """Return the youngest idle connection, or a new one. Ask the gate first."""
        while self._idle:
            connection = self._idle.pop()
            if now - connection.idle_since <= self._seconds:
                return connection
            connection.close()
        return self.new()

    def new(self) -> Connection:
        """Return a connection that nothing was sent on."""
        return Connection(self._make())

    def give(self, connection: Connection, now: float) -> None:
        """Keep a connection whose last answer was read to its end."""
        connection.idle_since = now
        self._idle.append(connection)
        while len(self._idle) > self._keep or (self._idle and now - self._idle[0].idle_since > self._seconds):
            self._idle.popleft().close()

    def close(self) -> None:
        """Close the idle connections, and from now on each that is given back."""
        self._keep = 0
        while self._idle:
            self._idle.pop().close()


class Pools:
    """The pools of every event loop of this process, by origin. Nothing is shared between loops.

    A loop that ends closes its connections: an async generator is left waiting on it, which `asyncio.run` finishes.

    Args:
        make: Gives a new pool for an origin.
    """

    def __init__(self, make: Callable[[str], Pool]) -> None:
        self._make = make
        self._loops: dict[asyncio.AbstractEventLoop, _OfLoop] = {}

    def of(self, origin: str) -> Pool:
        """Return the running loop's pool for `origin`, made on first use."""
        loop = asyncio.get_running_loop()
        mine = self._loops.get(loop)
        if mine is None or mine.pid != os.getpid():
            mine = self._enter(loop)
        pool = mine.pools.get(origin)
        if pool is None:
            pool = mine.pools[origin] = self._make(origin)
        return pool

    @property
    def here(self) -> Mapping[str, Pool]:
        """The running loop's pools, by origin."""
        mine = self._loops.get(asyncio.get_running_loop())
        return {} if mine is None or mine.pid != os.getpid() else mine.pools

    def close(self) -> None:
        """Close the idle connections of every loop; those in use are closed when they are given back."""
        running = asyncio.get_running_loop()
        for loop, its in list(self._loops.items()):
            if loop is running:
                its.close()
            elif its.pid == os.getpid():
                with contextlib.suppress(RuntimeError):  # the loop was closed
                    loop.call_soon_threadsafe(its.close)

    def _enter(self, loop: asyncio.AbstractEventLoop) -> _OfLoop:
        """Begin to keep connections on `loop`, and forget loops that are gone."""
        for other, its in list(self._loops.items()):
            if its.pid != os.getpid():
                _INHERITED.append(self._loops.pop(other))
            elif other.is_closed():
                self._loops.pop(other)
        mine = self._loops[loop] = _OfLoop(weakref.ref(self), loop)
        return mine

    def forget(self, loop: asyncio.AbstractEventLoop) -> None:
        """Drop what is kept about a loop that ends."""
        self._loops.pop(loop, None)


class _OfLoop:
    """The pools of one loop, and the generator that closes them when the loop ends or nobody holds them any more."""

    def __init__(self, owner: weakref.ref[Pools], loop: asyncio.AbstractEventLoop) -> None:
        self.pid = os.getpid()
        self.pools: dict[str, Pool] = {}
        self._keeper = _close_at_end(self.pools, owner, loop)
        with contextlib.suppress(StopIteration):  # so a coroutine returns what it yields
            self._keeper.__anext__().send(None)  # to its yield: from here on the loop knows of it

    def close(self) -> None:
        _close(self.pools)


def _close(pools: dict[str, Pool]) -> None:
    while pools:
        pools.popitem()[1].close()


async def _close_at_end(
    pools: dict[str, Pool], owner: weakref.ref[Pools], loop: asyncio.AbstractEventLoop
) -> AsyncGenerator[None, None]:
    """Wait to be closed, then close the pools. It holds no `_OfLoop`, so that dropping that one ends it as well."""
    pid = os.getpid()
    try:
        yield
    finally:
        if os.getpid() == pid:
            _close(pools)
            if (kept := owner()) is not None:
                kept.forget(loop)
            await asyncio.sleep(0)  # sockets are closed one turn after they are aborted
