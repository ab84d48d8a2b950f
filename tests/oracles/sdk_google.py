"""Google's SDK, with the Gemini API and with Vertex."""

from __future__ import annotations

from aiclient import providers

from .seen import KEY, QUESTION, SCHEMA, Oracle, Refused, Seen, called

MODEL = "gemini-2.5-loopback"


class Gemini(Oracle):
    module = "google.genai"

    def __init__(self, server) -> None:
        from google import genai

        super().__init__(server)
        self.errors = (genai.errors.APIError,)
        self.client = self.open(genai)

    def open(self, genai):
        options = {"base_url": self.server.url, "api_version": "v1beta"}
        return genai.Client(vertexai=False, api_key=KEY, http_options=options)

    def close(self) -> None:
        self.client.close()

    def fields(self, ask):
        config = {"max_output_tokens": ask.limit}
        if ask.tool:
            declared = {"name": "weather", "description": "Tells the weather.", "parameters_json_schema": SCHEMA}
            config["tools"] = [{"function_declarations": [declared]}]
            config["tool_config"] = {"function_calling_config": {"mode": "ANY"}}
        if ask.thinking:
            config["thinking_config"] = {"include_thoughts": True, "thinking_budget": 1024}
        return {"model": MODEL, "contents": QUESTION, "config": config}

    def seen(self, answers) -> Seen:
        parts = [part for answer in answers for part in answer.candidates[0].content.parts]
        usage = answers[-1].usage_metadata
        return Seen(
            text="".join(part.text for part in parts if part.text and not part.thought),
            thought="".join(part.text for part in parts if part.text and part.thought),
            calls=tuple(called(p.function_call.name, p.function_call.args) for p in parts if p.function_call),
            reason=answers[-1].candidates[0].finish_reason.value,
            prompt=usage.prompt_token_count,
            completion=usage.candidates_token_count + (usage.thoughts_token_count or 0),
            model=answers[-1].model_version,
        )

    def ask(self, ask) -> Seen:
        return self.seen([self.client.models.generate_content(**self.fields(ask))])

    def stream(self, ask) -> Seen:
        return self.seen(list(self.client.models.generate_content_stream(**self.fields(ask))))

    def embed(self, texts, size):
        config = {"output_dimensionality": size}
        answer = self.client.models.embed_content(model="gemini-embedding-001", contents=texts, config=config)
        return [row.values for row in answer.embeddings]

    def count(self) -> int:
        return self.client.models.count_tokens(model=MODEL, contents=QUESTION).total_tokens

    def models(self):
        return [model.name.removeprefix("models/") for model in self.client.models.list()]

    def refused(self, error) -> Refused:
        return Refused(status=error.code, message=error.message, request_id=error.response.headers.get("x-request-id"))

    def thinking(self, request):
        return request.reasoning(budget_tokens=1024)

    def provider(self):
        return providers.GeminiProvider(KEY, model=MODEL, base_url=f"{self.server.url}/v1beta")


class GeminiVertex(Gemini):
    lacks = frozenset({"models"})

    def open(self, genai):
        from google.oauth2.credentials import Credentials

        options = {"base_url": self.server.url, "api_version": "v1"}
        return genai.Client(
            vertexai=True, project="p", location="us-east5", credentials=Credentials(KEY), http_options=options
        )

    def provider(self):
        return providers.VertexProvider(
            "p", "us-east5", credentials=lambda: KEY, model=MODEL, base_url=f"{self.server.url}/v1"
        )
