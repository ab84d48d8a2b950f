"""Parts in the form of Converse's content blocks.

"ContentBlock" and what stands in it, Amazon Bedrock Runtime API reference, 2023-09-30, as in the service model of botocore
1.44.5 (2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..errors import InvalidMessageError, UnsupportedFeatureError
from ..messages import (
    AudioPart,
    MediaPart,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolResultPart,
)
from .converse_facts import Served
from .converse_media import DocumentNames, media_block
from .notes import Notes
from .toolids import ToolIds

__all__ = ["BlockEncoder", "Json"]

Json = dict[str, Any]

_IN_RESULTS: Final = frozenset({"json", "text", "image", "document", "video", "searchResult"})
"""What may stand in a tool result (ToolResultContentBlock)."""

_LONGEST_ID: Final = 64


class BlockEncoder:
    """Encodes the parts of one request."""

    def __init__(self, model: Served, origin: str, notes: Notes) -> None:
        self._model = model
        self._origin = origin
        self._notes = notes
        self._ids = ToolIds(model.foreign_id, longest=_LONGEST_ID)
        self._names = DocumentNames(notes)
        self.asked = True
        """Whether the message under way is part of what is asked now."""

    def blocks(self, parts: Sequence[Part], role: str) -> list[Json]:
        """Return the blocks of one message's parts; what cannot be sent back is dropped with a warning."""
        return [block for part in parts for block in self._block(part, role)]

    def _block(self, part: Part, role: str) -> list[Json]:
        """Return a part as one block, or as none."""
        match part:
            case TextPart():
                return self._text(part, role)
            case ReasoningPart():
                return self._thinking(part)
            case RefusalPart():
                return self._text(TextPart(part.text), role)
            case OpaquePart(origin=self._origin, data=dict(data)):
                return [{**data}]
            case OpaquePart():
                return self._drop(part)
            case ToolCall() if role == "assistant":
                return [self._call(part)]
            case ToolResultPart() if role == "user":
                return [self._result(part)]
            case ToolCall() | ToolResultPart():
                raise InvalidMessageError(f"a {part.tag} cannot stand in a message of the role {role!r}")
            case MediaPart():
                return self._media(part, role)
        raise AssertionError(part)

    def _own(self, part: Any) -> Mapping[str, Any]:
        """Return the part's own data, if it is this service's; a caller may add some, such as a document's `citations`."""
        return (part.provider_data or {}) if part.origin == self._origin else {}

    def _drop(self, part: Part) -> list[Json]:
        self._notes.add(
            "dropped_content", f"a {part.tag} part from {part.origin or 'elsewhere'} cannot be sent to {self._origin}"
        )
        return []

    # --- text and thinking ---

    def _text(self, part: TextPart, role: str) -> list[Json]:
        if part.origin == self._origin and part.citations:
            return [self._cited(part)]
        if not part.text.strip():  # "The text field in the ContentBlock object at ... is blank" (400)
            if part.text and role != "assistant":  # models write blanks between blocks with sources (5f93384321f4)
                self._notes.add("dropped_content", f"{self._origin} takes no text of blanks only")
            return []
        return [{"text": part.text}]

    def _cited(self, part: TextPart) -> Json:
        """Return text with its sources in the form in which they came."""
        sources = [dict(item.provider_data) for item in part.citations if item.provider_data]
        content = {"content": [{"text": part.text}]} if part.text else {}
        return {"citationsContent": {**content, "citations": sources, **self._own(part)}}

    def _thinking(self, part: ReasoningPart) -> list[Json]:
        """Give the model its own thinking back, sealed where the model seals it; a changed or foreign seal is a 400."""
        if part.origin != self._origin or not (part.signature or self._model.takes_unsigned_thinking):
            return self._drop(part)
        if not (part.text or part.signature):
            return []
        sealed = {"signature": part.signature} if part.signature else {}
        return [{"reasoningContent": {"reasoningText": {"text": part.text, **sealed}, **self._own(part)}}]

    # --- tools ---

    def _call(self, call: ToolCall) -> Json:
        arguments = call.parsed
        if arguments is None:  # `input` must be an object: what is none is wrapped in one
            arguments = {"input" if call.kind == "custom" else "INVALID_JSON": call.arguments}
            if call.kind != "custom":
                self._notes.add(
                    "changed_content", f"the arguments of a call of {call.name} are no JSON object; wrapped in one"
                )
        return {
            "toolUse": {
                "toolUseId": self._ids.of_call(call.id),
                "name": call.name,
                "input": arguments,
                **self._own(call),
            }
        }

    def _result(self, result: ToolResultPart) -> Json:
        content = [block for part in result.content for block in self._inside(part)]
        inner: Json = {"toolUseId": self._ids.of_result(result.tool_call_id)}
        if result.is_error and self._model.tool_status:
            inner["status"] = "error"
            content = content or [{"text": "error"}]  # "cannot be empty when status value is error" (400)
        elif result.is_error:
            content = [{"text": "Error:"}, *content]
        # An empty list is a 400 for some models (Nemotron), an empty text for none (strands-agents pull request 2123).
        return {"toolResult": {**inner, "content": content or [{"text": ""}], **self._own(result)}}

    def _inside(self, part: Part) -> list[Json]:
        """Return a part as content of a tool result, which takes blank text and no thinking."""
        match part:
            case TextPart() | RefusalPart():
                return [{"text": part.text}]
            case OpaquePart(origin=self._origin, data=dict(data)) if data.keys() <= _IN_RESULTS:
                return [{**data}]
            case MediaPart():
                return self._media(part, "result")
        return self._drop(part)

    # --- media ---

    def _media(self, part: MediaPart, role: str) -> list[Json]:
        try:
            return self._medium(part, role)
        except UnsupportedFeatureError as error:
            self._notes.missing(error, asked=self.asked or role == "system")
        return []

    def _medium(self, part: MediaPart, role: str) -> list[Json]:
        if role == "assistant":  # "You can only include images and documents if the role is user" (Message)
            self._notes.add("dropped_content", f"an assistant's {part.tag} part cannot be sent back to {self._origin}")
            return (
                self._text(TextPart(part.transcript), role) if isinstance(part, AudioPart) and part.transcript else []
            )
        if role == "system" or (role == "result" and isinstance(part, AudioPart)):
            where = "a system prompt" if role == "system" else "tool results"
            raise UnsupportedFeatureError(f"{self._origin} takes no {part.tag} in {where}", provider=self._origin)
        kind, block = media_block(part, self._names, self._notes)
        return [{kind: {**block, **self._own(part)}}]
