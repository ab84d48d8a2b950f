"""Amazon Bedrock: requests that are signed and hold no key, a guardrail, an inference profile, and its word for "slow down".

For real: `BedrockProvider("us-east-1", model="us.anthropic.claude-opus-4-8")`, with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
set, or a profile or role that botocore finds (`pip install 'aiclient[bedrock]'`).
"""

from aiclient import Client, RateLimitError
from aiclient.messages import ReasoningPart
from aiclient.providers import BedrockProvider
from aiclient.testutil import LoopbackServer, faults

PLAYED = ("AKIAPLAYED", "a-secret-that-stays-here")


def main() -> None:
    with LoopbackServer(reply="Paris.") as server:
        provider = BedrockProvider(
            "us-east-1", credentials=PLAYED, model="us.anthropic.claude-opus-4-8", base_url=server.url, timeout=120
        )
        with Client(provider) as client:
            request = client.new_request().system("Be brief.").user("Capital of France?").max_tokens(2000)
            guarded = request.extra(
                "bedrock", guardrailConfig={"guardrailIdentifier": "gr-7", "guardrailVersion": "1", "trace": "disabled"}
            )
            response = guarded.reasoning("low").prompt_cache().do()
            thought = [part.text for part in response.message.parts if isinstance(part, ReasoningPart)]
            print(response.message.content, thought)

            sent = server.requests[-1]
            print(sent.path, sent.json["guardrailConfig"]["guardrailIdentifier"], sent.json["system"][-1])
            signature = sent.headers["authorization"]
            print(signature.partition("/")[0], "- the secret travels:", PLAYED[1] in str(sent.header_pairs))

            with request.stream() as stream:  # an AWS event stream, not server-sent events
                print(list(stream.text))

            nova = request.model("amazon.nova-pro-v1:0").reasoning("low").do()
            print(nova.warnings[0].code, "-", nova.warnings[0].message)

            server.script(faults.rate_limited(retry_after=None))
            try:
                request.do()
            except RateLimitError as error:
                print(error.status_code, error.code, "retryable:", error.retryable)


if __name__ == "__main__":
    main()
