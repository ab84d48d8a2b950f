"""A row of the matrix, and the bench that it is met on: our client with its layers, and a count of all it must give back."""

from __future__ import annotations

import asyncio
import os
from itertools import product

import pytest
from attrs import field, frozen

from aiclient import AsyncClient, errors
from aiclient.context import Timeouts
from aiclient.errors import outcome
from aiclient.middleware import CircuitBreaker, Concurrency, RateLimit, Retry
from aiclient.testutil.clock import FakeClock

from .wires import OPENAI

TRIES = 3
BOTH = ("chat", "stream")


def row(*numbers):
    """Say which rows a test of its own covers; `test_matrix` reads it from the source."""
    return lambda test: test


@frozen(kw_only=True)
class Row:
    """What goes wrong, and what must come of it.

    Args:
        number: Of the row in the matrix.
        name: What goes wrong.
        peer: Makes the service, given a wire.
        error: Class of the error; None for an answer.
        kind: Its kind.
        phase: Its phase.
        category: Its category.
        cause: Class of its cause.
        code: Its status; a dict where it is another one for some wires.
        tries: Exchanges that were begun: 3 where `Retry` tried again until it gave up.
        sent: Requests that the service received; as many as `tries`, unless given.
        breaker: What the breaker learns: `failure`, `neutral` or `success`.
        waits: The least and the most that is waited between two tries.
        text: What the answer says, or what had come of it.
        paths: `chat`, `stream` or both.
        timeouts: The client's.
        advance: Seconds by which the client's clock is moved, and a little more, each time that a request has arrived; it
            stands still otherwise. None is the system's own clock.
        after: Whether it is moved only when the first output has been read.
        options: The provider's.
        verify: Makes the TLS context, for an https peer of our own.
        also: Is given the answer or the error, for what else must hold.
        note: Why it differs from the matrix, where it does.
    """

    number: int
    name: str
    peer: object
    error: type | None = None
    kind: str | None = None
    phase: str | None = None
    category: str | None = None
    cause: type | None = None
    code: int | dict[str, int] | None = None
    tries: int = 1
    sent: int | None = None
    breaker: str = "neutral"
    waits: tuple[float, float] | None = None
    text: str | None = "Hello"
    paths: tuple[str, ...] = BOTH
    timeouts: Timeouts = field(factory=Timeouts)
    advance: float | None = None
    after: bool = False
    options: dict = field(factory=dict)
    verify: object = None
    also: object = None
    note: str = ""


def every(rows, wires=(OPENAI,), *, others=()):
    """Parametrize a test over rows, their paths and wires; what is no stream is asked of the first wire only.

    Args:
        rows: The rows.
        wires: Whose streams.
        others: Marks of the cases of all wires but the first.
    """
    cases = [
        pytest.param(row, path, wire, id=_id(row, path, wire, wires), marks=() if wire is wires[0] else others)
        for row, wire in product(rows, wires)
        for path in (row.paths if wire is wires[0] else set(row.paths) & {"stream"})
    ]
    return pytest.mark.parametrize(("row", "path", "wire"), cases)


def _id(row, path, wire, wires):
    return f"{row.number} {row.name}-{path}" + (f"-{wire.name}" if len(wires) > 1 else "")


class Bench:
    """Our client in front of one peer.

    Args:
        provider: What it sends through.
        timeouts: Its limits.
        clock: Its clock; the waits of Retry have one of their own, which a sleeper moves.
        tries: What Retry makes of one call.
        rate: The rate limit; one that nobody reaches by default.
        limit: Calls that may be under way.
    """

    def __init__(self, provider, *, timeouts=None, clock=None, tries=TRIES, rate=None, limit=8):
        self.provider = provider
        self.read = asyncio.Event()
        self.waits = FakeClock()
        self.breaker = CircuitBreaker(1000, window=1e6, clock=self.waits)  # counts, and never opens by itself
        self.rate = rate or RateLimit(100, tokens=100_000_000, clock=self.waits)
        self.concurrency = Concurrency(limit)
        options = {} if clock is None else {"clock": clock}
        self.client = AsyncClient(provider, timeout=timeouts, **options).use(
            Retry(tries, base=0, clock=self.waits), self.breaker, self.rate, self.concurrency
        )

    async def ask(self, path, prompt="Say hello."):
        """Ask once; return the answer."""
        if path == "chat":
            return await self.client.chat(prompt)
        async with self.client.chat_stream(prompt) as stream:
            async for chunk in stream:
                if chunk.is_output:
                    self.read.set()
            return stream.response

    async def close(self, *, settled=True):
        """Let go of what is idle, and see that nothing else is held.

        Args:
            settled: Whether every call has been told its end; one whose stream was dropped unclosed has not.
        """
        self.nothing_is_held(settled=settled)
        await self.provider.close()
        await self.client.close()

    def nothing_is_held(self, *, settled=True):
        """Every permit is back, and the client knows of no call under way."""
        pools = getattr(self.provider._http._transport, "pools", None)
        if pools is not None:
            assert {pool.gate.free for pool in pools.here.values()} <= {self.provider._http._limits.max_connections}
            assert sum(pool.gate.waiting for pool in pools.here.values()) == 0
        assert not self.client._calls
        assert self.waits.pending == 0
        assert (self.concurrency.in_use, self.concurrency.waiting) == (0, 0)
        assert not settled or all(len(line._flying) == line._waiting == line._queued == 0 for line in self.rate._lines)
        assert all(circuit.state != "half_open" or circuit.retry_after == 0 for circuit in self.breaker.state())


def descriptors():
    """How many files and sockets this process has open."""
    return len(os.listdir("/dev/fd")) if os.path.isdir("/dev/fd") else 0  # Windows does not say


class Untouched:
    """Descriptors and tasks are what they were before."""

    async def __aenter__(self):
        self._descriptors = descriptors()
        self._tasks = asyncio.all_tasks()

    async def __aexit__(self, kind, error, trace):
        if error is None:
            for _ in range(100):  # a socket is closed a turn after it is given up, a thread's loop a little later
                if descriptors() <= self._descriptors and asyncio.all_tasks() == self._tasks:
                    break
                await asyncio.sleep(0.002)
            assert asyncio.all_tasks() == self._tasks
            assert descriptors() <= self._descriptors


async def meet(row, path, wire):
    """Play a row, and hold everything against it."""
    async with Untouched(), row.peer(wire) as peer:
        clock = FakeClock(auto=False) if row.advance is not None else None
        verify = row.verify() if row.verify else None
        bench = Bench(wire.make(peer.url, verify=verify, **row.options), timeouts=row.timeouts, clock=clock)
        task = asyncio.ensure_future(bench.ask(path))
        async with asyncio.timeout(20):  # of real seconds: it hangs
            if clock is not None:
                await let_time_pass(row, peer, bench, clock)
            await asyncio.wait([task])
        result = task.exception() or task.result()
        judge(row, result, wire)
        assert peer.sent == (row.tries if row.sent is None else row.sent)
        if row.waits is not None:
            assert all(row.waits[0] <= wait <= row.waits[1] for wait in bench.waits.slept)
        assert len(bench.waits.slept) == row.tries - 1
        (circuit,) = bench.breaker.state()
        failures = {"failure": row.tries, "neutral": 0, "success": row.tries - 1}[row.breaker]
        assert (circuit.failures, circuit.calls - circuit.failures) == (failures, row.breaker == "success")
        if clock is not None:
            assert clock.pending == 0
        if row.also is not None:
            row.also(result)
        await bench.close()
        await peer.left()


async def let_time_pass(row, peer, bench, clock):
    """Move the clock whenever it is all that a call waits for."""
    for count in range(1, row.tries + 1):
        await peer.received(count)
        if row.after:
            await bench.read.wait()
        clock.advance(0.6 * row.advance)
        await asyncio.sleep(0.01)  # what is said meanwhile, pings for one, must not put the end off
        clock.advance(0.6 * row.advance)


def judge(row, result, wire):
    """Compare what came out with what the row says."""
    if row.error is None:
        assert not isinstance(result, BaseException), repr(result)
        assert row.text is None or result.message.content == row.text
        verdict = "success"
    else:
        assert type(result) is row.error, repr(result)
        found = (result.kind, result.phase, type(result.__cause__), result.status_code)
        code = row.code.get(wire.name) if isinstance(row.code, dict) else row.code
        assert found == (row.kind, row.phase, row.cause or type(None), code)
        assert row.category in (None, result.category)
        assert isinstance(result, errors.AIClientError)
        verdict = outcome(result).breaker
        assert str(result) and "sk-planted" not in f"{result}{result!r}"
    assert verdict == row.breaker
    assert len(result.attempts) == row.tries
