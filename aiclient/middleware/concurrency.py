"""No more than so many calls to one service at a time."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..composition import Destination, destination
from ..context import CallContext, CallEvent
from ..errors import RateLimitError, TimeoutError
from ..gate import Alarm, Gate
from ..layer import Layer
from ..provider import Provider, Q, R, observed
from ._keyed import Keyed
from ._options import seconds, whole

if TYPE_CHECKING:
    from ..ends import End

__all__ = ["Concurrency"]


class Concurrency(Layer):
    """Let at most so many calls to one provider and model be under way; the others wait in a queue (a bulkhead).

    A call: takes a permit, or waits for one, first come, first served; gives it back when the call ends, however it
    ends. A stream: keeps its permit until it ends or is closed. Place: inside `Retry`, so that none is held during its waits,
    and next to the rate limit.

    A wait is an event (`limit`) for the call's observers. It lasts until the call's deadline at most.

    Args:
        limit: Calls under way at a time, for each provider, credential and model; at least 1.
        max_wait: Seconds in the queue; 0 refuses at once what cannot go at once. Default: until the deadline.

    Raises:
        RateLimitError: With `kind="local"`: no permit came in time. Nothing was sent; it is not retried, and falls over.

    Cancelling a waiting call takes it out of the queue. One instance may serve many clients, loops and threads: the limit
    is for all of them together.

    Example:
        >>> client = Client(MockProvider("hi")).use(Concurrency(10, max_wait=5))
        >>> client.chat("hi").message.content
        'hi'
        >>> client.close()
    """

    slot: ClassVar[str | None] = "concurrency"

    def __init__(self, limit: int, *, max_wait: float | None = None) -> None:
        self.limit = whole("limit", limit)
        self.max_wait = None if max_wait is None else seconds("max_wait", max_wait)
        self._begin()

    def __repr__(self) -> str:
        wait = "" if self.max_wait is None else f", max_wait={self.max_wait:g}"
        return f"Concurrency({self.limit}{wait})"

    @property
    def in_use(self) -> int:
        """Permits that calls hold now, over all destinations."""
        with self._lock:
            return sum(self.limit - gate.free for gate in self._gates)

    @property
    def waiting(self) -> int:
        """Calls that wait for one now, over all destinations."""
        with self._lock:
            return sum(gate.waiting for gate in self._gates)

    def report(self, service: Destination, /) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Return how many permits the calls of `service` hold and wait for, for `client.status()`."""
        with self._lock:
            gates = [(where.model, gate) for where, gate in self._gates.items() if where.is_of(service)]
            return {
                "concurrency": [
                    {"model": model, "limit": self.limit, "in_use": self.limit - gate.free, "waiting": gate.waiting}
                    for model, gate in gates
                ]
            }

    async def around(self, request: Q, inner: Provider, call_next: Callable[[Q], Awaitable[R]]) -> R:
        """Make the call when it has a permit."""
        context = request.context
        assert context is not None  # opened by Layered
        key = destination(inner, request)
        if self._process != os.getpid():  # forked: permits that the parent's calls hold are never given back here
            self._begin()
        with self._lock:
            gate = self._gates.of(key)
            entered = gate.enter_now()
        if not entered:
            await self._wait(gate, key, context)
        permit = _Permit(gate)

        async def made() -> R:  # so that what a provider raises before its first await gives the permit back too
            return await call_next(request)

        return await observed(made(), permit.end)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._gates = Keyed(self._made, self._idle, bounded=False)  # a gate whose permits are out is never forgotten
        self._process = os.getpid()

    async def _wait(self, gate: Gate, key: Destination, context: CallContext) -> None:
        """Enter the gate, or raise when the time for that is over."""
        longest = min(context.remaining(), context.remaining() if self.max_wait is None else self.max_wait)
        if longest > 0:
            self._tell(gate, key, context)
            alarm = Alarm(context.clock)
            alarm.set(context.clock.monotonic() + longest, "pool")
            try:
                await alarm.guard(gate.enter())
            except TimeoutError:
                pass  # said in our own words, below
            else:
                return
            finally:
                alarm.stop()
        raise RateLimitError(
            f"all {self.limit} permits for {key.provider} were in use, and none came free within {longest:.3g} s; "
            "raise limit= or max_wait=",
            kind="local",
            provider=key.provider,
            model=key.model,
        )

    def _tell(self, gate: Gate, key: Destination, context: CallContext) -> None:
        if context.observers:
            detail = f"all {self.limit} permits in use, {gate.waiting} waiting"
            context.emit(CallEvent("limit", key.provider, key.model, category="rate_limit", detail=detail))

    def _made(self, _: Destination) -> Gate:
        return Gate(self.limit)

    def _idle(self, gate: Gate) -> bool:
        return gate.free == self.limit and not gate.waiting


class _Permit:
    """One permit in use; it goes back once, at the latest when nobody can reach it any more."""

    __slots__ = ("_gate", "_loop")

    def __init__(self, gate: Gate) -> None:
        self._gate: Gate | None = gate
        self._loop = asyncio.get_running_loop()

    async def end(self, _: End) -> None:
        """Give it back."""
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.leave()

    def __del__(self) -> None:
        """A stream was dropped without being closed.

        Not here and now: the collector may have interrupted the very code that holds the gate's lock.
        """
        gate = self._gate
        if gate is None:
            return
        try:
            self._loop.call_soon_threadsafe(gate.leave)
        except RuntimeError:  # the loop is closed
            gate.leave()
