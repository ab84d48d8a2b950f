"""Server-sent events: bytes in, events out.

Follows the WHATWG HTML standard, section 9.2.6 "Interpreting an event stream" (html.spec.whatwg.org, read 2025-06). Works on
bytes, because splitting decoded text tears JSON apart at U+2028.
"""

from __future__ import annotations

from typing import Final

from attrs import define

from ..errors import ProtocolError

__all__ = ["MAX_EVENT_BYTES", "Event", "SSEDecoder"]

MAX_EVENT_BYTES: Final = 1 << 20
"""Longest event, its line ends, comments and empty lines included: a peer that never ends one must not fill the memory."""

_BOM: Final = b"\xef\xbb\xbf"


@define
class Event:
    """One event: its data, its name (empty: the default, `message`), the last id seen, and a new reconnection time in ms."""

    data: bytes
    name: str = ""
    id: str = ""
    retry: int | None = None


class SSEDecoder:
    """Splits a stream of bytes, however it is cut into reads, into events.

    Every byte is looked at once: the work is linear in the bytes and in the reads. A failure never hides the events before
    it: `feed` returns those, and the next call raises.
    """

    __slots__ = ("_after_cr", "_data", "_head", "_id", "_limit", "_line", "_name", "_retry", "_size", "failure")

    def __init__(self, *, limit: int = MAX_EVENT_BYTES) -> None:
        self._limit = limit
        self._head: bytes | None = b""  # what may still become a byte order mark
        self._line: list[bytes] = []  # pieces of a line without its end
        self._data: list[bytes] = []
        self._name = ""
        self._id = ""
        self._retry: int | None = None
        self._size = 0  # of the event so far
        self._after_cr = False  # a LF that comes now belongs to the CR before it
        self.failure: ProtocolError | None = None

    def feed(self, data: bytes) -> list[Event]:
        """Take the bytes of one read, return the events they complete.

        Raises:
            ProtocolError: An event is over the limit (`kind="too_large"`); every later call raises it too.
        """
        if self.failure is not None:
            raise self.failure
        if self._head is not None:
            data = self._without_bom(data)
        if self._is_one_event(data):
            return [Event(data[6:-2], "", self._id)]
        events: list[Event] = []
        if not data:
            return events
        try:
            if b"\r" in data:
                self._read_lines(data, events)
            else:
                self._read_blocks(data, events)
        except ProtocolError as error:
            self.failure = error
            if not events:
                raise
        return events

    def end(self) -> Event | None:
        """Return the event that the end of the stream left without its blank line, if any.

        The standard discards it; some services end their streams like this, so the caller decides.
        """
        if self.failure is not None:
            raise self.failure
        events: list[Event] = []
        if self._line:
            self._end_line(b"", events)
        self._dispatch(events)
        return events[0] if events else None

    def _without_bom(self, data: bytes) -> bytes:
        head = (self._head or b"") + data
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._head = head
            return b""
        self._head = None
        return head.removeprefix(_BOM)

    def _is_one_event(self, data: bytes) -> bool:
        """Whether a read is what nearly all are: one event with one line, whole, and none under way."""
        end = len(data) - 2
        return (
            data.find(b"\n") == end
            and data[end + 1 :] == b"\n"
            and data.startswith(b"data: ")
            and b"\r" not in data
            and end < self._limit
            and not (self._size or self._line or self._after_cr)
        )

    def _is_named(self, block: bytes) -> bool:
        """Whether an event is a name and one line of data, as all of Anthropic's are and most of OpenAI's responses."""
        return (
            block.startswith(b"event: ")
            and block.count(b"\n") == 1
            and b"\ndata: " in block
            and len(block) < self._limit
        )

    def _read_blocks(self, data: bytes, events: list[Event]) -> None:
        """Read bytes without CR: nearly always whole events of one data line, which need no look at their lines."""
        while data and (self._size or self._line or self._after_cr):  # at most twice: a LF, then the rest of the event
            end = self._end_of_event(data)
            self._read_lines(data[:end], events)
            data = data[end:]
        blocks = data.split(b"\n\n")
        rest = blocks.pop()
        for block in blocks:
            if block[:6] == b"data: " and b"\n" not in block and len(block) < self._limit:
                events.append(Event(block[6:], "", self._id))
            elif self._is_named(block):
                name, _, value = block.partition(b"\ndata: ")
                events.append(Event(value, name[7:].decode("utf-8", "replace"), self._id))
            else:
                self._read_lines(block, events)
                self._end_line(b"", events)
                self._end_line(b"", events)
        if rest:
            self._read_lines(rest, events)

    def _end_of_event(self, data: bytes) -> int:
        """Return where the event under way ends in `data`: after its blank line, or at the end."""
        if data[0] == 10 and not self._line:  # the LF of a CR LF, or the second half of a blank line
            return 1
        found = data.find(b"\n\n")
        return len(data) if found < 0 else found + 2

    def _read_lines(self, data: bytes, events: list[Event]) -> None:
        """Read bytes line by line, with any of the three line ends."""
        if self._after_cr and data:
            self._after_cr = False
            if data[0] == 10:
                data = data[1:]
        if not data:
            return
        lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        rest = lines.pop()
        for line in lines:
            self._end_line(line, events)
        if rest:
            self._line.append(rest)
            self._grow(len(rest))
        self._after_cr = data[-1] == 13

    def _grow(self, count: int) -> None:
        self._size += count
        if self._size > self._limit:
            raise ProtocolError(f"an event of the stream is over {self._limit} bytes", kind="too_large")

    def _end_line(self, line: bytes, events: list[Event]) -> None:
        """Take the end of a line: `line` is what was read of it after the pieces kept before."""
        count = len(line) + 1
        if self._line:
            self._line.append(line)
            line = b"".join(self._line)
            self._line.clear()
        if not line:
            self._dispatch(events)
            return
        self._grow(count)
        field, colon, value = line.partition(b":")
        if colon and value[:1] == b" ":
            value = value[1:]
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif field == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
        elif field == b"retry" and value.isdigit() and len(value) < 16:
            self._retry = int(value)

    def _dispatch(self, events: list[Event]) -> None:
        """End the event; without a data line there is none to tell."""
        if self._data:
            events.append(Event(b"\n".join(self._data), self._name, self._id, self._retry))
            self._data = []
        self._name = ""
        self._retry = None
        self._size = 0
