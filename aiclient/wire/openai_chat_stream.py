"""A streamed answer in OpenAI's chat form, decoded chunk by chunk.

Complete at `[DONE]`, or at the end of the body when every choice has its finish reason: of 359 recorded streams 3 had only the
finish reason and 1 only `[DONE]`, and output never followed a finish reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..chunks import ChatStreamChunk, ToolCallDelta
from ..errors import AIClientError, ProtocolError
from ..messages import Part, ReasoningPart, RefusalPart, TextPart, ToolCall
from ..response import ChatResponse, Choice
from .choices import Places
from .failures import told_failure
from .jsons import loads, named
from .openai_answer import decode_answer, is_error
from .openai_choice import StreamedChoice
from .openai_parts import logprob_entries, sources
from .openai_usage import moment, usage
from .sse import Event, SSEDecoder

__all__ = ["OpenAIChatDecoder"]

MAX_BODY_BYTES: Final = 64 << 20
"""Longest whole answer to a request that asked for a stream."""


class OpenAIChatDecoder:
    """Turns the bytes of one streamed answer into chunks; see `StreamDecoder` for what a failure does.

    Args:
        origin: The vendor, for its own data.
        choices: How many answers were asked for.
    """

    __slots__ = (
        "_answers",
        "_awaited",
        "_dated",
        "_origin",
        "_places",
        "_sniffed",
        "_sse",
        "_whole",
        "_whole_size",
        "done",
        "failure",
        "ignored",
    )

    def __init__(self, origin: str, choices: int = 1) -> None:
        self.failure: AIClientError | None = None
        self.done = False
        self.ignored = 0
        """Events of kinds that this decoder does not know."""
        self._origin = origin
        self._awaited = choices
        self._places = Places(choices)
        self._answers: dict[int, StreamedChoice] = {}
        self._sse = SSEDecoder()
        self._sniffed = False
        self._whole: list[bytes] | None = None
        self._whole_size = 0
        self._dated = False

    def feed(self, data: bytes) -> Sequence[ChatStreamChunk]:
        """Take the bytes of one read and return the chunks they complete."""
        chunks: list[ChatStreamChunk] = []
        if self._over:
            return chunks
        try:
            if not self._sniffed:
                data = self._sniff(data)
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
        """Take the end of the body; the last chunk is among the returned ones if the answer is complete."""
        chunks: list[ChatStreamChunk] = []
        if self._over:
            return chunks
        try:
            if self._whole is not None:
                self._replay(decode_answer(b"".join(self._whole), self._origin), chunks)
            elif (event := self._sse.end()) is not None:
                self._take_unterminated(event, chunks)
            if not self.done and self._finished:
                self._finish(chunks)
        except AIClientError as error:
            self.failure = error
        return chunks

    @property
    def _over(self) -> bool:
        return self.done or self.failure is not None

    @property
    def _finished(self) -> bool:
        answers = self._answers.values()
        return len(answers) >= self._awaited and all(answer.finished for answer in answers)

    # --- an answer that is no stream ---

    def _sniff(self, data: bytes) -> bytes:
        """Look at the first byte: content types lie in both directions, an event stream never begins with a brace."""
        text = data.lstrip(b"\xef\xbb\xbf \t\r\n")
        self._sniffed = bool(text)
        if text[:1] not in (b"{", b"<", b"["):
            return data
        self._whole = []
        return text

    def _keep(self, data: bytes) -> None:
        assert self._whole is not None
        self._whole.append(data)
        self._whole_size += len(data)
        if self._whole_size > MAX_BODY_BYTES:
            raise ProtocolError(f"the answer is over {MAX_BODY_BYTES} bytes", kind="too_large")

    def _replay(self, response: ChatResponse, chunks: list[ChatStreamChunk]) -> None:
        """Give a whole answer as one sequence of chunks."""
        choices: list[ChatResponse | Choice] = [response, *response.alternatives]
        for index, choice in enumerate(choices):
            parts = choice.message.parts
            chunks += [_chunk_of(part, index) for part in parts if not isinstance(part, ToolCall)]
            if choice.message.tool_calls:
                chunks.append(_chunk_of_calls(choice.message.tool_calls, index))
            chunks.append(
                ChatStreamChunk(
                    finish_reason=choice.finish_reason,
                    raw_finish_reason=choice.raw_finish_reason,
                    logprobs=choice.logprobs,
                    choice=index,
                )
            )
        chunks[0].id, chunks[0].model, chunks[0].created_at = response.id, response.model, response.created_at
        chunks.append(ChatStreamChunk(usage=response.usage, last=True))
        self.done = True

    # --- events ---

    def _take_unterminated(self, event: Event, chunks: list[ChatStreamChunk]) -> None:
        """Take a last event without its blank line (3 recorded streams); half of one shows by not being JSON."""
        try:
            self._take(event, chunks)
        except ProtocolError as error:
            if error.kind != "decode":
                raise

    def _take(self, event: Event, chunks: list[ChatStreamChunk]) -> None:
        data = event.data
        if data[:1] != b"{":
            word = data.strip()
            if word == b"[DONE]":
                self._finish(chunks)
                return
            if not word:
                return
        value = loads(data)
        if type(value) is not dict:
            raise ProtocolError("an event of the stream is not a JSON object", kind="schema")
        if event.name == "error" or is_error(value):
            raise told_failure(value)
        choices = value.get("choices")
        raw_usage = value.get("usage")
        if not raw_usage and "x_groq" in value:  # Groq says it there too, and once did only there (313062396fa1)
            of_groq = value["x_groq"]
            raw_usage = of_groq.get("usage") if type(of_groq) is dict else None
        used = usage(raw_usage, value.get("service_tier")) if raw_usage else None
        if not choices:  # usage alone, Azure's filter results, or something unknown
            if used is not None:
                chunks.append(ChatStreamChunk(usage=used, id=named(value.get("id")), model=named(value.get("model"))))
            elif "choices" not in value:
                self.ignored += 1
            return
        if type(choices) is not list:
            raise ProtocolError("choices of an event is not a list", kind="schema")
        for choice in choices:
            chunk = self._chunk(choice, value)
            if used is not None:
                chunk.usage, used = used, None
            elif not (chunk.content or chunk.finish_reason or _says_something(chunk)):
                continue
            chunks.append(chunk)

    def _chunk(self, choice: Any, value: dict[str, Any]) -> ChatStreamChunk:
        if type(choice) is not dict:
            raise ProtocolError("choices[] of an event is not an object", kind="schema")
        index = choice.get("index")
        index = self._places.of(index if type(index) is int else 0)
        answer = self._answers.get(index)
        if answer is None:
            answer = self._answers[index] = StreamedChoice(self._origin)
        delta = choice.get("delta")
        if delta is None:  # Azure's late filter results have none; some servers close with the whole message
            delta = {} if answer.spoken else choice.get("message") or {}
        if type(delta) is not dict:
            raise ProtocolError("choices[].delta of an event is not an object", kind="schema")
        content = delta.get("content")
        chunk = ChatStreamChunk(id=named(value.get("id")), model=named(value.get("model")), choice=index)
        if not self._dated:
            chunk.created_at = moment(value.get("created"))
            self._dated = chunk.created_at is not None
        if type(content) is str:
            chunk.content = content
            if content:
                answer.spoken = True
            if len(delta) > 1:
                answer.take(delta, chunk)
        elif delta:
            answer.take(delta, chunk)
        if (logprobs := choice.get("logprobs")) is not None:
            chunk.logprobs = logprob_entries(logprobs)
        if (word := choice.get("finish_reason")) and not answer.finished:
            answer.finish(str(word), chunk)
            if cited := sources(value):
                chunk.citations, chunk.origin = [*chunk.citations, *cited], self._origin
        return chunk

    def _finish(self, chunks: list[ChatStreamChunk]) -> None:
        """Close the answer."""
        if not self._answers:
            raise ProtocolError("the stream ended without an answer in it", kind="empty")
        for index, answer in self._answers.items():
            chunk = ChatStreamChunk(choice=index)
            answer.hand_over(chunk)
            if chunk.is_output:
                chunks.append(chunk)
        chunks.append(ChatStreamChunk(last=True))
        self.done = True


def _says_something(chunk: ChatStreamChunk) -> bool:
    """Whether a chunk without text is worth handing on; the first one is, for the answer's identity."""
    return bool(chunk.is_output or chunk.citations or chunk.logprobs or chunk.created_at)


def _chunk_of(part: Part, index: int) -> ChatStreamChunk:
    """Return a part of a whole answer as a chunk: text as text, so that readers of `.content` see it."""
    match part:
        case TextPart(text=text, provider_data=None):
            return ChatStreamChunk(content=text, citations=part.citations, origin=part.origin, choice=index)
        case ReasoningPart(text=text, provider_data=None, signature=None):
            return ChatStreamChunk(reasoning=text, origin=part.origin, choice=index)
        case RefusalPart(text=text):
            return ChatStreamChunk(refusal=text, choice=index)
    return ChatStreamChunk(parts=(part,), choice=index)


def _chunk_of_calls(calls: Sequence[ToolCall], index: int) -> ChatStreamChunk:
    deltas = [
        ToolCallDelta(number, call.id, call.name, call.arguments, call.kind, call.provider_data)
        for number, call in enumerate(calls)
    ]
    return ChatStreamChunk(tool_calls=deltas, choice=index, origin=calls[0].origin)
