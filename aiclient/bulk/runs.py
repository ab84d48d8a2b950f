"""Many requests from a file, their answers into a file: begun again after whatever ended it, with no line lost or repeated."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, cast

from attrs import evolve, frozen

from ..errors import (
    AIClientError,
    BudgetExceededError,
    CircuitOpenError,
    ClientClosedError,
    ConfigError,
    ProviderError,
    outcome,
)
from ..ledger.limits import Limit
from ..ledger.money import amount_of, dollars
from ..middleware.budget import Budget, resumed
from ..prices.expenses import shown
from ..provider import Provider
from ..redaction import clean
from ..response import ChatResponse
from .items import BulkItem
from .journal import Found, Journal, Keys, paid
from .lines import Defaults, Line, lines_of
from .mapping import each

__all__ = ["BulkRun", "run", "status"]

AHEAD: Final = 8
"""With `ordered`, how many times `concurrency` lines may wait for one that is slow: they wait in memory."""

_HOPELESS: Final = frozenset({"authentication", "permission", "quota", "config"})
"""Categories of errors that every further line would meet too."""

OnRun = Callable[["BulkRun"], object]


@frozen
class BulkRun:
    """How far a run is.

    Args:
        total: Lines in the input; None while that is not known.
        done: Lines that have their result, those of earlier runs included.
        failed: Those of them whose result is an error.
        earlier: Those that had their result before this run.
        usd: What all of them cost, as far as it is known.
        unpriced: Exchanges of this run whose price nobody knows.
        stopped: Why this run began no further line; None when it did them all. The next run goes on from there.
    """

    total: int | None = None
    done: int = 0
    failed: int = 0
    earlier: int = 0
    usd: Decimal = Decimal(0)
    unpriced: int = 0
    stopped: Exception | None = None

    @property
    def left(self) -> int | None:
        """Lines without a result."""
        return None if self.total is None else self.total - self.done


async def run(
    client: Provider,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    concurrency: int = 10,
    budget: Decimal | str | float | None = None,
    ordered: bool = False,
    retry_failed: bool = False,
    defaults: Defaults | None = None,
    on_progress: OnRun | None = None,
) -> BulkRun:
    """Ask what each line of `source` says, and write a line for it to `target`, which is the record of what is done.

    Begun again with the same two files it goes on where it ended, also where it was killed: a line counts as done when its
    result is in `target`. What was under way then is asked again. The memory does not grow with the answers: it is the calls
    under way, and 12 bytes for each line that was done earlier.

    Args:
        client: Whom to ask: a client, or any provider.
        source: JSON lines: `{"id": ..., "prompt": ...}` with any option of a request beside it, or a request's `to_dict()`.
        target: JSON lines: `key`, `line`, `id`, `content` and `response` or `error`, `usage`, `cost`; with `again`, what was
            paid for a line that has no result.
        concurrency: How many calls at once, at least 1. Default 10.
        budget: US dollars for all runs into this `target` together. A line that could exceed it is not begun.
        ordered: Write the results in the order of the input; one slow line then holds others back.
        retry_failed: Take the failures out of `target` first, and ask those lines again.
        defaults: What lines leave out.
        on_progress: Told after every line, on the event loop.

    Raises:
        ConfigError: An option or a file is wrong, or the results in `target` are those of another input.
        StoreError: `target` could not be written.

    A line that fails is a result too. No further line is begun after an error that every line would meet (a wrong key, no
    quota, the budget): `stopped` says why. Cancelling it cancels the calls under way; what is written stays.
    """
    if ordered and retry_failed:
        raise ConfigError(
            "ordered=True and retry_failed=True: what failed would come after the others; give one of them"
        )
    _check_files(source, target)
    limit = None if budget is None else dollars(amount_of("budget", budget))
    with Journal(target) as journal:
        if retry_failed and not journal.empty:
            journal.drop_failed()
        base = defaults or Defaults()
        before, keys = _earlier(journal, source, base)
        if limit is not None:
            if before.usd >= limit:
                return evolve(before, stopped=_spent(limit, before.usd))
            client = _held_to(client, limit, before.usd)
        asking = _Asking(client, journal, before, ordered=ordered, on_progress=on_progress)
        lines = asking.waiting(_left(lines_of(source, base), keys), concurrency * AHEAD)
        stopped = await each(asking.ask, lines, asking.take, concurrency=concurrency)
        return evolve(asking.state, stopped=asking.stopped or stopped)


def status(
    source: str | os.PathLike[str], target: str | os.PathLike[str], *, defaults: Defaults | None = None
) -> BulkRun:
    """Return how far the run from `source` to `target` is, by the two files; asks and changes nothing.

    Raises:
        ConfigError: A file cannot be read, or is no such file.
    """
    total = sum(1 for _ in lines_of(source, defaults, build=False))
    if not Path(target).exists():
        return BulkRun(total)
    done = _Sum()
    for _ in done.counted(Journal.read(target)):
        pass
    return BulkRun(total, done.lines, done.failed, done.lines, done.usd)


def _held_to(client: Provider, limit: Decimal, spent: Decimal) -> Provider:
    derive: Callable[[Budget], Provider] | None = getattr(client, "derive", None)
    if derive is None:
        raise ConfigError(f"budget= needs a client, which knows prices, not {type(client).__name__}")
    return derive(resumed(Limit(usd=limit), spent))


def _spent(limit: Decimal, usd: Decimal) -> BudgetExceededError:
    text = f"the budget of {shown(limit)} is used up: {shown(usd)} were spent on the lines that are done"
    return BudgetExceededError(text, unit="usd", limit=limit, spent=usd)


def _check_files(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    given = Path(source)
    if not given.is_file():
        what = "is no file: it has to be read twice" if given.exists() else "is not there"
        raise ConfigError(f"{os.fspath(source)!r} {what}")
    if Path(target).exists() and given.samefile(target):
        raise ConfigError(f"{os.fspath(source)!r} would be input and output at once; name another output")


class _Sum:
    """What a journal comes to, summed while it is read."""

    def __init__(self) -> None:
        self.lines = self.failed = 0
        self.usd = Decimal(0)

    def counted(self, found: Iterator[Found]) -> Iterator[str]:
        for one in found:
            self.usd += one.usd
            if not one.again:
                self.lines += 1
                self.failed += one.failed
                yield one.key


def _earlier(journal: Journal, source: str | os.PathLike[str], base: Defaults) -> tuple[BulkRun, Keys]:
    """Return how far earlier runs came, and what they did; refuse results that belong to none of these lines."""
    done = _Sum()
    keys = Keys(done.counted(journal.found()))
    kept, left, total = keys.copy(), len(keys), 0
    for line in lines_of(source, base, build=False):
        total += 1
        left -= left > 0 and keys.take(line.key)
    if left:
        raise ConfigError(
            f"{left} of {done.lines} results are of other lines, or of other options: "
            "name another output, or give the input and the options that they were made with"
        )
    return BulkRun(total, done.lines, done.failed, done.lines, done.usd), kept


def _left(lines: Iterator[Line], keys: Keys) -> Iterator[Line]:
    return (line for line in lines if not keys.take(line.key))


class _Asking:
    """One run: asks, writes, and keeps count."""

    def __init__(
        self,
        client: Provider,
        journal: Journal,
        state: BulkRun,
        *,
        ordered: bool,
        on_progress: OnRun | None,
    ) -> None:
        self.state, self.stopped = state, cast("Exception | None", None)
        self._client, self._journal, self._told = client, journal, on_progress
        self._ordered = ordered
        self._held: dict[int, BulkItem[Line, ChatResponse]] = {}
        self._next = 0
        self._under_way = 0
        self._moved = asyncio.Event()

    async def waiting(self, lines: Iterator[Line], ahead: int) -> AsyncIterator[Line]:
        """Give the lines; with `ordered` no more than so many before the one that is next to be written."""
        for given, line in enumerate(lines):
            while self._ordered and given - self._next >= ahead and self.stopped is None:
                await self._move()
            if self.stopped is not None:
                return
            yield line

    async def ask(self, line: Line) -> ChatResponse:
        """Ask for one line; while others are under way, what does not fit the budget waits for what they give back."""
        if line.request is None:
            raise cast("AIClientError", line.error)
        while self.stopped is None:
            self._under_way += 1
            try:
                return await self._client.chat(line.request)
            except BudgetExceededError as error:
                if self._under_way == 1:
                    raise
                del error
            finally:
                self._under_way -= 1
                self._wake()
            await self._move()
        raise self.stopped

    def take(self, item: BulkItem[Line, ChatResponse]) -> None:
        """Write what has come, if it is its turn."""
        if isinstance(item.error, AIClientError) and self._ends(item.error):
            self.stopped = self.stopped or item.error
            self._note_paid(item)
        if not self._ordered:
            self._write(item)
        else:
            self._held[item.index] = item
            while self._next in self._held and not self._ends(self._held[self._next].error):
                self._write(self._held.pop(self._next))
                self._next += 1
        self._wake()

    def _ends(self, error: Exception | None) -> bool:
        """Whether every further line would meet this error too: it is then no result of this one."""
        if isinstance(error, (BudgetExceededError, CircuitOpenError, ClientClosedError, ConfigError)):
            return True
        return isinstance(error, ProviderError) and outcome(error).category in _HOPELESS

    def _note_paid(self, item: BulkItem[Line, ChatResponse]) -> None:
        """Write down what was paid for a line that has no result: the budget is one over all runs."""
        usd = item.expense.usd
        if usd:
            self._journal.append(item.item.key, paid(item.item.number, item.item.id, usd))
            self.state = evolve(self.state, usd=self.state.usd + usd)

    def _write(self, item: BulkItem[Line, ChatResponse]) -> None:
        if self._ends(item.error):
            return
        expense = item.expense
        record = {"line": item.item.number, "id": item.item.id, **_result(item), "cost": None}
        if expense.known is not None:
            record["cost"] = str(expense.usd)
        self._journal.append(item.item.key, record)
        state = self.state
        self.state = evolve(
            state,
            done=state.done + 1,
            failed=state.failed + (not item.ok),
            usd=state.usd + expense.usd,
            unpriced=state.unpriced + expense.unpriced,
        )
        if self._told is not None:
            self._told(self.state)

    async def _move(self) -> None:
        """Wait until something has ended."""
        await self._moved.wait()

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()


def _result(item: BulkItem[Line, ChatResponse]) -> dict[str, Any]:
    if item.value is not None:
        usage = item.value.to_dict().get("usage", {})
        return {"content": item.value.message.content, "response": item.value.to_dict(), "usage": usage}
    error = cast("Exception", item.error)
    told: dict[str, Any] = {"type": type(error).__name__, "message": clean(str(error))}
    if isinstance(error, AIClientError):
        told |= {"category": error.category, "retryable": error.retryable, "status_code": error.status_code}
    return {"error": told, "usage": None}
