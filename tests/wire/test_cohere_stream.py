"""Cohere's streams, made by hand where no recording has the case; the recordings are in test_conformance."""

from __future__ import annotations

import json

import pytest

from aiclient.chunks import Fold
from aiclient.errors import ProtocolError, RateLimitError, ServerError
from aiclient.messages import OpaquePart, ReasoningPart, TextPart, ToolCall
from aiclient.wire.cohere import CohereChat

DONE = b"data: [DONE]\n\n"


def event(kind, index=None, **fields):
    value = {"type": kind, **({} if index is None else {"index": index}), **fields}
    return f"event: {kind}\ndata: {json.dumps(value)}\n\n".encode()


def message(kind, index=None, **fields):
    return event(kind, index, delta={"message": fields})


def ended(word="COMPLETE", **fields):
    return event("message-end", delta={"finish_reason": word, **fields})


START = event("message-start", id="r1", delta={"message": {"role": "assistant", "content": []}})
STREAM = b"".join(
    (
        START,
        message("content-start", 0, content={"type": "thinking", "thinking": ""}),
        message("content-delta", 0, content={"thinking": "hm"}),
        event("content-end", 0),
        message("content-start", 1, content={"type": "text", "text": ""}),
        message("content-delta", 1, content={"text": "Pa"}),
        message("content-delta", 1, content={"text": "ris"}),
        message("citation-start", 0, citations={"start": 0, "end": 5, "text": "Paris", "content_index": 1}),
        event("citation-end", 0),
        event("content-end", 1),
        message("tool-plan-delta", tool_plan="I "),
        message("tool-plan-delta", tool_plan="will"),
        message("tool-call-start", 0, tool_calls={"id": "a", "function": {"name": "f", "arguments": ""}}),
        message("tool-call-delta", 0, tool_calls={"function": {"arguments": '{"x":'}}),
        message("tool-call-delta", 0, tool_calls={"function": {"arguments": "1}"}}),
        event("tool-call-end", 0),
        message("tool-call-start", 1, tool_calls={"id": "b", "function": {"name": "g", "arguments": "{}"}}),
        event("tool-call-end", 1),
        ended("TOOL_CALL", usage={"tokens": {"input_tokens": 3.0, "output_tokens": 2.0}, "cached_tokens": 1}),
    )
)


def read(*pieces):
    """Return the answer so far, whether it is complete, and the decoder."""
    decoder, fold, last = CohereChat().decoder(), Fold(), False
    for piece in pieces:
        for chunk in decoder.feed(piece):
            fold.add(chunk)
            last = last or chunk.last
    for chunk in decoder.end():
        fold.add(chunk)
        last = last or chunk.last
    assert last == decoder.done
    return fold.response(), decoder.done, decoder


WHOLE = read(STREAM)[0]


def test_a_stream_is_read_part_by_part():
    thought, text, plan, *calls = WHOLE.message.parts
    assert thought == ReasoningPart("hm", origin="cohere")
    assert (text.text, text.origin, text.citations[0].end) == ("Paris", "cohere", 5)
    assert plan == ReasoningPart("I will", origin="cohere", provider_data={"tool_plan": True})
    assert calls == [ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "{}")]
    assert (WHOLE.id, WHOLE.finish_reason, WHOLE.raw_finish_reason) == ("r1", "tool_calls", "TOOL_CALL")
    assert (WHOLE.usage.prompt_tokens, WHOLE.usage.completion_tokens, WHOLE.usage.cached_tokens) == (3, 2, 1)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_the_size_of_the_reads_makes_no_difference(size):
    pieces = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]
    assert read(*pieces)[:2] == (WHOLE, True)


ENDS = [end + 2 for end in range(len(STREAM)) if STREAM.startswith(b"\n\n", end)]


@pytest.mark.parametrize("end", ENDS[:-1])
def test_a_stream_cut_at_an_event_is_not_complete_and_no_nonsense(end):
    answer, done, decoder = read(STREAM[:end])
    assert (done, decoder.failure) == (False, None)
    assert "Paris".startswith(answer.message.content)


def test_a_stream_cut_within_an_event_is_a_cut_and_not_nonsense():
    assert [read(STREAM[:-cut])[2].failure for cut in (5, 30, 60)] == [None] * 3


def test_the_last_event_needs_no_blank_line():
    assert read(STREAM.rstrip(b"\n"))[:2] == (WHOLE, True)


def test_nothing_counts_after_the_end():
    assert read(STREAM + DONE + message("content-delta", 1, content={"text": "!"}))[:2] == (WHOLE, True)


def test_a_done_mark_without_the_end_is_a_cut():
    answer, done, decoder = read(START, DONE)
    assert (answer.id, done, decoder.failure) == ("r1", False, None)


def test_an_unknown_event_is_counted_and_an_unknown_block_kept():
    answer, done, decoder = read(
        START,
        event("debug", prompt="x"),
        event("something-new"),
        message("content-start", 0, content={"type": "diagram", "svg": "<"}),
        message("content-delta", 0, content={"svg": "/>", "width": 3}),
        event("content-end", 0),
        message("content-start", 1, content={"type": "chart"}),
        message("content-delta", 1, content={"width": 4}),
        ended(),
    )
    assert answer.message.parts == (
        OpaquePart("cohere", {"type": "diagram", "svg": "</>", "width": 3}),
        OpaquePart("cohere", {"type": "chart", "width": 4}),
    )
    assert (done, decoder.ignored) == (True, 2)


def test_citations_of_thinking_and_plan_stay_with_them():
    quoted = {"start": 0, "end": 1, "text": "h", "type": "THINKING_CONTENT", "content_index": 0}
    planned = {"start": 0, "end": 1, "text": "I", "type": "PLAN"}
    answer = read(
        message("content-delta", 0, content={"thinking": "hm"}),
        message("citation-start", 0, citations=quoted),
        message("citation-start", 1, citations=[quoted, "nonsense"]),
        message("tool-plan-delta", tool_plan="I will"),
        message("citation-start", 2, citations=planned),
        ended(),
    )[0]
    thought, plan = answer.message.parts
    assert thought == ReasoningPart("hm", origin="cohere", provider_data={"citations": [quoted, quoted]})
    assert plan.provider_data == {"tool_plan": True, "citations": [planned]}
    assert answer.message.citations == ()


def test_a_citation_without_a_place_belongs_to_the_last_text():
    answer = read(
        message("content-start", 0, content={"type": "text", "text": "a"}),
        message("content-start", 1, content={"text": "b"}),
        message("citation-start", 0, citations={"start": 0, "end": 1, "text": "b"}),
        ended(),
    )[0]
    assert [(part.text, len(part.citations)) for part in answer.message.parts] == [("a", 0), ("b", 1)]
    lost = read(message("citation-start", 0, citations={"start": 0, "end": 1}), ended())[0]
    assert lost.message.parts[0].citations[0].end == 1


def test_log_probabilities_are_kept_in_order():
    entries = [{"text": text, "token_ids": [1]} for text in "ab"]
    answer = read(
        event("content-delta", 0, delta={"message": {"content": {"text": "a"}}}, logprobs=entries[0]),
        event("content-delta", 0, delta={"message": {"content": {"text": "b"}}}, logprobs=entries[1]),
        ended(),
    )[0]
    assert answer.logprobs == entries
    assert answer.message.parts == (TextPart("ab"),)


def test_an_index_used_twice_begins_another_call_and_a_call_without_id_gets_one():
    answer = read(
        message("tool-call-start", 0, tool_calls={"id": "a", "function": {"name": "f"}}),
        message("tool-call-start", 0, tool_calls={"function": {"name": "g"}}),
        message("tool-call-delta", 0, tool_calls={"function": {"arguments": "{}"}}),
        message("tool-call-delta", 9, tool_calls={"function": {"arguments": " "}}),
        message("tool-call-delta", 0, tool_calls={}),
        ended("COMPLETE"),
    )[0]
    assert answer.message.tool_calls == (ToolCall("a", "f", ""), ToolCall("call_1", "g", "{} "))
    assert answer.finish_reason == "tool_calls"


def test_an_end_that_says_nothing_is_an_end():
    answer, done, _ = read(message("content-delta", 0, content={"text": "a"}), event("message-end"))
    assert (answer.finish_reason, answer.raw_finish_reason, answer.usage.total_tokens, done) == (
        "stop",
        None,
        None,
        True,
    )


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (ended("ERROR", error="the model fell over"), ServerError, "the model fell over"),
        (b'event: error\ndata: {"message":"slow down","status_code":429}\n\n', RateLimitError, "slow down"),
        (b'data: {"id":"x","message":"internal server error"}\n\n', ServerError, "internal server error"),
        (b'data: {"error":{"message":"no"}}\n\n', ServerError, "no"),
    ],
    ids=["at the end", "as an event", "as a body", "as OpenAI's"],
)
def test_an_error_comes_after_the_chunks_before_it(data, error, words):
    answer, done, decoder = read(message("content-delta", 0, content={"text": "Pa"}) + data)
    assert (answer.message.content, done) == ("Pa", False)
    assert isinstance(decoder.failure, error)
    assert words in str(decoder.failure)
    assert decoder.feed(STREAM) == []
    assert decoder.end() == []


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"data: []\n\n", "schema"),
        (b"data: {\n\n", "decode"),
        (event("content-delta", 0, delta=3), "schema"),
        (message("content-delta", 0, content={"text": 3}), "schema"),
        (message("content-delta", 0, content=[]), "schema"),
        (message("tool-call-delta", 0, tool_calls={"function": {"arguments": "x"}}), "state"),
        (b"data: " + b"x" * (1 << 20) + b"\n\n", "too_large"),
    ],
    ids=["a list", "no JSON", "delta", "text", "content", "a piece before its call", "size"],
)
def test_nonsense_is_a_typed_failure(data, kind):
    decoder = read(START, data)[2]
    assert isinstance(decoder.failure, ProtocolError)
    assert decoder.failure.kind == kind


def test_nonsense_without_its_blank_line_is_a_failure_too():
    assert read(START, b"data: []")[2].failure.kind == "schema"


def test_a_type_that_is_no_word_leaves_the_events_name():
    assert read(b'event: message-end\ndata: {"type":3,"delta":{"finish_reason":"COMPLETE"}}\n\n')[1]
