"""Bedrock's Converse on recorded answers: a few golden ones always, all of them when they lie beside the repository."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import pathlib

import pytest
from attrs import evolve

from aiclient.chunks import Fold
from aiclient.errors import AIClientError, ProtocolError, StreamInterruptedError
from aiclient.messages import Message, OpaquePart, ReasoningPart, TextPart, ToolCall, ToolResultPart
from aiclient.providers._source import ChunkSource
from aiclient.request import ChatOptions, ChatRequest, Tool
from aiclient.stream import ChatStream
from aiclient.wire.converse import ConverseWire
from aiclient.wire.eventstream import EventStreamDecoder
from aiclient.wire.failures import failure

HERE = pathlib.Path(__file__).parent
FOLDER = HERE.parents[2] / "shared" / "wire"
GOLDEN = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((HERE.parent / "golden" / "bedrock").glob("*.json"))
}
STREAMS = [name for name, record in GOLDEN.items() if record["stream"] and record["response"]["status"] == 200]

WIRE = ConverseWire()

needs_recordings = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the recorded exchanges are not beside this repository (../shared/wire)"
)

REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}


def recorded(api):
    with gzip.open(FOLDER / f"{api}.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def body(record):
    response = record["response"]
    if response.get("body_encoding") == "base64":
        return base64.b64decode(response["body"])
    return response["body"].encode("utf-8", "surrogatepass")


def answer(record, pieces=None):
    """Return what the codec makes of a record; streams may be given in pieces."""
    status, headers = record["response"]["status"], record["response"]["headers"]
    if status >= 400:
        return failure(status, body(record), headers=headers)
    if not record["stream"]:
        return WIRE.decode(status, headers, body(record))
    decoder, fold = WIRE.decoder(), Fold()
    for piece in [body(record)] if pieces is None else pieces:
        for chunk in decoder.feed(piece):
            fold.add(chunk)
    for chunk in decoder.end():
        fold.add(chunk)
    assert (decoder.done, decoder.failure, decoder.ignored) == (True, None, 0)
    return fold.response()


# --- what the vendor's SDK says, by our documented conversions ---


def told_text(record):
    """Return the text: botocore's ground truth leaves out what stands in blocks with sources, which we read as text."""
    if record["stream"]:
        return record["expected"].get("text") or ""
    blocks = json.loads(body(record))["output"]["message"]["content"]
    plain = "".join(block["text"] for block in blocks if "text" in block)
    assert plain == (record["expected"].get("text") or "")
    return "".join(text for block in blocks for text in texts_of(block))


def texts_of(block):
    if "text" in block:
        return [block["text"]]
    return [piece["text"] for piece in block.get("citationsContent", {}).get("content", ())]


def told_calls(record):
    """Return the tool calls without those that the service ran itself, which nobody must run again."""
    ours = record["expected"].get("tool_calls") or []
    if not record["stream"]:
        blocks = json.loads(body(record))["output"]["message"]["content"]
        served = {
            block["toolUse"]["toolUseId"]
            for block in blocks
            if block.get("toolUse", {}).get("type") not in (None, "tool_use")
        }
        ours = [call for call in ours if call["id"] not in served]
    return [(call["id"], call["name"], call.get("arguments")) for call in ours]


def told_usage(expected):
    """Return the counts by our counting: what the cache gave and took is input."""
    usage = expected.get("usage") or {}
    prompt = usage.get("input")
    if prompt is not None:
        prompt += usage.get("cache_read", 0) + usage.get("cache_write", 0)
    return (prompt, *(usage.get(name) for name in ("output", "total", "cache_read", "cache_write")))


def differences(record):
    """Return what the codec says differently from the SDK."""
    expected, got = record["expected"], answer(record)
    if "error" in expected:
        told = expected["error"]
        pairs = {
            "status": (told["status"], got.status_code),
            "message": (told["message"], got.message),
            "type": (None if told["type"].isdigit() else told["type"], got.code),
        }
    else:
        used, calls = got.usage, told_calls(record)
        reason = REASONS[expected["finish_reason"]]
        seals = sum(part.signature is not None for part in got.message.of(ReasoningPart))
        pairs = {
            "text": (told_text(record), got.message.content),
            "thinking": (expected.get("reasoning_text") or "", got.message.reasoning),
            "calls": (calls, [(call.id, call.name, call.parsed) for call in got.message.tool_calls]),
            "reason": ("tool_calls" if reason == "stop" and calls else reason, got.finish_reason),
            "word": (expected["finish_reason"], got.raw_finish_reason),
            "seals": (expected.get("signatures", seals), seals),
            "usage": (
                told_usage(expected),
                (
                    used.prompt_tokens,
                    used.completion_tokens,
                    expected.get("usage", {}).get("total") and used.total_tokens,
                    used.cached_tokens,
                    used.cache_write_tokens,
                ),
            ),
        }
    return {what: pair for what, pair in pairs.items() if pair[0] != pair[1]}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_golden_answer_is_read_as_the_sdk_reads_it(name):
    assert differences(GOLDEN[name]) == {}


@needs_recordings
@pytest.mark.parametrize(("api", "count"), [("bedrock.converse", 172), ("bedrock.converse_stream", 41)])
def test_every_recorded_answer_is_read_as_the_sdk_reads_it(api, count):
    found = {record["id"]: differences(record) for record in recorded(api)}
    assert {id_: found for id_, found in found.items() if found} == {}
    assert len(found) == count


@needs_recordings
def test_every_recorded_count_of_tokens_is_read():
    records = list(recorded("bedrock.count_tokens"))
    counted = [record for record in records if "error" not in record["expected"]]
    assert [WIRE.decode_count(body(record)) for record in counted] == [
        record["expected"]["usage"]["input"] for record in counted
    ]
    refused = [record for record in records if "error" in record["expected"]]
    assert [answer(record).message for record in refused] == [
        record["expected"]["error"]["message"] for record in refused
    ]
    assert (len(counted), len(refused)) == (4, 2)


@needs_recordings
@pytest.mark.parametrize("api", ["bedrock.converse", "bedrock.converse_stream"])
def test_what_went_in_and_what_came_out_is_the_total(api):
    used = [answer(record).usage for record in recorded(api) if record["response"]["status"] == 200]
    known = [usage for usage in used if usage.raw_usage and "totalTokens" in usage.raw_usage]
    assert len(known) > 39
    assert all(usage.total_tokens == usage.prompt_tokens + usage.completion_tokens for usage in known)


# --- streams in pieces ---


def boundaries(data):
    """Return where each message of an event stream ends."""
    ends, decoder = [], EventStreamDecoder()
    start = 0
    while start < len(data):
        start += int.from_bytes(data[start : start + 4], "big")
        ends.append(start)
    assert len(decoder.feed(data)) == len(ends)
    return ends


def split_differences(record, sizes=(1, 7, 64)):
    data, whole = body(record), answer(record)
    pieces = [[data[start : start + size] for start in range(0, len(data), size)] for size in sizes]
    return [size for size, cut in zip(sizes, pieces, strict=True) if answer(record, cut) != whole]


async def read(data):
    """Return the answer, the error and the partial answer of a body that ends where `data` ends."""
    stream = ChatStream(ChunkSource(_Body(data), WIRE.decoder(), lambda error: error))
    try:
        async with stream:
            async for _ in stream:
                pass
            return stream.response, None, stream.partial
    except AIClientError as error:
        return None, error, error.partial


class _Body:
    done = False

    def __init__(self, data):
        self._data = [data] if data else []

    async def __anext__(self):
        if not self._data:
            raise StopAsyncIteration
        return self._data.pop()

    async def aclose(self):
        pass

    def abort(self):
        pass


async def cut_differences(record):
    """A stream that is cut is whole after `messageStop`, and before it an error with the right beginning."""
    data, whole = body(record), answer(record)
    found = []
    ends = boundaries(data)
    for number, end in enumerate([0, *ends]):
        got, error, partial = await read(data[:end])
        if number >= len(ends) - 1:  # messageStop, and the metadata behind it
            same = got is not None and (got.message, got.finish_reason) == (whole.message, whole.finish_reason)
            found += [] if same else [(end, got, error)]
        elif not isinstance(error, (StreamInterruptedError, ProtocolError)):
            found.append((end, got, error))
        elif not whole.message.content.startswith(partial.message.content) or not whole.message.reasoning.startswith(
            partial.message.reasoning
        ):
            found.append((end, whole.message, partial.message))
    return found


@pytest.mark.parametrize("name", STREAMS)
def test_a_golden_stream_may_come_in_reads_of_any_size(name):
    assert split_differences(GOLDEN[name], (1, 2, 3, 7, 64, 4096)) == []


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.anyio
async def test_a_golden_stream_that_is_cut_is_whole_or_an_error_with_its_beginning(name):
    assert await cut_differences(GOLDEN[name]) == []


@needs_recordings
def test_recorded_streams_may_come_in_reads_of_any_size():
    streams = [record for record in recorded("bedrock.converse_stream") if record["response"]["status"] == 200]
    assert {record["id"]: split_differences(record) for record in streams if split_differences(record, (7, 64))} == {}
    assert {record["id"]: split_differences(record, (1,)) for record in streams[::4]} == {
        record["id"]: [] for record in streams[::4]
    }


@needs_recordings
@pytest.mark.anyio
@pytest.mark.parametrize(
    ("every", "count"), [pytest.param(1, 40, marks=pytest.mark.slow), (4, 10)], ids=["all", "some"]
)
async def test_recorded_streams_that_are_cut_are_whole_or_an_error_with_their_beginning(every, count):
    streams = [record for record in recorded("bedrock.converse_stream") if record["response"]["status"] == 200]
    found = {record["id"]: await cut_differences(record) for record in streams[::every]}
    assert len(found) == count
    assert {id_: cuts for id_, cuts in found.items() if cuts} == {}


# --- the next turn ---


def sent_back(response, model):
    """Return the assistant's turn as it would be sent with the next request."""
    results = [Message("user", ToolResultPart(call.id, "done")) for call in response.message.tool_calls]
    tools = [Tool(name) for name in dict.fromkeys(call.name for call in response.message.tool_calls)]
    request = ChatRequest(
        [Message("user", "hi"), response.message, *(results or [Message("user", "and?")])], ChatOptions(tools=tools)
    )
    call, warnings = WIRE.encode(request, model=model, stream=False)
    assert warnings == ()
    return json.loads(call.body)["messages"][1]["content"]


def model_of(record):
    return record["request"]["url"].split("/model/")[1].rpartition("/")[0].replace("%3A", ":").replace("%2F", "/")


def plain(blocks):
    """Return blocks without what is no content: texts without words, and the kind of call that is none."""
    kept = [block for block in blocks if block.get("text") is None or block["text"].strip()]
    for block in kept:
        if block.get("toolUse", {}).get("type") == "tool_use":
            del block["toolUse"]["type"]
    return kept


def round_trips(record):
    """Whether an answer goes back as it came; streams through what they are as a whole."""
    response = answer(record)
    back = sent_back(response, model_of(record))
    if not record["stream"]:
        return back == plain(json.loads(body(record))["output"]["message"]["content"])
    again = WIRE.decode(200, {}, json.dumps({"output": {"message": {"content": back}}}).encode())
    said = [part for part in response.message.parts if not isinstance(part, TextPart) or part.text.strip()]
    return spelled(again.message.parts) == spelled(said)


def spelled(parts):
    """Return parts with the arguments of calls in one spelling: a model's own white space is not kept."""
    return [evolve(part, arguments=json.dumps(part.parsed)) if isinstance(part, ToolCall) else part for part in parts]


SPOKEN = [name for name, record in GOLDEN.items() if record["response"]["status"] == 200 and name != "no_usage"]
"""The answers that say something."""


@pytest.mark.parametrize("name", SPOKEN)
def test_a_golden_answer_goes_back_as_it_came(name):
    assert round_trips({**GOLDEN[name], "expected": None})


@needs_recordings
@pytest.mark.parametrize("api", ["bedrock.converse", "bedrock.converse_stream"])
def test_every_recorded_answer_goes_back_as_it_came(api):
    records = [record for record in recorded(api) if record["response"]["status"] == 200]
    kept = [record for record in records if answer(record).message.content or answer(record).message.tool_calls]
    assert [record["id"] for record in kept if not round_trips(record)] == []
    assert len(records) - len(kept) <= 2


def test_sealed_thinking_and_a_tool_of_the_service_are_kept_as_they_came():
    redacted = answer(GOLDEN["redacted"]).message.of(OpaquePart)
    assert [list(part.data) for part in redacted] == [["reasoningContent"]]
    streamed = answer(GOLDEN["stream_redacted"]).message.of(OpaquePart)
    assert [list(part.data["reasoningContent"]) for part in streamed] == [["redactedContent"], ["redactedContent"]]
    served = answer(GOLDEN["server_tool"]).message
    assert served.tool_calls == ()
    assert [list(part.data) for part in served.of(OpaquePart)] == [["toolUse"], ["toolResult"]]
    assert all(part.origin == "bedrock" for part in itertools.chain(redacted, streamed, served.of(OpaquePart)))


def test_thinking_comes_with_its_seal():
    (part,) = answer(GOLDEN["stream_thinking"]).message.of(ReasoningPart)
    assert part.origin == "bedrock"
    assert part.signature
    assert part.text.startswith("The user has greeted me")


def test_sources_stand_on_the_text_they_belong_to():
    plain_text, cited = answer(GOLDEN["citations"]).message.of(TextPart)
    assert (plain_text.citations, plain_text.origin) == ((), None)
    (source,) = cited.citations
    assert (cited.text, source.title) == ("consult with your manager for details.", "company_policy")
    assert source.quote == "Consult with your manager for details."
    (streamed,) = answer(GOLDEN["stream_citations"]).message.of(TextPart)
    assert [source.title for source in streamed.citations] == ["facts"]


def test_a_guardrails_trace_is_kept_with_the_answer():
    guarded = answer(GOLDEN["guardrail"])
    assert (guarded.finish_reason, guarded.raw_finish_reason) == ("content_filter", "guardrail_intervened")
    assert "guardrail" in guarded.metadata["trace"]


def test_calls_in_parallel_stay_apart():
    calls = answer(GOLDEN["stream_parallel_tools"]).message.of(ToolCall)
    assert [call.parsed for call in calls] == [{"location": "Seattle"}, {"location": "San Francisco"}]
    assert len({call.id for call in calls}) == 2


def test_an_answer_without_counts_has_none():
    assert answer(GOLDEN["no_usage"]).usage.raw_usage is None
    assert answer(GOLDEN["cache"]).usage.prompt_tokens == 2 + 1322
