"""Who goes before whom: what is written, what the environment says, and what a configuration begins with, in one.

A file yields to the environment. What code says (a dict, a Config) does not: the environment fills in what it leaves open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import evolve

from ..errors import ConfigError
from ..schema.misfits import Path
from ..secrets import SecretStr
from .environment import DEFAULT_RETRIES, Variables
from .model import Config, LayerConfig, ProviderConfig
from .presets import PLAIN, PRESET

__all__ = ["ORDER", "begun", "is_bare", "overlaid", "overlaid_layers", "sectioned"]

ORDER: Final = ("tracing", "metrics", "logging", "defaults", "budget", "validate", "cache", "single_flight")
"""Where the layers of sections stand among those of `use`; all others are further in."""


def begun(config: Config) -> Config:
    """Return the configuration with what its preset says where it says nothing itself."""
    start = PRESET[config.preset] if config.preset is not None else PLAIN if is_bare(config) else {}
    missing = {name: value for name, value in start.items() if getattr(config, name) is None}
    if "use" in missing and config.cache is not None:
        missing["use"] = [item for item in missing["use"] if LayerConfig.of(item).name != "cache"]
    if "use" in missing and config.logging is not None:
        missing["use"] = [item for item in missing["use"] if item != "logging"]
    return evolve(config, **missing) if missing else config


def is_bare(config: Config) -> bool:
    """Whether a configuration says nothing of layers."""
    own = any(entry.use is not None or entry.retry is not None for entry in config.providers.values())
    return config.use is None and config.each is None and not own


def overlaid(config: Config, env: Variables, *, from_file: bool) -> Config:
    """Return the configuration with what the environment says."""
    config = _with_provider(config, env, from_file=from_file)
    changes: dict[str, Any] = {}
    if env.timeout is not None and (from_file or config.timeout is None):
        limits = config.timeout if isinstance(config.timeout, Mapping) else {}
        changes["timeout"] = {**limits, "total": env.timeout}
    if env.budget is not None and (from_file or not config.budgets):
        others = [limit for limit in config.budgets if limit.get("per") or limit.get("period", "total") != "total"]
        changes["budgets"] = (*others, {"usd": env.budget})
    logs = {"level": env.log_level, "file": env.log_file}
    said = {name: value for name, value in logs.items() if value is not None}
    if said and (from_file or config.logging is None):
        section = config.logging if isinstance(config.logging, Mapping) else {}
        # a file alone is meant to be read there, not on the console as well
        quiet = {"console": False} if "level" not in said and not config.logging else {}
        changes["logging"] = {**quiet, **section, **said}
        if config.use is not None:
            changes["use"] = tuple(layer for layer in config.use if layer.name != "logging")
    return evolve(config, **changes) if changes else config


# --- the provider ---


def _with_provider(config: Config, env: Variables, *, from_file: bool) -> Config:
    named = bool(config.providers or config.model)
    if not named:
        kind = env.provider or "openai"
        if kind == "compatible" and env.base_url is None:
            raise ConfigError("the provider 'compatible' needs an address; set AI_BASE_URL")
        return evolve(config, providers={kind: _entry(None, kind, env)})
    if config.model is not None:
        entry = ProviderConfig.of("", config.model)
        config = evolve(config, model=None, providers={entry.provider: entry})
    if not from_file or not (env.named or env.selected or env.api_key or env.base_url):
        return config
    first = _first(config)
    entry = config.providers[first]
    kind = env.provider or entry.provider
    return evolve(config, providers={**config.providers, first: _entry(entry, kind, env)})


def _first(config: Config) -> str:
    """Return the name of the provider that is asked first."""
    ranked = {name: entry.priority for name, entry in config.providers.items() if entry.priority is not None}
    return min(ranked, key=lambda name: ranked[name]) if ranked else next(iter(config.providers))


def _entry(entry: ProviderConfig | None, kind: str, env: Variables) -> ProviderConfig:
    """Return the entry with what the variables say; of another service nothing is left but its place and its layers."""
    given = {
        name: SecretStr(value) if "key" in name or "token" in name else value
        for name, value in env.options(kind).items()
    }
    model = env.model if env.named is not None else None
    if entry is None:
        return ProviderConfig(provider=kind, model=model, options=given)
    if entry.provider != kind:
        return evolve(entry, provider=kind, model=model, options=given)
    return evolve(entry, model=model or entry.model, options={**entry.options, **given})


# --- layers ---


def overlaid_layers(config: Config, env: Variables) -> Config:
    """Return the configuration with the retries, the circuit breaker and the rate limit of the variables."""
    retries = env.retries
    if retries is not None or env.backoff is not None:
        options: dict[str, Any] = {} if env.backoff is None else {"base": env.backoff}
        options |= {} if retries is None else {"attempts": retries + 1}
        fresh = {"attempts": DEFAULT_RETRIES + 1, **options}
        config = _set(config, "retry", options, fresh, wanted=retries != 0)
    if env.breaker is not None or env.threshold is not None:
        options = {} if env.threshold is None else {"failures": env.threshold}
        config = _set(config, "circuit_breaker", options, options, wanted=env.breaker is not False)
    if env.rate is not None:
        config = _set(config, "rate_limit", {"pace": env.rate}, {"pace": env.rate}, wanted=env.rate > 0)
    return config


def _set(config: Config, name: str, options: Mapping[str, Any], fresh: Mapping[str, Any], *, wanted: bool) -> Config:
    """Change every layer of this name, take them all away, or add one if there is none."""
    found = False

    def changed(layers: tuple[LayerConfig, ...] | None) -> tuple[LayerConfig, ...] | None:
        nonlocal found
        if layers is None:
            return None
        found = found or any(layer.name == name for layer in layers)
        if not wanted:
            return tuple(layer for layer in layers if layer.name != name)
        return tuple(
            evolve(layer, options={**layer.options, **options}) if layer.name == name else layer for layer in layers
        )

    providers = {}
    for key, entry in config.providers.items():
        retry = entry.retry
        if name == "retry" and retry:
            found = True
            retry = {**({} if retry is True else retry), **options} if wanted else None
        providers[key] = evolve(entry, use=changed(entry.use), retry=retry)
    config = evolve(config, providers=providers, use=changed(config.use), each=changed(config.each))
    if found or not wanted:
        return config
    place = ("retry", "hedge", "circuit_breaker", "rate_limit")
    each = list(config.each or ())
    ranks = [place.index(layer.name) if layer.name in place else len(place) for layer in each]
    index = sum(1 for rank in ranks if rank < place.index(name))
    return evolve(config, each=(*each[:index], LayerConfig(name, dict(fresh)), *each[index:]))


def sectioned(config: Config) -> list[tuple[Path, LayerConfig]]:
    """Return the chain around all providers, with the layers that sections stand for where they belong.

    Each with where it stands in the configuration, its own name left out.
    """
    chain: list[tuple[Path, LayerConfig]] = [(("use", index), layer) for index, layer in enumerate(config.use or ())]
    for layer in _sections(config):
        rank = ORDER.index(layer.name)
        index = next((at for at, (_, other) in enumerate(chain) if _rank(other.name) > rank), len(chain))
        chain.insert(index, ((), layer))
    return chain


def _sections(config: Config) -> Iterator[LayerConfig]:
    if config.logging:
        section = config.logging if isinstance(config.logging, Mapping) else {}
        own = ("content", "content_limit")
        yield LayerConfig("logging", {name: section[name] for name in own if name in section})
    if config.budgets:  # with a ledger of its own, which is kept when the limits change
        yield LayerConfig("budget", {"limits": list(config.budgets), "ledger": {"name": "budgets"}})
    if config.cache:
        yield LayerConfig("cache", {} if config.cache is True else dict(config.cache))


def _rank(name: str) -> int:
    return ORDER.index(name) if name in ORDER else len(ORDER)
