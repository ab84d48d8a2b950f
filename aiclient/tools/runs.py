"""What a run of the tool loop leaves: its rounds, the tools that were used in each, and why it ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from attrs import field, frozen

from ..chunks import ChatStreamChunk
from ..messages import Message, ToolCall, ToolResultPart
from ..prices.expenses import NOTHING, Expense, expense_of
from ..response import ChatResponse, Usage

__all__ = ["Round", "RunEvent", "RunResult", "StopReason", "ToolOutcome", "ToolUse"]

ToolOutcome: TypeAlias = Literal["ok", "failed", "invalid", "unknown", "refused", "timeout", "repeated"]
"""What became of a tool call: `invalid` are arguments that the tool does not take, `unknown` is a tool that is not there,
`refused` one that was not approved, `repeated` one that had been made often enough."""

StopReason: TypeAlias = Literal["answer", "cut", "max_rounds", "max_calls", "repeated", "stop_when", "failed"]
"""Why a run ended: the model answered without asking for tools; its answer was cut, so that what it asks for is not certain;
as many rounds as allowed; too many calls at once; nothing but calls made before; `stop_when` said so; an error."""


@frozen
class ToolUse:
    """One tool call and what became of it.

    Args:
        call: What the model asked for.
        result: What it was told.
        outcome: `ok`, or why not.
        value: What the tool returned; None if it did not.
        error: What it raised; None if it did not.
        attempts: How often the tool was called; 0 if it was not.
        duration: Seconds, all attempts together.
    """

    call: ToolCall = field(repr=lambda call: call.name)  # arguments and results are content
    result: ToolResultPart = field(repr=False)
    outcome: ToolOutcome = "ok"
    value: Any = field(default=None, repr=False)
    error: Exception | None = field(default=None, repr=lambda error: type(error).__name__)
    attempts: int = 0
    duration: float = 0.0


@frozen
class Round:
    """One answer, and the tools that it asked for, in that order; empty where none was used."""

    number: int
    response: ChatResponse = field(repr=False)
    uses: tuple[ToolUse, ...] = ()


@frozen
class RunResult:
    """A whole run.

    Args:
        stopped: Why it ended; `answer` is the end that was wished for.
        rounds: Every answer with its tool uses, in order.
        messages: The whole conversation: the request's messages, every answer, every result. Where the last answer asks for
            tools that were not used, it ends with that answer.
    """

    stopped: StopReason
    rounds: tuple[Round, ...]
    messages: tuple[Message, ...] = field(repr=False)

    @property
    def response(self) -> ChatResponse:
        """The last answer.

        Raises:
            LookupError: The run failed before there was one.
        """
        if not self.rounds:
            raise LookupError("the run ended before the first answer")
        return self.rounds[-1].response

    @property
    def text(self) -> str:
        """The text of the last answer."""
        return self.response.message.content

    @property
    def output(self) -> Any:
        """The typed value of the last answer, after `.output(Type)`."""
        return self.response.output

    @property
    def uses(self) -> tuple[ToolUse, ...]:
        """Every tool use, in order."""
        return tuple(use for one in self.rounds for use in one.uses)

    @property
    def expense(self) -> Expense:
        """What all answers cost together, failed attempts included."""
        return sum((expense_of(one.response.attempts, one.response.cost) for one in self.rounds), NOTHING)

    @property
    def usage(self) -> Usage:
        """Tokens of all answers together; a count is None where an answer does not report it."""
        usages = [one.response.usage for one in self.rounds]
        return Usage(
            prompt_tokens=_sum(usage.prompt_tokens for usage in usages),
            completion_tokens=_sum(usage.completion_tokens for usage in usages),
        )


@frozen
class RunEvent:
    """Something that happened in a run.

    Args:
        kind: `chunk` (a piece of an answer), `answer` (it is complete), `tool_started`, `tool_ended`, `end`.
        round: Number of the round, from 1.
        chunk: With `chunk`.
        response: With `answer`.
        call: With `tool_started`.
        use: With `tool_ended`.
        result: With `end`.
    """

    kind: Literal["chunk", "answer", "tool_started", "tool_ended", "end"]
    round: int
    chunk: ChatStreamChunk | None = None
    response: ChatResponse | None = field(default=None, repr=False)
    call: ToolCall | None = field(default=None, repr=False)
    use: ToolUse | None = None
    result: RunResult | None = None


def _sum(counts: Iterable[int | None]) -> int | None:
    known = list(counts)
    return None if None in known else sum(count for count in known if count is not None)
