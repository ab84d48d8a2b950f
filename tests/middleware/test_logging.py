"""One structured record for every logical call."""

from __future__ import annotations

import asyncio
import json
import logging
from decimal import Decimal

import pytest

from aiclient import Client, logs
from aiclient._sinks import JSONLine, Line
from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk
from aiclient.context import CallContext
from aiclient.errors import (
    AIClientError,
    BadRequestError,
    BudgetExceededError,
    CircuitOpenError,
    ConfigError,
    DryRunStop,
    OverloadedError,
    ServerError,
)
from aiclient.messages import ImagePart, Message, TextPart, ToolCall, ToolResultPart
from aiclient.middleware import Logging, Retry
from aiclient.opening import collect
from aiclient.pricing import DictPrices
from aiclient.provider import opened
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest
from aiclient.response import ChatResponse
from aiclient.stream import ChatStream
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

CANARY = "CANARY words of a customer"
KEY = "sk-proj-abcdefghijklmnop"
REQUEST = ChatRequest([Message("user", f"{CANARY} {KEY}")], ChatOptions(tags={"team": "a"}))
EMBED = EmbeddingRequest(CANARY)


class Collected(logging.Handler):
    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)

    @property
    def fields(self):
        return [record.aiclient for record in self.records]


@pytest.fixture
def collected():
    """A logger of this test at DEBUG, and what it was given."""
    handler = Collected()
    logger = logging.getLogger("aiclient.tests.calls")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    handler.logger = logger
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


async def chat(provider, context=None):
    return await opened(REQUEST, provider.chat, context)


async def stream(provider, context=None):
    return await collect(opened(REQUEST, provider.chat_stream, context))


async def embed(provider, context=None):
    return await opened(EMBED, provider.embeddings, context)


PATHS = pytest.mark.parametrize(
    ("call", "operation"),
    [(chat, "chat"), (stream, "chat_stream"), (embed, "embeddings")],
    ids=["chat", "stream", "embeddings"],
)
CHATS = pytest.mark.parametrize(
    ("call", "operation"), [(chat, "chat"), (stream, "chat_stream")], ids=["chat", "stream"]
)


def calls(collected):
    return [fields for fields in collected.fields if "operation" in fields]


@PATHS
async def test_a_call_leaves_one_record_with_its_identity_time_tokens_and_cost(collected, clock, call, operation):
    prices = DictPrices({"m": {"input": 1, "output": 1}})
    context = CallContext(clock=clock, prices=prices, id="call-1")
    provider = chain([Logging(logger=collected.logger)], MockProvider("a b", name="p", model="m"))
    with logs.correlation("order-17"):
        answer = await call(provider, context)
    (fields,) = calls(collected)
    expected = {
        "event": f"{operation}_completed",
        "id": "call-1",
        "correlation_id": "order-17",
        "operation": operation,
        "provider": "p",
        "model": "m",
        "outcome": "completed",
        "messages": 1,
        "duration_ms": 0,
        "attempts": 1,
        "prompt_tokens": answer.usage.prompt_tokens,
        "completion_tokens": answer.usage.completion_tokens,
        "tokens": answer.usage.total_tokens,
        "cost": float(Decimal(answer.usage.total_tokens) / 1_000_000),
    }
    if call is not embed:
        expected |= {"tags": {"team": "a"}, "finish_reason": "stop"}
    assert fields == expected
    (record,) = [record for record in collected.records if record.aiclient is fields]
    assert (record.levelno, record.getMessage()) == (logging.INFO, f"{operation}_completed p")


@PATHS
async def test_a_failure_leaves_one_error_that_says_why(collected, call, operation):
    error = OverloadedError("busy", status_code=529, request_id="q")
    with pytest.raises(OverloadedError):
        await call(chain([Logging(logger=collected.logger)], MockProvider(error, name="p", model="m")))
    (fields,) = calls(collected)
    assert fields["event"] == f"{operation}_failed"
    assert (fields["category"], fields["status_code"], fields["request_id"], fields["error"]) == (
        "overloaded",
        529,
        "q",
        "OverloadedError",
    )
    assert (fields["provider"], fields["model"], fields["attempts"]) == ("p", "m", 1)
    assert collected.records[-1].levelno == logging.ERROR


async def test_a_bug_is_named_by_its_class_alone(collected):
    def bug(_):
        raise KeyError(CANARY)

    with pytest.raises(KeyError):
        await chat(Logging(logger=collected.logger)(MockProvider(bug)))
    (fields,) = calls(collected)
    assert (fields["category"], fields["error"]) == ("other", "KeyError")


@pytest.mark.parametrize("leave", [True, False], ids=["abandoned", "cancelled"])
async def test_a_stream_is_logged_at_its_close(collected, leave):
    chunks = (ChatStreamChunk(content="a"), ChatStreamChunk(content="b"), ChatStreamChunk(last=True))
    provider = Logging(logger=collected.logger)(MockProvider(chunks))
    error = None if leave else asyncio.CancelledError()
    open_stream = await opened(REQUEST, provider.chat_stream)
    await anext(open_stream)
    assert calls(collected) == []
    await open_stream.__aexit__(error and type(error), error, None)
    assert [fields["event"] for fields in calls(collected)] == [f"chat_stream_{'abandoned' if leave else 'cancelled'}"]
    assert collected.records[-1].levelno == logging.INFO


async def test_retries_are_records_of_their_own_and_the_call_is_one(collected, clock):
    provider = chain(
        [Logging(logger=collected.logger), Retry()], MockProvider([ServerError(), ServerError(), "yes"], name="p")
    )
    await chat(provider, CallContext(clock=clock, id="call-1"))
    retries = [record for record in collected.records if record.aiclient["event"] == "retry"]
    assert [record.levelno for record in retries] == [logging.INFO] * 2
    assert [(r.aiclient["attempt"], r.aiclient["category"], r.aiclient["id"]) for r in retries] == [
        (1, "server", "call-1"),
        (2, "server", "call-1"),
    ]
    assert [r.aiclient["delay"] for r in retries] == [round(seconds, 3) for seconds in clock.slept]
    (fields,) = calls(collected)
    assert fields["attempts"] == 3


@CHATS
async def test_each_attempt_is_one_record_one_that_failed_a_warning(collected, clock, call, operation):
    error = ServerError("down", status_code=502, request_id="q1")
    provider = chain([Logging(logger=collected.logger), Retry()], MockProvider([error, "a b"], name="p", model="m"))
    await call(provider, CallContext(clock=clock, id="call-1"))
    attempts = [record for record in collected.records if record.aiclient["event"] == "attempt_ended"]
    assert [record.levelname for record in attempts] == ["WARNING", "DEBUG"]
    failed, done = (record.aiclient for record in attempts)
    assert failed == {
        "event": "attempt_ended",
        "id": "call-1",
        "provider": "p",
        "model": "m",
        "attempt": 1,
        "outcome": "failed",
        "category": "server",
        "status_code": 502,
        "request_id": "q1",
        "duration_ms": 0,
    }
    assert (done["attempt"], done["outcome"]) == (2, "completed")
    assert done["tokens"] == calls(collected)[0]["tokens"]
    assert [fields["event"] for fields in collected.fields] == [
        "attempt_ended",
        "retry",
        "attempt_ended",
        f"{operation}_completed",
    ]


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (ServerError(), "ERROR"),
        (BadRequestError(), "ERROR"),
        (KeyError("a bug"), "ERROR"),
        (BudgetExceededError(), "WARNING"),
        (CircuitOpenError(), "WARNING"),
        (DryRunStop(), "INFO"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_how_grave_a_failed_call_is(collected, error, level):
    def fails(_):
        raise error

    with pytest.raises(type(error)):
        await chat(Logging(logger=collected.logger)(MockProvider(fails)))
    assert [record.levelname for record in collected.records] == [level]


async def test_the_time_to_the_first_output_is_told_of_a_stream(collected, clock):
    async def slowly():
        clock.advance(0.25)
        yield ChatStreamChunk(content="a")
        clock.advance(0.5)
        yield ChatStreamChunk(last=True)

    provider = chain([Logging(logger=collected.logger)], MockProvider(chat_stream_func=lambda _: ChatStream(slowly())))
    await stream(provider, CallContext(clock=clock))
    (attempt,) = [fields for fields in collected.fields if fields["event"] == "attempt_ended"]
    assert (attempt["first_output_ms"], attempt["duration_ms"]) == (250.0, 750.0)


async def test_who_the_user_is_stands_in_no_record_but_equal_ones_can_be_told(collected):
    for user, session in (("ann", "s-1"), ("ann", "s-2")):
        request = ChatRequest([Message("user", "x")], ChatOptions(tags={"user": user, "session": session, "team": "a"}))
        await opened(request, Logging(logger=collected.logger)(MockProvider()).chat)
    first, second = (fields["tags"] for fields in calls(collected))
    assert first["user"] == second["user"] != "ann"
    assert first["session"] != second["session"] and "s-1" not in everything(collected.records[0])
    assert first["team"] == "a"


async def test_the_callers_own_correlation_goes_before_the_surrounding_one(collected):
    request = ChatRequest([Message("user", "x")], ChatOptions(tags={"correlation_id": "given"}))
    with logs.correlation("around"):
        await opened(request, Logging(logger=collected.logger)(MockProvider()).chat)
        await chat(Logging(logger=collected.logger)(MockProvider()))
    assert [fields["correlation_id"] for fields in calls(collected)] == ["given", "around"]
    assert "tags" not in calls(collected)[0]


@pytest.mark.parametrize("call", [lambda c: c.chat("hi"), lambda c: list(c.chat_stream("hi").__enter__())])
def test_the_correlation_goes_along_into_the_thread_of_a_sync_client(collected, call):
    with Client(MockProvider("a b")).use(Logging(logger=collected.logger)) as client, logs.correlation("order-17"):
        call(client)
    assert {fields["correlation_id"] for fields in collected.fields} == {"order-17"}
    assert len(collected.fields) == 2


@pytest.mark.parametrize(
    ("level", "events"),
    [
        (logging.INFO, ["attempt_ended", "retry", "chat_completed"]),
        (logging.WARNING, ["attempt_ended"]),
        (logging.CRITICAL, []),
    ],
    ids=["info", "warning", "critical"],
)
async def test_records_below_the_level_are_not_made(collected, clock, level, events):
    collected.logger.setLevel(level)
    provider = chain([Logging(logger=collected.logger), Retry()], MockProvider([ServerError(), "yes"]))
    context = CallContext(clock=clock)
    await chat(provider, context)
    assert [fields["event"] for fields in collected.fields] == events
    assert context.observers == []


async def test_inside_retry_each_attempt_is_logged_once_and_no_observer_is_left(collected, clock):
    provider = chain([Retry(), Logging(logger=collected.logger)], MockProvider([ServerError(), ServerError(), "yes"]))
    context = CallContext(clock=clock)
    await chat(provider, context)
    assert [fields["event"] for fields in collected.fields].count("attempt_ended") == 3
    assert context.observers == []


async def test_failures_are_logged_at_warning_though_successes_are_not(collected):
    collected.logger.setLevel(logging.WARNING)
    with pytest.raises(ServerError):
        await chat(Logging(logger=collected.logger)(MockProvider(ServerError())))
    assert [fields["event"] for fields in collected.fields] == ["chat_failed"]


def everything(record):
    return json.dumps(
        [record.getMessage(), record.args, {k: v for k, v in vars(record).items() if k != "args"}], default=repr
    )


@PATHS
@pytest.mark.parametrize(
    "reply",
    [f"the answer is {CANARY}", (ChatStreamChunk(content=CANARY), ServerError("down"))],
    ids=["answer", "broken-off"],
)
async def test_content_appears_nowhere_unless_asked_for(collected, call, operation, reply):
    try:
        await call(chain([Logging(logger=collected.logger), Retry()], MockProvider(reply)))
    except AIClientError:
        pass
    assert collected.records
    assert not [record for record in collected.records if "CANARY" in everything(record) or KEY in everything(record)]


async def test_content_is_logged_when_asked_for_with_keys_masked(collected):
    reply = f"the answer is {CANARY}, and your key was Bearer abc.def-ghi"
    for call in (chat, stream):
        await call(Logging(logger=collected.logger, content=True)(MockProvider(reply)))
    said = {"messages": 1, "prompt": [f"user: {CANARY} ***"], "answer": f"the answer is {CANARY}, and your key was ***"}
    assert [{name: fields[name] for name in said} for fields in calls(collected)] == [said, said]


async def test_content_of_embeddings_is_not_logged(collected):
    await embed(Logging(logger=collected.logger, content=True)(MockProvider()))
    assert "CANARY" not in everything(collected.records[-1])


async def test_an_error_text_of_several_lines_is_one_line(collected):
    with pytest.raises(ServerError):
        await chat(Logging(logger=collected.logger, content=True)(MockProvider(ServerError(f"oh\nno {KEY}"))))
    assert calls(collected)[0]["error"] == r"oh\nno ***"


async def test_what_a_service_says_of_an_error_is_content(collected):
    """A service may quote the prompt in its refusal."""
    for content, said in ((False, "BadRequestError"), (True, f"cannot do {CANARY}")):
        error = BadRequestError(f"cannot do {CANARY}", code="invalid_prompt", status_code=400)
        with pytest.raises(BadRequestError):
            await chat(Logging(logger=collected.logger, content=content)(MockProvider(error)))
        assert (calls(collected)[-1]["error"], calls(collected)[-1]["code"]) == (said, "invalid_prompt")


@pytest.mark.parametrize("formatter", [Line("%(levelname)s %(message)s"), JSONLine()])
async def test_a_printed_record_is_one_line(collected, formatter):
    await chat(Logging(logger=collected.logger, content=True)(MockProvider("two\nlines", name="p")))
    assert "\n" not in formatter.format(collected.records[-1])


async def test_two_layers_of_one_call_log_it_twice_and_attempts_each(collected, clock):
    layer = Logging(logger=collected.logger)
    provider = chain([layer, Retry(), layer], MockProvider([ServerError(), "yes"]))
    await chat(provider, CallContext(clock=clock))
    assert [fields["event"] for fields in calls(collected)] == ["chat_failed", "chat_completed", "chat_completed"]


async def test_concurrent_calls_are_told_apart_by_their_id(collected):
    provider = chain([Logging(logger=collected.logger)], MockProvider())
    await asyncio.gather(*(chat(provider) for _ in range(5)))
    assert len({fields["id"] for fields in calls(collected)}) == 5


def test_the_repr_shows_the_logger_and_its_level(collected):
    assert repr(Logging(logger=collected.logger)) == "Logging(aiclient.tests.calls, level DEBUG)"
    assert repr(Logging(content=True)).endswith(", content)")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"logger": "aiclient"}, "logger='aiclient' must be a logging.Logger or a logger of structlog"),
        ({"content": "yes"}, "content='yes' must be True or False"),
        ({"content_limit": 0}, "content_limit=0 must be a whole number of characters of at least 1"),
        ({"content_limit": True}, "content_limit=True must be a whole number of characters of at least 1"),
    ],
)
def test_a_wrong_option_is_refused_by_name(options, message):
    with pytest.raises(ConfigError) as caught:
        Logging(**options)
    assert str(caught.value) == message


# --- content ---


async def logged(collected, *messages, answer="ok", **options):
    provider = Logging(logger=collected.logger, content=True, **options)(MockProvider(answer))
    await opened(ChatRequest(messages), provider.chat)
    return calls(collected)[-1]


async def test_content_is_cut_at_the_limit_and_says_how_much_is_missing(collected):
    fields = await logged(collected, Message("user", "x" * 30), answer="y" * 30, content_limit=10)
    assert fields["prompt"] == [f"user: {'x' * 10}... (20 more characters)"]
    assert fields["answer"] == f"{'y' * 10}... (20 more characters)"


async def test_of_a_long_conversation_the_end_is_kept(collected):
    messages = [Message("user", f"number {index}") for index in range(100)]
    fields = await logged(collected, *messages, content_limit=40)
    assert fields["messages"] == 100
    assert fields["prompt"] == ["(97 earlier messages)", *(f"user: number {index}" for index in (97, 98, 99))]


async def test_a_key_that_the_limit_would_cut_in_two_is_masked_as_a_whole(collected):
    fields = await logged(collected, Message("user", f"abc {KEY} def"), content_limit=6)
    assert fields["prompt"] == ["user: abc **... (5 more characters)"]


async def test_what_is_no_text_is_named(collected):
    call, result = ToolCall("c1", "weather", '{"city":"Bonn"}'), ToolResultPart("c1", [TextPart("21 degrees")])
    image = ImagePart(data=b"png", media_type="image/png")
    fields = await logged(
        collected, Message("user", ["Where?", image]), Message("assistant", [call]), Message("tool", [result])
    )
    assert fields["prompt"] == ["user: Where? <ImagePart>", 'assistant: weather({"city":"Bonn"})', "tool: 21 degrees"]


# --- other loggers, and handlers that fail ---


class Structured:
    """A logger as structlog makes them."""

    def __init__(self):
        self.seen = []

    def bind(self, **_):
        return self

    def log(self, level, event, **fields):
        self.seen.append((level, event, fields))


async def test_a_logger_of_structlog_is_given_the_fields_as_they_are():
    logger = Structured()
    await chat(chain([Logging(logger=logger)], MockProvider("a", name="p")))
    assert [(level, event) for level, event, _ in logger.seen] == [
        (logging.DEBUG, "attempt_ended"),
        (logging.INFO, "chat_completed"),
    ]
    assert (logger.seen[1][2]["provider"], logger.seen[1][2]["attempts"]) == ("p", 1)
    assert repr(Logging(logger=logger)) == "Logging(structlog)"


class Failing(logging.Handler):
    def emit(self, record):
        raise OSError("the disk is full")


@PATHS
async def test_a_handler_that_raises_fails_no_call_and_is_told_of_once(collected, capsys, call, operation):
    logs.reset()
    failing = Failing()
    collected.logger.addHandler(failing)
    try:
        for _ in range(3):
            assert await call(chain([Logging(logger=collected.logger)], MockProvider("ok")))
    finally:
        collected.logger.removeHandler(failing)
    printed = capsys.readouterr().err
    assert (
        printed
        == "aiclient: a handler of the logger aiclient.tests.calls raised OSError; records are lost, calls go on\n"
    )


async def test_a_model_that_repeats_a_key_is_masked_and_a_long_one_cut(collected):
    answers = [ChatResponse(Message("assistant", "hi"), model=name) for name in (f"model {KEY}", "m" * 500)]
    provider = Logging(logger=collected.logger)(chain([], MockProvider(answers)))
    await chat(provider)
    await chat(provider)
    named = [record.aiclient["model"] for record in collected.records]
    assert named == ["model ***"] * 2 + ["m" * 128 + "... (372 more characters)"] * 2


async def test_an_odd_identifier_from_a_provider_of_ones_own_costs_the_fields_and_not_the_answer(collected, capsys):
    odd = MockProvider(lambda request: OverloadedError("full", code=7))
    logs.reset()  # which forgets what has been said once
    with pytest.raises(OverloadedError):
        await chat(Logging(logger=collected.logger)(odd))
    assert [record.aiclient["event"] for record in collected.records] == ["chat_failed"]
    assert "the fields of chat_failed could not be told (TypeError)" in capsys.readouterr().err
