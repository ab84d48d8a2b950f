"""JSON as models write it, read strictly: what a decoder would pass over in silence is an error that names it.

Wires decode what services send (`wire.jsons`); this reads what a model wrote into a text or into a tool call's arguments.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn

__all__ = ["answer", "read"]

_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
"""The line that begins or ends a fenced block in Markdown (CommonMark 0.31, section 4.5)."""


def read(text: str) -> Any:
    """Return the value that `text` holds, and nothing besides.

    Raises:
        ValueError: It is not JSON, or holds a key twice, NaN, an infinite number, an integer of over 4,300 digits, or
            thousands of nested lists; the message says which, in words that a model can act on.
    """
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refused, parse_float=_finite, parse_int=_whole
        )
    except RecursionError:
        pass
    raise ValueError("it is nested too deeply")


def answer(text: str) -> Any:
    """Return the value that an answer holds: the whole text, else the one fenced block in it.

    Raises:
        ValueError: As `read`; or the text holds no fenced block, or several.
    """
    try:
        return read(text)
    except ValueError as error:
        problem = str(error)
    blocks = _blocks(text)
    if len(blocks) == 1:
        return read(blocks[0])
    raise ValueError(f"it holds {len(blocks)} fenced blocks, and which one is meant is a guess" if blocks else problem)


def _blocks(text: str) -> list[str]:
    """Return what stands between fences; a block that is not closed reaches to the end of the text."""
    blocks: list[list[str]] = []
    fence = ""
    for line in text.split("\n"):  # splitlines would also split at U+2028, which JSON allows in a text
        found = _FENCE.match(line)
        if fence:
            if found and found[1].startswith(fence) and not line[found.end() :].strip():
                fence = ""
            else:
                blocks[-1].append(line)
        elif found:
            fence = found[1]
            blocks.append([])
    return ["\n".join(lines) for lines in blocks]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key given twice: which of the two values the model meant is a guess."""
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise ValueError(f"the key {name[:40]!r} is given twice")
        seen.add(name)
    raise AssertionError  # pragma: no cover  # fewer keys than pairs: one came twice


def _refused(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError("a number is too large")
    return value


def _whole(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:  # Python converts no more than that: the time grows with the square
        pass
    raise ValueError("an integer has too many digits")
