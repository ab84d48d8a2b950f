"""A client's set-up from the environment."""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from attrs import field, frozen

from .context import Timeouts
from .errors import AIClientWarning, ConfigError, InvalidProviderError
from .middleware.retry import Retry
from .provider import Middleware, Provider
from .registry import PROVIDERS, meant, provider_for, split
from .secrets import SecretStr

__all__ = ["Setup", "duration", "from_env"]

T = TypeVar("T")

DEFAULT_RETRIES: Final = 2
"""Retries after the first call when AI_MAX_RETRIES is not set, as in the vendors' SDKs."""

_TAKES: Final[Mapping[str, Mapping[str, str | None]]] = {
    "azure": {"AI_BASE_URL": "endpoint"},
    "bedrock": {"AI_API_KEY": "bearer_token"},
    "mock": {"AI_API_KEY": None, "AI_BASE_URL": None},
    "vertex": {"AI_API_KEY": None},
}
"""What a provider calls a variable's value, where not `api_key` and `base_url`; None: it has no use for one."""

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})


@frozen
class Setup:
    """What a client is made of: a provider, the layers around it, and the time limits."""

    provider: Provider
    layers: tuple[Middleware, ...] = ()
    timeouts: Timeouts = field(factory=Timeouts)


def from_env(environ: Mapping[str, str] | None = None) -> Setup:
    """Read the `AI_*` variables; an empty one counts as not set.

    | variable | meaning |
    |---|---|
    | `AI_PROVIDER` | which provider; else the prefix of `AI_DEFAULT_MODEL`, else `openai` |
    | `AI_API_KEY` | key of that provider, and of no other |
    | `AI_BASE_URL` | its address |
    | `AI_DEFAULT_MODEL` | model of requests that name none |
    | `AI_TIMEOUT` | longest a logical call may take: `30s`, `500ms`, `2m`, or seconds |
    | `AI_MAX_RETRIES` | retries after the first call; default 2, 0 for none |
    | `AI_RETRY_BACKOFF` | longest first wait; default `500ms` |
    | `AI_CIRCUIT_BREAKER`, `AI_CIRCUIT_BREAKER_THRESHOLD`, `AI_RATE_LIMIT` | checked; without effect in this version |

    The vendors' own variables (`OPENAI_API_KEY`, `OPENAI_BASE_URL`, ...) are read by the providers where these are silent.

    Raises:
        ConfigError: A variable holds what it cannot; the message names the variable. Values of keys are never shown.
    """
    env = {name: value.strip() for name, value in (os.environ if environ is None else environ).items() if value.strip()}
    retries = _read(env, "AI_MAX_RETRIES", _whole(0), DEFAULT_RETRIES)
    backoff = _read(env, "AI_RETRY_BACKOFF", duration, 0.5)
    timeout = _read(env, "AI_TIMEOUT", _positive, None)
    _check_unused(env)
    layers: tuple[Middleware, ...] = (Retry(retries + 1, base=backoff),) if retries else ()
    return Setup(_provider(env), layers, Timeouts.of(timeout))


def _provider(env: Mapping[str, str]) -> Provider:
    named = env.get("AI_DEFAULT_MODEL", "")
    prefix, model = split(named)
    if not model and named not in ("", prefix):
        raise ConfigError(f"AI_DEFAULT_MODEL={named!r} names no model; write {prefix}:<model>")
    selected = env.get("AI_PROVIDER", "").lower()
    if not selected and "AI_BASE_URL" not in env:
        _check_prefix(named, prefix)
    name = selected or prefix or "openai"
    if name not in PROVIDERS:
        raise ConfigError(
            f"AI_PROVIDER={name!r} is not known{_hint(name)}; it must be one of {', '.join(sorted(PROVIDERS))}"
        )
    if prefix is not None and prefix != name:
        model = named  # another provider's prefix is part of this one's model name (gateways)
    if name == "compatible" and "AI_BASE_URL" not in env:
        raise ConfigError("the provider 'compatible' needs an address; set AI_BASE_URL")
    options: dict[str, object] = {}
    for variable, usual in (("AI_API_KEY", "api_key"), ("AI_BASE_URL", "base_url")):
        if variable in env:
            value = env[variable]
            options[_argument(name, variable, usual)] = SecretStr(value) if usual == "api_key" else value
    return provider_for(f"{name}:{model}" if model else name, **options)


def _check_prefix(named: str, prefix: str | None) -> None:
    """Refuse a model string whose prefix is a misspelt provider: it would be asked of OpenAI, under the whole name."""
    before, found, _ = named.partition(":")
    if prefix is None and found and meant(before):
        raise InvalidProviderError(
            f"AI_DEFAULT_MODEL={named!r} names no provider{_hint(before)}; if it is a model's whole name, set AI_PROVIDER"
        )


def _hint(name: str) -> str:
    close = meant(name)
    return f" (did you mean {close!r}?)" if close else ""


def _argument(name: str, variable: str, usual: str) -> str:
    """Return what the provider `name` calls the value of `variable`."""
    argument = _TAKES.get(name, {}).get(variable, usual)
    if argument is None:
        raise ConfigError(f"{variable} is set, and the provider {name!r} has no use for it; unset it")
    return argument


def _check_unused(env: Mapping[str, str]) -> None:
    _read(env, "AI_CIRCUIT_BREAKER", _switch, None)
    _read(env, "AI_CIRCUIT_BREAKER_THRESHOLD", _whole(1), None)
    _read(env, "AI_RATE_LIMIT", _rate, None)
    for variable in ("AI_CIRCUIT_BREAKER", "AI_CIRCUIT_BREAKER_THRESHOLD", "AI_RATE_LIMIT"):
        if variable in env:
            warnings.warn(
                f"{variable} is set and has no effect in this version of aiclient", AIClientWarning, stacklevel=4
            )


def _read(env: Mapping[str, str], variable: str, parse: Callable[[str], T], default: T) -> T:
    if variable not in env:
        return default
    try:
        return parse(env[variable])
    except ValueError as error:
        problem = str(error)
    raise ConfigError(f"{variable}={env[variable]!r} {problem}")


def duration(text: str) -> float:
    """Return the seconds that `30s`, `500ms`, `2m`, `1h` or a plain number of seconds stands for.

    Raises:
        ValueError: It is none of these, negative or not finite.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)", text.strip())
    if match is None:
        raise ValueError("must be a duration such as 30s, 500ms, 2m, or a number of seconds")
    return float(match[1]) * _UNITS[match[2]]


def _positive(text: str) -> float:
    seconds = duration(text)
    if seconds == 0:
        raise ValueError("must be longer than 0")
    return seconds


def _whole(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text) or int(text) < least:
            raise ValueError(f"must be a whole number of at least {least}")
        return int(text)

    return parse


def _switch(text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError("must be true or false")
    return text.lower() in _TRUE


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ValueError("must be a number of requests per second, 0 for no limit")
    return value
