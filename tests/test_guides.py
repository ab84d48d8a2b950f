"""Pages that speak of the whole: what they name is there, and what there is they name."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")


def test_the_files_that_the_page_on_architecture_names_are_there():
    named = set(re.findall(r"(?<![\w/])((?:\w+/)*\w+(?:\.py|/))(?![\w.])", ARCHITECTURE))
    places = (ROOT, ROOT / "aiclient")
    assert len(named) > 40
    assert [name for name in sorted(named) if not any((place / name).exists() for place in places)] == []
