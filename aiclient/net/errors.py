"""What the exceptions of an HTTP library mean, in this library's words.

They are told apart by the names of their classes: httpx and httpx2 share the names and nothing else, and neither has to be
imported for it. No text of theirs is passed on, because it may quote a header.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from typing import Final

from .. import errors
from ..errors import (
    AIClientError,
    ClientClosedError,
    ConfigError,
    ConnectError,
    InvalidRequestError,
    Phase,
    ProtocolError,
)

__all__ = ["meaning", "unanswered"]

_NO_ANSWER: Final = "Server disconnected without sending a response."
_CUT: Final = "peer closed connection without sending complete message body"
_HEAD_TOO_LONG: Final = "Receive buffer too long"

_LOST: Final = frozenset({"ReadError", "WriteError", "CloseError"})
_HUNG_UP: Final = frozenset({"EndOfStream", "SSLEOFError"})
_LIBRARIES: Final = frozenset({"httpx", "httpcore", "httpx2", "httpcore2", "anyio"})
_NO_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE})

_TIMEOUTS: Final[dict[str, Phase]] = {"ConnectTimeout": "connect", "PoolTimeout": "pool"}


def meaning(error: Exception, host: str, *, answering: bool) -> AIClientError | None:
    """Return the typed error for what the HTTP library raised; None when it is no failure of HTTP but a bug somewhere.

    Args:
        error: What was raised; an error of this library means itself.
        host: Whom the request was for.
        answering: Whether the head of the answer had come.
    """
    names = {cls.__name__ for cls in type(error).__mro__}
    if isinstance(error, AIClientError):
        return error
    if "TimeoutException" in names or isinstance(error, TimeoutError):
        return _timeout(error, host, answering=answering)
    if "LocalProtocolError" in names:
        return InvalidRequestError("the request cannot be sent as HTTP: a header's name or the method is malformed")
    if "RemoteProtocolError" in names:
        return _broken(str(error), host)
    if names & {"InvalidURL", "UnsupportedProtocol"}:
        return ConfigError("the URL of the service is not one that HTTP can reach; check base_url")
    if "ProxyError" in names:
        if str(error).startswith("407"):  # it will say so every time
            return ConfigError(f"the proxy on the way to {host} wants a user and a password; check the proxy's URL")
        return ConnectError(f"the proxy on the way to {host} refused", kind="proxy")
    if "TransportError" in names:
        return _unreachable(error, host, connecting="ConnectError" in names)
    if isinstance(error, OSError):
        return _unreachable(error, host, connecting=not answering)
    if "ClientError" in names:  # aiohttp's, which httpx-aiohttp lets through
        return ProtocolError(f"{host} did not answer as HTTP wants it", kind="http")
    if type(error) is RuntimeError and "client has been closed" in str(error):
        return ClientClosedError("the http_client that was handed in is closed")
    return None


def unanswered(error: Exception) -> bool:
    """Whether the connection ended before a byte of the answer came: on a reused one the request may be sent again."""
    return type(error).__name__ in _LOST or str(error) == _NO_ANSWER


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Give the error and what caused it, the members of groups included.

    The context counts for the libraries' own errors alone (httpcore raises some `from None`): that of any other may be an
    exception which the caller was handling when it asked.
    """
    todo = [error]
    while todo:
        link = todo.pop()
        yield link
        if isinstance(link, BaseExceptionGroup):
            todo += link.exceptions
        cause = link.__cause__
        if cause is None and type(link).__module__.partition(".")[0] in _LIBRARIES:
            cause = link.__context__
        if cause is not None:
            todo.append(cause)


def _timeout(error: Exception, host: str, *, answering: bool) -> AIClientError:
    names = {cls.__name__ for link in _chain(error) for cls in type(link).__mro__}
    if "ClientConnectionError" in names and "TimeoutError" not in names:
        # httpx-aiohttp calls a lost connection a ConnectTimeout.
        return ConnectError(f"the connection to {host} was lost", kind="reset")
    phase: Phase = _TIMEOUTS.get(type(error).__name__, "idle" if answering else "first_output")
    text = f"{host} did not answer in time (limit {phase!r})"
    if type(error).__name__ == "TimeoutException":
        # Raised by no library but by pytest-httpx, for a request that no mock matches; its text says which.
        text = str(error) or text
    return errors.TimeoutError(text, phase=phase)


def _broken(text: str, host: str) -> AIClientError:
    if text == _NO_ANSWER:
        return ConnectError(f"{host} closed the connection before it answered", kind="reset")
    if text.startswith(_CUT):
        return ProtocolError(f"{host} closed the connection before the end of its answer", kind="incomplete")
    if text.startswith(_HEAD_TOO_LONG):
        return ProtocolError(f"the headers of {host}'s answer are too large", kind="too_large")
    return ProtocolError(f"what {host} answered is not HTTP", kind="http")


def _unreachable(error: Exception, host: str, *, connecting: bool) -> AIClientError:
    """Look for the reason in what caused the error."""
    links = list(_chain(error))
    if any(isinstance(link, OSError) and link.errno in _NO_FILES for link in links):
        return ConnectError(f"no connection to {host}: this process has too many files open", kind="fd")
    if not connecting:
        return ConnectError(f"the connection to {host} was lost", kind="reset")
    for link in links:
        match link:
            case socket.gaierror():
                return ConnectError(f"no connection to {host}: its name was not found", kind="dns")
            case ssl.SSLCertVerificationError():
                reason = getattr(link, "verify_message", "it does not hold")  # only OpenSSL's own errors say it
                return ConnectError(f"the certificate of {host} was refused: {reason}", kind="tls")
            case _ if type(link).__name__ in _HUNG_UP:
                return ConnectError(f"{host} closed the connection during the TLS handshake", kind="tls_eof")
            case ssl.SSLError():
                reason = getattr(link, "reason", "no reason given")
                return ConnectError(f"the TLS handshake with {host} failed: {reason}", kind="tls")
            case ConnectionResetError() | BrokenPipeError():
                return ConnectError(f"{host} reset the connection while it was made", kind="reset")
            case TimeoutError():
                return errors.TimeoutError(f"no connection to {host}: it did not answer", phase="connect")
    return ConnectError(f"no connection to {host}: refused, or no way there", kind="refused")
