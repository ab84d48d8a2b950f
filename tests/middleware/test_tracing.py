"""Spans of calls and attempts, as OpenTelemetry's SDK receives them."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from contextlib import aclosing

import httpx
import pytest
from opentelemetry import context as ambient
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, SamplingResult
from opentelemetry.trace import SpanKind, StatusCode

from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk
from aiclient.client import AsyncClient
from aiclient.context import CallContext, CallEvent
from aiclient.errors import (
    AIClientWarning,
    AuthenticationError,
    ConfigError,
    OverloadedError,
    ServerError,
    StreamInterruptedError,
)
from aiclient.layer import Layer
from aiclient.messages import ImagePart, Message, OpaquePart, ReasoningPart, RefusalPart, ToolCall, ToolResultPart
from aiclient.middleware import Cache, CircuitBreaker, Fallback, Hedge, Retry, Tracing
from aiclient.opening import collect
from aiclient.pricing import DictPrices
from aiclient.provider import BaseProvider, ProviderInfo, opened
from aiclient.providers import OpenAIProvider
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest, Reasoning, ResponseFormat, Tool
from aiclient.response import ChatResponse, Choice, Cost, Usage
from aiclient.secrets import SecretStr
from aiclient.stream import ChatStream
from aiclient.sync.client import Client
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

CANARY = "CANARY words of a customer"
KEY = "sk-proj-abcdefghijklmnop0123456789"
REQUEST = ChatRequest(
    [Message("user", f"{CANARY} {KEY}")], ChatOptions(temperature=0, tags={"user": "u-17"}, user_id="u-17")
)
USAGE = Usage(prompt_tokens=10, completion_tokens=5, cached_tokens=4, cache_write_tokens=3, reasoning_tokens=2)
BEGAN = 1_700_000_000 * 10**9


class Spans(InMemorySpanExporter):
    """What a provider of tracers exported, by name and by parent."""

    def __init__(self, sampler=None):
        super().__init__()
        self.provider = TracerProvider(sampler=sampler)
        self.provider.add_span_processor(SimpleSpanProcessor(self))
        self.tracer = self.provider.get_tracer("test")

    @property
    def all(self):
        return sorted(self.get_finished_spans(), key=lambda span: (span.start_time, span.kind is SpanKind.CLIENT))

    @property
    def tree(self):
        """Name of each span, and of its parent."""
        names = {span.context.span_id: span.name for span in self.all}
        return [(span.name, names.get(span.parent and span.parent.span_id)) for span in self.all]

    @property
    def operation(self):
        (span,) = [span for span in self.all if span.name.startswith("aiclient")]
        return span

    @property
    def attempts(self):
        return [span for span in self.all if span.kind is SpanKind.CLIENT]

    @property
    def attempt(self):
        (span,) = self.attempts
        return span

    @property
    def events(self):
        return [(event.name, dict(event.attributes)) for event in self.operation.events]


@pytest.fixture
def spans():
    made = Spans()
    yield made
    made.provider.shutdown()


@pytest.fixture
def tracing(spans):
    return Tracing(tracer_provider=spans.provider)


async def chat(provider, context=None, request=REQUEST):
    return await opened(request, provider.chat, context)


async def stream(provider, context=None, request=REQUEST):
    return await collect(opened(request, provider.chat_stream, context))


async def embed(provider, context=None):
    return await opened(EmbeddingRequest(CANARY, dimensions=3), provider.embeddings, context)


def usage_of(span):
    return {name: value for name, value in span.attributes.items() if name.startswith("gen_ai.usage")}


class Service(BaseProvider):
    """Answers as a real provider does, and can say where it is."""

    name = "work"
    info = ProviderInfo("work", "openai", "https://api.openai.com", "gpt-5")

    async def chat(self, request, /):
        return ChatResponse(
            Message("assistant", "Paris"), "stop", usage=USAGE, id="resp-1", model="gpt-5-2025", request_id="req-1"
        )


# --- a call ---


async def test_a_call_is_one_operation_span_and_one_client_span_with_what_it_used(spans, tracing, clock):
    prices = DictPrices({"gpt-5": {"input": 1, "output": 1}})
    await chat(chain([tracing], Service()), CallContext(clock=clock, id="call-1", prices=prices))
    assert spans.tree == [("aiclient chat gpt-5", None), ("chat gpt-5", "aiclient chat gpt-5")]
    place = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "server.address": "api.openai.com",
        "server.port": 443,
    }
    assert dict(spans.operation.attributes) == place | {
        "gen_ai.request.stream": False,
        "gen_ai.response.model": "gpt-5-2025",
        "aiclient.call.id": "call-1",
        "aiclient.outcome": "completed",
        "aiclient.attempts": 1,
        "aiclient.cached": False,
        "aiclient.shared": False,
    }
    assert dict(spans.attempt.attributes) == place | {
        "gen_ai.request.stream": False,
        "gen_ai.request.temperature": 0,
        "gen_ai.response.id": "resp-1",
        "gen_ai.response.model": "gpt-5-2025",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.cache_write.input_tokens": 3,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "aiclient.provider.name": "work",
        "aiclient.attempt.number": 1,
        "aiclient.outcome": "completed",
        "aiclient.request.id": "req-1",
        "aiclient.cost.usd": 0.000015,
    }
    assert [span.status.status_code for span in spans.all] == [StatusCode.UNSET, StatusCode.UNSET]


async def test_embeddings_are_traced_as_what_they_are(spans, tracing):
    await embed(chain([tracing], MockProvider(name="p", model="m")))
    assert spans.tree == [("aiclient embeddings m", None), ("embeddings m", "aiclient embeddings m")]
    assert spans.attempt.attributes["gen_ai.embeddings.dimension.count"] == 3
    assert spans.attempt.attributes["gen_ai.usage.input_tokens"] == 5


async def test_what_was_asked_for_is_on_the_attempt(spans, tracing):
    options = ChatOptions(
        model="m2",
        temperature=0.5,
        max_tokens=100,
        top_p=0.9,
        top_k=3,
        seed=7,
        stop=("END",),
        frequency_penalty=0.1,
        presence_penalty=0.2,
        n=2,
        reasoning=Reasoning("high"),
        response_format=ResponseFormat("json"),
    )
    await chat(chain([tracing], MockProvider("x")), request=ChatRequest([Message("user", "x")], options))
    asked = {name: value for name, value in spans.attempt.attributes.items() if name.startswith("gen_ai.request")}
    assert asked == {
        "gen_ai.request.model": "m2",
        "gen_ai.request.stream": False,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 100,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.top_k": 3,
        "gen_ai.request.seed": 7,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.request.frequency_penalty": 0.1,
        "gen_ai.request.presence_penalty": 0.2,
        "gen_ai.request.choice.count": 2,
        "gen_ai.request.reasoning.level": "high",
    }
    assert spans.attempt.attributes["gen_ai.output.type"] == "json"


async def test_a_sampler_sees_what_is_asked_of_whom_when_the_span_is_made():
    class Seeing(Sampler):
        seen = []

        def should_sample(self, parent_context, trace_id, name, kind=None, attributes=None, links=None, **further):
            self.seen.append((kind, set(attributes)))
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)

        def get_description(self):
            return "sees"

    await chat(chain([Tracing(tracer_provider=Spans(Seeing()).provider)], Service()))
    wanted = {"gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "server.address", "server.port"}
    assert [kind for kind, _ in Seeing.seen] == [SpanKind.INTERNAL, SpanKind.CLIENT]
    assert all(wanted <= names for _, names in Seeing.seen)


async def test_spans_begin_and_end_when_what_they_stand_for_does(spans, tracing, clock):
    async def slow(_):
        await clock.sleep(2.0)
        return "Paris"

    class Late(Layer):
        async def around(self, request, inner, call_next):
            await clock.sleep(1.0)
            answer = await call_next(request)
            await clock.sleep(0.5)
            return answer

    await chat(chain([tracing, Late()], MockProvider(slow)), CallContext(clock=clock))
    seconds = [((span.start_time - BEGAN) / 1e9, (span.end_time - BEGAN) / 1e9) for span in spans.all]
    assert seconds == [(0.0, 3.5), (1.0, 3.0)]


# --- what happens inside ---


async def test_a_retry_is_two_attempts_and_an_event_and_usage_is_on_each_attempt_alone(spans, tracing, clock):
    async def partly(_):
        raise ServerError(
            "gone", status_code=500, partial=ChatResponse(Message("assistant"), usage=Usage(prompt_tokens=7))
        )

    provider = chain([tracing, Retry()], MockProvider([partly, "Paris"], model="m"))
    await chat(provider, CallContext(clock=clock))
    assert spans.tree == [
        ("aiclient chat m", None),
        ("chat m", "aiclient chat m"),
        ("chat m", "aiclient chat m"),
    ]
    first, second = spans.attempts
    assert usage_of(first) == {"gen_ai.usage.input_tokens": 7}
    assert usage_of(second) == {"gen_ai.usage.input_tokens": 6, "gen_ai.usage.output_tokens": 1}
    assert usage_of(spans.operation) == {}
    assert (first.attributes["error.type"], first.attributes["http.response.status_code"]) == ("server", 500)
    assert (first.status.status_code, first.status.description) == (StatusCode.ERROR, "server")
    assert (second.status.status_code, spans.operation.status.status_code) == (StatusCode.UNSET, StatusCode.UNSET)
    ((name, attributes),) = spans.events
    assert name == "aiclient.retry"
    assert (attributes["aiclient.attempt.number"], attributes["aiclient.category"]) == (1, "server")
    assert first.end_time < second.start_time


async def test_a_fallback_is_an_attempt_at_each_target_and_an_event(spans, tracing):
    first, second = MockProvider(ServerError("down"), name="a"), MockProvider("Paris", name="b", model="n")
    await chat(chain([tracing, Fallback(second)], first))
    assert [(span.name, span.attributes["aiclient.provider.name"]) for span in spans.attempts] == [
        ("chat mock-model", "a"),
        ("chat n", "b"),
    ]
    ((name, attributes),) = spans.events
    assert (name, attributes["aiclient.provider.name"], attributes["aiclient.detail"]) == (
        "aiclient.fallback",
        "a",
        "b",
    )
    assert {parent for _, parent in spans.tree[1:]} == {"aiclient chat mock-model"}


async def test_an_answer_from_a_cache_is_an_operation_span_with_an_event_and_no_attempt(spans, tracing):
    provider = chain([tracing, Cache()], MockProvider("Paris"))
    await chat(provider)
    spans.clear()
    await chat(provider)
    assert spans.attempts == []
    assert spans.operation.attributes["aiclient.cached"] is True
    assert spans.operation.attributes["aiclient.attempts"] == 0
    assert usage_of(spans.operation) == {}
    assert [(name, attributes["aiclient.detail"]) for name, attributes in spans.events] == [("aiclient.cache", "hit")]


async def test_a_breakers_change_is_an_event_with_its_state(spans, tracing):
    with pytest.raises(ServerError):
        await chat(chain([tracing, CircuitBreaker(1)], MockProvider(ServerError("down"))))
    ((name, attributes),) = spans.events
    assert (name, attributes["aiclient.detail"]) == ("aiclient.breaker", "open")


async def test_attempts_that_race_have_a_span_each_and_the_loser_is_cancelled_and_no_error(spans, tracing, still):
    current = []

    async def slow(_):
        await asyncio.Event().wait()

    async def quick(_):
        current.append(trace.get_current_span())
        return "Paris"

    provider = chain([tracing, Hedge(1.0)], MockProvider([slow, quick], model="m"))
    task = asyncio.create_task(chat(provider, CallContext(clock=still)))
    for _ in range(5):
        await asyncio.sleep(0)
    still.advance(1.0)
    await task
    assert [parent for _, parent in spans.tree] == [None, "aiclient chat m", "aiclient chat m"]
    outcomes = [(span.attributes["aiclient.outcome"], span.status.status_code) for span in spans.attempts]
    assert outcomes == [("cancelled", StatusCode.UNSET), ("completed", StatusCode.UNSET)]
    assert current[0].get_span_context() == spans.attempts[1].get_span_context()
    assert [name for name, _ in spans.events] == ["aiclient.hedge"]
    assert spans.operation.attributes["aiclient.attempts"] == 2


@pytest.mark.parametrize("kind", ["budget", "validation", "something_new"])
async def test_an_event_of_another_layer_is_on_the_span_without_words_that_may_quote_content(spans, tracing, kind):
    class Emits(Layer):
        async def around(self, request, inner, call_next):
            request.context.emit(CallEvent(kind, "p", "m", category="policy", detail=CANARY))
            return await call_next(request)

    await chat(chain([tracing, Emits()], MockProvider("Paris")))
    assert spans.events == [
        (
            f"aiclient.{kind}",
            {"aiclient.provider.name": "p", "gen_ai.request.model": "m", "aiclient.category": "policy"},
        )
    ]


async def test_who_shares_a_call_has_an_operation_span_without_attempts(spans, tracing, shared):
    leader, follower, go = await shared(tracing)
    go.set()
    await asyncio.gather(leader, follower)
    assert len(spans.attempts) == 1
    operations = [span for span in spans.all if span.kind is SpanKind.INTERNAL]
    assert sorted(span.attributes["aiclient.shared"] for span in operations) == [False, True]


async def test_an_attempt_that_outlives_its_call_ends_when_it_ends(spans, tracing, shared):
    leader, follower, go = await shared(tracing)
    leader.cancel()
    await asyncio.wait({leader})
    assert spans.attempts == []
    go.set()
    await follower
    assert spans.attempt.attributes["aiclient.outcome"] == "completed"


async def test_an_attempt_that_begins_after_its_call_is_over_has_a_span_too(spans, tracing, clock, shared):
    """A leader leaves; what it began fails and is tried again, for those who still wait."""
    leader, follower, go = await shared(tracing, inside=[Retry()], error=ServerError("down"), clock=clock)
    leader.cancel()
    await asyncio.wait({leader})
    go.set()
    await follower
    assert [span.attributes["aiclient.outcome"] for span in spans.attempts] == ["failed", "completed"]
    assert len({span.parent.span_id for span in spans.attempts}) == 1


# --- errors ---


async def test_an_error_is_on_both_spans_by_its_category_and_never_in_the_services_words(spans, tracing):
    with pytest.raises(AuthenticationError):
        await chat(chain([tracing], MockProvider(AuthenticationError(CANARY, status_code=401, request_id="req-9"))))
    assert spans.operation.attributes["error.type"] == spans.attempt.attributes["error.type"] == "authentication"
    assert (spans.operation.status.status_code, spans.operation.status.description) == (
        StatusCode.ERROR,
        "AuthenticationError",
    )
    assert spans.attempt.attributes["aiclient.request.id"] == "req-9"
    assert CANARY not in "".join(span.to_json() for span in spans.all)
    assert spans.operation.events == ()


async def test_a_bug_is_on_the_operation_span_by_the_name_of_its_class(spans, tracing):
    def broken(_):
        raise ZeroDivisionError(CANARY)

    with pytest.raises(ZeroDivisionError):
        await chat(chain([tracing], MockProvider(broken)))
    assert spans.operation.attributes["error.type"] == "ZeroDivisionError"
    assert spans.attempt.attributes["error.type"] == "other"
    assert CANARY not in "".join(span.to_json() for span in spans.all)


async def test_a_dry_run_is_no_error_and_has_no_attempt(spans, tracing):
    async with AsyncClient(MockProvider()).use(tracing) as client:
        await client.dry_run("hi")
    assert spans.attempts == []
    assert spans.operation.attributes["aiclient.outcome"] == "dry_run"
    assert spans.operation.status.status_code is StatusCode.UNSET


# --- streams ---


async def test_a_streams_spans_end_with_it_and_tell_the_time_to_the_first_output(spans, tracing, clock):
    async def slowly():
        yield ChatStreamChunk(id="resp-1")
        clock.advance(1.0)
        yield ChatStreamChunk(content="Pa")
        clock.advance(2.0)
        yield ChatStreamChunk(content="ris", finish_reason="stop", usage=USAGE, last=True)

    mock = MockProvider(chat_stream_func=lambda _: ChatStream(slowly()), model="m")
    opening = await opened(REQUEST, chain([tracing], mock).chat_stream, CallContext(clock=clock))
    assert spans.all == []
    async with opening:
        async for _ in opening:
            assert not trace.get_current_span().get_span_context().is_valid
    assert spans.tree == [("aiclient chat m", None), ("chat m", "aiclient chat m")]
    assert spans.attempt.attributes["gen_ai.request.stream"] is True
    assert spans.attempt.attributes["gen_ai.response.time_to_first_chunk"] == 1.0
    assert spans.operation.attributes["aiclient.time_to_first_output"] == 1.0
    assert spans.attempt.attributes["gen_ai.usage.output_tokens"] == 5
    assert [(span.end_time - span.start_time) / 1e9 for span in spans.all] == [3.0, 3.0]


async def test_a_stream_that_is_left_early_is_abandoned_and_no_error(spans, tracing):
    opening = await opened(REQUEST, chain([tracing], MockProvider("a b c")).chat_stream)
    async with aclosing(opening):
        await anext(opening)
    assert [span.attributes["aiclient.outcome"] for span in spans.all] == ["abandoned", "abandoned"]
    assert {span.status.status_code for span in spans.all} == {StatusCode.UNSET}
    assert not any("error.type" in span.attributes for span in spans.all)


async def test_a_stream_whose_reader_is_cancelled_is_cancelled_and_no_error(spans, tracing):
    async def stuck():
        yield ChatStreamChunk(content="a")
        await asyncio.Event().wait()

    mock = MockProvider(chat_stream_func=lambda _: ChatStream(stuck()))
    reading = asyncio.create_task(stream(chain([tracing], mock)))
    for _ in range(5):
        await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait({reading})
    assert [span.attributes["aiclient.outcome"] for span in spans.all] == ["cancelled", "cancelled"]
    assert {span.status.status_code for span in spans.all} == {StatusCode.UNSET}


async def test_a_stream_that_breaks_off_is_an_error_with_what_was_used(spans, tracing):
    broken = (ChatStreamChunk(content="a", usage=Usage(prompt_tokens=3)), OverloadedError("busy"))
    with pytest.raises(StreamInterruptedError):
        await stream(chain([tracing], MockProvider(broken)))
    assert spans.attempt.attributes["error.type"] == "overloaded"
    assert usage_of(spans.attempt) == {"gen_ai.usage.input_tokens": 3}


async def test_a_stream_retried_before_its_first_output_is_two_attempts(spans, tracing, clock):
    provider = chain([tracing, Retry()], MockProvider([(ServerError("gone"),), "a b"]))
    await stream(provider, CallContext(clock=clock))
    assert [span.attributes["aiclient.outcome"] for span in spans.attempts] == ["failed", "completed"]
    assert {parent for _, parent in spans.tree[1:]} == {"aiclient chat mock-model"}


@pytest.mark.parametrize("call", [chat, stream, embed], ids=["chat", "stream", "embeddings"])
async def test_a_cancellation_anywhere_leaves_every_span_ended_and_the_caller_its_own(at_every_step, call):
    def scene():
        spans = Spans()
        provider = chain([Tracing(tracer_provider=spans.provider)], MockProvider("a b"))
        before = ambient.get_current()

        def verify(task):
            assert ambient.get_current() == before
            outcomes = {span.attributes["aiclient.outcome"] for span in spans.all}
            assert len(spans.all) in (0, 2) and len(outcomes) <= 1
            assert outcomes <= {"completed", "cancelled"}
            assert {span.status.status_code for span in spans.all} <= {StatusCode.UNSET}

        return call(provider), verify

    assert await at_every_step(scene) > 2


# --- the current span ---


async def test_the_callers_span_is_the_parent_and_the_attempts_span_the_current_one_in_the_exchange(spans, tracing):
    seen = []

    def look(_):
        seen.append(trace.get_current_span())
        return "Paris"

    provider = chain([tracing], MockProvider(look))
    with spans.tracer.start_as_current_span("request") as outer:
        await chat(provider)
        assert trace.get_current_span() is outer
    assert spans.operation.parent.span_id == outer.get_span_context().span_id
    assert seen[0].get_span_context() == spans.attempt.get_span_context()


async def test_a_span_of_a_layer_in_between_stands_between(spans, tracing):
    class Between(Layer):
        async def around(self, request, inner, call_next):
            with spans.tracer.start_as_current_span("between"):
                return await call_next(request)

    await chat(chain([tracing, Between()], MockProvider("Paris")))
    parents = dict(spans.tree)
    assert (parents["between"], parents["chat mock-model"]) == ("aiclient chat mock-model", "between")


async def test_while_a_retry_waits_the_span_of_the_failed_attempt_is_no_longer_the_current_one(spans, tracing):
    seen = []

    class Waiting(FakeClock):
        async def sleep(self, seconds):
            seen.append(trace.get_current_span())
            await super().sleep(seconds)

    mock = MockProvider([ServerError("down"), "Paris"])
    await chat(chain([tracing, Retry()], mock), CallContext(clock=Waiting()))
    assert seen[0].get_span_context() == spans.operation.get_span_context()


def test_behind_a_sync_client_the_span_of_the_callers_thread_is_the_parent(spans, tracing):
    with Client(MockProvider("a b")).use(tracing) as client:
        with spans.tracer.start_as_current_span("request") as outer:
            client.chat("hi")
            with client.chat_stream("hi") as stream:
                assert [chunk.content for chunk in stream if chunk.content] == ["a ", "b"]
        client.chat("without")
    operations = [span for span in spans.all if span.kind is SpanKind.INTERNAL and span.name.startswith("aiclient")]
    assert [span.parent and span.parent.span_id for span in operations] == [outer.get_span_context().span_id] * 2 + [
        None
    ]
    assert len(spans.attempts) == 3


def test_over_http_the_library_beneath_runs_inside_the_attempts_span(spans, tracing):
    inside, statuses = [], [503, 200]

    def answer(request):
        inside.append(trace.get_current_span().get_span_context().span_id)
        body = {"choices": [{"message": {"content": "Paris"}, "finish_reason": "stop"}]}
        return httpx.Response(statuses.pop(0), json=body, headers={"x-request-id": "req-1"})

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    provider = OpenAIProvider("sk-1", model="gpt-5", base_url="https://llm.example.org/v1", http_client=http)
    with Client(provider, clock=FakeClock()).use(tracing, Retry()) as client:
        client.chat("hi")
    assert inside == [span.context.span_id for span in spans.attempts]
    first, second = (span.attributes for span in spans.attempts)
    assert (first["server.address"], first["server.port"]) == ("llm.example.org", 443)
    assert (first["http.response.status_code"], first["aiclient.request.id"]) == (503, "req-1")
    assert second["aiclient.request.id"] == "req-1"


def test_threads_that_share_a_client_have_each_their_own_trace(spans, tracing):
    def work(number):
        with spans.tracer.start_as_current_span(f"thread {number}"):
            client.chat("hi")

    with Client(MockProvider("Paris")).use(tracing) as client:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    traces = {}
    for span in spans.all:
        traces.setdefault(span.context.trace_id, []).append(span.name.split()[0])
    assert [sorted(names) for names in traces.values()] == [["aiclient", "chat", "thread"]] * 8


async def test_calls_that_run_at_once_keep_their_attempts_apart(spans, tracing):
    async def turn(_):
        await asyncio.sleep(0)
        return "Paris"

    provider = chain([tracing], MockProvider(turn))
    await asyncio.gather(*(chat(provider) for _ in range(20)))
    parents = [span.parent.span_id for span in spans.attempts]
    assert len(set(parents)) == 20


# --- several times, or not at all ---


async def test_two_layers_make_the_spans_of_one(spans, tracing):
    await stream(chain([tracing, Tracing(tracer_provider=spans.provider), tracing], MockProvider("a b")))
    assert len(spans.all) == 2


async def test_a_client_around_a_client_makes_the_spans_of_one(spans, tracing):
    inner = AsyncClient(MockProvider("Paris")).use(tracing)
    with pytest.warns(AIClientWarning, match="the inner one does nothing"):
        client = AsyncClient(inner).use(tracing)
    async with client, inner:
        await client.chat("hi")
    assert len(spans.all) == 2


async def test_inside_a_retry_each_pass_is_an_operation_with_its_own_attempt(spans, tracing, clock):
    provider = chain([Retry(), tracing], MockProvider([ServerError("down"), "Paris"]))
    await chat(provider, CallContext(clock=clock))
    operations = [span for span in spans.all if span.kind is SpanKind.INTERNAL]
    assert [span.attributes["aiclient.outcome"] for span in operations] == ["failed", "completed"]
    assert [span.parent.span_id for span in spans.attempts] == [span.context.span_id for span in operations]


async def test_without_an_sdk_nobody_listens_and_the_call_is_as_before():
    context = CallContext()
    assert (await chat(chain([Tracing()], MockProvider("Paris")), context)).message.content == "Paris"
    assert context.observers == []


async def test_a_trace_that_is_not_sampled_goes_on_unsampled_and_builds_nothing():
    spans, seen = Spans(ALWAYS_OFF), []

    def look(_):
        seen.append(trace.get_current_span())
        return "Paris"

    await chat(chain([Tracing(tracer_provider=spans.provider, content=True)], MockProvider(look)))
    assert spans.all == []
    assert seen[0].get_span_context().is_valid and not seen[0].is_recording()


async def test_what_an_sdk_raises_fails_no_call_and_is_logged_once(caplog):
    class Broken(SpanProcessor):
        def on_start(self, span, parent_context=None):
            raise ValueError("full")

        def on_end(self, span):
            raise ValueError("full")

    provider = TracerProvider()
    provider.add_span_processor(Broken())
    traced = chain([Tracing(tracer_provider=provider)], MockProvider("Paris"))
    with caplog.at_level(logging.ERROR, "aiclient.tracing"):
        assert (await chat(traced)).message.content == "Paris"
        assert (await stream(traced)).message.content == "Paris"
    assert len(caplog.records) == 1


# --- content ---


def conversation():
    return ChatRequest(
        [
            Message("system", "Be brief."),
            Message(
                "user", [*Message("user", f"{CANARY} {KEY}").parts, ImagePart(data=b"abc", media_type="image/png")]
            ),
            Message("assistant", [ReasoningPart("hm"), ToolCall("c1", "look", '{"at": "it"}')]),
            Message("tool", [ToolResultPart("c1", "a tower")]),
            Message("assistant", [RefusalPart("no"), OpaquePart("x", {"secret": 1})]),
        ],
        ChatOptions(tools=(Tool("look", "Looks at it."),), tags={"user": "u-17"}, user_id="u-17"),
    )


async def test_content_is_on_no_span_unless_it_is_asked_for(spans, tracing):
    await chat(chain([tracing, Retry(2)], MockProvider("Paris in spring")), request=conversation())
    shown = "".join(span.to_json() for span in spans.all)
    assert not any(word in shown for word in (CANARY, KEY, "spring", "Be brief", "tower", "Looks at", "u-17"))


async def test_content_that_is_asked_for_is_on_the_attempt_in_the_shape_of_the_conventions(spans):
    answer = ChatResponse(
        Message("assistant", "Paris"), "stop", alternatives=(Choice(Message("assistant", "Lyon"), "length"),)
    )
    tracing = Tracing(content=True, tracer_provider=spans.provider)
    await chat(chain([tracing], MockProvider(answer)), request=conversation())
    shown = {name: value for name, value in spans.attempt.attributes.items() if str(value).startswith("[")}
    read = {name: json.loads(value) for name, value in shown.items()}
    assert read == {
        "gen_ai.system_instructions": [{"type": "text", "content": "Be brief."}],
        "gen_ai.tool.definitions": [{"type": "function", "name": "look", "description": "Looks at it."}],
        "gen_ai.input.messages": [
            {
                "role": "user",
                "parts": [
                    {"type": "text", "content": f"{CANARY} ***"},
                    {"type": "media", "modality": "image", "mime_type": "image/png", "size": 3},
                ],
            },
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "content": "hm"},
                    {"type": "tool_call", "id": "c1", "name": "look", "arguments": '{"at": "it"}'},
                ],
            },
            {
                "role": "tool",
                "parts": [
                    {"type": "tool_call_response", "id": "c1", "response": [{"type": "text", "content": "a tower"}]}
                ],
            },
            {
                "role": "assistant",
                "parts": [{"type": "refusal", "content": "no"}, {"type": "opaque", "origin": "x"}],
            },
        ],
        "gen_ai.output.messages": [
            {"role": "assistant", "parts": [{"type": "text", "content": "Paris"}], "finish_reason": "stop"},
            {"role": "assistant", "parts": [{"type": "text", "content": "Lyon"}], "finish_reason": "length"},
        ],
    }
    assert not any("messages" in name for name in spans.operation.attributes)
    assert KEY not in "".join(span.to_json() for span in spans.all)


async def test_a_key_that_a_service_repeats_in_its_own_names_is_masked(spans, tracing):
    key = SecretStr(KEY)
    answer = ChatResponse(Message("assistant", "x"), id=f"resp-{KEY}", model=f"m-{KEY}", request_id=f"req-{KEY}")
    await chat(chain([tracing], MockProvider(answer)))
    shown = [
        spans.attempt.attributes[name]
        for name in ("gen_ai.response.id", "gen_ai.response.model", "aiclient.request.id")
    ]
    assert shown == ["***"] * 3 and key.reveal() == KEY
    assert KEY not in "".join(span.to_json() for span in spans.all)


async def test_long_content_is_cut(spans):
    tracing = Tracing(content=True, content_limit=5, tracer_provider=spans.provider)
    await chat(chain([tracing], MockProvider("x" * 20)))
    (said,) = json.loads(spans.attempt.attributes["gen_ai.output.messages"])
    assert said["parts"][0]["content"] == "xxxxx... (15 more characters)"


async def test_the_words_of_an_error_are_told_where_content_is(spans):
    tracing = Tracing(content=True, tracer_provider=spans.provider)
    with pytest.raises(ServerError):
        await chat(chain([tracing], MockProvider(ServerError(f"{CANARY} {KEY}"))))
    assert spans.operation.status.description == f"{CANARY} ***"


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("SPAN_ONLY", True),
        ("span_and_event", True),
        ("true", True),
        ("EVENT_ONLY", False),
        ("NO_CONTENT", False),
        ("", False),
        ("anything", False),
    ],
)
def test_the_variable_of_the_conventions_is_the_default(monkeypatch, value, content):
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", value)
    assert Tracing().content is content
    assert Tracing(content=not content).content is not content


def test_where_nothing_is_said_there_is_no_content(monkeypatch):
    monkeypatch.delenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", raising=False)
    assert Tracing().content is False
    assert (repr(Tracing()), repr(Tracing(content=True))) == ("Tracing()", "Tracing(content=True)")


async def test_a_cost_that_is_estimated_says_so(spans, tracing):
    class Guess:
        def price(self, usage, info):
            return Cost(1, source="guess", estimated=True)

    await chat(chain([tracing], Service()), CallContext(prices=Guess()))
    assert spans.attempt.attributes["aiclient.cost.estimated"] is True


@pytest.mark.parametrize(
    "option", [{"content": "yes"}, {"content_limit": 0}, {"tracer_provider": "x"}], ids=["content", "limit", "provider"]
)
def test_a_wrong_option_is_refused_by_name(option):
    with pytest.raises(ConfigError, match=next(iter(option))):
        Tracing(**option)
