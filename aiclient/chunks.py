"""Chunks of a streamed answer, and the fold that makes the answer of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol, Self

from attrs import define, evolve

from .messages import Citation, Message, Part, ReasoningPart, RefusalPart, TextPart, ToolCall
from .records import brief
from .response import NO_USAGE, ChatResponse, Choice, FinishReason, Usage

__all__ = ["ChatStreamChunk", "Fold", "Growing", "ToolCallDelta"]


@define(repr=False)
class ToolCallDelta:
    """A piece of a tool call: `index` tells parallel calls apart, `id` and `name` come with the first piece.

    `provider_data` is the vendor's own data for the call; the chunk's `origin` names the vendor. `whole` is set when the
    service ends a call with other arguments than its pieces add up to: those are the ones that count.
    """

    index: int = 0
    id: str = ""
    name: str = ""
    arguments: str = ""
    kind: Literal["function", "custom"] = "function"
    provider_data: Mapping[str, Any] | None = None
    whole: str | None = None

    def __repr__(self) -> str:
        return brief(self)


@define(kw_only=True, repr=False)
class ChatStreamChunk:
    """One step of a streamed answer: flat, and built once per event.

    Args:
        content: A piece of text.
        reasoning: A piece of visible thinking.
        refusal: A piece of the model's words for not answering.
        tool_calls: Pieces of tool calls.
        parts: Whole parts (an image, content of an unknown kind).
        citations: Sources for the text so far.
        finish_reason: Why the model stopped; comes once.
        usage: Tokens so far; the last one counts.
        choice: Which answer it belongs to, when several were asked for.
        logprobs: The vendor's entries for the tokens of this chunk.
        last: The wire has seen the end: nothing follows.
        signature: Seals the reasoning so far.
        origin: The vendor, where the chunk carries its data.
        provider_data: That vendor's own data for the current part.
        block: The part that text, reasoning, sources and seals belong to, where the protocol numbers its parts: two of
            one kind in a row stay apart.
        metadata: What the service says about the whole answer, for the answer's own `metadata`.
    """

    content: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_calls: Sequence[ToolCallDelta] = ()
    parts: Sequence[Part] = ()
    citations: Sequence[Citation] = ()
    finish_reason: FinishReason | None = None
    raw_finish_reason: str | None = None
    usage: Usage | None = None
    id: str | None = None
    model: str | None = None
    created_at: datetime | None = None
    choice: int = 0
    last: bool = False
    logprobs: Sequence[Any] | None = None
    signature: str | None = None
    origin: str | None = None
    provider_data: Mapping[str, Any] | None = None
    block: int | None = None
    metadata: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        return brief(self)

    @property
    def delta(self) -> ChatStreamChunk:
        """The chunk itself: `chunk.delta.content` reads as the vendors' SDKs do."""
        return self

    @property
    def is_output(self) -> bool:
        """Whether the chunk holds something of the answer (not just identity, usage or a finish reason)."""
        return bool(self.content or self.reasoning or self.refusal or self.tool_calls or self.parts)


class _Run:
    """Pieces of one part, joined when asked for: those of one block, else consecutive ones of one kind."""

    __slots__ = ("citations", "data", "kind", "origin", "pieces", "signature")

    def __init__(self, kind: type[TextPart | ReasoningPart | RefusalPart]) -> None:
        self.kind = kind
        self.pieces: list[str] = []
        self.citations: list[Citation] = []
        self.signature: str | None = None
        self.origin: str | None = None
        self.data: dict[str, Any] | None = None

    def part(self) -> Part:
        text = "".join(self.pieces)
        if self.kind is TextPart:
            return TextPart(text, tuple(self.citations), origin=self.origin, provider_data=self.data)
        if self.kind is ReasoningPart:
            return ReasoningPart(text, self.signature, origin=self.origin, provider_data=self.data)
        return RefusalPart(text, origin=self.origin, provider_data=self.data)


class _Call:
    """One tool call under construction."""

    __slots__ = ("data", "first", "origin", "pieces")

    def __init__(self, first: ToolCallDelta) -> None:
        self.first = first
        self.origin: str | None = None
        self.data: Mapping[str, Any] | None = None
        self.pieces: list[str] = []

    def part(self) -> Part:
        first = self.first
        return ToolCall(
            first.id, first.name, "".join(self.pieces), first.kind, origin=self.origin, provider_data=self.data
        )


class _Answer:
    """One choice under construction; its runs stand in the order in which they began."""

    __slots__ = ("blocks", "calls", "finish_reason", "logprobs", "raw_finish_reason", "runs")

    def __init__(self) -> None:
        self.runs: list[_Run | _Call | Part] = []
        self.blocks: dict[int, _Run] = {}
        self.calls: dict[int, _Call] = {}
        self.finish_reason: FinishReason | None = None
        self.raw_finish_reason: str | None = None
        self.logprobs: list[Any] | None = None

    def run(self, kind: type[TextPart | ReasoningPart | RefusalPart], block: int | None = None) -> _Run:
        """Return the run that pieces of `kind` go to: their block's, or the last one if it is of that kind, else a new one."""
        if block is None:
            last = self.runs[-1] if self.runs else None
            if isinstance(last, _Run) and last.kind is kind:
                return last
        elif (found := self.blocks.get(block)) is not None and found.kind is kind:
            return found
        new = _Run(kind)
        self.runs.append(new)
        if block is not None:
            self.blocks[block] = new
        return new

    def _current(self, block: int | None) -> _Run | None:
        if block is not None:
            return self.blocks.get(block)
        last = self.runs[-1] if self.runs else None
        return last if isinstance(last, _Run) else None

    def add(self, chunk: ChatStreamChunk) -> None:
        if chunk.content:
            self.run(TextPart, chunk.block).pieces.append(chunk.content)
        if chunk.reasoning:
            self.run(ReasoningPart, chunk.block).pieces.append(chunk.reasoning)
        if chunk.refusal:
            self.run(RefusalPart, chunk.block).pieces.append(chunk.refusal)
        for delta in chunk.tool_calls:
            self._call(delta, chunk.origin)
        if chunk.parts:
            self.runs.extend(chunk.parts)
        if chunk.citations:
            self.run(TextPart, chunk.block).citations.extend(chunk.citations)
        if chunk.finish_reason is not None:
            self.finish_reason = chunk.finish_reason
            self.raw_finish_reason = chunk.raw_finish_reason
        if chunk.logprobs is not None:
            self.logprobs = self.logprobs or []
            self.logprobs.extend(chunk.logprobs)
        if chunk.origin is not None:
            self._seal(chunk)

    def _call(self, delta: ToolCallDelta, origin: str | None) -> None:
        call = self.calls.get(delta.index)
        if call is None:
            call = self.calls[delta.index] = _Call(delta)
            self.runs.append(call)
        elif not call.first.name or not call.first.id:  # identity may come late; it is never repeated into the name
            call.first = evolve(call.first, id=call.first.id or delta.id, name=call.first.name or delta.name)
        if delta.arguments:
            call.pieces.append(delta.arguments)
        if delta.whole is not None:
            call.pieces = [delta.whole]
        if delta.provider_data is not None:
            call.origin, call.data = origin, {**(call.data or {}), **delta.provider_data}

    def _seal(self, chunk: ChatStreamChunk) -> None:
        run = self._current(chunk.block)
        if chunk.signature is None and chunk.provider_data is None:
            own = ReasoningPart if chunk.reasoning else TextPart if chunk.citations else None
            if run is not None and run.kind is own:
                run.origin = chunk.origin
            return
        if run is None or chunk.signature is not None:
            run = self.run(ReasoningPart, chunk.block)
        run.origin = chunk.origin
        run.signature = chunk.signature or run.signature
        if chunk.provider_data is not None:
            run.data = {**(run.data or {}), **chunk.provider_data}

    def message(self) -> Message:
        return Message("assistant", [run.part() if isinstance(run, (_Run, _Call)) else run for run in self.runs])

    def reason(self) -> FinishReason | None:
        """Some services say `stop` after a forced tool call; what the caller has to do is to run the tool."""
        return "tool_calls" if self.finish_reason == "stop" and self.calls else self.finish_reason


class Growing(Protocol):
    """Makes a value of the chunks of one answer, as far as they have come."""

    def see(self, chunk: ChatStreamChunk, /) -> None:
        """Read on; must not raise."""
        ...

    def fresh(self) -> Self:
        """Return another that has seen nothing, for a reader in another thread."""
        ...

    @property
    def value(self) -> Any:
        """What there is so far; None before anything came."""
        ...


class Fold:
    """The answer so far; `add` takes a chunk, `response` makes the value.

    Linear: pieces are kept in lists and joined when asked for.
    """

    __slots__ = ("_answers", "_head", "created_at", "id", "metadata", "model", "usage")

    def __init__(self, head: ChatResponse | None = None) -> None:
        self._head = head or ChatResponse(Message("assistant"))
        self._answers: dict[int, _Answer] = {0: _Answer()}
        self.usage: Usage = NO_USAGE
        self.id: str | None = None
        self.model: str | None = None
        self.created_at: datetime | None = None
        self.metadata: Mapping[str, Any] = self._head.metadata

    def add(self, chunk: ChatStreamChunk) -> None:
        """Take one more chunk."""
        answer = self._answers.get(chunk.choice)
        if answer is None:
            answer = self._answers[chunk.choice] = _Answer()
        answer.add(chunk)
        if chunk.usage is not None:
            self.usage = chunk.usage
        if self.id is None and chunk.id:
            self.id = chunk.id
        if self.model is None and chunk.model:
            self.model = chunk.model
        if self.created_at is None and chunk.created_at is not None:
            self.created_at = chunk.created_at
        if chunk.metadata is not None:
            self.metadata = {**self.metadata, **chunk.metadata}

    @property
    def finished(self) -> bool:
        """Whether every answer has its finish reason."""
        return all(answer.finish_reason is not None for answer in self._answers.values())

    def response(self) -> ChatResponse:
        """Return the answer as far as it has come."""
        first, *others = (self._answers[index] for index in sorted(self._answers))
        warnings = self._head.warnings
        if self.usage.untrusted:
            warnings += tuple(doubt for doubt in self.usage.doubts(self._head.provider) if doubt not in warnings)
        return evolve(
            self._head,
            message=first.message(),
            finish_reason=first.reason(),
            raw_finish_reason=first.raw_finish_reason,
            logprobs=first.logprobs if first.logprobs is not None else self._head.logprobs,
            usage=self.usage,
            id=self.id or self._head.id,
            model=self.model or self._head.model,
            created_at=self.created_at or self._head.created_at,
            metadata=self.metadata,
            warnings=warnings,
            alternatives=tuple(
                Choice(other.message(), other.reason(), other.raw_finish_reason, other.logprobs) for other in others
            ),
        )
