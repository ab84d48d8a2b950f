"""What is known of models: the table itself, and under which names a model is found in it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

import aiclient
from aiclient import models
from aiclient.errors import InvalidModelError
from aiclient.prices.names import is_local, table_of
from aiclient.provider import ProviderInfo
from aiclient.registry import PROVIDERS

FILE = Path(aiclient.__file__).with_name("prices.json")
TABLE = json.loads(FILE.read_text(encoding="utf-8"))
NAMES = sorted(TABLE["providers"])

RATES = set(models.COLUMNS)
COLUMNS = RATES | {"batch", "flex", "priority", "fast", "later", "hours", "audio_hours"}
COLUMNS |= {"ctx", "max", "can", "kind", "date", "ends", "old", "also"}


@pytest.fixture(params=NAMES)
def rows(request):
    return TABLE["providers"][request.param]["models"]


# --- the table is well formed, and dated ---


def test_the_table_is_dated_and_names_its_sources_with_their_versions():
    assert TABLE["schema"] == models.SCHEMA
    assert date.fromisoformat(TABLE["date"]) >= date(2026, 11, 1)
    assert set(TABLE["sources"]) == {"prices", "facts"}
    assert all(any(char.isdigit() for char in source) for source in TABLE["sources"].values())
    assert models.version() == f"aiclient prices {TABLE['date']}"


def test_the_table_stays_small():
    assert FILE.stat().st_size < 150_000


@pytest.mark.parametrize("name", NAMES)
def test_every_provider_of_the_table_can_be_asked_and_has_a_page_of_prices(name):
    assert name in PROVIDERS
    assert TABLE["providers"][name]["url"].startswith("https://")


def test_a_row_has_known_columns_only(rows):
    assert {column for row in rows.values() for column in row} <= COLUMNS


def _numbers(value):
    if isinstance(value, list):
        return [number for item in value for number in _numbers(item)]
    return [number for item in value.values() for number in _numbers(item)] if isinstance(value, dict) else [value]


def _rates(row):
    return {name: row[name] for name in RATES if name in row}


def test_a_price_is_a_number_that_is_not_negative(rows):
    prices = [number for row in rows.values() for number in _numbers(_rates(row))]
    assert prices and all(type(price) in (int, float) and price >= 0 for price in prices)


def test_a_row_prices_what_goes_in_or_what_comes_out(rows):
    assert all({"in", "out"} & set(row) for row in rows.values())


def test_longer_requests_come_in_order_and_are_not_cheaper(rows):
    steps = [price for row in rows.values() for price in _rates(row).values() if isinstance(price, list)]
    assert all(len(price) % 2 == 1 and price[1::2] == sorted(price[1::2]) for price in steps)
    assert all(price[::2] == sorted(price[::2]) for price in steps)


def test_no_name_stands_for_two_models(rows):
    names = [name.lower() for key, row in rows.items() for name in (key, *row.get("also", ()))]
    assert len(names) == len(set(names))


def test_limits_are_whole_numbers_and_an_answer_is_shorter_than_the_window(rows):
    limits = [row[limit] for row in rows.values() for limit in ("ctx", "max") if limit in row]
    assert all(type(limit) is int and limit > 0 for limit in limits)
    assert all(row["max"] < row["ctx"] for row in rows.values() if {"max", "ctx"} <= set(row))


def test_dates_are_dates_and_none_is_of_the_future(rows):
    dated = [date.fromisoformat(row["date"]) for row in rows.values() if "date" in row]
    assert all(day <= date.fromisoformat(TABLE["date"]) for day in dated)
    ends = [date.fromisoformat(row["ends"]) for row in rows.values() if "ends" in row]
    assert all(day > date(2024, 1, 1) for day in ends)


def test_capabilities_are_among_those_with_a_word(rows):
    assert {letter for row in rows.values() for letter in row.get("can", "")} <= set(TABLE["capabilities"])


def test_every_row_can_be_read(rows, request):
    read = models.list(request.node.callspec.params["rows"])
    assert [model.name for model in read] == sorted(rows)
    assert all(model.source and model.dated and model.prices for model in read)


# --- which model a name stands for ---


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("openai:gpt-5-mini", "gpt-5-mini"),
        ("openai:gpt-5-mini-2025-08-07", "gpt-5-mini"),
        ("openai:gpt-5-mini-2031-01-02", "gpt-5-mini"),
        ("openai:GPT-5-Mini", "gpt-5-mini"),
        ("openai-responses:gpt-5-mini", "gpt-5-mini"),
        ("openai:gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
        ("azure:gpt-4o", "gpt-4o"),
        ("anthropic:claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("anthropic:claude-opus-4-20250514", "claude-opus-4-0"),
        ("gemini:models/gemini-2.5-flash", "gemini-2.5-flash"),
        ("vertex:publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("vertex:gemini-2.0-flash-001", "gemini-2.0-flash"),
        ("bedrock:anthropic.claude-haiku-4-5-20251001-v1:0", "anthropic.claude-haiku-4-5-20251001"),
        ("bedrock:us.anthropic.claude-sonnet-4-6-v1", "anthropic.claude-sonnet-4-6"),
        ("bedrock:global.anthropic.claude-opus-4-5-20251101-v1:0", "global.anthropic.claude-opus-4-5"),
        ("bedrock:amazon.nova-pro-v1:0", "amazon.nova-pro"),
        ("bedrock:arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-pro-v1:0", "amazon.nova-pro"),
        ("openrouter:anthropic/claude-sonnet-4.5", "anthropic/claude-sonnet-4.5"),
        ("fireworks:accounts/fireworks/models/gpt-oss-120b", "gpt-oss-120b"),
        ("groq:openai/gpt-oss-20b", "openai/gpt-oss-20b"),
        ("xai:grok-4", "grok-4-0709"),
    ],
)
def test_a_model_is_found_by_its_name_a_date_after_it_and_the_path_before_it(asked, name):
    assert models.info(asked).name == name


@pytest.mark.parametrize(
    "asked",
    [
        "openai:gpt-5-minimal",
        "openai:gpt-5-mini-latest",
        "openai:gpt-5-mini-2025-13-07",
        "openai:gpt-6",
        "openai:ft:gpt-5-mini:org::id",
        "openai:openai/gpt-5-mini",
        "anthropic:claude-sonnet",
        "anthropic:claude",
        "bedrock:us-gov.amazon.nova-pro-v1:0",
        "bedrock:apac.amazon.nova-2-lite-v1:0",
        "bedrock:amazon.titan-embed-text-v3",
        "bedrock:xx.amazon.nova-pro-v1:0",
        "openrouter:claude-sonnet-4.5",
        "openrouter:anthropic/claude-sonnet-4.5:nitro",
        "gemini:gemini-2.5",
        "xai:grok",
        "mistral:gpt-5-mini",
    ],
)
def test_a_name_that_only_looks_alike_stands_for_no_model(asked):
    provider, _, model = asked.partition(":")
    assert models.find(ProviderInfo(provider, model=model)) is None
    with pytest.raises(InvalidModelError):
        models.info(asked)


def test_a_regional_model_of_bedrock_has_the_regional_price():
    regional, worldwide = (
        models.info(f"bedrock:{region}.anthropic.claude-opus-4-6-v1").prices.input for region in ("us", "global")
    )
    assert regional == worldwide * Decimal("1.1")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gpt-5-mini", "write provider:model"),
        ("nobody:gpt-5-mini", "write provider:model, with one of anthropic"),
        ("openai:gpt-5-mimi", "did you mean gpt-5-mini"),
        ("openai:zzz", r"see aiclient.models.list\('openai'\)"),
    ],
    ids=["no provider", "unknown provider", "misspelt", "nothing near"],
)
def test_who_asks_for_what_is_not_there_is_told_what_is(name, words):
    with pytest.raises(InvalidModelError, match=words):
        models.info(name)


def test_an_unknown_provider_has_no_list():
    with pytest.raises(InvalidModelError, match="no provider 'nobody' in the table; there are anthropic"):
        models.list("nobody")


def test_all_models_of_all_providers_are_listed():
    assert len(models.list()) == sum(len(provider["models"]) for provider in TABLE["providers"].values())
    assert models.list("vertex") == models.list("gemini")


def test_what_is_known_of_a_model():
    model = models.info("openai:gpt-5-mini")
    assert (model.provider, model.context_window, model.max_output, model.kind) == ("openai", 400_000, 128_000, "chat")
    assert {"tools", "images", "reasoning", "schema"} <= model.capabilities
    assert "gpt-5-mini-2025-08-07" in model.names
    assert "genai-prices" in model.source and "https://" in model.source
    assert model.dated == date(2026, 10, 14)
    assert model.retires == date(2026, 12, 11)


def test_what_is_not_known_is_none():
    model = models.info("groq:gemma-7b-it")
    assert (model.max_output, model.retires, model.capabilities) == (None, None, frozenset())


# --- whose prices hold where ---


@pytest.mark.parametrize(
    ("info", "provider"),
    [
        (ProviderInfo("openai", "openai", "https://api.openai.com"), "openai"),
        (ProviderInfo("mine", "openai", "https://mine.openai.azure.com"), "azure"),
        (ProviderInfo("azure", "openai", "https://gateway.corp.example"), "azure"),
        (ProviderInfo("mine", "openai", "https://openrouter.ai"), "openrouter"),
        (ProviderInfo("mine", "openai", "https://gateway.corp.example"), "openai"),
        (ProviderInfo("mine", "anthropic", "https://api.deepseek.com"), "deepseek"),
        (ProviderInfo("gemini", "google"), "gemini"),
        (ProviderInfo("vertex", "vertex", "https://europe-west1-aiplatform.googleapis.com"), "gemini"),
        (ProviderInfo("groq", "groq"), "groq"),
        (ProviderInfo("nobody"), "nobody"),
        (ProviderInfo("odd", "odd", "http://[nonsense"), "odd"),
    ],
)
def test_the_host_tells_more_than_the_name(info, provider):
    assert table_of(info) == provider


@pytest.mark.parametrize(
    ("info", "local"),
    [
        (ProviderInfo("ollama", "ollama", "http://127.0.0.1:11434", "qwen3:8b"), True),
        (ProviderInfo("vllm", "vllm", "http://localhost:8000", "m"), True),
        (ProviderInfo("llamacpp", "llamacpp", "http://[::1]:9931", "m"), True),
        (ProviderInfo("ollama", "ollama", "http://127.0.0.1:11434", "gpt-oss:120b-cloud"), False),
        (ProviderInfo("ollama", "ollama", "https://ollama.com", "qwen3:8b"), False),
        (ProviderInfo("vllm", "vllm", "http://10.0.0.7:8000", "m"), False),
        (ProviderInfo("litellm", "litellm", "http://127.0.0.1:4000", "m"), False),
        (ProviderInfo("ollama", "ollama", None, "m"), False),
    ],
)
def test_only_a_model_server_at_a_loopback_address_is_one_s_own(info, local):
    assert is_local(info) is local


# --- rates ---

SONNET = models.info("anthropic:claude-sonnet-4-5")


@pytest.mark.parametrize(("tokens", "usd"), [(0, "3"), (200_000, "3"), (200_001, "6")])
def test_a_long_request_pays_the_higher_rate(tokens, usd):
    assert SONNET.rates(prompt_tokens=tokens).input == Decimal(usd)


@pytest.mark.parametrize(
    ("tier", "usd"),
    [
        (None, "0.25"),
        ("default", "0.25"),
        ("auto", "0.25"),
        ("batch", "0.125"),
        ("flex", "0.125"),
        ("PRIORITY", "0.45"),
        ("ON_DEMAND_FLEX", "0.125"),
    ],
)
def test_the_service_tier_has_its_price(tier, usd):
    assert models.info("openai:gpt-5-mini").rates(tier=tier).input == Decimal(usd)


def test_a_tier_does_not_change_what_is_no_token():
    model = models.info("openai:gpt-5-mini")
    assert model.rates(tier="batch").search == model.prices.search == 10


def test_a_tier_that_changes_some_rates_leaves_the_others():
    rates = models.info("gemini:gemini-2.5-pro").rates(tier="batch", prompt_tokens=200_001)
    assert (rates.input, rates.output, rates.cache_read) == (Decimal("1.25"), Decimal("7.5"), Decimal("0.25"))


@pytest.mark.parametrize("tier", ["priority", "scale", "PROVISIONED_THROUGHPUT"])
def test_a_tier_whose_price_is_not_known_has_none(tier):
    assert SONNET.rates(tier=tier) is None


@pytest.mark.parametrize(
    ("at", "usd"),
    [
        (datetime(2026, 11, 30, 23, 59, tzinfo=UTC), "2"),
        (datetime(2026, 12, 1, tzinfo=UTC), "4"),
        (datetime(2026, 12, 1, tzinfo=UTC).timestamp(), "4"),
    ],
    ids=["before", "after", "seconds"],
)
def test_a_price_that_changes_at_a_date_does(at, usd):
    assert models.info("gemini:gemini-4-argon").rates(at=at).input == Decimal(usd)


@pytest.mark.parametrize(("hour", "usd"), [(0, "0.15"), (1, "0.3"), (4, "0.15"), (6, "0.3"), (10, "0.15")])
def test_a_price_that_changes_with_the_hour_does(hour, usd):
    at = datetime(2026, 11, 28, hour, tzinfo=UTC)
    assert models.info("deepseek:deepseek-flash").rates(at=at).input == Decimal(usd)


# --- when it is read ---


def test_several_threads_may_ask_for_the_first_price_at_once():
    code = (
        "from concurrent.futures import ThreadPoolExecutor\nfrom threading import Barrier\n"
        "from aiclient import Usage, pricing\nready, usage = Barrier(8), Usage(prompt_tokens=10**6, completion_tokens=0)\n"
        "def ask(_):\n ready.wait()\n return pricing.cost(usage, 'openai:gpt-5-mini').usd\n"
        "with ThreadPoolExecutor(8) as pool: print(set(map(str, pool.map(ask, range(8)))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "{'0.25'}\n"


def test_nothing_of_the_table_is_read_before_the_first_price():
    code = (
        "import sys; from aiclient import Client; from aiclient.testutil import MockProvider\n"
        "client = Client(MockProvider()); print(client.chat('hi').cost.usd); client.close()\n"
        "print('aiclient.models' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["0", "False"]
