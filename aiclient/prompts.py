"""What a caller may give as a prompt, and the messages that it stands for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from .errors import InvalidMessageError
from .messages import Message, ToolResultPart
from .request import ChatRequest

__all__ = ["Prompt", "messages_of"]

Prompt: TypeAlias = ChatRequest | str | Iterable[Message | ToolResultPart | Mapping[str, Any]]
"""What `chat` takes: a request, a text, or a list of messages, of dicts with `role` and `content`, or of tool results."""


def messages_of(prompt: str | Iterable[Message | ToolResultPart | Mapping[str, Any]]) -> list[Message]:
    """Return the messages that `prompt` stands for; a text is one of the user's.

    Raises:
        InvalidMessageError: It is something else.
    """
    if isinstance(prompt, str):
        return [Message("user", prompt)]
    given: object = prompt
    if not isinstance(given, Iterable) or isinstance(given, (Mapping, bytes)):
        raise InvalidMessageError(
            f"chat takes a text, a ChatRequest, or a list of messages or dicts, not {type(given).__name__}"
        )
    return [_message(item) for item in prompt]


def _message(item: Message | ToolResultPart | Mapping[str, Any]) -> Message:
    if isinstance(item, Message):
        return item
    return Message("tool", item) if isinstance(item, ToolResultPart) else Message.of_dict(item)
