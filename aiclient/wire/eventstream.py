"""AWS event streams: bytes in, messages out.

A message is a prelude (total length, length of the headers, CRC-32 of these eight bytes), typed headers, a payload, and a
CRC-32 of everything before it, all numbers big-endian ("Event stream encoding", Amazon Transcribe developer guide, read
2026-11; botocore's eventstream module reads the same form).
"""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from attrs import frozen

from ..errors import ProtocolError

__all__ = ["MAX_MESSAGE_BYTES", "EventStreamDecoder", "Message", "encode_message"]

MAX_MESSAGE_BYTES: Final = 16 << 20
"""Longest message; botocore's limit for a payload."""

_PRELUDE: Final = struct.Struct(">III")
_SMALLEST: Final = _PRELUDE.size + 4

HeaderValue: TypeAlias = bool | int | bytes | str | datetime | uuid.UUID


@frozen
class Message:
    """One message: its headers by name, and its payload."""

    headers: Mapping[str, HeaderValue]
    payload: bytes

    @property
    def kind(self) -> str:
        """What the message is about: its event type, or its exception type."""
        return str(self.headers.get(":event-type") or self.headers.get(":exception-type") or "")

    @property
    def failed(self) -> bool:
        """Whether it says that something went wrong."""
        return self.headers.get(":message-type") in ("exception", "error")


class EventStreamDecoder:
    """Splits a stream of bytes, however it is cut into reads, into messages; linear in the bytes."""

    __slots__ = ("_buffer", "_limit", "_needed")

    def __init__(self, *, limit: int = MAX_MESSAGE_BYTES) -> None:
        self._buffer = bytearray()
        self._needed = _PRELUDE.size
        self._limit = limit

    @property
    def pending(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[Message]:
        """Take the bytes of one read, return the messages they complete.

        Raises:
            ProtocolError: A checksum is wrong or a header unreadable (`kind="decode"`), or a message is over the limit
                (`kind="too_large"`).
        """
        self._buffer += data
        messages: list[Message] = []
        start = 0
        while len(self._buffer) - start >= self._needed:
            total = self._length(start)
            if len(self._buffer) - start < total:
                self._needed = total
                break
            messages.append(_message(bytes(memoryview(self._buffer)[start : start + total])))
            start += total
            self._needed = _PRELUDE.size
        del self._buffer[:start]
        return messages

    def _length(self, start: int) -> int:
        total, headers, checksum = _PRELUDE.unpack_from(self._buffer, start)
        if zlib.crc32(memoryview(self._buffer)[start : start + 8]) != checksum:
            raise ProtocolError("a message of the event stream has a wrong checksum", kind="decode")
        if total > self._limit:
            raise ProtocolError(f"a message of the event stream is over {self._limit} bytes", kind="too_large")
        if total < _SMALLEST + headers:
            raise ProtocolError("a message of the event stream has impossible lengths", kind="decode")
        return int(total)


def _message(data: bytes) -> Message:
    _, headers_length, _ = _PRELUDE.unpack_from(data)
    if zlib.crc32(memoryview(data)[:-4]) != int.from_bytes(data[-4:], "big"):
        raise ProtocolError("a message of the event stream has a wrong checksum", kind="decode")
    end = _PRELUDE.size + headers_length
    try:
        headers = _headers(data[_PRELUDE.size : end])
    except (struct.error, IndexError, UnicodeDecodeError, KeyError, OverflowError, ValueError):
        headers = None
    if headers is None:
        raise ProtocolError("a message of the event stream has unreadable headers", kind="decode")
    return Message(headers, data[end:-4])


def _sized(data: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + int.from_bytes(data[at : at + 2], "big")
    if end > len(data):
        raise IndexError
    return data[at + 2 : end], end


def _fixed(form: str, convert: Callable[[Any], HeaderValue]) -> Callable[[bytes, int], tuple[HeaderValue, int]]:
    packed = struct.Struct(form)

    def read(data: bytes, at: int) -> tuple[HeaderValue, int]:
        return convert(packed.unpack_from(data, at)[0]), at + packed.size

    return read


def _text(data: bytes, at: int) -> tuple[HeaderValue, int]:
    value, end = _sized(data, at)
    return value.decode(), end


_READERS: Final[dict[int, Callable[[bytes, int], tuple[HeaderValue, int]]]] = {
    0: lambda _, at: (True, at),
    1: lambda _, at: (False, at),
    2: _fixed(">b", int),
    3: _fixed(">h", int),
    4: _fixed(">i", int),
    5: _fixed(">q", int),
    6: _sized,
    7: _text,
    8: _fixed(">q", lambda ms: datetime.fromtimestamp(ms / 1000, UTC)),
    9: _fixed(">16s", lambda raw: uuid.UUID(bytes=raw)),
}


def _headers(data: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    at = 0
    while at < len(data):
        name_end = at + 1 + data[at]
        name = data[at + 1 : name_end].decode()
        headers[name], at = _READERS[data[name_end]](data, name_end + 1)
    return headers


def encode_message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return the bytes of a message with text headers; for servers that play the service."""
    packed = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + len(value.encode()).to_bytes(2, "big") + value.encode()
        for name, value in headers.items()
    )
    lengths = struct.pack(">II", _SMALLEST + len(packed) + len(payload), len(packed))
    body = lengths + zlib.crc32(lengths).to_bytes(4, "big") + packed + payload
    return body + zlib.crc32(body).to_bytes(4, "big")
