"""The pieces that OpenAI-style answers are made of, whole or streamed: content parts, media, sources, thinking."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from ..errors import ProtocolError
from ..messages import AudioPart, Citation, ImagePart, OpaquePart, Part, ReasoningPart, RefusalPart, TextPart
from .jsons import named

__all__ = [
    "KEPT",
    "Details",
    "audio_part",
    "citations",
    "content_parts",
    "data_url",
    "from_base64",
    "images",
    "in_bucket",
    "logprob_entries",
    "other_annotations",
    "parted_url",
    "sources",
    "thinking",
]

KEPT: Final = ("reasoning_details", "extra_content")
"""Fields of an answer that its service wants back with the next turn (OpenRouter and the Vercel gateway; Gemini)."""


def content_parts(content: Any, origin: str) -> list[Part]:
    """Return the parts of a message's `content`: null, text, or a list of typed parts (Mistral, 416ccb2f6882)."""
    if content is None:
        return []
    if isinstance(content, str):
        return [TextPart(content)]
    if not isinstance(content, list):
        raise ProtocolError("content of the answer is neither text nor a list", kind="schema")
    return [_content_part(item, origin) for item in content]


def _content_part(item: Any, origin: str) -> Part:
    if isinstance(item, str):
        return TextPart(item)
    if isinstance(item, Mapping):
        match item.get("type"):
            case "text" | "output_text" if isinstance(item.get("text"), str):
                return TextPart(item["text"])
            case "thinking":
                return ReasoningPart(_thinking_text(item.get("thinking")), item.get("signature"), origin=origin)
            case "refusal" if isinstance(item.get("refusal"), str):
                return RefusalPart(item["refusal"])
            case "image_url":
                return _image(item, origin)
    return OpaquePart(origin, item)


def _thinking_text(value: Any) -> str:
    if isinstance(value, list):
        return "".join(_thinking_text(item.get("text") if isinstance(item, Mapping) else item) for item in value)
    return value if isinstance(value, str) else ""


def thinking(message: Mapping[str, Any]) -> str:
    """Return the visible thinking of a message or delta, which services call by different names."""
    for name in ("reasoning_content", "reasoning"):
        text = message.get(name)
        if text and isinstance(text, str):
            return text
    details = message.get("reasoning_details")
    if not details or "reasoning" in message or not isinstance(details, list):
        return ""
    return "".join(str(item.get("text") or item.get("summary") or "") for item in details if isinstance(item, Mapping))


def _image(item: Any, origin: str) -> Part:
    inner = item.get("image_url") if isinstance(item, Mapping) else None
    url = inner.get("url") if isinstance(inner, Mapping) else inner
    if not isinstance(url, str):
        return OpaquePart(origin, item)
    media_type, data = parted_url(url)
    return ImagePart(url=url) if data is None else ImagePart(data=data, media_type=media_type)


def images(value: Any, origin: str) -> list[Part]:
    """Return the images that stand beside the content (OpenRouter)."""
    return [_image(item, origin) for item in value] if isinstance(value, list) else []


def data_url(data: bytes, media_type: str) -> str:
    """Return a data URL (RFC 2397)."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def parted_url(url: str) -> tuple[str | None, bytes | None]:
    """Return media type and bytes of a data URL; nothing of any other URL."""
    head, comma, body = url.partition(",")
    if not comma or head[:5].lower() != "data:" or head[-7:].lower() != ";base64":
        return None, None
    data = from_base64(body)
    return (head[5:-7] or None, data) if data is not None else (None, None)


def in_bucket(url: str | None) -> bool:
    """Whether an address is one of a cloud's storage, which only that cloud's own services read."""
    return url is not None and url[:5].lower().startswith(("gs:", "s3:"))


def from_base64(text: str) -> bytes | None:
    """Return the bytes that base64 stands for; None if it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def audio_part(audio: Any, origin: str) -> AudioPart | None:
    """Return the spoken answer; its `id` goes back instead of the sound in the next turn."""
    if not isinstance(audio, Mapping):
        return None
    data, transcript, id_ = audio.get("data"), audio.get("transcript"), named(audio.get("id"))
    pieces = [data] if isinstance(data, str) else data if isinstance(data, list) else []
    sound = _sound([piece for piece in pieces if isinstance(piece, str)])
    if sound is None and id_ is None:  # Snowflake: all fields empty
        return None
    return AudioPart(
        data=sound,
        file_id=id_ if sound is None else None,
        transcript=transcript if isinstance(transcript, str) else None,
        origin=origin,
        provider_data={"id": id_} if id_ else None,
    )


def _sound(pieces: list[str]) -> bytes | None:
    """Return the bytes of base64 in pieces: cut anywhere, or each piece padded for itself."""
    if not any(pieces):
        return None
    whole = from_base64("".join(pieces))
    return whole if whole is not None else b"".join(from_base64(piece) or b"" for piece in pieces)


def citations(annotations: Any) -> list[Citation]:
    """Return the sources that `annotations` name."""
    if not isinstance(annotations, list):
        return []
    return [
        _citation(item["url_citation"])
        for item in annotations
        if isinstance(item, Mapping) and isinstance(item.get("url_citation"), Mapping)
    ]


def _citation(item: Mapping[str, Any]) -> Citation:
    start, end = item.get("start_index"), item.get("end_index")
    placed = type(start) is int and type(end) is int and 0 <= start < end  # OpenRouter: 0 to 0 is "nowhere"
    return Citation(
        _str(item.get("url")),
        _str(item.get("title")) or None,
        _str(item.get("content")) or None,
        start if placed else None,
        end if placed else None,
    )


def _str(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def other_annotations(annotations: Any, origin: str) -> list[Part]:
    """Return annotations of other kinds, such as OpenRouter's parsed file (31da3ae404d1), which spares parsing it again."""
    given = annotations if isinstance(annotations, list) else []
    found = [item for item in given if isinstance(item, Mapping) and "url_citation" not in item]
    return [OpaquePart(origin, {"annotations": found})] if found else []


def sources(answer: Mapping[str, Any]) -> list[Citation]:
    """Return the sources that stand beside the choices (Perplexity, eff74b11be4c)."""
    results = answer.get("search_results")
    if isinstance(results, list) and results:
        return [
            Citation(_str(item.get("url")), _str(item.get("title")), _str(item.get("snippet")) or None)
            for item in results
            if isinstance(item, Mapping)
        ]
    urls = answer.get("citations")
    return [Citation(url) for url in urls if isinstance(url, str)] if isinstance(urls, list) else []


def logprob_entries(value: Any) -> list[Any] | None:
    """Return the entries for the tokens, in order; an older or unknown form is one entry."""
    if not value:
        return None
    if not isinstance(value, Mapping) or not ("content" in value or "refusal" in value):
        return [value]
    lists = (value.get("content"), value.get("refusal"))
    return [entry for part in lists if isinstance(part, list) for entry in part] or None


class Details:
    """`reasoning_details` that come in pieces: pieces of one entry share `index` and `type`; their texts are joined."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: list[dict[str, Any]] = []

    def add(self, pieces: Any) -> None:
        """Take the pieces of one delta."""
        if not isinstance(pieces, list):
            return
        for piece in pieces:
            if isinstance(piece, Mapping):
                self._add(piece)

    def _add(self, piece: Mapping[str, Any]) -> None:
        entry = self._entry_of(piece)
        if entry is None:
            entry = {}
            self._entries.append(entry)
        for key, value in piece.items():
            if key in ("text", "summary") and isinstance(value, str):
                pieces = entry.get(key)
                if isinstance(pieces, list):
                    pieces.append(value)
                else:
                    entry[key] = [value]
            elif value is not None or key not in entry:
                entry[key] = value

    def _entry_of(self, piece: Mapping[str, Any]) -> dict[str, Any] | None:
        for entry in reversed(self._entries):
            if entry.get("index") == piece.get("index"):
                return entry if entry.get("type") == piece.get("type") else None
        return None

    def take(self) -> list[dict[str, Any]]:
        """Return the entries, whole, and forget them."""
        entries, self._entries = self._entries, []
        return [{key: _joined(value) for key, value in entry.items()} for entry in entries]


def _joined(value: Any) -> Any:
    return "".join(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else value
