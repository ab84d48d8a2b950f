"""The primitives of waiting: permits in order, a movable alarm, a sleep cut short, and cleanup that cannot be."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeVar

from .clock import SYSTEM, Clock, Timer
from .errors import AIClientError, Phase, TimeoutError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Alarm", "Bell", "Gate", "uninterrupted"]

T = TypeVar("T")


async def uninterrupted(work: Awaitable[T]) -> T:
    """Run `work` to its end though the caller is cancelled, any number of times; then let the cancellation through.

    For cleanup that must not be cut short. `work` runs as a task of its own.
    """
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError from (None if task.cancelled() else task.exception())
    return task.result()


class _Waiter:
    __slots__ = ("future", "granted", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.future: asyncio.Future[None] = loop.create_future()
        self.granted = False

    def wake(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


class Gate:
    """A number of permits, granted strictly first come, first served, across tasks, threads and event loops.

    Keeps nothing that is bound to one loop. A cancelled waiter leaves the queue, or hands on the permit it had just been
    granted.
    """

    def __init__(self, permits: int) -> None:
        self._lock = threading.Lock()
        self._free = permits
        self._queue: OrderedDict[_Waiter, None] = OrderedDict()

    @property
    def free(self) -> int:
        """Permits that nobody holds."""
        return self._free

    @property
    def waiting(self) -> int:
        """Callers in the queue."""
        return len(self._queue)

    def enter_now(self) -> bool:
        """Take a permit if one is free, and say whether; while others wait none is. Whoever took one calls `leave` once."""
        with self._lock:
            if self._free < 1:
                return False
            self._free -= 1
            return True

    async def enter(self) -> None:
        """Take a permit, waiting for it if need be. Whoever returns from here calls `leave` once."""
        with self._lock:
            if self._free > 0 and not self._queue:
                self._free -= 1
                return
            waiter = _Waiter(asyncio.get_running_loop())
            self._queue[waiter] = None
        try:
            await waiter.future
        except BaseException:  # whatever ends the wait, the place in the queue or the permit must not be lost
            with self._lock:
                self._queue.pop(waiter, None)
            if waiter.granted:
                self.leave()
            raise

    def leave(self) -> None:
        """Give the permit back, from any thread."""
        with self._lock:
            while self._queue:
                waiter, _ = self._queue.popitem(last=False)
                if self._grant(waiter):
                    return
            self._free += 1

    def _grant(self, waiter: _Waiter) -> bool:
        """Give the permit to `waiter` unless it has been cancelled or its loop is gone."""
        if waiter.future.done():
            return False
        waiter.granted = True
        try:
            if asyncio._get_running_loop() is waiter.loop:  # noqa: SLF001  # get_running_loop raises where there is none
                waiter.wake()
            else:
                waiter.loop.call_soon_threadsafe(waiter.wake)
        except RuntimeError:  # its loop was closed: the wait will never end
            waiter.granted = False
            return False
        return True


class Alarm:
    """One timer that can be moved, and that ends a wait with a typed error when it goes off.

    It interrupts the task that waits inside `guard` by cancelling it, and takes that cancellation back (as
    `asyncio.timeout` does); a cancellation that came from elsewhere as well goes through. When nobody waits it calls
    `unwatched` instead, and the next `guard` raises at once. Moving it later costs an assignment: the pending timer finds
    out when it fires. Where the limit is not one of `Timeouts`, `said` is what the error says in place of how to raise those.
    """

    __slots__ = ("_at", "_clock", "_due", "_phase", "_said", "_task", "_timer", "_unwatched", "error")

    def __init__(
        self, clock: Clock = SYSTEM, unwatched: Callable[[], None] | None = None, *, said: str | None = None
    ) -> None:
        self._clock = clock
        self._said = said
        self._unwatched = unwatched
        self._timer: Timer | None = None
        self._due = math.inf  # when the pending timer fires
        self._at = math.inf  # when the alarm goes off
        self._phase: Phase = "total"
        self._task: asyncio.Task[object] | None = None
        self.error: AIClientError | None = None

    @property
    def watching(self) -> bool:
        """Whether a task waits inside `guard`."""
        return self._task is not None

    def set(self, at: float, phase: Phase) -> None:
        """Go off at `at` on the monotonic clock (infinite: never), naming `phase`."""
        self._at = at
        self._phase = phase
        if at < self._due:
            self._schedule()

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due = self._at
        self._timer = self._clock.call_later(max(0.0, self._at - self._clock.monotonic()), self._fire)

    def _fire(self) -> None:
        self._timer, self._due = None, math.inf
        if self._clock.monotonic() < self._at:
            if self._at < math.inf:
                self._schedule()
            return
        self.trip(self._expiry())

    def _expiry(self) -> TimeoutError:
        limit = "connect" if self._phase == "tls" else self._phase
        hint = self._said or f"timed out (limit {self._phase!r}); give it longer with timeout=Timeouts({limit}=seconds)"
        return TimeoutError(hint, phase=self._phase)

    def trip(self, error: AIClientError) -> None:
        """Go off now, with `error`; harmless when it went off before."""
        if self.error is not None:
            return
        self.error = error
        self.stop()
        if self._task is not None:
            self._task.cancel()
        elif self._unwatched is not None:
            self._unwatched()

    def stop(self) -> None:
        """Call off the timer; `set` starts it again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._due = None, math.inf

    async def guard(self, work: Awaitable[T]) -> T:
        """Await `work`; when the alarm goes off meanwhile, or went off before, raise its error instead."""
        if self.error is not None:
            close = getattr(work, "close", None)  # a coroutine, or the next step of a generator; futures have none
            if close is not None:
                close()  # refused before its first step: it would warn that nobody awaited it
            raise self.error
        task = asyncio.current_task()
        assert task is not None
        before = task.cancelling()
        self._task = task
        try:
            return await work
        except asyncio.CancelledError:
            error = self.error
            if error is None or task.cancelling() - 1 > before:
                raise
        finally:
            self._task = None
            if self.error is not None:  # it went off: its cancellation is taken back, whatever the work made of it
                task.uncancel()
        raise error


class Bell:
    """A sleep of the running task that any thread may end early, once; it is as cancellable as any other.

    A ring before the sleep ends it at once, a ring after it does nothing.
    """

    __slots__ = ("_alarm", "_clock", "_loop")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._alarm = Alarm(clock)
        self._loop = asyncio.get_running_loop()

    async def sleep(self, seconds: float) -> None:
        """Sleep for so long, or until the bell rings."""
        try:
            await self._alarm.guard(self._clock.sleep(seconds))
        except AIClientError as error:
            if error is not self._alarm.error:
                raise

    def ring(self) -> None:
        """Wake the sleeper, from any thread."""
        with contextlib.suppress(RuntimeError):  # its loop was closed: nobody sleeps there any more
            self._loop.call_soon_threadsafe(self._alarm.trip, AIClientError("rung"))
