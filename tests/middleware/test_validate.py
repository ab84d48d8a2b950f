"""Answers are held to a type, a schema or a function: refused, marked, or asked for again."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import pickle
import sys
import threading

import pytest
from attrs import evolve

from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk
from aiclient.client import AsyncClient
from aiclient.composition import find
from aiclient.context import CallContext
from aiclient.errors import (
    BudgetExceededError,
    ConfigError,
    ConnectError,
    ResponseValidationError,
    ServerError,
    StreamInterruptedError,
    UnsupportedFeatureError,
)
from aiclient.layer import Layer
from aiclient.messages import Message, RefusalPart, TextPart
from aiclient.middleware import Budget, Cache, DryRun, Fallback, Retry, SingleFlight, Validate
from aiclient.opening import collect
from aiclient.pricing import DictPrices
from aiclient.provider import observed, opened
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest
from aiclient.response import ChatResponse, Choice
from aiclient.sync.client import Client
from aiclient.testutil import fixtures
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

REQUEST = ChatRequest([Message("user", "How old?")], ChatOptions(temperature=0))
LAST, END = ChatStreamChunk(finish_reason="stop"), ChatStreamChunk(last=True)
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


@dataclasses.dataclass
class Age:
    age: int


async def chat(provider, context=None, request=REQUEST):
    return await opened(request, provider.chat, context)


async def stream(provider, context=None, request=REQUEST):
    return await collect(opened(request, provider.chat_stream, context))


BOTH = pytest.mark.parametrize("call", [chat, stream], ids=["chat", "stream"])
FORMS = pytest.mark.parametrize("expects", [Age, SCHEMA, dict[str, int]], ids=["type", "schema", "generic"])


def said(text, **more):
    return ChatResponse(Message("assistant", text), "stop", **more)


def texts(request):
    return [(message.role, message.content) for message in request.messages]


class Heard:
    def __init__(self):
        self.context = CallContext()
        self.events = []
        self.context.observe(self.events.append)

    @property
    def validations(self):
        return [(event.detail, event.number) for event in self.events if event.kind == "validation"]


class Ends(Layer):
    """Notes the ends that it is told."""

    def __init__(self):
        self.ends = []

    async def around(self, request, inner, call_next):
        return await observed(call_next(request), self._end)

    async def _end(self, end):
        self.ends.append((end.outcome, type(end.error).__name__))


# --- what fits ---


@BOTH
@FORMS
async def test_an_answer_that_fits_goes_out_with_its_value(call, expects):
    response = await call(chain([Validate(expects)], MockProvider('{"age": 3}')))
    assert response.message.content == '{"age": 3}'
    assert response.output == (Age(3) if expects is Age else {"age": 3})


@BOTH
async def test_an_answer_in_a_fenced_block_is_read(call):
    assert (await call(chain([Validate(int)], MockProvider("```json\n3\n```")))).output == 3


@BOTH
@pytest.mark.parametrize("verdict", [None, True, "", []], ids=repr)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_a_function_that_finds_nothing_lets_the_answer_through_as_it_is(call, verdict, is_async):
    async def later(response):
        await asyncio.sleep(0)
        return verdict

    layer = Validate(later if is_async else lambda response: verdict)
    response = await call(chain([layer], MockProvider("Paris")))
    assert (response.message.content, response.output) == ("Paris", None)


@BOTH
async def test_null_is_a_value_too(call):
    response = await call(chain([Validate(int | None)], MockProvider("null")))
    assert response.output is None


# --- strict ---


@BOTH
@FORMS
async def test_an_answer_that_does_not_fit_is_an_error_with_the_answer_and_the_paths(call, expects):
    provider = chain([Validate(expects)], MockProvider('{"age": "old"}', name="p", model="m"))
    with pytest.raises(ResponseValidationError) as failed:
        await call(provider)
    error = failed.value
    where = "$.*" if expects == dict[str, int] else "$.age"
    assert error.errors[0].startswith(f"{where}: must be a whole number")
    assert str(error) == f"the answer is not what was asked for: {error.errors[0]}"
    assert error.partial.message.content == '{"age": "old"}'
    assert (error.provider, error.model, error.category, error.retryable) == ("p", "m", "policy", False)
    assert [attempt.outcome for attempt in error.attempts] == ["completed"]


@BOTH
async def test_the_error_holds_nothing_of_the_answer(call):
    canary = '{"age": "canary", "canary": ["canary"]}'
    layers = [Validate({**SCHEMA, "additionalProperties": False})]
    with pytest.raises(ResponseValidationError) as failed:
        await call(chain(layers, MockProvider(canary)))
    told = [str(failed.value), repr(failed.value), *failed.value.errors]
    assert [text for text in told if "canary" in text] == []
    assert failed.value.__cause__ is failed.value.__context__ is None
    assert failed.value.errors == (
        "$.age: must be a whole number",
        "$: has keys that are not allowed; there are age",
    )


def test_the_error_can_be_pickled():
    error = pickle.loads(pickle.dumps(ResponseValidationError("no", errors=["$: no"], provider="p")))
    assert (error.errors, error.provider, error.message) == (("$: no",), "p", "no")


@BOTH
async def test_many_problems_are_told_up_to_a_number(call):
    with pytest.raises(ResponseValidationError, match=r"and 20 more, see \.errors") as failed:
        await call(chain([Validate(list[int])], MockProvider(str(["a"] * 50).replace("'", '"'))))
    assert len(failed.value.errors) == 21 and failed.value.errors[-1] == "and 30 more"


@pytest.mark.parametrize(
    ("count", "told", "last"),
    [
        (2, "(and 1 more, see .errors)", "$[1]"),
        (20, "(and 19 more, see .errors)", "$[19]"),
        (21, "and 20 more", "and 1 more"),
    ],
)
async def test_how_many_more_problems_there_are_is_told(count, told, last):
    with pytest.raises(ResponseValidationError) as failed:
        await chat(chain([Validate(list[int])], MockProvider(str(["a"] * count).replace("'", '"'))))
    assert told in str(failed.value) and failed.value.errors[-1].startswith(last)


@BOTH
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("verdict", "errors"),
    [
        ("too short", ("too short",)),
        (["too short", "too plain"], ("too short", "too plain")),
        (False, ("the answer was refused by verdict",)),
        (ValueError("too short"), ("too short",)),
        (AssertionError(), ("the answer was refused by verdict",)),
        (ResponseValidationError("no", errors=["$.a: no"]), ("$.a: no",)),
        (ResponseValidationError("no"), ("no",)),
    ],
    ids=repr,
)
async def test_what_a_function_finds_wrong_is_told(call, verdict, errors, is_async):
    def judge(response):
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    async def later(response):
        return judge(response)

    function = later if is_async else judge
    function.__qualname__ = "verdict"
    with pytest.raises(ResponseValidationError) as failed:
        await call(chain([Validate(function)], MockProvider("Paris")))
    assert failed.value.errors == errors


@BOTH
@pytest.mark.parametrize("bug", [KeyError("age"), ConnectError("down"), ConfigError("wrong")], ids=repr)
async def test_a_bug_in_a_function_and_a_failing_call_of_its_own_are_raised_as_they_are(call, bug):
    def judge(response):
        raise bug

    mock = MockProvider("Paris")
    with pytest.raises(type(bug)) as failed:
        await call(chain([Validate(judge, mode="warn")], mock))
    assert failed.value is bug and mock.calls == 1


@BOTH
async def test_a_function_that_returns_something_else_is_refused_by_name(call):
    def count(response):
        return 3

    with pytest.raises(ConfigError, match=r"the function .*count returned int: it must return None or True"):
        await call(chain([Validate(count)], MockProvider()))


# --- warn ---


@BOTH
@FORMS
async def test_with_warn_the_answer_goes_out_with_a_warning(call, expects):
    heard = Heard()
    response = await call(chain([Validate(expects, mode="warn")], MockProvider("Old!", name="p")), heard.context)
    (warning,) = response.warnings
    assert (warning.code, warning.provider) == ("validation_failed", "p")
    assert warning.message.startswith("the answer is not what was asked for: the answer is not JSON")
    assert (response.message.content, response.output, heard.validations) == ("Old!", None, [("warned", None)])


# --- retry ---


async def test_with_retry_the_model_is_told_what_is_wrong_and_answers_again():
    heard, mock = Heard(), MockProvider(['{"age": "old"}', '{"age": 3}'])
    response = await chat(chain([Validate(Age, mode="retry")], mock), heard.context)
    assert response.output == Age(3) and len(response.attempts) == 2
    assert texts(mock.requests[1]) == [
        ("user", "How old?"),
        ("assistant", '{"age": "old"}'),
        (
            "user",
            (
                "Your answer cannot be used:\n- $.age: must be a whole number, not a text\n"
                "Answer again, in full, with the JSON alone."
            ),
        ),
    ]
    assert heard.validations == [("retried", 1)] and heard.context.extra_attempts == 4
    assert mock.requests[1].options == mock.requests[0].options


async def test_each_further_time_the_last_answer_alone_is_shown():
    mock = MockProvider(['"a"', '"b"', "3"])
    await chat(chain([Validate(int, mode="retry", feedback=lambda errors: f"{len(errors)} wrong")], mock))
    assert texts(mock.requests[2]) == [("user", "How old?"), ("assistant", '"b"'), ("user", "1 wrong")]


async def test_an_empty_answer_is_not_put_into_the_conversation():
    mock = MockProvider([ChatResponse(Message("assistant"), "stop"), "3"])
    assert (await chat(chain([Validate(int, mode="retry")], mock))).output == 3
    assert [role for role, _ in texts(mock.requests[1])] == ["user", "user"]


@pytest.mark.parametrize("attempts", [2, 3])
async def test_it_ends_after_its_attempts_with_the_last_answer(attempts):
    heard, mock = Heard(), MockProvider(lambda request: f'"{len(request.messages)}"')
    with pytest.raises(ResponseValidationError) as failed:
        await chat(chain([Validate(int, mode="retry", attempts=attempts)], mock), heard.context)
    assert mock.calls == attempts and failed.value.partial.message.content == '"3"'
    assert heard.validations == [("retried", n) for n in range(1, attempts)] + [("rejected", None)]


async def test_it_takes_of_the_attempts_left_in_the_call():
    mock, context = MockProvider('"no"'), CallContext(extra_attempts=1)
    with pytest.raises(ResponseValidationError):
        await chat(chain([Validate(int, mode="retry", attempts=9)], mock), context)
    assert mock.calls == 2 and context.extra_attempts == 0


async def test_nothing_is_asked_again_when_the_time_is_over(still):
    context = CallContext(clock=still, deadline=5.0)
    late = Validate(lambda response: still.advance(10.0) or "no", mode="retry")
    mock = MockProvider('"no"')
    with pytest.raises(ResponseValidationError):
        await chat(chain([late], mock), context)
    assert mock.calls == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ChatResponse(Message("assistant", '{"age": '), "length"), "the answer was cut at its limit of tokens"),
        (ChatResponse(Message("assistant", "no"), "content_filter"), "the service's content filter stopped the answer"),
        (ChatResponse(Message("assistant", [RefusalPart("I will not")]), "stop"), "the model refused to answer"),
    ],
    ids=["length", "filter", "refusal"],
)
@pytest.mark.parametrize("mode", ["strict", "retry"])
async def test_what_was_cut_or_refused_is_not_asked_again(answer, reason, mode):
    mock = MockProvider(answer)
    with pytest.raises(ResponseValidationError) as failed:
        await chat(chain([Validate(Age, mode=mode)], mock))
    assert failed.value.errors[0].startswith(reason) and mock.calls == 1


async def test_an_answer_at_the_limit_of_tokens_that_fits_all_the_same_is_good():
    answer = ChatResponse(Message("assistant", "3"), "length")
    assert (await chat(chain([Validate(int)], MockProvider(answer)))).output == 3


async def test_an_error_of_the_further_call_goes_through_with_both_attempts():
    with pytest.raises(ServerError) as failed:
        await chat(chain([Validate(int, mode="retry")], MockProvider(["no", fixtures.server_error()])))
    assert [attempt.outcome for attempt in failed.value.attempts] == ["completed", "failed"]


async def test_retry_inside_repeats_what_failed_and_validate_what_does_not_fit():
    mock = MockProvider([fixtures.server_error(), "no", fixtures.server_error(), "3"])
    response = await chat(chain([Validate(int, mode="retry"), Retry()], mock), CallContext(clock=FakeClock()))
    assert response.output == 3 and [a.outcome for a in response.attempts] == ["failed", "completed"] * 2


@pytest.mark.parametrize("extras", range(6))
async def test_around_a_fallback_and_retries_no_more_is_sent_than_the_attempts_left(clock, extras):
    """Every second call fails, and no answer fits."""
    calls = itertools.count()
    mocks = [MockProvider(lambda _: ["no", fixtures.server_error()][next(calls) % 2], name=name) for name in "ab"]
    fallback = Fallback(mocks[1], each=[Retry(2, base=0)])
    context = CallContext(clock=clock, extra_attempts=extras)
    with pytest.raises((ResponseValidationError, ServerError)) as failed:
        await chat(chain([Validate(int, mode="retry", attempts=9), fallback, Retry(2, base=0)], mocks[0]), context)
    assert mocks[0].calls + mocks[1].calls == 1 + extras == len(failed.value.attempts)


PRICES = DictPrices({"mock-model": {"input": 0, "output": 1_000_000}})  # a dollar for each word of an answer


async def test_inside_a_budget_what_is_asked_again_is_counted_with_the_call():
    budget, mock = Budget(usd=10), MockProvider(["no", "3"])
    request = evolve(REQUEST, options=ChatOptions(max_tokens=5))
    await chat(chain([budget, Validate(int, mode="retry")], mock), CallContext(prices=PRICES), request)
    assert (budget.spent, budget.reserved, mock.calls) == (2, 0, 2)


async def test_outside_a_budget_what_is_asked_again_has_to_fit_by_itself():
    budget, mock = Budget(usd=5), MockProvider(["no", "3"])
    request = evolve(REQUEST, options=ChatOptions(max_tokens=5))
    with pytest.raises(BudgetExceededError):
        await chat(chain([Validate(int, mode="retry"), budget], mock), CallContext(prices=PRICES), request)
    assert (budget.spent, budget.reserved, mock.calls) == (1, 0, 1)


async def test_by_default_three_answers_are_asked_for():
    mock = MockProvider("no")
    with pytest.raises(ResponseValidationError):
        await chat(chain([Validate(int, mode="retry")], mock))
    assert mock.calls == 3


async def test_while_there_is_any_time_left_it_is_asked_again(still):
    mock = MockProvider(["no", "3"])
    context = CallContext(clock=still, deadline=0.5)
    assert (await chat(chain([Validate(int, mode="retry")], mock), context)).output == 3


async def test_a_function_that_refuses_has_each_of_its_reasons_told_to_the_model():
    mock = MockProvider(["a", "long enough"])
    await chat(
        chain([Validate(lambda r: ["too short", "too plain"][: 2 * (len(r.message.content) < 5)], mode="retry")], mock)
    )
    assert mock.requests[1].messages[-1].content == (
        "Your answer cannot be used:\n- too short\n- too plain\nAnswer again, in full."
    )


async def test_what_is_told_to_the_observers_says_of_whom():
    heard = Heard()
    with pytest.raises(ResponseValidationError) as failed:
        await chat(
            chain([Validate(int)], MockProvider(said("no", request_id="r-1"), name="p", model="m")), heard.context
        )
    (event,) = [event for event in heard.events if event.kind == "validation"]
    assert (event.provider, event.model, event.category) == ("p", "m", "policy") and failed.value.request_id == "r-1"


# --- cached answers ---


async def filled(text, *answers):
    """A cache that holds `text`, and the service behind it, which then gives `answers`."""
    cache, mock = Cache(), MockProvider([text, *answers])
    await chat(chain([cache], mock))
    return cache, mock


@BOTH
@pytest.mark.parametrize("mode", ["strict", "retry"])
async def test_a_cached_answer_that_does_not_fit_is_asked_for_anew_and_overwritten(call, mode):
    cache, mock = await filled("no", "3")
    heard = Heard()
    provider = chain([Validate(int, mode=mode, buffer=mode == "retry"), cache], mock)
    response = await call(provider, heard.context)
    assert (response.output, response.cached, mock.calls) == (3, False, 2)
    assert texts(mock.requests[1]) == [("user", "How old?")]
    assert (heard.validations, heard.context.cache, heard.context.extra_attempts) == ([("refreshed", None)], "use", 4)
    again = await call(provider)
    assert (again.output, again.cached, mock.calls) == (3, True, 2)


async def test_only_if_the_fresh_answer_fails_too_is_the_model_told():
    cache, mock = await filled("no", "neither", "3")
    heard = Heard()
    response = await chat(chain([Validate(int, mode="retry"), cache], mock), heard.context)
    assert response.output == 3 and heard.validations == [("refreshed", None), ("retried", 1)]
    assert [content for _, content in texts(mock.requests[2])][:2] == ["How old?", "neither"]


@BOTH
async def test_a_fresh_answer_that_does_not_fit_either_is_the_error(call):
    cache, mock = await filled("no", "neither")
    with pytest.raises(ResponseValidationError) as failed:
        await call(chain([Validate(int), cache], mock))
    assert failed.value.partial.message.content == "neither" and mock.calls == 2


async def test_without_an_attempt_left_the_cached_answer_is_the_error():
    cache, mock = await filled("no")
    with pytest.raises(ResponseValidationError) as failed:
        await chat(chain([Validate(int), cache], mock), CallContext(extra_attempts=0))
    assert failed.value.partial.cached


@BOTH
async def test_with_warn_a_cached_answer_stays(call):
    cache, mock = await filled("no")
    response = await call(chain([Validate(int, mode="warn"), cache], mock))
    assert (
        response.cached and mock.calls == 1 and [warning.code for warning in response.warnings] == ["validation_failed"]
    )


async def test_of_every_question_a_cached_answer_that_does_not_fit_is_asked_for_anew():
    heard, mock = Heard(), MockProvider([said("a", cached=True), "b", said("c", cached=True), "4"])
    response = await chat(chain([Validate(int, mode="retry")], mock), heard.context)
    assert response.output == 4
    assert heard.validations == [("refreshed", None), ("retried", 1), ("refreshed", None)]
    assert texts(mock.requests[2]) == texts(mock.requests[3])


async def test_a_cache_that_answers_though_it_is_told_to_refresh_is_asked_once():
    mock = MockProvider(said("no", cached=True))
    with pytest.raises(ResponseValidationError):
        await chat(chain([Validate(int)], mock))
    assert mock.calls == 2


async def test_the_cache_mode_of_the_call_is_restored_when_the_fresh_call_fails():
    cache, mock = await filled("no", fixtures.server_error())
    context = CallContext()
    with pytest.raises(ServerError):
        await chat(chain([Validate(int), cache], mock), context)
    assert context.cache == "use"


# --- streams ---


async def test_a_stream_is_handed_out_as_it_comes_and_the_error_comes_last():
    layers = [outer := Ends(), Validate(int), inner := Ends()]
    async with await opened(REQUEST, chain(layers, MockProvider("not at all")).chat_stream) as opening:
        read = [(await anext(opening)).content for _ in range(4)]
        with pytest.raises(ResponseValidationError) as failed:
            await anext(opening)
        with pytest.raises(ResponseValidationError):
            await anext(opening)
        with pytest.raises(ResponseValidationError):
            _ = opening.response
    assert read == ["", "not ", "at ", "all"]
    assert failed.value.partial.message.content == opening.partial.message.content == "not at all"
    assert outer.ends == [("failed", "ResponseValidationError")]
    assert inner.ends == [("completed", "NoneType")]


async def test_a_stream_whose_reader_leaves_after_the_last_output_is_checked():
    opening = await opened(
        REQUEST, chain([Validate(int)], MockProvider((ChatStreamChunk(content="no"), LAST, END))).chat_stream
    )
    with pytest.raises(ResponseValidationError):
        async with opening:
            async for chunk in opening:
                if chunk.finish_reason:
                    break


async def test_a_stream_that_is_left_early_is_not_checked():
    asked = []
    opening = await opened(REQUEST, chain([Validate(asked.append)], MockProvider("not at all")).chat_stream)
    async with opening:
        await anext(opening)
    assert asked == [] and opening.end.outcome == "abandoned"


@BOTH
async def test_what_fails_by_itself_is_not_checked(call):
    asked = []
    with pytest.raises(ServerError):
        await call(chain([Validate(asked.append)], MockProvider(fixtures.server_error())))
    assert asked == []


@pytest.mark.parametrize("buffer", [False, True])
async def test_a_stream_that_breaks_off_is_its_own_error(buffer):
    broken = MockProvider((ChatStreamChunk(content="3"), ConnectError("cut", kind="reset")))
    with pytest.raises(StreamInterruptedError) as failed:
        await stream(chain([Validate(int, buffer=buffer)], broken))
    assert failed.value.partial.message.content == "3"


async def test_a_stream_in_mode_retry_is_refused_before_anything_is_sent():
    mock = MockProvider("3")
    with pytest.raises(UnsupportedFeatureError, match="give it buffer=True"):
        await stream(chain([Validate(int, mode="retry")], mock))
    assert mock.calls == 0


async def test_with_buffer_a_stream_shows_only_what_fits():
    mock = MockProvider(["no", "3"])
    provider = chain([Validate(int, mode="retry", buffer=True)], mock)
    async with await opened(REQUEST, provider.chat_stream) as opening:
        read = [chunk.content async for chunk in opening]
    assert ("".join(read), opening.response.output, mock.calls) == ("3", 3, 2)
    assert len(opening.response.attempts) == 2


async def test_with_buffer_a_strict_stream_shows_nothing_of_what_does_not_fit():
    provider = chain([Validate(int, buffer=True)], MockProvider("no"))
    with pytest.raises(ResponseValidationError):
        await opened(REQUEST, provider.chat_stream)


def test_a_sync_reader_gets_the_error_last_too():
    with Client(MockProvider("not at all")).use(Validate(int)) as client, client.chat_stream("hi") as opening:
        read = []
        with pytest.raises(ResponseValidationError):
            read.extend(chunk.content for chunk in opening)
    assert client.middleware


# --- what is not checked ---


@pytest.mark.parametrize("mode", ["strict", "warn", "retry"])
@BOTH
async def test_an_answer_that_calls_tools_passes_by(call, mode):
    mock = MockProvider(fixtures.tool_response(fixtures.tool_call()))
    response = await call(chain([Validate(int, mode=mode, buffer=mode == "retry")], mock))
    assert response.message.tool_calls and response.warnings == () and mock.calls == 1


@BOTH
async def test_a_dry_run_passes_by(call):
    response = await call(chain([Validate(int), DryRun()], MockProvider("no")))
    assert response.dry_run


async def test_embeddings_pass_by():
    asked = []
    provider = chain([Validate(asked.append, mode="retry")], MockProvider())
    assert len((await opened(EmbeddingRequest("hi"), provider.embeddings)).vector) == 8
    assert asked == []


async def test_further_answers_are_not_checked():
    answer = said("3", alternatives=(Choice(Message("assistant", [TextPart("no")])),))
    assert (await chat(chain([Validate(int)], MockProvider(answer)))).output == 3


# --- in company ---


@BOTH
async def test_a_function_outside_leaves_the_value_that_was_read_inside(call):
    provider = chain([Validate(lambda response: None), Validate(Age)], MockProvider('{"age": 30}'))
    assert (await call(provider)).output == Age(30)


async def test_of_two_the_outer_one_sees_the_value_of_the_inner():
    def grown_up(response):
        return None if response.output.age >= 18 else "too young"

    provider = chain([Validate(grown_up), Validate(Age)], MockProvider('{"age": 3}'))
    with pytest.raises(ResponseValidationError, match="too young"):
        await chat(provider)


async def test_callers_that_share_a_call_each_have_their_answer_checked():
    async def slow(request):
        await asyncio.sleep(0)
        return "3"

    mock = MockProvider(slow)
    provider = chain([Validate(int), SingleFlight(sampled=True)], mock)
    answers = await asyncio.gather(chat(provider), chat(provider))
    assert [answer.output for answer in answers] == [3, 3] and mock.calls == 1


async def test_two_users_of_one_instance_do_not_see_each_other():
    layer = Validate(int, mode="retry")
    mine, theirs = MockProvider(["a", "1"]), MockProvider(["2"])
    answers = await asyncio.gather(chat(chain([layer], mine)), chat(chain([layer], theirs)))
    assert [answer.output for answer in answers] == [1, 2] and [mine.calls, theirs.calls] == [2, 1]


def test_one_instance_serves_several_threads_and_loops():
    layer, outputs = Validate(Age | list[int], mode="retry"), []

    def work():
        mock = MockProvider(["no", '{"age": 3}', "[1]"])
        provider = chain([layer], mock)
        outputs.append([asyncio.run(chat(provider)).output, asyncio.run(chat(provider)).output])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == [[Age(3), [1]]] * 4


@pytest.mark.parametrize("mode", ["strict", "retry"])
@BOTH
async def test_a_cancellation_at_any_step_goes_through_and_leaves_the_call_as_it_was(at_every_step, call, mode):
    def scene():
        async def slow(_):
            await asyncio.sleep(0)
            return said("no", cached=mock.calls == 1)

        async def judge(response):
            await asyncio.sleep(0)
            return None if mock.calls == 3 else "no"

        mock, ends, context = MockProvider(slow), Ends(), CallContext()
        provider = chain([ends, Validate(judge, mode=mode, buffer=mode == "retry")], mock)

        def verify(task):
            assert context.cache == "use" and mock.calls <= 3 and len(ends.ends) == min(1, mock.calls)
            assert task.cancelled() or task.exception() or task.result().message.content == "no"

        return call(provider, context), verify

    assert await at_every_step(scene) > 10


async def test_a_derived_client_checks_what_the_other_does_not():
    async with AsyncClient(MockProvider("no")) as client, client.derive(Validate(int)) as strict:
        assert (await client.chat("hi")).message.content == "no"
        with pytest.raises(ResponseValidationError):
            await strict.chat("hi")


# --- schemas ---


@pytest.mark.parametrize(
    ("schema", "answer", "errors"),
    [
        ({"type": ["string", "null"]}, "1", ["$: must be a text or null"]),
        ({"enum": ["a", 1]}, "2", ['$: must be one of "a", 1']),
        ({"const": "a"}, "2", ['$: must be "a"']),
        ({"minimum": 3}, "2", ["$: does not keep to minimum 3"]),
        (
            {"items": {"type": "integer"}},
            '["a", 1, "b"]',
            ["$[0]: must be a whole number", "$[2]: must be a whole number"],
        ),
        ({"additionalProperties": {"type": "integer"}}, '{"canary": "a"}', ["$.*: must be a whole number"]),
        ({"patternProperties": {"^c": {"type": "integer"}}}, '{"canary": "a"}', ["$.*: must be a whole number"]),
        ({"required": ["a", "b"]}, "{}", ["$.a: is missing", "$.b: is missing"]),
        ({"unevaluatedProperties": False}, '{"canary": 1}', ["$: has keys that are not allowed"]),
        ({"pattern": "x" * 300}, '"canary"', ["$: does not keep to pattern"]),
        (
            {"anyOf": [{"type": "integer"}, {"properties": {"a": {"type": "integer"}}, "required": ["a", "b"]}]},
            '{"a": "canary"}',
            ["$: fits none of the 2 alternatives; the nearest is wrong in: $: must be a whole number"],
        ),
        (
            {"oneOf": [{"properties": {"a": {"type": "integer"}}}]},
            '{"a": "canary"}',
            ["$: fits none of the 1 alternatives; the nearest is wrong in: $.a: must be a whole number"],
        ),
        ({"oneOf": [{}, {}]}, "1", ["$: must fit exactly one of the 2 alternatives, and fits several"]),
        (
            {"$ref": "#/$defs/n", "$defs": {"n": {"properties": {"x": {"type": "null"}}}}},
            '{"x": 1}',
            ["$.x: must be null"],
        ),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "const": 1}, "2", ["$: must be 1"]),
    ],
)
async def test_what_a_schema_finds_wrong_is_told_in_its_own_words(schema, answer, errors):
    with pytest.raises(ResponseValidationError) as failed:
        await chat(chain([Validate(schema)], MockProvider(answer)))
    assert sorted(failed.value.errors) == errors


async def test_a_schema_that_is_nested_without_end_is_a_misfit():
    with pytest.raises(ResponseValidationError, match="nested too deeply"):
        await chat(chain([Validate({"items": {"$ref": "#"}})], MockProvider("[" * 900 + "]" * 900)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # jsonschema, of its own fetching, if it did
async def test_what_a_schema_refers_to_elsewhere_is_not_fetched(tmp_path):
    (tmp_path / "schema.json").write_text('{"type": "integer"}')
    layer = Validate({"$ref": (tmp_path / "schema.json").as_uri()})
    with pytest.raises(ConfigError, match="nothing is fetched"):
        await chat(chain([layer], MockProvider("1")))


def test_a_schema_that_is_none_is_refused():
    with pytest.raises(ConfigError, match=r"the JSON schema is none: \$\.type"):
        Validate({"type": "whole"})


def test_without_jsonschema_a_schema_is_refused_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(ConfigError, match=r"pip install 'aiclient\[validation\]'"):
        Validate(SCHEMA)


# --- options ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"expects": 3}, "answers cannot be held to a int: give a type"),
        ({"expects": None}, "answers cannot be held to a NoneType"),
        ({"expects": complex}, "JSON cannot be read into"),
        ({"mode": "repair"}, "mode='repair' must be 'strict', 'warn' or 'retry'"),
        ({"attempts": 3}, "are for mode='retry'; with 'strict' nothing is asked again"),
        ({"feedback": str}, "are for mode='retry'"),
        ({"mode": "retry", "attempts": 1}, "attempts=1 must be a whole number of at least 2"),
        ({"mode": "retry", "feedback": "no"}, "feedback='no' must be a function"),
        ({"buffer": 1}, "buffer=1 must be True or False"),
    ],
)
def test_a_wrong_option_is_refused_where_it_is_written(options, message):
    with pytest.raises(ConfigError, match=message):
        Validate(**{"expects": int, **options})


@pytest.mark.parametrize(
    ("layer", "shown"),
    [
        (Validate(Age), "Validate(Age)"),
        (
            Validate(list[int], mode="retry", attempts=2, buffer=True),
            "Validate(list[int], mode='retry', attempts=2, buffer=True)",
        ),
        (Validate(SCHEMA, mode="warn"), "Validate(a JSON schema, mode='warn')"),
    ],
)
def test_it_says_what_it_is(layer, shown):
    assert repr(layer) == shown
    assert find(layer(MockProvider()), object).layer is layer
