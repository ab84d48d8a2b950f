"""Many calls at once, on one client."""

import asyncio

from aiclient import AsyncClient
from aiclient.providers import CompatibleProvider
from aiclient.testutil import LoopbackServer

COUNTRIES = ("France", "Italy", "Spain", "Portugal")


async def capital(client: AsyncClient, country: str) -> str:
    response = await client.new_request().user(f"Capital of {country}?").do()
    return f"{country}: {response.message.content}"


async def main() -> None:
    async with (
        LoopbackServer(reply="I would have to look that up.") as server,
        AsyncClient(CompatibleProvider(server.base_url, model="any")) as client,
    ):
        for line in await asyncio.gather(*(capital(client, country) for country in COUNTRIES)):
            print(line)
        async with client.new_request().user("Capital of Greece?").stream() as stream:
            print([text async for text in stream.text])


if __name__ == "__main__":
    asyncio.run(main())
