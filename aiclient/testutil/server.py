"""A loopback HTTP server that plays an LLM service, with real sockets and scripted faults.

    with LoopbackServer(reply="Paris") as server:
        server.script(rate_limited(retry_after=1))
        ...                                       # point a client at server.base_url
        assert server.requests[0].json["model"] == "gpt-5.4-mini"

It speaks the wires of OpenAI (chat completions, responses, embeddings, models; at Azure's paths too), Anthropic, Google (Gemini
and Vertex), Amazon Bedrock (Converse), Cohere, Mistral (under `/mistral`) and Ollama, and `GET /health`; more wires are more
`Route`s. What is wrong is said in the shape of the vendor whose path was asked.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import Self

import attrs

from ._anthropic import anthropic_routes
from ._bedrock import bedrock_routes
from ._cohere import cohere_routes
from ._connection import Connection
from ._exchange import Answer, RecordedRequest, Route, error_answer, json_answer
from ._gemini import gemini_routes
from ._mistral import mistral_routes
from ._ollama import ollama_routes
from ._openai import openai_routes
from ._responses import responses_routes
from ._service import HEALTH, PlayedService
from ._turns import Reply
from .faults import Fault, cut, overloaded, rate_limited, server_error, stall

__all__ = [
    "Answer",
    "Fault",
    "LoopbackServer",
    "RecordedRequest",
    "Route",
    "cut",
    "error_answer",
    "json_answer",
    "overloaded",
    "rate_limited",
    "server_error",
    "stall",
]

BACKLOG = 1024
"""Connections that may wait to be accepted: a storm of a thousand clients connects within one tick."""

WIRES = (
    anthropic_routes,  # these two share a path with OpenAI, and take only what is theirs
    cohere_routes,
    openai_routes,
    responses_routes,
    gemini_routes,
    bedrock_routes,
    mistral_routes,
    ollama_routes,
)

TLS_GOODBYE = 0.5
"""Seconds that closing waits for the client's part of the TLS goodbye; the usual 30 would hold every test's end."""


class LoopbackServer:
    """An LLM service on this machine, for `with` and `async with` alike.

    It runs in a thread of its own, so that neither colour of a test shares an event loop with it. What it recorded
    can be read after it has stopped. It can be started again, one run at a time.

    Args:
        host: the address to listen on, default 127.0.0.1.
        port: default 0, any free one.
        reply: the text of every chat answer, or a function from the request's messages, as its wire has them, to it
            (called on the server's thread, so it must not block).
        api_key: the key that every request but `/health` must carry where its vendor looks for it; default None, no key is
            asked for.
        faults: the script to begin with, see `script`.
        routes: asked before the built-in ones.
        ssl: a server-side context; default None, no TLS.
        keep_requests: how many requests `requests` holds at most, the latest; default None, all.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        reply: Reply = "Hello from the loopback server.",
        api_key: str | None = None,
        faults: Iterable[Fault] = (),
        routes: Iterable[Route] = (),
        ssl: ssl.SSLContext | None = None,
        keep_requests: int | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._ssl = ssl
        health = Route("GET", HEALTH, lambda _: Answer(200, {"content-type": "text/plain"}, b"ok\n"))
        served = [route for wire in WIRES for route in wire(reply)]
        self._service = PlayedService([*routes, *served, health], api_key=api_key, keep_requests=keep_requests)
        self._service.script.extend(faults)
        self._thread: threading.Thread | None = None
        self._bound: _Bound | None = None  # stays after a run, as its requests do

    @property
    def url(self) -> str:
        """Scheme, host and port, without a slash at the end.

        Raises:
            RuntimeError: the server was never started.
        """
        if self._bound is None:
            raise RuntimeError("the server has no port yet; enter it with `with` or `async with` first")
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._ssl else 'http'}://{host}:{self._bound.port}"

    @property
    def base_url(self) -> str:
        """What OpenAI's clients take as their base URL; most others take `url`."""
        return f"{self.url}/v1"

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests so far, in order of arrival; a copy."""
        with self._service.changed:
            return list(self._service.requests)

    @property
    def connections(self) -> int:
        """How many connections were opened since the start or the last `reset` (those open then count)."""
        return self._service.connections

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return len(self._service.open)

    def script(self, *faults: Fault) -> None:
        """Queue faults: every request but `/health` takes the next one; with none left, all is well."""
        self._service.script.extend(faults)

    def reset(self) -> None:
        """Forget requests, the rest of the script and closed connections; open connections stay."""
        self._service.reset()

    def wait_for(self, predicate: Callable[[], bool], *, timeout: float = 2.0) -> None:
        """Block until `predicate` holds; it is asked again whenever a request arrives or a connection comes or goes.

        In a coroutine: `await asyncio.to_thread(server.wait_for, predicate)`.

        Raises:
            TimeoutError: it did not hold within `timeout` seconds, default 2.
        """
        with self._service.changed:
            if not self._service.changed.wait_for(predicate, timeout):
                seen = f"{len(self._service.requests)} requests, {self.open_connections} open connections"
                raise TimeoutError(f"waited {timeout} s in vain; the server has seen {seen}")

    def wait_closed(self, *, timeout: float = 2.0) -> None:
        """Block until no connection is open.

        Raises:
            TimeoutError: some were still open after `timeout` seconds, default 2.
        """
        self.wait_for(lambda: not self._service.open, timeout=timeout)

    def __enter__(self) -> Self:
        if self._thread is not None:
            raise RuntimeError("the server is running already")
        started: Future[_Bound] = Future()
        thread = threading.Thread(target=self._run, args=(started,), name="aiclient-loopback-server", daemon=True)
        thread.start()
        if started.exception() is not None:
            thread.join()
        self._bound = started.result()
        self._thread = thread
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        thread, self._thread = self._thread, None
        if thread is not None and self._bound is not None:
            self._bound.stop()
            thread.join()

    async def __aenter__(self) -> Self:
        return self.__enter__()  # blocks for the millisecond that binding a port takes

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)

    def _run(self, started: Future[_Bound]) -> None:
        # of all loops this one lets go of a listener's socket, see `_stop_listening`
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._serve(started))

    async def _serve(self, started: Future[_Bound]) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            listener = await loop.create_server(
                lambda: Connection(self._service),
                self._host,
                self._port,
                ssl=self._ssl,
                backlog=BACKLOG,
                ssl_shutdown_timeout=TLS_GOODBYE if self._ssl else None,
            )
        except Exception as error:  # noqa: BLE001  # whatever it is, the thread that waits for the start must hear it
            started.set_exception(error)
            return
        port = listener.sockets[0].getsockname()[1]
        started.set_result(_Bound(port, functools.partial(loop.call_soon_threadsafe, stop.set)))
        await stop.wait()
        await _stop_listening(listener)
        while self._service.open:
            for connection in tuple(self._service.open):
                connection.abort()
            await asyncio.sleep(0)  # an aborted connection says so in the next tick


async def _stop_listening(listener: asyncio.Server) -> None:
    """Close the listener once all it has accepted is greeted: closed before, asyncio drops those sockets unclosed."""
    for sock in listener.sockets:
        asyncio.get_running_loop().remove_reader(sock.fileno())
    for _ in range(2):  # one tick makes an accepted connection's transport, the next greets it
        await asyncio.sleep(0)
    listener.close()


@attrs.frozen
class _Bound:
    """A run of the server."""

    port: int
    stop: Callable[[], object]
