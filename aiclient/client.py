"""The client: a provider with a chain of middleware around it, and requests written fluently."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self

from .builder import AsyncRequestBuilder
from .clock import SYSTEM, Clock
from .composition import destinations, is_provider, release_all
from .context import DEFAULT_EXTRA_ATTEMPTS, CallContext, Timeouts
from .dryrun import DryRunReport, report_of
from .errors import ConfigError, InvalidProviderError
from .explain import explain
from .inflight import CallsInFlight
from .layer import release
from .opening import OpenStream
from .prices.books import STANDARD, PriceBook, price_book
from .prompts import Prompt, messages_of
from .provider import Middleware, Provider, Q, R
from .registry import provider_for
from .request import ChatRequest, EmbeddingRequest, check
from .response import ChatResponse, EmbeddingResponse
from .stack import Stack
from .stream import ChatStream

if TYPE_CHECKING:
    from typing import Unpack

    from .bulk.items import BulkResult, OnProgress
    from .bulk.mapping import Items, OnError
    from .checks import CheckReport, OwnCheck
    from .config import Config, Setup
    from .config.sources import Source
    from .pricing import Estimate
    from .session.options import SessionArguments
    from .session.session import AsyncSession
    from .statuses import Status

__all__ = ["AsyncClient"]


class AsyncClient:
    """Talks to one provider through a chain of middleware.

    It is itself a Provider, so clients nest.

    Args:
        provider: A Provider, or a model string such as `openai:gpt-5.4-mini`.
        timeout: Seconds for a whole call, or Timeouts; requests may say otherwise.
        prices: What models cost. Default what the service says (few do), else the library's own table of list prices. A dict
            or a file, as DictPrices takes them, stands before these; a PriceBook stands alone. With None no cost is known.
        max_attempts: Exchanges that one call may make in all, over all layers together. Default 6.
        strict: Make what a provider cannot honour an error instead of a warning on the response.
        clock: Where time comes from.

    Raises:
        ConfigError: The provider cannot work as it is set up (a missing key, an unknown name); nothing was sent.

    Example:
        >>> import asyncio
        >>> async def main():
        ...     async with AsyncClient(MockProvider("Paris")) as client:
        ...         response = await client.new_request().user("Capital of France?").do()
        ...         return response.message.content
        >>> asyncio.run(main())
        'Paris'
    """

    _closes_for_good: ClassVar[bool] = True  # so that no chain closes a client that was handed in

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
        if type(max_attempts) is not int or max_attempts < 1:
            raise ConfigError(f"max_attempts={max_attempts!r} must be a whole number of at least 1")
        leaf = _provider(provider)
        leaf.validate_config()
        self._stack = Stack(leaf)
        self._timeouts = Timeouts.of(timeout)
        self._prices = price_book(prices)
        self._extra_attempts = max_attempts - 1
        self._strict = strict
        self._clock = clock
        self._setup: Setup | None = None
        self._origin: Mapping[str, Any] = {}
        self._calls = CallsInFlight()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Make a client as the `AI_*` variables describe it; see `aiclient.config.from_env`."""
        return cls.from_config(environ=environ)

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
        """Make a client as a configuration describes it; sets up logging if that says so.

        What goes before what: `explicit`, the `AI_*` and `AICLIENT_*` variables, the vendors' variables, the file, defaults. A
        dict or a Config is written in code, and goes before the variables.

        Args:
            source: A path (.json, .toml, .yaml), an open file, a dict or a Config; None is the file that `AICLIENT_CONFIG`
                names, or else the environment alone.
            profile: Which of its profiles holds.
            environ: The variables; None is the process's.
            env_file: A file of variables besides (`.env`), which never goes before one that is set.
            clock: Where time comes from.
            explicit: Keys of a configuration, such as `model="openai:gpt-5.4-mini"` or `timeout=30`.

        Raises:
            ConfigError: It cannot be read, or something cannot be as it is; the message says where, and shows no value.
        """
        from .config.loading import set_up, setup  # noqa: PLC0415  # other clients need none of it

        origin: dict[str, Any] = {"profile": profile, "environ": environ, "env_file": env_file, "explicit": explicit}
        made = setup(source, **origin)
        options: dict[str, Any] = {"max_attempts": made.max_attempts, "strict": made.strict, "clock": clock}
        client = cls(made.provider, timeout=made.timeouts, prices=made.prices, **options).use(*made.layers)
        client.validate_config()
        set_up(made.config)
        client._setup, client._origin = made, origin  # noqa: SLF001  # its own class
        return client

    @property
    def config(self) -> Config | None:
        """The configuration by which it works, with profile and environment in it; None if it was made in code."""
        return None if self._setup is None else self._setup.config

    async def reload(self, source: Source | None = None) -> None:
        """Work by another configuration from the next call on; calls in flight and open streams end as they began.

        Providers and layers whose configuration is the same are kept, with their state: circuits, limits, budgets, caches,
        connections. Layers that were added with `use` stay, inside the new ones. Providers that are no longer there are closed,
        which lets their calls finish. Profile, explicit keys and environment are those of `from_config`.

        Args:
            source: As for `from_config`; None reads again the file that the client is from.

        Raises:
            ConfigError: The configuration cannot be; the client stays as it is.
            ClientClosedError: The client was closed.

        Cancelling it leaves the client by the old set-up or by the new one, never between them.
        """
        from .config.loading import set_up, setup  # noqa: PLC0415  # as above

        self._calls.refuse_closed()
        old, leaf = self._setup, self._stack.leaf
        if source is None and old is not None:
            source = old.path
        made = setup(source, **self._origin, before=None if old is None else old.pool)
        logs = None if old is None else old.config.logging
        self._take_over(made, () if old is None else old.layers, lambda: set_up(made.config, unless=logs))
        left = (leaf,) if old is None else old.resources
        await release_all(tuple(item for item in left if all(item is not kept for kept in made.resources)))

    def _take_over(self, made: Setup, before: tuple[Middleware, ...], ready: Callable[[], None]) -> None:
        """Change to another set-up; nothing is awaited, so that no call finds half of each."""
        own = [layer for layer in self._stack.layers if all(layer is not old for old in before)]
        self._stack.change((*made.layers, *own), made.provider, ready)
        self._setup = made
        self._timeouts, self._prices, self._strict = made.timeouts, made.prices, made.strict
        self._extra_attempts = made.max_attempts - 1

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}, {len(self._stack.layers)} layers{', closed' if self._calls.closed else ''})"

    # --- the chain ---

    @property
    def name(self) -> str:
        """The provider's name."""
        return self._stack.leaf.name

    @property
    def inner(self) -> Provider:
        """The whole chain as it is now."""
        return self._stack.chain

    @property
    def middleware(self) -> tuple[Middleware, ...]:
        """The layers, outermost first."""
        return self._stack.layers

    def use(self, *layers: Middleware) -> Self:
        """Add layers inside those there are: `use(a, b)` means `a(b(provider))`, a later `use(c)` goes inside `b`.

        Changes this client and returns it. Calls in flight finish on the chain they began with. If a layer is refused
        (ConfigError) nothing changes. An order that is known to be bad warns (AIClientWarning), with the reason.
        """
        self._stack.change((*self._stack.layers, *layers))
        return self

    def remove(self, *layers: Middleware) -> Self:
        """Take layers out of the chain, by identity.

        Raises:
            ConfigError: One of them is not in it; nothing changes.
        """
        self._stack.change(self._stack.without(layers))
        return self

    def derive(self, *layers: Middleware) -> AsyncClient:
        """Return a client that shares this one's provider and layers and puts its own outside them.

        Closing it closes nothing that is shared; what is added to this client later holds for it too.
        """
        derived = AsyncClient(
            self,
            timeout=self._timeouts,
            prices=self._prices,
            max_attempts=self._extra_attempts + 1,
            strict=self._strict,
            clock=self._clock,
        )
        return derived.use(*layers)

    def explain(self) -> str:
        """Draw the chain, outermost first, every branch included."""
        return explain(self)

    # --- calls ---

    def new_request(self) -> AsyncRequestBuilder[ChatResponse]:
        """Begin a request."""

        def derived(layer: Middleware) -> AsyncRequestBuilder[Any]:
            return self.derive(layer).new_request()

        return AsyncRequestBuilder(self, self.chat_stream, self.dry_run, self.estimate, derived)

    async def chat(self, prompt: Prompt, /) -> ChatResponse:
        """Send a request and return the whole answer.

        Raises:
            InvalidRequestError: The request is malformed; nothing was sent.
            AIClientError: See `aiclient.errors` for what can go wrong, each with `.retryable` and `.category`.

        Cancelling it closes the connection; the service may have begun to work.
        """
        request = _request(prompt)
        del prompt  # a traceback that shows local variables would show it
        return await self._run(request, self._stack.chain.chat)

    def chat_stream(self, prompt: Prompt, /) -> OpenStream:
        """Return the stream to be opened: `async with` it, or `await` it. Nothing is sent before either."""
        request = _request(prompt)

        async def start() -> ChatStream:
            return await self._run(request, self._stack.chain.chat_stream)

        return OpenStream(start)

    async def embeddings(self, request: EmbeddingRequest, /) -> EmbeddingResponse:
        """Turn the texts of `request` into vectors."""
        return await self._run(request, self._stack.chain.embeddings)

    async def embed(
        self,
        text: str | Iterable[str],
        *,
        model: str | None = None,
        dimensions: int | None = None,
        task: str | None = None,
    ) -> EmbeddingResponse:
        """Turn one text (then read `.vector`) or several (`.vectors`) into vectors."""
        request = EmbeddingRequest(text, model, dimensions, task)
        del text  # as in `chat`
        return await self.embeddings(request)

    async def map(
        self,
        prompts: Items[Prompt],
        *,
        concurrency: int = 10,
        on_error: OnError = "collect",
        on_progress: OnProgress | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> BulkResult[Prompt, ChatResponse]:
        """Send many prompts, at most `concurrency` at once; return an outcome for each, in order. See `bulk.mapping.map`.

        With `checkpoint`, a file, each answer is written there as it comes, and what is there already is not asked again: a
        batch that was killed is begun again with the same prompts. For more answers than memory holds see `aiclient.bulk.runs`.
        """
        from .bulk.mapping import checked, map  # noqa: PLC0415  # most programs ask one thing at a time

        if checkpoint is None:
            return await map(self.chat, prompts, concurrency=concurrency, on_error=on_error, on_progress=on_progress)
        from .bulk.memory import Remembered  # noqa: PLC0415  # as above

        checked(prompts, concurrency=concurrency, on_error=on_error, on_progress=on_progress)
        with Remembered(self.chat, checkpoint) as ask:
            return await map(ask, prompts, concurrency=concurrency, on_error=on_error, on_progress=on_progress)

    def session(self, **options: Unpack[SessionArguments]) -> AsyncSession:
        """Begin a conversation that keeps its history, budget and figures; see AsyncSession for the options."""
        from .session.session import AsyncSession  # noqa: PLC0415  # most programs need none

        options.setdefault("clock", self._clock)
        return AsyncSession(self, **options)

    async def dry_run(self, prompt: Prompt, /, *, stream: bool = False) -> DryRunReport:
        """Send nothing, and return what `chat` (with `stream`, `chat_stream`) would send; see the builder's `dry_run`."""
        from .middleware.dry_run import DryRun  # noqa: PLC0415  # most calls are in earnest

        request, rehearsal = _request(prompt), DryRun()(self._stack.chain)
        if not stream:
            return report_of(await self._run(request, rehearsal.chat), request, self.name)
        async with await self._run(request, rehearsal.chat_stream) as found:
            return report_of(found.partial, request, self.name)

    def estimate(self, prompt: Prompt, /, *, output_tokens: int | None = None) -> Estimate:
        """Return what `chat` may cost at the service that is asked first, by the client's prices; sends nothing.

        Args:
            prompt: What would be asked.
            output_tokens: How long the answer is expected to be. Default anything up to the longest.
        """
        from .pricing import estimate  # noqa: PLC0415  # brings the facts of models, which other calls do without

        where = destinations(self._stack.chain)[0]
        return estimate(_request(prompt), model=where, output_tokens=output_tokens, prices=self._prices)

    async def check(self, *, extra: Iterable[OwnCheck] = (), timeout: float = 10.0) -> CheckReport:  # noqa: ASYNC109  # for each
        """Look, before the first call, whether every service that one may reach could answer it; asks no model anything.

        See `aiclient.checks.check`.

        Args:
            extra: Checks of your own, without arguments, sync or async.
            timeout: Seconds for each check. Default 10.
        """
        from .checks import check  # noqa: PLC0415  # once in the life of a program, if at all

        self._calls.refuse_closed()
        return await check(self._stack.chain, extra=extra, timeout=timeout, clock=self._clock)

    async def status(self, *, ask: bool = False, timeout: float = 5.0) -> Status:  # noqa: ASYNC109  # for each service
        """Return how every service that a call may reach stands, by what the layers know; of a closed client, just that.

        See `aiclient.Status`.

        Args:
            ask: Ask the services whether they are well, by the cheapest list or count there is. Default False: nothing is sent.
            timeout: Seconds for each of them. Default 5.
        """
        from .statuses import Status  # noqa: PLC0415  # a status page's, not a call's
        from .surveys import survey  # noqa: PLC0415  # as above

        if self._calls.closed:
            return Status(state="closed", taken_at=datetime.fromtimestamp(self._clock.time(), UTC))
        in_flight = len(self._calls)
        return await survey(self._stack.chain, ask=ask, seconds=timeout, clock=self._clock, in_flight=in_flight)

    async def _run(self, request: Q, send: Callable[[Q], Awaitable[R]]) -> R:
        return await self._calls.run(request, send, self._context())

    def _context(self) -> CallContext:
        return CallContext(
            clock=self._clock,
            timeouts=self._timeouts,
            extra_attempts=self._extra_attempts,
            prices=self._prices,
            strict=self._strict,
        )

    # --- the end ---

    def validate_config(self) -> None:
        """Raise ConfigError if the provider could not work; sends nothing."""
        self._stack.chain.validate_config()

    async def close(self, *, grace: float = 0.0) -> None:
        """Close the client for good; harmless when it was closed before.

        Calls in flight get `grace` seconds to finish, then ClientClosedError; open streams end as abandoned. The idle
        connections of every provider in the chain are dropped; a client that was handed in as a provider stays open.
        """
        await self._calls.close(grace)
        try:
            await release(self._stack.chain)
        finally:
            await release_all(() if self._setup is None else self._setup.stores)

    aclose = close

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _provider(value: str | Provider) -> Provider:
    if isinstance(value, str):
        return provider_for(value)
    if isinstance(value, type) or not is_provider(value):
        what = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
        raise InvalidProviderError(
            f"a client needs a Provider or a model string such as 'openai:gpt-5.4-mini', not {what}"
        )
    return value


def _request(prompt: Prompt) -> ChatRequest:
    request = prompt if isinstance(prompt, ChatRequest) else ChatRequest(messages_of(prompt))
    if request.context is None:
        check(request)
    return request
