"""Hold calls to budgets of money and tokens: reserved before, settled after, never spent twice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Final, TypeAlias, cast

from ..clock import SYSTEM, Clock
from ..composition import Destination
from ..context import CallContext, CallEvent
from ..errors import ConfigError
from ..gate import Alarm, uninterrupted
from ..layer import Layer
from ..ledger.ledger import Funds, Ledger
from ..ledger.limits import ALERTS, BudgetAlert, Limit, account_of
from ..ledger.money import Amount, dollars, micros
from ..ledger.periods import Period
from ..logs import correlation_id
from ..provider import Provider, Q, R, observed
from ..stream import ChatStream
from ..tokens import TokenCounter
from ._budget_call import BudgetCall

__all__ = ["Budget", "resumed"]

PATIENCE: Final = 10.0
"""Seconds that an alert's callback may take."""

_LOGGER: Final = logging.getLogger("aiclient.budget")

OnAlert: TypeAlias = Callable[[BudgetAlert], Awaitable[object] | object]


class Budget(Layer):
    """Let no call through that could cost more than is left.

    A call: what it may take at most (the dearest service it may reach, the estimated input and 5 %, and `max_tokens` or else
    the model's longest answer) is set aside before anything is sent, on every limit or on none; what does not fit is refused
    with a BudgetExceededError. At the end what its exchanges took is counted, failed and hedged ones included, and the rest
    given back; answers from a cache, or of another's call, take nothing. A stream: the same; one that outgrows what is set
    aside for it is ended with what it gave, as a StreamInterruptedError whose cause is a BudgetExceededError. Place: outside
    cache, fallback and retry, so that one reservation stands for the call; inside logging and tracing. An answer that a cache
    inside would give for nothing is refused too when the money is gone: to have it all the same, put the Cache outside.

    Prices are those of the client. One that is not known is an error under a hard limit in US dollars (ConfigError), and a
    warning under a soft one; mocks cost nothing. The money is that of the exchanges that are in the journal; what no service
    has reported is estimated.

    Args:
        limits: What calls are held to, all at once; or one limit by the options below.
        usd: US dollars, as Decimal, text, int or float.
        tokens: Input and output tokens together.
        per: Whom it counts for: None all calls, `user`, `session`, another tag, `tenant`, `provider`.
        period: `total`, or `hour`, `day`, `month` of the calendar in UTC; a call counts for the period it began in.
        hard: Refuse what does not fit. False lets it through.
        name: Limits of one name, `per` and `period` share a balance in a ledger.
        alerts: Parts of the limit at which to alert, once for each period.
        on_alert: Called with each BudgetAlert, a function or a coroutine function (awaited before the answer is handed on, 10 s
            at most); what it raises is logged.
        ledger: Where it is kept; one of its own in memory by default. Budgets may share one.
        count_tokens: Says how many input tokens a request has; the default is an estimate by length.
        clock: Where time comes from; the call's own clock by default.

    Raises:
        ConfigError: An option is not what it must be; at a call, a price is not known.
        BudgetExceededError: It says what lacks, how much is spent and reserved, and when it begins anew.
        StoreError: The ledger's store failed (see `Ledger`).

    Cancelling gives back what was not sent, and counts an estimate of what was.

    Example:
        >>> budget = Budget(usd="0.01")
        >>> client = Client(MockProvider("hi"), prices={"mock-model": {"input": 1, "output": 2}}).use(budget)
        >>> _ = client.new_request().user("Hello").max_tokens(100).do()
        >>> budget.spent, budget.reserved
        (Decimal('0.000003'), Decimal('0'))
    """

    slot: ClassVar[str | None] = "budget"

    def __init__(
        self,
        *limits: Limit,
        usd: Decimal | str | float | None = None,
        tokens: int | None = None,
        per: str | None = None,
        period: Period = "total",
        hard: bool = True,
        name: str = "budget",
        alerts: tuple[float, ...] = ALERTS,
        on_alert: OnAlert | None = None,
        ledger: Ledger | None = None,
        count_tokens: TokenCounter | None = None,
        clock: Clock | None = None,
    ) -> None:
        given: tuple[object, ...] = limits
        if any(not isinstance(limit, Limit) for limit in given):
            raise ConfigError(f"limits={limits!r} must be Limit values; a single one is Budget(usd=...)")
        if usd is not None or tokens is not None or not limits:
            own = Limit(usd=usd, tokens=tokens, per=per, period=period, hard=hard, name=name, alerts=alerts)
            limits = (own, *limits)
        if on_alert is not None and not callable(on_alert):
            raise ConfigError(f"on_alert={on_alert!r} must be a function of a BudgetAlert")
        if count_tokens is not None and not callable(count_tokens):
            raise ConfigError(
                f"count_tokens={count_tokens!r} must be a function of a request that returns its input tokens"
            )
        kept: object = ledger
        if kept is not None and not isinstance(kept, Ledger):
            raise ConfigError(f"ledger={kept!r} must be a Ledger; Ledger(store=...) keeps it in a store")
        self.limits = limits
        self.ledger = Ledger(clock=clock or SYSTEM) if ledger is None else ledger
        self._on_alert = on_alert
        self._count = count_tokens
        self._clock = clock
        self._seen = clock or SYSTEM

    def __repr__(self) -> str:
        return f"Budget({', '.join(map(_shown, self.limits))})"

    async def around(self, request: Q, inner: Provider, call_next: Callable[[Q], Awaitable[R]]) -> R:
        """Reserve, make the call, and settle."""
        context = request.context
        assert context is not None  # opened by Layered
        self._seen = clock = self._clock or context.clock
        call = BudgetCall(self.ledger, self.limits, self._tell, request, inner, clock, self._count)
        await call.enter()

        async def made() -> R:  # so that what is raised before the first await gives everything back too
            return await call_next(request)

        result = await observed(made(), call.end)
        if isinstance(result, ChatStream):
            call.watch(result)
        return result

    # --- for its owner ---

    def funds(self, value: str | None = None) -> Funds:
        """Return what is spent and reserved under the first limit, in this period: of `value`, a user, tag or the like."""
        now = self._seen.time()
        return self.ledger.funds(account_of(self.limits[0], _checked(value), now), now)

    async def refresh(self, value: str | None = None) -> Funds:
        """Look again at what other processes have spent and reserved, where the ledger is in a store; return what `funds` says.

        Args:
            value: Of which user, tag or the like.

        Raises:
            StoreError: The store failed.
        """
        now = self._seen.time()
        await self.ledger.refresh(*(account_of(limit, _checked(value), now) for limit in self.limits), days=0)
        return self.funds(value)

    @property
    def spent(self) -> Decimal:
        """US dollars spent under the first limit; `funds` says those of one user or tag."""
        return self.funds().spent

    @property
    def reserved(self) -> Decimal:
        """US dollars set aside for calls under way."""
        return self.funds().reserved

    @property
    def remaining(self) -> Decimal | None:
        """US dollars that are neither spent nor reserved, 0 at least; None if the first limit is not one of money."""
        return self.left()

    def left(self, value: str | None = None) -> Decimal | None:
        """Return what `remaining` is for one user, tag or the like."""
        most = next((cap.amount for cap in self.limits[0].caps if cap.unit == "usd"), None)
        funds = self.funds(value)
        return None if most is None else dollars(max(0, most - micros(funds.spent) - micros(funds.reserved)))

    @property
    def alerts(self) -> tuple[BudgetAlert, ...]:
        """The alerts that have fired for limits of the first one's name, oldest first."""
        return self.ledger.alerts(self.limits[0].name)

    def report(self, service: Destination, /) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Return what the ledger's rows say that `service` took, for `client.status()`."""
        rows = self.ledger.report(by=("provider", "model"))
        what = ("model", "usd", "tokens", "requests", "failed")
        return {"spend": [{name: row[name] for name in what} for row in rows if row["provider"] == service.provider]}

    # --- alerts ---

    async def _tell(self, alert: BudgetAlert, context: CallContext, clock: Clock) -> None:
        _LOGGER.warning("%s", alert, extra={"aiclient": _fields("budget_alert", context)})
        if context.observers:
            context.emit(CallEvent("budget", detail=str(alert)))
        if self._on_alert is None:
            return
        try:
            told = self._on_alert(alert)
            if hasattr(told, "__await__"):
                await uninterrupted(_within(cast("Awaitable[object]", told), clock))
        except (
            Exception,
            asyncio.CancelledError,
        ):  # the user's code, which nobody can cancel; logged, and the call goes on
            fields = _fields("listener_failed", context)
            _LOGGER.exception("a budget's callback failed: %r", self._on_alert, extra={"aiclient": fields})


def resumed(limit: Limit, spent: Decimal) -> Budget:
    """Return a budget, kept in memory, of which so much is spent already; a refusal names the whole limit then."""
    ledger = Ledger()
    ledger.carry(account_of(limit, None, 0.0), Amount(micros(spent)))
    return Budget(limit, ledger=ledger)


def _checked(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"value={value!r} must be a text, as tags are: use str()")
    return value


def _fields(event: str, context: CallContext) -> dict[str, str | None]:
    return {"event": event, "id": context.id, "correlation_id": correlation_id()}


async def _within(work: Awaitable[Any], clock: Clock) -> None:
    alarm = Alarm(clock)
    alarm.set(clock.monotonic() + PATIENCE, "total")
    try:
        await alarm.guard(work)
    finally:
        alarm.stop()


def _shown(limit: Limit) -> str:
    amounts = [f"${cap.shown(cap.amount)}" if cap.unit == "usd" else f"{cap.amount} tokens" for cap in limit.caps]
    words = [" and ".join(amounts), *([f"per {limit.per}"] if limit.per else [])]
    words += [f"per {limit.period}"] if limit.period != "total" else []
    return " ".join([*words, *([] if limit.hard else ["(soft)"])])
