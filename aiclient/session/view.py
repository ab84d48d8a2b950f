"""What everybody may see of a session: history, figures, exports; the same for both colours."""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..messages import Message
from ..prices.expenses import Expense
from .record import write_json
from .summary import Projection, SessionSummary, summary_of

if TYPE_CHECKING:
    from .book import OnSpent, SpendingAlert
    from .rows import SessionRow
    from .state import SessionState

__all__ = ["SessionView"]


class SessionView:
    """What everybody may see of a session; nothing here waits for anything."""

    @property
    def _state(self) -> SessionState:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.request_count} requests)"

    # --- what it is ---

    @property
    def id(self) -> str:
        """Its identifier, which every call carries as the tag `session`."""
        return self._state.setup.id

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The notes on it."""
        return MappingProxyType(dict(self._state.setup.metadata))

    @property
    def history(self) -> tuple[Message, ...]:
        """What has been said, the system prompt not included."""
        return self._state.conversation.messages

    def add(self, *messages: Message) -> None:
        """Add to the history what was said elsewhere, such as what came of a stream that was cut.

        Raises:
            AIClientError: A call of the session is under way.
        """
        self._state.conversation.add(*messages)

    # --- figures ---

    @property
    def rows(self) -> tuple[SessionRow, ...]:
        """One for each request that has ended, in the order of their ends."""
        return self._state.book.rows

    @property
    def request_count(self) -> int:
        """How many requests have ended, refused ones included."""
        return len(self._state.book.rows)

    @property
    def expense(self) -> Expense:
        """What all exchanges cost, and how many of them nobody could price."""
        return self._state.book.expense

    @property
    def cost_usd(self) -> Decimal | None:
        """US dollars spent, failed attempts included; None when none of what was spent could be priced.

        What could not be priced is not in it: `expense.unpriced` says how many exchanges that were.
        """
        return self._state.book.expense.known

    @property
    def tokens_used(self) -> int:
        """Input and output tokens of all exchanges, as far as they are known."""
        return sum(row.total_tokens for row in self._state.book.rows)

    @property
    def budget_usd(self) -> Decimal | None:
        """US dollars that may be spent; None for no limit."""
        return self._state.setup.budget_usd

    @property
    def budget_remaining(self) -> Decimal | None:
        """US dollars that are neither spent nor set aside for calls under way; None without a budget."""
        return self._state.remaining

    def set_alert(self, threshold: float, callback: OnSpent) -> None:
        """Have `callback` told, once, when so much of the budget is spent.

        Args:
            threshold: The part of the budget, above 0 and at most 1.
            callback: A function or coroutine function of a SpendingAlert; awaited for 10 s at most before the answer is handed
                on. What it raises is logged. It must not call the session, whose turn has not ended yet.

        Raises:
            ConfigError: The session has no budget, or an argument is wrong.
        """
        self._state.book.alert(threshold, callback)

    @property
    def alerts(self) -> tuple[SpendingAlert, ...]:
        """Those that have fired, the oldest first."""
        return self._state.book.fired

    def summary(self) -> SessionSummary:
        """Return the figures up to now; `print` shows them as a table."""
        return summary_of(self.id, self._state.book.rows, self.budget_usd, self.budget_remaining)

    def project(self, requests: int) -> Projection:
        """Return what so many more requests like those so far would take."""
        return self.summary().project(requests)

    # --- saving ---

    def export_to_dict(self, *, history: bool = True) -> dict[str, Any]:
        """Return the session as plain data for JSON, with its summary; `from_dict` reads it.

        No key is in it, as a session knows none; the option `extra` is left out, as it may hold what is secret. What was said
        is in it unless `history=False`.
        """
        record = self._state.saved(history=history).without_secrets()
        return {**record.to_dict(), "summary": self.summary().to_dict()}

    def export_to_json(self, path: str | os.PathLike[str], *, history: bool = True) -> None:
        """Write the session to a file, which only its owner may read; a file of that name is replaced as a whole.

        It is written while the caller waits, event loop or not.

        Raises:
            OSError: It cannot be written; a file that was there is as before.
        """
        write_json(path, self.export_to_dict(history=history))
