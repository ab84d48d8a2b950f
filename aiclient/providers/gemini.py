"""Google's Gemini API, with a key of AI Studio's; Vertex AI is in `vertex`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from ..abilities import ListedModel
from ..context import Timeouts
from ..credentials import ApiKey, KeySource
from ..net.transport import HTTPLimits
from ..request import ChatRequest
from ..secrets import SecretStr
from ..wire.gemini import GeminiWire
from ..wire.gemini_embeddings import GeminiEmbeddings
from ..wire.gemini_tokens import decode_count, decode_models, encode_models
from ._endpoint import Endpoint
from ._http import HTTPProvider

__all__ = ["GeminiProvider"]

BASE_URL: Final = "https://generativelanguage.googleapis.com/v1beta"
_MOST_PAGES: Final = 100


class GeminiProvider(HTTPProvider):
    """Gemini's chat, embeddings and models. The key travels in a header, never in the URL.

    Args:
        api_key: A string, a SecretStr, or a sync or async callable; None reads `GOOGLE_API_KEY`, else `GEMINI_API_KEY`.
        model: Used by requests that name none.
        base_url: None reads `GOOGLE_GEMINI_BASE_URL`, else Google's own; the API's version is part of it.
        http_client: An `httpx.AsyncClient` to send through; it is never closed here.
        timeout: Seconds in all, or Timeouts; they only lower those of the call.
        limits: Connections and sizes; None is 100 connections at once, kept idle for 30 s.
        headers: Sent with every call.
        name: What it is called in errors and journals.
        allow_insecure: Whether the key may travel to another machine over plain http.
    """

    _OWN: ClassVar = ("generativelanguage.googleapis.com", "Google")

    def __init__(
        self,
        api_key: KeySource | None = None,
        *,
        model: str | None = None,
        base_url: str | None = None,
        http_client: Any = None,
        timeout: float | Timeouts | None = None,
        limits: HTTPLimits | None = None,
        headers: Mapping[str, str] | None = None,
        name: str = "gemini",
        allow_insecure: bool = False,
    ) -> None:
        self._wire = GeminiWire()
        address = base_url or os.environ.get("GOOGLE_GEMINI_BASE_URL") or BASE_URL
        variable = "GOOGLE_API_KEY" if os.environ.get("GOOGLE_API_KEY") else "GEMINI_API_KEY"
        super().__init__(
            name=name,
            endpoint=Endpoint(address, headers=headers, allow_insecure=allow_insecure),
            key=ApiKey(api_key, variable=variable, provider=name),
            vendor="google",
            model=model,
            chat=self._wire,
            embeddings=GeminiEmbeddings(),
            http_client=http_client,
            timeout=timeout,
            limits=limits,
        )

    async def count_tokens(self, request: ChatRequest, /) -> int:
        """Return the number of input tokens of `request`, as the service counts them; it answers nothing."""
        return await self._count(request, self._wire.encode_count, decode_count)

    async def list_models(self) -> tuple[ListedModel, ...]:
        """Return the models that the key may use."""
        found: list[ListedModel] = []
        page: str | None = None
        for _ in range(_MOST_PAGES):  # a service that repeats its pages must not keep us for ever
            models, page = decode_models(await self._get(encode_models(page=page)))
            found += models
            if page is None:
                break
        return tuple(found)

    def _auth(self, secret: SecretStr) -> list[tuple[str, str]]:
        return [("x-goog-api-key", secret.reveal())]
