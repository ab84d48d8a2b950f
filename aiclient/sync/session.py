"""A session for synchronous code: a facade over one AsyncSession on the client's loop thread."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Coroutine, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from ..bulk.items import BulkResult, OnProgress
from ..bulk.mapping import Items, OnError, checked
from ..conversation import CALLER
from ..errors import ClientClosedError, InvalidProviderError
from ..prompts import Prompt
from ..response import ChatResponse
from ..session.record import read_json
from ..session.session import AsyncSession
from ..session.state import SessionState
from ..session.view import SessionView
from .bulk import bulk_in
from .loopthread import LoopThread
from .stream import Stream

if TYPE_CHECKING:
    from typing import Unpack

    from ..settings import CallSettings
    from .client import Client

__all__ = ["Session"]


class Session(SessionView):
    """One conversation over a client, for synchronous code; made by `client.session(...)`.

    Same options and surface as AsyncSession. Any number of threads may use it; their calls go one after another, in the order
    in which they were asked. Callbacks of `set_alert` run on the loop thread, and must not call the session.

    Example:
        >>> with Client(MockProvider("Paris")) as client, client.session(system="Be brief.") as session:
        ...     print(session.chat("Capital of France?").message.content, len(session.history))
        Paris 2
    """

    def __init__(self, session: AsyncSession, thread: LoopThread, client: Client) -> None:
        self._async, self._thread = session, thread
        self._client = client  # kept alive: its thread ends with it

    @property
    def _state(self) -> SessionState:
        return self._async._state  # noqa: SLF001  # what it is the facade of

    def chat(self, prompt: Prompt, /, **options: Unpack[CallSettings]) -> ChatResponse:
        """Say something, and return the answer; Ctrl-C cancels it. See AsyncSession.chat."""
        work = self._async.chat(prompt, **options)
        del prompt  # a traceback that shows local variables would show it
        with _calling():
            return self._thread.run(work)

    def stream(self, prompt: Prompt, /, **options: Unpack[CallSettings]) -> Stream:
        """Say something, and open the stream of the answer; use it with `with`. See AsyncSession.stream."""
        opening = self._async.stream(prompt, **options)
        del prompt  # as in `chat`
        with _calling():
            return Stream(self._thread, opening, keeps=self)

    def batch_generate(
        self,
        items: Items[Prompt],
        *,
        concurrency: int = 10,
        check_budget_per_item: bool = True,
        on_error: OnError = "collect",
        on_progress: OnProgress | None = None,
        **options: Unpack[CallSettings],
    ) -> BulkResult[Prompt, ChatResponse]:
        """Send many prompts, each on its own; see AsyncSession.batch_generate.

        `items` is read, and `on_progress` told, in the calling thread. Ctrl-C cancels what is under way.
        """
        checked(items, concurrency=concurrency, on_error=on_error, on_progress=on_progress)

        def work(
            found: Items[Prompt], told: OnProgress | None
        ) -> Coroutine[Any, Any, BulkResult[Prompt, ChatResponse]]:
            return self._async.batch_generate(
                found,
                concurrency=concurrency,
                check_budget_per_item=check_budget_per_item,
                on_error=on_error,
                on_progress=told,
                **options,
            )

        return bulk_in(self._thread, work, items, on_progress)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], client: Client, **options: Any) -> Self:
        """Return the session that `export_to_dict` gave, over `client`; see AsyncSession.from_dict."""
        if not hasattr(client, "_async"):
            raise InvalidProviderError(
                f"a Session needs a Client, not {type(client).__name__}; see AsyncSession.from_dict"
            )
        made = AsyncSession.from_dict(data, client._async, **options)  # noqa: SLF001  # what that is the facade of
        return cls(made, client._thread, client)  # noqa: SLF001  # as above

    @classmethod
    def from_json(cls, path: str | os.PathLike[str], client: Client, **options: Any) -> Self:
        """Return the session that `export_to_json` wrote; see AsyncSession.from_json."""
        return cls.from_dict(read_json(path), client, **options)

    def start(self) -> Self:
        """Open the session again after `close`, and return it; a new one is open already."""
        self._thread.run(self._async.start())
        return self

    def reset(self) -> None:
        """Begin anew: no history, no rows, the whole budget, a new identifier; see AsyncSession.reset."""
        self._thread.run(self._async.reset())

    def close(self) -> None:
        """End the session, and nothing of the client; see AsyncSession.close."""
        with contextlib.suppress(ClientClosedError):  # the client was closed, and everything of it has ended
            self._thread.run(self._async.close())

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def _calling() -> Iterator[None]:
    """Say that this thread calls, for what runs on the loop thread in its name."""
    token = CALLER.set(threading.current_thread())
    try:
        yield
    finally:
        CALLER.reset(token)
