"""One event loop on a thread of its own, for callers who have none."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Coroutine
from typing import Any, Final, Generic, TypeVar

from ..errors import AIClientError, ClientClosedError

__all__ = ["LoopThread"]

T = TypeVar("T")

CLOSED: Final = "this client was closed; make a new one"


class LoopThread:
    """Runs coroutines on a private daemon thread; made on first use, and made anew in a forked child.

    `run` blocks the calling thread until the work is done. Any number of threads may call it at once.
    """

    def __init__(self, name: str = "aiclient") -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._stopped = False
        self._ending = False

    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the running loop, starting its thread if need be."""
        if self._loop is not None and self._pid == os.getpid():
            return self._loop
        if self._pid not in (0, os.getpid()):
            # A forked child has the lock as some thread of its parent left it, and a loop whose thread is not there.
            self._lock, self._loop = threading.Lock(), None
            self._pid = os.getpid()
        with self._lock:
            if self._stopped:
                raise ClientClosedError(CLOSED)
            if self._loop is None:
                self._start()
            assert self._loop is not None
            return self._loop

    def _start(self) -> None:
        loop = asyncio.new_event_loop()
        ready = threading.Event()

        def main() -> None:
            asyncio.set_event_loop(loop)
            loop.call_soon(ready.set)
            try:
                self._serve(loop)
            finally:
                loop.run_until_complete(loop.shutdown_asyncgens())
                loop.close()

        self._thread = threading.Thread(target=main, name=self._name, daemon=True)
        self._thread.start()
        ready.wait()
        self._pid = os.getpid()
        self._loop = loop

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run the loop until it is stopped by us: asyncio would end it for all calls when one raises these."""
        while True:
            try:
                loop.run_forever()
            except (KeyboardInterrupt, SystemExit):  # of a provider or a callback; whoever made that call is given it
                if not self._ending:
                    continue
            return

    def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        self._ending = True
        loop.stop()

    @property
    def running(self) -> bool:
        """Whether the thread has been started in this process."""
        return self._loop is not None and self._pid == os.getpid()

    def job(self, work: Coroutine[Any, Any, T]) -> Job[T]:
        """Return `work` as a job to be launched, with a copy of the caller's context variables."""
        try:
            loop = self.loop()
        except ClientClosedError:
            work.close()
            raise
        if self._thread is threading.current_thread():
            work.close()
            raise AIClientError(
                "a sync client was called on its own event loop (by a middleware or callback); use the AsyncClient there"
            )
        return Job(loop, work)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` and return what it returns. Interrupting the wait (Ctrl-C) cancels the work and waits for its end."""
        job = self.job(work)
        try:
            job.launch()
            return job.result()
        except BaseException:  # KeyboardInterrupt, at any moment; the work's own errors find it done
            job.settle()
            raise

    def stop(self) -> None:
        """End the thread for good; what still runs on it is cancelled first. Harmless when it never started."""
        if self._pid not in (0, os.getpid()):
            return  # a forked child: the thread is its parent's
        with self._lock:
            self._stopped = True
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
        if loop is None or thread is None:
            return
        if thread is threading.current_thread():  # the garbage collector may run here
            self._end(loop)
            return
        job = Job(loop, _cancel_rest())
        job.launch()
        job.result()
        loop.call_soon_threadsafe(self._end, loop)
        thread.join()


async def _cancel_rest() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


class Job(Generic[T]):
    """One piece of work on the loop; the task itself is kept, so that its end can be waited for after a cancellation."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> None:
        self._context = contextvars.copy_context()
        self._loop = loop
        self._work = work
        self._task: asyncio.Task[T] | None = None
        self._done = threading.Event()
        self._launched = self._cancelled = False

    def launch(self) -> None:
        """Have the loop begin."""
        self._launched = True
        try:
            self._loop.call_soon_threadsafe(self._start, context=self._context)
        except RuntimeError:  # closed by another thread in this moment
            self._drop()
            raise ClientClosedError(CLOSED) from None

    def _start(self) -> None:
        if self._cancelled:
            self._drop()
            return
        self._task = self._loop.create_task(self._work)
        self._task.add_done_callback(lambda _: self._done.set())

    def _drop(self) -> None:
        self._work.close()
        self._done.set()

    def result(self) -> T:
        """Wait for the end and return the result."""
        self._done.wait()
        if self._task is None or self._task.cancelled():
            raise ClientClosedError("the call was cancelled because this client was closed")
        return self._task.result()

    def cancel(self) -> None:
        """Ask the work to stop, from any thread."""
        self._cancelled = True

        def stop() -> None:
            if self._task is not None:
                self._task.cancel()
            else:
                self._drop()

        self._loop.call_soon_threadsafe(stop)

    def settle(self) -> None:
        """Cancel the work unless it is done, and return when it has ended, whatever it ended with."""
        if not self._launched:
            self._drop()
        elif not self._done.is_set():
            self.cancel()
            self._done.wait()
        if self._task is not None and not self._task.cancelled():
            self._task.exception()  # seen: the caller gets the interruption
