"""From a file into a file: each line once, whatever ended the run before."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal

import pytest

from aiclient import (
    AsyncClient,
    AuthenticationError,
    BudgetExceededError,
    CircuitOpenError,
    Client,
    ClientClosedError,
    ConfigError,
    ServerError,
    StoreError,
    TimeoutError,
)
from aiclient.bulk.journal import Journal
from aiclient.bulk.lines import Defaults
from aiclient.bulk.runs import BulkRun, run, status
from aiclient.request import ChatOptions
from aiclient.testutil import MockProvider

pytestmark = pytest.mark.anyio

PRICES = {"mock-model": {"input": 1, "output": 1}}


def echo(request):
    return f"about {request.messages[-1].content}"


def failing(error, on):
    """Answer all but one line."""

    def answer(request):
        if request.messages[-1].content == on:
            raise error
        return echo(request)

    return answer


@pytest.fixture
def files(tmp_path):
    """An input of ten lines, and where the output goes."""
    source = tmp_path / "in.jsonl"
    write(source, range(10))
    return source, tmp_path / "out.jsonl"


def write(path, names):
    path.write_text("".join(json.dumps({"id": name, "prompt": f"p{name}"}) + "\n" for name in names))


def results(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def ids(path):
    return [line["id"] for line in results(path) if "again" not in line]


async def go(files, reply=echo, **options):
    async with AsyncClient(MockProvider(reply), prices=PRICES) as client:
        return await run(client, *files, **options)


async def test_every_line_has_its_result(files):
    done = await go(files)
    assert (done.total, done.done, done.failed, done.earlier, done.left, done.stopped) == (10, 10, 0, 0, 0, None)
    assert sorted(ids(files[1])) == list(range(10))
    first = next(line for line in results(files[1]) if line["id"] == 0)
    assert set(first) == {"key", "line", "id", "content", "response", "usage", "cost"}
    assert (first["line"], first["content"]) == (1, "about p0")
    assert Decimal(first["cost"]) > 0
    assert done.usd == sum(Decimal(line["cost"]) for line in results(files[1]))


async def test_begun_again_it_asks_nothing(files):
    first = await go(files)
    again = await go(files, ServerError("nobody asks"))
    assert (again.done, again.earlier, again.usd) == (10, 10, first.usd)
    assert len(ids(files[1])) == 10


async def test_equal_lines_have_a_result_each(files):
    write(files[0], [1, 1, 1])
    await go(files)
    write(files[0], [1, 1, 1, 1, 2])
    assert (await go(files)).earlier == 3
    assert sorted(ids(files[1])) == [1, 1, 1, 1, 2]


async def test_a_line_that_fails_is_a_result_and_can_be_asked_again(files):
    done = await go(files, failing(ServerError("no", status_code=500), "p3"))
    assert (done.done, done.failed) == (10, 1)
    (line,) = [line for line in results(files[1]) if "error" in line]
    assert (line["id"], line["error"]["type"], line["error"]["status_code"]) == (3, "ServerError", 500)
    assert (await go(files)).failed == 1
    assert (await go(files, retry_failed=True)).failed == 0
    assert sorted(ids(files[1])) == list(range(10))


async def test_a_line_that_is_no_request_fails_alone(files):
    files[0].write_text('{"prompt": "a"}\nnonsense\n{"prompt": "b"}\n')
    done = await go(files)
    assert (done.done, done.failed) == (3, 1)


@pytest.mark.parametrize(
    "error", [AuthenticationError("wrong key"), CircuitOpenError("open"), ClientClosedError("x"), ConfigError("x")]
)
async def test_what_every_line_would_meet_ends_the_run_and_is_no_result(files, error):
    done = await go(files, failing(error, "p4"), concurrency=1)
    assert done.stopped is error
    assert (ids(files[1]), done.left) == ([0, 1, 2, 3], 6)
    assert (await go(files)).stopped is None
    assert sorted(ids(files[1])) == list(range(10))


async def test_the_budget_holds_over_all_runs_and_a_larger_one_goes_on(files):
    options = Defaults(options=ChatOptions(max_tokens=100))
    first = await go(files, budget="0.00012", defaults=options)
    assert isinstance(first.stopped, BudgetExceededError)
    assert 1 <= first.done < 10
    second = await go(files, budget="0.00012", defaults=options)
    assert isinstance(second.stopped, BudgetExceededError)
    assert second.usd <= Decimal("0.00012")
    assert (second.stopped.limit, second.stopped.spent) == (Decimal("0.00012"), first.usd)
    assert (await go(files, budget=first.usd, defaults=options)).done == second.done
    last = await go(files, budget=1, defaults=options)
    assert (last.done, last.stopped) == (10, None)
    assert sorted(ids(files[1])) == list(range(10))


async def test_what_failures_have_cost_is_not_forgotten_when_they_are_asked_again(files):
    options = Defaults(options=ChatOptions(max_tokens=100))
    late = failing(TimeoutError("late", phase="total"), "p3")
    first = await go(files, late, defaults=options)
    again = await go(files, late, defaults=options, retry_failed=True, budget=1)
    assert again.usd > first.usd
    assert status(*files, defaults=options).usd == again.usd
    third = await go(files, defaults=options, retry_failed=True, budget=again.usd)
    assert isinstance(third.stopped, BudgetExceededError)
    assert (third.done, third.failed, third.usd) == (9, 0, again.usd)
    last = await go(files, defaults=options, budget=1)
    assert (last.done, last.earlier, last.failed, sorted(ids(files[1]))) == (10, 9, 0, list(range(10)))


async def test_what_was_paid_for_the_line_that_ended_a_run_is_not_forgotten(files):
    ended = await go(files, failing(ClientClosedError("x"), "p4"), concurrency=1)
    (line,) = [line for line in results(files[1]) if "again" in line]
    assert (line["line"], line["id"], Decimal(line["cost"]) > 0) == (5, 4, True)
    assert (status(*files).usd, status(*files).done) == (ended.usd, 4)


async def test_what_does_not_fit_beside_the_others_waits_for_them(files):
    """Money for one line at a time, ten at once: all are done."""

    async def patient(request):
        for _ in range(20):
            await asyncio.sleep(0)
        return echo(request)

    done = await go(files, patient, budget="0.00025", defaults=Defaults(options=ChatOptions(max_tokens=100)))
    assert (done.done, done.stopped) == (10, None)


async def test_a_budget_needs_someone_who_knows_prices(files):
    with pytest.raises(ConfigError, match="budget= needs a client"):
        await run(MockProvider("x"), *files, budget=1)


class Slow(MockProvider):
    """The first line takes so many turns of the loop."""

    def __init__(self, turns):
        super().__init__(echo)
        self.turns, self.most = turns, 0

    async def chat(self, request, /):
        if request.messages[-1].content == "p0":
            for _ in range(self.turns):
                await asyncio.sleep(0)
        self.most = max(self.most, int(request.messages[-1].content[1:]))
        return await super().chat(request)


async def test_in_order_a_slow_line_holds_the_others_back(files):
    write(files[0], range(60))
    provider = Slow(2000)
    assert (await run(provider, *files, concurrency=2, ordered=True)).done == 60
    assert ids(files[1]) == list(range(60))


async def test_in_order_no_more_wait_in_memory_than_eight_for_each_call(files):
    write(files[0], range(60))
    provider, told = Slow(2000), []
    await run(provider, *files, concurrency=2, ordered=True, on_progress=lambda now: told.append(provider.most))
    assert told[0] <= 16


async def test_in_order_an_end_leaves_only_a_beginning(files):
    done = await go(files, failing(AuthenticationError("x"), "p4"), ordered=True)
    assert ids(files[1]) == [0, 1, 2, 3]
    assert done.left == 6
    await go(files, ordered=True)
    assert ids(files[1]) == list(range(10))


async def test_without_order_a_slow_line_holds_nobody_back(files):
    await run(Slow(200), *files, concurrency=2)
    assert ids(files[1])[-1] == 0


async def test_progress_is_told_after_every_line(files):
    told = []
    await go(files, on_progress=told.append, concurrency=1)
    assert [one.done for one in told] == list(range(1, 11))
    assert told[0].total == 10


@pytest.mark.parametrize("names", [range(5), range(1, 11), [0, 1, 2]])
async def test_results_of_another_input_are_not_mixed_with_these(files, names):
    await go(files)
    before = files[1].read_text()
    write(files[0], names)
    with pytest.raises(ConfigError, match="results are of other lines"):
        await go(files)
    assert files[1].read_text() == before


async def test_results_with_other_options_are_not_mixed_with_these(files):
    await go(files)
    with pytest.raises(ConfigError, match="other options"):
        await go(files, defaults=Defaults("Be brief."))


async def test_lines_may_change_places(files):
    await go(files, failing(AuthenticationError("x"), "p4"), concurrency=1)
    write(files[0], reversed(range(10)))
    await go(files)
    assert sorted(ids(files[1])) == list(range(10))


async def test_cancelling_leaves_whole_lines_and_the_file_free(files, at_every_step):
    write(files[0], range(4))

    def scene():
        def verify(task):
            assert len(set(ids(files[1]))) == len(ids(files[1])) <= 4

        files[1].unlink(missing_ok=True)
        Journal(files[1]).close()
        return run(MockProvider(echo), *files, concurrency=2), verify

    assert await at_every_step(scene) > 10
    await run(MockProvider(echo), *files)
    assert sorted(ids(files[1])) == list(range(4))


async def test_a_disk_that_refuses_ends_the_run(files, monkeypatch):
    class Full(Journal):
        def append(self, key, record):
            raise StoreError("full")

    monkeypatch.setattr("aiclient.bulk.runs.Journal", Full)
    with pytest.raises(StoreError):
        await go(files)


async def test_bad_arguments_are_config_errors(files, tmp_path):
    with pytest.raises(ConfigError, match="is not there"):
        await go((tmp_path / "none", files[1]))
    with pytest.raises(ConfigError, match="is no file"):
        await go((tmp_path, files[1]))
    with pytest.raises(ConfigError, match="input and output at once"):
        await go((files[0], files[0]))
    with pytest.raises(ConfigError, match="give one of them"):
        await go(files, ordered=True, retry_failed=True)


async def test_status_reads_the_files_alone(files):
    assert status(*files) == BulkRun(10)
    await go(files, failing(ServerError("x"), "p9"))
    with files[1].open("a") as file:
        file.write('{"key": "torn')
    text = files[1].read_text()
    now = status(*files)
    assert (now.total, now.done, now.failed) == (10, 10, 1)
    assert files[1].read_text() == text


# --- client.map(checkpoint=) ---


async def test_map_asks_once_for_what_its_checkpoint_holds(tmp_path):
    path, prompts = tmp_path / "answers.jsonl", ["a", "b", "a"]
    async with AsyncClient(MockProvider(["1", ServerError("no"), "3"])) as client:
        first = await client.map(prompts, concurrency=1, checkpoint=path)
    assert len(first.failures) == 1
    async with AsyncClient(MockProvider(["2"])) as client:
        again = await client.map(prompts, concurrency=1, checkpoint=path)
    assert [value.message.content for value in again.values] == ["1", "2", "3"]
    assert again.values[0] == first.values[0]


async def test_a_line_without_a_result_is_no_answer_of_a_checkpoint(tmp_path):
    async with AsyncClient(MockProvider(["1", "2"])) as client:
        await client.map(["a"], checkpoint=tmp_path / "x")
        line = json.loads((tmp_path / "x").read_text())
        (tmp_path / "x").write_text(json.dumps({"key": line["key"], "again": True, "cost": "1"}) + "\n")
        result = await client.map(["a"], checkpoint=tmp_path / "x")
    assert result.values[0].message.content == "2"


async def test_map_asks_again_when_the_request_is_another(tmp_path):
    async with AsyncClient(MockProvider(echo)) as client:
        await client.map(["a"], checkpoint=tmp_path / "x")
        found = await client.map(["b"], checkpoint=tmp_path / "x")
    assert found.values[0].message.content == "about b"


def test_map_of_a_sync_client_has_a_checkpoint_too(tmp_path):
    with Client(MockProvider(["1"])) as client:
        client.map(["a"], checkpoint=tmp_path / "x")
        assert client.map(["a"], checkpoint=tmp_path / "x").values[0].message.content == "1"


async def test_a_checkpoint_that_is_somebody_elses_file_is_refused(tmp_path):
    (tmp_path / "x").write_text("notes\n")
    async with AsyncClient(MockProvider("x")) as client:
        with pytest.raises(ConfigError, match="something else"):
            await client.map(["a"], checkpoint=tmp_path / "x")


async def test_an_answer_of_a_checkpoint_that_is_damaged_is_an_error_of_its_item(tmp_path):
    async with AsyncClient(MockProvider("x")) as client:
        await client.map(["a"], checkpoint=tmp_path / "x")
        line = json.loads((tmp_path / "x").read_text())
        (tmp_path / "x").write_text(json.dumps({"key": line["key"]}) + "\n")
        (item,) = await client.map(["a"], checkpoint=tmp_path / "x")
    assert isinstance(item.error, StoreError)
