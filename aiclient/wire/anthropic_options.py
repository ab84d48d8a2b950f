"""A chat request's options as fields of a Messages body.

"Messages", Anthropic API reference, version 2023-06-01 (platform.claude.com/docs/en/api/messages/create, 2026-11). What the
protocol has no field for is a warning, or an error under `strict`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ..request import ChatOptions, PromptCache, ResponseFormat, Tool, ToolChoice
from .anthropic_facts import Claude
from .anthropic_thinking import encode_thinking
from .notes import Notes
from .schemas import format_schema, tool_schema

__all__ = ["cache_ttl", "encode_options", "encode_sampling", "mark_cached"]

Json = dict[str, Any]

_TIERS: Final = {
    "auto": "auto",
    "standard_only": "standard_only",
    "standard": "standard_only",
    "default": "standard_only",
}
"""Service tiers (api/service-tiers), OpenAI's word for the same thing included."""

_CHOICES: Final = {"auto": "auto", "none": "none", "required": "any", "named": "tool"}

_CACHEABLE: Final = frozenset({"text", "image", "document", "search_result", "tool_use", "tool_result"})
"""Blocks that take `cache_control`; thinking does not (build-with-claude/prompt-caching, "What can be cached")."""

_MOST_MARKS: Final = 4


def encode_options(options: ChatOptions, model: Claude, body: Json, notes: Notes) -> None:
    """Add the fields to a body that already holds `max_tokens` and `messages`."""
    thinks = encode_thinking(options, model, body, notes)
    encode_sampling(options, model, body, notes, thinks=thinks)
    _tools(options, model, body, notes)
    _format(options.response_format, model, body, notes)
    if stops := _stops(options.stop, notes):
        body["stop_sequences"] = stops
    if options.user_id is not None:
        body["metadata"] = {"user_id": options.user_id}
    if options.service_tier is not None:
        _tier(options.service_tier, body, notes)
    for name in ("seed", "frequency_penalty", "presence_penalty", "logprobs"):
        if getattr(options, name) is not None:
            notes.unsupported(name)
    if options.n is not None and options.n > 1:
        notes.unsupported("n", "one answer comes")
    if options.metadata:
        notes.unsupported("metadata")


def encode_sampling(options: ChatOptions, model: Claude, body: Json, notes: Notes, *, thinks: bool) -> None:
    """Set what steers the choice of tokens, of which later models and thinking take little or nothing."""
    temperature, top_p, top_k = options.temperature, options.top_p, options.top_k
    if temperature is not None and temperature > 1:
        if model.sampling and not thinks:
            notes.add(
                "rounded_setting", f"temperature={temperature} was taken as 1, the highest there is", "temperature"
            )
        temperature = 1.0 if model.sampling and not thinks else temperature
    if not model.sampling or thinks:
        # "Thinking isn't compatible with temperature or top_k modifications"; top_p goes from 0.95 to 1 (extended-thinking)
        reason = f"{model.name} takes none{' while it thinks' if model.sampling else ''}; it was left out"
        if temperature not in (None, 1):
            notes.add("unsupported_setting", f"temperature: {reason}", "temperature")
        if top_k is not None:
            notes.add("unsupported_setting", f"top_k: {reason}", "top_k")
        if top_p is not None and (top_p < 0.95 if model.sampling else top_p != 1):
            notes.add("unsupported_setting", f"top_p: {reason}", "top_p")
            top_p = None
        temperature = top_k = None
        top_p = top_p if model.sampling else None
    if temperature is not None and top_p is not None and model.one_sampler:
        notes.add(
            "unsupported_setting", f"{model.name} takes temperature or top_p, not both; top_p was left out", "top_p"
        )
        top_p = None
    for name, value in (("temperature", temperature), ("top_p", top_p), ("top_k", top_k)):
        if value is not None:
            body[name] = value


def _stops(stops: Iterable[str], notes: Notes) -> list[str]:
    kept = [stop for stop in stops if stop.strip()]
    if len(kept) != len(tuple(stops)):  # "each stop sequence must contain non-whitespace" (400)
        notes.add("unsupported_setting", "a stop sequence of blanks only was left out", "stop")
    return kept


def _tier(wanted: str, body: Json, notes: Notes) -> None:
    if wanted in _TIERS:
        body["service_tier"] = _TIERS[wanted]
    else:
        notes.unsupported(f"service_tier {wanted!r}")


# --- tools and the form of the answer ---


def _tools(options: ChatOptions, model: Claude, body: Json, notes: Notes) -> None:
    if not options.tools:
        return
    body["tools"] = [_tool(tool, model, notes) for tool in options.tools]
    choice = options.tool_choice
    encoded = _choice(choice) if choice is not None else {}
    if options.parallel_tool_calls is False and encoded.get("type") != "none":
        encoded = {**(encoded or {"type": "auto"}), "disable_parallel_tool_use": True}
    if encoded:
        body["tool_choice"] = encoded


def _choice(choice: ToolChoice) -> Json:
    encoded: Json = {"type": _CHOICES[choice.mode]}
    return {**encoded, "name": choice.name} if choice.name else encoded


def _tool(tool: Tool, model: Claude, notes: Notes) -> Json:
    schema = dict(tool.parameters)
    schema.setdefault("type", "object")
    encoded: Json = {"name": tool.name, "input_schema": schema}
    if tool.description:
        encoded["description"] = tool.description
    if tool.strict:
        if not model.schemas:
            notes.add("unsupported_setting", f"{model.name} has no strict tools", "tools.strict")
        elif (fitting := tool_schema(tool, "anthropic", notes)) is not None:
            encoded |= {"input_schema": fitting, "strict": True}
    return encoded


def _format(wanted: ResponseFormat | None, model: Claude, body: Json, notes: Notes) -> None:
    if wanted is None or wanted.kind == "text":
        return
    if wanted.schema is None:
        notes.unsupported("response_format 'json'", "give a schema, or ask for JSON in words")
    elif not model.schemas:
        notes.add(
            "unsupported_setting", f"{model.name} has no structured outputs; ask in words", "response_format.schema"
        )
    elif (schema := format_schema(wanted, "anthropic", notes)) is not None:
        body.setdefault("output_config", {})["format"] = {"type": "json_schema", "schema": schema}


# --- prompt caching ---


def mark_cached(cache: PromptCache, body: Json, notes: Notes) -> None:
    """Mark the ends of tools, system prompt and messages, up to which the prompt is kept.

    build-with-claude/prompt-caching (2026-11): at most four marks, the caller's own included; a block that has one keeps it.
    """
    mark = {"type": "ephemeral", **({"ttl": "1h"} if cache_ttl(cache.ttl, notes) == "1h" else {})}
    if cache.key is not None:
        notes.unsupported("prompt_cache.key")
    groups = [body["messages"][-1]["content"], body.get("system", []), body.get("tools", [])]
    everything = [block for turn in body["messages"] for block in turn["content"]] + groups[1] + groups[2]
    left = _MOST_MARKS - sum("cache_control" in block for block in everything)
    for group in groups:
        place = next((i for i in reversed(range(len(group))) if _cacheable(group[i])), None)
        if place is not None and "cache_control" not in group[place] and left > 0:
            group[place] = {**group[place], "cache_control": mark}
            left -= 1


def _cacheable(block: Json) -> bool:
    return "input_schema" in block or block.get("type") in _CACHEABLE


def cache_ttl(wanted: str, notes: Notes) -> str:
    """Return the nearer of the two times that there are: five minutes and an hour."""
    minutes = int(wanted[:-1]) * (60 if wanted[-1] == "h" else 1)
    nearest = "5m" if minutes - 5 < 60 - minutes else "1h"
    if minutes not in (5, 60):
        notes.add(
            "rounded_setting", f"prompts are kept for 5m or 1h; {wanted} was taken as {nearest}", "prompt_cache.ttl"
        )
    return nearest
