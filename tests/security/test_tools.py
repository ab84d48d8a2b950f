"""What tools are called with and give back is found nowhere, whether they work or fail, and the conversation with them."""

from __future__ import annotations

import json

import pytest

from aiclient import AIClientError, AsyncClient, ServerError, ToolCall, tool
from aiclient.testutil import MockProvider, fixtures

from . import planted
from .scene import Watch, errors_of, frames_of

pytestmark = pytest.mark.anyio


@tool
def look_up(key: str) -> str:
    """Look something up."""
    return planted.RESULT


@tool
def fail(key: str) -> str:
    """Fail, and say with what."""
    raise ValueError(f"{planted.RESULT} {key}")


async def run(request, called):
    return [await request.run([called])]


async def run_stream(request, called):
    async with request.run_stream([called]) as running:
        return [event async for event in running]


@pytest.mark.parametrize("last", [planted.ANSWER, ServerError("down")], ids=["answered", "failed"])
@pytest.mark.parametrize("called", [look_up, fail], ids=["works", "fails"])
@pytest.mark.parametrize("ask", [run, run_stream])
async def test_a_conversation_with_tools_tells_nobody(ask, called, last, tmp_path):
    asks = fixtures.tool_response(ToolCall("c1", called.tool.name, json.dumps({"key": planted.ARGUMENT})))
    seen, caught = [], None
    with Watch(tmp_path) as watch:
        async with AsyncClient(MockProvider([asks, last])).use(*watch.layers) as client:
            request = client.new_request().system(planted.SYSTEM).user(planted.PROMPT)
            try:
                seen = await ask(request, called)
            except AIClientError as error:
                caught = error
    spans = [span.to_json() for span in watch.spans.get_finished_spans()]
    told = "".join([repr(seen), *watch.heard.texts, (tmp_path / "calls.log").read_text("utf-8"), *spans])
    assert len(spans) == 4 and (caught is None) is (last == planted.ANSWER)
    assert planted.found(told) == []
    assert planted.found("".join([*errors_of(caught), *frames_of(caught)])) == []
