"""An answer as JSON."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..response import ChatResponse

__all__ = ["as_json"]


def as_json(answer: ChatResponse) -> str:
    """Return the whole answer on one line, its text first."""
    record = {"content": answer.message.content, **answer.to_dict()}
    if sys.stdout.isatty():  # JSON's own escapes: what is copied from the terminal is still JSON
        return json.dumps(record).replace("\x7f", "\\u007f")
    return json.dumps(record, ensure_ascii=False)
