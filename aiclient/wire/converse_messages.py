"""Conversations in the form that Bedrock's Converse takes: a system prompt, and turns of user and assistant.

"Converse", Amazon Bedrock Runtime API reference, 2023-09-30, as in the service model of botocore 1.44.5 (2026-11), and what the
service refuses, as quoted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..messages import Message, ToolResultPart
from ..request import PromptCache
from .anthropic_options import cache_ttl
from .converse_blocks import BlockEncoder, Json
from .converse_facts import Served
from .history import note_foreign, past
from .notes import Notes

__all__ = ["PLACEHOLDER", "Conversation", "cache_point", "encode_messages", "mark_cached"]

PLACEHOLDER: Final = "."
"""What the user says where the protocol demands a text of theirs and there is none."""

Conversation = tuple[list[Json], list[Json]]
"""The blocks of the system prompt, and the turns."""

_MOST_POINTS: Final = 4
_UNCACHEABLE: Final = frozenset({"reasoningContent", "cachePoint"})


def encode_messages(messages: Sequence[Message], model: Served, origin: str, notes: Notes) -> Conversation:
    """Return `messages` as system blocks and turns, adjacent turns of one role as one."""
    note_foreign(messages, origin, notes)
    encoder, answered = BlockEncoder(model, origin, notes), past(messages)
    turns = _Turns(model, encoder, notes)
    for number, message in enumerate(messages):
        encoder.asked = number >= answered
        if message.name:
            notes.unsupported("message.name")
        turns.add(message)
    return turns.taken()


class _Turns:
    """The conversation as far as it is encoded."""

    def __init__(self, model: Served, encoder: BlockEncoder, notes: Notes) -> None:
        self._model = model
        self._encoder = encoder
        self._notes = notes
        self._system: list[Json] = []
        self._turns: list[Json] = []
        self._held: list[Json] = []  # of system messages, until the user's turn is over

    def add(self, message: Message) -> None:
        """Take the next message."""
        if message.role in ("system", "developer"):
            self._instruct(self._encoder.blocks(message.parts, "system"))
            return
        results = message.of(ToolResultPart)
        self._say("user", self._encoder.blocks(results, "user"))
        rest = [part for part in message.parts if not isinstance(part, ToolResultPart)]
        role = "assistant" if message.role == "assistant" else "user"
        self._say(role, self._encoder.blocks(rest, role))

    def taken(self) -> Conversation:
        """Return the whole."""
        self._release()
        if self._held:
            self._lift(self._held)
        if not self._turns or self._turns[0]["role"] != "user":  # "A conversation must start with a user message" (400)
            self._notes.add(
                "added_content", f"the first turn must be a user's; {PLACEHOLDER!r} was put before the others"
            )
            self._turns.insert(0, {"role": "user", "content": [{"text": PLACEHOLDER}]})
        for turn in self._turns:
            if turn["role"] == "user":
                self._order(turn["content"])
        self._trim(self._turns[-1])
        return self._system, self._turns

    def _say(self, role: str, blocks: list[Json]) -> None:
        if not blocks:
            return
        if role == "assistant":
            self._release()
        elif self._held:
            self._notes.add("moved_content", "a system message stands after the user's turn, not within it")
        if self._turns and self._turns[-1]["role"] == role:
            self._turns[-1]["content"] += blocks
        else:
            self._turns.append({"role": role, "content": blocks})

    def _instruct(self, blocks: list[Json]) -> None:
        if not self._turns:
            self._system += blocks
        elif self._model.is_claude and self._model.claude.system_inside:
            self._held += blocks
        elif blocks:
            self._lift(blocks)

    def _lift(self, blocks: list[Json]) -> None:
        self._notes.add("moved_content", "a system message in the middle went to the end of the system prompt")
        self._system += blocks
        self._held = []

    def _release(self) -> None:
        """Put what is held after the user's turn, the only place for it."""
        if self._held and self._turns[-1]["role"] == "user":
            self._turns.append({"role": "system", "content": self._held})
            self._held = []

    def _order(self, content: list[Json]) -> None:
        """Put tool results first, as Claude demands, and a text beside documents, as Bedrock does.

        "If you include a ContentBlock with a document field in the array, you must also include a ContentBlock with a text
        field" (Message).
        """
        content.sort(key=lambda block: "toolResult" not in block)
        if any("document" in block for block in content) and not any("text" in block for block in content):
            self._notes.add("added_content", f"a document needs a text beside it; {PLACEHOLDER!r} was added")
            content.append({"text": PLACEHOLDER})

    def _trim(self, last: Json) -> None:
        """Take blanks off the end of a prefilled answer: "final assistant content cannot end with trailing whitespace"."""
        block = last["content"][-1]
        text = block.get("text")
        if last["role"] == "assistant" and text is not None and text != text.rstrip():
            self._notes.add("changed_content", "blanks at the end of the assistant's last message were taken off")
            last["content"][-1] = {"text": text.rstrip()}


# --- prompt caching ---


def cache_point(cache: PromptCache, notes: Notes) -> Json:
    """Return the block up to which the prompt is kept."""
    if cache.key is not None:
        notes.unsupported("prompt_cache.key")
    ttl = {"ttl": "1h"} if cache_ttl(cache.ttl, notes) == "1h" else {}
    return {"cachePoint": {"type": "default", **ttl}}


def mark_cached(body: Json, model: Served, point: Json) -> None:
    """Set the point at the ends of messages, system prompt and tools.

    "Prompt caching for faster model inference", Amazon Bedrock user guide (2026-11): at most four points, the caller's own
    included. In a message a point needs something to keep before it, no thinking just before it ("Cache point cannot be
    inserted after reasoning block"), and no document that Bedrock turns into text, which all but PDF are (aws-sdk-java-v2
    issue 6277).
    """
    system, tools = body.get("system", []), body.get("toolConfig", {}).get("tools", [])
    turns = [turn["content"] for turn in body["messages"]]
    left = _MOST_POINTS - sum("cachePoint" in block for group in (*turns, system, tools) for block in group)
    said = next(turn["content"] for turn in reversed(body["messages"]) if turn["role"] == "user")
    groups = [said, system, tools if model.cached_tools else []]
    for group in groups:
        end = _place(group)
        if end and left > 0:
            group.insert(end, point)
            left -= 1


def _place(group: list[Json]) -> int:
    """Return where a point may stand, as late as possible; 0 if it may not, or if there is one."""
    if any("cachePoint" in block for block in group[-1:]):
        return 0
    end = len(group)
    while end and (_UNCACHEABLE & group[end - 1].keys() or _extracted(group[end - 1])):
        end -= 1
    return end


def _extracted(block: Json) -> bool:
    document = block.get("document")
    return document is not None and document.get("format") != "pdf"
