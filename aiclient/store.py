"""Where layers keep what outlives a call: a small protocol of keys and bytes, and the one that lives in memory.

A cache keeps answers in a store; a ledger keeps sums in one, by `swap`, so that two processes cannot both spend the last
dollar. `Store` never grows: what only some stores can do is a protocol of its own.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Awaitable, Iterable
from typing import Final, Protocol

from attrs import frozen

from .clock import SYSTEM, Clock
from .errors import ConfigError, StoreError
from .forks import own_lock

__all__ = ["MemoryStore", "Store", "StoreSize"]


class Store(Protocol):
    """Keeps bytes under names, for a time. Implementers write `async def`.

    It is used from several event loops and threads at once. Whoever calls it may be cancelled at any moment: a value is then
    written whole or not at all, and the store stays usable (one over a connection finishes the exchange, or drops it). What
    fails is a StoreError.
    """

    def get(self, key: str, /) -> Awaitable[bytes | None]:
        """Return what is kept under `key`; None when nothing is, or its time is over."""
        ...

    def set(self, key: str, value: bytes, /, *, ttl: float | None = None, tags: Iterable[str] = ()) -> Awaitable[None]:
        """Keep `value` for `ttl` seconds (None: until it is removed), in place of what was there, its time and its tags."""
        ...

    def swap(
        self, key: str, expected: bytes | None, value: bytes | None, /, *, ttl: float | None = None
    ) -> Awaitable[bool]:
        """Do `set` (of None: `delete`) if what is kept is `expected` (None: nothing), else change nothing and return False.

        No other call comes between the look and the change.
        """
        ...

    def delete(self, key: str, /) -> Awaitable[bool]:
        """Remove what is kept under `key`; return whether there was something."""
        ...

    def clear(self, *, prefix: str = "", tag: str | None = None) -> Awaitable[int]:
        """Remove what is kept under keys that begin with `prefix`, with `tag` only what bears it; return how many."""
        ...

    def close(self) -> Awaitable[None]:
        """Let go of files and connections; what is kept stays, where it can."""
        ...


@frozen
class StoreSize:
    """How much a store holds: entries, and the bytes of their keys and values."""

    entries: int
    bytes: int


class _Entry:
    __slots__ = ("expires", "size", "tags", "value")

    def __init__(self, value: bytes, size: int, expires: float, tags: frozenset[str]) -> None:
        self.value = value
        self.size = size
        self.expires = expires
        self.tags = tags


_SWEPT: Final = 2
"""Entries looked at for their age when one is added: more than come in, so that dead ones do not pile up."""


class MemoryStore:
    """Keeps bytes in this process; the least recently used ones make room for new ones.

    For one process, any number of threads and event loops. Its time is the monotonic one: a correction of the machine's clock
    neither ends an entry early nor keeps it for ever, and nothing here outlives the process. A value that alone is larger
    than the store is not kept.

    Args:
        max_entries: How many at most. Default 10,000.
        max_bytes: How many bytes of keys and values at most. Default 64 MiB.
        clock: Where time comes from.

    Example:
        >>> import asyncio
        >>> store = MemoryStore(max_entries=2)
        >>> async def main():
        ...     for key in "abc":
        ...         await store.set(key, b"value of " + key.encode())
        ...     return await store.get("a"), await store.get("c")
        >>> asyncio.run(main())
        (None, b'value of c')
    """

    def __init__(self, *, max_entries: int = 10_000, max_bytes: int = 64 * 1024 * 1024, clock: Clock = SYSTEM) -> None:
        for name, value in (("max_entries", max_entries), ("max_bytes", max_bytes)):
            if type(value) is not int or value < 1:
                raise ConfigError(f"{name}={value!r} must be a whole number of at least 1")
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = own_lock(self)
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # least recently used first
        self._bytes = 0

    def __repr__(self) -> str:
        return f"MemoryStore(max_entries={self._max_entries}, max_bytes={self._max_bytes})"

    @property
    def size(self) -> StoreSize:
        """How much it holds, entries whose time is over included until they are noticed."""
        with self._lock:
            return StoreSize(len(self._entries), self._bytes)

    async def get(self, key: str, /) -> bytes | None:
        """Return what is kept under `key`, which makes it the most recently used."""
        with self._lock:
            entry = self._alive(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry.value

    async def set(self, key: str, value: bytes, /, *, ttl: float | None = None, tags: Iterable[str] = ()) -> None:
        """Keep `value`, and drop what is least recently used where it has no room."""
        with self._lock:
            self._put(key, value, ttl, frozenset(tags))

    async def swap(self, key: str, expected: bytes | None, value: bytes | None, /, *, ttl: float | None = None) -> bool:
        """Set or delete if what is kept is `expected`."""
        with self._lock:
            entry = self._alive(key)
            if (None if entry is None else entry.value) != expected:
                return False
            if value is None:
                self._drop(key)
            elif not self._put(key, value, ttl, frozenset()):
                raise StoreError(
                    f"a value of {len(value)} bytes does not fit: max_bytes={self._max_bytes}", kind="full"
                )
            return True

    async def delete(self, key: str, /) -> bool:
        """Remove what is kept under `key`."""
        with self._lock:
            found = self._alive(key) is not None
            self._drop(key)
            return found

    async def clear(self, *, prefix: str = "", tag: str | None = None) -> int:
        """Remove by the beginning of the key, by tag, or both; looks at every entry."""
        with self._lock:
            found = [
                key
                for key, entry in self._entries.items()
                if key.startswith(prefix) and (tag is None or tag in entry.tags)
            ]
            for key in found:
                self._drop(key)
            return len(found)

    async def close(self) -> None:
        """Hold nothing open; what is kept stays."""

    # --- inside, under the lock ---

    def _alive(self, key: str) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is not None and self._clock.monotonic() >= entry.expires:
            self._drop(key)
            return None
        return entry

    def _put(self, key: str, value: bytes, ttl: float | None, tags: frozenset[str]) -> bool:
        size = len(key) + len(value)
        self._drop(key)
        if size > self._max_bytes:
            return False
        now = self._clock.monotonic()
        self._entries[key] = _Entry(value, size, math.inf if ttl is None else now + ttl, tags)
        self._bytes += size
        for old in [key for key, _ in zip(self._entries, range(_SWEPT), strict=False)]:
            if now >= self._entries[old].expires:
                self._drop(old)
        while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))
        return True

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size
