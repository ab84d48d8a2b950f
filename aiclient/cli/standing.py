"""`aiclient check`, `aiclient status`, `aiclient explain`: whom a call would reach, and whether it could be answered."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from ..checks import CheckReport
from ..checks import check as checked
from ..errors import ConfigError
from ..registry import available, names, provider_for
from ..sync.client import Client
from .tables import drawn
from .terminal import note, put
from .whom import made

if TYPE_CHECKING:
    import argparse

    from ..statuses import ServiceStatus, Status

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Make the client that `ask` would use, and let it say of itself what is asked."""
    if arguments.asked == "check" and arguments.all:
        return _tell_checks(_every(arguments), arguments)
    with made(Client, arguments) as client:
        if arguments.asked == "check":
            return _tell_checks(client.check(timeout=arguments.timeout), arguments)
        if arguments.asked == "status":
            return _tell_status(client.status(ask=not arguments.quiet, timeout=arguments.timeout), arguments)
        text = client.explain()
    put((json.dumps({"chain": text}) if arguments.json else text) + "\n")
    return 0


def _tell_checks(report: CheckReport, arguments: argparse.Namespace) -> int:
    if arguments.json:
        put(json.dumps(report.to_dict()) + "\n")
    else:
        rows = [(one.mark, one.provider, one.name, one.message) for one in report.results]
        if not drawn(("", "provider", "check", "found"), rows):
            put(f"{report}\n")
    return 0 if report.ok else 1


def _tell_status(status: Status, arguments: argparse.Namespace) -> int:
    if arguments.json:
        put(json.dumps(status.to_dict()) + "\n")
    else:
        rows = [_row(one) for one in status.services]
        if not drawn(("", "provider", "model", "well", "spent", "why"), rows, right=("well", "spent")):
            put(f"{status}\n")
    return 0 if status.ok else 1


def _row(one: ServiceStatus) -> tuple[object, ...]:
    rate = None if one.success_rate is None else f"{one.success_rate:.0%}"
    spent = None if one.spend_usd is None else f"${one.spend_usd:f}"
    return ("ok" if one.ok else "DOWN", one.provider, one.model, rate, spent, "; ".join(one.reasons))


def _every(arguments: argparse.Namespace) -> CheckReport:
    """Check every provider that there are credentials for, and say of which there are none."""
    if any(value is not None for value in (arguments.model, arguments.base_url, arguments.config, arguments.profile)):
        raise ConfigError("--all looks at every provider by itself: leave -m, --base-url, --config and --profile out")
    found = available()
    if not found:
        raise ConfigError(
            "no provider's credentials are found: set OPENAI_API_KEY, ANTHROPIC_API_KEY or another vendor's variable"
        )
    note(f"no credentials, or none needed: {', '.join(name for name in names() if name not in found)}")
    return asyncio.run(_check(found, arguments.timeout))


async def _check(found: tuple[str, ...], timeout: float) -> CheckReport:  # noqa: ASYNC109  # for each check by itself
    async with AsyncExitStack() as stack:
        services = {provider.name: provider for provider in map(provider_for, found)}  # one service may have two names
        for provider in services.values():
            stack.push_async_callback(provider.close)
        reports = await asyncio.gather(*(checked(provider, timeout=timeout) for provider in services.values()))
    return CheckReport(tuple(result for report in reports for result in report.results))
