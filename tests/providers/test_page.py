"""What docs/providers.md and the page of each provider say: what it takes, what is sent, its options, the variables it reads.

`python -m tests.providers.test_page` prints the tables anew.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from aiclient import Client, Tool, audio, document, image
from aiclient.errors import UnsupportedFeatureError
from aiclient.providers.services import SERVICES
from aiclient.request import EFFORTS
from aiclient.wire import anthropic_usage, cohere_parts, converse_usage, gemini_usage, ollama_stream, openai_usage

from . import sent
from .made import MADE

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "providers.md").read_text("utf-8")
PAGES = {path.stem.removeprefix("provider-"): path.read_text("utf-8") for path in DOCS.glob("provider-*.md")}
HEADER = "| provider, model | tools | schema | images | sound | PDF | reasoning | prompt cache | besides `chat` |"
LACKING = "| provider, model | settings that are left out |"


def told(builder):
    """The codes of what the service could not be asked for, with their settings; None where that is an error."""
    try:
        return [(warning.code, warning.setting) for warning in builder.dry_run().warnings]
    except UnsupportedFeatureError:
        return None


def plain(builder):
    return "yes" if told(builder) == [] else "–"


def offered(request):
    """Whether tools are taken, and whether the use of one can be demanded."""
    free = request.tools(Tool("weather"))
    return "yes" if told(free.tool_choice("required")) == [] else "not forced" if told(free) == [] else "–"


def media(request, **parts):
    """The forms in which a part is taken: as bytes, and by its address."""
    return ", ".join(form for form, part in parts.items() if told(request.user(["Look", part])) == []) or "–"


def thinking(request):
    found = [told(request.reasoning(word)) for word in EFFORTS]
    if all(found):
        return "–" if any(code == "unsupported_setting" for one in found for code, _ in one) else "one"
    return "nearest" if any(found) else "every effort"


def kept(request):
    times = [told(request.prompt_cache(ttl)) == [] for ttl in ("5m", "1h", "24h")]
    keyed = {setting for _, setting in told(request.prompt_cache("5m", key="k"))}
    words = ["time"] * any(times) + ["key"] * ("prompt_cache" not in keyed and "prompt_cache.key" not in keyed)
    return ", ".join(words) or "–"


def row(name):
    """What the page says of a provider: the table's line, made by asking it for each thing and sending nothing."""
    provider = MADE[name]()
    with Client(provider) as client:
        request = client.new_request().user("Hi")
        cells = [
            offered(request),
            plain(request.response_format(sent.FORM)),
            media(request, bytes=image(b"\x89PNG\r\n\x1a\n"), URL=image(f"{sent.FILES}png")),
            media(request, bytes=audio(b"RIFF\x24\x00\x00\x00WAVEfmt "), URL=audio(f"{sent.FILES}wav")),
            media(request, bytes=document(b"%PDF-1.7"), URL=document(f"{sent.FILES}pdf")),
            thinking(request),
            kept(request),
            ", ".join(sorted(provider.describe().capabilities - {"chat", "preview"})),
        ]
    return f"| {name} | " + " | ".join(cells) + " |"


SETTINGS = {
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 5,
    "seed": 1,
    "stop": "END",
    "frequency_penalty": 0.5,
    "presence_penalty": 0.5,
    "user_id": "u",
}


def lacking(name):
    """What the page says a provider leaves out, with a warning."""
    with Client(MADE[name]()) as client:
        request = client.new_request().user("Hi")
        words = [f"`{setting}`" for setting, value in SETTINGS.items() if told(getattr(request, setting)(value))]
    return f"| {name} | {', '.join(words) or '–'} |"


@pytest.mark.parametrize("name", MADE)
def test_the_tables_of_providers_are_what_they_say_when_they_are_asked(name):
    assert [line for line in PAGE.splitlines() if line.startswith(f"| {name} |")] == [row(name), lacking(name)]


@pytest.mark.parametrize("header", [HEADER, LACKING])
def test_the_tables_of_providers_have_these_rows_and_no_other(header):
    lines = PAGE.partition(header)[2].partition("\n\n")[0].splitlines()[2:]
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines] == list(MADE)


# --- a page for each ---

SECTIONS = {  # what each class's page says of its options
    re.search(r"`(\w+Provider)`", text)[1]: text.partition("## Options")[2].partition("## What is sent")[0]
    for text in PAGES.values()
}
CLASSES = {type(make()) for make in MADE.values()}
COMMON = set(re.findall(r"^\| `(\w+)` \|", PAGE.partition("## Options of all")[2].partition("\n## ")[0], re.MULTILINE))


def test_every_class_has_its_page_and_the_overview_leads_there():
    assert SECTIONS.keys() == {cls.__name__ for cls in CLASSES}
    assert set(re.findall(r"\]\(provider-(\w+)\.md\)", PAGE)) == PAGES.keys()


@pytest.mark.parametrize("cls", sorted(CLASSES, key=lambda cls: cls.__name__), ids=lambda cls: cls.__name__)
def test_a_section_names_every_option_that_only_some_providers_have(cls):
    shown = set(re.findall(r"^\| `(\w+)` \|", SECTIONS[cls.__name__], re.MULTILINE))
    assert shown == inspect.signature(cls).parameters.keys() - COMMON


def test_the_options_of_all_providers_are_those_of_all():
    options = [set(inspect.signature(cls).parameters) for cls in CLASSES]
    assert set.intersection(*options) == COMMON


@pytest.mark.parametrize("cls", sorted(CLASSES, key=lambda cls: cls.__name__), ids=lambda cls: cls.__name__)
def test_a_section_names_every_variable_that_its_provider_reads(cls):
    source = Path(cls.__init__.__code__.co_filename).read_text("utf-8")
    read = set(re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', source))
    assert set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", SECTIONS[cls.__name__])) == read


def service_row(service):
    places = "".join(f"; `{variable}`" for variable in service.places.values())
    address = f"`{service.base_url}`{places}" + (f", or `{service.address}`" if service.address else "")
    key = f"`{service.key}`" + ("" if service.needs_key else ", if there is one") if service.key else "–"
    return f"| `{service.name}` | {address} | {key} |"


def test_the_services_with_a_name_are_those_of_the_table_in_the_code():
    lines = PAGES["compatible"].partition("| name | address | key |")[2].partition("\n\n")[0].splitlines()[2:]
    assert lines == [service_row(SERVICES[name]) for name in sorted(SERVICES)]


SHOWN = {  # the tables of what is sent: page -> providers, each with the one whose rows need not be said again
    "openai": [("`openai`, gpt-5.2", None), ("`openai-responses`, gpt-5.2", None)],
    "azure": [("`azure`, any", "`openai`, gpt-5.2")],
    "anthropic": [("`anthropic`, claude-opus-4-8", None)],
    "gemini": [("`gemini`, gemini-3-pro-preview", None)],
    "vertex": [("`vertex`, gemini-3-pro-preview", "`gemini`, gemini-3-pro-preview")],
    "bedrock": [("`bedrock`, claude-opus-4-8", None), ("`bedrock`, nova-pro", "`bedrock`, claude-opus-4-8")],
    "mistral": [("`mistral`, mistral-large-latest", None)],
    "cohere": [("`cohere`, command-a-03-2025", None)],
    "ollama": [("`ollama`, qwen3", None)],
    "compatible": [("`compatible`, any", "`openai`, gpt-5.2")],
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_what_each_step_of_a_request_becomes(page):
    tables = [part.partition("\n\n")[0].splitlines()[2:] for part in PAGES[page].split(sent.HEADER)[1:]]
    assert tables == [sent.table(name, unlike) for name, unlike in SHOWN[page]]


def test_claude_is_sent_the_same_by_vertex_as_by_anthropic():
    assert sent.table("`vertex`, claude-opus-4-8", "`anthropic`, claude-opus-4-8") == []


WORDS = {
    "openai": openai_usage._REASONS,
    "anthropic": anthropic_usage._REASONS,
    "gemini": gemini_usage._REASONS,
    "bedrock": converse_usage._REASONS,
    "cohere": cohere_parts._REASONS,
    "ollama": ollama_stream._REASONS,
}


@pytest.mark.parametrize("page", WORDS)
def test_a_page_has_every_word_for_the_end_of_an_answer(page):
    lines = PAGES[page].partition("| `finish_reason` | the service's word |")[2].partition("\n\n")[0].splitlines()[2:]
    told = {word: line.split("`")[1] for line in lines for word in re.findall(r"`(\w+)`", line.split(" | ")[1])}
    assert told == WORDS[page]


if __name__ == "__main__":
    print(HEADER + "\n" + "|---" * 9 + "|")
    print("\n".join(map(row, MADE)))
    print(f"\n{LACKING}\n|---|---|")
    print("\n".join(map(lacking, MADE)))
