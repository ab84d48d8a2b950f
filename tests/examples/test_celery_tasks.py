"""The Celery example with a worker that forks: progress and results that others see, and a process that is killed."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aiclient.testutil import Fault, LoopbackServer, faults

from .loading import EXAMPLES, example

pytestmark = [
    pytest.mark.slow,  # starting a worker takes seconds
    pytest.mark.skipif(importlib.util.find_spec("celery") is None, reason="needs the extra `examples`"),
]

TOPICS = ["tea", "coffee", "water", "juice"]

SERVING = """
from celery_tasks import app
app.conf.update(broker_transport_options={options}, worker_lost_wait=0.5)
"""


def echo(messages):
    return f"On {messages[-1]['content']}: fine."


@pytest.fixture
def server():
    with LoopbackServer(reply=echo) as server:
        yield server


@pytest.fixture
def environ(server, tmp_path, monkeypatch):
    monkeypatch.setenv("AI_DEFAULT_MODEL", "openai:gpt-5-mini")
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("REPORTS_FOLDER", str(tmp_path))


def children(process):
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


@pytest.fixture
def queue(environ, tmp_path, monkeypatch):
    """A broker and a backend that are folders; returns the options of the one."""
    for name in ("queue", "control", "results"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("CELERY_BROKER_URL", "filesystem://localhost")
    monkeypatch.setenv("CELERY_RESULT_BACKEND", f"file://{tmp_path / 'results'}")
    folders = dict.fromkeys(("data_folder_in", "data_folder_out"), str(tmp_path / "queue"))
    return {**folders, "control_folder": str(tmp_path / "control"), "polling_interval": 0.05}


@pytest.fixture
def worker(queue, tmp_path):
    """A worker with one child, in processes of their own."""
    (tmp_path / "serving.py").write_text(SERVING.format(options=queue), "utf-8")
    command = [sys.executable, "-m", "celery", "-A", "serving", "worker", "-c", "1", "-P", "prefork"]
    environ = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{EXAMPLES / 'web'}"}
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(
            [*command, "--without-gossip", "--without-mingle"], env=environ, cwd=tmp_path, stdout=log, stderr=log
        ) as process,
    ):
        yield process
        left = children(process)
        process.kill()
        for child in left:
            os.kill(child, signal.SIGKILL)


@pytest.fixture
def sender(worker, queue):
    """Another program, that knows the tasks by name only."""
    from celery import Celery

    broker, backend = os.environ["CELERY_BROKER_URL"], os.environ["CELERY_RESULT_BACKEND"]
    with Celery("sender", broker=broker, backend=backend, set_as_current=False) as app:
        app.conf.broker_transport_options = queue
        yield app


def awaited(ready, seconds=15):
    """Wait until `ready` gives something, and return it."""
    end = time.monotonic() + seconds
    while not (found := ready()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for the child in /proc")
def test_a_killed_process_loses_no_answer_and_pays_for_none_twice(server, worker, sender):
    server.script(Fault(), Fault(), Fault(), faults.stall())  # one of four questions is never answered
    task = sender.send_task("celery_tasks.report", [TOPICS])
    awaited(lambda: task.state == "PROGRESS" and task.info["done"] == 3)
    assert task.info == {"done": 3, "total": 4}
    for child in children(worker):
        os.kill(child, signal.SIGKILL)
    result = task.get(timeout=20, interval=0.05)
    assert result["paragraphs"] == [f"On {topic}: fine." for topic in TOPICS]
    assert len(server.requests) == 5  # three, the one that was lost, and that one again
    assert not list(Path(os.environ["REPORTS_FOLDER"]).glob("report-*.jsonl"))

    refused = sender.send_task("celery_tasks.report", [TOPICS], {"usd": "0.00001"})
    error = refused.get(timeout=20, interval=0.05, propagate=False)
    assert (refused.state, type(error).__name__, len(server.requests)) == ("FAILURE", "BudgetExceededError", 5)


@pytest.fixture
def tasks(environ):
    tasks = example("web/celery_tasks.py")
    tasks.app.conf.update(task_always_eager=True, task_store_eager_result=True)
    yield tasks
    tasks.client().close()
    tasks.app.close()


def test_a_busy_service_is_asked_again_later_for_what_is_not_there_yet(server, tasks):
    server.script(Fault(), Fault(), faults.rate_limited(retry_after=120))  # longer than a call waits
    task = tasks.report.delay(TOPICS)
    assert (task.state, len(server.requests)) == ("SUCCESS", 5)
    assert task.result["paragraphs"][-1] == "On juice: fine."


def test_a_wrong_key_ends_the_task_with_its_error_at_once(server, tasks):
    server.script(*[Fault(status=401)] * 4)
    task = tasks.report.delay(TOPICS)
    assert (task.state, task.result.category, len(server.requests)) == ("FAILURE", "authentication", 4)
