"""Whole answers of Google's generateContent."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aiclient.errors import ProtocolError, RateLimitError
from aiclient.messages import (
    AudioPart,
    DocumentPart,
    ImagePart,
    OpaquePart,
    ReasoningPart,
    TextPart,
    ToolCall,
    VideoPart,
)
from aiclient.wire.failures import failure
from aiclient.wire.gemini import GeminiWire

GOLDEN = Path(__file__).parents[1] / "golden" / "gemini"


def golden(name):
    record = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return record, record["response"]["body"].encode()


def decoded(name):
    record, body = golden(name)
    return record["expected"], GeminiWire(vertex=name.startswith("vertex")).decode(200, {}, body)


def answer(*candidates, vertex=False, **fields):
    body = json.dumps({"candidates": list(candidates), **fields}).encode()
    return GeminiWire(vertex=vertex).decode(200, {}, body)


def candidate(*parts, finish="STOP", **fields):
    return {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish, **fields}


def only(part):
    (found,) = answer(candidate(part)).message.parts
    return found


def test_text_identity_and_usage_are_read():
    response = answer(
        candidate({"text": "Hello"}),
        responseId="r1",
        modelVersion="gemini-2.5-flash",
        createTime="2025-10-10T15:55:50.511529Z",
        usageMetadata={"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
    )
    assert response.message.content == "Hello"
    assert (response.id, response.model, response.finish_reason) == ("r1", "gemini-2.5-flash", "stop")
    assert response.created_at == datetime(2025, 10, 10, 15, 55, 50, 511529, tzinfo=UTC)
    assert (response.usage.prompt_tokens, response.usage.completion_tokens, response.usage.total_tokens) == (3, 2, 5)
    assert response.raw["responseId"] == "r1"


def test_usage_counts_what_tools_put_in_and_what_was_thought():
    _, response = decoded("url_context")
    assert response.usage.prompt_tokens == 132 + 1387
    assert (response.usage.completion_tokens, response.usage.reasoning_tokens) == (65 + 149, 149)
    assert response.usage.total_tokens == 1733
    assert response.raw_usage["serviceTier"] == "standard"


@pytest.mark.parametrize(
    ("raw", "prompt", "completion", "total", "cached"),
    [
        ({"trafficType": "ON_DEMAND"}, None, None, None, None),
        ({"promptTokenCount": 7, "totalTokenCount": 7}, 7, 0, 7, None),
        ({"promptTokenCount": 7, "thoughtsTokenCount": 4, "totalTokenCount": 11}, 7, 4, 11, None),
        ({"promptTokenCount": 7, "cachedContentTokenCount": 5}, 7, None, None, 5),
        ({"promptTokenCount": -1, "candidatesTokenCount": True, "totalTokenCount": 1e300}, None, None, None, None),
    ],
)
def test_what_is_not_counted_is_unknown_and_absurd_counts_are_not_believed(raw, prompt, completion, total, cached):
    usage = answer(candidate({"text": "a"}), usageMetadata=raw).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.cached_tokens) == (
        prompt,
        completion,
        total,
        cached,
    )


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("MODEL_ARMOR", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "error"),
        ("UNEXPECTED_TOOL_CALL", "error"),
        ("LANGUAGE", "other"),
        ("SOMETHING_NEW", "other"),
        ("FINISH_REASON_UNSPECIFIED", None),
        (None, None),
        (0, None),
    ],
)
def test_finish_reasons(word, reason):
    response = answer(candidate({"text": "a"}, finish=word))
    assert response.finish_reason == reason
    assert response.raw_finish_reason == (word if reason else None)


def test_reasons_as_numbers_mean_what_each_service_counts():
    filtered = candidate({"text": "a"}, finish=7)
    assert answer(filtered).raw_finish_reason == "BLOCKLIST"
    assert answer(filtered, vertex=True).raw_finish_reason == "PROHIBITED_CONTENT"
    assert answer(candidate({"text": "a"}, finish=99)).raw_finish_reason == "99"
    _, response = decoded("integer_enums")
    assert (response.finish_reason, response.raw_finish_reason) == ("stop", "STOP")
    assert response.metadata["google"]["safetyRatings"][0] == {"category": 8, "probability": 1}


def test_tool_calls_end_in_tool_calls_though_the_wire_says_stop():
    call = {"functionCall": {"name": "f", "args": {"a": [1, "ü"]}, "id": "x1"}}
    response = answer(candidate(call))
    assert response.message.tool_calls == (ToolCall("x1", "f", '{"a":[1,"ü"]}'),)
    assert (response.finish_reason, response.raw_finish_reason) == ("tool_calls", "STOP")
    assert answer(candidate(call, finish="MAX_TOKENS")).finish_reason == "length"


def test_calls_without_ids_get_some_that_differ_between_answers():
    calls = [{"functionCall": {"name": "f"}}, {"functionCall": {"name": "f", "args": {}}}]
    ids = [call.id for id_ in ("r1", "r2") for call in answer(candidate(*calls), responseId=id_).message.tool_calls]
    assert ids == ["call_r1_0", "call_r1_1", "call_r2_0", "call_r2_1"]
    first, _ = answer(candidate(*calls), responseId="r/" + "x" * 99).message.tool_calls
    assert len(first.id) <= 40
    assert (first.arguments, first.parsed) == ("{}", {})
    assert [call.id for call in answer(candidate(*calls)).message.tool_calls] == ["call_0", "call_1"]


def test_calls_of_several_candidates_have_ids_of_their_own():
    call = {"functionCall": {"name": "f"}}
    response = answer(candidate(call), candidate(call, index=1), responseId="r")
    (other,) = response.alternatives
    assert response.message.tool_calls[0].id != other.message.tool_calls[0].id


def test_a_call_that_was_not_declared_is_shown_and_is_an_error():
    _, response = decoded("vertex_unexpected_call")
    assert response.message.tool_calls[0].name == "list_files"
    assert (response.finish_reason, response.raw_finish_reason) == ("error", "UNEXPECTED_TOOL_CALL")
    assert "undeclared function" in response.metadata["google"]["finishMessage"]


def test_thoughts_are_reasoning_and_not_text():
    response = answer(candidate({"text": "hm", "thought": True, "thoughtSignature": "s"}, {"text": "Hi"}))
    assert response.message.parts == (ReasoningPart("hm", "s", origin="google"), TextPart("Hi"))
    assert (response.message.reasoning, response.message.content) == ("hm", "Hi")


def test_a_signature_stays_with_its_part_even_when_that_is_empty():
    assert only({"text": "", "thoughtSignature": "s"}) == TextPart(
        "", origin="google", provider_data={"thoughtSignature": "s"}
    )


@pytest.mark.parametrize(
    ("media_type", "kind"),
    [("image/png", ImagePart), ("audio/L16", AudioPart), ("video/mp4", VideoPart), ("application/pdf", DocumentPart)],
)
def test_media_in_answers_are_typed(media_type, kind):
    raw = {"inlineData": {"mimeType": media_type, "data": base64.b64encode(b"\xfb\xff").decode()}}
    assert only(raw) == kind(data=b"\xfb\xff", media_type=media_type, origin="google")
    raw["inlineData"]["data"] = base64.urlsafe_b64encode(b"\xfb\xff").decode()
    assert only(raw).data == b"\xfb\xff"
    linked = only({"fileData": {"mimeType": media_type, "fileUri": "gs://b/o"}})
    assert linked == kind(url="gs://b/o", media_type=media_type, origin="google")


@pytest.mark.parametrize(
    "raw",
    [
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK"}},
        {"toolCall": {"id": "1", "toolType": "GOOGLE_SEARCH_WEB"}, "thoughtSignature": "s"},
        {"thought": True, "inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"thought": True, "thoughtSignature": "s"},
        {"inlineData": {"mimeType": "image/png", "data": "not base64"}},
        {"inlineData": None},
        {"functionCall": {"args": {}}},
        {"fileData": {}},
        {},
    ],
    ids=str,
)
def test_what_is_not_known_is_kept_as_it_came(raw):
    assert only(raw) == OpaquePart("google", raw)


def test_parts_of_built_in_tools_are_kept():
    expected, response = decoded("code_execution")
    assert [part.tag for part in response.message.parts] == ["opaque", "opaque", "text"]
    assert response.message.content == expected["text"]


def test_sources_point_at_characters_though_google_counts_bytes():
    _, response = decoded("grounded")
    text = response.message.content
    supports = response.raw["candidates"][0]["groundingMetadata"]["groundingSupports"]
    quoted = [support["segment"]["text"] for support in supports for _ in support["groundingChunkIndices"]]
    placed = [citation for citation in response.message.citations if citation.start is not None]
    assert [text[citation.start : citation.end] for citation in placed] == quoted
    assert all(citation.url and citation.title for citation in response.message.citations)
    assert "searchEntryPoint" in response.metadata["google"]["groundingMetadata"]


def test_a_source_that_supports_no_segment_or_a_wrong_one_has_no_place():
    grounding = {
        "groundingChunks": [
            {"web": {"uri": "https://a.test", "title": "A"}},
            {"retrievedContext": {"uri": "gs://b", "title": "B", "text": "quote"}},
            {"maps": {"uri": "https://c.test"}},
        ],
        "groundingSupports": [
            {"segment": {"endIndex": 3, "text": "not there"}, "groundingChunkIndices": [0, 9, "x"]},
            {"segment": {"startIndex": 99, "endIndex": 100, "text": "two"}, "groundingChunkIndices": [1]},
        ],
    }
    response = answer(candidate({"text": "one "}, {"text": "two"}, groundingMetadata=grounding))
    first, second = response.message.parts
    assert first.citations == ()
    a, b, c = second.citations
    assert (a.url, a.title, a.start, a.provider_data) == ("https://a.test", "A", None, None)
    assert (b.url, b.quote, b.start, b.end) == ("gs://b", "quote", 0, 3)
    assert (c.url, c.provider_data) == ("https://c.test", {"maps": {"uri": "https://c.test"}})


@pytest.mark.parametrize("name", ["citationSources", "citations"])
def test_recited_sources_are_citations(name):
    source = {"startIndex": 3, "endIndex": 5, "uri": "https://a.test", "license": "MIT"}
    response = answer(candidate({"text": "ä bc"}, citationMetadata={name: [source]}))
    (citation,) = response.message.citations
    assert (citation.url, citation.start, citation.end) == ("https://a.test", 2, 4)
    assert citation.provider_data == {"license": "MIT"}
    assert answer(candidate(citationMetadata={name: [source]})).message.citations == ()


def test_log_probabilities_are_one_entry_for_each_token():
    chosen = [{"token": "a", "tokenId": 1, "logProbability": -1.5}, {"token": "b"}]
    result = {"chosenCandidates": chosen, "topCandidates": [{"candidates": [{"token": "c"}]}]}
    first, second = answer(candidate({"text": "ab"}, logprobsResult=result)).logprobs
    assert first == {"token": "a", "tokenId": 1, "logProbability": -1.5, "topCandidates": [{"token": "c"}]}
    assert second == {"token": "b"}
    assert answer(candidate({"text": "ab"}, logprobsResult={})).logprobs is None


def test_further_candidates_are_alternatives_in_their_order():
    response = answer(candidate({"text": "b"}, index=1, finish="MAX_TOKENS"), candidate({"text": "a"}))
    assert response.message.content == "a"
    assert [(other.message.content, other.finish_reason) for other in response.alternatives] == [("b", "length")]


def test_a_blocked_prompt_is_an_empty_answer_that_says_so():
    _, response = decoded("vertex_blocked_prompt")
    assert (response.finish_reason, response.raw_finish_reason) == ("content_filter", "MODEL_ARMOR")
    assert response.message.parts == ()
    assert "Jailbreak" in response.metadata["google"]["promptFeedback"]["blockReasonMessage"]
    assert answer(promptFeedback={"blockReason": 3}).raw_finish_reason == "BLOCKLIST"


def test_a_blocked_answer_has_no_content():
    _, response = decoded("vertex_model_armor")
    assert (response.finish_reason, response.message.parts) == ("content_filter", ())


def test_content_may_lack_its_parts():
    expected, response = decoded("no_parts")
    assert (response.finish_reason, response.message.parts) == ("length", ())
    assert response.usage.total_tokens == expected["usage"]["total"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "empty"),
        (b"{}", "empty"),
        (b'{"promptFeedback":{"blockReason":"BLOCK_REASON_UNSPECIFIED"}}', "empty"),
        (b"<html>", "content_type"),
        (b"[]", "schema"),
        (b'{"candidates":{"a":1}}', "schema"),
        (b'{"candidates":[3]}', "schema"),
        (b'{"candidates":[{"content":{"parts":"x"}}]}', "schema"),
        (b'{"candidates"', "decode"),
    ],
)
def test_what_is_no_answer_is_a_protocol_error(body, kind):
    with pytest.raises(ProtocolError) as caught:
        GeminiWire().decode(200, {}, body)
    assert caught.value.kind == kind


def test_an_error_in_a_success_is_raised_as_what_it_is():
    with pytest.raises(RateLimitError, match="slowly"):
        answer(error={"code": 429, "message": "slowly", "status": "RESOURCE_EXHAUSTED"})


def test_a_limit_per_minute_says_when_to_come_back():
    record, body = golden("error_429")
    error = failure(429, body)
    assert isinstance(error, RateLimitError)
    assert (error.code, error.retry_after) == (record["expected"]["error"]["type"], 48.0)
