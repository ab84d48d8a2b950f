"""OpenAI's list of models.

"List models", OpenAI API reference (platform.openai.com/docs/api-reference/models/list).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..abilities import ListedModel
from ..errors import ProtocolError
from ..request import HTTPCall
from .openai_answer import json_object
from .openai_usage import moment

__all__ = ["decode_model", "decode_models", "encode_model", "encode_models"]


def encode_models() -> HTTPCall:
    """Return the exchange that asks for all models."""
    return HTTPCall("GET", "/models")


def encode_model(name: str) -> HTTPCall:
    """Return the exchange that asks for one model."""
    return HTTPCall("GET", f"/models/{quote(name, safe='')}")


def decode_models(body: bytes) -> tuple[ListedModel, ...]:
    """Return the models that a body lists, in its order (Together sends the list itself)."""
    stripped = body.lstrip()
    value = json_object(b'{"data":%b}' % stripped if stripped[:1] == b"[" else body)
    data = value.get("data")
    if not isinstance(data, list):
        raise ProtocolError("the answer holds no list of models", kind="schema")
    return tuple(_model(item) for item in data)


def decode_model(body: bytes) -> ListedModel:
    """Return the model that a body describes."""
    return _model(json_object(body))


def _model(item: Any) -> ListedModel:
    if not isinstance(item, Mapping) or not isinstance(item.get("id"), str):
        raise ProtocolError("a model of the answer has no id", kind="schema")
    owner = item.get("owned_by")
    return ListedModel(item["id"], moment(item.get("created")), owner if isinstance(owner, str) else None, item)
