"""`aiclient cost`: what a request may cost, and what was spent by a ledger's books."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import ConfigError
from ..ledger.ledger import Ledger
from ..ledger.rows import Report
from ..messages import Message
from ..models import info
from ..pricing import estimate
from ..redis_store import RedisStore
from ..request import ChatOptions, ChatRequest
from ..sqlite_store import SQLiteStore
from .asking import asked, files, instructed
from .tables import drawn
from .terminal import put

if TYPE_CHECKING:
    import argparse

__all__ = ["run"]

PATIENCE: Final = 10.0
"""Seconds that a reader of books waits for each answer: no call waits behind it."""


def run(arguments: argparse.Namespace) -> int:
    """Do one of the two."""
    return _report(arguments) if arguments.cost_command == "report" else _estimate(arguments)


def _estimate(arguments: argparse.Namespace) -> int:
    info(arguments.model)  # raises: it says what is known, and what may have been meant
    prompt = asked(arguments.prompt)
    texts, parts = files(arguments.file)
    said = [*parts, "\n\n".join([*texts, prompt.strip()])]
    system = instructed(arguments)
    before = [] if system is None else [Message("system", system)]
    request = ChatRequest([*before, Message("user", said)], ChatOptions(max_tokens=arguments.max_tokens))
    found = estimate(request, model=arguments.model, output_tokens=arguments.output_tokens)
    if arguments.json:
        facts = {
            "provider": found.provider,
            "model": found.model,
            "prompt_tokens": found.prompt_tokens,
            "output_tokens": found.output_tokens,
            "low_usd": None if found.low is None else str(found.low.usd),
            "high_usd": None if found.high is None else str(found.high.usd),
        }
        put(json.dumps(facts) + "\n")
    else:
        longest = "an unknown number of" if found.output_tokens is None else found.output_tokens
        put(f"{found}: {found.prompt_tokens} tokens in, up to {longest} out\n")
    return 0


def _report(arguments: argparse.Namespace) -> int:
    report = asyncio.run(_read(arguments, _books(arguments.ledger, arguments.prefix)))
    if arguments.json:
        put(report.to_json() + "\n")
        return 0
    head = list(report.rows[0]) if report.rows else []
    if not head or not drawn(head, [list(row.values()) for row in report.rows], right=set(head) - set(report.by)):
        put(report.to_csv())
    return 0


def _books(place: str, prefix: str) -> SQLiteStore | RedisStore:
    """Return the store at a path, or at a URL, which `env:NAME` keeps off the command line."""
    if place.startswith("env:"):
        name = place.removeprefix("env:")
        place = os.environ.get(name, "")
        if not place:
            raise ConfigError(f"needs the variable {name}, which is not set")
    if "://" in place:
        return RedisStore(place, prefix=prefix, timeout=PATIENCE)
    if not Path(place).is_file():
        what = "is no file" if Path(place).exists() else "is not there"
        raise ConfigError(f"{place!r} {what}: give the file of a Ledger(store=SQLiteStore(path))")
    return SQLiteStore(place)


async def _read(arguments: argparse.Namespace, store: SQLiteStore | RedisStore) -> Report:
    try:
        ledger = Ledger(store=store, name=arguments.name, patience=PATIENCE)
        await ledger.refresh()
        return ledger.report(arguments.by.split(","), since=arguments.since, until=arguments.until)
    finally:
        await store.close()
