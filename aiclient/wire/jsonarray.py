"""The elements of a JSON array that arrives piece by piece: bytes in, the bytes of each object out.

`streamGenerateContent` without `alt=sse` answers with one array whose elements are the events ("streamGenerateContent",
ai.google.dev/api/generate-content, read 2026-11; records 4639250d8d4f, 5a1efa65e4ae). Only the nesting is followed here; the
JSON decoder reads what stands inside.
"""

from __future__ import annotations

import re
from typing import Final

from ..errors import ProtocolError

__all__ = ["MAX_ELEMENT_BYTES", "JSONArrayDecoder"]

MAX_ELEMENT_BYTES: Final = 32 << 20
"""Longest element: Gemini sends a generated picture whole, in one event."""

_BLANK: Final = b" \t\r\n"
_STRUCTURE: Final = re.compile(rb'["{}\[\]]')
_NEXT: Final = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+([{}\[\]])', re.DOTALL)
"""Everything up to the next bracket, strings skipped: does in one step what the two patterns below do in many."""

_IN_STRING: Final = re.compile(rb'["\\]')
_OPENING: Final = b"{["


class JSONArrayDecoder:
    """Splits the bytes of one JSON array, however they are cut into reads, into the bytes of its objects.

    Every byte is looked at once: the work is linear in the bytes and in the reads. A failure never hides the elements before
    it: `feed` returns those, and the next call raises.
    """

    __slots__ = ("_depth", "_escaped", "_expected", "_in_string", "_limit", "_pieces", "_size", "closed", "failure")

    def __init__(self, *, limit: int = MAX_ELEMENT_BYTES) -> None:
        self._limit = limit
        self._expected = b"["  # what may come outside of elements; "{" after a comma, "{]" after the beginning
        self._depth = 0  # of the element under way
        self._in_string = False
        self._escaped = False  # the next byte belongs to a backslash
        self._pieces: list[bytes] = []
        self._size = 0
        self.closed = False
        """Whether the array has ended."""
        self.failure: ProtocolError | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """Take the bytes of one read, return the objects they complete.

        Raises:
            ProtocolError: An element is over the limit (`kind="too_large"`), or this is no array of objects
                (`kind="decode"`); every later call raises it too.
        """
        if self.failure is not None:
            raise self.failure
        found: list[bytes] = []
        try:
            place = 0
            while place < len(data):
                place = self._inside(data, place, found) if self._depth else self._between(data, place)
        except ProtocolError as error:
            self.failure = error
            if not found:
                raise
        return found

    def _between(self, data: bytes, place: int) -> int:
        """Read what stands between elements; return where to go on."""
        while place < len(data):
            byte = data[place : place + 1]
            if byte in _BLANK or (self._expected == b"[" and byte in b"\xef\xbb\xbf"):
                place += 1
            elif byte not in self._expected:
                raise ProtocolError("the stream is no JSON array of objects", kind="decode")
            elif byte == b"{":
                self._depth = 1
                self._pieces.append(b"{")
                self._size = 1
                return place + 1
            else:
                self._expected = {b"[": b"{]", b",": b"{", b"]": b""}[byte]
                self.closed = byte == b"]"
                place += 1
        return place

    def _inside(self, data: bytes, start: int, found: list[bytes]) -> int:
        """Read on in an element, to its end or to that of the bytes; return where to go on."""
        place = start
        if self._escaped:
            self._escaped = False
            place += 1
        quick = True
        while True:
            match = _NEXT.match(data, place) if quick and not self._in_string else None
            if match is not None:
                byte = match[1]
            else:
                quick = quick and self._in_string  # tried once: no bracket is left, or it stands behind an open string
                match = (_IN_STRING if self._in_string else _STRUCTURE).search(data, place)
                if match is None:
                    self._keep(data[start:] if start else data)
                    return len(data)
                byte = match.group()
            place = match.end()
            if byte == b'"':
                self._in_string = not self._in_string
            elif byte == b"\\":
                place += 1
                if place > len(data):
                    self._escaped = True
                    self._keep(data[start:])
                    return len(data)
            elif byte in _OPENING:
                self._depth += 1
            else:
                self._depth -= 1
                if not self._depth:
                    self._keep(data[start:place])
                    found.append(b"".join(self._pieces))
                    self._pieces.clear()
                    self._expected = b",]"
                    return place

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._limit:
            raise ProtocolError(f"an element of the stream is over {self._limit} bytes", kind="too_large")
        self._pieces.append(piece)
