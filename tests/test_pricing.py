"""What tokens cost."""

from __future__ import annotations

import math
import subprocess
import sys
from datetime import datetime
from decimal import Decimal

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from aiclient import pricing
from aiclient.errors import ConfigError
from aiclient.messages import AudioPart, ImagePart, Message, VideoPart
from aiclient.models import find, info, version
from aiclient.pricing import STANDARD, TABLE, DictPrices, FirstKnown, TablePrices
from aiclient.provider import ProviderInfo
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest, PromptCache
from aiclient.response import Cost, Usage
from aiclient.testutil import FakeClock
from aiclient.tokens import estimate as counted

PRICES = DictPrices(
    {
        "small": {"input": 0.25, "output": 2},
        "cached": {"input": 1, "output": 2, "cache_read": 0.1, "cache_write": 1.25},
        "azure:small": {"input": 5, "output": 5},
    },
    source="table of 2026-01",
)


def price(model, provider="openai", **usage):
    return PRICES.price(Usage(**usage), ProviderInfo(provider, model=model))


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        ({"prompt_tokens": 1000, "completion_tokens": 100}, "0.00045"),
        ({"prompt_tokens": 0, "completion_tokens": 0}, "0"),
        ({"prompt_tokens": 1_000_000, "completion_tokens": 0}, "0.25"),
        ({"prompt_tokens": 1000, "completion_tokens": 100, "cached_tokens": 400}, "0.00045"),
    ],
    ids=["plain", "nothing", "input-only", "cached-at-the-input-rate"],
)
def test_tokens_are_priced_by_the_million(usage, usd):
    cost = price("small", **usage)
    assert cost.usd == Decimal(usd) and cost.source == "table of 2026-01" and not cost.estimated


def test_cached_and_cache_writing_tokens_have_their_own_rates():
    cost = price("cached", prompt_tokens=1000, completion_tokens=10, cached_tokens=600, cache_write_tokens=300)
    assert cost.breakdown == {
        "input": Decimal("0.0001"),
        "output": Decimal("0.00002"),
        "cache_read": Decimal("0.00006"),
        "cache_write": Decimal("0.000375"),
    }
    assert cost.usd == Decimal("0.000555")


def test_more_cached_than_prompt_tokens_never_count_below_zero():
    cost = price("cached", prompt_tokens=100, completion_tokens=0, cached_tokens=150, cache_write_tokens=50)
    assert cost.breakdown == {"cache_read": Decimal("0.00001")}


@pytest.mark.parametrize(
    ("model", "usage"),
    [
        ("unknown", {"prompt_tokens": 1, "completion_tokens": 1}),
        (None, {"prompt_tokens": 1, "completion_tokens": 1}),
        ("small", {"prompt_tokens": 1}),
        ("small", {"completion_tokens": 1}),
        ("small", {}),
        ("small-2026-01-01", {"prompt_tokens": 1, "completion_tokens": 1}),
    ],
    ids=["model", "no-model", "no-completion", "no-prompt", "no-usage", "never-the-family-s-price"],
)
def test_an_unknown_price_is_none_and_never_zero(model, usage):
    assert price(model, **usage) is None


def test_the_price_of_one_provider_wins_over_that_of_the_model():
    assert price("small", "azure", prompt_tokens=1_000_000, completion_tokens=0).usd == 5
    assert price("small", "openai", prompt_tokens=1_000_000, completion_tokens=0).usd == Decimal("0.25")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"input": 1}, r"give 'input' and 'output'.*got \['input'\]"),
        ({}, "give 'input' and 'output'"),
        ({"input": 1, "output": 1, "cach_read": 1}, "got .*cach_read"),
        ({"input": -1, "output": 1}, "price 'input' of 'm' must be US dollars per million tokens, got -1"),
        ({"input": 1, "output": "dear"}, "price 'output' of 'm'.*'dear'"),
        ({"input": 1, "output": math.nan}, "price 'output'"),
        ({"input": 1, "output": 1, "cache_read": math.inf}, "price 'cache_read'"),
        ({"input": True, "output": 1}, "price 'input'"),
        ({"input": "1e-400000000000", "output": 1}, "price 'input'"),
        ({"input": 1, "output": "1e400"}, "price 'output'"),
    ],
    ids=["no-output", "empty", "misspelt", "negative", "word", "nan", "infinite", "bool", "nothing", "too-much"],
)
def test_a_wrong_price_is_refused_by_name(row, words):
    with pytest.raises(ConfigError, match=words):
        DictPrices({"m": row})


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**7))
def test_the_cost_is_the_sum_of_its_parts_and_never_above_all_tokens_at_the_dearest_rate(
    prompt, completion, read, write
):
    cost = price(
        "cached", prompt_tokens=prompt, completion_tokens=completion, cached_tokens=read, cache_write_tokens=write
    )
    assert cost.usd == sum(cost.breakdown.values(), Decimal())
    assert 0 <= cost.usd <= Decimal(2) * (prompt + completion) / 1_000_000


# --- the books ---

USAGE = Usage(prompt_tokens=1_000_000, completion_tokens=0)
MINI = ProviderInfo("openai", "openai", "https://api.openai.com", "gpt-5-mini")


def test_the_library_s_table_knows_current_models_and_says_which_table_it_is():
    cost = TABLE.price(USAGE, MINI)
    assert (cost.usd, cost.source, cost.estimated) == (Decimal("0.25"), version(), False)


def test_what_the_table_does_not_have_has_no_price():
    assert TABLE.price(USAGE, evolve(MINI, model="gpt-2034")) is None
    assert TABLE.price(USAGE, evolve(MINI, model=None)) is None


@pytest.mark.parametrize(
    ("info", "source"),
    [
        (ProviderInfo("any", "mock", model="whatever"), "mock"),
        (ProviderInfo("ollama", "ollama", "http://127.0.0.1:11434", "qwen3:8b"), "local server"),
    ],
)
def test_mocks_and_servers_of_one_s_own_cost_nothing_and_say_why(info, source):
    cost = TABLE.price(Usage(), info)
    assert (cost.usd, cost.source) == (0, source)


def test_a_price_of_a_tier_that_the_table_does_not_have_is_unknown():
    sonnet = ProviderInfo("anthropic", "anthropic", model="claude-sonnet-4-5")
    assert TABLE.price(evolve(USAGE, service_tier="priority"), sonnet) is None
    assert TABLE.price(evolve(USAGE, service_tier="batch"), sonnet).usd == Decimal(3)  # above 200,000 tokens


def test_sound_that_is_charged_by_the_hour_has_no_price_by_tokens():
    voxtral = ProviderInfo("mistral", "mistral", model="voxtral-small-latest")
    assert TABLE.price(USAGE, voxtral).usd == Decimal("0.1")
    assert TABLE.price(evolve(USAGE, audio_prompt_tokens=1), voxtral) is None


@pytest.mark.parametrize(("moment", "usd"), [("2026-11-30", 2), ("2026-12-01", 4)])
def test_the_table_is_read_as_of_its_clock(moment, usd):
    clock = FakeClock(start=datetime.fromisoformat(f"{moment}T12:00:00+00:00").timestamp())
    assert TablePrices(clock=clock).price(USAGE, ProviderInfo("gemini", "google", model="gemini-4-argon")).usd == usd


@pytest.mark.parametrize(
    ("vendor", "raw", "usd"),
    [
        ("openrouter", {"cost": 0.0000901, "is_byok": False}, "0.0000901"),
        ("openrouter", {"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 6.3e-06}}, "0.0000063"),
        ("vercel", {"cost": 0.00190375}, "0.00190375"),
        ("perplexity", {"cost": {"request_cost": 0.005, "total_cost": 0.00571}}, "0.00571"),
        ("xai", {"cost_in_usd_ticks": 4389400}, "0.00043894"),
    ],
    ids=["openrouter", "openrouter with one's own key", "vercel", "perplexity", "xai"],
)
def test_what_a_service_says_its_answer_cost_is_believed_first(vendor, raw, usd):
    """Records 060a89402d9c, 076fdb262a40, 08c6637728b2, 0221cc5248ce, 04a94962c700."""
    usage = Usage(prompt_tokens=1, completion_tokens=1, raw_usage=raw)
    cost = STANDARD.price(usage, ProviderInfo("mine", vendor, model="grok-4"))
    assert (cost.usd, cost.source) == (Decimal(usd), "reported by mine")


@pytest.mark.parametrize(
    ("vendor", "raw"),
    [
        ("somebody", {"cost": 0.5}),
        ("openrouter", {"cost": -1}),
        ("openrouter", {"cost": "0.5"}),
        ("openrouter", {"cost": True}),
        ("openrouter", {"cost": math.nan}),
        ("openrouter", {"cost": 10**9}),
        ("openrouter", {"cost": 0, "is_byok": True}),
        ("perplexity", {"cost": {"total_cost": None}}),
        ("openrouter", {"cost": None}),
    ],
)
def test_what_cannot_be_a_sum_of_dollars_is_not_believed(vendor, raw):
    usage = Usage(prompt_tokens=1, completion_tokens=1, raw_usage=raw)
    assert STANDARD.price(usage, ProviderInfo("mine", vendor, model="nobody's")) is None


def test_the_first_book_that_knows_wins_and_is_named():
    mine = DictPrices({"openai:gpt-5-mini": {"input": 7, "output": 7}}, source="our contract")
    books = FirstKnown(mine, TABLE)
    assert books.price(USAGE, MINI) == Cost(Decimal(7), {"input": Decimal(7)}, "our contract")
    assert books.price(USAGE, evolve(MINI, model="gpt-5-nano")).source == version()
    assert books.price(USAGE, evolve(MINI, model="nobody's")) is None


class Book:
    """A price book that does whatever `does` does."""

    def __init__(self, does):
        self.price = lambda usage, info: does()


BROKEN = {
    "raises": lambda: 1 / 0,
    "no-cost": lambda: 0.5,
    "nan": lambda: Cost(Decimal("NaN")),
    "negative": lambda: Cost(Decimal(-1)),
    "float": lambda: Cost(0.5),
    "too-small-to-write": lambda: Cost(Decimal("1e-400000000000")),
}


@pytest.mark.parametrize("does", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize(
    "ask", [pricing.cost, lambda usage, model, prices: pricing.estimate(HELLO, model=model, prices=prices)]
)
def test_a_price_book_that_fails_is_a_config_error_that_names_it(does, ask):
    with pytest.raises(
        ConfigError, match=r"the price book <.*Book object at .*> (raised|gave).*, for openai:gpt-5-mini"
    ):
        ask(USAGE, MINI, prices=Book(does))


def test_a_star_is_every_model_of_a_provider_without_prices_of_its_own():
    books = DictPrices({"vllm:*": {"input": 0, "output": 0}, "vllm:big": {"input": 1, "output": 1}})
    assert books.price(USAGE, ProviderInfo("vllm", model="any")).usd == 0
    assert books.price(USAGE, ProviderInfo("vllm", model="big")).usd == 1
    assert books.price(USAGE, ProviderInfo("other", model="any")) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.json", '{"m": {"input": 0.1, "output": 2, "cache_read": 0.01, "audio_input": 3}}'),
        ("p.toml", "[m]\ninput = 0.1\noutput = 2\ncache_read = 0.01\naudio_input = 3\n"),
    ],
)
def test_prices_may_stand_in_a_file(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    usage = evolve(USAGE, cached_tokens=400_000, audio_prompt_tokens=100_000)
    cost = DictPrices(path).price(usage, ProviderInfo("any", model="m"))
    assert (cost.usd, cost.source) == (Decimal("0.354"), name)
    assert DictPrices(str(path), source="ours").price(USAGE, ProviderInfo("any", model="m")).source == "ours"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("p.json", "{", "'.*p.json' could not be read: Expecting property name"),
        ("p.toml", "= 1", "'.*p.toml' could not be read"),
        ("p.json", "[1]", "prices must be a dict of models or a file that holds one, not list"),
        ("p.json", '{"m": {"input": 1}}', "prices of 'm': give 'input' and 'output'"),
    ],
)
def test_a_file_that_holds_no_prices_is_refused_by_name(tmp_path, name, text, words):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        DictPrices(path)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match=r"'.*none.json' could not be read: No such file"):
        DictPrices(tmp_path / "none.json")


def test_the_package_genai_prices_is_asked_for_by_name_where_it_is_missing():
    code = (
        "import sys; sys.modules['genai_prices'] = None\n"
        "from aiclient.pricing import GenAIPrices\nfrom aiclient import ConfigError\n"
        "try: GenAIPrices()\nexcept ConfigError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "pip install 'aiclient[prices]'" in done.stdout


# --- cost, estimate, ceiling ---

HELLO = ChatRequest([Message("user", "Hello there, how are you today?")], ChatOptions(max_tokens=1000))
ASKED = 12


def twelve(_):
    """A counter, so that what is tested here does not depend on how well tokens are estimated."""
    return ASKED


@pytest.mark.parametrize("model", ["openai:gpt-5-mini", MINI, info("openai:gpt-5-mini")], ids=["name", "place", "info"])
def test_a_usage_is_priced_for_a_model_named_in_any_way(model):
    assert pricing.cost(USAGE, model).usd == Decimal("0.25")


def test_a_model_without_its_provider_is_refused():
    with pytest.raises(ConfigError, match="write provider:model"):
        pricing.cost(USAGE, "gpt-5-mini")


def test_a_model_that_is_no_text_is_refused_alike():
    with pytest.raises(ConfigError, match="None: write provider:model"):
        pricing.cost(USAGE, None)


def test_an_estimate_is_a_range_from_no_answer_to_the_longest():
    found = pricing.estimate(HELLO, model="openai:gpt-5-mini", counter=twelve)
    most = int(ASKED * 1.05) + 1
    assert (found.prompt_tokens, found.output_tokens) == (ASKED, 1000)
    assert found.low.usd == Decimal("0.25") * ASKED / 1_000_000
    assert found.high.usd == (Decimal("0.25") * most + 2 * 1000) / 1_000_000
    assert found.low.estimated and found.high.estimated
    assert str(found) == f"${found.low.usd:f} to ${found.high.usd:f}"


def test_an_answer_of_known_length_makes_the_range_small():
    found = pricing.estimate(HELLO, model="openai:gpt-5-mini", output_tokens=10, counter=twelve)
    assert found.low.usd == (Decimal("0.25") * ASKED + 20) / 1_000_000
    assert found.high.usd - found.low.usd <= Decimal("0.000001")


def test_an_estimate_without_a_price_says_so():
    found = pricing.estimate(HELLO, model="openai:nobody's")
    assert (found.low, found.high, str(found)) == (None, None, "price not known")


def test_an_estimate_whose_answer_has_no_known_end_says_so():
    prices = DictPrices({"m": {"input": 1, "output": 1}})
    found = pricing.estimate(ChatRequest(HELLO.messages), model="any:m", prices=prices)
    assert (found.high, found.output_tokens) == (None, None)
    assert str(found).endswith("to an unknown sum")


def test_an_estimate_asks_the_model_that_the_request_names():
    request = ChatRequest(HELLO.messages, ChatOptions(model="gpt-5-nano", max_tokens=1))
    assert pricing.estimate(request, model=MINI).model == "gpt-5-nano"


@pytest.mark.parametrize("number", [-1, 1.5, True])
def test_an_estimate_of_no_number_of_tokens_is_refused(number):
    with pytest.raises(ConfigError, match=r"output_tokens=.* must be a whole number"):
        pricing.estimate(ChatRequest([Message("user", "x")]), model="openai:gpt-5-mini", output_tokens=number)


def test_an_estimate_of_no_model_is_refused():
    with pytest.raises(ConfigError, match=r"estimate.. needs a model"):
        pricing.estimate(HELLO)


def test_an_exact_counter_may_be_given():
    assert pricing.estimate(HELLO, model=MINI, counter=lambda _: 7).prompt_tokens == 7


def most(request, where, prices=TABLE):
    found = pricing.ceiling(request, where, prices, counter=twelve)
    return found and found.usd * 1_000_000


def test_without_a_limit_the_answer_may_be_as_long_as_the_model_allows():
    request = ChatRequest(HELLO.messages)
    assert most(request, MINI) - most(HELLO, MINI) == 2 * (128_000 - 1000)


def test_without_a_known_longest_answer_it_may_fill_the_window():
    grok = ProviderInfo("xai", "xai", model="grok-4")
    model = find(grok)
    assert model.max_output is None
    assert most(ChatRequest(HELLO.messages), grok) - most(HELLO, grok) == 15 * (model.context_window - 1000)


def test_several_answers_cost_several_times_as_much():
    twice = ChatRequest(HELLO.messages, evolve(HELLO.options, n=2))
    assert most(twice, MINI) - most(HELLO, MINI) == 2 * 1000


def test_writing_to_the_cache_is_in_it_where_that_may_happen_and_is_dearer():
    sonnet = ProviderInfo("anthropic", "anthropic", model="claude-sonnet-4-5")
    tokens = int(ASKED * 1.05) + 1
    assert most(HELLO, sonnet) == 3 * tokens + 15_000
    for_minutes, for_an_hour = (
        ChatRequest(HELLO.messages, evolve(HELLO.options, prompt_cache=PromptCache(ttl))) for ttl in ("5m", "1h")
    )
    assert most(for_minutes, sonnet) == Decimal("3.75") * tokens + 15_000
    assert most(for_an_hour, sonnet) == 6 * tokens + 15_000
    sol = evolve(MINI, model="gpt-5.6-sol")  # OpenAI caches unasked
    assert most(HELLO, sol) == 5 * tokens + 20_000


def test_a_dearer_tier_is_in_it_when_it_is_asked_for():
    request = ChatRequest(HELLO.messages, evolve(HELLO.options, service_tier="priority"))
    assert most(request, MINI) == most(HELLO, MINI) * Decimal("1.8")


def test_embeddings_cost_what_goes_in():
    request = EmbeddingRequest(["some text"])
    where = evolve(MINI, model="text-embedding-3-small")
    assert most(request, where) == Decimal("0.02") * (int(ASKED * 1.05) + 1)


def test_a_mock_costs_nothing_however_long_its_answer():
    assert pricing.ceiling(ChatRequest(HELLO.messages), ProviderInfo("m", "mock"), TABLE).source == "mock"


@pytest.mark.parametrize("prices", [None, DictPrices({})], ids=["no book", "a book that does not know"])
def test_what_has_no_price_has_no_ceiling(prices):
    assert pricing.ceiling(HELLO, MINI, prices) is None


@pytest.mark.parametrize(
    ("model", "part", "usage"),
    [
        ("gemini-2.5-flash-image", None, {"image_completion_tokens": 1000}),
        ("gemini-live-2.5-flash", None, {"audio_completion_tokens": 1000}),
        ("gemini-2.5-flash", AudioPart(url="https://x.example/a.mp3"), {"audio_prompt_tokens": 2000}),
        ("gemini-2.5-flash", VideoPart(url="https://x.example/a.mp4"), {"audio_prompt_tokens": 10_000}),
        ("gemini-live-2.5-flash", ImagePart(url="https://x.example/a.png"), {"image_prompt_tokens": 1000}),
    ],
    ids=["images-out", "sound-out", "sound-in", "video-in", "images-in"],
)
def test_sound_and_images_are_in_the_ceiling_at_their_own_price(model, part, usage):
    request = ChatRequest([Message("user", ["x", part] if part else "x")], ChatOptions(max_tokens=1000))
    where = ProviderInfo("gemini", "gemini", model=model)
    counts = {"prompt_tokens": counted(request, model=model), "completion_tokens": 1000, **usage}
    assert TABLE.price(Usage(**counts), where).usd <= pricing.ceiling(request, where, TABLE).usd


@given(
    st.text(min_size=1, max_size=200),
    st.integers(1, 100_000),
    st.floats(0, 1.04),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from(["gpt-5-mini", "gpt-5.6-sol", "gpt-4o"]),
)
def test_nothing_that_a_service_can_report_within_the_limits_costs_more_than_the_ceiling(
    text, limit, went_in, came_out, cached, model
):
    request = ChatRequest([Message("user", text)], ChatOptions(max_tokens=limit))
    where = evolve(MINI, model=model)
    prompt = int(counted(request, model=model) * went_in)
    usage = Usage(
        prompt_tokens=prompt,
        completion_tokens=int(limit * came_out),
        cached_tokens=int(prompt * cached),
        cache_write_tokens=prompt - int(prompt * cached),
    )
    assert TABLE.price(usage, where).usd <= pricing.ceiling(request, where, TABLE).usd
