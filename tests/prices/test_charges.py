"""What an exchange cost: by the service's report, else by an estimate that says so; nothing where it was refused."""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal

import pytest

from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk
from aiclient.context import CallContext, Timeouts
from aiclient.errors import (
    AIClientError,
    AuthenticationError,
    BadRequestError,
    ClientClosedError,
    ConfigError,
    ConnectError,
    InvalidRequestError,
    OverloadedError,
    ProtocolError,
    RateLimitError,
    ServerError,
    StreamInterruptedError,
    TimeoutError,
)
from aiclient.messages import Message
from aiclient.prices.charges import may_have_been_paid
from aiclient.pricing import TABLE, DictPrices
from aiclient.provider import ProviderInfo, opened
from aiclient.request import ChatRequest, EmbeddingRequest
from aiclient.response import ChatResponse, EmbeddingResponse, Usage
from aiclient.testutil import MockProvider
from aiclient.testutil.clock import FakeClock
from aiclient.tokens import estimate

pytestmark = pytest.mark.anyio

REQUEST = ChatRequest([Message("user", "What is the capital of France?")])
ASKED = estimate(REQUEST)
PRICES = DictPrices({"m": {"input": 1, "output": 100}}, source="test prices")
SAID = "A rather long beginning of an answer"
OUT = 9
"""Its tokens, by the estimate."""


async def attempted(mock, use=None, request=REQUEST, **context):
    """Make one exchange; returns its Attempt. `use` reads the stream."""
    context = CallContext(prices=PRICES, **context)
    provider = chain([], mock)
    send = provider.embeddings if isinstance(request, EmbeddingRequest) else provider.chat
    with contextlib.suppress(AIClientError, KeyError):  # what an exchange ends in here; the Attempt tells it
        result = await opened(request, provider.chat_stream if use else send, context)
        await (use(result) if use else asyncio.sleep(0))
    (attempt,) = context.journal
    return attempt


async def read(stream):
    async with stream:
        async for _ in stream:
            pass


async def leave(stream):
    async with stream:
        await anext(stream)


def usd(attempt):
    """The cost in millionths."""
    return attempt.cost and attempt.cost.usd * 1_000_000


# --- what was reported ---


async def test_a_reported_usage_is_priced_as_it_is():
    reply = ChatResponse(Message("assistant", SAID), "stop", usage=Usage(prompt_tokens=7, completion_tokens=2))
    attempt = await attempted(MockProvider(reply, model="m"))
    assert (usd(attempt), attempt.cost.estimated, attempt.cost.source) == (207, False, "test prices")


async def test_embeddings_have_no_output_to_count():
    reply = EmbeddingResponse([[1.0]], usage=Usage(prompt_tokens=7))
    attempt = await attempted(
        MockProvider(embeddings_func=lambda _: reply, model="m"), request=EmbeddingRequest("some text")
    )
    assert (usd(attempt), attempt.cost.estimated) == (7, False)


async def test_an_answer_without_a_report_is_estimated():
    attempt = await attempted(MockProvider(ChatResponse(Message("assistant", SAID), "stop"), model="m"))
    assert (usd(attempt), attempt.cost.estimated) == (ASKED + 100 * OUT, True)


# --- what was not ---


async def test_a_stream_that_was_left_is_estimated_by_what_had_come():
    chunks = (ChatStreamChunk(content=SAID), ChatStreamChunk(content="more", finish_reason="stop", last=True))
    attempt = await attempted(MockProvider(chunks, model="m"), leave)
    assert (attempt.outcome, usd(attempt), attempt.cost.estimated) == ("abandoned", ASKED + 100 * OUT, True)


async def test_what_a_broken_stream_had_reported_counts():
    """Anthropic says first how much went in, and last how much came out."""
    begun = Usage(prompt_tokens=1000, completion_tokens=1)
    chunks = (ChatStreamChunk(usage=begun), ChatStreamChunk(content=SAID), ConnectError(kind="reset"))
    attempt = await attempted(MockProvider(chunks, model="m"), read)
    assert (attempt.outcome, usd(attempt), attempt.cost.estimated) == ("failed", 1000 + 100 * OUT, True)


async def test_a_broken_stream_is_never_paid_below_what_it_had_reported():
    begun = Usage(prompt_tokens=1000, completion_tokens=50)
    chunks = (ChatStreamChunk(usage=begun), ChatStreamChunk(content=SAID), ConnectError(kind="reset"))
    attempt = await attempted(MockProvider(chunks, model="m"), read)
    assert usd(attempt) == 1000 + 100 * 50


async def test_an_error_before_the_first_output_of_a_stream_costs_nothing():
    attempt = await attempted(MockProvider((OverloadedError(status_code=529),), model="m"), read)
    assert (attempt.outcome, attempt.cost) == ("failed", None)


async def test_a_call_that_was_cancelled_may_have_been_paid_for():
    asked = asyncio.Event()

    async def hang(_):
        asked.set()
        await asyncio.Event().wait()

    context = CallContext(prices=PRICES)
    provider = chain([], MockProvider(chat_func=hang, model="m"))
    call = asyncio.ensure_future(opened(REQUEST, provider.chat, context))
    await asked.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    (attempt,) = context.journal
    assert (attempt.outcome, usd(attempt), attempt.cost.estimated) == ("cancelled", ASKED, True)


async def test_a_call_that_took_too_long_may_have_been_paid_for():
    clock = FakeClock(auto=False)

    async def hang(_):
        clock.advance(6)
        await asyncio.Event().wait()

    limits = Timeouts(total=None, attempt=5)
    attempt = await attempted(MockProvider(chat_func=hang, model="m"), clock=clock, timeouts=limits)
    assert (attempt.category, usd(attempt), attempt.cost.estimated) == ("timeout", ASKED, True)


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError(status_code=401),
        BadRequestError(status_code=400),
        RateLimitError(status_code=429),
        ServerError(status_code=500),
        OverloadedError(),
        ConnectError(kind="refused"),
        ConnectError(kind="dns"),
        TimeoutError(phase="connect"),
        TimeoutError(phase="pool"),
        TimeoutError(phase="tls"),
        ProtocolError(status_code=502, kind="schema"),
        ConfigError(),
        InvalidRequestError(),
    ],
    ids=lambda error: f"{type(error).__name__}-{error.status_code or getattr(error, 'kind', None) or error.phase}",
)
async def test_what_was_refused_or_never_sent_costs_nothing(error):
    attempt = await attempted(MockProvider(error, model="m"))
    assert (attempt.outcome, attempt.cost) == ("failed", None)
    assert not may_have_been_paid(error)


@pytest.mark.parametrize(
    "error",
    [
        ConnectError(kind="reset"),
        TimeoutError(phase="first_output"),
        TimeoutError(phase="total"),
        TimeoutError(phase="attempt"),
        TimeoutError(phase="idle"),
        ProtocolError(kind="schema", status_code=200),
        StreamInterruptedError(),
        ClientClosedError(),
    ],
    ids=lambda error: f"{type(error).__name__}-{error.kind or error.phase}",
)
async def test_what_may_have_been_worked_on_is_estimated(error):
    attempt = await attempted(MockProvider(error, model="m"))
    assert (usd(attempt), attempt.cost.estimated) == (ASKED, True)


async def test_somebody_s_own_error_may_have_come_after_the_answer():
    def broken(_):
        raise KeyError("usage")

    attempt = await attempted(MockProvider(chat_func=broken, model="m"))
    assert (usd(attempt), attempt.cost.estimated) == (ASKED, True)


# --- which name is priced ---


class Book:
    """Knows one model, and remembers for which it was asked."""

    def __init__(self, *, answered_first):
        self.by_answered_name = answered_first
        self.asked = []

    def price(self, usage, info):
        self.asked.append(info.model)


@pytest.mark.parametrize(
    ("answered_first", "names"),
    [(False, ["alias", "m-2026"]), (True, ["m-2026", "alias"])],
    ids=["the caller's own names", "the vendor's names"],
)
async def test_a_book_is_asked_for_both_names_before_the_cost_is_unknown(answered_first, names):
    book = Book(answered_first=answered_first)
    usage = Usage(prompt_tokens=1, completion_tokens=1)
    reply = ChatResponse(Message("assistant", "a"), "stop", model="m-2026", usage=usage)
    context = CallContext(prices=book)
    answer = await opened(REQUEST, chain([], MockProvider(reply, model="alias")).chat, context)
    assert (answer.cost, book.asked) == (None, names)


async def test_a_deployment_costs_what_the_model_costs_that_answered():
    """On Azure a deployment has whatever name it was given."""
    usage = Usage(prompt_tokens=1_000_000, completion_tokens=0)
    reply = ChatResponse(Message("assistant", "a"), "stop", model="gpt-4o-mini-2024-07-18", usage=usage)
    mock = MockProvider(reply)
    mock.info = ProviderInfo("azure", "openai", "https://mine.openai.azure.com", "gpt-4o")
    answer = await opened(REQUEST, chain([], mock).chat, CallContext(prices=TABLE))
    assert answer.cost.usd == Decimal("0.15")


async def test_an_answer_whose_price_book_fails_is_not_lost_and_says_so(caplog):
    class Broken:
        def price(self, usage, info):
            raise RuntimeError("SECRET")

    provider = chain([], MockProvider("hi", model="m"))
    answer = await opened(REQUEST, provider.chat, CallContext(prices=Broken()))
    assert (answer.message.content, answer.cost, answer.attempts[0].cost) == ("hi", None, None)
    assert [warning.code for warning in answer.warnings] == ["price_book_failed"]
    assert "SECRET" not in answer.warnings[0].message
    assert [record.name for record in caplog.records] == ["aiclient.prices"]
