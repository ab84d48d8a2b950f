"""A chat service that costs its clients nothing but their own work: loopback, keep-alive HTTP/1.1, pre-rendered bytes.

    python stub.py        prints the port it listens on

The model asked for chooses the stream: `stub-2048` gives 2,048 pieces of text, 16 events to a write, each event an HTTP chunk
of its own; `stub-32-hold` stops after the first 4 events until GET /release.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import re
import struct
from typing import Any

EVENTS_PER_WRITE = 16
EVENTS_BEFORE_HOLD = 4
DIMENSIONS = 1536
WORDS = (" the", " answer", " is", " forty", "-two", ",", " because", " it", " was", " computed", " so", ".")
TEXT = "".join(WORDS) * 6
MODEL = re.compile(rb'"model": ?"stub-(\d+)(-hold)?"')
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
STREAMED = re.compile(rb'"stream": ?true')
ANSWER = {
    "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
    "created": 1741569952,
    "model": "gpt-4o-2024-08-06",
    "service_tier": "default",
    "system_fingerprint": "fp_44709d6fcb",
}
USAGE = {
    "prompt_tokens": 19,
    "completion_tokens": 72,
    "total_tokens": 91,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}


def dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def whole(value: object) -> bytes:
    body = dump(value)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_0123456789abcdef\r\n"
    return b"%scontent-length: %d\r\n\r\n%s" % (head, len(body), body)


@functools.cache
def answer() -> bytes:
    message = {"role": "assistant", "content": TEXT, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return whole({**ANSWER, "object": "chat.completion", "choices": [choice], "usage": USAGE})


@functools.cache
def vectors(count: int, *, packed: bool) -> bytes:
    numbers = [round(((index * 7919) % 20011 - 10005) / 137931, 9) for index in range(DIMENSIONS)]
    vector = base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *numbers)).decode() if packed else numbers
    rows = [{"object": "embedding", "index": index, "embedding": vector} for index in range(count)]
    usage = {"prompt_tokens": 8 * count, "total_tokens": 8 * count}
    return whole({"object": "list", "model": "text-embedding-3-small", "data": rows, "usage": usage})


def event(choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
    return b"data: %s\n\n" % dump({**ANSWER, "object": "chat.completion.chunk", "choices": choices, "usage": usage})


def step(delta: dict[str, Any], finish: str | None = None) -> bytes:
    return event([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}])


@functools.cache
def stream(count: int, together: int = EVENTS_PER_WRITE) -> tuple[bytes, ...]:
    """Return the writes of a whole streamed answer."""
    events = [step({"role": "assistant", "content": "", "refusal": None})]
    events += [step({"content": WORDS[index % len(WORDS)]}) for index in range(count)]
    events += [step({}, "stop"), event([], USAGE), b"data: [DONE]\n\n"]
    chunks = [b"%x\r\n%s\r\n" % (len(item), item) for item in events] + [b"0\r\n\r\n"]
    writes = [b"".join(chunks[at : at + together]) for at in range(0, len(chunks), together)]
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: req_0123456789abcdef\r\n"
    )
    return (head + b"transfer-encoding: chunked\r\n\r\n" + writes[0], *writes[1:])


held: list[tuple[asyncio.Transport, tuple[bytes, ...]]] = []


class Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.out: asyncio.Transport = transport  # type: ignore[assignment]  # a loop gives a server nothing else
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            found = LENGTH.search(self.buffer, 0, end)
            stop = end + 4 + (int(found[1]) if found else 0)
            if len(self.buffer) < stop:
                return
            request, self.buffer = self.buffer[:stop], self.buffer[stop:]
            self.answer(request[: request.index(b"\r\n")], request[end + 4 :])

    def answer(self, line: bytes, body: bytes) -> None:
        if b"/embeddings" in line:
            self.out.write(vectors(len(json.loads(body)["input"]), packed=b'"base64"' in body))
        elif b"/release" in line:
            while held:
                other, rest = held.pop()
                other.writelines(rest)
            self.out.write(whole({}))
        elif not STREAMED.search(body):
            self.out.write(answer())
        else:
            found = MODEL.search(body)
            assert found is not None, body
            writes = stream(int(found[1]), EVENTS_BEFORE_HOLD if found[2] else EVENTS_PER_WRITE)
            if found[2]:
                held.append((self.out, writes[1:]))
                writes = writes[:1]
            for write in writes:
                self.out.write(write)

    def connection_lost(self, error: Exception | None) -> None:
        held[:] = [(out, rest) for out, rest in held if out is not self.out]


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
