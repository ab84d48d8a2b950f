"""`aiclient demo`: it runs anywhere, quickly, and README.md shows what it prints."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

from aiclient.cli import main

README = Path(__file__).parents[2] / "README.md"


def masked(text):
    """Leave out what differs from run to run."""
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
    text = re.sub(r"\d+ ms|(delay|duration_ms)=[\d.]+", "TIME", text)
    return re.sub(r" +\d+$", " MS", text, flags=re.MULTILINE)


def test_it_prints_what_the_readme_shows(capsys):
    assert main(["demo"]) == 0
    out, err = capsys.readouterr()
    shown = re.search(r"```console\n(A service played.*?)```", README.read_text("utf-8"), re.DOTALL)[1]
    assert masked(out) == masked(shown)
    assert err == ""


def test_it_shows_a_retry_the_tokens_and_the_cost(capsys):
    main(["demo"])
    out = capsys.readouterr().out
    assert re.search(r"1 +failed +rate_limit +429 +0\.3 s", out)
    assert re.search(r"2 +completed", out)
    assert re.search(r"cost +\$0\.000107", out)


def test_as_json_it_is_the_answer_with_its_attempts(capsys):
    assert main(["demo", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [attempt.get("category") for attempt in answer["attempts"]] == ["rate_limit", None]
    assert answer["content"].startswith("Because")


def test_it_leaves_no_log_handler_behind():
    main(["demo"])
    assert logging.getLogger("aiclient.demo").handlers == []


def test_as_a_process_it_needs_no_key_and_ends_well():
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("AI_", "OPENAI_"))}
    command = [sys.executable, "-m", "aiclient", "demo"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30, env=bare, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert "never after the first word" in run.stdout
