"""H: the caller cancels, wherever the call is waiting at that moment."""

from __future__ import annotations

import asyncio
import contextlib
import gc

import pytest
from attrs import frozen

from aiclient.errors import AIClientError, ClientClosedError, StreamClosedError
from aiclient.http import HTTPLimits
from aiclient.middleware import RateLimit
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.server import Answer, Fault, rate_limited

from .peers import EVENTS, Deaf, Played, Raw, answering, mute
from .rows import BOTH, Bench, Untouched, row
from .wires import OPENAI

pytestmark = pytest.mark.anyio

LONG = {**EVENTS, "content-length": "100000"}


@frozen
class Stage:
    """Where a call is waiting.

    Args:
        number: Of the row in the matrix.
        name: What it is waiting for.
        peer: Makes the service.
        reached: Waits until the call is there.
        sent: Requests that have reached the service then.
        paths: `chat`, `stream` or both.
        prompt: How much is sent.
    """

    number: int
    name: str
    peer: object
    reached: object
    sent: int = 1
    paths: tuple[str, ...] = BOTH
    prompt: str = "Say hello."


async def a_moment(*_):
    await asyncio.sleep(0.01)


async def request_arrived(peer, _):
    await peer.received()
    await asyncio.sleep(0.003)  # and what it is answered


async def output_was_read(_, bench):
    await bench.read.wait()


async def asleep(_, bench):
    while not bench.waits.pending:  # noqa: ASYNC110  # a clock that stands still tells nobody
        await asyncio.sleep(0)


async def deaf_to_the_body(peer, reader, writer):
    """Read the head, and not the body."""
    await reader.readuntil(b"\r\n\r\n")
    peer.count()
    await asyncio.sleep(0.03)
    with contextlib.suppress(ConnectionError):  # cut by the client, as it should be
        await reader.read()


STAGES = [
    Stage(81, "connecting", lambda: Deaf(), a_moment, sent=0),
    Stage(81, "in the TLS handshake", lambda: mute(scheme="https"), request_arrived),
    Stage(82, "sending its body", lambda: Raw(deaf_to_the_body, limit=1024), request_arrived, prompt="x" * 8_000_000),
    Stage(83, "for the head", lambda: Played(Fault(delay=60)), request_arrived),
    Stage(
        83, "for the body", lambda: Played(Fault(body=OPENAI.whole, stall_after=20)), request_arrived, paths=("chat",)
    ),
    Stage(
        84,
        "between two events",
        lambda: Played(Fault(body=OPENAI.preamble + OPENAI.first + OPENAI.second[:5], headers=LONG, stall_after=400)),
        output_was_read,
        paths=("stream",),
    ),
    Stage(86, "until it may try again", lambda: Played(rate_limited(retry_after=5)), asleep),
]

CASES = [
    pytest.param(stage, path, id=f"{stage.number} {stage.name}-{path}") for stage in STAGES for path in stage.paths
]
MANNERS = pytest.mark.parametrize(
    "gaps",
    [
        pytest.param((), id="once"),
        pytest.param((0,), id="twice", marks=pytest.mark.slow),
        pytest.param((1,), id="twice with a turn between"),
    ],
)


async def cancel(task, gaps):
    """Cancel a task, and again after so many turns of the loop; it must end as cancelled, and soon."""
    task.cancel()
    for gap in gaps:
        for _ in range(gap):
            await asyncio.sleep(0)
        task.cancel()
    await asyncio.wait([task], timeout=1)
    assert task.cancelled()


@MANNERS
@pytest.mark.parametrize(("stage", "path"), CASES)
async def test_a_cancelled_call_ends_at_once_and_leaves_nothing(stage, path, gaps):
    async with Untouched(), stage.peer() as peer:
        bench = Bench(OPENAI.make(peer.url))
        bench.waits._auto = False
        task = asyncio.ensure_future(bench.ask(path, stage.prompt))
        await stage.reached(peer, bench)
        assert not task.done()
        await cancel(task, gaps)
        assert peer.sent == stage.sent
        await bench.close()
        await peer.left()


@row(79)
@MANNERS
@pytest.mark.parametrize("path", BOTH)
async def test_a_call_cancelled_while_it_waits_for_its_turn_takes_nothing_and_the_next_moves_up(path, gaps):
    clock = FakeClock(auto=False)
    async with Untouched(), Played() as peer:
        bench = Bench(OPENAI.make(peer.url), rate=RateLimit(1, per=60, clock=clock))
        await bench.ask("chat")
        first, second = (asyncio.ensure_future(bench.ask(path)) for _ in range(2))
        await a_moment()
        (state,) = bench.rate.state().values()
        assert (state.waiting, state.requests, peer.sent) == (2, 1, 1)
        await cancel(first, gaps)
        clock.advance(61.0)
        await asyncio.wait_for(second, 5)
        (state,) = bench.rate.state().values()
        assert (state.waiting, state.requests, peer.sent, clock.pending) == (0, 1, 2, 0)
        await bench.close()
        await peer.left()


@row(80)
@MANNERS
@pytest.mark.parametrize("path", BOTH)
@pytest.mark.parametrize(
    ("connections", "calls"), [(1, 8), (8, 1)], ids=["for a connection", "behind the layer Concurrency"]
)
async def test_a_call_cancelled_in_a_queue_leaves_it(connections, calls, path, gaps):
    async with Untouched(), Played(Fault(delay=60)) as peer:
        provider = OPENAI.make(peer.url, limits=HTTPLimits(max_connections=connections))
        bench = Bench(provider, limit=calls)
        holder = asyncio.ensure_future(bench.ask("chat"))
        await peer.received()
        task = asyncio.ensure_future(bench.ask(path))
        await a_moment()
        await cancel(task, gaps)
        assert peer.sent == 1
        await cancel(holder, ())
        await bench.close()
        await peer.left()


@row(85)
@MANNERS
async def test_a_cancellation_while_a_stream_is_being_closed_goes_through_and_closes_it(gaps):
    # after the finish reason closing reads on, for the usage: that is where it is met
    finished = OPENAI.preamble + OPENAI.first + OPENAI.end.partition(b"\n\n")[0] + b"\n\n"
    async with Untouched(), Played(Fault(body=finished + b":", headers=EVENTS, stall_after=len(finished))) as peer:
        bench = Bench(OPENAI.make(peer.url))
        stream = await bench.client.chat_stream("Say hello.")
        while not stream.finished:
            await stream.__anext__()
        closing = asyncio.ensure_future(stream.close())
        await a_moment()
        assert not closing.done()
        await cancel(closing, gaps)
        assert stream.end is not None
        await bench.close()
        await peer.left()


@row(89)
@pytest.mark.parametrize("path", BOTH)
async def test_the_callers_own_timeout_stays_the_callers(path):
    async with Untouched(), Played(Fault(delay=60)) as peer:
        bench = Bench(OPENAI.make(peer.url))
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.02):
                await bench.ask(path)
        assert not isinstance(caught.value, AIClientError)
        await bench.close()
        await peer.left()


def words(count):
    return answering(Answer(200, EVENTS, (OPENAI.preamble, *[OPENAI.first] * count), pause=0.001))


@row(90)
async def test_leaving_a_stream_early_closes_its_connection_at_once():
    async with Untouched(), words(1000) as peer:
        bench = Bench(OPENAI.make(peer.url))
        async with bench.client.chat_stream("Go on.") as stream:
            async for _ in stream:
                break
        assert stream.end.outcome == "abandoned"
        bench.nothing_is_held()
        await peer.left()
        await bench.close()


@row(90)
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning", "ignore:unclosed transport:ResourceWarning")
async def test_a_dropped_stream_is_let_go_of_by_the_collector_even_in_a_cycle():
    async with Untouched(), words(1000) as peer:
        bench = Bench(OPENAI.make(peer.url))
        stream = await bench.client.chat_stream("Go on.")
        await stream.__anext__()
        cycle = [stream]
        cycle.append(cycle)
        del stream, cycle
        with pytest.warns(ResourceWarning, match="async with"):
            gc.collect()
        await a_moment()
        await peer.left()
        await bench.close(settled=False)


@row(91)
async def test_a_client_that_is_closed_ends_its_streams_and_refuses_calls_and_may_be_closed_again():
    async with Untouched(), words(1000) as peer:
        bench = Bench(OPENAI.make(peer.url))
        stream = await bench.client.chat_stream("Go on.")
        await stream.__anext__()
        await bench.client.close()
        with pytest.raises(ClientClosedError):
            await stream.__anext__()
        with pytest.raises(ClientClosedError):
            await bench.ask("chat")
        await stream.close()
        await bench.close()
        await peer.left()


@row(91)
async def test_a_stream_that_was_closed_twice_cannot_be_read():
    async with Untouched(), words(1000) as peer:
        bench = Bench(OPENAI.make(peer.url))
        stream = await bench.client.chat_stream("Go on.")
        await stream.close()
        await stream.close()
        with pytest.raises(StreamClosedError):
            await stream.__anext__()
        await bench.close()
        await peer.left()
