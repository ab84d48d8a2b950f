"""Recorded requests as our own, with the input tokens that the service counted: what the token estimate is held against.

Only requests whose tokens are of text: no media, no tools of the service's own, no conversation that the service keeps.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from aiclient.messages import Message, TextPart, ToolCall, ToolResultPart
from aiclient.request import ChatOptions, ChatRequest, ResponseFormat, Tool

RECORDINGS = Path(__file__).parents[2] / "shared" / "wire"

SKIPPED = frozenset(
    {
        "audio_input",
        "builtin_tools",
        "document_input",
        "error",
        "image_input",
        "legacy_function_call",
        "server_tool_result",
        "thinking_in_request",
        "video_input",
    }
)
"""Features of recordings whose tokens are not of text, or not all sent."""


READERS_OF_ANTHROPIC = frozenset({"messages", "anthropic_messages", "converse", "converse_stream"})


class Counted(NamedTuple):
    request: ChatRequest
    model: str
    tokens: int
    held_out: bool


class Unreadable(Exception):
    """A request with something in it that is no text."""


def counted():
    """Every recording that can be compared, different ones once; a third of the files is held out of the calibration."""
    seen = {(each.model, each.tokens, str(each.request.to_dict())): each for each in _all()}
    return list(seen.values())


def _all():
    for path in sorted(RECORDINGS.glob("*.jsonl.gz")):
        read = READERS.get(path.name.removesuffix(".jsonl.gz").partition(".")[2])
        if read is not None:
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                yield from filter(None, (compared(json.loads(line), read) for line in lines))


def compared(record, read):
    usage = (record.get("expected") or {}).get("usage") or {}
    sent = record["request"].get("json")
    if not isinstance(sent, dict) or not usage.get("input") or SKIPPED & set(record["features"]):
        return None
    if record["request"].get("elided") or record["vendor"] == "perplexity":  # it adds what it has searched for
        return None
    tokens = usage["input"]
    if READERS_OF_ANTHROPIC & {record["api"].partition(".")[2]}:  # their counting leaves out what the cache holds
        tokens += (usage.get("cache_read") or 0) + (usage.get("cache_write") or 0)
    try:
        request = read(sent)
    except (Unreadable, KeyError, TypeError, AttributeError):
        return None
    model = sent.get("model") or unquote(urlsplit(record["request"]["url"]).path)
    source = record["source"]
    third = hashlib.sha256((source["repo"] + source["path"]).encode()).digest()[0] % 3
    return Counted(request, model, int(tokens), third == 0)


def text_of(content):
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    pieces = []
    for part in content:
        if isinstance(part, str):
            pieces.append(part)
        elif set(part) - {"type", "text", "cache_control", "annotations", "logprobs", "cachePoint", "citations"}:
            raise Unreadable
        else:
            pieces.append(part.get("text", ""))
    return "".join(pieces)


def openai_chat(sent):
    if sent.get("plugins") or sent.get("web_search_options"):
        raise Unreadable
    messages = []
    for item in sent["messages"]:
        role, text = item["role"], text_of(item.get("content"))
        parts = [TextPart(text)] if text else []
        if item.get("reasoning_content") or item.get("reasoning") or item.get("audio") or item.get("reasoning_details"):
            raise Unreadable
        if role == "tool":
            messages.append(Message("tool", [ToolResultPart(item.get("tool_call_id") or "c", [TextPart(text)])]))
            continue
        for call in item.get("tool_calls") or ():
            arguments = call["function"]["arguments"]
            told = arguments if isinstance(arguments, str) else json.dumps(arguments)
            parts.append(ToolCall(call.get("id") or "c", call["function"]["name"], told))
        role = {"developer": "system"}.get(role, role)
        messages.append(Message(role, parts or [TextPart("")]))
    tools = [
        Tool(t["function"]["name"], t["function"].get("description") or "", t["function"].get("parameters") or {})
        for t in sent.get("tools") or ()
    ]
    wanted = sent.get("response_format") or {}
    schema = (wanted.get("json_schema") or {}).get("schema") if wanted.get("type") == "json_schema" else None
    return made(messages, tools, schema)


def responses(sent):
    if sent.get("previous_response_id") or sent.get("conversation") or sent.get("prompt"):
        raise Unreadable
    messages = [Message("system", sent["instructions"])] if sent.get("instructions") else []
    given = sent["input"]
    for item in [{"role": "user", "content": given}] if isinstance(given, str) else given:
        kind = item.get("type", "message")
        if kind == "function_call":
            messages.append(Message("assistant", [ToolCall(item["call_id"], item["name"], item["arguments"])]))
        elif kind == "function_call_output":
            messages.append(Message("tool", [ToolResultPart(item["call_id"], [TextPart(text_of(item["output"]))])]))
        elif kind == "message":
            role = {"developer": "system"}.get(item["role"], item["role"])
            messages.append(Message(role, text_of(item["content"])))
        else:
            raise Unreadable
    if any(tool.get("type") != "function" for tool in sent.get("tools") or ()):
        raise Unreadable
    tools = [Tool(t["name"], t.get("description") or "", t.get("parameters") or {}) for t in sent.get("tools") or ()]
    wanted = (sent.get("text") or {}).get("format") or {}
    return made(messages, tools, wanted.get("schema") if wanted.get("type") == "json_schema" else None)


def anthropic(sent):
    if {"mcp_servers", "container", "context_management", "thinking"} & set(sent):
        raise Unreadable
    messages = [Message("system", text_of(sent["system"]))] if sent.get("system") else []
    for item in sent["messages"]:
        content = item["content"]
        parts = []
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            if part["type"] == "text":
                parts.append(TextPart(part["text"]))
            elif part["type"] == "tool_use":
                parts.append(ToolCall(part["id"], part["name"], json.dumps(part["input"])))
            elif part["type"] == "tool_result":
                parts.append(ToolResultPart(part["tool_use_id"], [TextPart(text_of(part.get("content")))]))
            else:
                raise Unreadable
        messages.append(Message(item["role"], parts))
    if any("input_schema" not in tool for tool in sent.get("tools") or ()):
        raise Unreadable
    tools = [Tool(t["name"], t.get("description") or "", t["input_schema"]) for t in sent.get("tools") or ()]
    wanted = (sent.get("output_config") or {}).get("format") or sent.get("output_format") or {}
    return made(messages, tools, wanted.get("schema"))


def gemini(sent):
    if sent.get("cachedContent"):
        raise Unreadable
    messages = []
    system = sent.get("systemInstruction") or sent.get("system_instruction")
    if system:
        messages.append(Message("system", gemini_parts(system)))
    messages += [Message({"model": "assistant"}.get(c.get("role"), "user"), gemini_parts(c)) for c in sent["contents"]]
    tools = []
    for tool in sent.get("tools") or ():
        declared = tool.get("functionDeclarations") or tool.get("function_declarations")
        if declared is None:
            raise Unreadable
        for t in declared:
            schema = t.get("parameters") or t.get("parametersJsonSchema") or t.get("parameters_json_schema") or {}
            tools.append(Tool(t["name"], t.get("description") or "", schema))
    config = sent.get("generationConfig") or {}
    return made(messages, tools, config.get("responseJsonSchema") or config.get("responseSchema"))


def gemini_parts(content):
    parts = []
    for part in content["parts"]:
        if "text" in part:
            if part.get("thought"):
                raise Unreadable
            parts.append(TextPart(part["text"]))
        elif "functionCall" in part:
            call = part["functionCall"]
            parts.append(ToolCall("c", call["name"], json.dumps(call.get("args") or {})))
        elif "functionResponse" in part:
            parts.append(ToolResultPart("c", [TextPart(json.dumps(part["functionResponse"]["response"]))]))
        else:
            raise Unreadable
    return parts


def converse(sent):
    messages = [Message("system", text_of(sent["system"]))] if sent.get("system") else []
    for item in sent["messages"]:
        parts = []
        for part in item["content"]:
            if "text" in part:
                parts.append(TextPart(part["text"]))
            elif "toolUse" in part:
                parts.append(ToolCall("c", part["toolUse"]["name"], json.dumps(part["toolUse"]["input"])))
            elif "toolResult" in part:
                told = [p["text"] if "text" in p else json.dumps(p["json"]) for p in part["toolResult"]["content"]]
                parts.append(ToolResultPart("c", [TextPart("".join(told))]))
            elif "cachePoint" not in part:
                raise Unreadable
        messages.append(Message(item["role"], parts))
    tools = []
    for tool in (sent.get("toolConfig") or {}).get("tools") or ():
        if "cachePoint" not in tool:
            t = tool["toolSpec"]
            tools.append(Tool(t["name"], t.get("description") or "", t["inputSchema"]["json"]))
    if sent.get("outputConfig"):
        raise Unreadable
    return made(messages, tools, None)


def made(messages, tools, schema):
    options = ChatOptions(tools=tools, response_format=ResponseFormat.of(schema) if schema else None)
    return ChatRequest(messages, options)


READERS = {
    "chat": openai_chat,
    "chat_v2": openai_chat,
    "openai_chat": openai_chat,
    "responses": responses,
    "responses_input_tokens": responses,
    "messages": anthropic,
    "anthropic_messages": anthropic,
    "count_tokens": lambda sent: (
        anthropic(sent) if "messages" in sent else gemini(sent.get("generateContentRequest", sent))
    ),
    "generate": gemini,
    "stream": gemini,
    "stream_json": gemini,
    "converse": converse,
    "converse_stream": converse,
}
