"""A chat request's options as fields of a Converse body.

"Converse", Amazon Bedrock Runtime API reference, 2023-09-30, as in the service model of botocore 1.44.5 (2026-11). What
only some models have stands in `additionalModelRequestFields`, in the words of their vendors; what the protocol has no
field for is a warning, or an error under `strict`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ..request import ChatOptions, ResponseFormat, Tool, ToolChoice
from .anthropic_options import encode_sampling
from .converse_facts import Served
from .converse_thinking import encode_thinking
from .jsons import dumps
from .notes import Notes
from .schemas import format_schema, tool_schema

__all__ = ["encode_options"]

Json = dict[str, Any]

_TIERS: Final = {name: name for name in ("priority", "default", "flex", "reserved")} | {"standard": "default"}

_METADATA: Final = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}")
_MOST_METADATA: Final = 16

_UNSUPPORTED: Final = ("seed", "frequency_penalty", "presence_penalty", "logprobs", "user_id")


def encode_options(options: ChatOptions, model: Served, body: Json, notes: Notes) -> None:
    """Add the fields to a body that already holds `messages`."""
    own: Json = {}
    thinks = encode_thinking(options, model, body, own, notes)
    _inference(options, model, body, own, notes, thinks=thinks)
    _tools(options, model, body, notes)
    _format(options.response_format, model, body, notes)
    if options.service_tier in _TIERS:
        body["serviceTier"] = {"type": _TIERS[options.service_tier]}
    elif options.service_tier not in (None, "auto"):
        notes.unsupported(f"service_tier {options.service_tier!r}")
    if kept := _metadata(options.metadata, notes):
        body["requestMetadata"] = kept
    for name in _UNSUPPORTED:
        if getattr(options, name) is not None:
            notes.unsupported(name)
    if options.n is not None and options.n > 1:
        notes.unsupported("n", "one answer comes")
    if own:
        body["additionalModelRequestFields"] = own


def _inference(options: ChatOptions, model: Served, body: Json, own: Json, notes: Notes, *, thinks: bool) -> None:
    """Set what steers the choice of tokens; what was set before is what thinking rules out."""
    sampled: Json = {}
    encode_sampling(options, model.claude, sampled, notes, thinks=thinks)
    found: Json = {
        "maxTokens": options.max_tokens,
        "temperature": sampled.get("temperature"),
        "topP": sampled.get("top_p"),
        "stopSequences": _stops(options.stop, model, notes),
    }
    settings = {name: value for name, value in found.items() if value not in (None, [])}
    if own.get("reasoningConfig", {}).get("maxReasoningEffort") == "high":
        # Nova 2 user guide, "Extended thinking": temperature, topP and maxTokens cannot go with the effort "high".
        for name in ("maxTokens", "temperature", "topP"):
            if settings.pop(name, None) is not None:
                notes.add("unsupported_setting", f"{name} cannot go with the effort 'high'; it was left out", name)
    if settings:
        body["inferenceConfig"] = settings
    if "top_k" in sampled:
        _top_k(sampled["top_k"], model, own, notes)


def _top_k(value: int, model: Served, own: Json, notes: Notes) -> None:
    path = model.top_k
    if path is None:
        notes.unsupported("top_k", "put the model's own field into extra['bedrock']['additionalModelRequestFields']")
        return
    for name in path[:-1]:
        own = own.setdefault(name, {})
    own[path[-1]] = value


def _stops(stops: tuple[str, ...], model: Served, notes: Notes) -> list[str]:
    kept = [stop for stop in stops if stop.strip() or not model.is_claude]
    if len(kept) != len(stops):  # Claude: "each stop sequence must contain non-whitespace" (400)
        notes.add("unsupported_setting", "a stop sequence of blanks only was left out", "stop")
    return kept


def _metadata(metadata: Mapping[str, str], notes: Notes) -> Json:
    """Return the pairs that filter invocation logs, as far as they fit (RequestMetadata)."""
    fitting = {key: value for key, value in metadata.items() if key and _fits(key) and _fits(value)}
    kept = dict(list(fitting.items())[:_MOST_METADATA])
    if len(kept) != len(metadata):
        notes.add(
            "unsupported_setting",
            f"Bedrock takes {_MOST_METADATA} pairs of metadata in plain characters; {len(metadata) - len(kept)} left out",
            "metadata",
        )
    return kept


def _fits(text: Any) -> bool:
    return isinstance(text, str) and _METADATA.fullmatch(text) is not None


# --- tools and the form of the answer ---


def _tools(options: ChatOptions, model: Served, body: Json, notes: Notes) -> None:
    """Set the tools.

    "The toolConfig field must be defined when using toolUse and toolResult content blocks" (400): tools that the history
    calls are named though none is offered, and tools stay though none may be called.
    """
    choice = options.tool_choice
    used = _used(body["messages"])
    if options.parallel_tool_calls is False:
        notes.unsupported("parallel_tool_calls")
    if not options.tools:
        if used:
            notes.add("added_content", "tools that the history calls were named again, as Bedrock demands")
            empty = {"json": {"type": "object", "properties": {}}}
            body["toolConfig"] = {"tools": [{"toolSpec": {"name": name, "inputSchema": empty}} for name in used]}
        return
    if choice is not None and choice.mode == "none":
        if not used:
            return
        notes.unsupported("tool_choice 'none' after tools were used", "the model may call one")
        choice = None
    config: Json = {"tools": [_tool(tool, model, notes) for tool in options.tools]}
    if choice is not None:
        config["toolChoice"] = _choice(choice)
    body["toolConfig"] = config


def _used(turns: list[Json]) -> list[str]:
    """Return the names of the tools that the history calls, those that the service runs itself left out."""
    calls = [block["toolUse"] for turn in turns for block in turn["content"] if isinstance(block.get("toolUse"), dict)]
    return list(dict.fromkeys(str(call.get("name")) for call in calls if call.get("type") is None))


def _choice(choice: ToolChoice) -> Json:
    if choice.name:
        return {"tool": {"name": choice.name}}
    return {"any": {}} if choice.mode == "required" else {"auto": {}}


def _tool(tool: Tool, model: Served, notes: Notes) -> Json:
    schema = dict(tool.parameters)
    schema.setdefault("type", "object")
    spec: Json = {"name": tool.name, "inputSchema": {"json": schema}}
    if tool.description:
        spec["description"] = tool.description
    if tool.strict:
        if not model.claude.schemas:
            notes.add("unsupported_setting", f"{model.name} has no strict tools", "tools.strict")
        elif (fitting := tool_schema(tool, "bedrock", notes)) is not None:
            spec |= {"inputSchema": {"json": fitting}, "strict": True}
    return {"toolSpec": spec}


def _format(wanted: ResponseFormat | None, model: Served, body: Json, notes: Notes) -> None:
    """Set the schema of the answer, as text (record 19221b66b44c; "Structured outputs", Amazon Bedrock user guide)."""
    if wanted is None or wanted.kind == "text":
        return
    if wanted.schema is None:
        notes.unsupported("response_format 'json'", "give a schema, or ask for JSON in words")
    elif not model.claude.schemas:
        notes.add(
            "unsupported_setting", f"{model.name} has no structured outputs; ask in words", "response_format.schema"
        )
    elif (schema := format_schema(wanted, "bedrock", notes)) is not None:
        structure = {"jsonSchema": {"name": wanted.name, "schema": dumps(schema).decode()}}
        body.setdefault("outputConfig", {})["textFormat"] = {"type": "json_schema", "structure": structure}
