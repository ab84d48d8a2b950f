"""Anthropic, by the Messages protocol."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from attrs import evolve

from ..abilities import ListedModel
from ..context import Timeouts
from ..credentials import ApiKey, KeySource
from ..net.transport import HTTPLimits
from ..request import ChatRequest
from ..secrets import SecretStr
from ..wire.anthropic import ANTHROPIC, AnthropicWire
from ..wire.anthropic_models import decode_models, encode_models
from ._endpoint import Endpoint
from ._http import HTTPProvider

__all__ = ["AnthropicProvider"]

BASE_URL: Final = "https://api.anthropic.com"
_MOST_PAGES: Final = 100


class AnthropicProvider(HTTPProvider):
    """Anthropic's chat and models.

    Args:
        api_key: A string, a SecretStr, or a sync or async callable; None reads `ANTHROPIC_API_KEY`.
        model: Used by requests that name none.
        base_url: None reads `ANTHROPIC_BASE_URL`, else Anthropic's own.
        version: Value of `anthropic-version`.
        max_tokens: Limit for requests that set none, which the protocol demands; None takes 16,384 (4,096 with models before
            Claude 4).
        http_client: An `httpx.AsyncClient` to send through; it is never closed here.
        timeout: Seconds in all, or Timeouts; they only lower those of the call.
        limits: Connections and sizes; None is 100 connections at once, kept idle for 30 s.
        headers: Sent with every call.
        name: What it is called in errors and journals.
        allow_insecure: Whether the key may travel to another machine over plain http.
    """

    _OWN: ClassVar = ("api.anthropic.com", "Anthropic")

    def __init__(
        self,
        api_key: KeySource | None = None,
        *,
        model: str | None = None,
        base_url: str | None = None,
        version: str = ANTHROPIC.version,
        max_tokens: int | None = None,
        http_client: Any = None,
        timeout: float | Timeouts | None = None,
        limits: HTTPLimits | None = None,
        headers: Mapping[str, str] | None = None,
        name: str = "anthropic",
        allow_insecure: bool = False,
    ) -> None:
        self._wire = AnthropicWire(evolve(ANTHROPIC, version=version), max_tokens=max_tokens)
        self._version = version
        address = base_url or os.environ.get("ANTHROPIC_BASE_URL") or BASE_URL
        super().__init__(
            name=name,
            endpoint=Endpoint(address.rstrip("/").removesuffix("/v1"), headers=headers, allow_insecure=allow_insecure),
            key=ApiKey(api_key, variable="ANTHROPIC_API_KEY", provider=name),
            vendor="anthropic",
            model=model,
            chat=self._wire,
            http_client=http_client,
            timeout=timeout,
            limits=limits,
        )

    async def count_tokens(self, request: ChatRequest, /) -> int:
        """Return the number of input tokens of `request`, as the service counts them; it answers nothing."""
        return await self._count(request, self._wire.encode_count, self._wire.decode_count)

    async def list_models(self) -> tuple[ListedModel, ...]:
        """Return the models that the key may use, newest first."""
        found: list[ListedModel] = []
        after: str | None = None
        for _ in range(_MOST_PAGES):  # a service that repeats its pages must not keep us for ever
            call = evolve(encode_models(after=after), headers=[("anthropic-version", self._version)])
            models, after = decode_models(await self._get(call))
            found += models
            if after is None:
                break
        return tuple(found)

    def _auth(self, secret: SecretStr) -> list[tuple[str, str]]:
        return [("x-api-key", secret.reveal())]
