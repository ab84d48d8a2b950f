"""One exchange with a service: the address and the key put on, limits kept, failures told apart and signed.

One thing is repeated here and nowhere else: a key that the service refuses is asked for once more.
"""

from __future__ import annotations

from typing import Any, ClassVar

from attrs import evolve

from ..abilities import KeyCheck
from ..context import CallContext, Timeouts
from ..credentials import ApiKey, vendor_of
from ..errors import AIClientError, ConfigError, MissingAPIKeyError
from ..http import HTTP, Exchange, Head
from ..keyforms import doubts
from ..net.transport import HTTPLimits
from ..redaction import known
from ..request import HTTPCall
from ..secrets import SecretStr
from ..wire.failures import failure
from ..wire.headers import HeaderFacts, facts
from ._endpoint import Endpoint
from ._health import limit

__all__ = ["Sender"]


class Sender:
    """Makes the exchanges of a provider; knows nothing of protocols.

    Args:
        name: What the provider is called in errors.
        endpoint: Where it sends.
        key: What it authenticates with.
        http_client: An `httpx.AsyncClient` to send through; it is never closed here.
        timeout: Limits of this provider; they only lower those of the call.
        limits: Connections and sizes.
    """

    _OWN: ClassVar[tuple[str, str] | None] = None
    """A vendor's own host, and the vendor: a key that looks like another vendor's is not shown to it."""

    def __init__(
        self,
        *,
        name: str,
        endpoint: Endpoint,
        key: ApiKey,
        http_client: Any = None,
        timeout: float | Timeouts | None = None,
        limits: HTTPLimits | None = None,
    ) -> None:
        self._name = name
        self._endpoint = endpoint
        self._key = key
        self._http = HTTP(http_client=http_client, limits=limits or HTTPLimits())
        self._timeouts = None if timeout is None else Timeouts.of(timeout)

    # --- for the subclasses ---

    def _auth(self, secret: SecretStr) -> list[tuple[str, str]]:
        """Return the headers that carry the key."""
        return [("Authorization", f"Bearer {secret.reveal()}")]

    def _refused(self, head: Head) -> bool:
        """Whether the service refused the key as such, so that another one may help."""
        return head.status == 401

    def _check(self, secret: SecretStr | None) -> None:
        """Refuse to send the key where it must not go."""
        self._endpoint.check(with_key=secret is not None or self._key.refreshable)
        if self._OWN is not None and secret is not None and self._endpoint.host == self._OWN[0]:
            other, own = vendor_of(secret), self._OWN[1]
            if other not in (None, own):
                raise ConfigError(
                    f"the key for {self._name} is one of {other}'s and would be shown to {own}; check api_key"
                )

    async def _get(self, call: HTTPCall) -> bytes:
        """Make an exchange that answers no request, such as listing models, and return the body."""
        context = self._fresh()
        if context.timeouts.total is not None:
            context.deadline = context.clock.monotonic() + context.timeouts.total
        try:
            _, body = await self._read(call, context)
        except AIClientError as error:
            raise self._sign(error, None).with_traceback(None)  # noqa: B904  # it is that error, without what was read
        return body

    async def check_key(self) -> KeyCheck:
        """Look at the key, asking for it where it comes from a callable; sends nothing to the service.

        What a callable raises that is no AIClientError is a bug of its own, and raised as it is.
        """
        try:
            secret = await self._key.get()
            self._check(secret)
        except AIClientError as error:
            return KeyCheck(found=not isinstance(error, MissingAPIKeyError), errors=(error.message,))
        return KeyCheck(found=False) if secret is None else KeyCheck(found=True, warnings=self._doubts(secret))

    def _doubts(self, secret: SecretStr) -> tuple[str, ...]:
        """Return what speaks against the key; at a vendor's own address its form counts too."""
        if self._OWN is not None and self._endpoint.host == self._OWN[0]:
            return doubts(self._OWN[1], secret)
        other = vendor_of(secret)
        if other is None or other.replace(" ", "").lower() in f"{self._name} {self._endpoint.host}".lower():
            return ()
        return (f"the key looks like one of {other}'s, and goes to {self._endpoint.host}",)

    # --- inside ---

    def _fresh(self) -> CallContext:
        timeouts = self._timeouts or Timeouts()
        return CallContext(timeouts=evolve(timeouts, total=_least(timeouts.total, limit())))

    async def _read(self, call: HTTPCall, context: CallContext) -> tuple[Head, bytes]:
        """Make an exchange, and return head and body of a success."""
        exchange = await self._open(call, context)
        return exchange.head, await exchange.read()

    async def _open(self, call: HTTPCall, context: CallContext) -> Exchange:
        """Begin an exchange, and return it when its head is that of a success."""
        secret = await self._key.get()
        self._check(secret)
        exchange = await self._http.open(self._ready(call, context, secret), **self._limits(context))
        if self._refused(exchange.head) and (renewed := await self._key.refresh(secret)) is not None:
            await exchange.aclose()
            self._check(renewed)
            exchange = await self._http.open(self._ready(call, context, renewed), **self._limits(context))
        head = exchange.head
        if 200 <= head.status < 300:
            return exchange
        raise failure(head.status, await exchange.read(), self._facts(head, context), headers=head.headers)

    def _ready(self, call: HTTPCall, context: CallContext, secret: SecretStr | None) -> HTTPCall:
        return self._endpoint.call(call, id_=context.id, secret=self._auth(secret) if secret is not None else ())

    def _limits(self, context: CallContext) -> dict[str, Any]:
        """Return the time limits of an exchange: the call's, lowered by this provider's own."""
        own, timeouts, deadline = self._timeouts, context.timeouts, context.deadline
        if own is not None:
            timeouts = evolve(
                timeouts, connect=_least(own.connect, timeouts.connect), pool=_least(own.pool, timeouts.pool)
            )
            ends = None if own.total is None else context.clock.monotonic() + own.total
            deadline = _least(ends, deadline)
        return {"clock": context.clock, "timeouts": timeouts, "deadline": deadline}

    def _facts(self, head: Head, context: CallContext) -> HeaderFacts:
        said, own = facts(head.headers, status=head.status, now=context.clock.time()), self._key.known
        if own is not None and said.request_id is not None and own.reveal() in said.request_id:
            return evolve(said, request_id=known(said.request_id, [own]))
        return said

    def _sign(self, error: AIClientError, model: str | None, said: HeaderFacts | None = None) -> AIClientError:
        """Put onto an error whose it is, and take our key out of its words: some services quote it."""
        error.provider = error.provider or self._name
        error.model = error.model or model
        if said is not None:
            error.request_id = error.request_id or said.request_id
            error.rate_limit = error.rate_limit or said.rate_limit
        own = [key] if (key := self._key.known) is not None else []
        error.message = known(error.message, own)
        error.args = (error.message,)
        error.code = error.code and known(error.code, own)
        error.request_id = error.request_id and known(error.request_id, own)
        return error


def _least(one: float | None, other: float | None) -> float | None:
    """Return the lower limit; None is none."""
    return min((limit for limit in (one, other) if limit is not None), default=None)
