"""Media fetched from URLs, for services that take only bytes: off unless called, and only from the public internet.

A URL in a prompt often comes from somebody else, and whoever fetches it does so from inside: from behind the firewall, next to
the cloud's credentials. So the name is looked up once, every address is checked, the connection goes to the address that was
checked, and each redirect begins again.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import urljoin

from . import errors
from .clock import SYSTEM, Clock
from .errors import AIClientError, ConfigError, ConnectError, MediaError, ProtocolError
from .gate import Alarm
from .http import HTTP, Exchange, HTTPLimits
from .media import MAX_BYTES, MediaKind, kind_of, part_of_bytes
from .messages import AudioPart, DocumentPart, ImagePart, VideoPart
from .net.addresses import is_address, refusal
from .net.places import PORTS, Place, place_of, shown
from .request import HTTPCall

__all__ = ["MediaFetcher", "Resolver"]

Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Looks a name up: host and port to addresses, in the order in which they are to be tried."""

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
FetchedPart: TypeAlias = ImagePart | AudioPart | VideoPart | DocumentPart

SECONDS: Final = 30.0
REDIRECTS: Final = 3
_ADDRESSES: Final = 4
"""How many addresses of one name are tried."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class MediaFetcher:
    """Fetches images, sound, films and documents from URLs that may come from anybody, as parts that hold bytes.

    Only `https`, port 443, and public addresses: private, link-local (where clouds keep credentials), loopback, multicast and
    reserved ones are refused, IPv4 in any disguise of IPv6 too. The name is looked up once, all its addresses must be public,
    and the connection goes to one that was checked; the certificate must be that of the name. No keys, no cookies, no
    proxies. At most three redirects, each checked anew. What comes must be of a kind that media are, told by its first bytes.

    Safe to share between tasks and event loops. A cancelled fetch closes its connection at once.

    Args:
        max_bytes: The largest that is taken, default 20 MiB.
        seconds: For all of one fetch, looking up and redirects included, default 30.
        allow_http: Whether `http` is taken too, default no: whoever stands between could exchange what comes.
        allow_networks: Networks that are allowed though they are not public, such as `10.1.0.0/16` of a store of your own.
        ports: Ports that may be asked, default 443, and 80 with `allow_http`.
        resolve: Looks names up, default the system's resolver.
        verify: The TLS context, default certifi's authorities.
        clock: Where time comes from.

    Raises:
        ConfigError: An option is out of range.
    """

    def __init__(
        self,
        *,
        max_bytes: int = MAX_BYTES,
        seconds: float = SECONDS,
        allow_http: bool = False,
        allow_networks: Iterable[str] = (),
        ports: Iterable[int] | None = None,
        resolve: Resolver | None = None,
        verify: ssl.SSLContext | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        _check("seconds", seconds, (int, float))
        _check("max_bytes", max_bytes, (int,))
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._schemes = ("https", "http") if allow_http else ("https",)
        self._networks = tuple(_network(text) for text in allow_networks)
        self._ports = frozenset(ports) if ports is not None else frozenset(PORTS[scheme] for scheme in self._schemes)
        self._resolve = resolve or _system_resolve
        self._clock = clock
        self._http = HTTP(limits=HTTPLimits(max_idle=0, max_body=max_bytes), verify=verify)

    async def fetch(self, url: str, *, kind: MediaKind | None = None, deadline: float | None = None) -> FetchedPart:
        """Fetch what a URL leads to, and return it as a part.

        Args:
            url: `https://...`.
            kind: What it must be: `image`, `audio`, `video` or `document`; texts are taken as documents alone. Default
                whatever its first bytes are the mark of.
            deadline: Moment on the monotonic clock when it is too late, if that is before `seconds` are over.

        Raises:
            MediaError: `kind` says why: `source` (no such URL), `blocked` (where it leads), `unreachable`, `timeout`,
                `too_large`, or `type` (what came).
        """
        if kind is not None and kind not in _KINDS:
            raise ConfigError(f"kind={kind!r} is none of {', '.join(_KINDS)}")
        ends = self._clock.monotonic() + self._seconds
        ends = ends if deadline is None else min(ends, deadline)
        try:
            place, told, data = await self._follow(url, ends)
            return _part(data, told, place, kind, self._max_bytes)
        except MediaError:
            raise
        except errors.TimeoutError:
            failure = MediaError(f"{shown(url)} took longer than {self._seconds:g} s", kind="timeout")
        except ProtocolError as error:
            known = "too_large" if error.kind == "too_large" else "unreachable"
            failure = MediaError(f"{shown(url)}: {error.message}", kind=known)
        except ConnectError as error:
            failure = MediaError(f"{shown(url)}: {error.message}", kind="unreachable")
        raise failure

    async def close(self) -> None:
        """Let go of what is open. It can be used again."""
        await self._http.close()

    async def _follow(self, url: str, ends: float) -> tuple[Place, str, bytes]:
        """Return where the way ended, the type that was told there, and what came."""
        for _ in range(REDIRECTS + 1):
            place = place_of(url, self._schemes, self._ports)
            exchange = await self._open(place, await self._addresses(place, ends), ends)
            try:
                status, headers = exchange.head.status, exchange.head.headers
                if status in _REDIRECTS and "location" in headers:
                    url = urljoin(place.url, headers["location"])
                    continue
                if status != 200:
                    raise MediaError(f"{place.host} answered {status}", kind="unreachable", status_code=status)
                if headers.get("content-length", "").isdecimal() and int(headers["content-length"]) > self._max_bytes:
                    raise MediaError(f"{place.host} has more than max_bytes={self._max_bytes}", kind="too_large")
                return place, headers.get("content-type", ""), await exchange.read()
            finally:
                exchange.abort()
        raise MediaError(f"more than {REDIRECTS} redirects, the last one to {shown(url)}", kind="unreachable")

    # --- where it may go ---

    async def _addresses(self, place: Place, ends: float) -> Sequence[str]:
        """Look a name up, once, and return its addresses if all of them may be gone to."""
        found: Sequence[str] = (place.host,)
        if not is_address(place.host):
            alarm = Alarm(self._clock)
            alarm.set(ends, "total")
            try:
                found = await alarm.guard(self._resolve(place.host, place.port))
            except OSError as error:
                if isinstance(error, AIClientError):
                    raise
                found = ()
            finally:
                alarm.stop()
        if not found:
            raise MediaError(f"{place.host}: the name was not found", kind="unreachable")
        for address in found:
            reason = None if self._allowed(address) else refusal(address)
            if reason is not None:
                raise MediaError(f"{place.host} leads to an address that is {reason}: not fetched", kind="blocked")
        return found[:_ADDRESSES]

    def _allowed(self, address: str) -> bool:
        return is_address(address) and any(ipaddress.ip_address(address) in network for network in self._networks)

    async def _open(self, place: Place, addresses: Sequence[str], ends: float) -> Exchange:
        """Send the request to the first of the addresses that answers; to none but these."""
        failure: AIClientError | None = None
        for address in addresses:
            call = HTTPCall(
                "GET",
                Place(place.scheme, address, place.port, place.path).url,
                [
                    ("Host", place.authority),
                    ("Accept", "*/*"),
                    ("Accept-Encoding", "identity"),
                    ("User-Agent", "aiclient"),
                ],
                server_name=None if is_address(place.host) else place.host,
            )
            try:
                return await self._http.open(call, clock=self._clock, deadline=ends, redirects=True)
            except ConnectError as error:
                failure = error
            except errors.TimeoutError as error:
                if error.phase == "total":
                    raise
                failure = ConnectError(f"no connection to {place.host} in time", kind="refused")
        assert failure is not None  # there is an address at least
        raise failure


def _part(data: bytes, told: str, place: Place, kind: MediaKind | None, max_bytes: int) -> FetchedPart:
    """Return what came as a part: by its first bytes, which count before what the server says of it."""
    name = place.path.partition("?")[0].rpartition("/")[2]
    found = kind or kind_of(data)
    if found is None:
        raise MediaError(f"{place.host}: what came is of no known kind; say kind='document' for text", kind="type")
    part = _KINDS[found]
    textual = told if found == "document" and told.startswith("text/") and kind_of(data) is None else None
    made: FetchedPart = part_of_bytes(
        part, data, textual, named=name, max_bytes=max_bytes, what=f"what {place.host} sent"
    )
    return made


_KINDS: Final[dict[str, type[ImagePart | AudioPart | VideoPart | DocumentPart]]] = {
    "image": ImagePart,
    "audio": AudioPart,
    "video": VideoPart,
    "document": DocumentPart,
}


def _check(name: str, value: Any, kinds: tuple[type, ...]) -> None:
    number: Any = value if isinstance(value, kinds) and not isinstance(value, bool) else 0
    if not 0 < number < math.inf:
        raise ConfigError(f"{name}={value!r} must be a {'whole ' * (len(kinds) == 1)}number above 0")


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ConfigError(f"allow_networks: {text!r} is no network such as '10.1.0.0/16': {error}") from None


async def _system_resolve(host: str, port: int) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
