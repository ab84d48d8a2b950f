"""OpenAI."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, Literal

from ..abilities import ListedModel
from ..context import Timeouts
from ..credentials import ApiKey, KeySource
from ..errors import ConfigError, UnsupportedFeatureError
from ..net.transport import HTTPLimits
from ..request import ChatRequest
from ..wire.openai_chat import OpenAIChat
from ..wire.openai_embeddings import OpenAIEmbeddings
from ..wire.openai_models import decode_model, decode_models, encode_model, encode_models
from ..wire.responses import ResponsesWire
from ._endpoint import Endpoint
from ._http import HTTPProvider

__all__ = ["OpenAIProvider"]

BASE_URL: Final = "https://api.openai.com/v1"


class OpenAIProvider(HTTPProvider):
    """OpenAI's chat, Responses, embeddings and models.

    Args:
        api_key: A string, a SecretStr, or a sync or async callable; None reads `OPENAI_API_KEY` at the first call.
        model: Used by requests that name none.
        base_url: None reads `OPENAI_BASE_URL`, else OpenAI's own.
        api: The protocol: `chat` (chat completions) or `responses`.
        organization: None reads `OPENAI_ORG_ID`.
        project: None reads `OPENAI_PROJECT_ID`.
        http_client: An `httpx.AsyncClient` to send through; it is never closed here.
        timeout: Seconds in all, or Timeouts; they only lower those of the call.
        limits: Connections and sizes; None is 100 connections at once, kept idle for 30 s.
        headers: Sent with every call.
        name: What it is called in errors and journals.
        allow_insecure: Whether the key may travel to another machine over plain http.
    """

    _OWN: ClassVar = ("api.openai.com", "OpenAI")

    def __init__(
        self,
        api_key: KeySource | None = None,
        *,
        model: str | None = None,
        base_url: str | None = None,
        api: Literal["chat", "responses"] = "chat",
        organization: str | None = None,
        project: str | None = None,
        http_client: Any = None,
        timeout: float | Timeouts | None = None,
        limits: HTTPLimits | None = None,
        headers: Mapping[str, str] | None = None,
        name: str = "openai",
        allow_insecure: bool = False,
    ) -> None:
        if api not in ("chat", "responses"):
            raise ConfigError(f"api={api!r} must be 'chat' or 'responses'")
        self._responses = ResponsesWire() if api == "responses" else None
        identity = {
            "OpenAI-Organization": organization or os.environ.get("OPENAI_ORG_ID"),
            "OpenAI-Project": project or os.environ.get("OPENAI_PROJECT_ID"),
        }
        own = {header: value for header, value in identity.items() if value}
        super().__init__(
            name=name,
            endpoint=Endpoint(
                base_url or os.environ.get("OPENAI_BASE_URL") or BASE_URL,
                headers={**own, **(headers or {})},
                allow_insecure=allow_insecure,
            ),
            key=ApiKey(api_key, variable="OPENAI_API_KEY", provider=name),
            vendor="openai",
            model=model,
            chat=self._responses or OpenAIChat(),
            embeddings=OpenAIEmbeddings(),
            http_client=http_client,
            timeout=timeout,
            limits=limits,
        )

    async def count_tokens(self, request: ChatRequest, /) -> int:
        """Return the number of input tokens of `request`, as the service counts them; it answers nothing.

        Raises:
            UnsupportedFeatureError: Only the Responses API counts (`api="responses"`).
        """
        if self._responses is None:
            raise UnsupportedFeatureError("OpenAI counts tokens through api='responses' only", provider=self.name)
        wire = self._responses
        return await self._count(request, wire.encode_count, lambda body: wire.decode_count(200, {}, body))

    async def list_models(self) -> tuple[ListedModel, ...]:
        """Return the models that the key may use."""
        return decode_models(await self._get(encode_models()))

    async def get_model(self, name: str) -> ListedModel:
        """Return one model; ModelNotFoundError if the key may not use it or there is none."""
        return decode_model(await self._get(encode_model(name)))

    def _capabilities(self) -> Iterator[str]:
        return (word for word in super()._capabilities() if word != "count_tokens" or self._responses is not None)


def responses(**options: Any) -> OpenAIProvider:
    """Make the provider of `openai-responses:<model>`: OpenAI by its Responses API."""
    return OpenAIProvider(api="responses", **options)
