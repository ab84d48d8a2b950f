"""Answer again what was answered before."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, ClassVar, Final, cast

from ..clock import SYSTEM, Clock
from ..errors import ConfigError
from ..forks import own_lock
from ..layer import Layer
from ..opening import replay
from ..provider import Provider, observed
from ..request import AnyRequest, ChatRequest, EmbeddingRequest
from ..response import ChatResponse, EmbeddingResponse
from ..store import MemoryStore, Store, StoreSize
from ..stream import ChatStream
from ._cache_call import Books, CachedCall, CacheStats
from ._cache_key import key_of, prefix_of, tag_of
from ._cache_store import PatientStore
from ._options import seconds

__all__ = ["Cache", "CacheStats"]

_OURS: Final = "cache:"
"""What our keys begin with in a store that holds other things too."""


class Cache(Layer):
    """Answer a request that was answered before from a store, without asking the service.

    A call: looked up first, and its answer kept. A stream: the same entry, replayed part by part at once; kept when it has
    come to its end. Embeddings: the same. Place: outside `Fallback`, `Retry` and the limits, so that a hit costs nothing;
    inside `Logging` and whatever else should see every call. Layers that change the request go outside it.

    Answers that came from here have `cached` True, `cost` 0, no `attempts`, `request_id` and `raw`; `usage` is what it was.
    What was saved is in `metadata["cache"]`: `saved_usd`, `age` (seconds), `stored_at`, and the `request_id` of then.

    **Two calls share an entry** only if they ask the same services (name, address, model) with the same credential for the
    same tenant, and agree in everything that can change the answer. `user_id`, `metadata`, tags and timeouts cannot.
    What a URL in a message leads to counts as the same as long as the URL is.

    **Kept are complete answers alone**: with the finish reason `stop` or `tool_calls`, and no refusal, no empty one, no tool
    call with broken arguments, nothing above 1 MiB. Requests with a temperature above 0, or none, mean to get different answers
    each time: they pass by unless `sampled=True`, and the first one says so in a warning.

    **A store that fails is a miss**, never an error: one warning, then silence (`stats().failures` counts on). After three
    failures in a row it is left alone for 5 s. The caller gets an answer when it is kept, so that the next one finds it.
    Cancelling while the store is asked ends the wait at once; the store then keeps the answer whole or not at all.

    Args:
        store: Where answers are kept; a MemoryStore by default. SQLiteStore outlives the process. Whoever made it closes it.
        ttl: Seconds that an answer is given again. Default 300.
        sampled: Also keep answers to requests whose temperature is above 0 or not given. Default False.
        length: Also keep answers that ended at the limit of tokens. Default False.
        tenant: Whose answers these are, in place of the credentials: calls with different keys then share. A tenant of the call
            keeps apart in any case.
        max_entries: How many answers the default store keeps. Default 10,000.
        patience: Seconds to wait for the store. Default 0.5.
        clock: Where time comes from; the call's own clock by default.

    Raises:
        ConfigError: An option is not what it must be.

    Example:
        >>> cache = Cache()
        >>> mock = MockProvider("Paris")
        >>> with Client(mock).use(cache) as client:
        ...     for _ in range(3):
        ...         response = client.new_request().user("Capital of France?").temperature(0).do()
        >>> response.cached, mock.calls, cache.stats().hits
        (True, 1, 2)
    """

    slot: ClassVar[str | None] = "cache"

    def __init__(
        self,
        store: Store | None = None,
        *,
        ttl: float = 300.0,
        sampled: bool = False,
        length: bool = False,
        tenant: str | None = None,
        max_entries: int | None = None,
        patience: float = 0.5,
        clock: Clock | None = None,
    ) -> None:
        self._sampled = _switch("sampled", sampled)
        self._tenant = _name("tenant", tenant)
        self._books = Books(seconds("ttl", ttl, above=True), length=_switch("length", length))
        self._store = _made(store, max_entries, clock or SYSTEM)
        self._patient = PatientStore(self._store, seconds("patience", patience, above=True), self._books.failed)
        self._clock = clock
        self._lock = own_lock(self)
        self._chains: list[Callable[[], Provider | None]] = []

    def __repr__(self) -> str:
        options = [f"ttl={self._books.ttl:g}"]
        options += ["sampled=True"] if self._sampled else []
        options += ["length=True"] if self._books.length else []
        options += [f"tenant={self._tenant!r}"] if self._tenant is not None else []
        return f"Cache({type(self._store).__name__}, {', '.join(options)})"

    def __call__(self, inner: Provider) -> Provider:
        """Wrap `inner`, and remember it for `invalidate`."""
        with self._lock:
            self._chains = [chain for chain in self._chains if chain() is not None] + [_weakly(inner)]
        return super().__call__(inner)

    # --- calls ---

    async def chat(self, request: ChatRequest, inner: Provider) -> ChatResponse:
        """Answer from the store, or ask and keep."""
        call = self._begin(request, inner)
        if call is None:
            return await inner.chat(request)
        return await call.find(ChatResponse) or await observed(inner.chat(request), call.end)

    async def chat_stream(self, request: ChatRequest, inner: Provider) -> ChatStream:
        """Replay from the store, or ask and keep what has come to its end."""
        call = self._begin(request, inner)
        if call is None:
            return await inner.chat_stream(request)
        found = await call.find(ChatResponse)
        return replay(found) if found is not None else await observed(inner.chat_stream(request), call.end)

    async def embeddings(self, request: EmbeddingRequest, inner: Provider) -> EmbeddingResponse:
        """Answer from the store, or ask and keep."""
        call = self._begin(request, inner)
        if call is None:
            return await inner.embeddings(request)
        return await call.find(EmbeddingResponse) or await observed(inner.embeddings(request), call.end)

    def _begin(self, request: AnyRequest, inner: Provider) -> CachedCall | None:
        """Return what the cache does with a call; None when it stays out."""
        context = request.context
        assert context is not None  # opened by Layered
        if context.cache == "bypass":
            return None
        passes = not self._sampled and _is_sampled(request)
        if passes and self._books.told:
            return None
        key = None if passes else key_of(request, inner, self._tenant)
        if key is None and not passes:
            return None  # the request has no JSON form; the service will say so
        return CachedCall(self._books, self._patient, request, key and _OURS + key, inner.name, self._clock)

    # --- for its owner ---

    def stats(self) -> CacheStats:
        """Return the counts so far; they stay as they are while the cache counts on."""
        size = getattr(self._store, "size", None)
        return self._books.stats(size if isinstance(size, StoreSize) else None)

    async def clear(self) -> int:
        """Forget all answers of caches with this `tenant=` in the store; return how many that were.

        Calls under way keep nothing any more. Raises what the store raises: what was to be forgotten must not stay unnoticed.
        """
        self._books.forget()
        return await self._store.clear(prefix=_OURS + prefix_of(self._tenant))

    async def invalidate(
        self, request: AnyRequest | None = None, *, tag: tuple[str, str] | None = None, tenant: str | None = None
    ) -> int:
        """Forget the answer to `request`, or those of a tenant, or with a tag, or both; return how many that were.

        Calls under way keep nothing any more. Raises what the store raises.

        Args:
            request: As it was asked: built, not sent. Its answer is forgotten for every provider that this cache stands around.
            tag: Name and value, as the calls were labelled: `("team", "search")`.
            tenant: Of the calls; that of this cache stands for all its answers.

        Raises:
            ConfigError: Nothing is named, or a request and something else; `clear` forgets everything.
        """
        if (request is None) == (tag is None and tenant is None):
            raise ConfigError("invalidate takes a request, or tag= and tenant=; clear() forgets everything")
        self._books.forget()
        if request is not None:
            return await self._forget(request)
        owners = (self._tenant,) if tenant in (None, self._tenant) else (self._tenant, tenant)
        label = None if tag is None else tag_of(*tag)
        return await self._store.clear(prefix=_OURS + prefix_of(*owners), tag=label)

    async def _forget(self, request: AnyRequest) -> int:
        with self._lock:
            chains = [chain() for chain in self._chains]
        keys = {key_of(request, inner, self._tenant) for inner in chains if inner is not None}
        return sum([await self._store.delete(_OURS + key) for key in keys if key is not None])


def _is_sampled(request: AnyRequest) -> bool:
    """Whether the same request asks for different answers each time."""
    return isinstance(request, ChatRequest) and request.options.temperature != 0


def _weakly(inner: Provider) -> Callable[[], Provider | None]:
    try:
        return weakref.ref(inner)
    except TypeError:  # a class with slots
        return lambda: inner


def _made(store: Any, max_entries: int | None, clock: Clock) -> Store:
    if store is None:
        return MemoryStore(clock=clock) if max_entries is None else MemoryStore(max_entries=max_entries, clock=clock)
    if max_entries is not None:
        raise ConfigError(
            f"max_entries={max_entries!r} is for the default store; give it to {type(store).__name__} instead"
        )
    if isinstance(store, type) or not all(
        callable(getattr(store, name, None)) for name in ("get", "set", "delete", "clear")
    ):
        what = f"the class {store.__name__}" if isinstance(store, type) else repr(store)
        raise ConfigError(f"store={what} is not a store: give a MemoryStore(), a SQLiteStore(path), or one of your own")
    return cast("Store", store)


def _switch(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{name}={value!r} must be True or False")
    return value


def _name(name: str, value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise ConfigError(f"{name}={value!r} must be a text that is not empty")
    return value
