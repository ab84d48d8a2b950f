"""Blocking functions beside the event loop, one thread each, so that one that hangs keeps nobody else waiting."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from . import logs

__all__ = ["in_thread"]

_LOGGER: Final = logging.getLogger("aiclient.functions")

T = TypeVar("T")


async def in_thread(work: Callable[[], T], *, name: str) -> T:
    """Return what `work` returns, or raise what it raises, run in a thread of its own with the caller's context variables.

    The loop's own pool is not used: it has few threads, and names are resolved there too, so functions that hang would stop
    every new connection. A cancelled caller leaves at once; the thread goes on to its end, its result is dropped, and what it
    raises is logged. It does not keep the program from exiting.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.done():  # the caller has left
            _dropped(name, error)
        elif error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # None only where T is

    def main() -> None:
        result, error = None, None
        try:
            result = context.run(work)
        except BaseException as raised:  # noqa: BLE001  # whatever it is, it belongs to the caller
            error = RuntimeError(f"{name} raised StopIteration") if isinstance(raised, StopIteration) else raised
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:  # the loop has closed: nobody is left
            _dropped(name, error)

    threading.Thread(target=main, name=f"aiclient-{name}", daemon=True).start()
    return await done


def _dropped(name: str, error: BaseException | None) -> None:
    """Log what nobody is left to be told of, by its type: its text may hold what the model or the user said."""
    if error is not None:
        fields = {"event": "tool_failed", "tool": name, "error": type(error).__name__}
        logs.write(
            _LOGGER, logging.WARNING, fields, "%s raised %s after its caller had left", name, type(error).__name__
        )
