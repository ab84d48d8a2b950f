"""What README.md and docs/ state without running it: commands, tables, links. Their examples run by way of conftest.py."""

from __future__ import annotations

import ast
import json
import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from attrs import fields

from aiclient import ProviderInfo, Timeouts, errors, models
from aiclient.config import environment, reference
from aiclient.providers.services import SERVICES
from aiclient.registry import PROVIDERS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
WORDS = {True: "yes", False: "no"}


def rows(text, header):
    """Return the cells of the table that begins with `header`."""
    table = text.split(header, 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def value(code):
    """Build the error that `Name` or `Name(kind="word")` stands for."""
    name, _, arguments = code.strip("`").partition("(")
    return getattr(errors, name)(**dict(re.findall(r'(\w+)="(\w+)"', arguments)), **status(arguments))


def status(arguments):
    found = re.search(r"status_code=(\d+)", arguments)
    return {"status_code": int(found[1])} if found else {}


def anchors(target, document):
    """Return what GitHub calls the headings of a page; of `document` where a link names no other."""
    text = (target if target.is_file() else document).read_text("utf-8")
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# --- README.md ---


def test_the_first_two_commands_are_one_line_each_and_need_python_and_pip_alone():
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    assert [block.count("\n") for block in blocks[:2]] == [1, 1]
    assert all(block.startswith("python3 -m venv .venv && .venv/bin/pip install -q ") for block in blocks[:2])
    assert blocks[0].endswith(".venv/bin/aiclient demo\n")
    assert blocks[1].endswith(".venv/bin/python -m pytest -q -n auto --dist loadfile\n")


def test_the_readmes_table_of_errors_is_what_the_outcome_table_says():
    for name, category, retryable in rows(README, "| error | `.category` |"):
        if retryable.startswith("depends") or category.startswith("that of"):
            continue
        verdict = errors.outcome(value(name))
        assert (category, retryable) == (verdict.category, WORDS[verdict.retryable]), name


@pytest.mark.parametrize(
    ("cls", "word", "values"),
    [
        (errors.ProtocolError, "kind", ["decode", "schema"]),
        (errors.ConnectError, "kind", ["reset", "tls"]),
        (errors.TimeoutError, "phase", ["idle", "total"]),
    ],
)
def test_where_the_readme_says_that_it_depends_it_does(cls, word, values):
    assert [cls("", **{word: value}).retryable for value in values] == [True, False]
    assert [row[2] for row in rows(README, "| error | `.category` |") if row[0] == f"`{cls.__name__}`"] == [
        f"depends on `.{word}`"
    ]


def test_every_provider_that_a_model_string_can_name_has_its_row():
    shown = {name.strip("`"): cls.strip("`") for name, cls, _ in rows(README, "| name | class | service |")}
    elsewhere = {"mock", *SERVICES}
    named = {name: where.partition(":")[2] for name, where in PROVIDERS.items() if name not in elsewhere}
    assert shown == named | {"openai-responses": "OpenAIProvider"}  # made by a function of its own


def test_the_variables_are_those_that_the_library_reads():
    known = set(environment.VARIABLES)
    assert (
        set(re.findall(r"\bAI(?:CLIENT)?_[A-Z_]*[A-Z]", (ROOT / "docs/configuration.md").read_text("utf-8"))) == known
    )
    further = {"AI_CIRCUIT_BREAKER", "AI_CIRCUIT_BREAKER_THRESHOLD", "AI_RATE_LIMIT", *environment.OWN}
    assert set(re.findall(r"\bAI(?:CLIENT)?_[A-Z_]*[A-Z]", README)) | further == known  # the README has the usual ones


def test_the_vendors_variables_are_those_that_the_providers_read():
    modules = [where.partition(":")[0].replace(".", "/") for name, where in PROVIDERS.items() if name != "mock"]
    sources = "".join((ROOT / f"{module}.py").read_text("utf-8") for module in modules)
    known = set(re.findall(r'"([A-Z]+(?:_[A-Z]+)+)"', sources))
    shown = " ".join(row[0] for row in rows(README, "| variable | meaning |"))
    assert {name for name in re.findall(r"[A-Z_]{3,}", shown) if not name.startswith("AI_")} == known


def test_the_reference_of_the_configuration_is_what_the_schema_says():
    """Written anew with `python -c "from aiclient.config import reference; print(reference())"`."""
    page = (ROOT / "docs/configuration-reference.md").read_text("utf-8")
    assert page.partition("## The keys")[1:] == reference().partition("## The keys")[1:]


# --- docs/errors.md ---

TABLE = rows((ROOT / "docs/errors.md").read_text("utf-8"), "| error | category | retryable |")


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0].strip("`"))
def test_a_row_of_the_table_of_errors_is_what_the_outcome_table_says(row):
    verdict = errors.outcome(value(row[0]))
    assert row[1:5] == [verdict.category, WORDS[verdict.retryable], verdict.breaker, WORDS[verdict.falls_over]]


def test_every_error_that_is_raised_has_its_row():
    shown = {row[0].strip("`").partition("(")[0] for row in TABLE}
    classes = {name for name in errors.__all__ if isinstance(getattr(errors, name), type)}
    raised = {name for name in classes if issubclass(getattr(errors, name), errors.AIClientError)}
    assert raised - shown == {"AIClientError", "ProviderError", "AllProvidersFailedError"}  # never as themselves


def test_every_kind_of_protocol_error_has_its_row():
    shown = {match[1] for row in TABLE if (match := re.search(r'ProtocolError\(kind="(\w+)"', row[0]))}
    assert shown == errors.PROTOCOL_KINDS.keys()


def test_troubleshooting_says_of_every_error_what_to_do():
    page = (ROOT / "docs/troubleshooting.md").read_text("utf-8").partition("## Keys and credentials")[0]
    named = {name for row in re.findall(r"^\|([^|]*)\|", page, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    classes = {name for name in errors.__all__ if isinstance(getattr(errors, name), type)}
    raised = {name for name in classes if issubclass(getattr(errors, name), errors.AIClientError)}
    assert named == raised - {"AIClientError", "ProviderError"}  # never as themselves


# --- docs/answers.md ---


def test_every_code_of_a_warning_has_its_row():
    source = "".join(path.read_text("utf-8") for path in (ROOT / "aiclient").rglob("*.py"))
    given = re.findall(r'(?:CallWarning|notes\.add)\(\s*"([a-z_]+)"', source)
    codes = [row[0] for row in rows((ROOT / "docs/answers.md").read_text("utf-8"), "| `code` | what happened |")]
    assert set(re.findall(r"`([a-z_]+)`", " ".join(codes))) == set(given)


# --- docs/streams.md ---


def test_the_time_limits_are_those_that_hold():
    table = rows((ROOT / "docs/streams.md").read_text("utf-8"), "| limit | default | counts |")
    shown = {name.strip("`"): None if default == "none" else float(default) for name, default, _ in table}
    assert shown == {attribute.name: getattr(Timeouts(), attribute.name) for attribute in fields(Timeouts)}


# --- indexes ---


def named_models():
    """Return what the table knows of every model string on a page or in an example: those that a newcomer copies."""
    string = re.compile(r"\b(openai|anthropic|gemini|mistral|cohere|groq|xai|deepseek):([a-z][\w.-]*\w)")
    pages = (*DOCUMENTS, *ROOT.glob("examples/**/*.py"), *ROOT.glob("examples/config/*.yaml"))
    names = {found for page in pages for found in string.findall(page.read_text("utf-8"))}
    infos = (models.find(ProviderInfo(provider, model=model)) for provider, model in sorted(names))
    return {info for info in infos if info is not None}


def test_no_model_that_a_page_names_ends_soon_after_the_table_was_made():
    made = date.fromisoformat(json.loads((ROOT / "aiclient/prices.json").read_text("utf-8"))["date"])
    found = named_models()
    assert len(found) > 5
    assert [info.name for info in found if info.retires and info.retires - made < timedelta(days=90)] == []


def test_the_index_of_the_documentation_names_every_page_by_its_title():
    listed = dict(re.findall(r"^- \[(.*)\]\((.*)\)$", (ROOT / "docs" / "README.md").read_text("utf-8"), re.MULTILINE))
    pages = {page for page in (ROOT / "docs").glob("*.md") if page.name != "README.md"}
    assert listed == {page.read_text("utf-8").partition("\n")[0].removeprefix("# "): page.name for page in pages}


def test_llms_txt_has_its_form_and_a_line_for_every_page():
    """https://llmstxt.org: a title, a quote that says what it is, and sections of links, each with what is found there."""
    text = (ROOT / "llms.txt").read_text("utf-8")
    title, quote, rest = text.split("\n\n", 2)
    assert title.startswith("# ") and quote.startswith("> ")
    lines = [line for section in rest.split("\n## ")[1:] for line in section.splitlines()[1:] if line]
    links = [re.fullmatch(r"- \[[^\]]+\]\(([^)]+)\): \S.*", line) for line in lines]
    assert [line for line, link in zip(lines, links, strict=True) if link is None] == []
    named = [link[1] for link in links]
    assert [name for name in named if not (ROOT / name).is_file()] == []
    assert sorted(named) == sorted(set(named))
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} - set(named) == set()


def test_the_index_of_the_examples_says_what_every_one_says_of_itself():
    listed = re.findall(r"^- \[(.*)\]\(.*\): (.*)$", (ROOT / "examples" / "README.md").read_text("utf-8"), re.MULTILINE)
    folder = ROOT / "examples"
    examples = [path for path in folder.rglob("*.py") if "third_party" not in path.parts]
    said = {path: ast.get_docstring(ast.parse(path.read_text("utf-8"))).partition("\n")[0] for path in examples}
    assert dict(listed) == {path.relative_to(folder).as_posix(): doc for path, doc in said.items()}


# --- all of them ---


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text("utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_a_heading_find_it(document):
    links = re.findall(r"\]\(((?!https?:)[^)#]*\.md|)#([^)]+)\)", document.read_text("utf-8"))
    assert [(path, anchor) for path, anchor in links if anchor not in anchors(document.parent / path, document)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_fence_is_closed_and_has_a_language_that_is_dealt_with(document):
    fences = re.findall(r"^ *```(\w*)$", document.read_text("utf-8"), re.MULTILINE)
    assert len(fences) % 2 == 0
    assert set(fences[::2]) <= {"python", "text", "sh", "console", "toml", "json", "yaml"}
    assert set(fences[1::2]) <= {""}
