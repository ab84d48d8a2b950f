"""Feed one recorded stream in many ways: split into reads of several sizes, and cut off at every event."""

from aiclient.errors import AIClientError, ProtocolError, StreamInterruptedError
from aiclient.providers._source import ChunkSource
from aiclient.stream import ChatStream

SIZES = (1, 7, 64)


class Pieces:
    """An exchange that gives the body in pieces."""

    def __init__(self, pieces):
        self._pieces = iter(pieces)
        self.done = self.closed = False

    async def __anext__(self):
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration

    async def aclose(self):
        self.closed = True

    def abort(self):
        self.closed = True


async def read(pieces, request, service):
    """Return what reading the pieces comes to: the answer or None, the error or None, and the answer so far."""
    body = Pieces(pieces)
    stream = ChatStream(ChunkSource(body, service._wire_for(request.model).decoder(request), lambda error: error))
    try:
        async with stream:
            async for _ in stream:
                pass
            return stream.response, None, stream.partial
    except AIClientError as error:
        return None, error, error.partial


def splits(body, request, service, *, events, sizes=SIZES, cut=True):
    """Return what differs from the whole, as (what, expected, got)."""
    whole, error, partial = _run(body and [body], request, service)
    found = []
    for size in sizes:
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        again = _run(pieces, request, service)
        if (again[0], type(again[1]), again[2]) != (whole, type(error), partial):
            found.append((f"reads of {size}", whole or error, again[0] or again[1]))
    if cut and whole is not None:
        for end in events(body):
            found += _cut(body[:end], whole, request, service, end)
    return found


def _cut(body, whole, request, service, end):
    """A stream that is cut off gives the whole answer, perhaps without its usage, or an error with the right beginning."""
    answer, error, partial = _run([body], request, service)
    if answer is not None:
        if (answer.message.content, answer.message.tool_calls, answer.finish_reason) != (
            whole.message.content,
            whole.message.tool_calls,
            whole.finish_reason,
        ):
            yield f"cut at {end}", whole, answer
    elif not isinstance(error, (StreamInterruptedError, ProtocolError)):
        yield f"cut at {end}", "an interrupted stream", error
    elif not whole.message.content.startswith(partial.message.content):
        yield f"partial at {end}", whole.message.content, partial.message.content


def _run(pieces, request, service):
    """Run `read`, which never waits, inside the event loop that is running."""
    reading = read(pieces, request, service)
    try:
        reading.send(None)
    except StopIteration as result:
        return result.value
    raise AssertionError("reading pieces from memory waited")
