"""Tables with borders for a person at a terminal, where `rich` is installed."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from .terminal import escaped, put_drawn

__all__ = ["drawn"]

STYLES: Final[Mapping[str, str]] = {"FAILED": "bold red", "DOWN": "bold red", "ok?": "yellow", "ok": "green"}
"""Cells that the eye looks for; `NO_COLOR` takes the colours away, and rich sees to it."""


def drawn(head: Sequence[str], rows: Iterable[Sequence[object]], *, right: Collection[str] = ()) -> bool:
    """Draw a table on standard output, or do nothing and return False: there the caller prints plain text.

    It is drawn on a terminal that moves its cursor, if `rich` is installed; a pipe or a file always gets the plain text.

    Args:
        head: What stands above the columns.
        rows: Their cells. None is a dash; text from elsewhere loses its control characters, and its marks are no markup.
        right: Columns of numbers.
    """
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return False
    try:
        rich: Any = {name: importlib.import_module(f"rich.{name}") for name in ("box", "console", "table", "text")}
    except ImportError:
        return False
    table = rich["table"].Table(box=rich["box"].SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in head:
        table.add_column(escaped(name), justify="right" if name in right else "left")
    for row in rows:
        cells = ["-" if cell is None else escaped(str(cell)) for cell in row]
        table.add_row(*(rich["text"].Text(cell, style=STYLES.get(cell, "")) for cell in cells))
    console = rich["console"].Console(file=sys.stdout)
    with console.capture() as picture:
        console.print(table)
    put_drawn(picture.get())
    return True
