import importlib.util
import json
import math
import sys
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.errors import InvalidRequestError, ProtocolError
from aiclient.wire import jsons

BACK_ENDS = [
    "standard",
    pytest.param(
        "orjson", marks=pytest.mark.skipif(not importlib.util.find_spec("orjson"), reason="orjson is not installed")
    ),
]


@pytest.fixture(params=BACK_ENDS)
def loads(request, monkeypatch):
    monkeypatch.setattr(jsons, "_decode", jsons._loads_standard if request.param == "standard" else jsons._fastest())
    return jsons.loads


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"{}", {}),
        (b"\xef\xbb\xbf{}", {}),
        (b" \n\t\r\n{} \n", {}),
        (b'\xef\xbb\xbf \n{"a":1}\n', {"a": 1}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\ud800x"', "\ud800x"),
        (b'"\\u0000\\u202e"', "\0\u202e"),
        (b"[1.5,-0.0,1e5,true,false,null]", [1.5, -0.0, 1e5, True, False, None]),
        (b"18446744073709551615", 2**64 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"18446744073709551616", float(2**64)),
        (b"9" * 30, 1e30),
        (b"[" * 90 + b"]" * 90, None),
    ],
)
def test_loads_gives_the_value(loads, text, value):
    assert loads(text) == value or (value is None and isinstance(loads(text), list))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"{",
        b"{}x",
        b"[1,]",
        b"nul",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b'"\n"',
        b"'a'",
        b"01",
        b"1.",
        b".5",
        b'"\xff"',
        b'"\xed\xa0\x80"',
        "{}".encode("utf-16"),
        b"9" * 5000,
        b"\xc2\xa0{}",
        b"\x0c{}",
        b"data: {}",
    ],
)
def test_loads_refuses_what_is_not_json(loads, text):
    with pytest.raises(ProtocolError) as caught:
        loads(text)
    assert caught.value.kind == "decode"
    assert caught.value.__context__ is None


def test_loads_refuses_depth(loads):
    with pytest.raises(ProtocolError) as caught:
        loads(b"[" * 100_000 + b"]" * 100_000)
    assert caught.value.kind == "depth"


def test_the_error_never_quotes_the_text(loads):
    with pytest.raises(ProtocolError) as caught:
        loads(b'{"secret": sk-12345}')
    assert "sk-12345" not in repr(caught.value)
    assert "secret" not in str(caught.value)


numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
)


@given(values)
def test_all_back_ends_agree(value):
    text = json.dumps(value).encode()
    assert jsons._fastest()(text) == jsons._loads_standard(text)


@given(values)
def test_dumps_can_be_read_back(value):
    text = jsons.dumps(value)
    assert json.loads(text) == value


def test_dumps_is_compact_and_keeps_scripts_as_they_are():
    assert jsons.dumps({"a": [1, "日本"]}) == '{"a":[1,"日本"]}'.encode()


def test_dumps_takes_mappings_of_any_kind():
    assert jsons.dumps({"a": MappingProxyType({"b": 1})}) == b'{"a":{"b":1}}'


def test_dumps_escapes_what_utf8_cannot_carry():
    assert jsons.dumps("\ud800") == b'"\\ud800"'


def _cycle():
    value = []
    value.append(value)
    return value


def test_the_standard_library_serves_where_orjson_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "orjson", None)
    assert jsons._fastest() is jsons._loads_standard


def _deep():
    value = []
    for _ in range(100_000):
        value = [value]
    return value


def test_dumps_refuses_depth():
    with pytest.raises(InvalidRequestError, match="deep"):
        jsons.dumps(_deep())


@pytest.mark.parametrize(
    "value",
    [math.nan, [math.inf], object(), {1, 2}, _cycle(), {b"x": 1}],
    ids=lambda value: repr(value).partition(" at 0x")[0],
)
def test_dumps_refuses_what_has_no_form(value):
    with pytest.raises(InvalidRequestError):
        jsons.dumps(value)
