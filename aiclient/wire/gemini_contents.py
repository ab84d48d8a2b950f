"""Messages as the `contents` and the `systemInstruction` of Google's generateContent.

"Content" and "Part", ai.google.dev/api/caching (v1beta); "Function calling", ai.google.dev/gemini-api/docs/function-calling;
"Thought signatures", ai.google.dev/gemini-api/docs/thought-signatures (all read 2026-11). There are two roles, `user` and
`model`; the results of tools are the user's. What another vendor's answer left in the history is converted or dropped, with a
warning; what Google's own answer carried goes back exactly as it came.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from attrs import frozen

from ..errors import InvalidMessageError, ProtocolError, UnsupportedFeatureError
from ..messages import (
    ImagePart,
    MediaPart,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolResultPart,
)
from .gemini_parts import SIGNATURE, media_item, own_data
from .history import MINTED, note_foreign, past
from .jsons import loads
from .notes import Notes

__all__ = ["ContentsEncoder", "is_older"]

Json = dict[str, Any]

_OLDER: Final = re.compile(r"(?:.*/)?gemini-[12][.-]")

_UNSIGNED: Final = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
"""Base64 of `skip_thought_signature_validator`, as record 1a535e8e622b has it.

From Gemini 3 on the first call of each step must be signed, else 400; a call that another model made, or the caller, has no
signature, and this word stands in for one ("Thought signatures", FAQ).
"""

_DETAIL: Final = {"low": "MEDIA_RESOLUTION_LOW", "medium": "MEDIA_RESOLUTION_MEDIUM", "high": "MEDIA_RESOLUTION_HIGH"}


def is_older(model: str) -> bool:
    """Whether a model is of Gemini 1 or 2: without thinking levels, mandatory signatures, or media in tool results."""
    return _OLDER.match(model) is not None


@frozen
class _Call:
    """A tool call of the history: its name, its place among all calls, and the id that the service knows it by."""

    name: str
    order: int
    id: str | None


class ContentsEncoder:
    """Encodes the messages of one request.

    Args:
        model: The model asked; older ones take less.
        origin: Whose opaque data may be sent back.
        vertex: Whether this is Vertex AI.
        notes: Takes what cannot be carried.
    """

    def __init__(self, *, model: str, origin: str, vertex: bool, notes: Notes) -> None:
        self._older = is_older(model)
        self._origin = origin
        self._vertex = vertex
        self._notes = notes
        self._system: list[Json] = []
        self._contents: list[Json] = []
        self._calls: dict[str, _Call] = {}
        self._count = 0  # of the calls so far
        self._role = "user"
        self._asked = True  # whether the message under way is part of what is asked now
        self._turn: list[Json] = []
        self._results: list[tuple[int, Json]] = []

    def encode(self, messages: Sequence[Message]) -> tuple[list[Json], list[Json]]:
        """Return the parts of the system instruction and the contents; neighbours of one role are one content."""
        note_foreign(messages, self._origin, self._notes)
        answered = past(messages)
        for number, message in enumerate(messages):
            self._asked = number >= answered and message.role != "assistant"
            if message.name:
                self._notes.unsupported("messages[].name")
            if message.role in ("system", "developer"):
                self._instruct(message)
                continue
            role = "model" if message.role == "assistant" else "user"
            if role != self._role:
                self._flush()
                self._role = role
            for part in message.parts:
                if role == "model":
                    self._say(part)
                else:
                    self._ask(part)
        self._flush()
        if not self._contents:
            raise UnsupportedFeatureError(
                "Gemini takes no conversation without a message of the user", provider=self._origin
            )
        return self._system, self._contents

    def _instruct(self, message: Message) -> None:
        for part in message.parts:
            if not isinstance(part, TextPart):
                raise UnsupportedFeatureError(
                    f"Gemini takes only text as instruction, no {part.tag}", provider=self._origin
                )
            if part.text:
                self._system.append({"text": part.text})

    def _flush(self) -> None:
        """End the turn under way. Results stand first and in the order of their calls: that is how Google matches them."""
        parts = [item for _, item in sorted(self._results, key=lambda result: result[0])] + self._turn
        if self._role == "model" and not self._older:
            self._seal(parts)
        if parts and self._contents and self._contents[-1]["role"] == self._role:  # what stood between was dropped
            self._contents[-1]["parts"] += parts
        elif parts:
            self._contents.append({"role": self._role, "parts": parts})
        self._turn, self._results = [], []

    def _seal(self, parts: list[Json]) -> None:
        call = next((item for item in parts if "functionCall" in item), None)
        if call is not None and SIGNATURE not in call:
            call[SIGNATURE] = _UNSIGNED

    # --- content that both may write ---

    def _content(self, part: Part) -> Json | None:
        """Return a part, or None when it is dropped."""
        match part:
            case TextPart() | RefusalPart():
                own = own_data(part, self._origin)
                return {"text": part.text, **own} if part.text or own else None  # an empty text may carry a signature
            case OpaquePart(origin=self._origin, data=dict(data)):
                return data
            case OpaquePart() | ReasoningPart():
                self._notes.add(
                    "dropped_content", f"a {part.tag} part from {part.origin or 'elsewhere'} cannot be sent to Gemini"
                )
                return None
            case MediaPart(url=str(url)) if url[:3].lower() == "s3:":
                told = "Gemini reads no address in S3"
                self._notes.missing(UnsupportedFeatureError(told, provider=self._origin), asked=self._asked)
                return None
            case MediaPart():
                return {**media_item(part, vertex=self._vertex), **self._detail(part), **own_data(part, self._origin)}
        raise InvalidMessageError(f"a {part.tag} cannot stand in this message: tool calls are the assistant's")

    def _detail(self, part: MediaPart) -> Json:
        """Return the resolution of one image, which Vertex takes from Gemini 3 on ("PartMediaResolution", v1)."""
        level = _DETAIL.get(part.detail or "") if isinstance(part, ImagePart) else None
        if level is None:
            return {}
        if self._vertex and not self._older:
            return {"mediaResolution": {"level": level}}
        self._notes.unsupported("image detail", "set generationConfig.mediaResolution with extra for all images")
        return {}

    # --- the model's turn ---

    def _say(self, part: Part) -> None:
        match part:
            case ToolCall():
                self._turn.append(self._call(part))
            case ToolResultPart():
                raise InvalidMessageError("a tool_result cannot stand in the assistant's message")
            case ReasoningPart(origin=self._origin):
                seal = {SIGNATURE: part.signature} if part.signature else {}
                self._turn.append({"text": part.text, "thought": True, **seal, **own_data(part, self._origin)})
            case _:
                if (item := self._content(part)) is not None:
                    self._turn.append(item)

    def _call(self, call: ToolCall) -> Json:
        minted = call.origin == self._origin and bool((call.provider_data or {}).get(MINTED))
        known = _Call(call.name, self._count, None if minted else call.id)
        self._calls[call.id] = known
        self._count += 1
        args = call.parsed
        if args is None:
            args = {"input": call.arguments}
            self._notes.add(
                "converted_content",
                f"the arguments of a call of {call.name!r} are no JSON object and went as text, in 'input'",
            )
        named = {"name": call.name, "args": args, **({"id": known.id} if known.id else {})}
        return {"functionCall": named, **own_data(call, self._origin)}

    # --- the user's turn ---

    def _ask(self, part: Part) -> None:
        if isinstance(part, ToolResultPart):
            self._result(part)
        elif (item := self._content(part)) is not None:
            self._turn.append(item)

    def _result(self, result: ToolResultPart) -> None:
        """Answer a call: by its id where the service gave one, and always by name and in order."""
        call = self._calls.get(result.tool_call_id)
        name = call.name if call is not None else result.name
        if not name:
            raise InvalidMessageError(
                f"the tool result for {result.tool_call_id!r} needs its function's name: no earlier message makes that call"
            )
        texts: list[str] = []
        media: list[Json] = []
        for part in result.content:
            if isinstance(part, (TextPart, RefusalPart)):
                texts.append(part.text)
            elif (item := self._content(part)) is not None:
                # From Gemini 3 on bytes may stand inside ("Multimodal function responses"); Vertex takes addresses there too.
                bare = item.keys() == {"inlineData"} or (self._vertex and item.keys() == {"fileData"})
                inside = bare and not self._older
                (media if inside else self._turn).append(item)
        answer: Json = {"name": name, "response": _response("".join(texts), failed=result.is_error)}
        id_ = result.tool_call_id if call is None else call.id
        if id_:
            answer["id"] = id_
        if media:
            answer["parts"] = media
        order = call.order if call is not None else self._count
        self._results.append((order, {"functionResponse": answer, **own_data(result, self._origin)}))


def _response(text: str, *, failed: bool) -> Json:
    """Return what a tool gave back as the object that Google wants: `output` and `error` are the words it looks for."""
    if failed:
        return {"error": text}
    if text.lstrip()[:1] == "{":
        try:
            value = loads(text.encode())
        except (ProtocolError, UnicodeEncodeError):
            value = None
        if isinstance(value, dict):
            return value
    return {"output": text}
