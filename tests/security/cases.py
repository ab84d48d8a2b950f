"""Which faults the canaries are carried through: those of the matrix, and a service that repeats all it is sent."""

from __future__ import annotations

import base64
import importlib
import json
import pkgutil
from urllib.parse import quote

import pytest

from aiclient.testutil.server import Answer, Route

from .. import faults
from ..faults.peers import EVENTS, Played
from ..faults.rows import Row
from . import planted


def matrix():
    """Every numbered row of the matrix, as a call and as a stream, each of a wire in turn."""
    kept = {}
    for number, case in enumerate(_all()):
        row, path, _ = case.values
        kept.setdefault((row.number, path), []).append((number, case))
    for (_, _), cases in sorted(kept.items()):
        number, _ = cases[0]
        yield cases[number % len(cases)][1]


def _all():
    for module in pkgutil.iter_modules(faults.__path__):
        if module.name.startswith("test_"):
            loaded = importlib.import_module(f"{faults.__name__}.{module.name}")
            for function in filter(callable, vars(loaded).values()):
                for mark in getattr(function, "pytestmark", ()):
                    if mark.name == "parametrize" and mark.args[0] == ("row", "path", "wire"):
                        yield from mark.args[1]


def repeated(request):
    """All that a service was sent, in every form that it might write it in."""
    text = " ".join([request.body.decode(), *(f"{name}: {value}" for name, value in request.header_pairs)])
    key = " ".join(value for name, value in request.header_pairs if "key" in name.lower() or "auth" in name.lower())
    forms = [key, quote(key, safe=""), base64.b64encode(b"u:" + key.encode()).decode(), json.dumps(json.dumps(key))]
    return f"{text} {' '.join(forms)} {planted.ANSWER}", key


def repeating(status):
    """A service that refuses, with what it was sent wherever there is place for it."""

    def answer(request):
        text, key = repeated(request)
        error = {"message": text, "type": key, "code": key, "param": text, "status": key}
        headers = {"x-request-id": f"req-{key}", "content-type": "application/json", "x-note": key}
        return Answer(status, headers, json.dumps({"error": error}).encode())

    return answer


def nonsense(request):
    """Answer with what was sent, which is no answer at all."""
    text, key = repeated(request)
    return Answer(200, {"x-request-id": f"req-{key}", "content-type": "application/json"}, text.encode())


def broken(request):
    """Answer with JSON of another shape."""
    text, key = repeated(request)
    body = {
        "choices": [{"message": {"content": [text]}, "delta": [text]}],
        "usage": text,
        "candidates": text,
    }
    return Answer(200, {"x-request-id": f"req-{key}", "content-type": "application/json"}, json.dumps(body).encode())


def spoilt(wire):
    """Begin a stream, then break off with an error that repeats what was sent."""

    def answer(request):
        text, key = repeated(request)
        event = json.dumps({"type": "error", "error": {"message": text, "type": key, "code": key}})
        body = [wire.preamble, wire.first, f"event: error\ndata: {event}\n\n".encode()]
        return Answer(200, {**EVENTS, "x-request-id": f"req-{key}"}, body)

    return answer


def torn(wire):
    """Begin a stream, then send an event that is no JSON."""

    def answer(request):
        text, _ = repeated(request)
        return Answer(200, EVENTS, [wire.preamble, wire.first, f"data: {{{text}\n\n".encode()])

    return answer


def well(wire):
    """Answer as it should be, but for a request id that holds the key."""

    def answer(request):
        _, key = repeated(request)
        asked = "stream" in request.path or b'"stream":true' in request.body.replace(b" ", b"")
        headers = {"x-request-id": f"req-{key}", **(EVENTS if asked else {"content-type": "application/json"})}
        return Answer(200, headers, wire.stream if asked else wire.whole)

    return answer


def _row(name, make, paths):
    peer = lambda wire: Played(routes=[Route("POST", "*", make(wire))])  # what a Row takes
    return Row(number=124, name=name, peer=peer, paths=paths)


BOTH = ("chat", "stream")
REPEATING = [
    *(
        _row(f"{status} that repeats", lambda _, status=status: repeating(status), BOTH)
        for status in (400, 401, 429, 500)
    ),
    _row("nonsense that repeats", lambda _: nonsense, BOTH),
    _row("another shape that repeats", lambda _: broken, BOTH),
    _row("an error in a stream that repeats", spoilt, ("stream",)),
    _row("a torn event that repeats", torn, ("stream",)),
    _row("an answer whose request id is the key", well, BOTH),
]


def repetitions(wires):
    """The rows of the service that repeats, on each path and wire."""
    for row in REPEATING:
        for wire in wires:
            for path in row.paths:
                yield pytest.param(row, path, wire, id=f"{row.name}-{path}-{wire.name}")
