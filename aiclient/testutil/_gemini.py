"""Google's wire for the loopback server: contents generated (plain, streamed), token counts, embeddings, models.

The paths are those of the Gemini API and of Vertex AI, in whatever version; a stream is server-sent events with `alt=sse`, else
one JSON array. "GenerateContentResponse", Gemini API reference v1beta, and the recorded answers. Thoughts come when they are
asked for, and what is said after them carries a signature. A call has no id, as those of most models.
"""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs, unquote

from ._exchange import Answer, Dialect, RecordedRequest, Route, bearer, json_answer, json_bytes, usual_message
from ._turns import MODELS, Reply, Turn, forced, streamed, turn
from ._wire import (
    DIMENSIONS,
    MOST_DIMENSIONS,
    BadBodyError,
    JsonObject,
    checked,
    objects,
    positive,
    sse,
    texts,
    tokens,
    vector,
)

__all__ = ["GEMINI", "VERTEX", "gemini_routes"]

EVENT_STREAM = {"content-type": "text/event-stream"}
ARRAY = {"content-type": "application/json; charset=UTF-8"}

STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
CAPITAL = re.compile("[A-Z]")
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


def refuse(status: int, message: str | None = None, *, param: str | None = None, code: str | None = None) -> Answer:
    """Answer with an error body of Google's; `code` becomes the reason in its details."""
    del param
    word = STATUSES.get(status) or ("INTERNAL" if status >= 500 else "INVALID_ARGUMENT")
    error: JsonObject = {"code": status, "message": message or usual_message(status), "status": word}
    if code:
        error["details"] = [{"@type": ERROR_INFO, "reason": code.upper(), "domain": "googleapis.com"}]
    return json_answer({"error": error}, status=status)


def carries(request: RecordedRequest, key: str) -> bool:
    """Say whether the request carries a key of AI Studio's, in a header or in the query."""
    return request.headers.get("x-goog-api-key") == key or parse_qs(request.query).get("key") == [key]


WRONG_KEY = "API key not valid. Please pass a valid API key."
GEMINI = Dialect(refuse, carries, refuse(400, WRONG_KEY, code="API_KEY_INVALID"))
VERTEX = Dialect(refuse, lambda request, key: bearer(request, key) or carries(request, key))


def gemini_routes(reply: Reply) -> list[Route]:
    """Return the routes of Vertex and of the Gemini API."""
    handlers: dict[str, Callable[[JsonObject, RecordedRequest], Answer]] = {
        "generateContent": functools.partial(generate, reply, stream=False),
        "streamGenerateContent": functools.partial(generate, reply, stream=True),
        "countTokens": count_tokens,
        "embedContent": embed,
        "batchEmbedContents": batch_embed,
        "predict": predict,
    }
    homes = {"/*/publishers/google/models/*": VERTEX, "/v1*/models/*": GEMINI}
    return [
        *(
            Route("POST", f"{home}:{name}", checked(handler, dialect), dialect=dialect)
            for home, dialect in homes.items()
            for name, handler in handlers.items()
        ),
        Route("GET", "/v1beta/models", models, dialect=GEMINI),
        Route("GET", "/v1beta/models/*", lambda request: json_answer(_model(_model_in(request))), dialect=GEMINI),
    ]


def generate(reply: Reply, body: JsonObject, request: RecordedRequest, *, stream: bool) -> Answer:
    """Answer with generated content."""
    contents = objects(body, "contents")
    config = _field(body, "generationConfig") or {}
    said = turn(
        reply,
        contents,
        request,
        model=_model_in(request),
        prompt=_prompt(body),
        limit=_positive(config, "maxOutputTokens", default=0) or None,
        tool=_forced_tool(body),
        thinks=bool(_field(_field(config, "thinkingConfig") or {}, "includeThoughts")),
    )
    if not stream:
        return json_answer(_chunk(said, _parts(said), last=True))
    return _stream(said, events=parse_qs(request.query).get("alt") == ["sse"])


def count_tokens(body: JsonObject, _: RecordedRequest) -> Answer:
    """Answer with the number of a request's tokens; the Gemini API wraps the request, Vertex does not."""
    counted = _prompt(body.get("generateContentRequest") or body)
    return json_answer({"totalTokens": counted, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": counted}]})


def embed(body: JsonObject, _: RecordedRequest) -> Answer:
    """Answer with the vector of one content."""
    return json_answer({"embedding": _embedding(body), "usageMetadata": {"promptTokenCount": tokens(_content(body))}})


def batch_embed(body: JsonObject, _: RecordedRequest) -> Answer:
    """Answer with the vectors of several contents."""
    return json_answer({"embeddings": [_embedding(asked) for asked in objects(body, "requests")]})


def predict(body: JsonObject, _: RecordedRequest) -> Answer:
    """Answer with the vectors of several texts, as Vertex does for the older models."""
    size = _size(body.get("parameters") or {})
    found = [str(item.get("content", "")) for item in objects(body, "instances")]
    rows = [
        {"embeddings": {"values": vector(text, size), "statistics": {"token_count": tokens(text), "truncated": False}}}
        for text in found
    ]
    return json_answer({"predictions": rows})


def models(_: RecordedRequest) -> Answer:
    """List the models."""
    return json_answer({"models": [_model(name) for name in MODELS]})


def _model(name: str) -> JsonObject:
    limits = {"inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536}
    methods = ["generateContent", "countTokens", "embedContent"]
    return {"name": f"models/{name}", "version": "001", **limits, "supportedGenerationMethods": methods}


def _model_in(request: RecordedRequest) -> str:
    return unquote(request.path.rpartition("/models/")[2].partition(":")[0])


def _prompt(body: JsonObject) -> int:
    return tokens(_field(body, "systemInstruction"), objects(body, "contents"))


# --- content ---


@functools.lru_cache(maxsize=64)
def _stream(said: Turn, *, events: bool) -> Answer:
    chunks = list(_chunks(said))
    if events:
        return streamed(said, (sse(chunk, end=b"\r\n") for chunk in chunks), EVENT_STREAM)
    return streamed(said, _array(chunks), ARRAY)


def _array(chunks: Iterable[JsonObject]) -> Iterator[bytes]:
    """Write a list an item at a time, divided as Google divides it."""
    before = b"["
    for chunk in chunks:
        yield before + json_bytes(chunk)
        before = b"\n,\r\n"
    yield b"\n]"


def _chunks(said: Turn) -> Iterator[JsonObject]:
    """Yield the pieces of the answer; the last one says why it ended, with an empty text, as Google's often do."""
    for word in said.thought:
        yield _chunk(said, [{"text": word, "thought": True}])
    if said.calls:
        yield _chunk(said, _calls(said))
    for word in said.said:
        yield _chunk(said, [{"text": word}])
    seal = {"thoughtSignature": _signature(said)} if said.thought and not said.calls else {}
    yield _chunk(said, [{"text": "", **seal}], last=True)


def _chunk(said: Turn, parts: list[JsonObject], *, last: bool = False) -> JsonObject:
    candidate: JsonObject = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if last:
        candidate["finishReason"] = said.ending(stop="STOP", cut="MAX_TOKENS", call="STOP")
    return {
        "candidates": [candidate],
        "usageMetadata": _usage(said, whole=last),
        "modelVersion": said.model,
        "responseId": said.id,
    }


def _usage(said: Turn, *, whole: bool) -> JsonObject:
    """Count the prompt, and with the whole answer what was said and, apart from it, what was thought."""
    details = [{"modality": "TEXT", "tokenCount": said.prompt_tokens}]
    prompt: JsonObject = {"promptTokenCount": said.prompt_tokens, "promptTokensDetails": details}
    if not whole:
        return {**prompt, "totalTokenCount": said.prompt_tokens}
    thought = {"thoughtsTokenCount": len(said.thought)} if said.thought else {}
    spoken = {"candidatesTokenCount": said.completion_tokens - len(said.thought)}
    return {**prompt, **spoken, **thought, "totalTokenCount": said.total_tokens}


def _parts(said: Turn) -> list[JsonObject]:
    parts: list[JsonObject] = [{"text": said.thinking, "thought": True}] if said.thought else []
    if said.calls:
        return [*parts, *_calls(said)]
    seal = {"thoughtSignature": _signature(said)} if said.thought else {}
    return [*parts, {"text": said.text, **seal}]


def _calls(said: Turn) -> list[JsonObject]:
    """Return the calls, which are told apart by their order alone; the first one has the seal."""
    parts: list[JsonObject] = [{"functionCall": {"name": call.name, "args": call.value}} for call in said.calls]
    if said.thought:
        parts[0]["thoughtSignature"] = _signature(said)
    return parts


def _signature(said: Turn) -> str:
    return base64.b64encode(said.signature.encode()).decode()


def _forced_tool(body: JsonObject) -> tuple[str, JsonObject] | None:
    declared = [row for tool in body.get("tools") or () for row in _field(tool, "functionDeclarations") or ()]
    tools = {str(row.get("name")): _field(row, "parametersJsonSchema") or row.get("parameters") for row in declared}
    config = _field(_field(body, "toolConfig") or {}, "functionCallingConfig") or {}
    must = str(config.get("mode")).upper() == "ANY"
    allowed = _field(config, "allowedFunctionNames") or [None]
    return forced(tools, name=allowed[0] if must else None, must=must)


def _field(value: JsonObject, name: str) -> Any:
    """Return a field under its name or, as google-genai sends some, under the one with underscores."""
    return value.get(name, value.get(CAPITAL.sub(lambda found: f"_{found[0].lower()}", name)))


def _positive(value: JsonObject, name: str, *, default: int, most: int = 1_000_000) -> int:
    return positive({name: _field(value, name)}, name, default=default, most=most)


# --- embeddings ---


def _content(body: JsonObject) -> JsonObject:
    content = body.get("content")
    if not isinstance(content, dict):
        raise BadBodyError("EmbedContentRequest.content is missing.", param="content")
    return content


def _embedding(body: JsonObject) -> JsonObject:
    text = " ".join(texts(_content(body)))
    return {"values": vector(text, _size({**(_field(body, "embedContentConfig") or {}), **body}))}


def _size(body: JsonObject) -> int:
    return _positive(body, "outputDimensionality", default=DIMENSIONS, most=MOST_DIMENSIONS)
