"""What one account has spent and what is reserved on it: a pure state machine that knows no clock, lock or store.

    reserve ──► settle     the call is over, and this is what it took: once, whatever was reserved
           ├──► release    nothing was sent
           └──► lapse      its time is over, and nobody has said anything: taken at its ceiling, which is the safe side

What settles after it has lapsed is corrected to what it really took. All amounts are whole numbers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from ..errors import StoreError
from .limits import Account, BudgetAlert, Cap, Mark
from .money import NOTHING, Amount

__all__ = ["Balance", "Lease"]

VERSION: Final = 1
"""Of the record in a store."""

REMEMBERED: Final = 64
"""Settled and lapsed reservations whose ids are kept, so that a second settling changes nothing: one comes when a store has
done what it seemed to fail at. What is forgotten is counted again, which is the safe side."""


class Lease(NamedTuple):
    """A reservation: at most so much, until then (seconds since the epoch)."""

    ceiling: Amount
    expires: float


class Balance:
    """The sums of one account in one period.

    Attributes:
        spent: What calls that are over have taken.
        reserved: What calls under way may take.
    """

    __slots__ = ("_fired", "_lapsed", "_leases", "_settled", "_soonest", "account", "reserved", "spent")

    def __init__(self, account: Account) -> None:
        self.account = account
        self.spent = self.reserved = NOTHING
        self._leases: dict[str, Lease] = {}
        self._soonest = math.inf
        self._lapsed: dict[str, Amount] = {}
        self._settled: dict[str, None] = {}
        self._fired: dict[Mark, tuple[float, int]] = {}

    # --- a call ---

    def reserve(self, identity: str, ceiling: Amount, *, expires: float, now: float, caps: Iterable[Cap]) -> Cap | None:
        """Set `ceiling` aside, or return the hard cap that it does not fit under; the same id again changes nothing."""
        self.lapse(now)
        if identity in self._leases:
            return None
        refused = self._refusal(ceiling, caps)
        if refused is None:
            self._lease(identity, Lease(ceiling, expires))
        return refused

    def extend(self, identity: str, more: Amount, *, now: float, caps: Iterable[Cap]) -> bool:
        """Set more aside for a call under way, if it fits."""
        self.lapse(now)
        lease = self._leases.get(identity)
        if lease is None or self._refusal(more, caps) is not None:
            return False
        self.reserved = self.reserved.minus(lease.ceiling)
        self._lease(identity, Lease(lease.ceiling.plus(more), lease.expires))
        return True

    def settle(self, identity: str, actual: Amount, *, now: float) -> bool:
        """Count what a call has taken, even if that is more than was set aside; False if it was settled before.

        What has never been reserved, or was forgotten, is counted too: it was spent.
        """
        self.lapse(now)
        if identity in self._settled:
            return False
        lapsed = self._lapsed.pop(identity, NOTHING)
        self._drop(identity)
        self.spent = self.spent.plus(actual).minus(lapsed)
        self._settled[identity] = None
        if len(self._settled) > REMEMBERED:
            del self._settled[next(iter(self._settled))]
        return True

    def release(self, identity: str) -> None:
        """Give back what was set aside, or taken as lapsed: nothing was sent."""
        self.spent = self.spent.minus(self._lapsed.pop(identity, NOTHING))
        self._drop(identity)

    def lapse(self, now: float) -> None:
        """Take every reservation whose time is over at its ceiling."""
        if now < self._soonest:
            return
        for identity in [identity for identity, lease in self._leases.items() if lease.expires <= now]:
            ceiling = self._drop(identity)
            self.spent = self.spent.plus(ceiling)
            self._lapsed[identity] = ceiling
            if len(self._lapsed) > REMEMBERED:
                del self._lapsed[next(iter(self._lapsed))]
        self._soonest = min((lease.expires for lease in self._leases.values()), default=math.inf)

    def reset(self) -> None:
        """Begin anew: nothing spent, no alert fired; calls under way keep what is set aside for them."""
        self.spent = NOTHING
        self._lapsed.clear()
        self._fired.clear()

    # --- what is known ---

    @property
    def idle(self) -> bool:
        """Whether no call is under way on it."""
        return not self._leases

    def alert(self, caps: Iterable[Cap], now: float) -> tuple[BudgetAlert, ...]:
        """Return the alerts that are due and have not been, which are thereby fired."""
        due: list[BudgetAlert] = []
        for cap in caps:
            spent = cap.of(self.spent)
            for mark in cap.marks:
                if spent >= mark.reached and mark not in self._fired:
                    self._fired[mark] = now, spent
                    due.append(self._alert(mark))
        return tuple(due)

    def alerts(self) -> tuple[BudgetAlert, ...]:
        """Return the alerts that have fired, in the order in which they did."""
        return tuple(map(self._alert, self._fired))

    # --- inside ---

    def _refusal(self, ceiling: Amount, caps: Iterable[Cap]) -> Cap | None:
        for cap in caps:
            asked = cap.of(ceiling)
            # What takes nothing of it always fits: a free call need not wait for money.
            if cap.hard and asked and cap.of(self.spent) + cap.of(self.reserved) + asked > cap.amount:
                return cap
        return None

    def _lease(self, identity: str, lease: Lease) -> None:
        self._leases[identity] = lease
        self.reserved = self.reserved.plus(lease.ceiling)
        self._soonest = min(self._soonest, lease.expires)

    def _drop(self, identity: str) -> Amount:
        lease = self._leases.pop(identity, None)
        if lease is None:
            return NOTHING
        self.reserved = self.reserved.minus(lease.ceiling)
        return lease.ceiling

    def _alert(self, mark: Mark) -> BudgetAlert:
        at, spent = self._fired[mark]
        account, cap = self.account, Cap(mark.unit, mark.limit, hard=True)
        return BudgetAlert(
            account.name,
            account.per,
            account.value,
            account.period,
            account.window,
            mark.unit,
            cap.shown(mark.limit),
            mark.threshold,
            cap.shown(spent),
            at,
        )

    # --- its record ---

    def to_bytes(self) -> bytes:
        """Return the record for a store."""
        account = self.account
        record = {
            "v": VERSION,
            "account": [account.name, account.per, account.value, account.period, account.window, account.resets_at],
            "spent": self.spent,
            "leases": {identity: [*lease.ceiling, lease.expires] for identity, lease in self._leases.items()},
            "lapsed": self._lapsed,
            "settled": list(self._settled),
            "fired": [[*mark, *when] for mark, when in self._fired.items()],
        }
        return json.dumps(record, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Balance:
        """Read a record.

        Raises:
            StoreError: It is none, or one of another version.
        """
        try:
            return cls._read(json.loads(data))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            why = type(error).__name__
        raise StoreError(f"a balance in the ledger's store cannot be read ({why})", kind="corrupt")

    @classmethod
    def _read(cls, record: Any) -> Balance:
        if record["v"] != VERSION:
            raise StoreError(f"a balance in the ledger's store has version {record['v']!r}", kind="version")
        balance = cls(Account(*record["account"]))
        balance.spent = _amount(record["spent"])
        for identity, (money, tokens, expires) in record["leases"].items():
            if not math.isfinite(expires):
                raise ValueError("a lease that never ends")
            balance._lease(identity, Lease(_amount((money, tokens)), float(expires)))
        balance._lapsed.update(_amounts(record["lapsed"].items()))
        balance._settled.update(dict.fromkeys(record["settled"]))
        for unit, limit, threshold, reached, at, spent in record["fired"]:
            balance._fired[Mark(unit, limit, threshold, reached)] = at, spent
        return balance


def _amount(parts: Iterable[int]) -> Amount:
    """Return what a record holds; what is less than nothing would be money for free."""
    found = Amount(*parts)
    if any(type(part) is not int or part < 0 for part in found):
        raise ValueError("an amount that is no whole number of at least 0")
    return found


def _amounts(items: Iterable[tuple[str, Iterable[int]]]) -> Iterator[tuple[str, Amount]]:
    for identity, parts in items:
        yield identity, _amount(parts)
