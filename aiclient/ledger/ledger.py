"""The ledger: what has been spent and what is reserved, on every account; the books behind `Budget`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final
from weakref import WeakKeyDictionary

from attrs import frozen

from ..clock import SYSTEM, Clock
from ..context import CallContext
from ..errors import ConfigError
from ..forks import own_lock
from ..response import Attempt
from ..store import Store
from .balance import Balance
from .books import DAYS, Booking, Line, MemoryBooks, refused
from .limits import Account, BudgetAlert
from .money import NOTHING, Amount, amount_of
from .rows import Report, Spent
from .store_books import StoreBooks

__all__ = ["Booking", "Funds", "Ledger", "Line"]

_DAY: Final = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")


@frozen
class Funds:
    """What one account holds; money in US dollars.

    Args:
        spent: By calls that are over.
        reserved: For calls under way.
        spent_tokens: Likewise.
        reserved_tokens: Likewise.
        alerts: Those that have fired in this period, oldest first.
        resets_at: When the period is over, in seconds since the epoch; None for `total`.
    """

    spent: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)
    spent_tokens: int = 0
    reserved_tokens: int = 0
    alerts: tuple[BudgetAlert, ...] = ()
    resets_at: float | None = None

    @classmethod
    def of(cls, balance: Balance) -> Funds:
        """Return what a balance holds."""
        spent, reserved = balance.spent, balance.reserved
        return cls(spent.usd, reserved.usd, spent.tokens, reserved.tokens, balance.alerts(), balance.account.resets_at)


class Ledger:
    """Keeps what was spent and what is reserved, for any number of budgets.

    It is in no chain: `Budget(ledger=...)` layers write into it, and share their balances through it. Any number of threads
    and event loops may use one; without a store it is this process's own.

    With a store every change is a compare-and-swap: it outlives the process, and several processes never spend the same money.
    A process that dies leaves its reservations behind, which are taken at their ceiling when their time is over. What
    `alerts`, `report` and the properties of a Budget show is then what this process has last seen; `refresh` looks again.

    **When the store fails**, hard limits refuse (StoreError), unless `on_store_error` allows each account so many dollars in
    this process until the store is back; limits of tokens always refuse then. What was spent meanwhile is written when the
    store is back, and lost with the process. After three failures in a row the store is left alone for 5 s.

    Args:
        store: Where it is kept (`SQLiteStore(path)`); None keeps it in memory. Whoever made it closes it. It should hold
            nothing else: a store that is full makes room, and a balance that it drops is forgotten.
        name: Ledgers of one store are told apart by it.
        on_store_error: `closed`, or the US dollars that each account may spend in this process while the store fails.
        patience: Seconds to wait for one answer of the store. Default 0.5.
        clock: Where time comes from when no call says so, and for `patience`.

    Raises:
        ConfigError: An option is not what it must be.

    Example:
        >>> ledger = Ledger()
        >>> budget = Budget(usd="0.05", ledger=ledger)
        >>> with Client(MockProvider("Paris")).use(budget) as client:
        ...     _ = client.new_request().user("Capital of France?").max_tokens(100).tags(team="maps").do()
        >>> [(row["team"], row["requests"]) for row in ledger.report(by=["team"])]
        [('maps', 1)]
    """

    def __init__(
        self,
        *,
        store: Store | None = None,
        name: str = "default",
        on_store_error: Any = "closed",
        patience: float = 0.5,
        clock: Clock = SYSTEM,
    ) -> None:
        given: Any = name
        if not isinstance(given, str) or not given.strip():
            raise ConfigError(f"name={name!r} must be a text that is not empty")
        if type(patience) not in (int, float) or not 0 < patience < float("inf"):
            raise ConfigError(f"patience={patience!r} must be a finite number of seconds, more than 0")
        if store is not None and (isinstance(store, type) or not callable(getattr(store, "swap", None))):
            raise ConfigError(f"store={store!r} is not a store: give a SQLiteStore(path), or one of your own")
        allowance = None if on_store_error == "closed" else amount_of("on_store_error", on_store_error)
        self._name = name
        self._clock = clock
        self._books = (
            MemoryBooks() if store is None else StoreBooks(store, f"ledger:{name}:", float(patience), allowance, clock)
        )
        self._lock = own_lock(self)
        self._counted: WeakKeyDictionary[CallContext, dict[str, set[int]]] = WeakKeyDictionary()

    def __repr__(self) -> str:
        return f"Ledger({self._name!r}, {'in memory' if self.at_once else 'in a store'})"

    @property
    def at_once(self) -> bool:
        """Whether it is in memory, where nothing has to be waited for."""
        return isinstance(self._books, MemoryBooks)

    # --- for its owner ---

    def funds(self, account: Account, now: float | None = None) -> Funds:
        """Return what an account holds, as far as this process knows.

        Args:
            account: Whose.
            now: Count what has lapsed by then as spent, in seconds since the epoch; of a ledger in memory.
        """

        def read(balance: Balance) -> Funds:
            if now is not None and self.at_once:
                balance.lapse(now)
            return Funds.of(balance)

        found = self._books.find(account.key, read)
        return Funds(resets_at=account.resets_at) if found is None else found

    def alerts(self, name: str | None = None) -> tuple[BudgetAlert, ...]:
        """Return the alerts that have fired, of limits called `name` or of all, oldest first."""
        fired = [alert for alerts in self._books.look(Balance.alerts) for alert in alerts]
        return tuple(sorted((one for one in fired if name in (None, one.name)), key=lambda one: one.at))

    def report(
        self, by: str | Sequence[str] = ("provider", "model"), *, since: str = "", until: str = "9999"
    ) -> Report:
        """Return what was spent, summed by some of `provider`, `model`, `user`, `session`, `tenant`, `day`, or any tag.

        Args:
            by: Columns.
            since: The first day, as `2026-11-28`; a month or a year is its first.
            until: The last day; a month or a year is its last.

        Raises:
            ConfigError: `by` is not names; a day is none.
        """
        days: tuple[tuple[str, object], ...] = (("since", since), ("until", until))
        for name, day in days:
            if not isinstance(day, str) or not _is_day(day):
                raise ConfigError(f"{name}={day!r:.80} must be a day as a text, such as '2026-11-28'")
        return Report.of((row for row in self._books.rows() if _within(row[0]["day"] or "", since, until)), by)

    async def reset(self, name: str | None = None, *, value: str | None = None) -> int:
        """Begin anew on every account of limits called `name` (None: all), or on those of one user, tag value or the like.

        Spent is 0 and alerts may fire again; what is reserved for calls under way stays, and reports keep their rows. Returns
        how many accounts that were; of a store, of those that this process has seen.

        Raises:
            StoreError: The store failed.
        """
        accounts = [
            account
            for account in self._books.look(lambda balance: balance.account)
            if name in (None, account.name) and value in (None, account.value)
        ]
        for account in accounts:
            await self._books.change(Line(account, (), NOTHING), Balance.reset, self._clock.time())
        return len(accounts)

    async def refresh(self, *accounts: Account, days: int = 31) -> None:
        """Read again what other processes have written, and write what the store does not have yet.

        Args:
            accounts: Which; where none is named, all that this process has used or seen.
            days: Of rows, back from today; at most 400, which is how long they are kept.

        Raises:
            ConfigError: `days` is no such number.
            StoreError: The store failed.
        """
        if type(days) is not int or not 0 <= days <= DAYS:
            raise ConfigError(f"days={days!r} must be a whole number from 0 to {DAYS}")
        if isinstance(self._books, StoreBooks):
            await self._books.refresh(accounts, days, self._clock.time())

    def carry(self, account: Account, spent: Amount) -> None:
        """Begin with what was spent on an account elsewhere, such as by an earlier process; of a ledger in memory."""
        if isinstance(self._books, MemoryBooks):
            self._books.carry(account, spent, self._clock.time())

    # --- a call: for layers ---

    async def reserve(self, booking: Booking, now: float) -> None:
        """Set aside what the booking asks for on all its lines, or on none.

        Cancelling leaves nothing reserved.

        Raises:
            BudgetExceededError: It does not fit a hard limit.
            StoreError: The store cannot be asked, and nothing is allowed meanwhile.
        """
        refusal = await self._books.reserve(booking, now)
        if refusal is not None:
            booking.open, booking.alerts = False, refusal.alerts
            raise refused(refusal)

    def extend(self, booking: Booking, more: Amount, now: float) -> bool:
        """Set more aside for a call under way, on all its lines or on none; never where that has to be waited for."""
        return isinstance(self._books, MemoryBooks) and booking.open and self._books.extend(booking, more, now)

    async def settle(self, booking: Booking, actual: Mapping[str, Amount], now: float) -> tuple[BudgetAlert, ...]:
        """Say what a call has taken of each account (by its key), once; return the alerts that are due because of it.

        Never fails for the store's sake: what cannot be written now is written later. Cancelling may cut it short: to be
        awaited under `uninterrupted`, unless `at_once`.
        """
        if not booking.open:
            return ()
        booking.open = False
        due: list[BudgetAlert] = []
        for line in booking.lines:
            due += await self._books.settle(booking.id, line, actual.get(line.key, NOTHING), now)
        return tuple(due)

    async def release(self, booking: Booking, now: float) -> None:
        """Give back what was set aside: nothing was sent. Of cancelling, and of failing, as `settle`."""
        if booking.open:
            booking.open = False
            for line in booking.lines:
                await self._books.release(booking.id, line, now)

    async def record(self, spent: Iterable[Spent]) -> None:
        """Put exchanges into the rows of the report."""
        for one in spent:
            await self._books.record(one)

    def count(self, context: CallContext, key: str, journal: Iterable[Attempt]) -> list[Attempt]:
        """Return those exchanges that have not been counted on this account; each is counted once, however layers nest."""
        with self._lock:
            seen = self._counted.setdefault(context, {}).setdefault(key, set())
            new = [attempt for attempt in journal if attempt.number not in seen]
            seen.update(attempt.number for attempt in new)
        return new


def _is_day(text: str) -> bool:
    """Whether it is a day, a month, a year, or nothing."""
    if not text:
        return True
    try:
        date.fromisoformat(text + "-01-01"[len(text) - 4 :])
    except ValueError:
        return False
    return _DAY.fullmatch(text) is not None  # fromisoformat takes other forms too


def _within(day: str, since: str, until: str) -> bool:
    return since <= day and day[: len(until)] <= until
