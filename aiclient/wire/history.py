"""What a conversation may lose on its way to another service, which is a warning, never silence.

That is what parts carry of another vendor (the sources of a text, small data such as signatures), and media of earlier turns
that the service has no place for. What is asked now must arrive: an answer to a question without its picture would be worse
than the error, which a fallback may act on. Thinking, and content of unknown kinds, are parts of their own: the codecs drop
those where they meet them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..messages import Message, Part, RefusalPart, TextPart, ToolCall, ToolResultPart
from .notes import Notes

__all__ = ["MINTED", "note_foreign", "past"]

MINTED: Final = "mintedId"
"""Marks, in a tool call's own data, that its id was made here: the service never saw it and does not get it."""

_OURS: Final = frozenset({MINTED})
"""Marks of this library, which are nobody's loss."""


def note_foreign(messages: Sequence[Message], origin: str, notes: Notes) -> None:
    """Note what will not be sent to the service of `origin`, once for each vendor and kind.

    Raises:
        UnsupportedFeatureError: The request is strict.
    """
    for message in messages:
        for part in message.parts:
            _note(part, origin, notes)


def past(messages: Sequence[Message]) -> int:
    """Return how many messages belong to turns that were answered: all up to the last answer that something follows."""
    end = len(messages)
    while end and messages[end - 1].role == "assistant":  # the beginning of an answer that the model is to continue
        end -= 1
    while end and messages[end - 1].role != "assistant":
        end -= 1
    return end


def _note(part: Part, origin: str, notes: Notes) -> None:
    if not isinstance(part, (TextPart, RefusalPart, ToolCall, ToolResultPart)):
        return
    if isinstance(part, ToolResultPart):
        for inner in part.content:
            _note(inner, origin, notes)
    if part.origin == origin:
        return
    whose = part.origin or "elsewhere"
    if isinstance(part, TextPart) and part.citations:
        notes.add("dropped_content", f"citations from {whose} were left out: {origin} cannot take them", "messages")
    if part.provider_data and not part.provider_data.keys() <= _OURS:
        notes.add(
            "dropped_content",
            f"opaque data from {whose} on {part.tag} parts was left out: {origin} cannot take it",
            "messages",
        )
