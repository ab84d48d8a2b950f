"""The parts of a configuration that name other parts: layers, the targets of layers, stores and collectors."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from .. import registry
from ..errors import Category, ConfigError
from ..ledger.ledger import Ledger
from ..middleware._metric import MetricsCollector
from ..middleware._targets import Target
from ..middleware.fetch_media import Fetches
from ..plugins import Names, suggestion
from ..provider import Middleware, Provider
from ..schema.misfits import Path
from ..secrets import SecretStr
from ..store import Store
from .forms import Form, Json, Object, Option, Plain, Problem
from .signatures import Special, options_of

if TYPE_CHECKING:
    from .making import Made, Maker

__all__ = ["COLLECTORS", "LAYERS", "SPECIAL", "STORES", "Layers", "Named", "layer_of", "layer_options"]

STORES: Final = Names(
    "store",
    "aiclient.stores",
    {
        "memory": "aiclient.store:MemoryStore",
        "redis": "aiclient.redis_store:RedisStore",
        "sqlite": "aiclient.sqlite_store:SQLiteStore",
    },
)
COLLECTORS: Final = Names(
    "collector",
    "aiclient.collectors",
    {
        "memory": "aiclient.middleware:MemoryMetrics",
        "opentelemetry": "aiclient.middleware:OpenTelemetryMetrics",
        "prometheus": "aiclient.middleware:PrometheusMetrics",
    },
)
FETCHERS: Final = Names("fetcher", "aiclient.fetchers", {"https": "aiclient.fetching:MediaFetcher"})


def layer_of(item: Any) -> tuple[str, Any] | None:
    """Return the name of a layer and its options: it is written `name`, or `{name: options}`; None if it is neither."""
    if isinstance(item, str):
        return item, {}
    if isinstance(item, Mapping) and len(item) == 1:
        ((name, options),) = item.items()
        if isinstance(name, str):
            return name, {} if options is None or options is True else options
    return None


@functools.lru_cache(maxsize=256)
def _options(factory: Any) -> Object:
    return Object(options_of(factory, SPECIAL))


def layer_options(name: str) -> Object:
    """Return what the layer of this name takes; ConfigError if it is not known."""
    return _options(registry.middleware.get(name))


@frozen
class Named(Form):
    """One of several kinds of things, by its name: `name`, or `{name: options}`.

    Args:
        names: The kinds.
        main: The options that `{name: text}` may stand for: it is the first of these that the kind takes.
    """

    names: Names
    main: tuple[str, ...] = ()

    def _read(self, value: Any) -> tuple[str, Any] | None:
        found = layer_of(value)
        if found is None or not self.main or not isinstance(found[1], (str, SecretStr)):
            return found
        name, text = found
        try:
            taken = frozenset(_options(self.names.get(name)).options)
        except ConfigError:  # which is told where its options are checked
            taken = frozenset()
        return name, {next((main for main in self.main if main in taken), self.main[0]): text}

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Check the name, then the options."""
        found = self._read(value)
        if found is None:
            yield path, "must be a name, or an object with one name and its options"
            return
        name, options = found
        if name not in self.names:
            yield (*path, name), f"is not known here{suggestion(name, self.names.names())}"
            return
        try:
            form = _options(self.names.get(name))
        except ConfigError as error:
            yield (*path, name), error.message
            return
        yield from form.check(options, (*path, name) if isinstance(value, Mapping) else path)

    def schema(self) -> Json:
        """Describe the bare names, and each with its options."""
        shown = [(name, _options(self.names.get(name))) for name in self.names.usable()]
        bare = [name for name, form in shown if not any(option.required for option in form.options.values())]
        options = {name: {"anyOf": [*self._short(form, bare=name in bare), form.schema()]} for name, form in shown}
        full = {"type": "object", "properties": options, "additionalProperties": False, "maxProperties": 1}
        return {"anyOf": [{"type": "string", "enum": bare}, {**full, "minProperties": 1}]}

    def _short(self, form: Object, *, bare: bool) -> Iterator[Json]:
        """Yield what may stand for the options: a text for the main one, true or null for none."""
        if any(main in form.options for main in self.main):
            yield {"type": "string"}
        if bare:
            yield from ({"type": "boolean", "const": True}, {"type": "null"})

    def make(self, value: Any, maker: Maker, path: Path) -> Made:
        """Make it, or keep the one of before."""
        found = self._read(value)
        assert found is not None  # checked
        name, options = found
        factory = self.names.get(name)
        made = _options(factory).make(options, maker, (*path, name))
        spread = {option.name for option in _options(factory).options.values() if option.spread}
        return maker.kept((self.names.kind, name), factory, made, (*path, name), spread)


LAYER: Final = Named(registry.middleware)


@frozen
class Layers(Form):
    """A list of layers, the first outermost."""

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Check each."""
        if not isinstance(value, (list, tuple)):
            yield path, "must be a list of layers, the first outermost"
            return
        for place, item in enumerate(value):
            yield from LAYER.check(item, (*path, place))

    def schema(self) -> Json:
        """Refer to the definition of a layer, which may hold layers itself."""
        return {"type": "array", "items": {"$ref": "#/$defs/layer"}}

    def make(self, value: Any, maker: Maker, path: Path) -> Made:
        """Make each."""
        made = [LAYER.make(item, maker, (*path, place)) for place, item in enumerate(value)]
        return maker.plain([each.value for each in made], [each.key for each in made])


LAYERS: Final = Layers()


_TARGET: Final = Object(
    {
        option.name: option
        for option in (
            Option("provider", Plain(str), required=True, note="a name of `providers`, or a model string"),
            Option("model", Plain(str), note="what it is asked for; default its own model"),
            Option("when", Plain(tuple[Category, ...]), note="which errors lead to it"),
            Option("keep_model", Plain(bool), default=False, note="ask for the model that the request names"),
            Option("use", LAYERS, note="layers around this target, instead of those of its provider"),
        )
    }
)


@frozen
class Targets(Form):
    """Further providers that a layer may ask: names of `providers`, or model strings."""

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Check each."""
        if not isinstance(value, (list, tuple)) or not value:
            yield path, "must be a list of providers: names of `providers`, model strings, or objects with `provider`"
            return
        for place, item in enumerate(value):
            if not isinstance(item, str):
                yield from _TARGET.check(item, (*path, place))

    def schema(self) -> Json:
        """Describe both forms of each."""
        return {"type": "array", "minItems": 1, "items": {"anyOf": [{"type": "string"}, _TARGET.schema()]}}

    def make(self, value: Any, maker: Maker, path: Path) -> Made:
        """Make each."""
        made = [self._one(item, maker, (*path, place)) for place, item in enumerate(value)]
        return maker.plain([each.value for each in made], [each.key for each in made])

    def _one(self, item: Any, maker: Maker, path: Path) -> Made:
        if isinstance(item, str):
            return maker.provider(item, path)
        made = _TARGET.make(
            {name: option for name, option in item.items() if name not in ("provider", "use")}, maker, path
        )
        layers = LAYERS.make(item["use"], maker, (*path, "use")) if item.get("use") is not None else None
        inner = maker.provider(item["provider"], (*path, "provider"), layers)
        target = Target(inner.value, **made.value)
        return maker.plain(target, (inner.key, made.key))


@frozen
class Books(Form):
    """A ledger: where a budget keeps its books."""

    def check(self, value: Any, path: Path) -> Iterator[Problem]:
        """Check its options."""
        yield from _options(Ledger).check(value, path)

    def schema(self) -> Json:
        """Return that of its options."""
        return _options(Ledger).schema()

    def make(self, value: Any, maker: Maker, path: Path) -> Made:
        """Make it, or keep the one of before."""
        return maker.kept(("ledger",), Ledger, _options(Ledger).make(value, maker, path), path, frozenset())


SPECIAL: Final[Special] = {
    Middleware: LAYERS,
    Target: Targets(),
    Provider: Targets(),
    Store: Named(STORES, ("path", "url")),
    Ledger: Books(),
    MetricsCollector: Named(COLLECTORS),
    Fetches: Named(FETCHERS),
}
