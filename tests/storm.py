"""The cancellation storm: thousands of exchanges that are cancelled, cut, timed out and broken off, and what is left after.

    python tests/storm.py [--calls 10000] [--streams 10000] [--seeds 3] [--pool 10] [--tls] [--calm] [--client]
                          [--twin httpx|no-permit|no-close|no-trace]

Bursts of 40 tasks share a pool of 10. Of each burst 80 % are cancelled at a random turn of the loop, half of those a second
time 0 to 5 turns later; some calls have deadlines of a few milliseconds, some streams are left early, and the server, in a
process of its own, closes idle connections, hangs up at requests, cuts bodies and falls silent. With `--tls` every fourth
handshake stalls. Afterwards there must be no socket, permit or task left over, no warning, and three healthy requests.

A twin is the same storm with the seam taken out or broken: it must be caught, or the storm proves nothing.

With `--client` it goes through a client, `Retry` and a provider: what the layers hold must come back too. Other layers run
the same storm: give `weather` a `Subject` of theirs.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import gc
import logging
import os
import random
import ssl
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path

from attrs import define, field

from aiclient import errors
from aiclient.context import Timeouts
from aiclient.http import HTTP, FreeList, HTTPLimits, _Lease
from aiclient.net.connections import Connection
from aiclient.request import HTTPCall

BURST = 40
TURNS = 50
"""Turns of the loop within which victims are cancelled: about as many as a burst takes."""


@define
class Subject:
    """What the storm is let loose on.

    Args:
        call: Makes one whole call.
        stream: Opens a stream and reads it, or a part of it.
        close: Lets go of everything that is idle.
        permits: How many permits are free; None if it has none of its own.
    """

    call: Callable[[random.Random], Awaitable[object]]
    stream: Callable[[random.Random], Awaitable[object]]
    close: Callable[[], Awaitable[object]]
    permits: Callable[[], int | None] = lambda: None
    pool: int | None = None


@define
class Damage:
    """What a storm did."""

    ended: collections.Counter[str] = field(factory=collections.Counter)
    stuck: int = 0
    sockets: int = 0
    permits: int | None = None
    expected_permits: int | None = None
    tasks: int = 0
    warnings: list[str] = field(factory=list)
    unhandled: list[str] = field(factory=list)
    unexpected: list[str] = field(factory=list)
    healthy: int = 0
    seconds: float = 0.0

    @property
    def found(self) -> list[str]:
        """What is wrong, in words; empty when the storm was survived."""
        lost = (self.expected_permits or 0) - (self.permits or 0) if self.permits is not None else 0
        found = {
            "tasks stuck": self.stuck,
            "sockets left": self.sockets,
            "permits lost": lost,
            "tasks left": self.tasks,
            "warnings": len(self.warnings),
            "unhandled errors": len(self.unhandled),
            "untyped errors": len(self.unexpected),
            "of 3 later requests failed": 3 - self.healthy,
        }
        return [f"{count} {what}" for what, count in found.items() if count]

    def __str__(self) -> str:
        ends = ", ".join(f"{count} {end}" for end, count in self.ended.most_common())
        return f"{'; '.join(self.found) or 'clean'} | {ends} | {self.seconds:.1f} s"


def sockets() -> int:
    """How many sockets this process has open."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # closed meanwhile
            count += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return count


async def weather(subject: Subject, kind: str, exchanges: int, seed: int, patience: float = 10.0) -> Damage:
    """Let the storm loose on `subject`, and count what is left when it is over.

    Args:
        subject: Whose calls and streams.
        kind: `calls` or `streams`.
        exchanges: How many.
        seed: Of all chance on this side.
        patience: Seconds after which a burst that should be over is stuck.
    """
    damage = Damage()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: damage.unhandled.append(str(context.get("exception") or context)))
    sys.unraisablehook = lambda event: damage.unhandled.append(f"unraisable: {event.exc_value!r}")
    rng = random.Random(seed)
    before, began = sockets(), time.monotonic()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        act = subject.call if kind == "calls" else subject.stream
        for _ in range(exchanges // BURST):
            await _burst(act, rng, damage, patience)
            if damage.stuck:
                break
        await _aftermath(subject, damage, min(patience, 3.0))
        damage.sockets = sockets() - before
        gc.collect()
        await asyncio.sleep(0)
    damage.warnings = [f"{warning.category.__name__}: {warning.message}" for warning in caught]
    damage.seconds = time.monotonic() - began
    return damage


async def _burst(
    act: Callable[[random.Random], Awaitable[object]], rng: random.Random, damage: Damage, patience: float
) -> None:
    tasks = [asyncio.ensure_future(act(random.Random(rng.random()))) for _ in range(BURST)]
    plan: dict[int, list[asyncio.Future[object]]] = collections.defaultdict(list)
    for task in tasks:
        if rng.random() < 0.8:
            turn = rng.randrange(TURNS)
            plan[turn].append(task)
            if rng.random() < 0.5:
                plan[turn + rng.randint(0, 5)].append(task)
    for turn in range(max(plan, default=0) + 1):
        if all(task.done() for task in tasks):
            break
        for victim in plan.get(turn, ()):
            victim.cancel()
        await asyncio.sleep(0)
    _, pending = await asyncio.wait(tasks, timeout=patience)
    damage.stuck += len(pending)
    for task in tasks:
        if task in pending:
            task.cancel()
        elif task.cancelled():
            damage.ended["cancelled"] += 1
        elif (error := task.exception()) is None:
            damage.ended["completed"] += 1
        else:
            word = getattr(error, "phase", None) or getattr(error, "kind", None) or ""
            damage.ended[f"{type(error).__name__}({word})"] += 1
            if not isinstance(error, errors.AIClientError):
                damage.unexpected.append(repr(error))
    if pending:
        await asyncio.wait(pending, timeout=1)


async def _aftermath(subject: Subject, damage: Damage, patience: float) -> None:
    for _ in range(3):
        with contextlib.suppress(Exception):  # one that fails is not counted as healthy
            async with asyncio.timeout(patience):
                await subject.call(random.Random(-1))
                damage.healthy += 1
    await subject.close()
    for _ in range(20):  # what is being closed is closed a few turns later
        await asyncio.sleep(0.005)
        if len(asyncio.all_tasks()) == 1:
            break
    damage.permits, damage.expected_permits = subject.permits(), subject.pool
    damage.tasks = len(asyncio.all_tasks()) - 1


# --- the seam itself as the subject ---


def seam(url: str, pool: int, *, verify: ssl.SSLContext | None, faults: bool) -> Subject:
    """Calls and streams through `HTTP`."""
    http = HTTP(limits=HTTPLimits(max_connections=pool, max_idle=pool), verify=verify)
    timeouts = Timeouts(connect=0.15)

    def call_for(path: str, rng: random.Random) -> HTTPCall:
        calm = not faults or rng.random() < 0.7 if path != "/calm" else True
        return HTTPCall("POST", f"{url}{'/calm' if calm else ''}{path}", [("X-Key", "k")], b'{"hello":"world"}')

    def deadline(rng: random.Random) -> float:
        return time.monotonic() + (rng.uniform(0.001, 0.03) if faults and rng.random() < 0.1 else 30.0)

    async def call(rng: random.Random) -> None:
        await http.read(call_for("/call", rng), timeouts=timeouts, deadline=deadline(rng))

    async def stream(rng: random.Random) -> None:
        exchange = await http.open(call_for("/stream", rng), timeouts=timeouts, deadline=deadline(rng))
        leave = rng.randrange(12) if rng.random() < 0.2 else 1000
        try:
            read = 0
            async for data in exchange:
                read += data.count(b"data:")
                exchange.done = b"[DONE]" in data
                if read > leave or (exchange.done and rng.random() < 0.5):
                    break
        finally:
            await exchange.aclose()

    def permits() -> int | None:
        transport = http._transport
        assert isinstance(transport, FreeList)
        gates = [pool.gate for pool in transport.pools.here.values()]
        return gates[0].free if gates else pool

    # Seeing the permits must not depend on `close`, which forgets the pools.
    kept: list[int | None] = []

    async def close() -> None:
        kept.append(permits())
        await http.close()

    return Subject(call, stream, close, lambda: kept[-1], pool)


def through_client(url: str, pool: int, *, verify: ssl.SSLContext | None, faults: bool) -> Subject:
    """Calls and streams through a client, `Retry` and a provider; a second one for the calm part of the server."""
    from aiclient import AsyncClient
    from aiclient.messages import Message
    from aiclient.middleware import Retry
    from aiclient.providers import CompatibleProvider
    from aiclient.request import ChatOptions, ChatRequest

    limits = HTTPLimits(max_connections=pool, max_idle=pool)
    places = (f"{url}/calm", url if faults else f"{url}/calm")
    providers = [CompatibleProvider(place, model="m", limits=limits, needs_key=False) for place in places]
    for provider in providers:
        provider._http = HTTP(limits=limits, verify=verify)
    clients = [AsyncClient(provider).use(Retry(3, base=0.001, cap=0.004)) for provider in providers]

    def drawn(rng: random.Random) -> tuple[AsyncClient, ChatRequest]:
        client = clients[rng.random() >= 0.7]
        limit = rng.uniform(0.001, 0.03) if faults and rng.random() < 0.1 else 30.0
        return client, ChatRequest([Message("user", "Hi")], ChatOptions(timeout=Timeouts(total=limit, connect=0.15)))

    async def call(rng: random.Random) -> None:
        client, request = drawn(rng)
        answer = await client.chat(request)
        assert answer.message.content == "word" * 6

    async def stream(rng: random.Random) -> None:
        client, request = drawn(rng)
        leave = rng.randrange(12) if rng.random() < 0.2 else 1000
        async with client.chat_stream(request) as chunks:
            read = 0
            async for _ in chunks:
                read += 1
                if read > leave:
                    break

    def permits() -> int:
        pools = [provider._http._transport.pools.here.values() for provider in providers]
        return sum(next(iter(found)).gate.free if found else pool for found in pools)

    kept: list[int] = []

    async def close() -> None:
        kept.append(permits())
        for client, provider in zip(clients, providers, strict=True):
            await client.close()
            await provider.close()

    return Subject(call, stream, close, lambda: kept[-1], 2 * pool)


def plain_httpx(url: str, pool: int, *, verify: ssl.SSLContext | None) -> Subject:
    """The twin: one AsyncClient, as everybody uses it."""
    import httpx

    client = httpx.AsyncClient(
        verify=verify or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        limits=httpx.Limits(max_connections=pool, max_keepalive_connections=pool),
        timeout=httpx.Timeout(30),
    )

    async def call(rng: random.Random) -> None:
        (await client.post(f"{url}/calm/call", content=b"{}")).raise_for_status()

    async def stream(rng: random.Random) -> None:
        leave = rng.randrange(12) if rng.random() < 0.2 else 1000
        async with client.stream("POST", f"{url}/calm/stream", content=b"{}") as response:
            read = 0
            async for data in response.aiter_raw():
                read += data.count(b"data:")
                if read > leave:
                    break

    return Subject(call, stream, client.aclose)


def sabotage(twin: str) -> None:
    """Break the way out of an exchange."""
    if twin == "no-close":
        Connection.close = lambda self: setattr(self, "stream", None)
    elif twin == "no-trace":  # blind while the TLS handshake lasts; shows with --tls only
        seeing = _Lease.trace

        async def trace(self: _Lease, event: str, info: dict[str, object]) -> None:
            if event == "connection.connect_tcp.complete":
                self._limits.connected()
            else:
                await seeing(self, event, info)

        _Lease.trace = trace
    else:
        whole = _Lease.end

        def end(self: _Lease, clean: bool) -> None:
            self.held = self.held and clean
            whole(self, clean)

        _Lease.end = end


# --- the server, in a process of its own ---

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 300\r\n\r\n" + b"x" * 300
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b'data: {"choices":[{"delta":{"content":"word"}}]}\n\n'
END = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
CHAT = b'{"choices":[{"message":{"content":"wordwordwordwordwordword"},"finish_reason":"stop"}]}'
CHAT = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(CHAT), CHAT)


class Misbehaving(asyncio.Protocol):
    """Answers `/call`, `/stream` and `/chat/completions`; what is not under `/calm` it may spoil."""

    transport: asyncio.Transport
    task: asyncio.Future[None]

    def __init__(self, rng: random.Random, handshake: ssl.SSLContext | None) -> None:
        self.rng = rng
        self.handshake = handshake
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self.handshake is not None:
            transport.pause_reading()
            if self.rng.random() < 0.75:
                self._start(self._shake_hands(self.handshake))

    async def _shake_hands(self, context: ssl.SSLContext) -> None:
        self.handshake = None
        with contextlib.suppress(OSError, asyncio.CancelledError):  # the client hung up, or the storm is over
            secure = await asyncio.get_running_loop().start_tls(self.transport, self, context, server_side=True)
            if secure is not None:
                self.transport = secure

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        if found and len(rest) >= length:
            self.buffer = rest[length:]
            path = head.split(b" ")[1]
            whole = path.endswith(b"/call") or (path.endswith(b"/completions") and b'"stream":true' not in rest)
            self._start(self._answer(path, CHAT if path.endswith(b"/completions") else ANSWER, whole=whole))

    def _start(self, work: Coroutine[object, object, None]) -> None:
        self.task = asyncio.ensure_future(work)

    async def _answer(self, path: bytes, answer: bytes, *, whole: bool) -> None:
        fate = 1.0 if path.startswith(b"/calm") else self.rng.random()
        if fate < 0.15:  # at the receipt of a request
            self.transport.close()
            return
        if fate < 0.2:
            await asyncio.sleep(self.rng.uniform(0.01, 0.06))
        if whole:
            self.transport.write(answer[: -self.rng.randrange(1, len(answer))] if 0.2 <= fate < 0.3 else answer)
        else:
            await self._stream(cut=0.2 <= fate < 0.3)
        if 0.2 <= fate < 0.3:
            self.transport.close()
        elif 0.3 <= fate < 0.5:  # an idle connection
            asyncio.get_running_loop().call_later(self.rng.uniform(0, 0.004), self.transport.close)

    async def _stream(self, *, cut: bool) -> None:
        self.transport.write(STREAM)
        stop = self.rng.randrange(6) if cut else 7
        for number in range(6):
            if number == stop:
                return
            self.transport.write(b"%x\r\n%s\r\n" % (len(EVENT), EVENT))
            if self.rng.random() < 0.3:
                await asyncio.sleep(0 if self.rng.random() < 0.8 else 0.002)
        self.transport.write(b"%x\r\n%s\r\n" % (len(END), END))
        if self.rng.random() < 0.3:
            await asyncio.sleep(0.001)
        self.transport.write(b"0\r\n\r\n")


async def serve(certificate: str | None) -> None:
    """Serve until the process is ended; print the port."""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    rng = random.Random(7)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)  # clients vanish all the time
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    server = await loop.create_server(lambda: Misbehaving(rng, context), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def served(*, tls: bool) -> Iterator[tuple[str, ssl.SSLContext | None]]:
    """Run the server in a process of its own; give its URL and the TLS context that trusts it."""
    command = [sys.executable, __file__, "--serve"]
    with tempfile.TemporaryDirectory() as folder:
        verify = None
        if tls:
            import trustme

            authority = trustme.CA()
            certificate = str(Path(folder) / "server.pem")
            authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
            verify = ssl.create_default_context()
            authority.configure_trust(verify)
            command += ["--certificate", certificate]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            yield f"{'https' if tls else 'http'}://127.0.0.1:{port}", verify
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()


async def run(arguments: argparse.Namespace) -> bool:
    """Run every storm that was asked for; True if all were survived, or, for a twin, if one was caught."""
    clean = True
    make = through_client if arguments.client else seam
    with served(tls=arguments.tls) as (url, verify):
        for seed in range(1, arguments.seeds + 1):
            for kind in ("calls", "streams"):
                exchanges = getattr(arguments, kind)
                if not exchanges:
                    continue
                if arguments.twin == "httpx":
                    subject = plain_httpx(url, arguments.pool, verify=verify)
                else:
                    subject = make(url, arguments.pool, verify=verify, faults=not arguments.calm)
                damage = await weather(subject, kind, exchanges, seed, arguments.patience)
                print(f"{arguments.twin or 'aiclient'} {kind} {exchanges} seed {seed}: {damage}", flush=True)
                for line in [*damage.warnings, *damage.unhandled, *damage.unexpected][:5]:
                    print("   ", line, flush=True)
                clean = clean and not damage.found
    return clean if arguments.twin is None else not clean


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pool", type=int, default=10)
    parser.add_argument("--patience", type=float, default=10.0, help="seconds after which a burst counts as stuck")
    parser.add_argument("--tls", action="store_true", help="over TLS, every fourth handshake stalls")
    parser.add_argument("--calm", action="store_true", help="cancellations only: no deadlines, no faults of the server")
    parser.add_argument("--client", action="store_true", help="through a client, Retry and a provider")
    parser.add_argument(
        "--twin", choices=("httpx", "no-permit", "no-close", "no-trace"), help="a storm that must be caught"
    )
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--certificate", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        with contextlib.suppress(KeyboardInterrupt):  # which is how it is stopped
            asyncio.run(serve(arguments.certificate))
        return 0
    if arguments.twin not in (None, "httpx"):
        sabotage(arguments.twin)
    survived = asyncio.run(run(arguments))
    if arguments.twin is not None:
        print("caught" if survived else f"NOT caught: the storm does not notice {arguments.twin}")
    return 0 if survived else 1


if __name__ == "__main__":
    sys.exit(main())
