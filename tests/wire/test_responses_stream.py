import base64
import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.chunks import Fold
from aiclient.errors import (
    BadRequestError,
    ContextLengthError,
    OverloadedError,
    ProtocolError,
    RateLimitError,
    ServerError,
)
from aiclient.messages import Citation, ImagePart, OpaquePart, ReasoningPart, RefusalPart, TextPart, ToolCall
from aiclient.wire.responses import ResponsesWire

WIRE = ResponsesWire(origin="vendor")


def event(kind, **fields):
    return f"event: {kind}\n".encode() + data({"type": kind, **fields})


def data(value):
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def created(**fields):
    return event("response.created", response={"id": "r1", "model": "m1", "created_at": 1700000000, **fields})


def ended(*output, status="completed", **fields):
    response = {"id": "r1", "model": "m1", "created_at": 1700000000, "status": status, "output": list(output), **fields}
    return event(f"response.{status}", response=response)


def added(item, **place):
    return event("response.output_item.added", item=item, **place)


def done(item, **place):
    return event("response.output_item.done", item=item, **place)


def delta(kind, words, **place):
    return event(f"response.{kind}.delta", delta=words, **place)


def text(words, id_="msg_1", index=0, content=0, **fields):
    return delta("output_text", words, item_id=id_, output_index=index, content_index=content, **fields)


def message(*contents, id_="msg_1", status="completed"):
    parts = [
        {"type": "output_text", "text": part, "annotations": []} if isinstance(part, str) else part for part in contents
    ]
    return {"id": id_, "type": "message", "role": "assistant", "status": status, "content": parts}


def call(arguments="", id_="fc_1", call_id="c1", name="weather"):
    return {"id": id_, "type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def decoded(*reads):
    """Return decoder and chunks."""
    decoder = WIRE.decoder()
    chunks = [chunk for read in reads for chunk in decoder.feed(read)]
    return decoder, [*chunks, *decoder.end()]


def folded(*reads):
    decoder, chunks = decoded(*reads)
    assert decoder.failure is None
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    return fold(chunks)


def fold(chunks):
    answer = Fold()
    for chunk in chunks:
        answer.add(chunk)
    return answer.response()


def whole(*output, **fields):
    """Return what the same answer is when it comes whole."""
    response = {"id": "r1", "model": "m1", "created_at": 1700000000, "status": "completed", "output": list(output)}
    return WIRE.decode(200, {}, json.dumps({**response, **fields}).encode())


def same(streamed, answer):
    assert streamed.message == answer.message
    for name in ("finish_reason", "raw_finish_reason", "usage", "id", "model", "created_at", "logprobs"):
        assert getattr(streamed, name) == getattr(answer, name)


def failed(*reads):
    decoder, chunks = decoded(*reads)
    assert not decoder.done
    assert not any(chunk.last for chunk in chunks)
    return decoder.failure, fold(chunks).message.content


# --- whole answers ---


def test_a_stream_is_read():
    used = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    output = message("Hello")
    stream = [
        created(),
        event("response.in_progress", response={"id": "r1"}),
        added(message(status="in_progress"), output_index=0),
        event("response.content_part.added", item_id="msg_1", output_index=0, content_index=0),
        text("He"),
        text("llo"),
        event("response.output_text.done", item_id="msg_1", output_index=0, content_index=0, text="Hello"),
        event("response.content_part.done", item_id="msg_1", output_index=0, content_index=0),
        done(output, output_index=0),
        ended(output, usage=used),
    ]
    decoder, chunks = decoded(b"".join(stream))
    assert [chunk.content for chunk in chunks if chunk.content] == ["He", "llo"]
    assert (chunks[0].id, chunks[0].model, chunks[0].is_output) == ("r1", "m1", False)
    assert decoder.done
    assert decoder.ignored == 0
    same(fold(chunks), whole(output, usage=used))


def test_thinking_calls_and_text_in_several_items_are_what_the_whole_answer_is():
    summary = [{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}]
    thought = {"id": "rs_1", "type": "reasoning", "summary": summary, "encrypted_content": "gA"}
    bare = {"id": "rs_2", "type": "reasoning", "summary": [], "encrypted_content": "gB"}
    free = {"id": "ctc_1", "type": "custom_tool_call", "call_id": "c2", "name": "free", "input": "4 + 4"}
    refusal = message("a", {"type": "refusal", "refusal": "no"}, "b")
    search = {"id": "ws_1", "type": "web_search_call", "status": "completed"}
    output = [thought, search, bare, message("Hi", id_="msg_0"), refusal, call('{"a":1}'), free]
    places = [{"item_id": item["id"], "output_index": index} for index, item in enumerate(output)]
    stream = [
        created(),
        added({**thought, "summary": []}, output_index=0),
        delta("reasoning_summary_text", "o", summary_index=0, **places[0]),
        delta("reasoning_summary_text", "ne", summary_index=0, **places[0]),
        delta("reasoning_summary_text", "two", summary_index=1, **places[0]),
        done(thought, output_index=0),
        added({**search, "status": "in_progress"}, output_index=1),
        event("response.web_search_call.searching", **places[1]),
        done(search, output_index=1),
        done(bare, output_index=2),
        text("Hi", "msg_0", 3),
        done(output[3], output_index=3),
        text("a", index=4),
        delta("refusal", "no", content_index=1, **places[4]),
        text("b", index=4, content=2),
        done(refusal, output_index=4),
        added(call(), output_index=5),
        delta("function_call_arguments", '{"a"', **places[5]),
        delta("function_call_arguments", ":1}", **places[5]),
        done(output[5], output_index=5),
        added({**free, "input": ""}, output_index=6),
        delta("custom_tool_call_input", "4 + 4", **places[6]),
        done(free, output_index=6),
        ended(*output),
    ]
    answer = folded(b"".join(stream))
    same(answer, whole(*output))
    assert answer.message.reasoning == "one\n\ntwo"
    assert [type(part) for part in answer.message.parts] == [
        *(ReasoningPart, OpaquePart, ReasoningPart, TextPart, TextPart, RefusalPart, TextPart, ToolCall, ToolCall)
    ]


def test_what_no_event_carried_comes_with_the_item_or_with_the_end():
    image = {"type": "image_generation_call", "id": "ig_1", "result": base64.b64encode(b"x").decode()}
    empty = message("", id_="msg_2")
    thought = {"id": "rs_1", "type": "reasoning", "content": [{"type": "reasoning_text", "text": "hm"}]}
    output = [thought, message("Hello", {"type": "refusal", "refusal": "no"}), call("{}"), image, empty]
    same(folded(created(), *map(done, output), ended(*output)), whole(*output))
    same(folded(created(), ended(*output)), whole(*output))
    same(folded(ended(*output)), whole(*output))
    assert isinstance(whole(*output).message.parts[4], ImagePart)


def test_the_rest_of_a_text_is_made_up_for_and_nothing_comes_twice():
    output = [call('{"a":1}'), message("Hello", "Bye")]
    stream = [
        delta("function_call_arguments", '{"a', item_id="fc_1", output_index=0),
        text("Hel", index=1),
        *(done(item) for item in output),
        ended(*output),
    ]
    same(folded(*stream), whole(*output))
    same(folded(*stream[:2], *stream[-1:]), whole(*output))
    same(folded(*stream[:3], *stream[-1:]), whole(*output))


def test_a_final_text_that_is_another_one_does_not_change_what_was_handed_out():
    assert folded(text("Hello"), ended(message("Goodbye"))).message.content == "Hello"
    assert folded(text("Hello "), ended(message("Hello"))).message.content == "Hello "


def test_final_arguments_that_are_other_ones_are_those_that_a_tool_runs_with():
    pieces = [delta("function_call_arguments", words, item_id="fc_1", output_index=0) for words in ('{"a"', ":1", "}")]
    begun, final = [added(call(), output_index=0), *pieces], call('{"a":2}')
    answer = folded(*begun, done(final, output_index=0), ended(final))
    assert [(made.id, made.arguments) for made in answer.message.tool_calls] == [("c1", '{"a":2}')]
    kept = folded(
        *begun, done(call(), output_index=0), ended(call())
    )  # a server that repeats nothing takes nothing back
    assert kept.message.tool_calls[0].arguments == '{"a":1}'


def test_a_final_response_may_repeat_nothing():
    answer = folded(
        added(call(), output_index=0), delta("function_call_arguments", "{}", item_id="fc_1"), text("Hi"), ended()
    )
    assert (answer.message.content, answer.message.tool_calls[0].arguments) == ("Hi", "{}")
    assert answer.finish_reason == "tool_calls"


# --- which item an event is about ---


def interleaved(place):
    """Return a message and two calls whose events come in turns; `place(item, index)` says how they name their item."""
    output = [message("Hello"), call('{"a":1}', "fc_1", "c1"), call('{"b":2}', "fc_2", "c2")]
    named = [place(item, index) for index, item in enumerate(output)]
    arguments = "function_call_arguments"
    return output, [
        *(added({**item, "content": [], "arguments": ""}, **where) for item, where in zip(output, named, strict=True)),
        delta("output_text", "Hel", **named[0]),
        delta(arguments, '{"a"', **named[1]),
        delta("output_text", "lo", **named[0]),
        delta(arguments, '{"b"', **named[2]),
        delta(arguments, ":1}", **named[1]),
        delta(arguments, ":2}", **named[2]),
        *(done(item, **where) for item, where in zip(output, named, strict=True)),
        ended(*output),
    ]


@pytest.mark.parametrize(
    "place",
    [
        lambda item, index: {"item_id": item["id"], "output_index": index},
        lambda item, index: {"item_id": item["id"]},  # llama.cpp
        lambda item, index: {"item_id": item["id"], "output_index": 0},
        lambda item, index: {"output_index": index},
    ],
    ids=["both", "id", "id-and-index-zero", "index"],
)
def test_events_name_their_item_in_several_ways(place):
    _, stream = interleaved(place)
    answer = folded(*stream)
    # The parts stand in the order in which their output began: the calls were announced before the text came.
    assert [part.provider_data["item"]["id"] for part in answer.message.parts] == ["fc_1", "fc_2", "msg_1"]
    assert [part.text for part in answer.message.of(TextPart)] == ["Hello"]
    assert [(made.id, made.arguments) for made in answer.message.tool_calls] == [("c1", '{"a":1}'), ("c2", '{"b":2}')]


def test_ids_that_change_with_every_event_count_for_nothing_beside_an_index():
    number = iter(range(100))
    _, stream = interleaved(lambda item, index: {"output_index": index, "item_id": f"x{next(number)}"})
    for position, made in enumerate(stream):
        value = json.loads(made.split(b"data: ")[1])
        if "item" in value:
            value["item"]["id"] = f"x{next(number)}"
        stream[position] = data(value)
    answer = folded(*stream)
    assert answer.message.content == "Hello"
    assert [made.arguments for made in answer.message.tool_calls] == ['{"a":1}', '{"b":2}']


def test_items_that_share_an_id_are_told_apart_by_their_place():
    _, stream = interleaved(lambda item, index: {"item_id": "same", "output_index": index})
    stream = [made.replace(b'"fc_1"', b'"same"').replace(b'"fc_2"', b'"same"') for made in stream]
    assert [made.arguments for made in folded(*stream).message.tool_calls] == ['{"a":1}', '{"b":2}']


def test_an_item_may_end_after_the_next_one_began():
    # llama.cpp, build 11549: no index at all, and the message ends when the call is over.
    output = [message("OK."), call("{}")]
    stream = [
        event("response.created", response={"id": "r1", "object": "response", "status": "in_progress"}),
        added(message(status="in_progress")),
        event("response.content_part.added", item_id="msg_1", part={"type": "output_text", "text": ""}),
        delta("output_text", "OK.", item_id="msg_1"),
        added(call()),
        delta("function_call_arguments", "{}", item_id="fc_1"),
        *map(done, output),
        ended(*output),
    ]
    same(folded(*stream), whole(*output))


def test_the_type_is_read_from_the_json_and_else_from_the_event_line():
    stream = [created(), text("Hi"), ended(message("Hi"))]
    bare = [b"data: " + made.split(b"data: ")[1] for made in stream]
    same(folded(*bare), whole(message("Hi")))
    untyped = [
        made.replace(b'{"type": ' + made.split(b'"type": ')[1].split(b",")[0] + b", ", b"{", 1) for made in stream
    ]
    assert b'"type": "response' not in b"".join(untyped)
    same(folded(*untyped), whole(message("Hi")))


def test_a_text_that_is_numbered_past_the_thinking_is_not_doubled():
    assert folded(text("Hi", content=1), ended(message("Hi"))).message.content == "Hi"


def test_a_call_may_tell_its_name_late_and_its_id_never():
    stream = [
        delta("function_call_arguments", "{}", item_id="x"),
        done({"type": "function_call", "id": "x", "name": "now", "arguments": "{}"}),
    ]
    (made,) = folded(*stream, ended()).message.tool_calls
    assert (made.id, made.name, made.arguments) == ("x", "now", "{}")
    nameless = done({"type": "function_call", "name": "now", "arguments": ""})
    assert folded(nameless, ended()).message.tool_calls[0].id == "call_0"


# --- beside text ---


def test_sources_come_once():
    page = {"type": "url_citation", "url": "https://x", "title": "X", "start_index": 0, "end_index": 2}
    late = {**page, "url": "https://y"}
    output = message({"type": "output_text", "text": "Hi", "annotations": [page, late]})
    source = event(
        "response.output_text.annotation.added", item_id="msg_1", output_index=0, content_index=0, annotation=page
    )
    answer = folded(text("Hi"), source, done(output), ended(output))
    same(answer, whole(output))
    assert answer.message.citations[0] == Citation("https://x", "X", start=0, end=2, provider_data=page)


def test_log_probabilities_come_with_the_text_or_at_its_end():
    entry = {"token": "Hi", "logprob": -0.1}
    output = message({"type": "output_text", "text": "Hi", "logprobs": [entry]})
    assert folded(text("Hi", logprobs=[entry]), ended(output)).logprobs == [entry]
    assert folded(text("Hi"), ended(output)).logprobs == [entry]
    assert folded(text("Hi", logprobs=[]), ended(message("Hi"))).logprobs is None


def test_thinking_and_its_summary_are_set_apart():
    place = {"item_id": "rs_1", "output_index": 0}
    content = [{"type": "reasoning_text", "text": "bc"}]
    item = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}], "content": content}
    stream = [
        delta("reasoning_summary_text", "a", summary_index=0, **place),
        delta("reasoning_text", "b", content_index=0, **place),
        delta("reasoning_text", "c", content_index=0, **place),
    ]
    same(folded(*stream, done(item, output_index=0), ended(item)), whole(item))
    partial = fold(decoded(*stream)[1])
    assert partial.message.parts == (ReasoningPart("a\n\nbc", origin="vendor"),)


def test_a_picture_of_some_megabytes_is_read_and_its_previews_are_not_part_of_the_answer():
    picture = base64.b64encode(bytes(2 << 20)).decode()
    item = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": picture}
    preview = event("response.image_generation_call.partial_image", item_id="ig_1", partial_image_b64=picture)
    answer = folded(preview, done(item), ended(item))
    assert [len(part.data) for part in answer.message.parts] == [2 << 20]


# --- the end ---


@pytest.mark.parametrize(
    ("status", "details", "reason"),
    [
        ("completed", None, "stop"),
        ("incomplete", {"reason": "max_output_tokens"}, "length"),
        ("incomplete", {"reason": "content_filter"}, "content_filter"),
        ("cancelled", None, "other"),
    ],
)
def test_the_closing_event_says_why_the_model_stopped(status, details, reason):
    answer = folded(text("Hi"), ended(message("Hi"), status=status, incomplete_details=details))
    assert (answer.finish_reason, answer.raw_finish_reason) == (reason, status)


def test_a_closing_event_whose_response_has_no_status_is_believed():
    answer = folded(event("response.completed", response={"output": [message("Hi")]}))
    assert (answer.finish_reason, answer.raw_finish_reason) == ("stop", "completed")
    odd = event("response.completed", response={"output": [message("Hi")], "status": "in_progress"})
    assert folded(odd).finish_reason == "stop"


def test_done_may_follow_and_nothing_else_counts_after_the_end():
    assert folded(text("Hi") + ended(message("Hi")) + b"data: [DONE]\n\n" + text("more")).message.content == "Hi"


def test_done_alone_is_no_end():
    assert failed(text("Hi"), b"data: [DONE]\n\n") == (None, "Hi")


def test_events_of_unknown_kinds_are_ignored_and_counted():
    odd = [event("response.of_next_year", x=1), event("keepalive", sequence_number=3), b"data: \n\n", b": ping\n\n"]
    decoder, chunks = decoded(*odd, text("Hi"), ended(message("Hi")))
    assert decoder.ignored == 1
    assert fold(chunks).message.content == "Hi"


def test_a_queued_response_tells_its_identity_first():
    queued = event("response.queued", response={"id": "r1", "model": "m1", "status": "queued"})
    _, chunks = decoded(queued, event("response.in_progress", response={"id": "r1"}))
    assert [(chunk.id, chunk.model) for chunk in chunks] == [("r1", "m1")]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (event("error", code="rate_limit_exceeded", message="slow", param=None), RateLimitError),
        (event("error", code=None, message="oh", param=None), ServerError),
        (
            event("error", error={"type": "invalid_request_error", "code": "context_length_exceeded", "message": "x"}),
            ContextLengthError,
        ),
        (event("error", error={"type": "overloaded_error", "message": "x"}), OverloadedError),
        (data({"error": {"message": "x", "code": 400}}), BadRequestError),
        (b"event: error\n" + data({"message": "x", "code": "server_error"}), ServerError),
        (ended(status="failed", error={"code": "rate_limit_exceeded", "message": "slow"}), RateLimitError),
        (ended(status="failed", error={"code": "invalid_prompt", "message": "no"}), BadRequestError),
        (ended(status="failed", error=None), ServerError),
    ],
    ids=[
        "flat",
        "without-code",
        "nested",
        "by-type",
        "bare",
        "by-line",
        "failed",
        "failed-for-good",
        "failed-in-silence",
    ],
)
def test_a_failure_inside_the_stream_is_the_error_of_its_code_behind_what_came(error, kind):
    found, came = failed(created(), text("Hi"), error, ended(message("Hi there")))
    assert type(found) is kind
    assert came == "Hi"


@pytest.mark.parametrize(
    "bad",
    [
        b"data: {\n\n",
        b"data: 1\n\n",
        event("response.completed"),
        event("response.completed", response={"output": {}}),
        event("response.output_item.done"),
        delta("output_text", {"text": "Hi"}),
    ],
    ids=["no-json", "no-object", "no-response", "no-output", "no-item", "no-text"],
)
def test_what_is_not_the_protocol_is_a_protocol_error_behind_what_came(bad):
    found, came = failed(text("Hi"), bad)
    assert isinstance(found, ProtocolError)
    assert came == "Hi"


def test_a_cut_stream_has_no_last_chunk():
    output = message("Hello")
    stream = [created(), text("Hel"), text("lo"), done(output), ended(output)]
    for end in range(len(stream)):
        found, came = failed(*stream[:end])
        assert found is None
        assert "Hello".startswith(came)


def test_a_last_event_without_its_blank_line_counts_if_it_is_whole():
    last = ended(message("Hi")).rstrip(b"\n")
    assert folded(text("Hi"), last).message.content == "Hi"
    assert failed(text("Hi"), last[:-3]) == (None, "Hi")


def test_an_answer_that_is_no_stream_is_read_all_the_same():
    output = [message("Hello"), call("{}")]
    body = json.dumps({"id": "r1", "model": "m1", "created_at": 1700000000, "status": "completed", "output": output})
    same(folded(b"\n", body[:20].encode(), body[20:].encode()), whole(*output))
    waiting = folded(b'{"id":"r1","status":"queued","output":[]}')
    assert waiting.finish_reason is None
    found, _ = failed(b'{"error":{"message":"x","code":"rate_limit_exceeded"}}')
    assert isinstance(found, RateLimitError)
    found, _ = failed(b"<html>")
    assert found.kind == "content_type"
    found, _ = failed(body[:20].encode())
    assert found.kind == "decode"


_, _PLAIN = interleaved(lambda item, index: {"item_id": item["id"], "output_index": index})
_STREAM = b"".join([created(), *_PLAIN])


@given(st.lists(st.integers(0, len(_STREAM)), max_size=30), st.booleans())
def test_reads_of_any_size_and_any_line_ends_give_the_same_answer(cuts, crlf):
    stream = _STREAM.replace(b"\n", b"\r\n") if crlf else _STREAM
    edges = sorted({0, len(stream), *cuts})
    assert folded(*(stream[start:end] for start, end in pairwise(edges))) == folded(_STREAM)
