"""Pictures, sound, films and documents as parts of a message: from files, bytes and URLs, with their type told by the bytes.

    client.new_request().user("What is this?", aiclient.image(Path("cat.png"))).do()

A `str` is always a URL, never a file: a name that came from outside cannot make this library read a file. Nothing is
fetched here; see `fetch_media` for that.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, TypeVar
from urllib.parse import unquote_to_bytes

from .errors import MediaError
from .messages import AudioPart, DocumentPart, ImagePart, MediaPart, VideoPart
from .sniffing import MARKED, by_suffix, is_text, sniffed

__all__ = ["MAX_BYTES", "MediaKind", "MediaSource", "audio", "document", "image", "kind_of", "part_of_bytes", "video"]

MAX_BYTES: Final = 20 * 1024 * 1024
"""How large media may be unless told otherwise; most services take no more in one request."""

MediaSource: TypeAlias = "str | bytes | bytearray | memoryview | os.PathLike[str]"
"""What media can be made of: a URL, the bytes themselves, or the path of a file."""

MediaKind: TypeAlias = Literal["image", "audio", "video", "document"]

P = TypeVar("P", bound=MediaPart)

_FAMILIES: Final[dict[str, MediaKind]] = {"image": "image", "audio": "audio", "video": "video"}

_URL: Final = re.compile(r"(https?://[^/\s]|data:|gs://[^/\s]|s3://[^/\s])[^\s\x00-\x1f\x7f]*", re.IGNORECASE)
_TYPE: Final = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")

_ALIASES: Final = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "image/heif": "image/heic",
    "image/x-ms-bmp": "image/bmp",
    "audio/mp3": "audio/mpeg",
    "audio/mpga": "audio/mpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/opus": "audio/ogg",
    "audio/m4a": "audio/mp4",
    "audio/x-m4a": "audio/mp4",
    "audio/x-aac": "audio/aac",
    "audio/x-aiff": "audio/aiff",
    "video/x-m4v": "video/mp4",
    "video/avi": "video/x-msvideo",
    "video/matroska": "video/x-matroska",
    "video/mov": "video/quicktime",
    "application/x-pdf": "application/pdf",
}
"""Other words for what `sniffed` returns; only compared, a type that was given is kept as it was."""

_EITHER: Final = {
    "video/mp4": "audio/mp4",
    "video/webm": "audio/webm",
    "video/x-matroska": "audio/x-matroska",
    "video/3gpp": "audio/3gpp",
    "audio/ogg": "video/ogg",
}
"""Containers that hold sound or films: the beginning does not say which, so that what is asked for counts."""

_UNSAID: Final = frozenset({"", "application/octet-stream", "binary/octet-stream"})


def image(
    source: MediaSource, *, media_type: str | None = None, detail: str | None = None, max_bytes: int = MAX_BYTES
) -> ImagePart:
    """Make an image of a file (`Path(...)`), of bytes, or of a URL (`https:`, `data:`, `gs:`, `s3:`).

    Args:
        source: The file is read at once, and a `data:` URL decoded; any other URL is handed to the service as it is.
        media_type: Default what the bytes are. It must not contradict them.
        detail: The resolution to look at it in (`low`, `high`, `auto`), where the service takes one.
        max_bytes: The largest that is taken, default 20 MiB.

    Raises:
        MediaError: The file cannot be read or is none, the bytes are too many, or are no image; `kind` says which.
    """
    return _part(ImagePart, source, media_type, max_bytes, detail=detail)


def audio(source: MediaSource, *, media_type: str | None = None, max_bytes: int = MAX_BYTES) -> AudioPart:
    """Make sound of a file (`Path(...)`), of bytes, or of a URL; takes and raises what `image` does."""
    return _part(AudioPart, source, media_type, max_bytes)


def video(source: MediaSource, *, media_type: str | None = None, max_bytes: int = MAX_BYTES) -> VideoPart:
    """Make a film of a file (`Path(...)`), of bytes, or of a URL; takes and raises what `image` does."""
    return _part(VideoPart, source, media_type, max_bytes)


def document(
    source: MediaSource, *, media_type: str | None = None, name: str | None = None, max_bytes: int = MAX_BYTES
) -> DocumentPart:
    """Make a document (PDF, text, ...) of a file (`Path(...)`), of bytes, or of a URL; takes and raises what `image` does.

    Args:
        source: As for `image`.
        media_type: Default what the bytes are; of texts, what the file's name says, else `text/plain`.
        name: The file name that the service is told; default that of the file, if it is one.
        max_bytes: As for `image`.
    """
    if name is None and isinstance(source, os.PathLike):
        name = Path(source).name or None
    return _part(DocumentPart, source, media_type, max_bytes, name=name)


def _part(kind: type[P], source: object, media_type: str | None, max_bytes: int, **more: Any) -> P:
    _check(kind, media_type, max_bytes)
    if isinstance(source, str):
        if not _URL.fullmatch(source):
            raise MediaError(
                f"{source[:80]!r} is no URL; of a file give Path(...), of its contents bytes", kind="source"
            )
        if source[:5].lower() != "data:":
            _belongs(kind, media_type, source)
            return kind(url=source, media_type=media_type, **more)
        told, data = _decoded(source, max_bytes)
        return part_of_bytes(kind, data, media_type or told, max_bytes=max_bytes, what="the data: URL", **more)
    if isinstance(source, os.PathLike):
        path = os.fsdecode(source)
        data = _read(path, max_bytes)
        return part_of_bytes(kind, data, media_type, named=path, max_bytes=max_bytes, what=repr(path), **more)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return part_of_bytes(kind, bytes(source), media_type, max_bytes=max_bytes, **more)
    raise MediaError(f"{kind.tag}({type(source).__name__}): give a Path, bytes, or a URL as a text", kind="source")


def part_of_bytes(
    kind: type[P],
    data: bytes,
    media_type: str | None = None,
    *,
    named: str = "",
    max_bytes: int = MAX_BYTES,
    what: str = "the bytes",
    **more: Any,
) -> P:
    """Make a part of bytes, when they are what they are said to be.

    Args:
        kind: What they must be.
        data: The contents.
        media_type: What they are said to be.
        named: A file name or URL whose ending says more, where the bytes say nothing.
        max_bytes: How many they may be.
        what: What they are called in errors.
        more: Other fields of the part.

    Raises:
        MediaError: They are none, too many, or something else.
    """
    if not data:
        raise MediaError(f"{what}: there is nothing in it", kind="type")
    if len(data) > max_bytes:
        raise _too_large(what, max_bytes)
    return kind(data=data, media_type=_media_type(kind, data, media_type, named, what), **more)


def kind_of(data: bytes) -> MediaKind | None:
    """Return what kind of media bytes are, by their mark; None where they have none."""
    found = sniffed(data)
    return None if found is None else _FAMILIES.get(found.partition("/")[0], "document")


def _check(kind: type[MediaPart], media_type: object, max_bytes: object) -> None:
    if media_type is not None and not isinstance(media_type, str):
        raise MediaError(f"{kind.tag}(media_type={media_type!r}): a text such as 'image/png' is needed", kind="type")
    if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 1:
        raise MediaError(f"{kind.tag}(max_bytes={max_bytes!r}): a whole number of at least 1 is needed", kind="source")


# --- what it is ---


def _media_type(kind: type[MediaPart], data: bytes, given: str | None, named: str, what: str) -> str:
    """Decide what the bytes are: what they begin with is the truth, a type that contradicts it is an error.

    The ending of a name counts only where the bytes say nothing: files with a wrong ending are common.
    """
    found = sniffed(data)
    _belongs(kind, given, what)
    said = _plain(given)
    if found is None:
        if said in _UNSAID:
            return _by_name(kind, data, named, what)
        return given or said
    fits = _fitting(kind, found)
    if fits is None:
        other = _FAMILIES.get(found.partition("/")[0], "document")
        raise MediaError(f"{what}: it is {found}, not of the kind {kind.tag}; use {other}(...)", kind="type")
    if said in _UNSAID:
        return fits
    if _ALIASES.get(said, said) not in (found, fits):
        raise MediaError(
            f"{what}: media_type={given!r} was given, but it is {found}; leave media_type out", kind="type"
        )
    return given or said


def _by_name(kind: type[MediaPart], data: bytes, named: str, what: str) -> str:
    """Return what the name says where the bytes say nothing: text, or a type without a mark of its own."""
    told = by_suffix(named)
    texts = kind is DocumentPart and is_text(data)
    if told is not None and told not in MARKED and _fitting(kind, told) and (texts or not _textual(told)):
        return told
    if texts:
        return "text/plain"
    raise MediaError(
        f"{what}: its type is not known; say it with media_type, such as {_EXAMPLES[kind.tag]!r}", kind="type"
    )


_EXAMPLES: Final = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4", "document": "application/pdf"}


def _textual(media_type: str) -> bool:
    return media_type.startswith("text/") or media_type in ("application/json", "application/xml", "application/yaml")


def _plain(media_type: str | None) -> str:
    return (media_type or "").partition(";")[0].strip().lower()


def _fitting(kind: type[MediaPart], media_type: str) -> str | None:
    """Return the type as one of that kind; None if it is of another."""
    family = media_type.partition("/")[0]
    if kind is DocumentPart:
        return None if family in ("image", "audio", "video") else media_type
    if family == kind.tag:
        return media_type
    other = _EITHER.get(media_type, "")
    return other if other.partition("/")[0] == kind.tag else None


def _belongs(kind: type[MediaPart], media_type: str | None, what: str) -> None:
    """Refuse a type that was given and is none, or of another kind."""
    said = _plain(media_type)
    if said in _UNSAID:
        return
    if not _TYPE.fullmatch(said):
        raise MediaError(f"media_type={media_type!r} must be of the form {_EXAMPLES[kind.tag]!r}", kind="type")
    if _fitting(kind, said) is None:
        raise MediaError(f"{what[:80]}: media_type={media_type!r} is not of the kind {kind.tag}", kind="type")


# --- where it comes from ---


def _too_large(what: str, max_bytes: int) -> MediaError:
    return MediaError(f"{what}: more than max_bytes={max_bytes}; make it smaller, or allow more", kind="too_large")


def _decoded(url: str, max_bytes: int) -> tuple[str | None, bytes]:
    """Return media type and contents of a `data:` URL (RFC 2397), without decoding more than is taken."""
    head, comma, body = url[5:].partition(",")
    if not comma:
        raise MediaError("the data: URL has no comma, and so no contents", kind="source")
    media_type, _, encoding = head.rpartition(";") if head.lower().endswith(";base64") else (head, "", "")
    if len(body) > 4 * max_bytes + 4:  # both encodings write at most so many characters for so many bytes
        raise _too_large("the data: URL", max_bytes)
    data = unquote_to_bytes(body)
    if encoding:
        import base64  # noqa: PLC0415  # most programs send no media
        import binascii  # noqa: PLC0415  # the same

        try:
            data = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            raise MediaError("the data: URL is not valid base64", kind="source") from None
    return media_type or None, data


def _read(path: str, max_bytes: int) -> bytes:
    """Return a file's contents: of a regular file alone, never of a device or a pipe, which may have no end or do something.

    It is looked at before it is opened, because opening a device can have effects, and after, because it may have been
    exchanged meanwhile.
    """
    try:
        _regular(Path(path).stat().st_mode, path)
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(handle, "rb") as file:
            about = os.fstat(handle)
            _regular(about.st_mode, path)
            if about.st_size > max_bytes:
                raise _too_large(repr(path), max_bytes)
            return file.read(max_bytes + 1)  # it may grow meanwhile, and /proc says 0
    except MediaError:
        raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except ValueError:  # from the system
        reason = "the path holds a NUL character"
    raise MediaError(f"{path!r} cannot be read: {reason}", kind="unreadable")


def _regular(mode: int, path: str) -> None:
    if not stat.S_ISREG(mode):
        what = "a directory" if stat.S_ISDIR(mode) else "a device, a pipe or a socket"
        raise MediaError(f"{path!r} is {what}, not a file", kind="unreadable")
