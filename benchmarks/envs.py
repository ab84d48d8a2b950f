"""One virtual environment per client, so that no client is measured with what another one installs."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
HOME = pathlib.Path(os.environ.get("AICLIENT_BENCH_HOME") or pathlib.Path(tempfile.gettempdir(), "aiclient-bench"))

REQUIREMENTS = {
    "httpx": ["httpx<1"],  # without sniffio: what `pip install httpx` gives, and the base of every ratio
    "httpx-sniffio": ["httpx<1", "sniffio"],
    "aiclient": ["-e", str(ROOT)],
    "openai": ["openai"],
    "litellm": ["litellm"],
    "any-llm": ["any-llm-sdk[openai]"],
    "pydantic-ai": ["pydantic-ai-slim[openai]"],
}


def python(env: str) -> str:
    """Return the interpreter of an environment, which may not have been built."""
    return str(HOME / env / "bin" / "python")


def built(env: str) -> bool:
    return (HOME / env / "built").exists()


def build(env: str) -> None:
    """Build an environment unless it is there; delete its directory to have it built anew."""
    if built(env):
        return
    print(f"building the environment {env}", file=sys.stderr)
    venv.create(HOME / env, clear=True, with_pip=True)
    subprocess.run(
        [python(env), "-m", "pip", "-q", "--disable-pip-version-check", "install", *REQUIREMENTS[env]], check=True
    )
    (HOME / env / "built").touch()
