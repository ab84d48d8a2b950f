"""A store as a cache uses it: one that fails, or takes too long, is a miss and not an error."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from ..clock import Clock
from ..context import CallContext, CallEvent
from ..errors import AIClientError, TimeoutError
from ..forks import own_lock
from ..gate import Alarm
from ..logs import write
from ..response import CallWarning
from ..store import MemoryStore, Store

__all__ = ["PatientStore"]

T = TypeVar("T")

FAILURES: Final = 3
"""In a row, after which the store is left alone."""

OFF: Final = 5.0
"""Seconds that it is left alone; then one call tries it."""

_log: Final = logging.getLogger("aiclient.cache")


class PatientStore:
    """Asks a store for as long as is sensible, and leaves it alone for a while when it keeps failing.

    Args:
        store: The store.
        patience: Seconds to wait for it.
        failed: Told of every failure.
    """

    def __init__(self, store: Store, patience: float, failed: Callable[[], None]) -> None:
        self._store = store
        self._patience = patience
        self._failed = failed
        self._at_once = type(store) is MemoryStore  # it never waits: no timer is needed, which is most of a hit's cost
        self._lock = own_lock(self)
        self._failures = 0
        self._until = 0.0  # on the monotonic clock
        self._warned = False

    async def get(self, key: str, context: CallContext, clock: Clock) -> bytes | None:
        """Return what is kept; None when nothing is, or nobody could say."""
        return await self._ask(lambda: self._store.get(key), context, clock)

    async def put(
        self, key: str, value: bytes, ttl: float, tags: frozenset[str], context: CallContext, clock: Clock
    ) -> bool:
        """Keep `value`; return whether it was."""
        return await self._ask(lambda: self._put(key, value, ttl, tags), context, clock) is not None

    async def drop(self, key: str, context: CallContext, clock: Clock) -> None:
        """Remove what cannot be read."""
        await self._ask(lambda: self._store.delete(key), context, clock)

    async def _put(self, key: str, value: bytes, ttl: float, tags: frozenset[str]) -> bool:
        await self._store.set(key, value, ttl=ttl, tags=tags)
        return True

    async def _ask(self, work: Callable[[], Awaitable[T]], context: CallContext, clock: Clock) -> T | None:
        if not self._may_ask(clock):
            return None
        left = context.remaining()
        try:
            result = await work() if self._at_once else await self._limited(work(), min(self._patience, left), clock)
        except Exception as error:  # noqa: BLE001  # a store may raise anything, and a cache only saves: nobody must suffer
            hurried = left < self._patience and isinstance(error, TimeoutError)
            if not hurried:  # a call with too little time says nothing about the store
                self._note_failure(error, context, clock)
            return None
        self._note_success()
        return result

    async def _limited(self, work: Awaitable[T], longest: float, clock: Clock) -> T:
        alarm = Alarm(clock)
        alarm.set(clock.monotonic() + longest, "total")
        try:
            return await alarm.guard(work)
        finally:
            alarm.stop()

    # --- when to ask ---

    def _may_ask(self, clock: Clock) -> bool:
        if self._failures < FAILURES:  # unlocked: a stale number costs one call more, or one less
            return True
        with self._lock:
            if self._failures < FAILURES:
                return True
            now = clock.monotonic()
            if now < self._until:
                return False
            self._until = now + OFF  # this call tries it; the others wait for what it finds
            return True

    def _note_success(self) -> None:
        if self._failures:
            with self._lock:
                self._failures = 0

    def _note_failure(self, error: Exception, context: CallContext, clock: Clock) -> None:
        with self._lock:
            self._failures += 1
            if self._failures >= FAILURES:
                self._until = clock.monotonic() + OFF
            first, self._warned = not self._warned, True
        self._failed()
        if context.observers:
            context.emit(CallEvent("cache", category=_words(error), detail="store_failed"))
        if first:
            message = f"the response cache's store failed, and calls go on without it: {_words(error)}"
            write(_log, logging.WARNING, {"event": "cache_store_failed"}, "%s", message)
            context.warnings.append(CallWarning("cache_store_failed", message))


def _words(error: Exception) -> str:
    """Say what failed; the text of somebody else's error may hold an address with its password."""
    if isinstance(error, TimeoutError):
        return "it took too long"
    return str(error) if isinstance(error, AIClientError) else type(error).__name__
