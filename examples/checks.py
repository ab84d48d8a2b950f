"""Before the first call: is every key there, does every service answer, does it have the model?"""

import shutil
import sys

from aiclient import Client
from aiclient.middleware import Fallback, Retry
from aiclient.providers import CompatibleProvider
from aiclient.testutil import LoopbackServer


def disk() -> str | None:
    """Check something of one's own."""
    free = shutil.disk_usage("/").free
    return None if free > 1 else f"only {free} bytes are free"


def main() -> None:
    with LoopbackServer(api_key="a-key-of-ours") as server:
        primary = CompatibleProvider(server.base_url, model="loopbak", name="paris", api_key="a-key-of-ours")
        second = CompatibleProvider(server.base_url, model="loopback", name="lyon", api_key="of-somebody-else")
        third = CompatibleProvider("http://127.0.0.1:1/v1", model="loopback", name="nowhere")
        with Client(primary).use(Fallback(second, third, each=[Retry()]), Retry()) as client:
            report = client.check(extra=[disk], timeout=5)
    print(report)
    print("ready:", report.ok)
    for failed in report.failed:
        print(f"{failed.provider}: {failed.message}", file=sys.stdout)


if __name__ == "__main__":
    main()
