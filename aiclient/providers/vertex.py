"""Google's Vertex AI: Gemini and Anthropic's models in a project of one's own.

Addresses: "Google Cloud: Generative AI on Vertex AI locations" and "Use Claude models" (cloud.google.com/vertex-ai, read
2026-11).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from attrs import evolve

from ..context import Timeouts
from ..credentials import ApiKey
from ..errors import ConfigError
from ..net.transport import HTTPLimits
from ..request import ChatRequest, EmbeddingRequest
from ..secrets import SecretStr
from ..wire.anthropic import VERTEX, AnthropicWire
from ..wire.codec import ChatWire, Encoded
from ..wire.gemini import GeminiWire
from ..wire.gemini_embeddings import GeminiEmbeddings
from ..wire.gemini_tokens import decode_count
from ._endpoint import Endpoint
from ._google import token_of
from ._http import HTTPProvider

__all__ = ["VertexProvider"]

_MANY: Final = re.compile(r"(?:.*/)?(?:text-(?:multilingual-)?embedding-|textembedding-)")
"""Embedding models that take many texts at once, all before gemini-embedding-001 ("Get text embeddings", API limits,
cloud.google.com/vertex-ai/generative-ai/docs/embeddings/get-text-embeddings, read 2026-11; record ddba79e5ee28)."""
_MOST_TEXTS: Final = 250
_MOST_TOKENS: Final = 20_000
"""Of all texts of an exchange; taken as characters here, of which a token has at least one."""


class VertexProvider(HTTPProvider):
    """Chat and embeddings of Gemini models, and chat of Anthropic's (names that begin with `claude`), on Vertex AI.

    Args:
        project: The Google Cloud project; None reads `GOOGLE_CLOUD_PROJECT`.
        location: Such as `us-central1` or `global`; None reads `GOOGLE_CLOUD_LOCATION`, else is `global`.
        credentials: Credentials of google-auth, the path of a service account's file, or a sync or async callable that gives
            an access token; None takes the application-default credentials. They are refreshed on a thread, when they have
            expired or a token was refused.
        model: Used by requests that name none.
        base_url: Another address than the location's own.
        http_client: An `httpx.AsyncClient` to send through; it is never closed here.
        timeout: Seconds in all, or Timeouts; they only lower those of the call.
        limits: Connections and sizes; None is 100 connections at once, kept idle for 30 s.
        headers: Sent with every call.
        name: What it is called in errors and journals.
    """

    def __init__(
        self,
        project: str | None = None,
        location: str | None = None,
        *,
        credentials: Any = None,
        model: str | None = None,
        base_url: str | None = None,
        http_client: Any = None,
        timeout: float | Timeouts | None = None,
        limits: HTTPLimits | None = None,
        headers: Mapping[str, str] | None = None,
        name: str = "vertex",
    ) -> None:
        project = project or os.environ.get("GOOGLE_CLOUD_PROJECT")
        if not project:
            raise ConfigError("no Google Cloud project: pass project= or set GOOGLE_CLOUD_PROJECT")
        location = location or os.environ.get("GOOGLE_CLOUD_LOCATION") or "global"
        self._gemini = _Published(vertex=True)
        self._claude = AnthropicWire(VERTEX)
        super().__init__(
            name=name,
            endpoint=Endpoint(_address(base_url, project, location), headers=headers),
            key=ApiKey(token_of(credentials), provider=name),
            vendor="vertex",
            model=model,
            chat=self._gemini,
            embeddings=_PublishedEmbeddings(vertex=True),
            http_client=http_client,
            timeout=timeout,
            limits=limits,
        )

    def _wire_for(self, model: str) -> ChatWire:
        return self._claude if model.startswith("claude") else self._gemini

    def _doubts(self, secret: SecretStr) -> tuple[str, ...]:
        return ()  # an access token: Google's own, of whatever form

    def _batches(self, texts: Sequence[str], limit: int, model: str) -> Iterator[Sequence[str]]:
        if _MANY.match(model) is None:
            yield from super()._batches(texts, limit, model)
            return
        batch: list[str] = []
        size = 0
        for text in texts:
            size += len(text)
            if batch and (len(batch) == _MOST_TEXTS or size > _MOST_TOKENS):
                yield batch
                batch, size = [], len(text)
            batch.append(text)
        yield batch

    async def count_tokens(self, request: ChatRequest, /) -> int:
        """Return the number of input tokens of `request`, as the service counts them; it answers nothing."""
        if self._model_for(request).startswith("claude"):
            return await self._count(request, self._claude.encode_count, self._claude.decode_count)
        return await self._count(request, self._gemini.encode_count, decode_count)


def _address(base_url: str | None, project: str, location: str) -> str:
    host = (
        "https://aiplatform.googleapis.com" if location == "global" else f"https://{location}-aiplatform.googleapis.com"
    )
    root = (base_url or f"{host}/v1").rstrip("/")
    return f"{root}/projects/{quote(project, safe=':')}/locations/{quote(location, safe='')}"


def _published(encoded: Encoded) -> Encoded:
    """Put Google's own models where Vertex keeps them, beside those of other publishers."""
    call, warnings = encoded
    return evolve(call, url=f"/publishers/google{call.url}"), warnings


class _Published(GeminiWire):
    def encode(self, request: ChatRequest, /, *, model: str, stream: bool) -> Encoded:
        return _published(super().encode(request, model=model, stream=stream))

    def encode_count(self, request: ChatRequest, /, *, model: str) -> Encoded:
        return _published(super().encode_count(request, model=model))


class _PublishedEmbeddings(GeminiEmbeddings):
    def encode(self, request: EmbeddingRequest, /, *, model: str) -> Encoded:
        return _published(super().encode(request, model=model))
