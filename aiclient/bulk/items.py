"""What comes of many calls: an outcome for each item, and how far it is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast, overload

from attrs import field, frozen

from ..prices.expenses import NOTHING, Expense, expense_of_outcome

__all__ = ["BulkItem", "BulkProgress", "BulkResult", "Listener", "OnProgress"]

LOGGER: Final = logging.getLogger("aiclient.bulk")

I = TypeVar("I")  # noqa: E741  # an item
V = TypeVar("V")


@frozen
class BulkItem(Generic[I, V]):
    """What became of one item: its value, or the error.

    Args:
        index: Place in the input, from 0.
        item: The item itself.
        value: What the call gave; None if it failed.
        error: What it failed with; None if it did not.
    """

    index: int
    item: I = field(repr=False)
    value: V | None = field(default=None, repr=False)
    error: Exception | None = None

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return self.error is None

    def unwrap(self) -> V:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return cast("V", self.value)

    @property
    def expense(self) -> Expense:
        """What it cost, failed attempts included; nothing where the value is not an answer."""
        return expense_of_outcome(self.value if self.ok else self.error)


@frozen
class BulkProgress:
    """How far it is, told after every item.

    Args:
        done: Items that have ended, the failed ones included.
        failed: Those that failed.
        total: Items in all; None while the input does not tell its length.
        expense: What all of them cost so far; `expense.unpriced` exchanges of unknown price are not in `expense.usd`.
        last: The item that has just ended: whoever keeps it has lost nothing if the rest is cancelled.
    """

    done: int
    failed: int
    total: int | None
    expense: Expense
    last: BulkItem[Any, Any]


OnProgress: TypeAlias = Callable[[BulkProgress], object]
"""Told after every item."""


@frozen(repr=False)
class BulkResult(Sequence[BulkItem[I, V]], Generic[I, V]):
    """The outcomes, in the order of the input.

    Args:
        items: One for each item that was begun.
        stopped: Why no further items were begun, where `on_error="stop"` (or a closed client) ended it early.
    """

    items: tuple[BulkItem[I, V], ...]
    stopped: Exception | None = None

    @property
    def values(self) -> list[V]:
        """The values of the items that have one, in order."""
        return [cast("V", item.value) for item in self.items if item.ok]

    @property
    def failures(self) -> list[BulkItem[I, V]]:
        """The items that failed, in order."""
        return [item for item in self.items if not item.ok]

    @property
    def expense(self) -> Expense:
        """What all of them cost together."""
        return sum((item.expense for item in self.items), NOTHING)

    @overload
    def __getitem__(self, index: int) -> BulkItem[I, V]: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[BulkItem[I, V]]: ...

    def __getitem__(self, index: int | slice) -> BulkItem[I, V] | Sequence[BulkItem[I, V]]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        early = f", stopped by {type(self.stopped).__name__}" if self.stopped is not None else ""
        return f"BulkResult({len(self.items)} items, {len(self.failures)} failed{early})"


class Listener:
    """Tells a caller's function of the progress; what it raises is logged once, and ends nothing."""

    def __init__(self, on_progress: OnProgress | None) -> None:
        self._on_progress = on_progress
        self._complained = False

    def tell(self, progress: BulkProgress) -> None:
        """Tell it."""
        if self._on_progress is None:
            return
        try:
            self._on_progress(progress)
        except Exception as error:  # noqa: BLE001  # who looks on ends nothing
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        """Log what it raised, the first time; not its words, which may quote an answer."""
        if not self._complained:
            self._complained = True
            LOGGER.error("on_progress raised %s; the work goes on", type(error).__name__)
