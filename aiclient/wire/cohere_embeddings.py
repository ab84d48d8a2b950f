"""Cohere's embeddings: requests encoded, vectors decoded.

"Embed", API v2 (docs.cohere.com/reference/embed, read 2026-11). Asked for as floats: the page does not say in which byte order
base64 comes, and no recording has it; who asks for it in `extra` gets it read as 32-bit floats, low byte first, as vLLM's
implementation of the same protocol writes them.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve

from ..errors import ProtocolError
from ..request import EmbeddingRequest, HTTPCall
from ..response import EmbeddingResponse, Usage
from .codec import Encoded
from .cohere_parts import ORIGIN, usage
from .floats import vector
from .jsons import dumps
from .notes import Notes
from .openai_answer import json_object

__all__ = ["CohereEmbeddings"]

_TASKS: Final = {"query": "search_query", "document": "search_document"}
"""Our words that Cohere spells otherwise; its own pass as they are."""


class CohereEmbeddings:
    """The codec; a task must be named, so that of requests without one is `document`."""

    @property
    def batch_limit(self) -> int:
        """Texts of one exchange, by the page above."""
        return 96

    def encode(self, request: EmbeddingRequest, /, *, model: str) -> Encoded:
        """Return the exchange that embeds the request's texts, and what it could not carry."""
        notes = Notes(ORIGIN, strict=request.context is not None and request.context.strict)
        task = request.task or "document"
        body: dict[str, Any] = {
            "model": model,
            "texts": list(request.input),
            "input_type": _TASKS.get(task, task),
            "embedding_types": ["float"],
        }
        if request.dimensions is not None:
            body["output_dimension"] = request.dimensions
        if request.user_id is not None:
            notes.unsupported("user_id")
        body.update(request.extra.get(ORIGIN, {}))
        return HTTPCall("POST", "/v2/embed", [("Content-Type", "application/json")], dumps(body)), notes.taken()

    def decode(self, status: int, headers: Mapping[str, str], body: bytes, *, count: int) -> EmbeddingResponse:
        """Return the vectors that a body holds: of several types the finest.

        Raises:
            ProtocolError: There are not `count` vectors, or they are not numbers (`kind="schema"`).
        """
        value = json_object(body)
        vectors = _vectors(value.get("embeddings"))
        if len(vectors) != count:
            raise ProtocolError(f"of {count} embeddings {len(vectors)} came", kind="schema")
        return EmbeddingResponse(vectors, usage=_usage(value.get("meta")), raw=value)


def _vectors(embeddings: Any) -> list[array[float]]:
    """Read a list of vectors (API v1), or an object with a list for each type that was asked for."""
    if isinstance(embeddings, Mapping):
        types = ("float", "base64", "int8", "uint8", "binary", "ubinary")
        embeddings = next((embeddings[name] for name in types if embeddings.get(name)), None)
    if not isinstance(embeddings, list):
        raise ProtocolError("the answer holds no list of embeddings", kind="schema")
    return [vector(item) for item in embeddings]


def _usage(meta: Any) -> Usage:
    """Return the counts of `meta`, which has the form of a chat's usage; without `tokens` what is billed counts."""
    counted = usage(meta)
    if counted.raw_usage is None:
        return counted
    return evolve(counted, completion_tokens=None, total_tokens=counted.prompt_tokens)
