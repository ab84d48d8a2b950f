"""Several services behind one client: named per request, asked in turn when one fails, and shared out by weight."""

from collections import Counter

from aiclient import Client, resilient
from aiclient.middleware import LoadBalance
from aiclient.testutil import FakeClock, MockProvider, fixtures


def main() -> None:
    by_task()
    in_turn()
    by_weight()


def by_task() -> None:
    """Keep a client for each task; code that asks does not know who answers."""
    clients = {
        "summaries": Client(MockProvider("In short: it rains.", name="cheap", model="small")),
        "contracts": Client(MockProvider("Clause 4 is void.", name="careful", model="large")),
    }
    for task, client in clients.items():
        response = client.chat("Read this.")
        print(f"{task}: {response.message.content} ({response.provider}, {response.model})")
        client.close()


def in_turn() -> None:
    """Ask the next one when one fails; the answer says who gave it."""
    first = MockProvider([fixtures.overloaded(), fixtures.overloaded(), fixtures.overloaded(), "Yes."], name="first")
    second = MockProvider("Yes, says the second.", name="second")
    with Client(resilient(first, second, logging=False), clock=FakeClock()) as client:
        for _ in range(2):
            response = client.chat("Is anybody there?")
            tried = [f"{attempt.provider} {attempt.category or 'ok'}" for attempt in response.attempts]
            print(f"{response.message.content} {tried}")


def by_weight() -> None:
    """Send one call in four to a service that is being tried out."""
    trial = MockProvider("new", name="trial")
    with Client(MockProvider("old", name="usual")).use(LoadBalance(trial, weights=[3, 1])) as client:
        print(dict(sorted(Counter(client.chat("Hello").provider or "" for _ in range(100)).items())))


if __name__ == "__main__":
    main()
