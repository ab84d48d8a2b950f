"""A conversation with a budget: history, an alert, a batch, what it all took, and a file from which it goes on."""

import tempfile
from pathlib import Path

from aiclient import BudgetExceededError, ChatRequest, Client, Session
from aiclient.testutil import MockProvider

PRICES = {"mock-model": {"input": 100, "output": 400}}


def answer(request: ChatRequest) -> str:  # stands for a service
    return f"I have heard {sum(message.role == 'user' for message in request.messages)} questions."


def main() -> None:
    with Client(MockProvider(answer), prices=PRICES) as client:
        with client.session(budget_usd="0.05", system="Be brief.", max_tokens=10, metadata={"customer": 7}) as session:
            session.set_alert(0.2, lambda alert: print("alert:", alert))
            print(session.chat("What is this?").message.content)
            with session.stream("And this?") as stream:
                print("".join(stream.text))
            result = session.batch_generate([f"Question {number}" for number in range(20)], concurrency=5)
            refused = [item for item in result.failures if isinstance(item.error, BudgetExceededError)]
            print(f"{len(result.values)} items answered, {len(refused)} would have cost more than was left")
            print(session.summary())

            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "session.json")
                session.export_to_json(path)
                again = Session.from_json(path, client)
        print(f"it goes on with {len(again.history)} messages and ${again.budget_remaining} left")


if __name__ == "__main__":
    main()
