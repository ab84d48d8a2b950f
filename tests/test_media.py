"""Media from files, bytes and URLs: what it is is told by the bytes, and nothing is read that was not meant to be."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from aiclient import MediaError, audio, document, image, video
from aiclient.fluent import Fluent
from aiclient.messages import AudioPart, DocumentPart, ImagePart, VideoPart

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff\xe0"
PDF = b"%PDF-1.7"
MP4 = b"\x00\x00\x00\x14ftypisom\x00\x00\x00\x00mp42"
M4A = b"\x00\x00\x00\x14ftypM4A \x00\x00\x00\x00mp42"
WEBM = b"\x1aE\xdf\xa3\x9fB\x82\x84webm"
OGG = b"OggS\x00\x02"
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "


def refused(make, *args, **options):
    """Return the kind of the error, and its text."""
    with pytest.raises(MediaError) as caught:
        make(*args, **options)
    return caught.value.kind, str(caught.value)


# --- what it is ---


@pytest.mark.parametrize(
    ("make", "data", "given", "media_type"),
    [
        (image, PNG, None, "image/png"),
        (image, bytearray(JPEG), None, "image/jpeg"),
        (image, memoryview(PNG), "image/png", "image/png"),
        (image, JPEG, "image/jpg", "image/jpg"),  # another word for the same
        (image, PNG, "application/octet-stream", "image/png"),  # says nothing
        (image, PNG, "IMAGE/PNG; x=y", "IMAGE/PNG; x=y"),
        (image, b"...", "image/png", "image/png"),  # without a mark: what is said counts
        (image, b"<svg/>", "image/svg+xml", "image/svg+xml"),
        (audio, WAV, None, "audio/wav"),
        (audio, WAV, "audio/x-wav", "audio/x-wav"),
        (audio, M4A, None, "audio/mp4"),
        (audio, MP4, None, "audio/mp4"),  # a container of either
        (audio, WEBM, "audio/webm", "audio/webm"),
        (audio, OGG, None, "audio/ogg"),
        (video, MP4, None, "video/mp4"),
        (video, WEBM, None, "video/webm"),
        (video, OGG, None, "video/ogg"),
        (document, PDF, None, "application/pdf"),
        (document, b"# Notes", None, "text/plain"),
        (document, b"a,b", "text/csv", "text/csv"),
        (document, b"PK\x03\x04", "application/vnd.ms-excel", "application/vnd.ms-excel"),
    ],
)
def test_the_type_is_what_the_bytes_are_or_what_fits_them(make, data, given, media_type):
    part = make(data, media_type=given)
    assert (part.data, part.media_type) == (bytes(data), media_type)


@pytest.mark.parametrize(
    ("make", "data", "given", "told"),
    [
        (image, JPEG, "image/png", "media_type='image/png' was given, but it is image/jpeg"),
        (image, PNG, "image/svg+xml", "it is image/png"),
        (image, PDF, None, "it is application/pdf, not of the kind image; use document"),
        (document, PNG, None, "use image"),
        (audio, PNG, None, "use image"),
        (image, MP4, None, "use video"),
        (video, WAV, None, "use audio"),
        (video, M4A, None, "use audio"),
        (document, PDF, "text/plain", "but it is application/pdf"),
        (image, b"...", None, "say it with media_type, such as 'image/png'"),
        (document, b"PK\x03\x04", None, "say it with media_type"),
        (image, b"...", "application/pdf", "not of the kind image"),
        (document, b"...", "image/png", "not of the kind document"),
        (image, b"...", "png", "must be of the form 'image/png'"),
        (image, b"...", "image/png\r\nX: y", "must be of the form"),
        (image, b"...", 7, "a text such as"),
        (image, b"", "image/png", "nothing in it"),
    ],
)
def test_bytes_that_are_something_else_are_refused_with_what_to_do(make, data, given, told):
    kind, text = refused(make, data, media_type=given)
    assert kind == "type"
    assert told in text


def test_what_else_belongs_to_a_part_is_kept():
    assert image(PNG, detail="low") == ImagePart(data=PNG, media_type="image/png", detail="low")
    assert document(PDF, name="a.pdf") == DocumentPart(data=PDF, media_type="application/pdf", name="a.pdf")


# --- how large ---


def test_more_bytes_than_are_allowed_are_refused_and_exactly_so_many_are_taken():
    assert image(PNG, max_bytes=len(PNG)).data == PNG
    assert refused(image, PNG, max_bytes=len(PNG) - 1)[0] == "too_large"


def test_twenty_mebibytes_are_the_most_unless_told_otherwise():
    large = PNG.ljust(20 * 1024 * 1024, b"\x00")
    assert len(image(large).data) == 20 * 1024 * 1024
    assert refused(image, large + b"\x00") == (
        "too_large",
        "the bytes: more than max_bytes=20971520; make it smaller, or allow more",
    )


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "1"])
def test_a_limit_that_is_none_is_refused(wrong):
    assert f"max_bytes={wrong!r}" in refused(image, PNG, max_bytes=wrong)[1]


# --- files ---


def test_a_file_is_read(tmp_path):
    (tmp_path / "cat.png").write_bytes(PNG)
    assert image(tmp_path / "cat.png") == ImagePart(data=PNG, media_type="image/png")


def test_a_document_has_the_name_of_its_file(tmp_path):
    (tmp_path / "offer.pdf").write_bytes(PDF)
    assert document(tmp_path / "offer.pdf").name == "offer.pdf"
    assert document(tmp_path / "offer.pdf", name="b.pdf").name == "b.pdf"


@pytest.mark.parametrize(
    ("name", "data", "media_type"),
    [
        ("cat.png", JPEG, "image/jpeg"),  # a wrong ending does not matter
        ("cat", PNG, "image/png"),
        ("cat.svg", b"<svg/>", "image/svg+xml"),
    ],
)
def test_of_a_file_the_bytes_count_before_the_name(tmp_path, name, data, media_type):
    (tmp_path / name).write_bytes(data)
    assert image(tmp_path / name).media_type == media_type


@pytest.mark.parametrize(
    ("name", "data", "media_type"),
    [
        ("notes.md", b"# Notes", "text/markdown"),
        ("table.csv", b"a,b", "text/csv"),
        ("notes.pdf", b"# Notes", "text/plain"),  # a PDF has a mark
        ("notes", b"# Notes", "text/plain"),
        ("letter.docx", b"PK\x03\x04", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ],
)
def test_of_a_text_the_name_says_what_kind(tmp_path, name, data, media_type):
    (tmp_path / name).write_bytes(data)
    assert document(tmp_path / name).media_type == media_type


@pytest.mark.parametrize(("name", "data"), [("a.csv", b"\x00\x01"), ("a.pdf", b"\x00\x01")])
def test_a_name_alone_makes_nothing_of_bytes_that_are_something_else(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    assert refused(document, tmp_path / name)[0] == "type"


def test_a_large_file_is_refused_by_its_size_unread(tmp_path):
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)  # a hole: a terabyte that takes no room
    kind, text = refused(image, tmp_path / "large")
    assert kind == "too_large"
    assert repr(str(tmp_path / "large")) in text


@pytest.mark.linux
def test_a_file_without_a_size_is_read_no_further_than_allowed():
    assert refused(document, Path("/proc/self/smaps"), max_bytes=10)[0] == "too_large"


@pytest.fixture
def odd(tmp_path):
    """Paths that are no files, by what they are."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "to-null").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
    return {
        "nothing": tmp_path / "nothing",
        "a directory": tmp_path,
        "a pipe": tmp_path / "pipe",
        "a socket": tmp_path / "socket",
        "a device": Path("/dev/zero"),
        "a terminal": Path("/dev/tty"),
        "a link to a device": tmp_path / "to-null",
        "a loop of links": tmp_path / "loop",
        "a name with a NUL": Path("a\x00b"),
        "a name too long": Path("a" * 5000),
    }


@pytest.mark.linux
@pytest.mark.parametrize(
    "what",
    [
        "nothing",
        "a directory",
        "a pipe",
        "a socket",
        "a device",
        "a terminal",
        "a link to a device",
        "a loop of links",
        "a name with a NUL",
        "a name too long",
    ],
)
def test_what_is_no_file_is_refused_at_once_and_by_its_path(odd, what):
    kind, text = refused(image, odd[what])
    assert kind == "unreadable"
    assert repr(str(odd[what])) in text


# --- URLs ---


@pytest.mark.parametrize(
    "url", ["https://a.test/b.png", "HTTP://a.test/b?c=d", "gs://bucket/b.png", "s3://bucket/b.png"]
)
def test_a_url_is_handed_on_as_it_is(url):
    assert image(url, media_type="image/png") == ImagePart(url=url, media_type="image/png")
    assert image(url) == ImagePart(url=url)


@pytest.mark.parametrize(
    "text",
    [
        "cat.png",
        "/etc/passwd",
        "~/cat.png",
        "file:///etc/passwd",
        "FILE:/etc/passwd",
        "ftp://a.test/b.png",
        "javascript:alert(1)",
        "//a.test/b.png",
        "https:b.png",
        "https:///b.png",
        "https:// a.test",
        "https://a.test/b c.png",
        "https://a.test/\r\nX: y",
        " https://a.test/b.png",
        "",
    ],
)
def test_a_text_that_is_no_url_is_never_taken_for_a_file(text):
    kind, told = refused(image, text)
    assert kind == "source"
    assert "of a file give Path(...)" in told


def test_a_url_of_another_kind_is_refused_by_the_type_that_is_said():
    assert refused(image, "https://a.test/b", media_type="application/pdf")[0] == "type"


@pytest.mark.parametrize(
    ("url", "media_type"),
    [
        ("data:image/png;base64,iVBORw0KGgo=", "image/png"),
        ("data:;base64,iVBORw0KGgo=", "image/png"),
        ("DATA:image/png;BASE64,iVBORw0KGgo%3D", "image/png"),
        ("data:image/png;name=a.png;base64,iVBORw0KGgo=", "image/png;name=a.png"),
        ("data:image/png,%89PNG%0D%0A%1A%0A", "image/png"),
    ],
)
def test_a_data_url_is_decoded(url, media_type):
    assert image(url) == ImagePart(data=PNG, media_type=media_type)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("data:image/png;base64", "source"),
        ("data:image/png;base64,iVBORw0KGg", "source"),
        ("data:image/png;base64,iVBO*Rw0KGgo=", "source"),
        ("data:image/png;base64,", "type"),
        ("data:image/jpeg;base64,iVBORw0KGgo=", "type"),
        ("data:image/png;base64," + "iVBO" * 100, "too_large"),
        ("data:image/png," + "a" * 4 * 65, "too_large"),
    ],
)
def test_a_data_url_that_is_wrong_or_too_large_is_refused(url, kind):
    assert refused(image, url, max_bytes=64)[0] == kind


@pytest.mark.parametrize("wrong", [None, 7, ["a"], object()])
def test_anything_else_is_refused_by_its_type(wrong):
    kind, text = refused(image, wrong)
    assert kind == "source"
    assert f"image({type(wrong).__name__})" in text


# --- in the builder ---


@pytest.mark.parametrize(
    ("method", "data", "part"),
    [("image", PNG, ImagePart), ("audio", WAV, AudioPart), ("video", MP4, VideoPart), ("document", PDF, DocumentPart)],
)
@pytest.mark.parametrize("how", ["bytes", "data", "path", "url", "url by name"])
def test_the_builder_takes_the_same_sources(tmp_path, method, data, part, how):
    (tmp_path / "file").write_bytes(data)
    url = "https://a.test/b"
    args, options = {
        "bytes": ((data,), {}),
        "data": ((), {"data": data}),
        "path": ((tmp_path / "file",), {}),
        "url": ((url,), {}),
        "url by name": ((), {"url": url}),
    }[how]
    made = getattr(Fluent().user("Look:"), method)(*args, **options).build().messages[0].parts[1]
    assert type(made) is part
    assert (made.url, made.data) == ((url, None) if "url" in how else (None, data))


@pytest.mark.parametrize("method", ["image", "audio", "video", "document"])
@pytest.mark.parametrize("options", [{}, {"data": b"..."}, {"data": b"...", "url": "https://a.test"}])
def test_the_builder_takes_one_source_and_no_more(method, options):
    source = (b"...",) if options == {"data": b"..."} else ()
    kind, text = refused(getattr(Fluent(), method), *source, **options)
    assert (kind, text.partition(" ")[0]) == ("source", f"{method}()")


def test_the_builder_hands_on_limit_detail_and_name():
    made = Fluent().image(PNG, detail="low").document(PDF, name="a.pdf").build().messages[0].parts
    assert (made[0].detail, made[1].name) == ("low", "a.pdf")
    assert refused(Fluent().image, PNG, max_bytes=3)[0] == "too_large"


def test_the_error_survives_being_pickled():
    import pickle

    error = pickle.loads(pickle.dumps(MediaError("no", kind="type")))
    assert (type(error), error.kind, error.retryable) == (MediaError, "type", False)


def test_a_data_url_is_not_decoded_when_it_is_too_long():
    """Wrong as base64 too: that would be said if it were looked at."""
    assert refused(image, "data:image/png;base64," + "*" * 1000, max_bytes=64)[0] == "too_large"
