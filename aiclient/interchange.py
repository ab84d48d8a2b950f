"""Conversations in the forms that vendors' SDKs take and give: OpenAI's messages, Anthropic's system prompt and turns.

For those who come from an SDK, keep old conversations, or hand one to another program. Between services nothing of this is
needed: every provider brings a conversation into its own form.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from .errors import AIClientWarning, InvalidMessageError
from .messages import Message
from .turns import checked
from .wire import anthropic_history, openai_history
from .wire.anthropic_facts import claude
from .wire.anthropic_messages import encode_messages
from .wire.notes import Notes
from .wire.openai_messages import MessageEncoder
from .wire.profiles import OPENAI

__all__ = ["from_anthropic", "from_openai", "to_anthropic", "to_openai"]

Json = dict[str, Any]


def from_openai(messages: Iterable[Mapping[str, Any]]) -> tuple[Message, ...]:
    """Return the messages of a request of OpenAI's chat protocol, as dicts.

    Parts that are not known here are kept for OpenAI as they are, and left out, with a warning, of requests to others. An
    unknown field of a message is left out, and an AIClientWarning says so.

    Raises:
        InvalidMessageError: One is not of the protocol, or its media is not valid base64; the text gives its index.

    Example:
        >>> [message.role for message in from_openai([{"role": "user", "content": "Hi"}])]
        ['user']
    """
    given = _listed(messages)
    decoded = openai_history.decode_messages(given, "openai")
    _warn(
        f"messages[{index}].{name} is not of OpenAI's protocol and was left out"
        for index, message in enumerate(given)
        for name, value in message.items()
        if name not in openai_history.FIELDS and value is not None
    )
    return decoded


def to_openai(messages: Iterable[Message], *, strict: bool = False) -> list[Json]:
    """Return `messages` as dicts, as requests of OpenAI's chat protocol hold them.

    Args:
        messages: The conversation.
        strict: Make what the protocol has no place for an UnsupportedFeatureError. By default it is left out or moved, and
            an AIClientWarning says so.

    Raises:
        UnsupportedFeatureError: The last messages hold something that the protocol cannot carry.
    """
    notes = Notes("openai", strict=strict)
    encoded = MessageEncoder(OPENAI, "openai", notes).encode(checked(messages))
    _warn(warning.message for warning in notes.taken())
    return encoded


def from_anthropic(
    messages: Iterable[Mapping[str, Any]], *, system: str | Iterable[Mapping[str, Any]] | None = None
) -> tuple[Message, ...]:
    """Return the turns of a request to Anthropic's Messages API, as dicts, after its system prompt.

    Blocks that are not known here are kept for Anthropic as they are, and left out, with a warning, of requests to others.

    Raises:
        InvalidMessageError: One is not of the protocol, or its media is not valid base64; the text gives its index.
    """
    prompt = system if system is None or isinstance(system, str) else _listed(system)
    return anthropic_history.decode_messages(_listed(messages), prompt, "anthropic")


def to_anthropic(
    messages: Iterable[Message], *, model: str = "", strict: bool = False
) -> tuple[list[Json], list[Json]]:
    """Return `messages` as a system prompt, in blocks, and turns, as requests to Anthropic's Messages API hold them.

    Args:
        messages: The conversation.
        model: Who is to read it: models from Claude 4.8 on take system messages among the others.
        strict: As for `to_openai`.

    Raises:
        UnsupportedFeatureError: The last messages hold something that the protocol cannot carry.
    """
    notes = Notes("anthropic", strict=strict)
    encoded = encode_messages(checked(messages), claude(model), "anthropic", notes)
    _warn(warning.message for warning in notes.taken())
    return encoded


def _listed(value: Any) -> list[Any]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise InvalidMessageError(f"a list of dicts is needed, not {type(value).__name__}")
    return list(value)


def _warn(words: Iterable[str]) -> None:
    for sentence in words:
        warnings.warn(sentence, AIClientWarning, stacklevel=3)  # at whoever called the function that calls this
