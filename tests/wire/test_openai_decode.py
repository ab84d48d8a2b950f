import base64
import json
import struct
from array import array
from datetime import UTC, datetime

import pytest

from aiclient.errors import ContentFilterError, ProtocolError, RateLimitError
from aiclient.messages import AudioPart, Citation, ImagePart, OpaquePart, ReasoningPart, RefusalPart, TextPart, ToolCall
from aiclient.wire.openai_chat import OpenAIChat
from aiclient.wire.openai_embeddings import OpenAIEmbeddings
from aiclient.wire.openai_models import decode_model, decode_models
from aiclient.wire.openai_usage import finish_reason, usage

WIRE = OpenAIChat(origin="vendor")


def decode(value):
    return WIRE.decode(200, {}, value if isinstance(value, bytes) else json.dumps(value).encode())


def answer(message=None, reason="stop", **fields):
    choice = {"index": 0, "message": {"role": "assistant", **(message or {"content": "Hi"})}, "finish_reason": reason}
    return {"id": "r1", "model": "m1", "created": 1700000000, "choices": [choice], **fields}


def parts(**message):
    return decode(answer(message)).message.parts


def test_an_answer_is_read():
    response = decode(answer(usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}))
    assert (response.message.content, response.finish_reason, response.raw_finish_reason) == ("Hi", "stop", "stop")
    assert (response.id, response.model, response.usage.total_tokens) == ("r1", "m1", 3)
    assert response.created_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert response.raw["id"] == "r1"
    assert response.alternatives == ()


def test_padding_before_the_body_is_skipped():
    assert decode(b"\n\n   \n" + json.dumps(answer()).encode()).message.content == "Hi"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"content": None}, ()),
        ({"content": ""}, (TextPart(""),)),
        ({"content": "a", "refusal": None}, (TextPart("a"),)),
        ({"content": None, "refusal": "no"}, (RefusalPart("no"),)),
        ({"content": "a", "refusal": ""}, (TextPart("a"),)),
        ({"content": "a", "reasoning_content": "t"}, (ReasoningPart("t", origin="vendor"), TextPart("a"))),
        (
            {"content": "a", "reasoning": "t", "reasoning_content": None},
            (ReasoningPart("t", origin="vendor"), TextPart("a")),
        ),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "t"}]},
                    {"type": "text", "text": "a"},
                ]
            },
            (ReasoningPart("t", origin="vendor"), TextPart("a")),
        ),
        ({"content": ["a", {"type": "refusal", "refusal": "b"}]}, (TextPart("a"), RefusalPart("b"))),
        ({"content": [{"type": "new", "x": 1}]}, (OpaquePart("vendor", {"type": "new", "x": 1}),)),
        (
            {"content": "", "reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]},
            (
                ReasoningPart(
                    origin="vendor", provider_data={"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]}
                ),
                TextPart(""),
            ),
        ),
        (
            {"content": "a", "extra_content": {"g": 1}},
            (ReasoningPart(origin="vendor", provider_data={"extra_content": {"g": 1}}), TextPart("a")),
        ),
        (
            {"content": "a", "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}}]},
            (TextPart("a"), ImagePart(data=b"x", media_type="image/png")),
        ),
        ({"content": [{"type": "image_url", "image_url": {"url": "https://x"}}]}, (ImagePart(url="https://x"),)),
        (
            {"content": None, "images": [{"image_url": {"url": "data:image/png;base64,?"}}]},
            (ImagePart(url="data:image/png;base64,?"),),
        ),
        ({"content": None, "images": [{"x": 1}]}, (OpaquePart("vendor", {"x": 1}),)),
        (
            {"content": None, "audio": {"id": "a1", "data": "eA==", "transcript": "t", "expires_at": 1}},
            (AudioPart(data=b"x", transcript="t", origin="vendor", provider_data={"id": "a1"}),),
        ),
        ({"content": "", "audio": {"id": "", "data": "", "transcript": ""}}, (TextPart(""),)),
    ],
)
def test_messages_become_parts(message, expected):
    assert parts(**message) == expected


def test_sources_become_citations():
    item = {"url": "https://x", "title": "X", "start_index": 0, "end_index": 3, "content": "q"}
    nowhere = {"url": "https://y", "title": "", "start_index": 0, "end_index": 0}
    file = {"type": "file", "file": {"hash": "h"}}
    annotations = [
        {"type": "url_citation", "url_citation": item},
        {"type": "url_citation", "url_citation": nowhere},
        file,
    ]
    text, opaque = parts(content="abc", annotations=annotations)
    assert text.citations == (Citation("https://x", "X", "q", 0, 3), Citation("https://y"))
    assert opaque == OpaquePart("vendor", {"annotations": [file]})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"citations": ["https://x"]}, Citation("https://x")),
        (
            {"citations": ["https://x"], "search_results": [{"url": "https://y", "title": "Y"}]},
            Citation("https://y", "Y"),
        ),
    ],
)
def test_sources_beside_the_choices_become_citations(fields, expected):
    assert decode(answer(**fields)).message.citations == (expected,)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            {"tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            ToolCall("c", "f", "{}"),
        ),
        ({"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": None}}]}, ToolCall("c", "f", "")),
        (
            {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}]},
            ToolCall("c", "f", '{"a":1}'),
        ),
        ({"tool_calls": [{"function": {"name": "f"}}]}, ToolCall("call_0", "f", "")),
        ({"tool_calls": [{"id": 0, "function": {"name": "f"}}]}, ToolCall("0", "f", "")),
        (
            {"tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}]},
            ToolCall("c", "f", "x", "custom"),
        ),
        (
            {
                "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f"}, "custom": {"name": "", "input": ""}}
                ]
            },
            ToolCall("c", "f", ""),
        ),
        ({"function_call": {"name": "f", "arguments": "{}"}}, ToolCall("call_0", "f", "{}")),
        (
            {"tool_calls": [{"id": "c", "function": {"name": "f"}, "extra_content": {"g": 1}}]},
            ToolCall("c", "f", "", origin="vendor", provider_data={"extra_content": {"g": 1}}),
        ),
    ],
)
def test_tool_calls_of_any_form_are_read(message, expected):
    assert parts(content=None, **message) == (expected,)


def test_an_empty_legacy_call_is_none():
    assert parts(content="a", function_call={"name": "", "arguments": ""}) == (TextPart("a"),)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("eos", "stop"),
        ("eos_token", "stop"),
        ("insufficient_system_resource", "error"),
        ("sensitive", "content_filter"),
        ("network_error", "error"),
        ("content_filter", "content_filter"),
        ("error", "error"),
        ("", "other"),
        ("new", "other"),
        ("model_length", "length"),
    ],
)
def test_finish_reasons_are_a_closed_set(word, reason):
    response = decode(answer(reason=word))
    assert (response.finish_reason, response.raw_finish_reason) == (reason, word)
    assert finish_reason(word) == reason


def test_stopping_with_tool_calls_is_a_tool_call():
    message = {"content": None, "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}
    response = decode(answer(message, "stop"))
    assert (response.finish_reason, response.raw_finish_reason) == ("tool_calls", "stop")
    assert decode(answer(reason=None)).finish_reason is None


def test_further_choices_are_alternatives_in_order():
    choices = [{"index": i, "message": {"content": str(i)}, "finish_reason": "stop"} for i in (2, 0, 1)]
    response = decode(answer(choices=choices))
    assert response.message.content == "0"
    assert [choice.message.content for choice in response.alternatives] == ["1", "2"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ({"content": [{"token": "a"}], "refusal": None}, [{"token": "a"}]),
        ({"tokens": ["a"]}, [{"tokens": ["a"]}]),
    ],
)
def test_logprobs_are_one_list_of_entries(value, expected):
    body = answer()
    body["choices"][0]["logprobs"] = value
    assert decode(body).logprobs == expected


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "empty"),
        (b" \n ", "empty"),
        (b"<html>login</html>", "content_type"),
        (b"[1]", "schema"),
        (b"{}", "schema"),
        (b'{"choices":[]}', "schema"),
        (b'{"choices":[{}]}', "schema"),
        (b'{"choices":[{"message":{"content":5}}]}', "schema"),
        (b'{"choices":[{"message":{"tool_calls":{"a":1}}}]}', "schema"),
        (b'{"choices":[{"message":{"tool_calls":[5]}}]}', "schema"),
        (b'{"choices":[{"message":{"tool_calls":[{"function":5}]}}]}', "schema"),
        (b'{"choices"', "decode"),
    ],
)
def test_what_is_no_answer_is_a_protocol_error(body, kind):
    with pytest.raises(ProtocolError) as caught:
        decode(body)
    assert caught.value.kind == kind


def test_an_empty_object_for_calls_says_as_little_as_null():
    assert decode(b'{"choices":[{"message":{"tool_calls":{}}}]}').message.parts == ()


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ({"error": {"code": "content_filter", "message": "m"}}, ContentFilterError),
        ({"object": "error", "code": 429, "message": "m"}, RateLimitError),
    ],
)
def test_an_error_in_a_success_is_typed(value, error):
    with pytest.raises(error):
        decode(value)


def test_usage_is_converted_to_our_counting():
    raw = {
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "total_tokens": 30,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    found = usage(raw)
    assert (found.prompt_tokens, found.completion_tokens, found.total_tokens) == (10, 20, 30)
    assert (found.cached_tokens, found.cache_write_tokens, found.reasoning_tokens) == (4, 2, 5)
    assert found.raw_usage is raw


@pytest.mark.parametrize(
    ("raw", "completion"),
    [
        (
            {
                "prompt_tokens": 185,
                "completion_tokens": 68,
                "total_tokens": 723,
                "completion_tokens_details": {"reasoning_tokens": 470},
            },
            538,
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 20,
                "total_tokens": 99,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            20,
        ),
        ({"prompt_tokens": 10, "completion_tokens": 20, "completion_tokens_details": {"reasoning_tokens": 5}}, 20),
        ({"completion_tokens": 8.0}, 8),
        ({"completion_tokens": -1}, None),
        ({"completion_tokens": 1e300}, None),
        ({"completion_tokens": True}, None),
        ({"completion_tokens": "8"}, None),
    ],
)
def test_completion_tokens_include_reasoning(raw, completion):
    assert usage(raw).completion_tokens == completion


@pytest.mark.parametrize(
    "raw",
    [
        {"prompt_cache_hit_tokens": 3},
        {"cached_tokens": 3},
        {"num_cached_tokens": 3},
        {"prompt_tokens_details": None, "cached_tokens": 3},
    ],
)
def test_cached_tokens_are_found_where_services_put_them(raw):
    assert usage(raw).cached_tokens == 3


def embeddings(data, count, **fields):
    body = json.dumps({"data": data, "model": "m1", **fields}).encode()
    return OpenAIEmbeddings().decode(200, {}, body, count=count)


def packed(*numbers):
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def test_vectors_are_read_in_the_order_of_the_texts():
    data = [{"index": 1, "embedding": packed(3, 4)}, {"index": 0, "embedding": [1, 2.5]}]
    response = embeddings(data, 2, usage={"prompt_tokens": 5, "total_tokens": 5})
    assert response.vectors == (array("f", [1, 2.5]), array("f", [3, 4]))
    assert (response.model, response.usage.prompt_tokens) == ("m1", 5)


@pytest.mark.parametrize(
    ("data", "count"),
    [
        ([{"index": 0, "embedding": [1]}], 2),
        ([{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}], 2),
        ([{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1]}], 1),
        ([{"index": "x", "embedding": [1]}], 1),
        ([{"index": 0, "embedding": "abc"}], 1),
        ([{"index": 0, "embedding": "????"}], 1),
        ([{"index": 0, "embedding": ["x"]}], 1),
        ([{"index": 0, "embedding": None}], 1),
        ([{"index": 0}], 1),
        ([5], 1),
        ({}, 1),
        (None, 1),
    ],
)
def test_what_are_no_vectors_is_a_protocol_error(data, count):
    with pytest.raises(ProtocolError) as caught:
        embeddings(data, count)
    assert caught.value.kind == "schema"


def test_models_are_listed():
    body = b'{"object":"list","data":[{"id":"b","created":1700000000,"owned_by":"o","x":1},{"id":"a"}]}'
    first, second = decode_models(body)
    assert (first.id, first.owned_by, first.raw["x"], second.id, second.created_at) == ("b", "o", 1, "a", None)
    assert first.created_at.year == 2023
    assert decode_models(b' [{"id":"t"}]')[0].id == "t"
    assert decode_model(b'{"id":"b"}').id == "b"


@pytest.mark.parametrize("body", [b"{}", b'{"data":[{}]}', b'{"data":[5]}'])
def test_what_are_no_models_is_a_protocol_error(body):
    with pytest.raises(ProtocolError):
        decode_models(body)
