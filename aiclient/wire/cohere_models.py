"""Cohere's lists of models, and its tokenizer.

"List models" and "Tokenize", API v1, of which there is no v2 (docs.cohere.com/reference/list-models and .../tokenize, read
2026-11).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

from ..abilities import ListedModel
from ..errors import ProtocolError
from ..messages import Message, TextPart, ToolCall, ToolResultPart
from ..request import HTTPCall
from .jsons import dumps
from .openai_answer import json_object

__all__ = ["LONGEST_TEXT", "decode_models", "decode_tokens", "encode_models", "encode_tokens", "texts_of"]

LONGEST_TEXT: Final = 65_536
"""Characters that the tokenizer takes at once."""


def encode_models(*, page: str | None = None) -> HTTPCall:
    """Return the exchange that asks for the models, or for the page of them that an earlier answer named."""
    more = f"&page_token={quote(page, safe='')}" if page else ""
    return HTTPCall("GET", f"/v1/models?page_size=1000{more}")


def decode_models(body: bytes) -> tuple[tuple[ListedModel, ...], str | None]:
    """Return the models that a body lists, and the token of the next page, if there is one."""
    value = json_object(body)
    listed = value.get("models")
    if not isinstance(listed, list):
        raise ProtocolError("the answer holds no list of models", kind="schema")
    page = value.get("next_page_token")
    return tuple(_model(item) for item in listed), page if isinstance(page, str) and page else None


def _model(item: Any) -> ListedModel:
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
        raise ProtocolError("a model of the answer has no name", kind="schema")
    return ListedModel(item["name"], raw=item)


def texts_of(messages: Iterable[Message]) -> str:
    """Return what can be tokenized of a conversation: its texts, a line each."""
    return "\n".join(text for message in messages for text in _texts(message))


def _texts(message: Message) -> Iterable[str]:
    for part in message.parts:
        if isinstance(part, TextPart):
            yield part.text
        elif isinstance(part, ToolCall):
            yield f"{part.name} {part.arguments}"
        elif isinstance(part, ToolResultPart):
            yield from (inner.text for inner in part.content if isinstance(inner, TextPart))


def encode_tokens(text: str, *, model: str) -> HTTPCall:
    """Return the exchange that tokenizes `text`."""
    body = dumps({"model": model, "text": text})
    return HTTPCall("POST", "/v1/tokenize", [("Content-Type", "application/json")], body)


def decode_tokens(body: bytes) -> int:
    """Return the number of tokens of the text."""
    tokens = json_object(body).get("tokens")
    if not isinstance(tokens, list):
        raise ProtocolError("the answer holds no list of tokens", kind="schema")
    return len(tokens)
