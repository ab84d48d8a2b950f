"""Every example runs, without a key, and prints what it is about."""

from __future__ import annotations

import importlib.util
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"

PRINTS = {
    "async_calls.py": ["France: I would have to look that up.", "Portugal:"],
    "audit_log.py": [
        "answered alice 2 0.000015 None",
        "failed carol 1 None authentication",
        "content in it: False - altered: None",
        "after somebody has altered it: line 5",
    ],
    "authentication.py": [
        "anthropic gets x-api-key: sk-of-today-0***; printed it is SecretStr('***')",
        "Paris. with a key from a file: authorization: Bearer sk-of-***",
        "file:.../openai_key",
        "401 authentication, retryable: False",
        "no API key for groq: set GROQ_API_KEY",
        "3 requests for 2 calls, the last with authorization: Bearer sk-of-***",
    ],
    "budget.py": ["50% of $10 is gone", "10 were answered, 90 refused; $10 spent", "alice: $5 for 5 answers"],
    "bulk.py": ["4/4 done, 1 failed", "Capital of Atlantis? -> OverloadedError: nobody knows Atlantis"],
    "caching.py": [
        "again    cached=True  cost=$0 saved=$0.011",
        "['Paris, on the Seine.']",
        "cached=True, asked 0 times",
    ],
    "chat.py": ["Paris.", "stop 6 $0.00000325"],
    "chatbot_failover.py": [
        "[second] This is your question number 2.\n(after first, first, first failed)",
        "(nobody answers at the moment; ask again)",
        "[second] Well, I think\n(broken off: connection; say 'go on')",
        "> Go on.\n[second] This is your question number 5.",
        "10 messages, 6 requests, $0.000280",
    ],
    "checks.py": [
        "FAILED paris        model      loopbak is not among its 3 models: did you mean loopback?",
        "ok     -            disk       it found nothing wrong",
        "ready: False",
    ],
    "circuit_breaker.py": ["14 s  the circuit of mock:mock-model is open", "'refused': 18} sent: 42"],
    "comparison.py": [
        "quick         0.4     10 $0.00001125  Air scatters blue light most.",
        "thorough      2.5     20    $0.00024  Molecules",
        "busy            -      -           -  failed: overloaded",
    ],
    "concurrency.py": ["12 calls, at most 3 at a time", "refused: all 1 permits for mock were in use"],
    "configuration.py": [
        "Budget($9 per day) True says backup",
        "$.providers.main.prioritty: is not known here; did you mean 'priority'?",
    ],
    "content_pipeline.py": [
        "-- reviewed; missing: Cups (ContentFilterError)",
        "draft    4 requests,  22 tokens, $0.00052",
        "-- drafted, then the budget of $0.009 was used up",
    ],
    "conversation.py": [
        "Yes, it rains",
        "In Rome",
        "['system', 'user', 'assistant']\nTrue",
        '"function": {"name": "weather"',
    ],
    "costs.py": [
        "may cost $0.00225 to $0.1025",
        "cost     $0 saved 0.00875 by response cache",
        "left     $0.004 (estimated)",
    ],
    "custom_middleware.py": ["a call of search", "outside Retry: {'completed': 2}", "{'failed': 2, 'completed': 2}"],
    "custom_provider.py": ["The sum is 42.", "['The ', 'sum ', 'is ', '0.75.']", "calculator bad_request"],
    "data_analysis.py": [
        "The north, with 630 against 120. checked (describe ok, revenue failed, revenue ok)",
        "Splendid: 2000. NOT TRUSTED, invented: [2000.0]",
        "rows that left the house: 0",
    ],
    "dry_run.py": ["x-api-key: ***", "warning: anthropic has no seed", "dry: True - to https://api.anthropic.com"],
    "embeddings.py": ["nearest: the Loire (1.000)"],
    "error_handling.py": [
        "is busy, then answers  Paris.",
        "stays busy             busy: come back in 120 s",
        "refuses the key        wrong key; tell whoever runs this, with the request id req_1",
        "is not there           connection: tried 2 times",
        "breaks off             'Paris is the' is all that came (connection)",
        "costs too much         only $0.000001 may be spent, and this might cost $",
        "is asked too wildly    cannot be asked: temperature=9 must be",
        "does not exist         'opnai:gpt-5.4-mini' names no provider; did you mean openai:?",
    ],
    "failover.py": ["first is open, second is closed", "first 10 times, then second 23 times, then first 27 times"],
    "fallback.py": ["('first', 'overloaded'), ('second', None)]", "streamed: Paris, says the second."],
    "hooks.py": [
        "4 pieces",
        "search: once more after overloaded",
        "search: stop, attempts 2",
        "chat: authentication after",
    ],
    "logs.py": [
        "WARNING attempt_ended overloaded order-17",
        "user: Is the password ***? -> It is ***.",
        "ERROR chat_failed authentication -",
    ],
    "media.py": ["I see image/gif", "I see https://example.com/cat.jpg, application/pdf", "use document(...)"],
    "multi_provider.py": [
        "contracts: Clause 4 is void. (careful, large)",
        "Yes, says the second. ['first overloaded', 'first overloaded', 'first overloaded', 'second ok']",
        "{'trial': 25, 'usual': 75}",
    ],
    "opentelemetry_console.py": [
        "span     chat mock-model ERROR {'gen_ai.request.model': 'mock-model', 'error.type': 'overloaded'}",
        "span   aiclient chat mock-model UNSET",
        'metric aiclient.client.retries 1 {"name": "mock", "stream": false',
        'metric gen_ai.client.token.usage 3 {"name": "mock", "stream": false, "model": "mock-model", "type": "output"}',
    ],
    "rate_limit.py": ["30 calls took 2.01 s, 20 had to wait, the last for 2.01 s"],
    "reasoning.py": [
        "{'reasoning_effort': 'xhigh'}",
        "gemini-3-pro-preview has no effort 'xhigh'; the effort 'high' was asked for",
    ],
    "retry_faults.py": ["Paris after ['rate_limit', 'ok']", "AuthenticationError after ['authentication']"],
    "session.py": ["17 items answered, 3 would have cost more", "goes on with 4 messages and $0.0035 left"],
    "shared_store.py": [
        "first: Paris, cached=False, $1",
        "first: the service was asked 8 times, 0 calls were refused",
        "second: Paris, cached=True, $0",
        "second: the service was asked 2 times, 5 calls were refused",
        "what both have spent: 10",
    ],
    "single_flight.py": ["50 users, 49 of them shared, 1 request", "the second has: Rhine", "2 requests in all"],
    "stack.py": [
        "                  └─ Cache(MemoryStore, ttl=300, sampled=True)",
        "bob   A river?           -> The Rhine. cached $0",
        "bob   Capital of France? -> Paris. ['first:ok', 'first:ok']",
        "Says the second. ['first:overloaded', 'first:overloaded', 'second:ok']",
        "carol A town?            -> Says the second. ['second:ok']",
        "carol word word word wor -> refused: policy",
        "warned: Retry stands outside Budget",
    ],
    "status.py": ["later: 200 degraded (first open, second closed)", "worse: 503 down (first open, second open)"],
    "stream.py": ["three rivers of Europe.\n[stop, 12 tokens]", "characters came]"],
    "structured_output.py": [
        "urgent=True, words=['invoice', 'refund']) after 2 answers",
        "so far: {'department': 'billing', 'urgent': True, 'words': ['invoice']}",
        "billing\n['billing', 'support']",
    ],
    "support_triage.py": [
        "Where is A-17?                   -> sent by shipping: It was delivered. [2]",
        "-> a person in shipping, urgent: a refund of 480.00; draft: You get it back. [3]",
        "-> sent by technical: Which version? [2]",
        "-> a person: authentication [1]",
    ],
    "telemetry.py": [
        "3 of 4 calls completed, 1 from the cache",
        "6 + 5 tokens, $0.000026",
        "failures {'overloaded': 1,",
    ],
    "template.py": ["billing\nsupport", "mesage is unknown; did you mean 'message'?"],
    "timeouts.py": ["TimeoutError (attempt) after 3 attempts", "StreamInterruptedError (idle): 'The '"],
    "tool_loop.py": [
        'order {"item": "coffee", "number": 500} -> refused',
        "I ordered 5 coffees. (answer after 3 rounds)",
        "at most 10 at a time",
    ],
    "tools.py": ["21 degrees in Bonn", "It is 21 degrees in Bonn."],
    "typed_tools.py": [
        "$.lines[0].count: must be a whole number, not a text",
        "$: has keys that are not known; there are lines, currency",
        '{"total": 28.5, "currency": "EUR"}',
        "They cost 28.50 euros.",
        "openai loses nothing",
        "anthropic loses ('pattern', 'minimum')",
        "gemini loses ('pattern',)",
    ],
    "unit_test.py": ["passed: test_it_waits_as_long_as_the_service_asks"],
    "validation.py": [
        "Review(product='kettle', stars=5, mood=<Mood.GOOD: 'good'>",
        "request 4 ends with: - $.stars: must be from 1 to 5",
        '$.mood: must be one of "good", "bad"',
    ],
    "providers/amazon_bedrock.py": [
        "Paris. ['The user wants an answer.']",
        "gr-7 {'cachePoint': {'type': 'default'}}",
        "Credential=AKIAPLAYED - the secret travels: False",
        "\n['Paris.']\n",
        "unsupported_setting - amazon.nova-pro-v1:0 cannot be told how much to think",
        "429 ThrottlingException retryable: True",
    ],
    "providers/anthropic_claude.py": [
        "2005 tokens, says the service before",
        "'The user wants an answer.', sealed: True",
        "kept: {'type': 'ephemeral', 'ttl': '1h'} - thinking: adaptive {'effort': 'high'}",
        "goes back: ['thinking', 'tool_use']",
        "1233 kilometres. [('rivers.txt', '1233 km')]",
    ],
    "providers/azure_openai.py": [
        "Paris. $0.00000275 with a token at /openai/v1/chat/completions",
        "with a key at /openai/deployments/my-deployment/chat/completions?api-version=2024-10-21",
        "with a key at /openai/v1/responses",
        "Entra was asked for https://cognitiveservices.azure.com/.default\n",
    ],
    "providers/cohere_command.py": [
        "The Rhine is 1233 km long. [('1233 km', 'Rivers')]",
        "ReasoningPart I will call get_weather.",
        "search_query 8",
        "search_document 8",
    ],
    "providers/compatible_services.py": [
        "deepseek   Paris. {'max_tokens': 50, 'thinking': {'type': 'enabled'}, 'reasoning_effort': 'low'}",
        "openrouter Paris. {'max_tokens': 50, 'reasoning': {'effort': 'low'}, 'provider': {'sort': 'price'}}",
        "our-own    Paris. {'max_tokens': 50, 'reasoning_effort': 'low'}",
        "strict: vllm has no metadata",
    ],
    "providers/google_gemini.py": [
        "['The user wants an answer.', 'It is about tea.']",
        "rounded_setting: gemini-3-pro-preview has no effort 'medium'",
        "{'thinkingLevel': 'LOW', 'includeThoughts': True} BLOCK_LOW_AND_ABOVE",
        "the key is in a header: True - in the address: False",
        "Tea has become dear. [('tea.example', 'https://tea.example/news')]",
    ],
    "providers/google_vertex.py": [
        "gemini-3-pro-preview at europe-west1/publishers/google/models/gemini-3-pro-preview:generateContent",
        "claude-opus-4-8 at europe-west1/publishers/anthropic/models/claude-opus-4-8:rawPredict",
        "after 1 attempt, with token 2",
        "2 vectors, True",
    ],
    "providers/mistral_ai.py": [
        '{"capital": "Paris"} True True',
        "['The user wants an answer.']",
        "handbook-7 stop",
        "3 vectors, True",
    ],
    "providers/ollama_local.py": [
        "there are ['loopback',",
        "Paris. 30m {'num_predict': 200, 'num_ctx': 32768} think: False",
        "The user wants an answer.Paris.",
        "costs $0",
        "refused: is `ollama serve` running?",
    ],
    "providers/openai_chat.py": [
        "It is in chapter four. {'reasoning_effort': 'low', 'prompt_cache_key': 'handbook-7', 'service_tier': 'flex',",
        "1005 tokens in, 0 of them",
        "metadata: openai takes metadata for stored answers only",
        "3 vectors of 8 True",
        "429 rate_limit_exceeded: come back in 20 s",
    ],
    "providers/openai_responses.py": [
        "7 tokens, says the service before",
        "['The user wants an answer.']",
        "['user', 'reasoning', 'function_call', 'function_call_output'] stored: False",
        "the seal is there: True",
        "['function', 'web_search']",
    ],
    "web/celery_tasks.py": [
        "SUCCESS {'paragraphs': ['On tea: fine.', 'On coffee: fine.', 'On water: fine.'], 'usd': '0.000093'}",
        "FAILURE BudgetExceededError",
    ],
    "web/django_view.py": [
        "200 None {'answer': 'Rhine, Loire and Danube.'}",
        "503 600 {'error': 'overloaded'}",
        "['Rhine, ', 'Loire ', 'and ', 'Danube.']",
    ],
    "web/fastapi_service.py": [
        "{'answer': 'Rhine, Loire and Danube.', 'usd': '0.0004'}",
        'event: text\ndata: {"text": "Rhine, "}\n\nevent: text',
        'event: done\ndata: {"usd": "0.0004"}',
        "402 None {'kind': 'budget', 'message': 'this may cost $0.4; $0.01 are allowed'}",
        "503 600 {'kind': 'overloaded',",
    ],
}


ALONE = {
    "chat.py": "as a reader runs it",
    "logs.py": "sets up logging for the whole process",
    "opentelemetry_console.py": "its exporters keep the stdout that they found when they were imported",
    "rate_limit.py": "likewise sets up logging",
    "web/celery_tasks.py": "celery",
    "web/django_view.py": "django",
    "web/fastapi_service.py": "fastapi",
}
"""Those that need a process of their own, and why; those of web/ need that package, and have more tests in tests/examples."""


SHARED = "shared_store.py"
"""The one that needs a server, of which it says where to find it."""


def case(name):
    if not name.startswith("web/"):
        return name
    missing = importlib.util.find_spec(ALONE[name]) is None
    return pytest.param(
        name, marks=[pytest.mark.slow, pytest.mark.skipif(missing, reason="needs the extra `examples`")]
    )


def test_every_example_is_here():
    paths = [path.relative_to(EXAMPLES) for path in EXAMPLES.rglob("*.py")]
    assert {path.as_posix() for path in paths if path.parts[0] != "third_party"} == PRINTS.keys()


@pytest.fixture
def bare(monkeypatch):
    """An environment without what a developer has set."""
    for name in os.environ:
        if name.startswith(("AI_", "AICLIENT_")) or name.endswith(("_API_KEY", "_BASE_URL")):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("name", [name for name in PRINTS if name not in ALONE and name != SHARED])
def test_an_example_runs(name, bare, capsys):
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")  # in this process, where warnings are errors
    printed, complaints = capsys.readouterr()
    assert complaints == ""
    assert [line for line in PRINTS[name] if line not in printed] == []


@pytest.mark.parametrize("name", [case(name) for name in ALONE])
def test_an_example_runs_by_itself(name, bare):
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert [line for line in PRINTS[name] if line not in run.stdout] == []


@pytest.mark.slow
def test_the_example_of_a_shared_store_runs_where_there_is_a_server(bare, redis_url, monkeypatch):
    monkeypatch.setenv("REDIS_URL", redis_url)
    test_an_example_runs_by_itself(SHARED, bare)


def test_the_example_of_a_shared_store_says_what_it_needs(bare, capsys, monkeypatch):
    monkeypatch.delenv("REDIS_URL", raising=False)
    runpy.run_path(str(EXAMPLES / SHARED), run_name="__main__")
    assert "REDIS_URL" in capsys.readouterr()[0]
