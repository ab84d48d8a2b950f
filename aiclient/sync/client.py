"""The client for synchronous code: a facade over one AsyncClient on a private loop thread, no second implementation."""

from __future__ import annotations

import os
import weakref
from collections.abc import Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, Unpack, cast, overload

from attrs import evolve, field, frozen

from ..client import AsyncClient
from ..clock import SYSTEM, Clock
from ..context import DEFAULT_EXTRA_ATTEMPTS, Timeouts
from ..dryrun import DryRunReport
from ..errors import ClientClosedError
from ..fluent import Fluent
from ..prices.books import STANDARD, PriceBook
from ..prompts import Prompt
from ..provider import Middleware, Provider
from ..request import EmbeddingRequest
from ..response import ChatResponse, EmbeddingResponse, TypedResponse
from .loopthread import LoopThread
from .stream import Stream

if TYPE_CHECKING:
    from typing import Unpack

    from ..bulk.items import BulkResult, OnProgress
    from ..bulk.mapping import Items, OnError
    from ..checks import CheckReport, OwnCheck
    from ..config import Config
    from ..config.sources import Source
    from ..output import OutputMode
    from ..pricing import Estimate
    from ..session.options import SessionArguments
    from ..statuses import Status
    from ..tools.loop import LoopOptions
    from ..tools.runs import RunResult
    from ..tools.use import AnyTool
    from .run import Run
    from .session import Session

__all__ = ["Client", "RequestBuilder"]

A = TypeVar("A", bound=ChatResponse)
T = TypeVar("T")


@frozen
class RequestBuilder(Fluent, Generic[A]):
    """A request that is sent through a sync client; `do()` gives an `A`."""

    _client: Client = field(repr=False)

    def do(self) -> A:
        """Send it and return the whole answer."""
        return cast("A", self._client.chat(self.build()))

    @overload
    def output(
        self, kind: type[T], *, mode: OutputMode = "auto", attempts: int = 3
    ) -> RequestBuilder[TypedResponse[T]]: ...
    @overload
    def output(
        self, kind: Any, *, mode: OutputMode = "auto", attempts: int = 3
    ) -> RequestBuilder[TypedResponse[Any]]: ...
    def output(self, kind: Any, *, mode: OutputMode = "auto", attempts: int = 3) -> RequestBuilder[Any]:
        """Ask for an answer of this type, and give it as `response.output`; see AsyncRequestBuilder.output."""
        from ..output import Output  # noqa: PLC0415  # brings schemas, which most requests do without

        made: RequestBuilder[Any] = RequestBuilder(self._client.derive(Output(kind, mode=mode, attempts=attempts)))
        return evolve(made, messages=self._messages, options=self._options)

    def stream(self) -> Stream:
        """Open a stream; use it with `with`."""
        return self._client.chat_stream(self.build())

    def run(self, tools: Iterable[AnyTool], **options: Unpack[LoopOptions]) -> RunResult:
        """Ask, use tools, tell the results and ask again, until there is an answer without; see AsyncRequestBuilder.run."""
        from ..tools.loop import ToolLoop  # noqa: PLC0415  # most requests run no tools

        loop = ToolLoop(tools, **options)
        return self._client._thread.run(loop.run(self._client._async, self._offering(loop.tools)))  # noqa: SLF001  # its own half

    def run_stream(self, tools: Iterable[AnyTool], **options: Unpack[LoopOptions]) -> Run:
        """Do the same as `run`, and tell what happens as it happens: `with` it and `for` its events."""
        from ..tools.loop import ToolLoop  # noqa: PLC0415  # as in run
        from .run import Run  # noqa: PLC0415  # as in run

        loop = ToolLoop(tools, **options)
        events = loop.events(self._client._async, self._offering(loop.tools), stream=True)  # noqa: SLF001  # its own half
        return Run(self._client._thread, events, keeps=self._client)  # noqa: SLF001  # as above

    def estimate(self, *, output_tokens: int | None = None) -> Estimate:
        """Return what the request may cost, as a range; sends nothing. See AsyncRequestBuilder.estimate."""
        return self._client.estimate(self.build(), output_tokens=output_tokens)

    def dry_run(self, *, stream: bool = False) -> DryRunReport:
        """Send nothing, and return what would have been sent; see AsyncRequestBuilder.dry_run."""
        return self._client.dry_run(self.build(), stream=stream)


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
        prices: PriceBook | Mapping[str, Mapping[str, Any]] | str | os.PathLike[str] | None = STANDARD,
        max_attempts: int = DEFAULT_EXTRA_ATTEMPTS + 1,
        strict: bool = False,
        clock: Clock = SYSTEM,
    ) -> None:
        client = AsyncClient(
            provider, timeout=timeout, prices=prices, max_attempts=max_attempts, strict=strict, clock=clock
        )
        self._start(client, LoopThread(), owned=True)

    _keeps: Client | None = None
    """Whose thread it uses, if not its own."""

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

    @classmethod
    def from_config(
        cls,
        source: Source | None = None,
        *,
        profile: str | None = None,
        environ: Mapping[str, str] | None = None,
        env_file: str | os.PathLike[str] | None = None,
        clock: Clock = SYSTEM,
        **explicit: Any,
    ) -> Self:
        """Make a client as a configuration describes it; see AsyncClient.from_config."""
        client = AsyncClient.from_config(
            source, profile=profile, environ=environ, env_file=env_file, clock=clock, **explicit
        )
        return cls._over(client, LoopThread(), owned=True)

    @property
    def config(self) -> Config | None:
        """The configuration by which it works, with profile and environment in it; None if it was made in code."""
        return self._async.config

    def reload(self, source: Source | None = None) -> None:
        """Work by another configuration from the next call on; see AsyncClient.reload."""
        self._thread.run(self._async.reload(source))

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
        derived = Client._over(self._async.derive(*layers), self._thread, owned=False)
        derived._keeps = self  # noqa: SLF001  # its own class; the thread would end with this one
        return derived

    def explain(self) -> str:
        """Draw the chain, outermost first, every branch included."""
        return self._async.explain().replace("AsyncClient", type(self).__name__, 1)

    def new_request(self) -> RequestBuilder[ChatResponse]:
        """Begin a request."""
        return RequestBuilder(self)

    def chat(self, prompt: Prompt, /) -> ChatResponse:
        """Send a request and return the whole answer; Ctrl-C cancels it. See AsyncClient.chat."""
        work = self._async.chat(prompt)
        del prompt  # a traceback that shows local variables would show it
        return self._thread.run(work)

    def chat_stream(self, prompt: Prompt, /) -> Stream:
        """Open a stream; use it with `with`. See AsyncClient.chat_stream."""
        opening = self._async.chat_stream(prompt)
        del prompt  # as in `chat`
        return Stream(self._thread, opening, keeps=self)

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
        work = self._async.embed(text, model=model, dimensions=dimensions, task=task)
        del text  # as in `chat`
        return self._thread.run(work)

    def map(
        self,
        prompts: Items[Prompt],
        *,
        concurrency: int = 10,
        on_error: OnError = "collect",
        on_progress: OnProgress | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> BulkResult[Prompt, ChatResponse]:
        """Send many prompts, at most `concurrency` at once; return an outcome for each, in order. See AsyncClient.map.

        `prompts` is read, and `on_progress` told, in the calling thread. Ctrl-C cancels what is under way.
        """
        from ..bulk.mapping import checked  # noqa: PLC0415  # most programs ask one thing at a time
        from .bulk import bulk_in  # noqa: PLC0415  # as above

        checked(prompts, concurrency=concurrency, on_error=on_error, on_progress=on_progress)

        def work(
            items: Items[Prompt], told: OnProgress | None
        ) -> Coroutine[Any, Any, BulkResult[Prompt, ChatResponse]]:
            return self._async.map(
                items, concurrency=concurrency, on_error=on_error, on_progress=told, checkpoint=checkpoint
            )

        return bulk_in(self._thread, work, prompts, on_progress)

    def session(self, **options: Unpack[SessionArguments]) -> Session:
        """Begin a conversation that keeps its history, budget and figures; see AsyncSession for the options."""
        from .session import Session  # noqa: PLC0415  # most programs need none

        return Session(self._async.session(**options), self._thread, self)

    def dry_run(self, prompt: Prompt, /, *, stream: bool = False) -> DryRunReport:
        """Send nothing, and return what would have been sent; see AsyncClient.dry_run."""
        return self._thread.run(self._async.dry_run(prompt, stream=stream))

    def estimate(self, prompt: Prompt, /, *, output_tokens: int | None = None) -> Estimate:
        """Return what `chat` may cost, as a range; sends nothing. See AsyncClient.estimate."""
        return self._async.estimate(prompt, output_tokens=output_tokens)

    def check(self, *, extra: Iterable[OwnCheck] = (), timeout: float = 10.0) -> CheckReport:
        """Look, before the first call, whether every service that one may reach could answer it; see AsyncClient.check."""
        return self._thread.run(self._async.check(extra=extra, timeout=timeout))

    def status(self, *, ask: bool = False, timeout: float = 5.0) -> Status:
        """Return how every service that a call may reach stands; see AsyncClient.status."""
        return self._thread.run(self._async.status(ask=ask, timeout=timeout))

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
