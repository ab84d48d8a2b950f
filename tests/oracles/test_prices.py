"""What recorded exchanges cost by our table, and by genai-prices, which reads the vendor's own usage object by itself.

The exchanges lie in `../shared/wire` beside the checkout; without them, or without the package, these are skipped.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from attrs import evolve

from aiclient.pricing import TABLE, GenAIPrices
from aiclient.provider import ProviderInfo
from aiclient.response import Usage
from aiclient.wire.anthropic_usage import usage as anthropic_usage

pytestmark = pytest.mark.anyio

sys.path.insert(0, str(Path(__file__).parents[1]))

import conformance  # noqa: E402  # a script beside the tests, which feeds recordings to the providers

TABLE_FILE = Path(__file__).parents[2] / "aiclient" / "prices.json"
WIRE = Path(__file__).parents[3] / "shared" / "wire"
if not WIRE.is_dir():
    pytest.skip("the recorded exchanges are not beside this repository (../shared/wire)", allow_module_level=True)
genai_prices = pytest.importorskip("genai_prices", reason="genai-prices is in the `oracles` extra")

FLAVOURS = {  # api: (genai-prices' provider, its reader, the name that the usage object has in an answer)
    "anthropic.messages": ("anthropic", "default", "usage"),
    "azure.chat": ("azure", "chat", "usage"),
    "azure.responses": ("azure", "responses", "usage"),
    "bedrock.converse": ("aws", "default", "usage"),
    "bedrock.converse_stream": ("aws", "default", "usage"),
    "cerebras.chat": ("cerebras", "chat", "usage"),
    "cohere.chat_v2": ("cohere", "default", "usage"),
    "deepseek.chat": ("deepseek", "chat", "usage"),
    "google.generate": ("google", "default", "usageMetadata"),
    "google.stream": ("google", "default", "usageMetadata"),
    "groq.chat": ("groq", "default", "usage"),
    "mistral.chat": ("mistral", "default", "usage"),
    "openai.chat": ("openai", "chat", "usage"),
    "openai.responses": ("openai", "responses", "usage"),
    "openrouter.chat": ("openrouter", "chat", "usage"),
    "perplexity.chat": ("perplexity", "default", "usage"),
    "vertex.generate": ("google", "default", "usageMetadata"),
    "vertex.stream": ("google", "default", "usageMetadata"),
    "xai.chat": ("x-ai", "chat", "usage"),
    "xai.responses": ("x-ai", "responses", "usage"),
}

MOMENT = datetime(2026, 11, 28, 20, tzinfo=UTC)  # some rates, of DeepSeek's models for one, change with the hour

EQUAL = [  # (api, record, what is particular about its usage)
    ("openai.chat", "04d372974ba6", "cached"),
    ("openai.chat", "bacabbb0838b", "written"),
    ("openai.chat", "01fafa4dbd37", "reasoning"),
    ("openai.chat", "29a56e8546f0", "sound in"),
    ("openai.chat", "f768f6ca520a", "sound out"),
    ("openai.chat", "40830bc8abab", "priority"),
    ("azure.chat", "0b2ec33f1771", "reasoning"),
    ("azure.chat", "008b19d689bd", "plain"),
    ("azure.chat", "05e8a2f024a1", "plain"),
    ("azure.responses", "1f1133c4c773", "reasoning"),
    ("azure.responses", "0150b6c9e631", "plain"),
    ("azure.responses", "2d45ab5d9931", "plain"),
    ("openai.responses", "02fde41917c7", "cached"),
    ("openai.responses", "4e60893f8b8c", "written"),
    ("openai.responses", "00e708c5dff9", "reasoning"),
    ("openai.responses", "19737cfd6620", "priority"),
    ("openai.responses", "0017fbcbaa5d", "plain"),
    ("openai.responses", "006dbab25eb6", "plain"),
    ("anthropic.messages", "00583d2c0d70", "cached"),
    ("anthropic.messages", "09d178f62cb7", "written"),
    ("anthropic.messages", "6cd3122c7880", "written for an hour"),
    ("anthropic.messages", "0c07c38ced9a", "reasoning"),
    ("anthropic.messages", "1241d1bc99cf", "searches"),
    ("anthropic.messages", "0030970f4377", "plain"),
    ("google.generate", "0ba5bf9a716d", "cached"),
    ("google.generate", "037640e1fd95", "reasoning"),
    ("google.generate", "05953ac7861a", "sound in"),
    ("google.generate", "6c6a95e9e070", "cached sound"),
    ("google.generate", "044c8a61e5fd", "images in"),
    ("google.generate", "038449b7bc02", "plain"),
    ("google.generate", "04370b37c6e8", "plain"),
    ("google.stream", "05a232255044", "reasoning"),
    ("google.stream", "0cba43847189", "images in"),
    ("google.stream", "06fcdcb90ecb", "plain"),
    ("google.stream", "0d801fe66f51", "plain"),
    ("vertex.generate", "065df877af45", "cached"),
    ("vertex.generate", "0092469de7f2", "reasoning"),
    ("vertex.generate", "201d25367c4b", "sound in"),
    ("vertex.generate", "2c6a1c62190c", "images in"),
    ("vertex.generate", "01de864c86cb", "plain"),
    ("vertex.generate", "0320b6b2bdd6", "plain"),
    ("vertex.stream", "1fb03dd117ed", "reasoning"),
    ("vertex.stream", "267e08f1c9bd", "plain"),
    ("vertex.stream", "4614af33519e", "plain"),
    ("bedrock.converse", "18feb8981d97", "cached"),
    ("bedrock.converse", "69b9b9a5b152", "written"),
    ("bedrock.converse", "00fde53eb1ae", "plain"),
    ("bedrock.converse", "01bc4d558d0e", "plain"),
    ("bedrock.converse_stream", "24a5ac99512c", "cached"),
    ("bedrock.converse_stream", "36523f1fd3e3", "written"),
    ("bedrock.converse_stream", "011e25b297cb", "plain"),
    ("bedrock.converse_stream", "15609533e9ec", "plain"),
    ("groq.chat", "12dbdde2b475", "cached"),
    ("groq.chat", "02ec1204bcca", "reasoning"),
    ("groq.chat", "003753b711bf", "plain"),
    ("groq.chat", "0b1577465f0e", "plain"),
    ("mistral.chat", "1b0bc50758d0", "cached"),
    ("mistral.chat", "034007bac6b1", "plain"),
    ("mistral.chat", "0fd45a0ef497", "plain"),
    ("cohere.chat_v2", "10179d759fca", "cached"),
    ("cohere.chat_v2", "08e1a0fdd5e2", "plain"),
    ("cohere.chat_v2", "189623eafa7c", "plain"),
    ("deepseek.chat", "0b1f9f5c1b5c", "cached"),
    ("deepseek.chat", "017d6d4d5305", "reasoning"),
    ("deepseek.chat", "12f309ed3e5e", "plain"),
    ("deepseek.chat", "39791ae002df", "plain"),
    ("xai.chat", "164a3fefc5fb", "cached"),
    ("xai.chat", "4878a0e9d6e0", "reasoning"),
    ("xai.chat", "58cda5b6034f", "plain"),
    ("xai.responses", "0b6e85cfbd98", "cached"),
    ("xai.responses", "0bfcab60dc07", "reasoning"),
    ("xai.responses", "0cfd769ce9fa", "plain"),
    ("openrouter.chat", "70cc935c5344", "cached"),
    ("openrouter.chat", "94aaeaec0d40", "written"),
    ("openrouter.chat", "111710ff7476", "reasoning"),
    ("openrouter.chat", "060a89402d9c", "plain"),
    ("openrouter.chat", "076fdb262a40", "plain"),
    ("cerebras.chat", "41fc552352b0", "reasoning"),
    ("cerebras.chat", "655c57fe8439", "plain"),
    ("cerebras.chat", "a32048d43f08", "plain"),
    ("perplexity.chat", "0221cc5248ce", "plain"),
    ("perplexity.chat", "1cf74f1aa756", "plain"),
]

DIFFERENT = [  # (api, record, ours, theirs, why)
    (
        "mistral.chat",
        "026eef341ef4",
        "0.0000978",
        "0.000141",
        "Mistral's older name of cached tokens is not read there",
    ),
    (
        "xai.chat",
        "04a94962c700",
        None,
        "0.00043894",
        "the sources disagree on grok-code-fast-1; xAI itself says the price",
    ),
    ("deepseek.chat", "1fda4603bcf7", None, "0.00000602", "the sources disagree on deepseek-chat"),
    ("mistral.chat", "19496d7b25b2", None, "0.000228", "the sources disagree on mistral-large-latest"),
    ("mistral.chat", "40b2c8aa8bc4", None, "0.0000813", "sound goes by the hour; there it is left out"),
    ("anthropic.messages", "d199c2120ff3", None, "0.00068", "claude-2.1 is not claude-2"),
    ("openai.responses", "af8f68e19410", None, "0.002205", "computer-use-preview is not computer-use"),
    (
        "vertex.generate",
        "039c6ce1417e",
        None,
        "0.0001585",
        "its flex rates are not known; there it is an ordinary request",
    ),
    ("cerebras.chat", "06c091556c06", None, "0", "there a model without prices costs nothing"),
]


@functools.cache
def recorded(api):
    return {record["id"]: record for record in conformance.records(WIRE, api)}


async def answered(api, number):
    """Return (the usage as our wire reads it, where it was used)."""
    record = recorded(api)[number]
    async with conformance.Seam() as seam:
        provider = seam.provider(record)
        answer = await conformance.ASK["chat"](record, provider)
    address = urlsplit(record["request"]["url"])
    in_path = re.search(r"/model/(.+?)/converse", unquote(address.path))
    named = in_path and in_path[1]
    origin = f"{address.scheme}://{address.netloc}"
    return answer.usage, evolve(
        provider.info, origin=origin, model=named or answer.model or conformance.model_of(record)
    )


def theirs(api, usage, model, at=None):
    """Return what genai-prices makes of the vendor's usage object, now or at a moment."""
    provider, flavour, root = FLAVOURS[api]
    raw = {"model": model, root: usage.raw_usage}
    found = genai_prices.extract_usage(raw, provider_id=provider, api_flavor=flavour)
    context = {"priority": {"service_tier": "priority"}}.get(usage.service_tier)
    price = genai_prices.calc_price(
        found.usage, model, provider_id=provider, genai_request_timestamp=at, price_context=context
    )
    return price.total_price


@pytest.mark.parametrize(("api", "number", "what"), EQUAL, ids=lambda value: str(value).replace(" ", "-"))
async def test_a_recorded_exchange_costs_what_genai_prices_says(api, number, what):
    usage, where = await answered(api, number)
    assert TABLE.price(usage, where).usd == theirs(api, usage, where.model)


@pytest.mark.parametrize(("api", "number", "ours", "other", "why"), DIFFERENT, ids=[row[1] for row in DIFFERENT])
async def test_where_the_two_differ_it_is_for_a_reason(api, number, ours, other, why):
    usage, where = await answered(api, number)
    cost = TABLE.price(usage, where)
    assert (cost and cost.usd, theirs(api, usage, where.model, MOMENT)) == (ours and Decimal(ours), Decimal(other)), why


def test_a_batch_costs_what_genai_prices_says():  # 32cbe79f33df, of anthropic.batches
    message = json.loads(recorded("anthropic.batches")["32cbe79f33df"]["response"]["body"])["result"]["message"]
    usage = anthropic_usage(message["usage"])
    found = genai_prices.extract_usage(message, provider_id="anthropic")
    batch = {"processing": "batch"}
    price = genai_prices.calc_price(found.usage, message["model"], provider_id="anthropic", price_context=batch)
    where = ProviderInfo("anthropic", "anthropic", model=message["model"])
    assert TABLE.price(usage, where).usd == price.total_price == Decimal("0.0000225")


# --- the script that makes the table ---


def test_the_table_is_made_from_local_files_without_what_they_disagree_on(tmp_path):
    agreed = {"input_cost_per_token": 2.5e-07, "output_cost_per_token": 2e-06, "mode": "chat"}
    facts = {
        "gpt-5-mini": {**agreed, "max_output_tokens": 128_000, "supports_function_calling": True},
        "gpt-5-nano": agreed,  # five times too much
        "gpt-4.1": {"input_cost_per_token": 2e-06, "output_cost_per_token": 8e-06, "max_output_tokens": 1_047_576},
    }
    source, out = tmp_path / "facts.json", tmp_path / "prices.json"
    source.write_text(json.dumps(facts))
    script = Path(__file__).parents[1] / "refresh_prices.py"
    given = ["--facts", str(source), "--facts-name", "ours 1", "--date", "2026-11-28", "--out", str(out)]
    done = subprocess.run([sys.executable, script, *given], capture_output=True, text=True, timeout=100, check=True)
    table = json.loads(out.read_text())
    rows = table["providers"]["openai"]["models"]
    ours = json.loads(TABLE_FILE.read_text())["providers"]["openai"]["models"]
    assert table["sources"] == {"prices": f"genai-prices {genai_prices.__version__}", "facts": "ours 1"}
    assert (rows["gpt-5-mini"]["max"], rows["gpt-5-mini"]["can"]) == (128_000, "t")
    assert {name: rows["gpt-5-mini"][name] for name in ("in", "out", "read", "batch", "date")} == {
        name: ours["gpt-5-mini"][name] for name in ("in", "out", "read", "batch", "date")
    }
    assert "gpt-5-nano" not in rows and "openai:gpt-5-nano" in done.stdout
    assert "max" not in rows["gpt-4.1"]  # as long as the window: nobody knew


# --- the book over the package ---

USAGE = Usage(prompt_tokens=1000, completion_tokens=100, cached_tokens=600)


@pytest.mark.parametrize(
    ("where", "usage"),
    [
        (ProviderInfo("openai", "openai", model="gpt-5"), USAGE),
        (ProviderInfo("openai", "openai", model="gpt-5"), evolve(USAGE, service_tier="priority")),
        (ProviderInfo("anthropic", "anthropic", model="claude-haiku-4-5"), evolve(USAGE, service_tier="batch")),
        (ProviderInfo("gemini", "google", model="gemini-2.5-flash"), evolve(USAGE, audio_prompt_tokens=100)),
        (ProviderInfo("bedrock", "bedrock", model="us.amazon.nova-pro-v1:0"), USAGE),
        (ProviderInfo("cohere", "cohere", model="command-r"), evolve(USAGE, billed_prompt_tokens=700)),
        (ProviderInfo("xai", "xai", model="grok-4"), USAGE),
    ],
    ids=["cached", "priority", "batch", "sound", "bedrock", "billed", "xai"],
)
def test_the_book_over_the_package_says_what_the_table_says(where, usage):
    cost = GenAIPrices().price(usage, where)
    assert cost.usd == TABLE.price(usage, where).usd
    assert cost.source == f"genai-prices {genai_prices.__version__}"
    assert sum(cost.breakdown.values()) == cost.usd


@pytest.mark.parametrize(
    ("where", "usage"),
    [
        (ProviderInfo("openai", "openai", model="nobody's"), USAGE),
        (ProviderInfo("openai", "openai"), USAGE),
        (ProviderInfo("openai", "openai", model="gpt-5"), Usage(prompt_tokens=1)),
        (ProviderInfo("nobody", model="gpt-5-nobody"), USAGE),
    ],
    ids=["unknown model", "no model", "no output", "unknown provider"],
)
def test_what_the_package_does_not_know_has_no_price(where, usage):
    assert GenAIPrices().price(usage, where) is None


def test_the_package_does_not_fetch(monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a connection was made"))
    assert GenAIPrices().price(USAGE, ProviderInfo("openai", "openai", model="gpt-5")) is not None
