"""D: the headers of an answer, and of a request."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from aiclient.context import CallContext
from aiclient.errors import ConfigError, InvalidModelError, InvalidRequestError, ProtocolError, RateLimitError, outcome
from aiclient.messages import Message
from aiclient.providers import GeminiProvider, OpenAIProvider
from aiclient.request import ChatOptions, ChatRequest
from aiclient.testutil.server import Answer, Fault

from .peers import EVENTS, Played, answering, saying
from .rows import Bench, Row, Untouched, every, meet, row
from .wires import KEY, MODEL, OPENAI

pytestmark = pytest.mark.anyio

SKEWED = 1_000_000_000.0
"""What a service far behind takes for now."""


def asked_to_wait(number, name, headers, least, most, *, tries=3):
    return Row(
        number=number,
        name=name,
        peer=lambda _: Played(Fault(status=429, headers=headers)),
        error=RateLimitError,
        code=429,
        tries=tries,
        waits=(least, most),
    )


WAITS = [
    *(
        asked_to_wait(37, f"Retry-After {text!r}", {"retry-after": text}, 0, 0)
        for text in ("-5", "abc", "nan", "inf", "1e400", "", formatdate(SKEWED, usegmt=True))
    ),
    asked_to_wait(
        38,
        "a date by the service's own wrong clock",
        {"retry-after": formatdate(SKEWED + 5, usegmt=True), "date": formatdate(SKEWED, usegmt=True)},
        5,
        5.5,
    ),
    asked_to_wait(
        38,
        "a date that is an hour off by the service's own clock",
        {"retry-after": formatdate(SKEWED + 3600, usegmt=True), "date": formatdate(SKEWED, usegmt=True)},
        0,
        0,
        tries=1,
    ),
    asked_to_wait(39, "milliseconds and seconds disagree", {"retry-after-ms": "1500", "retry-after": "90"}, 1.5, 1.65),
]


def raw(lines, wire, path_body=None):
    body = path_body or wire.whole
    return saying(b"HTTP/1.1 200 OK\r\n" + lines(len(body)) + b"\r\n" + body)


def refused(number, name, lines, kind):
    return Row(
        number=number,
        name=name,
        peer=lambda wire: raw(lines, wire),
        error=ProtocolError,
        kind=kind,
        code=200 if name == "a length and chunks" else None,
        breaker="failure",
    )


HEADS = [
    Row(
        number=40,
        name="a hundred headers",
        peer=lambda wire: raw(lambda size: b"X-A: b\r\n" * 100 + b"Content-Length: %d\r\n" % size, wire),
        breaker="success",
    ),
    refused(40, "a MiB of headers", lambda size: b"X-Padding: %s\r\n" % (b"x" * 1000) * 1000, "too_large"),
    refused(41, "two lengths", lambda size: b"Content-Length: %d\r\nContent-Length: 3\r\n" % size, "http"),
    refused(
        41,
        "a length and chunks",
        lambda size: b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % size,
        "http",
    ),
    refused(41, "a negative length", lambda size: b"Content-Length: -1\r\n", "http"),
    Row(
        number=44,
        name="JSON that says it is a stream",
        peer=lambda wire: answering(Answer(200, EVENTS, wire.whole)),
        breaker="success",
    ),
    Row(
        number=44,
        name="a stream that says it is JSON",
        peer=lambda wire: answering(Answer(200, {"content-type": "application/json"}, wire.stream)),
        breaker="success",
    ),
]

NONSENSE = {
    "x-ratelimit-limit-requests": "10",
    "x-ratelimit-remaining-requests": "11",
    "x-ratelimit-reset-requests": "1970-01-01T00:00:00Z",
    "x-ratelimit-limit-tokens": "-1",
    "x-ratelimit-remaining-tokens": "nan",
    "x-ratelimit-reset-tokens": "1700000000",
}


def knows_no_limits(answer):
    assert answer.rate_limit is None


LIMITS = [
    Row(
        number=43,
        name="limits that cannot be",
        peer=lambda _: Played(Fault(headers=NONSENSE)),
        text=None,
        breaker="success",
        also=knows_no_limits,
    )
]


@every([*WAITS, *HEADS, *LIMITS])
async def test_a_head_is_believed_as_far_as_it_makes_sense(row, path, wire):
    await meet(row, path, wire)


@row(43)
async def test_limits_that_cannot_be_hold_no_call_back():
    async with Untouched(), Played(Fault(headers={**NONSENSE, "x-ratelimit-remaining-requests": "-1"})) as peer:
        bench = Bench(OPENAI.make(peer.url))
        await bench.ask("chat")
        await bench.ask("stream")
        (state,) = bench.rate.state().values()
        assert (state.requests, state.not_before, bench.waits.slept) == (2, 0.0, [])
        await bench.close()
        await peer.left()


SMUGGLED = "a\r\nX-Evil: 1"


@row(42)
def test_a_line_break_in_a_header_of_ones_own_is_an_error_of_configuration():
    with pytest.raises(ConfigError) as caught:
        OpenAIProvider(KEY, model=MODEL, headers={"X-Tenant": SMUGGLED})
    assert "X-Tenant" in str(caught.value) and "Evil" not in str(caught.value)


@row(42)
@pytest.mark.parametrize("value", [SMUGGLED, "a\0b", "caf\u0113"])
async def test_an_identity_of_the_call_that_would_break_its_header_is_refused_before_it_is_sent(value):
    async with Untouched(), Played() as peer:
        provider = OpenAIProvider(KEY, model=MODEL, base_url=f"{peer.url}/v1")
        with pytest.raises(InvalidRequestError) as caught:
            await provider.chat(ChatRequest([Message("user", "Hi")], context=CallContext(id=value)))
        assert (outcome(caught.value).breaker, caught.value.retryable, peer.sent) == ("neutral", False, 0)


@row(42, 123)
def test_a_model_with_a_line_break_is_no_model():
    with pytest.raises(InvalidModelError):
        ChatOptions(model=SMUGGLED)


@row(123)
@pytest.mark.parametrize("model", ["../../admin", "m?key=1", "m#x", "m/../n", "m%2f..%2fn"])
async def test_a_model_stays_one_word_of_the_address(model):
    async with Untouched(), Played(Fault(status=404)) as peer:
        provider = GeminiProvider(KEY, base_url=f"{peer.url}/v1beta")
        request = ChatRequest([Message("user", "Hi")], ChatOptions(model=model))
        call = provider.preview(request)
        path = call.url.removeprefix(peer.url)
        assert path.startswith("/v1beta/models/") and path.endswith(":generateContent")
        assert not set(path) & set("?#") and ".." not in path.split("/")
        await provider.close()
