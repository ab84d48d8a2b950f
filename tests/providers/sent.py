"""What each step of the builder becomes on the wire of a provider, found by asking it; nothing is sent.

`python -m tests.providers.sent` prints the tables of docs/provider-*.md anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from aiclient import Client, Tool, audio, document, image
from aiclient.errors import UnsupportedFeatureError

from .made import MADE

HEADER = "| of the request | in the body that is sent |"
FORM = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = Tool("weather", "Look.", FORM)
FILES = "https://files.test/a."
LONGEST = 110
"""Characters of a value that are shown."""

STEPS = {
    '`.system("Be brief.")`': lambda r: r.system("Be brief.").user("Look"),
    **{
        f"`.{call}`": lambda r, call=call: eval(f"r.user('Look').{call}", {"r": r, "weather": WEATHER, "schema": FORM})
        for call in (
            "max_tokens(100)",
            "temperature(0.5)",
            "top_p(0.5)",
            "top_k(5)",
            "seed(1)",
            'stop("END")',
            "frequency_penalty(0.5)",
            "presence_penalty(0.5)",
            'user_id("u7")',
            'metadata(team="a")',
            "tools(weather)",
            'tool_choice("required")',
            'tool_choice("weather")',
            "parallel_tool_calls(False)",
            'response_format("json")',
            "response_format(schema)",
            'reasoning("none")',
            'reasoning("low")',
            'reasoning("high")',
            "reasoning(budget_tokens=2000)",
            'prompt_cache("1h")',
            'prompt_cache("24h", key="k")',
        )
    },
    "an image's bytes": lambda r: r.user(["Look", image(b"\x89PNG\r\n\x1a\n")]),
    "an image's address": lambda r: r.user(["Look", image(f"{FILES}png")]),
    "a PDF's bytes": lambda r: r.user(["Look", document(b"%PDF-1.7")]),
    "a PDF's address": lambda r: r.user(["Look", document(f"{FILES}pdf")]),
    "a sound's bytes": lambda r: r.user(["Look", audio(b"RIFF\x24\x00\x00\x00WAVEfmt ")]),
    "a sound's address": lambda r: r.user(["Look", audio(f"{FILES}wav")]),
}
"""Steps of the builder, as the pages write them, by what they do to a request that is `.user("Look")` without them."""


def changes(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield where the one differs from the other, with what stands there in the other."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() - after.keys():
            yield f"{path}.{key}", "left out"
        for key, value in after.items():
            if key not in before:
                yield from leaves(value, f"{path}.{key}")
            elif before[key] != value:
                yield from changes(before[key], value, f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list):
        ahead = len(after) - len(before) if after[len(after) - len(before) :] == before else 0
        for number, value in enumerate(after):
            if number < ahead or number - ahead >= len(before):
                yield from leaves(value, f"{path}[{number}]")
            elif before[number - ahead] != value:
                yield from changes(before[number - ahead], value, f"{path}[{number}]")
    elif isinstance(after, list):  # a text has become parts: what was added is the last of them
        yield from leaves(after[-1], f"{path}[{len(after) - 1}]")
    else:
        yield path, after


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the value at its path; what is alone in its object or list is a part of the path."""
    if isinstance(value, dict) and len(value) == 1:
        ((key, inside),) = value.items()
        yield from leaves(inside, f"{path}.{key}")
    elif isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        yield from leaves(value[0], f"{path}[0]")
    else:
        yield path, value


def shown(path: str, value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return f"`{path.lstrip('.')}: {text if len(text) <= LONGEST else text[:LONGEST] + '…'}`"


def cell(name: str, step: str) -> str:
    """Return what one step changes, or why nothing of it is sent."""
    with Client(MADE[name]()) as client:
        start = client.new_request()
        if "tool_" in step:
            start = start.tools(WEATHER)
        try:
            before, after = start.user("Look").dry_run(), STEPS[step](start).dry_run()
        except UnsupportedFeatureError as error:
            return f"refused: {error.message}"
    sent = [shown(*change) for change in changes(before.body, after.body)]
    return "; ".join([*sent, *(warning.message for warning in after.warnings)]) or "nothing"


def table(name: str, unlike: str | None = None) -> list[str]:
    """Return the rows of one provider, or those in which it is unlike another."""
    cells = {step: cell(name, step) for step in STEPS}
    known = {} if unlike is None else {step: cell(unlike, step) for step in STEPS}
    return [f"| {step} | {told} |" for step, told in cells.items() if told != known.get(step)]


if __name__ == "__main__":
    for each in MADE:
        print(f"\n## {each}\n\n{HEADER}\n|---|---|")
        print("\n".join(table(each)))
