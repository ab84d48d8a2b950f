"""An audit log: who asked what kind of thing, which service answered, for how much; a file that shows when it was altered."""

import hashlib
import hmac
import json
import tempfile
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiclient import AIClientError, ChatRequest, ChatResponse, Client, EmbeddingRequest
from aiclient.middleware import HookContext, Hooks, Retry
from aiclient.testutil import FakeClock, MockProvider, fixtures


class AuditLog:
    """A file of JSON lines that is only added to; each line has a seal over itself and the line before.

    No content is kept: of a question only a digest, by which one that is disputed can be recognised. What has begun and has no
    end was cancelled by its caller, or its stream was left.
    """

    def __init__(self, path: Path, key: bytes) -> None:
        self._file, self._key, self._lock = path.open("a", encoding="utf-8"), key, threading.Lock()
        self._last = seal_of_last(path)

    def hooks(self) -> Hooks:
        return Hooks(before_request=self.begun, after_response=self.answered, on_error=self.failed)

    def begun(self, context: HookContext, request: ChatRequest | EmbeddingRequest) -> None:
        said = json.dumps(request.to_dict(), sort_keys=True).encode()
        self._write(context, "begun", digest=hmac.new(self._key, said, hashlib.sha256).hexdigest()[:16])

    def answered(self, context: HookContext, response: Any) -> None:
        cost = str(response.cost.usd) if isinstance(response, ChatResponse) and response.cost else None
        self._write(context, "answered", model=response.model, attempts=context.attempt, usd=cost)

    def failed(self, context: HookContext, error: Exception) -> None:
        if isinstance(error, AIClientError):
            why, request_id = str(error.category), error.request_id
        else:
            why, request_id = "bug", None
        self._write(context, "failed", attempts=context.attempt, category=why, request_id=request_id)

    def close(self) -> None:
        self._file.close()

    def _write(self, context: HookContext, event: str, **more: Any) -> None:
        who = {"call": context.call_id, "user": context.tags.get("user"), "provider": context.provider}
        at = datetime.fromtimestamp(context.time, UTC).isoformat(timespec="milliseconds")
        with self._lock:  # calls of one client end on one thread, those of several clients do not
            line = json.dumps({"at": at, "event": event, **who, **more})
            self._last = sealed(self._key, self._last, line)
            self._file.write(f"{self._last} {line}\n")
            self._file.flush()


def sealed(key: bytes, last: str, line: str) -> str:
    return hmac.new(key, f"{last} {line}".encode(), hashlib.sha256).hexdigest()[:32]


def seal_of_last(path: Path) -> str:
    lines = path.read_text("utf-8").splitlines()
    return lines[-1].partition(" ")[0] if lines else ""


def first_altered(path: Path, key: bytes) -> int | None:
    """Return the number of the first line that is not as it was written, or follows one that was taken out."""
    last = ""
    for number, text in enumerate(path.read_text("utf-8").splitlines(), 1):
        seal, _, line = text.partition(" ")
        last = sealed(key, last, line)
        if not hmac.compare_digest(seal, last):
            return number
    return None


def main() -> None:
    key = b"from a store of secrets"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "audit.log")
        log = AuditLog(path, key)
        mock = MockProvider([fixtures.overloaded(), "Rhine and Danube.", "Paris.", fixtures.unauthorized()])
        with Client(mock, clock=FakeClock(), prices={"mock-model": {"input": 1, "output": 4}}) as client:
            client.use(log.hooks(), Retry())
            request = client.new_request().user("Name two rivers.")
            request.tags(user="alice").do()
            with request.tags(user="bob").stream() as stream:
                print("bob reads:", "".join(stream.text))
            try:
                request.tags(user="carol").do()
            except AIClientError as error:
                print("carol sees:", error.category)
        log.close()

        text = path.read_text("utf-8")
        for line in text.splitlines():
            found = json.loads(line.partition(" ")[2])
            print(found["event"], found["user"], found.get("attempts"), found.get("usd"), found.get("category"))
        print("content in it:", "river" in text or "Paris" in text, "- altered:", first_altered(path, key))
        path.write_text(text.replace("carol", "alice"), "utf-8")
        print("after somebody has altered it: line", first_altered(path, key))


if __name__ == "__main__":
    main()
