"""A session: one conversation with its history, its budget, and the figures of all that it took."""

from __future__ import annotations

import os
import warnings
import weakref
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Self

from attrs import evolve

from ..bulk.items import BulkResult, OnProgress
from ..bulk.mapping import Items, OnError, checked
from ..bulk.mapping import map as bulk_map
from ..clock import SYSTEM, Clock
from ..conversation import Turn
from ..errors import AIClientWarning, ClientClosedError
from ..messages import Message
from ..opening import OpenStream
from ..prompts import Prompt, messages_of
from ..provider import Middleware, Provider, observed
from ..request import ChatOptions, ChatRequest
from ..response import ChatResponse
from ..settings import merged, options_of
from ..stream import ChatStream
from .options import checked_wait, new_id, setup_of
from .record import SessionRecord, read_json
from .state import SessionState
from .view import SessionView

if TYPE_CHECKING:
    from typing import Unpack

    from ..settings import CallSettings, SessionSettings

__all__ = ["AsyncSession"]

CLOSED: Final = "this session was closed; start() opens it again"

DEFAULT_WAIT: Final = 600.0
"""Seconds that a call waits for those before it, as long as a call takes at most by default."""


class AsyncSession(SessionView):
    """One conversation over a client: what was said is sent along, and what it takes is counted and limited.

    Made by `client.session(...)`. A session is one conversation, so its calls go one after another: of two at once the second
    waits until the first has ended (in the order in which they were asked), a stream included. The items of `batch_generate`
    are not part of the conversation; they run at once, and count for the budget and the figures like any other request.

    The history grows by a prompt and its answer when the whole answer is there. A call that fails, a stream that is cut,
    cancelled or left early, an empty answer and a dry run leave it as it was.

    Args:
        provider: A client, or any Provider.
        budget_usd: US dollars that may be spent; what does not fit is refused before anything is sent. None for no limit.
        system: The system prompt of every call.
        metadata: Notes on the session, plain data for JSON; kept in exports, sent to nobody.
        use: Layers for this session only, outside the client's own.
        history: What has been said before.
        keep_messages: So many messages are sent at most, the oldest turns dropped first and for good, system prompt included.
        keep_tokens: So many tokens, estimated; likewise.
        dry_run: Send nothing: answers are empty, and each row says what the request could have cost.
        max_wait: Seconds that a call waits for those before it; None for as long as it takes. Default 600.
        id: Its identifier; every call carries it as the tag `session`. Default a new one.
        clock: Where time comes from.
        options: Of every request, as in ChatOptions (`model`, `temperature`, ...); a call's own win.

    Raises:
        ConfigError: An option is wrong.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        budget_usd: Decimal | float | str | None = None,
        system: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        use: Iterable[Middleware] = (),
        history: Iterable[Message] = (),
        keep_messages: int | None = None,
        keep_tokens: int | None = None,
        dry_run: bool = False,
        max_wait: float | None = DEFAULT_WAIT,
        id: str | None = None,
        clock: Clock = SYSTEM,
        **options: Unpack[SessionSettings],
    ) -> None:
        setup = setup_of(
            budget_usd=budget_usd,
            system=system,
            metadata=metadata,
            history=history,
            keep_messages=keep_messages,
            keep_tokens=keep_tokens,
            dry_run=dry_run,
            id=id,
            started_at=clock.time(),
            options=options,
        )
        self._begin(setup, provider, tuple(use), max_wait, clock)

    def _begin(
        self,
        setup: SessionRecord,
        provider: Provider,
        use: tuple[Middleware, ...],
        max_wait: float | None,
        clock: Clock,
    ) -> None:
        self._provider, self._use, self._clock = provider, use, clock
        self._max_wait = checked_wait(max_wait)
        self._old: weakref.WeakSet[SessionState] = weakref.WeakSet()
        self._closed = False
        self._now = SessionState(setup, provider, use)

    @property
    def _state(self) -> SessionState:
        return self._now

    # --- calls ---

    async def chat(self, prompt: Prompt, /, **options: Unpack[CallSettings]) -> ChatResponse:
        """Say something, and return the answer.

        Args:
            prompt: A text; a list of messages, of dicts, or of tool results (`[call.result("21 degrees")]`); or a request,
                whose messages are added to what was said before.
            options: For this request, as in ChatOptions.

        Raises:
            BudgetExceededError: It could cost more than is left; nothing was sent.
            ClientClosedError: The session was closed.
            InvalidRequestError: The prompt is malformed, or does not fit into what may be sent; nothing was sent.
            TimeoutError: Its turn did not come within `max_wait` seconds.
            AIClientError: As of `client.chat`.

        Cancelling it leaves the history as it was, and gives the turn to the next.
        """
        state, new, asked = self._read(prompt, options)
        del prompt  # a traceback that shows local variables would show it
        turn = await self._turn(state)
        return await observed(state.channels.talk.chat(state.said(turn, new, asked)), turn.end)

    def stream(self, prompt: Prompt, /, **options: Unpack[CallSettings]) -> OpenStream:
        """Say something, and return the stream of the answer, to be opened: `async with` it, or `await` it.

        It is its turn until it is closed. Read to its end, it is added to the history; cut, cancelled or left early, it is not.
        Arguments and errors are those of `chat`.
        """
        state, new, asked = self._read(prompt, options)

        async def start() -> ChatStream:
            turn = await self._turn(state)
            return await observed(state.channels.talk.chat_stream(state.said(turn, new, asked)), turn.end)

        return OpenStream(start)

    async def batch_generate(
        self,
        items: Items[Prompt],
        *,
        concurrency: int = 10,
        check_budget_per_item: bool = True,
        on_error: OnError = "collect",
        on_progress: OnProgress | None = None,
        **options: Unpack[CallSettings],
    ) -> BulkResult[Prompt, ChatResponse]:
        """Send many prompts, each on its own with the session's system prompt and without its history.

        Args:
            items: Prompts, as `chat` takes them; plain or async, read as places come free.
            concurrency: How many at once.
            check_budget_per_item: Hold each item to what is left of the budget: one that does not fit has a
                BudgetExceededError as its outcome, and a cheaper one after it may still be answered. False reads all items
                first and holds them to it together: either the most that all can cost fits, or nothing is sent.
            on_error: What one failure means for the others; see `aiclient.bulk.mapping.map`.
            on_progress: Told after every item.
            options: For each request.

        Raises:
            BudgetExceededError: With `check_budget_per_item=False`, they could cost more than is left.
            ConfigError: An argument is wrong; or they cannot be held to a budget, because a price is not known.
        """
        self._check_open()
        checked(items, concurrency=concurrency, on_error=on_error, on_progress=on_progress)
        state = self._now
        asked = state.asked(options)
        if not check_budget_per_item and state.budget is not None:
            items = await state.affordable(items, asked)

        async def one(item: Prompt) -> ChatResponse:
            request = state.alone(item, asked)
            del item  # as in `chat`
            return await state.channels.items.chat(request)

        return await bulk_map(one, items, concurrency=concurrency, on_error=on_error, on_progress=on_progress)

    def _read(
        self, prompt: Prompt, options: Mapping[str, Any]
    ) -> tuple[SessionState, tuple[Message, ...], ChatOptions]:
        """Return the session as it is now, the messages of a prompt, and what the request asks for."""
        self._check_open()
        state = self._now
        asked = state.asked(options)
        if isinstance(prompt, ChatRequest):
            return state, prompt.messages, merged(asked, prompt.options)
        return state, tuple(messages_of(prompt)), asked

    async def _turn(self, state: SessionState) -> Turn:
        self._check_open()
        turn = await state.conversation.turn(self._clock, self._max_wait)
        if self._closed:
            turn.give_back()
            raise ClientClosedError(CLOSED)
        return turn

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosedError(CLOSED)

    # --- saving ---

    @classmethod
    def from_dict(
        cls,
        data: Mapping[str, Any],
        provider: Provider,
        *,
        use: Iterable[Middleware] = (),
        extra: Mapping[str, Mapping[str, Any]] | None = None,
        max_wait: float | None = DEFAULT_WAIT,
        clock: Clock = SYSTEM,
    ) -> Self:
        """Return the session that `export_to_dict` gave, by this version or an older one, over `provider`.

        It goes on where it was: same identifier, history and rows, and what was spent of the budget is spent. Alerts and layers
        are not saved; give them again, as `extra` where it was left out.

        Raises:
            StoreError: It is no saved session; the message says where it is wrong, never what it holds.
        """
        record = SessionRecord.from_dict(data)  # which leaves alone what it does not know, such as the summary
        if extra:
            record = evolve(record, options=merged(record.options, options_of({"extra": extra})), left_out=())
        if record.left_out:
            what = ", ".join(record.left_out)
            warnings.warn(
                f"{what} was left out of this session when it was saved: give it again", AIClientWarning, stacklevel=2
            )
        made = cls.__new__(cls)
        made._begin(record, provider, tuple(use), max_wait, clock)  # noqa: SLF001  # its own class
        return made

    @classmethod
    def from_json(cls, path: str | os.PathLike[str], provider: Provider, **options: Any) -> Self:
        """Return the session that `export_to_json` wrote; the rest is as of `from_dict`.

        Raises:
            StoreError: The file holds no saved session.
            OSError: It cannot be read.
        """
        return cls.from_dict(read_json(path), provider, **options)

    # --- beginning and end ---

    async def start(self) -> Self:
        """Open the session again after `close`, and return it; a new one is open already."""
        if self._closed:
            self._now.reconnect()
            self._closed = False
        return self

    async def reset(self) -> None:
        """Begin anew: no history, no rows, the whole budget, a new identifier; alerts may fire again.

        Calls under way finish, and count for what was before.
        """
        self._old.add(old := self._now)
        fresh = evolve(old.setup, id=new_id(), started_at=self._clock.time(), spent_usd=Decimal(0))
        self._now = SessionState(fresh, self._provider, self._use, old.book.alerts)

    async def close(self) -> None:
        """End the session: calls under way raise ClientClosedError, open streams end as abandoned.

        Nothing of the client is closed, and figures, history and exports stay. Over a plain Provider, calls under way finish.
        """
        self._closed = True
        for state in (*self._old, self._now):
            await state.channels.close()

    aclose = close

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.close()
