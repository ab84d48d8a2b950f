"""A session between two resets: its conversation, its book, its budget, and the chains that its calls take."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from attrs import evolve

from ..bulk.mapping import Items
from ..conversation import Conversation, Turn
from ..errors import BudgetExceededError, ConfigError
from ..ledger.limits import Limit
from ..messages import Message
from ..middleware.budget import Budget, resumed
from ..middleware.dry_run import DryRun
from ..prices.expenses import shown
from ..prompts import Prompt, messages_of
from ..provider import Middleware, Provider
from ..request import ChatOptions, ChatRequest, check
from ..settings import merged, options_of
from .book import Book, OnSpent
from .chain import Channels
from .record import SessionRecord

__all__ = ["SessionState"]

NAME = "session"
"""Of the limit, in a BudgetExceededError."""


class SessionState:
    """A session between two resets.

    Args:
        setup: What it begins with.
        provider: What it was made over.
        use: The caller's layers.
        alerts: Whom to tell when how much is spent.
    """

    def __init__(
        self,
        setup: SessionRecord,
        provider: Provider,
        use: tuple[Middleware, ...],
        alerts: tuple[tuple[float, OnSpent], ...] = (),
    ) -> None:
        self.setup = evolve(setup, history=(), rows=())
        self.system = (Message("system", setup.system),) if setup.system is not None else ()
        self.conversation = Conversation(
            setup.history, keep_messages=setup.keep_messages, keep_tokens=setup.keep_tokens
        )
        self.book = Book(setup.budget_usd, setup.rows, alerts)
        self._over = (provider, use)
        self._options = self._tagged(setup.options)
        self.budget: Budget | None = None
        if setup.budget_usd is not None:
            self.budget = resumed(Limit(usd=setup.budget_usd, name=NAME, alerts=()), setup.spent_usd)
        self.channels = self._connected()

    def _connected(self) -> Channels:
        layers: tuple[Middleware, ...] = (DryRun(),) if self.setup.dry_run else ()
        if self.budget is not None:
            layers = (*layers, self.budget)
        return Channels.over(self._over[0], self.book, layers, self._over[1])

    def reconnect(self) -> None:
        """Take new chains after the old ones were closed."""
        self.channels = self._connected()

    @property
    def remaining(self) -> Decimal | None:
        """US dollars that are neither spent nor set aside; None without a budget."""
        return None if self.budget is None else self.budget.remaining

    # --- requests ---

    def said(self, turn: Turn, new: tuple[Message, ...], options: ChatOptions) -> ChatRequest:
        """Return the request of a turn; the turn goes back if there can be none.

        Raises:
            InvalidRequestError: The prompt is malformed, or does not fit.
        """
        try:
            request = ChatRequest(turn.say(self.system, new), self._tagged(options))
            check(request)
        except BaseException:  # whatever it was, others wait for the turn; raised again
            turn.give_back()
            raise
        return request

    def alone(self, prompt: Prompt, options: ChatOptions) -> ChatRequest:
        """Return the request of an item of a batch.

        Raises:
            InvalidRequestError: It is malformed.
        """
        messages: Iterable[Message] = prompt.messages if isinstance(prompt, ChatRequest) else messages_of(prompt)
        asked = merged(options, prompt.options) if isinstance(prompt, ChatRequest) else options
        request = ChatRequest((*self.system, *messages), self._tagged(asked))
        check(request)
        return request

    def asked(self, options: Mapping[str, Any]) -> ChatOptions:
        """Return what a request asks for, by the options of its call and else of the session.

        Raises:
            ConfigError: An option is wrong.
        """
        return merged(self._options, options_of(options)) if options else self._options

    def _tagged(self, options: ChatOptions) -> ChatOptions:
        if options.tags.get("session") == self.setup.id:
            return options
        return evolve(options, tags={**options.tags, "session": self.setup.id})

    async def affordable(self, items: Items[Prompt], options: ChatOptions) -> list[Prompt]:
        """Return the items if all of them together fit into what is left of the budget.

        Raises:
            BudgetExceededError: They do not.
            ConfigError: What one of them can cost is not known.
        """
        found = [item async for item in items] if isinstance(items, AsyncIterable) else list(items)
        most = Decimal(0)
        for index, item in enumerate(found):
            planned = (await self.channels.rehearsal.chat(self.alone(item, options))).raw
            cost = getattr(planned, "cost", None)
            if cost is None:
                raise ConfigError(
                    f"what item {index} can cost at most is not known: give max_tokens=, or prices= to the client"
                )
            most += cost.usd
        left = self.remaining
        if left is not None and most > left:
            raise BudgetExceededError(
                f"{len(found)} items could cost {shown(most)} together, and {shown(left)} of the session's budget are left",
                kind="usd",
            )
        return found

    def saved(self, *, history: bool) -> SessionRecord:
        """Return it as a record, with what was said or without."""
        spent = Decimal(0) if self.budget is None else self.budget.spent
        return evolve(
            self.setup,
            spent_usd=spent,
            history=self.conversation.messages if history else (),
            rows=self.book.rows,
        )
