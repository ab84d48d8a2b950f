"""How much a model behind Converse should think, in the words of its vendor.

Claude's: `anthropic_thinking`, with the effort in `outputConfig.effort` (service model of botocore 1.44.5, 2026-11) and the
rest in `additionalModelRequestFields.thinking` (records 289c6ecb06f3, 54e8194517e6). Nova's and OpenAI's: `converse_facts`.
"""

from __future__ import annotations

from typing import Any, Final

from ..request import ChatOptions, Reasoning
from . import anthropic_thinking
from .anthropic_thinking import BUDGETS
from .converse_facts import Served
from .notes import Notes

__all__ = ["encode_thinking"]

Json = dict[str, Any]

_KINDS: Final = {"toolResult": "tool_result", "reasoningContent": "thinking"}

_NEAREST: Final = {"minimal": "low", "xhigh": "high", "max": "high"}
"""Efforts that Nova 2 has no word for."""


def encode_thinking(options: ChatOptions, model: Served, body: Json, own: Json, notes: Notes) -> bool:
    """Put what the request wants into `body` and the model's `own` fields; return whether a Claude was asked to think.

    Claude's thinking rules out most of sampling.
    """
    wanted = options.reasoning
    if wanted is None or (wanted.effort is None and wanted.budget_tokens is None):
        return False
    off = wanted.effort == "none" or (wanted.effort is None and wanted.budget_tokens == 0)
    match model.thinking:
        case "claude":
            return _claude(options, model, body, own, notes)
        case "nova" if off:
            own["reasoningConfig"] = {"type": "disabled"}
        case "nova":
            effort = _effort(wanted, model, notes)
            own["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": _nearest(effort, _NEAREST, model, notes)}
        case "gpt-oss" if off:
            notes.unsupported("reasoning.effort 'none'", f"{model.name} always thinks")
        case "gpt-oss":
            effort = _effort(wanted, model, notes)
            own["reasoning_effort"] = _nearest(effort, _NEAREST, model, notes)
        case "openai":
            effort = "none" if off else _effort(wanted, model, notes)
            own["reasoning"] = {"effort": _nearest(effort, {"minimal": "low"}, model, notes)}
        case _ if not off:
            notes.add(
                "unsupported_setting",
                f"{model.name} cannot be told how much to think; extra['bedrock']['additionalModelRequestFields'] may",
                "reasoning",
            )
    return False


def _claude(options: ChatOptions, model: Served, body: Json, own: Json, notes: Notes) -> bool:
    """Ask as Anthropic's own protocol does, and put the fields where Converse has them.

    Without a limit of the caller's Converse takes the model's own maximum, which leaves room for any budget.
    """
    turns = [
        {
            "role": turn["role"],
            "content": [{"type": _KINDS.get(kind, kind)} for block in turn["content"] for kind in block],
        }
        for turn in body["messages"]
    ]
    asked: Json = {"max_tokens": options.max_tokens or model.claude.max_tokens, "messages": turns}
    thinks = anthropic_thinking.encode_thinking(options, model.claude, asked, notes)
    if "thinking" in asked:
        own["thinking"] = asked["thinking"]
    if "output_config" in asked:
        body["outputConfig"] = {"effort": asked["output_config"]["effort"]}
    return thinks


def _effort(wanted: Reasoning, model: Served, notes: Notes) -> str:
    if not wanted.budget_tokens:
        return wanted.effort or "medium"
    effort = wanted.effort
    if effort is None:
        effort = next((name for name in ("low", "medium") if wanted.budget_tokens <= BUDGETS[name]), "high")
    notes.add(
        "changed_setting",
        f"{model.name} takes no budget of thinking tokens; the effort {effort!r} was asked for",
        "reasoning.budget_tokens",
    )
    return effort


def _nearest(effort: str, nearest: dict[str, str], model: Served, notes: Notes) -> str:
    """Return the effort, or the one nearest to it; a word unknown here may be a later one: the service knows."""
    if effort not in nearest:
        return effort
    notes.add(
        "changed_setting",
        f"{model.name} has no effort {effort!r}; {nearest[effort]!r} was asked for",
        "reasoning.effort",
    )
    return nearest[effort]
