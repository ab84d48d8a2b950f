"""A streamed answer of OpenAI's Responses protocol, decoded event by event.

"Streaming events", OpenAI API reference (platform.openai.com/docs/api-reference/responses-streaming), checked against the
published schema (github openai/openai-openapi, f85dbe223d40, 2026-08-21) and 33 recorded kinds of event. The end is
`response.completed`, `response.incomplete`, `response.failed` or `response.cancelled`; `[DONE]` may follow (203624510209).

The type is taken from the JSON: bedrock-mantle sends no `event:` lines (4ab4f6f42df5). llama.cpp sends neither
`output_index` nor `content_index`, and ends items after the next ones have begun. What no delta carried (items that only the
final response holds, 38632c3d0d30) is made up for when the item is done, and at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from ..chunks import ChatStreamChunk
from ..errors import AIClientError, ProtocolError
from .failures import told_failure
from .jsons import loads, named
from .openai_answer import is_error, json_object
from .openai_usage import moment
from .responses_assembly import Assembly
from .responses_decode import finish_reason, logprob_entries, output_of, usage
from .sse import Event, SSEDecoder

__all__ = ["ResponsesDecoder"]

MAX_BODY_BYTES: Final = 64 << 20
"""Longest event, and longest whole answer to a request that asked for a stream: both may hold a picture."""

_TERMINAL: Final = {f"response.{status}": status for status in ("completed", "incomplete", "failed", "cancelled")}

_SILENT: Final = (
    # Families of events that tell of progress, or repeat what deltas and items say. Previews of pictures are among them: a
    # preview is no part of the answer.
    "response.audio.",
    "response.code_interpreter_call",
    "response.content_part.",
    "response.custom_tool_call_input.done",
    "response.file_search_call.",
    "response.function_call_arguments.done",
    "response.image_generation_call.",
    "response.in_progress",
    "response.mcp_",
    "response.output_text.done",
    "response.queued",
    "response.reasoning_part.",
    "response.reasoning_summary_part.",
    "response.reasoning_summary_text.done",
    "response.reasoning_text.done",
    "response.refusal.done",
    "response.shell_call",
    "response.web_search_call.",
    "keepalive",
)


class ResponsesDecoder:
    """Turns the bytes of one streamed answer into chunks; see `StreamDecoder` for what a failure does.

    Args:
        origin: The vendor, for its own data.
    """

    __slots__ = (
        "_assembly",
        "_identified",
        "_origin",
        "_sniffed",
        "_sse",
        "_whole",
        "_whole_size",
        "done",
        "failure",
        "ignored",
    )

    def __init__(self, origin: str) -> None:
        self.failure: AIClientError | None = None
        self.done = False
        self.ignored = 0
        """Events of kinds that this decoder does not know."""
        self._origin = origin
        self._assembly = Assembly(origin)
        self._sse = SSEDecoder(limit=MAX_BODY_BYTES)
        self._identified = False
        self._sniffed = False
        self._whole: list[bytes] | None = None
        self._whole_size = 0

    def feed(self, data: bytes) -> Sequence[ChatStreamChunk]:
        """Take the bytes of one read and return the chunks they complete."""
        chunks: list[ChatStreamChunk] = []
        if self.done or self.failure is not None:
            return chunks
        try:
            if not self._sniffed:
                self._sniff(data)
            if self._whole is not None:
                self._keep(data)
                return chunks
            for event in self._sse.feed(data):
                self._take(event, chunks)
                if self.done:
                    break
            else:
                self.failure = self._sse.failure
        except AIClientError as error:
            self.failure = error
        return chunks

    def end(self) -> Sequence[ChatStreamChunk]:
        """Take the end of the body; without one of the closing events by now the answer is cut off."""
        chunks: list[ChatStreamChunk] = []
        if self.done or self.failure is not None:
            return chunks
        try:
            if self._whole is not None:
                self._finish(json_object(b"".join(self._whole)), None, chunks)
            elif (event := self._sse.end()) is not None:
                self._take(event, chunks)
        except AIClientError as error:
            # Half of a last event, without its blank line, is not JSON: a cut, not nonsense.
            if self._whole is not None or not isinstance(error, ProtocolError) or error.kind != "decode":
                self.failure = error
        return chunks

    # --- an answer that is no stream ---

    def _sniff(self, data: bytes) -> None:
        """Look at the first byte: content types lie in both directions, an event stream never begins with a brace."""
        start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        self._sniffed = bool(start)
        if start in (b"{", b"<", b"["):
            self._whole = []

    def _keep(self, data: bytes) -> None:
        assert self._whole is not None
        self._whole.append(data)
        self._whole_size += len(data)
        if self._whole_size > MAX_BODY_BYTES:
            raise ProtocolError(f"the answer is over {MAX_BODY_BYTES} bytes", kind="too_large")

    # --- events ---

    def _take(self, event: Event, chunks: list[ChatStreamChunk]) -> None:
        data = event.data
        if data[:1] != b"{" and data.strip() in (b"", b"[DONE]"):
            return
        value = loads(data)
        if type(value) is not dict:
            raise ProtocolError("an event of the stream is not a JSON object", kind="schema")
        kind = value.get("type")
        if type(kind) is not str:
            kind = event.name
        take = self._TAKE.get(kind)
        if take is not None:
            take(self, value, chunks)
        elif kind in _TERMINAL:
            response = value.get("response")
            if not isinstance(response, Mapping):
                raise ProtocolError("the closing event of the stream holds no response", kind="schema")
            self._finish(response, _TERMINAL[kind], chunks)
        elif kind == "error" or event.name == "error" or is_error(value):
            raise told_failure(value if value.get("error") else {key: value[key] for key in value if key != "type"})
        elif kind.startswith(_SILENT):
            if not self._identified and isinstance(value.get("response"), Mapping):
                self._identify(value, chunks)
        else:
            self.ignored += 1

    def _identify(self, value: dict[str, Any], chunks: list[ChatStreamChunk]) -> None:
        """Hand out the answer's identity, which the first event holds; `response.queued` in background mode."""
        response = value.get("response")
        if self._identified or not isinstance(response, Mapping):
            return
        self._identified = True
        chunks.append(_identity(response))

    def _text(self, value: dict[str, Any], chunks: list[ChatStreamChunk]) -> None:
        delta = _delta(value)
        if delta:
            chunk = ChatStreamChunk(content=delta, block=self._assembly.text(value, delta))
            if "logprobs" in value and (entries := logprob_entries(value)):
                chunk.logprobs = entries
                self._assembly.scored = True
            chunks.append(chunk)

    def _refusal(self, value: dict[str, Any], chunks: list[ChatStreamChunk]) -> None:
        delta = _delta(value)
        if delta:
            chunks.append(ChatStreamChunk(refusal=delta, block=self._assembly.refusal(value, delta)))

    def _thinking(self, value: dict[str, Any], chunks: list[ChatStreamChunk]) -> None:
        delta = _delta(value)
        if delta:
            chunks.append(self._assembly.thinking(value, delta))

    def _arguments(self, value: dict[str, Any], chunks: list[ChatStreamChunk]) -> None:
        delta = _delta(value)
        if delta:
            chunks.append(self._assembly.arguments(value, delta))

    def _added(self, value: dict[str, Any], chunks: list[ChatStreamChunk]) -> None:
        self._assembly.added(value, chunks)

    def _annotation(self, value: dict[str, Any], chunks: list[ChatStreamChunk]) -> None:
        chunks.append(self._assembly.annotation(value))

    def _item_done(self, value: dict[str, Any], chunks: list[ChatStreamChunk]) -> None:
        self._assembly.done(value, chunks)

    def _finish(self, response: Mapping[str, Any], status: str | None, chunks: list[ChatStreamChunk]) -> None:
        """Close the answer: hand out what is still missing of it, then why it stopped and what it took.

        `status` is what the event's type says; the response's own is the better one if it is a closing one.
        """
        own = response.get("status")
        if own in _TERMINAL.values() or (status is None and isinstance(own, str)):
            status = own
        if status == "failed":
            unsaid = {"message": "the response failed, and the service did not say why"}
            raise told_failure({"error": response.get("error") or unsaid})
        self._assembly.complete(output_of({"status": status, **response}), chunks)
        chunk = _identity(response)
        chunk.finish_reason = finish_reason({**response, "status": status}, called=self._assembly.called > 0)
        chunk.raw_finish_reason = status
        if isinstance(response.get("usage"), Mapping):
            chunk.usage = usage(response["usage"], response.get("service_tier"))
        chunk.last = self.done = True
        chunks.append(chunk)

    _TAKE: ClassVar[dict[str, Callable[[ResponsesDecoder, dict[str, Any], list[ChatStreamChunk]], None]]] = {
        "response.created": _identify,
        "response.output_text.delta": _text,
        "response.refusal.delta": _refusal,
        "response.reasoning_text.delta": _thinking,
        "response.reasoning_summary_text.delta": _thinking,
        "response.function_call_arguments.delta": _arguments,
        "response.custom_tool_call_input.delta": _arguments,
        "response.output_item.added": _added,
        "response.output_text.annotation.added": _annotation,
        "response.output_item.done": _item_done,
    }


def _delta(value: Mapping[str, Any]) -> str:
    delta = value.get("delta")
    if type(delta) is not str:
        if delta is None:
            return ""
        raise ProtocolError("delta of an event is not text", kind="schema")
    return delta


def _identity(response: Mapping[str, Any]) -> ChatStreamChunk:
    return ChatStreamChunk(
        id=named(response.get("id")),
        model=named(response.get("model")),
        created_at=moment(response.get("created_at")),
    )
