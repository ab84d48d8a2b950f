"""Ready-made values for tests: requests, answers, tool calls, streams and errors.

    from aiclient.testutil import MockProvider, fixtures

    provider = MockProvider([fixtures.rate_limited(), fixtures.chat_response("Paris")])

Every function builds a new value, and every argument has a default. The errors are named like the faults that make a
`LoopbackServer` cause them: `fixtures.rate_limited()` is the error, `faults.rate_limited()` what the server plays.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..chunks import ChatStreamChunk, ToolCallDelta
from ..errors import (
    AIClientError,
    AuthenticationError,
    ConnectError,
    OverloadedError,
    Phase,
    RateLimitError,
    ServerError,
    TimeoutError,
)
from ..messages import Message, ToolCall
from ..request import ChatOptions, ChatRequest, EmbeddingRequest, Tool
from ..response import ChatResponse, EmbeddingResponse, Usage

__all__ = [
    "broken_stream",
    "chat_request",
    "chat_response",
    "connection_refused",
    "embedding_request",
    "embedding_response",
    "overloaded",
    "rate_limited",
    "server_error",
    "stream_chunks",
    "timed_out",
    "tool_call",
    "tool_request",
    "tool_response",
    "tool_stream",
    "unauthorized",
    "weather_tool",
]

MODEL = "fixture-model"

# --- requests ---


def chat_request(
    text: str = "Capital of France?",
    *,
    system: str | None = None,
    model: str | None = None,
    options: ChatOptions | None = None,
) -> ChatRequest:
    """Return a request with one user message; `options` win over `model`."""
    messages = [Message("user", text)]
    if system is not None:
        messages.insert(0, Message("system", system))
    return ChatRequest(messages, options or ChatOptions(model=model))


def embedding_request(*texts: str, model: str | None = None, dimensions: int | None = None) -> EmbeddingRequest:
    """Return a request for the vectors of `texts`, or of one word."""
    return EmbeddingRequest(texts or "river", model, dimensions)


def weather_tool(name: str = "get_weather") -> Tool:
    """Return a tool that takes a city."""
    city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return Tool(name, "Say what the weather is like.", city)


def tool_request(text: str = "What is the weather in Bonn?", *tools: Tool) -> ChatRequest:
    """Return a request that offers `tools`, or the one for the weather."""
    return chat_request(text, options=ChatOptions(tools=tools or (weather_tool(),)))


# --- answers ---


def chat_response(
    text: str = "Paris",
    *,
    model: str = MODEL,
    usage: Usage | None = None,
) -> ChatResponse:
    """Return a complete answer; a word counts as a token unless `usage` says otherwise."""
    return ChatResponse(Message("assistant", text), "stop", "stop", usage or _usage(text), "chatcmpl-1", model)


def tool_call(
    name: str = "get_weather",
    arguments: str | Mapping[str, Any] | None = None,
    *,
    id: str = "call_1",
) -> ToolCall:
    """Return a call of the weather tool; `arguments` as text stand as they are, well formed or not."""
    arguments = {"city": "Bonn"} if arguments is None else arguments
    return ToolCall(id, name, arguments if isinstance(arguments, str) else json.dumps(arguments))


def tool_response(*calls: ToolCall, text: str = "", model: str = MODEL) -> ChatResponse:
    """Return an answer that asks for tools: for `calls`, or for the weather."""
    message = Message("assistant", text or None, tool_calls=calls or (tool_call(),))
    return ChatResponse(message, "tool_calls", "tool_calls", _usage(text), "chatcmpl-1", model)


def embedding_response(*vectors: Iterable[float], model: str = MODEL) -> EmbeddingResponse:
    """Return `vectors`, or one of length 1."""
    given = [list(vector) for vector in vectors] or [[0.6, 0.8]]
    return EmbeddingResponse(given, model, usage=Usage(prompt_tokens=len(given), completion_tokens=0))


# --- streams, for MockProvider ---


def stream_chunks(text: str = "Paris is the capital.", *, model: str = MODEL) -> tuple[ChatStreamChunk, ...]:
    """Return a whole stream, word by word: the head, the text, and the end with its usage."""
    head = ChatStreamChunk(id="chatcmpl-1", model=model)
    return (head, *_pieces(text), _last("stop", _usage(text)))


def tool_stream(*calls: ToolCall, model: str = MODEL) -> tuple[ChatStreamChunk, ...]:
    """Return a stream that asks for tools, each call's arguments in two pieces."""
    chunks = [ChatStreamChunk(id="chatcmpl-1", model=model)]
    for index, call in enumerate(calls or (tool_call(),)):
        half = len(call.arguments) // 2
        first = ToolCallDelta(index, call.id, call.name, call.arguments[:half])
        chunks += [ChatStreamChunk(tool_calls=[first])]
        chunks += [ChatStreamChunk(tool_calls=[ToolCallDelta(index, arguments=call.arguments[half:])])]
    return (*chunks, _last("tool_calls", _usage("")))


def broken_stream(
    text: str = "Paris is", error: AIClientError | None = None
) -> tuple[ChatStreamChunk | AIClientError, ...]:
    """Return a stream that fails after `text`, with `error` or a reset connection; an empty text fails at once."""
    return (*_pieces(text), error or ConnectError("the connection was reset", kind="reset"))


def _pieces(text: str) -> list[ChatStreamChunk]:
    words = text.split(" ")
    return [ChatStreamChunk(content=piece) for piece in [f"{word} " for word in words[:-1]] + words[-1:] if piece]


def _last(reason: Any, usage: Usage) -> ChatStreamChunk:
    return ChatStreamChunk(finish_reason=reason, raw_finish_reason=reason, usage=usage, last=True)


def _usage(text: str) -> Usage:
    return Usage(prompt_tokens=4, completion_tokens=len(text.split()) or 1)


# --- errors ---


def rate_limited(retry_after: float | None = 1.0) -> RateLimitError:
    """Return the error of a 429; `retry_after` is what the service asked for, None when it did not."""
    return RateLimitError("Rate limit reached.", status_code=429, retry_after=retry_after, request_id="req_1")


def overloaded(retry_after: float | None = None) -> OverloadedError:
    """Return the error of a 503."""
    return OverloadedError("The service is overloaded.", status_code=503, retry_after=retry_after, request_id="req_1")


def server_error(status: int = 500) -> ServerError:
    """Return the error of a failing service."""
    return ServerError("The server had an error.", status_code=status, request_id="req_1")


def unauthorized() -> AuthenticationError:
    """Return the error of a wrong key."""
    return AuthenticationError("Incorrect API key provided.", status_code=401, request_id="req_1")


def connection_refused() -> ConnectError:
    """Return the error of an address where nobody listens."""
    return ConnectError("nobody listens at 127.0.0.1:9", kind="refused")


def timed_out(phase: Phase = "first_output") -> TimeoutError:
    """Return the error of a time limit; `phase` is what was waited for."""
    return TimeoutError(f"no {phase} in time", phase=phase)
