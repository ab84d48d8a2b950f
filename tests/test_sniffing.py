"""What bytes are, told by their beginning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.sniffing import MARKED, by_suffix, is_text, sniffed


def box(brand, *compatible):
    """Return the first box of an ISO base media file."""
    inside = b"ftyp" + brand + b"\x00\x00\x00\x00" + b"".join(compatible)
    return (len(inside) + 4).to_bytes(4, "big") + inside + b"moov"


FILES = {
    # a beginning as its format has it, and what it is
    "png": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "image/png"),
    "jpeg": (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
    "jpeg of a camera": (b"\xff\xd8\xff\xe1\x00\x10Exif", "image/jpeg"),
    "gif": (b"GIF89a\x01\x00", "image/gif"),
    "webp": (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "image/webp"),
    "heic": (box(b"heic", b"mif1"), "image/heic"),
    "heif by its relatives": (box(b"mif1", b"heic"), "image/heic"),
    "avif": (box(b"avif", b"mif1"), "image/avif"),
    "avif by its relatives": (box(b"mif1", b"miaf", b"avif"), "image/avif"),
    "bmp": (b"BM\x36\x00\x0c\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00" + bytes(8), "image/bmp"),
    "tiff, little": (b"II*\x00\x08\x00\x00\x00", "image/tiff"),
    "tiff, big": (b"MM\x00*\x00\x00\x00\x08", "image/tiff"),
    "ico": (b"\x00\x00\x01\x00\x01\x00", "image/x-icon"),
    "pdf": (b"%PDF-1.7\n", "application/pdf"),
    "wav": (b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/wav"),
    "mp3 with tags": (b"ID3\x04\x00\x00", "audio/mpeg"),
    "mp3 without": (b"\xff\xfb\x90\x64\x00", "audio/mpeg"),
    "mp3 of mpeg 2": (b"\xff\xf3\x40\xc4\x00", "audio/mpeg"),
    "aac": (b"\xff\xf1\x50\x80", "audio/aac"),
    "flac": (b"fLaC\x00\x00\x00\x22", "audio/flac"),
    "ogg": (b"OggS\x00\x02", "audio/ogg"),
    "aiff": (b"FORM\x00\x00\x00\x00AIFFCOMM", "audio/aiff"),
    "m4a": (box(b"M4A ", b"isom"), "audio/mp4"),
    "mp4": (box(b"isom", b"mp42"), "video/mp4"),
    "mov": (box(b"qt  "), "video/quicktime"),
    "3gp": (box(b"3gp5"), "video/3gpp"),
    "webm": (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\x82\x84webm", "video/webm"),
    "mkv": (b"\x1aE\xdf\xa3\xa3B\x86\x81\x01B\x82\x88matroska", "video/x-matroska"),
    "avi": (b"RIFF\x24\x00\x00\x00AVI LIST", "video/x-msvideo"),
    "mpeg": (b"\x00\x00\x01\xba\x44", "video/mpeg"),
    "flv": (b"FLV\x01\x05", "video/x-flv"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_known_by_its_beginning(name):
    data, media_type = FILES[name]
    assert sniffed(data) == media_type
    assert media_type in MARKED


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"BM, as in a letter that begins with it, is no picture",
        b"RIFF\x24\x00\x00\x00ACON",
        b"FORM of a letter",
        "Ünïcode".encode("utf-16"),  # begins as a frame of sound would
        b"\xff\xff\xff\xff",
        b"\xff\xfb\xf0\x00",  # a bit rate that there is not
        b"\xff\xeb\x90\x00",  # a version that there is not
        b"PK\x03\x04",  # could be anything that is zipped
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"plain text",
    ],
)
def test_what_has_no_mark_is_not_guessed(data):
    assert sniffed(data) is None


@given(st.binary(max_size=64))
def test_any_bytes_are_told_or_not_and_never_fail(data):
    assert sniffed(data) in {None, *MARKED}


@pytest.mark.parametrize("length", range(40))
def test_a_file_that_is_cut_off_anywhere_is_told_or_not_and_never_fails(length):
    assert {sniffed(data[:length]) for data, _ in FILES.values()} <= {None, *MARKED}


@pytest.mark.parametrize(
    ("address", "media_type"),
    [
        ("cat.PNG", "image/png"),
        ("/a.b/cat.jpeg", "image/jpeg"),
        ("https://a.test/cat.webp?size=1#top", "image/webp"),
        ("notes.md", "text/markdown"),
        ("https://a.test/png", None),
        ("/a.png/cat", None),
        ("", None),
    ],
)
def test_the_end_of_a_name_says_what_it_is(address, media_type):
    assert by_suffix(address) == media_type


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"", True),
        (b"two\tlines\r\nof text\x0c", True),
        ("größer ✓".encode(), True),
        (b"\xef\xbb\xbfwith a mark", True),
        (b"a\x00b", False),
        ("größer".encode("latin-1"), False),
        ("größer".encode("utf-16"), False),
    ],
)
def test_text_is_utf_8_without_control_characters(data, answer):
    assert is_text(data) is answer
