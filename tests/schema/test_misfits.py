"""JSON out of an answer's text, and the words for what is wrong with it."""

from __future__ import annotations

import pytest

from aiclient.schema.misfits import Unfit, choices, kind_of, parsed, shown


@pytest.mark.parametrize("text", ['{"a": 1}', ' \n{"a": 1}\n', '```json\n{"a": 1}\n```', 'Here:\n~~~\n{"a": 1}\n~~~'])
def test_json_is_read_alone_and_out_of_one_fenced_block(text):
    assert parsed(text) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the answer is empty, and JSON was expected"),
        (" \n", "the answer is empty, and JSON was expected"),
        ("Sure! {}", "the answer is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ('{"secret": 1, "secret": 2}', "the answer is not JSON: an object holds a key twice"),
        ("[NaN]", "the answer is not JSON: NaN is not JSON"),
        ("[" * 200_000, "the answer is not JSON: it is nested too deeply"),
    ],
    ids=["empty", "blank", "words", "twice", "nan", "deep"],
)
def test_what_is_not_json_is_said_without_quoting_it(text, problem):
    with pytest.raises(Unfit) as found:
        parsed(text)
    assert found.value.lines == (problem,)


def test_a_number_of_more_digits_than_python_reads_is_no_crash():
    with pytest.raises(Unfit) as found:
        parsed("9" * 5000)
    assert "is not JSON" in found.value.lines[0] and "999" not in found.value.lines[0]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"),
        (True, "a boolean"),
        (1, "a number"),
        (1.5, "a number"),
        ("", "a text"),
        ([], "an array"),
        ({}, "an object"),
    ],
)
def test_each_kind_of_value_has_its_word(value, words):
    assert kind_of(value) == words


def test_a_path_names_fields_and_positions_and_hides_the_keys_of_a_mapping():
    assert shown(()) == "$"
    assert shown(("people", 3, "scores", None)) == "$.people[3].scores.*"


def test_the_same_problem_is_told_once():
    assert Unfit([((None,), "is bad"), ((None,), "is bad"), ((), "is bad")]).lines == ("$.*: is bad", "$: is bad")


def test_a_choice_of_one_is_no_choice():
    assert (choices(["a"]), choices(["a", 1, None])) == ('"a"', 'one of "a", 1, null')
