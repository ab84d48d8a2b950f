"""What calls cost, may cost and saved: a budget's worth of figures, without a key or a network."""

import asyncio

from aiclient import AsyncClient, Client, models, pricing
from aiclient.middleware import Cache
from aiclient.response import Usage
from aiclient.testutil import MockProvider

PRICES = {"small": {"input": 250, "output": 2000, "cache_read": 25}}


def main() -> None:
    of_a_call()
    asyncio.run(of_what_broke_off())
    of_a_model()


def of_a_call() -> None:
    with Client(MockProvider("Paris, on the Seine.", model="small"), prices=PRICES).use(Cache(ttl=60)) as client:
        question = client.new_request().user("Capital of France?").temperature(0).max_tokens(50)
        print("may cost", question.estimate())
        for response in (question.do(), question.do()):
            assert response.cost is not None  # the price is known
            print("cost    ", response.cost, "saved", response.cost.saved, "by", response.cost.source)


async def of_what_broke_off() -> None:
    service = MockProvider("A story that is rather long and that nobody reads to its end.", model="small")
    async with AsyncClient(service, prices=PRICES) as client:
        async with client.new_request().user("Tell me a story").stream() as stream:
            await anext(stream.text)
        print("left    ", stream.partial.cost)


def of_a_model() -> None:
    model = models.info("anthropic:claude-sonnet-5")
    print("takes   ", model.context_window, "tokens, gives", model.max_output, "for", model.prices.output, "a million")
    usage = Usage(prompt_tokens=10_000, completion_tokens=1_000, cached_tokens=8_000)
    cost = pricing.cost(usage, model)
    print("costs   ", cost, cost and {name: str(part) for name, part in cost.breakdown.items()})


if __name__ == "__main__":
    main()
