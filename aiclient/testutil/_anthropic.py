"""Anthropic's wire for the loopback server: messages (plain and streamed), token counts, models; Vertex's paths too.

"Messages", Anthropic API reference, version 2023-06-01, and the recorded answers; the streams have what that page calls a
typical sequence, with a `ping` behind the first start. Thinking comes, sealed, when it is asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from urllib.parse import unquote

from ._exchange import Answer, Dialect, RecordedRequest, Route, bearer, json_answer, usual_message
from ._turns import MODELS, Call, Reply, Turn, forced, streamed, turn
from ._wire import BadBodyError, JsonObject, checked, objects, positive, sse, tokens

__all__ = ["ANTHROPIC", "anthropic_routes"]

ID_HEADER = "request-id"

LIMITS = {
    "anthropic-ratelimit-requests-limit": "4000",
    "anthropic-ratelimit-requests-remaining": "3999",
    "anthropic-ratelimit-requests-reset": "2030-01-01T00:00:00Z",
    "anthropic-ratelimit-tokens-limit": "400000",
    "anthropic-ratelimit-tokens-remaining": "399000",
    "anthropic-ratelimit-tokens-reset": "2030-01-01T00:00:00Z",
}
EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", **LIMITS}

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}

VERTEX_PATH = "/*/publishers/anthropic/models/"


def refuse(status: int, message: str | None = None, *, param: str | None = None, code: str | None = None) -> Answer:
    """Answer with an error body of Anthropic's; it has no place for `param`, and its type stands for the code."""
    del param, code
    kind = ERROR_TYPES.get(status) or ("api_error" if status >= 500 else "invalid_request_error")
    error = {"type": kind, "message": message or usual_message(status)}
    return json_answer({"type": "error", "error": error}, status=status, id_header=ID_HEADER)


ANTHROPIC = Dialect(refuse, lambda request, key: request.headers.get("x-api-key") == key or bearer(request, key))


def anthropic_routes(reply: Reply) -> list[Route]:
    """Return the routes under `/v1`, and those of Vertex."""
    answer = checked(functools.partial(messages, reply), ANTHROPIC)
    count = checked(count_tokens, ANTHROPIC)
    paths = {
        "/v1/messages": answer,
        "/v1/messages/count_tokens": count,
        f"{VERTEX_PATH}count-tokens:rawPredict": count,
        f"{VERTEX_PATH}*:rawPredict": answer,
        f"{VERTEX_PATH}*:streamRawPredict": answer,
    }
    return [
        *(Route("POST", path, handler, dialect=ANTHROPIC) for path, handler in paths.items()),
        Route("GET", "/v1/models", models, dialect=ANTHROPIC, when=_versioned),
    ]


def messages(reply: Reply, body: JsonObject, request: RecordedRequest) -> Answer:
    """Answer a message."""
    listed = objects(body, "messages")
    if "max_tokens" not in body:
        raise BadBodyError("max_tokens: Field required", param="max_tokens")
    said = turn(
        reply,
        listed,
        request,
        model=_model_in(request.path) or str(body.get("model", "loopback")),
        prompt=tokens(body.get("system"), listed),
        limit=positive(body, "max_tokens", default=1),
        tool=_forced_tool(body),
        thinks=(body.get("thinking") or {}).get("type") in ("enabled", "adaptive"),
    )
    return _answer(said, stream=bool(body.get("stream")))


def count_tokens(body: JsonObject, _: RecordedRequest) -> Answer:
    """Answer with the number of a request's tokens."""
    return json_answer({"input_tokens": tokens(body.get("system"), objects(body, "messages"))}, id_header=ID_HEADER)


def models(_: RecordedRequest) -> Answer:
    """List the models."""
    made = {"created_at": "2025-03-10T01:25:52Z", "type": "model"}
    rows = [{"id": name, "display_name": name.title(), **made} for name in MODELS]
    page = {"data": rows, "first_id": MODELS[0], "last_id": MODELS[-1], "has_more": False}
    return json_answer(page, headers=LIMITS, id_header=ID_HEADER)


@functools.lru_cache(maxsize=64)
def _answer(said: Turn, *, stream: bool) -> Answer:
    if stream:
        return streamed(said, _events(said), EVENT_STREAM, id_header=ID_HEADER)
    return json_answer(_message(said, _blocks(said)), headers=LIMITS, id_header=ID_HEADER)


def _message(said: Turn, content: list[JsonObject], *, begun: bool = False) -> JsonObject:
    """Return the message; one that has only begun has neither content nor end."""
    reason = None if begun else said.ending(stop="end_turn", cut="max_tokens", call="tool_use")
    return {
        "id": f"msg_{said.id}",
        "type": "message",
        "role": "assistant",
        "model": said.model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": _usage(said, output=1 if begun else said.completion_tokens),
    }


def _usage(said: Turn, *, output: int) -> JsonObject:
    cache = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    return {"input_tokens": said.prompt_tokens, **cache, "output_tokens": output}


def _blocks(said: Turn) -> list[JsonObject]:
    thinking = {"type": "thinking", "thinking": said.thinking, "signature": said.signature}
    blocks: list[JsonObject] = [thinking] if said.thought else []
    blocks += [{**_use(call), "input": call.value} for call in said.calls]
    if not said.calls:
        blocks.append({"type": "text", "text": said.text})
    return blocks


def _use(call: Call) -> JsonObject:
    return {"type": "tool_use", "id": f"toolu_{call.id}", "name": call.name}


def _events(said: Turn) -> Iterator[bytes]:
    yield _event("message_start", message=_message(said, [], begun=True))
    for index, (block, deltas) in enumerate(_streamed_blocks(said)):
        yield _event("content_block_start", index=index, content_block=block)
        if index == 0:
            yield _event("ping")
        for delta in deltas:
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    reason = said.ending(stop="end_turn", cut="max_tokens", call="tool_use")
    ended = {"stop_reason": reason, "stop_sequence": None}
    yield _event("message_delta", delta=ended, usage=_usage(said, output=said.completion_tokens))
    yield _event("message_stop")


def _streamed_blocks(said: Turn) -> Iterator[tuple[JsonObject, list[JsonObject]]]:
    """Yield each block as it starts, and what is added to it."""
    if said.thought:
        deltas: list[JsonObject] = [{"type": "thinking_delta", "thinking": word} for word in said.thought]
        seal = {"type": "signature_delta", "signature": said.signature}
        yield {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, seal]
    for call in said.calls:
        pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *call.pieces)]
        yield {**_use(call), "input": {}}, pieces
    if not said.calls:
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": word} for word in said.said]


def _event(kind: str, **fields: object) -> bytes:
    return sse({"type": kind, **fields}, name=kind)


def _forced_tool(body: JsonObject) -> tuple[str, JsonObject] | None:
    tools = {str(tool.get("name")): tool.get("input_schema") for tool in body.get("tools") or ()}
    choice = body.get("tool_choice") or {}
    named = str(choice.get("name")) if choice.get("type") == "tool" else None
    return forced(tools, name=named, must=choice.get("type") == "any")


def _model_in(path: str) -> str | None:
    """Return the model that one of Vertex's paths names."""
    _, found, rest = path.partition("/publishers/anthropic/models/")
    return unquote(rest.rpartition(":")[0]) if found else None


def _versioned(request: RecordedRequest) -> bool:
    return "anthropic-version" in request.headers
