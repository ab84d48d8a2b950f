"""What `RedisStore` does on the wire: connections, questions and answers, and when to leave the server alone."""

from __future__ import annotations

import asyncio
import importlib
import re
from collections.abc import Callable
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from .clock import Clock
from .errors import ConfigError, StoreError
from .forks import own_lock
from .gate import Alarm
from .net.connections import Connection, Pool, Pools
from .secrets import SecretStr

__all__ = ["RedisServer"]

T = TypeVar("T")

CONNECTIONS: Final = 16
"""In use at once on one event loop; further calls wait for one, as part of their time."""

IDLE: Final = 30.0
"""Seconds after which an unused connection is not used again: firewalls forget them without a word."""

FAILURES: Final = 3
"""In a row, after which the server is left alone."""

OFF: Final = 5.0
"""Seconds that it is left alone; then one call tries it."""

_KINDS: Final = (
    ("timeout", r"TimeoutError", "it did not answer in time; see timeout="),
    ("auth", r"NOAUTH|WRONGPASS|NOPERM|Authentication\w*|NoPermission\w*", "see to the user and password of its URL"),
    ("full", r"OOM|OutOfMemory\w*", "it has no room left: raise its maxmemory, or see what fills it"),
    ("readonly", r"READONLY|ReadOnly\w*|MASTERDOWN|MasterDown\w*", "it is a replica: give the address of its primary"),
    (
        "cluster",
        r"MOVED|Moved\w*|ASK|Ask\w*|CROSSSLOT|CLUSTERDOWN|Cluster\w*",
        "give the node that holds the slot of prefix=",
    ),
    ("corrupt", r"WRONGTYPE", "a key of ours holds what is not ours: remove it, or give another prefix="),
    (
        "busy",
        r"BUSY|LOADING|BusyLoading\w*|TRYAGAIN|TryAgain\w*|max number of clients",
        "it is busy, or still starting",
    ),
    (
        "io",
        r"ConnectionError|OSError|IncompleteReadError",
        "it cannot be reached, or cut the connection off: see that it runs, and to its URL; with rediss:// also to ca_file=",
    ),
)
"""Kinds of failures, how the server or its library names them, and what to do."""


class RedisServer:
    """One server: its connections, and what is known of how it does. For any number of threads, event loops and forks."""

    def __init__(self, url: Any, ca_file: str | None, timeout: float, clock: Clock) -> None:
        self._redis = _library()
        self._address = _Address(url, ca_file)
        self._timeout = timeout
        self._clock = clock
        self._pools = Pools(lambda _: Pool(CONNECTIONS, CONNECTIONS, IDLE, self._line))
        self._lock = own_lock(self)
        self._failures = 0
        self._until = 0.0

    @property
    def shown(self) -> str:
        """Its address, without user and password."""
        return self._address.shown

    def close(self) -> None:
        """Close the connections; the next question opens one again."""
        self._pools.close()

    async def ask(self, read: Callable[[Any], T], *command: bytes | str | int, text: str = "") -> T:
        """Send `command`, and return what `read` makes of the answer; what fails is a StoreError."""
        self._admit()
        alarm = Alarm(self._clock)
        alarm.set(self._clock.monotonic() + self._timeout, "total")
        try:
            answer = await alarm.guard(self._exchange(read, command, text))
        except Exception as error:  # noqa: BLE001  # a server's bytes may trip its library anywhere; raised below
            failure = self._failure(error)
        else:
            self._failures = 0
            return answer
        finally:
            alarm.stop()
        raise failure

    async def _exchange(self, read: Callable[[Any], T], command: tuple[bytes | str | int, ...], text: str) -> T:
        """Use a connection for one question and its answer; one that did not come to the end of it is closed."""
        pool = self._pools.of(self.shown)
        await pool.gate.enter()
        try:
            connection = await self._connected(pool)
            try:
                answer = read(await self._asked(connection.transport, command, text))
            except self._redis.exceptions.ResponseError:  # an answer, and whole
                pool.give(connection, self._clock.monotonic())
                raise
            except BaseException:  # cancellation too; raised again
                connection.close()
                raise
            pool.give(connection, self._clock.monotonic())
            return answer
        finally:
            pool.gate.leave()

    async def _asked(self, line: Any, command: tuple[bytes | str | int, ...], text: str) -> Any:
        await line.send_command(*command)
        try:
            return await line.read_response(disconnect_on_error=False)
        except self._redis.exceptions.NoScriptError:  # it was restarted, and has done nothing yet
            await line.send_command("EVAL", text, *command[2:])
        return await line.read_response(disconnect_on_error=False)

    async def _connected(self, pool: Pool) -> Connection:
        """Return a connection that is open, and on which nothing is left to read."""
        while True:
            connection = pool.take(self._clock.monotonic())
            line = connection.transport
            try:
                if connection.stream is None:
                    connection.stream = _Socket(line)  # first, so that what is half made is closed too
                    await line.connect()
                    return connection
                if not await _is_over(line):
                    return connection
            except BaseException:  # cancellation too; raised again
                connection.close()
                raise
            connection.close()

    def _line(self) -> Any:
        # Older versions of the library ask themselves how often to try again; nothing is sent twice that we do not know of.
        retry = self._redis.retry.Retry(self._redis.backoff.NoBackoff(), 0)
        return self._address.connection(self._redis.asyncio, retry=retry, protocol=2)

    # --- when to ask, and what failed ---

    def _admit(self) -> None:
        with self._lock:
            now = self._clock.monotonic()
            if self._failures < FAILURES:
                return
            if now >= self._until:
                self._until = now + OFF  # this call tries it; the others wait for what it finds
                return
        raise StoreError(f"{self.shown} keeps failing, and is left alone for some seconds", kind="off")

    def _failure(self, error: Exception) -> StoreError:
        """Say what went wrong, in words of ours: a server's may hold anything."""
        kind, what = _reason(error)
        if kind != "corrupt":  # which says nothing about the server
            with self._lock:
                self._failures += 1
                self._until = self._clock.monotonic() + OFF
        return StoreError(f"{self.shown}: {what}", kind=kind)


class _Address:
    """Where the server is, read from its URL; what is shown of it has no user and no password."""

    def __init__(self, url: Any, ca_file: str | None) -> None:
        text = url.reveal() if isinstance(url, SecretStr) else url
        try:
            parts = urlsplit(text if isinstance(text, str) else "")
            port = parts.port or 6379
        except ValueError:  # whose words hold the password
            parts, port = urlsplit(""), 0
        if parts.scheme not in ("redis", "rediss", "unix"):
            raise ConfigError(
                "url= must begin with redis://, rediss:// or unix://, and be a URL (it is not shown: it may hold a password)"
            )
        place, options = unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True))
        database = options.pop("db", "0") if parts.scheme == "unix" else place.strip("/") or "0"
        if options or parts.fragment or not re.fullmatch(r"[0-9]{1,5}", database):
            raise ConfigError(
                "url= must be redis://[user:password@]host[:port][/number], and nothing else; see RedisStore"
            )
        if not (place and not parts.hostname if parts.scheme == "unix" else parts.hostname):
            raise ConfigError("url= names no host, or no path: redis://host:6379/0, unix:///run/redis.sock?db=0")
        if ca_file is not None and parts.scheme != "rediss":
            raise ConfigError(f"ca_file={ca_file!r} is for rediss:// alone: nothing is encrypted here")
        host = parts.hostname or ""
        where = place if parts.scheme == "unix" else f"{f'[{host}]' if ':' in host else host}:{port}/{int(database)}"
        self.shown = f"{parts.scheme}://{where}"
        self._scheme = parts.scheme
        self._user = None if parts.username is None else unquote(parts.username)
        self._password = None if parts.password is None else SecretStr(unquote(parts.password))
        self._tls: Any = None
        self._options: dict[str, Any] = {"db": int(database)}
        self._options |= {"path": place} if parts.scheme == "unix" else {"host": host, "port": port}
        if parts.scheme == "rediss":
            self._options |= {"ssl_cert_reqs": "required", "ssl_check_hostname": True, "ssl_ca_certs": ca_file}

    def connection(self, library: Any, **options: Any) -> Any:
        """Return a connection that is not open yet; its time is limited by whoever uses it."""
        names = {"redis": "Connection", "rediss": "SSLConnection", "unix": "UnixDomainSocketConnection"}
        password = None if self._password is None else self._password.reveal()
        limits: dict[str, Any] = {"socket_timeout": None, "socket_connect_timeout": None}
        kind = getattr(library, names[self._scheme])
        line = kind(username=self._user or None, password=password, **self._options, **limits, **options)
        if self._scheme == "rediss":  # one for all: reading the system's authorities takes some hundredths of a second
            line.ssl_context = self._tls = self._tls or line.ssl_context
        return line


class _Socket:
    """What `net.connections` closes: at once, since a parting word would have to be waited for."""

    def __init__(self, line: Any) -> None:
        self._line = line

    async def aclose(self) -> None:
        """Drop the socket; there is no waiting in it."""
        # The library's own way wants a task in most of its versions, and says goodbye where there is TLS.
        writer, self._line._writer, self._line._reader = self._line._writer, None, None  # noqa: SLF001  # as said above
        if writer is not None:
            writer.transport.abort()


def _library() -> Any:
    try:
        for name in ("asyncio", "backoff", "exceptions", "retry"):
            importlib.import_module(f"redis.{name}")
        return importlib.import_module("redis")
    except ImportError:
        missing = "RedisStore needs the package redis: pip install 'aiclient[redis]'"
    raise ConfigError(missing)


async def _is_over(line: Any) -> bool:
    """Whether the server has closed an idle connection, or said something that nobody asked for."""
    look = getattr(line, "can_read", None) or line.can_read_destructive  # as versions before 8 call it
    for _ in range(2):  # turns: in the first the loop looks at its sockets, in the second it reads from this one
        await asyncio.sleep(0)
    reader = line._reader  # noqa: SLF001  # versions before 8 look at what they have read themselves alone
    try:
        return reader is None or reader.at_eof() or bool(reader._buffer) or bool(await look())  # noqa: SLF001  # likewise
    except Exception:  # noqa: BLE001  # whatever is wrong with it, it is not used again
        return True


def _reason(error: Exception) -> tuple[str, str]:
    said = f"{type(error).__name__} {error}"
    for kind, names, advice in _KINDS:
        if re.search(rf"\b(?:{names})\b", said):
            return kind, advice
    return "server", f"it answered with an error, or with what was not asked for ({type(error).__name__})"
