"""Many users, one question: the service is asked once, also when the one who asked first goes away."""

import asyncio

from aiclient import AsyncClient
from aiclient.middleware import SingleFlight
from aiclient.providers import CompatibleProvider
from aiclient.testutil import LoopbackServer, faults


async def main() -> None:
    async with (
        LoopbackServer(reply="Rhine, Loire and Danube.") as server,
        AsyncClient(CompatibleProvider(server.base_url, model="any")).use(SingleFlight()) as client,
    ):
        question = client.new_request().user("Name three rivers.").temperature(0)

        answers = await asyncio.gather(*(question.do() for _ in range(50)))
        shared = sum(answer.shared for answer in answers)
        print(f"{len(answers)} users, {shared} of them shared, {len(server.requests)} request")

        server.script(faults.Fault(delay=0.2))
        first, second = (asyncio.create_task(question.do()) for _ in range(2))
        await asyncio.sleep(0.05)
        first.cancel()
        print("the first has left; the second has:", (await second).message.content)
        print(f"{len(server.requests)} requests in all")


if __name__ == "__main__":
    asyncio.run(main())
