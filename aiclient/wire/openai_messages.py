"""Messages in the form that OpenAI's chat protocol takes.

"Create chat completion", OpenAI API reference (platform.openai.com/docs/api-reference/chat/create). Content that the protocol
has no place for is an UnsupportedFeatureError, so that a fallback may find a service that has; what another vendor's answer
left in the history is converted or dropped, with a warning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..errors import InvalidMessageError, UnsupportedFeatureError
from ..messages import (
    AudioPart,
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
from .history import note_foreign, past
from .notes import Notes
from .openai_media import media_item
from .profiles import Profile
from .toolids import ShortToolIds, ToolIds

__all__ = ["MessageEncoder"]

Json = dict[str, Any]

_NO_CHARACTER: Final = r"(?!)"


class MessageEncoder:
    """Encodes the messages of one request."""

    def __init__(self, profile: Profile, origin: str, notes: Notes) -> None:
        self._profile = profile
        self._origin = origin
        self._notes = notes
        self._out: list[Json] = []
        self._held: list[Json] = []  # content of tool results that only a user's message can carry
        self._asked = True  # whether the message under way is part of what is asked now
        self._ids: ToolIds | None = None
        if profile.tool_id_length is not None:
            self._ids = ShortToolIds(profile.tool_id_length)
        elif profile.longest_tool_id is not None:
            self._ids = ToolIds(_NO_CHARACTER, longest=profile.longest_tool_id)

    def encode(self, messages: Sequence[Message]) -> list[Json]:
        """Return all messages, in order."""
        note_foreign(messages, self._origin, self._notes)
        answered = past(messages)
        for number, message in enumerate(messages):
            self._asked = number >= answered or message.role in ("system", "developer")
            if message.of(ToolResultPart):
                self._tool_results(message)
            rest = [part for part in message.parts if not isinstance(part, ToolResultPart)]
            encoded = self._message(message, rest) if rest else {"content": []}
            if encoded.get("content") != []:  # else all of it was left out
                self._release()
                self._append(encoded)
        self._release()
        last = self._out[-1] if self._out else {}
        if self._profile.prefix and last.get("role") == "assistant" and not last.get("tool_calls"):
            last["prefix"] = True
        return self._out

    def _append(self, encoded: Json) -> None:
        """Add a message; where only the assistant may speak after a tool's result, it is made to."""
        after_tool = self._profile.assistant_after_tools and self._out and self._out[-1]["role"] == "tool"
        if after_tool and encoded["role"] not in ("assistant", "tool"):
            self._notes.add(
                "added_message",
                f"{self._profile.name} lets only the assistant speak after a tool's result: it was made to say 'OK'",
            )
            self._out.append({"role": "assistant", "content": "OK"})
        self._out.append(encoded)

    def _message(self, message: Message, parts: Sequence[Part]) -> Json:
        if message.role == "assistant":
            encoded = self._assistant(parts)
        else:
            role = "system" if message.role == "developer" and not self._profile.developer_role else message.role
            encoded = {"role": "user" if role == "tool" else role, "content": self._content(parts)}
        if message.name and "name" in self._profile.lacks:
            self._notes.unsupported("messages[].name")
        elif message.name:
            encoded["name"] = message.name
        return encoded

    # --- content ---

    def _content(self, parts: Sequence[Part]) -> str | list[Json]:
        """Return text as it is, and anything else as a list: servers that know no lists then still take text."""
        if len(parts) == 1 and isinstance(parts[0], TextPart) and not self._own(parts[0]):
            return parts[0].text
        return [item for part in parts for item in self._item(part)]

    def _item(self, part: Part) -> list[Json]:
        """Return a part as items of a content list: one, or none when it was dropped."""
        try:
            return self._taken(part)
        except UnsupportedFeatureError as error:
            self._notes.missing(error, asked=self._asked)
        return []

    def _taken(self, part: Part) -> list[Json]:
        match part:
            case TextPart() | RefusalPart():  # only the assistant can refuse; quoted by others it is text
                return [{"type": "text", "text": part.text, **self._own(part)}]
            case MediaPart():
                return [{**self._media(part), **self._own(part)}]
            case ReasoningPart(origin=self._origin) if self._profile.thinking_parts:
                item: Json = {"type": "thinking", "thinking": [{"type": "text", "text": part.text}]}
                return [{**item, "signature": part.signature} if part.signature else item]
            case OpaquePart(origin=self._origin, data=dict(data)):
                return [data]
            case OpaquePart() | ReasoningPart():
                self._drop(part)
                return []
            case ToolCall() | ToolResultPart():
                raise InvalidMessageError(f"a {part.tag} cannot stand in this message: tool calls are the assistant's")
        raise AssertionError(part)

    def _own(self, part: Part) -> Mapping[str, Any]:
        """Return the part's own data, if it is this service's (cache marks of OpenRouter and the like)."""
        if isinstance(part, OpaquePart) or part.origin != self._origin:
            return {}
        own = dict(part.provider_data or {})
        if own.pop("item", None) is not None:  # what the Responses protocol of the same service keeps
            self._notes.add("dropped_content", "an item of the Responses protocol cannot be sent back to chat")
        return own

    def _media(self, part: MediaPart) -> Json:
        return media_item(part, self._profile)

    def _drop(self, part: Part) -> None:
        origin = getattr(part, "origin", None)
        if origin != self._origin:
            self._notes.add(
                "dropped_content", f"a {part.tag} part from {origin or 'elsewhere'} cannot be sent back here"
            )

    # --- the assistant's turn ---

    def _assistant(self, parts: Sequence[Part]) -> Json:
        fields: Json = {}
        texts: list[Part] = []
        calls: list[Json] = []
        for part in parts:
            match part:
                case ToolCall():
                    calls.append(self._call(part))
                case TextPart():
                    texts.append(part)
                case RefusalPart() if "refusal" in self._profile.lacks:
                    texts.append(part)
                case RefusalPart():
                    fields["refusal"] = fields.get("refusal", "") + part.text
                case OpaquePart(origin=self._origin, data={"id": _} | {"call_id": _} | {"item": _}):
                    self._notes.add("dropped_content", "an item of the Responses protocol cannot be sent back to chat")
                case OpaquePart(origin=self._origin, data={"type": str()}):
                    texts.append(part)
                case OpaquePart(origin=self._origin, data=dict(data)):
                    _merge(fields, data)
                case ReasoningPart(origin=self._origin) if self._profile.thinking_parts:
                    texts.append(part)
                case ReasoningPart(origin=self._origin):
                    self._thinking(part, fields)
                case MediaPart():
                    self._spoken(part, fields, texts)
                case _:
                    self._drop(part)
        content: Any = self._content(texts) if texts else None if calls or fields else ""
        if isinstance(content, list) and all(map(_is_plain, content)):
            content = "".join(item["text"] for item in content)
        return {"role": "assistant", "content": content, **fields, **({"tool_calls": calls} if calls else {})}

    def _thinking(self, part: ReasoningPart, fields: Json) -> None:
        """Give the service its own thinking back: sealed where it sealed it, else as text where it takes that."""
        if "item" in (part.provider_data or {}):
            self._notes.add("dropped_content", "a reasoning item of the Responses protocol cannot be sent back to chat")
        if own := self._own(part):
            _merge(fields, own)
        elif part.text and (name := self._profile.reasoning_back):
            fields[name] = fields.get(name, "") + part.text

    def _spoken(self, part: MediaPart, fields: Json, texts: list[Part]) -> None:
        """Refer to a spoken answer by its id; of a foreign one send the transcript."""
        if isinstance(part, AudioPart) and (id_ := self._own(part).get("id")):
            fields["audio"] = {"id": id_}
            return
        self._notes.add(
            "dropped_content", f"an assistant's {part.tag} part cannot be sent back to {self._profile.name}"
        )
        if isinstance(part, AudioPart) and part.transcript:
            texts.append(TextPart(part.transcript))

    def _call(self, call: ToolCall) -> Json:
        if call.kind == "custom":
            body: Json = {"type": "custom", "custom": {"name": call.name, "input": call.arguments}}
        else:  # an empty text breaks servers that decode it to fill a chat template
            arguments = call.arguments if call.arguments.strip() else "{}"
            body = {"type": "function", "function": {"name": call.name, "arguments": arguments}}
        return {"id": self._ids.of_call(call.id) if self._ids else call.id, **body, **self._own(call)}

    # --- tool results ---

    def _tool_results(self, message: Message) -> None:
        for result in message.of(ToolResultPart):
            texts = [part for part in result.content if isinstance(part, TextPart)]
            others = [part for part in result.content if not isinstance(part, TextPart)]
            text = "".join(part.text for part in texts)
            if result.is_error:
                text = f"Error: {text}"
            id_ = self._ids.of_result(result.tool_call_id) if self._ids else result.tool_call_id
            self._out.append({"role": "tool", "tool_call_id": id_, "content": text})
            self._hold(id_, others)

    def _hold(self, id_: str, parts: Sequence[Part]) -> None:
        """Keep what a tool message cannot carry for a user message after all results of this turn; it names the sent id."""
        items = [item for part in parts for item in self._item(part)]
        if items:
            self._notes.add(
                "moved_content", "tool messages carry text only; the rest of a result went into a user message"
            )
            self._held += [{"type": "text", "text": f"From the result of tool call {id_}:"}, *items]

    def _release(self) -> None:
        if self._held:
            self._append({"role": "user", "content": self._held})
            self._held = []


def _is_plain(item: Json) -> bool:
    return item.keys() == {"type", "text"} and isinstance(item["text"], str)


def _merge(fields: Json, more: Mapping[str, Any]) -> None:
    """Add fields of an earlier answer; lists of several parts are joined in order."""
    for key, value in more.items():
        fields[key] = [*fields.get(key, []), *value] if isinstance(value, list) else value
