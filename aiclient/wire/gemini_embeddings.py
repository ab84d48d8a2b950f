"""Google's embeddings: requests encoded, vectors decoded.

"Embeddings", ai.google.dev/api/embeddings (v1beta); Vertex's "Text embeddings API",
cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api (both read 2026-11). The Gemini API takes
batches (`batchEmbedContents`). Vertex takes instances (`predict`), but one content at a time for the models of
gemini-embedding-2 on (`embedContent`, record 7ce0a4189940).
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve

from ..errors import InvalidRequestError, ProtocolError
from ..request import EmbeddingRequest, HTTPCall
from ..response import EmbeddingResponse, Usage
from .codec import Encoded
from .counts import Counts
from .gemini import JSON_HEADERS, extra_of, model_path
from .gemini_usage import usage
from .jsons import dumps
from .notes import Notes
from .openai_answer import json_object

__all__ = ["GeminiEmbeddings"]

Json = dict[str, Any]

_LARGEST_BATCH: Final = 100
"""Requests in one batch: the service says "at most 100 requests can be in one batch"."""

_TASKS: Final = {
    "query": "RETRIEVAL_QUERY",
    "document": "RETRIEVAL_DOCUMENT",
    "similarity": "SEMANTIC_SIMILARITY",
    "classification": "CLASSIFICATION",
    "clustering": "CLUSTERING",
    "question_answering": "QUESTION_ANSWERING",
    "fact_verification": "FACT_VERIFICATION",
    "code_query": "CODE_RETRIEVAL_QUERY",
}

_LATER: Final = re.compile(r"(?:.*/)?gemini-embedding-[2-9]")
"""Models that read their task in the text instead of a field ("Embeddings", ai.google.dev/gemini-api/docs/embeddings)."""

_PREFIXES: Final = {
    "RETRIEVAL_QUERY": "task: search result | query: ",
    "RETRIEVAL_DOCUMENT": "title: none | text: ",
    "SEMANTIC_SIMILARITY": "task: sentence similarity | query: ",
    "CLASSIFICATION": "task: classification | query: ",
    "CLUSTERING": "task: clustering | query: ",
    "QUESTION_ANSWERING": "task: question answering | query: ",
    "FACT_VERIFICATION": "task: fact checking | query: ",
    "CODE_RETRIEVAL_QUERY": "task: code retrieval | query: ",
}


class GeminiEmbeddings:
    """The codec.

    Args:
        vertex: Whether this is Vertex AI.
        origin: Namespace of `extra` that is read besides `gemini`.
        batch_limit: Texts that one exchange may carry; None is what every model of the service takes: 100 of the Gemini API,
            1 of Vertex (its older models, text-embedding-005 and before, take 250).
    """

    def __init__(self, *, vertex: bool = False, origin: str | None = None, batch_limit: int | None = None) -> None:
        self.vertex = vertex
        self.origin = origin or ("vertex" if vertex else "google")
        self._limit = batch_limit or (1 if vertex else _LARGEST_BATCH)

    @property
    def batch_limit(self) -> int:
        """How many texts one exchange may carry."""
        return self._limit

    def encode(self, request: EmbeddingRequest, /, *, model: str) -> Encoded:
        """Return the exchange that embeds the request's texts, and what it could not carry."""
        notes = Notes(self.origin, strict=request.context is not None and request.context.strict)
        task = self._task(request, notes)
        if request.user_id is not None:
            notes.unsupported("user_id")
        texts = list(request.input)
        if task is not None and _LATER.match(model):
            texts, task = [_PREFIXES[task] + text for text in texts], None
        extra = extra_of(request.extra, self.origin, vertex=self.vertex)
        if not self.vertex:
            method, body = "batchEmbedContents", self._batch(texts, task, request, model, extra)
        elif _LATER.match(model):
            method, body = "embedContent", self._single(texts, request, extra)
        else:
            method, body = "predict", self._instances(texts, task, request, extra)
        return HTTPCall("POST", f"{model_path(model)}:{method}", JSON_HEADERS, dumps(body)), notes.taken()

    def _task(self, request: EmbeddingRequest, notes: Notes) -> str | None:
        if request.task is None:
            return None
        word = request.task
        task = _TASKS.get(word.lower()) or (word.upper() if word.upper() in _PREFIXES else None)
        if task is None:
            notes.unsupported(f"task {word!r}", f"it was left out; known are {', '.join(_TASKS)}")
        return task

    def _batch(self, texts: list[str], task: str | None, request: EmbeddingRequest, model: str, extra: Json) -> Json:
        common: Json = {"model": model_path(model)[1:]}
        if task is not None:
            common["taskType"] = task
        if request.dimensions is not None:
            common["outputDimensionality"] = request.dimensions
        return {"requests": [{**common, "content": {"parts": [{"text": text}]}, **extra} for text in texts]}

    def _single(self, texts: list[str], request: EmbeddingRequest, extra: Json) -> Json:
        if len(texts) != 1:
            raise InvalidRequestError(f"this model takes one text in an exchange, not {len(texts)}; set batch_limit=1")
        config = {**({"outputDimensionality": request.dimensions} if request.dimensions is not None else {}), **extra}
        return {"content": {"parts": [{"text": texts[0]}]}, **({"embedContentConfig": config} if config else {})}

    def _instances(self, texts: list[str], task: str | None, request: EmbeddingRequest, extra: Json) -> Json:
        settings = dict(extra)
        each: Json = {"task_type": task} if task is not None else {}
        if "title" in settings:
            each["title"] = settings.pop("title")
        if request.dimensions is not None:
            settings = {"outputDimensionality": request.dimensions, **settings}
        body: Json = {"instances": [{**each, "content": text} for text in texts]}
        return {**body, "parameters": settings} if settings else body

    def decode(self, status: int, headers: Mapping[str, str], body: bytes, *, count: int) -> EmbeddingResponse:
        """Return the vectors that a body holds, in the order of the texts; any of the three forms is read.

        Raises:
            ProtocolError: There are not `count` vectors, or they are not numbers (`kind="schema"`).
        """
        value = json_object(body)
        predictions = value.get("predictions")
        if isinstance(predictions, list):
            found = [item.get("embeddings") if isinstance(item, Mapping) else None for item in predictions]
        elif "embedding" in value:
            found = [value["embedding"]]
        else:
            embeddings = value.get("embeddings")
            found = embeddings if isinstance(embeddings, list) else []
        if len(found) != count:
            raise ProtocolError(f"of {count} embeddings {len(found)} came", kind="schema")
        counted = _counted(found, value) if predictions else _told(value)
        return EmbeddingResponse([_vector(item) for item in found], usage=counted, raw=value)


def _vector(item: Any) -> array[float]:
    values = item.get("values") if isinstance(item, Mapping) else None
    if isinstance(values, list):
        try:
            return array("f", values)
        except (TypeError, OverflowError):
            pass
    raise ProtocolError("an embedding of the answer is not a list of numbers", kind="schema")


def _told(value: Mapping[str, Any]) -> Usage:
    """Read `usageMetadata`, which gemini-embedding-2 gives; there is no output, so the total is the prompt."""
    raw = value.get("usageMetadata")
    counted = usage(raw)
    total = counted.prompt_tokens if counted.total_tokens is None else counted.total_tokens
    return evolve(counted, completion_tokens=None, total_tokens=total)


def _counted(found: list[Any], value: Mapping[str, Any]) -> Usage:
    """Add up the tokens that Vertex counts for each text; some versions write them as floats."""
    counts = Counts(_metadata(value))
    told: list[int | None] = []
    for item in found:
        statistics = item.get("statistics") if isinstance(item, Mapping) else None
        told.append(
            counts.get("token_count", "prompt_tokens", inner=statistics if isinstance(statistics, Mapping) else {})
        )
    total = None if None in told else counts.total("prompt_tokens", *told)
    return counts.usage(prompt=total, total=total)


def _metadata(value: Mapping[str, Any]) -> Mapping[str, Any]:
    raw = value.get("metadata")
    return raw if isinstance(raw, Mapping) else {}
