"""OpenAI's wire for the loopback server: chat completions (plain and streamed), embeddings and models; Azure's paths too.

Everything is a function of the request, so that the same request has the same answer; a token is a word.
Source: api.openai.com's recorded answers.
"""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Iterator

import attrs

from ._exchange import Answer, Dialect, RecordedRequest, Route, bearer, error_answer, json_answer
from ._turns import CREATED, MODELS, Call, Reply, Turn, forced, streamed, turn
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
    tokens,
    vector,
)

__all__ = ["AZURE", "AZURE_PATH", "LIMITS", "embedded", "openai_routes", "read_chat"]

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

AZURE_PATH = "/openai/v1"
AZURE = Dialect(error_answer, lambda request, key: request.headers.get("api-key") == key or bearer(request, key))
"""Azure OpenAI takes its key in a header of its own, and Entra's tokens in the usual one."""


def openai_routes(reply: Reply) -> list[Route]:
    """Return the routes under `/v1`, and the same under Azure's paths."""
    chatting, embedding = checked(functools.partial(chat, reply)), checked(embeddings)
    return [
        Route("POST", "/v1/chat/completions", chatting),
        Route("POST", "/v1/embeddings", embedding),
        Route("GET", "/v1/models", models),
        Route("GET", "/v1/models/*", lambda request: json_answer(_model(request.path.rpartition("/")[2]))),
        *(
            Route("POST", f"{root}/{name}", handler, dialect=AZURE)
            for root in (AZURE_PATH, "/openai/deployments/*")
            for name, handler in (("chat/completions", chatting), ("embeddings", embedding))
        ),
    ]


def chat(reply: Reply, body: JsonObject, request: RecordedRequest) -> Answer:
    """Answer a chat completion."""
    said = read_chat(reply, body, request)
    count = positive(body, "n", default=1, most=MOST_CHOICES)
    usage_wanted = bool((body.get("stream_options") or {}).get("include_usage"))
    return _answer(said, count, stream=bool(body.get("stream")), usage_wanted=usage_wanted)


def read_chat(reply: Reply, body: JsonObject, request: RecordedRequest, *, thinks: bool = False) -> Turn:
    """Let the model answer the request of a chat completion."""
    messages = objects(body, "messages")
    return turn(
        reply,
        messages,
        request,
        model=str(body.get("model", "loopback")),
        prompt=tokens(messages),
        limit=positive(body, "max_completion_tokens", default=positive(body, "max_tokens", default=0)) or None,
        tool=_forced_tool(body),
        thinks=thinks,
    )


def embeddings(body: JsonObject, _: RecordedRequest) -> Answer:
    """Answer with one vector per text."""
    return json_answer(embedded(body), headers=LIMITS)


def embedded(body: JsonObject, *, size: str = "dimensions") -> JsonObject:
    """Return a list of vectors: each a function of the text alone, of length 1."""
    given = body.get("input")
    given = [given] if isinstance(given, str) else given
    if not isinstance(given, list) or not given:
        raise BadBodyError("'input' must be a text or a list of them, and not empty.", param="input")
    inputs = [text if isinstance(text, str) else json.dumps(text) for text in given]  # lists of token numbers
    length = positive(body, size, default=DIMENSIONS, most=MOST_DIMENSIONS)
    as_base64 = body.get("encoding_format") == "base64"
    vectors = [
        base64.b64encode(packed_vector(text, length)).decode() if as_base64 else vector(text, length) for text in inputs
    ]
    data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
    usage = {"prompt_tokens": tokens(inputs), "total_tokens": tokens(inputs)}
    return {"object": "list", "data": data, "model": str(body.get("model", "loopback")), "usage": usage}


def models(_: RecordedRequest) -> Answer:
    """List the models."""
    return json_answer({"object": "list", "data": [_model(name) for name in MODELS]}, headers=LIMITS)


def _model(name: str) -> JsonObject:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "aiclient"}


@functools.lru_cache(maxsize=64)
def _answer(said: Turn, count: int, *, stream: bool, usage_wanted: bool) -> Answer:
    """Render an answer; a storm's requests differ in nothing that shows, so that theirs is rendered once."""
    completion = _Completion(said, _choice(said), count)
    if not stream:
        return json_answer(completion.whole(), headers=LIMITS)
    return streamed(said, completion.events(usage_wanted=usage_wanted), EVENT_STREAM)


@attrs.frozen
class Choice:
    """One choice of a chat answer, whole and in pieces."""

    message: JsonObject
    deltas: list[JsonObject]
    finish_reason: str


@attrs.frozen
class _Completion:
    """An answer with `count` choices, all alike."""

    said: Turn
    choice: Choice
    count: int

    def whole(self) -> JsonObject:
        """Return the answer that is not streamed."""
        choice = {"message": self.choice.message, "logprobs": None, "finish_reason": self.choice.finish_reason}
        rows = [{"index": i, **choice} for i in range(self.count)]
        return self._object("chat.completion", rows) | {"usage": self.usage()}

    def events(self, *, usage_wanted: bool) -> Iterator[bytes]:
        """Return the stream, one SSE event per item, the choices' pieces taking turns."""
        # with the option every chunk has the field, and the last one the value and no choices
        without = {"usage": None} if usage_wanted else {}
        for row in self._rows():
            yield sse(self._object("chat.completion.chunk", [row]) | without)
        if usage_wanted:
            yield sse(self._object("chat.completion.chunk", []) | {"usage": self.usage()})
        yield b"data: [DONE]\n\n"

    def usage(self) -> JsonObject:
        """Count words as tokens, the prompt once and every choice."""
        completion_tokens = self.count * self.said.completion_tokens
        return {
            "prompt_tokens": self.said.prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": self.said.prompt_tokens + completion_tokens,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        }

    def _rows(self) -> Iterator[JsonObject]:
        for delta in self.choice.deltas:
            for i in range(self.count):
                yield {"index": i, "delta": delta, "logprobs": None, "finish_reason": None}
        for i in range(self.count):
            yield {"index": i, "delta": {}, "logprobs": None, "finish_reason": self.choice.finish_reason}

    def _object(self, kind: str, rows: list[JsonObject]) -> JsonObject:
        return {
            "id": f"chatcmpl-{self.said.id}",
            "object": kind,
            "created": CREATED,
            "model": self.said.model,
            "system_fingerprint": "fp_loopback",
            "choices": rows,
        }


def _choice(said: Turn) -> Choice:
    ending = said.ending(stop="stop", cut="length", call="tool_calls")
    if not said.calls:
        message: JsonObject = {"role": "assistant", "content": said.text, "refusal": None, "annotations": []}
        first: JsonObject = {"role": "assistant", "content": "", "refusal": None}
        return Choice(message, [first, *({"content": word} for word in said.said)], ending)
    calls = [_call(call, call.arguments) for call in said.calls]
    message = {"role": "assistant", "content": None, "refusal": None, "tool_calls": calls}
    deltas: list[JsonObject] = []
    for index, call in enumerate(said.calls):
        deltas.append({"tool_calls": [{"index": index, **_call(call, "")}]})
        deltas += [{"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in call.pieces]
    deltas[0] = {"role": "assistant", "content": None, **deltas[0]}
    return Choice(message, deltas, ending)


def _call(call: Call, arguments: str) -> JsonObject:
    return {"id": f"call_{call.id}", "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _forced_tool(body: JsonObject) -> tuple[str, JsonObject] | None:
    functions = [tool["function"] for tool in body.get("tools") or () if "function" in tool]
    tools = {str(function.get("name")): function.get("parameters") for function in functions}
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        return forced(tools, name=str((choice.get("function") or {}).get("name")))
    return forced(tools, must=choice in ("required", "any"))  # `any` is Mistral's word
