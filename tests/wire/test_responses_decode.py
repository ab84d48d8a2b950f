import base64
import json
from datetime import UTC, datetime

import pytest

from aiclient.errors import BadRequestError, ContentFilterError, ProtocolError, RateLimitError, ServerError
from aiclient.messages import Citation, ImagePart, OpaquePart, ReasoningPart, RefusalPart, TextPart, ToolCall
from aiclient.wire.responses import ResponsesWire

WIRE = ResponsesWire(origin="vendor")
PNG = base64.b64encode(b"\x89PNG").decode()


def decode(value):
    return WIRE.decode(200, {}, value if isinstance(value, bytes) else json.dumps(value).encode())


def response(*output, status="completed", **fields):
    return {"id": "r1", "model": "m1", "created_at": 1700000000.0, "status": status, "output": list(output), **fields}


def message(*content, **fields):
    head = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
    return {**head, **fields, "content": [text(part) if isinstance(part, str) else part for part in content]}


def text(words, **fields):
    return {"type": "output_text", "text": words, "annotations": [], **fields}


def parts(*output):
    return decode(response(*output)).message.parts


def kept(**fields):
    return {"origin": "vendor", "provider_data": {"item": fields}}


HEAD = kept(id="msg_1", type="message", role="assistant", status="completed")


def test_an_answer_is_read():
    used = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}
    used["input_tokens_details"] = {"cached_tokens": 5, "cache_write_tokens": 2}
    used["output_tokens_details"] = {"reasoning_tokens": 3}
    answer = decode(response(message("Hi"), usage=used))
    assert answer.message.parts == (TextPart("Hi", **HEAD),)
    assert (answer.finish_reason, answer.raw_finish_reason) == ("stop", "completed")
    assert (answer.id, answer.model, answer.created_at) == ("r1", "m1", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC))
    counts = answer.usage
    assert (counts.prompt_tokens, counts.completion_tokens, counts.total_tokens) == (9, 4, 13)
    assert (counts.cached_tokens, counts.cache_write_tokens, counts.reasoning_tokens) == (5, 2, 3)
    assert answer.raw_usage == used
    assert answer.raw["id"] == "r1"


def test_usage_that_is_absent_is_unknown():
    assert decode(response(message("Hi"))).usage.total_tokens is None
    assert decode(response(message("Hi"), usage=None)).usage.prompt_tokens is None


def test_several_messages_are_texts_apart_and_one_content():
    answer = decode(response(message("a", "b"), message("c", id="msg_2")))
    assert [part.provider_data["item"]["id"] for part in answer.message.parts] == ["msg_1", "msg_1", "msg_2"]
    assert answer.message.content == "abc"


def test_a_refusal_is_read():
    answer = decode(response(message({"type": "refusal", "refusal": "no"})))
    assert answer.message.parts == (RefusalPart("no", **HEAD),)
    assert (answer.message.refusal, answer.finish_reason) == ("no", "stop")


def test_thinking_is_kept_whole_and_shown_as_far_as_it_is_in_clear():
    summary = [{"type": "summary_text", "text": words} for words in ("a", "", "b")]
    content = [{"type": "reasoning_text", "text": words} for words in ("c", "d")]
    sealed = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gA"}
    shown = {"type": "reasoning", "id": "rs_2", "summary": summary}
    clear = {"type": "reasoning", "id": "rs_3", "content": content}
    both = {"type": "reasoning", "id": "rs_4", "summary": summary, "content": content}
    assert parts(sealed, shown, clear, both) == (
        ReasoningPart("", **kept(**sealed)),
        ReasoningPart("a\n\nb", **kept(**shown)),
        ReasoningPart("cd", **kept(**clear)),
        ReasoningPart("a\n\nb\n\ncd", **kept(**both)),
    )


def test_calls_are_read_with_the_id_that_their_results_name():
    function = {"type": "function_call", "id": "fc_1", "status": "completed", "namespace": "n"}
    custom = {"type": "custom_tool_call", "id": "ctc_1"}
    answer = decode(
        response(
            {**function, "call_id": "c1", "name": "weather", "arguments": '{"city":"Paris"}'},
            {**custom, "call_id": "c2", "name": "free", "input": "text"},
            {"type": "function_call", "id": "fc_3", "name": "now", "arguments": ""},
            {"type": "function_call", "name": "now", "arguments": None},
        )
    )
    assert answer.message.parts == (
        ToolCall("c1", "weather", '{"city":"Paris"}', **kept(**function)),
        ToolCall("c2", "free", "text", "custom", **kept(**custom)),
        ToolCall("fc_3", "now", "", **kept(type="function_call", id="fc_3")),
        ToolCall("call_3", "now", "", **kept(type="function_call")),
    )
    assert answer.finish_reason == "tool_calls"


def test_a_picture_is_an_image_that_remembers_its_item():
    item = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "output_format": "jpeg"}
    assert parts({**item, "result": PNG}) == (ImagePart(data=b"\x89PNG", media_type="image/jpeg", **kept(**item)),)
    for result in (None, "", "no base64"):
        assert parts({**item, "result": result}) == (OpaquePart("vendor", {**item, "result": result}),)


@pytest.mark.parametrize(
    "item",
    [
        {"type": "web_search_call", "id": "ws_1"},
        {"type": "of_next_year", "x": [1]},
        {"x": 1},
        {"type": "message", "id": "msg_1", "role": "assistant", "content": []},
        {"type": "message", "id": "msg_1", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
    ],
    ids=["built-in", "unknown", "untyped", "empty-message", "message-of-the-user"],
)
def test_items_of_other_kinds_are_kept_as_they_came(item):
    assert parts(item) == (OpaquePart("vendor", item),)


def test_content_of_an_unknown_kind_is_kept_with_its_message():
    news = {"type": "output_new", "x": 1}
    assert parts(message("a", news)) == (
        TextPart("a", **HEAD),
        OpaquePart("vendor", {**HEAD["provider_data"], "content": news}),
    )


def test_content_that_is_plain_text_is_text():
    assert parts({**message(), "content": "a"}) == (TextPart("a", **HEAD),)


def test_annotations_are_sources():
    page = {"type": "url_citation", "url": "https://x", "title": "X", "start_index": 1, "end_index": 3}
    nowhere = {"type": "url_citation", "url": "https://y", "title": "", "start_index": 0, "end_index": 0}
    file = {"type": "file_citation", "file_id": "f1", "filename": "a.pdf", "index": 2}
    answer = decode(response(message(text("abc", annotations=[page, nowhere, file, "odd"]))))
    assert answer.message.citations == (
        Citation("https://x", "X", start=1, end=3, provider_data=page),
        Citation("https://y", provider_data=nowhere),
        Citation(title="a.pdf", provider_data=file),
        Citation(provider_data={"type": "odd"}),
    )


def test_log_probabilities_are_joined():
    one, two = {"token": "a", "logprob": -0.1}, {"token": "b", "logprob": -0.2}
    answer = decode(response(message(text("a", logprobs=[one])), message(text("b", logprobs=[two]))))
    assert answer.logprobs == [one, two]
    assert decode(response(message(text("a", logprobs=[])))).logprobs is None


@pytest.mark.parametrize(
    ("status", "details", "reason"),
    [
        ("completed", None, "stop"),
        ("incomplete", {"reason": "max_output_tokens"}, "length"),
        ("incomplete", {"reason": "content_filter"}, "content_filter"),
        ("incomplete", {"reason": "of next year"}, "other"),
        ("incomplete", None, "other"),
        ("cancelled", None, "other"),
        ("of next year", None, "other"),
        ("queued", None, None),
        ("in_progress", None, None),
        (None, None, None),
    ],
)
def test_the_status_says_why_the_model_stopped(status, details, reason):
    answer = decode(response(message("Hi"), status=status, incomplete_details=details))
    assert (answer.finish_reason, answer.raw_finish_reason) == (reason, status)


def test_a_response_in_the_background_has_no_output_yet():
    assert decode(response(status="queued", output=None)).message.parts == ()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "rate_limit_exceeded", "message": "slow"}, RateLimitError),
        ({"code": "server_error", "message": "oh"}, ServerError),
        ({"code": "invalid_prompt", "message": "no"}, BadRequestError),
        ({"code": "image_content_policy_violation", "message": "no"}, ContentFilterError),
        (None, ServerError),
    ],
)
def test_a_response_that_failed_is_the_error_of_its_code(error, kind):
    with pytest.raises(kind) as caught:
        decode(response(status="failed", error=error))
    assert caught.value.code == (error and error["code"])


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "empty"),
        (b"<html>", "content_type"),
        (b"{", "decode"),
        (b"[]", "schema"),
        (b"{}", "schema"),
        (b'{"output":{}}', "schema"),
        (b'{"output":[1]}', "schema"),
        (b'{"choices":[],"object":"chat.completion"}', "schema"),
    ],
)
def test_what_is_no_response_is_refused(body, kind):
    with pytest.raises(ProtocolError) as caught:
        decode(body)
    assert caught.value.kind == kind


def test_fields_of_odd_types_do_not_break_the_reading():
    odd = [
        {"type": "message", "content": [1, {"type": "output_text", "text": None, "annotations": 1, "logprobs": 2}]},
        {"type": "reasoning", "summary": 1, "content": [2]},
        {"type": "function_call", "call_id": 7, "name": None, "arguments": {}},
    ]
    answer = decode(response(*odd, usage=3, id=None, created_at="now"))
    assert [type(part).__name__ for part in answer.message.parts] == ["TextPart", "ReasoningPart", "ToolCall"]


def test_a_count_is_read():
    assert WIRE.decode_count(200, {}, b'{"object":"response.input_tokens","input_tokens":11}') == 11
    for body in (b"{}", b'{"input_tokens":true}', b'{"input_tokens":"1"}'):
        with pytest.raises(ProtocolError, match="input_tokens"):
            WIRE.decode_count(200, {}, body)
