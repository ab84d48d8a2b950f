"""The figures of a session: what was spent on which models, how long it took, how often it failed, what more would cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Generic, TypeVar

from attrs import asdict, frozen

from ..errors import ConfigError
from ..prices.expenses import NOTHING, Expense, shown
from .rows import ModelShare, SessionRow

__all__ = ["Projection", "SessionSummary", "Spread", "summary_of"]

N = TypeVar("N", Decimal, float)


@frozen
class Spread(Generic[N]):
    """The least, the mean and the most of some numbers."""

    minimum: N
    mean: N
    maximum: N

    @classmethod
    def of(cls, numbers: Iterable[N]) -> Spread[N] | None:
        """Return the spread; None of no numbers."""
        found = list(numbers)
        if not found:
            return None
        return cls(min(found), sum(found, found[0] * 0) / len(found), max(found))


@frozen(kw_only=True)
class Projection:
    """What more requests like those so far would take.

    Args:
        requests: How many more.
        based_on: How many requests of known price it rests on; 0 says that nothing is known.
        usd: Dollars, at the mean price so far.
        low: If each cost as little as the cheapest.
        high: If each cost as much as the dearest.
        seconds: If they were made one after another.
        fits: Whether `usd` is within what is left of the budget; None without a budget, or where nothing is known.
    """

    requests: int
    based_on: int
    usd: Decimal | None
    low: Decimal | None
    high: Decimal | None
    seconds: float | None
    fits: bool | None


@frozen(kw_only=True)
class SessionSummary:
    """The figures of a session up to now; `str()` is a table for people.

    Args:
        session: Its identifier.
        requests: How many there were, refused and dry ones included.
        completed: Those that gave a whole answer.
        failed: Those that raised an error, by `errors` for which reason.
        cancelled: Those whose caller was cancelled.
        abandoned: Streams that their reader left.
        dry_runs: Those of which nothing was sent.
        retries: Exchanges beyond the first of each request: retries, fallbacks, hedges.
        errors: Number of failed requests for each category.
        expense: What all exchanges cost; `expense.unpriced` of them nobody could price, and they are not in `expense.usd`.
        prompt_tokens: Input tokens of all exchanges.
        completion_tokens: Output tokens.
        uncounted: Exchanges whose tokens nobody knows.
        cost: Dollars of the completed requests of known price; None if there are none.
        duration: Seconds of the completed requests.
        models: What each model took, the dearest first.
        budget_usd: What may be spent; None for no limit.
        budget_remaining: What is left of it.
    """

    session: str
    requests: int
    completed: int
    failed: int
    cancelled: int
    abandoned: int
    dry_runs: int
    retries: int
    errors: Mapping[str, int]
    expense: Expense
    prompt_tokens: int
    completion_tokens: int
    uncounted: int
    cost: Spread[Decimal] | None
    duration: Spread[float] | None
    models: tuple[ModelShare, ...]
    budget_usd: Decimal | None = None
    budget_remaining: Decimal | None = None
    priced: int = 0

    @property
    def success_rate(self) -> float | None:
        """The part of the completed and failed requests that completed; None while there are none."""
        ended = self.completed + self.failed
        return self.completed / ended if ended else None

    def project(self, requests: int) -> Projection:
        """Return what so many more requests like those so far would take.

        Raises:
            ConfigError: It is not a whole number of at least 0.
        """
        if type(requests) is not int or requests < 0:
            raise ConfigError(f"project({requests!r}): give a whole number of requests, at least 0")
        cost, left = self.cost, self.budget_remaining
        usd = None if cost is None else cost.mean * requests
        return Projection(
            requests=requests,
            based_on=self.priced,
            usd=usd,
            low=None if cost is None else cost.minimum * requests,
            high=None if cost is None else cost.maximum * requests,
            seconds=None if self.duration is None else self.duration.mean * requests,
            fits=None if usd is None or left is None else usd <= left,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data for JSON; money as text."""
        plain: dict[str, Any] = _plain(asdict(self))
        return {**plain, "success_rate": self.success_rate}

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def summary_of(
    session: str, rows: Sequence[SessionRow], budget_usd: Decimal | None, remaining: Decimal | None
) -> SessionSummary:
    """Return the figures of these requests."""
    outcomes = Counter(row.outcome for row in rows)
    models: dict[tuple[str | None, str | None], ModelShare] = {}
    for share in (share for row in rows for share in row.shares):
        key = (share.provider, share.model)
        models[key] = models[key] + share if key in models else share
    costs = [cost for row in rows if (cost := _cost(row)) is not None]
    return SessionSummary(
        session=session,
        requests=len(rows),
        completed=outcomes["completed"],
        failed=outcomes["failed"],
        cancelled=outcomes["cancelled"],
        abandoned=outcomes["abandoned"],
        dry_runs=sum(row.dry_run for row in rows),
        retries=sum(row.retries for row in rows),
        errors=dict(Counter(row.category for row in rows if row.category is not None)),
        expense=sum((row.expense for row in rows), NOTHING),
        prompt_tokens=sum(share.prompt_tokens for share in models.values()),
        completion_tokens=sum(share.completion_tokens for share in models.values()),
        uncounted=sum(share.uncounted for share in models.values()),
        cost=Spread.of(costs),
        duration=Spread.of(row.duration for row in rows if row.outcome == "completed"),
        models=tuple(sorted(models.values(), key=lambda share: -share.expense.usd)),
        budget_usd=budget_usd,
        budget_remaining=remaining,
        priced=len(costs),
    )


def _cost(row: SessionRow) -> Decimal | None:
    """Return what a completed request cost, of a dry run what it could have cost; None where that is not known."""
    if row.outcome != "completed" or row.expense.unpriced:
        return None
    return row.planned if row.dry_run else row.expense.usd


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


# --- for people ---


def _lines(summary: SessionSummary) -> Iterable[str]:
    yield f"session {summary.session}: {_requests(summary)}"
    yield f"  cost      {_money(summary)}"
    if summary.cost is not None and summary.duration is not None:
        cost, time = summary.cost, summary.duration
        yield f"  each      ${cost.minimum:.6g} to ${cost.maximum:.6g}, mean ${cost.mean:.6g}"
        yield f"  time      {time.minimum:.3g} s to {time.maximum:.3g} s, mean {time.mean:.3g} s"
    unknown = f", {summary.uncounted} exchanges not counted" if summary.uncounted else ""
    yield f"  tokens    {summary.prompt_tokens} in, {summary.completion_tokens} out{unknown}"
    for share in summary.models:
        name = f"{share.provider}:{share.model}" if share.model else f"{share.provider}"
        failed = f" ({share.failed} failed)" if share.failed else ""
        yield f"  {name}: {share.exchanges} exchanges{failed}, {_usd(share.expense)}"


def _requests(summary: SessionSummary) -> str:
    words = [f"{summary.requests} requests", f"{summary.completed} completed"]
    reasons = ", ".join(f"{name} {count}" for name, count in sorted(summary.errors.items()))
    words += [f"{summary.failed} failed ({reasons})"] if summary.failed else []
    for name in ("cancelled", "abandoned"):
        words += [f"{count} {name}"] if (count := getattr(summary, name)) else []
    words += [f"{summary.dry_runs} dry"] if summary.dry_runs else []
    words += [f"{summary.retries} retries"] if summary.retries else []
    return ", ".join(words)


def _money(summary: SessionSummary) -> str:
    text = _usd(summary.expense)
    if summary.budget_usd is not None:
        text += f" of {shown(summary.budget_usd)}, {shown(summary.budget_remaining or Decimal(0))} left"
    saved = summary.expense.saved
    return f"{text}, {shown(saved)} saved by caches" if saved else text


def _usd(expense: Expense) -> str:
    known = expense.known
    text = "price not known" if known is None else f"{shown(known)}{' (partly estimated)' if expense.estimated else ''}"
    return f"{text}, {expense.unpriced} exchanges without a price" if expense.unpriced and known is not None else text
