"""JSON lines framing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.errors import ProtocolError
from aiclient.wire.jsonlines import JSONLinesDecoder

DATA = b'{"a":1}\n\n  {"b":2}\r\n{"c":3}'
LINES = [b'{"a":1}', b'{"b":2}', b'{"c":3}']


@given(st.lists(st.integers(1, 9), max_size=30))
def test_any_cut_into_reads_gives_the_same_lines(sizes):
    decoder, lines, at = JSONLinesDecoder(), [], 0
    for size in sizes:
        lines += decoder.feed(DATA[at : at + size])
        at += size
    lines += decoder.feed(DATA[at:])
    assert lines + decoder.end() == LINES


def test_the_limit_holds_for_one_line_and_not_for_all():
    decoder = JSONLinesDecoder(limit=4)
    assert decoder.feed(b"1234\n1234\n12") == [b"1234", b"1234"]
    with pytest.raises(ProtocolError) as caught:
        decoder.feed(b"345")
    assert caught.value.kind == "too_large"


def test_an_empty_stream_has_no_lines():
    assert JSONLinesDecoder().feed(b"") == []
    assert JSONLinesDecoder().end() == []
