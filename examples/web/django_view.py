"""Django views that ask a model: a plain one, an async one, and one that streams; a whole project in one file.

Serve it with `gunicorn django_view:wsgi` or `uvicorn django_view:asgi`; run by itself it asks itself, with a played model.
"""

import asyncio
import atexit
import json
import math
import os
import secrets
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.exceptions import BadRequest
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import AsyncClient as AsyncBrowser
from django.test import Client as Browser
from django.urls import path
from django.utils.deprecation import MiddlewareMixin
from django.views.decorators.http import require_POST

from aiclient import AIClientError, AsyncClient, ChatRequest, ChatStream, CircuitOpenError, Client, Provider, resilient
from aiclient.testutil import MockProvider, fixtures

settings.configure(
    SECRET_KEY=os.environ.get("DJANGO_SECRET_KEY") or secrets.token_hex(32),
    ALLOWED_HOSTS=os.environ.get("DJANGO_HOSTS", "localhost,testserver").split(","),
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[f"{__name__}.Failures"],  # and those of yours: sessions, CSRF, ...
    DATA_UPLOAD_MAX_MEMORY_SIZE=100_000,
)


@cache
def chain() -> Provider:
    """Make what both clients share: what one learns of the service (an open circuit, its limits) holds for the other."""
    return resilient(os.environ.get("AI_DEFAULT_MODEL") or MockProvider(played))


@cache
def client() -> Client:
    """Make this process's client, at the first request: after the server has forked."""
    made = Client(chain(), timeout=60)
    atexit.register(made.close)
    return made


@cache
def async_client() -> AsyncClient:
    return AsyncClient(chain(), timeout=60)


@require_POST
def ask(request: HttpRequest) -> HttpResponse:
    response = client().new_request().user(prompt_of(request)).max_tokens(300).do()
    return JsonResponse({"answer": response.message.content})


@require_POST
async def ask_async(request: HttpRequest) -> HttpResponse:
    """Wait without holding a thread; a browser that leaves cancels the call, for which Django cancels the view."""
    response = await async_client().new_request().user(prompt_of(request)).max_tokens(300).do()
    return JsonResponse({"answer": response.message.content})


@require_POST
async def stream(request: HttpRequest) -> StreamingHttpResponse:
    opened = await async_client().new_request().user(prompt_of(request)).max_tokens(300).stream()
    await opened.commit()  # reads up to the first words: what fails before them still gets a status code
    return Words(opened)


class Words(StreamingHttpResponse):
    """The words of a stream, which is closed when the response ends, also where the browser leaves in the middle."""

    def __init__(self, stream: ChatStream) -> None:
        super().__init__(words(stream), content_type="text/plain; charset=utf-8", headers={"X-Accel-Buffering": "no"})
        self.stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async with self.stream:  # Django closes this iterator, and not the one inside
            async for part in super().__aiter__():
                yield part


async def words(stream: ChatStream) -> AsyncIterator[str]:
    try:
        async for text in stream.text:
            yield text
    except AIClientError as error:  # the status was sent long ago
        yield f"\n[broken off: {error.category}]"


def prompt_of(request: HttpRequest) -> str:
    try:
        prompt = json.loads(request.body)["prompt"].strip()
    except (ValueError, TypeError, KeyError, AttributeError):
        prompt = ""
    if not 0 < len(prompt) <= 20_000:
        raise BadRequest('a question is needed: {"prompt": "..."}')
    return str(prompt)


class Failures(MiddlewareMixin):
    """Answers for the views whose call failed; what the service said is in the log."""

    def process_exception(self, _: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, BadRequest):
            return JsonResponse({"error": str(error)}, status=400)
        if not isinstance(error, AIClientError):
            return None
        down = error.retryable or isinstance(error, CircuitOpenError)
        status = 503 if down else 422 if error.category in {"bad_request", "context_length", "content_filter"} else 500
        headers = {"Retry-After": str(math.ceil(error.retry_after or 5))} if down else {}
        return JsonResponse({"error": error.category}, status=status, headers=headers)


urlpatterns = [path("ask", ask), path("ask-async", ask_async), path("stream", stream)]
wsgi, asgi = get_wsgi_application(), get_asgi_application()


def played(request: ChatRequest) -> Any:
    """Play a model that is down for some."""
    question = request.messages[-1].content
    return fixtures.overloaded(retry_after=600) if "down" in question else "Rhine, Loire and Danube."


async def streamed(question: str) -> None:
    response = await AsyncBrowser().post("/stream", {"prompt": question}, content_type="application/json")
    print([part.decode() async for part in response])


def main() -> None:
    for place, question in (
        ("/ask", "Name three rivers."),
        ("/ask-async", "Name three rivers."),
        ("/ask", "Are you down?"),
    ):
        response = Browser().post(place, {"prompt": question}, content_type="application/json")
        print(response.status_code, response.headers.get("Retry-After"), response.json())
    asyncio.run(streamed("Name three rivers."))


if __name__ == "__main__":
    main()
