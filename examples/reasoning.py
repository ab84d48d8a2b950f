"""One request that asks for much thinking, and what each of six services would be asked for; nothing is sent."""

import aiclient

MODELS = (
    "openai:gpt-5.2",
    "anthropic:claude-opus-4-6",
    "anthropic:claude-sonnet-5",
    "gemini:gemini-3-pro-preview",
    "mistral:magistral-medium-latest",
    "cohere:command-a-reasoning-08-2025",
)
FIELDS = ("reasoning_effort", "thinking", "output_config", "generationConfig")

for model in MODELS:
    with aiclient.Client(aiclient.provider_for(model, api_key="not-needed")) as client:
        report = client.new_request().user("Prove it.").reasoning("xhigh").dry_run()
    asked = {name: value for name, value in report.body.items() if name in FIELDS}
    print(f"{model:36} {asked}")
    for warning in report.warnings:
        print(f"{'':36} {warning.code}: {warning.message}")
