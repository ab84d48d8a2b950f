"""Estimates of a request's input tokens, for whoever has to decide before the service has counted.

A tokenizer of every vendor would be exact, slow and large; the bytes of the text, divided by what is typical of the model's
family, are close enough for a limiter, which settles on the real count afterwards. Who needs to be exact brings a counter.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from attrs import evolve

from .errors import ConfigError
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
from .request import AnyRequest, ChatRequest, EmbeddingRequest
from .tokenizers import OTHER, Family, family

__all__ = ["TokenCounter", "count", "estimate", "estimate_message"]

TokenCounter: TypeAlias = Callable[[AnyRequest], int]
"""Says how many input tokens a request has: `estimate`, or an exact counter of one's own. `count` asks it, with the model that
would be asked in the request, also where its caller has named none."""

OF_A_MESSAGE: Final = OTHER.message
"""Tokens that role and separators take, where the model's family is not known."""

OF_MEDIA: Final[dict[type[MediaPart], int]] = {ImagePart: 1000, AudioPart: 2000, VideoPart: 10_000, DocumentPart: 5000}
"""Tokens of one attachment, by rule of thumb: none of them tells its length without being decoded."""


def count(request: AnyRequest, *, model: str | None = None, counter: TokenCounter | None = None) -> int:
    """Return the input tokens of `request`, as `counter` says: the one way in which this library asks one.

    Args:
        request: What would be asked.
        model: The model that would be asked, unless the request names one.
        counter: An exact counter; None estimates.

    Raises:
        ConfigError: The counter returned something else than a whole number of at least 0.
    """
    if counter is None or counter is estimate:
        return estimate(request, model=model)
    if request.model is None and model is not None:
        request = _named(request, model)
    tokens: object = counter(request)
    if type(tokens) is not int or tokens < 0:
        raise ConfigError(f"the token counter returned {tokens!r}: it must return a whole number of at least 0")
    return tokens


def estimate(request: AnyRequest, *, model: str | None = None) -> int:
    """Estimate the input tokens of a chat or embedding request: messages, tools and answer schema; never below 1.

    Args:
        request: What would be asked.
        model: The model that would be asked, unless the request names one: its family decides. None: four bytes to a token.

    Example:
        >>> estimate(ChatRequest([Message("user", "What is the capital of France?")]))
        12
        >>> estimate(ChatRequest([Message("user", "What is the capital of France?")]), model="gpt-5.4-mini")
        14
    """
    rates = family(request.model or model)
    if isinstance(request, EmbeddingRequest):
        return max(1, math.ceil(sum(map(_length, request.input)) / rates.text))
    options = request.options
    tokens = rates.once + rates.message * len(request.messages) + _of_parts(request.messages, rates)
    if options.tools:
        length = sum(_length(t.name) + _length(t.description) + _json_length(t.parameters) for t in options.tools)
        tokens += rates.tools + rates.tool * len(options.tools) + length / rates.data
    wanted = options.response_format
    if wanted is not None and wanted.schema is not None and rates.schema is not None:
        tokens += rates.schema + _json_length(wanted.schema) / rates.data
    return max(1, math.ceil(tokens))


def estimate_message(message: Message, *, model: str | None = None) -> int:
    """Estimate the tokens of what a message holds, such as the part of an answer that came before a stream broke off."""
    return math.ceil(_of_parts((message,), family(model)))


def _named(request: AnyRequest, model: str) -> AnyRequest:
    if isinstance(request, ChatRequest):
        return evolve(request, options=evolve(request.options, model=model))
    return evolve(request, model=model)


def _of_parts(messages: Iterable[Message], rates: Family) -> float:
    return sum(_of_part(part, rates) for message in messages for part in message.parts)


def _of_part(part: Part, rates: Family) -> float:
    if isinstance(part, (TextPart, RefusalPart, ReasoningPart)):
        return _length(part.text) / rates.text
    if isinstance(part, ToolCall):
        return rates.call + (_length(part.name) + _length(part.arguments)) / rates.data
    if isinstance(part, ToolResultPart):
        return sum(_of_part(inner, rates) for inner in part.content)
    if isinstance(part, OpaquePart):
        return _json_length(part.data) / rates.data
    if part.data is not None and (part.media_type or "").startswith("text/"):
        return len(part.data) / rates.text
    return OF_MEDIA[type(part)]


def _length(text: str) -> int:
    """Return the number of UTF-8 bytes; ASCII text, the usual case, is not encoded for it."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _json_length(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, default=str))
