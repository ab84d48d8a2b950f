"""HTTP/1.1 requests from bytes, for the loopback server: no sockets, no time; strict, and linear in what it is fed."""

from __future__ import annotations

import re
from typing import NoReturn

import attrs

from ._exchange import RecordedRequest

__all__ = ["MAX_BODY", "MAX_HEAD", "RefusedRequestError", "RequestReader"]

MAX_HEAD = 64 * 1024
"""Bytes of a request's head (and of one chunk's size line): real clients send under 8 KiB; more is a runaway."""

MAX_BODY = 64 * 1024 * 1024
"""Bytes of a request's body: above what any LLM service takes inline, and still harmless for the machine."""

METHODS = frozenset({"DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT"})
"""Without HEAD: its answers are framed otherwise, and no LLM service is asked for one."""

BEGINNING = re.compile(rb"[A-Z]{0,16}\Z|[A-Z]{1,16} ")
REQUEST_LINE = re.compile(r"([A-Z]{1,16}) (\S+) HTTP/1\.([0-9])")
HEADER_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?")


class RefusedRequestError(Exception):
    """The connection sent what is no acceptable request; `status` is the answer it deserves."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def refuse(message: str, *, status: int = 400) -> NoReturn:
    """Raise `RefusedRequestError`."""
    raise RefusedRequestError(status, message)


@attrs.frozen
class Head:
    """The beginning of a request: what is known before its body."""

    method: str
    target: str
    header_pairs: tuple[tuple[str, str], ...]
    length: int | None
    """Bytes of the body; None when it comes in chunks."""
    expects_continue: bool


def parse_head(block: bytes) -> Head:
    """Read a request's head, given without the empty line that ends it."""
    first, *lines = block.decode("latin-1").split("\r\n")
    method, target = parse_request_line(first)
    matches = [HEADER_LINE.fullmatch(line) or refuse(f"Malformed header line {line[:80]!r}.") for line in lines]
    pairs = tuple((match[1], match[2]) for match in matches)
    said: dict[str, set[str]] = {}
    for name, value in pairs:
        said.setdefault(name.lower(), set()).add(value.lower())
    return Head(method, target, pairs, body_length(said), "100-continue" in said.get("expect", ()))


def parse_request_line(line: str) -> tuple[str, str]:
    """Return method and target."""
    match = REQUEST_LINE.fullmatch(line) or refuse("Malformed request line.")
    if match[3] != "1":
        refuse("Only HTTP/1.1 is spoken here.", status=505)
    if match[1] not in METHODS:
        refuse(f"The method {match[1]} is not known here.", status=501)
    return match[1], match[2]


def body_length(said: dict[str, set[str]]) -> int | None:
    """Tell the bytes of the body, None when chunked; `said` has all values of each header."""
    encodings, lengths = said.get("transfer-encoding"), said.get("content-length")
    if encodings is not None:
        if encodings != {"chunked"} or lengths is not None:
            refuse("The body must be chunked or have one content-length.")
        return None
    if lengths is None:
        return 0
    text = lengths.pop()
    # isdecimal alone takes other scripts' digits, and int() of 5,000 digits is an error of another kind
    if lengths or not (text.isascii() and text.isdecimal() and len(text) < 20):
        refuse("The content-length must be one number.")
    if int(text) > MAX_BODY:
        refuse(f"The body is over {MAX_BODY} bytes.", status=413)
    return int(text)


class RequestReader:
    """The requests of one connection, in order of arrival."""

    def __init__(self, *, connection_id: int) -> None:
        self._connection_id = connection_id
        self._buffer = bytearray()
        self._body = bytearray()
        self._head: Head | None = None
        self._chunk: int | None = None  # size of the chunk being read; None before its size line

    @property
    def buffered(self) -> int:
        """Bytes that belong to no request returned yet."""
        return len(self._buffer)

    @property
    def awaits_continue(self) -> bool:
        """Whether the client holds its body back until it is told to go on."""
        return self._head is not None and self._head.expects_continue

    def feed(self, data: bytes) -> None:
        """Take in bytes from the connection, split anywhere."""
        self._buffer += data

    def next_request(self) -> RecordedRequest | None:
        """Return the next whole request, or None until more bytes are fed.

        Raises:
            RefusedRequestError: the bytes are no request, or one that is too large; the reader is useless after.
        """
        if self._head is None and not self._read_head():
            return None
        head = self._head
        if head is None or not (self._read_chunks() if head.length is None else self._read_length(head.length)):
            return None
        path, _, query = head.target.partition("?")
        request = RecordedRequest(head.method, path, query, head.header_pairs, bytes(self._body), self._connection_id)
        self._head, self._chunk = None, None
        self._body.clear()
        return request

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n", 0, MAX_HEAD + 4)
        if end < 0:
            self._judge_beginning()
            return False
        self._head = parse_head(bytes(self._buffer[:end]))
        del self._buffer[: end + 4]
        return True

    def _judge_beginning(self) -> None:
        """Refuse what can no longer become a request, rather than wait for an end of head that never comes."""
        if len(self._buffer) >= MAX_HEAD + 4:
            refuse(f"The head is over {MAX_HEAD} bytes.", status=431)
        if not BEGINNING.match(self._buffer):
            refuse("This is not HTTP.")
        line_end = self._buffer.find(b"\n")
        if line_end >= 0:
            parse_request_line(self._buffer[:line_end].decode("latin-1").removesuffix("\r"))
            if self._buffer[line_end - 1 : line_end] != b"\r":
                refuse("Lines end with CR LF.")

    def _read_length(self, length: int) -> bool:
        if len(self._buffer) < length:
            return False
        self._body += self._buffer[:length]
        del self._buffer[:length]
        return True

    def _read_chunks(self) -> bool:
        while self._chunk != 0:
            if self._chunk is None and not self._read_chunk_size():
                return False
            if self._chunk and not self._read_chunk(self._chunk):
                return False
        while (trailer := self._take_line()) is not None:
            if not trailer:
                return True
        return False

    def _read_chunk_size(self) -> bool:
        line = self._take_line()
        if line is None:
            return False
        match = CHUNK_SIZE.fullmatch(line) or refuse("Malformed chunk size.")
        self._chunk = int(match[1], 16)
        if len(self._body) + self._chunk > MAX_BODY:
            refuse(f"The body is over {MAX_BODY} bytes.", status=413)
        return True

    def _read_chunk(self, size: int) -> bool:
        if len(self._buffer) < size + 2:
            return False
        if self._buffer[size : size + 2] != b"\r\n":
            refuse("A chunk is longer than it says.")
        self._body += self._buffer[:size]
        del self._buffer[: size + 2]
        self._chunk = None
        return True

    def _take_line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n", 0, MAX_HEAD)
        if end < 0:
            if len(self._buffer) >= MAX_HEAD:
                refuse("A line between chunks is too long.")
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line
