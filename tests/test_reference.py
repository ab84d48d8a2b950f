"""The reference of the API: every public name has its place in docs/api. That it can be built is seen by `.ci/run`."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[1] / "docs" / "api").glob("*.rst"))
PACKAGES = ["aiclient", "aiclient.config", "aiclient.middleware", "aiclient.providers", "aiclient.testutil"]
DIRECTIVE = re.compile(
    r"^\.\. (?:(currentmodule)|auto(?:class|exception|function|data|method))::\s+(\S+)$", re.MULTILINE
)


def described():
    """The full names that the pages describe, each as often as they do."""
    names = []
    for page in PAGES:
        module = ""
        for is_module, word in DIRECTIVE.findall(page.read_text("utf-8")):
            module = word if is_module else module
            names += [] if is_module else [f"{module}.{word}"]
    return names


NAMES = described()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_described(package):
    public = {*importlib.import_module(package).__all__, *({"TimeoutError"} if package == "aiclient" else ())}
    assert {f"{package}.{name}" for name in public} - set(NAMES) == set()


def test_no_name_is_described_twice():
    assert [name for name in NAMES if NAMES.count(name) > 1] == []


def test_what_is_described_is_there():
    places = [name.rpartition(".") for name in NAMES]
    assert [word for module, _, word in places if not hasattr(importlib.import_module(module), word)] == []


def test_every_page_stands_in_the_index_of_the_reference():
    index = next(page for page in PAGES if page.stem == "index").read_text("utf-8")
    assert sorted(re.findall(r"^   (\w+)$", index, re.MULTILINE)) == [
        page.stem for page in PAGES if page.stem != "index"
    ]
