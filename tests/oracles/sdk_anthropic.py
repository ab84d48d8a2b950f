"""Anthropic's SDK, with its own service and with Vertex."""

from __future__ import annotations

from aiclient import providers

from .seen import KEY, QUESTION, SCHEMA, Oracle, Refused, Seen, called

MODEL = "claude-loopback"


class Anthropic(Oracle):
    module = "anthropic"
    lacks = frozenset({"embed"})

    def __init__(self, server) -> None:
        import anthropic

        super().__init__(server)
        self.errors = (anthropic.APIStatusError,)
        self.client = self.open(anthropic)

    def open(self, anthropic):
        return anthropic.Anthropic(api_key=KEY, base_url=self.server.url, max_retries=0)

    def close(self) -> None:
        self.client.close()

    def fields(self, ask):
        fields = {"model": MODEL, "max_tokens": ask.limit, "messages": [{"role": "user", "content": QUESTION}]}
        if ask.tool:
            tool = {"name": "weather", "description": "Tells the weather.", "input_schema": SCHEMA}
            fields |= {"tools": [tool], "tool_choice": {"type": "any"}}
        if ask.thinking:
            fields["thinking"] = {"type": "enabled", "budget_tokens": 1024}
        return fields

    def seen(self, message) -> Seen:
        return Seen(
            text="".join(block.text for block in message.content if block.type == "text"),
            thought="".join(block.thinking for block in message.content if block.type == "thinking"),
            calls=tuple(called(b.name, b.input) for b in message.content if b.type == "tool_use"),
            reason=message.stop_reason,
            prompt=message.usage.input_tokens,
            completion=message.usage.output_tokens,
            model=message.model,
        )

    def ask(self, ask) -> Seen:
        return self.seen(self.client.messages.create(**self.fields(ask)))

    def stream(self, ask) -> Seen:
        with self.client.messages.stream(**self.fields(ask)) as stream:
            return self.seen(stream.get_final_message())

    def count(self) -> int:
        asked = {"model": MODEL, "messages": [{"role": "user", "content": QUESTION}]}
        return self.client.messages.count_tokens(**asked).input_tokens

    def models(self):
        return [model.id for model in self.client.models.list()]

    def refused(self, error) -> Refused:
        return Refused(status=error.status_code, message=error.body["error"]["message"], request_id=error.request_id)

    def thinking(self, request):
        return request.reasoning(budget_tokens=1024)

    def provider(self):
        return providers.AnthropicProvider(KEY, model=MODEL, base_url=self.server.url)


class AnthropicVertex(Anthropic):
    lacks = frozenset({"embed", "models"})

    def open(self, anthropic):
        return anthropic.AnthropicVertex(
            region="us-east5", project_id="p", access_token=KEY, base_url=f"{self.server.url}/v1", max_retries=0
        )

    def provider(self):
        return providers.VertexProvider(
            "p", "us-east5", credentials=lambda: KEY, model=MODEL, base_url=f"{self.server.url}/v1"
        )
