"""Every guard is removed once, and its test must notice.

The entries lie in `tests/sabotage/`, a file for each piece: `SABOTAGE = [(file, old, new, test), ...]`. `file` is relative to
`aiclient/`, `old` stands in it exactly once, `new` is the same without the guard, and `test` is the node id of the test that
must fail then. The package is copied, changed, and the one test runs on the copy in an interpreter of its own.

    python -m pytest -q -m "slow or sabotage" tests/test_sabotage.py -k retry

With the slow tests every twentieth entry runs: all of them take half an hour on two cores.
"""

from __future__ import annotations

import ast
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "aiclient"
PATIENCE = 60.0
"""Seconds; a test that still runs then hangs, and a hang is noticed too. Less would take a busy machine for a hang."""

RUN = """
import sys
import aiclient  # before pytest, so that every later import finds the package that is tried here
if aiclient.__path__ != [sys.argv[1]]:
    sys.exit(f"{aiclient.__path__} was imported instead of {sys.argv[1]}")
import pytest
sys.exit(pytest.main(sys.argv[2:]))
"""
OPTIONS = ["-q", "-x", "-m", "", "-p", "no:cacheprovider", "--import-mode=importlib", "--tb=line"]


class Sabotage(NamedTuple):
    file: str
    old: str
    new: str
    test: str

    def applied(self, source):
        assert source.count(self.old) == 1, f"{self.file} holds this {source.count(self.old)} times:\n{self.old}"
        assert self.old != self.new
        return source.replace(self.old, self.new)


def entries():
    for path in sorted((ROOT / "tests" / "sabotage").glob("*.py")):
        for number, entry in enumerate(runpy.run_path(str(path))["SABOTAGE"]):
            sabotage = Sabotage(*entry)
            yield pytest.param(sabotage, id=f"{path.stem}-{number}-{sabotage.test.rpartition('::')[2]}")


ENTRIES = list(entries())
every_entry = pytest.mark.parametrize("sabotage", ENTRIES)
a_twentieth_and_the_others_apart = pytest.mark.parametrize(
    "sabotage",
    [
        pytest.param(*entry.values, id=entry.id, marks=pytest.mark.sabotage if number % 20 else pytest.mark.slow)
        for number, entry in enumerate(ENTRIES)
    ],
)


class Run(NamedTuple):
    """What became of some tests on a copy of the package; `code` is pytest's, None for a hang."""

    code: int | None
    printed: str

    @property
    def noticed(self):
        return self.code in (1, None)  # other codes say that the tests were not found, or could not be run at all


def run(tests, sabotage=None, patience=PATIENCE):
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "aiclient").resolve()
        shutil.copytree(PACKAGE, copy)  # with the compiled files: they stay valid, and compiling would take a second
        if sabotage is not None:
            source = (copy / sabotage.file).read_text("utf-8")
            (copy / sabotage.file).write_text(sabotage.applied(source), "utf-8")
        environ = os.environ | {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-P", "-c", RUN, str(copy), *OPTIONS, *tests]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        with subprocess.Popen(command, cwd=ROOT, env=environ, start_new_session=True, **pipes) as process:
            try:
                printed, _ = process.communicate(timeout=patience)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # with the children that it may have forked
                return Run(None, "it hangs")
            return Run(process.returncode, printed)


@pytest.fixture(scope="module")
def runs(request):
    """The runs of all entries that were selected, two at a time; they begin with the first test that asks."""
    selected = [item.callspec.params["sabotage"] for item in request.session.items if "runs" in item.fixturenames]
    with ThreadPoolExecutor(2) as pool:
        yield {sabotage: pool.submit(run, [sabotage.test], sabotage) for sabotage in selected}
        pool.shutdown(cancel_futures=True)


@every_entry
def test_the_guard_stands_where_its_entry_says(sabotage):
    ast.parse(sabotage.applied((PACKAGE / sabotage.file).read_text("utf-8")))


@a_twentieth_and_the_others_apart
def test_removing_the_guard_is_noticed(runs, sabotage):
    result = runs[sabotage].result()
    assert result.noticed, result.printed


@pytest.mark.sabotage  # by themselves they run with all the others
def test_the_tests_that_must_notice_pass_on_the_package_as_it_is():
    result = run(sorted({entry.values[0].test for entry in ENTRIES}), patience=600)
    assert result.code == 0, result.printed


# --- the driver itself ---

SELF = "tests/test_clock.py"
STUCK = Sabotage("clock.py", "__all__ = [", "while True: ...\n__all__ = [", SELF)


@pytest.mark.slow
def test_a_change_that_breaks_nothing_is_not_taken_for_noticed():
    harmless = Sabotage("errors.py", "] = frozenset(", "]  = frozenset(", SELF)
    assert run([SELF], harmless).code == 0


@pytest.mark.slow
@pytest.mark.parametrize("test", [f"{SELF}::test_nothing", "tests/test_nothing.py"])
def test_a_test_that_does_not_exist_notices_nothing(test):
    assert not run([test]).noticed


@pytest.mark.slow
def test_a_hang_is_noticed():
    assert run([SELF], STUCK, patience=1.0) == (None, "it hangs")


def test_a_text_that_does_not_stand_there_is_refused():
    with pytest.raises(AssertionError, match="holds this 0 times"):
        Sabotage("errors.py", "no such text", "", SELF).applied("class A: ...")


def test_a_text_that_stands_there_twice_is_refused():
    with pytest.raises(AssertionError, match="holds this 2 times"):
        Sabotage("errors.py", "a", "", SELF).applied("aha")
