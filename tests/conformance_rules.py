"""What each protocol's words and numbers mean, as documented: how the vendor's SDK says it -> how aiclient must.

Independent of the library's tables on purpose: everything is written down here a second time.
"""

import json
import re
from types import MappingProxyType

from attrs import frozen

from aiclient.messages import OpaquePart, ReasoningPart, RefusalPart, TextPart, ToolCall


def after(pattern):
    """Return what finds the places after each match of `pattern`."""
    return lambda body: [match.end() for match in re.finditer(pattern, body)]


def after_messages(body):
    """Return the places after each message of an AWS event stream, which begins with its length."""
    places, start = [], 0
    while start + 4 <= len(body):
        start += max(4, int.from_bytes(body[start : start + 4]))
        places.append(start)
    return places


@frozen
class Rules:
    """One protocol.

    Args:
        reason: Ground truth -> the finish reason.
        usage: Counts as the vendor tells them -> counts under our names; what is left out is not compared.
        told: Record -> ground truth, where the recorded one means something else than ours.
        reasoning: Ground truth -> the visible thinking.
        thinking: Our message -> the same.
        more: (record, response) -> pairs (what, expected, got) that only this protocol has.
        events: The body of a stream -> the places after each event.
        code: Whether the error's code is the vendor's word for it.
        reasons: Words in the body or headers of an error -> our class, where they say more than the status does.
    """

    reason: object
    usage: object
    told: object = lambda record: record["expected"]
    reasoning: object = lambda expected: expected.get("reasoning_text") or ""
    thinking: object = lambda message: message.reasoning
    more: object = lambda record, response: ()
    events: object = after(rb"\r\n\r\n|\n\n|\r\r")
    code: bool = False
    reasons: object = MappingProxyType({})


def _renamed(usage, **more):
    names = {
        "input": "prompt_tokens",
        "output": "completion_tokens",
        "total": "total_tokens",
        "cache_read": "cached_tokens",
        "cache_write": "cache_write_tokens",
        "reasoning": "reasoning_tokens",
        "cost": "cost",
    }
    return {**{names[key]: value for key, value in usage.items()}, **more}


def _called(reason, expected):
    """Documented: what the caller has to do is to run the tools, whatever the service calls it."""
    return "tool_calls" if reason == "stop" and expected.get("tool_calls") else reason


# --- OpenAI's chat ---

_OPENAI = {
    None: None,
    "stop": "stop",
    "eos": "stop",
    "length": "length",
    "model_length": "length",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "insufficient_system_resource": "error",
    "sensitive": "content_filter",
    "model_context_window_exceeded": "length",
    "network_error": "error",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
}


def _openai_usage(usage):
    """Documented: counts that are parts of others are never more than those; `raw_usage` has what the service said."""
    prompt, total, output, reasoning, cached = (
        usage.get(key) for key in ("input", "total", "output", "reasoning", "cache_read")
    )
    more = {}
    if cached is not None and prompt is not None and cached > prompt:  # Grok on Azure
        more["cached_tokens"] = prompt
    if reasoning and total is not None and prompt is not None and output is not None:
        apart = total - prompt - output
        if apart == reasoning:  # xAI and others count it apart,
            more["completion_tokens"] = output + reasoning
        elif (
            apart == 0 and reasoning > output
        ):  # and Vercel's gateway for Gemini, which also leaves it out of the total
            more.update(completion_tokens=output + reasoning, total_tokens=prompt + output + reasoning)
    return _renamed(usage, **more)


OPENAI = Rules(
    reason=lambda expected: _called(_OPENAI.get(expected.get("finish_reason"), "other"), expected), usage=_openai_usage
)


def _mistral_usage(usage):
    """Documented: what the total has besides the two is sound that went in, which the SDK does not count."""
    prompt, total, output = (usage.get(key) for key in ("input", "total", "output"))
    sound = 0 if None in (prompt, total, output) else max(0, total - prompt - output)
    return _openai_usage({**usage, "input": prompt + sound} if sound else usage)


MISTRAL = Rules(reason=OPENAI.reason, usage=_mistral_usage)


# --- Responses ---


def _responses_reason(expected):
    word = expected.get("finish_reason")
    if word == "incomplete":
        words = {"max_output_tokens": "length", "content_filter": "content_filter"}
        return words.get(expected.get("incomplete_reason"), "other")
    if word in ("queued", "in_progress"):
        return None
    return _called("stop", expected) if word == "completed" else "other"


def _responses_more(record, response):
    yield "status", record["expected"].get("finish_reason"), response.raw_finish_reason


RESPONSES = Rules(
    reason=_responses_reason,
    usage=_renamed,
    reasoning=lambda expected: expected.get("reasoning_text") or "\n\n".join(expected.get("reasoning_summary") or ()),
    # Paragraphs of one item are set apart; items are parts of their own, which `Message.reasoning` joins.
    thinking=lambda message: "\n\n".join(part.text for part in message.of(ReasoningPart) if part.text),
    more=_responses_more,
)


# --- Anthropic ---

_ANTHROPIC = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "other",
}


def _anthropic_usage(usage):
    """Anthropic's `input` excludes what was read from the cache and written to it."""
    if "input" not in usage:
        return _renamed(usage)
    prompt = usage["input"] + usage.get("cache_read", 0) + usage.get("cache_write", 0)
    total = usage.get("total", prompt + usage.get("output", 0))
    return _renamed(usage, prompt_tokens=prompt, total_tokens=total)


def _block(part):
    """Return the block type that a part came from."""
    match part:
        case TextPart():
            return "text"
        case ReasoningPart():
            return "thinking"
        case ToolCall():
            return "tool_use"
        case OpaquePart(data=data):
            return data["type"]


def _anthropic_told(record):
    """Add the words of a refusal, of which the SDK's message has a field and the ground truth none."""
    said = re.search(r'"stop_details":\s*\{[^{}]*"explanation":\s*("(?:[^"\\]|\\.)*")', record["response"]["body"])
    return {**record["expected"], "refusal": json.loads(said[1])} if said else record["expected"]


def _anthropic_more(record, response):
    expected, message = record["expected"], response.message
    opaque = [part.data for part in message.of(OpaquePart)]
    server = [(call["id"], call["name"], call["input"]) for call in opaque if call["type"] == "server_tool_use"]
    wanted = [(call["id"], call["name"], call["arguments"]) for call in expected.get("server_tool_calls") or ()]
    yield "calls of the service's tools", wanted, server
    yield (
        "blocks",
        expected.get("block_types") or [],
        [_block(part) for part in message.parts if not isinstance(part, RefusalPart)],
    )
    yield "number of citations", expected.get("citations") or 0, len(message.citations)
    yield "the service's finish reason", expected.get("finish_reason"), response.raw_finish_reason


ANTHROPIC = Rules(
    reason=lambda expected: _called(_ANTHROPIC.get(expected.get("finish_reason"), "other"), expected),
    usage=_anthropic_usage,
    told=_anthropic_told,
    more=_anthropic_more,
)


# --- Converse ---

_CONVERSE = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}


def _converse_told(record):
    """Put the text of blocks with sources into the text, and take calls that the service ran itself from the calls.

    The ground truth of whole answers has it the other way round; ours says what there is to read, and what there is to run.
    """
    expected = record["expected"]
    if record["stream"] or "error" in expected:
        return expected
    blocks = json.loads(record["response"]["body"])["output"]["message"]["content"]
    texts = []
    served = set()
    for block in blocks:
        texts += [block["text"]] if "text" in block else []
        texts += [piece["text"] for piece in block.get("citationsContent", {}).get("content", ())]
        if block.get("toolUse", {}).get("type") not in (None, "tool_use"):
            served.add(block["toolUse"]["toolUseId"])
    plain = "".join(block["text"] for block in blocks if "text" in block)
    if plain != (expected.get("text") or ""):
        return expected  # whatever it is, it is not these blocks
    calls = [call for call in expected.get("tool_calls") or () if call["id"] not in served]
    return {**expected, "text": "".join(texts), "tool_calls": calls}


def _converse_more(record, response):
    expected = record["expected"]
    seals = sum(part.signature is not None for part in response.message.of(ReasoningPart))
    yield "the service's finish reason", expected.get("finish_reason"), response.raw_finish_reason
    yield "signatures", expected.get("signatures", seals), seals


CONVERSE = Rules(
    reason=lambda expected: _called(_CONVERSE.get(expected.get("finish_reason"), "other"), expected),
    usage=_anthropic_usage,
    told=_converse_told,
    events=after_messages,
    more=_converse_more,
    reasons={"UnrecognizedClientException": "AuthenticationError", "ExpiredTokenException": "AuthenticationError"},
)


# --- Gemini ---

_GEMINI = {
    None: None,
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "ESCALATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "MALFORMED_RESPONSE": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
}


def _gemini_reason(expected):
    if "block_reason" in expected:
        return "content_filter"
    return _called(_GEMINI.get(expected.get("finish_reason"), "other"), expected)


def _gemini_usage(usage):
    """Thoughts are output, what tools put in is input; zeros are not written."""
    reads = [usage[name] for name in ("input", "tool_use_input") if name in usage]
    wrote = [usage[name] for name in ("output", "reasoning") if name in usage]
    renamed = _renamed({name: value for name, value in usage.items() if name != "tool_use_input"})
    if reads:
        renamed["prompt_tokens"] = sum(reads)
    if wrote:
        renamed["completion_tokens"] = sum(wrote)
    elif reads and "total" in usage:
        renamed["completion_tokens"] = usage["total"] - sum(reads)
    return renamed


def _signed(part):
    if isinstance(part, OpaquePart):
        return "thoughtSignature" in part.data
    return "thoughtSignature" in (part.provider_data or {}) or (
        isinstance(part, ReasoningPart) and part.signature is not None
    )


def _gemini_more(record, response):
    expected = record["expected"]
    word = expected.get("finish_reason") or expected.get("block_reason")
    yield "the service's finish reason", word, response.raw_finish_reason
    yield "signatures", expected.get("signatures", 0), sum(map(_signed, response.message.parts))
    ids = [call.id for call in response.message.tool_calls]
    yield "different ids of tool calls", len(ids), len(set(ids))


GEMINI = Rules(
    reason=_gemini_reason,
    usage=_gemini_usage,
    more=_gemini_more,
    events=after(rb"\r\n\r\n|\n\n|\n}\n?,?\r?\n"),  # the last: elements of one JSON array
    code=True,
    reasons={"API_KEY_INVALID": "AuthenticationError"},  # comes with status 400
)


# --- Cohere ---

_COHERE = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR": "error",
    "TIMEOUT": "error",
}


def _cohere_usage(usage):
    """What is billed is another count; the prompt is in `_cohere_more`, for images are told apart from it."""
    names = usage.keys() - {"input", "billed_input", "billed_output"}
    return _renamed({name: usage[name] for name in names})


def _cohere_more(record, response):
    expected, counted = record["expected"], response.usage
    yield "number of citations", expected.get("citations") or 0, len(response.message.citations)
    yield "the service's finish reason", expected.get("finish_reason"), response.raw_finish_reason
    for name, of_answer in (("image_tokens", None), ("reasoning_tokens", counted.reasoning_tokens)):
        told = re.findall(rf'"{name}":\s*(\d+)', record["response"]["body"])
        if name == "image_tokens" and "input" in expected.get("usage", {}):
            images = int(told[-1]) if told else 0
            yield "usage.prompt_tokens", expected["usage"]["input"] + images, counted.prompt_tokens
        elif told:
            yield f"usage.{name}", int(told[-1]), of_answer


COHERE = Rules(
    reason=lambda expected: _called(_COHERE.get(expected.get("finish_reason"), "other"), expected),
    usage=_cohere_usage,
    reasoning=lambda expected: expected.get("reasoning_text") or expected.get("tool_plan") or "",
    more=_cohere_more,
)


# --- Ollama ---


def _ollama_usage(usage):
    renamed = _renamed(usage)
    if {"input", "output"} <= set(usage):
        renamed["total_tokens"] = usage["input"] + usage["output"]
    return renamed


def _ollama_reason(expected):
    word = expected.get("finish_reason") or ("stop" if expected.get("done") else None)  # older servers give no reason
    return _called({"stop": "stop", "length": "length", None: None}.get(word, "other"), expected)


OLLAMA = Rules(
    reason=_ollama_reason,
    usage=_ollama_usage,
    events=after(rb"\n"),
)


# --- all ---


def arguments(wanted, call):
    """Return (expected, got) of a call's arguments, parsed where they are JSON."""
    if "arguments_raw" in wanted:
        return wanted["arguments_raw"], call.arguments
    expected = wanted.get("arguments")
    if expected is None or isinstance(expected, str):
        return expected or "", call.arguments
    try:
        return expected, json.loads(call.arguments)
    except ValueError:
        return expected, call.arguments
