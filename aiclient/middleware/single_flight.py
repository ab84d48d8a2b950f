"""Make one call of several that ask the same at the same time."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Final, TypeAlias, TypeVar, cast

from ..context import CallContext, CallEvent
from ..errors import ConfigError
from ..forks import after_fork
from ..layer import Layer
from ..provider import Provider
from ..request import AnyRequest, ChatRequest, EmbeddingRequest
from ..response import CallWarning, ChatResponse, EmbeddingResponse
from ..stream import ChatStream
from ._cache_key import key_of
from ._flight import Flight, Seat
from ._relay import Relay, StreamFlight

__all__ = ["SingleFlight"]

Q = TypeVar("Q", bound=ChatRequest | EmbeddingRequest)
A = TypeVar("A", bound=ChatResponse | EmbeddingResponse)
F = TypeVar("F", bound=Flight[Any])
S = TypeVar("S", bound=Seat[Any])

_Key: TypeAlias = tuple[object, ...]
_Over: TypeAlias = Callable[[Flight[Any]], None]
_Start: TypeAlias = Callable[[CallContext, _Over], F]
"""Makes a flight: of the leader's context, and of what to call when nobody new may join."""

_SAMPLED: Final = CallWarning(
    "single_flight_skipped_sampled",
    "identical calls are not shared where their temperature is above 0 or not given: set temperature(0), or pass "
    "SingleFlight(sampled=True) to share one answer",
    "temperature",
)


class SingleFlight(Layer):
    """Have identical calls that are under way at the same time share one.

    A call: the first one, the leader, makes it; those that ask the same before it has ended, the followers, get its answer
    marked `shared`, at cost 0 and without attempts. An error reaches each as its own copy. A stream: likewise; who joins late
    is given what has come so far, and then what comes. The source is read at most 64 chunks ahead of the fastest reader, and
    what was read is kept until the last reader has gone. Place: inside a cache, outside fallback and retry.

    What is shared belongs to nobody's task: a leader that leaves ends nothing for its followers, the last one that leaves
    ends the call at once. The call keeps to the leader's time limits, and everyone else to its own deadline as well. When
    the leader's limits ended a call that has given nothing yet, the followers with time left begin anew, with one of them as
    the leader; a stream under way goes on for as long as the one with the most time has.

    Identical is what has the same key in a cache (same services and credentials, same tenant, same request), on the same
    event loop and through the same chain, and agrees on `strict`. Not shared: dry runs, and calls that bypass or refresh the
    cache. Chat and stream are not shared with each other.

    Args:
        sampled: Share chat requests whose answers differ from call to call (any temperature but 0) too. Off by default:
            five concurrent calls for five drafts would get one draft five times. Turn it on where identical requests are
            one question, such as a click that is repeated. The first one that goes unshared says so in a warning on its answer.

    Raises:
        ConfigError: `sampled` is not a bool.

    Cancelling a call that others wait for ends it for the caller alone.

    Example:
        >>> async def main():
        ...     mock = MockProvider("Paris")
        ...     async with AsyncClient(mock).use(SingleFlight(sampled=True)) as client:
        ...         answers = await asyncio.gather(*(client.chat("Capital of France?") for _ in range(1000)))
        ...     return mock.calls, sum(answer.shared for answer in answers)
        >>> asyncio.run(main())
        (1, 999)
    """

    slot: ClassVar[str | None] = "single_flight"

    def __init__(self, *, sampled: bool = False) -> None:
        if type(sampled) is not bool:
            raise ConfigError(f"sampled={sampled!r} must be True or False")
        self.sampled = sampled
        self._told = False
        self._begin()
        after_fork(self, SingleFlight._begin)

    def __repr__(self) -> str:
        return f"SingleFlight({'sampled=True' if self.sampled else ''})"

    @property
    def in_flight(self) -> int:
        """Calls under way that others may join."""
        return len(self._flights)

    def _begin(self) -> None:  # in a forked child too: its parent's flights end elsewhere
        self._lock = threading.Lock()
        self._flights: dict[_Key, Flight[Any]] = {}

    # --- the three paths ---

    async def chat(self, request: ChatRequest, inner: Provider) -> ChatResponse:
        """Make the call, or wait for an identical one."""
        return await self._answered("chat", request, inner, inner.chat)

    async def embeddings(self, request: EmbeddingRequest, inner: Provider) -> EmbeddingResponse:
        """Make the call, or wait for an identical one."""
        return await self._answered("embeddings", request, inner, inner.embeddings)

    async def _answered(self, path: str, request: Q, inner: Provider, call_next: Callable[[Q], Awaitable[A]]) -> A:
        key = self._key(path, request, inner)
        if key is None:
            return await call_next(request)

        def start(context: CallContext, over: _Over) -> Flight[A]:
            return Flight(context, functools.partial(call_next, request), over)

        seat = await self._seated(key, request, inner, start, Seat[Flight[A]])
        try:
            return seat.own(seat.flight.answer)
        finally:
            await seat.aclose()

    async def chat_stream(self, request: ChatRequest, inner: Provider) -> ChatStream:
        """Open the stream, or join an identical one."""
        key = self._key("stream", request, inner)
        if key is None:
            return await inner.chat_stream(request)

        def start(context: CallContext, over: _Over) -> StreamFlight:
            return StreamFlight(context, functools.partial(inner.chat_stream, request), over)

        return (await self._seated(key, request, inner, start, Relay)).stream()

    async def _seated(
        self, key: _Key, request: AnyRequest, inner: Provider, start: _Start[F], take: Callable[..., S]
    ) -> S:
        """Return a seat in a flight that has something to give; followers of one that its leader ended begin anew."""
        context = request.context
        assert context is not None  # opened by Layered
        excused = False
        while True:
            flight, leads = self._flight(key, context, start)
            seat = take(flight, context, leads=leads)
            if leads:
                flight.launch()
            elif context.observers:
                context.emit(CallEvent("cache", inner.name, request.model, detail="shared"))
            try:
                if await seat.ready():
                    return seat
            except BaseException as error:  # the caller's own end, by cancellation or by its deadline; raised again
                await _left(seat, error)
                raise
            failure = seat.failure()
            again = seat.may_begin_anew() and not (excused and seat.stopped)
            excused = excused or seat.stopped
            await seat.aclose()
            try:
                if not again:
                    raise failure
            finally:
                del failure  # its traceback holds this frame: a cycle would keep prompts alive

    def _flight(self, key: _Key, context: CallContext, start: _Start[F]) -> tuple[F, bool]:
        """Return the flight with this key, with the caller counted in, and whether that one is to launch it."""
        with self._lock:
            flight = cast("F | None", self._flights.get(key))  # the path is in the key
            leads = flight is None or flight.landed  # landed, and about to say that it is over
            if flight is None or leads:
                flight = self._flights[key] = start(context, functools.partial(self._over, key))
            flight.join()
        return flight, leads

    def _over(self, key: _Key, flight: Flight[Any]) -> None:
        """Let nobody else join; there may be another one with this key by now."""
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]

    # --- who shares with whom ---

    def _key(self, path: str, request: AnyRequest, inner: Provider) -> _Key | None:
        """Return what identical calls have in common, None for one that is not shared."""
        context = request.context
        assert context is not None  # opened by Layered
        if context.dry_run or context.cache != "use" or self._goes_alone(request, context):
            return None
        key = key_of(request, inner)
        if key is None:
            return None
        # Identities hold while the flight does: its task keeps the loop and the chain, its leader's context the clock.
        return path, id(asyncio.get_running_loop()), id(inner), id(context.clock), context.strict, key

    def _goes_alone(self, request: AnyRequest, context: CallContext) -> bool:
        if self.sampled or not isinstance(request, ChatRequest) or request.options.temperature == 0:
            return False
        with self._lock:
            told, self._told = self._told, True
        if not told:
            context.warnings.append(_SAMPLED)
        return True


async def _left(seat: Seat[Any], error: BaseException) -> None:
    """Leave because of `error`, which goes on, whatever the flight's own end runs into."""
    try:
        await seat.aclose()
    except Exception as trouble:  # noqa: BLE001  # told in a note
        error.add_note(f"the shared call's end ran into {type(trouble).__name__}: {trouble}")
