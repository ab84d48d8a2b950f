"""Records of attempts and calls on their way into a file, with a correlation and without a secret."""

import asyncio
import json
import tempfile
from pathlib import Path

import aiclient
from aiclient import AsyncClient, SecretStr, logs
from aiclient.middleware import Logging, Retry
from aiclient.testutil import FakeClock, MockProvider, fixtures

PASSWORD = SecretStr("hunter2-but-longer")  # a secret of the application's own: masked for as long as it is held


async def main() -> None:
    file = Path(tempfile.mkdtemp()) / "calls.log"
    logs.configure("DEBUG", console=False, file=file, rotate=1_000_000, keep=3)
    mock = MockProvider([fixtures.overloaded(), f"It is {PASSWORD.reveal()}.", fixtures.unauthorized()])
    async with AsyncClient(mock, clock=FakeClock()).use(Logging(content=True, content_limit=80), Retry()) as client:
        with aiclient.correlation("order-17"):
            await client.chat(f"Is the password {PASSWORD.reveal()}?")
        try:
            await client.chat("And mine?")
        except aiclient.AuthenticationError as error:
            print("failed:", error.category)
    logs.reset()
    for line in file.read_text().splitlines():
        record = json.loads(line)
        print(record["level"], record["event"], record.get("category", ""), record.get("correlation_id", "-"))
        if "answer" in record:
            print("   ", *record["prompt"], "->", record["answer"])


if __name__ == "__main__":
    asyncio.run(main())
