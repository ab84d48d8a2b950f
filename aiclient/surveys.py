"""Asking the layers of a chain, and on request the services behind it, how they stand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import define, field

from .abilities import Checks, Health, KnowsHealth
from .clock import Clock
from .composition import Destination, Reports, reached
from .errors import ConfigError, UnsupportedFeatureError, outcome
from .gate import Alarm
from .layer import Layer, Layered
from .provider import Provider
from .statuses import ServiceStatus, Standing, Status, standing_of

__all__ = ["survey"]


async def survey(provider: Provider, *, ask: bool, seconds: float, clock: Clock, in_flight: int) -> Status:
    """Return how every service that `provider` may reach stands.

    Args:
        provider: A chain.
        ask: Whether to ask the services whether they are well; else what is known of that is told, and nothing is sent.
        seconds: For each of them.
        clock: Where time comes from.
        in_flight: Calls under way.

    Raises:
        ConfigError: An option is not what it must be.
    """
    if type(ask) is not bool:
        raise ConfigError(f"ask={ask!r} must be True or False")
    if type(seconds) not in (int, float) or not 0 < seconds < float("inf"):
        raise ConfigError(f"timeout={seconds!r} must be a finite number of seconds above 0")
    found = list(_services(provider).values())
    if ask:
        async with asyncio.TaskGroup() as group:
            for service in found:
                group.create_task(service.ask(seconds, clock))
    now = clock.time()
    services = tuple(service.standing(service.reports(), now) for service in found)
    well = sum(service.ok for service in services)
    state: Standing = "ok" if well == len(services) else "degraded" if well else "down"
    return Status(state=state, taken_at=datetime.fromtimestamp(now, UTC), in_flight=in_flight, services=services)


@define(eq=False)
class _Service:
    """A service, and the layers on all ways to it."""

    leaf: Provider
    key: Destination
    models: list[str | None] = field(factory=list)
    layers: list[Layer] = field(factory=list)
    health: Health | None = None

    def standing(self, details: Mapping[str, Sequence[Mapping[str, Any]]], now: float) -> ServiceStatus:
        """Sum up what is known of it."""
        return standing_of(
            self.key.provider,
            models=self.models,
            origin=self.key.origin,
            health=self.health,
            details=details,
            now=now,
        )

    def reports(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Collect what the layers know, outermost first; one that fails says so, and keeps none of the others quiet."""
        sections: dict[str, list[Mapping[str, Any]]] = {}
        for layer in self.layers:
            if isinstance(layer, Reports):
                try:
                    said = layer.report(self.key)
                    self.standing(said, 0.0)  # raises where it says something else under a name of ours
                    for section, entries in said.items():
                        sections.setdefault(section, []).extend(entries)
                except Exception as error:  # noqa: BLE001  # a status page must not fall with one layer; it is shown there
                    failed = {"layer": type(layer).__name__, "error": type(error).__name__}
                    sections.setdefault("errors", []).append(failed)
        return {section: entries for section, entries in sections.items() if entries}

    async def ask(self, seconds: float, clock: Clock) -> None:
        """Ask the service whether it is well."""
        if not isinstance(self.leaf, Checks):
            return
        alarm, began = Alarm(clock), clock.monotonic()
        alarm.set(began + seconds, "total")
        try:
            self.health = await alarm.guard(self.leaf.health())
        except UnsupportedFeatureError:  # it cannot say
            return
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what is known of this service
            moment = datetime.fromtimestamp(clock.time(), UTC)
            self.health = Health(False, clock.monotonic() - began, moment, outcome(error).category)
        finally:
            alarm.stop()


def _services(provider: Provider) -> dict[int, _Service]:
    """Return each service once, preferred first."""
    found: dict[int, _Service] = {}
    for (leaf, info), layers in zip(reached(provider), _paths(provider, ()), strict=True):
        service = found.get(id(leaf))
        if service is None:
            known = leaf.last_health if isinstance(leaf, KnowsHealth) else None
            key = Destination(info.name, info.origin, info.scope)
            service = found[id(leaf)] = _Service(leaf, key, health=known)
        service.models += [info.model] if info.model not in service.models else []
        service.layers += [layer for layer in layers if not any(layer is other for other in service.layers)]
    return found


def _paths(provider: Provider, above: tuple[Layer, ...]) -> Iterator[tuple[Layer, ...]]:
    """Yield the layers on the way to each leaf, in the order of `reached`."""
    layers = (*above, provider.layer) if isinstance(provider, Layered) else above
    targets: tuple[Provider, ...] | None = getattr(provider, "targets", None)
    inner: Provider | None = getattr(provider, "inner", None)
    inside = targets if targets is not None else () if inner is None else (inner,)
    if not inside:
        yield layers
    for target in inside:
        yield from _paths(target, layers)
