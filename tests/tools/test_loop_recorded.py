"""Recorded tool exchanges, driven through the loop: the request that it makes of a recorded answer, and of the recorded results
of its tools, means the same as the recorded next request, and follows the vendor's schema where one is published.

The recordings lie beside the project; without them these tests are skipped.
"""

from __future__ import annotations

import collections
import contextlib
import gzip
import itertools
import json
import pathlib
import sys
from typing import NamedTuple

import httpx
import pytest

from aiclient import AIClientError, ChatOptions, ChatRequest, FunctionTool, Message, ToolError
from aiclient.tools.loop import ToolLoop

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import conformance

pytestmark = pytest.mark.anyio

SHARED = pathlib.Path(__file__).parents[3] / "shared"


class Pair(NamedTuple):
    first: dict  # the record whose answer asks for tools
    second: dict  # the next request
    said: list  # what that one adds to the conversation


# --- what a conversation means, in each protocol ---


def chat(messages):
    for message in messages:
        role, content = message["role"], message.get("content")
        if role == "tool":
            yield "result", message["tool_call_id"], texts(content)
            continue
        if texts(content).strip():
            yield role, texts(content)
        for call in message.get("tool_calls") or ():
            yield "call", call["id"], call["function"]["name"], arguments(call["function"].get("arguments"))


def texts(content):
    if isinstance(content, list):
        return "".join(str(item.get("text", "")) if isinstance(item, dict) else item for item in content)
    return content or ""


def arguments(value):
    try:
        return json.loads(value or "{}") if isinstance(value, str) else value or {}
    except ValueError:
        return value


def anthropic(messages):
    for message in messages:
        blocks = message["content"]
        for block in [{"type": "text", "text": blocks}] if isinstance(blocks, str) else blocks:
            match block["type"]:
                case "text":
                    yield message["role"], block["text"].strip()
                case "tool_use":
                    yield "call", block["id"], block["name"], block["input"]
                case "tool_result":
                    yield "result", block["tool_use_id"], texts(block.get("content"))
                case "thinking":
                    yield "sealed", block["signature"]
                case other:
                    yield other, block.get("data") or block.get("id")


def responses(items):
    for item in items:
        match item.get("type", "message"):
            case "message" if texts(item.get("content")).strip():
                yield item["role"], texts(item.get("content"))
            case "reasoning":
                if item.get("encrypted_content"):
                    yield "sealed", item["encrypted_content"]
            case "function_call":
                yield "call", item["call_id"], item["name"], arguments(item["arguments"])
            case "function_call_output":
                yield "result", item["call_id"], texts(item["output"])
            case "message":
                pass
            case other:
                yield other, item.get("id")


def gemini(contents):
    for content in contents:
        for part in content["parts"]:
            if part.get("thoughtSignature"):
                yield "sealed", part["thoughtSignature"]
            if "functionCall" in part:
                yield "call", part["functionCall"]["name"], part["functionCall"].get("args") or {}
            elif "functionResponse" in part:
                yield "result", part["functionResponse"]["name"], part["functionResponse"]["response"]
            elif part.get("text", "").strip() and not part.get("thought"):
                yield content.get("role", "user"), part["text"]


def converse(messages):
    for message in messages:
        for block in message["content"]:
            if "toolUse" in block:
                yield "call", block["toolUse"]["toolUseId"], block["toolUse"]["name"], block["toolUse"]["input"]
            elif "toolResult" in block:
                yield "result", block["toolResult"]["toolUseId"], converse_text(block["toolResult"]["content"])
            elif "reasoningContent" in block:
                yield "sealed", block["reasoningContent"].get("reasoningText", {}).get("signature")
            elif block.get("text", "").strip():
                yield message["role"], block["text"]


def converse_text(content):
    return "".join(item["text"] if "text" in item else json.dumps(item.get("json"), sort_keys=True) for item in content)


def cohere(messages):
    for message in messages:
        if message["role"] == "tool":
            yield "result", message["tool_call_id"], texts(message["content"])
            continue
        if said := texts(message.get("content")) or message.get("tool_plan"):
            yield message["role"], said
        for call in message.get("tool_calls") or ():
            yield "call", call["id"], call["function"]["name"], arguments(call["function"]["arguments"])


MEANINGS = {
    "anthropic": ("messages", anthropic),
    "responses": ("input", responses),
    "generate": ("contents", gemini),
    "stream": ("contents", gemini),
    "converse": ("messages", converse),
    "converse_stream": ("messages", converse),
    "chat_v2": ("messages", cohere),
    "messages": ("messages", anthropic),
    "anthropic_messages": ("messages", anthropic),
    "chat": ("messages", chat),
    "openai_chat": ("messages", chat),
}

FEWEST = {  # how many pairs of each there must be, so that a change cannot leave them out in silence
    "openai.chat": 91,
    "openai.responses": 27,
    "anthropic.messages": 62,
    "google.generate": 56,
    "vertex.generate": 8,
    "bedrock.converse": 23,
    "mistral.chat": 8,
    "cohere.chat_v2": 10,
    "azure.chat": 13,
    "groq.chat": 5,
    "deepseek.chat": 7,
    "xai.chat": 7,
    "openrouter.chat": 29,
    "google.stream": 11,
}

ODD = {  # what the recording client sent there is not what it was answered
    "3388b8a86b7d": "it gave the call another id",
    "385a72c3e51b": "it took the arguments out of their object",
    "59df8ea60b97": "it took the arguments out of their object",
    "091c5ec1eae7": "it sent an empty text",
    "1d0f7b591ad1": "it put the seal of the first call on the second too",
    "6fec69b74fd6": "it put the seal of the first call on the second too",
    "ea68af6b49e1": "it put the seal of the first call on the second too",
    "a68b8ac7aedd": "it made a seal of its own",
}

SCHEMAS = {
    "openai.chat": "openai",
    "openai.responses": "openai",
    "anthropic.messages": "anthropic",
    "google.generate": "gemini",
    "vertex.generate": "vertex",
    "bedrock.converse": "bedrock",
    "mistral.chat": "mistral",
}


def recorded(api):
    path = SHARED / "wire" / f"{api}.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"no recordings of {api} beside the project")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def pairs(api):
    """Yield answers that ask for tools, each with the next request of the same conversation."""
    field, meaning = MEANINGS[api.partition(".")[2]]
    files = collections.defaultdict(list)
    for record in recorded(api):
        files[record["source"]["repo"], record["source"]["path"]].append(record)
    for records in files.values():
        records.sort(key=lambda record: record["source"]["index"])
        for first, second in itertools.pairwise(records):
            before, after = ((record["request"].get("json") or {}).get(field) for record in (first, second))
            if not (isinstance(before, list) and isinstance(after, list) and first["expected"]):
                continue
            if not first["expected"].get("tool_calls") or after[: len(before)] != before or len(after) == len(before):
                continue
            said = after[len(before) :]
            if follows(list(meaning(said)), len(first["expected"]["tool_calls"])) and is_text(said):
                yield Pair(first, second, said)


def follows(meaning, calls):
    """Whether an answer and the results of all its calls were added, and nothing else."""
    kinds = [kind for kind, *_ in meaning]
    return kinds.count("call") == calls == kinds.count("result") and kinds[-1] == "result" and "user" not in kinds


def is_text(said):
    """Whether all is text, as it was; media in results go another way (`test_portability`), and some ids were scrubbed."""
    return not any(
        word in json.dumps(said) for word in ("image", "inlineData", "document", "fileData", "elided", "scrubbed")
    )


class Recorded(FunctionTool):
    """A tool that gives what was recorded."""

    def __init__(self, name, results):
        super().__init__(nothing, name=name)
        self._results = results

    async def call(self, arguments=""):
        result = self._results.pop(0)
        if result[0] == "failed":
            raise ToolError(result[1])
        return result[1]


def nothing():
    """Do nothing."""


def results_of(pair, meaning):
    """Return what each tool gave, in the order of the calls."""
    found = list(meaning(pair.said))
    names = {call[1]: call[-2] for call in found if call[0] == "call"}
    results = collections.defaultdict(list)
    failed = failures(pair.said)
    for _, which, value in (one for one in found if one[0] == "result"):
        text = value if isinstance(value, str) else json.dumps(value)
        results[names[which]].append(("failed" if which in failed else "ok", text))
    return results


def failures(said):
    """The ids of the results that say that the tool failed."""
    ids = set()
    for message in said:
        for block in message["content"] if isinstance(message.get("content"), list) else ():
            if isinstance(block, dict) and block.get("is_error"):
                ids.add(block["tool_use_id"])
            if isinstance(block, dict) and block.get("toolResult", {}).get("status") == "error":
                ids.add(block["toolResult"]["toolUseId"])
    return ids


async def next_request(pair, meaning, stream):
    """Drive the recorded answer through the loop; return the request that follows it."""
    sent = []

    def answer(request):
        sent.append(request)
        response = (pair.first if len(sent) == 1 else pair.second)["response"]
        content = conformance.body(pair.first if len(sent) == 1 else pair.second)
        return httpx.Response(response["status"], headers=response["headers"], content=content)

    tools = [Recorded(name, results) for name, results in results_of(pair, meaning).items()]
    loop = ToolLoop(tools, max_rounds=2, stop_when=lambda run: len(run.rounds) > 1, max_repeats=99)
    request = ChatRequest([Message("user", "?")], ChatOptions(model=conformance.model_of(pair.first)))
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        service = conformance.provider(pair.first, http_client=client)
        with contextlib.suppress(AIClientError):  # what became of the second answer is not asked here
            async for _ in loop.events(service, request, stream=stream):
                pass
    return sent[1]


def settled(meaning, said):
    """Bring to one form what is written in several: seals in either alphabet of base64, results of Google's as texts."""
    found = []
    for kind, *rest in meaning(said):
        if kind == "sealed":
            rest = [rest[0].replace("-", "+").replace("_", "/")]
        if kind == "result" and isinstance(rest[-1], dict) and len(rest[-1]) == 1:
            (value,) = rest[-1].values()
            rest[-1] = value if isinstance(value, str) else json.dumps(value)
        found.append((kind, *rest))
    return found


def told_by_both(ours, recorded):
    """Leave out of ours what the recording client dropped of the answer: its words beside the calls, and seals."""
    kinds = {kind for kind, *_ in recorded}
    return [one for one in ours if one[0] in kinds or one[0] not in ("assistant", "model", "sealed")]


@pytest.mark.parametrize("api", FEWEST)
async def test_the_next_request_means_what_the_recorded_one_means(api):
    field, meaning = MEANINGS[api.partition(".")[2]]
    found = list(pairs(api))
    for pair in found:
        request = await next_request(pair, meaning, pair.first["stream"])
        ours = json.loads(request.content)[field]
        start = next(n for n, one in enumerate(ours) if one.get("role") != "system") + 1
        said = settled(meaning, pair.said)
        same = told_by_both(settled(meaning, ours[start:]), said) == said
        assert same != (pair.first["id"] in ODD), (pair.first["id"], pair.second["id"])
    assert len(found) >= FEWEST[api]


@pytest.mark.slow
@pytest.mark.parametrize("api", SCHEMAS)
async def test_the_next_request_follows_the_vendors_schema(api, validate):
    _, meaning = MEANINGS[api.partition(".")[2]]
    for pair in list(pairs(api))[::4]:
        request = await next_request(pair, meaning, pair.first["stream"])
        body = json.loads(request.content)
        assert validate("POST", str(request.url), dict(request.headers), body, protocol=SCHEMAS[api]) == []
