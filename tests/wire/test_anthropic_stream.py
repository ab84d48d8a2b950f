"""Streams of Anthropic's API that no recording shows: failures, odd orders, kinds that are not known yet."""

from __future__ import annotations

import json

import pytest

from aiclient import errors
from aiclient.chunks import Fold
from aiclient.messages import OpaquePart, ReasoningPart, RefusalPart, TextPart, ToolCall
from aiclient.wire.anthropic import AnthropicWire

START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "model": "claude-x",
        "content": [],
        "usage": {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 1},
    },
}
STOP = {"type": "message_stop"}
PING = {"type": "ping"}


def begin(index, **block):
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index, kind, **piece):
    return {"type": "content_block_delta", "index": index, "delta": {"type": f"{kind}_delta", **piece}}


def stop(index):
    return {"type": "content_block_stop", "index": index}


def end(reason="end_turn", usage=None, **more):
    return {"type": "message_delta", "delta": {"stop_reason": reason, **more}, "usage": usage or {"output_tokens": 7}}


def sse(*events):
    return b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events)


def read(*events, raw=b""):
    """Return the decoder and the answer."""
    decoder, fold = AnthropicWire().decoder(), Fold()
    for chunk in [*decoder.feed(sse(*events) + raw), *decoder.end()]:
        fold.add(chunk)
    return decoder, fold.response()


def parts(*events):
    decoder, response = read(START, *events, end(), STOP)
    assert decoder.done
    assert decoder.failure is None
    return response.message.parts


TEXT = (begin(0, type="text", text=""), delta(0, "text", text="Hel"), delta(0, "text", text="lo"), stop(0))


def test_pings_come_anywhere_and_events_of_unknown_kinds_are_counted():
    decoder, response = read(PING, START, PING, *TEXT, {"type": "weather_report"}, end(), PING, STOP)
    assert response.message.content == "Hello"
    assert decoder.done
    assert decoder.ignored == 1


def test_nothing_is_read_after_the_end():
    decoder, response = read(START, *TEXT, end(), STOP, {"type": "error", "error": {"type": "api_error"}})
    assert decoder.failure is None
    assert response.message.content == "Hello"
    assert decoder.feed(b"data: {") == []


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("overloaded_error", errors.OverloadedError),
        ("rate_limit_error", errors.RateLimitError),
        ("api_error", errors.ServerError),
        ("timeout_error", errors.ServerError),
        ("invalid_request_error", errors.BadRequestError),
        ("authentication_error", errors.AuthenticationError),
        ("permission_error", errors.PermissionDeniedError),
        ("billing_error", errors.QuotaExceededError),
        ("not_found_error", errors.ModelNotFoundError),
        ("something_new", errors.ServerError),
    ],
)
def test_an_error_within_a_stream_is_typed_by_its_own_type_and_keeps_what_came_before(kind, expected):
    told = {"type": "error", "error": {"type": kind, "message": "no luck"}, "request_id": "req_1"}
    decoder, response = read(START, *TEXT[:3], told)
    assert type(decoder.failure) is expected
    assert (decoder.failure.message, decoder.failure.code, decoder.failure.request_id) == ("no luck", kind, "req_1")
    assert response.message.content == "Hello"
    assert response.usage.prompt_tokens == 15
    assert not decoder.done


def test_an_error_is_recognised_without_its_name():
    decoder, _ = read(START, raw=b'data: {"error":{"type":"overloaded_error","message":"busy"}}\n\n')
    assert type(decoder.failure) is errors.OverloadedError


def test_a_spend_limit_is_a_quota_and_an_overload_by_any_other_name_is_not():
    details = {"error_code": "enforced_spend_limit_reached"}
    told = {"type": "error", "error": {"type": "rate_limit_error", "message": "m", "details": details}}
    decoder, _ = read(START, told)
    assert type(decoder.failure) is errors.QuotaExceededError
    assert decoder.failure.code == "enforced_spend_limit_reached"
    assert not decoder.failure.retryable


@pytest.mark.parametrize("events", [(), (START,), (START, *TEXT), (START, *TEXT, end())], ids=len)
def test_without_message_stop_the_answer_is_not_complete(events):
    decoder, _ = read(*events)
    assert not decoder.done
    assert decoder.failure is None


def test_a_last_event_without_its_blank_line_counts_and_half_of_one_does_not():
    decoder, _ = read(START, *TEXT, end(), raw=b'event: message_stop\ndata: {"type":"message_stop"}')
    assert decoder.done
    decoder, response = read(START, *TEXT[:3], raw=b'data: {"type":"content_block_de')
    assert (decoder.done, decoder.failure) == (False, None)
    assert response.message.content == "Hello"


def test_an_end_without_a_beginning_is_no_answer():
    decoder, _ = read(STOP)
    assert decoder.failure.kind == "empty"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "message_start"},
        begin(0) | {"content_block": None},
        delta(0, "text") | {"delta": "x"},
        delta(0, "input_json", partial_json="{}"),
    ],
    ids=["message", "block", "delta", "call"],
)
def test_events_that_make_no_sense_are_a_protocol_error(event):
    decoder, _ = read(event)
    assert isinstance(decoder.failure, errors.ProtocolError)
    assert not decoder.failure.retryable


@pytest.mark.parametrize("raw", [b"data: [1]\n\n", b"data: {\n\n", b"data: x\n\n"])
def test_data_that_is_no_json_object_is_a_protocol_error(raw):
    decoder, _ = read(START, raw=raw)
    assert isinstance(decoder.failure, errors.ProtocolError)


def test_the_done_mark_of_another_protocol_is_skipped():
    decoder, _ = read(START, *TEXT, end(), raw=b"data: [DONE]\n\n" + sse(STOP))
    assert decoder.done


# --- order ---


def test_a_block_may_begin_before_the_one_before_it_stops():
    """llama.cpp opens block 1 before it stops block 0, and leaves `input` out."""
    found = parts(
        begin(0, type="thinking", thinking=""),
        delta(0, "thinking", thinking="hm"),
        begin(1, type="tool_use", id="t1", name="now"),
        delta(0, "signature", signature="s"),
        stop(0),
        delta(1, "input_json", partial_json='{"zone":'),
        delta(1, "input_json", partial_json='"UTC"}'),
        stop(1),
    )
    assert found == (ReasoningPart("hm", "s", origin="anthropic"), ToolCall("t1", "now", '{"zone":"UTC"}'))


def test_blocks_that_are_never_stopped_are_whole_at_the_end():
    found = parts(begin(0, type="tool_use", id="t1", name="now", input={"zone": "UTC"}), begin(1, type="new_kind", x=1))
    assert found == (ToolCall("t1", "now", '{"zone":"UTC"}'), OpaquePart("anthropic", {"type": "new_kind", "x": 1}))


def test_pieces_of_two_blocks_may_alternate():
    found = parts(
        begin(0, type="text", text="a"),
        begin(1, type="text", text="b"),
        delta(0, "text", text="a"),
        delta(1, "text", text="b"),
    )
    assert found == (TextPart("aa"), TextPart("bb"))


def test_blocks_of_one_number_are_still_two():
    found = parts(begin(0, type="text", text="a"), begin(0, type="text", text="b"), delta(0, "text", text="c"))
    assert found == (TextPart("a"), TextPart("bc"))


def test_a_delta_whose_block_did_not_begin_says_what_it_is():
    assert parts(delta(0, "text", text="a"), delta(1, "thinking", thinking="b")) == (
        TextPart("a"),
        ReasoningPart("b", origin="anthropic"),
    )


# --- blocks ---


@pytest.mark.parametrize("block", [{}, {"input": {}}, {"input": None}])
@pytest.mark.parametrize("pieces", [(), ("",)], ids=["nothing", "empty"])
def test_a_tool_without_input_gets_an_empty_object(block, pieces):
    deltas = [delta(0, "input_json", partial_json=piece) for piece in pieces]
    (call,) = parts(begin(0, type="tool_use", id="t1", name="now", **block), *deltas, stop(0))
    assert call.arguments == "{}"
    assert call.parsed == {}


def test_what_came_with_a_call_stays_with_it():
    caller = {"type": "direct"}
    (call,) = parts(begin(0, type="tool_use", id="t1", name="now", input={}, caller=caller, toolset_name=None))
    assert call == ToolCall("t1", "now", "{}", origin="anthropic", provider_data={"caller": caller})


def test_input_that_is_cut_off_is_kept_as_it_is():
    _, response = read(
        START,
        begin(0, type="tool_use", id="t1", name="now", input={}),
        delta(0, "input_json", partial_json='{"zo'),
        stop(0),
        end("max_tokens"),
        STOP,
    )
    (call,) = response.message.tool_calls
    assert (call.arguments, call.parsed) == ('{"zo', None)
    assert response.finish_reason == "length"


def test_adjacent_texts_stay_apart_with_their_own_sources():
    source = {"type": "char_location", "cited_text": "q", "document_index": 0, "document_title": "T"}
    found = parts(
        begin(0, type="text", text="", citations=[]),
        delta(0, "citations", citation=source),
        delta(0, "text", text="a"),
        stop(0),
        begin(1, type="text", text=""),
        delta(1, "text", text="b"),
        stop(1),
    )
    assert [part.text for part in found] == ["a", "b"]
    assert found[0].origin == "anthropic"
    assert [(c.title, c.quote, c.provider_data) for c in found[0].citations] == [("T", "q", source)]
    assert found[1] == TextPart("b")


@pytest.mark.parametrize("junk", [True, 3, "x", {"a": 1}])
def test_citations_that_are_no_list_are_left_out_of_a_stream_as_of_a_whole_answer(junk):
    assert parts(begin(0, type="text", text="", citations=junk), *TEXT[1:]) == (TextPart("Hello"),)


def test_thinking_that_is_not_shown_still_has_its_seal():
    found = parts(
        begin(0, type="thinking", thinking="", signature=""), delta(0, "signature", signature="s"), stop(0), *TEXT_AT_1
    )
    assert found == (ReasoningPart("", "s", origin="anthropic"), TextPart("x"))


TEXT_AT_1 = (begin(1, type="text", text=""), delta(1, "text", text="x"), stop(1))


def test_fields_of_a_text_that_are_not_known_stay_with_it():
    found = parts(begin(0, type="text", text="", tone="kind"), delta(0, "text", text="x"), stop(0))
    assert found == (TextPart("x", origin="anthropic", provider_data={"tone": "kind"}),)


def test_blocks_of_unknown_kinds_are_put_together_from_deltas_of_unknown_kinds():
    (server, summary) = parts(
        begin(0, type="server_tool_use", id="s1", name="web_search", input={}),
        delta(0, "input_json", partial_json=""),
        delta(0, "input_json", partial_json='{"query":"x"}'),
        stop(0),
        begin(1, type="compaction", content=None),
        delta(1, "compaction", content="So "),
        delta(1, "compaction", content="far."),
        stop(1),
    )
    assert server.data == {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}}
    assert summary.data == {"type": "compaction", "content": "So far."}


def test_input_of_a_servers_tool_that_is_no_json_survives():
    (part,) = parts(
        begin(0, type="server_tool_use", id="s1", name="x", input={}), delta(0, "input_json", partial_json='{"a')
    )
    assert part.data["input"] == {"INVALID_JSON": '{"a'}


def test_a_delta_that_does_not_fit_its_block_is_counted():
    decoder, response = read(START, begin(0, type="text", text="a"), delta(0, "mood", mood="good"), end(), STOP)
    assert decoder.ignored == 1
    assert response.message.parts == (TextPart("a"),)


# --- the end ---


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "other"),
        ("something_new", "other"),
    ],
)
def test_stop_reasons_become_ours_and_keep_the_vendors_word(word, reason):
    _, response = read(START, *TEXT, end(word), STOP)
    assert (response.finish_reason, response.raw_finish_reason) == (reason, word)
    whole = AnthropicWire().decode(200, {}, json.dumps({"content": [], "stop_reason": word}).encode())
    assert (whole.finish_reason, whole.raw_finish_reason) == (reason, word)


def test_an_answer_with_a_call_asks_for_tools_whatever_the_word():
    _, response = read(START, begin(0, type="tool_use", id="t", name="now"), end("end_turn"), STOP)
    assert response.finish_reason == "tool_calls"


def test_a_refusal_says_why_where_the_service_does():
    details = {"type": "refusal", "category": "bio", "explanation": "Not that."}
    _, response = read(START, *TEXT[:3], end("refusal", stop_details=details), STOP)
    assert response.message.refusal == "Not that."
    assert response.message.content == "Hello"
    whole = {"content": [{"type": "text", "text": "Hello"}], "stop_reason": "refusal", "stop_details": details}
    same = AnthropicWire().decode(200, {}, json.dumps(whole).encode())
    assert same.message == response.message
    assert isinstance(same.message.parts[1], RefusalPart)


def test_counts_at_the_end_replace_those_of_the_beginning_and_what_they_leave_out_stays():
    more = {"input_tokens": 30, "output_tokens": 9, "cache_creation_input_tokens": None}
    _, response = read(START, *TEXT, end(usage=more), STOP)
    usage = response.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (35, 9, 44)
    assert (usage.cached_tokens, usage.cache_write_tokens, usage.reasoning_tokens) == (5, None, None)
    assert usage.raw_usage == {"input_tokens": 30, "output_tokens": 9, "cache_read_input_tokens": 5}


def test_cache_and_thinking_are_parts_of_the_counts():
    raw = {
        "input_tokens": 1,
        "cache_read_input_tokens": 20,
        "cache_creation_input_tokens": 300,
        "output_tokens": 50,
        "output_tokens_details": {"thinking_tokens": 40},
    }
    usage = AnthropicWire().decode(200, {}, json.dumps({"content": [], "usage": raw}).encode()).usage
    assert (usage.prompt_tokens, usage.cached_tokens, usage.cache_write_tokens) == (321, 20, 300)
    assert (usage.completion_tokens, usage.reasoning_tokens, usage.total_tokens) == (50, 40, 371)
    assert usage.raw_usage == raw


@pytest.mark.parametrize("raw", [None, {}, [], {"input_tokens": -1, "output_tokens": True}, {"input_tokens": 1e300}])
def test_counts_that_make_no_sense_are_not_reported(raw):
    usage = AnthropicWire().decode(200, {}, json.dumps({"content": [], "usage": raw}).encode()).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (None, None, None)


# --- answers that are no stream ---


WHOLE = {
    "id": "msg_1",
    "model": "claude-x",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "a", "citations": [{"type": "page_location", "cited_text": "q"}]},
        {"type": "text", "text": "b"},
        {"type": "tool_use", "id": "t1", "name": "now", "input": {}, "caller": {"type": "direct"}},
        {"type": "redacted_thinking", "data": "d"},
    ],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 1, "output_tokens": 2},
}


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_whole_answer_to_a_request_for_a_stream_is_one(size):
    data = b"\n " + json.dumps(WHOLE).encode()
    decoder, fold = AnthropicWire().decoder(), Fold()
    for start in range(0, len(data), size):
        assert not decoder.feed(data[start : start + size])
    for chunk in decoder.end():
        fold.add(chunk)
    whole = AnthropicWire().decode(200, {}, data)
    response = fold.response()
    assert decoder.done
    assert response.message == whole.message
    assert (response.id, response.model, response.usage) == (whole.id, whole.model, whole.usage)
    assert (response.finish_reason, response.raw_finish_reason) == ("tool_calls", "tool_use")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"<html>", "content_type"),
        (b"{", "decode"),
        (b'{"content":3}', "schema"),
        (b'{"content":[3]}', "schema"),
        (b"[]", "schema"),
    ],
)
def test_a_body_that_is_no_answer_is_a_protocol_error(data, kind):
    decoder = AnthropicWire().decoder()
    decoder.feed(data)
    decoder.end()
    assert decoder.failure.kind == kind
    with pytest.raises(errors.ProtocolError) as caught:
        AnthropicWire().decode(200, {}, data)
    assert caught.value.kind == kind


def test_an_error_in_a_200_is_an_error():
    data = b'{"type":"error","error":{"type":"overloaded_error","message":"busy"},"request_id":"r"}'
    with pytest.raises(errors.OverloadedError) as caught:
        AnthropicWire().decode(200, {}, data)
    assert caught.value.request_id == "r"


def test_a_whole_answer_over_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr("aiclient.wire.anthropic_stream.MAX_BODY_BYTES", 10)
    decoder = AnthropicWire().decoder()
    decoder.feed(b'{"content":[]}')
    assert decoder.failure.kind == "too_large"


def test_text_alone_and_blocks_of_odd_forms_are_read():
    assert AnthropicWire().decode(200, {}, b'{"content":"hi"}').message.parts == (TextPart("hi"),)
    odd = [
        {"type": "text"},
        {"type": "tool_use", "name": "now", "input": "{}"},
        {"type": "text", "text": "x", "citations": 3},
    ]
    message = AnthropicWire().decode(200, {}, json.dumps({"content": odd}).encode()).message
    assert message.parts[0] == OpaquePart("anthropic", {"type": "text"})
    assert message.tool_calls[0].arguments == "{}"
    assert message.tool_calls[0].id
    assert message.parts[2] == TextPart("x")
