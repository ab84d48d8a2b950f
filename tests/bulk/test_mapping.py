"""Many calls: the bound, the order, the input, one outcome for each item, and nothing left when it ends early."""

from __future__ import annotations

import asyncio
import gc
import logging
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient import AIClientError, AsyncClient, ClientClosedError, ConfigError, RateLimitError, ServerError
from aiclient.bulk.mapping import map as bulk_map
from aiclient.middleware import Retry
from aiclient.testutil import FakeClock, MockProvider

pytestmark = pytest.mark.anyio


class Bench:
    """Calls that take so many turns of the loop, and how many of them ran at once."""

    def __init__(self, turns=lambda item: 1, fails=()):
        self.turns, self.fails = turns, fails
        self.running = self.most = 0
        self.begun = []
        self.ended = []

    async def __call__(self, item):
        self.begun.append(item)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            for _ in range(self.turns(item)):
                await asyncio.sleep(0)
            if item in self.fails:
                raise ServerError(f"no {item}")
            return item * 10
        finally:
            self.running -= 1
            self.ended.append(item)


class Source:
    """Items that count how many were asked for."""

    def __init__(self, total):
        self.total, self.given = total, 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.given == self.total:
            raise StopIteration
        self.given += 1
        return self.given - 1


async def yielding(items):
    for item in items:
        await asyncio.sleep(0)
        yield item


@given(
    turns=st.lists(st.integers(0, 5), max_size=12),
    concurrency=st.integers(1, 6),
    fails=st.sets(st.integers(0, 11)),
    as_async=st.booleans(),
)
def test_every_item_has_its_outcome_in_its_place_and_no_more_run_at_once_than_allowed(
    turns, concurrency, fails, as_async
):
    bench = Bench(turns.__getitem__, fails)
    items = list(range(len(turns)))
    result = asyncio.run(bulk_map(bench, yielding(items) if as_async else items, concurrency=concurrency))
    assert [(item.index, item.item) for item in result] == list(enumerate(items))
    assert [item.value for item in result] == [None if item in fails else item * 10 for item in items]
    assert [item.index for item in result.failures] == sorted(fails & set(items))
    assert bench.most == min(bench.most, concurrency)
    assert bench.running == 0


async def test_all_places_are_used():
    bench = Bench(lambda _: 20)
    await bulk_map(bench, range(12), concurrency=4)
    assert bench.most == 4


async def test_the_input_is_read_only_when_a_place_is_free():
    source, gate = Source(1000), asyncio.Event()

    async def waits(item):
        await gate.wait()
        return item

    task = asyncio.ensure_future(bulk_map(waits, source, concurrency=3))
    for _ in range(20):
        await asyncio.sleep(0)
    assert source.given == 3
    gate.set()
    assert (await task).values == list(range(1000))


async def test_nothing_at_all_is_an_empty_result():
    result = await bulk_map(Bench(), [])
    assert (list(result), result.stopped, result.expense.usd) == ([], None, Decimal(0))


async def test_a_bug_in_the_callers_function_is_that_items_error_and_loses_no_other_answer():
    async def call(item):
        return 6 // item

    result = await bulk_map(call, [1, 0, 3])
    assert result.values == [6, 2]
    assert isinstance(result[1].error, ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        result[1].unwrap()


async def test_a_call_that_cancels_itself_is_an_outcome_and_not_the_end_of_the_others():
    async def call(item):
        if item == 1:
            raise asyncio.CancelledError
        return item

    result = await bulk_map(call, range(3), concurrency=1)
    assert result.values == [0, 2]
    assert result[1].error.kind == "cancelled"


async def test_stop_begins_no_further_item_and_lets_those_under_way_finish():
    source, bench = Source(100), Bench(lambda item: 1 if item == 1 else 10, {1})
    result = await bulk_map(bench, source, concurrency=3, on_error="stop")
    assert [item.item for item in result] == [0, 1, 2]
    assert result.values == [0, 20]
    assert result.stopped is result[1].error
    assert source.given == 3


async def test_what_an_iterator_still_holds_after_a_stop_can_be_done_later():
    rest = iter(range(5))
    await bulk_map(Bench(fails={1}), rest, concurrency=1, on_error="stop")
    assert list(rest) == [2, 3, 4]


async def test_raise_cancels_the_others_and_raises_the_failure_with_the_place_of_its_item():
    bench = Bench(lambda item: 1 if item == 2 else 1000, {2})
    with pytest.raises(ServerError, match="no 2") as caught:
        await bulk_map(bench, range(10), concurrency=4, on_error="raise")
    assert caught.value.__notes__ == ["this was item 2"]
    assert bench.running == 0
    assert bench.begun == [0, 1, 2, 3]


async def test_what_reading_the_input_raises_is_raised_when_those_under_way_have_finished():
    def broken():
        yield 0
        yield 1
        raise OSError("the file is gone")

    bench, told = Bench(lambda _: 5), []
    with pytest.raises(OSError, match="the file is gone"):
        await bulk_map(bench, broken(), concurrency=5, on_progress=lambda progress: told.append(progress.last.value))
    assert sorted(told) == [0, 10]


async def test_an_async_input_that_was_made_here_is_closed_when_it_ends_early():
    closed = []

    class Rows:
        async def __aiter__(self):
            try:
                for item in range(100):
                    yield item
            finally:
                closed.append(True)

    await bulk_map(Bench(fails={0}), Rows(), concurrency=1, on_error="stop")
    assert closed == [True]


async def test_progress_is_told_after_every_item_with_the_outcome_and_what_it_cost():
    prices = {"mock-model": {"input": 1_000_000, "output": 0}}
    told = []
    async with AsyncClient(MockProvider(["a", ServerError("no", status_code=500), "c"]), prices=prices) as client:
        await client.map(["one two", "x", "three"], concurrency=1, on_progress=told.append)
    assert [(p.done, p.failed, p.total, p.last.index) for p in told] == [(1, 0, 3, 0), (2, 1, 3, 1), (3, 1, 3, 2)]
    assert [p.last.ok for p in told] == [True, False, True]


async def test_the_total_is_unknown_until_an_input_without_length_has_ended():
    told = []
    await bulk_map(Bench(), (item for item in range(3)), concurrency=1, on_progress=lambda p: told.append(p.total))
    assert told == [None, None, None]


async def test_a_progress_function_that_fails_ends_nothing_and_is_logged_once_without_its_words(caplog):
    def bad(progress):
        raise ValueError("SECRET")

    with caplog.at_level(logging.ERROR, "aiclient.bulk"):
        result = await bulk_map(Bench(), range(3), on_progress=bad)
    assert len(result.values) == 3
    assert [record.getMessage() for record in caplog.records] == ["on_progress raised ValueError; the work goes on"]


async def test_cancelling_at_any_step_leaves_no_task_and_no_call(at_every_step):
    def scene():
        bench = Bench(lambda item: item % 3, {4})

        def verify(task):
            assert bench.running == 0
            assert sorted(bench.begun) == sorted(bench.ended)

        return bulk_map(bench, yielding(range(6)), concurrency=3), verify

    assert await at_every_step(scene) > 20


async def test_two_batches_at_once_do_not_disturb_each_other():
    one, other = Bench(lambda _: 3), Bench(lambda _: 2)
    first, second = await asyncio.gather(
        bulk_map(one, range(7), concurrency=2), bulk_map(other, range(5), concurrency=3)
    )
    assert (first.values, second.values) == ([0, 10, 20, 30, 40, 50, 60], [0, 10, 20, 30, 40])
    assert (one.most, other.most) == (2, 3)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"items": "text"}, "items of str: give a list"),
        ({"items": 5}, "items of int: give a list"),
        ({"items": {"a": 1}}, "items of dict: give a list"),
        ({"concurrency": 0}, "concurrency=0 must be a whole number of at least 1"),
        ({"concurrency": 2.5}, "concurrency=2.5 must"),
        ({"concurrency": True}, "concurrency=True must"),
        ({"on_error": "ignore"}, "on_error='ignore' is none of collect, stop, raise"),
        ({"on_progress": 3}, "on_progress=3 must be a plain function"),
    ],
    ids=str,
)
async def test_a_wrong_argument_is_named_before_anything_is_called(options, problem):
    bench = Bench()
    given = {"items": [], **options}
    items = given.pop("items")
    with pytest.raises(ConfigError, match=problem):
        await bulk_map(bench, items, **given)
    assert bench.begun == []


async def test_a_class_may_be_told_of_the_progress():
    assert list(await bulk_map(Bench(), [], on_progress=Bench)) == []


async def test_an_async_progress_function_is_refused():
    async def late(progress): ...

    with pytest.raises(ConfigError, match="nothing waits for it"):
        await bulk_map(Bench(), [], on_progress=late)


# --- over a client ---


async def test_a_client_answers_many_prompts_of_every_form():
    async with AsyncClient(MockProvider(lambda request: request.messages[-1].content.upper())) as client:
        request = client.new_request().system("Be brief.").user("c").build()
        result = await client.map(["a", [{"role": "user", "content": "b"}], request], concurrency=2)
    assert [answer.message.content for answer in result.values] == ["A", "B", "C"]


async def test_the_attempts_of_failed_calls_are_in_the_expense():
    prices = {"mock-model": {"input": 1_000_000, "output": 0}}
    script = [ServerError("no"), "a", "b"]
    async with AsyncClient(MockProvider(script), prices=prices).use(Retry(clock=FakeClock())) as client:
        result = await client.map(["one", "two words"], concurrency=1)
    assert result.expense.usd == Decimal(3)
    assert result.expense.unpriced == 0


async def test_what_nobody_can_price_is_counted_and_not_taken_for_free():
    result = await bulk_map(AsyncClient(MockProvider(), prices={}).chat, ["a", "b"])
    assert (result.expense.known, result.expense.unpriced) in [(None, 2), (Decimal(0), 0)]  # mocks may be priced 0


async def test_a_closed_client_ends_the_batch_instead_of_failing_an_endless_input_for_ever():
    source = Source(1000)
    client = AsyncClient(MockProvider())
    await client.close()
    result = await client.map((f"{number}" for number in source), concurrency=2)
    assert isinstance(result.stopped, ClientClosedError)
    assert source.given <= 3


async def test_closing_the_client_ends_the_calls_under_way():
    hang = asyncio.Event()

    async def waits(request):
        await hang.wait()

    client = AsyncClient(MockProvider(chat_func=waits))
    task = asyncio.ensure_future(client.map(map(str, range(100)), concurrency=2))
    for _ in range(5):
        await asyncio.sleep(0)
    await client.close()
    result = await task
    assert {type(item.error) for item in result} == {ClientClosedError}


async def test_the_repr_of_outcomes_shows_no_content():
    result = await bulk_map(AsyncClient(MockProvider("SECRET")).chat, ["SECRET"])
    assert "SECRET" not in repr(result) + repr(result[0])
    assert repr(result) == "BulkResult(1 items, 0 failed)"


async def test_an_interruption_in_a_call_goes_through_and_ends_the_others():
    class Interrupted(BaseException): ...

    bench = Bench(lambda _: 1000)

    async def call(item):
        if item == 2:
            raise Interrupted
        return await bench(item)

    with pytest.raises(Interrupted):
        await bulk_map(call, range(10), concurrency=3)
    assert bench.running == 0
    gc.collect()


async def test_rate_limits_are_outcomes_like_any_other():
    result = await bulk_map(AsyncClient(MockProvider(RateLimitError("slow"))).chat, ["a"])
    assert isinstance(result[0].error, AIClientError)
    assert result[0].error.category == "rate_limit"
