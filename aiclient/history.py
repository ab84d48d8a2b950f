"""A conversation over many turns: made to fit, saved and loaded.

What belongs together stays together: an answer and the results of the tools it asks for are kept or dropped as one.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from .errors import InvalidRequestError, StoreError
from .messages import Message, ToolResultPart
from .records import VERSION
from .request import ChatRequest
from .tokens import TokenCounter, estimate
from .turns import checked, inseparable

__all__ = ["load", "save", "trimmed"]

LARGEST: Final = 256 * 1024 * 1024
"""Bytes of a saved conversation: a device without end must not fill the memory."""

_SYSTEM: Final = ("system", "developer")

_Group: TypeAlias = tuple[Message, ...]


def trimmed(
    messages: Iterable[Message],
    *,
    max_tokens: int | None = None,
    max_messages: int | None = None,
    counter: TokenCounter = estimate,
) -> tuple[Message, ...]:
    """Return the messages that fit, the oldest dropped first.

    System messages stay, and so do the user's last message and what came last. Otherwise whole turns go, oldest first, so that
    what remains begins with a message of the user's; of the last turn the oldest answers go, each with its tool results.

    Args:
        messages: The whole conversation.
        max_tokens: Input tokens at most, as `counter` counts them; None for no limit.
        max_messages: Messages at most, system messages included; None for no limit.
        counter: Counts the input tokens of a request; it is asked once for each group of messages.

    Raises:
        InvalidMessageError: One of them is no Message.
        InvalidRequestError: A limit is not a whole number of at least 1, or what must stay does not fit.

    Example:
        >>> talk = [Message("system", "Be brief."), *(Message("user", f"Question {n}?") for n in range(4))]
        >>> [message.content for message in trimmed(talk, max_messages=3)]
        ['Be brief.', 'Question 2?', 'Question 3?']
    """
    for name, limit in (("max_tokens", max_tokens), ("max_messages", max_messages)):
        if limit is not None and (type(limit) is not int or limit < 1):
            raise InvalidRequestError(f"{name}={limit!r} must be a whole number of at least 1, or None for no limit")
    groups = list(inseparable(checked(messages)))
    sizes = [(counter(ChatRequest(group)) if max_tokens is not None else 0, len(group)) for group in groups]
    tokens, count = (sum(column) for column in zip(*sizes, strict=True)) if sizes else (0, 0)
    kept = [True] * len(groups)
    for index in _order(groups):
        if _fits(tokens, max_tokens) and _fits(count, max_messages) and not _headless(groups, kept):
            break
        kept[index] = False
        tokens, count = tokens - sizes[index][0], count - sizes[index][1]
    if not (_fits(tokens, max_tokens) and _fits(count, max_messages)):
        raise InvalidRequestError(
            f"what must stay (system messages, the user's last message, what came last) is {count} messages"
            + (f" of {tokens} tokens" if max_tokens is not None else "")
            + f"; the limits are max_messages={max_messages}, max_tokens={max_tokens}"
        )
    return tuple(message for group, stays in zip(groups, kept, strict=True) if stays for message in group)


def _order(groups: Sequence[_Group]) -> list[int]:
    """Return which groups may go, and in which order."""
    asked = max((index for index, group in enumerate(groups) if _asks(group)), default=-1)
    last = len(groups) - 1
    return [index for index, group in enumerate(groups) if index not in (asked, last) and group[0].role not in _SYSTEM]


def _asks(group: _Group) -> bool:
    return any(message.role == "user" and not message.of(ToolResultPart) for message in group)


def _fits(size: int, limit: int | None) -> bool:
    return limit is None or size <= limit


def _headless(groups: Sequence[_Group], kept: Sequence[bool]) -> bool:
    """Whether something was dropped and an answer without its question is now the first."""
    if not any(map(_asks, groups)):
        return False
    first = next((index for index, stays in enumerate(kept) if stays and groups[index][0].role not in _SYSTEM), None)
    return first is not None and not all(kept[:first]) and groups[first][0].role != "user"


def save(messages: Iterable[Message], path: str | Path) -> None:
    """Write a conversation to a file as JSON, with a version number; a file of that name is replaced as a whole.

    It holds everything that was said, media and a vendor's sealed data included. Only its owner may read it.

    Raises:
        InvalidMessageError: One of them is no Message.
        OSError: It cannot be written; a file that was there is as before.
    """
    path = Path(path)
    record = {
        "aiclient": VERSION,
        "type": "Conversation",
        "messages": [message.to_dict() for message in checked(messages)],
    }
    if "\0" in str(path):  # Python's own words for it are of no use, and are no OSError
        raise OSError(errno.EINVAL, "no path holds a zero byte", str(path))
    text = json.dumps(record, indent=1)  # in ASCII: models write halves of characters, which UTF-8 has no form for
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def load(path: str | Path) -> tuple[Message, ...]:
    """Read a conversation that `save` wrote, with this version or an older one.

    Raises:
        StoreError: The file holds something else; the message names the place, never what it holds.
        OSError: It cannot be read.
    """
    problem, data = "", None
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise StoreError(f"{path} is larger than {LARGEST >> 20} MiB", kind="record")
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        problem = f": {type(error).__name__}"
    if not isinstance(data, dict) or data.get("type") != "Conversation" or not isinstance(data.get("messages"), list):
        raise StoreError(f"{path} holds no saved conversation{problem}", kind="record")
    version = data.get("aiclient")
    if type(version) is not int or version < 1 or version > VERSION:
        raise StoreError(f"{path} is of version {version!r:.20}; this aiclient reads 1 to {VERSION}", kind="record")
    return tuple(_message(item, index, path) for index, item in enumerate(data["messages"]))


def _message(item: Any, index: int, path: str | Path) -> Message:
    try:
        return Message.from_dict(item)
    except StoreError as error:
        problem = str(error)
    raise StoreError(f"{path}: messages[{index}]: {problem}", kind="record")
