"""Where a URL leads, read strictly: what two readers could understand in two ways is refused."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from typing import Final
from urllib.parse import SplitResult, urlsplit

from attrs import frozen

from ..errors import MediaError
from .addresses import is_address

__all__ = ["PORTS", "Place", "place_of", "shown"]

PORTS: Final = {"https": 443, "http": 80}

_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST: Final = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*{_LABEL}")
_NUMBER: Final = re.compile(r"0x[0-9a-f]*|[0-9]+")
_BRACKETED: Final = re.compile(r"(?:[^@]*@)?\[[^\[\]]*\](?::[0-9]*)?")
_PRINTABLE: Final = re.compile(r"[\x21-\x5b\x5d-\x7e]+")
"""ASCII without blanks, control characters and the backslash, which some take for a slash."""


@frozen
class Place:
    """Where a URL leads: `host` is the name as it is asked for, or an address; `path` has the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and port, as they stand in a URL and in the header `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole, without a fragment."""
        return f"{self.scheme}://{self.authority}{self.path}"


def place_of(url: object, schemes: Collection[str], ports: Collection[int]) -> Place:
    """Take a URL apart.

    Args:
        url: As it came from wherever it came from.
        schemes: Those that are allowed, of `PORTS`.
        ports: Those that are allowed.

    Raises:
        MediaError: It is none (`kind="source"`), or one that may not be fetched from (`blocked`).
    """
    if not isinstance(url, str) or not _PRINTABLE.fullmatch(url):
        raise MediaError(f"{shown(url)} is no URL of plain characters; percent-encode others", kind="source")
    parts, host, port = _parted(url)
    if parts.scheme not in schemes:
        raise MediaError(f"{shown(url)}: only {' and '.join(schemes)} is fetched", kind="blocked")
    if "@" in parts.netloc:
        raise MediaError(f"{shown(url)}: a user and a password are sent nowhere", kind="blocked")
    port = PORTS[parts.scheme] if port is None else port
    if port not in ports:
        raise MediaError(f"{shown(url)}: port {port} is not fetched from", kind="blocked")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(parts.scheme, _checked_host(host), port, path)


def _parted(url: str) -> tuple[SplitResult, str, int | None]:
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower().removesuffix("."), parts.port
        if host and ("[" not in parts.netloc or _BRACKETED.fullmatch(parts.netloc)):
            return parts, host, port
    except ValueError:  # brackets that match nothing, a port that is no number
        pass
    raise MediaError(f"{shown(url)} is no URL", kind="source")


def _checked_host(host: str) -> str:
    """Return a name, or an address in the one form that it should have: `0x7f.1` and `017700000001` are refused."""
    if is_address(host):
        return str(ipaddress.ip_address(host))
    if not _HOST.fullmatch(host) or _NUMBER.fullmatch(host.rpartition(".")[2]):
        raise MediaError(f"{host[:80]!r} is no host name, and no address in its usual form", kind="blocked")
    return host


def shown(url: object) -> str:
    """Return the beginning of a URL for an error, without what may be secret in it: a password, the query."""
    scheme, slashes, rest = str(url).partition("?")[0].partition("#")[0].partition("://")
    host, slash, path = rest.partition("/")
    return repr(f"{scheme}{slashes}{host.rpartition('@')[2]}{slash}{path}"[:120])
