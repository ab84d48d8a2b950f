"""Budgets and streams: what a stream takes, however it ends, and the end of one that outgrows what is set aside for it."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from aiclient import Ledger, Limit
from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk, ToolCallDelta
from aiclient.context import CallContext, Timeouts
from aiclient.errors import BudgetExceededError, ConfigError, ServerError, StreamInterruptedError, outcome
from aiclient.messages import Message
from aiclient.middleware import Budget, CircuitBreaker, Fallback, Hedge, Retry, SingleFlight
from aiclient.opening import collect
from aiclient.pricing import DictPrices
from aiclient.provider import opened
from aiclient.request import ChatOptions, ChatRequest
from aiclient.response import Cost, Usage
from aiclient.store import MemoryStore
from aiclient.stream import ChatStream
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

PRICES = DictPrices({"mock-model": {"input": 0, "output": 1_000_000}})
"""A dollar for each token of output."""

WORD = ChatStreamChunk(content="four")
"""One token, at four characters each."""

LAST = ChatStreamChunk(finish_reason="stop", last=True)


def ended(completion, prompt=5):
    usage = Usage(prompt_tokens=prompt, completion_tokens=completion)
    return ChatStreamChunk(finish_reason="stop", usage=usage, last=True)


def context(clock=None, **more):
    return CallContext(clock=clock or FakeClock(), timeouts=Timeouts(total=None), prices=PRICES, **more)


async def stream(layers, chunks, tokens=3, **more):
    request = ChatRequest([Message("user", "hi")], ChatOptions(max_tokens=tokens))
    provider = chain(layers, MockProvider(chunks) if isinstance(chunks, (tuple, list)) else chunks)
    return await opened(request, provider.chat_stream, context(**more))


async def read(opening):
    """Read a stream; return its text and what it ended with."""
    seen = []
    try:
        async with await opening as opened_stream:
            async for chunk in opened_stream:
                seen.append(chunk.content)
    except StreamInterruptedError as error:
        return "".join(seen), error
    return "".join(seen), None


def sums(budget):
    return int(budget.spent), int(budget.reserved)


# --- how it ends ---


async def test_a_stream_is_counted_when_it_ends():
    budget = Budget(usd=10)
    async with await stream([budget], (WORD, WORD, ended(2))) as opened_stream:
        assert sums(budget) == (0, 3)
        async for _ in opened_stream:
            assert sums(budget)[1] in (0, 3)
    assert sums(budget) == (2, 0)


async def test_a_stream_that_its_reader_leaves_counts_what_had_come():
    budget = Budget(usd=10)
    async with await stream([budget], (WORD, WORD, WORD, ended(3))) as opened_stream:
        await anext(opened_stream)
    assert sums(budget)[1] == 0
    assert sums(budget)[0] >= 1
    assert budget.ledger.report().rows[0]["estimated"] == 1


async def test_a_stream_that_fails_before_its_first_output_takes_nothing():
    budget = Budget(usd=10)
    with pytest.raises(ServerError):
        await collect(stream([budget], (ServerError("no", status_code=500),)))
    assert sums(budget) == (0, 0)


async def test_a_stream_that_breaks_off_counts_what_had_come():
    budget = Budget(usd=10)
    text, error = await read(stream([budget], (WORD, WORD, ServerError("cut"))))
    assert (text, error.kind) == ("fourfour", "server")
    assert sums(budget)[1] == 0
    assert sums(budget)[0] >= 2


async def test_a_stream_that_is_tried_again_counts_both():
    budget = Budget(usd=100)
    script = [(ServerError("no", status_code=500),), (WORD, ended(2))]
    assert await read(stream([budget, Retry()], script)) == ("four", None)
    assert sums(budget) == (2, 0)
    assert budget.ledger.report().rows[0]["requests"] == 2


async def test_a_stream_that_was_dropped_counts_as_spent_when_its_time_is_over():
    budget, clock = Budget(usd=10), FakeClock()
    opened_stream = await stream([budget], (WORD, ended(1)), clock=clock)
    with pytest.warns(ResourceWarning, match="unclosed"):
        del opened_stream
    assert sums(budget) == (0, 3)
    clock.advance(4000)
    assert sums(budget) == (3, 0)
    await collect(stream([budget], (WORD, ended(1)), clock=clock))
    assert sums(budget) == (3 + 1, 0)


# --- what outgrows its reservation ---


async def test_a_stream_that_outgrows_its_reservation_is_ended_with_what_it_gave():
    budget = Budget(usd=100)
    text, error = await read(stream([budget], (*[WORD] * 50, ended(50))))
    assert text == "four" * 6  # three tokens at eight characters
    assert error.partial.message.content.startswith(text)
    assert isinstance(error.__cause__, BudgetExceededError)
    assert "outgrown the 3 tokens" in str(error)
    assert sums(budget)[1] == 0
    assert 6 <= sums(budget)[0] < 50


async def test_the_end_of_a_stream_that_outgrew_is_neither_retried_nor_held_against_the_service():
    budget, breaker = Budget(usd=100), CircuitBreaker(1)
    second = MockProvider(name="second")
    text, error = await read(stream([budget, Fallback(second), Retry(), breaker], (*[WORD] * 50, ended(50))))
    assert (text, second.calls) == ("four" * 6, 0)
    assert outcome(error)[1:] == (False, "neutral", False)
    assert await read(stream([breaker], (WORD, LAST))) == ("four", None)


async def test_a_count_of_the_service_above_the_reservation_ends_the_stream_at_once():
    told = ChatStreamChunk(content="x", usage=Usage(prompt_tokens=5, completion_tokens=4))
    text, error = await read(stream([Budget(usd=100)], (WORD, told, WORD, ended(6))))
    assert (text, type(error.__cause__)) == ("four", BudgetExceededError)


@pytest.mark.parametrize(
    "chunk",
    [
        ChatStreamChunk(reasoning="x" * 25),
        ChatStreamChunk(refusal="x" * 25),
        ChatStreamChunk(tool_calls=[ToolCallDelta(id="1", name="f", arguments="x" * 25)]),
    ],
    ids=["reasoning", "refusal", "arguments"],
)
async def test_whatever_the_model_gives_counts(chunk):
    _, error = await read(stream([Budget(usd=100)], (chunk, LAST)))
    assert isinstance(error.__cause__, BudgetExceededError)


async def test_a_stream_within_its_reservation_is_read_to_its_end():
    assert await read(stream([Budget(usd=100)], (*[WORD] * 6, ended(3)))) == ("four" * 6, None)


async def test_a_soft_budget_ends_no_stream():
    assert await read(stream([Budget(usd=1, hard=False)], (*[WORD] * 50, ended(50)))) == ("four" * 50, None)


async def test_the_limit_that_a_stream_was_ended_for_is_a_hard_one():
    soft, hard = Limit(usd=1, hard=False, name="soft"), Limit(usd=100, name="hard", period="day")
    _, error = await read(stream([Budget(soft, hard)], (*[WORD] * 50, ended(50))))
    assert "'hard' of the day" in str(error)
    assert (error.__cause__.kind, error.__cause__.resets_at) == ("hard", 1_700_006_400.0)


async def test_a_budget_of_tokens_ends_a_stream_too():
    _, error = await read(stream([Budget(tokens=100)], (*[WORD] * 50, ended(50))))
    assert "outgrown" in str(error)


async def test_a_free_stream_may_be_as_long_as_it_likes():
    budget = Budget(usd=0)
    request = ChatRequest([Message("user", "hi")], ChatOptions(max_tokens=1))
    provider = chain([budget], MockProvider((*[WORD] * 50, LAST)))
    answer = await collect(opened(request, provider.chat_stream, CallContext(clock=FakeClock())))
    assert answer.message.content == "four" * 50


LONG = (*[ChatStreamChunk(content="x" * 4096)] * 8, ended(8192))
"""8,192 tokens at four characters: twice what is guessed of an answer whose longest length nobody says."""


async def test_where_the_length_was_only_guessed_more_is_reserved_while_there_is_some():
    budget, seen = Budget(usd=10_000), []
    async with await stream([budget], LONG, tokens=None) as opened_stream:
        async for _ in opened_stream:
            seen.append(sums(budget)[1])
    assert seen[:2] == [4096, 4096]
    assert seen[5] == 8192
    assert sums(budget) == (8192, 0)


async def test_where_the_length_was_only_guessed_a_stream_is_ended_when_no_more_can_be_reserved():
    budget = Budget(usd=5000)
    text, error = await read(stream([budget], LONG, tokens=None))
    assert len(text) == 4 * 4096
    assert "outgrown the 4096 tokens" in str(error)


async def test_a_price_book_that_fails_while_a_stream_is_read_ends_it_with_what_it_gave():
    class Failing:
        answers = iter([Cost(Decimal(5)), Cost(Decimal(5))])

        def price(self, usage, info):
            return next(self.answers)

    request = ChatRequest([Message("user", "hi")])
    provider = chain([Budget(usd=10)], MockProvider(LONG))
    text, error = await read(opened(request, provider.chat_stream, CallContext(clock=FakeClock(), prices=Failing())))
    assert (len(text), type(error.__cause__)) == (4 * 4096, ConfigError)


async def test_a_ledger_in_a_store_reserves_no_more_while_a_stream_is_read():
    budget = Budget(usd=10_000, ledger=Ledger(store=MemoryStore()))
    text, error = await read(stream([budget], LONG, tokens=None))
    assert len(text) == 4 * 4096
    assert isinstance(error.__cause__, BudgetExceededError)


# --- streams that are shared, or race ---


async def test_a_shared_stream_whose_leader_left_is_counted_once():
    budget, clock = Budget(usd=100), FakeClock()
    layers = [budget, SingleFlight(sampled=True)]
    request = ChatRequest([Message("user", "hi")], ChatOptions(max_tokens=3))
    provider = chain(layers, MockProvider(chat_stream_func=lambda _: ChatStream(_dripping())))
    leader = await opened(request, provider.chat_stream, context(clock))
    follower = await opened(request, provider.chat_stream, context(clock))
    await anext(leader)
    await leader.close()
    answer = await collect(_value(follower))
    for _ in range(5):
        await asyncio.sleep(0)
    assert answer.shared
    assert sums(budget) == (2, 0)


async def test_a_stream_that_came_second_is_counted():
    clock, budget = FakeClock(auto=False), Budget(usd=100)
    mock = MockProvider(chat_stream_func=lambda _: _slow() if mock.calls == 1 else (WORD, ended(2)))
    reading = asyncio.ensure_future(read(stream([budget, Hedge(after=1.0)], mock, clock=clock)))
    for _ in range(5):
        await asyncio.sleep(0)
    assert sums(budget) == (0, 6)
    clock.advance(1)
    assert await reading == ("four", None)
    assert sums(budget) == (2, 0)
    assert budget.ledger.report().rows[0]["requests"] == 2


async def _dripping():
    for chunk in (WORD, WORD, ended(2)):
        await asyncio.sleep(0)
        yield chunk


async def _slow():
    await asyncio.Event().wait()


async def _value(value):
    return value
