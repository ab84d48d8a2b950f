"""OpenAI's embeddings: requests encoded, vectors decoded.

"Create embeddings", OpenAI API reference (platform.openai.com/docs/api-reference/embeddings/create). Asked for as base64 where
the service has it: decoding that is twelve times faster than floats written out in JSON.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any

from ..errors import ProtocolError
from ..request import EmbeddingRequest, HTTPCall
from ..response import EmbeddingResponse
from .codec import Encoded
from .floats import vector
from .jsons import dumps, named
from .notes import Notes
from .openai_answer import json_object
from .openai_chat import extra_of
from .openai_usage import usage
from .profiles import OPENAI, Profile

__all__ = ["OpenAIEmbeddings"]


class OpenAIEmbeddings:
    """The codec; see `OpenAIChat` for the arguments."""

    def __init__(self, profile: Profile = OPENAI, *, origin: str | None = None) -> None:
        self.profile = profile
        self.origin = origin or profile.name

    @property
    def batch_limit(self) -> int:
        """How many texts one exchange may carry."""
        return self.profile.embeddings_limit

    def encode(self, request: EmbeddingRequest, /, *, model: str) -> Encoded:
        """Return the exchange that embeds the request's texts, and what it could not carry."""
        notes = Notes(self.origin, strict=request.context is not None and request.context.strict)
        body: dict[str, Any] = {"model": model, "input": list(request.input)}
        if self.profile.base64:
            body["encoding_format"] = "base64"
        if request.dimensions is not None:
            body[self.profile.dimensions] = request.dimensions
        if request.user_id is not None and "user_id" in self.profile.lacks:
            notes.unsupported("user_id")
        elif request.user_id is not None:
            body["user"] = request.user_id
        if request.task is not None:
            notes.unsupported("task")
        body.update(extra_of(request.extra, self.profile, self.origin))
        call = HTTPCall("POST", "/embeddings", [("Content-Type", "application/json")], dumps(body))
        return call, notes.taken()

    def decode(self, status: int, headers: Mapping[str, str], body: bytes, *, count: int) -> EmbeddingResponse:
        """Return the vectors that a body holds, in the order of the texts.

        Raises:
            ProtocolError: There are not `count` vectors, or they are not numbers (`kind="schema"`).
        """
        value = json_object(body)
        data = value.get("data")
        if not isinstance(data, list) or not all(isinstance(item, Mapping) for item in data):
            raise ProtocolError("the answer holds no list of embeddings", kind="schema")
        places = [item.get("index", place) for place, item in enumerate(data)]
        if sorted(places, key=str) != sorted(range(count), key=str):
            raise ProtocolError(f"of {count} embeddings {len(data)} came, or they are misnumbered", kind="schema")
        vectors: list[array[float]] = [array("f")] * count
        for place, item in zip(places, data, strict=True):
            vectors[place] = vector(item.get("embedding"))
        return EmbeddingResponse(vectors, model=named(value.get("model")), usage=usage(value.get("usage")), raw=value)
