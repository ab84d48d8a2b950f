"""Writes `aiclient/prices.json` anew from two local sources; nothing is fetched.

    python tests/refresh_prices.py --facts model_prices_and_context_window.json --facts-name "litellm 1.110.2" --date 2026-11-28

Prices, their dates and context windows come from the installed package genai-prices; largest outputs and capabilities, and
context windows that it does not tell, from a copy of litellm's table. What neither says stays out: nothing is guessed.

A name stands for a model only if genai-prices names it so (`equals`), or as the whole beginning of a family whose dated
versions cost the same (`starts_with`, `contains`). A short name for one of several models (`gpt-5.6` for `gpt-5.6-sol`) needs
the second source to say the same. A name whose price the two sources put apart by more than a quarter is left out, and listed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genai_prices import types
from genai_prices.data import providers

TABLE = Path(__file__).parent.parent / "aiclient" / "prices.json"

PROVIDERS = {  # ours: (genai-prices', prefixes of litellm's names)
    "anthropic": ("anthropic", ("",)),
    "azure": ("azure", ("azure/", "azure_ai/")),
    "bedrock": ("aws", ("",)),
    "cerebras": ("cerebras", ("cerebras/",)),
    "cloudflare": ("cloudflare", ("cloudflare/",)),
    "cohere": ("cohere", ("", "cohere/")),
    "databricks": ("databricks", ("databricks/",)),
    "deepseek": ("deepseek", ("deepseek/", "")),
    "fireworks": ("fireworks", ("fireworks_ai/accounts/fireworks/models/",)),
    "gemini": ("google", ("gemini/", "")),
    "groq": ("groq", ("groq/",)),
    "minimax": ("minimax", ("minimax/",)),
    "mistral": ("mistral", ("mistral/",)),
    "moonshot": ("moonshotai", ("moonshot/",)),
    "openai": ("openai", ("",)),
    "openrouter": ("openrouter", ("openrouter/",)),
    "perplexity": ("perplexity", ("perplexity/",)),
    "together": ("together", ("together_ai/",)),
    "xai": ("x-ai", ("xai/",)),
    "zai": ("zai", ("zai/",)),
}

RATES = {  # genai-prices' names of what we can count: ours in the table
    "input_mtok": "in",
    "output_mtok": "out",
    "cache_read_mtok": "read",
    "cache_write_mtok": "write",
    "cache_write_1h_mtok": "write_1h",
    "input_audio_mtok": "audio_in",
    "output_audio_mtok": "audio_out",
    "cache_audio_read_mtok": "audio_read",
    "input_image_mtok": "image_in",
    "output_image_mtok": "image_out",
    "output_reasoning_mtok": "reasoning",
    "web_searches_kcount": "search",
    "requests_kcount": "request",
}

CAPABILITIES = {  # litellm's flags: ours
    "supports_function_calling": "tools",
    "supports_vision": "images",
    "supports_audio_input": "audio",
    "supports_video_input": "video",
    "supports_pdf_input": "documents",
    "supports_audio_output": "speech",
    "supports_reasoning": "reasoning",
    "supports_response_schema": "schema",
    "supports_prompt_caching": "caching",
    "supports_web_search": "search",
}

LARGEST_OPENROUTER_ROWS = (
    "anthropic/",
    "openai/",
    "google/",
    "meta-llama/",
    "mistralai/",
    "deepseek/",
    "x-ai/",
    "qwen/",
    "moonshotai/",
    "z-ai/",
    "minimax/",
    "cohere/",
    "amazon/",
    "nvidia/",
    "openrouter/",
)


def number(value: Any) -> int | float:
    return int(value) if value == int(value) else float(value)


def rate(value: Any) -> Any:
    """A price, or `[price, above so many input tokens, price, ...]`."""
    if isinstance(value, types.TieredPrices):
        return [number(value.base), *(item for tier in value.tiers for item in (tier.start, number(tier.price)))]
    return number(value)


def rates(price: types.ModelPrice) -> dict[str, Any]:
    return {ours: rate(price.__dict__[name]) for name, ours in RATES.items() if price.__dict__.get(name) is not None}


def flat(clause: Any) -> list[tuple[str, str]]:
    """(`how`, text) of a matching rule, as far as it names models outright."""
    if isinstance(clause, (types.ClauseOr, types.ClauseAnd)):
        return [pair for part in next(iter(vars(clause).values())) for pair in flat(part)]
    how = type(clause).__name__.removeprefix("Clause")
    return [] if how in ("Regex", "EndsWith") else [(how, next(iter(vars(clause).values())))]


def names(provider: str, model: types.ModelInfo, facts: dict[str, Any], prefixes: tuple[str, ...]) -> list[str]:
    """Every name of the model, the first one being that of the row."""
    found = [bedrock(model.id.removeprefix("regional."))] if provider == "bedrock" else [model.id]
    if provider == "bedrock" and not any(text.startswith(found[0]) for _, text in flat(model.match)):
        found = [bedrock(model.id)]  # there is no such model without a region
    for how, text in flat(model.match):
        name = text.strip("-/@").removeprefix("v1")
        if provider == "bedrock":
            name, whole = bedrock(name), bedrock(model.id.removeprefix("regional."))
            if how == "Contains" and name in whole and not model.id.startswith("global."):
                found += [whole, f"*.{whole}"]  # in whatever region
        if not name or re.match(r"^(cerebras|x-ai)[:/]", name) or name.startswith("-"):
            continue
        short = found[0].lower().startswith(name.lower() + "-")
        dated = short and re.fullmatch(r"-(latest|preview|v?[\d.:-]+)+", found[0][len(name) :].lower())
        if short and not dated and how == "Equals" and not corroborated(name, found[0], facts, prefixes):
            continue
        if how == "Contains" and provider == "gemini" and short:
            continue
        found.append(name)
    first: dict[str, str] = {}
    for name in found:
        first.setdefault(name.lower(), name)
    return list(first.values())


def bedrock(name: str) -> str:
    """The name without its revision; two versions of one name (Titan's embeddings) stay two."""
    return re.sub(r":\d+$", "", name) if "titan-embed" in name else re.sub(r"-v\d+(:\d+)?$|:\d+$", "", name)


def doubtful(name: str, row: dict[str, Any], facts: dict[str, Any], prefixes: tuple[str, ...]) -> bool:
    """Whether the second source knows the very name, and says a price that is off by more than a quarter."""
    bare = name.rpartition("models/")[2]
    known = next(
        (facts[p + bare + tail] for p in prefixes for tail in ("", "-v1:0", "-v1") if p + bare + tail in facts), None
    )
    if known is None:
        return False
    states = [row, *(changed for *_, changed in (*row.get("hours", ()), *row.get("later", ())))]
    return not any(agree(state, known) for state in states)


def agree(state: dict[str, Any], known: dict[str, Any]) -> bool:
    for ours, theirs in (("in", "input_cost_per_token"), ("out", "output_cost_per_token")):
        one, other = state.get(ours), (known.get(theirs) or 0) * 1e6
        one = one[0] if isinstance(one, list) else one
        if one and other and not 0.8 <= one / other <= 1.25:
            return False
    return True


def corroborated(short: str, full: str, facts: dict[str, Any], prefixes: tuple[str, ...]) -> bool:
    one, other = (next((facts[p + name] for p in prefixes if p + name in facts), {}) for name in (short, full))
    keys = ("input_cost_per_token", "output_cost_per_token")
    return bool(one) and all(one.get(key) == other.get(key) for key in keys)


def schedule(model: types.ModelInfo, today: dt.date) -> tuple[dict[str, Any], str | None] | None:
    """The rates of today, what changes later, and by the hour; and since when they hold."""
    listed = model.prices if isinstance(model.prices, list) else [types.ConditionalPrice(prices=model.prices)]
    row: dict[str, Any] = {}
    since, hours, later = None, [], []
    for price in listed:
        limit = price.constraint
        if isinstance(limit, types.TimeOfDateConstraint):
            hours.append([limit.start_time.strftime("%H:%M"), limit.end_time.strftime("%H:%M"), rates(price.prices)])
        elif limit is not None and limit.start_date > today:
            later.append([limit.start_date.isoformat(), rates(price.prices)])
        else:
            row, since = rates(price.prices), limit and limit.start_date.isoformat()
    if any(price.prices.__dict__.get("audio_hours") for price in listed):
        row["audio_hours"] = True
    if "in" not in row and "out" not in row:
        return None  # by the minute, the page or the character: not ours to count
    return {**row, **({"hours": hours} if hours else {}), **({"later": later} if later else {})}, since


def variants(model: types.ModelInfo, row: dict[str, Any], today: dt.date) -> dict[str, Any]:
    """By service tier a factor of every rate, or the rates that differ."""
    found: dict[str, Any] = {}
    for variant in model.price_variants or ():
        word = next(iter(variant.when.values()))
        limit = variant.constraint
        if word not in ("batch", "flex", "priority", "fast") or (limit is not None and limit.start_date > today):
            continue
        found.setdefault(word, {}).update(rates(variant.prices))
    return {word: factor(row, differing) for word, differing in found.items() if differing}


TIERS = {"batch": "batches", "flex": "flex", "priority": "priority"}  # ours: the ends of litellm's names
COSTS = {"in": "input_cost_per_token", "out": "output_cost_per_token", "read": "cache_read_input_token_cost"}


def told(row: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """Factors for service tiers by the second source, where both say the same without one; never for long requests."""
    rates_of = {name: row[name] for name in COSTS if name in row}
    if set(row) & set(RATES.values()) - {*COSTS, "search", "request"} or {"hours", "later"} & set(row):
        return {}
    for name, value in rates_of.items():
        if isinstance(value, list) or not value or abs((known.get(COSTS[name]) or 0) * 1e6 / value - 1) > 1e-6:
            return {}
    found = {}
    for ours, end in TIERS.items():
        factors = {round((known.get(f"{COSTS[name]}_{end}") or 0) * 1e6 / value, 6) for name, value in rates_of.items()}
        if len(factors) == 1 and 0 not in factors:
            found[ours] = number(factors.pop())
    return found


def factor(row: dict[str, Any], differing: dict[str, Any]) -> Any:
    """One factor for every rate, at every length; or the rates as they are."""
    base = {name: value for name, value in row.items() if name in RATES.values() and name not in ("search", "request")}
    found = set()
    for name in base.keys() | differing.keys():
        one, other = (value if isinstance(value, list) else [value] for value in (base.get(name), differing.get(name)))
        if None in (*one, *other) or one[1::2] != other[1::2]:
            return differing
        found |= {round(special / usual, 9) for special, usual in zip(other[::2], one[::2], strict=True) if usual}
    return number(found.pop()) if len(found) == 1 else differing


def facts_of(found: list[str], facts: dict[str, Any], prefixes: tuple[str, ...], provider: str) -> dict[str, Any]:
    for name in found:
        for prefix in prefixes:
            for tail in ("", "-v1:0", "-v1") if provider == "bedrock" else ("",):
                if (row := facts.get(prefix + name + tail)) is not None:
                    return row
    return {}


def row_of(provider: str, model: types.ModelInfo, facts: dict[str, Any], today: dt.date) -> tuple[str, Any] | None:
    prefixes = PROVIDERS[provider][1]
    if (found := schedule(model, today)) is None:
        return None
    row, since = found
    all_names = names(provider, model, facts, prefixes)
    sure = [each for each in all_names if not doubtful(each, row, facts, prefixes)]
    DOUBTFUL.extend(f"{provider}:{each}" for each in all_names if each not in sure)
    if not sure or all(each.startswith("*.") for each in sure):
        return None
    name, *also = sure
    known = facts_of([name, *also], facts, prefixes, provider)
    row |= {**told(row, known), **variants(model, row, today)}
    dates = [
        date for date in re.findall(r"verified on (20\d\d-\d\d-\d\d)", model.price_comments or "") if date <= str(today)
    ]
    window, longest = model.context_window or known.get("max_input_tokens"), known.get("max_output_tokens")
    if known.get("mode") == "embedding" or (window and longest and longest >= window):
        longest = None  # where both are the same the second source did not know the one
    more = {
        "ctx": window,
        "max": longest,
        "can": "".join(sorted(LETTERS[word] for flag, word in CAPABILITIES.items() if known.get(flag))),
        "kind": known.get("mode") if known.get("mode") not in ("chat", "responses") else None,
        "date": max([*dates, *([since] if since else [])], default=None),
        "ends": known.get("deprecation_date"),
        "old": model.deprecated or None,
        "also": also,
    }
    return name, row | {key: value for key, value in more.items() if value and isinstance(value, (int, str, list))}


DOUBTFUL: list[str] = []
"""Names whose price the sources do not agree on: they are left out."""

LETTERS = dict(zip(CAPABILITIES.values(), "tiavdsrjcw", strict=True))


def wanted(provider: str, name: str) -> bool:
    if provider == "gemini":
        return "claude" not in name
    if provider == "openrouter":
        return name.startswith(LARGEST_OPENROUTER_ROWS)
    return True


def table(facts: dict[str, Any], facts_name: str, today: dt.date) -> dict[str, Any]:
    made = {}
    for ours, (theirs, _) in PROVIDERS.items():
        source = next(provider for provider in providers if provider.id == theirs)
        models: dict[str, Any] = {}
        for name, row in filter(None, (row_of(ours, model, facts, today) for model in source.models)):
            assert name not in models, f"two rows for {ours}:{name}"
            if wanted(ours, name):
                models[name] = row
        made[ours] = {"url": (source.pricing_urls or [""])[0], "models": models}
    return {
        "schema": 1,
        "date": today.isoformat(),
        "notice": "Figures from genai-prices (MIT licence, Pydantic Services Inc.) and litellm (MIT licence, Berri AI).",
        "sources": {"prices": f"genai-prices {version('genai-prices')}", "facts": facts_name},
        "capabilities": {letter: word for word, letter in LETTERS.items()},
        "providers": made,
    }


def written(value: dict[str, Any]) -> str:
    """JSON with one row a line, so that a refresh can be read as a diff."""
    head = json.dumps({key: item for key, item in value.items() if key != "providers"}, indent=1)[:-2]
    parts = []
    for name, provider in value["providers"].items():
        rows = ",\n".join(
            f"{json.dumps(model)}:{json.dumps(row, separators=(',', ':'))}"
            for model, row in sorted(provider["models"].items())
        )
        parts.append(f'"{name}":{{"url":{json.dumps(provider["url"])},"models":{{\n{rows}\n}}}}')
    return head + ',\n"providers":{\n' + ",\n".join(parts) + "\n}}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=Path, required=True, help="litellm's model_prices_and_context_window.json")
    parser.add_argument("--facts-name", required=True, help='what it is, with its version: "litellm 1.110.2"')
    parser.add_argument(
        "--date", type=dt.date.fromisoformat, default=dt.datetime.now(dt.UTC).date(), help="of the table"
    )
    parser.add_argument("--out", type=Path, default=TABLE)
    given = parser.parse_args()
    text = written(table(json.loads(given.facts.read_text()), given.facts_name, given.date))
    given.out.write_text(text)
    print(f"{given.out}: {len(text)} bytes")
    print(f"left out, because the sources disagree by more than a quarter: {', '.join(DOUBTFUL)}")


if __name__ == "__main__":
    main()
