"""How far a stream may go on what is reserved for it: counted as its chunks are handed out, and never priced."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..ends import interrupted
from ..errors import BudgetExceededError, ConfigError
from ..ledger.money import Amount

if TYPE_CHECKING:
    from ..chunks import ChatStreamChunk
    from ..clock import Clock
    from ..ledger.books import Booking
    from ..ledger.ledger import Ledger
    from ..ledger.limits import Account

__all__ = ["Reach"]

CHARACTERS: Final = 4
"""To a token, where the answer's length was only guessed: more is reserved from there on."""

SURE: Final = 8
"""To a token, where the request or the model limits the answer: English has four, so that a service which keeps to the limit
is not cut for the way in which it counts."""


class Reach:
    """Ends a stream that outgrows its reservation.

    Args:
        ledger: The books.
        booking: What is reserved.
        account: The one that is told of when there is no more.
        price: Says what so many more tokens may take.
        output: Tokens of the answer that are reserved.
        clock: Where time comes from.
        firm: Whether the answer cannot be longer than that; else more is reserved as long as there is some.
    """

    def __init__(
        self,
        ledger: Ledger,
        booking: Booking,
        account: Account,
        price: Callable[[int], Amount],
        output: int,
        clock: Clock,
        *,
        firm: bool,
    ) -> None:
        self._ledger = ledger
        self._booking = booking
        self._account = account
        self._price = price
        self._step = self._most = output
        self._clock = clock
        self._firm = firm
        self._each = SURE if firm else CHARACTERS
        self._room = output * self._each  # characters that may still come

    def see(self, chunk: ChatStreamChunk) -> None:
        """Count what is handed out."""
        self._room -= len(chunk.content) + len(chunk.reasoning) + len(chunk.refusal)
        for call in chunk.tool_calls:
            self._room -= len(call.arguments)
        usage = chunk.usage
        if self._room < 0:
            self._outgrown(self._most + 1)
        elif usage is not None and (usage.completion_tokens or 0) > self._most:
            self._outgrown(usage.completion_tokens or 0)

    def _outgrown(self, tokens: int) -> None:
        while tokens > self._most:
            if self._firm or not self._ledger.extend(self._booking, self._more(), self._clock.time()):
                raise interrupted(self._error())
            self._most += self._step
            self._room += self._step * self._each

    def _more(self) -> Amount:
        """Return what one more step may take."""
        try:
            return self._price(self._step)
        except ConfigError as error:  # the price book failed
            failure = interrupted(error)
        raise failure

    def _error(self) -> BudgetExceededError:
        account = self._account
        return BudgetExceededError(
            f"the answer has outgrown the {self._most} tokens that the budget {account.title} has reserved for it, and "
            "was ended there: give the request a higher max_tokens, or the budget more room",
            kind=account.name,
            resets_at=account.resets_at,
        )
