"""A session as a saved record, and the file it is kept in."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from attrs import evolve, field, frozen

from .. import fields
from ..errors import InvalidRequestError, StoreError
from ..messages import Message
from ..records import Record
from ..request import ChatOptions
from .rows import SessionRow

__all__ = ["SessionRecord", "read_json", "write_json"]

NO_OPTIONS: Final = ChatOptions()


def _json(_: Any, attribute: Any, value: Any) -> None:
    """Refuse what JSON cannot hold, such as a number that is none."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        problem = f"{attribute.name} must be plain data that JSON can hold"
    else:
        return
    raise InvalidRequestError(problem)


@frozen(kw_only=True, repr=False)
class SessionRecord(Record):
    """All that a session is, but for its client, its layers and its callbacks.

    Args:
        id: Its identifier.
        started_at: When it was begun, in seconds since the epoch.
        system: The system prompt.
        metadata: The caller's notes.
        options: What every request asks for; `extra` is left out, because it may hold what is secret.
        left_out: Options that were set and are not in the record.
        budget_usd: What may be spent.
        spent_usd: What the budget has counted as spent.
        keep_messages: So many messages of the conversation are sent again at most.
        keep_tokens: So many tokens.
        dry_run: Nothing is sent.
        history: What has been said.
        rows: The requests.
    """

    id: str
    started_at: float = field(default=0.0, validator=fields.number(-1e308, 1e308))
    system: str | None = None
    metadata: Mapping[str, Any] = field(factory=dict, validator=_json)
    options: ChatOptions = NO_OPTIONS
    left_out: tuple[str, ...] = ()
    budget_usd: Decimal | None = field(default=None, validator=fields.non_negative)
    spent_usd: Decimal = field(default=Decimal(0), validator=fields.non_negative)
    keep_messages: int | None = field(default=None, validator=fields.number(1, fields.LARGEST, whole=True))
    keep_tokens: int | None = field(default=None, validator=fields.number(1, fields.LARGEST, whole=True))
    dry_run: bool = False
    history: tuple[Message, ...] = ()
    rows: tuple[SessionRow, ...] = ()

    def without_secrets(self) -> SessionRecord:
        """Return the record as it may be saved."""
        if not self.options.extra:
            return self
        return evolve(self, options=evolve(self.options, extra={}), left_out=("extra",))


def write_json(path: str | os.PathLike[str], data: Mapping[str, Any]) -> None:
    """Write `data` to `path`; a file of that name is replaced as a whole. Only its owner may read it.

    Raises:
        OSError: It cannot be written; a file that was there is as before.
    """
    target = Path(path)
    text = json.dumps(data, indent=1, allow_nan=False)  # in ASCII: models write halves of characters, which UTF-8 lacks
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # before it takes the place of what was there
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def read_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the object that a file holds.

    Raises:
        StoreError: It holds something else.
        OSError: It cannot be read.
    """
    found, problem = None, ""
    try:
        found = json.loads(Path(path).read_bytes())
    except (ValueError, RecursionError) as error:
        problem = f": {type(error).__name__}"
    if not isinstance(found, dict):
        raise StoreError(f"{path} holds no saved session{problem}", kind="record")
    return found
