"""Every recorded exchange with Google's services, where the recordings are at hand: `../shared/wire` beside the checkout.

That answers say what the vendor's SDK makes of them is tested through the providers, in tests/test_conformance.py; here is
what that SDK cannot tell.
"""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from aiclient.chunks import Fold
from aiclient.wire.gemini import GeminiWire
from aiclient.wire.gemini_tokens import decode_models

WIRE = Path(__file__).parents[3] / "shared" / "wire"

pytestmark = pytest.mark.skipif(not WIRE.is_dir(), reason="the recordings are not beside this checkout")

CHATS = [
    "google.generate",
    "google.stream",
    "google.stream_json",
    "vertex.generate",
    "vertex.stream",
    "gateway.generate",
    "gateway.stream",
]
STREAMS = [api for api in CHATS if "stream" in api]


def records(api):
    with gzip.open(WIRE / f"{api}.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def body(record):
    return record["response"]["body"].encode("utf-8", "surrogatepass")


def run(api, *pieces):
    """Return the answer of a stream so far, whether it is complete, and the failure."""
    decoder, fold = GeminiWire(vertex=api.startswith("vertex")).decoder(), Fold()
    for piece in pieces:
        for chunk in decoder.feed(piece):
            fold.add(chunk)
    for chunk in decoder.end():
        fold.add(chunk)
    return fold.response(), decoder.done, decoder.failure


def answer(api, record):
    if not record["stream"]:
        return GeminiWire(vertex=api.startswith("vertex")).decode(200, {}, body(record))
    response, done, failed = run(api, body(record))
    assert (done, failed) == (True, None)
    return response


@pytest.mark.parametrize(("api", "count"), [("google.generate", 6), ("google.stream_json", 3), ("vertex.generate", 9)])
def test_answers_that_the_sdk_cannot_read_are_read_all_the_same(api, count):
    unread = [record for record in records(api) if record["expected"] is None]
    ends = [answer(api, record).finish_reason for record in unread]
    assert set(ends) <= {"stop", "length", "tool_calls"}
    assert len(ends) == count


def test_the_models_are_listed():
    (record,) = records("google.models")
    models, _ = decode_models(body(record))
    assert [f"models/{model.id}" for model in models] == [item["name"] for item in json.loads(body(record))["models"]]


@pytest.mark.parametrize("api", STREAMS)
def test_the_size_of_the_reads_changes_nothing(api):
    for record in records(api):
        if record["response"]["status"] == 200:
            text = body(record)
            whole = run(api, text)
            for size in (1, 7, 64):
                pieces = [text[start : start + size] for start in range(0, len(text), size)]
                assert run(api, *pieces) == whole, (record["id"], size)


@pytest.mark.parametrize("api", STREAMS)
def test_a_stream_that_is_cut_off_at_an_event_never_looks_whole(api):
    for record in records(api):
        if record["response"]["status"] == 200:
            text = body(record)
            whole, _, _ = run(api, text)
            for cut in re.finditer(rb"\r\n\r\n|\n\n|\n}\n?,?\r?\n", text):
                so_far, done, failed = run(api, text[: cut.end()])
                where = (record["id"], cut.end())
                assert failed is None, where
                if done:
                    assert (so_far.message, so_far.finish_reason) == (whole.message, whole.finish_reason), where
                else:
                    assert whole.message.content.startswith(so_far.message.content), where
                    calls = so_far.message.tool_calls
                    assert whole.message.tool_calls[: len(calls)] == calls, where
