"""Ollama's wire for the loopback server: chat (streamed, unless told otherwise), embeddings and models.

"API reference" of github.com/ollama/ollama, docs/api.md, and the recorded answers. The protocol has no way to force a tool,
so that a request with tools gets a call of the first one, until a result of a tool is its last message.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator

from ._exchange import Answer, Dialect, RecordedRequest, Route, json_answer, json_bytes, usual_message
from ._turns import MODELS, Reply, Turn, forced, streamed, turn
from ._wire import DIMENSIONS, MOST_DIMENSIONS, BadBodyError, JsonObject, checked, objects, positive, tokens, vector

__all__ = ["OLLAMA", "ollama_routes"]

MADE = "2025-03-10T01:25:52.123456789Z"
LINES = {"content-type": "application/x-ndjson"}
DURATIONS = {"total_duration": 3_000_000, "load_duration": 1_000_000}
"""Nanoseconds."""


def refuse(status: int, message: str | None = None, *, param: str | None = None, code: str | None = None) -> Answer:
    """Answer with an error body of Ollama's: a text and nothing else."""
    del param, code
    return json_answer({"error": message or usual_message(status)}, status=status)


OLLAMA = Dialect(refuse)


def ollama_routes(reply: Reply) -> list[Route]:
    """Return the routes under `/api`."""
    return [
        Route("POST", "/api/chat", checked(functools.partial(chat, reply), OLLAMA), dialect=OLLAMA),
        Route("POST", "/api/embed", checked(embed, OLLAMA), dialect=OLLAMA),
        Route("GET", "/api/tags", tags, dialect=OLLAMA),
    ]


def chat(reply: Reply, body: JsonObject, request: RecordedRequest) -> Answer:
    """Answer a chat."""
    messages = objects(body, "messages")
    functions = [tool["function"] for tool in body.get("tools") or () if "function" in tool]
    tools = {str(function.get("name")): function.get("parameters") for function in functions}
    said = turn(
        reply,
        messages,
        request,
        model=str(body.get("model", "loopback")),
        prompt=tokens(messages),
        limit=positive(body.get("options") or {}, "num_predict", default=0) or None,
        # The protocol has no choice of tools: a fixed reply calls one first, a function says itself what it calls.
        tool=forced(tools, must=messages[-1].get("role") != "tool" and isinstance(reply, str)),
        thinks=bool(body.get("think")),
    )
    return _answer(said, stream=body.get("stream") is not False)


def embed(body: JsonObject, _: RecordedRequest) -> Answer:
    """Answer with one vector per text."""
    given = body.get("input")
    inputs = [given] if isinstance(given, str) else given
    if not isinstance(inputs, list) or not all(isinstance(text, str) for text in inputs):
        raise BadBodyError("invalid input type", param="input")
    size = positive(body, "dimensions", default=DIMENSIONS, most=MOST_DIMENSIONS)
    vectors = [vector(text, size) for text in inputs]
    counted = {"prompt_eval_count": tokens(inputs)}
    return json_answer({"model": body.get("model", "loopback"), "embeddings": vectors, **DURATIONS, **counted})


def tags(_: RecordedRequest) -> Answer:
    """List the models."""
    details = {"format": "gguf", "family": "loopback", "parameter_size": "1B", "quantization_level": "Q4_0"}
    rows = [
        {"name": name, "model": name, "modified_at": MADE, "size": 1, "digest": _digest(name), "details": details}
        for name in MODELS
    ]
    return json_answer({"models": rows})


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@functools.lru_cache(maxsize=64)
def _answer(said: Turn, *, stream: bool) -> Answer:
    if not stream:
        return json_answer(_object(said, _message(said)) | _closing(said))
    return streamed(said, (json_bytes(line) + b"\n" for line in _lines(said)), LINES)


def _lines(said: Turn) -> Iterator[JsonObject]:
    for word in said.thought:
        yield _object(said, _message(said, content="", thinking=word, call=False))
    if said.calls:
        yield _object(said, _message(said, content=""))
    for word in said.said:
        yield _object(said, _message(said, content=word))
    yield _object(said, {"role": "assistant", "content": ""}) | _closing(said)


def _object(said: Turn, message: JsonObject) -> JsonObject:
    return {"model": said.model, "created_at": MADE, "message": message, "done": False}


def _message(said: Turn, *, content: str | None = None, thinking: str | None = None, call: bool = True) -> JsonObject:
    """Return the message, or, with the `content` or the `thinking` that it brings, a piece of it."""
    whole = content is None
    message: JsonObject = {"role": "assistant", "content": said.text if whole else content}
    thought = said.thinking if whole else thinking
    if thought:
        message["thinking"] = thought
    if said.calls and call:
        message["tool_calls"] = [
            {"id": f"call_{one.id}", "function": {"index": index, "name": one.name, "arguments": one.value}}
            for index, one in enumerate(said.calls)
        ]
    return message


def _closing(said: Turn) -> JsonObject:
    counts = {"prompt_eval_count": said.prompt_tokens, "eval_count": said.completion_tokens}
    spent = {"prompt_eval_duration": 1_000_000, "eval_duration": 1_000_000}
    reason = said.ending(stop="stop", cut="length", call="stop")
    return {"done": True, "done_reason": reason, **DURATIONS, **counts, **spent}
