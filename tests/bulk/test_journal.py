"""The file of results: whole lines, a torn one repaired, somebody else's file left alone."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient import ConfigError, StoreError
from aiclient.bulk.journal import Journal, Keys, key_of

A, B = key_of("a"), key_of("b")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out.jsonl"


@pytest.fixture
def two(path):
    """A journal of two results, the second a failure."""
    with Journal(path) as journal:
        journal.append(A, {"id": 1, "cost": "0.5"})
        journal.append(B, {"id": 2, "error": {}})
    return path


def keys(path):
    return [found.key for found in Journal.read(path)]


def test_what_was_appended_is_found(two):
    found = list(Journal.read(two))
    assert [(one.key, one.failed, str(one.usd)) for one in found] == [(A, False, "0.5"), (B, True, "0")]
    with Journal(two) as journal:
        assert journal.at(found[1].offset)["id"] == 2


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_torn_last_line_is_cut_off_wherever_it_was_torn(two, cut):
    whole = two.read_bytes()
    two.write_bytes(whole + (b'{"key": "%s", "id": "%s"}' % (B.encode(), b"x" * 20))[:cut])
    assert keys(two) == [A, B]
    with Journal(two) as journal:
        journal.append(A, {})
    assert keys(two) == [A, B, A]


def test_a_last_line_that_lacks_only_its_end_is_kept(two):
    two.write_bytes(two.read_bytes()[:-1])
    with Journal(two) as journal:
        assert [found.key for found in journal.found()] == [A, B]
        journal.append(A, {})
    assert keys(two) == [A, B, A]


@pytest.mark.parametrize(
    "text",
    [
        *("my notes", "my notes\n", "{}\n", '{"key": "x"}\n', "[1]\ntorn", '{"key": "zz"}\n{"ke'),
        *('{"key": "-5"}\n', '{"key": "%s"}\n' % ("f" * 40), '{"key": "f", "a": %s}\n' % ("[" * 100_000)),
        *(f'{{"key": "f", "cost": {cost}}}\n' for cost in ('"NaN"', '"-5"', '"1e400000000000"', "0.1", "true")),
    ],
    ids=str.split,
)
def test_a_file_of_somebody_else_is_left_as_it_is(path, text):
    path.write_text(text)
    with pytest.raises(ConfigError, match="something else"), Journal(path) as journal:
        list(journal.found())
    assert path.read_text() == text


def test_a_line_that_is_longer_than_a_block_is_repaired_too(path):
    with Journal(path) as journal:
        journal.append(A, {"content": "x" * 200_000})
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:-10])
    with Journal(path):
        pass
    assert path.read_bytes() == whole


def test_two_processes_do_not_write_one_file(path):
    pytest.importorskip("fcntl", reason="Windows has no such locks")
    with Journal(path), pytest.raises(ConfigError, match="another process is writing it"):
        Journal(path)
    with Journal(path):
        pass


def test_a_folder_that_is_not_there_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match="cannot be written"):
        Journal(tmp_path / "no" / "out.jsonl")


def test_failures_are_taken_out_and_the_rest_stays(two):
    with Journal(two) as journal:
        journal.drop_failed()
        journal.append(B, {})
    assert keys(two) == [A, B]
    assert os.listdir(two.parent) == [two.name]


def test_taking_failures_out_of_somebody_elses_file_changes_nothing(two):
    two.write_text(text := two.read_text() + "notes\n")
    with Journal(two) as journal, pytest.raises(ConfigError, match="line 3"):
        journal.drop_failed()
    assert two.read_text() == text
    assert os.listdir(two.parent) == [two.name]


def test_a_disk_that_is_full_is_a_typed_error_and_leaves_no_half_line(two):
    resource = pytest.importorskip("resource", reason="Windows has no such limits")
    whole, limits = two.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(two) as journal:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 20, limits[1]))
        try:
            with pytest.raises(StoreError, match="could not be written"):
                journal.append(A, {"content": "x" * 100})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert two.read_bytes() == whole
        journal.append(A, {})
    assert keys(two) == [A, B, A]


def test_a_device_is_no_file_of_results():
    with pytest.raises(ConfigError, match="it is no file"):
        Journal(os.devnull)


@given(
    st.lists(st.sampled_from([key_of(n) for n in range(5)])), st.lists(st.sampled_from([key_of(n) for n in range(6)]))
)
def test_each_key_can_be_taken_as_often_as_it_is_there(there, asked):
    kept, left = Keys(iter(there)), Counter(there)
    for key in asked:
        assert kept.take(key) == (left[key] > 0)
        left[key] -= left[key] > 0
    assert len(kept) == left.total()


def test_a_key_does_not_depend_on_how_a_value_is_written():
    assert key_of({"a": 1, "b": [2]}) == key_of({"b": [2], "a": 1}) != key_of({"a": 1, "b": [3]})
