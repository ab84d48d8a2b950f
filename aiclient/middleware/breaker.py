"""Ask a service that keeps failing no more for a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from ..composition import Destination, destination, destinations
from ..errors import AIClientError, CircuitOpenError, outcome
from ..layer import Layer
from ..provider import Provider, Q, R, observed
from ..stream import ChatStream
from ._circuit import Circuit, Rules, Ticket
from ._circuits import Circuits, CircuitState, Held
from ._options import number, seconds, whole
from ._selection import Errors, listener, refused_here, selection

if TYPE_CHECKING:
    from ..clock import Clock
    from ..context import CallContext
    from ..ends import End

__all__ = ["CircuitBreaker", "CircuitState"]

T = TypeVar("T")


class CircuitBreaker(Layer):
    """Refuse calls to a service that keeps failing, and look now and then whether it is back.

    A call: refused at once with a CircuitOpenError while the circuit of its provider and model is open; a refusal costs no
    attempt. When the opening is over one call is let through as a probe: its success closes the circuit, its failure opens
    it again. A stream: the probe succeeds at the first output; a failure after that counts against the closed circuit. Other
    streams count when they end. Place: inside `Retry`, so that every attempt counts and an open circuit ends the retries;
    inside a fallback, which takes an open circuit for "next".

    What is a failure, the one outcome table says (`errors.outcome`): connections, timeouts that the service caused, 5xx,
    answers that make no sense. Everything else (4xx, a rate limit, a cancellation, a stream that its reader left, a dry run)
    is neutral: it counts for nothing, and a probe that ends so gives its place to the next caller. Answers that come from
    a cache are neutral too. A probe that has no result by the call's deadline, or within 60 s, makes way for another.

    Args:
        failures: Failures in a row that open the circuit. Default 5.
        ratio: Share of failures, more than 0 and at most 1, that opens the circuit; replaces `failures`.
        window: Seconds; the share is that of the results of so long ago at most. Default 30.
        least: Results in the window that a share needs. Default 10.
        open_for: Seconds of the first opening; doubled for each one that follows without a success. Default 5.
        max_open: Seconds; the longest opening, before jitter (`open_for`, if that is longer). Default 8: a probe is one call,
            and a long opening only puts off the recovery.
        jitter: Share by which an opening is randomly shorter or longer, so that clients do not come back together. Default
            0.2. `open_for=30, jitter=0` is always 30 s.
        count: Errors that are failures, instead of what the table says: a set of categories, or a function of the error.
            What was refused in this process never is.
        clock: Where time comes from; the call's own clock by default. Only its monotonic time decides anything.
        on_change: Called with the new CircuitState at every change; what it raises is logged.

    Every change is an event (`breaker`) for the observers of the call that caused it, and a record of the logger
    `aiclient.breaker`: a warning for an opening, else INFO. One instance may serve many clients, loops and threads. The
    states of 1,000 destinations are kept.

    Raises:
        CircuitOpenError: The call was refused; `retry_after` says when to ask again.

    Example:
        >>> breaker = CircuitBreaker(failures=2)
        >>> client = Client(MockProvider(ServerError("down"))).use(breaker)
        >>> for _ in range(3):
        ...     try:
        ...         _ = client.chat("hi")
        ...     except AIClientError as error:
        ...         print(error.category)
        server
        server
        policy
        >>> breaker.state("mock")[0].state
        'open'
        >>> client.close()
    """

    slot: ClassVar[str | None] = "breaker"

    def __init__(
        self,
        failures: int = 5,
        *,
        ratio: float | None = None,
        window: float = 30.0,
        least: int = 10,
        open_for: float = 5.0,
        max_open: float = 8.0,
        jitter: float = 0.2,
        count: Errors | None = None,
        clock: Clock | None = None,
        on_change: Callable[[CircuitState], None] | None = None,
    ) -> None:
        shortest = seconds("open_for", open_for, above=True)
        self._rules = Rules(
            failures=whole("failures", failures),
            ratio=None if ratio is None else number("ratio", ratio, most=1.0, above=True),
            window=seconds("window", window, above=True),
            least=whole("least", least),
            open_for=shortest,
            max_open=max(shortest, seconds("max_open", max_open, above=True)),
            jitter=number("jitter", jitter, most=1.0),
        )
        self._clock = clock
        self._counted = selection("count", count)
        self._circuits = Circuits(self._rules, clock, listener("on_change", on_change))

    def __repr__(self) -> str:
        rules = self._rules
        when = f"failures={rules.failures}"
        if rules.ratio is not None:
            when = f"ratio={rules.ratio:g}, window={rules.window:g}, least={rules.least}"
        return f"CircuitBreaker({when}, open_for={rules.open_for:g}, max_open={rules.max_open:g})"

    def __call__(self, inner: Provider) -> Provider:
        """Wrap `inner`, whose default model has a circuit from now on: it can be seen, and tripped, before the first call."""
        self._circuits.of(destination(inner)._replace(model=destinations(inner)[0].model))
        return super().__call__(inner)

    async def around(self, request: Q, inner: Provider, call_next: Callable[[Q], Awaitable[R]]) -> R:
        """Make the call if the circuit lets it through, and tell the circuit how it ended."""
        context = request.context
        assert context is not None  # opened by Layered
        call = self._admit(destination(inner, request), context)
        result = await observed(call.made(request, call_next), call.end)
        if isinstance(result, ChatStream) and call.ticket.lease and not result.partial.cached:
            result.on_first_output(call.first_output)
        return result

    def state(self, name: str | Destination | None = None) -> tuple[CircuitState, ...]:
        """Return how the circuits stand: all of them, or those of `name`; none if nothing is known of it.

        Args:
            name: A provider (`openai`), a provider and model (`openai:gpt-5.2`), or a Destination.
        """
        return self._circuits.seen(name)

    def report(self, service: Destination, /) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Return how the circuits of `service` stand, for `client.status()`."""
        return {
            "breaker": [
                {
                    "model": seen.destination.model,
                    "state": seen.state,
                    "since": seen.since,
                    "retry_after": seen.retry_after,
                    "failures_in_a_row": seen.failures_in_a_row,
                    "last_failure": seen.last_failure,
                }
                for seen in self._circuits.seen(None)
                if seen.destination.is_of(service)
            ]
        }

    def trip(self, name: str | Destination | None = None, *, open_for: float | None = None) -> None:
        """Open circuits as if the failures had come: all of them, or those of `name`. When it is over, a probe decides.

        Args:
            name: As for `state`.
            open_for: Seconds; by default what the layer's options say.
        """
        span = None if open_for is None else seconds("open_for", open_for, above=True)
        self._circuits.change(name, lambda circuit, now: circuit.open(now, span))

    def reset(self, name: str | Destination | None = None) -> None:
        """Close circuits and forget their counts: all of them, or those of `name`. Calls under way no longer count."""
        self._circuits.change(name, Circuit.reset)

    def _admit(self, key: Destination, context: CallContext) -> _Call:
        held, clock, longest = self._circuits.of(key), self._clock or context.clock, context.remaining()
        call = _Call(self, held, clock, context)
        if not call.admitted(longest):
            raise call.take(lambda _, now: _refusal(held.seen(now, clock)))
        return call

    def is_failure(self, error: BaseException) -> bool:
        """Whether `error` counts against the service."""
        if self._counted is None or not isinstance(error, AIClientError):
            return outcome(error).breaker == "failure"
        return self._counted(error) and not refused_here(error)


class _Call:
    """One call that was let through."""

    __slots__ = ("_breaker", "_clock", "_context", "_ended", "_held", "ticket")

    def __init__(self, breaker: CircuitBreaker, held: Held, clock: Clock, context: CallContext) -> None:
        self._breaker = breaker
        self._held = held
        self._clock = clock
        self._context = context
        self._ended = False
        self.ticket = Ticket(-1)

    def take(self, step: Callable[[Circuit, float], T]) -> T:
        return self._breaker._circuits.take(self._held, self._clock, step, self._context)  # noqa: SLF001  # its own half

    def admitted(self, longest: float) -> bool:
        """Take a ticket, if the circuit lets the call through."""

        def admit(circuit: Circuit, now: float) -> bool:
            ticket = circuit.admit(now, longest)
            self.ticket = ticket or self.ticket
            return ticket is not None

        try:
            return self.take(admit)
        except BaseException:  # of a listener, such as KeyboardInterrupt: the call is not made; raised again
            self.take(lambda circuit, _: circuit.give_back(self.ticket))
            raise

    async def made(self, request: Q, call_next: Callable[[Q], Awaitable[R]]) -> R:
        return await call_next(request)  # in here, so that what a provider raises before its first await is an end too

    def first_output(self) -> None:
        """The service is back, unless the stream had ended before."""
        if not self._ended:
            self.ticket = self.take(lambda circuit, now: circuit.succeed(self.ticket, now))

    async def end(self, end: End) -> None:
        """Bring the ticket back with the result."""
        self._ended = True
        answer, error = end.response, end.error
        if end.outcome == "failed" and error is not None and self._breaker.is_failure(error):
            self.take(lambda circuit, now: circuit.fail(self.ticket, now, outcome(error).category))
        elif end.outcome == "completed" and answer is not None and not (answer.cached or answer.dry_run):
            self.take(lambda circuit, now: circuit.succeed(self.ticket, now))
        else:
            self.take(lambda circuit, _: circuit.give_back(self.ticket))


def _refusal(seen: CircuitState) -> CircuitOpenError:
    why = f", after a failure ({seen.last_failure})" if seen.last_failure else ""
    wait = seen.retry_after or 0.0
    return CircuitOpenError(
        f"the circuit of {seen.name} is {seen.state.replace('_', '-')}{why}; ask again in {wait:.1f} s",
        provider=seen.destination.provider,
        model=seen.destination.model,
        retry_after=wait,
    )
