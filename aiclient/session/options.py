"""What a session is made with, checked."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from ..clock import Clock
from ..errors import ConfigError
from ..ledger.money import amount_of, dollars
from ..messages import Message
from ..provider import Middleware
from ..settings import SessionSettings, options_of
from .record import SessionRecord

__all__ = ["SessionArguments", "checked_wait", "new_id", "setup_of"]


class SessionArguments(SessionSettings, total=False):
    """What a session can be made with; see AsyncSession."""

    budget_usd: Decimal | float | str | None
    system: str | None
    metadata: Mapping[str, Any] | None
    use: Iterable[Middleware]
    history: Iterable[Message]
    keep_messages: int | None
    keep_tokens: int | None
    dry_run: bool
    max_wait: float | None
    id: str | None
    clock: Clock


def setup_of(
    *,
    budget_usd: Any,
    system: Any,
    metadata: Any,
    history: Iterable[Message],
    keep_messages: Any,
    keep_tokens: Any,
    dry_run: Any,
    id: Any,
    started_at: float,
    options: Mapping[str, Any],
) -> SessionRecord:
    """Return the record that a new session begins with.

    Raises:
        ConfigError: An option is wrong; the message names it and its value.
    """
    if not isinstance(dry_run, bool):
        raise ConfigError(f"dry_run={dry_run!r} must be True or False")
    said = tuple(history)
    given: tuple[object, ...] = said
    if not all(isinstance(message, Message) for message in given):
        raise ConfigError("history= takes Message values, such as those of another session's history")
    return SessionRecord(
        id=new_id() if id is None else _text("id", id),
        started_at=started_at,
        system=None if system is None else _text("system", system),
        metadata=_notes(metadata),
        options=options_of(options),
        budget_usd=None if budget_usd is None else dollars(amount_of("budget_usd", budget_usd)),
        keep_messages=_limit("keep_messages", keep_messages),
        keep_tokens=_limit("keep_tokens", keep_tokens),
        dry_run=dry_run,
        history=said,
    )


def new_id() -> str:
    """Return an identifier that no other session has."""
    return os.urandom(8).hex()


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{name}={value!r} must be a text that is not empty, or None")
    return value


def _limit(name: str, value: object) -> int | None:
    if value is not None and (type(value) is not int or value < 1):
        raise ConfigError(f"{name}={value!r} must be a whole number of at least 1, or None for no limit")
    return value


def checked_wait(value: object) -> float:
    """Return the seconds that a call waits for its turn; None is without a limit.

    Raises:
        ConfigError: It is no number of seconds.
    """
    if value is None:
        return math.inf
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise ConfigError(f"max_wait={value!r} must be a number of seconds above 0, or None for no limit")
    return float(value)


def _notes(value: Mapping[str, Any] | None) -> dict[str, Any]:
    given: object = value
    if given is None:
        return {}
    if isinstance(given, Mapping):
        try:
            kept = json.loads(json.dumps(dict(given), allow_nan=False))
        except (TypeError, ValueError):
            kept = None
        if kept is not None and kept == dict(given):
            return dict(kept)
    raise ConfigError("metadata= must be a dict that JSON can hold: texts, numbers, lists, dicts with texts as keys")
