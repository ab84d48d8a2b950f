"""JSON schemas in requests: lowered to what the service takes, with what that loses noted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..request import ResponseFormat, Tool
from ..schema.lowering import Lowered, lowered
from .notes import Notes

__all__ = ["format_schema", "tool_schema"]

Json = dict[str, Any]


def tool_schema(tool: Tool, dialect: str, notes: Notes) -> Json | None:
    """Return the parameters of a tool that is to be strict; None, and a note, where the service cannot be strict about them."""
    found = lowered(_object(tool.parameters), dialect)
    what = f"the tool {tool.name}"
    return _fitting(found, what, notes, f"{what} cannot be strict there", "tools.strict")


def format_schema(wanted: ResponseFormat, dialect: str, notes: Notes) -> Json | None:
    """Return the schema of an answer; None, and a note, where the service cannot follow it."""
    assert wanted.schema is not None
    setting = "response_format.schema"
    return _fitting(
        lowered(wanted.schema, dialect),
        "the response format",
        notes,
        "the schema of the answer binds nobody there",
        setting,
    )


def _fitting(found: Lowered, what: str, notes: Notes, refusal: str, setting: str) -> Json | None:
    if found.problems:
        notes.add("unsupported_setting", f"{refusal}: {'; '.join(found.problems)}", setting)
        return None
    if found.lost:
        lost = ", ".join(found.lost)
        notes.add("changed_schema", f"{lost} in the schema of {what} bind nobody here; the descriptions tell them")
    return found.schema


def _object(schema: Mapping[str, Any]) -> Json:
    return {"type": "object", **schema} if "type" not in schema else dict(schema)
