"""Test code that calls a model: with pytest (`pytest examples/unit_test.py`), or as here by running it."""

from aiclient import AIClientError, Client
from aiclient.middleware import Retry
from aiclient.testutil import FakeClock, MockProvider, fixtures

# --- the code under test ---


def summary(client: Client, text: str) -> str:
    """Return a summary, or the beginning of the text when the service cannot be asked."""
    try:
        return client.new_request().system("Summarise in one sentence.").user(text).do().message.content
    except AIClientError:
        return f"{text[:20]}..."


# --- its tests ---


def test_it_asks_for_a_summary_of_the_text() -> None:
    mock = MockProvider("It is long.")
    assert summary(Client(mock), "A long text.") == "It is long."
    assert [message.content for message in mock.requests[0].messages] == ["Summarise in one sentence.", "A long text."]


def test_it_falls_back_to_the_beginning() -> None:
    assert (
        summary(Client(MockProvider(fixtures.unauthorized())), "A text that is rather long.")
        == "A text that is rathe..."
    )


def test_it_waits_as_long_as_the_service_asks() -> None:
    clock = FakeClock()
    client = Client(MockProvider([fixtures.rate_limited(20), "It is long."]), clock=clock).use(Retry())
    assert summary(client, "A long text.") == "It is long."
    assert clock.monotonic() >= 20


if __name__ == "__main__":
    for test in (
        test_it_asks_for_a_summary_of_the_text,
        test_it_falls_back_to_the_beginning,
        test_it_waits_as_long_as_the_service_asks,
    ):
        test()
        print("passed:", test.__name__)
