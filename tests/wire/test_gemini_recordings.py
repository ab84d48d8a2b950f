"""Every recorded exchange with Google's services, where the recordings are at hand: `../shared/wire` beside the checkout."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from aiclient.chunks import Fold
from aiclient.messages import OpaquePart, ReasoningPart
from aiclient.wire.failures import failure
from aiclient.wire.gemini import GeminiWire
from aiclient.wire.gemini_embeddings import GeminiEmbeddings
from aiclient.wire.gemini_tokens import decode_count, decode_models

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

REASONS = {
    # Written down a second time, apart from the library's own table.
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "MODEL_ARMOR": "content_filter",
    "UNEXPECTED_TOOL_CALL": "error",
}


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


def signatures(message):
    """Count the signed parts."""

    def signed(part):
        if isinstance(part, OpaquePart):
            return "thoughtSignature" in part.data
        return "thoughtSignature" in (part.provider_data or {}) or (
            isinstance(part, ReasoningPart) and part.signature is not None
        )

    return sum(map(signed, message.parts))


def facts(response):
    message, usage = response.message, response.usage
    return {
        "text": message.content,
        "reasoning": message.reasoning,
        "calls": [(call.name, call.parsed) for call in message.tool_calls],
        "reason": response.finish_reason,
        "word": response.raw_finish_reason,
        "usage": (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens),
        "parts of usage": (usage.cached_tokens, usage.reasoning_tokens),
        "model": response.model,
        "id": response.id,
        "signatures": signatures(message),
    }


def truth(expected):
    """Return what the vendor's SDK says, by our counting: thoughts are output, what tools put in is input."""
    calls = [(call["name"], call["arguments"]) for call in expected.get("tool_calls", [])]
    word = expected.get("finish_reason") or expected.get("block_reason")
    reason = "content_filter" if "block_reason" in expected else REASONS[word]
    usage = expected.get("usage", {})
    reads = [usage.get(name) for name in ("input", "tool_use_input")]
    wrote = [usage.get(name) for name in ("output", "reasoning")]
    prompt, completion = (sum(filter(None, some)) if some != [None, None] else None for some in (reads, wrote))
    if completion is None and prompt is not None:
        completion = usage["total"] - prompt  # zeros are not written
    return {
        "text": expected.get("text", ""),
        "reasoning": expected.get("reasoning_text", ""),
        "calls": calls,
        "reason": "tool_calls" if reason == "stop" and calls else reason,
        "word": word,
        "usage": (prompt, completion, usage.get("total")),
        "parts of usage": (usage.get("cache_read"), usage.get("reasoning")),
        "model": expected.get("model"),
        "id": expected.get("response_id"),
        "signatures": expected.get("signatures", 0),
    }


@pytest.mark.parametrize("api", CHATS)
def test_answers_say_what_the_vendors_sdk_makes_of_them(api):
    wrong = {}
    for record in records(api):
        expected = record["expected"]
        if record["response"]["status"] >= 400 or expected is None:
            continue
        got, wanted = facts(answer(api, record)), truth(expected)
        ids = [call.id for call in answer(api, record).message.tool_calls]
        given = [call["id"] for call in expected.get("tool_calls", [])]
        if got != wanted or any(want not in (None, id_) for want, id_ in zip(given, ids, strict=True)):
            wrong[record["id"]] = [(name, wanted[name], got[name]) for name in wanted if wanted[name] != got[name]]
        assert len(set(ids)) == len(ids)
    assert wrong == {}


@pytest.mark.parametrize("api", CHATS)
def test_answers_that_the_sdk_cannot_read_are_read_all_the_same(api):
    for record in records(api):
        if record["expected"] is None:
            assert answer(api, record).finish_reason in ("stop", "length", "tool_calls")


@pytest.mark.parametrize("api", [*CHATS, "google.embeddings", "vertex.embeddings", "google.count_tokens"])
def test_failures_say_what_the_vendors_sdk_makes_of_them(api):
    for record in records(api):
        response = record["response"]
        if response["status"] >= 400:
            error, expected = failure(response["status"], body(record)), record["expected"]["error"]
            assert (error.status_code, error.code) == (expected["status"], expected["type"])
            assert error.message == expected["message"][:500].strip().replace("\n", "\\n")


@pytest.mark.parametrize("api", ["google.embeddings", "vertex.embeddings"])
def test_vectors_are_those_that_the_vendors_sdk_reads(api):
    for record in records(api):
        if record["response"]["status"] == 200:
            expected = record["expected"]["embeddings"]
            vectors = GeminiEmbeddings().decode(200, {}, body(record), count=expected["count"]).vectors
            assert {len(vector) for vector in vectors} == {expected["dims"]}
            assert list(vectors[0][:3]) == pytest.approx(expected["first3"], abs=2e-6)


@pytest.mark.parametrize("api", ["google.count_tokens", "vertex.count_tokens"])
def test_tokens_are_counted_as_the_vendors_sdk_does(api):
    for record in records(api):
        if record["response"]["status"] == 200:
            assert decode_count(body(record)) == record["expected"]["usage"]["input"]


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
