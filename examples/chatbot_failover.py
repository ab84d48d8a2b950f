"""A chatbot in a terminal that keeps talking while its service is down: another one goes on with the same conversation.

Type your own questions with `python chatbot_failover.py -i`.
"""

import sys
from collections.abc import Iterable
from typing import Any

from aiclient import (
    AIClientError,
    BudgetExceededError,
    ChatRequest,
    Client,
    Message,
    Session,
    StreamInterruptedError,
    Timeouts,
    resilient,
)
from aiclient.testutil import FakeClock, MockProvider, fixtures

LIMITS = Timeouts(total=60, first_output=10, idle=15)  # a silent service is left for the next before a user gives up
PRICES = {"mock-model": {"input": 1, "output": 4}}


class Played:
    """Plays a service, which goes down and comes back as it is told to."""

    def __init__(self, name: str) -> None:
        self.trouble: Any = None
        self.provider = MockProvider(self.answer, name=name)

    def answer(self, request: ChatRequest) -> Any:
        if self.trouble is not None:
            return self.trouble
        heard = sum(message.role == "user" for message in request.messages)
        return f"[{self.provider.name}] This is your question number {heard}."


def converse(session: Session, questions: Iterable[str]) -> None:
    for question in questions:
        print(f"> {question}")
        answer = said(session, question)
        print(f"\n{answer}\n" if answer else "\n")


def said(session: Session, question: str) -> str:
    """Show an answer as it comes; return what is to be said beside it."""
    try:
        with session.stream(question) as stream:
            for text in stream.text:
                print(text, end="", flush=True)
    except StreamInterruptedError as error:  # the user has seen half of it: nobody else can go on with that half
        if error.partial:
            session.add(Message("user", question), error.partial.message)
        return f"(broken off: {error.category}; say 'go on')"
    except BudgetExceededError:
        return "(this conversation has cost what it may; begin a new one)"
    except AIClientError:
        return "(nobody answers at the moment; ask again)"
    failed = [attempt.provider for attempt in stream.response.attempts if attempt.category]
    return f"(after {', '.join(str(name) for name in failed)} failed)" if failed else ""


def demo(session: Session, first: Played, second: Played) -> None:
    converse(session, ["Hello?"])
    first.trouble = fixtures.overloaded()
    converse(session, ["And now?", "Still there?"])
    second.trouble = fixtures.connection_refused()
    converse(session, ["Anybody?"])
    first.trouble, second.trouble = None, fixtures.broken_stream("[second] Well, I think")
    converse(session, ["Anybody?"])
    second.trouble = None
    converse(session, ["Go on."])


def typed() -> Iterable[str]:
    while True:
        try:
            yield input("you: ")
        except (EOFError, KeyboardInterrupt):
            return


def main() -> None:
    first, second = Played("first"), Played("second")
    # with services: resilient("openai:gpt-5.4-mini", "anthropic:claude-haiku-4-5"), and no clock
    client = Client(resilient(first.provider, second.provider), timeout=LIMITS, prices=PRICES, clock=FakeClock())
    with client, client.session(system="Be kind.", budget_usd="0.10", max_tokens=500, keep_tokens=8000) as session:
        if sys.argv[1:] == ["-i"]:
            converse(session, typed())
        else:
            demo(session, first, second)
        print(f"{len(session.history)} messages, {session.request_count} requests, ${session.cost_usd}")


if __name__ == "__main__":
    main()
