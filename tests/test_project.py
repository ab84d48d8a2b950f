"""The files around the package: workflows, templates, hooks, the image. What they call is there, and they may do little."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
YAML = [*sorted((ROOT / ".github").rglob("*.yml")), ROOT / ".pre-commit-config.yaml"]


def read(path):
    return yaml.load(path.read_text("utf-8"), yaml.BaseLoader)  # `on` stays a word


JOBS = {f"{path.stem}: {name}": job for path in WORKFLOWS for name, job in read(path)["jobs"].items()}
STEPS = [step for job in JOBS.values() for step in job["steps"]]
RUNS = [line.strip() for step in STEPS for line in step.get("run", "").splitlines()]
WRITES = {
    "release: attest": {"id-token", "attestations", "artifact-metadata"},
    "release: publish": {"id-token"},
}


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_it_is_yaml_and_says_something(path):
    assert read(path)


# --- workflows ---


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_do_nothing_that_a_job_does_not_ask_for(path):
    workflow = read(path)
    assert workflow["permissions"] == {}
    assert set(workflow["on"]) <= {"push", "pull_request", "schedule"}
    assert "group" in workflow["concurrency"]


@pytest.mark.parametrize("name", JOBS)
def test_a_job_reads_and_writes_only_what_it_must_and_ends(name):
    writes = {scope for scope, access in JOBS[name]["permissions"].items() if access != "read"}
    assert writes == WRITES.get(name, set())
    assert int(JOBS[name]["timeout-minutes"]) <= 60


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_an_action_is_pinned_to_a_commit_beside_its_version(path):
    uses = re.findall(r"uses: (.*)", path.read_text("utf-8"))
    assert uses
    assert [use for use in uses if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use)] == []


def test_one_action_has_one_pin():
    uses = {use for path in WORKFLOWS for use in re.findall(r"uses: (.*)", path.read_text("utf-8"))}
    assert len({use.partition("@")[0] for use in uses}) == len(uses)


def test_no_checkout_leaves_its_credentials_behind():
    checkouts = [step for step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert {step["with"]["persist-credentials"] for step in checkouts} == {"false"}


def test_nothing_that_others_write_is_put_into_a_script():
    assert [line for line in RUNS if "${{" in line] == []


def test_both_workflows_run_all_checks_and_a_release_waits_for_them():
    assert RUNS.count("bash .ci/run") == 2
    assert JOBS["release: build"]["needs"] == "checks"
    assert JOBS["release: publish"]["needs"] == ["build", "attest"]
    assert JOBS["release: publish"]["environment"]["name"] == "pypi"


def test_the_suite_is_the_readmes_command():
    commands = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    asked = commands[1].strip().rpartition(" && ")[2].removeprefix(".venv/bin/")
    assert asked in RUNS


def test_the_suite_runs_on_each_system_and_each_python_that_the_package_names():
    matrix = JOBS["ci: suite"]["strategy"]["matrix"]
    named = re.findall(r":: (3\.\d+)$", "\n".join(PROJECT["classifiers"]), re.MULTILINE)
    assert matrix["python"] == named
    assert {system.partition("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}


def test_every_extra_that_is_installed_is_there():
    installed = re.findall(r"\[([\w,]+)\]", "\n".join([*RUNS, (ROOT / "Dockerfile").read_text("utf-8")]))
    extras = {extra for group in installed for extra in group.split(",")}
    assert {"all", "rich"} <= extras <= PROJECT["optional-dependencies"].keys()


def test_all_is_every_extra_of_users():
    (together,) = PROJECT["optional-dependencies"]["all"]
    others = PROJECT["optional-dependencies"].keys() - {"all", "test", "docs", "examples", "oracles"}
    assert set(re.search(r"\[(.*)\]", together)[1].split(",")) == others


# --- hooks ---


def test_a_hook_is_pinned_to_a_commit_or_runs_what_the_checkout_has():
    repos = read(ROOT / ".pre-commit-config.yaml")["repos"]
    assert [repo for repo in repos if not re.fullmatch(r"[0-9a-f]{40}", repo.get("rev", "0" * 40))] == []
    local = [hook for repo in repos if repo["repo"] == "local" for hook in repo["hooks"]]
    assert {hook["entry"].split()[0] for hook in local} == {".venv/bin/ruff", ".venv/bin/mypy"}


# --- the image ---

IMAGE = (ROOT / "Dockerfile").read_text("utf-8")


def test_the_image_runs_the_command_and_not_as_root():
    last = IMAGE.rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (.*)", last, re.MULTILINE) == ["10001:10001"]
    assert last.index("\nUSER ") < last.index("\nENTRYPOINT ")
    assert re.search(r'^ENTRYPOINT \["aiclient"\]', last, re.MULTILINE)


def test_the_image_begins_with_a_python_that_the_package_names():
    bases = set(re.findall(r"^FROM (\S+)", IMAGE, re.MULTILINE))
    assert [re.fullmatch(r"python:(3\.\d+)-slim-\w+", base)[1] in str(PROJECT["classifiers"]) for base in bases] == [
        True
    ]


def test_what_the_image_copies_is_sent_and_little_else():
    copied = {
        word.strip("./") for line in re.findall(r"^COPY (?!--)(.*) \S+$", IMAGE, re.MULTILINE) for word in line.split()
    }
    ignore = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if not line.startswith("#")]
    sent = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    assert ignore[0] == "*"
    assert copied == sent
    assert {path.name for path in ROOT.iterdir() if any(fnmatch.fnmatch(path.name, one) for one in sent)} == copied
