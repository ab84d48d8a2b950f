"""JSON lines: bytes in, the bytes of one JSON value a line out."""

from __future__ import annotations

from typing import Final

from ..errors import ProtocolError

__all__ = ["MAX_LINE_BYTES", "JSONLinesDecoder"]

MAX_LINE_BYTES: Final = 16 << 20
"""Longest line: an answer may hold an image."""


class JSONLinesDecoder:
    """Splits a stream of bytes, however it is cut into reads, at line ends; linear in the bytes. Empty lines are skipped."""

    __slots__ = ("_limit", "_pieces", "_size")

    def __init__(self, *, limit: int = MAX_LINE_BYTES) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._limit = limit

    def feed(self, data: bytes) -> list[bytes]:
        """Take the bytes of one read, return the lines they complete.

        Raises:
            ProtocolError: A line is over the limit (`kind="too_large"`).
        """
        *ended, rest = data.split(b"\n")
        lines: list[bytes] = []
        for line in ended:
            self._keep(line)
            lines += self._line()
        self._keep(rest)
        return lines

    def end(self) -> list[bytes]:
        """Return the last line if it came without its end."""
        return self._line()

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._limit:
            raise ProtocolError(f"a line of the stream is over {self._limit} bytes", kind="too_large")
        if piece:
            self._pieces.append(piece)

    def _line(self) -> list[bytes]:
        line = b"".join(self._pieces).strip()
        self._pieces.clear()
        self._size = 0
        return [line] if line else []
