"""Google's credentials, from wherever they come, as a source of access tokens.

What is taken: google-auth's objects (duck-typed), a service account's file, callables, and the application-default
credentials. They are refreshed on a thread, through the standard library; google-auth itself is imported only to find or
read them (`pip install 'aiclient[vertex]'`).
"""

from __future__ import annotations

import asyncio
import importlib
import os
from collections.abc import Mapping
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from ..credentials import KeySource
from ..errors import AIClientError, AuthenticationError, ConfigError, ConnectError

__all__ = ["SCOPE", "token_of"]

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
"""What the tokens are good for."""

_LONGEST_REFRESH: Final = 30.0
"""Seconds for one exchange with Google's token service."""
_LONGEST_TOLD: Final = 200
"""Characters of what google-auth says of a failure."""


def token_of(credentials: Any) -> KeySource:
    """Return what gives an access token; asked when one is first needed and after one was refused.

    Args:
        credentials: Credentials of google-auth, the path of a service account's file, or a sync or async callable that gives
            an access token; None takes the application-default credentials.

    Raises:
        ConfigError: They are none of these.
    """
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
        with urlopen(request, timeout=timeout or _LONGEST_REFRESH) as answer:  # noqa: S310  # as above
            return _Answer(answer.status, dict(answer.headers), answer.read())
    except HTTPError as error:
        return _Answer(error.code, dict(error.headers), error.read())
