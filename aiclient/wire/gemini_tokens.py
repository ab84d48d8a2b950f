"""Google's small answers: token counts and lists of models.

"countTokens", ai.google.dev/api/tokens; "models.list", ai.google.dev/api/models; Vertex's "publishers.models.list",
cloud.google.com/vertex-ai/docs/reference/rest/v1beta1/publishers.models/list (all read 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..abilities import ListedModel
from ..errors import ProtocolError
from ..request import HTTPCall
from .gemini import model_path
from .openai_answer import json_object

__all__ = ["decode_count", "decode_model", "decode_models", "encode_model", "encode_models"]


def decode_count(body: bytes) -> int:
    """Return the number of tokens that a body of countTokens tells; zero is not written."""
    total = json_object(body).get("totalTokens", 0)
    if type(total) is not int or total < 0:
        raise ProtocolError("totalTokens of the answer is not a number", kind="schema")
    return total


def encode_models(*, page: str | None = None) -> HTTPCall:
    """Return the exchange that asks for the models, or for the page of them that an earlier answer named."""
    return HTTPCall("GET", "/models?pageSize=1000" + (f"&pageToken={quote(page, safe='')}" if page else ""))


def encode_model(name: str) -> HTTPCall:
    """Return the exchange that asks for one model."""
    return HTTPCall("GET", model_path(name))


def decode_models(body: bytes) -> tuple[tuple[ListedModel, ...], str | None]:
    """Return the models that a body lists, and the name of the next page, if there is one."""
    value = json_object(body)
    listed = value.get("models", value.get("publisherModels", []))
    if not isinstance(listed, list):
        raise ProtocolError("the answer holds no list of models", kind="schema")
    page = value.get("nextPageToken")
    return tuple(_model(item) for item in listed), page if isinstance(page, str) and page else None


def decode_model(body: bytes) -> ListedModel:
    """Return the model that a body describes."""
    return _model(json_object(body))


def _model(item: Any) -> ListedModel:
    name = item.get("name") if isinstance(item, Mapping) else None
    if not isinstance(name, str):
        raise ProtocolError("a model of the answer has no name", kind="schema")
    return ListedModel(name.removeprefix("publishers/google/").removeprefix("models/"), raw=item)
