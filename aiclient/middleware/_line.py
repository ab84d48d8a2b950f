"""The callers of one destination, served strictly in the order of their coming, over event loops and threads."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from attrs import frozen

from ..errors import InvalidRequestError, RateLimitError
from ..gate import Bell, Gate
from ._caller import NO_NEWS, Caller
from ._credit import Credit
from ._keyed import Timeline
from ._window import Entry, Window

if TYPE_CHECKING:
    from ..clock import Clock
    from ..composition import Destination
    from ..response import RateLimitInfo

__all__ = ["Line", "RateLimitState"]

A_MOMENT: Final = 1e-6
"""Seconds slept at least: sums of floats are inexact, and who wakes a hair too early must not sleep no time for ever."""

FIRST_OUTPUT: Final = 512
"""Tokens reserved for an answer of which nothing is known: no `max_tokens`, and no answer seen yet."""

ANSWERS: Final = 20
"""Answers of one destination whose longest is reserved for the next."""


@frozen
class RateLimitState:
    """How much of its limit one destination has used, as `RateLimit.state` found it.

    Args:
        requests: Requests that count at the moment.
        requests_limit: How many may; None for no limit.
        tokens: Tokens that count: used, or reserved by calls under way. Above the limit when calls took more than estimated.
        tokens_limit: How many may.
        waiting: Calls in the queue.
        not_before: Seconds until the service wants to be asked again; 0 when it may be.
    """

    requests: int
    requests_limit: int | None
    tokens: int
    tokens_limit: int | None
    waiting: int
    not_before: float


class Line:
    """The queue before one destination, its log, and what the service said.

    One caller at a time stands at the head: it has passed the turnstile, sleeps until there is room, and is woken early
    when room comes back. Everyone else waits in the turnstile. All decisions are taken under one lock that is never held
    while waiting.
    """

    def __init__(self, where: Destination, requests: int | None, tokens: int | None, per: float) -> None:
        self.where = where
        self._time = Timeline()  # of the log: clients with different clocks may share it
        self._lock = threading.Lock()
        self.most_tokens = tokens
        self._window = Window(requests, tokens, per)
        self._credit = Credit()
        self._turnstile = Gate(1)
        self._waiting = 0
        self._queued = 0  # tokens that those who wait need
        self._flying: WeakSet[Caller] = (
            WeakSet()
        )  # calls let through that have not ended; a dropped stream's goes by itself
        self._last = (
            0.0,
            "",
        )  # when the turn of the last in the queue comes, as far as is known, and what it waits for
        self._head: tuple[Bell, int, float] | None = None  # who sleeps there, needs so much, and wakes then
        self._outputs: deque[int] = deque(maxlen=ANSWERS)
        self.guess = FIRST_OUTPUT

    # --- in ---

    def counts_tokens(self, clock: Clock) -> bool:
        """Whether it matters how many tokens a request has."""
        if self.most_tokens is not None or not self._credit.knows_tokens:
            return self.most_tokens is not None
        with self._lock:
            return self._credit.counts_tokens(self._time.now(clock))

    def enter(self, caller: Caller) -> Entry | None:
        """Let `caller` through at once if nobody waits and there is room; else it joins the queue: it must `wait`.

        Raises:
            RateLimitError: It is certain that its turn does not come in time (`kind="local"`); it has joined nothing.
        """
        with self._lock:
            now = self._time.now(caller.clock)
            if not self._waiting and self._fits(now, caller.tokens):
                return self._take(now, caller)
            due, reason = self._due(now, caller.tokens, self._waiting, self._queued)
            if self._waiting and self._last[0] >= due:  # nobody is served before who came before
                due, reason = self._last
            late = self._too_late(now, caller, self._waiting)
            if not late:
                self._waiting += 1
                self._queued += caller.tokens
                self._last = due, reason
        if late:
            raise self.refusal(due - now, reason, caller)
        caller.outlook = now, due, reason
        return None

    async def wait(self, caller: Caller) -> Entry:
        """Stand in the queue until those who came before are let through, and then until there is room.

        Raises:
            RateLimitError: It takes too long (`kind="local"`).
        """
        try:
            caller.announce(self.where)
            return await self._turn(caller)
        finally:
            with self._lock:
                self._waiting -= 1
                self._queued -= caller.tokens

    async def _turn(self, caller: Caller) -> Entry:
        if not await caller.guard(self._turnstile.enter()):
            raise self.late(caller)
        try:
            return await self._at_the_head(caller)
        finally:
            self._turnstile.leave()

    async def _at_the_head(self, caller: Caller) -> Entry:
        while True:
            bell = Bell(caller.clock)
            with self._lock:
                now = self._time.now(caller.clock)
                if self._fits(now, caller.tokens):
                    return self._take(now, caller)
                due, reason = self._due(now, caller.tokens)
                late = self._too_late(now, caller)
                self._head = None if late else (bell, caller.tokens, due)
                self._last = max(self._last, (due, reason))
            if late:
                raise self.refusal(due - now, reason, caller)
            try:
                caller.outlook = now, due, reason
                caller.announce(self.where)
                await bell.sleep(max(A_MOMENT, min(due - now, caller.left())))
            finally:
                with self._lock:
                    self._head = None

    def _fits(self, now: float, tokens: int) -> bool:
        return self._credit.fits(now, tokens) and self._window.fits(now, tokens)

    def _take(self, now: float, caller: Caller) -> Entry:
        entry = self._window.take(now, caller.tokens)
        self._credit.take(entry)
        self._flying.add(caller)
        return entry

    def _due(self, now: float, tokens: int, ahead: int = 0, tokens_ahead: int = 0) -> tuple[float, str]:
        """Return when such a caller may be let through at the earliest if nothing is given back, and what it waits for."""
        own, reason = self._window.due(now, tokens, ahead=ahead, tokens_ahead=tokens_ahead)
        service = self._credit.due(now, tokens)
        return (service, "service") if service > own else (own, reason)

    def _too_late(self, now: float, caller: Caller, ahead: int = 0) -> bool:
        """Whether the call's patience is over, or is certain to be before its turn: then it need not wait at all."""
        left = caller.left()
        sure, _ = self._window.due(now, caller.tokens, ahead=ahead, sure=True)
        if not self._flying:  # nobody is there who could hear something better from the service
            sure = max(sure, self._credit.due(now, caller.tokens))
        return not left or max(sure, self._credit.not_before) - now > left

    def late(self, caller: Caller) -> RateLimitError:
        """Return the error of a call that is still in the queue when its patience ends."""
        with self._lock:
            now = self._time.now(caller.clock)
        _, due, reason = caller.outlook
        return self.refusal(max(0.0, due - now), reason, caller)

    def refusal(self, wait: float, reason: str, caller: Caller) -> RateLimitError:
        """Return the error of a call whose turn does not come in time."""
        window = self._window
        limit = {
            "requests": f"the local limit of {window.requests} requests per {window.per:g} s is used up",
            "tokens": f"the local limit of {window.tokens} tokens per {window.per:g} s is used up",
            "service": "the service allows no more for now",
            "pace": "calls leave at the pace= of this limit",
        }[reason]
        left = caller.left()
        return RateLimitError(
            f"{limit}: the wait would be {wait:.3g} s or more, and this call may wait {left:.3g} s; "
            "raise max_wait= or the timeout, or let a fallback act",
            provider=self.where.provider,
            model=self.where.model,
            kind="local",
            retry_after=wait,
        )

    def too_large(self, prompt: int, output: int) -> InvalidRequestError:
        """Return the error of a call that will never fit."""
        parts = f"{prompt} of input by estimate, {output} as max_tokens" if output else "by estimate, of input alone"
        return InvalidRequestError(
            f"the call needs {prompt + output} tokens ({parts}), and the limit is {self.most_tokens} tokens per "
            f"{self._window.per:g} s: shorten the request, lower max_tokens, or raise tokens=",
            provider=self.where.provider,
            model=self.where.model,
        )

    # --- out ---

    def note_output(self, tokens: int) -> None:
        """Remember how long an answer was."""
        with self._lock:
            outputs = self._outputs
            forgotten = outputs[0] if len(outputs) == ANSWERS else None
            outputs.append(tokens)
            if len(outputs) == 1 or tokens >= self.guess:
                self.guess = tokens
            elif forgotten == self.guess:
                self.guess = max(outputs)

    def settle(self, caller: Caller, entry: Entry, used: int | None) -> None:
        """A call has ended that took so many tokens; None means unknown: its reservation stays."""
        with self._lock:
            self._flying.discard(caller)
            now = self._time.now(caller.clock)
            reserved = entry.tokens
            if used is None:
                used = reserved
            self._window.settle(entry, used, now)
            if used != reserved:
                self._credit.give_back(entry, reserved - used)
            bell = self._freed(now)
        if bell is not None:
            bell.ring()

    def forget(self, caller: Caller, entry: Entry) -> None:
        """A call has ended that was not sent."""
        with self._lock:
            self._flying.discard(caller)
            self._credit.give_back(entry, entry.tokens, entry.requests)
            self._window.release(entry)
            bell = self._freed(self._time.now(caller.clock))
        if bell is not None:
            bell.ring()

    def hear(self, info: RateLimitInfo, entry: Entry, clock: Clock) -> None:
        """Take what the headers of the answer to `entry` say."""
        with self._lock:
            now = self._time.now(clock)
            self._credit.hear(info, entry, now)
            bell = self._freed(now)
        if bell is not None:
            bell.ring()

    def hold(self, seconds: float, clock: Clock) -> None:
        """Let nobody through for so long."""
        with self._lock:
            self._credit.hold(seconds, self._time.now(clock))

    def _freed(self, now: float) -> Bell | None:
        """Return the bell of the head if it would sleep longer than it need."""
        if self._head is None:
            return None
        bell, tokens, wakes = self._head
        return bell if self._due(now, tokens)[0] < wakes - NO_NEWS else None

    # --- seen from outside ---

    def idle(self) -> bool:
        """Whether it can be forgotten without anyone being let through too early."""
        now = self.state()
        return not (now.requests or now.tokens or now.waiting or now.not_before or self._flying)

    def state(self) -> RateLimitState:
        """Return how things stand."""
        with self._lock:
            clock = self._time.clock
            now = 0.0 if clock is None else self._time.now(clock)
            requests, tokens = self._window.used(now)
            return RateLimitState(
                requests=requests,
                requests_limit=self._window.requests,
                tokens=tokens,
                tokens_limit=self._window.tokens,
                waiting=self._waiting,
                not_before=max(0.0, self._credit.not_before - now),
            )
