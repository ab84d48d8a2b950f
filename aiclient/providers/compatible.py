"""Any server that speaks OpenAI's chat protocol: vLLM, llama.cpp, LM Studio, gateways, most hosts of open models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..abilities import ListedModel
from ..context import Timeouts
from ..credentials import ApiKey, KeySource
from ..errors import ConfigError
from ..wire.openai_chat import OpenAIChat
from ..wire.openai_embeddings import OpenAIEmbeddings
from ..wire.openai_models import decode_model, decode_models, encode_model, encode_models
from ..wire.profiles import COMPATIBLE, PROFILES, Profile
from ._endpoint import Endpoint
from ._http import HTTPProvider

__all__ = ["CompatibleProvider"]


class CompatibleProvider(HTTPProvider):
    """Chat, embeddings and models of a server that speaks OpenAI's protocol.

    Args:
        base_url: Everything before `/chat/completions`, such as `http://127.0.0.1:8000/v1`.
        api_key: A string, a SecretStr, or a sync or async callable; None sends none.
        model: Used by requests that name none.
        profile: What the server understands: the name of a row in `aiclient.wire.profiles`, or a Profile. None assumes what
            nearly all servers do.
        name: What it is called in errors and journals; None is the profile's name, else the host.
        http_client: An `httpx.AsyncClient` to send through; it is never closed here.
        timeout: Seconds in all, or Timeouts; they only lower those of the call.
        headers: Sent with every call.
        allow_insecure: Whether a key may travel to another machine over plain http.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: KeySource | None = None,
        model: str | None = None,
        profile: str | Profile | None = None,
        name: str | None = None,
        http_client: Any = None,
        timeout: float | Timeouts | None = None,
        headers: Mapping[str, str] | None = None,
        allow_insecure: bool = False,
    ) -> None:
        understood = _profile(profile)
        endpoint = Endpoint(base_url, headers=headers, allow_insecure=allow_insecure)
        name = name or (endpoint.host if understood is COMPATIBLE else understood.name)
        # Two unknown servers are two vendors: what one sealed must not go to the other.
        vendor = name if understood is COMPATIBLE else understood.name
        super().__init__(
            name=name,
            endpoint=endpoint,
            key=ApiKey(api_key, provider=name, optional=True),
            vendor=vendor,
            model=model,
            chat=OpenAIChat(understood, origin=vendor),
            embeddings=OpenAIEmbeddings(understood, origin=vendor),
            http_client=http_client,
            timeout=timeout,
        )

    async def list_models(self) -> tuple[ListedModel, ...]:
        """Return the models that the server offers."""
        return decode_models(await self._get(encode_models()))

    async def get_model(self, name: str) -> ListedModel:
        """Return one model; ModelNotFoundError if there is none."""
        return decode_model(await self._get(encode_model(name)))


def _profile(given: str | Profile | None) -> Profile:
    if given is None:
        return COMPATIBLE
    if isinstance(given, Profile):
        return given
    if given not in PROFILES:
        raise ConfigError(f"profile={given!r} is unknown; there are {', '.join(sorted(PROFILES))}")
    return PROFILES[given]
