"""Some of every group once more, as the probe of an open circuit: each must close it, open it again, or give its place back."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from aiclient.errors import AIClientError

from .rows import Bench, Untouched, every
from .test_bodies import BODIES, ODDITIES, TEXTS
from .test_cancelled import CASES, cancel
from .test_connecting import ROWS
from .test_cuts import CUTS, HANG_UPS, SLOW
from .test_framing import ENDINGS, FAILURES
from .test_heads import HEADS, WAITS
from .test_status import NOT_ANSWERS, ODD, STATUSES, TOLD, WORDS
from .wires import OPENAI

pytestmark = pytest.mark.anyio

AFTER = {"failure": "open", "neutral": "half_open", "success": "closed"}

ALL = [*ROWS, *STATUSES, *WORDS, *NOT_ANSWERS, *ODD, *TOLD, *WAITS[:1], *HEADS, *BODIES, *TEXTS, *ODDITIES[:2]]
STREAMS = [*ENDINGS[:1], *FAILURES, *HANG_UPS, *CUTS, *SLOW]
ONCE = [row for row in (*ALL, *STREAMS) if row.advance is None and not (row.error is None and row.tries > 1)]
"""Those that no clock has to be moved for, and that end the same way with one try."""


def probing(provider, **options):
    """A bench whose circuit is open, and whose opening is over: the next call is the probe."""
    bench = Bench(provider, tries=1, **options)
    bench.breaker.trip(open_for=1.0)
    bench.waits.advance(2.0)
    return bench


def settled(bench):
    (circuit,) = bench.breaker.state()
    return circuit.state


@pytest.mark.slow
@every(ONCE)
async def test_a_probe_that_ends_in_any_way_leaves_no_circuit_half_open_for_ever(row, path, wire):
    async with Untouched(), row.peer(wire) as peer:
        bench = probing(wire.make(peer.url, verify=row.verify and row.verify(), **row.options), timeouts=row.timeouts)
        with contextlib.suppress(AIClientError):  # most rows are failures; the circuit's state is asserted
            await bench.ask(path)
        # a stream's probe has succeeded at the first output, whatever comes after it
        succeeded = row.breaker == "success" or row.cause is not None
        assert settled(bench) == AFTER["success" if succeeded else row.breaker]
        await bench.close()
        await peer.left()


WAITING = [case for case in CASES if case.values[0].number < 86]


@pytest.mark.parametrize(("stage", "path"), WAITING)
async def test_a_probe_that_is_cancelled_gives_its_place_to_the_next(stage, path):
    async with Untouched(), stage.peer() as peer:
        bench = probing(OPENAI.make(peer.url))
        task = asyncio.ensure_future(bench.ask(path, stage.prompt))
        await stage.reached(peer, bench)
        await cancel(task, (0,))
        assert settled(bench) == ("closed" if stage.number == 84 else "half_open")  # 84: it had succeeded before
        await bench.close()
        await peer.left()
