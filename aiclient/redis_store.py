"""A store on a Redis server, or one that speaks its protocol: for what processes on several machines share.

An entry is a hash: its field `v` is the value, a field `t...` each tag. The names of the entries with a tag stand in a sorted
set, ordered by when their time is over, which is how what is over is found there. All keys share one hash tag, `{prefix}`, so
that a cluster keeps them on one node. Times are the server's own: the clocks of its clients may differ.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any, Final, Self

from ._redis_server import RedisServer
from .clock import SYSTEM, Clock
from .errors import ConfigError, StoreError
from .secrets import SecretStr

__all__ = ["RedisStore"]

STEP: Final = 500
"""Keys that one step of `clear` looks at."""

LONGEST: Final = 1e9
"""Seconds; what is to live longer has no end (the server's arithmetic does not go much further)."""


class _Script:
    """What the server does in one step; it is sent whole only when the server does not have it yet."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


_SET: Final = _Script("""
local time, ends = redis.call('TIME'), 'inf'
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[2] ~= '' then ends = string.format('%.0f', now + ARGV[2]) end
redis.call('SET', KEYS[1], '') -- a script without room is stopped at its first write alone, if that takes room
redis.call('DEL', KEYS[1])
for i = 2, #KEYS do
  for _, over in ipairs(redis.call('ZRANGEBYSCORE', KEYS[i], '-inf', now, 'LIMIT', 0, 16)) do
    redis.call('ZREM', KEYS[i], over)
  end
  redis.call('ZADD', KEYS[i], ends, KEYS[1])
  local last = redis.call('ZREVRANGE', KEYS[i], 0, 0, 'WITHSCORES')[2]
  if last == 'inf' then redis.call('PERSIST', KEYS[i]) else redis.call('PEXPIREAT', KEYS[i], last) end
end
redis.call('HSET', KEYS[1], 'v', ARGV[1])
for i = 3, #ARGV do redis.call('HSET', KEYS[1], ARGV[i], '') end
if ARGV[2] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
""")
"""KEYS: the entry, the sets of its tags. ARGV: the value, its milliseconds or nothing, the fields of its tags."""

_SWAP: Final = _Script("""
local kept = redis.call('HGET', KEYS[1], 'v')
if ARGV[1] == '' then
  if kept then return 0 end
elseif kept ~= ARGV[2] then
  return 0
end
if ARGV[3] ~= '' then redis.call('SET', KEYS[1], '') end -- as above
redis.call('DEL', KEYS[1])
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[1], 'v', ARGV[4])
  if ARGV[5] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[5]) end
end
return 1
""")
"""KEYS: the entry. ARGV: whether something is expected, and what; whether something is to be kept, what, and for how long."""

_UNTAG: Final = _Script("""
local removed = 0
for i = 2, #KEYS do
  if redis.pcall('HEXISTS', KEYS[i], ARGV[1]) == 1 then removed = removed + redis.call('DEL', KEYS[i]) end
  redis.call('ZREM', KEYS[1], KEYS[i])
end
return removed
""")
"""KEYS: the set of a tag, entries that stand in it. ARGV: the field of the tag."""


class RedisStore:
    """Keeps bytes on a Redis server, or on Valkey, for any number of threads, event loops, processes and machines.

    Times are the server's. A call takes at most `timeout` seconds, connecting included, and is sent once. Cancelled, it ends
    at once; its connection is closed, and what it asked for is done whole or not at all. After three failures in a row the
    server is left alone for 5 s; then one call tries it. A forked child and every event loop have connections of their own.

    What is kept lies on the server in the clear, and for as long as the server keeps it: one that may drop keys for lack of
    room forgets balances. A tag's list of entries may name some that are gone, until their time would have been over.

    Args:
        url: `redis://host:6379/0`, `rediss://user:password@host` (TLS, which is verified) or `unix:///path?db=0`.
        prefix: What its keys begin with, in braces; stores that share a server are kept apart by it. Default `aiclient:`.
        timeout: Seconds that one exchange with the server may take. Default 0.5.
        ca_file: A PEM file of authorities to trust besides the system's, for `rediss`.
        clock: Where the time for `timeout` comes from, and for leaving the server alone.

    Raises:
        ConfigError: An option is not what it must be, or the package `redis` is missing: `pip install 'aiclient[redis]'`.
        StoreError: From every method. `kind` is `io` (not reached, or cut off), `timeout`, `off` (left alone), `auth`, `full`,
            `readonly`, `cluster`, `corrupt`, `busy` or `server`; the text says what to do, and no password.

    Example:
        >>> RedisStore("redis://:s3cret-word@cache.example:6380/2")
        RedisStore('redis://cache.example:6380/2', prefix='aiclient:')
    """

    def __init__(
        self,
        url: str | SecretStr,
        *,
        prefix: str = "aiclient:",
        timeout: float = 0.5,
        ca_file: str | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        if type(timeout) not in (int, float) or not 0 < timeout < float("inf"):
            raise ConfigError(f"timeout={timeout!r} must be a finite number of seconds, more than 0")
        given: Any = prefix
        if not isinstance(given, str) or not re.fullmatch(r"[A-Za-z0-9_.:/-]{1,64}", given):
            raise ConfigError(f"prefix={prefix!r} must be 1 to 64 letters, digits or any of _ . : / -")
        self._prefix = prefix
        self._server = RedisServer(url, ca_file, float(timeout), clock)

    def __repr__(self) -> str:
        return f"RedisStore({self._server.shown!r}, prefix={self._prefix!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def get(self, key: str, /) -> bytes | None:
        """Return what is kept under `key`."""
        return await self._server.ask(_value, "HGET", self._key("v", key), "v")

    async def set(self, key: str, value: bytes, /, *, ttl: float | None = None, tags: Iterable[str] = ()) -> None:
        """Keep `value`; also removes names of entries that are over from the lists of its tags."""
        names = sorted(set(tags))
        keys = [self._key("v", key), *(self._key("t", tag) for tag in names)]
        await self._run(_SET, keys, value, _milliseconds(ttl), *(_field(tag) for tag in names))

    async def swap(self, key: str, expected: bytes | None, value: bytes | None, /, *, ttl: float | None = None) -> bool:
        """Set or delete if what is kept is `expected`: one script, which nothing comes between."""
        pairs = [part for given in (expected, value) for part in (("", "") if given is None else ("1", given))]
        return await self._run(_SWAP, [self._key("v", key)], *pairs, _milliseconds(ttl)) == 1

    async def delete(self, key: str, /) -> bool:
        """Remove what is kept under `key`."""
        return await self._server.ask(_number, "DEL", self._key("v", key)) == 1

    async def clear(self, *, prefix: str = "", tag: str | None = None) -> int:
        """Remove by the beginning of the key, by tag, or both, in steps that others come between.

        Without a tag every key of the server's database is looked at, ours or not.
        """
        pattern = re.sub(rb"([*?\[\]\\])", rb"\\\1", self._key("v", prefix)) + b"*"
        tagged = b"" if tag is None else self._key("t", tag)
        scan, cursor, removed = ("SCAN",) if tag is None else ("ZSCAN", tagged), b"0", 0
        while True:
            cursor, found = await self._server.ask(_page, *scan, cursor, "MATCH", pattern, "COUNT", STEP)
            if tag is not None and found:
                removed += await self._run(_UNTAG, [tagged, *found[::2]], _field(tag))
            elif found:
                removed += await self._server.ask(_number, "UNLINK", *found)
            if cursor == b"0":
                return removed

    async def close(self) -> None:
        """Close the connections; the next call opens one again."""
        self._server.close()

    async def _run(self, script: _Script, keys: list[bytes], *arguments: bytes | str) -> int:
        return await self._server.ask(_number, "EVALSHA", script.sha, len(keys), *keys, *arguments, text=script.text)

    def _key(self, kind: str, name: str) -> bytes:
        try:
            return f"{{{self._prefix}}}{kind}:{name}".encode()
        except UnicodeEncodeError:
            problem = "a name that is no text (a lone surrogate) cannot be kept"
        raise StoreError(problem, kind="key")


def _milliseconds(ttl: float | None) -> str:
    return "" if ttl is None or ttl > LONGEST else str(int(ttl * 1000))


def _field(tag: str) -> str:
    return f"t{tag}"


def _value(reply: Any) -> bytes | None:
    if reply is None or isinstance(reply, bytes):
        return reply
    raise ValueError("not a value")


def _number(reply: Any) -> int:
    if isinstance(reply, int):
        return reply
    raise ValueError("not a number")


def _page(reply: Any) -> tuple[bytes, list[bytes]]:
    cursor, found = reply
    if isinstance(cursor, bytes) and isinstance(found, list) and all(isinstance(name, bytes) for name in found):
        return cursor, found
    raise ValueError("not a page of names")
