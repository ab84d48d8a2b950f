"""Functions of one's own that are told what happens in a call."""

from __future__ import annotations

import asyncio
import difflib
import inspect
import logging
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from attrs import evolve

from ..chunks import ChatStreamChunk
from ..composition import destination
from ..context import CallContext, CallEvent
from ..errors import ConfigError, DryRunStop
from ..forks import own_lock
from ..layer import Layer
from ..logs import write
from ..provider import Provider, Q, R, observed
from ..request import AnyRequest, ChatRequest, EmbeddingRequest
from ..response import ChatResponse, EmbeddingResponse
from ..stream import ChatStream
from ._hook import (
    EVENTS,
    WAITS,
    AfterResponse,
    BeforeRequest,
    HookContext,
    Kind,
    OnChunk,
    OnError,
    OnEvent,
    checked,
    name_of,
    several,
)

if TYPE_CHECKING:
    from ..ends import End

__all__ = ["Hooks"]

LOGGER: Final = logging.getLogger("aiclient.hooks")

_OF_EVENTS: Final = {"retry": "on_retry", "fallback": "on_fallback"}
"""Kinds of CallEvent -> the event of the hooks."""

Registered: TypeAlias = Mapping[str, tuple[Callable[..., Any], ...]]


class Hooks(Layer):
    """Tell functions of one's own about requests, answers, errors, retries, fallbacks and chunks.

    A call: `before_request(context, request)` before it, then `after_response(context, response)` or
    `on_error(context, error)`. In between `on_retry(context, event)` and `on_fallback(context, event)`, each with the
    CallEvent. A stream: the same, with the whole answer when it has been read to its end; `on_chunk(context, chunk)` for
    every chunk when it is handed to the reader. A call that is cancelled, a stream that is left early, and a dry run have no
    end that is told. Place: outside `Retry` and `Fallback`, whose repetitions it is to hear of; further in, it is told
    of every attempt.

    Hooks are told, in order of registration, and change nothing: what one raises is logged (`aiclient.hooks`, with its name
    and where it happened; once for a call) and the call goes on. They are given the thing itself, so a chunk must not be
    changed. The first three events wait for async functions; they take the call's time, but no limit of the call ends them.
    Where a call cannot wait, at the other three, functions must be plain and quick.

    Args:
        before_request: A function or several; the request comes without its call context.
        after_response: The same.
        on_error: The same.
        on_retry: Plain functions.
        on_fallback: Plain functions.
        on_chunk: Plain functions; without one, chunks cost nothing.

    Raises:
        ConfigError: What is given is no function, or an async one for an event that waits for none.

    Cancelling during an async hook goes through at once, as anywhere in the call.

    Example:
        >>> hooks = Hooks(after_response=lambda context, response: print(context.provider, response.usage.total_tokens))
        >>> _ = hooks.add("on_error", lambda context, error: print(context.call_id, error.category))
        >>> with Client(MockProvider("Paris")).use(hooks) as client:
        ...     _ = client.chat("Capital of France?")
        mock 4
    """

    slot = "hooks"

    def __init__(
        self,
        *,
        before_request: BeforeRequest | Iterable[BeforeRequest] | None = None,
        after_response: AfterResponse | Iterable[AfterResponse] | None = None,
        on_error: OnError | Iterable[OnError] | None = None,
        on_retry: OnEvent | Iterable[OnEvent] | None = None,
        on_fallback: OnEvent | Iterable[OnEvent] | None = None,
        on_chunk: OnChunk | Iterable[OnChunk] | None = None,
    ) -> None:
        given = (before_request, after_response, on_error, on_retry, on_fallback, on_chunk)
        self._lock = own_lock(self)
        self._hooks: Registered = {
            event: tuple(checked(event, function) for function in several(event, functions))
            for event, functions in zip(EVENTS, given, strict=True)
        }

    def __repr__(self) -> str:
        counts = [f"{event}={len(functions)}" for event, functions in self._hooks.items() if functions]
        return f"Hooks({', '.join(counts)})"

    def add(self, event: str, function: Callable[..., Any]) -> Self:
        """Add `function` after those that `event` has, and return the hooks; calls under way go on without it.

        Raises:
            ConfigError: There is no such event, or the function does not fit it.
        """
        if event not in EVENTS:
            close = difflib.get_close_matches(str(event), EVENTS, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(EVENTS)}"
            raise ConfigError(f"hooks have no event {event!r}; {hint}")
        fitting = checked(event, function)
        with self._lock:
            self._hooks = {**self._hooks, event: (*self._hooks[event], fitting)}
        return self

    async def chat(self, request: ChatRequest, inner: Provider) -> ChatResponse:
        """Do a chat call and tell of it."""
        return await self._told("chat", request, inner, inner.chat)

    async def chat_stream(self, request: ChatRequest, inner: Provider) -> ChatStream:
        """Open a stream and tell of it, until it closes."""
        return await self._told("chat_stream", request, inner, inner.chat_stream)

    async def embeddings(self, request: EmbeddingRequest, inner: Provider) -> EmbeddingResponse:
        """Do an embeddings call and tell of it."""
        return await self._told("embeddings", request, inner, inner.embeddings)

    async def _told(self, kind: Kind, request: Q, inner: Provider, call_next: Callable[[Q], Awaitable[R]]) -> R:
        hooks = self._hooks  # one set for the whole call: who is told of its beginning is told of its end
        if not any(hooks.values()):
            return await call_next(request)
        call = _Call(hooks, kind, request, inner)
        if hooks["before_request"]:
            await call.tell("before_request", evolve(request, context=None))
        call.context.observe(call.see)
        result = await observed(call_next(request), call.end)
        if isinstance(result, ChatStream) and hooks["on_chunk"]:
            result.on_chunk(call.chunk)
        return result


class _Call:
    """One call under way, and whom to tell of it."""

    __slots__ = ("_began", "_failed", "_hooks", "_kind", "_model", "_provider", "_tags", "context")

    def __init__(self, hooks: Registered, kind: Kind, request: AnyRequest, inner: Provider) -> None:
        assert request.context is not None  # opened by Layered
        self.context: CallContext = request.context
        self._hooks = hooks
        self._kind: Kind = kind
        where = destination(inner, request)
        self._provider: str | None = where.provider
        self._model = where.model
        self._tags = MappingProxyType(dict(self.context.tags))
        self._began = self.context.clock.monotonic()
        self._failed: set[tuple[str, int]] = set()

    def see(self, event: CallEvent) -> None:
        """Hear what happens inside: who is asked now, and what the hooks are for."""
        if event.kind == "attempt_started":
            self._provider, self._model = event.provider, event.model
        elif event.kind in _OF_EVENTS:
            self._tell_now(_OF_EVENTS[event.kind], event, event)

    def chunk(self, chunk: ChatStreamChunk) -> None:
        """Tell of a chunk that is handed out."""
        self._tell_now("on_chunk", chunk)

    async def end(self, end: End) -> None:
        """Tell of the end, if it is one: an answer or a failure."""
        self.context.unobserve(self.see)
        if end.outcome == "completed" and end.response is not None:
            await self.tell("after_response", end.response, end.response)
        elif end.outcome == "failed" and isinstance(end.error, Exception) and not isinstance(end.error, DryRunStop):
            await self.tell("on_error", end.error, end.error)

    async def tell(self, event: str, thing: Any, source: object = None) -> None:
        """Tell every hook of `event`, waiting for async ones."""
        task = asyncio.current_task()
        for function in self._hooks[event]:
            before = task.cancelling() if task is not None else 0
            try:
                result = function(self._now(source), thing)
                if inspect.isawaitable(result):
                    await result
            except asyncio.CancelledError as error:
                if task is None or task.cancelling() > before:
                    raise  # the call is cancelled; else it was something of the hook's own
                self._complain(event, function, error)
            except Exception as error:  # noqa: BLE001  # hooks never change a result
                self._complain(event, function, error)

    def _tell_now(self, event: str, thing: Any, source: object = None) -> None:
        for function in self._hooks[event]:
            try:
                result = function(self._now(source), thing)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # hooks never change a result
                self._complain(event, function, error)
            else:
                if inspect.iscoroutine(result):  # of a lambda, say, which does not look async
                    result.close()
                    self._complain(event, function, ConfigError(WAITS.format(event=event)))

    def _now(self, source: object) -> HookContext:
        """Return the moment; `source` may know better who is asked."""
        context = self.context
        return HookContext(
            call_id=context.id,
            kind=self._kind,
            attempt=context.started,
            provider=getattr(source, "provider", None) or self._provider,
            model=getattr(source, "model", None) or self._model,
            time=context.clock.time(),
            elapsed=context.clock.monotonic() - self._began,
            tags=self._tags,
            journal=tuple(context.journal),
        )

    def _complain(self, event: str, function: Callable[..., Any], error: BaseException) -> None:
        """Log what a hook raised, the first time in a call; not its words, which may quote what was said."""
        if (event, id(function)) in self._failed:
            return
        self._failed.add((event, id(function)))
        trace = [f"{step.filename}:{step.lineno} in {step.name}" for step in traceback.extract_tb(error.__traceback__)]
        what = f"raised {type(error).__name__} at {trace[-1]}" if trace else f"did nothing: {error}"
        fields = {"event": event, "hook": name_of(function), "error": type(error).__name__, "id": self.context.id}
        text = "the hook %s for %s %s; the call goes on"
        write(LOGGER, logging.ERROR, {**fields, "trace": trace}, text, fields["hook"], event, what)
