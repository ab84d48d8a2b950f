"""Docstrings in the three common forms, and in none."""

from __future__ import annotations

import pytest

from aiclient.schema.docstrings import parameters_of, summary_of

GOOGLE = """Look a word up.

    In all books.

    Args:
        word (str): The word,
            in lower case.
        *books: Where to look.

        limit: At most so many; note: not more.
    Returns:
        found: The places.
    """
SPHINX = """Look a word up.

    In all books.

    :param str word: The word,
        in lower case.
    :param limit: At most so many; note: not more.
    :type limit: int
    :arg books: Where to look.
    :returns: The places.
    """
NUMPY = """Look a word up.

    In all books.

    Parameters
    ----------
    word : str
        The word,
        in lower case.
    books, shelves : list of str, optional
        Where to look.
    limit
        At most so many; note: not more.

    Returns
    -------
    found : list
        The places.
    """
SAID = {"word": "The word, in lower case.", "books": "Where to look.", "limit": "At most so many; note: not more."}


@pytest.mark.parametrize("docstring", [GOOGLE, SPHINX, NUMPY], ids=["google", "sphinx", "numpy"])
def test_each_form_tells_of_the_parameters_and_of_the_function(docstring):
    found = parameters_of(docstring)
    assert {name: found[name] for name in SAID} == SAID
    assert summary_of(docstring) == "Look a word up.\n\nIn all books."
    assert "found" not in found


def test_two_names_of_one_entry_share_their_words():
    assert parameters_of(NUMPY)["shelves"] == "Where to look."


@pytest.mark.parametrize(
    "docstring",
    [
        None,
        "",
        "Args:",
        "Args:\n",
        "Just text with args: none.",
        "Parameters\n",
        "Args:\n    word:\n",
        "Look:\n    up: down.",
    ],
)
def test_a_docstring_without_parameters_has_none(docstring):
    assert parameters_of(docstring) == {}


@pytest.mark.parametrize(("docstring", "text"), [(None, ""), ("Args:\n    x: y", ""), ("One.\n\nTwo.", "One.\n\nTwo.")])
def test_the_text_before_the_first_section_is_the_summary(docstring, text):
    assert summary_of(docstring) == text
