"""Cohere's whole answers, embeddings and lists."""

from __future__ import annotations

import base64
import json
import struct

import pytest

from aiclient.errors import BadRequestError, ContextLengthError, ProtocolError, RateLimitError
from aiclient.messages import OpaquePart, ReasoningPart, TextPart, ToolCall
from aiclient.request import EmbeddingRequest
from aiclient.wire.cohere import CohereChat
from aiclient.wire.cohere_embeddings import CohereEmbeddings
from aiclient.wire.cohere_models import decode_models, decode_tokens, encode_models, encode_tokens, texts_of
from aiclient.wire.cohere_parts import usage
from aiclient.wire.failures import failure


def decoded(message, **fields):
    value = {"id": "r1", "message": {"role": "assistant", **message}, "finish_reason": "COMPLETE", **fields}
    return CohereChat().decode(200, {}, json.dumps(value).encode())


def test_an_answer_is_read_whole():
    answer = decoded(
        {"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Paris"}]},
        usage={
            "billed_units": {"input_tokens": 1, "output_tokens": 2},
            "tokens": {"input_tokens": 508.0, "output_tokens": 86.0, "reasoning_tokens": 28},
            "cached_tokens": 144.0,
        },
        logprobs=[{"text": "Paris", "token_ids": [1], "logprobs": [-0.1]}],
    )
    assert answer.message.parts == (ReasoningPart("hm", origin="cohere"), TextPart("Paris"))
    assert (answer.finish_reason, answer.raw_finish_reason, answer.id) == ("stop", "COMPLETE", "r1")
    used = answer.usage
    assert (used.prompt_tokens, used.completion_tokens, used.total_tokens) == (508, 86, 594)
    assert (used.cached_tokens, used.reasoning_tokens) == (144, 28)
    assert all(type(count) is int for count in (used.prompt_tokens, used.completion_tokens, used.cached_tokens))
    assert used.raw_usage["billed_units"]["input_tokens"] == 1
    assert answer.logprobs[0]["token_ids"] == [1]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("MAX_TOKENS", "length"),
        ("TOOL_CALL", "tool_calls"),
        ("ERROR", "error"),
        ("TIMEOUT", "error"),
        ("ERROR_TOXIC", "content_filter"),
        ("ERROR_LIMIT", "length"),
        ("SOMETHING_NEW", "other"),
        (None, None),
    ],
)
def test_each_finish_reason_has_its_word(word, reason):
    answer = decoded({"content": "x"}, finish_reason=word)
    assert (answer.finish_reason, answer.raw_finish_reason) == (reason, word)


def test_a_plan_is_thinking_and_stands_before_the_calls():
    answer = decoded(
        {
            "tool_plan": "I will look.",
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}, {}],
        },
    )
    plan, *calls = answer.message.parts
    assert plan == ReasoningPart("I will look.", origin="cohere", provider_data={"tool_plan": True})
    assert calls == [ToolCall("a", "f", "{}"), ToolCall("call_1", "", "")]
    assert answer.finish_reason == "tool_calls"  # though the service says COMPLETE


def test_citations_stand_on_the_part_that_they_name_else_on_the_last_of_their_kind():
    source = {
        "type": "document",
        "id": "doc:0",
        "document": {"title": "Facts", "url": "https://e.x", "text": "Paris is"},
    }
    told = [
        {"start": 0, "end": 5, "text": "Paris", "sources": [source], "content_index": 1, "type": "TEXT_CONTENT"},
        {"start": 1, "end": 2, "text": "a", "sources": [{"type": "tool", "id": "t:0", "tool_output": {"x": 1}}]},
        {"start": 0, "end": 1, "text": "h", "sources": [], "content_index": 0, "type": "THINKING_CONTENT"},
        {"start": 0, "end": 1, "text": "I", "type": "PLAN"},
        "nonsense",
    ]
    content = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "Paris"},
        {"type": "text", "text": "and"},
    ]
    message = decoded({"content": content, "tool_plan": "I", "citations": told}).message
    thought, first, second, plan = message.parts
    (cited,) = first.citations
    assert (cited.url, cited.title, cited.quote, cited.start, cited.end) == ("https://e.x", "Facts", "Paris is", 0, 5)
    assert cited.provider_data == told[0]
    assert [citation.title for citation in second.citations] == ["t:0"]
    assert thought.provider_data == {"citations": [told[2]]}
    assert plan.provider_data == {"tool_plan": True, "citations": [told[3]]}
    assert len(message.citations) == 2


def test_a_citation_of_nothing_is_not_lost():
    message = decoded({"citations": [{"start": 0, "end": 1, "text": "x"}]}).message
    assert [citation.end for citation in message.citations] == [1]


def test_content_of_an_unknown_kind_is_kept():
    block = {"type": "diagram", "diagram": {"nodes": []}}
    assert decoded({"content": [block, {"type": "text"}]}).message.parts == (
        OpaquePart("cohere", block),
        OpaquePart("cohere", {"type": "text"}),
    )


@pytest.mark.parametrize(
    ("raw", "counts"),
    [
        ({"tokens": {"input_tokens": 34, "output_tokens": 56, "image_tokens": 259}}, (293, 56)),
        ({"billed_units": {"input_tokens": 7}}, (7, None)),
        ({"tokens": {"input_tokens": -1, "output_tokens": True}}, (None, None)),
        ({"tokens": None, "billed_units": None}, (None, None)),
        (None, (None, None)),
        ("many", (None, None)),
    ],
    ids=["images", "billed only", "absurd", "nulls", "none", "no object"],
)
def test_usage_counts_what_was_read_and_written(raw, counts):
    counted = usage(raw)
    assert (counted.prompt_tokens, counted.completion_tokens) == counts


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "empty"),
        (b"<html>", "content_type"),
        (b"[]", "schema"),
        (b"{}", "schema"),
        (b'{"message":3}', "schema"),
        (b'{"message":{"content":3}}', "schema"),
        (b"{", "decode"),
    ],
)
def test_an_answer_of_another_shape_is_a_typed_error(body, kind):
    with pytest.raises(ProtocolError) as caught:
        CohereChat().decode(200, {}, body)
    assert caught.value.kind == kind


def test_an_empty_object_for_calls_says_as_little_as_null():
    assert CohereChat().decode(200, {}, b'{"message":{"tool_calls":{}}}').message.parts == ()


def test_failures_say_what_they_are():
    long = b'{"error_type":"TOO_MANY_TOKENS","id":"1","message":"too many tokens: size limit exceeded by 5 tokens."}'
    error = failure(400, long)
    assert isinstance(error, ContextLengthError)
    assert (error.code, error.message) == ("TOO_MANY_TOKENS", "too many tokens: size limit exceeded by 5 tokens.")
    assert type(failure(400, b'{"message":"invalid request: p must be below 0.99"}')) is BadRequestError
    assert isinstance(failure(429, b'{"message":"You are using a Trial key"}'), RateLimitError)


# --- embeddings ---


def embedding(**fields):
    call, warnings = CohereEmbeddings().encode(EmbeddingRequest(**{"input": ["a", "b"], **fields}), model="m")
    assert (call.method, call.url) == ("POST", "/v2/embed")
    return json.loads(call.body), [warning.setting for warning in warnings]


@pytest.mark.parametrize(
    ("task", "word"),
    [
        (None, "search_document"),
        ("document", "search_document"),
        ("query", "search_query"),
        ("classification", "classification"),
        ("clustering", "clustering"),
        ("search_query", "search_query"),
    ],
)
def test_a_task_becomes_an_input_type(task, word):
    assert embedding(task=task) == (
        {"model": "m", "texts": ["a", "b"], "input_type": word, "embedding_types": ["float"]},
        [],
    )


def test_what_embeddings_may_ask_for_besides():
    sent, warnings = embedding(dimensions=256, user_id="u", extra={"cohere": {"truncate": "NONE"}, "openai": {"x": 1}})
    assert (sent["output_dimension"], sent["truncate"], "x" in sent) == (256, "NONE", False)
    assert warnings == ["user_id"]
    assert CohereEmbeddings().batch_limit == 96


@pytest.mark.parametrize(
    "embeddings",
    [
        {"float": [[1.0, 0.5], [0.0, 2.0]]},
        {"base64": [base64.b64encode(struct.pack("<2f", *pair)).decode() for pair in ((1.0, 0.5), (0.0, 2.0))]},
        {"float": [[1.0, 0.5], [0.0, 2.0]], "int8": [[1, 2], [3, 4]]},
        [[1.0, 0.5], [0.0, 2.0]],
    ],
    ids=["float", "base64", "the finest of several", "API v1"],
)
def test_vectors_are_read_whatever_their_type(embeddings):
    body = json.dumps({"embeddings": embeddings, "meta": {"billed_units": {"input_tokens": 7}}}).encode()
    answer = CohereEmbeddings().decode(200, {}, body, count=2)
    assert [list(vector) for vector in answer.vectors] == [[1.0, 0.5], [0.0, 2.0]]
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (7, 7)


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"embeddings":{}}', b'{"embeddings":{"float":[[1]]}}', b'{"embeddings":{"float":[[1],["x"]]}}'],
    ids=["nothing", "no type", "too few", "no numbers"],
)
def test_vectors_that_make_no_sense_are_a_typed_error(body):
    with pytest.raises(ProtocolError):
        CohereEmbeddings().decode(200, {}, body, count=2)


def test_embeddings_without_counts_have_no_usage():
    assert CohereEmbeddings().decode(200, {}, b'{"embeddings":[[1]]}', count=1).usage.prompt_tokens is None


# --- models and tokens ---


def test_models_come_in_pages():
    assert encode_models().url == "/v1/models?page_size=1000"
    assert encode_models(page="a b").url == "/v1/models?page_size=1000&page_token=a%20b"
    (model,), page = decode_models(b'{"models":[{"name":"command-a","context_length":8.0}],"next_page_token":"p2"}')
    assert (model.id, model.raw["context_length"], page) == ("command-a", 8.0, "p2")
    assert decode_models(b'{"models":[]}') == ((), None)


@pytest.mark.parametrize("body", [b"{}", b'{"models":[{}]}', b'{"models":[3]}'])
def test_a_list_of_something_else_is_a_typed_error(body):
    with pytest.raises(ProtocolError):
        decode_models(body)


def test_the_texts_of_a_conversation_are_tokenized():
    from aiclient.messages import ImagePart, Message

    messages = [
        Message("user", ["look", ImagePart(data=b"x")]),
        Message("assistant", tool_calls=[ToolCall("1", "f", "{}")]),
        Message("tool", "done", tool_call_id="1"),
    ]
    assert texts_of(messages) == "look\nf {}\ndone"
    call = encode_tokens("hi", model="m")
    assert (call.url, json.loads(call.body)) == ("/v1/tokenize", {"model": "m", "text": "hi"})
    assert decode_tokens(b'{"tokens":[9707,11],"token_strings":["Hello",","]}') == 2
    with pytest.raises(ProtocolError):
        decode_tokens(b'{"tokens":2}')
