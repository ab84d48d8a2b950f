"""Streamed answers of Google's generateContent, in both framings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aiclient.chunks import Fold
from aiclient.errors import OverloadedError, ProtocolError
from aiclient.messages import ImagePart, Message, OpaquePart, ReasoningPart, TextPart
from aiclient.request import ChatOptions, ChatRequest
from aiclient.wire.gemini import GeminiWire

GOLDEN = Path(__file__).parents[1] / "golden" / "gemini"
STREAMS = sorted(path.stem for path in GOLDEN.glob("*stream*.json"))


def golden(name):
    record = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return record, record["response"]["body"].encode()


def run(decoder, *pieces):
    """Feed the pieces; return the answer so far, whether it is complete, and the failure."""
    chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)]
    chunks += decoder.end()
    fold = Fold()
    for chunk in chunks:
        fold.add(chunk)
    assert [chunk.last for chunk in chunks if chunk.last] == ([True] if decoder.done else [])
    return fold.response(), decoder.done, decoder.failure


def event(*parts, finish=None, **fields):
    one = {"content": {"role": "model", "parts": list(parts)}} if parts else {}
    return {"candidates": [{**one, **({"finishReason": finish} if finish else {})}], "responseId": "r", **fields}


def sse(*events):
    return b"".join(b"data: " + json.dumps(value).encode() + b"\r\n\r\n" for value in events)


def array(*events):
    return json.dumps(list(events), indent=1).encode()


def read(*events, choices=1):
    answer, done, failure = run(GeminiWire().decoder(asking(choices)), sse(*events))
    assert (done, failure) == (True, None)
    return answer


def asking(choices):
    return ChatRequest([Message("user", "hi")], ChatOptions(n=choices))


@pytest.mark.parametrize("name", STREAMS)
def test_recorded_streams_say_what_the_vendors_sdk_makes_of_them(name):
    record, body = golden(name)
    answer, done, failure = run(GeminiWire(vertex=name.startswith("vertex")).decoder(), body)
    expected = record["expected"] or {"text": answer.message.content, "finish_reason": "STOP"}
    assert (done, failure) == (True, None)
    assert answer.message.content == (expected.get("text") or "")
    assert answer.message.reasoning == (expected.get("reasoning_text") or "")
    assert answer.raw_finish_reason == expected["finish_reason"]
    calls = [(call.name, call.parsed) for call in answer.message.tool_calls]
    assert calls == [(call["name"], call["arguments"]) for call in expected.get("tool_calls", [])]
    assert answer.usage.total_tokens == expected.get("usage", {}).get("total", answer.usage.total_tokens)
    assert answer.id == expected.get("response_id", answer.id)


@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("name", STREAMS)
def test_the_size_of_the_reads_changes_nothing(name, size):
    _, body = golden(name)
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    assert run(GeminiWire().decoder(), *pieces) == run(GeminiWire().decoder(), body)


@pytest.mark.parametrize("framing", [sse, array])
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_is_cut_off_never_looks_whole(name, framing):
    _, body = golden(name)
    events = json.loads(body) if body[:1] == b"[" else [json.loads(line[6:]) for line in body.split(b"\r\n") if line]
    body = framing(*events)
    whole, _, _ = run(GeminiWire().decoder(), body)
    for end in range(0, len(body), 31):
        answer, done, failure = run(GeminiWire().decoder(), body[:end])
        assert failure is None
        if done:
            assert (answer.message, answer.finish_reason) == (whole.message, whole.finish_reason)
        else:
            assert whole.message.content.startswith(answer.message.content)
            assert whole.message.tool_calls[: len(answer.message.tool_calls)] == answer.message.tool_calls


def test_both_framings_give_the_same_answer():
    events = (event({"text": "a"}), event({"text": "b"}, finish="STOP"))
    assert run(GeminiWire().decoder(), sse(*events)) == run(GeminiWire().decoder(), array(*events))


def test_the_end_of_the_array_is_the_end_of_the_answer():
    decoder = GeminiWire().decoder()
    decoder.feed(array(event({"text": "a"}, finish="STOP")))
    assert decoder.done
    assert decoder.feed(b"anything") == decoder.end() == []


def test_an_array_that_ends_before_the_answer_does_is_cut_off():
    assert run(GeminiWire().decoder(), array(event({"text": "a"})))[1:] == (False, None)


def test_the_last_event_may_lack_its_blank_line_and_half_of_it_is_no_answer():
    text = sse(event({"text": "a"}), event({"text": "b"}, finish="STOP")).rstrip()
    assert run(GeminiWire().decoder(), text)[0].message.content == "ab"
    answer, done, failure = run(GeminiWire().decoder(), text[:-9])
    assert (answer.message.content, done, failure) == ("a", False, None)


def test_usage_replaces_what_earlier_events_said():
    one = {"promptTokenCount": 5, "totalTokenCount": 5}
    two = {"promptTokenCount": 5, "candidatesTokenCount": 2, "thoughtsTokenCount": 3, "totalTokenCount": 10}
    answer = read(event({"text": "a"}, usageMetadata=one), event({"text": "b"}, finish="STOP", usageMetadata=two))
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (5, 5, 10)


def test_usage_may_come_alone():
    answer = read(event({"text": "a"}, finish="STOP"), {"usageMetadata": {"promptTokenCount": 5}})
    assert answer.usage.prompt_tokens == 5


def test_a_signed_text_stands_alone_and_an_unsigned_one_is_joined():
    sealed = {"text": "c", "thoughtSignature": "s"}
    answer = read(event({"text": "a"}), event({"text": "b"}), event(sealed), event({"text": "d"}, finish="STOP"))
    assert answer.message.parts == (
        TextPart("ab"),
        TextPart("c", origin="google", provider_data={"thoughtSignature": "s"}),
        TextPart("d"),
    )


def test_an_empty_text_that_is_signed_is_kept_and_one_that_is_not_is_no_output():
    decoder = GeminiWire().decoder()
    assert [chunk.is_output for chunk in decoder.feed(sse(event({"text": ""})))] == []
    answer = read(event({"text": "a"}), event({"text": "", "thoughtSignature": "s"}, finish="STOP"))
    assert answer.message.parts[1] == TextPart("", origin="google", provider_data={"thoughtSignature": "s"})


def test_thoughts_and_their_signatures_are_kept_apart_from_text():
    hidden = {"text": "!", "thought": True, "thoughtSignature": "s"}
    answer = read(event({"text": "h", "thought": True}), event(hidden), event({"text": "a"}, finish="STOP"))
    first, sealed, text = answer.message.parts
    assert (first.text, sealed, text) == ("h", ReasoningPart("!", "s", origin="google"), TextPart("a"))


def test_calls_keep_their_order_their_signatures_and_their_minted_ids():
    calls = [
        {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "s"},
        {"functionCall": {"name": "g"}},
    ]
    answer = read(event(calls[0]), event(calls[1], finish="STOP"))
    whole = GeminiWire().decode(200, {}, json.dumps(event(*calls, finish="STOP")).encode())
    assert answer.message.tool_calls == whole.message.tool_calls
    assert [call.id for call in answer.message.tool_calls] == ["call_r_0", "call_r_1"]
    assert answer.finish_reason == "tool_calls"


def test_pictures_and_unknown_parts_come_whole():
    code = {"executableCode": {"language": "PYTHON", "code": "1"}}
    answer = read(event({"text": "a"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, code, finish="STOP"))
    assert answer.message.parts == (
        TextPart("a"),
        ImagePart(data=b"\0\0\0", media_type="image/png", origin="google"),
        OpaquePart("google", code),
    )


def test_a_picture_of_several_megabytes_passes():
    picture = {"inlineData": {"mimeType": "image/png", "data": "AAAA" * 600_000}}
    for framing in (sse, array):
        answer, done, _ = run(GeminiWire().decoder(), framing(event(picture, finish="STOP")))
        assert done
        assert len(answer.message.parts[0].data) == 1_800_000


def test_sources_are_put_onto_the_text_they_stand_in_once():
    segment = {"startIndex": 2, "endIndex": 3, "text": "c"}
    grounding = {
        "groundingChunks": [{"web": {"uri": "https://a.test"}}, {"web": {"uri": "https://b.test"}}],
        "groundingSupports": [{"segment": segment, "groundingChunkIndices": [0]}],
        "searchEntryPoint": {"renderedContent": "<b>"},
    }
    sourced = event({"text": "c"}, finish="STOP")
    sourced["candidates"][0]["groundingMetadata"] = grounding
    answer = read(event({"text": "ä"}), event({"functionCall": {"name": "f"}}), sourced, sourced)
    first, _, second = answer.message.parts
    assert first.citations == ()
    assert [(citation.url, citation.start) for citation in second.citations][:2] == [
        ("https://a.test", 0),
        ("https://b.test", None),
    ]
    assert answer.metadata["google"]["groundingMetadata"]["searchEntryPoint"] == {"renderedContent": "<b>"}


def test_log_probabilities_are_joined():
    def told(text, **more):
        value = event({"text": text}, **more)
        value["candidates"][0]["logprobsResult"] = {"chosenCandidates": [{"token": text, "logProbability": -1}]}
        return value

    answer = read(told("a"), told("b", finish="STOP"))
    assert [entry["token"] for entry in answer.logprobs] == ["a", "b"]


def test_several_candidates_are_all_awaited():
    def of(index, **more):
        value = event({"text": str(index)}, **more)
        value["candidates"][0]["index"] = index
        return value

    answer = read(of(0, finish="STOP"), of(1), of(1, finish="MAX_TOKENS"), choices=2)
    assert (answer.message.content, answer.alternatives[0].message.content) == ("0", "11")
    assert answer.alternatives[0].finish_reason == "length"
    assert run(GeminiWire().decoder(asking(2)), sse(of(0, finish="STOP")))[1] is False
    config = {"gemini": {"generationConfig": {"candidateCount": 2}}}
    asked = ChatRequest([Message("user", "hi")], ChatOptions(extra=config))
    assert run(GeminiWire().decoder(asked), sse(of(0, finish="STOP")))[1] is False


def test_a_blocked_prompt_ends_the_stream_without_an_answer():
    answer = read({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}})
    assert (answer.finish_reason, answer.raw_finish_reason, answer.message.parts) == ("content_filter", "SAFETY", ())
    assert answer.metadata["google"]["promptFeedback"] == {"blockReason": "SAFETY"}
    assert answer.usage.prompt_tokens == 4


def test_a_reason_in_every_event_is_told_once_and_another_one_replaces_it():
    events = [event({"text": "a"}, finish="STOP"), event({"text": "b"}, finish="STOP"), event(finish="SAFETY")]
    decoder = GeminiWire().decoder()
    chunks = [*decoder.feed(sse(*events)), *decoder.end()]
    assert [chunk.raw_finish_reason for chunk in chunks if chunk.finish_reason] == ["STOP", "SAFETY"]


def test_an_unspecified_reason_is_none():
    assert run(GeminiWire().decoder(), sse(event({"text": "a"}, finish="FINISH_REASON_UNSPECIFIED")))[1] is False


@pytest.mark.parametrize("framing", [sse, array])
def test_an_error_after_output_is_told_after_that_output(framing):
    error = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}
    answer, done, failure = run(GeminiWire().decoder(), framing(event({"text": "a"}), error))
    assert (answer.message.content, done) == ("a", False)
    assert isinstance(failure, OverloadedError)


def test_a_whole_answer_instead_of_a_stream_is_read_too():
    body = json.dumps(event({"text": "a"}, finish="STOP")).encode()
    assert run(GeminiWire().decoder(), body[:9], body[9:])[0].message.content == "a"
    _, _, failure = run(GeminiWire().decoder(), b'{"error":{"code":503,"message":"m"}}')
    assert isinstance(failure, OverloadedError)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", "content_type"),
        (b"data: x\n\n", "decode"),
        (b"data: 3\n\n", "schema"),
        (b'data: {"candidates":3}\n\n', "schema"),
        (b'data: {"candidates":[3]}\n\n', "schema"),
        (b"[3]", "decode"),
    ],
)
def test_what_makes_no_sense_is_a_protocol_error(body, kind):
    _, done, failure = run(GeminiWire().decoder(), body)
    assert not done
    assert isinstance(failure, ProtocolError)
    assert failure.kind == kind


def test_nothing_and_unknown_events_and_a_foreign_goodbye_do_no_harm():
    assert run(GeminiWire().decoder(), b"", b"\r\n")[1:] == (False, None)
    decoder = GeminiWire().decoder()
    answer, done, _ = run(decoder, sse({"news": 1}, event({"text": "a"}, finish="STOP")) + b"data: [DONE]\n\n")
    assert (answer.message.content, done, decoder.ignored) == ("a", True, 1)


def test_the_one_candidate_asked_for_counts_whatever_its_number():
    far = event({"text": "Hi"}, finish="STOP")
    far["candidates"][0]["index"] = 7
    answer = read(far)
    assert (answer.message.content, answer.finish_reason, answer.alternatives) == ("Hi", "stop", ())
