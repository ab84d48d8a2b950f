"""The events of a streamed answer of Anthropic's Messages API, decoded one by one.

"Streaming messages" (platform.claude.com/docs/en/build-with-claude/streaming, 2026-11): `message_start`; for each content block
`content_block_start`, deltas, `content_block_stop`; `message_delta`; `message_stop`. `ping` comes anywhere, `error` too, and
"new event types may be added".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..chunks import ChatStreamChunk, ToolCallDelta
from ..errors import ProtocolError
from ..messages import OpaquePart
from ..response import Usage
from .anthropic_answer import arguments_text, citation, rest_of
from .anthropic_usage import finish_reason, refusal, updated, usage
from .failures import told_failure
from .jsons import loads, named
from .toolcalls import minted_id

__all__ = ["AnthropicEvents"]


class _Block:
    """A content block whose pieces are still coming."""

    __slots__ = ("call", "data", "kind", "number", "pieces", "raw")

    def __init__(self, number: int, raw: dict[str, Any]) -> None:
        self.number = number
        self.raw = raw
        self.kind = raw.get("type")
        self.call = 0  # among the tool calls
        self.pieces: list[str] = []  # of a block that is handed out whole
        self.data: dict[str, Any] | None = None  # of the vendor, for the first chunk


class AnthropicEvents:
    """Turns the decoded events of one answer into chunks; Bedrock frames the same events differently.

    Args:
        origin: The vendor, for its own data.
    """

    __slots__ = ("_blocks", "_calls", "_origin", "_seen", "_usage", "done", "ignored")

    def __init__(self, origin: str) -> None:
        self.done = False
        self.ignored = 0
        """Events of kinds that this decoder does not know."""
        self._origin = origin
        self._blocks: dict[int, _Block] = {}  # by the service's number, which some servers use twice
        self._seen = 0
        self._calls = 0
        self._usage: dict[str, Any] = {}

    def take(self, event: Any, chunks: list[ChatStreamChunk]) -> None:
        """Add the chunks that an event stands for to `chunks`.

        Raises:
            AIClientError: It tells of a failure, or makes no sense.
        """
        if type(event) is not dict:
            raise ProtocolError("an event of the stream is not a JSON object", kind="schema")
        match event.get("type"):
            case "content_block_delta":
                self._delta(event, chunks)
            case "content_block_start":
                self._start(event, chunks)
            case "content_block_stop":
                if (block := self._blocks.pop(_index(event), None)) is not None:
                    self._close(block, chunks)
            case "message_start":
                self._begin(event, chunks)
            case "message_delta":
                self._amend(event, chunks)
            case "message_stop":
                self._finish(chunks)
            case "ping":
                pass
            case kind if kind == "error" or event.get("error"):
                raise told_failure(event)
            case _:
                self.ignored += 1

    # --- the message ---

    def _begin(self, event: dict[str, Any], chunks: list[ChatStreamChunk]) -> None:
        message = event.get("message")
        if not isinstance(message, Mapping):
            raise ProtocolError("message_start without a message", kind="schema")
        self._seen = self._seen or 1
        chunk = ChatStreamChunk(id=named(message.get("id")), model=named(message.get("model")))
        chunk.usage = self._used(message.get("usage"))
        chunks.append(chunk)

    def _used(self, more: Any) -> Usage | None:
        if not more:
            return None
        self._usage = updated(self._usage, more)
        return usage(self._usage)

    def _amend(self, event: dict[str, Any], chunks: list[ChatStreamChunk]) -> None:
        self._close_all(chunks)
        delta = event.get("delta")
        chunk = ChatStreamChunk(usage=self._used(event.get("usage")))
        if isinstance(delta, Mapping) and (word := delta.get("stop_reason")) is not None:
            chunk.finish_reason = finish_reason(word, calls=self._calls > 0)
            chunk.raw_finish_reason = str(word)
            if (said := refusal(delta.get("stop_details"), self._origin)) is not None:
                chunk.refusal, chunk.origin, chunk.provider_data = said.text, said.origin, said.provider_data
        chunks.append(chunk)

    def _finish(self, chunks: list[ChatStreamChunk]) -> None:
        if not self._seen:
            raise ProtocolError("the stream ended without an answer in it", kind="empty")
        self._close_all(chunks)
        chunks.append(ChatStreamChunk(last=True))
        self.done = True

    # --- content blocks ---

    def _start(self, event: dict[str, Any], chunks: list[ChatStreamChunk]) -> None:
        raw = event.get("content_block")
        if type(raw) is not dict:
            raise ProtocolError("content_block_start without a content block", kind="schema")
        index = _index(event)
        if index in self._blocks:
            self._close(self._blocks[index], chunks)
        block = self._open(index, raw)
        match block.kind:
            case "text":
                block.data = rest_of(raw, "text", "citations")
                self._add(block, chunks, content=raw.get("text"))
                cited = raw.get("citations")
                for item in cited if isinstance(cited, list) else ():
                    self._cite(block, item, chunks)
            case "thinking":
                block.data = rest_of(raw, "thinking", "signature")
                self._add(block, chunks, reasoning=raw.get("thinking"), signature=raw.get("signature"))
            case "tool_use":
                block.call = self._calls
                self._calls += 1
                rest = rest_of(raw, "id", "name", "input")
                first = ToolCallDelta(
                    block.call,
                    str(raw.get("id") or minted_id(block.call)),
                    str(raw.get("name") or ""),
                    provider_data=rest,
                )
                chunks.append(ChatStreamChunk(tool_calls=(first,), origin=self._origin if rest else None))

    def _open(self, index: int, raw: dict[str, Any]) -> _Block:
        block = self._blocks[index] = _Block(self._seen, raw)
        self._seen += 1
        return block

    def _delta(self, event: dict[str, Any], chunks: list[ChatStreamChunk]) -> None:
        delta = event.get("delta")
        if type(delta) is not dict:
            raise ProtocolError("content_block_delta without a delta", kind="schema")
        index = _index(event)
        block = self._blocks.get(index)
        kind = delta.get("type")
        if block is None:  # its start was left out: the delta says of what kind it is, unless it is a tool's
            if kind == "input_json_delta":
                raise ProtocolError("input of a tool call that did not begin", kind="state")
            block = self._open(index, {"type": "text" if kind == "text_delta" else "thinking"})
        if kind == "text_delta" and block.kind == "text":
            self._add(block, chunks, content=delta.get("text"))
        elif kind == "thinking_delta" and block.kind == "thinking":
            self._add(block, chunks, reasoning=delta.get("thinking"))
        elif kind == "input_json_delta":
            self._input(block, delta.get("partial_json"), chunks)
        elif kind == "signature_delta" and block.kind == "thinking":
            self._add(block, chunks, signature=delta.get("signature"))
        elif kind == "citations_delta" and block.kind == "text":
            self._cite(block, delta.get("citation"), chunks)
        elif block.kind in ("text", "thinking", "tool_use"):
            self.ignored += 1
        else:
            _merge(block.raw, delta)

    def _add(
        self,
        block: _Block,
        chunks: list[ChatStreamChunk],
        content: Any = "",
        reasoning: Any = "",
        signature: Any = None,
    ) -> None:
        """Add a chunk with a piece of a block, if there is one."""
        if not (content or reasoning or signature):
            return
        chunk = ChatStreamChunk(block=block.number)
        if content:
            chunk.content = content if type(content) is str else str(content)
        else:
            chunk.reasoning = reasoning if type(reasoning) is str else str(reasoning or "")
            chunk.origin = self._origin
            if signature:
                chunk.signature = str(signature)
        if block.data is not None:
            chunk.origin, chunk.provider_data, block.data = self._origin, block.data, None
        chunks.append(chunk)

    def _cite(self, block: _Block, item: Any, chunks: list[ChatStreamChunk]) -> None:
        chunks.append(ChatStreamChunk(citations=(citation(item),), origin=self._origin, block=block.number))

    def _input(self, block: _Block, piece: Any, chunks: list[ChatStreamChunk]) -> None:
        if not piece:
            return
        block.pieces.append(piece if type(piece) is str else str(piece))
        if block.kind == "tool_use":
            chunks.append(ChatStreamChunk(tool_calls=(ToolCallDelta(block.call, arguments=block.pieces[-1]),)))

    def _close_all(self, chunks: list[ChatStreamChunk]) -> None:
        """Close what the service left open (llama.cpp stops a block after it began the next)."""
        for index in list(self._blocks):
            self._close(self._blocks.pop(index), chunks)

    def _close(self, block: _Block, chunks: list[ChatStreamChunk]) -> None:
        """Hand out what is only known at the end: a tool's input that came whole or not at all, and unknown blocks."""
        if block.kind == "tool_use":
            if not block.pieces:
                whole = arguments_text(block.raw.get("input"))
                chunks.append(ChatStreamChunk(tool_calls=(ToolCallDelta(block.call, arguments=whole or "{}"),)))
        elif block.kind not in ("text", "thinking"):
            if block.pieces:
                block.raw["input"] = _read("".join(block.pieces))
            chunks.append(ChatStreamChunk(parts=(OpaquePart(self._origin, block.raw),)))


def _index(event: dict[str, Any]) -> int:
    index = event.get("index")
    return index if type(index) is int else 0


def _read(text: str) -> Any:
    """Return the input of a server's tool; wrapped when it is no JSON, as tool results do it."""
    try:
        return loads(text.encode("utf-8", "surrogatepass"))
    except ProtocolError:
        return {"INVALID_JSON": text}


def _merge(raw: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add a delta of an unknown kind to its block, as those that are known do it: texts grow, everything else is set."""
    for key, value in delta.items():
        if key != "type":
            before = raw.get(key)
            raw[key] = before + value if isinstance(before, str) and isinstance(value, str) else value
