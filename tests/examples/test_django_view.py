"""The Django example as projects live: browsers that leave, a model that is down or breaks off, questions that are none."""

from __future__ import annotations

import asyncio
import importlib.util

import pytest

from aiclient.testutil import LoopbackServer, faults

from .loading import example
from .readers import Reader

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("django") is None, reason="needs the extra `examples`"),
]

ANSWER = "Rhine, Loire and Danube."


@pytest.fixture(scope="module")
def project():
    """The module and its service; Django is configured once in a process."""
    with LoopbackServer(reply=ANSWER) as server, pytest.MonkeyPatch.context() as environ:
        environ.setenv("AI_DEFAULT_MODEL", "openai:stub")
        environ.setenv("OPENAI_API_KEY", "a-key")
        environ.setenv("OPENAI_BASE_URL", server.base_url)
        yield example("web/django_view.py"), server


@pytest.fixture
def views(project):
    return project[0]


@pytest.fixture
def server(project):
    project[1].reset()
    return project[1]


def posted(views, path, body='{"prompt": "Name three rivers."}'):
    return views.Browser().post(path, body, content_type="application/json")


@pytest.mark.parametrize("path", ["/ask", "/ask-async"])
def test_a_question_is_answered(views, server, path):
    assert posted(views, path).json() == {"answer": ANSWER}


def test_a_stream_gives_its_words_as_they_come(views, server):
    async def asked():
        response = await views.AsyncBrowser().post("/stream", {"prompt": "Hi"}, content_type="application/json")
        return [part.decode() async for part in response]

    assert asyncio.run(asked()) == ["Rhine,", " Loire", " and", " Danube."]


@pytest.mark.parametrize("path", ["/ask", "/ask-async", "/stream"])
def test_a_model_that_is_down_is_a_503_that_says_when_to_come_back(views, server, path):
    server.script(faults.overloaded(retry_after=90))
    response = posted(views, path)
    assert (response.status_code, response.headers["Retry-After"], response.json()) == (
        503,
        "90",
        {"error": "overloaded"},
    )


def test_a_stream_that_breaks_off_says_so(views, server):
    server.script(faults.cut(after=600))

    async def asked():
        response = await views.AsyncBrowser().post("/stream", {"prompt": "Hi"}, content_type="application/json")
        return b"".join([part async for part in response]).decode()

    assert asyncio.run(asked()).endswith("\n[broken off: protocol]")


async def left(views, server, reader):
    others = server.open_connections  # of the plain view's client, which keeps them
    await reader.asks(views.asgi)
    await asyncio.to_thread(server.wait_for, lambda: len(server.requests) == 1 and server.open_connections == others)


def test_a_browser_that_leaves_in_the_middle_of_a_stream_ends_the_call(views, server):
    server.script(faults.stall(after=600))
    reader = Reader("/stream", enough=1)
    asyncio.run(left(views, server, reader))
    assert reader.pieces == [b"Rhine,"]


@pytest.mark.parametrize(
    ("method", "body", "status"),
    [("post", "no JSON", 400), ("post", "[]", 400), ("post", '{"prompt": " "}', 400), ("get", None, 405)],
)
def test_what_is_no_question_is_refused_and_not_sent(views, server, method, body, status):
    response = getattr(views.Browser(), method)("/ask", body, content_type="application/json")
    assert (response.status_code, len(server.requests)) == (status, 0)
