"""How much a model behind Converse should think, in the words of its vendor.

Claude's: `anthropic_thinking`, with the effort in `outputConfig.effort` (service model of botocore 1.44.5, 2026-11) and the
rest in `additionalModelRequestFields.thinking` (records 289c6ecb06f3, 54e8194517e6). Nova's and OpenAI's: `converse_facts`.
"""

from __future__ import annotations

from typing import Any, Final

from ..request import ChatOptions
from . import anthropic_thinking
from .converse_facts import Served
from .efforts import effort_word, taking
from .notes import Notes

__all__ = ["encode_thinking"]

Json = dict[str, Any]

_KINDS: Final = {"toolResult": "tool_result", "reasoningContent": "thinking"}

_THREE: Final = taking("low", "medium", "high")
"""Efforts of Nova 2 and of gpt-oss."""

_LATER: Final = taking("none", "low", "medium", "high", "xhigh", "max")
"""Efforts of OpenAI's later models."""


def encode_thinking(options: ChatOptions, model: Served, body: Json, own: Json, notes: Notes) -> bool:
    """Put what the request wants into `body` and the model's `own` fields; return whether a Claude was asked to think.

    Claude's thinking rules out most of sampling.
    """
    wanted = options.reasoning
    if wanted is None:
        return False
    match model.thinking:
        case "claude":
            return _claude(options, model, body, own, notes)
        case "nova" if wanted.off:
            own["reasoningConfig"] = {"type": "disabled"}
        case "nova":
            word = effort_word(wanted, _THREE, model.name, notes)
            own["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": word}
        case "gpt-oss":
            own["reasoning_effort"] = effort_word(wanted, _THREE, model.name, notes)
        case "openai":
            own["reasoning"] = {"effort": effort_word(wanted, _LATER, model.name, notes)}
        case _ if not wanted.off:
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
