"""What a call cost: the sum over its exchanges, the failed ones included, and how many of them nobody could price."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from attrs import field, frozen

from .. import fields
from ..ledger.money import EXACT
from ..records import Record
from ..response import Attempt, Cost

__all__ = ["NOTHING", "Expense", "expense_of", "expense_of_outcome", "shown", "unpriced"]


@frozen(repr=False)
class Expense(Record):
    """US dollars that are known to be spent, and what is not known.

    Args:
        usd: The sum of what could be priced.
        unpriced: Exchanges that may have cost something and that no price book knows; they are not in the sum.
        estimated: Some of the sum rests on estimated counts, such as those of a stream that was cut.
        saved: What answers from a cache would have cost.
    """

    usd: Decimal = field(factory=Decimal, validator=fields.non_negative)
    unpriced: int = field(default=0, validator=fields.number(0, fields.LARGEST, whole=True))
    estimated: bool = False
    saved: Decimal = field(factory=Decimal, validator=fields.non_negative)

    def __add__(self, other: Expense) -> Expense:
        return Expense(
            EXACT.add(self.usd, other.usd),
            self.unpriced + other.unpriced,
            self.estimated or other.estimated,
            EXACT.add(self.saved, other.saved),
        )

    @property
    def known(self) -> Decimal | None:
        """The sum; None when nothing of what was spent could be priced."""
        return None if self.unpriced and not self.usd else self.usd


NOTHING: Final = Expense()


def shown(usd: Decimal) -> str:
    """Return dollars for people: no zeros at the end, and no exponent.

    Example:
        >>> shown(Decimal("0.0500")), shown(Decimal(100))
        ('$0.05', '$100')
    """
    return f"${usd.normalize(EXACT):f}"


def expense_of(attempts: Iterable[Attempt], cost: Cost | None = None) -> Expense:
    """Return what these exchanges cost together.

    Args:
        attempts: The exchanges of one call.
        cost: What the answer says that it cost; counts where there was no exchange (from a cache: nothing, and what it saved).
    """
    attempts = tuple(attempts)
    if not attempts:
        return _of(cost)
    return sum((_of(attempt.cost, 1 if unpriced(attempt) else 0) for attempt in attempts), NOTHING)


def _of(cost: Cost | None, unknown: int = 0) -> Expense:
    if cost is None:
        return Expense(unpriced=unknown)
    return Expense(cost.usd, 0, cost.estimated, getattr(cost, "saved", None) or Decimal())


def unpriced(attempt: Attempt) -> bool:
    """Whether the exchange may have cost something that is not known; one that the service refused cost nothing."""
    if attempt.cost is not None:
        return False
    return attempt.outcome != "failed" or attempt.first_output is not None or attempt.usage.total_tokens is not None


def expense_of_outcome(outcome: Any) -> Expense:
    """Return what an answer or an error cost, as far as it says; of anything else nothing."""
    attempts = getattr(outcome, "attempts", ())
    cost = getattr(outcome, "cost", None)
    return expense_of(
        (attempt for attempt in attempts if isinstance(attempt, Attempt)) if isinstance(attempts, tuple) else (),
        cost if isinstance(cost, Cost) else None,
    )
