"""The same short answer in three vendors' streams, cut into the pieces between which something can go wrong."""

from __future__ import annotations

import json

from attrs import frozen

from aiclient.http import HTTP
from aiclient.providers import AnthropicProvider, GeminiProvider, OpenAIProvider

KEY = "sk-planted-1f0e9d8c7b6a"
MODEL = "m-1"


def event(value, name=None):
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(value)}\n\n".encode()


@frozen
class Wire:
    """One vendor's stream of an answer whose text is `Hel` and `lo`.

    Args:
        provider: Makes a provider that sends to a URL.
        preamble: What comes before the first output.
        first: The event with `Hel`.
        second: The event with `lo`.
        end: What says that the answer is complete, with its usage.
        failed: An error in the place of an event, of the kind that a busy service sends.
        whole: The same answer in one piece.
    """

    name: str
    provider: object
    preamble: bytes
    first: bytes
    second: bytes
    end: bytes
    failed: bytes
    whole: bytes

    @property
    def stream(self):
        return self.preamble + self.first + self.second + self.end

    def make(self, url, *, verify=None, **options):
        provider = self.provider(url, options)
        if verify is not None:  # a service with a certificate of ours; users hand in a client for that
            provider._http = HTTP(verify=verify)
        return provider


def _openai_delta(delta, finish_reason=None):
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return event({"id": "r1", "object": "chat.completion.chunk", "model": MODEL, "choices": [choice]})


USED = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}

OPENAI = Wire(
    "openai",
    lambda url, options: OpenAIProvider(KEY, base_url=f"{url}/v1", model=MODEL, **options),
    _openai_delta({"role": "assistant", "content": ""}),
    _openai_delta({"content": "Hel"}),
    _openai_delta({"content": "lo"}),
    _openai_delta({}, "stop") + event({"id": "r1", "choices": [], "usage": USED}) + b"data: [DONE]\n\n",
    event({"error": {"message": "The engine is overloaded.", "type": "server_error", "code": "overloaded"}}),
    json.dumps(
        {
            "id": "r1",
            "object": "chat.completion",
            "model": MODEL,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
            "usage": USED,
        }
    ).encode(),
)


def _anthropic_event(kind, **fields):
    return event({"type": kind, **fields}, kind)


def _anthropic_text(text):
    return _anthropic_event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


_MESSAGE = {"id": "r1", "type": "message", "role": "assistant", "model": MODEL}

ANTHROPIC = Wire(
    "anthropic",
    lambda url, options: AnthropicProvider(KEY, base_url=url, model=MODEL, **options),
    _anthropic_event("message_start", message={**_MESSAGE, "content": [], "usage": {"input_tokens": 3}})
    + _anthropic_event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    + _anthropic_event("ping"),
    _anthropic_text("Hel"),
    _anthropic_text("lo"),
    _anthropic_event("content_block_stop", index=0)
    + _anthropic_event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 2})
    + _anthropic_event("message_stop"),
    _anthropic_event("error", error={"type": "overloaded_error", "message": "Overloaded"}),
    json.dumps(
        {
            **_MESSAGE,
            "content": [{"type": "text", "text": "Hello"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 3, "output_tokens": 2},
        }
    ).encode(),
)


def _gemini_text(text, **fields):
    candidate = {"index": 0, "content": {"role": "model", "parts": [{"text": text}]}, **fields}
    return {"responseId": "r1", "modelVersion": MODEL, "candidates": [candidate]}


_METADATA = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}

GEMINI = Wire(
    "gemini",
    lambda url, options: GeminiProvider(KEY, base_url=f"{url}/v1beta", model=MODEL, **options),
    event({"responseId": "r1", "modelVersion": MODEL, "usageMetadata": {"promptTokenCount": 3}}),
    event(_gemini_text("Hel")),
    event(_gemini_text("lo")),
    event({**_gemini_text("", finishReason="STOP"), "usageMetadata": _METADATA}),
    event({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}),
    json.dumps({**_gemini_text("Hello", finishReason="STOP"), "usageMetadata": _METADATA}).encode(),
)

WIRES = (OPENAI, ANTHROPIC, GEMINI)
