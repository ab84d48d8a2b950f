"""Azure OpenAI: OpenAI's protocols at an address, and with credentials, of Azure's.

"Azure OpenAI REST API reference" and "API version lifecycle" (learn.microsoft.com/azure/ai-services/openai, read 2026-11):
`/openai/v1/...` takes the deployment as `model`; with an `api-version` it stands in the path instead.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import quote

from attrs import evolve

from ..context import Timeouts
from ..credentials import ApiKey, KeySource
from ..errors import ConfigError
from ..keyforms import doubts
from ..net.transport import HTTPLimits
from ..request import ChatRequest, EmbeddingRequest
from ..secrets import SecretStr
from ..wire.codec import Encoded
from ..wire.openai_chat import OpenAIChat
from ..wire.openai_embeddings import OpenAIEmbeddings
from ..wire.openai_models import encode_models
from ..wire.profiles import PROFILES
from ..wire.responses import ResponsesWire
from ._endpoint import Endpoint
from ._http import HTTPProvider

__all__ = ["AzureOpenAIProvider"]

SCOPE: Final = "https://cognitiveservices.azure.com/.default"
"""What an Entra token must be for."""


class AzureOpenAIProvider(HTTPProvider):
    """Chat, Responses and embeddings of deployments in Azure OpenAI.

    Args:
        endpoint: The resource, such as `https://my-resource.openai.azure.com`; None reads `AZURE_OPENAI_ENDPOINT`.
        api_key: A string, a SecretStr, or a sync or async callable; None reads `AZURE_OPENAI_API_KEY`.
        credential: Instead of a key: an object with `get_token(scope)`, sync or async, such as azure-identity's. A sync one is
            asked on a thread, again only after the service refused its token.
        model: The deployment used by requests that name none.
        api_version: A dated version such as `2024-10-21`; None reads `OPENAI_API_VERSION`, else uses the versionless v1 API.
        api: The protocol: `chat` or `responses`.
        http_client: An `httpx.AsyncClient` to send through; it is never closed here.
        timeout: Seconds in all, or Timeouts; they only lower those of the call.
        limits: Connections and sizes; None is 100 connections at once, kept idle for 30 s.
        headers: Sent with every call.
        name: What it is called in errors and journals.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        api_key: KeySource | None = None,
        credential: Any = None,
        model: str | None = None,
        api_version: str | None = None,
        api: Literal["chat", "responses"] = "chat",
        http_client: Any = None,
        timeout: float | Timeouts | None = None,
        limits: HTTPLimits | None = None,
        headers: Mapping[str, str] | None = None,
        name: str = "azure",
    ) -> None:
        if api not in ("chat", "responses"):
            raise ConfigError(f"api={api!r} must be 'chat' or 'responses'")
        address = endpoint or os.environ.get("AZURE_OPENAI_ENDPOINT")
        if not address:
            raise ConfigError("no Azure endpoint: pass endpoint= or set AZURE_OPENAI_ENDPOINT")
        if api_key is not None and credential is not None:
            raise ConfigError("give api_key or credential, not both")
        version = api_version or os.environ.get("OPENAI_API_VERSION")
        self._by_token = credential is not None
        profile = PROFILES["azure"]
        chat: OpenAIChat | ResponsesWire = OpenAIChat(profile, origin="openai")
        if api == "responses":
            chat = ResponsesWire(profile, origin="openai")  # never in a deployment's path
        elif version:
            chat = _DeployedChat(profile, origin="openai")
        embeddings = (_DeployedEmbeddings if version else OpenAIEmbeddings)(profile, origin="openai")
        super().__init__(
            name=name,
            endpoint=Endpoint(_root(address, version), headers=headers),
            key=ApiKey(
                _token_of(credential) if self._by_token else api_key, variable="AZURE_OPENAI_API_KEY", provider=name
            ),
            vendor="openai",
            model=model,
            chat=chat,
            embeddings=embeddings,
            http_client=http_client,
            timeout=timeout,
            limits=limits,
        )

    def _auth(self, secret: SecretStr) -> list[tuple[str, str]]:
        return super()._auth(secret) if self._by_token else [("api-key", secret.reveal())]

    def _doubts(self, secret: SecretStr) -> tuple[str, ...]:
        own = not self._by_token and self._endpoint.host.endswith(".azure.com")
        return doubts("Azure", secret) if own else ()

    async def _probe(self) -> object:
        return await self._get(encode_models())  # the models of the resource; its deployments are listed elsewhere


def _root(endpoint: str, version: str | None) -> str:
    root = endpoint.rstrip("/").removesuffix("/openai/v1").removesuffix("/openai")
    return f"{root}/openai?api-version={quote(version, safe='')}" if version else f"{root}/openai/v1"


def _token_of(credential: Any) -> KeySource:
    if not hasattr(credential, "get_token"):
        raise ConfigError(f"credential={type(credential).__name__} has no get_token(scope)")

    async def token() -> str:
        if inspect.iscoroutinefunction(credential.get_token):
            answer = await credential.get_token(SCOPE)
        else:
            answer = await asyncio.to_thread(credential.get_token, SCOPE)
        return str(answer.token)

    return token


def _deployed(encoded: Encoded, model: str) -> Encoded:
    call, warnings = encoded
    return evolve(call, url=f"/deployments/{quote(model, safe='')}{call.url}"), warnings


class _DeployedChat(OpenAIChat):
    """The chat codec with the deployment in the path."""

    def encode(self, request: ChatRequest, /, *, model: str, stream: bool) -> Encoded:
        return _deployed(super().encode(request, model=model, stream=stream), model)


class _DeployedEmbeddings(OpenAIEmbeddings):
    """The embeddings codec with the deployment in the path."""

    def encode(self, request: EmbeddingRequest, /, *, model: str) -> Encoded:
        return _deployed(super().encode(request, model=model), model)
