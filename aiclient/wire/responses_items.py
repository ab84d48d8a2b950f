"""Messages as the input items of OpenAI's Responses protocol.

"Create a model response", OpenAI API reference (platform.openai.com/docs/api-reference/responses/create), checked against the
published schema (github openai/openai-openapi, f85dbe223d40, 2026-08-21). An earlier answer of this protocol goes back item
by item, with its ids; what another vendor's answer left in the history is converted or dropped, with a warning. Content that
the protocol has no place for is an UnsupportedFeatureError, so that a fallback may find a service that has.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..errors import UnsupportedFeatureError
from ..messages import (
    AudioPart,
    Citation,
    DocumentPart,
    ImagePart,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolResultPart,
)
from ..sniffing import sniffed
from .history import note_foreign, past
from .notes import Notes
from .openai_parts import data_url, in_bucket
from .profiles import Profile
from .responses_decode import ARGUMENTS

__all__ = ["ItemEncoder"]

Json = dict[str, Any]

_LONGEST_ID: Final = 64
"""`call_id` of function_call_output: 1 to 64 characters (the published schema)."""

_OUTPUTS: Final = {"function": "function_call_output", "custom": "custom_tool_call_output"}


class ItemEncoder:
    """Encodes the messages of one request.

    Args:
        profile: What the service understands.
        origin: Name under which its own data is kept.
        notes: Takes what cannot be sent.
        stateless: Whether the service keeps nothing: it then knows earlier thinking only by what is sent.
    """

    def __init__(self, profile: Profile, origin: str, notes: Notes, *, stateless: bool) -> None:
        self._profile = profile
        self._origin = origin
        self._notes = notes
        self._stateless = stateless
        self._asked = True  # whether the message under way is part of what is asked now
        self._out: list[Json] = []
        self._calls: dict[str, ToolCall] = {}  # by the id in the messages: the last call of this id
        self._ids: dict[str, str] = {}  # by the id in the messages: the id that is sent
        self._waiting: dict[str, list[str]] = {}  # the same, of calls without a result
        self._taken: set[str] = set()

    def encode(self, messages: Sequence[Message]) -> list[Json]:
        """Return all messages as items, in order."""
        note_foreign(messages, self._origin, self._notes)
        answered = past(messages)
        for number, message in enumerate(messages):
            self._asked = number >= answered or message.role in ("system", "developer")
            if message.name:
                self._notes.unsupported("message.name")
            if message.role == "assistant":
                self._assistant(message)
            else:
                self._given(message)
        return self._with_followers()

    # --- what the caller says ---

    def _given(self, message: Message) -> None:
        role = "system" if message.role == "developer" and not self._profile.developer_role else message.role
        content: list[Json] = []
        for part in message.parts:
            if isinstance(part, ToolResultPart):
                self._out.append(self._result(part))
            elif isinstance(part, OpaquePart) and self._is_item(
                part
            ):  # the result of a computer call, an approval, ...
                self._out.append(dict(part.data))
            else:
                content += self._content(part)
        if content:
            plain = len(content) == 1 and content[0].keys() == {"type", "text"}
            self._out.append(
                {"role": "user" if role == "tool" else role, "content": content[0]["text"] if plain else content}
            )

    def _content(self, part: Part) -> list[Json]:
        """Return a part as input content: one, or none when it was dropped."""
        match part:
            case TextPart() | RefusalPart():
                content: Json = {"type": "input_text", "text": part.text}
            case ImagePart() | DocumentPart() if in_bucket(part.url):
                self._missing(f"{part.tag} content by an address in a cloud's storage")
                return []
            case ImagePart():
                content = {"type": "input_image", **self._image(part), "detail": part.detail or "auto"}
            case DocumentPart():
                content = {"type": "input_file", **_document(part)}
            case OpaquePart(origin=self._origin, data=dict(data)):
                return [data]
            case OpaquePart() | ReasoningPart():
                self._drop(part)
                return []
            case _:
                # "input_audio" is in no published schema of 2026-08; sent as a file, sound is refused (11907c9fdb46).
                self._missing(f"{part.tag} content here")
                return []
        return [{**content, **self._own(part)}]

    def _missing(self, what: str) -> None:
        told = f"{self._profile.name}'s Responses protocol takes no {what}"
        self._notes.missing(UnsupportedFeatureError(told, provider=self._profile.name), asked=self._asked)

    def _image(self, part: ImagePart) -> Json:
        if part.data is not None:
            return {"image_url": data_url(part.data, part.media_type or sniffed(part.data) or "image/webp")}
        return {"image_url": part.url} if part.url is not None else {"file_id": part.file_id}

    def _own(self, part: Part) -> Json:
        """Return the part's own data for input, if it is this service's (`prompt_cache_breakpoint`)."""
        if isinstance(part, OpaquePart) or part.origin != self._origin:
            return {}
        return {key: value for key, value in (part.provider_data or {}).items() if key != "item"}

    def _result(self, result: ToolResultPart) -> Json:
        call = self._calls.get(result.tool_call_id)
        content = [item for part in result.content for item in self._content(part)]
        text = (
            "".join(item["text"] for item in content)
            if all(item.keys() == {"type", "text"} for item in content)
            else None
        )
        output: str | list[Json] = content if text is None else text
        if result.is_error:
            output = f"Error: {text}" if text is not None else [{"type": "input_text", "text": "Error:"}, *content]
        return {
            "type": _OUTPUTS[call.kind if call is not None else "function"],
            "call_id": self._id_of_result(result.tool_call_id),
            "output": output,
            **self._own(result),
        }

    # --- what the model said ---

    def _assistant(self, message: Message) -> None:
        named = not self._stateless or all(map(_replayable, map(self._item, message.of(ReasoningPart))))
        for part in message.parts:
            match part:
                case TextPart() | RefusalPart():
                    self._spoken(part, named=named)
                case ToolCall():
                    self._call(part, named=named)
                case ReasoningPart() if (item := self._item(part)) is not None:
                    if not self._stateless or _replayable(item):
                        self._out.append(dict(item))
                    else:
                        self._notes.add(
                            "dropped_content",
                            "thinking came unsealed from a service that was to store it, and cannot be sent back",
                        )
                case ImagePart(data=bytes() as data) if (item := self._item(part)) is not None:
                    self._out.append({**item, "result": base64.b64encode(data).decode()})
                case OpaquePart(origin=self._origin, data={"content": content, "item": head}) if (
                    "type" not in part.data
                ):
                    self._say(head, content)
                case OpaquePart() if self._is_item(part):
                    self._out.append(dict(part.data))
                case ToolResultPart():
                    self._out.append(self._result(part))
                case AudioPart(transcript=str() as transcript):
                    self._notes.add("converted_content", "the assistant's voice was sent back as its transcript")
                    self._spoken(TextPart(transcript), named=False)
                case _:
                    self._drop(part)

    def _spoken(self, part: TextPart | RefusalPart, *, named: bool) -> None:
        """Add text: to the item it came in, or as a message without an id, whose content can only be plain text."""
        item = self._item(part)
        if item is None or not item.get("id") or not named:
            phase = {"phase": item["phase"]} if item is not None and item.get("phase") else {}
            last = self._out[-1] if self._out else {}
            if last == {"role": "assistant", "content": last.get("content"), **phase} and isinstance(
                last["content"], str
            ):
                last["content"] += part.text
            else:
                self._out.append({"role": "assistant", "content": part.text, **phase})
        elif isinstance(part, TextPart):
            annotations = [raw for source in part.citations if (raw := _annotation(source)) is not None]
            self._say(item, {"type": "output_text", "text": part.text, "annotations": annotations, "logprobs": []})
        else:
            self._say(item, {"type": "refusal", "refusal": part.text})

    def _say(self, head: Mapping[str, Any], content: Json) -> None:
        """Add content to a message of an earlier answer; its parts need not stand together, and an id goes back only once."""
        for item in reversed(self._out):
            if item.get("role") == "user":  # an earlier turn
                break
            said = item.get("content")
            if item.get("type") == "message" and item.get("id") == head.get("id") and isinstance(said, list):
                said.append(content)
                return
        self._out.append({**head, "content": [content]})

    def _call(self, call: ToolCall, *, named: bool) -> None:
        item = self._item(call)
        kept = {key: value for key, value in item.items() if named or key != "id"} if item is not None else {}
        kind = "function_call" if call.kind == "function" else "custom_tool_call"
        # An empty text breaks servers that decode it to fill a chat template.
        arguments = call.arguments if call.kind == "custom" or call.arguments.strip() else "{}"
        self._out.append(
            {**kept, "type": kind, "call_id": self._id_of(call), "name": call.name, ARGUMENTS[kind]: arguments}
        )

    def _id_of(self, call: ToolCall) -> str:
        """Return the id to send: the call's own, unless it is too long or an earlier call has it (ids that we minted)."""
        id_ = call.id
        if not 0 < len(id_) <= _LONGEST_ID:
            id_ = f"call_{hashlib.sha256(id_.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
        number, stem = 1, id_
        while id_ in self._taken:
            number += 1
            id_ = f"{stem[: _LONGEST_ID - 8]}_{number}"
        self._taken.add(id_)
        self._ids[call.id], self._calls[call.id] = id_, call
        self._waiting.setdefault(call.id, []).append(id_)
        return id_

    def _id_of_result(self, id_: str) -> str:
        """Return the id of the first call that came with `id_` and has no result yet; if all have one, of the latest."""
        waiting = self._waiting.get(id_)
        return waiting.pop(0) if waiting else self._ids.get(id_, id_)

    # --- provenance ---

    def _item(self, part: Part) -> Mapping[str, Any] | None:
        """Return the item that a part came in, if it is this service's."""
        if isinstance(part, OpaquePart) or part.origin != self._origin or not part.provider_data:
            return None
        item = part.provider_data.get("item")
        return item if isinstance(item, Mapping) else None

    def _is_item(self, part: OpaquePart) -> bool:
        """Whether a part is a whole item; input content is told by its type, and stands inside a message."""
        if part.origin != self._origin or not isinstance(part.data, Mapping):
            return False
        kind = part.data.get("type")
        return isinstance(kind, str) and not kind.startswith("input_")

    def _drop(self, part: Part) -> None:
        self._notes.add(
            "dropped_content",
            f"a {part.tag} part from {getattr(part, 'origin', None) or 'elsewhere'} cannot be sent back here",
        )

    def _with_followers(self) -> list[Json]:
        """Return the items without thinking that is not followed by what it led to: OpenAI refuses it (b5bd19461c10)."""
        kept: list[Json] = []
        for item in reversed(self._out):
            led_on = kept and (kept[-1].get("id") or kept[-1].get("type") in ARGUMENTS)
            if item.get("type") == "reasoning" and not led_on:
                self._notes.add("dropped_content", "thinking that led to nothing cannot be sent back")
            else:
                kept.append(item)
        return kept[::-1]


def _replayable(item: Mapping[str, Any] | None) -> bool:
    """Whether a service that stored nothing can read its thinking again: it is sealed, or in clear."""
    return item is None or bool(item.get("encrypted_content") or item.get("content"))


def _document(part: DocumentPart) -> Json:
    if part.file_id is not None:
        return {"file_id": part.file_id}
    if part.url is not None:
        return {"file_url": part.url}
    return {
        "filename": part.name or "document.pdf",
        "file_data": data_url(part.data or b"", part.media_type or "application/pdf"),
    }


def _annotation(source: Citation) -> Json | None:
    """Return a source as an annotation: as it came, or of a web page's place in the text."""
    if source.provider_data and isinstance(source.provider_data.get("type"), str):
        return dict(source.provider_data)
    if source.url is None or source.start is None or source.end is None:
        return None
    place = {"start_index": source.start, "end_index": source.end}
    return {"type": "url_citation", "url": source.url, "title": source.title or "", **place}
