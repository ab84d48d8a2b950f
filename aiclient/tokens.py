"""Estimates of a request's input tokens, for whoever has to decide before the service has counted.

A tokenizer of every vendor would be exact, slow and large; the bytes of the text, divided by what is typical, are close
enough for a limiter, which settles on the real count afterwards.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Final, TypeAlias

from .messages import (
    AudioPart,
    DocumentPart,
    ImagePart,
    MediaPart,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolResultPart,
    VideoPart,
)
from .request import AnyRequest, EmbeddingRequest

__all__ = ["TokenCounter", "estimate", "estimate_message"]

TokenCounter: TypeAlias = Callable[[AnyRequest], int]
"""Says how many input tokens a request has; `estimate`, or an exact counter of one's own."""

BYTES_PER_TOKEN: Final = 4.0
"""Of UTF-8: English has four characters to a token, Chinese about one, of three bytes."""

OF_A_MESSAGE: Final = 4
"""Tokens that role and separators take."""

OF_MEDIA: Final[dict[type[MediaPart], int]] = {ImagePart: 1000, AudioPart: 2000, VideoPart: 10_000, DocumentPart: 5000}
"""Tokens of one attachment, by rule of thumb: none of them tells its length without being decoded."""


def estimate(request: AnyRequest) -> int:
    """Estimate the input tokens of a chat or embedding request: messages, tools and answer schema; never below 1.

    Example:
        >>> estimate(ChatRequest([Message("user", "What is the capital of France?")]))
        12
    """
    if isinstance(request, EmbeddingRequest):
        return max(1, math.ceil(sum(_length(text) for text in request.input) / BYTES_PER_TOKEN))
    options = request.options
    length = sum(
        _length(tool.name) + _length(tool.description) + _json_length(tool.parameters) for tool in options.tools
    )
    if options.response_format is not None and options.response_format.schema is not None:
        length += _json_length(options.response_format.schema)
    tokens = OF_A_MESSAGE * len(request.messages) + sum(map(estimate_message, request.messages))
    return max(1, tokens + math.ceil(length / BYTES_PER_TOKEN))


def estimate_message(message: Message) -> int:
    """Estimate the tokens of what a message holds, such as the part of an answer that came before a stream broke off."""
    return sum(map(_of_part, message.parts))


def _of_part(part: Part) -> int:
    if isinstance(part, (TextPart, RefusalPart, ReasoningPart)):
        length = _length(part.text)
    elif isinstance(part, ToolCall):
        length = _length(part.name) + _length(part.arguments)
    elif isinstance(part, ToolResultPart):
        return sum(map(_of_part, part.content))
    elif isinstance(part, OpaquePart):
        length = _json_length(part.data)
    elif part.data is not None and (part.media_type or "").startswith("text/"):
        length = len(part.data)
    else:
        return OF_MEDIA[type(part)]
    return math.ceil(length / BYTES_PER_TOKEN)


def _length(text: str) -> int:
    """Return the number of UTF-8 bytes; ASCII text, the usual case, is not encoded for it."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _json_length(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, default=str))
