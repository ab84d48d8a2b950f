"""`aiclient models`: what the library's own table knows of models."""

from __future__ import annotations

import difflib
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from .. import models
from ..errors import ConfigError
from .tables import drawn
from .terminal import put

if TYPE_CHECKING:
    import argparse

__all__ = ["run"]

HEAD: Final = ("model", "context", "answer", "in", "out", "can")


def run(arguments: argparse.Namespace) -> int:
    """Print a line for each model."""
    known = sorted({one.provider for one in models.list()}) if arguments.provider else []
    if arguments.provider and arguments.provider not in known:
        close = difflib.get_close_matches(arguments.provider, known, 1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
        raise ConfigError(f"no model of {arguments.provider!r} is in the table; {hint}")
    found = models.list(arguments.provider)
    if arguments.json:
        put(json.dumps([_facts(one) for one in found]) + "\n")
        return 0
    rows = [_row(one) for one in found]
    if not drawn(HEAD, rows, right=HEAD[1:5]):
        for model, context, answer, low, high, can in (HEAD, *rows):
            put(f"{model:<52}{context or '-':>10}{answer or '-':>9}{low or '-':>10}{high or '-':>10}  {can}\n")
    put(f"\nprices in US dollars per million tokens, of the table of {models.version()}\n")
    return 0


def _row(one: models.ModelInfo) -> tuple[object, ...]:
    prices, can = _prices(one), " ".join(sorted(one.capabilities))
    return (f"{one.provider}:{one.name}", one.context_window, one.max_output, prices["input"], prices["output"], can)


def _facts(one: models.ModelInfo) -> dict[str, Any]:
    return {
        "provider": one.provider,
        "name": one.name,
        "names": list(one.names),
        "kind": one.kind,
        "context_window": one.context_window,
        "max_output": one.max_output,
        "capabilities": sorted(one.capabilities),
        "prices": _prices(one),
        "source": one.source,
        "dated": one.dated.isoformat(),
        "retires": None if one.retires is None else one.retires.isoformat(),
        "deprecated": one.deprecated,
    }


def _prices(one: models.ModelInfo) -> dict[str, str | None]:
    rates = one.prices
    return {name: _shown(getattr(rates, name)) for name in ("input", "output")}


def _shown(rate: Decimal | None) -> str | None:
    return None if rate is None else f"{rate.normalize():f}"
