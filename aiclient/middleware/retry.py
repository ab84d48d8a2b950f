"""Try again what may succeed the next time."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar, Final

from ..composition import destination
from ..context import CallContext, CallEvent
from ..errors import AIClientError, ConfigError, StreamClosedError, StreamInterruptedError
from ..layer import Layer
from ..provider import Provider, Q, R
from ..stream import ChatStream
from ._options import seconds
from ._quota import Quotas
from ._selection import Errors, listener, refused_here, selection, tell

if TYPE_CHECKING:
    from tenacity import RetryCallState

    from ..clock import Clock

__all__ = ["Retry"]

LONGEST_RETRY_AFTER: Final = 60.0
"""Seconds; a service that asks for a longer wait gets its error raised at once, so that a fallback can act."""

MOST_JITTER: Final = 1.0
"""Seconds added at most to a wait that the service asked for, so that clients do not come back all at once."""

TOKENS: Final = 10.0
"""Of a full retry quota, unless one call with all its attempts needs more."""

_BROKEN_OFF: Final = (StreamClosedError, StreamInterruptedError)
"""After the first output: part of the answer may have been used."""

_LOGGER: Final = logging.getLogger("aiclient.retry")


class Retry(Layer):
    """Send a failed call again when its error says that this may help.

    A call: repeated on retryable errors (`errors.outcome`), each repetition taking one of the attempts left in the call's
    context; the last error is raised unchanged. A stream: repeated until its first output, never after it. Place: outside
    the circuit breaker and the rate limit, so that both see every attempt; inside a fallback and a cache.

    The wait before attempt n + 1 is random between 0 and `min(cap, base * 2**(n - 1))` seconds (full jitter). When the
    service names a wait (`Retry-After`), that is the least one, plus up to a tenth of it (at most 1 s) of jitter; above
    60 s, or when it would pass the deadline, the error is raised at once.

    A **quota** for each destination (whatever the model) keeps retries from adding to the load of a service that is down: a
    full one has 10 tokens (twice `attempts`, if that is more), a failure takes one, a success puts back a tenth, and there
    are retries only while more than half are left. One token comes back every 30 s, so that a script which calls now and
    then has its retries again within minutes. A rate limit that says when to come back (`Retry-After`) takes none: the service
    spaces its callers itself. An error that the quota kept from another try says so in a note.

    Args:
        attempts: Calls in all, the first included; at least 1. Default 3.
        base: Seconds; the longest first wait. Default 0.5.
        cap: Seconds; the longest wait of our own. Default 8.
        retry_on: Errors that are tried again, instead of the retryable ones: a set of categories, or a function of the
            error. Never what broke off after the first output, what was refused in this process (a dry run, an open
            circuit, a local limit), or what the service says not to send again (`x-should-retry: false`).
        on_retry: Called with the CallEvent before each wait (`number` of the attempt that failed, `category`, `delay`); what
            it raises is logged.
        quota: Whether to keep the quota. Default True.
        clock: Where time comes from; the call's own clock by default.

    Cancelling during the wait ends it at once; nothing further is sent.
    """

    slot: ClassVar[str | None] = "retry"

    def __init__(
        self,
        attempts: int = 3,
        *,
        base: float = 0.5,
        cap: float = 8.0,
        retry_on: Errors | None = None,
        on_retry: Callable[[CallEvent], None] | None = None,
        quota: bool = True,
        clock: Clock | None = None,
    ) -> None:
        if type(attempts) is not int or attempts < 1:
            raise ConfigError(f"attempts={attempts!r} must be a whole number of at least 1 (the first call included)")
        if type(quota) is not bool:
            raise ConfigError(f"quota={quota!r} must be True or False")
        self.attempts = attempts
        self.base = seconds("base", base)
        self.cap = seconds("cap", cap)
        self._chosen = selection("retry_on", retry_on)
        self._hear = listener("on_retry", on_retry)
        self._clock = clock
        self._quotas = Quotas(max(TOKENS, 2.0 * attempts)) if quota and attempts > 1 else None

    def __repr__(self) -> str:
        return f"Retry(attempts={self.attempts}, base={self.base:g}, cap={self.cap:g})"

    async def around(self, request: Q, inner: Provider, call_next: Callable[[Q], Awaitable[R]]) -> R:
        """Make the call; enter the retry machine only when it has failed."""
        context = request.context
        assert context is not None  # opened by Layered
        run = _Run(self, inner, context)
        try:
            return await run.call(request, call_next)
        except AIClientError as error:
            if self.attempts == 1 or not run.worth_it or run.refused(error):
                raise  # while the service is down, a refusal must not cost the machine either
            failed = error
        return await self._again(request, call_next, failed, run)

    async def _again(self, request: Q, call_next: Callable[[Q], Awaitable[R]], failed: AIClientError, run: _Run) -> R:
        """Let tenacity drive: its first attempt fails with the error in hand, so that counts and waits come out right."""
        from tenacity import AsyncRetrying  # noqa: PLC0415  # 35 ms of CPU that a success never needs

        in_hand: list[AIClientError] = [failed]

        async def call() -> R:
            if in_hand:
                raise in_hand.pop()
            return await run.call(request, call_next)

        machine = AsyncRetrying(
            sleep=run.clock.sleep,
            retry=lambda _: run.worth_it,
            wait=self._wait,
            stop=lambda state: self._stop(state, run),
            before_sleep=lambda state: self._tell(state, run.context),
            reraise=True,
        )
        return await machine(call)

    def selects(self, error: AIClientError) -> bool:
        """Whether `error` is one that is tried again."""
        if self._chosen is None:
            return error.retryable
        never = isinstance(error, _BROKEN_OFF) or refused_here(error) or error.should_retry is False
        return not never and self._chosen(error)

    def _wait(self, state: RetryCallState) -> float:
        asked, chance = _error(state).retry_after, random.random()  # noqa: S311  # jitter keeps no secret
        if asked is not None:
            return asked + chance * min(0.1 * asked, MOST_JITTER)
        return chance * min(self.cap, self.base * 2.0 ** min(state.attempt_number - 1, 64))

    def _stop(self, state: RetryCallState, run: _Run) -> bool:
        error = _error(state)
        if state.attempt_number >= self.attempts or (error.retry_after or 0.0) > LONGEST_RETRY_AFTER:
            return True
        if state.upcoming_sleep >= run.context.remaining() or run.refused(error):
            return True
        return not run.context.take_extra()

    def _tell(self, state: RetryCallState, context: CallContext) -> None:
        error = _error(state)
        where, delay = (error.provider, error.model), state.upcoming_sleep
        event = CallEvent("retry", *where, state.attempt_number, delay=delay, category=error.category)
        context.emit(event)
        tell(self._hear, event, _LOGGER)


class _Run:
    """One pass of a call through the layer."""

    __slots__ = ("_allowed", "_key", "_quotas", "_retry", "clock", "context", "worth_it")

    def __init__(self, retry: Retry, inner: Provider, context: CallContext) -> None:
        self._retry = retry
        self._quotas = retry._quotas  # noqa: SLF001  # its own half
        self._key = destination(inner)
        self._allowed = True
        self.clock = retry._clock or context.clock  # noqa: SLF001  # its own half
        self.context = context
        self.worth_it = False
        """Whether the last failure is one that is tried again."""

    async def call(self, request: Q, call_next: Callable[[Q], Awaitable[R]]) -> R:
        """Make one attempt, and count how it went."""
        self.worth_it = False
        try:
            result = await call_next(request)
            if isinstance(result, ChatStream):
                await result.commit()
        except AIClientError as error:
            self.worth_it = self._retry.selects(error)
            if self.worth_it and self._quotas is not None:
                self._allowed = _paced(error) or self._quotas.failed(self._key, self.clock)
            raise
        if self._quotas is not None:
            self._quotas.succeeded(self._key, self.clock)
        return result

    def refused(self, error: AIClientError) -> bool:
        """Whether the quota refuses another attempt; if so, `error` says it from now on."""
        if not self._allowed:
            error.add_note(f"not tried again: too many calls to {self._key.provider} failed lately (Retry's quota)")
        return not self._allowed


def _paced(error: AIClientError) -> bool:
    """Whether the service says when to come back: it spaces its callers itself, and is not down."""
    return error.category == "rate_limit" and error.retry_after is not None


def _error(state: RetryCallState) -> AIClientError:
    assert state.outcome is not None
    error = state.outcome.exception()
    assert isinstance(error, AIClientError)  # nothing else is retried
    return error
