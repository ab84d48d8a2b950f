"""The client for synchronous code: a facade over one AsyncClient on a private loop thread, no second implementation."""

from __future__ import annotations

import asyncio
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Self

from attrs import field, frozen

from .builder import Fluent
from .chunks import ChatStreamChunk
from .client import AsyncClient, Prompt
from .clock import SYSTEM, Clock
from .context import DEFAULT_EXTRA_ATTEMPTS, Timeouts
from .errors import ClientClosedError
from .loopthread import Job, LoopThread
from .opening import OpenStream
from .pricing import PriceBook
from .provider import Middleware, Provider
from .request import EmbeddingRequest
from .response import ChatResponse, EmbeddingResponse
from .stream import READ_ON_SECONDS, ChatStream

__all__ = ["Client", "RequestBuilder", "Stream"]

AHEAD: Final = 64
"""Chunks that the pump reads ahead of the reader at most."""


class Stream:
    """The chunks of one answer, for synchronous code.

    Open when it is made. Use `with`: leaving the block early closes the connection at once. One task pumps the stream on
    the loop thread, at most 64 chunks ahead of the reader.
    """

    def __init__(self, thread: LoopThread, opening: OpenStream) -> None:
        self._queue: deque[ChatStreamChunk] = deque()
        self._ready = threading.Event()  # set when there is something to look at
        self._room: asyncio.Future[None] | None = None
        self._stream: ChatStream | None = None
        self._ended = self._leaving = False
        self._thread = thread
        self._job: Job[None] = thread.submit(self._pump(opening))
        self._wait()
        if self._stream is None:
            self._job.result()

    # --- on the loop thread ---

    async def _pump(self, opening: OpenStream) -> None:
        try:
            async with opening as stream:
                self._stream = stream
                self._ready.set()
                async for chunk in stream:
                    self._queue.append(chunk)
                    if not self._ready.is_set():
                        self._ready.set()
                    if len(self._queue) >= AHEAD:
                        await self._make_room()
                    if self._leaving and not stream.finished:
                        break
        finally:
            self._ended = True
            self._ready.set()

    async def _make_room(self) -> None:
        self._room = asyncio.get_running_loop().create_future()
        if (
            len(self._queue) > AHEAD // 2 and not self._leaving
        ):  # the reader may have caught up before it could see the future
            await self._room
        self._room = None

    def _let_on(self, room: asyncio.Future[None]) -> None:
        if not room.done():
            room.set_result(None)

    def _leave(self) -> None:
        assert self._stream is not None
        self._leaving = True
        self._queue.clear()
        self._stream.leave()
        if self._room is not None:
            self._let_on(self._room)
        if self._stream.finished:  # as in async: after a finish reason, a moment for the usage
            self._thread.loop().call_later(READ_ON_SECONDS, self._job.cancel)
        else:
            self._job.cancel()

    # --- on the reader's thread ---

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ChatStreamChunk:
        while not self._queue:
            if self._ended:
                return self._finish()
            self._ready.clear()
            if not self._queue and not self._ended:
                self._wait()
        chunk = self._queue.popleft()
        room = self._room
        if room is not None and len(self._queue) <= AHEAD // 2:
            self._thread.loop().call_soon_threadsafe(self._let_on, room)
        return chunk

    def _wait(self) -> None:
        try:
            self._ready.wait()
        except BaseException:  # Ctrl-C: the stream ends as cancelled, before the interruption goes on
            self._job.cancel()
            while not self._ended:
                self._ready.clear()
                if not self._ended:
                    self._ready.wait()
            raise

    def _finish(self) -> ChatStreamChunk:
        if not self._leaving:
            self._job.result()
        raise StopIteration

    @property
    def text(self) -> Iterator[str]:
        """The text pieces alone, as they come."""
        return (chunk.content for chunk in self if chunk.content and chunk.choice == 0)

    @property
    def partial(self) -> ChatResponse:
        """The answer as far as it was received, which may be ahead of what was read; never raises."""
        assert self._stream is not None
        return self._stream.partial if self._ended else self._thread.run(_partial(self._stream))

    @property
    def response(self) -> ChatResponse:
        """The whole answer; see ChatStream.response for what it raises."""
        assert self._stream is not None
        return self._stream.response

    def close(self) -> None:
        """End the stream and release its connection, and return when that is done; harmless when it has ended."""
        if self._ended or self._stream is None:
            return
        self._thread.loop().call_soon_threadsafe(self._leave)
        while not self._ended:
            self._ready.clear()
            if not self._ended:
                self._ready.wait()

    def __del__(self) -> None:
        if not getattr(self, "_ended", True) and self._stream is not None:
            warnings.warn("an unclosed Stream was dropped; use `with`", ResourceWarning, stacklevel=2, source=self)
            self._thread.loop().call_soon_threadsafe(self._leave)


async def _partial(stream: ChatStream) -> ChatResponse:
    return stream.partial


@frozen
class RequestBuilder(Fluent):
    """A request that is sent through a sync client."""

    _client: Client = field(repr=False)

    def do(self) -> ChatResponse:
        """Send it and return the whole answer."""
        return self._client.chat(self.build())

    def stream(self) -> Stream:
        """Open a stream; use it with `with`."""
        return self._client.chat_stream(self.build())


class Client:
    """Talks to one provider through a chain of middleware, for synchronous code.

    Same options and surface as AsyncClient. It may be shared by any number of threads, works where an event loop is
    already running (notebooks), and after a fork. Its one thread starts with the first call.

    Example:
        >>> client = Client(MockProvider("Paris"))
        >>> client.new_request().user("Capital of France?").do().message.content
        'Paris'
        >>> client.close()
    """

    def __init__(
        self,
        provider: str | Provider,
        *,
        timeout: float | Timeouts | None = None,
        prices: PriceBook | Mapping[str, Mapping[str, Any]] | None = None,
        max_attempts: int = DEFAULT_EXTRA_ATTEMPTS + 1,
        strict: bool = False,
        clock: Clock = SYSTEM,
    ) -> None:
        client = AsyncClient(
            provider, timeout=timeout, prices=prices, max_attempts=max_attempts, strict=strict, clock=clock
        )
        self._start(client, LoopThread(), owned=True)

    def _start(self, client: AsyncClient, thread: LoopThread, *, owned: bool) -> None:
        self._async, self._thread, self._owned = client, thread, owned
        if owned:  # nobody has to close a client: its thread ends with it, at the latest at exit
            weakref.finalize(self, thread.stop)

    @classmethod
    def _over(cls, client: AsyncClient, thread: LoopThread, *, owned: bool) -> Self:
        made = cls.__new__(cls)
        made._start(client, thread, owned=owned)  # noqa: SLF001  # its own class
        return made

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Make a client as the `AI_*` variables describe it; see `aiclient.config.from_env`."""
        return cls._over(AsyncClient.from_env(environ), LoopThread(), owned=True)

    def __repr__(self) -> str:
        return repr(self._async).replace("AsyncClient", type(self).__name__, 1)

    @property
    def name(self) -> str:
        """The provider's name."""
        return self._async.name

    @property
    def middleware(self) -> tuple[Middleware, ...]:
        """The layers, outermost first."""
        return self._async.middleware

    def use(self, *layers: Middleware) -> Self:
        """Add layers inside those there are; see AsyncClient.use."""
        self._async.use(*layers)
        return self

    def remove(self, *layers: Middleware) -> Self:
        """Take layers out of the chain, by identity; see AsyncClient.remove."""
        self._async.remove(*layers)
        return self

    def derive(self, *layers: Middleware) -> Client:
        """Return a client that shares this one's provider, layers and thread and puts its own layers outside them."""
        return Client._over(self._async.derive(*layers), self._thread, owned=False)

    def explain(self) -> str:
        """Draw the chain, outermost first, every branch included."""
        return self._async.explain().replace("AsyncClient", type(self).__name__, 1)

    def new_request(self) -> RequestBuilder:
        """Begin a request."""
        return RequestBuilder(self)

    def chat(self, prompt: Prompt, /) -> ChatResponse:
        """Send a request and return the whole answer; Ctrl-C cancels it. See AsyncClient.chat."""
        return self._thread.run(self._async.chat(prompt))

    def chat_stream(self, prompt: Prompt, /) -> Stream:
        """Open a stream; use it with `with`. See AsyncClient.chat_stream."""
        return Stream(self._thread, self._async.chat_stream(prompt))

    def embeddings(self, request: EmbeddingRequest, /) -> EmbeddingResponse:
        """Turn the texts of `request` into vectors."""
        return self._thread.run(self._async.embeddings(request))

    def embed(
        self,
        text: str | Iterable[str],
        *,
        model: str | None = None,
        dimensions: int | None = None,
        task: str | None = None,
    ) -> EmbeddingResponse:
        """Turn one text (then read `.vector`) or several (`.vectors`) into vectors."""
        return self._thread.run(self._async.embed(text, model=model, dimensions=dimensions, task=task))

    def validate_config(self) -> None:
        """Raise ConfigError if the provider could not work; sends nothing."""
        self._async.validate_config()

    def close(self, *, grace: float = 0.0) -> None:
        """Close the client for good, and its thread; see AsyncClient.close."""
        try:
            self._thread.run(self._async.close(grace=grace))
        except ClientClosedError:
            return
        if self._owned:
            self._thread.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
