import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiclient.errors import ProtocolError
from aiclient.wire.sse import MAX_EVENT_BYTES, Event, SSEDecoder


def decoded(*reads, limit=MAX_EVENT_BYTES):
    decoder = SSEDecoder(limit=limit)
    return [event for read in reads for event in decoder.feed(read)]


def pieces(data, size):
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\n", [Event(b"a")]),
        (b"data:a\n\n", [Event(b"a")]),
        (b"data:  a\n\n", [Event(b" a")]),
        (b"data\n\n", [Event(b"")]),
        (b"data:\n\n", [Event(b"")]),
        (b"data\ndata\n\n", [Event(b"\n")]),
        (b"data: a\ndata: b\n\n", [Event(b"a\nb")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [Event(b"a"), Event(b"b")]),
        (b"data: a\r\rdata: b\r\r", [Event(b"a"), Event(b"b")]),
        (b"data: a\n\r\ndata: b\r\n\n", [Event(b"a"), Event(b"b")]),
        (b"\xef\xbb\xbfdata: a\n\n", [Event(b"a")]),
        (b"data: \xef\xbb\xbf\n\n", [Event(b"\xef\xbb\xbf")]),
        (b": comment\n\ndata: a\n\n:\n\n", [Event(b"a")]),
        (b": comment\ndata: a\n\n", [Event(b"a")]),
        (b"event: error\ndata: a\n\ndata: b\n\n", [Event(b"a", "error"), Event(b"b")]),
        (b"event: x\n\ndata: b\n\n", [Event(b"b")]),
        (b"id: 7\ndata: a\n\ndata: b\n\n", [Event(b"a", id="7"), Event(b"b", id="7")]),
        (b"id: 7\n\nid\ndata: b\n\n", [Event(b"b", id="")]),
        (b"id: a\0b\ndata: a\n\n", [Event(b"a")]),
        (b"retry: 300\ndata: a\n\n", [Event(b"a", retry=300)]),
        (b"retry: 3e2\ndata: a\n\n", [Event(b"a")]),
        (b"unknown: x\ndata: a\n\n", [Event(b"a")]),
        (b" data: a\n\n", []),
        (b"data: a\n\n\n\n\ndata: b\n\n", [Event(b"a"), Event(b"b")]),
        ("data: \u2028\x85\n\n".encode(), [Event("\u2028\x85".encode())]),
        (b"data: a", []),
        (b"", []),
    ],
)
def test_decodes_what_the_standard_says(stream, expected):
    assert decoded(stream) == expected


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_end_gives_the_event_without_its_blank_line(ending):
    decoder = SSEDecoder()
    assert decoder.feed(b"data: a\n\ndata: b" + ending) == [Event(b"a")]
    assert decoder.end() == Event(b"b")
    assert SSEDecoder().end() is None


stream_texts = st.lists(
    st.sampled_from(
        [
            b"data: x",
            b"data:x",
            b"data",
            b": c",
            b"id: 1",
            b"id: \x00",
            b"event: e",
            b"retry: 5",
            b"\n",
            b"\r",
            b"\r\n",
            b"\n\n",
            b"\xef\xbb\xbf",
            b"data: {}\n\n",
            b" ",
            b":",
            b"\xc3\xa9",
        ]
    ),
    max_size=30,
).map(b"".join)


@settings(max_examples=400)
@given(stream_texts, st.data())
def test_any_cutting_into_reads_gives_the_same_events(stream, data):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=12)))
    reads = [stream[start:end] for start, end in itertools.pairwise([0, *cuts, len(stream)])]
    whole, cut = SSEDecoder(), SSEDecoder()
    assert whole.feed(stream) == [event for read in reads for event in cut.feed(read)]
    assert whole.end() == cut.end()


@given(stream_texts, st.integers(1, 40), st.integers(1, 5))
def test_the_limit_holds_the_same_whatever_the_reads(stream, limit, size):
    def outcome(reads):
        decoder, events = SSEDecoder(limit=limit), []
        try:
            for read in [*reads, b""]:
                events += decoder.feed(read)
        except ProtocolError as error:
            return events, error.kind
        return events, None

    assert outcome([stream]) == outcome(pieces(stream, size))


def oracle(stream):
    """The WHATWG algorithm, word by word, over the whole stream."""
    text = stream.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]
    events, data, name, last, retry = [], None, "", "", None
    for line in lines:
        if line == "":
            if data is not None:
                events.append(Event(data.removesuffix("\n").encode("utf-8", "surrogateescape"), name, last, retry))
            data, name, retry = None, "", None
        elif not line.startswith(":"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "data":
                data = (data or "") + value + "\n"
            elif field == "event":
                name = value
            elif field == "id" and "\0" not in value:
                last = value
            elif field == "retry" and value.isdigit():
                retry = int(value)
    return events


@settings(max_examples=400)
@given(stream_texts)
def test_agrees_with_the_standards_own_words(stream):
    assert decoded(stream) == oracle(stream)


@pytest.mark.parametrize(
    "flood",
    [b"data: " + b"x" * 200, b"data:\n" * 40, b": c\n" * 60, b"data: x\r\n" * 30, b"event: e\n" * 30],
    ids=["long-line", "empty-data", "comments", "crlf", "names"],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_endless_event_is_refused(flood, size):
    decoder = SSEDecoder(limit=100)
    with pytest.raises(ProtocolError) as caught:
        for read in pieces(flood, size):
            decoder.feed(read)
    assert caught.value.kind == "too_large"
    with pytest.raises(ProtocolError):
        decoder.feed(b"data: a\n\n")


def test_the_limit_is_exact_on_both_paths():
    fits = b"data: " + b"x" * 93 + b"\n\n"  # 99 bytes and the line's end
    assert len(decoded(fits, limit=100)) == 1
    assert len(decoded(*pieces(fits, 1), limit=100)) == 1
    with pytest.raises(ProtocolError):
        decoded(b"data: " + b"x" * 94 + b"\n\n", limit=100)


def test_a_failure_does_not_hide_the_events_before_it():
    decoder = SSEDecoder(limit=20)
    assert decoder.feed(b"data: a\n\ndata: " + b"x" * 30) == [Event(b"a")]
    assert decoder.failure is not None
    with pytest.raises(ProtocolError):
        decoder.feed(b"")


def _cpu(count, size):
    """Return the least CPU seconds of three runs over one event of `count` bytes."""
    reads = pieces(b"data: " + b"x" * count + b"\n\n", size)

    def run():
        decoder = SSEDecoder(limit=1 << 30)
        began = time.process_time()
        for read in reads:
            decoder.feed(read)
        return time.process_time() - began

    return min(run() for _ in range(3))


@pytest.mark.parametrize("size", [1, 100], ids=["bytes", "hundreds"])
def test_work_grows_in_step_with_the_bytes(size):
    count = 30_000 * size
    for _ in range(5):  # other processes may disturb a single measurement
        ratio = _cpu(2 * count, size) / _cpu(count, size)
        if ratio <= 2.6:
            return
    pytest.fail(f"twice the bytes took {ratio:.1f} times the work")
