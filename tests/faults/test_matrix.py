"""Every row of the matrix is played here, met by a test elsewhere, or said not to be: none is forgotten, none is made up."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest

from .covered import COVERED, NOT_RUN

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

ROWS = frozenset(range(1, 131))


def numbers(tree):
    """The rows that a test module names: `Row(number=3, ...)`, `Stage(3, ...)`, a helper's first number, `@row(3, 4)`."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            named = [keyword.value for keyword in call.keywords if keyword.arg == "number"]
            first = call.args if _name(call) == "row" else call.args[:1] if _name(call) in HELPERS else []
            for value in (*named, *first):
                if isinstance(value, ast.Constant) and type(value.value) is int:
                    yield value.value


HELPERS = frozenset(
    {
        "Stage",
        "again",
        "answered",
        "asked_to_wait",
        "broken",
        "failed",
        "interrupted",
        "never_seen",
        "refused",
        "spoilt",
        "streamed",
        "survived",
        "told",
        "understood",
    }
)
"""Functions of the test modules that make a row, its number first."""


def _name(call):
    return getattr(call.func, "id", None)


PLAYED = frozenset(number for path in sorted(HERE.glob("test_*.py")) for number in numbers(ast.parse(path.read_text())))


def test_no_row_is_forgotten_and_none_is_made_up():
    assert (PLAYED | COVERED.keys() | NOT_RUN.keys()) == ROWS


def test_a_row_that_is_not_met_is_met_nowhere_and_says_why():
    assert not NOT_RUN.keys() & (PLAYED | COVERED.keys())
    assert all(reason for reason in NOT_RUN.values())


@functools.cache
def defined(path):
    return {
        node.name
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    }


@pytest.mark.parametrize("test", sorted({test for tests in COVERED.values() for test in tests}))
def test_what_covers_a_row_exists(test):
    path, _, name = test.partition("::")
    assert set(name.split("::")) <= defined(path)


@pytest.mark.parametrize("number", sorted(COVERED))
def test_a_row_that_is_covered_says_by_what(number):
    assert COVERED[number]
