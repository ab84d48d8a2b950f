"""JSON arrays, split into their objects while they arrive."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.errors import ProtocolError
from aiclient.wire.jsonarray import JSONArrayDecoder

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(['"', "\\", "}]", "[{", '\\"', "\u2028"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=5), VALUES, max_size=3), max_size=4)


def split(text, size):
    return [text[start : start + size] for start in range(0, len(text), size)]


@given(OBJECTS, st.sampled_from([None, 1]), st.booleans(), st.integers(1, 9))
def test_any_array_comes_out_the_same_however_it_is_cut(objects, indent, ascii_only, size):
    text = json.dumps(objects, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    decoder = JSONArrayDecoder()
    found = [element for piece in split(text, size) for element in decoder.feed(piece)]
    assert [json.loads(element.decode("utf-8", "surrogatepass")) for element in found] == objects
    assert decoder.closed


def test_googles_own_spacing_is_read():
    decoder = JSONArrayDecoder()
    assert decoder.feed(b'\xef\xbb\xbf [{\n  "a": 1\n}\r\n,\r\n{"b":') == [b'{\n  "a": 1\n}']
    assert not decoder.closed
    assert decoder.feed(b" 2}\n]\n") == [b'{"b": 2}']
    assert decoder.closed


@pytest.mark.parametrize("text", [b"{}", b"x", b"[1]", b'["a"]', b"[,", b"[{}{}", b"[{},]", b"[{}]]", b"[{}] {"])
def test_what_is_no_array_of_objects_is_refused(text):
    decoder = JSONArrayDecoder()
    with pytest.raises(ProtocolError) as caught:
        for number in range(len(text)):
            decoder.feed(text[number : number + 1])
    assert caught.value.kind == "decode"


def test_a_failure_hides_no_element_before_it_and_stays():
    decoder = JSONArrayDecoder()
    assert decoder.feed(b'[{"a":1},x') == [b'{"a":1}']
    for _ in range(2):
        with pytest.raises(ProtocolError):
            decoder.feed(b"{}")


def test_an_element_that_never_ends_is_given_up():
    decoder = JSONArrayDecoder(limit=100)
    assert decoder.feed(b'[{"a":"' + b"x" * 80 + b'"}') != []
    with pytest.raises(ProtocolError) as caught:
        for _ in range(20):
            decoder.feed(b',{"a":"' + b"x" * 10 if not decoder._depth else b"x" * 10)
    assert caught.value.kind == "too_large"
