"""Records of a ledger in a store: changed by compare-and-swap, so that several processes never spend the same money twice."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, Protocol, TypeVar

from ..clock import Clock
from ..errors import AIClientError, StoreError, TimeoutError
from ..forks import after_fork
from ..gate import Alarm, Gate, uninterrupted
from ..store import Store

__all__ = ["MOST_KNOWN", "Entry", "Kept", "Shelf"]

FAILURES: Final = 3
"""In a row, after which the store is left alone."""

OFF: Final = 5.0
"""Seconds that it is left alone; then one change tries it."""

UNREADABLE: Final = ("corrupt", "version")
"""Kinds of failures that say nothing of the next record: one that is damaged must not stop all others."""

TRIES: Final = 100
"""Swaps that other processes may win before a change gives up; each one lost is one that another has made."""

GATES: Final = 64
"""One change at a time for each record (or those that share its gate): in one process they wait instead of racing."""

MOST_KNOWN: Final = 10_000
"""Records remembered as they were written last, which saves reading them before the next change."""

MOST_OWED: Final = 100_000
"""Changes kept until the store is back."""

_log: Final = logging.getLogger("aiclient.ledger")

T = TypeVar("T")
V = TypeVar("V")


class Kept(Protocol):
    """A record that can be written."""

    def to_bytes(self) -> bytes:
        """Return what the store keeps."""
        ...


K = TypeVar("K", bound=Kept)


class Entry(Generic[K]):
    """Where a record lies, and how it is read or begun.

    Args:
        key: In the store.
        make: Begins it.
        read: Reads it.
        ttl: Seconds that it is worth keeping; None for ever.
    """

    __slots__ = ("key", "make", "read", "ttl")

    def __init__(self, key: str, make: Callable[[], K], read: Callable[[bytes], K], ttl: float | None = None) -> None:
        self.key = key
        self.make = make
        self.read = read
        self.ttl = ttl


class Shelf:
    """Changes records in a store, one at a time here, and against any other process.

    Args:
        store: The store.
        patience: Seconds to wait for one answer of it.
        clock: Where time comes from.
    """

    def __init__(self, store: Store, patience: float, clock: Clock) -> None:
        self._store = store
        self._patience = patience
        self._clock = clock
        self._failures = 0
        self._off_until = 0.0
        self._known: dict[str, bytes | None] = {}
        self._begin()
        after_fork(self, Shelf._begin)

    def _begin(
        self,
    ) -> None:  # in a forked child too: no permit of its parent is held there, and the parent writes what it owes
        self._lock = threading.Lock()
        self._gates = tuple(Gate(1) for _ in range(GATES))
        self._owed: dict[str, list[Callable[[Any], object]]] = {}
        self._owing = 0

    async def change(self, entry: Entry[K], change: Callable[[K], V]) -> tuple[V, K]:
        """Apply `change` to the record; return what it returned, and the record as it is now.

        `change` may be called several times, each time with the record as it was read; it must not wait. A cancellation is
        let through when the exchange with the store is over.

        Raises:
            StoreError: The store failed, took too long, holds what cannot be read, or is being left alone.
        """
        gate = self._gates[hash(entry.key) % GATES]
        await gate.enter()
        try:
            return await uninterrupted(self._tried(entry, change))
        finally:
            gate.leave()

    def owe(self, key: str, change: Callable[[Any], object]) -> None:
        """Have `change` applied before the next change of the record that succeeds: the store cannot be asked now."""
        with self._lock:
            if self._owing < MOST_OWED:
                self._owing += 1
                self._owed.setdefault(key, []).append(change)
                return
        _log.error("the ledger's store has been away for too long: an amount is not recorded")

    def forget(self, key: str) -> None:
        """Read the record anew at its next change."""
        self._known.pop(key, None)

    @property
    def owing(self) -> tuple[str, ...]:
        """The keys of records with changes that the store does not have yet."""
        with self._lock:
            return tuple(self._owed)

    # --- inside ---

    async def _tried(self, entry: Entry[K], change: Callable[[K], V]) -> tuple[V, K]:
        if not self._may_ask():
            raise StoreError(
                "the ledger's store has failed several times and is left alone for some seconds", kind="off"
            )
        try:
            result = await self._swapped(entry, change)
        except Exception as error:  # noqa: BLE001  # a store may raise anything; raised below, as a StoreError
            self._known.pop(entry.key, None)
            failure = self._note_failure(error)
        else:
            self._failures = 0
            return result
        raise failure

    async def _swapped(self, entry: Entry[K], change: Callable[[K], V]) -> tuple[V, K]:
        with self._lock:
            fresh, raw = entry.key not in self._known, self._known.get(entry.key)
        if fresh:
            raw = await self._limited(self._store.get(entry.key))
        for _ in range(TRIES):
            owed = tuple(self._owed.get(entry.key, ()))
            record = entry.make() if raw is None else entry.read(raw)
            for owing in owed:
                owing(record)
            result = change(record)
            value: bytes | None = record.to_bytes()
            if raw is None and value == entry.make().to_bytes():
                value = None  # still nothing: not worth a record
            if value == raw:
                done = fresh  # what is only remembered may be old: nothing is decided by it
            else:
                done = await self._limited(self._store.swap(entry.key, raw, value, ttl=entry.ttl))
            if done:
                self._note(entry.key, value)
                self._paid(entry.key, len(owed))
                return result, record
            raw, fresh = await self._limited(self._store.get(entry.key)), True
        raise StoreError("other processes change this balance all the time: no swap succeeded", kind="busy")

    def _note(self, key: str, value: bytes | None) -> None:
        with self._lock:
            self._known.pop(key, None)
            self._known[key] = value
            if len(self._known) > MOST_KNOWN:
                del self._known[next(iter(self._known))]

    def _paid(self, key: str, count: int) -> None:
        if count:
            with self._lock:
                self._owing -= count
                self._owed[key] = self._owed[key][count:]
                if not self._owed[key]:
                    del self._owed[key]

    async def _limited(self, work: Awaitable[T]) -> T:
        alarm = Alarm(self._clock)
        alarm.set(self._clock.monotonic() + self._patience, "total")
        try:
            return await alarm.guard(work)
        finally:
            alarm.stop()

    def _may_ask(self) -> bool:
        with self._lock:
            if self._failures < FAILURES:
                return True
            now = self._clock.monotonic()
            if now < self._off_until:
                return False
            self._off_until = now + OFF  # this change tries it; the others are refused until it has
            return True

    def _note_failure(self, error: Exception) -> StoreError:
        kind = getattr(error, "kind", None) or "io"
        with self._lock:
            self._failures += kind not in UNREADABLE
            first = kind in UNREADABLE or self._failures == 1
            if self._failures >= FAILURES:
                self._off_until = self._clock.monotonic() + OFF
        words = _words(error)
        if first:
            _log.error("the ledger's store failed: %s", words)
        return StoreError(f"the ledger's store failed: {words}", kind=kind)


def _words(error: Exception) -> str:
    """Say what failed; the text of somebody else's error may hold an address with its password."""
    if isinstance(error, TimeoutError):
        return "it took too long"
    return str(error) if isinstance(error, AIClientError) else type(error).__name__
