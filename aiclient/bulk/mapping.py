"""One call for each of many items: so many at once, the input read as it is needed, an outcome for every item."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sized,
)
from typing import Generic, Literal, TypeAlias, TypeVar, cast, get_args

from ..errors import AIClientError, ClientClosedError, ConfigError
from ..gate import uninterrupted
from ..prices.expenses import NOTHING
from ..request import ChatRequest
from .items import BulkItem, BulkProgress, BulkResult, Listener, OnProgress

__all__ = ["Items", "OnError", "checked", "each", "map"]

I = TypeVar("I")  # noqa: E741  # an item
V = TypeVar("V")

OnError: TypeAlias = Literal["collect", "stop", "raise"]
"""What one failure means for the others: nothing; no further item is begun; all are cancelled and it is raised."""

Items: TypeAlias = Iterable[I] | AsyncIterable[I]
"""The input: plain or async, finite or not."""


async def map(
    call: Callable[[I], Awaitable[V]],
    items: Items[I],
    *,
    concurrency: int = 10,
    on_error: OnError = "collect",
    on_progress: OnProgress | None = None,
) -> BulkResult[I, V]:
    """Call `call` with every item, at most `concurrency` at once, and return all outcomes in the order of the input.

    The input is read only when a place is free, so it may be a generator over a file, or endless. It is read, and
    `on_progress` is told, on the event loop: both must be quick. An iterator that was handed in is left where it was.

    Args:
        call: Makes one call.
        items: The input, plain or async.
        concurrency: How many calls at once, at least 1. Default 10.
        on_error: `collect` keeps a failure as that item's outcome and goes on (default); `stop` begins no further item and
            lets those under way finish; `raise` cancels them and raises the failure. A closed client stops it in any case.
        on_progress: A plain function, told after every item; what it raises is logged once.

    Raises:
        ConfigError: An argument is wrong; nothing was called.
        Exception: With `raise`, the first failure; and in any case what reading the input raised, after the calls under
            way have finished.

    Cancelling it cancels every call under way, and returns when they have ended; no task is left.

    Example:
        >>> async def double(number):
        ...     return 2 * number
        >>> asyncio.run(map(double, range(4), concurrency=2)).values
        [0, 2, 4, 6]
    """
    checked(items, concurrency=concurrency, on_error=on_error, on_progress=on_progress)
    return await _Run(call, items, concurrency, on_error, on_progress).result()


async def each(
    call: Callable[[I], Awaitable[V]],
    items: Items[I],
    take: Callable[[BulkItem[I, V]], object],
    *,
    concurrency: int = 10,
    on_error: OnError = "collect",
) -> Exception | None:
    """Do the same as `map`, hand each outcome to `take` as it comes, and keep none: the memory is that of the calls under way.

    Args:
        call: Makes one call.
        items: The input, plain or async.
        take: A plain function, told on the event loop; what it raises ends the work and is raised.
        concurrency: How many calls at once, at least 1. Default 10.
        on_error: As for `map`.

    Returns why no further item was begun, where it ended early. Raises and is cancelled as `map`.

    Example:
        >>> async def double(number):
        ...     return 2 * number
        >>> asyncio.run(each(double, range(3), lambda item: print(item.value), concurrency=1))
        0
        2
        4
    """
    checked(items, concurrency=concurrency, on_error=on_error, on_progress=take)
    return await _Each(call, items, concurrency, on_error, take).ended()


def checked(items: object, *, concurrency: object, on_error: object, on_progress: object) -> None:
    """Refuse what cannot be right, before anything is called.

    Raises:
        ConfigError: The message names the argument, its value and what to give.
    """
    if isinstance(items, (str, bytes, Mapping, ChatRequest)) or not isinstance(items, (Iterable, AsyncIterable)):
        raise ConfigError(f"items of {type(items).__name__}: give a list of items, or anything that yields them")
    if type(concurrency) is not int or concurrency < 1:
        raise ConfigError(f"concurrency={concurrency!r} must be a whole number of at least 1")
    if on_error not in get_args(OnError):
        raise ConfigError(f"on_error={on_error!r} is none of {', '.join(get_args(OnError))}")
    if on_progress is not None and (not callable(on_progress) or inspect.iscoroutinefunction(on_progress)):
        raise ConfigError(f"on_progress={on_progress!r} must be a plain function: nothing waits for it")


class _Run(Generic[I, V]):
    """One `map` under way: workers that take the next item when they have done one."""

    def __init__(
        self,
        call: Callable[[I], Awaitable[V]],
        items: Items[I],
        concurrency: int,
        on_error: OnError,
        on_progress: OnProgress | None,
    ) -> None:
        self._call, self._concurrency, self._on_error = call, concurrency, on_error
        self._listener = Listener(on_progress)
        self._input = _Input(items)
        self._done: dict[int, BulkItem[I, V]] = {}
        self._failed = 0
        self._expense = NOTHING
        self._workers: set[asyncio.Task[None]] = set()
        self._hired = 0
        self._stopped: Exception | None = None  # why no further item is begun
        self._broken: Exception | None = None  # what is raised in the end

    async def result(self) -> BulkResult[I, V]:
        await self.ended()
        return BulkResult(tuple(self._done[index] for index in sorted(self._done)), self._stopped)

    async def ended(self) -> Exception | None:
        """Do all of it, and return why it ended early."""
        self._hire()
        try:
            while self._workers:
                await asyncio.wait(self._workers, return_when=asyncio.FIRST_COMPLETED)
                for worker in [worker for worker in self._workers if worker.done()]:
                    self._workers.remove(worker)
                    worker.result()  # an interruption that came up in a worker; failures are outcomes
                if self._broken is not None and self._on_error == "raise":
                    break
        finally:
            await self._end()
        if self._broken is not None:
            raise self._broken
        return self._stopped

    def _hire(self) -> None:
        """Take one more worker on, if there is still a place and something to do."""
        if self._hired < self._concurrency and self._stopped is None:
            self._hired += 1
            self._workers.add(asyncio.get_running_loop().create_task(self._work()))

    async def _end(self) -> None:
        """Let no task be left, however often the caller is cancelled meanwhile."""
        for worker in self._workers:
            worker.cancel()
        if self._workers:
            await uninterrupted(_ended(self._workers))
        await self._input.close()

    async def _work(self) -> None:
        hired = False
        while self._stopped is None:
            try:
                found, index, item = await self._input.next()
            except Exception as error:  # noqa: BLE001  # the input's own failure; raised when what runs has finished
                self._broken = self._stopped = error
                return
            if not found:
                return
            if not hired:
                hired = True
                self._hire()
            self._note(await self._one(index, item))

    async def _one(self, index: int, item: I) -> BulkItem[I, V]:
        try:
            return BulkItem(index, item, await self._call(item))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            error: Exception = AIClientError(f"the call for item {index} ended itself as cancelled", kind="cancelled")
        except Exception as failure:  # noqa: BLE001  # kept as the item's outcome: one bug must not lose the others' answers
            error = failure
            if error.__traceback__ is not None:  # without this frame, whose item is what a traceback would show
                error = error.with_traceback(error.__traceback__.tb_next)
        if self._on_error == "raise":
            error.add_note(f"this was item {index}")
            self._broken = self._broken or error
        if self._on_error != "collect" or isinstance(error, ClientClosedError):
            self._stopped = self._stopped or error
        return BulkItem(index, item, error=error)

    def _note(self, item: BulkItem[I, V]) -> None:
        self._done[item.index] = item
        self._failed += not item.ok
        self._expense += item.expense
        progress = BulkProgress(len(self._done), self._failed, self._input.total, self._expense, item)
        self._listener.tell(progress)


class _Each(_Run[I, V]):
    """The same for whoever takes the outcomes one by one."""

    def __init__(
        self,
        call: Callable[[I], Awaitable[V]],
        items: Items[I],
        concurrency: int,
        on_error: OnError,
        take: Callable[[BulkItem[I, V]], object],
    ) -> None:
        super().__init__(call, items, concurrency, on_error, None)
        self._take = take

    def _note(self, item: BulkItem[I, V]) -> None:
        self._take(item)


async def _ended(tasks: Iterable[asyncio.Task[None]]) -> None:
    await asyncio.wait(list(tasks))


class _Input(Generic[I]):
    """Gives the items one by one, to one worker at a time."""

    def __init__(self, items: Items[I]) -> None:
        self._lock = asyncio.Lock()
        self._count = 0
        self._over = False
        self.total: int | None = len(items) if isinstance(items, Sized) else getattr(items, "total", None)
        self._plain: Iterator[I] | None = None
        self._async: AsyncIterator[I] | None = None
        if isinstance(items, AsyncIterable):
            self._async = aiter(items)
            self._ours = self._async is not items
        else:
            self._plain = iter(items)

    async def next(self) -> tuple[bool, int, I]:
        """Return whether there was one, its place, and the item."""
        async with self._lock:
            nothing = cast("I", None)
            if self._over:
                return False, 0, nothing
            try:
                item = (
                    next(self._plain) if self._plain is not None else await anext(cast("AsyncIterator[I]", self._async))
                )
            except (StopIteration, StopAsyncIteration):
                self._over, self.total = True, self._count
                return False, 0, nothing
            self._count += 1
            return True, self._count - 1, item

    async def close(self) -> None:
        """Close an async iterator that was made here; one that was handed in is its owner's."""
        close = getattr(self._async, "aclose", None) if self._async is not None and self._ours else None
        if close is not None:
            await close()
