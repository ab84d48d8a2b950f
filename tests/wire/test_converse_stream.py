"""Streams of Bedrock's Converse that no recording has: exceptions, cuts, tools of the service, images, what is unknown."""

from __future__ import annotations

import base64
import json

import pytest

from aiclient import errors
from aiclient.chunks import Fold
from aiclient.messages import ImagePart, OpaquePart, ReasoningPart, TextPart, ToolCall
from aiclient.wire.converse import ConverseWire
from aiclient.wire.eventstream import encode_message

USAGE = {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}


def event(kind, **payload):
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return encode_message(headers, json.dumps({**payload, "p": "abc"}).encode())


def exception(kind, message="no", **more):
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return encode_message(headers, json.dumps({"message": message, **more}).encode())


def delta(index=0, **piece):
    return event("contentBlockDelta", delta=piece, contentBlockIndex=index)


def start(index, **block):
    return event("contentBlockStart", start=block, contentBlockIndex=index)


def stop(index=0):
    return event("contentBlockStop", contentBlockIndex=index)


BEGIN = event("messageStart", role="assistant")
END = event("messageStop", stopReason="end_turn")
METADATA = event("metadata", usage=USAGE, metrics={"latencyMs": 5})


def decoded(*pieces):
    """Return the decoder, the answer, and the chunks."""
    decoder, fold, chunks = ConverseWire().decoder(), Fold(), []
    for piece in pieces:
        chunks += decoder.feed(piece)
    chunks += decoder.end()
    for chunk in chunks:
        fold.add(chunk)
    return decoder, fold.response(), chunks


def parts(*events):
    decoder, answer, _ = decoded(BEGIN, *events, END, METADATA)
    assert decoder.failure is None
    return answer.message.parts


def test_the_end_is_the_metadata_and_nothing_after_it_counts():
    decoder, answer, chunks = decoded(BEGIN, delta(text="Hi"), stop(), END, METADATA, delta(text="more"), b"garbage")
    assert (decoder.done, decoder.failure) == (True, None)
    assert (answer.message.content, answer.usage.total_tokens, answer.finish_reason) == ("Hi", 7, "stop")
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert answer.metadata == {"metrics": {"latencyMs": 5}}


def test_without_metadata_only_the_usage_is_missing():
    decoder, answer, chunks = decoded(BEGIN, delta(text="Hi"), stop(), END)
    assert (decoder.done, decoder.failure, chunks[-1].last) == (True, None, True)
    assert (answer.message.content, answer.usage.total_tokens) == ("Hi", None)


def test_metadata_that_comes_first_waits_for_the_end():
    decoder, answer, _ = decoded(BEGIN, METADATA, delta(text="Hi"), END)
    assert (decoder.done, answer.message.content, answer.usage.total_tokens) == (True, "Hi", 7)


@pytest.mark.parametrize("body", [b"", BEGIN, BEGIN + delta(text="Hi"), BEGIN + METADATA, BEGIN + END[:-1]])
def test_without_the_end_of_the_message_the_answer_is_cut_off(body):
    decoder, _, chunks = decoded(body)
    assert not decoder.done
    assert not any(chunk.last for chunk in chunks)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("throttlingException", "RateLimitError"),
        ("modelStreamErrorException", "ServerError"),
        ("internalServerException", "ServerError"),
        ("serviceUnavailableException", "OverloadedError"),
        ("validationException", "BadRequestError"),
        ("modelTimeoutException", "ServerError"),
        ("laterException", "ServerError"),
    ],
)
def test_an_exception_in_the_stream_is_typed_and_hides_nothing_before_it(kind, name):
    decoder, answer, chunks = decoded(BEGIN + delta(text="Hi") + exception(kind, "slow down") + END + METADATA)
    assert type(decoder.failure) is getattr(errors, name)
    assert (decoder.failure.message, decoder.failure.code, decoder.failure.status_code) == ("slow down", kind, None)
    assert answer.message.content == "Hi"
    assert not decoder.done
    assert not any(chunk.last for chunk in chunks)
    assert decoder.feed(delta(text="more")) == []


def test_the_models_own_refusal_is_not_asked_for_again():
    refusal = exception("modelStreamErrorException", "bad input", originalStatusCode=400, originalMessage="x")
    assert type(decoded(BEGIN, refusal)[0].failure) is errors.BadRequestError


def test_a_prompt_that_does_not_fit_may_be_said_in_the_stream():
    failure = decoded(BEGIN, exception("validationException", "Input is too long for requested model."))[0].failure
    assert type(failure) is errors.ContextLengthError


def test_an_error_of_the_framing_has_its_words_in_headers():
    headers = {":message-type": "error", ":error-code": "InternalFailure", ":error-message": "broken"}
    failure = decoded(encode_message(headers, b""))[0].failure
    assert (type(failure), failure.message, failure.code) == (errors.ServerError, "broken", "InternalFailure")
    failure = decoded(encode_message({**headers, ":error-code": "ThrottlingException"}, b"not json"))[0].failure
    assert type(failure) is errors.RateLimitError


@pytest.mark.parametrize(
    ("body", "name", "kind"),
    [
        (b'{"message": "Too many requests", "__type": "ThrottlingException"}', "RateLimitError", None),
        (b'{"output": {}}', "ProtocolError", "content_type"),
        (b"<html>login</html>", "ProtocolError", "content_type"),
        (b'{"mess', "ProtocolError", "decode"),
    ],
)
def test_a_body_that_is_no_event_stream_is_read_as_what_went_wrong(body, name, kind):
    decoder, _, chunks = decoded(body[:3], body[3:])
    assert chunks == []
    assert (type(decoder.failure), decoder.failure.kind) == (getattr(errors, name), kind)


def test_bytes_that_are_damaged_are_no_answer():
    decoder, _, _ = decoded(BEGIN, delta(text="Hi")[:-1] + b"\x00")
    assert (type(decoder.failure), decoder.failure.kind) == (errors.ProtocolError, "decode")


@pytest.mark.parametrize(
    "message",
    [
        encode_message({":event-type": "metadata", ":message-type": "event"}, b"[]"),
        event("contentBlockDelta", contentBlockIndex=0),
        event("contentBlockStart", contentBlockIndex=0),
        delta(reasoningContent="text"),
    ],
)
def test_an_event_of_another_shape_is_a_protocol_error(message):
    decoder, _, _ = decoded(BEGIN, message)
    assert (type(decoder.failure), decoder.failure.kind) == (errors.ProtocolError, "schema")


def test_input_of_a_tool_that_did_not_begin_is_out_of_order():
    decoder, _, _ = decoded(BEGIN, delta(toolUse={"input": "{}"}))
    assert (type(decoder.failure), decoder.failure.kind) == (errors.ProtocolError, "state")


def test_events_of_unknown_kinds_are_counted_and_passed_over():
    decoder, answer, _ = decoded(BEGIN, event("later", x=1), delta(text="Hi"), END, METADATA)
    assert (decoder.ignored, answer.message.content, decoder.done) == (1, "Hi", True)


def test_a_tool_called_without_input_has_empty_arguments():
    use = {"toolUseId": "t1", "name": "now"}
    assert parts(start(0, toolUse=use), stop(0)) == (ToolCall("t1", "now", "{}"),)
    assert parts(start(0, toolUse=use), delta(0, toolUse={"input": ""}), stop(0)) == (ToolCall("t1", "now", "{}"),)


def test_pieces_of_blocks_may_be_mixed():
    first, second = ({"toolUseId": f"t{number}", "name": "f"} for number in (1, 2))
    found = parts(
        start(0, toolUse=first),
        start(1, toolUse=second),
        delta(1, toolUse={"input": '{"a"'}),
        delta(0, toolUse={"input": "{}"}),
        delta(1, toolUse={"input": ":1}"}),
        stop(1),
        stop(0),
    )
    assert found == (ToolCall("t1", "f", "{}"), ToolCall("t2", "f", '{"a":1}'))


def test_a_tool_that_the_service_runs_is_kept_and_not_called():
    decoder, answer, _ = decoded(
        BEGIN,
        start(0, toolUse={"toolUseId": "t1", "name": "nova_grounding", "type": "server_tool_use"}),
        delta(0, toolUse={"input": '{"query":'}),
        delta(0, toolUse={"input": '"x"}'}),
        stop(0),
        start(1, toolResult={"toolUseId": "t1", "type": "nova_grounding_result", "status": "success"}),
        delta(1, toolResult=[{"text": "[HID"}]),
        delta(1, toolResult=[{"text": "DEN]"}, {"json": {"a": 1}}]),
        stop(1),
        delta(2, text="It is x."),
        stop(2),
        END,
        METADATA,
    )
    use, result, text = answer.message.parts
    assert decoder.failure is None
    assert answer.finish_reason == "stop"
    assert use.data["toolUse"]["input"] == {"query": "x"}
    assert result.data["toolResult"]["content"] == [{"text": "[HIDDEN]"}, {"json": {"a": 1}}]
    assert result.data["toolResult"]["type"] == "nova_grounding_result"
    assert text == TextPart("It is x.")


def test_thinking_text_seal_and_hidden_parts_are_blocks_of_their_own():
    hidden = [base64.b64encode(piece).decode() for piece in (b"ab", b"cd")]
    found = parts(
        delta(0, reasoningContent={"text": "Let me "}),
        delta(0, reasoningContent={"text": "see."}),
        delta(0, reasoningContent={"signature": "sealed"}),
        stop(0),
        delta(1, reasoningContent={"redactedContent": hidden[0]}),
        delta(1, reasoningContent={"redactedContent": hidden[1]}),
        stop(1),
        delta(2, text="Done."),
        stop(2),
    )
    whole = base64.b64encode(b"abcd").decode()
    assert found == (
        ReasoningPart("Let me see.", "sealed", origin="bedrock"),
        OpaquePart("bedrock", {"reasoningContent": {"redactedContent": whole}}),
        TextPart("Done."),
    )


def test_a_seal_without_text_is_kept():
    assert parts(delta(0, reasoningContent={"signature": "sealed"}), stop(0)) == (
        ReasoningPart("", "sealed", origin="bedrock"),
    )


def test_an_image_is_put_together():
    pieces = [base64.b64encode(piece).decode() for piece in (b"\x89PN", b"G...")]
    found = parts(
        start(0, image={"format": "png"}),
        delta(0, image={"source": {"bytes": pieces[0]}}),
        delta(0, image={"source": {"bytes": pieces[1]}}),
        stop(0),
    )
    assert found == (ImagePart(data=b"\x89PNG...", media_type="image/png", origin="bedrock"),)


def test_an_image_that_failed_and_blocks_of_unknown_kinds_are_kept_whole():
    found = parts(
        start(0, image={"format": "png"}),
        delta(0, image={"error": {"message": "too hot"}}),
        stop(0),
        start(1, later={"a": "x"}),
        delta(1, later={"a": "y", "b": 2}),
        stop(1),
    )
    assert found == (
        OpaquePart("bedrock", {"image": {"format": "png", "error": {"message": "too hot"}}}),
        OpaquePart("bedrock", {"later": {"a": "xy", "b": 2}}),
    )


def test_blocks_that_were_left_open_end_with_the_message():
    found = parts(
        start(0, toolUse={"toolUseId": "t1", "name": "f"}), start(0, toolUse={"toolUseId": "t2", "name": "g"})
    )
    assert found == (ToolCall("t1", "f", "{}"), ToolCall("t2", "g", "{}"))


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("tool_use", "tool_calls"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("malformed_model_output", "error"),
        ("malformed_tool_use", "error"),
        ("later", "other"),
        (None, "other"),
    ],
)
def test_why_it_stopped_has_our_word_and_the_services(word, reason):
    _, answer, _ = decoded(BEGIN, event("messageStop", stopReason=word), METADATA)
    assert (answer.finish_reason, answer.raw_finish_reason) == (reason, word)
    whole = {"output": {"message": {"content": []}}, "stopReason": word}
    unary = ConverseWire().decode(200, {}, json.dumps(whole).encode())
    assert unary.raw_finish_reason == word
    assert unary.finish_reason == (reason if word else None)


def test_more_than_text_may_be_said_about_the_answer():
    _, answer, _ = decoded(
        BEGIN,
        event("messageStop", stopReason="end_turn", additionalModelResponseFields={"stop_sequence": "x"}),
        event(
            "metadata",
            usage={**USAGE, "cacheReadInputTokens": 10},
            trace={"guardrail": {}},
            serviceTier={"type": "flex"},
        ),
    )
    assert answer.metadata == {
        "additionalModelResponseFields": {"stop_sequence": "x"},
        "trace": {"guardrail": {}},
        "serviceTier": {"type": "flex"},
    }
    assert (answer.usage.prompt_tokens, answer.usage.cached_tokens, answer.usage.cache_write_tokens) == (13, 10, None)


# --- whole answers ---


def whole(*content, **more):
    body = {"output": {"message": {"role": "assistant", "content": list(content)}}, "stopReason": "end_turn", **more}
    return ConverseWire().decode(200, {}, json.dumps(body).encode())


def test_blocks_of_unknown_shapes_are_kept_as_they_came():
    blocks = [
        {"later": {"a": 1}},
        {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/k"}}}},
        {"image": {"format": "png", "source": {"bytes": "not base64!"}}},
        {"citationsContent": {"content": [{"text": "x"}], "citations": "odd"}},
    ]
    assert whole(*blocks).message.parts == tuple(OpaquePart("bedrock", block) for block in blocks)


def test_an_image_of_the_answer_is_an_image():
    block = {"image": {"format": "jpeg", "source": {"bytes": base64.b64encode(b"\xff\xd8\xff").decode()}}}
    assert whole(block).message.parts == (ImagePart(data=b"\xff\xd8\xff", media_type="image/jpeg", origin="bedrock"),)


def test_a_source_on_the_web_has_its_address():
    cited = {"title": "t", "location": {"web": {"url": "https://x.example", "domain": "x.example"}}}
    (part,) = whole(
        {"citationsContent": {"content": [{"text": "a"}, {"text": "b"}], "citations": [cited, "odd"]}}
    ).message.parts
    assert part.text == "ab"
    assert [source.url for source in part.citations] == ["https://x.example", None]
    assert part.provider_data == {"content": [{"text": "a"}, {"text": "b"}]}


def test_text_in_a_block_for_sources_is_text_without_any_too():
    assert whole({"citationsContent": {"content": [{"text": "x"}]}}).message.content == "x"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "empty"),
        (b"<html>", "content_type"),
        (b"[]", "schema"),
        (b"{}", "schema"),
        (b'{"output": {"message": {"content": "text"}}}', "schema"),
        (b'{"output": {"message": {"content": ["text"]}}}', "schema"),
    ],
)
def test_what_is_no_answer_is_a_protocol_error(body, kind):
    with pytest.raises(errors.ProtocolError) as caught:
        ConverseWire().decode(200, {}, body)
    assert caught.value.kind == kind


@pytest.mark.parametrize("body", [b"{}", b'{"inputTokens": "7"}', b'{"inputTokens": true}', b'{"inputTokens": -1}'])
def test_a_count_that_is_none_is_a_protocol_error(body):
    with pytest.raises(errors.ProtocolError, match="no number of tokens"):
        ConverseWire().decode_count(body)
