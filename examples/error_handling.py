"""One function that asks and says what went wrong, for every kind of failure: what to tell the user, and what to do next."""

from aiclient import (
    AIClientError,
    AuthenticationError,
    BudgetExceededError,
    Client,
    ConfigError,
    ConnectError,
    InvalidRequestError,
    RateLimitError,
    StreamInterruptedError,
    TimeoutError,
)
from aiclient.middleware import Budget, Retry
from aiclient.testutil import FakeClock, MockProvider, Reply, fixtures

PRICES = {"mock-model": {"input": 1000, "output": 1000}}


def main() -> None:
    replies: dict[str, Reply | list[Reply]] = {
        "answers": "Paris.",
        "is busy, then answers": [fixtures.rate_limited(retry_after=2), "Paris."],
        "stays busy": fixtures.rate_limited(retry_after=120),
        "refuses the key": fixtures.unauthorized(),
        "is not there": fixtures.connection_refused(),
        "takes too long": fixtures.timed_out("attempt"),
        "breaks off": fixtures.broken_stream("Paris is the"),
    }
    for name, reply in replies.items():
        with Client(MockProvider(reply), clock=FakeClock()).use(Retry(attempts=2)) as client:
            print(f"{name:22} {asked(client, 'Capital of France?')}")
    with Client(MockProvider("Paris."), prices=PRICES).use(Budget(usd="0.000001")) as client:
        print(f"{'costs too much':22} {asked(client, 'Capital of France?')}")
    with Client(MockProvider("Paris.")) as client:
        print(f"{'is asked too wildly':22} {asked(client, 'Capital of France?', temperature=9)}")
    try:
        Client("opnai:gpt-5.4-mini")
    except ConfigError as error:
        print(f"{'does not exist':22} {str(error).partition(' Write')[0]}")


def asked(client: Client, question: str, *, temperature: float = 1) -> str:
    """Ask, and say in one sentence how it ended; the order is from the special to the general."""
    try:
        with client.new_request().user(question).temperature(temperature).max_tokens(50).stream() as stream:
            return "".join(stream.text)
    except StreamInterruptedError as error:
        return f"{said(error)!r} is all that came ({error.category}); ask again?"
    except RateLimitError as error:
        return f"busy: come back in {error.retry_after or 60:.0f} s"
    except (ConnectError, TimeoutError) as error:
        return f"{error.category}: tried {len(error.attempts)} times; try again later"
    except AuthenticationError as error:
        return f"wrong key; tell whoever runs this, with the request id {error.request_id}"
    except BudgetExceededError as error:
        return f"only ${error.limit} may be spent, and this might cost ${error.asked}"
    except InvalidRequestError as error:
        return f"cannot be asked: {error}"
    except AIClientError as error:  # whatever else there is, now or in a later version
        return f"{error.category}: {error}"


def said(error: AIClientError) -> str:
    return error.partial.message.content if error.partial else ""


if __name__ == "__main__":
    main()
