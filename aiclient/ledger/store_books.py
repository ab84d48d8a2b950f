"""The books of a ledger in a store: shared by processes, and what may be spent while the store fails."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from ..clock import Clock
from ..errors import StoreError
from ..forks import own_lock
from ..gate import uninterrupted
from ..store import Store
from .balance import Balance
from .books import DAYS, KEEP, Booking, Line, Refusal, settled
from .limits import Account, BudgetAlert, Cap
from .money import NOTHING, Amount
from .periods import day_of
from .rows import Figures, Rows, Spent
from .shelf import MOST_KNOWN, Entry, Shelf

__all__ = ["StoreBooks"]

SHARDS: Final = 16
"""Records of a day's rows: a call rewrites one of them."""

ROWS_KEPT: Final = DAYS * 86_400.0
"""Seconds that the rows of a day are kept."""

V = TypeVar("V")


class StoreBooks:
    """Books in a store; what is shown of them is what this process has last seen.

    Args:
        store: The store.
        prefix: What our keys begin with.
        patience: Seconds to wait for one answer of the store.
        allowance: Millionths of a dollar that each account may spend here while the store fails; None: nothing.
        clock: Where time comes from.
    """

    def __init__(self, store: Store, prefix: str, patience: float, allowance: int | None, clock: Clock) -> None:
        self._shelf = Shelf(store, patience, clock)
        self._prefix = prefix
        self._allowance = allowance
        self._lock = own_lock(self)
        self._seen: dict[str, Balance] = {}
        self._meanwhile: dict[str, Balance] = {}
        self._behind: dict[str, Account] = {}  # with something that the store does not have yet
        self._rows: dict[str, Rows] = {}

    async def reserve(self, booking: Booking, now: float) -> Refusal | None:
        """Set aside what is asked on all lines, or on none, though it fails or is cancelled."""
        try:
            for line in booking.lines:
                refusal = await self._reserve(booking, line, now)
                if refusal is not None:
                    break
            else:
                return None
        except BaseException:  # cancellation too; raised again
            await uninterrupted(self._release_all(booking, now))
            raise
        await uninterrupted(self._release_all(booking, now))
        return refusal

    async def _reserve(self, booking: Booking, line: Line, now: float) -> Refusal | None:
        try:
            return await self.change(line, _Reserving(booking, line, now), now)
        except StoreError as error:
            failure = error
        return self._allowed(booking, line, now, failure) if line.hard else None

    async def _release_all(self, booking: Booking, now: float) -> None:
        for line in booking.lines:  # the one that failed too: the store may have done it, and not said so
            await self.release(booking.id, line, now)

    async def settle(self, identity: str, line: Line, actual: Amount, now: float) -> tuple[BudgetAlert, ...]:
        """Count what was taken; without alerts where the store is to have it later."""

        def later(balance: Balance) -> None:
            balance.settle(identity, actual, now=now)

        return await self._soon(line, lambda balance: settled(balance, identity, line, actual, now), later, now) or ()

    async def release(self, identity: str, line: Line, now: float) -> None:
        """Give back what was set aside."""

        def released(balance: Balance) -> None:
            balance.release(identity)

        await self._soon(line, released, released, now)

    async def change(self, line: Line, change: Callable[[Balance], V], now: float) -> V:
        """Change a balance.

        Raises:
            StoreError: The store failed.
        """
        result, balance = await self._shelf.change(self._entry(line.account, line.key, now), change)
        with self._lock:
            self._behind.pop(line.key, None)
            self._seen.pop(line.key, None)
            self._seen[line.key] = balance
            if len(self._seen) > MOST_KNOWN:
                del self._seen[next(iter(self._seen))]
            if line.key in self._meanwhile and self._meanwhile[line.key].idle:
                del self._meanwhile[line.key]  # the store is back, and has what was spent without it
        return result

    async def record(self, spent: Spent) -> None:
        """Count an exchange in the rows, now or when the store is back."""
        identity = os.urandom(6).hex()
        shard = zlib.crc32(repr((spent.provider, spent.model, sorted(spent.tags.items()))).encode()) % SHARDS

        def counted(rows: Rows) -> None:
            rows.add(spent, identity)

        try:
            await self._change_rows(f"{self._prefix}rows:{spent.day}:{shard}", counted)
        except StoreError:
            self._shelf.owe(f"{self._prefix}rows:{spent.day}:{shard}", counted)

    async def refresh(self, accounts: Iterable[Account], days: int, now: float) -> None:
        """Read what others have written, and write what is owed: of these accounts, or where none is named of all.

        Raises:
            StoreError: The store failed.
        """
        with self._lock:
            behind = list(self._behind.values())
        chosen = list(accounts) or [*self.look(lambda balance: balance.account), *behind]
        for account in dict.fromkeys(chosen):
            line = Line(account, (), NOTHING)
            self._shelf.forget(self._entry(account, line.key, now).key)
            await self.change(line, lambda balance: balance.lapse(now), now)
        recent = [day_of(now - 86_400.0 * back) for back in range(days)]
        keys = {f"{self._prefix}rows:{day}:{shard}" for day in recent for shard in range(SHARDS)}
        keys.update(key for key in self._shelf.owing if key.startswith(f"{self._prefix}rows:"))
        for key in sorted(keys):
            self._shelf.forget(key)
            await self._change_rows(key, _nothing)

    # --- what is known here ---

    def look(self, read: Callable[[Balance], V]) -> list[V]:
        """Return what `read` says of every balance that was seen."""
        with self._lock:
            seen = list(self._seen.values())
        return [read(balance) for balance in seen]  # they are not changed any more: every change reads its own

    def find(self, key: str, read: Callable[[Balance], V]) -> V | None:
        """Return what `read` says of one balance; None if it was not seen."""
        balance = self._seen.get(key)
        return None if balance is None else read(balance)

    def rows(self) -> list[Figures]:
        """Return the rows that were seen."""
        with self._lock:
            seen = list(self._rows.values())
        return [item for rows in seen for item in rows.items()]

    # --- inside ---

    async def _soon(
        self, line: Line, change: Callable[[Balance], V], later: Callable[[Balance], None], now: float
    ) -> V | None:
        """Change a balance, or have it changed by `later` when the store is back."""
        with self._lock:
            if (meanwhile := self._meanwhile.get(line.key)) is not None:
                later(meanwhile)
        try:
            return await self.change(line, change, now)
        except StoreError:
            self._shelf.owe(self._entry(line.account, line.key, now).key, later)
            with self._lock:
                self._behind[line.key] = line.account
            return None

    def _allowed(self, booking: Booking, line: Line, now: float, failure: StoreError) -> Refusal | None:
        """Let a call go on without the store, within what each account may spend here meanwhile."""
        if self._allowance is None or any(cap.hard and cap.unit == "tokens" for cap in line.caps):
            raise StoreError(
                f"{failure}; no call is let through, because the budget {line.account.title} could not be kept: see to the "
                "store, or give Ledger(on_store_error=) US dollars that may be spent meanwhile",
                kind=failure.kind,
            ) from failure
        cap = Cap("usd", self._allowance, hard=True)
        with self._lock:
            balance = self._meanwhile.setdefault(line.key, Balance(line.account))
            refused = balance.reserve(booking.id, line.ceiling, expires=booking.expires, now=now, caps=(cap,))
            return None if refused is None else Refusal(line, refused, balance.spent, balance.reserved)

    async def _change_rows(self, key: str, change: Callable[[Rows], None]) -> None:
        _, rows = await self._shelf.change(Entry(key, Rows, Rows.from_bytes, ROWS_KEPT), change)
        with self._lock:
            self._rows[key] = rows

    def _entry(self, account: Account, key: str, now: float) -> Entry[Balance]:
        ttl = None if account.resets_at is None else max(0.0, account.resets_at - now) + KEEP
        return Entry(f"{self._prefix}balance:{key}", lambda: Balance(account), Balance.from_bytes, ttl)


class _Reserving:
    """Sets aside what one line asks for."""

    __slots__ = ("_booking", "_line", "_now")

    def __init__(self, booking: Booking, line: Line, now: float) -> None:
        self._booking = booking
        self._line = line
        self._now = now

    def __call__(self, balance: Balance) -> Refusal | None:
        booking, line = self._booking, self._line
        cap = balance.reserve(booking.id, line.ceiling, expires=booking.expires, now=self._now, caps=line.caps)
        return None if cap is None else Refusal.of(line, cap, balance, self._now)


def _nothing(_: Rows) -> None:
    """Change nothing: what is owed is written all the same."""
