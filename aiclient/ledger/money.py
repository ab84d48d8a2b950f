"""Amounts: whole millionths of a dollar, and whole tokens. What is not whole is rounded up, so that nothing is ever lost."""

from __future__ import annotations

import decimal
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from ..errors import ConfigError

__all__ = ["EXACT", "NOTHING", "Amount", "amount_of", "dollars", "micros"]

MICROS: Final = 1_000_000
"""In a dollar."""

MOST: Final = 10**12
"""Dollars; an amount above this is a mistake."""

SMALLEST: Final = -100
"""The power of ten that an amount must be above: 1e-400000000000 is a mistake too."""

EXACT: Final = decimal.Context(prec=60)
"""The program's own context may round to a few digits."""


class Amount(NamedTuple):
    """Money and tokens: what a call may take at most, or has taken."""

    micros: int = 0
    tokens: int = 0

    def plus(self, other: Amount) -> Amount:
        """Return the sum."""
        return Amount(self.micros + other.micros, self.tokens + other.tokens)

    def minus(self, other: Amount) -> Amount:
        """Return the difference."""
        return Amount(self.micros - other.micros, self.tokens - other.tokens)

    @property
    def usd(self) -> Decimal:
        """The money in dollars."""
        return dollars(self.micros)


NOTHING: Final = Amount()


def micros(usd: Decimal) -> int:
    """Return `usd` in millionths, rounded up.

    Example:
        >>> micros(Decimal("0.0000001")), micros(Decimal("1.5"))
        (1, 1500000)
    """
    return int(EXACT.multiply(usd, MICROS).to_integral_value(decimal.ROUND_CEILING, EXACT))


def dollars(millionths: int) -> Decimal:
    """Return millionths as dollars.

    Example:
        >>> dollars(1_500_000), dollars(1)
        (Decimal('1.5'), Decimal('0.000001'))
    """
    exact = EXACT.divide(Decimal(millionths), Decimal(MICROS))
    return exact if exact.as_tuple().exponent != 0 or exact else Decimal(0)


def amount_of(name: str, value: Any) -> int:
    """Return what a caller gave as dollars (Decimal, text, int or float) in millionths.

    A float counts as what it prints: 0.1 is ten cents.

    Raises:
        ConfigError: It is no amount, or below 0; the message names the option and the value.
    """
    usd = Decimal("nan")
    if isinstance(value, int) and abs(value) > MOST:  # Python writes no integer of over 4,300 digits
        raise ConfigError(
            f"{name}={'-' if value < 0 else ''}(over {MOST}) must be an amount of US dollars, 0 or more, at most that"
        )
    if isinstance(value, (Decimal, str, int, float)) and not isinstance(value, bool):
        try:
            usd = Decimal(str(value).strip().removeprefix("$"))
        except InvalidOperation:
            usd = Decimal("nan")
    if not usd.is_finite() or not 0 <= usd <= MOST or usd.adjusted() <= SMALLEST:
        raise ConfigError(
            f"{name}={value!r} must be an amount of US dollars, 0 or more: a Decimal, a text such as '2.50', or a number"
        )
    return micros(usd)
