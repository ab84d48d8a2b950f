"""Ids of tool calls in the form that a service takes, whoever minted them."""

from __future__ import annotations

import re
import string
import sys
from typing import Final

__all__ = ["ShortToolIds", "ToolIds"]

_LETTERS: Final = string.ascii_letters + string.digits


class ToolIds:
    """Gives the calls of one request the ids they came with, where those fit and are the only ones of their kind.

    Args:
        foreign: A character that the service does not take; each becomes `_`.
        longest: Characters of the longest id.
    """

    def __init__(self, foreign: str = r"[^a-zA-Z0-9_-]", *, longest: int = sys.maxsize) -> None:
        self._foreign = re.compile(foreign)
        self._longest = longest
        self._given: set[str] = set()
        self._now: dict[str, str] = {}
        self._waiting: dict[str, list[str]] = {}

    def of_call(self, id_: str) -> str:
        """Return the id for a call: services that mint ids by number use the same ones in every turn."""
        fitting, number = self._fitting(id_), 1
        while fitting in self._given:
            number += 1
            fitting = self._another(id_, number)
        self._given.add(fitting)
        self._now[id_] = fitting
        self._waiting.setdefault(id_, []).append(fitting)
        return fitting

    def of_result(self, id_: str) -> str:
        """Return the id of the first call that came with `id_` and has no result yet; if all have one, of the latest."""
        if waiting := self._waiting.get(id_):
            return waiting.pop(0)
        return self._now.get(id_) or self._fitting(id_)

    def _another(self, id_: str, number: int) -> str:
        end = f"_{number}"
        return self._fitting(id_)[: self._longest - len(end)] + end

    def _fitting(self, id_: str) -> str:
        return self._foreign.sub("_", id_)[: self._longest] or "call"


class ShortToolIds(ToolIds):
    """The same where ids are of one length and of letters and digits only: others become a hash, the same in every turn.

    Args:
        length: Characters of an id.
    """

    def __init__(self, length: int) -> None:
        super().__init__(longest=length)
        self._length = length

    def _another(self, id_: str, number: int) -> str:
        return self._hashed(f"{id_} {number}")

    def _fitting(self, id_: str) -> str:
        fits = len(id_) == self._length and id_.isascii() and id_.isalnum()
        return id_ if fits else self._hashed(id_)

    def _hashed(self, text: str) -> str:
        from hashlib import blake2b  # noqa: PLC0415  # it loads OpenSSL

        number = int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass")).digest(), "big")
        return "".join(_LETTERS[number // len(_LETTERS) ** place % len(_LETTERS)] for place in range(self._length))
