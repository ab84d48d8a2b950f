"""Recorded answers of Anthropic's API, of Vertex, a gateway and a local server: read in pieces, cut, and sent back.

That all of them say what the vendor's SDK makes of them is tested through the providers, in tests/test_conformance.py; here
the golden ones, and those that Bedrock carries.
"""

from __future__ import annotations

import base64
import gzip
import json
import pathlib
import re

import pytest

from aiclient import errors
from aiclient.chunks import Fold
from aiclient.messages import Message, OpaquePart, ReasoningPart, TextPart, ToolCall
from aiclient.request import ChatRequest
from aiclient.wire.anthropic import BEDROCK, AnthropicWire
from aiclient.wire.eventstream import EventStreamDecoder
from aiclient.wire.failures import failure
from aiclient.wire.headers import facts

HERE = pathlib.Path(__file__).parent
WIRE = HERE.parents[2] / "shared" / "wire"
GOLDEN = sorted((HERE.parent / "golden" / "anthropic").glob("*.json"))

MESSAGES = ("anthropic.messages", "vertex.anthropic_messages", "gateway.messages", "local.messages")

REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "other",
}


def records(api):
    path = WIRE / f"{api}.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"the recordings are not beside this repository (../shared/wire/{path.name})")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [record for record in map(json.loads, lines) if record["expected"] is not None]


def body(record):
    return record["response"]["body"].encode("utf-8", "surrogatepass")


def read(pieces):
    """Return the answer so far, whether it is complete, and the failure."""
    decoder, fold, last = AnthropicWire().decoder(), Fold(), False
    chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)]
    chunks += decoder.end()
    for chunk in chunks:
        assert not last, "a chunk follows the last one"
        fold.add(chunk)
        last = chunk.last
    assert last == decoder.done
    return fold.response(), last, decoder.failure


def answer(record):
    """Return the answer, or the error."""
    response = record["response"]
    if response["status"] >= 400:
        said = facts(response["headers"], status=response["status"], now=0.0)
        return failure(response["status"], body(record), said, headers=response["headers"])
    try:
        if not record["stream"]:
            return AnthropicWire().decode(response["status"], response["headers"], body(record))
    except errors.AIClientError as error:
        return error
    found, complete, error = read([body(record)])
    assert complete or error is not None, "the stream has no end"
    return error or found


def told(part):
    """Return the block type that a part came from."""
    match part:
        case TextPart():
            return "text"
        case ReasoningPart():
            return "thinking"
        case ToolCall():
            return "tool_use"
        case OpaquePart(data=data):
            return data["type"]


def prompt_tokens(usage):
    """The documented conversion: Anthropic's `input` excludes what was read from the cache and written to it."""
    return usage["input"] + usage.get("cache_read", 0) + usage.get("cache_write", 0) if usage else None


def facts_of(expected):
    """Return what the SDK found, in our words."""
    if error := expected.get("error"):
        return {key: error.get(key) for key in ("status", "message", "request_id")}
    usage = expected.get("usage") or {}
    return {
        "text": expected.get("text") or "",
        "reasoning": expected.get("reasoning_text") or "",
        "calls": [(call["id"], call["name"], call["arguments"]) for call in expected.get("tool_calls", [])],
        "server calls": [
            (call["id"], call["name"], call["arguments"]) for call in expected.get("server_tool_calls", [])
        ],
        "blocks": expected.get("block_types") or [],
        "citations": expected.get("citations"),
        "reason": (REASONS[expected["finish_reason"]], expected["finish_reason"]),
        "model": expected["model"],
        "id": expected["response_id"],
        "usage": (prompt_tokens(usage), usage.get("output"), usage.get("cache_read"), usage.get("cache_write")),
        "thinking tokens": usage.get("reasoning"),
    }


def facts_found(found):
    if isinstance(found, errors.AIClientError):
        return {"status": found.status_code, "message": found.message, "request_id": found.request_id}
    message, usage = found.message, found.usage
    opaque = [part.data for part in message.of(OpaquePart)]
    server = [data for data in opaque if data["type"] == "server_tool_use"]
    return {
        "text": message.content,
        "reasoning": message.reasoning,
        "calls": [(call.id, call.name, call.parsed) for call in message.tool_calls],
        "server calls": [(call["id"], call["name"], call["input"]) for call in server],
        "blocks": [told(part) for part in message.parts],
        "citations": len(message.citations) or None,
        "reason": (found.finish_reason, found.raw_finish_reason),
        "model": found.model,
        "id": found.id,
        "usage": (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, usage.cache_write_tokens),
        "thinking tokens": usage.reasoning_tokens,
    }


def golden(path):
    return json.loads(path.read_text(encoding="utf-8"))


def each_golden(test):
    return pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)(test)


@each_golden
def test_a_golden_answer_says_what_the_vendors_sdk_makes_of_it(path):
    record = golden(path)
    assert facts_found(answer(record)) == facts_of(record["expected"])


def test_bedrock_carries_the_same_answers():
    found = claudes("bedrock.invoke")
    wrong = [record["id"] for record in found if facts_found(answer(record)) != facts_of(record["expected"])]
    assert found
    assert wrong == []


def test_bedrocks_streams_hold_the_same_events():
    found = claudes("bedrock.invoke_stream")
    assert found
    for record in found:
        events, fold, chunks = AnthropicWire(BEDROCK).events(), Fold(), []
        for message in EventStreamDecoder().feed(base64.b64decode(record["response"]["body"])):
            payload = json.loads(message.payload)
            events.take(json.loads(base64.b64decode(payload["bytes"])), chunks)
        for chunk in chunks:
            fold.add(chunk)
        assert events.done
        assert facts_found(fold.response()) == facts_of(record["expected"]), record["id"]


def claudes(api):
    found = [record for record in records(api) if "anthropic.claude" in record["request"]["url"]]
    return [
        record for record in found if record["response"]["status"] == 200 and "messages" in record["request"]["json"]
    ]


# --- reads of any size, and cuts ---


def streams(api="anthropic.messages"):
    return [record for record in records(api) if record["stream"] and record["response"]["status"] == 200]


def cuts(data):
    """Return the places after each event."""
    return [match.end() for match in re.finditer(rb"\r\n\r\n|\n\n", data)]


def in_reads_of(size, data):
    return [data[start : start + size] for start in range(0, len(data), size)]


def check_splits(record, sizes=(1, 7, 64)):
    data = body(record)
    whole, complete, error = read([data])
    for size in sizes:
        assert read(in_reads_of(size, data)) == (whole, complete, error), (record["id"], size)


def check_cuts(record):
    data = body(record)
    whole, complete, _ = read([data])
    assert complete
    for end in cuts(data):
        partial, finished, error = read([data[:end]])
        assert error is None, (record["id"], end, error)
        if finished:
            assert partial == whole
            continue
        assert b"message_stop" not in data[:end].rpartition(b"\n\n")[0], (record["id"], end)
        begins(partial, whole, (record["id"], end))


def begins(partial, whole, where):
    """The parts of a cut answer are the first ones of the whole answer; only the last may be shorter."""
    assert whole.message.content.startswith(partial.message.content), where
    assert whole.message.reasoning.startswith(partial.message.reasoning), where
    assert len(partial.message.parts) <= len(whole.message.parts), where
    for got, full in zip(partial.message.parts[:-1], whole.message.parts, strict=False):
        assert got == full, where
    for got, full in zip(partial.message.tool_calls, whole.message.tool_calls, strict=False):
        assert (got.id, got.name) == (full.id, full.name), where
        assert full.arguments.startswith(got.arguments), where


@each_golden
def test_a_golden_stream_reads_the_same_in_reads_of_any_size_and_cut_anywhere(path):
    record = golden(path)
    if record["stream"] and record["response"]["status"] == 200:
        check_splits(record)
        check_cuts(record)


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 4], ids=["all", "some"])
@pytest.mark.parametrize("api", ["anthropic.messages", "vertex.anthropic_messages"])
def test_every_stream_reads_the_same_in_short_reads_and_cut_anywhere(api, every):
    for record in streams(api)[::every]:
        check_splits(record, sizes=(7, 64))
        check_cuts(record)


# --- there and back ---


def blocks(record):
    """Return the content blocks of an answer as the service sent them, assembled from its events without our decoder."""
    if not record["stream"]:
        return json.loads(body(record))["content"]
    found, texts = {}, {}
    for line in body(record).splitlines():
        event = json.loads(line[5:]) if line.startswith(b"data:") else {}
        index, delta = event.get("index"), event.get("delta")
        if event.get("type") == "content_block_start":
            found[index] = event["content_block"]
        elif event.get("type") == "content_block_delta":
            match delta["type"]:
                case "input_json_delta":
                    texts[index] = texts.get(index, "") + delta["partial_json"]
                case "citations_delta":
                    found[index]["citations"] = [*(found[index].get("citations") or ()), delta["citation"]]
                case "signature_delta":
                    found[index]["signature"] = delta["signature"]
                case kind:
                    found[index][kind.removesuffix("_delta")] += delta[kind.removesuffix("_delta")]
    for index, text in texts.items():
        if text:
            found[index]["input"] = json.loads(text)
    return [found[index] for index in sorted(found)]


def sendable(block):
    """What goes back of a block: all of it but fields that hold nothing, and the file that a citation came from."""
    cited = [{k: v for k, v in item.items() if k != "file_id"} for item in block.get("citations") or ()]
    return {**{key: value for key, value in block.items() if value is not None and key != "citations"}} | (
        {"citations": cited} if cited else {}
    )


def check_round_trip(record):
    """An answer that is sent back with the next turn keeps signatures, unknown blocks and tool ids as they came."""
    found = answer(record)
    turns = [Message("user", "Hello"), found.message]
    results = [Message("tool", "done", tool_call_id=call.id) for call in found.message.tool_calls]
    request = ChatRequest([*turns, *(results or [Message("user", "Go on")])])
    call, warnings = AnthropicWire().encode(request, model="claude-sonnet-5", stream=False)
    sent = json.loads(call.body)["messages"]
    assert [turn["role"] for turn in sent][::2] == ["user"] * len(sent[::2]), record["id"]
    content = [block for turn in sent if turn["role"] == "assistant" for block in turn["content"]]
    expected = [sendable(block) for block in blocks(record)]
    assert content == [block for block in expected if block.get("type") != "text" or block["text"].strip()], record[
        "id"
    ]
    if results:
        answered = [block["tool_use_id"] for block in sent[-1]["content"]]
        assert answered == [block["id"] for block in blocks(record) if block["type"] == "tool_use"]
    blank = any(block["type"] == "text" and block["text"] and not block["text"].strip() for block in blocks(record))
    assert not warnings or blank, (record["id"], warnings)


@each_golden
def test_a_golden_answer_goes_back_as_it_came(path):
    record = golden(path)
    if record["response"]["status"] == 200:
        check_round_trip(record)


@pytest.mark.parametrize("api", MESSAGES)
def test_every_recorded_answer_goes_back_as_it_came(api):
    for record in records(api):
        if record["response"]["status"] == 200:
            check_round_trip(record)


def test_a_saved_answer_goes_back_as_it_came_too():
    for path in GOLDEN:
        record = golden(path)
        if record["response"]["status"] == 200:
            message = answer(record).message
            assert Message.from_dict(json.loads(json.dumps(message.to_dict()))) == message
