"""One inner call that several callers wait for: who wants it, when it ends, and what each of them is given of it."""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from attrs import evolve

from ..context import CallContext
from ..errors import AIClientError, AllProvidersFailedError, ClientClosedError, TimeoutError
from ..gate import Alarm, uninterrupted
from ..response import CallWarning, ChatResponse, Cost, EmbeddingResponse

__all__ = ["Flight", "Seat", "ends", "not_theirs", "own_error", "shared"]

T = TypeVar("T")
A = TypeVar("A", bound=ChatResponse | EmbeddingResponse)


class Flight(Generic[T]):
    """One inner call in a task of its own, which goes on for as long as somebody wants it.

    It belongs to one event loop. Whoever wants it counts itself in with `join`, and out with `leave` or `drop`, once. The
    last one out calls it off.

    Args:
        context: The leader's: the call is made in it.
        call: Makes the call.
        over: Called with the flight when it has ended.
    """

    def __init__(
        self, context: CallContext, call: Callable[[], Awaitable[T]], over: Callable[[Flight[T]], None]
    ) -> None:
        self.context = context
        self._call = call
        self._over = over
        self._wanted = 0
        self._waiting: dict[asyncio.Future[None], float] = {}
        self._warned = len(context.warnings)
        self._task: asyncio.Task[T] | None = None  # forgotten by the last one out: errors hold frames, frames hold us

    def launch(self) -> None:
        """Begin; whoever launches has joined."""
        self._task = asyncio.get_running_loop().create_task(self._fly())
        self._task.add_done_callback(self._land)

    async def _fly(self) -> T:
        return await self._call()

    def _land(self, task: asyncio.Task[T]) -> None:
        if not task.cancelled():
            task.exception()  # asyncio need not complain: whoever still wants it takes it from here
        self._over(self)
        self._waiting = dict(sorted(self._waiting.items(), key=lambda waiter: -waiter[1]))
        self.wake()  # who has the most time first: where it failed, that one makes the next

    @property
    def landed(self) -> bool:
        """Whether the call has ended."""
        return self._task is None or self._task.done()

    @property
    def error(self) -> BaseException | None:
        """What the call failed with; to be asked for before leaving, once it has landed."""
        return _failure(self._task) if self._task is not None else None

    @property
    def answer(self) -> T:
        """What the call gave; to be asked for before leaving, once it has landed without an error."""
        assert self._task is not None
        return self._task.result()

    # --- who wants it ---

    def join(self) -> None:
        """Count one more in."""
        self._wanted += 1

    async def leave(self) -> BaseException | None:
        """Count one out. The last one calls the flight off, and returns when it has ended, with what its end ran into."""
        task = self._out()
        if task is None:
            return None
        await uninterrupted(asyncio.wait((task,)))
        return None if task.cancelled() else task.exception()

    def drop(self) -> None:
        """Count one out, without waiting for the end."""
        self._out()

    def _out(self) -> asyncio.Task[T] | None:
        """Return the task, if that has called it off."""
        self._wanted -= 1
        if self._wanted:
            return None
        task, self._task = self._task, None
        if task is None or task.done():
            return None
        self._call_off(task)
        return task

    def _call_off(self, task: asyncio.Task[T]) -> None:
        task.cancel()

    # --- waiting ---

    async def news(self, ends: float) -> None:
        """Wait for the next `wake`; `ends` is when the caller's time is over."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = ends
        try:
            await future
        finally:
            self._waiting.pop(future, None)

    def wake(self) -> None:
        """Have everyone who waits look again."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def warnings(self) -> list[CallWarning]:
        """Return what the providers could not honour in this call."""
        return self.context.warnings[self._warned :]


def _failure(task: asyncio.Task[Any]) -> BaseException | None:
    if not task.done():
        return None
    return asyncio.CancelledError() if task.cancelled() else task.exception()


F = TypeVar("F", bound=Flight[Any])


class Seat(Generic[F]):
    """One caller's place in a flight, within the caller's own time.

    Args:
        flight: Has counted the caller in.
        context: The caller's.
        leads: Whether the flight is made in that context. The leader's time is the flight's: it has no limit of its own here,
            so that what runs out of time is the exchange, and the layers inside learn of it.
    """

    def __init__(self, flight: F, context: CallContext, *, leads: bool) -> None:
        self.flight = flight
        self.context = context
        self.leads = leads
        self._left = False
        self.alarm = self._alarm()
        if not leads:
            self.watch()

    def _alarm(self) -> Alarm:
        return Alarm(self.context.clock)

    def watch(self) -> None:
        """Hold the caller to its own deadline."""
        self.alarm.set(ends(self.context), "total")

    async def ready(self) -> bool:
        """Wait until there is something to be given; False if the flight failed."""
        while not self.flight.landed:
            await self.alarm.guard(self.flight.news(ends(self.context)))
        return self.flight.error is None

    def failure(self) -> BaseException:
        """Return what the caller is to be told of the failure: the leader the error itself, everyone else a copy."""
        error = self.flight.error
        assert error is not None
        return error if self.leads else own_error(error)

    def may_begin_anew(self) -> bool:
        """Whether the flight failed by what was its leader's alone, and the caller has time left."""
        error = self.flight.error
        if self.leads or error is None or self.context.remaining() <= 0:
            return False
        return not_theirs(error, self.flight.context, self.context)

    @property
    def stopped(self) -> bool:
        """Whether somebody ended the flight, rather than time or the service: that is excused once."""
        return isinstance(self.flight.error, (asyncio.CancelledError, ClientClosedError))

    def own(self, answer: A) -> A:
        """Return the caller's own copy of an answer: followers have it for nothing, and with the warnings."""
        if self.leads:
            return answer
        context = self.context
        context.warnings.extend(new for new in self.flight.warnings() if new not in context.warnings)
        return shared(answer)

    async def aclose(self) -> None:
        """Leave; the last one calls the flight off, and returns when it has ended."""
        self.alarm.stop()
        if self._leaves():
            trouble = await self.flight.leave()
            if trouble is not None:
                raise trouble

    def _leaves(self) -> bool:
        """Whether the caller leaves now, having not left before."""
        left, self._left = self._left, True
        return not left


def ends(context: CallContext) -> float:
    """Return the moment when a call's time is over."""
    return math.inf if context.deadline is None else context.deadline


def shared(answer: A) -> A:
    """Return a follower's own copy of an answer: marked, and paid for by the leader."""
    changes: dict[str, Any] = {"shared": True, "cost": Cost.spared("shared", answer.cost), "attempts": ()}
    if isinstance(answer, EmbeddingResponse):  # arrays can be changed in place
        changes["vectors"] = tuple(copy.copy(vector) for vector in answer.vectors)
    return evolve(answer, **changes)


def own_error(error: BaseException) -> BaseException:
    """Return a copy of an error: callers must not share attempts, notes or a traceback."""
    if isinstance(error, asyncio.CancelledError):
        return asyncio.CancelledError(*error.args)
    try:
        fresh = copy.copy(error)
    except Exception:  # noqa: BLE001  # somebody's exception that cannot be copied: better shared than lost
        return error
    fresh.__cause__ = error.__cause__ and own_error(error.__cause__)
    if notes := getattr(error, "__notes__", None):
        fresh.__notes__ = list(notes)
    if isinstance(fresh, AIClientError):
        fresh.attempts = ()
        fresh.partial = fresh.partial and shared(fresh.partial)
    if isinstance(fresh, AllProvidersFailedError):
        fresh.errors = tuple(own for one in fresh.errors if isinstance(own := own_error(one), AIClientError))
    return fresh


def not_theirs(error: BaseException, leader: CallContext, follower: CallContext) -> bool:
    """Whether a call failed by limits of its leader alone: a follower that has time left may do better with its own."""
    match error:
        case asyncio.CancelledError() | ClientClosedError() | TimeoutError(phase="total"):
            return True
        case TimeoutError(phase="attempt"):
            granted, own = leader.timeouts.attempt, follower.timeouts.attempt
            return granted is not None and (own is None or own > granted)
        case AllProvidersFailedError(errors=errors):
            return any(not_theirs(one, leader, follower) for one in errors)
    return False
