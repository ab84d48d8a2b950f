"""One call that a budget holds: reserved before, watched while it streams, settled when all its exchanges are over."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from ..clock import Clock
from ..context import CallContext, CallEvent
from ..ends import End
from ..errors import BudgetExceededError
from ..gate import uninterrupted
from ..ledger.books import Booking, Line
from ..ledger.ledger import Ledger
from ..ledger.limits import Account, BudgetAlert, Cap, Limit, account_of
from ..prices.books import TABLE
from ..provider import Provider
from ..request import AnyRequest
from ..response import Attempt, CallWarning
from ..tokens import TokenCounter
from ._budget_bill import Bill
from ._budget_quote import Quote, Quotes, unknown_price
from ._budget_reach import Reach

if TYPE_CHECKING:
    from ..stream import ChatStream

__all__ = ["BudgetCall"]

AFTER: Final = 60.0
"""Seconds after a call's deadline until what it has reserved counts as spent."""

LONGEST: Final = 3600.0
"""Seconds that a reservation holds if the call has no deadline."""


class BudgetCall:
    """One call, from its reservation to its end.

    Args:
        ledger: The books.
        limits: What it is held to.
        tell: Told of alerts.
        request: What is asked; its context is the call's.
        inner: Whom.
        clock: Where time comes from.
        counter: Counts the input tokens.
    """

    def __init__(
        self,
        ledger: Ledger,
        limits: Sequence[Limit],
        tell: Callable[[BudgetAlert, CallContext, Clock], Awaitable[None]],
        request: AnyRequest,
        inner: Provider,
        clock: Clock,
        counter: TokenCounter | None,
    ) -> None:
        context = request.context
        assert context is not None  # opened by Layered
        if context.prices is None:
            context.prices = TABLE  # or the innermost layer would price nothing
        self._ledger = ledger
        self._tell = tell
        self._request = request
        self._inner = inner
        self._clock = clock
        self._context = context
        self._before = len(context.journal)
        self._end: End | None = None
        money = any(cap.unit == "usd" for limit in limits for cap in limit.caps)
        self._quotes = Quotes(request, inner, context.prices if money else None, counter)
        self._lines = self._stands_on(limits)
        self._booking = self._booked()

    async def enter(self) -> None:
        """Reserve what the call may take.

        Raises:
            BudgetExceededError: It does not fit.
            ConfigError: Its price is not known.
            StoreError: The ledger's store failed.
        """
        unknown = self._quotes.unknown()
        if unknown is not None and (caps := [cap for line in self._lines for cap in line.caps if cap.unit == "usd"]):
            if any(cap.hard for cap in caps):
                raise unknown_price(unknown)
            warning = f"the price of {unknown.name}:{unknown.model} is not known: the budget counts this call as 0"
            self._context.warnings.append(CallWarning("budget_price_unknown", warning, provider=unknown.name))
        try:
            await self._ledger.reserve(self._booking, self._clock.time())
        except BudgetExceededError:
            if self._booking.alerts:
                await uninterrupted(self._tell_all(self._booking.alerts))
            raise

    def watch(self, stream: ChatStream) -> None:
        """End the stream when its answer outgrows what is reserved for it, if a hard limit would suffer."""
        quote, clock = self._quotes.most, self._clock
        hard = [line.account for line in self._lines if any(cap.hard and cap.of(line.ceiling) for cap in line.caps)]
        if hard and stream.end is None:
            price = self._quotes.answer
            reach = Reach(self._ledger, self._booking, hard[0], price, quote.output, clock, firm=quote.firm)
            stream.on_chunk(reach.see)

    # --- the end ---

    async def end(self, end: End) -> None:
        """Settle, or give back, if every exchange is over; else do so when it is."""
        self._end = end
        if self._under_way() or end.outcome in ("cancelled", "abandoned"):
            self._context.observe(self._late)  # a call that is shared may go on without whoever began it
        if not self._under_way():
            await (self._close() if self._ledger.at_once else uninterrupted(self._close()))

    def _late(self, event: CallEvent) -> None:
        """Settle what ended after the call did; the exchange is in the journal by now."""
        if event.kind == "attempt_ended" and not self._under_way():
            task = asyncio.get_running_loop().create_task(self._close())
            _LATE.add(task)
            task.add_done_callback(_LATE.discard)

    def _under_way(self) -> bool:
        return self._context.started > len(self._context.journal)

    async def _close(self) -> None:
        """Settle what has not been counted yet; give back the rest, or everything where nothing was sent."""
        context, now = self._context, self._clock.time()
        bill = Bill(self._request, self._quotes, self._end)
        journal = context.journal[self._before :] or bill.unjournalled(self._inner, context)
        if not journal:
            await self._ledger.release(self._booking, now)
            return
        actual = {line.key: bill.total(line, self._new(line.key, journal)) for line in self._lines}
        rows = self._new("", journal)
        if not self._booking.open:  # settled before: what has come since is counted by itself
            self._booking = self._booked()
        alerts = await self._ledger.settle(self._booking, actual, now)
        await self._ledger.record([bill.row(attempt, context) for attempt in rows])
        if alerts:
            await uninterrupted(self._tell_all(alerts))

    async def _tell_all(self, alerts: Sequence[BudgetAlert]) -> None:
        for alert in alerts:
            await self._tell(alert, self._context, self._clock)

    def _new(self, key: str, journal: Sequence[Attempt]) -> list[Attempt]:
        return self._ledger.count(self._context, key, journal)

    # --- the beginning ---

    def _stands_on(self, limits: Sequence[Limit]) -> tuple[Line, ...]:
        """Return the accounts, each with everything that limits it."""
        now = self._clock.time()
        quoted: dict[Account, Quote] = {}
        caps: dict[Account, list[Cap]] = {}
        for limit in limits:
            for value, quote in self._values(limit):
                account = account_of(limit, value, now)
                quoted[account] = quote
                caps.setdefault(account, []).extend(limit.caps)
        return tuple(Line(account, tuple(caps[account]), quote.amount) for account, quote in quoted.items())

    def _values(self, limit: Limit) -> Iterable[tuple[str | None, Quote]]:
        """Yield whom the limit counts this call for, and what it may take there."""
        if limit.per == "provider":
            yield from ((name, self._quotes.at(name)) for name in self._quotes.providers)
        else:
            value = self._context.tenant if limit.per == "tenant" else self._context.tags.get(limit.per or "")
            yield value, self._quotes.most

    def _booked(self) -> Booking:
        left = self._context.remaining()
        return Booking(
            os.urandom(9).hex(), self._lines, self._clock.time() + AFTER + (LONGEST if left == math.inf else left)
        )


_LATE: Final[set[asyncio.Task[None]]] = set()
"""Settlements under way that no caller waits for; without a reference, a task may be forgotten before it has run."""
