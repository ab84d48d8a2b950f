"""The public typing, as users' type checkers see it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

API = Path(__file__).parent / "typing" / "api.py"


def run(*command, **environ):
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**os.environ, **environ}, cwd=API.parent
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
def test_what_users_write_passes_mypy_strict(tmp_path):
    cache = f"--cache-dir={tmp_path}"
    run(sys.executable, "-m", "mypy", "--strict", "--config-file=", cache, "--no-error-summary", str(API))


@pytest.mark.skipif(
    shutil.which("pyright") is None or "AICLIENT_PYRIGHT" not in os.environ,
    reason="pyright is not installed, or not asked for with AICLIENT_PYRIGHT=1 (it may download node)",
)
def test_what_users_write_passes_pyright():
    run("pyright", str(API))
