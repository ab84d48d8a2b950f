"""A Celery task that asks many questions: progress as it goes, a stored result, and no question paid for twice.

A worker is `celery -A celery_tasks worker`, with CELERY_BROKER_URL set; run by itself the file does the tasks it sends.
"""

import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from celery import Celery, Task
from celery.signals import worker_process_init, worker_process_shutdown

import aiclient
from aiclient import AIClientError, Client, Provider
from aiclient.middleware import Budget
from aiclient.testutil import MockProvider

CHECKPOINTS = Path(os.environ.get("REPORTS_FOLDER") or tempfile.gettempdir())  # one that all workers see

app = Celery(
    "reports",
    broker=os.environ.get("CELERY_BROKER_URL", "memory://"),
    backend=os.environ.get("CELERY_RESULT_BACKEND", "cache+memory://"),
)
app.conf.update(
    task_acks_late=True,  # a task whose worker dies is given to another one, which goes on where it stopped
    task_reject_on_worker_lost=True,
    task_time_limit=1800,
    result_expires=86_400,
)


def provider() -> str | Provider:
    """Name the service; without a model in the environment it is played."""
    return os.environ.get("AI_DEFAULT_MODEL") or MockProvider(
        lambda request: f"On {request.messages[-1].content}: fine."
    )


@cache
def client() -> Client:
    """Make this process's client: after the fork, so that no two processes share a connection or a lock."""
    return Client(aiclient.resilient(provider()), timeout=120, prices={"mock-model": {"input": 1, "output": 10}})


@worker_process_init.connect
def begin(**_: Any) -> None:
    client()  # a wrong configuration is seen when the worker starts, not at the first task


@worker_process_shutdown.connect
def end(**_: Any) -> None:
    client().close()


@app.task(bind=True, max_retries=5)
def report(self: Task, topics: list[str], usd: str = "1.00") -> dict[str, Any]:
    """Write a paragraph on each topic.

    The checkpoint is kept until all is done: a task that is tried again, or given to another worker, asks only for what is
    not there yet. The result is plain data, of which the backend keeps what the caller needs.
    """
    task = self.request.id
    checkpoint = CHECKPOINTS / f"report-{task}.jsonl"
    limited = client().derive(Budget(usd=usd))

    def told(progress: aiclient.BulkProgress) -> None:  # called in the thread of the task
        self.update_state(state="PROGRESS", meta={"done": progress.done, "total": progress.total})

    asked = [limited.new_request().user(topic).max_tokens(300).build() for topic in topics]
    found = limited.map(asked, concurrency=4, on_progress=told, checkpoint=checkpoint)
    errors = [item.error for item in found.failures if item.error is not None]
    if not errors:
        checkpoint.unlink(missing_ok=True)
        return {"paragraphs": [answer.message.content for answer in found.values], "usd": str(found.expense.usd)}
    again = [error for error in errors if isinstance(error, AIClientError) and error.retryable]
    if len(again) == len(errors):  # the client has tried again within seconds; this is for what lasts minutes
        raise self.retry(exc=errors[0], countdown=max(error.retry_after or 60 for error in again))
    raise next(error for error in errors if error not in again)


def main() -> None:
    app.conf.update(task_always_eager=True, task_store_eager_result=True)  # this process is the worker
    task = report.delay(["tea", "coffee", "water"])
    print(task.state, task.result)
    refused = report.delay(["juice"], usd="0.00001")
    print(refused.state, type(refused.result).__name__)
    client().close()


if __name__ == "__main__":
    main()
