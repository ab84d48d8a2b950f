"""JSON that is still being written: its value so far, at every moment, in time that grows with the text alone.

    parser = PartialJSON()
    parser.feed('{"name": "Bo')       # parser.value == {"name": "Bo"}
    parser.feed('nn", "size": 3')     # parser.value == {"name": "Bonn"}; the number may go on

What is shown is never taken back, except that a text grows: a number, a word or a key is shown when it is complete.
"""

from __future__ import annotations

import re
from typing import Any, Final

__all__ = ["PartialJSON"]

_BLANK: Final = re.compile(r"[ \t\n\r]*")
_FENCE: Final = re.compile(r"\s*(?:```|~~~)[^\n]*\n")
_FENCE_BEGUN: Final = re.compile(r"\s*(?:`{1,2}|~{1,2}|(?:```|~~~)[^\n]*)?")
_RUN: Final = re.compile(r'[^"\\\x00-\x1f]+')
_SCALAR: Final = re.compile(r"[-+.0-9A-Za-z]+")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
_WORDS: Final = {"true": True, "false": False, "null": None}
_ESCAPES: Final = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_HEX: Final = re.compile(r"[0-9a-fA-F]{4}")
_SECOND: Final = re.compile(r"\\u([0-9a-fA-F]{4})")
_DEEPEST: Final = 100
"""Containers inside each other; what goes deeper is no answer to a question."""
_LONGEST: Final = 400
"""Characters of a number or a word."""

_PUT: Final = object()  # no text is open


class _BrokenError(Exception):
    """The text is no JSON from here on."""


class PartialJSON:
    """Reads JSON piece by piece; text that is no JSON ends the reading, and the value stays what it was.

    One fence before it (three backticks and a word) is skipped, and whatever follows the value is ignored.
    """

    __slots__ = ("_containers", "_done", "_expects", "_keys", "_root", "_tail", "_text")

    def __init__(self) -> None:
        self._root: Any = None
        self._containers: list[Any] = []  # the open ones, outermost first, each already in the one before
        self._keys: list[str] = []  # of each open container, the key whose value comes; "" in a list
        self._text: list[str] | None = None  # pieces of the text that is open
        self._expects = "start"
        self._tail = ""  # the beginning of something that cannot be told yet; short
        self._done = False

    def feed(self, text: str) -> None:
        """Read on; never raises."""
        if self._done:
            return
        data = self._tail + text
        try:
            position = self._read(data)
        except _BrokenError:
            self._done, self._tail = True, ""
            return
        self._tail = data[position:]
        if len(self._tail) > _LONGEST:
            self._done, self._tail = True, ""

    @property
    def value(self) -> Any:
        """What there is so far, unchanged by what is read later; None before anything came.

        Costs what the open lists, objects and text hold themselves, not what is complete inside them.
        """
        open_text = "".join(self._text) if self._text is not None and self._expects == "value" else _PUT
        if not self._containers:
            return self._root if open_text is _PUT else open_text
        copies = [container.copy() for container in self._containers]
        for outer, inner, key in zip(copies, copies[1:], self._keys, strict=False):
            if isinstance(outer, list):
                outer[-1] = inner
            else:
                outer[key] = inner
        if open_text is not _PUT:
            self._add(copies[-1], open_text)
        return copies[0]

    # --- one step after the other ---

    def _read(self, data: str) -> int:
        position = self._begin(data) if self._expects == "start" else 0
        while position < len(data) and not self._done:
            if self._text is not None:
                after = self._in_text(data, position)
            else:
                position = _BLANK.match(data, position).end()  # type: ignore[union-attr]  # it matches nothing too
                if position == len(data):
                    break
                after = self._step(data, position)
            if after == position:  # more is needed to tell what this is
                break
            position = after
        return position

    def _begin(self, data: str) -> int:
        """Skip the fence before the value, once it is whole."""
        if found := _FENCE.match(data):
            self._expects = "value"
            return found.end()
        if _FENCE_BEGUN.fullmatch(data):
            return 0 if data.strip() else len(data)
        self._expects = "value"
        return 0

    def _step(self, data: str, position: int) -> int:
        char = data[position]
        match self._expects, char:
            case (("value" | "value or end" | "key" | "key or end"), '"'):
                self._text = []
                self._expects = "key" if self._expects.startswith("key") else "value"
            case (("value" | "value or end"), "{" | "["):
                self._open({} if char == "{" else [])
            case (("value or end" | "comma or end"), "]") if self._in_list:
                self._close()
            case (("key or end" | "comma or end"), "}") if not self._in_list:
                self._close()
            case "comma or end", ",":
                self._expects = "value" if self._in_list else "key"
            case "colon", ":":
                self._expects = "value"
            case (("value" | "value or end"), _):
                return self._scalar(data, position)
            case _:
                raise _BrokenError
        return position + 1

    @property
    def _in_list(self) -> bool:
        return isinstance(self._containers[-1], list)

    def _scalar(self, data: str, position: int) -> int:
        """Read a number or a word, which is complete when something else follows."""
        found = _SCALAR.match(data, position)
        if found is None:
            raise _BrokenError
        if found.end() == len(data):
            return position
        self._put(_scalar(found[0]))
        return found.end()

    def _in_text(self, data: str, position: int) -> int:
        pieces = self._text
        assert pieces is not None
        if run := _RUN.match(data, position):
            pieces.append(run[0])
            return run.end()
        if data[position] == '"':
            self._end_text("".join(pieces))
            return position + 1
        if data[position] != "\\":
            raise _BrokenError  # a control character
        char, length = _escape(data, position)
        if length:
            pieces.append(char)
        return position + length

    def _end_text(self, text: str) -> None:
        self._text = None
        if self._expects == "key":
            self._keys[-1] = text
            self._expects = "colon"
        else:
            self._put(text)

    def _open(self, container: Any) -> None:
        if len(self._containers) == _DEEPEST:
            raise _BrokenError
        if self._containers:
            self._add(self._containers[-1], container)
        else:
            self._root = container
        self._containers.append(container)
        self._keys.append("")
        self._expects = "value or end" if isinstance(container, list) else "key or end"

    def _close(self) -> None:
        self._containers.pop()
        self._keys.pop()
        self._settle()

    def _put(self, value: Any) -> None:
        if self._containers:
            self._add(self._containers[-1], value)
        else:
            self._root = value
        self._settle()

    def _add(self, container: Any, value: Any) -> None:
        if isinstance(container, list):
            container.append(value)
        else:
            container[self._keys[-1]] = value

    def _settle(self) -> None:
        self._expects = "comma or end"
        self._done = not self._containers


def _scalar(word: str) -> Any:
    if word in _WORDS:
        return _WORDS[word]
    found = _NUMBER.fullmatch(word)
    if found is None or len(word) > _LONGEST:
        raise _BrokenError
    return int(word) if found[1] is None and found[2] is None else float(word)


def _escape(data: str, position: int) -> tuple[str, int]:
    """Return the character that an escape stands for and the length of the escape; 0 while it is not whole."""
    letter = data[position + 1 : position + 2]
    if letter != "u":
        if letter and letter not in _ESCAPES:
            raise _BrokenError
        return _ESCAPES.get(letter, ""), 2 if letter else 0
    digits = data[position + 2 : position + 6]
    if not _HEX.fullmatch(digits):
        if len(digits) == 4 or not re.fullmatch(r"[0-9a-fA-F]*", digits):
            raise _BrokenError
        return "", 0
    code = int(digits, 16)
    if not 0xD800 <= code < 0xDC00:
        return chr(code), 6
    # The first half of a character: the second half follows, or it stands alone.
    rest = data[position + 6 : position + 12]
    if len(rest) < 6 and r"\u".startswith(rest[:2]):
        return "", 0
    second = _SECOND.fullmatch(rest)
    low = int(second[1], 16) if second else 0
    if 0xDC00 <= low < 0xE000:
        return chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)), 12
    return chr(code), 6
