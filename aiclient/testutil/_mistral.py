"""Mistral's wire for the loopback server: OpenAI's with differences, so that its paths begin with `/mistral`.

What differs, by the recorded answers: a stream ends with the usage unasked, and brings a call whole; thinking is a part of the
content; errors say less. Thinking comes when `reasoning_effort` or `prompt_mode` asks for it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

from ._exchange import Answer, Dialect, RecordedRequest, Route, json_answer, usual_message
from ._openai import embedded, read_chat
from ._turns import CREATED, MODELS, Reply, Turn, streamed
from ._wire import JsonObject, checked, sse

__all__ = ["MISTRAL", "mistral_routes"]

ROOT = "/mistral/v1"
ID_HEADER = "mistral-correlation-id"
EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8"}


def refuse(status: int, message: str | None = None, *, param: str | None = None, code: str | None = None) -> Answer:
    """Answer with an error body of Mistral's; its gateway's, about keys, are others than its models'."""
    told = message or usual_message(status)
    body: JsonObject = {
        "object": "error",
        "message": told,
        "type": "invalid_request_error",
        "param": param,
        "code": code,
    }
    return json_answer({"detail": told} if status in (401, 403) else body, status=status, id_header=ID_HEADER)


MISTRAL = Dialect(refuse, wrong_key=refuse(401, "Invalid API Key"))


def mistral_routes(reply: Reply) -> list[Route]:
    """Return the routes under `/mistral/v1`."""
    answer, embed = checked(functools.partial(chat, reply), MISTRAL), checked(embeddings, MISTRAL)
    return [
        Route("POST", f"{ROOT}/chat/completions", answer, dialect=MISTRAL),
        Route("POST", f"{ROOT}/embeddings", embed, dialect=MISTRAL),
        Route("GET", f"{ROOT}/models", models, dialect=MISTRAL),
    ]


def chat(reply: Reply, body: JsonObject, request: RecordedRequest) -> Answer:
    """Answer a chat completion."""
    thinks = body.get("prompt_mode") == "reasoning" or body.get("reasoning_effort") not in (None, "none")
    return _answer(read_chat(reply, body, request, thinks=thinks), stream=bool(body.get("stream")))


def embeddings(body: JsonObject, _: RecordedRequest) -> Answer:
    """Answer with one vector per text."""
    return json_answer({"id": "embd", **embedded(body, size="output_dimension")}, id_header=ID_HEADER)


def models(_: RecordedRequest) -> Answer:
    """List the models."""
    can = {"completion_chat": True, "function_calling": True, "vision": False}
    row = {"object": "model", "created": CREATED, "owned_by": "mistralai", "capabilities": can, "type": "base"}
    return json_answer({"object": "list", "data": [{"id": name, **row} for name in MODELS]}, id_header=ID_HEADER)


@functools.lru_cache(maxsize=64)
def _answer(said: Turn, *, stream: bool) -> Answer:
    if stream:
        return streamed(said, _events(said), EVENT_STREAM, id_header=ID_HEADER)
    message: JsonObject = {"role": "assistant", "content": said.text, "tool_calls": _calls(said) or None}
    if said.thought:
        message["content"] = [_thinking(said.thinking), {"type": "text", "text": said.text}]
    choice = {"index": 0, "message": message, "finish_reason": _reason(said)}
    return json_answer(_object(said, "chat.completion", choice) | {"usage": _usage(said)}, id_header=ID_HEADER)


def _events(said: Turn) -> Iterator[bytes]:
    deltas: list[JsonObject] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": [_thinking(word)]} for word in said.thought]
    deltas += [{"content": word} for word in said.said]
    if said.calls:
        deltas.append({"tool_calls": _calls(said)})
    *most, last = deltas
    for delta in most:
        yield sse(_object(said, "chat.completion.chunk", {"index": 0, "delta": delta, "finish_reason": None}))
    ended = {"index": 0, "delta": last, "finish_reason": _reason(said)}
    yield sse(_object(said, "chat.completion.chunk", ended) | {"usage": _usage(said)})
    yield b"data: [DONE]\n\n"


def _thinking(text: str) -> JsonObject:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


def _calls(said: Turn) -> list[JsonObject]:
    return [
        {
            "id": f"{index or ''}{call.id}"[:9],
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
            "index": index,
        }
        for index, call in enumerate(said.calls)
    ]


def _reason(said: Turn) -> str:
    return said.ending(stop="stop", cut="length", call="tool_calls")


def _object(said: Turn, kind: str, choice: JsonObject) -> JsonObject:
    return {"id": said.id, "object": kind, "created": CREATED, "model": said.model, "choices": [choice]}


def _usage(said: Turn) -> JsonObject:
    counts = {"prompt_tokens": said.prompt_tokens, "completion_tokens": said.completion_tokens}
    return {**counts, "total_tokens": said.total_tokens}
