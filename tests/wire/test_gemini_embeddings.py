"""Google's embeddings, token counts and lists of models."""

from __future__ import annotations

import json

import pytest

from aiclient.context import CallContext
from aiclient.errors import InvalidRequestError, ProtocolError, UnsupportedFeatureError
from aiclient.request import EmbeddingRequest
from aiclient.wire.gemini_embeddings import GeminiEmbeddings
from aiclient.wire.gemini_tokens import decode_count, decode_model, decode_models, encode_model, encode_models


def encode(*texts, model="gemini-embedding-001", vertex=False, **fields):
    wire = GeminiEmbeddings(vertex=vertex)
    call, warnings = wire.encode(EmbeddingRequest(texts, **fields), model=model)
    return call.url.rpartition(":")[2], json.loads(call.body), [warning.setting for warning in warnings]


def decode(value, count=1, **options):
    return GeminiEmbeddings(**options).decode(200, {}, json.dumps(value).encode(), count=count)


def test_the_gemini_api_takes_batches():
    method, body, warnings = encode("a", "b", task="query", dimensions=8)
    common = {"model": "models/gemini-embedding-001", "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 8}
    assert method == "batchEmbedContents"
    assert body == {"requests": [{**common, "content": {"parts": [{"text": text}]}} for text in "ab"]}
    assert warnings == []
    assert GeminiEmbeddings().batch_limit == 100


def test_vertex_takes_instances_one_at_a_time_unless_told_otherwise():
    extra = {"vertex": {"autoTruncate": False, "title": "T"}}
    method, body, _ = encode("a", vertex=True, task="document", dimensions=8, extra=extra)
    assert method == "predict"
    assert body == {
        "instances": [{"content": "a", "task_type": "RETRIEVAL_DOCUMENT", "title": "T"}],
        "parameters": {"outputDimensionality": 8, "autoTruncate": False},
    }
    assert encode("a", vertex=True)[1] == {"instances": [{"content": "a"}]}
    assert GeminiEmbeddings(vertex=True).batch_limit == 1
    assert GeminiEmbeddings(vertex=True, batch_limit=250).batch_limit == 250


def test_later_models_read_their_task_in_the_text():
    _, body, _ = encode("a", model="gemini-embedding-2", task="query")
    (request,) = body["requests"]
    assert request == {
        "model": "models/gemini-embedding-2",
        "content": {"parts": [{"text": "task: search result | query: a"}]},
    }
    method, body, _ = encode("a", model="gemini-embedding-2", vertex=True, dimensions=8)
    assert method == "embedContent"
    assert body == {"content": {"parts": [{"text": "a"}]}, "embedContentConfig": {"outputDimensionality": 8}}
    with pytest.raises(InvalidRequestError):
        encode("a", "b", model="gemini-embedding-2", vertex=True)


def test_tasks_are_known_by_either_name():
    assert encode("a", task="CODE_RETRIEVAL_QUERY")[1]["requests"][0]["taskType"] == "CODE_RETRIEVAL_QUERY"
    assert encode("a", task="similarity")[1]["requests"][0]["taskType"] == "SEMANTIC_SIMILARITY"


def test_what_cannot_be_carried_is_warned_of():
    assert encode("a", task="odd", user_id="u")[2] == ["task 'odd'", "user_id"]
    strict = EmbeddingRequest("a", user_id="u", context=CallContext(strict=True))
    with pytest.raises(UnsupportedFeatureError):
        GeminiEmbeddings().encode(strict, model="m")


def test_all_three_forms_of_answers_are_read():
    batch = decode({"embeddings": [{"values": [1, 2]}, {"values": [3, 4]}]}, 2)
    assert [list(vector) for vector in batch.vectors] == [[1, 2], [3, 4]]
    assert batch.usage.prompt_tokens is None
    single = decode({"embedding": {"values": [1]}, "usageMetadata": {"promptTokenCount": 11}})
    assert (single.usage.prompt_tokens, single.usage.total_tokens) == (11, 11)
    item = {"embeddings": {"values": [1.5], "statistics": {"token_count": 4.0, "truncated": False}}}
    predicted = decode({"predictions": [item, item], "metadata": {"billableCharacterCount": 9}}, 2)
    assert (predicted.usage.prompt_tokens, predicted.raw_usage) == (8, {"billableCharacterCount": 9})
    assert decode({"predictions": [{"embeddings": {"values": [1]}}]}).usage.prompt_tokens is None


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"embeddings": [{"values": [1]}, {"values": [1]}]},
        {"embeddings": [{"values": ["a"]}]},
        {"embeddings": [{"values": None}]},
        {"embeddings": 3},
        {"predictions": [3]},
        {"embedding": None},
    ],
    ids=str,
)
def test_what_is_not_the_vectors_asked_for_is_a_protocol_error(value):
    with pytest.raises(ProtocolError) as caught:
        decode(value)
    assert caught.value.kind == "schema"


def test_token_counts():
    assert decode_count(b'{"totalTokens": 12}') == 12
    assert decode_count(b'{"promptTokensDetails": []}') == 0
    with pytest.raises(ProtocolError):
        decode_count(b'{"totalTokens": "many"}')


def test_models_are_listed_page_by_page():
    assert encode_models().url == "/models?pageSize=1000"
    assert encode_models(page="a/b").url == "/models?pageSize=1000&pageToken=a%2Fb"
    assert encode_model("gemini-2.5-flash").url == "/models/gemini-2.5-flash"
    models, page = decode_models(b'{"models":[{"name":"models/a","displayName":"A"}],"nextPageToken":"n"}')
    assert ([model.id for model in models], models[0].raw["displayName"], page) == (["a"], "A", "n")
    models, page = decode_models(b'{"publisherModels":[{"name":"publishers/google/models/b"}]}')
    assert ([model.id for model in models], page) == (["b"], None)
    assert decode_model(b'{"name":"models/a"}').id == "a"
    for text in (b'{"models":3}', b'{"models":[{}]}'):
        with pytest.raises(ProtocolError):
            decode_models(text)
