"""Amazon Bedrock's wire for the loopback server: Converse, ConverseStream over AWS event streams, and CountTokens.

Amazon Bedrock Runtime API reference, 2023-09-30, and the recorded answers. A request is let in with its key as a bearer, or
signed with it as its access key's id; a signature itself is not checked.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from urllib.parse import unquote

from ..wire.eventstream import encode_message
from ._exchange import Answer, Dialect, RecordedRequest, Route, bearer, json_answer, json_bytes, usual_message
from ._turns import Call, Reply, Turn, forced, streamed, turn
from ._wire import JsonObject, checked, objects, positive, tokens

__all__ = ["BEDROCK", "bedrock_routes"]

ID_HEADER = "x-amzn-requestid"
EVENT_STREAM = {"content-type": "application/vnd.amazon.eventstream"}

EXCEPTIONS = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}


def refuse(status: int, message: str | None = None, *, param: str | None = None, code: str | None = None) -> Answer:
    """Answer with an error of AWS's: its name is in a header, with an address behind it; `code` is another name."""
    del param
    usual = EXCEPTIONS.get(status) or ("InternalServerException" if status >= 500 else "ValidationException")
    name = code if code and code.endswith("Exception") else usual
    kind = {"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"}
    body = {"message": message or usual_message(status)}
    return json_answer(body, status=status, headers=kind, id_header=ID_HEADER)


def signed(request: RecordedRequest, key: str) -> bool:
    """Say whether the request carries the key, or names it in a signature."""
    authorization = request.headers.get("authorization", "")
    return bearer(request, key) or authorization.startswith(f"AWS4-HMAC-SHA256 Credential={key}/")


NOT_KNOWN = "The security token included in the request is invalid."
BEDROCK = Dialect(refuse, signed, refuse(403, NOT_KNOWN, code="UnrecognizedClientException"))


def bedrock_routes(reply: Reply) -> list[Route]:
    """Return the routes under `/model`."""
    handlers: dict[str, Callable[[JsonObject, RecordedRequest], Answer]] = {
        "converse": functools.partial(converse, reply, stream=False),
        "converse-stream": functools.partial(converse, reply, stream=True),
        "count-tokens": count_tokens,
    }
    return [
        Route("POST", f"/model/*/{name}", checked(handler, BEDROCK), dialect=BEDROCK)
        for name, handler in handlers.items()
    ]


def converse(reply: Reply, body: JsonObject, request: RecordedRequest, *, stream: bool) -> Answer:
    """Answer a conversation."""
    messages = objects(body, "messages")
    fields = body.get("additionalModelRequestFields") or {}
    thinking = fields.get("thinking") or fields.get("reasoning_config") or {}
    said = turn(
        reply,
        messages,
        request,
        model=unquote(request.path.split("/")[2]),
        prompt=tokens(body.get("system"), messages),
        limit=positive(body.get("inferenceConfig") or {}, "maxTokens", default=0) or None,
        tool=_forced_tool(body.get("toolConfig") or {}),
        thinks=thinking.get("type") in ("enabled", "adaptive"),
    )
    return _answer(said, stream=stream)


def count_tokens(body: JsonObject, _: RecordedRequest) -> Answer:
    """Answer with the number of a request's tokens."""
    asked = (body.get("input") or {}).get("converse") or {}
    counted = tokens(asked.get("system"), objects(asked, "messages"))
    return json_answer({"inputTokens": counted}, id_header=ID_HEADER)


@functools.lru_cache(maxsize=64)
def _answer(said: Turn, *, stream: bool) -> Answer:
    if stream:
        return streamed(said, _events(said), EVENT_STREAM, id_header=ID_HEADER)
    message = {"role": "assistant", "content": _blocks(said)}
    answer = {"output": {"message": message}, "stopReason": _reason(said), **_closing(said)}
    return json_answer(answer, id_header=ID_HEADER)


def _reason(said: Turn) -> str:
    return said.ending(stop="end_turn", cut="max_tokens", call="tool_use")


def _closing(said: Turn) -> JsonObject:
    counts = {"inputTokens": said.prompt_tokens, "outputTokens": said.completion_tokens}
    return {"usage": {**counts, "totalTokens": said.total_tokens}, "metrics": {"latencyMs": 1}}


def _blocks(said: Turn) -> list[JsonObject]:
    reasoning = {"reasoningText": {"text": said.thinking, "signature": said.signature}}
    blocks: list[JsonObject] = [{"reasoningContent": reasoning}] if said.thought else []
    blocks += [{"toolUse": {**_use(call), "input": call.value}} for call in said.calls]
    if not said.calls:
        blocks.append({"text": said.text})
    return blocks


def _use(call: Call) -> JsonObject:
    return {"toolUseId": f"tooluse_{call.id}", "name": call.name}


def _events(said: Turn) -> Iterator[bytes]:
    yield _event("messageStart", role="assistant")
    for index, (start, deltas) in enumerate(_streamed_blocks(said)):
        if start:
            yield _event("contentBlockStart", contentBlockIndex=index, start=start)
        for delta in deltas:
            yield _event("contentBlockDelta", contentBlockIndex=index, delta=delta)
        yield _event("contentBlockStop", contentBlockIndex=index)
    yield _event("messageStop", stopReason=_reason(said))
    yield _event("metadata", **_closing(said))


def _streamed_blocks(said: Turn) -> Iterator[tuple[JsonObject | None, list[JsonObject]]]:
    """Yield how each block starts, which only those of tools do with an event, and what is added to it."""
    if said.thought:
        pieces: list[JsonObject] = [{"reasoningContent": {"text": word}} for word in said.thought]
        yield None, [*pieces, {"reasoningContent": {"signature": said.signature}}]
    for call in said.calls:
        yield {"toolUse": _use(call)}, [{"toolUse": {"input": piece}} for piece in call.pieces]
    if not said.calls:
        yield None, [{"text": word} for word in said.said]


def _event(kind: str, **fields: object) -> bytes:
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return encode_message(headers, json_bytes({**fields, "p": "abcdefgh"}))  # `p` is padding: sizes tell nothing


def _forced_tool(config: JsonObject) -> tuple[str, JsonObject] | None:
    specs = [tool["toolSpec"] for tool in config.get("tools") or () if "toolSpec" in tool]
    tools = {str(spec.get("name")): (spec.get("inputSchema") or {}).get("json") for spec in specs}
    choice = config.get("toolChoice") or {}
    named = str(choice["tool"].get("name")) if choice.get("tool") else None
    return forced(tools, name=named, must="any" in choice)
