"""How much a Claude model should think, in the words of its version.

platform.claude.com/docs/en/build-with-claude/thinking, /adaptive-thinking, /effort (2026-11): models from 4.6 on think
adaptively and take an effort; earlier ones take a budget of tokens, of at least 1,024 and below `max_tokens`.
"""

from __future__ import annotations

from typing import Any, Final

from ..request import ChatOptions, Reasoning
from .anthropic_facts import Claude
from .notes import Notes

__all__ = ["BUDGETS", "encode_thinking"]

BUDGETS: Final = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 24576}
"""What an effort comes to with models that take a budget."""

_LEAST: Final = 1024
_ANSWER: Final = 4096
"""Tokens left for the answer besides the thinking, when the caller sets no limit."""

_EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")


def encode_thinking(options: ChatOptions, model: Claude, body: dict[str, Any], notes: Notes) -> bool:
    """Put what the request wants into `body`; return whether the model was asked to think.

    `body["max_tokens"]` is raised to make room when the caller set no limit.
    """
    wanted = options.reasoning
    if wanted is None or (wanted.effort is None and wanted.budget_tokens is None):
        return False
    if wanted.effort == "none" or (wanted.effort is None and wanted.budget_tokens == 0):
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
        notes.add("unsupported_setting", f"{model.name} always thinks; the effort 'low' was asked for", "reasoning")
        body["output_config"] = {"effort": "low"}
    else:
        body["thinking"] = {"type": "disabled"}


def _adaptive(wanted: Reasoning, model: Claude, body: dict[str, Any], notes: Notes) -> None:
    body["thinking"] = {"type": "adaptive"}
    if model.hides_thinking:  # the caller asks for reasoning to read it, as with earlier models
        body["thinking"]["display"] = "summarized"
    effort = wanted.effort
    if wanted.budget_tokens:
        if effort is None:
            effort = "low" if wanted.budget_tokens <= BUDGETS["low"] else "medium"
            effort = "high" if wanted.budget_tokens > BUDGETS["medium"] else effort
        notes.add(
            "changed_setting",
            f"{model.name} takes no budget of thinking tokens; the effort {effort!r} was asked for",
            "reasoning.budget_tokens",
        )
    if effort is None:
        return
    nearest = "low" if effort == "minimal" else "high" if effort == "xhigh" and not model.xhigh else effort
    if nearest != effort:
        notes.add(
            "changed_setting",
            f"{model.name} has no effort {effort!r}; {nearest!r} was asked for",
            "reasoning.effort",
        )
    body["output_config"] = {"effort": nearest}  # a word unknown here may be a later one: the service knows


def _budget(wanted: Reasoning, options: ChatOptions, model: Claude, body: dict[str, Any], notes: Notes) -> bool:
    budget = wanted.budget_tokens or BUDGETS.get(wanted.effort or "")
    if budget is None:
        notes.add(
            "unsupported_setting",
            f"unknown effort {wanted.effort!r}; {', '.join(BUDGETS)} are known",
            "reasoning.effort",
        )
        return False
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
            "changed_setting",
            f"a budget of {budget} thinking tokens was asked for; {fitting} is the nearest that fits",
            "reasoning.budget_tokens",
        )
    body["thinking"] = {"type": "enabled", "budget_tokens": fitting}
    if model.adaptive and wanted.effort in _EFFORTS:
        body["output_config"] = {"effort": wanted.effort if wanted.effort != "xhigh" or model.xhigh else "high"}
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
