"""Images, films, sound and documents in the form of Converse's content blocks, and the names that documents must have.

"ImageBlock", "VideoBlock", "AudioBlock" and "DocumentBlock", Amazon Bedrock Runtime API reference, 2023-09-30, as in the
service model of botocore 1.44.5 (2026-11).
"""

from __future__ import annotations

import base64
import re
from typing import Any, Final

from ..errors import UnsupportedFeatureError
from ..messages import AudioPart, DocumentPart, ImagePart, MediaPart, VideoPart
from ..sniffing import is_text, sniffed
from .notes import Notes
from .openai_parts import parted_url

__all__ = ["DocumentNames", "image_type", "media_block"]

Json = dict[str, Any]

_IMAGES: Final = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "gif": "gif", "webp": "webp"}

_VIDEOS: Final = {
    **{name: name for name in ("mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp")},
    "x-matroska": "mkv",
    "matroska": "mkv",
    "quicktime": "mov",
    "x-flv": "flv",
    "x-ms-wmv": "wmv",
    "3gpp": "three_gp",
    "3gp": "three_gp",
}

_SOUNDS: Final = {
    **{name: name for name in ("mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "m4a", "pcm", "webm")},
    "mpeg": "mp3",
    "mpga": "mpga",
    "x-wav": "wav",
    "wave": "wav",
    "vnd.wave": "wav",
    "x-aac": "x-aac",
    "x-flac": "flac",
    "x-m4a": "m4a",
    "x-matroska": "mka",
}

_DOCUMENTS: Final = {
    **{name: name for name in ("pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md")},
    "htm": "html",
    "text": "txt",
    "markdown": "md",
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
    "text/x-markdown": "md",
}
_TEXTUAL: Final = ("application/json", "application/xml", "application/yaml", "application/javascript")

_UNNAMEABLE: Final = re.compile(r"[^a-zA-Z0-9\s()\[\]-]")
_LONGEST_NAME: Final = 200


class DocumentNames:
    """Gives the documents of one request the names that they may have.

    "Alphanumeric characters, whitespace characters (no more than one in a row), hyphens, parentheses, square brackets"
    (DocumentBlock), 200 of them at most; "Messages can't contain duplicate document names" (a 400).
    """

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._given: set[str] = set()

    def name(self, wanted: str | None) -> str:
        """Return a name like the one that is wanted; the ending of a file goes into `format` and is taken off."""
        stem, dot, ending = (wanted or "").rpartition(".")
        if not dot or ending.lower() not in _DOCUMENTS:
            stem = wanted or ""
        fitting = " ".join(_UNNAMEABLE.sub("-", stem).split())[:_LONGEST_NAME].strip()
        if wanted and fitting != stem:
            self._notes.add("changed_content", "the name of a document was changed to characters that Bedrock takes")
        if not any(char.isalnum() for char in fitting):
            fitting = "document"
        first, number = fitting, 1
        while fitting in self._given:
            number += 1
            end = f" {number}"
            fitting = first[: _LONGEST_NAME - len(end)] + end
        self._given.add(fitting)
        return fitting


def media_block(part: MediaPart, names: DocumentNames, notes: Notes) -> tuple[str, Json]:
    """Return the kind and the inside of the block that a part becomes.

    Raises:
        UnsupportedFeatureError: Bedrock has no form for it; it fetches nothing but objects of S3.
    """
    subtype = _subtype(part)
    match part:
        case ImagePart():
            if part.detail not in (None, "auto"):
                notes.unsupported("image detail")
            return "image", _block(part, _IMAGES.get(subtype), "images")
        case VideoPart():
            return "video", _block(part, _VIDEOS.get(subtype), "videos")
        case AudioPart():
            return "audio", _block(part, _SOUNDS.get(subtype), "audio")
        case DocumentPart():
            block = _block(part, _document_format(part), "documents")
            return "document", {**block, "name": names.name(part.name)}
    raise AssertionError(part)


def image_type(form: Any) -> str | None:
    """Return the media type of an answer's image."""
    return f"image/{form}" if form in _IMAGES else None


def _block(part: MediaPart, form: str | None, what: str) -> Json:
    data = _data(part)
    if data is None and not (part.url or "").startswith("s3://"):
        raise UnsupportedFeatureError(
            f"Bedrock takes {what} as bytes or by the URI of an object in S3, not by "
            f"{'id' if part.file_id else 'URL; MediaFetcher or the layer FetchMedia fetches them'}",
            provider="bedrock",
        )
    if form is None:
        raise UnsupportedFeatureError(
            f"Bedrock takes no {what} of the type {part.media_type or 'unknown'}; say which it is with media_type",
            provider="bedrock",
        )
    if data is None:
        return {"format": form, "source": {"s3Location": {"uri": part.url}}}
    return {"format": form, "source": {"bytes": base64.b64encode(data).decode()}}


def _data(part: MediaPart) -> bytes | None:
    return part.data if part.data is not None else parted_url(part.url or "")[1]


def _media_type(part: MediaPart) -> str:
    given = part.media_type or parted_url(part.url or "")[0] or ""
    return given.partition(";")[0].strip().lower()


def _ending(name: str | None) -> str:
    return (name or "").rpartition(".")[2].lower()


def _subtype(part: MediaPart) -> str:
    """Return what follows the slash of the media type, else of what the bytes are, else the ending of the URI."""
    known = _media_type(part)
    if known not in ("", "application/octet-stream"):
        return known.partition("/")[2]
    return (sniffed(_data(part) or b"") or "").partition("/")[2] or _ending(part.url)


def _document_format(part: DocumentPart) -> str | None:
    kind, data = _media_type(part), _data(part)
    if kind:
        return _DOCUMENTS.get(kind) or ("txt" if kind.startswith("text/") or kind in _TEXTUAL else None)
    named = _DOCUMENTS.get(_ending(part.name)) or _DOCUMENTS.get(_ending(part.url))
    if named is not None or data is None:
        return named
    return "pdf" if data.startswith(b"%PDF") else "txt" if is_text(data) else None
