"""Acme's models and house style for aiclient."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from attrs import evolve

from aiclient import (
    BaseProvider,
    ChatRequest,
    ChatResponse,
    ConfigError,
    EmbeddingRequest,
    EmbeddingResponse,
    Layer,
    Message,
    Provider,
    ProviderInfo,
    Usage,
)
from aiclient import ChatStream as _Stream

__all__ = ["AcmeProvider", "HouseStyle"]

Q = TypeVar("Q", bound=ChatRequest | EmbeddingRequest)
R = TypeVar("R", bound=ChatResponse | _Stream | EmbeddingResponse)


class AcmeProvider(BaseProvider):
    """Answers every question with the words that it was made with; a real one would send it somewhere.

    Args:
        model: Which of Acme's models.
        words: What it says. Default "Acme".
        name: What it is called in errors and journals.
    """

    def __init__(self, *, model: str | None = None, words: str = "Acme", name: str = "acme") -> None:
        if not words:
            raise ConfigError(f"words={words!r} must not be empty")
        self.name = name
        self.info = ProviderInfo(name, vendor="acme", model=model or "small")
        self._words = words

    async def chat(self, request: ChatRequest, /) -> ChatResponse:
        """Say the words."""
        return ChatResponse(
            Message("assistant", self._words), finish_reason="stop", usage=Usage(prompt_tokens=1, completion_tokens=1)
        )


class HouseStyle(Layer):
    """Add the house style to every request. A call and a stream alike; embeddings pass by. Place: outside a cache.

    Args:
        rule: What is put before the request's messages.
    """

    def __init__(self, rule: str = "Be brief.") -> None:
        self._rule = rule

    async def around(self, request: Q, inner: Provider, call_next: Callable[[Q], Awaitable[R]]) -> R:
        """Do the call with one message more."""
        if isinstance(request, ChatRequest):
            request = evolve(request, messages=(Message("system", self._rule), *request.messages))
        return await call_next(request)
