"""Mistral: OpenAI's protocol with differences, each of which its API answers with a 4xx when it is forgotten."""

from __future__ import annotations

import json

import pytest

from aiclient.chunks import Fold
from aiclient.errors import AuthenticationError, MissingAPIKeyError, UnsupportedFeatureError
from aiclient.messages import (
    AudioPart,
    DocumentPart,
    ImagePart,
    Message,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolResultPart,
)
from aiclient.providers import MistralProvider
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest, Reasoning, ResponseFormat, Tool, ToolChoice
from aiclient.wire.openai_chat import OpenAIChat
from aiclient.wire.profiles import PROFILES
from aiclient.wire.toolids import ShortToolIds

pytestmark = pytest.mark.anyio

KEY = "mistral-test-0123"
HI = Message("user", "hi")
CALLS = [ToolCall("call_PTLP8xhu3uwZk4l3nlnrrJha", "f", '{"a":1}'), ToolCall("35bC59XSm", "g")]
RESULTS = [ToolResultPart(CALLS[0].id, "3"), ToolResultPart(CALLS[1].id, "4")]


def encoded(*messages, stream=False, **options):
    request = ChatRequest(messages or (HI,), ChatOptions(**options))
    call, warnings = OpenAIChat(PROFILES["mistral"]).encode(request, model="m", stream=stream)
    return json.loads(call.body), [warning.setting or warning.code for warning in warnings]


def sent(*messages):
    body, warnings = encoded(*messages)
    return body["messages"], warnings


# --- the provider ---


def mistral(service, key=KEY, **options):
    return MistralProvider(key, http_client=service.client, **{"model": "mistral-small-latest", **options})


async def test_a_call_and_its_answer(service, monkeypatch):
    monkeypatch.setenv("MISTRAL_API_KEY", KEY)
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "signature": "s1"}
    content = [thinking, {"type": "text", "text": "Paris"}]
    played = service({"id": "r1", "choices": [{"message": {"content": content}, "finish_reason": "stop"}]})
    response = await mistral(played, None).chat(
        ChatRequest([HI], ChatOptions(extra={"mistral": {"safe_prompt": True}}))
    )
    assert str(played.sent.url) == "https://api.mistral.ai/v1/chat/completions"
    assert played.sent.headers["authorization"] == f"Bearer {KEY}"
    assert played.body["safe_prompt"] is True
    assert response.message.parts == (ReasoningPart("hm", "s1", origin="mistral"), TextPart("Paris"))


async def test_embeddings_and_models(service):
    played = service({"data": [{"index": 0, "embedding": [1.0]}], "model": "mistral-embed"})
    response = await mistral(played).embeddings(EmbeddingRequest("a", "mistral-embed", dimensions=1, user_id="u"))
    assert played.body == {"model": "mistral-embed", "input": ["a"], "output_dimension": 1}
    assert [warning.setting for warning in response.warnings] == ["user_id"]
    played = service({"data": [{"id": "m1"}]}, {"id": "m1"})
    assert [model.id for model in await mistral(played).list_models()] == ["m1"]
    assert (await mistral(played).get_model("m1")).id == "m1"


async def test_a_refused_key_is_told_in_mistrals_own_form(service, monkeypatch):
    with pytest.raises(AuthenticationError, match="Invalid API Key"):
        await mistral(service((401, {"detail": "Invalid API Key"}, {}))).chat(ChatRequest([HI]))
    monkeypatch.delenv("MISTRAL_API_KEY", raising=False)
    with pytest.raises(MissingAPIKeyError, match="MISTRAL_API_KEY"):
        MistralProvider().validate_config()


# --- what it asks of requests ---


def test_its_own_words_for_seed_tool_choice_and_usage():
    body, warnings = encoded(stream=True, seed=3, tools=[Tool("f")], tool_choice=ToolChoice("required"), top_k=5, n=2)
    assert (body["random_seed"], body["tool_choice"], body["top_k"], body["n"]) == (3, "any", 5, 2)
    assert not {"seed", "stream_options"} & set(body)
    assert warnings == []


def test_fields_that_it_refuses_are_left_out_with_a_warning():
    body, warnings = encoded(Message("user", "hi", name="bob"), user_id="u")
    assert body == {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    assert warnings == ["messages[].name", "user_id"]
    with pytest.raises(UnsupportedFeatureError, match="user_id"):
        encoded(user_id="u", strict=True)


def test_ids_of_other_vendors_calls_become_nine_letters_and_stay_with_their_results():
    messages, warnings = sent(Message("assistant", tool_calls=CALLS), Message("tool", RESULTS))
    first, second = (call["id"] for call in messages[0]["tool_calls"])
    assert len(first) == 9
    assert first.isalnum()
    assert second == "35bC59XSm"
    assert [message["tool_call_id"] for message in messages[1:]] == [first, second]
    assert sent(Message("assistant", tool_calls=CALLS), Message("tool", RESULTS))[0] == messages  # prompts stay cached
    assert warnings == []


def test_ids_that_a_service_mints_anew_in_every_turn_stay_apart():
    turn = [Message("assistant", tool_calls=[ToolCall("call_0", "f")]), Message("tool", "3", tool_call_id="call_0")]
    messages, _ = sent(*turn, *turn)
    (one, first, other, second) = messages
    assert one["tool_calls"][0]["id"] == first["tool_call_id"]
    assert other["tool_calls"][0]["id"] == second["tool_call_id"]
    assert first["tool_call_id"] != second["tool_call_id"]


@pytest.mark.parametrize("id_", ["", "x", "ä" * 9, "nine chars", "abc-defgh", "\ud800"])
def test_any_text_becomes_a_fitting_id(id_):
    ids = ShortToolIds(9)
    fitting = ids.of_call(id_)
    assert (len(fitting), fitting.isalnum(), fitting.isascii()) == (9, True, True)
    assert ids.of_result(id_) == fitting


def test_only_the_assistant_may_speak_after_a_tool():
    called = Message("assistant", tool_calls=CALLS[1:])
    messages, warnings = sent(called, Message("tool", RESULTS[1:]), Message("user", "stop"))
    assert [message["role"] for message in messages] == ["assistant", "tool", "assistant", "user"]
    assert messages[2] == {"role": "assistant", "content": "OK"}
    assert warnings == ["added_message"]
    messages, warnings = sent(
        called, Message("tool", RESULTS[1:]), Message("assistant", "3"), Message("user", "thanks")
    )
    assert [message["role"] for message in messages] == ["assistant", "tool", "assistant", "user"]
    assert warnings == []


def test_a_picture_of_a_tool_comes_after_the_assistants_word():
    result = ToolResultPart("35bC59XSm", ["seen", ImagePart(url="https://e.x/a.png")])
    messages, warnings = sent(Message("assistant", tool_calls=CALLS[1:]), Message("tool", [result]))
    assert [message["role"] for message in messages] == ["assistant", "tool", "assistant", "user"]
    assert set(warnings) == {"moved_content", "added_message"}


def test_words_to_go_on_from_are_marked():
    messages, _ = sent(HI, Message("assistant", "Well,"))
    assert messages[-1] == {"role": "assistant", "content": "Well,", "prefix": True}
    messages, _ = sent(HI, Message("assistant", "Well,"), HI, Message("assistant", "x", tool_calls=CALLS))
    assert not any("prefix" in message for message in messages)


def test_its_own_thinking_goes_back_as_a_part_and_that_of_others_does_not():
    own = Message("assistant", [ReasoningPart("hm", "s1", origin="mistral"), "Paris"])
    messages, warnings = sent(own, HI)
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    assert messages[0]["content"] == [{**thinking, "signature": "s1"}, {"type": "text", "text": "Paris"}]
    assert warnings == []
    messages, warnings = sent(Message("assistant", [ReasoningPart("hm", origin="deepseek"), "Paris"]), HI)
    assert (messages[0], warnings) == ({"role": "assistant", "content": "Paris"}, ["dropped_content"])
    unsigned = Message("assistant", [ReasoningPart("hm", origin="mistral"), "Paris"])
    assert sent(unsigned, HI)[0][0]["content"][0] == thinking


def test_a_signature_in_a_stream_is_kept():
    pieces = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "signature": "s1"}]
    choices = [{"index": 0, "delta": {"content": pieces}, "finish_reason": "stop"}]
    decoder, fold = OpenAIChat(PROFILES["mistral"]).decoder(), Fold()
    for chunk in decoder.feed(f"data: {json.dumps({'choices': choices})}\n\ndata: [DONE]\n\n".encode()):
        fold.add(chunk)
    assert fold.response().message.parts == (ReasoningPart("hm", "s1", origin="mistral"),)


def test_a_refusal_goes_back_as_text():
    assert sent(Message("assistant", [RefusalPart("no")]), HI)[0][0] == {"role": "assistant", "content": "no"}


def test_documents_and_sound_have_parts_of_their_own():
    parts = [
        DocumentPart(data=b"%PDF", name="a.pdf"),
        DocumentPart(url="https://e.x/a.pdf"),
        DocumentPart(file_id="f1"),
        AudioPart(data=b"RIFF", media_type="audio/wav"),
    ]
    messages, warnings = sent(Message("user", parts))
    assert messages[0]["content"] == [
        {"type": "document_url", "document_url": "data:application/pdf;base64,JVBERg==", "document_name": "a.pdf"},
        {"type": "document_url", "document_url": "https://e.x/a.pdf"},
        {"type": "file", "file_id": "f1"},
        {"type": "input_audio", "input_audio": "UklGRg=="},
    ]
    assert warnings == []


# --- against the published schema ---


CONVERSATION = [
    Message("developer", "Be brief."),
    Message("user", ["look", ImagePart(data=b"\x89PNG", detail="low"), DocumentPart(data=b"%PDF")], name="bob"),
    Message("assistant", [ReasoningPart("hm", origin="mistral"), "I see."], tool_calls=CALLS),
    Message("tool", [*RESULTS[:1], ToolResultPart(CALLS[1].id, ["x", ImagePart(data=b"y")], is_error=True)]),
    Message("user", "and now?"),
    Message("assistant", [RefusalPart("no")]),
]
FULL = {
    "temperature": 0.5,
    "max_tokens": 9,
    "top_p": 0.9,
    "seed": 3,
    "stop": ["x"],
    "frequency_penalty": 0.5,
    "presence_penalty": -1,
    "tools": [Tool("f", "does f", strict=True), Tool("g")],
    "parallel_tool_calls": False,
    "reasoning": Reasoning("high"),
    "n": 2,
    "user_id": "u",
    "metadata": {"a": "b"},
}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("choice", ["auto", "none", "required", "f"])
@pytest.mark.parametrize(
    "form", [ResponseFormat(), ResponseFormat("json"), ResponseFormat("schema", {"type": "object"}, strict=True)]
)
def test_requests_follow_mistrals_schema(validate, form, choice, stream):
    body, _ = encoded(*CONVERSATION, stream=stream, response_format=form, tool_choice=ToolChoice.of(choice), **FULL)
    headers = {"content-type": "application/json", "authorization": "Bearer x"}
    url = "https://api.mistral.ai/v1/chat/completions"
    assert validate("POST", url, headers, body, protocol="mistral") == []
