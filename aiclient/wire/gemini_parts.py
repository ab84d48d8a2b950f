"""The parts that Google's contents are made of, decoded; and media, in both directions.

"Part", ai.google.dev/api/caching#Part (v1beta, read 2026-11). What a part carries beside its content (`thoughtSignature`,
`videoMetadata`, ...) is kept as its vendor's own data and goes back with it, exactly as it came: signatures must stay on the
part they came with ("Thought signatures", ai.google.dev/gemini-api/docs/thought-signatures, read 2026-11).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from ..messages import (
    AudioPart,
    DocumentPart,
    ImagePart,
    MediaPart,
    OpaquePart,
    Part,
    ReasoningPart,
    TextPart,
    ToolCall,
    VideoPart,
)
from ..sniffing import by_suffix, sniffed
from .history import MINTED
from .jsons import dumps, named
from .openai_parts import parted_url

__all__ = ["SIGNATURE", "CallIds", "media_item", "own_data", "part_of"]

SIGNATURE: Final = "thoughtSignature"

_KINDS: Final[dict[str, type[ImagePart | AudioPart | VideoPart]]] = {
    "image": ImagePart,
    "audio": AudioPart,
    "video": VideoPart,
}

_LIKELIEST: Final = {"image": "image/jpeg", "audio": "audio/mpeg", "video": "video/mp4", "document": "application/pdf"}

_FILES: Final = "https://generativelanguage.googleapis.com/v1beta/"
"""Before the name of an uploaded file ("Files", ai.google.dev/api/files): a part takes its whole address."""


class CallIds:
    """Makes ids for the calls of one answer that came without: 361 of 397 recorded ones.

    They are made of the answer's own id, so that the calls of a whole conversation differ, and so that the same bytes give
    the same ids. At most 40 characters, of those that other services take too.
    """

    __slots__ = ("_answer", "_count")

    def __init__(self, answer_id: Any, choice: int = 0) -> None:
        text = answer_id if isinstance(answer_id, str) else ""
        kept = "".join(char for char in text if char.isascii() and (char.isalnum() or char in "-_"))[-24:]
        self._answer = f"{kept}_{choice}" if choice else kept
        self._count = 0

    def next(self) -> str:
        """Return the id for one more call."""
        number, self._count = self._count, self._count + 1
        return f"call_{self._answer}_{number}" if self._answer else f"call_{number}"


def part_of(raw: Any, ids: CallIds, origin: str) -> Part:
    """Return the part that `raw` stands for; what is not known here is kept as it is."""
    if not isinstance(raw, Mapping):
        return OpaquePart(origin, raw)
    thought = raw.get("thought") is True
    text = raw.get("text")
    if isinstance(text, str):
        if thought:
            rest = _rest(raw, "text", "thought", SIGNATURE)
            return ReasoningPart(text, named(raw.get(SIGNATURE)), origin=origin, provider_data=rest)
        rest = _rest(raw, "text", "thought")
        return TextPart(text, origin=origin if rest else None, provider_data=rest)
    call = raw.get("functionCall")
    if isinstance(call, Mapping) and isinstance(call.get("name"), str) and call["name"]:
        return _call(raw, call, ids, origin)
    if not thought:  # a picture that is thought is no answer
        for name, build in (("inlineData", _inline), ("fileData", _linked)):
            inner = raw.get(name)
            if isinstance(inner, Mapping) and (part := build(inner, _rest(raw, name), origin)) is not None:
                return part
    return OpaquePart(origin, raw)


def _rest(raw: Mapping[str, Any], *names: str) -> dict[str, Any] | None:
    return {key: value for key, value in raw.items() if key not in names} or None


def _call(raw: Mapping[str, Any], call: Mapping[str, Any], ids: CallIds, origin: str) -> ToolCall:
    args = call.get("args")
    data = _rest(raw, "functionCall") or {}
    id_ = call.get("id")
    if not isinstance(id_, str) or not id_:
        id_ = ids.next()
        data[MINTED] = True
    arguments = dumps(args).decode() if isinstance(args, Mapping) else "{}"
    return ToolCall(id_, call["name"], arguments, origin=origin if data else None, provider_data=data or None)


def _kind(media_type: str) -> type[ImagePart | AudioPart | VideoPart | DocumentPart]:
    return _KINDS.get(media_type.partition("/")[0], DocumentPart)


def _inline(inner: Mapping[str, Any], rest: dict[str, Any] | None, origin: str) -> Part | None:
    media_type, text = inner.get("mimeType"), inner.get("data")
    if not isinstance(media_type, str) or not isinstance(text, str):
        return None
    try:
        data = base64.b64decode(text.translate(_URL_SAFE), validate=True)
    except (binascii.Error, ValueError):
        return None
    return _kind(media_type)(data=data, media_type=media_type, origin=origin, provider_data=rest)


_URL_SAFE: Final = str.maketrans("-_", "+/")


def _linked(inner: Mapping[str, Any], rest: dict[str, Any] | None, origin: str) -> Part | None:
    media_type, url = inner.get("mimeType"), inner.get("fileUri")
    if not isinstance(url, str):
        return None
    known = media_type if isinstance(media_type, str) else None
    return _kind(known or "")(url=url, media_type=known, origin=origin, provider_data=rest)


def own_data(part: Part, origin: str) -> dict[str, Any]:
    """Return what a part carries beside its content, if it is this vendor's."""
    if isinstance(part, OpaquePart) or part.origin != origin or not part.provider_data:
        return {}
    return {key: value for key, value in part.provider_data.items() if key != MINTED}


def media_item(part: MediaPart, *, vertex: bool) -> dict[str, Any]:
    """Return a part with media: bytes inline, anything else by its address.

    A service needs to be told the media type of bytes, and Vertex that of addresses too; what the caller left out is read
    from the first bytes, from the address, or is the likeliest. The name of a document goes to Vertex only, which alone
    takes one (`displayName`).
    """
    named, data = parted_url(part.url) if part.url else (None, None)
    if data is None:
        data = part.data
    kind = part.tag
    if data is not None:
        media_type = part.media_type or named or sniffed(data) or _LIKELIEST[kind]
        inline = {"mimeType": media_type, "data": base64.b64encode(data).decode()}
        if vertex and isinstance(part, DocumentPart) and part.name:
            inline["displayName"] = part.name
        return {"inlineData": inline}
    address = part.url or part.file_id or ""
    if address.startswith("files/") and not vertex:
        address = _FILES + address
    guessed = part.media_type or by_suffix(address) or (_LIKELIEST[kind] if vertex else None)
    return {"fileData": {**({"mimeType": guessed} if guessed else {}), "fileUri": address}}
