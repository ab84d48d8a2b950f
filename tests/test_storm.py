"""A small storm on every run: the seam survives it, and each broken twin is caught."""

import subprocess
import sys
from pathlib import Path

import pytest

STORM = Path(__file__).with_name("storm.py")


def storm(*arguments):
    """Run the storm; return its exit code and what it printed."""
    done = subprocess.run(
        [sys.executable, str(STORM), "--seeds", "1", *arguments], capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("over", [(), ("--tls",)], ids=["tcp", "tls"])
def test_the_seam_survives_a_storm(over):
    code, said = storm("--calls", "240", "--streams", "240", *over)
    assert code == 0, said
    assert said.count("clean") == 2


@pytest.mark.slow
@pytest.mark.parametrize("over", [(), ("--tls",)], ids=["tcp", "tls"])
def test_client_retry_and_provider_survive_a_storm(over):
    code, said = storm("--client", "--calls", "400", "--streams", "400", *over)
    assert code == 0, said
    assert said.count("clean") == 2


@pytest.mark.slow
@pytest.mark.parametrize(("twin", "found"), [("no-permit", "permits lost"), ("no-close", "sockets left")])
def test_a_broken_twin_is_caught_through_a_client_too(twin, found):
    code, said = storm("--client", "--calls", "0", "--streams", "400", "--twin", twin, "--patience", "1")
    assert code == 0, said
    assert found in said


@pytest.mark.parametrize(
    ("twin", "found", "streams", "over"),
    [
        pytest.param("httpx", "tasks stuck", "2400", (), marks=pytest.mark.slow),  # dies after 300 to 1,600
        pytest.param("no-permit", "permits lost", "400", (), marks=pytest.mark.slow),
        ("no-close", "sockets left", "400", ()),
        ("no-trace", "sockets left", "320", ("--tls",)),
    ],
    ids=["httpx", "no-permit", "no-close", "no-trace"],
)
def test_a_broken_twin_is_caught(twin, found, streams, over):
    code, said = storm("--calls", "0", "--streams", streams, "--twin", twin, "--patience", "1", *over)
    assert code == 0, said
    assert found in said
