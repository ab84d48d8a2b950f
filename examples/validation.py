"""Answers as values of one's own types: checked, and asked for again with what is wrong."""

from dataclasses import dataclass, field
from enum import Enum

from aiclient import ChatResponse, Client, ResponseValidationError
from aiclient.middleware import Retry, Validate
from aiclient.testutil import FakeClock, MockProvider, fixtures


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


@dataclass
class Review:
    product: str
    stars: int
    mood: Mood
    reasons: list[str] = field(default_factory=list)


def in_range(response: ChatResponse) -> str | None:
    """Check what a type cannot say."""
    review: Review = response.output
    return None if 1 <= review.stars <= 5 else "$.stars: must be from 1 to 5"


ANSWERS = [
    'Of course! {"product": "kettle", "stars": 5}',
    fixtures.overloaded(),  # Retry's business
    '```json\n{"product": "kettle", "stars": 50, "mood": "good", "reasons": ["fast"]}\n```',
    '{"product": "kettle", "stars": 5, "mood": "good", "reasons": ["fast"]}',
]


def main() -> None:
    mock = MockProvider(list(ANSWERS))
    layers = [Validate(in_range, mode="retry"), Validate(Review, mode="retry"), Retry()]
    with Client(mock, clock=FakeClock()).use(*layers) as client:
        response = client.chat("Rate the kettle as JSON.")
        print(response.output)
        for number, request in enumerate(mock.requests[1:], 2):
            print(f"request {number} ends with: {request.messages[-1].content.splitlines()[1]}")

    with Client(MockProvider('{"product": "pot", "stars": "five", "mood": "so so"}')).use(Validate(Review)) as client:
        try:
            client.chat("Rate the pot as JSON.")
        except ResponseValidationError as error:
            print("refused:", *error.errors, sep="\n  ")


if __name__ == "__main__":
    main()
