import base64
import json

import pytest

from aiclient.chunks import Fold
from aiclient.errors import BadRequestError, OverloadedError, ProtocolError
from aiclient.messages import AudioPart, Citation, ImagePart, OpaquePart, ReasoningPart, RefusalPart, TextPart, ToolCall
from aiclient.request import ChatOptions, ChatRequest
from aiclient.wire.openai_chat import OpenAIChat

DONE = b"data: [DONE]\n\n"


def event(delta=None, *, index=0, reason=None, **fields):
    choice = {"index": index, "finish_reason": reason, **({} if delta is None else {"delta": delta})}
    return data({"id": "r1", "model": "m1", "created": 1700000000, "choices": [choice], **fields})


def data(value):
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def text(*pieces, reason="stop"):
    return b"".join(event({"content": piece}) for piece in pieces) + event({}, reason=reason)


def decoded(*reads, choices=1):
    """Return decoder and chunks."""
    request = ChatRequest([], ChatOptions(extra={"openai": {"n": choices}})) if choices > 1 else None
    decoder = OpenAIChat(origin="vendor").decoder(request)
    chunks = [chunk for read in reads for chunk in decoder.feed(read)]
    return decoder, [*chunks, *decoder.end()]


def folded(*reads, choices=1):
    decoder, chunks = decoded(*reads, choices=choices)
    assert decoder.failure is None
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    fold = Fold()
    for chunk in chunks:
        fold.add(chunk)
    return fold.response()


def failed(*reads, choices=1):
    decoder, chunks = decoded(*reads, choices=choices)
    assert not decoder.done
    assert not any(chunk.last for chunk in chunks)
    return decoder.failure, "".join(chunk.content for chunk in chunks)


def test_a_stream_is_read():
    used = data({"id": "r1", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}})
    response = folded(event({"role": "assistant", "content": ""}) + text("He", "llo") + used + DONE)
    assert (response.message.content, response.finish_reason, response.raw_finish_reason) == ("Hello", "stop", "stop")
    assert (response.id, response.model, response.usage.total_tokens) == ("r1", "m1", 3)
    assert response.created_at.year == 2023


def test_the_end_mark_is_enough():
    assert folded(event({"content": "a"}) + DONE).finish_reason is None


def test_a_finish_reason_and_the_end_of_the_body_are_enough():
    assert folded(text("a")).finish_reason == "stop"
    assert folded((text("a")).rstrip()).finish_reason == "stop"


def test_what_follows_the_end_mark_is_ignored():
    decoder, chunks = decoded(text("a") + DONE + event({"content": "b"}), b"data: nonsense\n\n")
    assert (decoder.done, decoder.failure) == (True, None)
    assert "".join(chunk.content for chunk in chunks) == "a"


@pytest.mark.parametrize("cut", [b"", b'data: {"choices":', b": ping\n\n"], ids=["between", "inside", "ping"])
def test_a_stream_without_an_end_is_not_complete(cut):
    assert failed(event({"content": "a"}) + cut) == (None, "a")


def test_all_choices_that_were_asked_for_must_finish():
    one = event({"content": "a"}, index=0, reason="stop")
    two = event({"content": "b"}, index=1, reason="length")
    assert failed(one, choices=2) == (None, "a")
    response = folded(one + two, choices=2)
    assert response.message.content == "a"
    assert [(choice.message.content, choice.finish_reason) for choice in response.alternatives] == [("b", "length")]


def test_an_empty_stream_is_no_answer():
    assert failed(DONE)[0].kind == "empty"
    assert failed(b"") == (None, "")
    assert failed(data({"choices": [], "prompt_filter_results": []}) + DONE)[0].kind == "empty"


def test_identity_comes_from_the_first_event_that_has_it():
    azure = data({"id": "", "model": "", "object": "", "choices": [], "prompt_filter_results": []})
    later = data(
        {"id": "r2", "model": "m1", "choices": [{"index": 0, "delta": {"content": "b"}, "finish_reason": "stop"}]}
    )
    response = folded(azure + event({"content": "a"}) + later + DONE)
    assert (response.id, response.model, response.message.content) == ("r1", "m1", "ab")


def test_the_last_usage_counts():
    def used(count):
        return {"prompt_tokens": 1, "completion_tokens": count}

    stream = (
        event({"content": "a"}, usage=used(1))
        + event({"content": "b"}, usage=used(2))
        + event({}, reason="stop", usage=None)
    )
    assert folded(stream + DONE).usage.completion_tokens == 2
    groq = event({}, reason="stop", x_groq={"id": "x", "usage": used(7)})
    assert folded(groq + DONE).usage.completion_tokens == 7


@pytest.mark.parametrize(
    "stream",
    [
        event({"content": "a"}) + event(None) + event({}, reason="stop"),
        event({"content": "a"}) + event({"content": None}) + event({"content": ""}, reason="stop"),
        event({"content": "a", "role": "assistant"})
        + event({"role": "assistant"}, reason="stop")
        + event({}, reason="stop"),
        event({"content": "a"}, reason="") + event({}, reason="stop"),
        b": ping\n\n:\n\n" + event({"content": "a"}).replace(b"\n", b"\r\n") + event({}, reason="stop"),
        event({"content": "a"}) + data({"object": "vendor.note"}) + event({}, reason="stop"),
        event({"content": "a"}) + b"data:\n\n" + b"data:  \n\n" + event({}, reason="stop"),
        event({"content": [{"type": "text", "text": "a"}]}, reason="stop"),
        data({"choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}]}),
        event({"content": "a"})
        + data({"choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}]}),
        data(
            {"choices": [{"index": 0, "delta": {"content": "a"}, "message": {"content": "a"}, "finish_reason": "stop"}]}
        ),
        data({"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}),
        event({"content": "a", "function_call": {"name": "", "arguments": ""}}, reason="stop"),
    ],
    ids=[
        "no-delta",
        "null",
        "role-and-reason-again",
        "empty-reason",
        "crlf-comments",
        "unknown-event",
        "empty-data",
        "list",
        "whole-message",
        "whole-message-after",
        "message-beside",
        "no-index",
        "empty-function",
    ],
)
def test_the_ways_of_services_come_to_the_same(stream):
    response = folded(stream + DONE)
    assert response.message.parts == (TextPart("a"),)
    assert response.finish_reason == "stop"


def test_events_of_unknown_kinds_are_counted():
    decoder, _ = decoded(data({"object": "vendor.note"}) + text("a") + DONE)
    assert decoder.ignored == 1


@pytest.mark.parametrize(
    ("word", "reason"), [("length", "length"), ("COMPLETE", "other"), ("function_call", "tool_calls")]
)
def test_finish_reasons_are_mapped(word, reason):
    response = folded(text("a", reason=word) + DONE)
    assert (response.finish_reason, response.raw_finish_reason) == (reason, word)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thinking_is_read(field):
    stream = (
        event({field: "t1", "content": None})
        + event({field: "t2"})
        + event({field: None, "content": "a"}, reason="stop")
    )
    assert folded(stream + DONE).message.parts == (ReasoningPart("t1t2", origin="vendor"), TextPart("a"))


def test_sealed_thinking_is_put_together():
    def detail(**fields):
        return event(
            {"content": "", "reasoning_details": [{"type": "reasoning.text", "index": 0, "format": "f", **fields}]}
        )

    sealed = {"type": "reasoning.encrypted", "index": 1, "data": "x", "id": None}
    stream = detail(text="t1") + detail(text="t2") + detail(signature="s") + event({"reasoning_details": [sealed]})
    message = folded(stream + text("a") + DONE).message
    whole = {"type": "reasoning.text", "index": 0, "format": "f", "text": "t1t2", "signature": "s"}
    assert message.parts == (
        ReasoningPart("t1t2", origin="vendor"),
        TextPart("a"),
        ReasoningPart(origin="vendor", provider_data={"reasoning_details": [whole, sealed]}),
    )


def test_data_that_goes_back_is_kept():
    message = folded(event({"content": "a", "extra_content": {"g": 1}}, reason="stop") + DONE).message
    assert message.parts[1] == ReasoningPart(origin="vendor", provider_data={"extra_content": {"g": 1}})


def test_a_refusal_is_read():
    message = folded(event({"refusal": "n"}) + event({"refusal": "o"}, reason="stop") + DONE).message
    assert message.parts == (RefusalPart("no"),)


def test_media_are_whole_at_the_end():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}}
    first, second = (base64.b64encode(piece).decode() for piece in (b"s", b"ound"))
    stream = (
        event({"audio": {"id": "a1", "transcript": "said "}})
        + event({"audio": {"data": first}})
        + event({"audio": {"data": second, "transcript": "it", "expires_at": 5}})
        + event({"images": [image]}, reason="stop")
    )
    assert folded(stream + DONE).message.parts == (
        ImagePart(data=b"x", media_type="image/png"),
        AudioPart(data=b"sound", transcript="said it", origin="vendor", provider_data={"id": "a1"}),
    )


def test_unknown_parts_survive():
    message = folded(event({"content": [{"type": "new", "x": 1}]}, reason="stop") + DONE).message
    assert message.parts == (OpaquePart("vendor", {"type": "new", "x": 1}),)


def test_list_content_is_told_apart():
    parts = [{"type": "thinking", "thinking": "t"}, {"type": "refusal", "refusal": "r"}, {"type": "text", "text": "a"}]
    message = folded(event({"content": parts}, reason="stop") + DONE).message
    assert (message.reasoning, message.refusal, message.content) == ("t", "r", "a")


def test_details_of_odd_shapes_are_survived():
    odd = event({"reasoning_details": {"x": 1}}) + event(
        {"reasoning_details": [5, {"index": 0, "type": "a", "x": None}]}
    )
    message = folded(
        odd + event({"content": "a", "audio": {"transcript": "nothing else"}}, reason="stop") + DONE
    ).message
    assert message.content == "a"
    assert message.parts[-1].provider_data == {"reasoning_details": [{"index": 0, "type": "a", "x": None}]}


def test_what_came_after_the_finish_reason_is_handed_over_at_the_end():
    sealed = {"type": "reasoning.encrypted", "index": 0, "data": "x"}
    stream = text("a") + event({"reasoning_details": [sealed]}) + DONE
    assert folded(stream).message.parts[-1].provider_data == {"reasoning_details": [sealed]}


def test_a_whole_answer_has_a_limit(monkeypatch):
    monkeypatch.setattr("aiclient.wire.openai_chat_stream.MAX_BODY_BYTES", 10)
    assert failed(b'{"choices": [')[0].kind == "too_large"


def test_sources_are_citations():
    item = {
        "type": "url_citation",
        "url_citation": {"url": "https://x", "title": "X", "start_index": 0, "end_index": 1},
    }
    stream = event({"content": "a"}) + event({"content": "", "annotations": [item]})
    stream += event({}, reason="stop", search_results=[{"url": "https://y", "title": "Y"}])
    citations = folded(stream + DONE).message.citations
    assert citations == (Citation("https://x", "X", None, 0, 1), Citation("https://y", "Y"))


def test_logprobs_are_joined():
    stream = data({"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [{"token": "a"}]}}]})
    stream += data({"choices": [{"index": 0, "delta": {"content": "b"}, "logprobs": {"content": [{"token": "b"}]}}]})
    response = folded(stream + event({}, reason="stop") + DONE)
    assert response.logprobs == [{"token": "a"}, {"token": "b"}]


def call(index=None, id_=None, name=None, arguments=None, **fields):
    piece = {"function": {"name": name, "arguments": arguments}, "id": id_, **fields}
    return piece if index is None else {"index": index, **piece}


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        ([[call(0, "a", "f", "")], [call(0, arguments='{"x"')], [call(0, arguments=":1}")]], [("a", "f", '{"x":1}')]),
        ([[call(0, "a", "f", "{}")]], [("a", "f", "{}")]),
        ([[call(0, "a", "f", "{}"), call(1, "b", "g", "{}")]], [("a", "f", "{}"), ("b", "g", "{}")]),
        (
            [[call(0, "a", "f")], [call(1, "b", "g")], [call(0, arguments="1")], [call(1, arguments="2")]],
            [("a", "f", "1"), ("b", "g", "2")],
        ),
        ([[call(0, "a", "f", "1")], [call(0, "a", "f", "2")]], [("a", "f", "12")]),
        ([[call(0, "a", "f", "1")], [call(0, "z", None, "2")]], [("a", "f", "12")]),
        ([[call(0, "a", "f", "1")], [call(0, "b", "f", "2")]], [("a", "f", "1"), ("b", "f", "2")]),
        ([[call(None, "a", "f", "1")], [call(None, None, None, "2")]], [("a", "f", "12")]),
        (
            [[call(None, "a", "f", "1")], [call(None, "b", "g", "2")], [call(None, "a", None, "3")]],
            [("a", "f", "13"), ("b", "g", "2")],
        ),
        ([[call(None, None, "f", None)], [call(None, None, "f", "1")]], [("call_0", "f", "1")]),
        ([[call(None, None, "f", "1")], [call(None, None, "f", "2")]], [("call_0", "f", "1"), ("call_1", "f", "2")]),
        ([[call(0, None, None, "1")], [call(0, "a", "f", "2")]], [("a", "f", "12")]),
        ([[call(0, None, "f", "1")]], [("call_0", "f", "1")]),
        ([[call(5, "a", "f", "1")]], [("a", "f", "1")]),
        ([[call(0, "a", "f", {"x": 1})]], [("a", "f", '{"x":1}')]),
        ([[call(0, 0, "f", "")]], [("0", "f", "")]),
    ],
    ids=[
        "pieces",
        "whole",
        "parallel",
        "interleaved",
        "name-again",
        "new-id-each-piece",
        "one-index",
        "no-index",
        "no-index-ids",
        "no-id-name-again",
        "no-id-no-index",
        "late-id",
        "no-id",
        "gap",
        "object",
        "number",
    ],
)
def test_tool_calls_are_assembled(deltas, expected):
    stream = b"".join(event({"tool_calls": pieces}) for pieces in deltas) + event({}, reason="stop")
    response = folded(stream + DONE)
    assert [(call.id, call.name, call.arguments) for call in response.message.tool_calls] == expected
    assert (response.finish_reason, response.raw_finish_reason) == ("tool_calls", "stop")


def test_custom_and_legacy_calls_are_calls():
    custom = {"index": 0, "id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}
    more = {"index": 0, "type": "custom", "custom": {"input": "y"}}
    stream = event({"tool_calls": [custom]}) + event({"tool_calls": [more]}, reason="tool_calls")
    assert folded(stream + DONE).message.parts == (ToolCall("c", "f", "xy", "custom"),)
    stream = event({"function_call": {"name": "f", "arguments": ""}}) + event({"function_call": {"arguments": "{}"}})
    assert folded(stream + event({}, reason="function_call") + DONE).message.parts == (ToolCall("call_0", "f", "{}"),)


def test_a_tool_calls_own_data_is_kept():
    stream = event({"tool_calls": [call(0, "a", "f", "{}", extra_content={"g": 1})]}, reason="stop")
    (part,) = folded(stream + DONE).message.parts
    assert (part.origin, part.provider_data) == ("vendor", {"extra_content": {"g": 1}})


@pytest.mark.parametrize(
    ("bad", "error", "kind"),
    [
        (b"data: {\n\n", ProtocolError, "decode"),
        (b"data: nonsense\n\n", ProtocolError, "decode"),
        (b"data: [1]\n\n", ProtocolError, "schema"),
        (b"data: " + b"[" * 100_000 + b"\n\n", ProtocolError, "depth"),
        (data({"choices": {"a": 1}}), ProtocolError, "schema"),
        (data({"choices": [5]}), ProtocolError, "schema"),
        (data({"choices": [{"delta": 5}]}), ProtocolError, "schema"),
        (event({"content": 5}), ProtocolError, "schema"),
        (event({"tool_calls": {"a": 1}}), ProtocolError, "schema"),
        (event({"tool_calls": [5]}), ProtocolError, "schema"),
        (b"data: " + b"x" * (1 << 20) + b"\n\n", ProtocolError, "too_large"),
        (data({"error": {"message": "m", "status_code": 400}}), BadRequestError, None),
        (b"event: error\n" + data({"error": {"type": "overloaded_error", "message": "m"}}), OverloadedError, None),
        (b"event: error\n" + data({"message": "m", "code": 503}), OverloadedError, None),
        (data({"error": {"message": "m", "code": 400}}).rstrip(), BadRequestError, None),
        (b"data: [1]", ProtocolError, "schema"),
    ],
)
def test_a_failure_comes_after_what_was_before_it(bad, error, kind):
    failure, before = failed(event({"content": "a"}) + bad)
    assert type(failure) is error
    assert failure.kind == kind
    assert before == "a"


def test_nothing_comes_after_a_failure():
    decoder, _ = decoded(data({"error": "m"}))
    assert list(decoder.feed(text("a") + DONE)) == []
    assert list(decoder.end()) == []


def whole(**message):
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return {"id": "r1", "model": "m1", "created": 1700000000, "choices": [choice], "usage": {"prompt_tokens": 1}}


@pytest.mark.parametrize("before", [b"", b"\n\n  ", b"\xef\xbb\xbf"], ids=["plain", "padded", "bom"])
def test_a_whole_answer_to_a_stream_request_becomes_a_stream(before):
    tools = [{"id": "c", "function": {"name": "f", "arguments": "{}"}, "extra_content": {"g": 1}}]
    image = {"image_url": {"url": "https://x"}}
    value = whole(content="a", reasoning="t", refusal="r", tool_calls=tools, images=[image])
    body = before + json.dumps(value).encode()
    response = folded(body[:1], body[1:])
    direct = OpenAIChat(origin="vendor").decode(200, {}, body)
    assert response.message.parts == direct.message.parts
    assert (response.id, response.model, response.created_at) == (direct.id, direct.model, direct.created_at)
    assert (response.finish_reason, response.usage) == ("tool_calls", direct.usage)


def test_whole_choices_keep_their_places():
    value = whole(content="a")
    value["choices"].append({"index": 1, "message": {"content": "b"}, "finish_reason": "length"})
    response = folded(json.dumps(value).encode(), choices=2)
    assert [choice.message.content for choice in response.alternatives] == ["b"]


@pytest.mark.parametrize(
    ("body", "kind"), [(b"<html></html>", "content_type"), (b"{", "decode"), (b"[]", "schema"), (b"{}", "schema")]
)
def test_what_is_neither_a_stream_nor_an_answer_is_a_protocol_error(body, kind):
    assert failed(body)[0].kind == kind


def test_an_error_instead_of_a_stream_is_typed():
    failure, _ = failed(b'{"error":{"message":"m","code":400}}')
    assert type(failure) is BadRequestError


def test_a_stream_that_nobody_asked_for_is_an_answer():
    wire = OpenAIChat(origin="vendor")
    response = wire.decode(200, {}, b"\n: ping\n\n" + text("He", "llo") + DONE)
    assert (response.message.content, response.finish_reason) == ("Hello", "stop")
    with pytest.raises(ProtocolError) as caught:
        wire.decode(200, {}, event({"content": "He"}))
    assert caught.value.kind == "incomplete"
    with pytest.raises(BadRequestError):
        wire.decode(200, {}, data({"error": {"message": "m", "code": 400}}))


def test_the_one_answer_asked_for_counts_whatever_its_number():
    response = folded(event({"content": "Hi"}, index=7) + event({}, index=7, reason="stop") + DONE)
    assert (response.message.content, response.finish_reason, response.alternatives) == ("Hi", "stop", ())


def test_answers_that_nobody_asked_for_stand_beside_the_first_that_came():
    response = folded(
        event({"content": "one"}, index=1)
        + event({"content": "zero"}, index=0)
        + event({}, index=1, reason="stop")
        + event({}, index=0, reason="stop")
        + DONE
    )
    assert response.message.content == "one"
    assert [choice.message.content for choice in response.alternatives] == ["zero"]


def test_where_several_are_asked_for_the_services_numbers_stand():
    response = folded(
        event({"content": "one"}, index=1, reason="stop") + event({"content": "zero"}, index=0, reason="stop") + DONE,
        choices=2,
    )
    assert response.message.content == "zero"
    assert [choice.message.content for choice in response.alternatives] == ["one"]
