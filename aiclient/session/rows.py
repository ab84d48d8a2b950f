"""One row for each request of a session: when, to whom, how it ended, what it took."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from attrs import evolve, field, frozen

from .. import fields
from ..context import CallContext
from ..ends import End
from ..errors import Category, outcome
from ..prices.expenses import NOTHING, Expense, expense_of
from ..records import Record
from ..response import Attempt, ChatResponse, Outcome

__all__ = ["ModelShare", "RequestKind", "SessionRow", "row_of", "with_journal"]

RequestKind: TypeAlias = Literal["chat", "stream", "item"]
"""A turn of the conversation, the same as a stream, or an item of a batch."""

_COUNT: Final = fields.number(0, fields.LARGEST, whole=True)
_NUMBER: Final = fields.number(-1e308, 1e308)


@frozen(kw_only=True, repr=False)
class ModelShare(Record):
    """What one model took.

    Args:
        provider: Who was asked.
        model: Which model.
        exchanges: How often, failed ones included.
        failed: Exchanges that failed.
        prompt_tokens: Input tokens, of the exchanges that reported or had them estimated.
        completion_tokens: Output tokens.
        uncounted: Exchanges of which nobody knows the tokens, though they may have taken some.
        expense: What they cost.
    """

    provider: str | None = None
    model: str | None = None
    exchanges: int = field(default=0, validator=_COUNT)
    failed: int = field(default=0, validator=_COUNT)
    prompt_tokens: int = field(default=0, validator=_COUNT)
    completion_tokens: int = field(default=0, validator=_COUNT)
    uncounted: int = field(default=0, validator=_COUNT)
    expense: Expense = NOTHING

    def __add__(self, other: ModelShare) -> ModelShare:
        return evolve(
            self,
            exchanges=self.exchanges + other.exchanges,
            failed=self.failed + other.failed,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            uncounted=self.uncounted + other.uncounted,
            expense=self.expense + other.expense,
        )


@frozen(kw_only=True, repr=False)
class SessionRow(Record):
    """One request of a session, with all its attempts; no content.

    Args:
        number: From 1, in the order in which they ended.
        call: `chat`, `stream`, or `item` of a batch.
        started_at: Seconds since the epoch.
        duration: Seconds, up to the end of the stream.
        outcome: How it ended; `abandoned` is a stream that its reader left.
        category: Why it failed; None when it did not.
        provider: Who answered, or was asked last; None when nobody was.
        model: Which model.
        attempts: Exchanges, over all retries, fallbacks and hedges; 0 from a cache, or when it was refused here.
        finish_reason: Why the model stopped.
        cached: The answer came from a cache.
        shared: The answer was that of an identical call of somebody else.
        dry_run: Nothing was sent.
        planned: The most that a dry run could have cost; None where that is not known.
        expense: What it cost, failed attempts included.
        shares: The same for each model that was asked.
    """

    number: int = field(validator=_COUNT)
    call: RequestKind = "chat"
    started_at: float = field(default=0.0, validator=_NUMBER)
    duration: float = field(default=0.0, validator=_NUMBER)
    outcome: Outcome = "completed"
    category: Category | None = None
    provider: str | None = None
    model: str | None = None
    attempts: int = field(default=0, validator=_COUNT)
    finish_reason: str | None = None
    cached: bool = False
    shared: bool = False
    dry_run: bool = False
    planned: Decimal | None = field(default=None, validator=fields.non_negative)
    expense: Expense = NOTHING
    shares: tuple[ModelShare, ...] = ()

    @property
    def retries(self) -> int:
        """Exchanges beyond the first: retries, fallbacks and hedges."""
        return max(0, self.attempts - 1)

    @property
    def total_tokens(self) -> int:
        """Input and output tokens of all its exchanges, as far as they are known."""
        return sum(share.prompt_tokens + share.completion_tokens for share in self.shares)


def row_of(call: RequestKind, context: CallContext, end: End, began: float) -> SessionRow:
    """Return the row of a request that has ended, not numbered yet.

    Args:
        call: Of which kind.
        context: Its context, with the journal.
        end: How it ended.
        began: When, on the context's monotonic clock.
    """
    answer = end.response if isinstance(end.response, ChatResponse) else None
    journal = tuple(context.journal)
    last = journal[-1] if journal else None
    duration = context.clock.monotonic() - began
    dry = answer is not None and answer.dry_run
    planned = getattr(answer.raw, "cost", None) if answer is not None and dry else None
    failed = end.outcome == "failed" and end.error is not None
    return SessionRow(
        number=0,
        call=call,
        started_at=context.clock.time() - duration,
        duration=duration,
        outcome=end.outcome,
        category=outcome(end.error).category if failed and end.error is not None else None,
        provider=(answer and answer.provider) or (last and last.provider) or getattr(end.error, "provider", None),
        model=(answer and answer.model) or (last and last.model) or getattr(end.error, "model", None),
        attempts=len(journal),
        finish_reason=answer.finish_reason if answer is not None else None,
        cached=answer is not None and answer.cached,
        shared=answer is not None and answer.shared,
        dry_run=dry,
        planned=getattr(planned, "usd", None),
        expense=_expense(context, answer),
        shares=shares_of(journal),
    )


def with_journal(row: SessionRow, context: CallContext) -> SessionRow:
    """Return the row with all exchanges that the journal holds by now."""
    journal = tuple(context.journal)
    return evolve(row, attempts=len(journal), expense=_expense(context, None), shares=shares_of(journal))


def _expense(context: CallContext, answer: ChatResponse | None) -> Expense:
    """Return what is known; an exchange that has begun and is not in the journal is still under way, or was dropped."""
    if not context.started:
        return expense_of((), None if answer is None or answer.dry_run else answer.cost)
    return expense_of(context.journal) + Expense(unpriced=max(0, context.started - len(context.journal)))


def shares_of(journal: Iterable[Attempt]) -> tuple[ModelShare, ...]:
    """Return what each model took, in the order in which they were first asked."""
    shares: dict[tuple[str, str | None], ModelShare] = {}
    for attempt in journal:
        key = (attempt.provider, attempt.model)
        share = _share(attempt)
        shares[key] = shares[key] + share if key in shares else share
    return tuple(shares.values())


def _share(attempt: Attempt) -> ModelShare:
    usage, expense = attempt.usage, expense_of([attempt])
    known = usage.prompt_tokens is not None or usage.completion_tokens is not None
    return ModelShare(
        provider=attempt.provider,
        model=attempt.model,
        exchanges=1,
        failed=1 if attempt.outcome == "failed" else 0,
        prompt_tokens=usage.prompt_tokens or 0,
        completion_tokens=usage.completion_tokens or 0,
        uncounted=0 if known or (attempt.outcome == "failed" and attempt.cost is None) else 1,
        expense=expense,
    )
