"""The providers of a configuration, as they are made: each with its options, and the layers that are its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from .. import registry
from ..errors import ConfigError, InvalidProviderError, MissingAPIKeyError
from ..provider import Provider
from ..schema.misfits import Path, Unfit
from ..secrets import SecretStr
from .making import Made, Maker
from .model import LayerConfig, ProviderConfig
from .parts import LAYERS
from .references import discreet, is_reference
from .shape import ENTRY, entry_form, meaning

__all__ = ["Entry", "entries_of"]

_KEYS = ("api_key", "bearer_token")
_ADDRESSES = ("base_url", "endpoint")


@frozen
class Entry:
    """One provider by its name.

    Args:
        name: What it is called, in the configuration and in errors; empty for one that only a model string names.
        config: What is said of it.
        each: The layers of all that have none of their own.
    """

    name: str
    config: ProviderConfig
    each: tuple[LayerConfig, ...]

    def layers(self, maker: Maker) -> Made:
        """Make the layers that stand around it."""
        path: Path = ("providers", self.name) if self.config.use is not None else ()
        around = self.each if self.config.use is None else self.config.use
        shared = self.config.use is None and not self.config.retry and self.name != ""
        made = maker.layers("") if shared else _made(around, maker, (*path, "use" if path else "each"))
        if self.config.retry:
            options = {} if self.config.retry is True else self.config.retry
            retry = _made((LayerConfig("retry", options),), maker, ("providers", self.name))
            made = maker.plain([*retry.value, *made.value], (retry.key, made.key))
        return made

    def leaf(self, maker: Maker) -> Made:
        """Make the provider itself."""
        path: Path = ("providers", self.name)
        form, config = entry_form(self.config.provider), self.config
        options = form.make({key: value for key, value in config.options.items() if key not in ENTRY}, maker, path)
        model = None if config.model is None else maker.filled(config.model, (*path, "model"))
        given = {**options.value, **({"model": model} if model else {})}
        yields = maker.from_file and self._holds_its_key()
        key = ("provider", config.provider, self.name, options.key, model, yields)
        return maker.once(key, lambda: self._make(given, path, yields=yields))

    def named(self, name: str, path: Path, maker: Maker) -> Made:
        """Make the provider of a model string, which no entry has."""
        string = maker.filled(meaning(name), path)
        if registry.split(string)[0] is None:
            raise Unfit([(path, "is none of `providers`, and no model string such as openai:gpt-5.4-mini")])
        return maker.once(("model string", name, string), lambda: _called(string, {"name": name}, path))

    def _holds_its_key(self) -> bool:
        """Whether the key stands in the file itself, for the vendor's own address: then the vendor's variable goes before."""
        keys = [self.config.options.get(name) for name in _KEYS if name in self.config.options]
        inline = any(isinstance(key, SecretStr) or (isinstance(key, str) and not is_reference(key)) for key in keys)
        return inline and not any(name in self.config.options for name in _ADDRESSES)

    def _make(self, given: Mapping[str, Any], path: Path, *, yields: bool) -> Provider:
        named = {"name": self.name} if self.name != self.config.provider else {}
        if yields:
            without = {name: value for name, value in given.items() if name not in _KEYS}
            found = _with_its_own_key(self.config.provider, {**without, **named})
            if found is not None:
                return found
        return _called(self.config.provider, {**given, **named}, path)


def _with_its_own_key(kind: str, options: Mapping[str, Any]) -> Provider | None:
    """Return the provider with the key of the vendor's variable; None if that is not set."""
    try:
        made = registry.provider_for(kind, **options)
        made.validate_config()
    except (MissingAPIKeyError, ConfigError):
        return None
    return made if getattr(getattr(made, "info", None), "scope", None) is not None else None


def _called(string: str, options: Mapping[str, Any], path: Path) -> Provider:
    """Make a provider; what its class refuses is said by path, without the values."""
    try:
        return _named(string, options)
    except InvalidProviderError as error:
        known = registry.split(string)[0] is not None  # then what stands behind the name is no provider
        problem = error.message if known else "names no provider that is known"
    except ConfigError as error:
        problem = discreet(error.message, {name: value for name, value in options.items() if name != "name"})
    except Exception as error:  # noqa: BLE001  # as `making` has it of layers
        said = f"cannot be made: {type(error).__name__}: {error}"
        problem = discreet(said, {name: value for name, value in options.items() if name != "name"})
    raise Unfit([(path, problem)])


def _named(string: str, options: Mapping[str, Any]) -> Provider:
    """Make a provider that is called as the configuration calls it, if its factory lets it."""
    if "name" in options:
        try:
            return registry.provider_for(string, **options)
        except ConfigError as error:
            if "unexpected keyword argument 'name'" not in error.message:
                raise
    return registry.provider_for(string, **{name: value for name, value in options.items() if name != "name"})


def _made(layers: tuple[LayerConfig, ...], maker: Maker, path: Path) -> Made:
    return LAYERS.make([{layer.name: layer.options} for layer in layers], maker, path)


def entries_of(
    providers: Mapping[str, ProviderConfig], each: tuple[LayerConfig, ...]
) -> tuple[dict[str, Entry], list[Entry]]:
    """Return all entries by name, and those that a client asks, in this order.

    Raises:
        ConfigError: There is none.
    """
    entries = {name: Entry(name, config, each) for name, config in providers.items()}
    if not entries:
        raise ConfigError("the configuration names no provider: give `model` or `providers`, or set AI_DEFAULT_MODEL")
    ranked = [entry for entry in entries.values() if entry.config.priority is not None]
    asked = sorted(ranked, key=lambda entry: entry.config.priority or 0) or [next(iter(entries.values()))]
    entries[""] = Entry("", evolve(asked[0].config, use=None, retry=None, options={}), each)
    return entries, asked
