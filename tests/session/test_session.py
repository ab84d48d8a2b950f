"""Sessions: the conversation and its turns, the budget, the rows, and what remains when something ends early."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import threading
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient import (
    AIClientError,
    AsyncClient,
    AsyncSession,
    BudgetExceededError,
    ChatResponse,
    ChatStream,
    ChatStreamChunk,
    Client,
    ClientClosedError,
    ConfigError,
    InvalidMessageError,
    InvalidProviderError,
    InvalidRequestError,
    Layer,
    Message,
    ServerError,
    StreamInterruptedError,
    ToolCall,
    resilient,
)
from aiclient.gate import uninterrupted
from aiclient.middleware import Cache, Defaults, Hedge, Retry, SingleFlight
from aiclient.providers import OpenAIProvider
from aiclient.testutil import FakeClock, LoopbackServer, MockProvider

pytestmark = pytest.mark.anyio

DOLLAR_A_TOKEN = {"mock-model": {"input": 1_000_000, "output": 1_000_000}}
"""So that a session's dollars are its tokens; a mock counts words."""

HALF = ChatStreamChunk(content="half ")


def echo(request):
    return request.messages[-1].content.upper()


def said(session):
    return [(message.role, message.content) for message in session.history]


def over(reply=echo, **options):
    client = AsyncClient(MockProvider(reply), prices=DOLLAR_A_TOKEN)
    return client.session(max_tokens=5, **options), client.inner.inner


class Gated(MockProvider):
    """Answers when it is let, in order."""

    def __init__(self):
        super().__init__(chat_func=self.answer)
        self.gate = asyncio.Event()

    async def answer(self, request):
        await self.gate.wait()
        return echo(request)


async def turns(count=10):
    for _ in range(count):
        await asyncio.sleep(0)


# --- the conversation ---


async def test_what_was_said_is_sent_again_after_the_system_prompt():
    session, mock = over(system="Be brief.")
    await session.chat("one")
    await session.chat("two")
    assert [message.content for message in mock.requests[-1].messages] == ["Be brief.", "one", "ONE", "two"]
    assert said(session) == [("user", "one"), ("assistant", "ONE"), ("user", "two"), ("assistant", "TWO")]


async def test_a_stream_is_added_when_it_has_been_read_to_its_end():
    session, _ = over()
    async with session.stream("one two") as stream:
        assert said(session) == []
        assert "".join([text async for text in stream.text]) == "ONE TWO"
    assert said(session) == [("user", "one two"), ("assistant", "ONE TWO")]


async def test_a_stream_left_early_adds_nothing_and_gives_its_turn_back():
    session, _ = over("one two three")
    async with session.stream("a") as stream:
        async for _ in stream.text:
            break
    assert said(session) == []
    assert session.rows[0].outcome == "abandoned"
    assert (await session.chat("b")).message.content == "one two three"


async def test_a_stream_that_is_cut_adds_nothing_and_its_rest_can_be_added_by_hand():
    session, _ = over([(HALF, ServerError("cut")), "whole"])
    with pytest.raises(StreamInterruptedError) as caught:
        async with session.stream("a") as stream:
            async for _ in stream:
                pass
    assert said(session) == []
    assert session.rows[0].outcome == "failed"
    session.add(Message("user", "a"), caught.value.partial.message)
    await session.chat("go on")
    assert [content for _, content in said(session)] == ["a", "half ", "go on", "whole"]


async def test_a_stream_that_fails_before_its_first_output_adds_nothing():
    session, _ = over([ServerError("no"), "yes"])
    with pytest.raises(ServerError):
        async with session.stream("a"):
            pass
    assert said(session) == []
    assert (await session.chat("b")).message.content == "yes"


async def test_a_stream_that_its_reader_drops_gives_its_turn_back_and_has_a_row():
    session, _ = over("one two three")
    stream = await session.stream("a")
    with pytest.warns(ResourceWarning):
        del stream
        gc.collect()
    await turns()
    assert (await session.chat("b")).message.content == "one two three"
    assert [row.outcome for row in session.rows] == ["abandoned", "completed"]
    assert session.rows[0].expense.unpriced == 1


async def test_a_call_that_fails_adds_nothing():
    session, _ = over([ServerError("no"), "yes"])
    with pytest.raises(ServerError):
        await session.chat("a")
    assert said(session) == []


async def test_an_empty_answer_adds_nothing_because_no_service_would_take_it_back():
    session, _ = over(["", "yes"])
    await session.chat("a")
    assert said(session) == []


async def test_a_prompt_may_be_messages_dicts_tool_results_or_a_request():
    calls = Message("assistant", tool_calls=[ToolCall("c1", "weather", "{}")])
    session, mock = over([ChatResponse(calls, "tool_calls"), "sunny", "b", "c"])
    answer = await session.chat([{"role": "user", "content": "weather?"}])
    await session.chat([call.result("21 degrees") for call in answer.message.tool_calls])
    await session.chat([Message("user", "and now?")])
    await session.chat(AsyncClient(MockProvider()).new_request().user("last").temperature(0.5).build())
    assert [message.role for message in session.history] == ["user", "assistant", "tool", "assistant"] + 2 * [
        "user",
        "assistant",
    ]
    assert (mock.requests[-1].options.temperature, mock.requests[-1].options.max_tokens) == (0.5, 5)


async def test_a_prompt_that_leaves_a_tool_call_unanswered_is_refused_before_it_is_sent():
    calls = Message("assistant", tool_calls=[ToolCall("c1", "weather", "{}")])
    session, mock = over([ChatResponse(calls, "tool_calls"), "sunny"])
    await session.chat("weather?")
    with pytest.raises(InvalidMessageError, match="asks for weather: give the result"):
        await session.chat("never mind")
    assert mock.calls == 1
    assert (await session.chat([calls.tool_calls[0].result("wet")])).message.content == "sunny"


@pytest.mark.parametrize("prompt", [[], [{"role": "user"}], [5], 5, b"bytes"])
async def test_a_malformed_prompt_is_refused_and_the_turn_goes_on(prompt):
    session, mock = over()
    with pytest.raises(InvalidRequestError):
        await session.chat(prompt)
    assert mock.calls == 0
    assert (await session.chat("fine")).message.content == "FINE"


async def test_the_oldest_turns_are_dropped_and_the_system_prompt_stays():
    session, mock = over(system="S", keep_messages=4)
    for word in ("a", "b", "c"):
        await session.chat(word)
    assert [message.content for message in mock.requests[-1].messages] == ["S", "b", "B", "c"]
    assert said(session) == [("user", "b"), ("assistant", "B"), ("user", "c"), ("assistant", "C")]


async def test_a_tool_result_is_never_sent_without_its_call():
    calls = Message("assistant", tool_calls=[ToolCall("c1", "weather", "{}")])
    session, mock = over(["a", ChatResponse(calls, "tool_calls"), "b"], keep_messages=3)
    await session.chat("one")
    await session.chat("weather?")
    await session.chat([calls.tool_calls[0].result("wet")])
    assert [message.role for message in mock.requests[-1].messages] == ["user", "assistant", "tool"]


async def test_history_is_trimmed_by_estimated_tokens_too():
    session, mock = over(keep_tokens=60)
    for word in ("a", "b", "c"):
        await session.chat(word * 80)
    assert [message.content[0] for message in mock.requests[-1].messages] == ["c"]


async def test_a_prompt_that_alone_does_not_fit_is_refused_and_not_cut():
    session, mock = over(keep_messages=1)
    with pytest.raises(InvalidRequestError, match="does not fit into keep_messages=1"):
        await session.chat([Message("user", "a"), Message("user", "b")])
    with pytest.raises(InvalidRequestError, match="must stay"):
        await AsyncClient(mock).session(keep_tokens=5).chat("x" * 400)
    assert mock.calls == 0


async def test_every_call_carries_the_session_as_a_tag_beside_its_own():
    session, mock = over(id="s-1", tags={"team": "maps"})
    await session.chat("a", tags={"user": "u1"})
    assert mock.requests[0].context.tags == {"team": "maps", "user": "u1", "session": "s-1"}


async def test_a_calls_own_options_win_over_the_sessions_and_last_for_that_call():
    session, mock = over(temperature=0.1)
    await session.chat("a", temperature=0.9, response_format="json")
    await session.chat("b")
    assert [request.options.temperature for request in mock.requests] == [0.9, 0.1]
    assert [request.options.max_tokens for request in mock.requests] == [5, 5]
    assert mock.requests[0].options.response_format.kind == "json"


async def test_layers_of_the_session_are_outside_the_clients_and_no_layers_of_the_client():
    mock = MockProvider()
    client = AsyncClient(mock).use(Defaults(temperature=0.1, seed=1))
    await client.session(use=[Defaults(temperature=0.9)]).chat("a")
    await client.chat("b")
    assert [(request.options.temperature, request.options.seed) for request in mock.requests] == [(0.9, 1), (0.1, 1)]


# --- turns ---


async def test_of_two_calls_at_once_the_second_waits_and_hears_the_first():
    mock = Gated()
    session = AsyncClient(mock).session()
    tasks = [asyncio.ensure_future(session.chat(word)) for word in ("one", "two", "three")]
    await turns()
    assert mock.calls == 1
    mock.gate.set()
    await asyncio.gather(*tasks)
    assert [content for _, content in said(session)] == ["one", "ONE", "two", "TWO", "three", "THREE"]


async def test_a_waiting_call_that_is_cancelled_leaves_the_queue():
    mock = Gated()
    session = AsyncClient(mock).session()
    first, second, third = [asyncio.ensure_future(session.chat(word)) for word in ("one", "two", "three")]
    await turns()
    second.cancel()
    mock.gate.set()
    await asyncio.gather(first, third)
    assert [content for _, content in said(session)] == ["one", "ONE", "three", "THREE"]


async def test_a_call_inside_ones_own_open_stream_is_refused_instead_of_waiting_for_itself():
    session, _ = over("one two")
    async with session.stream("a"):
        with pytest.raises(AIClientError, match="still open right here"):
            await session.chat("b")
    assert (await session.chat("b")).message.content == "one two"


async def test_another_task_may_wait_for_the_stream_to_end():
    session, _ = over("one two")
    async with session.stream("a") as stream:
        other = asyncio.ensure_future(session.chat("b"))
        await turns()
        assert not other.done()
        async for _ in stream:
            pass
    assert (await other).message.content == "one two"


async def test_a_turn_that_does_not_come_in_time_is_a_timeout_that_nobody_retries(still):
    mock = Gated()
    session = AsyncClient(mock, clock=still).session(max_wait=5)
    first = asyncio.ensure_future(session.chat("one"))
    await turns()
    second = asyncio.ensure_future(session.chat("two"))
    await turns()
    still.advance(5)
    with pytest.raises(TimeoutError, match="longer than 5 s") as caught:
        await second
    assert (caught.value.phase, caught.value.retryable) == ("pool", False)
    mock.gate.set()
    await first


async def test_messages_cannot_be_added_while_a_call_is_under_way():
    mock = Gated()
    session = AsyncClient(mock).session()
    task = asyncio.ensure_future(session.chat("one"))
    await turns()
    with pytest.raises(AIClientError, match="under way"):
        session.add(Message("user", "x"))
    mock.gate.set()
    await task


async def test_a_call_cancelled_at_any_step_gives_its_turn_back_and_has_one_row_at_most(at_every_step):
    def scene():
        session, mock = over(budget_usd=1000, system="S")

        async def work():
            await session.chat("one")
            async with session.stream("two three") as stream:
                async for _ in stream:
                    await asyncio.sleep(0)

        def verify(task):
            assert session._state.conversation._gate.free == 1
            assert session._state.budget.reserved == 0
            assert len(session.history) % 2 == 0
            assert len(session.rows) <= 2
            assert mock.calls <= len(session.rows)

        return work(), verify

    assert await at_every_step(scene) > 20


async def test_a_waiting_call_cancelled_at_any_step_takes_nobodys_turn(at_every_step):
    def scene():
        session, _ = over()

        async def work():
            first = asyncio.ensure_future(session.chat("one"))
            try:
                await asyncio.sleep(0)
                await session.chat("two")
            finally:
                await uninterrupted(first)

        def verify(task):
            assert session._state.conversation._gate.free == 1
            spoken = [content for _, content in said(session)]
            assert spoken == ["one", "ONE", "two", "TWO"][: len(spoken)]
            assert len(spoken) in (0, 2, 4)

        return work(), verify

    assert await at_every_step(scene) > 10


async def test_a_batch_cancelled_at_any_step_sets_nothing_aside_for_ever(at_every_step):
    def scene():
        session, mock = over(budget_usd=1000)

        def verify(task):
            assert session._state.budget.reserved == 0
            assert len(session.rows) >= mock.calls
            assert session.budget_remaining == 1000 - session.cost_usd

        return session.batch_generate(["a", "b", "c"], concurrency=2), verify

    assert await at_every_step(scene) > 10


def test_two_event_loops_take_turns():
    session, _ = over()

    def run(name):
        async def talk():
            for number in range(5):
                await session.chat(f"{name}{number}")

        asyncio.run(talk())

    threads = [threading.Thread(target=run, args=(name,)) for name in "xy"]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    spoken = [content for _, content in said(session)]
    assert spoken[1::2] == [text.upper() for text in spoken[::2]]
    assert len(spoken) == 20


# --- the budget ---


async def test_what_does_not_fit_is_refused_before_anything_is_sent():
    session, mock = over("a b", budget_usd=20)
    await session.chat("x")
    with pytest.raises(BudgetExceededError):
        await session.chat("y " * 40)
    assert mock.calls == 1
    assert (session.cost_usd, session.budget_remaining) == (3, 17)
    assert (session.rows[1].outcome, session.rows[1].category, session.rows[1].attempts) == ("failed", "policy", 0)


async def test_what_was_refused_is_not_in_the_history():
    session, _ = over("a b", budget_usd=1)
    with pytest.raises(BudgetExceededError):
        await session.chat("y " * 40)
    assert said(session) == []


async def test_items_at_once_never_spend_more_than_the_budget():
    session, mock = over("a b c d e", budget_usd=100)
    result = await session.batch_generate(["one two three"] * 40, concurrency=40)
    assert session.cost_usd <= 100
    assert len(result.failures) == 40 - mock.calls
    assert {type(item.error) for item in result.failures} == {BudgetExceededError}


@given(
    budget=st.integers(0, 200),
    sizes=st.lists(st.integers(1, 12), max_size=12),
    concurrency=st.integers(1, 12),
    talk=st.integers(0, 3),
)
def test_whatever_runs_at_once_spends_no_more_than_there_is_and_leaves_nothing_set_aside(
    budget, sizes, concurrency, talk
):
    async def scene():
        session, _ = over("a b c", budget_usd=budget)
        prompts = ["x " * size for size in sizes]
        chats = [session.chat("hello") for _ in range(talk)]
        batch = session.batch_generate(prompts, concurrency=concurrency)
        result, *_ = await asyncio.gather(batch, *chats, return_exceptions=True)
        assert session.expense.usd <= budget
        assert session.budget_remaining == budget - session.expense.usd
        assert session._state.budget.reserved == 0
        assert session.request_count == len(sizes) + talk
        assert len(result) == len(sizes)
        assert [message.role for message in session.history] == ["user", "assistant"] * (len(session.history) // 2)

    asyncio.run(scene())


async def test_a_cheaper_item_may_fit_after_one_that_does_not():
    session, _ = over("a", budget_usd=20)
    result = await session.batch_generate(["x " * 100, "y"], concurrency=1)
    assert [item.ok for item in result] == [False, True]


async def test_without_a_check_per_item_all_fit_together_or_nothing_is_sent():
    session, mock = over("a", budget_usd=100)
    with pytest.raises(BudgetExceededError, match="40 items could cost"):
        await session.batch_generate(["one"] * 40, check_budget_per_item=False)
    assert (mock.calls, session.request_count) == (0, 0)
    assert len((await session.batch_generate(["one"] * 4, check_budget_per_item=False)).values) == 4


async def test_an_async_input_is_read_whole_for_that_check():
    async def items():
        yield "one"
        yield "two"

    session, _ = over("a", budget_usd=100)
    assert len((await session.batch_generate(items(), check_budget_per_item=False)).values) == 2


async def test_failed_attempts_are_paid_from_the_budget_as_well():
    client = AsyncClient(MockProvider([(HALF, ServerError("cut")), "a b"]), prices=DOLLAR_A_TOKEN)
    session = client.session(budget_usd=100, max_tokens=5)
    with pytest.raises(StreamInterruptedError):
        async with session.stream("x") as stream:
            async for _ in stream:
                pass
    assert session.cost_usd > 0
    assert session.expense.estimated
    assert session.budget_remaining == 100 - session.cost_usd


async def test_a_price_that_nobody_knows_is_an_error_under_a_budget_and_counted_without_one():
    class Unknown(MockProvider):
        def __init__(self):
            super().__init__("a", model="nobody-knows-this")
            self.info = type(self.info)("other", vendor="other", model="nobody-knows-this")

    with pytest.raises(ConfigError, match="price"):
        await AsyncClient(Unknown()).session(budget_usd=1, max_tokens=5).chat("x")
    session = AsyncClient(Unknown()).session()
    await session.chat("x")
    assert (session.cost_usd, session.expense.unpriced) == (None, 1)
    assert "price not known" in str(session.summary())


async def test_alerts_come_once_each_in_order_to_plain_and_async_callbacks():
    session, _ = over("a", budget_usd=100, system="S")
    heard = []

    async def later(alert):
        await asyncio.sleep(0)
        heard.append(("async", alert.threshold))

    session.set_alert(0.06, later)
    session.set_alert(0.02, lambda alert: heard.append(("plain", alert.threshold, alert.spent, alert.budget)))
    async with session.stream("x", max_tokens=1) as stream:
        async for _ in stream:
            pass
    assert heard == [("plain", 0.02, 3, 100)]
    await session.batch_generate(["x"] * 2, concurrency=2, max_tokens=1)
    assert heard[1:] == [("async", 0.06)]
    assert [alert.threshold for alert in session.alerts] == [0.02, 0.06]
    assert str(session.alerts[0]) == "2% of the session's $100 is spent: $3"


async def test_a_session_that_may_spend_nothing_alerts_of_nothing():
    session, _ = over("a", budget_usd=0)
    heard = []
    session.set_alert(0.5, heard.append)
    with pytest.raises(BudgetExceededError):
        await session.chat("x")
    assert heard == []


async def test_a_callback_that_fails_changes_no_answer_and_its_words_are_not_logged(caplog):
    def bad(alert):
        raise ValueError("SECRET")

    session, _ = over("a", budget_usd=100)
    session.set_alert(0.01, bad)
    with caplog.at_level(logging.ERROR, "aiclient.session"):
        assert (await session.chat("x")).message.content == "a"
    assert [record.getMessage() for record in caplog.records] == [
        "a callback of set_alert raised ValueError; the session goes on"
    ]


@pytest.mark.parametrize(
    ("budget", "threshold", "callback", "problem"),
    [
        (None, 0.5, print, "needs a budget"),
        (1, 0, print, "threshold=0 must be a part"),
        (1, 1.5, print, "threshold=1.5 must be a part"),
        (1, True, print, "threshold=True must be a part"),
        (1, 0.5, "print", "callback='print' must be a function"),
    ],
)
async def test_a_wrong_alert_is_refused(budget, threshold, callback, problem):
    session, _ = over(budget_usd=budget)
    with pytest.raises(ConfigError, match=problem):
        session.set_alert(threshold, callback)


# --- rows and figures ---


async def test_there_is_one_row_for_each_request_with_its_retries_and_what_they_cost():
    clock = FakeClock()
    mock = MockProvider(["one", ServerError("no", status_code=500), "two", ServerError("no", status_code=500)])
    client = AsyncClient(mock, prices=DOLLAR_A_TOKEN, clock=clock).use(Retry(2, clock=clock))
    session = client.session()
    await session.chat("a")
    await session.batch_generate(["b c"])
    summary = session.summary()
    assert [(row.number, row.call, row.attempts, row.expense.usd) for row in session.rows] == [
        (1, "chat", 1, 2),
        (2, "item", 2, 3),
    ]
    assert (session.request_count, summary.retries, session.tokens_used, session.cost_usd) == (2, 1, 5, 5)
    assert summary.models[0].failed == 1


async def test_an_answer_from_a_cache_costs_nothing_and_says_what_it_saved():
    session, _ = over("a b", use=[Cache()], temperature=0, budget_usd=100)
    await session.batch_generate(["x", "x"], concurrency=1)
    assert [(row.cached, row.attempts, row.expense.usd) for row in session.rows] == [(False, 1, 3), (True, 0, 0)]
    assert session.expense.saved == 3


async def test_items_of_a_batch_are_no_part_of_the_conversation_and_have_the_system_prompt():
    session, mock = over(system="S")
    await session.chat("before")
    result = await session.batch_generate(["one", [{"role": "user", "content": "two"}]], concurrency=2)
    assert [answer.message.content for answer in result.values] == ["ONE", "TWO"]
    assert [message.content for message in mock.requests[-1].messages] == ["S", "two"]
    assert len(session.history) == 2


async def test_a_batch_may_run_while_a_stream_is_open():
    session, _ = over("a b")
    async with session.stream("x"):
        assert len((await session.batch_generate(["y"])).values) == 1


async def test_progress_of_a_batch_tells_what_it_cost():
    session, _ = over("a")
    told = []
    await session.batch_generate(["x", "y"], concurrency=1, on_progress=lambda p: told.append((p.done, p.expense.usd)))
    assert told == [(1, 2), (2, 4)]


async def test_an_exchange_that_outlives_its_request_is_added_to_its_row_when_it_ends():
    mock = Gated()
    client = AsyncClient(mock, prices=DOLLAR_A_TOKEN).use(SingleFlight())
    options = {"max_tokens": 5, "temperature": 0}
    first, second = client.session(budget_usd=100, **options), client.session(**options)
    one, two = asyncio.ensure_future(first.chat("x")), asyncio.ensure_future(second.chat("x"))
    await turns()
    one.cancel()
    await asyncio.wait([one])
    assert (first.rows[0].outcome, first.expense.unpriced) == ("cancelled", 1)
    mock.gate.set()
    await two
    await turns()
    assert [(row.outcome, row.attempts, row.expense.usd) for row in first.rows] == [("cancelled", 1, 2)]
    assert [(row.shared, row.attempts, row.expense.usd) for row in second.rows] == [(True, 0, 0)]
    assert (first.expense.unpriced, first.budget_remaining) == (0, 98)


async def test_the_exchange_of_a_lost_race_is_in_its_row():
    class Slow(MockProvider):
        def __init__(self):
            super().__init__(chat_func=self.answer)

        async def answer(self, request):
            number = self.calls
            await asyncio.sleep(0)
            if number == 1:
                await asyncio.Event().wait()
            return "a"

    clock = FakeClock()
    client = AsyncClient(Slow(), prices=DOLLAR_A_TOKEN, clock=clock).use(Hedge(0.5, clock=clock))
    session = client.session(budget_usd=1000, max_tokens=5)
    task = asyncio.ensure_future(session.chat("x"))
    await turns(5)
    clock.advance(1)
    await task
    await turns()
    assert session.rows[0].attempts == 2
    assert session.expense.unpriced == 0
    assert session.budget_remaining == 1000 - session.cost_usd


async def test_a_dry_run_sends_nothing_keeps_the_history_and_says_what_it_could_cost():
    session, mock = over(budget_usd=100, dry_run=True)
    response = await session.chat("one")
    async with session.stream("two") as stream:
        async for _ in stream:
            pass
    assert (mock.calls, response.dry_run, said(session)) == (0, True, [])
    assert (session.cost_usd, session.budget_remaining) == (0, 100)
    assert [row.dry_run for row in session.rows] == [True, True]
    assert session.rows[0].planned == response.raw.cost.usd > 5
    assert session.project(10).usd > 50


async def test_a_dry_run_refuses_what_the_budget_would_refuse():
    session, _ = over(budget_usd=1, dry_run=True)
    with pytest.raises(BudgetExceededError):
        await session.chat("one")


# --- beginning and end ---


async def test_a_closed_session_refuses_and_can_be_started_again():
    session, _ = over()
    async with session:
        await session.chat("a")
    with pytest.raises(ClientClosedError, match="start"):
        await session.chat("b")
    with pytest.raises(ClientClosedError):
        session.stream("b")
    with pytest.raises(ClientClosedError):
        await session.batch_generate(["b"])
    assert session.request_count == 1
    await session.start()
    await session.chat("b")
    assert len(session.history) == 4


async def test_closing_ends_the_call_under_way_and_those_that_wait_and_leaves_the_client_open():
    mock = Gated()
    client = AsyncClient(mock)
    session = client.session()
    tasks = [asyncio.ensure_future(session.chat(word)) for word in ("one", "two")]
    await turns()
    await session.close()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [ClientClosedError, ClientClosedError]
    mock.gate.set()
    assert (await client.chat("three")).message.content == "THREE"
    assert mock.closed == 0


async def test_closing_ends_a_batch_under_way():
    mock = Gated()
    session = AsyncClient(mock).session()
    task = asyncio.ensure_future(session.batch_generate(map(str, range(1000)), concurrency=3))
    await turns()
    await session.close()
    result = await task
    assert isinstance(result.stopped, ClientClosedError)
    assert len(result) <= 6
    assert mock.calls == 3


@pytest.mark.parametrize(
    ("provider", "problem"),
    [
        ("openai:gpt-5-mini", "not str"),
        (MockProvider, "not the class MockProvider"),
        (None, "not NoneType"),
        (Client(MockProvider()), "not Client: that has sessions of its own"),
    ],
    ids=["text", "class", "none", "sync"],
)
async def test_what_is_no_provider_is_refused_by_name(provider, problem):
    with pytest.raises(InvalidProviderError, match=problem):
        AsyncSession(provider)


async def test_closing_ends_an_open_stream_as_abandoned():
    session, _ = over("one two three")
    stream = await session.stream("a")
    await session.close()
    with pytest.raises(ClientClosedError):
        await anext(stream)
    assert session.rows[0].outcome == "abandoned"


async def test_a_session_over_a_plain_provider_closes_nothing_of_it():
    mock = MockProvider(echo)
    async with AsyncSession(resilient(mock), system="S") as session:
        await session.chat("a")
    assert (session.request_count, mock.closed) == (1, 0)


async def test_reset_begins_anew_with_the_whole_budget_and_another_identifier():
    session, _ = over("a b", budget_usd=100, id="s-1", history=[Message("user", "x"), Message("assistant", "y")])
    heard = []
    session.set_alert(0.01, heard.append)
    await session.chat("one", max_tokens=2)
    await session.reset()
    assert (session.history, session.rows, session.cost_usd, session.budget_remaining) == ((), (), 0, 100)
    assert session.id != "s-1"
    await session.chat("one", max_tokens=2)
    assert len(heard) == 2


async def test_a_call_under_way_when_the_session_is_reset_counts_for_what_was_before():
    mock = Gated()
    session = AsyncClient(mock).session()
    task = asyncio.ensure_future(session.chat("one"))
    await turns()
    await session.reset()
    mock.gate.set()
    assert (await task).message.content == "ONE"
    assert (session.history, session.rows) == ((), ())


async def test_closing_ends_what_was_under_way_before_a_reset_too():
    mock = Gated()
    session = AsyncClient(mock).session()
    task = asyncio.ensure_future(session.chat("one"))
    await turns()
    await session.reset()
    await session.close()
    with pytest.raises(ClientClosedError):
        await task


async def test_two_sessions_of_one_client_share_nothing():
    client = AsyncClient(MockProvider(echo), prices=DOLLAR_A_TOKEN)
    one, other = client.session(budget_usd=100, max_tokens=5), client.session(budget_usd=50, max_tokens=5)
    await asyncio.gather(one.chat("a"), other.chat("b"))
    assert (said(one)[0], said(other)[0]) == (("user", "a"), ("user", "b"))
    assert (one.budget_remaining, other.budget_remaining) == (98, 48)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"budget_usd": -1}, "budget_usd=-1 must be"),
        ({"budget_usd": "much"}, "budget_usd='much' must be"),
        ({"system": " "}, "system=' ' must be a text"),
        ({"id": ""}, "id='' must be a text"),
        ({"metadata": {"key": print}}, "metadata= must be a dict that JSON can hold"),
        ({"metadata": {1: 2}}, "metadata= must be"),
        ({"metadata": "notes"}, "metadata= must be"),
        ({"keep_messages": 0}, "keep_messages=0 must be"),
        ({"keep_tokens": 1.5}, "keep_tokens=1.5 must be"),
        ({"max_wait": 0}, "max_wait=0 must be"),
        ({"dry_run": 1}, "dry_run=1 must be"),
        ({"history": ["hi"]}, "history= takes Message values"),
        ({"temprature": 1}, "no option 'temprature'; did you mean temperature"),
        ({"temperature": 9}, "temperature= of int cannot be a setting"),
        ({"use": [Retry]}, "make an instance"),
    ],
    ids=str,
)
async def test_a_wrong_option_is_named(options, problem):
    with pytest.raises(ConfigError, match=problem):
        AsyncClient(MockProvider()).session(**options)


async def test_a_wrong_option_of_a_call_is_named_before_its_turn_comes():
    session, mock = over()
    with pytest.raises(ConfigError, match="did you mean seed"):
        await session.chat("a", sead=1)
    assert mock.calls == 0


async def test_the_repr_shows_no_content():
    session, _ = over(system="SECRET", metadata={"a": "SECRET"})
    await session.chat("SECRET")
    assert repr(session) == "AsyncSession(1 requests)"
    assert "SECRET" not in repr(session.rows) + repr(session.summary()) + str(session.summary())


class Broken(Layer):
    """A bug at the end of a call."""

    async def chat(self, request, inner):
        await inner.chat(request)
        raise RuntimeError("a bug")


async def test_a_bug_in_a_layer_gives_the_turn_back():
    session, _ = over(use=[Broken()])
    with pytest.raises(RuntimeError):
        await session.chat("a")
    with pytest.raises(RuntimeError):
        await session.chat("b")
    assert [row.outcome for row in session.rows] == ["failed", "failed"]


async def test_a_source_that_is_opened_and_read_by_hand_is_the_same_turn():
    session, _ = over(None)
    chunks = [ChatStreamChunk(content="x"), ChatStreamChunk(finish_reason="stop", last=True)]

    async def source():
        for chunk in chunks:
            yield chunk

    mock = MockProvider(chat_stream_func=lambda request: ChatStream(source()))
    session = AsyncClient(mock).session()
    stream = await session.stream("a")
    assert [chunk.content async for chunk in stream] == ["x", ""]
    assert said(session) == [("user", "a"), ("assistant", "x")]
    assert session.cost_usd in (0, None)
    assert Decimal(0) == session.expense.usd


async def test_over_a_real_connection_a_conversation_is_sent_again_whole_and_priced_by_what_the_service_counted():
    with LoopbackServer(reply=lambda messages: f"heard {len(messages)}", api_key="key") as server:
        provider = OpenAIProvider("key", model="gpt-5-mini", base_url=f"{server.url}/v1")
        async with AsyncClient(provider) as client, client.session(budget_usd=1, system="S", max_tokens=20) as session:
            await session.chat("one")
            async with session.stream("two") as stream:
                assert "".join([text async for text in stream.text]) == "heard 4"
            assert 0 < session.cost_usd < Decimal("0.001")
            assert [row.total_tokens > 0 for row in session.rows] == [True, True]
    sent = [message["content"] for message in json.loads(server.requests[-1].body)["messages"]]
    assert sent == ["S", "one", "heard 2", "two"]
