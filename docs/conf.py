"""How the site is built, without a network: `sphinx-build -W --keep-going -c docs . build/docs`.

The source is the whole checkout, so that links between these pages, README.md and the examples hold as they do on a code
host. The pages are plain Markdown; what Sphinx needs beyond that, the menu and marks in docstrings, is added here.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from sphinx.pycode import ModuleAnalyzer

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import aiclient  # noqa: E402  # of this checkout, by the line above
from aiclient import config, middleware, providers, testutil  # noqa: E402  # as above
from aiclient._lazy import HOMES  # noqa: E402  # as above
from aiclient.cli.arguments import make_parser  # noqa: E402  # as above

PACKAGES = (aiclient, config, middleware, providers, testutil)

project = "aiclient"
version = release = aiclient.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

root_doc = "docs/README"
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
include_patterns = ["*.md", "docs/**", "benchmarks/README.md", "examples/README.md"]
exclude_patterns = [".*", "aiclient", "build", "dist", "mutants", "tests"]

html_theme = "alabaster"
html_title = f"aiclient {release}"
html_theme_options = {
    "description": "One client for every language-model service",
    "page_width": "1100px",
    "sidebar_width": "260px",
}
html_copy_source = False
html_show_sourcelink = False
html_additional_pages = {"index": "to_the_first_page.html"}
templates_path = ["_templates"]
smartquotes = False

myst_heading_anchors = 4  # links such as errors.md#the-table
suppress_warnings = ["misc.highlighting_failure"]  # a snippet with `...` in it is no JSON, and need not be

autodoc_default_options = {"members": True, "member-order": "bysource"}
maximum_signature_line_length = 90
napoleon_numpy_docstring = False
python_use_unqualified_type_names = True
default_role = "py:obj"  # a name in backticks that is public is a link: _marked leaves only those to it

PUBLIC = {name for package in PACKAGES for name in package.__all__}
MENU = """
```{{toctree}}
:hidden:
:glob:
:caption: {caption}

{pages}
```
"""


def setup(app: Any) -> None:
    """Have this file asked for what Sphinx reads."""
    app.connect("builder-inited", _tell_where_names_live)
    app.connect("source-read", _prepare)
    app.connect("autodoc-process-docstring", _mark, priority=100)  # before napoleon
    app.connect("autodoc-process-signature", _shorten)


def _tell_where_names_live(_: Any) -> None:
    """Give a package what the sources of its lazy names say: the order of their members, and the texts below fields."""
    for package in PACKAGES:
        analyzer = ModuleAnalyzer.for_module(package.__name__)
        analyzer.analyze()
        values = [getattr(package, name) for name in package.__all__]
        for home in {HOMES[value] for value in values if callable(value) and value in HOMES}:
            source = ModuleAnalyzer.for_module(home)
            source.analyze()
            analyzer.attr_docs |= source.attr_docs
            analyzer.annotations |= source.annotations
            analyzer.tagorder |= source.tagorder


def _prepare(_: Any, page: str, source: list[str]) -> None:
    """Take links to folders out, which have no page; make the lists of the index the menu; show the help of each command."""
    folder = (ROOT / page).parent

    def plain(match: re.Match[str]) -> str:
        return match[1] if (folder / match[2]).is_dir() else match[0]

    source[0] = re.sub(r"\[([^\]]*)\]\(([\w./-]+)\)", plain, source[0])
    if page == root_doc:
        sections = [section.partition("\n") for section in source[0].split("\n## ")[1:]]
        lists = {title: re.findall(r"^- \[.*\]\((.*)\)$", text, re.MULTILINE) for title, _, text in sections}
        lists |= {"API": ["api/index"], "Project": ["/*", "/examples/README", "/benchmarks/README"]}
        source[0] += "".join(MENU.format(caption=title, pages="\n".join(pages)) for title, pages in lists.items())
    if page == "docs/api/cli":
        os.environ["COLUMNS"] = "100"  # argparse fits its help to the terminal
        source[0] += "".join(_helps(make_parser()))


def _helps(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield a section for a command, and one for each of those inside it."""
    text = parser.format_help().replace("\n", "\n    ")
    yield f"\n{parser.prog}\n{'-' * len(parser.prog)}\n\n.. code-block:: text\n\n    {text}\n"
    inside = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001  # argparse shows its commands nowhere else
    for command in dict.fromkeys(command for choices in inside for command in choices.values()):
        yield from _helps(command)


def _shorten(_app: Any, _what: str, _name: str, _value: Any, _options: Any, signature: str | None, result: str) -> Any:
    """Show `...` for defaults that have no word of their own."""
    return signature and re.sub(r"=\s*(<[^>]*>|NOTHING\b)", "=...", signature), result


def _mark(_app: Any, what: str, _name: str, _value: Any, _options: Any, lines: list[str]) -> None:
    """Mark as code what readers of a docstring see to be code: indented text, tables, and most words in backticks."""
    text = re.sub(r"(?<!`)`([^`]+)`(?!`)", _marked, "\n".join(lines))
    lines[:] = _with_code_marked(text.split("\n"))
    if what in ("attribute", "data", "property"):
        lines[:0] = ["..", ""]  # or napoleon takes what stands before the first colon for a type


def _marked(match: re.Match[str]) -> str:
    return match[0] if match[1].partition(".")[0] in PUBLIC else f"``{match[1]}``"


def _with_code_marked(lines: list[str]) -> list[str]:
    marked: list[str] = []
    last = ""  # the last line that is not empty
    for before, line in pairwise(["", *lines]):
        table = line.startswith("|")
        indented = not before and line.startswith("    ") and last[:1].strip() and not re.match(r"[*-] |\.\. ", last)
        if indented or (table and not before):
            marked += ["::", ""]
        marked.append(f"    {line.replace('`', '')}" if table else line)
        last = line or last
    return marked
