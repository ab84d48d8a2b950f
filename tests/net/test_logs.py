"""What HTTP libraries log of our exchanges: no URL, no key; and of others everything."""

from __future__ import annotations

import contextlib
import logging

import httpx
import pytest

from aiclient import AsyncClient
from aiclient.errors import AIClientError
from aiclient.providers import OpenAIProvider
from aiclient.testutil.server import Fault, LoopbackServer

pytestmark = pytest.mark.anyio

KEY = "sk-canary-4711-value"


@pytest.fixture
def heard(caplog):
    caplog.set_level(logging.DEBUG)
    return lambda: [f"{record.name} {record.getMessage()}" for record in caplog.records if record.name[:4] == "http"]


async def ask(server, **options):
    async with AsyncClient(OpenAIProvider(KEY, model="m", base_url=server.base_url, **options)) as client:
        with contextlib.suppress(AIClientError):  # what is logged is tested, of failures too
            await client.chat("hi")


async def test_a_key_that_the_service_repeats_in_a_header_is_masked_in_the_librarys_records(heard):
    with LoopbackServer(faults=[Fault(status=401, headers={"x-request-id": f"req-{KEY}"})]) as server:
        await ask(server)
    said = "\n".join(heard())
    assert "req-***" in said and KEY not in said


async def test_the_url_of_an_exchange_through_a_callers_client_is_not_printed(heard):
    with LoopbackServer() as server:
        async with httpx.AsyncClient() as http_client:
            await ask(server, http_client=http_client)
            assert not [line for line in heard() if line.startswith("httpx HTTP Request")]
            await http_client.get(f"{server.url}/v1/models")
    (line,) = [line for line in heard() if line.startswith("httpx HTTP Request")]
    assert "/v1/models" in line  # the caller's own exchange, as before


def test_levels_and_handlers_of_the_libraries_stay_as_they_are():
    logger = logging.getLogger("httpx")
    before = logger.level, list(logger.handlers), logger.propagate
    OpenAIProvider(KEY, model="m")
    assert (logger.level, list(logger.handlers), logger.propagate) == before
