"""Keeping a client to a file that changes, by looking at it now and then."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, cast

from ..clock import SYSTEM, Clock
from ..errors import AIClientError, ConfigError
from ..gate import uninterrupted
from ..logs import write
from ..middleware._selection import listener
from .model import Config

if TYPE_CHECKING:
    from ..client import AsyncClient
    from ..sync.client import Client
    from ..sync.loopthread import Job

__all__ = ["Watcher", "watch"]

_LOGGER: Final = logging.getLogger("aiclient.config")

_Signature: TypeAlias = tuple[int, ...] | None


class Watcher:
    """Looks at a file every few seconds, and has the client reloaded when it changed; see `watch`."""

    def __init__(
        self,
        client: AsyncClient | Client,
        path: str | os.PathLike[str],
        *,
        every: float,
        clock: Clock,
        on_reload: Callable[[Config], object] | None,
        on_error: Callable[[AIClientError], object] | None,
    ) -> None:
        if not _is_positive(every):
            raise ConfigError(f"every={every!r} must be a finite number of seconds, more than 0")
        for name, hear in (("on_reload", on_reload), ("on_error", on_error)):
            listener(name, hear)
        given: Any = client
        self._client, self._core = given, cast("AsyncClient", getattr(given, "_async", given))
        self._path, self._every, self._clock = Path(path), float(every), clock
        self._on_reload, self._on_error = on_reload, on_error
        self._seen: _Signature | bool = False  # what no file has: the first look reads
        self._task: asyncio.Task[None] | None = None
        self._job: Job[None] | None = None

    async def look(self) -> bool:
        """Look now, and reload if the file changed since the last look; returns whether the client works by another set-up."""
        signature = _signature(self._path)
        if signature == self._seen:
            return False
        self._seen = signature
        before = self._core.config
        failure: AIClientError
        try:
            await self._core.reload(self._path)
        except AIClientError as error:  # a bad file: the client goes on as it is
            failure = error
        except Exception as error:  # noqa: BLE001  # of a layer of others, when it is put in: the watch goes on
            failure = ConfigError(f"the layers cannot be put together: {type(error).__name__}: {error}")
        else:
            changed = self._core.config != before
            if changed:
                write(_LOGGER, logging.INFO, {"event": "config_reloaded"}, "reloaded %s", self._path)
                self._tell(self._on_reload, self._core.config)
            return changed
        fields = {"event": "config_refused", "category": failure.category}
        write(_LOGGER, logging.ERROR, fields, "%s was not taken over: %s", self._path, failure)
        self._tell(self._on_error, failure)
        return False

    async def run(self) -> None:
        """Look for ever; cancelling ends it at once, and the client stays as it is."""
        while True:
            await self.look()
            await self._clock.sleep(self._every)

    def _tell(self, hear: Callable[[Any], object] | None, value: Any) -> None:
        if hear is None:
            return
        try:
            hear(value)
        except Exception:  # noqa: BLE001  # the caller's code; the watch goes on
            write(_LOGGER, logging.ERROR, {"event": "listener_failed"}, "a listener failed: %r", hear, trace=True)

    async def __aenter__(self) -> Self:
        self._task = asyncio.get_running_loop().create_task(self.run(), name="aiclient config watch")
        return self

    async def __aexit__(self, *_: object) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await uninterrupted(asyncio.wait((task,)))  # `await task` could not tell its cancellation from the caller's
            if not task.cancelled():
                task.result()

    def __enter__(self) -> Self:
        thread = getattr(self._client, "_thread", None)
        if thread is None:
            raise ConfigError("an AsyncClient is watched with `async with`")
        job = self._job = thread.job(self.run())
        job.launch()
        return self

    def __exit__(self, *_: object) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.settle()


def _is_positive(seconds: Any) -> bool:
    return type(seconds) in (int, float) and 0 < seconds < float("inf")


def _signature(path: Path) -> _Signature:
    """Return what changes when the file does; None if it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def watch(
    client: AsyncClient | Client,
    path: str | os.PathLike[str],
    *,
    every: float = 2.0,
    clock: Clock = SYSTEM,
    on_reload: Callable[[Config], object] | None = None,
    on_error: Callable[[AIClientError], object] | None = None,
) -> Watcher:
    """Keep `client` to a configuration file, for as long as the `with` block lasts (`async with` for an AsyncClient).

    When the file changed, `client.reload(path)` takes it over between calls. A file that cannot be read or holds what it
    cannot leaves the client as it is: the logger `aiclient.config` and `on_error` are told, once for each change.

    Args:
        client: Whose set-up it is.
        path: The file.
        every: Seconds between two looks. Default 2.
        clock: Where time comes from.
        on_reload: Called with the Config that holds from now on, when it differs; what it raises is logged.
        on_error: Called with the error of a file that was not taken over; as `on_reload`.

    Raises:
        ConfigError: An option is out of range.
    """
    return Watcher(client, path, every=every, clock=clock, on_reload=on_reload, on_error=on_error)
