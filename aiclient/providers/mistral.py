"""Mistral: OpenAI's protocol, with differences that its profile names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..abilities import ListedModel
from ..context import Timeouts
from ..credentials import ApiKey, KeySource
from ..net.transport import HTTPLimits
from ..wire.openai_chat import OpenAIChat
from ..wire.openai_embeddings import OpenAIEmbeddings
from ..wire.openai_models import decode_model, decode_models, encode_model, encode_models
from ..wire.profiles import PROFILES
from ._endpoint import Endpoint
from ._http import HTTPProvider

__all__ = ["MistralProvider"]

BASE_URL: Final = "https://api.mistral.ai/v1"


class MistralProvider(HTTPProvider):
    """Mistral's chat, embeddings and models.

    A conversation that ends with the assistant's words is one to go on from (`prefix`). What only Mistral has goes into
    `extra("mistral", ...)`: `safe_prompt`, `prediction`, `prompt_mode`, `guardrails`.

    Args:
        api_key: A string, a SecretStr, or a sync or async callable; None reads `MISTRAL_API_KEY`.
        model: Used by requests that name none.
        base_url: None is Mistral's own.
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
        name: str = "mistral",
        allow_insecure: bool = False,
    ) -> None:
        profile = PROFILES["mistral"]
        super().__init__(
            name=name,
            endpoint=Endpoint(base_url or BASE_URL, headers=headers, allow_insecure=allow_insecure),
            key=ApiKey(api_key, variable="MISTRAL_API_KEY", provider=name),
            vendor="mistral",
            model=model,
            chat=OpenAIChat(profile),
            embeddings=OpenAIEmbeddings(profile),
            http_client=http_client,
            timeout=timeout,
            limits=limits,
        )

    async def list_models(self) -> tuple[ListedModel, ...]:
        """Return the models that the key may use."""
        return decode_models(await self._get(encode_models()))

    async def get_model(self, name: str) -> ListedModel:
        """Return one model; ModelNotFoundError if the key may not use it or there is none."""
        return decode_model(await self._get(encode_model(name)))
