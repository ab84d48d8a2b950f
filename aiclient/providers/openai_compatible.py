"""Any server that speaks OpenAI's chat protocol: vLLM, llama.cpp, LM Studio, gateways, most hosts of open models.

Those whose address and key are known by name stand in `services`; `compatible` makes their providers.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from typing import Any

from attrs import evolve

from ..abilities import ListedModel
from ..context import Timeouts
from ..credentials import ApiKey, KeySource
from ..errors import ConfigError, InvalidProviderError
from ..net.transport import HTTPLimits
from ..wire.openai_chat import OpenAIChat
from ..wire.openai_embeddings import OpenAIEmbeddings
from ..wire.openai_models import decode_model, decode_models, encode_model, encode_models
from ..wire.profiles import COMPATIBLE, PROFILES, Profile
from ._endpoint import Endpoint
from ._http import HTTPProvider
from .services import RETIRED, SERVICES, Service

__all__ = ["CompatibleProvider", "compatible"]


class CompatibleProvider(HTTPProvider):
    """Chat, embeddings and models of a server that speaks OpenAI's protocol.

    Args:
        base_url: Everything before `/chat/completions`, such as `http://127.0.0.1:8000/v1`.
        api_key: A string, a SecretStr, or a sync or async callable; None sends none.
        model: Used by requests that name none.
        profile: What the server understands: the name of a row in `aiclient.wire.profiles`, or a Profile. None assumes what
            nearly all servers do.
        key_variable: Environment variable that holds the key where `api_key` is None; None reads none.
        needs_key: Whether a missing key is an error.
        name: What it is called in errors and journals; None is the profile's name, else the host.
        http_client: An `httpx.AsyncClient` to send through; it is never closed here.
        timeout: Seconds in all, or Timeouts; they only lower those of the call.
        limits: Connections and sizes; None is 100 connections at once, kept idle for 30 s.
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
        key_variable: str | None = None,
        needs_key: bool = False,
        name: str | None = None,
        http_client: Any = None,
        timeout: float | Timeouts | None = None,
        limits: HTTPLimits | None = None,
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
            key=ApiKey(api_key, variable=key_variable, provider=name, optional=not needs_key),
            vendor=vendor,
            model=model,
            chat=OpenAIChat(understood, origin=vendor),
            embeddings=OpenAIEmbeddings(understood, origin=vendor),
            http_client=http_client,
            timeout=timeout,
            limits=limits,
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


def compatible(
    service: str,
    /,
    *,
    model: str | None = None,
    api_key: KeySource | None = None,
    base_url: str | None = None,
    name: str | None = None,
    http_client: Any = None,
    timeout: float | Timeouts | None = None,
    limits: HTTPLimits | None = None,
    headers: Mapping[str, str] | None = None,
    allow_insecure: bool = False,
    **places: str,
) -> CompatibleProvider:
    """Return a provider for a service of the table in `aiclient.providers.services`, such as `compatible("groq")`.

    Args:
        service: Name of the row.
        model: Used by requests that name none.
        api_key: None reads the row's variable.
        base_url: None reads the row's variable, if it has one, else takes the row's.
        name: What it is called in errors and journals; None is the service's name.
        http_client: As for CompatibleProvider, as are those below.
        timeout: Seconds in all, or Timeouts.
        limits: Connections and sizes; None is 100 connections at once, kept idle for 30 s.
        headers: Sent with every call.
        allow_insecure: Whether the key may travel to another machine over plain http.
        places: What stands for the words in braces of the row's address; None reads the row's variables.

    Raises:
        InvalidProviderError: There is no such row.
        ConfigError: A word of the address is missing, or is no part of it.
    """
    row = SERVICES.get(service)
    if row is None:
        raise InvalidProviderError(_unknown(service))
    foreign = sorted(places.keys() - row.places.keys())
    if foreign:
        raise ConfigError(f"{service} takes no {', '.join(foreign)}")
    return CompatibleProvider(
        base_url or os.environ.get(row.address or "") or _address(row, places),
        api_key=api_key,
        model=model,
        profile=PROFILES.get(service) or evolve(COMPATIBLE, name=service),
        key_variable=row.key,
        needs_key=row.needs_key,
        name=name or service,
        http_client=http_client,
        timeout=timeout,
        limits=limits,
        headers=headers,
        allow_insecure=allow_insecure,
    )


def _unknown(service: str) -> str:
    if service in RETIRED:
        return RETIRED[service]
    close = difflib.get_close_matches(service, SERVICES, 1, cutoff=0.6)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{service!r} is no service that is known{hint}; there are {', '.join(sorted(SERVICES))}"


def _address(row: Service, given: Mapping[str, str]) -> str:
    """Return the row's address with its words filled in."""
    found = {}
    for word, variable in row.places.items():
        value = given.get(word) or os.environ.get(variable)
        if not value:
            raise ConfigError(f"no {word} for {row.name}: pass {word}= or set {variable}")
        found[word] = re.sub(r"^https?://|/+$", "", value)  # hosts are often given as addresses
        if not re.fullmatch(r"[A-Za-z0-9._-]+", found[word]):
            raise ConfigError(f"{word}={value!r} cannot stand in the address of {row.name}")
    return row.base_url.format(**found)
