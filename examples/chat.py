"""Ask, and look at what comes back.

Here the service is played on this machine. With a key of your own it is `Client("openai:gpt-5.4-mini")`.
"""

from aiclient import Client
from aiclient.providers import CompatibleProvider
from aiclient.testutil import LoopbackServer

PRICES = {"any": {"input": 0.25, "output": 2.0}}  # US dollars per million tokens


def main() -> None:
    with (
        LoopbackServer(reply="Paris.") as server,
        Client(CompatibleProvider(server.base_url, model="any"), prices=PRICES) as client,
    ):
        brief = client.new_request().system("Be brief.").temperature(0)  # a builder never changes: use it often
        response = brief.user("Capital of France?").do()
        print(response.message.content)
        print(response.finish_reason, response.usage.total_tokens, response.cost)

        question = brief.user("Capital of France?").assistant(response.message.content).user("And of Italy?")
        print(question.do().message.content)


if __name__ == "__main__":
    main()
