"""The SDKs of Amazon (botocore, with Bedrock), Cohere and Ollama."""

from __future__ import annotations

import attrs

from aiclient import providers

from .seen import KEY, QUESTION, SCHEMA, Oracle, Refused, Seen, called

MODEL = "loopback"
FUNCTION = {"name": "weather", "description": "Tells the weather.", "parameters": SCHEMA}
MESSAGES = [{"role": "user", "content": QUESTION}]


class Bedrock(Oracle):
    """Both sides sign with an access key; the server checks that it is the right one."""

    module = "botocore"
    lacks = frozenset({"embed", "models"})

    def __init__(self, server) -> None:
        import botocore.config
        import botocore.exceptions
        import botocore.session

        super().__init__(server)
        self.errors = (botocore.exceptions.ClientError,)
        session = botocore.session.Session()
        session.set_credentials(KEY, "secret")
        self.client = session.create_client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=server.url,
            config=botocore.config.Config(retries={"total_max_attempts": 1}),
        )

    def close(self) -> None:
        self.client.close()

    def fields(self, ask):
        fields = {
            "modelId": "us.anthropic.claude-3-7-loopback-v1:0",
            "messages": [{"role": "user", "content": [{"text": QUESTION}]}],
            "inferenceConfig": {"maxTokens": ask.limit},
        }
        if ask.tool:
            spec = {"name": "weather", "description": "Tells the weather.", "inputSchema": {"json": SCHEMA}}
            fields["toolConfig"] = {"tools": [{"toolSpec": spec}], "toolChoice": {"any": {}}}
        if ask.thinking:
            fields["additionalModelRequestFields"] = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
        return fields

    def seen(self, content, answer) -> Seen:
        thoughts = (block.get("reasoningContent", {}).get("reasoningText", {}) for block in content)
        return Seen(
            text="".join(block.get("text", "") for block in content),
            thought="".join(thought.get("text", "") for thought in thoughts),
            calls=tuple(called(b["toolUse"]["name"], b["toolUse"]["input"]) for b in content if "toolUse" in b),
            reason=answer["stopReason"],
            prompt=answer["usage"]["inputTokens"],
            completion=answer["usage"]["outputTokens"],
            model="us.anthropic.claude-3-7-loopback-v1:0",  # the wire does not say it
        )

    def ask(self, ask) -> Seen:
        answer = self.client.converse(**self.fields(ask))
        return self.seen(answer["output"]["message"]["content"], answer)

    def stream(self, ask) -> Seen:
        merged: dict = {}
        blocks: dict[int, dict] = {}
        for event in self.client.converse_stream(**self.fields(ask))["stream"]:
            ((kind, value),) = event.items()
            if kind == "contentBlockStart":
                blocks[value["contentBlockIndex"]] = {"toolUse": {**value["start"]["toolUse"], "input": ""}}
            elif kind == "contentBlockDelta":
                block, delta = blocks.setdefault(value["contentBlockIndex"], {}), value["delta"]
                if "toolUse" in delta:
                    block["toolUse"]["input"] += delta["toolUse"]["input"]
                elif "text" in delta:
                    block["text"] = block.get("text", "") + delta["text"]
                else:
                    thought = block.setdefault("reasoningContent", {}).setdefault("reasoningText", {"text": ""})
                    thought["text"] += delta["reasoningContent"].get("text", "")
            merged |= value
        return self.seen([blocks[index] for index in sorted(blocks)], merged)

    def count(self) -> int:
        messages = [{"role": "user", "content": [{"text": QUESTION}]}]
        asked = {"converse": {"messages": messages}}
        return self.client.count_tokens(modelId="anthropic.claude-loopback", input=asked)["inputTokens"]

    def refused(self, error) -> Refused:
        told, http = error.response["Error"], error.response["ResponseMetadata"]
        return Refused(status=http["HTTPStatusCode"], message=told["Message"], request_id=http["RequestId"])

    def thinking(self, request):
        return request.reasoning(budget_tokens=1024)

    def provider(self):
        model = "us.anthropic.claude-3-7-loopback-v1:0"
        return providers.BedrockProvider(
            "us-east-1", credentials=(KEY, "secret"), model=model, base_url=self.server.url
        )


class Cohere(Oracle):
    module = "cohere"
    lacks = frozenset({"count"})

    def __init__(self, server) -> None:
        import cohere
        from cohere.core.api_error import ApiError

        super().__init__(server)
        self.errors = (ApiError,)
        self.client = cohere.ClientV2(api_key=KEY, base_url=server.url, max_retries=0)

    def close(self) -> None:
        self.client._client_wrapper.httpx_client.httpx_client.close()

    def fields(self, ask):
        fields = {"model": MODEL, "messages": MESSAGES}
        if ask.limit is not None:
            fields["max_tokens"] = ask.limit
        if ask.tool:
            fields |= {"tools": [{"type": "function", "function": FUNCTION}], "tool_choice": "REQUIRED"}
        if ask.thinking:
            fields["thinking"] = {"type": "enabled", "token_budget": 1024}
        return fields

    def seen(self, content, calls, end, plan="") -> Seen:
        thoughts = [part.thinking for part in content if part.type == "thinking"]
        return Seen(
            text="".join(part.text for part in content if part.type == "text"),
            thought="".join([*thoughts, plan]),  # aiclient takes a plan for what it is, a thought
            calls=tuple(called(call.function.name, call.function.arguments) for call in calls),
            reason=end.finish_reason,
            prompt=end.usage.tokens.input_tokens,
            completion=end.usage.tokens.output_tokens,
            model=MODEL,  # the wire does not say it
        )

    def ask(self, ask) -> Seen:
        answer = self.client.chat(**self.fields(ask))
        return self.seen(
            answer.message.content or (), answer.message.tool_calls or (), answer, answer.message.tool_plan or ""
        )

    def stream(self, ask) -> Seen:
        texts, thoughts, calls, end = [], [], [], None
        for event in self.client.chat_stream(**self.fields(ask)):
            match event.type:
                case "content-delta":
                    texts.append(event.delta.message.content.text or "")
                    thoughts.append(event.delta.message.content.thinking or "")
                case "tool-plan-delta":
                    thoughts.append(event.delta.message.tool_plan)
                case "tool-call-start":
                    calls.append([event.delta.message.tool_calls.function.name, ""])
                case "tool-call-delta":
                    calls[-1][1] += event.delta.message.tool_calls.function.arguments
                case "message-end":
                    end = event.delta
        seen = self.seen((), (), end)
        told = {"text": "".join(texts), "thought": "".join(thoughts)}
        return attrs.evolve(seen, **told, calls=tuple(called(*call) for call in calls))

    def embed(self, texts, size):
        asked = {"model": MODEL, "texts": texts, "input_type": "search_document", "embedding_types": ["float"]}
        return self.client.embed(**asked, output_dimension=size).embeddings.float_

    def models(self):
        return [model.name for model in self.client.models.list().models]

    def refused(self, error) -> Refused:
        request_id = error.headers.get("x-request-id")
        return Refused(status=error.status_code, message=error.body["message"], request_id=request_id)

    def thinking(self, request):
        return request.reasoning(budget_tokens=1024)

    def provider(self):
        return providers.CohereProvider(KEY, model=MODEL, base_url=self.server.url)


class Ollama(Oracle):
    """The protocol cannot force a tool; the server calls one whenever it is offered."""

    module = "ollama"
    lacks = frozenset({"count"})

    def __init__(self, server) -> None:
        import ollama

        super().__init__(server)
        self.errors = (ollama.ResponseError,)
        self.client = ollama.Client(host=server.url, headers={"authorization": f"Bearer {KEY}"})

    def close(self) -> None:
        self.client._client.close()

    def fields(self, ask):
        fields = {"model": MODEL, "messages": MESSAGES, "options": {"num_predict": ask.limit}}
        if ask.tool:
            fields["tools"] = [{"type": "function", "function": FUNCTION}]
        if ask.thinking:
            fields["think"] = True
        return fields

    def seen(self, lines) -> Seen:
        messages, last = [line.message for line in lines], lines[-1]
        calls = [call.function for message in messages for call in message.tool_calls or ()]
        return Seen(
            text="".join(message.content or "" for message in messages),
            thought="".join(message.thinking or "" for message in messages),
            calls=tuple(called(call.name, call.arguments) for call in calls),
            reason=last.done_reason,
            prompt=last.prompt_eval_count,
            completion=last.eval_count,
            model=last.model,
        )

    def ask(self, ask) -> Seen:
        return self.seen([self.client.chat(**self.fields(ask))])

    def stream(self, ask) -> Seen:
        return self.seen(list(self.client.chat(**self.fields(ask), stream=True)))

    def embed(self, texts, size):
        return [list(row) for row in self.client.embed(MODEL, texts, dimensions=size).embeddings]

    def models(self):
        return [model.model for model in self.client.list().models]

    def refused(self, error) -> Refused:
        return Refused(status=error.status_code, message=error.error)

    def provider(self):
        return providers.OllamaProvider(self.server.url, api_key=KEY, model=MODEL)
