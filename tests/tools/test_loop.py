"""The loop with tools: what is called, what the model is told, when it ends, and that nothing is left running."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import pickle
import threading

import pytest

from aiclient import (
    AsyncClient,
    AudioPart,
    BudgetExceededError,
    ChatRequest,
    ChatResponse,
    ChatStreamChunk,
    Client,
    ConfigError,
    ImagePart,
    Message,
    ServerError,
    StreamClosedError,
    StreamInterruptedError,
    TextPart,
    Tool,
    ToolCall,
    ToolChoice,
    ToolError,
    ToolResultPart,
    Usage,
    tool,
)
from aiclient.errors import TimeoutError
from aiclient.middleware import Budget, Retry
from aiclient.testutil import FakeClock, MockProvider, fixtures
from aiclient.tools.loop import ToolLoop

pytestmark = pytest.mark.anyio


@tool
def weather(city: str) -> str:
    """Say what the weather is like."""
    return f"sun in {city}"


@tool
async def hour(zone: str = "UTC") -> dict[str, str]:
    """Say how late it is."""
    return {"zone": zone, "hour": "12"}


def asks(*calls, text="", finish="tool_calls", **more):
    """An answer that asks for tools: names, or pairs of name and arguments."""
    pairs = [(call, "{}") if isinstance(call, str) else call for call in calls]
    found = [ToolCall(f"c{number}", name, arguments) for number, (name, arguments) in enumerate(pairs)]
    return ChatResponse(Message("assistant", text or None, tool_calls=found), finish_reason=finish, **more)


WEATHER = ("weather", '{"city": "Bonn"}')


async def run(script, tools=(weather, hour), *, request=None, **options):
    """Run a conversation with a model that answers by the script; return the result and the requests it got."""
    seen, answers = [], iter(script)

    def answer(request):
        seen.append(request)
        return next(answers)

    async with AsyncClient(MockProvider(chat_func=answer)) as client:
        builder = client.new_request().user("?")
        result = await (builder if request is None else request(builder)).run(tools, **options)
    return result, seen


def told(result):
    return [(use.outcome, "".join(part.text for part in use.result.content)) for use in result.uses]


# --- rounds ---


async def test_an_answer_without_tools_ends_it():
    result, seen = await run(["Hello."])
    assert (result.stopped, result.text, len(result.rounds), result.uses) == ("answer", "Hello.", 1, ())
    assert [offered.name for offered in seen[0].options.tools] == ["weather", "hour"]


async def test_tools_are_used_and_their_results_told_until_there_is_an_answer():
    result, seen = await run([asks(WEATHER, "hour", text="Let me see."), asks("hour"), "Noon, and sunny."])
    assert (result.stopped, result.text) == ("answer", "Noon, and sunny.")
    assert [message.role for message in result.messages] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "tool",
        "assistant",
    ]
    assert told(result) == [
        ("ok", "sun in Bonn"),
        ("ok", '{"zone": "UTC", "hour": "12"}'),
        ("ok", '{"zone": "UTC", "hour": "12"}'),
    ]
    assert seen[1].messages == result.messages[:3]
    assert seen[1].messages[2].parts == tuple(use.result for use in result.rounds[0].uses)
    assert [use.value for use in result.uses][:2] == ["sun in Bonn", {"zone": "UTC", "hour": "12"}]


async def test_every_round_is_a_call_of_its_own_with_the_clients_layers():
    script = [ServerError("down"), asks("hour"), ServerError("down"), "Noon."]
    mock = MockProvider(script)
    async with AsyncClient(mock) as client:
        client.use(Retry(clock=FakeClock()))
        result = await client.new_request().user("?").run([hour])
    assert [len(one.response.attempts) for one in result.rounds] == [2, 2]


async def test_costs_and_tokens_are_those_of_all_rounds():
    usage = Usage(prompt_tokens=100, completion_tokens=10)
    script = [asks("hour", usage=usage), ChatResponse(Message("assistant", "Noon."), finish_reason="stop", usage=usage)]
    async with AsyncClient(MockProvider(script), prices={"mock-model": {"input": 1, "output": 10}}) as client:
        result = await client.new_request().user("?").run([hour])
    assert (str(result.expense.usd), result.expense.unpriced) == ("0.0004", 0)
    assert (result.usage.prompt_tokens, result.usage.completion_tokens) == (200, 20)


async def test_tokens_that_one_answer_does_not_report_are_not_known():
    result, _ = await run(
        [asks("hour", usage=Usage(prompt_tokens=5, completion_tokens=1)), asks(finish="stop", text="x")]
    )
    assert result.usage == Usage()


async def test_a_tool_that_had_to_be_used_once_need_not_be_used_again():
    result, seen = await run([asks("hour"), "Noon."], request=lambda new: new.tool_choice("hour"))
    assert [request.options.tool_choice for request in seen] == [ToolChoice("named", "hour"), ToolChoice()]
    assert result.stopped == "answer"


async def test_tools_of_the_request_are_offered_and_never_called():
    other = Tool("search")
    result, seen = await run([asks("search"), "Well."], request=lambda new: new.tools(other, Tool("hour")))
    assert [offered.name for offered in seen[0].options.tools] == ["search", "weather", "hour"]
    assert seen[0].options.tools[2] == hour.tool
    assert told(result) == [("unknown", "there is no tool 'search'; there are: weather, hour")]


async def test_a_typed_output_is_that_of_the_last_answer():
    script = [asks("hour"), '{"value": "x"}', '{"value": 12}']
    async with AsyncClient(MockProvider(script)) as client:
        result = await client.new_request().user("?").output(int).run([hour])
    assert (result.output, len(result.rounds)) == (12, 2)


# --- the end ---


async def test_at_the_last_round_no_tool_is_used():
    called = []

    @tool
    def count() -> int:
        """Count."""
        called.append(1)
        return len(called)

    result, seen = await run([asks(("count", f'{{"n": {n}}}')) for n in range(9)], [count], max_rounds=3)
    assert (result.stopped, len(result.rounds), len(seen)) == ("max_rounds", 3, 3)
    result, _ = await run([asks("count") for _ in range(9)], [count], max_rounds=3)
    assert (result.stopped, len(called)) == ("max_rounds", 2)
    assert result.messages[-1].tool_calls


@pytest.mark.parametrize("finish", ["length", "content_filter", "error"])
async def test_an_answer_that_was_cut_has_none_of_its_calls_made(finish):
    result, _ = await run([asks("hour", finish=finish)])
    assert (result.stopped, result.uses) == ("cut", ())


async def test_ten_thousand_calls_at_once_are_none():
    result, seen = await run([asks(*["hour"] * 10_000)])
    assert (result.stopped, result.uses, len(seen)) == ("max_calls", (), 1)


async def test_the_same_call_again_and_again_is_told_so_and_ends_it():
    called = []

    @tool
    def look(at: int = 0) -> str:
        """Look."""
        called.append(at)
        return "nothing"

    same = ["{}", "{}", '{"at": 1}', "{ }", "{}", "{}"]
    result, _ = await run([asks(("look", arguments)) for arguments in same], [look], max_repeats=2)
    assert (result.stopped, called) == ("repeated", [0, 0, 1])
    assert told(result)[-1] == ("repeated", "the same call was made 2 times; use its result, or call differently")


async def test_a_repeated_call_beside_another_does_not_end_it():
    pair = asks("hour", WEATHER)
    result, _ = await run([asks("hour"), pair, "Well."], max_repeats=1)
    assert [use.outcome for use in result.uses] == ["ok", "repeated", "ok"]
    assert result.stopped == "answer"


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_condition_of_ones_own_ends_it(asynchronous):
    def enough(so_far):
        return len(so_far.rounds) == 2

    async def later(so_far):
        await asyncio.sleep(0)
        return enough(so_far)

    result, seen = await run([asks("hour")] * 5, stop_when=later if asynchronous else enough)
    assert (result.stopped, len(seen), len(result.uses)) == ("stop_when", 2, 2)


async def test_a_call_that_fails_ends_it_with_the_run_so_far():
    with pytest.raises(ServerError) as caught:
        await run([asks("hour"), ServerError("down")])
    so_far = caught.value.run
    assert (so_far.stopped, len(so_far.rounds), len(so_far.uses)) == ("failed", 1, 1)
    assert [message.role for message in so_far.messages] == ["user", "assistant", "tool"]
    assert pickle.loads(pickle.dumps(caught.value)).category == "server"


async def test_a_run_that_fails_at_once_has_no_answer():
    with pytest.raises(ServerError) as caught:
        await run([ServerError("down")])
    with pytest.raises(LookupError, match="before the first answer"):
        _ = caught.value.run.response


async def test_a_budget_ends_it_between_two_rounds():
    usage = Usage(prompt_tokens=1000, completion_tokens=1000)
    mock = MockProvider([asks("hour", usage=usage)] * 5)
    async with AsyncClient(mock, prices={"mock-model": {"input": 1000, "output": 1000}}) as client:
        client.use(Budget(usd=2))
        with pytest.raises(BudgetExceededError) as caught:
            await client.new_request().user("?").max_tokens(100).run([hour])
    assert (mock.calls, len(caught.value.run.uses)) == (1, 1)


# --- tools that fail ---


def failing(error):
    @tool(name="fail")
    def fail():
        """Fail."""
        raise error

    return fail


async def test_the_model_is_told_the_kind_of_an_error_and_not_its_text():
    result, seen = await run([asks("fail"), "Oh."], [failing(KeyError("password"))])
    assert told(result) == [("failed", "the tool failed: KeyError")]
    assert seen[1].messages[-1].parts == (ToolResultPart("c0", "the tool failed: KeyError", "fail", is_error=True),)
    assert isinstance(result.uses[0].error, KeyError)
    assert "password" not in repr(result)


async def test_the_text_of_a_tool_error_is_for_the_model():
    result, _ = await run([asks("fail"), "Oh."], [failing(ToolError("there is no such city"))], retries=3)
    assert told(result) == [("failed", "there is no such city")]
    assert result.uses[0].attempts == 1


async def test_an_error_may_end_the_run():
    error = KeyError("x")
    with pytest.raises(KeyError) as caught:
        await run([asks("fail", "hour"), "Oh."], [failing(error), hour], on_error="raise")
    assert caught.value is error


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_function_may_say_what_the_model_is_told(asynchronous):
    def say(call, error):
        return f"{call.name}: {type(error).__name__}, try later"

    async def later(call, error):
        return say(call, error)

    result, _ = await run([asks("fail"), "Oh."], [failing(OSError())], on_error=later if asynchronous else say)
    assert told(result) == [("failed", "fail: OSError, try later")]


async def test_arguments_that_do_not_fit_are_told_and_the_tool_is_not_called():
    result, _ = await run(
        [asks(("weather", '{"city": 5}'), ("weather", "{"), ("weather", '{"a": NaN}')), "Oh."], retries=2
    )
    assert [use.outcome for use in result.uses] == ["invalid"] * 3
    assert "$.city: must be a text, not a number" in told(result)[0][1]
    assert "not valid JSON" in told(result)[1][1]
    assert [use.attempts for use in result.uses] == [1, 1, 1]


async def test_what_no_model_can_read_is_a_failure_of_the_tool():
    @tool
    def strange() -> object:
        """Return something."""
        return threading.Lock()

    result, _ = await run([asks("strange"), "Oh."], [strange])
    assert told(result) == [("failed", "the tool failed: ConfigError")]


@pytest.mark.parametrize(("retries", "calls"), [(0, 1), (2, 3), ({"flaky": 1}, 2)])
async def test_a_tool_that_failed_is_called_again(retries, calls):
    called = []

    @tool
    async def flaky() -> str:
        """Fail."""
        called.append(1)
        raise OSError

    result, _ = await run([asks("flaky"), "Oh."], [flaky, hour], retries=retries)
    assert (len(called), result.uses[0].attempts) == (calls, calls)


async def test_a_tool_that_succeeds_the_second_time_has_succeeded():
    answers = iter([OSError(), "well"])

    @tool
    async def flaky() -> str:
        """Fail once."""
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    result, _ = await run([asks("flaky"), "Oh."], [flaky], retries=2)
    assert (told(result), result.uses[0].attempts, result.uses[0].error) == ([("ok", "well")], 2, None)


async def test_pictures_of_a_tool_are_told_as_they_are():
    picture = ImagePart(data=b"\x89PNG", media_type="image/png")

    @tool
    def draw(many: bool) -> object:
        """Draw."""
        return ["Here:", picture][1:] if many else picture

    result, _ = await run([asks(("draw", '{"many": true}'), ("draw", '{"many": false}')), "Oh."], [draw])
    assert [use.result.content for use in result.uses] == [(picture,), (picture,)]


# --- approval ---


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (False, "the call was not allowed"),
        ("too dear", "the call was not allowed: too dear"),
        (1, "the call was not allowed"),
    ],
)
async def test_a_call_that_is_not_approved_is_not_made(verdict, words):
    called = []

    @tool
    def pay(amount: int) -> str:
        """Pay."""
        called.append(amount)
        return "paid"

    result, _ = await run([asks(("pay", '{"amount": 5}')), "Oh."], [pay], approve=lambda _: verdict)
    assert (told(result), called) == ([("refused", words)], [])


async def test_calls_are_approved_one_after_the_other():
    asking = []

    async def approve(call):
        asking.append(call.id)
        now = list(asking)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert asking == now
        return True

    result, _ = await run([asks("hour", "hour", "hour"), "Oh."], approve=approve)
    assert asking == ["c0", "c1", "c2"]
    assert [use.outcome for use in result.uses] == ["ok"] * 3


async def test_what_is_not_there_or_does_not_need_to_be_asked_is_not():
    asked = []
    await run([asks("nothing"), "Oh."], approve=asked.append)
    assert asked == []


# --- time ---


async def test_calls_of_one_answer_run_at_the_same_time_up_to_a_limit():
    running, most = [], []

    @tool
    async def wait(number: int) -> int:
        """Wait."""
        running.append(number)
        most.append(len(running))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running.remove(number)
        return number

    calls = [("wait", f'{{"number": {number}}}') for number in range(9)]
    result, _ = await run([asks(*calls), "Oh."], [wait], concurrency=3)
    assert max(most) == 3
    assert [use.value for use in result.uses] == list(range(9))


async def test_a_tool_that_takes_too_long_is_told_so():
    clock = FakeClock()
    ended = []

    @tool
    async def sleep() -> str:
        """Sleep."""
        try:
            await clock.sleep(100)
        finally:
            ended.append(1)
        return "rested"

    result, _ = await run([asks("sleep"), "Oh."], [sleep], tool_timeout=5, retries=3, clock=clock)
    assert (told(result), ended) == ([("timeout", "the tool took longer than 5 s")], [1])
    assert (result.uses[0].attempts, str(result.uses[0].error)) == (
        1,
        "the tool sleep took longer than tool_timeout=5 seconds",
    )


async def test_the_whole_run_has_an_end_whatever_it_waits_for():
    clock = FakeClock()

    @tool
    async def sleep() -> str:
        """Sleep."""
        await clock.sleep(100)
        return "rested"

    with pytest.raises(TimeoutError, match="the run took longer than timeout=7 seconds") as caught:
        await run([asks("sleep"), "Oh."], [sleep], timeout=7, tool_timeout=None, clock=clock)
    assert caught.value.phase == "total"
    assert len(caught.value.run.rounds) == 1


async def test_the_tools_that_had_ended_are_in_a_run_that_failed():
    clock = FakeClock()

    @tool
    async def hang() -> str:
        """Hang."""
        return await asyncio.Event().wait()

    @tool
    async def pay() -> str:
        """Pay, and take long for it."""
        clock.advance(8)
        return "paid"

    with pytest.raises(TimeoutError) as caught:
        await run([asks("hang", "pay", "hour")], [hang, pay, hour], timeout=7, clock=clock)
    assert [use.value for use in caught.value.run.uses] == ["paid", {"zone": "UTC", "hour": "12"}]
    assert caught.value.run.messages[-1].role == "assistant"


async def test_a_slow_answer_is_cut_by_the_time_of_the_run():
    clock = FakeClock()

    async def slow(_):
        await clock.sleep(100)
        return "late"

    async with AsyncClient(MockProvider(chat_func=slow)) as client:
        with pytest.raises(TimeoutError):
            await client.new_request().user("?").run([hour], timeout=3, clock=clock)


# --- options ---


@pytest.mark.parametrize(
    "options",
    [
        {"max_rounds": 0},
        {"max_calls": True},
        {"concurrency": 1.5},
        {"max_repeats": -1},
        {"timeout": 0},
        {"tool_timeout": "5"},
        {"retries": -1},
        {"retries": {"hour": True}},
        {"retries": {"minute": 1}},
        {"approve": "yes"},
        {"on_error": "ignore"},
        {"stop_when": 3},
    ],
)
def test_an_option_that_is_none_is_refused_by_name(options):
    (name,) = options
    with pytest.raises(ConfigError, match=name):
        ToolLoop([weather, hour], **options)


@pytest.mark.parametrize(
    ("tools", "problem"),
    [
        ([], "no tool to run"),
        (weather, r"a list: give \[FunctionTool\(weather"),
        ([hour, hour], "the same name"),
        ([Tool("x")], "with @tool, not Tool"),
        ([print], "@tool"),
    ],
)
def test_tools_that_cannot_be_run_are_refused(tools, problem):
    with pytest.raises(ConfigError, match=problem):
        ToolLoop(tools)


# --- streams ---


async def events(script, tools=(weather, hour), **options):
    found = []
    async with AsyncClient(MockProvider(script)) as client:
        async with client.new_request().user("?").run_stream(tools, **options) as stream:
            async for event in stream:
                found.append(event)
    return found, stream


async def test_a_streamed_run_tells_what_happens_in_order():
    found, stream = await events([asks(WEATHER, text="Let me see."), "It is sunny."])
    kinds = [event.kind for event in found if event.kind != "chunk"]
    assert kinds == ["answer", "tool_started", "tool_ended", "answer", "end"]
    assert "".join(event.chunk.content for event in found if event.kind == "chunk") == "Let me see.It is sunny."
    assert {event.round for event in found if event.kind == "chunk"} == {1, 2}
    assert found[-1].result is stream.result
    assert (stream.result.stopped, stream.result.text) == ("answer", "It is sunny.")


async def test_a_streamed_run_leaves_the_same_as_one_that_is_not():
    script = [asks(WEATHER, "hour"), asks("nothing", ("weather", "{}")), "Well."]
    whole, _ = await run(script)
    _, stream = await events(script)
    assert (stream.result.stopped, told(stream.result)) == (whole.stopped, told(whole))
    assert stream.result.messages == whole.messages


async def test_the_text_of_a_streamed_run_alone():
    async with AsyncClient(MockProvider([asks("hour", text="So."), "Noon."])) as client:
        async with client.new_request().user("?").run_stream([hour]) as stream:
            assert "".join([piece async for piece in stream.text]) == "So.Noon."
        assert stream.result.stopped == "answer"


async def test_without_async_with_a_run_is_refused_and_nothing_is_sent():
    mock = MockProvider("x")
    async with AsyncClient(mock) as client:
        with pytest.raises(StreamClosedError, match="async with"):
            async for _ in client.new_request().user("?").run_stream([hour]):
                pass
    assert mock.calls == 0


async def test_a_run_that_was_left_early_has_no_result_and_leaves_no_stream_open():
    async with AsyncClient(MockProvider("a b c d")) as client:
        async with client.new_request().user("?").run_stream([hour]) as stream:
            async for event in stream:
                if event.chunk.content:
                    break
            assert len(client._calls) == 1
        assert not client._calls
    with pytest.raises(StreamClosedError, match="has not come to its end"):
        _ = stream.result


async def test_tools_under_way_end_when_a_run_is_left():
    ended = []

    @tool
    async def wait() -> str:
        """Wait."""
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(1)
        return ""

    before = asyncio.all_tasks()
    async with AsyncClient(MockProvider([asks("wait", "wait")])) as client:
        async with client.new_request().user("?").run_stream([wait]) as stream:
            started = 0
            async for event in stream:
                started += event.kind == "tool_started"
                if started == 2:
                    await asyncio.sleep(0)
                    break
    assert ended == [1, 1]
    assert asyncio.all_tasks() == before


async def test_a_stream_that_breaks_off_ends_the_run_as_it_would_end_a_call():
    script = [asks("hour"), fixtures.broken_stream("Noon, and")]
    with pytest.raises(StreamInterruptedError) as caught:
        await events(script)
    assert caught.value.partial.message.content == "Noon, and"
    assert len(caught.value.run.uses) == 1


# --- cancellation and company ---


@pytest.mark.parametrize("stream", [False, True])
async def test_a_cancellation_at_any_step_leaves_nothing_running(at_every_step, stream):
    def scene():
        running = []

        @tool
        async def wait(n: int) -> str:
            """Wait."""
            running.append(n)
            try:
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            finally:
                running.remove(n)
            return "done"

        client = AsyncClient(MockProvider([asks(("wait", '{"n": 1}'), ("wait", '{"n": 2}')), "Well."]))
        builder = client.new_request().user("?")

        async def work():
            if not stream:
                return await builder.run([wait])
            async with builder.run_stream([wait]) as running_run:
                async for _ in running_run:
                    pass
            return running_run.result

        def verify(task):
            assert task.cancelled() or task.result().stopped == "answer"
            assert (running, len(client._calls)) == ([], 0)

        return work(), verify

    assert await at_every_step(scene) > 10


async def test_two_runs_of_one_loop_do_not_meet():
    @tool
    async def double(number: int) -> int:
        """Double."""
        await asyncio.sleep(0)
        return 2 * number

    def answer(request):
        last = request.messages[-1]
        if last.role == "tool":
            return last.content
        return asks(("double", f'{{"number": {last.content}}}'))

    loop = ToolLoop([double], max_repeats=1)
    async with AsyncClient(MockProvider(chat_func=answer)) as client:
        requests = [ChatRequest([Message("user", str(number))]) for number in [7] * 10]
        results = await asyncio.gather(*(loop.run(client, request) for request in requests))
    assert [result.text for result in results] == ["14"] * 10


# --- synchronous code ---

WHO: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


def test_the_sync_client_runs_tools_with_the_callers_context():
    seen = []

    @tool
    def who() -> str:
        """Say who asks."""
        seen.append((WHO.get(), threading.current_thread() is threading.main_thread()))
        return WHO.get()

    WHO.set("Ann")
    with Client(MockProvider([asks("who"), "Ann."])) as client:
        result = client.new_request().user("?").run([who])
    assert (result.text, seen) == ("Ann.", [("Ann", False)])


def test_a_sync_streamed_run_tells_the_same():
    script = [asks(WEATHER, text="Let me see."), "It is sunny."]
    with Client(MockProvider(script)) as client:
        with client.new_request().user("?").run_stream([weather]) as stream:
            kinds = [event.kind for event in stream if event.kind != "chunk"]
        assert kinds == ["answer", "tool_started", "tool_ended", "answer", "end"]
        assert stream.result.text == "It is sunny."


def test_a_sync_run_of_a_client_that_is_dropped_goes_on():
    run = Client(MockProvider("Paris")).new_request().user("?").run_stream([hour])
    gc.collect()
    with run:
        assert "".join(run.text) == "Paris"


def test_a_sync_run_that_is_left_early_closes_its_stream():
    with Client(MockProvider("a b c d")) as client:
        with client.new_request().user("?").run_stream([hour]) as stream:
            assert next(piece for piece in stream.text) == "a "
            assert client._async._calls
        assert not client._async._calls
        with pytest.raises(StreamClosedError):
            _ = stream.result


def test_chunks_of_further_choices_are_not_the_text():
    chunks = (
        ChatStreamChunk(content="one"),
        ChatStreamChunk(content="two", choice=1),
        ChatStreamChunk(finish_reason="stop", last=True),
    )
    with Client(MockProvider(chunks)) as client, client.new_request().user("?").run_stream([hour]) as stream:
        assert list(stream.text) == ["one"]


def test_texts_and_parts_in_one_list_stay_parts():
    sound = AudioPart(data=b"x", media_type="audio/wav")

    @tool
    def say() -> object:
        """Say."""
        return ["listen:", sound]

    with Client(MockProvider([asks("say"), "Well."])) as client:
        content = client.new_request().user("?").run([say]).uses[0].result.content
    assert content == (TextPart("listen:"), sound)


def test_sound_is_a_part_too():
    sound = AudioPart(data=b"x", media_type="audio/wav")

    @tool
    def say() -> object:
        """Say."""
        return sound

    with Client(MockProvider([asks("say"), "Well."])) as client:
        assert client.new_request().user("?").run([say]).uses[0].result.content == (sound,)
