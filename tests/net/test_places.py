"""URLs of others are read strictly: what could be understood in two ways is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.errors import MediaError
from aiclient.net.places import Place, place_of, shown


def read(url, schemes=("https",), ports=(443,)):
    return place_of(url, schemes, ports)


def refused(url, **options):
    with pytest.raises(MediaError) as caught:
        read(url, **options)
    return caught.value.kind


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://a.test/b.png", Place("https", "a.test", 443, "/b.png")),
        ("HTTPS://A.Test", Place("https", "a.test", 443, "/")),
        ("https://a.test.:443/b?c=d&e=%20#top", Place("https", "a.test", 443, "/b?c=d&e=%20")),
        ("https://a_b.xn--bcher-kva.test/", Place("https", "a_b.xn--bcher-kva.test", 443, "/")),
        ("https://1.1.1.1/", Place("https", "1.1.1.1", 443, "/")),
        ("https://[2606:4700::0001]/", Place("https", "2606:4700::1", 443, "/")),
    ],
)
def test_a_url_is_taken_apart(url, place):
    assert read(url) == place


@pytest.mark.parametrize(
    ("place", "url"),
    [
        (Place("https", "a.test", 443, "/b?c"), "https://a.test/b?c"),
        (Place("https", "a.test", 8443, "/"), "https://a.test:8443/"),
        (Place("https", "2606:4700::1", 443, "/"), "https://[2606:4700::1]/"),
        (Place("http", "a.test", 80, "/"), "http://a.test/"),
    ],
)
def test_a_place_is_written_as_a_url_again(place, url):
    assert place.url == url


@pytest.mark.parametrize(
    "url",
    [
        None,
        7,
        "",
        "a.png",
        "https://",
        "https:///a.png",
        "https://[::1",
        "https://[::1]x/",
        "https://a.test:port/",
        "https://a.test:99999/",
        "https://a.test/ b",
        "https://a.test/\tb",
        "https://a.test/\r\nHost: b",
        "https://a.test\\@b.test/",
        "https://bücher.test/",
        "https://a.test/ü.png",
        "https://127。0。0。1/",
        "https://①.1.1.1/",
    ],
)
def test_what_is_no_url_of_plain_characters_is_refused(url):
    assert refused(url) == "source"


@pytest.mark.parametrize(
    "url",
    [
        "http://a.test/",
        "ftp://a.test/",
        "file://localhost/etc/passwd",
        "gopher://a.test/",
        "data://a.test/",
        "https://user@a.test/",
        "https://user:password@a.test/",
        "https://a.test@b.test/",
        "https://:@a.test/",
        "https://a.test:80/",
        "https://a.test:22/",
        "https://a.test:0/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://017700000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.0.1.1/",
        "https://a.test.0x7f/",
        "https://a.127/",
        "https://a..test/",
        "https://-a.test/",
        "https://a%2etest/",
        "https://127.0.0.1%2f.test/",
        "https://a.test,b.test/",
        "https://a!b.test/",
        "https://" + "a" * 64 + ".test/",
        "https://" + "a." * 127 + "test/",
    ],
)
def test_what_may_not_be_fetched_from_is_refused(url):
    assert refused(url) == "blocked"


def test_other_schemes_and_ports_are_a_matter_of_options():
    assert read("http://a.test:8080/", schemes=("https", "http"), ports=(8080,)).authority == "a.test:8080"
    assert refused("https://a.test/", ports=(8443,)) == "blocked"


@given(st.text())
def test_any_text_is_a_place_or_refused_and_nothing_else(text):
    for url in (text, f"https://{text}", f"https://a.test/{text}"):
        try:
            place = read(url)
        except MediaError as error:
            assert error.kind in ("source", "blocked")  # noqa: PT017  # both ways are right
        else:
            assert read(place.url) == place


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://user:secret@a.test/b?key=secret#secret", "'https://a.test/b'"),
        ("https://secret@secret@a.test/b@c", "'https://a.test/b@c'"),
        ("x" * 200, repr("x" * 120)),
        (None, "'None'"),
    ],
)
def test_an_error_shows_neither_passwords_nor_queries(url, told):
    assert shown(url) == told
