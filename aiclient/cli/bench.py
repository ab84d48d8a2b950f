"""`aiclient bench`: what the library adds to a bare HTTP exchange, on this machine."""

from __future__ import annotations

import asyncio
import importlib
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from ..client import AsyncClient
from ..errors import ConfigError
from ..middleware.retry import Retry
from ..providers.openai_compatible import CompatibleProvider
from ..testutil.server import LoopbackServer
from .terminal import put

if TYPE_CHECKING:
    import argparse

__all__ = ["run"]

WARM: Final = 20
"""Calls before any is counted."""


def run(arguments: argparse.Namespace) -> int:
    """Ask a server on this machine, once through the library and once without."""
    if arguments.calls < 1:
        raise ConfigError(f"--calls {arguments.calls} must be at least 1")
    with LoopbackServer(reply="Paris", keep_requests=1) as server:
        ours, bare = asyncio.run(_measured(server.base_url, arguments.calls))
    facts = {"calls": arguments.calls, "aiclient_ms": round(ours * 1000, 3), "httpx_ms": round(bare * 1000, 3)}
    facts["ratio"] = round(ours / bare, 2)
    if arguments.json:
        put(json.dumps(facts) + "\n")
    else:
        put(
            f"aiclient  {facts['aiclient_ms']:.3f} ms a call\nhttpx     {facts['httpx_ms']:.3f} ms a call\n"
            f"ratio     {facts['ratio']:.2f}\n\nmedians of {arguments.calls} calls, one after another, server included\n"
        )
    return 0


async def _measured(url: str, calls: int) -> tuple[float, float]:
    httpx: Any = importlib.import_module("httpx")
    body = {"model": "any", "messages": [{"role": "user", "content": "Hello"}]}
    async with (
        AsyncClient(CompatibleProvider(url, model="any", name="loopback"), prices=None).use(Retry()) as client,
        httpx.AsyncClient() as bare,
    ):

        async def ours() -> object:
            return (await client.chat("Hello")).message.content

        async def theirs() -> object:
            answer = await bare.post(f"{url}/chat/completions", json=body)
            return answer.json()["choices"][0]["message"]["content"]

        return await _compared(ours, theirs, calls)


async def _compared(
    one: Callable[[], Awaitable[object]], other: Callable[[], Awaitable[object]], calls: int
) -> tuple[float, float]:
    """Return the median of each; they take turns, so that both meet the same machine."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(WARM + calls):
        for taken, call in zip(times, (one, other), strict=True):
            began = time.perf_counter()
            await call()
            if number >= WARM:
                taken.append(time.perf_counter() - began)
    return statistics.median(times[0]), statistics.median(times[1])
