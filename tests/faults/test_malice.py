"""I, L and M: clocks that jump, input that cannot be right, and services and callers that mean harm."""

from __future__ import annotations

import asyncio

import pytest

from aiclient import AsyncClient
from aiclient.context import Timeouts
from aiclient.errors import (
    AuthenticationError,
    BadRequestError,
    ConfigError,
    InvalidRequestError,
    MissingAPIKeyError,
    ProtocolError,
    TimeoutError,
)
from aiclient.messages import ImagePart, Message
from aiclient.providers import AnthropicProvider, OpenAIProvider
from aiclient.request import ChatOptions, ChatRequest
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.server import Answer, Fault, rate_limited

from .peers import Played, answering, saying
from .rows import BOTH, Bench, Row, Untouched, every, meet, row
from .wires import KEY, MODEL, OPENAI, WIRES

pytestmark = pytest.mark.anyio
PATHS = pytest.mark.parametrize("path", BOTH)

# --- I: clocks ---


class Jumping(FakeClock):
    """The wall clock jumps an hour forth and back each time it is read; the monotonic one does not."""

    jump = 3600.0

    def time(self):
        self.jump = -self.jump
        return super().time() + self.jump


@row(94)
@PATHS
async def test_a_wall_clock_that_jumps_changes_no_limit_and_no_wait(path):
    async with Untouched(), Played(rate_limited(retry_after=3), Fault(), again=False) as peer:
        clock = Jumping()
        bench = Bench(OPENAI.make(peer.url), clock=clock, timeouts=Timeouts(total=30.0, first_output=10.0, idle=10.0))
        bench.waits = clock
        answer = await bench.ask(path)
        assert [attempt.duration for attempt in answer.attempts] == [0.0, 0.0]
        await bench.close()
        await peer.left()


@row(95)
@PATHS
async def test_time_that_jumps_ahead_ends_what_is_waiting(path):
    # a machine that slept for an hour: the monotonic clock stood, or has gone on, and is an hour later at once
    async with Untouched(), Played(Fault(delay=60)) as peer:
        clock = FakeClock(auto=False)
        bench = Bench(OPENAI.make(peer.url), clock=clock, timeouts=Timeouts(first_output=None))
        task = asyncio.ensure_future(bench.ask(path))
        await peer.received()
        clock.advance(3600.0)
        with pytest.raises(TimeoutError) as caught:
            await task
        assert (caught.value.phase, peer.sent, clock.pending) == ("total", 1, 0)
        await bench.close()
        await peer.left()


# --- L: input ---


@row(116)
@pytest.mark.parametrize("key", ["", "   ", "sk-x\n\n", "sk x", "sk-x\0"])
def test_what_is_no_key_is_refused_and_not_shown(key):
    with pytest.raises((ConfigError, MissingAPIKeyError)) as caught:
        OpenAIProvider(key, model=MODEL).validate_config()
    assert "sk" not in str(caught.value)


@row(116)
@PATHS
async def test_the_line_break_that_files_end_with_is_no_part_of_a_key(path):
    async with Untouched(), Played(api_key=KEY) as peer:
        bench = Bench(OpenAIProvider(f"{KEY}\n", model=MODEL, base_url=f"{peer.url}/v1"))
        await bench.ask(path)
        await bench.close()
        await peer.left()


@row(117)
@pytest.mark.parametrize(
    ("kind", "key"), [(OpenAIProvider, "sk-ant-0123456789"), (AnthropicProvider, "sk-proj-0123456789")]
)
def test_a_key_of_another_vendor_is_not_shown_to_this_one(kind, key):
    with pytest.raises(ConfigError) as caught:
        AsyncClient(kind(key, model=MODEL))
    assert "0123456789" not in str(caught.value)


@row(118)
@pytest.mark.parametrize("seconds", [0, -1, float("nan"), "5", True])
def test_a_limit_of_no_time_is_refused(seconds):
    with pytest.raises((ConfigError, InvalidRequestError), match="total"):
        AsyncClient(OpenAIProvider(KEY, model=MODEL), timeout=seconds)


NO_MESSAGES = [[], [{"role": "user", "content": 7}], [{"role": "user"}]]


@row(119)
@PATHS
@pytest.mark.parametrize("messages", NO_MESSAGES, ids=["none", "a number", "nothing"])
async def test_what_no_service_would_take_is_refused_before_it_is_sent(messages, path):
    async with Untouched(), Played() as peer:
        bench = Bench(OPENAI.make(peer.url))
        with pytest.raises(InvalidRequestError):
            await bench.ask(path, messages)
        assert peer.sent == 0
        await bench.close()


INSIDE = ["http://169.254.169.254/latest", "http://[::ffff:127.0.0.1]/", "http://0x7f.1/", "file:///etc/passwd"]


@row(120, 121)
@PATHS
@pytest.mark.parametrize("wire", WIRES[:2], ids=["openai", "anthropic"])
@pytest.mark.parametrize("place", [*INSIDE, None], ids=lambda place: str(place)[:24])
async def test_media_are_never_fetched_the_url_goes_to_the_service_as_it_is(place, wire, path):
    async with Untouched(), Played() as peer, Played() as elsewhere:
        url = place or f"{elsewhere.url}/v1/models"
        bench = Bench(wire.make(peer.url))
        await bench.ask(path, [Message("user", ["What is it?", ImagePart(url=url)])])
        assert url in peer.requests[0].body.decode()
        assert (peer.sent, elsewhere.sent) == (1, 0)
        await bench.close()
        await peer.left()


@row(122)
@PATHS
async def test_nothing_in_a_request_changes_where_it_goes(path):
    async with Untouched(), Played() as peer, Played() as elsewhere:
        extra = {"base_url": elsewhere.url, "api_base": elsewhere.url, "headers": {"host": "evil.example"}}
        bench = Bench(OPENAI.make(peer.url))
        options = ChatOptions(extra={"openai": extra})
        await bench.ask(path, ChatRequest([Message("user", "Hi")], options))
        assert (peer.sent, elsewhere.sent) == (1, 0)
        assert peer.requests[0].headers["host"] == peer.url.removeprefix("http://")
        await bench.close()
        await peer.left()


# --- M: harm ---


def unquoted(error):
    shown = f"{error}{error!r}{error.message}{error.code}{error.request_id}{error.args}{error.attempts}"
    assert KEY not in shown and "***" in shown


def quoted(status, error):
    """The service quotes our key wherever it can."""
    body = {"error": {"message": f"bad key {KEY}", "type": KEY, "code": KEY}}
    fault = Fault(status=status, body=body, headers={"x-request-id": f"req-{KEY}"})
    name = f"{status} with the key in its words"
    return Row(number=124, name=name, peer=lambda _: Played(fault), error=error, code=status, also=unquoted)


QUOTING = [quoted(400, BadRequestError), quoted(401, AuthenticationError)]

UPGRADES = [
    Row(
        number=126,
        name="alternative services and upgrades",
        peer=lambda wire: answering(
            Answer(200, {"alt-svc": 'h3=":443"; ma=86400', "upgrade": "h2c", "link": "</x>; rel=preload"}, wire.whole)
        ),
        breaker="success",
    ),
    Row(
        number=126,
        name="a change of protocol that nobody asked for",
        peer=lambda _: saying(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"),
        error=ProtocolError,
        kind="http",
        breaker="failure",
    ),
]


def is_plain(error):
    text = str(error)
    assert text.isprintable() and "\\x1b" in text


ANSI = [
    Row(
        number=127,
        name="control characters in an error",
        peer=lambda _: Played(Fault(status=400, body={"error": {"message": "\x1b[31mno\x1b[0m\nWARNING forged"}})),
        error=BadRequestError,
        code=400,
        also=is_plain,
    )
]


@every([*QUOTING, *UPGRADES, *ANSI])
async def test_a_service_that_means_harm_gets_nowhere(row, path, wire):
    await meet(row, path, wire)


@row(125)
@PATHS
async def test_cookies_are_not_kept(path):
    async with Untouched(), Played(Fault(headers={"set-cookie": "session=s3cr3t; Path=/"})) as peer:
        bench = Bench(OPENAI.make(peer.url))
        await bench.ask(path)
        await bench.ask(path)
        assert all("cookie" not in request.headers for request in peer.requests)
        assert peer.sent == 2
        await bench.close()
        await peer.left()
