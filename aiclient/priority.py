"""A list of providers by priority: the first that works answers, and the best one gets its place back when it recovers."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve, frozen

from .composition import destination, release_all
from .errors import Category, ConfigError
from .forks import own_lock
from .middleware._branches import Choose, ask_in_turn, chat, chat_stream, embeddings, falls_over, in_order
from .middleware._circuit import State
from .middleware._options import whole
from .middleware._selection import Errors
from .middleware._targets import Branch, Target, branches_of, distinct, layers_of, leading
from .middleware.breaker import CircuitBreaker
from .provider import Middleware, Provider, opened
from .registry import provider_for
from .request import AnyRequest, ChatRequest, EmbeddingRequest
from .response import ChatResponse, EmbeddingResponse
from .stream import ChatStream

__all__ = ["Failover", "FailoverState", "failover"]

_GRAVITY: dict[State, int] = {"closed": 0, "half_open": 1, "open": 2}


@frozen
class FailoverState:
    """One provider of a failover, as it is now.

    Args:
        name: What it is called in the list.
        priority: Lower is asked earlier.
        primary: Whether it is asked first.
        state: Of its circuit: `closed` (it is asked), `open` (it is passed over), `half_open` (one call tries it). Of several
            models, the worst.
        last_failure: Category of its last failure that counted.
        retry_after: Seconds until it is tried again, 0 if the next call does; None when its circuit is closed.
    """

    name: str
    priority: int
    primary: bool
    state: State
    last_failure: Category | None
    retry_after: float | None


@frozen(eq=False)
class _Member:
    name: str
    priority: int
    target: Target
    first: Branch
    """How it is asked while it stands first: for the model that the request names, if it names one."""
    other: Branch


class Failover:
    """A provider that asks the first of a list that works.

    A call: the provider of the highest priority is asked first, the next ones as long as the last error falls over
    (`errors.outcome`). Each stands behind a circuit of its own: one that keeps failing is passed over at once, at no cost,
    until its circuit half-opens; the next call then tries it, and if it answers the calls are back. A stream: the same until
    its first output. Place: it is the provider that a client talks to, `Client(failover([...]))`.

    The list may be changed at any time, from any thread; calls under way finish on the list they began with.

    The model that a request names goes to the one that stands first; the others are asked for their `Target.model`, or their
    own default. For embeddings, see `Fallback`.

    Args:
        providers: In order of priority, from 1: providers, `Target(provider, model=..., when=...)`, or model strings such as
            `openai:gpt-5.4-mini`. At least one.
        breaker: Keeps the circuits, one for each provider and model. Default `CircuitBreaker()`.
        each: Layers to put around every provider, outside its breaker: `[Retry()]`.
        on: Which errors lead on, as for `Fallback`.
        name: What this provider is called.

    Raises:
        ConfigError: A provider is none, cannot be made of its string or has no model, or two have one name.
        AllProvidersFailedError: Several were asked and all failed; with all circuits open `retry_after` is the smallest.

    Cancelling ends the call in hand; nobody else is asked.
    """

    def __init__(
        self,
        providers: Iterable[Provider | Target | str],
        *,
        breaker: CircuitBreaker | None = None,
        each: Iterable[Middleware] = (),
        on: Errors | None = None,
        name: str = "failover",
    ) -> None:
        if breaker is not None and not isinstance(breaker, CircuitBreaker):
            raise ConfigError(f"breaker={breaker!r} must be a CircuitBreaker, such as CircuitBreaker(failures=3)")
        if isinstance(providers, str) or not isinstance(providers, Iterable):
            raise ConfigError(f"failover({providers!r}) needs a list of providers, the preferred one first")
        self.name = name
        self.breaker = breaker or CircuitBreaker()
        self._each = layers_of(each)
        self._leads_on = falls_over if on is None else leading("on", on)
        self._lock = own_lock(self)
        self._members: tuple[_Member, ...] = ()
        self._primary: str | None = None
        self._order: tuple[_Member, ...] = ()
        members = [self._made(None, item, number) for number, item in enumerate(providers, 1)]
        if not members:
            raise ConfigError("failover() needs at least one provider")
        self._change(tuple(members), None)

    def __repr__(self) -> str:
        return f"Failover({', '.join(member.name for member in self._order)})"

    # --- the list ---

    @property
    def targets(self) -> tuple[Provider, ...]:
        """The chains of all providers, in the order in which they are asked now."""
        return tuple(member.other.provider for member in self._order)

    def status(self) -> tuple[FailoverState, ...]:
        """Return how every provider stands, in the order in which they are asked."""
        order = self._order
        return tuple(self._state(member, primary=member is order[0]) for member in order)

    def add(self, name: str, provider: Provider | Target | str, *, priority: int | None = None) -> None:
        """Put a provider into the list; calls that begin from now on may reach it.

        Args:
            name: What it is called in the list.
            provider: As for the constructor.
            priority: Its place, from 1; after those of the same priority. Default: after all others.

        Raises:
            ConfigError: The name is taken, or the provider cannot work; nothing changes.
        """
        if not name:
            raise ConfigError(f"name={name!r} must not be empty")
        with self._lock:
            last = max(member.priority for member in self._members)
            place = last + 1 if priority is None else whole("priority", priority)
            self._change((*self._members, self._made(name, provider, place)), self._primary)

    def remove(self, name: str) -> Provider:
        """Take a provider out of the list and return it; it is not closed, since calls under way may still need it.

        Raises:
            ConfigError: There is none of this name, or it is the last one; nothing changes.
        """
        with self._lock:
            gone = self._member(name)
            if len(self._members) == 1:
                raise ConfigError(f"{name!r} is the last provider of {self.name!r}: add another one first")
            left = tuple(member for member in self._members if member is not gone)
            self._change(left, None if self._primary == name else self._primary)
        return gone.target.provider

    def set_primary(self, name: str | None) -> None:
        """Ask the provider of this name first, whatever its priority, until `reset()`; None goes by priority again.

        Raises:
            ConfigError: There is none of this name; nothing changes.
        """
        with self._lock:
            if name is not None:
                self._member(name)
            self._change(self._members, name)

    def reset(self, name: str | None = None) -> None:
        """Close the circuit of the provider of this name; without a name close all, and go by priority again.

        Raises:
            ConfigError: There is none of this name; nothing changes.
        """
        with self._lock:
            chosen = self._members if name is None else (self._member(name),)
            if name is None:
                self._change(self._members, None)
        for member in chosen:
            self.breaker.reset(_circuit(member))

    # --- calls ---

    async def chat(self, request: ChatRequest, /) -> ChatResponse:
        """Ask one after the other for an answer."""
        if request.context is None:
            return await opened(request, self.chat)
        return await ask_in_turn(request, self._chooser(request), chat)

    async def chat_stream(self, request: ChatRequest, /) -> ChatStream:
        """Ask one after the other for a stream, until one gives its first output."""
        if request.context is None:
            return await opened(request, self.chat_stream)
        return await ask_in_turn(request, self._chooser(request), chat_stream)

    async def embeddings(self, request: EmbeddingRequest, /) -> EmbeddingResponse:
        """Ask one after the other for vectors."""
        if request.context is None:
            return await opened(request, self.embeddings)
        return await ask_in_turn(request, self._chooser(request), embeddings)

    def validate_config(self) -> None:
        """Raise what any of the providers would raise."""
        for target in self.targets:
            target.validate_config()

    async def close(self) -> None:
        """Close all providers, though one of them fails; clients that were handed in stay open."""
        await release_all(self.targets)

    # --- inside ---

    def _chooser(self, request: AnyRequest) -> Choose:
        first, *others = self._order  # read once: later changes are for later calls
        return in_order((first.first, *(member.other for member in others)), request, self._leads_on)

    def _made(self, name: str | None, provider: Provider | Target | str, priority: int) -> _Member:
        given = provider_for(provider) if isinstance(provider, str) else provider
        target = given if isinstance(given, Target) else Target(given)
        (branch,) = branches_of((target,), (*self._each, self.breaker))
        called = name or target.provider.name
        other = evolve(branch, name=called)
        return _Member(called, priority, target, evolve(other, target=evolve(target, keep_model=True)), other)

    def _change(self, members: tuple[_Member, ...], primary: str | None) -> None:
        """Take over a new list, in one assignment for those who read it."""
        _apart([member.name for member in members])
        _apart([_circuit(member) for member in members])
        distinct(member.other for member in members)
        self._members, self._primary = members, primary
        self._order = tuple(sorted(members, key=lambda member: (member.name != primary, member.priority)))

    def _member(self, name: str) -> _Member:
        for member in self._members:
            if member.name == name:
                return member
        known = ", ".join(member.name for member in self._members)
        raise ConfigError(f"{self.name!r} has no provider called {name!r}; there are {known}")

    def _state(self, member: _Member, *, primary: bool) -> FailoverState:
        circuits = self.breaker.state(_circuit(member))
        worst = max(circuits, key=lambda circuit: _GRAVITY[circuit.state], default=None)
        if worst is None:
            return FailoverState(member.name, member.priority, primary, "closed", None, None)
        return FailoverState(member.name, member.priority, primary, worst.state, worst.last_failure, worst.retry_after)


def _apart(names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two providers are called {name!r}: give one of them another name with name=...")


def _circuit(member: _Member) -> str:
    """Return the name under which the breaker keeps the circuits of `member`."""
    return destination(member.other.provider).provider


def failover(
    providers: Iterable[Provider | Target | str],
    *,
    breaker: CircuitBreaker | None = None,
    each: Iterable[Middleware] = (),
    on: Errors | None = None,
    name: str = "failover",
) -> Failover:
    """Return a provider that asks the first of `providers` that works; see Failover.

    Example:
        >>> client = Client(failover([MockProvider(ServerError("down"), name="a"), MockProvider("Paris", name="b")]))
        >>> client.chat("Capital of France?").provider
        'b'
    """
    return Failover(providers, breaker=breaker, each=each, on=on, name=name)
