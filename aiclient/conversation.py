"""A conversation: what has been said, and whose turn it is to say something."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final

from .clock import Clock
from .ends import End
from .errors import AIClientError, InvalidMessageError, InvalidRequestError
from .forks import after_fork
from .gate import Alarm, Gate
from .history import trimmed
from .messages import Message, ToolResultPart
from .response import ChatResponse

__all__ = ["CALLER", "Conversation", "Turn"]

CALLER: Final[ContextVar[object | None]] = ContextVar("aiclient_caller", default=None)
"""Who calls, where it is not the running task: the thread that uses a sync facade."""


class Conversation:
    """What has been said so far, and turns, one after another in the order in which they were asked for.

    Args:
        messages: What has been said before.
        keep_messages: So many messages are sent at most, the oldest dropped first; None for no limit.
        keep_tokens: So many tokens, estimated.
    """

    def __init__(
        self, messages: Iterable[Message] = (), *, keep_messages: int | None = None, keep_tokens: int | None = None
    ) -> None:
        self._messages = tuple(messages)
        self._keep_messages, self._keep_tokens = keep_messages, keep_tokens
        self._nobodys_turn()
        after_fork(self, Conversation._nobodys_turn)

    def _nobodys_turn(self) -> None:
        """Begin with the turn free; in a forked child too, where whoever had it in the parent will never end."""
        self._lock = threading.Lock()
        self._gate = Gate(1)
        self._owner: object | None = None

    @property
    def messages(self) -> tuple[Message, ...]:
        """What has been said, the oldest first."""
        return self._messages

    async def turn(self, clock: Clock, patience: float) -> Turn:
        """Wait until those that asked before have had their turn, for `patience` seconds at most.

        Raises:
            TimeoutError: It did not come in time; nothing was sent.
            AIClientError: Whoever asks is itself in the middle of a turn, and would wait for itself.
        """
        owner = CALLER.get() or asyncio.current_task()
        if self._owner is not None and self._owner is owner:
            raise AIClientError(
                "a call or stream of this session is still open right here: close it before the next call of the session"
            )
        if not self._gate.enter_now():
            await self._wait(clock, patience)
        self._owner = owner
        return Turn(self, self._gate)

    async def _wait(self, clock: Clock, patience: float) -> None:
        said = (
            f"other calls of this session took longer than {patience:.3g} s; one conversation is one call after "
            "another: use another session, or raise max_wait="
        )
        alarm = Alarm(clock, said=said)
        alarm.set(clock.monotonic() + patience, "pool")
        try:
            await alarm.guard(self._gate.enter())
        finally:
            alarm.stop()

    def sent(self, system: tuple[Message, ...], new: tuple[Message, ...]) -> tuple[Message, ...]:
        """Return all that is sent: the system prompt, what was said before as far as it fits, and the new.

        Raises:
            InvalidMessageError: The last answer asks for tools, and a result is missing: every service would refuse that.
            InvalidRequestError: What must be sent does not fit.
        """
        self._check_results(new)
        everything = (*system, *self._messages, *new)
        if self._keep_messages is None and self._keep_tokens is None:
            return everything
        kept = trimmed(everything, max_messages=self._keep_messages, max_tokens=self._keep_tokens)
        if kept[len(kept) - len(new) :] != new:
            raise InvalidRequestError(
                f"a prompt of {len(new)} messages does not fit into keep_messages={self._keep_messages}, "
                f"keep_tokens={self._keep_tokens}"
            )
        return kept

    def _check_results(self, new: tuple[Message, ...]) -> None:
        calls = {call.id: call.name for call in self._messages[-1].tool_calls} if self._messages else {}
        for result in (result for message in new for result in message.of(ToolResultPart)):
            calls.pop(result.tool_call_id, None)
        if calls:
            raise InvalidMessageError(
                f"the last answer asks for {', '.join(sorted(calls.values()))}: give the result of every call, "
                "as [call.result(...)]"
            )

    def add(self, *messages: Message) -> None:
        """Note what was said elsewhere.

        Raises:
            AIClientError: A call is under way, whose answer has its place first.
        """
        with self._lock:
            if self._gate.free < 1:
                raise AIClientError("a call of this session is under way: add messages before or after it")
            self._messages = (*self._messages, *messages)

    def keep(self, messages: tuple[Message, ...]) -> None:
        """Have these for all that has been said, and let the next one speak."""
        self._messages = messages

    def leave(self, gate: Gate) -> None:
        """Let the next one speak; in a forked child, a turn that its parent had opens nothing."""
        if gate is self._gate:
            self._owner = None
            gate.leave()


class Turn:
    """The right to say something; it goes back once, at the latest when nobody can reach it any more."""

    __slots__ = ("_conversation", "_gate", "_loop", "_said")

    def __init__(self, conversation: Conversation, gate: Gate) -> None:
        self._conversation: Conversation | None = conversation
        self._gate = gate
        self._loop = asyncio.get_running_loop()
        self._said: tuple[Message, ...] = ()

    def say(self, system: tuple[Message, ...], new: tuple[Message, ...]) -> tuple[Message, ...]:
        """Return all that is sent: the system prompt, what was said before as far as it fits, and the new.

        Raises:
            InvalidRequestError: What must be sent does not fit.
        """
        assert self._conversation is not None
        sent = self._conversation.sent(system, new)
        self._said = sent[len(system) :]
        return sent

    async def end(self, end: End) -> None:
        """Note the answer if it is a whole one, and give the turn back."""
        conversation, self._conversation = self._conversation, None
        if conversation is None:
            return
        answer = end.response
        if (
            end.outcome == "completed"
            and isinstance(answer, ChatResponse)
            and not answer.dry_run
            and answer.message.parts
        ):
            conversation.keep((*self._said, answer.message))
        conversation.leave(self._gate)

    def give_back(self) -> None:
        """Nothing was said."""
        conversation, self._conversation = self._conversation, None
        if conversation is not None:
            conversation.leave(self._gate)

    def __del__(self) -> None:
        """A stream was dropped without being closed.

        Not here and now: the collector may have interrupted the very code that holds the gate's lock.
        """
        conversation = self._conversation
        if conversation is None:
            return
        try:
            self._loop.call_soon_threadsafe(conversation.leave, self._gate)
        except RuntimeError:  # the loop is closed
            conversation.leave(self._gate)
