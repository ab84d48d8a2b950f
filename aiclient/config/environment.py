"""The environment variables of the library: which there are, and what may stand in them."""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

from attrs import evolve, frozen

from .. import registry
from ..errors import ConfigError, InvalidProviderError
from ..plugins import suggestion
from .timing import duration

__all__ = ["VARIABLES", "Variables", "argument_of"]

T = TypeVar("T")

DEFAULT_RETRIES: Final = 2
"""Retries after the first call when AI_MAX_RETRIES is not set, as in the vendors' SDKs."""

OWN: Final = ("AICLIENT_BUDGET_USD", "AICLIENT_CONFIG", "AICLIENT_LOG_FILE", "AICLIENT_LOG_LEVEL", "AICLIENT_PROFILE")
VARIABLES: Final = (
    "AI_API_KEY",
    "AI_BASE_URL",
    "AI_CIRCUIT_BREAKER",
    "AI_CIRCUIT_BREAKER_THRESHOLD",
    "AI_DEFAULT_MODEL",
    "AI_MAX_RETRIES",
    "AI_PROVIDER",
    "AI_RATE_LIMIT",
    "AI_RETRY_BACKOFF",
    "AI_TIMEOUT",
    *OWN,
)

_TAKES: Final[Mapping[str, Mapping[str, str | None]]] = {
    "azure": {"AI_BASE_URL": "endpoint"},
    "bedrock": {"AI_API_KEY": "bearer_token"},
    "mock": {"AI_API_KEY": None, "AI_BASE_URL": None},
    "vertex": {"AI_API_KEY": None},
}
"""What a provider calls a variable's value, where not `api_key` and `base_url`; None: it has no use for one."""

_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})


@frozen(kw_only=True)
class Variables:
    """What the environment says; None where it says nothing. An empty variable counts as not set."""

    named: str | None = None
    selected: str | None = None
    prefix: str | None = None
    model: str | None = None
    api_key: str | None = None
    base_url: str | None = None
    timeout: float | None = None
    retries: int | None = None
    backoff: float | None = None
    breaker: bool | None = None
    threshold: int | None = None
    rate: float | None = None
    budget: str | None = None
    config: str | None = None
    profile: str | None = None
    log_level: str | None = None
    log_file: str | None = None

    @classmethod
    def read(cls, environ: Mapping[str, str] | None) -> Variables:
        """Read the process's variables, or those given.

        Raises:
            ConfigError: One holds what it cannot, or begins with AICLIENT_ and is none of ours; keys are never shown.
        """
        given = os.environ if environ is None else environ
        env = dict(_set(given))
        _check_own(env)
        named = env.get("AI_DEFAULT_MODEL")
        selected = env.get("AI_PROVIDER", "").lower() or None
        prefix, model = _split(named or "", selected, alone="AI_BASE_URL" not in env)
        return cls(
            named=named,
            selected=selected,
            prefix=prefix,
            model=model,
            api_key=env.get("AI_API_KEY"),
            base_url=env.get("AI_BASE_URL"),
            timeout=_read(env, "AI_TIMEOUT", _positive),
            retries=_read(env, "AI_MAX_RETRIES", _whole(0)),
            backoff=_read(env, "AI_RETRY_BACKOFF", duration),
            breaker=_read(env, "AI_CIRCUIT_BREAKER", _switch),
            threshold=_read(env, "AI_CIRCUIT_BREAKER_THRESHOLD", _whole(1)),
            rate=_read(env, "AI_RATE_LIMIT", _rate),
            budget=_read(env, "AICLIENT_BUDGET_USD", _dollars),
            config=env.get("AICLIENT_CONFIG"),
            profile=env.get("AICLIENT_PROFILE"),
            log_level=_read(env, "AICLIENT_LOG_LEVEL", _level),
            log_file=env.get("AICLIENT_LOG_FILE"),
        )

    @property
    def provider(self) -> str | None:
        """Which provider they name, if any."""
        return self.selected or self.prefix

    def asking(self, model: str) -> Variables:
        """Return the same with this model string in the place of theirs; key and address of another provider are left out."""
        prefix, name = registry.split(model)
        if prefix is None:
            raise InvalidProviderError(
                f"{model!r} names no provider{_hint(model.partition(':')[0])}; write provider:model"
            )
        kept = prefix == (self.provider or "openai")
        return evolve(
            self,
            named=model,
            selected=None,
            prefix=prefix,
            model=name or None,
            api_key=self.api_key if kept else None,
            base_url=self.base_url if kept else None,
        )

    def options(self, kind: str) -> dict[str, Any]:
        """Return what the provider `kind` is given of them."""
        found: dict[str, Any] = {}
        for variable, value, usual in (
            ("AI_API_KEY", self.api_key, "api_key"),
            ("AI_BASE_URL", self.base_url, "base_url"),
        ):
            if value is not None:
                found[argument_of(kind, variable, usual)] = value
        if self.base_url is not None and "://" not in self.base_url:  # it may be a key in the wrong place: not shown
            raise ConfigError("AI_BASE_URL must begin with https:// (or http://) and a host")
        return found


def _set(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the variables that are not empty."""
    environ: Any = given
    if not isinstance(environ, Mapping):
        raise ConfigError(f"the environment must be a mapping of names to texts, not {type(environ).__name__}")
    for name, value in environ.items():
        if not isinstance(value, str):
            raise ConfigError(f"the variable {name} must be a text, as in an environment, not {type(value).__name__}")
        if value.strip():
            yield name, value.strip()


def _check_own(env: Mapping[str, str]) -> None:
    for name in sorted(env):
        if name.startswith("AICLIENT_") and name not in OWN:
            raise ConfigError(f"the variable {name} is not known{suggestion(name, OWN)}")


def _split(named: str, selected: str | None, *, alone: bool) -> tuple[str | None, str | None]:
    """Return the prefix and the model of AI_DEFAULT_MODEL."""
    prefix, model = registry.split(named)
    if not model and named not in ("", prefix):
        raise ConfigError(f"AI_DEFAULT_MODEL={named!r} names no model; write {prefix}:<model>")
    if selected is None and alone:
        _check_prefix(named, prefix)
    name = selected or prefix or "openai"
    if name not in registry.providers:
        raise ConfigError(
            f"AI_PROVIDER={name!r} is not known{_hint(name)}; it must be one of {', '.join(registry.names())}"
        )
    if prefix is not None and prefix != name:
        model = named  # another provider's prefix is part of this one's model name (gateways)
    return prefix, model or None


def _check_prefix(named: str, prefix: str | None) -> None:
    """Refuse a model string whose prefix is a misspelt provider: it would be asked of OpenAI, under the whole name."""
    before, found, _ = named.partition(":")
    if prefix is None and found and registry.meant(before):
        raise InvalidProviderError(
            f"AI_DEFAULT_MODEL={named!r} names no provider{_hint(before)}; if it is a model's whole name, set AI_PROVIDER"
        )


def _hint(name: str) -> str:
    close = registry.meant(name)
    return f" (did you mean {close!r}?)" if close else ""


def argument_of(name: str, variable: str, usual: str) -> str:
    """Return what the provider `name` calls the value of `variable`."""
    argument = _TAKES.get(name, {}).get(variable, usual)
    if argument is None:
        raise ConfigError(f"{variable} is set, and the provider {name!r} has no use for it; unset it")
    return argument


def _read(env: Mapping[str, str], variable: str, parse: Callable[[str], T]) -> T | None:
    if variable not in env:
        return None
    try:
        return parse(env[variable])
    except ValueError as error:
        problem = str(error)
    raise ConfigError(f"{variable}={env[variable]!r} {problem}")


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


def _level(text: str) -> str:
    if text.upper() not in logging.getLevelNamesMapping():
        raise ValueError("must be debug, info, warning, error or critical")
    return text


def _dollars(text: str) -> str:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite() or value < 0:
        raise ValueError("must be US dollars, such as 5 or 0.50")
    return text
