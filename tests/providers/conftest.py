"""A service behind `http_client=`, for the tests of the providers."""

from __future__ import annotations

import json

import httpx
import pytest


class Service:
    """Plays the service.

    Args:
        answers: Given in order, the last one again and again: a status, a JSON value, the bytes of a stream, a tuple (status,
            JSON value, headers), or a function of the request that returns one of these.
    """

    def __init__(self, *answers):
        self.requests = []
        self._answers = list(answers)
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def _answer(self, request):
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        answer = answer(request) if callable(answer) else answer
        status, content, headers = answer if isinstance(answer, tuple) else (200, answer, {})
        if isinstance(content, bytes):
            return httpx.Response(status, content=content, headers=headers)
        return httpx.Response(status, json=content, headers=headers)

    @property
    def sent(self):
        """The only request."""
        (request,) = self.requests
        return request

    @property
    def body(self):
        """The body of the only request."""
        return json.loads(self.sent.content)

    @property
    def urls(self):
        """Where the requests went."""
        return [str(request.url) for request in self.requests]


@pytest.fixture
def service():
    """The class; a fixture, so that the tests need no import path of their own."""
    return Service


@pytest.fixture
def read():
    """`await read(stream)` reads a stream to its end, and returns its text."""

    async def reading(stream):
        async with stream:
            return "".join([text async for text in stream.text])

    return reading
