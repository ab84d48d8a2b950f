"""A client's set-up as a value: what a file says, or what code says with it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Self

from attrs import evolve, field, fields, frozen

from ..errors import ConfigError
from ..plugins import suggestion
from ..schema.misfits import shown
from .forms import masked
from .parts import layer_of
from .problems import merged, outsized, problems_in, refuse
from .references import concealed, inline_secrets
from .shape import ENTRY, Preset, aliased, kind_and_model

__all__ = ["Config", "LayerConfig", "ProviderConfig"]

_EMPTY: tuple[tuple[str, Any], ...] = (("profiles", {}), ("providers", {}), ("aliases", {}), ("budgets", ()))
"""Keys that say nothing so; an empty `use` says that there are no layers."""


@frozen
class LayerConfig:
    """A layer in a chain: its name, and its options as they are written.

    Args:
        name: Of `aiclient.registry.middleware`.
        options: By the names of the constructor's arguments.
    """

    name: str
    options: Mapping[str, Any] = field(factory=dict)

    @classmethod
    def of(cls, item: Any) -> LayerConfig:
        """Read `name`, or `{name: options}`."""
        if isinstance(item, LayerConfig):
            return item
        name, options = layer_of(item) or ("", {})
        return cls(name, concealed(options) if isinstance(options, Mapping) else options)

    def to_dict(self) -> Any:
        """Write it as it is read; secrets as `***`."""
        return masked(self._written())

    def _written(self) -> Any:
        return {self.name: self.options} if self.options else self.name


@frozen(kw_only=True)
class ProviderConfig:
    """One of the providers.

    Args:
        provider: Which service, by its name in the registry.
        model: Model of requests that name none.
        priority: Those with one are asked in this order, from the lowest. None: only where `use` names it; of several without
            a priority the first one is the client's.
        retry: A Retry of its own around it; True for one with the defaults.
        use: Layers around it, inside that; None for those of `Config.each`.
        options: Options of its constructor, with secrets as SecretStr or references.
    """

    provider: str
    model: str | None = None
    priority: int | None = None
    retry: Mapping[str, Any] | bool | None = None
    use: tuple[LayerConfig, ...] | None = None
    options: Mapping[str, Any] = field(factory=dict)

    @classmethod
    def of(cls, name: str, entry: Any) -> ProviderConfig:
        """Read a model string, or an object with the keys of the constructor among its own."""
        if isinstance(entry, ProviderConfig):
            return entry
        kind, model = kind_and_model(name, entry)
        given = {} if isinstance(entry, str) else {key: value for key, value in entry.items() if value is not None}
        return cls(
            provider=kind or "",
            model=model,
            priority=given.get("priority"),
            retry=copy.deepcopy(given.get("retry")),
            use=_layers(given.get("use")),
            options=concealed({key: value for key, value in given.items() if key not in ENTRY}),
        )

    def to_dict(self) -> dict[str, Any]:
        """Write it as it is read; secrets as `***`, references as they are."""
        return masked(self._written())  # type: ignore[no-any-return]  # a dict, as it was

    def _written(self) -> dict[str, Any]:
        own = {"provider": self.provider, "model": self.model, "priority": self.priority, "retry": self.retry}
        use = None if self.use is None else [layer._written() for layer in self.use]  # noqa: SLF001  # of this module
        return {**{key: value for key, value in (*own.items(), ("use", use)) if value is not None}, **self.options}


def _layers(items: Any) -> tuple[LayerConfig, ...] | None:
    return tuple(LayerConfig.of(item) for item in items) if isinstance(items, (list, tuple)) else items


def _listed(items: Any) -> Any:
    return tuple(items) if isinstance(items, list) else items


def _given(value: Any) -> Any:
    return value  # in any form that a file may have; read when the aliases are known


def _providers(entries: Any) -> Any:
    if not isinstance(entries, Mapping):
        return entries
    readable = (str, Mapping, ProviderConfig)
    return {
        name: ProviderConfig.of(name, entry) if isinstance(entry, readable) and isinstance(name, str) else entry
        for name, entry in entries.items()
    }


@frozen(kw_only=True)
class Config:
    """A client's set-up: providers, the chain around them, limits, logging, prices.

    Values are as a file would hold them; `docs/configuration.md` lists the keys. Every one has a default.

    Args:
        preset: `fast`, `balanced`, `reliable` or `cheap`: what holds where nothing else is said.
        profile: Which of `profiles` holds, unless `AICLIENT_PROFILE` or an argument says so.
        profiles: What is different in each: any of the other arguments.
        model: `provider:model`, where there is one provider and nothing to say of it.
        providers: By name: model strings, objects, or ProviderConfig.
        aliases: Short names for model strings.
        timeout: Seconds, a text such as `30s`, or limits by name.
        max_attempts: Exchanges that one call may make in all.
        strict: Whether what a service cannot do is an error.
        use: The chain around all providers, the first outermost: names, `{name: options}`, or LayerConfig.
        each: Layers around each provider that has no `use` of its own.
        budgets: Limits, by the arguments of `aiclient.Limit`.
        cache: Options of a Cache outside `use`, or True.
        logging: Options of `logs.configure` and of Logging, or True.
        prices: Prices by model, or the path of a file that holds them.

    Raises:
        ConfigError: Something cannot be as it is; the message says what and where, and holds no values.

    Example:
        >>> from aiclient.config import Config
        >>> config = Config(model="mock:small", use=["logging", {"retry": {"attempts": 2}}])
        >>> config.use[1].options["attempts"]
        2
    """

    preset: Preset | None = None
    profile: str | None = None
    profiles: Mapping[str, Mapping[str, Any]] = field(factory=dict)
    model: str | None = None
    providers: Mapping[str, ProviderConfig] = field(factory=dict, converter=_given)
    aliases: Mapping[str, str] = field(factory=dict)
    timeout: float | str | Mapping[str, Any] | None = None
    max_attempts: int | None = None
    strict: bool | None = None
    use: tuple[LayerConfig, ...] | None = field(default=None, converter=_layers)
    each: tuple[LayerConfig, ...] | None = field(default=None, converter=_layers)
    budgets: tuple[Mapping[str, Any], ...] = field(default=(), converter=_listed)
    cache: Mapping[str, Any] | bool | None = None
    logging: Mapping[str, Any] | bool | None = None
    prices: Mapping[str, Mapping[str, Any]] | str | None = None

    def __attrs_post_init__(self) -> None:
        with aliased(self.aliases):
            object.__setattr__(self, "providers", _providers(self.providers))
            refuse(problems_in(self._written()))

    @classmethod
    def of(cls, value: Mapping[str, Any] | Config, *, source: str = "") -> Self:
        """Read a dict as a file would hold it.

        Args:
            value: The dict; a Config is returned as it is.
            source: What messages call it, such as the name of a file.

        Raises:
            ConfigError: It is no dict, or holds what it cannot.
        """
        if isinstance(value, cls):
            return value
        given: Any = value
        refuse(outsized(given) or problems_in(given), source)
        known = {name: copy.deepcopy(concealed(item)) for name, item in given.items() if item is not None}
        return cls(**known)

    def to_dict(self) -> dict[str, Any]:
        """Write it as a file would hold it, with nothing secret in it.

        References (`env:NAME`, `file:path`, `${NAME}`) are written as they are, secrets that stand in it themselves as `***`,
        with which no client can be made. `Config.of` reads the rest back as it was.
        """
        return masked(self._written())  # type: ignore[no-any-return]  # a dict, as it was

    def _written(self) -> dict[str, Any]:
        values = {attribute.name: getattr(self, attribute.name) for attribute in fields(type(self))}
        return {
            name: _plain(value) for name, value in values.items() if value is not None and (name, value) not in _EMPTY
        }

    def changed(self, changes: Mapping[str, Any]) -> Config:
        """Return the configuration with some keys changed: objects are merged key by key, all else is replaced."""
        return Config.of(merged(self._written(), changes)) if changes else self

    def with_profile(self, name: str | None = None) -> Config:
        """Return what holds in a profile: objects are merged key by key, all else is replaced.

        Args:
            name: Which; None is the one that `profile` names, if any.

        Raises:
            ConfigError: There is no such profile.
        """
        name = name or self.profile
        if name is None:
            return self
        given: Any = name
        if not isinstance(given, str):
            raise ConfigError(f"profile={given!r} must be a text, the name of a profile")
        if name not in self.profiles:
            hint = suggestion(name, list(self.profiles)) or "; there are none"
            raise ConfigError(f"there is no profile {name!r} in this configuration{hint}")
        bare = evolve(self, profile=None, profiles={})
        return Config.of(merged(bare._written(), self.profiles[name]))  # noqa: SLF001  # its own class

    @property
    def secrets_inside(self) -> tuple[str, ...]:
        """Where secrets stand in it themselves, as paths."""
        return tuple(shown(path) for path in inline_secrets(concealed(self._written())))


def _plain(value: Any) -> Any:
    if isinstance(value, (LayerConfig, ProviderConfig)):
        return _plain(value._written())  # noqa: SLF001  # of this module
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
