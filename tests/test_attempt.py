"""The innermost layer: numbers, stamps, prices, time limits, dry runs."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from aiclient.abilities import Previews, PreviewsEmbeddings, PreviewsStreams
from aiclient.attempt import SHORT, Attempts, chain
from aiclient.chunks import ChatStreamChunk
from aiclient.composition import find
from aiclient.context import CallContext, Timeouts
from aiclient.errors import (
    AIClientError,
    ConfigError,
    DryRunStop,
    OverloadedError,
    ServerError,
    StreamInterruptedError,
    TimeoutError,
    outcome,
)
from aiclient.layer import Layer, Layered, Wrapper
from aiclient.messages import Message
from aiclient.middleware import Logging, Retry
from aiclient.opening import collect
from aiclient.pricing import DictPrices
from aiclient.provider import BaseProvider, observed, opened
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest, HTTPCall
from aiclient.response import ChatResponse, Cost, EmbeddingResponse, Usage
from aiclient.stream import ChatStream
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

REQUEST = ChatRequest([Message("user", "hi")])
EMBED = EmbeddingRequest("hi")
LAST = ChatStreamChunk(finish_reason="stop", last=True)


async def chat(provider, context=None, request=REQUEST):
    return await opened(request, provider.chat, context)


async def stream(provider, context=None, request=REQUEST):
    return await collect(opened(request, provider.chat_stream, context))


async def embed(provider, context=None, request=EMBED):
    return await opened(request, provider.embeddings, context)


PATHS = pytest.mark.parametrize("call", [chat, stream, embed], ids=["chat", "stream", "embeddings"])
CHATS = pytest.mark.parametrize("call", [chat, stream], ids=["chat", "stream"])


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


async def never(_=None):
    await asyncio.get_running_loop().create_future()


# --- the journal ---


class Plain(MockProvider):
    """Forgot `async`: each method does `act` at once."""

    def __init__(self, act):
        super().__init__(name="p")
        self.chat = self.chat_stream = self.embeddings = act


@PATHS
async def test_a_provider_whose_methods_are_not_async_is_told_so(call):
    def answer(_):
        return "Paris"

    with pytest.raises(ConfigError, match="answer of the provider 'p' returned str: it must be `async def`"):
        await call(chain([], Plain(answer)))


@PATHS
async def test_what_a_provider_raises_before_it_can_be_awaited_is_written_down_too(call, clock):
    def refuse(_):
        raise ServerError("down")

    context = CallContext(clock=clock)
    with pytest.raises(ServerError) as caught:
        await call(chain([], Plain(refuse)), context)
    assert [attempt.category for attempt in context.journal] == ["server"]
    assert caught.value.provider == "p"


@PATHS
async def test_a_good_exchange_is_written_down(call, clock):
    context = CallContext(clock=clock)
    answer = await call(chain([], MockProvider("yes sir", name="p", model="m")), context)
    (attempt,) = context.journal
    assert answer.attempts == (attempt,)
    assert (attempt.number, attempt.provider, attempt.model, attempt.outcome) == (1, "p", "m", "completed")
    assert (attempt.category, attempt.status_code, attempt.usage) == (None, None, answer.usage)
    assert attempt.started_at == clock.time() and attempt.duration == 0


@PATHS
async def test_a_failed_exchange_is_written_down(call, clock):
    context = CallContext(clock=clock)
    error = OverloadedError("busy", status_code=529, request_id="q", retry_after=3.0)
    with pytest.raises(OverloadedError) as caught:
        await call(chain([], MockProvider(error, name="p", model="m")), context)
    (attempt,) = context.journal
    assert caught.value.attempts == (attempt,)
    assert (attempt.outcome, attempt.category, attempt.status_code) == ("failed", "overloaded", 529)
    assert (attempt.request_id, attempt.retry_after) == ("q", 3.0)
    assert (caught.value.provider, caught.value.model) == ("p", "m")


async def test_a_bug_of_a_provider_is_written_down_as_other():
    context = CallContext()

    def bug(_):
        raise KeyError("x")

    with pytest.raises(KeyError):
        await chat(chain([], MockProvider(bug)), context)
    assert (context.journal[0].outcome, context.journal[0].category) == ("failed", "other")


async def test_a_cancelled_exchange_is_written_down_without_a_category():
    context = CallContext()
    task = asyncio.create_task(chat(chain([], MockProvider(never)), context))
    await turns(2)
    task.cancel()
    await asyncio.wait({task})
    assert [(attempt.outcome, attempt.category) for attempt in context.journal] == [("cancelled", None)]


@pytest.mark.parametrize(
    ("chunks", "attempt"),
    [
        ((ChatStreamChunk(content="a"), LAST), ("abandoned", None)),
        ((ChatStreamChunk(content="a"), ServerError("down", status_code=500)), ("failed", "server")),
        ((ServerError("down", status_code=500),), ("failed", "server")),
        ((ChatStreamChunk(content="a"),), ("failed", "protocol")),
    ],
    ids=["left-early", "broken-off", "before-output", "truncated"],
)
async def test_a_stream_that_does_not_complete_is_written_down_at_its_close(chunks, attempt):
    context = CallContext()
    opening = opened(REQUEST, chain([], MockProvider(chunks)).chat_stream, context)
    async with await opening as open_stream:
        assert context.journal == []
        try:
            await anext(open_stream)
            if attempt[0] != "abandoned":
                await anext(open_stream)
        except AIClientError as error:
            failed = error
        else:
            failed = None
    assert [(one.outcome, one.category) for one in context.journal] == [attempt]
    assert failed is None or failed.attempts == tuple(context.journal)


async def test_exchanges_are_numbered_in_the_order_of_their_start(clock):
    context = CallContext(clock=clock)
    provider = chain([Retry(attempts=3, base=1)], MockProvider([ServerError(), OverloadedError(), "yes"]))
    answer = await chat(provider, context)
    assert [(one.number, one.category) for one in answer.attempts] == [(1, "server"), (2, "overloaded"), (3, None)]
    assert context.started == 3


async def test_times_are_measured_on_the_call_s_clock(clock):
    async def slow(_):
        await clock.sleep(2)
        return "yes"

    context = CallContext(clock=clock)
    await chat(chain([], MockProvider(slow)), context)
    assert (context.journal[0].duration, context.journal[0].first_output) == (2, None)


async def test_the_first_output_of_a_stream_is_timed(clock):
    async def source():
        yield ChatStreamChunk(id="r1")
        await clock.sleep(3)
        yield ChatStreamChunk(content="a")
        await clock.sleep(4)
        yield LAST

    context = CallContext(clock=clock)
    await stream(chain([], MockProvider(chat_stream_func=lambda _: ChatStream(source()))), context)
    assert (context.journal[0].first_output, context.journal[0].duration) == (3, 7)


@PATHS
async def test_observers_hear_of_the_start_and_the_end_of_every_exchange(call):
    context, events = CallContext(), []
    context.observe(events.append)
    await call(chain([], MockProvider(name="p", model="m")), context)
    assert [(event.kind, event.provider, event.model, event.number) for event in events] == [
        ("attempt_started", "p", "m", 1),
        ("attempt_ended", "p", "m", 1),
    ]
    assert events[1].attempt is context.journal[0]


# --- stamps ---


@PATHS
async def test_an_answer_says_who_gave_it(call):
    answer = await call(chain([], MockProvider(name="p", model="m")))
    assert (answer.provider, answer.model) == ("p", "m")


@CHATS
async def test_what_a_provider_says_of_itself_stays(call):
    reply = ChatResponse(Message("assistant", "a"), "stop", provider="router", model="m-2026-01-01", request_id="q")
    answer = await call(chain([], MockProvider(reply, name="p", model="m")))
    assert (answer.provider, answer.model, answer.attempts[0].model) == ("router", "m-2026-01-01", "m-2026-01-01")
    assert (answer.attempts[0].provider, answer.attempts[0].request_id) == ("p", "q")


@CHATS
async def test_the_model_asked_for_is_the_model_of_the_exchange(call):
    request = ChatRequest(REQUEST.messages, ChatOptions(model="big"))
    answer = await call(chain([], MockProvider(model="m")), request=request)
    assert answer.attempts[0].model == "big"


async def test_a_provider_without_an_identity_is_known_by_its_name():
    class Plain(BaseProvider):
        name = "plain"

        async def chat(self, request, /):
            return ChatResponse(Message("assistant", "a"), "stop")

    answer = await chat(chain([], Plain()))
    assert (answer.provider, answer.model) == ("plain", None)


async def test_what_an_error_says_of_itself_stays():
    error = ServerError(provider="router", model="x")
    with pytest.raises(ServerError) as caught:
        await chat(chain([], MockProvider(error, name="p")))
    assert (caught.value.provider, caught.value.model) == ("router", "x")


# --- prices ---

PRICES = DictPrices({"m": {"input": 1, "output": 1}, "m-2026": {"input": 2, "output": 2}})


@PATHS
async def test_an_exchange_and_its_answer_are_priced(call):
    context = CallContext(prices=PRICES)
    answer = await call(chain([], MockProvider("a b", model="m")), context)
    expected = Decimal(answer.usage.total_tokens) / 1_000_000
    assert answer.cost.usd == expected == context.journal[0].cost.usd


@pytest.mark.parametrize(
    ("asked", "answered", "usd"),
    [("m", "m-2026", 2), ("alias", "m-2026", 4), ("alias", "other", None)],
    ids=["asked", "answered", "neither"],
)
async def test_the_name_the_caller_knows_is_priced_first(asked, answered, usd):
    reply = ChatResponse(
        Message("assistant", "a"), "stop", model=answered, usage=Usage(prompt_tokens=1, completion_tokens=1)
    )
    answer = await chat(chain([], MockProvider(reply, model=asked)), CallContext(prices=PRICES))
    assert (answer.cost and answer.cost.usd * 1_000_000) == usd


async def test_without_prices_a_cost_is_unknown():
    assert (await chat(chain([], MockProvider(model="m")))).cost is None


async def test_a_cost_that_a_provider_states_stays():
    reply = ChatResponse(
        Message("assistant"), "stop", cost=Cost(Decimal(7)), usage=Usage(prompt_tokens=1, completion_tokens=1)
    )
    answer = await chat(chain([], MockProvider(reply, model="m")), CallContext(prices=PRICES))
    assert answer.cost.usd == 7


async def test_a_stream_that_was_left_is_priced_by_what_was_reported():
    chunks = (
        ChatStreamChunk(content="a", usage=Usage(prompt_tokens=5, completion_tokens=1)),
        ChatStreamChunk(content="b"),
        LAST,
    )
    context = CallContext(prices=PRICES)
    async with await opened(REQUEST, chain([], MockProvider(chunks, model="m")).chat_stream, context) as open_stream:
        await anext(open_stream)
    assert context.journal[0].cost.usd * 1_000_000 == 6


# --- time limits ---


def limited(still, **limits):
    return CallContext(clock=still, timeouts=Timeouts(**{"total": None, "first_output": None, "idle": None} | limits))


async def time_out(still, call, context, provider, seconds):
    """Start a call, move the clock to just before and then to its limit; returns the error."""
    task = asyncio.create_task(call(provider, context))
    await turns(4)
    still.advance(seconds - 0.001)
    await turns(4)
    assert not task.done()
    still.advance(0.001)
    with pytest.raises(AIClientError) as caught:
        await task
    assert still.pending == 0
    return caught.value


async def hang(_):
    await never()


SILENT = MockProvider(hang, embeddings_func=hang)


@PATHS
@pytest.mark.parametrize(
    ("limits", "phase", "seconds"),
    [
        ({"total": 30}, "total", 30),
        ({"attempt": 20}, "attempt", 20),
        ({"total": 30, "attempt": 20}, "attempt", 20),
        ({"total": 20, "attempt": 20}, "total", 20),
    ],
    ids=["total", "attempt", "nearer", "equal"],
)
async def test_a_call_that_hangs_ends_at_its_limit(still, call, limits, phase, seconds):
    error = await time_out(still, call, limited(still, **limits), SILENT_CHAIN, seconds)
    assert isinstance(error, TimeoutError) and error.phase == phase and error.kind is None
    assert (error.provider, error.attempts[0].category) == ("mock", "timeout")


SILENT_CHAIN = chain([], SILENT)


async def test_opening_a_stream_is_held_to_the_first_output(still):
    error = await time_out(still, stream, limited(still, first_output=15, total=600), SILENT_CHAIN, 15)
    assert error.phase == "first_output"


def slow_stream(*chunks):
    async def source():
        for chunk in chunks:
            yield chunk
        await never()

    return chain([], MockProvider(chat_stream_func=lambda _: ChatStream(source())))


@pytest.mark.parametrize(
    ("chunks", "limits", "phase", "seconds"),
    [
        ([], {"first_output": 15}, "first_output", 15),
        ([ChatStreamChunk(id="r")], {"first_output": 15}, "first_output", 15),
        ([ChatStreamChunk(content="a")], {"first_output": 15, "idle": 20}, "idle", 20),
        ([ChatStreamChunk(content="a")], {"idle": 20, "attempt": 12}, "attempt", 12),
        ([ChatStreamChunk(content="a")], {"total": 12}, "total", 12),
    ],
    ids=["first-output", "only-a-preamble", "idle", "attempt", "total"],
)
async def test_an_open_stream_stays_under_its_limits(still, chunks, limits, phase, seconds):
    error = await time_out(still, stream, limited(still, **limits), slow_stream(*chunks), seconds)
    assert error.phase == phase and error.category == "timeout"
    assert isinstance(error, StreamInterruptedError if any(chunk.is_output for chunk in chunks) else TimeoutError)


@pytest.mark.parametrize(
    ("limit", "kind", "breaker"),
    [(SHORT - 0.5, "short_deadline", "neutral"), (SHORT, None, "failure")],
    ids=["short", "fair"],
)
@pytest.mark.parametrize("which", ["total", "attempt"])
async def test_a_limit_below_ten_seconds_does_not_speak_against_the_service(still, which, limit, kind, breaker):
    error = await time_out(still, chat, limited(still, **{which: limit}), SILENT_CHAIN, limit)
    assert (error.kind, outcome(error).breaker) == (kind, breaker)


async def test_what_is_left_of_the_total_may_be_short(still):
    still.advance(100)
    context = limited(still)
    context.deadline = 105.0
    error = await time_out(still, chat, context, SILENT_CHAIN, 5)
    assert (error.phase, error.kind) == ("total", "short_deadline")


async def test_a_silent_service_that_had_its_time_for_the_first_output_is_to_blame(still):
    error = await time_out(still, stream, limited(still, first_output=5), SILENT_CHAIN, 5)
    assert (error.kind, outcome(error).breaker) == (None, "failure")


async def test_a_deadline_that_rings_inside_the_provider_s_own_sleep_is_a_timeout(clock):
    async def slow(_):
        await clock.sleep(700)
        return "late"

    with pytest.raises(TimeoutError) as caught:
        await chat(chain([], MockProvider(slow)), CallContext(clock=clock))
    assert caught.value.phase == "total"


@PATHS
async def test_a_call_in_time_leaves_no_timer(still, call):
    await call(chain([], MockProvider()), limited(still, total=600, attempt=60, first_output=30, idle=10))
    assert still.pending == 0


@PATHS
async def test_without_limits_no_timer_is_set(still, call):
    await call(chain([], MockProvider()), limited(still))
    assert still._timers == []


# --- dry runs ---


class Previewing(MockProvider):
    def preview(self, request, /):
        return HTTPCall("POST", "https://api.test/v1/chat")

    def preview_stream(self, request, /):
        return HTTPCall("POST", "https://api.test/v1/stream")

    def preview_embeddings(self, request, /):
        return HTTPCall("POST", "https://api.test/v1/embed")


@PATHS
async def test_a_dry_run_sends_nothing_and_says_so(call):
    mock, context = MockProvider(name="p", model="m"), CallContext(dry_run=True)
    with pytest.raises(DryRunStop, match="nothing was sent to p") as caught:
        await call(chain([Retry(), Logging()], mock), context)
    assert mock.calls == 0 and context.journal == [] and context.started == 0
    report = caught.value.report
    assert (caught.value.provider, caught.value.model, report.call) == ("p", "m", None)
    assert (report.provider, report.model, report.answered) == ("p", "m", False)


@PATHS
async def test_a_dry_run_reports_the_exchange_where_the_provider_can_say_it(call):
    with pytest.raises(DryRunStop) as caught:
        await call(chain([], Wrapper(Previewing())), CallContext(dry_run=True))
    assert caught.value.report.call == HTTPCall("POST", f"https://api.test/v1/{call.__name__}", [])


class CallsAlone(MockProvider):
    preview = Previewing.preview


@pytest.mark.parametrize("call", [stream, embed], ids=["stream", "embeddings"])
async def test_a_preview_of_calls_does_not_stand_for_what_is_sent_otherwise(call):
    with pytest.raises(DryRunStop) as caught:
        await call(chain([], CallsAlone()), CallContext(dry_run=True))
    assert caught.value.report.call is None


@pytest.mark.parametrize("kind", [Previews, PreviewsStreams, PreviewsEmbeddings])
def test_previews_are_protocols_of_their_own(kind):
    assert isinstance(Previewing(), kind) and not isinstance(MockProvider(), kind)


# --- chain ---


def journals(provider):
    """Count the innermost layers of a chain."""
    count, found = 0, find(provider, Layered)
    while found is not None:
        count += isinstance(found.layer, Attempts)
        found = find(found.inner, Layered)
    return count


def test_the_journal_is_called_so_where_a_chain_is_shown():
    assert repr(Attempts()) == "journal"


def test_the_journal_stands_innermost():
    mock = MockProvider()
    provider = chain([Layer()], mock)
    assert isinstance(provider.inner.layer, Attempts) and provider.inner.inner is mock


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_chain_around_a_chain_has_one_journal(times):
    provider = MockProvider()
    for _ in range(times):
        provider = Wrapper(chain([Layer()], provider))
    assert journals(provider) == 1


async def test_an_exchange_through_a_chain_of_chains_is_written_down_once():
    answer = await chat(chain([Layer()], chain([Layer()], MockProvider())))
    assert len(answer.attempts) == 1


async def test_a_layer_sees_the_stamped_and_priced_answer():
    seen = []

    class Watching(Layer):
        async def around(self, request, inner, call_next):
            async def tell(end):
                seen.append((end.response.provider, end.response.cost is not None))

            return await observed(call_next(request), tell)

    for call in (chat, stream):
        await call(chain([Watching()], MockProvider(name="p", model="m")), CallContext(prices=PRICES))
    assert seen == [("p", True)] * 2


# --- cancellation at every step, through everything ---


class Counting(Layer):
    """Takes something on the way in and gives it back when it is told of the end."""

    def __init__(self):
        self.entered, self.ends = 0, []

    async def around(self, request, inner, call_next):
        self.entered += 1
        return await observed(call_next(request), self._leave)

    async def _leave(self, end):
        self.ends.append(end.outcome)


class Slow:
    """A service that fails once and then answers, a few turns of the loop for everything; counts its connections."""

    def __init__(self):
        self.name = "slow"
        self.opened = self.closed = self.calls = 0

    async def chat(self, request, /):
        self.calls += 1
        self.opened += 1
        try:
            await turns(2)
            if self.calls == 1:
                raise ServerError("once")
            return ChatResponse(Message("assistant", "yes"), "stop")
        finally:
            self.closed += 1

    async def chat_stream(self, request, /):
        self.calls += 1
        await turns(1)
        self.opened += 1
        return ChatStream(
            _Source(self, [ServerError("once")] if self.calls == 1 else [ChatStreamChunk(content="yes"), LAST])
        )

    async def embeddings(self, request, /):
        await self.chat(request)
        return EmbeddingResponse([[1.0]])

    def validate_config(self): ...

    async def close(self): ...


class _Source:
    def __init__(self, service, items):
        self.service, self.items = service, items

    async def __anext__(self):
        await turns(1)
        item = self.items.pop(0)
        if isinstance(item, BaseException):
            raise item
        return item

    async def aclose(self):
        self.service.closed += 1
        await turns(1)


@PATHS
async def test_a_cancellation_at_any_step_tells_every_layer_once_and_closes_every_connection_once(at_every_step, call):
    def scene():
        outer, inner, service = Counting(), Counting(), Slow()
        context = CallContext(clock=FakeClock())
        provider = chain([Logging(), outer, Retry(attempts=3), inner], service)

        def verify(task):
            assert len(outer.ends) == outer.entered <= 1
            assert len(inner.ends) == inner.entered == len(context.journal) == service.calls
            assert service.opened == service.closed
            assert context.clock.pending == 0
            if task.cancelled():
                assert outer.ends in ([], ["cancelled"], ["completed"])
            else:
                assert (outer.ends, inner.ends) == (["completed"], ["failed", "completed"])

        return call(provider, context), verify

    assert await at_every_step(scene) > 30
