"""One call as a cache sees it, and the books that all calls of one cache share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from attrs import frozen

from ..clock import Clock
from ..context import CallContext, CallEvent
from ..ends import End
from ..errors import StoreError
from ..forks import own_lock
from ..request import AnyRequest
from ..response import CallWarning, ChatResponse, EmbeddingResponse
from ._cache_key import tag_of
from ._cache_record import LARGEST, answer_of, is_complete, record_of

if TYPE_CHECKING:
    from ..store import StoreSize
    from ._cache_store import PatientStore

__all__ = ["Books", "CacheStats", "CachedCall"]

A = TypeVar("A", ChatResponse, EmbeddingResponse)

_NO_DEPARTURE: Final = frozenset(
    {"usage_invalid", "cache_store_failed", "cache_skipped_sampled", "single_flight_skipped_sampled"}
)
"""Warnings that do not say that something asked for was not done."""


@frozen
class CacheStats:
    """What a cache has done since it was made.

    Args:
        hits: Calls that it answered.
        misses: Calls that it looked up and did not answer.
        stores: Answers that it kept.
        skipped: Answers that it did not keep: cut off, refused, too large, sampled.
        failures: Times that the store failed or took too long.
        size: What the store holds; None where a store cannot say at once (`await store.measure()` on SQLiteStore).
    """

    hits: int = 0
    misses: int = 0
    stores: int = 0
    skipped: int = 0
    failures: int = 0
    size: StoreSize | None = None

    @property
    def hit_rate(self) -> float | None:
        """Hits among the calls that were looked up; None when there were none."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else None


class Books:
    """What calls of one cache share, from any thread.

    Args:
        ttl: Seconds that an answer is given again.
        length: Whether answers that ended at the limit of tokens are kept.
    """

    def __init__(self, ttl: float, *, length: bool) -> None:
        self.ttl = ttl
        self.length = length
        self.told = False
        """Whether somebody was told that answers to sampled requests are not kept."""
        self.generation = 0
        """Moves when something is to be forgotten: what was asked before is not kept after."""
        self._lock = own_lock(self)
        self._counts = {"hits": 0, "misses": 0, "stores": 0, "skipped": 0, "failures": 0}

    def count(self, what: str) -> None:
        """Count one more."""
        with self._lock:
            self._counts[what] += 1

    def failed(self) -> None:
        """Count a failure of the store."""
        self.count("failures")

    def forget(self) -> None:
        """See that no call under way keeps its answer."""
        with self._lock:
            self.generation += 1

    def first_told(self) -> bool:
        """Whether nobody was told before; from now on somebody was."""
        with self._lock:
            first, self.told = not self.told, True
            return first

    def stats(self, size: StoreSize | None) -> CacheStats:
        """Return the counts."""
        with self._lock:
            return CacheStats(**self._counts, size=size)


class CachedCall:
    """One call: looks its answer up, and keeps it when it has come; `key` is None if it may not be kept."""

    __slots__ = ("_books", "_clock", "_context", "_generation", "_key", "_name", "_request", "_store")

    def __init__(
        self, books: Books, store: PatientStore, request: AnyRequest, key: str | None, name: str, clock: Clock | None
    ) -> None:
        context = request.context
        assert context is not None  # opened by Layered
        self._books = books
        self._store = store
        self._request = request
        self._context: CallContext = context
        self._key = key
        self._name = name
        self._clock = clock or context.clock
        self._generation = books.generation

    async def find(self, kind: type[A]) -> A | None:
        """Return the answer that is kept, if it may be given."""
        if self._key is None or self._context.cache == "refresh":
            return None
        data = await self._store.get(self._key, self._context, self._clock)
        answer = None if data is None else await self._read(data, kind)
        if answer is not None and self._context.strict and _departs(answer):
            answer = None  # the service would refuse; so this caller asks it
        self._note("hits" if answer is not None else "misses", "hit" if answer is not None else "miss")
        return answer

    async def _read(self, data: bytes, kind: type[A]) -> A | None:
        assert self._key is not None
        try:
            return answer_of(data, kind, now=self._clock.time(), ttl=self._books.ttl)
        except StoreError:  # of another version, or not ours: as good as none
            await self._store.drop(self._key, self._context, self._clock)
            return None

    async def end(self, end: End) -> None:
        """Keep the answer of a call or stream that has come to its end, if it is one for others."""
        answer, books = end.response, self._books
        if end.outcome != "completed" or answer is None or answer.dry_run:
            return
        if not is_complete(answer, length=books.length):
            books.count("skipped")
        elif self._key is None:
            books.count("skipped")
            if books.first_told():
                self._context.warnings.append(_SAMPLED)
        elif books.generation == self._generation:
            await self._keep(answer, self._key)

    async def _keep(self, answer: ChatResponse | EmbeddingResponse, key: str) -> None:
        said = dict.fromkeys((*answer.warnings, *self._context.warnings))
        warned = tuple(warning for warning in said if warning.code != "cache_store_failed")  # not the answer's
        try:
            data = record_of(answer, warned, self._clock.time(), self._books.ttl)
        except (TypeError, ValueError):  # a service's or a caller's own value that is no JSON
            data = b""
        if not 0 < len(data) <= LARGEST:
            self._books.count("skipped")
            return
        tags = frozenset(tag_of(name, value) for name, value in self._context.tags.items())
        if await self._store.put(key, data, self._books.ttl, tags, self._context, self._clock):
            self._note("stores", "stored")

    def _note(self, count: str, detail: str) -> None:
        self._books.count(count)
        if self._context.observers:
            self._context.emit(CallEvent("cache", self._name, self._request.model, detail=detail))


def _departs(answer: ChatResponse | EmbeddingResponse) -> bool:
    return any(warning.code not in _NO_DEPARTURE for warning in answer.warnings)


_SAMPLED: Final = CallWarning(
    "cache_skipped_sampled",
    "the cache keeps no answers to requests whose temperature is above 0 or not given: set temperature(0), or pass "
    "Cache(sampled=True) to give the same answer again",
    "temperature",
)
