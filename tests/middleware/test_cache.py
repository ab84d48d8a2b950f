"""Answering again what was answered before: what is kept, for whom, how long, and what a broken store does to a call."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from array import array
from decimal import Decimal

import pytest
from attrs import evolve

from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk
from aiclient.composition import compose
from aiclient.context import CallContext, Timeouts
from aiclient.errors import ConfigError, DryRunStop, ServerError, StoreError, StreamInterruptedError
from aiclient.layer import Layer
from aiclient.messages import Citation, ImagePart, Message, OpaquePart, ReasoningPart, RefusalPart, TextPart, ToolCall
from aiclient.middleware import Cache, CacheStats
from aiclient.middleware._cache_record import LARGEST
from aiclient.opening import collect
from aiclient.pricing import DictPrices
from aiclient.provider import BaseProvider, opened
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest
from aiclient.response import CallWarning, ChatResponse, Choice, EmbeddingResponse, RateLimitInfo, Usage
from aiclient.sqlite_store import SQLiteStore
from aiclient.store import MemoryStore
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio


def asking(text="Capital of France?", **options):
    return ChatRequest([Message("user", text)], ChatOptions(**{"temperature": 0, **options}))


ASK = asking()
EMBED = EmbeddingRequest("hi")


class Caller:
    """Makes calls through a cache, each with a context of its own."""

    def __init__(self, provider, cache, clock, **context):
        self.provider = chain([cache], provider)
        self.cache = cache
        self.clock = clock
        self.about = context

    def context(self, mode="use", **more):
        options = {"clock": self.clock, "timeouts": Timeouts(total=None), **self.about, **more}
        return CallContext(**options, cache=mode)

    async def chat(self, request=ASK, **context):
        return await opened(self._with(request, context), self.provider.chat, self.context(**context))

    async def stream(self, request=ASK, **context):
        return await collect(opened(self._with(request, context), self.provider.chat_stream, self.context(**context)))

    async def embed(self, request=EMBED, **context):
        return await opened(request, self.provider.embeddings, self.context(**context))

    def _with(self, request, context):
        """A context that is opened takes mode and tenant from the options."""
        options = {"cache": context.get("mode", "use"), "tenant": context.get("tenant", self.about.get("tenant"))}
        return evolve(request, options=evolve(request.options, **options))


@pytest.fixture
def cache():
    return Cache()


@pytest.fixture
def mock():
    return MockProvider(lambda request: f"answer to {request.messages[-1].content}")


@pytest.fixture
def caller(mock, cache, clock):
    return Caller(mock, cache, clock)


PATHS = pytest.mark.parametrize("path", ["chat", "stream", "embed"])
CHATS = pytest.mark.parametrize("path", ["chat", "stream"])

RICH = ChatResponse(
    Message(
        "assistant",
        [
            ReasoningPart("think", "seal", origin="v"),
            TextPart("Paris", (Citation(url="https://x", start=0, end=5),)),
            TextPart(" it is"),
            OpaquePart("v", {"kind": "new"}),
            ImagePart(data=b"\x00\xff", media_type="image/png"),
            ToolCall("1", "look", '{"a": 1}'),
        ],
    ),
    "tool_calls",
    "tool_use",
    Usage(prompt_tokens=10, completion_tokens=5, cached_tokens=3, raw_usage={"in": 10}),
    id="r1",
    model="m",
    provider="mock",
    request_id="req-1",
    rate_limit=RateLimitInfo(remaining_requests=5),
    logprobs=[{"token": "Paris"}],
    alternatives=(Choice(Message("assistant", "Lyon"), "stop"),),
    metadata={"k": [1]},
    raw={"the": "body"},
)


# --- hits ---


@PATHS
async def test_the_second_call_is_answered_from_the_cache(path, caller, mock):
    first, second = [await getattr(caller, path)() for _ in range(2)]
    assert mock.calls == 1
    assert (first.cached, second.cached) == (False, True)
    assert (len(first.attempts), second.attempts) == (1, ())
    assert second.usage == first.usage and second.usage.prompt_tokens is not None


@pytest.mark.parametrize("first", ["chat", "stream"])
@pytest.mark.parametrize("second", ["chat", "stream"])
async def test_chat_and_stream_share_one_entry_with_all_that_belongs_to_the_answer(first, second, cache, clock):
    caller = Caller(MockProvider([RICH]), cache, clock)
    original = await getattr(caller, first)()
    again = await getattr(caller, second)()
    assert again.message == RICH.message and again.alternatives == RICH.alternatives
    same = ["finish_reason", "raw_finish_reason", "usage", "id", "model", "provider", "logprobs", "created_at"]
    assert [getattr(again, name) for name in same] == [getattr(original, name) for name in same]
    assert again.metadata["k"] == [1]


async def test_a_replayed_stream_gives_its_pieces_where_readers_look(cache, clock):
    caller = Caller(MockProvider([RICH]), cache, clock)
    await caller.chat()
    async with await opened(ASK, caller.provider.chat_stream, caller.context()) as stream:
        chunks = [chunk async for chunk in stream]
    assert "".join(chunk.reasoning for chunk in chunks) == "think"
    assert "".join(chunk.content for chunk in chunks if chunk.choice == 0) == "Paris it is"
    assert [call.name for chunk in chunks for call in chunk.tool_calls] == ["look"]
    assert stream.response.cached


async def test_vectors_come_back_to_the_bit(cache, clock):
    exact = array("f", [0.1, -1e-30, 3e38, float("inf")])
    mock = MockProvider(embeddings_func=lambda request: EmbeddingResponse([exact, exact[:1]], model="m"))
    caller = Caller(mock, cache, clock)
    await caller.embed()
    again = await caller.embed()
    assert again.cached and again.vectors == (exact, exact[:1]) and again.vectors[0].typecode == "f"


async def test_vectors_of_another_kind_are_not_kept(cache, clock):
    mock = MockProvider(embeddings_func=lambda request: EmbeddingResponse([array("d", [0.1])]))
    caller = Caller(mock, cache, clock)
    await caller.embed()
    assert not (await caller.embed()).cached


async def test_a_hit_costs_nothing_and_says_what_was_saved(cache, clock):
    caller = Caller(MockProvider([RICH]), cache, clock, prices=DictPrices({"m": {"input": 1, "output": 2}}))
    first = await caller.chat()
    clock.advance(30)
    again = await caller.chat()
    assert (again.cost.usd, again.cost.source) == (0, "response cache")
    about = again.metadata["cache"]
    assert Decimal(about["saved_usd"]) == again.cost.saved == first.cost.usd == Decimal("0.00002")
    assert (about["age"], about["request_id"], about["stored_at"]) == (30, "req-1", "2023-11-14T22:13:20+00:00")


async def test_a_hit_does_not_pass_for_the_exchange_of_then(cache, clock):
    caller = Caller(MockProvider([RICH]), cache, clock)
    await caller.chat()
    again = await caller.chat()
    assert (again.request_id, again.rate_limit, again.raw, again.attempts) == (None, None, None, ())


async def test_what_a_hit_saved_is_unknown_where_the_price_was(caller):
    await caller.chat()
    again = await caller.chat()
    assert (again.cost.usd, again.metadata["cache"]["saved_usd"]) == (0, None)


async def test_a_hit_bears_the_warnings_of_then(cache, clock):
    warning = CallWarning("unsupported", "top_k was left out", "top_k")

    def answer(request):
        request.context.warnings.append(warning)
        return "Paris"

    caller = Caller(MockProvider(answer), cache, clock)
    assert [(await caller.chat()).warnings for _ in range(3)] == [(warning,)] * 3


@pytest.mark.parametrize(
    ("code", "cached"), [("unsupported", False), ("usage_invalid", True)], ids=["left out", "not a departure"]
)
async def test_a_strict_caller_gets_no_answer_to_a_request_that_was_not_honoured(code, cached, cache, clock):
    caller = Caller(MockProvider(evolve(RICH, warnings=(CallWarning(code, "x"),))), cache, clock)
    await caller.chat()
    assert (await caller.chat(strict=True)).cached is cached


async def test_what_a_caller_reads_is_not_what_the_next_one_gets(caller):
    await caller.chat()
    (await caller.chat()).metadata["cache"]["age"] = "spoilt"
    assert (await caller.chat()).metadata["cache"]["age"] == 0


async def test_events_say_what_the_cache_did(caller):
    seen = []
    for _ in range(2):
        context = caller.context()
        context.observe(lambda event: seen.append((event.kind, event.provider, event.model, event.detail)))
        await opened(asking(model="m"), caller.provider.chat, context)
    assert [event for event in seen if event[0] == "cache"] == [
        ("cache", "mock", "m", "miss"),
        ("cache", "mock", "m", "stored"),
        ("cache", "mock", "m", "hit"),
    ]


# --- what is not kept ---


def answered(*parts, reason="stop", **more):
    return ChatResponse(Message("assistant", parts), reason, **more)


NOT_FOR_OTHERS = {
    "cut off": answered("Pa", reason="length"),
    "filtered": answered("Pa", reason="content_filter"),
    "error": answered("Pa", reason="error"),
    "other": answered("Pa", reason="other"),
    "no reason": answered("Pa", reason=None),
    "refused": answered(RefusalPart("I will not")),
    "empty": answered(),
    "broken call": answered(ToolCall("1", "look", '{"a": '), reason="tool_calls"),
    "dry run": answered("Paris", dry_run=True),
    "shared": answered("Paris", shared=True),
    "cached": answered("Paris", cached=True),
    "second cut off": answered("Paris", alternatives=(Choice(Message("assistant", "Ly"), "length"),)),
    "too large": answered("x" * LARGEST),
    "no JSON": answered("Paris", metadata={"x": object()}),
    "unreadable": answered("Paris", metadata={"x": {1}}),
}


@CHATS
@pytest.mark.parametrize("answer", NOT_FOR_OTHERS.values(), ids=NOT_FOR_OTHERS)
async def test_an_answer_that_is_not_for_others_is_not_kept(path, answer, cache, clock):
    mock = MockProvider(answer)
    caller = Caller(mock, cache, clock)
    for _ in range(2):
        await getattr(caller, path)()
    assert mock.calls == 2 and cache.stats().stores == 0 and cache.stats().size.entries == 0


@CHATS
async def test_an_answer_at_the_limit_of_tokens_is_kept_when_asked_for(path, clock):
    caller = Caller(MockProvider(NOT_FOR_OTHERS["cut off"]), Cache(length=True), clock)
    await getattr(caller, path)()
    assert (await getattr(caller, path)()).cached


@PATHS
async def test_an_error_is_not_kept(path, cache, clock):
    caller = Caller(MockProvider(ServerError()), cache, clock)
    for _ in range(2):
        with pytest.raises(ServerError):
            await getattr(caller, path)()
    assert cache.stats() == CacheStats(misses=2, size=cache.stats().size) and cache.stats().size.entries == 0


async def test_a_stream_that_breaks_off_is_not_kept(cache, clock):
    broken = (ChatStreamChunk(content="Pa"), ServerError())
    caller = Caller(MockProvider([broken, "Paris"]), cache, clock)
    with pytest.raises(StreamInterruptedError):
        await caller.stream()
    assert not (await caller.stream()).cached


async def test_a_stream_that_breaks_off_between_its_finish_reason_and_its_end_is_not_kept(cache, clock):
    broken = (ChatStreamChunk(content="Paris"), ChatStreamChunk(finish_reason="stop"), ServerError())
    caller = Caller(MockProvider([broken, "Paris"]), cache, clock)
    with pytest.raises(StreamInterruptedError):
        await caller.stream()
    assert not (await caller.stream()).cached


async def test_a_stream_that_is_left_early_is_not_kept(caller, mock):
    async with await opened(ASK, caller.provider.chat_stream, caller.context()) as stream:
        async for chunk in stream:
            if chunk.content:
                break
    assert not (await caller.stream()).cached


async def test_a_stream_is_kept_at_its_end_and_not_before(caller, cache):
    async with await opened(ASK, caller.provider.chat_stream, caller.context()) as stream:
        assert cache.stats().stores == 0
        async for _ in stream:
            pass
    assert cache.stats().stores == 1


async def test_a_request_that_has_no_json_form_goes_past_the_cache(caller, mock):
    odd = asking(extra={"mock": {"x": object()}})
    assert [(await caller.chat(odd)).cached for _ in range(2)] == [False, False]
    assert (await caller.chat(odd)).warnings == ()


# --- dry runs ---


async def test_a_dry_run_is_answered_by_a_hit(caller):
    await caller.chat()
    assert (await caller.chat(dry_run=True)).cached


async def test_a_dry_run_that_is_none_keeps_nothing(caller, mock, cache):
    with pytest.raises(DryRunStop):
        await caller.chat(dry_run=True)
    assert mock.calls == 0 and cache.stats().stores == 0
    assert not (await caller.chat()).cached


# --- sampled requests ---


@CHATS
@pytest.mark.parametrize("temperature", [None, 0.7])
async def test_a_sampled_request_passes_by_and_the_first_one_says_so(path, temperature, caller, cache):
    answers = [await getattr(caller, path)(asking(temperature=temperature)) for _ in range(3)]
    assert [answer.cached for answer in answers] == [False] * 3
    (warning,) = answers[0].warnings
    assert warning.code == "cache_skipped_sampled" and "sampled=True" in warning.message
    assert [answer.warnings for answer in answers[1:]] == [(), ()]
    assert cache.stats().stores == 0


async def test_the_warning_waits_for_an_answer_that_would_have_been_kept(cache, clock):
    caller = Caller(MockProvider([ServerError(), answered("Pa", reason="length"), "Paris"]), cache, clock)
    with pytest.raises(ServerError):
        await caller.chat(asking(temperature=1))
    answers = [await caller.chat(asking(temperature=1)) for _ in range(2)]
    assert [len(answer.warnings) for answer in answers] == [0, 1]


async def test_sampled_requests_are_kept_when_asked_for(clock, mock):
    caller = Caller(mock, Cache(sampled=True), clock)
    answers = [await caller.chat(asking(temperature=None)) for _ in range(2)]
    assert [answer.cached for answer in answers] == [False, True]
    assert [answer.warnings for answer in answers] == [(), ()]


# --- modes ---


@CHATS
async def test_bypass_neither_reads_nor_writes(path, caller, mock, cache):
    await getattr(caller, path)(mode="bypass")
    await getattr(caller, path)()
    assert not (await getattr(caller, path)(mode="bypass")).cached
    assert mock.calls == 3 and cache.stats() == CacheStats(misses=1, stores=1, size=cache.stats().size)


@CHATS
async def test_refresh_asks_again_and_overwrites(path, cache, clock):
    caller = Caller(MockProvider(["old", "new"]), cache, clock)
    await getattr(caller, path)()
    fresh = await getattr(caller, path)(mode="refresh")
    again = await getattr(caller, path)()
    assert (fresh.message.content, fresh.cached) == ("new", False)
    assert (again.message.content, again.cached) == ("new", True)


async def test_a_refresh_that_fails_leaves_what_was_there(cache, clock):
    caller = Caller(MockProvider(["old", ServerError()]), cache, clock)
    await caller.chat()
    with pytest.raises(ServerError):
        await caller.chat(mode="refresh")
    assert (await caller.chat()).message.content == "old"


# --- time and room ---


@pytest.mark.parametrize(("passed", "cached"), [(299, True), (300, False)])
async def test_an_answer_is_given_for_its_time_by_the_clock_of_the_call(passed, cached, caller, clock):
    await caller.chat()
    clock.advance(passed)
    assert (await caller.chat()).cached is cached


async def test_the_caches_own_clock_goes_before_that_of_the_call(mock, clock):
    own = FakeClock()
    caller = Caller(mock, Cache(clock=own), clock)
    await caller.chat()
    clock.advance(1000)
    assert (await caller.chat()).cached
    own.advance(300)
    assert not (await caller.chat()).cached


async def test_the_shorter_time_of_writer_and_reader_counts(mock, clock):
    store = MemoryStore(clock=clock)
    short, long = Cache(store, ttl=10), Cache(store, ttl=1000)
    await Caller(mock, long, clock).chat()
    clock.advance(10)
    assert not (await Caller(mock, short, clock).chat()).cached  # and keeps it anew, for ten seconds
    clock.advance(10)
    assert not (await Caller(mock, long, clock).chat()).cached


async def test_a_clock_that_is_set_back_makes_no_answer_live_for_ever(caller, clock):
    await caller.chat()
    clock._start -= 301
    assert not (await caller.chat()).cached


async def test_the_least_recently_used_answers_make_room(mock, clock):
    caller = Caller(mock, Cache(max_entries=2), clock)
    for text in ("a", "b", "a", "c"):
        await caller.chat(asking(text))
    assert [(await caller.chat(asking(text))).cached for text in ("a", "c", "b")] == [True, True, False]


# --- whose ---


async def test_tenants_of_calls_do_not_share(caller, mock):
    for tenant in ("a", "b", None):
        assert not (await caller.chat(tenant=tenant)).cached
    assert (await caller.chat(tenant="a")).cached and mock.calls == 3


async def test_tenants_of_caches_do_not_share_a_store(mock, clock):
    store = MemoryStore()
    for tenant in ("a", "b", None):
        assert not (await Caller(mock, Cache(store, tenant=tenant), clock).chat()).cached
    assert (await Caller(mock, Cache(store, tenant="a"), clock).chat()).cached


async def test_nothing_of_the_request_and_no_name_is_in_the_store(mock, clock):
    store = MemoryStore()
    caller = Caller(mock, Cache(store, tenant="Acme"), clock, tags={"customer": "Umbrella"}, tenant="Initech")
    mock._reply = "Paris"
    await caller.chat(asking("my secret question"))
    ((key, entry),) = store._entries.items()
    said = f"{key} {entry.value} {entry.tags}"
    assert not [word for word in ("Acme", "Umbrella", "Initech", "secret") if word in said]


# --- forgetting ---


async def kept(caller, *texts, **context):
    """Which texts have their answer in the cache."""
    found = [text for text in texts if (await caller.chat(asking(text), **context)).cached]
    return found


async def test_clear_forgets_everything_of_this_cache_and_nothing_else(mock, clock):
    store = MemoryStore()
    await store.set("ledger:x", b"1")
    one, other = (Caller(mock, Cache(store, tenant=tenant), clock) for tenant in ("a", None))
    for caller in (one, other):
        await caller.chat()
        await caller.chat(tenant="x")
    assert await one.cache.clear() == 2
    assert (await other.chat()).cached and not (await one.chat()).cached
    assert await store.get("ledger:x") == b"1"


async def test_one_request_is_forgotten(caller, cache):
    for text in ("a", "b"):
        await caller.chat(asking(text))
    assert await cache.invalidate(asking("a")) == 1
    assert await cache.invalidate(asking("a")) == 0
    assert await kept(caller, "a", "b") == ["b"]


async def test_a_request_is_forgotten_for_every_provider_the_cache_stands_around(cache, clock):
    callers = [Caller(MockProvider(name=name), cache, clock) for name in ("one", "two")]
    for caller in callers:
        await caller.chat()
    assert await cache.invalidate(ASK) == 2


async def test_a_request_of_a_tenant_is_forgotten_for_that_tenant(caller, cache):
    await caller.chat(tenant="a")
    await caller.chat()
    assert await cache.invalidate(asking(tenant="a")) == 1
    assert (await caller.chat()).cached and not (await caller.chat(tenant="a")).cached


async def test_embeddings_are_forgotten_like_answers(caller, cache):
    await caller.embed()
    assert await cache.invalidate(EMBED) == 1


class Slotted(BaseProvider):
    """Cannot be referred to weakly."""

    __slots__ = ()

    async def chat(self, request):
        return answered("Paris")


async def test_a_request_to_a_provider_with_slots_is_forgotten_too(cache):
    provider = compose([cache], Slotted())
    await provider.chat(ASK)
    assert await cache.invalidate(ASK) == 1


async def test_a_cache_does_not_keep_chains_alive(cache):
    for _ in range(10):
        compose([cache], MockProvider())
    assert len(cache._chains) <= 1


async def test_answers_are_forgotten_by_tag(caller, cache):
    await caller.chat(asking("a"), tags={"team": "x"})
    await caller.chat(asking("b"), tags={"team": "y"})
    await caller.chat(asking("c"))
    assert await cache.invalidate(tag=("team", "x")) == 1
    assert await kept(caller, "a", "b", "c") == ["b", "c"]


async def test_answers_are_forgotten_by_tenant_and_by_both(caller, cache):
    await caller.chat(asking("a"), tenant="x", tags={"team": "t"})
    await caller.chat(asking("b"), tenant="x")
    await caller.chat(asking("a"), tenant="y", tags={"team": "t"})
    assert await cache.invalidate(tag=("team", "t"), tenant="x") == 1
    assert await kept(caller, "b", tenant="x") == ["b"]
    assert await cache.invalidate(tenant="x") == 1
    assert (await caller.chat(asking("a"), tenant="y")).cached


async def test_the_tenant_of_the_cache_stands_for_all_its_answers(mock, clock):
    caller = Caller(mock, Cache(tenant="x"), clock)
    await caller.chat()
    await caller.chat(tenant="y")
    assert await caller.cache.invalidate(tenant="x") == 2


@pytest.mark.parametrize("arguments", [{}, {"request": ASK, "tag": ("a", "b")}, {"request": ASK, "tenant": "a"}])
async def test_it_has_to_be_said_what_to_forget(arguments, cache):
    with pytest.raises(ConfigError, match="clear"):
        await cache.invalidate(**arguments)


@pytest.mark.parametrize("forget", [lambda cache: cache.clear(), lambda cache: cache.invalidate(tenant="other")])
async def test_a_call_under_way_keeps_nothing_that_was_to_be_forgotten(forget, cache, clock):
    async def slow(_):
        await forget(cache)
        return "asked before"

    caller = Caller(MockProvider([slow, "asked after"]), cache, clock)
    await caller.chat()
    assert (await caller.chat()).message.content == "asked after"


async def test_a_failure_to_forget_is_an_error(clock):
    cache = Cache(Broken())
    with pytest.raises(StoreError):
        await cache.clear()


# --- a store that fails ---


class Broken(MemoryStore):
    """Fails while it is told to."""

    def __init__(self, error=None, **options):
        super().__init__(**options)
        self.error = error or StoreError("the disk is on fire")
        self.broken = True
        self.asked = 0

    def _look(self):
        self.asked += 1
        if self.broken:
            raise self.error

    async def get(self, key):
        self._look()
        return await super().get(key)

    async def set(self, key, value, *, ttl=None, tags=()):
        self._look()
        await super().set(key, value, ttl=ttl, tags=tags)

    async def clear(self, *, prefix="", tag=None):
        self._look()
        return await super().clear(prefix=prefix, tag=tag)


@PATHS
async def test_a_store_that_fails_is_a_miss(path, mock, clock):
    caller = Caller(mock, Cache(Broken()), clock)
    answers = [await getattr(caller, path)() for _ in range(2)]
    assert [answer.cached for answer in answers] == [False, False] and mock.calls == 2


async def test_a_store_that_fails_is_told_of_once(mock, clock, caplog):
    caller = Caller(mock, Cache(Broken()), clock)
    answers = [await caller.chat() for _ in range(3)]
    (warning,) = answers[0].warnings
    assert warning.code == "cache_store_failed" and "on fire" in warning.message
    assert [answer.warnings for answer in answers[1:]] == [(), ()]
    (record,) = [record for record in caplog.records if record.name == "aiclient.cache"]
    assert record.levelno == logging.WARNING and "on fire" in record.getMessage()


async def test_the_words_of_a_foreign_error_are_not_repeated(mock, clock, caplog):
    caller = Caller(mock, Cache(Broken(OSError("redis://user:password@host"))), clock)
    (warning,) = (await caller.chat()).warnings
    assert "OSError" in warning.message and "password" not in warning.message + caplog.text


async def test_after_three_failures_the_store_is_left_alone_for_five_seconds(mock, clock):
    store = Broken()
    caller = Caller(mock, Cache(store), clock)
    for _ in range(10):
        await caller.chat()
    assert store.asked == 3 == caller.cache.stats().failures
    clock.advance(4.9)
    await caller.chat()
    assert store.asked == 3
    clock.advance(0.1)
    await caller.chat()
    assert store.asked == 4  # one try, which fails: five more seconds
    clock.advance(4.9)
    await caller.chat()
    assert store.asked == 4


async def test_a_store_that_has_recovered_is_used_again(mock, clock):
    store = Broken()
    caller = Caller(mock, Cache(store), clock)
    for _ in range(3):
        await caller.chat()
    store.broken = False
    clock.advance(5)
    await caller.chat()
    assert (await caller.chat()).cached


async def test_failures_that_are_not_in_a_row_do_not_count_together(mock, clock):
    store = Broken()
    caller = Caller(mock, Cache(store), clock)
    for broken in (True, False, True, False, True, False):
        store.broken = broken
        await caller.chat(asking("a"), mode="refresh")
    assert (await caller.chat(asking("a"))).cached


async def test_only_one_call_tries_a_store_that_was_left_alone(mock, clock):
    store = Stuck()
    cache = Cache(store)
    caller = Caller(mock, cache, clock)
    for _ in range(3):
        cache._patient._note_failure(StoreError("x"), caller.context(), clock)
    clock.advance(5)
    trying = asyncio.ensure_future(caller.chat())
    await store.stuck.wait()
    answers = await asyncio.gather(*(caller.chat() for _ in range(5)))
    assert store.asked == 1 and len(answers) == 5
    store.go.set()
    await trying


async def test_events_tell_of_every_failure(mock, clock):
    caller = Caller(mock, Cache(Broken()), clock)
    seen, context = [], caller.context()
    context.observe(lambda event: seen.append((event.detail, event.category)))
    await opened(ASK, caller.provider.chat, context)
    assert [event for event in seen if event[0] == "store_failed"] == [("store_failed", "the disk is on fire")] * 2


class Stuck(MemoryStore):
    """Waits until it may go on."""

    def __init__(self):
        super().__init__()
        self.go, self.stuck, self.asked = asyncio.Event(), asyncio.Event(), 0

    async def get(self, key):
        self.asked += 1
        self.stuck.set()
        await self.go.wait()
        return await super().get(key)


async def test_a_store_that_takes_too_long_is_a_miss(mock, still):
    store = Stuck()
    caller = Caller(mock, Cache(store, patience=2), still)
    calling = asyncio.ensure_future(caller.chat())
    await store.stuck.wait()
    still.advance(1.9)
    await asyncio.sleep(0)
    assert not calling.done()
    still.advance(0.1)
    answer = await calling
    assert not answer.cached and "too long" in answer.warnings[0].message
    assert still.pending == 0


async def test_a_call_waits_for_the_store_no_longer_than_it_has_time_and_that_is_not_the_stores_failure(mock, still):
    store = Stuck()
    caller = Caller(mock, Cache(store, patience=20), still, timeouts=Timeouts(total=2))
    calling = asyncio.ensure_future(caller.chat())
    await store.stuck.wait()
    still.advance(2)
    for _ in range(10):
        await asyncio.sleep(0)
    assert calling.done()
    await asyncio.gather(calling, return_exceptions=True)
    assert (caller.cache.stats().failures, still.pending) == (0, 0)


async def test_a_damaged_file_is_a_miss_with_one_warning(mock, clock, tmp_path):
    path = tmp_path / "answers.db"
    path.write_bytes(b"no database" * 100)
    async with SQLiteStore(path) as store:
        caller = Caller(mock, Cache(store), clock)
        answers = [await caller.chat() for _ in range(2)]
    assert [len(answer.warnings) for answer in answers] == [1, 0]
    assert "delete it" in answers[0].warnings[0].message


# --- records that cannot be read ---

RECORD = {"cache": 1, "at": 1.7e9, "ttl": 300.0, "answer": answered("Paris").to_dict()}

POISON = {
    "no JSON": b"\x80\x04pickle",
    "not text": b"\xff\xfe",
    "too deep": b"[" * 100_000,
    "too large": b"x" * (LARGEST + 1),
    "a list": b"[]",
    "newer": json.dumps({**RECORD, "cache": 2}).encode(),
    "no answer": json.dumps({**RECORD, "answer": None}).encode(),
    "no time": json.dumps({**RECORD, "at": None}).encode(),
    "a time too large": json.dumps({**RECORD, "at": 10**400}).encode(),
    "newer answer": json.dumps({**RECORD, "answer": {**RECORD["answer"], "aiclient": 99}}).encode(),
    "wrong type": json.dumps({**RECORD, "answer": {**RECORD["answer"], "finish_reason": 5}}).encode(),
    "another kind": json.dumps({**RECORD, "answer": Message("user", "x").to_dict()}).encode(),
}


@CHATS
@pytest.mark.parametrize("data", POISON.values(), ids=POISON)
async def test_a_record_that_cannot_be_read_is_a_miss_and_goes(path, data, mock, clock):
    store = MemoryStore()
    caller = Caller(mock, Cache(store), clock)
    await caller.chat()
    (key,) = store._entries
    await store.set(key, data)
    assert not (await getattr(caller, path)(mode="use", dry_run=False)).cached
    assert store._entries[key].value != data  # replaced by the fresh answer
    assert caller.cache.stats().failures == 0


async def test_an_unreadable_record_is_removed_before_the_service_is_asked(clock):
    store = MemoryStore()
    caller = Caller(MockProvider(["Paris", ServerError()]), Cache(store), clock)
    await caller.chat()
    (key,) = store._entries
    await store.set(key, b"poison")
    with pytest.raises(ServerError):
        await caller.chat()
    assert await store.get(key) is None


@pytest.mark.parametrize("value", [5, [b"x"], object()], ids=["number", "list", "object"])
async def test_a_store_that_gives_no_bytes_is_a_miss(value, clock):
    class Odd(MemoryStore):
        async def get(self, key, /):
            return value

    assert not (await Caller(MockProvider("Paris"), Cache(Odd()), clock).chat()).cached


@pytest.mark.parametrize("vectors", [None, "AAAA", ["$$"], ["AAAA"], [5]])
async def test_vectors_that_cannot_be_read_are_a_miss(vectors, mock, clock):
    store = MemoryStore()
    caller = Caller(mock, Cache(store), clock)
    await caller.embed()
    (key,) = store._entries
    record = json.loads(store._entries[key].value)
    await store.set(key, json.dumps({**record, "vectors": vectors}).encode())
    assert not (await caller.embed()).cached


# --- cancellation, threads, loops ---


class Turning(MemoryStore):
    """Takes a few turns of the loop for everything."""

    async def get(self, key):
        await asyncio.sleep(0)
        found = await super().get(key)
        await asyncio.sleep(0)
        return found

    async def set(self, key, value, *, ttl=None, tags=()):
        await asyncio.sleep(0)
        await super().set(key, value, ttl=ttl, tags=tags)
        await asyncio.sleep(0)


@PATHS
async def test_a_cancellation_at_any_step_leaves_a_whole_entry_or_none(path, at_every_step, clock):
    def scene():
        store = Turning()
        caller = Caller(MockProvider(), Cache(store), clock)

        def verify(task):
            assert task.cancelled() or not task.exception()
            assert clock.pending == 0
            assert caller.cache.stats().failures == 0
            # What a cancelled call leaves behind is used, or replaced, by the next one.
            assert [json.loads(entry.value)["cache"] for entry in store._entries.values()] in ([], [1])

        return getattr(caller, path)(), verify

    assert await at_every_step(scene) > 8


async def test_a_cancellation_while_the_answer_is_kept_ends_the_call_at_once(mock, clock):
    class Full(MemoryStore):
        async def set(self, key, value, *, ttl=None, tags=()):
            started.set()
            await asyncio.Event().wait()

    started = asyncio.Event()
    caller = Caller(mock, Cache(Full()), clock)
    calling = asyncio.ensure_future(caller.chat())
    await started.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling


async def test_two_users_at_once_both_get_an_answer(cache, clock):
    async def slow(_):
        await asyncio.sleep(0)
        return "Paris"

    mock = MockProvider(slow)
    caller = Caller(mock, cache, clock)
    answers = await asyncio.gather(caller.chat(), caller.stream())
    assert [answer.message.content for answer in answers] == ["Paris", "Paris"]
    assert mock.calls == 2  # one call for both is what SingleFlight is for
    assert (await caller.chat()).cached


def test_one_cache_serves_several_threads_and_loops(mock, cache, anyio_backend):
    async def work():
        caller = Caller(mock, cache, FakeClock())
        for number in range(25):
            await caller.chat(asking(f"{number}"))

    threads = [threading.Thread(target=asyncio.run, args=(work(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = cache.stats()
    assert stats.hits + stats.misses == 100 and stats.size.entries == 25
    assert stats.misses == stats.stores == mock.calls


async def test_answers_outlive_the_process_in_a_file(mock, clock, tmp_path):
    async with SQLiteStore(tmp_path / "answers.db", clock=clock) as store:
        await Caller(mock, Cache(store), clock).chat(tags={"team": "x"})
    async with SQLiteStore(tmp_path / "answers.db", clock=clock) as store:
        caller = Caller(mock, Cache(store), clock)
        assert (await caller.stream()).cached
        assert await caller.cache.invalidate(tag=("team", "x")) == 1


# --- the object ---


async def test_statistics_are_a_value_that_does_not_change(caller, cache):
    before = cache.stats()
    assert (before.hits, before.hit_rate) == (0, None)
    await caller.chat()
    for _ in range(3):
        await caller.chat()
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.stores, stats.hit_rate, stats.size.entries) == (3, 1, 1, 0.75, 1)
    assert before.hits == 0
    with pytest.raises(AttributeError):
        stats.hits = 5


async def test_the_size_of_a_file_is_not_known_at_once(tmp_path):
    assert Cache(SQLiteStore(tmp_path / "a.db")).stats().size is None


def test_it_shows_its_options():
    assert repr(Cache()) == "Cache(MemoryStore, ttl=300)"
    assert repr(Cache(ttl=5, sampled=True, length=True, tenant="a")) == (
        "Cache(MemoryStore, ttl=5, sampled=True, length=True, tenant='a')"
    )


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"ttl": 0}, "ttl=0"),
        ({"ttl": None}, "ttl=None"),
        ({"ttl": float("inf")}, "ttl=inf"),
        ({"sampled": 1}, "sampled=1"),
        ({"length": "yes"}, "length='yes'"),
        ({"tenant": " "}, "tenant=' '"),
        ({"tenant": 5}, "tenant=5"),
        ({"patience": 0}, "patience=0"),
        ({"max_entries": 0}, "max_entries=0"),
        ({"max_entries": 5, "store": MemoryStore()}, "max_entries=5"),
        ({"store": "answers.db"}, "store='answers.db'"),
        ({"store": MemoryStore}, "MemoryStore"),
    ],
)
def test_an_option_that_is_none_is_refused(options, named):
    with pytest.raises(ConfigError, match=named):
        Cache(**options)


def test_it_takes_the_place_of_a_cache():
    assert Cache.slot == "cache" and isinstance(Cache(), Layer)
