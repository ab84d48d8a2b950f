"""Parts in the form of Anthropic's content blocks.

"Messages", Anthropic API reference, version 2023-06-01 (platform.claude.com/docs/en/api/messages/create), checked against the
types of the SDK (anthropic 2.11.0, 2026-11).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..errors import InvalidMessageError, UnsupportedFeatureError
from ..messages import (
    AudioPart,
    Citation,
    DocumentPart,
    ImagePart,
    MediaPart,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolResultPart,
)
from ..sniffing import sniffed
from .notes import Notes
from .openai_parts import in_bucket, parted_url
from .toolids import ToolIds

__all__ = ["BlockEncoder", "Json"]

Json = dict[str, Any]

_IMAGES: Final = ("image/jpeg", "image/png", "image/gif", "image/webp")
"""The media types that `image` blocks take (build-with-claude/vision)."""

_TEXTUAL: Final = ("application/json", "application/xml", "application/yaml", "application/javascript")


class BlockEncoder:
    """Encodes the parts of one request."""

    def __init__(self, origin: str, notes: Notes) -> None:
        self._origin = origin
        self._notes = notes
        self._ids = ToolIds()
        self.asked = True
        """Whether the message under way is part of what is asked now."""

    def blocks(self, parts: Sequence[Part], role: str) -> list[Json]:
        """Return the blocks of one message's parts; what cannot be sent back is dropped with a warning."""
        return [block for part in parts for block in self._block(part, role)]

    def _block(self, part: Part, role: str) -> list[Json]:
        """Return a part as one block, or as none."""
        match part:
            case TextPart():
                return self._text(part)
            case ReasoningPart():
                return self._thinking(part)
            case RefusalPart(origin=self._origin):
                return []  # the service's own explanation, no words of the model
            case RefusalPart():
                return self._text(TextPart(part.text))
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
                try:
                    return self._media(part, role)
                except UnsupportedFeatureError as error:
                    self._notes.missing(error, asked=self.asked or role == "system")
                return []
        raise AssertionError(part)

    def _own(self, part: Any) -> Mapping[str, Any]:
        """Return the part's own data, if it is this service's: what came with it, or marks such as `cache_control`."""
        return (part.provider_data or {}) if part.origin == self._origin else {}

    def _drop(self, part: Part) -> list[Json]:
        self._notes.add(
            "dropped_content", f"a {part.tag} part from {part.origin or 'elsewhere'} cannot be sent to {self._origin}"
        )
        return []

    def _unsupported(self, what: str) -> UnsupportedFeatureError:
        return UnsupportedFeatureError(f"{self._origin} takes no {what}", provider=self._origin)

    # --- text and thinking ---

    def _text(self, part: TextPart) -> list[Json]:
        if not part.text.strip():  # "text content blocks must be non-empty" (400)
            if part.text:
                self._notes.add("dropped_content", f"{self._origin} takes no text of blanks only")
            return []
        block: Json = {"type": "text", "text": part.text}
        if part.origin == self._origin and (cited := [_located(item) for item in part.citations if item.provider_data]):
            block["citations"] = cited
        return [{**block, **self._own(part)}]

    def _thinking(self, part: ReasoningPart) -> list[Json]:
        """Give the model its own thinking back, sealed; a changed or foreign seal is a 400."""
        if part.origin != self._origin or not part.signature:
            return self._drop(part)
        return [{"type": "thinking", "thinking": part.text, "signature": part.signature, **self._own(part)}]

    # --- tools ---

    def _call(self, call: ToolCall) -> Json:
        arguments = call.parsed
        if arguments is None:  # agents-and-tools/tool-use/fine-grained-tool-streaming: wrap what is no valid JSON
            arguments = {"input" if call.kind == "custom" else "INVALID_JSON": call.arguments}
            if call.kind != "custom":
                self._notes.add(
                    "changed_content", f"the arguments of a call of {call.name} are no JSON object; wrapped in one"
                )
        return {
            "type": "tool_use",
            "id": self._ids.of_call(call.id),
            "name": call.name,
            "input": arguments,
            **self._own(call),
        }

    def _result(self, result: ToolResultPart) -> Json:
        block: Json = {"type": "tool_result", "tool_use_id": self._ids.of_result(result.tool_call_id)}
        if content := self.blocks(result.content, "user"):
            block["content"] = content
        if result.is_error:
            block["is_error"] = True
        return {**block, **self._own(result)}

    # --- media ---

    def _media(self, part: MediaPart, role: str) -> list[Json]:
        if role == "assistant":  # images and documents are the user's
            self._notes.add("dropped_content", f"an assistant's {part.tag} part cannot be sent back to {self._origin}")
            return self._text(TextPart(part.transcript)) if isinstance(part, AudioPart) and part.transcript else []
        if role == "system":
            raise self._unsupported(f"{part.tag} content in a system prompt")
        match part:
            case ImagePart():
                block: Json = {"type": "image", "source": self._image(part)}
                if part.detail not in (None, "auto"):
                    self._notes.unsupported("image detail")
            case DocumentPart():
                block = {"type": "document", "source": self._document(part)}
                if part.name:
                    block["title"] = part.name
            case _:
                raise self._unsupported(f"{part.tag} content")
        return [{**block, **self._own(part)}]

    def _image(self, part: ImagePart) -> Json:
        kind, data = _content(part)
        if data is None:
            return self._reference(part)
        kind = kind or sniffed(data)
        kind = "image/jpeg" if kind == "image/jpg" else kind
        if kind not in _IMAGES:
            raise self._unsupported(f"images of the type {kind or 'unknown'}; it takes {', '.join(_IMAGES)}")
        return {"type": "base64", "media_type": kind, "data": base64.b64encode(data).decode()}

    def _document(self, part: DocumentPart) -> Json:
        """Return the source of a document: PDF as bytes, anything textual as text (build-with-claude/pdf-support)."""
        kind, data = _content(part)
        if data is None:
            return self._reference(part)
        if kind == "application/pdf" or (kind is None and data.startswith(b"%PDF")):
            return {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(data).decode()}
        text = _decoded(data) if kind is None or kind.startswith("text/") or kind in _TEXTUAL else None
        if text is None:
            raise self._unsupported(f"documents of the type {kind or 'unknown'}; it takes PDF and text in UTF-8")
        return {"type": "text", "media_type": "text/plain", "data": text}

    def _reference(self, part: MediaPart) -> Json:
        if part.file_id is not None:
            return {"type": "file", "file_id": part.file_id}
        if in_bucket(part.url):
            raise self._unsupported(f"{part.tag} content by an address in a cloud's storage")
        return {"type": "url", "url": part.url}


def _content(part: MediaPart) -> tuple[str | None, bytes | None]:
    """Return media type and bytes, also of a data URL, which the service does not take as a URL."""
    if part.data is not None:
        return (part.media_type or "").partition(";")[0].strip().lower() or None, part.data
    kind, data = parted_url(part.url or "")
    return (part.media_type or kind), data


def _decoded(data: bytes) -> str | None:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _located(citation: Citation) -> Json:
    """Return a source in the form in which it came; some answers carry a field that requests do not take."""
    return {key: value for key, value in (citation.provider_data or {}).items() if key != "file_id"}
