"""OpenAI's SDK over chat completions, Responses, and Azure; Mistral's over chat completions."""

from __future__ import annotations

import json

import attrs

from aiclient import providers

from .seen import KEY, QUESTION, SCHEMA, Oracle, Refused, Seen, called

MODEL = "loopback"
FUNCTION = {"name": "weather", "description": "Tells the weather.", "parameters": SCHEMA}


def chat_fields(ask):
    fields = {"model": MODEL, "messages": [{"role": "user", "content": QUESTION}]}
    if ask.limit is not None:
        fields["max_completion_tokens"] = ask.limit
    if ask.tool:
        fields |= {"tools": [{"type": "function", "function": FUNCTION}], "tool_choice": "required"}
    return fields


def seen_in_completion(answer) -> Seen:
    (choice,) = answer.choices
    return Seen(
        text=choice.message.content or "",
        calls=tuple(called(c.function.name, c.function.arguments) for c in choice.message.tool_calls or ()),
        reason=choice.finish_reason,
        prompt=answer.usage.prompt_tokens,
        completion=answer.usage.completion_tokens,
        model=answer.model,
    )


class OpenAIChat(Oracle):
    module = "openai"
    lacks = frozenset({"thinking", "count"})

    def __init__(self, server) -> None:
        import openai

        super().__init__(server)
        self.errors = (openai.APIStatusError,)
        self.client = self.open(openai)

    def open(self, openai):
        return openai.OpenAI(api_key=KEY, base_url=self.server.base_url, max_retries=0)

    def close(self) -> None:
        self.client.close()

    def ask(self, ask) -> Seen:
        return seen_in_completion(self.client.chat.completions.create(**chat_fields(ask)))

    def stream(self, ask) -> Seen:
        from openai.lib.streaming.chat import ChatCompletionStreamState

        state = ChatCompletionStreamState()
        more = {"stream": True, "stream_options": {"include_usage": True}}
        for chunk in self.client.chat.completions.create(**chat_fields(ask), **more):
            state.handle_chunk(chunk)
        return seen_in_completion(state.current_completion_snapshot)

    def embed(self, texts, size):
        answer = self.client.embeddings.create(model=MODEL, input=texts, dimensions=size)
        return [row.embedding for row in answer.data]

    def models(self):
        return [model.id for model in self.client.models.list()]

    def refused(self, error) -> Refused:
        return Refused(status=error.status_code, message=error.body["message"], request_id=error.request_id)

    def provider(self):
        return providers.OpenAIProvider(KEY, model=MODEL, base_url=self.server.base_url)


class AzureChat(OpenAIChat):
    lacks = frozenset({"thinking", "count", "models"})

    def open(self, openai):
        return openai.AzureOpenAI(
            api_key=KEY, azure_endpoint=self.server.url, api_version="2024-10-21", azure_deployment=MODEL, max_retries=0
        )

    def provider(self):
        return providers.AzureOpenAIProvider(self.server.url, api_key=KEY, model=MODEL)


class Responses(OpenAIChat):
    lacks = frozenset()

    def fields(self, ask):
        fields = {"model": MODEL, "input": QUESTION}
        if ask.limit is not None:
            fields["max_output_tokens"] = ask.limit
        if ask.tool:
            fields |= {"tools": [{"type": "function", **FUNCTION, "strict": False}], "tool_choice": "required"}
        if ask.thinking:
            fields["reasoning"] = {"effort": "low", "summary": "auto"}
        return fields

    def seen(self, answer) -> Seen:
        return Seen(
            text=answer.output_text,
            thought="".join(part.text for item in answer.output if item.type == "reasoning" for part in item.summary),
            calls=tuple(called(i.name, i.arguments) for i in answer.output if i.type == "function_call"),
            reason=answer.status,
            prompt=answer.usage.input_tokens,
            completion=answer.usage.output_tokens,
            model=answer.model,
        )

    def ask(self, ask) -> Seen:
        return self.seen(self.client.responses.create(**self.fields(ask)))

    def stream(self, ask) -> Seen:
        with self.client.responses.stream(**self.fields(ask)) as stream:
            for event in stream:
                if event.type in ("response.completed", "response.incomplete"):  # its own helper refuses the second
                    return self.seen(event.response)
        raise AssertionError("the stream has no end")

    def count(self) -> int:
        return self.client.responses.input_tokens.count(model=MODEL, input=QUESTION).input_tokens

    def thinking(self, request):
        return request.reasoning("low").extra("openai", reasoning={"effort": "low", "summary": "auto"})

    def provider(self):
        return providers.OpenAIProvider(KEY, model=MODEL, base_url=self.server.base_url, api="responses")


def divided(content) -> tuple[str, str]:
    """Text and thinking of a content, which is a text or a list of parts."""
    if isinstance(content, str) or not content:
        return content or "", ""
    thought = "".join(inner.text for part in content if part.type == "thinking" for inner in part.thinking)
    return "".join(part.text for part in content if part.type == "text"), thought


class Mistral(Oracle):
    module = "mistralai"
    lacks = frozenset({"count"})

    def __init__(self, server) -> None:
        import mistralai.client
        from mistralai.client.errors import MistralError

        super().__init__(server)
        self.errors = (MistralError,)
        self.client = mistralai.client.Mistral(api_key=KEY, server_url=f"{server.url}/mistral")

    def close(self) -> None:
        self.client.__exit__(None, None, None)

    def fields(self, ask):
        fields = chat_fields(ask)
        fields["max_tokens"] = fields.pop("max_completion_tokens", None)
        if ask.thinking:
            fields["reasoning_effort"] = "high"
        return fields

    def ask(self, ask) -> Seen:
        answer = self.client.chat.complete(**self.fields(ask))
        text, thought = divided(answer.choices[0].message.content)
        return attrs.evolve(seen_in_completion(answer), text=text, thought=thought)

    def stream(self, ask) -> Seen:
        with self.client.chat.stream(**self.fields(ask)) as events:
            chunks = [event.data for event in events]
        choices = [choice for chunk in chunks for choice in chunk.choices]
        calls: dict[int, list[str]] = {}
        for call in (call for choice in choices for call in choice.delta.tool_calls or ()):
            name, arguments = calls.get(call.index, ["", ""])
            calls[call.index] = [name + (call.function.name or ""), arguments + call.function.arguments]
        usage = next((chunk.usage for chunk in reversed(chunks) if chunk.usage), None)
        pieces = [divided(choice.delta.content) for choice in choices]
        return Seen(
            text="".join(text for text, _ in pieces),
            thought="".join(thought for _, thought in pieces),
            calls=tuple(called(*call) for call in calls.values()),
            reason=choices[-1].finish_reason,
            prompt=usage and usage.prompt_tokens,
            completion=usage and usage.completion_tokens,
            model=chunks[-1].model,
        )

    def embed(self, texts, size):
        answer = self.client.embeddings.create(model=MODEL, inputs=texts, output_dimension=size)
        return [row.embedding for row in answer.data]

    def models(self):
        return [model.id for model in self.client.models.list().data]

    def refused(self, error) -> Refused:
        told = json.loads(error.body)
        message = told.get("detail") or told["message"]
        return Refused(status=error.status_code, message=message, request_id=error.headers["mistral-correlation-id"])

    def thinking(self, request):
        return request.reasoning("high")

    def provider(self):
        return providers.MistralProvider(KEY, model=MODEL, base_url=f"{self.server.url}/mistral/v1")
