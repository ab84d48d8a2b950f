"""Limits of money and tokens: how much, for whom, over which period."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

from attrs import field, frozen

from ..errors import ConfigError
from .money import Amount, amount_of, dollars
from .periods import Period, window_of

__all__ = ["Account", "BudgetAlert", "Cap", "Limit", "Mark", "Unit", "account_of", "cap"]

Unit: TypeAlias = Literal["usd", "tokens"]

ALERTS: Final = (0.5, 0.8, 1.0)


class Mark(NamedTuple):
    """Where to alert: the part of a limit, and how much that is, rounded up; at least 1, or nothing would reach it."""

    unit: Unit
    limit: int
    threshold: float
    reached: int


class Cap(NamedTuple):
    """One number that a balance is held to: `amount` in the unit's whole parts, and the marks at which to alert."""

    unit: Unit
    amount: int
    hard: bool
    marks: tuple[Mark, ...] = ()

    def of(self, amount: Amount) -> int:
        """Return the part of `amount` that counts here."""
        return amount.micros if self.unit == "usd" else amount.tokens

    def shown(self, parts: int) -> Decimal | int:
        """Return whole parts as a caller knows them: dollars, or tokens."""
        return dollars(parts) if self.unit == "usd" else parts


def cap(unit: Unit, amount: int, alerts: Iterable[float] = (), *, hard: bool = True) -> Cap:
    """Return the cap of `amount`, with alerts at those parts of it."""
    # Millionths, because floats alone would make 56 of 55 % of 100.
    marks = (Mark(unit, amount, part, max(1, -(-amount * round(part * 1_000_000) // 1_000_000))) for part in alerts)
    return Cap(unit, amount, hard, tuple(marks))


def _thresholds(value: Any) -> tuple[float, ...]:
    given: tuple[Any, ...] = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else (value,)
    if any(type(part) not in (int, float) or not 0 < part <= 1 for part in given):
        raise ConfigError(
            f"alerts={value!r} must be parts of the limit, each above 0 and at most 1, such as (0.5, 0.8, 1)"
        )
    return tuple(sorted(set(map(float, given))))


@frozen(kw_only=True)
class Limit:
    """How much may be spent, for whom, and over which period.

    Args:
        usd: US dollars (Decimal, text, int or float); None for no limit of money.
        tokens: Input and output tokens together; None for no limit of tokens.
        per: Whom it counts for: None counts all calls together, `user`, `session` or any other tag counts for each value of
            that tag, `tenant` for each tenant, `provider` for each provider. Calls without that tag share one balance.
        period: `total`, or `hour`, `day` or `month` of the calendar in UTC. A call counts for the period it began in.
        hard: Refuse what does not fit. False lets it through: an alert, and a line in the log, are all.
        name: Limits with the same name, `per` and `period` share one balance in a ledger. Default `budget`.
        alerts: Parts of the limit at which to alert, once for each period; default 0.5, 0.8 and 1.

    Raises:
        ConfigError: An option is not what it must be, or nothing is limited.
    """

    usd: Decimal | str | float | None = None
    tokens: int | None = None
    per: str | None = None
    period: Period = "total"
    hard: bool = True
    name: str = "budget"
    alerts: tuple[float, ...] = field(default=ALERTS, converter=_thresholds)
    caps: tuple[Cap, ...] = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        for name in ("name", "per"):
            value = getattr(self, name)
            if (value is not None or name == "name") and (not isinstance(value, str) or not value.strip()):
                raise ConfigError(f"{name}={value!r} must be a text that is not empty")
        if self.period not in get_args(Period):
            raise ConfigError(f"period={self.period!r} must be one of {', '.join(get_args(Period))}")
        if self.per in get_args(Period):  # as a tag nobody gives it would hold all calls to one balance for ever
            raise ConfigError(f"per={self.per!r} says whom a limit counts for; how long is period={self.per!r}")
        if not isinstance(self.hard, bool):
            raise ConfigError(f"hard={self.hard!r} must be True or False")
        object.__setattr__(self, "caps", tuple(self._caps()))
        if not self.caps:
            raise ConfigError("a limit limits nothing: give usd= or tokens=")

    def _caps(self) -> Iterable[Cap]:
        if self.usd is not None:
            yield cap("usd", amount_of("usd", self.usd), self.alerts, hard=self.hard)
        if self.tokens is not None:
            if type(self.tokens) is not int or self.tokens < 0:
                raise ConfigError(f"tokens={self.tokens!r} must be a whole number of at least 0")
            yield cap("tokens", self.tokens, self.alerts, hard=self.hard)


@frozen
class Account:
    """Whose balance, and over which window: what a ledger keeps sums under.

    Args:
        name: The limit's.
        per: Whom it counts for.
        value: The user, session, tag, tenant or provider; shown to nobody who does not ask.
        period: Over which period.
        window: Its label.
        resets_at: When that window is over, in seconds since the epoch; None for `total`.
    """

    name: str
    per: str | None = None
    value: str | None = field(default=None, repr=False)
    period: Period = "total"
    window: str = ""
    resets_at: float | None = None

    @property
    def key(self) -> str:
        """What the balance is kept under; the value goes in as a hash, however long it is."""
        value = "" if self.value is None else hashlib.blake2b(_bytes(self.value), digest_size=12).hexdigest()
        return f"{self.name}|{self.per or ''}|{value}|{self.period}|{self.window}"

    @property
    def title(self) -> str:
        """What messages call it: the name of the limit, never whose it is."""
        words = [repr(self.name)]
        words += [f"per {self.per}"] if self.per is not None else []
        words += [f"of the {self.period} {self.window} (UTC)"] if self.period != "total" else []
        return " ".join(words)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def account_of(limit: Limit, value: str | None, now: float) -> Account:
    """Return the account that `limit` holds `value` to at the moment `now`."""
    window = window_of(limit.period, now)
    return Account(limit.name, limit.per, None if limit.per is None else value, limit.period, window.label, window.ends)


@frozen
class BudgetAlert:
    """A part of a limit has been spent.

    Args:
        name: The limit's name.
        per: Whom it counts for.
        value: Which user, session, tag, tenant or provider; not in the repr.
        period: Over which period.
        window: Which one, as `2026-11-28`.
        unit: `usd` or `tokens`.
        limit: How much may be spent.
        threshold: The part of it that has been reached.
        spent: How much was spent then.
        at: When, in seconds since the epoch.
    """

    name: str
    per: str | None
    value: str | None = field(repr=False)
    period: Period
    window: str
    unit: Unit
    limit: Decimal | int
    threshold: float
    spent: Decimal | int
    at: float

    def __str__(self) -> str:
        title = Account(self.name, self.per, None, self.period, self.window).title
        unit = "US dollars" if self.unit == "usd" else "tokens"
        return f"budget {title}: {self.threshold:.0%} reached, {self.spent} of {self.limit} {unit} spent"

    def to_dict(self) -> Mapping[str, Any]:
        """Return it as plain data for JSON; money as text."""
        limit, spent = (str(part) if self.unit == "usd" else part for part in (self.limit, self.spent))
        return {
            "name": self.name,
            "per": self.per,
            "value": self.value,
            "period": self.period,
            "window": self.window,
            "unit": self.unit,
            "limit": limit,
            "threshold": self.threshold,
            "spent": spent,
            "at": self.at,
        }
