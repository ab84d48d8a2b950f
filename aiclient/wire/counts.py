"""Numbers of tokens as services report them: the one place that decides what such a number can be.

What cannot be is left out, or cut to what can be, and named in `Usage.untrusted`; answers carry a warning for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..response import NO_USAGE, Usage

__all__ = ["MOST", "Counts", "no_object"]

MOST: Final = 1_000_000_000
"""Counts from here on are not believed: it is a hundred times the longest context there is (2026-11)."""

_NOTHING: Final[Mapping[str, Any]] = {}

_WHOLES: Final = {
    "cache_write_1h_tokens": "cache_write",
    "audio_prompt_tokens": "prompt",
    "image_prompt_tokens": "prompt",
    "cached_audio_tokens": "cached",
    "audio_completion_tokens": "completion",
    "image_completion_tokens": "completion",
    "web_searches": "",
    "billed_prompt_tokens": "",
    "billed_completion_tokens": "",
}
"""What each of the counts that few services tell is a part of."""


class Counts:
    """Reads the counts of one usage object, and remembers which of our fields they spoil.

    A count is a whole number from 0 to below `MOST`; some services write it as a float (508.0).

    Args:
        raw: The usage object.
    """

    __slots__ = ("_raw", "_wrong")

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._raw = raw
        self._wrong: list[str] = []

    def get(self, name: str, *fields: str, inner: Mapping[str, Any] | None = None) -> int | None:
        """Return a count of the usage object, or of an object within it; None if it is not told, or cannot be.

        Args:
            name: What the service calls it.
            fields: Which of our counts it is, or is a part of.
            inner: The object within.
        """
        value = (self._raw if inner is None else inner).get(name)
        if type(value) is int and 0 <= value < MOST:
            return value
        if value is None:
            return None
        if type(value) is float and 0 <= value < MOST and value.is_integer():
            return int(value)
        for field in fields:
            self._doubt(field)
        return None

    def first(self, field: str, inner: Mapping[str, Any], name: str, *others: str) -> int | None:
        """Return the count that an object within tells, else the first that the usage object itself tells."""
        found = self.get(name, field, inner=inner)
        for other in others:
            if found is not None:
                break
            found = self.get(other, field)
        return found

    def within(self, name: str, field: str) -> Mapping[str, Any]:
        """Return the object that details `field`; an empty one if there is none."""
        value = self._raw.get(name)
        if isinstance(value, Mapping):
            return value
        if value:
            self._doubt(field)
        return _NOTHING

    def total(self, field: str, *parts: int | None) -> int | None:
        """Return the sum of the counts that make up `field`, the first of which must be told; None if one cannot be."""
        if parts[0] is None or field in self._wrong:
            return None
        return sum(part or 0 for part in parts)

    def usage(
        self,
        *,
        prompt: int | None,
        completion: int | None = None,
        total: int | None = None,
        cached: int | None = None,
        written: int | None = None,
        reasoning: int | None = None,
        parts: Mapping[str, int | None] = _NOTHING,
        tier: object = None,
    ) -> Usage:
        """Return the converted counts: a part is never more than its whole, and a total never less than one of its parts.

        Args:
            prompt: All that went in.
            completion: All that came out.
            total: The service's own sum.
            cached: What was read from a cache.
            written: What was written to one.
            reasoning: The thinking.
            parts: Counts that few services tell, by the name of their field in Usage.
            tier: The service's word for how the request was processed.
        """
        cached = self._part(cached, prompt, "cached_tokens")
        written = self._part(written, prompt, "cache_write_tokens")
        reasoning = self._part(reasoning, completion, "reasoning_tokens")
        wholes: dict[str, int | None] = {
            "": None,
            "prompt": prompt,
            "completion": completion,
            "cached": cached,
            "cache_write": written,
        }
        more = {
            name: self._part(count, wholes[_WHOLES[name]], name) for name, count in parts.items() if count is not None
        }
        if total is not None and total < max(prompt or 0, completion or 0):
            self._doubt("total_tokens")
            total = None  # the sum is better
        return Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=total,
            cached_tokens=cached,
            cache_write_tokens=written,
            reasoning_tokens=reasoning,
            **more,
            service_tier=tier if isinstance(tier, str) and tier else None,
            raw_usage=self._raw,
            untrusted=tuple(self._wrong),
        )

    def _part(self, part: int | None, whole: int | None, field: str) -> int | None:
        if part is None or whole is None or part <= whole:
            return part
        self._doubt(field)
        return whole

    def _doubt(self, field: str) -> None:
        if field not in self._wrong:
            self._wrong.append(field)


def no_object(raw: Any) -> Usage:
    """Return the usage for what is no usage object: nothing was told, or nonsense."""
    return Usage(untrusted=("raw_usage",)) if raw else NO_USAGE
