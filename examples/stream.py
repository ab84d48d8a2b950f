"""Show an answer as it comes, and say what came when it breaks off."""

import sys

from aiclient import AIClientError, Client
from aiclient.providers import CompatibleProvider
from aiclient.testutil import LoopbackServer, faults

REPLY = "The Rhine, the Loire and the Danube are three rivers of Europe."


def show(client: Client) -> None:
    with client.new_request().user("Name three rivers.").stream() as stream:
        try:
            for text in stream.text:
                sys.stdout.write(text)
                sys.stdout.flush()
        except AIClientError as error:
            print(f"\n[{error.category}: {len(stream.partial.message.content)} characters came]")
        else:
            print(f"\n[{stream.response.finish_reason}, {stream.response.usage.completion_tokens} tokens]")


def main() -> None:
    with (
        LoopbackServer(reply=REPLY) as server,
        Client(CompatibleProvider(server.base_url, model="any")) as client,
    ):
        server.script(faults.Fault(drip=(200, 0.02)), faults.cut(after=1500))
        show(client)
        show(client)


if __name__ == "__main__":
    main()
