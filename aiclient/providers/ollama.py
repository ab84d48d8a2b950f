"""Ollama, by its own protocol."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from ..abilities import ListedModel
from ..context import Timeouts
from ..credentials import ApiKey, KeySource
from ..net.transport import HTTPLimits
from ..wire.ollama import OllamaChat, OllamaEmbeddings, decode_models, encode_models
from ._endpoint import Endpoint
from ._http import HTTPProvider

__all__ = ["OllamaProvider"]

BASE_URL: Final = "http://127.0.0.1:11434"


class OllamaProvider(HTTPProvider):
    """Chat, embeddings and models of an Ollama server.

    Args:
        base_url: None reads `OLLAMA_BASE_URL`, else this machine's port 11434.
        model: Used by requests that name none.
        api_key: For a server behind a gateway; None sends none.
        http_client: An `httpx.AsyncClient` to send through; it is never closed here.
        timeout: Seconds in all, or Timeouts; they only lower those of the call.
        limits: Connections and sizes; None is 100 connections at once, kept idle for 30 s.
        headers: Sent with every call.
        name: What it is called in errors and journals.
        allow_insecure: Whether a key may travel to another machine over plain http.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        model: str | None = None,
        api_key: KeySource | None = None,
        http_client: Any = None,
        timeout: float | Timeouts | None = None,
        limits: HTTPLimits | None = None,
        headers: Mapping[str, str] | None = None,
        name: str = "ollama",
        allow_insecure: bool = False,
    ) -> None:
        address = base_url or os.environ.get("OLLAMA_BASE_URL") or BASE_URL
        super().__init__(
            name=name,
            # The address of its compatible surface, which other libraries want in the same variable, leads here too.
            endpoint=Endpoint(address.rstrip("/").removesuffix("/v1"), headers=headers, allow_insecure=allow_insecure),
            key=ApiKey(api_key, provider=name, optional=True),
            vendor="ollama",
            model=model,
            chat=OllamaChat(),
            embeddings=OllamaEmbeddings(),
            http_client=http_client,
            timeout=timeout,
            limits=limits,
        )

    async def list_models(self) -> tuple[ListedModel, ...]:
        """Return the models that were pulled to the server."""
        return decode_models(await self._get(encode_models()))
