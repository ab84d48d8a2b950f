"""`aiclient demo`: a streamed answer that survives a failure, with no key and no network."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, Self

from ..middleware.logging import Logging
from ..middleware.retry import Retry
from ..providers.openai_compatible import CompatibleProvider
from ..sync.client import Client
from ..testutil.faults import Fault, rate_limited
from ..testutil.server import LoopbackServer
from .answers import as_json
from .terminal import put

if TYPE_CHECKING:
    import argparse

    from ..response import Attempt, ChatResponse
    from ..testutil._wire import JsonObject  # the type of one played message

__all__ = ["run"]

QUESTION: Final = "Why do calls to language models fail, and what helps?"

ANSWER: Final = """\
Because the service is shared: it limits how often you may ask, it is sometimes overloaded, and
connections break. What helps is to read the error, wait as long as the service asks, and try
again - but never after the first word has been shown. You have just seen it done."""

MODEL: Final = "demo-model"

PRICES: Final = {MODEL: {"input": 0.25, "output": 2.0}}
"""US dollars per million tokens, made up."""

RETRY_AFTER: Final = 0.3
SLICE: Final = (400, 0.008)
"""Bytes and seconds: the answer comes in pieces, as it would over a network."""


def run(arguments: argparse.Namespace) -> int:
    """Play the service and ask it one question."""
    show: Callable[[str], None] = _keep_quiet if arguments.json else put
    with LoopbackServer(reply=_reply) as server, _Listener() as listener:
        server.script(rate_limited(retry_after=RETRY_AFTER), Fault(drip=SLICE))
        provider = CompatibleProvider(server.base_url, model=MODEL, name="loopback")
        with Client(provider, prices=PRICES).use(Logging(logger=listener.logger), Retry()) as client:
            show(f"A service played on this machine, no key needed: {server.base_url}\n\n")
            show(f"{_indented(client.explain())}\n\nYou:   {QUESTION}\nModel: ")
            began = time.monotonic()
            with client.new_request().system("Be brief.").user(QUESTION).stream() as stream:
                for text in stream.text:
                    show(text.replace("\n", "\n       "))
            seconds = time.monotonic() - began
        show(f"\n\n{_report(stream.response, seconds)}\n\nWhat Logging() wrote:\n\n{_indented(listener.text)}\n")
    if arguments.json:
        put(as_json(stream.response) + "\n")
    return 0


def _keep_quiet(_: str) -> None:
    """Show nothing."""


def _reply(_: list[JsonObject]) -> str:
    return ANSWER


def _report(answer: ChatResponse, seconds: float) -> str:
    usage, last = answer.usage, answer.attempts[-1]
    first = 0.0 if last.first_output is None else last.first_output * 1000
    facts = {
        "provider": answer.provider,
        "model": answer.model,
        "finish": answer.finish_reason,
        "tokens": f"{usage.prompt_tokens} in + {usage.completion_tokens} out = {usage.total_tokens}",
        "cost": f"{answer.cost}, by a price list made up for this demo",
        "time": f"{seconds * 1000:.0f} ms in all; attempt {last.number} gave its first output after {first:.0f} ms",
    }
    lines = [f"  {name:<9} {value}" for name, value in facts.items()]
    return "\n".join(["Attempts:", "", *_table(answer.attempts), "", "Answer:", "", *lines])


def _table(attempts: Iterable[Attempt]) -> Iterator[str]:
    yield f"  {'number':<8}{'outcome':<12}{'category':<13}{'HTTP':<6}{'retry after':<13}{'ms':>6}"
    for attempt in attempts:
        asked = "-" if attempt.retry_after is None else f"{attempt.retry_after:g} s"
        status = attempt.status_code or "-"
        yield (
            f"  {attempt.number:<8}{attempt.outcome:<12}{attempt.category or '-':<13}{status:<6}{asked:<13}"
            f"{attempt.duration * 1000:>6.0f}"
        )


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


class _Listener(logging.Handler):
    """Keeps what is logged while it is entered, so that it can be shown after the answer."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.logger = logging.getLogger("aiclient.demo")
        self._lines: list[str] = []

    def __enter__(self) -> Self:
        self.logger.setLevel(logging.INFO)
        self.logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.logger.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line: the level, the event, and the fields that a person reads."""
        fields = dict(getattr(record, "aiclient", {}))
        if fields.get("event") == "attempt_ended":  # the journal is printed beside them
            return
        shown = ("provider", "category", "delay", "duration_ms", "attempts", "completion_tokens", "cost")
        facts = " ".join(f"{name}={fields[name]}" for name in shown if name in fields)
        self._lines.append(f"{record.levelname} {fields.get('event')} {facts}")

    @property
    def text(self) -> str:
        """The lines so far."""
        return "\n".join(self._lines)
