"""Google's Vertex AI: Gemini and Anthropic's models in a project of one's own.

Addresses: "Google Cloud: Generative AI on Vertex AI locations" and "Use Claude models" (cloud.google.com/vertex-ai, read
2026-11). Credentials: any of google-auth's, refreshed on a thread; the library itself is needed only to find or read them
(`pip install 'aiclient[vertex]'`).
"""

from __future__ import annotations

import asyncio
import importlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from attrs import evolve

from ..context import Timeouts
from ..credentials import ApiKey, KeySource
from ..errors import AIClientError, AuthenticationError, ConfigError, ConnectError
from ..request import ChatRequest, EmbeddingRequest
from ..transport import HTTPLimits
from ..wire.anthropic import VERTEX, AnthropicWire
from ..wire.codec import ChatWire, Encoded
from ..wire.gemini import GeminiWire
from ..wire.gemini_embeddings import GeminiEmbeddings
from ..wire.gemini_tokens import decode_count
from ._endpoint import Endpoint
from ._http import HTTPProvider

__all__ = ["VertexProvider"]

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_MANY: Final = re.compile(r"(?:.*/)?(?:text-(?:multilingual-)?embedding-|textembedding-)")
"""Embedding models that take many texts at once, all before gemini-embedding-001 ("Get text embeddings", API limits,
cloud.google.com/vertex-ai/generative-ai/docs/embeddings/get-text-embeddings, read 2026-11; record ddba79e5ee28)."""
_MOST_TEXTS: Final = 250
_MOST_TOKENS: Final = 20_000
"""Of all texts of an exchange; taken as characters here, of which a token has at least one."""
_LONGEST_REFRESH: Final = 30.0
"""Seconds for one exchange with Google's token service."""
_LONGEST_TOLD: Final = 200
"""Characters of what google-auth says of a failure."""


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
            key=ApiKey(_token_of(credentials), provider=name),
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


# --- credentials ---


def _token_of(credentials: Any) -> KeySource:
    """Return what gives an access token; asked when one is first needed and after one was refused."""
    held: list[Any] = []
    path: str | os.PathLike[str] | None = None
    if hasattr(credentials, "refresh"):
        held.append(credentials)
    elif callable(credentials):
        return credentials  # type: ignore[no-any-return]  # the caller's own source of tokens
    elif credentials is None or isinstance(credentials, (str, os.PathLike)):
        path = credentials
    else:
        raise ConfigError(f"credentials={type(credentials).__name__}: give google-auth's, a file's path, or a callable")

    def refreshed() -> str:
        if not held:
            held.append(_found(path))
        held[0].refresh(_transport)
        return str(held[0].token)

    async def token() -> str:
        try:
            return await asyncio.to_thread(refreshed)
        except Exception as problem:  # noqa: BLE001  # google-auth's own classes are known by name only
            failure = _typed(problem)
        raise failure

    return token


def _typed(problem: Exception) -> Exception:
    """Return what a failing refresh means in this library's words; a bug stays what it is."""
    told = f"Google's credentials could not be had: {type(problem).__name__}: {str(problem)[:_LONGEST_TOLD]}"
    if type(problem).__name__ == "DefaultCredentialsError":
        return ConfigError(told)
    if isinstance(problem, OSError) or getattr(problem, "retryable", False) is True:
        return problem if isinstance(problem, AIClientError) else ConnectError(told)
    return AuthenticationError(told) if type(problem).__module__.startswith("google.auth") else problem


def _found(path: str | os.PathLike[str] | None) -> Any:
    try:
        auth: Any = importlib.import_module("google.auth")
        service_account: Any = importlib.import_module("google.oauth2.service_account")
    except ImportError:
        auth = service_account = None
    if auth is None:
        raise ConfigError("Vertex AI needs google-auth to find credentials: pip install 'aiclient[vertex]'")
    if path is None:
        return auth.default(scopes=[SCOPE])[0]
    try:
        return service_account.Credentials.from_service_account_file(os.fspath(path), scopes=[SCOPE])
    except (OSError, ValueError) as problem:
        told = f"the credentials in {os.fspath(path)} cannot be read: {type(problem).__name__}"
    raise ConfigError(told)


class _Answer:
    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self.status, self.headers, self.data = status, headers, data


def _transport(
    url: str, method: str = "GET", body: Any = None, headers: Any = None, timeout: Any = None, **_: Any
) -> _Answer:
    """Send what google-auth wants sent, with the standard library: a few small exchanges an hour, on a thread."""
    data = body.encode() if isinstance(body, str) else body
    request = Request(url, data=data, headers=dict(headers or {}), method=method)  # noqa: S310  # google-auth's URLs
    try:
        with urlopen(request, timeout=timeout or _LONGEST_REFRESH) as answer:  # noqa: S310
            return _Answer(answer.status, dict(answer.headers), answer.read())
    except HTTPError as error:
        return _Answer(error.code, dict(error.headers), error.read())
