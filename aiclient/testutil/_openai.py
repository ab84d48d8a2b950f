"""OpenAI's wire for the loopback server: chat completions (plain and streamed), embeddings and models.

Everything is a function of the request, so that the same request has the same answer; a token is a word.
Source: api.openai.com's recorded answers.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import math
import struct
from collections.abc import Iterable, Iterator

import attrs

from ._exchange import Answer, RecordedRequest, Route, json_answer, json_bytes
from ._wire import BadBodyError, JsonObject, Reply, Stub, checked, example, positive, words

__all__ = ["openai_routes"]

CREATED = 1741569952
"""A fixed moment, because two answers to one request are to be equal."""

ARGUMENT_PIECE = 8
"""Characters per streamed piece of a tool call's arguments: short enough to tear keys, strings and escapes apart."""

DIMENSIONS = 8
MOST_DIMENSIONS = 4096
MOST_CHOICES = 128

LIMITS = {
    "openai-processing-ms": "1",
    "openai-version": "2020-10-01",
    "x-ratelimit-limit-requests": "10000",
    "x-ratelimit-limit-tokens": "2000000",
    "x-ratelimit-remaining-requests": "9999",
    "x-ratelimit-remaining-tokens": "1999988",
    "x-ratelimit-reset-requests": "6ms",
    "x-ratelimit-reset-tokens": "0s",
}
EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", **LIMITS}


def openai_routes(reply: Reply) -> list[Route]:
    """Return the routes under `/v1`."""
    return [
        Route("POST", "/v1/chat/completions", checked(functools.partial(chat, reply))),
        Route("POST", "/v1/embeddings", checked(embeddings)),
        Route("GET", "/v1/models", models),
    ]


@attrs.frozen
class Choice:
    """One choice of a chat answer, whole and in pieces."""

    message: JsonObject
    deltas: list[JsonObject]
    finish_reason: str
    tokens: int


def chat(reply: Reply, body: JsonObject, digest: str) -> Answer:
    """Answer a chat completion."""
    messages = _messages(body)
    model = str(body.get("model", "loopback"))
    prompt_tokens = sum(len(words(_text(message.get("content")))) for message in messages)
    usage_wanted = bool((body.get("stream_options") or {}).get("include_usage"))
    if stub := Stub.named(model):
        return _stub(model, stub, prompt_tokens, stream=bool(body.get("stream")), usage_wanted=usage_wanted)
    count = positive(body, "n", default=1, most=MOST_CHOICES)
    choice = _choice(reply, messages, body, digest)
    completion = _Completion(f"chatcmpl-{digest}", model, [choice] * count, prompt_tokens)
    if body.get("stream"):
        return Answer(200, EVENT_STREAM, completion.events(usage_wanted=usage_wanted))
    return json_answer(completion.whole(), headers=LIMITS)


def embeddings(body: JsonObject, _: str) -> Answer:
    """Answer with one vector per text: a function of the text alone, of length 1."""
    texts = body.get("input")
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, list) or not texts:
        raise BadBodyError("'input' must be a text or a list of them, and not empty.", param="input")
    texts = [text if isinstance(text, str) else json.dumps(text) for text in texts]  # lists of token numbers
    size = positive(body, "dimensions", default=DIMENSIONS, most=MOST_DIMENSIONS)
    packed = [_vector(text, size) for text in texts]
    as_base64 = body.get("encoding_format") == "base64"
    vectors = [base64.b64encode(p).decode() if as_base64 else struct.unpack(f"<{size}f", p) for p in packed]
    tokens = sum(len(words(text)) for text in texts)
    data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    model = str(body.get("model", "loopback"))
    return json_answer({"object": "list", "data": data, "model": model, "usage": usage}, headers=LIMITS)


def models(_: RecordedRequest) -> Answer:
    """List a chat model, one of the paced ones, and an embedding model; any other name is served as well."""
    rows = [
        {"id": name, "object": "model", "created": CREATED, "owned_by": "aiclient"}
        for name in ("loopback", "loopback-embedding", "stub-s16")
    ]
    return json_answer({"object": "list", "data": rows}, headers=LIMITS)


@attrs.frozen
class _Completion:
    id: str
    model: str
    choices: list[Choice]
    prompt_tokens: int

    def whole(self) -> JsonObject:
        """Return the answer that is not streamed."""
        rows = [
            {"index": i, "message": choice.message, "logprobs": None, "finish_reason": choice.finish_reason}
            for i, choice in enumerate(self.choices)
        ]
        return self._object("chat.completion", rows) | {"usage": self.usage()}

    def events(self, *, usage_wanted: bool) -> tuple[bytes, ...]:
        """Return the stream, one SSE event per item, the choices' pieces taking turns."""
        chunks = [self._object("chat.completion.chunk", [row]) for row in self._rows()]
        if usage_wanted:  # with the option every chunk has the field, and the last one the value and no choices
            chunks = [chunk | {"usage": None} for chunk in chunks]
            chunks.append(self._object("chat.completion.chunk", []) | {"usage": self.usage()})
        return (*(b"data: %b\n\n" % json_bytes(chunk) for chunk in chunks), b"data: [DONE]\n\n")

    def usage(self) -> JsonObject:
        """Count words as tokens, the prompt once and every choice."""
        completion_tokens = sum(choice.tokens for choice in self.choices)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": self.prompt_tokens + completion_tokens,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        }

    def _rows(self) -> Iterator[JsonObject]:
        for turn in zip(*(choice.deltas for choice in self.choices), strict=True):
            for i, delta in enumerate(turn):
                yield {"index": i, "delta": delta, "logprobs": None, "finish_reason": None}
        for i, choice in enumerate(self.choices):
            yield {"index": i, "delta": {}, "logprobs": None, "finish_reason": choice.finish_reason}

    def _object(self, kind: str, rows: list[JsonObject]) -> JsonObject:
        return {
            "id": self.id,
            "object": kind,
            "created": CREATED,
            "model": self.model,
            "system_fingerprint": "fp_loopback",
            "choices": rows,
        }


@functools.lru_cache(maxsize=64)
def _stub(model: str, stub: Stub, prompt_tokens: int, *, stream: bool, usage_wanted: bool) -> Answer:
    """Render a storm's answer once: its requests differ in nothing that shows."""
    choice = _text_choice([" word"] * stub.chunks, finish_reason="stop")
    completion = _Completion("chatcmpl-stub", model, [choice], prompt_tokens)
    if not stream:
        return json_answer(completion.whole(), headers=LIMITS)
    events = completion.events(usage_wanted=usage_wanted)
    return Answer(200, EVENT_STREAM, events, pause=stub.pause, per_write=stub.per_write)


def _choice(reply: Reply, messages: list[JsonObject], body: JsonObject, digest: str) -> Choice:
    tool = _forced_tool(body)
    if tool is not None:
        return _tool_choice(tool, digest)
    text = reply if isinstance(reply, str) else reply(messages)
    tokens = words(text)
    limit = positive(body, "max_completion_tokens", default=positive(body, "max_tokens", default=len(tokens) or 1))
    return _text_choice(tokens[:limit], finish_reason="length" if len(tokens) > limit else "stop")


def _text_choice(tokens: list[str], *, finish_reason: str) -> Choice:
    message: JsonObject = {"role": "assistant", "content": "".join(tokens), "refusal": None, "annotations": []}
    deltas: list[JsonObject] = [
        {"role": "assistant", "content": "", "refusal": None},
        *({"content": token} for token in tokens),
    ]
    return Choice(message, deltas, finish_reason, len(tokens))


def _tool_choice(tool: JsonObject, digest: str) -> Choice:
    arguments = json.dumps(example(tool.get("parameters") or {}))
    call = {"id": f"call_{digest}", "type": "function", "function": {"name": tool["name"], "arguments": arguments}}
    message = {"role": "assistant", "content": None, "refusal": None, "tool_calls": [call]}
    opening = {"index": 0, **call, "function": {"name": tool["name"], "arguments": ""}}
    pieces = [arguments[i : i + ARGUMENT_PIECE] for i in range(0, len(arguments), ARGUMENT_PIECE)]
    deltas: list[JsonObject] = [{"role": "assistant", "content": None, "tool_calls": [opening]}]
    deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in pieces]
    return Choice(message, deltas, "tool_calls", 1 + len(words(arguments)))


def _forced_tool(body: JsonObject) -> JsonObject | None:
    """Return the function that the request wants called, or None when it leaves that to the model."""
    tools: list[JsonObject] = [tool["function"] for tool in body.get("tools") or () if "function" in tool]
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        name = (choice.get("function") or {}).get("name")
        found = [tool for tool in tools if tool.get("name") == name]
        if not found:
            raise BadBodyError(f"Tool choice {name!r} not found in 'tools' parameter.", param="tool_choice")
        return found[0]
    return tools[0] if tools and choice == "required" else None


def _messages(body: JsonObject) -> list[JsonObject]:
    messages = body.get("messages")
    if messages is None:
        raise BadBodyError(
            "Missing required parameter: 'messages'.", param="messages", code="missing_required_parameter"
        )
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise BadBodyError("'messages' must be a list of objects.", param="messages", code="invalid_type")
    if not messages:
        raise BadBodyError("'messages' must not be empty.", param="messages", code="empty_array")
    return messages


def _text(content: str | Iterable[JsonObject] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return " ".join(part["text"] for part in content if part.get("text"))


def _vector(text: str, size: int) -> bytes:
    """Pack `size` little-endian float32 drawn from the text's hash, the whole of length 1."""
    drawn = struct.unpack(f"<{size}i", hashlib.shake_256(text.encode("utf-8", "surrogatepass")).digest(4 * size))
    length = math.hypot(*drawn) or 1.0
    return struct.pack(f"<{size}f", *(number / length for number in drawn))
