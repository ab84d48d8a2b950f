"""Try again what may succeed the next time."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from ..context import CallContext, CallEvent
from ..errors import AIClientError, ConfigError
from ..provider import Layer, Provider, Q, R
from ..stream import ChatStream

if TYPE_CHECKING:
    from tenacity import RetryCallState

    from ..clock import Clock

__all__ = ["Retry"]

LONGEST_RETRY_AFTER: Final = 60.0
"""Seconds; a service that asks for a longer wait gets its error raised at once, so that a fallback can act."""

MOST_JITTER: Final = 1.0
"""Seconds added at most to a wait that the service asked for, so that clients do not come back all at once."""


class Retry(Layer):
    """Send a failed call again when its error says that this may help.

    A call: repeated on retryable errors (`errors.outcome`), each repetition taking one of the attempts left in the call's
    context; the last error is raised unchanged. A stream: repeated until its first output, never after it. Place: outside
    the circuit breaker and the rate limit, so that both see every attempt; inside a fallback and a cache.

    The wait before attempt n + 1 is random between 0 and `min(cap, base * 2**(n - 1))` seconds (full jitter). When the
    service names a wait (`Retry-After`), that is the least one, plus up to a tenth of it (at most 1 s) of jitter; above
    60 s, or when it would pass the deadline, the error is raised at once.

    Args:
        attempts: Calls in all, the first included; at least 1. Default 3.
        base: Seconds; the longest first wait. Default 0.5.
        cap: Seconds; the longest wait of our own. Default 8.
        clock: Where time comes from; the call's own clock by default.

    Cancelling during the wait ends it at once; nothing further is sent.
    """

    slot = "retry"

    def __init__(self, attempts: int = 3, *, base: float = 0.5, cap: float = 8.0, clock: Clock | None = None) -> None:
        if type(attempts) is not int or attempts < 1:
            raise ConfigError(f"attempts={attempts!r} must be a whole number of at least 1 (the first call included)")
        for name, value in (("base", base), ("cap", cap)):
            if type(value) not in (int, float) or not 0 <= value < float("inf"):
                raise ConfigError(f"{name}={value!r} must be a finite number of seconds, 0 or more")
        self.attempts = attempts
        self.base = float(base)
        self.cap = float(cap)
        self._clock = clock

    def __repr__(self) -> str:
        return f"Retry(attempts={self.attempts}, base={self.base:g}, cap={self.cap:g})"

    async def around(self, request: Q, inner: Provider, call_next: Callable[[Q], Awaitable[R]]) -> R:
        """Make the call; enter the retry machine only when it has failed."""
        try:
            return await self._call(request, call_next)
        except AIClientError as error:
            if not error.retryable or self.attempts == 1:
                raise
            failed = error
        return await self._again(request, call_next, failed)

    async def _call(self, request: Q, call_next: Callable[[Q], Awaitable[R]]) -> R:
        result = await call_next(request)
        if isinstance(result, ChatStream):
            await result.commit()
        return result

    async def _again(self, request: Q, call_next: Callable[[Q], Awaitable[R]], failed: AIClientError) -> R:
        """Let tenacity drive: its first attempt fails with the error in hand, so that counts and waits come out right."""
        from tenacity import AsyncRetrying, retry_if_exception  # noqa: PLC0415  # 35 ms of CPU that a success never needs

        context = request.context
        assert context is not None  # opened by Layered
        in_hand: list[AIClientError] = [failed]

        async def call() -> R:
            if in_hand:
                raise in_hand.pop()
            return await self._call(request, call_next)

        clock = self._clock or context.clock
        machine = AsyncRetrying(
            sleep=clock.sleep,
            retry=retry_if_exception(_worth_it),
            wait=self._wait,
            stop=lambda state: self._stop(state, context),
            before_sleep=lambda state: _tell(state, context),
            reraise=True,
        )
        return await machine(call)

    def _wait(self, state: RetryCallState) -> float:
        asked = _error(state).retry_after
        if asked is not None:
            return asked + random.random() * min(0.1 * asked, MOST_JITTER)  # noqa: S311  # jitter keeps no secret
        longest = min(self.cap, self.base * 2.0 ** min(state.attempt_number - 1, 64))
        return random.random() * longest  # noqa: S311

    def _stop(self, state: RetryCallState, context: CallContext) -> bool:
        if state.attempt_number >= self.attempts or (_error(state).retry_after or 0.0) > LONGEST_RETRY_AFTER:
            return True
        if state.upcoming_sleep >= context.remaining():
            return True
        return not context.take_extra()


def _error(state: RetryCallState) -> AIClientError:
    assert state.outcome is not None
    error = state.outcome.exception()
    assert isinstance(error, AIClientError)  # nothing else is retried
    return error


def _worth_it(error: BaseException) -> bool:
    return isinstance(error, AIClientError) and error.retryable


def _tell(state: RetryCallState, context: CallContext) -> None:
    error = _error(state)
    delay = state.upcoming_sleep
    context.emit(
        CallEvent("retry", error.provider, error.model, state.attempt_number, delay=delay, category=error.category)
    )
