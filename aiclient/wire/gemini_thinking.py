"""How much a Gemini model should think: a level from Gemini 3 on, a budget of tokens in Gemini 2.5.

"Gemini thinking", ai.google.dev/gemini-api/docs/thinking, and "Thinking" and the models' own pages, docs.cloud.google.com
(excerpts on Gemini 3, 2026-11): levels and budgets exclude each other; a budget is still taken from Gemini 3 on. Thoughts are
shown as soon as thinking is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ..request import Reasoning
from .efforts import effort_word, taking
from .notes import Notes

__all__ = ["encode_thinking"]

Json = dict[str, Any]

_NAME: Final = re.compile(r"gemini-(?P<version>\d+(?:\.\d+)?)(?:-(?P<kind>pro|flash-lite|flash)\b)?")

_BUDGETS: Final = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
"""Efforts as budgets: Google's own table ("OpenAI compatibility", ai.google.dev/gemini-api/docs/openai); unseen since."""

_RANGES: Final = {"pro": (128, 32768), "flash": (0, 24576), "flash-lite": (512, 24576)}
"""Budgets that the models of Gemini 2.5 take; Flash-Lite takes none at all besides, Pro always thinks. Flash's was
announced with the model; the others were not seen on a page of Google's in 2026-11."""

_ALL: Final = taking("minimal", "low", "medium", "high")
_MOST: Final = taking("low", "medium", "high")
_PRO_3: Final = taking("low", "high")


def encode_thinking(wanted: Reasoning, model: str, notes: Notes, *, older: bool) -> Json:
    """Return the thinking config.

    Args:
        wanted: What the request asks for.
        model: Its name; of a later one than is known here the levels are taken that all later ones have.
        notes: Takes what had to be rounded.
        older: Whether the model is of Gemini 1 or 2.
    """
    found = _NAME.search(model)
    kind, version = (found["kind"] or "", float(found["version"])) if found is not None else ("", 0.0)
    if older:
        if version < 2.5:
            notes.add("unsupported_setting", f"{model} cannot be told how much to think; it was left out", "reasoning")
            return {}
        return _budget(_asked(wanted, model, notes), kind, model, wanted, notes)
    if wanted.budget_tokens:
        return {"thinkingBudget": wanted.budget_tokens, "includeThoughts": True}
    word = effort_word(wanted, _levels(kind, version), model, notes)
    shown = {} if wanted.effort == "none" or wanted.budget_tokens == 0 else {"includeThoughts": True}
    return {"thinkingLevel": word.upper(), **shown}


def _levels(kind: str, version: float) -> Mapping[str, str]:
    """Return the levels that a model takes.

    Flash up to 3.6 and Flash-Lite take all four, 3.1 Pro and 3.7 Flash no MINIMAL, 3 Pro neither that nor MEDIUM.
    """
    if kind == "pro":
        return _PRO_3 if version == 3 else _MOST
    return _ALL if kind == "flash-lite" or (kind == "flash" and version < 3.7) else _MOST


def _asked(wanted: Reasoning, model: str, notes: Notes) -> int:
    if wanted.budget_tokens is not None:
        return wanted.budget_tokens
    effort = wanted.effort or "none"
    if effort in ("xhigh", "max"):
        notes.add("rounded_setting", f"{model} has no effort {effort!r}; 'high' was asked for", "reasoning.effort")
        effort = "high"
    return _BUDGETS.get(effort, 0)


def _budget(budget: int, kind: str, model: str, wanted: Reasoning, notes: Notes) -> Json:
    """Return the nearest budget that a model of Gemini 2.5 takes."""
    least, most = _RANGES.get(kind, (0, 24576))
    fitting = 0 if budget == 0 and kind != "pro" else min(max(budget, least), most)
    if fitting != budget:
        setting = "reasoning.effort" if wanted.effort is not None else "reasoning.budget_tokens"
        notes.add("rounded_setting", f"{model} thinks with {least} to {most} tokens; {fitting} was asked for", setting)
    return {"thinkingBudget": fitting, **({"includeThoughts": True} if budget else {})}
