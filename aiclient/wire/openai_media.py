"""Pictures, sound, films and documents as content parts of OpenAI's chat protocol.

"Create chat completion", OpenAI API reference (platform.openai.com/docs/api-reference/chat/create); for films, which OpenAI
does not take, what the others agree on (see `Profile.video`).
"""

from __future__ import annotations

import base64
from typing import Any, Final

from ..errors import UnsupportedFeatureError
from ..messages import AudioPart, DocumentPart, ImagePart, MediaPart, VideoPart
from ..sniffing import sniffed
from .openai_parts import data_url, in_bucket
from .profiles import Profile

__all__ = ["media_item", "unsupported"]

Json = dict[str, Any]

_AUDIO_FORMATS: Final = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
}

_SELF_HOSTED: Final = frozenset({"compatible", "vllm"})
"""Servers of the caller's own may read any address."""


def unsupported(what: str, profile: Profile) -> UnsupportedFeatureError:
    """Return the error for content that a service has no place for."""
    return UnsupportedFeatureError(f"{profile.name}'s chat protocol takes no {what}", provider=profile.name)


def media_item(part: MediaPart, profile: Profile) -> Json:
    """Return a part as an item of a content list.

    Raises:
        UnsupportedFeatureError: The service has no form for it.
    """
    if in_bucket(part.url) and profile.name not in _SELF_HOSTED:
        raise unsupported(f"{part.tag} content by an address in a cloud's storage", profile)
    match part:
        case ImagePart():
            return {"type": "image_url", "image_url": _image(part, profile)}
        case AudioPart():
            return {"type": "input_audio", "input_audio": _audio(part, profile)}
        case VideoPart() if profile.video and part.file_id is None:
            url = part.url if part.data is None else data_url(part.data, part.media_type or "video/mp4")
            return {"type": "video_url", "video_url": {"url": url}}
        case DocumentPart() if profile.documents == "document_url":
            return _document_url(part)
        case DocumentPart():
            return {"type": "file", "file": _document(part, profile)}
    raise unsupported(f"{part.tag} content{' by file id' if profile.video else ''}", profile)


def _image(part: ImagePart, profile: Profile) -> Json:
    if part.data is not None:
        url = data_url(part.data, part.media_type or sniffed(part.data) or "image/webp")
    elif part.url is not None:
        url = part.url
    else:
        raise unsupported("images by file id", profile)
    return {"url": url, "detail": part.detail} if part.detail else {"url": url}


def _audio(part: AudioPart, profile: Profile) -> Json | str:
    encoded = None if part.data is None else base64.b64encode(part.data).decode()
    if profile.audio == "text":
        if encoded is None and part.url is None:
            raise unsupported("audio by file id", profile)
        return encoded or part.url or ""
    sound = _AUDIO_FORMATS.get(part.media_type or sniffed(part.data or b"") or "audio/wav")
    if encoded is None or sound is None:
        raise unsupported("audio other than the bytes of a WAV or MP3 file", profile)
    return {"data": encoded, "format": sound}


def _document(part: DocumentPart, profile: Profile) -> Json:
    if part.file_id is not None:
        return {"file_id": part.file_id}
    if part.data is None:
        raise unsupported("documents by URL", profile)
    return {
        "filename": part.name or "document.pdf",
        "file_data": data_url(part.data, part.media_type or "application/pdf"),
    }


def _document_url(part: DocumentPart) -> Json:
    if part.file_id is not None:
        return {"type": "file", "file_id": part.file_id}
    url = part.url if part.data is None else data_url(part.data, part.media_type or "application/pdf")
    return {"type": "document_url", "document_url": url, **({"document_name": part.name} if part.name else {})}
