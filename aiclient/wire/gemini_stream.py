"""A streamed answer of Google's generateContent, decoded event by event.

"streamGenerateContent", ai.google.dev/api/generate-content (v1beta, read 2026-11): each event is a whole
GenerateContentResponse that holds what is new. With `alt=sse` they come as server-sent events, without it as the elements of
one JSON array; the first byte tells which. There is no closing event: the answer is complete when every candidate has its
`finishReason`, or the prompt was blocked, and the body ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..chunks import ChatStreamChunk, ToolCallDelta
from ..errors import AIClientError, ProtocolError
from ..messages import ReasoningPart, TextPart, ToolCall
from .choices import Places
from .failures import told_failure
from .gemini_answer import blocked, content_parts, index_of, logprob_entries, notices
from .gemini_citations import citations
from .gemini_parts import CallIds, part_of
from .gemini_usage import FILTERED, finish, moment, usage
from .jsonarray import MAX_ELEMENT_BYTES, JSONArrayDecoder
from .jsons import loads, named
from .openai_answer import is_error, json_object
from .sse import SSEDecoder

__all__ = ["GeminiDecoder"]

MAX_BODY_BYTES: Final = 64 << 20
"""Longest whole answer to a request that asked for a stream."""


class _Candidate:
    """One answer under construction: what its events must remember of each other."""

    __slots__ = ("_block", "calls", "cited", "finish_word", "ids", "texts", "thinking")

    def __init__(self, ids: CallIds) -> None:
        self.ids = ids
        self.calls = 0
        self.thinking: bool | None = None  # whether the part under way is thought or text; None between parts
        self.texts: list[tuple[int, list[str]]] = []
        self.cited: list[tuple[int, Any]] = []
        self.finish_word: str | None = None
        self._block = -1

    def block(self, *, thinking: bool, alone: bool = False) -> int:
        """Return the number of the part that a piece belongs to.

        A signed piece is a part `alone`: it must go back as it came, not joined with others ("Thought signatures").
        """
        if self.thinking is not thinking or alone:
            self._block += 1
            if not thinking:
                self.texts.append((self._block, []))
        self.thinking = None if alone else thinking
        return self._block


class GeminiDecoder:
    """Turns the bytes of one streamed answer into chunks; see `StreamDecoder` for what a failure does.

    Args:
        origin: The vendor, for its own data.
        choices: How many answers were asked for.
        vertex: Whether this is Vertex AI.
    """

    __slots__ = (
        "_array",
        "_awaited",
        "_candidates",
        "_origin",
        "_places",
        "_sniffed",
        "_sse",
        "_told",
        "_vertex",
        "_whole",
        "_whole_size",
        "done",
        "failure",
        "ignored",
    )

    def __init__(self, origin: str, choices: int = 1, *, vertex: bool = False) -> None:
        self.failure: AIClientError | None = None
        self.done = False
        self.ignored = 0
        """Events without anything that this decoder knows."""
        self._origin = origin
        self._awaited = choices
        self._places = Places(choices)
        self._vertex = vertex
        self._candidates: dict[int, _Candidate] = {}
        self._told: dict[str, Any] = {}
        self._sniffed = False
        self._sse = SSEDecoder(limit=MAX_ELEMENT_BYTES)
        self._array: JSONArrayDecoder | None = None
        self._whole: list[bytes] | None = None
        self._whole_size = 0

    def feed(self, data: bytes) -> Sequence[ChatStreamChunk]:
        """Take the bytes of one read and return the chunks they complete."""
        chunks: list[ChatStreamChunk] = []
        if self._over:
            return chunks
        try:
            if not self._sniffed:
                self._sniff(data)
            if self._whole is not None:
                self._keep(data)
            elif self._array is not None:
                self._feed_array(self._array, data, chunks)
            else:
                for event in self._sse.feed(data):
                    self._take_data(event.data, chunks)
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
                self._take(json_object(b"".join(self._whole)), chunks)
            elif self._array is None and (event := self._sse.end()) is not None:
                self._take_unterminated(event.data, chunks)
            if self._finished:
                self._finish(chunks)
        except AIClientError as error:
            self.failure = error
        return chunks

    @property
    def _over(self) -> bool:
        return self.done or self.failure is not None

    @property
    def _finished(self) -> bool:
        candidates = self._candidates.values()
        return len(candidates) >= self._awaited and all(candidate.finish_word for candidate in candidates)

    # --- framing ---

    def _sniff(self, data: bytes) -> None:
        """Look at the first byte: content types lie, and an event stream begins with neither bracket nor brace."""
        start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        self._sniffed = bool(start)
        if start == b"[":
            self._array = JSONArrayDecoder()
        elif start in (b"{", b"<"):
            self._whole = []

    def _keep(self, data: bytes) -> None:
        assert self._whole is not None
        self._whole.append(data)
        self._whole_size += len(data)
        if self._whole_size > MAX_BODY_BYTES:
            raise ProtocolError(f"the answer is over {MAX_BODY_BYTES} bytes", kind="too_large")

    def _feed_array(self, array: JSONArrayDecoder, data: bytes, chunks: list[ChatStreamChunk]) -> None:
        for element in array.feed(data):
            self._take_data(element, chunks)
        self.failure = array.failure
        if array.closed and self.failure is None and self._finished:
            self._finish(chunks)

    def _take_unterminated(self, data: bytes, chunks: list[ChatStreamChunk]) -> None:
        """Take a last event without its blank line; half of one shows by not being JSON."""
        try:
            self._take_data(data, chunks)
        except ProtocolError as error:
            if error.kind != "decode":
                raise

    def _take_data(self, data: bytes, chunks: list[ChatStreamChunk]) -> None:
        if data[:1] != b"{" and data.strip() in (b"", b"[DONE]"):  # some gateways say good-bye as OpenAI does
            return
        value = loads(data)
        if type(value) is not dict:
            raise ProtocolError("an event of the stream is not a JSON object", kind="schema")
        if is_error(value):
            raise told_failure(value)
        self._take(value, chunks)

    # --- events ---

    def _take(self, value: dict[str, Any], chunks: list[ChatStreamChunk]) -> None:
        """Take one event."""
        before = len(chunks)
        candidates = value.get("candidates")
        if candidates:
            if type(candidates) is not list:
                raise ProtocolError("candidates of an event is not a list", kind="schema")
            for candidate in candidates:
                self._take_candidate(candidate, value, chunks)
        elif (word := blocked(value)) is not None:
            self._block(word, value, chunks)
        told = value.get("usageMetadata")
        if told:
            if len(chunks) == before:
                chunks.append(ChatStreamChunk())
            chunks[-1].usage = usage(told)  # cumulative: each replaces the one before
        elif len(chunks) == before and not candidates:
            self.ignored += 1
        id_, model = named(value.get("responseId")), named(value.get("modelVersion"))
        for number in range(before, len(chunks)):
            chunks[number].id, chunks[number].model = id_, model
        if len(chunks) > before and "createTime" in value:
            chunks[before].created_at = moment(value["createTime"])

    def _block(self, word: str, value: dict[str, Any], chunks: list[ChatStreamChunk]) -> None:
        """Finish what is not finished: the prompt was refused (as in db44202e38cc), and no candidate will come."""
        self._told["promptFeedback"] = value["promptFeedback"]
        for index in range(self._awaited):
            candidate = self._candidate(index, value)
            if candidate.finish_word is None:
                candidate.finish_word = word
                chunks.append(ChatStreamChunk(finish_reason=FILTERED, raw_finish_reason=word, choice=index))

    def _candidate(self, index: int, value: dict[str, Any]) -> _Candidate:
        candidate = self._candidates.get(index)
        if candidate is None:
            candidate = self._candidates[index] = _Candidate(CallIds(value.get("responseId"), index))
        return candidate

    def _take_candidate(self, raw: Any, value: dict[str, Any], chunks: list[ChatStreamChunk]) -> None:
        index = self._places.of(index_of(raw))
        candidate = self._candidate(index, value)
        before = len(chunks)
        for part in content_parts(raw):
            chunk = _chunk_of(part, candidate, self._origin)
            if chunk is not None:
                chunk.choice = index
                chunks.append(chunk)
        if index == 0 and (told := notices(raw)):
            self._told.update(told)
        if "groundingMetadata" in raw or "citationMetadata" in raw:
            self._cite(raw, candidate, index, chunks)
        reason, word = finish(raw.get("finishReason"), vertex=self._vertex)
        entries = logprob_entries(raw) if "logprobsResult" in raw else None
        if entries is None and (word is None or word == candidate.finish_word):
            return
        if len(chunks) == before:
            chunks.append(ChatStreamChunk(choice=index))
        last = chunks[-1]
        last.logprobs = entries
        if word != candidate.finish_word and word is not None:
            candidate.finish_word = word
            last.finish_reason = "tool_calls" if reason == "stop" and candidate.calls else reason
            last.raw_finish_reason = word

    def _cite(self, raw: dict[str, Any], candidate: _Candidate, index: int, chunks: list[ChatStreamChunk]) -> None:
        """Hand out the sources that are new, each with the part it belongs to."""
        texts = [(block, "".join(pieces)) for block, pieces in candidate.texts]
        found = [place for place in citations(raw, texts) if place not in candidate.cited]
        candidate.cited += found
        for block in dict.fromkeys(block for block, _ in found):
            sources = [citation for key, citation in found if key == block]
            chunks.append(ChatStreamChunk(citations=sources, block=block, choice=index, origin=self._origin))

    def _finish(self, chunks: list[ChatStreamChunk]) -> None:
        """Close the answer."""
        self.done = True
        chunks.append(ChatStreamChunk(last=True, metadata={"google": self._told} if self._told else None))


def _chunk_of(raw: Any, candidate: _Candidate, origin: str) -> ChatStreamChunk | None:
    """Return a part of an event as a chunk; None for a text without any."""
    if type(raw) is dict and len(raw) == 1 and type(text := raw.get("text")) is str:  # nearly all
        return _text(text, candidate) if text else None
    part = part_of(raw, candidate.ids, origin)
    match part:
        case TextPart(text=text, provider_data=None):
            return _text(text, candidate) if text else None
        case TextPart(text=text, provider_data=data) if text:
            block = candidate.block(thinking=False, alone=True)
            candidate.texts[-1][1].append(text)
            return ChatStreamChunk(content=text, block=block, origin=origin, provider_data=data)
        case ReasoningPart(text=text, signature=seal, provider_data=data) if text or seal:
            block = candidate.block(thinking=True, alone=bool(seal or data))
            return ChatStreamChunk(reasoning=text, block=block, signature=seal, origin=origin, provider_data=data)
        case ToolCall():
            call = ToolCallDelta(candidate.calls, part.id, part.name, part.arguments, part.kind, part.provider_data)
            candidate.calls += 1
            candidate.thinking = None
            return ChatStreamChunk(tool_calls=(call,), origin=part.origin)
    candidate.thinking = None
    return ChatStreamChunk(parts=(part,))  # an empty text with a signature too (4de9394fae62)


def _text(text: str, candidate: _Candidate) -> ChatStreamChunk:
    block = candidate.block(thinking=False)
    candidate.texts[-1][1].append(text)
    return ChatStreamChunk(content=text, block=block)
