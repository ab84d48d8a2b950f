"""Pages that speak of the whole: what they name is there, and what there is they name."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from aiclient import Layer, middleware

ROOT = Path(__file__).parents[1]
INDEX = dict(
    re.findall(
        r"^\| `(\w+)` \| .* \| \[.*\]\((.*)\) \|$", (ROOT / "docs/middleware.md").read_text("utf-8"), re.MULTILINE
    )
)
PUBLIC = {name: getattr(middleware, name) for name in middleware.__all__}
LAYERS = {name: kind for name, kind in PUBLIC.items() if inspect.isclass(kind) and issubclass(kind, Layer)}
FACTS = ["a call", "a stream", "embeddings", "where it stands", "what can go wrong", "when cancelled"]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")


def test_the_files_that_the_page_on_architecture_names_are_there():
    named = set(re.findall(r"(?<![\w/])((?:\w+/)*\w+(?:\.py|/))(?![\w.])", ARCHITECTURE))
    places = (ROOT, ROOT / "aiclient")
    assert len(named) > 40
    assert [name for name in sorted(named) if not any((place / name).exists() for place in places)] == []


def test_the_index_of_middleware_names_every_layer():
    assert set(INDEX) == set(LAYERS)


def table(name, header):
    """The first two cells of the rows below `header` on the page of that layer; none if it has no such table."""
    lines = (ROOT / "docs" / INDEX[name]).read_text("utf-8").partition(header)[2].partition("\n\n")[0].splitlines()[2:]
    return [tuple(cell.strip(" `") for cell in line.split("|")[1:3]) for line in lines]


@pytest.mark.parametrize("name", LAYERS)
def test_the_page_of_a_layer_says_what_it_does_and_how_it_fails(name):
    assert [fact for fact, told in table(name, f"| `{name}` | |") if told] == FACTS


@pytest.mark.parametrize("name", LAYERS)
def test_the_page_of_a_layer_has_its_options_with_their_defaults(name):
    assert table(name, f"| option of `{name}` | default | what it is |") == [
        (option.name, default(option)) for option in inspect.signature(LAYERS[name]).parameters.values()
    ]


def default(option):
    if option.kind is option.VAR_POSITIONAL:
        return "none" if option.name == "limits" else "required"
    if option.kind is option.VAR_KEYWORD:
        return "none"
    if callable(option.default):
        return "required" if option.default is option.empty else option.default.__name__
    return repr(option.default)
