"""Ask a second time when the first answer is slow in coming."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, ClassVar, Final

from ..composition import destination
from ..context import CallContext, CallEvent
from ..errors import AIClientError, ConfigError
from ..layer import Layer
from ..opening import committed
from ..provider import Provider, Q, R
from ._options import seconds, whole
from ._quota import Quotas
from ._race import Race

if TYPE_CHECKING:
    from ..clock import Clock

__all__ = ["Hedge"]

TOKENS: Final = 10.0
"""Of a full quota, unless one call with all its further ones needs more."""


class Hedge(Layer):
    """Start one more call when the first has given nothing for a while, and take whichever gives something first.

    **Experimental**: options may change in a minor version.

    A hedged call is paid for twice: services bill what they did before the slower call was cut. It shortens the slowest
    answers and nothing else, so `after` belongs where only the slowest calls come: at the 95th percentile of the time to the
    first output, or later. It is for questions; what acts in the world (a service that runs tools itself) may act twice.

    A call: when there is no answer after `after` seconds, one further call starts, taking one of the attempts left; none
    left, no hedge. The first answer is returned and the other call cancelled, which is when its attempt is in the journal. A
    stream: likewise by the first output; the other stream is closed. A call that fails while another runs is not the end:
    the other is waited for. When all fail, the first call's error is raised, as is a failure before the hedge. No further
    call is started when the service has pushed back: a 429, or an error with `Retry-After`, also of an attempt that a layer
    inside has met.

    A **quota** for each destination (whatever the model) keeps further calls from adding to the load of a service that is
    slow as a whole: in the long run one call in ten is doubled, and a few more after a quiet time.

    Place: inside fallback and retry, outside the circuit breaker and the rate limit, of each target. Inside retry, because a
    retry that waits as it was asked to must not be taken for a slow call; outside the other two, because both must see every
    call: an open circuit refuses the hedge, and a full limit makes it wait.

    Args:
        after: Seconds without an answer, or a first output, until a further call starts; more than 0.
        most: Further calls at most, each `after` seconds later; at least 1. Default 1.
        quota: Whether to keep the quota. Default True.
        clock: Where time comes from; the call's own clock by default.

    Raises:
        ConfigError: An option is wrong.

    Cancelling ends all calls before it goes on.
    """

    slot: ClassVar[str | None] = "hedge"

    def __init__(self, after: float, *, most: int = 1, quota: bool = True, clock: Clock | None = None) -> None:
        self.after = seconds("after", after, above=True)
        self.most = whole("most", most)
        if type(quota) is not bool:
            raise ConfigError(f"quota={quota!r} must be True or False")
        self.quotas = Quotas(max(TOKENS, 2.0 * (most + 1))) if quota else None
        self._clock = clock

    def __repr__(self) -> str:
        most = "" if self.most == 1 else f", most={self.most}"
        return f"Hedge(after={self.after:g}{most}{'' if self.quotas else ', quota=False'})"

    async def around(self, request: Q, inner: Provider, call_next: Callable[[Q], Awaitable[R]]) -> R:
        """Make the call, and others if it is slow."""
        context = request.context
        assert context is not None  # opened by Layered
        clock = self._clock or context.clock
        further = _Further(self, context, inner, request.model, clock)

        async def call() -> R:
            return await committed(call_next(request))

        result = await Race(call, further.may_start, self.after, clock).run()
        further.answered()
        return result


class _Further:
    """Decides on further calls for one call."""

    __slots__ = ("_before", "_clock", "_context", "_key", "_layer", "_model", "_name", "_started")

    def __init__(self, layer: Hedge, context: CallContext, inner: Provider, model: str | None, clock: Clock) -> None:
        self._layer = layer
        self._context = context
        self._name = inner.name
        self._model = model
        self._clock = clock
        self._key = destination(inner)
        self._before = len(context.journal)
        self._started = 0

    def answered(self) -> None:
        """Count an answer towards the quota."""
        if self._layer.quotas is not None:
            self._layer.quotas.succeeded(self._key, self._clock)

    def may_start(self, errors: Collection[AIClientError]) -> bool:
        """Whether one more call may start now; it has taken its attempt then."""
        context, layer = self._context, self._layer
        if self._started == layer.most or any(map(_pushes_back, errors)) or self._pushed_back():
            return False
        if context.remaining() <= 0 or not self._within_quota() or not context.take_extra():
            return False
        self._started += 1
        if context.observers:
            context.emit(
                CallEvent(
                    "hedge",
                    self._name,
                    self._model,
                    self._started + 1,
                    detail=f"nothing came for {layer.after * self._started:g} s",
                )
            )
        return True

    def _within_quota(self) -> bool:
        """Count the call as slow, and tell whether the destination may be asked once more."""
        return self._layer.quotas is None or self._layer.quotas.failed(self._key, self._clock)

    def _pushed_back(self) -> bool:
        """Whether an attempt has been pushed back that a retry inside makes up for."""
        attempts = self._context.journal[self._before :]
        return any(attempt.category == "rate_limit" or attempt.retry_after is not None for attempt in attempts)


def _pushes_back(error: AIClientError) -> bool:
    return error.category == "rate_limit" or error.retry_after is not None
