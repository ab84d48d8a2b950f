"""How much to think, from our words to the words and budgets that a service has; what had to be rounded is noted.

Our words are the seven that OpenAI's own protocol knows ("ReasoningEffort", the published schema, github openai/openai-openapi
f85dbe223d40, 2026-08-21).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..request import EFFORTS, Reasoning
from .notes import Notes

__all__ = ["ALL_EFFORTS", "BUDGETS", "effort_for", "effort_word", "taking"]

BUDGETS: Final = {
    "none": 0,
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16384,
    "xhigh": 24576,
    "max": 24576,
}
"""What an effort comes to where a budget is taken instead. The last two fit the shortest longest answer of the models that take
one, 32,000 tokens, with room for the answer."""


def taking(*words: str, **others: str) -> dict[str, str]:
    """Return which word of a service stands for each of ours: the nearest of those that it takes, of two the lesser.

    Whoever wants thinking gets some: `none` stands for nothing but itself. Where it is not taken, the least stands for it.

    Args:
        words: What the service takes, of our words.
        others: Where another than the nearest is meant.
    """
    place = {word: number for number, word in enumerate(EFFORTS)}
    some = [word for word in words if word != "none"]
    found = {word: min(some, key=lambda taken: (abs(place[taken] - place[word]), place[taken])) for word in EFFORTS}
    return {**found, **{word: word for word in words}, **others}


ALL_EFFORTS: Final[Mapping[str, str]] = taking(*EFFORTS)


def effort_for(budget: int) -> str:
    """Return the effort that is nearest to a budget of tokens and does not exceed `high`, which every service has."""
    if budget == 0:
        return "none"
    return next((word for word in ("low", "medium") if budget <= BUDGETS[word]), "high")


def effort_word(wanted: Reasoning, words: Mapping[str, str], name: str, notes: Notes) -> str:
    """Return the service's word for what is wanted, and note what had to be rounded.

    Args:
        wanted: An effort, or a budget, which becomes one.
        words: As `taking` returns them.
        name: What is asked: the service, or the model.
        notes: Takes what was rounded.
    """
    if wanted.effort is not None:
        word = words[wanted.effort]
        if word != wanted.effort:
            _rounded(f"{name} has no effort {wanted.effort!r}", word, "reasoning.effort", notes)
        return word
    word = words[effort_for(wanted.budget_tokens or 0)]
    if word != "none" or wanted.budget_tokens:
        _rounded(f"{name} takes no budget of thinking tokens", word, "reasoning.budget_tokens", notes)
    return word


def _rounded(reason: str, word: str, setting: str, notes: Notes) -> None:
    notes.add("rounded_setting", f"{reason}; the effort {word!r} was asked for", setting)
