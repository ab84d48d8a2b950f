"""From a configuration to what a client is made of."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from attrs import field, frozen

from .. import logs
from ..context import DEFAULT_EXTRA_ATTEMPTS, Timeouts
from ..errors import ConfigError
from ..middleware.fallback import Fallback
from ..prices.books import STANDARD, PriceBook, price_book
from ..provider import Middleware, Provider
from ..schema.misfits import Unfit
from .dotenv import with_env_file
from .entries import entries_of
from .environment import Variables
from .making import Made, Maker, Pool
from .model import Config
from .overlay import begun, is_bare, overlaid, overlaid_layers, sectioned
from .parts import LAYER
from .references import discreet
from .shape import aliased, meaning, root
from .sources import Read, Source, read

__all__ = ["Setup", "effective", "from_env", "set_up", "setup"]


@frozen(kw_only=True)
class Setup:
    """What a client is made of.

    Args:
        provider: Whom it asks.
        layers: The chain around it.
        timeouts: The time limits of its calls.
        prices: What models cost.
        max_attempts: Exchanges that one call may make.
        strict: Whether what a service cannot do is an error.
        config: The configuration as it holds, with profile, preset and environment in it.
        path: The file that it is from, if any.
        pool: What was made, for the next reload.
    """

    provider: Provider
    layers: tuple[Middleware, ...] = ()
    timeouts: Timeouts = field(factory=Timeouts)
    prices: PriceBook | None = None
    max_attempts: int = DEFAULT_EXTRA_ATTEMPTS + 1
    strict: bool = False
    config: Config = field(factory=Config, repr=False)
    path: Path | None = field(default=None, repr=False)
    pool: Pool = field(factory=dict, repr=False, eq=False)

    @property
    def stores(self) -> tuple[Any, ...]:
        """The stores that were made, which nobody else closes."""
        return self._of(lambda kind: isinstance(kind, tuple) and kind[0] == "store")

    @property
    def resources(self) -> tuple[Any, ...]:
        """What holds files and connections: all providers that were made, those of further targets included, and the stores."""
        return (*self._of(lambda kind: kind in ("provider", "model string")), *self.stores)

    def _of(self, wanted: Callable[[Any], bool]) -> tuple[Any, ...]:
        return tuple(
            made for key, values in self.pool.items() if isinstance(key, tuple) and wanted(key[0]) for made in values
        )


def from_env(environ: Mapping[str, str] | None = None) -> Setup:
    """Read the `AI_*` and `AICLIENT_*` variables; an empty one counts as not set.

    | variable | meaning |
    |---|---|
    | `AI_PROVIDER` | which provider; else the prefix of `AI_DEFAULT_MODEL`, else `openai` |
    | `AI_API_KEY` | key of that provider, and of no other |
    | `AI_BASE_URL` | its address |
    | `AI_DEFAULT_MODEL` | model of requests that name none |
    | `AI_TIMEOUT` | longest a logical call may take: `30s`, `500ms`, `2m`, or seconds |
    | `AI_MAX_RETRIES` | retries after the first call; default 2, 0 for none |
    | `AI_RETRY_BACKOFF` | longest first wait; default `500ms` |
    | `AI_CIRCUIT_BREAKER` | `true` for a circuit breaker; default none |
    | `AI_CIRCUIT_BREAKER_THRESHOLD` | failures in a row that open it; default 5 |
    | `AI_RATE_LIMIT` | calls a second, evenly spaced; 0 for no limit |
    | `AICLIENT_CONFIG` | a file to begin with (`Client.from_config`) |
    | `AICLIENT_PROFILE` | which of its profiles holds |
    | `AICLIENT_LOG_LEVEL`, `AICLIENT_LOG_FILE` | log from this level on, to this file |
    | `AICLIENT_BUDGET_USD` | what all calls together may cost |

    The vendors' own variables (`OPENAI_API_KEY`, `OPENAI_BASE_URL`, ...) are read by the providers where these are silent.

    Raises:
        ConfigError: A variable holds what it cannot, or begins with `AICLIENT_` and is not known; the message names it. Values
            of keys are never shown.
    """
    return setup(None, environ=environ)


def setup(
    source: Source | None,
    *,
    profile: str | None = None,
    environ: Mapping[str, str] | None = None,
    env_file: str | os.PathLike[str] | None = None,
    explicit: Mapping[str, Any] | None = None,
    before: Pool | None = None,
) -> Setup:
    """Read a configuration and make what it describes; nothing is sent, and no log is set up.

    Args:
        source: Where it is; None is the file that `AICLIENT_CONFIG` names, or else the environment alone.
        profile: Which profile holds; None asks `AICLIENT_PROFILE`, then the configuration.
        environ: The variables; None is the process's.
        env_file: A file of variables besides; it never goes before one that is set.
        explicit: Keys of a configuration that go before everything else.
        before: What was made of an earlier one: what is described alike is taken over.
    """
    variables = with_env_file(environ, env_file)
    env = Variables.read(variables)
    found = read(source) if source is not None else _of_environment(env)
    config = effective(found, env, profile=profile, explicit=explicit or {})
    problem: list[str] = []
    try:
        with aliased(config.aliases):
            return _made(config, variables, before or {}, found)
    except Unfit as unfit:
        problem = list(unfit.lines)
    label = f"the configuration {str(found.path)!r}" if found.path else "the configuration"
    raise ConfigError(f"{label}: {'; '.join(problem)}")


def _of_environment(env: Variables) -> Read:
    return Read(Config(), from_file=True) if env.config is None else read(env.config)


def effective(
    found: Read, env: Variables, *, profile: str | None = None, explicit: Mapping[str, Any] = MappingProxyType({})
) -> Config:
    """Return the configuration as it holds: with its profile, its preset, what the environment says, and `explicit`."""
    config = found.config
    code_says = None if found.from_file else config.profile
    wanted = profile or code_says or env.profile or config.profile
    if wanted is not None:
        config = config.with_profile(wanted)
    given = dict(explicit)
    model = given.pop("model", None)
    if not isinstance(model, str | None):
        raise ConfigError(f"model={model!r} must be a text such as openai:gpt-5.4-mini")
    with aliased(config.aliases):
        silent = is_bare(config) and config.preset is None
        config = begun(config.changed({name: given.pop(name) for name in ("preset",) if name in given}))
        config = overlaid(config, env if model is None else env.asking(meaning(model)), from_file=found.from_file)
        config = overlaid_layers(config, env) if found.from_file or silent else config
    return config.changed(given)


def _made(config: Config, environ: Mapping[str, str], before: Pool, found: Read) -> Setup:
    entries, asked = entries_of(config.providers, config.each or ())
    maker = Maker(entries, environ, before, from_file=found.from_file)
    first = asked[0]
    leaf = maker.leaf(first.name, ("providers", first.name))
    outside = [LAYER.make({layer.name: layer.options}, maker, path).value for path, layer in sectioned(config)]
    further = _fallback([maker.provider(entry.name, ("providers", entry.name)) for entry in asked[1:]], maker)
    own = maker.layers(first.name)
    limits = maker.plain(Timeouts(), ())
    if config.timeout is not None:
        limits = root().options["timeout"].form.make(config.timeout, maker, ("timeout",))  # type: ignore[union-attr]  # it has one
    return Setup(
        provider=leaf.value,
        layers=(*outside, *further, *own.value),
        timeouts=limits.value,
        prices=_prices(config, found, maker),
        max_attempts=config.max_attempts if config.max_attempts is not None else DEFAULT_EXTRA_ATTEMPTS + 1,
        strict=bool(config.strict),
        config=config,
        path=found.path,
        pool=maker.pool,
    )


def _fallback(targets: list[Made], maker: Maker) -> tuple[Middleware, ...]:
    """Return the layer that asks the providers of lower priority, if there are any."""
    if not targets:
        return ()
    key = ("priorities", *(target.key for target in targets))
    return (maker.once(key, lambda: Fallback(*(target.value for target in targets))).value,)


def _prices(config: Config, found: Read, maker: Maker) -> PriceBook | None:
    prices = config.prices
    if prices is None:
        return STANDARD
    if isinstance(prices, str):
        path = _home(Path(maker.filled(prices, ("prices",))))
        prices = str(path if path.is_absolute() or found.path is None else found.path.parent / path)
    given = prices
    try:
        return cast("PriceBook", maker.once(("prices", repr(given)), lambda: price_book(given)).value)
    except ConfigError as error:
        problem = discreet(error.message, given if isinstance(given, Mapping) else None)
    raise Unfit([(("prices",), problem)])


def _home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # `~` of nobody
        pass
    raise Unfit([(("prices",), "names a file in a home folder that is not known")])


def set_up(config: Config, *, unless: Any = None) -> None:
    """Set up logging as the configuration says, if it says anything; not again as it is set up already."""
    if not config.logging or config.logging == unless:
        return
    section = config.logging if isinstance(config.logging, Mapping) else {}
    try:
        logs.configure(**{name: value for name, value in section.items() if name not in ("content", "content_limit")})
    except ConfigError as error:
        problem = discreet(error.message, {"level": section.get("level")})  # the name of the file may be told
    else:
        return
    raise ConfigError(f"the configuration: $.logging: {problem}")
