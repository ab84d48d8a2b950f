"""JSON that is still being written: any beginning of it has a value or none, which only grows."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aiclient.partialjson import PartialJSON

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
CONTAINERS = st.lists(VALUES, max_size=4) | st.dictionaries(st.text(max_size=8), VALUES, max_size=4)


def read(*pieces):
    parser = PartialJSON()
    for piece in pieces:
        parser.feed(piece)
    return parser.value


def grew(before, after):
    """Whether `after` is `before`, or what it may become when more is written."""
    if isinstance(before, dict):
        return isinstance(after, dict) and all(
            key in after and grew(value, after[key]) for key, value in before.items()
        )
    if isinstance(before, list):
        return isinstance(after, list) and len(before) <= len(after) and all(map(grew, before, after[: len(before)]))
    if isinstance(before, str):
        return isinstance(after, str) and after.startswith(before)
    return before is None or (before == after and type(before) is type(after))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        (" \n", None),
        ("{", {}),
        ('{"', {}),
        ('{"na', {}),
        ('{"name"', {}),
        ('{"name": ', {}),
        ('{"name": "', {"name": ""}),
        ('{"name": "Bo', {"name": "Bo"}),
        ('{"name": "Bonn", "size": 3', {"name": "Bonn"}),
        ('{"name": "Bonn", "size": 3,', {"name": "Bonn", "size": 3}),
        ('{"a": tr', {}),
        ('{"a": true ', {"a": True}),
        ('[[1, 2], [3, {"x": [', [[1, 2], [3, {"x": []}]]),
        ('["\\u00', [""]),
        ('["\\u00e9', ["é"]),
        ('["\\ud83d', [""]),
        ('["\\ud83d\\ude', [""]),
        ('["\\ud83d\\ude00', ["😀"]),
        ('["\\ud83dx', ["\ud83dx"]),
        ('"text', "text"),
        ("12", None),
        ("12 ", 12),
        ('{"a": 1} and then {"b": 2}', {"a": 1}),
        ("```json\n[1, ", [1]),
        ("``", None),
        ("```js", None),
        ("~~~\n[1,", [1]),
    ],
)
def test_a_beginning_has_the_value_that_is_certain(text, value):
    assert read(text) == value


@given(CONTAINERS, st.booleans())
def test_the_whole_text_has_its_value(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert read(text) == json.loads(text)
    assert read(*text) == json.loads(text)


@given(CONTAINERS, st.lists(st.integers(1, 7), min_size=1, max_size=5))
def test_every_beginning_has_a_value_that_the_next_one_continues(value, sizes):
    text = json.dumps(value, indent=1)
    parser, before, position = PartialJSON(), None, 0
    while position < len(text):
        size = sizes[position % len(sizes)]
        parser.feed(text[position : position + size])
        position += size
        assert grew(before, parser.value)
        before = parser.value
    assert before == value


@given(CONTAINERS, st.data())
def test_how_the_text_is_cut_does_not_matter(value, data):
    text = json.dumps(value)
    cut = data.draw(st.integers(0, len(text)))
    assert read(text[:cut]) == read(*text[:cut])


@given(st.text(alphabet='{}[]",:\\u0123456789abcdefE+-. \ntruefalsn`~', max_size=40))
@example('{"a":1,}')
@example("[1 2]")
@example('{"a" 1}')
@example("nul]")
@example("-")
@example('"\x00')
def test_any_text_at_all_has_a_value_or_none(text):
    parser, before = PartialJSON(), None
    for char in text:
        parser.feed(char)
        assert grew(before, parser.value)
        before = parser.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1, b: 2}', {"a": 1}),
        ('{"a": 1,}', {"a": 1}),
        ("[1, 2, NaN, 3]", [1, 2]),
        ("[01]", []),
        ("[1, .5]", [1]),
        ('["a\nb"]', ["a"]),
        ('["a\\x"]', ["a"]),
        ('["\\uZZZZ"]', [""]),
        ("{]", {}),
        ("[}", []),
        ("[1 2]", [1]),
        ('{"a" 1}', {}),
        ("Sure! {}", None),
    ],
)
def test_text_that_is_no_json_ends_the_reading(text, value):
    assert read(text + "    ") == value
    assert read(*text, "  ", '"more"') == value


def test_a_value_that_was_read_does_not_change_later():
    parser = PartialJSON()
    parser.feed('[{"a": [1, ')
    early = parser.value
    parser.feed('2], "b": "x')
    assert early == [{"a": [1]}]
    assert parser.value == [{"a": [1, 2], "b": "x"}]


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "1" * 100_000 + " ", "[" + "1" * 100_000, "`" * 100_000]
)
def test_hostile_text_ends_the_reading(text):
    parser = PartialJSON()
    for position in range(0, len(text), 1000):
        parser.feed(text[position : position + 1000])
    assert len(json.dumps(parser.value)) < 1000


def test_a_hundred_levels_are_read():
    assert json.dumps(read("[" * 100 + "]" * 100)) == "[" * 100 + "]" * 100


def seconds(text, read_value):
    """CPU seconds to read `text` in pieces of four characters."""
    parser = PartialJSON()
    began = time.process_time()
    for position in range(0, len(text), 4):
        parser.feed(text[position : position + 4])
        if read_value:
            _ = parser.value
    return time.process_time() - began


@pytest.mark.slow
@pytest.mark.parametrize("read_value", [False, True])
def test_twice_the_text_takes_twice_the_time(read_value):
    def text(size):
        return json.dumps([{"name": "a name of some length", "tags": ["x", "y"], "size": n} for n in range(size)])

    # A square would be four times: no busy machine makes all of seven measurements that.
    assert min(seconds(text(1000), read_value) / seconds(text(500), read_value) for _ in range(7)) < 3
