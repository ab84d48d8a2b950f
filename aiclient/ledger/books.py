"""The books of a ledger in memory: balances by account, and the rows of what was spent."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple, TypeVar

from attrs import define, field, frozen

from ..errors import BudgetExceededError
from ..forks import own_lock
from .balance import Balance
from .limits import Account, BudgetAlert, Cap
from .money import NOTHING, Amount
from .rows import Figures, Rows, Spent

__all__ = ["DAYS", "KEEP", "Booking", "Line", "MemoryBooks", "Refusal", "refused", "settled"]

KEEP: Final = 86_400.0
"""Seconds that a balance is kept after its period: calls that began in it may still settle."""

DAYS: Final = 400
"""Days whose rows are kept."""

V = TypeVar("V")


@frozen
class Line:
    """One account that a call stands on, what limits it, and what the call may take of it."""

    account: Account
    caps: tuple[Cap, ...]
    ceiling: Amount
    key: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "key", self.account.key)

    @property
    def hard(self) -> bool:
        """Whether anything here can refuse."""
        return any(cap.hard for cap in self.caps)


@define(eq=False)
class Booking:
    """A call that stands in the books, until it is settled or released.

    Args:
        id: Of the reservation; of nothing else, ever.
        lines: What it stands on.
        expires: When it is taken at its ceiling if nobody has said anything, in seconds since the epoch.

    Attributes:
        alerts: Those that were due when it was refused: what has lapsed, or a limit that was lowered, no call has told of.
    """

    id: str
    lines: tuple[Line, ...]
    expires: float
    open: bool = field(default=True, init=False)
    alerts: tuple[BudgetAlert, ...] = field(default=(), init=False)


class Refusal(NamedTuple):
    """What a call does not fit under, what stood there, and the alerts that are due."""

    line: Line
    cap: Cap
    spent: Amount
    reserved: Amount
    alerts: tuple[BudgetAlert, ...] = ()

    @classmethod
    def of(cls, line: Line, cap: Cap, balance: Balance, now: float) -> Refusal:
        """Return the refusal of a call by a balance, whose alerts are thereby fired."""
        return cls(line, cap, balance.spent, balance.reserved, balance.alert(line.caps, now))


def refused(refusal: Refusal) -> BudgetExceededError:
    """Return the error that a refusal is told with; it names the limit, never whose it is."""
    line, cap = refusal.line, refusal.cap
    account, spent, reserved, asked = line.account, *map(cap.of, (refusal.spent, refusal.reserved, line.ceiling))
    unit = "US dollars" if cap.unit == "usd" else "tokens"
    resets = account.resets_at
    when = "" if resets is None else f"; it begins anew at {datetime.fromtimestamp(resets, UTC):%Y-%m-%d %H:%M} UTC"
    error = BudgetExceededError(
        f"the budget {account.title} does not hold this call: {cap.shown(asked)} {unit} may be needed, and of "
        f"{cap.shown(cap.amount)} there are {cap.shown(spent)} spent and {cap.shown(reserved)} reserved{when}. Set "
        "max_tokens, which is what is reserved; or wait for calls under way; or raise the limit",
        unit=cap.unit,
        limit=cap.shown(cap.amount),
        spent=cap.shown(spent),
        reserved=cap.shown(reserved),
        asked=cap.shown(asked),
        resets_at=resets,
    )
    error.kind = account.name
    return error


def settled(balance: Balance, identity: str, line: Line, actual: Amount, now: float) -> tuple[BudgetAlert, ...]:
    """Count what was taken; return the alerts that are due because of it: in one step, so that nobody else has them too."""
    return balance.alert(line.caps, now) if balance.settle(identity, actual, now=now) else ()


class MemoryBooks:
    """Books in this process; every change is made at once, behind one lock."""

    def __init__(self) -> None:
        self._lock = own_lock(self)
        self._balances: dict[str, Balance] = {}
        self._ends: list[tuple[float, str]] = []
        self._rows: dict[str, Rows] = {}

    def carry(self, account: Account, spent: Amount, now: float) -> None:
        """Count what was spent elsewhere, before these books were begun."""
        with self._lock:
            balance = self._of(account, account.key, now)
            balance.spent = balance.spent.plus(spent)

    async def reserve(self, booking: Booking, now: float) -> Refusal | None:
        """Set aside what the booking asks for on all its lines, or on none."""
        with self._lock:
            for place, line in enumerate(booking.lines):
                balance = self._of(line.account, line.key, now)
                cap = balance.reserve(booking.id, line.ceiling, expires=booking.expires, now=now, caps=line.caps)
                if cap is not None:
                    for done in booking.lines[:place]:
                        self._balances[done.key].release(booking.id)
                    return Refusal.of(line, cap, balance, now)
        return None

    def extend(self, booking: Booking, more: Amount, now: float) -> bool:
        """Set more aside for a call under way, on all its lines or on none."""
        with self._lock:
            for place, line in enumerate(booking.lines):
                balance = self._of(line.account, line.key, now)
                if not balance.extend(booking.id, more, now=now, caps=line.caps):
                    for done in booking.lines[:place]:
                        self._balances[done.key].extend(booking.id, NOTHING.minus(more), now=now, caps=())
                    return False
        return True

    async def settle(self, identity: str, line: Line, actual: Amount, now: float) -> tuple[BudgetAlert, ...]:
        """Count what was taken."""
        with self._lock:
            return settled(self._of(line.account, line.key, now), identity, line, actual, now)

    async def release(self, identity: str, line: Line, now: float) -> None:
        """Give back what was set aside."""
        with self._lock:
            self._of(line.account, line.key, now).release(identity)

    async def change(self, line: Line, change: Callable[[Balance], V], now: float) -> V:
        """Change a balance."""
        with self._lock:
            return change(self._of(line.account, line.key, now))

    async def record(self, spent: Spent) -> None:
        """Count an exchange in the rows."""
        with self._lock:
            rows = self._rows.get(spent.day)
            if rows is None:
                rows = self._rows[spent.day] = Rows()
                if len(self._rows) > DAYS:
                    del self._rows[min(self._rows)]
            rows.add(spent)

    def look(self, read: Callable[[Balance], V]) -> list[V]:
        """Return what `read` says of every balance."""
        with self._lock:
            return [read(balance) for balance in self._balances.values()]

    def find(self, key: str, read: Callable[[Balance], V]) -> V | None:
        """Return what `read` says of one balance; None if there is none yet."""
        with self._lock:
            balance = self._balances.get(key)
            return None if balance is None else read(balance)

    def rows(self) -> list[Figures]:
        """Return the rows of all exchanges."""
        with self._lock:
            return [item for rows in self._rows.values() for item in rows.items()]

    def _of(self, account: Account, key: str, now: float) -> Balance:
        balance = self._balances.get(key)
        if balance is None:
            while self._ends and self._ends[0][0] <= now:
                self._balances.pop(heapq.heappop(self._ends)[1], None)
            balance = self._balances[key] = Balance(account)
            if account.resets_at is not None:
                heapq.heappush(self._ends, (account.resets_at + KEEP, key))
        return balance
