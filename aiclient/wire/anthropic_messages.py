"""Conversations in the form that Anthropic's Messages API takes: a system prompt, and turns of user and assistant.

"Messages", Anthropic API reference, version 2023-06-01 (platform.claude.com/docs/en/api/messages/create, 2026-11). System
messages among the others: build-with-claude/mid-conversation-system-messages.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..messages import Message, ToolResultPart
from .anthropic_blocks import BlockEncoder, Json
from .anthropic_facts import Claude
from .history import note_foreign, past
from .notes import Notes

__all__ = ["PLACEHOLDER", "Conversation", "encode_messages"]

PLACEHOLDER = "."
"""What the user says in a conversation that the assistant begins: the first turn must be a user's and not be empty."""

Conversation = tuple[list[Json], list[Json]]
"""The blocks of the system prompt, and the turns."""


def encode_messages(messages: Sequence[Message], model: Claude, origin: str, notes: Notes) -> Conversation:
    """Return `messages` as system blocks and turns, adjacent turns of one role as one."""
    note_foreign(messages, origin, notes)
    encoder, answered = BlockEncoder(origin, notes), past(messages)
    turns = _Turns(model, encoder, notes)
    for number, message in enumerate(messages):
        encoder.asked = number >= answered
        if message.name and message.role != "tool":  # a tool's name says nothing beside the id of its call
            notes.unsupported("message.name")
        turns.add(message)
    return turns.taken()


class _Turns:
    """The conversation as far as it is encoded."""

    def __init__(self, model: Claude, encoder: BlockEncoder, notes: Notes) -> None:
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
        if not self._turns or self._turns[0]["role"] != "user":
            self._notes.add(
                "added_content", f"the first turn must be a user's; {PLACEHOLDER!r} was put before the others"
            )
            self._turns.insert(0, {"role": "user", "content": [{"type": "text", "text": PLACEHOLDER}]})
        for turn in self._turns:
            if turn["role"] == "user":  # "tool_result blocks must come first in the content array" (define-tools)
                turn["content"].sort(key=lambda block: block.get("type") != "tool_result")
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
        elif self._model.system_inside:
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

    def _trim(self, last: Json) -> None:
        """Take blanks off the end of a prefilled answer: "final assistant content cannot end with trailing whitespace"."""
        block = last["content"][-1]
        if last["role"] == "assistant" and block.get("type") == "text" and block["text"] != block["text"].rstrip():
            self._notes.add("changed_content", "blanks at the end of the assistant's last message were taken off")
            last["content"][-1] = {**block, "text": block["text"].rstrip()}
