"""F: the events of a stream."""

from __future__ import annotations

import pytest

from aiclient.context import Timeouts
from aiclient.errors import OverloadedError, ProtocolError, StreamInterruptedError, TimeoutError
from aiclient.testutil.server import Fault

from .peers import Played, endless, flooding
from .rows import Bench, Row, Untouched, every, meet, row
from .wires import ANTHROPIC, GEMINI, OPENAI, WIRES, event

pytestmark = pytest.mark.anyio

STREAM = ("stream",)
BAD = b'data: {"choices": [{"delta": {"content": \n\n'


def streamed(number, name, body, *, fault=None, **more):
    """A row about a stream that is given as bytes, or made of a wire's pieces by a function."""

    def peer(wire):
        data = body(wire) if callable(body) else body
        return Played(Fault(body=data, content_type="text/event-stream", **(fault or {})))

    return Row(number=number, name=name, peer=peer, paths=STREAM, **more)


def spoilt(number, name, body, kind, *, tries=1, **more):
    """A stream that fails before its first output."""
    return streamed(number, name, body, error=ProtocolError, kind=kind, tries=tries, **{"breaker": "failure", **more})


def interrupted(number, name, body, cause, kind, **more):
    """A stream that fails after its first output: never tried again."""
    return streamed(
        number, name, body, error=StreamInterruptedError, cause=cause, kind=kind, **{"breaker": "failure", **more}
    )


def understood(number, name, body, **more):
    return streamed(number, name, body, breaker="success", **more)


def has_what_came(error):
    assert error.partial.message.content == "Hel"


ENDINGS = [
    understood(59, "CR LF", lambda wire: wire.stream.replace(b"\n", b"\r\n")),
    understood(59, "CR", lambda wire: wire.stream.replace(b"\n", b"\r")),
    understood(59, "byte by byte", lambda wire: wire.stream.replace(b"\n", b"\r\n"), fault={"drip": (1, 0)}),
    understood(60, "a byte order mark", lambda wire: b"\xef\xbb\xbf" + wire.stream),
    understood(
        60,
        "comments, fields without a colon, unknown fields, an id with NUL",
        lambda wire: b": hello\n\nid: a\0b\nfoo: bar\nretry\n\n" + wire.stream.replace(b"data: ", b"data:"),
    ),
    understood(63, "no blank line at the end", lambda wire: wire.stream.rstrip(b"\n")),
    understood(
        65,
        "events of tomorrow",
        lambda wire: wire.preamble + event({"type": "tomorrow"}, "tomorrow") + wire.first + wire.second + wire.end,
    ),
    understood(69, "a whole answer", lambda wire: wire.whole),
]

FAILURES = [
    spoilt(64, "bad JSON before the output", lambda wire: wire.preamble + BAD, "decode", tries=3),
    interrupted(
        64,
        "bad JSON after the output",
        lambda wire: wire.preamble + wire.first + BAD + wire.second + wire.end,
        ProtocolError,
        "protocol",
        also=has_what_came,
    ),
    streamed(
        66,
        "an error before the output",
        lambda wire: wire.preamble + wire.failed,
        error=OverloadedError,
        code={"gemini": 503},  # the only one whose error names it
        tries=3,
        breaker="failure",
    ),
    interrupted(
        66,
        "an error after the output",
        lambda wire: wire.preamble + wire.first + wire.failed,
        OverloadedError,
        "overloaded",
        code={"gemini": 503},
        also=has_what_came,
    ),
]


DISORDER = [
    understood(
        67,
        "text before its block begins",
        ANTHROPIC.preamble.partition(b"event: content_block_start")[0]
        + ANTHROPIC.first
        + ANTHROPIC.second
        + ANTHROPIC.end,
        note="tolerated by design: llama.cpp opens blocks out of order; what cannot be understood is an error",
    ),
    understood(67, "two beginnings", ANTHROPIC.preamble * 2 + ANTHROPIC.first + ANTHROPIC.second + ANTHROPIC.end),
]

FLOODS = [
    Row(
        number=61,
        name="a line without end",
        peer=lambda wire: endless(200, wire.preamble + b"data: ", b"x" * 65536),
        paths=STREAM,
        error=ProtocolError,
        kind="too_large",
        breaker="failure",
    ),
    Row(
        number=61,
        name="empty lines of data without end, after the output",
        peer=lambda wire: endless(200, wire.preamble + wire.first, b"data:\n" * 4096),
        paths=STREAM,
        error=StreamInterruptedError,
        kind="protocol",
        cause=ProtocolError,
        breaker="failure",
        also=has_what_came,
    ),
]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
PINGS = [
    Row(
        number=62,
        name="only pings, before the output",
        peer=lambda wire: flooding(HEAD + wire.preamble, b": ping\n\n", 0.005),
        timeouts=Timeouts(first_output=10.0),
        advance=10.0,
        paths=STREAM,
        error=TimeoutError,
        phase="first_output",
        tries=3,
        breaker="failure",
    ),
    Row(
        number=62,
        name="only pings, after the output",
        peer=lambda wire: flooding(HEAD + wire.preamble + wire.first, b": ping\n\n", 0.005),
        advance=120.0,
        after=True,
        paths=STREAM,
        error=StreamInterruptedError,
        kind="timeout",
        phase="idle",
        cause=TimeoutError,
        breaker="failure",
        also=has_what_came,
    ),
]


@every([*ENDINGS[:-2], *FAILURES, *PINGS], wires=WIRES)
async def test_a_stream_is_split_into_events_alike_for_every_vendor(row, path, wire):
    await meet(row, path, wire)


@every([ENDINGS[-2], *FLOODS], wires=(OPENAI,))
async def test_a_stream_that_cannot_be_split_has_a_bound(row, path, wire):
    await meet(row, path, wire)


@every([ENDINGS[-1]], wires=(OPENAI,))
async def test_a_whole_answer_to_a_streams_request_is_a_stream(row, path, wire):
    await meet(row, path, wire)


@every(DISORDER, wires=(ANTHROPIC,))
async def test_events_out_of_order_are_understood_or_refused(row, path, wire):
    await meet(row, path, wire)


@row(68)
@pytest.mark.parametrize(
    ("wire", "rest"),
    [(OPENAI, OPENAI.first), (ANTHROPIC, ANTHROPIC.first), (GEMINI, b": bye\n\n")],  # Gemini's end is the body's
    ids=["openai", "anthropic", "gemini"],
)
async def test_what_follows_the_end_is_ignored_and_the_connection_serves_again(wire, rest):
    fault = Fault(body=wire.stream + rest, content_type="text/event-stream")
    async with Untouched(), Played(fault) as peer:
        bench = Bench(wire.make(peer.url))
        assert (await bench.ask("stream")).message.content == "Hello"
        assert (await bench.ask("stream")).message.content == "Hello"
        assert [request.connection_id for request in peer.requests] == [1, 1]
        await bench.close()
        await peer.left()
