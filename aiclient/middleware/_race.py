"""Calls that race: who has answered first, and what becomes of the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Generic, TypeVar

from ..clock import Clock, Timer
from ..errors import AIClientError
from ..gate import uninterrupted
from ..logs import write
from ..stream import ChatStream

__all__ = ["Race"]

T = TypeVar("T")

_LOGGER = logging.getLogger("aiclient.hedge")


class Race(Generic[T]):
    """One call, joined by further ones while nobody has answered.

    Args:
        call: Makes one call. Of a stream it returns when the first output is there.
        join: Asked `after` seconds after each start; True has one more call start, False ends the starting.
        after: Seconds.
        clock: Where time comes from.
    """

    def __init__(
        self,
        call: Callable[[], Awaitable[T]],
        join: Callable[[Collection[AIClientError]], bool],
        after: float,
        clock: Clock,
    ) -> None:
        self._call = call
        self._join = join
        self._after = after
        self._clock = clock
        self._runners: list[asyncio.Task[T]] = []
        self._timer: Timer | None = None
        self._due = False
        self._bell: asyncio.Future[None] | None = None

    async def run(self) -> T:
        """Return the first answer, when the other calls have ended too; of several failures the first call's.

        Cancelling it cancels every call, and returns when they have ended.
        """
        try:
            winner = await self._winner()
        except BaseException:  # cancellation too: nobody may run on; raised again
            await self._end(self._runners)
            raise
        finally:
            if self._timer is not None:
                self._timer.cancel()
        losers = [runner for runner in self._runners if runner is not winner]
        try:
            await self._end(losers)
        except BaseException:  # cancelled while they ended: what was won has no taker; raised again
            await self._end([winner])
            raise
        try:
            return winner.result()
        finally:
            self._runners.clear()
            del winner  # its error's traceback holds this frame: a cycle would keep prompts alive

    def _start(self) -> None:
        runner = asyncio.get_running_loop().create_task(_made(self._call))
        runner.add_done_callback(self._ring)
        self._runners.append(runner)
        self._timer = self._clock.call_later(self._after, self._ring_when_due)

    def _ring_when_due(self) -> None:
        self._due = True
        self._ring()

    def _ring(self, _: object = None) -> None:
        if self._bell is not None and not self._bell.done():
            self._bell.set_result(None)

    async def _winner(self) -> asyncio.Task[T]:
        self._start()
        while True:
            self._bell = asyncio.get_running_loop().create_future()
            await self._bell
            failures: list[AIClientError] = []
            for runner in self._runners:
                if runner.done():
                    error = _failure(runner)
                    if not isinstance(error, AIClientError):  # it has answered, or hit a bug, which nobody waits out
                        return runner
                    failures.append(error)
            if len(failures) == len(self._runners):
                return self._runners[0]
            if self._due:
                self._due = False
                if self._join(failures):
                    self._start()

    async def _end(self, runners: Collection[asyncio.Task[T]]) -> None:
        """Cancel calls, close what they have won, and return when all have ended, whoever is cancelled meanwhile."""
        if any(not runner.done() or _failure(runner) is None for runner in runners):
            await uninterrupted(_ended(runners))


async def _made(call: Callable[[], Awaitable[T]]) -> T:
    return await call()


def _failure(runner: asyncio.Task[T]) -> BaseException | None:
    return asyncio.CancelledError() if runner.cancelled() else runner.exception()


async def _ended(runners: Collection[asyncio.Task[T]]) -> None:
    for runner in runners:
        runner.cancel()
    await asyncio.wait(runners)
    for runner in runners:
        if _failure(runner) is not None:
            continue  # an exchange that failed is in the journal
        result = runner.result()
        if isinstance(result, ChatStream):
            try:
                await result.close()
            except Exception:  # noqa: BLE001  # the other call has answered; logged
                write(
                    _LOGGER, logging.ERROR, {"event": "hedge"}, "closing a stream that came second failed", trace=True
                )
