"""Ids of tool calls in the form that a service takes, whoever minted them."""

from __future__ import annotations

import re
import sys

__all__ = ["ToolIds"]


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

    def of_call(self, id_: str) -> str:
        """Return the id for a call: services that mint ids by number use the same ones in every turn."""
        first = fitting = self._fitting(id_)
        number = 1
        while fitting in self._given:
            number += 1
            end = f"_{number}"
            fitting = first[: self._longest - len(end)] + end
        self._given.add(fitting)
        self._now[id_] = fitting
        return fitting

    def of_result(self, id_: str) -> str:
        """Return the id of the latest call that came with `id_`."""
        return self._now.get(id_) or self._fitting(id_)

    def _fitting(self, id_: str) -> str:
        return self._foreign.sub("_", id_)[: self._longest] or "call"
