"""The connection limits that a provider is given reach its connections."""

from __future__ import annotations

import asyncio

import pytest

from aiclient import AsyncClient, HTTPLimits
from aiclient.providers import OpenAIProvider
from aiclient.testutil import LoopbackServer

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("allowed", [1, 3])
async def test_calls_at_once_open_as_many_connections_as_the_limit_allows(allowed):
    with LoopbackServer() as server:
        limits = HTTPLimits(max_connections=allowed)
        provider = OpenAIProvider("sk-0123456789", base_url=server.base_url, model="m", limits=limits)
        async with AsyncClient(provider) as client:
            answers = await asyncio.gather(*(client.chat("hi") for _ in range(6)))
        assert len(answers) == 6
        assert server.connections <= allowed


async def test_no_idle_connection_is_kept_when_none_may_be():
    with LoopbackServer() as server:
        provider = OpenAIProvider("sk-0123456789", base_url=server.base_url, model="m", limits=HTTPLimits(max_idle=0))
        async with AsyncClient(provider) as client:
            await client.chat("one")
            await client.chat("two")
        assert server.connections == 2
