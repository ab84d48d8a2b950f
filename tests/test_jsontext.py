"""JSON that a model wrote: what is read, what is refused, and in which words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient import ChatResponse, Message, ResponseValidationError
from aiclient.jsontext import answer, read

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_json_writes_is_read_back(value):
    assert read(json.dumps(value)) == value


@given(VALUES, st.sampled_from(["```", "```json", "~~~", "````json", "   ```JSON"]))
def test_the_one_fenced_block_of_an_answer_is_read(value, fence):
    closing = fence.strip().rstrip("jsonJSON")
    assert answer(f"Here you are:\n\n{fence}\n{json.dumps(value, indent=1)}\n{closing}\nAnything else?") == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Expecting value"),
        ("{'a': 1}", "Expecting property name"),
        ('{"a": 1} and more', "Extra data"),
        ('{"a": 1,}', "property name enclosed in double quotes|Illegal trailing comma"),
        ('[{"a": 1, "b": 2, "a": 3}]', "the key 'a' is given twice"),
        ("[NaN]", "NaN is not JSON"),
        ("-Infinity", "-Infinity is not JSON"),
        ("1e999", "a number is too large"),
        ("9" * 5000, "too many digits"),
        ("[" * 200_000, "nested too deeply"),
    ],
)
def test_what_is_not_exactly_json_is_refused_in_words_that_help(text, words):
    with pytest.raises(ValueError, match=words):
        read(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (' {"a": 1}\n', {"a": 1}),
        ('"three ``` ticks"', "three ``` ticks"),
        ('{"code": "```py\\nx\\n```"}', {"code": "```py\nx\n```"}),
        ("```json\n[1]", [1]),
        ("Text `{}` and\n```\n{}\n```", {}),
    ],
)
def test_an_answer_is_its_text_or_its_only_block(text, value):
    assert ChatResponse(Message("assistant", text)).json() == value


@pytest.mark.parametrize(
    "text",
    [
        "````\n```json\n1\n```\n````",
        "```\n1\n```\n```\n2\n```",
        "So: {}",
        "```python\nprint(1)\n```",
    ],
)
def test_an_answer_is_never_a_guess(text):
    response = ChatResponse(Message("assistant", text), provider="p", model="m")
    with pytest.raises(ResponseValidationError, match="the answer is not JSON") as caught:
        response.json()
    assert (caught.value.provider, caught.value.model, caught.value.partial) == ("p", "m", response)


def test_an_answer_that_was_cut_says_so():
    with pytest.raises(ResponseValidationError, match="cut at its limit of tokens"):
        ChatResponse(Message("assistant", '{"a": '), finish_reason="length").json()


def test_the_error_does_not_repeat_the_text():
    with pytest.raises(ResponseValidationError) as caught:
        ChatResponse(Message("assistant", "my secret is swordfish")).json()
    assert "swordfish" not in str(caught.value)


def test_many_fences_take_time_in_proportion():
    with pytest.raises(ValueError, match="20000 fenced blocks"):
        answer("```\n1\n```\n" * 20_000)
