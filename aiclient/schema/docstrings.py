"""What a docstring says of a function and of each parameter, in the forms of Google, Sphinx and NumPy."""

from __future__ import annotations

import inspect
import re
from typing import Final

__all__ = ["parameters_of", "summary_of"]

_TITLE: Final = re.compile(
    r"(?:Args|Arguments|Parameters|Params|Keyword Args|Keyword Arguments|Other Parameters|Attributes|Returns?|Yields?|Raises|"
    r"Examples?|Notes?|Warns|Warnings?|See Also|References|Todo):?\s*$"
)
_OF_PARAMETERS: Final = ("arg", "param", "keyword", "other", "attribute")
_SPHINX: Final = re.compile(
    r":(?:param|parameter|arg|argument|key|keyword|ivar|var)\s+(?:[^:]*\s)?\*{0,2}(\w+)\s*:\s*(.*)$"
)
_FIELD: Final = re.compile(r":\w[^:]*:")
_GOOGLE: Final = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")
_NUMPY: Final = re.compile(r"((?:\*{0,2}\w+)(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?$")


def summary_of(docstring: str | None) -> str:
    """Return the text before the first section; `""` when there is none.

    Example:
        >>> summary_of("Look a word up.\\n\\nIn all books.\\n\\nArgs:\\n    word: The word.")
        'Look a word up.\\n\\nIn all books.'
    """
    lines = inspect.cleandoc(docstring or "").splitlines()
    end = next(
        (index for index in range(len(lines)) if _is_title(lines, index) or _FIELD.match(lines[index])), len(lines)
    )
    return "\n".join(lines[:end]).strip()


def parameters_of(docstring: str | None) -> dict[str, str]:
    """Return what is said of each parameter, on one line each.

    Example:
        >>> parameters_of("Look up.\\n\\n:param word: The word,\\n    in lower case.")
        {'word': 'The word, in lower case.'}
    """
    lines = inspect.cleandoc(docstring or "").splitlines()
    found: dict[str, list[str]] = {}
    index = 0
    while index < len(lines):
        if sphinx := _SPHINX.match(lines[index]):
            index = _taken(lines, index + 1, found.setdefault(sphinx[1], [sphinx[2]]))
        elif _is_title(lines, index) and lines[index].lower().startswith(_OF_PARAMETERS):
            underlined = _is_underlined(lines, index)
            index = _section(lines, index + 1 + underlined, found, numpy=underlined)
        else:
            index += 1
    return {name: " ".join(" ".join(texts).split()) for name, texts in found.items() if any(map(str.strip, texts))}


def _is_underlined(lines: list[str], index: int) -> bool:
    return index + 1 < len(lines) and re.fullmatch(r"-{3,}\s*", lines[index + 1]) is not None


def _is_title(lines: list[str], index: int) -> bool:
    """Whether a section begins: a known word with a colon, or underlined."""
    line = lines[index]
    return _TITLE.match(line) is not None and (line.rstrip().endswith(":") or _is_underlined(lines, index))


def _taken(lines: list[str], index: int, texts: list[str]) -> int:
    """Collect the lines that are indented further, and return the index of the first that is not."""
    while index < len(lines) and (lines[index].startswith((" ", "\t")) and lines[index].strip()):
        texts.append(lines[index])
        index += 1
    return index


def _section(lines: list[str], index: int, found: dict[str, list[str]], *, numpy: bool) -> int:
    """Read the entries of one section, and return the index of the line after it."""
    width = _indent(lines[index]) if index < len(lines) and not numpy else 0
    current: list[str] = []
    while index < len(lines):
        line = lines[index]
        if line.strip():
            indent = _indent(line)
            if _is_title(lines, index) or (not numpy and indent < width) or (not numpy and width == 0):
                break
            entry = (_NUMPY if numpy else _GOOGLE).match(line.strip()) if indent == width else None
            if entry:
                current = []
                for name in re.findall(r"\w+", entry[1]):
                    found.setdefault(name, current)
                current.extend([] if numpy else [entry[2]])
            else:
                current.append(line)
        index += 1
    return index


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
