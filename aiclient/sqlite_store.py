"""A store in a file: for what should outlive the process, or be shared by several on one machine."""

from __future__ import annotations

import asyncio
import functools
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

from ._sqlite_file import SQLiteFile, is_busy
from .clock import SYSTEM, Clock
from .errors import ConfigError, StoreError
from .store import StoreSize

__all__ = ["SQLiteStore"]

T = TypeVar("T")


class SQLiteStore:
    """Keeps bytes in one SQLite file, which several threads, event loops and processes of one machine may use at once.

    All work is done in a thread of its own, so that no event loop waits for a disk; a call that is cancelled is done whole or
    not at all. Before a fork the file is let go of, and opened again on either side by whoever needs it. Its time is the
    machine's, which other processes and the next start share; what claims to be from over five minutes ahead counts as gone,
    but for what `swap` wrote: the sums of a ledger hold though the clock is set back.

    A new file can be read by its owner alone (mode 0600); it holds what was answered, in the clear. Not for network drives:
    their locks do not hold.

    Args:
        path: The file; made when it is first needed. Its directory must exist.
        max_entries: How many entries at most. Default 100,000.
        max_bytes: How many bytes of keys and values at most. Default 1 GiB. Which entries were used last is known to a minute.
        busy: Seconds to wait while another process writes. Default 5.
        clock: Where time comes from.

    Raises:
        StoreError: From every method. `kind` is `corrupt` (damaged, or no SQLite file), `version` (written by another version,
            or by another program), `busy`, or `io`; the text says what to do.

    Example:
        >>> import asyncio, tempfile
        >>> async def main(path):
        ...     async with SQLiteStore(path) as store:
        ...         await store.set("a", b"1", ttl=60)
        ...     async with SQLiteStore(path) as store:
        ...         return await store.get("a")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     asyncio.run(main(f"{folder}/answers.db"))
        b'1'
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_entries: int = 100_000,
        max_bytes: int = 1024 * 1024 * 1024,
        busy: float = 5.0,
        clock: Clock = SYSTEM,
    ) -> None:
        for name, value in (("max_entries", max_entries), ("max_bytes", max_bytes)):
            if type(value) is not int or value < 1:
                raise ConfigError(f"{name}={value!r} must be a whole number of at least 1")
        if type(busy) not in (int, float) or not 0 <= busy < float("inf"):
            raise ConfigError(f"busy={busy!r} must be a finite number of seconds, 0 or more")
        given: object = os.fspath(path)
        if not isinstance(given, str) or not given or given.startswith((":", "file:")):
            raise ConfigError(f"path={path!r} must be the path of a file; MemoryStore keeps things in memory")
        self._path = str(Path(given).absolute())  # a later change of directory must not change the file
        self._clock = clock
        self._file = SQLiteFile(self._path, max_entries, max_bytes, float(busy))
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        weakref.finalize(self, self._file.close)  # closed or not: nothing that was kept is lost
        with _registry:
            _open.add(self)

    def __repr__(self) -> str:
        return f"SQLiteStore({self._path!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def get(self, key: str, /) -> bytes | None:
        """Return what is kept under `key`."""
        return await self._do(self._file.get, key, self._clock.time())

    async def set(self, key: str, value: bytes, /, *, ttl: float | None = None, tags: Iterable[str] = ()) -> None:
        """Keep `value`; also removes a few entries whose time is over, and the least recently used ones above the limits."""
        await self._do(self._file.put, key, value, self._clock.time(), ttl, frozenset(tags))

    async def swap(self, key: str, expected: bytes | None, value: bytes | None, /, *, ttl: float | None = None) -> bool:
        """Set or delete if what is kept is `expected`; holds against other processes too."""
        return await self._do(self._file.swap, key, expected, value, self._clock.time(), ttl)

    async def delete(self, key: str, /) -> bool:
        """Remove what is kept under `key`."""
        return await self._do(self._file.delete, key, self._clock.time())

    async def clear(self, *, prefix: str = "", tag: str | None = None) -> int:
        """Remove by the beginning of the key, by tag, or both; others can write in between."""
        return await self._do(self._file.clear, prefix, tag)

    async def measure(self) -> StoreSize:
        """Return how much it holds, for all processes."""
        return StoreSize(*await self._do(self._file.measure))

    async def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        await self._do(self._file.close)
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)

    async def _do(self, work: Callable[..., T], *args: Any) -> T:
        """Do `work` in the store's thread, and turn what SQLite raises into a StoreError."""
        loop = asyncio.get_running_loop()
        with self._lock:
            self._pool = self._pool or ThreadPoolExecutor(1, "aiclient-sqlite")
            done = loop.run_in_executor(self._pool, functools.partial(work, *args))
        try:
            return await done
        except (sqlite3.Error, OSError, UnicodeError) as error:
            failure = _failure(error, self._path)
        raise failure

    def _before_fork(self) -> None:
        self._lock.acquire()
        self._file.pause()

    def _after_fork(self, *, in_child: bool) -> None:
        if in_child:
            self._pool = None  # its thread stayed behind
        self._file.resume()
        self._lock.release()


_open: weakref.WeakSet[SQLiteStore] = weakref.WeakSet()
_forking: list[SQLiteStore] = []
_registry = threading.Lock()


def _failure(error: Exception, path: str) -> StoreError:
    """Say what went wrong with the file, and what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return StoreError(
            f"{path} is damaged, or no SQLite file ({error}): give another path, or delete it if it was a cache",
            kind="corrupt",
        )
    if isinstance(error, sqlite3.Error) and is_busy(error):
        return StoreError(f"{path}: another process has been writing for too long; see busy=", kind="busy")
    return StoreError(
        f"{path} cannot be used ({error}): see that its directory exists, is writable, and has room", kind="io"
    )


def _before_fork() -> None:
    _registry.acquire()  # through the fork, in which no other thread may hold it
    _forking.extend(_open)
    for store in _forking:
        store._before_fork()  # noqa: SLF001  # this module's own


def _after_fork(*, in_child: bool) -> None:
    for store in _forking:
        store._after_fork(in_child=in_child)  # noqa: SLF001  # this module's own
    _forking.clear()
    _registry.release()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=functools.partial(_after_fork, in_child=False),
        after_in_child=functools.partial(_after_fork, in_child=True),
    )
