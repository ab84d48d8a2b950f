"""What one call costs a limit: tokens reserved before it, settled after it, and what its answer teaches."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from ..attempt import journalled
from ..context import CallContext
from ..ends import End
from ..errors import (
    AIClientError,
    BudgetExceededError,
    CircuitOpenError,
    ClientClosedError,
    ConfigError,
    ConnectError,
    DryRunStop,
    InvalidRequestError,
    RateLimitError,
    TimeoutError,
    outcome,
)
from ..provider import Provider
from ..request import AnyRequest, ChatRequest
from ..response import ChatResponse, RateLimitInfo, Usage
from ..stream import ChatStream
from ..tokens import TokenCounter, count, estimate
from ._caller import Caller
from ._line import Line

if TYPE_CHECKING:
    from ..clock import Clock
    from ._pace import Pace
    from ._window import Entry

__all__ = ["Call"]

MARGIN: Final = 5
"""Percent that is reserved beyond the estimate of the input: to be charged later is worse than to wait a little."""

_UNSENT: Final = (
    BudgetExceededError,
    CircuitOpenError,
    ClientClosedError,
    ConfigError,
    DryRunStop,
    InvalidRequestError,
)
_UNCONNECTED: Final = frozenset({"dns", "refused", "tls", "tls_eof", "proxy", "fd"})
_CONNECTING: Final = frozenset({"pool", "connect", "tls"})
_COUNTS: Final = frozenset({"prompt_tokens", "completion_tokens", "total_tokens"})


class Call(Caller):
    """One call at the limit, from its reservation to its end."""

    _counted = _embeds = _streams = False
    _prompt = _started = 0
    _entry: Entry

    def __init__(
        self,
        line: Line,
        context: CallContext,
        inner: Provider,
        *,
        clock: Clock,
        max_wait: float | None,
        learns: bool,
    ) -> None:
        self.context = context  # not by super(), which would take a third of the time
        self.clock = clock
        self.max_wait = max_wait
        self._line = line
        self._inner = inner
        self._learns = learns

    # --- before ---

    def reserve(self, request: AnyRequest, counter: TokenCounter) -> None:
        """Work out what the call may take, if tokens matter here.

        Raises:
            InvalidRequestError: It needs more than the limit ever allows.
            ConfigError: The counter returned something else than a count.
        """
        if not self._line.counts_tokens(self.clock):
            return
        self._counted = True
        prompt = count(request, model=self._line.where.model, counter=counter)
        most = self._line.most_tokens
        asked = output = 0
        if isinstance(request, ChatRequest):
            options = request.options
            answers = options.n or 1
            asked = (options.max_tokens or 0) * answers
            output = asked or self._line.guess * answers
        else:
            self._embeds = True
        if most is not None and prompt + asked > most:
            raise self._line.too_large(prompt, asked)
        self._prompt = prompt
        self.tokens = prompt + (prompt * MARGIN + 99) // 100 + output
        if most is not None and self.tokens > most:
            self.tokens = most

    async def space(self, pace: Pace) -> None:
        """Wait for the gap between this call and the one before it."""
        spacing = pace.of(self._line.where)
        wait = spacing.outlook()
        if not wait:
            await spacing.wait()
            return
        late = wait > self.left()
        if not late:
            self.outlook = 0.0, wait, "pace"
            self.announce(self._line.where)
            self.announced = -math.inf  # what comes then is another wait
            late = not await self.guard(spacing.wait())
        if late:
            raise self._line.refusal(wait, "pace", self)

    def enter(self) -> bool:
        """Go through at once if there is room; if not, it must `wait`."""
        entry = self._line.enter(self)
        if entry is None:
            return False
        self._entry, self._started = entry, self.context.started
        return True

    async def wait(self) -> None:
        """Wait for room."""
        self._entry = await self._line.wait(self)
        self._started = self.context.started

    # --- after ---

    def opened(self, stream: ChatStream) -> None:
        """Learn from the headers of a stream now: at its end they are old."""
        if self._learns and stream.end is None:
            self._streams = True
            self._hear(stream.partial.rate_limit)

    async def end(self, end: End) -> None:
        """Learn, and settle what was used or give back what was not."""
        error, answer = end.error, end.response
        if self._learns and error is not None:
            self._learn(error)
        elif self._learns and answer is not None and not self._streams:
            self._hear(answer.rate_limit)
        if self._unsent(error):
            self._line.forget(self, self._entry)
        else:
            self._line.settle(self, self._entry, self._used(end) if self._counted else None)

    def _learn(self, error: BaseException) -> None:
        if isinstance(error, AIClientError):
            wait = error.retry_after
            if wait is not None and error.kind != "local" and outcome(error).category == "rate_limit":
                self._line.hold(wait, self.clock)
            self._hear(error.rate_limit)

    def _hear(self, info: RateLimitInfo | None) -> None:
        if info is not None:
            self._line.hear(info, self._entry, self.clock)

    def _unsent(self, error: BaseException | None) -> bool:
        """Whether it is certain that nothing reached the service."""
        exchanges = self.context.started - self._started
        if exchanges == 0 and journalled(self._inner):
            return True  # refused inside, or answered by a cache in there
        return exchanges <= 1 and error is not None and _before_sending(error)

    def _used(self, end: End) -> int | None:
        """Return the tokens that the call has taken, None if nobody knows."""
        answer = end.response
        if answer is None:
            return self._prompt if end.outcome == "cancelled" else None
        usage = answer.usage
        if usage.untrusted and _COUNTS.intersection(usage.untrusted):
            return None
        if end.outcome == "completed":
            if usage.completion_tokens is not None and not self._embeds:
                self._line.note_output(usage.completion_tokens)
            return _total(usage, embeds=self._embeds)
        return self._seen(answer, end) if isinstance(answer, ChatResponse) else None

    def _seen(self, answer: ChatResponse, end: End) -> int | None:
        """Return what a stream has taken that did not come to its end: what is known, else estimated from what came."""
        known = answer.usage
        if end.outcome == "failed" and not answer.message.parts:
            return None  # what the service did before it failed, nobody knows
        if answer.finish_reason is not None and (total := _total(known)) is not None:
            return total
        prompt = self._prompt if known.prompt_tokens is None else known.prompt_tokens
        messages = [answer.message, *(choice.message for choice in answer.alternatives)]
        output = estimate(ChatRequest(messages)) if any(message.parts for message in messages) else 0
        return prompt + max(output, known.completion_tokens or 0)


def _total(usage: Usage, *, embeds: bool = False) -> int | None:
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    if completion is None and embeds:
        completion = 0
    total = usage.total_tokens if prompt is None or completion is None else prompt + completion
    return total if total is None or total >= 0 else None


def _before_sending(error: BaseException) -> bool:
    """Whether an error comes from this side of the connection, by what it is."""
    match error:
        case ConnectError(kind=kind):
            return kind in _UNCONNECTED
        case TimeoutError(phase=phase):
            return phase in _CONNECTING
        case RateLimitError(kind=kind):
            return kind == "local"
    return isinstance(error, _UNSENT)
