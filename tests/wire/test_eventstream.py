"""AWS event stream framing."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.errors import ProtocolError
from aiclient.wire.eventstream import EventStreamDecoder, encode_message

ONE = encode_message({":event-type": "contentBlockDelta", ":message-type": "event"}, b'{"delta":{"text":"hi"}}')
TWO = encode_message({":exception-type": "throttlingException", ":message-type": "exception"}, b'{"message":"slow"}')


def reframed(headers: bytes, payload: bytes = b"") -> bytes:
    lengths = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    body = lengths + struct.pack(">I", zlib.crc32(lengths)) + headers + payload
    return body + struct.pack(">I", zlib.crc32(body))


def test_a_message_gives_its_headers_payload_and_kind():
    (message,) = EventStreamDecoder().feed(ONE)
    assert message.kind == "contentBlockDelta"
    assert message.payload == b'{"delta":{"text":"hi"}}'
    assert not message.failed


def test_an_exception_says_so():
    (message,) = EventStreamDecoder().feed(TWO)
    assert (message.kind, message.failed) == ("throttlingException", True)


@given(st.lists(st.integers(1, 40), max_size=40))
def test_any_cut_into_reads_gives_the_same_messages(sizes):
    data, decoder, messages = ONE + TWO + ONE, EventStreamDecoder(), []
    at = 0
    for size in sizes:
        messages += decoder.feed(data[at : at + size])
        at += size
    messages += decoder.feed(data[at:])
    assert messages == EventStreamDecoder().feed(data)
    assert not decoder.pending


def test_half_a_message_is_pending():
    decoder = EventStreamDecoder()
    assert decoder.feed(ONE[:-1]) == []
    assert decoder.pending


@pytest.mark.parametrize("position", [0, 5, 9, 14, len(ONE) - 6, len(ONE) - 1])
def test_a_flipped_byte_is_caught_by_a_checksum(position):
    broken = bytearray(ONE)
    broken[position] ^= 1
    with pytest.raises(ProtocolError) as caught:
        EventStreamDecoder().feed(bytes(broken) + ONE)
    assert caught.value.kind == "decode"


def test_a_message_over_the_limit_is_refused_from_its_prelude():
    decoder = EventStreamDecoder(limit=100)
    assert decoder.feed(encode_message({}, b"x" * 84)) != []
    with pytest.raises(ProtocolError) as caught:
        decoder.feed(encode_message({}, b"x" * 85)[:12])
    assert caught.value.kind == "too_large"


def test_headers_of_every_type_are_read():
    headers = b"".join(
        (
            b"\x01a\x00",
            b"\x01b\x01",
            b"\x01c\x02\xff",
            b"\x01d\x03\x00\x02",
            b"\x01e\x04\x00\x00\x00\x03",
            b"\x01f\x05" + (4).to_bytes(8, "big"),
            b"\x01g\x06\x00\x02hi",
            b"\x01h\x07\x00\x02ho",
            b"\x01i\x08" + (1000).to_bytes(8, "big"),
            b"\x01j\x09" + bytes(range(16)),
        )
    )
    (message,) = EventStreamDecoder().feed(reframed(headers))
    values = [value if not hasattr(value, "isoformat") else value.isoformat() for value in message.headers.values()]
    assert values[:8] == [True, False, -1, 2, 3, 4, b"hi", "ho"]
    assert values[8] == "1970-01-01T00:00:01+00:00"
    assert str(values[9]) == "00010203-0405-0607-0809-0a0b0c0d0e0f"


@pytest.mark.parametrize(
    "headers",
    [
        b"\x05ab",
        b"\x01a\x07\x00\x09x",
        b"\x01a\x0c",
        b"\x01a",
        b"\x01a\x04\x00",
        b"\x01\xff\x00",
        b"\x01a\x08" + b"\x7f" * 8,
    ],
    ids=["short name", "short value", "unknown type", "no type", "short number", "not utf-8", "absurd time"],
)
def test_unreadable_headers_are_a_typed_error(headers):
    with pytest.raises(ProtocolError) as caught:
        EventStreamDecoder().feed(reframed(headers))
    assert caught.value.kind == "decode"


def test_impossible_lengths_are_a_typed_error():
    lengths = struct.pack(">II", 16, 4)
    with pytest.raises(ProtocolError, match="impossible lengths"):
        EventStreamDecoder().feed(lengths + struct.pack(">I", zlib.crc32(lengths)) + b"\0\0\0\0")
