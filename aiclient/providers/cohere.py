"""Cohere, by its own protocol."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from ..abilities import ListedModel
from ..context import Timeouts
from ..credentials import ApiKey, KeySource
from ..net.transport import HTTPLimits
from ..request import ChatRequest
from ..wire.cohere import CohereChat
from ..wire.cohere_embeddings import CohereEmbeddings
from ..wire.cohere_models import LONGEST_TEXT, decode_models, decode_tokens, encode_models, encode_tokens, texts_of
from ._endpoint import Endpoint
from ._http import HTTPProvider

__all__ = ["CohereProvider"]

BASE_URL: Final = "https://api.cohere.com"
_MOST_PAGES: Final = 100


class CohereProvider(HTTPProvider):
    """Cohere's chat, embeddings and models.

    Args:
        api_key: A string, a SecretStr, or a sync or async callable; None reads `CO_API_KEY`, else `COHERE_API_KEY`.
        model: Used by requests that name none.
        base_url: None reads `CO_API_URL`, else Cohere's own; the protocol's paths begin with the API's version.
        http_client: An `httpx.AsyncClient` to send through; it is never closed here.
        timeout: Seconds in all, or Timeouts; they only lower those of the call.
        limits: Connections and sizes; None is 100 connections at once, kept idle for 30 s.
        headers: Sent with every call.
        name: What it is called in errors and journals.
        allow_insecure: Whether the key may travel to another machine over plain http.
    """

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
        name: str = "cohere",
        allow_insecure: bool = False,
    ) -> None:
        address = (base_url or os.environ.get("CO_API_URL") or BASE_URL).rstrip("/")
        second = not os.environ.get("CO_API_KEY") and os.environ.get("COHERE_API_KEY")
        super().__init__(
            name=name,
            endpoint=Endpoint(
                address.removesuffix("/v1").removesuffix("/v2"), headers=headers, allow_insecure=allow_insecure
            ),
            key=ApiKey(api_key, variable="COHERE_API_KEY" if second else "CO_API_KEY", provider=name),
            vendor="cohere",
            model=model,
            chat=CohereChat(),
            embeddings=CohereEmbeddings(),
            http_client=http_client,
            timeout=timeout,
            limits=limits,
        )

    async def count_tokens(self, request: ChatRequest, /) -> int:
        """Return the number of tokens of the texts of `request`; tools, images and what Cohere adds are not in it."""
        text, model = texts_of(request.messages), self._model_for(request)
        pieces = [text[start : start + LONGEST_TEXT] for start in range(0, len(text), LONGEST_TEXT)]
        return sum([decode_tokens(await self._get(encode_tokens(piece, model=model))) for piece in pieces])

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
