"""G: streams that are cut, and those that are slow."""

from __future__ import annotations

import asyncio

import pytest

from aiclient.context import Timeouts
from aiclient.errors import ConnectError, ProtocolError, StreamInterruptedError, TimeoutError
from aiclient.http import HTTPLimits
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.server import Answer, Fault

from .peers import EVENTS, Played, answering, endless
from .rows import Bench, Row, Untouched, every, meet, row
from .wires import OPENAI, WIRES

pytestmark = pytest.mark.anyio

STREAM = ("stream",)
RETRIED = {"tries": 3, "breaker": "failure"}
LONG = {"content-type": "text/event-stream", "content-length": "100000"}


def cut_after(data, *, reset=False, stall=False):
    """A fault that sends so much of a longer answer and then breaks off."""
    size = {"stall_after" if stall else "cut_after": len(data)}
    return Fault(body=data, headers=LONG, reset=reset, **size)


def has_what_came(error):
    assert error.partial.message.content == "Hel"
    assert error.partial.usage.total_tokens is None


def interrupted(number, name, fault, cause, kind, **more):
    peer = lambda wire: Played(fault(wire))
    wanted = {
        "error": StreamInterruptedError,
        "cause": cause,
        "kind": kind,
        "breaker": "failure",
        "also": has_what_came,
    }
    return Row(number=number, name=name, peer=peer, paths=STREAM, **{**wanted, **more})


HANG_UPS = [
    Row(
        number=70,
        name="a reset before anything",
        peer=lambda _: Played(Fault(close_before=True, reset=True)),
        error=ConnectError,
        kind="reset",
        **RETRIED,
    ),
    Row(
        number=70,
        name="a hang-up before anything",
        peer=lambda _: Played(Fault(close_before=True)),
        error=ConnectError,
        kind="reset",
        **RETRIED,
    ),
    Row(
        number=71,
        name="a cut after the preamble, each time",
        peer=lambda wire: Played(cut_after(wire.preamble)),
        paths=STREAM,
        error=ProtocolError,
        kind="incomplete",
        **RETRIED,
    ),
    Row(
        number=71,
        name="a cut after the preamble, twice",
        peer=lambda wire: Played(cut_after(wire.preamble), cut_after(wire.preamble), healthy(wire), again=False),
        paths=STREAM,
        tries=3,
        breaker="success",
    ),
    Row(
        number=71,
        name="a reset after the preamble, each time",
        peer=lambda wire: Played(cut_after(wire.preamble, reset=True)),
        paths=STREAM,
        error=ConnectError,
        kind="reset",
        **RETRIED,
    ),
]


def healthy(wire):
    return Fault(body=wire.stream, content_type="text/event-stream")


CUTS = [
    interrupted(
        72, "a cut after the output", lambda wire: cut_after(wire.preamble + wire.first), ProtocolError, "protocol"
    ),
    interrupted(
        72,
        "a cut inside the second event",
        lambda wire: cut_after(wire.preamble + wire.first + wire.second[:9]),
        ProtocolError,
        "protocol",
    ),
    interrupted(
        72,
        "a reset after the output",
        lambda wire: cut_after(wire.preamble + wire.first, reset=True),
        ConnectError,
        "connection",
    ),
    interrupted(
        73,
        "a clean end without the end mark",
        lambda wire: Fault(body=wire.preamble + wire.first, content_type="text/event-stream"),
        ProtocolError,
        "protocol",
    ),
    interrupted(
        75,
        "silence after the output",
        lambda wire: cut_after(wire.preamble + wire.first, stall=True),
        TimeoutError,
        "timeout",
        phase="idle",
        advance=120.0,
        after=True,
    ),
]

SLOW = [
    Row(
        number=74,
        name="a head that never comes",
        peer=lambda _: Played(Fault(delay=60)),
        advance=600.0,
        paths=("chat",),
        error=TimeoutError,
        phase="total",
        category="timeout",
        breaker="failure",
    ),
    Row(
        number=74,
        name="a head that never comes",
        peer=lambda _: Played(Fault(delay=60)),
        timeouts=Timeouts(first_output=10.0),
        advance=10.0,
        paths=STREAM,
        error=TimeoutError,
        phase="first_output",
        **RETRIED,
    ),
    Row(
        number=74,
        name="a body that drips",
        peer=lambda wire: Played(Fault(body=wire.whole, drip=(1, 0.002))),
        advance=600.0,
        paths=("chat",),
        error=TimeoutError,
        phase="total",
        breaker="failure",
    ),
    Row(
        number=74,
        name="a preamble that drips",
        peer=lambda wire: Played(Fault(body=wire.stream, content_type="text/event-stream", drip=(1, 0.002))),
        timeouts=Timeouts(first_output=10.0),
        advance=10.0,
        paths=STREAM,
        error=TimeoutError,
        phase="first_output",
        **RETRIED,
    ),
    Row(
        number=74,
        name="an attempt that takes too long by the caller's own short limit",
        peer=lambda _: Played(Fault(delay=60)),
        timeouts=Timeouts(attempt=5.0),
        advance=5.0,
        error=TimeoutError,
        phase="attempt",
        kind="short_deadline",
        tries=3,
        breaker="neutral",
    ),
    Row(
        number=77,
        name="silence after the end",
        peer=lambda wire: answering(Answer(200, EVENTS, (wire.stream, b": much later\n\n"), pause=30.0)),
        paths=STREAM,
        breaker="success",
    ),
]

WITH_AN_END = WIRES[:2]  # Gemini's streams end with their body, not with an event


@every([*HANG_UPS[2:], *CUTS], wires=WIRES)
async def test_a_stream_that_is_cut_is_tried_again_before_its_output_and_never_after(row, path, wire):
    await meet(row, path, wire)


@every([*HANG_UPS[:2], *SLOW[:-1]])
async def test_what_is_slow_or_silent_is_given_up_in_time(row, path, wire):
    await meet(row, path, wire)


@every([SLOW[-1]], wires=WITH_AN_END)
async def test_a_stream_is_over_at_its_end_mark(row, path, wire):
    await meet(row, path, wire)


@row(72, 73)
@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
async def test_a_cut_between_any_two_events_is_never_taken_for_an_end(wire):
    whole = wire.stream.split(b"\n\n")[:-1]
    cuts = [b"".join(part + b"\n\n" for part in whole[:count]) for count in range(len(whole))]
    faults = [Fault(body=data, content_type="text/event-stream") for data in cuts if _has_no_end(wire, data)]
    async with Untouched(), Played(*faults, again=False) as peer:
        bench = Bench(wire.make(peer.url), tries=1)
        ends = [await _end_of(bench) for _ in faults]
        assert set(ends) == {"ProtocolError", "StreamInterruptedError"}
        await bench.close()
        await peer.left()


def _has_no_end(wire, data):
    """Whether no event of those before the cut says why the model stopped."""
    return not any(word in data for word in (b'"finish_reason": "stop"', b"message_stop", b"finishReason"))


async def _end_of(bench):
    with pytest.raises((ProtocolError, StreamInterruptedError)) as caught:
        await bench.ask("stream")
    return type(caught.value).__name__


async def settled(written):
    """Wait until no more is written; return how much was."""
    async with asyncio.timeout(5):
        while True:
            held = len(written)
            await asyncio.sleep(0.05)
            if len(written) == held:
                return held


@row(76)
async def test_a_slow_reader_holds_the_service_back_and_is_not_called_idle():
    written = []

    def body():
        yield OPENAI.preamble
        for number in range(100_000):
            written.append(number)
            yield OPENAI.first * 20

    async with Untouched(), answering(Answer(200, EVENTS, body())) as peer:
        clock = FakeClock(auto=False)
        bench = Bench(OPENAI.make(peer.url), clock=clock)
        async with bench.client.chat_stream("Go on.") as stream:
            await stream.__anext__()
            held = await settled(written)
            assert held < 10_000  # what the sockets' buffers hold, and no more
            clock.advance(500.0)  # four times as long as silence may last
            assert (await stream.__anext__()).content == "Hel"
        await bench.close()
        await peer.left()


@row(78)
async def test_a_stream_over_the_size_that_was_set_is_interrupted_and_keeps_what_came():
    async with Untouched(), endless(200, OPENAI.preamble, OPENAI.first) as peer:
        bench = Bench(OPENAI.make(peer.url, limits=HTTPLimits(max_body=20_000)))
        with pytest.raises(StreamInterruptedError, match="max_body=20000") as caught:
            await bench.ask("stream")
        assert set(caught.value.partial.message.content.split("Hel")) == {""}
        await bench.close()
        await peer.left()
