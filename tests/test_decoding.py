"""Content encodings are undone whole, whatever the cuts, and never in large pieces."""

import gzip
import itertools
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.decoding import PIECE, inflation
from aiclient.errors import ProtocolError

TEXT = b"The quick brown fox jumps over the lazy dog. " * 50


def raw_deflate(data):
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush()


ENCODERS = {"gzip": gzip.compress, "zlib": zlib.compress, "raw": raw_deflate}
NAMES = {"gzip": "gzip", "zlib": "deflate", "raw": "deflate"}


def decoded(name, parts):
    decoder = inflation(name)
    pieces = [piece for part in parts for piece in decoder.feed(part)]
    decoder.finish()
    return b"".join(pieces)


@pytest.mark.parametrize("kind", ENCODERS)
@given(data=st.binary(max_size=2000), cuts=st.lists(st.integers(0, 2100), max_size=6))
def test_what_was_encoded_comes_back_whatever_the_cuts(kind, data, cuts):
    encoded = ENCODERS[kind](data)
    edges = sorted({0, len(encoded), *(cut for cut in cuts if cut < len(encoded))})
    parts = [encoded[low:high] for low, high in itertools.pairwise(edges)]
    assert decoded(NAMES[kind], parts) == data


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_body_cut_off_anywhere_is_an_error(kind):
    encoded = ENCODERS[kind](TEXT)
    for length in range(1, len(encoded)):
        with pytest.raises(ProtocolError) as caught:
            decoded(NAMES[kind], [encoded[:length]])
        assert caught.value.kind == "decode"


def test_a_body_without_a_byte_is_empty_in_every_encoding():
    assert decoded("gzip", []) == decoded("deflate", []) == b""


@pytest.mark.parametrize("header", [None, "", "identity", " Identity "])
def test_nothing_is_undone_without_an_encoding(header):
    assert inflation(header) is None


@pytest.mark.parametrize("header", ["gzip", "GZIP", "x-gzip", " gzip "])
def test_gzip_is_known_by_all_its_spellings(header):
    assert decoded(header, [gzip.compress(TEXT)]) == TEXT


@pytest.mark.parametrize("header", ["br", "zstd", "gzip, gzip", "gzip,deflate", "compress", "a\r\nb" * 50])
def test_any_other_encoding_and_more_than_one_are_refused(header):
    with pytest.raises(ProtocolError) as caught:
        inflation(header)
    assert caught.value.kind == "decode"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_bytes_that_do_not_decompress_are_an_error(encoding):
    with pytest.raises(ProtocolError) as caught:
        decoded(encoding, [b"{this is plain JSON, sent under a false name}"])
    assert caught.value.kind == "decode"
    assert caught.value.__context__ is None


def test_a_corrupt_checksum_is_an_error():
    encoded = bytearray(gzip.compress(TEXT))
    encoded[-6] ^= 1
    with pytest.raises(ProtocolError):
        decoded("gzip", [bytes(encoded)])


def test_several_gzip_members_are_one_body():
    assert (
        decoded("gzip", [gzip.compress(b"one ") + gzip.compress(b"two "), gzip.compress(b"three")]) == b"one two three"
    )


def test_zeros_after_the_last_member_are_padding():
    assert decoded("gzip", [gzip.compress(TEXT) + b"\0" * 10, b"\0" * 3]) == TEXT


def test_anything_else_after_the_last_member_is_an_error():
    with pytest.raises(ProtocolError):
        decoded("gzip", [gzip.compress(TEXT) + b"trailing"])


@pytest.mark.parametrize("kind", ENCODERS)
def test_pieces_are_bounded_and_nothing_is_held_back(kind):
    data = bytes(3 * PIECE + 1)
    decoder = inflation(NAMES[kind])
    encoded = ENCODERS[kind](data)
    pieces = list(decoder.feed(encoded))
    decoder.finish()
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= PIECE


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("size", [PIECE - 1, PIECE, PIECE + 1, PIECE + 5, 2 * PIECE])
def test_a_body_around_the_size_of_a_piece_is_whole_at_its_last_byte(kind, size):
    text = (b"abcdefg" * size)[:size]  # zlib takes the last byte before it has given all that this stands for
    encoded = ENCODERS[kind](text)
    assert decoded(NAMES[kind], [encoded]) == text
    assert decoded(NAMES[kind], [encoded[:-1], encoded[-1:]]) == text


def test_text_arrives_as_soon_as_its_bytes_do():
    deflate = zlib.compressobj(wbits=31)
    first = deflate.compress(b"data: one\n\n") + deflate.flush(zlib.Z_SYNC_FLUSH)
    assert b"".join(inflation("gzip").feed(first)) == b"data: one\n\n"


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_bomb_costs_one_piece_of_memory(kind):
    bomb = ENCODERS[kind](bytes(64 * 1024 * 1024))
    tracemalloc.start()
    total = sum(len(piece) for piece in inflation(NAMES[kind]).feed(bomb))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 64 * 1024 * 1024
    assert peak < 4 * PIECE
