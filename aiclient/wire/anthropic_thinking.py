"""How much a Claude model should think, in the words of its version.

platform.claude.com/docs/en/build-with-claude/thinking, /adaptive-thinking, /effort (2026-11): models from 4.6 on think
adaptively and take an effort; earlier ones take a budget of tokens, of at least 1,024 and below `max_tokens`.
"""

from __future__ import annotations

from typing import Any, Final

from ..request import ChatOptions, Reasoning
from .anthropic_facts import Claude
from .efforts import BUDGETS, effort_word, taking
from .notes import Notes

__all__ = ["encode_thinking"]

_LEAST: Final = 1024
_ANSWER: Final = 4096
"""Tokens left for the answer besides the thinking, when the caller sets no limit."""

_WORDS: Final = taking("low", "medium", "high", "xhigh", "max")
_WORDS_4_6: Final = taking("low", "medium", "high", "max")


def encode_thinking(options: ChatOptions, model: Claude, body: dict[str, Any], notes: Notes) -> bool:
    """Put what the request wants into `body`; return whether the model was asked to think.

    `body["max_tokens"]` is raised to make room when the caller set no limit.
    """
    wanted = options.reasoning
    if wanted is None:
        return False
    if wanted.off:
        _off(model, body, notes)
        return False
    choice = options.tool_choice
    if choice is not None and choice.mode in ("required", "named") and not model.forced_tools_while_thinking:
        notes.add("unsupported_setting", f"{model.name} cannot think when a tool is forced; it does not", "reasoning")
        return False
    if model.adaptive and not (model.budgets and wanted.budget_tokens):
        _adaptive(wanted, model, body, notes)
        return True
    return _budget(wanted, options, model, body, notes)


def _off(model: Claude, body: dict[str, Any], notes: Notes) -> None:
    if model.always_thinks:
        notes.add("rounded_setting", f"{model.name} always thinks; the effort 'low' was asked for", "reasoning.effort")
        body["output_config"] = {"effort": "low"}
    else:
        body["thinking"] = {"type": "disabled"}


def _adaptive(wanted: Reasoning, model: Claude, body: dict[str, Any], notes: Notes) -> None:
    body["thinking"] = {"type": "adaptive"}
    if model.hides_thinking:  # the caller asks for reasoning to read it, as with earlier models
        body["thinking"]["display"] = "summarized"
    words = _WORDS if model.xhigh else _WORDS_4_6
    body["output_config"] = {"effort": effort_word(wanted, words, model.name, notes)}


def _budget(wanted: Reasoning, options: ChatOptions, model: Claude, body: dict[str, Any], notes: Notes) -> bool:
    budget = wanted.budget_tokens or BUDGETS[wanted.effort or "none"]
    if _resumes_unthought(body["messages"]):
        notes.add(
            "unsupported_setting",
            f"{model.name} cannot begin to think among tool results; it goes on without",
            "reasoning",
        )
        return False
    limit = options.max_tokens
    if limit is not None and limit <= _LEAST:
        notes.add(
            "unsupported_setting",
            f"{model.name} thinks with {_LEAST} tokens or more, which max_tokens={limit} leaves no room for; it does not",
            "reasoning",
        )
        return False
    fitting = max(budget, _LEAST)
    if limit is None:
        body["max_tokens"] = max(body["max_tokens"], fitting + _ANSWER)
    elif fitting >= limit:
        fitting = max(_LEAST, limit - 1)
    if fitting != budget:
        notes.add(
            "rounded_setting",
            f"a budget of {budget} thinking tokens was asked for; {fitting} is the nearest that fits",
            "reasoning.budget_tokens",
        )
    body["thinking"] = {"type": "enabled", "budget_tokens": fitting}
    return True


def _resumes_unthought(turns: list[dict[str, Any]]) -> bool:
    """Whether the last turns are results of calls that were made without (this vendor's) thinking.

    "When thinking is enabled, a final assistant message must start with a thinking block (preceding the lastmost set of
    tool_use and tool_result blocks)": a 400 otherwise, with a budget; adaptive thinking has no such rule.
    """
    if turns[-1]["role"] != "user" or not any(block.get("type") == "tool_result" for block in turns[-1]["content"]):
        return False
    calling = next((turn for turn in reversed(turns) if turn["role"] == "assistant"), None)
    return calling is None or calling["content"][0].get("type") not in ("thinking", "redacted_thinking")
