"""Streamed answers of Bedrock's Converse, decoded.

"ConverseStream", Amazon Bedrock Runtime API reference, 2023-09-30, as in the service model of botocore 1.44.5 (2026-11):
`messageStart`; for each content block deltas and `contentBlockStop`, with a `contentBlockStart` before them for tools and
images only; `messageStop`; `metadata` with the usage. Every event is padded (`p`). An exception may come instead of any of
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..chunks import ChatStreamChunk
from ..errors import AIClientError, ProtocolError
from .converse_parts import PartsDecoder
from .converse_usage import finish_reason, said_besides, usage
from .eventstream import EventStreamDecoder, Message
from .failures import told_failure
from .jsons import loads
from .openai_answer import json_object

__all__ = ["ConverseDecoder"]

MAX_WHOLE_BYTES: Final = 1 << 20
"""Longest body that is no event stream: it can only tell of a failure."""


class ConverseDecoder:
    """Turns the bytes of one streamed answer into chunks; see `StreamDecoder` for what a failure does.

    Complete at `metadata`, which follows `messageStop`; a body that ends between the two has lost nothing but the usage.
    """

    __slots__ = ("_frames", "_metered", "_parts", "_sniffed", "_stopped", "_whole", "done", "failure", "ignored")

    def __init__(self, origin: str) -> None:
        self.failure: AIClientError | None = None
        self.done = False
        self.ignored = 0
        """Events of kinds that this decoder does not know."""
        self._frames = EventStreamDecoder()
        self._parts = PartsDecoder(origin)
        self._stopped = self._metered = self._sniffed = False
        self._whole: bytearray | None = None

    def feed(self, data: bytes) -> Sequence[ChatStreamChunk]:
        """Take the bytes of one read and return the chunks they complete."""
        chunks: list[ChatStreamChunk] = []
        if self.done or self.failure is not None or not data:
            return chunks
        try:
            if not self._sniffed:  # the length of a message never begins with a brace: that would be 2 GiB
                self._sniffed = True
                self._whole = bytearray() if data[:1] in (b"{", b"<") else None
            if self._whole is not None:
                self._whole += data[:MAX_WHOLE_BYTES]
                return chunks
            for message in self._frames.feed(data):
                self._take(message, chunks)
                if self.done:
                    break
        except AIClientError as error:
            self.failure = error
        return chunks

    def end(self) -> Sequence[ChatStreamChunk]:
        """Take the end of the body; the last chunk is returned here if only the usage is missing."""
        chunks: list[ChatStreamChunk] = []
        if self.done or self.failure is not None:
            return chunks
        if self._whole is not None:
            self.failure = _told(bytes(self._whole))
        elif self._stopped:
            self._finish(chunks)
        return chunks

    def _take(self, message: Message, chunks: list[ChatStreamChunk]) -> None:
        if message.failed:
            raise _failure(message)
        event = loads(message.payload)
        if type(event) is not dict:
            raise ProtocolError("an event of the stream is not a JSON object", kind="schema")
        match message.kind:
            case "contentBlockDelta":
                self._parts.delta(event, chunks)
            case "contentBlockStart":
                self._parts.start(event, chunks)
            case "contentBlockStop":
                self._parts.stop(event, chunks)
            case "messageStop":
                self._stop(event, chunks)
            case "metadata":
                self._meter(event, chunks)
            case "messageStart":
                pass
            case _:
                self.ignored += 1

    def _stop(self, event: Mapping[str, Any], chunks: list[ChatStreamChunk]) -> None:
        self._parts.close(chunks)
        word = event.get("stopReason")
        chunk = ChatStreamChunk(metadata=said_besides(event) or None)
        chunk.finish_reason = finish_reason(word, calls=self._parts.calls > 0) or "other"
        chunk.raw_finish_reason = None if word is None else str(word)
        chunks.append(chunk)
        self._stopped = True
        if self._metered:
            self._finish(chunks)

    def _meter(self, event: Mapping[str, Any], chunks: list[ChatStreamChunk]) -> None:
        counted = usage(event.get("usage"), event.get("serviceTier"))
        chunks.append(
            ChatStreamChunk(
                usage=counted if counted.raw_usage is not None else None, metadata=said_besides(event) or None
            )
        )
        self._metered = True
        if self._stopped:
            self._finish(chunks)

    def _finish(self, chunks: list[ChatStreamChunk]) -> None:
        chunks.append(ChatStreamChunk(last=True))
        self.done = True


def _failure(message: Message) -> AIClientError:
    """Return the error that an exception in the stream stands for; its name is a header, its words are the payload."""
    try:
        told = loads(message.payload) if message.payload else None
    except ProtocolError:
        told = None
    value = dict(told) if isinstance(told, Mapping) else {}
    value.setdefault("message", value.get("Message") or message.headers.get(":error-message") or "")
    value["type"] = message.kind or str(message.headers.get(":error-code") or "") or None
    return told_failure(value)


def _told(body: bytes) -> AIClientError:
    """Return what a body that is no event stream has to say, most often between the service and us."""
    try:
        value = json_object(body)
    except AIClientError as error:
        return error
    if value.get("message") or value.get("Message"):
        return told_failure(value)
    return ProtocolError("the service answered with JSON instead of an event stream", kind="content_type")
