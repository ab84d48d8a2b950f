"""Cohere's wire for the loopback server: chat (plain and streamed), embeddings, models and tokens.

Cohere's API v2 (docs.cohere.com/v2/reference), its lists of models and its tokenizer in v1, and the recorded answers.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Iterator

from ._exchange import Answer, Dialect, RecordedRequest, Route, json_answer, usual_message
from ._turns import MODELS, Call, Reply, Turn, forced, streamed, turn
from ._wire import (
    DIMENSIONS,
    MOST_DIMENSIONS,
    BadBodyError,
    JsonObject,
    checked,
    objects,
    packed_vector,
    positive,
    sse,
    texts,
    tokens,
    vector,
    words,
)

__all__ = ["COHERE", "cohere_routes"]

EVENT_STREAM = {"content-type": "text/event-stream"}


def refuse(status: int, message: str | None = None, *, param: str | None = None, code: str | None = None) -> Answer:
    """Answer with an error body of Cohere's."""
    del param, code
    return json_answer({"id": f"error-{status}", "message": message or usual_message(status)}, status=status)


COHERE = Dialect(refuse, wrong_key=refuse(401, "invalid api token"))


def cohere_routes(reply: Reply) -> list[Route]:
    """Return the routes under `/v2`, and those that are still under `/v1`."""
    handlers: dict[str, Callable[[JsonObject, RecordedRequest], Answer]] = {
        "/v2/chat": functools.partial(chat, reply),
        "/v2/embed": embed,
        "/v1/tokenize": tokenize,
    }
    return [
        *(Route("POST", path, checked(handler, COHERE), dialect=COHERE) for path, handler in handlers.items()),
        Route("GET", "/v1/models", models, dialect=COHERE, when=_of_cohere),
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
        limit=positive(body, "max_tokens", default=0) or None,
        tool=forced(tools, must=body.get("tool_choice") == "REQUIRED"),
        thinks=(body.get("thinking") or {}).get("type") == "enabled",
    )
    return _answer(said, stream=bool(body.get("stream")))


def embed(body: JsonObject, _: RecordedRequest) -> Answer:
    """Answer with one vector per text, of each type that was asked for."""
    inputs = body.get("texts") or [" ".join(texts(item)) for item in body.get("inputs") or ()]
    if not isinstance(inputs, list) or not inputs or not all(isinstance(text, str) for text in inputs):
        raise BadBodyError("invalid request: valid texts or images or inputs must be provided")
    size = positive(body, "output_dimension", default=DIMENSIONS, most=MOST_DIMENSIONS)
    vectors: JsonObject = {
        "float": [vector(text, size) for text in inputs],
        "base64": [base64.b64encode(packed_vector(text, size)).decode() for text in inputs],
    }
    asked = body.get("embedding_types") or ["float"]
    if not set(asked) <= set(vectors):
        raise BadBodyError(f"embedding_types: of {asked} only {list(vectors)} are served here")
    billed = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": float(tokens(inputs))}}
    found = {kind: vectors[kind] for kind in asked}
    return json_answer(
        {"id": "embed", "embeddings": found, "texts": inputs, "meta": billed, "response_type": "embeddings_by_type"}
    )


def tokenize(body: JsonObject, _: RecordedRequest) -> Answer:
    """Answer with a text's tokens, numbered as they come."""
    pieces = words(str(body.get("text", "")))
    return json_answer({"tokens": list(range(len(pieces))), "token_strings": pieces})


def models(_: RecordedRequest) -> Answer:
    """List the models."""
    rows = [{"name": name, "endpoints": ["chat", "embed"], "context_length": 128000.0} for name in MODELS]
    return json_answer({"models": rows, "next_page_token": None})


def _of_cohere(request: RecordedRequest) -> bool:
    """Tell Cohere's list of models from OpenAI's at the same path: by what Cohere's clients say there."""
    return "page_size=" in request.query or request.headers.get("x-fern-sdk-name") == "cohere"


@functools.lru_cache(maxsize=64)
def _answer(said: Turn, *, stream: bool) -> Answer:
    if stream:
        return streamed(said, _events(said), EVENT_STREAM)
    message: JsonObject = {"role": "assistant"}
    content = [{"type": "thinking", "thinking": said.thinking}] if said.thought else []
    if said.calls:
        message["tool_plan"] = _plan(said)
        message["tool_calls"] = [_call(call, call.arguments) for call in said.calls]
    else:
        content.append({"type": "text", "text": said.text})
    if content:
        message["content"] = content
    return json_answer({"id": said.id, "message": message, **_closing(said)})


def _closing(said: Turn) -> JsonObject:
    counts = {"input_tokens": float(said.prompt_tokens), "output_tokens": float(said.completion_tokens)}
    reason = said.ending(stop="COMPLETE", cut="MAX_TOKENS", call="TOOL_CALL")
    return {"finish_reason": reason, "usage": {"billed_units": counts, "tokens": counts}}


def _plan(said: Turn) -> str:
    return f"I will call {' and '.join(call.name for call in said.calls)}."


def _call(call: Call, arguments: str) -> JsonObject:
    function = {"name": call.name, "arguments": arguments}
    return {"id": f"{call.name}_{call.id}", "type": "function", "function": function}


def _events(said: Turn) -> Iterator[bytes]:
    empty: JsonObject = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield sse({"id": said.id, "type": "message-start", "delta": {"message": empty}}, name="message-start")
    if said.thought:
        yield from _content(0, "thinking", said.thought)
    for word in words(_plan(said)) if said.calls else ():
        yield _event("tool-plan-delta", message={"tool_plan": word})
    for index, call in enumerate(said.calls):
        yield _event("tool-call-start", index=index, message={"tool_calls": _call(call, "")})
        for piece in call.pieces:
            yield _event("tool-call-delta", index=index, message={"tool_calls": {"function": {"arguments": piece}}})
        yield _event("tool-call-end", index=index)
    if not said.calls:
        yield from _content(1 if said.thought else 0, "text", said.said)
    yield sse({"id": said.id, "type": "message-end", "delta": _closing(said)}, name="message-end")
    yield b"data: [DONE]\n\n"


def _content(index: int, kind: str, pieces: tuple[str, ...]) -> Iterator[bytes]:
    yield _event("content-start", index=index, message={"content": {"type": kind, kind: ""}})
    for piece in pieces:
        yield _event("content-delta", index=index, message={"content": {kind: piece}})
    yield _event("content-end", index=index)


def _event(kind: str, *, index: int | None = None, message: JsonObject | None = None) -> bytes:
    place = {} if index is None else {"index": index}
    change = {} if message is None else {"delta": {"message": message}}
    return sse({"type": kind, **place, **change}, name=kind)
