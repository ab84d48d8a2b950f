"""The source itself: what could run something, or hide something, is not in it; and what SECURITY.md names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import aiclient

PACKAGE = Path(aiclient.__file__).parent
ROOT = Path(__file__).parents[2]
MODULES = sorted(PACKAGE.rglob("*.py"))

FORBIDDEN_IMPORTS = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "subprocess", "telnetlib", "ftplib"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_METHODS = {
    ("yaml", "unsafe_load"),
    ("yaml", "full_load"),
    ("os", "system"),
    ("os", "popen"),
    ("tempfile", "mktemp"),
}


def imported(nodes):
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


def called(nodes):
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
        ):
            yield node.func.value.id, node.func.attr


def given(nodes):
    """Yield the keywords of all calls that have a constant."""
    for node in nodes:
        if isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant):
            yield node.arg, node.value.value


def forbidden(text):
    """What a module may not hold, as it stands there: programs, keys in addresses, certificates that nobody checks."""
    nodes = list(ast.walk(ast.parse(text)))
    found = [*FORBIDDEN_IMPORTS & set(imported(nodes)), *(FORBIDDEN_CALLS | FORBIDDEN_METHODS) & set(called(nodes))]
    found += re.findall(r"[?&](?:api_?)?key=\{|CERT_NONE|check_hostname *= *False", text)
    return found + [argument for argument in given(nodes) if argument == ("verify", False)]


def test_no_module_runs_a_program_writes_a_key_into_an_address_or_leaves_a_certificate_unchecked():
    found = {path.relative_to(PACKAGE).as_posix(): forbidden(path.read_text("utf-8")) for path in MODULES}
    assert len(found) > 300
    assert {path: what for path, what in found.items() if what} == {}


def test_the_search_finds_what_it_is_for():
    bad = "import pickle\nfrom subprocess import run\neval('1')\nyaml.full_load(x)\nos.system('ls')\nget(verify=False)"
    nodes = list(ast.walk(ast.parse(bad)))
    assert set(imported(nodes)) == {"pickle", "subprocess"}
    assert set(called(nodes)) == {"eval", ("yaml", "full_load"), ("os", "system"), "get"}
    assert ("verify", False) in set(given(nodes))
    bad = 'import pickle\neval("1")\nget(f"https://a.test/?key={key}", verify=False)\ncontext.check_hostname = False'
    assert forbidden(bad) == ["pickle", "eval", "?key={", "check_hostname = False", ("verify", False)]


KEYS = re.compile(r"\b(?:sk-(?:ant-|proj-)?[\w-]{30,}|AIza[\w-]{35}|AKIA[A-Z0-9]{16}|gsk_\w{40,}|ghp_\w{36})\b")


def test_no_recording_of_the_project_holds_what_looks_like_a_key():
    found = [
        path
        for path in (ROOT / "tests" / "golden").rglob("*")
        if path.is_file() and KEYS.search(path.read_text("utf-8"))
    ]
    assert found == []
    assert KEYS.search("AKIA" + "Q" * 16)


def test_every_rule_of_the_policy_names_tests_that_are_there_or_says_why_not():
    rows = re.findall(r"^\| (\d+) \| .* \| (.*) \|$", (ROOT / "SECURITY.md").read_text("utf-8"), re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 29))
    for number, shown in rows:
        paths = re.findall(r"`(tests/[^`]+)`", shown)
        assert paths or shown.startswith("not "), number
        assert [path for path in paths if not (ROOT / path).is_file()] == [], number
