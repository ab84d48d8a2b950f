"""Many calls, for synchronous code: they run on the loop thread; input and progress stay in the thread of the caller."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import queue
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable, Iterator, Sized
from typing import Any, Generic, Self, TypeAlias, TypeVar

from ..bulk.items import BulkProgress, BulkResult, Listener, OnProgress
from ..bulk.mapping import Items
from .loopthread import LoopThread

__all__ = ["bulk_in"]

I = TypeVar("I")  # noqa: E741  # an item
V = TypeVar("V")

Work: TypeAlias = Callable[[Items[I], OnProgress | None], Coroutine[Any, Any, BulkResult[I, V]]]
"""Begins the calls, given the input and whom to tell."""


def bulk_in(thread: LoopThread, work: Work[I, V], items: Items[I], on_progress: OnProgress | None) -> BulkResult[I, V]:
    """Run `work` on the loop thread and return what it gives.

    Meanwhile the calling thread reads the input and tells the progress: a generator over a database connection, a bar on the
    terminal, or a call of the same client from either, all do what they do elsewhere. Interrupting it (Ctrl-C) cancels every
    call and waits for their end.
    """
    desk = _Desk(items)
    source: Items[I] = items if isinstance(items, AsyncIterable) else desk
    job = thread.job(desk.opened(lambda: work(source, desk.teller(on_progress))))
    try:
        job.launch()
        desk.serve()
        return job.result()
    except BaseException:  # KeyboardInterrupt, at any moment; the work's own errors find it done
        job.settle()
        raise


class _Desk(Generic[I]):
    """Where the caller's thread does what the loop thread asks of it: give the next item, or tell of the progress."""

    def __init__(self, items: Items[I]) -> None:
        self._orders: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._items: Iterator[I] = iter(items if isinstance(items, Iterable) else ())
        self.total = len(items) if isinstance(items, Sized) else None

    async def opened(self, work: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """Do the work, and close the desk after it."""
        try:
            return await work()
        finally:
            self._orders.put(None)

    def serve(self) -> None:
        """Do what is asked, in this thread, until the desk is closed."""
        while (order := self._orders.get()) is not None:
            order()

    def teller(self, on_progress: OnProgress | None) -> OnProgress | None:
        """Return what has `on_progress` told by the caller's thread."""
        if on_progress is None:
            return None
        listener = Listener(on_progress)

        def later(progress: BulkProgress) -> None:
            self._orders.put(lambda: listener.tell(progress))

        return later

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> I:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[I]] = loop.create_future()
        self._orders.put(lambda: self._fetch(loop, answer))
        found = await answer
        if not found:
            raise StopAsyncIteration
        return found[0]

    def _fetch(self, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[list[I]]) -> None:
        """Read one item, in the caller's thread."""
        answer_with: Callable[[], None]
        found: list[I] = []
        try:
            found.extend(itertools.islice(self._items, 1))
        except Exception as error:  # noqa: BLE001  # raised where the item is awaited
            answer_with = functools.partial(answer.set_exception, error)
        else:
            answer_with = functools.partial(answer.set_result, found)
        with contextlib.suppress(RuntimeError):  # the loop was closed, and the desk with it
            loop.call_soon_threadsafe(_unless_done, answer, answer_with)


def _unless_done(answer: asyncio.Future[list[I]], answer_with: Callable[[], None]) -> None:
    if not answer.done():
        answer_with()
