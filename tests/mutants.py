"""Recorded answers, damaged: fields dropped, of another type, null or unknown; events doubled, swapped or lost; bytes gone.

What comes out of `mutants` is framed as the recording was (JSON, server-sent events, JSON lines, AWS event streams), so that it
reaches the decoders and not only their framing.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from random import Random
from typing import Any

from attrs import evolve, frozen

from aiclient.wire.eventstream import EventStreamDecoder, encode_message

JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 10**12, "", "x", "\ud800", [], {}, [None], [1], ["x"], [{}], [[]]),
    *({"x": {}}, {"type": "nope"}, {"type": 5}, {"text": 5}, {"index": "0"}),
)
"""What a field may hold in the end."""


@frozen
class Piece:
    """A piece of a body: the bytes before and after a JSON value; or bytes alone, where `value` is nothing.

    The headers are those of a message of an AWS event stream.
    """

    before: bytes
    value: Any = None
    after: bytes = b""
    is_json: bool = True
    headers: dict[str, Any] | None = None

    def __bytes__(self) -> bytes:
        if not self.is_json:
            return self.before
        text = json.dumps(self.value).encode()
        return encode_message(self.headers, text) if self.headers is not None else self.before + text + self.after


def pieces(body: bytes, *, binary: bool) -> list[Piece]:
    """Take a body apart."""
    if binary:
        return [Piece(b"", _read(message.payload), headers=dict(message.headers)) for message in _messages(body)]
    try:
        return [Piece(b"", json.loads(body))]
    except ValueError:
        return [_line(line) for line in body.splitlines(keepends=True)]


def _messages(body: bytes) -> list[Any]:
    return list(EventStreamDecoder().feed(body))


def _read(text: bytes) -> Any:
    return json.loads(text) if text else {}


def _line(line: bytes) -> Piece:
    """Take one line: the data of an event, or an object of its own."""
    mark = b"data:" if line.startswith(b"data:") else b""
    try:
        return Piece(mark, json.loads(line[len(mark) :]), b"\n")
    except ValueError:
        return Piece(line, is_json=False)


def mutant(body: bytes, rng: Random, *, binary: bool = False) -> bytes:
    """Return the body with one to five things wrong."""
    parts = pieces(body, binary=binary)
    for _ in range(rng.choice((1, 1, 2, 3, 5))):
        places = [number for number, part in enumerate(parts) if part.is_json]
        if len(places) > 1 and rng.random() < 0.2:
            _disorder(parts, places, rng)
        elif places:
            place = rng.choice(places)
            parts[place] = evolve(parts[place], value=_damaged(parts[place].value, rng))
    found = b"".join(map(bytes, parts))
    if rng.random() < 0.1 and found:  # some of the bytes did not come
        start = rng.randrange(len(found))
        found = found[:start] + found[start + rng.choice((1, 7, 100, len(found))) :]
    return found


def _disorder(parts: list[Piece], places: list[int], rng: Random) -> None:
    one, other = rng.sample(places, 2)
    what = rng.random()
    if what < 0.4:
        parts[one], parts[other] = parts[other], parts[one]
    elif what < 0.7:
        parts.insert(one, parts[other])
    else:
        del parts[one]


def _damaged(value: Any, rng: Random) -> Any:
    """Return a JSON value with one thing wrong anywhere in it."""
    value = copy.deepcopy(value)
    path = rng.choice(list(_paths(value)))
    if not path:
        return rng.choice(JUNK)
    *way, last = path
    holder = value
    for step in way:
        holder = holder[step]
    what = rng.random()
    if what < 0.2:
        del holder[last]
    elif what < 0.9:
        holder[last] = rng.choice(JUNK)
    elif isinstance(holder[last], list):
        holder[last] = [*holder[last], *holder[last], None]
    elif isinstance(holder[last], dict):
        holder[last]["not_in_any_schema"] = {"a": [1]}
    else:
        holder[last] = [holder[last]]
    return value


def _paths(value: Any, so_far: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value; of long lists only to the first ones."""
    yield so_far
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*so_far, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value[:6]):
            yield from _paths(inner, (*so_far, number))
