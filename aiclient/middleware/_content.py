"""What was said, as short lines of text: for those who asked to see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..messages import MediaPart, Message, OpaquePart, Part, ReasoningPart, ToolCall, ToolResultPart
from ..redaction import clean

__all__ = ["prompt", "said"]


def prompt(messages: Sequence[Message], limit: int) -> list[str]:
    """Return the messages, each as `role: what it says`, together at most `limit` characters of them.

    The last ones are the most telling: what does not fit is left out from the first on, and how many that were is said.
    """
    shown: list[str] = []
    for message in reversed(messages):
        if limit < 1:
            shown.append(f"({len(messages) - len(shown)} earlier messages)")
            break
        shown.append(f"{message.role}: {said(message, limit)}")
        limit -= len(shown[-1])
    return shown[::-1]


def said(message: Message, limit: int) -> str:
    """Return what a message says: its texts, what it calls, and the kinds of what is neither; secrets are masked."""
    return clean(" ".join(piece for part in message.parts for piece in _pieces(part) if piece), limit=limit)


def _pieces(part: Part) -> Iterator[str]:
    if isinstance(part, ToolCall):
        yield f"{part.name}({part.arguments})"
    elif isinstance(part, ToolResultPart):
        for inner in part.content:
            yield from _pieces(inner)
    elif isinstance(part, (MediaPart, OpaquePart, ReasoningPart)):
        yield f"<{type(part).__name__}>"
    else:
        yield part.text
