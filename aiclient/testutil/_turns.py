"""What a model of the loopback server says: the same `Turn` on every wire, which each frames in its vendor's words."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs

from ..messages import ToolCall
from ._exchange import Answer, RecordedRequest
from ._wire import BadBodyError, JsonObject, words

__all__ = ["CREATED", "MODELS", "Call", "Reply", "Stub", "Turn", "forced", "streamed", "turn"]

Reply = str | Callable[[list[JsonObject]], str | Sequence[ToolCall]]
"""The text of every answer, or a function from a request's messages, as its wire has them, to it, or to the tools it calls."""

CREATED = 1741569952
"""A fixed moment, because two answers to one request are to be equal: 2025-03-10T01:25:52Z."""

MODELS = ("loopback", "loopback-embedding", "stub-s16")
"""What is listed: a chat model, an embedding model and one of the paced ones; any other name is served as well."""

STUB_MODEL = re.compile(r"stub-s(\d{1,6})(?:-b(\d{1,6}))?(?:-p(\d{1,6}))?")
"""Content chunks, chunks per socket write, milliseconds between writes."""

STUB_PER_WRITE = 16
"""Chunks per socket write where the model's name says nothing, so that a storm measures clients, not this server."""

ARGUMENT_PIECE = 8
"""Characters per streamed piece of a tool call's arguments: short enough to tear keys, strings and escapes apart."""

THOUGHT = ("The", " user", " wants", " an", " answer.")
"""What a model thinks when it is asked to."""


@attrs.frozen
class Stub:
    """A model whose name says how it streams: `stub-s<chunks>[-b<chunks per socket write>][-p<milliseconds>]`."""

    chunks: int
    per_write: int
    pause: float

    @classmethod
    def named(cls, model: str) -> Stub | None:
        """Read a model's name; None when it is an ordinary one."""
        match = STUB_MODEL.fullmatch(model)
        if match is None:
            return None
        chunks, per_write, pause = match.groups()
        return cls(int(chunks), max(int(per_write or STUB_PER_WRITE), 1), int(pause or 0) / 1000)


@attrs.frozen
class Call:
    """A call of one of the request's tools; `id` tells the calls of all answers apart, and each wire puts its word before."""

    id: str
    name: str
    arguments: str

    @property
    def pieces(self) -> list[str]:
        """The arguments as a stream brings them."""
        return [self.arguments[i : i + ARGUMENT_PIECE] for i in range(0, len(self.arguments), ARGUMENT_PIECE)]

    @property
    def value(self) -> Any:
        """The arguments, decoded."""
        return json.loads(self.arguments)


@attrs.frozen
class Turn:
    """What a model says to one request, before a wire frames it; equal turns have equal answers."""

    id: str
    model: str
    prompt_tokens: int
    said: tuple[str, ...] = ()
    thought: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    cut: bool = False
    pause: float = 0.0
    per_write: int = 1

    @property
    def text(self) -> str:
        """All it says."""
        return "".join(self.said)

    @property
    def thinking(self) -> str:
        """All it thinks before."""
        return "".join(self.thought)

    @property
    def signature(self) -> str:
        """What seals the thinking; the vendors want it back."""
        return f"sealed+{self.id}="

    @property
    def completion_tokens(self) -> int:
        """All words: said, thought, and those of calls, of which the name is one."""
        of_calls = sum(1 + len(words(call.arguments)) for call in self.calls)
        return len(self.said) + len(self.thought) + of_calls

    @property
    def total_tokens(self) -> int:
        """The prompt's tokens and the completion's."""
        return self.prompt_tokens + self.completion_tokens

    def ending(self, *, stop: str, cut: str, call: str) -> str:
        """Return the vendor's word for the reason why it ended."""
        return call if self.calls else cut if self.cut else stop


def turn(
    reply: Reply,
    messages: list[JsonObject],
    request: RecordedRequest,
    *,
    model: str,
    prompt: int,
    limit: int | None = None,
    tool: tuple[str, JsonObject] | None = None,
    thinks: bool = False,
) -> Turn:
    """Let the model answer.

    Args:
        reply: its text.
        messages: what the reply is a function of.
        request: its body names the turn.
        model: a paced stub says its own words, whatever else is asked.
        prompt: tokens of the request.
        limit: words that it may say, default any number; thinking is free.
        tool: name and schema of the tool that is to be called.
        thinks: whether thinking comes first.
    """
    if stub := Stub.named(model):
        said = (" word",) * stub.chunks
        return Turn("stub", model, prompt, said, pause=stub.pause, per_write=stub.per_write)
    thought = THOUGHT if thinks else ()
    name = hashlib.sha256(request.body).hexdigest()[:24]
    if tool is not None:
        return Turn(name, model, prompt, thought=thought, calls=(Call(name, tool[0], json.dumps(example(tool[1]))),))
    answer = reply if isinstance(reply, str) else reply(messages)
    if not isinstance(answer, str):  # further calls have a number behind the id
        calls = [Call(f"{name}{number or ''}", call.name, call.arguments) for number, call in enumerate(answer)]
        return Turn(name, model, prompt, thought=thought, calls=tuple(calls))
    said = tuple(words(answer))
    return Turn(name, model, prompt, said[:limit], thought, cut=limit is not None and len(said) > limit)


def streamed(turn: Turn, events: Iterable[bytes], headers: Mapping[str, str], **more: Any) -> Answer:
    """Answer with a turn's stream, at its pace."""
    return Answer(200, headers, tuple(events), pause=turn.pause, per_write=turn.per_write, **more)


def forced(tools: Mapping[str, Any], *, name: str | None = None, must: bool = False) -> tuple[str, JsonObject] | None:
    """Return name and schema of the tool that is to be called; None when that is left to the model.

    Args:
        tools: schemas by name.
        name: the tool that must be called.
        must: whether any must be.

    Raises:
        BadBodyError: there is no such tool.
    """
    if name is None and must:
        name = next(iter(tools), None)
    if name is None:
        return None
    if name not in tools:
        raise BadBodyError(f"Tool choice {name!r} not found in 'tools' parameter.", param="tool_choice")
    return name, tools[name] or {}


def example(schema: JsonObject) -> Any:
    """Return the plainest value that fits a tool's JSON schema: what it requires, nothing more."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = str(schema.get("type", "object")).lower()  # Google writes them in capitals
    if kind == "object":
        properties = schema.get("properties") or {}
        return {name: example(properties.get(name) or {}) for name in schema.get("required") or ()}
    return {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "array": []}.get(kind)
