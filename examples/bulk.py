"""Many prompts at once: bounded, in order, with progress, and an outcome for each of them."""

from aiclient import BulkProgress, ChatRequest, Client, OverloadedError
from aiclient.middleware import Retry
from aiclient.testutil import FakeClock, MockProvider

CAPITALS = {"France": "Paris", "Italy": "Rome", "Spain": "Madrid"}


def answer(request: ChatRequest) -> str | OverloadedError:  # stands for a service that knows three countries
    country = request.messages[-1].content.split()[-1].rstrip("?")
    return CAPITALS.get(country) or OverloadedError(f"nobody knows {country}", status_code=503)


def main() -> None:
    def told(progress: BulkProgress) -> None:
        print(f"{progress.done}/{progress.total} done, {progress.failed} failed")

    with Client(MockProvider(answer)).use(Retry(2, clock=FakeClock())) as client:
        questions = [f"Capital of {country}?" for country in (*CAPITALS, "Atlantis")]
        result = client.map(questions, concurrency=2, on_progress=told)

    for item in result:
        print(
            item.item, "->", item.value.message.content if item.value else f"{type(item.error).__name__}: {item.error}"
        )


if __name__ == "__main__":
    main()
