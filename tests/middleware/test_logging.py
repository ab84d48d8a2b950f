"""One structured record for every logical call."""

from __future__ import annotations

import asyncio
import json
import logging
from decimal import Decimal

import pytest

from aiclient import logs
from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk
from aiclient.context import CallContext
from aiclient.errors import AIClientError, BadRequestError, ConfigError, OverloadedError, ServerError
from aiclient.messages import Message
from aiclient.middleware import Logging, Retry
from aiclient.middleware.logging import clean
from aiclient.opening import collect
from aiclient.pricing import DictPrices
from aiclient.provider import opened
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest
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
        "duration": 0,
        "attempts": 1,
        "prompt_tokens": answer.usage.prompt_tokens,
        "completion_tokens": answer.usage.completion_tokens,
        "cost_usd": float(Decimal(answer.usage.total_tokens) / 1_000_000),
    }
    if call is not embed:
        expected |= {"tags": {"team": "a"}, "finish_reason": "stop"}
    assert fields == expected
    (record,) = [record for record in collected.records if record.aiclient is fields]
    assert (record.levelno, record.getMessage()) == (logging.INFO, f"{operation}_completed p")


@PATHS
async def test_a_failure_leaves_one_warning_that_says_why(collected, call, operation):
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
    assert collected.records[-1].levelno == logging.WARNING


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
    assert [(r.aiclient["number"], r.aiclient["category"], r.aiclient["id"]) for r in retries] == [
        (1, "server", "call-1"),
        (2, "server", "call-1"),
    ]
    assert [r.aiclient["delay"] for r in retries] == [round(seconds, 3) for seconds in clock.slept]
    (fields,) = calls(collected)
    assert fields["attempts"] == 3


async def test_attempts_are_logged_at_debug(collected):
    await chat(chain([Logging(logger=collected.logger)], MockProvider()))
    levels = {record.aiclient["event"]: record.levelname for record in collected.records}
    assert levels == {"attempt_started": "DEBUG", "attempt_ended": "DEBUG", "chat_completed": "INFO"}


@pytest.mark.parametrize(
    ("level", "events"),
    [
        (logging.INFO, ["retry", "chat_completed"]),
        (logging.WARNING, []),
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
    for fields in calls(collected):
        assert fields["messages"] == [f"user: {CANARY} ***"]
        assert fields["answer"] == f"the answer is {CANARY}, and your key was ***"


async def test_content_of_embeddings_is_not_logged(collected):
    await embed(Logging(logger=collected.logger, content=True)(MockProvider()))
    assert "CANARY" not in everything(collected.records[-1])


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain text, äöü €", "plain text, äöü €"),
        ("two\nlines\r\n\ttabbed", r"two\nlines\r\n\ttabbed"),
        ("\x1b[31mred\x00", r"\x1b[31mred\x00"),
        ("line\u2028separator", r"line\u2028separator"),
        (f"key {KEY}.", "key ***"),
        ("Authorization: Bearer abc123", "Authorization: ***"),
        ("AIzaSyA-1234567890abcdefghij", "***"),
        ("AKIAIOSFODNN7EXAMPLE", "***"),
        ("sk-short and task-force-one-alpha", "sk-short and task-force-one-alpha"),
    ],
    ids=["plain", "lines", "controls", "separator", "openai", "bearer", "google", "aws", "no-keys"],
)
def test_a_record_stays_one_line_and_shows_no_key(text, cleaned):
    assert clean(text) == cleaned


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


async def test_a_printed_record_is_one_line(collected):
    formatter = logs._Fields("%(levelname)s %(message)s")
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


def test_another_kind_of_logger_is_refused():
    with pytest.raises(ConfigError, match=r"must be a logging.Logger"):
        Logging(logger="aiclient")
