"""The book of a session: a row for each request, and whoever wants to hear that much of the budget is gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Final, TypeAlias, cast

from attrs import evolve, frozen

from ..clock import Clock
from ..context import CallContext, CallEvent
from ..ends import End
from ..errors import ConfigError
from ..forks import own_lock
from ..gate import Alarm, uninterrupted
from ..layer import Layer
from ..prices.expenses import NOTHING, Expense, shown
from ..provider import Provider, R, observed
from ..request import ChatRequest
from ..response import ChatResponse
from ..stream import ChatStream
from .rows import RequestKind, SessionRow, row_of, with_journal

__all__ = ["Book", "Bookkeeping", "OnSpent", "SpendingAlert"]

LOGGER: Final = logging.getLogger("aiclient.session")

PATIENCE: Final = 10.0
"""Seconds that an async callback may take."""


@frozen
class SpendingAlert:
    """A part of a session's budget has been spent.

    Args:
        threshold: The part, such as 0.8.
        spent: US dollars spent so far.
        budget: US dollars that may be spent.
        at: When, in seconds since the epoch.
    """

    threshold: float
    spent: Decimal
    budget: Decimal
    at: float

    def __str__(self) -> str:
        return f"{self.threshold:.0%} of the session's {shown(self.budget)} is spent: {shown(self.spent)}"


OnSpent: TypeAlias = Callable[[SpendingAlert], Awaitable[object] | object]


class Book:
    """What the requests of one session took; any thread may look, and write.

    Args:
        budget: US dollars that may be spent, for alerts; None for no limit.
        rows: Those of earlier.
        alerts: Whom to tell at which part of the budget.
    """

    def __init__(
        self,
        budget: Decimal | None,
        rows: tuple[SessionRow, ...] = (),
        alerts: tuple[tuple[float, OnSpent], ...] = (),
    ) -> None:
        self._lock = own_lock(self)
        self._budget = budget
        self._rows = list(rows)
        self._expense = sum((row.expense for row in rows), NOTHING)
        self._alerts = alerts
        self._due = list(alerts)
        self.fired: tuple[SpendingAlert, ...] = ()

    @property
    def rows(self) -> tuple[SessionRow, ...]:
        """The requests that have ended."""
        with self._lock:
            return tuple(self._rows)

    @property
    def expense(self) -> Expense:
        """What they cost together."""
        return self._expense

    @property
    def alerts(self) -> tuple[tuple[float, OnSpent], ...]:
        """Whom to tell, fired or not."""
        return self._alerts

    def alert(self, threshold: float, callback: OnSpent) -> None:
        """Have `callback` told, once, when this part of the budget is spent; at the next request's end, if it is already.

        Raises:
            ConfigError: There is no budget, or an argument is wrong.
        """
        part, given = _part(threshold), _callback(callback)
        if self._budget is None:
            raise ConfigError("set_alert() needs a budget: make the session with budget_usd=")
        with self._lock:
            self._alerts = (*self._alerts, (part, given))
            self._due.append((part, given))

    def note(self, row: SessionRow) -> int:
        """Write a request down, and return its number."""
        with self._lock:
            number = len(self._rows) + 1
            self._rows.append(evolve(row, number=number))
            self._expense += row.expense
            return number

    def correct(self, number: int, row: SessionRow) -> None:
        """Write again what exchanges that ended after their request have added to it."""
        with self._lock:
            self._rows[number - 1] = evolve(row, number=number)
            self._expense = sum((row.expense for row in self._rows), NOTHING)

    async def tell(self, clock: Clock) -> None:
        """Tell whoever is due; what a callback raises is logged, and the request goes on."""
        for alert, callback in self._taken(clock.time()):
            try:
                told = callback(alert)
                if hasattr(told, "__await__"):
                    await uninterrupted(_within(cast("Awaitable[object]", told), clock))
            except Exception as error:  # noqa: BLE001  # whoever is told changes no answer
                _complain(error)

    def _taken(self, now: float) -> list[tuple[SpendingAlert, OnSpent]]:
        """Take those that are due, the lowest threshold first; nobody else will find them."""
        if not self._due or self._budget is None:
            return []
        with self._lock:
            spent, budget = self._expense.usd, self._budget
            reached = [(part, call) for part, call in self._due if spent and spent >= Decimal(str(part)) * budget]
            self._due = [waiting for waiting in self._due if waiting not in reached]
            found = [
                (SpendingAlert(part, spent, budget, now), call)
                for part, call in sorted(reached, key=lambda one: one[0])
            ]
            self.fired += tuple(alert for alert, _ in found)
        return found


def _part(threshold: object) -> float:
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or not 0 < threshold <= 1:
        raise ConfigError(f"threshold={threshold!r} must be a part of the budget, above 0 and at most 1")
    return float(threshold)


def _callback(given: Any) -> OnSpent:
    if not callable(given):
        raise ConfigError(f"callback={given!r} must be a function of a SpendingAlert")
    return cast("OnSpent", given)


def _complain(error: Exception) -> None:
    """Log what a callback raised; not its words, which may quote what was said."""
    LOGGER.error("a callback of set_alert raised %s; the session goes on", type(error).__name__)


async def _within(work: Awaitable[object], clock: Clock) -> None:
    alarm = Alarm(clock)
    alarm.set(clock.monotonic() + PATIENCE, "total")
    try:
        await alarm.guard(work)
    finally:
        alarm.stop()


class Bookkeeping(Layer):
    """Writes a row for every chat request that passes, at its end; outermost in a session's chain.

    A call and a stream alike, in every outcome, once. Embeddings pass unwritten. Cancelling is an outcome like any other.

    Args:
        book: Where the rows go.
        item: They are items of a batch, not turns of the conversation.
    """

    def __init__(self, book: Book, *, item: bool = False) -> None:
        self._book, self._item = book, item

    def __repr__(self) -> str:
        return "bookkeeping"

    async def chat(self, request: ChatRequest, inner: Provider) -> ChatResponse:
        """Do the call and write it down."""
        return await self._noted("item" if self._item else "chat", request, inner.chat)

    async def chat_stream(self, request: ChatRequest, inner: Provider) -> ChatStream:
        """Open the stream, and write it down when it closes."""
        return await self._noted("stream", request, inner.chat_stream)

    async def _noted(self, call: RequestKind, request: ChatRequest, send: Callable[[ChatRequest], Awaitable[R]]) -> R:
        assert request.context is not None  # opened by Layered
        entry = _Entry(self._book, call, request.context)
        return await observed(send(request), entry.end)


class _Entry:
    """One request under way; it is written down once, at the latest when nobody can reach it any more."""

    __slots__ = ("_began", "_book", "_call", "_context", "_loop")

    def __init__(self, book: Book, call: RequestKind, context: CallContext) -> None:
        self._book: Book | None = book
        self._call: RequestKind = call
        self._context = context
        self._began = context.clock.monotonic()
        self._loop = asyncio.get_running_loop()

    async def end(self, end: End) -> None:
        """Write it down, and tell who is waiting for that."""
        book, self._book = self._book, None
        if book is None:
            return
        context = self._context
        row = row_of(self._call, context, end, self._began)
        number = book.note(row)
        if context.started > len(context.journal) or end.outcome in ("cancelled", "abandoned"):
            context.observe(_Late(book, number, row, context).see)
        await book.tell(context.clock)

    def __del__(self) -> None:
        """A stream was dropped without being closed.

        Not here and now: the collector may have interrupted the very code that holds the book's lock.
        """
        book = self._book
        if book is None:
            return
        row = row_of(self._call, self._context, End("abandoned"), self._began)
        try:
            self._loop.call_soon_threadsafe(book.note, row)
        except RuntimeError:  # the loop is closed
            book.note(row)


class _Late:
    """Adds to a row the exchanges that end after their request: calls that others share, or that lost a race."""

    def __init__(self, book: Book, number: int, row: SessionRow, context: CallContext) -> None:
        self._book, self._number, self._row, self._context = book, number, row, context

    def see(self, event: CallEvent) -> None:
        """Hear of the end of an exchange; it is in the journal by now."""
        if event.kind == "attempt_ended":
            self._book.correct(self._number, with_journal(self._row, self._context))
