"""What services say, in the usage object of an answer, that it cost."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from ..provider import ProviderInfo
from .names import table_of

__all__ = ["reported"]

TICKS: Final = Decimal(10) ** 10
"""xAI's ticks to the dollar: record 04a94962c700 has 4,389,400 for tokens of $0.00043894 by xAI's list."""

MOST: Final = 100_000
"""Dollars; an answer that is said to cost more is not believed."""


REPORTERS: Final = frozenset({"openrouter", "perplexity", "vercel", "xai"})
"""Whose word is known to be in dollars. Another service's `cost` may be in anything."""


def reported(raw: Mapping[str, Any], where: ProviderInfo) -> Decimal | None:
    """Return the dollars that a usage object states; None where it states none, or nobody knows what it states.

    OpenRouter and Vercel write `cost`; what a caller pays elsewhere, who brings a key of his own, is in OpenRouter's
    `cost_details.upstream_inference_cost`. Perplexity writes `cost.total_cost`, xAI `cost_in_usd_ticks`.
    """
    if table_of(where) not in REPORTERS:
        return None
    cost = raw.get("cost")
    if isinstance(cost, Mapping):
        return _dollars(cost.get("total_cost"))
    if (ticks := _dollars(raw.get("cost_in_usd_ticks"), most=MOST * int(TICKS))) is not None:
        return ticks / TICKS
    usd = _dollars(cost)
    details = raw.get("cost_details")
    if usd is None or raw.get("is_byok") is not True:
        return usd
    elsewhere = _dollars(details.get("upstream_inference_cost")) if isinstance(details, Mapping) else None
    return None if elsewhere is None else usd + elsewhere


def _dollars(value: Any, most: int = MOST) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        usd = Decimal(repr(value))
    except InvalidOperation:
        return None
    return usd if usd.is_finite() and 0 <= usd <= most else None
