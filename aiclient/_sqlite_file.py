"""What `SQLiteStore` does in its thread: one file, one connection, one lock.

Layout, version 1: `entries` (the values), `tags` (which entry bears which), `totals` (one row, kept by triggers, so that the
limits hold over all processes without counting). The file says what it is by SQLite's application id and user version; a file
of anything else is refused and left as it is.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from typing import Final

from .errors import StoreError

__all__ = ["SQLiteFile", "is_busy"]

VERSION: Final = 1
"""Of the layout; kept as SQLite's user version."""

APPLICATION: Final = 0x61696373
"""SQLite's application id of our files: `aics`."""

AHEAD: Final = 300.0
"""Seconds; an entry from further ahead was written before the machine's clock was set back, and would live too long."""

ANY_TIME: Final = 0.0
"""When a value was stored that was swapped in: it is a sum that others add to, and holds whatever the clock was."""

USED_GRAIN: Final = 60.0
"""Seconds; how exactly it is known when an entry was used last. Every read that is written down costs a write."""

PURGED: Final = 16
"""Entries whose time is over that one write removes at most."""

CLEARED: Final = 500
"""Entries that one transaction of `clear` removes at most: others can write in between."""

_LAYOUT: Final = (
    (
        "CREATE TABLE entries (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, value BLOB NOT NULL, size INTEGER NOT NULL, "
        "stored REAL NOT NULL, expires REAL, used REAL NOT NULL)"
    ),
    "CREATE INDEX entries_expires ON entries (expires) WHERE expires IS NOT NULL",
    "CREATE INDEX entries_used ON entries (used)",
    (
        "CREATE TABLE tags (tag TEXT NOT NULL, entry INTEGER NOT NULL REFERENCES entries (id) ON DELETE CASCADE, "
        "PRIMARY KEY (tag, entry)) WITHOUT ROWID"
    ),
    "CREATE INDEX tags_entry ON tags (entry)",
    "CREATE TABLE totals (entries INTEGER NOT NULL, bytes INTEGER NOT NULL)",
    "INSERT INTO totals VALUES (0, 0)",
    (
        "CREATE TRIGGER added AFTER INSERT ON entries BEGIN "
        "UPDATE totals SET entries = entries + 1, bytes = bytes + NEW.size; END"
    ),
    (
        "CREATE TRIGGER removed AFTER DELETE ON entries BEGIN "
        "UPDATE totals SET entries = entries - 1, bytes = bytes - OLD.size; END"
    ),
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)

_creating = threading.Lock()
"""Closing a file drops every lock that this process holds on it: nobody may open it between its making and that."""


class SQLiteFile:
    """The entries of one file; every method blocks, and may be called from any thread."""

    def __init__(self, path: str, max_entries: int, max_bytes: int, busy: float) -> None:
        self._path = path
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._busy = busy
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    # --- entries ---

    def get(self, key: str, now: float) -> bytes | None:
        """Return the value, and note about when it was used."""
        with self._opened() as db:
            row = _alive(db, key, now)
            if row is None:
                return None
            entry, value, used = row
            if now - used > USED_GRAIN:
                try:
                    db.execute("UPDATE entries SET used = ? WHERE id = ?", (now, entry))
                except sqlite3.OperationalError as error:
                    if not is_busy(error):
                        raise
            return value

    def put(self, key: str, value: bytes, now: float, ttl: float | None, tags: frozenset[str]) -> None:
        """Write an entry in place of what was there."""
        with self._opened() as db, _transaction(db):
            self._write(db, key, value, now, ttl, tags)

    def swap(self, key: str, expected: bytes | None, value: bytes | None, now: float, ttl: float | None) -> bool:
        """Write or remove an entry if its value is `expected`."""
        with self._opened() as db, _transaction(db):
            row = _alive(db, key, now)
            if (None if row is None else row[1]) != expected:
                return False
            if value is None:
                db.execute("DELETE FROM entries WHERE key = ?", (key,))
            elif not self._write(db, key, value, now, ttl, frozenset(), stored=ANY_TIME):
                raise StoreError(
                    f"a value of {len(value)} bytes does not fit: max_bytes={self._max_bytes}", kind="full"
                )
            return True

    def delete(self, key: str, now: float) -> bool:
        """Remove an entry."""
        with self._opened() as db, _transaction(db):
            found = _alive(db, key, now) is not None
            db.execute("DELETE FROM entries WHERE key = ?", (key,))
            return found

    def clear(self, prefix: str, tag: str | None) -> int:
        """Remove entries, a part at a time."""
        tagged = "" if tag is None else " AND id IN (SELECT entry FROM tags WHERE tag = :tag)"
        chosen = f"SELECT id FROM entries WHERE key >= :low AND key < :high{tagged} LIMIT {CLEARED}"  # noqa: S608  # constants
        bounds = {"low": prefix, "high": prefix + "\U0010ffff", "tag": tag}
        removed = 0
        while True:
            with self._opened() as db, _transaction(db):
                part = db.execute(f"DELETE FROM entries WHERE id IN ({chosen})", bounds).rowcount  # noqa: S608  # as above
            removed += part
            if part < CLEARED:
                return removed

    def measure(self) -> tuple[int, int]:
        """Return the number of entries, and the bytes of their keys and values."""
        with self._opened() as db:
            entries, size = db.execute("SELECT entries, bytes FROM totals").fetchone()
            return entries, size

    def _write(
        self,
        db: sqlite3.Connection,
        key: str,
        value: bytes,
        now: float,
        ttl: float | None,
        tags: frozenset[str],
        stored: float | None = None,
    ) -> bool:
        db.execute("DELETE FROM entries WHERE key = ?", (key,))
        size = len(key.encode()) + len(value)
        if size > self._max_bytes:
            return False
        entry = db.execute(
            "INSERT INTO entries (key, value, size, stored, expires, used) VALUES (?, ?, ?, ?, ?, ?)",
            (key, value, size, now if stored is None else stored, None if ttl is None else now + ttl, now),
        ).lastrowid
        db.executemany("INSERT INTO tags (tag, entry) VALUES (?, ?)", [(tag, entry) for tag in tags])
        db.execute(
            "DELETE FROM entries WHERE id IN (SELECT id FROM entries WHERE expires <= ? ORDER BY expires LIMIT ?)",
            (now, PURGED),
        )
        self._make_room(db)
        return True

    def _make_room(self, db: sqlite3.Connection) -> None:
        """Remove the least recently used entries above the limits."""
        entries, size = db.execute("SELECT entries, bytes FROM totals").fetchone()
        if entries <= self._max_entries and size <= self._max_bytes:
            return
        leaving = []
        for entry, freed in db.execute("SELECT id, size FROM entries ORDER BY used, id"):
            leaving.append((entry,))
            entries, size = entries - 1, size - freed
            if entries <= self._max_entries and size <= self._max_bytes:
                break
        db.executemany("DELETE FROM entries WHERE id = ?", leaving)

    # --- the connection ---

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """Hold the connection, opening it if need be; one that failed is not used again."""
        with self._lock:
            if self._connection is None:
                self._connection = self._connect()
            try:
                yield self._connection
            except sqlite3.Error as error:
                if not is_busy(error):
                    self._let_go()
                raise

    def _connect(self) -> sqlite3.Connection:
        with _creating, contextlib.suppress(FileExistsError):  # made before
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        db = sqlite3.connect(self._path, timeout=self._busy, isolation_level=None, check_same_thread=False)
        try:
            self._check(db)
            for setting in ("synchronous = NORMAL", "foreign_keys = ON", "secure_delete = ON"):
                db.execute(f"PRAGMA {setting}")
        except BaseException:  # whatever it was, the connection must not stay open; raised again
            db.close()
            raise
        return db

    def _check(self, db: sqlite3.Connection) -> None:
        """Lay out a new file; refuse one of another kind or version, without changing it."""
        if _is_new(db):
            db.execute("PRAGMA journal_mode = WAL")
            with _transaction(db):
                if _is_new(db):  # no other process was faster
                    for statement in _LAYOUT:
                        db.execute(statement)
        kind, version = _number(db, "application_id"), _number(db, "user_version")
        if kind != APPLICATION:
            raise StoreError(
                f"{self._path} is a database of another program, and is left as it is: give another path",
                kind="version",
            )
        if version != VERSION:
            raise StoreError(
                f"{self._path} has layout {version}, this aiclient writes {VERSION}: give another path, or upgrade aiclient",
                kind="version",
            )

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        db, self._connection = self._connection, None
        if db is not None:
            db.close()

    def pause(self) -> None:
        """Let go of the file and keep everyone out until `resume`: SQLite's locks do not survive a fork."""
        self._lock.acquire()
        self._let_go()

    def resume(self) -> None:
        """Let them in again."""
        self._lock.release()


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection was in the way."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _alive(db: sqlite3.Connection, key: str, now: float) -> tuple[int, bytes, float] | None:
    """Return (id, value, last use) of an entry whose time is not over."""
    row = db.execute(
        "SELECT id, value, used FROM entries WHERE key = ? AND stored <= ? AND (expires IS NULL OR expires > ?)",
        (key, now + AHEAD, now),
    ).fetchone()
    return None if row is None else (row[0], bytes(row[1]), row[2])


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Do all or nothing; waits first for whoever writes."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:  # whatever it was, the lock must be given back; raised again
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _is_new(db: sqlite3.Connection) -> bool:
    if _number(db, "application_id") or _number(db, "user_version"):
        return False
    return not db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()


def _number(db: sqlite3.Connection, pragma: str) -> int:
    value: int = db.execute(f"PRAGMA {pragma}").fetchone()[0]
    return value
