"""An answer of a type: asked for again when it does not fit, and growing on a stream."""

from dataclasses import dataclass
from typing import Literal

import aiclient
from aiclient.testutil import MockProvider


@dataclass
class Ticket:
    department: Literal["billing", "support"]
    urgent: bool
    words: list[str]


WRONG = '{"department": "sales", "urgent": "yes", "words": ["invoice"]}'
RIGHT = '{"department": "billing", "urgent": true, "words": ["invoice", "refund"]}'

with aiclient.Client(MockProvider([WRONG, RIGHT, RIGHT, '{"value": ["billing", "support"]}'])) as client:
    question = client.new_request().user("My invoice is wrong, I want a refund, now!")

    response = question.output(Ticket).do()
    print(response.output, f"after {len(response.attempts)} answers")

    with question.output(Ticket).stream() as stream:
        for _ in stream:
            print("so far:", stream.partial_output)
    print(stream.response.output.department)

    print(client.new_request().user("Which departments?").output(list[str]).do().output)
