"""What the exchanges of a call come to: by what they cost, else by what is known of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Final

from attrs import evolve

from ..attempt import journalled
from ..composition import destinations
from ..context import CallContext
from ..ends import End
from ..ledger.books import Line
from ..ledger.money import NOTHING, Amount, micros
from ..ledger.periods import day_of
from ..ledger.rows import Spent
from ..prices.charges import charge
from ..provider import Provider
from ..request import AnyRequest, ChatRequest
from ..response import NO_USAGE, Attempt, ChatResponse
from ..tokens import estimate_message
from ._budget_quote import Quotes

__all__ = ["Bill"]

FREE: Final = frozenset(
    {
        *("authentication", "permission", "rate_limit", "quota", "connection", "overloaded", "server", "bad_request"),
        *("context_length", "content_filter", "not_found", "policy", "config"),
    }
)
"""Categories of failures that take nothing: the service did no work, or was never asked."""

_NUMBERS: Final = itertools.count(1)


class Bill:
    """What exchanges come to.

    Args:
        request: What was asked.
        quotes: What it was expected to take at most.
        end: How the call ended; None if it has not.
    """

    def __init__(self, request: AnyRequest, quotes: Quotes, end: End | None) -> None:
        self._request = request
        self._quotes = quotes
        self._end = end

    def total(self, line: Line, attempts: Iterable[Attempt]) -> Amount:
        """Return what the exchanges take of an account; of a price that is not known, what was reserved for it."""
        total, account = NOTHING, line.account
        for attempt in attempts:
            if account.per == "provider" and attempt.provider != account.value:
                continue
            money, (tokens, _) = attempt.cost, self._tokens(attempt)
            if money is not None:
                total = total.plus(Amount(micros(money.usd), sum(tokens)))
            else:
                total = total.plus(Amount(line.ceiling.micros if self._unpriced(attempt) else 0, sum(tokens)))
        return total

    def row(self, attempt: Attempt, context: CallContext) -> Spent:
        """Return what an exchange puts into the rows of the report."""
        (prompt, completion), estimated = self._tokens(attempt)
        cost = attempt.cost
        return Spent(
            day=day_of(attempt.started_at),
            provider=attempt.provider,
            model=attempt.model,
            tenant=context.tenant,
            tags=context.tags,
            amount=Amount(0 if cost is None else micros(cost.usd), prompt + completion),
            prompt_tokens=prompt,
            completion_tokens=completion,
            estimated=estimated or (cost is not None and cost.estimated),
            priced=not self._unpriced(attempt),
            failed=attempt.outcome == "failed",
        )

    def unjournalled(self, inner: Provider, context: CallContext) -> list[Attempt]:
        """Return what stands for the exchange of a provider that keeps no journal; nothing if there was none."""
        end = self._end
        if end is None or journalled(inner):
            return []
        answer = end.response
        if answer is not None and (answer.cached or answer.shared or answer.dry_run):
            return []
        where = destinations(inner)[0]
        cost = charge(context.prices, self._request, where, end)
        if cost is None and answer is None:
            return []
        attempt = Attempt(
            number=-next(_NUMBERS),
            provider=where.name,
            model=self._request.model or where.model,
            outcome=end.outcome,
            started_at=context.clock.time(),
            cost=cost,
        )
        return [attempt if answer is None else evolve(attempt, usage=answer.usage)]

    def _tokens(self, attempt: Attempt) -> tuple[tuple[int, int], bool]:
        """Return the input and output tokens of an exchange, and whether they are estimated."""
        usage = attempt.usage
        prompt, completion = usage.prompt_tokens, usage.completion_tokens
        if attempt.outcome == "completed" and not isinstance(self._request, ChatRequest) and completion is None:
            completion = 0
        if attempt.outcome == "completed" and prompt is not None and completion is not None:
            return (prompt, completion), False
        if self._took_nothing(attempt):
            return (0, 0), False
        return (self._quotes.prompt if prompt is None else prompt, max(completion or 0, self._received(attempt))), True

    def _received(self, attempt: Attempt) -> int:
        """Estimate the output that had come of the last exchange, as far as the call has it."""
        answer = self._end and self._end.response
        if not isinstance(answer, ChatResponse) or attempt.usage not in (NO_USAGE, answer.usage):
            return 0
        return estimate_message(answer.message)

    def _unpriced(self, attempt: Attempt) -> bool:
        """Whether it has a price that nobody knows."""
        return attempt.cost is None and not self._took_nothing(attempt)

    def _took_nothing(self, attempt: Attempt) -> bool:
        cut = attempt.first_output is not None
        return attempt.cost is None and attempt.outcome == "failed" and not cut and attempt.category in FREE
