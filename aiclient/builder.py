"""A request that is written fluently, and sent through an async client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Unpack, cast, overload

from attrs import evolve, field, frozen

from .dryrun import DryRunReport
from .fluent import Fluent
from .opening import OpenStream
from .provider import Middleware, Provider
from .request import (
    ChatRequest,
)
from .response import ChatResponse, TypedResponse

if TYPE_CHECKING:
    from .output import OutputMode
    from .pricing import Estimate
    from .tools.loop import LoopOptions
    from .tools.runs import RunResult
    from .tools.stream import AsyncRun
    from .tools.use import AnyTool

__all__ = ["AsyncRequestBuilder"]

A = TypeVar("A", bound=ChatResponse)
T = TypeVar("T")


@frozen
class AsyncRequestBuilder(Fluent, Generic[A]):
    """A request that is sent through an async client; `do()` gives an `A`."""

    _provider: Provider
    _open: Callable[[ChatRequest], OpenStream] = field(repr=False)
    _rehearse: Callable[..., Awaitable[DryRunReport]] = field(repr=False)
    _appraise: Callable[..., Estimate] = field(repr=False)
    _derived: Callable[[Middleware], AsyncRequestBuilder[Any]] = field(repr=False)

    async def do(self) -> A:
        """Send it and return the whole answer."""
        return cast("A", await self._provider.chat(self.build()))

    @overload
    def output(
        self, kind: type[T], *, mode: OutputMode = "auto", attempts: int = 3
    ) -> AsyncRequestBuilder[TypedResponse[T]]: ...
    @overload
    def output(
        self, kind: Any, *, mode: OutputMode = "auto", attempts: int = 3
    ) -> AsyncRequestBuilder[TypedResponse[Any]]: ...
    def output(self, kind: Any, *, mode: OutputMode = "auto", attempts: int = 3) -> AsyncRequestBuilder[Any]:
        """Ask for an answer of this type, and give it as `response.output`; see `aiclient.output.Output`.

        Args:
            kind: A class, a dataclass, an attrs class, a TypedDict, `list[...]`, a union, `Literal`, a builtin, a pydantic
                model.
            mode: How the service is told; `auto` is what the model takes.
            attempts: Answers asked for in all, when one does not fit. Default 3.

        Raises:
            ConfigError: The type has no JSON schema.
        """
        from .output import Output  # noqa: PLC0415  # brings schemas, which most requests do without

        made = self._derived(Output(kind, mode=mode, attempts=attempts))
        return evolve(made, messages=self._messages, options=self._options)

    def stream(self) -> OpenStream:
        """Return the stream to be opened: `async with` it, or `await` it. The request is checked at once."""
        return self._open(self.build())

    async def run(self, tools: Iterable[AnyTool], **options: Unpack[LoopOptions]) -> RunResult:
        """Ask, use the tools that the answer asks for, tell the results, and ask again, until there is an answer without.

        Every round is a call of its own, with all the client's layers; see `aiclient.tools.loop.ToolLoop` for the options.

        Args:
            tools: Functions with `@tool`; no other tool is ever called.
            options: `max_rounds`, `timeout`, `approve`, ... of ToolLoop.

        Raises:
            AIClientError: A call failed; `error.run` is the run so far.

        Cancelling it cancels the call and the tools under way.
        """
        from .tools.loop import ToolLoop  # noqa: PLC0415  # most requests run no tools

        loop = ToolLoop(tools, **options)
        return await loop.run(self._provider, self._offering(loop.tools))

    def run_stream(self, tools: Iterable[AnyTool], **options: Unpack[LoopOptions]) -> AsyncRun:
        """Do the same as `run`, and tell what happens as it happens: `async with` it and `async for` its events."""
        from .tools.loop import ToolLoop  # noqa: PLC0415  # as in run
        from .tools.stream import AsyncRun  # noqa: PLC0415  # as in run

        loop = ToolLoop(tools, **options)
        return AsyncRun(loop.events(self._provider, self._offering(loop.tools), stream=True))

    def estimate(self, *, output_tokens: int | None = None) -> Estimate:
        """Return what the request may cost at the service that is asked first, as a range; sends nothing.

        Args:
            output_tokens: How long the answer is expected to be. Default anything from nothing to the longest that the request
                or the model allows.
        """
        return self._appraise(self.build(), output_tokens=output_tokens)

    async def dry_run(self, *, stream: bool = False) -> DryRunReport:
        """Send nothing, and return what would have been sent, and where, after all layers; see `DryRunReport`.

        Args:
            stream: Say what `stream()` would send, not what `do()` would. Default False.

        Raises:
            AIClientError: What would really happen, when a layer or the provider would refuse the request.
        """
        return await self._rehearse(self.build(), stream=stream)
