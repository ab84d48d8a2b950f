"""C: what the service answers before the body is looked at."""

from __future__ import annotations

import json
from functools import partial

import pytest

from aiclient.context import Timeouts
from aiclient.errors import (
    AuthenticationError,
    BadRequestError,
    ContextLengthError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProtocolError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    TimeoutError,
    outcome,
)
from aiclient.providers import OpenAIProvider
from aiclient.testutil.server import Fault, rate_limited

from .peers import Played, flooding, saying
from .rows import BOTH, Bench, Row, Untouched, every, meet, row
from .wires import ANTHROPIC, GEMINI, MODEL, OPENAI

pytestmark = pytest.mark.anyio

SAYS_TOO_LONG = {"error": {"message": "This model's maximum context length is 8192 tokens.", "type": "x", "code": None}}
ENDED = {"error": {"message": "You have reached your usage limits and regain access on 2026-12-01.", "type": "x"}}
NO_CREDIT = {"error": {"message": "You exceeded your current quota.", "type": "x", "code": "insufficient_quota"}}
BUSY = {"error": {"message": "Overloaded", "type": "overloaded_error"}}


def answered(number, name, status, error, *, body=None, headers=(), tries=1, breaker="neutral", **more):
    """A row whose fault is a status, with a body or the one that the vendor would send."""
    fault = Fault(status=status, body=body, headers=dict(headers))
    code = status if status >= 300 else None
    wanted = {"error": error, "code": code, "tries": tries, "breaker": breaker, **more}
    return Row(number=number, name=name, peer=lambda _: Played(fault), **wanted)


again = partial(answered, tries=3)
failed = partial(answered, tries=3, breaker="failure")

STATUSES = [
    answered(18, "400", 400, BadRequestError, category="bad_request"),
    answered(21, "401, the key is fixed", 401, AuthenticationError),
    answered(22, "403", 403, PermissionDeniedError),
    answered(23, "404", 404, ModelNotFoundError),
    answered(24, "405", 405, BadRequestError),
    answered(24, "415", 415, BadRequestError),
    answered(24, "422", 422, BadRequestError),
    failed(25, "408", 408, ServerError),
    again(25, "409", 409, OverloadedError),
    again(25, "425", 425, OverloadedError),
    again(26, "429", 429, RateLimitError, category="rate_limit"),
    failed(28, "500", 500, ServerError, category="server"),
    failed(28, "502", 502, ServerError),
    failed(28, "503", 503, OverloadedError),
    failed(28, "504", 504, ServerError),
    failed(29, "529", 529, OverloadedError, category="overloaded"),
]

WORDS = [
    *(
        answered(19, f"{status} is a full context", status, ContextLengthError, body=SAYS_TOO_LONG)
        for status in (400, 413, 500, 503)
    ),
    answered(20, "400 is an empty account", 400, QuotaExceededError, body=ENDED),
    answered(20, "402", 402, QuotaExceededError, category="quota"),
    answered(20, "429 is an empty account", 429, QuotaExceededError, body=NO_CREDIT),
    again(26, "429 with a wait", 429, RateLimitError, headers={"retry-after": "2"}, waits=(2, 2.2)),
    answered(
        27, "429 with a wait above the cap", 429, RateLimitError, headers={"retry-after": "61"}, category="rate_limit"
    ),
    failed(29, "503 that says overloaded", 503, OverloadedError, body=BUSY),
    answered(
        36,
        "503 that asks not to be tried again",
        503,
        OverloadedError,
        headers={"x-should-retry": "false"},
        breaker="failure",
    ),
    again(36, "409 that asks to be tried again", 409, OverloadedError, headers={"x-should-retry": "true"}),
]

NOT_ANSWERS = [
    *(
        answered(
            30,
            f"{status}",
            status,
            ProtocolError,
            body="",
            headers={"location": "https://else.example/?key=x"},
            kind="redirect",
        )
        for status in (301, 302, 303, 307, 308)
    ),
    failed(32, "204", 204, ProtocolError, body="", kind="empty", paths=("chat",)),
    failed(32, "200 without a body", 200, ProtocolError, body="", kind="empty", paths=("chat",)),
    failed(32, "204", 204, ProtocolError, body="", kind="incomplete", paths=("stream",)),  # a stream without its end
    failed(32, "200 without a body", 200, ProtocolError, body="", kind="incomplete", paths=("stream",)),
    answered(
        34,
        "200 with a page of HTML",
        200,
        ProtocolError,
        body="<html>Please log in</html>",
        headers={"content-type": "text/html"},
        kind="content_type",
        breaker="failure",
    ),
]


def odd(line):
    peer = lambda _: saying(line + b"\r\nContent-Length: 0\r\n\r\n")
    return Row(
        number=35,
        name=line.decode(),
        peer=peer,
        error=ProtocolError,
        kind="http",
        code=int(line[9:12]) if line[9:12] in (b"600", b"999") else None,
        breaker="failure",
    )


ODD = [odd(b"HTTP/1.1 600 Odd"), odd(b"HTTP/1.1 999 Odd"), odd(b"HTTP/1.1 099 Odd"), odd(b"200 OK"), odd(b"SSH-2.0-X")]


def told(number, name, word, error, *, kind="x", **more):
    body = json.dumps({"error": {"message": "no", "type": kind, "code": word}})
    return answered(number, name, 200, error, body=body, **more)


TOLD = [
    told(33, "200 that says rate limited", "rate_limit_exceeded", RateLimitError, tries=3),
    told(33, "200 that says the key is wrong", "invalid_api_key", AuthenticationError),
    told(33, "200 that says the account is empty", "insufficient_quota", QuotaExceededError),
    told(33, "200 that says overloaded", "overloaded", OverloadedError, tries=3, breaker="failure"),
    told(33, "200 that says no more than that", None, ServerError, tries=3, breaker="failure"),
]

HINTS = b"HTTP/1.1 103 Early Hints\r\n\r\n"
INTERIM = [
    Row(
        number=31,
        name="a flood of interim answers",
        peer=lambda _: flooding(b"", HINTS * 20, 0.002),
        timeouts=Timeouts(first_output=10.0),
        advance=10.0,
        paths=("stream",),
        error=TimeoutError,
        phase="first_output",
        tries=3,
        breaker="failure",
        note="bounded by time, not by a count: HTTP sets none, and the library below skips them before we see any",
    ),
    Row(
        number=31,
        name="a flood of interim answers",
        peer=lambda _: flooding(b"", HINTS * 20, 0.002),
        advance=600.0,
        paths=("chat",),
        error=TimeoutError,
        phase="total",
        breaker="failure",
    ),
    Row(
        number=31,
        name="some interim answers",
        peer=lambda wire: saying(
            HINTS * 20 + b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(wire.whole) + wire.whole
        ),
        breaker="success",
    ),
]


@every([*STATUSES, *NOT_ANSWERS], wires=(OPENAI, ANTHROPIC, GEMINI), others=pytest.mark.slow)
async def test_a_status_means_the_same_for_every_vendor(row, path, wire):
    await meet(row, path, wire)


@every([*WORDS, *ODD, *TOLD, *INTERIM])
async def test_words_come_before_the_status_and_what_is_no_answer_is_none(row, path, wire):
    await meet(row, path, wire)


@row(21)
@pytest.mark.parametrize("path", BOTH)
async def test_a_refused_key_is_asked_for_once_more_within_one_attempt(path):
    keys = iter(["sk-planted-old", "sk-planted-new"])
    async with Untouched(), Played(Fault(status=401), again=False) as peer:
        bench = Bench(OpenAIProvider(lambda: next(keys), base_url=f"{peer.url}/v1", model=MODEL))
        answer = await bench.ask(path)
        assert (len(answer.attempts), peer.sent, bench.waits.slept) == (1, 2, [])
        assert [request.headers["authorization"][-3:] for request in peer.requests] == ["old", "new"]
        await bench.close()
        await peer.left()


@row(27)
@pytest.mark.parametrize("path", BOTH)
async def test_a_wait_beyond_the_deadline_is_an_error_at_once(path):
    async with Untouched(), Played(rate_limited(retry_after=31)) as peer:
        bench = Bench(OPENAI.make(peer.url), timeouts=Timeouts(total=30.0))
        with pytest.raises(RateLimitError) as caught:
            await bench.ask(path)
        assert (caught.value.retry_after, outcome(caught.value).falls_over) == (31.0, True)
        assert (peer.sent, bench.waits.slept) == (1, [])
        await bench.close()
        await peer.left()
