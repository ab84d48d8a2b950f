"""The FastAPI example as services live: readers who leave, budgets that end, models that are down."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
from decimal import Decimal

import httpx
import pytest

from aiclient.providers import CompatibleProvider
from aiclient.testutil import LoopbackServer, MockProvider, fixtures

from .loading import example
from .readers import Reader

pytestmark = [
    pytest.mark.slow,  # importing FastAPI takes a second
    pytest.mark.skipif(importlib.util.find_spec("fastapi") is None, reason="needs the extra `examples`"),
]

PRICES = {"mock-model": {"input": 0, "output": 100}, "stub-s400-p5": {"input": 0, "output": 10}}
ANSWER = "Rhine, Loire and Danube."


@pytest.fixture
def service():
    return example("web/fastapi_service.py")


def asked(app, path="/ask", user="alice", times=1, **question):
    """Ask the service within this process; return its responses."""
    body = {"prompt": "Name three rivers.", "max_tokens": 50, **question}

    async def run():
        inside = httpx.ASGITransport(app)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=inside, base_url="http://s") as web:
            posts = [web.post(path, json=body, headers={"X-User": user}) for _ in range(times)]
            return await asyncio.gather(*posts)

    return asyncio.run(run())


async def left(service, server, says):
    from starlette.requests import ClientDisconnect

    app = service.create_app(CompatibleProvider(server.base_url, model="stub-s400-p5"), prices=PRICES)
    reader = Reader("/stream", enough=2, spec=says)
    with contextlib.suppress(ClientDisconnect):  # what Starlette tells servers of the newer kind
        await reader.asks(app)
    await asyncio.to_thread(server.wait_closed)  # the call to the model is over, not only the response
    budget, calls = app.state.budget, app.state.client
    await calls.close()
    return reader, budget.funds("alice")


@pytest.mark.parametrize("says", ["2.3", "2.4"])
def test_a_reader_who_leaves_ends_the_call_and_pays_for_what_came(service, says):
    with LoopbackServer() as server:
        reader, funds = asyncio.run(left(service, server, says))
    assert (len(reader.pieces), len(server.requests)) == (2, 1)
    assert funds.reserved == 0
    assert Decimal(0) < funds.spent < Decimal("0.004")  # 400 tokens would have been $0.004


def test_what_a_request_may_not_cost_is_a_402_and_nothing_is_sent(service):
    mock = MockProvider(ANSWER)
    (response,) = asked(service.create_app(mock, prices=PRICES), max_tokens=4000)
    assert (response.status_code, response.json()["error"]["kind"], mock.calls) == (402, "budget", 0)
    assert "$0.01 are allowed" in response.json()["error"]["message"]


def test_a_user_whose_day_is_used_up_is_told_when_it_begins_anew_and_others_go_on(service):
    app = service.create_app(MockProvider("word " * 80), prices=PRICES)
    responses = asked(app, times=60, max_tokens=80)
    refused = [response for response in responses if response.status_code == 429]
    assert (len(refused), 60 - len(refused)) == (29, 31)  # 31 times $0.008 are $0.248 of $0.25
    assert refused[0].json()["error"]["message"] == "the $0.25 of today are used up"
    assert 0 < int(refused[0].headers["Retry-After"]) <= 86_400
    assert app.state.budget.funds("alice").reserved == 0


@pytest.mark.parametrize("path", ["/ask", "/stream"])
def test_a_model_that_is_down_is_a_503_before_anything_is_shown(service, path):
    (response,) = asked(service.create_app(MockProvider(fixtures.overloaded(retry_after=90))), path)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "90")
    assert response.json()["error"]["kind"] == "overloaded"


def test_a_key_that_the_model_refuses_is_our_fault_and_not_shown(service):
    (response,) = asked(service.create_app(MockProvider(fixtures.unauthorized())))
    assert (response.status_code, response.json()["error"]["message"]) == (500, "this service is set up wrongly")


def test_a_stream_that_breaks_off_ends_with_an_event_that_says_so(service):
    (response,) = asked(service.create_app(MockProvider(fixtures.broken_stream("Rhine, Loire"))), "/stream")
    events = response.text.strip().split("\n\n")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert [event.partition("\n")[0] for event in events] == ["event: text", "event: text", "event: error"]
    assert json.loads(events[-1].partition("data: ")[2])["kind"] == "connection"


def test_two_readers_at_once_each_get_their_whole_answer(service):
    responses = asked(service.create_app(MockProvider(ANSWER)), "/stream", times=2)
    assert [response.text.count("event: done") for response in responses] == [1, 1]
    assert [response.text.count("event: text") for response in responses] == [4, 4]
