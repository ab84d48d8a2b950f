"""What is planted, and in which forms it is looked for."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

from attrs import evolve, fields

from aiclient.messages import Message, TextPart, ToolCall, ToolResultPart
from aiclient.request import ChatOptions, ChatRequest, Tool

from ..faults.wires import KEY

PROMPT = "CANARY-prompt-93c1/7+e0"
SYSTEM = "CANARY-system-5be0/2+77"
ARGUMENT = "CANARY-argument-88d2/4+1f"
RESULT = "CANARY-result-0a6f/9+3c"
SCHEMA = "CANARY-schema-41aa/6+d8"
ANSWER = "CANARY-answer-7f20/5+b4"
USER = "CANARY-user-c3d9/1+e2"
SESSION = "CANARY-session-6a18/3+f5"

SAID = {"prompt": PROMPT, "system": SYSTEM, "argument": ARGUMENT, "result": RESULT, "schema": SCHEMA, "answer": ANSWER}
WHO = {"user": USER, "session": SESSION}
SECRETS = {"key": KEY, **SAID, **WHO}
"""What must be found nowhere: by its name, so that a failing test says which."""


def forms(text):
    """Every way to write a text that is looked for."""
    data = text.encode()
    yield text
    yield quote(text, safe="")
    yield json.dumps(text).strip('"')
    yield json.dumps(text).strip('"').replace("/", "\\/")
    yield data.hex()
    for before in range(3):
        coded = base64.b64encode(bytes(before) + data).decode()
        yield coded[4 * (before > 0) : -4]  # without the ends, which depend on what stands around it


FORMS = {name: tuple(dict.fromkeys(forms(text))) for name, text in SECRETS.items()}


def found(text, names=SECRETS):
    """Which secrets are in a text, in whatever form."""
    return sorted(name for name in names if any(form in text for form in FORMS[name]))


def request():
    """A request that holds a canary wherever there is place for one."""
    call = ToolCall("c1", "look_up", json.dumps({"key": ARGUMENT}))
    messages = [
        Message("system", SYSTEM),
        Message("user", f"first {PROMPT}"),
        Message("assistant", [TextPart(PROMPT), call]),
        Message("tool", [ToolResultPart("c1", [TextPart(RESULT)])]),
    ]
    tool = Tool("look_up", SCHEMA, {"type": "object", "properties": {"key": {"type": "string", "description": SCHEMA}}})
    options = ChatOptions(
        tools=[tool],
        user_id=USER,
        metadata={"note": PROMPT},
        tags={"user": USER, "session": SESSION, "team": "search"},
        tenant=USER,
        extra={"other": {"note": PROMPT}},
    )
    return ChatRequest(messages, options)


def answering(wire):
    """The same wire, whose answers say a canary."""
    changed = {
        attribute.name: getattr(wire, attribute.name).replace(b"Hello", b"Hel lo").replace(b"Hel", ANSWER.encode())
        for attribute in fields(type(wire))
        if isinstance(getattr(wire, attribute.name), bytes)
    }
    return evolve(wire, **changed)
