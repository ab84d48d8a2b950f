"""A file of results that only grows, a line at a time: what is in it is done, also after the process was killed."""

from __future__ import annotations

import bisect
import contextlib
import hashlib
import json
import os
import stat
from array import array
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from ..errors import ConfigError, InvalidRequestError, StoreError
from ..response import Cost

__all__ = ["Found", "Journal", "Keys", "key_of", "paid"]

_BEGINS: Final = b'{"key": "'
"""How every line of a journal begins: what has another beginning was written by somebody else, and is not touched."""

_DIGITS: Final = 16


def key_of(value: object) -> str:
    """Return the key of a JSON value: equal for equal values, however they are written."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


class Found(NamedTuple):
    """One line of a journal; with `again` it is no result, and says only what was paid without one."""

    key: str
    offset: int
    failed: bool
    usd: Decimal
    again: bool = False


class Keys:
    """How often each key is there, in 12 bytes a key: a million fit where a dict would need a hundred megabytes."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys, self._left = array("Q"), array("L")
        for key in sorted(array("Q", (int(key, 16) for key in keys))):
            if self._keys and self._keys[-1] == key:
                self._left[-1] += 1
            else:
                self._keys.append(key)
                self._left.append(1)

    def take(self, key: str) -> bool:
        """Whether there is one more of this key; the next time, one less."""
        number = int(key, 16)
        place = bisect.bisect_left(self._keys, number)
        if place == len(self._keys) or self._keys[place] != number or not self._left[place]:
            return False
        self._left[place] -= 1
        return True

    def copy(self) -> Keys:
        """Return the same, to be taken from by itself."""
        made = Keys(())
        made._keys, made._left = self._keys, self._left[:]  # its own class; keys never change
        return made

    def __len__(self) -> int:
        return sum(self._left)


class Journal:
    """The file, opened for this process alone; a line that a killed process left half-written is repaired.

    Args:
        path: Where it is; made if it is not there.

    Raises:
        ConfigError: It cannot be opened, another process writes it, or it holds something else than results (nothing was
            changed then).
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._fd = _opened(self._path)
        try:
            self._end = self._repaired()
        except BaseException:  # whatever it was, the file must not stay open and locked; raised again
            os.close(self._fd)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def empty(self) -> bool:
        """Whether there is no result in it."""
        return not self._end

    def found(self) -> Iterator[Found]:
        """Read it from the beginning, as it was when it was opened.

        Raises:
            ConfigError: A line is no result.
        """
        yield from _read(self._path, self._end)

    @staticmethod
    def read(path: str | os.PathLike[str]) -> Iterator[Found]:
        """Read a journal that another process may be writing; what is not yet a whole line is left out.

        Raises:
            ConfigError: It cannot be read, or holds something else.
        """
        name = os.fspath(path)
        try:
            with Path(name).open("rb") as file:
                end = _last_line(file.fileno(), os.fstat(file.fileno()).st_size)
        except OSError as error:
            problem = error.strerror or type(error).__name__
        else:
            yield from _read(name, end)
            return
        raise ConfigError(f"{name!r} cannot be read: {problem}")

    def at(self, offset: int) -> dict[str, Any]:
        """Return the record that begins at `offset`."""
        with Path(self._path).open("rb") as file:
            file.seek(offset)
            record: dict[str, Any] = json.loads(file.readline())
        return record

    def append(self, key: str, record: Mapping[str, Any]) -> None:
        """Write one result: the whole line at once, so that no reader and no kill sees two halves of two lines.

        Raises:
            StoreError: The disk is full, or refuses; what was written of the line is taken back.
        """
        data = _line(key, record)
        try:
            written = 0
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError as error:
            problem = error.strerror or type(error).__name__
        else:
            self._end += len(data)
            return
        with contextlib.suppress(OSError):  # the failure itself is raised below; the next opening cuts half a line off
            os.ftruncate(self._fd, self._end)
        raise StoreError(f"{self._path!r} could not be written: {problem}", kind="write")

    def drop_failed(self) -> None:
        """Take the failures out, but for what they cost, in one step: a kill leaves the file as it was or as it should be."""
        beside = Path(f"{self._path}.new")
        beside.unlink(missing_ok=True)
        fd = _opened(str(beside))
        try:
            with Path(self._path).open("rb") as old:
                for line in self.found():
                    old.seek(line.offset)
                    written = old.readline()
                    if not line.failed:
                        _write_all(fd, written)
                    elif line.usd:
                        record = json.loads(written)
                        _write_all(fd, _line(line.key, paid(record.get("line"), record.get("id"), line.usd)))
            os.fsync(fd)
            beside.replace(self._path)
        except BaseException:  # whatever it was, the half of a file must go; raised again
            os.close(fd)
            beside.unlink(missing_ok=True)
            raise
        os.close(self._fd)
        self._fd, self._end = fd, os.fstat(fd).st_size

    def close(self) -> None:
        """Bring it to the disk, and let others have it."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):  # some file systems cannot; what was written is written
                os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _repaired(self) -> int:
        """Return where the last whole line ends, after cutting off what a killed process left behind it."""
        size = os.fstat(self._fd).st_size
        with Path(self._path).open("rb") as file:
            begins = _last_line(file.fileno(), size)
            file.seek(begins)
            rest = file.read()
        next(_read(self._path, begins), None)  # a file of somebody else's is noticed before anything is cut off it
        if not rest:
            return size
        if rest[: len(_BEGINS)] != _BEGINS[: len(rest)]:
            raise ConfigError(_foreign(self._path, "its last line"))
        with contextlib.suppress(ValueError):  # half a line, which is cut off below
            json.loads(rest)  # whole, but for the end of the line
            _write_all(self._fd, b"\n")
            return size + 1
        os.ftruncate(self._fd, begins)
        return begins


def paid(line: object, id: object, usd: Decimal) -> dict[str, Any]:
    """Return what is written for money that was spent on a line which has no result, and is to be asked again."""
    return {"line": line, "id": id, "again": True, "cost": str(usd)}


def _line(key: str, record: Mapping[str, Any]) -> bytes:
    return (json.dumps({"key": key, **record}, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def _opened(path: str) -> int:
    try:
        fd = os.open(
            path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0), 0o666
        )
    except OSError as error:
        problem = error.strerror or type(error).__name__
    else:
        if stat.S_ISREG(os.fstat(fd).st_mode) and _locked(fd):
            return fd
        problem = "another process is writing it" if stat.S_ISREG(os.fstat(fd).st_mode) else "it is no file"
        os.close(fd)
    raise ConfigError(f"the results cannot be written to {path!r}: {problem}")


def _locked(fd: int) -> bool:
    """Whether the file is ours alone; where the system has no such locks, it is taken for granted."""
    try:
        import fcntl  # noqa: PLC0415  # not on Windows
    except ImportError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _last_line(fd: int, size: int) -> int:
    """Return where the line begins that has no end yet: `size`, if there is none."""
    end = size
    while end > 0:
        begin = max(0, end - (1 << 16))
        os.lseek(fd, begin, os.SEEK_SET)
        place = os.read(fd, end - begin).rfind(b"\n")
        if place >= 0:
            return begin + place + 1
        end = begin
    return 0


def _read(path: str, end: int) -> Iterator[Found]:
    offset = 0
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, 1):
            if offset >= end:
                return
            found = _found(line, offset)
            if found is None:
                raise ConfigError(_foreign(path, f"line {number}"))
            yield found
            offset += len(line)


def _found(line: bytes, offset: int) -> Found | None:
    if not line.startswith(_BEGINS):
        return None
    try:
        record = json.loads(line)
        key, cost = record["key"], record.get("cost")
        usd = Decimal(0) if cost is None else _amount(cost)
        if not 0 <= int(key, 16) < 1 << 64:
            return None
    except (ValueError, KeyError, TypeError, RecursionError, InvalidOperation, InvalidRequestError):
        return None
    return Found(key, offset, "error" in record, usd, record.get("again") is True)


def _amount(cost: object) -> Decimal:
    """Return dollars as they are written here; what is less than nothing would be money for free."""
    if not isinstance(cost, str):
        raise TypeError(type(cost).__name__)
    return Cost(Decimal(cost)).usd


def _foreign(path: str, where: str) -> str:
    return f"{path!r} holds something else than results ({where}); nothing was changed: name another file, or remove it"
