"""What bytes are, told by their beginning; and what a file's name says about them.

Signatures: "MIME Sniffing", mimesniff.spec.whatwg.org; ISO/IEC 14496-12 and mp4ra.org for the brands of MP4's relatives;
RFC 6386 and 9649 (WebP), RFC 9639 (FLAC), RFC 7845 (Opus), RFC 9559 (Matroska); read 2026-11.
"""

from __future__ import annotations

from typing import Final

__all__ = ["MARKED", "by_suffix", "is_text", "sniffed"]

_STARTS: Final = (
    # (offset, bytes, media type), most frequent first
    (0, b"\x89PNG", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (0, b"%PDF", "application/pdf"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"\x00\x00\x01\x00", "image/x-icon"),
    (0, b"FLV\x01", "video/x-flv"),
    (0, b"\x00\x00\x01\xba", "video/mpeg"),
    (0, b"\x00\x00\x01\xb3", "video/mpeg"),
    (0, b"#!AMR", "audio/amr"),
)

_RIFFS: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_FORMS: Final = {b"AIFF": "audio/aiff", b"AIFC": "audio/aiff"}

_BRANDS: Final = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "image/heic"),
    b"qt  ": "video/quicktime",
    **dict.fromkeys((b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "), "audio/mp4"),
}

_SUFFIXES: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "svg": "image/svg+xml",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
    "aiff": "audio/aiff",
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "mkv": "video/x-matroska",
    "mpg": "video/mpeg",
    "mpeg": "video/mpeg",
    "avi": "video/x-msvideo",
    "3gp": "video/3gpp",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "html": "text/html",
    "htm": "text/html",
    "csv": "text/csv",
    "xml": "application/xml",
    "json": "application/json",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "rtf": "application/rtf",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}

MARKED: Final = frozenset(
    {*(kind for _, _, kind in _STARTS), *_RIFFS.values(), *_FORMS.values(), *_BRANDS.values()}
    | {"video/mp4", "video/3gpp", "video/webm", "video/x-matroska", "image/bmp", "audio/aac", "image/heif"}
)
"""Types that have a mark: bytes without it are not of them."""

_CONTROLS: Final = bytes(set(range(32)) - set(b"\t\n\f\r\x1b"))
_BRANDED: Final = 64
"""Bytes of an MP4's first box that are looked at: its brands stand there."""


def sniffed(data: bytes) -> str | None:
    """Return the media type that the first bytes are the mark of; None for text, and for what is not known here."""
    for offset, mark, media_type in _STARTS:
        if data.startswith(mark, offset):
            return media_type
    if data[:4] == b"RIFF":
        return _RIFFS.get(data[8:12])
    if data[:4] == b"FORM":
        return _FORMS.get(data[8:12])
    if data[4:8] == b"ftyp":
        return _branded(data)
    if data[:4] == b"\x1aE\xdf\xa3":
        return "video/webm" if b"webm" in data[:_BRANDED] else "video/x-matroska"
    if data[:2] == b"BM" and len(data) >= 26 and data[6:10] == b"\x00\x00\x00\x00":
        return "image/bmp"
    return _framed(data)


def _branded(data: bytes) -> str:
    """Return what an ISO base media file is, by its major brand, or else by those that it is compatible with."""
    size = min(int.from_bytes(data[:4], "big"), _BRANDED)
    brands = [data[8:12], *(data[place : place + 4] for place in range(16, size - 3, 4))]
    if brands[0] in (b"mif1", b"msf1") and any(brand in (b"avif", b"avis") for brand in brands):
        return "image/avif"
    if brands[0].startswith(b"3g"):
        return "video/3gpp"
    return _BRANDS.get(brands[0], "video/mp4")


def _framed(data: bytes) -> str | None:
    """Tell the two kinds of sound that begin with a frame's sync word instead of a mark."""
    if len(data) < 4 or data[0] != 0xFF:
        return None
    if data[1] & 0xF6 == 0xF0:  # ADTS: layer 00
        return "audio/aac"
    rate, sampling = data[2] >> 4, (data[2] >> 2) & 3
    third = data[1] & 0xE6 == 0xE2 and data[1] & 0x18 != 0x08  # MP3 is layer III; FF FE is UTF-16
    return "audio/mpeg" if third and rate not in (0, 15) and sampling != 3 else None


def by_suffix(address: str) -> str | None:
    """Return the media type that the end of a path or URL stands for."""
    path = address.partition("?")[0].partition("#")[0]
    _, dot, suffix = path.rpartition("/")[2].rpartition(".")
    return _SUFFIXES.get(suffix.lower()) if dot else None


def is_text(data: bytes) -> bool:
    """Whether bytes are text in UTF-8, without control characters."""
    if data.translate(None, _CONTROLS) != data:
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
