"""What would be sent, and where, without sending it: after defaults and routing, with the key hidden."""

import json

from aiclient import Client
from aiclient.middleware import Defaults, DryRun, Retry
from aiclient.providers import AnthropicProvider


def main() -> None:
    provider = AnthropicProvider("sk-ant-not-shown", model="claude-sonnet-5")
    with Client(provider).use(Defaults("Be brief.", max_tokens=200), Retry()) as client:
        report = client.new_request().user("Capital of France?").seed(7).dry_run()
        assert report.call is not None
        print(report.call.method, report.call.url)
        print("\n".join(f"{name}: {value}" for name, value in report.call.headers if name != "X-Client-Request-Id"))
        print(json.dumps(report.body, indent=2))
        print(f"about {report.prompt_tokens} tokens in, at most {report.max_tokens} out")
        print(*(f"warning: {warning.message}" for warning in report.warnings))

        # The same for a program that only knows how to chat: every call of this client is a dry run.
        response = client.derive(DryRun()).chat("Capital of Spain?")
        print("dry:", response.dry_run, "- to", response.raw.origin)


if __name__ == "__main__":
    main()
