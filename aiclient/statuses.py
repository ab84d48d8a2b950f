"""How the services of a client stand, as plain values for a status page or a health check."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

from attrs import asdict, field, frozen

from .abilities import Health

__all__ = ["ServiceStatus", "Standing", "Status", "standing_of"]

Sections: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]

Standing: TypeAlias = Literal["ok", "degraded", "down", "closed"]
"""How a client stands: every service is well, some are, none is, or it was closed."""

FRESH: Final = 300.0
"""Seconds for which an answer to `health()` says something of now."""

ENOUGH: Final = 5
"""Attempts in the window of the metrics from which their success rate says something."""

_GRAVITY: Final = {"closed": 0, "half_open": 1, "open": 2}

_ALIVE: Final = ("rate_limit", "not_found")
"""Failures of `health()` that say that the service is there."""


@frozen(kw_only=True)
class ServiceStatus:
    """How one service stands, by what the layers on the way to it know; what nobody knows is None.

    Args:
        provider: Its name.
        model: The model that is asked for if a request names none; of several, the first.
        origin: Scheme, host and port.
        ok: Whether nothing speaks against asking it.
        reasons: What does.
        health: What it last answered when it was asked whether it is well.
        breaker: State of the circuit of its model; without such, the worst of all its models.
        retry_after: Seconds until an open circuit is tried again.
        last_error: Category of the last failure.
        last_error_at: When that was, in seconds since the epoch.
        success_rate: Of the attempts in the window of the metrics, all models together.
        duration: `count`, `mean`, `p50`, `p95`, `p99` and `maximum` in seconds, of the model with the most attempts.
        first_output: The same, of streams up to their first output.
        headroom: What is left of the limits: `requests`, `tokens`, `permits` (None: no such limit), `not_before` (seconds for
            which the service wants to be spared) and `waiting` (calls in queues).
        spend_usd: What it took: by a budget's ledger where there is one, else by the metrics.
        details: What each layer said, by section.
    """

    provider: str
    model: str | None = None
    origin: str | None = None
    ok: bool = True
    reasons: tuple[str, ...] = ()
    health: Health | None = None
    breaker: str | None = None
    retry_after: float | None = None
    last_error: str | None = None
    last_error_at: float | None = None
    success_rate: float | None = None
    duration: Mapping[str, Any] | None = None
    first_output: Mapping[str, Any] | None = None
    headroom: Mapping[str, Any] | None = None
    spend_usd: Decimal | None = None
    details: Sections = field(factory=dict, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict for JSON; money is a text, as it is exact."""
        saved = asdict(self, recurse=False)
        health = self.health and {**asdict(self.health), "checked_at": self.health.checked_at.isoformat()}
        return {name: _plain(value) for name, value in {**saved, "health": health}.items()}


@frozen(kw_only=True)
class Status:
    """How a client stands.

    Args:
        state: `ok`, `degraded` (some services are well, so that a fallback may still answer), `down` or `closed`.
        taken_at: When this was found.
        in_flight: Calls under way.
        services: Each service that a call may reach, preferred first.
    """

    state: Standing
    taken_at: datetime
    in_flight: int = 0
    services: tuple[ServiceStatus, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether a call may be answered: by one service at least."""
        return self.state in ("ok", "degraded")

    def __str__(self) -> str:
        lines = [f"{self.state}, {self.in_flight} in flight"]
        for one in self.services:
            name = one.provider if one.model is None else f"{one.provider}:{one.model}"
            rate = "" if one.success_rate is None else f", {one.success_rate:.0%} of attempts well"
            spend = "" if one.spend_usd is None else f", ${one.spend_usd:f} spent"
            lines.append(
                f"{'ok' if one.ok else 'DOWN':<5}{name}{rate}{spend}{''.join(f'; {why}' for why in one.reasons)}"
            )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict for JSON."""
        services = [service.to_dict() for service in self.services]
        found = {"ok": self.ok, "state": self.state, "taken_at": self.taken_at.isoformat(), "in_flight": self.in_flight}
        return {**found, "services": services}


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it: a layer of somebody's own must not bring a status page down."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            return f"{value:f}"
        case Mapping():
            return {str(name): _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return str(value)


def standing_of(
    provider: str,
    *,
    models: Sequence[str | None],
    origin: str | None,
    health: Health | None,
    details: Sections,
    now: float,
) -> ServiceStatus:
    """Sum up what is known of one service.

    Args:
        provider: Its name.
        models: Those that it is asked for by itself.
        origin: Where it is.
        health: What it last answered.
        details: What the layers said.
        now: Seconds since the epoch.
    """
    circuit: Mapping[str, Any] = _circuit(details.get("breaker", ()), models) or {}
    measured = _once(details.get("metrics", ()), _count)
    busiest = max(measured, key=_count, default=None)
    last = max(measured, key=lambda entry: entry.get("last_failure_at") or 0.0, default={})
    rate, attempts = _rate(measured)
    reasons = tuple(_reasons(circuit, health, rate, attempts, now))
    return ServiceStatus(
        provider=provider,
        model=next(iter(models), None),
        origin=origin,
        ok=not reasons,
        reasons=reasons,
        health=health,
        breaker=circuit.get("state"),
        retry_after=circuit.get("retry_after"),
        last_error=last.get("last_failure") or circuit.get("last_failure"),
        last_error_at=last.get("last_failure_at"),
        success_rate=rate,
        duration=busiest and busiest.get("duration"),
        first_output=busiest and busiest.get("first_output"),
        headroom=_headroom(details),
        spend_usd=_spend(details),
        details=details,
    )


def _circuit(circuits: Sequence[Mapping[str, Any]], models: Sequence[str | None]) -> Mapping[str, Any] | None:
    """Return the circuit that decides for calls that name no model; without such, the worst."""
    own = [circuit for circuit in circuits if circuit.get("model") in models]
    return max(own or circuits, key=lambda circuit: _GRAVITY.get(str(circuit.get("state")), 0), default=None)


def _count(entry: Mapping[str, Any]) -> int:
    return int((entry.get("duration") or {}).get("count") or 0)


def _rate(measured: Sequence[Mapping[str, Any]]) -> tuple[float | None, int]:
    known = [(entry["success_rate"], _count(entry)) for entry in measured if entry.get("success_rate") is not None]
    attempts = sum(count for _, count in known)
    return (sum(rate * count for rate, count in known) / attempts if attempts else None), attempts


def _reasons(
    circuit: Mapping[str, Any], health: Health | None, rate: float | None, attempts: int, now: float
) -> Iterator[str]:
    # One that may be tried again is no reason: taken out of service for it, a process would never find out.
    if circuit.get("state") == "open" and circuit.get("retry_after") != 0.0:
        yield "its circuit is open"
    unwell = health is not None and not health.ok and health.category not in _ALIVE
    if health is not None and unwell and now - health.checked_at.timestamp() <= FRESH:
        yield f"it is not well ({health.category or 'other'})"
    if rate is not None and attempts >= ENOUGH and rate < 0.5:
        yield f"{1 - rate:.0%} of the last {attempts} attempts failed"


def _headroom(details: Sections) -> Mapping[str, Any] | None:
    limits, permits = details.get("rate_limit", ()), details.get("concurrency", ())
    if not limits and not permits:
        return None
    left: dict[str, list[int]] = {
        what: [max(0, one[f"{what}_limit"] - one[what]) for one in limits if one.get(f"{what}_limit") is not None]
        for what in ("requests", "tokens")
    }
    left["permits"] = [max(0, one["limit"] - one["in_use"]) for one in permits if one.get("limit") is not None]
    return {
        **{what: min(counts, default=None) for what, counts in left.items()},
        "not_before": max((one.get("not_before") or 0.0 for one in limits), default=0.0),
        "waiting": sum(int(one.get("waiting") or 0) for one in (*limits, *permits)),
    }


def _spend(details: Sections) -> Decimal | None:
    """Return what a ledger has counted, else what metrics have."""
    counted = _sum(details.get("spend", ()), "usd")
    return _sum(details.get("metrics", ()), "cost_usd") if counted is None else counted


def _sum(entries: Sequence[Mapping[str, Any]], name: str) -> Decimal | None:
    def amount(entry: Mapping[str, Any]) -> Decimal:
        return Decimal(str(entry[name]))

    known = [entry for entry in entries if entry.get(name) is not None]
    return sum(map(amount, _once(known, amount)), Decimal(0)) if known else None


def _once(entries: Sequence[Mapping[str, Any]], weight: Callable[[Mapping[str, Any]], Any]) -> list[Mapping[str, Any]]:
    """Return one entry for each model, the weightiest: several layers may have seen, and counted, the same calls."""
    found: dict[Any, Mapping[str, Any]] = {}
    for entry in sorted(entries, key=weight):
        found[entry.get("model")] = entry
    return list(found.values())
