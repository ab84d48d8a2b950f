"""What spans say of requests and answers, without their content."""

from __future__ import annotations

from typing import Final, TypeAlias

from ..context import CallEvent
from ..provider import ProviderInfo
from ..request import AnyRequest, ChatOptions, ChatRequest
from ..response import Attempt, ChatResponse, EmbeddingResponse
from ..secrets import MASK, living
from ._conventions import Name, provider_name, server

__all__ = ["Attributes", "asked", "asked_further", "ended", "happened", "operation_of", "told"]

_LONGEST: Final = 128
"""Characters of a name that a service gave."""

Value: TypeAlias = "str | bool | int | float | tuple[str, ...]"
Attributes: TypeAlias = "dict[str, Value]"

_OPTIONS: Final = (
    (Name.TEMPERATURE, "temperature"),
    (Name.MAX_TOKENS, "max_tokens"),
    (Name.TOP_P, "top_p"),
    (Name.TOP_K, "top_k"),
    (Name.SEED, "seed"),
    (Name.FREQUENCY_PENALTY, "frequency_penalty"),
    (Name.PRESENCE_PENALTY, "presence_penalty"),
)

_OUTPUT: Final = {"text": "text", "json": "json", "schema": "json"}

_SAFE_DETAILS: Final = frozenset({"breaker", "cache", "fallback", "hedge", "limit"})
"""Events whose detail is a word or a name of ours; that of others may quote an answer, or name a user."""


def operation_of(request: AnyRequest) -> str:
    """Return what the conventions call a request's operation."""
    return "chat" if isinstance(request, ChatRequest) else "embeddings"


def asked(info: ProviderInfo, model: str | None, operation: str) -> Attributes:
    """Return what a sampler may decide on."""
    attributes: Attributes = {Name.OPERATION: operation, Name.PROVIDER: provider_name(info.name, info.vendor)}
    if model is not None:
        attributes[Name.MODEL] = model
    address = server(info.origin) if info.origin is not None else None
    if address is not None:
        attributes[Name.SERVER_ADDRESS], attributes[Name.SERVER_PORT] = address
    return attributes


def asked_further(request: AnyRequest, info: ProviderInfo, *, stream: bool) -> Attributes:
    """Return what else a request says of the answer that is wanted."""
    attributes: Attributes = {Name.CONFIGURED: info.name}
    if not isinstance(request, ChatRequest):
        return attributes if request.dimensions is None else attributes | {Name.DIMENSIONS: request.dimensions}
    options = request.options
    attributes[Name.STREAM] = stream
    for name, member in _OPTIONS:
        value = getattr(options, member)
        if value is not None:
            attributes[name] = value
    return attributes | _further(options)


def _further(options: ChatOptions) -> Attributes:
    attributes: Attributes = {}
    if options.stop:
        attributes[Name.STOP] = options.stop
    if options.n is not None and options.n != 1:
        attributes[Name.CHOICES] = options.n
    if options.reasoning is not None and options.reasoning.effort is not None:
        attributes[Name.REASONING] = options.reasoning.effort
    if options.response_format is not None:
        attributes[Name.OUTPUT_TYPE] = _OUTPUT[options.response_format.kind]
    return attributes


def ended(attempt: Attempt, answer: ChatResponse | EmbeddingResponse | None) -> Attributes:
    """Return how an attempt ended, and what it used."""
    usage, cost = attempt.usage, attempt.cost
    found: dict[str, Value | None] = {
        Name.OUTCOME: attempt.outcome,
        Name.ERROR: attempt.category,
        Name.STATUS_CODE: attempt.status_code,
        Name.REQUEST_ID: told(attempt.request_id),
        Name.FIRST_OUTPUT: attempt.first_output,
        Name.INPUT_TOKENS: usage.prompt_tokens,
        Name.OUTPUT_TOKENS: usage.completion_tokens,
        Name.CACHE_READ_TOKENS: usage.cached_tokens,
        Name.CACHE_WRITE_TOKENS: usage.cache_write_tokens,
        Name.REASONING_TOKENS: usage.reasoning_tokens,
        Name.COST: None if cost is None else float(cost),
        Name.COST_ESTIMATED: True if cost is not None and cost.estimated else None,
    }
    if answer is not None:
        found[Name.RESPONSE_MODEL] = told(answer.model)
    if isinstance(answer, ChatResponse):
        found[Name.RESPONSE_ID] = told(answer.id)
        reasons = [answer.finish_reason, *(choice.finish_reason for choice in answer.alternatives)]
        found[Name.FINISH_REASONS] = tuple(reason for reason in reasons if reason is not None) or None
    return {name: value for name, value in found.items() if value is not None}


def told(name: str | None) -> str | None:
    """Return a name that a service gave, shortened; masked, if it repeats a key of ours.

    The whole of `redaction` takes 70 us, which is too much for three names of every attempt; encoded forms pass here.
    """
    if name is None:
        return None
    repeats = any(len(value := secret.reveal()) > 5 and value in name for secret in living())
    return MASK if repeats else name[:_LONGEST]


def happened(event: CallEvent) -> Attributes:
    """Return what a span event says of `event`."""
    found: dict[str, Value | None] = {
        Name.CONFIGURED: event.provider,
        Name.MODEL: told(event.model),
        Name.NUMBER: event.number,
        Name.CATEGORY: event.category,
        Name.DELAY: event.delay,
        Name.DETAIL: event.detail if event.kind in _SAFE_DETAILS else None,
    }
    return {name: value for name, value in found.items() if value is not None}
