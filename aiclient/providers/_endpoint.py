"""Where a provider sends its calls: a base URL that was looked at once, and the headers that go everywhere."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from .. import __version__
from ..errors import ConfigError
from ..request import HTTPCall
from ..secrets import SecretStr

__all__ = ["Endpoint"]

_SECRET: Final = re.compile(r"(?i)auth|cookie|credential|key|pass|secret|^sig|token")
"""In the name of a header or a parameter: that its value is one."""


class Endpoint:
    """A service's address.

    Args:
        base_url: Everything before the paths of the protocol; its query, if any, goes with every call.
        headers: Sent with every call; they replace ours of the same name.
        allow_insecure: Whether a key may travel unencrypted to another machine.
    """

    def __init__(
        self, base_url: str, *, headers: Mapping[str, Any] | None = None, allow_insecure: bool = False
    ) -> None:
        try:
            parts = urlsplit(base_url.strip())
            port = parts.port
        except (ValueError, AttributeError):
            raise ConfigError(f"base_url={base_url!r} is not a URL") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"base_url={_shown(base_url)!r} must begin with https:// (or http://) and a host")
        if parts.username is not None or parts.password is not None:
            raise ConfigError("base_url holds credentials; pass them as api_key= or headers=")
        self.host = parts.hostname.rstrip(".").lower()
        bracketed = f"[{self.host}]" if ":" in self.host else self.host
        self.origin = f"{parts.scheme}://{bracketed}" + (f":{port}" if port else "")
        self._root = urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
        self._query = parts.query
        self._insecure = parts.scheme == "http" and not allow_insecure and not _is_loopback(self.host)
        self._headers = _checked(headers or {})
        # Alive as long as they are sent, so that they are masked wherever somebody writes them.
        self._held = [*_secrets(headers or {}), *_secrets(dict(parse_qsl(self._query)))]
        self._names = {name.lower() for name, _ in self._headers}

    def check(self, *, with_key: bool) -> None:
        """Refuse to send a key that others could read on the way.

        Raises:
            ConfigError: It would travel unencrypted.
        """
        if self._insecure and with_key:
            raise ConfigError(
                f"{self.origin} is not encrypted and not this machine: the key would travel in the clear; use https://, or "
                "pass allow_insecure=True if the way there is safe"
            )

    def call(self, call: HTTPCall, *, id_: str, secret: Sequence[tuple[str, str]]) -> HTTPCall:
        """Return `call` as it is sent: with its whole URL and all headers."""
        ours = [
            *call.headers,
            ("Accept", "*/*"),
            ("User-Agent", f"aiclient/{__version__}"),
            ("X-Client-Request-Id", id_),
            *secret,
        ]
        kept = [(name, value) for name, value in ours if name.lower() not in self._names]
        url = f"{self._root}{call.url}"
        if self._query:
            url += ("&" if "?" in call.url else "?") + self._query
        return HTTPCall(call.method, url, [*kept, *self._headers], call.body)

    @property
    def base_url(self) -> str:
        """What stands before the paths of the protocol; without the query, which may hold what is nobody's business."""
        return self._root


def _shown(url: str) -> str:
    return url.partition("@")[2] or url  # never the userinfo


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _secrets(headers: Mapping[str, Any]) -> Iterator[SecretStr]:
    """Give what is secret in headers and parameters: what was given as a secret, and what has the name of one."""
    for name, value in headers.items():
        if isinstance(value, SecretStr):
            yield value
        elif _SECRET.search(name):
            yield SecretStr(value.rpartition(" ")[2])  # without `Bearer`


def _checked(headers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Refuse header values that would end the header; the value is not shown, it may be a secret."""
    found = []
    for name, value in headers.items():
        text = value.reveal() if isinstance(value, SecretStr) else value
        if not isinstance(text, str) or any(char in text or char in name for char in "\r\n\0"):
            raise ConfigError(f"the header {name!r} holds a line break or is not text")
        found.append((name, text))
    return found
