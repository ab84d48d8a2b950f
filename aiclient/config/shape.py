"""What a whole configuration may hold, key by key: the one place that says it, for reading, for the schema and for the docs."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

from attrs import frozen

from .. import logs, registry
from ..errors import ConfigError
from ..ledger.limits import Limit
from ..plugins import suggestion
from ..providers.services import SERVICES
from ..schema.bounds import Bounds
from ..schema.misfits import Path
from .forms import UNNAMED, Form, Json, Object, Option, Plain, Problem, Switch
from .parts import LAYERS, SPECIAL, layer_options
from .signatures import options_of
from .timing import Duration

__all__ = ["ENTRY", "PRESETS", "Entries", "Preset", "aliased", "entry_form", "kind_and_model", "meaning", "root"]

Preset: TypeAlias = Literal["fast", "balanced", "reliable", "cheap"]

PRESETS: Final = get_args(Preset)
ENTRY: Final = ("provider", "model", "priority", "retry", "use")
"""Keys of an entry of `providers` that are not options of the provider itself."""


_ALIASES: Final[ContextVar[Mapping[str, str]]] = ContextVar("aiclient_aliases", default=MappingProxyType({}))
"""The short names of the configuration that is being read or made."""


@contextlib.contextmanager
def aliased(aliases: Any) -> Iterator[None]:
    """Have the model strings that are read inside know these short names too."""
    token = _ALIASES.set(aliases if isinstance(aliases, Mapping) else {})
    try:
        yield
    finally:
        _ALIASES.reset(token)


def meaning(name: str) -> str:
    """Return the model string that an alias of the configuration stands for, and any other as it is."""
    found: object = _ALIASES.get().get(name)
    return found if isinstance(found, str) else name


@functools.lru_cache(maxsize=1)
def _retry() -> Switch:
    return Switch(layer_options("retry"))


def _common() -> dict[str, Option]:
    """Return the keys that every entry of `providers` may have."""
    return {
        "provider": Option(
            "provider", Plain(str), note="which service: a name of the registry; default the entry's own name"
        ),
        "model": Option("model", Plain(str), note="model of requests that name none"),
        "priority": Option("priority", Plain(int), note="those with one are asked in this order, from the lowest"),
        "retry": Option("retry", _retry(), note="a Retry of its own, outside `use`"),
        "use": Option("use", LAYERS, note="layers around this provider, instead of `each`"),
    }


@functools.lru_cache(maxsize=256)
def _form_of(kind: str, _: Any) -> Object:  # what stands behind the name may change
    of_class = {
        name: option
        for name, option in options_of(registry.get(kind), SPECIAL).items()
        if name not in ("name", "model")
    }
    places = SERVICES[kind].places if kind in SERVICES else {}
    of_row = {name: Option(name, Plain(str), note=f"stands in the address; default {places[name]}") for name in places}
    return Object({**_common(), **of_class, **of_row})


def entry_form(kind: str) -> Object:
    """Return what an entry of the provider `kind` may hold.

    Raises:
        ConfigError: There is no such provider, or it cannot be imported.
    """
    return _form_of(kind, registry.providers.get(kind))


def kind_and_model(name: str, entry: Any) -> tuple[str | None, str | None]:
    """Return which provider an entry is of, and its default model: `{provider: openai, model: x}`, or `openai:x`."""
    given = {"provider": entry} if isinstance(entry, str) else entry
    provider, model = given.get("provider"), given.get("model")
    if provider is None and isinstance(model, str) and name not in registry.providers:
        provider, model = model, None
    if provider is None:
        provider = name
    if not isinstance(provider, str):
        return None, None
    prefix, inside = registry.split(meaning(provider))
    return prefix, model if isinstance(model, str) else inside or None


@frozen
class Entries(Form):
    """The providers by name."""

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Check each by what its provider takes."""
        if not isinstance(value, Mapping):
            yield path, "must be an object: a name for each provider, and what it is"
            return
        for name, entry in value.items():
            if isinstance(name, str):
                yield from self._entry(name, entry, (*path, name))
            else:
                yield (*path, str(name)), UNNAMED

    def _entry(self, name: str, entry: Any, path: Path) -> Iterator[Problem]:
        if not isinstance(entry, (str, Mapping)):
            yield path, "must be a model string such as openai:gpt-5.4-mini, or an object"
            return
        kind, _ = kind_and_model(name, entry)
        if kind is None:
            written = entry if isinstance(entry, str) else entry.get("provider", entry.get("model", name))
            yield (*path, *(() if isinstance(entry, str) else ("provider",))), _unknown(written)
            return
        try:
            form = entry_form(kind)
        except ConfigError as error:
            yield path, error.message
            return
        if isinstance(entry, Mapping):
            yield from form.check(entry, path)

    def schema(self) -> Json:
        """Describe an entry: what it may hold depends on its provider."""
        return {"type": "object", "additionalProperties": {"$ref": "#/$defs/provider"}}


def _unknown(written: Any) -> str:
    word = str(written).partition(":")[0].partition("/")[0]
    near = suggestion(word, registry.names())
    return f"names no provider that is known{near if 'did you mean' in near else ''}; see aiclient.registry.names()"


@frozen
class Profiles(Form):
    """Changes to the rest, by the name of the profile."""

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Take objects; what they make of the rest is checked with it."""
        if not isinstance(value, Mapping):
            yield path, "must be an object: a name for each profile, and what is different in it"
            return
        for name, changes in value.items():
            if not isinstance(name, str):
                yield (*path, str(name)), UNNAMED
            if not isinstance(changes, Mapping):
                yield (*path, str(name)), "must be an object with what is different in this profile"
                continue
            for key, change in changes.items():
                if key in ("profile", "profiles"):
                    yield (*path, str(name), key), "cannot stand in a profile"
                elif change is None and key not in root().options:  # null takes away, and would leave no trace of it
                    yield (*path, str(name), str(key)), f"is not known here{suggestion(str(key), list(root().options))}"

    def schema(self) -> Json:
        """Refer to what a profile may change."""
        return {"type": "object", "additionalProperties": {"$ref": "#/$defs/profile"}}


def _logging() -> Object:
    options = options_of(logs.configure, SPECIAL)
    return Object(
        {**options, **{name: option for name, option in layer_options("logging").options.items() if option.form}}
    )


_PRICE: Final = dict[str, dict[str, float | str]]


@functools.lru_cache(maxsize=1)
def root() -> Object:
    """Return what a configuration may hold."""
    options = (
        Option("preset", Plain(Preset), note="layers and limits to begin with; what else stands here goes before them"),
        Option("profile", Plain(str), note="which of `profiles` holds, unless AICLIENT_PROFILE or an argument says so"),
        Option("profiles", Profiles(), note="what is different in dev, staging, prod, ...: any of the keys here"),
        Option("model", Plain(str), note="provider:model, where there is one provider and nothing to say of it"),
        Option("providers", Entries(), note="the providers by name; what each may hold is its constructor's options"),
        Option("aliases", Plain(dict[str, str]), note="short names for model strings"),
        Option("timeout", Duration(), note="longest a call may take: seconds, 30s, 2m; or each limit by its name"),
        Option(
            "max_attempts",
            Plain(Annotated[int, Bounds(ge=1)]),
            default=6,
            note="exchanges that one call may make in all",
        ),
        Option("strict", Plain(bool), default=False, note="what a service cannot do is an error, not a warning"),
        Option("use", LAYERS, note="the chain, first outermost, around all providers"),
        Option("each", LAYERS, note="layers around each provider that has no `use` of its own"),
        Option("budgets", Plain(tuple[Limit, ...]), note="limits of money and tokens, all at once"),
        Option("cache", Switch(layer_options("cache")), note="a Cache outside `use`"),
        Option("logging", Switch(_logging()), note="where records go, and one record for each call"),
        Option(
            "prices", Plain(str | _PRICE), note="prices that go before the library's own, or a file that holds them"
        ),
    )
    return Object({option.name: option for option in options})
