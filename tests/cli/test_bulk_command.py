"""`aiclient bulk`: exit codes, the bar, and a run that is killed in the middle."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys

import pytest

from aiclient.bulk.runs import BulkRun
from aiclient.cli import main
from aiclient.cli.bulk import _Bar
from aiclient.testutil import LoopbackServer
from aiclient.testutil.faults import Fault, server_error

LINES = 300


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setenv("AI_MAX_RETRIES", "0")
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps({"id": n, "prompt": f"line {n}"}) + "\n" for n in range(LINES)))
    return str(source), str(tmp_path / "out.jsonl")


@pytest.fixture
def few(files):
    with open(files[0], "w") as file:
        file.write('{"id": 1, "prompt": "a"}\n{"id": 2, "prompt": "b"}\n')
    return files


def ids(path):
    with open(path) as file:
        return [json.loads(line)["id"] for line in file]


def begin(files, *options, **popen):
    command = [sys.executable, "-m", "aiclient", "bulk", "run", files[0], "-o", files[1], *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **popen)


def test_it_asks_and_says_how_far_it_is(few, capsys):
    assert main(["bulk", "run", few[0], "-o", few[1], "-m", "mock"]) == 0
    assert capsys.readouterr().out == "2 of 2 done, 0 failed, $0\n"
    assert sorted(ids(few[1])) == [1, 2]
    assert main(["bulk", "status", few[0], "-o", few[1], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["left"] == 0


def test_status_of_what_was_not_begun_is_one(few, capsys):
    assert main(["bulk", "status", few[0], "-o", few[1]]) == 1
    assert capsys.readouterr().out == "0 of 2 done, 0 failed, $0\n"
    assert not os.path.exists(few[1])


def test_a_line_that_fails_is_exit_one_and_is_asked_again(few, capsys):
    with LoopbackServer(faults=[server_error()]) as server:
        where = ["-m", "any", "--base-url", server.base_url]
        assert main(["bulk", "run", few[0], "-o", few[1], "--json", *where]) == 1
        said = capsys.readouterr()
        assert json.loads(said.out)["failed"] == 1
        assert f"why lines failed stands in {few[1]!r}" in said.err
        assert main(["bulk", "run", few[0], "-o", few[1], "--retry-failed", *where]) == 0
    assert sorted(ids(few[1])) == [1, 2]


def test_a_wrong_key_ends_it_at_once(few, capsys):
    with LoopbackServer(api_key="k-123456789") as server:
        assert main(["bulk", "run", few[0], "-o", few[1], "-m", "any", "--base-url", server.base_url]) == 1
    assert "[authentication" in capsys.readouterr().err
    assert ids(few[1]) == []


def test_a_price_that_nobody_knows_is_wrong_set_up_under_a_budget(few, capsys):
    with LoopbackServer() as server:
        arguments = ["-m", "any", "--base-url", server.base_url, "--budget", "1"]
        assert main(["bulk", "run", few[0], "-o", few[1], *arguments]) == 2
    assert "price" in capsys.readouterr().err


def test_a_budget_that_is_used_up_is_exit_three(few, capsys):
    arguments = ["bulk", "run", few[0], "-o", few[1]]
    with open(few[1], "w") as file:
        main([*arguments, "-m", "mock"])
    with open(few[1]) as file:
        first = file.readline()
    with open(few[1], "w") as file:
        file.write(first.replace('"cost": "0"', '"cost": "2"'))
    assert main([*arguments, "-m", "mock", "--budget", "1"]) == 3
    assert "larger --budget" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["bulk"], "COMMAND"),
        (["bulk", "run", "none.jsonl", "-o", "x", "-m", "mock"], "is not there"),
        (["bulk", "run", "none.jsonl"], "-o"),
        (["bulk", "run", "none.jsonl", "-o", "x", "-m", "mokc"], "mock"),
    ],
)
def test_wrong_usage_is_two(arguments, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert says in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_is_one_line_drawn_over_itself(monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    bar = _Bar(shown=True)
    bar.draw(BulkRun(total=4, done=1))
    bar.draw(BulkRun(total=4, done=2))
    bar.draw(BulkRun(total=4, done=4))
    bar.end()
    text = terminal.getvalue()
    assert text.count("\r") == 2
    assert text.count("\n") == 1
    assert "[########......................]  25%" in text
    assert "100%" in text


def test_where_nobody_looks_there_is_no_bar(few, capsys):
    main(["bulk", "run", few[0], "-o", few[1], "-m", "mock"])
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_a_run_killed_in_the_middle_loses_and_repeats_no_line(files):
    with LoopbackServer(reply=lambda messages: f"to {messages[-1]['content']}") as server:
        where = ["-m", "any", "--base-url", server.base_url, "--concurrency", "4"]
        server.script(*([Fault()] * 150), Fault(delay=60), Fault(delay=60), Fault(delay=60), Fault(delay=60))
        with begin(files, *where) as running:
            server.wait_for(lambda: len(server.requests) >= 154, timeout=30)
            os.kill(running.pid, signal.SIGKILL)
        assert running.returncode == -signal.SIGKILL
        assert 100 < len(ids(files[1])) <= 150
        with open(files[1], "a") as file:
            file.write('{"key": "to')
        with begin(files, *where) as again:
            out, err = again.communicate(timeout=60)
    assert (again.returncode, err) == (0, "")
    assert out.startswith(f"{LINES} of {LINES} done, 0 failed")
    assert sorted(ids(files[1])) == list(range(LINES))


@pytest.mark.usefixtures("ctrl_c_works")
def test_ctrl_c_leaves_whole_lines_and_is_130(files):
    with LoopbackServer() as server:
        server.script(*([Fault()] * 20), *([Fault(delay=60)] * 4))
        with begin(files, "-m", "any", "--base-url", server.base_url, "--concurrency", "4") as running:
            server.wait_for(lambda: len(server.requests) >= 24, timeout=30)
            running.send_signal(signal.SIGINT)
            _, err = running.communicate(timeout=20)
    assert (running.returncode, err) == (130, "")
    assert 10 < len(ids(files[1])) <= 20
