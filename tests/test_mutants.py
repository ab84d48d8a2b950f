"""Damaged answers: whatever a service sends, a caller gets a value that holds what it says it holds, or a typed error."""

import asyncio
import contextlib
import importlib
import json
import pathlib
import pickle
import random
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiclient.chunks import Fold
from aiclient.errors import AIClientError
from aiclient.messages import Message, ToolResultPart
from aiclient.request import ChatRequest
from aiclient.response import ChatResponse, EmbeddingResponse

HERE = pathlib.Path(__file__).parent
WIRE = HERE.parent.parent / "shared" / "wire"
GOLDEN = {
    path.relative_to(HERE / "golden").with_suffix("").as_posix(): path for path in (HERE / "golden").rglob("*.json")
}
HANGS = 5.0
"""Seconds that reading 60 kilobytes may take on a busy machine; it takes milliseconds."""


@pytest.fixture(scope="module")
def tools():
    """The scripts beside this file, as modules."""
    sys.path.insert(0, str(HERE))
    try:
        yield importlib.import_module("conformance"), importlib.import_module("mutants")
    finally:
        sys.path.remove(str(HERE))


def streamed(wire, request, body, rng):
    """Read a stream in two reads; return the answer so far."""
    decoder, fold, cut = wire.decoder(request), Fold(), rng.randrange(len(body) + 1)
    for chunk in (*decoder.feed(body[:cut]), *decoder.feed(body[cut:]), *decoder.end()):
        fold.add(chunk)
    assert decoder.failure is None or isinstance(decoder.failure, AIClientError)
    return fold.response()


def is_sound(answer):
    """Hold an answer to its types, by saving and reading it."""
    assert type(answer).from_dict(json.loads(json.dumps(answer.to_dict()))).usage == answer.usage


def goes_on(message, wire):
    """Send what the model said back to it, with results of its calls; what cannot be sent is a typed error too."""
    calls = [call for call in message.tool_calls if call.name]
    results = [Message("tool", ToolResultPart(call.id, "done")) for call in calls]
    messages = [Message("user", "Hi"), message, *results, Message("user", "Bye")]
    with contextlib.suppress(AIClientError):  # any other error fails the test
        wire.encode(ChatRequest(messages), model="m", stream=False)


def reading(conformance, record, body, rng):
    """Return what reading `body` comes to: the answer to a chat, something else that was asked for, or a typed error."""
    try:
        if conformance.APIS[record["api"]].ask != "chat" or record["response"]["status"] >= 400:
            return asyncio.run(asked(conformance, record, body))
        wire = conformance.provider(record)._wire_for(conformance.model_of(record))
        if record["stream"]:
            return streamed(wire, conformance.chat_request(record), body, rng)
        return wire.decode(200, {}, body)
    except AIClientError as error:
        return error


def survives(tools, record, rng):
    """Read a damaged record; only a sound value or a typed error may come of it, and soon."""
    conformance, mutants = tools
    binary = record["response"].get("body_encoding") == "base64"
    body, began = mutants.mutant(conformance.body(record), rng, binary=binary), time.perf_counter()
    result = reading(conformance, record, body, rng)
    assert time.perf_counter() - began < HANGS
    if isinstance(result, AIClientError):
        assert str(pickle.loads(pickle.dumps(result))) == str(result)
    elif isinstance(result, ChatResponse):
        is_sound(result)
        goes_on(result.message, conformance.provider(record)._wire_for(conformance.model_of(record)))
    elif isinstance(result, EmbeddingResponse):
        is_sound(result)


async def asked(conformance, record, body):
    """Ask a provider, which is answered so."""
    record = {**record, "response": {**record["response"], "body": body.decode("utf-8", "replace")}}
    async with conformance.Seam() as seam:
        return await conformance.ASK[conformance.APIS[record["api"]].ask](record, seam.provider(record))


@pytest.mark.parametrize("name", sorted(GOLDEN))
@given(rng=st.randoms(use_true_random=False))
@settings(max_examples=settings.default.max_examples // 6)
def test_a_damaged_golden_answer_is_a_sound_value_or_a_typed_error(tools, name, rng):
    survives(tools, json.loads(GOLDEN[name].read_text(encoding="utf-8")), rng)


def _apis():
    return sorted(path.name.removesuffix(".jsonl.gz") for path in WIRE.glob("*.jsonl.gz")) if WIRE.is_dir() else []


def recordings(conformance, api):
    """Yield the shorter records of an API that is read."""
    if api in conformance.APIS:
        for record in conformance.records(WIRE, api):
            if conformance.is_asked(record) and len(record["response"]["body"]) < 60_000:
                yield from [record] * 5


@pytest.mark.slow
@pytest.mark.parametrize("api", _apis())
def test_every_damaged_recording_is_a_sound_value_or_a_typed_error(tools, api):
    rng = random.Random(api)
    for record in recordings(tools[0], api):
        survives(tools, record, rng)
