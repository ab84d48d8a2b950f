"""Anthropic's list of models.

"List models", Anthropic API reference (platform.claude.com/docs/en/api/models/list, 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from ..abilities import ListedModel
from ..errors import ProtocolError
from ..request import HTTPCall
from .openai_answer import json_object

__all__ = ["decode_model", "decode_models", "encode_model", "encode_models"]

_HEADERS: Final = (("anthropic-version", "2023-06-01"),)
_PAGE: Final = 1000
"""The longest page there is."""


def encode_models(*, after: str | None = None) -> HTTPCall:
    """Return the exchange that asks for the models, or for those that follow the model `after`."""
    more = f"&after_id={quote(after, safe='')}" if after else ""
    return HTTPCall("GET", f"/v1/models?limit={_PAGE}{more}", _HEADERS)


def encode_model(name: str) -> HTTPCall:
    """Return the exchange that asks for one model."""
    return HTTPCall("GET", f"/v1/models/{quote(name, safe='')}", _HEADERS)


def decode_models(body: bytes) -> tuple[tuple[ListedModel, ...], str | None]:
    """Return the models that a body lists, in its order, and what to ask for more with; None at the end."""
    value = json_object(body)
    data = value.get("data")
    if not isinstance(data, list):
        raise ProtocolError("the answer holds no list of models", kind="schema")
    models = tuple(_model(item) for item in data)
    last = value.get("last_id") if value.get("has_more") and models else None
    return models, last if isinstance(last, str) else None


def decode_model(body: bytes) -> ListedModel:
    """Return the model that a body describes."""
    return _model(json_object(body))


def _model(item: Any) -> ListedModel:
    if not isinstance(item, Mapping) or not isinstance(item.get("id"), str):
        raise ProtocolError("a model of the answer has no id", kind="schema")
    return ListedModel(item["id"], _moment(item.get("created_at")), "anthropic", item)


def _moment(text: Any) -> datetime | None:
    """Read an RFC 3339 moment; "may be set to an epoch value if the release date is unknown"."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return moment if moment.timestamp() > 0 else None
